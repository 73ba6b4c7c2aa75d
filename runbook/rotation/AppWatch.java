package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Prometheus;
import runbook.Settings;
import runbook.Text;
import runbook.Text.Durations;
import runbook.redact.Redactor;
import runbook.rotation.Steps.Done;
import runbook.rotation.Steps.Trouble;

/** Our application: its health, the key that it says it uses, and the errors that Prometheus counts. */
final class AppWatch {
    static final Duration INTERVAL = Duration.ofMillis(250);
    private static final Duration LONGEST_WATCH = Duration.ofSeconds(30);
    private static final int IN_A_ROW = 2;
    private static final long UNCOUNTED = -1;
    // Short enough to fall soon after a restart; long enough to span Prometheus's usual scrape interval twice.
    private static final String LAST_MINUTE = "sum by (status) (increase(klaviyo_api_errors_total[1m]))";

    /** From well to worse. */
    enum Health { NOT_ASKED, HEALTHY, DEGRADED, DOWN, UNREACHABLE }

    /** Words in the status field of common health endpoints (Spring, Rails, Kubernetes) that say it is not well. */
    private static final Map<Health, Pattern> WORDS = Map.of(
            Health.DEGRADED, Pattern.compile("(?i)degraded|warn(ing)?|partial|yellow|unstable"),
            Health.DOWN, Pattern.compile("(?i)down|fail(ed|ing|ure)?|error|unhealthy|critical|red|unavailable|false"
                    + "|out_of_service"));

    /** How it does, the same for one line, and the fingerprint of the key that it says it uses, where it does. */
    record State(Health health, String words, Optional<String> fingerprint) {
        static State of(Answer answer) {
            if (answer instanceof Fault fault) {
                return new State(Health.UNREACHABLE, fault.words(), Optional.empty());
            }
            Reply reply = (Reply) answer;
            String status = Stream.of("status", "state", "health", "healthy", "ok").map(reply.json()::path)
                    .filter(JsonNode::isValueNode).map(JsonNode::asText).findFirst().orElse("");
            Health said = WORDS.entrySet().stream().filter(word -> word.getValue().matcher(status).matches())
                    .map(Map.Entry::getKey).findFirst().orElse(Health.HEALTHY);
            // A bare "ok" is as good as JSON; a login page is not.
            boolean garbled = reply.json().isMissingNode()
                    && (reply.html() || reply.text().stripLeading().startsWith("{"));
            String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
            return new State(reply.status() / 100 != 2 ? Health.DOWN : garbled ? Health.DEGRADED : said,
                    "HTTP " + reply.status() + " in " + reply.millis() + " ms" + (body.isEmpty() ? "" : ": " + body),
                    Optional.ofNullable(reply.json().path("keyFingerprint").textValue()));
        }

        private boolean healthy() {
            return health.compareTo(Health.HEALTHY) <= 0;
        }

        private String wrongKey(Set<String> right) {
            return fingerprint.filter(one -> !right.contains(one))
                    .map(one -> "it says that it still uses another key, sha256 " + one).orElse("");
        }
    }

    private final Settings settings;
    private final Http http;
    private final Duration within;
    private final Consumer<String> waiting;
    private State before;
    private long errorsBefore;

    /** Gives the application so long to be well; {@code waiting} is told what it waits for. */
    AppWatch(Settings settings, Duration within, Consumer<String> waiting) {
        this.settings = settings;
        this.http = Http.of(settings.withKey(Optional.empty()));
        this.within = within;
        this.waiting = waiting;
    }

    /** Whether Prometheus is there to be asked. */
    boolean counts() {
        return settings.target().prometheus() != null;
    }

    /** How it was before anything changed. */
    State before() {
        return before;
    }

