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
import runbook.rotation.Stores.Hands;
import runbook.rotation.Stores.Place;
import runbook.sandbox.*;

/**
 * One rotation: the steps of the runbook's 401 section, each safe to repeat, and the way back. Whoever drives it calls
 * {@link #begin}, {@link #preflight}, {@link Keys#trial}, {@link #change} and {@link #end}. Keys stay in memory alone.
 * After a kill the old value comes from the store's own history, another store or the responder's key, and where none
 * has it, the way is forward; the new one comes from a store that has it already, or is given again.
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

    /** How a rotation ends: its exit code, the verdict, and what comes next. */
    public enum Ending {
        ROTATED(0, "Rotated: the application runs with the new key", "See that all is well, and that it stays so"),
        PLANNED(0, "Dry run: nothing has changed, and nothing seen stands in the way", "Do it in earnest"),
        REFUSED(Rotation.REFUSED, "Refused: nothing has changed", "Mend what the failed step says, and run it again"),
        ROLLED_BACK(22, "Failed, and rolled back: everything is as it was", REFUSED.next),
        STUCK(23, "Failed, and not rolled back: do the steps above, or run this again to finish",
                "Do by hand what the failed steps say, or run it again to finish");

        public final int exit;
        public final String verdict;
        public final String next;

        Ending(int exit, String verdict, String next) {
            this.exit = exit;
            this.verdict = verdict;
            this.next = next;
        }

        /** As files have it: {@code rolled-back}. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /**
     * A drill's store, a dotenv file made for it, and its application, the sandbox's, which reads that at each restart.
     * What {@code breaks} names ({@code read-back}, {@code restart}, {@code verify}) goes wrong once.
     */
    public record Drill(Sandbox sandbox, Hands hands, Set<String> breaks) implements Hands {
        /** The store's address. */
        public String store() throws IOException {
            Path file = Files.createTempDirectory("klaviyo-drill").resolve("app.env");
            Files.writeString(file, "# Made by a drill: this key opens nothing.\nKLAVIYO_PRIVATE_KEY="
                    + sandbox.appKey() + "\n");
            sandbox.appKeyFile(file, "KLAVIYO_PRIVATE_KEY");
            List.of(file.getParent(), file).forEach(one -> one.toFile().deleteOnExit());
            return "file:" + file + "#KLAVIYO_PRIVATE_KEY";
        }

        @Override
        public Tool.Output run(List<String> command, String input, Optional<Duration> lasting) throws Tool.Failure {
            if (command.get(0).equals(Embedded.PROGRAM)) {
                // A letter too much, as with a slip of the hand.
                boolean slips = !input.isEmpty() && breaks.remove("read-back");
                return hands.run(command, slips ? input + "x" : input, lasting);
            } else if (lasting.isPresent() && breaks.remove("restart")) {
                return new Tool.Output(22, "", "HTTP 500: the application did not start");
            } else if (lasting.isPresent()) {
                sandbox.restartApp(!breaks.remove("verify"));
            }
            return new Tool.Output(0, "", "");
        }
    }

    private final Wishes wishes;
    final Progress progress;
    /** What is known of the old key and the new one. */
    public final Keys keys;
    private final AppWatch app;
    private final List<FileChannel> locks = new ArrayList<>();
    private List<Holding> holdings = List.of();
    private boolean changing;
    private boolean goingBack;
    private boolean unmarked;
    /** What a person has to do by hand, with the commands. */
    public final List<Done> byHand = new ArrayList<>();
    /** What failed first, in words, and the options that an unfinished rotation lacks here; each empty for nothing. */
    public String why = "";
    public String missing = "";

    /** A rotation that has not begun. */
    public Rotation(Wishes wishes, Listener listener) {
        this.wishes = wishes;
        this.progress = new Progress(wishes, listener);
        this.keys = new Keys(wishes, progress);
        this.app = new AppWatch(wishes, progress);
        wishes.settings.key().ifPresent(wishes.tool::conceal);
    }

    // ---- at most one at a time

    /**
     * Takes the locks of this incident and of the stores on this machine, and reads what an earlier run left unfinished
     * here. Where it is only {@code looking}, no process is touched, and nothing written.
     *
     * @throws Trouble when one that is unfinished is about more stores or targets, and Problem when another one runs
     */
    public void begin(Incident where, boolean looking) throws IOException {
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
        progress.begin(where, looking);
        holdings = wishes.stores.stream().map(store -> new Holding(store, wishes, progress, keys)).toList();
        String stores = missing("--to", kept().touched(), wishes.stores);
        String targets = missing("--restart", kept().targets.stream(), wishes.targets);
        // A target that turned out to be wrong may be changed for another: none at all is forgotten.
        missing = stores.isEmpty() && !wishes.targets.isEmpty() ? "" : stores + targets;
        if (!missing.isEmpty()) {
            progress.make(new Step("preflight", "unfinished rotation", "", () -> {
                throw new Trouble(Effect.NONE, "the one in " + where + " is about more than was given:" + missing,
                        wishes.again.get());
            }));
        }
    }

    private static String missing(String option, Stream<String> known, List<Place> given) {
        List<String> names = given.stream().map(Place::name).toList();
        return known.filter(name -> !names.contains(name)).map(name -> " " + option + " " + Text.word(name))
                .collect(Collectors.joining());
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

    private Kept kept() {
        return progress.kept;
    }

    /** When the rotation began that this goes on with, and what that changed; empty when it goes on with none. */
    public Optional<String> resumed() {
        return Optional.of(kept().startedAt + ": " + state()).filter(words -> progress.resumed);
    }

    private String state() {
        return !kept().changed() ? "nothing has changed" : kept().touched().collect(Collectors.joining(", "))
                + " may hold the new key; " + (kept().restarting ? "a restart has begun" : "nothing was restarted");
    }

    /** Notes that this process is ending in the middle of it; says how things stand, and what to do. */
    public String interrupted() {
        progress.journal(Event.NOTE, "key rotation interrupted: " + state(), keys.data());
        boolean unfinished = kept().changed() && !wishes.settings.target().passing();
        return state() + (!unfinished ? "" : ". This finishes it, or with --roll-back rolls it back:\n  "
                + wishes.again.get());
    }

    // ---- steps 1 and 2

    private static Step look(String name, Holding one, String plan, Supplier<Done> action) {
        return new Step(name, one.store.name(), one.store.reading(), plan, action);
    }

    /**
     * Step 1: tools, access, what every store holds, how the application does, whose the old key is (or a {@code
     * person} can be asked that). Looks at everything before it complains.
     */
    public void preflight(boolean person) {
        if (!progress.looking && progress.resumed) {
            progress.awaitChild(wishes.tool.timeout());
            wishes.tool.watch(progress::child);
        }
        // At once: another run looks for an open incident, and that is one with a journal.
        progress.journal(Event.NOTE, "key rotation begun", keys.data());
        List<Step> looks = new ArrayList<>();
        holdings.forEach(one -> looks.add(look("preflight", one, "", one::inspect)));
        wishes.targets.forEach(target -> looks.add(new Step("preflight", target.name(), "", target::reach)));
        looks.add(new Step("preflight", "app", "", app::begin));
        List<Trouble> troubles = looks.stream().flatMap(step -> progress.attempt(step).stream()).toList();
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        List<Key> held = holdings.stream().flatMap(holding -> holding.now.key().stream()).toList();
        boolean writeOnly = !holdings.stream().allMatch(holding -> holding.store.readable());
        progress.make(new Step("preflight", "old key", "", () -> keys.settle(held, writeOnly, person)));
    }

    /** The new key, where a store of an unfinished rotation holds it already. */
    public Optional<Key> rediscovered() {
        return holdings.stream().filter(one -> one.now.holds(kept().newKey))
                .flatMap(one -> one.now.key().stream()).findFirst();
    }

    // ---- steps 3 to 7

    /** Stores, reads back, restarts, verifies, sees to the old key, and looks at every store again. */
    public List<Step> plan() {
        List<Step> steps = new ArrayList<>();
        holdings.forEach(one -> steps.add(
                new Step("store", one.store.name(), one.store.writing(), one.plan(), one::write)));
        holdings.forEach(one -> steps.add(look("read-back", one, one.store.readable() ? "has to be the new key"
                : "not compared: " + one.store.note(), one::readBack)));
        wishes.targets.forEach(target -> steps.add(restart("restart", target)));
        if (wishes.targets.isEmpty()) {
            String none = "no --restart: where the application does not read the key anew by itself, step 6 fails";
            steps.add(new Step("restart", "app", none, () -> Done.warn(none)));
        }
        steps.add(new Step("verify", "app", app.plan(), () -> app.well(keys.newPrint())));
        if (app.counts()) {
            steps.add(new Step("verify", "errors", "must not rise", app::steady));
        }
        steps.add(new Step("verify", "new key", "has to authenticate still", keys::alive));
        looksAgain("verify", steps);
        String oldKey = keys.oldPrint().isEmpty() ? "old key" : "sha256 " + keys.oldPrint();
        if (wishes.disableOld && keys.lives()) {
            String plan = "disabled by Klaviyo's API " + Durations.words(wishes.grace)
                    + " after the application is well; enabled again if anything still uses it";
            steps.add(new Step("disable-old", oldKey, plan,
                    () -> keys.disable(() -> holdings.forEach(Holding::readBack))));
            steps.add(new Step("disable-old", "app", "is well without it", () -> app.well(keys.newPrint())));
            looksAgain("disable-old", steps);
        } else {
            steps.add(new Step("disable-old", oldKey, keys.left(), () -> Done.skipped(keys.left())));
        }
        return steps;
    }

    // Nobody has set one since.
    private void looksAgain(String name, List<Step> steps) {
        holdings.stream().filter(one -> one.store.readable())
                .forEach(one -> steps.add(look(name, one, "has to be the new key still", one::readBack)));
    }

    private Step restart(String name, Place target) {
        return new Step(name, target.name(), target.restarting(wishes.restart), "", () -> {
            kept().restarting = true;
            progress.save();
            progress.listener.waiting(target.name() + ": restarting, at most " + Durations.words(wishes.restart));
            Optional<String> mark = target.restart(wishes.restart);
            unmarked |= mark.isEmpty();
            return Done.ok("restarted" + mark.map(now -> ", now " + now).orElse(""));
        });
    }

    /** Makes steps 3 to 7. */
    public Ending change() {
        kept().oldKey = keys.oldPrint();
        kept().newKey = keys.newPrint();
        kept().account = keys.account.map(Account::id).orElse("");
        kept().options = wishes.options;
        wishes.targets.forEach(target -> kept().targets.add(target.name()));
        progress.save();
        wishes.tool.watch(progress::child);
        changing = true;
        plan().forEach(progress::make);
        return Ending.ROTATED;
    }

    /** What comes of a failure: the way back where something has been changed, by an earlier run too. */
    public Ending failed(Trouble trouble) {
        boolean halfWay = kept().changed() && keys.fresh.isPresent() && !progress.looking;
        why = progress.made.stream().filter(step -> step.done().mark() == Mark.FAIL).findFirst().map(Step::words)
                .orElse(trouble.getMessage());
        return halfWay ? rollBack(why, keys.fresh) : Ending.REFUSED;
    }

    // ---- the way back

    /**
     * Puts the old value back into every store that this rotation changed, last one first, restarts, and verifies.
     * Where a store holds what somebody else set, an old value is at hand nowhere, or the old key cannot be enabled
     * again (by the new one, that this run was {@code given}), nothing is put back. {@link #byHand} says what is left.
     */
    public Ending rollBack(String reason, Optional<Key> given) {
        why = reason;
        goingBack = true;
        progress.listener.began("roll-back");
        progress.listener.waiting(reason.isEmpty() ? "asked for" : reason);
        List<Holding> touched = new ArrayList<>(holdings);
        touched.removeIf(one -> !one.kept.touched);
        Collections.reverse(touched);
        touched.forEach(one -> progress.attempt(look("roll-back", one, "", one::mayGoBack)).ifPresent(trouble ->
                byHand.add(new Done(Mark.NONE, one.store.name() + " – " + trouble.getMessage(), trouble.mend))));
        if (!byHand.isEmpty() && !changing) {
            why = byHand.remove(0).detail();
            byHand.clear();
            return Ending.REFUSED;
        } else if (progress.looking) {
            touched.forEach(one -> progress.listener.waiting("would then: " + one.byHand().detail()));
            return Ending.PLANNED;
        } else if (byHand.isEmpty() && kept().disabled != null) {
            // To bring a dead key back would leave the application with none.
            back(new Step("roll-back", "old key", "", () -> keys.enable(rediscovered().or(() -> given))),
                    Done.warn("something still uses the old key, which is disabled and could not be enabled again: do"
                            + " that in Klaviyo, Settings > API keys. The stores keep the new key meanwhile"));
        }
        if (byHand.isEmpty()) {
            putBack(touched, kept().restarting);
        }
        return byHand.isEmpty() ? Ending.ROLLED_BACK : Ending.STUCK;
    }

    private void putBack(List<Holding> touched, boolean restarting) {
        touched.forEach(one -> back(new Step("roll-back", one.store.name(), one.store.writing(), "", one::putBack),
                one.byHand()));
        unmarked = wishes.targets.isEmpty();
        for (Place target : restarting ? wishes.targets : List.<Place>of()) {
            back(restart("roll-back", target), new Done(Mark.NONE, "restart " + target.name(),
                    target.restarting(wishes.restart)));
        }
        if (restarting || !touched.isEmpty()) {
            back(new Step("roll-back", "app", "", () -> app.asBefore(keys.oldPrint(), !restarting || !unmarked)),
                    Done.warn("look at the application: nothing shows that it is well with the old key, sha256 "
                            + keys.oldPrint()));
        }
    }

    // Whatever goes wrong, the rest still has to be brought back.
    private void back(Step step, Done otherwise) {
        progress.attempt(step).ifPresent(trouble -> byHand.add(otherwise));
    }

    // ---- the end

    /** Notes how it ended. The next run goes on with what is stuck, or was refused after a change of an earlier run. */
    public void end(Ending ending) {
        wishes.tool.watch(child -> { });
        if (progress.looking || ending == Ending.REFUSED && kept().changed()) {
            return;
        }
        if (!kept().newKey.isEmpty()) {
            kept().outcome = ending.toString();
            progress.child(null);
        }
        Map<String, Object> data = keys.data();
        if (ending == Ending.ROTATED) {
            String from = keys.oldPrint().isEmpty() ? "" : "sha256 " + keys.oldPrint() + " -> ";
            progress.journal(Event.ROTATED, "key rotated: " + from + "sha256 " + keys.newPrint(), data);
            progress.journal(Event.MITIGATED, "the application runs with a new key", data);
        } else if (ending != Ending.REFUSED) {
            String how = ending == Ending.STUCK ? "could not be rolled back" : "was rolled back";
            progress.journal(Event.NOTE, "key rotation failed and " + how, data);
        }
    }

    /** What {@code rotate-key --json} shows; the steps that were planned are among those that were made. */
    public ObjectNode json(Ending ending) {
        List<Step> planned = ending == Ending.PLANNED && !goingBack ? plan() : List.of();
        Stream<Step> all = Stream.concat(progress.made.stream(), planned.stream());
        ObjectNode root = Json.object().put("schema", 1).put("outcome", ending.toString());
        keys.data().forEach((name, value) -> root.set(name, Json.of(value)));
        root.put("account", keys.account.map(Account::id).orElse(null));
        root.set("steps", Json.of(all.map(Step::data).toList()));
        return root.put("incident", progress.looking ? null : progress.incident.toString());
    }
}
