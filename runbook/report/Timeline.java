package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import runbook.Incident.Event;

/**
 * The timeline as a table: one row for what one source recorded in one minute. When these are more rows than anybody reads,
 * it is folded to longer steps, its milestones excepted, and says so.
 */
final class Timeline {
    private static final int MOST_ROWS = 400;
    private static final int MOST_ROWS_OF_A_HUGE_JOURNAL = 100;
    private static final int MOST_MILESTONES = 200;
    // A journal of usual length is told whole; of a huge one, each row shows the beginning.
    private static final int USUAL_LENGTH = 500;
    private static final int MOST_TEXTS = 4;
    private static final List<Duration> STEPS = List.of(Duration.ofMinutes(1), Duration.ofMinutes(5), Duration.ofMinutes(15),
            Duration.ofHours(1), Duration.ofHours(6), Duration.ofDays(1), Duration.ofDays(30), Duration.ofDays(365));

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
            Map.entry(Event.ANNOUNCED, "People told"),
            Map.entry(Event.CLOSED, "Incident closed"));

    /** What one source recorded in one step of time. */
    private record Row(Instant from, String source, List<Entry> entries) {
        Instant to() {
            return entries.get(entries.size() - 1).at();
        }
    }

    private final List<Entry> entries;
    private final boolean usual;
    private final boolean manyMilestones;
    private final long mostRows;

    Timeline(List<Entry> entries) {
        long milestones = entries.stream().filter(Entry::milestone).count();
        this.entries = entries;
        this.usual = entries.size() <= USUAL_LENGTH;
        this.manyMilestones = milestones > MOST_MILESTONES;
        this.mostRows = usual ? MOST_ROWS : MOST_ROWS_OF_A_HUGE_JOURNAL + (manyMilestones ? 0 : milestones);
    }

    /** The table in Markdown, or the runbook's own lines as placeholders when there is nothing to tell. */
    String markdown() {
        if (entries.isEmpty()) {
            return placeholders();
        }
        for (Duration step : STEPS) {
            Optional<List<Row>> rows = rows(step);
            if (rows.isPresent()) {
                return (step.toMinutes() > 1 ? folded(step) : "") + table(rows.get());
            }
        }
        return "_" + count() + " entries from too many sources to show; the journal has each._";
    }

    private String folded(Duration step) {
        return "_" + count() + " entries, folded to steps of " + Texts.duration(step) + "; the journal has each._\n\n";
    }

    private String count() {
        return String.format(Locale.ROOT, "%,d", entries.size());
    }

    private String table(List<Row> rows) {
        boolean dated = !Texts.date(entries.get(0).at()).equals(Texts.date(entries.get(entries.size() - 1).at()));
        StringBuilder table = new StringBuilder("| Time | What happened | Recorded by |\n| --- | --- | --- |\n");
        rows.forEach(row -> table.append("| ").append(time(row, dated)).append(" | ").append(what(row)).append(" | ")
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
            - HH:MM - Monitoring confirmed stable\
            """;
    }

    /** The rows at a length of step; empty when they are too many. */
    private Optional<List<Row>> rows(Duration step) {
        List<Row> rows = new ArrayList<>();
        Map<String, Row> open = new LinkedHashMap<>();
        long current = Long.MIN_VALUE;
        for (Entry entry : entries) {
            long index = Math.floorDiv(entry.at().getEpochSecond(), step.toSeconds());
            if (index != current) {
                rows.addAll(open.values());
                open.clear();
                current = index;
            }
            open.computeIfAbsent(place(entry), key -> new Row(entry.at(), entry.source(), new ArrayList<>()))
                    .entries()
                    .add(entry);
            if (rows.size() + open.size() > mostRows) {
                return Optional.empty();
            }
        }
        rows.addAll(open.values());
        rows.sort(Comparator.comparing(Row::from));
        return Optional.of(rows);
    }

    /** What is folded together within a step: one source's entries, but each minute's milestones apart. */
    private String place(Entry entry) {
        return entry.milestone() && !manyMilestones
                ? entry.source() + entry.kind() + entry.at().getEpochSecond() / 60
                : entry.source();
    }

    private static String time(Row row, boolean dated) {
        String from = dated ? Texts.full(row.from()) : Texts.clock(row.from());
        if (Texts.full(row.from()).equals(Texts.full(row.to()))) {
            return from;
        }
        return from + "–"
                + (Texts.date(row.from()).equals(Texts.date(row.to())) ? Texts.clock(row.to()) : Texts.full(row.to()));
    }

    private String what(Row row) {
        List<List<Entry>> alike = alike(row, usual ? USUAL_LENGTH : MOST_TEXTS);
        String shown = alike.stream().map(Timeline::line).collect(Collectors.joining("<br>"));
        int more = row.entries().size() - alike.stream().mapToInt(List::size).sum();
        return more > 0 ? shown + String.format(Locale.ROOT, "<br>… and %,d more", more) : shown;
    }

    /** What is told in one line each, for so many lines: entries that say the same, and the steps of a rotation. */
    private static List<List<Entry>> alike(Row row, int most) {
        List<List<Entry>> alike = new ArrayList<>();
        for (Entry entry : row.entries()) {
            int line = 0;
            while (line < alike.size() && !alike(alike.get(line).get(0), entry)) {
                line++;
            }
            if (line < alike.size()) {
                alike.get(line).add(entry);
            } else if (line < most) {
                alike.add(new ArrayList<>(List.of(entry)));
            }
        }
        return alike;
    }

    private static boolean alike(Entry one, Entry other) {
        return one.kind().equals(other.kind()) && (one.kind().equals(Event.ROTATION_STEP) || one.text().equals(other.text()));
    }

    private static String line(List<Entry> alike) {
        Entry first = alike.get(0);
        return first.kind().equals(Event.ROTATION_STEP)
                ? RotationSteps.told(alike)
                : sentence(first) + times(alike.size());
    }

    private static String times(int number) {
        return number > 1 ? String.format(Locale.ROOT, " (%,d times)", number) : "";
    }

    /** One entry in the runbook's words. */
    static String sentence(Entry entry) {
        String label = LABELS.get(entry.kind());
        String by = entry.kind().equals(Event.ACKNOWLEDGED) && !entry.by().isEmpty()
                ? " by " + Markdown.text(entry.by(), 60)
                : "";
        String text = Markdown.text(entry.text());
        return label == null ? text : "**" + label + by + "**" + (text.isEmpty() ? "" : ": " + text);
    }

    /** The same without markup, for a picture. */
    static String plain(Entry entry) {
        String label = LABELS.get(entry.kind());
        return label == null ? entry.text() : label + (entry.text().isEmpty() ? "" : ": " + entry.text());
    }
}
