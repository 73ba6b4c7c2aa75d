package runbook.bundle;

import java.time.Duration;
import java.time.Instant;

/** The time that a bundle is about; both ends belong to it. */
public record Window(Instant from, Instant to) {
    boolean holds(long millis) {
        return millis >= from.toEpochMilli() && millis <= to.toEpochMilli();
    }

    /** How long it is. */
    public Duration length() {
        return Duration.between(from, to);
    }

    /** The hour before it: what normal looked like. */
    public Window hourBefore() {
        return new Window(from.minus(Duration.ofHours(1)), from);
    }
}
