package runbook.bundle;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Http;
import runbook.Text.Json;

/** What our application's health endpoint answers. */
record AppBody(URI address, Http http, Duration timeout) implements Collector {
    @Override
    public String name() {
        return "application/health";
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned("GET " + address, 2_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        Answer answer = http.get(address, Map.of(), timeout);
        if (answer instanceof Reply reply) {
            sink.json(
                    "health-answer.json",
                    Json.object()
                            .put("status", reply.status())
                            .put("millis", reply.millis())
                            .put("content-type", reply.header("content-type").orElse("")),
                    reply.millis());
            sink.text(reply.json().isMissingNode() ? "health.txt" : "health.json", reply.text(), reply.millis());
        } else {
            sink.trouble(((Fault) answer).words());
        }
    }
}
