package runbook.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Klaviyo.Revision;
import runbook.Settings.Templates;
import runbook.sandbox.FakeKlaviyo.Account;
import runbook.sandbox.FakeKlaviyo.Credential;
import runbook.sandbox.WebServer.Reply;
import runbook.sandbox.WebServer.Request;

/**
 * An embedded Klaviyo with all that stands around it (status page, our application, its webhook route and its Prometheus, a
 * Slack webhook), on loopback ports of its own, in one {@link Scenario}. Its threads are daemons: a process that forgets to
 * close it ends all the same. Not final, so that tests can add hands to it.
 */
public class Sandbox implements AutoCloseable {
    /** How long before the drill began things were already failing. */
    static final long ONSET = -12 * 60_000L;
    private static final Pattern VARIABLE = Pattern.compile("\\s*(?:export\\s+)?([A-Za-z_]\\w*)\\s*=\\s*(.*?)\\s*");

    /**
     * What can be practised: one way in which a Klaviyo integration breaks. A row of {@code templates/scenarios.json}.
     *
     * @param id          what {@code --drill} calls it
     * @param description one line for whoever picks a drill
     * @param credential  what the responder holds, and the application too; a valid key when nothing is said
     * @param revision    the phase of life of the revision that the responder pins; the toolkit's own when nothing is said
     * @param broken      what of ours is broken
     * @param fails       what the application's calls fail with whatever the API does
     * @param loop        a job of the application that calls much too often
     * @param api         how Klaviyo's API behaves over time; well when nothing is said
     * @param page        what Klaviyo's status page says over time; all green when nothing is said
     */
    public record Scenario(String id, String description, Optional<Holds> credential, Optional<Revision.Phase> revision,
                           List<Part> broken, List<Failing> fails, Optional<Loop> loop, List<Stretch> api, Optional<Page> page) {
        /** What a responder holds. */
        public enum Holds { VALID, REVOKED, UNSCOPED, MALFORMED, MISSING, EXPIRED_TOKEN }

        /** What of ours can break. With {@code NETWORK} nothing is reached; {@code APP_KEY} is a revoked key in the application alone. */
        public enum Part { NETWORK, PROMETHEUS, APP, APP_KEY, WEBHOOK, CERTIFICATE }

        /** How the API answers a request; {@code THROTTLED} holds for the rest of the minute. */
        public enum Answers { OK, UNAVAILABLE, THROTTLED, SHED, UNREACHABLE, CHALLENGE }

        /**
         * What a share of the application's calls ends with.
         *
         * @param share 0 to 1
         */
        public record Failing(int status, double share) {
            public Failing {
                refuseUnless(status >= 400 && status <= 599, "status has to be 400 to 599");
                refuseUnless(share > 0 && share <= 1, "share has to be more than 0 and at most 1");
            }
        }

        /**
         * A loop.
         *
         * @param caller the logger that writes its lines
         * @param call   method and path
         */
        public record Loop(String caller, String call, int perMinute) {
            public Loop {
                refuseUnless(call.matches("[A-Z]+ /\\S+"), "call has to be a method and a path, as in POST /api/events");
                refuseUnless(perMinute > 0 && perMinute <= 20_000, "perMinute has to be 1 to 20000");
            }
        }

        /**
         * How the API behaves from a moment on.
         *
         * @param from    seconds after the scenario began
         * @param answers each path's requests are answered by these in turn; nothing means OK
         * @param paths   the paths that this holds for; nothing means all
         * @param late    how much later each answer comes
         * @param fails   what the application sees of it
         */
        public record Stretch(int from, List<Answers> answers, List<String> paths, Optional<Duration> late, List<Failing> fails) { }

        /**
         * An incident or a maintenance on the status page.
         *
         * @param impact     {@code minor}, {@code major}, {@code critical} or {@code maintenance}
         * @param components the names of the components that it touches
         * @param updates    oldest first
         */
        public record Page(String name, String impact, List<String> components, List<Update> updates) {
            public Page {
                refuseUnless(List.of("minor", "major", "critical", "maintenance").contains(impact),
                        "impact has to be minor, major, critical or maintenance");
                refuseUnless(!updates.isEmpty(), "updates are missing");
                refuseUnless(rising(updates.stream().map(Update::at)), "updates have to be in order");
            }

            /** The updates that are out by a moment (milliseconds since the scenario began), oldest first. */
            List<Update> published(long millis) {
                return updates.stream().filter(update -> update.at * 1000L <= millis).toList();
            }
        }

        /**
         * One update.
         *
         * @param at         seconds after the scenario began; negative for before
         * @param status     {@code investigating}, {@code identified}, {@code monitoring}, {@code resolved}, {@code in_progress}, …
         * @param components what the touched components show from then on
         */
        public record Update(int at, String status, String components, String body) { }

        public Scenario {
            refuseUnless(id.matches("[a-z0-9]+(-[a-z0-9]+)*"), "has to be named in small letters, digits and single dashes");
            refuseUnless(api.isEmpty() || api.get(0).from == 0 && rising(api.stream().map(Stretch::from)),
                    "api has to begin with from 0 and to be in order");
        }

        private static boolean rising(Stream<Integer> seconds) {
            List<Integer> all = seconds.toList();
            return all.stream().sorted().distinct().toList().equals(all);
        }

        private static void refuseUnless(boolean right, String message) {
            if (!right) {
                throw new IllegalArgumentException(message);
            }
        }

        /**
         * All scenarios by id, in the order of their file: those that come with the scripts, or a team's own.
         *
         * @throws runbook.Settings.Problem of one line that names file, id and field
         */
        public static Map<String, Scenario> all(Templates templates) {
            return templates.table("scenarios.json", Scenario.class);
        }

        /** One of those that come with the scripts; empty when there is none of that id. */
        public static Optional<Scenario> of(String id) {
            return Optional.ofNullable(all(Templates.builtIn()).get(id));
        }

        boolean broken(Part part) {
            return broken.contains(part);
        }

        Holds holds() {
            return credential.orElse(Holds.VALID);
        }

        /** How the API behaves at a moment (milliseconds since the scenario began); before the scenario began, as at its beginning. */
        Stretch stretch(long millis) {
            Stretch now = api.isEmpty() ? new Stretch(0, List.of(), List.of(), Optional.empty(), List.of()) : api.get(0);
            for (Stretch stretch : api) {
                now = stretch.from * 1000L <= millis ? stretch : now;
            }
            return now;
        }
    }

