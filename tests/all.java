///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//MAIN AllTests
//DESCRIPTION Runs the tests of this repository
//DEPS org.junit.jupiter:junit-jupiter:5.14.4
//DEPS org.junit.platform:junit-platform-console:1.14.4
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.networknt:json-schema-validator:1.5.9
//FILES META-INF/services/org.junit.platform.launcher.TestExecutionListener=listener.txt
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xlog:disable

// The scripts, the helper with its rooms, the tests and what they share
//SOURCES ../*.java
//SOURCES ../runbook/**.java
//SOURCES [!a]*.java
//SOURCES runbook/**.java

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
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
        Run run = Run.command(Run.JAVA.toString(), "-XX:+UseSerialGC", "-Xmx1g", "-D" + INSIDE + "=true", "-cp",
                System.getProperty("java.class.path"), "AllTests").args(args);
        List<String> words = new ArrayList<>(run.words());
        // In the background of a script Ctrl-C is ignored, and so it is by every child: tests of it need it back.
        List<String> heeding = List.of("env", "--default-signal=INT");
        if (new ProcessBuilder("sh", "-c", String.join(" ", heeding) + " true 2>&1").start().waitFor() == 0) {
            words.addAll(0, heeding);
        }
        return new ProcessBuilder(words).inheritIO().start().waitFor();
    }

    /** Words are test classes; without any selection the tests in this script's own jar are all meant. */
    private static List<String> selection(String... args) throws Exception {
        long words = Stream.of(args).takeWhile(arg -> !arg.startsWith("-")).count();
        List<String> options = new ArrayList<>(List.of(args));
        options.subList(0, (int) words).replaceAll(name -> "--select-class=" + name);
        if (options.stream().noneMatch(option -> option.matches("-[cmpudfriho].*|--help|--select-.*|--scan-.*"))) {
            Path ownJar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            options.add("--scan-class-path=" + ownJar);
        }
        return options;
    }
}
