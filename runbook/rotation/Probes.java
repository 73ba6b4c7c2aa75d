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
import runbook.ApiChecks.Health;
import runbook.ApiChecks.Symptom;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Key.LastGood;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Prometheus.AppErrors;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.rotation.Progress.*;
import runbook.rotation.Rotation.Wishes;

/**
 * What is asked over the network: of Klaviyo, whose the old key and the new one are, whether the new one is fit to be
 * shipped, and (beta) the old one's end; of our application, how it does, and with which key. Nobody ships a staging
 * key to production past this.
 */
public final class Probes {
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
    // Short enough to fall soon after a restart; long enough to span Prometheus's usual scrape interval twice.
    private static final Duration LATELY = Duration.ofMinutes(1);

    private final Progress progress;
    private final Wishes wishes;
    private final Settings settings;
    private final Http http;
    /** What the responder has; and beside it what the stores held: the new key is none of these. */
    private final Optional<Key> own;
    private List<Key> atHand = List.of();
    private Optional<Standing> old = Optional.empty();
    Optional<Key> fresh = Optional.empty();
    Optional<Account> account = Optional.empty();
    private Prometheus.Result errors;
    /** The application as it was seen last; null where nobody looks. */
    private State app;

    Probes(Progress progress) {
        this.progress = progress;
        this.wishes = progress.wishes;
        this.settings = wishes.settings();
        this.http = Http.of(settings.withKey(Optional.empty()));
        this.own = settings.key().map(Key::cleaned);
    }

    // ---- asking Klaviyo

    /** What a key is worth to Klaviyo, by what that answered when it was asked whose it is. */
    record Standing(Key key, Answer answer) {
        // A 403 with Klaviyo's own error proves that it authenticates as well as a 200 does.
        boolean valid() {
            return List.of(Symptom.NONE, Symptom.FORBIDDEN).contains(Symptom.of(answer));
        }

        boolean dead() {
            return Symptom.of(answer) == Symptom.UNAUTHORIZED;
        }

        Optional<Account> account() {
            return Account.in(answer).or(() -> key.site().filter(id -> valid()).map(id -> new Account(id, "", false)));
        }

        String words() {
            return Account.in(answer).map(Account::toString)
                    .orElse(valid() ? "valid, though without accounts:read" : Symptom.describe(answer));
        }
    }

    private Answer ask(Key key, String method, String target, Map<String, ?> body) {
        String revision = target.startsWith(KEYS) ? BETA : settings.revision();
        byte[] bytes = body == null ? null : Json.line(body).getBytes(StandardCharsets.UTF_8);
        Http asking = http.withKey(Optional.of(key));
        return Progress.until(() -> asking.api(method, target, revision, bytes),
                answer -> Symptom.of(answer) != Symptom.THROTTLED, PATIENCE,
                answer -> Duration.ofSeconds(Math.max(1, ApiError.retryAfter((Reply) answer).orElse(1))));
    }

    Standing standing(Key key) {
        return new Standing(key, ask(key, "GET", Endpoint.ACCOUNTS.target(), null));
    }

    // The account's keys, never with the value, only with its last four characters; none where this one may not tell.
    private List<JsonNode> list(Key reader) {
        Answer answer = ask(reader, "GET", KEYS + "?additional-fields%5Bapi-key%5D=redacted_key", null);
        return answer instanceof Reply reply ? reply.json().path("data").valueStream().toList() : List.of();
    }

    private static Optional<JsonNode> only(List<JsonNode> list, Key key) {
        String ending = key.reveal().substring(Math.max(0, key.reveal().length() - 4));
        List<JsonNode> alike = list.stream()
                .filter(one -> one.at("/attributes/redacted_key").asText().endsWith(ending)).toList();
        return alike.stream().filter(one -> alike.size() == 1).findFirst();
    }

