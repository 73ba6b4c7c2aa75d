package runbook;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Http.Deadline;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;

/**
 * The way to a server, phase by phase: DNS, connection (to the proxy, where there is one), TLS. A phase that was not
 * come to, and TLS over plain http, is -1 ms. The chain is what the server showed, its own certificate first, also
 * when it was not accepted; the fault is what broke it.
 */
public record NetworkPath(Optional<String> proxy, List<String> addresses, long dnsMillis,
        long connectMillis, long tlsMillis, List<X509Certificate> chain, Optional<Fault> fault) {
    /** When the server's certificate expires; empty without TLS. */
    public Optional<Instant> expires() {
        return chain.stream().findFirst().map(certificate -> certificate.getNotAfter().toInstant());
    }

    /** The phases in words: {@code DNS 3 ms, connect 12 ms, TLS 25 ms}. */
    public String timing() {
        List<String> phases = Stream.of(phase("DNS", dnsMillis), phase("connect", connectMillis),
                phase("TLS", tlsMillis)).flatMap(Optional::stream).toList();
        return String.join(", ", phases) + proxy.map(name -> " through proxy " + name).orElse("");
    }

    /** Who signed a certificate that this JDK does not trust: whoever opens TLS on the way; empty where nobody does. */
    Optional<String> interceptedBy() {
        return fault.filter(what -> what.kind() == Kind.TLS_UNTRUSTED).flatMap(what -> chain.stream().findFirst())
                .map(certificate -> Text.safe(certificate.getIssuerX500Principal().getName(), 100));
    }

    /** Whether the proxy on the way cannot be used. */
    boolean proxyFails() {
        return proxy.isPresent() && (connectMillis < 0 || fault.filter(what -> what.kind() == Kind.PROXY).isPresent());
    }

    private static Optional<String> phase(String name, long millis) {
        return millis < 0 ? Optional.empty() : Optional.of(name + " " + millis + " ms");
    }

    /** Goes the way once. Never throws, and ends by the deadline. */
    static NetworkPath to(URI uri, Map<String, String> proxies, Deadline deadline) {
        return new Walk(uri, Http.proxyFor(proxies, uri), deadline).go();
    }

    /** One walk: what it has seen so far, so that a fault tells how far it came. */
    private static final class Walk {
        private final URI uri;
        private final Optional<URI> proxy;
        private final Deadline deadline;
        private List<String> addresses = List.of();
        private long dnsMillis = -1;
        private long connectMillis = -1;
        private long tlsMillis = -1;
        private final Map<String, List<X509Certificate>> shown = new ConcurrentHashMap<>();

        Walk(URI uri, Optional<URI> proxy, Deadline deadline) {
            this.uri = uri;
            this.proxy = proxy;
            this.deadline = deadline;
        }

        NetworkPath go() {
            String host = proxy.map(URI::getHost).orElse(uri.getHost());
            String name = proxy.map(address -> "the proxy " + named(address)).orElse(host);
            Optional<Fault> fault;
            try {
                InetAddress address = resolve(host);
                fault = connect(new InetSocketAddress(address, proxy.map(Http::port).orElseGet(this::port)), name);
            } catch (UnknownHostException e) {
                fault = fault(Kind.DNS, "DNS: no address for " + name);
            } catch (TimeoutException e) {
                fault = fault(Kind.DNS, "DNS: no answer for " + name + " within the timeout");
            }
            return new NetworkPath(proxy.map(Walk::named), addresses, dnsMillis, connectMillis, tlsMillis, chain(),
                    fault);
        }

        private static String named(URI proxy) {
            return Http.hostPort(proxy);
        }

        // The platform's lookup cannot be interrupted: it is left behind on a daemon thread when time is up.
        private InetAddress resolve(String host) throws UnknownHostException, TimeoutException {
            long start = System.nanoTime();
            CompletableFuture<InetAddress[]> lookup = new CompletableFuture<>();
            Thread thread = new Thread(() -> {
                try {
                    lookup.complete(InetAddress.getAllByName(host));
                } catch (UnknownHostException e) {
                    lookup.completeExceptionally(e);
                }
            }, "dns");
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
                dnsMillis = since(start);
            }
        }

        private Optional<Fault> connect(InetSocketAddress address, String host) {
            long start = System.nanoTime();
            try (Socket socket = new Socket()) {
                socket.connect(address, (int) deadline.left().toMillis());
                connectMillis = since(start);
                return "https".equalsIgnoreCase(uri.getScheme()) ? handshake(socket) : Optional.empty();
            } catch (SocketTimeoutException e) {
                return fault(Kind.CONNECT_TIMEOUT, "no connection to " + host + " within the timeout");
            } catch (IOException e) {
                String message = String.valueOf(e.getMessage());
                return message.contains("refused") ? fault(Kind.REFUSED, host + " refuses connections")
                        : fault(Kind.UNREACHABLE, host + " cannot be reached: " + Text.safe(message, 60));
            }
        }

        private Optional<Fault> handshake(Socket socket) {
            long start = System.nanoTime();
            try {
                socket.setSoTimeout((int) deadline.left().toMillis());
                closeWhenLate(socket);
                Optional<Fault> refused = proxy.isPresent() ? tunnel(socket, proxy.get()) : Optional.empty();
                if (refused.isPresent()) {
                    return refused;
                }
                start = System.nanoTime();
                SSLSocket tls = (SSLSocket) Http.trusting(shown).getSocketFactory().createSocket(socket, uri.getHost(),
                        port(), true);
                SSLParameters parameters = tls.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                tls.setSSLParameters(parameters);
                tls.startHandshake();
                return Optional.empty();
            } catch (SocketTimeoutException e) {
                return fault(Kind.TLS, "TLS: the handshake did not end within the timeout");
            } catch (IOException e) {
                return deadline.over() ? fault(Kind.TLS, "TLS: the handshake did not end within the timeout")
                        : Optional.of(Http.tlsFault(e, chain(), 0));
            } catch (Problem e) {
                return fault(Kind.TLS, e.getMessage());
            } finally {
                tlsMillis = since(start);
            }
        }

        private List<X509Certificate> chain() {
            return shown.values().stream().findFirst().orElse(List.of());
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

        private Optional<Fault> tunnel(Socket socket, URI through) throws IOException {
            String login = Http.login(through).map(header -> "Proxy-Authorization: " + header + "\r\n").orElse("");
            String target = uri.getHost() + ":" + port();
            socket.getOutputStream()
                    .write(("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + login + "\r\n")
                            .getBytes(StandardCharsets.ISO_8859_1));
            StringBuilder answer = new StringBuilder();
            InputStream in = socket.getInputStream();
            int read = 0;
            while (read >= 0 && answer.length() < 8_192 && answer.indexOf("\r\n\r\n") < 0) {
                read = in.read();
                answer.append((char) read);
            }
            return answer.toString().matches("(?s)HTTP/1\\.\\d 2\\d\\d.*") ? Optional.empty()
                    : fault(Kind.PROXY, "the proxy " + named(through) + " refused the tunnel: "
                            + Text.safe(answer.toString().lines().findFirst().orElse("no answer"), 80));
        }

        private int port() {
            return uri.getPort() != -1 ? uri.getPort() : "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80;
        }
    }

    private static Optional<Fault> fault(Kind kind, String words) {
        return Optional.of(new Fault(kind, words, 0));
    }

    private static long since(long start) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
    }

    /** The network path from here to the API. */
    public record Network(Check check, NetworkPath path) {
        /** A certificate that ends sooner than this is worth a warning. */
        static final Duration EXPIRES_SOON = Duration.ofDays(14);

        static Network look(Settings settings, Deadline deadline) {
            long start = System.nanoTime();
            NetworkPath path = NetworkPath.to(settings.target().api(), settings.proxies(), deadline);
            long millis = Duration.ofNanos(System.nanoTime() - start).toMillis();
            return new Network(new Check("network", outcome(path), summary(path), millis, null, Json.of(detail(path))),
                    path);
        }

        static Network skipped() {
            return new Network(Check.skipped("network", "not asked for"),
                    new NetworkPath(Optional.empty(), List.of(), -1, -1, -1, List.of(), Optional.empty()));
        }

        private static Outcome outcome(NetworkPath path) {
            Outcome whole = expiresSoon(path) ? Outcome.WARN : Outcome.OK;
            return path.fault().isPresent() ? Outcome.FAIL : whole;
        }

        private static String summary(NetworkPath path) {
            String timing = path.timing();
            String issuer = path.interceptedBy().map(name -> ": it is signed by \"" + name + "\"").orElse("");
            return path.fault().map(fault -> fault.words() + issuer + (timing.isEmpty() ? "" : " (" + timing + ")"))
                    .orElse(timing + expiry(path));
        }

        /** Whether the certificate ends within {@link #EXPIRES_SOON}. */
        static boolean expiresSoon(NetworkPath path) {
            return path.expires().filter(end -> end.isBefore(Instant.now().plus(EXPIRES_SOON))).isPresent();
        }

        /** {@code , certificate until 2027-01-31 (68 days)}; empty without TLS. */
        static String expiry(NetworkPath path) {
            return path.expires().map(end -> {
                Duration left = Duration.between(Instant.now(), end);
                String day = end.toString().substring(0, 10);
                return left.isNegative() ? ", certificate expired " + day + " (" + Durations.words(left.negated())
                        + " ago)" : ", certificate until " + day + " (" + Text.count(left.toDays(), "day") + ")";
            }).orElse("");
        }

        /** The phases and the certificates as plain values. */
        static Map<String, Object> detail(NetworkPath path) {
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("proxy", path.proxy().orElse(null));
            detail.put("addresses", path.addresses());
            detail.put("dnsMillis", path.dnsMillis() < 0 ? null : path.dnsMillis());
            detail.put("connectMillis", path.connectMillis() < 0 ? null : path.connectMillis());
            detail.put("tlsMillis", path.tlsMillis() < 0 ? null : path.tlsMillis());
            detail.put("certificates", path.chain().stream().map(certificate -> Map.of(
                    "subject", Text.safe(certificate.getSubjectX500Principal().getName(), 200),
                    "issuer", Text.safe(certificate.getIssuerX500Principal().getName(), 200),
                    "notAfter", certificate.getNotAfter().toInstant().toString())).toList());
            detail.put("fault", path.fault().map(fault -> fault.kind().name().toLowerCase()).orElse(null));
            return detail;
        }
    }
}
