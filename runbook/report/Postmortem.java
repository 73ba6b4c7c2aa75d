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
import runbook.report.Timeline.Row;

/**
 * A postmortem made from what was recorded: the fields of {@code templates/postmortem.md}. Wording is the template's
 * and {@code diagnoses.json}'s; here are values. What nothing recorded is an empty field.
 */
public final class Postmortem {
    private static final int MOST_LINES = 50;

    /**
     * Where to look: the journal, in its folder; a debug bundle (else the newest in the folder); where the status page
     * and Prometheus are (else nobody is asked), with what to ask it: failed calls by status over {@code $window}. And
     * the time of writing, the line that starts one of our scripts, by its name and options, and whose words to take.
     */
    public record Sources(Notebook notebook, Optional<Path> bundle, Optional<Settings> settings, String query,
            Instant now, BinaryOperator<String> command, Templates templates) { }

    private final Sources sources;
    private final String drill;
    private final Evidence evidence;
    private final Timeline timeline;
    private final JsonNode diagnosed;
    private final String diagnosis;
    private final String severity;
    private final Wording wording;
    private final String title;

    /** Gathers the evidence, and tells what is missing; a {@link Settings.Problem} when the bundle named is none. */
    public Postmortem(Sources sources) {
        this.sources = sources;
        this.drill = sources.notebook().drill();
        this.evidence = new Evidence(sources);
        this.timeline = new Timeline(evidence.events, sources.templates());
        Optional<Event> worst = Incident.worst(timeline.all.stream().map(Row::event).toList());
        this.diagnosed = worst.map(Event::data).orElse(Json.object());
        this.diagnosis = diagnosed.path("diagnosis").asText("unknown");
        this.severity = worst.map(Event::severity).orElse("");
        this.wording = Wording.of(sources.templates(), diagnosis);
        this.title = "Klaviyo " + wording.lessons().errorType();
    }

    /**
     * The Markdown by a template: new, or the existing text with its generated parts brought up to date; a {@link
     * Settings.Problem} when the template uses a field that does not exist.
     */
    public Document.Written markdown(Template template, Optional<String> existing) {
        return Document.merge(existing, template.fill(values(), Postmortem::form, Document::escaped));
    }

    /** The page for that Markdown, with the timeline drawn to scale. */
    public String html(String markdown) {
        return Document.html(sources.templates(), markdown, timeline.chart(),
                (drill.isEmpty() ? "" : "DRILL: ") + "Incident: " + title);
    }

