package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.ApiChecks.Probe;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Http.Deadline;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Health;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.Prometheus.Result;
import runbook.Text.Json;
import runbook.redact.Redactor;

/**
 * Our own side: the application's health, the errors that it gets from Klaviyo, and the route that Klaviyo delivers to.
 */
public final class OurSide {
    /** What to do about a status that the application gets and that is no incident by itself. */
    static final Map<String, String> ADVICE = Map.of(
            "409", "409 duplicate_profile: it is there already, its id in meta.duplicate_profile_id: PATCH that one, "
                    + "it counts as done",
            "413", "413: one request is too large: split the batch, and look for a profile over the size limit in it",
            "202", "202 says accepted, not processed: of events of a profile with the same unique_id one is kept, "
                    + "and it defaults to the second: send a unique_id of your own");
    /** No trouble: a 409 says that the profile is there already, and 2xx or 3xx are no errors at all. */
    private static final Pattern HARMLESS = Pattern.compile("409|[123]\\d\\d|[23]xx");

    private OurSide() { }

    // ---- our application's health, by its own endpoint: the state is whether it is healthy

    static Check health(Settings settings, Http http, Deadline deadline) {
        if (settings.target().app() == null) {
            return Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL");
        }
        Answer answer = http.get(settings.target().app(), Map.of(), deadline.left());
        if (answer instanceof Fault fault) {
            return new Check("app", Outcome.FAIL, fault.words(), fault.millis(), null, Json.object(), "no");
        }
        Reply reply = (Reply) answer;
        Health health = Health.of(reply);
        String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        String quoted = (Health.garbled(reply) ? ", " + reply.wrongForm() : "") + (body.isEmpty() ? "" : ": " + body);
        String field = Redactor.strict().text(Text.safe(Health.field(reply), 40));
        JsonNode detail = Json.of(Map.of("status", field, "body", body));
        Outcome outcome = List.of(Outcome.OK, Outcome.WARN, Outcome.FAIL).get(health.ordinal());
        return new Check("app", outcome, "HTTP " + reply.status() + " in " + reply.millis() + " ms" + quoted,
                reply.millis(), reply.status(), detail, List.of("yes", "degraded", "no").get(health.ordinal()));
    }

    // ---- the errors that it gets

    private static boolean harmless(Map<String, Long> byStatus) {
        return byStatus.keySet().stream().allMatch(status -> HARMLESS.matcher(status).matches());
    }

    /** {@code 401 × 12, no answer × 3}, or the statuses alone where nobody counted. */
    static String words(Map<String, Long> byStatus) {
        return byStatus.entrySet().stream().map(one -> (one.getKey().matches("0+") ? "no answer" : one.getKey())
                + (one.getValue() > 0 ? " × " + one.getValue() : "")).collect(Collectors.joining(", "));
    }

    /** Whether a status is a 5xx, or what clients count when no answer came. */
    static boolean serverError(String status) {
        return status.matches("(?i)5\\d\\d|5xx|0+|.*time.?out.*");
    }

    /** Whether a status is a refusal without a branch of its own in the decision tree. */
    static boolean otherRefusal(String status) {
        return status.matches("(?!400|401|403|409|410|429)4\\d\\d|4xx");
    }

    /**
     * The errors that our application gets from Klaviyo, counted by Prometheus or told by somebody ({@code
     * --observed}): those that still come, by status; the count is 0 where only the status was told. The check's state
     * is {@code known}, or {@code unavailable} where Prometheus could not be asked.
     */
    public record AppErrors(Check check, Map<String, Long> byStatus) {
        /** The window of the default query, and a short one that tells whether the errors still come. */
        private static final String WINDOW = "[15m]";
        private static final String LATELY = "[1m]";
        private static final String UNLABELLED = "unlabelled";
        private static final Pattern GROUPED_BY = Pattern.compile("\\bby\\s*\\(\\s*(\\w+)");
        private static final List<String> LABELS = List.of("status", "status_code", "code", "http_status");

        /** What somebody told, without asking Prometheus. */
        static AppErrors told(Settings settings) {
            Map<String, Long> told = new TreeMap<>();
            settings.app().observed().forEach(status -> told.put(status.toString(), 0L));
            return told.isEmpty() ? new AppErrors(Check.skipped("app-errors", "unknown: give --prometheus, --log FILE, "
                    + "or --observed with the statuses in the application's log"), told)
                    : known(told, Map.of(), false, null);
        }

