package runbook.watching;

import java.util.Locale;
import java.util.OptionalDouble;

/**
 * The retry queue of our application.
 *
 * @param now    calls that wait; empty when Prometheus did not say
 * @param before how many waited before the incident; empty when Prometheus has nothing from then
 * @param why    why {@code now} is empty; else empty
 */
public record Backlog(OptionalDouble now, OptionalDouble before, String why) {
    /** As a condition. Without a level from before, only an empty queue will do. */
    public Condition condition() {
        if (now.isEmpty()) {
            return new Condition("backlog", false, "retry backlog unknown: " + why);
        }
        double level = before.orElse(0);
        boolean met = now.getAsDouble() <= level;
        String was = before.isPresent()
                ? number(level) + " before the incident"
                : "nothing known from before the incident: 0 wanted";
        return new Condition("backlog", met, "retry backlog " + number(now.getAsDouble()) + ", " + was);
    }

    private static String number(double value) {
        return value == Math.rint(value)
                ? String.format(Locale.ROOT, "%.0f", value)
                : String.format(Locale.ROOT, "%.1f", value);
    }
}