    /** What is known, in short: null where nothing is. Times come with the record that has them. */
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
                .put("failedCalls", evidence.counts.isEmpty() ? null : evidence.counts.get(0).failures());
        return json.set("notes", Json.of(evidence.missing));
    }

    // ---- for the next person

    /** What the next person must know, in at most 25 lines of plain text by {@code handover.md}. */
    public String handover() {
        Map<String, Object> values = values();
        List<Row> rows = timeline.rows();
        Optional<Instant> due = due();
        Incident incident = sources.notebook().incident();
        values.put("last", rows.subList(Math.max(0, rows.size() - 10), rows.size()));
        values.put("due", due);
        values.put("overdue", due.filter(sources.now()::isAfter).isPresent());
        values.put("incident", incident.toString());
        values.put("bundle", Evidence.newest(incident, "bundle-.*\\.zip").map(Path::getFileName));
        JsonNode rotation = Evidence.json(incident, "rotation\\.json");
        values.put("rotating", rotation.path("outcome").asText().matches("unfinished|stuck")
                ? sources.command().apply("rotate-key", rotation.path("options").asText()) : "");
        values.put("seenWell", field(timeline.seenWell()));
        values.put("next", next());
        values.put("event", sources.command().apply("postmortem", "event 'what happened' --by NAME"));
        return sources.templates().template("handover.md")
                .fill(values, Postmortem::form, text -> Text.safe(text, 160)).stripTrailing();
    }

    /** What to do next, a command and why each: what triage advised, until something helped; nothing once closed. */
    public List<Map<String, String>> next() {
        if (timeline.moment(Moment.CLOSED).isPresent()) {
            return List.of();
        } else if (timeline.moment(Moment.RESTORED).isPresent()) {
            return List.of(step("postmortem", "", "writes it; its --check says what is left"));
        }
        boolean helped = timeline.moment(Moment.MITIGATED).isPresent() || timeline.seenWell().isPresent();
        JsonNode triage = helped ? Json.object() : Evidence.json(sources.notebook().incident(), "triage-.*\\.json");
        List<Map<String, String>> advised = each(triage.path("actions"))
                .filter(action -> action.path("command").isTextual()).limit(3).map(action -> Map.of("text",
                        action.path("text").asText(), "command", Text.safe(action.path("command").asText(), 400)))
                .toList();
        if (!advised.isEmpty()) {
            return advised;
        }
        Map<String, String> tell = step("triage", "--announce both", "what to tell people: nobody was told on record");
        return Stream.of(step("watch", "", "whether it works again"), tell)
                .limit(timeline.moment(Moment.TOLD).isPresent() ? 1 : 2).toList();
    }

    private Map<String, String> step(String script, String options, String text) {
        return Map.of("command", sources.command().apply(script, options), "text", text);
    }

    /** When the next message is due, as the last one said; the first is due with what failed first. */
    private Optional<Instant> due() {
        Comparator<Event> time = Comparator.comparing(Event::at);
        Optional<Event> told = Incident.State.of(evidence.events).told().stream().max(time);
        Optional<Event> last = told.or(() -> evidence.events.stream().filter(Event::failing).min(time));
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
            return perhaps.map(Postmortem::form).orElse("");
        } else if (value instanceof Number number) {
            return String.format(Locale.ROOT, "%,d", Math.round(number.doubleValue()));
        } else if (value instanceof Duration took) {
            return Timeline.words(took);
        }
        return value instanceof Instant at ? Timeline.full(at) : value.toString();
    }

    private Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        List.of(OF_LINES.split(" ")).forEach(name -> values.put(name, ""));
        values.put("drill", drill);
        values.put("tell", sources.command().apply("postmortem", "event \"what happened\" --at 10:12"));
        values.put("bundling", sources.command().apply("debug-bundle", "--log FILE"));
        values.put("again", sources.command().apply("postmortem", ""));
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
        return values;
    }

    private void course(Map<String, Object> values) {
        List<Row> rows = timeline.rows();
        values.put("rows", rows);
        values.put("leftOut", rows.size() < Timeline.MOST_ROWS ? "" : timeline.all.size() + evidence.leftOut);
        for (Moment moment : Moment.values()) {
            values.put(moment.word(), field(timeline.moment(moment)));
        }
        values.put("duration", timeline.between(Moment.BEGAN, Moment.RESTORED));
        int relapses = timeline.relapses.size();
        values.put("relapses", relapses == 0 ? "" : relapses);
        values.put("lastRelapse", timeline.relapses.subList(Math.max(0, relapses - 1), relapses));
    }

    private static Object field(Optional<?> perhaps) {
        return perhaps.isPresent() ? perhaps.get() : "";
    }

    private void cause(Map<String, Object> values) {
        values.put("errorType", wording.lessons().errorType());
        values.put("diagnosed", !diagnosed.isEmpty());
        values.put("diagnosis", diagnosis);
        values.put("diagnosisTitle", diagnosed.path("title").asText(wording.title()));
        values.put("reason", diagnosed.path("reason").asText());
        values.put("path", each(diagnosed.path("path")).map(step -> Map.of("question", step.path("question").asText(),
                "answer", step.path("answer").asText())).toList());
        values.put("named", timeline.rows().stream()
                .filter(row -> row.is(Event.DIAGNOSED) && !Timeline.found(row.event())).toList());
        values.put("factors", wording.lessons().factors());
        values.put("also", each(diagnosed.path("also")).map(JsonNode::asText).toList());
        values.put("actions", wording.lessons().actions());
    }

    private static Stream<JsonNode> each(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false);
    }

    // How long it took, and whether that was as wanted. People judge; this only reminds.
    private void measures(Map<String, Object> values) {
        List<Map<String, Object>> measures = new ArrayList<>();
        List<String> hints = new ArrayList<>();
        for (Wording.Measure measure : wording.lessons().measures()) {
            Optional<Duration> took = timeline.between(measure.from(), measure.to());
            Optional<String> unknown = measure.kind().map(kind -> sources.command().apply("postmortem",
                    "event \"…\" --kind " + kind + " --at 10:12"));
            measures.add(Map.of("name", measure.name(), "took", took, "unknown", unknown,
                    "definition", measure.definition(), "start", field(timeline.moment(measure.from())),
                    "end", field(timeline.moment(measure.to()))));
            // What was noticed by its first sign took no time that anybody could be praised for.
            boolean moved = !timeline.moment(measure.from()).equals(timeline.moment(measure.to()));
            took.filter(any -> moved).flatMap(time -> hint(measure, time)).ifPresent(hints::add);
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
        values.put("impact", wording.words().impact());
        values.put("counts", evidence.counts);
        Optional<Long> failures = evidence.counts.stream().limit(1).filter(Evidence.Count::any)
                .map(Evidence.Count::failures).findFirst();
        values.put("failedCalls", failures);
        values.put("apart", failures.filter(told -> evidence.counts.stream().mapToLong(Evidence.Count::failures)
                .anyMatch(other -> Math.max(told, other) > 2 * Math.min(told, other))).isPresent());
        // Whom failed calls were about is told with the failed calls that it was counted from.
        values.put("customers", field(evidence.facts.map(Facts::customers)
                .filter(some -> some.count() > 0 && failures.isPresent())));
        // Each instance has a queue of its own: what one drained is no comfort for what another still holds.
        List<Queue> queues = evidence.facts.map(Facts::queue).orElse(List.of());
        double left = queues.stream().mapToDouble(queue -> queue.left().orElse(0.0)).sum();
        values.put("queued", queues.isEmpty() ? "" : queues.stream().mapToDouble(Queue::peak).sum());
        values.put("queueLeft", left > 0 ? left : "");
        values.put("queueEach", queues.size() > 1 ? queues.subList(0, Math.min(MOST_LINES, queues.size())) : List.of());
    }

    // Which calls failed is known by a bundle's logs alone; without them all kinds of calls are told apart.
    private void replay(Map<String, Object> values) {
        List<Wording.Repeat> kinds = wording.lessons().repeat().orElse(List.of());
        values.put("replay", wording.lessons().replay());
        values.put("failing", evidence.facts.map(Facts::endpoints).orElse(List.of()).stream()
                .filter(rate -> rate.failed() > 0).sorted(Comparator.comparing(Rate::failed).reversed())
                .limit(MOST_LINES).map(rate -> failing(rate, kinds)).toList());
        values.put("kinds", kinds);
        values.put("repeatable", !kinds.isEmpty() && (evidence.counts.isEmpty() || evidence.counts.get(0).any()));
    }

    private static Map<String, Object> failing(Rate rate, List<Wording.Repeat> kinds) {
        return Map.of("call", rate.endpoint(), "failed", rate.failed(), "rule", kinds.stream()
                .filter(kind -> kind.calls().matcher(rate.endpoint()).find()).findFirst().map(Wording.Repeat::rule));
    }
}
