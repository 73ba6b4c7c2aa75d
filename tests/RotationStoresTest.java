import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Cli;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Tool;
import runbook.rotation.Stores;
import runbook.rotation.Stores.Hands;

/**
 * What each store is sent: words, environment, standard input; a dotenv file stays as it was but for the key; a team's own
 * row, and what the table's loader refuses.
 */
class RotationStoresTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    private void seesNoKey(String tool) {
        String environment = bench.tools.environment(tool);
        assertFalse(environment.contains("pk_") || environment.contains("KLAVIYO_PRIVATE_KEY"), tool + "'s environment");
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "cloudrun:web@europe-west1@shop | ERROR: (gcloud.run.services.describe) Cannot find service [web]"
            + " | gcloud run services list --region=europe-west1 --project=shop"
            + " | gcloud [run] [services] [update] [web] [--region=europe-west1] [--project=shop] [--update-labels=klaviyo",
        "ecs:prod/web@eu-west-1 | An error occurred (ClusterNotFoundException): Cluster not found."
            + " | aws ecs list-clusters --region eu-west-1"
            + " | aws [ecs] [update-service] [--cluster] [prod] [--service] [web] [--region] [eu-west-1] [--force-new-deploy"})
    void aServiceIsRestartedAndOneThatIsMissingIsMendedByNoSecret(String target, String says, String mend, String call) {
        bench.tools.installCloud();
        bench.tools.fail("describe", "echo '" + says + "' >&2; exit 1", 9);
        Run.Result run = bench.ends(21, bench.into("vault:secret/klaviyo#key", target), mend);
        assertFalse(run.out().contains("gcloud secrets"), run.out());
        bench.untouched();
        bench.tools.mend();
        bench.ends(0, bench.into("vault:secret/klaviyo#key", target));
        bench.has(bench.newKey);
        assertTrue(bench.tools.calls().stream().anyMatch(line -> line.startsWith(call)), bench.tools.calls()::toString);
        seesNoKey(call.split(" ")[0]);
    }

    @Test
    void theKeyTravelsByStandardInput() {
        bench.ends(0, bench.bare("--to", "vault:secret/klaviyo#key", "--to", "azure:shop-vault/klaviyo", "--to",
                "github:acme/shop/KLAVIYO_KEY", "--to", "heroku:shop/KLAVIYO_KEY", "--restart", "systemd:web"));
        String calls = String.join("\n", bench.tools.calls());
        Map.of("vault [kv] [patch] [secret/klaviyo] [key=-]", "@",
                "az [keyvault] [secret] [set] [--vault-name] [shop-vault] [--name] [klaviyo] [--value] [@-] [--output] [none]",
                "@", "gh [secret] [set] [KLAVIYO_KEY] [--repo] [acme/shop]", "@",
                "heroku [api] [PATCH] [/apps/shop/config-vars]", "{\"KLAVIYO_KEY\":\"@\"}").forEach((call, fed) -> {
                    String tool = call.split(" ")[0];
                    assertTrue(calls.contains(call), calls);
                    assertEquals(fed.replace("@", bench.newKey), bench.tools.stdin(tool), tool);
                    seesNoKey(tool);
                });
        assertFalse(calls.contains("pk_"), "a tool's words have a key");
        seesNoKey("systemctl");
    }

    @Test
    void aStoreThatCannotBeReadIsOnlyWrittenWithAWayBack() {
        bench.ends(21, bench.into("github:acme/shop/KLAVIYO_KEY", "systemd:web").env("KLAVIYO_PRIVATE_KEY", null)
                .args("--account", bench.sandbox.accountId()), "no way back");
        bench.tools.fail("restart", "exit 3");
        bench.ends(22, bench.into("github:acme/shop/KLAVIYO_KEY", "systemd:web"), "write-only");
        assertEquals(bench.oldKey, bench.tools.value());
    }

    @Test
    void aCommandOfYourOwnReadsTheKeyAndSeesNoneInItsEnvironment() throws IOException {
        bench.ends(0, bench.into("exec:cat > kept; env > kept.env", "exec:cp kept " + bench.tools.file("app")));
        assertEquals(bench.newKey, Files.readString(bench.folder.resolve("kept")));
        assertFalse(Files.readString(bench.folder.resolve("kept.env")).contains("pk_"));
    }

    // ---- a dotenv file

    @Test
    void aFailureInTheMiddleRestoresEveryStoreInReversePlaceholdersToo() throws IOException {
        Map<String, String> before = Map.of(".env", "KEY='" + bench.oldKey + "'\n", "other.env", "KEY=a\nOTHER=1\n",
                "empty.env", "KEY=\n");
        Run[] runs = {bench.rotate(), bench.rotate()};
        for (Map.Entry<String, String> file : before.entrySet()) {
            Path env = Files.writeString(bench.folder.resolve(file.getKey()), file.getValue());
            List.of(runs).forEach(run -> run.args("--to", "file:" + env + "#KEY"));
        }
        bench.tools.fail("restart", "exit 3");
        Run.Result result = bench.ends(22, runs[0]);
        for (Map.Entry<String, String> file : before.entrySet()) {
            assertEquals(file.getValue(), Files.readString(bench.folder.resolve(file.getKey())));
        }
        assertEquals(bench.oldKey, bench.tools.value());
        String back = result.out().substring(result.out().indexOf("Rolling back"));
        assertTrue(back.indexOf("file:") < back.indexOf("vault:secret"), back);
        bench.ends(0, runs[1]);
        assertEquals("KEY=" + bench.newKey + "\nOTHER=1\n", Files.readString(bench.folder.resolve("other.env")));
        assertEquals("KEY=" + bench.newKey + "\n", Files.readString(bench.folder.resolve("empty.env")));
    }

    @Test
    void aDotenvFileChangesOnlyInTheKey() throws IOException {
        List<String> forms = List.of("A=1\nKEY=@\nB=2\n", "# top\n\nexport KEY=@ # the key\nKEYS=x\n",
                "KEY=\"@\"\r\nX='KEY=y'\r\n", "  KEY = '@'  # c\n#KEY=old", "Z=caf\u00e9\nKEY=@",
                "NOT_KEY=1\nKEY=@\n\n\n");
        Run run = bench.bare("--restart", "exec:cp fresh " + bench.tools.file("app"));
        Files.writeString(bench.tools.file("fresh"), bench.newKey);
        List<Path> files = new ArrayList<>();
        for (String form : forms) {
            Path env = bench.folder.resolve("app config " + files.size() + ".env");
            Files.write(env, form.replace("@", bench.oldKey).getBytes(StandardCharsets.ISO_8859_1));
            Files.setPosixFilePermissions(env, PosixFilePermissions.fromString("rw-r-----"));
            files.add(Files.createSymbolicLink(bench.folder.resolve("link" + files.size()), env));
            run.args("--to", "file:" + files.get(files.size() - 1) + "#KEY");
        }
        bench.ends(0, run);
        for (int i = 0; i < forms.size(); i++) {
            assertEquals(forms.get(i).replace("@", bench.newKey), Files.readString(files.get(i),
                    StandardCharsets.ISO_8859_1));
            assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(files.get(i))));
            assertTrue(Files.isSymbolicLink(files.get(i)));
        }
    }

    @ParameterizedTest
    @CsvSource({"'OTHER=1', app.env sets no KEY", "'KEY=a\nKEY=b', app.env sets KEY more than once",
        "'K=1\nKEY=\"unclosed', app.env sets no KEY"})
    void aDotenvFileThatIsNotClearIsRefused(String text, String says) throws IOException {
        Path env = Files.writeString(bench.folder.resolve("app.env"), text);
        bench.ends(21, bench.into("file:" + env + "#KEY", "exec:true"), says);
        assertEquals(text, Files.readString(env));
    }

    // ---- an address

    @ParameterizedTest
    @ValueSource(strings = {"gcp:", "gcp:--help", "aws:-x", "k8s:a/b", "vault:a", "github:a/b", "heroku:a", "file:/x",
        "ftp:x", "nothing", "exec:"})
    void aStoreThatIsNoneIsWrongUsage(String store) {
        bench.ends(2, bench.bare("--to", store), "--to");
    }

    /** Where the tool wants a file, Windows has no such that is none. */
    @ParameterizedTest
    @ValueSource(strings = {"gcp:klaviyo-key", "gcp:klaviyo@shop-1", "gcp:k@example.com:shop", "aws:shop/klaviyo",
        "aws:a@b@eu-west-1", "aws:x#key", "aws:x@us-gov-west-1#key", "aws:x#key@eu-west-1",
        "aws:arn:aws:secretsmanager:eu-west-1:111122223333:secret:x-AbCdEf", "azure:v/s", "k8s:shop/klaviyo/api.key",
        "vault:secret/a/b#key", "github:acme/shop/KEY", "heroku:shop/KEY", "file:/a b#.env#KEY", "exec:cat > x"})
    void aStoreIsNamedAsItWasTypedAndOneThatNeedsAStreamsNameIsRefusedOnWindows(String store) {
        assertEquals(store, named(store, "Linux"));
        if (store.matches("(aws|k8s):.*")) {
            Problem problem = assertThrows(Problem.class, () -> named(store, "Windows 11"));
            assertTrue(problem.getMessage().contains("Windows has no /dev/stdin"), problem.getMessage());
        } else {
            assertEquals(store, named(store, "Windows 11"));
        }
    }

    private String named(String store, String platform) {
        Cli.Host host = new Cli.Host(Map.of("PATH", ""), bench.folder, System.in, System.out, System.err);
        Tool tool = new Tool(Map.of("PATH", ""), bench.folder, Duration.ofSeconds(5), platform);
        return new Stores(Templates.builtIn(), tool, Hands.of(tool)).stores(host, List.of(store)).get(0).name();
    }

    // ---- a team's own row: the one that CONTRIBUTING.md shows

    private Path team(String right, String wrong, String settings) throws IOException {
        String row = Files.readString(Repository.file("CONTRIBUTING.md"))
                .replaceFirst("(?s).*## A secret store.*?```json\n(.*?)```.*", "$1");
        Path folder = Files.createDirectories(bench.folder.resolve("ours"));
        Files.writeString(folder.resolve("stores.json"), row.replace(right, wrong));
        Files.writeString(folder.resolve("team.properties"), settings);
        return folder;
    }

    @Test
    void aTeamsOwnStoreAndSettingsNeedNoOptionAtAll() throws IOException {
        Path folder = team("", "", "rotate-key.to=op:Shared/klaviyo\nrotate-key.restart=systemd:web\n");
        bench.ends(0, bench.bare().env("KLAVIYO_TEMPLATES", folder.toString()), "triage", "watch",
                "export KLAVIYO_PRIVATE_KEY=\"$(op read op://Shared/klaviyo/credential)\"");
        assertEquals("{\"title\":\"klaviyo\",\"category\":\"API_CREDENTIAL\",\"fields\":[{\"id\":\"credential\","
                + "\"type\":\"CONCEALED\",\"label\":\"credential\",\"value\":\"" + bench.newKey + "\"}]}",
                bench.tools.stdin("op"));
        bench.has(bench.newKey);
        assertFalse(bench.tools.calls().toString().contains("pk_"));
        seesNoKey("op");
        bench.tools.fail("read", "echo '[ERROR] account is not signed in' >&2; exit 1");
        bench.ends(21, bench.bare().env("KLAVIYO_TEMPLATES", folder.toString()), "1Password does not know you",
                "op signin");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "edit {item} | edit {item} credential={key} | write has {key} in it: the key goes by stdin alone",
        "--vault {vault} | --vault {valt} | write has {valt} in it, which the address does not",
        "op signin | op signin {key} | explain has {key} in it: the key goes by stdin alone",
        "op read op | op {key:base64} op | read has {key:base64} in it: the key goes by stdin alone",
        "{key} | nothing | a stdin that has {key} in it", "op:{vault}/{item} | op | address has to be a list of forms",
        "signed in | ( signed | explain[0].when is no pattern",
        "install | instal | instal is no field, did you mean install?"})
    void aRowThatIsNotRightIsNamedWithFileIdAndField(String right, String wrong, String says) throws IOException {
        Path folder = team(right, wrong, "");
        bench.ends(2, bench.bare("--to", "op:a/b").env("KLAVIYO_TEMPLATES", folder.toString()),
                folder.resolve("stores.json") + ", 1password: ", says);
        assertEquals(List.of(), bench.tools.calls());
    }
}
