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
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Key;

/** How a rotation could do harm, each way seen once: beside another, after a refusal, by what it believes or shows. */
class RotationHarmTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() throws IOException {
        if (!Files.exists(bench.tools.file("go"))) {
            bench.release();
        }
        bench.close();
    }

    private static String sha(String key) {
        return "sha256 " + Key.of(key).fingerprint();
    }

    // ---- 1: a dry run beside a rotation

    @Test
    void aDryRunLeavesARunningRotationAlone() throws Exception {
        try (Run.Running first = bench.heldAt("patch", "--tool-timeout", "20s")) {
            // The tool runs a moment before the record names it.
            first.awaitUntil("the record names the tool", () ->
                    bench.record().contains("\"pid\" : " + bench.tools.held()));
            String record = bench.record();
            bench.ends(21, bench.rotate("--dry-run"), "another rotation is running");
            assertEquals(record, bench.record());
            bench.release();
            bench.ended(0, first.await());
        }
        assertEquals(bench.newKey(), bench.tools.app());
    }

    @Test
    void aDryRunAfterAKillTouchesNeitherProcessNorRecord() throws Exception {
        try (Run.Running running = bench.heldAt("patch")) {
            running.kill();
        }
        String record = bench.record();
        bench.ends(0, bench.rotate("--dry-run"), "Going on with the rotation begun at");
        assertEquals(record, bench.record());
        assertEquals(1, bench.tools.calls().stream().filter(call -> call.contains("[patch]")).count(),
                "written by a dry run");
        bench.release();
        bench.tools.mend();
        bench.ends(0, bench.rotate());
        assertEquals(bench.newKey(), bench.tools.app());
    }

    // ---- 2: the old key is disabled

    @ParameterizedTest
    @CsvSource({"true, 22, enabled again", "false, 23, Settings > API keys"})
    void whoeverRollsBackAfterTheOldKeyWasDisabledEnablesItAgainOrKeepsTheNewOne(boolean may, int exit, String says) {
        try (Run.Running running = bench.apart("--disable-old", "--grace", "1ms").start()) {
            running.awaitUntil("the old key is disabled", () -> !bench.sandbox.accepts(bench.oldKey()));
            running.kill();
        }
        if (!may) {
            bench.sandbox.scopes(bench.newKey(), Set.of("accounts:read"));
        }
        bench.ends(exit, bench.rotate("--roll-back"), says, "disabled");
        assertEquals(may, bench.sandbox.accepts(bench.oldKey()));
        assertEquals(may ? bench.oldKey() : bench.newKey(), bench.tools.value());
        assertTrue(bench.sandbox.accepts(bench.tools.app()), "the application's key is dead");
    }

    // ---- 3: a refused write, and what somebody set meanwhile

    @Test
    void aRefusedWriteLeavesNothingUnfinished() {
        bench.tools.fail("patch", "echo 'Code: 403. permission denied' >&2; exit 2");
        bench.ends(21, bench.rotate());
        bench.tools.mend();
        bench.ends(21, bench.rotate("--roll-back"), "no unfinished rotation");
        bench.ends(0, bench.into("azure:shop-vault/klaviyo", "systemd:web"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "--roll-back"})
    void aRunAfterAKillNeverOverwritesWhatSomebodyElseSet(String way) throws Exception {
        bench.killedAt("is-active");
        String theirs = bench.sandbox.issueKey();
        bench.tools.set(theirs);
        Run.Result result = bench.ends(21, way.isEmpty() ? bench.rotate() : bench.rotate(way), sha(theirs),
                sha(bench.newKey()));
        assertFalse(result.out().contains("\u2713 vault:secret/klaviyo#key: holds neither"), result::toString);
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
        assertEquals(bench.newKey(), bench.tools.app());
        assertFalse(back.out().contains("everything is as it was"), back::toString);
    }

    // ---- 5: wrong mends (the tools' own wording: RotationCloudTest)

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "cloudrun:web@europe-west1@shop | describe | ERROR: (gcloud.run.services.describe) Cannot find service [web]"
            + " | 1 | gcloud run services list --region=europe-west1 --project=shop",
        "ecs:prod/web@eu-west-1 | describe-services | An error occurred (ClusterNotFoundException) when calling the"
            + " DescribeServices operation: Cluster not found. | 254 | aws ecs list-clusters --region eu-west-1"})
    void aMissingServiceIsNotMendedByASecret(String target, String call, String complaint, int code, String mend) {
        bench.tools.installCloud();
        bench.tools.fail(call, "echo '" + complaint + "' >&2; exit " + code);
        Run.Result run = bench.ends(21, bench.into("vault:secret/klaviyo#key", target), mend);
        assertFalse(run.out().contains("gcloud secrets"), run.out());
    }

    // ---- 6: tested is what is stored

    @ParameterizedTest
    @ValueSource(strings = {"KLAVIYO_PRIVATE_KEY=@", "@;", "<@>", "@%0A", " @", "'@'", "@\n\n", "Klaviyo-API-Key @",
        "{\"key\":\"@\"}"})
    void aValueThatIsNotExactlyAKeyIsRefused(String form) throws IOException {
        Path file = Files.writeString(bench.folder.resolve("new.key"), form.replace("@", bench.newKey()));
        bench.ends(21, bench.rotate("--new-key-file", file.toString()).env("KLAVIYO_NEW_PRIVATE_KEY", null));
        bench.untouched();
    }

    // ---- 7: two rotations of one store

    private Run elsewhere(String key) {
        return bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", key)
                .env("KLAVIYO_INCIDENT", bench.folder.resolve("other").toString());
    }

    @Test
    void twoRotationsOfOneStoreNeverRunAtOnceOnOneMachine() throws Exception {
        try (Run.Running first = bench.heldAt("is-active", "--restart-within", "20s")) {
            bench.ends(21, elsewhere(bench.sandbox.issueKey()), "vault:secret/klaviyo#key", "another rotation");
            bench.release();
            bench.ended(0, first.await());
        }
        assertEquals(bench.newKey(), bench.tools.value());
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
            bench.ended(23, first.await(), sha(theirs), sha(bench.newKey()));
        }
        assertEquals(theirs, bench.tools.value());
        assertEquals(theirs, bench.tools.app());
    }

    @Test
    void aStoreThatIsSetByHandMeanwhileIsNotOverwritten() throws Exception {
        String theirs = bench.sandbox.issueKey();
        try (Run.Running first = bench.heldAt("LoadState", "--tool-timeout", "20s")) {
            bench.tools.set(theirs);
            bench.release();
            bench.ended(21, first.await(), sha(theirs), sha(bench.oldKey()));
        }
        assertEquals(theirs, bench.tools.value());
    }

    // ---- 8: what belongs to a dotenv file

    private Path dotenv() throws IOException {
        return Files.writeString(bench.folder.resolve("app.env"), "KEY=" + bench.oldKey() + "\n");
    }

    private Run intoFile(Path env) {
        return bench.into("file:" + env + "#KEY", "exec:sed 's/KEY=//' " + env + " | tr -d '\\n' > app");
    }

    @Test
    void aHardLinkIsRefused() throws IOException {
        Path env = dotenv();
        Files.createLink(bench.folder.resolve("twin.env"), env);
        bench.ends(21, intoFile(env), "hard link");
        assertEquals("KEY=" + bench.oldKey() + "\n", Files.readString(env));
    }

    @Test
    void extendedAttributesAndAccessListsSurvive() throws Exception {
        Path env = dotenv();
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
        Files.getFileAttributeView(env, UserDefinedFileAttributeView.class).write("note",
                StandardCharsets.UTF_8.encode("kept"));
        String before = listed(env);
        bench.ends(0, intoFile(env));
        assertEquals("KEY=" + bench.newKey() + "\n", Files.readString(env));
        assertEquals(before, listed(env));
        assertEquals(List.of("note"), Files.getFileAttributeView(env, UserDefinedFileAttributeView.class).list());
    }

    private static String listed(Path file) {
        return Run.command("python3", "-c",
                "import os, sys; f = sys.argv[1]; s = os.stat(f); print(oct(s.st_mode), s.st_uid,"
                + " s.st_gid, sorted((n, os.getxattr(f, n).hex()) for n in os.listxattr(f)))", file.toString()).run()
                .out();
    }

    // ---- 9: a tool that echoes the key

    @ParameterizedTest
    @ValueSource(strings = {"base64 -w0", "od -An -tx1", "sed 's/_/%5F/g'", "cat", "rev",
        "sed 's/\\(.\\{22\\}\\)/\\1 and /'"})
    void whateverAToolEchoesOfTheKeyIsMasked(String how) {
        bench.tools.fail("patch", "k=$(cat); printf 'bad value: ' >&2; printf '%s' \"$k\" | " + how + " >&2; exit 3");
        Run.Result result = bench.rotate().run();
        byte[] key = bench.newKey().getBytes(StandardCharsets.UTF_8);
        String shown = (result.out() + result.err() + bench.record()).replaceAll("[^A-Za-z0-9]", "");
        for (String form : List.of(bench.newKey(), HexFormat.of().formatHex(key), Base64.getEncoder()
                .encodeToString(key), new StringBuilder(bench.newKey()).reverse().toString())) {
            String bare = form.replaceAll("[^A-Za-z0-9]", "");
            for (int from = 4; from + 12 <= bare.length(); from += 4) {
                String piece = bare.substring(from, from + 12);
                assertFalse(shown.contains(piece), () -> piece + "\n" + result);
            }
        }
    }
}
