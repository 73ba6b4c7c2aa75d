package runbook.watching;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import runbook.Klaviyo.Endpoint;

/**
 * When which check may be made. However short the interval, no endpoint gets more than a tenth of what its steady
 * window allows in any minute: all keys of an account share one quota, and the application needs it more than we do.
 * Safe for several threads: rounds are made on one, shown on another.
 */
public final class Pace {
    private static final double SHARE = 0.1;
    private static final double JITTER = 0.1;
    private static final double MARGIN = 1.01;
    private static final long MINUTE = 60_000;
    // Statuspage publishes no limit; its pages are cached for some seconds, so asking more often tells nothing new.
    private static final long STATUS_PAGE_APART = 5_000;

    private final long interval;
    private final double speed;
    private final DoubleSupplier random;
    // By check what it draws on: an endpoint's quota, or something of its own.
    private final Map<String, String> quotaOf = new LinkedHashMap<>();
    private final Map<String, Long> apart = new HashMap<>();
    private final Map<String, Long> allowed = new HashMap<>();
    private final Map<String, Long> ready = new HashMap<>();
    private long begun;

    /**
     * A pace for these checks, with an interval between rounds as somebody wishes. A drill runs so many times as fast
     * as real time, quotas included; {@code random}, from 0 to 1, makes the jitter.
     */
    public Pace(Collection<String> checks, Duration interval, double speed, DoubleSupplier random) {
        this.interval = interval.toMillis();
        this.speed = speed;
        this.random = random;
        for (String check : checks) {
            String quota = check.equals("auth") ? Endpoint.ACCOUNTS.name() : check.replaceFirst("^endpoint:", "");
            quotaOf.put(check, quota);
            Endpoint.named(quota).ifPresent(endpoint -> limit(quota, endpoint.steady()));
        }
        apart.put("status-page", (long) (STATUS_PAGE_APART / speed));
    }

    /** Takes in what the API says an endpoint allows in a minute: the lower of that and what is published counts. */
    public synchronized void limit(String endpoint, long steady) {
        if (steady > 0 && steady < allowed.getOrDefault(endpoint, Long.MAX_VALUE)) {
            allowed.put(endpoint, steady);
            long perMinute = (long) Math.floor(steady * SHARE + 1e-9);
            // Evenly spaced, so that no minute holds more than its share, wherever it begins; a little more than
            // evenly, since requests leave some milliseconds after their round begins.
            double spacing = perMinute > 0 ? (double) MINUTE / perMinute : MINUTE / (steady * SHARE);
            apart.put(endpoint, (long) Math.ceil(spacing * MARGIN / speed));
        }
    }

    /** The checks that may be made at a moment. */
    public synchronized Set<String> due(long now) {
        return quotaOf.keySet().stream().filter(check -> readyAt(check) <= now)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private long readyAt(String check) {
        return ready.getOrDefault(quotaOf.get(check), Long.MIN_VALUE);
    }

    /** Counts the checks that a round made, also one of an earlier watch. */
    public synchronized void made(Set<String> checks, long now) {
        begun = now;
        checks.stream().map(quotaOf::get).filter(apart::containsKey)
                .forEach(quota -> ready.merge(quota, now + apart.get(quota), Math::max));
    }

    /** Leaves an endpoint alone for as long as its 429 asked, and longer by a jitter: not everybody is back at once. */
    public synchronized void hold(String endpoint, long now, Duration retryAfter) {
        long wait = (long) (Math.max(1_000, retryAfter.toMillis()) * (1 + JITTER * random.getAsDouble()));
        ready.merge(endpoint, now + wait, Math::max);
    }

    /**
     * When the next round begins: an interval after the last, give or take the jitter. Only where every check waits for
     * its quota it is later: one that needs none does not wait for the others.
     */
    public synchronized long next() {
        long wished = begun + Math.round(interval * (1 + JITTER * (2 * random.getAsDouble() - 1)));
        return Math.max(wished, quotaOf.keySet().stream().filter(check -> !check.equals("status-page"))
                .mapToLong(this::readyAt).min().orElse(wished));
    }

    /** How long a check still has to wait; empty when it may be made now. */
    public synchronized Optional<Duration> wait(String check, long now) {
        return Optional.of(readyAt(check)).filter(at -> at > now).map(at -> Duration.ofMillis(at - now));
    }

    /**
     * The time of day as it was at the start, and as much more as has passed since. It rests on the monotonic clock,
     * and adds the time that the machine slept, which that clock leaves out: whenever the wall clock went on by seconds
     * more. One that is set back, or drifts, changes nothing.
     */
    public static final class Ticker {
        private static final long NOTICEABLE = 2_000;

        private final LongSupplier monotonic;
        private final LongSupplier wall;
        private long lastMonotonic;
        private long lastWall;
        private long now;
        private long pause;

        /** A ticker on these clocks, of which the first stands still while the machine sleeps. */
        public Ticker(LongSupplier monotonicMillis, LongSupplier wallMillis) {
            monotonic = monotonicMillis;
            wall = wallMillis;
            lastMonotonic = monotonic.getAsLong();
            lastWall = wall.getAsLong();
            now = lastWall;
        }

        /** Milliseconds since the epoch, time asleep included. */
        public synchronized long millis() {
            long awake = monotonic.getAsLong() - lastMonotonic;
            long passed = wall.getAsLong() - lastWall;
            lastMonotonic += awake;
            lastWall += passed;
            long step = passed - awake > NOTICEABLE ? passed : awake;
            pause = Math.max(pause, step);
            now += step;
            return now;
        }

        /** The longest time in which nobody looked at it, since this was asked last. */
        synchronized long longestPause() {
            millis();
            long longest = pause;
            pause = 0;
            return longest;
        }
    }
}
