package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Incident.Event;
import runbook.Message.Wording;
import runbook.Message.Words;
import runbook.Settings.Templates;

/** The evidence told as the fields of {@code templates/postmortem.md}. */
final class Story {
    private static final String TO_CONFIRM = "**(to confirm)**";
    private static final int MOST_RELAPSES = 3;
    private static final Duration ROOM = Duration.ofMinutes(30);

    private final Evidence evidence;
    private final Report.Sources sources;
    private final List<Entry> entries;
    // A long journal is nearly all notes: what has to be found among the rest is looked for there.
    private final List<Entry> telling;
    private final Milestones moments;
    private final List<Entry> pictured;
    private final Optional<JsonNode> diagnosed;
    private final Lessons lessons;
    private final Impact impact;

    Story(Evidence evidence, Report.Sources sources) {
        this.evidence = evidence;
        this.sources = sources;
        this.entries = evidence.entries();
        this.telling = entries.stream().filter(entry -> !entry.kind().equals(Event.NOTE) || !entry.data().isEmpty()).toList();
        this.moments = Milestones.of(
                telling,
                evidence.onset().stream()
                        .filter(entry -> entry.kind().equals(Entry.SYMPTOM))
                        .findFirst(),
                evidence.vendor());
        this.pictured = untilItWasOver();
        this.diagnosed = worst();
        this.lessons = Lessons.of(diagnosis());
        this.impact = new Impact(evidence, moments);
    }

    /** Every entry of the timeline, by time. */
    List<Entry> entries() {
        return entries;
    }

    /** The moments that count. */
    Milestones moments() {
        return moments;
    }

    /** What a picture to scale can show. */
    List<Entry> pictured() {
        return pictured;
    }

    // An incident closed days later would be squeezed to a line in it.
    private List<Entry> untilItWasOver() {
        Optional<Instant> over = moments.stable().or(moments::restored);
        Optional<Duration> room = moments.lasted().map(lasted -> lasted.compareTo(ROOM) > 0 ? lasted : ROOM);
        return over.isEmpty() || room.isEmpty()
                ? entries
                : entries.stream().filter(entry -> !entry.at().isAfter(over.get().plus(room.get()))).toList();
    }

    /** The states that the picture shows. */
    List<Band> bands() {
        return pictured.isEmpty() ? List.of() : moments.bands(pictured, pictured.get(pictured.size() - 1).at());
    }

    /** As triage names it; {@code unknown} when nothing was diagnosed. */
    String diagnosis() {
        return diagnosed.map(data -> data.path("diagnosis").asText("unknown")).orElse("unknown");
    }

    /** {@code P1} to {@code P4} at its worst; empty when nothing said. */
    String severity() {
        return severities().map(Map.Entry::getValue).min(String::compareTo).orElse("");
    }

    /** The drill's scenario, empty in earnest. */
    String drill() {
        return sources.drill().orElse(evidence.recorded().drill());
    }

    /** {@code Klaviyo 401 Authentication Failure}. */
    String title() {
        return "Klaviyo " + lessons.errorType();
    }

    /** Whoever leads, last word counts; empty when nobody is recorded. */
    String lead() {
        String lead = "";
        for (Entry entry : telling) {
            String named = entry.data()
                    .path("lead")
                    .asText(entry.kind().equals(Event.ACKNOWLEDGED) && lead.isEmpty() ? entry.by() : "");
            lead = named.isBlank() ? lead : named;
        }
        return sources.lead().orElse(lead);
    }

    // The leading diagnosis is the most severe; of equals the last, when most was known.
    private Optional<JsonNode> worst() {
        return telling.stream()
                .filter(entry ->
                        entry.kind().equals(Event.DIAGNOSED) && entry.data().has("diagnosis") && !entry.healthy())
                .map(Entry::data)
                .reduce((one, other) -> other.path("severity")
                                        .asText("P9")
                                        .compareTo(one.path("severity").asText("P9"))
                                <= 0
                        ? other
                        : one);
    }

