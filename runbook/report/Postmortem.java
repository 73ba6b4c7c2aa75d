package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
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
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Message.Template;
import runbook.Message.Wording;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.report.Document.Markdown;
import runbook.report.Evidence.Entry;
import runbook.report.Timeline.When;

/**
 * A postmortem made from what was recorded: the fields of {@code templates/postmortem.md}. Wording is the template's
 * and {@code diagnoses.json}'s; here are values, and whether something holds. What nothing recorded is an empty field.
 */
public final class Postmortem {
    private static final String TO_CONFIRM = "**(to confirm)**";
    private static final int MOST_MESSAGES = 30;
    private static final int MOST_RELAPSES = 3;
    private static final Duration QUICK = Duration.ofMinutes(5);
    private static final Duration SLOW = Duration.ofMinutes(15);
    private static final Duration REMINDER = Duration.ofMinutes(35);

    /** What a failed call is for the template: the first that its method and route match. */
    private static final Map<String, String> CALLS = new LinkedHashMap<>();

    static {
        CALLS.put("reads", "GET .*");
        CALLS.put("deletes", "DELETE .*");
        CALLS.put("events", ".*/api/event(s|-bulk-create-jobs)\\b.*");
        CALLS.put("upserts", ".*/api/profile-(import|bulk-import-jobs)\\b.*");
        CALLS.put("updates", "PATCH .*");
        CALLS.put("profiles", ".*/api/profiles\\b.*");
        CALLS.put("subscriptions", ".*/api/profile-su\\w+.*");
        CALLS.put("lists", ".*/api/lists\\b.*");
        CALLS.put("campaigns", ".*/api/campaign.*");
    }

    /**
     * Where to look, and what is known beforehand.
     *
     * @param incident   the folder; empty when there is none
     * @param bundle     a debug bundle; empty for the newest in the folder, if there is one
     * @param http       for status page and Prometheus; null when both are
     * @param status     the vendor's status page; null not to ask it
     * @param prometheus Prometheus; null not to ask it
     * @param queries    what to ask it
     * @param timeout    for each request
     * @param now        the time of writing
     * @param lead       who leads; empty for whom the journal names
     * @param perhaps    who may lead where nothing says, for somebody to confirm; may be empty
     * @param drill      the drill's scenario; empty for what the journal says
     * @param command    what starts this script, for the reader to paste: {@code jbang postmortem@org}
     * @param templates  whose words to take
     */
    public record Sources(Optional<Incident> incident, Optional<Path> bundle, Http http, URI status, URI prometheus,
            Queries queries, Duration timeout, Instant now, Optional<String> lead, String perhaps,
            Optional<String> drill, String command, Templates templates) {
        /** What the incident's folder alone has: no request is made. */
        public static Sources recorded(Incident incident, Instant now, Templates templates) {
            return new Sources(Optional.of(incident), Optional.empty(), null, null, null, Queries.USUAL, Duration.ZERO,
                    now, Optional.empty(), "", Optional.empty(), "postmortem", templates);
        }
    }

    /**
     * Where to ask Prometheus what; {@code $window} becomes the
     * incident's length, {@code $step} two points' distance.
     */
    public record Queries(String failed, String rate, String calls, String latency, String queue) {
        /** The names that the runbook and its field use. */
        public static final Queries USUAL = new Queries("sum by (status) (increase(klaviyo_api_errors_total[$window]))",
                "sum by (status) (rate(klaviyo_api_errors_total[$step]))",
                "sum(increase(klaviyo_api_requests_total[$window]))",
                "histogram_quantile(0.95, sum by (le) (rate(klaviyo_api_request_duration_seconds_bucket[$step])))",
                "klaviyo_retry_queue_depth");
    }

    private final Sources sources;
    private final Evidence evidence;
    private final Timeline timeline;
    // A long journal is nearly all notes: what has to be found among the rest is looked for there.
    private final List<Entry> telling;
    private final Optional<JsonNode> diagnosed;
    private final Wording wording;

    private Postmortem(Sources sources) {
        this.sources = sources;
        this.evidence = Evidence.gather(sources);
        this.timeline = new Timeline(evidence);
        this.telling = timeline.entries().stream()
                .filter(entry -> !entry.is(Event.NOTE) || !entry.data().isEmpty()).toList();
        this.diagnosed = worst();
        this.wording = Wording.of(sources.templates(), diagnosis());
    }

