package runbook.report;

import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.redact.Redactor;

/** An incident's journal as people write in it. What they paste loses what an incident folder must not hold. */
public final class Notebook {
    private static final int LONGEST_TEXT = 1_000;
    private static final int LONGEST_NAME = 80;

    private final Incident incident;
    private final List<Event> events;
    private final Optional<String> drill;

    private Notebook(Incident incident, List<Event> events, Optional<String> drill) {
        this.incident = incident;
        this.events = events;
        this.drill = drill;
    }

    /**
     * Opens it; a missing journal is an empty one.
     *
     * @param drill the drill that is on, where the journal does not say
     * @throws Problem when the journal cannot be read
     */
    public static Notebook of(Incident incident, Optional<String> drill) {
        try {
            List<Event> events = incident.journal().read().events();
            return new Notebook(
                    incident, events, Optional.of(Incident.drill(events)).filter(name -> !name.isEmpty()).or(() -> drill));
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be read: " + Incident.why(e));
        }
    }

    /** The incident's folder. */
    public Incident incident() {
        return incident;
    }

    /** What the journal held when it was opened. */
    public List<Event> events() {
        return events;
    }

    /** The drill's scenario; empty in earnest. */
    public Optional<String> drill() {
        return drill;
    }

    /** The time of the first event. */
    public Optional<Instant> began() {
        return events.stream().map(Event::at).min(Instant::compareTo);
    }

    /** When somebody closed it. */
    public Optional<Instant> closed() {
        return events.stream().filter(event -> event.event().equals(Event.CLOSED)).map(Event::at).findFirst();
    }

    /**
     * Adds an event, as it is.
     *
     * @throws Problem when the journal cannot be written
     */
    public void add(Instant at, String kind, String summary, Map<String, ?> data) {
        append(at, "postmortem", kind, summary, data);
    }

    /** Adds what somebody said, redacted; returns it as it was written down. */
    public String tell(Instant at, String kind, String text, Optional<String> by) {
        String said = Redactor.strict().text(Text.safe(text, LONGEST_TEXT));
        add(at, kind, said, by.map(name -> Map.of("by", name(name))).orElse(Map.of()));
        return said;
    }

    /** Writes down who leads, unless the journal has that already. */
    public void lead(Instant at, String given) {
        String name = name(given);
        if (!events.isEmpty() && !Incident.lead(events).equals(name)) {
            add(at, Event.NOTE, name + " leads the incident", Map.of("lead", name));
        }
    }

    /** Takes the events of a file that are not earlier or later than wanted and not there yet; returns how many. */
    public int take(EventsFile.Contents file, Instant first, Instant last) {
        Set<String> there = events.stream().map(event -> same(event.at(), event.summary())).collect(Collectors.toSet());
        Redactor redactor = Redactor.strict();
        int added = 0;
        for (Told told : file.told()) {
            String text = redactor.text(told.text());
            boolean wanted = !told.at().isBefore(first) && !told.at().isAfter(last);
            if (wanted && there.add(same(told.at(), text))) {
                Map<String, String> from = Map.of("from", file.form());
                Map<String, String> fromSomebody = Map.of("from", file.form(), "by", told.by());
                append(told.at(), "import", told.kind(), text, told.by().isEmpty() ? from : fromSomebody);
                added++;
            }
        }
        return added;
    }

    // Pseudonyms differ from run to run, so that they must not tell an event apart from itself.
    private static String same(Instant at, String text) {
        return at.truncatedTo(ChronoUnit.MILLIS) + text.replaceAll("-[0-9a-f]{6,}", "-");
    }

    /** A name as people are asked for it: one line, without the @ of a mention. */
    public static String name(String given) {
        return Text.safe(given, LONGEST_NAME).replaceFirst("^@+", "");
    }

    private void append(Instant at, String step, String kind, String summary, Map<String, ?> data) {
        Map<String, Object> all = new LinkedHashMap<>(data);
        drill.ifPresent(scenario -> all.put("drill", scenario));
        try {
            incident.append(new Event(at, step, kind, summary, Json.of(all)));
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be written: " + Incident.why(e));
        }
    }
}
