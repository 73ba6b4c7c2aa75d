package runbook.bundle;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import runbook.Text;
import runbook.Verdict;

/**
 * What a bundle tells, for its two front pages.
 *
 * @param created  when it was made
 * @param drill    the scenario, or null
 * @param window   the time it is about
 * @param verdict  triage's, or null when there is none
 * @param vendor   incidents of the vendor's in the window, a line each
 * @param plots    metrics
 * @param logs     what the logs tell
 * @param outcomes how the collectors ended
 * @param kept     rules that were relaxed
 * @param redacted how many values were replaced
 */
record Story(
        Instant created,
        String drill,
        Window window,
        Verdict verdict,
        List<String> vendor,
        List<Plot> plots,
        LogStory logs,
        List<Outcome> outcomes,
        List<String> kept,
        long redacted) {
    String headline() {
        return verdict == null
                ? "No verdict: triage did not come to an end"
                : verdict.severity().map(Enum::name).map(level -> level + ": ").orElse("") + verdict.title();
    }

    /** {@code summary.md}. */
    String markdown() {
        List<String> lines = new ArrayList<>();
        lines.add("# " + (drill == null ? "" : "DRILL: ") + "Klaviyo debug bundle, "
                + created.truncatedTo(ChronoUnit.SECONDS));
        lines.add("");
        lines.add("**" + escaped(headline()) + "**");
        Optional.ofNullable(verdict).ifPresent(found -> lines.add("\n" + escaped(found.reason())));
        lines.add("\nWindow: " + window.from().truncatedTo(ChronoUnit.SECONDS) + " to "
                + window.to().truncatedTo(ChronoUnit.SECONDS) + " (UTC). `report.html` tells the same with plots.");
        lines.add("\nSecrets and personal data were replaced by pseudonyms (" + redacted + " places)"
                + (kept.isEmpty() ? "." : ", **except " + String.join(", ", kept) + "**."));
        section(
                lines,
                "Klaviyo's status page",
                vendor.stream().map(Story::escaped).toList(),
                "No incident in the window.");
        section(
                lines,
                "Errors in the logs, by status",
                logs.statuses().entrySet().stream()
                        .map(entry -> "HTTP " + entry.getKey() + ": " + Text.count(entry.getValue(), "line"))
                        .toList(),
                "None seen.");
        section(
                lines,
                "Most frequent error lines",
                logs.mostFrequent(10).stream()
                        .map(line -> line.count() + " × `" + line.example().replace('`', '\'') + "`")
                        .toList(),
                "None seen.");
        section(
                lines,
                "Waits asked for (429)",
                logs.waits().stream().limit(40).map(Story::words).toList(),
                "None seen.");
        section(
                lines,
                "What is missing",
                Manifest.missing(outcomes).stream().map(Story::escaped).toList(),
                "Nothing: every collector ended well.");
        section(
                lines,
                "What was collected",
                outcomes.stream()
                        .map(outcome -> escaped(outcome.collector() + ": " + outcome.words()))
                        .toList(),
                "Nothing.");
        return String.join("\n", lines) + "\n";
    }

    static String words(LogStory.Waiting waiting) {
        return waiting.at() + ": " + waiting.count() + " × 429"
                + (waiting.longest() > 0 ? ", longest Retry-After " + waiting.longest() + " s" : "");
    }

    private static void section(List<String> lines, String title, List<String> entries, String none) {
        lines.add("\n## " + title + "\n");
        lines.add(
                entries.isEmpty()
                        ? none
                        : entries.stream().map(entry -> "- " + entry).collect(Collectors.joining("\n")));
    }

    private static String escaped(String text) {
        return text.replaceAll("([\\\\`*_\\[\\]<>#|])", "\\\\$1");
    }
}
