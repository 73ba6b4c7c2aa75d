package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.rotation.Holding.State;
import runbook.rotation.Trouble.Kind;

/** Steps 3 and 4: the new key into every store, and out again. */
final class Storing {
    private static final int READ_BACKS = 3;

    /** Something that may fail. */
    private interface Attempt {
        void run() throws Trouble;
    }

    private final Work work;
    private final Key fresh;
    private final Progress progress;

    Storing(Work work, Key fresh, Progress progress) {
        this.work = work;
        this.fresh = fresh;
        this.progress = progress;
    }

    void store() throws Trouble {
        for (Holding holding : work.holdings()) {
            work.ledger().run("store", holding.name(), holding.store.writing().shown(), () -> store(holding));
        }
    }

    private Done store(Holding holding) throws Trouble {
        if (holding.store.readable() && holding.now.holds(fresh.fingerprint())) {
            return Done.skipped("holds the new key already");
        }
        boolean first = !holding.touched();
        enter(holding, State.WRITING);
        Optional<Trouble> complaint = attempt(() -> holding.store.write(work.tool(), fresh));
        if (complaint.isPresent() && !(holding.store.readable() && found(holding, fresh.fingerprint()))) {
            if (first && changedNothing(holding, complaint.get().kind())) {
                enter(holding, State.UNTOUCHED);
            }
            throw complaint.get();
        }
        enter(holding, State.WRITTEN);
        return complaint
                .map(trouble -> Done.warn("holds the new key, although the tool complained: " + trouble.getMessage()))
                .orElse(Done.ok("stored"));
    }

    // A tool that is not there did nothing; one that was refused did nothing either, if the store says the same.
    private boolean changedNothing(Holding holding, Kind complaint) {
        return complaint == Kind.MISSING_TOOL
                || complaint == Kind.DENIED && (!holding.store.readable() || found(holding, holding.before));
    }

    private boolean found(Holding holding, String fingerprint) {
        return attempt(() -> holding.now = holding.store.read(work.tool())).isEmpty() && holding.now.holds(fingerprint);
    }

    private static Optional<Trouble> attempt(Attempt attempt) {
        try {
            attempt.run();
            return Optional.empty();
        } catch (Trouble e) {
            return Optional.of(e);
        }
    }

    private void enter(Holding holding, State state) throws Trouble {
        State before = holding.state;
        holding.state = state;
        try {
            progress.save(work.holdings());
        } catch (Trouble e) {
            holding.state = state == State.WRITING ? before : state;
            throw e;
        }
    }

    void readBack() throws Trouble {
        for (Holding holding : work.holdings()) {
            work.ledger().run("read-back", holding.name(), holding.store.reading().shown(), () -> readBack(holding));
        }
    }

    private Done readBack(Holding holding) throws Trouble {
        if (!holding.store.readable()) {
            return Done.skipped("not compared: " + holding.store.note());
        }
        Optional<Trouble> complaint = Optional.empty();
        for (int left = READ_BACKS; left > 0; left--) {
            complaint = attempt(() -> holding.now = holding.store.read(work.tool()));
            if (complaint.isEmpty() && holding.now.holds(fresh.fingerprint())) {
                return Done.ok("holds the new key, sha256 " + fresh.fingerprint() + holding.now.versionWords());
            }
            if (complaint
                    .filter(trouble -> trouble.kind() == Kind.TIMED_OUT || trouble.kind() == Kind.MISSING_TOOL)
                    .isPresent()) {
                break;
            }
            Pause.of(Verification.INTERVAL);
        }
        throw complaint.orElseGet(() -> new Trouble(
                Kind.FAILED, "gives back " + holding.now + " instead of sha256 " + fresh.fingerprint(), ""));
    }
}
