package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import runbook.Json;
import runbook.Key;
import runbook.Text;
import runbook.incident.Event;
import runbook.incident.Incident;
import runbook.rotation.Holding.State;
import runbook.rotation.Trouble.Kind;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls the
 * steps in order, and {@link #rollBack} when one from {@link #store} on throws; before that nothing has changed.
 * Old values stay in memory only: after a kill they come from the store's own history, from another store or from
 * the responder's key, and where none has it, the way is forward.
 */
public final class Rotation implements AutoCloseable {
    private static final int READ_BACKS = 3;

    private final Wishes wishes;
    private final Tool tool;
    private final Klaviyo klaviyo;
    private final AppWatch app;
    private final Ledger ledger;
    private final Verification verification;
    private final List<Holding> holdings;
    private Optional<Incident> incident = Optional.empty();
    private Optional<Progress> progress = Optional.empty();
    private boolean resumed;
    private boolean restarting;
    private AppState baseline;
    private Optional<Key> old = Optional.empty();
    private Key fresh;
    private KeyTest keyTest;

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Tool tool, Listener listener) {
        this.wishes = wishes;
        this.tool = tool;
        this.klaviyo = new Klaviyo(wishes.settings());
        this.app = new AppWatch(wishes.settings());
        this.ledger = new Ledger(listener, tool, wishes.settings().drill());
        this.verification = new Verification(app, klaviyo, ledger, wishes.verify());
        this.holdings = wishes.stores().stream().map(Holding::new).toList();
        wishes.settings().key().ifPresent(tool::conceal);
    }

    /**
     * Goes on with the rotation that an earlier run left unfinished in this incident, if there is one.
     *
     * @throws IOException when its record cannot be read
     * @throws Trouble     when it had to do with stores that this run was not given
     */
    public void resume(Incident where) throws IOException, Trouble {
        progress = Progress.unfinished(where);
        if (progress.isPresent()) {
            List<String> missing = new ArrayList<>(progress.get().stores());
            missing.removeAll(holdings.stream().map(Holding::name).toList());
            if (!missing.isEmpty()) {
                throw new Trouble(Kind.UNFIT, "the unfinished rotation in " + where + " is about other stores too: " + String.join(", ", missing),
                        "run it again with " + missing.stream().map(name -> "--to " + Command.quoted(name)).collect(Collectors.joining(" ")));
            }
            resumed = true;
            progress.get().awaitChild(tool.timeout());
            holdings.forEach(progress.get()::restore);
            restarting = progress.get().restarting();
        }
    }

    /** Journals and keeps its state in this incident from now on. */
    public void recordIn(Incident where) {
        incident = Optional.of(where);
        ledger.journalInto(where);
        // At once: another run looks for an open incident, and that is one with a journal.
        ledger.journal(Event.NOTE, "key rotation begun", data());
    }

    /** Whether this goes on with an earlier run's rotation. */
    public boolean resumed() {
        return resumed;
    }

    /** Whether step 2 has begun, which a run that goes on after a kill may fail where the run before did not. */
    public boolean tested() {
        return keyTest != null;
    }

    /** When the rotation that this goes on with began. */
    public String begunAt() {
        return progress.map(Progress::startedAt).orElse("");
    }

    /** Step 1: tools, access, what every store holds, how the application does. Looks at everything before it complains. */
    public void preflight() throws Trouble {
        List<Trouble> troubles = new ArrayList<>();
        for (Holding holding : holdings) {
            collect(troubles, holding.name(), holding.store.reading().shown(), () -> look(holding));
        }
        for (RestartTarget target : wishes.targets()) {
            collect(troubles, target.name(), "", () -> {
                target.inspect(tool);
                return Done.ok("there, and may be restarted");
            });
        }
        collect(troubles, "app", "", this::lookAtApp);
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        ledger.run("preflight", "old key", "", this::settleOld);
    }

    private void collect(List<Trouble> troubles, String place, String command, Ledger.Action action) {
        try {
            ledger.run("preflight", place, command, action);
        } catch (Trouble e) {
            troubles.add(e);
        }
    }

    private Done look(Holding holding) throws Trouble {
        holding.now = holding.store.inspect(tool);
        holding.now.key().ifPresent(tool::conceal);
        if (!resumed || !progress.orElseThrow().stores().contains(holding.name())) {
            holding.before = holding.now.key().map(Key::fingerprint).orElse("");
            holding.version = holding.now.version();
        }
        if (!holding.store.readable()) {
            return Done.warn("there; " + holding.store.note() + (resumed ? "; state " + holding.state.name().toLowerCase() : ""));
        }
        Key held = holding.now.key().orElseThrow();
        if (holding.now.holds(holding.before)) {
            holding.old = Optional.of(held);
        }
        String holds = "holds " + (resumed ? owner(holding) + ", " : "") + held.describe() + version(holding.now);
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key" + held.faults().stream().map(fault -> ": " + fault).findFirst().orElse(""));
    }

    private String owner(Holding holding) {
        return holding.now.holds(holding.before) ? "the old key" : holding.now.holds(progress.orElseThrow().fingerprint("newKey")) ? "the new key" : "neither the old nor the new key";
    }

    private static String version(Held held) {
        return held.version().isEmpty() ? "" : ", version " + Text.safe(held.version(), 40);
    }

    private Done lookAtApp() {
        baseline = app.look();
        if (!baseline.asked()) {
            return Done.warn("nobody looks at it: give --app-url to have its health verified");
        }
        return baseline.healthy() ? Done.ok(baseline.words()) : Done.warn("not healthy now: " + baseline.words());
    }

    // The value that most likely is the old key, and the ways back that it opens for stores that do not tell.
    private Done settleOld() throws Trouble {
        List<Key> known = new ArrayList<>();
        holdings.stream().flatMap(holding -> holding.old.stream()).filter(Key::known).forEach(known::add);
        wishes.settings().key().map(Key::cleaned).ifPresent(known::add);
        String recorded = progress.map(one -> one.fingerprint("oldKey")).orElse("");
        old = known.stream().filter(key -> recorded.isEmpty() || key.fingerprint().equals(recorded)).findFirst();
        for (Holding holding : holdings) {
            if (holding.old.isEmpty()) {
                holding.old = holding.before.isEmpty() ? old : known.stream().filter(key -> key.fingerprint().equals(holding.before)).findFirst();
            }
            if (!holding.store.readable() && holding.old.isEmpty() && !resumed) {
                throw new Trouble(Kind.UNFIT, holding.name() + " cannot be read, so there would be no way back", "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
            }
        }
        return old.map(key -> Done.ok(key.describe())).orElseGet(() -> Done.warn("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it"));
    }

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return progress.flatMap(one -> holdings.stream().filter(holding -> holding.now.holds(one.fingerprint("newKey")))
                .flatMap(holding -> holding.now.key().stream()).findFirst());
    }

    /** The scopes of the old key, where it may still tell them. */
    public Optional<String> oldScopes() {
        return old.flatMap(key -> klaviyo.list(key).flatMap(keys -> ApiKey.matching(keys, key))).map(key -> String.join(", ", key.scopes()));
    }

    /** Step 2: the new key's form, whether it authenticates, whose it is, what it may do. */
    public void test(Key candidate) throws Trouble {
        fresh = candidate;
        tool.conceal(candidate);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (old.filter(candidate::equals).isPresent()) {
            old = wishes.settings().key().map(Key::cleaned).filter(key -> !key.equals(candidate)).or(() -> old);
        }
        keyTest = new KeyTest(wishes, klaviyo, ledger, holdings, old);
        keyTest.run(candidate, resumed);
    }

    /** Everything that would be run from here on, for people to say yes to. */
    public Plan plan() {
        return Plan.of(wishes, holdings, Optional.ofNullable(fresh), old);
    }

    /** Step 3: the new key into every store. */
    public void store() throws Trouble {
        Progress kept = progress.orElseGet(() -> Progress.begin(incident.orElseThrow()));
        progress = Optional.of(kept);
        kept.keys(old, fresh);
        save();
        tool.watch(this::noteChild);
        for (Holding holding : holdings) {
            ledger.run("store", holding.name(), holding.store.writing().shown(), () -> store(holding));
        }
    }

    private Done store(Holding holding) throws Trouble {
        if (holding.store.readable() && holding.now.holds(fresh.fingerprint())) {
            return Done.skipped("holds the new key already");
        }
        boolean first = !holding.touched();
        enter(holding, State.WRITING);
        Optional<Trouble> complaint = attempt(() -> holding.store.write(tool, fresh));
        if (complaint.isPresent() && !(holding.store.readable() && found(holding, fresh.fingerprint()))) {
            if (first && changedNothing(holding, complaint.get().kind())) {
                enter(holding, State.UNTOUCHED);
            }
            throw complaint.get();
        }
        enter(holding, State.WRITTEN);
        return complaint.map(trouble -> Done.warn("holds the new key, although the tool complained: " + trouble.getMessage())).orElse(Done.ok("stored"));
    }

    // A tool that is not there did nothing; one that was refused did nothing either, if the store says the same.
    private boolean changedNothing(Holding holding, Kind complaint) {
        return complaint == Kind.MISSING_TOOL || complaint == Kind.DENIED && (!holding.store.readable() || found(holding, holding.before));
    }

    /** Whether a failure left every store as it was, so that this is a refusal and no roll-back. */
    public boolean untouched() {
        return !restarting && holdings.stream().noneMatch(Holding::touched);
    }

    private interface Attempt {
        void run() throws Trouble;
    }

    private static Optional<Trouble> attempt(Attempt attempt) {
        try {
            attempt.run();
            return Optional.empty();
        } catch (Trouble e) {
            return Optional.of(e);
        }
    }

    private boolean found(Holding holding, String fingerprint) {
        return attempt(() -> holding.now = holding.store.read(tool)).isEmpty() && holding.now.holds(fingerprint);
    }

    private void enter(Holding holding, State state) throws Trouble {
        holding.state = state;
        save();
    }

    private void save() throws Trouble {
        try {
            progress.orElseThrow().save(holdings, restarting);
        } catch (IOException e) {
            throw new Trouble(Kind.FAILED, "the state of the rotation cannot be kept: " + Incident.why(e), "df -h " + incident.orElseThrow());
        }
    }

    private void noteChild(ProcessHandle child) {
        try {
            progress.orElseThrow().child(child);
        } catch (IOException e) {
            // Only a run after a kill would miss it, and the next state is saved or the rotation ends.
        }
    }

    /** Step 4: what every store gives back is the new key. */
    public void readBack() throws Trouble {
        for (Holding holding : holdings) {
            ledger.run("read-back", holding.name(), holding.store.reading().shown(), () -> readBack(holding));
        }
    }

    private Done readBack(Holding holding) throws Trouble {
        if (!holding.store.readable()) {
            return Done.skipped("not compared: " + holding.store.note());
        }
        Optional<Trouble> complaint = Optional.empty();
        for (int left = READ_BACKS; left > 0; left--) {
            complaint = attempt(() -> holding.now = holding.store.read(tool));
            if (complaint.isEmpty() && holding.now.holds(fresh.fingerprint())) {
                return Done.ok("holds the new key, sha256 " + fresh.fingerprint() + version(holding.now));
            }
            Pause.of(Verification.INTERVAL);
        }
        throw complaint.orElseGet(() -> new Trouble(Kind.FAILED, "gives back " + holding.now + " instead of sha256 " + fresh.fingerprint(), ""));
    }

    /** Step 5: the application reads the key anew. */
    public void restart() throws Trouble {
        if (wishes.targets().isEmpty()) {
            ledger.run("restart", "app", "", () -> Done.warn("no --restart: the application has to read the key anew by itself"));
        }
        restarting = true;
        save();
        for (RestartTarget target : wishes.targets()) {
            ledger.run("restart", target.name(), Plan.joined(target.restarting(wishes.restart())), () -> restart(target));
        }
    }

    private Done restart(RestartTarget target) throws Trouble {
        Optional<String> before = target.mark(tool);
        target.restart(tool, wishes.restart());
        Optional<String> after = target.mark(tool);
        if (before.isPresent() && before.equals(after)) {
            throw new Trouble(Kind.FAILED, "the tool says that it restarted, but nothing did (still " + after.get() + ")", "");
        }
        return Done.ok("restarted" + after.map(mark -> ", now " + mark).orElse(""));
    }

    /** Step 6: the application is well with the new key, and the new key with Klaviyo. */
    public void verify() throws Trouble {
        verification.well(baseline, fresh);
    }

    /** Step 7: the old key is disabled, or how and when to delete it is said. */
    public void retireOld() throws Trouble {
        new Retirement(klaviyo, verification, ledger, wishes, holdings, tool).run(old, keyTest.oldStanding(), fresh, baseline);
    }

    /** Notes the good end. */
    public void finish() {
        end("rotated");
        Map<String, Object> data = data();
        ledger.journal(Event.ROTATED, "key rotated: " + old.map(key -> "sha256 " + key.fingerprint() + " -> ").orElse("") + "sha256 " + fresh.fingerprint(), data);
        ledger.journal(Event.MITIGATED, "the application runs with a new key", data);
    }

    /**
     * Puts the old value back into every store, last one first, restarts, and verifies.
     *
     * @return what a person has to do by hand; empty when all is as it was
     */
    public List<HandStep> rollBack() {
        List<HandStep> byHand = new RollBack(tool, ledger, verification, wishes, this::keep).run(holdings, restarting, baseline, old);
        end(byHand.isEmpty() ? "rolled-back" : "stuck");
        ledger.journal(Event.NOTE, byHand.isEmpty() ? "key rotation failed and was rolled back" : "key rotation failed and could not be rolled back everywhere", data());
        return byHand;
    }

    private void keep() {
        attempt(this::save);
    }

    private void end(String outcome) {
        tool.watch(child -> { });
        try {
            if (progress.isPresent()) {
                progress.get().end(outcome);
            }
        } catch (IOException e) {
            ledger.waiting("the state of the rotation cannot be kept: " + Incident.why(e));
        }
    }

    private Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("account", account().orElse(""));
        data.put("oldKey", Progress.key(old));
        data.put("newKey", Progress.key(Optional.ofNullable(fresh)));
        data.put("stores", holdings.stream().map(Holding::name).toList());
        return data;
    }

    /** Keys, account and steps, as {@code rotate-key --json} shows them. */
    public JsonNode json(String outcome) {
        ObjectNode root = Json.object().put("schema", 1).put("outcome", outcome).put("account", account().orElse(null));
        root.set("oldKey", Progress.key(old));
        root.set("newKey", Progress.key(Optional.ofNullable(fresh)));
        root.set("steps", Json.of(ledger.steps().stream().map(Step::json).toList()));
        return root.put("incident", incident.map(one -> one.folder().toString()).orElse(null));
    }

    private Optional<String> account() {
        return keyTest == null ? Optional.empty() : keyTest.account();
    }

    @Override
    public void close() {
        app.close();
    }
}
