package runbook.sandbox;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import runbook.Key;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.sandbox.FakeKlaviyo.Credential;
import runbook.sandbox.Sandbox.Failing;
import runbook.sandbox.Sandbox.Loop;
import runbook.sandbox.Sandbox.Page;
import runbook.sandbox.Sandbox.Part;
import runbook.sandbox.Sandbox.Stretch;
import runbook.sandbox.Sandbox.Update;

/**
 * What stands around Klaviyo: its status page (Statuspage API v2), our application with its webhook route, its log and
 * a Slack webhook, and its Prometheus. Log and metrics tell the same story, that of the application's simulated calls.
 */
final class Sites {
    static final String WEBHOOK = "/webhooks/klaviyo";
    static final Map<String, String> ROLL_UP = Map.of("none", "All Systems Operational",
            "minor", "Minor Service Outage", "major", "Partial System Outage", "critical", "Major Service Outage",
            "maintenance", "Service Under Maintenance");
    private static final List<String> COMPONENTS = List.of("Klaviyo API", "Web Application", "Signup Forms",
            "List Subscription", "Segmentation", "Flow Triggering", "Email Sending", "SMS Sending", "Analytics");
    private static final int CALLS_PER_SECOND = 4;
    private static final double USUAL_BACKLOG = 3;
    private static final int DRAINED_PER_SECOND = 240;
    private static final Reply NOT_FOUND = Reply.json(404, "error", "not found");
    private static final String PERSONAL = " body={\"email\":\"customer7@example.org\",\"first_name\":\"Mary\","
            + "\"phone_number\":\"+15550101234\"} Authorization: Klaviyo-API-Key pk_0123456789abcdef0123456789abcdef01";

    final String slackPath;
    private final Sandbox sandbox;
    private final NavigableMap<Long, List<Failing>> traffic = new TreeMap<>(Map.of(Long.MIN_VALUE, List.of()));

    Sites(Sandbox sandbox) {
        this.sandbox = sandbox;
        // Drawn at random, as Slack's secret is the path.
        slackPath = "/services/T0DRILL/" + FakeKlaviyo.hex(24);
    }

    // ---- what became of the application's calls: four a second, and a queue for what failed for a passing reason

    /** Plans anew what happens from a moment on, and at the later ones at which the API changes by itself. */
    synchronized void changed(long from) {
        traffic.tailMap(from, true).clear();
        traffic.put(from, fate(from));
        sandbox.scenario.api().stream().map(stretch -> sandbox.since + stretch.from() * 1000L)
                .filter(turn -> turn > from).forEach(turn -> traffic.put(turn, fate(turn)));
    }

    private List<Failing> fate(long at) {
        Stretch api = sandbox.scenario.stretch(at - sandbox.since);
        Optional<Credential> used = sandbox.klaviyo.accepted(sandbox.appKey());
        if (share(api.fails()) >= 1) {
            return api.fails();
        } else if (used.isEmpty()) {
            return List.of(new Failing(401, 1));
        } else if (!sandbox.klaviyo.scopes(used.get()).contains("events:write")) {
            return List.of(new Failing(403, 0.5));
        }
        return api.fails().isEmpty() ? sandbox.scenario.fails() : api.fails();
    }

    private synchronized List<Failing> failing(long at) {
        return traffic.floorEntry(at).getValue();
    }

    private static double share(List<Failing> failing) {
        return failing.stream().mapToDouble(Failing::share).sum();
    }

    /** How many calls have failed with this status by a moment. */
    private synchronized double failures(int status, long by) {
        double failed = 0;
        double perSecond = CALLS_PER_SECOND + sandbox.scenario.loop().map(Loop::perMinute).orElse(0) / 60.0;
        for (long turn : turns(by)) {
            double share = share(traffic.get(turn).stream().filter(one -> one.status() == status).toList());
            failed += seconds(turn, by) * perSecond * share;
        }
        return failed;
    }

    /** How many calls wait to be repeated at a moment: a refused payload is dropped, anything else is kept. */
    private synchronized double backlog(long at) {
        double waiting = USUAL_BACKLOG;
        for (long turn : turns(at)) {
            double kept = share(traffic.get(turn).stream().filter(one -> one.status() != 400).toList());
            waiting = kept > 0 ? waiting + seconds(turn, at) * CALLS_PER_SECOND * kept
                    : Math.max(USUAL_BACKLOG, waiting - seconds(turn, at) * DRAINED_PER_SECOND);
        }
        return waiting;
    }

