package runbook.rotation;

import java.time.*;
import java.util.*;
import runbook.*;
import runbook.Screen.Mark;
import runbook.rotation.Progress.*;
import runbook.rotation.Stores.Held;
import runbook.rotation.Stores.Place;

/** One store in one rotation: written, forward and back, only while it holds what that last left or saw there. */
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

    // ---- what it holds

    private Held look() {
        now = store.held();
        return now;
    }

    private boolean seen() {
        try {
            look();
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

    private String wanted(Way way) {
        return way == Way.BACK ? kept.before : probes.newPrint();
    }

    private String words(String mark) {
        return (store.readable() ? "sha256 " : "version ") + Text.safe(mark, 40);
    }

    private String holding() {
        return now.key().filter(held -> held.reveal().isEmpty()).isPresent() ? "nothing" : words(now.mark());
    }

    // Of a store that tells nothing nobody knows.
    private void refuseStranger() {
        boolean ours = now.mark().isEmpty() || holds(kept.before) || holdsNew() || holdsWhatWasLeft();
        String last = kept.touched ? "left " + words(kept.wrote) + " there (before: " + words(kept.before) + ")"
                : "saw " + words(kept.before) + " there";
        String record = Text.word(progress.incident.folder().resolve(Progress.FILE).toString());
        Trouble.when(!ours, "holds " + holding() + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays",
                "rm -f " + record + "   # once you know which key is right, then begin anew");
    }

    // It may have come back with something around it (a line end, quotes), or as nothing.
    private boolean holdsWhatWasLeft() {
        boolean mangled = now.key().map(Key::reveal).filter(held -> held.isEmpty()
                || probes.fresh.map(Key::reveal).filter(held::contains).isPresent()).isPresent();
        return kept.touched && (kept.wrote.isEmpty() || holds(kept.wrote) || mangled);
    }

    // ---- its steps

    void tidy() {
        if (!progress.looking) {
            store.tidy();
        }
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done inspect() {
        tidy();
        now = store.inspected();
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
        String holds = "holds " + (kept.touched ? which : "") + held.describe();
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

    // What it is to be written with, at hand and allowed; empty where it holds that already.
    private Optional<Key> due(Way way) {
        // On the way back, one that cannot be looked at is written all the same.
        if (!seen() && way == Way.FORWARD) {
            look();
        }
        if (holds(wanted(way))) {
            return Optional.empty();
        }
        refuseStranger();
        return Optional.of(way == Way.BACK ? oldValue() : probes.fresh.orElseThrow());
    }

    /** Nobody else has set it, and its old value is at hand; where it cannot be read, nobody is said to have. */
    Done mayGoBack() {
        due(Way.BACK);
        String unknown = now == Held.UNSEEN ? "cannot be looked at now"
                : "tells nothing of what it holds: nobody knows who set it last";
        return now.mark().isEmpty() ? Done.warn(unknown)
                : Done.ok("holds " + holding() + ", and nobody else has set it");
    }

    /** Makes it hold the new key, or the old value again, unless it does already. */
    Done put(Way way) {
        Optional<Key> due = due(way);
        if (due.isEmpty()) {
            return Done.skipped("holds the " + (way == Way.BACK ? "old value" : "new key") + " already");
        }
        String complaint = written(due.get(), way);
        if (!store.readable() && seen()) {
            note(true, now.version());
        }
        if (way == Way.BACK) {
            return readBack(Way.BACK);
        }
        return complaint.isEmpty() ? Done.ok("stored")
                : Done.warn("holds the new key, although the tool complained: " + complaint);
    }

    // The tool may have done it even when it fails: gives its complaint then.
    private String written(Key key, Way way) {
        boolean touched = kept.touched;
        String wrote = kept.wrote;
        // Until it is written nobody knows what a store has that gives nothing back.
        note(true, store.readable() ? probes.newPrint() : "");
        try {
            store.write(key, now);
            return "";
        } catch (Trouble e) {
            if (seen() && holds(wanted(way))) {
                return e.getMessage();
            } else if (e.effect == Effect.NONE || e.effect == Effect.DENIED && holds(kept.before)) {
                note(touched, wrote);
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

    /** What was written is what comes back, then and later. */
    Done readBack(Way way) {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        Progress.until(this::look, held -> holds(wanted(way)), SETTLING, held -> Progress.INTERVAL);
        refuseStranger();
        Trouble.when(!holds(wanted(way)), "gives back " + holding() + " instead of sha256 " + wanted(way));
        return Done.ok("holds the " + (way == Way.BACK ? "old value again, " : "new key, ") + holding());
    }

    // It is in memory, or after a kill in the store's own history; of a store that does not tell, it is the old key.
    private Key oldValue() {
        Optional<Key> held = store.readable() ? probes.atHand(kept.before) : probes.old();
        return held.or(() -> store.held(kept.version).filter(was -> was.mark().equals(kept.before)).flatMap(Held::key))
                .orElseThrow(() -> new Trouble("its old value, " + words(kept.before) + ", is at hand nowhere:"
                        + " finishing is the way, unless you have it and give it (--key-file)",
                        progress.wishes.again().apply(false)));
    }

    /** The way back in words, for a person with the command for that. */
    Done byHand() {
        String undo = store.undo(kept.version);
        String print = store.readable() ? " (" + words(kept.before) + ")" : "";
        return new Done(Mark.NONE, undo.isEmpty() ? "put the old key" + print + " back into it"
                : "put its old value back from its own history", undo);
    }
}
