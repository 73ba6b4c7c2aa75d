package runbook.watching;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What every check came to over the whole incident, and when nobody looked; bounded, however long it lasts. */
public final class History {
    private static final int MOST_GAPS = 200;

    /** A time in which nobody looked, in milliseconds since the watch began. */
    record Hole(long from, long to) { }

    private final Map<String, Series> series = new LinkedHashMap<>();
    private final List<Hole> holes = new ArrayList<>();

    /** Takes in the looks that a round made. */
    public void add(long at, List<Reading> readings) {
        readings.stream().filter(reading -> reading.passed() || reading.failed())
                .forEach(reading -> add(reading.check(), new Series.Look(at, reading.passed(), reading.millis())));
    }

    void add(String check, Series.Look look) {
        series.computeIfAbsent(check, name -> new Series()).add(look);
    }

    /** Takes in that nobody looked between two moments. */
    public void hole(long from, long to) {
        if (holes.size() < MOST_GAPS) {
            holes.add(new Hole(from, to));
        }
    }

    /** By check, in the order in which they were first looked at. */
    Map<String, Series> series() {
        return series;
    }

    List<Hole> holes() {
        return List.copyOf(holes);
    }
}
