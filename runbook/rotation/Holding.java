package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import java.util.Optional;
import runbook.Key;
import runbook.Text.Json;
import runbook.rotation.Steps.Done;
import runbook.rotation.Steps.HandStep;
import runbook.rotation.Steps.Trouble;
import runbook.rotation.Stores.Held;
import runbook.rotation.Stores.Store;

/**
 * One store in the course of one rotation: what it held before, what we wrote, and how far we are with it. It is
 * written, forward and back, only while it holds what this rotation last left or saw there.
 */
final class Holding {
    private static final int TRIES = 3;

    /** How far a rotation is with a store. */
    enum State { UNTOUCHED, WRITING, WRITTEN, RESTORING, RESTORED }

    final Store store;
    private final Rotation rotation;
    /** Fingerprint of the value before the rotation; empty where the store cannot be read. */
    private String before = "";
    /** The store's own name for that value. */
    private String version = "";
    /** What this rotation left there: a fingerprint, or the version of a store that gives no value back. */
    private String wrote = "";
    private State state = State.UNTOUCHED;
    /** The value before, as long as somebody has it. */
    Optional<Key> old = Optional.empty();
    /** What it held when last looked at. */
    Held now = new Held(Optional.empty(), "");

    Holding(Store store, Rotation rotation) {
        this.store = store;
        this.rotation = rotation;
    }

    String name() {
        return store.name();
    }

    boolean touched() {
        return state != State.UNTOUCHED;
    }

    JsonNode json() {
        return Json.object().put("name", name()).put("before", before).put("version", version).put("wrote", wrote)
                .put("state", state.name());
    }

    /** What an earlier run noted. */
    void restore(String earlier, String itsVersion, String written, State left) {
        before = earlier;
        version = itsVersion;
        wrote = written;
        state = left;
    }

    /** The way back where the store does not tell: the responder's key, or another store's, if it can only be this. */
    void settle(Iterable<Key> known, Optional<Key> likely) throws Trouble {
        if (old.isEmpty() && before.isEmpty()) {
            old = likely;
        } else if (old.isEmpty()) {
            known.forEach(key -> old = key.fingerprint().equals(before) ? Optional.of(key) : old);
        }
        if (!store.readable() && old.isEmpty() && rotation.resumed().isEmpty()) {
            throw Trouble.refused(name() + " cannot be read, so there would be no way back",
                    "give the key that it holds now: KLAVIYO_PRIVATE_KEY or --key-file");
        }
    }

    // ---- what it holds

    private Held read() throws Trouble {
        return saw(store.read(rotation.tool));
    }

    private Held saw(Held held) {
        now = held;
        now.key().ifPresent(rotation.tool::conceal);
        return now;
    }

    private boolean seen() {
        try {
            read();
            return true;
        } catch (Trouble e) {
            return false;
        }
    }

    private boolean holdsNew() {
        return now.holds(rotation.newPrint());
    }

    private boolean holdsOld() {
        return store.readable() ? now.holds(before) : !version.isEmpty() && now.version().equals(version);
    }

    // With something around it (a line end, quotes), or nothing: what a tool makes of half a write.
    private boolean mangled() {
        return now.key().filter(held -> held.reveal().isEmpty()
                || rotation.fresh.filter(key -> held.reveal().contains(key.reveal())).isPresent()).isPresent();
    }

    private boolean ours() {
        if (holdsOld()) {
            return true;
        } else if (!store.readable()) {
            return touched() ? wrote.isEmpty() || now.version().equals(wrote) : version.isEmpty();
        }
        return touched() && (now.holds(wrote) || holdsNew() || mangled());
    }

    /** Fails with both fingerprints where somebody else has set it. */
    Done refuseStranger() throws Trouble {
        if (!ours()) {
            throw stranger();
        }
        return Done.ok("ours");
    }

    private Trouble stranger() {
        String first = store.readable() ? "sha256 " + before : "version " + version;
        String last = touched() ? "left " + (store.readable() ? "sha256 " + rotation.newPrint() : "version " + wrote)
                + " there (before: " + first + ")" : "saw " + first + " there";
        return Trouble.refused("holds " + now + ", and this rotation " + last
                + ": somebody else has set it meanwhile, and it stays", rotation.anew());
    }

    /** Preflight: all that would keep it from being written, and what it holds. */
    Done look() throws Trouble {
        saw(store.inspect(rotation.tool));
        if (!touched()) {
            before = now.key().map(Key::fingerprint).orElse("");
            version = now.version();
        }
        if (!store.readable()) {
            return Done.warn("there; " + store.note()
                    + (touched() ? "; the run before left it " + state.name().toLowerCase(Locale.ROOT) : ""));
        }
        refuseStranger();
        Key held = now.key().orElseThrow();
        old = holdsOld() ? Optional.of(held) : old;
        String holds = "holds " + (!touched() ? "" : holdsOld() ? "the old key, " : "the new key, ") + held.describe()
                + now.versionWords();
        return held.known() ? Done.ok(holds) : Done.warn(holds + ", which is no private key"
                + held.faults().stream().map(fault -> ": " + fault).findFirst().orElse(""));
    }

