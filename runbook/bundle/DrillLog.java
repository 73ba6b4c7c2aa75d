package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Http;

/**
 * The application's log in a drill: what the sandbox's metrics count, told as lines. It holds the secrets and personal
 * data that such logs hold in earnest, all made up, so that a drill shows what becomes of them.
 */
record DrillLog(URI prometheus, Http http, Duration timeout, LineChoice.Wanted wanted) implements Collector {
    private static final int STEP = 60;
    private static final int MOST_LINES = 6;

    @Override
    public String name() {
        return "application/drill-log";
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned("the sandbox application's log", 50_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        sink.stream(
                "log/shop.log",
                new ByteArrayInputStream(lines().getBytes(StandardCharsets.UTF_8)),
                Long.MAX_VALUE,
                wanted,
                () -> Item.Origin.none(0));
    }

    private String lines() {
        TreeMap<Instant, Map<String, Integer>> failures = failures();
        StringBuilder log = new StringBuilder();
        Window window = wanted.window();
        int number = 0;
        for (Instant at = window.from(); at.isBefore(window.to()); at = at.plusSeconds(STEP)) {
            int customer = number++ % 17;
            log.append(at)
                    .append(" INFO  shop.klaviyo.Client - POST https://a.klaviyo.com/api/events status=202"
                            + " email=customer")
                    .append(customer)
                    .append("@example.org\n");
            log.append(at.plusSeconds(20))
                    .append(" INFO  shop.cart.Service - order ")
                    .append(100_000 + number)
                    .append(" paid\n");
            for (Map.Entry<String, Integer> failure : failures.getOrDefault(at, Map.of()).entrySet()) {
                failed(log, at, failure.getKey(), Math.min(MOST_LINES, failure.getValue()), customer);
            }
        }
        return log.toString();
    }

    private static void failed(StringBuilder log, Instant at, String status, int count, int customer) {
        for (int i = 0; i < count; i++) {
            log.append(at.plusSeconds(25 + 5L * i))
                    .append(" ERROR shop.klaviyo.Client - POST https://a.klaviyo.com/api/profiles status=")
                    .append(status)
                    .append(status.equals("429") ? " Retry-After: " + (1 + i) : "")
                    .append(" body={\"email\":\"customer")
                    .append(customer)
                    .append("@example.org\",\"first_name\":\"Mary\",\"phone_number\":\"+1555010")
                    .append(1_000 + customer)
                    .append("\"} Authorization: Klaviyo-API-Key pk_")
                    .append("0123456789abcdef0123456789abcdef01")
                    .append('\n');
        }
    }

    /** Minute to status to failures, from the metric. */
    private TreeMap<Instant, Map<String, Integer>> failures() {
        Window window = wanted.window();
        TreeMap<Instant, Map<String, Integer>> failures = new TreeMap<>();
        Answer answer = http.get(
                URI.create(prometheus + "/api/v1/query_range?start="
                        + window.from().getEpochSecond() + "&end=" + window.to().getEpochSecond() + "&step=" + STEP
                        + "&query=" + URLEncoder.encode(Metrics.ERRORS, StandardCharsets.UTF_8)),
                Map.of(),
                timeout);
        if (answer instanceof Reply reply) {
            for (JsonNode series : reply.json().path("data").path("result")) {
                for (int i = 1; i < series.path("values").size(); i++) {
                    double grown = series.path("values").path(i).path(1).asDouble()
                            - series.path("values").path(i - 1).path(1).asDouble();
                    if (grown >= 1) {
                        failures.computeIfAbsent(window.from().plusSeconds((long) STEP * i), any -> new TreeMap<>())
                                .put(series.path("metric").path("status").asText(), (int) grown);
                    }
                }
            }
        }
        return failures;
    }
}
