///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -proc:none -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//MAIN AllTests
//DESCRIPTION Runs the tests of this repository
//DEPS org.junit.jupiter:junit-jupiter:5.14.4
//DEPS org.junit.platform:junit-platform-console:1.14.4
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.networknt:json-schema-validator:1.5.9
//FILES META-INF/services/org.junit.platform.launcher.TestExecutionListener=listener.txt
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xlog:disable

// The scripts, the helper, the rooms
//SOURCES ../debug-bundle.java
//SOURCES ../postmortem.java
//SOURCES ../rotate-key.java
//SOURCES ../triage.java
//SOURCES ../watch.java
//SOURCES ../runbook/ApiChecks.java
//SOURCES ../runbook/Chart.java
//SOURCES ../runbook/Checks.java
//SOURCES ../runbook/Cli.java
//SOURCES ../runbook/DecisionTree.java
//SOURCES ../runbook/Http.java
//SOURCES ../runbook/Incident.java
//SOURCES ../runbook/Key.java
//SOURCES ../runbook/Klaviyo.java
//SOURCES ../runbook/LogReader.java
//SOURCES ../runbook/Message.java
//SOURCES ../runbook/NetworkPath.java
//SOURCES ../runbook/OurSide.java
//SOURCES ../runbook/Page.java
//SOURCES ../runbook/Prometheus.java
//SOURCES ../runbook/Screen.java
//SOURCES ../runbook/Settings.java
//SOURCES ../runbook/StatusPage.java
//SOURCES ../runbook/Text.java
//SOURCES ../runbook/Tool.java
//SOURCES ../runbook/Verdict.java
//SOURCES ../runbook/bundle/Archive.java
//SOURCES ../runbook/bundle/Bundle.java
//SOURCES ../runbook/bundle/Collecting.java
//SOURCES ../runbook/bundle/Existing.java
//SOURCES ../runbook/bundle/Pipeline.java
//SOURCES ../runbook/bundle/Summary.java
//SOURCES ../runbook/bundle/Systems.java
//SOURCES ../runbook/redact/Encoded.java
//SOURCES ../runbook/redact/Pieces.java
//SOURCES ../runbook/redact/Redactor.java
//SOURCES ../runbook/redact/Rules.java
//SOURCES ../runbook/redact/Scan.java
//SOURCES ../runbook/report/Document.java
//SOURCES ../runbook/report/Evidence.java
//SOURCES ../runbook/report/Notebook.java
//SOURCES ../runbook/report/Postmortem.java
//SOURCES ../runbook/report/Timeline.java
//SOURCES ../runbook/rotation/AppWatch.java
//SOURCES ../runbook/rotation/Embedded.java
//SOURCES ../runbook/rotation/Holding.java
//SOURCES ../runbook/rotation/Keys.java
//SOURCES ../runbook/rotation/Progress.java
//SOURCES ../runbook/rotation/Rotation.java
//SOURCES ../runbook/rotation/Stores.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//SOURCES ../runbook/watching/Keeper.java
//SOURCES ../runbook/watching/LiveView.java
//SOURCES ../runbook/watching/Memory.java
//SOURCES ../runbook/watching/Pace.java
//SOURCES ../runbook/watching/Rounds.java
//SOURCES ../runbook/watching/Telling.java
//SOURCES ../runbook/watching/Watching.java

