package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
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
import runbook.Key.LastGood;
import runbook.Key;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.redact.Redactor;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Step;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Rotation.Wishes;

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
    // Accounts and keys allow one request a second and 15 a minute: waiting out one whole window is always enough.
    private static final Duration PATIENCE = Duration.ofSeconds(70);
    // How long a disabled key may go on is not documented: it is asked until it stops, within this limit.
    private static final Duration DYING = Duration.ofSeconds(60);
    private static final Duration BETWEEN = Duration.ofSeconds(4);
    private static final int ENDING = 4;

    /** The account of a key: its id, which is its public site id as well, and its organisation's name. */
    public record Account(String id, String name, boolean test) {
        private static Optional<Account> of(JsonNode reply) {
            JsonNode account = reply.at("/data/0");
            String name = account.at("/attributes/contact_information/organization_name").asText();
            boolean test = account.at("/attributes/test_account").asBoolean();
            return Optional.ofNullable(account.path("id").textValue())
                    .map(id -> new Account(Text.safe(id, 20), Text.safe(name, 60), test));
        }

        @Override
        public String toString() {
            return (name.isEmpty() ? "account " + id : name + " (" + id + ")") + (test ? ", a test account" : "");
        }
    }

    // What an answer says of the key: a complaint about the request itself says that the key may do it.
    private enum Says { YES, UNDERSTOOD, NO_SCOPE, NO_KEY, NOTHING }

    // What a key is worth to Klaviyo, its account, where that is told, and what was answered, for one line.
    private record Standing(Says says, Optional<Account> account, String words) {
        // A 403 with Klaviyo's own error proves that it authenticates as well as a 200 does.
        boolean valid() {
            return says == Says.YES || says == Says.NO_SCOPE;
        }

        boolean dead() {
            return says == Says.NO_KEY;
        }
    }

    private final Wishes wishes;
    private final Progress progress;
    private final Http http;
    // What is in memory: what the stores held, and what the responder has; the new key is none of them.
    private List<Key> known = List.of();
    Optional<Key> old = Optional.empty();
    private Standing oldStanding = new Standing(Says.NOTHING, Optional.empty(), "");
    /** The new key, once it is given. */
    Optional<Key> fresh = Optional.empty();
    Optional<Account> account = Optional.empty();

    Keys(Wishes wishes, Progress progress) {
        this.wishes = wishes;
        this.progress = progress;
        this.http = Http.of(wishes.settings());
    }

    // ---- asking Klaviyo

    private Answer ask(Key key, String method, String target, String body) {
        String revision = target.startsWith(KEYS) ? BETA : wishes.settings().revision();
        byte[] bytes = body == null ? null : body.getBytes(StandardCharsets.UTF_8);
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            Answer answer = http.withKey(Optional.of(key))
                    .api(method, target, revision, bytes, wishes.settings().probing().timeout());
            if (!(answer instanceof Reply reply) || reply.status() != 429) {
                return answer;
            }
            Duration pause = Duration.ofSeconds(Math.max(1, ApiError.retryAfter(reply).orElse(1L)));
            if (System.nanoTime() + pause.toNanos() > end || !AppWatch.pause(pause)) {
                return answer;
            }
        }
    }

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
        String said = ApiError.of(reply).map(error -> " " + error).orElse(reply.html() ? " and a web page" : "");
        return "HTTP " + reply.status() + Redactor.strict().text(said);
    }

    private Standing standing(Key key) {
        Answer answer = ask(key, "GET", Endpoint.ACCOUNTS.target(), null);
        Optional<Account> inside = key.site().map(id -> new Account(id, "", false));
        Says says = says(answer);
        if (says == Says.YES) {
            Optional<Account> told = Account.of(((Reply) answer).json());
            return new Standing(says, told.or(() -> inside), told.map(Account::toString).orElse("authenticated"));
        }
        return says == Says.NO_SCOPE ? new Standing(says, inside, "valid, though without accounts:read")
                : new Standing(says, Optional.empty(), words(answer));
    }

    private Standing standing(Key key, Predicate<Standing> enough, Duration within, Duration between) {
        long end = System.nanoTime() + within.toNanos();
        Standing standing = standing(key);
        while (!enough.test(standing) && System.nanoTime() < end && AppWatch.pause(between)) {
            standing = standing(key);
        }
        return standing;
    }

    // ---- keys as the beta API lists them: never with the value, only with its last four characters

    private Optional<JsonNode> list(Key reader) {
        Answer answer = ask(reader, "GET", KEYS + "?additional-fields%5Bapi-key%5D=redacted_key", null);
        return says(answer) == Says.YES ? Optional.of(((Reply) answer).json().path("data")) : Optional.empty();
    }

    private static Optional<JsonNode> only(JsonNode listed, Key key) {
        String ending = key.reveal().substring(Math.max(0, key.reveal().length() - ENDING));
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
    private void enabled(Key with, String id, boolean enabled) throws Trouble {
        var document = Map.of("data", Map.of("type", "api-key", "id", id, "attributes",
                Map.of("status", enabled ? "active" : "disabled")));
        Answer answer = ask(with, "PATCH", KEYS + "/" + id, Json.line(Json.of(document)));
        int status = answer instanceof Reply reply ? reply.status() : 0;
        if (status != 200) {
            throw new Trouble(status / 100 == 4 ? Effect.DENIED : Effect.UNKNOWN,
                    "Klaviyo did not " + (enabled ? "enable" : "disable") + " it: " + words(answer), "");
        }
    }

    // ---- the old key

    /** Finds the value that most likely is the old key, and whose it is, by what the stores hold. */
    Done settle(List<Key> held, boolean writeOnly, boolean person) throws Trouble {
        known = Stream.concat(held.stream(), own().stream())
                .filter(key -> !key.fingerprint().equals(progress.kept.newKey)).toList();
        String recorded = progress.kept.oldKey;
        old = recorded.isEmpty() ? known.stream().filter(Key::known).findFirst().or(this::own) : known(recorded);
        oldStanding = old.map(this::standing).orElse(oldStanding);
        Trouble.refuse(writeOnly && old.isEmpty() && progress.resumed().isEmpty(),
                "a store cannot be read, so there would be no way back",
                "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
        Set<String> sites = held.stream().flatMap(key -> key.site().stream()).collect(Collectors.toSet());
        Trouble.refuse(sites.size() > 1, "the stores hold keys of several accounts: " + String.join(", ", sites),
                "leave those of the others out of --to");
        String state = oldStanding.dead() ? "; it is dead: " + oldStanding.words : "";
        String words = old.map(key -> key.describe() + state)
                .orElse("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        boolean told = wanted().isPresent() || old.flatMap(Key::site).isPresent();
        Trouble.refuse(!told && !person, words + "; nothing tells which account it belongs to", UNKNOWN_ACCOUNT);
        if (!told) {
            return Done.warn(words + "; nothing tells its account: once there is a new key, you will be asked whether"
                    + " its account is yours");
        }
        return old.isPresent() ? Done.ok(words) : Done.warn(words);
    }

    private Optional<Key> own() {
        return wishes.settings().key().map(Key::cleaned);
    }

    /** The value of that fingerprint, where somebody has it in memory. */
    Optional<Key> known(String fingerprint) {
        return known.stream().filter(key -> key.fingerprint().equals(fingerprint)).findFirst();
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive.
    private Optional<String> wanted() {
        return wishes.account().or(() -> Optional.of(progress.kept.account).filter(id -> !id.isEmpty()))
                .or(() -> oldStanding.account.map(Account::id))
                .or(() -> old.flatMap(key -> LastGood.of(wishes.host(), key)).map(LastGood::account));
    }

    /** The scopes of the old key, where it may still tell them. */
    Optional<String> oldScopes() {
        return old.flatMap(key -> list(key).flatMap(keys -> only(keys, key)))
                .map(one -> String.join(", ", scopes(one)));
    }

    // ---- the trial of the new key

    /** Step 2: its form, whether it authenticates, whose it is, what it may do. */
    List<Step> trial(Key candidate, Predicate<Account> confirm) {
        fresh = Optional.of(candidate);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (progress.resumed().isEmpty() && old.equals(fresh)) {
            old = own().filter(key -> !key.equals(candidate)).or(() -> old);
            oldStanding = old.map(this::standing).orElse(oldStanding);
        }
        return List.of(new Step("test", "form", () -> form(candidate)),
                new Step("test", "authenticates", () -> authenticates(candidate)),
                new Step("test", "account", () -> account(candidate, confirm)),
                new Step("test", "scopes", () -> scopes(candidate)));
    }

    // What is tested is what is stored, byte for byte: a value that would have to be cleaned first is refused.
    private Done form(Key key) throws Trouble {
        Trouble.refuse(key.token(), "the new key is an OAuth access token, which expires within the hour: no store"
                + " should hold one", ANOTHER);
        String fault = key.faults().stream().findFirst().orElse("it has more in it than a key");
        boolean exact = key.faults().isEmpty() && key.cleaned().reveal().equals(key.reveal());
        Trouble.refuse(!exact, "the new key is unfit: " + fault,
                "copy it again from Klaviyo, only the part that starts with pk_");
        // A run that goes on knows by its record which one was old; the responder may have the new one at hand by now.
        Optional<Key> replaced = progress.resumed().isPresent() ? old : own();
        Trouble.refuse(replaced.equals(fresh), "the new key is the old one", ANOTHER);
        return key.known() ? Done.ok(key.describe()) : Done.warn(key.describe() + ": no form known to this toolkit");
    }

    private Done authenticates(Key key) throws Trouble {
        Standing standing = standing(key);
        Trouble.refuse(standing.dead(), "Klaviyo refuses the new key: " + standing.words, ANOTHER);
        Trouble.refuse(!standing.valid(), "the new key could not be tested: " + standing.words,
                "run triage, and this again once Klaviyo answers");
        account = standing.account;
        return Done.ok(standing.words);
    }

    private Done account(Key key, Predicate<Account> confirm) throws Trouble {
        Trouble.refuse(account.isEmpty(), "nothing tells which account the new key belongs to",
                "make a key that has accounts:read as well");
        Account is = account.get();
        // The site id inside a dead key tells too, if the new key's own shows that such ids can be trusted.
        boolean trusted = key.site().equals(Optional.of(is.id));
        Optional<String> wanted = wanted().or(() -> old.flatMap(Key::site).filter(site -> trusted));
        String id = wanted.orElse(is.id);
        Trouble.refuse(!id.equals(is.id), "the new key belongs to account " + is.id + ", not to " + id,
                "make the key while logged in to account " + id);
        Trouble.refuse(wanted.isEmpty() && !confirm.test(is), "nothing tells which account the old key belongs to",
                UNKNOWN_ACCOUNT);
        return Done.ok(is + (wanted.isEmpty() ? ", which you said is yours" : ""));
    }

    // Compares what it may do with what is needed: what was asked for, or else what the old key may do.
    private Done scopes(Key key) throws Trouble {
        Optional<JsonNode> listed = list(key).or(() -> old.filter(one -> oldStanding.valid()).flatMap(this::list));
        Optional<Set<String>> has = listed.flatMap(keys -> only(keys, key)).map(Keys::scopes);
        Optional<Set<String>> had = listed.flatMap(keys -> old.flatMap(one -> only(keys, one))).map(Keys::scopes);
        Set<String> needed = wishes.needs().isEmpty() ? had.orElse(Set.of()) : wishes.needs();
        if (needed.isEmpty()) {
            return Done.warn("not compared: neither key may list keys (credentials:read); --needs events:write,…"
                    + " tests what the application needs");
        }
        Map<Says, List<String>> answers = needed.stream().collect(Collectors.groupingBy(scope ->
                has.map(all -> all.contains(scope) ? Says.YES : Says.NO_SCOPE).orElseGet(() -> probe(key, scope))));
        Trouble.refuse(answers.containsKey(Says.NO_SCOPE), "the new key lacks " + told(answers, Says.NO_SCOPE),
                ANOTHER + ": scopes cannot be added to a key that exists");
        String fine = told(answers, Says.YES, Says.UNDERSTOOD);
        String untold = told(answers, Says.NOTHING, Says.NO_KEY);
        return untold.isEmpty() ? Done.ok((has.isEmpty() ? "probed: " : "all of ") + fine)
                : Done.warn("could not be probed: " + untold + (fine.isEmpty() ? "" : "; fine: " + fine));
    }

    private static String told(Map<Says, List<String>> answers, Says... which) {
        return Stream.of(which).flatMap(says -> answers.getOrDefault(says, List.of()).stream()).sorted()
                .collect(Collectors.joining(", "));
    }

    /** Where a scope is probed that is not called like its path (Klaviyo's API reference, revision 2026-07-15). */
    private static final Map<String, String> PATHS = Map.of("catalogs", "/api/catalog-items", "credentials", KEYS,
            "subscriptions", "/api/profile-subscription-bulk-create-jobs");

    // A write is probed with an empty document, which Klaviyo has to refuse with 400: it can change nothing. Where a
    // scope has no such path, the answer says nothing.
    private Says probe(Key key, String scope) {
        if (!scope.matches("[a-z-]+:(read|write)")) {
            return Says.NOTHING;
        }
        String name = scope.replaceFirst(":.*", "");
        String path = PATHS.getOrDefault(name, "/api/" + name);
        return says(scope.endsWith(":write") ? ask(key, "POST", path, "{\"data\":{}}")
                : ask(key, "GET", Endpoint.named(name).map(Endpoint::target).orElse(path), null));
    }

    /** The new key authenticates still. */
    Done alive() throws Trouble {
        Standing standing = standing(fresh.orElseThrow(), one -> one.valid() || one.dead(), wishes.verify(),
                AppWatch.INTERVAL);
        if (!standing.valid()) {
            throw Trouble.unknown("it does not authenticate any more: " + standing.words);
        }
        return Done.ok("still authenticates: " + standing.words);
    }

    // ---- the old key's end

    /** Whether the old key is in memory, is another than the new one, and not known to be dead. */
    boolean lives() {
        return old.isPresent() && !old.equals(fresh) && !oldStanding.dead();
    }

    /** What is to be done about an old key that this rotation does not disable. */
    String left() {
        String dead = oldStanding.dead() ? "dead already (" + oldStanding.words + ")"
                : "which key was the old one is not known";
        return lives() ? "stays enabled. " + byHand(wishes.grace()) : dead + ": delete it" + HERE;
    }

    private static String byHand(Duration after) {
        return "Delete the old key" + HERE + ", not before "
                + Instant.now().plus(after).truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    Done disable(Progress.Action lastLook) throws Trouble {
        Key key = old.orElseThrow();
        Optional<String> id = list(fresh.orElseThrow()).flatMap(keys -> only(keys, key))
                .map(one -> one.path("id").asText());
        if (id.isEmpty()) {
            return Done.warn("not disabled: the new key may not list keys (credentials:read), or several end alike. "
                    + byHand(Duration.ZERO));
        }
        progress.listener.waiting("the old key stays enabled for another " + Durations.words(wishes.grace()));
        AppWatch.pause(wishes.grace());
        lastLook.run();
        disabled(id.get());
        try {
            enabled(fresh.get(), id.get(), false);
        } catch (Trouble e) {
            if (e.effect == Effect.DENIED) {
                disabled(null);
            }
            return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Duration.ZERO));
        }
        boolean dead = standing(key, Standing::dead, DYING, BETWEEN).dead();
        return Done.ok(dead ? "disabled, and Klaviyo refuses it"
                : "disabled, though Klaviyo still accepted it a minute later");
    }

    /** Undoes that, with the new key, where somebody has it. */
    Done enable(Optional<Key> given) throws Trouble {
        Key with = fresh.or(() -> given).orElseThrow(() -> Trouble.refused(
                "the old key was disabled, and there is no new key at hand to enable it with", ""));
        enabled(with, progress.kept.disabled, true);
        disabled(null);
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    private void disabled(String id) throws Trouble {
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

    /** Account and keys, as journal and JSON have them. */
    Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("account", account.map(Account::id).orElse(""));
        data.put("oldKey", seen(old));
        data.put("newKey", seen(fresh));
        return data;
    }

    private static JsonNode seen(Optional<Key> key) {
        return Json.of(key.map(one -> Map.of("kind", one.kind(), "fingerprint", one.fingerprint())).orElse(null));
    }
}