    /**
     * How to start one.
     *
     * @param port    of Klaviyo's API, the other sites following; 0 for any free ones
     * @param latency how much later every answer of every site comes
     * @param clock   whose time its schedules and rate windows follow
     * @param seen    is told of each request: {@code METHOD /path} for the API, site and path for the others
     */
    public record Setup(int port, Duration latency, InstantSource clock, Consumer<String> seen) {
        /** Free ports, no latency, real time. */
        public static final Setup USUAL = new Setup(0, Duration.ZERO, InstantSource.system(), request -> { });
    }

    final Setup setup;
    final FakeKlaviyo klaviyo;
    final Sites sites;
    private final Instant began;
    private final Account account;
    private final Credential key;
    private final Credential token;
    private final Credential stale;
    private final Credential spare;
    private final Credential foreign;
    private final AtomicInteger restarts = new AtomicInteger();
    private final AtomicInteger restartsToFail = new AtomicInteger();
    private final AtomicInteger startsToBreak = new AtomicInteger();
    private final List<AutoCloseable> open = new ArrayList<>();
    private final ExecutorService threads;
    private final URI api;
    private final URI status;
    private final URI prometheus;
    private final URI ours;
    private final URI webhook;
    private volatile Scenario scenario;
    private volatile Optional<Scenario.Page> page;
    private volatile long since;
    private volatile boolean appBroken;
    private volatile String appKey;
    private volatile Supplier<Optional<String>> appKeySource = () -> Optional.ofNullable(appKey);

