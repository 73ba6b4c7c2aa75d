package runbook.report;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import runbook.Chart;
import runbook.Chart.Band;
import runbook.Chart.Shape;
import runbook.Chart.Tone;
import runbook.Incident.Event;
import runbook.Text;
import runbook.Text.Json;

/** What happened, by time: every event, the moments among them that count, and both as rows and as a picture. */
final class Timeline {
    /** An event's kind: the first sign of trouble, found afterwards. */
    static final String SYMPTOM = "symptom";
    /** An event's kind: what the vendor wrote on its status page. */
    static final String VENDOR = "vendor";
    /** An event's kind: the recovery held. */
    static final String STABLE = "stable";

    private static final Duration AFTERMATH = Duration.ofMinutes(30);
    static final int MOST_ROWS = 300;
    private static final DateTimeFormatter CLOCK = utc("HH:mm");
    private static final DateTimeFormatter FULL = utc("yyyy-MM-dd HH:mm");

    /** What the runbook's template calls each kind of event; alerts and diagnoses depend on what was there before. */
    private static final Map<String, String> LABELS = Map.ofEntries(Map.entry(SYMPTOM, "First symptom"),
            Map.entry(Event.ACKNOWLEDGED, "Incident acknowledged"), Map.entry(Event.MITIGATED, "Mitigation applied"),
            Map.entry(Event.ROTATED, "Mitigation applied"), Map.entry(Event.DEGRADED, "Degraded"),
            Map.entry(Event.RECOVERED, "Service restored"), Map.entry(STABLE, "Monitoring confirmed stable"),
            Map.entry(Event.BUNDLED, "Evidence collected"), Map.entry(Event.ANNOUNCED, "People told"),
            Map.entry(Event.CLOSED, "Incident closed"));
    private static final Set<String> MILESTONES = Set.of(SYMPTOM, VENDOR, STABLE, Event.DETECTED, Event.ACKNOWLEDGED,
            Event.DIAGNOSED, Event.MITIGATED, Event.ROTATED, Event.DEGRADED, Event.RECOVERED, Event.CLOSED);
    private static final Map<String, Tone> TONES = Map.of("unnoticed", Tone.QUIET, "investigating", Tone.BAD,
            "mitigating", Tone.ACTING, "watching", Tone.WATCHING, "resolved", Tone.GOOD);

    /** A moment, and which record has it. */
    record When(Instant at, String source) {
        static When of(Event event) {
            return new When(event.at(), event.step() + (by(event).isEmpty() ? "" : ", " + by(event)));
        }
    }

    /** It seemed to work again from one moment on, until it failed again at another. */
    record Relapse(Instant good, Instant failed) { }

    private final List<Event> events = new ArrayList<>();
    // A long journal is nearly all notes: what counts is looked for among the rest.
    private final List<Event> telling;
    private final Map<Event, String> labels = new HashMap<>();
    private final List<Relapse> relapses = new ArrayList<>();
    private final Optional<Event> recovered;

    /** @param recorded in any order; what is there twice counts once */
    Timeline(List<Event> recorded) {
        List<Event> sorted = new ArrayList<>(recorded);
        recorded.stream().filter(event -> is(event, Event.RECOVERED)).forEach(event -> heldSince(event, sorted));
        sorted.sort(Comparator.comparing(Event::at));
        // What is there twice stands one after the other.
        for (Event event : sorted) {
            if (events.isEmpty() || !events.get(events.size() - 1).equals(event)) {
                events.add(event);
            }
        }
        telling = events.stream().filter(Timeline::telling).toList();
        recovered = lasting();
        label();
    }

    // ---- single events

    /** Whether it is more than a note that says no more than its line. */
    static boolean telling(Event event) {
        return !event.event().equals(Event.NOTE) || !event.data().isEmpty();
    }

    static boolean is(Event event, String... kinds) {
        return List.of(kinds).contains(event.event());
    }

    /** Who did it, where the journal says so. */
    static String by(Event event) {
        return event.data().path("by").asText(event.data().path("lead").asText(""));
    }

    /** The diagnosis that a check came to; empty for a cause that a person named. */
    static String diagnosis(Event event) {
        return event.data().path("diagnosis").asText("");
    }

    /** Whether a check of ours came to a diagnosis that is none of health. */
    static boolean found(Event event) {
        return is(event, Event.DIAGNOSED) && !diagnosis(event).isEmpty() && !diagnosis(event).equals("healthy");
    }

