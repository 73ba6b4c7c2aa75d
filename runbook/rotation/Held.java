package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.Text;

/**
 * What a store holds.
 *
 * @param key     the value; empty where the store cannot be read back
 * @param version the store's own name for it (a version id, a number, a time of change); empty where it has none
 */
record Held(Optional<Key> key, String version) {
    static Held of(String value, String version) {
        return new Held(Optional.of(Key.of(value)), version);
    }

    boolean holds(String fingerprint) {
        return key.filter(held -> held.fingerprint().equals(fingerprint)).isPresent();
    }

    @Override
    public String toString() {
        return key.map(held -> held.reveal().isEmpty() ? "nothing" : "sha256 " + held.fingerprint()).orElse("unreadable")
                + versionWords();
    }

    /** The version as the end of a sentence; empty where there is none. */
    String versionWords() {
        return version.isEmpty() ? "" : ", version " + Text.safe(version, 40);
    }
}
