package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Http;
import runbook.Text;

/** Our application's retry queue as Prometheus has it, now and before the incident. */
final class RetryQueue {
    // Far enough before the first sign that the queue was not filling yet, long enough to hold an ordinary peak.
    private static final Duration BEFORE_FROM = Duration.ofHours(3);
    private static final Duration BEFORE_TO = Duration.ofHours(1);
    private static final String STEP_SECONDS = "60";

    private final Http http;
    private final URI prometheus;
    private final String query;
    private final Instant began;
    private final Duration timeout;
    private OptionalDouble before = OptionalDouble.empty();
    private boolean asked;

    /** @param began when the incident began */
    RetryQueue(Http http, URI prometheus, String query, Instant began, Duration timeout) {
        this.http = http;
        this.prometheus = prometheus;
        this.query = query;
        this.began = began;
        this.timeout = timeout;
    }

    Backlog look() {
        if (!asked) {
            lookBack();
        }
        Answer answer = http.get(address("query", Map.of()), Map.of("Accept", "application/json"), timeout);
        if (!ok(answer)) {
            return new Backlog(OptionalDouble.empty(), before, why(answer));
        }
        JsonNode rows = result(answer);
        return rows.isEmpty()
                ? new Backlog(OptionalDouble.empty(), before, "Prometheus knows no " + Text.safe(query, 60))
                : new Backlog(OptionalDouble.of(sum(rows)), before, "");
    }

    private void lookBack() {
        Answer answer = http.get(
                address(
                        "query_range",
                        Map.of(
                                "start",
                                seconds(began.minus(BEFORE_FROM)),
                                "end",
                                seconds(began.minus(BEFORE_TO)),
                                "step",
                                STEP_SECONDS)),
                Map.of("Accept", "application/json"),
                timeout);
        asked = ok(answer);
        if (asked) {
            Map<String, Double> byTime = new HashMap<>();
            for (JsonNode row : result(answer)) {
                row.path("values")
                        .forEach(value -> byTime.merge(
                                value.path(0).asText(), value.path(1).asDouble(), Double::sum));
            }
            before = byTime.values().stream().mapToDouble(Double::doubleValue).max();
        }
    }

    private static double sum(JsonNode rows) {
        double sum = 0;
        for (JsonNode row : rows) {
            sum += row.path("value").path(1).asDouble();
        }
        return sum;
    }

    private URI address(String route, Map<String, String> more) {
        StringBuilder address = new StringBuilder(
                prometheus + "/api/v1/" + route + "?query=" + URLEncoder.encode(query, StandardCharsets.UTF_8));
        more.forEach((name, value) -> address.append('&').append(name).append('=').append(value));
        return URI.create(address.toString());
    }

    private static String seconds(Instant at) {
        return Long.toString(at.getEpochSecond());
    }

    private static boolean ok(Answer answer) {
        return answer instanceof Reply reply && reply.json().path("status").asText().equals("success");
    }

    private static JsonNode result(Answer answer) {
        return ((Reply) answer).json().path("data").path("result");
    }

    private static String why(Answer answer) {
        return answer instanceof Fault fault
                ? "Prometheus: " + fault.words()
                : "Prometheus: HTTP " + ((Reply) answer).status() + " "
                        + Text.safe(((Reply) answer).json().path("error").asText(((Reply) answer).notJson()), 80);
    }
}
