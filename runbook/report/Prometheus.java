package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import runbook.Http.Answer;
import runbook.Http;
import runbook.Text;

/** Asks Prometheus, or what speaks its HTTP API, for the numbers of an incident. */
public final class Prometheus {
    private static final int POINTS = 240;
    private static final long SHORTEST_STEP = 15;

    /**
     * What to ask, in PromQL. {@code $window} becomes the incident's length, {@code $step} the distance of two points.
     *
     * @param failed  failed calls by status over the window; its label {@code status}, or its only label, names the status
     * @param rate    failed calls per second by status
     * @param calls   all calls over the window
     * @param latency seconds a call takes
     * @param queue   calls waiting to be repeated
     */
    public record Queries(String failed, String rate, String calls, String latency, String queue) {
        /** The names that the runbook and its field use. */
        public static final Queries USUAL = new Queries(
                "sum by (status) (increase(klaviyo_api_errors_total[$window]))",
                "sum by (status) (rate(klaviyo_api_errors_total[$step]))",
                "sum(increase(klaviyo_api_requests_total[$window]))",
                "histogram_quantile(0.95, sum by (le) (rate(klaviyo_api_request_duration_seconds_bucket[$step])))",
                "sum(klaviyo_retry_queue_depth)");
    }

    private final Http http;
    private final URI base;
    private final Duration timeout;
    private final List<String> problems = new ArrayList<>();
    private boolean dead;

    Prometheus(Http http, URI base, Duration timeout) {
        this.http = http;
        this.base = base;
        this.timeout = timeout;
    }

    /** What was not to be had, a sentence each. */
    List<String> problems() {
        return problems;
    }

    /**
     * The numbers from {@code from} to {@code to} about what was noticed in between; {@link Metrics#NONE} when it does
     * not answer.
     */
    Metrics read(Queries queries, Instant noticed, Instant from, Instant to) {
        long step = Math.max(SHORTEST_STEP, Duration.between(from, to).toSeconds() / POINTS);
        List<Series> errors = range(queries.rate, from, to, step, true);
        // Failed calls are counted from when they began, which is often before anybody noticed.
        Instant began = new Metrics("", Map.of(), OptionalLong.empty(), errors, Optional.empty(), Optional.empty())
                .onset(noticed)
                .orElse(noticed);
        String window = Math.max(60, Duration.between(began, to).toSeconds()) + "s";
        Map<String, Long> failed = new TreeMap<>();
        ask("query", Map.of("query", queries.failed.replace("$window", window), "time", to.toString()), true)
                .forEach(series -> failed.merge(status(series), Math.round(value(series.path("value"))), Long::sum));
        failed.values().removeIf(count -> count <= 0);
        OptionalLong calls =
                one(queries.calls.replace("$window", window), to, !queries.calls.equals(Queries.USUAL.calls));
        Optional<Series> latency =
                range(queries.latency, from, to, step, !queries.latency.equals(Queries.USUAL.latency)).stream()
                        .findFirst();
        Optional<Series> queue =
                range(queries.queue, from, to, step, !queries.queue.equals(Queries.USUAL.queue)).stream()
                        .findFirst();
        return dead ? Metrics.NONE : new Metrics("Prometheus", failed, calls, errors, latency, queue);
    }

    private OptionalLong one(String query, Instant at, boolean told) {
        for (JsonNode series : ask("query", Map.of("query", query, "time", at.toString()), told)) {
            return OptionalLong.of(Math.round(value(series.path("value"))));
        }
        return OptionalLong.empty();
    }

    private List<Series> range(String query, Instant from, Instant to, long step, boolean told) {
        List<Series> all = new ArrayList<>();
        String asked = query.replace("$step", Math.max(60, 2 * step) + "s");
        ask(
                        "query_range",
                        Map.of(
                                "query",
                                asked,
                                "start",
                                from.toString(),
                                "end",
                                to.toString(),
                                "step",
                                Long.toString(step)),
                        told)
                .forEach(series -> all.add(series(series)));
        return all;
    }

    /** One series of a matrix; what is no number (a histogram without samples says NaN) is left out. */
    static Series series(JsonNode series) {
        List<Series.Point> points = new ArrayList<>();
        series.path("values").forEach(pair -> {
            double value = value(pair);
            if (Double.isFinite(value)) {
                points.add(new Series.Point(Instant.ofEpochMilli(Math.round(pair.path(0).asDouble() * 1000)), value));
            }
        });
        return new Series(status(series), points);
    }

    private static double value(JsonNode pair) {
        try {
            return Double.parseDouble(pair.path(1).asText("0"));
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    private static String status(JsonNode series) {
        JsonNode labels = series.path("metric");
        String only = labels.size() == 1 ? labels.elements().next().asText() : "unlabelled";
        return Text.safe(labels.path("status").asText(labels.path("code").asText(only)), 20);
    }

    // A refusal of a query that nobody chose is not worth telling.
    private JsonNode ask(String route, Map<String, String> parameters, boolean told) {
        JsonNode nothing = MissingNode.getInstance();
        if (dead) {
            return nothing;
        }
        StringBuilder query = new StringBuilder();
        parameters.forEach((name, value) -> query.append(query.length() == 0 ? '?' : '&').append(name).append('=')
                .append(URLEncoder.encode(value, StandardCharsets.UTF_8)));
        Answer answer =
                http.get(URI.create(base + "/api/v1/" + route + query), Map.of("Accept", "application/json"), timeout);
        if (answer instanceof Http.Fault fault) {
            dead = true;
            problems.add("--prometheus: " + fault.words());
            return nothing;
        }
        Http.Reply reply = (Http.Reply) answer;
        if (!reply.json().path("status").asText().equals("success")) {
            if (told) {
                problems.add("--prometheus: HTTP " + reply.status() + " for " + Text.safe(parameters.get("query"), 80)
                        + ": " + Text.safe(reply.json().path("error").asText(reply.notJson()), 120));
            }
            return nothing;
        }
        return reply.json().path("data").path("result");
    }
}
