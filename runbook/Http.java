package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.*;
import java.security.*;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
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
    private static SSLContext trusting;

    static {
        // The JDK sends no Basic credentials to a proxy for https unless this is emptied before it loads its client.
        // Only a login that stands in the environment's proxy address is ever sent.
        System.getProperties().putIfAbsent("jdk.http.auth.tunneling.disabledSchemes", "");
    }

    /** What it asks with, and where. */
    final Settings settings;
    /** The JDK's clients by scheme and proxy, each made when it is first asked for. */
    private final Map<String, HttpClient> clients;
    /** What is left of the time. */
    final Supplier<Duration> left;

    private Http(Settings settings, Map<String, HttpClient> clients, Supplier<Duration> left) {
        this.settings = settings;
        this.clients = clients;
        this.left = left;
    }

    /**
     * A client with these settings' key and revision, and their timeout for each request; a {@link Problem} when a
     * proxy for an address cannot be used.
     */
    public static Http of(Settings settings) {
        Settings.Target to = settings.target();
        Stream.of(to.api(), to.status(), to.app(), to.webhook(), to.prometheus()).filter(Objects::nonNull)
                .forEach(address -> Settings.proxyFor(settings.proxies(), address));
        return new Http(settings, new ConcurrentHashMap<>(), settings.probing()::timeout);
    }

    /** Has a client ask nobody, for port 1 is refused, so that the next one is faster ({@code Checks.prepare}). */
    static void prepare(boolean tls) {
        HttpRequest nobody = HttpRequest.newBuilder(URI.create("http://127.0.0.1:1")).build();
        made(tls, Optional.empty(), Duration.ofSeconds(1)).sendAsync(nobody, HttpResponse.BodyHandlers.discarding());
    }

    /** This client with another key. */
    public Http withKey(Optional<Key> key) {
        return new Http(settings.withKey(key), clients, left);
    }

    /** This client with one deadline for all that is asked: its requests end together after so long. */
    public Http within(Duration most) {
        long end = System.nanoTime() + most.toNanos();
        return new Http(settings, clients, () -> Duration.ofNanos(Math.max(1_000_000, end - System.nanoTime())));
    }

    // ---- answers

    /** What came of a request, and how long that took: a reply, or the fault that kept it from coming. */
    public sealed interface Answer permits Reply, Fault {
        /** From the first byte sent to the last one read, or to the fault. */
        long millis();

        /** What came instead of the JSON that was asked for, for one line and safe to print: of what is wrong alone. */
        String words();

        /** The reply's status; null for a fault. */
        default Integer http() {
            return this instanceof Reply reply ? reply.status : null;
        }
    }

    /**
     * A whole reply: headers by their names in lower case; at most {@link Http#LARGEST_BODY} bytes of body, and the
     * same as JSON, a missing node when it is none; and when the server's certificate ends, null without TLS.
     */
    public record Reply(int status, Map<String, List<String>> headers, byte[] body, JsonNode json, Instant expires,
            long millis) implements Answer {
        /** The first value of a header, made safe to print; the name in lower case. */
        Optional<String> header(String name) {
            return headers.getOrDefault(name, List.of()).stream().findFirst().map(value -> Text.safe(value, 200));
        }

        /** A header that holds a whole number. */
        OptionalLong number(String name) {
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

        @Override
        public String words() {
            String lacking = status / 100 == 2 ? ", JSON without the data that belongs there" : "";
            String said = json.isMissingNode() ? ", " + notJson() : lacking;
            return "HTTP " + status + (redirects() ? ", a redirect" : said);
        }

        /** What is wrong with a body that should have been JSON, in words. */
        public String notJson() {
            // A page that asks for a login: of a network that wants one, or of another server than was meant.
            Pattern login = Pattern.compile("(?is)type=[\"']?password|<title[^>]*>[^<]*(log|sign)[ -]?(in|on)\\b");
            Matcher title = Pattern.compile("(?is)<title[^>]*>\\s*(.{1,200}?)\\s*</title>").matcher(text());
            if (body.length == 0 || headers.containsKey("content-encoding")) {
                return (body.length == 0 ? "an empty body" : "a compressed body") + " where JSON should be";
            } else if (!html()) {
                return "no valid JSON where JSON should be: " + Text.safe(text(), 60);
            }
            String shown = title.find() ? "\"" + Text.safe(title.group(1), 60) + "\"" : Text.safe(text(), 60);
            return (login.matcher(text()).find() ? "a login page" : "HTML") + " where JSON should be: " + shown;
        }
    }

    /** No usable reply: what it was, and the same in words, with what was seen, safe to print. */
    public record Fault(Kind kind, String words, long millis) implements Answer { }

    /**
     * The faults told apart, and their words. How each is known by what the JDK throws (tried on 17 and 25), the first
     * that fits: a pattern in the names and messages of the exception and its causes, which begin with "connect" where
     * no connection came about, and with "begun" where an answer had. In the words, {who} is the server or the proxy,
     * {host} the server, {said} the message, made safe.
     */
    public enum Kind {
        TOO_LARGE("too large|Header size too big", "more than 1 MiB of body, or headers without end"),
        MALFORMED("ProtocolException|chunk", "no answer that is valid HTTP: {said}"),
        DNS("UnresolvedAddress|UnknownHost", "DNS: no address for {who}"),
        // The client's time to connect spans the TLS handshake: where that lasts, the network's check connects.
        CONNECT_TIMEOUT("(Connect|Socket)Timeout", "no connection to {who} within the timeout"),
        TLS_EXPIRED("CertificateExpired|CertificateNotYetValid",
                "TLS: the certificate has expired or is not valid yet ({said})"),
        TLS_WRONG_NAME("No subject alternative|No name matching", "TLS: the certificate is for another host name"),
        TLS_UNTRUSTED("CertPathBuilder", "TLS: the certificate comes from an unknown authority, \"{said}\". Does"
                + " something here inspect TLS? Then give Java a trust store that has that authority:"
                + " export JDK_JAVA_OPTIONS=-Djavax.net.ssl.trustStore=FILE"),
        TLS("javax\\.net\\.ssl\\.", "TLS handshake failed: {said}"),
        PROXY("Tunnel failed|proxy", "{who} refused: {said}"),
        // The client tries a refused connection again on the channel that it closed, and then says only that.
        REFUSED("refused|^connect.*ClosedChannel", "{who} refuses connections"),
        UNREACHABLE("^connect|unreachable|No route", "{who} cannot be reached: {said}"),
        CUT_OFF("^begun", "HTTP {status}, then the connection broke after {size} bytes of the body"),
        RESET("received no bytes|reset|EOF|[Cc]losed", "{host} closed the connection without an answer"),
        OTHER("", "no usable answer: {said}"),
        TIMEOUT("", "no answer within {time}"),
        SLOW_BODY("", "HTTP {status}, but its body did not end within {time} ({size} bytes came)"),
        // What the JDK says would quote the header, and with it the key.
        BAD_REQUEST("", "the request cannot be made: address or header has characters that HTTP does not allow");

        private final String seen;
        private final String says;

        Kind(String seen, String says) {
            this.seen = seen;
            this.says = says;
        }

        private static Kind of(String seen) {
            return Stream.of(values()).filter(kind -> Pattern.compile(kind.seen).matcher(seen).find()).findFirst()
                    .orElseThrow();
        }

        /** No connection came about at all: our network, a proxy or DNS rather than the service. */
        public boolean unreached() {
            return Set.of(DNS, CONNECT_TIMEOUT, PROXY, REFUSED, UNREACHABLE).contains(this);
        }

        /** The certificate or the handshake was refused. */
        public boolean tls() {
            return name().startsWith("TLS");
        }
    }

    // ---- requests

    /** Any request to Klaviyo's API with the key, as JSON:API; {@code body} is JSON, or null for none. */
    public Answer api(String method, String target, String revision, byte[] body) {
        Map<String, String> headers = new TreeMap<>(Map.of("revision", revision, "Accept", Klaviyo.JSON));
        settings.key().ifPresent(key -> headers.put("Authorization", key.authorization()));
        if (body != null) {
            headers.put("Content-Type", Klaviyo.JSON);
        }
        return once(method, URI.create(settings.target().api() + target), headers, body);
    }

    /** The one request that probes an endpoint. */
    Answer api(Endpoint endpoint) {
        return api("GET", endpoint.target(), settings.revision(), null);
    }

    /**
     * GET from anywhere else, some redirects followed: one that leads nowhere, or on and on, is itself the answer. A
     * login goes to whose address has it alone.
     */
    public Answer get(URI uri) {
        Http together = within(left.get());
        Answer answer = together.once("GET", uri, Map.of(), null);
        URI next = uri;
        for (int hops = 0; hops < MOST_REDIRECTS && answer instanceof Reply reply && reply.redirects(); hops++) {
            try {
                next = next.resolve(reply.header("location").orElseThrow());
            } catch (IllegalArgumentException | NoSuchElementException e) {
                return answer;
            }
            answer = together.once("GET", next, Map.of(), null);
        }
        return answer;
    }

    /** One request, redirects not followed. {@code body} may be null. */
    Answer once(String method, URI uri, Map<String, String> headers, byte[] body) {
        Exchange exchange = new Exchange(uri);
        CompletableFuture<HttpResponse<Void>> response = null;
        try {
            exchange.proxy = Settings.proxyFor(settings.proxies(), uri);
            response = client(uri, exchange.proxy).sendAsync(exchange.request(method, headers, body), exchange::begin);
            return exchange.reply(response.get(left.get().toNanos(), TimeUnit.NANOSECONDS));
        } catch (IllegalArgumentException e) {
            return exchange.fault(Kind.BAD_REQUEST, "");
        } catch (Problem e) {
            return new Fault(Kind.PROXY, e.getMessage(), 0);
        } catch (ExecutionException e) {
            return exchange.fault(e.getCause());
        } catch (TimeoutException | InterruptedException e) {
            response.cancel(true);
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            return exchange.fault(exchange.status == 0 ? Kind.TIMEOUT : Kind.SLOW_BODY, "");
        }
    }

    /** The header that carries an address's {@code user:password}; empty where it has none. */
    private static Optional<String> login(URI address) {
        return Optional.ofNullable(address.getUserInfo())
                .map(login -> "Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8)));
    }

    /** What kept a connection to a server from coming about, or its TLS. */
    static Fault fault(Throwable thrown, URI uri, Optional<URI> proxy) {
        Exchange exchange = new Exchange(uri);
        exchange.proxy = proxy;
        return exchange.fault(thrown);
    }

    /** Milliseconds since a moment of {@link System#nanoTime()}. */
    static long millis(long start) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    }

    /** One request: collects a body up to {@link #LARGEST_BODY}, and knows how far it came when something happens. */
    private static final class Exchange {
        private final URI uri;
        private final long start = System.nanoTime();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private Optional<URI> proxy = Optional.empty();
        /** The HTTP status; 0 while no answer has begun. */
        private volatile int status;

        Exchange(URI uri) {
            this.uri = uri;
        }

        HttpRequest request(String method, Map<String, String> headers, byte[] body) {
            URI bare = URI.create(uri.toString().replaceFirst("//[^/?#]*@", "//"));
            HttpRequest.Builder request = HttpRequest.newBuilder(bare).header("User-Agent", "klaviyo-runbook")
                    .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
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
        private void take(Optional<byte[]> part) {
            if (bytes.size() + part.map(more -> more.length).orElse(0) > LARGEST_BODY) {
                throw new UncheckedIOException(new IOException("too large"));
            }
            part.ifPresent(bytes::writeBytes);
        }

        Answer reply(HttpResponse<Void> response) {
            if (response.statusCode() == 407) {
                return fault(Kind.PROXY, "it wants a login (407): put the right user:password into its address");
            }
            Map<String, List<String>> headers = new TreeMap<>();
            response.headers().map().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
            byte[] body = bytes.toByteArray();
            Instant expires = response.sslSession().map(Http::expires).orElse(null);
            return new Reply(response.statusCode(), headers, body, json(body), expires, millis(start));
        }

        // Read once here: the body is asked about many times.
        private static JsonNode json(byte[] body) {
            try {
                return Json.read(body);
            } catch (IOException | StackOverflowError e) {
                return MissingNode.getInstance();
            }
        }

        Fault fault(Throwable thrown) {
            List<Throwable> chain = Stream.iterate(thrown, Objects::nonNull, Throwable::getCause).limit(20).toList();
            String seen = chain.stream().map(Throwable::toString).collect(Collectors.joining(" "));
            String begun = status == 0 ? "" : "begun ";
            Kind kind = Kind.of((seen.contains("java.net.ConnectException") ? "connect " : begun) + seen);
            // The date is told by what began it all.
            Throwable tells = kind == Kind.TLS_EXPIRED ? chain.get(chain.size() - 1) : thrown;
            // Newer JDKs put the name of TLS's alert before it.
            String message = String.valueOf(tells.getMessage()).replaceFirst("^\\([a-z_]+\\) ", "");
            return fault(kind, Text.safe(message, 100));
        }

        Fault fault(Kind kind, String said) {
            String host = Text.safe(uri.getHost(), 80);
            String who = proxy.map(through -> "the proxy " + Settings.hostPort(through)).orElse(host);
            // What was left of a timeout of 5 s when the request began, 4.987 s, is 5 s to the reader.
            String time = Durations.words(Duration.ofMillis((millis(start) + 50) / 100 * 100));
            String words = kind.says.replace("{who}", who).replace("{host}", host).replace("{status}", "" + status)
                    .replace("{size}", "" + bytes.size()).replace("{time}", time).replace("{said}", said);
            return new Fault(proxy.isPresent() && kind.unreached() ? Kind.PROXY : kind, words, millis(start));
        }
    }

    // ---- the JDK's clients

    private HttpClient client(URI uri, Optional<URI> proxy) {
        return clients.computeIfAbsent(Settings.tls(uri) + proxy.map(Settings::hostPort).orElse(""), route ->
                made(Settings.tls(uri), proxy, settings.probing().timeout()));
    }

    // HTTP/1.1 only: one connection a probe, so that one bad connection shows as one bad sample. No Authenticator: with
    // one, the JDK insists on a WWW-Authenticate header in every 401, which Klaviyo does not send. The real TLS context
    // takes a tenth of a second to load, certificate authorities and all: plain HTTP gets an empty one. The time to
    // connect is shorter than a check's, so that "no connection" is told from "connected, and no answer".
    private static HttpClient made(boolean tls, Optional<URI> proxy, Duration timeout) {
        ProxySelector through = proxy.map(address -> InetSocketAddress.createUnresolved(address.getHost(),
                Settings.port(address))).map(ProxySelector::of).orElse(HttpClient.Builder.NO_PROXY);
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).proxy(through)
                .sslContext(tls ? trusting() : new SSLContext(null, null, "none") { })
                .sslParameters(new SSLParameters()).connectTimeout(timeout.multipliedBy(3).dividedBy(5)).build();
    }

    /** Trusts what the JDK trusts, or the store that {@code javax.net.ssl.trustStore} names. */
    private static synchronized SSLContext trusting() {
        try {
            if (trusting == null) {
                TrustManagerFactory jdk = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
                jdk.init((KeyStore) null);
                SSLContext made = SSLContext.getInstance("TLS");
                made.init(null, new TrustManager[] {new Judge((X509TrustManager) jdk.getTrustManagers()[0])}, null);
                trusting = made;
            }
            return trusting;
        } catch (GeneralSecurityException e) {
            throw new Problem("the trust store of Java cannot be read (javax.net.ssl.trustStore): "
                    + Text.safe(e.getMessage(), 100));
        }
    }

    /** When the certificate ends that a server has shown. */
    private static Instant expires(SSLSession session) {
        try {
            return ((X509Certificate) session.getPeerCertificates()[0]).getNotAfter().toInstant();
        } catch (SSLPeerUnverifiedException e) {
            return null;
        }
    }

    /** The JDK's own judge, which compares the host's name by itself afterwards: here its refusals say more. */
    private record Judge(X509TrustManager jdk) implements X509TrustManager {
        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            try {
                jdk.checkServerTrusted(chain, type);
            } catch (CertificateException e) {
                // One that is expired and unknown fails for being unknown: what somebody has to mend is its date.
                chain[0].checkValidity();
                String issuer = chain[chain.length - 1].getIssuerX500Principal().getName();
                throw e.toString().contains("CertPathBuilder") ? new CertificateException(issuer, e) : e;
            }
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) {
            throw new UnsupportedOperationException();
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return jdk.getAcceptedIssuers();
        }
    }

    /**
     * Ends the threads of all clients, at the end of a process. Before Java 21 they have no close, and the JVM's exit
     * waits 300 ms for any thread in native code (VM_Exit::wait_for_threads_in_native_to_block), as theirs are.
     */
    static void end() {
        Thread[] threads = new Thread[Thread.activeCount() + 50];
        Thread.enumerate(threads);
        Stream.of(threads).filter(thread -> thread != null && thread.getName().endsWith("-SelectorManager"))
                .forEach(Thread::interrupt);
    }
}
