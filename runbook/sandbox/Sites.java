package runbook.sandbox;

import static runbook.sandbox.WebServer.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import runbook.Key;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Scenario.Failing;
import runbook.sandbox.Sandbox.Scenario.Loop;
import runbook.sandbox.Sandbox.Scenario.Page;
import runbook.sandbox.Sandbox.Scenario.Part;
import runbook.sandbox.Sandbox.Scenario.Update;
import runbook.sandbox.WebServer.Reply;
import runbook.sandbox.WebServer.Request;

/**
 * What stands around Klaviyo: its status page (Statuspage API v2), our application with its webhook route, its log and a Slack
 * webhook, and the application's Prometheus. Log and metrics tell the same story, the application's simulated calls.
 */
final class Sites {
    static final String WEBHOOK = "/webhooks/klaviyo";
    private static final int CALLS_PER_SECOND = 4;
    private static final double USUAL_BACKLOG = 3;
    private static final int DRAINED_PER_SECOND = 240;
    private static final List<Integer> STATUSES = List.of(400, 401, 403, 410, 429, 503, 504, 522);
    private static final List<String> COMPONENTS = List.of("Klaviyo API", "Web Application", "Signup Forms",
            "List Subscription", "Segmentation", "Flow Triggering", "Email Sending", "SMS Sending", "Analytics");
    static final Map<String, String> ROLL_UP = Map.of("none", "All Systems Operational", "minor", "Minor Service Outage",
            "major", "Partial System Outage", "critical", "Major Service Outage", "maintenance", "Service Under Maintenance");

    final String slackPath;
    private final Sandbox sandbox;
    private final NavigableMap<Long, List<Failing>> traffic = new TreeMap<>(Map.of(Long.MIN_VALUE, List.of()));

    Sites(Sandbox sandbox) {
        this.sandbox = sandbox;
        // Drawn at random, as Slack's secret is the path.
        slackPath = "/services/" + sandbox.klaviyo.random(9) + "/" + sandbox.klaviyo.random(24);
    }

    // ---- what became of the application's calls: four a second, and a queue for what failed for a passing reason

    /** Replaces what happens from a moment on; {@code turns} are the later moments at which it may change by itself. */
    synchronized void replan(long from, List<Long> turns, LongFunction<List<Failing>> outcome) {
        traffic.tailMap(from, true).clear();
        traffic.put(from, outcome.apply(from));
        turns.stream().filter(turn -> turn > from).forEach(turn -> traffic.put(turn, outcome.apply(turn)));
    }

    private synchronized List<Failing> failing(long at) {
        return traffic.floorEntry(at).getValue();
    }

    static double share(List<Failing> failing) {
        return failing.stream().mapToDouble(Failing::share).sum();
    }

    /** How many calls have failed with this status by a moment. */
    private synchronized double failures(int status, long by) {
        double failed = 0;
        for (Map.Entry<Long, List<Failing>> turn : since(by).entrySet()) {
            double seconds = (Math.min(by, endOf(turn.getKey())) - turn.getKey()) / 1000.0;
            failed += seconds * CALLS_PER_SECOND
                    * share(turn.getValue().stream().filter(one -> one.status() == status).toList());
        }
        return failed;
    }

    /** How many calls wait to be repeated at a moment: a refused payload is dropped, anything else is kept. */
    private synchronized double backlog(long at) {
        double waiting = USUAL_BACKLOG;
        for (Map.Entry<Long, List<Failing>> turn : since(at).entrySet()) {
            double seconds = (Math.min(at, endOf(turn.getKey())) - turn.getKey()) / 1000.0;
            double kept = share(turn.getValue().stream().filter(one -> one.status() != 400).toList());
            waiting = kept > 0 ? waiting + seconds * CALLS_PER_SECOND * kept
                    : Math.max(USUAL_BACKLOG, waiting - seconds * DRAINED_PER_SECOND);
        }
        return waiting;
    }

    /** What has happened by a moment, the time before the onset left out. */
    private NavigableMap<Long, List<Failing>> since(long by) {
        return traffic.subMap(Sandbox.ONSET, true, Math.max(by, Sandbox.ONSET), false);
    }

