package runbook.sandbox;

import static runbook.Text.Json.map;

import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Text.Durations;
import runbook.sandbox.FakeKlaviyo.Credential;
import runbook.sandbox.Sandbox.Failing;
import runbook.sandbox.Sandbox.Impact;
import runbook.sandbox.Sandbox.Loop;
import runbook.sandbox.Sandbox.Page;
import runbook.sandbox.Sandbox.Part;
import runbook.sandbox.Sandbox.Reply;
import runbook.sandbox.Sandbox.Request;
import runbook.sandbox.Sandbox.Stretch;
import runbook.sandbox.Sandbox.Update;

/**
 * What stands around Klaviyo: its status page (Statuspage API v2), our application with its webhook route, its log and
 * a Slack webhook, and its Prometheus. Log and metrics tell the same story, that of the application's simulated calls.
 */
final class Sites {
    static final String WEBHOOK = "/webhooks/klaviyo";
    static final String RESTART = "/restart";
    private static final List<String> ROLL_UP = List.of("All Systems Operational", "Minor Service Outage",
            "Partial System Outage", "Major Service Outage", "Service Under Maintenance");
    private static final List<String> COMPONENTS = List.of("Klaviyo API", "Web Application", "Signup Forms",
            "List Subscription", "Segmentation", "Flow Triggering", "Email Sending", "SMS Sending", "Analytics");
    private static final int CALLS_PER_SECOND = 4;
    private static final double USUAL_BACKLOG = 3;
    private static final int DRAINED_PER_SECOND = 240;
    private static final String PERSONAL = " body={\"email\":\"customer7@example.org\",\"first_name\":\"Mary\","
            + "\"phone_number\":\"+15550101234\"} Authorization: Klaviyo-API-Key pk_0123456789abcdef0123456789abcdef01";

    /** Drawn at random, as Slack's secret is the path. */
    final String slackPath = "/services/T0DRILL/" + FakeKlaviyo.hex(24);
    /** What is answered by path. */
    final Map<String, Function<Request, Reply>> routes = Map.of("/api/v2/summary.json", this::statusPage,
            "/api/v2/incidents.json", this::statusPage, "/api/v1/query", this::prometheus,
            "/api/v1/query_range", this::prometheus, "/health", this::health,
            "/log", request -> new Reply(200, "text/plain; charset=utf-8", log()),
            RESTART, this::restart, WEBHOOK, this::webhook, slackPath, this::slack);
    private final Sandbox sandbox;
    private final NavigableMap<Long, List<Failing>> traffic = new TreeMap<>(Map.of(Long.MIN_VALUE, List.of()));

    Sites(Sandbox sandbox) {
        this.sandbox = sandbox;
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
        if (share(api.fails(), status -> true) >= 1) {
            return api.fails();
        } else if (used.isEmpty()) {
            return List.of(new Failing(401, 1));
        } else if (!used.get().scopes.contains("events:write")) {
            return List.of(new Failing(403, 0.5));
        }
        return api.fails().isEmpty() ? sandbox.scenario.fails() : api.fails();
    }

    private synchronized List<Failing> failing(long at) {
        return traffic.floorEntry(at).getValue();
    }

    private static double share(List<Failing> failing, IntPredicate status) {
        return failing.stream().filter(one -> status.test(one.status())).mapToDouble(Failing::share).sum();
    }

    /** For each time, since the onset and by a moment, in which the same happened: its seconds, and what failed. */
    private synchronized void turns(long by, BiConsumer<Double, List<Failing>> turn) {
        traffic.subMap(Sandbox.ONSET, true, Math.max(by, Sandbox.ONSET), false).forEach((from, failing) -> {
            Long next = traffic.higherKey(from);
            turn.accept((Math.min(by, next == null ? by : next) - from) / 1000.0, failing);
        });
    }

    /** How many calls wait to be repeated at a moment: a refused payload is dropped, anything else is kept. */
    private long backlog(long at) {
        double[] waiting = {USUAL_BACKLOG};
        turns(at, (seconds, failing) -> {
            double kept = CALLS_PER_SECOND * share(failing, status -> status != 400);
            waiting[0] = Math.max(USUAL_BACKLOG, waiting[0] + seconds * (kept > 0 ? kept : -DRAINED_PER_SECOND));
        });
        return Math.round(waiting[0]);
    }

    /** How many calls had ended with a status by a moment. */
    private long errors(int status, long at) {
        double perSecond = CALLS_PER_SECOND + sandbox.scenario.loop().map(Loop::perMinute).orElse(0) / 60.0;
        double[] sum = {20};
        turns(at, (seconds, failing) -> sum[0] += seconds * perSecond * share(failing, one -> one == status));
        return (long) sum[0];
    }

