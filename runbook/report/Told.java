package runbook.report;

import java.time.Instant;

/**
 * Something that a person told, for the journal.
 *
 * @param at   when it happened
 * @param by   who told it; may be empty
 * @param kind a journal event's name, {@code note} when not said
 * @param text what happened
 */
public record Told(Instant at, String by, String kind, String text) { }
