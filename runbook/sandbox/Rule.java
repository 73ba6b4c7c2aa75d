package runbook.sandbox;

import java.util.Arrays;
import java.util.Optional;
import java.util.Set;

/** What a query parameter accepts. */
@FunctionalInterface
interface Rule {
    /** What is wrong with a value; empty when nothing is. */
    Optional<String> complaint(String value);

    static Rule any() {
        return value -> Optional.empty();
    }

    static Rule range(int min, int max) {
        return value -> value.matches("\\d{1,6}") && Integer.parseInt(value) >= min && Integer.parseInt(value) <= max
                ? Optional.empty()
                : Optional.of("Page size must be an integer between " + min + " and " + max + ".");
    }

    /** One of the words. */
    static Rule oneOf(String words) {
        Set<String> allowed = Set.of(words.split(" "));
        return value -> allowed.contains(value) ? Optional.empty() : Optional.of(refused(value, words));
    }

    /** A comma-separated list of the words. */
    static Rule listOf(String words) {
        Set<String> allowed = Set.of(words.split(" "));
        return value -> Arrays.stream(value.split(",", -1)).filter(item -> !allowed.contains(item)).findFirst()
                .map(item -> refused(item, words));
    }

    private static String refused(String value, String words) {
        return "'" + value + "' is not an allowed value. Valid choices are: " + words.replace(" ", ", ") + ".";
    }
}
