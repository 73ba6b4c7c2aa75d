package runbook.watching;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.LongSupplier;

/**
 * Elapsed time. It rests on the monotonic clock, so that a wall clock that jumps changes nothing, and adds the time that
 * the machine slept, which that clock leaves out.
 */
public final class Ticker {
    private static final Path UPTIME = Path.of("/proc/uptime");
    private static final long NOTICEABLE = 1_000;

    private final LongSupplier awake;
    private final LongSupplier always;
    private final long startAwake;
    private final long startAlways;
    private long slept;

    private Ticker(LongSupplier awakeMillis, LongSupplier alwaysMillis) {
        awake = awakeMillis;
        always = alwaysMillis;
        startAwake = awake.getAsLong();
        startAlways = always.getAsLong();
    }

    /** A ticker that begins now. */
    public static Ticker start() {
        // Without Linux's counter only the wall clock tells of a sleep; there, one set forward looks like one.
        return of(() -> System.nanoTime() / 1_000_000, Files.isReadable(UPTIME) ? Ticker::uptime : System::currentTimeMillis);
    }

    /**
     * A ticker on other clocks.
     *
     * @param awakeMillis  monotonic, stands still while the machine sleeps
     * @param alwaysMillis monotonic, goes on while it sleeps; the same as the first where there is none such
     */
    public static Ticker of(LongSupplier awakeMillis, LongSupplier alwaysMillis) {
        return new Ticker(awakeMillis, alwaysMillis);
    }

    // Counts the time asleep as well. A failure reads as 0, which is no drift forward and so changes nothing.
    private static long uptime() {
        try {
            String text = Files.readString(UPTIME);
            return (long) (Double.parseDouble(text.substring(0, text.indexOf(' '))) * 1_000);
        } catch (IOException | RuntimeException e) {
            return 0;
        }
    }

    /** Milliseconds since the start, time asleep included. */
    public long millis() {
        long here = awake.getAsLong() - startAwake;
        long drift = always.getAsLong() - startAlways - here;
        if (drift - slept > NOTICEABLE) {
            slept = drift;
        }
        return here + slept;
    }
}
