package runbook.rotation;

import java.time.Duration;

/** Waiting that an interrupt ends. */
final class Pause {
    private Pause() { }

    /** Whether the whole time was waited. */
    static boolean of(Duration duration) {
        try {
            Thread.sleep(duration.toMillis());
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
