package runbook.report;

import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.stream.*;
import runbook.*;
import runbook.Chart.Shape;
import runbook.Incident.Event;
import runbook.Message.Template;
import runbook.Message.Wording.Moment;
import runbook.Settings.Templates;
import runbook.Text.Json;

/** What happened, by time: every event, the moments among them that count, and both as rows and as a picture. */
final class Timeline {
    /** Kinds of events that are found here: the first sign of trouble; what the vendor wrote; the recovery held. */
    static final String SYMPTOM = "symptom";
    static final String VENDOR = "vendor";
    private static final String STABLE = "stable";
    static final int MOST_ROWS = 300;
    private static final Duration AFTERMATH = Duration.ofMinutes(30);

    /**
     * What a milestone is called, a row of {@code timeline.json} by the kind of event: its label in the runbook's
     * words, left out where it says so itself; and the moment that it tells.
     */
    record Kind(Optional<Template> label, Optional<Moment> moment) { }

    private static final Kind NOTE = new Kind(Optional.empty(), Optional.empty());

    /** An event with what templates name of it; its time is told with the date where the incident has several. */
    record Row(Event event, Kind kind, String label, String date, String clock, String time, String text,
            String source, String by) {
        static Row of(Event event, Kind kind, boolean dated) {
            String full = full(event.at());
            String clock = full.substring(11);
            String by = event.data().path("by").asText(event.data().path("lead").asText(""));
            String label = kind.label.map(words -> words.fill(Map.of("by", by))).orElse("");
            return new Row(event, kind, label, full.substring(0, 10), clock, dated ? full : clock, event.summary(),
                    event.step(), by);
        }

        Instant at() {
            return event.at();
        }

        boolean is(String kind) {
            return event.event().equals(kind);
        }
    }

    /** It seemed to work again from one moment on, until it failed again at another. */
    record Relapse(Row good, Row bad) { }

    final List<Row> all;
    final List<Relapse> relapses = new ArrayList<>();
    private final Map<Moment, Row> moments = new EnumMap<>(Moment.class);

    /** @param recorded in any order; what is there twice counts once */
    Timeline(List<Event> recorded, Templates templates) {
        List<Event> events = recorded.stream().flatMap(Timeline::heldSince).sorted(Comparator.comparing(Event::at))
                .distinct().toList();
        boolean dated = events.stream().map(event -> event.at().truncatedTo(ChronoUnit.DAYS)).distinct().count() > 1;
        Map<String, Kind> kinds = templates.table("timeline.json", Kind.class);
        Set<String> suspected = new HashSet<>();
        all = events.stream().map(event -> Row.of(event, kinds.getOrDefault(kind(event, suspected), NOTE), dated))
                .toList();
        all.forEach(row -> row.kind.moment.ifPresent(moment -> moments.putIfAbsent(moment, row)));
        Stream.of(Moment.BEGAN, Moment.DETECTED, Moment.ACKNOWLEDGED, Moment.MITIGATED).map(moments::get)
                .filter(Objects::nonNull).findFirst().ifPresent(row -> moments.put(Moment.BEGAN, row));
        restored().ifPresent(row -> moments.put(Moment.RESTORED, row));
    }

    // Watch tells of a recovery once it held: the moment it began is an event of its own, with the runbook's words.
    private static Stream<Event> heldSince(Event event) {
        Optional<Instant> since = event.event().equals(Event.RECOVERED) ? event.time("goodSince") : Optional.empty();
        if (since.isEmpty() || !since.get().isBefore(event.at())) {
            return Stream.of(event);
        }
        String begins = "all checks good from here on";
        return Stream.of(new Event(since.get(), event.step(), event.event(), begins, event.data()),
                new Event(event.at(), event.step(), STABLE, event.summary(), Json.object()));
    }

    // What our checks found is no alert; what they take for the cause is suspected, until a person names it.
    private static String kind(Event event, Set<String> suspected) {
        if (event.event().equals(Event.DETECTED)) {
            boolean own = event.step().equals("watch")
                    || event.step().equals("triage") && event.summary().startsWith("triage found");
            return own ? "failed-check" : Event.DETECTED;
        } else if (found(event)) {
            return suspected.add(diagnosis(event)) ? "suspected" : "suspected-again";
        }
        return event.event();
    }

