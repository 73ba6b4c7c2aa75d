package runbook.rotation;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import runbook.Checks;
import runbook.Checks.Deadline;
import runbook.Checks.Findings;
import runbook.Http.Reply;
import runbook.OurSide.AppErrors;
import runbook.OurSide.AppHealth;
import runbook.Settings;
import runbook.Text.Durations;
import runbook.rotation.Rotation.Done;
import runbook.rotation.Rotation.Trouble;

/**
 * Looks at our application with triage's own checks: its health, the key that it says it uses, and the errors that
 * Prometheus counts.
 */
final class AppWatch implements AutoCloseable {
    static final Duration INTERVAL = Duration.ofMillis(250);
    private static final Duration LONGEST_WATCH = Duration.ofSeconds(30);
    private static final int IN_A_ROW = 2;
    private static final long UNCOUNTED = -1;
    // Short enough to fall soon after a restart; long enough to span Prometheus's usual scrape interval twice.
    private static final String LAST_MINUTE = "sum by (status) (increase(klaviyo_api_errors_total[1m]))";

    /**
     * How our application does.
     *
     * @param health      what its health endpoint says
     * @param words       the same for one line
     * @param fingerprint of the key it says it uses ({@code keyFingerprint} in its health body); empty where it does
     *                    not say
     * @param errors      errors it got from Klaviyo within the last minute; -1 where nobody counts
     */
    record State(AppHealth.State health, String words, Optional<String> fingerprint, long errors) {
        boolean asked() {
            return health != AppHealth.State.NOT_ASKED;
        }

        boolean healthy() {
            return !asked() || health == AppHealth.State.HEALTHY;
        }

        private String wrongKey(Set<String> right) {
            return fingerprint.filter(one -> !right.contains(one)).map(one ->
                    "it says that it still uses another key, sha256 " + one).orElse("");
        }
    }

    private final Settings settings;
    private final Checks checks;
    private final Duration within;
    private final Consumer<String> waiting;

    /** Gives the application so long to be well; {@code waiting} is told what it waits for. */
    AppWatch(Settings settings, Duration within, Consumer<String> waiting) {
        this.settings = settings;
        this.checks = new Checks(settings.withKey(Optional.empty())
                .withApp(new Settings.AppErrors(List.of(), LAST_MINUTE)));
        this.within = within;
        this.waiting = waiting;
    }

    /** Whether Prometheus is there to be asked. */
    boolean counts() {
        return settings.target().prometheus() != null;
    }

    State look() {
        Findings found = checks.run(Set.of("app", "app-errors"));
        long errors = found.errors().state() == AppErrors.State.KNOWN
                ? found.errors().byStatus().values().stream().mapToLong(Long::longValue).sum() : UNCOUNTED;
        return new State(found.app().state(), found.app().check().summary(), fingerprint(), errors);
    }

    private Optional<String> fingerprint() {
        return settings.target().app() != null
                && checks.http().get(settings.target().app(), Map.of(), settings.probing()
                        .timeout()) instanceof Reply reply
                ? Optional.ofNullable(reply.json().path("keyFingerprint").textValue()) : Optional.empty();
    }

    /** The application is healthy, and uses this key where it tells. */
    Done well(String key) throws Trouble {
        return await(now -> now.healthy() ? now.wrongKey(Set.of(key)) : now.words());
    }

    /**
     * The application is no worse than it was, and is seen with the key it had.
     *
     * @param keys   fingerprints of which it may use any
     * @param proven whether it has them by other evidence, should it not tell
     */
    Done asBefore(State before, Set<String> keys, boolean proven) throws Trouble {
        Done done = await(now -> now.healthy() || now.health.compareTo(before.health) <= 0 ? now.wrongKey(keys)
                : now.words());
        if (!proven && look().fingerprint.isEmpty()) {
            throw new Trouble(Trouble.Kind.UNKNOWN, "nothing shows that it runs with the old key: its health"
                    + " tells no keyFingerprint, and" + " a restart left no mark", "");
        }
        return done;
    }

    private Done await(Function<State, String> faults) throws Trouble {
        Deadline deadline = Deadline.in(within);
        int good = 0;
        String fault;
        do {
            State now = look();
            if (!now.asked()) {
                return Done.warn("not looked at: no --app-url");
            }
            fault = faults.apply(now);
            good = fault.isEmpty() ? good + 1 : 0;
            if (good >= IN_A_ROW) {
                return Done.ok(now.words());
            }
            waiting.accept(fault.isEmpty() ? "" : "waiting for the application: " + fault);
        } while (pause(INTERVAL) && (good > 0 || deadline.nanos() > System.nanoTime()));
        throw new Trouble(Trouble.Kind.UNKNOWN, "not well within " + Durations.words(within) + ": " + fault, "");
    }

    /** What is counted for a while does not grow beyond what it was before. */
    Done steady(State before) throws Trouble {
        Duration watch = within.dividedBy(4).compareTo(LONGEST_WATCH) < 0 ? within.dividedBy(4) : LONGEST_WATCH;
        Deadline deadline = Deadline.in(within);
        waiting.accept("watching its errors for " + Durations.words(watch));
        String seen;
        do {
            State first = look();
            pause(watch);
            State last = look();
            if (first.errors == UNCOUNTED || last.errors == UNCOUNTED) {
                return Done.warn("nobody counted them: Prometheus gave no answer");
            }
            seen = last.errors + " in the last minute, " + Math.max(0, before.errors)
                    + " in the minute before the rotation";
            if (last.errors <= Math.max(first.errors, before.errors)) {
                return Done.ok(seen);
            }
            waiting.accept("errors still rise: " + last.errors + " in the last minute");
        } while (deadline.nanos() > System.nanoTime());
        throw new Trouble(Trouble.Kind.UNKNOWN, "its errors rise: " + seen, "");
    }

    /** Waits; false when it was interrupted. */
    static boolean pause(Duration duration) {
        try {
            Thread.sleep(duration.toMillis());
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void close() {
        checks.close();
    }
}
