package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.stream.Collectors;
import runbook.Chart;
import runbook.Chart.Lane;
import runbook.Chart.Line;
import runbook.Chart.Look;
import runbook.Chart.Mark;
import runbook.Chart.Point;
import runbook.Chart.Shape;
import runbook.Chart.Stretch;
import runbook.Checks.Before;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Incident.Journal;
import runbook.Key;
import runbook.Page;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.State;

/**
 * What a watch remembers: it writes into the incident folder what it notices, and reads there what earlier watches did.
 * A second watch on the same folder only looks, or everything would be there twice. Whatever cannot be written is
 * complained of once, and the watch goes on.
 */
public final class Memory implements AutoCloseable {
    /** How this step calls itself in the journal. */
    static final String STEP = "watch";
    /** One short line a round: {@code {"at":"…","good":{"auth":120},"bad":{"app":15}}}, milliseconds by check. */
    static final String ROUNDS = "watch-rounds.jsonl";
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
    private int problemsTold;

    /**
     * The memory of one incident.
     *
     * @param incident the incident that is open; empty when there is none: the first failure opens one
     * @param base     where a new one is made
     * @param drill    the drill's scenario
     * @param complain told in one line what cannot be read or written
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
        Path file = open.folder().resolve(LOCK);
        try {
            if (Files.notExists(file)) {
                open.write(LOCK, new byte[0]);
            }
            lock = FileChannel.open(file, StandardOpenOption.WRITE);
            leading = lock.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            leading = false;
        } catch (IOException e) {
            complain(e);
        }
    }

    /**
     * The journal as it stands: what watches wrote, what changed the incident, and how it began. Other notes are left
     * out, for a journal may be long. Empty when there is none or it cannot be read.
     */
    public List<Event> journal() {
        List<Event> events = new ArrayList<>();
        Optional<Path> file = incident.map(open -> open.journal().file()).filter(Files::exists);
        if (file.isPresent()) {
            try (InputStream lines = Files.newInputStream(file.get())) {
                List<String> problems = Journal.each(lines, file.get().toString(), event -> {
                    if (events.isEmpty() || event.step().equals(STEP) || !event.event().equals(Event.NOTE)) {
                        events.add(event);
                    }
                });
                problems.stream().skip(problemsTold).forEach(complain);
                problemsTold = Math.max(problemsTold, problems.size());
            } catch (IOException e) {
                complain(e);
            }
        }
        return events;
    }

    /** What the journal has of a key: whether it is one that was replaced. */
    public Before before(Optional<Key> key) {
        Incident.State incident = Incident.State.of(journal());
        return new Before(key.flatMap(own -> incident.replacedAt(own.cleaned().fingerprint())), Optional.empty(), "",
                Set.of());
    }

