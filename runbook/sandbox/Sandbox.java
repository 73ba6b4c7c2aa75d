package runbook.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import runbook.sandbox.Behaviour.WebhookCase;

/**
 * An embedded Klaviyo with all that stands around it, on loopback ports of its own, in one {@link Scenario}. Its threads
 * are daemons: a process that forgets to close it ends all the same.
 */
public final class Sandbox implements AutoCloseable {
    private final World world;
    private final Control control;
    private final ExecutorService threads;
    private final List<AutoCloseable> open = new ArrayList<>();
    private final URI api;
    private final URI status;
    private final URI application;
    private final URI webhook;
    private final URI prometheus;
    private final URI slack;

    private Sandbox(Scenario scenario, Duration latency, double speed) {
        world = new World(scenario, latency, new SandboxClock(speed));
        threads = Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work, "sandbox");
            thread.setDaemon(true);
            return thread;
        });
        Application app = new Application(world);
        WebhookSite deliveries = new WebhookSite(world);
        SlackSite messages = new SlackSite();
        control = new Control(world, app, messages);
        api = site(new KlaviyoApi(world)::answer);
        world.apiUrl = api;
        status = site(new StatusPageSite(world, this::statusAddress)::answer);
        prometheus = scenario.behaviour().monitored() ? site(new PrometheusApi(world)::answer) : refusing();
        // Prefixed so that one port serves what is ours; the paths are drawn at random for Slack, as its secret is the
        // path.
        String slackPath =
                "/services/" + world.keyring.random(9) + "/" + world.keyring.random(9) + "/" + world.keyring.random(24);
        URI ours = site(request -> request.path().equals(slackPath) ? messages.answer(request)
                : request.path().startsWith("/webhooks/") ? deliveries.answer(request) : app.answer(request));
        application = ours.resolve("/health");
        slack = ours.resolve(slackPath);
        webhook = (scenario.behaviour().webhook() == WebhookCase.EXPIRED ? expired(deliveries::answer) : ours)
                .resolve(WebhookSite.PATH);
        world.webhookUrl = webhook;
    }

    /** Starts one; every port is open when this returns. A missing loopback is an {@link UncheckedIOException}. */
    public static Sandbox start(Scenario scenario) {
        return start(scenario, Duration.ZERO);
    }

    /** Starts one whose every answer comes so much later. */
    public static Sandbox start(Scenario scenario, Duration latency) {
        return start(scenario, latency, 1);
    }

    /**
     * Starts one whose schedules and rate windows run so many times as fast; at 0 its time stands still until
     * {@link Control#advance} moves it.
     */
    public static Sandbox start(Scenario scenario, Duration latency, double speed) {
        return new Sandbox(scenario, latency, speed);
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
        return application;
    }

    /** Where a POST restarts our application: for a child process, which has no {@link #control()}. */
    public URI restartUrl() {
        return application.resolve("/restart");
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
        return slack;
    }

    /** The private key that a responder holds in this scenario, good or bad; null when there is none. */
    public String key() {
        return world.responderKey();
    }

    /** A good, new key of the same account: always the same one. */
    public String newKey() {
        return world.spareKey();
    }

    /** A good key of another account. */
    public String foreignKey() {
        return world.foreignKey();
    }

    /** The revision to pin in this scenario; null for the toolkit's own. */
    public String revision() {
        Behaviour behaviour = world.behaviour();
        return behaviour.revision() == null ? null : Revisions.newest(behaviour.revision()).orElseThrow();
    }

    /** Changes its behaviour while it runs. */
    public Control control() {
        return control;
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

    private String statusAddress() {
        return status.toString();
    }

    private URI site(Function<Request, Reply> site) {
        if (!world.behaviour().reachable()) {
            return refusing();
        }
        WebServer server = WebServer.start(threads, late(site));
        open.add(server);
        return server.uri();
    }

    private URI expired(Function<Request, Reply> site) {
        WebServer server = WebServer.startTls(threads, ExpiredCertificate.context(), late(site));
        open.add(server);
        return server.uri();
    }

    private Function<Request, Reply> late(Function<Request, Reply> site) {
        return request -> {
            World.pause(world.latency);
            return world.behaviour().reachable() ? site.apply(request) : Reply.DROPPED;
        };
    }

    /** A port that refuses connections: bound, so that nobody else gets it, and never listening. */
    private URI refusing() {
        try {
            Socket bound = new Socket();
            bound.bind(WebServer.anyPort());
            open.add(bound);
            return URI.create("http://127.0.0.1:" + bound.getLocalPort());
        } catch (IOException e) {
            throw new UncheckedIOException("cannot reserve a port on loopback for the drill", e);
        }
    }
}
