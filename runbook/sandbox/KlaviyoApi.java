package runbook.sandbox;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import runbook.Klaviyo.Revision;
import runbook.sandbox.Keyring.ApiKey;
import runbook.sandbox.KlaviyoErrors.Refusal;
import runbook.sandbox.RateWindows.Ruling;

/** The embedded Klaviyo: it refuses what the real one refuses, in the same order, with the same words. */
final class KlaviyoApi {
    private static final Duration SLOW = Duration.ofMillis(1200);
    private static final String SCHEME = "Klaviyo-API-Key ";
    // A line break or other control character in a header never gets past the edge (klaviyo-api-ruby issue 39). The JDK's
    // server has turned a folded line break or a tab into a space by now, and no key has one inside.
    private static final Pattern UNSENDABLE = Pattern.compile("(?s).*[^\\x20-\\x7e].*|" + SCHEME + "\\S+\\s.*");
    private static final Pattern LEGACY = Pattern.compile("/api/v[12](/.*)?");

    private final World world;
    private final KlaviyoData data;
    private final ApiKeysResource apiKeys;
    private final Map<String, AtomicInteger> turns = new ConcurrentHashMap<>();

    KlaviyoApi(World world) {
        this.world = world;
        this.data = new KlaviyoData(world);
        this.apiKeys = new ApiKeysResource(world);
    }

    Reply answer(Request request) {
        String path = request.path().replaceAll("/+$", "");
        world.count(request.method() + " " + path);
        Map<String, String> extra = new HashMap<>();
        Reply reply;
        try {
            reply = handle(request, path, extra);
        } catch (Refusal refusal) {
            reply = refusal.reply;
        }
        return dressed(reply, extra);
    }

    private Reply handle(Request request, String path, Map<String, String> extra) {
        edge(request);
        origin(path);
        Revision revision = Revisions.read(request.header("revision"));
        var route = Route.of(request.method(), path);
        if (route.isEmpty() && !Route.known(path)) {
            throw KlaviyoErrors.notFound("The path " + path + " could not be found");
        }
        Revisions.check(revision, route);
        return call(route.orElseThrow(), request, authenticate(request), extra);
    }

    private Reply call(Route route, Request request, ApiKey key, Map<String, String> extra) {
        if (!key.scopes.contains(route.scope())) {
            throw KlaviyoErrors.missingScope(route.scope());
        }
        Map<String, List<String>> parameters = parameters(request);
        throttle(route, parameters, key, extra);
        check(route, parameters);
        endpointFaults(route);
        Object document = route.type().equals("api-key")
                ? apiKeys.answer(route, request, key, parameters)
                : collection(route, key, parameters);
        return Reply.json(200, KlaviyoErrors.JSON_API, document);
    }

    private Object collection(Route route, ApiKey key, Map<String, List<String>> parameters) {
        return Page.of(route, data.of(route.type(), key.account), parameters,
                (type, id) -> data.find(key.account, type, id)).document(world.apiUrl + route.path());
    }

    private void edge(Request request) {
        String authorization = request.header("authorization");
        if (authorization != null && UNSENDABLE.matcher(authorization).matches()) {
            throw KlaviyoErrors.edge();
        }
        if (world.fault() == ApiFault.BLOCKED) {
            throw KlaviyoErrors.challenge();
        }
    }

    private void origin(String path) {
        if (world.fault() == ApiFault.DOWN) {
            throw KlaviyoErrors.unavailable();
        }
        if (LEGACY.matcher(path).matches()) {
            throw KlaviyoErrors.legacy();
        }
    }

    private ApiKey authenticate(Request request) {
        String authorization = request.header("authorization");
        if (authorization == null || !authorization.startsWith(SCHEME)) {
            throw KlaviyoErrors.notAuthenticated();
        }
        return world.keyring.bySecret(authorization.substring(SCHEME.length())).filter(key -> key.enabled)
                .orElseThrow(KlaviyoErrors::authenticationFailed);
    }

    private static Map<String, List<String>> parameters(Request request) {
        try {
            return request.parameters();
        } catch (IllegalArgumentException e) {
            throw KlaviyoErrors.edge();
        }
    }

    private void throttle(Route route, Map<String, List<String>> parameters, ApiKey key, Map<String, String> extra) {
        // The application calls neither accounts, webhooks nor keys (all XS), so those windows stay as they are.
        boolean drained = world.fault() == ApiFault.THROTTLED && route.tier().burst() > 1;
        Ruling ruling = world.windows.take(key.account.id() + " " + route.method() + " " + route.path(),
                route.tier(parameters), drained, world.clock.millis());
        if (ruling.throttled()) {
            throw KlaviyoErrors.throttled(ruling.retryAfter());
        }
        extra.put("RateLimit-Limit", Integer.toString(ruling.limit()));
        extra.put("RateLimit-Remaining", Integer.toString(ruling.remaining()));
        extra.put("RateLimit-Reset", Long.toString(ruling.reset()));
    }

    private static void check(Route route, Map<String, List<String>> parameters) {
        parameters.forEach((name, values) -> {
            Rule rule = route.rules().get(name);
            if (rule == null) {
                throw KlaviyoErrors.parameter(name, "'" + name + "' is not a valid query parameter for this endpoint.");
            }
            if (values.size() > 1) {
                throw KlaviyoErrors.parameter(name, "'" + name + "' is given more than once.");
            }
            rule.complaint(values.get(0)).ifPresent(complaint -> {
                throw KlaviyoErrors.parameter(name, complaint);
            });
        });
    }

    private void endpointFaults(Route route) {
        ApiFault fault = world.fault();
        boolean third = fault == ApiFault.EVERY_THIRD
                && turns.computeIfAbsent(route.path(), path -> new AtomicInteger()).incrementAndGet() % 3 == 0;
        if (third || fault == ApiFault.EVENTS_DOWN && route.type().equals("event")) {
            throw KlaviyoErrors.unavailable();
        }
        if (fault == ApiFault.SLOW) {
            World.pause(SLOW);
        }
    }

    private static Reply dressed(Reply reply, Map<String, String> extra) {
        Reply dressed = reply.with("server", "cloudflare").with("x-request-id", KlaviyoErrors.uniqueId());
        if (!reply.headers().containsKey("cf-ray")) {
            dressed = dressed.with("cf-ray", String.format("%016x-AMS", ThreadLocalRandom.current().nextLong()));
        }
        // Klaviyo leaves these out of a 429 (klaviyo-api-python issue 15).
        if (reply.status() != 429) {
            for (Map.Entry<String, String> header : extra.entrySet()) {
                dressed = dressed.with(header.getKey(), header.getValue());
            }
        }
        return dressed;
    }
}
