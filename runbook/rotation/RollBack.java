package runbook.rotation;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import runbook.Key;
import runbook.rotation.Holding.State;
import runbook.rotation.Trouble.Kind;

/** The way back: every store in reverse, then a restart, then a look. What fails is left for a person, with the commands. */
final class RollBack {
    private static final int TRIES = 2;

    private final Work work;
    private final Verification verification;
    private final Optional<Progress> progress;
    private final List<HandStep> byHand = new ArrayList<>();

    RollBack(Work work, Verification verification, Optional<Progress> progress) {
        this.work = work;
        this.verification = verification;
        this.progress = progress;
    }

    List<HandStep> run(AppState before, Optional<Key> old) {
        boolean changed = progress.filter(Progress::restarting).isPresent();
        List<Holding> holdings = work.holdings();
        for (int i = holdings.size() - 1; i >= 0; i--) {
            Holding holding = holdings.get(i);
            if (holding.touched()) {
                changed = true;
                step(holding.name(), holding.store.writing().shown(), () -> restore(holding), byHand(holding));
            }
        }
        if (changed) {
            work.wishes().targets().forEach(this::restart);
            verify(before, old);
        }
        return byHand;
    }

    private void step(String place, String command, Ledger.Action action, List<HandStep> otherwise) {
        try {
            work.ledger().run("roll-back", place, command, action);
        } catch (Trouble | RuntimeException e) {
            // Whatever it was, the other stores still have to be brought back.
            byHand.addAll(otherwise);
        }
    }

    private Done restore(Holding holding) throws Trouble {
        if (holds(holding)) {
            enter(holding, State.RESTORED);
            return Done.ok("holds the old value: nothing to put back");
        }
        Key key = oldValue(holding);
        enter(holding, State.RESTORING);
        Trouble last = null;
        for (int left = TRIES; left > 0; left--) {
            try {
                holding.store.write(work.tool(), key);
                last = null;
            } catch (Trouble e) {
                last = e;
            }
            if (holding.store.readable() ? holds(holding) : last == null) {
                enter(holding, State.RESTORED);
                return Done.ok("holds the old value again, sha256 " + key.fingerprint());
            }
        }
        throw last != null
                ? last
                : new Trouble(Kind.FAILED, "does not give back the old value, but " + holding.now, "");
    }

    private boolean holds(Holding holding) {
        try {
            holding.now = holding.store.read(work.tool());
            return holding.store.readable() && holding.now.holds(holding.before);
        } catch (Trouble e) {
            return false;
        }
    }

    private Key oldValue(Holding holding) throws Trouble {
        if (holding.old.isEmpty()) {
            // After a kill nobody has it in memory: its own history may.
            holding.old = holding.store.recall(work.tool(), holding.version).filter(key -> key.fingerprint()
                    .equals(holding.before));
            holding.old.ifPresent(work.tool()::conceal);
        }
        return holding.old.orElseThrow(() -> new Trouble(
                Kind.NOT_FOUND,
                "its old value, sha256 " + holding.before + ", is nowhere to be had",
                "finish instead: run the same command again with the new key"));
    }

    private void enter(Holding holding, State state) {
        holding.state = state;
        try {
            if (progress.isPresent()) {
                progress.get().save(work.holdings());
            }
        } catch (Trouble e) {
            // Going back matters more than the note of it.
            work.ledger().waiting(e.getMessage());
        }
    }

    private void restart(RestartTarget target) {
        List<Command> commands = target.restarting(work.wishes().restart());
        step(target.name(), Plan.joined(commands), () -> {
            target.restart(work.tool(), work.wishes().restart());
            return Done.ok("restarted");
        }, List.of(new HandStep("restart " + target.name(), Plan.joined(commands))));
    }

    private void verify(AppState before, Optional<Key> old) {
        try {
            verification.asBefore(before, old);
        } catch (Trouble e) {
            byHand.add(new HandStep("the application is not as it was before: look at it", ""));
        }
    }

    private static List<HandStep> byHand(Holding holding) {
        String undo = holding.version.isEmpty() ? "" : holding.store.undo(holding.version);
        return List.of(
                undo.isEmpty()
                        ? new HandStep(
                                "put the old key" + (holding.before.isEmpty() ? "" : " (sha256 " + holding.before + ")")
                                        + " back into " + holding.name(),
                                holding.store.writing().shown())
                        : new HandStep("put the old value of " + holding.name() + " back from its own history", undo));
    }
}
