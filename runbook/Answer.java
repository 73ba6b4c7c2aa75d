package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** What came of a request: a reply, or the fault that kept it from coming. */
public sealed interface Answer {
    /** From the first byte sent to the last one read, or to the fault. */
    long millis();

    /**
     * A whole reply, decompressed.
     *
     * @param uri     what answered, after redirects
     * @param status  the HTTP status
     * @param headers names in lower case
     * @param body    at most {@link Http#LARGEST_BODY} bytes
     * @param json    the body as JSON; a missing node when it is none
     * @param millis  see {@link Answer#millis()}
     */
    record Reply(URI uri, int status, Map<String, List<String>> headers, byte[] body, JsonNode json, long millis)
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
     * @param millis see {@link Answer#millis()}
     */
    record Fault(Kind kind, String words, long millis) implements Answer { }

    /** The faults told apart, and whether each means that the other side was never reached. */
    enum Kind {
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
