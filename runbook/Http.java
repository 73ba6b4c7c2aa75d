package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.*;
import java.security.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.net.ssl.*;
import runbook.Klaviyo.Endpoint;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;

/**
 * An HTTP client for hostile networks: every request ends by its deadline, reads at most {@link #LARGEST_BODY}, and
 * gives an {@link Answer}, never an exception. The key goes to the API alone, and a redirect never carries it, or any
 * login, on. The environment's proxy is used as curl uses it; a login in an address is sent as Basic, and shown
 * nowhere.
 */
public final class Http {
    /** The most that is read of one body, in bytes. */
    public static final int LARGEST_BODY = 1 << 20;
    private static final int MOST_REDIRECTS = 5;
    private static final URI NOBODY = URI.create("http://127.0.0.1:1");

    static {
        // The JDK sends no Basic credentials to a proxy for https unless this is emptied before it loads its client.
        // Only a login that stands in the environment's proxy address is ever sent.
        if (System.getProperty("jdk.http.auth.tunneling.disabledSchemes") == null) {
            System.setProperty("jdk.http.auth.tunneling.disabledSchemes", "");
        }
        try {
            Runtime.getRuntime().addShutdownHook(new Thread(Http::endSelectors, "end-http"));
        } catch (IllegalStateException e) {
            // A run that was refused is over before this class is prepared: there will be no client to end.
        }
    }

    private final Settings settings;
    /** The JDK's clients by scheme and proxy, each made when it is first asked for. */
    private final Map<String, HttpClient> clients;

    private Http(Settings settings, Map<String, HttpClient> clients) {
        this.settings = settings;
        this.clients = clients;
    }

    /** A client with these settings' key and revision; a {@link Problem} when a proxy for an address cannot be used. */
    public static Http of(Settings settings) {
        Settings.Target to = settings.target();
        for (URI address : new URI[] {to.api(), to.status(), to.app(), to.webhook(), to.prometheus()}) {
            if (address != null) {
                Settings.proxyFor(settings.proxies(), address);
            }
        }
        return new Http(settings, new ConcurrentHashMap<>());
    }

    /** Has a client ask nobody, for port 1 is refused, so that the next one is faster ({@code Checks.prepare}). */
    public static void prepare(boolean tls) {
        made(tls, Optional.empty(), Duration.ofSeconds(1))
                .sendAsync(HttpRequest.newBuilder(NOBODY).build(), HttpResponse.BodyHandlers.discarding());
    }

    /** This client with another key. */
    public Http withKey(Optional<Key> key) {
        return new Http(settings.withKey(key), clients);
    }

    // ---- answers

    /** What came of a request, and how long that took: a reply, or the fault that kept it from coming. */
    public sealed interface Answer permits Reply, Fault {
        /** From the first byte sent to the last one read, or to the fault. */
        long millis();

        /** The reply's status; null for a fault. */
        default Integer http() {
            return this instanceof Reply reply ? reply.status : null;
        }
    }

    /**
     * A whole reply: headers by their names in lower case; at most {@link Http#LARGEST_BODY} bytes of body, and the
     * same as JSON, a missing node when it is none.
     */
    public record Reply(int status, Map<String, List<String>> headers, byte[] body, JsonNode json, long millis)
            implements Answer {
        /** The first value of a header, made safe to print; the name in lower case. */
        public Optional<String> header(String name) {
            return headers.getOrDefault(name, List.of()).stream().findFirst().map(value -> Text.safe(value, 200));
        }

        /** A header that holds a whole number. */
        public OptionalLong number(String name) {
            return header(name).stream().filter(text -> text.matches("-?\\d{1,18}")).mapToLong(Long::parseLong)
                    .findFirst();
        }

        /** The body as text; bytes that are no UTF-8 become replacement characters. */
        public String text() {
            return new String(body, StandardCharsets.UTF_8);
        }

        /** Whether it sends elsewhere. */
        boolean redirects() {
            return status / 100 == 3;
        }

        /** Whether the body says or looks to be HTML. */
        public boolean html() {
            return header("content-type").orElse("").contains("text/html")
                    || Pattern.compile("(?i)\\s*<(!doctype )?html").matcher(text()).lookingAt();
        }

        /** What is wrong with a body that should have been JSON, in words. */
        public String notJson() {
            Matcher title = Pattern.compile("(?is)<title[^>]*>\\s*(.{1,200}?)\\s*</title>").matcher(text());
            String page = html() && title.find() ? "\"" + Text.safe(title.group(1), 60) + "\"" : Text.safe(text(), 60);
            return wrongForm() + (page.isEmpty() ? "" : ": " + page);
        }

        /** The same without the beginning of the body: {@code HTML where JSON should be}. */
        public String wrongForm() {
            // A page that asks for a login: of a network that wants one, or of another server than was meant.
            Pattern login = Pattern.compile("(?is)type=[\"']?password|<title[^>]*>[^<]*(log|sign)[ -]?(in|on)\\b");
            String page = login.matcher(text()).find() ? "a login page" : "HTML";
            String other = body.length == 0 ? "an empty body" : "no valid JSON";
            return (html() ? page : other) + " where JSON should be";
        }
    }

