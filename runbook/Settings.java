package runbook;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What to look at and how hard, the same for every script.
 *
 * @param target   where things are
 * @param key      the private key; empty when none was given
 * @param revision the API revision that requests ask for
 * @param probing  how endpoints are probed
 * @param app      what is known about our application's own errors
 * @param drill    the drill's scenario, empty in earnest
 * @param proxies  the environment's proxy variables (see {@link EnvironmentProxy})
 */
public record Settings(Target target, Optional<Key> key, String revision, Probing probing, AppErrors app,
                       Optional<String> drill, Map<String, String> proxies) {
    /**
     * Base addresses without a trailing slash, and health routes in full; the last three may be null.
     *
     * @param api        Klaviyo's API
     * @param status     Klaviyo's status page (Statuspage v2)
     * @param app        our application's health endpoint, or null
     * @param webhook    where Klaviyo delivers to us, or null
     * @param prometheus anything that speaks Prometheus's HTTP API, or null
     */
    public record Target(URI api, URI status, URI app, URI webhook, URI prometheus) {
        /** Klaviyo's own addresses, and none of ours. */
        public static final Target KLAVIYO = new Target(
                URI.create("https://a.klaviyo.com"), URI.create("https://status.klaviyo.com"), null, null, null);
    }

    /**
     * How endpoints are probed.
     *
     * @param timeout   for each check
     * @param samples   requests per endpoint, where its burst window allows more than one
     * @param slow      a median latency from which an endpoint counts as slow
     * @param endpoints what to probe
     */
    public record Probing(Duration timeout, int samples, Duration slow, List<Endpoint> endpoints) { }

    /**
     * What our application sees.
     *
     * @param observed status codes reported by hand; may be empty
     * @param query    PromQL for errors by status
     * @param label    the label that holds the status
     */
    public record AppErrors(List<Integer> observed, String query, String label) { }

    /** The same with another key: how a rotation tests the new one. */
    public Settings withKey(Key other) {
        return withKey(Optional.of(other));
    }

    /** The same with another key, or with none. */
    public Settings withKey(Optional<Key> other) {
        return new Settings(target, other, revision, probing, app, drill, proxies);
    }

    /** The same with other probing: how watch keeps within its budget. */
    public Settings withProbing(Probing other) {
        return new Settings(target, key, revision, other, app, drill, proxies);
    }
}
