import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.util.*;
import java.util.stream.*;
import runbook.Text.Json;

/** What {@code triage --json} said. */
record TriageRun(Run.Result result, JsonNode json) {
    /** Runs it, with {@code --json} added; fails where standard output is not the JSON that its schema promises. */
    static TriageRun of(Run triage) {
        Run.Result result = (triage.words().contains("--json") ? triage : triage.args("--json")).run();
        try {
            JsonNode json = Json.read(result.out());
            JsonTest.check("triage", json);
            return new TriageRun(result, json);
        } catch (IOException e) {
            throw new UncheckedIOException("no JSON on standard output: " + result, e);
        }
    }

    /** Arguments that point every check at one server. */
    static String[] pointedAt(Object base) {
        return ("--api-url B --status-url B --app-url B/health --webhook-url B/hooks --prometheus B").replace("B",
                base.toString()).split(" ");
    }

    /** {@code outcome: summary} of a check. */
    String check(String name) {
        return StreamSupport.stream(json.path("checks").spliterator(), false)
                .filter(each -> each.path("name").asText().equals(name)).findFirst()
                .map(check -> check.path("outcome").asText() + ": " + check.path("summary").asText())
                .orElseThrow(() -> new AssertionError("no check " + name + ": " + result));
    }

    /** {@code key-invalid P1 exit 11}. */
    String verdict() {
        return json.path("diagnosis").asText() + " " + json.path("severity").asText("-") + " exit " + result.exit();
    }

    /** The answers along the path that was walked. */
    List<String> path() {
        return texts(json.path("path"), "answer");
    }

    /** One field of each object in an array. */
    static List<String> texts(JsonNode array, String field) {
        return StreamSupport.stream(array.spliterator(), false).map(each -> each.path(field).asText()).toList();
    }
}
