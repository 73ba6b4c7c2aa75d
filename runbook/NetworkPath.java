package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.security.*;
import java.security.cert.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.net.ssl.*;
import runbook.Http.Answer;
import runbook.Http.Asking;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Durations;
import runbook.Text.Json;

/** The way to a server, gone once, phase by phase: DNS, connect (to the proxy, where there is one), TLS. */
final class NetworkPath {
    /** A certificate that ends sooner than this is worth a warning. */
    private static final Duration EXPIRES_SOON = Duration.ofDays(14);
    private static final int LONGEST_ANSWER = 8_192;

    private final URI uri;
    private final Optional<URI> proxy;
    private final Http.Deadline deadline;
    /** Milliseconds by phase, as far as it came. */
    private final Map<String, Long> phases = new LinkedHashMap<>();
    /** What the server showed, its own certificate first, also when it was not accepted. */
    private volatile List<X509Certificate> chain = List.of();
    private Optional<Fault> fault = Optional.empty();

    private NetworkPath(URI uri, Optional<URI> proxy, Http.Deadline deadline) {
        this.uri = uri;
        this.proxy = proxy;
        this.deadline = deadline;
    }

    static NetworkPath untrodden() {
        return new NetworkPath(null, Optional.empty(), null);
    }

    /** Goes the way once. Never throws, and ends by the deadline. */
    static NetworkPath to(URI uri, Http.Asking asking) {
        NetworkPath path = new NetworkPath(uri, Settings.proxyFor(asking.settings().proxies(), uri), asking.deadline());
        path.fault = path.go();
        return path;
    }

    // ---- what came of it

    Check check() {
        if (phases.isEmpty()) {
            return Check.skipped("network", "not asked for");
        }
        String timing = phases.entrySet().stream().map(phase -> phase.getKey() + " " + phase.getValue() + " ms")
                .collect(Collectors.joining(", ")) + proxy.map(at -> " through proxy " + Http.hostPort(at)).orElse("");
        String summary = fault.map(what -> what.words() + " (" + timing + ")").orElse(timing + expiry());
        Outcome whole = expiresSoon() ? Outcome.WARN : Outcome.OK;
        long millis = phases.values().stream().mapToLong(Long::longValue).sum();
        return new Check("network", fault.isPresent() ? Outcome.FAIL : whole, summary, millis, null, Json.object());
    }

    Optional<Fault> fault() {
        return fault;
    }

    /** Who signed a certificate that this JDK does not trust: whoever opens TLS on the way; empty where nobody does. */
    Optional<String> interceptedBy() {
        return fault.filter(what -> what.kind() == Kind.TLS_UNTRUSTED).flatMap(what -> chain.stream().findFirst())
                .map(NetworkPath::issuer);
    }

    boolean reachesServer() {
        return phases.containsKey("connect") && proxy.isEmpty();
    }

    /** Whether the proxy on the way cannot be used. */
    boolean proxyFails() {
        boolean refused = fault.filter(what -> what.kind() == Kind.PROXY).isPresent();
        return proxy.isPresent() && (refused || !phases.containsKey("connect"));
    }

    private Optional<Instant> expires() {
        return chain.stream().findFirst().map(certificate -> certificate.getNotAfter().toInstant());
    }

    boolean expiresSoon() {
        return expires().filter(end -> end.isBefore(Instant.now().plus(EXPIRES_SOON))).isPresent();
    }

    /** {@code , certificate until 2027-01-31 (68 days)}; empty without TLS. */
    String expiry() {
        return expires().map(end -> {
            Duration left = Duration.between(Instant.now(), end);
            String day = end.toString().substring(0, 10);
            return left.isNegative() ? ", certificate expired " + day + " (" + Durations.words(left.negated()) + " ago)"
                    : ", certificate until " + day + " (" + Text.count(left.toDays(), "day") + ")";
        }).orElse("");
    }

    // ---- going it

