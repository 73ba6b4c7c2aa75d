package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import runbook.Text.Json;

/**
 * An HTTP client for hostile networks: every request ends by its deadline, reads at most {@link #LARGEST_BODY}, and
 * gives an {@link Answer}, never an exception. The key goes to the API alone, and a redirect never carries it on.
 */
public final class Http {
    /** The most that is read of one body, in bytes, before and after decompression. */
    public static final int LARGEST_BODY = 1 << 20;
    private static final int MOST_REDIRECTS = 5;
    private static final String USER_AGENT = "klaviyo-runbook";

    static {
        // The JDK sends no Basic credentials to a proxy for https unless this is emptied before it loads its client. Only a
        // login that stands in the environment's proxy address is ever sent.
        if (System.getProperty("jdk.http.auth.tunneling.disabledSchemes") == null) {
            System.setProperty("jdk.http.auth.tunneling.disabledSchemes", "");
        }
        Runtime.getRuntime().addShutdownHook(new Thread(Http::endSelectors, "end-http"));
    }

    private final Settings settings;
    private final EnvironmentProxy proxy;
    private final Clients clients;

    private Http(Settings settings, EnvironmentProxy proxy, Clients clients) {
        this.settings = settings;
        this.proxy = proxy;
        this.clients = clients;
    }

    /** A client with these settings' proxy, key and revision. Cheap to keep, not to make: one a run. */
    public static Http of(Settings settings) {
        EnvironmentProxy proxy = new EnvironmentProxy(settings.proxies());
        return new Http(settings, proxy, new Clients(proxy, settings.probing().timeout()));
    }

    /** Makes a client and drops it, so that the next one is made faster: see {@link runbook.Checks#prepare}. */
    public static void prepare(boolean tls) {
        new Clients(new EnvironmentProxy(Map.of()), Duration.ofSeconds(1)).of(URI.create(tls ? "https:/" : "http:/"));
    }

    /** This client with another key. */
    public Http withKey(Optional<Key> key) {
        return new Http(settings.withKey(key), proxy, clients);
    }

    /** GET from Klaviyo's API with key and revision; {@code target} is path and query. Redirects are not followed. */
    public Answer api(String target, Duration deadline) {
        return api("GET", target, settings.revision(), null, deadline);
    }

    /**
     * A request to Klaviyo's API with the key, as JSON:API.
     *
     * @param target   path and query
     * @param revision the {@code revision} header
     * @param body     JSON, or null for none
     */
    public Answer api(String method, String target, String revision, byte[] body, Duration deadline) {
        Map<String, String> headers = new TreeMap<>(Map.of("revision", revision, "Accept", "application/vnd.api+json"));
        settings.key().ifPresent(key -> headers.put("Authorization", key.authorization()));
        if (body != null) {
            headers.put("Content-Type", "application/vnd.api+json");
        }
        return once(method, URI.create(settings.target().api() + target), headers, body, deadline);
    }

    /** GET from anywhere else, up to five redirects followed. */
    public Answer get(URI uri, Map<String, String> headers, Duration deadline) {
        long end = System.nanoTime() + deadline.toNanos();
        URI next = uri;
        for (int hops = 0; hops <= MOST_REDIRECTS; hops++) {
            Answer answer = once("GET", next, headers, null, Duration.ofNanos(end - System.nanoTime()));
            if (!(answer instanceof Reply reply) || reply.status() / 100 != 3 || reply.header("location").isEmpty()) {
                return answer;
            }
            try {
                next = next.resolve(reply.header("location").get());
            } catch (IllegalArgumentException e) {
                return new Fault(Kind.MALFORMED, "a redirect to something that is no address", reply.millis());
            }
        }
        return new Fault(
                Kind.REDIRECT_LOOP,
                "redirected more than " + MOST_REDIRECTS + " times, last to " + Text.safe(next.toString(), 80),
                deadline.toMillis() - Duration.ofNanos(end - System.nanoTime()).toMillis());
    }

