import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Cli;
import runbook.Incident.LastGood;
import runbook.Key;
import runbook.Settings.Templates;
import runbook.Tool;
import runbook.rotation.Stores;

/**
 * The table of stores: a team's own row, what its loader refuses, what its rows explain; and what a team sets once for
 * 03:00.
 */
class RotationTableTest {
    /** The row that CONTRIBUTING.md shows. */
    private static final String ROW = read(Repository.file("CONTRIBUTING.md"))
            .replaceFirst("(?s).*## A secret store.*?```json\n(.*?)```.*", "$1");

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    private Path team(String stores, String settings) throws IOException {
        Path folder = Files.createDirectories(bench.folder.resolve("ours"));
        Files.writeString(folder.resolve("stores.json"), stores);
        Files.writeString(folder.resolve("team.properties"), settings);
        return folder;
    }

    @Test
    void aTeamsOwnStoreAndSettingsNeedNoOptionAtAll() throws IOException {
        Path folder = team(ROW, "rotate-key.to=op:Shared/klaviyo\nrotate-key.restart=systemd:web\n");
        bench.ends(0, bench.bare().env("KLAVIYO_TEMPLATES", folder.toString()), "triage", "watch",
                "export KLAVIYO_PRIVATE_KEY=\"$(op read op://Shared/klaviyo/credential)\"");
        assertEquals("{\"title\":\"klaviyo\",\"category\":\"API_CREDENTIAL\",\"fields\":[{\"id\":\"credential\","
                + "\"type\":\"CONCEALED\",\"label\":\"credential\",\"value\":\"" + bench.newKey() + "\"}]}",
                bench.tools.stdin("op"));
        assertEquals(bench.newKey(), bench.tools.app());
        assertFalse((bench.tools.calls() + bench.tools.environment("op")).contains("pk_"));
        bench.tools.fail("read", "echo '[ERROR] account is not signed in' >&2; exit 1", 1);
        bench.ends(21, bench.bare().env("KLAVIYO_TEMPLATES", folder.toString()), "1Password does not know you",
                "op signin");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "edit {item} | edit {item} credential={key} | write has {key} in it: the key goes by stdin alone",
        "--vault {vault} | --vault {valt} | write has {valt} in it, which the address does not",
        "op signin | op signin {key} | explain has {key} in it: the key goes by stdin alone",
        "op read op | op {key:base64} op | read has {key:base64} in it: the key goes by stdin alone",
        "{key} | nothing | a stdin that has {key} in it",
        "op:{vault}/{item} | op | address has to be a list of forms",
        "signed in | ( signed | explain[0].when is no pattern",
        "install | instal | instal is no field, did you mean install?"})
    void aRowThatIsNotRightIsNamedWithFileIdAndField(String right, String wrong, String says) throws IOException {
        Path folder = team(ROW.replace(right, wrong), "");
        bench.ends(2, bench.bare("--to", "op:a/b").env("KLAVIYO_TEMPLATES", folder.toString()),
                folder.resolve("stores.json") + ", 1password: ", says);
        assertEquals(List.of(), bench.tools.calls());
    }

    // ---- where there is no /dev/stdin

    @ParameterizedTest
    @CsvSource({"aws:klaviyo, true", "k8s:shop/klaviyo/key, true", "vault:a#b, false", "gcp:klaviyo, false"})
    void whereTheToolWantsAFileWindowsIsRefusedInOneLine(String typed, boolean refused) {
        Cli.Host host = new Cli.Host(Map.of(), bench.folder, System.in, System.out, System.err);
        Tool windows = new Tool(Map.of("PATH", ""), bench.folder, Duration.ofSeconds(5), "Windows 11");
        Stores.Store store = Stores.of(Templates.builtIn()).store(host, typed);
        Exception trouble = assertThrows(Exception.class, () -> inspect(store, windows));
        assertEquals(refused, trouble.getMessage().contains("Windows has no /dev/stdin"), trouble.getMessage());
    }

    private static void inspect(Stores.Store store, Tool tool) throws Exception {
        try {
            Method method = Stores.Store.class.getDeclaredMethod("inspect", Tool.class);
            method.setAccessible(true);
            method.invoke(store, tool);
        } catch (InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }

    // ---- at 03:00

    private Run dead(String... more) {
        bench.tools.set("pk_0123456789abcdef0123456789abcdef01");
        return bench.rotate(more).env("KLAVIYO_PRIVATE_KEY", null);
    }

    @Test
    void aDeadKeyWhoseAccountNobodyKnowsNeedsAnAccountAndSoTheDryRunSays() {
        bench.ends(21, dead("--dry-run").env("KLAVIYO_NEW_PRIVATE_KEY", null), "--account ID");
        bench.ends(0, dead("--account", bench.sandbox.accountId()));
    }

    @Test
    void theLastGoodStateKnowsTheAccountOfADeadKey() throws IOException {
        Run run = dead();
        Cli.Host host = new Cli.Host(bench.environment(), bench.folder, System.in, System.out, System.err);
        LastGood.remember(host, bench.sandbox.accountId(), "Acme", Set.of(), Key.of(bench.tools.value()),
                Instant.now());
        bench.ends(0, run);
    }

    @Test
    void anAccessTokenIsNotRotated() {
        bench.ends(21, bench.rotate().env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_ACCESS_TOKEN",
                bench.sandbox.openToken()), "OAuth", "refresh");
        assertEquals(List.of(), bench.tools.calls());
    }

    /** Answers the prompts that it is given, and shows all that a terminal would show. */
    private static final String TERMINAL = """
        import os, pty, sys
        end = 2 + 2 * int(sys.argv[1])
        answers = [(sys.argv[i].encode(), sys.argv[i + 1].encode() + b'\\n') for i in range(2, end, 2)]
        command = sys.argv[end:]
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp(command[0], command)
        seen, at = b'', 0
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
            if answers and answers[0][0] in seen[at:]:
                at = len(seen)
                os.write(terminal, answers.pop(0)[1])
        sys.stdout.buffer.write(seen)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """;

    private Run.Result atTerminal(Map<String, String> more, String... answers) throws IOException {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")),
                "python3 makes the terminal for this test");
        Run process = bench.apart();
        Path settings = bench.folder.resolve("home/.klaviyo-runbook.properties");
        Files.writeString(settings, Files.readString(settings).replace("rotate-key.yes=true\n", ""));
        List<String> words = new ArrayList<>(List.of("/usr/bin/python3", "-c", TERMINAL,
                Integer.toString(answers.length / 2)));
        words.addAll(List.of(answers));
        words.addAll(process.words());
        Run run = Run.command(words.toArray(String[]::new)).cwd(bench.folder);
        bench.environment().forEach(run::env);
        run.env("KLAVIYO_NEW_PRIVATE_KEY", null);
        more.forEach(run::env);
        return run.run();
    }

    @Test
    void onATerminalItAsksForTheKeyUnseenAndTakesNoYForANo() throws IOException {
        bench.ended(0, atTerminal(Map.of(), "New private key: ", bench.newKey(), "Type yes: ", "y", "Type yes in full",
                "yes"));
        assertEquals(bench.newKey(), bench.tools.app());
    }

    @Test
    void onATerminalADeadKeysAccountIsAskedForAndWhatWasCleanedIsWhatIsStored() throws IOException {
        dead();
        bench.ended(0, atTerminal(Map.of("KLAVIYO_PRIVATE_KEY", ""), "New private key: ", "KEY=" + bench.newKey(),
                "Type yes: ", "yes", "Type yes: ", "yes", "Type yes: ", "yes"),
                "The new key belongs to Drill Outfitters (" + bench.sandbox.accountId() + ")");
        assertEquals(bench.newKey(), bench.tools.value());
    }

    // ---- what a row explains, in the tools' own words

    static boolean clouds() {
        return List.of("aws", "gcloud", "kubectl").stream().allMatch(tool -> new Tool(System.getenv(), Path.of(""),
                Duration.ofSeconds(1), "Linux").find(tool).isPresent());
    }

    @ParameterizedTest
    @ValueSource(strings = {"gcp:klaviyo@shop", "aws:klaviyo@eu-west-1#key", "k8s:shop/klaviyo/key", "k8s-restart",
        "cloudrun", "ecs"})
    @EnabledIf("clouds")
    void everyPrintedCommandIsOneThatTheToolKnows(String which) throws Exception {
        // Nobody answers at these addresses: a command that cannot be parsed ends before it finds out.
        List<String> wrong = new ArrayList<>();
        for (String command : RotationCommands.of(which)) {
            Run run = Run.command("/bin/sh", "-c", command).cwd(bench.folder).timeout(Duration.ofMinutes(2));
            RotationCommands.nowhere(bench.folder).forEach(run::env);
            Run.Result result = run.run();
            if ((result.out() + result.err())
                    .matches("(?s).*(unrecognized arguments|Unknown options|Invalid choice|invalid choice|unknown flag|"
                    + "unknown command|arguments are required|must be specified: |error parsing|required flag).*")) {
                wrong.add(command + "\n" + result);
            }
        }
        assertEquals(List.of(), wrong);
    }
}
