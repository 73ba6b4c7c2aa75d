package runbook;

import java.io.InputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import runbook.Http.Answer;
import runbook.Http.Asking;
import runbook.Http.Fault;
import runbook.Http.Health;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.LogReader.Facts;
import runbook.LogReader.Minute;
import runbook.Prometheus.Result;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Json;
import runbook.redact.Redactor;

/**
 * Our own side: the application's health, the errors that it gets from Klaviyo, and the route that Klaviyo delivers to.
 */
public final class OurSide {
    /** What to do about a status that the application gets and that is no incident by itself. */
    static final SortedMap<String, String> ADVICE = new TreeMap<>(Map.of(
            "409", "409 duplicate_profile: it is there already, its id in meta.duplicate_profile_id: PATCH that one, "
                    + "it counts as done",
            "413", "413: one request is too large: split the batch, and look for a profile over the size limit in it",
            "202", "202 says accepted, not processed: of events of a profile with the same unique_id one is kept, "
                    + "and it defaults to the second: send a unique_id of your own"));
    /** A 5xx, or what clients count when no answer came. */
    static final String SERVER_ERROR = "(?i)5\\d\\d|5xx|0+|.*time.?out.*";
    /** A refusal without a branch of its own in the decision tree. */
    static final String OTHER_REFUSAL = "(?!400|401|403|409|410|429)4\\d\\d|4xx";
    /** No trouble: a 409 says that the profile is there already, and 2xx or 3xx are no errors at all. */
    private static final Pattern HARMLESS = Pattern.compile("409|[123]\\d\\d|[23]xx");

    private OurSide() { }

    // ---- our application's health, by its own endpoint: the state is whether it is healthy

