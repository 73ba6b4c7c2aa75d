package runbook.rotation;

import java.util.Optional;

/**
 * What a key is worth to Klaviyo.
 *
 * @param state   whether it authenticates
 * @param account the id of its account, which is its public site id too; empty where nothing tells
 * @param words   what was answered, for one line
 */
record Standing(State state, Optional<String> account, String words) {
    enum State { VALID, INVALID, UNKNOWN }

    boolean valid() {
        return state == State.VALID;
    }
}
