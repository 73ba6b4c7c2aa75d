package runbook;

import java.util.List;
import java.util.Optional;

/**
 * An endpoint that can be probed with one GET: where it is, what it needs, what it may cost. The query asks for the
 * smallest page and the fewest fields that the endpoint's specification offers (metrics, webhooks and accounts have no
 * {@code page[size]}), so that a probe brings no personal data.
 *
 * @param name   how people and options name it: {@code profiles}
 * @param path   its path, with the leading slash
 * @param query  the query, already percent-encoded; may be empty
 * @param scope  the scope that a private key needs
 * @param burst  requests allowed per second
 * @param steady requests allowed per minute
 */
public record Endpoint(String name, String path, String query, String scope, int burst, int steady) {
    /** {@code GET /api/accounts}: tells whose key it is. */
    public static final Endpoint ACCOUNTS = new Endpoint("accounts", "/api/accounts",
            "fields%5Baccount%5D=contact_information.organization_name,test_account,timezone", "accounts:read", 1, 15);

    /** {@code GET /api/webhooks}. */
    public static final Endpoint WEBHOOKS = new Endpoint("webhooks", "/api/webhooks", "", "webhooks:read", 1, 15);

    /** What can be probed by name. Limits as published in the OpenAPI specification of 2026-07-15 (x-klaviyo-ratelimit). */
    public static final List<Endpoint> KNOWN = List.of(
            new Endpoint("profiles", "/api/profiles", "page%5Bsize%5D=1&fields%5Bprofile%5D=created", "profiles:read", 75, 750),
            new Endpoint("lists", "/api/lists", "page%5Bsize%5D=1&fields%5Blist%5D=created", "lists:read", 75, 750),
            new Endpoint("metrics", "/api/metrics", "fields%5Bmetric%5D=created", "metrics:read", 10, 150),
            new Endpoint("events", "/api/events", "page%5Bsize%5D=1&fields%5Bevent%5D=datetime", "events:read", 350, 3500),
            WEBHOOKS);

    /** The known endpoint of that name, accounts among them. */
    public static Optional<Endpoint> named(String name) {
        return ACCOUNTS.name.equals(name) ? Optional.of(ACCOUNTS)
                : KNOWN.stream().filter(endpoint -> endpoint.name.equals(name)).findFirst();
    }

    /** Path and query, to be appended to the API's base address. */
    public String target() {
        return query.isEmpty() ? path : path + "?" + query;
    }
}
