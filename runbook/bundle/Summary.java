package runbook.bundle;

import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.bundle.Archive.Part;
import runbook.bundle.Bundle.Sink;
import runbook.bundle.Bundle.State;

/**
 * What an archive tells in front of what was collected: manifest and facts for machines, and two pages, the template
 * {@code summary.md} filled with the facts, and the same with figures.
 */
final class Summary {
    static final String MANIFEST = "manifest.json";
    static final int SCHEMA = 1;
    private static final int LONGEST = 400;
    private static final int MOST_STATUSES = 7;
    private static final Pattern CUT = Pattern.compile("truncated.*|.*stopped early.*");
    private static final String CALLS = "Calls to Klaviyo in the logs, per minute";
    /** Fields of the template's lists. */
    private static final String OF_LINES = "line name status impact started posted resolved calls at endpoint more "
            + "count failed perMinute instance peak peakAt longestSeconds words";

    final Instant created = Instant.now().truncatedTo(ChronoUnit.MILLIS);
    private final Bundle.Options options;
    private final Bundle.Window window;
    private final Set<String> kept;
    private final Verdict verdict;
    private final Optional<Event> before;
    /** Lines that stayed, the least alike. */
    final List<String> sample;
    private final List<Sink> sinks;
    /** What was collected, by path. */
    final List<Part> collected;
    private final Facts facts;
    private final long counted;

    /** @param kept rules that were relaxed */
    Summary(Bundle.Options options, Set<String> kept, Systems systems, Optional<Incident> incident, Told told,
            List<Sink> sinks) throws IOException {
        this.options = options;
        this.window = options.window;
        this.kept = kept;
        this.verdict = systems.verdict;
        this.before = incident.flatMap(Summary::diagnosed);
        this.sample = told.sample();
        this.sinks = sinks;
        this.collected = sinks.stream().flatMap(sink -> sink.parts.stream())
                .sorted(Comparator.comparing(part -> part.path)).toList();
        for (Part part : collected) {
            part.finish();
        }
        this.facts = told.reader.facts().with(systems.queues(), List.copyOf(systems.curves),
                List.copyOf(systems.incidents), missing(sinks));
        this.counted = systems.counted();
    }

