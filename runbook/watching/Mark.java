package runbook.watching;

import java.time.Instant;
import runbook.Incident.Event;

/**
 * A journal's event as it stands on a chart.
 *
 * @param at    when it happened; for the vendor's updates, the vendor's own time
 * @param shape what kind it is, told by the form and not by a colour
 * @param step  who wrote it
 * @param name  what it is
 * @param words its summary
 */
record Mark(Instant at, Shape shape, String step, String name, String words) {
    /** The forms, each with the outline that is drawn around 0,0. */
    enum Shape {
        WORSE("worse", "M-10,-8 L10,-8 L0,9 Z", 1.5), BETTER("better", "M-10,8 L10,8 L0,-9 Z", 6.5),
        VENDOR("Klaviyo's status page", "M0,-9 L9,0 L0,9 L-9,0 Z", 3.5), OTHER("other", "M-7,-7 L7,-7 L7,7 L-7,7 Z", 3.5);

        final String words;
        final String path;
        /** The baseline of the number in it. */
        final double middle;

        Shape(String words, String path, double middle) {
            this.words = words;
            this.path = path;
            this.middle = middle;
        }
    }

    static Mark of(Event event) {
        String kind = event.data().path("kind").asText(event.event());
        boolean vendor = kind.equals("status-page");
        Instant at = event.at();
        try {
            at = vendor ? Instant.parse(event.data().path("vendorAt").asText()) : at;
        } catch (java.time.DateTimeException e) {
            // Without the vendor's own time, when it was seen is the next best.
        }
        Shape shape = vendor ? Shape.VENDOR : switch (kind) {
            case "detected", "degraded", "flapping", "blip", "gap" -> Shape.WORSE;
            case "recovering", "recovered", "mitigated", "rotated" -> Shape.BETTER;
            default -> Shape.OTHER;
        };
        return new Mark(at, shape, event.step(), kind, event.summary());
    }
}
