package runbook.rotation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.ApiChecks.Account;
import runbook.Incident.Event;
import runbook.Key.LastGood;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.rotation.Progress.*;
import runbook.rotation.Stores.Place;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back, the same steps with the
 * old key. Whoever drives it calls {@link #begin}, {@link #preflight}, {@link Probes#trial}, {@link #change} and {@link
 * #end}. Keys stay in memory alone. After a kill the old value comes from the store's own history, another store or the
 * responder's key, and where none has it, the way is forward; the new one comes from a store that has it already, or is
 * given again.
 */
public final class Rotation implements AutoCloseable {
    /** The exit code of a rotation that was refused before anything changed. */
    public static final int REFUSED = 21;

    /** What is asked for, by the options of that name; all of them in words; and the command that goes on, or back. */
    public record Wishes(Screen.Host host, Settings settings, Tool tool, List<Place> stores, List<Place> targets,
            Optional<String> account, Set<String> needs, Duration restart, Duration verify, Duration grace,
            boolean disableOld, String options, Function<Boolean, String> again) { }

    /** How a rotation ends, by the name that files have; its exit code, the verdict, and what comes next. */
    public record Ending(String name, int exit, Mark mark, String verdict, String next) {
        public static final Ending ROTATED = new Ending("rotated", 0, Mark.OK,
                "Rotated: the application runs with the new key", "See that all is well, and that it stays so");
        public static final Ending PLANNED = new Ending("planned", 0, Mark.OK,
                "Dry run: nothing has changed, and nothing seen stands in the way", "Do it in earnest");
        public static final Ending REFUSED = new Ending("refused", Rotation.REFUSED, Mark.FAIL,
                "Refused: nothing has changed", "Mend what the failed step says, and run it again");
        public static final Ending STUCK = new Ending("stuck", 23, Mark.FAIL,
                "Failed, and not rolled back: do the steps above, or run this again to finish",
                "Do by hand what the failed steps say, or run it again to finish");

        /** The same in other words, where not all of it was done or seen. */
        public Ending but(String verdict) {
            return new Ending(name, exit, exit == 0 ? Mark.WARN : mark, verdict, next);
        }

        /** Whether it is that one, in whatever words. */
        public boolean is(Ending other) {
            return name.equals(other.name);
        }
    }

    private final Wishes wishes;
    final Progress progress;
    /** What is asked of Klaviyo and of our application: what is known of the old key and the new one. */
    public final Probes probes;
    private final List<FileChannel> locks = new ArrayList<>();
    private List<Holding> holdings = List.of();
    private Kept kept;
    private Way way = Way.FORWARD;
    /** Whether this run, and not one before it, has begun to change things. */
    private boolean changing;
    /** Whether marks show that all was restarted on this way that the application needs. */
    private boolean marked;
    /** What a person has to do by hand, or what has to be mended before. */
    public final List<Step> byHand = new ArrayList<>();
    /** What failed first, in words, and the options that an unfinished rotation lacks here; each empty for nothing. */
    public String why = "";
    public String missing = "";

    public Rotation(Wishes wishes, Listener listener) {
        this.wishes = wishes;
        this.progress = new Progress(wishes, listener);
        this.kept = progress.kept;
        this.probes = new Probes(progress);
        wishes.settings.key().ifPresent(wishes.tool::conceal);
    }

    // ---- at most one at a time

    /**
     * Takes the locks of this incident and of the stores on this machine, and reads what an earlier run left unfinished
     * here. Where it is only {@code looking}, no process is touched, and nothing written. It goes on, or {@code back}.
     *
     * @throws Trouble when one that is unfinished is about more stores or targets, and Problem when another one runs
     */
    public void begin(Incident where, boolean looking, boolean back) {
        way = back ? Way.BACK : Way.FORWARD;
        if (wishes.settings.key().filter(Key::token).isPresent()) {
            throw new Problem(REFUSED, "an OAuth access token is not rotated: it expires by itself. Refresh it with the"
                    + " app's refresh token (POST https://a.klaviyo.com/oauth/token); where that says invalid_grant,"
                    + " install the app anew. For a private key set KLAVIYO_PRIVATE_KEY");
        }
        if (!looking || Files.exists(where.folder())) {
            lock(where.folder().resolve("rotation.lock"), where.toString());
        }
        // In one order everywhere, or two rotations could each keep the other out.
        Map<Path, String> files = new TreeMap<>();
        wishes.stores.forEach(store -> files.put(LastGood.folder(wishes.host).resolve("rotate-key-"
                + Key.of(store.identity()).fingerprint() + ".lock"), store.name()));
        files.forEach(this::lock);
        kept = progress.begin(where, looking);
        holdings = wishes.stores.stream().map(store -> new Holding(store, progress, probes)).toList();
        List<String> given = wishes.stores.stream().map(Place::name).toList();
        kept.touched().filter(name -> !given.contains(name)).forEach(name -> missing += " --to " + Text.word(name));
        // A target that turned out to be wrong may be changed for another: none at all is forgotten.
        Set<String> targets = wishes.targets.isEmpty() ? kept.targets : Set.of();
        targets.forEach(name -> missing += " --restart " + Text.word(name));
        Trouble.when(!missing.isEmpty(), "the unfinished rotation in " + where + " is about more than was given:"
                + missing, wishes.again.apply(back));
    }

    private void lock(Path file, String what) {
        try {
            locks.add(Incident.lock(file).orElseThrow(() -> new Problem(REFUSED, "another rotation is running on "
                    + what + ": wait for it, or end it; this one has changed nothing")));
        } catch (IOException e) {
            throw new Problem(REFUSED, file + " (--incident, or XDG_STATE_HOME) cannot be written: without it two"
                    + " rotations could run at once, and a killed one not go on: " + Incident.why(e));
        }
    }

    @Override
    public void close() throws IOException {
        for (FileChannel lock : locks) {
            lock.close();
        }
    }

    /** When the rotation began that this goes on with, and what that changed; empty when it goes on with none. */
    public Optional<String> resumed() {
        return Optional.of(kept.startedAt + ": " + state()).filter(words -> progress.resumed);
    }

    private String state() {
        return kept.changed() ? kept.touched().collect(Collectors.joining(", ")) + " may hold the new key; "
                + (kept.restarting ? "a restart has begun" : "nothing was restarted") : "nothing has changed";
    }

    /** Notes that this process is ending in the middle of it; says how things stand, and what to do. */
    public String interrupted() {
        holdings.forEach(Holding::tidy);
        progress.journal(Event.NOTE, "key rotation interrupted: " + state(), data());
        boolean unfinished = kept.changed() && !wishes.settings.target().passing();
        String what = way == Way.BACK ? "rolls it back, or without --roll-back finishes it"
                : "finishes it, or with --roll-back rolls it back";
        return state() + (unfinished ? ". This " + what + ":\n  " + wishes.again.apply(way == Way.BACK) : "");
    }

    // ---- steps 1 and 2

    /**
     * Step 1: tools, access, what every store holds, how the application does, whose the old key is (or a {@code
     * person} can be asked that). Looks at everything before it complains.
     */
    public void preflight(boolean person) {
        if (!progress.looking && progress.resumed) {
            progress.awaitChild(wishes.tool.timeout());
            wishes.tool.watch(child -> progress.child(Progress.named(child)));
        }
        // At once: another run looks for an open incident, and that is one with a journal.
        progress.journal(Event.NOTE, "key rotation begun", data());
        holdings.forEach(one -> progress.attempt(
                new Step("preflight", one.store.name(), one.store.reading(), "", one::inspect)));
        wishes.targets.forEach(target -> progress.attempt(new Step("preflight", target.name(), "", "", target::reach)));
        progress.attempt(new Step("preflight", "app", "", "", probes::appBefore));
        progress.refuseFailed();
        progress.make(new Step("preflight", "old key", "", "", () -> probes.settle(holdings, person)));
    }

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return holdings.stream().filter(Holding::holdsNew).flatMap(one -> one.now.key().stream()).findFirst();
    }

    // ---- steps 3 to 7, and back

    /** What is to be done: steps 3 to 7, or the way back. */
    public List<Step> plan() {
        return way == Way.BACK ? backward() : forward();
    }

    // Steps 3 to 7.
    private List<Step> forward() {
        List<Step> steps = new ArrayList<>();
        holdings.forEach(one -> steps.add(new Step("store", one.store.name(), one.store.writing(), one.plan(),
                () -> one.put(Way.FORWARD))));
        steps.addAll(looksAgain("read-back"));
        wishes.targets.forEach(target -> steps.add(restarting("restart", "", target)));
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: where the application does not read the key anew by itself, step 6 fails";
            steps.add(new Step("restart", "app", "", none, () -> Done.warn(none)));
        }
        steps.add(new Step("verify", "app", "", probes.appPlan(), () -> probes.appWith(Way.FORWARD)));
        if (wishes.settings.target().prometheus() != null) {
            steps.add(new Step("verify", "errors", "", "must not rise", probes::steady));
        }
        steps.add(new Step("verify", "new key", "", "has to authenticate still", probes::alive));
        steps.addAll(looksAgain("verify"));
        steps.addAll(endOfTheOldKey());
        return steps;
    }

    private List<Step> endOfTheOldKey() {
        String oldKey = probes.oldPrint().isEmpty() ? "old key" : "sha256 " + probes.oldPrint();
        if (!wishes.disableOld || !probes.lives()) {
            return List.of(new Step("disable-old", oldKey, "", probes.left(), () -> Done.skipped(probes.left())));
        }
        String stays = "stays enabled for another " + Durations.words(wishes.grace);
        List<Step> steps = new ArrayList<>();
        steps.add(new Step("disable-old", oldKey, "", stays, () -> {
            progress.listener.waiting("the old key " + stays);
            Progress.pause(wishes.grace);
            return Done.ok("may be disabled now");
        }));
        steps.addAll(looksAgain("disable-old"));
        steps.add(new Step("disable-old", oldKey, "", "disabled by Klaviyo's API; enabled again if anything still uses"
                + " it", probes::disable));
        steps.add(new Step("disable-old", "app", "", "is well without it", () -> probes.appWith(Way.FORWARD)));
        steps.addAll(looksAgain("disable-old"));
        return steps;
    }

    // What was written is there, and nobody has set one since.
    private List<Step> looksAgain(String name) {
        return holdings.stream().map(one -> new Step(name, one.store.name(), one.store.reading(), one.store.readable()
                ? "has to be the new key" : "cannot be compared", () -> one.readBack(Way.FORWARD))).toList();
    }

    private Step restarting(String name, String plan, Place target) {
        return new Step(name, target.name(), target.restarting(wishes.restart), plan, () -> {
            kept.restarting = true;
            progress.save();
            progress.listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
            Optional<String> mark = target.restart(wishes.restart);
            marked &= mark.isPresent();
            return Done.ok("restarted" + mark.map(now -> ", now " + now).orElse(""));
        });
    }

    /** Makes steps 3 to 7. */
    public Ending change() {
        kept.oldKey = probes.oldPrint();
        kept.newKey = probes.newPrint();
        kept.account = probes.account.map(Account::id).orElse("");
        kept.options = wishes.options;
        wishes.targets.forEach(target -> kept.targets.add(target.name()));
        progress.save();
        wishes.tool.watch(child -> progress.child(Progress.named(child)));
        changing = true;
        marked = !wishes.targets.isEmpty();
        forward().forEach(progress::make);
        return Ending.ROTATED;
    }

    /** What comes of a failure: the way back where something has been changed, by an earlier run too. */
    public Ending failed(Trouble trouble) {
        why = trouble.getMessage();
        boolean halfWay = kept.changed() && probes.fresh.isPresent() && !progress.looking;
        return halfWay ? rollBack(why, probes.fresh) : Ending.REFUSED;
    }

    /**
     * Puts the old value back into every store that this rotation changed, last one first, restarts, and verifies.
     * Where a store holds what somebody else set, an old value is at hand nowhere, or the old key cannot be enabled
     * again (by the new one, that this run was {@code given}), nothing is put back. {@link #byHand} says what is left.
     */
    public Ending rollBack(String reason, Optional<Key> given) {
        why = reason;
        way = Way.BACK;
        progress.listener.began("roll-back");
        progress.listener.waiting(reason.isEmpty() ? "asked for" : reason);
        touched().forEach(one ->
                goBack(new Step("roll-back", one.store.name(), one.store.reading(), "", one::mayGoBack)));
        if (!byHand.isEmpty() && !changing) {
            why = byHand.get(0).words();
            byHand.clear();
            return Ending.REFUSED;
        } else if (progress.looking) {
            return Ending.PLANNED;
        }
        if (byHand.isEmpty() && kept.disabled != null) {
            // To bring a dead key back would leave the application with none.
            goBack(new Step("roll-back", "old key", "", "something still uses the old key, which is disabled and could"
                    + " not be enabled again: do that in Klaviyo, Settings > API keys. The stores keep the new key"
                    + " meanwhile", () -> probes.enable(rediscovered().or(() -> given))));
        }
        if (byHand.isEmpty()) {
            marked = !wishes.targets.isEmpty();
            backward().forEach(this::goBack);
        }
        if (!byHand.isEmpty()) {
            return Ending.STUCK;
        }
        String how = reason.isEmpty() ? "Rolled back, as asked" : "Failed, and rolled back";
        String dead = backWithDeadKey() ? ", but the old key is dead: the application has none that works" : "";
        return new Ending("rolled-back", 22, Mark.FAIL, how + ": everything is as it was" + dead, Ending.REFUSED.next);
    }

    // After a kill a store may know the old key that nobody else had.
    private boolean backWithDeadKey() {
        return Stream.concat(probes.old().stream(), holdings.stream().flatMap(one -> one.now.key().stream()))
                .filter(key -> key.fingerprint().equals(probes.oldPrint())).limit(1)
                .anyMatch(key -> probes.standing(key).dead());
    }

    private List<Holding> touched() {
        List<Holding> lastFirst = new ArrayList<>();
        holdings.stream().filter(one -> one.kept.touched).forEach(one -> lastFirst.add(0, one));
        return lastFirst;
    }

    private List<Step> backward() {
        List<Step> steps = new ArrayList<>();
        touched().forEach(one -> steps.add(new Step("roll-back", one.store.name(), one.store.writing(), one.byHand(), 0,
                () -> one.put(Way.BACK))));
        if (kept.restarting) {
            wishes.targets.forEach(target -> steps.add(restarting("roll-back", "restart it", target)));
        }
        if (kept.changed()) {
            steps.add(new Step("roll-back", "app", "", "look at the application: it has to be well with the old key,"
                    + " sha256 " + probes.oldPrint(), this::appAsBefore));
        }
        return steps;
    }

    // Where one fails, a person does what was planned, or mends what is in the way: the rest is done all the same.
    private void goBack(Step step) {
        Step ended = progress.attempt(step);
        if (ended.failed()) {
            byHand.add(step.done().detail().isEmpty() ? ended : step);
        }
    }

    // With the old key it has to be seen; the new one is stored, be it seen or not.
    private Done appAsBefore() {
        Done seen = probes.appWith(Way.BACK);
        String unseen = kept.restarting && !marked ? probes.appUnseen(Way.BACK, false) : "";
        Trouble.when(!unseen.isEmpty(), unseen);
        return seen;
    }

    // ---- the end

    /**
     * Notes how it ended, and says so no better than it was seen. The next run goes on with what is stuck, or was
     * refused after a change of an earlier run.
     */
    public Ending end(Ending ending) {
        wishes.tool.watch(child -> { });
        boolean refused = ending.is(Ending.REFUSED);
        if (progress.looking || refused && kept.changed()) {
            return refused && progress.resumed
                    ? ending.but("Refused: this run has changed nothing, the one before it is unfinished") : ending;
        }
        if (!kept.newKey.isEmpty()) {
            kept.outcome = ending.name;
            progress.child("");
        }
        if (ending.is(Ending.ROTATED)) {
            String unseen = probes.appUnseen(Way.FORWARD, marked);
            String from = probes.oldPrint().isEmpty() ? "" : "sha256 " + probes.oldPrint() + " -> ";
            progress.journal(Event.ROTATED, "key rotated: " + from + "sha256 " + probes.newPrint(), data());
            progress.journal(Event.MITIGATED, unseen.isEmpty() ? "the application runs with a new key"
                    : "a new key is stored, but " + unseen, data());
            return unseen.isEmpty() ? ending : ending.but("Rotated: the new key is stored, but " + unseen);
        } else if (!refused) {
            progress.journal(Event.NOTE, "key rotation: " + ending.verdict, data());
        }
        return ending;
    }

    // Keys and stores for journal and JSON; after a kill a key may be known by its fingerprint alone.
    private Map<String, Object> data() {
        return new TreeMap<>(Map.of("account", probes.account.map(Account::id).orElse(""),
                "oldKey", Probes.data(probes.old(), probes.oldPrint()),
                "newKey", Probes.data(probes.fresh, probes.newPrint()),
                "stores", wishes.stores.stream().map(Place::name).toList()));
    }

    /** What {@code rotate-key --json} shows; the steps that were planned are among those that were made. */
    public ObjectNode json(Ending ending) {
        List<Step> all = new ArrayList<>(progress.made);
        all.addAll(ending.is(Ending.PLANNED) ? plan() : List.of());
        ObjectNode root = Json.object().put("schema", 1).put("outcome", ending.name());
        data().forEach((name, value) -> root.set(name, Json.of(value.equals("") ? null : value)));
        root.set("steps", Json.of(all.stream().map(Step::data).toList()));
        return root.put("incident", progress.looking ? null : progress.incident.toString());
    }
}