    /**
     * Puts a happening into the journal. The first failure opens an incident; anything else without one stays out.
     *
     * @param clock turns milliseconds since the watch began into a time
     * @param tell  the ways by which people are to be told of it
     * @param more  what else is known of it
     * @return the event, with the time by which it is known; empty when it is not in the journal
     */
    public Optional<Event> write(Happening happening, LongFunction<Instant> clock, Set<String> tell, Map<String,
            ?> more) {
        if (incident.isEmpty() && happening.is(State.DEGRADED)) {
            open(happening, clock);
        } else if (incident.isEmpty() && happening.kind().equals("status-page") && early.size() < MOST_EARLY) {
            early.add(happening);
        }
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("kind", happening.kind());
        if (State.of(happening.kind()) != State.STARTING) {
            data.put("state", happening.kind());
        }
        data.putAll(details(happening, clock));
        data.putAll(more);
        if (!tell.isEmpty()) {
            data.put("tell", tell);
        }
        String name = happening.is(State.DEGRADED) ? Event.DEGRADED : happening.is(State.RECOVERED) ? Event.RECOVERED
                : Event.NOTE;
        return append(name, happening.words(), data);
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
    public Optional<Event> append(String name, String summary, Map<String, ?> data) {
        if (incident.isEmpty() || !leading) {
            return Optional.empty();
        }
        ObjectNode all = (ObjectNode) Json.of(data);
        drill.ifPresent(scenario -> all.put("drill", scenario));
        Event event = new Event(Instant.now().truncatedTo(ChronoUnit.MILLIS), STEP, name, summary, all);
        return attempt(open -> open.append(event)) ? Optional.of(event) : Optional.empty();
    }

    /** Notes a round, so that a watch that is started again knows of it. */
    public void round(Instant at, List<Reading> readings) {
        ObjectNode line = Json.object().put("at", at.toString());
        ObjectNode good = line.putObject("good");
        ObjectNode bad = line.putObject("bad");
        readings.stream().filter(reading -> reading.passed() || reading.failed())
                .forEach(reading -> (reading.passed() ? good : bad).put(reading.check(), reading.millis()));
        if (leading) {
            attempt(open -> appendRound(open, Json.line(line)));
        }
    }

    private static void appendRound(Incident open, String line) throws IOException {
        Path file = open.folder().resolve(ROUNDS);
        if (Files.notExists(file)) {
            open.write(ROUNDS, new byte[0]);
        }
        try (RandomAccessFile rounds = new RandomAccessFile(file.toFile(), "rw")) {
            long end = rounds.length();
            rounds.seek(Math.max(0, end - 1));
            // A line end first as well: what a kill tore stays a line of its own.
            boolean torn = end > 0 && rounds.read() != '\n';
            rounds.seek(end);
            rounds.write(((torn ? "\n" : "") + line + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    /** What a look of an earlier round gave. */
    interface Looked {
        void at(Instant at, String check, boolean good, long millis);
    }

    /** Reads every look of every earlier round, oldest first; a torn line is left out. */
    void rounds(Looked looked) {
        Optional<Path> file = incident.map(open -> open.folder().resolve(ROUNDS)).filter(Files::exists);
        if (file.isPresent()) {
            try (BufferedReader lines = Files.newBufferedReader(file.get(), StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    readRound(line, looked);
                }
            } catch (IOException e) {
                complain.accept("what earlier watches saw cannot be read: " + Incident.why(e));
            }
        }
    }

    private static void readRound(String line, Looked looked) {
        try {
            JsonNode node = Json.read(line);
            Instant at = Instant.parse(node.path("at").asText());
            for (String result : List.of("good", "bad")) {
                node.path(result).properties()
                        .forEach(look -> looked.at(at, look.getKey(), result.equals("good"), look.getValue().asLong()));
            }
        } catch (IOException | DateTimeException e) {
            // Torn by a kill: one round of many.
        }
    }

    /** Leaves a file in the incident folder. */
    public boolean leave(String name, byte[] content) {
        return leading && attempt(open -> open.write(name, content));
    }

    private interface Writing {
        void on(Incident open) throws IOException;
    }

    private boolean attempt(Writing writing) {
        try {
            if (incident.isPresent()) {
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
            complained = true;
            complain.accept("the incident folder cannot be used (" + Incident.why(e)
                    + "); the watch goes on without it");
        }
    }

    @Override
    public void close() {
        try {
            if (lock != null) {
                lock.close();
            }
        } catch (IOException e) {
            complain(e);
        }
    }

    /** A time in which no watch looked. */
    public record Unseen(Instant from, Instant to) { }

    /** A change of state that was to be told by these ways ({@link Telling}) and was not yet. */
    public record Untold(Event event, Set<String> channels) { }

    /**
     * What the journal tells of an incident, and of the watches before this one.
     *
     * @param incident where the incident stands, whoever wrote of it
     * @param state    the state that the last watch left
     * @param since    when that state began; the epoch when there is none
     * @param falls    when watches saw it fall, oldest first
     * @param updates  ids of the vendor's updates that were told
     * @param watched  when a watch last wrote; empty when none did
     * @param gaps     times in which no watch looked
     * @param untold   changes of state that were to be told and were not yet, oldest first
     */
    public record Past(Incident.State incident, State state, Instant since, List<Instant> falls, Set<String> updates,
                       Optional<Instant> watched, List<Unseen> gaps, List<Untold> untold) {
        /** What these events tell. */
        public static Past of(List<Event> events) {
            List<Event> ours = events.stream().filter(event -> event.step().equals(STEP)).toList();
            Optional<Event> last = ours.stream().filter(event -> stateOf(event) != State.STARTING)
                    .reduce((one, later) -> later);
            Set<String> updates = ours.stream().map(event -> text(event, "update"))
                    .filter(id -> !id.isEmpty()).collect(Collectors.toSet());
            return new Past(Incident.State.of(events), last.map(Past::stateOf).orElse(State.STARTING),
                    last.map(Past::since).orElse(Instant.EPOCH), falls(ours), updates,
                    ours.stream().map(Event::at).max(Instant::compareTo), gaps(ours), untold(ours));
        }

        /** Whether something was wrong when the journal was last written to. */
        public boolean troubled() {
            return incident.failing().isPresent();
        }

        private static String text(Event event, String field) {
            return event.data().path(field).asText("");
        }

        private static State stateOf(Event event) {
            return State.of(text(event, "state"));
        }

        private static Instant since(Event event) {
            return instant(text(event, "since")).orElse(event.at());
        }

        private static List<Instant> falls(List<Event> ours) {
            List<Instant> falls = new ArrayList<>();
            for (Event event : ours) {
                if (event.event().equals(Event.RECOVERED)) {
                    falls.clear();
                } else if (event.event().equals(Event.DEGRADED) || text(event, "kind").equals(State.FLAPPING.word())) {
                    falls.add(since(event));
                }
            }
            return List.copyOf(falls);
        }

        private static List<Unseen> gaps(List<Event> ours) {
            List<Unseen> gaps = new ArrayList<>();
            ours.forEach(event -> instant(text(event, "from"))
                    .ifPresent(from -> gaps.add(new Unseen(from, instant(text(event, "to")).orElse(event.at())))));
            return List.copyOf(gaps);
        }

        private static List<Untold> untold(List<Event> ours) {
            Set<String> told = ours.stream().map(event -> text(event, "of") + text(event, "channel"))
                    .collect(Collectors.toSet());
            List<Untold> untold = new ArrayList<>();
            for (Event event : ours) {
                Set<String> channels = new TreeSet<>();
                event.data().path("tell").forEach(channel -> channels.add(channel.asText()));
                channels.removeIf(channel -> told.contains(event.at() + channel));
                if (!channels.isEmpty()) {
                    untold.add(new Untold(event, channels));
                }
            }
            return List.copyOf(untold);
        }

        private static Optional<Instant> instant(String text) {
            try {
                return text.isEmpty() ? Optional.empty() : Optional.of(Instant.parse(text));
            } catch (DateTimeException e) {
                return Optional.empty();
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
                    .min(Long::compare).map(clock::apply).filter(began::isAfter).orElse(began);
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
            List<List<String>> rows = series.entrySet().stream()
                    .map(entry -> List.of(Page.escape(entry.getKey()), Page.escape(numbers(entry.getValue())))).toList();
            return html.html(chart.figure("")).table("Checks", rows, "None was made.").html();
        }

        private static String numbers(Series one) {
            long slowest = one.buckets().stream().mapToLong(Bucket::maxMillis).max().orElse(0);
            return String.format(Locale.ROOT, "%.1f %% good of %s, slowest %s", 100 * one.success(),
                    Text.count(one.looks, "look"), Durations.words(Duration.ofMillis(slowest)));
        }

        private static Line line(Series one, LongFunction<Instant> clock) {
            return new Line("", one.buckets().stream()
                    .map(bucket -> new Point(clock.apply((bucket.from + bucket.to) / 2),
                    bucket.sumMillis / 1_000.0 / bucket.looks)).toList(), Look.AREA);
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
}
