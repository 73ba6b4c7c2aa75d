import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import runbook.Text.Json;

/** What {@code triage --json} said. */
record TriageRun(Run.Result result, JsonNode json) {
    /** Runs it, with {@code --json} added; fails where standard output is not the JSON that its schema promises. */
    static TriageRun of(Run triage) {
        Run.Result result = triage.args("--json").run();
        try {
            JsonNode json = Json.read(result.out());
            Schemas.check("triage", json);
            return new TriageRun(result, json);
        } catch (IOException e) {
            throw new UncheckedIOException("no JSON on standard output: " + result, e);
        }
    }

    /** Arguments that point every check at one server. */
    static String[] pointedAt(Object base) {
        return new String[] {
            "--api-url",
            base.toString(),
            "--status-url",
            base.toString(),
            "--app-url",
            base + "/health",
            "--webhook-url",
            base + "/hooks",
            "--prometheus",
            base.toString()
        };
    }

    /** {@code outcome: summary} of a check. */
    String check(String name) {
        JsonNode check = StreamSupport.stream(json.path("checks").spliterator(), false)
                .filter(each -> each.path("name").asText().equals(name)).findFirst()
                .orElseThrow(() -> new AssertionError("no check " + name + ": " + result));
        return check.path("outcome").asText() + ": " + check.path("summary").asText();
    }

    /** {@code key-invalid P1 exit 11}. */
    String verdict() {
        return json.path("diagnosis").asText() + " " + json.path("severity").asText("-") + " exit " + result.exit();
    }

    /** The answers along the path that was walked. */
    List<String> path() {
        List<String> answers = new ArrayList<>();
        json.path("path").forEach(step -> answers.add(step.path("answer").asText()));
        return answers;
    }

    List<String> also() {
        List<String> ids = new ArrayList<>();
        json.path("also").forEach(id -> ids.add(id.asText()));
        return ids;
    }
}
