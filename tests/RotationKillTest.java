import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Key;

/** {@code kill -9} in the middle of every step, and the run after it. */
class RotationKillTest {
    /** Stops at a call, tells that it is there, and goes on (or not) when it is let. */
    private static final String HOLD = "touch \"$here/there\"; while [ ! -f \"$here/go\" ]; do sleep 0.05; done";

    private final RotationScene bench = new RotationScene();

    private Run.Running untilHeldAt(String call) {
        bench.tools.fail(call, HOLD);
        Run.Running running = bench.rotate().start();
        running.awaitUntil("the tool is held at " + call, () -> Files.exists(bench.tools.file("there")));
        return running;
    }

    private void release() throws java.io.IOException {
        Files.createFile(bench.tools.file("go"));
    }

    private void ended() {
        assertEquals(bench.newKey(), bench.tools.value(), "the store");
        assertEquals(bench.newKey(), bench.tools.app(), "the application");
        assertTrue(bench.record().contains("\"rotated\""), bench.record());
        assertFalse(
                bench.record().contains(bench.newKey()) || bench.record().contains(bench.oldKey()),
                "no key may be kept in a file");
        bench.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"kv get", "LoadState", "patch", "restart", "is-active"})
    void aRunAfterAKillFinishes(String call) throws Exception {
        try (Run.Running running = untilHeldAt(call.split(" ")[call.split(" ").length - 1])) {
            running.kill();
        }
        release();
        bench.tools.mend();
        Run.Result second = bench.rotate().run();
        assertEquals(0, second.exit(), second::toString);
        assertEquals(
                !List.of("kv get", "LoadState").contains(call),
                second.out().contains("Going on with the rotation begun at"),
                second::toString);
        ended();
    }

    @Test
    void whatTheStoreHoldsIsSaidByFingerprintAndTheNewKeyNeedNotBeGivenAgain() throws Exception {
        try (Run.Running running = untilHeldAt("is-active")) {
            running.kill();
        }
        release();
        bench.tools.mend();
        Run.Result second = bench.rotate()
                .env("KLAVIYO_NEW_PRIVATE_KEY", null)
                .env("KLAVIYO_PRIVATE_KEY", null)
                .args("--account", bench.sandbox.accountId())
                .run();
        assertEquals(0, second.exit(), second::toString);
        assertTrue(
                second.out()
                        .contains("holds the new key, newer form, 44 characters, sha256 "
                                + Key.of(bench.newKey()).fingerprint()),
                second.out());
        ended();
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
        Run.Result third = bench.rotate().run();
        assertEquals(0, third.exit(), third::toString);
        ended();
    }

    @Test
    void killedOnTheWayBackItStillEndsWell() throws Exception {
        bench.broken = true;
        Run.Running running = bench.rotate().start();
        running.awaitOut("Rolling back");
        running.kill();
        bench.broken = false;
        Run.Result second = bench.rotate().run();
        assertEquals(0, second.exit(), second::toString);
        ended();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rollingBackAfterAKillTakesTheOldValueFromTheStoresHistory(boolean oldKeyGiven) throws Exception {
        try (Run.Running running = untilHeldAt("is-active")) {
            running.kill();
        }
        release();
        bench.tools.mend();
        Run.Result second = bench.rotate("--roll-back")
                .env("KLAVIYO_PRIVATE_KEY", oldKeyGiven ? bench.oldKey() : null)
                .run();
        assertEquals(22, second.exit(), second::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
        assertEquals(bench.oldKey(), bench.tools.app());
        bench.close();
    }

    @Test
    void theOldKeyGivenAsTheNewOneToTheRunAfterAKillBringsEverythingBack() throws Exception {
        try (Run.Running running = untilHeldAt("is-active")) {
            running.kill();
        }
        release();
        bench.tools.mend();
        Run.Result second = bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", bench.oldKey()).run();
        assertEquals(22, second.exit(), second::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
        assertEquals(bench.oldKey(), bench.tools.app());
        bench.close();
    }

    @Test
    void twoRotationsNeverRunAtOnceOnOneIncident() throws Exception {
        try (Run.Running first = untilHeldAt("patch")) {
            Run.Result second = bench.rotate().run();
            assertEquals(21, second.exit(), second::toString);
            assertTrue(second.err().contains("another rotation is running"), second::toString);
            release();
            assertEquals(0, first.await().exit());
        }
        ended();
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
        assertEquals(0, bench.rotate().run().exit());
        ended();
    }
}
