import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
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
    void whatTakesTooLongIsKilledAndItsOutputShown() {
        Run.Running slow = Run.command("sh", "-c", "echo started; echo oops >&2; sleep 30; echo done")
            .timeout(Duration.ofMillis(300)).start();
        AssertionError error = assertThrows(AssertionError.class, slow::await);
        assertTrue(error.getMessage().contains("started") && error.getMessage().contains("oops"), error.getMessage());
        assertFalse(slow.process().toHandle().descendants().anyMatch(ProcessHandle::isAlive));
    }

    @Test
    void aRunningProcessIsWatchedAndKilled() {
        try (Run.Running running = Run.command("sh", "-c", "echo ready; exec sleep 30").start()) {
            running.awaitOut("rea.y");
            assertEquals(128 + 9, running.kill().exit());
        }
    }
}