    /** The moments at which something changed, from the onset on. */
    private Iterable<Long> turns(long by) {
        return traffic.subMap(Sandbox.ONSET, true, Math.max(by, Sandbox.ONSET), false).keySet();
    }

    /** How long a turn lasts, by a moment. */
    private double seconds(long turn, long by) {
        Long next = traffic.higherKey(turn);
        return (Math.min(by, next == null ? by : next) - turn) / 1000.0;
    }

    // ---- our application

    Reply ours(HttpExchange request) {
        boolean post = request.getRequestMethod().equals("POST");
        String path = request.getRequestURI().getPath();
        if (path.equals("/health")) {
            return health();
        } else if (path.equals("/log")) {
            return new Reply(200, "text/plain; charset=utf-8", log());
        } else if (path.equals("/restart") && post) {
            sandbox.restartApp(true);
            return Reply.json(200, "restarted", true);
        } else if (path.equals(slackPath)) {
            return sandbox.slack(body(request));
        } else if (!path.equals(WEBHOOK) || sandbox.scenario.broken(Part.WEBHOOK)) {
            return NOT_FOUND;
        }
        // A live route takes signed POSTs only, and nobody in a drill holds the secret to sign with.
        request.getResponseHeaders().set("Allow", "POST");
        return post ? Reply.json(401, "error", "Klaviyo-Signature is missing or wrong")
                : Reply.json(405, "error", "method not allowed");
    }

    private Reply health() {
        if (sandbox.appDown()) {
            return Reply.json(503, "status", "down", "klaviyo", "unknown", "error", "worker pool is not running");
        }
        List<Failing> now = failing(sandbox.millis());
        // A few failing calls do not make an application unhealthy: it queues them. A refused key or a dead API does.
        boolean well = share(now) < 0.6;
        int status = now.isEmpty() ? 0 : now.get(0).status();
        String klaviyo = status == 401 ? "authentication failed (401)" : "calls fail with " + status;
        return Reply.json(200, "status", well ? "ok" : "degraded", "klaviyo", well ? "ok" : klaviyo,
                "keyFingerprint", sandbox.appKey() == null ? null : Key.of(sandbox.appKey()).fingerprint(),
                "queued", Math.round(backlog(sandbox.millis())));
    }

    /**
     * The last quarter of an hour of the application's log, a line for each call. It holds the secrets and personal
     * data that such logs hold in earnest, all made up, so that a drill shows what becomes of them.
     */
    String log() {
        List<String> lines = new ArrayList<>();
        long now = sandbox.millis();
        for (long minute = now - 15 * 60_000; minute < now; minute += 60_000) {
            // Where half of the calls fail, it is those for events.
            calls(lines, minute, new Loop("shop.orders.Checkout", "POST /api/events", 120), 0, 0.5);
            calls(lines, minute, new Loop("shop.customers.Profiles", "POST /api/profile-import", 120), 0.5, 1);
            if (!failing(minute).isEmpty() && sandbox.scenario.loop().isPresent()) {
                calls(lines, minute, sandbox.scenario.loop().get(), 0, 1);
            }
        }
        return lines.stream().sorted().collect(Collectors.joining());
    }

    private void calls(List<String> lines, long minute, Loop job, double from, double to) {
        String call = job.call().replace(" ", " https://a.klaviyo.com");
        for (int i = 0; i < job.perMinute(); i++) {
            double place = from + (to - from) * i / job.perMinute();
            int status = 202;
            // Spread over the minute by the golden ratio, whatever the order of their fates.
            long moment = minute + (long) (i * 0.618033988749895 % 1 * 60_000);
            List<Failing> failing = failing(moment);
            for (int fate = failing.size() - 1; fate >= 0; fate--) {
                status = place < share(failing.subList(0, fate + 1)) ? failing.get(fate).status() : status;
            }
            Instant at = sandbox.at(moment);
            lines.add(at + (status < 400 ? " INFO  " : " ERROR ") + job.caller() + " - " + call + " status=" + status
                    + (status == 429 ? " Retry-After: 30" : "") + (i > 0 ? "" : PERSONAL) + "\n");
        }
    }

    // ---- the status page

