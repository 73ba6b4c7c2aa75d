package runbook.sandbox;

import static runbook.Text.Json.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.security.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import javax.net.ssl.*;
import runbook.*;
import runbook.Klaviyo.Revision;
import runbook.Text.Json;
import runbook.sandbox.FakeKlaviyo.Account;
import runbook.sandbox.FakeKlaviyo.Credential;

/**
 * An embedded Klaviyo with all that stands around it (status page, our application, its webhook route and Prometheus, a
 * Slack webhook), on one loopback port, in one {@link Scenario}. Its threads are daemons: a process that forgets to
 * close it ends all the same. Not final, so that tests can give it hands.
 */
public class Sandbox implements AutoCloseable {
    // ---- scenarios

    /** What a responder holds. */
    public enum Holds { VALID, REVOKED, UNSCOPED, MALFORMED, MISSING, EXPIRED_TOKEN }

    /** What of ours can break; {@code APP_KEY}: the application alone has a revoked key. */
    public enum Part { NETWORK, PROMETHEUS, APP, APP_KEY, WEBHOOK }

    /** How the API answers a request; {@code THROTTLED} holds for the rest of the minute. */
    public enum Answers { OK, UNAVAILABLE, THROTTLED, SHED, UNREACHABLE, CHALLENGE }

    /** What a share (0 to 1) of the application's calls ends with. */
    public record Failing(int status, double share) {
        public Failing {
            refuseUnless(status >= 400 && status < 600 && share > 0 && share <= 1,
                    "needs a status of 400 to 599 and a share of 0 to 1");
        }
    }

    /** A loop: the logger that writes its lines, its call as in {@code POST /api/events}, and how often. */
    public record Loop(String caller, String call, int perMinute) {
        public Loop {
            refuseUnless(call.matches("[A-Z]+ /\\S+") && perMinute > 0 && perMinute <= 20_000,
                    "needs a call, as in POST /api/events, 1 to 20000 times perMinute");
        }
    }

    /**
     * How the API behaves from a moment on, in seconds after the scenario began: each path's requests are answered by
     * {@code answers} in turn, so much {@code late}; for these paths, nothing means all; and what the application sees.
     */
    public record Stretch(int from, List<Answers> answers, List<String> paths, Optional<Duration> late,
                          List<Failing> fails) { }

    /** How bad it is by the status page. */
    public enum Impact implements Text.Named { NONE, MINOR, MAJOR, CRITICAL, MAINTENANCE }

    /** An incident or maintenance on the status page, and what it touches; oldest update first. */
    public record Page(String name, Impact impact, List<String> components, List<Update> updates) { }

    /** An update, in seconds after the scenario began, and what the components show from then on. */
    public record Update(int at, String status, String components, String body) { }

    /**
     * One way in which a Klaviyo integration breaks: a row of {@code templates/scenarios.json}. The rest is well. The
     * responder and the application hold this credential, the responder pins a revision in this phase of its life; our
     * webhook route has this certificate and key (PKCS#12 without a password, base64); the application's calls fail so
     * whatever the API does, or one of its jobs loops; API and status page go their courses over time.
     */
    public record Scenario(String id, String description, Optional<Holds> credential, Optional<Revision.Phase> revision,
                           List<Part> broken, Optional<String> certificate, List<Failing> fails, Optional<Loop> loop,
                           List<Stretch> api, Optional<Page> page) {
        private static final Stretch WELL = new Stretch(0, List.of(), List.of(), Optional.empty(), List.of());

        /** All of them by their ids, those that come with the scripts or a team's own, in the order of their file. */
        public static Map<String, Scenario> all(Settings.Templates templates) {
            return templates.table("scenarios.json", Scenario.class);
        }

        Holds holds() {
            return credential.orElse(Holds.VALID);
        }

        /** How the API behaves at a moment, in milliseconds since the scenario began; before, as at its beginning. */
        Stretch stretch(long millis) {
            return api.stream().filter(one -> one.from * 1000L <= Math.max(0, millis))
                    .reduce((older, newer) -> newer).orElse(WELL);
        }
    }

    private static void refuseUnless(boolean right, String message) {
        if (!right) {
            throw new IllegalArgumentException(message);
        }
    }

    // ---- the sandbox

    /** How long before the drill began things were already failing, in milliseconds. */
    static final long ONSET = -12 * 60_000L;
    /** Port 1 is nobody's: whoever connects is refused. */
    private static final URI REFUSING = URI.create("http://127.0.0.1:1");

