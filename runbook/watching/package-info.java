/**
 * What {@code watch} stands on: the state machine that decides from rounds alone ({@link runbook.watching.Watchkeeper}),
 * the pace that spares the account's quota, what is kept in the incident folder, how people are told, the live view and
 * the chart. The checks themselves are triage's.
 */
//SOURCES ../package-info.java
//SOURCES ../check/package-info.java
//SOURCES ../incident/package-info.java
//SOURCES ../message/package-info.java
//SOURCES ../verdict/package-info.java
//SOURCES Backlog.java
//SOURCES Chart.java
//SOURCES ChartPage.java
//SOURCES Condition.java
//SOURCES Face.java
//SOURCES Goal.java
//SOURCES Happening.java
//SOURCES Herald.java
//SOURCES History.java
//SOURCES Hook.java
//SOURCES LiveFace.java
//SOURCES LiveTerminal.java
//SOURCES Mark.java
//SOURCES Markup.java
//SOURCES Messenger.java
//SOURCES Observer.java
//SOURCES Pace.java
//SOURCES Page.java
//SOURCES Panel.java
//SOURCES Past.java
//SOURCES Plan.java
//SOURCES Reading.java
//SOURCES RetryQueue.java
//SOURCES Round.java
//SOURCES RoundJson.java
//SOURCES RoundLog.java
//SOURCES Scribe.java
//SOURCES Series.java
//SOURCES Snapshot.java
//SOURCES Sparkline.java
//SOURCES State.java
//SOURCES Telling.java
//SOURCES Ticker.java
//SOURCES TimeScale.java
//SOURCES Update.java
//SOURCES VendorLog.java
//SOURCES Watching.java
//SOURCES Watchkeeper.java
//DEPS org.jline:jline-terminal:4.5.0
package runbook.watching;
