package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Key;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Settings;
import runbook.Text;
import runbook.Text.Json;
import runbook.redact.Redactor;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Trouble;

/**
 * What Klaviyo's API tells of keys: whether one is fit to be shipped, whose it is, what it may do, and (beta) listing,
 * disabling and enabling them. Nobody ships a staging key to production past this.
 */
public final class Keys {
    static final String UNKNOWN_ACCOUNT = "give --account ID, the site id in Klaviyo, Settings > Account";
    /** The revision of the beta endpoints for keys (api_keys.openapi.json). */
    private static final String BETA = "2026-07-15.pre";
    private static final String KEYS = "/api/api-keys";
    // Accounts and keys allow one request a second and 15 a minute: waiting out one whole window is always enough.
    private static final Duration PATIENCE = Duration.ofSeconds(70);
    /** How long a disabled key may go on, which is not documented: it is asked until it stops, within that limit. */
    static final Duration DYING = Duration.ofSeconds(60);
    static final Duration BETWEEN = Duration.ofSeconds(4);
    private static final int ENDING = 4;
    private static final String ANOTHER = "make another in Klaviyo, Settings > API keys";

    /** The account of a key: its id, which is its public site id as well, and its organisation's name. */
    public record Account(String id, String name, boolean test) {
        private static Optional<Account> of(Answer answer) {
            JsonNode account = ((Reply) answer).json().path("data").path(0);
            JsonNode attributes = account.path("attributes");
            String name = attributes.path("contact_information").path("organization_name").asText();
            return Optional.ofNullable(account.path("id").textValue()).map(id -> new Account(Text.safe(id, 20),
                    Text.safe(name, 60), attributes.path("test_account").asBoolean()));
        }

        @Override
        public String toString() {
            return (name.isEmpty() ? "account " + id : name + " (" + id + ")") + (test ? ", a test account" : "");
        }
    }

    /** What an answer says of the key: a complaint about the request itself says that the key may do it. */
    enum Says { YES, UNDERSTOOD, NO_SCOPE, NO_KEY, NOTHING }

    /** What a key is worth to Klaviyo, its account, where that is told, and what was answered, for one line. */
    record Standing(Says says, Optional<Account> account, String words) {
        static final Standing UNASKED = new Standing(Says.NOTHING, Optional.empty(), "");

        /** It authenticates: a 403 with Klaviyo's own error proves that as well as a 200 does. */
        boolean valid() {
            return says == Says.YES || says == Says.NO_SCOPE;
        }

        /** Klaviyo refuses it. Where it is neither valid nor dead, nobody knows. */
        boolean dead() {
            return says == Says.NO_KEY;
        }

        Optional<String> id() {
            return account.map(Account::id);
        }
    }

    /** A private key as the beta API lists it: it never shows the value, only its last four characters. */
    record Listed(String id, Set<String> scopes, String ending) {
        private static Listed of(JsonNode resource) {
            Set<String> scopes = new TreeSet<>();
            resource.path("attributes").path("scopes").forEach(scope -> scopes.add(scope.asText()));
            String redacted = resource.path("attributes").path("redacted_key").asText();
            return new Listed(resource.path("id").asText(), scopes,
                    redacted.substring(Math.max(0, redacted.length() - ENDING)));
        }
    }

    private final Settings settings;
    private final Map<Key, Http> clients = new HashMap<>();

    Keys(Settings settings) {
        this.settings = settings;
    }

    // ---- what Klaviyo tells

    private static Says says(Answer answer) {
        if (answer instanceof Fault fault) {
            return fault.kind() == Http.Kind.BAD_REQUEST ? Says.NO_KEY : Says.NOTHING;
        }
        Reply reply = (Reply) answer;
        boolean revision = ApiError.of(reply).filter(error ->
                error.detail().toLowerCase(Locale.ROOT).contains("revision")).isPresent();
        return ApiError.fromCdn(reply) ? Says.NOTHING : switch (reply.status()) {
            case 400 -> revision ? Says.NOTHING : Says.UNDERSTOOD;
            case 401 -> Says.NO_KEY;
            case 403 -> Says.NO_SCOPE;
            default -> reply.status() / 100 == 2 && reply.json().path("data").isArray() ? Says.YES : Says.NOTHING;
        };
    }

    private static String words(Answer answer) {
        if (answer instanceof Fault fault) {
            return fault.words();
        }
        Reply reply = (Reply) answer;
        String otherwise = ApiError.fromCdn(reply) ? " from the CDN in front of Klaviyo" : ", " + reply.notJson();
        return "HTTP " + reply.status() + Redactor.strict().text(ApiError.of(reply).map(error -> " " + error)
                .orElse(reply.json().isMissingNode() ? otherwise : ""));
    }

