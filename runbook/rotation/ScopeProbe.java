package runbook.rotation;

import java.util.LinkedHashMap;
import java.util.Map;
import runbook.Klaviyo.Endpoint;

/**
 * One request that tells whether a key has a scope: 403 says no; an answer, or a complaint about the request itself,
 * says yes. A write is probed with an empty document, which Klaviyo has to refuse with 400: it can change nothing.
 */
record ScopeProbe(String method, String target, boolean beta) {
    /** What can be probed, by scope. Paths from Klaviyo's API reference, revision 2026-07-15. */
    static final Map<String, ScopeProbe> KNOWN = known();

    private static Map<String, ScopeProbe> known() {
        Map<String, ScopeProbe> probes = new LinkedHashMap<>();
        Endpoint.KNOWN.forEach(
                endpoint -> probes.put(endpoint.scope(), new ScopeProbe("GET", endpoint.target(), false)));
        probes.put("accounts:read", new ScopeProbe("GET", Endpoint.ACCOUNTS.target(), false));
        probes.put("credentials:read", new ScopeProbe("GET", "/api/api-keys", true));
        for (String name :
                new String[] {"flows", "segments", "templates", "tags", "images", "forms", "coupons", "campaigns"}) {
            probes.put(name + ":read", new ScopeProbe("GET", "/api/" + name, false));
        }
        probes.put("catalogs:read", new ScopeProbe("GET", "/api/catalog-items", false));
        for (String name :
                new String[] {"events", "profiles", "lists", "segments", "templates", "tags", "coupons", "campaigns"}) {
            probes.put(name + ":write", new ScopeProbe("POST", "/api/" + name, false));
        }
        probes.put("catalogs:write", new ScopeProbe("POST", "/api/catalog-items", false));
        probes.put("subscriptions:write", new ScopeProbe("POST", "/api/profile-subscription-bulk-create-jobs", false));
        return probes;
    }
}
