package runbook.watching;

/**
 * What is known of one check in a round.
 *
 * @param check  its name as triage has it
 * @param result what its newest look gave
 * @param fresh  whether that look was made in this round; a check whose quota is spent waits, and keeps its last result
 * @param millis how long that look took
 * @param words  why, in one line that is safe to print
 */
public record Reading(String check, Result result, boolean fresh, long millis, String words) {
    /** What a look can give: {@link #UNKNOWN} was not made (nothing to ask, or not yet). */
    public enum Result { GOOD, BAD, UNKNOWN }

    boolean failed() {
        return fresh && result == Result.BAD;
    }

    boolean leftBad() {
        return !fresh && result == Result.BAD;
    }

    boolean passed() {
        return fresh && result == Result.GOOD;
    }

    Reading stale() {
        return new Reading(check, result, false, millis, words);
    }
}