    /** Whether a key authenticates, and whose it is. */
    Standing standing(Key key) {
        Answer answer = ask(key, "GET", Endpoint.ACCOUNTS.target(), settings.revision(), null);
        Optional<Account> inside = key.site().map(id -> new Account(id, "", false));
        Says says = says(answer);
        return switch (says) {
            case YES -> new Standing(says, Account.of(answer).or(() -> inside),
                    Account.of(answer).map(Account::toString).orElse("authenticated"));
            case NO_SCOPE -> new Standing(says, inside, "valid, though without accounts:read");
            default -> new Standing(says, Optional.empty(), words(answer));
        };
    }

    /** The same, asked until it is enough, or until that time is over. */
    Standing standing(Key key, Predicate<Standing> enough, Duration within, Duration between) {
        long end = System.nanoTime() + within.toNanos();
        Standing standing = standing(key);
        while (!enough.test(standing) && System.nanoTime() < end && AppWatch.pause(between)) {
            standing = standing(key);
        }
        return standing;
    }

    /**
     * The listed key that can only be this one; empty when {@code reader} may not list keys, or none or several end
     * like it.
     */
    Optional<Listed> listed(Key reader, Key key) {
        return list(reader).flatMap(keys -> matching(keys, key));
    }

    private Optional<List<Listed>> list(Key reader) {
        Answer answer = ask(reader, "GET", KEYS + "?additional-fields%5Bapi-key%5D=redacted_key", BETA, null);
        if (says(answer) != Says.YES) {
            return Optional.empty();
        }
        List<Listed> keys = new ArrayList<>();
        ((Reply) answer).json().path("data").forEach(resource -> keys.add(Listed.of(resource)));
        return Optional.of(keys);
    }

    private static Optional<Listed> matching(List<Listed> listed, Key key) {
        List<Listed> alike = listed.stream()
                .filter(one -> one.ending.length() == ENDING && key.reveal().endsWith(one.ending)).toList();
        return alike.size() == 1 ? Optional.of(alike.get(0)) : Optional.empty();
    }

    /**
     * Enables or disables a key by the beta API; {@code with} needs credentials:write.
     *
     * @throws Trouble of the kind REFUSED when Klaviyo refused, UNKNOWN when nobody knows
     */
    void enabled(Key with, String id, boolean enabled) throws Trouble {
        var document = Map.of("data", Map.of("type", "api-key", "id", id, "attributes",
                Map.of("status", enabled ? "active" : "disabled")));
        Answer answer = ask(with, "PATCH", KEYS + "/" + id, BETA, Json.line(Json.of(document)));
        int status = answer instanceof Reply reply ? reply.status() : 0;
        if (status != 200) {
            throw new Trouble(status / 100 == 4 ? Trouble.Kind.REFUSED : Trouble.Kind.UNKNOWN,
                    "Klaviyo did not " + (enabled ? "enable" : "disable") + " it: " + words(answer), "");
        }
    }

    private Answer ask(Key key, String method, String target, String revision, String body) {
        Http http = clients.computeIfAbsent(key, one -> Http.of(settings.withKey(Optional.of(one))));
        byte[] bytes = body == null ? null : body.getBytes(StandardCharsets.UTF_8);
        long end = System.nanoTime() + PATIENCE.toNanos();
        Answer answer = http.api(method, target, revision, bytes, settings.probing().timeout());
        while (answer instanceof Reply reply && reply.status() == 429) {
            Duration pause = Duration.ofSeconds(Math.max(1, ApiError.retryAfter(reply).orElse(1L)));
            if (System.nanoTime() + pause.toNanos() > end || !AppWatch.pause(pause)) {
                break;
            }
            answer = http.api(method, target, revision, bytes, settings.probing().timeout());
        }
        return answer;
    }

    // ---- the trial of a new key

    /**
     * Its form. What is tested is what is stored, byte for byte: a value that would have to be cleaned first is
     * refused.
     */
    Done form(Key fresh, Optional<Key> replaced) throws Trouble {
        Trouble.refuse(fresh.token(), "the new key is an OAuth access token, which expires within the hour: no store"
                + " should hold one", ANOTHER);
        String fault = fresh.faults().stream().findFirst().orElse("it has more in it than a key");
        boolean exact = fresh.faults().isEmpty() && fresh.cleaned().reveal().equals(fresh.reveal());
        Trouble.refuse(!exact, "the new key is unfit: " + fault,
                "copy it again from Klaviyo, only the part that starts with pk_");
        Trouble.refuse(replaced.filter(fresh::equals).isPresent(), "the new key is the old one", ANOTHER);
        return fresh.known() ? Done.ok(fresh.describe()) : Done.warn(fresh.describe()
                + ": no form known to this toolkit");
    }

    /** Whether it authenticates. */
    Standing authenticates(Key fresh) throws Trouble {
        Standing standing = standing(fresh);
        Trouble.refuse(standing.dead(), "Klaviyo refuses the new key: " + standing.words, ANOTHER);
        Trouble.refuse(!standing.valid(), "the new key could not be tested: " + standing.words,
                "run triage, and this again once Klaviyo answers");
        return standing;
    }

