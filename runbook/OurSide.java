package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.io.InputStream;
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
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import runbook.Screen.Check.Outcome;
import runbook.Screen.Check;
import runbook.Http.Deadline;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.NetworkPath.Network;
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

    private OurSide() { }

    /** Our application, by its own health endpoint, and what that says of itself. */
    public record AppHealth(Check check, State state) {
        /** What a health endpoint can say. */
        public enum State { NOT_ASKED, HEALTHY, DEGRADED, DOWN, UNREACHABLE }

        /** Words seen in the status field of common health endpoints (Spring, Rails, Kubernetes, RFC drafts). */
        private static final Map<State, Pattern> WORDS = Map.of(State.HEALTHY,
                Pattern.compile("(?i)ok|up|healthy|pass(ing)?|green|operational|alive|ready|available|true"),
                State.DEGRADED, Pattern.compile("(?i)degraded|warn(ing)?|partial|yellow|unstable"),
                State.DOWN, Pattern.compile(
                        "(?i)down|fail(ed|ing|ure)?|error|unhealthy|critical|red|unavailable|out_of_service|false"));

        static AppHealth look(Settings settings, Http http, Deadline deadline) {
            if (settings.target().app() == null) {
                return new AppHealth(Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL"),
                                State.NOT_ASKED);
            }
            Answer answer = http.get(settings.target().app(), Map.of(), deadline.left());
            return answer instanceof Fault fault
                    ? new AppHealth(new Check("app", Outcome.FAIL, fault.words(), fault.millis(), null, Json.object()),
                            State.UNREACHABLE)
                    : of((Reply) answer);
        }

        private static AppHealth of(Reply reply) {
            String status = status(reply.json());
            State said = WORDS.entrySet().stream().filter(word -> word.getValue().matcher(status).matches())
                    .map(Map.Entry::getKey).findFirst().orElse(State.HEALTHY);
            State well = garbled(reply) ? State.DEGRADED : said;
            State state = reply.status() / 100 == 2 ? well : State.DOWN;
            Outcome outcome = switch (state) {
                case HEALTHY, NOT_ASKED -> Outcome.OK;
                case DEGRADED -> Outcome.WARN;
                case DOWN, UNREACHABLE -> Outcome.FAIL;
            };
            String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
            String quoted = body.isEmpty() ? "" : ": " + body;
            String summary = "HTTP " + reply.status() + " in " + reply.millis() + " ms"
                    + (garbled(reply) ? ", " + reply.wrongForm() + ": " + body : quoted);
            JsonNode detail = Json.of(Map.of("state", state.name().toLowerCase(Locale.ROOT),
                    "status", Redactor.strict().text(Text.safe(status, 40)), "body", body));
            return new AppHealth(new Check("app", outcome, summary, reply.millis(), reply.status(), detail), state);
        }

        // A bare "ok" is as good as JSON. A web page is not (a login page, say), nor is what claims or begins to be
        // JSON.
        private static boolean garbled(Reply reply) {
            boolean meantAsJson = reply.header("content-type").orElse("").contains("json") && reply.body().length > 0;
            return reply.json().isMissingNode()
                    && (reply.html() || meantAsJson || reply.text().stripLeading().startsWith("{"));
        }

        private static String status(JsonNode body) {
            return Stream.of("status", "state", "health", "healthy", "ok").map(body::path).filter(JsonNode::isValueNode)
                    .map(JsonNode::asText).findFirst().orElse("");
        }
    }

    /**
     * The errors that our application gets from Klaviyo, counted by Prometheus or told by somebody ({@code
     * --observed}): those that still come, by status; the count is 0 where only the status was told.
     */
    public record AppErrors(Check check, State state, Map<String, Long> byStatus) {
        /** The window of the default query, and a short one that tells whether the errors still come. */
        private static final String WINDOW = "[15m]";
        private static final String LATELY = "[1m]";
        private static final String UNLABELLED = "unlabelled";
        private static final Pattern GROUPED_BY = Pattern.compile("\\bby\\s*\\(\\s*(\\w+)");
        private static final List<String> LABELS = List.of("status", "status_code", "code", "http_status");

        /**
         * No trouble: a 409 duplicate_profile says that the profile is there already, and 2xx or 3xx are no errors
         * at all.
         */
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
                return told.isEmpty() ? new AppErrors(Check.skipped("app-errors",
                                "unknown: give --prometheus, --log FILE, or --observed with "
                                + "the statuses in the application's log"), State.NOT_ASKED, told)
                        : known(told, Map.of(), false, 0, null);
            }
            String query = settings.app().query();
            Prometheus prometheus = new Prometheus(http, settings.target().prometheus(), deadline.left());
            Result result = prometheus.instant(query);
            if (!result.ok()) {
                return unavailable(result, told);
            }
            Map<String, Long> counted = count(result, query);
            if (counted.containsKey(UNLABELLED) && counted.size() == 1) {
                return unlabelled(result, told);
            }
            Map<String, Long> over = new TreeMap<>();
            if (!counted.isEmpty() && query.contains(WINDOW)) {
                Result lately = prometheus.instant(query.replace(WINDOW, LATELY));
                // A status missing here proves nothing, for a scrape a minute gives no increase; one that stands at 0
                // is over.
                Map<String, Long> still = lately.ok() ? count(lately, query) : counted;
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
            return known(told, over, !counted.isEmpty(), result.answer().millis(), Check.status(result.answer()));
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

        private static AppErrors known(Map<String, Long> byStatus, Map<String, Long> over, boolean counted, long millis,
                Integer http) {
            String lately = over.isEmpty() ? "" : " in the last minute";
            String summary = (byStatus.isEmpty() ? "the application counts no errors from Klaviyo" + lately
                    : "the application gets " + words(byStatus))
                    + (over.isEmpty() ? "" : "; over since a minute or more: " + words(over));
            Outcome fine = over.isEmpty() ? Outcome.OK : Outcome.WARN;
            return new AppErrors(new Check("app-errors", harmless(byStatus) ? fine : Outcome.FAIL, summary, millis,
                    http, Json.of(Map.of("byStatus", byStatus, "over", over, "counted", counted))), State.KNOWN,
                    byStatus);
        }

        /** Whether the query has data at all, if only zeros: without, no error would show. */
        public boolean counted() {
            return check.detail().path("counted").asBoolean();
        }

        static boolean harmless(Map<String, Long> byStatus) {
            return byStatus.keySet().stream().allMatch(status -> HARMLESS.matcher(status).matches());
        }

        static String words(Map<String, Long> byStatus) {
            return byStatus.entrySet().stream().map(one -> (one.getKey().matches("0+") ? "no answer" : one.getKey())
                    + (one.getValue() > 0 ? " × " + one.getValue() : "")).collect(Collectors.joining(", "));
        }

        private static AppErrors unlabelled(Result result, Map<String, Long> told) {
            List<String> there = result.series().stream().flatMap(series -> series.labels().keySet().stream())
                    .distinct().limit(6).toList();
            return unavailable(result, told, "the query's series have no label that holds a status, but "
                    + (there.isEmpty() ? "none at all" : String.join(", ", there))
                    + ": write sum by (LABEL) (…) in --errors-query");
        }

        private static AppErrors unavailable(Result result, Map<String, Long> told) {
            return unavailable(result, told, "metrics unavailable: " + Redactor.strict().text(result.trouble())
                    + "; the direct probes above still hold");
        }

        private static AppErrors unavailable(Result result, Map<String, Long> told, String summary) {
            Check check = new Check("app-errors", Outcome.WARN, summary, result.answer().millis(),
                    Check.status(result.answer()), Json.of(Map.of("byStatus", told)));
            return new AppErrors(check, State.UNAVAILABLE, told);
        }

        /** Whether a status is a 5xx, or no answer at all. */
        static boolean serverError(String status) {
            return SERVER.matcher(status).matches();
        }

        /** Whether a status is a 4xx that says no more than that it is refused. */
        static boolean otherRefusal(String status) {
            return OTHER_REFUSAL.matcher(status).matches();
        }
    }

    /**
     * What the application's log says of its calls to Klaviyo ({@code --log}): errors by status, and in words the
     * caller that makes nearly all calls and more than the endpoint allows.
     */
    public record AppLog(Check check, Map<String, Long> byStatus, Optional<String> loop) {
        /** What came before this much of the log's end is told, and is no trouble any more. */
        private static final Duration LATELY = Duration.ofMinutes(15);
        private static final double NEARLY_ALL = 0.75;

        static AppLog skipped() {
            return new AppLog(Check.skipped("app-log", "not read: --log FILE reads the application's log"), Map.of(),
                    Optional.empty());
        }

        static AppLog look(InputStream log) {
            long start = System.nanoTime();
            LogReader reader = new LogReader(ZoneId.systemDefault(), null, Instant.now(),
                    Redactor.strict()::text);
            reader.read("log", log);
            return of(reader.facts(), Duration.ofNanos(System.nanoTime() - start).toMillis());
        }

        private static AppLog of(LogReader.Facts facts, long millis) {
            Instant end = facts.minutes().stream().map(LogReader.Minute::at).filter(Objects::nonNull)
                    .max(Comparator.naturalOrder()).orElse(Instant.MAX);
            Map<String, Long> lately = new TreeMap<>();
            facts.minutes().stream().filter(minute -> minute.at() == null || !minute.at().isBefore(end.minus(LATELY)))
                    .forEach(minute -> minute.statuses().forEach((status, calls) -> {
                        if (LogReader.Facts.failed(status)) {
                            lately.merge(status.toString(), calls, Long::sum);
                        }
                    }));
            List<LogReader.Rate> rates = facts.endpoints();
            Optional<String> loop = rates.stream().findFirst()
                    .filter(rate -> rate.share() >= NEARLY_ALL && rate.perMinute() > limit(rate)
                    && !rate.peakAt().isBefore(end.minus(LATELY))).map(rate -> rate(rate) + caller(facts));
            List<String> said = new ArrayList<>();
            said.add(String.format(Locale.ROOT, "%,d lines", facts.lines()));
            said.add(lately.isEmpty() ? "the application gets no errors from Klaviyo" : "the application gets "
                    + AppErrors.words(lately));
            if (facts.first() != null && facts.first().at() != null) {
                said.add("first failure " + Verdict.minute(facts.first().at()) + " on " + facts.first().endpoint());
            }
            loop.or(() -> rates.stream().filter(rate -> rate.perMinute() > limit(rate) / 2).findFirst()
                    .map(AppLog::rate)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            boolean fine = AppErrors.harmless(lately) && loop.isEmpty();
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("byStatus", lately);
            detail.put("firstFailure", facts.first() == null ? null : facts.first().at());
            detail.put("endpoints", rates.stream().limit(10).map(rate ->
                    Map.of("endpoint", rate.endpoint(), "calls", rate.calls(),
                    "failed", rate.failed(), "perMinute", rate.perMinute())).toList());
            detail.put("loop", loop.orElse(null));
            boolean calls = !facts.minutes().isEmpty();
            String summary = calls ? String.join("; ", said) : "no call to Klaviyo in its " + said.get(0);
            Outcome outcome = fine ? Outcome.OK : Outcome.FAIL;
            return new AppLog(new Check("app-log", calls ? outcome : Outcome.WARN, summary, millis, null,
                    Json.of(detail)), lately, loop);
        }

        private static String rate(LogReader.Rate rate) {
            long limit = limit(rate);
            return String.format(Locale.ROOT, "%s %,d a minute%s, %d %% of calls%s", rate.endpoint(),
                    rate.perMinute(), limit == Long.MAX_VALUE || rate.perMinute() <= limit ? ""
                    : String.format(Locale.ROOT, " (limit %,d)", limit), Math.round(rate.share() * 100),
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

    /** The route that Klaviyo delivers to: its certificate, whether it answers, and whether Klaviyo has it enabled. */
    public record Webhook(Check check, State state) {
        /** What can be wrong with a webhook route. */
        public enum State { NOT_ASKED, LIVE, CERTIFICATE_EXPIRES_SOON, CERTIFICATE, DOWN, DISABLED }

        static Webhook look(Settings settings, Http http, Deadline deadline) {
            URI route = settings.target().webhook();
            if (route == null) {
                return new Webhook(Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL"),
                                State.NOT_ASKED);
            }
            long start = System.nanoTime();
            NetworkPath path = NetworkPath.to(route, settings.proxies(), deadline);
            Optional<Fault> broken = path.fault();
            if (broken.isPresent()) {
                return of(broken.get().kind().certificate() ? State.CERTIFICATE : State.DOWN,
                        broken.get().words() + Network.expiry(path), start, null, path);
            }
            Answer answer = ask(route, http, deadline);
            if (answer instanceof Fault fault) {
                return of(State.DOWN, fault.words(), start, null, path);
            }
            Reply reply = (Reply) answer;
            State live = Network.expiresSoon(path) ? State.CERTIFICATE_EXPIRES_SOON : State.LIVE;
            State state = isLive(reply) ? live : State.DOWN;
            Webhook webhook = of(state, "HTTP " + reply.status() + says(reply)
                    + Network.expiry(path), start, reply.status(), path);
            return state == State.LIVE && aWebPage(reply) ? webhook.with(Outcome.WARN, "", webhook.check.detail())
                    : webhook;
        }

        // A redirect is no delivery: nothing says that Klaviyo would follow one.
        private static boolean isLive(Reply reply) {
            return reply.status() < 500 && reply.status() / 100 != 3 && reply.status() != 404 && reply.status() != 410;
        }

        private static String says(Reply reply) {
            if (reply.status() / 100 == 3) {
                return ", a redirect, which no delivery is known to follow";
            }
            if (!isLive(reply)) {
                return ": the route is not there or fails";
            }
            return aWebPage(reply) ? " with a web page: is that the route, or the site's page for everything?"
                    : " to an unsigned request: the route is live";
        }

        private static boolean aWebPage(Reply reply) {
            return reply.status() == 200 && reply.html();
        }

        // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an
        // empty POST worth it.
        private static Answer ask(URI route, Http http, Deadline deadline) {
            Answer answer = http.once("GET", route, Map.of(), null, deadline.left());
            return answer instanceof Reply reply && (reply.status() == 404 || reply.status() / 100 == 3)
                    ? http.once("POST", route, Map.of("Content-Type", "application/json"), new byte[0], deadline.left())
                    : answer;
        }

        private static Webhook of(State state, String summary, long start, Integer status, NetworkPath path) {
            Outcome outcome = switch (state) {
                case NOT_ASKED, LIVE -> Outcome.OK;
                case CERTIFICATE_EXPIRES_SOON -> Outcome.WARN;
                case CERTIFICATE, DOWN, DISABLED -> Outcome.FAIL;
            };
            return new Webhook(new Check("webhook", outcome, summary,
                    Duration.ofNanos(System.nanoTime() - start).toMillis(),
                    status, Json.of(Network.detail(path))), state);
        }

        private Webhook with(Outcome outcome, String more, JsonNode detail) {
            return new Webhook(new Check(check.name(), outcome, check.summary() + more, check.millis(), check.http(),
                    detail), state);
        }

        /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
        Webhook with(Optional<Reply> listing, URI route) {
            if (state == State.NOT_ASKED || listing.isEmpty()) {
                return this;
            }
            List<JsonNode> ours = StreamSupport.stream(listing.get().json().path("data").spliterator(), false)
                    .map(webhook -> webhook.path("attributes"))
                    .filter(webhook -> sameHost(webhook.path("endpoint_url").asText(), route)).toList();
            boolean enabled = ours.stream().anyMatch(webhook -> webhook.path("enabled").asBoolean());
            boolean disabled = !ours.isEmpty() && !enabled && state == State.LIVE;
            boolean unlisted = ours.isEmpty() && check.outcome() == Outcome.OK;
            String listed = enabled ? "enabled at Klaviyo" : "disabled at Klaviyo";
            Map<String, Object> detail = new LinkedHashMap<>(Map.of("listed", !ours.isEmpty(), "enabled", enabled));
            check.detail().properties().forEach(field -> detail.put(field.getKey(), field.getValue()));
            Outcome outcome = unlisted ? Outcome.WARN : check.outcome();
            Webhook told = with(disabled ? Outcome.FAIL : outcome,
                    "; " + (ours.isEmpty() ? "Klaviyo lists no webhook of this host" : listed), Json.of(detail));
            return disabled ? new Webhook(told.check, State.DISABLED) : told;
        }

        private static boolean sameHost(String address, URI route) {
            try {
                return route.getHost().equalsIgnoreCase(URI.create(address).getHost());
            } catch (IllegalArgumentException e) {
                return false;
            }
        }
    }
}
