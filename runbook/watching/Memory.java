package runbook.watching;

import java.io.*;
import java.nio.channels.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;

/**
 * What a watch remembers: it writes into the incident folder what it notices, and reads there what earlier watches did.
 * A second watch on the same folder only looks, or everything would be there twice. Whatever cannot be written is
 * complained of once, and the watch goes on.
 */
public final class Memory implements AutoCloseable {
    private static final String STEP = "watch";
    // One event a round: what was good and what was bad, each with the milliseconds that it took.
    private static final String ROUNDS = "watch-rounds.jsonl";
    private static final int MOST_EARLY = 100;

    private final Incident.Choice incidents;
    private final Consumer<String> complain;
    private final Set<String> complained = ConcurrentHashMap.newKeySet();
    // What was noticed before there was an incident, at most so much, for the journal of the one that is opened.
    private final List<Happening> early = new ArrayList<>();
    Optional<Incident> incident;
    /** Whether this is the one watch that writes and tells people. */
    boolean leading = true;
    private FileChannel lock;

    /**
     * The memory of the incident that is open; when there is none, the first failure opens one. {@code complain} is
     * told in one line what cannot be read or written. Drills and real incidents keep out of each other's folders.
     */
    Memory(Incident.Choice incidents, Consumer<String> complain) throws IOException {
        this.incidents = incidents;
        this.complain = complain;
        incident = incidents.current();
        List<Event> events = journal();
        boolean drill = !incidents.drill().isEmpty();
        if (!events.isEmpty() && Incident.drill(events).isEmpty() == drill) {
            throw new Problem("--incident " + incident.get() + (drill ? " holds a real incident: a drill"
                    : " holds a drill: a real incident") + " needs a folder of its own");
        }
        lead();
    }

    boolean lead() {
        return attempt(open -> {
            lock = Incident.lock(open.folder().resolve("watch.lock")).orElse(null);
            leading = lock != null;
        }) && leading;
    }

    @Override
    public void close() {
        if (lock != null) {
            attempt(open -> lock.close());
        }
    }

    // ---- what is read

    /** The journal as it stands, without the notes of other steps: it may be long. Empty when it cannot be read. */
    List<Event> journal() {
        List<Event> events = new ArrayList<>();
        incident.ifPresent(open -> read(open.journal(), event -> {
            if (events.isEmpty() || event.step().equals(STEP) || !event.event().equals(Event.NOTE)) {
                events.add(event);
            }
        }));
        return events;
    }

    /** Every earlier round, oldest first: its time, and the checks that it looked at. */
    void rounds(BiConsumer<Instant, List<Reading>> round) {
        incident.ifPresent(open -> read(open.journal(ROUNDS), event -> {
            List<Reading> looks = new ArrayList<>();
            for (Result result : List.of(Result.GOOD, Result.BAD)) {
                event.data().path(result.word()).properties().forEach(look ->
                        looks.add(new Reading(look.getKey(), result, true, look.getValue().asLong(), "")));
            }
            round.accept(event.at(), looks);
        }));
    }

    private void read(Incident.Journal journal, Consumer<Event> use) {
        try {
            Incident.Reading reading = journal.read();
            reading.events().forEach(use);
            reading.problems().stream().filter(complained::add).forEach(complain);
        } catch (IOException e) {
            complain(e);
        }
    }

    /** What happened, as people and programs call it: {@code recovering}, where the journal has a note. */
    public static String kind(Event event) {
        return event.data().path("kind").asText(event.event());
    }

    // ---- what is written

    /** Joins the incident that somebody opened since, else opens one, with its first failure and what came before. */
    void open(Happening failure) {
        if (incident.isEmpty()) {
            incident = Optional.of(incidents.opened(Instant.now()));
            lead();
            append(Event.DETECTED, failure.words(), Map.of("since", failure.facts().get("since")));
            early.forEach(happening -> write(happening, false));
        }
    }

