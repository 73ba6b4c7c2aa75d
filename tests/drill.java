///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -proc:none -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Game day: takes a team through a whole incident, from the page to the closed postmortem, against a sandbox
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS org.jsoup:jsoup:1.24.1
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=../templates/team.properties
//FILES templates/=../templates/scenarios.json
//SOURCES ../runbook/Cli.java
//SOURCES ../runbook/Http.java
//SOURCES ../runbook/Incident.java
//SOURCES ../runbook/Key.java
//SOURCES ../runbook/Klaviyo.java
//SOURCES ../runbook/Message.java
//SOURCES ../runbook/Screen.java
//SOURCES ../runbook/Settings.java
//SOURCES ../runbook/Text.java
//SOURCES ../runbook/Tool.java
//SOURCES ../runbook/redact/Encoded.java
//SOURCES ../runbook/redact/Redactor.java
//SOURCES ../runbook/redact/Rules.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.sandbox.Sandbox;
import runbook.sandbox.Sandbox.Scenario;

@Command(name = "drill", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        description = "A game day: commands that take a team from the page to the closed postmortem, against one sandbox that "
                + "lives as long as this runs. Each is shown before it runs; type along in a second terminal.",
        footerHeading = "%nExit codes: 0 every step ended as it should; 1 one did not; 2 wrong usage.%n%nExamples:%n",
        footer = {"  jbang drill@org", "  jbang drill@org runaway-loop --yes --lead Sam"})
class GameDay implements Callable<Integer> {
    private static final String KEY = "KLAVIYO_PRIVATE_KEY";
    private static final String ROTATION = "--key-file old-key --new-key-file new-key --to file:.env#" + KEY + " --restart ";
    private static final Consumer<Sandbox> NOTHING = sandbox -> { };

    public static void main(String... args) {
        System.exit(Cli.run(new GameDay(), args));
    }

    @Parameters(arity = "0..1", paramLabel = "SCENARIO", defaultValue = "revoked-key",
            description = "revoked-key (${DEFAULT-VALUE}), recovering (an outage that ends) or runaway-loop (one caller eats the "
                    + "rate limit)")
    String scenario;

    @Option(names = {"-y", "--yes"}, description = "go on without waiting for Enter")
    boolean yes;

    @Option(names = "--lead", paramLabel = "NAME", defaultValue = "Game Day",
            description = "who leads the incident (${DEFAULT-VALUE})")
    String lead;

    @Mixin
    Cli shared = Cli.with("--no-color", "--templates");

    /** One command of the incident, why it comes now, how it has to end, and what somebody did in the meantime. */
    private record Step(String why, String script, String arguments, int exit, Consumer<Sandbox> meanwhile) { }

