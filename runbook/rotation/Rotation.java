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
import java.util.stream.Stream;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Key;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.rotation.Trouble.Kind;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls the
 * steps in order, and {@link #rollBack} when one from {@link #store} on throws; before that nothing has changed.
 * Old values stay in memory only: after a kill they come from the store's own history, from another store or from
 * the responder's key, and where none has it, the way is forward.
 */
public final class Rotation implements AutoCloseable {
    // To bring a dead key back would leave the application with none.
    private static final HandStep ENABLE = new HandStep(
            "something still uses the old key, which is disabled and could not be enabled again: do that in Klaviyo, "
                    + "Settings > API keys. The stores keep the new key meanwhile",
            "");

    private final Work work;
    private final Verification verification;
    private Optional<Incident> incident = Optional.empty();
    private Optional<Progress> progress = Optional.empty();
    private boolean resumed;
    private AppState baseline;
    private Optional<Key> old = Optional.empty();
    private Optional<Key> fresh = Optional.empty();
    private Optional<KeyTrial> keyTest = Optional.empty();
    private Optional<Retirement> retirement = Optional.empty();
    private Storing storing;

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Tool tool, Listener listener) {
        this.work = Work.on(wishes, tool, listener);
        this.verification = new Verification(work);
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
            missing.removeAll(work.holdings().stream().map(Holding::name).toList());
            if (!missing.isEmpty()) {
                throw new Trouble(
                        Kind.UNFIT,
                        "the unfinished rotation in " + where + " is about other stores too: "
                                + String.join(", ", missing),
                        "run it again with "
                                + missing.stream()
                                        .map(name -> "--to " + Text.word(name))
                                        .collect(Collectors.joining(" ")));
            }
            resumed = true;
            progress.get().awaitChild(work.tool().timeout());
            work.holdings().forEach(progress.get()::restore);
            work.tool().watch(progress.get()::child);
        }
    }

    /** Journals and keeps its state in this incident from now on. */
    public void recordIn(Incident where) {
        incident = Optional.of(where);
        work.ledger().journalInto(where);
        // At once: another run looks for an open incident, and that is one with a journal.
        work.ledger().journal(Event.NOTE, "key rotation begun", data());
    }

    /** Whether this goes on with an earlier run's rotation. */
    public boolean resumed() {
        return resumed;
    }

    /** Whether step 2 has begun, which a run that goes on after a kill may fail where the run before did not. */
    public boolean tested() {
        return keyTest.isPresent();
    }

    /** When the rotation that this goes on with began. */
    public String begunAt() {
        return progress.map(Progress::startedAt).orElse("");
    }

    /** Step 1: tools, access, what every store holds, how the application does. */
    public void preflight() throws Trouble {
        Preflight preflight = new Preflight(work, progress);
        preflight.run();
        baseline = preflight.baseline();
        old = preflight.old();
    }

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return progress.flatMap(one -> work.holdings().stream()
                .filter(holding -> holding.now.holds(one.fingerprint("newKey")))
                .flatMap(holding -> holding.now.key().stream())
                .findFirst());
    }

    /** The scopes of the old key, where it may still tell them. */
    public Optional<String> oldScopes() {
        return old.flatMap(key -> work.klaviyo().list(key).flatMap(keys -> ApiKey.matching(keys, key)))
                .map(key -> String.join(", ", key.scopes()));
    }

    /** Step 2: the new key's form, whether it authenticates, whose it is, what it may do. */
    public void test(Key candidate) throws Trouble {
        fresh = Optional.of(candidate);
        work.tool().conceal(candidate);
        // A run that follows a finished one finds the new key in the stores: the old one is the responder's then.
        if (!resumed && old.equals(fresh)) {
            old = work.wishes().settings().key().map(Key::cleaned).filter(key -> !key.equals(candidate)).or(() -> old);
        }
        keyTest = Optional.of(new KeyTrial(work, old));
        keyTest.get().run(candidate, resumed);
    }

    /** Everything that would be run from here on, for people to say yes to. */
    public Plan plan() {
        return Plan.of(work.wishes(), work.holdings(), fresh, old);
    }

    /** Step 3: the new key into every store. */
    public void store() throws Trouble {
        Progress kept = progress.orElseGet(() -> Progress.begin(incident.orElseThrow(), baseline));
        progress = Optional.of(kept);
        kept.keys(old, fresh.orElseThrow());
        kept.save(work.holdings());
        work.tool().watch(kept::child);
        storing = new Storing(work, fresh.orElseThrow(), kept);
        storing.store();
    }

    /** Whether a failure left every store as it was, so that this is a refusal and no roll-back. */
    public boolean untouched() {
        return progress.filter(Progress::restarting).isEmpty() && work.holdings().stream().noneMatch(Holding::touched);
    }

    /** Step 4: what every store gives back is the new key. */
    public void readBack() throws Trouble {
        storing.readBack();
    }

    /** Step 5: the application reads the key anew. */
    public void restart() throws Trouble {
        List<RestartTarget> targets = work.wishes().targets();
        if (targets.isEmpty()) {
            work.ledger()
                    .run(
                            "restart",
                            "app",
                            "",
                            () -> Done.warn("no --restart: the application has to read the key anew by itself"));
        }
        progress.orElseThrow().beginRestarting();
        progress.orElseThrow().save(work.holdings());
        for (RestartTarget target : targets) {
            work.ledger()
                    .run(
                            "restart",
                            target.name(),
                            Plan.joined(target.restarting(work.wishes().restart())),
                            () -> restart(target));
        }
    }

    private Done restart(RestartTarget target) throws Trouble {
        work.ledger().waiting(target.name() + ": restarting, at most " + Durations.words(work.wishes().restart()));
        Optional<String> before = target.mark(work.tool());
        target.restart(work.tool(), work.wishes().restart());
        Optional<String> after = target.mark(work.tool());
        if (before.isPresent() && before.equals(after)) {
            throw new Trouble(
                    Kind.FAILED, "the tool says that it restarted, but nothing did (still " + after.get() + ")", "");
        }
        return Done.ok("restarted" + after.map(mark -> ", now " + mark).orElse(""));
    }

    /** Step 6: the application is well with the new key, and the new key with Klaviyo. */
    public void verify() throws Trouble {
        verification.well(baseline, fresh.orElseThrow());
    }

    /** Step 7: the old key is disabled, or how and when to delete it is said. */
    public void retireOld() throws Trouble {
        retirement = Optional.of(new Retirement(work, verification));
        retirement.get().run(old, keyTest.orElseThrow().oldStanding(), fresh.orElseThrow());
    }

    /** Notes the good end. */
    public void finish() {
        end("rotated");
        Map<String, Object> data = data();
        work.ledger()
                .journal(
                        Event.ROTATED,
                        "key rotated: "
                                + old.map(key -> "sha256 " + key.fingerprint() + " -> ")
                                        .orElse("")
                                + fresh.map(key -> "sha256 " + key.fingerprint())
                                        .orElse(""),
                        data);
        work.ledger().journal(Event.MITIGATED, "the application runs with a new key", data);
    }

    /**
     * Puts the old value back into every store, last one first, restarts, and verifies.
     *
     * @return what a person has to do by hand; empty when all is as it was
     */
    public List<HandStep> rollBack() {
        List<HandStep> byHand = retirement.filter(Retirement::disabled).isPresent()
                ? List.of(ENABLE)
                : new RollBack(work, verification, progress).run(baseline, old);
        end(byHand.isEmpty() ? "rolled-back" : "stuck");
        work.ledger()
                .journal(
                        Event.NOTE,
                        byHand.isEmpty()
                                ? "key rotation failed and was rolled back"
                                : "key rotation failed and could not be rolled back everywhere",
                        data());
        return byHand;
    }

    private void end(String outcome) {
        work.tool().watch(child -> { });
        try {
            if (progress.isPresent()) {
                progress.get().end(outcome);
            }
        } catch (IOException e) {
            work.ledger().waiting("the state of the rotation cannot be kept: " + Incident.why(e));
        }
    }

    private Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("account", account().orElse(""));
        data.put("oldKey", Progress.key(old));
        data.put("newKey", Progress.key(fresh));
        data.put("stores", work.holdings().stream().map(Holding::name).toList());
        return data;
    }

    /** Keys, account and steps, those that were {@code planned} among them, as {@code rotate-key --json} shows them. */
    public JsonNode json(String outcome, List<Step> planned) {
        ObjectNode root = Json.object().put("schema", 1).put("outcome", outcome).put("account", account().orElse(null));
        root.set("oldKey", Progress.key(old));
        root.set("newKey", Progress.key(fresh));
        root.set(
                "steps",
                Json.of(Stream.concat(work.ledger().steps().stream(), planned.stream())
                        .map(Step::json)
                        .toList()));
        return root.put("incident", incident.map(one -> one.folder().toString()).orElse(null));
    }

    private Optional<String> account() {
        return keyTest.flatMap(KeyTrial::account);
    }

    @Override
    public void close() {
        work.app().close();
    }
}
