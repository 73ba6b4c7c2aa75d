package runbook;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

/**
 * What the answers say about the account's rate limits, which all its private keys share.
 *
 * @param check   as one line
 * @param windows each endpoint's steady window, by the endpoint's name
 * @param retryAfterSeconds the longest wait that a 429 asked for; empty when none did
 */
public record RateLimits(Check check, Map<String, Window> windows, OptionalLong retryAfterSeconds) {
    /** The steady window: requests allowed and left in it, and seconds until it is full again. */
    public record Window(long limit, long remaining, long resetSeconds) {
        boolean low() {
            return remaining * 10 < limit;
        }
    }

    static RateLimits of(Auth auth, List<EndpointProbe> probes) {
        Map<String, Window> windows = new LinkedHashMap<>();
        List<String> throttled = new ArrayList<>();
        OptionalLong wait = OptionalLong.empty();
        Map<String, List<Answer>> answers = new LinkedHashMap<>();
        if (auth.answer() != null) {
            answers.put("accounts", List.of(auth.answer()));
        }
        probes.forEach(probe -> answers.put(probe.endpoint().name(), probe.samples()));
        for (var entry : answers.entrySet()) {
            for (Answer answer : entry.getValue()) {
                if (answer instanceof Reply reply && reply.status() == 429) {
                    throttled.add(entry.getKey());
                    long seconds = ApiError.retryAfter(reply).orElse(0L);
                    wait = OptionalLong.of(Math.max(seconds, wait.orElse(0)));
                } else if (answer instanceof Reply reply && reply.number("ratelimit-limit").isPresent()) {
                    windows.merge(entry.getKey(), window(reply), (one, other) -> one.remaining < other.remaining ? one : other);
                }
            }
        }
        return new RateLimits(check(windows, throttled.stream().distinct().toList(), wait), windows, wait);
    }

    private static Window window(Reply reply) {
        return new Window(
                reply.number("ratelimit-limit").getAsLong(),
                reply.number("ratelimit-remaining").orElse(0),
                reply.number("ratelimit-reset").orElse(0));
    }

    private static Check check(Map<String, Window> windows, List<String> throttled, OptionalLong wait) {
        if (windows.isEmpty() && throttled.isEmpty()) {
            return Check.skipped("rate-limit", "no answer carried rate limit headers");
        }
        List<String> said = new ArrayList<>();
        if (!throttled.isEmpty()) {
            said.add("429 on " + String.join(", ", throttled)
                    + (wait.orElse(0) > 0
                            ? ": full again in " + Durations.words(Duration.ofSeconds(wait.getAsLong()))
                            : ": may be asked again at once"));
        }
        windows.forEach((name, window) -> said.add(name + " " + window.remaining + " of " + window.limit + " left"
                + (window.low() ? " (full again in " + window.resetSeconds + " s)" : "")));
        boolean low = windows.values().stream().anyMatch(Window::low);
        Outcome outcome = !throttled.isEmpty() ? Outcome.FAIL : low ? Outcome.WARN : Outcome.OK;
        Map<String, Object> detail = new LinkedHashMap<>();
        Map<String, Object> plain = new LinkedHashMap<>();
        windows.forEach((name, window) -> plain.put(name, Map.of(
                "limit", window.limit, "remaining", window.remaining, "resetSeconds", window.resetSeconds)));
        detail.put("windows", plain);
        detail.put("throttled", throttled);
        detail.put("retryAfterSeconds", wait.isPresent() ? wait.getAsLong() : null);
        return new Check(
                "rate-limit", outcome, String.join("; ", said), 0, throttled.isEmpty() ? null : 429, Json.of(detail));
    }
}
