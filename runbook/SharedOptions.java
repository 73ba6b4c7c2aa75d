package runbook;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import runbook.sandbox.Sandbox;
import runbook.sandbox.Scenario;

/** The options that all five scripts share, and the settings that they add up to. */
public final class SharedOptions {
    /** Set by a game day, whose sandbox is in another process: every screen and artefact has to say DRILL. */
    private static final String GAME_DAY = "KLAVIYO_GAME_DAY";

    private static final Set<String> CARRIED = Set.of("--api-url", "--status-url", "--app-url", "--webhook-url",
            "--prometheus", "--revision", "--key-file", "--key-command", "--timeout", "--incident", "--drill");

    @Option(names = "--api-url", paramLabel = "URL", defaultValue = "https://a.klaviyo.com", order = 1010,
            description = "Klaviyo's API (KLAVIYO_API_URL; ${DEFAULT-VALUE})")
    String apiUrl;

    @Option(names = "--status-url", paramLabel = "URL", defaultValue = "https://status.klaviyo.com", order = 1011,
            description = "its status page (KLAVIYO_STATUS_URL; ${DEFAULT-VALUE})")
    String statusUrl;

    @Option(names = "--app-url", paramLabel = "URL", order = 1012,
            description = "our application's health endpoint (KLAVIYO_APP_URL)")
    String appUrl;

    @Option(names = "--webhook-url", paramLabel = "URL", order = 1013,
            description = "where Klaviyo delivers to us (KLAVIYO_WEBHOOK_URL)")
    String webhookUrl;

    @Option(names = "--prometheus", paramLabel = "URL", order = 1014,
            description = "anything that speaks its HTTP API (KLAVIYO_PROMETHEUS_URL)")
    String prometheusUrl;

    @Option(names = "--revision", paramLabel = "DATE", order = 1015,
            description = "API revision to ask for (KLAVIYO_REVISION; 2026-07-15)")
    String revision;

    @Option(names = "--key-file", paramLabel = "FILE", order = 1020,
            description = "private key from a file, - for standard input (else KLAVIYO_PRIVATE_KEY)")
    String keyFile;

    @Option(names = "--key-command", paramLabel = "CMD", order = 1021,
            description = "private key from a command's output")
    String keyCommand;

    @Option(names = "--timeout", paramLabel = "DURATION", defaultValue = "5s", order = 1030,
            description = "for each check (KLAVIYO_TIMEOUT; ${DEFAULT-VALUE})")
    Duration timeout;

    @Option(names = "--incident", paramLabel = "DIR", order = 1031,
            description = "the incident's folder (KLAVIYO_INCIDENT; the newest open one in ./klaviyo-incidents)")
    Path incident;

    @Option(names = "--json", order = 1040, description = "machine-readable on standard output, text on standard error")
    boolean json;

    @Option(names = "--drill", paramLabel = "SCENARIO", order = 1032, completionCandidates = Scenarios.class,
            description = "run against the embedded sandbox: ${COMPLETION-CANDIDATES}")
    String drill;

    @Option(names = "--no-color", order = 1041, description = "no colours (NO_COLOR does the same)")
    boolean noColor;

    @Option(names = "--completion", paramLabel = "SHELL", order = 1042, help = true,
            description = "print a completion script, for bash or zsh, and do nothing else")
    String completion;

    private Sandbox sandbox;