    /** One request, redirects not followed. {@code body} may be null. */
    public Answer once(String method, URI uri, Map<String, String> headers, byte[] body, Duration deadline) {
        long start = System.nanoTime();
        HttpRequest request;
        try {
            HttpRequest.Builder builder = HttpRequest.newBuilder(uri).header("User-Agent", USER_AGENT)
                    .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
            headers.forEach(builder::header);
            proxy.proxyFor(uri)
                    .flatMap(EnvironmentProxy::authorization)
                    .ifPresent(login -> builder.header("Proxy-Authorization", login));
            request = builder.build();
        } catch (IllegalArgumentException e) {
            // The message would quote the header, and with it the key.
            return new Fault(
                    Kind.BAD_REQUEST,
                    "the request cannot be made: address or header has characters that HTTP does not allow",
                    0);
        }
        BoundedBody received = new BoundedBody();
        CompletableFuture<HttpResponse<byte[]>> response = clients.of(uri).sendAsync(request, info -> received.begin(info));
        try {
            HttpResponse<byte[]> got = response.get(Math.max(1, deadline.toNanos()), TimeUnit.NANOSECONDS);
            return reply(got, start);
        } catch (TimeoutException e) {
            response.cancel(true);
            return HttpFaults.late(received, deadline, since(start));
        } catch (ExecutionException e) {
            return HttpFaults.of(e.getCause(), uri, received, since(start));
        } catch (InterruptedException e) {
            response.cancel(true);
            Thread.currentThread().interrupt();
            return new Fault(Kind.TIMEOUT, "interrupted", since(start));
        }
    }

    private static Answer reply(HttpResponse<byte[]> response, long start) {
        Map<String, List<String>> headers = new TreeMap<>();
        response.headers().map().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
        if (response.statusCode() == 407) {
            return new Fault(
                    Kind.PROXY,
                    "the proxy wants a login (407): put user:password into the proxy's address",
                    since(start));
        }
        String encoding = headers.getOrDefault("content-encoding", List.of("identity")).get(0).toLowerCase(Locale.ROOT);
        try {
            byte[] body = encoding.contains("gzip") ? unzip(response.body()) : response.body();
            return new Reply(response.uri(), response.statusCode(), headers, body, json(body), since(start));
        } catch (BoundedBody.TooLarge e) {
            return new Fault(
                    Kind.TOO_LARGE,
                    "HTTP " + response.statusCode() + " with a gzip body that expands beyond 1 MiB",
                    since(start));
        } catch (EOFException | ZipException e) {
            return new Fault(
                    Kind.BAD_ENCODING,
                    "HTTP " + response.statusCode() + " with a body that says gzip and is not",
                    since(start));
        } catch (IOException e) {
            return new Fault(
                    Kind.BAD_ENCODING, "HTTP " + response.statusCode() + " with an unreadable body", since(start));
        }
    }

    // Read once here: the body is asked about many times.
    private static JsonNode json(byte[] body) {
        try {
            return Json.read(body);
        } catch (IOException | StackOverflowError e) {
            return MissingNode.getInstance();
        }
    }

    private static byte[] unzip(byte[] body) throws IOException {
        try (InputStream plain = new GZIPInputStream(new ByteArrayInputStream(body))) {
            byte[] bytes = plain.readNBytes(LARGEST_BODY + 1);
            if (bytes.length > LARGEST_BODY) {
                throw new BoundedBody.TooLarge();
            }
            return bytes;
        }
    }

