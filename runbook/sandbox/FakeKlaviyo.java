package runbook.sandbox;

import static runbook.sandbox.Sites.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Klaviyo.Revision;
import runbook.Klaviyo.Revision.Phase;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Answers;
import runbook.sandbox.Sandbox.Stretch;
import runbook.sandbox.Sites.Reply;

/**
 * The embedded Klaviyo: it serves what the toolkit asks for and refuses what the real one refuses, in its order and
 * words (OpenAPI specification of revision 2026-07-15, github.com/klaviyo/openapi, and its users' reports). A write to
 * anything but keys is checked and changes nothing.
 */
final class FakeKlaviyo {
    /** What an integration like the runbook's is given, and the two scopes that let it look after its own keys. */
    static final Set<String> USUAL_SCOPES = Set.of("accounts:read", "events:read", "events:write", "lists:read",
            "lists:write", "metrics:read", "profiles:read", "profiles:write", "subscriptions:write", "webhooks:read",
            "credentials:read", "credentials:write");

    private static final String JSON_API = "application/vnd.api+json";
    private static final Pattern REVISION = Pattern.compile("\\d{4}-\\d{2}-\\d{2}(\\.pre)?");
    private static final List<String> RELEASED = List.of("2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15",
            "2025-07-15", "2025-10-15", "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15");
    /** The API for keys came with this one. */
    private static final String BETA = "2026-07-15.pre";

    // ---- what there is

    /**
     * A collection that can be read: requests allowed per second and per minute; resources that {@code page[size]} may
     * ask for, 0 where there is no such parameter; fields that {@code fields[type]} may name, and those that come only
     * when {@code additional-fields[type]} does.
     */
    private record Collection(String type, int burst, int steady, int most, String fields, String extra) {
        private String path() {
            return "/api/" + type + "s";
        }

        /** Takes what is offered, but for filter, sort, include and cursor: nothing of the toolkit asks for them. */
        private boolean takes(String parameter, String value) {
            if (parameter.equals("page[size]")) {
                return value.matches("[1-9]\\d{0,3}") && Integer.parseInt(value) <= most;
            }
            Map<String, String> offered =
                    Map.of("fields[" + type + "]", fields, "additional-fields[" + type + "]", extra);
            List<String> names = List.of(offered.getOrDefault(parameter, "nothing").split(" "));
            return Stream.of(value.split(",")).map(field -> field.split("\\.")[0]).allMatch(names::contains);
        }
    }

    private static final Collection KEYS =
            new Collection("api-key", 1, 15, 0, "created id name redacted_key scopes status", "redacted_key");
    private static final List<Collection> COLLECTIONS = List.of(KEYS,
            new Collection("account", 1, 15, 0, "contact_information id industry locale preferred_currency "
                    + "public_api_key test_account timezone", ""),
            new Collection("profile", 75, 750, 100, "created email external_id first_name id image last_event_date "
                    + "last_name locale location organization phone_number predictive_analytics properties "
                    + "subscriptions title updated", "predictive_analytics subscriptions"),
            new Collection("list", 75, 750, 10, "created id name opt_in_process updated", ""),
            new Collection("metric", 10, 150, 0, "created id integration name updated", ""),
            new Collection("event", 350, 3500, 1000, "datetime event_properties id timestamp uuid", ""),
            new Collection("webhook", 1, 15, 0, "created_at description enabled endpoint_url id name updated_at", ""));
    /** What is not served has limits in the middle, and is empty. */
    private static final Collection OTHER = new Collection("other", 10, 150, 0, "id", "");
    /** Scopes by the beginning of a path: {@code profile-import-jobs} needs those of profiles. */
    private static final List<String> FAMILIES = List.of("accounts", "metrics", "subscriptions", "coupon-codes",
            "data-privacy", "push-tokens", "web-feeds", "webhooks", "events", "profiles", "lists", "segments",
            "templates", "tags", "coupons", "campaigns", "catalogs", "flows", "images", "forms", "reviews");
    private static final Set<String> READ_ONLY = Set.of("accounts", "metrics");

