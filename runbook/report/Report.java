package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.Facts.Queue;
import runbook.Facts.Rate;
import runbook.Incident.Event;
import runbook.Message.Template;
import runbook.Message.Wording;
import runbook.Message.Wording.Moment;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.report.Evidence.Count;
import runbook.report.Timeline.Row;

/**
 * A postmortem made from what was recorded: the fields of {@code templates/postmortem.md}. Wording is the template's
 * and {@code diagnoses.json}'s; here are values. What nothing recorded is an empty field.
 */
public final class Report {
    private static final int MOST_LINES = 50;
    private static final int MOST_HANDED = 10;

    /**
     * Where to look: the journal, in its folder; a debug bundle (else the newest in the folder); where the status page
     * and Prometheus are (else nobody is asked); the time of writing; the line that starts one of our scripts, by its
     * name and options; and whose words to take.
     */
    public record Sources(Notebook notebook, Optional<Path> bundle, Optional<Settings> settings, Instant now,
            BinaryOperator<String> command, Templates templates) { }

    /** What to do, or why, and by which command; empty where a person has to do it. */
    public record Next(String text, String command) { }

    private final Sources sources;
    private final String drill;
    private final Evidence evidence;
    private final Timeline timeline;
    private final JsonNode diagnosed;
    private final String diagnosis;
    private final String severity;
    private final Wording wording;
    private final Wording.Lessons usual;
    private final String title;

    /** Gathers the evidence, and tells what is missing; a {@link Settings.Problem} when the bundle named is none. */
    public Report(Sources sources) {
        this.sources = sources;
        this.drill = sources.notebook().drill();
        this.evidence = new Evidence(sources);
        this.timeline = new Timeline(evidence.events, sources.templates());
        Optional<Event> worst = Incident.worst(timeline.all.stream().map(Row::event).toList());
        this.diagnosed = worst.map(Event::data).orElse(Json.object());
        this.diagnosis = diagnosed.path("diagnosis").asText("unknown");
        this.severity = worst.map(Event::severity).orElse("");
        this.wording = Wording.of(sources.templates(), diagnosis);
        this.usual = Wording.of(sources.templates(), "unknown").lessons();
        this.title = "Klaviyo " + wording.lessons().errorType();
    }

    /**
     * The Markdown by the template: new, or the existing text with its generated parts brought up to date; a {@link
     * Settings.Problem} when the template uses a field that does not exist.
     */
    public Document.Written markdown(Optional<String> existing) {
        Template template = sources.templates().template(Document.NAME);
        return Document.merge(existing, template.fill(values(), Report::form, Document::escaped));
    }

    /** The page for that Markdown, with the timeline drawn to scale. */
    public String html(String markdown) {
        return Document.html(sources.templates(), markdown, timeline.chart(),
                (drill.isEmpty() ? "" : "DRILL: ") + "Incident: " + title);
    }

    /** What is known, in short: null where nothing is. Times and counts come with the record that has them. */
    public ObjectNode json() {
        ObjectNode json = Json.object().put("drill", drill.isEmpty() ? null : drill)
                .put("title", title).put("diagnosis", diagnosis).put("severity", severity)
                .put("lead", Incident.lead(evidence.events));
        for (Moment moment : Moment.values()) {
            Optional<Row> row = timeline.moment(moment);
            Optional<String> by = row.map(one -> one.source() + (one.by().isEmpty() ? "" : ", " + one.by()));
            json.put(moment.word(), row.map(one -> one.at().toString()).orElse(null))
                    .put(moment.word() + "By", by.orElse(null));
        }
        json.put("entries", timeline.all.size() + evidence.leftOut)
                .put("failedCalls", counted().map(Count::failures).orElse(null))
                .put("failedCallsBy", counted().map(Count::source).orElse(null));
        return json.set("notes", Json.of(evidence.missing));
    }

    // The first source that has any, for one that saw none saw little.
    private Optional<Count> counted() {
        return evidence.counts.stream().filter(Count::any).findFirst().or(() -> evidence.counts.stream().findFirst());
    }

    // ---- for the next person

    /** What the next person must know, in at most 25 lines of plain text by {@code handover.md}. */
    public String handover() {
        Map<String, Object> values = values();
        List<Row> rows = timeline.rows();
        Optional<Instant> due = due();
        Incident incident = sources.notebook().incident();
        Optional<JsonNode> rotating = Evidence.files(incident, "rotation\\.json").map(Evidence::json)
                .filter(rotation -> rotation.path("outcome").asText().matches("unfinished|stuck")).findFirst();
        values.put("last", rows.subList(Math.max(0, rows.size() - MOST_HANDED), rows.size()));
        values.put("due", due);
        values.put("urgent", urgent());
        values.put("overdue", due.filter(sources.now()::isAfter).isPresent());
        values.put("incident", incident.toString());
        values.put("bundle", Evidence.files(incident, "bundle-.*\\.zip").findFirst().map(Path::getFileName));
        values.put("rotating", field(rotating.map(one -> command("rotate-key", one.path("options").asText()))));
        values.put("seenWell", field(timeline.last("recovering|healthy")));
        values.put("failsStill", field(timeline.last("failing|flapping")));
        values.put("next", next());
        values.put("event", command("postmortem", "event 'what happened' --by NAME"));
        return sources.templates().template("handover.md")
                .fill(values, Report::form, text -> Text.safe(text, 160)).stripTrailing();
    }

