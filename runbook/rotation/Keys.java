package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.ApiChecks.Account;
import runbook.ApiChecks.Symptom;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Key.LastGood;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Step;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Rotation.Wishes;
import runbook.rotation.Stores.Place;

/**
 * The old key and the new one, and what Klaviyo's API tells of them: whose they are, whether the new one is fit to be
 * shipped, and (beta) the old one's end. Nobody ships a staging key to production past this.
 */
public final class Keys {
    private static final String HERE = " in Klaviyo, Settings > API keys";
    private static final String ANOTHER = "make another" + HERE;
    private static final String UNKNOWN_ACCOUNT = "give --account ID, the site id in Klaviyo, Settings > Account";
    /** The revision of the beta endpoints for keys (api_keys.openapi.json), and where they are. */
    private static final String BETA = "2026-07-15.pre";
    private static final String KEYS = "/api/api-keys";
    // Where a scope is probed that is not called like its path (Klaviyo's API reference, revision 2026-07-15).
    private static final Map<String, String> PATHS = Map.of("catalogs", "/api/catalog-items", "credentials", KEYS,
            "subscriptions", "/api/profile-subscription-bulk-create-jobs");
    // Accounts and keys allow one request a second and 15 a minute: waiting out one whole window is always enough.
    private static final Duration PATIENCE = Duration.ofSeconds(70);
    // How long a disabled key may go on is not documented: it is asked until it stops, within this limit.
    private static final Duration DYING = Duration.ofSeconds(60);
    private static final Duration BETWEEN = Duration.ofSeconds(4);

    // What a key is worth to Klaviyo, whose it is, where that is told, and what was answered, for one line.
    private record Standing(boolean valid, boolean dead, Optional<Account> account, String words) {
        static final Standing UNKNOWN = new Standing(false, false, Optional.empty(), "");
    }

    private final Wishes wishes;
    private final Progress progress;
    private final Http http;
    // What is in memory: what the stores held, and what the responder has; the new key is none of them.
    private List<Key> known = List.of();
    Optional<Key> old = Optional.empty();
    private Standing standing = Standing.UNKNOWN;
    Optional<Key> fresh = Optional.empty();
    Optional<Account> account = Optional.empty();

    Keys(Wishes wishes, Progress progress) {
        this.wishes = wishes;
        this.progress = progress;
        this.http = Http.of(wishes.settings());
    }

    // ---- asking Klaviyo

    private Answer ask(Key key, String method, String target, Map<String, ?> body) {
        String revision = target.startsWith(KEYS) ? BETA : wishes.settings().revision();
        byte[] bytes = body == null ? null : Json.line(Json.of(body)).getBytes(StandardCharsets.UTF_8);
        return Progress.until(() -> http.withKey(Optional.of(key)).api(method, target, revision, bytes,
                wishes.settings().probing().timeout()), answer -> Symptom.of(answer) != Symptom.THROTTLED, PATIENCE,
                answer -> Duration.ofSeconds(Math.max(1, ApiError.retryAfter((Reply) answer).orElse(1L))));
    }

    private Standing standing(Key key) {
        Answer answer = ask(key, "GET", Endpoint.ACCOUNTS.target(), null);
        // A 403 with Klaviyo's own error proves that it authenticates as well as a 200 does.
        boolean valid = List.of(Symptom.NONE, Symptom.FORBIDDEN).contains(Symptom.of(answer));
        Optional<Account> inside = key.site().filter(id -> valid).map(id -> new Account(id, "", false));
        String shown = Account.in(answer).map(Account::toString).orElse("valid, though without accounts:read");
        return new Standing(valid, Symptom.of(answer) == Symptom.UNAUTHORIZED, Account.in(answer).or(() -> inside),
                valid ? shown : Symptom.describe(answer));
    }

    // The beta API lists keys never with the value, only with its last four characters.
    private Optional<JsonNode> list(Key reader) {
        Answer answer = ask(reader, "GET", KEYS + "?additional-fields%5Bapi-key%5D=redacted_key", null);
        return Optional.of(answer).filter(one -> Symptom.of(one) == Symptom.NONE)
                .map(one -> ((Reply) one).json().path("data"));
    }

