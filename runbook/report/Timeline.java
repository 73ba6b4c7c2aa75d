package runbook.report;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import runbook.Chart;
import runbook.Chart.Band;
import runbook.Chart.Tone;
import runbook.Incident.Event;
import runbook.LogReader.Facts;
import runbook.StatusPage;
import runbook.Text;
import runbook.report.Document.Markdown;
import runbook.report.Evidence.Entry;

/** What happened, by time: every entry, the moments among them that count, and both as a table and as a picture. */
final class Timeline {
    private static final Duration NEAR = Duration.ofMinutes(15);
    private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
    private static final int MOST_ROWS = 300;
    private static final int MOST_TEXTS = 6;
    private static final DateTimeFormatter CLOCK = utc("HH:mm");
    private static final DateTimeFormatter FULL = utc("yyyy-MM-dd HH:mm");

    /** What the runbook's template calls each kind of event; alerts and diagnoses depend on what was there before. */
    private static final Map<String, String> LABELS = Map.ofEntries(Map.entry(Entry.SYMPTOM, "First symptom"),
            Map.entry(Event.ACKNOWLEDGED, "Incident acknowledged"), Map.entry(Event.MITIGATED, "Mitigation applied"),
            Map.entry(Event.ROTATED, "Mitigation applied"), Map.entry(Event.DEGRADED, "Degraded"),
            Map.entry(Event.RECOVERED, "Service restored"), Map.entry(Entry.STABLE, "Monitoring confirmed stable"),
            Map.entry(Event.BUNDLED, "Evidence collected"), Map.entry(Event.ANNOUNCED, "People told"),
            Map.entry(Event.CLOSED, "Incident closed"));
    private static final List<String> MILESTONES = List.of(Entry.SYMPTOM, Entry.VENDOR, Entry.STABLE, Event.DETECTED,
            Event.ACKNOWLEDGED, Event.DIAGNOSED, Event.MITIGATED, Event.ROTATED, Event.DEGRADED, Event.RECOVERED,
            Event.CLOSED);

    /** A moment, and which record has it. */
    record When(Instant at, String source) {
        static When of(Entry entry) {
            return new When(entry.at(), entry.source() + (entry.by().isEmpty() ? "" : ", " + entry.by()));
        }
    }

    /** It seemed to work again from one moment on, until it failed again at another. */
    record Relapse(Instant good, Instant failed) { }

    private final List<Entry> entries;
    private final Map<Entry, String> labels = new java.util.IdentityHashMap<>();
    private final List<Relapse> relapses = new ArrayList<>();
    private final Optional<When> onset;
    private final Optional<Entry> recovered;
    private final Optional<Instant> vendorPosted;

    Timeline(Evidence evidence) {
        Optional<Instant> noticed = noticed(evidence.journal());
        List<Entry> all = new ArrayList<>(withStable(evidence.journal()));
        // Watch's notes of the vendor's updates stand at the vendor's time, with the vendor as their source.
        all.removeIf(entry -> entry.data().has("vendorAt"));
        onset = onset(evidence, noticed);
        onset.ifPresent(sign -> all.add(new Entry(sign.at(), Entry.SYMPTOM, sign.source(),
                "failed calls begin" + evidence.facts().map(Facts::first).filter(first -> first.at() != null
                && sign.source().contains("logs")).map(first -> " (HTTP " + first.status() + ")").orElse(""))));
        evidence.vendor().forEach(incident -> incident.updates().stream()
                .filter(update -> update.at() != null).forEach(update ->
                all.add(new Entry(update.at(), Entry.VENDOR, "status page", "Klaviyo (" + update.status() + "): "
                        + incident.name() + (update.body().isEmpty() ? "" : " — " + update.body())))));
        entries = Evidence.inOrder(all);
        vendorPosted = evidence.vendor().stream().map(StatusPage.Incident::posted).min(Comparator.naturalOrder());
        recovered = lasting();
        label();
    }

