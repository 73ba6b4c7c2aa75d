package runbook.rotation;

import java.util.Locale;
import java.util.Map;
import runbook.Text.Json;
import com.fasterxml.jackson.databind.JsonNode;

/**
 * One action of a rotation, for people and machines alike; nothing secret in it.
 *
 * @param name    {@code preflight}, {@code test}, {@code store}, {@code read-back}, {@code restart}, {@code verify},
 *                {@code disable-old} or {@code roll-back}
 * @param place   what it was about: a store, a restart target, {@code app}, {@code new key}, …
 * @param outcome how it ended
 * @param millis  how long it took
 * @param command as it was run; empty where no command was
 * @param detail  what it found, in one line
 * @param mend    after a failure, the command that mends it; may be empty
 */
public record Step(String name, String place, Outcome outcome, long millis, String command, String detail, String mend) {
    /** How an action ends; planned is one that a dry run only shows. */
    public enum Outcome { OK, WARN, FAILED, SKIPPED, PLANNED }

    /** The step as in {@code rotate-key --json}. */
    public JsonNode json() {
        return Json.object()
                .put("name", name)
                .put("outcome", outcome.name().toLowerCase(Locale.ROOT))
                .put("millis", millis)
                .put("command", command)
                .put("detail", line());
    }

    Map<String, Object> data() {
        return Map.of(
                "name",
                name,
                "place",
                place,
                "outcome",
                outcome.name().toLowerCase(Locale.ROOT),
                "millis",
                millis,
                "command",
                command,
                "detail",
                detail);
    }

    String line() {
        return place + ": " + detail + (mend.isEmpty() ? "" : " To mend: " + mend);
    }
}
