import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
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
        Cli.Host host = new Cli.Host(bench.environment(), bench.folder, new ByteArrayInputStream(new byte[0]), out,
                out);
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
                boolean beside = next.name().startsWith("BESIDE");
                if (beside) {
                    bench.ends(0, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", theirs).env("KLAVIYO_PRIVATE_KEY", null)
                            .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString()));
                }
                boolean forward = next.name().endsWith("FINISH");
                Run run = forward ? bench.rotate() : bench.rotate("--roll-back");
                String ours = forward ? bench.newKey() : bench.oldKey();
                if (!begun) {
                    bench.ends(forward ? 0 : 21, run);
                    assertEquals(beside && !forward ? theirs : ours, bench.tools.value());
                } else {
                    bench.ends(beside ? 21 : forward ? 0 : 22, run, beside ? Key.of(theirs).fingerprint() : "");
                    assertEquals(beside ? theirs : ours, bench.tools.value(), "the store");
                    assertEquals(beside ? theirs : ours, bench.tools.app(), "the application");
                    assertTrue(bench.sandbox.accepts(bench.tools.app()), "the application's key is dead");
                }
                assertFalse(bench.record().contains(bench.newKey()) || bench.record().contains(bench.oldKey()),
                        "a key is kept");
            }
        }
    }

    private static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        // Stores, reads back, restarts; verifies app, key and store; looks at the store, disables, looks at app and
        // store.
        Map<String, Integer> forward = Map.of("test", 1, "store", 1, "read-back", 1, "restart", 1, "verify", 3,
                "disable-old", 4);
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

    @AfterEach
    void close() {
        bench.close();
    }

    private void ends(int exit, Run.Result result, String... says) {
        bench.ended(exit, result, says);
        String key = exit == 0 ? bench.newKey() : bench.oldKey();
        assertEquals(key, bench.tools.value(), "the store");
        assertEquals(key, bench.tools.app(), "the application");
        assertTrue(bench.record().contains(exit == 0 ? "\"rotated\"" : "\"rolled-back\""), bench.record());
    }

    @ParameterizedTest
    @ValueSource(strings = {"patch", "is-active"})
    void aRunAfterAKillFinishesAndNeedsNeitherKeyAgain(String call) throws Exception {
        bench.killedAt(call);
        ends(0, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", call.equals("is-active") ? null : bench.newKey())
                .env("KLAVIYO_PRIVATE_KEY", null).run(), "Going on with the rotation begun at");
    }

    @Test
    void aLateWriteOfTheRunThatWasKilledCannotUndoTheNextOne() throws Exception {
        try (Run.Running running = bench.heldAt("patch")) {
            running.kill();
        }
        // The tool is an orphan now. The next run has to outwait or end it before it touches anything.
        bench.tools.mend();
        bench.ends(22, bench.rotate("--roll-back"));
        bench.release();
        assertEquals(bench.oldKey(), bench.tools.value());
        ends(0, bench.rotate().run());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rollingBackAfterAKillTakesTheOldValueFromTheStoresHistory(boolean oldKeyGiven) throws Exception {
        bench.killedAt("is-active");
        ends(22, bench.rotate("--roll-back").env("KLAVIYO_PRIVATE_KEY", oldKeyGiven ? bench.oldKey() : null).run());
    }

    @Test
    void theOldKeyGivenAsTheNewOneToTheRunAfterAKillBringsEverythingBack() throws Exception {
        bench.killedAt("is-active");
        ends(22, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", bench.oldKey()).run());
    }

    @Test
    void twoRotationsNeverRunAtOnceOnOneIncident() throws Exception {
        try (Run.Running first = bench.heldAt("patch")) {
            bench.ends(21, bench.rotate(), "another rotation is running");
            bench.release();
            ends(0, first.await());
        }
    }

    @Test
    void interruptedItSaysHowToGoOn() throws Exception {
        try (Run.Running running = bench.heldAt("patch")) {
            running.interrupt();
            bench.ended(130, running.await(), "run the same command again");
        }
        bench.tools.mend();
        ends(0, bench.rotate().run());
    }
}
