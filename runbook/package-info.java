/**
 * What two or more runbook steps need: settings, the private key, Klaviyo's published facts, a bounded HTTP client,
 * and text that is safe to print. It knows no command line and never ends the process.
 */
//SOURCES Deadline.java
//SOURCES Durations.java
//SOURCES Json.java
//SOURCES Text.java
//SOURCES Nearest.java
//SOURCES Problem.java
//SOURCES Key.java
//SOURCES Launcher.java
//SOURCES Revision.java
//SOURCES Endpoint.java
//SOURCES Settings.java
//SOURCES Answer.java
//SOURCES TlsFault.java
//SOURCES EnvironmentProxy.java
//SOURCES BoundedBody.java
//SOURCES HttpFaults.java
//SOURCES PlainOnly.java
//SOURCES Http.java
//SOURCES ApiError.java
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
package runbook;
