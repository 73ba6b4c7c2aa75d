package runbook.sandbox;

import static runbook.sandbox.Sites.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Klaviyo.Revision;
import runbook.Klaviyo.Revision.Phase;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Answers;
import runbook.sandbox.Sandbox.Stretch;
import runbook.sandbox.Sites.Reply;

/**
 * The embedded Klaviyo: it serves what the toolkit asks for and refuses what the real one refuses, in its order and
 * words (OpenAPI specification of revision 2026-07-15, github.com/klaviyo/openapi, and its users' reports). A write to
 * anything but keys is taken unread, and changes nothing.
 */
final class FakeKlaviyo {
    /** What an integration like the runbook's is given, and the two scopes that let it look after its own keys. */
    static final Set<String> USUAL_SCOPES = Set.of("accounts:read", "events:read", "events:write", "lists:read",
            "lists:write", "metrics:read", "profiles:read", "profiles:write", "subscriptions:write", "webhooks:read",
            "credentials:read", "credentials:write");
    static final Set<String> NO_EVENTS = USUAL_SCOPES.stream().filter(scope -> !scope.startsWith("events:"))
            .collect(Collectors.toSet());

    private static final String JSON_API = "application/vnd.api+json";
    private static final Pattern REVISION = Pattern.compile("\\d{4}-\\d{2}-\\d{2}(\\.pre)?");
    private static final List<String> RELEASED = List.of("2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15",
            "2025-07-15", "2025-10-15", "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15");
    /** The API for keys came with this one. */
    private static final String BETA = "2026-07-15.pre";

    // ---- what there is

    /**
     * A collection that can be read: requests allowed per second and per minute; resources that {@code page[size]} may
     * ask for, 0 where there is no such parameter; fields that {@code fields[type]} may name (a dot: and what is inside
     * of one), and those that come only when {@code additional-fields[type]} does. What else the real one can be asked
     * is refused: the toolkit asks nothing of it.
     */
    private record Collection(String type, int burst, int steady, int most, String fields, String extra) {
        private String path() {
            return "/api/" + type + "s";
        }

        private boolean takes(String parameter, String value) {
            if (parameter.equals("page[size]")) {
                return value.matches("[1-9]\\d{0,3}") && Integer.parseInt(value) <= most;
            }
            Map<String, String> offered =
                    Map.of("fields[" + type + "]", fields, "additional-fields[" + type + "]", extra);
            List<String> names = List.of(offered.getOrDefault(parameter, "nothing").split(" "));
            return Stream.of(value.split(",")).allMatch(field ->
                    names.contains(field) || names.contains(field.replaceFirst("\\..*", ".")));
        }
    }

    private static final Collection KEYS =
            new Collection("api-key", 1, 15, 0, "created id name redacted_key scopes status", "redacted_key");
    private static final List<Collection> COLLECTIONS = List.of(KEYS,
            new Collection("account", 1, 15, 0, "contact_information contact_information. id locale "
                    + "preferred_currency public_api_key test_account timezone", ""),
            new Collection("profile", 75, 750, 100, "created email subscriptions subscriptions.", "subscriptions"),
            new Collection("list", 75, 750, 10, "created id name updated", ""),
            new Collection("metric", 10, 150, 0, "created id name updated", ""),
            new Collection("event", 350, 3500, 1000, "datetime event_properties id timestamp uuid", ""),
            new Collection("webhook", 1, 15, 0, "description enabled endpoint_url id name", ""));
    /** What is not served has limits in the middle, and is empty. */
    private static final Collection OTHER = new Collection("other", 10, 150, 0, "id", "");
    /** Scopes by the beginning of a path: {@code profile-import-jobs} needs those of profiles. */
    private static final List<String> FAMILIES = List.of(("accounts metrics subscriptions coupon-codes data-privacy "
            + "push-tokens web-feeds webhooks events profiles lists segments templates tags coupons campaigns catalogs "
            + "flows images forms reviews").split(" "));
    private static final Set<String> READ_ONLY = Set.of("accounts", "metrics");

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

    /** Makes a key of the newer form: {@code pk_}, site id, underscore, 34 hexadecimal digits. */
    Credential issue(Account account) {
        return add(account, "pk_" + account.id() + "_" + hex(34));
    }

    /** Makes an access token. */
    Credential authorize(Account account) {
        return add(account, hex(64));
    }

