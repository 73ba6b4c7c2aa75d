import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import javax.net.ssl.*;

/** A server on loopback that answers as it is told, and remembers what it was asked. */
final class LoopbackServer implements AutoCloseable {
    /** What came in; {@code query} is empty where there is none. */
    record Request(String method, String path, String query, Map<String, List<String>> headers, String body) {
        String header(String name) {
            return headers.entrySet().stream().filter(entry -> entry.getKey().equalsIgnoreCase(name))
                    .map(entry -> entry.getValue().get(0)).findFirst().orElse("");
        }
    }

    /** What goes out; headers as {@code name: value} lines. */
    record Response(int status, String body, String headers) {
        /** A body of JSON text. */
        Response(int status, String body) {
            this(status, body, "content-type: application/json");
        }

        static Response html(int status, String body) {
            return new Response(status, body, "content-type: text/html; charset=UTF-8");
        }

        /** An error as Klaviyo sends it, with the links and meta that its specification does not mention. */
        static Response error(int status, String code, String title, String detail) {
            return new Response(status, """
                    {"errors":[{"id":"01JCP4F1E7","status":%d,"code":"%s","title":"%s","detail":"%s",
                    "source":{"pointer":"/data/"},"links":{},"meta":{}}]}""".formatted(status, code, title, detail));
        }

        Response with(String more) {
            return new Response(status, body, headers + "\n" + more);
        }
    }

    interface Handler {
        Response handle(Request request) throws IOException;
    }

    /** Klaviyo, status page and everything else, all well, by the beginning of the path. */
    private static final Map<String, Response> WELL = Map.of(
            "/", new Response(200, "{\"data\":[],\"status\":\"ok\"}"),
            "/api/v2/", new Response(200, """
                    {"status":{"indicator":"none","description":"All Systems Operational"},"components":[],\
                    "incidents":[]}"""),
            "/api/v1/query", new Response(200, """
                    {"status":"success","data":{"resultType":"vector","result":[]}}"""),
            "/api/accounts", new Response(200, """
                    {"data":[{"type":"account","id":"AbC123","attributes":\
                    {"contact_information":{"organization_name":"Acme"}}}]}"""));

    static {
        // It sends headers and body in two packets: without this the second waits 40 ms for a delayed acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Request> requests = new CopyOnWriteArrayList<>();

    LoopbackServer(Handler handler) {
        this(null, handler);
    }

    /** @param tls null for plain HTTP */
    LoopbackServer(SSLContext tls, Handler handler) {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        try {
            server = tls == null ? HttpServer.create(any, 1_000) : HttpsServer.create(any, 1_000);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (server instanceof HttpsServer secure) {
            secure.setHttpsConfigurator(new HttpsConfigurator(tls));
        }
        server.setExecutor(threads);
        server.createContext("/", exchange -> serve(exchange, handler));
        server.start();
    }

    /** Serves the text files of a folder, each answer after a time, as from a host far away. */
    static LoopbackServer ofFiles(Path root, Duration latency) {
        return new LoopbackServer(request -> {
            try {
                Thread.sleep(latency.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            Path file = root.resolve(request.path().substring(1)).normalize();
            return file.startsWith(root) && Files.isRegularFile(file) ? new Response(200, Files.readString(file))
                    : new Response(404, "");
        });
    }

    /** All is well there, but for these beginnings of a path; the longest that fits counts. */
    static LoopbackServer wellBut(Map<String, Response> special) {
        Map<String, Response> answers = new HashMap<>(WELL);
        answers.keySet().removeIf(path -> path.equals("/api/accounts") && special.containsKey("/api/"));
        answers.putAll(special);
        return new LoopbackServer(request -> answers.get(answers.keySet().stream().filter(request.path()::startsWith)
                .reduce("/", (one, other) -> other.length() > one.length() ? other : one)));
    }

    private void serve(HttpExchange exchange, Handler handler) throws IOException {
        try (exchange) {
            String query = exchange.getRequestURI().getRawQuery();
            Request request = new Request(exchange.getRequestMethod(), exchange.getRequestURI().getPath(),
                    query == null ? "" : query, Map.copyOf(exchange.getRequestHeaders()),
                    new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            requests.add(request);
            Response response = handler.handle(request);
            response.headers.lines().map(line -> line.split(": ", 2))
                    .forEach(header -> exchange.getResponseHeaders().add(header[0], header[1]));
            byte[] body = response.body().getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(response.status(), body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        }
    }

    String url() {
        return (server instanceof HttpsServer ? "https" : "http") + "://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Method and path of every request so far. */
    List<String> asked() {
        return requests.stream().map(request -> request.method() + " " + request.path()).toList();
    }

    /** What a header said in every request so far. */
    List<String> asked(String header) {
        return requests.stream().map(request -> request.header(header)).toList();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
