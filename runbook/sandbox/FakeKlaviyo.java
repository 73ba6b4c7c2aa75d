package runbook.sandbox;

import static runbook.sandbox.Sites.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
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
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
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
    // A control character in a header never gets past the edge (klaviyo-api-ruby issue 39). The JDK's server has turned
    // a folded line break or a tab into a space by now, and no credential has one inside.
    private static final Pattern UNSENDABLE = Pattern.compile("(?s).*[^\\x20-\\x7e].*|\\S+ \\S+\\s.*");
    private static final Pattern REVISION = Pattern.compile("\\d{4}-\\d{2}-\\d{2}(\\.pre)?");
    private static final List<String> RELEASED = List.of("2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15",
            "2025-07-15", "2025-10-15", "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15");
    /** The API for keys came with this one. */
    private static final String BETA = "2026-07-15.pre";

    // ---- what there is

    /**
     * A collection that can be read.
     *
     * @param burst  requests allowed per second
     * @param steady and per minute
     * @param most   resources that {@code page[size]} may ask for; 0 where there is no such parameter
     * @param fields that {@code fields[type]} may name
     * @param extra  those that come only when {@code additional-fields[type]} asks for them
     */
    private record Collection(String type, int burst, int steady, int most, String fields, String extra) {
        private String path() {
            return "/api/" + type + "s";
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
    private static final int SHOWN = 3;
    /** Scopes by the beginning of a path: {@code profile-import-jobs} needs those of profiles. */
    private static final List<String> FAMILIES = List.of("account", "metric", "subscription", "coupon-code",
            "data-privacy", "push-token", "web-feed", "webhook", "event", "profile", "list", "segment", "template",
            "tag", "coupon", "campaign", "catalog", "flow", "image", "form", "review");
    private static final Set<String> READ_ONLY = Set.of("account", "metric");

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
    private final Map<String, Integer> counted = new HashMap<>();
    private long minute;

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

    Reply answer(HttpExchange request) {
        Map<String, Object> headers = map("server", "cloudflare", "cf-ray", hex(16) + "-AMS");
        try {
            return handle(request, headers).with(headers);
        } catch (Refusal refusal) {
            headers.putAll(refusal.reply.headers());
            return refusal.reply.with(headers);
        }
    }

    private Reply handle(HttpExchange request, Map<String, Object> limits) {
        String method = request.getRequestMethod();
        String path = request.getRequestURI().getPath().replaceAll("/+$", "");
        String authorization = request.getRequestHeaders().getFirst("Authorization");
        if (authorization != null && UNSENDABLE.matcher(authorization).matches()) {
            throw new Refusal(html(400, "400 Bad Request").with(Map.of("cf-ray", "-")));
        }
        Answers fault = fault(path);
        boolean oneKey = path.startsWith(KEYS.path() + "/");
        Collection collection = oneKey ? KEYS
                : COLLECTIONS.stream().filter(one -> path.equals(one.path())).findFirst().orElse(OTHER);
        Optional<String> scope = collection == KEYS ? keyScope(method, oneKey) : scope(method, path);
        if (scope.isEmpty() && collection == OTHER) {
            throw notFound("The path " + path + " could not be found");
        }
        revision(request.getRequestHeaders().getFirst("revision"), scope.isPresent(), collection == KEYS);
        Credential caller = authenticate(authorization);
        if (!caller.scopes.contains(scope.get())) {
            throw forbidden("Your API key is missing required scopes: " + scope.get());
        }
        throttle(caller, method + " " + path, collection, fault == Answers.THROTTLED, limits);
        if (!method.equals("GET") && !oneKey) {
            return write(request);
        }
        Map<String, String> parameters = Sites.parameters(request);
        check(collection, parameters);
        Object data = oneKey ? key(request, path, caller, parameters)
                : page(collection, caller.account, parameters);
        return jsonApi(200, map("data", data, "links", map("self", sandbox.target().api() + path + "/")));
    }

    /** Refuses as the scenario says, or tells what it has in mind. */
    private Answers fault(String path) {
        Stretch now = sandbox.scenario.stretch(sandbox.millis() - sandbox.since);
        boolean meant = now.paths().isEmpty() || now.paths().contains(path);
        int turn = meant ? turns.computeIfAbsent(path, one -> new AtomicInteger()).getAndIncrement() : 0;
        Answers fault = meant && !now.answers().isEmpty() ? now.answers().get(turn % now.answers().size()) : Answers.OK;
        switch (fault) {
            case CHALLENGE -> throw new Refusal(html(403, "Just a moment...")
                    .with(Map.of("cf-mitigated", "challenge")));
            case UNREACHABLE -> throw new Refusal(html(522, "Connection timed out"));
            case UNAVAILABLE -> throw error(503, "error", "A server error occurred.", "Temporarily unavailable.");
            // What Klaviyo says when it sheds load is not known (klaviyo-swift-sdk PR 619): it names no scope.
            case SHED -> throw forbidden("Forbidden.");
            default -> now.late().ifPresent(Sandbox::pause);
        }
        return fault;
    }

    private static Optional<String> keyScope(String method, boolean one) {
        return method.equals("GET") ? Optional.of("credentials:read")
                : Optional.of("credentials:write").filter(write -> one && method.equals("PATCH"));
    }

    /** The scope that a method of a path needs; empty when there is no such method, or no such path. */
    private static Optional<String> scope(String method, String path) {
        boolean read = method.equals("GET");
        boolean spoken = List.of("GET", "POST", "PATCH", "DELETE").contains(method);
        return FAMILIES.stream().filter(family -> spoken && (read || !READ_ONLY.contains(family)))
                .filter(family -> path.matches("/api/(profile-)?" + family + "(s|-[a-z-]+)?(/.*)?")).findFirst()
                .map(family -> family.replaceFirst("([^y])$", "$1s") + (read ? ":read" : ":write"));
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
    private void revision(String header, boolean method, boolean beta) {
        if (header == null || header.isBlank()) {
            throw invalid("/data/", "A revision header is required, as in revision: " + Revision.NEWEST);
        }
        Revision revision = Optional.of(header).filter(text -> REVISION.matcher(text).matches()).flatMap(Revision::of)
                .orElseThrow(() -> invalid("/data/", "The revision has the form YYYY-MM-DD[.suffix]."));
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
    private synchronized void throttle(Credential caller, String endpoint, Collection collection, boolean drained,
                                       Map<String, Object> limits) {
        long now = sandbox.millis();
        if (now / 60_000 != minute) {
            counted.clear();
            minute = now / 60_000;
        }
        String inMinute = caller.account.id() + (caller.oauth ? " app " : " ") + endpoint;
        String inSecond = inMinute + " " + now / 1_000;
        int used = counted.merge(inMinute, drained ? collection.steady : 0, Integer::sum);
        long left = (60_999 - now % 60_000) / 1_000;
        if (used >= collection.steady || counted.getOrDefault(inSecond, 0) >= collection.burst) {
            long wait = used >= collection.steady ? left : 1;
            String title = "Request was throttled.";
            String detail = title + " Expected available in " + wait + (wait == 1 ? " second." : " seconds.");
            // It tells no limits (klaviyo-api-python issue 15).
            throw new Refusal(error(429, "throttled", title, detail).reply.with(Map.of("Retry-After", wait)));
        }
        counted.merge(inMinute, 1, Integer::sum);
        counted.merge(inSecond, 1, Integer::sum);
        limits.putAll(Map.of("RateLimit-Limit", collection.steady, "RateLimit-Remaining", collection.steady - used - 1,
                "RateLimit-Reset", left));
    }

    // ---- reading

    /** Takes what is offered, but for filter, sort, include and cursor: nothing of the toolkit asks for them. */
    private void check(Collection collection, Map<String, String> parameters) {
        parameters.forEach((name, value) -> {
            String allowed = name.equals("fields[" + collection.type + "]") ? collection.fields
                    : name.equals("additional-fields[" + collection.type + "]") ? collection.extra : "";
            if (name.equals("page[size]") && collection.most > 0) {
                boolean fits = value.matches("[1-9]\\d{0,3}") && Integer.parseInt(value) <= collection.most;
                refuseUnless(fits, name, "Page size must be between 1 and " + collection.most + ".");
            } else {
                refuseUnless(!allowed.isEmpty(), name, "'" + name + "' is no parameter of this endpoint.");
                refuseUnless(Set.of(allowed.split(" ")).containsAll(list(parameters, name)), name,
                        "Not an allowed value. Valid choices are: " + allowed + ".");
            }
        });
    }

    /** The names in a parameter, without what lies below them. */
    private static List<String> list(Map<String, String> parameters, String name) {
        return Stream.of(parameters.getOrDefault(name, "").split(",")).map(value -> value.split("\\.")[0])
                .filter(value -> !value.isEmpty()).toList();
    }

    private List<Map<String, Object>> page(Collection collection, Account account, Map<String, String> parameters) {
        if (collection == KEYS) {
            return bySecret.values().stream().filter(one -> one.account.equals(account) && !one.oauth)
                    .sorted(Comparator.comparing(one -> one.id)).map(one -> shown(one, parameters)).toList();
        }
        boolean one = collection.type.equals("account");
        int size = Integer.parseInt(parameters.getOrDefault("page[size]", "" + SHOWN));
        return IntStream.range(0, collection == OTHER ? 0 : one ? 1 : Math.min(size, SHOWN)).mapToObj(number ->
                resource(collection, account.id() + (one ? "" : number), attributes(account), parameters)).toList();
    }

    /** Invented things, as far as somebody looks at them; what no specification has is left out later. */
    private Map<String, Object> attributes(Account account) {
        String now = stamp(sandbox.millis());
        return map("name", "Drill", "email", "drill.person@example.com", "contact_information",
                map("organization_name", account.organisation()), "public_api_key", account.id(), "test_account", false,
                "timezone", "Europe/Amsterdam", "created", now, "updated", now, "datetime", now,
                "subscriptions", map());
    }

    private String stamp(long millis) {
        return sandbox.at(millis).truncatedTo(ChronoUnit.SECONDS).toString().replace("Z", "+00:00");
    }

    private Map<String, Object> resource(Collection collection, String id, Map<String, Object> attributes,
                                         Map<String, String> parameters) {
        List<String> fields = List.of(collection.fields.split(" "));
        Set<String> asked = new HashSet<>(list(parameters, "fields[" + collection.type + "]"));
        if (asked.isEmpty()) {
            asked.addAll(fields);
            asked.removeAll(List.of(collection.extra.split(" ")));
        }
        asked.addAll(list(parameters, "additional-fields[" + collection.type + "]"));
        attributes.keySet().removeIf(name -> !asked.contains(name) || !fields.contains(name));
        return map("type", collection.type, "id", id, "attributes", attributes,
                "links", map("self", sandbox.target().api() + collection.path() + "/" + id + "/"));
    }

    // ---- keys: listed, renamed, enabled and disabled; none is made, as with the real ones

    private Map<String, Object> shown(Credential key, Map<String, String> parameters) {
        return resource(KEYS, key.id, map("name", key.name, "status", key.enabled ? "active" : "disabled",
                "scopes", new TreeSet<>(key.scopes), "created", stamp(0),
                "redacted_key", "pk_****" + key.secret.substring(key.secret.length() - 4)), parameters);
    }

    private Map<String, Object> key(HttpExchange request, String path, Credential caller,
                                    Map<String, String> parameters) {
        String id = path.substring(path.lastIndexOf('/') + 1);
        Credential key = bySecret.values().stream()
                .filter(one -> one.id.equals(id) && one.account.equals(caller.account) && !one.oauth).findFirst()
                .orElseThrow(() -> notFound("An API key with id " + id + " does not exist."));
        if (request.getRequestMethod().equals("PATCH")) {
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
            sandbox.changed();
        }
        return shown(key, parameters);
    }

    // ---- writing

    private Reply write(HttpExchange request) {
        if (!request.getRequestMethod().equals("DELETE")) {
            JsonNode data = document(request);
            refuseUnless(data.path("type").isTextual(), "/data/type", "'type' is required.");
            refuseUnless(data.path("attributes").isObject() || data.path("relationships").isObject(),
                    "/data/attributes", "'attributes' is required.");
        }
        return new Reply(202, "", Map.of());
    }

    private JsonNode document(HttpExchange request) {
        String type = String.valueOf(request.getRequestHeaders().getFirst("Content-Type"));
        refuseUnless(type.matches("application/(vnd\\.api\\+)?json.*"), "/data", "Content-Type must be " + JSON_API);
        JsonNode body = Sites.body(request);
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
            throw invalid(place, detail);
        }
    }

    private Refusal invalid(String place, String detail) {
        return error(400, "invalid", "Invalid input.", detail, place);
    }

    private Refusal error(int status, String code, String title, String detail) {
        return error(status, code, title, detail, "/data/");
    }

    /** A JSON:API error; its place is a JSON pointer or a parameter's name. */
    private Refusal error(int status, String code, String title, String detail, String place) {
        Map<String, Object> error = map("id", hex(32), "status", status, "code", code, "title", title,
                "detail", detail, "source", map(place.startsWith("/") ? "pointer" : "parameter", place));
        return new Refusal(jsonApi(status, map("errors", List.of(error))));
    }

    private Refusal notFound(String detail) {
        return error(404, "not_found", "Not found.", detail);
    }

    private Refusal forbidden(String detail) {
        return error(403, "permission_denied", "You do not have permission to perform this action.", detail);
    }

    private static Reply jsonApi(int status, Map<String, Object> document) {
        return Reply.text(status, JSON_API, Json.line(Json.of(document)));
    }

    /** What the CDN in front of Klaviyo says by itself. */
    private static Reply html(int status, String title) {
        return Reply.text(status, "text/html; charset=UTF-8", "<!DOCTYPE html><html><head><title>" + title
                + "</title></head><body><h1>" + title + "</h1><hr><center>cloudflare</center></body></html>\n");
    }
}
