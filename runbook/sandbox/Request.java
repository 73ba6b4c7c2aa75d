package runbook.sandbox;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A request as the sites see it.
 *
 * @param path    decoded
 * @param query   as sent; empty when there is none
 * @param headers by lower-case name
 */
record Request(String method, String path, String query, Map<String, List<String>> headers, byte[] body) {
    /** The header's value, several joined by a comma; null when absent. */
    String header(String name) {
        List<String> values = headers.get(name);
        return values == null ? null : String.join(",", values);
    }

    String text() {
        return new String(body, StandardCharsets.UTF_8);
    }

    /** The query's parameters in order, decoded, a repeated one with all its values. */
    Map<String, List<String>> parameters() {
        return form(query);
    }

    /** Reads a query or a form body. Malformed escapes are an {@link IllegalArgumentException}. */
    static Map<String, List<String>> form(String encoded) {
        Map<String, List<String>> parameters = new LinkedHashMap<>();
        for (String pair : encoded.split("&")) {
            if (!pair.isEmpty()) {
                String[] halves = pair.split("=", 2);
                parameters.computeIfAbsent(decode(halves[0]), name -> new ArrayList<>())
                        .add(halves.length == 2 ? decode(halves[1]) : "");
            }
        }
        return parameters;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }
}
