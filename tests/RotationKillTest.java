import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;
import runbook.rotation.Progress.Step;

/**
 * What goes wrong in the middle of a rotation, of its way forward and of its way back: it is killed between any two
 * things that it does, with and without another rotation before the next run; and every tool fails in every way at
 * every step.
 */
class RotationKillTest {
    // ---- killed between any two things that it does

    /** Not caught by anything on its way out: what is not on disk is lost, as with kill -9. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    /** Runs a rotation that dies when the n-th thing of a step has ended. */
    private static void kill(String step, int nth, RotationScene bench) {
        RotateKey mortal = new RotateKey() {
            private int left = nth;

            @Override
            public void ended(Step done) {
                super.ended(done);
                if (done.name().equals(step) && --left == 0) {
                    throw new Killed();
                }
            }
        };
        PrintStream out = new PrintStream(new ByteArrayOutputStream());
        Screen.Host host = new Screen.Host(bench.environment(), bench.folder, InputStream.nullInputStream(), out, out);
        try {
            int exit = Cli.run(mortal, host, "--to", "vault:secret/klaviyo#key", "--restart", "systemd:web",
                    "--disable-old", "--grace", "1ms");
            throw new AssertionError("it came to its end, " + exit + ", without " + step + " " + nth);
        } catch (Killed e) {
            // As it should.
        }
    }

    /** Killed there; the run after it finishes or rolls back, or leaves alone what another rotation did meanwhile. */
    private static void killed(String step, int nth, boolean forward, boolean beside) {
        try (RotationScene bench = new RotationScene()) {
            bench.tools.fail("is-active", step.equals("roll-back") ? "exit 3" : ":");
            kill(step, nth, bench);
            bench.tools.mend();
            boolean begun = bench.record().contains("\"touched\" : true");
            String theirs = bench.sandbox.issueKey();
            if (beside) {
                bench.ends(0, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", theirs).env("KLAVIYO_PRIVATE_KEY", null)
                        .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString()));
            }
            Run run = forward ? bench.rotate() : bench.rotate("--roll-back");
            String ours = forward ? bench.newKey : bench.oldKey;
            if (!begun) {
                bench.ends(forward ? 0 : 21, run);
                assertEquals(beside && !forward ? theirs : ours, bench.tools.value());
            } else if (beside) {
                bench.ends(21, run, Key.of(theirs).fingerprint());
                bench.has(theirs);
            } else {
                bench.ends(forward ? 0 : 22, run);
                bench.has(ours);
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> theRunAfterAKillEndsWellWhereverItCame() {
        // Each step with how many things it does: verify looks at app, key and store; disable-old disables, and looks
        // at app and store; roll-back looks at the store, puts back, restarts, and looks at the app.
        Map<String, Integer> steps = Map.of("preflight", 4, "test", 4, "store", 1, "read-back", 1, "restart", 1,
                "verify", 3, "disable-old", 3, "roll-back", 4);
        Map<String, Runnable> cases = new TreeMap<>();
        steps.forEach((step, count) -> {
            for (int nth = List.of("preflight", "test").contains(step) ? count : 1; nth <= count; nth++) {
                for (boolean forward : List.of(true, false)) {
                    int at = nth;
                    String then = forward ? ", finish" : ", roll back";
                    cases.put(step + " " + at + then, () -> killed(step, at, forward, false));
                    cases.put(step + ", another" + then, () -> killed(step, count, forward, true));
                }
            }
        });
        return RotationScene.atOnce(cases);
    }

    // ---- every tool fails in every way

    /**
     * A word in the call that goes wrong; one in the call before it, after which a tool is gone, and how often that
     * comes (preflight reads the restart's mark as well), or else the tool; and the exit code for each of
     * {@link StandIns.Fault}. A write that is refused in so many words, while the store says the same, has changed
     * nothing; once systemctl is gone the way back cannot restart either; and what is-active prints is not looked at,
     * its exit code and the application tell.
     */
    private static final String FAULTS = """
        get       vault        0  21 21 21 21 21 21
        LoadState systemctl    0  21 21 21 21 21 21
        patch     get          1  21 22 22 22 22 21
        restart   InvocationID 2  22 22 22 22 22 23
        is-active restart      1  22 22  0  0 22 23
        """;

    private static void faulty(String call, String before, int times, StandIns.Fault fault, int exit) {
        try (RotationScene bench = new RotationScene()) {
            if (fault != StandIns.Fault.MISSING) {
                bench.tools.fail(call, fault.script);
            } else if (times == 0) {
                bench.tools.remove(before);
            } else {
                bench.tools.fail(before, fault.script, times);
            }
            bench.ends(exit, bench.rotate());
            assertEquals(exit == 0 ? bench.newKey : bench.oldKey, bench.tools.value(), "the store");
            assertTrue(exit == 23 || bench.tools.app().equals(bench.tools.value()), "the application");
            bench.tools.mend();
            bench.ends(0, bench.rotate());
            bench.has(bench.newKey);
        }
    }

    @TestFactory
    Stream<DynamicTest> everyFaultAtEveryStep() {
        Map<String, Runnable> cases = new TreeMap<>();
        FAULTS.lines().map(line -> line.split(" +")).forEach(row -> {
            for (StandIns.Fault fault : StandIns.Fault.values()) {
                cases.put(row[0] + " " + fault, () -> faulty(row[0], row[1], Integer.parseInt(row[2]), fault,
                        Integer.parseInt(row[3 + fault.ordinal()])));
            }
        });
        return RotationScene.atOnce(cases);
    }

    // ---- in the middle of what a tool does, by kill -9

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    private void ends(int exit, Run run, String... says) {
        bench.ends(exit, run, says);
        bench.has(exit == 0 ? bench.newKey : bench.oldKey);
        assertTrue(bench.record().contains(exit == 0 ? "\"rotated\"" : "\"rolled-back\""), bench.record());
    }

    @Test
    void aLateWriteOfTheRunThatWasKilledCannotUndoTheNextOne() throws Exception {
        try (Run.Running running = bench.notedAt("patch")) {
            running.kill();
        }
        // The tool is an orphan now. A dry run lets it be; the next run has to outwait or end it.
        String record = bench.record();
        bench.ends(0, bench.rotate("--dry-run"), "Going on with the rotation begun at");
        assertEquals(record, bench.record());
        assertEquals(1, bench.tools.calls().stream().filter(call -> call.contains("[patch]")).count(), "by a dry run");
        bench.tools.mend();
        bench.ends(22, bench.rotate("--roll-back"));
        bench.release();
        assertEquals(bench.oldKey, bench.tools.value());
        ends(0, bench.rotate());
    }

    // ---- the old key is disabled

    @ParameterizedTest
    @CsvSource({"true, 22, enabled again", "false, 23, Settings > API keys"})
    void whoeverRollsBackAfterTheOldKeyWasDisabledEnablesItAgainOrKeepsTheNewOne(boolean may, int exit, String says) {
        try (Run.Running running = bench.apart("--disable-old", "--grace", "1ms").start()) {
            running.awaitUntil("the old key is disabled", () -> !bench.sandbox.accepts(bench.oldKey));
            running.kill();
        }
        if (!may) {
            bench.sandbox.scopes(bench.newKey, Set.of("accounts:read"));
        }
        bench.ends(exit, bench.rotate("--roll-back"), says, "disabled");
        assertEquals(may, bench.sandbox.accepts(bench.oldKey));
        bench.has(may ? bench.oldKey : bench.newKey);
    }
}
