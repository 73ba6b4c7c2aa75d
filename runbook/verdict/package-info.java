/** From findings to a verdict: the runbook's decision tree, severities, and what to do next. */
//SOURCES ../check/package-info.java
//SOURCES ../incident/package-info.java
//SOURCES Severity.java
//SOURCES Diagnosis.java
//SOURCES Tree.java
//SOURCES Step.java
//SOURCES Facts.java
//SOURCES DecisionTree.java
//SOURCES Drawing.java
//SOURCES Impact.java
//SOURCES Action.java
//SOURCES Actions.java
//SOURCES Verdict.java
package runbook.verdict;
