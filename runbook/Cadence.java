package runbook;

import java.time.Duration;
import java.time.Instant;

/**
 * When the next message is due, as PagerDuty's guide for incident communication has it: scope within five minutes of
 * the first post, then every twenty minutes for two hours, hourly after that.
 */
public final class Cadence {
    private static final Duration SCOPE = Duration.ofMinutes(5);
    private static final Duration EARLY = Duration.ofMinutes(20);
    private static final Duration LATE = Duration.ofHours(1);
    private static final Duration EARLY_LASTS = Duration.ofHours(2);

    private Cadence() { }

    /** When the message after the one at {@code now} is due, in an incident that began at {@code began}. */
    public static Instant next(Instant began, Instant now) {
        Duration lasted = Duration.between(began, now);
        if (lasted.compareTo(SCOPE) < 0) {
            return now.plus(SCOPE);
        }
        return now.plus(lasted.compareTo(EARLY_LASTS) < 0 ? EARLY : LATE);
    }
}
