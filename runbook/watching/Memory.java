package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Chart;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Incident.Journal;
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
    private int problemsTold;

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
            lock = FileChannel.open(there(open, LOCK), StandardOpenOption.WRITE);
            leading = lock.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            leading = false;
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
        incident.map(open -> open.journal().file()).filter(Files::exists).ifPresent(file -> {
            try {
                List<String> problems = Journal.each(Files.newInputStream(file), file.toString(), event -> {
                    if (events.isEmpty() || event.step().equals(STEP) || !event.event().equals(Event.NOTE)) {
                        events.add(event);
                    }
                });
                problems.stream().skip(problemsTold).forEach(complain);
                problemsTold = Math.max(problemsTold, problems.size());
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
    Optional<Event> write(Happening happening, LongFunction<Instant> clock, Set<String> tell, Map<String, ?> more) {
        if (incident.isEmpty() && happening.is(State.DEGRADED)) {
            open(happening, clock);
        } else if (incident.isEmpty() && happening.kind().equals("status-page") && early.size() < MOST_EARLY) {
            early.add(happening);
        }
        Map<String, Object> data = new LinkedHashMap<>(Map.of("kind", happening.kind()));
        if (State.of(happening.kind()) != State.STARTING) {
            data.put("state", happening.kind());
        }
        data.putAll(details(happening, clock));
        data.putAll(more);
        if (!tell.isEmpty()) {
            data.put("tell", tell);
        }
        boolean named = happening.is(State.DEGRADED) || happening.is(State.RECOVERED);
        return append(named ? happening.kind() : Event.NOTE, happening.words(), data);
    }

    /** What belongs to a happening beside its words. */
    static Map<String, Object> details(Happening happening, LongFunction<Instant> clock) {
        Map<String, Object> details = new LinkedHashMap<>(happening.facts());
        happening.times().forEach((name, at) -> details.put(name, clock.apply(at)));
        return details;
    }

    private void open(Happening first, LongFunction<Instant> clock) {
        Incident made = Incident.named(base, Instant.now(), other -> other.equals(drill.orElse("")));
        incident = Optional.of(made);
        lead(made);
        append(Event.DETECTED, first.words(), Map.of("since", clock.apply(first.at())));
        early.forEach(posted -> write(posted, clock, Set.of(), Map.of()));
        early.clear();
    }

    /** Puts something else into the journal, if there is one; gives the event where that worked. */
    Optional<Event> append(String name, String summary, Map<String, ?> data) {
        Event event = Event.now(STEP, name, summary, data);
        drill.ifPresent(scenario -> ((ObjectNode) event.data()).put("drill", scenario));
        return attempt(open -> open.append(event)) ? Optional.of(event) : Optional.empty();
    }

    /** Notes a round, so that a watch that is started again knows of it. */
    void round(Instant at, List<Reading> readings) {
        ObjectNode line = Json.object().put("at", at.toString());
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

    /** Reads every look of every earlier round, oldest first; a torn line is left out. */
    void rounds(BiConsumer<Instant, Reading> looked) {
        incident.map(open -> open.folder().resolve(ROUNDS)).filter(Files::exists).ifPresent(file -> {
            try (Stream<String> lines = Files.lines(file)) {
                lines.forEach(line -> readRound(line, looked));
            } catch (IOException | UncheckedIOException e) {
                complain.accept("what earlier watches saw cannot be read: " + e.getMessage());
            }
        });
    }

    private static void readRound(String line, BiConsumer<Instant, Reading> looked) {
        try {
            JsonNode node = Json.read(line);
            Instant at = Instant.parse(node.path("at").asText());
            Map.of("good", Result.GOOD, "bad", Result.BAD).forEach((name, result) -> node.path(name).properties()
                    .forEach(look -> looked.accept(at, new Reading(look.getKey(), result, true,
                            look.getValue().asLong(), ""))));
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
     * that were told, when a watch last wrote, times in which none looked, and what is still to be told.
     */
    public record Past(Incident.State incident, State state, Instant since, List<Instant> falls, Set<String> updates,
                       Optional<Instant> watched, Map<Instant, Instant> gaps, List<Untold> untold) {
        /** What these events tell. */
        public static Past of(List<Event> events) {
            State state = State.STARTING;
            Instant since = Instant.EPOCH;
            List<Instant> falls = new ArrayList<>();
            Set<String> updates = new TreeSet<>();
            Map<Instant, Instant> gaps = new LinkedHashMap<>();
            List<Untold> untold = new ArrayList<>();
            List<Event> ours = events.stream().filter(event -> event.step().equals(STEP)).toList();
            Set<String> told = ours.stream().map(one -> text(one, "of") + text(one, "channel"))
                    .collect(Collectors.toSet());
            for (Event event : ours) {
                Instant began = instant(event, "since", event.at());
                State now = State.of(text(event, "state"));
                since = now == State.STARTING ? since : began;
                state = now == State.STARTING ? state : now;
                if (event.event().equals(Event.RECOVERED)) {
                    falls.clear();
                } else if (event.event().equals(Event.DEGRADED) || text(event, "kind").equals(State.FLAPPING.word())) {
                    falls.add(began);
                }
                if (event.data().has("update")) {
                    updates.add(text(event, "update"));
                }
                Instant from = instant(event, "from", event.at());
                if (from.isBefore(event.at())) {
                    gaps.put(from, instant(event, "to", event.at()));
                }
                Set<String> channels = new TreeSet<>();
                event.data().path("tell").forEach(channel -> channels.add(channel.asText()));
                channels.removeIf(channel -> told.contains(event.at() + channel));
                if (!channels.isEmpty()) {
                    untold.add(new Untold(event, channels));
                }
            }
            return new Past(Incident.State.of(events), state, since, falls, updates,
                    ours.stream().map(Event::at).max(Instant::compareTo), gaps, untold);
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
     * What every check came to over the whole incident, and when nobody looked: bounded, however long it lasts, and
     * drawn as a chart. Times are milliseconds since the watch began.
     */
    public static final class History {
        private static final int MOST_GAPS = 200;

        private final Map<String, Series> series = new LinkedHashMap<>();
        private final List<long[]> holes = new ArrayList<>();

        /** Takes in the looks that a round made. */
        public void add(long at, List<Reading> readings) {
            readings.stream().filter(one -> one.passed() || one.failed()).forEach(one -> series
                    .computeIfAbsent(one.check(), name -> new Series()).add(at, one.passed(), one.millis()));
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

        /** All of it drawn as SVG, or as a page with its events and numbers as tables. */
        public String drawn(boolean page, LongFunction<Instant> clock, Instant began, Instant end, List<Event> events,
                            Optional<String> drill) {
            Instant first = series.values().stream().map(one -> clock.apply(one.buckets.get(0).from))
                    .min(Instant::compareTo).filter(began::isAfter).orElse(began);
            String title = "Klaviyo, as watch saw it";
            String named = title + drill.map(scenario -> " (DRILL: " + scenario + ")").orElse("");
            Chart chart = new Chart("watch", named, first, end).marks(events.stream().map(History::mark).toList());
            holes.forEach(hole -> chart.hole(clock.apply(hole[0]), clock.apply(hole[1])));
            List<List<String>> rows = new ArrayList<>();
            series.forEach((name, one) -> {
                rows.add(List.of(Page.escape(name), Page.escape(one.words())));
                chart.lane(new Chart.Lane(name, one.words(), " s", 44, List.of(one.line(clock)), strip(one, clock)));
            });
            Page html = new Page(title);
            drill.ifPresent(html::drill);
            List<List<String>> told = events.stream().map(event -> List.of(Page.escape(event.at().toString()),
                    Page.escape(event.event()), Page.escape(event.summary()))).toList();
            return page ? html.html(chart.figure()).table("Events", told, "None.").table("Checks", rows, "None.").html()
                    : chart.svg();
        }

        /** From each look to the next, but not across a time in which nobody looked. */
        private List<Chart.Band> strip(Series one, LongFunction<Instant> clock) {
            List<Chart.Band> strip = new ArrayList<>();
            for (int i = 0; i < one.buckets.size(); i++) {
                Bucket bucket = one.buckets.get(i);
                long next = i + 1 < one.buckets.size() ? one.buckets.get(i + 1).from : bucket.to;
                boolean unseen = holes.stream().anyMatch(hole -> hole[0] < next && hole[1] > bucket.to);
                Instant to = clock.apply(unseen ? bucket.to : next);
                strip.add(new Chart.Band(clock.apply(bucket.from), to, bucket.word(), bucket.tone()));
            }
            return strip;
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

        /** Some neighbouring looks. */
        record Bucket(long from, long to, int looks, int failures, long sumMillis, long maxMillis) {
            private String word() {
                return failures == 0 ? "good" : failures < looks ? "failed in part" : "failed";
            }

            private Chart.Tone tone() {
                return failures == 0 ? Chart.Tone.GOOD : failures < looks ? Chart.Tone.ACTING : Chart.Tone.BAD;
            }

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

            private void add(long at, boolean good, long millis) {
                add(buckets, new Bucket(at, at, 1, good ? 0 : 1, millis, millis));
                if (buckets.size() > BUCKETS) {
                    looksPerBucket *= 2;
                    List<Bucket> thinner = new ArrayList<>(BUCKETS);
                    buckets.forEach(bucket -> add(thinner, bucket));
                    buckets = thinner;
                }
            }

            private void add(List<Bucket> to, Bucket one) {
                int last = to.size() - 1;
                if (last >= 0 && to.get(last).looks + one.looks <= looksPerBucket) {
                    to.set(last, to.get(last).and(one));
                } else {
                    to.add(one);
                }
            }

            List<Bucket> buckets() {
                return List.copyOf(buckets);
            }

            /** How many of a hundred looks were good, rounded down. */
            long percent() {
                return 100 * good() / Math.max(1, looks());
            }

            private long good() {
                return looks() - buckets.stream().mapToLong(Bucket::failures).sum();
            }

            private long looks() {
                return buckets.stream().mapToLong(Bucket::looks).sum();
            }

            private String words() {
                long slowest = buckets.stream().mapToLong(Bucket::maxMillis).max().orElse(0);
                return String.format(Locale.ROOT, "%.1f %% good of %s, slowest %s", 100.0 * good() / looks(),
                        Text.count(looks(), "look"), Durations.words(Duration.ofMillis(slowest)));
            }

            private Chart.Line line(LongFunction<Instant> clock) {
                return new Chart.Line("", buckets.stream().map(one -> new Chart.Point(
                        clock.apply((one.from + one.to) / 2), one.sumMillis / 1_000.0 / one.looks)).toList());
            }
        }
    }
}
