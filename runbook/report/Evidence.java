package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.LogReader.Minute;
import runbook.LogReader.Queue;
import runbook.Prometheus;
import runbook.Prometheus.Point;
import runbook.Prometheus.Series;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.StatusPage;
import runbook.Text;
import runbook.Text.Json;
import runbook.report.Timeline.When;

/**
 * Everything that was recorded about an incident, from wherever it could be had.
 *
 * @param events  the journal's, what the vendor wrote, and the first symptom where one was found
 * @param drill   the drill's scenario, empty in earnest
 * @param facts   what a debug bundle counted in the logs; empty without a bundle
 * @param vendor  the vendor's incidents that overlap with ours
 */
record Evidence(List<Event> events, String drill, Optional<Facts> facts, List<StatusPage.Incident> vendor,
        Numbers numbers, Notes notes) {
    private static final Duration BEFORE = Duration.ofHours(1);
    private static final Duration AFTER = Duration.ofMinutes(15);
    private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(2);
    private static final Instant EARLIEST = Instant.parse("2012-01-01T00:00:00Z");
    private static final int MOST_ODD = 12;
    private static final int MOST_WHOLE = 2_000;
    private static final JsonNode NO_DATA = Json.object();
    private static final int POINTS = 240;
    private static final int LARGEST_FACTS = 64 << 20;
    private static final String LOGS = "the bundle's logs";
    private static final String PROMETHEUS = "Prometheus";
    private static final String MEASURED = "failed calls in 2 minutes";

    /** What was read, in words; and what was not to be had and why, a sentence each. */
    record Notes(List<String> asked, List<String> missing) { }

    /** Failed calls by HTTP status as one source counted them, and all calls where it knows them. */
    record Count(String source, SortedMap<String, Long> failed, OptionalLong calls) {
        long failures() {
            return failed.values().stream().mapToLong(Long::longValue).sum();
        }
    }

    /**
     * Numbers about the incident.
     *
     * @param counts the one to be told first; empty when nothing counted calls
     * @param errors failed calls over time, as {@code unit} says
     * @param queues calls that wait to be repeated, each instance's own
     */
    record Numbers(List<Count> counts, String unit, List<Point> errors, List<Queue> queues) {
        static final Numbers NONE = new Numbers(List.of(), "", List.of(), List.of());

        /** What the logs tell, whose counts come first since they know each call, beside what was measured. */
        static Numbers of(Numbers logs, Numbers measured) {
            Numbers curve = measured.errors.size() > 1 ? measured : logs;
            return new Numbers(Stream.of(logs, measured).flatMap(one -> one.counts.stream()).toList(), curve.unit,
                    curve.errors, measured.queues.isEmpty() ? logs.queues : measured.queues);
        }

        /** What Prometheus counts, where something else is told first. */
        Optional<Count> second() {
            return counts.stream().skip(1).filter(count -> count.source.equals(PROMETHEUS)).findFirst();
        }
    }

    /**
     * Gathers it. What cannot be had becomes one of the notes.
     *
     * @throws Problem when the bundle that somebody named is none
     */
    static Evidence gather(Postmortem.Sources from) {
        Notes notes = new Notes(new ArrayList<>(), new ArrayList<>());
        List<Event> events = journal(from, notes);
        String drill = events.isEmpty() ? from.drill().orElse("") : Incident.drill(events);
        Optional<Facts> facts = bundle(from, notes);
        Timeline told = new Timeline(events.stream().filter(Timeline::telling).toList());
        Optional<Instant> noticed = told.detected().map(When::at)
                .or(() -> events.stream().map(Event::at).min(Comparator.naturalOrder()));
        Optional<Instant> first = noticed.or(() -> facts.map(Facts::first).map(LogReader.Failure::at));
        Instant last = told.ended().or(() -> facts.map(Facts::last).map(LogReader.Failure::at)).or(() -> first)
                .orElse(from.now());
        Numbers numbers = Numbers.of(facts.map(Evidence::counted).orElse(Numbers.NONE),
                first.map(at -> prometheus(from, at, last, notes)).orElse(Numbers.NONE));
        List<StatusPage.Incident> vendor = vendor(from, events, facts, notes).stream()
                .filter(one -> first.isPresent() && one.overlaps(first.get().minus(BEFORE), last)).toList();
        // What watch noted of the vendor's updates stands at the vendor's time, with the vendor as its source.
        List<Event> noted = events.stream().filter(event -> event.data().has("vendorAt")).toList();
        events.removeAll(noted);
        Map<Instant, Event> written = new TreeMap<>();
        Stream.concat(noted.stream().map(Evidence::noted), vendor.stream().flatMap(Evidence::written))
                .forEach(event -> written.put(event.at(), event));
        events.addAll(written.values());
        onset(numbers, facts, noticed, triaged(events)).ifPresent(events::add);
        return new Evidence(events, drill, facts, vendor, numbers, notes);
    }

    // ---- the journal

    private static List<Event> journal(Postmortem.Sources from, Notes notes) {
        List<Event> events = new ArrayList<>();
        Optional<Incident.Journal> file = from.incident().map(Incident::journal);
        if (file.isEmpty() || Files.notExists(file.get().file())) {
            notes.missing.add("no journal: " + (file.isEmpty() ? "no incident folder was given or found"
                    : "the incident folder has none"));
            return events;
        }
        try {
            Incident.Reading reading = file.get().read();
            reading.events().forEach(event -> take(event, events, from.now(), notes));
            reading.problems().stream().map(line -> line.replace(file.get().file().toString(), "journal.jsonl")).limit(MOST_ODD)
                    .forEach(notes.missing::add);
            notes.asked.add("journal (" + Text.count(events.size(), "event") + ")");
        } catch (IOException e) {
            notes.missing.add("the journal cannot be read: " + Incident.why(e));
        }
        return events;
    }

    private static void take(Event event, List<Event> events, Instant now, Notes notes) {
        if (event.at().isAfter(now.plus(CLOCKS_DIFFER)) || event.at().isBefore(EARLIEST)) {
            String left = "left out, since the clock of " + event.step() + " was wrong: ";
            if (notes.missing.size() <= MOST_ODD) {
                notes.missing.add(left + (notes.missing.size() == MOST_ODD ? "there are more"
                        : event.at() + " " + Text.safe(event.summary(), 60)));
            }
            return;
        }
        // Memory has a bound: of very many events, notes tell no more than their line.
        boolean whole = events.size() < MOST_WHOLE || !event.event().equals(Event.NOTE);
        events.add(new Event(event.at(), event.step().intern(), event.event().intern(), event.summary(),
                whole ? event.data() : NO_DATA));
    }

    // ---- when it began

    /** When failures began, by metrics or logs, if that was before anybody noticed; whichever saw it first. */
    private static Optional<Event> onset(Numbers numbers, Optional<Facts> facts, Optional<Instant> noticed,
            Optional<Event> triaged) {
        Instant until = noticed.map(at -> at.plus(AFTER)).orElse(Instant.MAX);
        Optional<Event> metrics = Optional.of(numbers.errors).filter(curve -> numbers.unit.equals(MEASURED))
                .flatMap(curve -> rose(curve, until)).map(at -> symptom(at, "metrics", ""));
        Optional<Event> logs = facts.flatMap(read -> episode(failures(read), until).map(at -> symptom(at,
                "application logs", read.first() == null ? "" : " (HTTP " + read.first().status() + ")")));
        return Stream.of(metrics, logs, triaged).flatMap(Optional::stream).min(Comparator.comparing(Event::at))
                .filter(sign -> noticed.isEmpty() || sign.at().isBefore(noticed.get()));
    }

    /** The beginning of the failures in the log that triage was given. */
    private static Optional<Event> triaged(List<Event> events) {
        return events.stream().map(event -> event.data().path("firstFailure").asText("")).filter(at -> !at.isEmpty())
                .flatMap(at -> {
                    try {
                        return Stream.of(Instant.parse(at)).filter(EARLIEST::isBefore);
                    } catch (DateTimeException e) {
                        return Stream.of();
                    }
                }).min(Comparator.naturalOrder()).map(at -> symptom(at, "the application's log, read by triage", ""));
    }

    private static Event symptom(Instant at, String source, String status) {
        return new Event(at, source, Timeline.SYMPTOM, "failed calls begin" + status, NO_DATA);
    }

    /** When a curve rose; empty when it was high before the data begins. */
    private static Optional<Instant> rose(List<Point> curve, Instant until) {
        return episode(curve, until).filter(at -> at.isAfter(curve.get(0).at()));
    }

    // The begin of the failures that led up to this, with no half hour between two points of a tenth of the worst or
    // more: what failed now and then before is not the beginning.
    private static Optional<Instant> episode(List<Point> failures, Instant until) {
        List<Point> before = failures.stream().filter(point -> !point.at().isAfter(until)).toList();
        double least = before.stream().mapToDouble(Point::value).min().orElse(0);
        double peak = before.stream().mapToDouble(Point::value).max().orElse(0);
        Instant first = null;
        for (int i = before.size() - 1; i >= 0; i--) {
            Point point = before.get(i);
            boolean counts = point.value() > 0 && point.value() >= Math.min(least + (peak - least) / 10, peak);
            if (counts && (first == null || !point.at().plus(ONE_EPISODE).isBefore(first))) {
                first = point.at();
            }
        }
        return Optional.ofNullable(first);
    }

    // ---- a bundle's facts

    private static Optional<Facts> bundle(Postmortem.Sources from, Notes notes) {
        Optional<Path> file = from.bundle().or(() -> from.incident().flatMap(Evidence::newestBundle));
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
            notes.asked.add("debug bundle " + file.get().getFileName() + zone(facts));
            facts.notRead().stream().limit(10).forEach(line -> notes.missing.add("debug bundle: " + line));
            return Optional.of(facts);
        } catch (IOException e) {
            // One that nobody named is a note and no error.
            if (from.bundle().isPresent()) {
                throw new Problem("--bundle " + file.get() + " cannot be used: " + Incident.why(e));
            }
            notes.missing.add("the folder's " + file.get().getFileName() + " cannot be used: " + Incident.why(e));
            return Optional.empty();
        }
    }

    private static Optional<Path> newestBundle(Incident incident) {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.getFileName().toString().matches("bundle-.*\\.zip"))
                    .max(Comparator.naturalOrder());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static String zone(Facts facts) {
        return facts.minutes().isEmpty() || facts.zone() == null ? "" : " (log times read as "
                + Text.safe(facts.zone(), 40) + (facts.zoneNamed() ? "" : ", assumed") + ")";
    }

    private static Numbers counted(Facts facts) {
        SortedMap<String, Long> failed = new TreeMap<>();
        facts.statuses().forEach((status, calls) -> {
            if (Facts.failed(status)) {
                failed.put(status == Facts.NO_ANSWER ? "no answer" : status.toString(), calls);
            }
        });
        long calls = facts.minutes().stream().mapToLong(Minute::calls).sum();
        // Where every line is a failure, the log tells of failures alone, and not of all calls.
        boolean all = calls > failed.values().stream().mapToLong(Long::longValue).sum();
        Count count = new Count(LOGS, failed, all ? OptionalLong.of(calls) : OptionalLong.empty());
        return new Numbers(calls > 0 ? List.of(count) : List.of(), "failed calls a minute", failures(facts),
                facts.queue());
    }

    private static List<Point> failures(Facts facts) {
        SortedMap<Instant, Long> failed = new TreeMap<>();
        facts.minutes().stream().filter(minute -> minute.at() != null).forEach(minute ->
                minute.statuses().forEach((status, calls) ->
                        failed.merge(minute.at(), Facts.failed(status) ? calls : 0, Long::sum)));
        return failed.entrySet().stream().map(minute -> new Point(minute.getKey(), minute.getValue())).toList();
    }

    // ---- Prometheus

    private static Numbers prometheus(Postmortem.Sources from, Instant noticed, Instant ended, Notes notes) {
        Optional<Settings> settings = from.settings().filter(some -> some.target().prometheus() != null);
        if (settings.isEmpty()) {
            return Numbers.NONE;
        }
        Prometheus prometheus = new Prometheus(Http.of(settings.get()), settings.get().target().prometheus(),
                settings.get().probing().timeout());
        Postmortem.Queries queries = from.queries();
        Instant begin = noticed.minus(BEFORE);
        Instant until = ended.plus(AFTER).isBefore(from.now()) ? ended.plus(AFTER) : from.now();
        Prometheus.Result curve = prometheus.range(queries.failed.replace("$window", "2m"), begin, until, POINTS);
        // Failed calls are counted from when they began, which is often before anybody noticed.
        Instant began = rose(curve.total(), noticed.plus(AFTER)).filter(at -> at.isBefore(noticed)).orElse(noticed);
        String window = Math.max(60, Duration.between(began, until).toSeconds()) + "s";
        Prometheus.Result failed = prometheus.instant(queries.failed.replace("$window", window), until);
        Prometheus.Result calls = prometheus.instant(queries.calls.replace("$window", window), until);
        Prometheus.Result queue = prometheus.range(queries.queue, begin, until, POINTS);
        Stream.of(curve, failed, calls, queue).filter(result -> !result.ok()).map(Prometheus.Result::trouble).distinct()
                .forEach(trouble -> notes.missing.add("--prometheus: " + trouble));
        if (failed.ok()) {
            notes.asked.add(PROMETHEUS);
        }
        return new Numbers(counted(failed, calls), MEASURED, curve.total(),
                queue.series().stream().map(Evidence::queue).flatMap(Optional::stream).toList());
    }

    private static List<Count> counted(Prometheus.Result byStatus, Prometheus.Result all) {
        SortedMap<String, Long> failed = new TreeMap<>();
        byStatus.series().stream().filter(series -> Double.isFinite(series.last()) && series.last() >= 0.5)
                .forEach(series -> failed.merge(label(series, "status", "code"),
                        Math.round(series.last()), Long::sum));
        OptionalLong calls = all.sum().isEmpty() ? OptionalLong.empty()
                : OptionalLong.of(Math.round(all.sum().getAsDouble()));
        return byStatus.series().isEmpty() ? List.of() : List.of(new Count(PROMETHEUS, failed, calls));
    }

    private static Optional<Queue> queue(Series series) {
        String instance = label(series, "pod", "instance");
        return series.points().stream().filter(point -> Double.isFinite(point.value()))
                .map(point -> Queue.one(instance, point.at(), point.value())).reduce(Queue::then);
    }

    private static String label(Series series, String... names) {
        return Stream.of(names).map(series.labels()::get).filter(Objects::nonNull).findFirst().orElse(series.words());
    }

    // ---- the vendor

    private static List<StatusPage.Incident> vendor(Postmortem.Sources from, List<Event> journal,
            Optional<Facts> facts, Notes notes) {
        List<StatusPage.Incident> told = new ArrayList<>(facts.map(Facts::vendor).orElse(List.of()));
        Optional<Settings> settings = from.settings().filter(some -> some.target().status() != null);
        boolean real = settings.filter(some -> some.target().status().equals(Settings.Target.KLAVIYO.status()))
                .isPresent();
        if (real && !Incident.drill(journal).isEmpty()) {
            notes.missing.add("a drill: the real status page was not asked");
        } else if (settings.isPresent() && !journal.isEmpty()) {
            try {
                told.addAll(StatusPage.history(settings.get().target().status(), Http.of(settings.get()),
                        settings.get().probing().timeout()));
                notes.asked.add("status page");
            } catch (IOException e) {
                notes.missing.add("the status page's record: " + Incident.why(e));
            }
        }
        return told.stream().filter(incident -> incident.posted() != null).toList();
    }

    private static Stream<Event> written(StatusPage.Incident incident) {
        Event posted = written(incident.posted(), incident.status(), incident.name(), "");
        return incident.updates().isEmpty() ? Stream.of(posted) : incident.updates().stream()
                .filter(update -> update.at() != null)
                .map(update -> written(update.at(), update.status(), incident.name(), update.body()));
    }

    private static Event noted(Event note) {
        Instant at = note.at();
        try {
            at = Instant.parse(note.data().path("vendorAt").asText());
        } catch (DateTimeException e) {
            // Then it stands where watch saw it.
        }
        return written(at, note.data().path("status").asText(), note.data().path("incident").asText(),
                note.data().path("body").asText());
    }

    private static Event written(Instant at, String status, String incident, String body) {
        String words = "Klaviyo (" + Text.safe(status, 30) + "): " + Text.safe(incident, 120);
        return new Event(at, "status page", Timeline.VENDOR, words + (body.isEmpty() ? "" : " — "
                + Text.safe(body, 600)), NO_DATA);
    }
}
