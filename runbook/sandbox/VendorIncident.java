package runbook.sandbox;

import java.util.List;

/**
 * What Klaviyo's status page says over time.
 *
 * @param impact      the page's indicator while it lasts: minor, major, critical or maintenance
 * @param components  the names of the components that it touches
 * @param updates     oldest first
 */
record VendorIncident(String name, String impact, List<String> components, List<Update> updates) {
    /**
     * One update.
     *
     * @param atSecond        seconds after the scenario began; negative for before
     * @param componentStatus what the touched components show from then on
     */
    record Update(int atSecond, String status, String componentStatus, String body) { }

    /** The updates that are out by a moment, oldest first. */
    List<Update> published(long millis) {
        return updates.stream().filter(update -> update.atSecond() * 1000L <= millis).toList();
    }

    boolean maintenance() {
        return impact.equals("maintenance");
    }
}
