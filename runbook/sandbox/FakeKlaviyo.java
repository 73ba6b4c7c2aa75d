package runbook.sandbox;

import static runbook.sandbox.Sites.WebServer.map;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Klaviyo.Revision;
import runbook.Klaviyo.Revision.Phase;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Scenario.Answers;
import runbook.sandbox.Sandbox.Scenario.Stretch;
import runbook.sandbox.Sites.WebServer.Reply;
import runbook.sandbox.Sites.WebServer.Request;

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
    // A control character in a header never gets past the edge (klaviyo-api-ruby issue 39). The JDK's server has turned
    // a folded line break or a tab into a space by now, and no credential has one inside.
    private static final Pattern UNSENDABLE = Pattern.compile("(?s).*[^\\x20-\\x7e].*|\\S+ \\S+\\s.*");
    private static final Pattern REVISION = Pattern.compile("\\d{4}-\\d{2}-\\d{2}(\\.pre)?");
    private static final List<String> RELEASED = List.of("2022-10-17", "2023-01-24", "2023-02-22", "2023-06-15",
            "2023-07-15", "2023-08-15", "2023-09-15", "2023-10-15", "2023-12-15", "2024-02-15", "2024-05-15",
            "2024-06-15", "2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15",
            "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15");
    /** The API for keys came with this one. */
    private static final String BETA = "2026-07-15.pre";
    /** What the edge says to a request that it will not even pass on. */
    private static final Reply EDGE = html(400, "400 Bad Request").with("cf-ray", "-");

    // ---- what there is

    /** Requests allowed per second and per minute. */
    private record Tier(int burst, int steady) {
        static final Tier XS = new Tier(1, 15);
        static final Tier M = new Tier(10, 150);
        static final Tier L = new Tier(75, 750);
        static final Tier XL = new Tier(350, 3500);
    }

    /**
     * A collection that can be read.
     *
     * @param count  of the resources that are shown when no {@code page[size]} is given
     * @param most   that it may ask for; 0 where there is no such parameter
     * @param fields that {@code fields[type]} may name
     * @param extra  those that come only when {@code additional-fields[type]} asks for them
     */
    private record Collection(String type, String scope, Tier tier, int count, int most, String fields, String extra) {
        String path() {
            return "/api/" + type + "s";
        }
    }

    private static final Collection KEYS = new Collection("api-key", "credentials:read", Tier.XS, 0, 0,
            "created id name redacted_key scopes status", "redacted_key");
    private static final List<Collection> COLLECTIONS = List.of(KEYS,
            new Collection("account", "accounts:read", Tier.XS, 1, 0, "contact_information id industry locale "
                    + "preferred_currency public_api_key test_account timezone", ""),
            new Collection("profile", "profiles:read", Tier.L, 20, 100, "created email external_id first_name id image "
                    + "last_event_date last_name locale location organization phone_number predictive_analytics "
                    + "properties subscriptions title updated", "predictive_analytics subscriptions"),
            new Collection("list", "lists:read", Tier.L, 10, 10, "created id name opt_in_process updated", ""),
            new Collection("metric", "metrics:read", Tier.M, 14, 0, "created id integration name updated", ""),
            new Collection("event", "events:read", Tier.XL, 40, 1000,
                    "datetime event_properties id timestamp uuid", ""),
            new Collection("webhook", "webhooks:read", Tier.XS, 1, 0,
                    "created_at description enabled endpoint_url id name updated_at", ""),
            new Collection("webhook-topic", "webhooks:read", Tier.XS, 4, 0, "id", ""));
    /** What else there is, by the beginning of its path: {@code profile-import-jobs} has the scopes of profiles. */
    private static final List<String> FAMILIES = List.of("subscription", "coupon-code", "data-privacy", "push-token",
            "web-feed", "event", "profile", "list", "segment", "template", "tag", "coupon", "campaign", "catalog",
            "flow", "image", "form", "review");

    // ---- accounts and credentials

    /** A Klaviyo account; its id is its public key. */
    record Account(String id, String organisation) { }

    /** A private key, or an OAuth app's access token. Its state may change while requests use it. */
    static final class Credential {
        final String id;
        final Account account;
        final String secret;
        final boolean oauth;
        volatile String name;
        volatile Set<String> scopes = USUAL_SCOPES;
        volatile boolean enabled = true;

        private Credential(String id, Account account, String secret, String name) {
            this.id = id;
            this.account = account;
            this.secret = secret;
            this.name = name;
            oauth = !secret.startsWith("pk_");
        }
    }

    /** All that there are, by their value. */
    final Map<String, Credential> bySecret = new ConcurrentHashMap<>();
    private final Sandbox sandbox;
    // Not SecureRandom: it costs 20 ms of start-up, and these keys open nothing but this sandbox.
    private final SplittableRandom random = new SplittableRandom();
    private final Map<String, AtomicInteger> turns = new ConcurrentHashMap<>();
    private final Map<String, Integer> inMinute = new HashMap<>();
    private final Map<String, Integer> inSecond = new HashMap<>();
    private long minute;
    private long second;

    FakeKlaviyo(Sandbox sandbox) {
        this.sandbox = sandbox;
    }

    Account account(String organisation) {
        return new Account(hex(6).toUpperCase(Locale.ROOT), organisation);
    }

    /** Makes a key of the newer form: {@code pk_}, site id, underscore, 34 hexadecimal digits. */
    Credential issue(Account account, String name) {
        return add(account, "pk_" + account.id() + "_" + hex(34), name);
    }

    /** Makes an access token. */
    Credential authorize(Account account) {
        return add(account, hex(64), "Drill app");
    }

    // The id is shaped like a ULID; the number in it keeps the listing in the order of issue.
    private Credential add(Account account, String secret, String name) {
        String id = "01K" + (10_000 + bySecret.size()) + hex(18).toUpperCase(Locale.ROOT);
        Credential made = new Credential(id, account, secret, name);
        bySecret.put(secret, made);
        return made;
    }

    /** The credential of that value if it opens its account. */
    Optional<Credential> accepted(String secret) {
        return Optional.ofNullable(secret).map(bySecret::get).filter(credential -> credential.enabled);
    }

    synchronized String hex(int length) {
        StringBuilder digits = new StringBuilder(length);
        while (digits.length() < length) {
            digits.append(Character.forDigit(random.nextInt(16), 16));
        }
        return digits.toString();
    }

    // ---- answering

    Reply answer(Request request) {
        String path = request.path().replaceAll("/+$", "");
        sandbox.setup.seen().accept(request.method() + " " + path);
        Map<String, Object> limits = new LinkedHashMap<>();
        Reply reply;
        try {
            reply = handle(request, path, limits);
        } catch (Refusal refusal) {
            reply = refusal.reply;
        }
        // Of these a throttled request has no limits (klaviyo-api-python issue 15): it ends before they are known.
        for (Map.Entry<String, Object> header : limits.entrySet()) {
            reply = reply.with(header.getKey(), header.getValue());
        }
        return reply.with("server", "cloudflare").with("x-request-id", uniqueId()).with("cf-ray", hex(16) + "-AMS");
    }

    private Reply handle(Request request, String path, Map<String, Object> limits) {
        String authorization = request.header("authorization");
        if (authorization != null && UNSENDABLE.matcher(authorization).matches()) {
            throw new Refusal(EDGE);
        }
        Answers fault = fault(path);
        boolean oneKey = path.startsWith(KEYS.path() + "/");
        Collection collection = oneKey ? KEYS : null;
        for (Collection one : COLLECTIONS) {
            collection = path.equals(one.path()) ? one : collection;
        }
        String scope = scope(request.method(), path, oneKey, collection);
        if (scope == null && collection == null) {
            throw notFound("The path " + path + " could not be found");
        }
        revision(request.header("revision"), scope != null, collection == KEYS);
        Credential caller = authenticate(authorization);
        if (!caller.scopes.contains(scope)) {
            throw forbidden("Your API key is missing required scopes: " + scope);
        }
        Map<String, List<String>> parameters = parameters(request);
        // Predictions lower the limit of profiles, as Klaviyo documents; what is not served gets a tier in the middle.
        boolean costly = list(parameters, "additional-fields[profile]").contains("predictive_analytics");
        Tier tier = costly || collection == null ? Tier.M : collection.tier;
        throttle(caller, request.method() + " " + path, tier, fault == Answers.THROTTLED, limits);
        if (!request.method().equals("GET") && !oneKey) {
            return write(request, path);
        } else if (collection != null) {
            check(collection, parameters);
        }
        Object data = oneKey ? key(request, path, caller, parameters)
                : collection == null ? List.of() : page(collection, caller.account, parameters);
        return Reply.json(200, JSON_API, map("data", data, "links", map("self", sandbox.apiUrl() + path + "/")));
    }

    /** Refuses as the scenario says, or tells what it has in mind. */
    private Answers fault(String path) {
        Stretch now = sandbox.scenario.stretch(sandbox.millis() - sandbox.since);
        boolean meant = now.paths().isEmpty() || now.paths().contains(path);
        int turn = meant ? turns.computeIfAbsent(path, one -> new AtomicInteger()).getAndIncrement() : 0;
        Answers fault = meant && !now.answers().isEmpty() ? now.answers().get(turn % now.answers().size()) : Answers.OK;
        switch (fault) {
            case CHALLENGE -> throw new Refusal(html(403, "Just a moment...").with("cf-mitigated", "challenge"));
            case UNREACHABLE -> throw new Refusal(html(522, "Connection timed out"));
            case UNAVAILABLE -> throw error(503, "error", "A server error occurred.", "Temporarily unavailable.");
            // What Klaviyo says when it sheds load is not known (klaviyo-swift-sdk PR 619): it names no scope.
            case SHED -> throw forbidden("Forbidden.");
            default -> now.late().ifPresent(Sandbox::pause);
        }
        if (path.matches("/api/v[12](/.*)?")) {
            String gone = "This API has been retired and is no longer in service.";
            throw new Refusal(Reply.json(410, map("message", gone)));
        }
        return fault;
    }

    /** The scope that a method of a path needs; null when there is no such method, or no such path. */
    private static String scope(String method, String path, boolean oneKey, Collection collection) {
        if (collection != null && method.equals("GET")) {
            return collection.scope;
        } else if (oneKey) {
            return method.equals("PATCH") ? "credentials:write" : null;
        }
        boolean spoken = List.of("GET", "POST", "PATCH", "DELETE").contains(method);
        for (String family : FAMILIES) {
            if (spoken && path.matches("/api/(profile-)?" + family + "(s|-[a-z-]+)?(/.*)?")) {
                return family.replaceFirst("([^y])$", "$1s") + (method.equals("GET") ? ":read" : ":write");
            }
        }
        return null;
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
        return accepted(parts[1]).filter(credential -> credential.oauth == oauth).orElseThrow(() ->
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
    private static void revision(String header, boolean method, boolean beta) {
        if (header == null || header.isBlank()) {
            throw invalid("A revision header is required, as in revision: " + Revision.NEWEST, "pointer", "/data/");
        }
        Revision revision = Optional.of(header).filter(text -> REVISION.matcher(text).matches()).flatMap(Revision::of)
                .orElseThrow(() -> invalid("The revision has the form YYYY-MM-DD[.suffix].", "pointer", "/data/"));
        boolean released = RELEASED.contains(revision.date().toString()) && revision.beta() == beta;
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
    private synchronized void throttle(Credential caller, String endpoint, Tier tier, boolean drained,
                                       Map<String, Object> limits) {
        long now = sandbox.millis();
        if (now / 60_000 != minute) {
            inMinute.clear();
        }
        if (now / 1_000 != second) {
            inSecond.clear();
        }
        minute = now / 60_000;
        second = now / 1_000;
        String window = caller.account.id() + (caller.oauth ? " app " : " ") + endpoint;
        int used = drained ? tier.steady : inMinute.getOrDefault(window, 0);
        long left = (60_999 - now % 60_000) / 1_000;
        if (used >= tier.steady || inSecond.getOrDefault(window, 0) >= tier.burst) {
            inMinute.put(window, used);
            long wait = used >= tier.steady ? left : 1;
            String available = " Expected available in " + wait + (wait == 1 ? " second." : " seconds.");
            String title = "Request was throttled.";
            Reply reply = error(429, "throttled", title, title + available).reply;
            throw new Refusal(reply.with("Retry-After", wait));
        }
        inMinute.put(window, used + 1);
        inSecond.merge(window, 1, Integer::sum);
        limits.put("RateLimit-Limit", tier.steady);
        limits.put("RateLimit-Remaining", tier.steady - used - 1);
        limits.put("RateLimit-Reset", left);
    }

    // ---- reading

    private static Map<String, List<String>> parameters(Request request) {
        try {
            return request.parameters();
        } catch (IllegalArgumentException e) {
            throw new Refusal(EDGE);
        }
    }

    /** Takes what is offered, but for filter, sort, include and cursor: nothing of the toolkit asks for them. */
    private static void check(Collection collection, Map<String, List<String>> parameters) {
        for (Map.Entry<String, List<String>> parameter : parameters.entrySet()) {
            String name = parameter.getKey();
            String value = String.join(",", parameter.getValue());
            String allowed = name.equals("fields[" + collection.type + "]") ? collection.fields
                    : name.equals("additional-fields[" + collection.type + "]") ? collection.extra : "";
            boolean size = name.equals("page[size]") && collection.most > 0;
            if (parameter.getValue().size() > 1 || !size && allowed.isEmpty()) {
                throw invalid("'" + name + "' is no parameter of this endpoint, or given twice.", "parameter", name);
            } else if (size && (!value.matches("[1-9]\\d{0,3}") || Integer.parseInt(value) > collection.most)) {
                throw invalid("Page size must be between 1 and " + collection.most + ".", "parameter", name);
            } else if (!size && !List.of(allowed.split(" ")).containsAll(list(parameters, name))) {
                throw invalid("Not an allowed value. Valid choices are: " + allowed + ".", "parameter", name);
            }
        }
    }

    /** The names in a parameter, without what lies below them. */
    private static List<String> list(Map<String, List<String>> parameters, String name) {
        String[] values = String.join(",", parameters.getOrDefault(name, List.of())).split(",");
        return Stream.of(values).map(value -> value.split("\\.")[0]).filter(value -> !value.isEmpty()).toList();
    }

    private List<Object> page(Collection collection, Account account, Map<String, List<String>> parameters) {
        if (collection == KEYS) {
            return bySecret.values().stream().filter(one -> one.account.equals(account) && !one.oauth)
                    .sorted(Comparator.comparing(one -> one.id)).map(one -> (Object) shown(one, parameters)).toList();
        }
        String size = parameters.getOrDefault("page[size]", List.of("" + collection.count)).get(0);
        List<Object> page = new ArrayList<>();
        for (int i = 1; i <= Math.min(Integer.parseInt(size), collection.count); i++) {
            String id = collection.type.equals("account") ? account.id() : account.id() + (1_000 + i);
            page.add(resource(collection, id, attributes(collection.type, account, i), parameters));
        }
        return page;
    }

    /** Invented people and things, as far as somebody looks at them; what no specification has is left out later. */
    private Map<String, Object> attributes(String type, Account account, int number) {
        Instant at = sandbox.at(sandbox.millis() - 90_000L * number).truncatedTo(ChronoUnit.SECONDS);
        String stamp = at.toString().replace("Z", "+00:00");
        // Klaviyo shows a webhook's address cut down to its origin.
        String origin = sandbox.webhookUrl().resolve("/").toString().replaceAll("/$", "");
        return map("name", "Drill " + type + " " + number, "email", "drill.person." + number + "@example.com",
                "contact_information", map("organization_name", account.organisation()), "public_api_key", account.id(),
                "test_account", false, "timezone", "Europe/Amsterdam", "created", stamp, "updated", stamp,
                "created_at", stamp, "updated_at", stamp, "datetime", stamp, "timestamp", at.getEpochSecond(),
                "event_properties", map(), "subscriptions", map(), "predictive_analytics", map(), "enabled", true,
                "endpoint_url", origin);
    }

    private Map<String, Object> resource(Collection collection, String id, Map<String, Object> attributes,
                                         Map<String, List<String>> parameters) {
        Set<String> asked = new HashSet<>(list(parameters, "fields[" + collection.type + "]"));
        if (asked.isEmpty()) {
            asked.addAll(List.of(collection.fields.split(" ")));
            asked.removeAll(List.of(collection.extra.split(" ")));
        }
        asked.addAll(list(parameters, "additional-fields[" + collection.type + "]"));
        asked.retainAll(List.of(collection.fields.split(" ")));
        attributes.keySet().retainAll(asked);
        return map("type", collection.type, "id", id, "attributes", attributes,
                "links", map("self", sandbox.apiUrl() + collection.path() + "/" + id + "/"));
    }

    // ---- keys: listed, renamed, enabled and disabled; none is made, as with the real ones

    private Map<String, Object> shown(Credential key, Map<String, List<String>> parameters) {
        return resource(KEYS, key.id, map("name", key.name, "status", key.enabled ? "active" : "disabled",
                "scopes", new TreeSet<>(key.scopes), "created", sandbox.at(0).toString().replace("Z", "+00:00"),
                "redacted_key", "pk_****" + key.secret.substring(key.secret.length() - 4)), parameters);
    }

    private Map<String, Object> key(Request request, String path, Credential caller,
                                    Map<String, List<String>> parameters) {
        String id = path.substring(path.lastIndexOf('/') + 1);
        Credential key = bySecret.values().stream()
                .filter(one -> one.id.equals(id) && one.account.equals(caller.account) && !one.oauth).findFirst()
                .orElseThrow(() -> notFound("An API key with id " + id + " does not exist."));
        if (request.method().equals("PATCH")) {
            JsonNode data = document(request);
            JsonNode attributes = data.path("attributes");
            refuseUnless(data.path("type").asText().equals("api-key"), "/data/type", "'type' must be 'api-key'.");
            refuseUnless(data.path("id").asText().equals(id), "/data/id", "'id' must match the id in the path.");
            refuseUnless(attributes.isObject(), "/data/attributes", "'attributes' is required.");
            attributes.fieldNames().forEachRemaining(name -> refuseUnless(name.matches("name|status"),
                    "/data/attributes/" + name, "'" + name + "' is not a valid field for the resource 'api-key'."));
            String status = attributes.path("status").asText(key.enabled ? "active" : "disabled");
            refuseUnless(status.matches("active|disabled"), "/data/attributes/status", "It is active or disabled.");
            key.name = attributes.path("name").asText(key.name);
            key.enabled = status.equals("active");
            sandbox.changed(sandbox.millis());
        }
        return shown(key, parameters);
    }

    // ---- writing

    private static Reply write(Request request, String path) {
        if (!request.method().equals("DELETE") || request.body().length > 0) {
            JsonNode data = document(request);
            refuseUnless(data.path("type").isTextual(), "/data/type", "'type' is required.");
            refuseUnless(data.path("attributes").isObject() || data.path("relationships").isObject(),
                    "/data/attributes", "'attributes' is required.");
            for (String part : path.equals("/api/events") ? List.of("metric", "profile") : List.<String>of()) {
                refuseUnless(data.path("attributes").path(part).path("data").isObject(),
                        "/data/attributes/" + part, "'" + part + "' is required.");
            }
        }
        return new Reply(202, null, new byte[0], Map.of());
    }

    private static JsonNode document(Request request) {
        String type = String.valueOf(request.header("content-type"));
        refuseUnless(type.matches("application/(vnd\\.api\\+)?json.*"), "/data", "Content-Type must be " + JSON_API);
        try {
            return Json.read(request.body()).path("data");
        } catch (IOException e) {
            throw invalid("The request body is not valid JSON.", "pointer", "/data");
        }
    }

    private static void refuseUnless(boolean right, String pointer, String detail) {
        if (!right) {
            throw invalid(detail, "pointer", pointer);
        }
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

    private static Refusal error(int status, String code, String title, String detail) {
        return error(status, code, title, detail, map("pointer", "/data/"));
    }

    private static Refusal error(int status, String code, String title, String detail, Map<String, Object> source) {
        Map<String, Object> error = map("id", uniqueId(), "status", status, "code", code, "title", title,
                "detail", detail, "source", source, "links", map(), "meta", map());
        return new Refusal(Reply.json(status, JSON_API, map("errors", List.of(error))));
    }

    private static Refusal invalid(String detail, String kind, String place) {
        return error(400, "invalid", "Invalid input.", detail, map(kind, place));
    }

    private static Refusal notFound(String detail) {
        return error(404, "not_found", "Not found.", detail);
    }

    private static Refusal forbidden(String detail) {
        return error(403, "permission_denied", "You do not have permission to perform this action.", detail);
    }

    /** What the CDN in front of Klaviyo says by itself. */
    private static Reply html(int status, String title) {
        return Reply.text(status, "text/html; charset=UTF-8", "<!DOCTYPE html><html><head><title>" + title
                + "</title></head><body><h1>" + title + "</h1><hr><center>cloudflare</center></body></html>\n");
    }

    /** A UUID without the cost of a secure random number. */
    private static String uniqueId() {
        return new UUID(ThreadLocalRandom.current().nextLong(), ThreadLocalRandom.current().nextLong()).toString();
    }
}
