package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import runbook.Text.Json;

/**
 * One line of the journal.
 *
 * @param at      when it happened, to the millisecond
 * @param step    which script wrote it: {@code triage}, {@code rotate-key}, {@code watch}, …
 * @param event   what it is, one of the names below or any other word
 * @param summary one line for people
 * @param data    more, for the other scripts; an object, possibly empty
 */
public record Event(Instant at, String step, String event, String summary, JsonNode data) {
    /** An alert fired, or a check failed for the first time. */
    public static final String DETECTED = "detected";
    /** Somebody took it. */
    public static final String ACKNOWLEDGED = "acknowledged";
    /** Triage (or a person) named what is broken. */
    public static final String DIAGNOSED = "diagnosed";
    /** Something was done against its effects. */
    public static final String MITIGATED = "mitigated";
    /** The private key was replaced. */
    public static final String ROTATED = "rotated";
    /** One step of a rotation. */
    public static final String ROTATION_STEP = "rotation-step";
    /** Watch saw it get worse. */
    public static final String DEGRADED = "degraded";
    /** Watch saw it recover. */
    public static final String RECOVERED = "recovered";
    /** Evidence was collected. */
    public static final String BUNDLED = "bundled";
    /** People were told. */
    public static final String ANNOUNCED = "announced";
    /** Anything else worth a line. */
    public static final String NOTE = "note";
    /** The incident is over and written up. */
    public static final String CLOSED = "closed";

    /** An event that happens now. */
    public static Event now(String step, String event, String summary, Map<String, ?> data) {
        return new Event(Instant.now().truncatedTo(ChronoUnit.MILLIS), step, event, summary, Json.of(data));
    }

    /** The scenario when this was written in a drill, else empty. */
    public String drill() {
        return data.path("drill").asText("");
    }

    /** Whether it says that users are affected, now or again: an alert, a fall that watch saw, or a triage of P1 to P3. */
    public boolean failing() {
        return failing(event, data);
    }

    /** The same of an event that was taken apart. A cause that a person names later is no new failure. */
    public static boolean failing(String event, JsonNode data) {
        return event.equals(DETECTED)
                || event.equals(DEGRADED)
                || event.equals(DIAGNOSED) && data.path("severity").asText().matches("P[1-3]");
    }

    /** Whether it says that something was done against it. */
    public boolean mitigating() {
        return event.equals(MITIGATED) || event.equals(ROTATED);
    }

    ObjectNode json() {
        return Json.object().put("at", at.toString()).put("step", step).put("event", event)
                .put("summary", summary).set("data", data);
    }

    /** Reads one line's object; unknown fields are left where they are. */
    static Event of(JsonNode line) {
        JsonNode data = line.path("data");
        return new Event(instant(line.path("at").asText()), line.path("step").asText(), line.path("event").asText(),
                line.path("summary").asText(), data.isObject() ? data : Json.object());
    }

    private static Instant instant(String text) {
        try {
            return text.length() == 24 && text.charAt(10) == 'T' && text.charAt(19) == '.' && text.charAt(23) == 'Z' ? ours(text)
                    : OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException | NumberFormatException e) {
            throw new IllegalArgumentException("its time is not ISO 8601");
        }
    }

    // A general parser takes half of the time that reading a long journal takes.
    private static Instant ours(String text) {
        long day = LocalDate.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)).toEpochDay();
        LocalTime time = LocalTime.of(number(text, 11, 13), number(text, 14, 16), number(text, 17, 19));
        return Instant.ofEpochSecond(day * 86_400 + time.toSecondOfDay(), number(text, 20, 23) * 1_000_000L);
    }

    private static int number(String text, int from, int to) {
        return Integer.parseInt(text, from, to, 10);
    }
}
