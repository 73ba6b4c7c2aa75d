package runbook;

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

    private static final Words UNKNOWN =
            new Words("Not yet known", "Not yet known", "run the checks that are missing", DELAYS, QUEUED);

    private static final Map<String, Words> TABLE = Map.ofEntries(
            row("healthy",
                    "None seen: every check is good",
                    "None: nothing is failing now",
                    "watch for it to come back", NORMAL, NOTHING_WAITS),
            row("klaviyo-outage",
                    "Subscriptions, events and profile updates do not reach Klaviyo",
                    "Klaviyo outage, as its status page says",
                    "switch fallback mode on, queue failed calls, watch the status page", DELAYS, QUEUED),
            row("klaviyo-degraded",
                    "Subscriptions, events and profile updates reach Klaviyo late or after retries",
                    "Klaviyo degraded, as its status page says",
                    "retry with backoff, watch the status page", DELAYS, QUEUED),
            row("silent-outage",
                    "Subscriptions, events and profile updates do not reach Klaviyo",
                    "Klaviyo outage that its status page does not show",
                    "switch fallback mode on, queue failed calls, report it to Klaviyo support", DELAYS, QUEUED),
            row("server-error",
                    "Some subscriptions, events and profile updates fail and are retried",
                    "Intermittent server errors from Klaviyo",
                    "retry with backoff, collect evidence for Klaviyo support", DELAYS, QUEUED),
            row("key-missing",
                    "Not yet known: the checks that need a key were not made",
                    "No private key where triage ran",
                    "get a key to run the remaining checks", DELAYS, QUEUED),
            row("key-malformed",
                    "Calls to Klaviyo are refused",
                    "Our private key is stored in a form that cannot work",
                    "store the key correctly, then restart the application", DELAYS, QUEUED),
            row("key-invalid",
                    "Every call to Klaviyo is refused (401)",
                    "Our private key expired or was revoked",
                    "rotate the private key", DELAYS, QUEUED),
            row("stale-app-key",
                    "The application's calls to Klaviyo are refused (401)",
                    "The application still runs with an old private key",
                    "restart the application with the current key", DELAYS, QUEUED),
            row("scope-missing",
                    "Some calls to Klaviyo are refused (403)",
                    "Our private key lacks a scope",
                    "make a key with the missing scope, then rotate to it", DELAYS, QUEUED),
            row("rate-limited",
                    "Calls to Klaviyo are slowed down or refused for a while (429)",
                    "Rate limit exceeded",
                    "lower concurrency, pause background jobs", DELAYS, QUEUED),
            row("payload-invalid",
                    "Some records are refused by Klaviyo (400)",
                    "Our requests fail Klaviyo's validation",
                    "find the change that broke the payload, roll it back", DELAYS, QUEUED),
            row("revision-retired",
                    "Calls to Klaviyo fail",
                    "The API revision that we ask for has been retired",
                    "move to a supported API revision", DELAYS, QUEUED),
            row("revision-deprecated",
                    "None yet",
                    "The API revision that we ask for is deprecated",
                    "plan the move to a current API revision", NORMAL, NOTHING_WAITS),
            row("cdn-blocked",
                    "Calls to Klaviyo are blocked before they reach it",
                    "Klaviyo's CDN blocks our addresses",
                    "try from another address, report the ray ids to Klaviyo support", DELAYS, QUEUED),
            row("network",
                    "Klaviyo cannot be reached from our network",
                    "Our own network, DNS or proxy",
                    "check DNS, proxy and firewall with the network team", DELAYS, QUEUED),
            row("app-unhealthy",
                    "Features that use Klaviyo fail in our application",
                    "Our application is unhealthy; Klaviyo is not the cause",
                    "check pods, memory and network, roll back the last deployment", DELAYS, QUEUED),
            row("webhook-down",
                    "Klaviyo's webhooks do not arrive",
                    "Our webhook endpoint does not answer",
                    "check the route and its certificate", INBOUND, DELIVERED_AGAIN),
            row("webhook-certificate",
                    "Klaviyo's webhooks do not arrive, or soon will not",
                    "The certificate of our webhook endpoint",
                    "renew the certificate", INBOUND, DELIVERED_AGAIN),
            row("partial",
                    "Calls to one Klaviyo endpoint fail",
                    "One Klaviyo endpoint fails while the others work",
                    "queue calls to that endpoint, ask Klaviyo support", DELAYS, QUEUED),
            row("monitoring-gap",
                    "None seen",
                    "A check that should watch Klaviyo does not work",
                    "mend the monitoring", NORMAL, NOTHING_WAITS),
            Map.entry("indeterminate", UNKNOWN));

    private Wording() { }

    private static Map.Entry<String, Words> row(
            String diagnosis, String impact, String rootCause, String action, String customers, String queued) {
        return Map.entry(diagnosis, new Words(impact, rootCause, action, customers, queued));
    }

    /** The words for a diagnosis as {@code triage --json} names it; careful ones for a name that the table lacks. */
    public static Words of(String diagnosis) {
        return TABLE.getOrDefault(diagnosis, UNKNOWN);
    }

    /** Whether the table has it. */
    public static boolean knows(String diagnosis) {
        return TABLE.containsKey(diagnosis);
    }
}
