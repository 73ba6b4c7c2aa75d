package runbook.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * How to repeat the calls that failed. What may be repeated follows from Klaviyo's reference (developers.klaviyo.com):
 * profile-import and subscriptions are upserts, an event is recorded once for a profile, metric and unique_id, and a
 * profile that exists is refused with 409 duplicate_profile.
 */
final class Replay {
    /** Whether a call may be repeated, and what to mind. */
    private record Rule(Pattern call, String repeat, String mind) { }

    private static final List<Rule> RULES = List.of(
            rule("GET .*", "safe", "reads change nothing"),
            rule(
                    ".*/api/events",
                    "safe with `unique_id`, else may duplicate",
                    "send the original `time` and `unique_id`; late events start flows, so hold back what should not"
                            + " mail anybody now"),
            rule(".*/api/event-bulk-create-jobs", "safe with `unique_id`, else may duplicate", "as for events"),
            rule(
                    ".*/api/(profile-import|profile-bulk-import-jobs).*",
                    "safe",
                    "an upsert; drop what a later call has overtaken"),
            rule(
                    "(POST )?/api/profiles",
                    "safe",
                    "an existing profile is refused with 409 duplicate_profile, which counts as done"),
            rule("PATCH .*", "safe in order", "oldest first, and not over a newer change: the last write wins"),
            rule(
                    ".*/api/profile-subscription.*",
                    "safe",
                    "may send the double opt-in mail again; drop who has unsubscribed since"),
            rule(".*/api/lists.*", "safe", "adding a member twice adds it once"),
            rule(
                    ".*/api/(campaign-send-jobs|campaigns).*",
                    "never blindly",
                    "look in Klaviyo first: a campaign sent twice is mailed twice"),
            rule("DELETE .*", "safe", "404 counts as done"));
    private static final Rule OTHERWISE = rule(".*", "look first", "no rule for this endpoint: read its reference");
    private static final List<String> USUAL = List.of(
            "POST /api/events",
            "POST /api/profile-import",
            "POST /api/profiles",
            "PATCH /api/profiles",
            "POST /api/profile-subscription-bulk-create-jobs",
            "POST /api/campaign-send-jobs");

    private Replay() { }

    private static Rule rule(String call, String repeat, String mind) {
        return new Rule(Pattern.compile(call), repeat, mind);
    }

    static String markdown(Optional<Logs> logs, String window) {
        Map<String, Long> failed = logs.map(Logs::endpoints).orElse(Map.of());
        List<String> calls = failed.isEmpty() ? USUAL : failed.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder())).map(Map.Entry::getKey).toList();
        List<String> lines = new ArrayList<>();
        lines.add("Window: " + window
                + (failed.isEmpty()
                        ? "; which endpoints failed is unknown (a bundle's logs would tell), so here are the usual"
                                + " ones."
                        : "."));
        lines.add("");
        lines.add("| Call | Failed | Repeat? | Mind |");
        lines.add("| --- | --- | --- | --- |");
        for (String call : calls) {
            Rule rule = RULES.stream().filter(one -> one.call.matcher(call).matches()).findFirst().orElse(OTHERWISE);
            lines.add("| `" + call + "` | "
                    + (failed.containsKey(call) ? String.format(Locale.ROOT, "%,d", failed.get(call)) : "unknown")
                    + " | " + rule.repeat + " | " + rule.mind + " |");
        }
        lines.add("");
        lines.add("Refused calls (400, 401, 403, 429) were never processed. Those that ended in 5xx or a timeout may"
                + " have been: treat them as possible duplicates.");
        lines.add("Repeat the oldest first, at no more than half of each endpoint's rate limit, and stop at the first"
                + " new failure.");
        return String.join("\n", lines);
    }
}
