package runbook.sandbox;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The two query routes of Prometheus' HTTP API, over what the application's {@link Traffic} came to. */
final class PrometheusApi {
    private static final List<Integer> STATUSES = List.of(400, 401, 403, 410, 429, 503, 504);
    private static final Map<String, String> TARGET = Map.of("job", "shop", "instance", "10.0.0.7:9102");
    private static final long COUNTER_BEGAN = Traffic.ONSET - 6 * 3_600_000L;
    private static final int MAX_STEPS = 11_000;

    /** One time series: its labels, and its value at a moment. */
    private record Series(String metric, Map<String, String> labels, ToDoubleFunction<Long> value) { }

    private final World world;
    private final List<Series> series;

    PrometheusApi(World world) {
        this.world = world;
        Stream<Series> errors = STATUSES.stream().map(status -> new Series("klaviyo_api_errors_total", labelled(status),
                at -> 20 + world.traffic.failures(status, COUNTER_BEGAN, at)));
        Stream<Series> gauges = Stream.of(
                new Series("klaviyo_retry_queue_depth", TARGET, at -> world.traffic.backlog(at)),
                new Series("up", TARGET, at -> world.behaviour().appDown() ? 0 : 1));
        series = Stream.concat(errors, gauges).toList();
    }

    private static Map<String, String> labelled(int status) {
        Map<String, String> labels = new LinkedHashMap<>(TARGET);
        labels.put("status", Integer.toString(status));
        return labels;
    }

    Reply answer(Request request) {
        world.count("prometheus " + request.path());
        if (!world.behaviour().monitored()) {
            return Reply.text(503, "text/plain", "Service Unavailable\n");
        }
        try {
            return switch (request.path()) {
                case "/-/healthy" -> Reply.text(200, "text/plain; charset=utf-8", "Prometheus Server is Healthy.\n");
                case "/-/ready" -> Reply.text(200, "text/plain; charset=utf-8", "Prometheus Server is Ready.\n");
                case "/api/v1/query" -> instant(parameters(request));
                case "/api/v1/query_range" -> range(parameters(request));
                default -> Reply.text(404, "text/plain; charset=utf-8", "404 page not found\n");
            };
        } catch (IllegalArgumentException | DateTimeException e) {
            return Reply.json(
                    400, KlaviyoData.map("status", "error", "errorType", "bad_data", "error", e.getMessage()));
        }
    }

    private static Map<String, List<String>> parameters(Request request) {
        Map<String, List<String>> parameters = new LinkedHashMap<>(request.parameters());
        if (request.method().equals("POST")) {
            parameters.putAll(Request.form(request.text()));
        }
        return parameters;
    }

    private Reply instant(Map<String, List<String>> parameters) {
        PromQuery query = query(parameters);
        long at = parameters.containsKey("time") ? time(parameters, "time") : world.clock.millis();
        return result("vector", query, "value", labels -> sample(query, labels, at));
    }

    private Reply range(Map<String, List<String>> parameters) {
        PromQuery query = query(parameters);
        long start = time(parameters, "start");
        long end = time(parameters, "end");
        long step = Math.round(1000 * seconds(required(parameters, "step")));
        if (step <= 0 || end < start || (end - start) / step > MAX_STEPS) {
            throw new IllegalArgumentException(
                    step <= 0
                            ? "zero or negative query resolution step widths are not accepted. Try a positive integer"
                            : end < start
                                    ? "end timestamp must not be before start time"
                                    : "exceeded maximum resolution of 11,000 points per timeseries");
        }
        return result("matrix", query, "values", labels -> IntStream.rangeClosed(0, (int) ((end - start) / step))
                .mapToObj(index -> sample(query, labels, start + index * step)).toList());
    }

    private Reply result(String type, PromQuery query, String field, Function<Map<String, String>, Object> value) {
        List<Map<String, Object>> rows = series.stream().filter(one -> matches(query, one))
                .map(one -> query.kept(one.labels())).distinct()
                .map(labels -> KlaviyoData.map("metric", labels, field, value.apply(labels))).toList();
        return Reply.json(
                200, KlaviyoData.map("status", "success", "data", KlaviyoData.map("resultType", type, "result", rows)));
    }

    private static boolean matches(PromQuery query, Series one) {
        return one.metric().equals(query.metric()) && query.selects(one.labels());
    }

    /** The value of all series that come to these labels, as Prometheus writes it: seconds, and a string. */
    private List<Object> sample(PromQuery query, Map<String, String> labels, long at) {
        var values = series.stream().filter(one -> matches(query, one) && query.kept(one.labels()).equals(labels))
                .mapToDouble(one -> valueAt(query, one, at));
        double value = query.aggregate().equals("max") ? values.max().orElse(0) : values.sum();
        List<Object> sample = new ArrayList<>();
        sample.add(JsonNodeFactory.instance.numberNode(BigDecimal.valueOf(world.clock.wall(at).toEpochMilli(), 3)));
        sample.add(value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value));
        return sample;
    }

    private static double valueAt(PromQuery query, Series one, long at) {
        if (query.range() == null) {
            return Math.floor(one.value().applyAsDouble(at));
        }
        double grown = one.value().applyAsDouble(at) - one.value().applyAsDouble(at - query.range().toMillis());
        return query.function().equals("rate") ? grown / query.range().toMillis() * 1000 : grown;
    }

    private static PromQuery query(Map<String, List<String>> parameters) {
        try {
            return PromQuery.read(required(parameters, "query"));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("invalid parameter \"query\": " + e.getMessage(), e);
        }
    }

    private static String required(Map<String, List<String>> parameters, String name) {
        return parameters.getOrDefault(name, List.of("")).get(0);
    }

    /** Unix seconds or RFC 3339, turned into the sandbox's own count. */
    private long time(Map<String, List<String>> parameters, String name) {
        String text = required(parameters, name);
        long epochMillis = text.matches("\\d+(\\.\\d+)?")
                ? Math.round(Double.parseDouble(text) * 1000)
                : Instant.parse(text).toEpochMilli();
        return epochMillis - world.clock.wall(0).toEpochMilli();
    }

    private static double seconds(String text) {
        if (text.matches("\\d+(\\.\\d+)?")) {
            return Double.parseDouble(text);
        }
        try {
            return Duration.parse("PT" + text).toMillis() / 1000.0;
        } catch (DateTimeException e) {
            throw new IllegalArgumentException(
                    "invalid parameter \"step\": cannot parse \"" + text + "\" to a valid duration", e);
        }
    }
}
