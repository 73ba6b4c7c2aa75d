package runbook.watching;

import java.util.List;
import java.util.stream.Collectors;

/**
 * What one round saw: all that the state machine ever learns.
 *
 * @param at       milliseconds since the watch began, by the monotonic clock
 * @param readings the checks whose results decide about the round
 * @param page     the status page; null when it is left out
 * @param backlog  the retry queue; null without Prometheus
 */
public record Round(long at, List<Reading> readings, Page page, Backlog backlog) {
    boolean bad() {
        return readings.stream().anyMatch(Reading::failed);
    }

    /** Nothing failed, and nothing that failed earlier is still to be looked at again. */
    boolean good() {
        return readings.stream().anyMatch(Reading::passed) && readings.stream().noneMatch(Reading::leftBad) && !bad();
    }

    /** What failed, for one line. */
    String failures() {
        List<Reading> failed = readings.stream().filter(Reading::failed).toList();
        String names = failed.stream().limit(3).map(Reading::check).collect(Collectors.joining(", "));
        String more = failed.size() > 3 ? " and " + (failed.size() - 3) + " more" : "";
        return failed.isEmpty() ? "" : names + more + ": " + failed.get(0).words();
    }
}
