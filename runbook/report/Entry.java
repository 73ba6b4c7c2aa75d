package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.Set;
import runbook.Text.Json;
import runbook.Incident.Event;

/**
 * One thing that happened, wherever it was recorded.
 *
 * @param at     when
 * @param kind   a journal event's name, or {@link #SYMPTOM}, {@link #NORMAL}, {@link #VENDOR}, {@link #STABLE}
 * @param source where it was recorded, in words: {@code triage}, {@code status page}, {@code metrics}
 * @param text   what happened, as it was recorded: not escaped
 * @param data   what else the journal has; an empty object for what is no milestone
 */
record Entry(Instant at, String kind, String source, String text, JsonNode data) {
    /** The first sign of trouble, found afterwards. */
    static final String SYMPTOM = "symptom";
    /** The last moment known to be good. */
    static final String NORMAL = "normal";
    /** An update on the vendor's status page. */
    static final String VENDOR = "vendor";
    /** The recovery held. */
    static final String STABLE = "stable";

    /** The text of a recovery that has begun and is yet to be confirmed. */
    static final String BEGINS = "first good round of an unbroken run";

    private static final Set<String> MILESTONES = Set.of(Event.DETECTED, Event.ACKNOWLEDGED, Event.DIAGNOSED, Event.MITIGATED,
            Event.ROTATED, Event.DEGRADED, Event.RECOVERED, Event.CLOSED, SYMPTOM, VENDOR, STABLE);

    Entry(Instant at, String kind, String source, String text) {
        this(at, kind, source, text, Json.object());
    }

    /** Whether it changes what is known about the incident, so that a picture has to show it. */
    boolean milestone() {
        return MILESTONES.contains(kind);
    }

    /** Who did it, where the journal says so. */
    String by() {
        return data.path("by").asText(data.path("lead").asText(""));
    }

    /** Whether it is a check that found nothing wrong. */
    boolean healthy() {
        return kind.equals(Event.DIAGNOSED) && data.path("diagnosis").asText().equals("healthy");
    }

    /** Whether it says that users are affected, now or again. */
    boolean failing() {
        return Event.failing(kind, data);
    }

    /** Whether it says that it works again. */
    boolean restoring() {
        return kind.equals(Event.RECOVERED) || kind.equals(STABLE);
    }

    /** Whether it is the beginning of a recovery that was confirmed later. */
    boolean provesLater() {
        return kind.equals(Event.RECOVERED) && text.equals(BEGINS);
    }

    /** Whether it says the same as another, at the same time. */
    boolean same(Entry other) {
        return at.equals(other.at) && kind.equals(other.kind) && source.equals(other.source) && text.equals(other.text);
    }
}
