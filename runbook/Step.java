package runbook;

/** One question on the way through the decision tree, and its answer. */
public record Step(String question, String answer) { }