    /** No usable reply: what it was, and the same in words, with what was seen, safe to print. */
    public record Fault(Kind kind, String words, long millis) implements Answer { }

    /** What an application's health endpoint says of it, from well to worse; what does not answer is worst. */
    public enum Health {
        HEALTHY, DEGRADED, DOWN, UNREACHABLE;

        // Words seen in the status field of common health endpoints (Spring, Rails, Kubernetes, RFC drafts).
        private static final Pattern SO_SO = Pattern.compile("(?i)degraded|warn(ing)?|partial|yellow|unstable");
        private static final Pattern BAD = Pattern.compile(
                "(?i)down|fail(ed|ing|ure)?|error|unhealthy|critical|red|unavailable|out_of_service|false");

        /** By the status of the reply, or else by the word in {@link #field}. */
        public static Health of(Answer answer) {
            if (!(answer instanceof Reply reply)) {
                return UNREACHABLE;
            } else if (reply.status / 100 != 2 || BAD.matcher(field(reply)).matches()) {
                return DOWN;
            }
            return garbled(reply) || SO_SO.matcher(field(reply)).matches() ? DEGRADED : HEALTHY;
        }

        /** What stands in the reply's field for that; empty when there is none. */
        public static String field(Reply reply) {
            return Stream.of("status", "state", "health", "healthy", "ok").map(reply.json::path)
                    .filter(JsonNode::isValueNode).map(JsonNode::asText).findFirst().orElse("");
        }

        /** A bare "ok" is as good as JSON. A web page is not (a login page), nor what claims or begins to be JSON. */
        public static boolean garbled(Reply reply) {
            boolean meantAsJson = reply.header("content-type").orElse("").contains("json") && reply.body.length > 0;
            return reply.json.isMissingNode()
                    && (reply.html() || meantAsJson || reply.text().stripLeading().startsWith("{"));
        }
    }

    /** The faults told apart. */
    public enum Kind {
        DNS, REFUSED, UNREACHABLE, CONNECT_TIMEOUT, PROXY, TLS_EXPIRED, TLS_WRONG_NAME, TLS_UNTRUSTED, TLS, BAD_REQUEST,
        TIMEOUT, SLOW_BODY, RESET, TOO_LARGE, BAD_ENCODING, REDIRECT_LOOP, MALFORMED;

        /** No connection came about at all: our network, a proxy or DNS rather than the service. */
        public boolean unreached() {
            return compareTo(PROXY) <= 0;
        }

        /** The certificate or the handshake was refused. */
        public boolean tls() {
            return name().startsWith("TLS");
        }
    }

    // ---- requests

    /** GET from Klaviyo's API with key and revision; {@code target} is path and query. Redirects are not followed. */
    public Answer api(String target, Duration deadline) {
        return api("GET", target, settings.revision(), null, deadline);
    }

    /** Any request to Klaviyo's API with the key, as JSON:API; {@code body} is JSON, or null for none. */
    public Answer api(String method, String target, String revision, byte[] body, Duration deadline) {
        Map<String, String> headers = Klaviyo.headers(settings.key(), revision, body != null);
        return once(method, URI.create(settings.target().api() + target), headers, body, deadline);
    }

