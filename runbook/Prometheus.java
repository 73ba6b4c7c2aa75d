package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.Collectors;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;

/**
 * Asks Prometheus, or what speaks its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api). Never
 * throws: what was not to be had is in the {@link Result}. A login in the address is sent as Basic.
 */
public final class Prometheus {
    /** The most series that are kept of one result. */
    public static final int MOST_SERIES = 200;
    private static final long SHORTEST_STEP = 5;
    private static final int FEWEST_POINTS = 15;

    private final Http http;
    private final URI base;
    private final Duration timeout;

    /** @param timeout for each query */
    public Prometheus(Http http, URI base, Duration timeout) {
        this.http = http;
        this.base = base;
        this.timeout = timeout;
    }

    /** A value at a time; it may be infinite, or no number (a histogram without samples, a series that went stale). */
    public record Point(Instant at, double value) {
        private static Point of(JsonNode pair) {
            String value = pair.path(1).asText().replace("Inf", "Infinity");
            Instant at = Instant.ofEpochMilli(Math.round(pair.path(0).asDouble() * 1_000));
            try {
                return new Point(at, Double.parseDouble(value));
            } catch (NumberFormatException e) {
                return new Point(at, Double.NaN);
            }
        }
    }

    /**
     * One series, with its labels by name, safe to print and {@code __name__} among them where there is one, and its
     * points in order of time; an instant query gives one point.
     */
    public record Series(Map<String, String> labels, List<Point> points) {
        private static Series of(JsonNode row) {
            Map<String, String> labels = new TreeMap<>();
            row.path("metric").properties().forEach(one ->
                    labels.put(Text.safe(one.getKey(), 60), Text.safe(one.getValue().asText(), 120)));
            List<Point> points = new ArrayList<>();
            row.path("values").forEach(value -> points.add(Point.of(value)));
            if (row.path("value").isArray()) {
                points.add(Point.of(row.path("value")));
            }
            return new Series(labels, points);
        }

        /** Its labels but for those that only say where it was scraped, else its name. */
        public String words() {
            String own = labels.entrySet().stream()
                    .filter(label -> !List.of("__name__", "instance", "job").contains(label.getKey()))
                    .map(label -> label.getKey() + "=" + label.getValue()).collect(Collectors.joining(" "));
            return own.isEmpty() ? labels.getOrDefault("__name__", "value") : own;
        }

        /** Its last value; no number when there is none. */
        public double last() {
            return points.isEmpty() ? Double.NaN : points.get(points.size() - 1).value;
        }
    }

    /**
     * What came of a query.
     *
     * @param series  each by itself; empty when nothing matches the query
     * @param trouble why there are none, in words that are safe to print, with Prometheus' own message; empty when it
     *                answered
     * @param notes   what it remarked (its warnings), and what was left out here
     * @param answer  the answer itself
     */
    public record Result(List<Series> series, String trouble, List<String> notes, Answer answer) {
        /** Whether the query was answered, be it with nothing. */
        public boolean ok() {
            return trouble.isEmpty();
        }

        /** Whether something is there that speaks this API: another query may succeed. */
        public boolean reached() {
            return answer instanceof Reply;
        }

        /** The last values of all series together; empty when none is a number. */
        public OptionalDouble sum() {
            return series.stream().mapToDouble(Series::last).filter(Double::isFinite).reduce(Double::sum);
        }

        /** All series added up, at each time at which one of them is a number. */
        public List<Point> total() {
            Map<Instant, Double> sums = new TreeMap<>();
            series.forEach(one -> one.points.stream().filter(point -> Double.isFinite(point.value))
                    .forEach(point -> sums.merge(point.at, point.value, Double::sum)));
            return sums.entrySet().stream().map(sum -> new Point(sum.getKey(), sum.getValue())).toList();
        }
    }

    /** A query's value now. */
    public Result instant(String query) {
        return ask("query?query=" + word(query));
    }

    /** A query's value at a time. */
    public Result instant(String query, Instant at) {
        return ask("query?query=" + word(query) + "&time=" + seconds(at));
    }

    /**
     * A query's values over a time.
     *
     * @param points how many there should be of each series; fewer come when the answer would be larger than the client
     *               takes
     */
    public Result range(String query, Instant from, Instant to, int points) {
        long step = Math.max(SHORTEST_STEP, Duration.between(from, to).toSeconds() / points);
        Result result = ask("query_range?query=" + word(query) + "&start=" + seconds(from) + "&end=" + seconds(to)
                + "&step=" + step);
        boolean large = result.answer instanceof Fault fault && fault.kind() == Kind.TOO_LARGE;
        return large && points / 4 >= FEWEST_POINTS ? range(query, from, to, points / 4) : result;
    }

    private static String word(String query) {
        return URLEncoder.encode(query, StandardCharsets.UTF_8);
    }

    private static String seconds(Instant at) {
        return BigDecimal.valueOf(at.toEpochMilli(), 3).toPlainString();
    }

    private Result ask(String query) {
        Answer answer = http.get(URI.create(base + "/api/v1/" + query), timeout);
        String trouble = answer instanceof Reply reply ? trouble(reply) : ((Fault) answer).words();
        List<Series> series = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        if (trouble.isEmpty()) {
            JsonNode json = ((Reply) answer).json();
            json.path("warnings").forEach(warning -> notes.add(Text.safe(warning.asText(), 160)));
            read(json.path("data"), series, notes);
        }
        return new Result(series, trouble, notes, answer);
    }

    private static String trouble(Reply reply) {
        JsonNode json = reply.json();
        if (json.path("status").asText().equals("success")) {
            return "";
        }
        String form = json.isMissingNode() ? reply.notJson() : "which is not how Prometheus answers";
        String error = Text.safe(json.path("errorType").asText() + ": " + json.path("error").asText(), 160);
        return "HTTP " + reply.status() + (json.path("error").isTextual() ? " " + error : ", " + form);
    }

    private static void read(JsonNode data, List<Series> series, List<String> notes) {
        JsonNode result = data.path("result");
        if (data.path("resultType").asText().equals("scalar")) {
            series.add(new Series(Map.of(), List.of(Point.of(result))));
            return;
        }
        for (JsonNode row : result) {
            Series one = Series.of(row);
            if (one.points.isEmpty()) {
                notes.add("native histograms are left out");
            } else if (series.size() < MOST_SERIES) {
                series.add(one);
            }
        }
        if (result.size() > MOST_SERIES) {
            notes.add("truncated: " + result.size() + " series, of which " + MOST_SERIES + " are kept");
        }
    }
}
