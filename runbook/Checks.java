package runbook;

import java.io.*;
import java.lang.management.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.ApiChecks.Probe;
import runbook.ApiChecks.Symptom;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Key.LastGood;
import runbook.Klaviyo.Endpoint;
import runbook.OurSide.NetworkPath;
import runbook.Prometheus.AppErrors;
import runbook.Screen.Check;
import runbook.Screen.Group;
import runbook.redact.*;

/** Makes the checks, all at once. Each ends by the timeout whatever the network does, and so does the whole. */
public final class Checks implements AutoCloseable {
    /** The checks that ask something and can be chosen; endpoints are chosen together as {@code endpoints}. */
    public static final Set<String> CHOICES =
            Set.of("status-page", "network", "auth", "endpoints", "app", "app-errors", "app-log", "webhook");

    private static final String LOADED = "Text ApiChecks OurSide Prometheus AppLog DecisionTree Message redact.View";
    private static final int ACCOUNTS_AT_ONCE = 20;
    private static final String UNASKED = "not asked for";

    private final Settings settings;
    private final Http http;
    private Supplier<AppLog> log = () -> AppLog.UNREAD;
    private final ExecutorService pool = Executors.newCachedThreadPool(Cli.daemons("check"));

    /** Checks that can be made again and again with one HTTP client. */
    public Checks(Settings settings) {
        this.settings = settings;
        this.http = Http.of(settings);
    }

    /**
     * Makes ready on another thread what comes after the command line: a fifth of a second.
     *
     * @param said the command line, and a variable's address: what can be told before they are read
     */
    public static void prepare(String said) {
        if (!said.contains("--help")) {
            Cli.daemons("ahead").newThread(() -> {
                Cli.load(LOADED);
                // Whether the API will be asked over TLS.
                Http.prepare(!said.contains("http:") && !said.contains("--drill"));
                Redactor.strict().text("");
            }).start();
        }
    }

    /** Reads the application's log too, once. */
    public void reading(Supplier<AppLog> applicationLog) {
        log = applicationLog;
    }

    /** The client that all of them ask with, with the settings' timeout for each request. */
    public Http http() {
        return http;
    }

    /** All checks, once. */
    public static Findings run(Settings settings, Supplier<Before> known) {
        try (Checks checks = new Checks(settings)) {
            return checks.run(CHOICES, known);
        }
    }

    /**
     * The chosen checks, once. Where something has been mended since it was known, the application's errors are counted
     * anew from then on, for those of before say nothing of now.
     *
     * @param names some of {@link #CHOICES}, or single endpoints as {@code endpoint:profiles}; the others end as
     *              skipped
     * @param known what was known before: looked up here while the answers are awaited
     */
    public Findings run(Set<String> names, Supplier<Before> known) {
        Instant at = Instant.now();
        Http asking = http.within(settings.probing().timeout());
        // What takes longest to be read is asked first, then what is awaited longest.
        CompletableFuture<StatusPage> status =
                start(names, "status-page", () -> StatusPage.read(asking), StatusPage.UNSEEN);
        Supplier<Probes> asked = ask(names, asking);
        CompletableFuture<NetworkPath> network =
                start(names, "network", () -> NetworkPath.of(asking), NetworkPath.UNTRODDEN);
        CompletableFuture<Check> app = start(names, "app", () -> OurSide.health(asking), Check.skipped("app", UNASKED));
        CompletableFuture<AppErrors> counted =
                start(names, "app-errors", () -> AppErrors.look(asking), AppErrors.told(settings));
        CompletableFuture<AppLog> read = start(names, "app-log", log, AppLog.UNREAD);
        CompletableFuture<Check> route =
                start(names, "webhook", () -> OurSide.webhook(asking), Check.skipped("webhook", UNASKED));
        Before before = known.get();
        Probes probes = asked.get();
        return new Findings(at, settings, status.join(), network.join(), probes.auth, probes.endpoints, app.join(),
                counted.join().since(before.mendedAt, http), read.join().since(before.mendedAt),
                OurSide.listed(route.join(), probes.endpoints, settings.target().webhook()), before);
    }

