package runbook;

import java.util.Locale;

/** What can be wrong, in the order in which the worse leads where two have the same severity. */
public enum Diagnosis {
    KLAVIYO_OUTAGE("Klaviyo is down, and its status page says so"),
    SILENT_OUTAGE("Klaviyo's API fails while its status page is green"),
    NETWORK("We cannot reach anything: our network, not Klaviyo"),
    KEY_MALFORMED("The private key is not one that can be sent"),
    KEY_INVALID("Klaviyo refuses the private key: revoked, disabled or wrong"),
    STALE_APP_KEY("The key is fine here, but the application is refused: it runs with an old one"),
    REVISION_RETIRED("The API revision is retired"),
    CDN_BLOCKED("The CDN in front of Klaviyo blocks us"),
    RATE_LIMITED("Klaviyo throttles us"),
    SERVER_ERROR("Klaviyo answers some requests with 5xx"),
    KLAVIYO_DEGRADED("Klaviyo is degraded"),
    SCOPE_MISSING("The private key lacks a scope"),
    PAYLOAD_INVALID("Klaviyo refuses what the application sends"),
    PARTIAL("One endpoint fails, the others work"),
    APP_UNHEALTHY("Our application is unhealthy: our infrastructure"),
    WEBHOOK_DOWN("Klaviyo's webhooks cannot reach us"),
    WEBHOOK_CERTIFICATE("The certificate of our webhook route"),
    REVISION_DEPRECATED("The API revision is deprecated"),
    MONITORING_GAP("Something we watch with does not answer"),
    KEY_MISSING("No private key here, so Klaviyo was not asked"),
    INDETERMINATE("Could not tell"),
    HEALTHY("Healthy");

    private final String title;

    Diagnosis(String title) {
        this.title = title;
    }

    /** The name that JSON, journal and templates use: {@code klaviyo-outage}. */
    public String id() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** One line for people. */
    public String title() {
        return title;
    }
}