    private static Optional<Event> diagnosed(Incident incident) {
        try {
            return Incident.worst(incident.journal().read().events()).filter(Event::failing);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    // ---- what the logs tell, as they come by

    /** Reads all logs while they are collected, redacted as they are: facts, and lines for a person to look at. */
    static final class Told {
        private static final int LOOKED_AT = 20;
        private static final int CANDIDATES = 100;
        private static final int MOST_KINDS = 4_000;
        private static final int SHORTEST = 20;
        private static final int MANY = 30;
        private static final Pattern COLOUR = Pattern.compile("\u001b\\[[\\d;]*m");
        // A long line is looked at in stretches, cut between its words: half of a stand-in is none, and would be
        // redacted once more.
        private static final Pattern STRETCH = Pattern.compile(".{" + SHORTEST + ",300}(?![^ ,;&\n])|[^ ,;&\n]++");

        final LogReader reader;
        /** One line of all that differ in no more than their numbers; and how many there are. */
        private final Map<Long, String> kinds = new HashMap<>();
        private final Map<String, Integer> often = new LinkedHashMap<>();
        private int pieces;

        Told(ZoneId zone, Bundle.Window window) {
            reader = new LogReader(zone, window.from(), window.to(), text -> text);
        }

        /** What comes by of a log. */
        synchronized void take(LogReader.Source source, byte[] text) {
            source.take(text, text.length);
            boolean looked = pieces++ < MANY || pieces % MANY == 0;
            String lines = looked ? new String(text, StandardCharsets.UTF_8) : "";
            Matcher stretches = STRETCH.matcher(COLOUR.matcher(lines).replaceAll(""));
            while (stretches.find()) {
                String line = stretches.group().strip();
                byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
                long kind = LogReader.kind(bytes, 0, bytes.length);
                if (line.length() > SHORTEST && (kinds.size() < MOST_KINDS || kinds.containsKey(kind))) {
                    often.merge(kinds.computeIfAbsent(kind, any -> line), 1, Integer::sum);
                }
            }
        }

        /** Lines that are the least alike, of the rarest kinds: where a name would be that no rule can find. */
        synchronized List<String> sample() {
            Map<String, Set<String>> rare = new LinkedHashMap<>();
            often.entrySet().stream().sorted(Map.Entry.comparingByValue()).limit(CANDIDATES)
                    .map(one -> Text.safe(one.getKey(), LONGEST))
                    .forEach(line -> rare.put(line, new HashSet<>(List.of(line.split("\\W+")))));
            Map<String, Set<String>> chosen = new LinkedHashMap<>();
            while (chosen.size() < LOOKED_AT && !rare.isEmpty()) {
                String least = Collections.min(rare.keySet(), Comparator.comparing(line ->
                        chosen.values().stream().mapToDouble(other -> alike(rare.get(line), other)).max().orElse(0)));
                chosen.put(least, rare.remove(least));
            }
            return List.copyOf(chosen.keySet());
        }

        private static double alike(Set<String> words, Set<String> others) {
            return words.stream().filter(others::contains).count() / (double) words.size();
        }
    }

    // ---- for people

    /** What the incident is, if there is one, and what triage says now. */
    String headline() {
        String now = verdict == null ? "no verdict, triage did not come to an end"
                : verdict.severity().map(level -> level.name() + ": ").orElse("") + verdict.title();
        if (before.isEmpty()) {
            return now;
        }
        Event event = before.get();
        String then = event.severity() + ": " + Text.safe(event.summary(), 160).replaceFirst("^P\\d[a-z -]*: ", "");
        return then + " (at " + event.at().truncatedTo(ChronoUnit.SECONDS) + "); now: "
                + (now.equals(then) ? "the same" : now);
    }

    /** In which zone the log's times were read, where the log does not say; empty where it does. */
    String assumedZone() {
        boolean known = facts.zoneNamed() || options.logZone != null || facts.minutes().isEmpty();
        return known ? "" : facts.zone() + ", which the log does not name; --log-zone reads them in another";
    }

    private String markdown(Templates templates) {
        Map<String, Object> values = new HashMap<>();
        Stream.of(OF_LINES.split(" ")).forEach(name -> values.put(name, ""));
        values.put("drill", options.shared.drill().orElse(""));
        values.put("created", created.truncatedTo(ChronoUnit.SECONDS));
        values.put("headline", headline());
        String reason = verdict == null ? "" : verdict.reason();
        values.put("reason", before.isEmpty() || reason.isEmpty() ? reason : "Now: " + reason);
        values.put("from", window.from());
        values.put("to", window.to());
        values.put("replaced", redacted(collected).values().stream().mapToLong(Long::longValue).sum());
        values.put("kept", String.join(", ", kept));
        values.put("noRuleFinds", Bundle.NO_RULE_FINDS);
        values.put("sample", lines(sample.stream().map(line -> line.replace('`', '\''))));
        values.put("missing", lines(missing(sinks).stream()));
        values.put("vendor", facts.vendor());
        values.put("statuses", facts.statuses().entrySet().stream().map(one ->
                Map.of("status", status(one.getKey()), "calls", one.getValue())).toList());
        values.put("first", failure(facts.first()));
        values.put("last", failure(facts.last()));
        values.put("customers", facts.customers());
        values.put("zone", facts.minutes().isEmpty() || !assumedZone().isEmpty() ? assumedZone() : facts.zone());
        values.put("counted", counted == 0 ? "" : counted);
        values.put("logged", facts.minutes().stream().mapToLong(Facts.Minute::failed).sum());
        values.put("endpoints", facts.endpoints().stream().limit(10).toList());
        values.put("callers", facts.callers().stream().limit(5).toList());
        values.put("queue", facts.queue());
        values.put("queued", facts.queue().size() < 2 ? ""
                : facts.queue().stream().mapToDouble(Facts.Queue::last).sum());
        values.put("waits", facts.waits().stream().limit(40).map(wait -> Map.of("at", String.valueOf(wait.at()),
                "count", wait.count(), "longestSeconds", wait.longestSeconds() == 0 ? "" : wait.longestSeconds()))
                .toList());
        values.put("collected", sinks.stream().map(sink ->
                Map.of("name", sink.collector.name(), "words", sink.words())).toList());
        return templates.template("summary.md").fill(values, Summary::form, Summary::escaped);
    }

    // The space at a line's end in the template belongs to nobody: a value that goes to the end of its line would be
    // cut with the quote that follows.
    private static List<Map<String, String>> lines(Stream<String> lines) {
        return lines.map(line -> Map.of("line", line)).toList();
    }

    private static Object failure(Facts.Failure failure) {
        return failure == null ? "" : Map.of("at", String.valueOf(failure.at()), "status", status(failure.status()),
                "endpoint", failure.endpoint());
    }

    private static String status(int status) {
        return status == Facts.NO_ANSWER ? "no answer" : "HTTP " + status;
    }

    private static String form(Object value) {
        return value instanceof Double number ? "" + Math.round(number) : Text.safe(value.toString(), LONGEST);
    }

    private static String escaped(String text) {
        return text.replaceAll("([\\\\*_\\[\\]<>#|&`])", "\\\\$1");
    }

    // The same page, with figures after what stands above the first heading.
    private String html(String markdown, Templates templates) {
        String title = markdown.lines().findFirst().orElse("").replaceFirst("^#+ *", "");
        int sections = Math.max(0, markdown.indexOf("\n### "));
        return Chart.page(templates, title, rendered(markdown.substring(0, sections)) + figures()
                + rendered(markdown.substring(sections)));
    }

    private static String rendered(String markdown) {
        return HtmlRenderer.builder().escapeHtml(true).build().render(Parser.builder().build().parse(markdown));
    }

    private String figures() {
        List<Chart> charts = new ArrayList<>();
        charts.add(new Chart("calls", CALLS, window.from(), window.to(), List.of(), lane(byStatus())));
        Map<String, List<Chart.Line>> curves = new TreeMap<>();
        facts.metrics().forEach(curve -> curves.computeIfAbsent(curve.query() + (curve.unit().isEmpty() ? ""
                : ", " + curve.unit()), any -> new ArrayList<>()).add(new Chart.Line(curve.name(), curve.points())));
        Chart.Mark begins = new Chart.Mark(window.from(), Chart.Shape.OTHER, "window", "the window begins", "");
        curves.forEach((title, lines) -> charts.add(new Chart("curve" + charts.size(), title,
                window.hourBefore(), window.to(), List.of(begins), lane(lines))));
        return charts.stream().map(Chart::figure).collect(Collectors.joining());
    }

    private static List<Chart.Lane> lane(List<Chart.Line> lines) {
        return List.of(new Chart.Lane("", "", "", 160, lines, List.of()));
    }

    /** A line for each status, the rarest together. */
    private List<Chart.Line> byStatus() {
        Map<Integer, Long> totals = facts.statuses();
        Set<Integer> shown = totals.entrySet().stream().sorted(Map.Entry.<Integer, Long>comparingByValue().reversed())
                .limit(totals.size() > MOST_STATUSES + 1 ? MOST_STATUSES : totals.size()).map(Map.Entry::getKey)
                .collect(Collectors.toSet());
        long step = Math.max(1, Duration.between(window.from(), window.to()).toMinutes() / 240) * 60;
        Map<String, Map<Long, Double>> calls = new TreeMap<>();
        facts.minutes().stream().filter(minute -> minute.at() != null).forEach(minute ->
                minute.statuses().forEach((status, count) -> calls
                        .computeIfAbsent(shown.contains(status) ? status(status) : "other", any -> new HashMap<>())
                        .merge(minute.at().getEpochSecond() / step, count * 60.0 / step, Double::sum)));
        long first = window.from().getEpochSecond() / step;
        long last = window.to().getEpochSecond() / step;
        return calls.entrySet().stream().map(one -> new Chart.Line(one.getKey(), LongStream.rangeClosed(first, last)
                .mapToObj(at -> new Prometheus.Point(Instant.ofEpochSecond(at * step),
                        one.getValue().getOrDefault(at, 0.0))).toList())).toList();
    }

    // ---- for machines

    /** All files, those that people and machines read first before the others. */
    List<Part> withFrontPages(Pipeline pages, Templates templates) throws IOException {
        String markdown = markdown(templates);
        List<Part> files = new ArrayList<>(List.of(pages.page("summary.md", markdown),
                pages.page("report.html", html(markdown, templates)), pages.page("facts.json", facts.json())));
        files.addAll(collected);
        return withManifest(pages, Json.map("drill", options.shared.drill().orElse(null), "created", created, "window",
                Json.map("from", window.from(), "to", window.to()), "grep", options.words, "kept", kept), sinks, files);
    }

    /** The files and, before them, a manifest: what is in an archive, where it comes from, and what is missing. */
    static List<Part> withManifest(Pipeline pages, Map<String, Object> about, List<Sink> sinks, List<Part> parts)
            throws IOException {
        List<Object> files = new ArrayList<>();
        for (Part part : parts) {
            String sha256 = part.finish();
            // Count and rule, in this order: "secret": 5 reads as a secret, and so does a phone's count behind it.
            List<Object> redacted = new ArrayList<>();
            part.tally.counts().forEach((rule, count) -> redacted.add(Json.map("count", count, "rule", rule)));
            files.add(Json.map("path", part.path, "bytes", part.plain, "sha256", sha256, "collector", part.collector,
                    "truncated", part.notes.stream().anyMatch(CUT.asMatchPredicate()), "notes", part.notes, "redacted",
                    redacted));
        }
        List<Object> collectors = new ArrayList<>();
        sinks.forEach(sink -> collectors.add(Json.map("name", sink.collector.name(), "state",
                sink.state().word())));
        Map<String, Object> manifest = Json.map("schema", SCHEMA, "tool", "klaviyo-runbook debug-bundle", "version",
                Cli.VERSION);
        manifest.putAll(about);
        manifest.putAll(Json.map("complete", complete(sinks), "missing", missing(sinks), "collectors", collectors,
                "files", files));
        Part first = pages.page(MANIFEST, Json.pretty(manifest) + "\n");
        first.finish();
        return Stream.concat(Stream.of(first), parts.stream()).toList();
    }

    /** Whether no collector failed. */
    static boolean complete(List<Sink> sinks) {
        return sinks.stream().noneMatch(sink -> sink.state() == State.FAILED);
    }

    /** A line for each thing that is not there. */
    static List<String> missing(List<Sink> sinks) {
        return sinks.stream().flatMap(sink -> sink.missing().stream()).toList();
    }

    /** Rule to count, of all parts together; pages that repeat them are not counted again. */
    static Map<String, Long> redacted(List<Part> parts) {
        Map<String, Long> totals = new TreeMap<>();
        parts.forEach(part -> part.tally.counts().forEach((rule, count) -> totals.merge(rule, count, Long::sum)));
        return totals;
    }
}
