import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** Klaviyo, status page and everything else, all well, but for the paths that are told what to answer. */
final class ScriptedServer implements AutoCloseable {
    private static final Map<String, LoopbackServer.Response> WELL = Map.of(
            "/", json("{\"data\":[],\"status\":\"ok\"}"),
            "/api/v2/", json("{\"status\":{\"indicator\":\"none\",\"description\":\"All Systems Operational\"},"
                    + "\"components\":[],\"incidents\":[]}"),
            "/api/v1/query", json("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"),
            "/api/accounts", json("{\"data\":[{\"type\":\"account\",\"id\":\"AbC123\",\"attributes\":"
                    + "{\"contact_information\":{\"organization_name\":\"Acme\"}}}]}"));

    private final Map<String, LoopbackServer.Response> answers = new LinkedHashMap<>(WELL);
    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final LoopbackServer server = new LoopbackServer(this::answer);

    /** @param special answers by the beginning of the path; the longest that fits counts */
    ScriptedServer(Map<String, LoopbackServer.Response> special) {
        if (special.containsKey("/api/")) {
            answers.remove("/api/accounts");
        }
        answers.putAll(special);
    }

    private static LoopbackServer.Response json(String body) {
        return new LoopbackServer.Response(200, body);
    }

    private LoopbackServer.Response answer(LoopbackServer.Request request) {
        asked.add(request.header("Authorization"));
        return answers.get(answers.keySet().stream().filter(request.path()::startsWith)
                .reduce("/", (one, other) -> other.length() > one.length() ? other : one));
    }

    URI uri() {
        return URI.create(server.url());
    }

    /** The {@code Authorization} headers that came. */
    List<String> asked() {
        return asked;
    }

    @Override
    public void close() {
        server.close();
    }
}
