package runbook;

import java.io.*;
import java.net.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import javax.net.ssl.*;
import runbook.Http.Asking;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Json;

/**
 * The way to the API, gone once, phase by phase: DNS, connect, TLS. Where a proxy is on it, it ends there: of what is
 * behind, the requests tell that go through it.
 */
final class NetworkPath {
    /** A way that nobody went. */
    static final NetworkPath UNTRODDEN = new NetworkPath(null, Optional.empty());
    /** A certificate that ends sooner than this is worth a warning. */
    private static final Duration EXPIRES_SOON = Duration.ofDays(14);

    private final URI uri;
    private final Optional<URI> proxy;
    private final Socket socket = new Socket();
    /** The phases that ended well, with their milliseconds. */
    private final StringBuffer timing = new StringBuffer();
    private volatile String phase = "";
    private volatile Instant expires;
    private Optional<Fault> fault = Optional.empty();
    private long millis;

    private NetworkPath(URI uri, Optional<URI> proxy) {
        this.uri = uri;
        this.proxy = proxy;
    }

    /** Goes the way once. Never throws, and ends by the deadline. */
    static NetworkPath of(Asking asking) {
        URI api = asking.settings().target().api();
        NetworkPath path = new NetworkPath(api, Settings.proxyFor(asking.settings().proxies(), api));
        long start = System.nanoTime();
        path.fault = Optional.ofNullable(path.go(asking.left()));
        path.millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        return path;
    }

    // ---- what came of it

    Check check() {
        if (uri == null) {
            return Check.skipped("network", "not asked for");
        }
        String way = timing + proxy.map(at -> " through proxy " + Http.hostPort(at)).orElse("");
        String summary = fault.map(what -> what.words() + (way.isEmpty() ? "" : " (" + way + ")"))
                .orElse(way + expiry(expires));
        Outcome whole = endsSoon(expires) ? Outcome.WARN : Outcome.OK;
        return new Check("network", fault.isPresent() ? Outcome.FAIL : whole, summary, millis, null, Json.object());
    }

    Optional<Fault> fault() {
        return fault;
    }

    boolean reachesServer() {
        return socket.isConnected() && proxy.isEmpty();
    }

    /** Whether a certificate ends within days; null is none. */
    static boolean endsSoon(Instant end) {
        return end != null && end.isBefore(Instant.now().plus(EXPIRES_SOON));
    }

    /** {@code , certificate until 2027-01-31 (68 days)}; empty without one. */
    static String expiry(Instant end) {
        return end == null ? "" : ", certificate until " + end.toString().substring(0, 10) + " ("
                + Text.count(Duration.between(Instant.now(), end).toDays(), "day") + ")";
    }

    // ---- going it

    // Neither the platform's lookup nor a handshake byte by byte can be bounded: when time is up, they are left behind
    // on a daemon thread.
    private Fault go(Duration within) {
        FutureTask<Fault> walk = new FutureTask<>(this::walk);
        Thread thread = new Thread(walk, "network");
        thread.setDaemon(true);
        thread.start();
        try (socket) {
            return walk.get(within.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            return late();
        } catch (ExecutionException | InterruptedException | IOException e) {
            return Http.fault(e.getCause() == null ? e : e.getCause(), uri, proxy);
        }
    }

    private Fault walk() throws IOException {
        URI first = proxy.orElse(uri);
        long start = begin("DNS");
        InetAddress address = InetAddress.getByName(first.getHost());
        took(start);
        start = begin("connect");
        socket.connect(new InetSocketAddress(address, Http.port(first)));
        took(start);
        if (Http.tls(uri) && proxy.isEmpty()) {
            start = begin("TLS");
            SSLSocket tls = (SSLSocket) Http.trusting().getSocketFactory()
                    .createSocket(socket, uri.getHost(), Http.port(uri), true);
            SSLParameters parameters = tls.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            tls.setSSLParameters(parameters);
            tls.startHandshake();
            expires = Http.expires(tls.getSession());
            took(start);
        }
        return null;
    }

    private long begin(String next) {
        phase = next;
        return System.nanoTime();
    }

    private void took(long start) {
        long spent = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        timing.append(timing.isEmpty() ? "" : ", ").append(phase).append(' ').append(spent).append(" ms");
    }

    private Fault late() {
        String first = Text.safe(proxy.orElse(uri).getHost(), 80);
        return switch (phase) {
            case "DNS" -> new Fault(Kind.DNS, "DNS: no answer for " + first + " within the timeout", 0);
            case "TLS" -> new Fault(Kind.TLS, "TLS: the handshake did not end within the timeout", 0);
            default -> Http.fault(new SocketTimeoutException(), uri, proxy);
        };
    }
}
