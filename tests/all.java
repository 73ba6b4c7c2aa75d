///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Runs the tests of this repository
//DEPS org.junit.jupiter:junit-jupiter:5.14.4
//DEPS org.junit.platform:junit-platform-console:1.14.4
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//FILES META-INF/services/org.junit.platform.launcher.TestExecutionListener=listener.txt
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xlog:disable

// What the tests reach into
//SOURCES ../runbook/cli/package-info.java
//SOURCES ../runbook/verdict/package-info.java
//SOURCES ../runbook/bundle/package-info.java
//SOURCES ../runbook/redact/package-info.java
//SOURCES ../runbook/message/package-info.java
//SOURCES ../runbook/rotation/package-info.java
//SOURCES ../runbook/report/package-info.java
//SOURCES ../runbook/sandbox/package-info.java
//SOURCES ../runbook/watching/package-info.java

// Helpers that the tests share
//SOURCES Certificates.java
//SOURCES Canaries.java
//SOURCES Cli.java
//SOURCES FakeAws.java
//SOURCES FakeGcp.java
//SOURCES FakeKubernetes.java
//SOURCES FaultServer.java
//SOURCES FileServer.java
//SOURCES LoopbackServer.java
//SOURCES PostmortemJournals.java
//SOURCES ProxyServer.java
//SOURCES Readme.java
//SOURCES Recording.java
//SOURCES Repository.java
//SOURCES RotationRuns.java
//SOURCES RotationScene.java
//SOURCES ScriptCommand.java
//SOURCES StandIns.java
//SOURCES ScriptedServer.java
//SOURCES TestReport.java
//SOURCES Tree.java
//SOURCES TriageRun.java

// The tests, one line each (CatalogTest fails when one is missing here)
//SOURCES CatalogTest.java
//SOURCES CliTest.java
//SOURCES DebugBundleTest.java
//SOURCES FaultTest.java
//SOURCES FleetTest.java
//SOURCES GameDayTest.java
//SOURCES MessageTest.java
//SOURCES NetworkTest.java
//SOURCES PostmortemCheckTest.java
//SOURCES PostmortemEvidenceTest.java
//SOURCES PostmortemGoldenTest.java
//SOURCES PostmortemHostileTest.java
//SOURCES PostmortemImportTest.java
//SOURCES PostmortemKeepTest.java
//SOURCES PostmortemTest.java
//SOURCES ReadmeTest.java
//SOURCES RedactTest.java
//SOURCES RotationCloudTest.java
//SOURCES RotationKillTest.java
//SOURCES RotationMatrixTest.java
//SOURCES RotationSecrecyTest.java
//SOURCES RotationStoresTest.java
//SOURCES RotationTest.java
//SOURCES SandboxTest.java
//SOURCES TriageTest.java
//SOURCES WatchPaceTest.java
//SOURCES WatchPartsTest.java
//SOURCES WatchStateTest.java
//SOURCES WatchTest.java
//SOURCES WildAnswersTest.java
//SOURCES JournalTest.java
//SOURCES SecretsTest.java
//SOURCES WrapperTest.java

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.platform.console.ConsoleLauncher;

/**
 * {@code ./jbang test [TEST_CLASS...] [console launcher options]}: all tests, or those of the named classes, or what JUnit's
 * console launcher is told to select ({@code -m 'WrapperTest#help'}, {@code -t TAG}, {@code --help} lists the rest).
 */
class AllTests {
    private static final List<String> DEFAULTS = List.of(
        "--disable-banner", "--disable-ansi-colors", "--details=none", "--fail-if-no-tests",
        "--config=junit.jupiter.execution.parallel.enabled=true",
        "--config=junit.jupiter.execution.parallel.mode.default=same_thread",
        "--config=junit.jupiter.execution.parallel.mode.classes.default=concurrent",
        "--config=junit.jupiter.execution.parallel.config.strategy=fixed",
        "--config=junit.jupiter.execution.parallel.config.fixed.parallelism=2");

    public static void main(String... args) throws Exception {
        if (Stream.of(args).anyMatch(arg -> arg.equals("-h") || arg.equals("--help"))) {
            System.exit(launch(List.of("execute", "--help")));
        }
        List<String> options = new ArrayList<>(List.of("execute"));
        options.addAll(DEFAULTS);
        options.addAll(selection(List.of(args)));
        int exit = launch(options);
        TestReport.printSummary();
        System.exit(exit);
    }

    /** Words are test classes; without any selection the tests in this script's own jar are all meant. */
    private static List<String> selection(List<String> args) throws Exception {
        List<String> options = new ArrayList<>();
        int words = 0;
        while (words < args.size() && !args.get(words).startsWith("-")) {
            options.add("--select-class=" + args.get(words++));
        }
        for (String arg : args.subList(words, args.size())) {
            options.add(arg.equals("--class") ? "--select-class" : arg);
        }
        if (options.stream().noneMatch(option -> option.matches("-[cmpudfrio].*|--select-.*|--scan-.*"))) {
            Path ownJar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            options.add("--scan-class-path=" + ownJar);
        }
        return options;
    }

    private static int launch(List<String> options) {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        return ConsoleLauncher.run(out, err, options.toArray(String[]::new)).getExitCode();
    }
}
