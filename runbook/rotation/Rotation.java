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
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import runbook.ApiChecks.Auth.Account;
import runbook.Checks.Deadline;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key;
import runbook.OurSide.AppHealth;
import runbook.Settings;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool;
import runbook.rotation.NewKey.Standing;
import runbook.rotation.Progress.Holding;
import runbook.rotation.Stores.Held;
import runbook.rotation.Stores.Store;
import runbook.rotation.Stores.Target;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls
 * {@link #preflight}, {@link #test} and {@link #change}, and {@link #rollBack} when the last one throws; before it
 * nothing has
 * changed. Old values stay in memory only: after a kill they come from the store's own history, from another store or
 * from
 * the responder's key, and where none has it, the way is forward. A store is written only while it holds what this
 * rotation
 * last saw there.
 */
public final class Rotation implements AutoCloseable {
    private static final int TRIES = 3;
    // How fast a disabled key stops is not documented: it is asked until it does, within accounts' 15 requests a
    // minute.
    private static final Duration DYING = Duration.ofSeconds(60);
    private static final Duration BETWEEN = Duration.ofSeconds(4);

    /**
     * What a rotation is asked to do.
     *
     * @param settings   where Klaviyo and our application are, and the responder's key, which counts as the old one
     *                   where a
     *                   store cannot be read
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

    /** How an action ends; planned is one that a dry run only shows. */
    public enum Outcome { OK, WARN, FAILED, SKIPPED, PLANNED }

    /**
     * One action, for people and machines alike; nothing secret in it.
     *
     * @param name    {@code preflight}, {@code test}, {@code store}, {@code read-back}, {@code restart}, {@code
     *                verify},
     *                {@code disable-old} or {@code roll-back}
     * @param place   what it was about: a store, a restart target, {@code app}, {@code new key}, …
     * @param millis  how long it took
     * @param command as it was run; empty where no command was
     * @param detail  what it found, in one line
     * @param mend    after a failure, the commands that mend it, one a line; may be empty
     */
    public record Step(String name, String place, Outcome outcome, long millis, String command, String detail,
            String mend) {
        /** The step as in {@code rotate-key --json}. */
        public JsonNode json() {
            return Json.object().put("name", name).put("outcome", outcome.name().toLowerCase(Locale.ROOT))
                    .put("millis", millis).put("command", command).put("detail", line());
        }

        private String line() {
            return place + ": " + detail + (mend.isEmpty() ? "" : " To mend: " + mend.replace("\n", " or "));
        }
    }

    /**
     * Something that a person has to do because this toolkit could not: what, and a command to paste, which may be
     * empty.
     */
    public record HandStep(String text, String command) { }

    /** Is told how a rotation goes on, as it does. */
    public interface Listener {
        /** An action of this step (as in {@link Step#name}) begins. */
        void began(String step);

        /** An action has ended. */
        void ended(Step step);

        /** Something takes long, or is worth a line; safe to print. */
        void waiting(String words);
    }

    /** Why something cannot be done: one line that is safe to print, and the commands that mend it, one a line. */
    public static final class Trouble extends Exception {
        /**
         * The tool is not there; it was refused, so that nothing changed if the store says the same; or nobody knows.
         */
        enum Kind { MISSING, REFUSED, UNKNOWN }

        private final Kind kind;
        private final String mend;

        Trouble(Kind kind, String what, String mend) {
            super(what, null, false, false);
            this.kind = kind;
            this.mend = mend;
        }
    }

    /** How an action ended when it did not fail. */
    record Done(Outcome outcome, String detail) {
        static Done ok(String detail) {
            return new Done(Outcome.OK, detail);
        }

        static Done warn(String detail) {
            return new Done(Outcome.WARN, detail);
        }

        static Done skipped(String detail) {
            return new Done(Outcome.SKIPPED, detail);
        }
    }

    private interface Action {
        Done run() throws Trouble;
    }

    private final Wishes wishes;
    private final Tool tool;
    private final Listener listener;
    private final NewKey keys;
    private final AppWatch app;
    private final List<Holding> holdings;
    private final List<Step> steps = new ArrayList<>();
    private final List<Step> planned = new ArrayList<>();
    private boolean planning;
    private Optional<Incident> incident = Optional.empty();
    private Optional<Progress> progress = Optional.empty();
    private boolean resumed;
    private boolean tested;
    private AppWatch.State baseline;
    private Optional<Key> old = Optional.empty();
    private Standing oldStanding = Standing.UNASKED;
    private Optional<Key> fresh = Optional.empty();
    private Optional<Account> account = Optional.empty();

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Tool tool, Listener listener) {
        this.wishes = wishes;
        this.tool = tool;
        this.listener = listener;
        this.keys = new NewKey(wishes.settings);
        this.app = new AppWatch(wishes.settings, wishes.verify, listener::waiting);
        this.holdings = wishes.stores.stream().map(Holding::new).toList();
        wishes.settings.key().ifPresent(tool::conceal);
    }

    // ---- what is noted

    private Done run(String step, String place, String command, Action action) throws Trouble {
        long start = System.nanoTime();
        listener.began(step);
        try {
            Done done = action.run();
            note(step, place, done.outcome, start, command, done.detail, "");
            return done;
        } catch (Trouble e) {
            note(step, place, Outcome.FAILED, start, command, e.getMessage(), e.mend);
            throw e;
        }
    }

    /** The same for what a dry run only shows. */
    private void act(String step, String place, String command, String plan, Action action) throws Trouble {
        if (planning) {
            planned.add(new Step(step, Text.safe(place, 120), Outcome.PLANNED, 0, command, plan, ""));
        } else {
            run(step, place, command, action);
        }
    }

    private void note(String name, String place, Outcome outcome, long start, String command, String detail,
            String mend) {
        Step step = new Step(name, Text.safe(place, 120), outcome,
                TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start),
                tool.concealed(command), Text.safe(tool.concealed(detail), 500), tool.concealed(mend));
        steps.add(step);
        listener.ended(step);
        journal(Event.ROTATION_STEP, name + " " + step.line(), Map.of("name", name, "place", step.place,
                "outcome", outcome.name().toLowerCase(Locale.ROOT), "millis", step.millis, "command", step.command,
                        "detail", step.detail));
    }

    // A journal that cannot be written costs its entry, never the rotation.
    private void journal(String event, String summary, Map<String, ?> data) {
        Map<String, Object> all = new TreeMap<>(data);
        wishes.settings.drill().ifPresent(scenario -> all.put("drill", scenario));
        try {
            if (incident.isPresent()) {
                incident.get().append(Event.now("rotate-key", event, Text.safe(summary, 300), all));
            }
        } catch (IOException e) {
            listener.waiting("the journal could not be written: " + Incident.why(e));
        }
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
        if (progress.isEmpty()) {
            return;
        }
        List<String> missing = new ArrayList<>(progress.get().touched());
        missing.removeAll(holdings.stream().map(Holding::name).toList());
        if (!missing.isEmpty()) {
            throw new Trouble(Trouble.Kind.REFUSED, "the unfinished rotation in " + where
                    + " is about other stores too: run it again with "
                    + String.join(" ", missing.stream().map(name -> "--to " + Text.word(name)).toList()), "");
        }
        resumed = true;
        holdings.forEach(progress.get()::restore);
        if (!looking) {
            progress.get().awaitChild(tool.timeout());
            tool.watch(progress.get()::child);
        }
    }

    /** Journals and keeps its state in this incident from now on. */
    public void recordIn(Incident where) {
        incident = Optional.of(where);
        // At once: another run looks for an open incident, and that is one with a journal.
        journal(Event.NOTE, "key rotation begun", data());
    }

    /** Whether this goes on with an earlier run's rotation. */
    public boolean resumed() {
        return resumed;
    }

    /** Whether step 2 has begun, which a run that goes on after a kill may fail where the run before did not. */
    public boolean tested() {
        return tested;
    }

    /** When the rotation that this goes on with began. */
    public String begunAt() {
        return progress.map(one -> one.noted("startedAt")).orElse("");
    }

    // ---- step 1

    /**
     * Step 1: tools, access, what every store holds, how the application does, whose the old key is. Looks at
     * everything
     * before it complains.
     *
     * @param person whether somebody can be asked whose account the new key's is
     */
    public void preflight(boolean person) throws Trouble {
        List<Trouble> troubles = new ArrayList<>();
        holdings.forEach(holding -> collect(troubles, holding.name(), holding.store.reading(), () -> look(holding)));
        wishes.targets.forEach(target -> collect(troubles, target.name(), "", () -> {
            target.reach(tool);
            return Done.ok("there, and may be restarted");
        }));
        collect(troubles, "app", "", this::lookAtApp);
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        run("preflight", "old key", "", () -> settleOld(person));
    }

    private void collect(List<Trouble> troubles, String place, String command, Action action) {
        try {
            run("preflight", place, command, action);
        } catch (Trouble e) {
            troubles.add(e);
        }
    }

    private Done look(Holding holding) throws Trouble {
        holding.now = holding.store.inspect(tool);
        holding.now.key().ifPresent(tool::conceal);
        if (!holding.touched()) {
            holding.before = holding.now.key().map(Key::fingerprint).orElse("");
            holding.version = holding.now.version();
        }
        if (!holding.store.readable()) {
            return Done.warn("there; " + holding.store.note() + (holding.touched() ? "; the run before left it "
                    + holding.state.name().toLowerCase(Locale.ROOT) : ""));
        }
        refuseStranger(holding);
        Key held = holding.now.key().orElseThrow();
        if (holding.holdsOld()) {
            holding.old = Optional.of(held);
        }
        String holds = "holds " + (holding.touched() ? holding.holdsOld() ? "the old key, " : "the new key, " : "")
                + held.describe() + holding.now.versionWords();
        return held.known() ? Done.ok(holds)
                : Done.warn(holds + ", which is no private key" + held.faults().stream().map(fault -> ": " + fault)
                        .findFirst().orElse(""));
    }

    private Done lookAtApp() {
        AppWatch.State now = app.look();
        // What an interrupted run did to it must not count as how it was.
        baseline = progress.map(one -> new AppWatch.State(AppHealth.State.valueOf(one.noted("app")), now.words(),
                Optional.of(one.noted("appKey")).filter(key -> !key.isEmpty()), now.errors())).orElse(now);
        return !now.asked() ? Done.warn("nobody looks at it: give --app-url to have its health verified")
                : now.healthy() ? Done.ok(now.words()) : Done.warn("not healthy now: " + now.words());
    }

    // The value that most likely is the old key, and the ways back that it opens for stores that do not tell.
    private Done settleOld(boolean person) throws Trouble {
        List<Key> known = Stream.concat(holdings.stream().flatMap(holding -> holding.old.stream()).filter(Key::known),
                wishes.settings.key().map(Key::cleaned).stream()).toList();
        String recorded = progress.map(one -> one.fingerprint("oldKey")).orElse("");
        old = known.stream().filter(key -> recorded.isEmpty() || key.fingerprint().equals(recorded)).findFirst();
        for (Holding holding : holdings) {
            if (holding.old.isEmpty()) {
                holding.old = holding.before.isEmpty() ? old
                        : known.stream().filter(key -> key.fingerprint().equals(holding.before)).findFirst();
            }
            if (!holding.store.readable() && holding.old.isEmpty() && !resumed) {
                throw new Trouble(Trouble.Kind.REFUSED, holding.name()
                        + " cannot be read, so there would be no way back",
                        "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
            }
        }
        oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        String words = old.map(key -> key.describe() + (oldStanding.state() == NewKey.State.INVALID
                ? "; it is dead: " + oldStanding.words() : ""))
                        .orElse("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it");
        if (account().isEmpty() && old.flatMap(Key::site).isEmpty()) {
            if (!person) {
                throw new Trouble(Trouble.Kind.REFUSED, words + "; nothing tells which account it belongs to",
                        NewKey.UNKNOWN_ACCOUNT);
            }
            return Done.warn(words + "; nothing tells its account: once there is a new key, you will be asked"
                    + " whether its account is yours");
        }
        return old.isPresent() ? Done.ok(words) : Done.warn(words);
    }

    // What Klaviyo says of the old key counts, then what was noted when it was still alive.
    private Optional<String> account() {
        return wishes.account.or(() -> progress.map(one -> one.noted("account")).filter(id -> !id.isEmpty()))
                .or(() -> oldStanding.valid() ? oldStanding.account().map(Account::id) : Optional.empty())
                .or(() -> old.flatMap(wishes.lastGood));
    }

    // ---- step 2

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return progress.flatMap(one -> holdings.stream().filter(holding -> holding.now.holds(one.fingerprint("newKey")))
                .flatMap(holding -> holding.now.key().stream()).findFirst());
    }

    /** The scopes of the old key, where it may still tell them. */
    public Optional<String> oldScopes() {
        return old.flatMap(key -> keys.listed(key, key)).map(key -> String.join(", ", key.scopes()));
    }

    /**
     * Step 2: the new key's form, whether it authenticates, whose it is, what it may do; {@code confirm} asks whose
     * an account is.
     */
    public void test(Key candidate, Predicate<Account> confirm) throws Trouble {
        tested = true;
        fresh = Optional.of(candidate);
        tool.conceal(candidate);
        Optional<Key> own = wishes.settings.key().map(Key::cleaned);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (!resumed && old.equals(fresh)) {
            old = own.filter(key -> !key.equals(candidate)).or(() -> old);
            oldStanding = old.map(keys::standing).orElse(Standing.UNASKED);
        }
        // A run that goes on knows by its record which one was old; the responder may have the new one at hand by now.
        run("test", "form", "", () -> keys.form(candidate, resumed ? old : own));
        run("test", "authenticates", "", () -> {
            Standing standing = keys.authenticates(candidate);
            account = standing.account();
            return Done.ok(standing.words());
        });
        run("test", "account", "", () -> {
            // The site id inside a dead key tells too, if the new key's own shows that such ids can be trusted.
            Optional<String> inside = candidate.site().equals(account.map(Account::id)) ? old.flatMap(Key::site)
                    : Optional.empty();
            Done done = keys.account(account, account().or(() -> inside), confirm);
            refuseForeignStores(candidate);
            return done;
        });
        Optional<Key> alive = old.filter(key -> oldStanding.valid());
        run("test", "scopes", "", () -> keys.scopes(candidate, old, alive, wishes.needs));
    }

    private void refuseForeignStores(Key candidate) throws Trouble {
        for (Holding holding : holdings) {
            if (holding.old.isPresent() && !holding.old.equals(old) && !holding.old.get().equals(candidate)) {
                Standing standing = keys.standing(holding.old.get());
                Optional<String> theirs = standing.account().map(Account::id)
                        .or(() -> candidate.site().equals(account.map(Account::id))
                        ? holding.old.flatMap(Key::site) : Optional.empty());
                if (theirs.isPresent() && !theirs.equals(account.map(Account::id))) {
                    throw new Trouble(Trouble.Kind.REFUSED, holding.name() + " holds a key of another account, "
                            + theirs.get(),
                            "leave it out of --to");
                }
            }
        }
    }

    // ---- steps 3 to 7

    /** Everything that {@link #change} would do, for people to say yes to: the same steps with the doing left out. */
    public List<Step> plan() {
        planning = true;
        planned.clear();
        try {
            change();
        } catch (Trouble e) {
            throw new IllegalStateException("a plan does nothing that could fail", e);
        } finally {
            planning = false;
        }
        return List.copyOf(planned);
    }

    /**
     * Steps 3 to 7: stores, reads back, restarts, verifies, sees to the old key, and looks at every store once more.
     */
    public void change() throws Trouble {
        begin();
        for (Holding holding : holdings) {
            act("store", holding.name(), holding.store.writing(), storing(holding), () -> store(holding));
        }
        for (Holding holding : holdings) {
            act("read-back", holding.name(), holding.store.reading(), holding.store.readable() ? "has to be the new key"
                    : "not compared: " + holding.store.note(), () -> readBack(holding));
        }
        restart();
        String healthy = wishes.settings.target().app() == null
                ? "no --app-url: nobody looks at the application's health"
                : "healthy within " + Durations.words(wishes.verify) + " by " + wishes.settings.target().app();
        act("verify", "app", "", healthy, () -> app.well(newPrint()));
        if (app.counts()) {
            act("verify", "errors", "", "must not rise", () -> app.steady(baseline));
        }
        act("verify", "new key", "", "has to authenticate still", this::authenticates);
        if (!planning) {
            lookAgain("verify");
        }
        retireOld();
    }

    private void begin() throws Trouble {
        if (!planning) {
            Progress kept = progress.orElseGet(() -> Progress.begin(incident.orElseThrow(), baseline));
            progress = Optional.of(kept);
            kept.keys(old, fresh.orElseThrow(), account.map(Account::id).orElse(""));
            kept.save(holdings);
            tool.watch(kept::child);
        }
    }

    private String newPrint() {
        return fresh.map(Key::fingerprint).or(() -> progress.map(one -> one.fingerprint("newKey"))).orElse("");
    }

    private String storing(Holding holding) {
        if (fresh.isPresent() && holding.now.holds(newPrint())) {
            return "holds the new key already: nothing to do";
        }
        String memory = holding.old.map(key -> "sha256 " + key.fingerprint() + ", kept in memory").orElse("");
        String undo = holding.version.isEmpty() ? "" : holding.store.undo(holding.version);
        String back = !undo.isEmpty() ? (memory.isEmpty() ? "" : memory + "; ") + "after a crash from its version "
                + holding.version : memory.isEmpty() ? "none: its old value is nowhere to be had, so only forward"
                : memory + "; after a crash from another store or KLAVIYO_PRIVATE_KEY, else only forward";
        return "the key travels " + holding.store.route() + "; way back: " + back
                + (holding.store.note().isEmpty() ? "" : "; " + holding.store.note());
    }

    /** Whether what it holds is what this rotation last left or saw there. */
    private boolean ours(Holding holding) {
        if (holding.holdsOld()) {
            return true;
        } else if (!holding.store.readable()) {
            return holding.touched() ? holding.wrote.isEmpty() || holding.now.version().equals(holding.wrote)
                    : holding.version.isEmpty();
        }
        return holding.touched() && (holding.now.holds(holding.wrote) || holding.now.holds(newPrint())
                || mangled(holding));
    }

    /**
     * Whether it holds the new key with something around it (a line end, quotes), or nothing: what a tool makes of
     * half a write.
     */
    private boolean mangled(Holding holding) {
        return holding.now.key().filter(held -> held.reveal().isEmpty()
                || fresh.isPresent() && held.reveal().contains(fresh.get().reveal())).isPresent();
    }

    private void refuseStranger(Holding holding) throws Trouble {
        if (!ours(holding)) {
            throw stranger(holding);
        }
    }

    private Trouble stranger(Holding holding) {
        boolean readable = holding.store.readable();
        String last = holding.touched() ? "left " + (readable ? "sha256 " + newPrint() : "version " + holding.wrote)
                + " there (before: " + (readable ? "sha256 " + holding.before : "version " + holding.version) + ")"
                : "saw " + (readable ? "sha256 " + holding.before : "version " + holding.version) + " there";
        return new Trouble(Trouble.Kind.REFUSED, "holds " + holding.now + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays", !resumed ? "" : incident.map(where ->
                "rm " + Text.word(where.folder().resolve(Progress.FILE).toString())
                        + "   # once you know which key is right, then begin anew").orElse(""));
    }

    private Held read(Holding holding) throws Trouble {
        holding.now = holding.store.read(tool);
        holding.now.key().ifPresent(tool::conceal);
        return holding.now;
    }

    private Done store(Holding holding) throws Trouble {
        if (read(holding).holds(newPrint())) {
            return Done.skipped("holds the new key already");
        }
        refuseStranger(holding);
        boolean first = !holding.touched();
        enter(holding, Progress.State.WRITING, newPrint());
        try {
            holding.store.write(tool, fresh.orElseThrow());
        } catch (Trouble e) {
            boolean seen = seen(holding);
            if (seen && holding.now.holds(newPrint())) {
                enter(holding, Progress.State.WRITTEN, newPrint());
                return Done.warn("holds the new key, although the tool complained: " + e.getMessage());
            } else if (first && (e.kind == Trouble.Kind.MISSING || e.kind == Trouble.Kind.REFUSED && seen
                    && holding.holdsOld())) {
                enter(holding, Progress.State.UNTOUCHED, "");
            }
            throw e;
        }
        boolean versioned = !holding.store.readable() && seen(holding);
        enter(holding, Progress.State.WRITTEN, versioned ? holding.now.version() : holding.store.readable()
                ? newPrint() : "");
        return Done.ok("stored");
    }

    private boolean seen(Holding holding) {
        try {
            read(holding);
            return true;
        } catch (Trouble e) {
            return false;
        }
    }

    private void enter(Holding holding, Progress.State state, String wrote) throws Trouble {
        Progress.State before = holding.state;
        holding.state = state;
        holding.wrote = holding.store.readable() || state != Progress.State.WRITING ? wrote : "";
        try {
            progress.orElseThrow().save(holdings);
        } catch (Trouble e) {
            holding.state = state == Progress.State.WRITING ? before : state;
            throw e;
        }
    }

    private Done readBack(Holding holding) throws Trouble {
        if (!holding.store.readable()) {
            return Done.skipped("not compared: " + holding.store.note());
        }
        for (int left = TRIES; !read(holding).holds(newPrint()) && left > 1; left--) {
            AppWatch.pause(AppWatch.INTERVAL);
        }
        if (holding.now.holds(newPrint())) {
            return Done.ok("holds the new key, sha256 " + newPrint() + holding.now.versionWords());
        }
        refuseStranger(holding);
        if (mangled(holding)) {
            enter(holding, Progress.State.WRITTEN, holding.now.key().orElseThrow().fingerprint());
        }
        throw new Trouble(Trouble.Kind.UNKNOWN, "gives back " + holding.now + " instead of sha256 " + newPrint(), "");
    }

    private void restart() throws Trouble {
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: the application has to read the key anew by itself";
            act("restart", "app", "", none, () -> Done.warn(none));
        } else if (!planning) {
            progress.orElseThrow().beginRestarting();
            progress.orElseThrow().save(holdings);
        }
        for (Target target : wishes.targets) {
            act("restart", target.name(), target.restarting(wishes.restart), "", () -> restart(target));
        }
    }

    private Done restart(Target target) throws Trouble {
        listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
        Optional<String> before = target.mark(tool);
        target.restart(tool, wishes.restart);
        Optional<String> after = target.mark(tool);
        if (before.isPresent() && before.equals(after)) {
            throw new Trouble(Trouble.Kind.UNKNOWN, "the tool says that it restarted, but nothing did (still "
                    + after.get() + ")", "");
        }
        return Done.ok("restarted" + after.map(mark -> ", now " + mark).orElse(""));
    }

    private Done authenticates() throws Trouble {
        Deadline deadline = Deadline.in(wishes.verify);
        Standing standing;
        do {
            standing = keys.standing(fresh.orElseThrow());
            if (standing.valid()) {
                return Done.ok("still authenticates: " + standing.words());
            }
        } while (standing.state() == NewKey.State.UNKNOWN && AppWatch.pause(AppWatch.INTERVAL)
                && deadline.nanos() > System.nanoTime());
        throw new Trouble(Trouble.Kind.UNKNOWN, "it does not authenticate any more: " + standing.words(), "");
    }

    private void lookAgain(String step) throws Trouble {
        for (Holding holding : holdings) {
            if (holding.store.readable()) {
                run(step, holding.name(), holding.store.reading(), () -> {
                    if (!read(holding).holds(newPrint())) {
                        throw stranger(holding);
                    }
                    return Done.ok("still holds the new key");
                });
            }
        }
    }

    // ---- step 7

    private void retireOld() throws Trouble {
        Optional<Key> other = old.filter(key -> !fresh.equals(Optional.of(key)));
        boolean dead = oldStanding.state() == NewKey.State.INVALID;
        String plan = "disabled by Klaviyo's API " + Durations.words(wishes.grace)
                + " after the application is well; enabled again if" + " anything still uses it";
        if (planning || !wishes.disableOld || other.isEmpty() || dead) {
            Done done = dead ? Done.skipped("dead already (" + oldStanding.words()
                    + "): delete it in Klaviyo, Settings > API keys")
                    : other.isEmpty() ? Done.skipped("which key was the old one is not known: delete it in"
                            + " Klaviyo, Settings > API keys")
                    : Done.skipped(byHand(Instant.now().plus(wishes.grace)));
            act("disable-old", other.map(key -> "sha256 " + key.fingerprint()).orElse("old key"), "",
                    wishes.disableOld ? plan : "stays enabled: delete it by hand afterwards", () -> done);
            return;
        }
        Optional<NewKey.Listed> listed = keys.listed(fresh.orElseThrow(), other.get());
        if (listed.isEmpty()) {
            run("disable-old", "old key", "", () -> Done.warn("not disabled: the new key may not list keys"
                    + " (credentials:read), or several" + " end alike. " + byHand(Instant.now())));
            return;
        }
        listener.waiting("the old key stays enabled for another " + Durations.words(wishes.grace));
        AppWatch.pause(wishes.grace);
        lookAgain("disable-old");
        Done done = run("disable-old", "old key", "PATCH /api/api-keys/" + listed.get().id() + " status=disabled",
                () -> disable(listed.get().id(), other.get()));
        if (done.outcome == Outcome.OK) {
            run("disable-old", "app", "", () -> app.well(newPrint()));
            lookAgain("disable-old");
        }
    }

    private String byHand(Instant when) {
        return "Delete the old key" + old.map(key -> " (sha256 " + key.fingerprint() + ")").orElse("")
                + " in Klaviyo, Settings > API keys,"
                + " not before " + when.truncatedTo(ChronoUnit.MINUTES) + " and once nothing uses it any more";
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
        Deadline dying = Deadline.in(DYING);
        while (keys.standing(key).state() != NewKey.State.INVALID) {
            if (dying.nanos() < System.nanoTime() || !AppWatch.pause(BETWEEN)) {
                return Done.ok("disabled, though Klaviyo still accepted it " + Durations.words(DYING) + " later");
            }
        }
        return Done.ok("disabled, and Klaviyo refuses it");
    }

    private void disabled(String id) throws Trouble {
        progress.orElseThrow().disabled(id);
        progress.get().save(holdings);
    }

    // ---- the end

    /** Whether a failure left every store as it was, so that this is a refusal and no roll-back. */
    public boolean untouched() {
        return progress.filter(Progress::restarting).isEmpty() && holdings.stream().noneMatch(Holding::touched);
    }

    /** Notes that nothing was changed: the next run has nothing to go on with. */
    public void refused() {
        if (untouched()) {
            end("refused");
        }
    }

    /** Notes the good end. */
    public void finish() {
        end("rotated");
        journal(Event.ROTATED, "key rotated: " + old.map(key -> "sha256 " + key.fingerprint() + " -> ").orElse("")
                + "sha256 " + newPrint(), data());
        journal(Event.MITIGATED, "the application runs with a new key", data());
    }

    private void end(String outcome) {
        tool.watch(child -> { });
        try {
            if (progress.isPresent()) {
                progress.get().end(outcome);
            }
        } catch (IOException e) {
            listener.waiting("the state of the rotation cannot be kept: " + Incident.why(e));
        }
    }

    // ---- the way back

    /**
     * Puts the old value back into every store that this rotation changed, last one first, restarts, and verifies.
     * Where a store
     * holds what somebody else set, or the old key stays disabled, nothing is put back.
     *
     * @param given the new key, where this run was given it, to enable the old one again
     * @return what a person has to do by hand; empty when all is as it was
     */
    public List<HandStep> rollBack(Optional<Key> given) {
        List<HandStep> byHand = new ArrayList<>();
        List<Holding> touched = new ArrayList<>(holdings.stream().filter(Holding::touched).toList());
        Collections.reverse(touched);
        for (Holding holding : touched) {
            if (seen(holding) && !ours(holding)) {
                attempt(holding.name(), holding.store.reading(), () -> {
                    throw stranger(holding);
                }, byHand, new HandStep("find out who set " + holding.name() + " (" + holding.now
                        + ", ours was sha256 " + newPrint() + "): nothing was put back anywhere", ""));
            }
        }
        if (byHand.isEmpty() && progress.flatMap(Progress::disabled).isPresent()) {
            // To bring a dead key back would leave the application with none.
            attempt("old key", "PATCH /api/api-keys/" + progress.get().disabled().get() + " status=active", () ->
                    enable(given), byHand,
                    new HandStep("something still uses the old key, which is disabled and could not be enabled"
                            + " again: do that in"
                            + " Klaviyo, Settings > API keys. The stores keep the new key meanwhile", ""));
        }
        if (byHand.isEmpty()) {
            putBack(touched, byHand);
        }
        end(byHand.isEmpty() ? "rolled-back" : "stuck");
        journal(Event.NOTE, byHand.isEmpty() ? "key rotation failed and was rolled back"
                : "key rotation failed and could not be rolled back everywhere", data());
        return byHand;
    }

    private void attempt(String place, String command, Action action, List<HandStep> byHand, HandStep otherwise) {
        try {
            run("roll-back", place, command, action);
        } catch (Trouble | RuntimeException e) {
            // Whatever it was, the rest still has to be brought back.
            byHand.add(otherwise);
        }
    }

    private Done enable(Optional<Key> given) throws Trouble {
        Key with = fresh.or(this::rediscovered).or(() -> given).orElseThrow(() ->
                new Trouble(Trouble.Kind.REFUSED, "the old key was disabled, and there is no new key at hand to"
                        + " enable it with", ""));
        keys.enabled(with, progress.orElseThrow().disabled().orElseThrow(), true);
        disabled(null);
        return Done.ok("enabled again: it was disabled by this rotation");
    }

    private void putBack(List<Holding> touched, List<HandStep> byHand) {
        for (Holding holding : touched) {
            String undo = holding.version.isEmpty() ? "" : holding.store.undo(holding.version);
            attempt(holding.name(), holding.store.writing(), () -> restore(holding), byHand, undo.isEmpty()
                    ? new HandStep("put the old key" + (holding.before.isEmpty() ? "" : " (sha256 " + holding.before
                            + ")") + " back into " + holding.name(), holding.store.writing())
                    : new HandStep("put the old value of " + holding.name() + " back from its own history", undo));
        }
        boolean restarted = progress.filter(Progress::restarting).isPresent();
        List<Target> proven = new ArrayList<>();
        for (Target target : restarted ? wishes.targets : List.<Target>of()) {
            attempt(target.name(), target.restarting(wishes.restart), () -> {
                Done done = restart(target);
                if (target.mark(tool).isPresent()) {
                    proven.add(target);
                }
                return done;
            }, byHand, new HandStep("restart " + target.name(), target.restarting(wishes.restart)));
        }
        if (restarted || !touched.isEmpty()) {
            Set<String> right = new TreeSet<>(old.map(key -> Set.of(key.fingerprint())).orElse(Set.of()));
            progress.map(one -> one.fingerprint("oldKey")).ifPresent(right::add);
            baseline.fingerprint().ifPresent(right::add);
            attempt("app", "", () -> app.asBefore(baseline, right, !restarted
                    || proven.size() == wishes.targets.size()), byHand,
                    new HandStep("look at the application: nothing shows that it is well with the old key"
                            + old.map(key -> ", sha256 " + key.fingerprint()).orElse(""), ""));
        }
    }

    private Done restore(Holding holding) throws Trouble {
        if (seen(holding) && holding.holdsOld()) {
            note(holding, Progress.State.RESTORED);
            return Done.ok("holds the old value: nothing to put back");
        }
        Key key = oldValue(holding);
        note(holding, Progress.State.RESTORING);
        Trouble last = null;
        for (int left = TRIES; left > 1; left--) {
            try {
                holding.store.write(tool, key);
                last = null;
            } catch (Trouble e) {
                last = e;
            }
            if (holding.store.readable() ? seen(holding) && holding.holdsOld() : last == null) {
                note(holding, Progress.State.RESTORED);
                return Done.ok("holds the old value again, sha256 " + key.fingerprint());
            }
        }
        throw last != null ? last : new Trouble(Trouble.Kind.UNKNOWN, "does not give back the old value, but "
                + holding.now, "");
    }

    private Key oldValue(Holding holding) throws Trouble {
        if (holding.old.isEmpty()) {
            // After a kill nobody has it in memory: its own history may.
            holding.old = holding.store.recall(tool, holding.version).filter(key -> key.fingerprint()
                    .equals(holding.before));
            holding.old.ifPresent(tool::conceal);
        }
        return holding.old.orElseThrow(() -> new Trouble(Trouble.Kind.REFUSED, "its old value, sha256 " + holding.before
                + ", is nowhere to be had", "finish instead: run the same command again with the new key"));
    }

    private void note(Holding holding, Progress.State state) {
        try {
            enter(holding, state, holding.wrote);
        } catch (Trouble e) {
            // Going back matters more than the note of it.
            listener.waiting(e.getMessage());
        }
    }

    // ---- what is told

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
        List<Step> all = new ArrayList<>(steps);
        all.addAll(outcome.equals("planned") ? planned : List.of());
        root.set("steps", Json.of(all.stream().map(Step::json).toList()));
        return root.put("incident", incident.map(one -> one.folder().toString()).orElse(null));
    }

    @Override
    public void close() {
        app.close();
    }
}
