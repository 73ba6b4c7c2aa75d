package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import java.util.zip.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Message.Wording.Moment;
import runbook.Prometheus.AppErrors;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.report.Timeline.Row;

/**
 * Everything that was recorded about an incident: by its journal, a debug bundle's {@code facts.json}, Prometheus and
 * the vendor's status page. What cannot be had is among what is missing.
 */
final class Evidence {
    private static final Duration BEFORE = Duration.ofHours(1);
    private static final Duration AFTER = Duration.ofMinutes(15);
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(2);
    private static final Instant EARLIEST = Instant.parse("2012-01-01T00:00:00Z");
    private static final int MOST_ODD = 12;
    private static final int MOST_NOTES = 1_000;
    private static final List<String> TELLING = List.of("lead", "vendorAt", "logged", "firstFailure", "drill");
    private static final int POINTS = 240;
    private static final Duration EACH_POINT = Duration.ofMinutes(2);

    /** Failed calls by HTTP status as one source counted them, from one time to another where it names them. */
    record Count(String source, Instant from, Instant to, Map<String, Long> failed) {
        static Count of(String source, Instant from, Instant to, Map<Integer, Long> statuses) {
            return new Count(source, from, to, statuses.entrySet().stream().filter(one -> Facts.failed(one.getKey()))
                    .collect(Collectors.toMap(one -> word(one.getKey()), Map.Entry::getValue)));
        }

        static String word(int status) {
            return status == Facts.NO_ANSWER ? "no answer" : Integer.toString(status);
        }

        long failures() {
            return failed.values().stream().mapToLong(Long::longValue).sum();
        }

        boolean any() {
            return failures() > 0;
        }

        /** {@code 401: 2,871, 503: 12}: the most frequent first. */
        String statuses() {
            return failed.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed()
                    .thenComparing(Map.Entry.comparingByKey()))
                    .map(one -> Text.safe(one.getKey(), 20) + ": " + Text.number(one.getValue()))
                    .collect(Collectors.joining(", "));
        }

