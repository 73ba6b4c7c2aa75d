package runbook.sandbox;

import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Klaviyo.Revision;

/** The revisions that Klaviyo has released (branches of github.com/klaviyo/openapi), and how it answers others. */
final class Revisions {
    private static final Pattern FORM = Pattern.compile("\\d{4}-\\d{2}-\\d{2}(\\.pre)?");
    private static final List<LocalDate> RELEASED = Stream.of("2022-10-17", "2023-01-24", "2023-02-22", "2023-06-15",
            "2023-07-15", "2023-08-15", "2023-09-15", "2023-10-15", "2023-12-15", "2024-02-15", "2024-05-15", "2024-06-15",
            "2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15", "2026-01-15", "2026-04-15",
            "2026-07-15", "2026-10-15").map(LocalDate::parse).toList();
    /** The API keys came with this one. */
    private static final Revision BETA = new Revision(LocalDate.of(2026, 7, 15), true);

    private Revisions() { }

    /** Today, but never before the newest release: a machine whose clock is slow must still be able to drill. */
    static LocalDate today() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        LocalDate newest = RELEASED.get(RELEASED.size() - 1);
        return today.isBefore(newest) ? newest : today;
    }

    /** The newest revision that is in this phase of its life today. */
    static Optional<String> newest(Revision.Phase phase) {
        return RELEASED.stream().map(date -> new Revision(date, false)).filter(revision -> revision.phase(today()) == phase)
                .reduce((older, newer) -> newer).map(Revision::toString);
    }

    /** Reads the header, or refuses it. */
    static Revision read(String header) {
        if (header == null || header.isBlank()) {
            throw KlaviyoErrors.revision(400, "A revision header is required, such as revision: " + Revision.NEWEST + ".");
        }
        Revision revision = Optional.of(header).filter(text -> FORM.matcher(text).matches()).flatMap(Revision::of)
                .orElseThrow(() -> KlaviyoErrors.revision(400, "The revision must have the form YYYY-MM-DD[.suffix]."));
        if (revision.phase(today()) == Revision.Phase.FUTURE) {
            throw KlaviyoErrors.revision(404, "Unable to specify a future revision date");
        }
        return revision;
    }

    /**
     * Refuses a revision that does not have this operation. What the real API answers to a retired date is not
     * documented; 410 is what its retired v1 and v2 calls answered.
     */
    static void check(Revision revision, Optional<Route> route) {
        if (revision.phase(today()) == Revision.Phase.RETIRED) {
            throw KlaviyoErrors.revision(410, "The revision " + revision + " has been retired and is no longer in service.");
        }
        boolean offered = route.isPresent() && (route.get().beta() ? revision.equals(BETA)
                : RELEASED.contains(revision.date()));
        if (!offered) {
            throw KlaviyoErrors.revision(404, "No valid revisions found for method");
        }
    }
}
