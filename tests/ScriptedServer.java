import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.List;

/** One server on loopback that is Klaviyo, status page and everything else, all well, but for the paths that are told what to answer. */
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

    private static final Answer PAGE = Answer.json(200,
            "{\"status\":{\"indicator\":\"none\",\"description\":\"All Systems"
                    + " Operational\"},\"components\":[],\"incidents\":[]}");
    private static final Answer METRICS =
            Answer.json(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
    private static final Answer ACCOUNT = Answer.json(200,
            "{\"data\":[{\"type\":\"account\",\"id\":\"AbC123\",\"attributes\":{\"contact_information\":{\"organization_name\":\"Acme\"}}}]}");
    private static final Answer WELL = Answer.json(200, "{\"data\":[],\"status\":\"ok\"}");

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Map<String, Answer> answers = new LinkedHashMap<>(
            Map.of("/api/v2/", PAGE, "/api/v1/query", METRICS, "/api/accounts", ACCOUNT, "/", WELL));
    private final List<String> asked = new CopyOnWriteArrayList<>();

    /** @param special answers by the beginning of the path; the longest that fits counts */
    ScriptedServer(Map<String, Answer> special) {
        if (special.containsKey("/api/")) {
            answers.remove("/api/accounts");
        }
        answers.putAll(special);
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1_000);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        server.start();
    }

    URI uri() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /** The {@code Authorization} headers that came. */
    List<String> asked() {
        return asked;
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            asked.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
            String path = exchange.getRequestURI().getPath();
            String longest = answers.keySet().stream().filter(path::startsWith)
                    .reduce("/", (one, other) -> other.length() > one.length() ? other : one);
            Answer answer = answers.get(longest);
            answer.headers.lines().forEach(line -> exchange.getResponseHeaders()
                    .add(line.split(": ", 2)[0], line.split(": ", 2)[1]));
            byte[] body = answer.body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer.status, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
