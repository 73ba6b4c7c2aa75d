package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import runbook.Key;

/**
 * A private key as the beta API lists it: it never shows the value, only its last four characters.
 *
 * @param id     what the API calls it
 * @param active whether it is enabled
 * @param scopes what it may do
 * @param ending its last four characters
 */
record ApiKey(String id, String name, boolean active, Set<String> scopes, String ending) {
    private static final int SHOWN = 4;

    static ApiKey of(JsonNode resource) {
        JsonNode attributes = resource.path("attributes");
        Set<String> scopes = new TreeSet<>();
        attributes.path("scopes").forEach(scope -> scopes.add(scope.asText()));
        String redacted = attributes.path("redacted_key").asText();
        return new ApiKey(
                resource.path("id").asText(),
                attributes.path("name").asText(),
                attributes.path("status").asText().equals("active"),
                scopes,
                redacted.substring(Math.max(0, redacted.length() - SHOWN)));
    }

    /** The one among these that can only be this key; empty when none or several end like it. */
    static Optional<ApiKey> matching(List<ApiKey> listed, Key key) {
        List<ApiKey> alike = listed.stream()
                .filter(one -> one.ending.length() == SHOWN && key.reveal().endsWith(one.ending))
                .toList();
        return alike.size() == 1 ? Optional.of(alike.get(0)) : Optional.empty();
    }
}
