package runbook.check;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import runbook.Answer;
import runbook.Answer.Fault;
import runbook.Answer.Reply;
import runbook.Deadline;
import runbook.Http;
import runbook.Json;
import runbook.Settings;
import runbook.Text;
import runbook.check.Check.Outcome;

/**
 * The errors that our application gets from Klaviyo: counted by Prometheus, or told by somebody ({@code --observed}).
 *
 * @param check    as one line
 * @param state    whether anything is known
 * @param byStatus errors by status; the count is 0 where only the status was told
 */
public record AppErrors(Check check, State state, Map<String, Long> byStatus) {
    /** Whether anything is known about the application's errors. */
    public enum State { NOT_ASKED, KNOWN, UNAVAILABLE }

    static AppErrors look(Settings settings, Http http, Deadline deadline) {
        Map<String, Long> told = new TreeMap<>();
        settings.app().observed().forEach(status -> told.put(status.toString(), 0L));
        if (settings.target().prometheus() == null) {
            return told.isEmpty()
                    ? new AppErrors(Check.skipped("app-errors", "unknown: give --prometheus, or --observed with the statuses in the application's log"), State.NOT_ASKED, told)
                    : known(told, 0, null);
        }
        URI query = URI.create(settings.target().prometheus() + "/api/v1/query?query=" + URLEncoder.encode(settings.app().query(), StandardCharsets.UTF_8));
        Answer answer = http.get(query, Map.of("Accept", "application/json"), deadline.left());
        if (answer instanceof Reply reply && reply.json().path("status").asText().equals("success")) {
            told.putAll(count(reply.json().path("data").path("result"), settings.app().label()));
            return known(told, reply.millis(), reply.status());
        }
        return unavailable(answer, told);
    }

    private static Map<String, Long> count(JsonNode vector, String label) {
        Map<String, Long> counts = new TreeMap<>();
        for (JsonNode series : vector) {
            // increase() extrapolates: half an error is none.
            long errors = Math.round(series.path("value").path(1).asDouble());
            if (errors > 0) {
                counts.merge(Text.safe(series.path("metric").path(label).asText("unlabelled"), 20), errors, Long::sum);
            }
        }
        return counts;
    }

    private static AppErrors known(Map<String, Long> byStatus, long millis, Integer http) {
        String summary = byStatus.isEmpty() ? "the application counts no errors from Klaviyo" : "the application gets "
                + byStatus.entrySet().stream().map(entry -> entry.getKey() + (entry.getValue() > 0 ? " × " + entry.getValue() : "")).collect(Collectors.joining(", "));
        return new AppErrors(new Check("app-errors", byStatus.isEmpty() ? Outcome.OK : Outcome.FAIL, summary, millis, http, Json.of(Map.of("byStatus", byStatus))),
                State.KNOWN, byStatus);
    }

    private static AppErrors unavailable(Answer answer, Map<String, Long> told) {
        String why = answer instanceof Fault fault ? fault.words()
                : "HTTP " + ((Reply) answer).status() + " " + Text.safe(((Reply) answer).json().path("error").asText(((Reply) answer).notJson()), 120);
        Check check = new Check("app-errors", Outcome.WARN, "metrics unavailable: " + why + "; the direct probes above still hold", answer.millis(),
                answer instanceof Reply reply ? reply.status() : null, Json.of(Map.of("byStatus", told)));
        return new AppErrors(check, State.UNAVAILABLE, told);
    }

    /** Whether the application gets this status from Klaviyo. */
    public boolean sees(String status) {
        return byStatus.containsKey(status);
    }

    /** Whether the application gets any 5xx. */
    public boolean seesServerErrors() {
        return byStatus.keySet().stream().anyMatch(status -> status.matches("5\\d\\d|5xx"));
    }
}
