package runbook.rotation;

import java.time.*;
import java.util.*;
import runbook.*;
import runbook.Screen.Mark;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Effect;
import runbook.rotation.Progress.Entry;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Stores.Held;
import runbook.rotation.Stores.Place;

/**
 * One store in the course of one rotation. It is written, forward and back, only while it holds what this rotation last
 * left or saw there.
 */
final class Holding {
    private static final Duration SETTLING = Duration.ofSeconds(3);

    final Place store;
    /** What is kept of it, by an earlier run too. */
    final Entry kept;
    private final Progress progress;
    private final Probes probes;
    Held now = Held.UNSEEN;

    Holding(Place store, Progress progress, Probes probes) {
        this.store = store;
        this.kept = progress.kept.stores.computeIfAbsent(store.name(), first -> new Entry());
        this.progress = progress;
        this.probes = probes;
    }

    private Held saw(Held held) {
        now = held;
        held.key().ifPresent(progress.wishes.tool()::conceal);
        return held;
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

    private boolean holds(String mark) {
        return !mark.isEmpty() && now.mark().equals(mark);
    }

    boolean holdsNew() {
        return holds(probes.newPrint());
    }

    private String wanted(boolean back) {
        return back ? kept.before : probes.newPrint();
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + mark;
    }

    // What this rotation left may have come back with something around it (a line end, quotes), or as nothing; and of a
    // store that tells nothing nobody knows.
    private void refuseStranger() {
        boolean mangled = now.key().filter(held -> held.reveal().isEmpty()
                || probes.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
        boolean left = kept.touched && (kept.wrote.isEmpty() || holds(kept.wrote) || mangled);
        String last = kept.touched ? "left " + words(kept.wrote) + " there (before: " + words(kept.before) + ")"
                : "saw " + words(kept.before) + " there";
        Trouble.when(!now.mark().isEmpty() && !holds(kept.before) && !holdsNew() && !left, "holds " + now
                + ", and this rotation " + last + ": somebody else has set it meanwhile, and it stays",
                "rm -f " + progress.file() + "   # once you know which key is right, then begin anew");
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done inspect() {
        saw(store.inspect());
        if (!kept.touched) {
            kept.before = now.mark();
            kept.version = now.version();
        }
        refuseStranger();
        if (!store.readable()) {
            return Done.warn("there; " + store.note() + (kept.touched ? "; the run before has written it" : ""));
        }
        Key held = now.key().orElseThrow();
        String which = holds(kept.before) ? "the old key, " : "the new key (before: " + words(kept.before) + "), ";
        String holds = "holds " + (kept.touched ? which : "") + held.describe() + now.versionWords();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key");
    }

    String plan() {
        if (holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String back = store.undo(kept.version).isEmpty() ? "its old value, kept in memory; after a kill, finish, or"
                + " give the old key again (--key-file)" : "its version " + kept.version;
        return "way back: " + back + "\n" + store.note();
    }

    /** Makes it hold the new key, or the old value again, unless it does already. */
    Done put(boolean back) {
        if (!seen() && !back) {
            saw(store.read());
        } else if (holds(wanted(back))) {
            return Done.skipped("holds the " + (back ? "old value" : "new key") + " already");
        }
        refuseStranger();
        Key key = back ? oldValue() : probes.fresh.orElseThrow();
        boolean touched = kept.touched;
        String wrote = kept.wrote;
        // Until it is written nobody knows what a store has that gives nothing back.
        note(true, store.readable() ? probes.newPrint() : "");
        String complaint = "";
        try {
            store.write(key, now);
        } catch (Trouble e) {
            if (!seen() || !holds(wanted(back))) {
                boolean nothing = e.effect == Effect.NONE || e.effect == Effect.DENIED && holds(kept.before);
                note(touched || !nothing, nothing ? wrote : kept.wrote);
                throw e;
            }
            complaint = ", although the tool complained: " + e.getMessage();
        }
        if (!store.readable() && seen()) {
            note(true, now.version());
        }
        if (back) {
            return readBack(true);
        }
        return complaint.isEmpty() ? Done.ok("stored") : Done.warn("holds the new key" + complaint);
    }

    // What is noted before it is written, for what cannot be noted is not done.
    private void note(boolean touched, String wrote) {
        kept.touched = touched;
        kept.wrote = wrote;
        progress.save();
    }

    /** What was written is what comes back, then and later. */
    Done readBack(boolean back) {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        Progress.until(() -> saw(store.read()), held -> holds(wanted(back)), SETTLING, held -> Progress.INTERVAL);
        refuseStranger();
        Trouble.when(!holds(wanted(back)), "gives back " + now + " instead of sha256 " + wanted(back));
        return Done.ok("holds the " + (back ? "old value again, " : "new key, ") + now);
    }

    /** Nobody else has set it, and its old value is at hand; where it cannot be read, nobody is said to have. */
    Done mayGoBack() {
        boolean seen = seen();
        refuseStranger();
        if (!holds(kept.before)) {
            oldValue();
        }
        return seen ? Done.ok("holds " + now + ", and nobody else has set it") : Done.warn("cannot be looked at now");
    }

    // It is in memory, or after a kill in the store's own history; of a store that does not tell, it is the old key.
    private Key oldValue() {
        Optional<Key> held = store.readable() ? probes.known(kept.before) : probes.old;
        Optional<Key> value = held.or(() -> store.recall(kept.version)
                .filter(key -> key.fingerprint().equals(kept.before)));
        value.ifPresent(progress.wishes.tool()::conceal);
        return value.orElseThrow(() -> new Trouble(Effect.DENIED, "its old value, " + words(kept.before)
                + ", is at hand nowhere: finishing is the way, unless you have it and give it (--key-file)",
                progress.wishes.again().get()));
    }

    Done byHand() {
        String undo = store.undo(kept.version);
        String print = store.readable() ? " (" + words(kept.before) + ")" : "";
        return undo.isEmpty() ? new Done(Mark.NONE, "put the old key" + print + " back into " + store.name(),
                store.writing()) : new Done(Mark.NONE, "put the old value of " + store.name()
                        + " back from its own history", undo);
    }
}