    /** When a record of ours first has trouble: an alert, a failed check, or else the first thing that anybody did. */
    static Optional<Instant> noticed(List<Entry> entries) {
        return entries.stream().filter(Timeline::ourSign).findFirst().map(Entry::at)
                .or(() -> entries.stream().findFirst().map(Entry::at));
    }

    private static boolean ourSign(Entry entry) {
        return entry.is(Event.DETECTED, Event.DEGRADED)
                || entry.is(Event.DIAGNOSED) && !entry.diagnosis().equals("healthy");
    }

    /** When failures began, by metrics or logs, if that was before anybody noticed; whichever saw it first. */
    private static Optional<When> onset(Evidence evidence, Optional<Instant> noticed) {
        List<When> signs = new ArrayList<>();
        boolean prometheus = evidence.numbers().unit().endsWith("per second");
        noticed.filter(at -> prometheus).flatMap(evidence.numbers()::rose)
                .ifPresent(at -> signs.add(new When(at, "metrics")));
        evidence.facts().flatMap(facts -> firstOfEpisode(facts, noticed.map(at -> at.plus(NEAR)).orElse(Instant.MAX)))
                .ifPresent(at -> signs.add(new When(at, "application logs")));
        return signs.stream().min(Comparator.comparing(When::at))
                .filter(sign -> noticed.isEmpty() || sign.at().isBefore(noticed.get()));
    }

    /**
     * The begin of the failures that led up to this: minutes with a twentieth of the worst one's failures or more, with
     * no half hour between two of them. What failed now and then before is not the beginning.
     */
    private static Optional<Instant> firstOfEpisode(Facts facts, Instant until) {
        TreeMap<Instant, Long> failed = new TreeMap<>();
        facts.minutes().stream().filter(minute -> minute.at() != null && !minute.at().isAfter(until))
                .forEach(minute -> failed.merge(minute.at(), minute.statuses().entrySet().stream()
                        .filter(status -> Facts.failed(status.getKey())).mapToLong(Map.Entry::getValue).sum(),
                        Long::sum));
        long peak = failed.values().stream().mapToLong(Long::longValue).max().orElse(0);
        Instant first = null;
        for (Map.Entry<Instant, Long> minute : failed.descendingMap().entrySet()) {
            boolean counts = minute.getValue() > 0 && minute.getValue() * 20 >= peak;
            if (counts && (first == null || minute.getKey().plus(ONE_EPISODE).compareTo(first) >= 0)) {
                first = minute.getKey();
            }
        }
        Instant exact = facts.first() == null ? null : facts.first().at();
        return Optional.ofNullable(first != null && exact != null && !exact.isBefore(first)
                && exact.isBefore(first.plusSeconds(60)) ? exact : first);
    }

    // Watch tells of a recovery once it held: the moment it began is a row of its own, with the runbook's words.
    private static List<Entry> withStable(List<Entry> entries) {
        List<Entry> all = new ArrayList<>();
        for (Entry entry : entries) {
            Instant since = entry.is(Event.RECOVERED) ? goodSince(entry) : entry.at();
            if (since.isBefore(entry.at())) {
                all.add(new Entry(since, entry.kind(), entry.source(), "first good round of an unbroken run",
                        entry.data()));
                all.add(new Entry(entry.at(), Entry.STABLE, entry.source(), entry.text(), entry.data()));
            } else {
                all.add(entry);
            }
        }
        return all;
    }

    private static Instant goodSince(Entry recovery) {
        try {
            Instant since = Instant.parse(recovery.data().path("goodSince").asText());
            return since.isBefore(recovery.at()) ? since : recovery.at();
        } catch (DateTimeException e) {
            return recovery.at();
        }
    }

