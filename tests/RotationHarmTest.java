import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Key;
import runbook.Text.Json;

/**
 * How a rotation could do harm, each way seen once: beside another, after a refusal, by what it believes or shows. (A dry
 * run after a kill: RotationKillTest; wrong mends: RotationStoresTest, and in the tools' own wording RotationCloudTest.)
 */
class RotationHarmTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.release();
        bench.close();
    }

    private static String sha(String key) {
        return "sha256 " + Key.of(key).fingerprint();
    }

    private Run elsewhere(String key) {
        return bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", key)
                .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString());
    }

    // ---- 1 and 7: another rotation, of this incident, of this store, or from another machine

    @Test
    void aRunningRotationIsLeftAloneByADryRunByAnotherOneAndByOneOfTheSameStore() throws Exception {
        try (Run.Running first = bench.notedAt("patch", "--tool-timeout", "20s")) {
            String record = bench.record();
            bench.ends(21, bench.rotate("--dry-run"), "another rotation is running on " + bench.incident);
            Run.Result refused = bench.ends(21, bench.rotate("--json"), "another rotation is running on " + bench.incident);
            Schemas.check("rotate-key", Json.read(refused.out()));
            bench.ends(21, elsewhere(bench.sandbox.issueKey()), "another rotation is running on vault:secret/klaviyo#key");
            assertEquals(record, bench.record());
            bench.release();
            bench.ended(0, first.await());
        }
        bench.has(bench.newKey);
    }

    @ParameterizedTest
    @ValueSource(strings = {"; exit 3", ""})
    void aRotationFromAnotherMachineIsNeitherOverwrittenNorRolledBack(String then) throws Exception {
        String theirs = bench.sandbox.issueKey();
        bench.tools.fail("is-active", RotationScene.HOLD + then);
        try (Run.Running first = bench.apart("--restart-within", "20s").start()) {
            first.awaitUntil("it is held", () -> Files.exists(bench.tools.file("there")));
            bench.tools.mend();
            bench.ends(0, elsewhere(theirs).env("XDG_STATE_HOME", bench.folder.resolve("state-2").toString()));
            bench.release();
            bench.ended(23, first.await(), sha(theirs), sha(bench.newKey));
        }
        bench.has(theirs);
    }

    @Test
    void aStoreThatIsSetByHandMeanwhileIsNotOverwritten() throws Exception {
        String theirs = bench.sandbox.issueKey();
        try (Run.Running first = bench.heldAt("LoadState", "--tool-timeout", "20s")) {
            bench.tools.set(theirs);
            bench.release();
            bench.ended(21, first.await(), sha(theirs), sha(bench.oldKey));
        }
        assertEquals(theirs, bench.tools.value());
    }

    // ---- 2: the old key is disabled

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

    // ---- 3: a refused write, and what somebody set meanwhile

    @Test
    void aRefusedWriteLeavesNothingUnfinished() {
        bench.tools.fail("patch", "echo 'Code: 403. permission denied' >&2; exit 2");
        bench.ends(21, bench.rotate(), "no permission on secret/klaviyo");
        bench.tools.mend();
        bench.ends(21, bench.rotate("--roll-back"), "no unfinished rotation");
        bench.ends(0, bench.into("azure:shop-vault/klaviyo", "systemd:web"));
    }

    @Test
    void aRunAfterAKillNeverOverwritesWhatSomebodyElseSet() throws Exception {
        bench.killedAt("is-active");
        String theirs = bench.sandbox.issueKey();
        bench.tools.set(theirs);
        for (Run run : List.of(bench.rotate(), bench.rotate("--roll-back"))) {
            bench.ends(21, run, "\u2717 vault:secret/klaviyo#key – holds " + sha(theirs), sha(bench.newKey));
        }
        assertEquals(theirs, bench.tools.value());
    }

    // ---- 4: a restart that did nothing

    @Test
    void aRollBackWhoseRestartDidNothingIsNoRollBack() {
        bench.tools.fail("systemctl", """
            case "$*" in
              *is-active*) [ -f "$here/failed" ] || { touch "$here/failed"; exit 3; };;
              *restart*) [ ! -f "$here/failed" ] || exit 0;;
            esac""", 99);
        Run.Result back = bench.ends(23, bench.rotate(), "nothing did", "systemctl --no-ask-password restart web");
        assertEquals(bench.newKey, bench.tools.app());
        assertFalse(back.out().contains("everything is as it was"), back::toString);
    }

    @ParameterizedTest
    @CsvSource({"false, 22, everything is as it was", "true, 23, look at the application"})
    void anApplicationThatWasIllAndDoesNotAnswerAfterARollBackIsWorse(boolean dying, int exit, String says) {
        bench.ill = true;
        bench.dying = dying;
        bench.ends(exit, bench.rotate(), says);
        bench.has(bench.oldKey);
    }

    // ---- 6: tested is what is stored

    @Test
    void aValueThatIsNotExactlyAKeyIsRefused() throws IOException {
        for (String form : List.of("KLAVIYO_PRIVATE_KEY=@", "@;", "<@>", "@%0A", " @", "'@'", "@\n\n", "Klaviyo-API-Key @",
                "{\"key\":\"@\"}")) {
            Path file = Files.writeString(bench.folder.resolve("new.key"), form.replace("@", bench.newKey));
            bench.ends(21, bench.rotate("--new-key-file", file.toString()).env("KLAVIYO_NEW_PRIVATE_KEY", null));
        }
        bench.untouched();
    }

    // ---- 8: what belongs to a dotenv file

    private void endsIntoFile(int exit, String says) throws IOException {
        Path env = bench.folder.resolve("app.env");
        Run run = bench.into("file:" + env + "#KEY", "exec:sed 's/KEY=//' " + env + " | tr -d '\\n' > app");
        bench.ends(exit, run, says);
        assertEquals("KEY=" + (exit == 0 ? bench.newKey : bench.oldKey) + "\n", Files.readString(env));
    }

    @Test
    void accessListsAndExtendedAttributesOfADotenvFileSurviveAndAHardLinkIsRefused() throws Exception {
        Path env = Files.writeString(bench.folder.resolve("app.env"), "KEY=" + bench.oldKey + "\n");
        Path twin = Files.createLink(bench.folder.resolve("twin.env"), env);
        endsIntoFile(21, "hard link");
        Files.delete(twin);
        // owner rw, user 12345 r, group none, mask r, others none: as setfacl -m u:12345:r writes it.
        Run.Result set = Run.command("python3", "-c", """
            import os, struct, sys
            acl = struct.pack('<I', 2)
            for tag, perm, who in ((1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)):
                acl += struct.pack('<HHi', tag, perm, who)
            os.chmod(sys.argv[1], 0o600)
            os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)
            os.setxattr(sys.argv[1], 'user.note', b'kept')
            """, env.toString()).run();
        Assumptions.assumeTrue(set.exit() == 0, "this file system has no access lists");
        String before = listed(env);
        endsIntoFile(0, "Rotated");
        assertEquals(before, listed(env));
        assertTrue(before.contains("user.note"), before);
    }

    private static String listed(Path file) {
        return Run.command("python3", "-c", "import os, sys; f = sys.argv[1]; s = os.stat(f); print(oct(s.st_mode), s.st_uid,"
                + " s.st_gid, sorted((n, os.getxattr(f, n).hex()) for n in os.listxattr(f)))", file.toString()).run().out();
    }

    // ---- 9: a tool that echoes the key (in every form: ToolTest)

    @Test
    void whateverAToolEchoesOfTheKeyIsMasked() {
        for (String how : List.of("cat", "base64 -w0", "od -An -tx1", "sed 's/_/%5F/g'", "sed 's/.\\{22\\}/& and /'")) {
            bench.tools.fail("patch", "k=$(cat); printf 'bad value: ' >&2; printf %s \"$k\" | " + how + " >&2; exit 3");
            bench.ends(21, bench.rotate(), "vault ended with exit code 3: bad value: ", "[key]");
            bench.sandbox.forget();
        }
    }
}
