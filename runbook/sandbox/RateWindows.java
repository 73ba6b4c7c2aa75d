package runbook.sandbox;

import java.util.HashMap;
import java.util.Map;

/** Klaviyo's fixed rate windows, one second (burst) and one minute (steady), per account and endpoint. */
final class RateWindows {
    private static final long SECOND = 1000;
    private static final long MINUTE = 60 * SECOND;

    /**
     * What became of a request.
     *
     * @param limit      of the steady window
     * @param remaining  in the steady window
     * @param reset      seconds until the steady window opens anew
     * @param retryAfter seconds to wait; 0 when the request may pass
     */
    record Ruling(int limit, int remaining, long reset, long retryAfter) {
        boolean throttled() {
            return retryAfter > 0;
        }
    }

    /** How much of a tier is allowed in each window. */
    record Tier(int burst, int steady) { }

    private static final class Window {
        private final long length;
        private long opened;
        private int used;

        private Window(long length) {
            this.length = length;
        }

        private Window at(long now) {
            long current = Math.floorDiv(now, length) * length;
            if (current != opened) {
                opened = current;
                used = 0;
            }
            return this;
        }

        private long secondsLeft(long now) {
            return Math.max(1, (opened + length - now + SECOND - 1) / SECOND);
        }
    }

    private record Pair(Window burst, Window steady) { }

    private final Map<String, Pair> windows = new HashMap<>();

    /**
     * Counts one request, unless it is refused.
     *
     * @param bucket  account and endpoint
     * @param drained whether somebody else has used up this minute already
     */
    synchronized Ruling take(String bucket, Tier tier, boolean drained, long now) {
        Pair pair = windows.computeIfAbsent(bucket, name -> new Pair(new Window(SECOND), new Window(MINUTE)));
        Window burst = pair.burst().at(now);
        Window steady = pair.steady().at(now);
        if (drained) {
            steady.used = tier.steady();
        }
        long reset = steady.secondsLeft(now);
        if (steady.used >= tier.steady()) {
            return new Ruling(tier.steady(), 0, reset, reset);
        }
        if (burst.used >= tier.burst()) {
            return new Ruling(tier.steady(), tier.steady() - steady.used, reset, burst.secondsLeft(now));
        }
        burst.used++;
        steady.used++;
        return new Ruling(tier.steady(), tier.steady() - steady.used, reset, 0);
    }

    synchronized void clear() {
        windows.clear();
    }
}
