package runbook.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The impact in numbers where they can be had, and how to find out where not: never a guess. */
final class Impact {
    private final Evidence evidence;
    private final Milestones moments;

    Impact(Evidence evidence, Milestones moments) {
        this.evidence = evidence;
        this.moments = moments;
    }

    String markdown() {
        List<String> lines = new ArrayList<>();
        lines.add("- Affected users: " + users());
        lines.add("- Failed API calls: " + failed());
        lines.add("- Affected share of calls: " + share());
        lines.add("- Data queued for retry: " + queued());
        return String.join("\n", lines);
    }

    /** The failed calls in a few words; empty when not known. */
    Optional<String> inShort() {
        return evidence.metrics().failed().isEmpty() ? Optional.empty()
                : Optional.of(number(evidence.metrics().failures()) + " calls to Klaviyo failed");
    }

    private String users() {
        return evidence.logs()
                .filter(logs -> logs.customers() > 0)
                .map(logs -> number(logs.customers())
                        + " customers in the failed calls of the bundle's logs (by pseudonym; a lower bound)")
                .orElse("unknown: give the logs to `debug-bundle --log FILE`, then `postmortem --bundle FILE`");
    }

    private String failed() {
        Metrics metrics = evidence.metrics();
        if (!metrics.any()) {
            return "unknown: give `--prometheus URL` (counts `klaviyo_api_errors_total`), or `--bundle FILE` with logs";
        }
        if (metrics.failed().isEmpty()) {
            return "none counted by " + metrics.source();
        }
        String byStatus = metrics.failed().entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder()))
                .map(entry -> Markdown.text(entry.getKey(), 20) + ": " + number(entry.getValue()))
                .collect(Collectors.joining(", "));
        return number(metrics.failures()) + " (" + byStatus + "; " + metrics.source() + ")";
    }

    private String share() {
        Metrics metrics = evidence.metrics();
        if (metrics.calls().isEmpty() || metrics.calls().getAsLong() < Math.max(1, metrics.failures())) {
            return "unknown: failed calls divided by all calls, where the application counts both"
                    + " (`klaviyo_api_requests_total`)";
        }
        double percent = 100.0 * metrics.failures() / metrics.calls().getAsLong();
        return String.format(Locale.ROOT, "%.1f %% of %s calls", percent, number(metrics.calls().getAsLong()));
    }

    private String queued() {
        return evidence.metrics()
                .queue()
                .map(queue -> number(Math.round(queue.peak())) + " at most; "
                        + (queue.last() <= usual(queue)
                                ? "drained"
                                : number(Math.round(queue.last())) + " still waiting at the end of the data"))
                .orElse("unknown: the depth of the application's retry queue (`klaviyo_retry_queue_depth`), or ask its"
                        + " owner");
    }

    private static double usual(Series queue) {
        double before = queue.points().isEmpty() ? 0 : queue.points().get(0).value();
        return Math.max(before * 1.1, before + 1);
    }

    private static String number(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    /** When calls failed, in words. */
    String window() {
        return moments.began().map(Texts::full).orElse("[start]") + " to "
                + moments.restored().map(Texts::full).orElse("[end]") + " UTC";
    }
}
