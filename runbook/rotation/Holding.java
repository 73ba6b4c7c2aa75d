package runbook.rotation;

import java.util.List;
import java.util.Optional;
import runbook.Key;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Progress.HandStep;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Stores.Held;
import runbook.rotation.Stores.Place;

/**
 * One store in the course of one rotation. It is written, forward and back, only while it holds what this rotation last
 * left or saw there.
 */
final class Holding {
    private static final int TRIES = 3;

    final Place store;
    private final Rotation rotation;
    private Entry kept;
    /** The value before, as long as somebody has it. */
    Optional<Key> old = Optional.empty();
    /** What it held when last looked at. */
    Held now = new Held(Optional.empty(), "");

    Holding(Place store, Rotation rotation) {
        this.store = store;
        this.rotation = rotation;
        kept = new Entry(store.name(), "", "", false, "");
    }

    String name() {
        return store.name();
    }

    boolean touched() {
        return kept.touched();
    }

    /** Takes over what an earlier run noted of it, if it is this one. */
    void restore(Entry earlier) {
        kept = earlier.name().equals(name()) ? earlier : kept;
    }

    /** The way back where the store does not tell: the responder's key, or another store's, if it can only be this. */
    void settle(List<Key> known, Optional<Key> likely) throws Trouble {
        if (old.isEmpty()) {
            old = !store.readable() ? likely
                    : known.stream().filter(key -> key.fingerprint().equals(kept.before())).findFirst();
        }
        Trouble.refuse(!store.readable() && old.isEmpty() && rotation.resumed().isEmpty(),
                name() + " cannot be read, so there would be no way back",
                "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
    }

    // ---- what it holds

    private Held saw(Held held) {
        now = held;
        now.key().ifPresent(rotation.tool::conceal);
        return now;
    }

    private boolean seen() {
        try {
            saw(store.read());
            return true;
        } catch (Trouble e) {
            return false;
        }
    }

    private boolean holdsNew() {
        return now.holds(rotation.newPrint());
    }

    /** By what it is known what the store holds; empty where nothing tells. */
    private String mark() {
        return store.readable() ? now.key().map(Key::fingerprint).orElse("") : now.version();
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + mark;
    }

    private boolean holdsOld() {
        return !mark().isEmpty() && mark().equals(kept.before());
    }

    // With something around it (a line end, quotes), or nothing: what a tool makes of half a write.
    private boolean mangled() {
        return now.key().filter(held -> held.reveal().isEmpty()
                || rotation.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
    }

    private boolean ours() {
        boolean left = kept.wrote().isEmpty() || mark().equals(kept.wrote()) || holdsNew() || mangled();
        return mark().isEmpty() || holdsOld() || touched() && left;
    }

    /** Fails with both fingerprints where somebody else has set it. */
    Done refuseStranger() throws Trouble {
        if (!ours()) {
            throw stranger();
        }
        return Done.ok("ours");
    }

    private Trouble stranger() {
        String left = words(store.readable() ? rotation.newPrint() : kept.wrote());
        String last = touched() ? "left " + left + " there (before: " + words(kept.before()) + ")"
                : "saw " + words(kept.before()) + " there";
        return Trouble.refused("holds " + now + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays", rotation.progress.anew());
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done look() throws Trouble {
        saw(store.inspect());
        if (!touched()) {
            kept = new Entry(name(), mark(), now.version(), false, "");
        }
        if (!store.readable()) {
            return Done.warn("there; " + store.note() + (touched() ? "; the run before has written it" : ""));
        }
        refuseStranger();
        Key held = now.key().orElseThrow();
        old = holdsOld() ? Optional.of(held) : old;
        String which = holdsOld() ? "the old key, " : "the new key, ";
        String holds = "holds " + (touched() ? which : "") + held.describe() + now.versionWords();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key"
                + held.faults().stream().findFirst().map(fault -> ": " + fault).orElse(""));
    }

    /** What the plan says of {@link #write}. */
    String plan() {
        if (rotation.fresh.isPresent() && holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String crash = undo().isEmpty() ? "after a crash from another store or KLAVIYO_PRIVATE_KEY, else only forward"
                : "after a crash from its version " + kept.version();
        return "way back: " + old.map(key -> "sha256 " + key.fingerprint() + ", kept in memory; ").orElse("") + crash
                + (store.note().isEmpty() ? "" : "; " + store.note());
    }

    /** What a person pastes to bring the old value back from the store's history; empty where it has none. */
    private String undo() {
        return kept.version().isEmpty() ? "" : store.undo(kept.version());
    }

    HandStep byHand() {
        String print = store.readable() ? " (" + words(kept.before()) + ")" : "";
        return undo().isEmpty() ? new HandStep("put the old key" + print + " back into " + name(), store.writing())
                : new HandStep("put the old value of " + name() + " back from its own history", undo());
    }

    // ---- forward

    /** Makes it hold the new key. */
    Done write() throws Trouble {
        if (saw(store.read()).holds(rotation.newPrint())) {
            return Done.skipped("holds the new key already");
        }
        refuseStranger();
        boolean first = !touched();
        note(true, store.readable() ? rotation.newPrint() : "");
        try {
            store.write(rotation.fresh.orElseThrow());
        } catch (Trouble e) {
            boolean seen = seen();
            if (seen && holdsNew()) {
                return Done.warn("holds the new key, although the tool complained: " + e.getMessage());
            }
            boolean refused = e.kind == Trouble.Kind.REFUSED && seen && holdsOld();
            if (first && (e.kind == Trouble.Kind.MISSING || refused)) {
                note(false, "");
            }
            throw e;
        }
        if (!store.readable() && seen()) {
            note(true, now.version());
        }
        return Done.ok("stored");
    }

    /** What was written is what comes back. */
    Done readBack() throws Trouble {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        for (int left = TRIES; !saw(store.read()).holds(rotation.newPrint()) && left > 1; left--) {
            AppWatch.pause(AppWatch.INTERVAL);
        }
        if (holdsNew()) {
            return Done.ok("holds the new key, sha256 " + rotation.newPrint() + now.versionWords());
        }
        refuseStranger();
        if (mangled()) {
            note(true, now.key().orElseThrow().fingerprint());
        }
        throw Trouble.unknown("gives back " + now + " instead of sha256 " + rotation.newPrint());
    }

    /** Nobody has set it since. */
    Done lookAgain() throws Trouble {
        if (!saw(store.read()).holds(rotation.newPrint())) {
            throw stranger();
        }
        return Done.ok("still holds the new key");
    }

    // Before it is written: what cannot be noted is not done.
    private void note(boolean touched, String wrote) throws Trouble {
        Entry last = kept;
        kept = new Entry(name(), last.before(), last.version(), touched, wrote);
        try {
            rotation.progress.save(kept);
        } catch (Trouble e) {
            kept = last;
            throw e;
        }
    }

    // ---- back

    /** Whether it holds what somebody else set; a store that cannot be read now is not called so. */
    boolean strange() {
        return seen() && !ours();
    }

    /** Makes it hold its old value again. */
    Done putBack() throws Trouble {
        Optional<Trouble> trouble = Optional.empty();
        boolean back = seen() && holdsOld();
        for (int left = TRIES; left > 1 && !back; left--) {
            trouble = written(oldValue());
            back = store.readable() ? seen() && holdsOld() : trouble.isEmpty();
        }
        if (!back) {
            throw trouble.orElseGet(() -> Trouble.unknown("does not give back the old value, but " + now));
        }
        return Done.ok("holds the old value again" + (store.readable() ? ", " + words(kept.before()) : ""));
    }

    private Optional<Trouble> written(Key key) {
        try {
            if (!store.readable()) {
                // Until it is written nobody knows what such a store has.
                note(true, "");
            }
            store.write(key);
            return Optional.empty();
        } catch (Trouble e) {
            return Optional.of(e);
        }
    }

    private Key oldValue() throws Trouble {
        if (old.isEmpty()) {
            // After a kill nobody has it in memory: its own history may.
            old = store.recall(kept.version()).filter(key -> key.fingerprint().equals(kept.before()));
            old.ifPresent(rotation.tool::conceal);
        }
        return old.orElseThrow(() -> Trouble.refused("its old value, " + words(kept.before())
                + ", is nowhere to be had", "finish instead: run the same command again with the new key"));
    }
}