    private Screen screen;
    private Path folder;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Scenario chosen = Scenario.of(shared.templates(), scenario).orElse(null);
        if (chosen == null || !List.of("revoked-key", "recovering", "runaway-loop").contains(scenario)) {
            throw new Problem("SCENARIO " + Text.safe(scenario, 40) + ": give revoked-key, recovering or runaway-loop");
        }
        screen = shared.screen();
        String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "");
        folder = Files.createDirectories(shared.host().path("klaviyo-game-day").resolve(now)).toAbsolutePath();
        try (Sandbox sandbox = new Sandbox(chosen)) {
            prepare(sandbox);
            for (Step step : steps(sandbox)) {
                if (!run(step, sandbox)) {
                    return 1;
                }
            }
        }
        screen.line();
        screen.verdict(Mark.OK, "DRILL over: the incident is closed. Its folder, with journal, bundle and postmortem: "
                + folder.resolve("klaviyo-incidents"));
        return 0;
    }

    private void prepare(Sandbox sandbox) throws IOException {
        Map<String, String> variables = sandbox.variables();
        StringBuilder exports = new StringBuilder();
        variables.forEach((name, value) -> exports.append("export ").append(name).append('=').append(Text.word(value)).append('\n'));
        secret("sandbox.env", exports.toString());
        if (scenario.equals("revoked-key")) {
            // The application reads its key from a dotenv file when it starts, as a real one would from its secret store.
            secret(".env", KEY + "=" + sandbox.key() + "\n");
            secret("old-key", sandbox.key() + "\n");
            secret("new-key", sandbox.newKey() + "\n");
            sandbox.appKeyFile(folder.resolve(".env"), KEY);
        }
        secret("app.log", sandbox.applicationLog());
        screen.heading("DRILL " + scenario + ": a game day. Nothing here is real, and nothing leaves this machine.");
        screen.line("To type along in a second terminal while this one waits:");
        screen.command(2, "cd " + Text.word(folder.toString()) + " && . ./sandbox.env");
    }

    private List<Step> steps(Sandbox sandbox) {
        String restart = Text.word("exec:curl -fsS -X POST " + sandbox.restartUrl());
        String name = Text.word(lead);
        List<Step> steps = new ArrayList<>();
        switch (scenario) {
            case "revoked-key" -> {
                steps.add(step("03:00, the pager says \"Klaviyo is broken\". What is broken, how bad, what next?",
                        "triage", "--key-file old-key --announce both --lead " + name, 11));
                steps.add(step("The key was revoked, and a new one was made in Klaviyo. Rehearse replacing it:",
                        "rotate-key", ROTATION + restart + " --dry-run", 0));
                steps.add(step("Now in earnest: store it, read it back, restart, verify.",
                        "rotate-key", ROTATION + restart + " --verify-for 5s --yes", 0));
                steps.add(recovery("--key-file new-key ", NOTHING));
            }
            case "recovering" -> {
                steps.add(step("03:00, the pager says \"Klaviyo is broken\". Is it Klaviyo, or is it us?",
                        "triage", "--announce both --lead " + name, 11));
                steps.add(recovery("", NOTHING));
            }
            default -> {
                steps.add(step("03:00, the pager says \"429 from Klaviyo\". Who makes all these calls?",
                        "triage", "--log app.log --announce internal --lead " + name, 12));
                steps.add(recovery("", healed -> {
                    screen.line("(In the meantime somebody stops the caller that triage named.)");
                    healed.enter(Scenario.of(shared.templates(), "healthy").orElseThrow());
                }));
            }
        }
        String key = scenario.equals("revoked-key") ? "--key-file new-key " : "";
        steps.add(step("Evidence that is safe to share, collected while it is fresh.", "debug-bundle",
                key + "--since 1h --log app.log", 0));
        steps.add(step("Something only people know goes into the journal.", "postmortem",
                "event 'The e-mails of customers went out again' --by " + name, 0));
        steps.add(step("The postmortem, mostly written already.", "postmortem", "--lead " + name, 0));
        steps.add(step("What is left for people to fill in?", "postmortem", "--check", 51));
        steps.add(step("A drill may be closed without: in earnest, fill it in first.", "postmortem", "close --anyway", 0));
        return steps;
    }

    private static Step step(String why, String script, String arguments, int exit) {
        return new Step(why, script, arguments, exit, NOTHING);
    }

    private static Step recovery(String key, Consumer<Sandbox> meanwhile) {
        return new Step("Has it recovered? Not before several good rounds in a row.", "watch",
                key + "--interval 1s --until 3 --for 3s --max 120s", 0, meanwhile);
    }

    private boolean run(Step step, Sandbox sandbox) throws IOException, InterruptedException {
        String line = shared.launcher().command(step.script) + " " + step.arguments;
        screen.line();
        screen.heading("== " + step.why);
        step.meanwhile.accept(sandbox);
        screen.command(2, line);
        if (!yes && shared.host().terminal()) {
            System.console().readLine("Enter to run it ");
        }
        ProcessBuilder builder = new ProcessBuilder("sh", "-c", line).inheritIO().directory(folder.toFile());
        builder.environment().putAll(sandbox.variables());
        builder.environment().remove("KLAVIYO_NEW_PRIVATE_KEY");
        int exit = builder.start().waitFor();
        boolean right = exit == step.exit;
        screen.marked(right ? Mark.OK : Mark.FAIL, "", 0,
                "exit code " + exit + (right ? ", as it should be" : ", which should have been " + step.exit));
        return right;
    }

    private void secret(String name, String content) throws IOException {
        Path file = folder.resolve(name);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, content);
    }
}