    Reply statusPage(HttpExchange request) {
        Optional<Page> shown = sandbox.scenario.page().filter(page -> !published(page).isEmpty());
        Optional<Page> open = shown.filter(page -> !latest(page).status().matches("resolved|completed"));
        String indicator = open.map(Page::impact).orElse("none");
        Map<String, Object> page = map("name", "Klaviyo", "url", sandbox.target().status());
        return switch (request.getRequestURI().getPath()) {
            case "/api/v2/summary.json" -> Reply.json(200, "page", page, "components", components(shown),
                    "status", map("indicator", indicator, "description", ROLL_UP.get(indicator)),
                    "incidents", incidents(open, false), "scheduled_maintenances", incidents(open, true));
            case "/api/v2/incidents.json" -> Reply.json(200, "page", page, "incidents", incidents(shown, false));
            default -> Reply.json(404, "error", "Not found");
        };
    }

    private List<Update> published(Page page) {
        return page.updates().stream().filter(update -> moment(update) <= sandbox.millis()).toList();
    }

    private Update latest(Page page) {
        List<Update> published = published(page);
        return published.get(published.size() - 1);
    }

    private List<Map<String, Object>> components(Optional<Page> shown) {
        return COMPONENTS.stream().map(name -> map("id", id(name), "name", name, "status",
                shown.filter(page -> page.components().contains(name)).map(page -> latest(page).components())
                        .orElse("operational"))).toList();
    }

    private List<Map<String, Object>> incidents(Optional<Page> shown, boolean maintenance) {
        return shown.filter(page -> page.impact().equals("maintenance") == maintenance).map(this::incident).stream()
                .toList();
    }

    private Map<String, Object> incident(Page page) {
        String began = stamp(moment(page.updates().get(0)));
        String changed = stamp(moment(latest(page)));
        String resolved = latest(page).status().equals("resolved") ? changed : null;
        List<Map<String, Object>> updates = new ArrayList<>();
        published(page).forEach(update -> updates.add(0, map("id", id(page.name() + update.at()), "status",
                update.status(), "body", update.body(), "display_at", stamp(moment(update)))));
        return map("id", id(page.name()), "name", page.name(), "status", latest(page).status(), "impact", page.impact(),
                "created_at", began, "started_at", began, "updated_at", changed, "resolved_at", resolved,
                "shortlink", sandbox.target().status() + "/incidents/" + id(page.name()), "incident_updates", updates,
                "components", page.components().stream().map(name -> map("id", id(name), "name", name)).toList());
    }

    private long moment(Update update) {
        return sandbox.since + update.at() * 1000L;
    }

    private String stamp(long millis) {
        return sandbox.at(millis).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static String id(String name) {
        return String.format("%012x", name.hashCode() * 2_654_435_761L & 0xffff_ffff_ffffL);
    }

    // ---- Prometheus: the queries that a runbook asks, anything else refused rather than guessed at

    private static final Pattern QUERY = Pattern.compile("(sum *(?:by *\\( *(\\w+) *\\))? *\\( *)?"
            + "(?:(\\w+)|increase *\\( *(\\w+)\\[(\\d{1,6}[smhd])] *\\))( *\\))?");
    private static final int MOST_POINTS = 11_000;

    Reply prometheus(HttpExchange request) {
        String path = request.getRequestURI().getPath();
        boolean range = path.equals("/api/v1/query_range");
        if (!range && !path.equals("/api/v1/query")) {
            return NOT_FOUND;
        }
        try {
            Map<String, String> asked = parameters(request);
            long end = moment(asked.get(range ? "end" : "time"));
            long start = range ? moment(asked.get("start")) : end;
            long step = range ? millis(asked.get("step")) : 1;
            if (step <= 0 || end < start || (end - start) / step > MOST_POINTS) {
                throw new IllegalArgumentException("invalid range, zero step or more than 11,000 points");
            }
            List<Object> rows = new ArrayList<>();
            series(asked.getOrDefault("query", "").strip()).forEach((labels, values) -> {
                List<Object> samples = LongStream.rangeClosed(0, (end - start) / step)
                        .mapToObj(i -> sample(start + i * step, values)).toList();
                rows.add(map("metric", labels, range ? "values" : "value", range ? samples : samples.get(0)));
            });
            return Reply.json(200, "status", "success",
                    "data", map("resultType", range ? "matrix" : "vector", "result", rows));
        } catch (IllegalArgumentException | DateTimeException e) {
            return Reply.json(400, "status", "error", "errorType", "bad_data", "error", e.getMessage());
        }
    }

    /** Seconds, and a string, as Prometheus writes them. */
    private Object sample(long at, LongToDoubleFunction values) {
        double value = values.applyAsDouble(at);
        return List.of(sandbox.at(at).toEpochMilli() / 1000.0,
                value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value));
    }