    // ---- accounts and credentials

    /** A Klaviyo account; its id is its public key. */
    record Account(String id, String organisation) { }

    /** A private key, or an OAuth app's access token. */
    record Credential(String id, Account account, String secret) {
        boolean oauth() {
            return !secret.startsWith("pk_");
        }
    }

    /** All that there are, by their value. */
    final Map<String, Credential> bySecret = new ConcurrentHashMap<>();
    /** What a credential may do, by its value, where that is not the usual. */
    final Map<String, Set<String>> scopes = new ConcurrentHashMap<>();
    final Set<String> disabled = ConcurrentHashMap.newKeySet();
    private final Sandbox sandbox;
    private final Map<String, AtomicInteger> turns = new ConcurrentHashMap<>();
    private final Map<String, Integer> counted = new HashMap<>();
    private long minute;

    FakeKlaviyo(Sandbox sandbox) {
        this.sandbox = sandbox;
    }

    Account account(String organisation) {
        return new Account(hex(6).toUpperCase(Locale.ROOT), organisation);
    }

    /** Makes a key of the newer form: {@code pk_}, site id, underscore, 34 hexadecimal digits. */
    Credential issue(Account account) {
        return add(account, "pk_" + account.id() + "_" + hex(34));
    }

    /** Makes an access token. */
    Credential authorize(Account account) {
        return add(account, hex(64));
    }

    // The id is shaped like a ULID; the number in it keeps the listing in the order of issue.
    private Credential add(Account account, String secret) {
        String id = "01K" + (10_000 + bySecret.size()) + hex(18).toUpperCase(Locale.ROOT);
        Credential made = new Credential(id, account, secret);
        bySecret.put(secret, made);
        return made;
    }

    /** The credential of that value if it opens its account. */
    Optional<Credential> accepted(String secret) {
        return Optional.ofNullable(secret).filter(one -> !disabled.contains(one)).map(bySecret::get);
    }

    Set<String> scopes(Credential credential) {
        return scopes.getOrDefault(credential.secret, USUAL_SCOPES);
    }

    // Not SecureRandom: it costs 20 ms of start-up, and these keys open nothing but this sandbox.
    static String hex(int length) {
        return new SplittableRandom().ints(length, 0, 16).mapToObj(Integer::toHexString).collect(Collectors.joining());
    }

    // ---- answering

    Reply answer(HttpExchange request) {
        request.getResponseHeaders().set("server", "cloudflare");
        request.getResponseHeaders().set("cf-ray", hex(16) + "-AMS");
        try {
            return handle(Call.of(request));
        } catch (Refusal refusal) {
            return refusal.reply;
        }
    }

    /** A request to a path without its last slash, and the collection that it is about. */
    private record Call(HttpExchange exchange, String method, String path, Collection collection) {
        private static Call of(HttpExchange exchange) {
            String path = exchange.getRequestURI().getPath().replaceAll("/+$", "");
            Collection found = path.startsWith(KEYS.path() + "/") ? KEYS : OTHER;
            for (Collection one : COLLECTIONS) {
                found = path.equals(one.path()) ? one : found;
            }
            return new Call(exchange, exchange.getRequestMethod(), path, found);
        }

        private String header(String name) {
            return exchange.getRequestHeaders().getFirst(name);
        }

        private void answers(String name, Object value) {
            exchange.getResponseHeaders().set(name, value.toString());
        }

        private boolean ofOneKey() {
            return collection == KEYS && !path.equals(KEYS.path());
        }

