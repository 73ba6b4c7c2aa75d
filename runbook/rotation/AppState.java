package runbook.rotation;

import java.util.Optional;
import runbook.OurSide.AppHealth;

/**
 * How our application does.
 *
 * @param health      what its health endpoint says
 * @param words       the same for one line
 * @param fingerprint of the key it says it uses ({@code keyFingerprint} in its health body); empty where it does not say
 * @param errors      errors it got from Klaviyo within the last minute; -1 where nobody counts
 */
record AppState(AppHealth.State health, String words, Optional<String> fingerprint, long errors) {
    static final long UNCOUNTED = -1;

    boolean asked() {
        return health != AppHealth.State.NOT_ASKED;
    }

    boolean healthy() {
        return !asked() || health == AppHealth.State.HEALTHY;
    }

    /** The same with another health: how it was before an earlier run. */
    AppState asIf(AppHealth.State earlier) {
        return new AppState(earlier, words, fingerprint, errors);
    }

    boolean noWorseThan(AppState before) {
        return healthy() || health.compareTo(before.health) <= 0;
    }

    /** Whether it still uses a key other than this one. */
    boolean uses(String expected) {
        return fingerprint.map(expected::equals).orElse(true);
    }
}
