package runbook.message;

import java.util.Map;

/** The words for each diagnosis: one table to edit. */
public final class Wording {
    private static final String DELAYS =
            "Some features powered by Klaviyo (email subscriptions, event tracking) are experiencing delays.";
    private static final String INBOUND =
            "Changes made in emails and forms (for example unsubscribing) are reaching us with a delay.";
    private static final String NORMAL = "Features powered by Klaviyo are working normally.";
    private static final String QUEUED = "Customer data is being queued and will be processed once the issue is resolved.";
    private static final String DELIVERED_AGAIN = "Delayed changes will be applied once the issue is resolved.";
    private static final String NOTHING_WAITS = "";

    private static final Words UNKNOWN = new Words("Not yet known", "Not yet known", "Running the checks that are missing", DELAYS, QUEUED);

    private static final Map<String, Words> TABLE = Map.ofEntries(
            Map.entry("healthy", new Words("None seen: every check is good", "None: nothing is failing now",
                    "Watching for it to come back", NORMAL, NOTHING_WAITS)),
            Map.entry("klaviyo-outage", new Words("Subscriptions, events and profile updates do not reach Klaviyo",
                    "Klaviyo outage, as its status page says", "Fallback mode on, failed calls queued; watching the status page", DELAYS, QUEUED)),
            Map.entry("klaviyo-degraded", new Words("Subscriptions, events and profile updates reach Klaviyo late or after retries",
                    "Klaviyo degraded, as its status page says", "Retrying with backoff; watching the status page", DELAYS, QUEUED)),
            Map.entry("silent-outage", new Words("Subscriptions, events and profile updates do not reach Klaviyo",
                    "Klaviyo outage that its status page does not show", "Fallback mode on, failed calls queued; reported to Klaviyo support", DELAYS, QUEUED)),
            Map.entry("server-error", new Words("Some subscriptions, events and profile updates fail and are retried",
                    "Intermittent server errors from Klaviyo", "Retrying with backoff; collecting evidence for Klaviyo support", DELAYS, QUEUED)),
            Map.entry("key-missing", new Words("Not yet known: the checks that need a key were not made",
                    "No private key where triage ran", "Getting a key to run the remaining checks", DELAYS, QUEUED)),
            Map.entry("key-malformed", new Words("Calls to Klaviyo are refused", "Our private key is stored in a form that cannot work",
                    "Storing the key correctly, then restarting the application", DELAYS, QUEUED)),
            Map.entry("key-invalid", new Words("Every call to Klaviyo is refused (401)", "Our private key expired or was revoked",
                    "Rotating the private key", DELAYS, QUEUED)),
            Map.entry("stale-app-key", new Words("The application's calls to Klaviyo are refused (401)",
                    "The application still runs with an old private key", "Restarting the application with the current key", DELAYS, QUEUED)),
            Map.entry("scope-missing", new Words("Some calls to Klaviyo are refused (403)", "Our private key lacks a scope",
                    "Making a key with the missing scope, then rotating to it", DELAYS, QUEUED)),
            Map.entry("rate-limited", new Words("Calls to Klaviyo are slowed down or refused for a while (429)", "Rate limit exceeded",
                    "Lowering concurrency and pausing background jobs", DELAYS, QUEUED)),
            Map.entry("payload-invalid", new Words("Some records are refused by Klaviyo (400)", "Our requests fail Klaviyo's validation",
                    "Finding the change that broke the payload, rolling it back", DELAYS, QUEUED)),
            Map.entry("revision-retired", new Words("Calls to Klaviyo fail", "The API revision that we ask for has been retired",
                    "Moving to a supported API revision", DELAYS, QUEUED)),
            Map.entry("revision-deprecated", new Words("None yet", "The API revision that we ask for is deprecated",
                    "Planning the move to a current API revision", NORMAL, NOTHING_WAITS)),
            Map.entry("cdn-blocked", new Words("Calls to Klaviyo are blocked before they reach it", "Klaviyo's CDN blocks our addresses",
                    "Trying from another address; reported to Klaviyo support with the ray ids", DELAYS, QUEUED)),
            Map.entry("network", new Words("Klaviyo cannot be reached from our network", "Our own network, DNS or proxy",
                    "Checking DNS, proxy and firewall with the network team", DELAYS, QUEUED)),
            Map.entry("app-unhealthy", new Words("Features that use Klaviyo fail in our application", "Our application is unhealthy; Klaviyo is not the cause",
                    "Checking pods, memory and network; rolling back the last deployment", DELAYS, QUEUED)),
            Map.entry("webhook-down", new Words("Klaviyo's webhooks do not arrive", "Our webhook endpoint does not answer",
                    "Checking the route and its certificate", INBOUND, DELIVERED_AGAIN)),
            Map.entry("webhook-certificate", new Words("Klaviyo's webhooks do not arrive, or soon will not", "The certificate of our webhook endpoint",
                    "Renewing the certificate", INBOUND, DELIVERED_AGAIN)),
            Map.entry("partial", new Words("Calls to one Klaviyo endpoint fail", "One Klaviyo endpoint fails while the others work",
                    "Queueing calls to that endpoint; asking Klaviyo support", DELAYS, QUEUED)),
            Map.entry("monitoring-gap", new Words("None seen", "A check that should watch Klaviyo does not work",
                    "Mending the monitoring", NORMAL, NOTHING_WAITS)),
            Map.entry("indeterminate", UNKNOWN));

    private Wording() { }

    /** The words for a diagnosis as {@code triage --json} names it; careful ones for a name that the table lacks. */
    public static Words of(String diagnosis) {
        return TABLE.getOrDefault(diagnosis, UNKNOWN);
    }

    /** Whether the table has it. */
    public static boolean knows(String diagnosis) {
        return TABLE.containsKey(diagnosis);
    }
}
