package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.concurrent.CopyOnWriteArrayList;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Http;

/** Prometheus: each query's value now, over the window and over the hour before it, as JSON and as a plot. */
final class Metrics implements Collector {
    /** The metric that the runbook names. */
    static final String ERRORS = "klaviyo_api_errors_total";
    private static final int STEPS = 240;

    private final URI address;
    private final List<String> queries;
    private final Http http;
    private final Duration timeout;
    private final Window window;
    private final List<Plot> plots = new CopyOnWriteArrayList<>();

    Metrics(URI address, List<String> queries, Http http, Duration timeout, Window window) {
        this.address = address;
        this.queries = queries;
        this.http = http;
        this.timeout = timeout;
        this.window = window;
    }

    /** The plots that came of it, for the report. */
    List<Plot> plots() {
        return List.copyOf(plots);
    }

    @Override
    public String name() {
        return "metrics/prometheus";
    }

    @Override
    public List<Planned> plan() {
        return queries.stream().map(query -> new Planned(address + " " + query, 60_000)).toList();
    }

    @Override
    public void collect(Sink sink) throws IOException {
        for (String query : queries) {
            String name = EntryNames.safe(query.length() > 60 ? query.substring(0, 60) : query);
            JsonNode now =
                    get("/api/v1/query?time=" + window.to().getEpochSecond() + "&query=" + encoded(query), query, sink);
            if (now != null) {
                sink.json(name + "-now.json", now, 0);
            }
            JsonNode during = range(query, window, sink);
            JsonNode before = range(query, window.hourBefore(), sink);
            if (before != null) {
                sink.json(name + "-hour-before.json", before, 0);
            }
            if (during != null) {
                sink.json(name + "-window.json", during, 0);
                Plot plot = plot(query, before, during);
                plots.add(plot);
                sink.text(name + ".svg", plot.svg(), 0);
                if (plot.series().isEmpty()) {
                    sink.remark(query + ": no data in the window");
                }
            }
        }
    }

    private JsonNode range(String query, Window over, Sink sink) {
        JsonNode found = null;
        // A body beyond the client's bound means too many series: fewer steps then.
        for (int steps = STEPS; steps >= 15 && found == null; steps /= 4) {
            long step = Math.max(5, over.length().toSeconds() / steps);
            Answer answer = ask("/api/v1/query_range?start=" + over.from().getEpochSecond() + "&end="
                    + over.to().getEpochSecond() + "&step=" + step + "&query=" + encoded(query));
            if (answer instanceof Fault fault && fault.kind() == Kind.TOO_LARGE) {
                continue;
            }
            return data(answer, query, sink);
        }
        return found;
    }

    private JsonNode get(String path, String query, Sink sink) {
        return data(ask(path), query, sink);
    }

    private Answer ask(String path) {
        return http.get(URI.create(address + path), Map.of(), timeout);
    }

    private static JsonNode data(Answer answer, String query, Sink sink) {
        if (answer instanceof Reply reply
                && reply.status() == 200
                && reply.json().path("status").asText().equals("success")) {
            return reply.json();
        }
        sink.trouble(query + ": "
                + (answer instanceof Fault fault
                        ? fault.words()
                        : "HTTP " + ((Reply) answer).status() + " "
                                + ((Reply) answer).json().path("error").asText()));
        return null;
    }

    private Plot plot(String query, JsonNode before, JsonNode during) {
        boolean counter = query.matches("[a-zA-Z_:][\\w:]*_total(\\{.*})?");
        List<Plot.Series> series = new ArrayList<>();
        for (JsonNode result : during.path("data").path("result")) {
            List<Plot.Point> points = new ArrayList<>();
            if (before != null) {
                for (JsonNode earlier : before.path("data").path("result")) {
                    if (earlier.path("metric").equals(result.path("metric"))) {
                        points.addAll(points(earlier));
                    }
                }
            }
            points.addAll(points(result));
            series.add(new Plot.Series(label(result.path("metric")), counter ? perMinute(points) : points));
        }
        return new Plot(
                counter ? query + ", per minute" : query,
                new Window(window.hourBefore().from(), window.to()),
                window.from(),
                series);
    }

    private static List<Plot.Point> points(JsonNode result) {
        List<Plot.Point> points = new ArrayList<>();
        for (JsonNode value : result.path("values")) {
            double number = value.path(1).asDouble(Double.NaN);
            if (Double.isFinite(number)) {
                points.add(new Plot.Point(Instant.ofEpochMilli((long) (value.path(0).asDouble() * 1000)), number));
            }
        }
        return points;
    }

    // A counter only says something by how fast it grows; when it falls, the application was restarted.
    private static List<Plot.Point> perMinute(List<Plot.Point> counts) {
        List<Plot.Point> rates = new ArrayList<>();
        for (int i = 1; i < counts.size(); i++) {
            double seconds = Duration.between(counts.get(i - 1).at(), counts.get(i).at()).toMillis() / 1000.0;
            double grown = counts.get(i).value() - counts.get(i - 1).value();
            if (seconds > 0) {
                rates.add(new Plot.Point(counts.get(i).at(), (grown >= 0 ? grown : counts.get(i).value()) * 60 / seconds));
            }
        }
        return rates;
    }

    private static String label(JsonNode metric) {
        StringJoiner label = new StringJoiner(" ");
        metric.properties().forEach(field -> {
            if (!List.of("__name__", "instance", "job").contains(field.getKey())) {
                label.add(field.getKey() + "=" + field.getValue().asText());
            }
        });
        return label.length() == 0 ? metric.path("__name__").asText("value") : label.toString();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
