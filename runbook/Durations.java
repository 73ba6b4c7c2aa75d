package runbook;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations as people write and read them: {@code 500ms}, {@code 5s}, {@code 2m}, {@code 1h30m}, {@code 2d}. */
public final class Durations {
    private static final Duration LONGEST = Duration.ofDays(3_650);
    private static final Pattern FORM =
            Pattern.compile("(?:(\\d{1,9})d)?(?:(\\d{1,9})h)?(?:(\\d{1,9})m(?!s))?(?:(\\d{1,9})s)?(?:(\\d{1,9})ms)?");

    private Durations() { }

    /**
     * Reads a duration.
     *
     * @throws IllegalArgumentException with the accepted forms in its message, when the text is none of them,
     *     zero, or more than ten years
     */
    public static Duration parse(String text) {
        Matcher parts = FORM.matcher(text.strip());
        if (text.isBlank() || !parts.matches()) {
            throw refused(text, text.strip().equals("0") ? "has to be more than 0" : "is no duration");
        }
        Duration duration = Duration.ofDays(number(parts, 1)).plusHours(number(parts, 2)).plusMinutes(number(parts, 3))
                .plusSeconds(number(parts, 4)).plusMillis(number(parts, 5));
        if (duration.isZero() || duration.compareTo(LONGEST) > 0) {
            throw refused(text, duration.isZero() ? "has to be more than 0" : "is longer than ten years");
        }
        return duration;
    }

    private static IllegalArgumentException refused(String text, String why) {
        return new IllegalArgumentException("'" + Text.safe(text, 40) + "' " + why + ": write 500ms, 5s, 2m or 1h30m");
    }

    private static long number(Matcher parts, int group) {
        return parts.group(group) == null ? 0 : Long.parseLong(parts.group(group));
    }

    /** The shortest reading that keeps two units: {@code 340 ms}, {@code 4.2 s}, {@code 2 min 5 s}, {@code 1 h 30 min}, {@code 3 d 4 h}. */
    public static String words(Duration duration) {
        long millis = duration.toMillis();
        if (millis < 1_000) {
            return millis + " ms";
        }
        if (millis < 10_000 && millis % 1_000 >= 100) {
            return millis / 1_000 + "." + millis % 1_000 / 100 + " s";
        }
        long seconds = duration.toSeconds();
        if (seconds < 60) {
            return seconds + " s";
        }
        if (seconds < 3_600) {
            return pair(seconds / 60, "min", seconds % 60, "s");
        }
        if (seconds < 86_400) {
            return pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min");
        }
        return pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h");
    }

    private static String pair(long large, String largeUnit, long small, String smallUnit) {
        return large + " " + largeUnit + (small == 0 ? "" : " " + small + " " + smallUnit);
    }
}