    final FakeKlaviyo klaviyo = new FakeKlaviyo(this);
    final Account account = new Account("Drill Outfitters");
    private final Credential stale = klaviyo.issue(account, false);
    private final Credential key = klaviyo.issue(account, false);
    private final Credential spare = klaviyo.issue(account, false);
    private final Credential token = klaviyo.issue(account, true);
    private final Sites sites = new Sites(this);
    private final InstantSource clock;
    private final Consumer<String> seen;
    private final Instant began;
    private final List<HttpServer> servers = new ArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool(Cli.daemons("sandbox"));
    private final Settings.Target target;
    volatile Scenario scenario;
    /** The moment at which the scenario began. */
    volatile long since;
    private volatile Supplier<Optional<String>> appKeySource = () -> Optional.ofNullable(appKey());
    private volatile boolean appBroken;
    private volatile String appKey;

    /** Starts one on free ports. Every port is open when this returns, or it is an {@link UncheckedIOException}. */
    public Sandbox(Scenario scenario) {
        this(scenario, InstantSource.system(), request -> { });
    }

    /** Starts one whose time is a clock's; {@code seen} is told of each request, {@code METHOD /path}, beforehand. */
    Sandbox(Scenario scenario, InstantSource clock, Consumer<String> seen) {
        this.clock = clock;
        this.seen = seen;
        began = clock.instant().truncatedTo(ChronoUnit.MILLIS);
        stale.disabled = true;
        token.disabled = true;
        enter(scenario, ONSET);
        try {
            List<Part> broken = scenario.broken();
            Optional<String> certificate = scenario.certificate();
            URI all = broken.contains(Part.NETWORK) ? REFUSING : opened(HttpServer.create(), "http");
            URI webhook = certificate.isEmpty() ? all : opened(secured(certificate.get()), "https");
            target = new Settings.Target(all, all, all.resolve("/health"), webhook.resolve(Sites.WEBHOOK),
                    broken.contains(Part.PROMETHEUS) ? REFUSING : all, true);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            close();
            throw new UncheckedIOException(new IOException("the drill cannot open its ports on loopback, or its"
                    + " scenario's certificate cannot be used: " + e.getMessage(), e));
        }
    }

    /** Where its Klaviyo, status page, application, webhook route and Prometheus are. */
    public Settings.Target target() {
        return target;
    }

    /** Where a POST restarts our application: for whoever is in another process. */
    public URI restartUrl() {
        return target.app().resolve(Sites.RESTART);
    }

    /** A Slack incoming webhook, whole. */
    public URI slackUrl() {
        return target.app().resolve(sites.slackPath);
    }

    /** What a responder holds, good or bad: a private key, or {@code Bearer} and an access token; null for nothing. */
    public String key() {
        return switch (scenario.holds()) {
            case MISSING -> null;
            case MALFORMED -> account.id();
            case EXPIRED_TOKEN -> "Bearer " + token.secret;
            default -> key.secret;
        };
    }

    /** A good, new key of the same account: always the same one. */
    public String newKey() {
        return spare.secret;
    }

    /** The revision to pin in this scenario; null for the toolkit's own. */
    public String revision() {
        return scenario.revision().map(FakeKlaviyo::newestRevision).orElse(null);
    }

    /** The environment in which a step meets this sandbox and says that it is a drill; null for what must be unset. */
    public Map<String, String> variables() {
        boolean oauth = scenario.holds() == Holds.EXPIRED_TOKEN;
        Map<String, String> variables = new LinkedHashMap<>();
        map("KLAVIYO_GAME_DAY", scenario.id(), "KLAVIYO_API_URL", target.api(), "KLAVIYO_STATUS_URL", target.status(),
                "KLAVIYO_APP_URL", target.app(), "KLAVIYO_WEBHOOK_URL", target.webhook(), "KLAVIYO_PROMETHEUS_URL",
                target.prometheus(), "SLACK_WEBHOOK_URL", slackUrl(), "KLAVIYO_REVISION", revision(),
                "KLAVIYO_PRIVATE_KEY", oauth ? null : key(), "KLAVIYO_ACCESS_TOKEN", oauth ? token.secret : null)
                .forEach((name, value) -> variables.put(name, Objects.toString(value, null)));
        return variables;
    }

    /** The last quarter of an hour of the application's log: what its calls to Klaviyo came to, a line each. */
    public String applicationLog() {
        return sites.log();
    }

    // ---- its time

    /**
     * Goes over to another scenario, whose schedule starts now. The sites' addresses stay: that nothing can be reached
     * and an expired certificate can only be had from the start.
     */
    public void enter(Scenario next) {
        enter(next, millis());
    }

    private synchronized void enter(Scenario next, long onset) {
        scenario = next;
        since = Math.max(0, onset);
        Holds holds = next.holds();
        key.disabled = holds == Holds.REVOKED;
        key.scopes = holds == Holds.UNSCOPED ? FakeKlaviyo.NO_EVENTS : FakeKlaviyo.USUAL_SCOPES;
        if (appKey == null || Stream.of(stale, token, key).anyMatch(one -> one.secret.equals(appKey))) {
            Credential sound = holds == Holds.EXPIRED_TOKEN ? token : key;
            String issued = next.broken().contains(Part.APP_KEY) ? stale.secret : sound.secret;
            appKey = holds == Holds.MALFORMED ? account.id() : issued;
        }
        sites.changed(onset);
    }

