package runbook.sandbox;

import java.util.List;
import runbook.sandbox.VendorIncident.Update;

/** The texts of the status page, as a status page words them. */
final class VendorIncidents {
    private static final String INVESTIGATING = "We are investigating elevated error rates across Klaviyo's APIs.";
    private static final String IDENTIFIED = "The cause has been identified and a fix is being rolled out.";
    private static final String MONITORING = "A fix has been implemented and we are monitoring the results. "
            + "Requests that failed with a 503 must be retried.";
    private static final String RESOLVED = "This incident has been resolved. No accepted events were lost.";

    static final VendorIncident OUTAGE = new VendorIncident("Klaviyo API unavailable", "critical",
            List.of("Klaviyo API", "Flow Triggering", "Signup Forms"), List.of(
            new Update(-540, "investigating", "major_outage", INVESTIGATING),
            new Update(-120, "identified", "major_outage", IDENTIFIED)));

    static final VendorIncident DEGRADED = new VendorIncident("Elevated API latency", "minor",
            List.of("Klaviyo API"), List.of(
            new Update(-900, "investigating", "degraded_performance", "Some API requests take longer than usual.")));

    static final VendorIncident EVENT_DELAY = new VendorIncident("Delayed event processing", "minor",
            List.of("Flow Triggering", "Analytics", "Segmentation"), List.of(
            new Update(-1500, "investigating", "degraded_performance", "Events are accepted and processed late."),
            new Update(-600, "identified", "degraded_performance", "Events are queued. No data loss is expected.")));

    static final VendorIncident MAINTENANCE = new VendorIncident(
            "Scheduled database maintenance",
            "maintenance",
            List.of("Klaviyo API"),
            List.of(new Update(
                    -600,
                    "in_progress",
                    "under_maintenance",
                    "Scheduled maintenance is in progress. API calls may be slow.")));

    // The probes are good from second 15 on: the vendor's word lags behind, as it does in life.
    static final VendorIncident RECOVERING = new VendorIncident("Klaviyo API unavailable", "critical",
            List.of("Klaviyo API", "Flow Triggering"), List.of(
            new Update(-300, "investigating", "major_outage", INVESTIGATING),
            new Update(8, "identified", "major_outage", IDENTIFIED),
            new Update(18, "monitoring", "operational", MONITORING),
            new Update(28, "resolved", "operational", RESOLVED)));

    static final VendorIncident FLAPPING = new VendorIncident("Intermittent API errors", "major",
            List.of("Klaviyo API"), List.of(
            new Update(-240, "investigating", "partial_outage", INVESTIGATING),
            new Update(14, "identified", "partial_outage", IDENTIFIED),
            new Update(31, "monitoring", "operational", MONITORING),
            new Update(42, "resolved", "operational", RESOLVED)));

    private VendorIncidents() { }
}
