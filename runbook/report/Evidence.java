package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.LogReader.Queue;
import runbook.Message.Wording.Moment;
import runbook.Prometheus;
import runbook.Prometheus.Point;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.StatusPage;
import runbook.Text;
import runbook.Text.Json;
import runbook.report.Timeline.Row;

/**
 * Everything that was recorded about an incident: by its journal, a debug bundle's {@code facts.json}, Prometheus and
 * the vendor's status page. What cannot be had is among what is missing.
 */
final class Evidence {
    private static final Duration BEFORE = Duration.ofHours(1);
    private static final Duration AFTER = Duration.ofMinutes(15);
    private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(2);
    private static final Instant EARLIEST = Instant.parse("2012-01-01T00:00:00Z");
    private static final int MOST_ODD = 12;
    private static final int MOST_NOTES = 1_000;
    private static final List<String> TELLING = List.of("lead", "vendorAt", "logged", "firstFailure", "drill");
    private static final JsonNode NO_DATA = Json.object();
    private static final int POINTS = 240;

    /** Failed calls by HTTP status as one source counted them. */
    record Count(String source, SortedMap<String, Long> failed) {
        static Count of(String source, Map<Integer, Long> statuses) {
            SortedMap<String, Long> failed = new TreeMap<>();
            statuses.entrySet().stream().filter(status -> Facts.failed(status.getKey())).forEach(status -> failed.put(
                    status.getKey() == Facts.NO_ANSWER ? "no answer" : status.getKey().toString(), status.getValue()));
            return new Count(source, failed);
        }

        long failures() {
            return failed.values().stream().mapToLong(Long::longValue).sum();
        }

        boolean any() {
            return failures() > 0;
        }

        /** {@code 401: 2,871, 503: 12}: the most frequent first. */
        String statuses() {
            return failed.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                    .map(status -> Text.safe(status.getKey(), 20) + String.format(Locale.ROOT, ": %,d",
                            status.getValue())).collect(Collectors.joining(", "));
        }
    }

    /** Calls that waited on one instance: at most, and at the end of the data, empty where they drained. */
    record Waiting(String instance, double peak, Optional<Double> left) {
        // Back at what it held before is drained; a queue first looked at in the middle has to be nearly empty.
        static Waiting of(Queue queue) {
            double usual = queue.first() < queue.peak() / 2 ? Math.max(queue.first() * 1.1, queue.first() + 1) : 1;
            return new Waiting(queue.instance(), queue.peak(), Optional.of(queue.last()).filter(left -> left > usual));
        }
    }

    private final Postmortem.Sources from;
    /** The journal's events, what the vendor wrote, and the first symptom where one was found. */
    final List<Event> events = new ArrayList<>();
    /** How many events more there are, and the journal's length in bytes. */
    int leftOut;
    long journalled;
    /** What a debug bundle counted in the logs; empty without a bundle. */
    final Optional<Facts> facts;
    /** The vendor's incidents that overlap with ours. */
    final List<StatusPage.Incident> vendor;
    /** Each source's count of failed calls, the one to be told first. */
    final List<Count> counts = new ArrayList<>();
    /** Each instance has a queue of its own: what one drained is no comfort for what another still holds. */
    List<Waiting> queues = List.of();
    /** What was read, in words; and what was not to be had and why, a sentence each. */
    final List<String> read = new ArrayList<>();
    final List<String> missing = new ArrayList<>();
    private final List<Event> symptoms = new ArrayList<>();

    /** Gathers it; a {@link Problem} when the bundle that somebody named is none. */
    Evidence(Postmortem.Sources from) {
        this.from = from;
        readJournal();
        facts = bundle();
        Timeline told = new Timeline(events, from.templates());
        Optional<Instant> noticed = told.moment(Moment.DETECTED).or(() -> told.all.stream().findFirst()).map(Row::at);
        Optional<Instant> first = noticed.or(() -> facts.map(Facts::first).map(LogReader.Failure::at));
        Instant last = told.ended().or(() -> facts.map(Facts::last).map(LogReader.Failure::at)).or(() -> first)
                .orElse(from.now());
        Instant until = noticed.map(at -> at.plus(AFTER)).orElse(Instant.MAX);
        facts.ifPresent(logs -> countLogs(logs, until));
        first.ifPresent(at -> from.settings().ifPresent(settings -> measure(settings, at, last, until)));
        countTriaged();
        symptoms.stream().filter(sign -> noticed.isEmpty() || sign.at().isBefore(noticed.get()))
                .min(Comparator.comparing(Event::at)).ifPresent(events::add);
        vendor = vendor().stream().filter(one -> first.isPresent() && one.overlaps(first.get().minus(BEFORE), last))
                .toList();
        vendorsWords();
    }

