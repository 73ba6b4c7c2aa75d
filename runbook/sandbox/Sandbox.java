package runbook.sandbox;

import static runbook.sandbox.Sites.map;

import com.fasterxml.jackson.databind.JsonNode;
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
import runbook.Settings.Templates;
import runbook.sandbox.FakeKlaviyo.Account;
import runbook.sandbox.FakeKlaviyo.Credential;
import runbook.sandbox.Sites.Reply;

/**
 * An embedded Klaviyo with all that stands around it (status page, our application, its webhook route and Prometheus, a
 * Slack webhook), on loopback ports of its own, in one {@link Scenario}. Its threads are daemons: a process that
 * forgets to close it ends all the same. Not final, so that tests can give it hands.
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

    /** An incident or maintenance ({@code impact}) on the status page, and what it touches; oldest update first. */
    public record Page(String name, String impact, List<String> components, List<Update> updates) {
        public Page {
            refuseUnless(Sites.ROLL_UP.containsKey(impact), "needs an impact: minor, major, critical, maintenance");
        }
    }

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

        public Scenario {
            refuseUnless(id.matches("[a-z0-9]+(-[a-z0-9]+)*"), "has to be named in small letters, digits and dashes");
            refuseUnless(api.isEmpty() || api.get(0).from == 0, "needs an api that begins with from 0");
        }

        /**
         * All of them by their ids, those that come with the scripts or a team's own, in the order of their file.
         *
         * @throws runbook.Settings.Problem of one line that names file, id and field, when a row is wrong
         */
        public static Map<String, Scenario> all(Templates templates) {
            return templates.table("scenarios.json", Scenario.class);
        }

        boolean broken(Part part) {
            return broken.contains(part);
        }

        /** How the API behaves at a moment, in milliseconds since the scenario began; before, as at its beginning. */
        Stretch stretch(long millis) {
            return api.stream().filter(one -> one.from == 0 || one.from * 1000L <= millis)
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
    private static final int MOST_WAITING = 1024;
    /** Port 1 is nobody's: whoever connects is refused. */
    private static final URI REFUSING = URI.create("http://127.0.0.1:1");

    final FakeKlaviyo klaviyo = new FakeKlaviyo(this);
    final Account account = new Account("Drill Outfitters");
    private final Credential stale = klaviyo.issue(account);
    private final Credential key = klaviyo.issue(account);
    private final Credential spare = klaviyo.issue(account);
    private final Credential token = klaviyo.authorize(account);
    private final Sites sites = new Sites(this);
    private final InstantSource clock;
    private final Consumer<String> seen;
    private final Instant began;
    private final List<HttpServer> servers = new ArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "sandbox");
        thread.setDaemon(true);
        return thread;
    });
    private final Settings.Target target;
    private final URI ours;
    volatile Scenario scenario;
    /** The moment at which the scenario began. */
    volatile long since;
    volatile Supplier<Optional<String>> appKeySource = () -> Optional.ofNullable(appKey());
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
            URI api = site(klaviyo::answer);
            URI status = site(sites::statusPage);
            URI prometheus = scenario.broken(Part.PROMETHEUS) ? REFUSING : site(sites::prometheus);
            ours = site(sites::ours);
            URI webhook = scenario.certificate().isEmpty() ? ours : secured(scenario.certificate().get(), sites::ours);
            target = new Settings.Target(api, status, ours.resolve("/health"), webhook.resolve(Sites.WEBHOOK),
                    prometheus, true);
        } catch (IOException e) {
            close();
            throw new UncheckedIOException("the drill cannot open its ports on loopback: " + e.getMessage(), e);
        }
    }

    /** Where its Klaviyo, status page, application, webhook route and Prometheus are. */
    public Settings.Target target() {
        return target;
    }

    /** Where a POST restarts our application: for whoever is in another process. */
    public URI restartUrl() {
        return ours.resolve("/restart");
    }

    /** A Slack incoming webhook, whole. */
    public URI slackUrl() {
        return ours.resolve(sites.slackPath);
    }

    /** What a responder holds, good or bad: a private key, or {@code Bearer} and an access token; null for nothing. */
    public String key() {
        return switch (holds()) {
            case MISSING -> null;
            case MALFORMED -> account.id();
            case EXPIRED_TOKEN -> "Bearer " + token.secret;
            default -> key.secret;
        };
    }

    private Holds holds() {
        return scenario.credential().orElse(Holds.VALID);
    }

    /** A good, new key of the same account: always the same one. */
    public String newKey() {
        return spare.secret;
    }

    /** The revision to pin in this scenario; null for the toolkit's own. */
    public String revision() {
        return scenario.revision().map(FakeKlaviyo::newestRevision).orElse(null);
    }

    /** The environment in which a step meets this sandbox and says that it is a drill, as lines for a shell. */
    public String exports() {
        Object[] variables = {"KLAVIYO_GAME_DAY", scenario.id(), "KLAVIYO_API_URL", target.api(),
            "KLAVIYO_STATUS_URL", target.status(), "KLAVIYO_APP_URL", target.app(), "KLAVIYO_WEBHOOK_URL",
            target.webhook(), "KLAVIYO_PROMETHEUS_URL", target.prometheus(), "SLACK_WEBHOOK_URL", slackUrl(),
            "KLAVIYO_REVISION", revision(), "KLAVIYO_PRIVATE_KEY", holds() == Holds.EXPIRED_TOKEN ? null : key(),
            "KLAVIYO_ACCESS_TOKEN", holds() == Holds.EXPIRED_TOKEN ? token.secret : null};
        return map(variables).entrySet().stream().map(one -> one.getValue() == null ? "unset " + one.getKey() + "\n"
                : "export " + one.getKey() + "=" + Text.word(one.getValue().toString()) + "\n")
                .collect(Collectors.joining());
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
        key.disabled = holds() == Holds.REVOKED;
        key.scopes = holds() == Holds.UNSCOPED ? FakeKlaviyo.NO_EVENTS : FakeKlaviyo.USUAL_SCOPES;
        if (appKey == null || Stream.of(stale, token, key).anyMatch(one -> one.secret.equals(appKey))) {
            Credential sound = holds() == Holds.EXPIRED_TOKEN ? token : key;
            appKey = holds() == Holds.MALFORMED ? account.id() : (next.broken(Part.APP_KEY) ? stale : sound).secret;
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

    /** Puts a key into the running application. */
    void appKey(String now) {
        appKey = now;
        changed();
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
        return appBroken || scenario.broken(Part.APP);
    }

    /** What Slack says to a message that came to its incoming webhook (api.slack.com/messaging/webhooks). */
    Reply slack(JsonNode message) {
        return message.isObject() ? new Reply(200, "text/html", "ok") : new Reply(400, "text/html", "invalid_payload");
    }

    // ---- its ports

    static {
        // The JDK's server writes headers and body apart: by Nagle's algorithm each answer waits for a late ACK.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private URI site(Function<HttpExchange, Reply> site) throws IOException {
        return scenario.broken(Part.NETWORK) ? REFUSING : opened(HttpServer.create(), "http", site);
    }

    /** Opens one on any free port. */
    private URI opened(HttpServer server, String scheme, Function<HttpExchange, Reply> site) throws IOException {
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), MOST_WAITING);
        server.setExecutor(threads);
        server.createContext("/", exchange -> answer(exchange, site));
        // The dispatcher is a daemon as the thread that starts it: else it would keep the process alive.
        CompletableFuture.runAsync(server::start, threads).join();
        servers.add(server);
        return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
    }

    private void answer(HttpExchange exchange, Function<HttpExchange, Reply> site) throws IOException {
        try (exchange) {
            String method = exchange.getRequestMethod();
            seen.accept(method + " " + exchange.getRequestURI().getPath().replaceAll("/+$", ""));
            Reply reply = site.apply(exchange);
            byte[] body = reply.body().getBytes(StandardCharsets.UTF_8);
            boolean bodiless = method.equals("HEAD") || body.length == 0;
            exchange.getResponseHeaders().set("Content-Type", reply.type());
            exchange.sendResponseHeaders(reply.status(), bodiless ? -1 : body.length);
            exchange.getResponseBody().write(bodiless ? new byte[0] : body);
        }
    }

    private URI secured(String certificate, Function<HttpExchange, Reply> site) throws IOException {
        try {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(new ByteArrayInputStream(Base64.getDecoder().decode(certificate)), new char[0]);
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keys, new char[0]);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            HttpsServer server = HttpsServer.create();
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            return opened(server, "https", site);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new IOException("the scenario's certificate cannot be used: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        servers.forEach(server -> server.stop(0));
        threads.shutdownNow();
    }
}