    private String command(String script, String options) {
        return sources.command().apply(script, options);
    }

    /** What to do next: what triage advised, until something helped; nothing once it is closed. */
    public List<Next> next() {
        if (timeline.moment(Moment.CLOSED).isPresent()) {
            return List.of();
        } else if (timeline.moment(Moment.RESTORED).isPresent()) {
            return List.of(new Next("writes it; its --check says what is left", command("postmortem", "")));
        }
        boolean helped = timeline.last("mitigated|recovering|healthy").isPresent();
        // For what stands above as the trouble: a later look, from a machine that could not tell, may advise otherwise.
        Stream<Path> looks = helped ? Stream.of()
                : Evidence.files(sources.notebook().incident(), "triage-.*\\.json");
        List<Next> advised = looks.map(Evidence::json).filter(look -> look.path("diagnosis").asText().equals(diagnosis))
                .limit(1).flatMap(look -> look.path("actions").valueStream()).limit(3).map(action ->
                new Next(action.path("text").asText(), Text.safe(action.path("command").textValue(), 400))).toList();
        Next watch = new Next("whether it works again", command("watch", ""));
        Next tell = new Next("what to tell people: nobody was told on record", command("triage", "--announce both"));
        boolean told = timeline.moment(Moment.TOLD).isPresent();
        List<Next> usual = urgent() && !told ? List.of(watch, tell) : List.of(watch);
        return advised.stream().allMatch(next -> next.command.isEmpty()) ? usual : advised;
    }

    // Triage advises no message for a minor impact.
    private boolean urgent() {
        return !severity.matches("P[34]");
    }

    /** When the next message is due, as the last one said; the first is due with what failed first. */
    private Optional<Instant> due() {
        Comparator<Event> time = Comparator.comparing(Event::at);
        Optional<Event> told = Incident.State.of(evidence.events).told().stream().max(time);
        Stream<Event> failing = urgent() ? evidence.events.stream().filter(Event::failing) : Stream.of();
        Optional<Event> last = told.or(() -> failing.min(time));
        return told.flatMap(message -> message.time("next"))
                .or(() -> last.map(event -> Message.due(evidence.events, event.at())));
    }

    // ---- the template's fields

    /** Fields of the lines of lists, and of moments: templates may name them. */
    private static final String OF_LINES = ". -first time label text source by date clock good bad failed took "
            + "definition unknown start end question answer type name rule url any failures statuses count more call "
            + "instance peak left window command";

    private static String form(Object value) {
        if (value instanceof Optional<?> perhaps) {
            return perhaps.map(Report::form).orElse("");
        } else if (value instanceof Number number) {
            return Text.number(Math.round(number.doubleValue()));
        } else if (value instanceof Duration took) {
            return Timeline.words(took);
        }
        return value instanceof Instant at ? Timeline.full(at) : value.toString();
    }