        static AppErrors look(Settings settings, Http http, Deadline deadline) {
            Map<String, Long> told = told(settings).byStatus;
            if (settings.target().prometheus() == null) {
                return told(settings);
            }
            String query = settings.app().query();
            Prometheus prometheus = new Prometheus(http, settings.target().prometheus(), deadline.left());
            Result result = prometheus.instant(query);
            Map<String, Long> counted = count(result, query);
            if (!result.ok()) {
                return unavailable(result, told, "metrics unavailable: " + Redactor.strict().text(result.trouble())
                        + "; the direct probes above still hold");
            } else if (counted.keySet().equals(Set.of(UNLABELLED))) {
                String there = result.series().stream().flatMap(series -> series.labels().keySet().stream())
                        .distinct().limit(6).collect(Collectors.joining(", "));
                return unavailable(result, told, "the query's series have no label that holds a status, but "
                        + (there.isEmpty() ? "none at all" : there) + ": write sum by (LABEL) (…) in --errors-query");
            }
            // A status missing in the last minute proves nothing, for a scrape a minute gives no increase; one that
            // stands at 0 is over.
            Map<String, Long> lately = counted.isEmpty() || !query.contains(WINDOW) ? Map.of()
                    : count(prometheus.instant(query.replace(WINDOW, LATELY)), query);
            Map<String, Long> over = new TreeMap<>();
            counted.forEach((status, errors) -> {
                if (errors > 0) {
                    (lately.getOrDefault(status, 1L) == 0 ? over : told).put(status, errors);
                }
            });
            return known(told, over, !counted.isEmpty(), result.answer());
        }

        // By what the query groups by, else by what exporters commonly call a status.
        private static Map<String, Long> count(Result result, String query) {
            Matcher by = GROUPED_BY.matcher(query);
            List<String> names = Stream.concat(Stream.ofNullable(by.find() ? by.group(1) : null), LABELS.stream())
                    .toList();
            Map<String, Long> counts = new TreeMap<>();
            for (Prometheus.Series series : result.series()) {
                String status = names.stream().filter(series.labels()::containsKey).findFirst()
                        .map(series.labels()::get).orElse(UNLABELLED);
                // increase() extrapolates: half an error is none.
                counts.merge(Text.safe(status, 20), Math.round(series.last()), Long::sum);
            }
            return counts;
        }

        private static AppErrors known(Map<String, Long> byStatus, Map<String, Long> over, boolean counted,
                Answer answer) {
            String lately = over.isEmpty() ? "" : " in the last minute";
            String summary = (byStatus.isEmpty() ? "the application counts no errors from Klaviyo" + lately
                    : "the application gets " + words(byStatus))
                    + (over.isEmpty() ? "" : "; over since a minute or more: " + words(over));
            Outcome fine = over.isEmpty() ? Outcome.OK : Outcome.WARN;
            return new AppErrors(new Check("app-errors", harmless(byStatus) ? fine : Outcome.FAIL, summary,
                    answer == null ? 0 : answer.millis(), answer == null ? null : answer.http(),
                    Json.of(Map.of("byStatus", byStatus, "over", over, "counted", counted)), "known"), byStatus);
        }

        private static AppErrors unavailable(Result result, Map<String, Long> told, String summary) {
            return new AppErrors(new Check("app-errors", Outcome.WARN, summary, result.answer().millis(),
                    result.answer().http(), Json.of(Map.of("byStatus", told)), "unavailable"), told);
        }

        /** Whether the query has data at all, if only zeros: without, no error would show. */
        public boolean counted() {
            return check.detail().path("counted").asBoolean();
        }
    }