    private long endOf(long begin) {
        return Optional.ofNullable(traffic.higherKey(begin)).orElse(Long.MAX_VALUE);
    }

    // ---- our application

    Reply ours(Request request) {
        sandbox.setup.seen().accept("app " + request.method() + " " + request.path());
        return switch (request.path()) {
            case "/health" -> health();
            case "/log" -> Reply.text(200, "text/plain; charset=utf-8", log());
            case "/restart" -> request.method().equals("POST") ? restarted(sandbox.restartApp()) : notFound();
            case WEBHOOK -> sandbox.scenario.broken(Part.WEBHOOK) ? notFound() : delivery(request);
            default -> request.path().equals(slackPath) ? slack(request) : notFound();
        };
    }

    private static Reply notFound() {
        return Reply.json(404, map("error", "not found"));
    }

    private static Reply restarted(boolean well) {
        return well ? Reply.json(200, map("restarted", true))
                : Reply.json(500, map("restarted", false, "error", "the application did not start"));
    }

    private Reply health() {
        if (sandbox.appDown()) {
            return Reply.json(503, map("status", "down", "klaviyo", "unknown", "error", "worker pool is not running"));
        }
        List<Failing> now = failing(sandbox.millis());
        // A few failing calls do not make an application unhealthy: it queues them. A refused key or a dead API does.
        boolean well = share(now) < 0.6;
        int status = now.isEmpty() ? 0 : now.get(0).status();
        String klaviyo = status == 401 ? "authentication failed (401)" : "calls fail with " + status;
        return Reply.json(200, map("status", well ? "ok" : "degraded", "klaviyo", well ? "ok" : klaviyo,
                "keyFingerprint", sandbox.appKey() == null ? null : Key.of(sandbox.appKey()).fingerprint(),
                "queued", Math.round(backlog(sandbox.millis())), "restarts", sandbox.restarts));
    }

    // A live route takes signed POSTs only, and nobody in a drill holds the secret to sign with.
    private static Reply delivery(Request request) {
        return request.method().equals("POST") ? Reply.json(401, map("error", "Klaviyo-Signature is missing or wrong"))
                : Reply.json(405, map("error", "method not allowed")).with("Allow", "POST");
    }

    // An incoming webhook, with its own error words (api.slack.com/messaging/webhooks).
    private static Reply slack(Request request) {
        try {
            JsonNode message = Json.read(request.body());
            boolean said = !message.path("text").asText().isBlank() || !message.path("blocks").isEmpty();
            String word = !message.isObject() ? "invalid_payload" : said ? "ok" : "no_text";
            return Reply.text(said ? 200 : 400, "text/html", word);
        } catch (IOException e) {
            return Reply.text(400, "text/html", "invalid_payload");
        }
    }

    /**
     * The last quarter of an hour of the application's log, a line for each call. It holds the secrets and personal data that
     * such logs hold in earnest, all made up, so that a drill shows what becomes of them.
     */
    String log() {
        List<String> lines = new ArrayList<>();
        long now = sandbox.millis();
        for (long minute = now - 15 * 60_000; minute < now; minute += 60_000) {
            List<Failing> failing = failing(minute + 59_999);
            calls(lines, minute, "shop.orders.Checkout", "POST /api/events", 2 * 60, 0.5, failing);
            calls(lines, minute, "shop.customers.Profiles", "POST /api/profile-import", 2 * 60, -0.5, failing);
            Optional<Loop> loop = sandbox.scenario.loop().filter(one -> !failing.isEmpty());
            if (loop.isPresent()) {
                calls(lines, minute, loop.get().caller(), loop.get().call(), loop.get().perMinute(), 0, failing);
            }
        }
        Collections.sort(lines);
        return String.join("", lines);
    }

