import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Cli;
import runbook.Key;
import runbook.rotation.Steps.Step;

/** The end of a rotation in the middle of every step, of the way forward and of the way back, and the run after it. */
class RotationKillTest {
    /** Stops at a call, tells that it is there, and goes on (or not) when it is let. */
    private static final String HOLD = "touch \"$here/there\"; while [ ! -f \"$here/go\" ]; do sleep 0.05; done";
    private static final int AT_ONCE = 4;

    // ---- between any two things that it does

    /** The point at which a rotation ends without another word: as a step's n-th action begins, or has ended. */
    private record Point(String step, int nth, boolean begun) { }

    /** Not caught by anything on its way out: what is not on disk is lost, as with kill -9. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    /** A rotation that dies at a point. */
    private static final class Mortal extends RotateKey {
        private final Point at;
        private int begun;
        private int ended;

        Mortal(Point at) {
            this.at = at;
        }

        @Override
        public void began(String step) {
            super.began(step);
            if (step.equals(at.step) && ++begun == at.nth && at.begun) {
                throw new Killed();
            }
        }

        @Override
        public void ended(Step step) {
            super.ended(step);
            if (step.name().equals(at.step) && ++ended == at.nth && !at.begun) {
                throw new Killed();
            }
        }
    }

    private static void killedAt(Point point, RotationScene bench, String... more) {
        List<String> words = new ArrayList<>(List.of("--to", "vault:secret/klaviyo#key", "--restart", "systemd:web"));
        words.addAll(List.of(more));
        PrintStream out = new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
        Cli.Host host = new Cli.Host(bench.environment(), bench.folder, new ByteArrayInputStream(new byte[0]), out, out);
        try {
            int exit = Cli.run(new Mortal(point), host, words.toArray(String[]::new));
            throw new AssertionError("it came to its end, " + exit + ", without " + point);
        } catch (Killed e) {
            // As it should.
        }
    }

    /** What comes after the kill. */
    private enum Next { FINISH, ROLL_BACK, BESIDE_THEN_FINISH, BESIDE_THEN_ROLL_BACK }

    private record Case(Point point, Next next) {
        void run() {
            try (RotationScene bench = new RotationScene()) {
                boolean back = point.step.equals("roll-back");
                bench.tools.fail("is-active", back ? "exit 3" : ":");
                killedAt(point, bench, "--disable-old", "--grace", "1ms");
                bench.tools.mend();
                boolean begun = bench.record().contains("\"WRIT") || bench.record().contains("\"REST");
                String theirs = bench.sandbox.issueKey();
                if (next.name().startsWith("BESIDE")) {
                    Run beside = bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", theirs).env("KLAVIYO_PRIVATE_KEY", null)
                            .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString());
                    ends(0, beside);
                }
                after(bench, begun, theirs);
            }
        }

        private void after(RotationScene bench, boolean begun, String theirs) {
            boolean forward = next.name().endsWith("FINISH");
            boolean beside = next.name().startsWith("BESIDE");
            Run run = forward ? bench.rotate() : bench.rotate("--roll-back");
            if (!begun) {
                ends(forward ? 0 : 21, run);
                assertEquals(forward ? bench.newKey() : beside ? theirs : bench.oldKey(), bench.tools.value());
            } else if (beside) {
                Run.Result result = ends(21, run);
                assertTrue(result.out().contains(Key.of(theirs).fingerprint()), result::toString);
                assertEquals(theirs, bench.tools.value());
                assertEquals(theirs, bench.tools.app());
            } else {
                Run.Result result = ends(forward ? 0 : 22, run);
                assertEquals(forward ? bench.newKey() : bench.oldKey(), bench.tools.value(), result::toString);
                assertEquals(forward ? bench.newKey() : bench.oldKey(), bench.tools.app(), result::toString);
                assertTrue(bench.sandbox.accepts(bench.tools.app()), "the application's key is dead");
            }
            assertFalse(bench.record().contains(bench.newKey()) || bench.record().contains(bench.oldKey()), "a key is kept in a file");
        }