    /** What a query comes to: labels to values over time, which are summed where the labels that are kept are alike. */
    private Map<Map<String, String>, LongToDoubleFunction> series(String query) {
        Matcher asked = QUERY.matcher(query);
        if (!asked.matches() || (asked.group(1) == null) != (asked.group(6) == null)) {
            throw new IllegalArgumentException("invalid parameter \"query\": 1:1: parse error in \"" + query + "\"");
        }
        boolean increase = asked.group(5) != null;
        long millis = increase ? Durations.parse(asked.group(5)).toMillis() : 0;
        Map<Map<String, String>, LongToDoubleFunction> series = new LinkedHashMap<>();
        metric(increase ? asked.group(4) : asked.group(3)).forEach((labels, values) -> {
            Map<String, String> kept = new TreeMap<>(labels);
            kept.keySet().removeIf(name -> asked.group(1) != null ? !name.equals(asked.group(2))
                    : increase && name.equals("__name__"));
            LongToDoubleFunction grown = at -> values.applyAsDouble(at) - values.applyAsDouble(at - millis);
            series.merge(kept, increase ? grown : values,
                    (one, other) -> at -> one.applyAsDouble(at) + other.applyAsDouble(at));
        });
        return series;
    }

    private Map<Map<String, String>, LongToDoubleFunction> metric(String name) {
        Map<Map<String, String>, LongToDoubleFunction> series = new LinkedHashMap<>();
        if (name.equals("klaviyo_api_errors_total")) {
            List.of(400, 401, 403, 410, 429, 503, 504, 522).forEach(status -> series.put(
                    Map.of("__name__", name, "job", "shop", "status", "" + status),
                    at -> Math.floor(20 + failures(status, at))));
        } else if (name.equals("klaviyo_retry_queue_depth")) {
            series.put(Map.of("__name__", name, "job", "shop"), at -> Math.floor(backlog(at)));
        }
        return series;
    }

    /** Unix seconds or RFC 3339, turned into the sandbox's own count; now when there is none. */
    private long moment(String text) {
        Instant at = text == null ? sandbox.at(sandbox.millis())
                : text.contains("T") ? Instant.parse(text) : Instant.ofEpochMilli(millis(text));
        return Duration.between(sandbox.at(0), at).toMillis();
    }

    private static long millis(String text) {
        return text.matches("[\\d.]+") ? Math.round(Double.parseDouble(text) * 1000) : Durations.parse(text).toMillis();
    }

    // ---- what requests and answers are made of

    private static final int MAX_BODY = 1 << 20;

    /** What a site answers; other headers are set at the exchange. */
    record Reply(int status, String type, String body) {
        static Reply json(int status, Object... namesAndValues) {
            return new Reply(status, "application/json", Json.line(Json.of(map(namesAndValues))));
        }
    }

    /** A JSON object in the order written; unlike {@link Map#of} it takes nulls. */
    static Map<String, Object> map(Object... namesAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            map.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
        }
        return map;
    }

    /** Its query's parameters, decoded; a repeated one has all its values, joined by commas. */
    static Map<String, String> parameters(HttpExchange request) {
        Map<String, String> parameters = new LinkedHashMap<>();
        String query = request.getRequestURI().getRawQuery();
        for (String pair : query == null || query.isEmpty() ? new String[0] : query.split("&")) {
            String[] halves = (pair + "=").split("=", 3);
            parameters.merge(URLDecoder.decode(halves[0], StandardCharsets.UTF_8),
                    URLDecoder.decode(halves[1], StandardCharsets.UTF_8), (some, more) -> some + "," + more);
        }
        return parameters;
    }

    /** Its body as JSON; a missing node where it is none. */
    static JsonNode body(HttpExchange request) {
        try {
            return Json.read(request.getRequestBody().readNBytes(MAX_BODY));
        } catch (IOException e) {
            return MissingNode.getInstance();
        }
    }
}
