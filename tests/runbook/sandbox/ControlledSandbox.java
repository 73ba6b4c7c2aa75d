package runbook.sandbox;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;
import runbook.Settings.Templates;
import runbook.sandbox.FakeKlaviyo.Account;

/** A sandbox with hands: its time can be moved, its keys and its page changed, and it counts what it was asked. */
public final class ControlledSandbox extends Sandbox {
    /** Monotonic, as fast as wanted, and moved forward by hand. */
    private static final class Time implements InstantSource {
        private final Instant began = Instant.now();
        private final long nanos = System.nanoTime();
        private final AtomicLong skipped = new AtomicLong();
        private final double speed;

        private Time(double speed) {
            this.speed = speed;
        }

        @Override
        public Instant instant() {
            return began.plusMillis((long) ((System.nanoTime() - nanos) / 1e6 * speed) + skipped.get());
        }
    }

    private final Time time;
    private final String foreignKey = openAccount("Drill Outfitters Staging");
    private final Map<String, Integer> requests;
    private final List<String> posts = new CopyOnWriteArrayList<>();
    private final AtomicInteger refusals = new AtomicInteger();

    private ControlledSandbox(String scenario, Duration latency, Time time, Map<String, Integer> requests) {
        super(scenario(scenario), time, request -> {
            LockSupport.parkNanos(latency.toNanos());
            requests.merge(request, 1, Integer::sum);
        });
        this.time = time;
        this.requests = requests;
    }

    /** Starts one in real time. */
    public static ControlledSandbox start(String scenario) {
        return start(scenario, Duration.ZERO, 1);
    }

    /** Starts one whose schedules and rate windows run so many times as fast; at 0 its time stands still. */
    public static ControlledSandbox start(String scenario, Duration latency, double speed) {
        return new ControlledSandbox(scenario, latency, new Time(speed), new ConcurrentSkipListMap<>());
    }

    private static Scenario scenario(String id) {
        return Scenario.all(Templates.BUILT_IN).get(id);
    }

    /** Goes over to another scenario, whose schedule starts now. */
    public void enter(String scenario) {
        enter(scenario(scenario));
    }

    /** Moves the time forward: rate windows open, schedules go on. */
    public void advance(Duration by) {
        time.skipped.addAndGet(by.toMillis());
    }

    /** Requests seen so far, by {@code METHOD /path} for the API, by site and path for the others. */
    public Map<String, Integer> requests() {
        return new TreeMap<>(requests);
    }

    /** Forgets what {@link #requests} counted and opens every rate window anew. */
    public void forget() {
        requests.clear();
        advance(Duration.ofMinutes(1));
    }

    /** Disables or enables a private key, as a person does in Klaviyo's settings. */
    public void enabled(String key, boolean enabled) {
        klaviyo.bySecret.get(key).disabled = !enabled;
        changed();
    }

    /** Whether Klaviyo accepts this key. */
    public boolean accepts(String key) {
        return klaviyo.accepted(key).isPresent();
    }

    /** The id under which the beta API lists this key. */
    public String keyId(String key) {
        return klaviyo.bySecret.get(key).id;
    }

    /** What a key may do. */
    public Set<String> scopes(String key) {
        return klaviyo.bySecret.get(key).scopes;
    }

    /** Makes its Slack refuse the next so many messages. */
    public void refusePosts(int times) {
        refusals.set(times);
    }

    @Override
    Reply slack(JsonNode message) {
        if (refusals.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            return new Reply(500, "text/html", "rollup_error");
        }
        posts.add(message.path("text").asText());
        return super.slack(message);
    }

    /** The texts of the messages that its Slack has taken, oldest first. */
    public List<String> posts() {
        return List.copyOf(posts);
    }

    /** Gives a key these scopes and no others. */
    public void scopes(String key, Set<String> scopes) {
        klaviyo.bySecret.get(key).scopes = Set.copyOf(scopes);
        changed();
    }

    /** Opens another account, with rate limits of its own, and returns a valid key of it. */
    public String openAccount(String organisation) {
        return klaviyo.issue(new Account(organisation), false).secret;
    }

    /** A good key of another account. */
    public String foreignKey() {
        return foreignKey;
    }

    /** The id of the responder's account, which is its public key. */
    public String accountId() {
        return account.id();
    }

    /** Another valid key of the responder's account. */
    public String issueKey() {
        return klaviyo.issue(account, false).secret;
    }

    /** A valid access token of the responder's account. */
    public String openToken() {
        return klaviyo.issue(account, true).secret;
    }

    /**
     * Puts an incident on the status page.
     *
     * @param impact {@code minor}, {@code major}, {@code critical} or {@code maintenance}
     * @param status {@code investigating}, {@code identified}, {@code monitoring}, {@code resolved}, …
     * @param componentStatus what "Klaviyo API" shows
     */
    public void statusPage(String name, String impact, String status, String componentStatus, String body) {
        int second = (int) Math.floorDiv(millis() - since, 1000L);
        Page page = new Page(name, Impact.valueOf(impact.toUpperCase(Locale.ROOT)), List.of("Klaviyo API"),
                List.of(new Update(second, status, componentStatus, body)));
        scenario = new Scenario(scenario.id(), scenario.description(), scenario.credential(), scenario.revision(),
                scenario.broken(), scenario.certificate(), scenario.fails(), scenario.loop(), scenario.api(),
                Optional.of(page));
    }
}
