package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import picocli.CommandLine.Option;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader.Customers;
import runbook.LogReader.Facts;
import runbook.LogReader.Queue;
import runbook.LogReader.Rate;
import runbook.Message.Template;
import runbook.Message.Wording;
import runbook.Settings;
import runbook.Settings.Templates;
import runbook.Text;
import runbook.Text.Json;
import runbook.report.Document.Markdown;
import runbook.report.Timeline.Relapse;
import runbook.report.Timeline.When;

/**
 * A postmortem made from what was recorded: the fields of {@code templates/postmortem.md}. Wording is the template's
 * and {@code diagnoses.json}'s; here are values, and whether something holds. What nothing recorded is an empty field.
 */
public final class Postmortem {
    private static final int MOST_MESSAGES = 30;
    private static final Duration QUICK = Duration.ofMinutes(5);
    private static final Duration SLOW = Duration.ofMinutes(15);

    /**
     * Where to look, and what is known beforehand.
     *
     * @param incident  the folder; empty when there is none
     * @param bundle    a debug bundle; empty for the newest in the folder, if there is one
     * @param settings  where the status page and Prometheus are; empty to ask nobody
     * @param queries   what to ask Prometheus
     * @param now       the time of writing
     * @param lead      who leads; empty for whom the journal names
     * @param perhaps   who may lead where nothing says, for somebody to confirm; may be empty
     * @param drill     the drill's scenario; where the journal has nothing yet
     * @param command   what starts this script, for the reader to paste: {@code jbang postmortem@org}
     * @param templates whose words to take
     */
    public record Sources(Optional<Incident> incident, Optional<Path> bundle, Optional<Settings> settings,
            Queries queries, Instant now, Optional<String> lead, String perhaps, Optional<String> drill, String command,
            Templates templates) {
        /** What the incident's folder alone has: no request is made. */
        public static Sources recorded(Incident incident, Instant now, Templates templates) {
            return new Sources(Optional.of(incident), Optional.empty(), Optional.empty(), new Queries(), now,
                    Optional.empty(), "", Optional.empty(), "postmortem", templates);
        }
    }

    /**
     * What to ask Prometheus, as options of the script: the names that the runbook and its field use, unless given.
     * {@code $window} becomes the incident's length, and for a curve the distance of its points.
     */
    public static final class Queries {
        @Option(names = "--errors-query", paramLabel = "PROMQL", order = 45,
                description = "failed calls by status over $window (klaviyo_api_errors_total)")
        String failed = "sum by (status) (increase(klaviyo_api_errors_total[$window]))";

        @Option(names = "--calls-query", paramLabel = "PROMQL", order = 46,
                description = "all calls over $window (klaviyo_api_requests_total)")
        String calls = "sum(increase(klaviyo_api_requests_total[$window]))";

        @Option(names = "--backlog", paramLabel = "PROMQL", order = 47,
                description = "calls waiting to be repeated (klaviyo_retry_queue_depth)")
        String queue = "klaviyo_retry_queue_depth";
    }

    private final Sources sources;
    private final Evidence evidence;
    private final Timeline timeline;
    private final Optional<JsonNode> diagnosed;
    private final Wording wording;
    private final Known known;

    private Postmortem(Sources sources) {
        this.sources = sources;
        this.evidence = Evidence.gather(sources);
        this.timeline = new Timeline(evidence.events());
        this.diagnosed = worst();
        String diagnosis = diagnosed.map(data -> data.path("diagnosis").asText()).orElse("unknown");
        this.wording = Wording.of(sources.templates(), diagnosis);
        this.known = new Known(evidence.drill(), "Klaviyo " + wording.lessons().errorType(),
                diagnosis, severity(), sources.lead().orElseGet(() -> Incident.lead(timeline.telling())),
                timeline.closed(), timeline.events().size(), List.copyOf(evidence.notes().missing()));
    }

    /**
     * Gathers the evidence. What cannot be had is told as missing.
     *
     * @throws runbook.Settings.Problem when the bundle that somebody named is none
     */
    public static Postmortem of(Sources sources) {
        return new Postmortem(sources);
    }