    private Optional<Fault> go() {
        URI first = proxy.orElse(uri);
        String name = proxy.map(address -> "the proxy " + Http.hostPort(address)).orElse(first.getHost());
        try (Socket socket = new Socket()) {
            InetAddress address = resolve(first.getHost());
            closeWhenLate(socket);
            long start = System.nanoTime();
            socket.connect(new InetSocketAddress(address, Http.port(first)), (int) deadline.left().toMillis());
            took("connect", start);
            return "https".equalsIgnoreCase(uri.getScheme()) ? secure(socket) : Optional.empty();
        } catch (TimeoutException e) {
            return broken(Kind.DNS, "DNS: no answer for " + name + " within the timeout");
        } catch (IOException e) {
            if (!deadline.over()) {
                // One that is expired and unknown fails for being unknown: what somebody has to mend is its date.
                boolean expired = expires().filter(end -> end.isBefore(Instant.now())).isPresent();
                String issuer = chain.isEmpty() ? "" : ", \"" + issuer(chain.get(chain.size() - 1)) + "\"";
                return Optional.of(Http.fault(expired ? new CertificateExpiredException() : e, uri, proxy, issuer));
            }
            return phases.containsKey("connect") ? broken(Kind.TLS, "TLS: the handshake did not end within the timeout")
                    : broken(Kind.CONNECT_TIMEOUT, "no connection to " + name + " within the timeout");
        } catch (Settings.Problem e) {
            return broken(Kind.TLS, e.getMessage());
        }
    }

    // The platform's lookup cannot be interrupted: it is left behind on a daemon thread when time is up.
    private InetAddress resolve(String host) throws UnknownHostException, TimeoutException {
        long start = System.nanoTime();
        FutureTask<InetAddress[]> lookup = new FutureTask<>(() -> InetAddress.getAllByName(host));
        Thread thread = new Thread(lookup, "dns");
        thread.setDaemon(true);
        thread.start();
        try {
            return lookup.get(deadline.left().toNanos(), TimeUnit.NANOSECONDS)[0];
        } catch (ExecutionException e) {
            throw new UnknownHostException(host);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TimeoutException();
        } finally {
            took("DNS", start);
        }
    }

    private Optional<Fault> secure(Socket socket) throws IOException {
        long start = System.nanoTime();
        try {
            String refusal = proxy.isPresent() ? tunnel(socket, proxy.get()) : "";
            if (!refusal.isEmpty()) {
                return broken(Kind.PROXY,
                        "the proxy " + Http.hostPort(proxy.get()) + " refused the tunnel: " + refusal);
            }
            start = System.nanoTime();
            SSLSocket tls = (SSLSocket) trusting(shown -> chain = shown).getSocketFactory()
                    .createSocket(socket, uri.getHost(), Http.port(uri), true);
            SSLParameters parameters = tls.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            tls.setSSLParameters(parameters);
            tls.startHandshake();
            return Optional.empty();
        } finally {
            took("TLS", start);
        }
    }

    /** Asks a proxy for a way through; what it says when there is none. */
    private String tunnel(Socket socket, URI through) throws IOException {
        String login = Http.login(through).map(header -> "Proxy-Authorization: " + header + "\r\n").orElse("");
        String target = Http.hostPort(uri);
        String request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + login + "\r\n";
        socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
        StringBuilder answer = new StringBuilder();
        InputStream in = socket.getInputStream();
        for (int read = 0; read >= 0 && answer.length() < LONGEST_ANSWER && answer.indexOf("\r\n\r\n") < 0;) {
            read = in.read();
            answer.append((char) read);
        }
        return answer.toString().matches("(?s)HTTP/1\\.\\d 2\\d\\d.*") ? ""
                : Text.safe(answer.toString().lines().findFirst().orElse("no answer"), 80);
    }

    // A socket's timeout is for each read: a server that sends a byte a second would never meet it.
    private void closeWhenLate(Socket socket) {
        CompletableFuture.delayedExecutor(deadline.left().toNanos(), TimeUnit.NANOSECONDS).execute(() -> {
            try {
                socket.close();
            } catch (IOException e) {
                // Nothing to do: it is closed either way.
            }
        });
    }

    /** Who signed a certificate, safe to print. */
    private static String issuer(X509Certificate certificate) {
        return Text.safe(certificate.getIssuerX500Principal().getName(), 100);
    }

