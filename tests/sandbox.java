///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION A Klaviyo to try things against: serves a drill's sandbox on loopback until it is interrupted
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
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.*;
import runbook.Settings.Problem;
import runbook.sandbox.*;
import runbook.sandbox.Sandbox.Scenario;

@Command(name = "sandbox", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        description = "Serves a fake Klaviyo, status page, application and Prometheus on loopback, as strict as the "
                + "real ones, and writes the variables that lead there into a file to source, which goes when it ends.",
        footerHeading = "%nExit codes: 130 interrupted; 2 wrong usage.%n%nExamples:%n",
        footer = {"  jbang sandbox@org outage", "  . ./klaviyo-sandbox.env && jbang triage@org"})
class ServeSandbox implements Callable<Integer> {
    public static void main(String... args) {
        System.exit(Cli.run(new ServeSandbox(), Screen.Host.ofProcess(), args));
    }

    @Parameters(arity = "0..1", paramLabel = "SCENARIO", defaultValue = "healthy",
            description = "a drill's scenario (${DEFAULT-VALUE}); an unknown one lists them")
    String scenario;

    @Option(names = "--env", paramLabel = "FILE", defaultValue = "klaviyo-sandbox.env",
            description = "where to write the variables (${DEFAULT-VALUE})")
    String env;

    @Mixin
    Cli shared = new Cli();

    @Override
    public Integer call() throws IOException, InterruptedException {
        Map<String, Scenario> all = Scenario.all(shared.templates());
        if (!all.containsKey(scenario)) {
            throw new Problem("SCENARIO " + Text.safe(scenario, 40) + " is none of " + String.join(", ", all.keySet()));
        }
        Path file = shared.host().path(env).toAbsolutePath();
        Path folder = Files.createTempDirectory("klaviyo-sandbox");
        try (Sandbox sandbox = new Sandbox(all.get(scenario))) {
            Practice practice = Practice.prepare(folder, sandbox, shared);
            String variables = Files.readString(practice.variables());
            // Without its sandbox the file leads nowhere; unless it is another sandbox's by then.
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                try {
                    practice.remove();
                    Files.deleteIfExists(Files.readString(file).equals(variables) ? file : practice.variables());
                } catch (IOException e) {
                    // Somebody has removed it already.
                }
            }));
            write(file, variables);
            Screen screen = shared.screen();
            screen.heading("DRILL " + scenario + ": a sandbox at " + sandbox.target().api() + ", until Ctrl-C");
            screen.line("In a second terminal:");
            screen.command(2, ". " + Text.word(file.toString()) + " && " + shared.launcher().command("triage"));
            screen.line("rotate-key knows from there where the application's key is kept (" + folder.resolve(".env")
                    + "), how to restart it, and a new key; its log: " + folder.resolve("app.log"));
            new CountDownLatch(1).await();
            return 0;
        }
    }

    private static void write(Path file, String variables) {
        try {
            new Incident(file.getParent()).write(file.getFileName().toString(),
                    variables.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            String place = Text.safe(file.toString(), 200);
            throw new Problem("--env " + place + " cannot be written (" + Incident.why(e) + ")");
        }
    }
}
