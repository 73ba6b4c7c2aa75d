package runbook.watching;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * What one check came to over time, in bounded memory: the newest looks as they were, the rest thinned evenly, so that a
 * watch of a week still has the whole week. Times are milliseconds since the watch began.
 */
final class Series {
    static final int RECENT = 64;
    static final int BUCKETS = 512;

    /** One look. */
    record Look(long at, boolean good, long millis) { }

    /** Some neighbouring looks. */
    record Bucket(long from, long to, int looks, int failures, long sumMillis, long maxMillis) {
        Bucket and(Bucket later) {
            return new Bucket(from, later.to, looks + later.looks, failures + later.failures,
                    sumMillis + later.sumMillis, Math.max(maxMillis, later.maxMillis));
        }

        /** Of all its looks, in milliseconds. */
        long mean() {
            return sumMillis / looks;
        }
    }

    private final Deque<Look> recent = new ArrayDeque<>();
    private List<Bucket> buckets = new ArrayList<>();
    private int looksPerBucket = 1;
    private long looks;
    private long failures;

    void add(Look look) {
        looks++;
        failures += look.good ? 0 : 1;
        recent.add(look);
        if (recent.size() > RECENT) {
            recent.removeFirst();
        }
        Bucket one = new Bucket(look.at, look.at, 1, look.good ? 0 : 1, look.millis, look.millis);
        int last = buckets.size() - 1;
        if (last >= 0 && buckets.get(last).looks < looksPerBucket) {
            buckets.set(last, buckets.get(last).and(one));
        } else {
            buckets.add(one);
        }
        if (buckets.size() > BUCKETS) {
            thin();
        }
    }

    private void thin() {
        List<Bucket> thinner = new ArrayList<>(BUCKETS);
        for (int i = 0; i < buckets.size(); i += 2) {
            thinner.add(i + 1 < buckets.size() ? buckets.get(i).and(buckets.get(i + 1)) : buckets.get(i));
        }
        buckets = thinner;
        looksPerBucket *= 2;
    }

    List<Look> recent() {
        return List.copyOf(recent);
    }

    List<Bucket> buckets() {
        return List.copyOf(buckets);
    }

    long looks() {
        return looks;
    }

    /** The share of looks that were good, 0 to 1. */
    double success() {
        return looks == 0 ? 0 : 1 - (double) failures / looks;
    }
}
