/**
 * What people are told during an incident: the internal and the external text, filled from
 * {@code templates/slack.md} and {@code templates/status-page.md} in one way for all scripts, and the post to Slack.
 */
//SOURCES ../package-info.java
//SOURCES ../incident/package-info.java
//SOURCES Template.java
//SOURCES State.java
//SOURCES Words.java
//SOURCES Wording.java
//SOURCES Cadence.java
//SOURCES DataLoss.java
//SOURCES Announcement.java
//SOURCES Messages.java
//SOURCES Slack.java
//FILES templates/=../../templates/slack.md
//FILES templates/=../../templates/status-page.md
//DEPS com.samskivert:jmustache:1.16
package runbook.message;
