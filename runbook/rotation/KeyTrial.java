package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** Step 2: whether the new key is fit to be shipped. Nobody ships a staging key to production past this. */
final class KeyTrial {
    private static final String ANOTHER = "make another in Klaviyo, Settings > API keys";

    private final Work work;
    private final Optional<Key> old;
    private Standing oldStanding = new Standing(Standing.State.UNKNOWN, Optional.empty(), "");
    private Optional<String> account = Optional.empty();

    KeyTrial(Work work, Optional<Key> old) {
        this.work = work;
        this.old = old;
    }

    void run(Key fresh, boolean resumed) throws Trouble {
        Ledger ledger = work.ledger();
        ledger.run("test", "form", "", () -> form(fresh, resumed));
        ledger.run("test", "authenticates", "", () -> authenticates(fresh));
        ledger.run("test", "account", "", () -> sameAccount(fresh));
        ledger.run("test", "scopes", "", () -> new Scopes(work.klaviyo(), fresh, old, oldStanding.valid())
                .compare(work.wishes().needs()));
    }

    /** The account that both keys belong to; empty before {@link #run} found it. */
    Optional<String> account() {
        return account;
    }

    /** What the old key is worth; unknown before {@link #run} asked. */
    Standing oldStanding() {
        return oldStanding;
    }

    private Done form(Key fresh, boolean resumed) throws Trouble {
        if (!fresh.faults().isEmpty()) {
            throw new Trouble(
                    Kind.UNFIT,
                    "the new key is unfit: " + fresh.faults().get(0),
                    "copy it again from Klaviyo, only the part that starts with pk_");
        }
        // A run that goes on knows by its record which one was old; the responder may have the new one at hand by now.
        if ((resumed ? old : work.wishes().settings().key().map(Key::cleaned)).filter(fresh::equals).isPresent()) {
            throw new Trouble(
                    Kind.UNFIT, "the new key is the old one", "make a new one in Klaviyo, Settings > API keys");
        }
        return fresh.known()
                ? Done.ok(fresh.describe())
                : Done.warn(fresh.describe() + ": no form known to this toolkit");
    }

    private Done authenticates(Key fresh) throws Trouble {
        Standing standing = work.klaviyo().standing(fresh);
        if (standing.state() == Standing.State.INVALID) {
            throw new Trouble(Kind.UNFIT, "Klaviyo refuses the new key: " + standing.words(), ANOTHER);
        }
        if (!standing.valid()) {
            throw new Trouble(
                    Kind.UNFIT,
                    "the new key could not be tested: " + standing.words(),
                    "run triage, and this again once Klaviyo answers");
        }
        account = standing.account();
        return Done.ok(standing.words());
    }

    private Done sameAccount(Key fresh) throws Trouble {
        if (old.isPresent() && !old.get().equals(fresh)) {
            oldStanding = work.klaviyo().standing(old.get());
        }
        Optional<String> wanted = work.wishes().account().or(() -> accountOf(oldStanding, old, fresh));
        if (wanted.isEmpty()) {
            throw new Trouble(
                    Kind.UNFIT,
                    "nothing tells which account the old key belongs to",
                    "give --account ID, the site id in Klaviyo, Settings > Account");
        }
        if (account.isEmpty()) {
            throw new Trouble(
                    Kind.UNFIT,
                    "nothing tells which account the new key belongs to",
                    "make a key that has accounts:read as well");
        }
        if (!account.equals(wanted)) {
            throw new Trouble(
                    Kind.UNFIT,
                    "the new key belongs to account " + account.get() + ", not to " + wanted.get(),
                    "make the key while logged in to account " + wanted.get());
        }
        refuseStrangers(fresh);
        return Done.ok(account.get()
                + (work.wishes().account().isPresent() ? ", as asked for" : ", as the old key's")
                + (oldStanding.state() == Standing.State.INVALID
                        ? "; the old key is dead: " + oldStanding.words()
                        : ""));
    }

    // What Klaviyo says counts. The site id inside a dead key tells too, if the new key's own shows that such ids can be trusted.
    private Optional<String> accountOf(Standing standing, Optional<Key> key, Key fresh) {
        return standing.valid() && standing.account().isPresent() ? standing.account()
                : key.flatMap(Klaviyo::site).filter(site -> Klaviyo.site(fresh).equals(account));
    }

    private void refuseStrangers(Key fresh) throws Trouble {
        for (Holding holding : work.holdings()) {
            if (holding.old.isPresent() && !holding.old.equals(old) && !holding.old.get().equals(fresh)) {
                Optional<String> theirs = accountOf(work.klaviyo().standing(holding.old.get()), holding.old, fresh);
                if (theirs.isPresent() && !theirs.equals(account)) {
                    throw new Trouble(
                            Kind.UNFIT,
                            holding.name() + " holds a key of another account, " + theirs.get(),
                            "leave it out of --to");
                }
            }
        }
    }
}
