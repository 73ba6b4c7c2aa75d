/** The command line that the five scripts have in common: shared options, the screen, and how a run ends. */
//SOURCES ../package-info.java
//SOURCES ../incident/package-info.java
//SOURCES ../sandbox/package-info.java
//SOURCES SharedOptions.java
//SOURCES KeySource.java
//SOURCES Defaults.java
//SOURCES Screen.java
//SOURCES Launch.java
//DEPS info.picocli:picocli:4.7.7
package runbook.cli;