        private static Run.Result ends(int exit, Run run) {
            Run.Result result = run.run();
            assertEquals(exit, result.exit(), result::toString);
            return result;
        }
    }

    private static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        // Stores, reads back, restarts; verifies app, key and store; looks at the store, disables, looks at app and
        // store.
        Map<String, Integer> forward = Map.of("test", 1, "store", 1, "read-back", 1, "restart", 1, "verify", 3, "disable-old", 4);
        forward.forEach((step, count) -> {
            for (int nth = 1; nth <= count; nth++) {
                for (boolean begun : new boolean[] {true, false}) {
                    Point point = new Point(step, nth, begun);
                    cases.add(new Case(point, Next.FINISH));
                    cases.add(new Case(point, Next.ROLL_BACK));
                }
            }
            cases.add(new Case(new Point(step, 1, false), Next.BESIDE_THEN_FINISH));
            cases.add(new Case(new Point(step, 1, false), Next.BESIDE_THEN_ROLL_BACK));
        });
        // Puts back, restarts, looks at the app.
        for (int nth = 1; nth <= 3; nth++) {
            for (boolean begun : new boolean[] {true, false}) {
                Point point = new Point("roll-back", nth, begun);
                cases.add(new Case(point, Next.FINISH));
                cases.add(new Case(point, Next.ROLL_BACK));
            }
            cases.add(new Case(new Point("roll-back", nth, false), Next.BESIDE_THEN_ROLL_BACK));
        }
        return cases;
    }

    @TestFactory
    Stream<DynamicTest> theRunAfterAKillEndsWellWhereverItCame() {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
        List<DynamicTest> tests = new ArrayList<>();
        for (Case one : cases()) {
            Future<?> running = pool.submit(one::run);
            tests.add(DynamicTest.dynamicTest(one.toString(), () -> {
                try {
                    running.get();
                } catch (ExecutionException e) {
                    throw e.getCause();
                }
            }));
        }
        pool.shutdown();
        return tests.stream();
    }

    // ---- in the middle of what a tool does, by kill -9

    private final RotationScene bench = new RotationScene();

    private Run.Running untilHeldAt(String call) {
        bench.tools.fail(call, HOLD);
        Run.Running running = bench.apart().start();
        running.awaitUntil("the tool is held at " + call, () -> Files.exists(bench.tools.file("there")));
        return running;
    }

    private void release() throws java.io.IOException {
        Files.createFile(bench.tools.file("go"));
    }

    private void ended(Run.Result result, int exit) {
        assertEquals(exit, result.exit(), result::toString);
        String key = exit == 0 ? bench.newKey() : bench.oldKey();
        assertEquals(key, bench.tools.value(), "the store");
        assertEquals(key, bench.tools.app(), "the application");
        assertTrue(bench.record().contains(exit == 0 ? "\"rotated\"" : "\"rolled-back\""), bench.record());
        bench.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"patch", "is-active"})
    void aRunAfterAKillFinishesAndNeedsNeitherKeyAgain(String call) throws Exception {
        try (Run.Running running = untilHeldAt(call)) {
            running.kill();
        }
        release();
        bench.tools.mend();
        boolean stored = call.equals("is-active");
        Run.Result second = bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", stored ? null : bench.newKey())
                .env("KLAVIYO_PRIVATE_KEY", null).run();
        assertTrue(second.out().contains("Going on with the rotation begun at"), second::toString);
        ended(second, 0);
    }

    @Test
    void aLateWriteOfTheRunThatWasKilledCannotUndoTheNextOne() throws Exception {
        try (Run.Running running = untilHeldAt("patch")) {
            running.kill();
        }
        // The tool is an orphan now. The next run has to outwait or end it before it touches anything.
        bench.tools.mend();
        Run.Result second = bench.rotate("--roll-back").run();
        assertEquals(22, second.exit(), second::toString);
        release();
        assertEquals(bench.oldKey(), bench.tools.value());
        ended(bench.rotate().run(), 0);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rollingBackAfterAKillTakesTheOldValueFromTheStoresHistory(boolean oldKeyGiven) throws Exception {
        try (Run.Running running = untilHeldAt("is-active")) {
            running.kill();
        }
        release();
        bench.tools.mend();
        ended(bench.rotate("--roll-back").env("KLAVIYO_PRIVATE_KEY", oldKeyGiven ? bench.oldKey() : null).run(), 22);
    }

    @Test
    void theOldKeyGivenAsTheNewOneToTheRunAfterAKillBringsEverythingBack() throws Exception {
        try (Run.Running running = untilHeldAt("is-active")) {
            running.kill();
        }
        release();
        bench.tools.mend();
        ended(bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", bench.oldKey()).run(), 22);
    }

    @Test
    void twoRotationsNeverRunAtOnceOnOneIncident() throws Exception {
        try (Run.Running first = untilHeldAt("patch")) {
            Run.Result second = bench.rotate().run();
            assertEquals(21, second.exit(), second::toString);
            assertTrue(second.err().contains("another rotation is running"), second::toString);
            release();
            ended(first.await(), 0);
        }
    }

    @Test
    void interruptedItSaysHowToGoOn() throws Exception {
        try (Run.Running running = untilHeldAt("patch")) {
            running.interrupt();
            Run.Result result = running.await();
            assertEquals(130, result.exit(), result::toString);
            assertTrue(result.err().contains("run the same command again"), result::toString);
        }
        bench.tools.mend();
        ended(bench.rotate().run(), 0);
    }
}