    /**
     * The Markdown by a template: new, or the existing text with its generated parts brought up to date.
     *
     * @throws runbook.Settings.Problem when the template uses a field that does not exist
     */
    public Document.Written markdown(Template template, Optional<String> existing) {
        return Document.merge(existing, template.fill(values()));
    }

    /** The page for that Markdown, with the timeline drawn to scale. */
    public String html(String markdown) {
        return Document.html(sources.templates().text("postmortem.html"), markdown, timeline.chart(evidence.numbers()),
                (known.drill.isEmpty() ? "" : "DRILL: ") + "Incident: " + known.title);
    }

    /**
     * What is known, in short.
     *
     * @param drill     the drill's scenario, empty in earnest
     * @param title     {@code Klaviyo 401 Authentication Failure}
     * @param diagnosis as triage names it; {@code unknown} when nothing was diagnosed
     * @param severity  {@code P1} to {@code P4} at its worst; empty when nothing said
     * @param lead      whoever leads, the last word counts; empty when nobody is recorded
     * @param closed    when somebody closed it
     * @param events    how many the timeline has
     * @param missing   what was not to be had, or not as it should be: a sentence each
     */
    public record Known(String drill, String title, String diagnosis, String severity, String lead,
            Optional<Instant> closed, int events, List<String> missing) { }

    /** What is known, in short. */
    public Known known() {
        return known;
    }

    /** The same for machines: null where nothing is known. Times come with the record that has them. */
    public ObjectNode json() {
        ObjectNode json = Json.object().put("drill", known.drill.isEmpty() ? null : known.drill)
                .put("title", known.title).put("diagnosis", known.diagnosis).put("severity", known.severity)
                .put("lead", known.lead);
        timeline.moments().forEach((name, when) -> json.put(name, when.map(one -> one.at().toString()).orElse(null))
                .put(name + "By", when.map(When::source).orElse(null)));
        return json.put("closed", known.closed.map(Instant::toString).orElse(null)).put("entries", known.events)
                .put("failedCalls", evidence.numbers().counts().stream().findFirst().map(Evidence.Count::failures)
                        .orElse(null));
    }

    /**
     * What the next person must know, in at most 25 lines of plain text by {@code handover.md}.
     *
     * @param command how one of our scripts is started, by its name and options
     */
    public String handover(BinaryOperator<String> command) {
        Map<String, Object> values = values();
        List<Timeline.Row> rows = timeline.rows();
        List<Timeline.Row> last = rows.subList(Math.max(0, rows.size() - 10), rows.size());
        String due = timeline.telling().stream().filter(Postmortem::sent)
                .map(event -> Text.safe(event.data().path("next").asText(), 20)).reduce("", (one, later) -> later);
        values.put("drill", Text.safe(known.drill, 60));
        values.put("lead", Text.safe(known.lead, 80));
        values.put("diagnosisTitle", Text.safe(title(), 160));
        values.put("closed", known.closed.map(Timeline::full).orElse(""));
        values.put("due", due);
        values.put("overdue", due.compareTo(sources.now().toString()) < 0);
        values.put("last", lines(last, row -> Map.of("time", row.time(), "label", Text.safe(row.label(), 80),
                "text", Text.safe(row.text(), 120), "source", Text.safe(row.source(), 30), "by",
                Notebook.name(row.by()))));
        values.put("incident", sources.incident().map(Incident::toString).orElse(""));
        values.put("watch", command.apply("watch", ""));
        values.put("event", command.apply("postmortem", "event 'what happened' --by NAME"));
        return sources.templates().template("handover.md").fill(values).stripTrailing();
    }

    // The leading diagnosis is the most severe; of equals the last, when most was known.
    private Optional<JsonNode> worst() {
        Comparator<JsonNode> severity = Comparator.comparing(data -> data.path("severity").asText("P9"));
        return timeline.telling().stream().filter(Timeline::found).map(Event::data)
                .reduce((one, other) -> severity.compare(other, one) <= 0 ? other : one);
    }

