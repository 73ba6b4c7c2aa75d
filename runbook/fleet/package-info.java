/** Triage for those who run many Klaviyo accounts: all at once within limits, worst first. */
//SOURCES ../verdict/package-info.java
//SOURCES Account.java
//SOURCES AccountsFile.java
//SOURCES Fleet.java
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
package runbook.fleet;