    /**
     * Gathers the evidence. What cannot be had becomes one of {@link #missing()}.
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
                (drill().isEmpty() ? "" : "DRILL: ") + "Incident: " + title());
    }

    /** {@code Klaviyo 401 Authentication Failure}. */
    public String title() {
        return "Klaviyo " + wording.lessons().errorType();
    }

    /** As triage names it; {@code unknown} when nothing was diagnosed. */
    public String diagnosis() {
        return diagnosed.map(data -> data.path("diagnosis").asText()).orElse("unknown");
    }

    /** {@code P1} to {@code P4} at its worst; empty when nothing said. */
    public String severity() {
        return severities().map(Map.Entry::getValue).min(String::compareTo).orElse("");
    }

    /** The drill's scenario, empty in earnest. */
    public String drill() {
        return sources.drill().orElse(evidence.drill());
    }

    /** Whoever leads, the last word counts; empty when nobody is recorded. */
    public String lead() {
        return sources.lead().orElseGet(() -> Incident.lead(telling.stream()
                .map(entry -> new Event(entry.at(), entry.source(), entry.kind(), entry.text(), entry.data()))
                        .toList()));
    }

    /** When the incident was closed. */
    public Optional<Instant> closed() {
        return timeline.closed();
    }

    /** How many entries its timeline has. */
    public int entries() {
        return timeline.entries().size();
    }

    /** What was not to be had, or not as it should be: a sentence each. */
    public List<String> missing() {
        return List.copyOf(evidence.missing());
    }

    /** What is known in a few fields, for machines: null where nothing is. Times come with the record that has them. */
    public ObjectNode json() {
        ObjectNode json = Json.object().put("drill", drill().isEmpty() ? null : drill()).put("title", title())
                .put("diagnosis", diagnosis()).put("severity", severity()).put("lead", lead());
        Map<String, Optional<When>> moments = new LinkedHashMap<>();
        moments.put("began", timeline.began());
        moments.put("detected", timeline.detected());
        moments.put("acknowledged", timeline.acknowledged());
        moments.put("mitigated", timeline.mitigated());
        moments.put("restored", timeline.restored());
        moments.forEach((name, when) -> json.put(name, when.map(one -> one.at().toString()).orElse(null))
                .put(name + "By", when.map(When::source).orElse(null)));
        return json.put("closed", closed().map(Instant::toString).orElse(null)).put("entries", entries())
                .put("failedCalls", evidence.numbers().source().isEmpty() ? null : evidence.numbers().failures());
    }

    // The leading diagnosis is the most severe; of equals the last, when most was known.
    private Optional<JsonNode> worst() {
        Comparator<JsonNode> severity = Comparator.comparing(data -> data.path("severity").asText("P9"));
        return telling.stream().filter(entry -> entry.is(Event.DIAGNOSED) && !entry.diagnosis().isEmpty()
                && !entry.diagnosis().equals("healthy")).map(Entry::data)
                .reduce((one, other) -> severity.compare(other, one) <= 0 ? other : one);
    }

    private Stream<Map.Entry<Instant, String>> severities() {
        return telling.stream().map(entry -> Map.entry(entry.at(), entry.data().path("severity").asText()))
                .filter(change -> change.getValue().matches("P[1-4]"));
    }

    // ---- the template's fields

