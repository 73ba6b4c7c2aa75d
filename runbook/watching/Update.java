package runbook.watching;

import java.time.Instant;
import runbook.Text;

/**
 * One update on the vendor's status page.
 *
 * @param key      the page's own id of the incident
 * @param at       the vendor's own time; null when it gave none
 * @param incident the incident's name
 * @param status   {@code investigating}, {@code identified}, {@code monitoring}, {@code resolved}, …
 * @param body     its text
 */
public record Update(String key, Instant at, String incident, String status, String body) {
    private static final int LONGEST_WORDS = 200;

    /** Tells it apart from every other, also after a restart. */
    public String id() {
        return key + " " + at + " " + status;
    }

    /** For one line. */
    public String words() {
        return incident + ": " + status + (body.isBlank() ? "" : ": " + Text.safe(body, LONGEST_WORDS));
    }
}
