package runbook.rotation;

import java.time.Duration;
import java.util.Optional;
import runbook.Checks.Deadline;
import runbook.Text.Durations;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** Step 6, and the same look after a roll-back. */
final class Verification {
    static final Duration INTERVAL = Duration.ofMillis(500);
    private static final Duration LONGEST_WATCH = Duration.ofSeconds(30);
    private static final int IN_A_ROW = 2;

    private interface Condition {
        /** What is still wrong; empty when nothing is. */
        String fault(AppState now);
    }

    private final AppWatch app;
    private final Klaviyo klaviyo;
    private final Ledger ledger;
    private final Duration within;

    Verification(Work work) {
        this.app = work.app();
        this.klaviyo = work.klaviyo();
        this.ledger = work.ledger();
        this.within = work.wishes().verify();
    }

    /** The application is healthy with this key, its errors do not rise, and the key authenticates. */
    void well(AppState before, Key fresh) throws Trouble {
        ledger.run(
                "verify",
                "app",
                "",
                () -> await(before, now -> !now.healthy() ? now.words() : wrongKey(now, Optional.of(fresh))));
        if (app.counts()) {
            ledger.run("verify", "errors", "", () -> steady(before));
        }
        ledger.run("verify", "new key", "", () -> authenticates(fresh));
    }

    /** The application is no worse than it was, and uses the old key, or the one that it used before, where it tells. */
    void asBefore(AppState before, Optional<Key> old) throws Trouble {
        ledger.run("roll-back", "app", "", () -> await(before, now -> !now.noWorseThan(before) ? now.words()
                : now.fingerprint().equals(before.fingerprint()) ? "" : wrongKey(now, old)));
    }

    private static String wrongKey(AppState now, Optional<Key> expected) {
        return expected.isEmpty() || now.uses(expected.get().fingerprint()) ? ""
                : "it says that it still uses another key, sha256 " + now.fingerprint().orElse("");
    }

    private Done await(AppState before, Condition condition) throws Trouble {
        if (!before.asked()) {
            return Done.warn("not looked at: no --app-url");
        }
        Deadline deadline = Deadline.in(within);
        int good = 0;
        AppState now;
        String fault;
        do {
            now = app.look();
            fault = condition.fault(now);
            good = fault.isEmpty() ? good + 1 : 0;
            if (good >= IN_A_ROW) {
                return Done.ok(now.words());
            }
            ledger.waiting(fault.isEmpty() ? "" : "waiting for the application: " + fault);
        } while (Pause.of(INTERVAL) && (good > 0 || deadline.nanos() > System.nanoTime()));
        throw new Trouble(Kind.FAILED, "not well within " + Durations.words(within) + ": " + fault, "");
    }

    // What is counted for a while must not grow beyond what it was before.
    private Done steady(AppState before) throws Trouble {
        Duration watch = within.dividedBy(4).compareTo(LONGEST_WATCH) < 0 ? within.dividedBy(4) : LONGEST_WATCH;
        Deadline deadline = Deadline.in(within);
        ledger.waiting("watching its errors for " + Durations.words(watch));
        AppState first;
        AppState last;
        do {
            first = app.look();
            Pause.of(watch);
            last = app.look();
            if (first.errors() == AppState.UNCOUNTED || last.errors() == AppState.UNCOUNTED) {
                return Done.warn("nobody counted them: Prometheus gave no answer");
            }
            if (last.errors() <= Math.max(first.errors(), before.errors())) {
                return Done.ok(last.errors() + " in the last minute, " + Math.max(0, before.errors())
                        + " in the minute before the rotation");
            }
            ledger.waiting("errors still rise: " + last.errors() + " in the last minute");
        } while (deadline.nanos() > System.nanoTime());
        throw new Trouble(
                Kind.FAILED,
                "its errors rise: " + last.errors() + " in the last minute, " + Math.max(0, before.errors())
                        + " in the minute before the rotation",
                "");
    }

    private Done authenticates(Key fresh) throws Trouble {
        Deadline deadline = Deadline.in(within);
        Standing standing;
        do {
            standing = klaviyo.standing(fresh);
            if (standing.valid()) {
                return Done.ok("still authenticates: " + standing.words());
            }
        } while (standing.state() == Standing.State.UNKNOWN && Pause.of(INTERVAL) && deadline.nanos() > System.nanoTime());
        throw new Trouble(Kind.FAILED, "it does not authenticate any more: " + standing.words(), "");
    }
}
