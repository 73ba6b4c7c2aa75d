package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.*;
import java.net.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * Asks Prometheus, or what speaks its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api), where
 * the client's settings have it. Never throws: what was not to be had is in the {@link Result}. A login in the address
 * is sent as Basic.
 */
public record Prometheus(Http http) {
    /** The most series that are kept of one result. */
    public static final int MOST_SERIES = 200;
    private static final long SHORTEST_STEP = 5;
    private static final int FEWEST_POINTS = 15;

    /** A value at a time; it may be infinite, or no number (a histogram without samples, a series that went stale). */
    public record Point(Instant at, double value) {
        private static Point of(JsonNode pair) {
            String value = pair.path(1).asText().replace("Inf", "Infinity");
            Instant at = Instant.ofEpochMilli(Math.round(pair.path(0).asDouble() * 1_000));
            try {
                return new Point(at, Double.parseDouble(value));
            } catch (NumberFormatException e) {
                return new Point(at, Double.NaN);
            }
        }
    }

    /**
     * One series, with its labels by name, safe to print and {@code __name__} among them where there is one, and its
     * points in order of time; an instant query gives one point.
     */
    public record Series(Map<String, String> labels, List<Point> points) {
        private static Series of(JsonNode row) {
            Map<String, String> labels = new TreeMap<>();
            row.path("metric").properties().forEach(one ->
                    labels.put(Text.safe(one.getKey(), 60), Text.safe(one.getValue().asText(), 120)));
            List<Point> points = new ArrayList<>();
            row.path("values").forEach(value -> points.add(Point.of(value)));
            if (row.path("value").isArray()) {
                points.add(Point.of(row.path("value")));
            }
            return new Series(labels, points);
        }

        /** Its labels but for those that only say where it was scraped, else its name. */
        public String words() {
            String own = labels.entrySet().stream()
                    .filter(label -> !List.of("__name__", "instance", "job").contains(label.getKey()))
                    .map(label -> label.getKey() + "=" + label.getValue()).collect(Collectors.joining(" "));
            return own.isEmpty() ? labels.getOrDefault("__name__", "value") : own;
        }

        /** Its last value; no number when there is none. */
        public double last() {
            return points.isEmpty() ? Double.NaN : points.get(points.size() - 1).value;
        }
    }

    /**
     * What came of a query.
     *
     * @param series  each by itself; empty when nothing matches the query
     * @param trouble why there are none, in words that are safe to print, with Prometheus' own message; empty when it
     *                answered
     * @param notes   what it remarked (its warnings), and what was left out here
     * @param answer  the answer itself
     */
    public record Result(List<Series> series, String trouble, List<String> notes, Answer answer) {
        /** Whether the query was answered, be it with nothing. */
        public boolean ok() {
            return trouble.isEmpty();
        }

        /** Whether something is there that speaks this API: another query may succeed. */
        public boolean reached() {
            return answer instanceof Reply;
        }

        /** The last values of all series together; empty when none is a number. */
        public OptionalDouble sum() {
            return series.stream().mapToDouble(Series::last).filter(Double::isFinite).reduce(Double::sum);
        }

        /** All series added up, at each time at which one of them is a number. */
        public List<Point> total() {
            Map<Instant, Double> sums = new TreeMap<>();
            series.forEach(one -> one.points.stream().filter(point -> Double.isFinite(point.value))
                    .forEach(point -> sums.merge(point.at, point.value, Double::sum)));
            return sums.entrySet().stream().map(sum -> new Point(sum.getKey(), sum.getValue())).toList();
        }
    }

    /** A query's value now. */
    public Result instant(String query) {
        return ask("query?query=" + word(query));
    }

    /** Its value at a time. */
    public Result instant(String query, Instant at) {
        return ask("query?query=" + word(query) + "&time=" + seconds(at));
    }

    /**
     * A query's values over a time.
     *
     * @param points how many there should be of each series; fewer come when the answer would be larger than the client
     *               takes
     */
    public Result range(String query, Instant from, Instant to, int points) {
        long step = Math.max(SHORTEST_STEP, Duration.between(from, to).toSeconds() / points);
        Result result = ask("query_range?query=" + word(query) + "&start=" + seconds(from) + "&end=" + seconds(to)
                + "&step=" + step);
        boolean large = result.answer instanceof Fault fault && fault.kind() == Kind.TOO_LARGE;
        return large && points / 4 >= FEWEST_POINTS ? range(query, from, to, points / 4) : result;
    }

    private static String word(String query) {
        return URLEncoder.encode(query, StandardCharsets.UTF_8);
    }

    private static String seconds(Instant at) {
        return BigDecimal.valueOf(at.toEpochMilli(), 3).toPlainString();
    }

