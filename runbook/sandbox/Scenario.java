package runbook.sandbox;

import static runbook.sandbox.Behaviour.WELL;

import java.util.Arrays;
import java.util.Optional;
import runbook.Klaviyo.Revision;
import runbook.sandbox.Behaviour.KeyCase;
import runbook.sandbox.Behaviour.WebhookCase;

/** What can be practised: one way each in which a Klaviyo integration breaks. */
public enum Scenario {
    /** Nothing is wrong. */
    HEALTHY("healthy", "Nothing is wrong: what a good day looks like", WELL),
    /** Klaviyo is down and says so. */
    OUTAGE("outage", "Klaviyo is down: every API call is a 503, the status page says so",
            WELL.api(ApiFault.DOWN).page(VendorIncidents.OUTAGE)),
    /** Klaviyo is slow and says so. */
    DEGRADED("degraded", "Klaviyo is slow: calls succeed late, the status page reports degraded performance",
            WELL.api(ApiFault.SLOW).page(VendorIncidents.DEGRADED)),
    /** The API is fine, processing behind it is late. */
    EVENT_DELAY("event-delay", "The API answers well, but Klaviyo processes events late, and says so",
            WELL.page(VendorIncidents.EVENT_DELAY)),
    /** Announced work, nothing broken. */
    MAINTENANCE("maintenance", "Klaviyo has announced maintenance; nothing of ours fails",
            WELL.page(VendorIncidents.MAINTENANCE)),
    /** Klaviyo is down and does not say so. */
    SILENT_OUTAGE("silent-outage", "Every API call is a 503 while the status page is still green",
            WELL.api(ApiFault.DOWN)),
    /** A third of the calls fail. */
    INTERMITTENT_5XX("intermittent-5xx", "One API call in three is a 503; the status page is green",
            WELL.api(ApiFault.EVERY_THIRD)),
    /** One endpoint fails. */
    PARTIAL("partial", "Only the events endpoint fails (503); everything else works", WELL.api(ApiFault.EVENTS_DOWN)),
    /** The account's quota is used up. */
    RATE_LIMITED("rate-limited", "Our application uses up the account's quota: calls are answered 429",
            WELL.api(ApiFault.THROTTLED)),
    /** The CDN keeps us out. */
    CDN_BLOCK("cdn-block", "Cloudflare in front of Klaviyo blocks us with a 403 challenge page", WELL.api(ApiFault.BLOCKED)),
    /** Nothing can be reached. */
    NO_NETWORK("no-network", "Our own network is down: nothing can be reached", WELL.cutOff()),
    /** The key was disabled. */
    REVOKED_KEY("revoked-key", "The private key was revoked, for us and for the application: every call is a 401",
            WELL.key(KeyCase.REVOKED)),
    /** No key at hand. */
    MISSING_KEY("missing-key", "The responder has no private key at hand; everything else is well", WELL.key(KeyCase.MISSING)),
    /** A public key where a private one belongs. */
    MALFORMED_KEY("malformed-key", "The public key (site id) is configured where the private key belongs",
            WELL.key(KeyCase.MALFORMED)),
    /** The key may not do what it has to. */
    MISSING_SCOPE("missing-scope", "The private key works but lacks the events scopes: those calls are a 403",
            WELL.key(KeyCase.UNSCOPED)),
    /** Rotated, but not everywhere. */
    STALE_APP_KEY("stale-app-key", "Our key works, but the application still uses one that was revoked", WELL.staleApp()),
    /** We send what Klaviyo refuses. */
    BAD_PAYLOAD("bad-payload", "The application sends events that Klaviyo refuses with a 400", WELL.appSees(400)),
    /** The pinned revision is over two years old. */
    RETIRED_REVISION("retired-revision", "The pinned API revision has been retired: every call with it is refused",
            WELL.pins(Revision.Phase.RETIRED).appSees(410)),
    /** The pinned revision is over a year old. */
    DEPRECATED_REVISION("deprecated-revision", "The pinned API revision is deprecated: it works, for now",
            WELL.pins(Revision.Phase.DEPRECATED)),
    /** Our application is down. */
    APP_DOWN("app-down", "Klaviyo is well; our application's health endpoint answers 503", WELL.appGone()),
    /** Deliveries reach nothing. */
    WEBHOOK_DOWN("webhook-down", "Klaviyo is well; our webhook route is gone (404), so deliveries are dropped",
            WELL.webhook(WebhookCase.DOWN)),
    /** Deliveries fail in TLS. */
    WEBHOOK_CERT_EXPIRED("webhook-cert-expired", "Klaviyo is well; the certificate of our webhook route has expired",
            WELL.webhook(WebhookCase.EXPIRED)),
    /** We would not notice. */
    MONITORING_GAP("monitoring-gap", "Everything works, but Prometheus is unreachable: nobody would notice a failure",
            WELL.unmonitored()),
    /** Down, then healed within 40 seconds. */
    RECOVERING("recovering", "Klaviyo is down and heals: calls good after 15 s, status page resolved after 28 s",
            WELL.api(Schedule.alternating(ApiFault.DOWN, 15)).page(VendorIncidents.RECOVERING)),
    /** Up and down, then healed within a minute. */
    FLAPPING("flapping", "Klaviyo goes up and down every 6 s and stays up after 30 s",
            WELL.api(Schedule.alternating(ApiFault.DOWN, 6, 12, 18, 24, 30)).page(VendorIncidents.FLAPPING));

    private final String id;
    private final String description;
    private final Behaviour behaviour;

    Scenario(String id, String description, Behaviour behaviour) {
        this.id = id;
        this.description = description;
        this.behaviour = behaviour;
    }

    /** What {@code --drill} calls it. */
    public String id() {
        return id;
    }

    /** One line for whoever picks a drill. */
    public String description() {
        return description;
    }

    Behaviour behaviour() {
        return behaviour;
    }

    /** The scenario of that id; empty when there is none. */
    public static Optional<Scenario> of(String id) {
        return Arrays.stream(values()).filter(scenario -> scenario.id.equals(id)).findFirst();
    }
}
