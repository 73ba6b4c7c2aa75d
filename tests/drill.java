///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Game day: takes a team through a whole incident, from the page to the closed postmortem, against a sandbox
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//FILES templates/=../templates/scenarios.json
//SOURCES Repository.java
//SOURCES ../runbook/BoundedBody.java
//SOURCES ../runbook/Cli.java
//SOURCES ../runbook/EnvironmentProxy.java
//SOURCES ../runbook/Http.java
//SOURCES ../runbook/HttpFaults.java
//SOURCES ../runbook/Incident.java
//SOURCES ../runbook/Key.java
//SOURCES ../runbook/Klaviyo.java
//SOURCES ../runbook/Lines.java
//SOURCES ../runbook/Message.java
//SOURCES ../runbook/PlainOnly.java
//SOURCES ../runbook/Screen.java
//SOURCES ../runbook/Settings.java
//SOURCES ../runbook/Text.java
//SOURCES ../runbook/TlsFault.java
//SOURCES ../runbook/Tool.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//SOURCES ../runbook/sandbox/WebServer.java
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import runbook.Text;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.sandbox.Sandbox;
import runbook.sandbox.Sandbox.Scenario;

@Command(
        name = "drill",
        mixinStandardHelpOptions = true,
        version = Cli.VERSION,
        sortOptions = false,
        description = {
            "A game day: the private key was revoked. Five commands take the team from the page to the closed"
                + " postmortem, against one sandbox that lives as long as this runs. Each command is shown before it"
                + " runs; type along in a second terminal."
        },
        footerHeading = "%nExit codes: 0 every step ended as it should; 1 one did not.%n%nExamples:%n",
        footer = {"  ./jbang drill", "  ./jbang drill --yes --lead Sam"})
class Drill implements Callable<Integer> {
    private static final String VARIABLE = "KLAVIYO_PRIVATE_KEY";

    public static void main(String... args) {
        System.exit(Cli.run(new Drill(), args));
    }

    @Option(names = {"-y", "--yes"}, description = "go on without waiting for Enter")
    boolean yes;

    @Option(
            names = "--lead",
            paramLabel = "NAME",
            defaultValue = "Game Day",
            description = "who leads the incident (${DEFAULT-VALUE})")
    String lead;

    @Mixin
    Cli shared = Cli.with("--no-color");

    /** One command of the incident, why it comes now, and how it has to end. */
    private record Step(String why, List<String> command, int exit) { }

    private Screen screen;
    private Path folder;

