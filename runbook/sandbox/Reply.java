package runbook.sandbox;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import runbook.Text.Json;

/**
 * An answer. {@link #DROPPED} closes the connection without one.
 *
 * @param type the Content-Type; null for none
 */
record Reply(int status, String type, byte[] body, Map<String, String> headers) {
    static final Reply DROPPED = new Reply(0, null, new byte[0], Map.of());

    static Reply text(int status, String type, String body) {
        return new Reply(status, type, body.getBytes(StandardCharsets.UTF_8), Map.of());
    }

    static Reply json(int status, Object body) {
        return json(status, "application/json", body);
    }

    static Reply json(int status, String type, Object body) {
        return text(status, type, Json.line(Json.of(body)));
    }

    Reply with(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(headers);
        more.put(name, value);
        return new Reply(status, type, body, more);
    }
}
