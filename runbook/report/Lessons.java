package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import runbook.Text.Json;

/**
 * What one kind of incident usually teaches, from {@code templates/lessons.json}: suggestions for people to judge.
 *
 * @param errorType for the title
 * @param factors   what usually contributes
 * @param actions   what usually helps
 */
record Lessons(String errorType, List<String> factors, List<Action> actions) {
    /** A suggested action item; {@code type} is prevent, detect, mitigate or process. */
    record Action(String type, String text) { }

    /** What the file has for a diagnosis, or for {@code unknown} where it lacks it. */
    static Lessons of(String diagnosis) {
        try (InputStream file = Lessons.class.getResourceAsStream("/templates/lessons.json")) {
            JsonNode all = Json.read(file.readAllBytes());
            return read(all.path(all.has(diagnosis) ? diagnosis : "unknown"));
        } catch (IOException e) {
            throw new UncheckedIOException("templates/lessons.json is no JSON", e);
        }
    }

    private static Lessons read(JsonNode node) {
        List<String> factors = new ArrayList<>();
        node.path("factors").forEach(factor -> factors.add(factor.asText()));
        List<Action> actions = new ArrayList<>();
        node.path("actions").forEach(action -> actions.add(
                new Action(action.path("type").asText(), action.path("text").asText())));
        return new Lessons(node.path("errorType").asText(), factors, actions);
    }
}
