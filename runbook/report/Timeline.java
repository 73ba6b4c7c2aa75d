package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import runbook.incident.Event;

/**
 * The timeline as a table: one row for what one source recorded in one minute. A journal with more than
 * {@link #MOST_ROWS} such rows is folded to longer steps, its milestones excepted, and says so.
 */
final class Timeline {
    private static final int MOST_ROWS = 400;
    private static final int MOST_MILESTONES = 200;
    private static final int MOST_TEXTS = 4;
    private static final List<Duration> STEPS = List.of(Duration.ofMinutes(1), Duration.ofMinutes(5), Duration.ofMinutes(15),
            Duration.ofHours(1), Duration.ofHours(6), Duration.ofDays(1), Duration.ofDays(30));

    /** What the runbook's template calls each kind of event. */
    private static final Map<String, String> LABELS = Map.ofEntries(
            Map.entry(Entry.NORMAL, "Last normal moment"),
            Map.entry(Entry.SYMPTOM, "First symptom"),
            Map.entry(Event.DETECTED, "Alert fired"),
            Map.entry(Event.ACKNOWLEDGED, "Incident acknowledged"),
            Map.entry(Event.DIAGNOSED, "Root cause identified"),
            Map.entry(Event.MITIGATED, "Mitigation applied"),
            Map.entry(Event.ROTATED, "Mitigation applied"),
            Map.entry(Event.DEGRADED, "Degraded"),
            Map.entry(Event.RECOVERED, "Service restored"),
            Map.entry(Entry.STABLE, "Monitoring confirmed stable"),
            Map.entry(Event.BUNDLED, "Evidence collected"),
            Map.entry(Event.ANNOUNCED, "Told"),
            Map.entry(Event.CLOSED, "Incident closed"));

    /** What one source recorded in one step of time. */
    private record Row(Instant from, String source, List<Entry> entries) {
        Instant to() {
            return entries.get(entries.size() - 1).at();
        }
    }

    /** A row's key: what has the same one is folded together. */
    private record Place(Instant step, String source, String milestone) { }

    private final List<Entry> entries;
    private final boolean manyMilestones;

    Timeline(List<Entry> entries) {
        this.entries = entries;
        this.manyMilestones = entries.stream().filter(Entry::milestone).count() > MOST_MILESTONES;
    }

    /** The table in Markdown, or the runbook's own lines as placeholders when there is nothing to tell. */
    String markdown() {
        if (entries.isEmpty()) {
            return placeholders();
        }
        Duration step = STEPS.stream().filter(length -> places(length) <= MOST_ROWS).findFirst().orElse(STEPS.get(STEPS.size() - 1));
        boolean dated = !Texts.date(entries.get(0).at()).equals(Texts.date(entries.get(entries.size() - 1).at()));
        StringBuilder table = new StringBuilder();
        if (step.toMinutes() > 1) {
            table.append("_").append(String.format("%,d", entries.size())).append(" entries, folded to steps of ")
                    .append(Texts.duration(step)).append("; the journal has each._\n\n");
        }
        table.append("| Time | What happened | Recorded by |\n| --- | --- | --- |\n");
        rows(step).forEach(row -> table.append("| ").append(time(row, dated)).append(" | ").append(what(row)).append(" | ")
                .append(Markdown.text(row.source(), 60)).append(" |\n"));
        return table.toString().stripTrailing();
    }

    private static String placeholders() {
        return """
                - HH:MM - Alert fired: [description]
                - HH:MM - Incident acknowledged by [name]
                - HH:MM - Root cause identified: [description]
                - HH:MM - Mitigation applied: [what was done]
                - HH:MM - Service restored
                - HH:MM - Monitoring confirmed stable""";
    }

    private int places(Duration step) {
        Set<Place> places = new HashSet<>();
        for (Entry entry : entries) {
            places.add(place(entry, step));
            if (places.size() > MOST_ROWS) {
                break;
            }
        }
        return places.size();
    }

    private Place place(Entry entry, Duration step) {
        boolean alone = entry.milestone() && !manyMilestones;
        long seconds = alone ? 60 : step.toSeconds();
        Instant start = Instant.ofEpochSecond(Math.floorDiv(entry.at().getEpochSecond(), seconds) * seconds);
        return new Place(start, entry.source(), alone ? entry.kind() : "");
    }

    private List<Row> rows(Duration step) {
        Map<Place, Row> rows = new LinkedHashMap<>();
        for (Entry entry : entries) {
            rows.computeIfAbsent(place(entry, step), place -> new Row(entry.at(), entry.source(), new ArrayList<>())).entries().add(entry);
        }
        return new ArrayList<>(rows.values());
    }

    private static String time(Row row, boolean dated) {
        String from = dated ? Texts.full(row.from()) : Texts.clock(row.from());
        if (Texts.full(row.from()).equals(Texts.full(row.to()))) {
            return from;
        }
        return from + "–" + (Texts.date(row.from()).equals(Texts.date(row.to())) ? Texts.clock(row.to()) : Texts.full(row.to()));
    }

    private static String what(Row row) {
        Map<String, Integer> texts = new LinkedHashMap<>();
        row.entries().forEach(entry -> texts.merge(sentence(entry), 1, Integer::sum));
        String shown = texts.entrySet().stream().limit(MOST_TEXTS)
                .map(text -> text.getKey() + (text.getValue() > 1 ? " (" + text.getValue() + " times)" : "")).collect(Collectors.joining("<br>"));
        int more = texts.size() - MOST_TEXTS;
        return more > 0 ? shown + "<br>… and " + more + " more" : shown;
    }

    /** One entry in the runbook's words. */
    static String sentence(Entry entry) {
        String label = LABELS.get(entry.kind());
        String by = entry.kind().equals(Event.ACKNOWLEDGED) && !entry.by().isEmpty() ? " by " + Markdown.text(entry.by(), 60) : "";
        String text = Markdown.text(entry.text());
        return label == null ? text : "**" + label + by + "**" + (text.isEmpty() ? "" : ": " + text);
    }

    /** The same without markup, for a picture. */
    static String plain(Entry entry) {
        String label = LABELS.get(entry.kind());
        return label == null ? entry.text() : label + (entry.text().isEmpty() ? "" : ": " + entry.text());
    }
}