    /**
     * Whether it belongs to the account that it should.
     *
     * @param wanted  the account, as far as anything tells
     * @param confirm asks a person whether this account is theirs; false where nobody can be asked
     */
    Done account(Optional<Account> own, Optional<String> wanted, Predicate<Account> confirm) throws Trouble {
        Trouble.refuse(own.isEmpty(), "nothing tells which account the new key belongs to",
                "make a key that has accounts:read as well");
        String is = own.get().id();
        String id = wanted.orElse(is);
        Trouble.refuse(!id.equals(is), "the new key belongs to account " + is + ", not to " + id,
                "make the key while logged in to account " + id);
        Trouble.refuse(wanted.isEmpty() && !confirm.test(own.get()),
                "nothing tells which account the old key belongs to", UNKNOWN_ACCOUNT);
        return Done.ok(own.get() + (wanted.isEmpty() ? ", which you said is yours" : ""));
    }

    /**
     * Compares what the new key may do with what is needed: {@code asked}, or else what the old key may do.
     *
     * @param alive the old key, where it still authenticates
     * @throws Trouble that names the scopes that are missing
     */
    Done scopes(Key fresh, Optional<Key> old, Optional<Key> alive, Set<String> asked) throws Trouble {
        Optional<List<Listed>> listed = list(fresh).or(() -> alive.flatMap(this::list));
        Set<String> needed = !asked.isEmpty() ? asked : listed.flatMap(keys -> old.flatMap(key -> matching(keys, key)))
                .map(Listed::scopes).orElseGet(() -> shown(alive));
        if (needed.isEmpty()) {
            return Done.warn("not compared: neither key may list keys (credentials:read); --needs events:write,…"
                    + " tests what the application needs");
        }
        Optional<Set<String>> has = listed.flatMap(keys -> matching(keys, fresh)).map(Listed::scopes);
        Map<Says, List<String>> answers = needed.stream().collect(Collectors.groupingBy(scope ->
                has.map(all -> all.contains(scope) ? Says.YES : Says.NO_SCOPE).orElseGet(() -> probe(fresh, scope))));
        Trouble.refuse(answers.containsKey(Says.NO_SCOPE), "the new key lacks "
                + String.join(", ", answers.getOrDefault(Says.NO_SCOPE, List.of())),
                ANOTHER + ": scopes cannot be added to a key that exists");
        List<String> untold = Stream.of(Says.NO_KEY, Says.NOTHING)
                .flatMap(one -> answers.getOrDefault(one, List.of()).stream()).toList();
        String fine = needed.stream().filter(scope -> !untold.contains(scope)).collect(Collectors.joining(", "));
        if (!untold.isEmpty()) {
            return Done.warn("could not be probed: " + String.join(", ", untold)
                    + (fine.isEmpty() ? "" : "; fine: " + fine));
        }
        return Done.ok((has.isEmpty() ? "probed: " : "all of ") + fine);
    }

    // What the old key can be seen to read: the least that the new one has to read as well.
    private Set<String> shown(Optional<Key> alive) {
        return alive.stream().flatMap(key -> probed().map(Endpoint::scope)
                .filter(scope -> probe(key, scope) == Says.YES)).collect(Collectors.toCollection(TreeSet::new));
    }

    private static Stream<Endpoint> probed() {
        return Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream());
    }

    /** Where a scope is probed that is not called like its path (Klaviyo's API reference, revision 2026-07-15). */
    private static final Map<String, String> PATHS = Map.of("catalogs", "/api/catalog-items", "credentials", KEYS,
            "subscriptions", "/api/profile-subscription-bulk-create-jobs");
    private static final Set<String> READS = Set.of("accounts", "profiles", "lists", "metrics", "events", "webhooks",
            "credentials", "flows", "segments", "templates", "tags", "images", "forms", "coupons", "campaigns",
            "catalogs");
    private static final Set<String> WRITES = Set.of("events", "profiles", "lists", "segments", "templates", "tags",
            "coupons", "campaigns", "catalogs", "subscriptions");

    // A write is probed with an empty document, which Klaviyo has to refuse with 400: it can change nothing.
    private Says probe(Key key, String scope) {
        String name = scope.replaceFirst(":.*", "");
        boolean write = scope.endsWith(":write");
        if (!(write ? WRITES : READS).contains(name)) {
            return Says.NOTHING;
        }
        String target = probed().filter(endpoint -> endpoint.scope().equals(scope)).map(Endpoint::target).findFirst()
                .orElse(PATHS.getOrDefault(name, "/api/" + name));
        return says(ask(key, write ? "POST" : "GET", target, target.equals(KEYS) ? BETA : settings.revision(),
                write ? "{\"data\":{}}" : null));
    }
}
