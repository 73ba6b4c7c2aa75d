package runbook;

import java.io.InputStream;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Supplier;
import java.util.stream.Stream;
import runbook.ApiChecks.Auth;
import runbook.ApiChecks.EndpointProbe;
import runbook.ApiChecks.RateLimits;
import runbook.ApiChecks.RevisionCheck;
import runbook.ApiChecks.Symptom;
import runbook.Http.Answer;
import runbook.Http.Deadline;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.NetworkPath.Network;
import runbook.OurSide.AppErrors;
import runbook.OurSide.AppHealth;
import runbook.OurSide.AppLog;
import runbook.OurSide.Webhook;
import runbook.Screen.Check;
import runbook.Text.Json;
import runbook.redact.Redactor;

/** Makes the checks, all at once. Each ends by the timeout whatever the network does, and so does the whole. */
public final class Checks implements AutoCloseable {
    /** The checks that ask something and can be chosen; endpoints are chosen together as {@code endpoints}. */
    public static final Set<String> CHOICES =
            Set.of("status-page", "network", "auth", "endpoints", "app", "app-errors", "app-log", "webhook");

    private final Settings settings;
    private final Http http;
    private InputStream log;
    private final ExecutorService pool = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "check");
        thread.setDaemon(true);
        return thread;
    });

    /** Checks that can be made again and again with one HTTP client. */
    public Checks(Settings settings) {
        this.settings = settings;
        this.http = Http.of(settings);
    }

    /**
     * Loads on another thread what the first checks need (TLS, JSON, the redactor: a fifth of a second), while the
     * command line is still being read. Nothing comes of it but time.
     *
     * @param tls whether the API will be asked over TLS, as far as can be told
     */
    public static void prepare(boolean tls) {
        // Lambdas of nested records come from JBang's class archive only where the outer class is linked too.
        for (String outer : List.of("ApiChecks", "OurSide", "DecisionTree", "Settings", "Message", "redact.Encoded",
                "Text")) {
            try {
                Class.forName("runbook." + outer);
            } catch (ClassNotFoundException e) {
                throw new IllegalStateException(e);
            }
        }
        Thread thread = new Thread(() -> {
            Json.line(Json.object());
            Http.prepare(tls);
            Redactor.strict().text("{}");
        }, "prepare");
        thread.setDaemon(true);
        thread.start();
    }

    /** All checks, once. */
    public static Findings run(Settings settings) {
        try (Checks checks = new Checks(settings)) {
            return checks.run(CHOICES);
        }
    }

    /** The same, with the application's log, which is read once; null for none. */
    public Checks reading(InputStream applicationLog) {
        log = applicationLog;
        return this;
    }

    /** The HTTP client of these checks. */
    public Http http() {
        return http;
    }

    /**
     * The chosen checks, once.
     *
     * @param names some of {@link #CHOICES}, or single endpoints as {@code endpoint:profiles}; the others end as
     *              skipped
     */
    public Findings run(Set<String> names) {
        Instant at = Instant.now();
        Deadline deadline = Deadline.in(settings.probing().timeout());
        Settings chosen = chosen(names);
        // The API's answers are awaited longest: they are asked first.
        Supplier<Probes> asked = ask(names.contains("auth") ? chosen : chosen.withKey(Optional.empty()), chosen, http,
                deadline);
        CompletableFuture<StatusPage> status = later(() ->
                names.contains("status-page") ? StatusPage.read(chosen, http, pool, deadline) : StatusPage.skipped());
        CompletableFuture<Network> network =
                later(() -> names.contains("network") ? Network.look(chosen, deadline) : Network.skipped());
        CompletableFuture<AppHealth> app = later(() -> AppHealth.look(chosen, http, deadline));
        CompletableFuture<AppErrors> errors = later(() -> AppErrors.look(chosen, http, deadline));
        CompletableFuture<AppLog> read =
                later(() -> names.contains("app-log") && log != null ? AppLog.look(log) : AppLog.skipped());
        CompletableFuture<Webhook> webhook = later(() -> Webhook.look(chosen, http, deadline));
        Probes probes = asked.get();
        return new Findings(at, settings, status.join(), network.join(), probes.auth, probes.endpoints,
                RateLimits.of(probes.auth, probes.endpoints),
                RevisionCheck.of(settings.revision(), LocalDate.ofInstant(at, ZoneOffset.UTC)),
                app.join(), errors.join(), read.join(),
                webhook.join().with(probes.webhooks(), chosen.target().webhook()), Before.NOTHING);
    }

    /** The probes that need a key, once, with another key or none; everything else as {@code shared} has it. */
    public Findings again(Findings shared, Optional<Key> key) {
        Settings other = settings.withKey(key);
        Probes probes = ask(other, other, http.withKey(key), Deadline.in(settings.probing().timeout())).get();
        return new Findings(shared.at, other, shared.status, shared.network, probes.auth, probes.endpoints,
                RateLimits.of(probes.auth, probes.endpoints), shared.revision, shared.app, shared.errors, shared.log,
                shared.webhook, shared.before);
    }

    /** What a key makes it possible to ask. */
    private record Probes(Auth auth, List<EndpointProbe> endpoints) {
        Optional<Reply> webhooks() {
            return endpoints.stream().filter(probe -> probe.endpoint().is(Endpoint.WEBHOOKS)).findFirst()
                    .flatMap(EndpointProbe::success);
        }
    }

    /** Starts them all; the supplier waits for the last. The accounts endpoint is asked once: the key's check does. */
    private Supplier<Probes> ask(Settings forAuth, Settings forEndpoints, Http client, Deadline deadline) {
        CompletableFuture<Auth> auth = later(() -> Auth.look(forAuth, client, deadline));
        List<Supplier<EndpointProbe>> running = new ArrayList<>();
        for (Endpoint endpoint : forEndpoints.probing().endpoints()) {
            running.add(endpoint.is(Endpoint.ACCOUNTS) ? () ->
                    EndpointProbe.of(endpoint, Stream.ofNullable(auth.join().answer()).toList(), settings.probing())
                    : EndpointProbe.ask(endpoint, forEndpoints, client, pool, deadline));
        }
        return () -> new Probes(auth.join(), running.stream().map(Supplier::get).toList());
    }

    private <T> CompletableFuture<T> later(Supplier<T> check) {
        return CompletableFuture.supplyAsync(check, pool);
    }

    private Settings chosen(Set<String> names) {
        Settings.Target all = settings.target();
        Settings.Target some = new Settings.Target(all.api(), all.status(), kept(names, "app", all.app()),
                kept(names, "webhook", all.webhook()), kept(names, "app-errors", all.prometheus()));
        Settings.Probing probing = settings.probing();
        List<Endpoint> endpoints = probing.endpoints().stream().filter(endpoint ->
                names.contains("endpoints") || names.contains("endpoint:" + endpoint.name())).toList();
        return new Settings(some, settings.key(), settings.revision(),
                new Settings.Probing(probing.timeout(), probing.samples(), probing.slow(), endpoints),
                settings.app(), settings.drill(), settings.proxies(), settings.templates());
    }

    private static URI kept(Set<String> names, String name, URI address) {
        return names.contains(name) ? address : null;
    }

    @Override
    public void close() {
        pool.shutdown();
    }

    /**
     * What was known before these checks, from the incident's journal and the last triage that found nothing wrong:
     * when the key used here was replaced by another, when all was well with it, whose it was then (may be empty),
     * and the scopes that were seen to work.
     */
    public record Before(Optional<Instant> replacedAt, Optional<Instant> lastGood, String account, Set<String> scopes) {
        /** Nothing is known. */
        public static final Before NOTHING = new Before(Optional.empty(), Optional.empty(), "", Set.of());
    }

    /**
     * Everything that the checks found: the vendor's page, the path to the API, the key, the endpoints in the order
     * asked, rate limits, the revision, our application (its health, its errors as counted or told, its log, the
     * route that Klaviyo delivers to), and what was known before.
     */
    public record Findings(Instant at, Settings settings, StatusPage status, Network network, Auth auth,
                           List<EndpointProbe> endpoints, RateLimits limits, RevisionCheck revision, AppHealth app,
                           AppErrors errors, AppLog log, Webhook webhook, Before before) {
        /** All checks in the order in which people read them. */
        public List<Check> checks() {
            List<Check> checks = new ArrayList<>(List.of(status.check(), network.check(), auth.check()));
            endpoints.forEach(probe -> checks.add(probe.check()));
            checks.addAll(List.of(limits.check(), revision.check(), app.check(), errors.check(), log.check(),
                    webhook.check()));
            return checks;
        }

        /** What is told together: checks that came to the same, or one alone. */
        public record Group(List<String> names, Check.Outcome outcome, String text) {
            /** {@code profiles, lists and 3 more}. */
            public String name() {
                return names.size() <= 3 ? String.join(", ", names)
                        : names.get(0) + ", " + names.get(1) + " and " + (names.size() - 2) + " more";
            }
        }

        /** What is not well, equal findings together: those that failed first. */
        public List<Group> groups() {
            Map<String, Group> groups = new LinkedHashMap<>();
            for (Check.Outcome outcome : List.of(Check.Outcome.FAIL, Check.Outcome.WARN)) {
                checks().stream().filter(check -> check.outcome() == outcome).forEach(check -> {
                    String name = check.name().replace("endpoint:", "");
                    boolean accounts = check == auth.check() && auth.answer() != null && auth.faults().isEmpty();
                    String text = accounts && auth.symptom() != Symptom.NONE ? Symptom.describe(auth.answer())
                            : check.summary().replaceFirst("^(\\d+) of \\1 failed: ", "");
                    groups.computeIfAbsent(outcome + text, key ->
                            new Group(new ArrayList<>(), outcome, text)).names.add(name);
                });
            }
            return List.copyOf(groups.values());
        }

        /** The same with the status page as it was read at another time. */
        public Findings with(StatusPage page) {
            return new Findings(at, settings, page, network, auth, endpoints, limits, revision, app, errors, log,
                    webhook, before);
        }

        /** The same with what was known before. */
        public Findings with(Before known) {
            return new Findings(at, settings, status, network, auth, endpoints, limits, revision, app, errors, log,
                    webhook, known);
        }

        /** The same with what an application's log says. */
        public Findings with(InputStream applicationLog) {
            return new Findings(at, settings, status, network, auth, endpoints, limits, revision, app, errors,
                    AppLog.look(applicationLog), webhook, before);
        }

        /** Whether any request to the API was not answered as it should be. */
        public boolean apiFails() {
            return symptoms().keySet().stream().anyMatch(symptom -> symptom != Symptom.NONE);
        }

        /** Everything that the API answered. */
        Stream<Answer> apiAnswers() {
            return Stream.concat(Stream.ofNullable(auth.answer()),
                    endpoints.stream().filter(Findings::ownRequests).flatMap(probe -> probe.samples().stream()));
        }

        // The accounts endpoint is asked by the key's check alone.
        private static boolean ownRequests(EndpointProbe probe) {
            return !probe.endpoint().is(Endpoint.ACCOUNTS);
        }

        /** Requests that reached Klaviyo's API, and so count against the account's quota, by endpoint. */
        public Map<String, Integer> requests() {
            Map<String, Integer> requests = new LinkedHashMap<>();
            Stream.ofNullable(auth.answer()).filter(Findings::counted).forEach(answer -> requests.put("accounts", 1));
            endpoints.stream().filter(Findings::ownRequests).forEach(probe -> probe.samples().stream()
                    .filter(Findings::counted)
                    .forEach(answer -> requests.merge(probe.endpoint().name(), 1, Integer::sum)));
            return requests;
        }

        // What TLS or a proxy stopped, and what a login page answered, never came to Klaviyo.
        private static boolean counted(Answer answer) {
            boolean foreign = answer instanceof Reply reply && (reply.html() || reply.status() / 100 == 3)
                    && Symptom.of(answer) == Symptom.GARBLED;
            boolean stopped = answer instanceof Fault fault
                    && (fault.kind().unreached() || fault.kind().tls() || fault.kind() == Http.Kind.BAD_REQUEST);
            return !foreign && !stopped;
        }

        /** The sum of {@link #requests()}. */
        public int requestsSpent() {
            return requests().values().stream().mapToInt(Integer::intValue).sum();
        }

        /**
         * How often each symptom came from the API. Left out, for they say nothing of the service: a webhooks 403
         * (which may be the plan), an accounts 403 (the key may do without), and a 429 of the two endpoints with one
         * request a second (which our own probes can bring about).
         */
        public Map<Symptom, Integer> symptoms() {
            Map<Symptom, Integer> counts = new EnumMap<>(Symptom.class);
            Set<Symptom> unsaid = Set.of(Symptom.FORBIDDEN, Symptom.THROTTLED);
            Stream<Symptom> own = Stream.ofNullable(auth.answer()).map(Symptom::of)
                    .filter(symptom -> !unsaid.contains(symptom));
            Stream<Symptom> probed = endpoints.stream().filter(Findings::ownRequests).flatMap(probe -> probe.symptoms()
                    .stream().filter(symptom -> probe.endpoint().burst() > 1 || !unsaid.contains(symptom)));
            Stream.concat(own, probed).forEach(symptom -> counts.merge(symptom, 1, Integer::sum));
            return counts;
        }

        /** Endpoints of which at least one sample shows the symptom, accounts among them. */
        public List<String> showing(Symptom symptom) {
            List<String> names = new ArrayList<>();
            if (auth.answer() != null && auth.symptom() == symptom) {
                names.add("accounts");
            }
            endpoints.stream().filter(Findings::ownRequests).filter(probe -> probe.symptoms().contains(symptom))
                    .forEach(probe -> names.add(probe.endpoint().name()));
            return names;
        }

        /** Whether Klaviyo took the key: some request with it succeeded, or was refused for a scope alone. */
        boolean keyIsAccepted() {
            return apiAnswers().map(Symptom::of).anyMatch(Symptom.NONE::equals) || auth.symptom() == Symptom.FORBIDDEN;
        }

        /** The statuses that the application gets from Klaviyo, as counted, told, or read in its log. */
        Stream<String> appStatuses() {
            return Stream.concat(errors.byStatus().keySet().stream(), log.byStatus().keySet().stream()).distinct();
        }

        /** Whether the application gets this status from Klaviyo. */
        boolean appSees(String status) {
            return appStatuses().anyMatch(status::equals);
        }
    }
}
