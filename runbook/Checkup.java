package runbook;

import java.net.URI;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import runbook.Answer.Reply;
import runbook.redact.Redactor;

/** Makes the checks, all at once. Each ends by the timeout whatever the network does, and so does the whole. */
public final class Checkup implements AutoCloseable {
    /** The checks that ask something and can be chosen; endpoints are chosen together as {@code endpoints}. */
    public static final Set<String> CHOICES =
            Set.of("status-page", "network", "auth", "endpoints", "app", "app-errors", "webhook");

    private final Settings settings;
    private final Http http;
    private final ExecutorService pool = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "check");
        thread.setDaemon(true);
        return thread;
    });

    /** A checkup that can be run again and again with one HTTP client. */
    public Checkup(Settings settings) {
        this.settings = settings;
        this.http = Http.of(settings);
    }

    /**
     * Loads on another thread what the first checks need (TLS, JSON, the redactor: a fifth of a second), while the command
     * line is still being read. Nothing comes of it but time.
     *
     * @param tls whether the API will be asked over TLS, as far as can be told
     */
    public static void prepare(boolean tls) {
        Thread thread = new Thread(() -> {
            Json.prepare();
            Http.prepare(tls);
            Redactor.strict().text("{}");
        }, "prepare");
        thread.setDaemon(true);
        thread.start();
    }

    /** All checks, once. */
    public static Findings run(Settings settings) {
        try (Checkup checkup = new Checkup(settings)) {
            return checkup.run(CHOICES);
        }
    }

    /** The HTTP client of this checkup. */
    public Http http() {
        return http;
    }

    /**
     * The chosen checks, once.
     *
     * @param names some of {@link #CHOICES}, or single endpoints as {@code endpoint:profiles}; the others end as skipped
     */
    public Findings run(Set<String> names) {
        Instant at = Instant.now();
        Deadline deadline = Deadline.in(settings.probing().timeout());
        Settings chosen = without(names);
        // The API's answers are awaited longest: they are asked first.
        Supplier<Probes> asked =
                ask(names.contains("auth") ? chosen : chosen.withKey(Optional.empty()), chosen, http, deadline);
        CompletableFuture<StatusPage> status = later(() ->
                names.contains("status-page") ? StatusPage.read(chosen, http, pool, deadline) : StatusPage.skipped());
        CompletableFuture<Network> network =
                later(() -> names.contains("network") ? Network.look(chosen, deadline) : Network.skipped());
        CompletableFuture<AppHealth> app = later(() -> AppHealth.look(chosen, http, deadline));
        CompletableFuture<AppErrors> errors = later(() -> AppErrors.look(chosen, http, deadline));
        CompletableFuture<Webhook> webhook = later(() -> Webhook.look(chosen, http, deadline));
        Probes probes = asked.get();
        return new Findings(
                at,
                settings,
                status.join(),
                network.join(),
                probes.auth,
                probes.endpoints,
                RateLimits.of(probes.auth, probes.endpoints),
                RevisionCheck.of(settings.revision(), LocalDate.ofInstant(at, ZoneOffset.UTC)),
                app.join(),
                errors.join(),
                webhook.join().with(probes.webhooks(), chosen.target().webhook()));
    }

    /** The probes that need a key, once, with another key or none; everything else as {@code shared} has it. */
    public Findings again(Findings shared, Optional<Key> key) {
        Settings other = settings.withKey(key);
        Probes probes = ask(other, other, http.withKey(key), Deadline.in(settings.probing().timeout())).get();
        return new Findings(
                shared.at(),
                other,
                shared.status(),
                shared.network(),
                probes.auth,
                probes.endpoints,
                RateLimits.of(probes.auth, probes.endpoints),
                shared.revision(),
                shared.app(),
                shared.errors(),
                shared.webhook());
    }

    /** What a key makes it possible to ask. */
    private record Probes(Auth auth, List<EndpointProbe> endpoints) {
        Optional<Reply> webhooks() {
            return endpoints.stream()
                    .filter(probe -> probe.endpoint().equals(Endpoint.WEBHOOKS))
                    .findFirst()
                    .flatMap(EndpointProbe::success);
        }
    }

    /** Starts them all; the supplier waits for the last. */
    private Supplier<Probes> ask(Settings forAuth, Settings forEndpoints, Http client, Deadline deadline) {
        CompletableFuture<Auth> auth = later(() -> Auth.look(forAuth, client, deadline));
        List<CompletableFuture<EndpointProbe>> endpoints = forEndpoints.probing().endpoints().stream()
                .map(endpoint -> later(() -> EndpointProbe.look(endpoint, forEndpoints, client, pool, deadline))).toList();
        return () -> new Probes(auth.join(), endpoints.stream().map(CompletableFuture::join).toList());
    }

    private <T> CompletableFuture<T> later(Supplier<T> check) {
        return CompletableFuture.supplyAsync(check, pool);
    }

    private Settings without(Set<String> names) {
        Settings.Target all = settings.target();
        Settings.Target some = new Settings.Target(
                all.api(),
                all.status(),
                kept(names, "app", all.app()),
                kept(names, "webhook", all.webhook()),
                kept(names, "app-errors", all.prometheus()));
        Settings.Probing probing = settings.probing();
        return new Settings(
                some,
                settings.key(),
                settings.revision(),
                new Settings.Probing(
                        probing.timeout(),
                        probing.samples(),
                        probing.slow(),
                        probing.endpoints().stream()
                                .filter(endpoint ->
                                        names.contains("endpoints") || names.contains("endpoint:" + endpoint.name()))
                                .toList()),
                settings.app(),
                settings.drill(),
                settings.proxies());
    }

    private static URI kept(Set<String> names, String name, URI address) {
        return names.contains(name) ? address : null;
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
