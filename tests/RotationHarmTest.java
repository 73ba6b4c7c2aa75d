import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Text.Json;

/** How a rotation could do harm beside another or after a kill, or show a key. (The other ways: rotation-cases.txt, RotationKillTest.) */
class RotationHarmTest {
    private final RotationScene bench = new RotationScene();
    private final String theirs = bench.sandbox.issueKey();

    @AfterEach
    void close() {
        bench.release();
        bench.close();
    }

    private static String sha(String key) {
        return "sha256 " + Key.of(key).fingerprint();
    }

    private Run elsewhere() {
        return bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", theirs)
                .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString());
    }

    // ---- another rotation, of this incident, of this store, or from another machine

    @Test
    void aRunningRotationIsLeftAloneByADryRunByAnotherOneAndByOneOfTheSameStore() throws Exception {
        try (Run.Running first = bench.notedAt("patch", "--tool-timeout", "20s")) {
            String record = bench.record();
            bench.ends(21, bench.rotate("--dry-run"), "another rotation is running on " + bench.incident);
            Run.Result refused = bench.ends(21, bench.rotate("--json"), "another rotation is running on " + bench.incident);
            Schemas.check("refusal", Json.read(refused.out()));
            bench.ends(21, elsewhere(), "another rotation is running on vault:secret/klaviyo#key");
            assertEquals(record, bench.record());
            bench.release();
            bench.ended(0, first.await());
        }
        bench.has(bench.newKey);
    }

    @ParameterizedTest
    @ValueSource(strings = {"; exit 3", ""})
    void aRotationFromAnotherMachineIsNeitherOverwrittenNorRolledBack(String then) throws Exception {
        bench.tools.fail("is-active", RotationScene.HOLD + then);
        try (Run.Running first = bench.apart("--restart-within", "20s").start()) {
            first.awaitUntil("it is held", () -> Files.exists(bench.tools.file("there")));
            bench.tools.mend();
            bench.ends(0, elsewhere().env("XDG_STATE_HOME", bench.folder.resolve("state-2").toString()));
            bench.release();
            bench.ended(23, first.await(), sha(theirs), sha(bench.newKey));
        }
        bench.has(theirs);
    }

    @Test
    void aStoreThatIsSetByHandMeanwhileIsNotOverwritten() throws Exception {
        try (Run.Running first = bench.heldAt("LoadState", "--tool-timeout", "20s")) {
            bench.tools.set(theirs);
            bench.release();
            bench.ended(21, first.await(), sha(theirs), sha(bench.oldKey));
        }
        assertEquals(theirs, bench.tools.value());
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

    // ---- where a key may be seen while it is rotated: nowhere (on the screen and in what is left: RotationScene)

    private static final int SAMPLES = 1000;
    private static final int MOST_ROTATIONS = 20;

    @Test
    void noProcessShowsAKeyInItsArgumentsOrEnvironment() throws Exception {
        Assumptions.assumeTrue(Files.isDirectory(Path.of("/proc/self")), "there is no /proc to look at");
        Path old = Files.writeString(bench.folder.resolve("old.key"), bench.oldKey);
        Path fresh = Files.writeString(bench.folder.resolve("new.key"), bench.newKey);
        // Slow tools: there is always one to be seen.
        bench.tools.fail("e", "sleep 0.3", 999);
        Run rotation = bench.apart("--key-file", old.toString(), "--new-key-file", fresh.toString())
                .env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_NEW_PRIVATE_KEY", null);
        // Only looks that find a tool at work count: how many fit before the first one starts depends on the machine.
        int samples = 0;
        for (int rotations = 0; samples < SAMPLES && rotations < MOST_ROTATIONS; rotations++) {
            try (Run.Running running = rotation.start()) {
                while (running.process().isAlive() && samples < SAMPLES) {
                    samples += look(running.process().toHandle());
                }
                if (samples < SAMPLES) {
                    assertEquals(0, running.await().exit(), () -> running.out() + running.err());
                }
            }
        }
        assertEquals(SAMPLES, samples, "samples with a tool at work");
    }

    /** One look at every process that this rotation started; the rotation itself may hold what it was given. */
    private int look(ProcessHandle rotation) {
        List<Long> children = rotation.descendants().map(ProcessHandle::pid).toList();
        Stream.concat(Stream.of(rotation.pid() + "/cmdline"), children.stream().flatMap(pid ->
                Stream.of(pid + "/cmdline", pid + "/environ"))).forEach(file -> {
                    String text = read(Path.of("/proc", file));
                    assertFalse(text.contains(bench.oldKey) || text.contains(bench.newKey), file);
                });
        return children.isEmpty() ? 0 : 1;
    }

    private static String read(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            // Gone between two looks.
            return "";
        }
    }
}
