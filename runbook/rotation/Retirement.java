package runbook.rotation;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import runbook.Checks.Deadline;
import runbook.Text.Durations;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** Step 7: what becomes of the old key. */
final class Retirement {
    // How fast a disabled key stops is not documented: it is asked until it does, within accounts' 15 requests a minute.
    private static final Duration DYING = Duration.ofSeconds(60);
    private static final Duration BETWEEN = Duration.ofSeconds(4);

    private final Work work;
    private final Verification verification;
    private final Klaviyo klaviyo;
    private final Ledger ledger;
    private final Wishes wishes;
    private boolean disabled;

    Retirement(Work work, Verification verification) {
        this.work = work;
        this.verification = verification;
        this.klaviyo = work.klaviyo();
        this.ledger = work.ledger();
        this.wishes = work.wishes();
    }

    /**
     * Disables the old key, or says how to delete it.
     *
     * @throws Trouble only when something of ours turns out to need the old key; it is enabled again then
     */
    void run(Optional<Key> old, Standing standing, Key fresh) throws Trouble {
        if (!wishes.disableOld() || old.isEmpty() || standing.state() == Standing.State.INVALID || old.get().equals(fresh)) {
            ledger.run("disable-old", "old key", "", () -> advice(old, standing, fresh));
            return;
        }
        Optional<ApiKey> listed = klaviyo.list(fresh).flatMap(keys -> ApiKey.matching(keys, old.get()));
        if (listed.isEmpty()) {
            ledger.run(
                    "disable-old",
                    "old key",
                    "",
                    () -> Done.warn(
                            "not disabled: the new key may not list keys (credentials:read), or several end alike. "
                                    + byHand(old, Instant.now())));
            return;
        }
        ledger.waiting("the old key stays enabled for another " + Durations.words(wishes.grace()));
        Pause.of(wishes.grace());
        unused(old.get());
        AppState before = work.app().look();
        disabled = disable(fresh, old.get(), listed.get());
        if (disabled) {
            stillWell(fresh, listed.get(), before);
        }
    }

    /** Whether the old key is disabled now, so that nothing may be brought back to it. */
    boolean disabled() {
        return disabled;
    }

    private Done advice(Optional<Key> old, Standing standing, Key fresh) {
        if (standing.state() == Standing.State.INVALID) {
            return Done.skipped("dead already (" + standing.words() + "): delete it in Klaviyo, Settings > API keys");
        }
        return old.isEmpty() || old.get().equals(fresh)
                ? Done.skipped("which key was the old one is not known: delete it in Klaviyo, Settings > API keys")
                : Done.skipped(byHand(old, Instant.now().plus(wishes.grace())));
    }

    private static String byHand(Optional<Key> old, Instant when) {
        return "Delete the old key"
                + old.map(key -> " (sha256 " + key.fingerprint() + ")").orElse("")
                + " in Klaviyo, Settings > API keys, not before " + when.truncatedTo(ChronoUnit.MINUTES)
                + " and once nothing uses it any more";
    }

    private void unused(Key old) throws Trouble {
        for (Holding holding : work.holdings()) {
            if (holding.store.readable()) {
                ledger.run("disable-old", holding.name(), holding.store.reading().shown(), () -> {
                    holding.now = holding.store.read(work.tool());
                    if (holding.now.holds(old.fingerprint())) {
                        throw new Trouble(Kind.FAILED, "holds the old key again: somebody put it back", "");
                    }
                    return Done.ok("does not hold the old key");
                });
            }
        }
    }

    // A key that Klaviyo will not disable does no harm: the rotation stands.
    private boolean disable(Key fresh, Key old, ApiKey listed) throws Trouble {
        String command = "PATCH /api/api-keys/" + listed.id() + " status=disabled";
        return ledger.run("disable-old", "old key", command, () -> {
            try {
                klaviyo.enabled(fresh, listed.id(), false);
            } catch (Trouble e) {
                return Done.warn("not disabled: " + e.getMessage() + ". " + byHand(Optional.of(old), Instant.now()));
            }
            Deadline dying = Deadline.in(DYING);
            while (klaviyo.standing(old).state() != Standing.State.INVALID) {
                if (dying.nanos() < System.nanoTime() || !Pause.of(BETWEEN)) {
                    return Done.ok("disabled, though Klaviyo still accepted it " + Durations.words(DYING) + " later");
                }
            }
            return Done.ok("disabled, and Klaviyo refuses it");
        }).outcome() == Step.Outcome.OK;
    }

    private void stillWell(Key fresh, ApiKey listed, AppState before) throws Trouble {
        try {
            verification.well(before, fresh);
        } catch (Trouble e) {
            ledger.run("disable-old", "old key", "PATCH /api/api-keys/" + listed.id() + " status=active", () -> {
                klaviyo.enabled(fresh, listed.id(), true);
                disabled = false;
                return Done.warn("enabled again: something of ours still uses it");
            });
            throw e;
        }
    }
}
