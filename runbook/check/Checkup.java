package runbook.check;

import java.net.URI;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import runbook.Answer.Reply;
import runbook.Deadline;
import runbook.Endpoint;
import runbook.Http;
import runbook.Settings;

/** Makes the checks, all at once. Each ends by the timeout whatever the network does, and so does the whole. */
public final class Checkup implements AutoCloseable {
    /** The checks that ask something and can be chosen; endpoints are chosen together as {@code endpoints}. */
    public static final Set<String> CHOICES = Set.of("status-page", "network", "auth", "endpoints", "app", "app-errors", "webhook");

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
        CompletableFuture<Auth> auth = later(() -> Auth.look(names.contains("auth") ? chosen : keyless(chosen), http, deadline));
        List<CompletableFuture<EndpointProbe>> endpoints = new ArrayList<>();
        for (Endpoint endpoint : chosen.probing().endpoints()) {
            endpoints.add(later(() -> EndpointProbe.look(endpoint, chosen, http, pool, deadline)));
        }
        CompletableFuture<StatusPage> status = later(() -> names.contains("status-page") ? StatusPage.read(chosen, http, pool, deadline) : StatusPage.skipped());
        CompletableFuture<Network> network = later(() -> names.contains("network") ? Network.look(chosen, deadline) : Network.skipped());
        CompletableFuture<AppHealth> app = later(() -> AppHealth.look(chosen, http, deadline));
        CompletableFuture<AppErrors> errors = later(() -> AppErrors.look(chosen, http, deadline));
        CompletableFuture<Webhook> webhook = later(() -> Webhook.look(chosen, http, deadline));

        List<EndpointProbe> probes = endpoints.stream().map(CompletableFuture::join).toList();
        Optional<Reply> listing = probes.stream().filter(probe -> probe.endpoint().equals(Endpoint.WEBHOOKS)).findFirst().flatMap(EndpointProbe::success);
        return new Findings(at, settings, status.join(), network.join(), auth.join(), probes, RateLimits.of(auth.join(), probes),
                RevisionCheck.of(settings.revision(), LocalDate.ofInstant(at, ZoneOffset.UTC)),
                app.join(), errors.join(), webhook.join().with(listing, chosen.target().webhook()));
    }

    private <T> CompletableFuture<T> later(Supplier<T> check) {
        return CompletableFuture.supplyAsync(check, pool);
    }

    private Settings without(Set<String> names) {
        Settings.Target all = settings.target();
        Settings.Target some = new Settings.Target(all.api(), all.status(), kept(names, "app", all.app()), kept(names, "webhook", all.webhook()),
                kept(names, "app-errors", all.prometheus()));
        Settings.Probing probing = settings.probing();
        return new Settings(some, settings.key(), settings.revision(),
                new Settings.Probing(probing.timeout(), probing.samples(), probing.slow(), probing.endpoints().stream()
                        .filter(endpoint -> names.contains("endpoints") || names.contains("endpoint:" + endpoint.name())).toList()),
                settings.app(), settings.drill(), settings.proxies());
    }

    private static Settings keyless(Settings settings) {
        return new Settings(settings.target(), Optional.empty(), settings.revision(), settings.probing(), settings.app(), settings.drill(), settings.proxies());
    }

    private static URI kept(Set<String> names, String name, URI address) {
        return names.contains(name) ? address : null;
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
