package runbook;

import java.util.List;
import java.util.Locale;

/** Where an incident stands, in the runbook's words. */
public enum State {
    /** Something is wrong and nothing has helped yet. */
    INVESTIGATING,
    /** Something was done against it; it is not over. */
    MITIGATING,
    /** It works again. */
    RESOLVED;

    /** The state that a journal's events add up to: what happened last decides. */
    public static State of(List<Event> events) {
        State state = INVESTIGATING;
        for (Event event : events) {
            state = switch (event.event()) {
                case Event.MITIGATED, Event.ROTATED -> MITIGATING;
                case Event.DETECTED, Event.DIAGNOSED, Event.DEGRADED ->
                        state == RESOLVED && event.failing() ? INVESTIGATING : state;
                case Event.RECOVERED, Event.CLOSED -> RESOLVED;
                default -> state;
            };
        }
        return state;
    }

    /** {@code investigating}, {@code mitigating}, {@code resolved}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
