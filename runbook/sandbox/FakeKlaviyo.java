package runbook.sandbox;

import static runbook.Text.Json.map;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.*;
import java.util.stream.*;
import runbook.Klaviyo.Revision;
import runbook.Klaviyo.Revision.Phase;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Answers;
import runbook.sandbox.Sandbox.Reply;
import runbook.sandbox.Sandbox.Request;
import runbook.sandbox.Sandbox.Stretch;

/**
 * The embedded Klaviyo: it serves what the toolkit asks for and refuses what the real one refuses, in its order and
 * words (OpenAPI specification of revision 2026-07-15, github.com/klaviyo/openapi, and its users' reports). A write to
 * anything but keys is checked, and changes nothing.
 */
final class FakeKlaviyo {
    /** What an integration like the runbook's is given, and the two scopes that let it look after its own keys. */
    static final Set<String> USUAL_SCOPES = Set.of("accounts:read", "events:read", "events:write", "lists:read",
            "lists:write", "metrics:read", "profiles:read", "profiles:write", "subscriptions:write", "webhooks:read",
            "credentials:read", "credentials:write");
    static final Set<String> NO_EVENTS = USUAL_SCOPES.stream().filter(scope -> !scope.startsWith("events:"))
            .collect(Collectors.toSet());

    private static final String KEYS = "/api/api-keys/";
    private static final String JSON_API = "application/vnd.api+json";
    private static final List<String> RELEASED = List.of("2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15",
            "2025-07-15", "2025-10-15", "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15");
    /** The API for keys came with this one. */
    private static final String BETA = "2026-07-15.pre";

    // ---- what there is

    /**
     * What can be asked: method and path, the scope that it needs, requests allowed per second and per minute, and each
     * parameter, as {@code name=value}. What else the real one takes is refused: the toolkit asks nothing of it.
     */
    private record Route(String call, String scope, int burst, int steady, String parameters) {
        /** A collection, and its fields that a request may choose. */
        private static Route of(String type, String scope, int burst, int steady, String fields, String others) {
            String choice = "fields\\[" + type + "]=(" + fields + ")(,(" + fields + "))*";
            return new Route("GET /api/" + type + "s", scope, burst, steady, choice + others);
        }

        /** What is not served: it has limits in the middle, and is empty. */
        private static Stream<Route> others(String family) {
            String path = " /api/(profile-)?" + family.replaceFirst("s$", "") + "(s|-[a-z-]+)?(/.*)?";
            Route read = new Route("GET" + path, family + ":read", 10, 150, "");
            Route write = new Route("(POST|PATCH|DELETE)" + path, family + ":write", 10, 150, "");
            return family.matches("accounts|metrics") ? Stream.of(read) : Stream.of(read, write);
        }
    }

    private static final List<Route> ROUTES = Stream.concat(Stream.of(
            Route.of("account", "accounts:read", 1, 15,
                    "contact_information(\\.\\w+)?|id|public_api_key|test_account|timezone", ""),
            Route.of("profile", "profiles:read", 75, 750, "created|email|subscriptions(\\.\\w+)?",
                    "|page\\[size]=([1-9]\\d?|100)|additional-fields\\[profile]=subscriptions"),
            Route.of("list", "lists:read", 75, 750, "created|id|name|updated", "|page\\[size]=([1-9]|10)"),
            Route.of("metric", "metrics:read", 10, 150, "created|id|name|updated", ""),
            Route.of("event", "events:read", 350, 3500, "datetime|event_properties|id|timestamp|uuid",
                    "|page\\[size]=([1-9]\\d{0,2}|1000)"),
            Route.of("webhook", "webhooks:read", 1, 15, "description|enabled|endpoint_url|id|name", ""),
            Route.of("api-key", "credentials:read", 1, 15, "created|id|name|redacted_key|scopes|status",
                    "|additional-fields\\[api-key]=redacted_key"),
            new Route("PATCH " + KEYS + "\\w+", "credentials:write", 1, 15, "")),
            // Scopes by the beginning of a path: profile-import-jobs needs those of profiles.
            Stream.of(("accounts metrics subscriptions coupon-codes data-privacy push-tokens web-feeds webhooks events "
                    + "profiles lists segments templates tags coupons campaigns catalogs flows images forms reviews")
                    .split(" ")).flatMap(Route::others)).toList();

    // ---- accounts and credentials

