package runbook;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;

/**
 * What the two messages say. {@link #of} knows what the diagnosis implies; the {@code with…} methods replace what
 * somebody knows better. Nothing is said to be done before the incident's state has it that something was.
 *
 * @param severity {@code P1} to {@code P4}, or empty when not known
 * @param state    where the incident stands
 * @param at       when the message is written
 * @param words    impact, cause, action, and what customers notice
 * @param lead     the incident lead's name, empty when nobody has it
 * @param eta      when it should be over; {@code unknown} unless somebody knows
 * @param next     when the next message comes; empty for the last one
 * @param dataLoss what is known about lost data
 * @param drill    the drill's scenario, empty in earnest
 */
public record Announcement(String severity, State state, Instant at, Words words, String lead, String eta,
                           Optional<Instant> next, DataLoss dataLoss, Optional<String> drill) {
    /**
     * What a diagnosis implies: nobody leads yet, the end is unknown, and the next message comes by the {@link Cadence}
     * of an incident that began now. A resolved one announces no next message.
     *
     * @param diagnosis as {@code triage --json} names it
     */
    public static Announcement of(String diagnosis, String severity, State state, Instant at) {
        boolean over = state == State.RESOLVED;
        Announcement plain = new Announcement(severity, state, at, Wording.of(diagnosis), "", over ? "resolved" : "unknown",
                over ? Optional.empty() : Optional.of(Cadence.next(at, at)),
                state == State.MITIGATING ? DataLoss.NOT_EXPECTED : DataLoss.CHECKING,
                Optional.empty());
        return plain.withAction((state == State.MITIGATING ? "Under way: " : "To do: ") + plain.words().action());
    }

    /**
     * The same, of an incident with a journal: its lead, the next message by how long it has lasted, and, while it is
     * being mitigated, what was done last as the current action.
     */
    public static Announcement of(String diagnosis, String severity, State state, Instant at, List<Event> journal) {
        Announcement plain = of(diagnosis, severity, state, at).withLead(Incident.lead(journal));
        if (state == State.RESOLVED || journal.isEmpty()) {
            return plain;
        }
        Instant began = journal.stream().map(Event::at).min(Instant::compareTo).orElse(at);
        Announcement due = plain.withNext(Cadence.next(began, at));
        Optional<Event> done = journal.stream().filter(Event::mitigating).reduce((one, later) -> later);
        return state != State.MITIGATING || done.isEmpty()
                ? due
                : due.withAction("Done at " + minute(done.get().at()) + ": " + done.get().summary());
    }

    static String minute(Instant at) {
        return at.truncatedTo(ChronoUnit.MINUTES).toString().replace(":00Z", "Z");
    }

    /** With an incident lead; a leading {@code @} is dropped, and nobody's name leaves whoever it is. */
    public Announcement withLead(String name) {
        String bare = name == null ? "" : name.strip().replaceFirst("^@+", "");
        return new Announcement(severity, state, at, words, bare.isEmpty() ? lead : bare, eta, next, dataLoss, drill);
    }

    /** With the time that somebody knows it to be over by. */
    public Announcement withEta(String known) {
        return new Announcement(severity, state, at, words, lead, known, next, dataLoss, drill);
    }

    /** With the time of the next message. */
    public Announcement withNext(Instant due) {
        return new Announcement(severity, state, at, words, lead, eta, Optional.of(due), dataLoss, drill);
    }

    /** With what is known about lost data. */
    public Announcement withDataLoss(DataLoss known) {
        return new Announcement(severity, state, at, words, lead, eta, next, known, drill);
    }

    /** In a drill. */
    public Announcement withDrill(Optional<String> scenario) {
        return new Announcement(severity, state, at, words, lead, eta, next, dataLoss, scenario);
    }

    /** With the impact in somebody's own words; the external text keeps to the table. */
    public Announcement withImpact(String impact) {
        return withWords(new Words(impact, words.rootCause(), words.action(), words.customers(), words.queued()));
    }

    /** With the cause in somebody's own words; the external text never names one. */
    public Announcement withRootCause(String cause) {
        return withWords(new Words(words.impact(), cause, words.action(), words.customers(), words.queued()));
    }

    /** With what is being done right now; the external text never says. */
    public Announcement withAction(String action) {
        return withWords(new Words(words.impact(), words.rootCause(), action, words.customers(), words.queued()));
    }

    private Announcement withWords(Words other) {
        return new Announcement(severity, state, at, other, lead, eta, next, dataLoss, drill);
    }
}