    // ---- our application

    private Reply health(Request request) {
        if (sandbox.appDown()) {
            return Reply.json(503, "status", "down", "klaviyo", "unknown", "error", "worker pool is not running");
        }
        List<Failing> now = failing(sandbox.millis());
        // A few failing calls do not make an application unhealthy: it queues them. A refused key or a dead API does.
        boolean well = share(now, status -> true) < 0.6;
        int status = now.isEmpty() ? 0 : now.get(0).status();
        String klaviyo = status == 401 ? "authentication failed (401)" : "calls fail with " + status;
        return Reply.json(200, "status", well ? "ok" : "degraded", "klaviyo", well ? "ok" : klaviyo, "keyFingerprint",
                sandbox.appKey() == null ? null : Key.of(sandbox.appKey()).fingerprint(),
                "queued", backlog(sandbox.millis()));
    }

    private Reply restart(Request request) {
        sandbox.restartApp(true);
        return Reply.json(200, "restarted", true);
    }

    // A live route takes signed POSTs only, and nobody in a drill holds the secret to sign with.
    private Reply webhook(Request request) {
        if (sandbox.scenario.broken().contains(Part.WEBHOOK)) {
            return Reply.json(404, "error", "not found");
        }
        request.answers("Allow", "POST");
        return request.method().equals("POST") ? Reply.json(401, "error", "Klaviyo-Signature is missing or wrong")
                : Reply.json(405, "error", "method not allowed");
    }

    private Reply slack(Request request) {
        return sandbox.slack(request.body());
    }

    /**
     * The last quarter of an hour of the application's log, a line for each call. It holds the secrets and personal
     * data that such logs hold in earnest, all made up, so that a drill shows what becomes of them.
     */
    String log() {
        List<String> lines = new ArrayList<>();
        // Where half of the calls fail, it is those for events.
        calls(lines, new Loop("shop.orders.Checkout", "POST /api/events", 120), 0, 0.5);
        calls(lines, new Loop("shop.customers.Profiles", "POST /api/profile-import", 120), 0.5, 1);
        sandbox.scenario.loop().ifPresent(loop -> calls(lines, loop, 0, 1));
        return lines.stream().sorted().collect(Collectors.joining());
    }

    private void calls(List<String> lines, Loop job, double from, double to) {
        String call = job.caller() + " - " + job.call().replace(" ", " https://a.klaviyo.com") + " status=";
        boolean loops = sandbox.scenario.loop().filter(job::equals).isPresent();
        long start = sandbox.millis() - 15 * 60_000;
        for (int i = 0; i < 15 * job.perMinute(); i++) {
            int inMinute = i % job.perMinute();
            // Spread over the minute by the golden ratio, whatever the order of their fates.
            long at = start + i / job.perMinute() * 60_000L + (long) (inMinute * 0.618033988749895 % 1 * 60_000);
            double place = from + (to - from) * inMinute / job.perMinute();
            List<Failing> failing = failing(at);
            int status = 202;
            for (Failing one : failing) {
                status = place >= 0 && place < one.share() ? one.status() : status;
                place -= one.share();
            }
            if (!loops || !failing.isEmpty()) {
                lines.add(sandbox.at(at) + (status < 400 ? " INFO  " : " ERROR ") + call + status
                        + (status == 429 ? " Retry-After: 30" : "") + (inMinute > 0 ? "" : PERSONAL) + "\n");
            }
        }
    }

    // ---- the status page

    private Reply statusPage(Request request) {
        Optional<Page> page = sandbox.scenario.page();
        List<Update> told = page.stream().flatMap(one -> one.updates().stream())
                .filter(update -> moment(update) <= sandbox.millis()).toList();
        Optional<Update> latest = told.stream().reduce((older, newer) -> newer);
        boolean open = latest.filter(update -> !update.status().matches("resolved|completed")).isPresent();
        boolean maintenance = page.filter(one -> one.impact() == Impact.MAINTENANCE).isPresent();
        List<Object> all = latest.isEmpty() ? List.of() : List.of(incident(page.get(), told, latest.get()));
        Map<String, Object> site = map("name", "Klaviyo", "url", sandbox.target().status());
        if (request.path().endsWith("incidents.json")) {
            return Reply.json(200, "page", site, "incidents", maintenance ? List.of() : all);
        }
        Impact impact = open ? page.get().impact() : Impact.NONE;
        return Reply.json(200, "page", site,
                "status", map("indicator", impact.word(), "description", ROLL_UP.get(impact.ordinal())),
                "components", COMPONENTS.stream().map(name -> map("id", id(name), "name", name, "status",
                        latest.filter(update -> page.get().components().contains(name)).map(Update::components)
                                .orElse("operational"))).toList(),
                "incidents", open && !maintenance ? all : List.of(),
                "scheduled_maintenances", open && maintenance ? all : List.of());
    }