    /**
     * What the application's log says of its calls to Klaviyo ({@code --log}): errors by status, and in words the
     * caller that makes nearly all calls and more than the endpoint allows.
     */
    public record AppLog(Check check, Map<String, Long> byStatus, Optional<String> loop, long calls) {
        static final AppLog UNREAD = new AppLog(Check.skipped("app-log", "not read: --log FILE reads the application's"
                + " log"), Map.of(), Optional.empty(), 0);
        /** How far back from its end a log tells of now, and how many calls it takes for that at least. */
        private static final Duration LATELY = Duration.ofMinutes(15);
        private static final long ENOUGH = 20;
        /** A status that was not seen for this long while other calls went on is over. */
        private static final Duration OVER = Duration.ofMinutes(5);
        private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
        private static final double NEARLY_ALL = 0.75;

        /** Reads it to its end. */
        public static AppLog look(InputStream log) {
            long start = System.nanoTime();
            Instant now = Instant.now();
            LogReader reader = new LogReader(ZoneId.systemDefault(), null, now, Redactor.strict()::text);
            reader.read("log", log);
            return of(reader.facts(), now, Duration.ofNanos(System.nanoTime() - start).toMillis());
        }

        private static AppLog of(LogReader.Facts facts, Instant now, long millis) {
            Instant end = facts.minutes().stream().map(LogReader.Minute::at).filter(Objects::nonNull)
                    .max(Comparator.naturalOrder()).orElse(null);
            boolean stale = end != null && end.isBefore(now.minus(LATELY));
            Instant since = end == null ? Instant.MAX : end.minus(LATELY);
            List<LogReader.Minute> recent = recent(facts.minutes(), since);
            long calls = recent.stream().mapToLong(LogReader.Minute::calls).sum();
            Map<String, Long> lately = new TreeMap<>();
            recent.forEach(minute -> minute.statuses().forEach((status, count) -> {
                if (!stale && LogReader.Facts.failed(status)) {
                    lately.merge(status.toString(), count, Long::sum);
                }
            }));
            lately.entrySet().removeIf(one -> few(one.getValue(), calls) || over(one.getKey(), recent, end, now));
            List<LogReader.Rate> rates = facts.endpoints();
            Optional<String> loop = rates.stream().findFirst().filter(rate -> !stale && rate.share() >= NEARLY_ALL
                    && rate.perMinute() > limit(rate) && !rate.peakAt().isBefore(since))
                    .map(rate -> words(rate) + caller(facts));
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("byStatus", lately);
            detail.put("recentCalls", calls);
            detail.put("statuses", facts.statuses());
            detail.put("stale", stale);
            detail.put("firstFailure", facts.first() == null ? null : facts.first().at());
            detail.put("lastFailure", facts.last() == null ? null : facts.last().at());
            detail.put("failingSince", stale ? null : failingSince(facts));
            detail.put("endpoints", rates.stream().limit(10).map(rate -> Map.of("endpoint", rate.endpoint(),
                    "calls", rate.calls(), "failed", rate.failed(), "perMinute", rate.perMinute())).toList());
            detail.put("loop", loop.orElse(null));
            boolean passed = lately.isEmpty() && facts.last() != null || facts.minutes().isEmpty();
            Outcome fine = passed || stale ? Outcome.WARN : Outcome.OK;
            return new AppLog(new Check("app-log", harmless(lately) && loop.isEmpty() ? fine : Outcome.FAIL,
                    summary(facts, lately, loop, stale ? end : null, now), millis, null, Json.of(detail)), lately, loop,
                    calls);
        }

        // The minutes since then, and those before them until there are enough calls to weigh a failure among.
        private static List<LogReader.Minute> recent(List<LogReader.Minute> minutes, Instant since) {
            List<LogReader.Minute> recent = new ArrayList<>();
            long calls = 0;
            for (int i = minutes.size() - 1; i >= 0; i--) {
                LogReader.Minute minute = minutes.get(i);
                if (minute.at() == null || !minute.at().isBefore(since) || calls < ENOUGH) {
                    recent.add(minute);
                    calls += minute.calls();
                }
            }
            return recent;
        }

        // A single failure, or one in some hundreds, is what retries are for.
        private static boolean few(long failed, long calls) {
            return failed * 100 < calls || failed < 3 && failed * 5 < calls;
        }

        private static boolean over(String status, List<LogReader.Minute> recent, Instant end, Instant now) {
            Instant last = recent.stream().filter(minute -> minute.at() != null
                    && minute.statuses().containsKey(Integer.valueOf(status))).map(LogReader.Minute::at)
                    .max(Comparator.naturalOrder()).orElse(null);
            return last != null && last.isBefore(end) && last.isBefore(now.minus(OVER));
        }

