package runbook.sandbox;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Collectors;
import runbook.sandbox.Behaviour.KeyCase;
import runbook.sandbox.Keyring.Account;
import runbook.sandbox.Keyring.ApiKey;
import runbook.sandbox.Traffic.Outcome;

/** What all sites share: the time, the scenario, the keys, the application's traffic. Safe for many threads. */
final class World {
    private static final Set<String> WITHOUT_EVENTS = Keyring.USUAL_SCOPES.stream()
            .filter(scope -> !scope.startsWith("events:")).collect(Collectors.toUnmodifiableSet());

    final SandboxClock clock;
    final Keyring keyring;
    final Traffic traffic = new Traffic();
    final RateWindows windows = new RateWindows();
    final Map<String, Integer> requests = new ConcurrentSkipListMap<>();
    final Account account;
    final ApiKey key;
    private final ApiKey stale;
    private final ApiKey spare;
    private final ApiKey foreign;
    volatile Duration latency;
    volatile URI apiUrl;
    volatile URI webhookUrl;
    private volatile Scenario scenario;
    private volatile VendorIncident incident;
    private volatile long since;
    private volatile String appKey;

    World(Scenario scenario, Duration latency, SandboxClock clock) {
        this.clock = clock;
        this.latency = latency;
        keyring = new Keyring(clock.wall(0));
        account = keyring.account("Drill Outfitters");
        stale = keyring.issue(account, "previous production key", Keyring.USUAL_SCOPES);
        stale.enabled = false;
        key = keyring.issue(account, "production", Keyring.USUAL_SCOPES);
        spare = keyring.issue(account, "production (new)", Keyring.USUAL_SCOPES);
        foreign = keyring.issue(keyring.account("Drill Outfitters Staging"), "staging", Keyring.USUAL_SCOPES);
        appKey = key.secret;
        enter(scenario, Traffic.ONSET);
    }

    synchronized void enter(Scenario next) {
        enter(next, clock.millis());
    }

    private void enter(Scenario next, long onset) {
        scenario = next;
        since = Math.max(0, onset);
        Behaviour behaviour = next.behaviour();
        incident = behaviour.incident();
        key.enabled = behaviour.key() != KeyCase.REVOKED;
        key.scopes = behaviour.key() == KeyCase.UNSCOPED ? WITHOUT_EVENTS : Keyring.USUAL_SCOPES;
        if (behaviour.appStale()) {
            appKey = stale.secret;
        } else if (stale.secret.equals(appKey)) {
            appKey = key.secret;
        }
        replan(onset);
    }

    /** To be called after any change that the application's calls would notice. */
    synchronized void changed() {
        replan(clock.millis());
    }

    private void replan(long from) {
        List<Long> turns = behaviour().api().phases().stream().map(phase -> since + phase.fromSecond() * 1000L).toList();
        traffic.replan(from, turns, this::outcome);
    }

    private Outcome outcome(long at) {
        ApiFault fault = behaviour().api().at(at - since);
        Outcome faulty = new Outcome(fault.appStatus, fault.appShare);
        if (fault.appShare == 1) {
            return faulty;
        } else if (!keyring.accepts(appKey)) {
            return new Outcome(401, 1);
        } else if (!keyring.bySecret(appKey).orElseThrow().scopes.contains("events:write")) {
            return new Outcome(403, 0.5);
        } else if (fault != ApiFault.NONE) {
            return faulty;
        }
        return switch (behaviour().appStatus()) {
            case 0 -> Outcome.WELL;
            // Only some payloads are bad; a retired revision fails them all.
            case 400 -> new Outcome(400, 0.2);
            default -> new Outcome(behaviour().appStatus(), 1);
        };
    }

    Scenario scenario() {
        return scenario;
    }

    Behaviour behaviour() {
        return scenario.behaviour();
    }

    ApiFault fault() {
        return behaviour().api().at(sinceScenario());
    }

    /** Milliseconds since the scenario began. */
    long sinceScenario() {
        return clock.millis() - since;
    }

    /** When the scenario began, as {@link SandboxClock#millis()} counts. */
    long scenarioBegan() {
        return since;
    }

    VendorIncident incident() {
        return incident;
    }

    void incident(VendorIncident now) {
        incident = now;
    }

    String appKey() {
        return appKey;
    }

    synchronized void appKey(String now) {
        appKey = now;
        replan(clock.millis());
    }

    /** What a responder holds in this scenario; null for none. */
    String responderKey() {
        KeyCase held = behaviour().key();
        return held == KeyCase.MISSING ? null : held == KeyCase.MALFORMED ? account.id() : key.secret;
    }

    String spareKey() {
        return spare.secret;
    }

    String foreignKey() {
        return foreign.secret;
    }

    void count(String endpoint) {
        requests.merge(endpoint, 1, Integer::sum);
    }

    static void pause(Duration delay) {
        try {
            Thread.sleep(delay.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