    // ---- the journal

    private void readJournal() {
        List<Event> recorded = from.notebook().events();
        if (recorded.isEmpty()) {
            missing.add("no journal: no incident was found, or nothing was recorded of it");
            return;
        }
        Path file = from.notebook().incident().journal().file();
        journalled = file.toFile().length();
        Instant latest = from.now().plus(CLOCKS_DIFFER);
        recorded.stream().filter(event -> event.at().isAfter(EARLIEST) && event.at().isBefore(latest))
                .forEach(this::take);
        from.notebook().problems().stream().limit(MOST_ODD)
                .forEach(line -> missing.add(line.replace(file.toString(), "journal.jsonl")));
        read.add("journal (" + Text.count(events.size() + leftOut, "event") + ")");
        int wrong = recorded.size() - events.size() - leftOut;
        if (wrong > 0) {
            missing.add(Text.count(wrong, "event") + " left out, since a clock was wrong");
        }
    }

    // A long journal is nearly all notes of rounds: of these the first are told, and the others counted.
    private void take(Event event) {
        boolean plain = event.event().equals(Event.NOTE) && TELLING.stream().noneMatch(event.data()::has);
        if (plain && events.size() >= MOST_NOTES) {
            leftOut++;
        } else {
            events.add(event);
        }
    }

    // Of the log that triage was given, when its failures begin; and how many there are, the last time that it was
    // given, where no bundle has counted since.
    private void countTriaged() {
        events.stream().flatMap(event -> Timeline.time(event, "firstFailure").stream()).filter(EARLIEST::isBefore)
                .forEach(at -> symptom(at, "the application's log, read by triage", ""));
        Optional<Event> logged =
                events.stream().filter(event -> event.data().has("logged")).reduce((one, later) -> later);
        logged.filter(any -> facts.isEmpty()).ifPresent(last -> {
            Map<Integer, Long> statuses = last.data().path("logged").properties().stream()
                    .filter(one -> one.getKey().matches("\\d{1,3}"))
                    .collect(Collectors.toMap(one -> Integer.valueOf(one.getKey()), one -> one.getValue().asLong()));
            String at = Timeline.full(last.at()).substring(11);
            counts.add(Count.of("the application's log, read by triage at " + at, statuses));
        });
    }

    // ---- when it began

