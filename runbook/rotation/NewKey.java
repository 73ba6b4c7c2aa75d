package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.ApiChecks.Auth;
import runbook.ApiChecks.Auth.Account;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Deadline;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Key;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Settings;
import runbook.Text.Json;
import runbook.rotation.Rotation.Done;
import runbook.rotation.Rotation.Trouble;

/**
 * Whether a new key is fit to be shipped, and what Klaviyo's API tells of keys: whose one is, what it may do, and
 * (beta)
 * listing and disabling them. Nobody ships a staging key to production past this.
 */
final class NewKey {
    /** The revision of the beta endpoints for keys (api_keys.openapi.json). */
    private static final String BETA = "2026-07-15.pre";
    private static final String KEYS = "/api/api-keys";
    // Accounts and keys allow one request a second and 15 a minute: waiting out one whole window is always enough.
    private static final Duration PATIENCE = Duration.ofSeconds(70);
    private static final int ENDING = 4;
    private static final String ANOTHER = "make another in Klaviyo, Settings > API keys";

    /** What a key is worth to Klaviyo. */
    enum State { VALID, INVALID, UNKNOWN }

    /** The same with its account, where that is told, and what was answered, for one line. */
    record Standing(State state, Optional<Account> account, String words) {
        static final Standing UNASKED = new Standing(State.UNKNOWN, Optional.empty(), "");

        boolean valid() {
            return state == State.VALID;
        }
    }

    /** A private key as the beta API lists it: it never shows the value, only its last four characters. */
    record Listed(String id, Set<String> scopes, String ending) {
        static Listed of(JsonNode resource) {
            Set<String> scopes = new TreeSet<>();
            resource.path("attributes").path("scopes").forEach(scope -> scopes.add(scope.asText()));
            String redacted = resource.path("attributes").path("redacted_key").asText();
            return new Listed(resource.path("id").asText(), scopes,
                    redacted.substring(Math.max(0, redacted.length() - ENDING)));
        }
    }

    private final Settings settings;
    private final Map<Key, Http> clients = new HashMap<>();

    NewKey(Settings settings) {
        this.settings = settings;
    }

    // ---- what Klaviyo tells

    /**
     * Whether a key authenticates, and whose it is. A 403 with Klaviyo's own error proves a key as well as a 200 does.
     */
    Standing standing(Key key) {
        Answer answer = ask(key, "GET", Endpoint.ACCOUNTS.target(), settings.revision(), null);
        Optional<Account> site = key.site().map(id -> new Account(id, "", false));
        return switch (Symptom.of(answer)) {
            case NONE -> {
                Optional<Account> account = Auth.account((Reply) answer);
                yield new Standing(State.VALID, account.or(() -> site), account.map(Account::toString)
                        .orElse("authenticated"));
            }
            case FORBIDDEN -> new Standing(State.VALID, site, "valid, though without accounts:read");
            case UNAUTHORIZED -> new Standing(State.INVALID, Optional.empty(), Symptom.describe(answer));
            default -> new Standing(State.UNKNOWN, Optional.empty(), Symptom.describe(answer));
        };
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
        if (Symptom.of(answer) != Symptom.NONE) {
            return Optional.empty();
        }
        List<Listed> keys = new ArrayList<>();
        ((Reply) answer).json().path("data").forEach(resource -> keys.add(Listed.of(resource)));
        return Optional.of(keys);
    }

    private static Optional<Listed> matching(List<Listed> listed, Key key) {
        List<Listed> alike = listed.stream().filter(one -> one.ending.length() == ENDING && key.reveal()
                .endsWith(one.ending)).toList();
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
        Answer answer = ask(with, "PATCH", KEYS + "/" + id, BETA, Json.line(Json.of(document))
                .getBytes(StandardCharsets.UTF_8));
        if (!(answer instanceof Reply reply) || reply.status() != 200) {
            boolean refused = answer instanceof Reply reply && reply.status() / 100 == 4;
            throw new Trouble(refused ? Trouble.Kind.REFUSED : Trouble.Kind.UNKNOWN,
                    "Klaviyo did not " + (enabled ? "enable" : "disable") + " it: " + Symptom.describe(answer), "");
        }
    }

    private Answer ask(Key key, String method, String target, String revision, byte[] body) {
        Http http = clients.computeIfAbsent(key, one -> Http.of(settings.withKey(Optional.of(one))));
        Deadline patience = Deadline.in(PATIENCE);
        Answer answer = http.api(method, target, revision, body, settings.probing().timeout());
        while (answer instanceof Reply reply && reply.status() == 429) {
            Duration pause = Duration.ofSeconds(Math.max(1, ApiError.retryAfter(reply).orElse(1L)));
            if (pause.compareTo(patience.left()) > 0 || !AppWatch.pause(pause)) {
                return answer;
            }
            answer = http.api(method, target, revision, body, settings.probing().timeout());
        }
        return answer;
    }

    // ---- the trial

    private static Trouble unfit(String what, String mend) {
        return new Trouble(Trouble.Kind.REFUSED, what, mend);
    }

