package runbook.rotation;

/**
 * Something that a person has to do because this toolkit could not.
 *
 * @param text    what, in words
 * @param command to paste; may be empty
 */
public record HandStep(String text, String command) { }