        /** The scope that it needs; empty when there is no such method, or no such path. */
        private Optional<String> scope() {
            boolean read = method.equals("GET");
            String may = read ? ":read" : ":write";
            if (collection == KEYS) {
                return Optional.of("credentials" + may).filter(scope -> read || ofOneKey() && method.equals("PATCH"));
            }
            boolean writes = List.of("POST", "PATCH", "DELETE").contains(method);
            Stream<String> there = FAMILIES.stream().filter(family -> read || writes && !READ_ONLY.contains(family));
            return there.filter(family -> path.matches("/api/(profile-)?" + family.replaceFirst("s$", "")
                    + "(s|-[a-z-]+)?(/.*)?")).findFirst().map(family -> family + may);
        }
    }

    private Reply handle(Call call) {
        Answers fault = fault(call);
        Optional<String> scope = call.scope();
        if (scope.isEmpty() && call.collection == OTHER) {
            throw notFound("The path " + call.path + " could not be found");
        }
        revision(call.header("revision"), scope.isPresent(), call.collection == KEYS);
        Credential caller = authenticate(call.header("Authorization"));
        if (!scopes(caller).contains(scope.get())) {
            throw forbidden("Your API key is missing required scopes: " + scope.get());
        }
        throttle(call, caller, fault == Answers.THROTTLED);
        if (!call.method.equals("GET")) {
            return call.ofOneKey() ? changed(call, caller) : taken(call);
        }
        Sites.parameters(call.exchange).forEach((name, value) -> refuseUnless(call.collection.takes(name, value), name,
                "'" + name + "' is no parameter of this endpoint, or cannot be this."));
        Object data = call.ofOneKey() ? shown(call, key(call, caller)) : page(call, caller);
        return jsonApi(200, map("data", data));
    }

    /** Refuses as the scenario says, or tells what it has in mind. */
    private Answers fault(Call call) {
        Stretch now = sandbox.scenario.stretch(sandbox.millis() - sandbox.since);
        boolean meant = now.paths().isEmpty() || now.paths().contains(call.path);
        int turn = meant ? turns.computeIfAbsent(call.path, one -> new AtomicInteger()).getAndIncrement() : 0;
        Answers fault = meant && !now.answers().isEmpty() ? now.answers().get(turn % now.answers().size()) : Answers.OK;
        switch (fault) {
            case CHALLENGE -> {
                call.answers("cf-mitigated", "challenge");
                throw html(403, "Just a moment...");
            }
            case UNREACHABLE -> throw html(522, "Connection timed out");
            case UNAVAILABLE -> throw error(503, "error", "A server error occurred.", "Temporarily unavailable.");
            // What Klaviyo says when it sheds load is not known (klaviyo-swift-sdk PR 619): it names no scope.
            case SHED -> throw forbidden("Forbidden.");
            default -> now.late().ifPresent(Sandbox::pause);
        }
        return fault;
    }

    private Credential authenticate(String authorization) {
        String[] parts = String.valueOf(authorization).split(" ", 2);
        boolean oauth = parts[0].equals("Bearer") && !parts[parts.length - 1].startsWith("pk_");
        if (parts.length != 2 || !oauth && !parts[0].equals("Klaviyo-API-Key")) {
            throw error(401, "not_authenticated", "Authentication credentials were not provided.",
                    "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.");
        }
        // Klaviyo's words about a token are not documented: these are ours.
        String detail = oauth ? "The access token is invalid or has expired." : "Incorrect authentication credentials.";
        return accepted(parts[1]).filter(credential -> credential.oauth() == oauth).orElseThrow(() ->
                error(401, "authentication_failed", "Incorrect authentication credentials.", detail));
    }

    // ---- revisions