    /** Puts a happening into the journal, where there is one, and whether it is to be posted. */
    Event write(Happening happening, boolean post) {
        if (incident.isEmpty() && early.size() < MOST_EARLY) {
            early.add(happening);
        }
        Map<String, Object> data = new TreeMap<>(happening.facts());
        data.put("kind", happening.kind());
        if (post) {
            data.put("post", true);
        }
        boolean named = happening.is(State.DEGRADED) || happening.is(State.RECOVERED);
        return append(named ? happening.kind() : Event.NOTE, happening.words(), data);
    }

    /** Puts something else into the journal, if there is one that can be written to. */
    Event append(String name, String summary, Map<String, ?> data) {
        Event event = Event.now(STEP, name, summary, data).in(incidents.drill());
        keep(open -> open.append(event));
        return event;
    }

    /** Notes a round, so that a watch that is started again knows of it. */
    void round(long at, List<Reading> readings) {
        Map<String, Object> looks = new TreeMap<>();
        for (Result result : List.of(Result.GOOD, Result.BAD)) {
            looks.put(result.word(), readings.stream().filter(one -> one.seen(result))
                    .collect(Collectors.toMap(Reading::check, Reading::millis)));
        }
        Event event = new Event(Instant.ofEpochMilli(at), STEP, "round", "", Json.of(looks));
        keep(open -> open.journal(ROUNDS).append(event));
    }

    /** Leaves a text in the folder; says whether that worked. */
    boolean leave(String name, String text) {
        return keep(open -> open.write(name, text.getBytes(StandardCharsets.UTF_8)));
    }

    private interface Writing {
        void on(Incident open) throws IOException;
    }

    private boolean keep(Writing writing) {
        return leading && attempt(writing);
    }

    private boolean attempt(Writing writing) {
        try {
            if (incident.isPresent()) {
                writing.on(incident.get());
                return true;
            }
        } catch (IOException e) {
            complain(e);
        }
        return false;
    }

    private void complain(IOException e) {
        if (complained.add("the incident folder")) {
            complain.accept("the incident folder cannot be used (" + Incident.why(e) + "): the watch goes on without");
        }
    }

    /**
     * What the journal tells of an incident, and of the watches before this one: when it began, and when people were
     * told last; the state that the last watch left and since when, and when one last wrote (0 for never); the ids of
     * the vendor's updates that were told, and the changes still to be posted. All of it is of the past, also where the
     * clock has been set back since.
     */
    public record Past(Incident.State incident, long began, long told, State state, long since, long watched,
                       Set<String> updates, List<Event> unposted) {
        public static Past of(List<Event> events, long now) {
            State state = State.STARTING;
            long since = 0;
            long watched = 0;
            Set<String> updates = new HashSet<>();
            Map<String, Event> unposted = new LinkedHashMap<>();
            for (Event event : events.stream().filter(event -> event.step().equals(STEP)).toList()) {
                watched = Math.max(watched, Math.min(now, event.at().toEpochMilli()));
                State seen = State.of(kind(event));
                if (seen != State.STARTING) {
                    state = seen;
                    since = Math.min(now, event.time("since").orElse(event.at()).toEpochMilli());
                }
                updates.add(event.data().path("update").asText());
                if (event.data().path("post").asBoolean()) {
                    unposted.put(event.at().toString(), event);
                }
                unposted.remove(event.data().path("of").asText());
            }
            Incident.State incident = Incident.State.of(events);
            long began = incident.began().map(at -> Math.min(now, at.toEpochMilli())).orElse(now);
            long told = incident.told().stream().mapToLong(event -> event.at().toEpochMilli()).max().orElse(began);
            return new Past(incident, began, Math.min(now, told), state, since, watched, updates,
                    List.copyOf(unposted.values()));
        }

        /** Whether something was wrong when the journal was last written to. */
        public boolean troubled() {
            return incident.failing().isPresent();
        }

        boolean over() {
            return state == State.RECOVERED && !troubled();
        }
    }

    /** What every check came to over the whole incident: bounded, however long it lasts, and drawn as a chart. */
    public static final class History {
        private static final int MOST = 512;