    private void symptom(Instant at, String source, String status) {
        symptoms.add(new Event(at, source, Timeline.SYMPTOM, "failed calls begin" + status, NO_DATA));
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

    private Optional<Facts> bundle() {
        Optional<Path> file = from.bundle().or(() -> newest(from.notebook().incident(), "bundle-.*\\.zip"));
        if (file.isEmpty()) {
            return Optional.empty();
        }
        try (ZipFile zip = new ZipFile(Document.regular(file.get()).toFile())) {
            ZipEntry entry = zip.stream().filter(one -> one.getName().matches("([^/]+/)?facts\\.json")).findFirst()
                    .orElseThrow(() -> new IOException("it holds no facts.json: make it anew with debug-bundle"));
            Facts facts = Facts.read(zip.getInputStream(entry).readNBytes(Document.LARGEST));
            String zone = facts.minutes().isEmpty() ? "" : " (log times read as " + Text.safe(facts.zone(), 40)
                    + (facts.zoneNamed() ? ")" : ", assumed)");
            read.add("debug bundle " + file.get().getFileName() + zone);
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

    /** The newest file of such a name in the folder. */
    static Optional<Path> newest(Incident incident, String name) {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.getFileName().toString().matches(name)).max(Comparator.naturalOrder());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** What it holds; nothing where there is none. */
    static JsonNode json(Incident incident, String name) {
        try {
            Optional<Path> file = newest(incident, name);
            return file.isEmpty() ? NO_DATA : Json.read(Document.text(file.get()));
        } catch (IOException e) {
            return NO_DATA;
        }
    }

    private void countLogs(Facts logs, Instant until) {
        queues = logs.queue().stream().map(Waiting::of).toList();
        SortedMap<Instant, Double> failed = new TreeMap<>();
        logs.minutes().stream().filter(minute -> minute.at() != null)
                .forEach(minute -> failed.merge(minute.at(), (double) minute.failed(), Double::sum));
        List<Point> curve = failed.entrySet().stream()
                .map(minute -> new Point(minute.getKey(), minute.getValue())).toList();
        if (!logs.minutes().isEmpty()) {
            counts.add(Count.of("the bundle's logs", logs.statuses()));
        }
        String status = logs.first() == null ? "" : " (HTTP " + logs.first().status() + ")";
        episode(curve, until).ifPresent(at -> symptom(at, "application logs", status));
    }

    // ---- Prometheus

    private void measure(Settings settings, Instant noticed, Instant ended, Instant latest) {
        URI address = settings.target().prometheus();
        if (address == null) {
            return;
        }
        Prometheus prometheus = new Prometheus(Http.of(settings), address, settings.probing().timeout());
        Instant begin = noticed.minus(BEFORE);
        Instant until = ended.plus(AFTER).isBefore(from.now()) ? ended.plus(AFTER) : from.now();
        Prometheus.Result curve = prometheus.range(from.query().replace("$window", "2m"), begin, until, POINTS);
        // Failed calls are counted from when they began, which is often before anybody noticed; of what was high before
        // the data begins nothing tells when it rose.
        List<Point> total = curve.total();
        Optional<Instant> rose = episode(total, latest).filter(at -> at.isAfter(total.get(0).at()));
        Instant began = rose.filter(at -> at.isBefore(noticed)).orElse(noticed);
        String window = Math.max(60, Duration.between(began, until).toSeconds()) + "s";
        Prometheus.Result failed = prometheus.instant(from.query().replace("$window", window), until);
        Stream.of(curve, failed).filter(result -> !result.ok()).map(Prometheus.Result::trouble).distinct()
                .forEach(trouble -> missing.add("--prometheus: " + trouble));
        if (failed.ok()) {
            read.add("Prometheus");
        }
        if (!failed.series().isEmpty()) {
            SortedMap<String, Long> byStatus = new TreeMap<>();
            failed.series().stream().filter(series -> Double.isFinite(series.last()) && series.last() >= 0.5)
                    .forEach(series -> {
                        String code = series.labels().getOrDefault("code", "?");
                        String status = series.labels().getOrDefault("status", code);
                        byStatus.merge(status, Math.round(series.last()), Long::sum);
                    });
            counts.add(new Count("Prometheus", byStatus));
        }
        rose.ifPresent(at -> symptom(at, "metrics", ""));
    }

    // ---- the vendor

    private List<StatusPage.Incident> vendor() {
        List<StatusPage.Incident> told = new ArrayList<>(facts.map(Facts::vendor).orElse(List.of()));
        // Of a drill the real page knows nothing.
        URI unknowing = from.notebook().drill().isEmpty() ? null : Settings.Target.KLAVIYO.status();
        Optional<Settings> settings = from.settings().filter(some -> some.target().status() != null
                && !some.target().status().equals(unknowing) && !events.isEmpty());
        if (settings.isPresent()) {
            try {
                told.addAll(StatusPage.history(settings.get().target().status(), Http.of(settings.get()),
                        settings.get().probing().timeout()));
                read.add("status page");
            } catch (IOException e) {
                missing.add("the status page's record: " + Incident.why(e));
            }
        }
        return told.stream().filter(incident -> incident.posted() != null).toList();
    }

    // What the vendor wrote stands at the vendor's time, the earliest that a record gives, once, with the vendor as its
    // source: also what watch noted.
    private void vendorsWords() {
        Predicate<Event> vendors = event -> event.data().has("vendorAt");
        Stream<Event> noted = events.stream().filter(vendors).map(note -> word(
                Timeline.time(note, "vendorAt").orElse(note.at()), note.data().path("status").asText(),
                note.data().path("incident").asText(), note.data().path("body").asText()));
        List<Event> words = Stream.concat(noted, vendor.stream().flatMap(Evidence::words))
                .sorted(Comparator.comparing(Event::at)).toList();
        events.removeIf(vendors);
        Set<String> told = new HashSet<>();
        words.stream().filter(word -> told.add(word.summary())).forEach(events::add);
    }

    private static Stream<Event> words(StatusPage.Incident incident) {
        return incident.updates().stream().filter(update -> update.at() != null)
                .map(update -> word(update.at(), update.status(), incident.name(), update.body()));
    }

    private static Event word(Instant at, String status, String incident, String body) {
        String words = "Klaviyo (" + Text.safe(status, 30) + "): " + Text.safe(incident, 120);
        String rest = body.isEmpty() ? "" : " — " + Text.safe(body, 600);
        return new Event(at, "status page", Timeline.VENDOR, words + rest, NO_DATA);
    }
}
