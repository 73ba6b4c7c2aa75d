package runbook.watching;

/**
 * One of the things that recovery asks for.
 *
 * @param name  {@code rounds}, {@code time}, {@code checks}, {@code status-page} or {@code backlog}
 * @param met   whether it holds now
 * @param words how far it is
 */
public record Condition(String name, boolean met, String words) { }