    private Result ask(String query) {
        Answer answer = http.get(URI.create(http.settings.target().prometheus() + "/api/v1/" + query));
        if (!(answer instanceof Reply reply)) {
            return new Result(List.of(), answer.words(), List.of(), answer);
        }
        JsonNode json = reply.json();
        if (!json.path("status").asText().equals("success")) {
            String error = Text.safe(json.path("errorType").asText() + ": " + json.path("error").asText(), 160);
            String said = json.path("error").isTextual() ? "HTTP " + reply.status() + " " + error : reply.words();
            return new Result(List.of(), said, List.of(), answer);
        }
        JsonNode rows = json.at("/data/result");
        boolean scalar = json.at("/data/resultType").asText().equals("scalar");
        List<Series> all = scalar ? List.of(new Series(Map.of(), List.of(Point.of(rows))))
                : rows.valueStream().map(Series::of).toList();
        List<Series> some = all.stream().filter(one -> !one.points.isEmpty()).limit(MOST_SERIES).toList();
        List<String> notes = new ArrayList<>();
        json.path("warnings").forEach(warning -> notes.add(Text.safe(warning.asText(), 160)));
        if (all.stream().anyMatch(one -> one.points.isEmpty())) {
            notes.add("native histograms are left out");
        }
        if (all.size() > MOST_SERIES) {
            notes.add("truncated: " + all.size() + " series, of which " + MOST_SERIES + " are kept");
        }
        return new Result(some, "", notes, answer);
    }

    // ---- our application's errors

    /**
     * The errors that our application gets from Klaviyo, counted by Prometheus or told by somebody ({@code
     * --observed}): those that still come, by status, and the same in words with the time that they were counted over;
     * a count is 0 where only the status was told. The check's state is {@code counted}, {@code told} where no data is
     * there, or {@code unavailable} where Prometheus could not be asked.
     */
    public record AppErrors(Check check, Map<String, Long> byStatus, String words) {
        /** Over which time errors are counted where the query names none, and a short one: do they still come? */
        private static final Duration USUAL = Duration.ofMinutes(15);
        private static final Duration LATELY = Duration.ofMinutes(2);
        private static final String UNLABELLED = "unlabelled";
        private static final Pattern STATUS = Pattern.compile("(?i)\\d{1,3}|[1-5]xx");
        /** No trouble: a 409 says that the profile is there already, and 2xx or 3xx are no errors at all. */
        private static final Pattern HARMLESS = Pattern.compile("409|[123]\\d\\d|[23]xx");
        private static final Pattern RANGE = Pattern.compile("\\[(?:\\$\\w+|((?:\\d{1,5}[smhd])+))]");
        private static final Pattern GROUPED_BY = Pattern.compile("\\bby\\s*\\(\\s*(\\w+)");
        private static final String LABELS = "status status_code code http_status";

        /** The query for errors over a time of this length, in place of the range that it has. */
        public static String over(String query, Duration time) {
            return RANGE.matcher(query).replaceAll("[" + Math.max(1, time.toSeconds()) + "s]");
        }

        /** Over which time the query counts; nothing where it has no range. */
        private static Duration length(String query) {
            Matcher range = RANGE.matcher(query);
            boolean ranged = range.find();
            Duration named = ranged && range.group(1) != null ? Durations.parse(range.group(1)) : USUAL;
            return ranged ? named : Duration.ZERO;
        }

        private static String within(String query) {
            return length(query).isZero() ? "" : " in " + Durations.words(length(query));
        }

        static boolean harmless(Map<String, Long> byStatus) {
            return byStatus.keySet().stream().allMatch(status -> HARMLESS.matcher(status).matches());
        }

        /** {@code 401 × 2,012, no answer × 3}, or the statuses alone where nobody counted. */
        static String words(Map<String, Long> byStatus) {
            return byStatus.entrySet().stream().map(one -> (one.getKey().matches("0+") ? "no answer" : one.getKey())
                    + (one.getValue() > 0 ? " × " + Text.number(one.getValue()) : ""))
                    .collect(Collectors.joining(", "));
        }

        /** What somebody told, without asking Prometheus. */
        static AppErrors told(Settings settings) {
            Map<String, Long> told = new TreeMap<>();
            settings.probing().observed().forEach(status -> told.put(status.toString(), 0L));
            if (told.isEmpty()) {
                return new AppErrors(Check.skipped("app-errors", "unknown: give --prometheus, --log FILE, or --observed"
                        + " with the statuses in the application's log"), told, "");
            }
            String words = "the application gets " + words(told);
            return new AppErrors(new Check("app-errors", harmless(told) ? Outcome.OK : Outcome.FAIL, words, 0, null,
                    Json.of(Map.of("byStatus", told, "over", Map.of())), "told"), told, words);
        }