    /** A Klaviyo account; its id is its public key. */
    record Account(String id, String organisation) {
        Account(String organisation) {
            this(hex(6).toUpperCase(Locale.ROOT), organisation);
        }
    }

    /** A private key, or an OAuth app's access token. Its id is shaped like a ULID; ids are in the order of issue. */
    static final class Credential {
        final String id;
        final Account account;
        final String secret;
        volatile boolean disabled;
        volatile Set<String> scopes = USUAL_SCOPES;

        private Credential(int number, Account account, String secret) {
            id = "01K" + (10_000 + number) + hex(18).toUpperCase(Locale.ROOT);
            this.account = account;
            this.secret = secret;
        }

        private boolean oauth() {
            return !secret.startsWith("pk_");
        }
    }

    /** All that there are, by their value. */
    final Map<String, Credential> bySecret = new ConcurrentHashMap<>();
    private final Sandbox sandbox;
    private final Map<String, Integer> turns = new ConcurrentHashMap<>();
    private final Map<String, Integer> counted = new HashMap<>();
    private long minute;

    FakeKlaviyo(Sandbox sandbox) {
        this.sandbox = sandbox;
    }

    /** Makes a key of the newer form ({@code pk_}, site id, underscore, 34 hexadecimal digits), or an access token. */
    Credential issue(Account account, boolean token) {
        String secret = token ? hex(64) : "pk_" + account.id() + "_" + hex(34);
        Credential made = new Credential(bySecret.size(), account, secret);
        bySecret.put(secret, made);
        return made;
    }

    /** The credential of that value if it opens its account. */
    Optional<Credential> accepted(String secret) {
        return Optional.ofNullable(secret).map(bySecret::get).filter(one -> !one.disabled);
    }

    // Not SecureRandom: it costs 20 ms of start-up, and these keys open nothing but this sandbox.
    static String hex(int length) {
        return new SplittableRandom().ints(length, 0, 16).mapToObj(Integer::toHexString).collect(Collectors.joining());
    }

    // ---- revisions

    /** Today, but never before the newest release: a machine whose clock is slow must still be able to drill. */
    private static LocalDate today() {
        LocalDate newest = LocalDate.parse(RELEASED.get(RELEASED.size() - 1));
        return Stream.of(newest, LocalDate.now(ZoneOffset.UTC)).max(Comparator.naturalOrder()).get();
    }

    /** The newest revision that is in this phase of its life today. */
    static String newestRevision(Phase phase) {
        return RELEASED.stream().filter(date -> Revision.of(date).orElseThrow().phase(today()) == phase)
                .reduce((older, newer) -> newer).orElseThrow();
    }

    /** Refuses a revision that is none, or lacks what is asked for. */
    private static void revision(String header, boolean beta) {
        refuseUnless(header != null && !header.isBlank(), "/data/",
                "A revision header is required, as in revision: " + Revision.NEWEST);
        Revision asked = Revision.of(header).filter(any -> header.matches("[\\d-]{10}(\\.pre)?"))
                .orElseThrow(() -> error("invalid", "The revision has the form YYYY-MM-DD[.suffix]."));
        Phase phase = asked.phase(today());
        boolean released = RELEASED.contains(asked.date().toString()) && header.endsWith(".pre") == beta;
        if (phase == Phase.FUTURE) {
            throw error("not_found", "Unable to specify a future revision date");
        } else if (phase == Phase.RETIRED) {
            throw error("gone", "The revision " + header + " has been retired and is no longer in service.");
        } else if (!released || beta && header.compareTo(BETA) < 0) {
            throw error("not_found", "No valid revisions found for method");
        }
    }

    // ---- answering

    Reply answer(Request request) {
        request.answers("server", "cloudflare");
        request.answers("cf-ray", hex(16) + "-AMS");
        try {
            return handled(request, fault(request));
        } catch (Refusal refusal) {
            return refusal.reply;
        }
    }

    private Reply handled(Request request, Answers fault) {
        String call = request.method() + " " + request.path();
        Route route = ROUTES.stream().filter(one -> call.matches(one.call)).findFirst()
                .orElseThrow(() -> error("not_found", "The path " + request.path() + " could not be found"));
        revision(request.header("revision"), route.scope.startsWith("credentials"));
        Credential caller = authenticated(request.header("Authorization"));
        if (!caller.scopes.contains(route.scope)) {
            throw error("permission_denied", "Your API key is missing required scopes: " + route.scope);
        }
        throttle(request, caller, route, fault == Answers.THROTTLED);
        if (!request.method().equals("GET")) {
            return written(request, caller);
        }
        request.parameters().forEach((name, value) -> refuseUnless((name + "=" + value).matches(route.parameters), name,
                "'" + name + "' is no parameter of this endpoint, or cannot be this."));
        return data(read(request, caller));
    }

