import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.Base64;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Key;

/**
 * Ways in which a rotation could do harm, each seen once: beside another, after a refusal, by what it believes or
 * shows.
 */
class RotationHarmTest {
    private static final String HOLD = "touch \"$here/there\"; while [ ! -f \"$here/go\" ]; do sleep 0.02; done";

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() throws IOException {
        if (!Files.exists(bench.tools.file("go"))) {
            release();
        }
        bench.close();
    }

    private Run.Running heldAt(String call, String... more) {
        bench.tools.fail(call, HOLD);
        Run.Running running = bench.apart(more).start();
        return running.awaitUntil("the tool is held at " + call, () -> Files.exists(bench.tools.file("there")));
    }

    private void release() throws IOException {
        Files.createFile(bench.tools.file("go"));
    }

    private void killedAt(String call) throws IOException {
        try (Run.Running running = heldAt(call)) {
            running.kill();
        }
        release();
        bench.tools.mend();
    }

    private Run.Result ends(int exit, Run run) {
        Run.Result result = run.run();
        assertEquals(exit, result.exit(), result::toString);
        return result;
    }

    private static void says(Run.Result result, String... words) {
        String all = (result.out() + " " + result.err()).replaceAll("\\s+", " ");
        for (String word : words) {
            assertTrue(all.contains(word), () -> word + "\n" + result);
        }
    }

    private static String sha(String key) {
        return "sha256 " + Key.of(key).fingerprint();
    }

    // ---- 1: a dry run beside a rotation

    @Test
    void aDryRunLeavesARunningRotationAlone() throws Exception {
        try (Run.Running first = heldAt("patch", "--tool-timeout", "20s")) {
            String record = bench.record();
            says(ends(21, bench.rotate("--dry-run")), "another rotation is running");
            assertEquals(record, bench.record());
            release();
            assertEquals(0, first.await().exit(), () -> first.out() + first.err());
        }
        assertEquals(bench.newKey(), bench.tools.app());
    }

    @Test
    void aDryRunAfterAKillTouchesNeitherProcessNorRecord() throws Exception {
        try (Run.Running running = heldAt("patch")) {
            running.kill();
        }
        String record = bench.record();
        says(ends(0, bench.rotate("--dry-run")), "Going on with the rotation begun at");
        assertEquals(record, bench.record());
        assertFalse(bench.tools.calls().stream().filter(call -> call.contains("[patch]")).count() > 1, "written by a dry run");
        release();
        bench.tools.mend();
        ends(0, bench.rotate());
        assertEquals(bench.newKey(), bench.tools.app());
    }

    // ---- 2: the old key is disabled