        static AppErrors look(Http http) {
            AppErrors told = told(http.settings);
            if (http.settings.target().prometheus() == null) {
                return told;
            }
            String query = http.settings.probing().errors();
            Duration length = length(query);
            Prometheus metrics = new Prometheus(http);
            CompletableFuture<Map<String, Long>> asked = CompletableFuture.supplyAsync(() ->
                    length.compareTo(LATELY) > 0 ? count(metrics.instant(over(query, LATELY)), query) : Map.of());
            Result result = metrics.instant(over(query, length));
            Map<String, Long> counted = count(result, query);
            String unfit = result.ok() ? unfit(result.series(), counted.keySet()) : "metrics unavailable: "
                    + Redactor.strict().text(result.trouble()) + "; the other checks do without them";
            if (!unfit.isEmpty()) {
                Check check = new Check("app-errors", Outcome.WARN, unfit, result.answer().millis(),
                        result.answer().http(), Json.of(Map.of("byStatus", told.byStatus)), "unavailable");
                return new AppErrors(check, told.byStatus, told.words);
            }
            Map<String, Long> lately = asked.join();
            // A status missing in the last minutes proves nothing, for a scrape a minute gives no increase; one that
            // stands at 0 is over.
            ToLongFunction<String> still = status -> lately.getOrDefault(status, 1L) == 0 ? 0 : counted.get(status);
            return of(http.settings, counted, still, within(query), " in the last 2 minutes", result.answer());
        }

        /** Why these series tell nothing of errors by status; empty where they do. */
        private static String unfit(List<Series> all, Set<String> statuses) {
            if (all.stream().anyMatch(series -> Double.isInfinite(series.last()))) {
                return "the query gives +Inf, which is no number of calls: mend --errors-query";
            } else if (all.isEmpty() || statuses.stream().anyMatch(status -> STATUS.matcher(status).matches())) {
                return "";
            }
            Set<String> there = new TreeSet<>();
            all.forEach(series -> there.addAll(series.labels().keySet()));
            return "the query's series have no label that holds a status, but "
                    + (there.isEmpty() ? "none at all" : Text.safe(String.join(", ", there), 80))
                    + ": write sum by (LABEL) (…) in --errors-query";
        }

        /** The same counted from a time on: what came before is over, and said to be. */
        AppErrors since(Instant at, Http http) {
            String query = http.settings.probing().errors();
            Duration passed = Duration.between(at, Instant.now());
            if (passed.compareTo(length(query)) >= 0 || byStatus.values().stream().noneMatch(count -> count > 0)) {
                return this;
            }
            Result result = new Prometheus(http).instant(over(query, passed));
            Map<String, Long> later = count(result, query);
            String since = " since " + Text.minute(at).substring(11);
            return !result.ok() ? this : of(http.settings, byStatus, status -> later.getOrDefault(status, 0L), since,
                    since, result.answer());
        }

        /** A series' status: by what the query groups by, else by what exporters commonly call one. */
        public static String status(Series series, String query) {
            Matcher by = GROUPED_BY.matcher(query);
            List<String> names = List.of(((by.find() ? by.group(1) + " " : "") + LABELS).split(" "));
            return Text.safe(names.stream().map(series.labels()::get).filter(Objects::nonNull).findFirst()
                    .orElse(UNLABELLED), 20);
        }

        private static Map<String, Long> count(Result result, String query) {
            Map<String, Long> counts = new TreeMap<>();
            // increase() extrapolates: half an error is none.
            result.series().forEach(series ->
                    counts.merge(status(series, query), Math.round(series.last()), Long::sum));
            return counts;
        }

        // What was told and counted, and how much of each status came lately: none of what is over.
        private static AppErrors of(Settings settings, Map<String, Long> counted, ToLongFunction<String> lately,
                String window, String later, Answer answer) {
            Map<String, Long> still = new TreeMap<>(told(settings).byStatus);
            Map<String, Long> over = new TreeMap<>();
            counted.keySet().stream().filter(status -> counted.get(status) > 0).forEach(status -> {
                long now = lately.applyAsLong(status);
                (now == 0 ? over : still).put(status, now == 0 ? counted.get(status) : now);
            });
            String state = counted.isEmpty() ? "told" : "counted";
            // What somebody told was counted over no time.
            String within = still.values().stream().anyMatch(count -> count > 0) ? window : "";
            String words = still.isEmpty() ? "" : "the application gets " + words(still) + within;
            String none = "the application counts no errors from Klaviyo" + (over.isEmpty() ? window : later);
            String past = over.isEmpty() ? "" : "; over," + within(settings.probing().errors()) + ": " + words(over);
            Outcome fine = over.isEmpty() ? Outcome.OK : Outcome.WARN;
            Check check = new Check("app-errors", harmless(still) ? fine : Outcome.FAIL,
                    (words.isEmpty() ? none : words) + past, answer.millis(), answer.http(),
                    Json.of(Map.of("byStatus", still, "over", over)), state);
            return new AppErrors(check, still, words);
        }
    }
}
