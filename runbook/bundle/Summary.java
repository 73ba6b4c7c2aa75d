package runbook.bundle;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import runbook.Chart;
import runbook.Cli;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Settings.Templates;
import runbook.StatusPage;
import runbook.Text;
import runbook.Text.Json;
import runbook.Verdict;
import runbook.bundle.Archive.Part;
import runbook.bundle.Bundle.State;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Pipeline.Wanted;

/** What an archive tells in front of what was collected: manifest, facts and redactions for machines, two pages. */
final class Summary {
    static final String MANIFEST = "manifest.json";
    static final int SCHEMA = 1;
    private static final String NONE = "None seen.";
    private static final String CALLS = "Calls to Klaviyo in the logs, per minute";
    private static final int MOST_STATUSES = 7;
    private static final Pattern CUT = Pattern.compile("truncated.*|.*stopped early.*");

    /** Facts about the whole: {@code kept} are rules that were relaxed, {@code window} may be null. */
    record Head(String drill, Instant created, Bundle.Window window, String words, Set<String> kept) { }

    /** A heading with lines under it, or what stands there when there are none. */
    private record Section(String title, String none, List<String> lines) {
        static Section of(String title, String none, Stream<String> lines) {
            return new Section(title, none, lines.toList());
        }
    }

    private final Head head;
    private final Verdict verdict;
    private final Optional<Event> before;
    private final List<String> sample;
    private final List<Sink> sinks;
    private final List<Part> collected;
    private final Facts facts;

    Summary(Head head, Systems systems, Optional<Incident> incident, Collecting.Told told, List<Sink> sinks) {
        this.head = head;
        this.verdict = systems.verdict;
        this.before = incident.flatMap(Summary::diagnosed);
        this.sample = told.sample();
        this.sinks = sinks;
        this.collected = sinks.stream().flatMap(sink -> sink.parts().stream())
                .sorted(Comparator.comparing(part -> part.path)).toList();
        this.facts = told.reader.facts().with(systems.queues(), List.copyOf(systems.curves),
                List.copyOf(systems.incidents), missing(sinks));
    }