    // Where half of the calls fail, it is those for events: they are first to fail, and last to be well.
    private void calls(List<String> lines, long minute, String caller, String call, int count, double first, List<Failing> failing) {
        for (int i = 0; i < count; i++) {
            double place = first == 0 ? (double) i / count : Math.abs(first) * i / count + (first < 0 ? 0.5 : 0);
            int status = call.startsWith("GET") ? 200 : 202;
            double below = 0;
            for (Failing one : failing) {
                boolean hit = place >= below && place < below + one.share();
                status = hit ? one.status() : status;
                below += one.share();
            }
            // Spread over the minute by the golden ratio, whatever the order of their fates.
            Instant at = sandbox.at(minute + (long) (i * 0.618033988749895 % 1 * 60_000));
            String[] method = call.split(" ");
            lines.add(at + (status < 400 ? " INFO  " : " ERROR ") + caller + " - " + method[0] + " https://a.klaviyo.com" + method[1]
                    + " status=" + status + (status == 429 ? " Retry-After: " + (1 + i % 30) : "") + (i > 0 ? ""
                    : " body={\"email\":\"customer" + Math.floorMod(minute, 17) + "@example.org\",\"first_name\":\"Mary\","
                    + "\"phone_number\":\"+15550101234\"} Authorization: Klaviyo-API-Key pk_0123456789abcdef0123456789abcdef01")
                    + "\n");
        }
    }

    // ---- the status page

    Reply statusPage(Request request) {
        sandbox.setup.seen().accept("status " + request.path());
        if (!Stream.of("GET", "HEAD").toList().contains(request.method())) {
            return Reply.text(404, "text/plain", "Not Found\n");
        }
        return switch (request.path()) {
            case "/", "" -> Reply.text(200, "text/html; charset=utf-8", html());
            case "/history.rss" -> Reply.text(200, "application/rss+xml; charset=utf-8", rss());
            case "/api/v2/summary.json" -> document("components", components(), "incidents", incidents(false),
                    "scheduled_maintenances", maintenances(), "status", rollUp());
            case "/api/v2/status.json" -> document("status", rollUp());
            case "/api/v2/components.json" -> document("components", components());
            case "/api/v2/incidents.json" -> document("incidents", incidents(true));
            case "/api/v2/incidents/unresolved.json" -> document("incidents", incidents(false));
            case "/api/v2/scheduled-maintenances.json", "/api/v2/scheduled-maintenances/active.json" ->
                document("scheduled_maintenances", maintenances());
            case "/api/v2/scheduled-maintenances/upcoming.json" -> document("scheduled_maintenances", List.of());
            default -> Reply.json(404, map("error", "Not found"));
        };
    }

    private Reply document(Object... parts) {
        Map<String, Object> document = map("page", map("id", id("page"), "name", "Klaviyo", "url", sandbox.statusUrl(),
                "time_zone", "America/New_York", "updated_at", stamp(sandbox.millis())));
        document.putAll(map(parts));
        return Reply.json(200, "application/json; charset=utf-8", document);
    }

    /** What the page shows once its first update is out. */
    private Optional<Page> shown() {
        return Optional.ofNullable(sandbox.page).filter(page -> !published(page).isEmpty());
    }

    private Optional<Page> unresolved() {
        return shown().filter(page -> !List.of("resolved", "completed").contains(latest(page).status()));
    }

    private List<Update> published(Page page) {
        return page.updates().stream().filter(update -> second(update) <= sandbox.millis()).toList();
    }

    private Update latest(Page page) {
        List<Update> published = published(page);
        return published.get(published.size() - 1);
    }

    private Map<String, Object> rollUp() {
        String indicator = unresolved().map(Page::impact).orElse("none");
        return map("indicator", indicator, "description", ROLL_UP.get(indicator));
    }

    private List<Map<String, Object>> components() {
        List<Map<String, Object>> components = new ArrayList<>();
        components.add(component("Klaviyo Platform", "operational", null, 1));
        components.get(0).put("components", COMPONENTS.stream().map(Sites::id).toList());
        for (String name : COMPONENTS) {
            String status = shown().filter(page -> page.components().contains(name)).map(page -> latest(page).components())
                    .orElse("operational");
            components.add(component(name, status, id("Klaviyo Platform"), components.size()));
        }
        return components;
    }

    private Map<String, Object> component(String name, String status, String group, int position) {
        return map("id", id(name), "name", name, "status", status, "created_at", "2019-06-03T14:00:00.000Z",
                "updated_at", stamp(sandbox.since), "position", position, "description", null, "showcase", group != null,
                "start_date", null, "group_id", group, "page_id", id("page"), "group", group == null, "only_show_if_degraded", false);
    }