    private Credential add(Account account, String secret) {
        return bySecret.computeIfAbsent(secret, value -> new Credential(bySecret.size(), account, value));
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

    /** Refuses a revision that is none, or has no such method. */
    private static void revision(String header, boolean method, boolean beta) {
        refuseUnless(header != null && !header.isBlank(), "/data/",
                "A revision header is required, as in revision: " + Revision.NEWEST);
        Revision revision = Optional.of(header).filter(text -> REVISION.matcher(text).matches()).flatMap(Revision::of)
                .orElseThrow(() -> error("invalid", "The revision has the form YYYY-MM-DD[.suffix]."));
        boolean released = RELEASED.contains(revision.date().toString()) && revision.text().endsWith(".pre") == beta;
        if (revision.phase(today()) == Phase.FUTURE) {
            throw error("not_found", "Unable to specify a future revision date");
        } else if (revision.phase(today()) == Phase.RETIRED) {
            throw error("gone", "The revision " + revision + " has been retired and is no longer in service.");
        } else if (!method || !released || beta && header.compareTo(BETA) < 0) {
            throw error("not_found", "No valid revisions found for method");
        }
    }

    // ---- answering

    Reply answer(HttpExchange exchange) {
        try {
            return new Call(exchange).handled();
        } catch (Refusal refusal) {
            return refusal.reply;
        }
    }

    /** A request to a path without its last slash, the collection that it is about, and whoever is known to ask. */
    private final class Call {
        private final HttpExchange exchange;
        private final Headers answered;
        private final String method;
        private final String path;
        private final Map<String, String> parameters;
        private final Collection collection;
        private Credential caller;

        private Call(HttpExchange exchange) {
            this.exchange = exchange;
            answered = exchange.getResponseHeaders();
            answered.set("server", "cloudflare");
            answered.set("cf-ray", hex(16) + "-AMS");
            method = exchange.getRequestMethod();
            path = exchange.getRequestURI().getPath().replaceAll("/+$", "");
            parameters = Sites.parameters(exchange);
            collection = path.startsWith(KEYS.path() + "/") ? KEYS
                    : COLLECTIONS.stream().filter(one -> path.equals(one.path())).findFirst().orElse(OTHER);
        }

        private String header(String name) {
            return exchange.getRequestHeaders().getFirst(name);
        }

        private boolean ofOneKey() {
            return collection == KEYS && !path.equals(KEYS.path());
        }

        private Reply handled() {
            Answers fault = fault();
            Optional<String> scope = scope();
            if (scope.isEmpty() && collection == OTHER) {
                throw error("not_found", "The path " + path + " could not be found");
            }
            revision(header("revision"), scope.isPresent(), collection == KEYS);
            caller = authenticated(header("Authorization"));
            if (!caller.scopes.contains(scope.get())) {
                throw error("permission_denied", "Your API key is missing required scopes: " + scope.get());
            }
            throttle(fault == Answers.THROTTLED);
            if (!method.equals("GET")) {
                return ofOneKey() ? changed() : new Reply(202, JSON_API, "");
            }
            parameters.forEach((name, value) -> refuseUnless(collection.takes(name, value), name,
                    "'" + name + "' is no parameter of this endpoint, or cannot be this."));
            return jsonApi(200, map("data", ofOneKey() ? shown(key()) : page()));
        }

        /** Refuses as the scenario says, or tells what it has in mind. */
        private Answers fault() {
            Stretch now = sandbox.scenario.stretch(sandbox.millis() - sandbox.since);
            boolean meant = !now.answers().isEmpty() && (now.paths().isEmpty() || now.paths().contains(path));
            int turn = meant ? turns.merge(path, 1, Integer::sum) - 1 : 0;
            Answers fault = meant ? now.answers().get(turn % now.answers().size()) : Answers.OK;
            switch (fault) {
                case CHALLENGE -> {
                    answered.set("cf-mitigated", "challenge");
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

        private Credential authenticated(String authorization) {
            String[] parts = String.valueOf(authorization).split(" ", 2);
            boolean oauth = parts[0].equals("Bearer") && !parts[parts.length - 1].startsWith("pk_");
            if (parts.length != 2 || !oauth && !parts[0].equals("Klaviyo-API-Key")) {
                throw error("not_authenticated",
                        "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.");
            }
            // Klaviyo's words about a token are not documented: these are ours.
            return accepted(parts[1]).filter(credential -> credential.oauth() == oauth)
                    .orElseThrow(() -> error("authentication_failed", oauth
                            ? "The access token is invalid or has expired." : "Incorrect authentication credentials."));
        }

        /** Counts it in its second (burst) and its minute (steady), which all keys of an account share. */
        private void throttle(boolean drained) {
            synchronized (counted) {
                long now = sandbox.millis();
                if (now / 60_000 != minute) {
                    counted.clear();
                    minute = now / 60_000;
                }
                String inMinute = caller.account.id() + (caller.oauth() ? " app " : " ") + method + path;
                String inSecond = inMinute + " " + now / 1_000;
                int used = counted.merge(inMinute, drained ? collection.steady : 0, Integer::sum);
                long left = (60_999 - now % 60_000) / 1_000;
                if (used >= collection.steady || counted.getOrDefault(inSecond, 0) >= collection.burst) {
                    long wait = used >= collection.steady ? left : 1;
                    // It tells no limits (klaviyo-api-python issue 15).
                    answered.set("Retry-After", "" + wait);
                    throw error("throttled", "Request was throttled. Expected available in " + wait
                            + (wait == 1 ? " second." : " seconds."));
                }
                counted.merge(inMinute, 1, Integer::sum);
                counted.merge(inSecond, 1, Integer::sum);
                answered.set("RateLimit-Limit", "" + collection.steady);
                answered.set("RateLimit-Remaining", "" + (collection.steady - used - 1));
                answered.set("RateLimit-Reset", "" + left);
            }
        }

        // ---- reading

        /** One of each, for nobody looks at more, with what is looked at: whose account, where the webhook leads. */
        private List<Map<String, Object>> page() {
            Account account = caller.account;
            return switch (collection.type) {
                case "other" -> List.of();
                case "api-key" -> keys().map(this::shown).toList();
                case "account" -> List.of(resource(account.id(), map("test_account", false, "contact_information",
                        map("organization_name", account.organisation(), "default_sender_name", "Drill",
                                "default_sender_email", "drill@example.com", "street_address", map()),
                        "timezone", "Europe/Amsterdam", "preferred_currency", "EUR", "locale", "en-US",
                        "public_api_key", account.id())));
                // Klaviyo shows a webhook's address cut down to its origin.
                case "webhook" -> List.of(resource(hex(6), map("name", "Drill", "enabled", true, "endpoint_url",
                        sandbox.target().webhook().toString().replace(Sites.WEBHOOK, ""))));
                default -> List.of(resource(hex(6), map()));
            };
        }

        private Map<String, Object> resource(String id, Map<String, Object> attributes) {
            Optional.ofNullable(parameters.get("fields[" + collection.type + "]")).ifPresent(fields ->
                    attributes.keySet().retainAll(List.of(fields.split("[.,]"))));
            String self = sandbox.target().api() + collection.path() + "/" + id;
            return map("type", collection.type, "id", id, "attributes", attributes, "links", map("self", self));
        }

        // ---- keys: listed, enabled and disabled; none is made, as with the real ones, and none renamed

        private Stream<Credential> keys() {
            return bySecret.values().stream().filter(one -> one.account.equals(caller.account) && !one.oauth())
                    .sorted(Comparator.comparing(one -> one.id));
        }

        private Credential key() {
            String id = path.substring(path.lastIndexOf('/') + 1);
            return keys().filter(one -> one.id.equals(id)).findFirst()
                    .orElseThrow(() -> error("not_found", "An API key with id " + id + " does not exist."));
        }

        private Map<String, Object> shown(Credential key) {
            Map<String, Object> attributes = map("name", "Drill", "scopes", new TreeSet<>(key.scopes), "status",
                    key.disabled ? "disabled" : "active", "created", sandbox.at(0).toString());
            if (parameters.toString().contains("redacted_key")) {
                attributes.put("redacted_key", "pk_****" + key.secret.substring(key.secret.length() - 4));
            }
            return resource(key.id, attributes);
        }

        private Reply changed() {
            boolean json = String.valueOf(header("Content-Type")).matches("application/(vnd\\.api\\+)?json.*");
            refuseUnless(json, "/data", "Content-Type must be " + JSON_API);
            Credential key = key();
            JsonNode data = Sites.body(exchange).path("data");
            String status = data.path("attributes").path("status").asText();
            refuseUnless(data.path("type").asText().equals("api-key") && data.path("id").asText().equals(key.id)
                    && data.path("attributes").size() == 1 && status.matches("active|disabled"), "/data",
                    "Give type api-key, the id of the path, and a status of active or disabled.");
            key.disabled = status.equals("disabled");
            sandbox.changed();
            return jsonApi(200, map("data", shown(key)));
        }
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

        private Refusal(Reply reply) {
            super(null, null, false, false);
            this.reply = reply;
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
        String[] known = ERRORS.get(code).split(" ", 2);
        int status = Integer.parseInt(known[0]);
        Map<String, Object> error = map("id", hex(32), "status", status, "code", code, "title", known[1],
                "detail", detail, "source", map(at.startsWith("/") ? "pointer" : "parameter", at));
        return new Refusal(jsonApi(status, map("errors", List.of(error))));
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