    private static Set<String> scopes(JsonNode listed) {
        return listed.at("/attributes/scopes").valueStream().map(JsonNode::asText)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    // ---- the old key

    /** The value of that fingerprint, where it is in memory. */
    Optional<Key> atHand(String fingerprint) {
        return atHand.stream().filter(key -> key.fingerprint().equals(fingerprint)).findFirst();
    }

    Optional<Key> old() {
        return old.map(Standing::key);
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive, then the id inside of it.
    private Optional<String> wanted() {
        return wishes.account().or(() -> Optional.of(progress.kept.account).filter(id -> !id.isEmpty()))
                .or(() -> old.flatMap(Standing::account).map(Account::id))
                .or(() -> old().flatMap(key -> LastGood.of(wishes.host(), key)).map(LastGood::account))
                .or(() -> old().flatMap(Key::site));
    }

    /** Finds the value that most likely is the old key, and whose it is, by what the stores hold. */
    Done settle(List<Holding> holdings, boolean person) {
        List<Key> held = holdings.stream().flatMap(one -> one.now.key().stream()).toList();
        boolean writeOnly = !holdings.stream().allMatch(one -> one.store.readable());
        atHand = Stream.concat(held.stream(), own.stream())
                .filter(key -> !key.fingerprint().equals(progress.kept.newKey)).toList();
        String recorded = progress.kept.oldKey;
        Optional<Key> likely = atHand.stream().filter(Key::known).findFirst().or(() -> own);
        old = (recorded.isEmpty() ? likely : atHand(recorded)).map(this::standing);
        Trouble.when(writeOnly && old.isEmpty() && !progress.resumed,
                "a store cannot be read, so there would be no way back",
                "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
        Set<String> sites = held.stream().flatMap(key -> key.site().stream()).collect(Collectors.toSet());
        Trouble.when(sites.size() > 1, "the stores hold keys of several accounts: " + String.join(", ", sites),
                "leave those of the others out of --to");
        String words = old.map(one -> one.key.describe() + (one.dead() ? "; it is dead: " + one.words() : "")).orElse(
                "not at hand: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        boolean told = wanted().isPresent();
        Trouble.when(!told && !person, words + "; nothing tells which account it belongs to", UNKNOWN_ACCOUNT);
        return told && old.isPresent() ? Done.ok(words) : Done.warn(words + (told ? "" : "; nothing tells its account:"
                + " once there is a new key, you will be asked whether its account is yours"));
    }

    private boolean asTheOldOne() {
        return wishes.needs().stream().allMatch(scope -> scope.startsWith("+"));
    }

    // What the new key has to be able to do: what was asked for, or what the old key may do, and +SCOPE besides.
    private Set<String> needed(Set<String> had) {
        Set<String> needed = new LinkedHashSet<>(asTheOldOne() ? had : Set.of());
        wishes.needs().forEach(scope -> needed.add(scope.replaceFirst("^\\+", "")));
        return needed;
    }

    /** The same for whoever makes it. */
    public String scopesNeeded() {
        Set<String> those = Set.of("those of the old key (see that list)");
        return String.join(", ", needed(old().flatMap(key -> only(list(key), key)).map(Probes::scopes).orElse(those)));
    }

    // ---- the trial of the new key

    /** Step 2: its form, whether it authenticates, whose it is ({@code confirm} asks that), what it may do. */
    public void trial(Key key, Predicate<Account> confirm) {
        wishes.tool().conceal(key);
        fresh = Optional.of(key);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (!progress.resumed && old().equals(fresh)) {
            old = own.filter(mine -> !mine.equals(key)).map(this::standing).or(() -> old);
        }
        progress.make(new Step("test", "form", "", "", () -> form(key)));
        progress.make(new Step("test", "authenticates", "", "", () -> authenticates(key)));
        progress.make(new Step("test", "account", "", "", () -> account(confirm)));
        progress.make(new Step("test", "scopes", "", "", () -> scopes(key)));
    }

    // What is tested is what is stored, byte for byte: a value that would have to be cleaned first is refused.
    private Done form(Key key) {
        String fault = key.faults().stream().findFirst().orElse("it has more in it than a key");
        boolean exact = key.faults().isEmpty() && key.cleaned().reveal().equals(key.reveal()) && !key.token();
        Trouble.when(!exact, "the new key is unfit: " + fault,
                "copy it again from Klaviyo, only the part that starts with pk_");
        // By what the stores hold: the responder may have the new one at hand, and the application another.
        Trouble.when(old().equals(fresh), "the new key is the old one", ANOTHER);
        return key.known() ? Done.ok(key.describe()) : Done.warn(key.describe() + ": no form known to this toolkit");
    }

    private Done authenticates(Key key) {
        Standing now = standing(key);
        Trouble.when(now.dead(), "Klaviyo refuses the new key: " + now.words(), ANOTHER);
        Trouble.when(!now.valid(), "the new key could not be tested: " + now.words(),
                "run triage, and this again once Klaviyo answers");
        account = now.account();
        return Done.ok(now.words());
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

    private Done scopes(Key key) {
        List<JsonNode> own = list(key);
        List<JsonNode> keys = own.isEmpty() && lives() ? list(old.get().key) : own;
        Optional<Set<String>> has = only(keys, key).map(Probes::scopes);
        Optional<Set<String>> had = old().flatMap(one -> only(keys, one)).map(Probes::scopes);
        Set<String> needed = needed(had.orElse(Set.of()));
        if (needed.isEmpty()) {
            return Done.warn("not compared: what the old key may do cannot be listed (that takes it, and"
                    + " credentials:read); --needs events:write,… tests what the application needs");
        }
        Map<String, String> answers = needed.stream().collect(Collectors.groupingBy(scope ->
                has.map(may -> may.contains(scope) ? "fine" : "lacking").orElseGet(() -> probe(key, scope)),
                Collectors.joining(", ")));
        Trouble.when(answers.containsKey("lacking"), "the new key lacks " + answers.get("lacking"),
                ANOTHER + ": scopes cannot be added to a key that exists");
        String fine = answers.getOrDefault("fine", "nothing");
        if (asTheOldOne() && had.isEmpty()) {
            return Done.warn(fine + " fine; what else the old key could do is not compared: it cannot be listed");
        }
        return !answers.containsKey("untold") ? Done.ok((has.isEmpty() ? "probed: " : "all of ") + fine)
                : Done.warn("could not be probed: " + answers.get("untold") + "; fine: " + fine);
    }

    // A write has an empty document, which Klaviyo refuses with 400: it changes nothing. No such path tells nothing.
    private String probe(Key key, String scope) {
        if (!scope.matches("[a-z-]+:(read|write)")) {
            return "untold";
        }
        String name = scope.replaceFirst(":.*", "");
        String path = PATHS.getOrDefault(name, "/api/" + name);
        Answer answer = scope.endsWith(":write") ? ask(key, "POST", path, Map.of("data", Map.of()))
                : ask(key, "GET", Endpoint.named(name).map(Endpoint::target).orElse(path), null);
        return switch (Symptom.of(answer)) {
            case NONE, INVALID -> "fine";
            case FORBIDDEN -> "lacking";
            default -> "untold";
        };
    }

    Done alive() {
        Standing now = Progress.until(() -> standing(fresh.orElseThrow()), one -> one.valid() || one.dead(),
                wishes.verify(), one -> Progress.INTERVAL);
        Trouble.when(!now.valid(), "it does not authenticate any more: " + now.words());
        return Done.ok("still authenticates: " + now.words());
    }

    // ---- the old key's end

    /** Whether the old key is in memory, is another than the new one, and not known to be dead. */
    boolean lives() {
        return old.isPresent() && !old().equals(fresh) && !old.get().dead();
    }

    String left() {
        String how = lives() ? "stays enabled. " : "not at hand, so not looked at. ";
        return old.filter(Standing::dead).map(one -> "dead already (" + one.words() + "): delete it" + HERE)
                .orElseGet(() -> how + byHand(wishes.grace()));
    }

    private static String byHand(Duration after) {
        return "Delete the old key" + HERE + ", not before "
                + Instant.now().plus(after).truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    Done disable() {
        Key key = old.orElseThrow().key;
        Optional<JsonNode> listed = only(list(fresh.orElseThrow()), key);
        try {
            Trouble.when(listed.isEmpty(), "the new key may not list keys (credentials:read), or several end alike");
            able(listed.get().path("id").asText(), fresh, "disabled");
        } catch (Trouble e) {
            return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Duration.ZERO));
        }
        boolean dead = Progress.until(() -> standing(key), Standing::dead, DYING, one -> DYING.dividedBy(15)).dead();
        return Done.ok(dead ? "disabled, and Klaviyo refuses it"
                : "disabled, though Klaviyo still accepted it a minute later");
    }

    /** Undoes that, with the new key, where somebody has it. */
    Done enable(Optional<Key> given) {
        able(progress.kept.disabled, fresh.or(() -> given), "active");
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    // Needs credentials:write of the new key. What may be disabled is on record from before it is until it is no more.
    private void able(String id, Optional<Key> with, String status) {
        progress.kept.disabled = id;
        progress.save();
        Trouble.when(with.isEmpty(), "the old key was disabled, and there is no new key at hand to enable it with");
        Answer answer = ask(with.get(), "PATCH", KEYS + "/" + id, Map.of("data",
                Map.of("type", "api-key", "id", id, "attributes", Map.of("status", status))));
        boolean done = answer instanceof Reply reply && reply.status() == 200;
        boolean refused = answer instanceof Reply reply && reply.status() / 100 == 4;
        if (done && status.equals("active") || refused && status.equals("disabled")) {
            progress.kept.disabled = null;
            progress.save();
        }
        Trouble.when(!done, "Klaviyo did not make it " + status + ": " + Symptom.describe(answer));
    }

    // ---- for machines

    String newPrint() {
        return fresh.map(Key::fingerprint).orElse(progress.kept.newKey);
    }

    String oldPrint() {
        return old().filter(key -> !fresh.equals(Optional.of(key))).map(Key::fingerprint).orElse(progress.kept.oldKey);
    }

    /** A key for journal and JSON; after a kill it may be known by its fingerprint alone. */
    static JsonNode data(Optional<Key> key, String print) {
        return Json.of(print.isEmpty() ? null : Map.of("fingerprint", print, "kind",
                key.map(Key::kind).orElse("not at hand")));
    }

    // ---- our application

    /** How it does, the same for one line, and the fingerprint of the key that it says it uses; empty where none. */
    private record State(Health health, String words, String key) { }

    private State look() {
        Answer answer = http.get(settings.target().app());
        return answer instanceof Reply reply ? new State(Health.of(reply), Health.words(reply),
                reply.json().path("keyFingerprint").asText()) : new State(Health.of(answer), answer.words(), "");
    }

    // What is wrong with it: it is worse than it was with the old key, or has another one; empty where nothing is.
    private String fault(Way way) {
        boolean back = way == Way.BACK;
        List<String> right = back ? List.of(oldPrint(), progress.kept.appKey, "") : List.of(newPrint(), "");
        String stale = right.contains(app.key) ? "" : "it says that it still uses another key, sha256 " + app.key;
        return app.health.compareTo(back ? progress.kept.app : Health.HEALTHY) > 0 ? app.words : stale;
    }

    /** Looks before anything changes; what an interrupted run did to it does not count as how it was. */
    Done appBefore() {
        errors = settings.target().prometheus() == null ? null : errors();
        if (settings.target().app() == null) {
            return Done.warn("nobody looks at it: give --app-url to have its health verified");
        }
        app = look();
        if (progress.kept.app == null) {
            progress.kept.app = app.health;
            progress.kept.appKey = app.key;
        }
        return app.health == Health.HEALTHY ? Done.ok(app.words) : Done.warn("not healthy now: " + app.words);
    }

    String appPlan() {
        return app == null ? "not looked at: no --app-url"
                : "healthy within " + Durations.words(wishes.verify()) + " by " + settings.target().app();
    }

    /** It is healthy with the new key, or no worse than it was with the old one, where it tells its key. */
    Done appWith(Way way) {
        if (app == null) {
            return Done.warn(appPlan());
        }
        String most = Durations.words(wishes.verify());
        app = look();
        if (!fault(way).isEmpty()) {
            progress.listener.waiting("waiting for the application, at most " + most + ": " + fault(way));
        }
        String fault = Progress.until(() -> {
            app = look();
            if (fault(way).isEmpty()) {
                // The first good answer may come from what is being restarted.
                Progress.pause(Progress.INTERVAL);
                app = look();
            }
            return fault(way);
        }, String::isEmpty, wishes.verify(), seen -> Progress.INTERVAL);
        Trouble.when(!fault.isEmpty(), "not well within " + most + ": " + fault);
        return Done.ok(app.words);
    }

    /**
     * What was not seen of it with that key, in words that follow "but"; empty where it is well and told its key, or
     * where a restart that left a mark ({@code proven}), or its being well again, shows as much.
     */
    String appUnseen(Way way, boolean proven) {
        if (app == null) {
            return "nobody looked at the application: no --app-url";
        }
        boolean seen = proven || !app.key.isEmpty() || app.health.compareTo(progress.kept.app) < 0;
        return seen ? "" : "nothing shows that the application runs with the " + (way == Way.BACK ? "old" : "new")
                + " key: its health tells no keyFingerprint, and no mark shows its restart";
    }

    private Prometheus.Result errors() {
        return new Prometheus(http).instant(AppErrors.over(settings.probing().errors(), LATELY));
    }

    // Rounded, as people see it.
    private static long sum(Prometheus.Result counted) {
        return Math.round(counted.sum().orElse(0));
    }

    Done steady() {
        Duration watch = wishes.verify().dividedBy(4);
        progress.listener.waiting("watching its errors for " + Durations.words(watch));
        long most = Math.max(sum(errors()), sum(errors));
        Progress.pause(watch);
        Prometheus.Result now = Progress.until(this::errors, one -> sum(one) <= most, wishes.verify(), one -> watch);
        if (now.series().isEmpty() || !errors.ok()) {
            return Done.warn("not compared: Prometheus gives nothing for --errors-query " + errors.trouble()
                    + now.trouble());
        }
        String seen = sum(now) + " in the last minute, " + sum(errors) + " in the minute before the rotation";
        Trouble.when(sum(now) > most, "its errors rise: " + seen);
        return Done.ok(seen);
    }
}
