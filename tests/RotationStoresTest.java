import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Cli;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.rotation.Stores;

/**
 * What each store is sent: words, environment, standard input; and that a dotenv file stays as it was but for the key.
 */
class RotationStoresTest {
    private static final Cli.Host HOST = new Cli.Host(Map.of("HOME", "/home/me"), Path.of("/work"), System.in, System.out, System.err);

    private static Stores.Store store(String typed) {
        return Stores.of(Templates.builtIn()).store(HOST, typed);
    }

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|', value = {
                "cloudrun:web@europe-west1 | gcloud [run] [services] [update] [web] [--region=europe-west1]"
                        + " [--update-labels=klaviyo-key-rotated=",
                "ecs:prod/web              | aws [ecs] [update-service] [--cluster] [prod] [--service] [web]"
                        + " [--force-new-deployment]"
            })
    void aServiceIsRestartedSoThatItReadsTheKey(String target, String call) {
        bench.tools.installCloud();
        Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--restart", target).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(bench.newKey(), bench.tools.app(), "the key that the service started with");
        assertTrue(bench.tools.calls().stream().anyMatch(line -> line.startsWith(call)),
                () -> String.join("\n", bench.tools.calls()));
        assertFalse(bench.tools.environment(call.split(" ")[0]).contains("pk_"), "the tool's environment has a key");
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"cloudrun:web@europe-west1", "ecs:prod/web"})
    void aServiceThatCannotBeSeenIsRefusedBeforeAnythingChanges(String target) {
        bench.tools.installCloud();
        bench.tools.fail(target.startsWith("ecs") ? "describe-services" : "describe", StandIns.Fault.EXITS_NON_ZERO, 9);
        Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--restart", target).run();
        assertEquals(21, result.exit(), result::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
    }

    @Test
    void theKeyTravelsByStandardInput() {
        Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--to", "azure:shop-vault/klaviyo", "--to",
                        "github:acme/shop/KLAVIYO_KEY",
                        "--to",
                        "heroku:shop/KLAVIYO_KEY",
                        "--restart",
                        "systemd:web")
                .run();
        assertEquals(0, result.exit(), result::toString);
        List<String> calls = bench.tools.calls();
        assertTrue(calls.containsAll(List.of("vault [kv] [patch] [secret/klaviyo] [key=-]",
                        "az [keyvault] [secret] [set] [--vault-name] [shop-vault] [--name] [klaviyo] [--value] [@-]"
                                + " [--output] [none]",
                        "gh [secret] [set] [KLAVIYO_KEY] [--repo] [acme/shop]",
                        "heroku [api] [PATCH] [/apps/shop/config-vars]")),
                () -> String.join("\n", calls));
        assertFalse(String.join("\n", calls).contains("pk_"), "a tool's words have a key");
        for (String tool : List.of("vault", "az", "gh")) {
            assertEquals(bench.newKey(), bench.tools.stdin(tool), tool);
        }
        assertEquals("{\"KLAVIYO_KEY\":\"" + bench.newKey() + "\"}", bench.tools.stdin("heroku"));
        for (String tool : List.of("vault", "az", "gh", "heroku", "systemctl")) {
            String environment = bench.tools.environment(tool);
            assertFalse(environment.contains("pk_") || environment.contains("KLAVIYO_PRIVATE_KEY"),
                    tool + "'s environment has a key");
        }
    }

    @Test
    void aStoreThatCannotBeReadIsOnlyWrittenWithAWayBack() {
        Run.Result refused = bench.bare("--to", "github:acme/shop/KLAVIYO_KEY", "--restart", "systemd:web", "--account",
                        bench.sandbox.accountId())
                .env("KLAVIYO_PRIVATE_KEY", null).run();
        assertEquals(21, refused.exit(), refused::toString);
        assertTrue(refused.out().contains("no way back"), refused.out());
        bench.tools.fail("restart", StandIns.Fault.EXITS_NON_ZERO, 1);
        Run.Result back = bench.bare("--to", "github:acme/shop/KLAVIYO_KEY", "--restart", "systemd:web").run();
        assertEquals(22, back.exit(), back::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
        assertTrue(back.out().contains("write-only"), back.out());
    }

    @Test
    void aCommandOfYourOwnReadsTheKeyAndSeesNoneInItsEnvironment() throws IOException {
        Path kept = bench.folder.resolve("kept");
        Run.Result result = bench.bare("--to", "exec:cat > " + kept + "; env > " + kept + ".env", "--restart",
                        "exec:cp " + kept + " " + bench.folder.resolve("app"))
                .run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(bench.newKey(), Files.readString(kept));
        assertFalse(Files.readString(bench.folder.resolve("kept.env")).contains("pk_"));
    }

    @Test
    void aFailureInTheMiddleRestoresEveryStoreInReverse() throws IOException {
        Path env = Files.writeString(bench.folder.resolve(".env"), "KEY='" + bench.oldKey() + "'\n");
        bench.tools.fail("restart", StandIns.Fault.EXITS_NON_ZERO, 1);
        Run.Result result = bench.bare(
                        "--to", "file:" + env + "#KEY", "--to", "vault:secret/klaviyo#key", "--restart", "systemd:web")
                .run();
        assertEquals(22, result.exit(), result::toString);
        assertEquals("KEY='" + bench.oldKey() + "'\n", Files.readString(env));
        assertEquals(bench.oldKey(), bench.tools.value());
        String back = result.out().substring(result.out().indexOf("Rolling back"));
        assertTrue(back.indexOf("vault:secret") < back.indexOf("file:"), back);
    }

    private static final List<String> DOTENV = List.of("A=1\nKEY=@\nB=2\n", "# top\n\nexport KEY=@ # the key\nKEYS=x\n",
            "KEY=\"@\"\r\nX='KEY=y'\r\n",
            "  KEY = '@'  # c\n#KEY=old",
            "Z=caf\u00e9\nKEY=@",
            "NOT_KEY=1\nKEY=@\n\n\n");

    @Test
    void aDotenvFileChangesOnlyInTheKey() throws IOException {
        Run cli = bench.bare("--restart", "exec:cp " + bench.tools.file("fresh") + " " + bench.tools.file("app"));
        Files.writeString(bench.tools.file("fresh"), bench.newKey());
        for (int i = 0; i < DOTENV.size(); i++) {
            Path env = bench.folder.resolve("app config " + i + ".env");
            Files.write(env, DOTENV.get(i).replace("@", bench.oldKey()).getBytes(StandardCharsets.ISO_8859_1));
            Files.setPosixFilePermissions(env, PosixFilePermissions.fromString("rw-r-----"));
            cli.args("--to", "file:" + Files.createSymbolicLink(bench.folder.resolve("link" + i), env) + "#KEY");
        }
        Run.Result result = cli.run();
        assertEquals(0, result.exit(), result::toString);
        for (int i = 0; i < DOTENV.size(); i++) {
            Path env = bench.folder.resolve("app config " + i + ".env");
            assertEquals(
                    DOTENV.get(i).replace("@", bench.newKey()), Files.readString(env, StandardCharsets.ISO_8859_1));
            assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(env)));
            assertTrue(Files.isSymbolicLink(bench.folder.resolve("link" + i)));
        }
    }

    @Test
    void aPlaceholderIsReplacedAndPutBack() throws IOException {
        Path env = Files.writeString(bench.folder.resolve(".env"), "KEY=a\nOTHER=1\n");
        Path empty = Files.writeString(bench.folder.resolve("empty.env"), "KEY=\n");
        String[] words = {
            "--to",
            "file:" + env + "#KEY",
            "--to",
            "file:" + empty + "#KEY",
            "--to",
            "vault:secret/klaviyo#key",
            "--restart",
            "systemd:web"
        };
        bench.tools.fail("restart", StandIns.Fault.EXITS_NON_ZERO, 1);
        Run.Result back = bench.bare(words).run();
        assertEquals(22, back.exit(), back::toString);
        assertEquals("KEY=a\nOTHER=1\n", Files.readString(env));
        assertEquals("KEY=\n", Files.readString(empty));
        Run.Result result = bench.bare(words).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals("KEY=" + bench.newKey() + "\nOTHER=1\n", Files.readString(env));
        assertEquals("KEY=" + bench.newKey() + "\n", Files.readString(empty));
    }

    @Test
    void aDotenvFileThatIsNotClearIsRefused() throws IOException {
        Run cli = bench.bare("--restart", "exec:true");
        Map<String, String> complaints = Map.of("OTHER=1", "other.env sets no KEY", "KEY=a\nKEY=b",
                "key.env sets KEY more than once",
                "K=1\nKEY=\"unclosed",
                "unclosed.env sets no KEY");
        for (Map.Entry<String, String> entry : complaints.entrySet()) {
            Path env =
                    Files.writeString(bench.folder.resolve(entry.getValue().replaceFirst(" .*", "")), entry.getKey());
            cli.args("--to", "file:" + env + "#KEY");
        }
        Run.Result result = cli.run();
        assertEquals(21, result.exit(), result::toString);
        for (Map.Entry<String, String> entry : complaints.entrySet()) {
            assertTrue(result.out().replaceAll("\\s+", " ").contains(entry.getValue()), result.out());
            assertEquals(entry.getKey(),
                    Files.readString(bench.folder.resolve(entry.getValue().replaceFirst(" .*", ""))));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gcp:",
                "gcp:--help",
                "aws:-x",
                "k8s:a/b",
                "vault:a",
                "github:a/b",
                "heroku:a",
                "file:/x",
                "ftp:x",
                "nothing",
                "exec:",
                "exec:echo pk_0123456789abcdef0123456789abcdef01"
            })
    void aStoreThatIsNoneIsWrongUsage(String store) {
        Problem problem = assertThrows(Problem.class, () -> store(store));
        assertEquals(Problem.USAGE, problem.exitCode());
        assertTrue(problem.getMessage().startsWith("--to"), problem.getMessage());
        assertFalse(problem.getMessage().contains("0123456789abcdef0123"), problem.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gcp:klaviyo-key",
                "gcp:klaviyo@shop-1",
                "gcp:k@example.com:shop",
                "aws:shop/klaviyo",
                "aws:a@b@eu-west-1",
                "aws:x#key",
                "aws:x@us-gov-west-1#key",
                "aws:x#key@eu-west-1",
                "aws:arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf",
                "azure:v/s",
                "k8s:shop/klaviyo/api.key",
                "vault:secret/a/b#key",
                "github:acme/shop/KEY",
                "heroku:shop/KEY",
                "file:/a b#.env#KEY",
                "exec:cat > x"
            })
    void aStoreIsNamedAsItWasTyped(String store) {
        assertEquals(store, store(store).name());
    }
}
