/**
 * The checks: what each looks at, what it found as data, and how it reads as one line. {@link runbook.check.Checkup}
 * makes them all at once; adding one means a class here, a line there, and a question in the decision tree.
 */
//SOURCES ../package-info.java
//SOURCES ../redact/package-info.java
//SOURCES Check.java
//SOURCES Symptom.java
//SOURCES StatusPage.java
//SOURCES StatusFeed.java
//SOURCES Path.java
//SOURCES Network.java
//SOURCES Auth.java
//SOURCES EndpointProbe.java
//SOURCES RateLimits.java
//SOURCES RevisionCheck.java
//SOURCES AppHealth.java
//SOURCES AppErrors.java
//SOURCES Webhook.java
//SOURCES Findings.java
//SOURCES Checkup.java
//DEPS org.jsoup:jsoup:1.24.1
package runbook.check;