    private String severity() {
        return timeline.telling().stream().map(event -> event.data().path("severity").asText())
                .filter(severity -> severity.matches("P[1-4]")).min(Comparator.naturalOrder()).orElse("");
    }

    // ---- the template's fields

    /** Fields of the lines of lists: templates may name them. */
    private static final List<String> OF_LINES = List.of("-first", "time", "label", "text", "source", "type", "name",
            "url", "question", "answer", "by", "at", "quote", "failed", "call", "instance", "peak", "left");

    /** The template's fields: texts are Markdown already, what holds is a boolean, a list has its lines' own fields. */
    private Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        OF_LINES.forEach(name -> values.put(name, ""));
        values.put("drill", Markdown.text(known.drill, 60));
        values.put("command", sources.command());
        values.put("errorType", wording.lessons().errorType());
        values.put("severity", known.severity);
        values.put("lead", Markdown.text(known.lead, 80));
        values.put("perhapsLead", Markdown.text(sources.perhaps(), 80));
        values.put("now", Timeline.full(sources.now()));
        course(values);
        response(values);
        cause(values);
        impact(values);
        queues(values);
        messages(values);
        values.put("read", evidence.notes().asked().stream().map(one -> Markdown.text(one, 160))
                .collect(Collectors.joining(", ")));
        values.put("missing", lines(evidence.notes().missing(), line -> Map.of("text", Markdown.text(line, 240))));
        values.put("vendorRecords", lines(evidence.vendor().stream()
                .filter(incident -> incident.url() != null && incident.url().startsWith("https://")).toList(),
                incident -> Map.of("name", Markdown.text(incident.name(), 120),
                        "url", Markdown.text(incident.url(), 200))));
        return values;
    }

    private static <T> List<Map<String, Object>> lines(List<T> all, Function<T, Map<String, Object>> fields) {
        return all.stream().map(fields).toList();
    }

    private void course(Map<String, Object> values) {
        List<Timeline.Row> rows = timeline.rows();
        values.put("rows", lines(rows, row -> Map.of("time", row.time(), "label", Markdown.text(row.label(), 120),
                "text", Markdown.text(row.text()), "source", Markdown.text(row.source(), 60))));
        values.put("leftOut", rows.size() >= Timeline.MOST_ROWS ? number(known.events) : "");
        timeline.moments().forEach((name, when) -> {
            values.put(name, when.map(one -> Timeline.clock(one.at())).orElse(""));
            values.put(name + "By", when.map(one -> Markdown.text(one.source(), 80)).orElse(""));
        });
        Optional<Instant> from = timeline.began().map(When::at);
        Optional<Instant> to = timeline.restored().map(When::at);
        boolean sameDay = from.map(Timeline::date).equals(to.map(Timeline::date));
        values.put("beganOn", from.map(Timeline::date).orElse(""));
        values.put("beganFull", from.map(Timeline::full).orElse(""));
        values.put("restoredFull", to.map(Timeline::full).orElse(""));
        values.put("until", to.map(sameDay ? Timeline::clock : Timeline::full).orElse(""));
        values.put("unended", known.closed.isPresent() && to.isEmpty());
        List<Relapse> relapses = timeline.relapses();
        Optional<Relapse> last = relapses.stream().skip(Math.max(0, relapses.size() - 1)).findFirst();
        values.put("relapses", relapses.isEmpty() ? "" : Integer.toString(relapses.size()));
        values.put("manyRelapses", relapses.size() > 1);
        values.put("relapseGood", last.map(one -> Timeline.clock(one.good())).orElse(""));
        values.put("relapseFailed", last.map(one -> Timeline.clock(one.failed())).orElse(""));
        values.put("course", last.isPresent() || !values.get("mitigated").equals(""));
    }

    // How long it took, and whether that was quick or slow. People judge; this only reminds.
    private void response(Map<String, Object> values) {
        Map<String, Optional<Instant>> at = new LinkedHashMap<>();
        timeline.moments().forEach((name, when) -> at.put(name, when.map(When::at)));
        Optional<Instant> told = timeline.telling().stream().filter(Postmortem::sent).findFirst().map(Event::at);
        measure(values, "timeToDetect", at.get("began"), at.get("detected"));
        measure(values, "timeToAcknowledge", at.get("detected"), at.get("acknowledged"));
        measure(values, "timeToMitigate", at.get("began"), at.get("mitigated"));
        measure(values, "timeToAct", at.get("detected"), at.get("mitigated"));
        measure(values, "timeToTell", at.get("detected"), told);
        measure(values, "duration", at.get("began"), at.get("restored"));
        values.put("toldNobody", at.get("detected").isPresent() && told.isEmpty());
        Optional<Instant> posted = timeline.vendorPosted();
        values.put("vendorPosted", posted.map(Timeline::full).orElse(""));
        values.put("vendorAfter", lag(at.get("began"), posted, Duration.ZERO));
        values.put("vendorEarlier", lag(posted, at.get("began"), Duration.ZERO));
        values.put("beforeVendor", lag(at.get("detected"), posted, Duration.ofMinutes(1)));
        values.put("afterVendor", lag(posted, at.get("detected"), Duration.ofMinutes(1)));
    }

    // What happened before it was to be waited for took no time.
    private static void measure(Map<String, Object> values, String name, Optional<Instant> from, Optional<Instant> to) {
        Optional<Duration> took = from.flatMap(start -> to.map(end ->
                end.isBefore(start) ? Duration.ZERO : Duration.between(start, end)));
        values.put(name, took.map(Timeline::words).orElse(""));
        values.put(name + "Quick", took.filter(time -> !time.isZero() && time.compareTo(QUICK) <= 0).isPresent());
        values.put(name + "Slow", took.filter(time -> time.compareTo(SLOW) > 0).isPresent());
    }

    private static String lag(Optional<Instant> from, Optional<Instant> to, Duration least) {
        return from.flatMap(start -> to.map(end -> Duration.between(start, end)))
                .filter(time -> time.compareTo(least) >= 0).map(Timeline::words).orElse("");
    }

    private String title() {
        return diagnosed.map(data -> data.path("title").asText()).filter(said -> !said.isEmpty())
                .orElse(wording.title());
    }

    private void cause(Map<String, Object> values) {
        JsonNode data = diagnosed.orElse(Json.object());
        List<JsonNode> path = StreamSupport.stream(data.path("path").spliterator(), false).toList();
        values.put("diagnosed", diagnosed.isPresent());
        values.put("diagnosis", Markdown.code(known.diagnosis));
        values.put("diagnosisTitle", Markdown.text(title(), 200));
        values.put("reason", Markdown.text(data.path("reason").asText(), 400));
        values.put("path", lines(path, step -> Map.of("question", Markdown.text(step.path("question").asText(), 160),
                "answer", Markdown.text(step.path("answer").asText(), 120))));
        values.put("named", lines(timeline.telling().stream().filter(event -> Timeline.is(event, Event.DIAGNOSED)
                && Timeline.diagnosis(event).isEmpty()).limit(10).toList(), this::said));
        values.put("factors", lines(wording.lessons().factors(), factor -> Map.of("text", factor)));
        values.put("also", lines(StreamSupport.stream(data.path("also").spliterator(), false).toList(),
                also -> Map.of("text", Markdown.text(also.asText(), 80))));
        values.put("actions", lines(wording.lessons().actions(), action -> Map.of("type", action.type(),
                "text", action.text())));
    }

    private Map<String, Object> said(Event event) {
        return Map.of("by", Markdown.text(Timeline.by(event), 60), "at", Timeline.clock(event.at()),
                "text", Markdown.text(event.summary()));
    }

    // ---- impact: numbers where they can be had, never a guess

    private void impact(Map<String, Object> values) {
        Optional<Evidence.Count> count = evidence.numbers().counts().stream().findFirst();
        long failures = count.map(Evidence.Count::failures).orElse(0L);
        OptionalLong calls = count.map(Evidence.Count::calls).orElse(OptionalLong.empty());
        boolean share = calls.isPresent() && calls.getAsLong() >= Math.max(1, failures);
        values.put("countedBy", count.map(Evidence.Count::source).orElse(""));
        values.put("failures", failures > 0 ? number(failures) : "");
        values.put("failuresByStatus", count.map(Postmortem::byStatus).orElse(""));
        values.put("alsoCounted", evidence.numbers().second().map(Evidence.Count::failures).filter(more -> more > 0)
                .map(Postmortem::number).orElse(""));
        values.put("calls", share ? number(calls.getAsLong()) : "");
        values.put("share", share ? String.format(Locale.ROOT, "%.1f %%", 100.0 * failures / calls.getAsLong()) : "");
        // Whom failed calls were about is told with the failed calls that it was counted from.
        Optional<Customers> customers = evidence.facts().map(Facts::customers)
                .filter(some -> some.count() > 0 && failures > 0);
        values.put("customers", customers.map(some -> number(some.count())).orElse(""));
        values.put("oneCustomer", customers.filter(some -> some.count() == 1).isPresent());
        values.put("moreCustomers", customers.filter(Customers::more).isPresent());
        List<Rate> endpoints = evidence.facts().map(Facts::endpoints).orElse(List.of()).stream()
                .filter(rate -> rate.failed() > 0).sorted(Comparator.comparing(rate -> -rate.failed())).limit(50)
                .toList();
        values.put("endpoints", lines(endpoints, rate -> Map.of("failed", number(rate.failed()),
                "call", rate.endpoint().isEmpty() ? "(no route in the log)" : Markdown.code(rate.endpoint()))));
    }

    private static String byStatus(Evidence.Count count) {
        return count.failed().entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder()))
                .map(entry -> Markdown.text(entry.getKey(), 20) + ": " + number(entry.getValue()))
                .collect(Collectors.joining(", "));
    }

    // Each instance has a queue of its own: what one drained is no comfort for what another still holds.
    private void queues(Map<String, Object> values) {
        List<Queue> queues = evidence.numbers().queues();
        values.put("queued", queues.isEmpty() ? "" : number(queues.stream().mapToDouble(Queue::peak).sum()));
        values.put("queuesMany", queues.size() > 1 ? Integer.toString(queues.size()) : "");
        values.put("queueHeld", queues.stream().anyMatch(queue -> queue.peak() > 0));
        double left = queues.stream().mapToDouble(Postmortem::left).sum();
        values.put("queueLeft", left > 0 ? number(left) : "");
        values.put("queueEach", lines(queues.size() > 1 ? queues.stream().limit(20).toList() : List.<Queue>of(),
                queue -> Map.of("instance", Markdown.text(queue.instance(), 60), "peak", number(queue.peak()),
                        "left", left(queue) > 0 ? number(left(queue)) : "")));
    }

    // Back at what it held before is drained; a queue that was first looked at in the middle has to be nearly empty.
    private static double left(Queue queue) {
        double usual = queue.first() < queue.peak() / 2 ? Math.max(queue.first() * 1.1, queue.first() + 1) : 1;
        return queue.last() <= usual ? 0 : queue.last();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%,d", Math.round(value));
    }

    // ---- messages

    /** Whether people were told: a message that was written and not sent told nobody. */
    private static boolean sent(Event event) {
        JsonNode posted = event.data().path("posted");
        return Timeline.is(event, Event.ANNOUNCED) && (posted.isMissingNode() || posted.asBoolean()
                || event.data().path("sent").asBoolean());
    }

    private void messages(Map<String, Object> values) {
        List<Event> told = timeline.telling().stream().filter(Postmortem::sent).toList();
        values.put("messages", lines(told.stream().limit(MOST_MESSAGES).toList(), event -> Map.of("at",
                Timeline.full(event.at()), "source", Markdown.text(event.step(), 40), "text",
                Markdown.text(event.summary(), 160), "quote", Markdown.quote(event.data().path("text").asText(), 30))));
        values.put("moreMessages", told.size() > MOST_MESSAGES ? Integer.toString(told.size() - MOST_MESSAGES) : "");
    }
}
