package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Chart;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Page;
import runbook.Text;
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
    // One short line a round: {"at":"…","good":{"auth":120},"bad":{"app":15}}, milliseconds by check.
    private static final String ROUNDS = "watch-rounds.jsonl";
    private static final String LOCK = "watch.lock";
    private static final int MOST_EARLY = 50;

    private final Path base;
    private final Optional<String> drill;
    private final Consumer<String> complain;
    private Optional<Incident> incident;
    // What the vendor wrote before we saw a failure belongs to the incident that the failure opens.
    private final List<Happening> early = new ArrayList<>();
    private FileChannel lock;
    private boolean leading = true;
    private boolean complained;
    private boolean noted;
    private final Set<String> problemsTold = new HashSet<>();

    /**
     * The memory of the incident that is open; when there is none, the first failure opens one under {@code base}.
     * {@code complain} is told in one line what cannot be read or written.
     */
    public Memory(Optional<Incident> incident, Path base, Optional<String> drill, Consumer<String> complain) {
        this.incident = incident;
        this.base = base;
        this.drill = drill;
        this.complain = complain;
        incident.ifPresent(this::lead);
    }

    /** The incident, if one is open by now. */
    public Optional<Incident> incident() {
        return incident;
    }

    /** Whether this is the one watch that writes and tells people. */
    public boolean leading() {
        return leading;
    }

    private void lead(Incident open) {
        try {
            Optional<FileChannel> free = Incident.lock(open.folder().resolve(LOCK));
            leading = free.isPresent();
            lock = free.orElse(null);
        } catch (IOException e) {
            complain(e);
        }
    }

    private static Path there(Incident open, String name) throws IOException {
        Path file = open.folder().resolve(name);
        return Files.exists(file) ? file : open.write(name, new byte[0]);
    }

    /**
     * The journal as it stands: what watches wrote, what changed the incident, and how it began. Other notes are left
     * out, for a journal may be long. Empty when there is none or it cannot be read.
     */
    public List<Event> journal() {
        List<Event> events = new ArrayList<>();
        incident.ifPresent(open -> {
            try {
                List<String> problems = open.journal().each(event -> {
                    if (events.isEmpty() || event.step().equals(STEP) || !event.event().equals(Event.NOTE)) {
                        events.add(event);
                    }
                });
                problems.stream().filter(problemsTold::add).forEach(complain);
            } catch (IOException e) {
                complain(e);
            }
        });
        return events;
    }

    /**
     * Puts a happening into the journal. The first failure opens an incident; anything else without one stays out.
     *
     * @param tell the ways by which people are to be told of it
     * @return the event, with the time by which it is known; empty when it is not in the journal
     */
    Optional<Event> write(Happening happening, Set<String> tell, Map<String, ?> more) {
        if (incident.isEmpty() && happening.is(State.DEGRADED)) {
            open(happening);
        } else if (incident.isEmpty() && happening.kind().equals("status-page") && early.size() < MOST_EARLY) {
            early.add(happening);
        }
        Map<String, Object> data = new LinkedHashMap<>(Map.of("kind", happening.kind()));
        if (State.of(happening.kind()) != State.STARTING) {
            data.put("state", happening.kind());
        }
        data.putAll(happening.facts());
        data.putAll(more);
        if (!tell.isEmpty()) {
            data.put("tell", tell);
        }
        boolean named = happening.is(State.DEGRADED) || happening.is(State.RECOVERED);
        return append(named ? happening.kind() : Event.NOTE, happening.words(), data);
    }

    private void open(Happening first) {
        Incident made = Incident.named(base, Instant.now(), other -> other.equals(drill.orElse("")));
        incident = Optional.of(made);
        lead(made);
        append(Event.DETECTED, first.words(), Map.of("since", Instant.ofEpochMilli(first.at())));
        early.forEach(posted -> write(posted, Set.of(), Map.of()));
        early.clear();
    }

    /** Puts something else into the journal, if there is one; gives the event where that worked. */
    Optional<Event> append(String name, String summary, Map<String, ?> data) {
        Event event = Event.now(STEP, name, summary, data);
        drill.ifPresent(scenario -> ((ObjectNode) event.data()).put("drill", scenario));
        return attempt(open -> open.append(event)) ? Optional.of(event) : Optional.empty();
    }

    /** Notes a round, so that a watch that is started again knows of it. */
    void round(long at, List<Reading> readings) {
        ObjectNode line = Json.object().put("at", Instant.ofEpochMilli(at).toString());
        ObjectNode good = line.putObject("good");
        ObjectNode bad = line.putObject("bad");
        readings.stream().filter(reading -> reading.passed() || reading.failed())
                .forEach(reading -> (reading.passed() ? good : bad).put(reading.check(), reading.millis()));
        attempt(open -> {
            // The first line begins with a line end: what a kill tore before it stays a line of its own.
            String all = (noted ? "" : "\n") + Json.line(line) + "\n";
            Files.writeString(there(open, ROUNDS), all, StandardOpenOption.APPEND);
            noted = true;
        });
    }

    /** Reads every earlier round, oldest first: its time and what it looked at; a torn line is left out. */
    void rounds(BiConsumer<Instant, List<Reading>> round) {
        incident.map(open -> open.folder().resolve(ROUNDS)).filter(Files::exists).ifPresent(file -> {
            try (Stream<String> lines = Files.lines(file)) {
                lines.forEach(line -> readRound(line, round));
            } catch (IOException | UncheckedIOException e) {
                complain.accept("what earlier watches saw cannot be read: " + e.getMessage());
            }
        });
    }

    private static void readRound(String line, BiConsumer<Instant, List<Reading>> round) {
        try {
            JsonNode node = Json.read(line);
            List<Reading> looks = new ArrayList<>();
            Map.of("good", Result.GOOD, "bad", Result.BAD).forEach((name, result) -> node.path(name).properties()
                    .forEach(one -> looks.add(new Reading(one.getKey(), result, true, one.getValue().asLong(), ""))));
            round.accept(Instant.parse(node.path("at").asText()), looks);
        } catch (IOException | DateTimeException e) {
            // Torn by a kill: one round of many.
        }
    }

    /** Leaves a file in the incident folder. */
    boolean leave(String name, String text) {
        return attempt(open -> open.write(name, text.getBytes(StandardCharsets.UTF_8)));
    }

    private interface Writing {
        void on(Incident open) throws IOException;
    }

    private boolean attempt(Writing writing) {
        try {
            if (incident.isPresent() && leading) {
                writing.on(incident.get());
                complained = false;
                return true;
            }
        } catch (IOException e) {
            complain(e);
        }
        return false;
    }

    private void complain(IOException e) {
        if (!complained) {
            String why = Incident.why(e);
            complain.accept("the incident folder cannot be used (" + why + "); the watch goes on without it");
        }
        complained = true;
    }

    @Override
    public void close() {
        try (FileChannel held = lock) {
            // Let go of.
        } catch (IOException e) {
            complain(e);
        }
    }

    /** A change of state that was to be told by these ways ({@link Telling}) and was not yet. */
    public record Untold(Event event, Set<String> channels) { }

    /**
     * What the journal tells of an incident, and of the watches before this one: the state that the last one left and
     * since when (the epoch when there is none), when they saw it fall, oldest first, the ids of the vendor's updates
     * that were told, when a watch last wrote, and what is still to be told.
     */
    public record Past(Incident.State incident, State state, Instant since, List<Instant> falls, Set<String> updates,
                       Optional<Instant> watched, List<Untold> untold) {
        /** What these events tell. */
        public static Past of(List<Event> events) {
            State state = State.STARTING;
            Instant since = Instant.EPOCH;
            List<Instant> falls = new ArrayList<>();
            List<Event> ours = events.stream().filter(event -> event.step().equals(STEP)).toList();
            for (Event event : ours) {
                Instant began = instant(event, "since", event.at());
                State now = State.of(text(event, "state"));
                since = now == State.STARTING ? since : began;
                state = now == State.STARTING ? state : now;
                if (event.event().equals(Event.RECOVERED)) {
                    falls.clear();
                } else if (now == State.DEGRADED || now == State.FLAPPING) {
                    falls.add(began);
                }
            }
            Set<String> updates = ours.stream().map(event -> text(event, "update")).collect(Collectors.toSet());
            return new Past(Incident.State.of(events), state, since, falls, updates,
                    ours.stream().map(Event::at).max(Instant::compareTo), untold(ours));
        }

        private static List<Untold> untold(List<Event> ours) {
            Set<String> told = ours.stream().map(one -> text(one, "of") + text(one, "channel"))
                    .collect(Collectors.toSet());
            List<Untold> untold = new ArrayList<>();
            for (Event event : ours) {
                Set<String> channels = new TreeSet<>();
                event.data().path("tell").forEach(channel -> channels.add(channel.asText()));
                channels.removeIf(channel -> told.contains(event.at() + channel));
                untold.add(new Untold(event, channels));
            }
            untold.removeIf(one -> one.channels.isEmpty());
            return untold;
        }

        /** Whether something was wrong when the journal was last written to. */
        public boolean troubled() {
            return incident.failing().isPresent();
        }

        private static String text(Event event, String field) {
            return event.data().path(field).asText("");
        }

        private static Instant instant(Event event, String field, Instant otherwise) {
            try {
                return event.data().has(field) ? Instant.parse(text(event, field)) : otherwise;
            } catch (DateTimeException e) {
                return otherwise;
            }
        }
    }

    /**
     * What every check came to over the whole incident: bounded, however long it lasts, and drawn as a chart.
     */
    public static final class History {
        private final Map<String, Series> series = new LinkedHashMap<>();
        private final long reach;

        /** An empty history, where {@code reach} is how long a look tells of what came after it. */
        public History(Duration reach) {
            this.reach = reach.toMillis();
        }

        /** Takes in the looks that a round made. */
        public void add(long at, List<Reading> readings) {
            readings.stream().filter(one -> one.passed() || one.failed()).forEach(one -> {
                Looks look = new Looks(at, at, 1, one.passed() ? 0 : 1, one.millis(), one.millis());
                series.computeIfAbsent(one.check(), name -> new Series()).add(look);
            });
        }

        /** All of it drawn as SVG, or as a page that holds it. */
        public String drawn(boolean page, Instant began, Instant end, List<Event> events, Optional<String> drill) {
            String title = "Klaviyo, as watch saw it" + drill.map(name -> " (DRILL: " + name + ")").orElse("");
            long first = series.values().stream().mapToLong(one -> one.all.from).min().orElse(Long.MAX_VALUE);
            Instant from = Instant.ofEpochMilli(Math.min(first, began.toEpochMilli()));
            Chart chart = new Chart("watch", title, from, end).marks(events.stream().map(History::mark).toList());
            series.forEach((name, one) -> chart.lane(one.lane(name, reach)));
            return page ? new Page(title).html(chart.figure()).html() : chart.svg();
        }

        private static Chart.Mark mark(Event event) {
            String kind = event.data().path("kind").asText(event.event());
            // The vendor's own time; when it was seen is the next best.
            Instant at = Past.instant(event, "vendorAt", event.at());
            Chart.Shape shape = switch (kind) {
                case "status-page" -> Chart.Shape.VENDOR;
                case "detected", "degraded", "flapping", "blip", "gap" -> Chart.Shape.WORSE;
                case "recovering", "recovered", "mitigated", "rotated" -> Chart.Shape.BETTER;
                default -> Chart.Shape.OTHER;
            };
            return new Chart.Mark(at, shape, kind, kind + ": " + event.summary(), event.step());
        }
    }

    /** Some neighbouring looks of one check. */
    private record Looks(long from, long to, int count, int failures, long millis, long slowest) {
        private Looks and(Looks later) {
            return new Looks(from, later.to, count + later.count, failures + later.failures, millis + later.millis,
                    Math.max(slowest, later.slowest));
        }

        private Chart.Band band(long until) {
            if (failures > 0 && failures < count) {
                return band(until, "failed in part", Chart.Tone.ACTING);
            }
            return failures == 0 ? band(until, "good", Chart.Tone.GOOD) : band(until, "failed", Chart.Tone.BAD);
        }

        private Chart.Band band(long until, String words, Chart.Tone tone) {
            return new Chart.Band(Instant.ofEpochMilli(from), Instant.ofEpochMilli(until), words, tone);
        }
    }

    /** What one check came to over time: thinned evenly, so that a watch of a week still has the whole week. */
    private static final class Series {
        private static final int MOST = 512;

        private final TreeMap<Long, Looks> parts = new TreeMap<>();
        private long millisEach = 1;
        private Looks all;

        private void add(Looks one) {
            all = all == null ? one : all.and(one);
            parts.merge(one.from / millisEach, one, Looks::and);
            while (parts.size() > MOST) {
                millisEach *= 2;
                List<Looks> finer = List.copyOf(parts.values());
                parts.clear();
                finer.forEach(part -> parts.merge(part.from / millisEach, part, Looks::and));
            }
        }

        // From each look to the next, but not across a time in which nobody looked.
        private Chart.Lane lane(String name, long reach) {
            List<Chart.Point> line = new ArrayList<>();
            List<Chart.Band> strip = new ArrayList<>();
            for (Map.Entry<Long, Looks> part : parts.entrySet()) {
                Looks one = part.getValue();
                long next = Optional.ofNullable(parts.higherEntry(part.getKey())).map(later -> later.getValue().from)
                        .orElse(one.to);
                boolean seen = next - one.to <= reach;
                strip.add(one.band(seen ? next : one.to));
                line.add(new Chart.Point(Instant.ofEpochMilli((one.from + one.to) / 2), one.millis / 1e3 / one.count));
                if (!seen) {
                    line.add(new Chart.Point(Instant.ofEpochMilli(one.to), Double.NaN));
                }
            }
            String note = String.format(Locale.ROOT, "%.1f %% good of %s, slowest %s",
                    100.0 * (all.count - all.failures) / all.count, Text.count(all.count, "look"),
                    Durations.words(Duration.ofMillis(all.slowest)));
            return new Chart.Lane(name, note, " s", 44, List.of(new Chart.Line("", line)), strip);
        }
    }
}
