///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION Game day: takes a team through a whole incident, from the page to the closed postmortem, against a sandbox
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=../templates/team.properties
//FILES templates/=../templates/scenarios.json
//SOURCES Practice.java
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
//SOURCES ../runbook/redact/Redactor.java
//SOURCES ../runbook/redact/Rules.java
//SOURCES ../runbook/redact/View.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.*;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.sandbox.*;
import runbook.sandbox.Sandbox.Scenario;

@Command(name = "drill", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        description = "A game day: commands that take a team from the page to the closed postmortem, against one "
                + "sandbox that lives as long as this runs. Each is shown before it runs; type along in a second "
                + "terminal.",
        footerHeading = "%nExit codes: 0 every step ended as it should; 1 one did not; 2 wrong usage.%n%nExamples:%n",
        footer = {"  jbang drill@org", "  jbang drill@org runaway-loop --yes --lead Sam"})
class GameDay implements Callable<Integer> {
    /** A line a command: how it has to end, the command, and why it comes now. */
    private static final Map<String, String> DAYS = Map.of("revoked-key", """
            11|triage --announce both --lead LEAD|\
            03:00, the pager says "Klaviyo is broken". What is broken, how bad, what next?
            TOLD
            0|rotate-key --dry-run|The key was revoked, and a new one was made in Klaviyo. Rehearse replacing it:
            0|rotate-key --verify-for 5s --yes|Now in earnest: store it, read it back, restart, verify.
            """, "recovering", """
            11|triage --announce both --lead LEAD|03:00, the pager says "Klaviyo is broken". Is it Klaviyo, or is it us?
            TOLD
            """, "runaway-loop", """
            12|triage --log app.log --announce internal --lead LEAD|\
            03:00, the pager says "429 from Klaviyo". Who makes all these calls?
            TOLD
            """);
    private static final String TOLD = "0|postmortem event 'told people' --kind announced --by LEAD|"
            + "The messages were sent: on record, or nobody knows later when people were told.";
    private static final String EVERY_DAY = """
            0|watch KEY--interval 1s --until 3 --for 3s --max 120s|\
            Has it recovered? Not before several good rounds in a row.
            0|debug-bundle KEY--since 1h|Evidence that is safe to share, collected while it is fresh.
            0|postmortem event 'The e-mails of customers went out again' --by LEAD|\
            Something only people know goes into the journal.
            0|postmortem --lead LEAD|The postmortem, mostly written already.
            51|postmortem --check|What is left for people to fill in?
            0|postmortem close --anyway|A drill may be closed without: in earnest, fill it in first.
            """;

    public static void main(String... args) {
        System.exit(Cli.run(new GameDay(), Screen.Host.ofProcess(), args));
    }

    @Parameters(arity = "0..1", paramLabel = "SCENARIO", defaultValue = "revoked-key",
            description = "revoked-key (${DEFAULT-VALUE}), recovering (an outage that ends) or runaway-loop "
                    + "(one caller eats the rate limit)")
    String scenario;

    @Option(names = {"-y", "--yes"}, description = "go on without waiting for Enter")
    boolean yes;

    @Option(names = "--lead", paramLabel = "NAME", defaultValue = "Game Day",
            description = "who leads the incident (${DEFAULT-VALUE})")
    String lead;

    @Mixin
    Cli shared = new Cli();

    private Screen screen;
    private Path folder;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Map<String, Scenario> all = Scenario.all(shared.templates());
        if (!DAYS.containsKey(scenario)) {
            throw new Problem("SCENARIO " + Text.safe(scenario, 40) + ": give revoked-key, recovering or runaway-loop");
        } else if (!all.keySet().containsAll(List.of(scenario, "healthy"))) {
            throw new Problem("--templates: its scenarios.json has no " + scenario + " or no healthy");
        } else if (!shared.launcher().notes().isEmpty()) {
            throw new Problem("a game day starts the other steps, and does not know how: "
                    + String.join("; ", shared.launcher().notes()));
        }
        screen = shared.screen();
        String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "");
        folder = shared.host().path("klaviyo-game-day").resolve(now).toAbsolutePath();
        try (Sandbox sandbox = new Sandbox(all.get(scenario))) {
            Practice.prepare(folder, sandbox, shared);
            introduce();
            for (String line : day().split("\n")) {
                String[] step = line.split("\\|");
                if (step[1].startsWith("watch") && scenario.equals("runaway-loop")) {
                    screen.line();
                    screen.line("(In the meantime somebody stops the caller that triage named.)");
                    sandbox.enter(all.get("healthy"));
                }
                if (!run(Integer.parseInt(step[0]), step[1], step[2])) {
                    return 1;
                }
            }
        }
        screen.line();
        screen.verdict(Mark.OK, "DRILL over: the incident is closed. Its folder, with journal, bundle and postmortem: "
                + folder.resolve("klaviyo-incidents"));
        return 0;
    }

    private String day() {
        return (DAYS.get(scenario) + EVERY_DAY).replace("TOLD", TOLD).replace("LEAD", Text.word(lead))
                .replace("KEY--", scenario.equals("revoked-key") ? "--key-file new-key --" : "--");
    }

    private void introduce() {
        screen.heading("DRILL " + scenario + ": a game day. Nothing here is real, and nothing leaves this machine.");
        screen.line("To type along in a second terminal while this one waits:");
        screen.command(2, "cd " + Text.word(folder.toString()) + " && . ./sandbox.env");
        screen.line("All these commands meet one sandbox, in which time passes: counts grow from one to the next. "
                + "(With --drill, each command starts a sandbox of its own at the scenario's beginning.)");
    }

    /** What starts a step in the game day's folder, where nothing is found that is named from here. */
    private String command(String step) {
        String command = shared.launcher().command(step);
        Optional<String> wrapper = shared.host().env("KLAVIYO_RUNBOOK_COMMAND").filter(path -> path.contains("/"));
        if (wrapper.isPresent()) {
            return absolute(wrapper.get()) + " " + step;
        }
        return command.equals("jbang " + step + ".java") ? "jbang " + absolute(step + ".java") : command;
    }

    private String absolute(String path) {
        return Text.word(shared.host().path(path).toAbsolutePath().normalize().toString());
    }

    private boolean run(int ends, String step, String why) throws IOException, InterruptedException {
        String line = command(step.split(" ")[0]) + step.replaceFirst("^\\S+", "");
        screen.line();
        screen.heading("== " + why);
        screen.command(2, line);
        if (!yes && shared.host().terminal()) {
            System.console().readLine("Enter to run it ");
        }
        ProcessBuilder builder = new ProcessBuilder("sh", "-c", ". ./sandbox.env\n" + line);
        builder.environment().remove("KLAVIYO_NEW_PRIVATE_KEY");
        int exit = builder.inheritIO().directory(folder.toFile()).start().waitFor();
        boolean right = exit == ends;
        screen.marked(right ? Mark.OK : Mark.FAIL, "", 0,
                "exit code " + exit + (right ? ", as it should be" : ", which should have been " + ends));
        return right;
    }
}
