package runbook;

import java.util.List;
import java.util.function.Predicate;
import runbook.Answer.Fault;
import runbook.Answer.Kind;
import runbook.Answer.Reply;

/** What one answer from Klaviyo's API says about what is wrong. */
public enum Symptom {
    /** An answer as it should be. */
    NONE("ok"),
    /** 401: the key is missing, revoked or wrong. */
    UNAUTHORIZED("401 unauthorized"),
    /** 403 with Klaviyo's own error: the key is valid and lacks a scope (or the plan lacks the feature). */
    FORBIDDEN("403 missing scope"),
    /** 400 with Klaviyo's own error: the request itself is wrong. */
    INVALID("400 invalid request"),
    /** The revision is refused: 410, or a 400 or 404 that says so. */
    REVISION("revision refused"),
    /** 429. */
    THROTTLED("429 throttled"),
    /** Any other 4xx of Klaviyo's. */
    OTHER_CLIENT_ERROR("other 4xx"),
    /** 5xx, the content network's 520 to 530 among them. */
    SERVER_ERROR("5xx"),
    /** The content network in front of Klaviyo refused us. */
    CDN_BLOCK("CDN block"),
    /** No connection came about. */
    UNREACHED("not reached"),
    /** There was not even an address or a proxy to connect through. */
    NO_ROUTE("DNS or proxy failure"),
    /** The TLS handshake failed. */
    TLS("TLS failure"),
    /** Connected, and then no whole answer. */
    NO_ANSWER("no answer"),
    /** An answer, but not what an API says: HTML, a redirect, broken JSON. */
    GARBLED("garbled answer");

    private final String words;

    Symptom(String words) {
        this.words = words;
    }

    private record Rule(Predicate<Reply> when, Symptom then) { }

    private static final List<Rule> RULES = List.of(
            new Rule(reply -> reply.status() == 429, THROTTLED),
            new Rule(reply -> reply.status() >= 500, SERVER_ERROR),
            new Rule(ApiError::fromCdn, CDN_BLOCK),
            new Rule(reply -> reply.status() == 401, UNAUTHORIZED),
            new Rule(reply -> reply.status() == 403 && ApiError.of(reply).isPresent(), FORBIDDEN),
            new Rule(reply -> reply.status() == 410 || reply.status() >= 400 && mentionsRevision(reply), REVISION),
            new Rule(reply -> reply.status() == 400, INVALID),
            new Rule(reply -> reply.status() >= 400, OTHER_CLIENT_ERROR),
            new Rule(reply -> reply.status() / 100 != 2 || !reply.json().path("data").isArray(), GARBLED));

    /** What an answer says. */
    public static Symptom of(Answer answer) {
        if (answer instanceof Reply reply) {
            return RULES.stream().filter(rule -> rule.when.test(reply)).map(Rule::then).findFirst().orElse(NONE);
        }
        Kind kind = ((Fault) answer).kind();
        if (kind.tls()) {
            return TLS;
        }
        if (kind == Kind.DNS || kind == Kind.PROXY) {
            return NO_ROUTE;
        }
        if (kind.unreached()) {
            return UNREACHED;
        }
        return switch (kind) {
            case TIMEOUT, SLOW_BODY, RESET -> NO_ANSWER;
            case BAD_REQUEST -> UNAUTHORIZED;
            default -> GARBLED;
        };
    }

    // Klaviyo answers a revision it does not serve with 400 or 404, and only the detail tells (facts: 404 does not mean missing).
    private static boolean mentionsRevision(Reply reply) {
        return ApiError.of(reply).filter(error -> error.detail().toLowerCase().contains("revision")).isPresent();
    }

    /** Short words for tables: {@code 5xx}, {@code 403 missing scope}. */
    public String words() {
        return words;
    }

    /** An answer in words for one line: {@code HTTP 503 unavailable: …}, or the fault. */
    public static String describe(Answer answer) {
        if (answer instanceof Fault fault) {
            return fault.words();
        }
        Reply reply = (Reply) answer;
        Symptom symptom = of(reply);
        if (symptom == NONE) {
            return "HTTP " + reply.status();
        }
        if (reply.status() / 100 == 3) {
            return "HTTP " + reply.status() + ", a redirect, which the API never sends";
        }
        if (ApiError.fromCdn(reply)) {
            return "HTTP " + reply.status() + " from the CDN in front of Klaviyo, not from Klaviyo"
                    + reply.header("cf-ray").map(ray -> " (cf-ray " + ray + ")").orElse("")
                    + (reply.status() == 400
                            ? "; it refuses the request itself: look for a line break in the Authorization header"
                            : "");
        }
        return "HTTP " + reply.status()
                + ApiError.of(reply)
                        .map(error -> " " + error)
                        .orElseGet(() -> reply.json().isMissingNode()
                                ? ", " + reply.notJson()
                                : ", JSON without the data that belongs there");
    }
}
