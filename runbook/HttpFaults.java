package runbook;

import java.net.ConnectException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.List;
import java.util.function.BiPredicate;
import java.util.function.Function;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Text.Durations;

/**
 * Names what kept an answer from coming, told apart by what the JDK's client throws (tried on 17 and 25). Where it has no
 * exception type of its own for a fault, its messages tell; they may quote the server, so they are made safe.
 */
final class HttpFaults {
    /** What was thrown, and when. */
    private record Case(Throwable thrown, String message, URI uri, BoundedBody received) {
        String host() {
            return Text.safe(uri.getHost(), 80);
        }

        boolean says(String... words) {
            return List.of(words).stream().anyMatch(message::contains);
        }

        boolean begun() {
            return received.status() != 0;
        }
    }

    private record Rule(Kind kind, BiPredicate<Case, Throwable> when, Function<Case, String> words) { }

    /** Looked for in every cause, from the outermost in: the first that fits. */
    private static final List<Rule> BY_TYPE = List.of(
            new Rule(
                    Kind.TOO_LARGE,
                    (seen, cause) -> cause instanceof BoundedBody.TooLarge,
                    seen -> "HTTP " + seen.received.status() + " with a body larger than 1 MiB"),
            new Rule(
                    Kind.DNS,
                    (seen, cause) ->
                            cause instanceof UnresolvedAddressException || cause instanceof UnknownHostException,
                    seen -> "DNS: no address for " + seen.host()),
            // The client's time to connect spans the TLS handshake.
            new Rule(
                    Kind.CONNECT_TIMEOUT,
                    (seen, cause) -> cause instanceof HttpConnectTimeoutException,
                    seen -> "no connection to " + seen.host()
                            + ("https".equalsIgnoreCase(seen.uri.getScheme()) ? ", or no TLS handshake," : "")
                            + " within the timeout"),
            new Rule(
                    Kind.TOO_LARGE,
                    (seen, cause) -> cause instanceof ProtocolException && seen.says("Header size too big"),
                    seen -> "headers without end"),
            new Rule(
                    Kind.MALFORMED,
                    (seen, cause) -> cause instanceof ProtocolException && seen.says("Invalid header"),
                    seen -> "an answer with control characters in a header, which HTTP does not allow"),
            new Rule(
                    Kind.MALFORMED,
                    (seen, cause) -> cause instanceof ProtocolException,
                    seen -> "an answer that is not valid HTTP: " + Text.safe(seen.message, 80)),
            // The client tries a refused connection again on the channel that it closed, and then says only that.
            new Rule(
                    Kind.REFUSED,
                    (seen, cause) ->
                            cause instanceof ConnectException && cause.getCause() instanceof ClosedChannelException,
                    seen -> seen.host() + " refuses connections"));

    private static final List<Rule> BY_MESSAGE = List.of(
            new Rule(
                    Kind.PROXY,
                    (seen, thrown) -> seen.says("Tunnel failed", "proxy"),
                    seen -> "the proxy refused: " + Text.safe(seen.message, 100)),
            new Rule(
                    Kind.REFUSED, (seen, thrown) -> seen.says("refused"), seen -> seen.host() + " refuses connections"),
            new Rule(
                    Kind.UNREACHABLE,
                    (seen, thrown) -> seen.says("unreachable", "No route"),
                    seen -> seen.host() + " cannot be reached: " + Text.safe(seen.message, 60)),
            new Rule(
                    Kind.MALFORMED,
                    (seen, thrown) -> seen.says("chunk"),
                    seen -> "HTTP " + seen.received.status() + " with a broken chunked body"),
            new Rule(
                    Kind.RESET,
                    (seen, thrown) -> seen.begun(),
                    seen -> "HTTP " + seen.received.status() + ", then the connection broke after "
                            + seen.received.size() + " bytes of the body"),
            new Rule(
                    Kind.RESET,
                    (seen, thrown) -> seen.says("received no bytes", "reset", "EOF", "closed"),
                    seen -> seen.host() + " closed the connection without an answer"),
            new Rule(
                    Kind.UNREACHABLE,
                    (seen, thrown) -> thrown instanceof ConnectException,
                    seen -> "no connection to " + seen.host() + ": " + Text.safe(seen.message, 60)),
            new Rule(
                    Kind.MALFORMED,
                    (seen, thrown) -> true,
                    seen -> "no usable answer: " + Text.safe(seen.message, 100)));

    private HttpFaults() { }

    /** The fault behind what the client threw. */
    static Fault of(Throwable thrown, URI uri, BoundedBody received, long millis) {
        Case seen = new Case(thrown, String.valueOf(thrown.getMessage()), uri, received);
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            for (Rule rule : BY_TYPE) {
                if (rule.when.test(seen, cause)) {
                    return new Fault(rule.kind, rule.words.apply(seen), millis);
                }
            }
        }
        return TlsFault.of(thrown).map(kind -> new Fault(kind, TlsFault.words(kind, thrown.getMessage()), millis))
                .orElseGet(() -> BY_MESSAGE.stream().filter(rule -> rule.when.test(seen, thrown)).findFirst()
                        .map(rule -> new Fault(rule.kind, rule.words.apply(seen), millis)).orElseThrow());
    }

    /** The fault of an answer that had not come, or not to its end, when time was up. */
    static Fault late(BoundedBody received, Duration deadline, long millis) {
        String within = " within " + Durations.words(roundedUp(deadline));
        return received.status() == 0
                ? new Fault(Kind.TIMEOUT, "no answer" + within, millis)
                : new Fault(
                        Kind.SLOW_BODY,
                        "HTTP " + received.status() + ", but its body did not end" + within + " (" + received.size()
                                + " bytes came)",
                        millis);
    }

    // What was left of a timeout of 5 s when the request began, 4.987 s, is 5 s to the reader.
    private static Duration roundedUp(Duration deadline) {
        return Duration.ofMillis((deadline.toMillis() + 99) / 100 * 100);
    }
}
