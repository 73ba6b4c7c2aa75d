package runbook.sandbox;

import static runbook.sandbox.Sites.map;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import runbook.Klaviyo.Revision;
import runbook.Settings;
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
    public enum Part { NETWORK, PROMETHEUS, APP, APP_KEY, WEBHOOK, CERTIFICATE }

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
            refuseUnless(call.matches("[A-Z]+ /\\S+"), "needs a call with method and path, as in POST /api/events");
            refuseUnless(perMinute > 0 && perMinute <= 20_000, "needs 1 to 20000 calls perMinute");
        }
    }

    /**
     * How the API behaves from a moment on, in seconds after the scenario began.
     *
     * @param answers each path's requests are answered by these in turn
     * @param paths   the paths that this holds for; nothing means all
     * @param late    how much later each answer comes
     * @param fails   what the application sees of it
     */
    public record Stretch(int from, List<Answers> answers, List<String> paths, Optional<Duration> late,
                          List<Failing> fails) { }

    /** An incident or maintenance ({@code impact}) on the status page, and what it touches; oldest update first. */
    public record Page(String name, String impact, List<String> components, List<Update> updates) {
        public Page {
            refuseUnless(Sites.ROLL_UP.containsKey(impact), "needs an impact: minor, major, critical, maintenance");
            refuseUnless(!updates.isEmpty(), "needs updates");
        }
    }

    /** An update, in seconds after the scenario began, and what the components show from then on. */
    public record Update(int at, String status, String components, String body) { }

    /**
     * One way in which a Klaviyo integration breaks: a row of {@code templates/scenarios.json}. The rest is well.
     *
     * @param id          what {@code --drill} calls it
     * @param description one line for whoever picks a drill
     * @param credential  what the responder holds, and the application too
     * @param revision    the phase of life of the revision that the responder pins
     * @param broken      what of ours is broken
     * @param fails       what the application's calls fail with whatever the API does
     * @param loop        a job of the application that calls much too often
     * @param api         how Klaviyo's API behaves over time
     * @param page        what Klaviyo's status page says over time
     */
    public record Scenario(String id, String description, Optional<Holds> credential, Optional<Revision.Phase> revision,
                           List<Part> broken, List<Failing> fails, Optional<Loop> loop, List<Stretch> api,
                           Optional<Page> page) {
        private static final Stretch WELL = new Stretch(0, List.of(), List.of(), Optional.empty(), List.of());

        public Scenario {
            refuseUnless(id.matches("[a-z0-9]+(-[a-z0-9]+)*"), "has to be named in small letters, digits and dashes");
            refuseUnless(api.isEmpty() || api.get(0).from == 0, "needs an api that begins with from 0");
        }

        /** The ids of all scenarios: those that come with the scripts, or a team's own, in the order of their file. */
        public static List<String> ids(Templates templates) {
            return List.copyOf(templates.table("scenarios.json", Scenario.class).keySet());
        }

        /**
         * The scenario of that id; empty when there is none.
         *
         * @throws runbook.Settings.Problem of one line that names file, id and field, when its row is wrong
         */
        public static Optional<Scenario> of(Templates templates, String id) {
            return Optional.ofNullable(templates.table("scenarios.json", Scenario.class).get(id));
        }

        boolean broken(Part part) {
            return broken.contains(part);
        }

        Holds holds() {
            return credential.orElse(Holds.VALID);
        }

        /** How the API behaves at a moment, in milliseconds since the scenario began; before, as at its beginning. */
        Stretch stretch(long millis) {
            Stretch now = api.isEmpty() ? WELL : api.get(0);
            for (Stretch stretch : api) {
                now = stretch.from * 1000L <= millis ? stretch : now;
            }
            return now;
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
    final Account account = klaviyo.account("Drill Outfitters");
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

    /**
     * Starts one.
     *
     * @param clock whose time its schedules and rate windows follow
     * @param seen  is told of each request before it is answered: {@code METHOD /path} for the API, the site in front
     *              of the path for the others
     */
    Sandbox(Scenario scenario, InstantSource clock, Consumer<String> seen) {
        this.clock = clock;
        this.seen = seen;
        began = clock.instant().truncatedTo(ChronoUnit.MILLIS);
        klaviyo.disabled.addAll(List.of(stale.secret(), token.secret()));
        enter(scenario, ONSET);
        try {
            URI api = site("", klaviyo::answer);
            URI status = site("status ", sites::statusPage);
            URI prometheus = scenario.broken(Part.PROMETHEUS) ? REFUSING : site("prometheus ", sites::prometheus);
            ours = site("app ", sites::ours);
            URI webhook = scenario.broken(Part.CERTIFICATE) ? opened(expired(), "app ", sites::ours) : ours;
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
        return switch (scenario.holds()) {
            case MISSING -> null;
            case MALFORMED -> account.id();
            case EXPIRED_TOKEN -> "Bearer " + token.secret();
            default -> key.secret();
        };
    }

    /** A good, new key of the same account: always the same one. */
    public String newKey() {
        return spare.secret();
    }

    /** The revision to pin in this scenario; null for the toolkit's own. */
    public String revision() {
        return scenario.revision().map(FakeKlaviyo::newestRevision).orElse(null);
    }

    /** The environment in which a step meets this sandbox, and says that it is a drill. */
    public Map<String, String> variables() {
        boolean oauth = scenario.holds() == Holds.EXPIRED_TOKEN;
        Map<String, Object> all = map("KLAVIYO_GAME_DAY", scenario.id(), "KLAVIYO_API_URL", target.api(),
                "KLAVIYO_STATUS_URL", target.status(), "KLAVIYO_APP_URL", target.app(),
                "KLAVIYO_WEBHOOK_URL", target.webhook(), "KLAVIYO_PROMETHEUS_URL", target.prometheus(),
                "SLACK_WEBHOOK_URL", slackUrl(), "KLAVIYO_REVISION", revision(),
                oauth ? "KLAVIYO_ACCESS_TOKEN" : "KLAVIYO_PRIVATE_KEY", oauth ? token.secret() : key());
        Map<String, String> variables = new LinkedHashMap<>();
        all.forEach((name, value) -> Optional.ofNullable(value).ifPresent(it -> variables.put(name, it.toString())));
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
        klaviyo.disabled.remove(key.secret());
        klaviyo.scopes.remove(key.secret());
        if (next.holds() == Holds.REVOKED) {
            klaviyo.disabled.add(key.secret());
        } else if (next.holds() == Holds.UNSCOPED) {
            Set<String> fewer = new HashSet<>(FakeKlaviyo.USUAL_SCOPES);
            fewer.removeAll(Set.of("events:read", "events:write"));
            klaviyo.scopes.put(key.secret(), fewer);
        }
        if (appKey == null || List.of(stale.secret(), token.secret(), key.secret()).contains(appKey)) {
            appKey = (next.broken(Part.APP_KEY) ? stale : next.holds() == Holds.EXPIRED_TOKEN ? token : key).secret();
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

    static void pause(Duration delay) {
        try {
            Thread.sleep(delay.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
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

    /** What Slack says to a message that came to its incoming webhook (api.slack.com/messaging/webhooks). */
    Reply slack(JsonNode message) {
        return message.isObject() ? new Reply(200, "text/html", "ok") : new Reply(400, "text/html", "invalid_payload");
    }

    boolean appDown() {
        return appBroken || scenario.broken(Part.APP);
    }

    // ---- its ports

    private static final int CONNECTIONS = 1024;
    // Self-signed for localhost until 2025-10-01, and the key to it, in PKCS#12 without a password: they guard nothing.
    private static final String EXPIRED = """
            MIICxAIBAzCCAr0GCSqGSIb3DQEHAaCCAq4EggKqMIICpjCCAekGCSqGSIb3DQEHAaCCAdoEggHWMIIB0jCCAc4GCyqGSIb3DQEMCgEDoIIB
            ljCCAZIGCiqGSIb3DQEJFgGgggGCBIIBfjCCAXowggEhoAMCAQICCHjgcPrXEDoEMAoGCCqGSM49BAMCMCQxDjAMBgNVBAoTBURyaWxsMRIw
            EAYDVQQDEwlsb2NhbGhvc3QwHhcNMjQxMDAxMDAwMDAwWhcNMjUxMDAxMDAwMDAwWjAkMQ4wDAYDVQQKEwVEcmlsbDESMBAGA1UEAxMJbG9j
            YWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmWBbmiNbYbaqqrT4Aeh7kGlogOpLMrcLcRUKPTyEuXZ6hTGPw9c1WxQkNuMGMpnK
            CXlQzi1vfieh7aFwIA4EHKM9MDswHQYDVR0OBBYEFFBBzbw/F1dZdlWaIDinHFX8rgWaMBoGA1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9zdDAK
            BggqhkjOPQQDAgNHADBEAiBJsKsaohYPp8dFe8AwRKxBo4PECb3W3RxgQXvmemi6SAIgM02r+05qLeAoHeenfUvG18Qe/tnFS57bxNXuNq+R
            yLMxJTAjBgkqhkiG9w0BCRUxFgQU8V2F8FNm8kegQTlx3iPzoFREPhgwgbYGCSqGSIb3DQEHAaCBqASBpTCBojCBnwYLKoZIhvcNAQwKAQKg
            aTBnMBsGCiqGSIb3DQEMAQMwDQQICGJLeYyqZ2ECAQEESM7JLrmon/jYXHlzBFha4yeqFYw5n0AC+7OzDaM7VH23+0J0/29enPTDTsxstsY9
            rnSMEwcNSUPUYKHIEkIpLz71vrTQ02cvsTElMCMGCSqGSIb3DQEJFTEWBBTxXYXwU2byR6BBOXHeI/OgVEQ+GA==
            """;

    static {
        // The JDK's server writes headers and body apart: by Nagle's algorithm each answer waits for a late ACK.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    // Of any free port.
    private static InetSocketAddress address() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    private URI site(String name, Function<HttpExchange, Reply> site) throws IOException {
        return scenario.broken(Part.NETWORK) ? REFUSING
                : opened(HttpServer.create(address(), CONNECTIONS), name, site);
    }

    private URI opened(HttpServer server, String name, Function<HttpExchange, Reply> site) {
        servers.add(server);
        server.setExecutor(threads);
        server.createContext("/", exchange -> answer(exchange, name, site));
        // The dispatcher is a daemon as the thread that starts it: else it would keep the process alive.
        CompletableFuture.runAsync(server::start, threads).join();
        String scheme = server instanceof HttpsServer ? "https" : "http";
        return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
    }

    private void answer(HttpExchange exchange, String name, Function<HttpExchange, Reply> site) throws IOException {
        try (exchange) {
            String front = name.isEmpty() ? exchange.getRequestMethod() + " " : name;
            seen.accept(front + exchange.getRequestURI().getPath().replaceAll("/+$", ""));
            Reply reply = site.apply(exchange);
            byte[] body = reply.body().getBytes(StandardCharsets.UTF_8);
            boolean bodiless = exchange.getRequestMethod().equals("HEAD") || body.length == 0;
            exchange.getResponseHeaders().set("Content-Type", reply.type());
            exchange.sendResponseHeaders(reply.status(), bodiless ? -1 : body.length);
            exchange.getResponseBody().write(bodiless ? new byte[0] : body);
        }
    }

    private static HttpsServer expired() throws IOException {
        try {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(new ByteArrayInputStream(Base64.getMimeDecoder().decode(EXPIRED)), new char[0]);
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keys, new char[0]);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            HttpsServer server = HttpsServer.create(address(), CONNECTIONS);
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            return server;
        } catch (GeneralSecurityException e) {
            throw new IOException("the expired certificate cannot be used: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        servers.forEach(server -> server.stop(0));
        threads.shutdownNow();
    }
}