    /** Today, but never before the newest release: a machine whose clock is slow must still be able to drill. */
    private static LocalDate today() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        LocalDate newest = LocalDate.parse(RELEASED.get(RELEASED.size() - 1));
        return today.isBefore(newest) ? newest : today;
    }

    /** The newest revision that is in this phase of its life today. */
    static String newestRevision(Phase phase) {
        return RELEASED.stream().filter(date -> Revision.of(date).orElseThrow().phase(today()) == phase)
                .reduce((older, newer) -> newer).orElseThrow();
    }

    /** Refuses a revision that is none, or has no such method. */
    private void revision(String header, boolean method, boolean beta) {
        refuseUnless(header != null && !header.isBlank(), "/data/",
                "A revision header is required, as in revision: " + Revision.NEWEST);
        Optional<Revision> written = Optional.of(header).filter(text -> REVISION.matcher(text).matches())
                .flatMap(Revision::of);
        refuseUnless(written.isPresent(), "/data/", "The revision has the form YYYY-MM-DD[.suffix].");
        Revision revision = written.get();
        boolean released = RELEASED.contains(revision.date().toString()) && revision.text().endsWith(".pre") == beta;
        if (revision.phase(today()) == Phase.FUTURE) {
            throw notFound("Unable to specify a future revision date");
        } else if (revision.phase(today()) == Phase.RETIRED) {
            // What the real API answers is not documented; 410 is what its retired v1 and v2 calls answered.
            throw error(410, "gone", "This revision has been retired.",
                    "The revision " + revision + " has been retired and is no longer in service.");
        } else if (!method || !released || beta && header.compareTo(BETA) < 0) {
            throw notFound("No valid revisions found for method");
        }
    }

    // ---- rate windows

    /** Counts a request in its second (burst) and its minute (steady), which all keys of an account share. */
    private synchronized void throttle(Call call, Credential caller, boolean drained) {
        long now = sandbox.millis();
        if (now / 60_000 != minute) {
            counted.clear();
            minute = now / 60_000;
        }
        int steady = call.collection.steady;
        String inMinute = caller.account.id() + (caller.oauth() ? " app " : " ") + call.method + call.path;
        String inSecond = inMinute + " " + now / 1_000;
        int used = counted.merge(inMinute, drained ? steady : 0, Integer::sum);
        long left = (60_999 - now % 60_000) / 1_000;
        if (used >= steady || counted.getOrDefault(inSecond, 0) >= call.collection.burst) {
            long wait = used >= steady ? left : 1;
            String title = "Request was throttled.";
            // It tells no limits (klaviyo-api-python issue 15).
            call.answers("Retry-After", wait);
            throw error(429, "throttled", title,
                    title + " Expected available in " + wait + (wait == 1 ? " second." : " seconds."));
        }
        counted.merge(inMinute, 1, Integer::sum);
        counted.merge(inSecond, 1, Integer::sum);
        call.answers("RateLimit-Limit", steady);
        call.answers("RateLimit-Remaining", steady - used - 1);
        call.answers("RateLimit-Reset", left);
    }

    // ---- reading

    /** One of each, for nobody looks at more, with what is looked at: whose the account is, where the webhook leads. */
    private List<Map<String, Object>> page(Call call, Credential caller) {
        Account account = caller.account;
        if (call.collection == OTHER) {
            return List.of();
        } else if (call.collection == KEYS) {
            return keys(caller).map(key -> shown(call, key)).toList();
        }
        // Klaviyo shows a webhook's address cut down to its origin.
        String origin = sandbox.target().webhook().toString().replace(Sites.WEBHOOK, "");
        Map<String, Object> organisation = map("organization_name", account.organisation());
        return List.of(switch (call.collection.type) {
            case "account" -> resource(call, account.id(), map("contact_information", organisation,
                    "test_account", false, "timezone", "Europe/Amsterdam", "public_api_key", account.id()));
            case "webhook" -> resource(call, hex(6), map("endpoint_url", origin, "enabled", true));
            default -> resource(call, hex(6), map());
        });
    }

    private Map<String, Object> resource(Call call, String id, Map<String, Object> attributes) {
        return map("type", call.collection.type, "id", id, "attributes", attributes);
    }

    // ---- keys: listed, enabled and disabled; none is made, as with the real ones

    private Stream<Credential> keys(Credential caller) {
        return bySecret.values().stream().filter(one -> one.account.equals(caller.account) && !one.oauth())
                .sorted(Comparator.comparing(Credential::id));
    }

    private Credential key(Call call, Credential caller) {
        String id = call.path.substring(call.path.lastIndexOf('/') + 1);
        return keys(caller).filter(one -> one.id.equals(id)).findFirst()
                .orElseThrow(() -> notFound("An API key with id " + id + " does not exist."));
    }

    private Map<String, Object> shown(Call call, Credential key) {
        Map<String, Object> attributes = map("name", "Drill", "scopes", new TreeSet<>(scopes(key)),
                "status", disabled.contains(key.secret) ? "disabled" : "active");
        if (Sites.parameters(call.exchange).containsKey("additional-fields[api-key]")) {
            attributes.put("redacted_key", "pk_****" + key.secret.substring(key.secret.length() - 4));
        }
        return resource(call, key.id, attributes);
    }

    private Reply changed(Call call, Credential caller) {
        Credential key = key(call, caller);
        JsonNode data = document(call);
        String status = data.path("attributes").path("status").asText();
        refuseUnless(data.path("type").asText().equals("api-key") && data.path("id").asText().equals(key.id)
                && data.path("attributes").size() == 1 && status.matches("active|disabled"), "/data",
                "Give type api-key, the id of the path, and a status of active or disabled.");
        if (status.equals("disabled")) {
            disabled.add(key.secret);
        } else {
            disabled.remove(key.secret);
        }
        sandbox.changed();
        return jsonApi(200, map("data", shown(call, key)));
    }

    // ---- writing

    private Reply taken(Call call) {
        if (!call.method.equals("DELETE")) {
            JsonNode data = document(call);
            refuseUnless(data.path("type").isTextual(), "/data/type", "'type' is required.");
            refuseUnless(data.path("attributes").isObject() || data.path("relationships").isObject(),
                    "/data/attributes", "'attributes' is required.");
        }
        return new Reply(202, JSON_API, "");
    }

    private JsonNode document(Call call) {
        boolean json = String.valueOf(call.header("Content-Type")).matches("application/(vnd\\.api\\+)?json.*");
        refuseUnless(json, "/data", "Content-Type must be " + JSON_API);
        JsonNode body = Sites.body(call.exchange);
        refuseUnless(body.isObject(), "/data", "The request body is not valid JSON.");
        return body.path("data");
    }

    // ---- refusals

    /** An answer that ends the handling of a request early. */
    private static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final transient Reply reply;

        private Refusal(Reply reply) {
            super(null, null, false, false);
            this.reply = reply;
        }
    }

    private void refuseUnless(boolean right, String place, String detail) {
        if (!right) {
            throw error(400, "invalid", "Invalid input.", detail, place);
        }
    }

    /** A JSON:API error; its place is a JSON pointer or a parameter's name, the document unless one is given. */
    private Refusal error(int status, String code, String title, String detail, String... place) {
        String at = place.length == 0 ? "/data/" : place[0];
        Map<String, Object> error = map("id", hex(32), "status", status, "code", code, "title", title,
                "detail", detail, "source", map(at.startsWith("/") ? "pointer" : "parameter", at));
        return new Refusal(jsonApi(status, map("errors", List.of(error))));
    }

    private Refusal notFound(String detail) {
        return error(404, "not_found", "Not found.", detail);
    }

    private Refusal forbidden(String detail) {
        return error(403, "permission_denied", "You do not have permission to perform this action.", detail);
    }

    private static Reply jsonApi(int status, Map<String, Object> document) {
        return new Reply(status, JSON_API, Json.line(Json.of(document)));
    }

    /** What the CDN in front of Klaviyo says by itself. */
    private static Refusal html(int status, String title) {
        return new Refusal(new Reply(status, "text/html; charset=UTF-8", "<!DOCTYPE html><html><head><title>" + title
                + "</title></head><body><h1>" + title + "</h1><hr><center>cloudflare</center></body></html>\n"));
    }
}
