package runbook.watching;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongFunction;
import runbook.Chart;
import runbook.Chart.Lane;
import runbook.Chart.Line;
import runbook.Chart.Look;
import runbook.Chart.Mark;
import runbook.Chart.Point;
import runbook.Chart.Shape;
import runbook.Chart.Stretch;
import runbook.Incident.Event;
import runbook.Page;
import runbook.Page.Cell;
import runbook.Text;
import runbook.Text.Durations;
import runbook.watching.Keeper.Reading;

/**
 * What every check came to over the whole incident, and when nobody looked: bounded, however long it lasts, and drawn
 * as a chart. Times are milliseconds since the watch began.
 */
public final class History {
    private static final int MOST_GAPS = 200;

    private final Map<String, Series> series = new LinkedHashMap<>();
    private final List<long[]> holes = new ArrayList<>();

    /** Takes in the looks that a round made. */
    public void add(long at, List<Reading> readings) {
        readings.stream().filter(reading -> reading.passed() || reading.failed())
                .forEach(reading -> add(at, reading.check(), reading.passed(), reading.millis()));
    }

    void add(long at, String check, boolean good, long millis) {
        series.computeIfAbsent(check, name -> new Series()).add(at, good, millis);
    }

    /** Takes in that nobody looked between two moments. */
    public void hole(long from, long to) {
        if (holes.size() < MOST_GAPS) {
            holes.add(new long[] {from, to});
        }
    }

    /** By check, in the order in which they were first looked at. */
    Map<String, Series> series() {
        return series;
    }

    /** Pairs of milliseconds since the watch began. */
    List<long[]> holes() {
        return List.copyOf(holes);
    }

    /** All of it drawn as SVG, or as a page with its events and numbers as tables. */
    public String drawn(boolean page, LongFunction<Instant> clock, Instant began, Instant end, List<Event> events,
                        Optional<String> drill) {
        Instant first = series.values().stream().flatMap(one -> one.buckets().stream()).map(Bucket::from)
                .min(Long::compare)
                .map(clock::apply).filter(began::isAfter).orElse(began);
        String title = "Klaviyo, as watch saw it";
        String named = title + drill.map(scenario -> " (DRILL: " + scenario + ")").orElse("");
        Chart chart = new Chart("watch", named, first, end).marks(events.stream().map(History::mark).toList());
        holes.forEach(hole -> chart.hole(clock.apply(hole[0]), clock.apply(hole[1])));
        series.forEach((name, one) ->
                chart.lane(new Lane(name, numbers(one), " s", 44, List.of(line(one, clock)), strip(one, clock))));
        if (!page) {
            return chart.svg();
        }
        Page html = new Page(title);
        drill.ifPresent(html::drill);
        List<List<Cell>> rows = series.entrySet().stream()
                .map(entry -> List.of(Cell.of(entry.getKey()), Cell.of(numbers(entry.getValue())))).toList();
        return html.html(chart.figure("")).table("Checks", List.of("Check", "Seen"), rows, "None was made.").html();
    }

    private static String numbers(Series one) {
        long slowest = one.buckets().stream().mapToLong(Bucket::maxMillis).max().orElse(0);
        return String.format(Locale.ROOT, "%.1f %% good of %s, slowest %s", 100 * one.success(),
                Text.count(one.looks, "look"),
                Durations.words(Duration.ofMillis(slowest)));
    }

    private static Line line(Series one, LongFunction<Instant> clock) {
        return new Line("", one.buckets().stream()
                .map(bucket -> new Point(clock.apply((bucket.from + bucket.to) / 2),
                bucket.sumMillis / 1_000.0 / bucket.looks))
                .toList(), Look.AREA);
    }

    /** From each look to the next, but not across a time in which nobody looked. */
    private List<Stretch> strip(Series one, LongFunction<Instant> clock) {
        List<Stretch> strip = new ArrayList<>();
        for (int i = 0; i < one.buckets().size(); i++) {
            Bucket bucket = one.buckets().get(i);
            long next = i + 1 < one.buckets().size() ? one.buckets().get(i + 1).from : bucket.to;
            boolean unseen = holes.stream().anyMatch(hole -> hole[0] < next && hole[1] > bucket.to);
            double failed = (double) bucket.failures / bucket.looks;
            Stretch last = strip.isEmpty() ? null : strip.get(strip.size() - 1);
            Instant from = clock.apply(bucket.from);
            Instant to = clock.apply(unseen ? bucket.to : next);
            if (last != null && last.failed() == failed && last.to().equals(from)) {
                strip.set(strip.size() - 1, new Stretch(last.from(), to, failed));
            } else {
                strip.add(new Stretch(from, to, failed));
            }
        }
        return strip;
    }

    private static Mark mark(Event event) {
        String kind = event.data().path("kind").asText(event.event());
        boolean vendor = kind.equals("status-page");
        Instant at = event.at();
        try {
            at = vendor ? Instant.parse(event.data().path("vendorAt").asText()) : at;
        } catch (DateTimeException e) {
            // Without the vendor's own time, when it was seen is the next best.
        }
        Shape shape = vendor ? Shape.VENDOR : switch (kind) {
            case "detected", "degraded", "flapping", "blip", "gap" -> Shape.WORSE;
            case "recovering", "recovered", "mitigated", "rotated" -> Shape.BETTER;
            default -> Shape.OTHER;
        };
        return new Mark(at, shape, kind, kind + ": " + event.summary(), event.step());
    }

    /** Some neighbouring looks. */
    record Bucket(long from, long to, int looks, int failures, long sumMillis, long maxMillis) {
        private Bucket and(Bucket later) {
            return new Bucket(from, later.to, looks + later.looks, failures + later.failures,
                    sumMillis + later.sumMillis, Math.max(maxMillis, later.maxMillis));
        }
    }

    /** What one check came to over time: thinned evenly, so that a watch of a week still has the whole week. */
    static final class Series {
        private static final int BUCKETS = 512;

        private List<Bucket> buckets = new ArrayList<>();
        private int looksPerBucket = 1;
        private long looks;
        private long failures;

        private void add(long at, boolean good, long millis) {
            looks++;
            failures += good ? 0 : 1;
            Bucket one = new Bucket(at, at, 1, good ? 0 : 1, millis, millis);
            int last = buckets.size() - 1;
            if (last >= 0 && buckets.get(last).looks < looksPerBucket) {
                buckets.set(last, buckets.get(last).and(one));
            } else {
                buckets.add(one);
            }
            if (buckets.size() > BUCKETS) {
                List<Bucket> thinner = new ArrayList<>(BUCKETS);
                for (int i = 0; i < buckets.size(); i += 2) {
                    thinner.add(i + 1 < buckets.size() ? buckets.get(i).and(buckets.get(i + 1)) : buckets.get(i));
                }
                buckets = thinner;
                looksPerBucket *= 2;
            }
        }

        List<Bucket> buckets() {
            return List.copyOf(buckets);
        }

        /** The share of looks that were good, 0 to 1. */
        double success() {
            return looks == 0 ? 0 : 1 - (double) failures / looks;
        }
    }
}
