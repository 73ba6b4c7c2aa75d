package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key;
import runbook.Settings;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool;
import runbook.rotation.Keys.Account;
import runbook.rotation.Keys.Standing;
import runbook.rotation.Steps.Done;
import runbook.rotation.Steps.HandStep;
import runbook.rotation.Steps.Listener;
import runbook.rotation.Steps.Outcome;
import runbook.rotation.Steps.Step;
import runbook.rotation.Steps.Trouble;
import runbook.rotation.Stores.Store;
import runbook.rotation.Stores.Target;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls
 * {@link #preflight}, {@link #test} and {@link #change}, {@link #rollBack} when the last one throws (before it nothing
 * has changed), and {@link #end}. Old values stay in memory only: after a kill they come from the store's own history,
 * from another store or from the responder's key, and where none has it, the way is forward.
 */
public final class Rotation {
    private static final String BY_HAND = " in Klaviyo, Settings > API keys";

    /**
     * What a rotation is asked to do.
     *
     * @param settings   where Klaviyo and our application are, and the responder's key, which counts as the old one
     *                   where a store cannot be read
     * @param stores     where the key is kept, in the order of writing
     * @param targets    what to restart, in order
     * @param account    the account that the new key has to belong to; empty for that of the old key
     * @param lastGood   the account that a key had when all was well, where that was remembered
     * @param needs      scopes that the application needs; empty for those of the old key
     * @param restart    how long one restart may take
     * @param verify     how long the application may take to be well again
     * @param grace      how long the old key stays enabled after the application is well
     * @param disableOld whether to disable the old key at the end
     */
    public record Wishes(Settings settings, List<Store> stores, List<Target> targets, Optional<String> account,
            Function<Key, Optional<String>> lastGood, Set<String> needs, Duration restart, Duration verify,
            Duration grace, boolean disableOld) { }

    private final Wishes wishes;
    final Tool tool;
    private final Listener listener;
    private final Steps steps;
    private final Keys keys;
    private final AppWatch app;
    private final List<Holding> holdings;
    private Optional<Progress> progress = Optional.empty();
    private Optional<String> begunAt = Optional.empty();
    private boolean tested;
    private Optional<Key> old = Optional.empty();
    private Standing oldStanding = Standing.UNASKED;
    /** The new key, once it is given. */
    Optional<Key> fresh = Optional.empty();
    private Optional<Account> account = Optional.empty();

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Tool tool, Listener listener) {
        this.wishes = wishes;
        this.tool = tool;
        this.listener = listener;
        this.steps = new Steps(tool, listener, wishes.settings.drill());
        this.keys = new Keys(wishes.settings);
        this.app = new AppWatch(wishes.settings, wishes.verify, listener::waiting);
        this.holdings = wishes.stores.stream().map(store -> new Holding(store, this)).toList();
        wishes.settings.key().ifPresent(tool::conceal);
    }

    // ---- what its stores need to know

    String newPrint() {
        return fresh.map(Key::fingerprint).or(() -> progress.map(one -> one.fingerprint("newKey"))).orElse("");
    }

    void save() throws Trouble {
        progress.orElseThrow().save(holdings);
    }

    void waiting(String words) {
        listener.waiting(words);
    }

    /** How to begin anew where an unfinished rotation cannot go on. */
    String anew() {
        return begunAt.isEmpty() ? "" : steps.incident.map(where -> "rm "
                + Text.word(where.folder().resolve(Progress.FILE).toString())
                + "   # once you know which key is right, then begin anew").orElse("");
    }

    // ---- going on with an earlier run

    /**
     * Goes on with the rotation that an earlier run left unfinished in this incident, if there is one.
     *
     * @param looking whether only to look at it: then no process is touched, and nothing written
     * @throws IOException when its record cannot be read
     * @throws Trouble     when it changed stores that this run was not given
     */
    public void resume(Incident where, boolean looking) throws IOException, Trouble {
        progress = Progress.unfinished(where);
        begunAt = progress.map(one -> one.noted("startedAt"));
        if (progress.isEmpty()) {
            return;
        }
        List<String> missing = new ArrayList<>(progress.get().touched());
        missing.removeAll(holdings.stream().map(Holding::name).toList());
        if (!missing.isEmpty()) {
            throw Trouble.refused("the unfinished rotation in " + where
                    + " is about other stores too: run it again with " + String.join(" ", missing.stream()
                    .map(name -> "--to " + Text.word(name)).toList()), "");
        }
        holdings.forEach(progress.get()::restore);
        if (!looking) {
            progress.get().awaitChild(tool.timeout());
            tool.watch(progress.get()::child);
        }
    }

    /** Journals and keeps its state in this incident from now on. */
    public void recordIn(Incident where) {
        steps.incident = Optional.of(where);
        // At once: another run looks for an open incident, and that is one with a journal.
        steps.journal(Event.NOTE, "key rotation begun", data());
    }

    /** When the rotation began that this goes on with; empty when it goes on with none. */
    public Optional<String> resumed() {
        return begunAt;
    }

    /** Whether step 2 has begun, which a run that goes on after a kill may fail where the run before did not. */
    public boolean tested() {
        return tested;
    }

    // ---- step 1

    /**
     * Step 1: tools, access, what every store holds, how the application does, whose the old key is. Looks at
     * everything before it complains.
     *
     * @param person whether somebody can be asked whose account the new key's is
     */
    public void preflight(boolean person) throws Trouble {
        List<Trouble> troubles = new ArrayList<>();
        holdings.forEach(holding -> steps.attempt("preflight", holding.name(), holding.store.reading(), holding::look)
                .ifPresent(troubles::add));
        wishes.targets.forEach(target -> steps.attempt("preflight", target.name(), "", () -> {
            target.reach(tool);
            return Done.ok("there, and may be restarted");
        }).ifPresent(troubles::add));
        steps.attempt("preflight", "app", "", () -> app.begin(progress)).ifPresent(troubles::add);
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        steps.run("preflight", "old key", "", () -> settleOld(person));
    }

    // The value that most likely is the old key, and the ways back that it opens for stores that do not tell.
    private Done settleOld(boolean person) throws Trouble {
        List<Key> known = Stream.concat(holdings.stream().flatMap(holding -> holding.old.stream()).filter(Key::known),
                wishes.settings.key().map(Key::cleaned).stream()).toList();
        String recorded = progress.map(one -> one.fingerprint("oldKey")).orElse("");
        old = known.stream().filter(key -> recorded.isEmpty() || key.fingerprint().equals(recorded)).findFirst();
        for (Holding holding : holdings) {
            holding.settle(known, old);
        }
        oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        String words = old.map(key -> key.describe() + (dead() ? "; it is dead: " + oldStanding.words() : ""))
                .orElse("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        boolean told = wanted().isPresent() || old.flatMap(Key::site).isPresent();
        if (!told && !person) {
            throw Trouble.refused(words + "; nothing tells which account it belongs to", Keys.UNKNOWN_ACCOUNT);
        } else if (!told) {
            return Done.warn(words + "; nothing tells its account: once there is a new key, you will be asked whether"
                    + " its account is yours");
        }
        return old.isPresent() ? Done.ok(words) : Done.warn(words);
    }

    private boolean dead() {
        return oldStanding.state() == Keys.State.INVALID;
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive.
    private Optional<String> wanted() {
        return wishes.account.or(() -> progress.map(one -> one.noted("account")).filter(id -> !id.isEmpty()))
                .or(() -> oldStanding.valid() ? oldStanding.id() : Optional.empty())
                .or(() -> old.flatMap(wishes.lastGood));
    }

    // ---- step 2

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return progress.flatMap(one -> holdings.stream().map(holding -> holding.now)
                .filter(now -> now.holds(one.fingerprint("newKey"))).flatMap(now -> now.key().stream()).findFirst());
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
        tested = true;
        fresh = Optional.of(candidate);
        tool.conceal(candidate);
        Optional<Key> own = wishes.settings.key().map(Key::cleaned);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (begunAt.isEmpty() && old.equals(fresh)) {
            old = own.filter(key -> !key.equals(candidate)).or(() -> old);
            oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        }
        // A run that goes on knows by its record which one was old; the responder may have the new one at hand by now.
        steps.run("test", "form", "", () -> keys.form(candidate, begunAt.isPresent() ? old : own));
        steps.run("test", "authenticates", "", () -> {
            Standing standing = keys.authenticates(candidate);
            account = standing.account();
            return Done.ok(standing.words());
        });
        steps.run("test", "account", "", () -> {
            Done done = keys.account(account, wanted().or(() -> inside(candidate, old)), confirm);
            refuseForeignStores(candidate);
            return done;
        });
        steps.run("test", "scopes", "", () -> keys.scopes(candidate, old, old.filter(key -> oldStanding.valid()),
                wishes.needs));
    }

    // The site id inside a dead key tells too, if the new key's own shows that such ids can be trusted.
    private Optional<String> inside(Key candidate, Optional<Key> key) {
        return candidate.site().equals(account.map(Account::id)) ? key.flatMap(Key::site) : Optional.empty();
    }

    private void refuseForeignStores(Key candidate) throws Trouble {
        for (Holding holding : holdings) {
            Optional<Key> other = holding.old.filter(key -> !key.equals(candidate) && !old.equals(Optional.of(key)));
            Optional<String> theirs = other.flatMap(key -> keys.standing(key).id().or(() -> inside(candidate, other)));
            if (theirs.isPresent() && !theirs.equals(account.map(Account::id))) {
                throw Trouble.refused(holding.name() + " holds a key of another account, " + theirs.get(),
                        "leave it out of --to");
            }
        }
    }

    // ---- steps 3 to 7

    /** Everything that {@link #change} would do, for people to say yes to: the same steps with the doing left out. */
    public List<Step> plan() {
        return steps.plan(() -> {
            change();
            return Done.ok("");
        });
    }

    /** Steps 3 to 7: stores, reads back, restarts, verifies, sees to the old key, and looks at every store again. */
    public void change() throws Trouble {
        if (!steps.planning) {
            progress = progress.or(() -> Optional.of(Progress.begin(steps.incident.orElseThrow(), app.before())));
            progress.get().keys(old, fresh.orElseThrow(), account.map(Account::id).orElse(""));
            save();
            tool.watch(progress.get()::child);
        }
        for (Holding holding : holdings) {
            steps.act("store", holding.name(), holding.store.writing(), holding.plan(), holding::write);
        }
        for (Holding holding : holdings) {
            steps.act("read-back", holding.name(), holding.store.reading(), holding.store.readable()
                    ? "has to be the new key" : "not compared: " + holding.store.note(), holding::readBack);
        }
        restart();
        steps.act("verify", "app", "", app.plan(), () -> app.well(newPrint()));
        if (app.counts()) {
            steps.act("verify", "errors", "", "must not rise", app::steady);
        }
        steps.act("verify", "new key", "", "has to authenticate still", this::authenticates);
        lookAgain("verify");
        retireOld();
    }

    private void restart() throws Trouble {
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: the application has to read the key anew by itself";
            steps.act("restart", "app", "", none, () -> Done.warn(none));
        } else if (!steps.planning) {
            progress.orElseThrow().beginRestarting();
            save();
        }
        for (Target target : wishes.targets) {
            steps.act("restart", target.name(), target.restarting(wishes.restart), "", () -> restart(target));
        }
    }

    private Done restart(Target target) throws Trouble {
        listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
        Optional<String> before = target.mark(tool);
        target.restart(tool, wishes.restart);
        Optional<String> after = target.mark(tool);
        if (before.isPresent() && before.equals(after)) {
            throw Trouble.unknown("the tool says that it restarted, but nothing did (still " + after.get() + ")");
        }
        return Done.ok("restarted" + after.map(mark -> ", now " + mark).orElse(""));
    }

    private Done authenticates() throws Trouble {
        long end = System.nanoTime() + wishes.verify.toNanos();
        Standing standing;
        do {
            standing = keys.standing(fresh.orElseThrow());
        } while (standing.state() == Keys.State.UNKNOWN && AppWatch.pause(AppWatch.INTERVAL)
                && end > System.nanoTime());
        if (!standing.valid()) {
            throw Trouble.unknown("it does not authenticate any more: " + standing.words());
        }
        return Done.ok("still authenticates: " + standing.words());
    }

    private void lookAgain(String step) throws Trouble {
        for (Holding holding : holdings) {
            if (holding.store.readable()) {
                steps.run(step, holding.name(), holding.store.reading(), holding::lookAgain);
            }
        }
    }

    // ---- step 7

    private void retireOld() throws Trouble {
        Optional<Key> other = old.filter(key -> !fresh.equals(Optional.of(key)));
        boolean wanted = wishes.disableOld && other.isPresent() && !dead();
        Optional<Keys.Listed> listed = other.filter(key -> wanted && !steps.planning)
                .flatMap(key -> keys.listed(fresh.orElseThrow(), key));
        if (listed.isEmpty()) {
            String plan = !wishes.disableOld ? "stays enabled: delete it by hand afterwards"
                    : "disabled by Klaviyo's API " + Durations.words(wishes.grace)
                    + " after the application is well; enabled again if anything still uses it";
            steps.act("disable-old", other.map(key -> "sha256 " + key.fingerprint()).orElse("old key"), "", plan,
                    () -> left(other.isPresent(), wanted));
            return;
        }
        listener.waiting("the old key stays enabled for another " + Durations.words(wishes.grace));
        AppWatch.pause(wishes.grace);
        lookAgain("disable-old");
        String id = listed.get().id();
        Done done = steps.run("disable-old", "old key", "PATCH /api/api-keys/" + id + " status=disabled",
                () -> disable(id, other.get()));
        if (done.outcome() == Outcome.OK) {
            steps.run("disable-old", "app", "", () -> app.well(newPrint()));
            lookAgain("disable-old");
        }
    }

    private Done left(boolean known, boolean wanted) {
        if (wanted) {
            return Done.warn("not disabled: the new key may not list keys (credentials:read), or several end alike. "
                    + byHand(Instant.now()));
        } else if (known && !dead()) {
            return Done.skipped(byHand(Instant.now().plus(wishes.grace)));
        }
        return Done.skipped((dead() ? "dead already (" + oldStanding.words() + ")"
                : "which key was the old one is not known") + ": delete it" + BY_HAND);
    }

    private String byHand(Instant when) {
        return "Delete the old key" + old.map(key -> " (sha256 " + key.fingerprint() + ")").orElse("") + BY_HAND
                + ", not before " + when.truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    private Done disable(String id, Key key) throws Trouble {
        disabled(id);
        try {
            keys.enabled(fresh.orElseThrow(), id, false);
        } catch (Trouble e) {
            if (e.kind == Trouble.Kind.REFUSED) {
                disabled(null);
            }
            return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Instant.now()));
        }
        return Done.ok(keys.dies(key) ? "disabled, and Klaviyo refuses it"
                : "disabled, though Klaviyo still accepted it a minute later");
    }

    private void disabled(String id) throws Trouble {
        progress.orElseThrow().disabled(id);
        save();
    }

    // ---- the way back

    /**
     * Puts the old value back into every store that this rotation changed, last one first, restarts, and verifies.
     * Where a store holds what somebody else set, or the old key stays disabled, nothing is put back.
     *
     * @param given the new key, where this run was given it, to enable the old one again
     * @return what a person has to do by hand; empty when all is as it was
     */
    public List<HandStep> rollBack(Optional<Key> given) {
        List<HandStep> byHand = new ArrayList<>();
        List<Holding> touched = new ArrayList<>(holdings.stream().filter(Holding::touched).toList());
        Collections.reverse(touched);
        for (Holding holding : touched) {
            if (holding.strange()) {
                back(byHand, holding.name(), holding.store.reading(), holding::refuseStranger, () -> new HandStep(
                        "find out who set " + holding.name() + " (" + holding.now + ", ours was sha256 " + newPrint()
                        + "): nothing was put back anywhere", ""));
            }
        }
        Optional<String> disabled = progress.flatMap(Progress::disabled);
        if (byHand.isEmpty() && disabled.isPresent()) {
            // To bring a dead key back would leave the application with none.
            back(byHand, "old key", "PATCH /api/api-keys/" + disabled.get() + " status=active",
                    () -> enable(disabled.get(), given), () -> new HandStep("something still uses the old key, which is"
                            + " disabled and could not be enabled again: do that" + BY_HAND
                            + ". The stores keep the new key meanwhile", ""));
        }
        if (byHand.isEmpty()) {
            putBack(touched, byHand);
        }
        return byHand;
    }

    private void putBack(List<Holding> touched, List<HandStep> byHand) {
        touched.forEach(holding -> back(byHand, holding.name(), holding.store.writing(), holding::putBack,
                holding::byHand));
        boolean restarted = progress.filter(Progress::restarting).isPresent();
        List<Target> proven = new ArrayList<>();
        for (Target target : restarted ? wishes.targets : List.<Target>of()) {
            String command = target.restarting(wishes.restart);
            back(byHand, target.name(), command, () -> {
                Done done = restart(target);
                target.mark(tool).ifPresent(mark -> proven.add(target));
                return done;
            }, () -> new HandStep("restart " + target.name(), command));
        }
        if (restarted || !touched.isEmpty()) {
            List<String> right = Stream.concat(old.map(Key::fingerprint).stream(),
                    progress.map(one -> one.fingerprint("oldKey")).stream()).toList();
            back(byHand, "app", "", () -> app.asBefore(right, !restarted || proven.size() == wishes.targets.size()),
                    () -> new HandStep("look at the application: nothing shows that it is well with the old key"
                            + old.map(key -> ", sha256 " + key.fingerprint()).orElse(""), ""));
        }
    }

    // Whatever goes wrong, the rest still has to be brought back.
    private void back(List<HandStep> byHand, String place, String command, Steps.Action action,
            Supplier<HandStep> otherwise) {
        Optional<Trouble> trouble = steps.attempt("roll-back", place, command, () -> {
            try {
                return action.run();
            } catch (RuntimeException e) {
                throw Trouble.unknown(Text.safe(String.valueOf(e.getMessage()), 300));
            }
        });
        if (trouble.isPresent()) {
            byHand.add(otherwise.get());
        }
    }

    private Done enable(String id, Optional<Key> given) throws Trouble {
        Key with = fresh.or(this::rediscovered).or(() -> given).orElseThrow(() -> Trouble.refused(
                "the old key was disabled, and there is no new key at hand to enable it with", ""));
        keys.enabled(with, id, true);
        disabled(null);
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    // ---- the end

    /** Whether a failure left every store as it was, so that this is a refusal and no roll-back. */
    public boolean untouched() {
        return progress.filter(Progress::restarting).isEmpty() && holdings.stream().noneMatch(Holding::touched);
    }

    private static final Map<String, String> ENDS = Map.of("rotated", "the application runs with a new key",
            "rolled-back", "key rotation failed and was rolled back",
            "stuck", "key rotation failed and could not be rolled back everywhere");

    /**
     * Notes how it ended: {@code rotated}, {@code refused}, {@code rolled-back} or {@code stuck}. The next run goes on
     * with what is stuck, or was refused after an earlier run had changed something.
     */
    public void end(String outcome) {
        tool.watch(child -> { });
        if (outcome.equals("refused") && !untouched()) {
            return;
        }
        try {
            if (progress.isPresent()) {
                progress.get().end(outcome);
            }
        } catch (IOException e) {
            listener.waiting("the state of the rotation cannot be kept: " + Incident.why(e));
        }
        boolean rotated = outcome.equals("rotated");
        if (rotated) {
            steps.journal(Event.ROTATED, "key rotated: " + old.map(key -> "sha256 " + key.fingerprint() + " -> ")
                    .orElse("") + "sha256 " + newPrint(), data());
        }
        if (ENDS.containsKey(outcome)) {
            steps.journal(rotated ? Event.MITIGATED : Event.NOTE, ENDS.get(outcome), data());
        }
    }

    private Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("account", account.map(Account::id).orElse(""));
        data.put("oldKey", Progress.key(old));
        data.put("newKey", Progress.key(fresh));
        data.put("stores", holdings.stream().map(Holding::name).toList());
        return data;
    }

    /** Keys, account and steps, those that were planned among them, as {@code rotate-key --json} shows them. */
    public JsonNode json(String outcome) {
        ObjectNode root = Json.object().put("schema", 1).put("outcome", outcome)
                .put("account", account.map(Account::id).orElse(null));
        root.set("oldKey", Progress.key(old));
        root.set("newKey", Progress.key(fresh));
        root.set("steps", steps.json(outcome.equals("planned")));
        return root.put("incident", steps.incident.map(one -> one.folder().toString()).orElse(null));
    }
}
