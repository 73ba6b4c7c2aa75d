package runbook.redact;

import java.util.ArrayList;
import java.util.List;

/**
 * All triggers, found in one pass: every pair of neighbouring bytes is looked up in a table of 4096 entries (8 KB, so
 * it stays in the fastest cache), and only a pair that is the rarest of some trigger leads to a closer look.
 * Building it is cheap, so one pass over a short text is too.
 */
final class Triggers {
    private static final Trigger[] NONE = {};

    private final short[] bucketOfPair = new short[ByteClass.COUNT * ByteClass.COUNT];
    private final List<Trigger[]> buckets = new ArrayList<>(List.<Trigger[]>of(NONE));

    Triggers(List<Trigger> triggers) {
        for (Trigger trigger : triggers) {
            add(trigger);
        }
    }

    private void add(Trigger trigger) {
        int second = trigger.rarest();
        long left = second == 0 ? ByteClass.ANY : trigger.sets()[second - 1];
        for (int a = 0; a < ByteClass.COUNT; a++) {
            for (int b = 0; b < ByteClass.COUNT; b++) {
                if ((left >>> a & trigger.sets()[second] >>> b & 1) == 1) {
                    int pair = a << 6 | b;
                    bucketOfPair[pair] = with(bucketOfPair[pair], trigger);
                }
            }
        }
    }

    // Buckets are shared by the pairs that lead to the same triggers, else an "any" would make thousands.
    private short with(int bucket, Trigger trigger) {
        Trigger[] old = buckets.get(bucket);
        for (int i = buckets.size() - 1; i > 0; i--) {
            if (extendsBy(buckets.get(i), old, trigger)) {
                return (short) i;
            }
        }
        Trigger[] longer = java.util.Arrays.copyOf(old, old.length + 1);
        longer[old.length] = trigger;
        buckets.add(longer);
        return (short) (buckets.size() - 1);
    }

    private static boolean extendsBy(Trigger[] bucket, Trigger[] old, Trigger trigger) {
        if (bucket.length != old.length + 1 || bucket[old.length] != trigger) {
            return false;
        }
        for (int i = 0; i < old.length; i++) {
            if (bucket[i] != old[i]) {
                return false;
            }
        }
        return true;
    }

    /** The first position from {@code at} on whose pair belongs to a trigger, or {@code to}. */
    int next(byte[] data, int at, int from, int to) {
        byte[] classes = ByteClass.OF;
        short[] table = bucketOfPair;
        int previous = at > from ? classes[data[at - 1] & 0xff] : classes[0];
        for (int i = at; i < to; i++) {
            int current = classes[data[i] & 0xff];
            if (table[previous << 6 | current] != 0) {
                return i;
            }
            previous = current;
        }
        return to;
    }

    /** The triggers whose rarest pair ends at {@code at}: they may stand there. */
    Trigger[] candidates(byte[] data, int at, int from) {
        int previous = at > from ? ByteClass.OF[data[at - 1] & 0xff] : ByteClass.OF[0];
        return buckets.get(bucketOfPair[previous << 6 | ByteClass.OF[data[at] & 0xff]]);
    }
}