        /** {@code , 03:04 to 03:17}; empty where nobody says. */
        String window() {
            return from == null || to == null ? "" : ", " + Timeline.clock(from) + " to " + Timeline.clock(to);
        }
    }

    /** How many calls of one status failed in the minutes from a time on, as a source has them; none counts too. */
    private record Calls(Instant at, String status, double failed) {
        // What the server or the way to it is to blame for is now one of these, now another.
        String kind() {
            return status.matches("[1-4]\\d\\d") ? status : "5xx";
        }

        Event symptom(String source) {
            boolean known = status.matches("\\d{3}|no answer");
            String words = known ? " (" + (status.length() == 3 ? "HTTP " : "") + status + ")" : "";
            return new Event(at, source, Timeline.SYMPTOM, "failed calls begin" + words, Json.object());
        }
    }

    private final Report.Sources from;
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
    /** What was read, in words; and what was not to be had and why, a sentence each. */
    final List<String> read = new ArrayList<>();
    final List<String> missing = new ArrayList<>();
    private final List<Event> symptoms = new ArrayList<>();

    /** Gathers it; a {@link Problem} when the bundle that somebody named is none. */
    Evidence(Report.Sources from) {
        this.from = from;
        readJournal();
        facts = bundle();
        Timeline told = new Timeline(events, from.templates());
        Optional<Instant> noticed = told.moment(Moment.DETECTED).or(() -> told.all.stream().findFirst()).map(Row::at);
        Optional<Instant> first = noticed.or(() -> facts.map(Facts::first).map(Facts.Failure::at));
        Instant last = told.ended().or(() -> facts.map(Facts::last).map(Facts.Failure::at)).or(() -> first)
                .orElse(from.now());
        facts.ifPresent(logs -> countLogs(logs, noticed.orElse(from.now())));
        first.ifPresent(at -> from.settings().ifPresent(settings -> measure(settings, at, last)));
        if (facts.isEmpty()) {
            countTriaged();
        }
        symptoms.stream().filter(sign -> noticed.isEmpty() || sign.at().isBefore(noticed.get()))
                .min(Comparator.comparing(Event::at)).ifPresent(events::add);
        vendor = vendor().filter(one -> one.posted() != null && first.isPresent()
                && one.overlaps(first.get().minus(BEFORE), last)).toList();
        vendorsWords();
    }

    // ---- the journal

    // A long journal is nearly all notes of rounds: of these the first are told, and the others counted.
    private void readJournal() {
        List<Event> recorded = from.notebook().events();
        if (recorded.isEmpty()) {
            missing.add("no journal: no incident was found, or nothing was recorded of it");
            return;
        }
        Path file = from.notebook().incident().journal().file();
        journalled = file.toFile().length();
        Instant latest = from.now().plus(CLOCKS_DIFFER);
        List<Event> timed = recorded.stream()
                .filter(event -> event.at().isAfter(EARLIEST) && event.at().isBefore(latest)).toList();
        timed.stream().filter(event -> events.size() < MOST_NOTES || !event.event().equals(Event.NOTE)
                || TELLING.stream().anyMatch(event.data()::has)).forEach(events::add);
        leftOut = timed.size() - events.size();
        read.add("journal (" + Text.count(timed.size(), "event") + ")");
        from.notebook().problems().stream().limit(MOST_ODD)
                .forEach(line -> missing.add(line.replace(file.toString(), "journal.jsonl")));
        int wrong = recorded.size() - timed.size();
        if (wrong > 0) {
            missing.add(Text.count(wrong, "event") + " left out, since a clock was wrong");
        }
    }

    // Of the log that triage was given, when its failures begin, and how many there are, the last time that it was
    // given: where no bundle has looked at logs since.
    private void countTriaged() {
        String log = "the application's log, read by triage";
        events.stream().flatMap(event -> event.time("firstFailure").stream()).filter(EARLIEST::isBefore)
                .forEach(at -> symptoms.add(new Calls(at, "", 0).symptom(log)));
        events.stream().filter(event -> event.data().has("logged")).reduce((one, later) -> later).ifPresent(last -> {
            Map<Integer, Long> statuses = last.data().path("logged").properties().stream()
                    .filter(one -> one.getKey().matches("\\d{1,3}"))
                    .collect(Collectors.toMap(one -> Integer.valueOf(one.getKey()), one -> one.getValue().asLong()));
            counts.add(Count.of(log + " at " + Timeline.clock(last.at()), null, null, statuses));
        });
    }

    // ---- when it began

    // When the failures began that led up to what was noticed: of the kind that most calls then had, for another kind's
    // is no sign of it; and of times with a tenth of the worst or more, for what failed now and then before is not the
    // beginning.
    private static Optional<Calls> onset(List<Calls> every, Instant noticed) {
        List<Calls> before = every.stream().filter(calls -> !calls.at.isAfter(noticed.plus(AFTER))).toList();
        Map<String, Double> kinds = before.stream()
                .filter(calls -> calls.failed > 0 && !calls.at.isBefore(noticed.minus(Facts.ONE_TROUBLE)))
                .collect(Collectors.groupingBy(Calls::kind, Collectors.summingDouble(Calls::failed)));
        String kind = kinds.entrySet().stream().max(Map.Entry.comparingByValue()).map(Map.Entry::getKey).orElse("");
        Predicate<Calls> ours = calls -> kind.isEmpty() || calls.kind().equals(kind);
        TreeMap<Instant, Double> curve = new TreeMap<>();
        before.forEach(calls -> curve.merge(calls.at, ours.test(calls) ? calls.failed : 0, Double::sum));
        DoubleSummaryStatistics all = curve.values().stream().mapToDouble(calls -> calls).summaryStatistics();
        double counts = all.getMin() + (all.getMax() - all.getMin()) / 10;
        Optional<Instant> began = Facts.began(curve.descendingMap().entrySet().stream()
                .filter(point -> point.getValue() > 0 && point.getValue() >= counts).map(Map.Entry::getKey));
        return before.stream().filter(calls -> began.filter(calls.at::equals).isPresent()).filter(ours)
                .max(Comparator.comparing(Calls::failed));
    }

    // ---- a bundle's facts

    private Optional<Facts> bundle() {
        Optional<Path> file = from.bundle().or(() -> files(from.notebook().incident(), "bundle-.*\\.zip").findFirst());
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

    /** The files of that name in its folder, the newest first. */
    static Stream<Path> files(Incident incident, String name) {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.getFileName().toString().matches(name))
                    .sorted(Comparator.reverseOrder()).toList().stream();
        } catch (IOException e) {
            return Stream.of();
        }
    }

    /** What it holds; nothing where it cannot be read. */
    static JsonNode json(Path file) {
        try {
            return Json.read(Document.text(file));
        } catch (IOException e) {
            return Json.object();
        }
    }

    private void countLogs(Facts logs, Instant noticed) {
        if (!logs.minutes().isEmpty()) {
            counts.add(Count.of("the bundle's logs", logs.from(), logs.to(), logs.statuses()));
        }
        List<Calls> calls = logs.minutes().stream().filter(minute -> minute.at() != null)
                .flatMap(minute -> minute.statuses().entrySet().stream().map(of -> new Calls(minute.at(),
                        Count.word(of.getKey()), Facts.failed(of.getKey()) ? of.getValue() : 0))).toList();
        onset(calls, noticed).ifPresent(began -> symptoms.add(began.symptom("application logs")));
    }

    // ---- Prometheus

    private void measure(Settings settings, Instant noticed, Instant ended) {
        if (settings.target().prometheus() == null) {
            return;
        }
        Prometheus prometheus = new Prometheus(Http.of(settings));
        Instant until = ended.plus(AFTER).isBefore(from.now()) ? ended.plus(AFTER) : from.now();
        String query = settings.probing().errors();
        Prometheus.Result curve =
                prometheus.range(AppErrors.over(query, EACH_POINT), noticed.minus(BEFORE), until, POINTS);
        List<Calls> calls = curve.series().stream().flatMap(series -> series.points().stream()
                .filter(point -> Double.isFinite(point.value()))
                .map(point -> new Calls(point.at(), AppErrors.status(series, query), point.value()))).toList();
        // Of what was high before the data begins nothing tells when it rose.
        Optional<Calls> rose = onset(calls, noticed)
                .filter(began -> calls.stream().anyMatch(earlier -> earlier.at.isBefore(began.at)));
        rose.ifPresent(at -> symptoms.add(at.symptom("metrics")));
        // Failed calls are counted from when they began, which is often before anybody noticed.
        Instant began = rose.map(Calls::at).filter(at -> at.isBefore(noticed)).orElse(noticed);
        Duration lasted = Duration.ofSeconds(Math.max(60, Duration.between(began, until).toSeconds()));
        Prometheus.Result failed = prometheus.instant(AppErrors.over(query, lasted), until);
        Stream.of(curve, failed).filter(result -> !result.ok()).map(Prometheus.Result::trouble).distinct()
                .forEach(trouble -> missing.add("--prometheus: " + trouble));
        if (failed.ok()) {
            read.add("Prometheus");
        }
        if (!failed.series().isEmpty()) {
            counts.add(new Count("Prometheus", began, until, failed.series().stream()
                    .filter(series -> Double.isFinite(series.last()) && series.last() >= 0.5)
                    .collect(Collectors.toMap(one -> AppErrors.status(one, query), one -> Math.round(one.last()),
                            Long::sum))));
        }
    }

    // ---- the vendor

    private Stream<StatusPage.Incident> vendor() {
        Stream<StatusPage.Incident> bundled = facts.map(Facts::vendor).orElse(List.of()).stream();
        URI page = from.settings().map(settings -> settings.target().status()).orElse(null);
        // Of a drill the real page knows nothing.
        boolean unknowing = !from.notebook().drill().isEmpty() && Settings.Target.KLAVIYO.status().equals(page);
        if (page == null || unknowing || events.isEmpty()) {
            return bundled;
        }
        try {
            Settings settings = from.settings().get();
            List<StatusPage.Incident> told = StatusPage.history(Http.of(settings));
            read.add("status page");
            return Stream.concat(bundled, told.stream());
        } catch (IOException e) {
            missing.add("the status page's record: " + Incident.why(e));
            return bundled;
        }
    }

    // What the vendor wrote stands at the vendor's time, the earliest that a record gives, once, with the vendor as its
    // source: also what watch noted.
    private void vendorsWords() {
        List<Event> words = new ArrayList<>();
        events.stream().filter(event -> event.data().has("vendorAt")).forEach(note -> words.add(word(
                note.time("vendorAt").orElse(note.at()), note.data().path("status").asText(),
                note.data().path("incident").asText(), note.data().path("body").asText())));
        vendor.forEach(one -> one.updates().stream().filter(said -> said.at() != null)
                .forEach(said -> words.add(word(said.at(), said.status(), one.name(), said.body()))));
        events.removeIf(event -> event.data().has("vendorAt"));
        Set<String> told = new HashSet<>();
        words.stream().sorted(Comparator.comparing(Event::at)).filter(word -> told.add(word.summary()))
                .forEach(events::add);
    }

    private static Event word(Instant at, String status, String incident, String body) {
        String words = "Klaviyo (" + Text.safe(status, 30) + "): " + Text.safe(incident, 120);
        String rest = body.isEmpty() ? "" : " — " + Text.safe(body, 600);
        return new Event(at, "status page", Timeline.VENDOR, words + rest, Json.object());
    }
}
