package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;
import runbook.Answer.Fault;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

/**
 * The route that Klaviyo delivers to: its certificate, whether it answers, and whether Klaviyo has it enabled.
 *
 * @param check as one line
 * @param state what is wrong with it
 */
public record Webhook(Check check, State state) {
    /** What can be wrong with a webhook route. */
    public enum State { NOT_ASKED, LIVE, CERTIFICATE_EXPIRES_SOON, CERTIFICATE, DOWN, DISABLED }

    static Webhook look(Settings settings, Http http, Deadline deadline) {
        URI route = settings.target().webhook();
        if (route == null) {
            return new Webhook(
                    Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL"), State.NOT_ASKED);
        }
        long start = System.nanoTime();
        Path path = Path.to(route, settings.proxies(), deadline);
        Optional<Fault> broken = path.fault();
        if (broken.isPresent()) {
            return of(
                    broken.get().kind().certificate() ? State.CERTIFICATE : State.DOWN,
                    broken.get().words() + Network.expiry(path),
                    start,
                    null,
                    path);
        }
        Answer answer = ask(route, http, deadline);
        if (answer instanceof Fault fault) {
            return of(State.DOWN, fault.words(), start, null, path);
        }
        Reply reply = (Reply) answer;
        State state = isLive(reply) ? Network.expiresSoon(path) ? State.CERTIFICATE_EXPIRES_SOON : State.LIVE : State.DOWN;
        Webhook webhook =
                of(state, "HTTP " + reply.status() + says(reply) + Network.expiry(path), start, reply.status(), path);
        return state == State.LIVE && aWebPage(reply) ? webhook.with(Outcome.WARN) : webhook;
    }

    // A redirect is no delivery: nothing says that Klaviyo would follow one.
    private static boolean isLive(Reply reply) {
        return reply.status() < 500 && reply.status() / 100 != 3 && reply.status() != 404 && reply.status() != 410;
    }

    private static String says(Reply reply) {
        if (reply.status() / 100 == 3) {
            return ", a redirect, which no delivery is known to follow";
        }
        return !isLive(reply)
                ? ": the route is not there or fails"
                : aWebPage(reply)
                        ? " with a web page: is that the route, or the site's page for everything?"
                        : " to an unsigned request: the route is live";
    }

    private static boolean aWebPage(Reply reply) {
        return reply.status() == 200 && reply.html();
    }

    // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty POST worth it.
    private static Answer ask(URI route, Http http, Deadline deadline) {
        Answer answer = http.once("GET", route, Map.of(), null, deadline.left());
        return answer instanceof Reply reply && (reply.status() == 404 || reply.status() / 100 == 3)
                ? http.once("POST", route, Map.of("Content-Type", "application/json"), new byte[0], deadline.left())
                : answer;
    }

    private static Webhook of(State state, String summary, long start, Integer status, Path path) {
        Outcome outcome = switch (state) {
            case NOT_ASKED, LIVE -> Outcome.OK;
            case CERTIFICATE_EXPIRES_SOON -> Outcome.WARN;
            case CERTIFICATE, DOWN, DISABLED -> Outcome.FAIL;
        };
        return new Webhook(
                new Check(
                        "webhook",
                        outcome,
                        summary,
                        Duration.ofNanos(System.nanoTime() - start).toMillis(),
                        status,
                        Json.of(Network.detail(path))),
                state);
    }

    private Webhook with(Outcome outcome) {
        return new Webhook(
                new Check(check.name(), outcome, check.summary(), check.millis(), check.http(), check.detail()), state);
    }

    /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
    Webhook with(Optional<Reply> listing, URI route) {
        if (state == State.NOT_ASKED || listing.isEmpty()) {
            return this;
        }
        List<JsonNode> ours = StreamSupport.stream(
                        listing.get().json().path("data").spliterator(), false)
                .map(webhook -> webhook.path("attributes"))
                .filter(webhook -> sameHost(webhook.path("endpoint_url").asText(), route))
                .toList();
        boolean enabled = ours.stream().anyMatch(webhook -> webhook.path("enabled").asBoolean());
        String said = ours.isEmpty()
                ? "Klaviyo lists no webhook of this host"
                : enabled ? "enabled at Klaviyo" : "disabled at Klaviyo";
        boolean disabled = !ours.isEmpty() && !enabled && state == State.LIVE;
        Outcome outcome = disabled
                ? Outcome.FAIL
                : ours.isEmpty() && check.outcome() == Outcome.OK ? Outcome.WARN : check.outcome();
        Map<String, Object> detail = new LinkedHashMap<>(Map.of("listed", !ours.isEmpty(), "enabled", enabled));
        check.detail().properties().forEach(field -> detail.put(field.getKey(), field.getValue()));
        return new Webhook(
                new Check(
                        check.name(),
                        outcome,
                        check.summary() + "; " + said,
                        check.millis(),
                        check.http(),
                        Json.of(detail)),
                disabled ? State.DISABLED : state);
    }

    private static boolean sameHost(String address, URI route) {
        try {
            return route.getHost().equalsIgnoreCase(URI.create(address).getHost());
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