    private Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        List.of(OF_LINES.split(" ")).forEach(name -> values.put(name, ""));
        values.put("drill", drill);
        values.put("tell", command("postmortem", "event \"what happened\" --at 10:12"));
        values.put("bundling", command("debug-bundle", "--log FILE"));
        values.put("again", command("postmortem", ""));
        values.put("severity", severity);
        values.put("lead", Incident.lead(evidence.events));
        values.put("now", sources.now());
        course(values);
        cause(values);
        measures(values);
        impact(values);
        replay(values);
        values.put("read", String.join(", ", evidence.read));
        values.put("missing", evidence.missing);
        Path folder = sources.notebook().incident().folder().toAbsolutePath().normalize().getFileName();
        values.put("journal", (folder + ", " + evidence.journalled).replaceAll("[^\\w., -]", "_"));
        values.put("vendorRecords", evidence.vendor.stream()
                .filter(incident -> incident.url() != null && incident.url().startsWith("https://")).toList());
        values.replaceAll((name, value) -> value instanceof Optional<?> perhaps ? field(perhaps) : value);
        return values;
    }

    // A section of an Optional does not know the fields of what it holds.
    private static Object field(Optional<?> perhaps) {
        return perhaps.isPresent() ? perhaps.get() : "";
    }

    private void course(Map<String, Object> values) {
        List<Row> rows = timeline.rows();
        values.put("rows", rows);
        values.put("leftOut", rows.size() < Timeline.MOST_ROWS ? "" : timeline.all.size() + evidence.leftOut);
        for (Moment moment : Moment.values()) {
            values.put(moment.word(), timeline.moment(moment));
        }
        values.put("duration", timeline.between(Moment.BEGAN, Moment.RESTORED));
        values.put("relapses", timeline.relapses.isEmpty() ? "" : timeline.relapses.size());
        values.put("lastRelapse", timeline.relapses.stream().reduce((one, later) -> later));
    }

    private void cause(Map<String, Object> values) {
        values.put("errorType", wording.lessons().errorType());
        values.put("diagnosed", !diagnosed.isEmpty());
        values.put("diagnosis", diagnosis);
        values.put("diagnosisTitle", diagnosed.path("title").asText(wording.title()));
        values.put("reason", diagnosed.path("reason").asText());
        values.put("path", diagnosed.path("path").valueStream().map(step -> Map.of("question",
                step.path("question").asText(), "answer", step.path("answer").asText())).toList());
        values.put("named", timeline.rows().stream()
                .filter(row -> row.is(Event.DIAGNOSED) && !Timeline.found(row.event())).toList());
        values.put("factors", wording.lessons().factors());
        values.put("also", diagnosed.path("also").valueStream().map(JsonNode::asText).toList());
        values.put("actions", wording.lessons().actions());
    }

    // How long it took, and whether that was as wanted. People judge; this only reminds.
    private void measures(Map<String, Object> values) {
        List<Map<String, Object>> measures = new ArrayList<>();
        List<String> hints = new ArrayList<>();
        for (Wording.Measure measure : usual.measures()) {
            Optional<Row> start = timeline.moment(measure.from());
            Optional<Row> end = timeline.moment(measure.to());
            Optional<Duration> took = timeline.between(measure.from(), measure.to());
            Optional<String> unknown = measure.kind().map(kind ->
                    command("postmortem", "event \"…\" --kind " + kind + " --at 10:12"));
            measures.add(Map.of("name", measure.name(), "definition", measure.definition(), "took", took,
                    "unknown", unknown, "start", field(start), "end", field(end)));
            // What was noticed by its first sign took no time that anybody could be praised for.
            took.filter(any -> !start.equals(end)).flatMap(time -> hint(measure, time)).ifPresent(hints::add);
        }
        values.put("measures", measures);
        values.put("hints", hints);
    }

    private static Optional<String> hint(Wording.Measure measure, Duration took) {
        return measure.within().flatMap(within -> {
            Optional<Template> hint = took.compareTo(within) <= 0 ? measure.quick() : measure.slow();
            return hint.map(template -> template.fill(Map.of("took", Timeline.words(took),
                    "within", Text.Durations.words(within))));
        });
    }

    // ---- impact: numbers where they can be had, never a guess

    private void impact(Map<String, Object> values) {
        LongSummaryStatistics failed = evidence.counts.stream().mapToLong(Count::failures).summaryStatistics();
        boolean logged = evidence.counts.stream().limit(1).anyMatch(Count::any);
        values.put("impact", wording.words().impact());
        values.put("counts", evidence.counts);
        values.put("failedCalls", counted().filter(Count::any).map(Count::failures));
        values.put("apart", failed.getCount() > 0 && failed.getMax() > 2 * failed.getMin());
        // Whom failed calls were about is told with the failed calls that it was counted from.
        values.put("customers", evidence.facts.map(Facts::customers).filter(some -> some.count() > 0 && logged));
        values.put("nobody", evidence.facts.filter(logs -> !logs.minutes().isEmpty()).isPresent());
        // Each instance has a queue of its own: what one drained is no comfort for what another still holds.
        List<Queue> queues = evidence.facts.map(Facts::queue).orElse(List.of());
        double left = queues.stream().mapToDouble(queue -> queue.left().orElse(0.0)).sum();
        values.put("queued", queues.isEmpty() ? "" : queues.stream().mapToDouble(Queue::peak).sum());
        values.put("queueLeft", left > 0 ? left : "");
        values.put("queueEach", queues.stream().limit(queues.size() > 1 ? MOST_LINES : 0).toList());
    }

    // Which calls failed is known by a bundle's logs alone; without them all kinds of calls are told apart.
    private void replay(Map<String, Object> values) {
        List<Wording.Repeat> kinds = wording.lessons().repeat().or(usual::repeat).orElse(List.of());
        values.put("replay", wording.lessons().replay());
        values.put("failing", evidence.facts.map(Facts::endpoints).orElse(List.of()).stream()
                .filter(rate -> rate.failed() > 0).sorted(Comparator.comparing(Rate::failed).reversed())
                .limit(MOST_LINES).map(rate -> Map.of("call", rate.endpoint(), "failed", rate.failed(), "rule",
                        kinds.stream().filter(kind -> kind.calls().matcher(rate.endpoint()).find()).findFirst()
                                .map(Wording.Repeat::rule))).toList());
        values.put("kinds", kinds);
        values.put("repeatable", !kinds.isEmpty()
                && (evidence.counts.isEmpty() || evidence.counts.stream().anyMatch(Count::any)));
    }
}
