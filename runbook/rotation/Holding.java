package runbook.rotation;

import java.time.*;
import java.util.*;
import java.util.function.*;
import runbook.*;
import runbook.Screen.Mark;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Rotation.Wishes;
import runbook.rotation.Stores.Place;

/**
 * One store in the course of one rotation. It is written, forward and back, only while it holds what this rotation last
 * left or saw there.
 */
final class Holding {
    private static final Duration SETTLING = Duration.ofSeconds(3);

    /**
     * What a store holds: the key, where it gives it back; its own name for that, where it has one; by what it is
     * known, the key's fingerprint or else that name, empty where nothing tells; and the document that it is part of.
     */
    record Held(Optional<Key> key, String version, String mark, Optional<Embedded> within) {
        static final Held UNSEEN = new Held(Optional.empty(), "", "", Optional.empty());

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
    /** What is kept of it, by an earlier run too. */
    final Entry kept;
    private final Wishes wishes;
    private final Progress progress;
    private final Keys keys;
    Held now = Held.UNSEEN;

    Holding(Place store, Wishes wishes, Progress progress, Keys keys) {
        this.store = store;
        this.kept = progress.kept.stores.computeIfAbsent(store.name(), first -> new Entry());
        this.wishes = wishes;
        this.progress = progress;
        this.keys = keys;
    }

    // ---- what it holds

    private Held saw(Held held) {
        now = held;
        now.key().ifPresent(wishes.tool()::conceal);
        return now;
    }

    private boolean seen() {
        try {
            saw(store.read());
            return true;
        } catch (Trouble e) {
            now = Held.UNSEEN;
            return false;
        }
    }

    private boolean holdsNew() {
        return now.holds(keys.newPrint());
    }

    private boolean holdsOld() {
        return !now.mark().isEmpty() && now.mark().equals(kept.before);
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + mark;
    }

    // What this rotation left may have come back with something around it (a line end, quotes), or as nothing; and of a
    // store that tells nothing nobody knows.
    private void refuseStranger() {
        boolean mangled = now.key().filter(held -> held.reveal().isEmpty()
                || keys.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
        boolean left = kept.wrote.isEmpty() || now.mark().equals(kept.wrote) || holdsNew() || mangled;
        boolean ours = now.mark().isEmpty() || holdsOld() || kept.touched && left;
        String wrote = store.readable() ? keys.newPrint() : kept.wrote;
        String last = kept.touched ? "left " + words(wrote) + " there (before: " + words(kept.before) + ")"
                : "saw " + words(kept.before) + " there";
        Trouble.when(!ours, "holds " + now + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays", progress.anew());
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done inspect() {
        saw(store.inspect());
        if (!kept.touched) {
            kept.before = now.mark();
            kept.version = now.version();
        }
        if (!store.readable()) {
            return Done.warn("there; " + store.note() + (kept.touched ? "; the run before has written it" : ""));
        }
        refuseStranger();
        Key held = now.key().orElseThrow();
        String which = holdsOld() ? "the old key, " : "the new key (before: " + words(kept.before) + "), ";
        String holds = "holds " + (kept.touched ? which : "") + held.describe() + now.versionWords();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key");
    }

    // ---- forward

    String plan() {
        if (keys.fresh.isPresent() && holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String back = store.undo(kept.version).isEmpty() ? "its old value, kept in memory; after a kill, finish, or"
                + " give the old key again (--key-file)" : "its version " + kept.version;
        return "way back: " + back + (store.note().isEmpty() ? "" : "; " + store.note());
    }

    Done write() {
        if (saw(store.read()).holds(keys.newPrint())) {
            return Done.skipped("holds the new key already");
        }
        refuseStranger();
        boolean first = !kept.touched;
        note(true, store.readable() ? keys.newPrint() : "");
        try {
            String complaint = put(keys.fresh.orElseThrow(), this::holdsNew);
            if (!store.readable() && seen()) {
                note(true, now.version());
            }
            return complaint.isEmpty() ? Done.ok("stored")
                    : Done.warn("holds the new key, although the tool complained: " + complaint);
        } catch (Trouble e) {
            if (first && (e.effect == Effect.NONE || e.effect == Effect.DENIED && holdsOld())) {
                note(false, "");
            }
            throw e;
        }
    }

    // What is noted before it is written, for what cannot be noted is not done.
    private void note(boolean touched, String wrote) {
        kept.touched = touched;
        kept.wrote = wrote;
        progress.save();
    }

    // Writes it, and gives the tool's complaint where it holds the value all the same.
    private String put(Key key, BooleanSupplier holds) {
        try {
            store.write(key, now);
            return "";
        } catch (Trouble e) {
            if (seen() && holds.getAsBoolean()) {
                return e.getMessage();
            }
            throw e;
        }
    }

    /** What was written is what comes back, then and later. */
    Done readBack() {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        String wanted = keys.newPrint();
        Progress.until(() -> saw(store.read()), held -> held.holds(wanted), SETTLING, held -> Progress.INTERVAL);
        refuseStranger();
        Trouble.when(!holdsNew(), "gives back " + now + " instead of sha256 " + wanted);
        return Done.ok("holds the new key, sha256 " + wanted + now.versionWords());
    }

    // ---- back

    /** Nobody else has set it, and its old value is at hand; where it cannot be read, nobody is said to have. */
    Done mayGoBack() {
        boolean seen = seen();
        refuseStranger();
        if (!holdsOld()) {
            oldValue();
        }
        return seen ? Done.ok("holds " + now + ", and nobody else has set it") : Done.warn("cannot be looked at now");
    }

    Done putBack() {
        if (!seen() || !holdsOld()) {
            refuseStranger();
            Key value = oldValue();
            if (!store.readable()) {
                // Until it is written nobody knows what such a store has.
                note(true, "");
            }
            put(value, this::holdsOld);
            Trouble.when(store.readable() && !saw(store.read()).holds(kept.before),
                    "does not give back the old value, but " + now, "");
        }
        return Done.ok("holds the old value again" + (store.readable() ? ", " + words(kept.before) : ""));
    }

    // It is in memory, or after a kill in the store's own history; of a store that does not tell, it is the old key.
    private Key oldValue() {
        Optional<Key> held = store.readable() ? keys.known(kept.before) : keys.old;
        Optional<Key> value = held.or(() -> store.recall(kept.version)
                .filter(key -> key.fingerprint().equals(kept.before)));
        value.ifPresent(wishes.tool()::conceal);
        String way = progress.kept.dead ? ", and Klaviyo refused it when this rotation began: finishing is the way"
                : ": finishing is the way, unless you have it and give it (--key-file)";
        return value.orElseThrow(() -> new Trouble(Effect.DENIED, "its old value, " + words(kept.before)
                + ", is at hand nowhere" + way, wishes.again().get()));
    }

    Done byHand() {
        String undo = store.undo(kept.version);
        String print = store.readable() ? " (" + words(kept.before) + ")" : "";
        String again = "put the old key" + print + " back into " + store.name();
        return undo.isEmpty() ? new Done(Mark.NONE, again, store.writing())
                : new Done(Mark.NONE, "put the old value of " + store.name() + " back from its own history", undo);
    }
}
