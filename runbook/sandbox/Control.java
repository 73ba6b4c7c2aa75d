package runbook.sandbox;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Changes a running {@link Sandbox}, and tells what it has seen. Safe for many threads; takes effect on the next request. */
public final class Control {
    private final World world;
    private final Application application;
    private final SlackSite slack;

    Control(World world, Application application, SlackSite slack) {
        this.world = world;
        this.application = application;
        this.slack = slack;
    }

    /** The scenario now in force. */
    public Scenario scenario() {
        return world.scenario();
    }

    /**
     * Goes over to another scenario; its schedule starts now. The sites' addresses stay: with {@code NO_NETWORK} they
     * drop connections instead of refusing them, and an expired certificate can only be had from the start.
     */
    public void scenario(Scenario next) {
        world.enter(next);
    }

    /** Delays every answer of every site by so much from now on. */
    public void latency(Duration latency) {
        world.latency = latency;
    }

    /** Moves the sandbox's time forward: rate windows open, schedules go on. */
    public void advance(Duration by) {
        world.clock.advance(by);
    }

    /** Disables or enables a private key, as a person does in Klaviyo's settings. Unknown keys are an {@link IllegalArgumentException}. */
    public void enabled(String key, boolean enabled) {
        known(key).enabled = enabled;
        world.changed();
    }

    /** Whether Klaviyo accepts this key. */
    public boolean accepts(String key) {
        return world.keyring.accepts(key);
    }

    /** The id under which the beta API lists this key. */
    public String keyId(String key) {
        return known(key).id;
    }

    /** Gives a key these scopes and no others. */
    public void scopes(String key, Set<String> scopes) {
        known(key).scopes = Set.copyOf(scopes);
        world.changed();
    }

    /** Makes another valid key of the responder's account. */
    public String issueKey(String name) {
        return world.keyring.issue(world.account, name, Keyring.USUAL_SCOPES).secret;
    }

    /** Opens another account, with rate limits of its own, and returns a valid key of it. */
    public String openAccount(String organisation) {
        return world.keyring.issue(world.keyring.account(organisation), "production", Keyring.USUAL_SCOPES).secret;
    }

    /** The id of the responder's account, which is its public key. */
    public String accountId() {
        return world.account.id();
    }

    /** The key that the application uses; null for none. */
    public String appKey() {
        return world.appKey();
    }

    /** Puts a key into the running application and into where it looks at a restart. */
    public void appKey(String key) {
        application.keySource(() -> java.util.Optional.ofNullable(key));
        world.appKey(key);
    }

    /** Lets the application read its key from a dotenv file's variable at each restart from now on; it keeps its present one until then. */
    public void appKeyFile(Path file, String variable) {
        application.keyFile(file, variable);
    }

    /** Restarts the application; false when {@link #failRestarts} told it to fail. */
    public boolean restartApp() {
        return application.restart();
    }

    /** How often the application has restarted. */
    public int restarts() {
        return application.restarts();
    }

    /** Makes the next restarts fail, the application going on with the key it has. */
    public void failRestarts(int times) {
        application.failRestarts(times);
    }

    /** Makes the application unhealthy (503) after each of the next restarts. */
    public void breakAfterRestarts(int times) {
        application.breakAfterRestarts(times);
    }

    /** Makes the application's health a 503, or well again. */
    public void appDown(boolean down) {
        application.broken(down);
    }

    /**
     * Puts an incident on the status page.
     *
     * @param impact {@code minor}, {@code major}, {@code critical} or {@code maintenance}
     * @param status {@code investigating}, {@code identified}, {@code monitoring}, {@code resolved}, …
     * @param componentStatus what "Klaviyo API" shows
     */
    public void statusPage(String name, String impact, String status, String componentStatus, String body) {
        int second = (int) Math.floorDiv(world.sinceScenario(), 1000L);
        world.incident(new VendorIncident(name, impact, List.of("Klaviyo API"),
                List.of(new VendorIncident.Update(second, status, componentStatus, body))));
    }

    /** Makes the status page all green. */
    public void statusPageGreen() {
        world.incident(null);
    }

    /** Requests seen so far, by {@code METHOD /path} for the API, by site and path for the others. */
    public Map<String, Integer> requests() {
        return new TreeMap<>(world.requests);
    }

    /** Forgets what {@link #requests} counted and opens every rate window anew. */
    public void forget() {
        world.requests.clear();
        world.windows.clear();
    }

    /** The texts of the messages that Slack has accepted, oldest first. */
    public List<String> slackPosts() {
        return slack.posts();
    }

    /** Makes Slack refuse the next posts with a 500. */
    public void failSlack(int times) {
        slack.fail(times);
    }

    private Keyring.ApiKey known(String key) {
        return world.keyring
                .bySecret(key)
                .orElseThrow(() -> new IllegalArgumentException("no such key in this sandbox"));
    }
}