        private final Map<String, TreeMap<Long, Looks>> checks = new LinkedHashMap<>();
        private final long reach;
        private long grain = 1;

        /** An empty history, where {@code reach} is how long a look tells of what came after it. */
        public History(Duration reach) {
            this.reach = reach.toMillis();
        }

        /** Takes in the looks that a round made. Thinned evenly: a watch of a week still has the whole week. */
        public void add(long at, List<Reading> readings) {
            readings.stream().filter(one -> one.fresh() && one.result() != Result.UNKNOWN).forEach(one -> {
                int failures = one.result() == Result.BAD ? 1 : 0;
                checks.computeIfAbsent(one.check(), name -> new TreeMap<>()).merge(at / grain,
                        new Looks(at, at, 1, failures, one.millis(), one.millis()), Looks::and);
            });
            while (checks.values().stream().anyMatch(looks -> looks.size() > MOST)) {
                grain *= 2;
                checks.replaceAll((name, finer) -> finer.values().stream().collect(Collectors.toMap(
                        looks -> looks.from / grain, looks -> looks, Looks::and, TreeMap::new)));
            }
        }

        public Chart drawn(Instant began, Instant end, List<Event> events, String drill) {
            String title = "Klaviyo, as watch saw it" + (drill.isEmpty() ? "" : " (DRILL: " + drill + ")");
            long first = checks.values().stream().mapToLong(looks -> looks.firstEntry().getValue().from).min()
                    .orElse(Long.MAX_VALUE);
            Instant from = Instant.ofEpochMilli(Math.min(first, began.toEpochMilli()));
            return new Chart("watch", title, from, end, events.stream().map(History::mark).toList(),
                    checks.entrySet().stream().map(one -> lane(one.getKey(), List.copyOf(one.getValue().values())))
                            .toList());
        }

        private static Chart.Mark mark(Event event) {
            // The vendor's own time; when it was seen is the next best.
            Instant at = event.time("vendorAt").orElse(event.at());
            String kind = kind(event);
            return new Chart.Mark(at, Chart.Shape.of(kind), kind, kind + ": " + event.summary(), event.step());
        }

        // From each look to the next, but not across a time in which nobody looked.
        private Chart.Lane lane(String name, List<Looks> looks) {
            List<Prometheus.Point> line = new ArrayList<>();
            List<Chart.Band> strip = new ArrayList<>();
            for (int i = 0; i < looks.size(); i++) {
                Looks one = looks.get(i);
                long next = i + 1 < looks.size() ? looks.get(i + 1).from : one.to;
                boolean seen = next - one.to <= reach;
                strip.add(one.band(seen ? next : one.to));
                Instant middle = Instant.ofEpochMilli((one.from + one.to) / 2);
                line.add(new Prometheus.Point(middle, one.millis / 1e3 / one.count));
                if (!seen) {
                    line.add(new Prometheus.Point(Instant.ofEpochMilli(one.to), Double.NaN));
                }
            }
            Looks all = looks.stream().reduce(Looks::and).orElseThrow();
            String note = String.format(Locale.ROOT, "%.1f %% good of %s, slowest %s",
                    100.0 * (all.count - all.failures) / all.count, Text.count(all.count, "look"),
                    Durations.words(Duration.ofMillis(all.slowest)));
            return new Chart.Lane(name, note, " s", 44, List.of(new Chart.Line("", line)), strip);
        }
    }

    /** Some neighbouring looks of one check. */
    private record Looks(long from, long to, int count, int failures, long millis, long slowest) {
        Looks and(Looks later) {
            return new Looks(from, later.to, count + later.count, failures + later.failures, millis + later.millis,
                    Math.max(slowest, later.slowest));
        }

        Chart.Band band(long until) {
            Chart.Tone some = failures == 0 ? Chart.Tone.GOOD : Chart.Tone.ACTING;
            return new Chart.Band(Instant.ofEpochMilli(from), Instant.ofEpochMilli(until),
                    failures == count ? Chart.Tone.BAD : some);
        }
    }
}