    Sandbox(Scenario scenario, Setup setup) {
        this.setup = setup;
        began = setup.clock().instant();
        klaviyo = new FakeKlaviyo(this);
        sites = new Sites(this);
        account = klaviyo.account("Drill Outfitters");
        stale = klaviyo.issue(account, "previous production key");
        stale.enabled = false;
        key = klaviyo.issue(account, "production");
        spare = klaviyo.issue(account, "production (new)");
        token = klaviyo.authorize(account);
        foreign = klaviyo.issue(klaviyo.account("Drill Outfitters Staging"), "staging");
        enter(scenario, ONSET);
        threads = Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work, "sandbox");
            thread.setDaemon(true);
            return thread;
        });
        try {
            api = site(0, klaviyo::answer);
            status = site(1, sites::statusPage);
            prometheus = scenario.broken(Scenario.Part.PROMETHEUS) ? refusing(2) : site(2, sites::prometheus);
            ours = site(3, sites::ours);
            webhook = (scenario.broken(Scenario.Part.CERTIFICATE)
                    ? opened(WebServer.startExpired(port(4), threads, late(sites::ours))) : ours).resolve(Sites.WEBHOOK);
        } catch (IOException e) {
            close();
            throw new UncheckedIOException("the drill cannot open its ports on loopback"
                    + (setup.port() == 0 ? "" : ", " + setup.port() + " and those after it") + ": " + e.getMessage(), e);
        }
    }

    /** Starts one; every port is open when this returns. Without a loopback it is an {@link UncheckedIOException}. */
    public static Sandbox start(Scenario scenario) {
        return start(scenario, Setup.USUAL);
    }

    /** Starts one as told; a port that is taken is an {@link UncheckedIOException} too. */
    public static Sandbox start(Scenario scenario, Setup setup) {
        return new Sandbox(scenario, setup);
    }

    /** Klaviyo's API, without a path. */
    public URI apiUrl() {
        return api;
    }

    /** Klaviyo's status page, without a path. */
    public URI statusUrl() {
        return status;
    }

    /** Our application's health endpoint, whole. */
    public URI appUrl() {
        return ours.resolve("/health");
    }

    /** Where a POST restarts our application: for whoever is in another process. */
    public URI restartUrl() {
        return ours.resolve("/restart");
    }

    /** Where a GET brings our application's log, as {@link #applicationLog}. */
    public URI logUrl() {
        return ours.resolve("/log");
    }

    /** Our webhook route, whole. */
    public URI webhookUrl() {
        return webhook;
    }

    /** The Prometheus API, without a path. */
    public URI prometheusUrl() {
        return prometheus;
    }

    /** A Slack incoming webhook, whole. */
    public URI slackUrl() {
        return ours.resolve(sites.slackPath);
    }

    /** The private key that a responder holds in this scenario, good or bad; null when there is none. */
    public String key() {
        return switch (scenario.holds()) {
            case MISSING, EXPIRED_TOKEN -> null;
            case MALFORMED -> account.id();
            default -> key.secret;
        };
    }

    /** The OAuth access token that a responder holds in this scenario; null when there is none. */
    public String accessToken() {
        return scenario.holds() == Scenario.Holds.EXPIRED_TOKEN ? token.secret : null;
    }

    /** What a responder holds as the environment gives it: the key, or the scheme and the token; null when there is neither. */
    public String credential() {
        return accessToken() == null ? key() : "Bearer " + accessToken();
    }

    /** A good, new key of the same account: always the same one. */
    public String newKey() {
        return spare.secret;
    }

    /** A good key of another account. */
    public String foreignKey() {
        return foreign.secret;
    }

    /** The id of the responder's account, which is its public key. */
    public String accountId() {
        return account.id();
    }

    /** The revision to pin in this scenario; null for the toolkit's own. */
    public String revision() {
        return scenario.revision().map(FakeKlaviyo::newestRevision).orElse(null);
    }

    /** What to put into the environment of a step, by variable, so that it meets this sandbox and says that it is a drill. */
    public Map<String, String> variables() {
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("KLAVIYO_GAME_DAY", scenario.id());
        variables.put("KLAVIYO_API_URL", api.toString());
        variables.put("KLAVIYO_STATUS_URL", status.toString());
        variables.put("KLAVIYO_APP_URL", appUrl().toString());
        variables.put("KLAVIYO_WEBHOOK_URL", webhook.toString());
        variables.put("KLAVIYO_PROMETHEUS_URL", prometheus.toString());
        variables.put("SLACK_WEBHOOK_URL", slackUrl().toString());
        variables.put("KLAVIYO_PRIVATE_KEY", key());
        variables.put("KLAVIYO_ACCESS_TOKEN", accessToken());
        variables.put("KLAVIYO_REVISION", revision());
        variables.values().removeIf(value -> value == null);
        return variables;
    }

    /** The last quarter of an hour of the application's log: what its calls to Klaviyo came to, a line each. */
    public String applicationLog() {
        return sites.log();
    }

    /**
     * Goes over to another scenario, whose schedule starts now. The sites' addresses stay: without a network they drop
     * connections instead of refusing them, and an expired certificate can only be had from the start.
     */
    public void enter(Scenario next) {
        enter(next, millis());
    }

    private synchronized void enter(Scenario next, long onset) {
        scenario = next;
        page = next.page();
        since = Math.max(0, onset);
        key.enabled = next.holds() != Scenario.Holds.REVOKED;
        key.scopes = next.holds() == Scenario.Holds.UNSCOPED ? FakeKlaviyo.WITHOUT_EVENTS : FakeKlaviyo.USUAL_SCOPES;
        token.enabled = false;
        Credential held = next.broken(Scenario.Part.APP_KEY) ? stale
                : next.holds() == Scenario.Holds.EXPIRED_TOKEN ? token : key;
        boolean replaced = Stream.of(stale, token, key).noneMatch(one -> one.secret.equals(appKey));
        appKey = appKey != null && replaced ? appKey : held.secret;
        replan(onset);
    }

    /** To be called after any change that the application's calls would notice. */
    void changed() {
        replan(millis());
    }

    private synchronized void replan(long from) {
        sites.replan(from, scenario.api().stream().map(stretch -> since + stretch.from() * 1000L).toList(), this::outcome);
    }

    private List<Scenario.Failing> outcome(long at) {
        List<Scenario.Failing> faulty = scenario.stretch(at - since).fails();
        Optional<Credential> used = klaviyo.accepted(appKey);
        if (faulty.stream().mapToDouble(Scenario.Failing::share).sum() >= 1) {
            return faulty;
        } else if (used.isEmpty()) {
            return List.of(new Scenario.Failing(401, 1));
        } else if (!used.get().scopes.contains("events:write")) {
            return List.of(new Scenario.Failing(403, 0.5));
        }
        return faulty.isEmpty() ? scenario.fails() : faulty;
    }

    Scenario scenario() {
        return scenario;
    }

    Optional<Scenario.Page> page() {
        return page;
    }

    /** Puts something else on the status page, or nothing. */
    void page(Optional<Scenario.Page> now) {
        page = now;
    }

    /** Milliseconds since the sandbox started. */
    long millis() {
        return Duration.between(began, setup.clock().instant()).toMillis();
    }

    /** Milliseconds from the sandbox's start to the scenario's. */
    long since() {
        return since;
    }

    /** The time of day of a moment counted as {@link #millis()} counts. */
    Instant at(long millis) {
        return began.plusMillis(millis);
    }

    /** The key that the application uses; null for none. */
    public String appKey() {
        return appKey;
    }

    /** Puts a key into the running application. */
    void appKey(String now) {
        appKey = now;
        changed();
    }

    void appKeySource(Supplier<Optional<String>> source) {
        appKeySource = source;
    }

    /**
     * Lets the application read its key from a dotenv file's variable at each restart from now on; it keeps its present one
     * until then. A running application never notices a changed secret by itself: that is what the drill is about.
     */
    public void appKeyFile(Path file, String variable) {
        appKeySource(() -> variable(file, variable));
    }

    /** Restarts the application; false when {@link #failRestarts} told it to fail. */
    public boolean restartApp() {
        if (restartsToFail.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return false;
        }
        appBroken = startsToBreak.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
        appKey(appKeySource.get().orElse(null));
        restarts.incrementAndGet();
        return true;
    }

    /** Makes the next restarts fail, the application going on with the key it has. */
    public void failRestarts(int times) {
        restartsToFail.set(times);
    }

    /** Makes the application unhealthy (503) after each of the next restarts. */
    public void breakAfterRestarts(int times) {
        startsToBreak.set(times);
    }

    int restarts() {
        return restarts.get();
    }

    boolean appDown() {
        return appBroken || scenario.broken(Scenario.Part.APP);
    }

    /** A dotenv file's variable: the last one of that name, unquoted. */
    private static Optional<String> variable(Path file, String variable) {
        try {
            return Files.readAllLines(file).stream().map(VARIABLE::matcher)
                    .filter(line -> line.matches() && line.group(1).equals(variable))
                    .map(line -> unquoted(line.group(2))).reduce((earlier, later) -> later);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static String unquoted(String value) {
        Matcher quoted = Pattern.compile("([\"'])(.*)\\1").matcher(value);
        return quoted.matches() ? quoted.group(2) : value.replaceFirst("\\s+#.*$", "");
    }

    @Override
    public void close() {
        for (AutoCloseable site : open) {
            try {
                site.close();
            } catch (Exception e) {
                throw new IllegalStateException("a sandbox port does not close", e);
            }
        }
        threads.shutdownNow();
    }

    private int port(int offset) {
        return setup.port() == 0 ? 0 : setup.port() + offset;
    }

    private URI site(int offset, Function<Request, Reply> site) throws IOException {
        return scenario.broken(Scenario.Part.NETWORK) ? refusing(offset)
                : opened(WebServer.start(port(offset), threads, late(site)));
    }

    private URI opened(WebServer server) {
        open.add(server);
        return server.uri();
    }

    private Function<Request, Reply> late(Function<Request, Reply> site) {
        return request -> {
            pause(setup.latency());
            return scenario.broken(Scenario.Part.NETWORK) ? Reply.DROPPED : site.apply(request);
        };
    }

    static void pause(Duration delay) {
        try {
            Thread.sleep(delay.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** A port that refuses connections: bound, so that nobody else gets it, and never listening. */
    private URI refusing(int offset) throws IOException {
        Socket bound = new Socket();
        open.add(bound);
        bound.bind(WebServer.loopback(port(offset)));
        return URI.create("http://127.0.0.1:" + bound.getLocalPort());
    }
}
