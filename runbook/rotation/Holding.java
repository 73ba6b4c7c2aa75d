package runbook.rotation;

import java.util.Optional;
import runbook.Key;

/** One store in the course of one rotation: what it held before, and how far we are with it. */
final class Holding {
    /** How far a rotation is with a store. */
    enum State { UNTOUCHED, WRITING, WRITTEN, RESTORING, RESTORED }

    final SecretStore store;
    /** Fingerprint of the value before the rotation; empty where the store cannot be read. */
    String before = "";
    /** The store's own name for that value. */
    String version = "";
    /** The value itself, as long as somebody has it. */
    Optional<Key> old = Optional.empty();
    /** What it held when last looked at. */
    Held now = new Held(Optional.empty(), "");
    State state = State.UNTOUCHED;

    Holding(SecretStore store) {
        this.store = store;
    }

    String name() {
        return store.name();
    }

    boolean touched() {
        return state != State.UNTOUCHED;
    }
}