    private Map<String, Object> incident(Page page, List<Update> told, Update latest) {
        String began = stamp(told.get(0));
        List<Object> newestFirst = new ArrayList<>();
        told.forEach(update -> newestFirst.add(0, map("id", id(page.name() + update), "status", update.status(),
                "body", update.body(), "display_at", stamp(update))));
        return map("id", id(page.name()), "name", page.name(), "status", latest.status(),
                "impact", page.impact().word(), "created_at", began, "started_at", began, "updated_at", stamp(latest),
                "resolved_at", latest.status().equals("resolved") ? stamp(latest) : null,
                "shortlink", sandbox.target().status() + "/incidents/" + id(page.name()),
                "incident_updates", newestFirst,
                "components", page.components().stream().map(name -> map("id", id(name), "name", name)).toList());
    }

    private long moment(Update update) {
        return sandbox.since + update.at() * 1000L;
    }

    private String stamp(Update update) {
        return sandbox.at(moment(update)).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static String id(String name) {
        return String.format("%012x", name.hashCode() * 2_654_435_761L & 0xffff_ffff_ffffL);
    }

    // ---- Prometheus: the queries that a runbook asks, anything else refused rather than guessed at

    private static final String ERRORS = "klaviyo_api_errors_total";
    private static final Pattern QUERY = Pattern.compile("sum by \\(status\\) \\(increase\\(" + ERRORS
            + "\\[(?<window>\\d{1,6}[smhd])]\\)\\)|(?<name>\\w+)");
    private static final List<Integer> STATUSES = List.of(400, 401, 403, 410, 429, 503, 504, 522);
    private static final int MOST_POINTS = 11_000;

    private Reply prometheus(Request request) {
        Map<String, String> asked = request.parameters();
        boolean range = request.path().endsWith("_range");
        try {
            long end = moment(asked.get(range ? "end" : "time"));
            long start = range ? moment(asked.get("start")) : end;
            long step = range ? Math.round(Double.parseDouble(asked.getOrDefault("step", "0")) * 1000) : 1;
            if (step <= 0 || end < start || (end - start) / step > MOST_POINTS) {
                throw new IllegalArgumentException("invalid range, zero step or more than 11,000 points");
            }
            Map<Object, List<Object>> rows = new LinkedHashMap<>();
            for (long at = start; at <= end; at += step) {
                // Seconds, and a string, as Prometheus writes them.
                double seconds = sandbox.at(at).toEpochMilli() / 1000.0;
                values(asked.getOrDefault("query", "").strip(), at).forEach((labels, value) -> rows
                        .computeIfAbsent(labels, any -> new ArrayList<>()).add(List.of(seconds, value.toString())));
            }
            List<Object> result = rows.entrySet().stream().<Object>map(row -> map("metric", row.getKey(),
                    range ? "values" : "value", range ? row.getValue() : row.getValue().get(0))).toList();
            return Reply.json(200, "status", "success",
                    "data", map("resultType", range ? "matrix" : "vector", "result", result));
        } catch (IllegalArgumentException e) {
            return Reply.json(400, "status", "error", "errorType", "bad_data", "error", e.getMessage());
        }
    }

    /** Unix seconds, turned into the sandbox's own count; now when there are none. */
    private long moment(String seconds) {
        return seconds == null ? sandbox.millis()
                : Math.round(Double.parseDouble(seconds) * 1000) - sandbox.at(0).toEpochMilli();
    }

    /** What a query comes to at a moment: values by their labels. */
    private Map<Map<String, String>, Long> values(String query, long at) {
        Matcher asked = QUERY.matcher(query);
        if (!asked.matches()) {
            throw new IllegalArgumentException("invalid parameter \"query\": 1:1: parse error in \"" + query + "\"");
        }
        Map<Map<String, String>, Long> values = new LinkedHashMap<>();
        String name = Objects.toString(asked.group("name"), "");
        if (asked.group("window") != null) {
            long before = at - Durations.parse(asked.group("window")).toMillis();
            STATUSES.forEach(status ->
                    values.put(Map.of("status", "" + status), errors(status, at) - errors(status, before)));
        } else if (name.equals(ERRORS)) {
            STATUSES.forEach(status ->
                    values.put(Map.of("__name__", name, "job", "shop", "status", "" + status), errors(status, at)));
        } else if (name.equals("klaviyo_retry_queue_depth")) {
            values.put(Map.of("__name__", name, "job", "shop"), backlog(at));
        }
        return values;
    }
}