        /** Whether nearly all of the log's recent calls get this status. */
        boolean nearlyAll(String status) {
            return byStatus.getOrDefault(status, 0L) >= NEARLY_ALL * calls;
        }

        /** What the log's word rests on: {@code 40 of 1,200 recent calls in the log}; empty where it tells nothing. */
        String basis() {
            long failed = byStatus.values().stream().mapToLong(Long::longValue).sum();
            return failed == 0 ? "" : String.format(Locale.ROOT, "%,d of the log's %,d recent calls", failed, calls);
        }

        // What failed now and then before is not the beginning: in what is, no half hour passes without a failure.
        private static Instant failingSince(LogReader.Facts facts) {
            Instant began = null;
            List<Instant> failing = facts.minutes().stream().filter(minute -> minute.at() != null
                    && minute.statuses().keySet().stream().anyMatch(LogReader.Facts::failed))
                    .map(LogReader.Minute::at).sorted(Comparator.reverseOrder()).toList();
            for (Instant at : failing) {
                if (began != null && at.plus(ONE_EPISODE).isBefore(began)) {
                    break;
                }
                began = at;
            }
            Instant first = facts.first() == null ? null : facts.first().at();
            boolean exact = began != null && first != null && first.isAfter(began)
                    && first.isBefore(began.plusSeconds(60));
            return exact ? first : began;
        }

        /** When the failures began that the log ends with, or ended with; empty where it has none. */
        public Optional<String> failingSince() {
            return Optional.of(check.detail().path("failingSince").asText("")).filter(at -> at.endsWith("Z"));
        }

        /** All calls in it by their status, 0 for those without an answer. */
        public JsonNode statuses() {
            return check.detail().path("statuses");
        }

        private static String summary(LogReader.Facts facts, Map<String, Long> lately, Optional<String> loop,
                Instant ended, Instant now) {
            String lines = facts.lines() == 1 ? "1 line" : String.format(Locale.ROOT, "%,d lines", facts.lines());
            if (facts.minutes().isEmpty()) {
                return "no call to Klaviyo in its " + lines;
            }
            long failed = facts.minutes().stream().mapToLong(LogReader.Minute::failed).sum();
            boolean timed = failed > 0 && facts.last().at() != null;
            List<String> said = new ArrayList<>(List.of(lines + (failed == 0 ? ", no failed call"
                    : String.format(Locale.ROOT, ", %,d failed call%s", failed, failed == 1 ? "" : "s"))
                    + (timed ? ", the last " + ago(facts.last().at(), now) : "")));
            if (ended != null) {
                said.add("it ends " + ago(ended, now) + ", and tells nothing of now");
            } else if (!lately.isEmpty()) {
                said.add("the application gets " + OurSide.words(lately));
            } else if (failed > 0) {
                said.add("too few, or over by now");
            }
            if (!lately.isEmpty() && facts.first().at() != null) {
                said.add("first failure " + Verdict.minute(facts.first().at()) + " on " + facts.first().endpoint());
            }
            loop.or(() -> facts.endpoints().stream().filter(rate -> rate.perMinute() > limit(rate) / 2).findFirst()
                    .map(AppLog::words)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            return String.join("; ", said);
        }

        private static String ago(Instant at, Instant now) {
            long minutes = Duration.between(at, now).toMinutes();
            String hours = minutes < 2 * 60 ? minutes + " min" : minutes / 60 + " h";
            return minutes < 1 ? "just now" : hours + " ago";
        }

        private static String words(LogReader.Rate rate) {
            String most = String.format(Locale.ROOT, " (limit %,d)", limit(rate));
            String limit = rate.perMinute() > limit(rate) ? most : "";
            return String.format(Locale.ROOT, "%s %,d a minute%s, %d %% of calls%s", rate.endpoint(), rate.perMinute(),
                    limit, Math.round(rate.share() * 100),
                    rate.since() == null ? "" : ", since " + Verdict.minute(rate.since()).substring(11));
        }

        private static String caller(LogReader.Facts facts) {
            return facts.callers().stream().findFirst().filter(caller -> caller.share() >= 0.5)
                    .map(caller -> ", by " + Text.safe(caller.name(), 60)).orElse("");
        }

        // Reading and writing of one resource have the same limit where we know one.
        private static long limit(LogReader.Rate rate) {
            return Endpoint.KNOWN.stream().filter(endpoint -> rate.endpoint().endsWith(" " + endpoint.path()))
                    .mapToLong(Endpoint::steady).findFirst().orElse(Long.MAX_VALUE);
        }
    }