    static Check health(Asking asking) {
        URI app = asking.settings().target().app();
        if (app == null) {
            return Check.skipped("app", "no health endpoint given: --app-url or KLAVIYO_APP_URL");
        }
        Answer answer = asking.get(app);
        if (answer instanceof Fault fault) {
            return new Check("app", Outcome.FAIL, fault.words(), fault.millis(), null, Json.object(), "no");
        }
        Reply reply = (Reply) answer;
        int health = Health.of(reply).ordinal();
        String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        String quoted = (Health.garbled(reply) ? ", " + reply.wrongForm() : "") + (body.isEmpty() ? "" : ": " + body);
        String field = Redactor.strict().text(Text.safe(Health.field(reply), 40));
        return new Check("app", List.of(Outcome.OK, Outcome.WARN, Outcome.FAIL).get(health),
                "HTTP " + reply.status() + " in " + reply.millis() + " ms" + quoted, reply.millis(), reply.status(),
                Json.of(Map.of("status", field, "body", body)), List.of("yes", "degraded", "no").get(health));
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
        private static final String LABELS = "status status_code code http_status";

        /** What somebody told, without asking Prometheus. */
        static AppErrors told(Settings settings) {
            Map<String, Long> told = new TreeMap<>();
            settings.app().observed().forEach(status -> told.put(status.toString(), 0L));
            return !told.isEmpty() ? known(told, Map.of(), false, null)
                    : new AppErrors(Check.skipped("app-errors", "unknown: give --prometheus, --log FILE, or --observed"
                            + " with the statuses in the application's log"), told);
        }

        static AppErrors look(Asking asking) {
            AppErrors alone = told(asking.settings());
            Map<String, Long> told = alone.byStatus;
            URI address = asking.settings().target().prometheus();
            if (address == null) {
                return alone;
            }
            String query = asking.settings().app().query();
            Prometheus prometheus = new Prometheus(asking.http(), address, asking.deadline().left());
            Result result = prometheus.instant(query);
            Map<String, Long> counted = count(result, query);
            if (!result.ok()) {
                return unavailable(result, told, "metrics unavailable: " + Redactor.strict().text(result.trouble())
                        + "; the direct probes above still hold");
            } else if (counted.keySet().equals(Set.of(UNLABELLED))) {
                Set<String> there = new TreeSet<>();
                result.series().forEach(series -> there.addAll(series.labels().keySet()));
                return unavailable(result, told, "the query's series have no label that holds a status, but "
                        + (there.isEmpty() ? "none at all" : Text.safe(String.join(", ", there), 80))
                        + ": write sum by (LABEL) (…) in --errors-query");
            }
            // A status missing in the last minute proves nothing, for a scrape a minute gives no increase; one that
            // stands at 0 is over.
            Map<String, Long> lately = counted.isEmpty() || !query.contains(WINDOW) ? Map.of()
                    : count(prometheus.instant(query.replace(WINDOW, LATELY)), query);
            Map<String, Long> over = new TreeMap<>();
            counted.entrySet().stream().filter(one -> one.getValue() > 0).forEach(one ->
                    (lately.getOrDefault(one.getKey(), 1L) == 0 ? over : told).put(one.getKey(), one.getValue()));
            return known(told, over, !counted.isEmpty(), result.answer());
        }

        // By what the query groups by, else by what exporters commonly call a status.
        private static Map<String, Long> count(Result result, String query) {
            Matcher by = GROUPED_BY.matcher(query);
            List<String> names = List.of(((by.find() ? by.group(1) + " " : "") + LABELS).split(" "));
            Map<String, Long> counts = new TreeMap<>();
            for (Prometheus.Series series : result.series()) {
                String status = names.stream().map(series.labels()::get).filter(Objects::nonNull).findFirst()
                        .orElse(UNLABELLED);
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
    public static final class AppLog {
        static final AppLog UNREAD = new AppLog();
        /** How far back from its end a log tells of now, and how many calls it takes for that at least. */
        private static final Duration LATELY = Duration.ofMinutes(15);
        private static final long ENOUGH = 20;
        /** A status that was not seen for this long while other calls went on is over. */
        private static final Duration OVER = Duration.ofMinutes(5);
        private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
        private static final double NEARLY_ALL = 0.75;

        private final Instant now = Instant.now();
        private final Map<String, Long> byStatus = new TreeMap<>();
        private Facts facts;
        private Instant end;
        private boolean stale;
        private long calls;
        private Optional<String> loop = Optional.empty();
        private Check check = Check.skipped("app-log", "not read: --log FILE reads the application's log");

        private AppLog() { }

        /** Reads it to its end. */
        public static AppLog look(InputStream log) {
            AppLog read = new AppLog();
            LogReader reader = new LogReader(ZoneId.systemDefault(), null, read.now, Redactor.strict()::text);
            reader.read("log", log);
            read.judge(reader.facts());
            return read;
        }

        private void judge(Facts read) {
            facts = read;
            end = times(facts.minutes().stream()).max(Comparator.naturalOrder()).orElse(null);
            stale = end != null && end.isBefore(now.minus(LATELY));
            Instant since = end == null ? Instant.MAX : end.minus(LATELY);
            List<Minute> recent = recent(since);
            calls = recent.stream().mapToLong(Minute::calls).sum();
            recent.stream().filter(minute -> !stale).forEach(minute -> minute.statuses().forEach((status, count) ->
                    byStatus.merge(status.toString(), count, Long::sum)));
            byStatus.entrySet().removeIf(one -> !Facts.failed(Integer.parseInt(one.getKey()))
                    || few(one.getValue()) || over(Integer.valueOf(one.getKey()), recent));
            loop = facts.endpoints().stream().findFirst().filter(rate -> !stale && rate.share() >= NEARLY_ALL
                    && rate.perMinute() > limit(rate) && !rate.peakAt().isBefore(since))
                    .map(rate -> words(rate) + caller());
            boolean passed = byStatus.isEmpty() && facts.last() != null || facts.minutes().isEmpty();
            Outcome fine = passed || stale ? Outcome.WARN : Outcome.OK;
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("byStatus", byStatus);
            detail.put("statuses", facts.statuses());
            detail.put("failingSince", failingSince().orElse(null));
            detail.put("endpoints", facts.endpoints().stream().limit(10).map(rate -> Map.of("endpoint",
                    rate.endpoint(), "calls", rate.calls(), "failed", rate.failed(), "perMinute", rate.perMinute()))
                    .toList());
            detail.put("loop", loop.orElse(null));
            check = new Check("app-log", harmless(byStatus) && loop.isEmpty() ? fine : Outcome.FAIL, summary(),
                    Duration.between(now, Instant.now()).toMillis(), null, Json.of(detail));
        }

        // The minutes since then, and those before them until there are enough calls to weigh a failure among.
        private List<Minute> recent(Instant since) {
            List<Minute> recent = new ArrayList<>();
            long seen = 0;
            for (int i = facts.minutes().size() - 1; i >= 0; i--) {
                Minute minute = facts.minutes().get(i);
                if (minute.at() == null || !minute.at().isBefore(since) || seen < ENOUGH) {
                    recent.add(minute);
                    seen += minute.calls();
                }
            }
            return recent;
        }

        // A single failure, or one in some hundreds, is what retries are for.
        private boolean few(long failed) {
            return failed * 100 < calls || failed < 3 && failed * 5 < calls;
        }

        private boolean over(Integer status, List<Minute> recent) {
            return times(recent.stream().filter(minute -> minute.statuses().containsKey(status)))
                    .max(Comparator.naturalOrder()).filter(last -> last.isBefore(end)
                            && last.isBefore(now.minus(OVER))).isPresent();
        }

        private static Stream<Instant> times(Stream<Minute> minutes) {
            return minutes.map(Minute::at).filter(Objects::nonNull);
        }

        /** As one line. */
        public Check check() {
            return check;
        }

        Map<String, Long> byStatus() {
            return byStatus;
        }

        Optional<String> loop() {
            return loop;
        }

        boolean nearlyAll(String status) {
            return byStatus.getOrDefault(status, 0L) >= NEARLY_ALL * calls;
        }

        /** What the log's word rests on: {@code (40 of the log's 1,200 recent calls)}, after a blank; or nothing. */
        String basis() {
            long failed = byStatus.values().stream().mapToLong(Long::longValue).sum();
            return failed == 0 ? "" : String.format(Locale.ROOT, " (%,d of the log's %,d recent calls)", failed, calls);
        }

        /** All calls in it by their status, 0 for those without an answer. */
        Map<Integer, Long> statuses() {
            return facts == null ? Map.of() : facts.statuses();
        }

        /**
         * When the failures began that the log ends with: in what is one trouble, no half hour passes without one.
         * Empty where it has none, or ended long ago.
         */
        Optional<Instant> failingSince() {
            Instant began = null;
            for (Instant at : stale || facts == null ? List.<Instant>of() : failingMinutes()) {
                if (began != null && at.plus(ONE_EPISODE).isBefore(began)) {
                    break;
                }
                began = at;
            }
            Instant first = began == null || facts.first() == null ? null : facts.first().at();
            boolean exact = first != null && first.truncatedTo(ChronoUnit.MINUTES).equals(began);
            return Optional.ofNullable(exact ? first : began);
        }

        // The newest first.
        private List<Instant> failingMinutes() {
            return times(facts.minutes().stream().filter(minute -> minute.failed() > 0))
                    .sorted(Comparator.reverseOrder()).toList();
        }

        private String summary() {
            String lines = facts.lines() == 1 ? "1 line" : String.format(Locale.ROOT, "%,d lines", facts.lines());
            if (facts.minutes().isEmpty()) {
                return "no call to Klaviyo in its " + lines;
            }
            long failed = facts.minutes().stream().mapToLong(Minute::failed).sum();
            String failures = failed == 0 ? ", no failed call"
                    : String.format(Locale.ROOT, ", %,d failed call%s", failed, failed == 1 ? "" : "s");
            boolean timed = failed > 0 && facts.last().at() != null;
            List<String> said = new ArrayList<>();
            said.add(lines + failures + (timed ? ", the last " + ago(facts.last().at()) : ""));
            if (stale) {
                said.add("it ends " + ago(end) + ", and tells nothing of now");
            } else if (!byStatus.isEmpty()) {
                said.add("the application gets " + OurSide.words(byStatus));
            } else if (failed > 0) {
                said.add("too few, or over by now");
            }
            if (!byStatus.isEmpty() && facts.first().at() != null) {
                said.add("first failure " + Verdict.minute(facts.first().at()) + " on " + facts.first().endpoint());
            }
            loop.or(() -> facts.endpoints().stream().filter(rate -> rate.perMinute() > limit(rate) / 2).findFirst()
                    .map(AppLog::words)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            return String.join("; ", said);
        }

        private String ago(Instant at) {
            Duration since = Duration.between(at, now).truncatedTo(ChronoUnit.MINUTES);
            return since.compareTo(Duration.ofMinutes(1)) < 0 ? "just now" : Text.Durations.words(since) + " ago";
        }

        private static String words(LogReader.Rate rate) {
            String most = String.format(Locale.ROOT, " (limit %,d)", limit(rate));
            String since = rate.since() == null ? "" : ", since " + Verdict.minute(rate.since()).substring(11);
            return String.format(Locale.ROOT, "%s %,d a minute%s, %d %% of calls%s", rate.endpoint(), rate.perMinute(),
                    rate.perMinute() > limit(rate) ? most : "", Math.round(rate.share() * 100), since);
        }

        private String caller() {
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

    static Check webhook(Asking asking) {
        URI route = asking.settings().target().webhook();
        if (route == null) {
            return Check.skipped("webhook", "no route given: --webhook-url or KLAVIYO_WEBHOOK_URL");
        }
        long start = System.nanoTime();
        NetworkPath path = NetworkPath.to(route, asking);
        Answer answer = path.fault().isPresent() ? path.fault().get() : ask(route, asking);
        String summary = answer instanceof Fault fault ? fault.words() : says((Reply) answer);
        String soon = path.expiresSoon() ? "yes, but the certificate ends soon" : "yes";
        String state = answer instanceof Reply reply && isLive(reply) ? soon : "no: route";
        if (answer instanceof Fault fault && fault.kind().tls() && fault.kind() != Http.Kind.TLS) {
            state = "no: certificate";
        }
        boolean doubtful = !state.equals("yes") || answer instanceof Reply reply && isPage(reply);
        Outcome live = doubtful ? Outcome.WARN : Outcome.OK;
        return new Check("webhook", state.startsWith("no") ? Outcome.FAIL : live, summary + path.expiry(),
                Duration.ofNanos(System.nanoTime() - start).toMillis(), answer.http(), Json.of(path.detail()), state);
    }

    // GET first, since it changes nothing anywhere. Only where GET has no route, or is sent elsewhere, is an empty POST
    // worth it.
    private static Answer ask(URI route, Asking asking) {
        Answer answer = asking.http().once("GET", route, Map.of(), null, asking.deadline().left());
        return answer instanceof Reply reply && (reply.status() == 404 || reply.redirects())
                ? asking.http().once("POST", route, Map.of("Content-Type", "application/json"), new byte[0],
                        asking.deadline().left()) : answer;
    }

    // A redirect is no delivery: nothing says that Klaviyo would follow one.
    private static boolean isLive(Reply reply) {
        return reply.status() < 500 && !reply.redirects() && reply.status() != 404 && reply.status() != 410;
    }

    private static boolean isPage(Reply reply) {
        return reply.status() == 200 && reply.html();
    }

    private static String says(Reply reply) {
        String live = isPage(reply) ? " with a web page: is that the route, or the site's page for everything?"
                : " to an unsigned request: the route is live";
        String dead = reply.redirects() ? ", a redirect, which no delivery is known to follow"
                : ": the route is not there or fails";
        return "HTTP " + reply.status() + (isLive(reply) ? live : dead);
    }

    /** The same, with what {@code GET /api/webhooks} told of it. Klaviyo cuts the address down to its host. */
    static Check listed(Check route, List<ApiChecks.Probe> probes, URI ours) {
        Optional<Reply> listing = probes.stream().filter(probe -> probe.endpoint().is(Endpoint.WEBHOOKS)).findFirst()
                .flatMap(ApiChecks.Probe::success);
        if (route.outcome() == Outcome.SKIPPED || listing.isEmpty()) {
            return route;
        }
        String host = "(?i)\\w+://" + Pattern.quote(ours.getHost()) + "([:/?#].*)?";
        Set<Boolean> enabled = StreamSupport.stream(listing.get().json().path("data").spliterator(), false)
                .map(webhook -> webhook.path("attributes"))
                .filter(webhook -> webhook.path("endpoint_url").asText().matches(host))
                .map(webhook -> webhook.path("enabled").asBoolean()).collect(Collectors.toSet());
        boolean disabled = enabled.equals(Set.of(false));
        String known = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        String summary = route.summary() + (enabled.isEmpty() ? "; Klaviyo lists no webhook of this host" : known);
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, summary, route.millis(), route.http(),
                route.detail(), disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }
}