    private <T> CompletableFuture<T> start(Set<String> names, String name, Supplier<T> made, T otherwise) {
        return names.contains(name) ? CompletableFuture.supplyAsync(made, pool)
                : CompletableFuture.completedFuture(otherwise);
    }

    /**
     * The probes that need a key, with that of each of many accounts side by side, by the accounts' names. The page and
     * the network do not depend on the account, and are looked at once.
     */
    public Map<String, Findings> each(List<Klaviyo.Account> accounts, Screen.Host host) {
        Findings once = run(Set.of("status-page", "network"), () -> Before.NOTHING);
        ExecutorService some = Executors.newFixedThreadPool(ACCOUNTS_AT_ONCE);
        try {
            Map<String, CompletableFuture<Findings>> running = new LinkedHashMap<>();
            accounts.forEach(account -> running.put(account.name(),
                    CompletableFuture.supplyAsync(() -> again(once, account, host), some)));
            Map<String, Findings> found = new LinkedHashMap<>();
            running.forEach((name, one) -> found.put(name, one.join()));
            return found;
        } finally {
            some.shutdownNow();
        }
    }

    private Findings again(Findings once, Klaviyo.Account account, Screen.Host host) {
        Optional<Key> key = Optional.empty();
        String trouble = "its key is empty";
        try {
            key = account.key(host);
        } catch (Settings.Problem problem) {
            // A key that cannot be read costs its account the probes, not the others.
            trouble = problem.getMessage();
        }
        Probes probes = ask(CHOICES, http.withKey(key).within(settings.probing().timeout())).get();
        Probe auth = key.isPresent() ? probes.auth : Probe.skipped("auth", Endpoint.ACCOUNTS, trouble);
        return new Findings(once.at, settings.withKey(key), once.status, once.network, auth, probes.endpoints,
                once.app, once.errors, once.log, once.webhook, once.before);
    }

    /** What a key makes it possible to ask. */
    private record Probes(Probe auth, List<Probe> endpoints) { }

    /** Starts them all; the supplier waits for the last. The accounts endpoint is asked once: the key's check does. */
    private Supplier<Probes> ask(Set<String> names, Http asking) {
        Optional<Key> judged = asking.settings.key().filter(key -> names.contains("auth"));
        CompletableFuture<Probe> auth = CompletableFuture.supplyAsync(() -> ApiChecks.auth(judged, asking), pool);
        List<Supplier<Probe>> running = asking.settings.probing().endpoints().stream()
                .filter(one -> names.contains("endpoints") || names.contains("endpoint:" + one.name()))
                .map(one -> probe(one, asking, auth)).toList();
        return () -> new Probes(auth.join(), running.stream().map(Supplier::get).toList());
    }

    private Supplier<Probe> probe(Endpoint endpoint, Http asking, CompletableFuture<Probe> auth) {
        if (asking.settings.key().isEmpty()) {
            return () -> Probe.skipped("endpoint:" + endpoint.name(), endpoint, "needs a key");
        } else if (endpoint.is(Endpoint.ACCOUNTS)) {
            return () -> Probe.of(endpoint, auth.join().samples());
        }
        return Probe.ask(endpoint, asking, pool);
    }

    @Override
    public void close() {
        pool.shutdown();
    }

    /**
     * What was known before these checks: when the key used here was replaced by another, as the incident's journal or
     * the state of the last triage that found nothing wrong has it, that state itself, when the journal says that the
     * key was rotated or all was well again (else the epoch), and whether a rotation that can be finished has no end.
     */
    public record Before(Optional<Instant> replacedAt, Optional<LastGood> good, Instant mendedAt, boolean rotating) {
        /** Nothing is known. */
        public static final Before NOTHING = new Before(Optional.empty(), Optional.empty(), Instant.EPOCH, false);

