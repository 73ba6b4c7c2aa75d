package runbook.sandbox;

import static runbook.sandbox.Sites.WebServer.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import runbook.Key;
import runbook.Text.Json;
import runbook.sandbox.Sandbox.Scenario.Failing;
import runbook.sandbox.Sandbox.Scenario.Loop;
import runbook.sandbox.Sandbox.Scenario.Page;
import runbook.sandbox.Sandbox.Scenario.Part;
import runbook.sandbox.Sandbox.Scenario.Update;
import runbook.sandbox.Sites.WebServer.Reply;
import runbook.sandbox.Sites.WebServer.Request;

/**
 * What stands around Klaviyo: its status page (Statuspage API v2), our application with its webhook route, its log and
 * a Slack webhook, and its Prometheus. Log and metrics tell the same story, that of the application's simulated calls.
 */
final class Sites {
    static final String WEBHOOK = "/webhooks/klaviyo";
    private static final int CALLS_PER_SECOND = 4;
    private static final double USUAL_BACKLOG = 3;
    private static final int DRAINED_PER_SECOND = 240;
    private static final List<String> COMPONENTS = List.of("Klaviyo API", "Web Application", "Signup Forms",
            "List Subscription", "Segmentation", "Flow Triggering", "Email Sending", "SMS Sending", "Analytics");
    static final Map<String, String> ROLL_UP = Map.of("none", "All Systems Operational",
            "minor", "Minor Service Outage", "major", "Partial System Outage", "critical", "Major Service Outage",
            "maintenance", "Service Under Maintenance");
    private static final Reply NOT_FOUND = Reply.json(404, map("error", "not found"));
    private static final String PERSONAL = " body={\"email\":\"customer7@example.org\",\"first_name\":\"Mary\","
            + "\"phone_number\":\"+15550101234\"} Authorization: Klaviyo-API-Key pk_0123456789abcdef0123456789abcdef01";

    final String slackPath;
    private final Sandbox sandbox;
    private final NavigableMap<Long, List<Failing>> traffic = new TreeMap<>(Map.of(Long.MIN_VALUE, List.of()));