// The tests and what they share
//SOURCES BundleBench.java
//SOURCES Canaries.java
//SOURCES CatalogTest.java
//SOURCES Certificates.java
//SOURCES DebugBundleTest.java
//SOURCES FakeClouds.java
//SOURCES FaultServer.java
//SOURCES FaultTest.java
//SOURCES FleetTest.java
//SOURCES FormTest.java
//SOURCES GameDayTest.java
//SOURCES JournalTest.java
//SOURCES JsonTest.java
//SOURCES KeyTest.java
//SOURCES LogMaker.java
//SOURCES LogReaderTest.java
//SOURCES LoopbackServer.java
//SOURCES MessageTest.java
//SOURCES NetworkTest.java
//SOURCES PostmortemDocumentTest.java
//SOURCES PostmortemEvidenceTest.java
//SOURCES PostmortemGoldenTest.java
//SOURCES PostmortemHostileTest.java
//SOURCES PostmortemImportTest.java
//SOURCES PostmortemJournals.java
//SOURCES PostmortemTest.java
//SOURCES PrometheusTest.java
//SOURCES Readme.java
//SOURCES ReadmeTest.java
//SOURCES RedactTest.java
//SOURCES Repository.java
//SOURCES RotationCloudTest.java
//SOURCES RotationHarmTest.java
//SOURCES RotationKillTest.java
//SOURCES RotationScene.java
//SOURCES RotationSecrecyTest.java
//SOURCES RotationStoresTest.java
//SOURCES RotationTest.java
//SOURCES Run.java
//SOURCES SandboxTest.java
//SOURCES Schemas.java
//SOURCES ScriptedServer.java
//SOURCES SecretsTest.java
//SOURCES SettingsTest.java
//SOURCES Shapes.java
//SOURCES SlackSite.java
//SOURCES StandIns.java
//SOURCES StartBench.java
//SOURCES TestReport.java
//SOURCES ToolTest.java
//SOURCES Tree.java
//SOURCES TriageBench.java
//SOURCES TriageRun.java
//SOURCES TriageTest.java
//SOURCES WatchBench.java
//SOURCES WatchPaceTest.java
//SOURCES WatchPartsTest.java
//SOURCES WatchStateTest.java
//SOURCES WatchTest.java
//SOURCES WildAnswersTest.java
//SOURCES WrapperTest.java
//SOURCES bench.java
//SOURCES drill.java
//SOURCES runbook/sandbox/ControlledSandbox.java
//SOURCES sandbox.java

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.platform.console.ConsoleLauncher;

/**
 * {@code ./jbang test [TEST_CLASS...] [console launcher options]}: all tests, or those of the named classes, or what
 * JUnit's console launcher is told to select ({@code -m 'WrapperTest#help'}, {@code -t TAG}, {@code --help} lists the
 * rest).
 */
class AllTests {
    private static final List<String> DEFAULTS = List.of("execute",
        "--disable-banner", "--disable-ansi-colors", "--details=none", "--fail-if-no-tests",
        "--config=junit.jupiter.execution.parallel.enabled=true",
        "--config=junit.jupiter.execution.parallel.mode.default=same_thread",
        "--config=junit.jupiter.execution.parallel.mode.classes.default=concurrent",
        "--config=junit.jupiter.execution.parallel.config.strategy=fixed",
        "--config=junit.jupiter.execution.parallel.config.fixed.parallelism=2");

    private static final String INSIDE = "runbook.tests.inside";

    public static void main(String... args) throws Exception {
        if (!Boolean.getBoolean(INSIDE)) {
            System.exit(inOwnProcess(args));
        } else if (List.of(args).equals(List.of("--readme"))) {
            Readme.write();
            System.exit(0);
        }
        List<String> options = new ArrayList<>(DEFAULTS);
        options.addAll(selection(args));
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        int exit = ConsoleLauncher.run(out, err, options.toArray(String[]::new)).getExitCode();
        TestReport.printSummary();
        System.exit(exit);
    }

    /**
     * JBang gives every script's own runtime options (a heap of 80 MB) to whoever lists it among its sources: not to
     * the tests.
     */
    private static int inOwnProcess(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Run.JAVA.toString(), "-XX:+UseSerialGC", "-Xmx1g", "-D" + INSIDE + "=true",
                "-cp", System.getProperty("java.class.path"), "AllTests"));
        command.addAll(List.of(args));
        return new ProcessBuilder(command).inheritIO().start().waitFor();
    }

    /** Words are test classes; without any selection the tests in this script's own jar are all meant. */
    private static List<String> selection(String... args) throws Exception {
        List<String> options = new ArrayList<>();
        boolean words = true;
        for (String arg : args) {
            words &= !arg.startsWith("-");
            options.add(words ? "--select-class=" + arg : arg);
        }
        if (options.stream().noneMatch(option -> option.matches("-[cmpudfriho].*|--help|--select-.*|--scan-.*"))) {
            Path ownJar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            options.add("--scan-class-path=" + ownJar);
        }
        return options;
    }
}