    /** GET from anywhere else, up to five redirects followed; a login goes to whose address has it alone. */
    public Answer get(URI uri, Duration deadline) {
        long start = System.nanoTime();
        URI next = uri;
        for (int hops = 0; hops <= MOST_REDIRECTS; hops++) {
            Answer answer = once("GET", next, Map.of(), null, deadline.minusNanos(System.nanoTime() - start));
            if (!(answer instanceof Reply reply) || !reply.redirects() || reply.header("location").isEmpty()) {
                return answer;
            }
            try {
                next = next.resolve(reply.header("location").get());
            } catch (IllegalArgumentException e) {
                return new Fault(Kind.MALFORMED, "a redirect to something that is no address", reply.millis());
            }
        }
        return new Fault(Kind.REDIRECT_LOOP, "redirected more than " + MOST_REDIRECTS + " times, last to "
                + Text.safe(withoutLogin(next).toString(), 80), since(start));
    }

    /** One request, redirects not followed. {@code body} may be null. */
    public Answer once(String method, URI uri, Map<String, String> headers, byte[] body, Duration deadline) {
        Exchange exchange = new Exchange(uri, Optional.empty());
        CompletableFuture<HttpResponse<Void>> response = null;
        try {
            exchange = new Exchange(uri, Settings.proxyFor(settings.proxies(), uri));
            HttpRequest request = exchange.request(method, headers, body);
            response = client(uri, exchange.proxy).sendAsync(request, exchange::begin);
            return exchange.reply(response.get(Math.max(1, deadline.toNanos()), TimeUnit.NANOSECONDS));
        } catch (IllegalArgumentException e) {
            // The message would quote the header, and with it the key.
            return exchange.fault(Kind.BAD_REQUEST,
                    "the request cannot be made: address or header has characters that HTTP does not allow");
        } catch (Problem e) {
            return exchange.fault(Kind.PROXY, e.getMessage());
        } catch (TimeoutException e) {
            response.cancel(true);
            return exchange.late(deadline);
        } catch (ExecutionException e) {
            return exchange.fault(e.getCause(), "");
        } catch (InterruptedException e) {
            response.cancel(true);
            Thread.currentThread().interrupt();
            return exchange.fault(Kind.TIMEOUT, "interrupted");
        }
    }

