package runbook.watching;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Where a moment stands on a chart's time axis (UTC). */
record TimeScale(Instant from, Instant to, double left, double width) {
    private static final int MOST_TICKS = 8;
    private static final List<Duration> STEPS = Stream.of(
                    "PT1S", "PT5S", "PT10S", "PT30S", "PT1M", "PT5M", "PT10M", "PT30M", "PT1H", "PT3H", "PT6H", "PT12H",
                    "P1D", "P2D", "P7D", "P30D", "P365D")
            .map(Duration::parse)
            .toList();

    /** A mark on the axis. */
    record Tick(double x, String label) { }

    /** Never empty, so that nothing is divided by zero. */
    static TimeScale of(Instant from, Instant to, double left, double width) {
        return new TimeScale(from, to.isAfter(from.plusSeconds(1)) ? to : from.plusSeconds(1), left, width);
    }

    double x(Instant at) {
        double share = (double) Duration.between(from, at).toMillis() / Duration.between(from, to).toMillis();
        return left + width * Math.max(0, Math.min(1, share));
    }

    /** Round times, at most {@value #MOST_TICKS}. */
    List<Tick> ticks() {
        Duration whole = Duration.between(from, to);
        Duration step = STEPS.stream()
                .filter(one -> whole.dividedBy(one) < MOST_TICKS)
                .findFirst()
                .orElse(STEPS.get(STEPS.size() - 1));
        DateTimeFormatter label = DateTimeFormatter.ofPattern(
                        step.toSeconds() < 60 ? "HH:mm:ss" : step.toHours() < 6 ? "HH:mm" : "MM-dd HH:mm")
                .withZone(ZoneOffset.UTC);
        List<Tick> ticks = new ArrayList<>();
        long first = Math.floorDiv(from.getEpochSecond(), step.toSeconds()) + 1;
        for (long i = first; ticks.size() < MOST_TICKS && !Instant.ofEpochSecond(i * step.toSeconds()).isAfter(to); i++) {
            Instant at = Instant.ofEpochSecond(i * step.toSeconds());
            ticks.add(new Tick(x(at), label.format(at)));
        }
        return ticks;
    }
}
