package runbook.watching;

import java.util.Locale;

/** Where things stand, as far as the rounds show. */
public enum State {
    /** No round has decided anything yet. */
    STARTING,
    /** Good so far, and nothing was wrong before. */
    HEALTHY,
    /** {@code --fail-after} rounds in a row failed. */
    DEGRADED,
    /** Good again; not everything that recovery asks for is there yet. */
    RECOVERING,
    /** It came back and fell again, more than once in a short time. */
    FLAPPING,
    /** Every condition holds. The end of a watch. */
    RECOVERED;

    /** {@code degraded}: how options, journal and JSON call it. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The state of that word; {@link #STARTING} when there is none. */
    static State of(String word) {
        for (State state : values()) {
            if (state.word().equals(word)) {
                return state;
            }
        }
        return STARTING;
    }
}