    /** Refuses as the scenario says, or tells what it has in mind. */
    private Answers fault(Request request) {
        Stretch now = sandbox.scenario.stretch(sandbox.millis() - sandbox.since);
        String path = request.path();
        boolean meant = !now.answers().isEmpty() && (now.paths().isEmpty() || now.paths().contains(path));
        int turn = meant ? turns.merge(path, 1, Integer::sum) - 1 : 0;
        Answers fault = meant ? now.answers().get(turn % now.answers().size()) : Answers.OK;
        switch (fault) {
            case CHALLENGE -> {
                request.answers("cf-mitigated", "challenge");
                throw html(403, "Just a moment...");
            }
            case UNREACHABLE -> throw html(522, "Connection timed out");
            case UNAVAILABLE -> throw error("error", "Temporarily unavailable.");
            // What Klaviyo says when it sheds load is not known (klaviyo-swift-sdk PR 619): it names no scope.
            case SHED -> throw error("permission_denied", "Forbidden.");
            default -> now.late().ifPresent(late -> LockSupport.parkNanos(late.toNanos()));
        }
        return fault;
    }

    private Credential authenticated(String authorization) {
        String[] parts = String.valueOf(authorization).split(" ", 2);
        boolean oauth = parts[0].equals("Bearer") && !parts[parts.length - 1].startsWith("pk_");
        if (parts.length != 2 || !oauth && !parts[0].equals("Klaviyo-API-Key")) {
            throw error("not_authenticated", "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.");
        }
        // Klaviyo's words about a token are not documented: these are ours.
        String wrong = oauth ? "The access token is invalid or has expired." : "Incorrect authentication credentials.";
        return accepted(parts[1]).filter(credential -> credential.oauth() == oauth)
                .orElseThrow(() -> error("authentication_failed", wrong));
    }

    /** Counts it in its second (burst) and its minute (steady), which all keys of an account share. */
    private synchronized void throttle(Request request, Credential caller, Route route, boolean drained) {
        long now = sandbox.millis();
        if (now / 60_000 != minute) {
            counted.clear();
            minute = now / 60_000;
        }
        String inMinute = caller.account.id() + (caller.oauth() ? " app " : " ") + request.method() + request.path();
        String inSecond = inMinute + " " + now / 1_000;
        int used = counted.merge(inMinute, drained ? route.steady : 0, Integer::sum);
        long left = (60_999 - now % 60_000) / 1_000;
        if (used >= route.steady || counted.getOrDefault(inSecond, 0) >= route.burst) {
            long wait = used >= route.steady ? left : 1;
            // It tells no limits (klaviyo-api-python issue 15).
            request.answers("Retry-After", wait);
            throw error("throttled", "Request was throttled. Expected available in " + wait
                    + (wait == 1 ? " second." : " seconds."));
        }
        counted.merge(inMinute, 1, Integer::sum);
        counted.merge(inSecond, 1, Integer::sum);
        request.answers("RateLimit-Limit", route.steady);
        request.answers("RateLimit-Remaining", route.steady - used - 1);
        request.answers("RateLimit-Reset", left);
    }

    // ---- reading and writing

    /** One of each, for nobody looks at more, with what is looked at: whose account, where the webhook leads. */
    private List<Map<String, Object>> read(Request request, Credential caller) {
        Account account = caller.account;
        return switch (request.path()) {
            case "/api/profiles", "/api/lists", "/api/metrics", "/api/events" ->
                    List.of(resource(request, hex(6), map()));
            case "/api/accounts" -> List.of(resource(request, account.id(), map("test_account", false,
                    "contact_information", map("organization_name", account.organisation()), "timezone",
                    "Europe/Amsterdam", "public_api_key", account.id())));
            // Klaviyo shows a webhook's address cut down to its origin.
            case "/api/webhooks" -> List.of(resource(request, hex(6), map("name", "Drill", "enabled", true,
                    "endpoint_url", sandbox.target().webhook().toString().replace(Sites.WEBHOOK, ""))));
            case "/api/api-keys" -> keys(caller).map(key -> shown(request, key)).toList();
            default -> List.of();
        };
    }