    private static Optional<JsonNode> only(JsonNode listed, Key key) {
        String ending = key.reveal().substring(Math.max(0, key.reveal().length() - 4));
        List<JsonNode> alike = new ArrayList<>();
        listed.forEach(alike::add);
        alike.removeIf(one -> !one.at("/attributes/redacted_key").asText().endsWith(ending));
        return alike.size() == 1 ? Optional.of(alike.get(0)) : Optional.empty();
    }

    private static Set<String> scopes(JsonNode listed) {
        Set<String> scopes = new TreeSet<>();
        listed.at("/attributes/scopes").forEach(scope -> scopes.add(scope.asText()));
        return scopes;
    }

    // Needs credentials:write of the new key.
    private void enabled(Key with, String id, boolean enabled) {
        Answer answer = ask(with, "PATCH", KEYS + "/" + id, Map.of("data", Map.of("type", "api-key", "id", id,
                "attributes", Map.of("status", enabled ? "active" : "disabled"))));
        int status = answer instanceof Reply reply ? reply.status() : 0;
        if (status != 200) {
            throw new Trouble(status / 100 == 4 ? Effect.DENIED : Effect.UNKNOWN, "Klaviyo did not "
                    + (enabled ? "enable" : "disable") + " it: " + Symptom.describe(answer), "");
        }
    }

    // ---- the old key

    private Optional<Key> own() {
        return wishes.settings().key().map(Key::cleaned);
    }

    /** The value of that fingerprint, where somebody has it in memory. */
    Optional<Key> known(String fingerprint) {
        return known.stream().filter(key -> key.fingerprint().equals(fingerprint)).findFirst();
    }

