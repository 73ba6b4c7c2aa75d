package runbook.sandbox;

import runbook.Klaviyo.Revision;

/**
 * All that a {@link Scenario} decides. Each scenario is {@link #WELL} with something changed.
 *
 * @param key       what the responder's private key is worth
 * @param appStale  whether the application still holds a key that was disabled
 * @param appDown   whether the application answers 503
 * @param appStatus a status that the application alone sees (400 for a bad payload, 410 for a retired revision); 0 for none
 * @param api       how Klaviyo's API behaves over time
 * @param incident  what Klaviyo's status page says; null when it is green
 * @param webhook   the state of our webhook route
 * @param monitored whether Prometheus answers
 * @param reachable whether anything can be reached at all
 * @param revision  the phase of life of the revision that the responder pins; null for the toolkit's own default
 */
record Behaviour(KeyCase key, boolean appStale, boolean appDown, int appStatus, Schedule api, VendorIncident incident,
                 WebhookCase webhook, boolean monitored, boolean reachable, Revision.Phase revision) {
    /** What the responder's private key is worth. */
    enum KeyCase { VALID, REVOKED, UNSCOPED, MALFORMED, MISSING }

    /** The state of our webhook route. */
    enum WebhookCase { LIVE, DOWN, EXPIRED }

    static final Behaviour WELL = new Behaviour(KeyCase.VALID, false, false, 0, Schedule.always(ApiFault.NONE), null,
            WebhookCase.LIVE, true, true, null);

    Behaviour key(KeyCase now) {
        return new Behaviour(now, appStale, appDown, appStatus, api, incident, webhook, monitored, reachable, revision);
    }

    Behaviour staleApp() {
        return new Behaviour(key, true, appDown, appStatus, api, incident, webhook, monitored, reachable, revision);
    }

    Behaviour appGone() {
        return new Behaviour(key, appStale, true, appStatus, api, incident, webhook, monitored, reachable, revision);
    }

    Behaviour appSees(int status) {
        return new Behaviour(key, appStale, appDown, status, api, incident, webhook, monitored, reachable, revision);
    }

    Behaviour api(ApiFault always) {
        return api(Schedule.always(always));
    }

    Behaviour api(Schedule now) {
        return new Behaviour(key, appStale, appDown, appStatus, now, incident, webhook, monitored, reachable, revision);
    }

    Behaviour page(VendorIncident now) {
        return new Behaviour(key, appStale, appDown, appStatus, api, now, webhook, monitored, reachable, revision);
    }

    Behaviour webhook(WebhookCase now) {
        return new Behaviour(key, appStale, appDown, appStatus, api, incident, now, monitored, reachable, revision);
    }

    Behaviour unmonitored() {
        return new Behaviour(key, appStale, appDown, appStatus, api, incident, webhook, false, reachable, revision);
    }

    Behaviour cutOff() {
        return new Behaviour(key, appStale, appDown, appStatus, api, incident, webhook, monitored, false, revision);
    }

    Behaviour pins(Revision.Phase now) {
        return new Behaviour(key, appStale, appDown, appStatus, api, incident, webhook, monitored, reachable, now);
    }
}
