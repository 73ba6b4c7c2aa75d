import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.rotation.*;
import runbook.rotation.Stores.Hands;

/** A dotenv file stays as it was but for the key; addresses; a team's own row, and what the table's loader refuses. */
class RotationStoresTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    /** Also with a byte order mark, not in UTF-8, read by a list of users, reached by a link. */
    @Test
    void aDotenvFileChangesOnlyInTheKeyAndKeepsItsAccessListAndAttributes() throws IOException {
        Path env = bench.folder.resolve("app config.env");
        String form = "\u00ef\u00bb\u00bfKEY=@ # caf\u00e9\n\n";
        Files.writeString(env, form.replace("@", bench.oldKey), StandardCharsets.ISO_8859_1);
        Files.setPosixFilePermissions(env, PosixFilePermissions.fromString("rw-r-----"));
        // owner rw, user 12345 r, group none, mask r, others none: as setfacl -m u:12345:r writes it.
        Run.Result set = Run.command("python3", "-c", """
            import os, struct, sys
            acl = struct.pack('<I', 2)
            for tag, perm, who in ((1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1)):
                acl += struct.pack('<HHi', tag, perm, who)
            os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)
            os.setxattr(sys.argv[1], 'user.note', b'kept')
            """, env.toString()).run();
        String before = listed(env);
        Path link = Files.createSymbolicLink(bench.folder.resolve("link"), env);
        Path fresh = Files.writeString(bench.folder.resolve("fresh"), bench.newKey);
        bench.ends(0, bench.into("file:" + link + "#KEY", "exec:cp " + fresh + " app"));
        assertEquals(form.replace("@", bench.newKey), Files.readString(env, StandardCharsets.ISO_8859_1));
        assertEquals(before, listed(env));
        assertTrue(Files.isSymbolicLink(link));
        Assumptions.assumeTrue(set.exit() == 0, "this file system has no access lists");
        assertTrue(before.contains("user.note"), before);
    }

    private static String listed(Path file) {
        return Run.command("python3", "-c", "import os, sys; f = sys.argv[1]; s = os.stat(f); print(oct(s.st_mode), "
                + "s.st_uid, s.st_gid, sorted((n, os.getxattr(f, n).hex()) for n in os.listxattr(f)))",
                file.toString()).run().out();
    }

    /** (How addresses are written: rotation-cases.txt.) */
    @Test
    void whereItsToolWantsAFileAStoreIsRefusedOnWindowsWhichHasNoSuchThatIsNone() {
        Screen.Host host = new Screen.Host(Map.of("PATH", ""), bench.folder, System.in, System.out, System.err);
        Tool tool = new Tool(Map.of("PATH", ""), bench.folder, Duration.ofSeconds(5), "Windows 11");
        Stores stores = new Stores(Templates.BUILT_IN, tool, Hands.of(tool));
        assertEquals("vault:a#b", stores.places(host, "--to", List.of("vault:a#b")).get(0).name());
        for (String store : List.of("aws:shop/klaviyo", "k8s:shop/klaviyo/key")) {
            Problem problem = assertThrows(Problem.class, () -> stores.places(host, "--to", List.of(store)));
            assertTrue(problem.getMessage().contains("Windows has no /dev/stdin"), problem.getMessage());
        }
    }

    // ---- a team's own row: the one that CONTRIBUTING.md shows

    private Run team(String right, String wrong, String settings) throws IOException {
        String row = Files.readString(Repository.file("CONTRIBUTING.md"))
                .replaceFirst("(?s).*## A secret store.*?```json\n(.*?)```.*", "$1");
        Path folder = bench.folder.resolve("ours");
        Tree.write(folder.resolve("stores.json"), row.replace(right, wrong));
        Tree.write(folder.resolve("team.properties"), settings);
        return bench.bare().env("KLAVIYO_TEMPLATES", folder.toString());
    }

    @Test
    void aTeamsOwnStoreAndSettingsNeedNoOptionAtAll() throws IOException {
        String settings = "rotate-key.to=op:Shared/klaviyo\nrotate-key.restart=systemd:web\n";
        bench.ends(0, team("", "", settings), "triage", "watch",
                "export KLAVIYO_PRIVATE_KEY=\"$(op read op://Shared/klaviyo/credential)\"");
        assertEquals("{\"title\":\"klaviyo\",\"category\":\"API_CREDENTIAL\",\"fields\":[{\"id\":\"credential\","
                + "\"type\":\"CONCEALED\",\"label\":\"credential\",\"value\":\"" + bench.newKey + "\"}]}",
                bench.tools.stdin("op"));
        bench.has(bench.newKey);
        assertFalse((bench.tools.calls() + bench.tools.environment("op")).contains("pk_"));
        bench.tools.fail("read", "echo '[ERROR] account is not signed in' >&2; exit 1");
        bench.ends(21, team("", "", settings), "1Password does not know you", "op signin");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "edit {item} | edit {item} credential={key} | write has {key} in it: the key goes by stdin alone",
        "--vault {vault} | --vault {valt} | write has {valt} in it, which the address does not",
        "op signin | op signin {key} | explain has {key} in it: the key goes by stdin alone",
        "op read op | op {key:base64} op | read has {key:base64} in it: the key goes by stdin alone",
        "{key} | nothing | a stdin that has {key} in it", "op:{vault}/{item} | op | address has to be a list of forms",
        "op item edit | op 'item edit | write is no command", "op item edit | rotate-key: edit | write is no command",
        "\"value\": \"\" | \"value\": \"credential\" | value Invalid input: JSON Pointer",
        "\"read\": \"op | \"readAt\": \"op | has no read, in which value",
        "op:{vault}/{item} | op:{vault}/{item}/{item} | address and parts",
        "/{item}\"] | [/{item}\"] | address and parts",
        "op:{vault}/{item} | op:{vault}/{my_item} | address has to be", "/{item}\"] | /{key}\"] | address has to be",
        "\"note\": | \"parts\": {\"valt\": \"x\"}, \"note\": | parts has {valt} in it",
        "signed in | ( signed | explain[0].when is no pattern",
        "install | instal | instal is no field, did you mean install?"})
    void aRowThatIsNotRightIsNamedWithFileIdAndField(String right, String wrong, String says) throws IOException {
        bench.ends(2, team(right, wrong, "").args("--to", "op:a/b"), "stores.json, 1password: ", says);
        assertEquals(List.of(), bench.tools.calls());
    }
}