    private static Map<String, Object> resource(Request request, String id, Map<String, Object> attributes) {
        String type = request.path().replaceAll("/api/|s(/.*)?$", "");
        Optional.ofNullable(request.parameters().get("fields[" + type + "]"))
                .ifPresent(fields -> attributes.keySet().retainAll(List.of(fields.split("[.,]"))));
        return map("type", type, "id", id, "attributes", attributes);
    }

    private Stream<Credential> keys(Credential caller) {
        return bySecret.values().stream().filter(one -> one.account.equals(caller.account) && !one.oauth())
                .sorted(Comparator.comparing(one -> one.id));
    }

    private Map<String, Object> shown(Request request, Credential key) {
        Map<String, Object> attributes = map("name", "Drill", "scopes", new TreeSet<>(key.scopes), "status",
                key.disabled ? "disabled" : "active", "created", sandbox.at(0).toString());
        if (request.parameters().toString().contains("redacted_key")) {
            attributes.put("redacted_key", "pk_****" + key.secret.substring(key.secret.length() - 4));
        }
        return resource(request, key.id, attributes);
    }

    /** Checks a document, and enables or disables a key: none is made, as with the real ones, and none renamed. */
    private Reply written(Request request, Credential caller) {
        JsonNode data = request.body().path("data");
        boolean json = String.valueOf(request.header("Content-Type")).matches("application/(vnd\\.api\\+)?json.*");
        refuseUnless(request.method().equals("DELETE") || json && data.path("type").isTextual(), "/data",
                "Give a document with data and its type, and the Content-Type " + JSON_API);
        if (!request.path().startsWith(KEYS)) {
            return new Reply(202, JSON_API, "");
        }
        String id = request.path().substring(KEYS.length());
        Credential key = keys(caller).filter(one -> one.id.equals(id)).findFirst()
                .orElseThrow(() -> error("not_found", "An API key with id " + id + " does not exist."));
        String status = data.path("attributes").path("status").asText();
        refuseUnless(data.path("type").asText().equals("api-key") && data.path("id").asText().equals(id)
                && data.path("attributes").size() == 1 && status.matches("active|disabled"), "/data",
                "Give type api-key, the id of the path, and a status of active or disabled.");
        key.disabled = status.equals("disabled");
        sandbox.changed();
        return data(shown(request, key));
    }

    private static Reply data(Object data) {
        return new Reply(200, JSON_API, Json.line(map("data", data)));
    }

    // ---- refusals

    /** Status and title of each code. What a retired revision gets is not documented: 410 is what v1 calls got. */
    private static final Map<String, String> ERRORS = Map.of("invalid", "400 Invalid input.",
            "not_authenticated", "401 Authentication credentials were not provided.",
            "authentication_failed", "401 Incorrect authentication credentials.",
            "permission_denied", "403 You do not have permission to perform this action.",
            "not_found", "404 Not found.", "gone", "410 This revision has been retired.",
            "throttled", "429 Request was throttled.", "error", "503 A server error occurred.");

    /** An answer that ends the handling of a request early. */
    @SuppressWarnings("serial")
    private static final class Refusal extends RuntimeException {
        private final Reply reply;

        private Refusal(int status, String type, String body) {
            super(null, null, false, false);
            reply = new Reply(status, type, body);
        }
    }

    private static void refuseUnless(boolean right, String place, String detail) {
        if (!right) {
            throw error("invalid", detail, place);
        }
    }

    /** A JSON:API error; its place is a JSON pointer or a parameter's name, the document unless one is given. */
    private static Refusal error(String code, String detail, String... place) {
        String at = place.length == 0 ? "/data/" : place[0];
        int status = Integer.parseInt(ERRORS.get(code).substring(0, 3));
        Map<String, Object> error = map("id", hex(32), "status", status, "code", code, "title",
                ERRORS.get(code).substring(4), "detail", detail,
                "source", map(at.startsWith("/") ? "pointer" : "parameter", at));
        return new Refusal(status, JSON_API, Json.line(map("errors", List.of(error))));
    }

    /** What the CDN in front of Klaviyo says by itself. */
    private static Refusal html(int status, String title) {
        return new Refusal(status, "text/html; charset=UTF-8", "<!DOCTYPE html><html><head><title>" + title
                + "</title></head><body><h1>" + title + "</h1><hr><center>cloudflare</center></body></html>\n");
    }
}
