package runbook.bundle;

import java.util.Map;
import java.util.stream.Collectors;
import runbook.Settings.Problem;

/** What was collected could not be made safe to share: it has been deleted. */
public final class Unsafe extends Problem {
    /** The exit code for it (DESIGN). */
    public static final int REFUSED = 42;

    /** @param found files, and what was found in them; never a value */
    Unsafe(String found) {
        super(REFUSED, "refused: " + found + ". The archive was deleted; please report the rule and the file's kind");
    }

    static String words(Verification verification) {
        String leaks = verification.leaks().entrySet().stream()
                .limit(5)
                .map(leak -> leak.getKey() + " (" + rules(leak.getValue()) + ")")
                .collect(Collectors.joining(", "));
        return leaks.isEmpty()
                ? String.join("; ", verification.problems())
                : "secrets or personal data were left in " + leaks;
    }

    private static String rules(Map<String, Long> counts) {
        return counts.entrySet().stream()
                .map(count -> count.getValue() + " " + count.getKey())
                .collect(Collectors.joining(", "));
    }
}
