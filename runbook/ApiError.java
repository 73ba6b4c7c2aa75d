package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The first error of a JSON:API error body, as Klaviyo sends it; or the {@code message} of a retired v1/v2 route, which
 * is no JSON:API. All texts are safe to print.
 *
 * @param code   {@code authentication_failed}, {@code throttled}, …; {@code retired} for a bare message
 * @param detail what it says
 * @param source the JSON pointer or query parameter at fault; may be empty
 */
public record ApiError(String code, String detail, String source) {
    private static final Pattern EXPECTED_IN = Pattern.compile("available in (\\d{1,6}) second");

    /** The error in a reply's body; empty when the body is none of Klaviyo's. */
    public static Optional<ApiError> of(Answer.Reply reply) {
        JsonNode body = reply.json();
        JsonNode first = body.path("errors").path(0);
        if (first.isObject()) {
            JsonNode source = first.path("source");
            return Optional.of(new ApiError(Text.safe(first.path("code").asText(), 60),
                    Text.safe(first.path("detail").asText(first.path("title").asText()), 300),
                    Text.safe(source.path("pointer").asText(source.path("parameter").asText("")), 100)));
        }
        return body.path("message").isTextual() && reply.status() >= 400
                ? Optional.of(
                        new ApiError("retired", Text.safe(body.path("message").asText(), 300), ""))
                : Optional.empty();
    }

    /**
     * Seconds until a throttled request may be sent again: {@code Retry-After}, else the number in the detail
     * (a 429 without the header has been seen: klaviyo-api-python issue 15).
     */
    public static Optional<Long> retryAfter(Answer.Reply reply) {
        if (reply.status() != 429) {
            return Optional.empty();
        }
        if (reply.number("retry-after").isPresent()) {
            return Optional.of(reply.number("retry-after").getAsLong());
        }
        return of(reply)
                .map(error -> EXPECTED_IN.matcher(error.detail))
                .filter(Matcher::find)
                .map(found -> Long.parseLong(found.group(1)));
    }

    /**
     * Whether a reply comes from the content network in front of Klaviyo and not from Klaviyo: no error of Klaviyo's,
     * and HTML, a {@code cf-mitigated} header or a status of 520 to 530. {@code cf-ray} alone proves nothing, for
     * genuine answers carry it too (klaviyo-api-python issue 15).
     */
    public static boolean fromCdn(Answer.Reply reply) {
        return reply.status() >= 400
                && of(reply).isEmpty()
                && (reply.html()
                        || reply.header("cf-mitigated").isPresent()
                        || reply.status() >= 520 && reply.status() <= 530);
    }

    @Override
    public String toString() {
        return code
                + (detail.isEmpty() ? "" : ": " + detail)
                + (source.isEmpty() || source.matches("/data/?") ? "" : " (" + source + ")");
    }
}