    /** What the plan says of {@link #write}. */
    String plan() {
        if (rotation.fresh.isPresent() && holdsNew()) {
            return "holds the new key already: nothing to do";
        }
        String back = old.map(key -> "sha256 " + key.fingerprint() + ", kept in memory; ").orElse("");
        if (!undo().isEmpty()) {
            back += "after a crash from its version " + version;
        } else {
            back += back.isEmpty() ? "none: its old value is nowhere to be had, so only forward"
                    : "after a crash from another store or KLAVIYO_PRIVATE_KEY, else only forward";
        }
        return "way back: " + back + (store.note().isEmpty() ? "" : "; " + store.note());
    }

    /** What a person pastes to bring the old value back from the store's history; empty where it has none. */
    private String undo() {
        return version.isEmpty() ? "" : store.undo(version);
    }

    HandStep byHand() {
        String print = before.isEmpty() ? "" : " (sha256 " + before + ")";
        return undo().isEmpty() ? new HandStep("put the old key" + print + " back into " + name(), store.writing())
                : new HandStep("put the old value of " + name() + " back from its own history", undo());
    }

    // ---- forward

    /** Makes it hold the new key. */
    Done write() throws Trouble {
        if (read().holds(rotation.newPrint())) {
            return Done.skipped("holds the new key already");
        }
        refuseStranger();
        boolean first = !touched();
        enter(State.WRITING, rotation.newPrint());
        try {
            store.write(rotation.tool, rotation.fresh.orElseThrow());
        } catch (Trouble e) {
            boolean seen = seen();
            if (seen && holdsNew()) {
                enter(State.WRITTEN, rotation.newPrint());
                return Done.warn("holds the new key, although the tool complained: " + e.getMessage());
            }
            boolean refused = e.kind == Trouble.Kind.REFUSED && seen && holdsOld();
            if (first && (e.kind == Trouble.Kind.MISSING || refused)) {
                enter(State.UNTOUCHED, "");
            }
            throw e;
        }
        enter(State.WRITTEN, store.readable() ? rotation.newPrint() : seen() ? now.version() : "");
        return Done.ok("stored");
    }

    /** What was written is what comes back. */
    Done readBack() throws Trouble {
        if (!store.readable()) {
            return Done.skipped("not compared: " + store.note());
        }
        for (int left = TRIES; !read().holds(rotation.newPrint()) && left > 1; left--) {
            AppWatch.pause(AppWatch.INTERVAL);
        }
        if (holdsNew()) {
            return Done.ok("holds the new key, sha256 " + rotation.newPrint() + now.versionWords());
        }
        refuseStranger();
        if (mangled()) {
            enter(State.WRITTEN, now.key().orElseThrow().fingerprint());
        }
        throw Trouble.unknown("gives back " + now + " instead of sha256 " + rotation.newPrint());
    }

    /** Nobody has set it since. */
    Done lookAgain() throws Trouble {
        if (!read().holds(rotation.newPrint())) {
            throw stranger();
        }
        return Done.ok("still holds the new key");
    }

    private void enter(State next, String written) throws Trouble {
        State last = state;
        state = next;
        wrote = store.readable() || next != State.WRITING ? written : "";
        try {
            rotation.save();
        } catch (Trouble e) {
            state = next == State.WRITING ? last : next;
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
        Trouble last = null;
        if (!seen() || !holdsOld()) {
            Key key = oldValue();
            note(State.RESTORING);
            boolean back = false;
            for (int left = TRIES; left > 1 && !back; left--) {
                try {
                    last = null;
                    store.write(rotation.tool, key);
                } catch (Trouble e) {
                    last = e;
                }
                back = store.readable() ? seen() && holdsOld() : last == null;
            }
            if (!back) {
                throw last != null ? last : Trouble.unknown("does not give back the old value, but " + now);
            }
        }
        note(State.RESTORED);
        return Done.ok("holds the old value again" + (before.isEmpty() ? "" : ", sha256 " + before));
    }

    private Key oldValue() throws Trouble {
        if (old.isEmpty()) {
            // After a kill nobody has it in memory: its own history may.
            old = store.recall(rotation.tool, version).filter(key -> key.fingerprint().equals(before));
            old.ifPresent(rotation.tool::conceal);
        }
        return old.orElseThrow(() -> Trouble.refused("its old value, sha256 " + before + ", is nowhere to be had",
                "finish instead: run the same command again with the new key"));
    }

    private void note(State next) {
        try {
            enter(next, wrote);
        } catch (Trouble e) {
            // Going back matters more than the note of it.
            rotation.waiting(e.getMessage());
        }
    }
}