    Sites(Sandbox sandbox) {
        this.sandbox = sandbox;
        // Drawn at random, as Slack's secret is the path.
        slackPath = "/services/T0DRILL/" + sandbox.klaviyo.hex(24);
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
            for (Failing one : turn.getValue()) {
                failed += one.status() == status ? seconds(turn.getKey(), by) * CALLS_PER_SECOND * one.share() : 0;
            }
        }
        return failed;
    }

    /** How many calls wait to be repeated at a moment: a refused payload is dropped, anything else is kept. */
    private synchronized double backlog(long at) {
        double waiting = USUAL_BACKLOG;
        for (Map.Entry<Long, List<Failing>> turn : since(at).entrySet()) {
            double seconds = seconds(turn.getKey(), at);
            double kept = turn.getValue().stream().filter(one -> one.status() != 400).mapToDouble(Failing::share).sum();
            waiting = kept > 0 ? waiting + seconds * CALLS_PER_SECOND * kept
                    : Math.max(USUAL_BACKLOG, waiting - seconds * DRAINED_PER_SECOND);
        }
        return waiting;
    }

    /** What has happened by a moment, the time before the onset left out. */
    private NavigableMap<Long, List<Failing>> since(long by) {
        return traffic.subMap(Sandbox.ONSET, true, Math.max(by, Sandbox.ONSET), false);
    }

    /** How long a turn lasts, by a moment. */
    private double seconds(long turn, long by) {
        Long next = traffic.higherKey(turn);
        return (Math.min(by, next == null ? by : next) - turn) / 1000.0;
    }

    // ---- our application

    Reply ours(Request request) {
        sandbox.setup.seen().accept("app " + request.path());
        boolean post = request.method().equals("POST");
        return switch (request.path()) {
            case "/health" -> health();
            case "/log" -> Reply.text(200, "text/plain; charset=utf-8", log());
            case "/restart" -> !post ? NOT_FOUND : sandbox.restartApp() ? Reply.json(200, map("restarted", true))
                    : Reply.json(500, map("restarted", false, "error", "the application did not start"));
            // A live route takes signed POSTs only, and nobody in a drill holds the secret to sign with.
            case WEBHOOK -> sandbox.scenario.broken(Part.WEBHOOK) ? NOT_FOUND
                    : post ? Reply.json(401, map("error", "Klaviyo-Signature is missing or wrong"))
                    : Reply.json(405, map("error", "method not allowed")).with("Allow", "POST");
            default -> request.path().equals(slackPath) ? slack(request) : NOT_FOUND;
        };
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
     * The last quarter of an hour of the application's log, a line for each call. It holds the secrets and personal
     * data that such logs hold in earnest, all made up, so that a drill shows what becomes of them.
     */
    String log() {
        List<String> lines = new ArrayList<>();
        long now = sandbox.millis();
        for (long minute = now - 15 * 60_000; minute < now; minute += 60_000) {
            List<Failing> failing = failing(minute + 59_999);
            // Where half of the calls fail, it is those for events.
            calls(lines, minute, new Loop("shop.orders.Checkout", "POST /api/events", 120), 0, 0.5, failing);
            calls(lines, minute, new Loop("shop.customers.Profiles", "POST /api/profile-import", 120), 0.5, 1, failing);
            Loop loop = failing.isEmpty() ? null : sandbox.scenario.loop().orElse(null);
            if (loop != null) {
                calls(lines, minute, loop, 0, 1, failing);
            }
        }
        Collections.sort(lines);
        return String.join("", lines);
    }

    private void calls(List<String> lines, long minute, Loop job, double from, double to, List<Failing> failing) {
        String[] call = job.call().split(" ");
        for (int i = 0; i < job.perMinute(); i++) {
            double place = from + (to - from) * i / job.perMinute();
            int status = 202;
            for (int fate = failing.size() - 1; fate >= 0; fate--) {
                status = place < share(failing.subList(0, fate + 1)) ? failing.get(fate).status() : status;
            }
            // Spread over the minute by the golden ratio, whatever the order of their fates.
            Instant at = sandbox.at(minute + (long) (i * 0.618033988749895 % 1 * 60_000));
            lines.add(at + (status < 400 ? " INFO  " : " ERROR ") + job.caller() + " - " + call[0]
                    + " https://a.klaviyo.com" + call[1] + " status=" + status
                    + (status == 429 ? " Retry-After: 30" : "") + (i > 0 ? "" : PERSONAL) + "\n");
        }
    }

    // ---- the status page

    Reply statusPage(Request request) {
        sandbox.setup.seen().accept("status " + request.path());
        return switch (request.path()) {
            case "/history.rss" -> Reply.text(200, "application/rss+xml; charset=utf-8", rss());
            case "/api/v2/summary.json" -> document("components", components(), "status", rollUp(), "incidents",
                    incidents(unresolved(), false), "scheduled_maintenances", incidents(unresolved(), true));
            case "/api/v2/incidents.json" -> document("incidents", incidents(shown(), false));
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
        String group = id("Klaviyo Platform");
        List<Map<String, Object>> components = new ArrayList<>();
        components.add(map("id", group, "name", "Klaviyo Platform", "status", "operational", "group", true));
        for (String name : COMPONENTS) {
            boolean touched = shown().filter(page -> page.components().contains(name)).isPresent();
            components.add(map("id", id(name), "name", name, "group_id", group, "group", false,
                    "status", touched ? latest(sandbox.page).components() : "operational"));
        }
        return components;
    }

    private List<Map<String, Object>> incidents(Optional<Page> page, boolean maintenance) {
        boolean meant = page.isPresent() && page.get().impact().equals("maintenance") == maintenance;
        return meant ? List.of(incident(page.get())) : List.of();
    }

    private Map<String, Object> incident(Page page) {
        long began = second(page.updates().get(0));
        String changed = stamp(second(latest(page)));
        List<Map<String, Object>> updates = new ArrayList<>();
        for (Update update : published(page)) {
            String at = stamp(second(update));
            List<Map<String, Object>> affected = page.components().stream()
                    .map(name -> map("code", id(name), "name", name, "new_status", update.components())).toList();
            updates.add(0, map("id", id(page.name() + update.at()), "status", update.status(), "body", update.body(),
                    "created_at", at, "updated_at", at, "display_at", at, "affected_components", affected));
        }
        List<Map<String, Object>> touched = components();
        touched.removeIf(one -> !page.components().contains(one.get("name")));
        return map("id", id(page.name()), "name", page.name(), "status", latest(page).status(), "impact", page.impact(),
                "created_at", stamp(began), "started_at", stamp(began), "updated_at", changed,
                "resolved_at", latest(page).status().equals("resolved") ? changed : null,
                "scheduled_for", stamp(began), "scheduled_until", stamp(began + 2 * 3_600_000L),
                "shortlink", sandbox.statusUrl() + "/incidents/" + id(page.name()), "incident_updates", updates,
                "components", touched);
    }

    private long second(Update update) {
        return sandbox.since + update.at() * 1000L;
    }

    private String rss() {
        String items = shown().map(page -> "<item><title>" + escaped(page.name()) + "</title><description>"
                + escaped(paragraphs(page)) + "</description><pubDate>"
                + DateTimeFormatter.RFC_1123_DATE_TIME.format(sandbox.at(second(latest(page))).atOffset(ZoneOffset.UTC))
                + "</pubDate><link>" + sandbox.statusUrl() + "/incidents/" + id(page.name())
                + "</link></item>\n").orElse("");
        return "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>Klaviyo Status</title>\n" + items
                + "</channel></rss>\n";
    }

    // Statuspage writes a feed item's updates newest first, as paragraphs.
    private String paragraphs(Page page) {
        List<String> paragraphs = new ArrayList<>();
        published(page).forEach(update -> paragraphs.add(0, "<p><small>" + stamp(second(update))
                + "</small><br/><strong>" + update.status() + "</strong> - " + escaped(update.body()) + "</p>"));
        return String.join("\n", paragraphs);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    private String stamp(long millis) {
        return sandbox.at(Math.floorDiv(millis, 1000) * 1000).toString().replaceFirst("(\\.\\d+)?Z", ".000Z");
    }

    private static String id(String name) {
        return String.format("%012x", name.hashCode() * 2_654_435_761L & 0xffff_ffff_ffffL);
    }

    // ---- Prometheus: the queries that a runbook asks, anything else refused rather than guessed at

    private static final Pattern QUERY = Pattern.compile("(?:(sum) *(?:by *\\( *(\\w+) *\\) *)?\\( *)?"
            + "(?:(increase|rate) *\\( *)?(\\w+)(?:\\[(\\d{1,6})([smhd])])?( *\\))?( *\\))?");
    private static final Map<String, Integer> SECONDS = Map.of("s", 1, "m", 60, "h", 3600, "d", 86_400);

    /** A time series: its labels, and its value at a moment. */
    private record Series(Map<String, String> labels, ToDoubleFunction<Long> value) { }

    Reply prometheus(Request request) {
        sandbox.setup.seen().accept("prometheus " + request.path());
        if (sandbox.scenario.broken(Part.PROMETHEUS) || !request.path().startsWith("/api/v1/query")) {
            return NOT_FOUND;
        }
        try {
            Map<String, List<String>> parameters = request.parameters();
            List<Series> series = series(first(parameters, "query"));
            boolean range = request.path().equals("/api/v1/query_range");
            long at = parameters.containsKey("time") ? time(first(parameters, "time")) : sandbox.millis();
            long start = range ? time(first(parameters, "start")) : at;
            long steps = range ? steps(parameters, start) : 0;
            long step = range ? step(first(parameters, "step")) : 0;
            List<Object> rows = new ArrayList<>();
            for (Series one : series) {
                List<Object> samples = new ArrayList<>();
                for (long i = 0; i <= steps; i++) {
                    samples.add(sample(one, start + i * step));
                }
                rows.add(map("metric", one.labels, range ? "values" : "value", range ? samples : samples.get(0)));
            }
            Map<String, Object> data = map("resultType", range ? "matrix" : "vector", "result", rows);
            return Reply.json(200, map("status", "success", "data", data));
        } catch (IllegalArgumentException | DateTimeException e) {
            return Reply.json(400, map("status", "error", "errorType", "bad_data", "error", e.getMessage()));
        }
    }

    private long steps(Map<String, List<String>> parameters, long start) {
        long step = step(first(parameters, "step"));
        long length = time(first(parameters, "end")) - start;
        if (step <= 0 || length < 0 || length / step > 11_000) {
            throw new IllegalArgumentException("invalid range, zero step or more than 11,000 points per timeseries");
        }
        return length / step;
    }

    /** Seconds, and a string, as Prometheus writes them. */
    private Object sample(Series series, long at) {
        double value = series.value.applyAsDouble(at);
        return List.of(JsonNodeFactory.instance.numberNode(BigDecimal.valueOf(sandbox.at(at).toEpochMilli(), 3)),
                value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value));
    }

    private List<Series> all() {
        List<Series> all = new ArrayList<>();
        for (int status : List.of(400, 401, 403, 410, 429, 503, 504, 522)) {
            all.add(new Series(Map.of("__name__", "klaviyo_api_errors_total", "job", "shop", "status", "" + status),
                    at -> Math.floor(20 + failures(status, at))));
        }
        all.add(new Series(Map.of("__name__", "klaviyo_retry_queue_depth", "job", "shop"),
                at -> Math.floor(backlog(at))));
        return all;
    }

    /** The series that a query comes to. */
    private List<Series> series(String query) {
        Matcher asked = QUERY.matcher(query.strip());
        boolean sum = asked.matches() && asked.group(1) != null;
        boolean ranged = asked.matches() && asked.group(3) != null;
        int closed = !asked.matches() ? -1 : (asked.group(7) == null ? 0 : 1) + (asked.group(8) == null ? 0 : 1);
        if (closed != (sum ? 1 : 0) + (ranged ? 1 : 0) || ranged != (asked.group(5) != null)) {
            throw new IllegalArgumentException("invalid parameter \"query\": 1:1: parse error in \"" + query + "\"");
        }
        long range = ranged ? Long.parseLong(asked.group(5)) * SECONDS.get(asked.group(6)) * 1000 : 0;
        double per = "rate".equals(asked.group(3)) ? range / 1000.0 : 1;
        Map<Map<String, String>, Series> groups = new LinkedHashMap<>();
        for (Series one : all()) {
            Map<String, String> labels = new TreeMap<>(one.labels);
            labels.keySet().removeIf(name -> sum ? !name.equals(asked.group(2)) : ranged && name.equals("__name__"));
            ToDoubleFunction<Long> value = !ranged ? one.value
                    : at -> (one.value.applyAsDouble(at) - one.value.applyAsDouble(at - range)) / per;
            if (one.labels.get("__name__").equals(asked.group(4))) {
                groups.merge(labels, new Series(labels, value), (some, more) -> new Series(labels, at ->
                        some.value.applyAsDouble(at) + more.value.applyAsDouble(at)));
            }
        }
        return List.copyOf(groups.values());
    }

    private static String first(Map<String, List<String>> parameters, String name) {
        return parameters.getOrDefault(name, List.of("")).get(0);
    }

    /** Unix seconds or RFC 3339, turned into the sandbox's own count. */
    private long time(String text) {
        return (text.contains("T") ? Instant.parse(text).toEpochMilli() : step(text)) - sandbox.at(0).toEpochMilli();
    }

    private static long step(String text) {
        return text.matches("[\\d.]+") ? Math.round(Double.parseDouble(text) * 1000)
                : Duration.parse("PT" + text).toMillis();
    }

    /** One site on a port of its own on loopback. */
    static final class WebServer implements AutoCloseable {
        private static final int BACKLOG = 1024;
        private static final int MAX_BODY = 1 << 20;

        private static final String EXPIRED_KEY =
                "MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCCe/akKBt/liKM6mGIBQvjcAL8tvMdFMy/JHXK826RbGw==";
        private static final String EXPIRED_CERTIFICATE = ""
                + "MIIBejCCASGgAwIBAgIIeOBw+tcQOgQwCgYIKoZIzj0EAwIwJDEOMAwGA1UEChMFRHJpbGwxEjAQBgNVBAMTCWxvY2FsaG9zdDAe"
                + "Fw0yNDEwMDEwMDAwMDBaFw0yNTEwMDEwMDAwMDBaMCQxDjAMBgNVBAoTBURyaWxsMRIwEAYDVQQDEwlsb2NhbGhvc3QwWTATBgcq"
                + "hkjOPQIBBggqhkjOPQMBBwNCAASZYFuaI1thtqqqtPgB6HuQaWiA6ksytwtxFQo9PIS5dnqFMY/D1zVbFCQ24wYymcoJeVDOLW9+"
                + "J6HtoXAgDgQcoz0wOzAdBgNVHQ4EFgQUUEHNvD8XV1l2VZogOKccVfyuBZowGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAoG"
                + "CCqGSM49BAMCA0cAMEQCIEmwqxqiFg+nx0V7wDBErEGjg8QJvdbdHGBBe+Z6aLpIAiAzTav7Tmot4Cgd56d9S8bXxB7+2cVLntvE"
                + "1e42r5HIsw==";

        static {
            // The JDK's server writes headers and body apart: by Nagle's algorithm each answer waits for a late ACK.
            if (System.getProperty("sun.net.httpserver.nodelay") == null) {
                System.setProperty("sun.net.httpserver.nodelay", "true");
            }
        }

        /**
         * A request as the sites see it.
         *
         * @param path    decoded
         * @param query   as sent; empty when there is none
         * @param headers by lower-case name
         */
        record Request(String method, String path, String query, Map<String, List<String>> headers, byte[] body) {
            /** The header's value, several joined by a comma; null when absent. */
            String header(String name) {
                List<String> values = headers.get(name);
                return values == null ? null : String.join(",", values);
            }

            /**
             * The query's parameters in order, decoded, a repeated one with all its values. Malformed escapes are an
             * {@link IllegalArgumentException}.
             */
            Map<String, List<String>> parameters() {
                Map<String, List<String>> parameters = new LinkedHashMap<>();
                for (String pair : query.split("&")) {
                    if (!pair.isEmpty()) {
                        String[] halves = pair.split("=", 2);
                        parameters.computeIfAbsent(decode(halves[0]), name -> new ArrayList<>())
                                .add(halves.length == 2 ? decode(halves[1]) : "");
                    }
                }
                return parameters;
            }

            private static String decode(String text) {
                return URLDecoder.decode(text, StandardCharsets.UTF_8);
            }
        }

        /** What a site answers. */
        record Reply(int status, String type, byte[] body, Map<String, String> headers) {
            /** No answer at all: the connection is closed. */
            static final Reply DROPPED = new Reply(0, null, new byte[0], Map.of());

            static Reply text(int status, String type, String body) {
                return new Reply(status, type, body.getBytes(StandardCharsets.UTF_8), Map.of());
            }

            static Reply json(int status, Object body) {
                return json(status, "application/json", body);
            }

            static Reply json(int status, String type, Object body) {
                return text(status, type, Json.line(Json.of(body)));
            }

            /** With one more header; one that is there stays as it is. */
            Reply with(String name, Object value) {
                Map<String, String> more = new LinkedHashMap<>(headers);
                more.putIfAbsent(name, value.toString());
                return new Reply(status, type, body, more);
            }
        }

        private final HttpServer server;
        private final String scheme;

        private WebServer(HttpServer server, String scheme, Executor executor, Function<Request, Reply> site) {
            this.server = server;
            this.scheme = scheme;
            server.setExecutor(executor);
            server.createContext("/", exchange -> serve(exchange, site));
            // The dispatcher is a daemon as the thread that starts it: else it would keep the process alive.
            CompletableFuture.runAsync(server::start, executor).join();
        }

        /** A JSON object in the order written; unlike {@link Map#of} it takes nulls. */
        static Map<String, Object> map(Object... namesAndValues) {
            Map<String, Object> map = new LinkedHashMap<>();
            for (int i = 0; i < namesAndValues.length; i += 2) {
                map.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
            }
            return map;
        }

        /**
         * Starts one.
         *
         * @param port to listen on; 0 for a free one
         */
        static WebServer start(int port, Executor executor, Function<Request, Reply> site) throws IOException {
            return new WebServer(HttpServer.create(loopback(port), BACKLOG), "http", executor, site);
        }

        /** Starts one that shows a certificate which ran out on 2025-10-01. */
        static WebServer startExpired(int port, Executor executor, Function<Request, Reply> site) throws IOException {
            HttpsServer server = HttpsServer.create(loopback(port), BACKLOG);
            server.setHttpsConfigurator(new HttpsConfigurator(expired()));
            return new WebServer(server, "https", executor, site);
        }

        static InetSocketAddress loopback(int port) {
            return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        }

        URI uri() {
            return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
        }

        @Override
        public void close() {
            server.stop(0);
        }

        private static void serve(HttpExchange exchange, Function<Request, Reply> site) throws IOException {
            try (exchange) {
                Reply reply = answer(exchange, site);
                if (reply != Reply.DROPPED) {
                    send(exchange, reply);
                }
            }
        }

        private static Reply answer(HttpExchange exchange, Function<Request, Reply> site) throws IOException {
            byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
            if (body.length > MAX_BODY) {
                return Reply.text(413, "text/plain", "request body over 1 MB\n");
            }
            String query = exchange.getRequestURI().getRawQuery();
            Map<String, List<String>> headers = new HashMap<>();
            exchange.getRequestHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values));
            try {
                return site.apply(new Request(exchange.getRequestMethod(), exchange.getRequestURI().getPath(),
                        query == null ? "" : query, headers, body));
            } catch (RuntimeException e) {
                // A fault of the sandbox itself: said in the answer, where whoever runs the drill will see it.
                return Reply.text(500, "text/plain", "the sandbox failed: " + e + "\n");
            }
        }

        private static void send(HttpExchange exchange, Reply reply) throws IOException {
            Headers headers = exchange.getResponseHeaders();
            reply.headers().forEach(headers::set);
            if (reply.type() != null) {
                headers.set("Content-Type", reply.type());
            }
            boolean bodiless = exchange.getRequestMethod().equals("HEAD") || reply.body().length == 0;
            exchange.sendResponseHeaders(reply.status(), bodiless ? -1 : reply.body().length);
            if (!bodiless) {
                exchange.getResponseBody().write(reply.body());
            }
        }

        // Self-signed for localhost, and the key to it: they guard nothing, and no JVM has to be started to make them.
        private static SSLContext expired() throws IOException {
            Base64.Decoder base64 = Base64.getDecoder();
            try {
                PrivateKey key = KeyFactory.getInstance("EC")
                        .generatePrivate(new PKCS8EncodedKeySpec(base64.decode(EXPIRED_KEY)));
                Certificate certificate = CertificateFactory.getInstance("X.509")
                        .generateCertificate(new ByteArrayInputStream(base64.decode(EXPIRED_CERTIFICATE)));
                KeyStore keys = KeyStore.getInstance("PKCS12");
                keys.load(null, null);
                keys.setKeyEntry("drill", key, new char[0], new Certificate[] {certificate});
                KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
                managers.init(keys, new char[0]);
                SSLContext context = SSLContext.getInstance("TLS");
                context.init(managers.getKeyManagers(), null, null);
                return context;
            } catch (GeneralSecurityException e) {
                throw new IOException("the drill's expired certificate cannot be used: " + e.getMessage(), e);
            }
        }
    }
}