    private List<Map<String, Object>> incidents(boolean resolvedToo) {
        return (resolvedToo ? shown() : unresolved()).filter(page -> !page.impact().equals("maintenance"))
                .map(this::incident).stream().toList();
    }

    private List<Map<String, Object>> maintenances() {
        return unresolved().filter(page -> page.impact().equals("maintenance")).map(page -> {
            Map<String, Object> maintenance = incident(page);
            maintenance.put("scheduled_for", maintenance.get("started_at"));
            maintenance.put("scheduled_until", stamp(second(page.updates().get(0)) + 2 * 3_600_000L));
            return maintenance;
        }).stream().toList();
    }

    private Map<String, Object> incident(Page page) {
        String began = stamp(second(page.updates().get(0)));
        String changed = stamp(second(latest(page)));
        String id = id(page.name());
        List<Map<String, Object>> updates = new ArrayList<>();
        for (Update update : published(page)) {
            String at = stamp(second(update));
            updates.add(0, map("id", id(page.name() + update.at()), "status", update.status(), "body", update.body(),
                    "incident_id", id, "created_at", at, "updated_at", at, "display_at", at, "affected_components",
                    page.components().stream().map(name -> map("code", id(name), "name", name, "old_status", "operational",
                            "new_status", update.components())).toList()));
        }
        return map("id", id, "name", page.name(), "status", latest(page).status(), "impact", page.impact(), "created_at", began,
                "started_at", began, "updated_at", changed, "monitoring_at", null,
                "resolved_at", latest(page).status().equals("resolved") ? changed : null,
                "shortlink", sandbox.statusUrl() + "/incidents/" + id, "page_id", id("page"), "incident_updates", updates,
                "components", components().stream().filter(one -> page.components().contains(one.get("name"))).toList());
    }

    private long second(Update update) {
        return sandbox.since + update.at() * 1000L;
    }

    private String rss() {
        String items = shown().map(page -> "<item><title>" + escaped(page.name()) + "</title><description>"
                + escaped(paragraphs(page)) + "</description><pubDate>"
                + DateTimeFormatter.RFC_1123_DATE_TIME.format(sandbox.at(second(latest(page))).atOffset(ZoneOffset.UTC))
                + "</pubDate><link>" + sandbox.statusUrl() + "/incidents/" + id(page.name()) + "</link></item>\n").orElse("");
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\">\n<channel><title>Klaviyo Status - Incident History"
                + "</title><link>" + sandbox.statusUrl() + "</link><description>Statuspage</description>\n" + items
                + "</channel></rss>\n";
    }

    private String html() {
        String banner = unresolved().map(page -> "<div class=\"unresolved-incident impact-" + page.impact()
                + "\"><a class=\"actual-title\" href=\"/incidents/" + id(page.name()) + "\">" + escaped(page.name())
                + "</a><div class=\"updates\">" + paragraphs(page) + "</div></div>").orElse("<div class=\"page-status status-none\">"
                + "<span class=\"status font-large\">" + ROLL_UP.get("none") + "</span></div>");
        String rows = components().stream().skip(1).map(one -> "<div data-component-id=\"" + one.get("id")
                + "\" data-component-status=\"" + one.get("status") + "\" class=\"component-inner-container status-"
                + one.get("status") + "\"><span class=\"name\">" + one.get("name") + "</span></div>\n").collect(Collectors.joining());
        return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Klaviyo Status</title></head>\n"
                + "<body class=\"status index\">\n" + banner + "\n<div class=\"components-container\">\n" + rows
                + "</div>\n</body></html>\n";
    }

