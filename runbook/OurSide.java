package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.InputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
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
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Http.Answer;
import runbook.Http.Asking;
import runbook.Http.Fault;
import runbook.Http.Health;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.LogReader.Facts;
import runbook.LogReader.Failure;
import runbook.LogReader.Minute;
import runbook.LogReader.Rate;
import runbook.Prometheus.Result;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Durations;
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
        // A login page, a wall or a wrong path answers for somebody else.
        boolean untold = Set.of(401, 403, 404, 405).contains(reply.status()) || reply.status() < 400 && reply.html();
        int health = untold ? 1 : Health.of(reply).ordinal();
        String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
        String form = untold ? ", which is no health endpoint's answer: is the address right?" : "";
        String quoted = (Health.garbled(reply) ? ", " + reply.wrongForm() : form) + (body.isEmpty() ? "" : ": " + body);
        String field = Redactor.strict().text(Text.safe(Health.field(reply), 40));
        String shown = reply.json().path("keyFingerprint").asText();
        Map<String, Object> detail = Map.of("status", field, "body", body, "keyFingerprint",
                shown.matches("[0-9a-f]{8}") ? shown : "");
        return new Check("app", List.of(Outcome.OK, Outcome.WARN, Outcome.FAIL).get(health),
                "HTTP " + reply.status() + " in " + reply.millis() + " ms" + quoted, reply.millis(), reply.status(),
                Json.of(detail), untold ? "not told" : List.of("yes", "degraded", "no").get(health));
    }

    // ---- the errors that it gets

    private static boolean harmless(Map<String, Long> byStatus) {
        return byStatus.keySet().stream().allMatch(status -> HARMLESS.matcher(status).matches());
    }

    /** {@code 401 × 12, no answer × 3}, or the statuses alone where nobody counted. */
    private static String words(Map<String, Long> byStatus) {
        return byStatus.entrySet().stream().map(one -> (one.getKey().matches("0+") ? "no answer" : one.getKey())
                + (one.getValue() > 0 ? " × " + one.getValue() : "")).collect(Collectors.joining(", "));
    }

    /**
     * The errors that our application gets from Klaviyo, counted by Prometheus or told by somebody ({@code
     * --observed}): those that still come, by status, and the same in words with the time that they were counted over;
     * a count is 0 where only the status was told. The check's state is {@code counted}, {@code told} where no data is
     * there, or {@code unavailable} where Prometheus could not be asked.
     */
    public record AppErrors(Check check, Map<String, Long> byStatus, String words) {
        /** The window of the default query, and a short one that tells whether the errors still come. */
        private static final String WINDOW = "[15m]";
        private static final String LATELY = "[2m]";
        private static final Duration LENGTH = Duration.ofMinutes(15);
        private static final String UNLABELLED = "unlabelled";
        private static final Pattern RANGE = Pattern.compile("\\[((?:\\d{1,5}[smhd])+)]");
        private static final Pattern GROUPED_BY = Pattern.compile("\\bby\\s*\\(\\s*(\\w+)");
        private static final String LABELS = "status status_code code http_status";

        /** What somebody told, without asking Prometheus. */
        static AppErrors told(Settings settings) {
            Map<String, Long> told = new TreeMap<>();
            settings.app().observed().forEach(status -> told.put(status.toString(), 0L));
            return !told.isEmpty() ? known("told", told, Map.of(), "", "", null)
                    : new AppErrors(Check.skipped("app-errors", "unknown: give --prometheus, --log FILE, or --observed"
                            + " with the statuses in the application's log"), told, "");
        }

        static AppErrors look(Asking asking) {
            AppErrors told = told(asking.settings());
            URI address = asking.settings().target().prometheus();
            if (address == null) {
                return told;
            }
            String query = asking.settings().app().query();
            Prometheus prometheus = new Prometheus(asking.http(), address, asking.deadline().left());
            CompletableFuture<Map<String, Long>> lately = !query.contains(WINDOW)
                    ? CompletableFuture.completedFuture(Map.of()) : CompletableFuture.supplyAsync(() ->
                            count(prometheus.instant(query.replace(WINDOW, LATELY)), query));
            Result result = prometheus.instant(query);
            Map<String, Long> counted = count(result, query);
            if (!result.ok()) {
                return told.unavailable(result, "metrics unavailable: " + Redactor.strict().text(result.trouble())
                        + "; the direct probes above still hold");
            } else if (counted.keySet().equals(Set.of(UNLABELLED))) {
                Set<String> there = new TreeSet<>();
                result.series().forEach(series -> there.addAll(series.labels().keySet()));
                return told.unavailable(result, "the query's series have no label that holds a status, but "
                        + (there.isEmpty() ? "none at all" : Text.safe(String.join(", ", there), 80))
                        + ": write sum by (LABEL) (…) in --errors-query");
            }
            // A status missing in the last minute proves nothing, for a scrape a minute gives no increase; one that
            // stands at 0 is over.
            Map<String, Long> still = new TreeMap<>(told.byStatus);
            Map<String, Long> over = new TreeMap<>();
            counted.entrySet().stream().filter(one -> one.getValue() > 0).forEach(one -> {
                boolean passed = lately.join().getOrDefault(one.getKey(), 1L) == 0;
                (passed ? over : still).put(one.getKey(), one.getValue());
            });
            return known(counted.isEmpty() ? "told" : "counted", still, over, window(query), " in the last 2 minutes",
                    result.answer());
        }

        private static String window(String query) {
            Matcher range = RANGE.matcher(query);
            return range.find() ? " in " + Durations.words(Durations.parse(range.group(1))) : "";
        }

        /** The same counted from a time on: what came before is over, and said to be. */
        AppErrors since(Instant at, Asking asking) {
            String query = asking.settings().app().query();
            Duration passed = Duration.between(at, Instant.now());
            boolean within = query.contains(WINDOW) && passed.compareTo(LENGTH) < 0;
            if (!within || byStatus.values().stream().noneMatch(count -> count > 0)) {
                return this;
            }
            String sinceThen = query.replace(WINDOW, "[" + Math.max(1, passed.toSeconds()) + "s]");
            Result result = new Prometheus(asking.http(), asking.settings().target().prometheus(),
                    asking.deadline().left()).instant(sinceThen);
            Map<String, Long> counted = count(result, query);
            Map<String, Long> still = new TreeMap<>(byStatus);
            Map<String, Long> over = new TreeMap<>(byStatus);
            still.keySet().removeIf(status -> byStatus.get(status) > 0 && counted.getOrDefault(status, 0L) == 0);
            still.replaceAll((status, count) -> counted.getOrDefault(status, count));
            over.keySet().removeAll(still.keySet());
            String since = " since " + Verdict.minute(at).substring(11);
            return result.ok() ? known("counted", still, over, since, since, result.answer()) : this;
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

        private static AppErrors known(String state, Map<String, Long> still, Map<String, Long> over, String window,
                String lately, Answer answer) {
            // What somebody told was counted over no time.
            String within = still.values().stream().anyMatch(count -> count > 0) ? window : "";
            String words = still.isEmpty() ? "" : "the application gets " + OurSide.words(still) + within;
            String none = "the application counts no errors from Klaviyo" + (over.isEmpty() ? window : lately);
            String past = over.isEmpty() ? "" : "; over, in 15 min: " + OurSide.words(over);
            Outcome fine = over.isEmpty() ? Outcome.OK : Outcome.WARN;
            Check check = new Check("app-errors", harmless(still) ? fine : Outcome.FAIL,
                    (words.isEmpty() ? none : words) + past, answer == null ? 0 : answer.millis(),
                    answer == null ? null : answer.http(), Json.of(Map.of("byStatus", still, "over", over)), state);
            return new AppErrors(check, still, words);
        }

        private AppErrors unavailable(Result result, String why) {
            return new AppErrors(new Check("app-errors", Outcome.WARN, why, result.answer().millis(),
                    result.answer().http(), Json.of(Map.of("byStatus", byStatus)), "unavailable"), byStatus, words);
        }
    }

    /**
     * What the application's log says of its calls to Klaviyo ({@code --log}).
     *
     * @param byStatus     errors that still come, by status
     * @param nearlyAll    those of them that nearly all calls get
     * @param words        the errors in words, of how many calls, in which time; empty without any
     * @param statuses     all calls in it by their status, 0 for those without an answer
     * @param failingSince when the failures began that the log ends with: in what is one trouble, no half hour passes
     *                     without one; empty where it has none, or ended long ago
     * @param loop         the caller that makes nearly all calls and more than the endpoint allows, in words
     */
    public record AppLog(Check check, Map<String, Long> byStatus, Set<String> nearlyAll, String words,
            Map<Integer, Long> statuses, Optional<Instant> failingSince, Optional<String> loop) {
        static final AppLog UNREAD = new AppLog(Check.skipped("app-log", "not read: --log FILE reads the application's"
                + " log"), Map.of(), Set.of(), "", Map.of(), Optional.empty(), Optional.empty());

        /** Reads it to its end; {@code written} is when the file last was, empty for a pipe. */
        public static AppLog look(InputStream log, Optional<Instant> written) {
            Instant now = Instant.now();
            LogReader local = new LogReader(ZoneId.systemDefault(), null, now, Redactor.strict()::text);
            LogReader utc = new LogReader(ZoneOffset.UTC, null, now, Redactor.strict()::text);
            // Servers mostly write UTC, and the log may come from a pipe: both are read at once.
            boolean differ = !ZoneId.systemDefault().getRules().getOffset(now).equals(ZoneOffset.UTC);
            local.read("log", log, differ ? List.of(utc) : List.of());
            LogJudge here = new LogJudge(local, now, "");
            LogJudge there = new LogJudge(utc, now, "its times name no zone and are read as UTC");
            return (differ && here.isMisread(there, written) ? there : here).judge();
        }
    }

    /** Tells what of a log is of now, and whether it is enough to go by. */
    private static final class LogJudge {
        /** How far back from its end a log tells of now, and how many calls it takes for that at least. */
        private static final Duration LATELY = Duration.ofMinutes(15);
        private static final long ENOUGH = 20;
        /** A status that was not seen for this long while other calls went on is over, */
        private static final Duration OVER = Duration.ofMinutes(5);
        /** and so is one of which, by its share, so many would have come since. */
        private static final int MISSED = 5;
        private static final Duration ONE_EPISODE = Duration.ofMinutes(30);
        private static final double NEARLY_ALL = 0.75;
        private static final double MOST = 0.5;

        private final LogReader reader;
        private final Facts facts;
        private final String zone;
        private final Instant now;
        private final Instant end;
        private final boolean stale;
        private final List<Minute> recent = new ArrayList<>();
        private final long calls;

        LogJudge(LogReader reader, Instant now, String zone) {
            this.reader = reader;
            this.facts = reader.facts();
            this.now = now;
            this.zone = zone;
            end = times(facts.minutes()).reduce((first, last) -> last).orElse(null);
            stale = end != null && end.isBefore(now.minus(LATELY));
            // The minutes since then, and those before them until there are enough calls to weigh a failure among.
            long seen = 0;
            for (int i = facts.minutes().size() - 1; i >= 0; i--) {
                Minute minute = facts.minutes().get(i);
                if (minute.at() == null || !minute.at().isBefore(end.minus(LATELY)) || seen < ENOUGH) {
                    recent.add(minute);
                    seen += minute.calls();
                }
            }
            calls = seen;
        }

        /**
         * Whether the other's zone fits better. A file's last time is about when it was written. Of a pipe, times in
         * the future are of another zone, and so may those be that lie hours ago.
         */
        boolean isMisread(LogJudge other, Optional<Instant> written) {
            boolean late = future().isPresent() || stale && other.end != null && other.end.isAfter(now.minus(OVER));
            boolean better = written.map(at -> other.off(at).compareTo(off(at)) < 0).orElse(late);
            return better && other.future().isEmpty();
        }

        private Duration off(Instant written) {
            Instant last = Optional.ofNullable(reader.outsideUpTo()).orElse(end == null ? Instant.EPOCH : end);
            return Duration.between(last, written).abs();
        }

        // Clocks differ by minutes.
        private Optional<Instant> future() {
            return Optional.ofNullable(reader.outsideUpTo()).filter(until -> until.isAfter(now.plus(OVER)));
        }

        AppLog judge() {
            Map<String, Long> byStatus = stale ? Map.of() : still();
            Set<String> nearlyAll = byStatus.keySet().stream()
                    .filter(status -> byStatus.get(status) >= NEARLY_ALL * calls).collect(Collectors.toSet());
            Optional<String> loop = endpoints().findFirst().filter(rate -> !stale
                    && rate.share() >= NEARLY_ALL && rate.perMinute() > limit(rate)
                    && !rate.peakAt().isBefore(end.minus(LATELY))).map(rate -> words(rate) + caller());
            Optional<Instant> since = byStatus.keySet().stream().max(Comparator.comparing(byStatus::get))
                    .flatMap(loudest -> since(Integer.parseInt(loudest)));
            String words = byStatus.isEmpty() ? ""
                    : OurSide.words(byStatus) + " of " + count(calls, "call") + window() + loudest(byStatus);
            Map<String, Object> detail = new LinkedHashMap<>();
            detail.put("byStatus", byStatus);
            detail.put("statuses", facts.statuses());
            detail.put("failingSince", since.orElse(null));
            detail.put("endpoints", facts.endpoints().stream().limit(10).map(rate -> Map.of("endpoint",
                    rate.endpoint(), "calls", rate.calls(), "failed", rate.failed(), "perMinute", rate.perMinute()))
                    .toList());
            detail.put("loop", loop.orElse(null));
            boolean passed = byStatus.isEmpty() && facts.last() != null || facts.minutes().isEmpty();
            Outcome fine = passed || stale ? Outcome.WARN : Outcome.OK;
            Check check = new Check("app-log", harmless(byStatus) && loop.isEmpty() ? fine : Outcome.FAIL,
                    summary(words, since, loop), Duration.between(now, Instant.now()).toMillis(), null,
                    Json.of(detail), stale || calls == 0 ? "old" : "recent");
            return new AppLog(check, byStatus, nearlyAll, words, facts.statuses(), since, loop);
        }

        // The errors that still come, by status.
        private Map<String, Long> still() {
            SortedMap<Integer, Long> counts = new TreeMap<>();
            recent.forEach(minute -> minute.statuses().forEach((status, count) ->
                    counts.merge(status, count, Long::sum)));
            Map<String, Long> still = new TreeMap<>();
            counts.forEach((status, count) -> {
                if (Facts.failed(status) && !few(count) && !over(status, count)) {
                    still.put(status.toString(), count);
                }
            });
            return still;
        }

        // By the busiest sixty seconds, wherever the clock's minutes begin.
        private Stream<Rate> endpoints() {
            return facts.endpoints().stream().map(rate -> new Rate(rate.endpoint(), rate.calls(), rate.failed(),
                    rate.share(), Math.max(rate.perMinute(), reader.busiest(rate.endpoint())), rate.peakAt(),
                    rate.since()));
        }

        // Where calls are throttled, who makes most of them is who can end that.
        private String loudest(Map<String, Long> byStatus) {
            return facts.callers().stream().findFirst().filter(caller -> byStatus.containsKey("429")
                    && caller.share() >= MOST).map(caller -> ", " + Math.round(caller.share() * 100)
                    + " % of all calls by " + Text.safe(caller.name(), 60)).orElse("");
        }

        // In order of time, without those of lines that name none.
        private static Stream<Instant> times(List<Minute> minutes) {
            return minutes.stream().map(Minute::at).filter(Objects::nonNull);
        }

        private String window() {
            Optional<Instant> begin = times(recent).min(Comparator.naturalOrder());
            Duration span = begin.map(at -> Duration.between(at, end)).filter(most -> most.compareTo(LATELY) > 0)
                    .orElse(LATELY);
            return begin.isEmpty() ? "" : " in the log's last " + Durations.words(span);
        }

        // A single failure, or one in some hundreds, is what retries are for.
        private boolean few(long failed) {
            return failed * 100 < calls || failed < 3 && failed * 5 < calls;
        }

        private boolean over(Integer status, long count) {
            Instant last = times(recent.stream().filter(minute -> minute.statuses().containsKey(status)).toList())
                    .max(Comparator.naturalOrder()).orElse(end);
            long since = recent.stream().filter(minute -> minute.at() != null && minute.at().isAfter(last))
                    .mapToLong(Minute::calls).sum();
            return since > 0 && (last.isBefore(now.minus(OVER)) || since * count >= MISSED * (calls - since));
        }

        // In what is one trouble no half hour passes without it, and a stray one begins none.
        private Optional<Instant> since(Integer status) {
            Instant began = null;
            for (Minute minute : recent(facts.minutes())) {
                long count = minute.statuses().getOrDefault(status, 0L);
                boolean near = began == null || !minute.at().isBefore(began.minus(ONE_EPISODE));
                began = near && (count >= 3 || count * 5 >= minute.calls()) ? minute.at() : began;
            }
            Failure first = facts.first();
            boolean exact = began != null && first.status() == status && first.at() != null
                    && first.at().truncatedTo(ChronoUnit.MINUTES).equals(began);
            return Optional.ofNullable(exact ? first.at() : began);
        }

        // The newest first, without those of lines that name no time.
        private static List<Minute> recent(List<Minute> minutes) {
            List<Minute> timed = new ArrayList<>(minutes.stream().filter(minute -> minute.at() != null).toList());
            Collections.reverse(timed);
            return timed;
        }

        private String summary(String words, Optional<Instant> since, Optional<String> loop) {
            String lines = count(facts.lines(), "line");
            if (facts.minutes().isEmpty()) {
                return future().map(until -> "the calls to Klaviyo in its " + lines + ahead(until))
                        .orElse("no call to Klaviyo in its " + lines);
            }
            long failed = facts.minutes().stream().mapToLong(Minute::failed).sum();
            boolean timed = failed > 0 && facts.last().at() != null;
            String when = timed ? ", the first on " + facts.first().endpoint() + ", the last " + ago(facts.last().at())
                    : "";
            // What all the rest stands on comes first: a log of an hour ago may be one of now in another zone.
            List<String> said = new ArrayList<>(zone.isEmpty() ? List.of() : List.of(zone));
            if (!words.isEmpty()) {
                said.add("the application gets " + words + since.map(at -> ", since " + clock(at)).orElse(""));
            }
            said.add(lines + ", " + (failed == 0 ? "no failed call" : count(failed, "failed call")) + when);
            if (stale) {
                boolean sure = facts.zoneNamed() || !zone.isEmpty();
                said.add("it ends " + ago(end) + ", and tells nothing of now" + (sure ? ""
                        : "; where its times are of another zone, run this with TZ=UTC or TZ=ZONE before it"));
            } else if (words.isEmpty() && failed > 0) {
                said.add("too few, or over by now");
            }
            if (zone.isEmpty()) {
                future().ifPresent(until -> said.add("others" + ahead(until)));
            }
            loop.or(() -> endpoints().filter(rate -> rate.perMinute() > limit(rate) / 2).findFirst()
                    .map(LogJudge::words)).ifPresent(said::add);
            facts.notRead().stream().limit(2).forEach(said::add);
            return String.join("; ", said);
        }

        private String ahead(Instant until) {
            return " lie up to " + Durations.words(Duration.between(now, until)) + " ahead: its times are of another"
                    + " zone than this machine's, run this with TZ=UTC or TZ=ZONE before it";
        }

        private static String count(long number, String noun) {
            return String.format(Locale.ROOT, "%,d %s%s", number, noun, number == 1 ? "" : "s");
        }

        private String ago(Instant at) {
            Duration since = Duration.between(at, now).truncatedTo(ChronoUnit.MINUTES);
            return since.compareTo(Duration.ofMinutes(1)) < 0 ? "just now" : Durations.words(since) + " ago";
        }

        // The day only where it is another than today.
        private static String clock(Instant at) {
            String minute = Verdict.minute(at);
            return minute.substring(Instant.now().toString().startsWith(minute.substring(0, 10)) ? 11 : 0);
        }

        private static String words(Rate rate) {
            boolean above = rate.perMinute() > limit(rate);
            return String.format(Locale.ROOT, "%s %,d a minute", rate.endpoint(), rate.perMinute())
                    + (above ? String.format(Locale.ROOT, " (limit %,d)", limit(rate)) : "") + ", "
                    + Math.round(rate.share() * 100) + " % of calls"
                    + (rate.since() == null ? "" : ", since " + clock(rate.since()));
        }

        private String caller() {
            return facts.callers().stream().findFirst().filter(caller -> caller.share() >= MOST)
                    .map(caller -> ", by " + Text.safe(caller.name(), 60)).orElse("");
        }

        // Reading and writing of one resource have the same limit where we know one.
        private static long limit(Rate rate) {
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
        CompletableFuture<Answer> asked = CompletableFuture.supplyAsync(() -> ask(route, asking));
        NetworkPath path = NetworkPath.to(route, asking);
        Answer answer = path.fault().isPresent() ? path.fault().get() : asked.join();
        String soon = path.expiresSoon() ? "yes, but the certificate ends soon" : "yes";
        String state = answer instanceof Reply reply && isLive(reply) ? soon : "no: route";
        if (answer instanceof Fault fault && fault.kind().tls() && fault.kind() != Http.Kind.TLS) {
            state = "no: certificate";
        }
        boolean doubtful = !state.equals("yes") || answer instanceof Reply reply && isPage(reply);
        Outcome live = doubtful ? Outcome.WARN : Outcome.OK;
        return new Check("webhook", state.startsWith("no") ? Outcome.FAIL : live, says(answer) + path.expiry(),
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

    private static String says(Answer answer) {
        if (answer instanceof Fault fault) {
            return fault.words();
        }
        Reply reply = (Reply) answer;
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
        Set<Boolean> enabled = new TreeSet<>();
        for (JsonNode webhook : listing.get().json().path("data")) {
            if (webhook.at("/attributes/endpoint_url").asText().matches(host)) {
                enabled.add(webhook.at("/attributes/enabled").asBoolean());
            }
        }
        boolean disabled = enabled.equals(Set.of(false));
        String known = disabled ? "; disabled at Klaviyo" : "; enabled at Klaviyo";
        String summary = route.summary() + (enabled.isEmpty() ? "; Klaviyo lists no webhook of this host" : known);
        Outcome unsure = enabled.isEmpty() && route.outcome() == Outcome.OK ? Outcome.WARN : route.outcome();
        return new Check(route.name(), disabled ? Outcome.FAIL : unsure, summary, route.millis(), route.http(),
                route.detail(), disabled && route.state().startsWith("yes") ? "no: route" : route.state());
    }
}