    @Override
    public Integer call() throws IOException, InterruptedException {
        screen = shared.screen();
        folder = Files.createDirectories(Path.of(
                        "klaviyo-game-day",
                        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "")))
                .toAbsolutePath();
        try (Sandbox sandbox = Sandbox.start(Scenario.of("revoked-key").orElseThrow())) {
            // The application reads its key from a dotenv file when it starts, as a real one would from its secret store.
            secret(".env", VARIABLE + "=" + sandbox.key() + "\n");
            secret("old-key", sandbox.key() + "\n");
            secret("new-key", sandbox.newKey() + "\n");
            sandbox.appKeyFile(folder.resolve(".env"), VARIABLE);
            Map<String, String> environment = environment(sandbox);
            introduce(environment);
            for (Step step : steps(sandbox)) {
                if (!run(step, environment)) {
                    return 1;
                }
            }
        }
        screen.line();
        screen.verdict(
                Mark.OK,
                "DRILL over: the incident is closed. Its folder, with journal, bundle and postmortem: "
                        + folder.resolve("klaviyo-incidents"));
        return 0;
    }

    private List<Step> steps(Sandbox sandbox) {
        String shop = "file:.env#" + VARIABLE;
        String restart = "exec:curl -fsS -X POST " + sandbox.restartUrl();
        return List.of(
                new Step(
                        "03:00, the pager says \"Klaviyo is broken\". What is broken, how bad, what next?",
                        List.of("triage", "--key-file", "old-key", "--lead", lead, "--announce", "both"),
                        11),
                new Step(
                        "The key was revoked, and a new one was made in Klaviyo. Rehearse replacing it, changing"
                                + " nothing:",
                        List.of(
                                "rotate-key",
                                "--key-file",
                                "old-key",
                                "--new-key-file",
                                "new-key",
                                "--to",
                                shop,
                                "--restart",
                                restart,
                                "--dry-run"),
                        0),
                new Step(
                        "Now in earnest: store it, read it back, restart, verify.",
                        List.of(
                                "rotate-key",
                                "--key-file",
                                "old-key",
                                "--new-key-file",
                                "new-key",
                                "--to",
                                shop,
                                "--restart",
                                restart,
                                "--verify-for",
                                "20s",
                                "--yes"),
                        0),
                new Step(
                        "Has it recovered? Not before several good rounds in a row.",
                        List.of(
                                "watch",
                                "--key-file",
                                "new-key",
                                "--interval",
                                "1s",
                                "--until",
                                "3",
                                "--for",
                                "3s",
                                "--max",
                                "90s"),
                        0),
                new Step(
                        "Evidence that is safe to share, collected while it is fresh.",
                        List.of("debug-bundle", "--key-file", "new-key", "--since", "1h"),
                        0),
                new Step(
                        "Something only people know goes into the journal.",
                        List.of("postmortem", "event", "Customers' e-mails went out again", "--by", lead),
                        0),
                new Step("The postmortem, mostly written already.", List.of("postmortem", "--lead", lead), 0),
                new Step("What is left for people to fill in?", List.of("postmortem", "--check"), 51),
                new Step(
                        "A drill may be closed without: in earnest, fill it in first.",
                        List.of("postmortem", "close", "--anyway"),
                        0));
    }

    private Map<String, String> environment(Sandbox sandbox) {
        return Map.of(
                "KLAVIYO_GAME_DAY",
                "revoked-key",
                "KLAVIYO_API_URL",
                sandbox.apiUrl().toString(),
                "KLAVIYO_STATUS_URL",
                sandbox.statusUrl().toString(),
                "KLAVIYO_APP_URL",
                sandbox.appUrl().toString(),
                "KLAVIYO_WEBHOOK_URL",
                sandbox.webhookUrl().toString(),
                "KLAVIYO_PROMETHEUS_URL",
                sandbox.prometheusUrl().toString());
    }

    private void introduce(Map<String, String> environment) {
        screen.heading("DRILL: a game day with a revoked key. Nothing here is real, and nothing leaves this machine.");
        screen.line("To type along in a second terminal while this one waits:");
        screen.command(2, "cd " + folder);
        environment.forEach((name, value) -> screen.command(2, "export " + name + "=" + value));
    }

    private boolean run(Step step, Map<String, String> environment) throws IOException, InterruptedException {
        screen.line();
        screen.heading("== " + step.why);
        screen.command(
                2,
                Text.word(Repository.file("jbang").toString()) + " "
                        + String.join(
                                " ", step.command.stream().map(Text::word).toList()));
        if (!yes && shared.host().terminal()) {
            System.console().readLine("Enter to run it ");
        }
        ProcessBuilder builder = new ProcessBuilder(Repository.file("jbang").toString())
                .inheritIO()
                .directory(folder.toFile());
        builder.command().addAll(step.command);
        builder.environment().putAll(environment);
        builder.environment().keySet().removeAll(List.of(VARIABLE, "KLAVIYO_NEW_PRIVATE_KEY", "SLACK_WEBHOOK_URL"));
        int exit = builder.start().waitFor();
        boolean asExpected = exit == step.exit;
        screen.marked(
                asExpected ? Mark.OK : Mark.FAIL,
                "",
                0,
                "exit code " + exit + (asExpected ? ", as it should be" : ", which should have been " + step.exit));
        return asExpected;
    }

    private void secret(String name, String content) throws IOException {
        Path file = folder.resolve(name);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, content);
    }
}
