package runbook.watching;

import java.time.Duration;

/**
 * What counts as recovered, and what as failing.
 *
 * @param rounds    good rounds in a row ({@code --until})
 * @param lasting   over at least this long ({@code --for})
 * @param failAfter failed rounds in a row before it is more than a blip ({@code --fail-after})
 */
public record Goal(int rounds, Duration lasting, int failAfter) {
    private static final int FLAP_FACTOR = 5;

    /** How far back a fall still counts towards flapping: five times {@code --for}. */
    long flapWindow() {
        return FLAP_FACTOR * lasting.toMillis();
    }
}