    // An alert or a person's word, and not what triage wrote when it began the incident.
    private static boolean alert(Event event) {
        boolean own = event.step().equals("triage") && event.summary().startsWith("triage found");
        return is(event, Event.DETECTED) && !own;
    }

    private static boolean ourSign(Event event) {
        boolean healthy = diagnosis(event).equals("healthy");
        return is(event, Event.DETECTED, Event.DEGRADED) || is(event, Event.DIAGNOSED) && !healthy;
    }

    // Watch tells of a recovery once it held: the moment it began is an event of its own, with the runbook's words.
    private static void heldSince(Event held, List<Event> events) {
        Instant since = goodSince(held);
        if (since.isBefore(held.at())) {
            events.remove(held);
            events.add(new Event(since, held.step(), held.event(), "first good round of an unbroken run", held.data()));
            events.add(new Event(held.at(), held.step(), STABLE, held.summary(), Json.object()));
        }
    }

    private static Instant goodSince(Event recovery) {
        try {
            return Instant.parse(recovery.data().path("goodSince").asText());
        } catch (DateTimeException e) {
            return recovery.at();
        }
    }

    /** The recovery after which it never failed again; those before it become relapses. */
    private Optional<Event> lasting() {
        Event good = null;
        for (Event event : telling) {
            if (is(event, Event.RECOVERED, STABLE)) {
                good = good == null ? event : good;
            } else if (good != null && event.failing()) {
                relapses.add(new Relapse(good.at(), event.at()));
                good = null;
            }
        }
        return Optional.ofNullable(good);
    }

    // A triage that finds what is known identifies no cause anew, and what it found is no alert beside the page.
    private void label() {
        boolean paged = telling.stream().anyMatch(Timeline::alert);
        Set<String> known = new HashSet<>();
        for (Event event : telling) {
            String label = switch (event.event()) {
                case Event.DETECTED -> alert(event) ? "Alert fired" : paged ? "Triage" : "First failed check";
                case Event.DIAGNOSED -> diagnosed(event, known);
                case Event.ACKNOWLEDGED -> LABELS.get(Event.ACKNOWLEDGED)
                        + (by(event).isEmpty() ? "" : " by " + by(event));
                default -> LABELS.get(event.event());
            };
            if (label != null) {
                labels.put(event, label);
            }
        }
    }

    private static String diagnosed(Event event, Set<String> known) {
        if (diagnosis(event).isEmpty()) {
            return "Root cause identified";
        } else if (!found(event)) {
            return "Triage";
        }
        boolean first = known.isEmpty();
        boolean unknown = known.add(diagnosis(event));
        return first ? "Root cause identified" : unknown ? "Diagnosis changed" : "Triage again";
    }

    // ---- the moments that count; each is empty when nothing recorded it

    List<Event> events() {
        return events;
    }

    /** All but notes that say no more than their line. */
    List<Event> telling() {
        return telling;
    }

    List<Relapse> relapses() {
        return relapses;
    }

    /** The moments by the names that templates and {@code --json} have for them. */
    Map<String, Optional<When>> moments() {
        Map<String, Optional<When>> moments = new LinkedHashMap<>();
        moments.put("began", began());
        moments.put("detected", detected());
        moments.put("acknowledged", first(Event.ACKNOWLEDGED));
        moments.put("mitigated", first(Event.MITIGATED, Event.ROTATED));
        moments.put("restored", restored());
        return moments;
    }

    /** The first sign of trouble that any record has. */
    Optional<When> began() {
        return first(SYMPTOM).or(this::detected).or(() -> first(Event.ACKNOWLEDGED, Event.MITIGATED, Event.ROTATED));
    }

    /** The first alert, or failed check of ours. */
    Optional<When> detected() {
        return telling.stream().filter(Timeline::ourSign).findFirst().map(When::of);
    }

    /** It worked again, for good. */
    Optional<When> restored() {
        return recovered.map(When::of);
    }

    /** When the vendor first wrote of it. */
    Optional<Instant> vendorPosted() {
        return first(VENDOR).map(When::at);
    }

    /** When it was over: restored, else the last that was recorded before somebody closed it. */
    Optional<Instant> ended() {
        return restored().map(When::at).or(() -> events.stream().takeWhile(event -> !is(event, Event.CLOSED))
                .reduce((one, later) -> later).map(Event::at));
    }

    Optional<Instant> closed() {
        return telling.stream().filter(event -> is(event, Event.CLOSED)).reduce((one, later) -> later).map(Event::at);
    }