    // ---- the route that Klaviyo delivers to: the state is whether webhooks arrive

    static Check webhook(Settings settings, Http http, Deadline deadline) {
        URI route = settings.target().webhook();
        if (route == null) {
            return Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL");
        }
        long start = System.nanoTime();
        NetworkPath path = NetworkPath.to(route, settings.proxies(), deadline);
        Answer answer = path.fault().isPresent() ? path.fault().get() : ask(route, http, deadline);
        String soon = path.expiresSoon() ? "yes, but the certificate ends soon" : "yes";
        String summary;
        String state;
        if (answer instanceof Fault fault) {
            boolean certificate = fault.kind().tls() && fault.kind() != Kind.TLS;
            summary = fault.words();
            state = certificate ? "no: certificate" : "no: route";
        } else {
            Reply reply = (Reply) answer;
            summary = "HTTP " + reply.status() + says(reply);
            state = isLive(reply) ? soon : "no: route";
        }
        boolean doubtful = !state.equals("yes") || answer instanceof Reply reply && isPage(reply);
        Outcome live = doubtful ? Outcome.WARN : Outcome.OK;
        return new Check("webhook", state.startsWith("no") ? Outcome.FAIL : live, summary + path.expiry(),
                Duration.ofNanos(System.nanoTime() - start).toMillis(), answer.http(), Json.of(path.detail()), state);
    }

    // A redirect is no delivery: nothing says that Klaviyo would follow one.
    private static boolean isLive(Reply reply) {
        return reply.status() < 500 && !reply.redirects() && reply.status() != 404 && reply.status() != 410;
    }

    private static boolean isPage(Reply reply) {
        return reply.status() == 200 && reply.html();
    }

    private static String says(Reply reply) {
        if (reply.redirects()) {
            return ", a redirect, which no delivery is known to follow";
        } else if (!isLive(reply)) {
            return ": the route is not there or fails";
        }
        return isPage(reply) ? " with a web page: is that the route, or the site's page for everything?"
                : " to an unsigned request: the route is live";
    }

    // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty POST
    // worth it.
    private static Answer ask(URI route, Http http, Deadline deadline) {
        Answer answer = http.once("GET", route, Map.of(), null, deadline.left());
        return answer instanceof Reply reply && (reply.status() == 404 || reply.redirects())
                ? http.once("POST", route, Map.of("Content-Type", "application/json"), new byte[0], deadline.left())
                : answer;
    }

    /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
    static Check listed(Check route, List<Probe> probes, URI ours) {
        Optional<Reply> listing = probes.stream().filter(probe -> probe.endpoint().is(Endpoint.WEBHOOKS)).findFirst()
                .flatMap(Probe::success);
        if (route.outcome() == Outcome.SKIPPED || listing.isEmpty()) {
            return route;
        }
        List<Boolean> enabled = new ArrayList<>();
        for (JsonNode webhook : listing.get().json().path("data")) {
            JsonNode attributes = webhook.path("attributes");
            if (attributes.path("endpoint_url").asText().matches("(?i)\\w+://" + Pattern.quote(ours.getHost())
                    + "([:/?#].*)?")) {
                enabled.add(attributes.path("enabled").asBoolean());
            }
        }
        boolean disabled = !enabled.isEmpty() && !enabled.contains(true);
        String listed = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        Map<String, Object> detail = new LinkedHashMap<>(Map.of("listed", !enabled.isEmpty(), "enabled",
                enabled.contains(true)));
        route.detail().properties().forEach(field -> detail.put(field.getKey(), field.getValue()));
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, route.summary() + (enabled.isEmpty()
                ? "; Klaviyo lists no webhook of this host" : listed), route.millis(), route.http(), Json.of(detail),
                disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }
}
