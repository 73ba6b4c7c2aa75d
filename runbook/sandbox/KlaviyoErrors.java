package runbook.sandbox;

import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** Klaviyo's error answers, JSON:API documents as its OpenAPI specification and its users' reports have them. */
final class KlaviyoErrors {
    static final String JSON_API = "application/vnd.api+json";

    /** An answer that ends the handling of a request early. */
    static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1;
        final transient Reply reply;

        Refusal(Reply reply) {
            super(null, null, false, false);
            this.reply = reply;
        }
    }

    private KlaviyoErrors() { }

    static Refusal notAuthenticated() {
        return error(401, "not_authenticated", "Authentication credentials were not provided.",
                "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.", pointer("/data/"));
    }

    static Refusal authenticationFailed() {
        return error(401, "authentication_failed", "Incorrect authentication credentials.",
                "Incorrect authentication credentials.", pointer("/data/"));
    }

    static Refusal missingScope(String scope) {
        return error(403, "permission_denied", "You do not have permission to perform this action.",
                "Your API key is missing required scopes: " + scope, pointer("/data/"));
    }

    static Refusal throttled(long seconds) {
        Refusal bare = error(429, "throttled", "Request was throttled.", "Request was throttled. Expected available in "
                + seconds + (seconds == 1 ? " second." : " seconds."), pointer("/data/"));
        return new Refusal(bare.reply.with("Retry-After", Long.toString(seconds)));
    }

    static Refusal parameter(String name, String detail) {
        return error(400, "invalid", "Invalid input.", detail, Map.of("parameter", name));
    }

    static Refusal body(String pointer, String detail) {
        return error(400, "invalid", "Invalid input.", detail, pointer(pointer));
    }

    static Refusal revision(int status, String detail) {
        return status == 404
                ? error(404, "not_found", "Not found.", detail, pointer("/data/"))
                : error(
                        status,
                        status == 410 ? "gone" : "invalid",
                        status == 410 ? "This revision has been retired." : "Invalid input.",
                        detail,
                        pointer("/data/"));
    }

    static Refusal notFound(String detail) {
        return error(404, "not_found", "Not found.", detail, pointer("/data/"));
    }


    static Refusal unavailable() {
        return error(
                503, "error", "A server error occurred.", "The service is temporarily unavailable.", pointer("/data/"));
    }

    /** What the CDN says to a client that it takes for a robot. */
    static Refusal challenge() {
        return new Refusal(Reply.text(403, "text/html; charset=UTF-8", "<!DOCTYPE html><html lang=\"en-US\"><head>"
                + "<title>Just a moment...</title></head><body><noscript>Enable JavaScript and cookies to continue"
                + "</noscript></body></html>\n").with("cf-mitigated", "challenge"));
    }

    /** What the edge says to a request that it will not even pass on. */
    static Refusal edge() {
        return new Refusal(Reply.text(
                        400,
                        "text/html",
                        "<html>\r\n"
                                + "<head><title>400 Bad Request</title></head>\r\n"
                                + "<body>\r\n"
                                + "<center><h1>400 Bad Request</h1></center>\r\n"
                                + "<hr><center>cloudflare</center>\r\n"
                                + "</body>\r\n"
                                + "</html>\r\n")
                .with("cf-ray", "-"));
    }

    /** The legacy v1 and v2 APIs: not JSON:API. */
    static Refusal legacy() {
        return new Refusal(
                Reply.json(410, Map.of("message", "This API has been retired and is no longer in service.")));
    }

    /** A UUID without the cost of a secure random number. */
    static String uniqueId() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }

    private static Map<String, String> pointer(String pointer) {
        return Map.of("pointer", pointer);
    }

    private static Refusal error(int status, String code, String title, String detail, Map<String, String> source) {
        Map<String, Object> error = new java.util.LinkedHashMap<>();
        error.put("id", uniqueId());
        error.put("status", status);
        error.put("code", code);
        error.put("title", title);
        error.put("detail", detail);
        error.put("source", source);
        error.put("links", Map.of());
        error.put("meta", Map.of());
        return new Refusal(Reply.json(status, JSON_API, Map.of("errors", List.of(error))));
    }
}