    private Optional<When> first(String... kinds) {
        return telling.stream().filter(event -> is(event, kinds)).findFirst().map(When::of);
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

    // ---- the rows

    /**
     * A row of the table: its time with the date where there are several, the runbook's name for it, what it says,
     * which step recorded it, and who said so.
     */
    record Row(String time, String label, String text, String source, String by) { }

    /**
     * Its rows by time. Of a rotation's steps those that failed are told: the keys stand in the event that ends it. Of
     * too many events, milestones are told before others, and of too many milestones the first and the last.
     */
    List<Row> rows() {
        List<Event> told = events.stream().filter(event -> !is(event, Event.ROTATION_STEP)
                || event.data().path("outcome").asText().equals("failed")).toList();
        List<Event> rows = new ArrayList<>(told.stream().filter(Timeline::milestone).toList());
        if (rows.size() > MOST_ROWS) {
            rows.subList(MOST_ROWS / 2, rows.size() - MOST_ROWS / 2).clear();
        }
        told.stream().filter(event -> !milestone(event)).limit(MOST_ROWS - rows.size()).forEach(rows::add);
        rows.sort(Comparator.comparing(Event::at));
        boolean dated = rows.stream().map(event -> date(event.at())).distinct().count() > 1;
        return rows.stream().map(event -> new Row(dated ? full(event.at()) : clock(event.at()),
                labels.getOrDefault(event, ""), event.summary(), event.step(), by(event))).toList();
    }

    private static boolean milestone(Event event) {
        return MILESTONES.contains(event.event());
    }

    // ---- the picture

    /** The picture to scale; empty when there is nothing to show. What came long after it was over is left out. */
    Optional<Chart> chart(Evidence.Numbers numbers) {
        if (events.isEmpty()) {
            return Optional.empty();
        }
        Instant begin = events.get(0).at();
        Instant last = events.get(events.size() - 1).at();
        Instant end = restored().map(when -> when.at().plus(AFTERMATH)).filter(at -> at.isBefore(last)).orElse(last);
        List<Event> seen = events.stream().filter(event -> !event.at().isAfter(end)).toList();
        Chart chart = new Chart("event", "Timeline", begin, end).bands(bands(seen, end));
        chart.marks(seen.stream().filter(Timeline::milestone).map(this::mark).toList());
        if (numbers.errors().size() > 1) {
            List<Chart.Point> points = numbers.errors().stream()
                    .map(point -> new Chart.Point(point.at(), point.value())).toList();
            chart.lane(new Chart.Lane("Calls to Klaviyo", numbers.unit(), "", 90,
                    List.of(new Chart.Line("", points)), List.of()));
        }
        return Optional.of(chart);
    }

    private Chart.Mark mark(Event event) {
        boolean better = is(event, Event.RECOVERED, STABLE, Event.MITIGATED, Event.ROTATED);
        boolean worse = event.failing() || is(event, SYMPTOM);
        Shape shape = is(event, VENDOR) ? Shape.VENDOR : worse ? Shape.WORSE : better ? Shape.BETTER : Shape.OTHER;
        String label = labels.getOrDefault(event, "");
        String words = label + (label.isEmpty() || event.summary().isEmpty() ? "" : ": ") + event.summary();
        return new Chart.Mark(event.at(), shape, event.event(), words, event.step());
    }

    private static List<Band> bands(List<Event> seen, Instant end) {
        List<Band> bands = new ArrayList<>();
        String state = "";
        Instant since = seen.get(0).at();
        for (Event event : seen) {
            String next = after(state, event);
            if (!next.equals(state)) {
                add(bands, state, since, event.at());
                state = next;
                since = event.at();
            }
        }
        add(bands, state, since, end);
        return bands;
    }

    private static String after(String state, Event event) {
        boolean over = state.equals("watching") || state.equals("resolved");
        return switch (event.event()) {
            case SYMPTOM -> "unnoticed";
            case Event.MITIGATED, Event.ROTATED -> over ? state : "mitigating";
            case Event.RECOVERED -> event.data().has("goodSince") ? "watching" : "resolved";
            case STABLE -> "resolved";
            case Event.DEGRADED -> "investigating";
            default -> event.failing() && !state.equals("mitigating") ? "investigating" : state;
        };
    }

    private static void add(List<Band> bands, String state, Instant from, Instant to) {
        if (TONES.containsKey(state) && to.isAfter(from)) {
            bands.add(new Band(from, to, state, TONES.get(state)));
        }
    }
}
