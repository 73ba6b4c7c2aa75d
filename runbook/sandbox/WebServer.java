package runbook.sandbox;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Function;
import javax.net.ssl.SSLContext;

/** One site on a port of its own on loopback. */
final class WebServer implements AutoCloseable {
    private static final int BACKLOG = 1024;
    private static final int MAX_BODY = 1 << 20;

    static {
        // The JDK's server writes headers and body apart: with Nagle's algorithm each answer would wait for a delayed ACK.
        if (System.getProperty("sun.net.httpserver.nodelay") == null) {
            System.setProperty("sun.net.httpserver.nodelay", "true");
        }
    }

    private final HttpServer server;
    private final String scheme;

    private WebServer(HttpServer server, String scheme, Executor executor, Function<Request, Reply> site) {
        this.server = server;
        this.scheme = scheme;
        server.setExecutor(executor);
        server.createContext("/", exchange -> serve(exchange, site));
        startAsDaemon(server);
    }

    /** The server's dispatcher inherits being a daemon from the thread that starts it: else it would keep the process alive. */
    private static void startAsDaemon(HttpServer server) {
        Thread starter = new Thread(server::start, "sandbox-start");
        starter.setDaemon(true);
        starter.start();
        try {
            starter.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static WebServer start(Executor executor, Function<Request, Reply> site) {
        try {
            return new WebServer(HttpServer.create(anyPort(), BACKLOG), "http", executor, site);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot open a port on loopback for the drill", e);
        }
    }

    static WebServer startTls(Executor executor, SSLContext tls, Function<Request, Reply> site) {
        try {
            HttpsServer server = HttpsServer.create(anyPort(), BACKLOG);
            server.setHttpsConfigurator(new HttpsConfigurator(tls));
            return new WebServer(server, "https", executor, site);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot open a port on loopback for the drill", e);
        }
    }

    static InetSocketAddress anyPort() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    URI uri() {
        return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private static void serve(HttpExchange exchange, Function<Request, Reply> site) throws IOException {
        try (exchange) {
            Reply reply = answer(exchange, site);
            if (reply != Reply.DROPPED) {
                send(exchange, reply);
            }
        }
    }

    private static Reply answer(HttpExchange exchange, Function<Request, Reply> site) throws IOException {
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
        if (body.length > MAX_BODY) {
            return Reply.text(413, "text/plain", "request body over 1 MB\n");
        }
        String query = exchange.getRequestURI().getRawQuery();
        try {
            return site.apply(new Request(exchange.getRequestMethod(), exchange.getRequestURI().getPath(),
                    query == null ? "" : query, lowerCased(exchange.getRequestHeaders()), body));
        } catch (RuntimeException e) {
            // A fault of the sandbox itself: said in the answer, where whoever runs the drill will see it.
            return Reply.text(500, "text/plain", "the sandbox failed: " + e + "\n");
        }
    }

    private static Map<String, List<String>> lowerCased(Headers headers) {
        Map<String, List<String>> lower = new HashMap<>();
        headers.forEach((name, values) -> lower.put(name.toLowerCase(Locale.ROOT), values));
        return lower;
    }

    private static void send(HttpExchange exchange, Reply reply) throws IOException {
        Headers headers = exchange.getResponseHeaders();
        reply.headers().forEach(headers::set);
        if (reply.type() != null) {
            headers.set("Content-Type", reply.type());
        }
        boolean bodiless = exchange.getRequestMethod().equals("HEAD") || reply.body().length == 0;
        exchange.sendResponseHeaders(reply.status(), bodiless ? -1 : reply.body().length);
        if (!bodiless) {
            exchange.getResponseBody().write(reply.body());
        }
    }
}
