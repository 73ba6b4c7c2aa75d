package runbook;

import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.Optional;

/**
 * An API revision and its life. Klaviyo's policy: stable for a year, deprecated for another, retired two years after
 * release (developers.klaviyo.com, API versioning and deprecation policy).
 *
 * @param date when it was released
 * @param beta whether it carries the {@code .pre} suffix of beta endpoints
 */
public record Revision(LocalDate date, boolean beta) {
    /** The newest stable revision known to this toolkit. */
    public static final Revision NEWEST = new Revision(LocalDate.of(2026, 10, 15), false);

    /** Where a revision is in its life. */
    public enum Phase { FUTURE, STABLE, DEPRECATED, RETIRED }

    /** Reads {@code 2026-07-15} or {@code 2026-07-15.pre}; empty when it is neither. */
    public static Optional<Revision> of(String text) {
        boolean beta = text.endsWith(".pre");
        try {
            return Optional.of(new Revision(LocalDate.parse(beta ? text.substring(0, text.length() - 4) : text), beta));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    /** Its phase on a day (UTC). */
    public Phase phase(LocalDate today) {
        if (date.isAfter(today)) {
            return Phase.FUTURE;
        }
        if (!today.isBefore(retires())) {
            return Phase.RETIRED;
        }
        return today.isBefore(deprecated()) ? Phase.STABLE : Phase.DEPRECATED;
    }

    /** The first day on which it is deprecated. */
    public LocalDate deprecated() {
        return date.plusYears(1);
    }

    /** The first day on which it is retired. */
    public LocalDate retires() {
        return date.plusYears(2);
    }

    @Override
    public String toString() {
        return date + (beta ? ".pre" : "");
    }
}
