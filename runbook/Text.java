package runbook;

import java.util.regex.Pattern;

/** Text from outside, made fit to print: it can neither move the cursor nor carry a Klaviyo private key. */
public final class Text {
    // Cc: controls (ESC among them); Cf: bidirectional overrides and zero-width marks; Zl, Zp: line separators.
    private static final Pattern UNSAFE = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Cs}\\s]+");

    private Text() { }

    /**
     * One printable line of at most {@code max} characters: runs of white space and control characters become one
     * space, private keys are masked, and what is cut ends in an ellipsis.
     */
    public static String safe(String text, int max) {
        if (text == null) {
            return "";
        }
        // Bounded before the pattern sees it: the text may be an error page of a megabyte.
        String head = text.length() > 4L * max + 256 ? text.substring(0, 4 * max + 256) : text;
        String line = Key.mask(UNSAFE.matcher(head).replaceAll(" ").strip());
        return line.length() <= max ? line : line.substring(0, Math.max(0, max - 1)).stripTrailing() + "…";
    }

    /** {@code 1 request}, {@code 3 requests}. */
    public static String count(long number, String noun) {
        return number + " " + noun + (number == 1 ? "" : "s");
    }

    /** A text as one word of a shell's command line. */
    public static String word(String text) {
        return text.matches("[A-Za-z0-9_@%+=:,./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
