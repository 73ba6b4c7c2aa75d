package runbook.bundle;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as people write and read them: {@code 200 MB}, in decimal units. */
public final class Bytes {
    private static final Pattern FORM = Pattern.compile("(?i)(\\d{1,9})\\s*(b|kb|mb|gb)?");

    private Bytes() { }

    /** {@code 512 B}, {@code 3.4 MB}. */
    public static String words(long bytes) {
        if (bytes < 1000) {
            return bytes + " B";
        }
        double value = bytes;
        String unit = "B";
        for (String larger : new String[] {"kB", "MB", "GB", "TB"}) {
            if (value < 1000) {
                break;
            }
            value /= 1000;
            unit = larger;
        }
        return String.format(Locale.ROOT, value < 10 ? "%.1f %s" : "%.0f %s", value, unit);
    }

    /**
     * Reads a size.
     *
     * @throws IllegalArgumentException with the accepted forms in its message
     */
    public static long parse(String text) {
        Matcher parts = FORM.matcher(text.strip());
        if (!parts.matches() || parts.group(1).matches("0+")) {
            throw new IllegalArgumentException("'" + runbook.Text.safe(text, 40) + "' is no size: write 500kB, 200MB or 1GB");
        }
        String unit = parts.group(2) == null ? "b" : parts.group(2).toLowerCase(Locale.ROOT);
        return Long.parseLong(parts.group(1)) * switch (unit) {
            case "kb" -> 1_000L;
            case "mb" -> 1_000_000L;
            case "gb" -> 1_000_000_000L;
            default -> 1L;
        };
    }
}