    /** To be called after any change that the application's calls notice. */
    void changed() {
        sites.changed(millis());
    }

    /** Milliseconds since the sandbox started: what all moments are counted in. */
    long millis() {
        return Duration.between(began, clock.instant()).toMillis();
    }

    Instant at(long millis) {
        return began.plusMillis(millis);
    }

    // ---- the application

    /** The key that the application uses; null for none. */
    public String appKey() {
        return appKey;
    }

    /**
     * Lets the application read its key from a dotenv file's variable at each restart from now on. Until then it keeps
     * its present one: a running application never notices a changed secret, which is what the drill is about.
     */
    public void appKeyFile(Path file, String variable) {
        appKeySource = () -> {
            try {
                return Files.readAllLines(file).stream().filter(line -> line.startsWith(variable + "="))
                        .map(line -> line.substring(variable.length() + 1).replaceAll("[\"']", "")).findFirst();
            } catch (IOException e) {
                return Optional.empty();
            }
        };
    }

    /** Restarts the application; unless it starts well, it is unhealthy (503) until the next time. */
    public synchronized void restartApp(boolean well) {
        appBroken = !well;
        appKey = appKeySource.get().orElse(null);
        changed();
    }

    boolean appDown() {
        return appBroken || scenario.broken().contains(Part.APP);
    }

    /** What Slack says to a message that came to its incoming webhook (api.slack.com/messaging/webhooks). */
    Reply slack(JsonNode message) {
        return message.isObject() ? new Reply(200, "text/html", "ok") : new Reply(400, "text/html", "invalid_payload");
    }

    // ---- its ports, and what comes and goes there

    static {
        // The JDK's server writes headers and body apart: by Nagle's algorithm each answer waits for a late ACK.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    /** What is asked: a path without a slash at its end, and parameters, decoded; of a repeated one all values. */
    record Request(HttpExchange exchange, String method, String path, Map<String, String> parameters) {
        private static final int MAX_BODY = 1 << 20;

        private static Request of(HttpExchange exchange) {
            URI asked = exchange.getRequestURI();
            Map<String, String> parameters = new LinkedHashMap<>();
            Stream.of(Objects.toString(asked.getRawQuery(), "").split("&")).filter(pair -> !pair.isEmpty())
                    .map(pair -> (pair + "=").split("=", 3))
                    .forEach(pair -> parameters.merge(decoded(pair[0]), decoded(pair[1]), (a, b) -> a + "," + b));
            String path = asked.getPath().replaceAll("/+$", "");
            return new Request(exchange, exchange.getRequestMethod(), path, parameters);
        }

        private static String decoded(String text) {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        }

        /** One of its headers; null where it has none. */
        String header(String name) {
            return exchange.getRequestHeaders().getFirst(name);
        }

        /** Its body as JSON; a missing node where it is none. */
        JsonNode body() {
            try {
                return Json.read(exchange.getRequestBody().readNBytes(MAX_BODY));
            } catch (IOException e) {
                return MissingNode.getInstance();
            }
        }

        /** Sets a header of its answer. */
        void answers(String header, Object value) {
            exchange.getResponseHeaders().set(header, value.toString());
        }
    }

    /** What a site answers. */
    record Reply(int status, String type, String body) {
        static Reply json(int status, Object... namesAndValues) {
            return new Reply(status, "application/json", Json.line(map(namesAndValues)));
        }
    }

    /** Opens one on any free port. */
    private URI opened(HttpServer server, String scheme) throws IOException {
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        // The dispatcher is a daemon as the thread that starts it: else it would keep the process alive.
        CompletableFuture.runAsync(server::start, threads).join();
        servers.add(server);
        return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
    }

    private static HttpServer secured(String certificate) throws IOException, GeneralSecurityException {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(new ByteArrayInputStream(Base64.getDecoder().decode(certificate)), new char[0]);
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(keys, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        HttpsServer server = HttpsServer.create();
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        return server;
    }

    /** By the table of the sites; what is not in it is Klaviyo's. */
    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            Request request = Request.of(exchange);
            seen.accept(request.method + " " + request.path);
            Reply reply = sites.routes.getOrDefault(request.path, klaviyo::answer).apply(request);
            byte[] body = reply.body.getBytes(StandardCharsets.UTF_8);
            boolean bodiless = request.method.equals("HEAD") || body.length == 0;
            request.answers("Content-Type", reply.type);
            exchange.sendResponseHeaders(reply.status, bodiless ? -1 : body.length);
            exchange.getResponseBody().write(bodiless ? new byte[0] : body);
        }
    }

    @Override
    public void close() {
        servers.forEach(server -> server.stop(0));
        threads.shutdownNow();
    }
}