    private void replaces(Optional<Key> key) {
        old = key;
        standing = key.map(this::standing).orElse(Standing.UNKNOWN);
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive, then the id inside of it.
    private Optional<String> wanted() {
        return wishes.account().or(() -> Optional.of(progress.kept.account).filter(id -> !id.isEmpty()))
                .or(() -> standing.account.map(Account::id))
                .or(() -> old.flatMap(key -> LastGood.of(wishes.host(), key)).map(LastGood::account))
                .or(() -> old.flatMap(Key::site));
    }

    /** Finds the value that most likely is the old key, and whose it is, by what the stores hold. */
    Done settle(List<Key> held, boolean writeOnly, boolean person) {
        known = Stream.concat(held.stream(), own().stream())
                .filter(key -> !key.fingerprint().equals(progress.kept.newKey)).toList();
        String recorded = progress.kept.oldKey;
        replaces(!recorded.isEmpty() ? known(recorded) : known.stream().filter(Key::known).findFirst().or(this::own));
        progress.kept.dead |= standing.dead;
        Trouble.when(writeOnly && old.isEmpty() && !progress.resumed,
                "a store cannot be read, so there would be no way back",
                "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
        Set<String> sites = held.stream().flatMap(key -> key.site().stream()).collect(Collectors.toSet());
        Trouble.when(sites.size() > 1, "the stores hold keys of several accounts: " + String.join(", ", sites),
                "leave those of the others out of --to");
        String words = old.map(key -> key.describe() + (standing.dead ? "; it is dead: " + standing.words : ""))
                .orElse("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        boolean told = wanted().isPresent();
        Trouble.when(!told && !person, words + "; nothing tells which account it belongs to", UNKNOWN_ACCOUNT);
        return told && old.isPresent() ? Done.ok(words) : Done.warn(words + (told ? "" : "; nothing tells its account:"
                + " once there is a new key, you will be asked whether its account is yours"));
    }

    /** The scopes of the old key, where it may still tell them. */
    public Optional<String> oldScopes() {
        return old.flatMap(key -> list(key).flatMap(keys -> only(keys, key)))
                .map(one -> String.join(", ", scopes(one)));
    }

    // ---- the trial of the new key

    /** Step 2: its form, whether it authenticates, whose it is ({@code confirm} asks that), what it may do. */
    public void trial(Key key, Predicate<Account> confirm) {
        wishes.tool().conceal(key);
        fresh = Optional.of(key);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (!progress.resumed && old.equals(fresh)) {
            replaces(own().filter(mine -> !mine.equals(key)).or(() -> old));
        }
        progress.make(new Step("test", "form", "", () -> form(key)));
        progress.make(new Step("test", "authenticates", "", () -> authenticates(key)));
        progress.make(new Step("test", "account", "", () -> account(confirm)));
        progress.make(new Step("test", "scopes", "", () -> scopes(key)));
    }

    // What is tested is what is stored, byte for byte: a value that would have to be cleaned first is refused.
    private Done form(Key key) {
        String fault = key.faults().stream().findFirst().orElse("it has more in it than a key");
        boolean exact = key.faults().isEmpty() && key.cleaned().reveal().equals(key.reveal()) && !key.token();
        Trouble.when(!exact, "the new key is unfit: " + fault,
                "copy it again from Klaviyo, only the part that starts with pk_");
        // By what the stores hold: the responder may have the new one at hand, and the application another.
        Trouble.when(old.equals(fresh), "the new key is the old one", ANOTHER);
        return key.known() ? Done.ok(key.describe()) : Done.warn(key.describe() + ": no form known to this toolkit");
    }

    private Done authenticates(Key key) {
        Standing now = standing(key);
        Trouble.when(now.dead, "Klaviyo refuses the new key: " + now.words, ANOTHER);
        Trouble.when(!now.valid, "the new key could not be tested: " + now.words,
                "run triage, and this again once Klaviyo answers");
        account = now.account;
        return Done.ok(now.words);
    }

    private Done account(Predicate<Account> confirm) {
        Trouble.when(account.isEmpty(), "nothing tells which account the new key belongs to",
                "make a key that has accounts:read as well");
        Account is = account.get();
        String id = wanted().orElse(is.id());
        Trouble.when(!id.equals(is.id()), "the new key belongs to account " + is.id() + ", not to " + id,
                "make the key while logged in to account " + id);
        Trouble.when(wanted().isEmpty() && !confirm.test(is), "nothing tells which account the old key belongs to",
                UNKNOWN_ACCOUNT);
        return Done.ok(is + (wanted().isEmpty() ? ", which you said is yours" : ""));
    }

    // Compares what it may do with what is needed: what was asked for, or what the old key may do, and +SCOPE besides.
    private Done scopes(Key key) {
        Optional<JsonNode> listed = list(key).or(() -> old.filter(one -> standing.valid).flatMap(this::list));
        Optional<Set<String>> has = listed.flatMap(keys -> only(keys, key)).map(Keys::scopes);
        Optional<Set<String>> had = listed.flatMap(keys -> old.flatMap(one -> only(keys, one))).map(Keys::scopes);
        boolean besides = wishes.needs().stream().allMatch(scope -> scope.startsWith("+"));
        Set<String> needed = new TreeSet<>(besides ? had.orElse(Set.of()) : Set.of());
        wishes.needs().forEach(scope -> needed.add(scope.replaceFirst("^\\+", "")));
        if (needed.isEmpty()) {
            return Done.warn("not compared: neither key may list keys (credentials:read); --needs events:write,…"
                    + " tests what the application needs");
        }
        Map<String, String> answers = needed.stream().collect(Collectors.groupingBy(scope ->
                has.map(all -> all.contains(scope) ? "fine" : "lacking").orElseGet(() -> probe(key, scope)),
                Collectors.joining(", ")));
        Trouble.when(answers.containsKey("lacking"), "the new key lacks " + answers.get("lacking"),
                ANOTHER + ": scopes cannot be added to a key that exists");
        String fine = answers.getOrDefault("fine", "nothing");
        if (besides && had.isEmpty()) {
            return Done.warn(fine + " fine; what else the old key could do is not compared: it cannot be listed");
        }
        return !answers.containsKey("untold") ? Done.ok((has.isEmpty() ? "probed: " : "all of ") + fine)
                : Done.warn("could not be probed: " + answers.get("untold") + "; fine: " + fine);
    }

    // A write is probed with an empty document, which Klaviyo has to refuse with 400: it can change nothing. Where a
    // scope has no such path, the answer says nothing.
    private String probe(Key key, String scope) {
        String name = scope.replaceFirst(":.*", "");
        String path = PATHS.getOrDefault(name, "/api/" + name);
        if (!scope.matches("[a-z-]+:(read|write)")) {
            return "untold";
        }
        Answer answer = scope.endsWith(":write") ? ask(key, "POST", path, Map.of("data", Map.of()))
                : ask(key, "GET", Endpoint.named(name).map(Endpoint::target).orElse(path), null);
        return switch (Symptom.of(answer)) {
            case NONE, INVALID -> "fine";
            case FORBIDDEN -> "lacking";
            default -> "untold";
        };
    }

    Done alive() {
        Standing now = Progress.until(() -> standing(fresh.orElseThrow()), one -> one.valid || one.dead,
                wishes.verify(), one -> Progress.INTERVAL);
        Trouble.when(!now.valid, "it does not authenticate any more: " + now.words);
        return Done.ok("still authenticates: " + now.words);
    }

    // ---- the old key's end

    /** Whether the old key is in memory, is another than the new one, and not known to be dead. */
    boolean lives() {
        return old.isPresent() && !old.equals(fresh) && !standing.dead;
    }

    String left() {
        String dead = standing.dead ? "dead already (" + standing.words + ")"
                : "which key was the old one is not known";
        return lives() ? "stays enabled. " + byHand(wishes.grace()) : dead + ": delete it" + HERE;
    }

    private static String byHand(Duration after) {
        return "Delete the old key" + HERE + ", not before "
                + Instant.now().plus(after).truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    Done disable(Runnable lastLook) {
        Key key = old.orElseThrow();
        Optional<JsonNode> listed = list(fresh.orElseThrow()).flatMap(keys -> only(keys, key));
        if (listed.isEmpty()) {
            return Done.warn("not disabled: the new key may not list keys (credentials:read), or several end alike. "
                    + byHand(Duration.ZERO));
        }
        progress.listener.waiting("the old key stays enabled for another " + Durations.words(wishes.grace()));
        Progress.pause(wishes.grace());
        lastLook.run();
        String id = listed.get().path("id").asText();
        disabled(id);
        try {
            enabled(fresh.get(), id, false);
        } catch (Trouble e) {
            if (e.effect == Effect.DENIED) {
                disabled(null);
            }
            return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Duration.ZERO));
        }
        boolean dead = Progress.until(() -> standing(key), Standing::dead, DYING, one -> BETWEEN).dead;
        return Done.ok(dead ? "disabled, and Klaviyo refuses it"
                : "disabled, though Klaviyo still accepted it a minute later");
    }

    /** Undoes that, with the new key, where somebody has it. */
    Done enable(Optional<Key> given) {
        Key with = fresh.or(() -> given).orElseThrow(() -> new Trouble(Effect.NONE,
                "the old key was disabled, and there is no new key at hand to enable it with", ""));
        enabled(with, progress.kept.disabled, true);
        disabled(null);
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    private void disabled(String id) {
        progress.kept.disabled = id;
        progress.save();
    }

    // ---- for machines

    String newPrint() {
        return fresh.map(Key::fingerprint).orElse(progress.kept.newKey);
    }

    String oldPrint() {
        return old.filter(key -> !fresh.equals(Optional.of(key))).map(Key::fingerprint).orElse(progress.kept.oldKey);
    }

    /** Account, keys and stores for journal and JSON; after a kill a key may be known by its fingerprint alone. */
    Map<String, Object> data() {
        return new TreeMap<>(Map.of("account", account.map(Account::id).orElse(""), "oldKey", seen(old, oldPrint()),
                "newKey", seen(fresh, newPrint()), "stores", wishes.stores().stream().map(Place::name).toList()));
    }

    private static JsonNode seen(Optional<Key> key, String print) {
        return Json.of(print.isEmpty() ? null : Map.of("fingerprint", print, "kind",
                key.map(Key::kind).orElse("not at hand")));
    }
}
