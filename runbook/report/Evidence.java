package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Chart.Point;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Prometheus;
import runbook.Settings.Problem;
import runbook.StatusPage;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;

/**
 * Everything that was recorded about an incident, from wherever it could be had.
 *
 * @param journal by time; what is there twice, once
 * @param drill   the drill's scenario, empty in earnest
 * @param facts   what a debug bundle counted in the logs; empty without a bundle
 * @param vendor  the vendor's incidents that overlap with ours, by when they were first written about
 * @param numbers counts of the bundle's logs, else of Prometheus,
 * else of the bundle's metrics; curves of Prometheus first
 * @param measured Prometheus' own
 * @param asked   what was read, in words
 * @param missing what was not to be had and why, a sentence each
 */
record Evidence(List<Entry> journal, String drill, Optional<Facts> facts, List<StatusPage.Incident> vendor,
        Numbers numbers, Numbers measured, List<String> asked, List<String> missing) {
    private static final Duration LATE = Duration.ofHours(48);
    private static final Duration BEFORE = Duration.ofHours(1);
    private static final Duration AFTER = Duration.ofMinutes(15);
    private static final String LOGS = "the bundle's logs";
    private static final int LARGEST_FACTS = 64 << 20;

    /**
     * One thing that happened, wherever it was recorded.
     *
     * @param kind   a journal event's name, or one of the names here
     * @param source where it was recorded, in words: {@code triage}, {@code status page}, {@code application logs}
     * @param text   what happened, as it was recorded: not escaped
     * @param data   what else the journal has; an empty object where nothing of it matters
     */
    record Entry(Instant at, String kind, String source, String text, JsonNode data) {
        /** The first sign of trouble, found afterwards. */
        static final String SYMPTOM = "symptom";
        /** An update on the vendor's status page. */
        static final String VENDOR = "vendor";
        /** The recovery held. */
        static final String STABLE = "stable";

        Entry(Instant at, String kind, String source, String text) {
            this(at, kind, source, text, Json.object());
        }

        boolean is(String... kinds) {
            return List.of(kinds).contains(kind);
        }

        /** Who did it, where the journal says so. */
        String by() {
            return data.path("by").asText(data.path("lead").asText(""));
        }

        /** The diagnosis that a check came to; empty for a cause that a person named. */
        String diagnosis() {
            return data.path("diagnosis").asText("");
        }

        /** Whether it says that users are affected, now or again. */
        boolean failing() {
            return Event.failing(kind, data);
        }

        /** Whether it is an alert or a person's word, and not what triage wrote when it began the incident. */
        boolean alert() {
            return is(Event.DETECTED) && !(source.equals("triage") && text.startsWith("triage found"));
        }
    }

    /**
     * Numbers about the incident.
     *
     * @param source  where they come from, in words; empty when nothing counted calls
     * @param failed  failed calls by HTTP status
     * @param calls   all calls, failed or not; empty when not known
     * @param errors  failed calls over time, as {@code unit} says
     * @param latency seconds a call takes, over time
     * @param queues  calls that wait to be repeated, each instance's own
     */
    record Numbers(String source, SortedMap<String, Long> failed, OptionalLong calls, List<Point> errors, String unit,
            List<Point> latency, List<LogReader.Queue> queues) {
        static final Numbers NONE =
                new Numbers("", new TreeMap<>(), OptionalLong.empty(), List.of(), "", List.of(), List.of());

        long failures() {
            return failed.values().stream().mapToLong(Long::longValue).sum();
        }

        /** These, with what others have where these have nothing. */
        Numbers or(Numbers others) {
            boolean own = errors.size() > 1;
            return new Numbers(source.isEmpty() ? others.source : source, source.isEmpty() ? others.failed : failed,
                    calls.isPresent() ? calls : others.calls, own ? errors : others.errors, own ? unit : others.unit,
                    latency.isEmpty() ? others.latency : latency, queues.isEmpty() ? others.queues : queues);
        }

        /**
         * Counts of logs before measured ones, since logs tell of each call; curves and queues as they were measured.
         */
        Numbers after(Numbers measured) {
            if (!source.equals(LOGS)) {
                return measured.or(this);
            }
            Numbers curves = new Numbers("", failed, OptionalLong.empty(), measured.errors, measured.unit,
                    measured.latency, measured.queues).or(this);
            return new Numbers(source, failed, calls, curves.errors, curves.unit, curves.latency, curves.queues);
        }

        /** When failures left their usual level before {@code noticed}; empty when they had before the data begins. */
        Optional<Instant> rose(Instant noticed) {
            List<Point> before = errors.stream().filter(point -> !point.at().isAfter(noticed.plus(AFTER))).toList();
            double usual = errors.stream().limit(Math.max(1, errors.size() / 10)).mapToDouble(Point::value).average()
                    .orElse(0);
            double peak = before.stream().mapToDouble(Point::value).max().orElse(0);
            double raised = usual + (peak - usual) / 4;
            if (peak == 0 || peak <= usual * 1.5) {
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

    /**
     * Gathers it. What cannot be had becomes one of {@link #missing}.
     *
     * @throws Problem when the bundle that somebody named is none
     */
    static Evidence gather(Postmortem.Sources from) {
        List<String> asked = new ArrayList<>();
        List<String> missing = new ArrayList<>();
        Journal journal = new Journal(from.now());
        from.incident().ifPresentOrElse(incident -> journal.read(incident, asked, missing),
                () -> missing.add("no journal: no incident folder was given or found"));
        List<Entry> entries = journal.entries(missing);
        Optional<Facts> facts = facts(from, asked, missing);
        Optional<Instant> noticed = Timeline.noticed(entries)
                .or(() -> facts.map(Facts::first).map(LogReader.Failure::at));
        Numbers measured = noticed.map(at -> prometheus(from, at, end(entries, at), asked, missing))
                .orElse(Numbers.NONE);
        Numbers numbers = facts.map(Evidence::counted).orElse(Numbers.NONE).after(measured);
        List<StatusPage.Incident> vendor = vendor(from, journal.drill, entries, facts, asked, missing);
        return new Evidence(entries, journal.drill, facts, vendor, numbers, measured, asked, missing);
    }

    /** Reads a journal event by event, and remembers only what a postmortem needs. */
    private static final class Journal {
        private static final int FEW = 6;
        // Memory: what tells no more than its line gives up its data, and so does the rest of an absurdly long journal.
        private static final int MOST_DATA = 2_000;
        private static final Instant EARLIEST = Instant.parse("2012-01-01T00:00:00Z");
        private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(2);
        private static final Duration APPENDS_RACE = Duration.ofSeconds(5);

        private final Instant now;
        private final List<Entry> entries = new ArrayList<>();
        private final List<String> wrongClock = new ArrayList<>();
        private final Map<String, String> words = new HashMap<>();
        private List<String> torn = List.of();
        private Instant latest = Instant.MIN;
        private Duration farthestBack = Duration.ZERO;
        private int outOfOrder;
        private int withData;
        private String drill = "";

        Journal(Instant now) {
            this.now = now;
        }

        void read(Incident incident, List<String> asked, List<String> missing) {
            if (Files.notExists(incident.journal().file())) {
                missing.add("no journal: the incident folder has none");
                return;
            }
            try {
                torn = incident.journal().each(this::take).stream()
                        .map(line -> line.replace(incident.journal().file().toString(), "journal.jsonl")).toList();
                asked.add("journal (" + Text.count(entries.size(), "event") + ")");
            } catch (IOException e) {
                missing.add("the journal cannot be read: " + Incident.why(e));
            }
        }

        private void take(Event event) {
            Instant at = plausible(event);
            // What a person tells afterwards, and when triage was paged, is put where it belongs: no wonder.
            boolean told = List.of("postmortem", "import").contains(event.step()) || event.event()
                    .equals(Event.DETECTED);
            if (!told && latest.isAfter(at.plus(APPENDS_RACE))) {
                outOfOrder++;
                Duration back = Duration.between(at, latest);
                farthestBack = back.compareTo(farthestBack) > 0 ? back : farthestBack;
            }
            latest = at.isAfter(latest) ? at : latest;
            drill = drill.isEmpty() ? event.drill() : drill;
            boolean matters = !event.event().equals(Event.NOTE) || event.data().has("lead")
                    || event.data().has("by") || event.data().has("vendorAt");
            entries.add(new Entry(at, shared(event.event()), shared(event.step()), event.summary(),
                    matters && withData++ < MOST_DATA ? event.data() : Json.object()));
        }

        private String shared(String word) {
            return words.computeIfAbsent(word, same -> same);
        }

        // An impossible time is replaced by the line's place in the file, the next best thing that is known.
        private Instant plausible(Event event) {
            if (!event.at().isAfter(now.plus(CLOCKS_DIFFER)) && !event.at().isBefore(EARLIEST)) {
                return event.at();
            }
            wrongClock.add("the clock of " + event.step() + " was wrong: " + event.at() + " for \""
                    + Text.safe(event.summary(), 60) + "\"; it stands where the journal has it");
            return entries.isEmpty() ? now : entries.get(entries.size() - 1).at();
        }

        List<Entry> entries(List<String> missing) {
            List<Entry> ordered = inOrder(entries);
            few(torn, "more lines were skipped", missing);
            few(wrongClock, "more times were impossible", missing);
            if (outOfOrder > 0) {
                missing.add(Text.count(outOfOrder, "line") + " out of order (by up to " + Durations.words(farthestBack)
                        + "), sorted by time");
            }
            if (ordered.size() < entries.size()) {
                missing.add(Text.count(entries.size() - ordered.size(), "line") + " recorded twice, used once");
            }
            return ordered;
        }

        private static void few(List<String> problems, String more, List<String> missing) {
            problems.stream().limit(FEW).forEach(missing::add);
            if (problems.size() > FEW) {
                missing.add(problems.size() - FEW + " " + more);
            }
        }
    }

    /** By time, those of one moment in the order they came, what is there twice once. */
    static List<Entry> inOrder(List<Entry> entries) {
        List<Entry> sorted = new ArrayList<>(entries);
        sorted.sort(Comparator.comparing(Entry::at));
        List<Entry> once = new ArrayList<>(sorted.size());
        for (Entry entry : sorted) {
            boolean there = false;
            for (int i = once.size() - 1; i >= 0 && once.get(i).at().equals(entry.at()) && !there; i--) {
                Entry other = once.get(i);
                there = other.kind.equals(entry.kind) && other.source.equals(entry.source)
                        && other.text.equals(entry.text);
            }
            if (!there) {
                once.add(entry);
            }
        }
        return once;
    }

    /** When it ended: the lasting recovery, else the last thing before somebody closed it, else {@code otherwise}. */
    private static Instant end(List<Entry> entries, Instant otherwise) {
        Instant end = otherwise;
        Instant recovered = null;
        for (Entry entry : entries) {
            if (entry.is(Event.CLOSED)) {
                break;
            }
            recovered = entry.is(Event.RECOVERED) ? entry.at() : entry.failing() ? null : recovered;
            end = entry.at();
        }
        return recovered == null ? end : recovered;
    }

    // ---- a bundle's facts

    private static Optional<Facts> facts(Postmortem.Sources from, List<String> asked, List<String> missing) {
        Optional<Path> file = from.bundle().or(() -> from.incident()
                .flatMap(incident -> filesOf(incident, "bundle-.*\\.zip").stream().reduce((one, later) -> later)));
        if (file.isEmpty()) {
            return Optional.empty();
        }
        try (ZipFile zip = new ZipFile(file.get().toFile())) {
            ZipEntry entry = zip.stream().filter(one -> one.getName().matches("([^/]+/)?facts\\.json")).findFirst()
                    .orElseThrow(() -> new IOException("it holds no facts.json: make it anew with debug-bundle"));
            byte[] bytes = zip.getInputStream(entry).readNBytes(LARGEST_FACTS + 1);
            if (bytes.length > LARGEST_FACTS) {
                throw new IOException("its facts.json is larger than " + (LARGEST_FACTS >> 20) + " MiB");
            }
            Facts facts = Facts.read(bytes);
            asked.add("debug bundle " + file.get().getFileName() + zone(facts));
            facts.notRead().stream().limit(10).forEach(line -> missing.add("debug bundle: " + line));
            return Optional.of(facts);
        } catch (IOException e) {
            // One that nobody named is a note and no error.
            if (from.bundle().isPresent()) {
                throw new Problem("--bundle " + file.get() + " cannot be used: " + Incident.why(e));
            }
            missing.add("the folder's " + file.get().getFileName() + " cannot be used: " + Incident.why(e));
            return Optional.empty();
        }
    }

    private static String zone(Facts facts) {
        return facts.minutes().isEmpty() || facts.zone() == null ? "" : " (log times read as "
                + Text.safe(facts.zone(), 40) + (facts.zoneNamed() ? "" : ", assumed") + ")";
    }

    private static List<Path> filesOf(Incident incident, String name) {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.getFileName().toString().matches(name)).sorted().toList();
        } catch (IOException e) {
            return List.of();
        }
    }

    private static Numbers counted(Facts facts) {
        SortedMap<String, Long> failed = new TreeMap<>();
        long calls = 0;
        for (Map.Entry<Integer, Long> status : facts.statuses().entrySet()) {
            calls += status.getValue();
            if (Facts.failed(status.getKey())) {
                failed.put(status.getKey() == Facts.NO_ANSWER ? "no answer" : status.getKey().toString(),
                        status.getValue());
            }
        }
        // Where every line is a failure, the log tells of failures alone, and not of all calls.
        long failures = failed.values().stream().mapToLong(Long::longValue).sum();
        boolean logs = calls > 0;
        if (!logs) {
            facts.metrics().stream().filter(curve -> curve.grown() >= 1 && curve.query().matches(".*(error|fail).*"))
                    .forEach(curve -> failed.merge(status(curve.name()), Math.round(curve.grown()), Long::sum));
        }
        TreeMap<Instant, Double> minutes = new TreeMap<>();
        facts.minutes().stream().filter(minute -> minute.at() != null).forEach(minute -> minutes.merge(minute.at(),
                (double) minute.statuses().entrySet().stream().filter(status -> Facts.failed(status.getKey()))
                        .mapToLong(Map.Entry::getValue).sum(), Double::sum));
        List<Point> latency = facts.metrics().stream().filter(curve -> curve.query().matches(".*(duration|latency).*"))
                .findFirst().map(LogReader.Curve::points).orElse(List.of()).stream()
                .map(point -> new Point(point.at(), point.value())).toList();
        String source = logs ? LOGS : failed.isEmpty() ? "" : "the bundle's metrics";
        return new Numbers(source, failed, calls > failures ? OptionalLong.of(calls) : OptionalLong.empty(),
                minutes.entrySet().stream().map(minute -> new Point(minute.getKey(), minute.getValue())).toList(),
                "failed calls a minute", latency, facts.queue());
    }

    private static String status(String labels) {
        Matcher status = Pattern.compile("\\b(?:status|code)=(\\w{1,20})").matcher(labels);
        return status.find() ? status.group(1) : "unlabelled";
    }

    // ---- Prometheus

    private static Numbers prometheus(Postmortem.Sources from, Instant noticed, Instant ended, List<String> asked,
            List<String> missing) {
        if (from.prometheus() == null) {
            return Numbers.NONE;
        }
        Prometheus prometheus = new Prometheus(from.http(), from.prometheus(), from.timeout());
        Postmortem.Queries queries = from.queries();
        Instant begin = noticed.minus(BEFORE);
        Instant until = ended.plus(AFTER).isBefore(from.now()) ? ended.plus(AFTER) : from.now();
        String step = Math.max(60, 2 * Duration.between(begin, until).toSeconds() / 240) + "s";
        Prometheus.Result rate = prometheus.range(queries.rate().replace("$step", step), begin, until, 240);
        say(rate, true, missing);
        if (!rate.reached()) {
            return Numbers.NONE;
        }
        Numbers curve = new Numbers("", new TreeMap<>(), OptionalLong.empty(), points(rate), "failed calls per second",
                List.of(), List.of());
        // Failed calls are counted from when they began, which is often before anybody noticed.
        Instant began = curve.rose(noticed).orElse(noticed);
        String window = Math.max(60, Duration.between(began, until).toSeconds()) + "s";
        Prometheus.Result byStatus = prometheus.instant(queries.failed().replace("$window", window), until);
        Prometheus.Result all = prometheus.instant(queries.calls().replace("$window", window), until);
        Prometheus.Result latency = prometheus.range(queries.latency().replace("$step", step), begin, until, 240);
        Prometheus.Result queue = prometheus.range(queries.queue().replace("$step", step), begin, until, 240);
        say(byStatus, true, missing);
        say(all, !queries.calls().equals(Postmortem.Queries.USUAL.calls()), missing);
        say(latency, !queries.latency().equals(Postmortem.Queries.USUAL.latency()), missing);
        say(queue, !queries.queue().equals(Postmortem.Queries.USUAL.queue()), missing);
        SortedMap<String, Long> failed = new TreeMap<>();
        byStatus.series().stream().filter(series -> Double.isFinite(series.last()) && series.last() >= 0.5)
                .forEach(series -> failed.merge(label(series, "unlabelled", "status", "code"),
                        Math.round(series.last()), Long::sum));
        if (byStatus.ok()) {
            asked.add("Prometheus");
        }
        List<LogReader.Queue> queues = new ArrayList<>();
        queue.series().forEach(series -> series.points().stream().filter(point -> Double.isFinite(point.value()))
                .map(point -> LogReader.Queue.one(label(series, series.words(), "pod", "instance"), point.at(),
                        point.value())).reduce(LogReader.Queue::then).ifPresent(queues::add));
        return new Numbers(byStatus.ok() && !byStatus.series().isEmpty() ? "Prometheus" : "", failed,
                all.sum().isPresent() ? OptionalLong.of(Math.round(all.sum().getAsDouble())) : OptionalLong.empty(),
                points(rate), curve.unit, points(latency), queues);
    }

    /** The value of the first of these labels that it has, else of its only label, else {@code otherwise}. */
    private static String label(Prometheus.Series series, String otherwise, String... names) {
        return Stream.of(names).map(series.labels()::get).filter(Objects::nonNull).findFirst()
                .orElseGet(() -> series.labels().size() == 1 ? series.labels().values().iterator().next() : otherwise);
    }

    // A refusal of a query that nobody chose is not worth telling.
    private static void say(Prometheus.Result result, boolean chosen, List<String> missing) {
        String problem = "--prometheus: " + result.trouble();
        if (!result.ok() && chosen && !missing.contains(problem)) {
            missing.add(problem);
        }
    }

    private static List<Point> points(Prometheus.Result result) {
        return result.total().stream().map(point -> new Point(point.at(), point.value())).toList();
    }

    // ---- the vendor

    private static List<StatusPage.Incident> vendor(Postmortem.Sources from, String drill, List<Entry> entries,
            Optional<Facts> facts, List<String> asked, List<String> missing) {
        Map<String, StatusPage.Incident> known = new TreeMap<>();
        for (Path file : from.incident().map(open -> filesOf(open, "triage-.*\\.json")).orElse(List.of()).stream()
                .limit(50).toList()) {
            try {
                Json.read(Files.readAllBytes(file)).path("checks").forEach(check ->
                        StatusPage.incidents(check.path("detail").path("incidents")).forEach(one -> keep(known, one)));
            } catch (IOException e) {
                // The status page itself is asked next; a torn triage file is no news for the reader.
            }
        }
        seenByWatch(entries).forEach(incident -> keep(known, incident));
        facts.ifPresent(file -> file.vendor().forEach(incident -> keep(known, incident)));
        if (!drill.isEmpty() && from.status() != null && "status.klaviyo.com".equals(from.status().getHost())) {
            missing.add("a drill: the real status page was not asked");
        } else if (from.status() != null && !entries.isEmpty()) {
            try {
                StatusPage.history(from.status(), from.http(), from.timeout()).forEach(one -> keep(known, one));
                asked.add("status page");
            } catch (IOException e) {
                missing.add("the status page's record: " + Incident.why(e));
            }
        }
        Optional<Instant> noticed = Timeline.noticed(entries)
                .or(() -> facts.map(Facts::first).map(LogReader.Failure::at));
        Optional<Instant> last = facts.map(Facts::last).map(LogReader.Failure::at);
        return known.values().stream().filter(incident -> noticed.isPresent()
                && overlaps(incident, noticed.get().minus(BEFORE), end(entries, last.orElse(noticed.get()))))
                .sorted(Comparator.comparing(StatusPage.Incident::posted)).toList();
    }

    // The same incident is known from several records: the one with the most updates tells the most.
    private static void keep(Map<String, StatusPage.Incident> known, StatusPage.Incident incident) {
        if (incident.posted() != null && incident.started() != null) {
            known.merge(incident.name(), incident,
                    (one, other) -> other.updates().size() >= one.updates().size() ? other : one);
        }
    }

    private static boolean overlaps(StatusPage.Incident incident, Instant from, Instant to) {
        return !incident.started().isAfter(to) && incident.posted().isBefore(to.plus(LATE))
                && (incident.resolved() == null || !incident.resolved().isBefore(from));
    }

    /** The incidents whose updates watch put into the journal, each with the vendor's own time. */
    private static List<StatusPage.Incident> seenByWatch(List<Entry> entries) {
        Map<String, List<StatusPage.Update>> updates = new LinkedHashMap<>();
        for (Entry entry : entries) {
            try {
                if (entry.data().has("vendorAt")) {
                    updates.computeIfAbsent(Text.safe(entry.data().path("incident").asText(), 120),
                            name -> new ArrayList<>()).add(new StatusPage.Update("",
                            Instant.parse(entry.data().path("vendorAt").asText()),
                            Text.safe(entry.data().path("status").asText(), 30),
                            Text.safe(entry.data().path("body").asText(), 600)));
                }
            } catch (DateTimeException e) {
                // Without the vendor's time it stays a note of watch's.
            }
        }
        List<StatusPage.Incident> incidents = new ArrayList<>();
        updates.forEach((name, all) -> {
            all.sort(Comparator.comparing(StatusPage.Update::at));
            Instant end = all.stream().filter(update -> update.status().equals("resolved")).map(StatusPage.Update::at)
                    .findFirst().orElse(null);
            Instant first = all.get(0).at();
            incidents.add(new StatusPage.Incident("", name, "", "", "", first, first, end, List.copyOf(all), true));
        });
        return incidents;
    }
}
