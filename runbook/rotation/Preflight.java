package runbook.rotation;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import runbook.Key;
import runbook.OurSide.AppHealth;
import runbook.rotation.Trouble.Kind;

/** Step 1: tools, access, what every store holds, how the application does. Looks at everything before it complains. */
final class Preflight {
    private final Work work;
    private final Optional<Progress> before;
    private AppState baseline;
    private Optional<Key> old = Optional.empty();

    /** {@code before} is what an unfinished run left. */
    Preflight(Work work, Optional<Progress> before) {
        this.work = work;
        this.before = before;
    }

    void run() throws Trouble {
        List<Trouble> troubles = new ArrayList<>();
        for (Holding holding : work.holdings()) {
            collect(troubles, holding.name(), holding.store.reading().shown(), () -> look(holding));
        }
        for (RestartTarget target : work.wishes().targets()) {
            collect(troubles, target.name(), "", () -> look(target));
        }
        collect(troubles, "app", "", this::lookAtApp);
        if (!troubles.isEmpty()) {
            throw troubles.get(0);
        }
        work.ledger().run("preflight", "old key", "", this::settleOld);
    }

    /** How the application did before anything changed. */
    AppState baseline() {
        return baseline;
    }

    /** The old key, where a store or the responder has it. */
    Optional<Key> old() {
        return old;
    }

    private void collect(List<Trouble> troubles, String place, String command, Ledger.Action action) {
        try {
            work.ledger().run("preflight", place, command, action);
        } catch (Trouble e) {
            troubles.add(e);
        }
    }

    private Done look(RestartTarget target) throws Trouble {
        target.inspect(work.tool());
        return Done.ok("there, and may be restarted");
    }

    private Done look(Holding holding) throws Trouble {
        holding.now = holding.store.inspect(work.tool());
        holding.now.key().ifPresent(work.tool()::conceal);
        Optional<Progress> earlier = before.filter(one -> one.stores().contains(holding.name()));
        if (earlier.isEmpty()) {
            holding.before = holding.now.key().map(Key::fingerprint).orElse("");
            holding.version = holding.now.version();
        }
        if (!holding.store.readable()) {
            return Done.warn("there; " + holding.store.note()
                    + earlier.map(one -> "; the run before left it "
                                    + holding.state.name().toLowerCase(Locale.ROOT))
                            .orElse(""));
        }
        Key held = holding.now.key().orElseThrow();
        if (holding.now.holds(holding.before)) {
            holding.old = Optional.of(held);
        }
        String holds = "holds " + earlier.map(one -> whose(holding, one) + ", ").orElse("") + held.describe()
                + holding.now.versionWords();
        return held.known()
                ? Done.ok(holds)
                : Done.warn(holds + ", which is no private key"
                        + held.faults().stream()
                                .map(fault -> ": " + fault)
                                .findFirst()
                                .orElse(""));
    }

    private static String whose(Holding holding, Progress earlier) {
        return holding.now.holds(holding.before)
                ? "the old key"
                : holding.now.holds(earlier.fingerprint("newKey")) ? "the new key" : "neither the old nor the new key";
    }

    private Done lookAtApp() {
        AppState now = work.app().look();
        // What an interrupted run did to it must not count as how it was.
        baseline = before.map(Progress::health).map(AppHealth.State::valueOf).map(now::asIf).orElse(now);
        if (!now.asked()) {
            return Done.warn("nobody looks at it: give --app-url to have its health verified");
        }
        return now.healthy() ? Done.ok(now.words()) : Done.warn("not healthy now: " + now.words());
    }

    // The value that most likely is the old key, and the ways back that it opens for stores that do not tell.
    private Done settleOld() throws Trouble {
        List<Key> known = Stream.concat(work.holdings().stream().flatMap(holding -> holding.old.stream()).filter(Key::known),
                work.wishes().settings().key().map(Key::cleaned).stream()).toList();
        String recorded = before.map(one -> one.fingerprint("oldKey")).orElse("");
        old = known.stream().filter(key -> recorded.isEmpty() || key.fingerprint().equals(recorded)).findFirst();
        for (Holding holding : work.holdings()) {
            if (holding.old.isEmpty()) {
                holding.old = holding.before.isEmpty()
                        ? old
                        : known.stream()
                                .filter(key -> key.fingerprint().equals(holding.before))
                                .findFirst();
            }
            if (!holding.store.readable() && holding.old.isEmpty() && before.isEmpty()) {
                throw new Trouble(
                        Kind.UNFIT,
                        holding.name() + " cannot be read, so there would be no way back",
                        "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
            }
        }
        return old.map(key -> Done.ok(key.describe()))
                .orElseGet(() -> Done.warn("not known: neither a store nor KLAVIYO_PRIVATE_KEY has it"));
    }
}
