package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * Numbers about the incident, from Prometheus or from a bundle.
 *
 * @param source  where they come from, in words; empty when there are none
 * @param failed  failed calls to Klaviyo by HTTP status; empty when not known
 * @param calls   all calls, failed or not
 * @param errors  failed calls per second, one series a status
 * @param latency seconds that a call took
 * @param queue   calls waiting to be repeated
 * @param rate    what {@code errors} are, in words
 */
record Metrics(
        String source,
        Map<String, Long> failed,
        OptionalLong calls,
        List<Series> errors,
        Optional<Series> latency,
        Optional<Series> queue,
        String rate) {
    static final Metrics NONE =
            new Metrics("", Map.of(), OptionalLong.empty(), List.of(), Optional.empty(), Optional.empty());

    Metrics(
            String source,
            Map<String, Long> failed,
            OptionalLong calls,
            List<Series> errors,
            Optional<Series> latency,
            Optional<Series> queue) {
        this(source, failed, calls, errors, latency, queue, "failed calls per second");
    }

    /** What watch saw: it counts no calls of ours, so there is no source to name for any. */
    static Metrics seenByWatch(Series failing, Series latency) {
        return new Metrics(
                "",
                Map.of(),
                OptionalLong.empty(),
                List.of(failing),
                Optional.of(latency),
                Optional.empty(),
                "share of failed checks");
    }

    /** These, with curves from others where they have none. */
    Metrics or(Metrics others) {
        boolean own = errors.stream().anyMatch(series -> series.points().size() > 1);
        return new Metrics(
                source,
                failed,
                calls,
                own ? errors : others.errors,
                latency.or(() -> others.latency),
                queue,
                own ? rate : others.rate);
    }

    private static final Duration LOOKED_BACK = Duration.ofMinutes(10);

    /** Whether there is anything. */
    boolean any() {
        return !source.isEmpty();
    }

    /** All failed calls. */
    long failures() {
        return failed.values().stream().mapToLong(Long::longValue).sum();
    }

    /** The errors of all statuses together. */
    Series allErrors() {
        TreeMap<Instant, Double> sums = new TreeMap<>();
        errors.forEach(series -> series.points().forEach(point -> sums.merge(point.at(), point.value(), Double::sum)));
        return new Series(rate, sums.entrySet().stream().map(sum -> new Series.Point(sum.getKey(), sum.getValue())).toList());
    }

    /**
     * When errors left their usual level: walking back from the moment they were noticed to the last point that is
     * nearer to the usual level than to the peak.
     *
     * @return empty when errors never rose before {@code noticed}, or when they had risen before the data begins
     */
    Optional<Instant> onset(Instant noticed) {
        List<Series.Point> points = allErrors().points();
        List<Series.Point> before = points.stream().filter(point -> !point.at().isAfter(noticed.plus(LOOKED_BACK))).toList();
        double usual = points.stream()
                .limit(Math.max(1, points.size() / 10))
                .mapToDouble(Series.Point::value)
                .average()
                .orElse(0);
        double peak = before.stream().mapToDouble(Series.Point::value).max().orElse(0);
        double raised = usual + (peak - usual) / 4;
        if (peak <= usual * 1.5 || peak == 0) {
            return Optional.empty();
        }
        int i = before.size() - 1;
        while (i >= 0 && before.get(i).value() < raised) {
            i--;
        }
        while (i >= 0 && before.get(i).value() >= raised) {
            i--;
        }
        return i < 0 ? Optional.empty() : Optional.of(before.get(i + 1).at()).filter(at -> at.isBefore(noticed));
    }
}
