package runbook.sandbox;

import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.LongFunction;

/**
 * What became of the application's calls to Klaviyo over time: the ground truth that Prometheus reports. Simulated: the
 * application makes {@value #CALLS_PER_SECOND} calls a second, and queues for retry what failed for a passing reason.
 */
final class Traffic {
    static final int CALLS_PER_SECOND = 4;
    static final double USUAL_BACKLOG = 3;
    /** How long before the drill began it was already failing. */
    static final long ONSET = -12 * 60_000L;
    private static final int DRAINED_PER_SECOND = 240;

    /**
     * What the calls come to from some moment on.
     *
     * @param status of the calls that fail; 0 when none do
     * @param share  of the calls that fail, 0 to 1
     */
    record Outcome(int status, double share) {
        static final Outcome WELL = new Outcome(0, 0);

        /** A refused payload is dropped; anything else is kept for later. */
        boolean queued() {
            return status != 0 && status != 400;
        }
    }

    private final NavigableMap<Long, Outcome> timeline = new TreeMap<>(Map.of(Long.MIN_VALUE, Outcome.WELL));

    /**
     * Replaces what happens from a moment on.
     *
     * @param turns the later moments at which the outcome may change by itself
     */
    synchronized void replan(long from, Iterable<Long> turns, LongFunction<Outcome> outcome) {
        timeline.tailMap(from, true).clear();
        timeline.put(from, outcome.apply(from));
        turns.forEach(turn -> {
            if (turn > from) {
                timeline.put(turn, outcome.apply(turn));
            }
        });
    }

    /** The outcome at a moment. */
    synchronized Outcome at(long millis) {
        return timeline.floorEntry(millis).getValue();
    }

    /** How many calls failed with this status between two moments. */
    synchronized double failures(int status, long from, long to) {
        double failed = 0;
        for (Map.Entry<Long, Outcome> turn : timeline.headMap(to, false).entrySet()) {
            if (turn.getValue().status() == status) {
                long begin = Math.max(from, turn.getKey());
                failed += Math.max(0, Math.min(to, endOf(turn.getKey())) - begin) / 1000.0
                        * CALLS_PER_SECOND * turn.getValue().share();
            }
        }
        return failed;
    }

    /** How many calls wait to be retried at a moment. */
    synchronized double backlog(long at) {
        double waiting = USUAL_BACKLOG;
        for (Map.Entry<Long, Outcome> turn : timeline.tailMap(Long.MIN_VALUE, false).headMap(at, false).entrySet()) {
            double seconds = (Math.min(at, endOf(turn.getKey())) - turn.getKey()) / 1000.0;
            Outcome outcome = turn.getValue();
            waiting = outcome.queued()
                    ? waiting + seconds * CALLS_PER_SECOND * outcome.share()
                    : Math.max(USUAL_BACKLOG, waiting - seconds * DRAINED_PER_SECOND);
        }
        return waiting;
    }

    private long endOf(long begin) {
        Long next = timeline.higherKey(begin);
        return next == null ? Long.MAX_VALUE : next;
    }
}