    /** The recovery after which it never failed again; those before it become relapses. */
    private Optional<Entry> lasting() {
        Entry good = null;
        for (Entry entry : entries) {
            if (entry.is(Event.RECOVERED, Entry.STABLE)) {
                good = good == null ? entry : good;
            } else if (good != null && entry.failing()) {
                relapses.add(new Relapse(good.at(), entry.at()));
                good = null;
            }
        }
        return Optional.ofNullable(good);
    }

    // A triage that finds what is known already identifies no cause
    // anew, and what it found is no alert beside the page.
    private void label() {
        boolean paged = entries.stream().anyMatch(Entry::alert);
        Set<String> found = new HashSet<>();
        for (Entry entry : entries) {
            String label = LABELS.get(entry.kind());
            if (entry.is(Event.DETECTED)) {
                label = entry.alert() ? "Alert fired" : paged ? "Triage" : "First failed check";
            } else if (entry.is(Event.DIAGNOSED)) {
                String name = entry.diagnosis();
                label = name.equals("healthy") ? "Triage" : name.isEmpty() || found.isEmpty() ? "Root cause identified"
                        : found.contains(name) ? "Triage again" : "Diagnosis changed";
                if (!name.isEmpty() && !name.equals("healthy")) {
                    found.add(name);
                }
            } else if (entry.is(Event.ACKNOWLEDGED) && !entry.by().isEmpty()) {
                label += " by " + entry.by();
            }
            if (label != null) {
                labels.put(entry, label);
            }
        }
    }

    // ---- the moments that count; each is empty when nothing recorded it

    List<Entry> entries() {
        return entries;
    }

    List<Relapse> relapses() {
        return relapses;
    }

    /** The first sign of trouble that any record has. */
    Optional<When> began() {
        return onset.or(this::detected).or(() -> first(Event.ACKNOWLEDGED, Event.MITIGATED, Event.ROTATED));
    }

    /** The first alert, or failed check of ours. */
    Optional<When> detected() {
        return entries.stream().filter(Timeline::ourSign).findFirst().map(When::of);
    }

    Optional<When> acknowledged() {
        return first(Event.ACKNOWLEDGED);
    }

    Optional<When> mitigated() {
        return first(Event.MITIGATED, Event.ROTATED);
    }

    /** It worked again, for good. */
    Optional<When> restored() {
        return recovered.map(When::of);
    }

    Optional<Instant> closed() {
        return entries.stream().filter(entry -> entry.is(Event.CLOSED)).reduce((one, later) -> later).map(Entry::at);
    }

    Optional<Instant> vendorPosted() {
        return vendorPosted;
    }

    private Optional<When> first(String... kinds) {
        return entries.stream().filter(entry -> entry.is(kinds)).findFirst().map(When::of);
    }

    /** From one moment to another; nothing when they are the wrong way round, empty when either is not known. */
    static Optional<Duration> between(Optional<When> from, Optional<When> to) {
        return from.flatMap(start -> to.map(end -> end.at().isBefore(start.at()) ? Duration.ZERO
                : Duration.between(start.at(), end.at())));
    }

    // ---- times in words, UTC

    private static DateTimeFormatter utc(String pattern) {
        return DateTimeFormatter.ofPattern(pattern, Locale.ROOT).withZone(ZoneOffset.UTC);
    }

    static String clock(Instant at) {
        return CLOCK.format(at);
    }

    static String full(Instant at) {
        return FULL.format(at);
    }

    static String date(Instant at) {
        return full(at).substring(0, 10);
    }

    /** {@code 1 hour 6 minutes}, {@code 41 minutes}, {@code less than a minute}: the runbook's form. */
    static String words(Duration duration) {
        long minutes = duration.plusSeconds(30).toMinutes();
        String hours = minutes < 60 ? "" : Text.count(minutes / 60, "hour");
        String rest = minutes % 60 == 0 ? "" : Text.count(minutes % 60, "minute");
        return minutes == 0 ? "less than a minute" : (hours + " " + rest).strip();
    }

    // ---- the table

    private record Row(Instant from, boolean milestone, String source, List<Entry> entries) { }

