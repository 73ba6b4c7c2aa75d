package runbook;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Http.Deadline;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;

/**
 * The way to a server, phase by phase.
 *
 * @param proxy     the proxy on the way, as host and port
 * @param addresses of the server, or of its proxy
 * @param phases    milliseconds by phase, as far as it came: DNS, connect (to the proxy, where there is one), TLS
 * @param chain     what the server showed, its own certificate first, also when it was not accepted
 * @param fault     what broke it
 */
public record NetworkPath(Optional<String> proxy, List<String> addresses, Map<String, Long> phases,
        List<X509Certificate> chain, Optional<Fault> fault) {
    /** A path that nobody went. */
    static final NetworkPath UNTRODDEN =
            new NetworkPath(Optional.empty(), List.of(), Map.of(), List.of(), Optional.empty());
    /** A certificate that ends sooner than this is worth a warning. */
    private static final Duration EXPIRES_SOON = Duration.ofDays(14);

    /** Goes the way once. Never throws, and ends by the deadline. */
    static NetworkPath to(URI uri, Map<String, String> proxies, Deadline deadline) {
        Optional<URI> proxy = Http.proxyFor(proxies, uri);
        Walk walk = new Walk(uri, proxy, deadline);
        Optional<Fault> fault = walk.go();
        return new NetworkPath(proxy.map(Http::hostPort), walk.addresses, walk.phases, walk.chain, fault);
    }

    /** The check named {@code network}: the path from here to the API. */
    public Check check() {
        if (phases.isEmpty()) {
            return Check.skipped("network", "not asked for");
        }
        String timing = phases.entrySet().stream().map(phase -> phase.getKey() + " " + phase.getValue() + " ms")
                .collect(Collectors.joining(", ")) + proxy.map(name -> " through proxy " + name).orElse("");
        String summary = fault.map(what -> what.words() + " (" + timing + ")").orElse(timing + expiry());
        Outcome whole = expiresSoon() ? Outcome.WARN : Outcome.OK;
        long millis = phases.values().stream().mapToLong(Long::longValue).sum();
        return new Check("network", fault.isPresent() ? Outcome.FAIL : whole, summary, millis, null,
                Json.of(detail()));
    }

    /** The phases and the certificates as plain values. */
    Map<String, Object> detail() {
        Map<String, Object> detail = new LinkedHashMap<>();
        detail.put("proxy", proxy.orElse(null));
        detail.put("addresses", addresses);
        Stream.of("DNS", "connect", "TLS").forEach(phase ->
                detail.put(phase.toLowerCase(Locale.ROOT) + "Millis", phases.get(phase)));
        detail.put("certificates", chain.stream().map(certificate -> Map.of(
                "subject", Text.safe(certificate.getSubjectX500Principal().getName(), 200),
                "issuer", Http.issuer(certificate),
                "notAfter", certificate.getNotAfter().toInstant())).toList());
        detail.put("fault", fault.map(what -> what.kind().name().toLowerCase(Locale.ROOT)).orElse(null));
        return detail;
    }

    /** Who signed a certificate that this JDK does not trust: whoever opens TLS on the way; empty where nobody does. */
    Optional<String> interceptedBy() {
        return fault.filter(what -> what.kind() == Kind.TLS_UNTRUSTED).flatMap(what -> chain.stream().findFirst())
                .map(Http::issuer);
    }

    /** Whether a connection came about, to the server or its proxy. */
    boolean connected() {
        return phases.containsKey("connect");
    }

    /** Whether the proxy on the way cannot be used. */
    boolean proxyFails() {
        return proxy.isPresent() && (!connected() || fault.filter(what -> what.kind() == Kind.PROXY).isPresent());
    }

    private Optional<Instant> expires() {
        return chain.stream().findFirst().map(certificate -> certificate.getNotAfter().toInstant());
    }

    /** Whether the certificate ends within two weeks. */
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

    /** One walk: what it has seen so far, so that a fault tells how far it came. */
    private static final class Walk {
        private final URI uri;
        private final Optional<URI> proxy;
        private final Deadline deadline;
        private final Map<String, Long> phases = new LinkedHashMap<>();
        private List<String> addresses = List.of();
        private volatile List<X509Certificate> chain = List.of();

        Walk(URI uri, Optional<URI> proxy, Deadline deadline) {
            this.uri = uri;
            this.proxy = proxy;
            this.deadline = deadline;
        }

        Optional<Fault> go() {
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
                return fault(Kind.DNS, "DNS: no answer for " + name + " within the timeout");
            } catch (IOException e) {
                return deadline.over() ? late(name) : Optional.of(Http.fault(e, uri, proxy, chain));
            } catch (Problem e) {
                return fault(Kind.TLS, e.getMessage());
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
                InetAddress[] found = lookup.get(deadline.left().toNanos(), TimeUnit.NANOSECONDS);
                addresses = Stream.of(found).map(InetAddress::getHostAddress).toList();
                return found[0];
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
                Optional<Fault> refused = proxy.isPresent() ? tunnel(socket, proxy.get()) : Optional.empty();
                if (refused.isPresent()) {
                    return refused;
                }
                start = System.nanoTime();
                SSLSocket tls = (SSLSocket) Http.trusting(shown -> chain = shown).getSocketFactory()
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

        private Optional<Fault> tunnel(Socket socket, URI through) throws IOException {
            String login = Http.login(through).map(header -> "Proxy-Authorization: " + header + "\r\n").orElse("");
            String target = Http.hostPort(uri);
            String request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + login + "\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
            StringBuilder answer = new StringBuilder();
            InputStream in = socket.getInputStream();
            for (int read = 0; read >= 0 && answer.length() < 8_192 && answer.indexOf("\r\n\r\n") < 0;) {
                read = in.read();
                answer.append((char) read);
            }
            return answer.toString().matches("(?s)HTTP/1\\.\\d 2\\d\\d.*") ? Optional.empty()
                    : fault(Kind.PROXY, "the proxy " + Http.hostPort(through) + " refused the tunnel: "
                            + Text.safe(answer.toString().lines().findFirst().orElse("no answer"), 80));
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

        private Optional<Fault> late(String name) {
            return phases.containsKey("connect") ? fault(Kind.TLS, "TLS: the handshake did not end within the timeout")
                    : fault(Kind.CONNECT_TIMEOUT, "no connection to " + name + " within the timeout");
        }

        private void took(String phase, long start) {
            phases.put(phase, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
        }

        private static Optional<Fault> fault(Kind kind, String words) {
            return Optional.of(new Fault(kind, words, 0));
        }
    }
}
