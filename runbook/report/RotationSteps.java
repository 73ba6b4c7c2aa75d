package runbook.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import runbook.Text;

/**
 * A rotation's steps in one line: how many, from which to which, how they ended. Only what failed is told whole; the
 * journal has each. The keys' fingerprints stand in the event that ends the rotation.
 */
final class RotationSteps {
    private static final String FAILED = "failed";

    private RotationSteps() { }

    /** The steps together, then each that failed; in Markdown, for a table's cell. */
    static String told(List<Entry> steps) {
        String failures = steps.stream()
                .filter(step -> outcome(step).equals(FAILED))
                .map(step -> "<br>failed: " + Markdown.text(step.text()))
                .collect(Collectors.joining());
        return "Key rotation: " + Text.count(steps.size(), "step") + ", " + span(steps) + outcomes(steps) + failures;
    }

    private static String span(List<Entry> steps) {
        String first = name(steps.get(0));
        String last = name(steps.get(steps.size() - 1));
        return first.equals(last) ? first : first + " to " + last;
    }

    private static String outcomes(List<Entry> steps) {
        Map<String, Long> times = steps.stream().map(RotationSteps::outcome).filter(outcome -> !outcome.isEmpty())
                .collect(Collectors.groupingBy(outcome -> outcome, LinkedHashMap::new, Collectors.counting()));
        return times.isEmpty() ? "" : times.entrySet().stream().map(entry -> entry.getValue() + " " + entry.getKey())
                .collect(Collectors.joining(", ", " (", ")"));
    }

    private static String name(Entry step) {
        return Markdown.text(step.data().path("name").asText(step.text().replaceFirst("\\s.*", "")), 40);
    }

    private static String outcome(Entry step) {
        return Markdown.text(step.data().path("outcome").asText().toLowerCase(Locale.ROOT), 20);
    }
}