    /** The scenarios' names, for help and completion. */
    static final class Scenarios implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return names().iterator();
        }

        static List<String> names() {
            return Stream.of(Scenario.values()).map(Scenario::id).toList();
        }
    }

    /** Whether machine-readable output was asked for. */
    public boolean json() {
        return json;
    }

    /** The drill's scenario, or that of the game day around us ({@code ./jbang drill}); empty in earnest. */
    public Optional<String> drill() {
        return Optional.ofNullable(drill).or(() -> Optional.ofNullable(System.getenv(GAME_DAY)));
    }

    /** What follows the drill's scenario after a colon ({@code revoked-key:restart}), for scripts that have such variants. */
    public Optional<String> variant() {
        return drill().filter(name -> name.contains(":")).map(name -> name.substring(name.indexOf(':') + 1));
    }

    /** The time allowed for each check. */
    public Duration timeout() {
        return timeout;
    }

    /** The sandbox behind {@code --drill}; empty in earnest. Started once, by whoever asks first. */
    public Optional<Sandbox> sandbox() {
        if (drill != null && sandbox == null) {
            sandbox = Sandbox.start(Scenario.of(scenario(drill)).orElseThrow(() -> new Problem("--drill "
                    + Text.safe(drill, 40) + ": no such scenario" + Nearest.hint(drill, Scenarios.names()))));
            // Its servers' threads would hold up the exit, see Http.
            Runtime.getRuntime().addShutdownHook(new Thread(sandbox::close, "end-sandbox"));
        }
        return Optional.ofNullable(sandbox);
    }

    /** A screen on standard output, or on standard error under {@code --json}. */
    public Screen screen() {
        return json ? Screen.onError(noColor) : Screen.onOutput(noColor);
    }

    /**
     * Where to look and with which key; in a drill, the sandbox's.
     *
     * @throws Problem when an address, the key's source or the scenario is no such thing
     */
    public Settings settings() {
        Optional<Sandbox> drilled = sandbox();
        return new Settings(
                drilled.map(SharedOptions::targetOf).orElseGet(this::target),
                drilled.isPresent()
                        ? drilled.map(Sandbox::key).map(Key::of)
                        : KeySource.read("--key", keyFile, keyCommand, "KLAVIYO_PRIVATE_KEY"),
                Optional.ofNullable(revision)
                        .or(() -> drilled.map(Sandbox::revision))
                        .orElse(Revision.NEWEST.toString()),
                new Settings.Probing(timeout, 3, Duration.ofSeconds(2), Endpoint.KNOWN),
                new Settings.AppErrors(
                        List.of(), "sum by (status) (increase(klaviyo_api_errors_total[15m]))", "status"),
                drill(),
                drilled.isPresent() ? Map.of() : System.getenv());
    }

    private static Settings.Target targetOf(Sandbox sandbox) {
        return new Settings.Target(
                sandbox.apiUrl(), sandbox.statusUrl(), sandbox.appUrl(), sandbox.webhookUrl(), sandbox.prometheusUrl());
    }

    /** Where things are by the options, also in a drill, whose own addresses are gone when it ends. */
    public Settings.Target target() {
        return new Settings.Target(
                address("--api-url", apiUrl),
                address("--status-url", statusUrl),
                address("--app-url", appUrl),
                address("--webhook-url", webhookUrl),
                address("--prometheus", prometheusUrl));
    }

    /**
     * An http or https address without a trailing slash.
     *
     * @return null for null
     * @throws Problem that names the option, when the text is no such address
     */
    public static URI address(String option, String text) {
        if (text == null || text.isBlank()) {
            return null;
        }
        try {
            URI uri = new URI(text.strip().replaceFirst("/+$", ""));
            if (uri.getHost() != null
                    && List.of("http", "https")
                            .contains(String.valueOf(uri.getScheme()).toLowerCase())) {
                return uri;
            }
        } catch (URISyntaxException e) {
            // Said below, with what would be right.
        }
        throw new Problem(
                option + " " + Text.safe(text, 80) + " is no address: write http://HOST[:PORT][/PATH] or https://…");
    }

    /** How to paste the next script: started as this one was, with what was given here about where things are. */
    public Launcher launcher(ParseResult parsed) {
        String wrapper = System.getenv("KLAVIYO_RUNBOOK_COMMAND");
        String catalog = System.getenv().getOrDefault("KLAVIYO_RUNBOOK_CATALOG", "CATALOG");
        String options = parsed.matchedOptions().stream()
                .filter(option -> CARRIED.contains(option.longestName()))
                .map(option -> option.longestName() + " "
                        + Text.word(option.originalStringValues().get(0)))
                .collect(Collectors.joining(" "));
        return new Launcher(
                script -> wrapper == null ? "jbang " + script + "@" + catalog : Text.word(wrapper) + " " + script,
                options);
    }

    /** The incident named by {@code --incident}, else the newest open one here; drills of each scenario and real ones apart. */
    public Optional<Incident> incident() throws IOException {
        return incident != null ? Optional.of(Incident.at(incident)) : openIn(Path.of(Incident.BASE));
    }

    /** The open incident beside the one that {@code --incident} names, when that is a new one: perhaps the name was mistyped. */
    public Optional<Incident> besideNew() throws IOException {
        Path base = incident == null ? null : incident.toAbsolutePath().getParent();
        return base == null || Files.exists(Incident.at(incident).journal().file()) ? Optional.empty() : openIn(base);
    }

    private Optional<Incident> openIn(Path base) throws IOException {
        return Incident.newestOpen(base, this::ofOurKind);
    }

    /** A new incident's folder here. */
    public Incident newIncident(Instant at) {
        return Incident.named(Path.of(Incident.BASE), at, this::ofOurKind);
    }

    private boolean ofOurKind(String other) {
        return scenario(other).equals(scenario(drill().orElse("")));
    }

    // Without the variant, see variant().
    private static String scenario(String drill) {
        return drill.replaceFirst(":.*", "");
    }
}
