package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How long each part took. Definitions differ from team to team, so each stands beside its number; and one incident has
 * a time, not a mean.
 */
final class Measures {
    /** One measure: its name, from what to what, and what to record when it is not known. */
    private record Measure(String name, Optional<Instant> from, Optional<Instant> to, String definition, String howToFindOut) { }

    private Measures() { }

    static String markdown(Milestones moments) {
        List<String> lines = new ArrayList<>(List.of("| Measure | Took | Definition |", "| --- | --- | --- |"));
        for (Measure measure : all(moments)) {
            lines.add("| " + measure.name + " | " + value(measure) + " | " + measure.definition + " |");
        }
        lines.add(vendor(moments));
        return String.join("\n", lines);
    }

    private static List<Measure> all(Milestones moments) {
        return List.of(
                new Measure("Time to detect", moments.began(), moments.detected(),
                        "first sign of trouble in any record, to our first alert or failed check", record("detected")),
                new Measure("Time to acknowledge", moments.detected(), moments.acknowledged(),
                        "our first alert or failed check, to somebody taking it", record("acknowledged")),
                new Measure("Time to mitigate", moments.began(), moments.mitigated(),
                        "first sign of trouble, to the first thing done against it", record("mitigated")),
                new Measure("Time to resolve", moments.began(), moments.restored(),
                        "first sign of trouble, to service restored for good", record("recovered")));
    }

    private static String record(String kind) {
        return "unknown: `postmortem event \"…\" --kind " + kind + " --at HH:MM`";
    }

    private static String value(Measure measure) {
        return Milestones.between(measure.from, measure.to).map(Texts::duration).orElse(measure.howToFindOut);
    }

    private static String vendor(Milestones moments) {
        String value = Milestones.between(moments.began(), moments.vendorPosted()).isEmpty() ? "not acknowledged in any record"
                : lag(moments.began().get(), moments.vendorPosted().get());
        return "| Vendor's acknowledgement | " + value + " | first sign of trouble, to the first post on Klaviyo's status page |";
    }

    private static String lag(Instant began, Instant posted) {
        return posted.isBefore(began) ? Texts.duration(Duration.between(posted, began)) + " before our first sign"
                : Texts.duration(Duration.between(began, posted)) + " (" + Texts.full(posted) + ")";
    }
}
