/**
 * The postmortem: what was recorded (journal, debug bundle, Prometheus, status page) put in order, told by
 * {@code templates/postmortem.md}, drawn, and checked for what people still have to add.
 */
//SOURCES ../package-info.java
//SOURCES ../incident/package-info.java
//SOURCES ../message/package-info.java
//SOURCES Band.java
//SOURCES BundleFile.java
//SOURCES Entry.java
//SOURCES EventsFile.java
//SOURCES Evidence.java
//SOURCES Hints.java
//SOURCES Impact.java
//SOURCES Lessons.java
//SOURCES Logs.java
//SOURCES Markdown.java
//SOURCES Measures.java
//SOURCES Metrics.java
//SOURCES Milestones.java
//SOURCES Moment.java
//SOURCES Page.java
//SOURCES Picture.java
//SOURCES Prometheus.java
//SOURCES Recorded.java
//SOURCES Regions.java
//SOURCES Replay.java
//SOURCES Report.java
//SOURCES RotationSteps.java
//SOURCES Rounds.java
//SOURCES Scale.java
//SOURCES Series.java
//SOURCES Story.java
//SOURCES Texts.java
//SOURCES Timeline.java
//SOURCES Told.java
//SOURCES Unfinished.java
//SOURCES VendorIncident.java
//FILES templates/=../../templates/postmortem.md
//FILES templates/=../../templates/postmortem.html
//FILES templates/=../../templates/lessons.json
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS org.commonmark:commonmark:0.29.0
//DEPS org.commonmark:commonmark-ext-gfm-tables:0.29.0
//DEPS org.commonmark:commonmark-ext-task-list-items:0.29.0
//DEPS org.jsoup:jsoup:1.24.1
package runbook.report;
