package runbook;

import java.time.Duration;

/**
 * A moment by which something must have ended, on the monotonic clock.
 *
 * @param nanos the moment, as {@link System#nanoTime()} counts
 */
public record Deadline(long nanos) {
    /** That long from now. */
    public static Deadline in(Duration duration) {
        return new Deadline(System.nanoTime() + duration.toNanos());
    }

    /** Whether it is past. */
    public boolean over() {
        return System.nanoTime() - nanos >= 0;
    }

    /** What is left of it, at least one millisecond. */
    public Duration left() {
        return Duration.ofNanos(Math.max(1_000_000, nanos - System.nanoTime()));
    }
}