    private static long since(long start) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    }

    /** The port of an address: the one given, else its scheme's. */
    static int port(URI address) {
        int standard = "https".equalsIgnoreCase(address.getScheme()) ? 443 : 80;
        return address.getPort() == -1 ? standard : address.getPort();
    }

    /** {@code host:port}, all that is ever shown of a proxy. */
    static String hostPort(URI address) {
        return address.getHost() + ":" + port(address);
    }

    /** The header that carries an address's {@code user:password}; empty where it has none. */
    static Optional<String> login(URI address) {
        return Optional.ofNullable(address.getUserInfo())
                .map(login -> "Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8)));
    }

    private static URI withoutLogin(URI address) {
        return address.getRawUserInfo() == null ? address
                : URI.create(address.toString().replaceFirst("//[^/?#]*@", "//"));
    }

    // ---- faults

    /**
     * How a fault is known by what the JDK throws (tried on 17 and 25), the first that fits: a pattern in the names and
     * messages of the exception and its causes, which begin with "connect" where no connection came about, and with
     * "begun" where an answer had. In the words, {who} is the server or the proxy, {host} the server, {said} the
     * message, made safe.
     */
    private record Sign(String seen, Kind kind, String says) {
        static final List<Sign> ALL = List.of(
                new Sign("TooLarge", Kind.TOO_LARGE, "HTTP {status} with a body larger than 1 MiB"),
                new Sign("Header size too big", Kind.TOO_LARGE, "headers without end"),
                new Sign("ProtocolException.*Invalid header", Kind.MALFORMED,
                        "an answer with control characters in a header, which HTTP does not allow"),
                new Sign("ProtocolException", Kind.MALFORMED, "an answer that is not valid HTTP: {said}"),
                new Sign("UnresolvedAddress|UnknownHost", Kind.DNS, "DNS: no address for {who}"),
                // The client's time to connect spans the TLS handshake; the network's check tells them apart.
                new Sign("(Connect|Socket)Timeout", Kind.CONNECT_TIMEOUT, "no connection to {who} within the timeout"),
                new Sign("CertificateExpired|CertificateNotYetValid", Kind.TLS_EXPIRED,
                        "TLS: the certificate has expired or is not valid yet"),
                new Sign("No subject alternative|No name matching", Kind.TLS_WRONG_NAME,
                        "TLS: the certificate is for another host name"),
                new Sign("CertPathBuilder|unable to find valid certification path", Kind.TLS_UNTRUSTED,
                        "TLS: the certificate comes from an unknown authority{issuer}. Does something here inspect"
                        + " TLS? Then give Java a trust store that has that authority:"
                        + " export JDK_JAVA_OPTIONS=-Djavax.net.ssl.trustStore=FILE"),
                new Sign("javax\\.net\\.ssl\\.", Kind.TLS, "TLS handshake failed: {said}"),
                new Sign("Tunnel failed|proxy", Kind.PROXY, "{who} refused: {said}"),
                // The client tries a refused connection again on the channel that it closed, and then says only that.
                new Sign("refused|^connect.*ClosedChannel", Kind.REFUSED, "{who} refuses connections"),
                new Sign("^connect|unreachable|No route", Kind.UNREACHABLE, "{who} cannot be reached: {said}"),
                new Sign("chunk", Kind.MALFORMED, "HTTP {status} with a broken chunked body"),
                new Sign("^begun", Kind.RESET,
                        "HTTP {status}, then the connection broke after {size} bytes of the body"),
                new Sign("received no bytes|reset|EOF|[Cc]losed", Kind.RESET,
                        "{host} closed the connection without an answer"),
                new Sign("", Kind.MALFORMED, "no usable answer: {said}"));
    }

    /** What kept a connection from coming about, or its TLS; {@code issuer} is who signed the server's certificate. */
    static Fault fault(Throwable thrown, URI uri, Optional<URI> proxy, String issuer) {
        return new Exchange(uri, proxy).fault(thrown, issuer);
    }

    // ---- the JDK's clients

    private HttpClient client(URI uri, Optional<URI> proxy) {
        boolean tls = "https".equalsIgnoreCase(uri.getScheme());
        return clients.computeIfAbsent(tls + proxy.map(Http::hostPort).orElse(""), route ->
                made(tls, proxy, settings.probing().timeout()));
    }

    // HTTP/1.1 only: one connection a probe, so that one bad connection shows as one bad sample. No Authenticator: with
    // one, the JDK insists on a WWW-Authenticate header in every 401, which Klaviyo does not send. The real TLS context
    // takes a tenth of a second to load, certificate authorities and all: plain HTTP gets an empty one. The time to
    // connect is shorter than a check's, so that "no connection" is told from "connected, and no answer".
    private static HttpClient made(boolean tls, Optional<URI> proxy, Duration timeout) {
        ProxySelector through = proxy.map(address -> InetSocketAddress.createUnresolved(address.getHost(),
                port(address))).map(ProxySelector::of).orElse(HttpClient.Builder.NO_PROXY);
        try {
            return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).proxy(through)
                    .sslContext(tls ? SSLContext.getDefault() : new SSLContext(null, null, "none") { })
                    .sslParameters(new SSLParameters()).connectTimeout(timeout.multipliedBy(3).dividedBy(5)).build();
        } catch (NoSuchAlgorithmException e) {
            String why = Text.safe(String.valueOf(e.getCause() == null ? e : e.getCause().getMessage()), 100);
            throw new Problem("the trust store of Java cannot be read (javax.net.ssl.trustStore): " + why);
        }
    }

    private static final class TooLarge extends IOException {
        private static final long serialVersionUID = 1;
    }

    /** One request: collects a body up to {@link #LARGEST_BODY}, and knows how far it came when something happens. */
    private static final class Exchange {
        private final URI uri;
        private final long start = System.nanoTime();
        private final Optional<URI> proxy;
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        /** The HTTP status; 0 while no answer has begun. */
        private volatile int status;

        Exchange(URI uri, Optional<URI> proxy) {
            this.uri = uri;
            this.proxy = proxy;
        }

        HttpRequest request(String method, Map<String, String> headers, byte[] body) {
            HttpRequest.Builder request = HttpRequest.newBuilder(withoutLogin(uri))
                    .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body))
                    .header("User-Agent", "klaviyo-runbook");
            headers.forEach(request::header);
            login(uri).ifPresent(login -> request.setHeader("Authorization", login));
            proxy.flatMap(Http::login).ifPresent(login -> request.header("Proxy-Authorization", login));
            return request.build();
        }

        HttpResponse.BodySubscriber<Void> begin(HttpResponse.ResponseInfo info) {
            status = info.statusCode();
            return HttpResponse.BodySubscribers.ofByteArrayConsumer(this::take);
        }

        // What is thrown here ends the connection.
        private synchronized void take(Optional<byte[]> part) {
            if (bytes.size() + part.map(more -> more.length).orElse(0) > LARGEST_BODY) {
                throw new UncheckedIOException(new TooLarge());
            }
            part.ifPresent(bytes::writeBytes);
        }

        private synchronized byte[] body() {
            return bytes.toByteArray();
        }

        Answer reply(HttpResponse<Void> response) {
            status = response.statusCode();
            Map<String, List<String>> headers = new TreeMap<>();
            response.headers().map().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
            if (status == 407) {
                String where = proxy.map(Http::hostPort).orElse("");
                return fault(Kind.PROXY, "the proxy wants a login (407): put the right user:password into its address, "
                        + where);
            } else if (headers.getOrDefault("content-encoding", List.of()).toString().contains("gzip")) {
                // Never unpacked, so that a small answer cannot become a large one.
                return fault(Kind.BAD_ENCODING, "HTTP " + status + " with a gzip body, which was not asked for");
            }
            byte[] body = body();
            return new Reply(status, headers, body, json(body), since(start));
        }

        // Read once here: the body is asked about many times.
        private static JsonNode json(byte[] body) {
            try {
                return Json.read(body);
            } catch (IOException | StackOverflowError e) {
                return MissingNode.getInstance();
            }
        }

        Fault fault(Kind kind, String words) {
            return new Fault(kind, words, since(start));
        }

        /** The fault of an answer that had not come, or not to its end, when time was up. */
        Fault late(Duration deadline) {
            // What was left of a timeout of 5 s when the request began, 4.987 s, is 5 s to the reader.
            String within = " within " + Durations.words(Duration.ofMillis((deadline.toMillis() + 99) / 100 * 100));
            return status == 0 ? fault(Kind.TIMEOUT, "no answer" + within) : fault(Kind.SLOW_BODY,
                    "HTTP " + status + ", but its body did not end" + within + " (" + body().length + " bytes came)");
        }

        Fault fault(Throwable thrown, String issuer) {
            String seen = Stream.iterate(thrown, cause -> cause != null, Throwable::getCause).limit(20)
                    .map(Throwable::toString).collect(Collectors.joining(" "));
            String begun = status == 0 ? "" : "begun ";
            String when = (seen.contains("java.net.ConnectException") ? "connect " : begun) + seen;
            Sign sign = Sign.ALL.stream().filter(one -> Pattern.compile(one.seen).matcher(when).find()).findFirst()
                    .orElseThrow();
            String host = Text.safe(uri.getHost(), 80);
            String who = proxy.map(through -> "the proxy " + hostPort(through)).orElse(host);
            String words = sign.says.replace("{who}", who).replace("{host}", host).replace("{issuer}", issuer)
                    .replace("{status}", "" + status).replace("{size}", "" + body().length)
                    .replace("{said}", Text.safe(String.valueOf(thrown.getMessage()), 100));
            return fault(proxy.isPresent() && sign.kind.unreached() ? Kind.PROXY : sign.kind, words);
        }
    }

    // Before Java 21 the JDK's clients have no close, and the JVM's exit waits 300 ms for any thread that stands in
    // native code (VM_Exit::wait_for_threads_in_native_to_block), as those do that wait for their events.
    private static void endSelectors() {
        Thread[] threads = new Thread[Thread.activeCount() + 50];
        Thread.enumerate(threads);
        Stream.of(threads).filter(thread -> thread != null && thread.getName().endsWith("-SelectorManager"))
                .forEach(Thread::interrupt);
    }

    /** A moment by which something must have ended, on the monotonic clock ({@link System#nanoTime()}). */
    record Deadline(long nanos) {
        static Deadline in(Duration duration) {
            return new Deadline(System.nanoTime() + duration.toNanos());
        }

        boolean over() {
            return System.nanoTime() - nanos >= 0;
        }

        /** What is left of it, at least one millisecond. */
        Duration left() {
            return Duration.ofNanos(Math.max(1_000_000, nanos - System.nanoTime()));
        }
    }

    /** What a check asks with: what to look at, the client, and until when. */
    record Asking(Settings settings, Http http, Deadline deadline) {
        Answer api(Endpoint endpoint) {
            return http.api(endpoint.target(), deadline.left());
        }

        Answer get(URI address) {
            return http.get(address, deadline.left());
        }
    }
}
