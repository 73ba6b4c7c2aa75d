package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Answer.Fault;
import runbook.Answer.Reply;
import runbook.Check.Outcome;
import runbook.redact.Redactor;

/**
 * Our application, by its own health endpoint.
 *
 * @param check as one line
 * @param state what it says of itself
 */
public record AppHealth(Check check, State state) {
    /** What a health endpoint can say. */
    public enum State { NOT_ASKED, HEALTHY, DEGRADED, DOWN, UNREACHABLE }

    private record Word(Pattern pattern, State means) { }

    /** Words seen in the status field of common health endpoints (Spring, Rails, Kubernetes, RFC drafts). */
    private static final List<Word> WORDS = List.of(
            new Word(
                    Pattern.compile("(?i)ok|up|healthy|pass(ing)?|green|operational|alive|ready|available|true"),
                    State.HEALTHY),
            new Word(Pattern.compile("(?i)degraded|warn(ing)?|partial|yellow|unstable"), State.DEGRADED),
            new Word(
                    Pattern.compile(
                            "(?i)down|fail(ed|ing|ure)?|error|unhealthy|critical|red|unavailable|out_of_service|false"),
                    State.DOWN));

    static AppHealth look(Settings settings, Http http, Deadline deadline) {
        if (settings.target().app() == null) {
            return new AppHealth(
                    Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL"), State.NOT_ASKED);
        }
        Answer answer = http.get(settings.target().app(), Map.of(), deadline.left());
        if (answer instanceof Fault fault) {
            return new AppHealth(
                    new Check("app", Outcome.FAIL, fault.words(), fault.millis(), null, Json.object()),
                    State.UNREACHABLE);
        }
        return of((Reply) answer);
    }

    private static AppHealth of(Reply reply) {
        String status = status(reply.json());
        State said = WORDS.stream()
                .filter(word -> word.pattern.matcher(status).matches())
                .map(Word::means)
                .findFirst()
                .orElse(State.HEALTHY);
        State state = reply.status() / 100 != 2 ? State.DOWN : garbled(reply) ? State.DEGRADED : said;
        String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        Outcome outcome = state == State.HEALTHY ? Outcome.OK : state == State.DEGRADED ? Outcome.WARN : Outcome.FAIL;
        String summary = "HTTP " + reply.status() + " in " + reply.millis() + " ms"
                + (garbled(reply) ? ", " + reply.wrongForm() + ": " + body : body.isEmpty() ? "" : ": " + body);
        return new AppHealth(
                new Check(
                        "app",
                        outcome,
                        summary,
                        reply.millis(),
                        reply.status(),
                        Json.of(Map.of(
                                "state",
                                state.name().toLowerCase(Locale.ROOT),
                                "status",
                                Text.safe(status, 40),
                                "body",
                                body))),
                state);
    }

    // A bare "ok" is as good as JSON. A web page is not (a login page, say), nor is what claims or begins to be JSON.
    private static boolean garbled(Reply reply) {
        return reply.json().isMissingNode()
                && (reply.html()
                        || reply.header("content-type").orElse("").contains("json") && reply.body().length > 0
                        || reply.text().stripLeading().startsWith("{"));
    }

    private static String status(JsonNode body) {
        return Stream.of("status", "state", "health", "healthy", "ok")
                .map(body::path)
                .filter(JsonNode::isValueNode)
                .map(JsonNode::asText)
                .findFirst()
                .orElse("");
    }
}
