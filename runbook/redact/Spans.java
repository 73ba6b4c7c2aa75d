package runbook.redact;

import java.util.Arrays;

/** What is to be replaced: start, end and rule of each find. Grows, and is used again. */
final class Spans {
    private int[] values = new int[192];
    private int size;

    void clear() {
        size = 0;
    }

    int count() {
        return size / 3;
    }

    int start(int i) {
        return values[3 * i];
    }

    int end(int i) {
        return values[3 * i + 1];
    }

    int rule(int i) {
        return values[3 * i + 2];
    }

    void add(int start, int end, int rule) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
        }
        values[size++] = start;
        values[size++] = end;
        values[size++] = rule;
    }

    /** Orders by start; of spans that overlap, one as long as all of them remains, under the rule of the first. */
    void settle() {
        long[] order = new long[count()];
        for (int i = 0; i < order.length; i++) {
            order[i] = (long) start(i) << 32 | i;
        }
        Arrays.sort(order);
        int[] old = values;
        values = new int[old.length];
        size = 0;
        for (long entry : order) {
            int i = (int) entry * 3;
            if (size > 0 && old[i] < values[size - 2]) {
                values[size - 2] = Math.max(values[size - 2], old[i + 1]);
            } else {
                add(old[i], old[i + 1], old[i + 2]);
            }
        }
    }
}