    @Test
    void whoeverRollsBackAfterTheOldKeyWasDisabledEnablesItAgain() {
        try (Run.Running running = bench.apart("--disable-old", "--grace", "1ms").start()) {
            running.awaitUntil("the old key is disabled", () -> !bench.sandbox.accepts(bench.oldKey()));
            running.kill();
        }
        Run.Result back = ends(22, bench.rotate("--roll-back"));
        assertTrue(bench.sandbox.accepts(bench.oldKey()), back::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
        assertEquals(bench.oldKey(), bench.tools.app());
        says(back, "enabled again");
    }

    @Test
    void whoeverCannotEnableTheOldKeyAgainLeavesTheNewOne() {
        try (Run.Running running = bench.apart("--disable-old", "--grace", "1ms").start()) {
            running.awaitUntil("the old key is disabled", () -> !bench.sandbox.accepts(bench.oldKey()));
            running.kill();
        }
        bench.sandbox.scopes(bench.newKey(), java.util.Set.of("accounts:read"));
        Run.Result back = ends(23, bench.rotate("--roll-back"));
        assertEquals(bench.newKey(), bench.tools.value());
        says(back, "Settings > API keys", "disabled");
    }

    // ---- 3: a refused write, and what somebody set meanwhile

    @Test
    void aRefusedWriteLeavesNothingUnfinished() {
        bench.tools.fail("patch", "echo 'Code: 403. permission denied' >&2; exit 2");
        ends(21, bench.rotate());
        bench.tools.mend();
        says(ends(21, bench.rotate("--roll-back")), "no unfinished rotation");
        ends(0, bench.bare("--to", "azure:shop-vault/klaviyo", "--restart", "systemd:web"));
    }

    @Test
    void aRollBackStopsWhereSomebodyElseSetTheStore() throws Exception {
        killedAt("is-active");
        String theirs = bench.sandbox.issueKey();
        bench.tools.set(theirs);
        Run.Result back = bench.rotate("--roll-back").run();
        assertTrue(back.exit() == 23 || back.exit() == 21, back::toString);
        says(back, sha(theirs), sha(bench.newKey()));
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
        Run.Result back = ends(23, bench.rotate());
        assertEquals(bench.newKey(), bench.tools.app());
        says(back, "nothing did", "systemctl --no-ask-password restart web");
        assertFalse(back.out().contains("everything is as it was"), back::toString);
    }

    // ---- 5: wrong mends (the tools' own wording: RotationCloudTest)

    @Test
    void aMissingServiceIsNotMendedByASecret() {
        bench.tools.installCloud();
        bench.tools.fail("describe", "echo 'ERROR: (gcloud.run.services.describe) Cannot find service [web]' >&2; exit 1");
        Run.Result run = ends(21, bench.bare("--to", "vault:secret/klaviyo#key", "--restart", "cloudrun:web@europe-west1@shop"));
        says(run, "gcloud run services list --region=europe-west1 --project=shop");
        assertFalse(run.out().contains("gcloud secrets"), run.out());
        bench.tools.fail("describe-services", "echo 'An error occurred (ClusterNotFoundException) when calling the "
                + "DescribeServices operation: Cluster not found.' >&2; exit 254");
        Run.Result ecs = ends(21, bench.bare("--to", "vault:secret/klaviyo#key", "--restart", "ecs:prod/web@eu-west-1"));
        says(ecs, "aws ecs list-clusters --region eu-west-1");
    }

    // ---- 6: tested is what is stored

    @ParameterizedTest
    @ValueSource(strings = {"KLAVIYO_PRIVATE_KEY=@", "@;", "<@>", "@%0A", " @", "'@'", "@\n\n", "Klaviyo-API-Key @", "{\"key\":\"@\"}"})
    void aValueThatIsNotExactlyAKeyIsRefused(String form) throws IOException {
        Path file = Files.writeString(bench.folder.resolve("new.key"), form.replace("@", bench.newKey()));
        ends(21, bench.rotate("--new-key-file", file.toString()).env("KLAVIYO_NEW_PRIVATE_KEY", null));
        assertEquals(bench.oldKey(), bench.tools.value());
    }

    // ---- 7: two rotations of one store

    private Run elsewhere(String key) {
        return bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", key).env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString());
    }

    @Test
    void twoRotationsOfOneStoreNeverRunAtOnceOnOneMachine() throws Exception {
        try (Run.Running first = heldAt("is-active", "--restart-within", "20s")) {
            says(ends(21, elsewhere(bench.sandbox.issueKey())), "vault:secret/klaviyo#key", "another rotation");
            release();
            assertEquals(0, first.await().exit(), () -> first.out() + first.err());
        }
        assertEquals(bench.newKey(), bench.tools.value());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aRotationFromAnotherMachineIsNeitherOverwrittenNorRolledBack(boolean fails) throws Exception {
        String theirs = bench.sandbox.issueKey();
        bench.tools.fail("is-active", HOLD + (fails ? "; exit 3" : ""));
        try (Run.Running first = bench.apart("--restart-within", "20s").start()) {
            first.awaitUntil("it is held", () -> Files.exists(bench.tools.file("there")));
            bench.tools.mend();
            ends(0, elsewhere(theirs).env("XDG_STATE_HOME", bench.folder.resolve("state-2").toString()));
            release();
            Run.Result result = first.await();
            assertEquals(23, result.exit(), result::toString);
            says(result, sha(theirs), sha(bench.newKey()));
        }
        assertEquals(theirs, bench.tools.value());
        assertEquals(theirs, bench.tools.app());
    }

    @Test
    void aStoreThatIsSetByHandMeanwhileIsNotOverwritten() throws Exception {
        String theirs = bench.sandbox.issueKey();
        try (Run.Running first = heldAt("LoadState", "--tool-timeout", "20s")) {
            bench.tools.set(theirs);
            release();
            Run.Result result = first.await();
            assertEquals(21, result.exit(), result::toString);
            says(result, sha(theirs), sha(bench.oldKey()));
        }
        assertEquals(theirs, bench.tools.value());
    }

    @Test
    void aRunAfterAKillNeverOverwritesWhatSomebodyElseSet() throws Exception {
        killedAt("is-active");
        String theirs = bench.sandbox.issueKey();
        bench.tools.set(theirs);
        Run.Result result = ends(21, bench.rotate());
        says(result, sha(theirs), sha(bench.newKey()));
        assertFalse(result.out().contains("\u2713 vault:secret/klaviyo#key: holds neither"), result::toString);
        assertEquals(theirs, bench.tools.value());
    }

    // ---- 8: what belongs to a dotenv file

    private Run intoFile(Path env) {
        return bench.bare("--to", "file:" + env + "#KEY", "--restart", "exec:sed 's/KEY=//' " + env + " | tr -d '\\n' > app");
    }

    @Test
    void aHardLinkIsRefused() throws IOException {
        Path env = Files.writeString(bench.folder.resolve("app.env"), "KEY=" + bench.oldKey() + "\n");
        Files.createLink(bench.folder.resolve("twin.env"), env);
        says(ends(21, intoFile(env)), "hard link");
        assertEquals("KEY=" + bench.oldKey() + "\n", Files.readString(env));
    }

    @Test
    void extendedAttributesAndAccessListsSurvive() throws Exception {
        Path env = Files.writeString(bench.folder.resolve("app.env"), "KEY=" + bench.oldKey() + "\n");
        // owner rw, user 12345 r, group none, mask r, others none: as setfacl -m u:12345:r writes it.
        Run.Result set = Run.command("python3", "-c", """
            import os, struct, sys
            acl = struct.pack('<I', 2)
            for tag, perm, who in ((1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)):
                acl += struct.pack('<HHi', tag, perm, who)
            os.chmod(sys.argv[1], 0o600)
            os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)
            """, env.toString()).run();
        Assumptions.assumeTrue(set.exit() == 0, "this file system has no access lists");
        var attributes = Files.getFileAttributeView(env, UserDefinedFileAttributeView.class);
        attributes.write("note", StandardCharsets.UTF_8.encode("kept by hand"));
        String before = listed(env);
        ends(0, intoFile(env));
        assertEquals("KEY=" + bench.newKey() + "\n", Files.readString(env));
        assertEquals(before, listed(env));
        assertEquals(java.util.List.of("note"), Files.getFileAttributeView(env, UserDefinedFileAttributeView.class).list());
    }

    private static String listed(Path file) {
        return Run.command("python3", "-c", "import os, sys; f = sys.argv[1]; s = os.stat(f); print(oct(s.st_mode), s.st_uid, "
                + "s.st_gid, sorted((n, os.getxattr(f, n).hex()) for n in os.listxattr(f)))", file.toString()).run().out();
    }

    // ---- 9: a tool that echoes the key

    @ParameterizedTest
    @ValueSource(strings = {"base64 -w0", "od -An -tx1", "sed 's/_/%5F/g'", "sed 's/\\(.\\{22\\}\\)/\\1 and /'", "cat", "rev"})
    void whateverAToolEchoesOfTheKeyIsMasked(String how) {
        bench.tools.fail("patch", "k=$(cat); printf 'bad value: ' >&2; printf '%s' \"$k\" | " + how + " >&2; exit 3");
        Run.Result result = bench.rotate().run();
        byte[] key = bench.newKey().getBytes(StandardCharsets.UTF_8);
        String hex = HexFormat.of().formatHex(key);
        String reversed = new StringBuilder(bench.newKey()).reverse().toString();
        String shown = (result.out() + result.err() + bench.record()).replaceAll("[^A-Za-z0-9]", "");
        for (String form : new String[] {bench.newKey(), hex, Base64.getEncoder().encodeToString(key), reversed}) {
            String bare = form.replaceAll("[^A-Za-z0-9]", "");
            for (int from = 4; from + 12 <= bare.length(); from += 4) {
                String piece = bare.substring(from, from + 12);
                assertFalse(shown.contains(piece), () -> piece + "\n" + result);
            }
        }
    }
}
