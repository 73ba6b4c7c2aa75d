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
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Kept;
import runbook.rotation.Progress.Listener;
import runbook.rotation.Progress.Step;
import runbook.rotation.Progress.Trouble;
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

    /**
     * What a rotation is asked to do, by the options of that name; those to go on with it, for a person; and the
     * command line that does that.
     */
    public record Wishes(Screen.Host host, Settings settings, Tool tool, List<Place> stores, List<Place> targets,
            Optional<String> account, Set<String> needs, Duration restart, Duration verify, Duration grace,
            boolean disableOld, String options, Supplier<String> again) { }

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
    private boolean changing;
    private boolean back;
    private boolean unmarked;
    /** What a person has to do by hand, with the commands. */
    public final List<Done> byHand = new ArrayList<>();
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
     * here. Where it is only {@code looking}, no process is touched, and nothing written.
     *
     * @throws Trouble when one that is unfinished is about more stores or targets, and Problem when another one runs
     */
    public void begin(Incident where, boolean looking) {
        if (wishes.settings.key().filter(Key::token).isPresent()) {
            throw new Problem(REFUSED, "this is an OAuth access token, which is not rotated: it expires by itself."
                    + " Refresh it with the app's refresh token (POST https://a.klaviyo.com/oauth/token); where that"
                    + " says invalid_grant, install the app anew. For a private key set KLAVIYO_PRIVATE_KEY");
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
        Stream<String> stores = kept.touched().filter(name -> !given.contains(name))
                .map(name -> " --to " + Text.word(name));
        // A target that turned out to be wrong may be changed for another: none at all is forgotten.
        Stream<String> targets = kept.targets.stream().filter(name -> wishes.targets.isEmpty())
                .map(name -> " --restart " + Text.word(name));
        missing = Stream.concat(stores, targets).collect(Collectors.joining());
        if (!missing.isEmpty()) {
            throw new Trouble(Effect.NONE, "the unfinished rotation in " + where + " is about more than was given:"
                    + missing, wishes.again.get());
        }
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
        return !kept.changed() ? "nothing has changed" : kept.touched().collect(Collectors.joining(", "))
                + " may hold the new key; " + (kept.restarting ? "a restart has begun" : "nothing was restarted");
    }

    /** Notes that this process is ending in the middle of it; says how things stand, and what to do. */
    public String interrupted() {
        holdings.forEach(Holding::tidy);
        progress.journal(Event.NOTE, "key rotation interrupted: " + state(), data());
        boolean unfinished = kept.changed() && !wishes.settings.target().passing();
        return state() + (!unfinished ? "" : ". This finishes it, or with --roll-back rolls it back:\n  "
                + wishes.again.get());
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
        List<Trouble> troubles = new ArrayList<>();
        holdings.forEach(one -> progress.attempt("preflight", one.store.name(), one.store.reading(), "", one::inspect)
                .ifPresent(troubles::add));
        wishes.targets.forEach(target -> progress.attempt("preflight", target.name(), "", "", target::reach)
                .ifPresent(troubles::add));
        progress.attempt("preflight", "app", "", "", probes::appBefore).ifPresent(troubles::add);
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        List<Key> held = holdings.stream().flatMap(one -> one.now.key().stream()).toList();
        boolean writeOnly = !holdings.stream().allMatch(one -> one.store.readable());
        progress.make("preflight", "old key", "", "", () -> probes.settle(held, writeOnly, person));
    }

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return holdings.stream().filter(Holding::holdsNew).flatMap(one -> one.now.key().stream()).findFirst();
    }

    // ---- steps 3 to 7, and back

    /** What is to be done: steps 3 to 7, or the way back. */
    public List<Step> plan() {
        return progress.planned(back ? this::backward : this::forward);
    }

    private void forward() {
        holdings.forEach(one -> progress.make("store", one.store.name(), one.store.writing(), one.plan(),
                () -> one.put(false)));
        looksAgain("read-back");
        wishes.targets.forEach(target -> progress.make("restart", target.name(), target.restarting(wishes.restart), "",
                () -> restart(target)));
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: where the application does not read the key anew by itself, step 6 fails";
            progress.make("restart", "app", "", none, () -> Done.warn(none));
        }
        progress.make("verify", "app", "", probes.appPlan(), () -> probes.appWith(false));
        if (wishes.settings.target().prometheus() != null) {
            progress.make("verify", "errors", "", "must not rise", probes::steady);
        }
        progress.make("verify", "new key", "", "has to authenticate still", probes::alive);
        looksAgain("verify");
        String oldKey = probes.oldPrint().isEmpty() ? "old key" : "sha256 " + probes.oldPrint();
        if (!wishes.disableOld || !probes.lives()) {
            progress.make("disable-old", oldKey, "", probes.left(), () -> Done.skipped(probes.left()));
            return;
        }
        String stays = "stays enabled for another " + Durations.words(wishes.grace);
        progress.make("disable-old", oldKey, "", stays, () -> {
            progress.listener.waiting("the old key " + stays);
            Progress.pause(wishes.grace);
            return Done.ok("may be disabled now");
        });
        looksAgain("disable-old");
        progress.make("disable-old", oldKey, "", "disabled by Klaviyo's API; enabled again if anything still uses it",
                probes::disable);
        progress.make("disable-old", "app", "", "is well without it", () -> probes.appWith(false));
        looksAgain("disable-old");
    }

    // What was written is there, and nobody has set one since.
    private void looksAgain(String name) {
        holdings.forEach(one -> progress.make(name, one.store.name(), one.store.reading(), one.store.readable()
                ? "has to be the new key" : "cannot be compared", () -> one.readBack(false)));
    }

    private Done restart(Place target) {
        kept.restarting = true;
        progress.save();
        progress.listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
        Optional<String> mark = target.restart(wishes.restart);
        unmarked |= mark.isEmpty();
        return Done.ok("restarted" + mark.map(now -> ", now " + now).orElse(""));
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
        forward();
        return Ending.ROTATED;
    }

    /** What comes of a failure: the way back where something has been changed, by an earlier run too. */
    public Ending failed(Trouble trouble) {
        why = progress.made.stream().filter(step -> step.done().mark() == Mark.FAIL).findFirst().map(Step::words)
                .orElse(trouble.getMessage());
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
        back = true;
        progress.listener.began("roll-back");
        progress.listener.waiting(reason.isEmpty() ? "asked for" : reason);
        for (Holding one : touched()) {
            String place = one.store.name();
            progress.attempt("roll-back", place, one.store.reading(), "", one::mayGoBack).ifPresent(trouble ->
                    byHand.add(new Done(Mark.NONE, place + " – " + trouble.getMessage(), trouble.mend)));
        }
        if (!byHand.isEmpty() && !changing) {
            why = byHand.get(0).detail();
            byHand.clear();
            return Ending.REFUSED;
        } else if (progress.looking) {
            return Ending.PLANNED;
        }
        if (byHand.isEmpty() && kept.disabled != null) {
            // To bring a dead key back would leave the application with none.
            back("old key", "", Done.warn("something still uses the old key, which is disabled and could not be enabled"
                    + " again: do that in Klaviyo, Settings > API keys. The stores keep the new key meanwhile"),
                    () -> probes.enable(rediscovered().or(() -> given)));
        }
        if (byHand.isEmpty()) {
            unmarked = wishes.targets.isEmpty();
            backward();
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
        List<Holding> touched = new ArrayList<>(holdings);
        touched.removeIf(one -> !one.kept.touched);
        Collections.reverse(touched);
        return touched;
    }

    private void backward() {
        touched().forEach(one -> back(one.store.name(), one.store.writing(), one.byHand(), () -> one.put(true)));
        for (Place target : kept.restarting ? wishes.targets : List.<Place>of()) {
            String command = target.restarting(wishes.restart);
            back(target.name(), command, new Done(Mark.NONE, "restart " + target.name(), command),
                    () -> restart(target));
        }
        if (kept.changed()) {
            back("app", "", Done.warn("look at the application: nothing shows that it is well with the old key, sha256 "
                    + probes.oldPrint()), this::appAsBefore);
        }
    }

    // Where one step fails, a person does that one by hand: the rest is brought back all the same.
    private void back(String place, String command, Done otherwise, Supplier<Done> action) {
        progress.attempt("roll-back", place, command, "", action).ifPresent(trouble -> byHand.add(otherwise));
    }

    // With the old key it has to be seen; the new one is stored, be it seen or not.
    private Done appAsBefore() {
        Done seen = probes.appWith(true);
        String unseen = kept.restarting && unmarked ? probes.appUnseen("old", false) : "";
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
        String unseen = ending.is(Ending.ROTATED) ? probes.appUnseen("new", !unmarked) : "";
        if (progress.looking || ending.is(Ending.REFUSED) && kept.changed()) {
            return !progress.resumed || !ending.is(Ending.REFUSED) ? ending
                    : ending.but("Refused: this run has changed nothing, the one before it is unfinished");
        } else if (!kept.newKey.isEmpty()) {
            kept.outcome = ending.name;
            progress.child("");
        }
        if (ending.is(Ending.ROTATED)) {
            String from = probes.oldPrint().isEmpty() ? "" : "sha256 " + probes.oldPrint() + " -> ";
            progress.journal(Event.ROTATED, "key rotated: " + from + "sha256 " + probes.newPrint(), data());
            progress.journal(Event.MITIGATED, unseen.isEmpty() ? "the application runs with a new key"
                    : "a new key is stored, but " + unseen, data());
        } else if (!ending.is(Ending.REFUSED)) {
            progress.journal(Event.NOTE, "key rotation: " + ending.verdict, data());
        }
        return unseen.isEmpty() ? ending : ending.but("Rotated: the new key is stored, but " + unseen);
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
        Stream<Step> all = Stream.concat(progress.made.stream(), ending.is(Ending.PLANNED) ? plan().stream()
                : Stream.of());
        ObjectNode root = Json.object().put("schema", 1).put("outcome", ending.name());
        data().forEach((name, value) -> root.set(name, Json.of(value)));
        root.put("account", probes.account.map(Account::id).orElse(null));
        root.set("steps", Json.of(all.map(Step::data).toList()));
        return root.put("incident", progress.looking ? null : progress.incident.toString());
    }
}
