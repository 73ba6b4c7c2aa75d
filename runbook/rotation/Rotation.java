package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool;
import runbook.rotation.Keys.Account;
import runbook.rotation.Keys.Standing;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Progress.HandStep;
import runbook.rotation.Progress.Listener;
import runbook.rotation.Progress.Step;
import runbook.rotation.Progress.Task;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Stores.Place;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls
 * {@link #begin}, {@link #preflight}, {@link #test}, {@link #change} and {@link #end}. Old values stay in memory only:
 * after a kill they come from the store's own history, from another store or from the responder's key, and where none
 * has it, the way is forward.
 */
public final class Rotation {
    /** The exit code of a rotation that was refused before anything changed. */
    public static final int REFUSED = 21;
    private static final String BY_HAND = " in Klaviyo, Settings > API keys";

    /**
     * What a rotation is asked to do, mostly by the options of that name.
     *
     * @param settings the responder's key in them counts as the old one where a store cannot be read
     * @param stores   in the order of writing
     * @param account  that the new key has to belong to; empty for that of the old key
     * @param lastGood the account that a key had when all was well, where that was remembered
     * @param needs    scopes that the application needs; empty for those of the old key
     * @param grace    how long the old key stays enabled after the application is well
     */
    public record Wishes(Settings settings, List<Place> stores, List<Place> targets, Optional<String> account,
            Function<Key, Optional<String>> lastGood, Set<String> needs, Duration restart, Duration verify,
            Duration grace, boolean disableOld) { }

    private final Wishes wishes;
    final Tool tool;
    final Progress progress;
    private final Keys keys;
    private final AppWatch app;
    private final List<Holding> holdings;
    private final Set<Place> restarted = new HashSet<>();
    private final List<HandStep> byHand = new ArrayList<>();
    private Optional<Key> old = Optional.empty();
    private Standing oldStanding = Standing.UNASKED;
    /** The new key, once it is given. */
    Optional<Key> fresh = Optional.empty();
    private Optional<Account> account = Optional.empty();

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Tool tool, Listener listener) {
        this.wishes = wishes;
        this.tool = tool;
        this.progress = new Progress(tool, listener, wishes.settings.drill());
        this.keys = new Keys(wishes.settings);
        this.app = new AppWatch(wishes.settings, wishes.verify, progress);
        this.holdings = wishes.stores.stream().map(store -> new Holding(store, this)).toList();
        wishes.settings.key().ifPresent(tool::conceal);
    }

    String newPrint() {
        return fresh.map(Key::fingerprint).orElse(progress.kept.newKey);
    }

    /** When the rotation began that this goes on with; empty when it goes on with none. */
    public Optional<String> resumed() {
        return progress.resumed();
    }

    // ---- step 1

    /**
     * Goes on with the rotation that an earlier run left unfinished in this incident, if there is one.
     *
     * @param looking whether only to look: then no process is touched, and nothing written
     * @throws IOException when its record cannot be read
     * @throws Problem     when it changed stores that this run was not given
     */
    public void begin(Incident where, boolean looking) throws IOException {
        progress.begin(where, looking);
        List<Entry> touched = progress.kept.stores.stream().filter(Entry::touched).toList();
        String missing = touched.stream().map(Entry::name)
                .filter(name -> holdings.stream().noneMatch(holding -> holding.name().equals(name)))
                .map(name -> " --to " + Text.word(name)).collect(Collectors.joining());
        if (!missing.isEmpty()) {
            throw new Problem(REFUSED, "the unfinished rotation in " + where
                    + " is about other stores too: run it again with" + missing);
        }
        touched.forEach(entry -> holdings.forEach(holding -> holding.restore(entry)));
        if (!looking) {
            progress.awaitChild(tool.timeout());
            if (resumed().isPresent()) {
                tool.watch(progress::child);
            }
        }
    }

    /**
     * Step 1: tools, access, what every store holds, how the application does, whose the old key is. Looks at
     * everything before it complains.
     *
     * @param person whether somebody can be asked whose account the new key's is
     */
    public void preflight(boolean person) throws Trouble {
        // At once: another run looks for an open incident, and that is one with a journal.
        progress.journal(Event.NOTE, "key rotation begun", data());
        List<Task> looks = new ArrayList<>();
        holdings.forEach(one -> looks.add(new Task("preflight", one.name(), one.store.reading(), "", one::look)));
        wishes.targets.forEach(target -> looks.add(Task.of("preflight", target.name(), () -> {
            target.reach();
            return Done.ok("there, and may be restarted");
        })));
        looks.add(Task.of("preflight", "app", app::begin));
        List<Trouble> troubles = looks.stream().flatMap(task -> progress.attempt(task).stream()).toList();
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        progress.make(Task.of("preflight", "old key", () -> settleOld(person)));
    }

    // The value that most likely is the old key, and the ways back that it opens for stores that do not tell.
    private Done settleOld(boolean person) throws Trouble {
        List<Key> known = Stream.concat(holdings.stream().flatMap(holding -> holding.old.stream()).filter(Key::known),
                own().stream()).toList();
        String recorded = progress.kept.oldKey;
        old = known.stream().filter(key -> recorded.isEmpty() || key.fingerprint().equals(recorded)).findFirst();
        for (Holding holding : holdings) {
            holding.settle(known, old);
        }
        oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        String state = oldStanding.dead() ? "; it is dead: " + oldStanding.words() : "";
        String words = old.map(key -> key.describe() + state)
                .orElse("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        boolean told = wanted().isPresent() || old.flatMap(Key::site).isPresent();
        Trouble.refuse(!told && !person, words + "; nothing tells which account it belongs to", Keys.UNKNOWN_ACCOUNT);
        if (!told) {
            return Done.warn(words + "; nothing tells its account: once there is a new key, you will be asked whether"
                    + " its account is yours");
        }
        return old.isPresent() ? Done.ok(words) : Done.warn(words);
    }

    private Optional<Key> own() {
        return wishes.settings.key().map(Key::cleaned);
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive.
    private Optional<String> wanted() {
        return wishes.account.or(() -> Optional.of(progress.kept.account).filter(id -> !id.isEmpty()))
                .or(() -> oldStanding.valid() ? oldStanding.id() : Optional.empty())
                .or(() -> old.flatMap(wishes.lastGood));
    }

    // ---- step 2

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return holdings.stream().map(holding -> holding.now).filter(now -> now.holds(progress.kept.newKey))
                .flatMap(now -> now.key().stream()).findFirst();
    }

    /** The scopes of the old key, where it may still tell them. */
    public Optional<String> oldScopes() {
        return old.flatMap(key -> keys.listed(key, key)).map(key -> String.join(", ", key.scopes()));
    }

    /**
     * Step 2: the new key's form, whether it authenticates, whose it is, what it may do; {@code confirm} asks whose an
     * account is.
     */
    public void test(Key candidate, Predicate<Account> confirm) throws Trouble {
        fresh = Optional.of(candidate);
        tool.conceal(candidate);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (resumed().isEmpty() && old.equals(fresh)) {
            old = own().filter(key -> !key.equals(candidate)).or(() -> old);
            oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        }
        // A run that goes on knows by its record which one was old; the responder may have the new one at hand by now.
        progress.make(Task.of("test", "form", () -> keys.form(candidate, resumed().isPresent() ? old : own())));
        progress.make(Task.of("test", "authenticates", () -> {
            Standing standing = keys.authenticates(candidate);
            account = standing.account();
            return Done.ok(standing.words());
        }));
        progress.make(Task.of("test", "account", () -> {
            Done done = keys.account(account, wanted().or(() -> inside(candidate, old)), confirm);
            refuseForeignStores(candidate);
            return done;
        }));
        progress.make(Task.of("test", "scopes", () ->
                keys.scopes(candidate, old, old.filter(key -> oldStanding.valid()), wishes.needs)));
    }

    // The site id inside a dead key tells too, if the new key's own shows that such ids can be trusted.
    private Optional<String> inside(Key candidate, Optional<Key> key) {
        return candidate.site().equals(account.map(Account::id)) ? key.flatMap(Key::site) : Optional.empty();
    }

    private void refuseForeignStores(Key candidate) throws Trouble {
        for (Holding holding : holdings) {
            Optional<Key> other = holding.old.filter(key -> !key.equals(candidate) && !old.equals(Optional.of(key)));
            Optional<String> theirs = other.flatMap(key -> keys.standing(key).id().or(() -> inside(candidate, other)));
            Trouble.refuse(theirs.isPresent() && !theirs.equals(account.map(Account::id)), holding.name()
                    + " holds a key of another account, " + theirs.orElse(""), "leave it out of --to");
        }
    }

    // ---- steps 3 to 7

    // Stores, reads back, restarts, verifies, sees to the old key, and looks at every store again.
    private List<Task> forward() {
        List<Task> tasks = new ArrayList<>();
        for (Holding one : holdings) {
            tasks.add(new Task("store", one.name(), one.store.writing(), one.plan(), one::write));
        }
        for (Holding one : holdings) {
            String plan = one.store.readable() ? "has to be the new key" : "not compared: " + one.store.note();
            tasks.add(new Task("read-back", one.name(), one.store.reading(), plan, one::readBack));
        }
        wishes.targets.forEach(target -> tasks.add(restart("restart", target)));
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: the application has to read the key anew by itself";
            tasks.add(new Task("restart", "app", "", none, () -> Done.warn(none)));
        }
        tasks.add(new Task("verify", "app", "", app.plan(), () -> app.well(newPrint())));
        if (app.counts()) {
            tasks.add(new Task("verify", "errors", "", "must not rise", app::steady));
        }
        tasks.add(new Task("verify", "new key", "", "has to authenticate still", this::authenticates));
        looksAgain("verify", tasks);
        if (disabling()) {
            String plan = "disabled by Klaviyo's API " + Durations.words(wishes.grace)
                    + " after the application is well; enabled again if anything still uses it";
            tasks.add(new Task("disable-old", oldWords(), "", plan, this::disable));
            tasks.add(new Task("disable-old", "app", "", "is well without it", () -> app.well(newPrint())));
            looksAgain("disable-old", tasks);
        } else {
            tasks.add(new Task("disable-old", oldWords(), "", "stays enabled: delete it by hand afterwards",
                    this::left));
        }
        return tasks;
    }

    private void looksAgain(String step, List<Task> tasks) {
        holdings.stream().filter(one -> one.store.readable()).forEach(one -> tasks.add(
                new Task(step, one.name(), one.store.reading(), "has to be the new key still", one::lookAgain)));
    }

    private Task restart(String step, Place target) {
        return new Task(step, target.name(), target.restarting(wishes.restart), "", () -> {
            progress.kept.restarting = true;
            progress.save();
            progress.listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
            Optional<String> before = target.mark();
            target.restart(wishes.restart);
            Optional<String> after = target.mark();
            if (before.isPresent() && before.equals(after)) {
                throw Trouble.unknown("the tool says that it restarted, but nothing did (still " + after.get() + ")");
            }
            after.ifPresent(mark -> restarted.add(target));
            return Done.ok("restarted" + after.map(mark -> ", now " + mark).orElse(""));
        });
    }

    /** Everything that {@link #change} would do, for people to say yes to. */
    public List<Step> plan() {
        return forward().stream().map(Task::planned).toList();
    }

    /**
     * Makes steps 3 to 7, or goes back when one fails.
     *
     * @return how that ended: {@code rotated}, {@code refused} where nothing has changed, else as {@link #rollBack}
     */
    public String change() {
        try {
            makeChanges();
            return "rotated";
        } catch (Trouble | RuntimeException e) {
            return untouched() ? "refused" : rollBack(Text.safe(e.getMessage(), 300), fresh);
        }
    }

    /**
     * What comes of a failure before {@link #change}: {@code refused}, or the way back, for a key that went bad between
     * two runs must not leave the stores half changed.
     */
    public String failed(Trouble trouble) {
        boolean halfWay = resumed().isPresent() && fresh.isPresent() && progress.folder() != null;
        return halfWay ? rollBack(trouble.getMessage(), fresh) : "refused";
    }

    private void makeChanges() throws Trouble {
        progress.kept.oldKey = old.map(Key::fingerprint).orElse(progress.kept.oldKey);
        progress.kept.newKey = newPrint();
        progress.kept.account = account.map(Account::id).orElse("");
        progress.save();
        tool.watch(progress::child);
        for (Task task : forward()) {
            progress.make(task);
        }
    }

    private Done authenticates() throws Trouble {
        Standing standing = keys.standing(fresh.orElseThrow(), one -> one.valid() || one.dead(), wishes.verify,
                AppWatch.INTERVAL);
        if (!standing.valid()) {
            throw Trouble.unknown("it does not authenticate any more: " + standing.words());
        }
        return Done.ok("still authenticates: " + standing.words());
    }

    // ---- step 7

    private Optional<Key> replaced() {
        return old.filter(key -> !fresh.equals(Optional.of(key)));
    }

    private boolean disabling() {
        return wishes.disableOld && replaced().isPresent() && !oldStanding.dead();
    }

    private String oldWords() {
        return replaced().map(key -> "sha256 " + key.fingerprint()).orElse("old key");
    }

    private Done left() {
        if (replaced().isPresent() && !oldStanding.dead()) {
            return Done.skipped(byHand(Instant.now().plus(wishes.grace)));
        }
        return Done.skipped((oldStanding.dead() ? "dead already (" + oldStanding.words() + ")"
                : "which key was the old one is not known") + ": delete it" + BY_HAND);
    }

    private String byHand(Instant when) {
        return "Delete the old key" + old.map(key -> " (sha256 " + key.fingerprint() + ")").orElse("") + BY_HAND
                + ", not before " + when.truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    private Done disable() throws Trouble {
        Key key = replaced().orElseThrow();
        Optional<String> id = keys.listed(fresh.orElseThrow(), key).map(Keys.Listed::id);
        if (id.isEmpty()) {
            return Done.warn("not disabled: the new key may not list keys (credentials:read), or several end alike. "
                    + byHand(Instant.now()));
        }
        progress.listener.waiting("the old key stays enabled for another " + Durations.words(wishes.grace));
        AppWatch.pause(wishes.grace);
        for (Holding holding : holdings) {
            if (holding.store.readable()) {
                holding.lookAgain();
            }
        }
        disabled(id.get());
        try {
            keys.enabled(fresh.get(), id.get(), false);
        } catch (Trouble e) {
            if (e.kind == Trouble.Kind.REFUSED) {
                disabled(null);
            }
            return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Instant.now()));
        }
        boolean dead = keys.standing(key, Standing::dead, Keys.DYING, Keys.BETWEEN).dead();
        return Done.ok(dead ? "disabled, and Klaviyo refuses it"
                : "disabled, though Klaviyo still accepted it a minute later");
    }

    private void disabled(String id) throws Trouble {
        progress.kept.disabled = id;
        progress.save();
    }

    // ---- the way back

    /**
     * Puts the old value back into every store that this rotation changed, last one first, restarts, and verifies.
     * Where a store holds what somebody else set, or the old key stays disabled, nothing is put back.
     *
     * @param given the new key, where this run was given it, to enable the old one again
     * @return {@code rolled-back} when all is as it was, else {@code stuck}: then {@link #byHand} says what is left
     */
    public String rollBack(String why, Optional<Key> given) {
        progress.listener.rollingBack(why);
        List<Holding> touched = new ArrayList<>(holdings);
        touched.removeIf(holding -> !holding.touched());
        Collections.reverse(touched);
        for (Holding one : touched) {
            if (one.strange()) {
                back(new Task("roll-back", one.name(), one.store.reading(), "", one::refuseStranger), () ->
                        new HandStep("find out who set " + one.name() + " (" + one.now + ", ours was sha256 "
                                + newPrint() + "): nothing was put back anywhere", ""));
            }
        }
        if (byHand.isEmpty() && progress.kept.disabled != null) {
            // To bring a dead key back would leave the application with none.
            back(Task.of("roll-back", "old key", () -> enable(given)), () -> new HandStep("something still uses the old"
                    + " key, which is disabled and could not be enabled again: do that" + BY_HAND
                    + ". The stores keep the new key meanwhile", ""));
        }
        if (byHand.isEmpty()) {
            putBack(touched);
        }
        return byHand.isEmpty() ? "rolled-back" : "stuck";
    }

    /** What a person has to do by hand. */
    public List<HandStep> byHand() {
        return byHand;
    }

    private void putBack(List<Holding> touched) {
        touched.forEach(one -> back(new Task("roll-back", one.name(), one.store.writing(), "", one::putBack),
                one::byHand));
        restarted.clear();
        boolean restarting = progress.kept.restarting;
        for (Place target : restarting ? wishes.targets : List.<Place>of()) {
            Task restart = restart("roll-back", target);
            back(restart, () -> new HandStep("restart " + target.name(), restart.command()));
        }
        if (restarting || !touched.isEmpty()) {
            List<String> right = List.of(old.map(Key::fingerprint).orElse(""), progress.kept.oldKey);
            back(Task.of("roll-back", "app", () ->
                    app.asBefore(right, !restarting || restarted.containsAll(wishes.targets))), () ->
                    new HandStep("look at the application: nothing shows that it is well with the old key"
                            + old.map(key -> ", sha256 " + key.fingerprint()).orElse(""), ""));
        }
    }

    // Whatever goes wrong, the rest still has to be brought back.
    private void back(Task task, Supplier<HandStep> otherwise) {
        if (progress.attempt(task).isPresent()) {
            byHand.add(otherwise.get());
        }
    }

    private Done enable(Optional<Key> given) throws Trouble {
        Key with = fresh.or(this::rediscovered).or(() -> given).orElseThrow(() -> Trouble.refused(
                "the old key was disabled, and there is no new key at hand to enable it with", ""));
        keys.enabled(with, progress.kept.disabled, true);
        disabled(null);
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    // ---- the end

    private boolean untouched() {
        return !progress.kept.restarting && holdings.stream().noneMatch(Holding::touched);
    }

    /** Notes how it ended. The next run goes on with what is stuck, or was refused after a change of an earlier run. */
    public void end(String outcome) {
        tool.watch(child -> { });
        if (outcome.equals("refused") && !untouched()) {
            return;
        }
        if (!progress.kept.newKey.isEmpty()) {
            progress.end(outcome);
        }
        if (outcome.equals("rotated")) {
            String from = old.map(key -> "sha256 " + key.fingerprint() + " -> ").orElse("");
            progress.journal(Event.ROTATED, "key rotated: " + from + "sha256 " + newPrint(), data());
            progress.journal(Event.MITIGATED, "the application runs with a new key", data());
        } else if (!outcome.equals("refused")) {
            progress.journal(Event.NOTE, "key rotation failed and " + (outcome.equals("stuck")
                    ? "could not be rolled back everywhere" : "was rolled back"), data());
        }
    }

    private Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("account", account.map(Account::id).orElse(""));
        data.put("oldKey", seen(old));
        data.put("newKey", seen(fresh));
        data.put("stores", holdings.stream().map(Holding::name).toList());
        return data;
    }

    private static JsonNode seen(Optional<Key> key) {
        return Json.of(key.map(one -> Map.of("kind", one.kind(), "fingerprint", one.fingerprint())).orElse(null));
    }

    /** Keys, account and steps, those that were planned among them, as {@code rotate-key --json} shows them. */
    public ObjectNode json(String outcome) {
        List<Step> all = new ArrayList<>(progress.made);
        all.addAll(outcome.equals("planned") ? plan() : List.of());
        ObjectNode root = Json.object().put("schema", 1).put("outcome", outcome)
                .put("account", account.map(Account::id).orElse(null));
        root.set("oldKey", seen(old));
        root.set("newKey", seen(fresh));
        root.set("steps", Json.of(all.stream().map(Step::json).toList()));
        return root.put("incident", progress.folder());
    }
}