    /** A row for what one source recorded in one minute, milestones apart; of too many, the milestones. */
    String table() {
        Map<String, Row> byPlace = new LinkedHashMap<>();
        for (Entry entry : entries) {
            boolean milestone = MILESTONES.contains(entry.kind());
            String place = entry.at().getEpochSecond() / 60 + " " + (milestone ? entry.kind() : "") + " "
                    + entry.source();
            byPlace.computeIfAbsent(place, one -> new Row(entry.at(), milestone, entry.source(), new ArrayList<>()))
                    .entries.add(entry);
        }
        List<Row> rows = shown(new ArrayList<>(byPlace.values()));
        boolean dated = !entries.isEmpty()
                && !date(entries.get(0).at()).equals(date(entries.get(entries.size() - 1).at()));
        String table = rows.stream().map(row -> "| " + (dated ? full(row.from) : clock(row.from)) + " | " + what(row)
                + " | " + Markdown.text(row.source, 60) + " |").collect(Collectors.joining("\n",
                "| Time | What happened | Recorded by |\n| --- | --- | --- |\n", ""));
        return rows.size() == byPlace.size() ? table : String.format(Locale.ROOT, "_%,d entries, of which %,d rows are "
                + "shown, milestones first; the journal has each._%n%n", entries.size(), rows.size()) + table;
    }

    // Of more milestones than anybody reads, the first and the last are those that tell the most.
    private static List<Row> shown(List<Row> rows) {
        List<Row> milestones = rows.stream().filter(Row::milestone).toList();
        int half = MOST_ROWS / 2;
        List<Row> shown = new ArrayList<>(milestones.size() <= MOST_ROWS ? milestones : milestones.subList(0, half));
        if (milestones.size() > MOST_ROWS) {
            shown.addAll(milestones.subList(milestones.size() - half, milestones.size()));
        }
        rows.stream().filter(row -> !row.milestone).limit(MOST_ROWS - shown.size()).forEach(shown::add);
        shown.sort(Comparator.comparing(Row::from));
        return shown;
    }

    private String what(Row row) {
        Map<String, List<Entry>> alike = new LinkedHashMap<>();
        row.entries.forEach(entry -> alike.computeIfAbsent(entry.is(Event.ROTATION_STEP) ? "" : entry.kind() + " "
                + entry.text(), text -> new ArrayList<>()).add(entry));
        String shown = alike.values().stream().limit(MOST_TEXTS).map(this::line).collect(Collectors.joining("<br>"));
        int more = alike.values().stream().skip(MOST_TEXTS).mapToInt(List::size).sum();
        return more > 0 ? shown + String.format(Locale.ROOT, "<br>… and %,d more", more) : shown;
    }

    private String line(List<Entry> alike) {
        Entry first = alike.get(0);
        if (first.is(Event.ROTATION_STEP)) {
            return rotation(alike);
        }
        String label = labels.containsKey(first) ? "**" + Markdown.text(labels.get(first), 120) + "**" : "";
        String text = Markdown.text(first.text());
        return label + (label.isEmpty() || text.isEmpty() ? "" : ": ") + text
                + (alike.size() > 1 ? String.format(Locale.ROOT, " (%,d times)", alike.size()) : "");
    }

    // Only what failed is told whole: the journal has each step, and
    // the keys stand in the event that ends the rotation.
    private static String rotation(List<Entry> steps) {
        Map<String, Long> outcomes = steps.stream().map(step -> step.data().path("outcome").asText("told"))
                .collect(Collectors.groupingBy(one -> one, LinkedHashMap::new, Collectors.counting()));
        return "Key rotation: " + Text.count(steps.size(), "step") + outcomes.entrySet().stream()
                .map(outcome -> outcome.getValue() + " " + Markdown.text(outcome.getKey(), 20))
                .collect(Collectors.joining(", ", " (", ")"))
                + steps.stream().filter(step -> step.data().path("outcome").asText().equals("failed"))
                .map(step -> "<br>failed: " + Markdown.text(step.text())).collect(Collectors.joining());
    }