    /** Looks before anything changes; what an interrupted run did to it does not count as how it was. */
    Done begin(Optional<Progress> earlier) {
        State now = look();
        errorsBefore = errors();
        before = earlier.map(one -> new State(Health.valueOf(one.noted("app")), now.words,
                Optional.of(one.noted("appKey")).filter(key -> !key.isEmpty()))).orElse(now);
        if (now.health == Health.NOT_ASKED) {
            return Done.warn("nobody looks at it: give --app-url to have its health verified");
        }
        return now.healthy() ? Done.ok(now.words) : Done.warn("not healthy now: " + now.words);
    }

    private State look() {
        URI app = settings.target().app();
        return app == null ? new State(Health.NOT_ASKED, "", Optional.empty())
                : State.of(http.get(app, Map.of(), settings.probing().timeout()));
    }

    private long errors() {
        if (!counts()) {
            return UNCOUNTED;
        }
        Prometheus.Result counted = new Prometheus(http, settings.target().prometheus(), settings.probing().timeout())
                .instant(LAST_MINUTE);
        return counted.ok() ? Math.round(counted.sum().orElse(0)) : UNCOUNTED;
    }

    /** What the plan says of {@link #well}. */
    String plan() {
        return settings.target().app() == null ? "no --app-url: nobody looks at the application's health"
                : "healthy within " + Durations.words(within) + " by " + settings.target().app();
    }

    /** The application is healthy, and uses this key where it tells. */
    Done well(String key) throws Trouble {
        return await(now -> now.healthy() ? now.wrongKey(Set.of(key)) : now.words);
    }

    /**
     * The application is no worse than it was, and is seen with the key it had.
     *
     * @param keys   fingerprints of which it may use any, besides that which it used before
     * @param proven whether it has them by other evidence, should it not tell
     */
    Done asBefore(List<String> keys, boolean proven) throws Trouble {
        Set<String> right = Stream.concat(keys.stream(), before.fingerprint.stream()).collect(Collectors.toSet());
        Done done = await(now -> now.healthy() || now.health.compareTo(before.health) <= 0 ? now.wrongKey(right)
                : now.words);
        if (!proven && look().fingerprint.isEmpty()) {
            throw Trouble.unknown("nothing shows that it runs with the old key: its health tells no keyFingerprint, and"
                    + " a restart left no mark");
        }
        return done;
    }

    private Done await(Function<State, String> faults) throws Trouble {
        long end = System.nanoTime() + within.toNanos();
        int good = 0;
        String fault;
        do {
            State now = look();
            if (now.health == Health.NOT_ASKED) {
                return Done.warn("not looked at: no --app-url");
            }
            fault = faults.apply(now);
            good = fault.isEmpty() ? good + 1 : 0;
            if (good >= IN_A_ROW) {
                return Done.ok(now.words);
            }
            waiting.accept(fault.isEmpty() ? "" : "waiting for the application: " + fault);
        } while (pause(INTERVAL) && (good > 0 || end > System.nanoTime()));
        throw Trouble.unknown("not well within " + Durations.words(within) + ": " + fault);
    }

    /** What is counted for a while does not grow beyond what it was before. */
    Done steady() throws Trouble {
        Duration watch = within.dividedBy(4).compareTo(LONGEST_WATCH) < 0 ? within.dividedBy(4) : LONGEST_WATCH;
        long end = System.nanoTime() + within.toNanos();
        waiting.accept("watching its errors for " + Durations.words(watch));
        String seen;
        do {
            long first = errors();
            pause(watch);
            long last = errors();
            if (first == UNCOUNTED || last == UNCOUNTED) {
                return Done.warn("nobody counted them: Prometheus gave no answer");
            }
            seen = last + " in the last minute, " + Math.max(0, errorsBefore) + " in the minute before the rotation";
            if (last <= Math.max(first, errorsBefore)) {
                return Done.ok(seen);
            }
            waiting.accept("errors still rise: " + last + " in the last minute");
        } while (end > System.nanoTime());
        throw Trouble.unknown("its errors rise: " + seen);
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
}
