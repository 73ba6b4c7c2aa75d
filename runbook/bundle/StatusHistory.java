package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Http;
import runbook.Text.Json;
import runbook.Text;

/** What the vendor's status page says of the window: incidents that touch it, with every update, and the page now. */
final class StatusHistory implements Collector {
    private final URI page;
    private final Http http;
    private final Duration timeout;
    private final Window window;
    private final List<String> lines = new CopyOnWriteArrayList<>();

    StatusHistory(URI page, Http http, Duration timeout, Window window) {
        this.page = page;
        this.http = http;
        this.timeout = timeout;
        this.window = window;
    }

    /** A line for each incident that touches the window, once they are read. */
    List<String> lines() {
        return List.copyOf(lines);
    }

    @Override
    public String name() {
        return "klaviyo/status-page";
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned(page + "/api/v2/incidents.json and summary.json", 100_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        JsonNode incidents = get("/api/v2/incidents.json", sink);
        if (incidents != null) {
            ObjectNode kept = Json.object().put("from", window.from().toString()).put("to", window.to().toString());
            ArrayNode touching = kept.putArray("incidents");
            incidents.path("incidents").forEach(incident -> {
                if (touches(incident)) {
                    touching.add(incident);
                    lines.add(line(incident));
                }
            });
            sink.json("status-incidents.json", kept, 0);
        }
        JsonNode now = get("/api/v2/summary.json", sink);
        if (now != null) {
            sink.json("status-now.json", now, 0);
        }
    }

    private JsonNode get(String path, Sink sink) {
        Answer answer = http.get(URI.create(page + path), Map.of(), timeout);
        if (answer instanceof Reply reply && reply.status() == 200 && reply.json().isObject()) {
            return reply.json();
        }
        sink.trouble(path + ": "
                + (answer instanceof Fault fault
                        ? fault.words()
                        : ((Reply) answer).status() == 200
                                ? ((Reply) answer).notJson()
                                : "HTTP " + ((Reply) answer).status()));
        return null;
    }

    private static String line(JsonNode incident) {
        return Text.safe(
                incident.path("started_at").asText(incident.path("created_at").asText()) + " "
                        + incident.path("name").asText() + " ("
                        + incident.path("impact").asText() + ", "
                        + incident.path("status").asText()
                        + (incident.path("resolved_at").isTextual()
                                ? " " + incident.path("resolved_at").asText()
                                : "") + ")",
                300);
    }

    // The page is often late and backdates: a day before the window counts as touching it.
    private boolean touches(JsonNode incident) {
        Instant began = time(incident.path("started_at").asText(incident.path("created_at").asText()), Instant.MIN);
        Instant ended = time(incident.path("resolved_at").asText(""), Instant.MAX);
        return !began.isAfter(window.to()) && !ended.isBefore(window.from().minus(Duration.ofDays(1)));
    }

    private static Instant time(String text, Instant otherwise) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return otherwise;
        }
    }
}
