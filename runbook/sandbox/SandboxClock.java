package runbook.sandbox;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicLong;

/** The sandbox's time: monotonic, optionally fast, and advanced by hand in tests. */
final class SandboxClock {
    private final long startNanos = System.nanoTime();
    private final Instant startWall = Instant.now();
    private final AtomicLong skipped = new AtomicLong();
    private final double speed;

    SandboxClock(double speed) {
        this.speed = speed;
    }

    /** Milliseconds since the sandbox started. */
    long millis() {
        return (long) ((System.nanoTime() - startNanos) / 1e6 * speed) + skipped.get();
    }

    /** The wall time of a moment counted as {@link #millis()} counts. */
    Instant wall(long millis) {
        return startWall.plusMillis(millis);
    }

    void advance(Duration by) {
        skipped.addAndGet(by.toMillis());
    }
}