    /**
     * Its form. What is tested is what is stored, byte for byte: a value that would have to be cleaned first is
     * refused.
     */
    Done form(Key fresh, Optional<Key> replaced) throws Trouble {
        if (fresh.token()) {
            throw unfit("the new key is an OAuth access token, which expires within the hour: no store should"
                    + " hold one", ANOTHER);
        } else if (!fresh.faults().isEmpty() || !fresh.cleaned().reveal().equals(fresh.reveal())) {
            throw unfit("the new key is unfit: " + fresh.faults().stream().findFirst()
                    .orElse("it has more in it than a key"),
                    "copy it again from Klaviyo, only the part that starts with pk_");
        } else if (replaced.filter(fresh::equals).isPresent()) {
            throw unfit("the new key is the old one", "make a new one in Klaviyo, Settings > API keys");
        }
        return fresh.known() ? Done.ok(fresh.describe()) : Done.warn(fresh.describe()
                + ": no form known to this toolkit");
    }

    /** Whether it authenticates. */
    Standing authenticates(Key fresh) throws Trouble {
        Standing standing = standing(fresh);
        if (standing.state == State.INVALID) {
            throw unfit("Klaviyo refuses the new key: " + standing.words, ANOTHER);
        } else if (!standing.valid()) {
            throw unfit("the new key could not be tested: " + standing.words,
                    "run triage, and this again once Klaviyo answers");
        }
        return standing;
    }

    /**
     * Whether it belongs to the account that it should.
     *
     * @param wanted  the account, as far as anything tells
     * @param confirm asks a person whether this account is theirs; false where nobody can be asked
     */
    Done account(Optional<Account> own, Optional<String> wanted, Predicate<Account> confirm) throws Trouble {
        if (own.isEmpty()) {
            throw unfit("nothing tells which account the new key belongs to",
                    "make a key that has accounts:read as well");
        } else if (wanted.isPresent() && !wanted.get().equals(own.get().id())) {
            throw unfit("the new key belongs to account " + own.get().id() + ", not to " + wanted.get(),
                    "make the key while logged in to account " + wanted.get());
        } else if (wanted.isEmpty() && !confirm.test(own.get())) {
            throw unfit("nothing tells which account the old key belongs to", UNKNOWN_ACCOUNT);
        }
        return Done.ok(own.get() + (wanted.isEmpty() ? ", which you said is yours" : ""));
    }

    static final String UNKNOWN_ACCOUNT = "give --account ID, the site id in Klaviyo, Settings > Account";

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
            return Done.warn("not compared: neither key may list keys (credentials:read); --needs"
                    + " events:write,… tests what the" + " application needs");
        }
        Optional<Set<String>> has = listed.flatMap(keys -> matching(keys, fresh)).map(Listed::scopes);
        Set<String> missing = new TreeSet<>();
        Set<String> untold = new TreeSet<>();
        for (String scope : needed) {
            Symptom symptom = has.isEmpty() ? probe(fresh, scope) : has.get().contains(scope) ? Symptom.NONE
                    : Symptom.FORBIDDEN;
            if (symptom == Symptom.FORBIDDEN) {
                missing.add(scope);
            } else if (symptom != Symptom.NONE && symptom != Symptom.INVALID) {
                untold.add(scope);
            }
        }
        if (!missing.isEmpty()) {
            throw unfit("the new key lacks " + String.join(", ", missing), ANOTHER
                    + ": scopes cannot be added to a key that exists");
        }
        String fine = needed.stream().filter(scope -> !untold.contains(scope)).collect(Collectors.joining(", "));
        String more = has.stream().flatMap(Set::stream).filter(scope -> !needed.contains(scope)).sorted()
                .collect(Collectors.joining(", "));
        return untold.isEmpty() ? Done.ok((has.isEmpty() ? "probed: " : "all of ") + fine
                + (more.isEmpty() ? "" : "; and more than that: " + more))
                : Done.warn("could not be probed: " + String.join(", ", untold)
                        + (fine.isEmpty() ? "" : "; fine: " + fine));
    }

    // What the old key can be seen to read: the least that the new one has to read as well.
    private Set<String> shown(Optional<Key> alive) {
        return alive.isEmpty() ? Set.of() : Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream())
                .map(Endpoint::scope).filter(scope -> probe(alive.get(), scope) == Symptom.NONE)
                        .collect(Collectors.toCollection(TreeSet::new));
    }

    /**
     * Where a scope can be probed that is not simply called like its path (Klaviyo's API reference, revision
     * 2026-07-15).
     */
    private static final Map<String, String> PATHS = Map.of("catalogs", "/api/catalog-items", "credentials", KEYS,
            "subscriptions", "/api/profile-subscription-bulk-create-jobs");
    private static final Set<String> READS = Set.of("accounts", "profiles", "lists", "metrics", "events", "webhooks",
            "credentials", "flows", "segments", "templates", "tags", "images", "forms", "coupons", "campaigns",
                    "catalogs");
    private static final Set<String> WRITES = Set.of("events", "profiles", "lists", "segments", "templates", "tags",
            "coupons",
            "campaigns", "catalogs", "subscriptions");

    // 403 says no; an answer, or a complaint about the request itself, says yes. A write is probed with an empty
    // document,
    // which Klaviyo has to refuse with 400: it can change nothing.
    private Symptom probe(Key key, String scope) {
        String name = scope.replaceFirst(":.*", "");
        boolean write = scope.endsWith(":write");
        if (!(write ? WRITES : READS).contains(name)) {
            return Symptom.GARBLED;
        }
        String target = Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream())
                .filter(endpoint -> endpoint.scope().equals(scope)).map(Endpoint::target).findFirst()
                .orElse(PATHS.getOrDefault(name, "/api/" + name));
        return Symptom.of(ask(key, write ? "POST" : "GET", target, target.equals(KEYS) ? BETA : settings.revision(),
                write ? "{\"data\":{}}".getBytes(StandardCharsets.UTF_8) : null));
    }
}
