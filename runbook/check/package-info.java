/** The checks: what each looks at, what it found as data, and how it reads as one line. */
//SOURCES ../package-info.java
//SOURCES Check.java
//SOURCES Checkup.java
package runbook.check;
