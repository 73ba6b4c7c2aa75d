package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/**
 * What one check found, ready to show.
 *
 * @param name    {@code status-page}, {@code network}, {@code auth}, {@code endpoint:profiles}, {@code rate-limit},
 *                {@code revision}, {@code app}, {@code app-errors} or {@code webhook}
 * @param outcome how it ended
 * @param summary why, in one line that is safe to print
 * @param millis  how long it took; 0 when nothing was asked
 * @param http    the HTTP status that decided it, or null
 * @param detail  more, as an object of plain JSON values
 */
public record Check(String name, Outcome outcome, String summary, long millis, Integer http, JsonNode detail) {
    /** How a check ends. */
    public enum Outcome { OK, WARN, FAIL, SKIPPED }

    /** A check that was not made, and why not. */
    public static Check skipped(String name, String why) {
        return new Check(name, Outcome.SKIPPED, why, 0, null, Json.object());
    }

    /** The check as the JSON of {@code triage --json}. */
    public JsonNode json() {
        return inShort().set("detail", detail);
    }

    /** The same without its detail, as the journal has it. */
    public ObjectNode inShort() {
        ObjectNode object = Json.object().put("name", name).put("outcome", outcome.name().toLowerCase(Locale.ROOT))
                .put("summary", summary).put("millis", millis);
        return object.set("http", Json.of(http));
    }
}
