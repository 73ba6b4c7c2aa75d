package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.Text;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Rotation.HandStep;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Stores.Place;

/**
 * One store in the course of one rotation. It is written, forward and back, only while it holds what this rotation last
 * left or saw there.
 */
final class Holding {
    private static final int TRIES = 3;
    private static final Held UNSEEN = new Held(Optional.empty(), "", "", Optional.empty());

    /**
     * What a store holds: the key, where it gives it back; its own name for that, where it has one; by what it is
     * known, the key's fingerprint or else that name, empty where nothing tells; and the document that it is part of.
     */
    record Held(Optional<Key> key, String version, String mark, Optional<Embedded> within) {
        boolean holds(String fingerprint) {
            return key.isPresent() && mark.equals(fingerprint);
        }

        String versionWords() {
            return version.isEmpty() ? "" : ", version " + Text.safe(version, 40);
        }

        @Override
        public String toString() {
            return key.map(held -> held.reveal().isEmpty() ? "nothing" : "sha256 " + mark).orElse("something")
                    + versionWords();
        }
    }

    final Place store;
    private final Rotation rotation;
    private final Entry kept;
    /** What it holds as far as the last look told. */
    Held now = UNSEEN;

    /** The store, and what is kept of it, by an earlier run too. */
    Holding(Place store, Rotation rotation) {
        this.store = store;
        this.rotation = rotation;
        this.kept = rotation.progress.kept.stores.computeIfAbsent(store.name(), first -> new Entry());
    }

    boolean touched() {
        return kept.touched;
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
            now = UNSEEN;
            return false;
        }
    }

    private boolean holdsNew() {
        return now.holds(rotation.keys.newPrint());
    }

    private boolean holdsOld() {
        return !now.mark().isEmpty() && now.mark().equals(kept.before);
    }

    // What this rotation left may have come back with something around it (a line end, quotes), or as nothing; and of a
    // store that tells nothing nobody knows.
    private boolean ours() {
        boolean mangled = now.key().filter(held -> held.reveal().isEmpty()
                || rotation.keys.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
        boolean left = kept.wrote.isEmpty() || now.mark().equals(kept.wrote) || holdsNew() || mangled;
        return now.mark().isEmpty() || holdsOld() || touched() && left;
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + mark;
    }

    private void refuseStranger() {
        String left = words(store.readable() ? rotation.keys.newPrint() : kept.wrote);
        String last = touched() ? "left " + left + " there (before: " + words(kept.before) + ")"
                : "saw " + words(kept.before) + " there";
        Trouble.refuse(!ours(), "holds " + now + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays", rotation.progress.anew());
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done inspect() {
        saw(store.inspect());
        if (!touched()) {
            kept.before = now.mark();
            kept.version = now.version();
        }
        if (!store.readable()) {
            return Done.warn("there; " + store.note() + (touched() ? "; the run before has written it" : ""));
        }
        refuseStranger();
        Key held = now.key().orElseThrow();
        String which = holdsOld() ? "the old key, " : "the new key, ";
        String holds = "holds " + (touched() ? which : "") + held.describe() + now.versionWords();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key");
    }

    // ---- forward

    /** What the plan says of {@link #write}. */
    String plan() {
        if (rotation.keys.fresh.isPresent() && holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String back = history().isEmpty() ? "what it holds now, from memory; after a kill, finish, or give the old key"
                + " again (--key-file)" : "its version " + kept.version;
        return "way back: " + back + (store.note().isEmpty() ? "" : "; " + store.note());
    }

    /** Makes it hold the new key. */
    Done write() {
        if (saw(store.read()).holds(rotation.keys.newPrint())) {
            return Done.skipped("holds the new key already");
        }
        refuseStranger();
        boolean first = !touched();
        note(true, store.readable() ? rotation.keys.newPrint() : "");
        try {
            store.write(rotation.keys.fresh.orElseThrow(), now);
        } catch (Trouble e) {
            boolean seen = seen();
            if (seen && holdsNew()) {
                return Done.warn("holds the new key, although the tool complained: " + e.getMessage());
            }
            boolean refused = e.effect == Effect.DENIED && seen && holdsOld();
            if (first && (e.effect == Effect.NONE || refused)) {
                note(false, "");
            }
            throw e;
        }
        if (!store.readable() && seen()) {
            note(true, now.version());
        }
        return Done.ok("stored");
    }

    /** What was written is what comes back, then and later. */
    Done readBack() {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        for (int left = TRIES; !saw(store.read()).holds(rotation.keys.newPrint()) && left > 1; left--) {
            AppWatch.pause(AppWatch.INTERVAL);
        }
        refuseStranger();
        Trouble.fail(!holdsNew(), "gives back " + now + " instead of sha256 " + rotation.keys.newPrint());
        return Done.ok("holds the new key, sha256 " + rotation.keys.newPrint() + now.versionWords());
    }

    // Before it is written: what cannot be noted is not done.
    private void note(boolean touched, String wrote) {
        kept.touched = touched;
        kept.wrote = wrote;
        rotation.progress.save();
    }

    // ---- back

    /** Fails with both fingerprints where somebody else has set it; where it cannot be read, nobody is said to have. */
    Done stillOurs() {
        if (!seen()) {
            return Done.warn("cannot be looked at now");
        }
        refuseStranger();
        return Done.ok("holds " + now + ", and nobody else has set it");
    }

    /** Makes it hold its old value again. */
    Done putBack() {
        if (!seen() || !holdsOld()) {
            Key value = oldValue();
            if (!store.readable()) {
                // Until it is written nobody knows what such a store has.
                note(true, "");
            }
            try {
                store.write(value, now);
            } catch (Trouble e) {
                // The tool may have stored it all the same.
                if (!seen() || !holdsOld()) {
                    throw e;
                }
            }
            Trouble.refuse(store.readable() && !saw(store.read()).holds(kept.before),
                    "does not give back the old value, but " + now, "");
        }
        return Done.ok("holds the old value again" + (store.readable() ? ", " + words(kept.before) : ""));
    }

    // It is in memory, or after a kill in the store's own history; of a store that does not tell, it is the old key.
    private Key oldValue() {
        Optional<Key> old = store.readable() ? rotation.keys.known(kept.before) : rotation.keys.old;
        if (old.isEmpty()) {
            old = store.recall(kept.version).filter(key -> key.fingerprint().equals(kept.before));
            old.ifPresent(rotation.tool::conceal);
        }
        return old.orElseThrow(() -> new Trouble(Effect.DENIED, "its old value, " + words(kept.before)
                + ", is nowhere to be had", "finish instead: run the same command again with the new key"));
    }

    // What a person pastes to bring the old value back; empty where the store keeps no old ones.
    private String history() {
        return store.undo(kept.version);
    }

    HandStep byHand() {
        String print = store.readable() ? " (" + words(kept.before) + ")" : "";
        return history().isEmpty() ? new HandStep("put the old key" + print + " back into " + store.name(),
                store.writing()) : new HandStep("put the old value of " + store.name()
                        + " back from its own history", history());
    }
}
