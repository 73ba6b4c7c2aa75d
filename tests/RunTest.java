import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The helper that other tests stand on: what it hides from a child and what it reports of it. */
class RunTest {
    @Test
    void nothingOfOurEnvironmentLeaks() {
        Run.Result result = Run.command("env").env("KLAVIYO_TIMEOUT", "1s").env("LANG", null).run();
        assertEquals("HOME JAVA_HOME KLAVIYO_TIMEOUT PATH TERM", String.join(" ",
            result.out().lines().map(line -> line.replaceFirst("=.*", "")).sorted().toList()));
    }

    @Test
    void theHelperLooksAtNothingBesideItsHostAndEndsNoProcess() throws IOException {
        Pattern past = Pattern.compile("System\\.(exit|getenv|in|out|err)\\b|getRuntime\\(\\)\\.(halt|exit)");
        List<String> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(Repository.file("runbook"))) {
            for (Path file : files.filter(file -> file.toString().matches(".*(?<!Cli)\\.java")).toList()) {
                Files.readString(file).lines().filter(line -> past.matcher(line).find())
                    .forEach(line -> found.add(file.getFileName() + ": " + line.strip()));
            }
        }
        assertEquals(List.of(), found);
    }

    @Test
    void whatTakesTooLongIsKilledAndItsOutputShown() {
        Run.Running slow = Run.command("sh", "-c", "echo started; echo oops >&2; sleep 30; echo done")
            .timeout(Duration.ofSeconds(1)).start();
        slow.awaitErr("oops");
        List<ProcessHandle> started = slow.process().descendants().toList();
        AssertionError error = assertThrows(AssertionError.class, slow::await);
        assertTrue(error.getMessage().contains("started") && error.getMessage().contains("oops"), error.getMessage());
        // What nobody has reaped yet has no command any more.
        assertEquals(List.of(), started.stream().flatMap(each -> each.info().command().stream()).toList());
    }

    @Test
    void aRunningProcessIsWatchedAndKilled() {
        try (Run.Running running = Run.command("sh", "-c", "echo ready; exec sleep 30").start()) {
            running.awaitOut("rea.y");
            assertEquals(128 + 9, running.kill().exit());
        }
    }
}