        /** What a journal and, in earnest, the last good state know of these settings' key. */
        public static Before of(Screen.Host host, Settings settings, List<Incident.Event> journal) {
            Instant mended = journal.stream()
                    .filter(event -> event.event().matches(Incident.Event.ROTATED + "|" + Incident.Event.RECOVERED))
                    .map(Incident.Event::at).max(Instant::compareTo).orElse(Instant.EPOCH);
            Optional<LastGood> good = settings.key().filter(key -> settings.drill().isEmpty())
                    .flatMap(key -> LastGood.of(host, key));
            // Begun, maybe interrupted, and nothing says how it ended; a passing sandbox ends with it.
            boolean rotating = !settings.target().passing() && journal.stream().map(Incident.Event::summary)
                    .filter(words -> words.startsWith("key rotat")).reduce((one, later) -> later)
                    .filter(last -> last.matches("key rotation (begun|interrupted).*")).isPresent();
            return new Before(settings.key().flatMap(key -> Incident.State.of(journal)
                    .replacedAt(key.cleaned().fingerprint())).or(() -> good.flatMap(one -> one.replacedAt(host))), good,
                    mended, rotating);
        }
    }

    /**
     * Everything that the checks found: the vendor's page, the path to the API, the key, the endpoints in the order
     * asked, our application (its health, its errors as counted or told, its log, the route that Klaviyo delivers to),
     * and what was known before.
     */
    public record Findings(Instant at, Settings settings, StatusPage status, NetworkPath network, Probe auth,
                           List<Probe> endpoints, Check app, AppErrors errors, AppLog log, Check webhook,
                           Before before) {
        /** From so many tasks a processor on, what seems slow says nothing of others; what the tree is told then. */
        private static final int BUSY = 3;
        static final String BUSY_HERE = "it seems so to a machine that is busy itself";

        /** All checks in the order in which people read them. */
        public List<Check> checks() {
            List<Check> checks = new ArrayList<>(List.of(status.check(), network.check(), auth.check()));
            endpoints.forEach(probe -> checks.add(probe.check()));
            checks.addAll(List.of(limits().check(), revision(), app, errors.check(), log.check(), webhook));
            return checks;
        }

        /** What a log came to, well or not, and what is not well: those that failed first, equal findings together. */
        public List<Group> groups() {
            Stream<Check> read = Stream.of(log.check()).filter(check -> check.outcome() != Check.Outcome.SKIPPED);
            List<Check> all = checks();
            Stream<Check> unwell = Stream.of(Check.Outcome.FAIL, Check.Outcome.WARN)
                    .flatMap(outcome -> all.stream().filter(check -> check.outcome() == outcome));
            boolean refused = keyFaults().isEmpty() && !auth.samples().stream().allMatch(Symptom.NONE::is);
            return Group.of(Stream.concat(read, unwell).distinct().toList(), check -> refused && check == auth.check()
                    ? Symptom.describe(auth.samples().get(0))
                    : check.summary().replaceFirst("^(\\d+) of \\1 failed: ", ""));
        }

        /** The same with the status page as it was read at another time. */
        public Findings with(StatusPage page) {
            return new Findings(at, settings, page, network, auth, endpoints, app, errors, log, webhook, before);
        }

        /** The same with what an application's log says. */
        public Findings with(AppLog read) {
            return new Findings(at, settings, status, network, auth, endpoints, app, errors, read, webhook, before);
        }

        /** What the answers say about the account's rate limits. */
        public ApiChecks.RateLimits limits() {
            return ApiChecks.RateLimits.of(answers());
        }

        Check revision() {
            return ApiChecks.revision(settings.revision(), LocalDate.ofInstant(at, ZoneOffset.UTC));
        }

        /** Everything that the API answered, by endpoint. The accounts endpoint is asked by the key's check alone. */
        public Map<String, List<Answer>> answers() {
            Map<String, List<Answer>> answers = new LinkedHashMap<>();
            Stream.concat(Stream.of(auth), endpoints.stream()).filter(probe -> !probe.samples().isEmpty())
                    .forEach(probe -> answers.putIfAbsent(probe.endpoint().name(), probe.samples()));
            return answers;
        }

        /** The same in one row. */
        Stream<Answer> all() {
            return answers().values().stream().flatMap(List::stream);
        }

        /** Whose key it is, where that was told. */
        public Optional<ApiChecks.Account> account() {
            return auth.success().flatMap(ApiChecks.Account::in);
        }

        /** What it took, and what was left out: {@code 14 requests spent; not checked: app-log}. */
        public String spent() {
            String skipped = checks().stream().filter(check -> check.outcome() == Check.Outcome.SKIPPED)
                    .map(Check::name).collect(Collectors.joining(", "));
            return Text.count(requestsSpent(), "request") + " spent; not checked: "
                    + (skipped.isEmpty() ? "nothing" : skipped);
        }

        /** Remembers that all is well with this key, where it was told whose it is. */
        public void remember(Screen.Host host) throws IOException {
            if (account().isPresent()) {
                LastGood.remember(host, account().get().id(), account().get().name(), scopes(),
                        settings.key().orElseThrow(), at);
            }
        }

        /** The scopes that were seen to work. */
        public Set<String> scopes() {
            return endpoints.stream().filter(probe -> probe.success().isPresent())
                    .map(probe -> probe.endpoint().scope()).filter(scope -> !scope.isEmpty())
                    .collect(Collectors.toCollection(TreeSet::new));
        }

        /** The fingerprint of the application's own key, where its health endpoint tells it; or empty. */
        String applicationsKey() {
            return app.detail().path("keyFingerprint").asText();
        }

        List<String> keyFaults() {
            return settings.key().map(Key::faults).orElse(List.of());
        }

        /** Whether Klaviyo took the key: some request with it succeeded, or was refused for a scope alone. */
        boolean keyIsAccepted() {
            return all().anyMatch(Symptom.NONE::is) || auth.samples().stream().anyMatch(Symptom.FORBIDDEN::is);
        }

        /** Whether any request to the API was not answered as it should be. */
        public boolean apiFails() {
            return symptoms().keySet().stream().anyMatch(symptom -> symptom != Symptom.NONE);
        }

        /** Requests that reached Klaviyo's API, and so count against the account's quota. */
        public int requestsSpent() {
            return (int) all().filter(Symptom::counts).count();
        }

        /** How often each symptom came from the API. */
        public Map<Symptom, Integer> symptoms() {
            Map<Symptom, Integer> counts = new EnumMap<>(Symptom.class);
            answers().forEach((name, samples) -> telling(name, samples).forEach(symptom ->
                    counts.merge(symptom, 1, Integer::sum)));
            return counts;
        }

        /** Endpoints of which at least one sample shows such a symptom, accounts among them. */
        List<String> showing(Predicate<Symptom> some) {
            return answers().entrySet().stream()
                    .filter(one -> telling(one.getKey(), one.getValue()).anyMatch(some))
                    .map(Map.Entry::getKey).toList();
        }

        // Left out, for they say nothing of the service: a webhooks 403 (which may be the plan), an accounts 403 (the
        // key may do without), and a 429 of these two, whose one request a second our own probes can use up.
        private static Stream<Symptom> telling(String endpoint, List<Answer> samples) {
            boolean small = Set.of(Endpoint.ACCOUNTS.name(), Endpoint.WEBHOOKS.name()).contains(endpoint);
            return samples.stream().map(Symptom::of).filter(symptom -> !small
                    || symptom != Symptom.FORBIDDEN && symptom != Symptom.THROTTLED);
        }

        /** The share of API requests with some symptoms, 0 to 1. */
        double share(Predicate<Symptom> some) {
            Map<Symptom, Integer> symptoms = symptoms();
            int all = symptoms.values().stream().mapToInt(Integer::intValue).sum();
            return symptoms.entrySet().stream().filter(one -> some.test(one.getKey()))
                    .mapToInt(Map.Entry::getValue).sum() / (double) Math.max(1, all);
        }

        /** Whether most endpoints answer slowly. That may be this machine's doing, where others wait for it as well. */
        String slow() {
            if (endpoints.stream().filter(Probe::slow).count() * 2 <= endpoints.size()) {
                return "no";
            }
            return waiting() < BUSY ? "yes" : BUSY_HERE;
        }

        /**
         * How many tasks wait or run on each processor of this machine; negative where the system does not tell. A
         * property says it in its place, so that it can be tried.
         */
        private static double waiting() {
            OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
            double all = Double.parseDouble(System.getProperty("runbook.load", "" + system.getSystemLoadAverage()));
            return all / system.getAvailableProcessors();
        }

        /** Whether any server outside our own network answered, or at least let us connect. */
        boolean reachesAnything() {
            return network.reachesServer() || status.seen() || status.check().http() != null
                    || all().anyMatch(answer -> !(answer instanceof Fault fault)
                            || !fault.kind().unreached() && fault.kind() != Http.Kind.TIMEOUT);
        }

        /** Whether anything answers that speaks as Klaviyo's API does. */
        boolean klaviyoAnswers() {
            return symptoms().keySet().stream().anyMatch(symptom -> symptom != Symptom.FOREIGN);
        }

        /** Whether the application gets such a status from Klaviyo, as counted, told, or read in its log. */
        boolean appSees(String pattern) {
            return Stream.of(errors.byStatus(), log.byStatus()).flatMap(seen -> seen.keySet().stream())
                    .anyMatch(status -> status.matches(pattern));
        }

        /** Whether the application tells that it runs with another key than the one here, as that is stored. */
        boolean applicationHasOtherKey() {
            return !applicationsKey().isEmpty()
                    && settings.key().filter(key -> !key.fingerprint().equals(applicationsKey())).isPresent();
        }

        /** Whether what answers for the application is well with the key that is here, and Klaviyo takes that. */
        boolean applicationHasThisKey() {
            boolean same = settings.key().filter(key -> key.cleaned().fingerprint().equals(applicationsKey()))
                    .isPresent();
            return same && app.state().equals("yes") && keyIsAccepted();
        }

        /** Whether the application's calls show that Klaviyo takes its key, and that is not the one here. */
        boolean applicationWorksWithAnotherKey() {
            // Where other errors than those of a key are what ails it, its key is not the trouble.
            boolean suffers = appSees(".*");
            boolean looked = suffers || errors.check().state().equals("counted")
                    || log.check().state().equals("recent");
            boolean other = applicationsKey().isEmpty() ? looked : applicationHasOtherKey();
            boolean taken = suffers || app.state().equals("yes") || app.state().equals("degraded") && looked;
            return other && taken && !appSees("401");
        }

        /** Whether not all of the application gets a status: its log has it now, on fewer than nearly all calls. */
        boolean onSomeCalls(String status) {
            boolean counted = errors.byStatus().containsKey(status) && !applicationHasThisKey();
            return log.byStatus().containsKey(status) && !counted && !log.nearlyAll().contains(status);
        }

        /** On which of its calls the application gets a status, by its log; empty where that does not tell. */
        String onCalls(String status) {
            if (!onSomeCalls(status)) {
                return log.nearlyAll().contains(status) ? " on nearly all calls" : "";
            }
            long ofThis = log.byStatus().get(status);
            boolean outnumbered = log.byStatus().values().stream().anyMatch(count -> count > ofThis);
            return outnumbered ? " on fewer calls than another error" : " on some calls only";
        }
    }
}