    private static Optional<Event> diagnosed(Incident incident) {
        try {
            return incident.journal().read().events().stream().filter(Event::failing)
                    .filter(event -> event.event().equals(Event.DIAGNOSED))
                    .min(Comparator.comparing(event -> event.data().path("severity").asText()));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    // ---- for people

    /** Lines that stayed, the least alike. */
    List<String> sample() {
        return sample;
    }

    /** What the incident is, if there is one, and what triage says now. */
    String headline() {
        String now = verdict == null ? "no verdict: triage did not come to an end"
                : verdict.severity().map(level -> level.name() + ": ").orElse("") + verdict.title();
        return before.map(event -> words(event) + "; now: " + now).orElse(now);
    }

    private static String words(Event event) {
        String severity = event.data().path("severity").asText();
        return (event.summary().startsWith(severity) ? "" : severity + ": ") + Text.safe(event.summary(), 160)
                + " (at " + event.at().truncatedTo(ChronoUnit.SECONDS) + ")";
    }

    private String title() {
        return (head.drill == null ? "" : "DRILL: ") + "Klaviyo debug bundle, "
                + head.created.truncatedTo(ChronoUnit.SECONDS);
    }

    private String markdown() {
        long places = redacted().values().stream().mapToLong(Long::longValue).sum();
        String kept = head.kept.isEmpty() ? "." : ", except " + String.join(", ", head.kept) + ".";
        StringBuilder text = new StringBuilder("## " + title() + "\n\n**" + escaped(headline()) + "**\n\n"
                + (verdict == null ? "" : escaped(verdict.reason()) + "\n\n")
                + "Window: " + head.window.from() + " to " + head.window.to() + " (UTC).\n\n"
                + places + " secrets and personal data replaced by pseudonyms" + kept + "\n");
        for (Section section : sections()) {
            text.append("\n### " + section.title + "\n\n" + (section.lines.isEmpty() ? section.none + "\n" : ""));
            section.lines.forEach(line -> text.append("- ").append(escaped(line)).append('\n'));
        }
        return text.toString();
    }

    private List<Section> sections() {
        return List.of(
                Section.of("Look at it before you send it", "",
                        Stream.concat(Stream.of(Bundle.NO_RULE_FINDS), sample.stream().map(Summary::code))),
                Section.of("What is missing", "Nothing: every collector ended well.", missing(sinks).stream()),
                Section.of("Klaviyo's status page", "No incident in the window.",
                        facts.vendor().stream().map(Summary::words)),
                Section.of("Calls to Klaviyo in the logs, by status", NONE, facts.statuses().entrySet().stream()
                        .map(one -> status(one.getKey()) + ": " + Text.count(one.getValue(), "call"))),
                Section.of("First failed call, and customers", NONE, failures()),
                Section.of("Endpoints and callers", NONE, Stream.concat(
                        facts.endpoints().stream().limit(10).map(Summary::words),
                        facts.callers().stream().limit(5).map(Summary::words))),
                Section.of("Retry queue", "Not measured.", queue()),
                Section.of("Waits asked for (429)", NONE, facts.waits().stream().limit(40).map(wait -> wait.at() + ": "
                        + wait.count() + " × 429" + (wait.longestSeconds() == 0 ? "" : ", longest Retry-After "
                        + wait.longestSeconds() + " s"))),
                Section.of("What was collected", "Nothing.",
                        sinks.stream().map(sink -> sink.name() + ": " + sink.words())));
    }

    private static String words(StatusPage.Incident one) {
        String resolved = one.resolved() == null ? "" : " " + one.resolved();
        return Text.safe((one.started() == null ? one.posted() : one.started()) + " " + one.name() + " ("
                + one.impact() + ", " + one.status() + resolved + ")", 300);
    }

    private static String words(LogReader.Rate rate) {
        return (rate.endpoint().isEmpty() ? "endpoint not named" : rate.endpoint()) + ": "
                + Text.count(rate.calls(), "call") + ", " + rate.failed() + " failed; " + percent(rate.share())
                + " of all calls, at most " + rate.perMinute() + " a minute";
    }

    private static String words(LogReader.Caller caller) {
        return "from " + code(caller.name()) + ": " + Text.count(caller.calls(), "call") + ", "
                + percent(caller.share());
    }

    private static String percent(double share) {
        return Math.round(100 * share) + " %";
    }

    private static String status(int status) {
        return status == Facts.NO_ANSWER ? "no answer" : "HTTP " + status;
    }

    private Stream<String> failures() {
        return facts.first() == null ? Stream.of() : Stream.of("first: " + words(facts.first()),
                "last: " + words(facts.last()),
                (facts.customers().more() ? "more than " : "") + Text.count(facts.customers().count(), "customer")
                        + " named in failed calls",
                "log times read as " + facts.zone() + (facts.zoneNamed() ? "" : ", assumed"));
    }

    private static String words(LogReader.Failure failure) {
        return failure.at() + " " + status(failure.status()) + " " + failure.endpoint();
    }

    private Stream<String> queue() {
        Stream<String> each = facts.queue().stream().map(one -> one.instance() + ": at first " + Math.round(one.first())
                + ", at most " + Math.round(one.peak()) + " at " + one.peakAt() + ", at last "
                + Math.round(one.last()));
        double last = facts.queue().stream().mapToDouble(LogReader.Queue::last).sum();
        return facts.queue().size() < 2 ? each
                : Stream.concat(each, Stream.of("together at last: " + Math.round(last)));
    }

    // The space at its end belongs to nobody: a value that goes to the end of its line would be cut with the quote.
    private static String code(String line) {
        return "` " + line.replace('`', '\'') + " `";
    }

    // What stands in back quotes is code already.
    private static String escaped(String line) {
        int code = line.indexOf('`');
        String plain = code < 0 ? line : line.substring(0, code);
        return plain.replaceAll("([\\\\*_\\[\\]<>#|&])", "\\\\$1") + line.substring(plain.length());
    }

    // The same page, with figures after what stands above the first heading.
    private String html(String markdown) {
        int sections = markdown.indexOf("\n### ");
        return Chart.page(Templates.builtIn(), title(), rendered(markdown.substring(0, sections)) + figures()
                + rendered(markdown.substring(sections)));
    }

    private static String rendered(String markdown) {
        return HtmlRenderer.builder().escapeHtml(true).build().render(Parser.builder().build().parse(markdown));
    }

    private String figures() {
        StringBuilder figures = new StringBuilder(new Chart("calls", CALLS, head.window.from(), head.window.to())
                .lane(lane(byStatus())).figure());
        Map<String, List<Chart.Line>> curves = new TreeMap<>();
        facts.metrics().forEach(curve -> curves.computeIfAbsent(curve.query() + (curve.unit().isEmpty() ? ""
                : ", " + curve.unit()), any -> new ArrayList<>()).add(line(curve.name(), curve.points().stream()
                .map(point -> new Chart.Point(point.at(), point.value())))));
        Chart.Mark begins = new Chart.Mark(head.window.from(), Chart.Shape.OTHER, "window", "the window begins", "");
        List<String> order = List.copyOf(curves.keySet());
        curves.forEach((title, lines) -> figures.append(new Chart("curve" + order.indexOf(title), title,
                head.window.hourBefore().from(), head.window.to()).marks(List.of(begins)).lane(lane(lines))
                .figure()));
        return figures.toString();
    }

    private static Chart.Lane lane(List<Chart.Line> lines) {
        return new Chart.Lane("", "", "", 160, lines, List.of());
    }

    private static Chart.Line line(String name, Stream<Chart.Point> points) {
        return new Chart.Line(name, points.toList());
    }

    /** A line for each status, the rarest together. */
    private List<Chart.Line> byStatus() {
        Map<Integer, Long> totals = facts.statuses();
        Set<Integer> shown = totals.entrySet().stream().sorted(Map.Entry.<Integer, Long>comparingByValue().reversed())
                .limit(totals.size() > MOST_STATUSES + 1 ? MOST_STATUSES : totals.size()).map(Map.Entry::getKey)
                .collect(Collectors.toSet());
        long step = Math.max(1, Duration.between(head.window.from(), head.window.to()).toMinutes() / 240) * 60;
        Map<String, Map<Long, Double>> calls = new TreeMap<>();
        facts.minutes().stream().filter(minute -> minute.at() != null).forEach(minute ->
                minute.statuses().forEach((status, count) -> calls
                        .computeIfAbsent(shown.contains(status) ? status(status) : "other", any -> new HashMap<>())
                        .merge(minute.at().getEpochSecond() / step, count * 60.0 / step, Double::sum)));
        long first = head.window.from().getEpochSecond() / step;
        long last = head.window.to().getEpochSecond() / step;
        return calls.entrySet().stream().map(one -> line(one.getKey(), LongStream.rangeClosed(first, last)
                .mapToObj(at -> new Chart.Point(Instant.ofEpochSecond(at * step),
                        one.getValue().getOrDefault(at, 0.0))))).toList();
    }

    // ---- for machines

    /** All files, those that people and machines read first before the others. */
    List<Part> withFrontPages(Pipeline again, Archive archive) throws IOException {
        String markdown = markdown();
        List<Part> files = new ArrayList<>(List.of(page(again, archive, "summary.md", markdown),
                page(again, archive, "report.html", html(markdown)),
                page(again, archive, "facts.json", facts.json()),
                page(again, archive, "redaction.json", redaction())));
        files.addAll(collected);
        return withManifest(again, archive, head, sinks, files);
    }

    /** The files and, before them, a manifest: what is in an archive, where it comes from, and what is missing. */
    static List<Part> withManifest(Pipeline again, Archive archive, Head head, List<Sink> sinks, List<Part> parts)
            throws IOException {
        List<Object> files = new ArrayList<>();
        for (Part part : parts) {
            String sha256 = part.finish();
            files.add(fields("path", part.path, "bytes", part.plain(), "sha256", sha256, "collector", part.collector,
                    "truncated", part.notes.stream().anyMatch(CUT.asMatchPredicate()), "notes", part.notes));
        }
        List<Object> collectors = new ArrayList<>();
        for (Sink sink : sinks) {
            collectors.add(fields("name", sink.name(), "state", sink.state().name().toLowerCase(Locale.ROOT), "why",
                    sink.why(), "remarks", sink.remarks(), "millis", sink.millis(), "files",
                    sink.parts().stream().map(part -> part.path).sorted().toList()));
        }
        Object window = head.window == null ? null
                : fields("from", head.window.from(), "to", head.window.to());
        String manifest = json(fields("schema", SCHEMA, "tool", "klaviyo-runbook debug-bundle", "version", Cli.VERSION,
                "drill", head.drill, "created", head.created, "window", window, "grep", head.words, "kept", head.kept,
                "complete", complete(sinks), "missing", missing(sinks), "collectors", collectors, "files", files));
        List<Part> all = new ArrayList<>(List.of(page(again, archive, MANIFEST, manifest)));
        all.addAll(parts);
        return all;
    }

    private static Part page(Pipeline again, Archive archive, String name, String text) throws IOException {
        Part part = archive.part(name, "bundle");
        again.carry(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), Long.MAX_VALUE, Wanted.EVERYTHING,
                part, any -> { });
        part.finish();
        return part;
    }

    /**
     * {@code redaction.json}: count, file and rule, in this order; never a value. {@code "secret": 5} reads as a
     * secret, and so does {@code "rule": "phone", "count": 30}.
     */
    private String redaction() {
        List<Object> rows = new ArrayList<>();
        collected.forEach(part -> part.tally.counts().forEach((rule, count) ->
                rows.add(fields("count", count, "file", part.path, "rule", rule))));
        List<Object> totals = new ArrayList<>();
        redacted(collected).forEach((rule, count) -> totals.add(fields("count", count, "rule", rule)));
        return json(fields("schema", SCHEMA, "totals", totals, "redactions", rows));
    }

    private static String json(Map<String, Object> json) {
        return Json.pretty(Json.of(json)) + "\n";
    }

    // Names and values, in this order.
    private static Map<String, Object> fields(Object... namesAndValues) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            fields.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return fields;
    }

    /** Whether no collector failed. */
    static boolean complete(List<Sink> sinks) {
        return sinks.stream().noneMatch(sink -> sink.state() == State.FAILED);
    }

    /** A line for each thing that is not there. */
    static List<String> missing(List<Sink> sinks) {
        List<String> missing = new ArrayList<>();
        for (Sink sink : sinks) {
            if (sink.state() != State.OK) {
                missing.add(sink.name() + " " + sink.state().name().toLowerCase(Locale.ROOT) + ": " + sink.why());
            }
            sink.remarks().forEach(remark -> missing.add(sink.name() + ": " + remark));
        }
        return missing;
    }

    /** Rule to count, of what was collected: pages that repeat it are not counted again. */
    Map<String, Long> redacted() {
        return redacted(collected);
    }

    /** Rule to count, of all parts together. */
    static Map<String, Long> redacted(List<Part> parts) {
        Map<String, Long> totals = new TreeMap<>();
        parts.forEach(part -> part.tally.counts().forEach((rule, count) -> totals.merge(rule, count, Long::sum)));
        return totals;
    }
}