    /**
     * A TLS context that trusts what the JDK trusts (or the store that {@code javax.net.ssl.trustStore} names), and
     * tells which certificates a server shows, its own first, also those that are not accepted.
     */
    private static SSLContext trusting(Consumer<List<X509Certificate>> shown) {
        try {
            TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trusted.init((KeyStore) null);
            SSLContext context = SSLContext.getInstance("TLS");
            Witness witness = new Witness((X509TrustManager) trusted.getTrustManagers()[0], shown);
            context.init(null, new TrustManager[] {witness}, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new Settings.Problem("the trust store of Java cannot be read (javax.net.ssl.trustStore): "
                    + Text.safe(e.getMessage(), 100));
        }
    }

    /** Looks on while the JDK's own judge decides; the JDK then compares the host's name by itself. */
    private record Witness(X509TrustManager judge, Consumer<List<X509Certificate>> shown) implements X509TrustManager {
        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            shown.accept(List.of(chain));
            judge.checkServerTrusted(chain, type);
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) {
            throw new UnsupportedOperationException();
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return judge.getAcceptedIssuers();
        }
    }

    private void took(String phase, long start) {
        phases.put(phase, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }

    private static Optional<Fault> broken(Kind kind, String words) {
        return Optional.of(new Fault(kind, words, 0));
    }

    // ---- the route that Klaviyo delivers to: the state is whether webhooks arrive

    static Check webhook(Asking asking) {
        URI route = asking.settings().target().webhook();
        if (route == null) {
            return Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL");
        }
        long start = System.nanoTime();
        CompletableFuture<Answer> asked = CompletableFuture.supplyAsync(() -> ask(route, asking));
        NetworkPath path = to(route, asking);
        Answer answer = path.fault().isPresent() ? path.fault().get() : asked.join();
        String soon = path.expiresSoon() ? "yes, but the certificate ends soon" : "yes";
        String state = answer instanceof Reply reply && isLive(reply) ? soon : "no: route";
        if (answer instanceof Fault fault && fault.kind().tls() && fault.kind() != Http.Kind.TLS) {
            state = "no: certificate";
        }
        boolean doubtful = !state.equals("yes") || answer instanceof Reply reply && isPage(reply);
        Outcome live = doubtful ? Outcome.WARN : Outcome.OK;
        return new Check("webhook", state.startsWith("no") ? Outcome.FAIL : live, says(answer) + path.expiry(),
                Duration.ofNanos(System.nanoTime() - start).toMillis(), answer.http(), Json.object(), state);
    }

    // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty POST
    // worth it.
    private static Answer ask(URI route, Asking asking) {
        Answer answer = asking.http().once("GET", route, Map.of(), null, asking.deadline().left());
        return answer instanceof Reply reply && (reply.status() == 404 || reply.redirects())
                ? asking.http().once("POST", route, Map.of("Content-Type", "application/json"), new byte[0],
                        asking.deadline().left()) : answer;
    }

    // A redirect is no delivery: nothing says that Klaviyo would follow one.
    private static boolean isLive(Reply reply) {
        return reply.status() < 500 && !reply.redirects() && reply.status() != 404 && reply.status() != 410;
    }

    private static boolean isPage(Reply reply) {
        return reply.status() == 200 && reply.html();
    }

    private static String says(Answer answer) {
        if (answer instanceof Fault fault) {
            return fault.words();
        }
        Reply reply = (Reply) answer;
        String live = isPage(reply) ? " with a web page: is that the route, or the site's page for everything?"
                : " to an unsigned request: the route is live";
        String dead = reply.redirects() ? ", a redirect, which no delivery is known to follow"
                : ": the route is not there or fails";
        return "HTTP " + reply.status() + (isLive(reply) ? live : dead);
    }

    /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
    static Check listed(Check route, List<ApiChecks.Probe> probes, URI ours) {
        Optional<Reply> listing = probes.stream().filter(probe -> probe.endpoint().is(Endpoint.WEBHOOKS)).findFirst()
                .flatMap(ApiChecks.Probe::success);
        if (route.outcome() == Outcome.SKIPPED || listing.isEmpty()) {
            return route;
        }
        String host = "(?i)\\w+://" + Pattern.quote(ours.getHost()) + "([:/?#].*)?";
        Set<Boolean> enabled = new TreeSet<>();
        for (JsonNode webhook : listing.get().json().path("data")) {
            if (webhook.at("/attributes/endpoint_url").asText().matches(host)) {
                enabled.add(webhook.at("/attributes/enabled").asBoolean());
            }
        }
        boolean disabled = enabled.equals(Set.of(false));
        String known = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        String summary = route.summary() + (enabled.isEmpty() ? "; Klaviyo lists no webhook of this host" : known);
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, summary, route.millis(), route.http(),
                route.detail(), disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }
}
