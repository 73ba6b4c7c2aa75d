package runbook.watching;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import runbook.Text.Json;
import runbook.Checks.Findings;
import runbook.Incident.Event;
import runbook.Verdict;

/** Carries what happened to the journal, to the screen and to people: to each once, and in this order. */
final class Herald {
    private final Face face;
    private final Scribe scribe;
    private final Telling telling;
    private final Past past;
    private final Ticker ticker;
    private final Instant start;
    private State told;
    private long due;

    /**
     * @param told  the state that people know of
     * @param start what the ticker's milliseconds count from
     * @param due   when, by the ticker, people have to be told again
     */
    Herald(Face face, Scribe scribe, Telling telling, Past past, State told, Ticker ticker, Instant start, long due) {
        this.face = face;
        this.scribe = scribe;
        this.telling = telling;
        this.past = past;
        this.told = told;
        this.ticker = ticker;
        this.start = start;
        this.due = due;
    }

    /** A happening; {@code findings} is the round that brought it about, where there is one. */
    void happened(Happening happening, Optional<Findings> findings) {
        boolean news = !saidBefore(happening);
        Optional<Event> event = news
                ? scribe.write(
                        happening,
                        this::clock,
                        happening.changesState() ? telling.channels() : Set.of(),
                        happening instanceof Happening.Degraded ? diagnosis(findings) : Map.of())
                : Optional.empty();
        face.event(
                event.map(Event::at).orElseGet(() -> Instant.now().truncatedTo(ChronoUnit.MILLIS)),
                happening.kind(),
                happening.words(),
                event.map(Event::data).orElseGet(() -> Json.of(happening.details(this::clock))));
        if (happening.changesState()) {
            State before = told;
            told = State.of(happening.kind());
            face.state(told);
            if (news) {
                telling.change(event, told, before, happening.words());
                due = ticker.millis() + telling.remind().toMillis();
            }
        }
    }

    // Whoever looks after it was said hears it, but it is not said a second time.
    private boolean saidBefore(Happening happening) {
        return happening instanceof Happening.Recovered
                && told == State.STARTING
                && past.state() == State.RECOVERED
                && !past.troubled();
    }

    /** What triage would call it, for an incident that no triage has looked at. */
    private Map<String, Object> diagnosis(Optional<Findings> findings) {
        Map<String, Object> data = new LinkedHashMap<>();
        if (past.severity().isEmpty()) {
            findings.map(Verdict::of).ifPresent(verdict -> {
                data.put("diagnosis", verdict.diagnosis().id());
                verdict.severity().ifPresent(severity -> data.put("severity", severity.name()));
            });
        }
        return data;
    }

    /** Tells people that it still lasts, when that is due. */
    void remind(State state) {
        if (ticker.millis() >= due && telling.channels().contains(Messenger.SLACK)) {
            due = ticker.millis() + telling.remind().toMillis();
            telling.remind(state);
        }
    }

    /** When, by the ticker, people have to be told again. */
    long due() {
        return due;
    }

    private Instant clock(long millis) {
        return start.plusMillis(millis).truncatedTo(ChronoUnit.MILLIS);
    }
}
