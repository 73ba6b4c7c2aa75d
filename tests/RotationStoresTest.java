import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What each store is sent: words, environment, standard input; and that a dotenv file stays as it was but for the key. */
class RotationStoresTest {
    private final RotationBench bench = new RotationBench();

    @AfterEach
    void close() {
        bench.close();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "vault:secret/klaviyo#key | vault | vault [kv] [patch] [secret/klaviyo] [key=-] | KEY",
        "azure:shop-vault/klaviyo | az | az [keyvault] [secret] [set] [--vault-name] [shop-vault] [--name] [klaviyo] [--value] [@-] [--output] [none] | KEY",
        "github:acme/shop/KLAVIYO_KEY | gh | gh [secret] [set] [KLAVIYO_KEY] [--repo] [acme/shop] | KEY",
        "heroku:shop/KLAVIYO_KEY | heroku | heroku [api] [PATCH] [/apps/shop/config-vars] | {\"KLAVIYO_KEY\":\"KEY\"}"})
    void theKeyTravelsByStandardInput(String store, String tool, String call, String fed) {
        Cli.Result result = bench.bare("--to", store, "--restart", "systemd:web").run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(1, bench.tools.calls().stream().filter(call::equals).count(), () -> String.join("\n", bench.tools.calls()));
        assertEquals(fed.replace("KEY\"", bench.newKey() + "\"").replaceFirst("^KEY$", bench.newKey()).replace("{\"KLAVIYO_" + bench.newKey(), "{\"KLAVIYO_KEY"), bench.tools.stdin(tool));
        assertEquals(bench.newKey(), bench.tools.value());
        String environment = bench.tools.environment(tool);
        assertFalse(environment.contains(bench.oldKey()) || environment.contains(bench.newKey()) || environment.contains("KLAVIYO_PRIVATE_KEY"), "the tool's environment has a key");
        assertFalse(String.join("\n", bench.tools.calls()).contains("pk_"), "a tool's words have a key");
    }

    @Test
    void aStoreThatCannotBeReadIsOnlyWrittenWithAWayBack() {
        Cli.Result refused = bench.bare("--to", "github:acme/shop/KLAVIYO_KEY", "--restart", "systemd:web", "--account", bench.sandbox.control().accountId())
                .env("KLAVIYO_PRIVATE_KEY", null).run();
        assertEquals(21, refused.exit(), refused::toString);
        assertTrue(refused.out().contains("no way back"), refused.out());
        bench.tools.fail("restart", StandIns.Fault.EXITS_NON_ZERO, 1);
        Cli.Result back = bench.bare("--to", "github:acme/shop/KLAVIYO_KEY", "--restart", "systemd:web").run();
        assertEquals(22, back.exit(), back::toString);
        assertEquals(bench.oldKey(), bench.tools.value());
        assertTrue(back.out().contains("write-only"), back.out());
    }

    @Test
    void aCommandOfYourOwnReadsTheKeyAndSeesNoneInItsEnvironment() throws IOException {
        Path kept = bench.folder.resolve("kept");
        Cli.Result result = bench.bare("--to", "exec:cat > " + kept + "; env > " + kept + ".env", "--restart", "exec:cp " + kept + " " + bench.folder.resolve("app")).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(bench.newKey(), Files.readString(kept));
        assertFalse(Files.readString(bench.folder.resolve("kept.env")).contains("pk_"));
    }

    @Test
    void aFailureInTheMiddleRestoresEveryStoreInReverse() throws IOException {
        Path env = Files.writeString(bench.folder.resolve(".env"), "KEY='" + bench.oldKey() + "'\n");
        bench.tools.fail("restart", StandIns.Fault.EXITS_NON_ZERO, 1);
        Cli.Result result = bench.bare("--to", "file:" + env + "#KEY", "--to", "vault:secret/klaviyo#key", "--restart", "systemd:web").run();
        assertEquals(22, result.exit(), result::toString);
        assertEquals("KEY='" + bench.oldKey() + "'\n", Files.readString(env));
        assertEquals(bench.oldKey(), bench.tools.value());
        String back = result.out().substring(result.out().indexOf("Rolling back"));
        assertTrue(back.indexOf("vault:secret") < back.indexOf("file:"), back);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "A=1\nKEY=@\nB=2\n", "# top\n\nexport KEY=@ # the key\nKEYS=x\n", "KEY=\"@\"\r\nX='KEY=y'\r\n", "  KEY = '@'  # c\n#KEY=old", "Z=caf\u00e9\nKEY=@", "NOT_KEY=1\nKEY=@\n\n\n"})
    void aDotenvFileChangesOnlyInTheKey(String text) throws IOException {
        Path env = bench.folder.resolve("app config.env");
        Files.write(env, text.replace("@", bench.oldKey()).getBytes(StandardCharsets.ISO_8859_1));
        Files.setPosixFilePermissions(env, PosixFilePermissions.fromString("rw-r-----"));
        Path link = Files.createSymbolicLink(bench.folder.resolve("link.env"), env);
        Cli.Result result = bench.bare("--to", "file:" + link + "#KEY", "--restart", "exec:grep -o 'pk_[A-Za-z0-9_]*' '" + env + "' | tr -d '\\n' > " + bench.folder.resolve("app")).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(text.replace("@", bench.newKey()), Files.readString(env, StandardCharsets.ISO_8859_1));
        assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(env)));
        assertTrue(Files.isSymbolicLink(link));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "OTHER=1 | sets no KEY", "KEY=a;KEY=b | more than once", "KEY=\"unclosed | sets no KEY"})
    void aDotenvFileThatIsNotClearIsRefused(String text, String why) throws IOException {
        Path env = Files.writeString(bench.folder.resolve(".env"), text.replace(";", "\n"));
        Cli.Result result = bench.bare("--to", "file:" + env + "#KEY", "--restart", "exec:true").run();
        assertEquals(21, result.exit(), result::toString);
        assertTrue(result.out().replaceAll("\\s+", " ").contains(why), result.out());
        assertEquals(text.replace(";", "\n"), Files.readString(env));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gcp:", "gcp:--help", "aws:-x", "k8s:a/b", "vault:a", "github:a/b", "heroku:a", "file:/x", "ftp:x", "nothing", "exec:", "exec:echo pk_0123456789abcdef0123456789abcdef01"})
    void aStoreThatIsNoneIsWrongUsage(String store) {
        Cli.Result result = bench.bare("--to", store, "--restart", "exec:true").run();
        assertEquals(2, result.exit(), result::toString);
        assertTrue(result.err().startsWith("error: --to"), result.err());
        assertFalse(result.err().contains("0123456789abcdef0123"), result.err());
    }
}