    private static long since(long start) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    }

    /**
     * Ends the threads in which the JDK's clients wait for events: before Java 21 they have no close, and the JVM's exit
     * waits 300 ms for any thread that stands in native code (VM_Exit::wait_for_threads_in_native_to_block).
     */
    private static void endSelectors() {
        Thread[] threads = new Thread[Thread.activeCount() + 50];
        Thread.enumerate(threads);
        List<Thread> selectors = Stream.of(threads)
                .filter(thread -> thread != null && thread.getName().endsWith("-SelectorManager"))
                .toList();
        selectors.forEach(Thread::interrupt);
        try {
            for (Thread selector : selectors) {
                selector.join(50);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The JDK's clients, one for TLS and one for plain HTTP, each made when it is first asked for. */
    private static final class Clients {
        private final EnvironmentProxy proxy;
        private final Duration timeout;
        private HttpClient secure;
        private HttpClient plain;

        Clients(EnvironmentProxy proxy, Duration timeout) {
            this.proxy = proxy;
            this.timeout = timeout;
        }

        synchronized HttpClient of(URI uri) {
            if ("https".equalsIgnoreCase(uri.getScheme())) {
                return secure = secure != null ? secure : builder().build();
            }
            return plain = plain != null ? plain : builder().sslContext(PlainOnly.context()).build();
        }

        // HTTP/1.1 only: one connection a probe, so that one bad connection shows as one bad sample. No Authenticator:
        // with one, the JDK insists on a WWW-Authenticate header in every 401, which Klaviyo does not send.
        // The time to connect is shorter than a check's, so that "no connection" is told from "connected, and no answer".
        private HttpClient.Builder builder() {
            return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).proxy(proxy)
                    .connectTimeout(timeout.multipliedBy(3).dividedBy(4));
        }
    }

    /** What came of a request: a reply, or the fault that kept it from coming. */
    public sealed interface Answer permits Reply, Fault {
        /** From the first byte sent to the last one read, or to the fault. */
        long millis();
    }

    /**
     * A whole reply, decompressed.
     *
     * @param uri     what answered, after redirects
     * @param status  the HTTP status
     * @param headers names in lower case
     * @param body    at most {@link Http#LARGEST_BODY} bytes
     * @param json    the body as JSON; a missing node when it is none
     * @param millis  see {@link Http.Answer#millis()}
     */
    public record Reply(URI uri, int status, Map<String, List<String>> headers, byte[] body, JsonNode json, long millis)
            implements Answer {
        /** The first value of a header, made safe to print; the name in lower case. */
        public Optional<String> header(String name) {
            return Optional.ofNullable(headers.get(name))
                    .filter(values -> !values.isEmpty())
                    .map(values -> Text.safe(values.get(0), 200));
        }

        /** A header that holds a whole number. */
        public OptionalLong number(String name) {
            try {
                return header(name).stream().mapToLong(Long::parseLong).findFirst();
            } catch (NumberFormatException e) {
                return OptionalLong.empty();
            }
        }

        /** The body as text; bytes that are no UTF-8 become replacement characters. */
        public String text() {
            return new String(body, StandardCharsets.UTF_8);
        }

        /** Whether the body says or looks to be HTML. */
        public boolean html() {
            return header("content-type").orElse("").contains("text/html")
                    || text().stripLeading().regionMatches(true, 0, "<!doctype html", 0, 14)
                    || text().stripLeading().regionMatches(true, 0, "<html", 0, 5);
        }

        /** What is wrong with a body that should have been JSON, in words. */
        public String notJson() {
            return wrongForm() + (body.length == 0 ? "" : ": " + Text.safe(text(), 60));
        }

        /** The same without the beginning of the body: {@code HTML where JSON should be}. */
        public String wrongForm() {
            return (body.length == 0 ? "an empty body" : html() ? "HTML" : "no valid JSON") + " where JSON should be";
        }
    }

    /**
     * No usable reply.
     *
     * @param kind   what it was
     * @param words  the same in words, with what was seen; safe to print
     * @param millis see {@link Http.Answer#millis()}
     */
    public record Fault(Kind kind, String words, long millis) implements Answer { }

    /** The faults told apart, and whether each means that the other side was never reached. */
    public enum Kind {
        DNS(true), REFUSED(true), UNREACHABLE(true), CONNECT_TIMEOUT(true), PROXY(true),
        TLS_EXPIRED(false), TLS_WRONG_NAME(false), TLS_UNTRUSTED(false), TLS(false),
        TIMEOUT(false),
        SLOW_BODY(false),
        RESET(false),
        TOO_LARGE(false),
        BAD_ENCODING(false),
        REDIRECT_LOOP(false),
        MALFORMED(false),
        BAD_REQUEST(false);

        private final boolean unreached;

        Kind(boolean unreached) {
            this.unreached = unreached;
        }

        /** No connection came about at all: our network, a proxy or DNS rather than the service. */
        public boolean unreached() {
            return unreached;
        }

        /** The certificate itself is refused: expired, for another name, or from an unknown authority. */
        public boolean certificate() {
            return tls() && this != TLS;
        }

        /** The certificate or the handshake was refused. */
        public boolean tls() {
            return name().startsWith("TLS");
        }
    }
}
