package runbook.redact;

import java.util.Map;
import java.util.TreeMap;

/** How often each rule was applied; never what it was applied to. Safe for several threads. */
public final class Tally {
    private final Map<String, Long> counts = new TreeMap<>();

    /** Counts some more. */
    public synchronized void add(String rule, long more) {
        if (more > 0) {
            counts.merge(rule, more, Long::sum);
        }
    }

    /** Counts what another counted. */
    public synchronized void add(Map<String, Long> others) {
        others.forEach(this::add);
    }

    /** A copy: rule id to count, ordered by id. */
    public synchronized Map<String, Long> counts() {
        return new TreeMap<>(counts);
    }

    /** All rules together. */
    public synchronized long total() {
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }
}
