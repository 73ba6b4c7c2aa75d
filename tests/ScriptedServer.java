import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** Klaviyo, status page and everything else, all well, but for the paths that are told what to answer. */
final class ScriptedServer implements AutoCloseable {
    /** What to answer; headers as {@code name: value} lines. */
    record Answer(int status, String headers, String body) {
        static Answer json(int status, String body) {
            return new Answer(status, "content-type: application/vnd.api+json", body);
        }

        static Answer html(int status, String body) {
            return new Answer(status, "content-type: text/html; charset=UTF-8", body);
        }

        /** An error as Klaviyo sends it, with the links and meta that its specification does not mention. */
        static Answer error(int status, String code, String title, String detail) {
            return json(status, "{\"errors\":[{\"id\":\"01JCP4F1E7\",\"status\":" + status + ",\"code\":\"" + code
                            + "\",\"title\":\"" + title + "\",\"detail\":\"" + detail
                            + "\",\"source\":{\"pointer\":\"/data/\"},\"links\":{},\"meta\":{}}]}");
        }

        Answer with(String more) {
            return new Answer(status, headers + "\n" + more, body);
        }
    }

    private static final Map<String, Answer> WELL = Map.of("/", Answer.json(200, "{\"data\":[],\"status\":\"ok\"}"),
            "/api/v2/", Answer.json(200, "{\"status\":{\"indicator\":\"none\",\"description\":\"All Systems Operational\"},"
                    + "\"components\":[],\"incidents\":[]}"),
            "/api/v1/query", Answer.json(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"),
            "/api/accounts", Answer.json(200, "{\"data\":[{\"type\":\"account\",\"id\":\"AbC123\",\"attributes\":"
                    + "{\"contact_information\":{\"organization_name\":\"Acme\"}}}]}"));

    private final Map<String, Answer> answers = new LinkedHashMap<>(WELL);
    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final LoopbackServer server = new LoopbackServer(this::answer);

    /** @param special answers by the beginning of the path; the longest that fits counts */
    ScriptedServer(Map<String, Answer> special) {
        if (special.containsKey("/api/")) {
            answers.remove("/api/accounts");
        }
        answers.putAll(special);
    }

    private LoopbackServer.Response answer(LoopbackServer.Request request) {
        asked.add(request.header("Authorization"));
        Answer answer = answers.get(answers.keySet().stream().filter(request.path()::startsWith)
                .reduce("/", (one, other) -> other.length() > one.length() ? other : one));
        return new LoopbackServer.Response(answer.status, answer.body, answer.headers);
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
