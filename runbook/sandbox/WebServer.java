package runbook.sandbox;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import runbook.Text.Json;

/** One site on a port of its own on loopback. */
final class WebServer implements AutoCloseable {
    private static final int BACKLOG = 1024;
    private static final int MAX_BODY = 1 << 20;

    private static final String EXPIRED_KEY =
            "MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCCe/akKBt/liKM6mGIBQvjcAL8tvMdFMy/JHXK826RbGw==";
    private static final String EXPIRED_CERTIFICATE = ""
            + "MIIBejCCASGgAwIBAgIIeOBw+tcQOgQwCgYIKoZIzj0EAwIwJDEOMAwGA1UEChMFRHJpbGwxEjAQBgNVBAMTCWxvY2FsaG9zdDAe"
            + "Fw0yNDEwMDEwMDAwMDBaFw0yNTEwMDEwMDAwMDBaMCQxDjAMBgNVBAoTBURyaWxsMRIwEAYDVQQDEwlsb2NhbGhvc3QwWTATBgcq"
            + "hkjOPQIBBggqhkjOPQMBBwNCAASZYFuaI1thtqqqtPgB6HuQaWiA6ksytwtxFQo9PIS5dnqFMY/D1zVbFCQ24wYymcoJeVDOLW9+"
            + "J6HtoXAgDgQcoz0wOzAdBgNVHQ4EFgQUUEHNvD8XV1l2VZogOKccVfyuBZowGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAoG"
            + "CCqGSM49BAMCA0cAMEQCIEmwqxqiFg+nx0V7wDBErEGjg8QJvdbdHGBBe+Z6aLpIAiAzTav7Tmot4Cgd56d9S8bXxB7+2cVLntvE"
            + "1e42r5HIsw==";

    static {
        // The JDK's server writes headers and body apart: with Nagle's algorithm each answer waits for a delayed ACK.
        if (System.getProperty("sun.net.httpserver.nodelay") == null) {
            System.setProperty("sun.net.httpserver.nodelay", "true");
        }
    }

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

        /**
         * The query's parameters in order, decoded, a repeated one with all its values. Malformed escapes are an
         * {@link IllegalArgumentException}.
         */
        Map<String, List<String>> parameters() {
            Map<String, List<String>> parameters = new LinkedHashMap<>();
            for (String pair : query.split("&")) {
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

    /** What a site answers. */
    record Reply(int status, String type, byte[] body, Map<String, String> headers) {
        /** No answer at all: the connection is closed. */
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

        /** With one more header; one that is there stays as it is. */
        Reply with(String name, Object value) {
            Map<String, String> more = new LinkedHashMap<>(headers);
            more.putIfAbsent(name, value.toString());
            return new Reply(status, type, body, more);
        }
    }

    private final HttpServer server;
    private final String scheme;

    private WebServer(HttpServer server, String scheme, Executor executor, Function<Request, Reply> site) {
        this.server = server;
        this.scheme = scheme;
        server.setExecutor(executor);
        server.createContext("/", exchange -> serve(exchange, site));
        // The dispatcher inherits being a daemon from the thread that starts it: else it would keep the process alive.
        CompletableFuture.runAsync(server::start, executor).join();
    }

    /** A JSON object in the order written; unlike {@link Map#of} it takes nulls. */
    static Map<String, Object> map(Object... namesAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            map.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
        }
        return map;
    }

    /**
     * Starts one.
     *
     * @param port to listen on; 0 for a free one
     */
    static WebServer start(int port, Executor executor, Function<Request, Reply> site) throws IOException {
        return new WebServer(HttpServer.create(loopback(port), BACKLOG), "http", executor, site);
    }

    /** Starts one that shows a certificate which ran out on 2025-10-01. */
    static WebServer startExpired(int port, Executor executor, Function<Request, Reply> site) throws IOException {
        HttpsServer server = HttpsServer.create(loopback(port), BACKLOG);
        server.setHttpsConfigurator(new HttpsConfigurator(expired()));
        return new WebServer(server, "https", executor, site);
    }

    static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
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
        Map<String, List<String>> headers = new HashMap<>();
        exchange.getRequestHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
        try {
            return site.apply(new Request(exchange.getRequestMethod(), exchange.getRequestURI().getPath(),
                    query == null ? "" : query, headers, body));
        } catch (RuntimeException e) {
            // A fault of the sandbox itself: said in the answer, where whoever runs the drill will see it.
            return Reply.text(500, "text/plain", "the sandbox failed: " + e + "\n");
        }
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

    // Self-signed for localhost, and the key to it: they guard nothing, and no JVM has to be started to make them.
    private static SSLContext expired() throws IOException {
        Base64.Decoder base64 = Base64.getDecoder();
        try {
            PrivateKey key = KeyFactory.getInstance("EC")
                    .generatePrivate(new PKCS8EncodedKeySpec(base64.decode(EXPIRED_KEY)));
            Certificate certificate = CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(base64.decode(EXPIRED_CERTIFICATE)));
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(null, null);
            keys.setKeyEntry("drill", key, new char[0], new Certificate[] {certificate});
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keys, new char[0]);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("the drill's expired certificate cannot be used: " + e.getMessage(), e);
        }
    }
}
