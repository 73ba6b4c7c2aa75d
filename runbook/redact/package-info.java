/**
 * What must not leave the company, and how it is taken out: one table of rules ({@link runbook.redact.Rules}) and a
 * {@link runbook.redact.Redactor} that works on streams in constant memory.
 */
//SOURCES ../package-info.java
//SOURCES ByteClass.java
//SOURCES Trigger.java
//SOURCES Triggers.java
//SOURCES Rule.java
//SOURCES FlatSets.java
//SOURCES Shapes.java
//SOURCES Rules.java
//SOURCES RuleSamples.java
//SOURCES KnownValue.java
//SOURCES Pseudonyms.java
//SOURCES Spans.java
//SOURCES ByteSearch.java
//SOURCES PrivateKeys.java
//SOURCES EncodedRuns.java
//SOURCES Tally.java
//SOURCES Policy.java
//SOURCES Redactor.java
//SOURCES Piece.java
//SOURCES Pieces.java
//SOURCES PlainInput.java
//SOURCES Cleaner.java
package runbook.redact;