    // Statuspage writes a feed item's updates newest first, as paragraphs.
    private String paragraphs(Page page) {
        List<String> paragraphs = new ArrayList<>();
        published(page).forEach(update -> paragraphs.add(0, "<p><small>" + stamp(second(update)) + "</small><br/><strong>"
                + update.status().substring(0, 1).toUpperCase(Locale.ROOT) + update.status().substring(1) + "</strong> - "
                + escaped(update.body()) + "</p>"));
        return String.join("\n", paragraphs);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    private String stamp(long millis) {
        return sandbox.at(Math.floorDiv(millis, 1000) * 1000).toString().replaceFirst("(\\.\\d+)?Z", ".000Z");
    }

    private static String id(String name) {
        return FakeKlaviyo.hex(name, 12);
    }

    // ---- Prometheus: the part of its query language that a runbook needs, anything else refused rather than guessed at

    private static final Pattern AGGREGATE =
            Pattern.compile("(sum|max)\\s*(?:by\\s*\\(([\\w, ]*)\\)\\s*)?\\((.*?)\\)\\s*(?:by\\s*\\(([\\w, ]*)\\))?");
    private static final Pattern FUNCTION = Pattern.compile("(increase|rate)\\s*\\((.*)\\[(\\d{1,6})([smhd])]\\s*\\)");
    private static final Pattern SELECTOR = Pattern.compile("([a-zA-Z_:][\\w:]*)\\s*(?:\\{(.*)})?");
    private static final Pattern MATCHER = Pattern.compile("\\s*(\\w+)\\s*(=~|!~|!=|=)\\s*\"([^\"]*)\"\\s*");
    private static final Map<String, Integer> SECONDS = Map.of("s", 1, "m", 60, "h", 3600, "d", 86_400);

    /** A time series: its labels, and its value at a moment. */
    private record Series(Map<String, String> labels, ToDoubleFunction<Long> value) { }

    Reply prometheus(Request request) {
        sandbox.setup.seen().accept("prometheus " + request.path());
        if (sandbox.scenario.broken(Part.PROMETHEUS)) {
            return Reply.text(503, "text/plain", "Service Unavailable\n");
        }
        try {
            Map<String, List<String>> parameters = request.parameters();
            return switch (request.path()) {
                case "/-/healthy", "/-/ready" -> Reply.text(200, "text/plain", "Prometheus Server is Healthy.\n");
                case "/api/v1/query" -> result("vector", "value", series(first(parameters, "query")), one ->
                        sample(one, parameters.containsKey("time") ? time(first(parameters, "time")) : sandbox.millis()));
                case "/api/v1/query_range" -> range(parameters);
                default -> Reply.text(404, "text/plain; charset=utf-8", "404 page not found\n");
            };
        } catch (IllegalArgumentException | DateTimeException e) {
            return Reply.json(400, map("status", "error", "errorType", "bad_data", "error", e.getMessage()));
        }
    }

    private Reply range(Map<String, List<String>> parameters) {
        long start = time(first(parameters, "start"));
        long end = time(first(parameters, "end"));
        long step = step(first(parameters, "step"));
        if (step <= 0 || end < start || (end - start) / step > 11_000) {
            throw new IllegalArgumentException(step <= 0 ? "zero or negative query resolution step widths are not accepted."
                    : end < start ? "end timestamp must not be before start time"
                    : "exceeded maximum resolution of 11,000 points per timeseries");
        }
        return result("matrix", "values", series(first(parameters, "query")), one ->
                LongStream.rangeClosed(0, (end - start) / step).mapToObj(i -> sample(one, start + i * step)).toList());
    }

    private static Reply result(String type, String field, List<Series> series, Function<Series, Object> value) {
        return Reply.json(200, map("status", "success", "data", map("resultType", type, "result", series.stream()
                .map(one -> map("metric", one.labels, field, value.apply(one))).toList())));
    }

    private List<Object> sample(Series series, long at) {
        double value = series.value.applyAsDouble(at);
        return List.of(JsonNodeFactory.instance.numberNode(BigDecimal.valueOf(sandbox.at(at).toEpochMilli(), 3)),
                value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value));
    }

    private List<Series> all() {
        List<Series> all = new ArrayList<>();
        STATUSES.forEach(status -> all.add(new Series(labels("klaviyo_api_errors_total", "status", status.toString()),
                at -> Math.floor(20 + failures(status, at)))));
        all.add(new Series(labels("klaviyo_retry_queue_depth"), at -> Math.floor(backlog(at))));
        all.add(new Series(labels("up"), at -> sandbox.appDown() ? 0 : 1));
        return all;
    }