    /** The recovery after which it never failed again; those before it become relapses. */
    private Optional<Row> restored() {
        Row good = null;
        for (Row row : all) {
            if (row.is(Event.RECOVERED) || row.is(STABLE)) {
                good = good == null ? row : good;
            } else if (good != null && row.event.failing()) {
                relapses.add(new Relapse(good, row));
                good = null;
            }
        }
        return Optional.ofNullable(good);
    }

    // ---- single events

    /** The diagnosis that a check came to; empty for a cause that a person named. */
    static String diagnosis(Event event) {
        return event.data().path("diagnosis").asText("");
    }

    static boolean found(Event event) {
        return event.event().equals(Event.DIAGNOSED) && !diagnosis(event).isEmpty();
    }

    // ---- what counts

    /** Rows for people. Of a rotation's steps those that failed are told; of too many events, milestones first. */
    List<Row> rows() {
        return all.stream().filter(row -> !row.is(Event.ROTATION_STEP)
                || row.event.data().path("outcome").asText().equals("failed"))
                .sorted(Comparator.comparing(row -> row.kind == NOTE)).limit(MOST_ROWS)
                .sorted(Comparator.comparing(Row::at)).toList();
    }

    /** Empty when nothing recorded it. */
    Optional<Row> moment(Moment moment) {
        return Optional.ofNullable(moments.get(moment));
    }

    /** What was seen or done last, where it is one of some: failing, mitigated, well. Whether it held nobody knows. */
    Optional<Row> last(String some) {
        return all.stream().filter(row -> seen(row.event).matches("failing|flapping|mitigated|recovering|healthy"))
                .reduce((one, later) -> later).filter(row -> seen(row.event).matches(some));
    }

    private static String seen(Event event) {
        String known = event.mitigating() ? "mitigated" : event.data().path("kind").asText(diagnosis(event));
        return event.failing() ? "failing" : known;
    }

    /** From one moment to another, in minutes as they are shown; negative where that came first. */
    Optional<Duration> between(Moment from, Moment to) {
        return moment(from).flatMap(start -> moment(to).map(end -> Duration.between(
                start.at().truncatedTo(ChronoUnit.MINUTES), end.at().truncatedTo(ChronoUnit.MINUTES))));
    }

    /** When it was over: restored, else the last that was recorded before somebody closed it. */
    Optional<Instant> ended() {
        return moment(Moment.RESTORED).or(() -> all.stream().takeWhile(row -> !row.is(Event.CLOSED))
                .reduce((one, later) -> later)).map(Row::at);
    }

    /** {@code 2026-11-20 03:04}, UTC. */
    static String full(Instant at) {
        return at.toString().substring(0, 16).replace('T', ' ');
    }

    /** {@code 03:04}, UTC. */
    static String clock(Instant at) {
        return full(at).substring(11);
    }

    /** {@code 1 hour 6 minutes}, {@code 41 minutes}, {@code 3 minutes before}: the runbook's form. */
    static String words(Duration duration) {
        long minutes = duration.abs().toMinutes();
        String hours = minutes < 60 ? "" : Text.count(minutes / 60, "hour");
        String rest = minutes % 60 == 0 ? "" : Text.count(minutes % 60, "minute");
        String words = minutes == 0 ? "less than a minute" : (hours + " " + rest).strip();
        return words + (duration.isNegative() ? " before" : "");
    }

    // ---- the picture

    /** The picture to scale; empty when there is nothing to show. What came long after it was over is left out. */
    Optional<Chart> chart() {
        if (all.isEmpty()) {
            return Optional.empty();
        }
        Instant begin = all.get(0).at();
        Instant last = all.get(all.size() - 1).at();
        Instant end = moment(Moment.RESTORED).map(row -> row.at().plus(AFTERMATH)).filter(last::isAfter).orElse(last);
        List<Row> seen = all.stream().filter(row -> row.kind != NOTE && !row.at().isAfter(end)).toList();
        return Optional.of(new Chart("event", "Timeline", begin, end, seen.stream().map(Timeline::mark).toList(),
                List.of()));
    }

    private static Chart.Mark mark(Row row) {
        String colon = row.label.isEmpty() || row.text.isEmpty() ? "" : ": ";
        Shape shape = row.event.failing() ? Shape.WORSE : Shape.of(row.event.event());
        return new Chart.Mark(row.at(), shape, row.event.event(), row.label + colon + row.text, row.source);
    }
}