    private Stream<Map.Entry<Instant, String>> severities() {
        return telling.stream()
                .filter(entry -> entry.data().has("severity"))
                .map(entry ->
                        Map.entry(entry.at(), entry.data().path("severity").asText()))
                .filter(change -> change.getValue().matches("P[1-4]"));
    }

    /** The template's fields. */
    Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("drill", Markdown.text(drill(), 60));
        values.put("command", sources.command());
        values.put("errorType", lessons.errorType());
        values.put("date", date());
        values.put("duration", duration());
        values.put("severity", severityWords());
        values.put("lead", lead().isEmpty() ? "[Name]" : Markdown.text(lead(), 80));
        values.put("summary", summary());
        values.put("timeline", new Timeline(entries).markdown());
        values.put("measures", Measures.markdown(moments));
        values.put("cause", cause());
        values.put("factors", factors());
        values.put("impact", impact.markdown());
        values.put("replay", Replay.markdown(evidence.logs(), impact.window()));
        values.put("actions", actions());
        values.put("hints", Hints.markdown(moments, telling, evidence.metrics()));
        values.put("messages", messages());
        values.put("sources", read());
        return values;
    }

    private String date() {
        if (moments.began().isEmpty()) {
            return Texts.full(sources.now()) + " - HH:MM UTC";
        }
        Instant from = moments.began().get();
        String until = moments.restored()
                .map(to -> Texts.date(to).equals(Texts.date(from)) ? Texts.clock(to) : Texts.full(to))
                .orElse(unended() ? "HH:MM" : "ongoing");
        return Texts.full(from) + " - " + until + " UTC";
    }

    private String duration() {
        return moments.lasted()
                .map(Texts::duration)
                .orElse(moments.began().isPresent() && !unended() ? "not over yet" : "[X hours Y minutes]");
    }

    private String severityWords() {
        Map<String, String> byMinute = new LinkedHashMap<>();
        severities().forEach(change -> byMinute.put(Texts.full(change.getKey()), change.getValue()));
        List<String> changes = new ArrayList<>();
        String last = "";
        for (Map.Entry<String, String> change : byMinute.entrySet()) {
            if (!change.getValue().equals(last)) {
                changes.add(change.getValue() + " at " + change.getKey().substring("yyyy-MM-dd ".length()));
            }
            last = change.getValue();
        }
        return severity().isEmpty()
                ? "P[1-4]"
                : severity() + (changes.size() > 1 ? " at its worst (" + String.join(", ", changes) + ")" : "");
    }

    private String summary() {
        if (moments.began().isEmpty()) {
            return "[1-2 sentence description of what happened]";
        }
        Words words = Wording.of(Templates.builtIn(), diagnosis()).words();
        String known = diagnosed
                .map(data -> data.path("title").asText(words.rootCause()))
                .orElse("Something failed that no check has named");
        String what = "On " + Texts.date(moments.began().get()) + " at "
                + Texts.clock(moments.began().get()) + " UTC trouble with the Klaviyo integration began: "
                + Markdown.text(known.replaceFirst("\\.$", ""), 160)
                + impact.inShort().map(calls -> " (" + calls + ")").orElse("") + ".";
        return what + " " + ending();
    }

    private String ending() {
        List<String> course = new ArrayList<>();
        moments.mitigated().ifPresent(at -> course.add("was mitigated at " + Texts.clock(at)));
        course.addAll(relapses());
        String end = moments.restored()
                .map(at -> "worked again from " + Texts.clock(at) + " on, after "
                        + moments.lasted().map(Texts::duration).orElse("an unknown time"))
                .orElse(unended() ? "was closed without a recorded recovery" : "was not over when this was written");
        return "It " + (course.isEmpty() ? "" : String.join(", ", course) + " and ") + end + ".";
    }

    private List<String> relapses() {
        List<Milestones.Relapse> all = moments.relapses();
        return all.size() > MOST_RELAPSES
                ? List.of("failed again " + all.size() + " times, last at " + Texts.clock(all.get(all.size() - 1).failed()))
                : all.stream().map(relapse -> "seemed to work again from " + Texts.clock(relapse.good()) + " until "
                        + Texts.clock(relapse.failed())).toList();
    }

    private boolean unended() {
        return moments.closed().isPresent() && moments.restored().isEmpty();
    }

    private String cause() {
        List<String> said = new ArrayList<>();
        diagnosed.ifPresent(data -> said.add(triaged(data)));
        telling.stream()
                .filter(entry ->
                        entry.kind().equals(Event.DIAGNOSED) && !entry.data().has("diagnosis"))
                .limit(10)
                .forEach(entry ->
                        said.add("Named" + (entry.by().isEmpty() ? "" : " by " + Markdown.text(entry.by(), 60)) + " at "
                                + Texts.clock(entry.at()) + ": " + Markdown.text(entry.text()) + " " + TO_CONFIRM));
        return said.isEmpty() ? "Nothing was diagnosed. " + TO_CONFIRM : String.join("\n\n", said);
    }

    private String triaged(JsonNode data) {
        String reason = Markdown.text(data.path("reason").asText(), 400);
        String walked = new Path(data.path("path")).markdown();
        return "Triage's diagnosis: " + Markdown.text(data.path("title").asText(diagnosis()), 200) + " ("
                + identifier(diagnosis()) + "). " + TO_CONFIRM + (reason.isEmpty() ? "" : "\n\n" + reason)
                + (walked.isEmpty() ? "" : "\n\nThe decision tree, as it was walked:\n\n" + walked);
    }

    private static String identifier(String name) {
        return name.matches("[a-z0-9-]{1,60}") ? "`" + name + "`" : Markdown.text(name, 60);
    }

    /** The questions of the decision tree and their answers. */
    private record Path(JsonNode steps) {
        String markdown() {
            List<String> lines = new ArrayList<>();
            steps.forEach(
                    step -> lines.add("- " + Markdown.text(step.path("question").asText(), 160) + " **"
                            + Markdown.text(step.path("answer").asText(), 120) + "**"));
            return String.join("\n", lines);
        }
    }

    private String factors() {
        List<String> factors = new ArrayList<>(lessons.factors());
        diagnosed.ifPresent(data -> data.path("also")
                .forEach(also -> factors.add("Held at the same time: " + Markdown.text(also.asText(), 80))));
        return factors.isEmpty()
                ? "- [factor]"
                : factors.stream()
                        .map(factor -> "- " + factor + " " + TO_CONFIRM)
                        .collect(Collectors.joining("\n"));
    }

    private String actions() {
        return lessons.actions().isEmpty()
                ? "- [ ] [Action] - Owner: [name] - Due: [date]"
                : lessons.actions().stream()
                        .map(action ->
                                "- [ ] **" + action.type() + "**: " + action.text() + " - Owner: [name] - Due: [date]")
                        .collect(Collectors.joining("\n"));
    }

    private String messages() {
        List<Entry> told = telling.stream().filter(entry -> entry.kind().equals(Event.ANNOUNCED)).toList();
        return told.isEmpty()
                ? "None recorded."
                : told.stream().limit(30).map(Story::message).collect(Collectors.joining("\n\n"))
                        + (told.size() > 30 ? "\n\n… and " + (told.size() - 30) + " more in the journal" : "");
    }

    private static String message(Entry told) {
        String text = told.data().path("text").asText();
        return "**" + Texts.full(told.at()) + " UTC**, " + Markdown.text(told.source(), 40) + ": "
                + Markdown.text(told.text(), 160) + (text.isEmpty() ? "" : "\n\n" + Markdown.quote(text, 30));
    }

    private String read() {
        List<String> lines = new ArrayList<>();
        lines.add("- Read: "
                + (evidence.asked().isEmpty()
                        ? "nothing"
                        : evidence.asked().stream()
                                .map(one -> Markdown.text(one, 120))
                                .collect(Collectors.joining(", "))));
        evidence.missing().forEach(problem -> lines.add("- " + Markdown.text(problem, 240)));
        evidence.vendor().stream()
                .filter(incident -> incident.url().startsWith("https://"))
                .forEach(incident -> lines.add("- Klaviyo's own record: " + Markdown.text(incident.name(), 120) + ", "
                        + Markdown.text(incident.url(), 200)));
        return String.join("\n", lines);
    }
}