    /** The template's fields: texts are Markdown already, what holds is a boolean, a list has its lines' own fields. */
    Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("drill", Markdown.text(drill(), 60));
        values.put("command", sources.command());
        values.put("errorType", wording.lessons().errorType());
        values.put("severity", severityInWords());
        values.put("lead", Markdown.text(lead(), 80));
        values.put("perhapsLead", Markdown.text(sources.perhaps(), 80));
        values.put("now", Timeline.full(sources.now()));
        values.put("nothing", timeline.entries().isEmpty());
        values.put("timeline", timeline.entries().isEmpty() ? "" : timeline.table());
        values.put("read", evidence.asked().stream().map(one -> Markdown.text(one, 160))
                .collect(Collectors.joining(", ")));
        course(values);
        response(values);
        cause(values);
        impact(values);
        messages(values);
        values.put("missing", lines(evidence.missing(), line -> Map.of("text", Markdown.text(line, 240))));
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
        moment(values, "began", timeline.began());
        moment(values, "detected", timeline.detected());
        moment(values, "acknowledged", timeline.acknowledged());
        moment(values, "mitigated", timeline.mitigated());
        moment(values, "restored", timeline.restored());
        Optional<Instant> from = timeline.began().map(When::at);
        Optional<Instant> to = timeline.restored().map(When::at);
        values.put("beganOn", from.map(Timeline::date).orElse(""));
        values.put("beganFull", from.map(Timeline::full).orElse(""));
        values.put("restoredFull", to.map(Timeline::full).orElse(""));
        values.put("until", to.map(at -> Timeline.date(at).equals(Timeline.date(from.orElse(at))) ? Timeline.clock(at)
                : Timeline.full(at)).orElse(""));
        values.put("unended", timeline.closed().isPresent() && to.isEmpty());
        values.put("duration", Timeline.between(timeline.began(), timeline.restored()).map(Timeline::words).orElse(""));
        List<Timeline.Relapse> relapses = timeline.relapses();
        values.put("course", timeline.mitigated().isPresent() || !relapses.isEmpty());
        boolean many = relapses.size() > MOST_RELAPSES;
        values.put("relapses", relapses.isEmpty() ? "" : Integer.toString(relapses.size()));
        values.put("manyRelapses", many);
        values.put("lastRelapse", many ? Timeline.clock(relapses.get(relapses.size() - 1).failed()) : "");
        values.put("eachRelapse", lines(many ? List.<Timeline.Relapse>of() : relapses, relapse -> Map.of("good",
                Timeline.clock(relapse.good()), "failed", Timeline.clock(relapse.failed()))));
    }

    private static void moment(Map<String, Object> values, String name, Optional<When> when) {
        values.put(name, when.map(one -> Timeline.clock(one.at())).orElse(""));
        values.put(name + "By", when.map(one -> Markdown.text(one.source(), 80)).orElse(""));
    }

    private String severityInWords() {
        List<String> changes = new ArrayList<>();
        String last = "";
        for (Map.Entry<Instant, String> change : severities().toList()) {
            if (!change.getValue().equals(last)) {
                changes.add(change.getValue() + " at " + Timeline.clock(change.getKey()));
            }
            last = change.getValue();
        }
        return severity() + (changes.size() > 1 ? " at its worst (" + changes.stream().limit(10)
                .collect(Collectors.joining(", ")) + ")" : "");
    }

    // What went well, what did not: facts that suggest it. People judge; this only reminds.
    private void response(Map<String, Object> values) {
        Optional<When> detected = timeline.detected();
        Optional<Duration> detect = Timeline.between(timeline.began(), detected);
        Optional<Duration> take = Timeline.between(detected, timeline.acknowledged());
        Optional<Duration> act = Timeline.between(detected, timeline.mitigated());
        values.put("timeToDetect", detect.map(Timeline::words).orElse(""));
        values.put("timeToAcknowledge", take.map(Timeline::words).orElse(""));
        values.put("timeToMitigate", Timeline.between(timeline.began(), timeline.mitigated()).map(Timeline::words)
                .orElse(""));
        values.put("noticedQuickly", detect.filter(took -> !took.isZero() && took.compareTo(QUICK) <= 0).isPresent());
        values.put("noticedLate", detect.filter(took -> took.compareTo(SLOW) > 0).isPresent());
        values.put("takenLate", take.filter(took -> took.compareTo(SLOW) > 0).isPresent());
        values.put("actedQuickly", act.filter(took -> took.compareTo(SLOW) <= 0).isPresent());
        values.put("actedLate", act.filter(took -> took.compareTo(SLOW) > 0).isPresent());
        values.put("actedAfter", act.map(Timeline::words).orElse(""));
        vendor(values, detected);
        List<Instant> told = telling.stream().filter(Postmortem::sent).map(Entry::at).toList();
        Optional<Duration> first = detected.flatMap(when -> told.stream().findFirst()
                .map(at -> at.isBefore(when.at()) ? Duration.ZERO : Duration.between(when.at(), at)));
        values.put("toldNobody", detected.isPresent() && told.isEmpty());
        values.put("toldQuickly", first.filter(took -> took.compareTo(QUICK) <= 0).isPresent());
        values.put("toldLate", first.filter(took -> took.compareTo(QUICK) > 0).isPresent());
        values.put("toldAfter", first.map(Timeline::words).orElse(""));
        values.put("silence", silence(told).filter(longest -> longest.compareTo(REMINDER) > 0).map(Timeline::words)
                .orElse(""));
        boolean any = values.entrySet().stream().anyMatch(value -> value.getValue().equals(true)
                && value.getKey().matches("(noticed|taken|acted|told).*")) || !timeline.relapses().isEmpty()
                || !values.get("beforeVendor").equals("") || !values.get("afterVendor").equals("")
                || evidence.numbers().queues().stream().anyMatch(queue -> queue.peak() > 0);
        values.put("suggestions", any);
    }

    private void vendor(Map<String, Object> values, Optional<When> detected) {
        Optional<Instant> posted = timeline.vendorPosted();
        Optional<Instant> began = timeline.began().map(When::at);
        values.put("vendorPosted", posted.map(Timeline::full).orElse(""));
        values.put("vendorAfter", lag(began, posted));
        values.put("vendorEarlier", lag(posted, began));
        values.put("beforeVendor", minute(detected.map(When::at), posted));
        values.put("afterVendor", minute(posted, detected.map(When::at)));
    }

    private static String lag(Optional<Instant> from, Optional<Instant> to) {
        return from.flatMap(start -> to.filter(end -> !end.isBefore(start))
                .map(end -> Timeline.words(Duration.between(start, end)))).orElse("");
    }

    private static String minute(Optional<Instant> from, Optional<Instant> to) {
        boolean apart = from.isPresent() && to.isPresent() && Duration.between(from.get(), to.get()).toMinutes() > 0;
        return apart ? lag(from, to) : "";
    }

    private Optional<Duration> silence(List<Instant> told) {
        List<Instant> moments = new ArrayList<>(told);
        timeline.restored().map(When::at).filter(end -> !told.isEmpty() && end.isAfter(told.get(told.size() - 1)))
                .ifPresent(moments::add);
        Duration longest = Duration.ZERO;
        for (int i = 1; i < moments.size(); i++) {
            Duration silence = Duration.between(moments.get(i - 1), moments.get(i));
            longest = silence.compareTo(longest) > 0 ? silence : longest;
        }
        return Optional.of(longest).filter(time -> !time.isZero());
    }

    private void cause(Map<String, Object> values) {
        JsonNode data = diagnosed.orElse(Json.object());
        String name = diagnosis();
        values.put("diagnosed", diagnosed.isPresent());
        values.put("diagnosis", name.matches("[a-z0-9-]{1,60}") ? "`" + name + "`" : Markdown.text(name, 60));
        values.put("diagnosisTitle", Markdown.text(data.path("title").asText(wording.title()).replaceFirst("\\.$", ""),
                200));
        values.put("reason", Markdown.text(data.path("reason").asText(), 400));
        List<JsonNode> path = new ArrayList<>();
        data.path("path").forEach(path::add);
        values.put("walked", !path.isEmpty());
        values.put("path", lines(path, step -> Map.of("question", Markdown.text(step.path("question").asText(), 160),
                "answer", Markdown.text(step.path("answer").asText(), 120))));
        values.put("named", lines(telling.stream().filter(entry -> entry.is(Event.DIAGNOSED)
                && entry.diagnosis().isEmpty()).limit(10).toList(), entry -> Map.of("by", Markdown.text(entry.by(), 60),
                "at", Timeline.clock(entry.at()), "text", Markdown.text(entry.text()))));
        List<String> factors = new ArrayList<>(wording.lessons().factors());
        data.path("also").forEach(also -> factors.add("Held at the same time: " + Markdown.text(also.asText(), 80)));
        values.put("factors", lines(factors, factor -> Map.of("text", factor)));
        values.put("actions", lines(wording.lessons().actions(), action -> Map.of("type", action.type(), "text",
                action.text())));
        values.put("toConfirm", TO_CONFIRM);
    }

    // ---- impact: numbers where they can be had, never a guess

    private void impact(Map<String, Object> values) {
        Evidence.Numbers numbers = evidence.numbers();
        long failures = numbers.failures();
        OptionalLong calls = numbers.calls();
        values.put("counted", !numbers.source().isEmpty());
        values.put("countedBy", numbers.source());
        values.put("failures", failures > 0 ? number(failures) : "");
        values.put("failuresByStatus", numbers.failed().entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder()))
                .map(entry -> Markdown.text(entry.getKey(), 20) + ": " + number(entry.getValue()))
                .collect(Collectors.joining(", ")));
        values.put("alsoCounted", evidence.measured().failures() > 0 && !numbers.source().equals("Prometheus")
                ? number(evidence.measured().failures()) : "");
        boolean shared = calls.isPresent() && calls.getAsLong() >= Math.max(1, failures);
        values.put("calls", shared ? number(calls.getAsLong()) : "");
        values.put("share", shared ? String.format(Locale.ROOT, "%.1f %%", 100.0 * failures / calls.getAsLong()) : "");
        LogReader.Customers customers = evidence.facts().map(Facts::customers).orElse(new LogReader.Customers(0, false,
                Map.of()));
        // Whom failed calls were about is told with the failed calls that it was counted from.
        boolean told = customers.count() > 0 && failures > 0;
        values.put("customers", told ? number(customers.count()) : "");
        values.put("oneCustomer", told && customers.count() == 1);
        values.put("moreCustomers", told && customers.more());
        queues(values, numbers.queues());
        List<LogReader.Rate> failed = evidence.facts().map(Facts::endpoints).orElse(List.of()).stream()
                .filter(rate -> rate.failed() > 0).sorted(Comparator.comparing(rate -> -rate.failed())).limit(50)
                        .toList();
        values.put("endpointsKnown", !failed.isEmpty());
        values.put("endpoints", lines(failed, rate -> call(rate.endpoint(), number(rate.failed()))));
        // Names of the lines' own fields, for the template's check of names.
        call("", "").keySet().forEach(name -> values.putIfAbsent(name, ""));
        List.of("text", "type", "name", "url", "question", "answer", "by", "at", "good", "failed", "instance", "peak",
                "left", "source").forEach(name -> values.putIfAbsent(name, ""));
    }

    private static Map<String, Object> call(String endpoint, String failed) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("call", endpoint.isEmpty() ? "(no route in the log)" : Markdown.code(endpoint));
        fields.put("failed", failed);
        String kind = CALLS.entrySet().stream().filter(one -> endpoint.matches(one.getValue())).map(Map.Entry::getKey)
                .findFirst().orElse("others");
        CALLS.keySet().forEach(name -> fields.put(name, name.equals(kind)));
        fields.put("others", kind.equals("others"));
        return fields;
    }

    // Each instance has a queue of its own: what one drained is no comfort for what another still holds.
    private static void queues(Map<String, Object> values, List<LogReader.Queue> queues) {
        double left = queues.stream().mapToDouble(queue -> left(queue)).sum();
        double peak = queues.stream().mapToDouble(LogReader.Queue::peak).sum();
        values.put("queued", queues.isEmpty() ? "" : number(Math.round(peak)));
        values.put("queuesMany", queues.size() > 1 ? Integer.toString(queues.size()) : "");
        values.put("queueHeld", peak > 0);
        values.put("queueLeft", left > 0 ? number(Math.round(left)) : "");
        List<LogReader.Queue> each = queues.size() > 1 ? queues.stream().limit(20).toList() : List.of();
        values.put("queueEach", lines(each,
                queue -> Map.of("instance", Markdown.text(queue.instance(), 60), "peak",
                        number(Math.round(queue.peak())), "left", left(queue) > 0 ? number(Math.round(left(queue)))
                                : "")));
    }

    // Back at what it held before is drained; a queue that was first looked at in the middle has to be nearly empty.
    private static double left(LogReader.Queue queue) {
        double usual = queue.first() < queue.peak() / 2 ? Math.max(queue.first() * 1.1, queue.first() + 1) : 1;
        return queue.last() <= usual ? 0 : queue.last();
    }

    private static String number(long value) {
        return String.format(Locale.ROOT, "%,d", value);
    }

    // ---- messages

    /** Whether people were told: a message that was written and not sent told nobody. */
    static boolean sent(Entry entry) {
        JsonNode posted = entry.data().path("posted");
        return entry.is(Event.ANNOUNCED) && (posted.isMissingNode() || posted.asBoolean()
                || entry.data().path("sent").asBoolean());
    }

    private void messages(Map<String, Object> values) {
        List<Entry> told = telling.stream().filter(Postmortem::sent).toList();
        values.put("told", !told.isEmpty());
        values.put("messages", lines(told.stream().limit(MOST_MESSAGES).toList(), entry -> Map.of("at",
                Timeline.full(entry.at()), "source", Markdown.text(entry.source(), 40), "text",
                Markdown.text(entry.text(), 160) + quoted(entry.data().path("text").asText()))));
        values.put("moreMessages", told.size() > MOST_MESSAGES ? Integer.toString(told.size() - MOST_MESSAGES) : "");
    }

    private static String quoted(String text) {
        return text.isEmpty() ? "" : "\n\n" + Markdown.quote(text, 30);
    }
}
