package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import runbook.Answer.Fault;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

/**
 * The errors that our application gets from Klaviyo: counted by Prometheus, or told by somebody ({@code --observed}).
 *
 * @param check    as one line
 * @param state    whether anything is known
 * @param byStatus errors by status that still come; the count is 0 where only the status was told
 */
public record AppErrors(Check check, State state, Map<String, Long> byStatus) {
    /** The window of the default query, and a short one that tells whether the errors still come. */
    private static final String WINDOW = "[15m]";
    private static final String LATELY = "[1m]";

    /** No trouble: a 409 duplicate_profile says that the profile is there already, and 2xx or 3xx are no errors at all. */
    private static final Pattern HARMLESS = Pattern.compile("409|[123]\\d\\d|[23]xx");
    /** 5xx, and what clients count when no answer came. */
    private static final Pattern SERVER = Pattern.compile("(?i)5\\d\\d|5xx|0+|.*time.?out.*");
    /** Refusals, but for those with a branch of their own in the decision tree. */
    private static final Pattern OTHER_REFUSAL = Pattern.compile("(?!400|401|403|409|410|429)4\\d\\d|4xx");

    /** Whether anything is known about the application's errors. */
    public enum State { NOT_ASKED, KNOWN, UNAVAILABLE }

    static AppErrors look(Settings settings, Http http, Deadline deadline) {
        Map<String, Long> told = new TreeMap<>();
        settings.app().observed().forEach(status -> told.put(status.toString(), 0L));
        if (settings.target().prometheus() == null) {
            return told.isEmpty()
                    ? new AppErrors(
                            Check.skipped(
                                    "app-errors",
                                    "unknown: give --prometheus, or --observed with the statuses in the application's"
                                            + " log"),
                            State.NOT_ASKED,
                            told)
                    : known(told, Map.of(), 0, null);
        }
        String query = settings.app().query();
        Answer answer = ask(settings, http, deadline, query);
        if (!succeeded(answer)) {
            return unavailable(answer, told);
        }
        Map<String, Long> counted = count((Reply) answer, settings.app().label());
        Map<String, Long> over = new TreeMap<>();
        if (!counted.isEmpty() && query.contains(WINDOW)) {
            Answer lately = ask(settings, http, deadline, query.replace(WINDOW, LATELY));
            // A status missing here proves nothing, for a scrape a minute gives no increase; one that stands at 0 is over.
            Map<String, Long> still = succeeded(lately) ? count((Reply) lately, settings.app().label()) : counted;
            counted.forEach((status, errors) -> {
                if (errors > 0 && still.getOrDefault(status, 1L) == 0) {
                    over.put(status, errors);
                }
            });
        }
        counted.forEach((status, errors) -> {
            if (errors > 0 && !over.containsKey(status)) {
                told.put(status, errors);
            }
        });
        return known(told, over, answer.millis(), ((Reply) answer).status());
    }

    private static Answer ask(Settings settings, Http http, Deadline deadline, String query) {
        URI address = URI.create(settings.target().prometheus() + "/api/v1/query?query="
                + URLEncoder.encode(query, StandardCharsets.UTF_8));
        return http.get(address, Map.of("Accept", "application/json"), deadline.left());
    }

    private static boolean succeeded(Answer answer) {
        return answer instanceof Reply reply && reply.json().path("status").asText().equals("success");
    }

    private static Map<String, Long> count(Reply reply, String label) {
        Map<String, Long> counts = new TreeMap<>();
        for (JsonNode series : reply.json().path("data").path("result")) {
            // increase() extrapolates: half an error is none.
            counts.merge(Text.safe(series.path("metric").path(label).asText("unlabelled"), 20),
                    Math.round(series.path("value").path(1).asDouble()), Long::sum);
        }
        return counts;
    }

    private static AppErrors known(Map<String, Long> byStatus, Map<String, Long> over, long millis, Integer http) {
        String summary = byStatus.isEmpty()
                ? "the application counts no errors from Klaviyo" + (over.isEmpty() ? "" : " in the last minute")
                : "the application gets " + words(byStatus);
        boolean fine = byStatus.keySet().stream().allMatch(status -> HARMLESS.matcher(status).matches());
        return new AppErrors(new Check("app-errors", !fine ? Outcome.FAIL : over.isEmpty() ? Outcome.OK : Outcome.WARN,
                summary + (over.isEmpty() ? "" : "; over since a minute or more: " + words(over)), millis, http,
                Json.of(Map.of("byStatus", byStatus, "over", over))), State.KNOWN, byStatus);
    }

    private static String words(Map<String, Long> byStatus) {
        return byStatus.entrySet().stream()
                .map(entry -> entry.getKey() + (entry.getValue() > 0 ? " × " + entry.getValue() : ""))
                .collect(Collectors.joining(", "));
    }

    private static AppErrors unavailable(Answer answer, Map<String, Long> told) {
        String why = answer instanceof Fault fault
                ? fault.words()
                : "HTTP " + ((Reply) answer).status() + " "
                        + Text.safe(((Reply) answer).json().path("error").asText(((Reply) answer).notJson()), 120);
        Check check = new Check(
                "app-errors",
                Outcome.WARN,
                "metrics unavailable: " + why + "; the direct probes above still hold",
                answer.millis(),
                answer instanceof Reply reply ? reply.status() : null,
                Json.of(Map.of("byStatus", told)));
        return new AppErrors(check, State.UNAVAILABLE, told);
    }

    /** Whether the application gets this status from Klaviyo. */
    public boolean sees(String status) {
        return byStatus.containsKey(status);
    }

    /** Whether the application gets any 5xx, or no answer at all. */
    public boolean seesServerErrors() {
        return byStatus.keySet().stream().anyMatch(status -> SERVER.matcher(status).matches());
    }

    /** Whether the application gets a 4xx that says no more than that it is refused. */
    public boolean seesOtherRefusals() {
        return byStatus.keySet().stream().anyMatch(status -> OTHER_REFUSAL.matcher(status).matches());
    }
}