    // ---- the picture

    /** The picture to scale; empty when there is nothing to show. What came long after it was over is left out. */
    Optional<Chart> chart(Evidence.Numbers numbers) {
        if (entries.isEmpty()) {
            return Optional.empty();
        }
        Instant last = entries.get(entries.size() - 1).at();
        Optional<Instant> stable = entries.stream().filter(entry -> entry.is(Entry.STABLE, Event.RECOVERED))
                .reduce((one, later) -> later).map(Entry::at).filter(at -> recovered.isPresent());
        Duration lasted = between(began(), restored()).orElse(Duration.ZERO);
        Instant end = stable.map(at -> at.plus(lasted.compareTo(ONE_EPISODE) > 0 ? lasted : ONE_EPISODE))
                .filter(at -> at.isBefore(last)).orElse(last);
        List<Entry> seen = entries.stream().filter(entry -> !entry.at().isAfter(end)).toList();
        Chart chart = new Chart("event", "Timeline", seen.get(0).at(), end).bands(bands(seen, end));
        chart.marks(seen.stream().filter(entry -> MILESTONES.contains(entry.kind())).map(this::mark).toList());
        add(chart, "Calls to Klaviyo", numbers.unit(), "", numbers.errors());
        add(chart, "Calls to Klaviyo", "latency", " s", numbers.latency());
        return Optional.of(chart);
    }

    private static void add(Chart chart, String name, String note, String unit, List<Chart.Point> points) {
        if (points.size() > 1) {
            Chart.Line line = new Chart.Line("", points);
            chart.lane(new Chart.Lane(name, note, unit, 90, List.of(line), List.of()));
        }
    }

    private Chart.Mark mark(Entry entry) {
        Chart.Shape shape = entry.is(Entry.VENDOR) ? Chart.Shape.VENDOR
                : entry.failing() || entry.is(Entry.SYMPTOM) ? Chart.Shape.WORSE
                : entry.is(Event.RECOVERED, Entry.STABLE, Event.MITIGATED, Event.ROTATED) ? Chart.Shape.BETTER
                : Chart.Shape.OTHER;
        String label = labels.getOrDefault(entry, "");
        return new Chart.Mark(entry.at(), shape, entry.kind(),
                label + (label.isEmpty() || entry.text().isEmpty() ? "" : ": ") + entry.text(), entry.source());
    }

    private List<Band> bands(List<Entry> seen, Instant end) {
        List<Band> bands = new ArrayList<>();
        String state = onset.isPresent() ? "unnoticed" : "";
        Instant since = seen.get(0).at();
        for (Entry entry : seen) {
            String next = after(state, entry);
            if (!next.equals(state)) {
                add(bands, state, since, entry.at());
                state = next;
                since = entry.at();
            }
        }
        add(bands, state, since, end);
        return bands;
    }

    private static String after(String state, Entry entry) {
        if (entry.failing()) {
            return state.equals("mitigating") && !entry.is(Event.DEGRADED) ? state : "investigating";
        } else if (entry.is(Event.MITIGATED, Event.ROTATED)) {
            return state.equals("resolved") || state.equals("watching") ? state : "mitigating";
        } else if (entry.is(Event.RECOVERED)) {
            return goodSince(entry).isBefore(entry.at()) || entry.data().has("goodSince") ? "watching" : "resolved";
        }
        return entry.is(Entry.STABLE) ? "resolved" : state;
    }

    private static void add(List<Band> bands, String state, Instant from, Instant to) {
        Tone tone = Map.of("unnoticed", Tone.QUIET, "investigating", Tone.BAD, "mitigating", Tone.ACTING, "watching",
                Tone.WATCHING, "resolved", Tone.GOOD).get(state);
        if (tone != null && to.isAfter(from)) {
            bands.add(new Band(from, to, state, tone));
        }
    }
}
