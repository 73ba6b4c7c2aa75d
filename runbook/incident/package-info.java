/** The incident folder: the only thing that the five scripts share. See DESIGN in the README's section on files. */
//SOURCES ../package-info.java
//SOURCES Event.java
//SOURCES Lines.java
//SOURCES Journal.java
//SOURCES Incident.java
package runbook.incident;
