package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Times as places on a line from {@code left} to {@code right}, in pixels. */
record Scale(Instant from, Instant to, double left, double right) {
    private static final List<Duration> STEPS = List.of(
            Duration.ofMinutes(1),
            Duration.ofMinutes(2),
            Duration.ofMinutes(5),
            Duration.ofMinutes(10),
            Duration.ofMinutes(15),
            Duration.ofMinutes(30),
            Duration.ofHours(1),
            Duration.ofHours(2),
            Duration.ofHours(3),
            Duration.ofHours(6),
            Duration.ofHours(12),
            Duration.ofDays(1),
            Duration.ofDays(2),
            Duration.ofDays(7),
            Duration.ofDays(30),
            Duration.ofDays(90),
            Duration.ofDays(365));

    /** A scale with some room at both ends. */
    static Scale around(Instant from, Instant to, double left, double right) {
        Duration length = Duration.between(from, to);
        Duration room = length.toMinutes() < 20 ? Duration.ofSeconds(40) : length.dividedBy(30);
        return new Scale(from.minus(room), to.plus(room), left, right);
    }

    /** The place of a time; what lies outside is put at the edge. */
    double x(Instant at) {
        long start = from.toEpochMilli();
        double share = (double) (at.toEpochMilli() - start) / Math.max(1, to.toEpochMilli() - start);
        return left + Math.min(1, Math.max(0, share)) * (right - left);
    }

    /** Round times, no nearer to each other than {@code apart} pixels. */
    List<Instant> ticks(double apart) {
        long most = Math.max(2, (long) ((right - left) / apart));
        long length = Duration.between(from, to).toSeconds();
        long step = STEPS.stream()
                .mapToLong(Duration::toSeconds)
                .filter(seconds -> length / seconds <= most)
                .findFirst()
                .orElse(length / most + 1);
        List<Instant> ticks = new ArrayList<>();
        for (long at = Math.floorDiv(from.getEpochSecond(), step) * step + step; at < to.getEpochSecond(); at += step) {
            ticks.add(Instant.ofEpochSecond(at));
        }
        return ticks;
    }

    /** Whether its ticks need a date. */
    boolean overDays() {
        return Duration.between(from, to).toHours() >= 24;
    }
}
