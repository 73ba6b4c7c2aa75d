package runbook.redact;

import java.util.List;
import java.util.regex.Pattern;

/**
 * One kind of thing that must not leave.
 *
 * @param id       names it in pseudonyms ({@code email-3f9a2c}), counts and {@code --keep}
 * @param personal personal data, which {@code --keep} may let through; a secret it may not
 * @param triggers what every match contains, in the notation of {@link Trigger#parse}
 * @param lead     how far left of the trigger a match may begin
 * @param form     what a match looks like from there; what is replaced is its group {@code v…}, else group 1, else all
 * @param same     which differently written values are the same one
 * @param matches  a sample that must match
 * @param spares   a sample that must not
 */
record Rule(
        String id,
        boolean personal,
        List<String> triggers,
        Lead lead,
        String form,
        Same same,
        String matches,
        String spares) {
    /** How far left of its trigger a match may begin. */
    enum Lead {
        /** It begins at the trigger. */
        NONE,
        /** The local part of an address before the trigger belongs to it; the form describes what follows. */
        LOCAL_PART,
        /** It begins with the digits and dots before the trigger. */
        DIGITS,
        /** It begins with the hexadecimal digits and colons before the trigger. */
        HEX_GROUPS
    }

    /** Which differently written values get the same pseudonym. */
    enum Same { AS_WRITTEN, ANY_CASE, DIGITS }

    // (?d): only a line feed ends a line. Without it a "next line" (0x85) inside a UTF-8 letter would.
    Pattern compile() {
        return Pattern.compile("(?d)" + FlatSets.of(form));
    }
}