    private static Map<String, String> labels(String metric, String... more) {
        Map<String, String> labels = new TreeMap<>(Map.of("__name__", metric, "job", "shop", "instance", "10.0.0.7:9102"));
        if (more.length > 0) {
            labels.put(more[0], more[1]);
        }
        return labels;
    }

    /** The series that a query comes to. */
    private List<Series> series(String query) {
        Matcher aggregate = AGGREGATE.matcher(query.strip());
        boolean grouped = aggregate.matches();
        Matcher function = FUNCTION.matcher(grouped ? aggregate.group(3).strip() : query.strip());
        boolean grown = function.matches();
        Matcher selector = SELECTOR.matcher(grown ? function.group(2).strip() : grouped ? aggregate.group(3).strip() : query.strip());
        if (!selector.matches()) {
            throw new IllegalArgumentException("invalid parameter \"query\": 1:1: parse error: unexpected input in \"" + query + "\"");
        }
        List<Series> chosen = all().stream().filter(one -> one.labels.get("__name__").equals(selector.group(1)))
                .filter(one -> selects(selector.group(2), one.labels)).toList();
        if (grown) {
            long range = Long.parseLong(function.group(3)) * SECONDS.get(function.group(4)) * 1000;
            double per = function.group(1).equals("rate") ? range / 1000.0 : 1;
            chosen = chosen.stream().map(one -> new Series(without(one.labels), at ->
                    (one.value.applyAsDouble(at) - one.value.applyAsDouble(at - range)) / per)).toList();
        }
        return grouped ? aggregated(aggregate, chosen) : chosen;
    }

    private static List<Series> aggregated(Matcher aggregate, List<Series> chosen) {
        String by = String.valueOf(aggregate.group(2) == null ? aggregate.group(4) : aggregate.group(2));
        Map<Map<String, String>, List<Series>> groups = new LinkedHashMap<>();
        for (Series one : chosen) {
            Map<String, String> kept = new TreeMap<>(one.labels);
            kept.keySet().retainAll(List.of(by.strip().split("\\s*,\\s*")));
            groups.computeIfAbsent(kept, labels -> new ArrayList<>()).add(one);
        }
        return groups.entrySet().stream().map(group -> new Series(group.getKey(), at -> {
            DoubleStream values = group.getValue().stream().mapToDouble(one -> one.value.applyAsDouble(at));
            return aggregate.group(1).equals("max") ? values.max().orElse(0) : values.sum();
        })).toList();
    }

    private static boolean selects(String matchers, Map<String, String> labels) {
        boolean all = true;
        for (String text : matchers == null || matchers.isBlank() ? new String[0] : matchers.split(",")) {
            Matcher matcher = MATCHER.matcher(text);
            if (!matcher.matches()) {
                throw new IllegalArgumentException("invalid parameter \"query\": 1:1: parse error: unexpected label matcher " + text);
            }
            String actual = labels.getOrDefault(matcher.group(1), "");
            boolean equal = matcher.group(2).endsWith("~") ? actual.matches(matcher.group(3)) : actual.equals(matcher.group(3));
            all &= equal != matcher.group(2).startsWith("!");
        }
        return all;
    }

    private static Map<String, String> without(Map<String, String> labels) {
        Map<String, String> kept = new TreeMap<>(labels);
        kept.remove("__name__");
        return kept;
    }

    private static String first(Map<String, List<String>> parameters, String name) {
        return parameters.getOrDefault(name, List.of("")).get(0);
    }

    /** Unix seconds or RFC 3339, turned into the sandbox's own count. */
    private long time(String text) {
        long epoch = text.matches("\\d+(\\.\\d+)?") ? Math.round(Double.parseDouble(text) * 1000) : Instant.parse(text).toEpochMilli();
        return epoch - sandbox.at(0).toEpochMilli();
    }

    private static long step(String text) {
        return text.matches("\\d+(\\.\\d+)?") ? Math.round(Double.parseDouble(text) * 1000) : Duration.parse("PT" + text).toMillis();
    }
}
