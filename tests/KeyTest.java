import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Settings.Problem;

/** A key's form is judged, its value is kept to itself, and it is found wherever people keep keys. */
class KeyTest {
    private static final String HEX = "7e57e70fca9a4b1d7e57e70fca9a4b1d27";
    private static final String OLD = "pk_" + HEX;
    private static final String NEW = "pk_AbC123_" + HEX;
    private static final String TOKEN = "eyJhbGciOiJ.token-of.an-app_27";

    @TempDir Path folder;

    @ParameterizedTest(name = "[{0}] is {2}: {1}")
    @Cases("settings-cases.txt: forms of a key")
    void aKeysFormIsJudgedAndItsValueKept(String given, String fault, String kind) {
        String raw = spelled(Objects.toString(given, "").replace("␣", " ").translateEscapes());
        Key key = Key.of(raw);
        String tried = raw.contains(TOKEN) ? TOKEN : raw.contains(NEW) ? NEW : raw.contains(OLD) ? OLD : raw.strip();
        String scheme = raw.contains(TOKEN) ? "Bearer " : "Klaviyo-API-Key ";
        assertAll(() -> assertEquals(fault == null, key.faults().isEmpty(), key.faults().toString()),
                () -> assertTrue(fault == null || key.faults().toString().contains(fault), key.faults().toString()),
                () -> assertEquals(kind, key.kind()),
                () -> assertEquals(raw, key.reveal(), "what is stored"),
                () -> assertEquals(tried, key.cleaned().reveal(), "what is tried"),
                () -> assertEquals(scheme + tried, key.authorization()),
                () -> assertHidden(key.describe() + key + key.faults()),
                () -> assertTrue(key.describe().contains(raw.length() + " character")),
                () -> assertTrue(key.fingerprint().matches("[0-9a-f]{8}")));
    }

    @Test
    void nothingThatIsPrintedHoldsAKeyOrATokenInAnyCase() {
        Key.token(TOKEN);
        for (String secret : new String[] {OLD, NEW, "Pk_" + HEX, "pK_abC123_" + HEX.toUpperCase(Locale.ROOT), TOKEN}) {
            assertHidden(Key.mask("before " + secret + ", after"));
            assertTrue(Key.mask("before " + secret + ", after").endsWith("masked], after"));
        }
        assertEquals("AbC123", Key.of(NEW).site().orElseThrow());
    }

    @ParameterizedTest(name = "{0}")
    @Cases("settings-cases.txt: where a key is")
    void aKeyIsReadFrom(String way, String expected, String file, String command, String environment) throws Exception {
        dotenv();
        Files.writeString(folder.resolve("key"), OLD + "\n");
        Map<String, String> variables = new HashMap<>();
        for (String variable : environment == null ? new String[0] : spelled(environment).split(" ")) {
            variables.put("KLAVIYO_" + variable.split("=")[0], variable.replaceFirst(".*=", ""));
        }
        Optional<Key> key = Key.read(host(OLD + "\r\n", variables), "--key", file, command,
                "KLAVIYO_PRIVATE_KEY", "KLAVIYO_ACCESS_TOKEN");
        assertEquals(Optional.ofNullable(expected).map(KeyTest::spelled), key.map(Key::reveal));
        assertEquals("TOKEN".equals(expected), key.map(Key::token).orElse(false));
    }

    /** A file's stream seeks when many bytes are asked for at once, which no pipe can. */
    @Test
    void aKeyComesThroughAPipe() throws IOException {
        try (Run.Running triage = Run.process("triage").args("--curl", "--key-file", "-").openStdin().start()) {
            try (OutputStream pipe = triage.process().getOutputStream()) {
                pipe.write(OLD.getBytes(StandardCharsets.UTF_8));
            }
            triage.await().ends(0);
        }
    }

    @ParameterizedTest(name = "{2}")
    @Cases("settings-cases.txt: where no key is")
    void aSourceThatHoldsNoKeyIsNamed(String file, String command, String says) throws IOException {
        dotenv();
        Files.writeString(folder.resolve("empty"), "\n");
        Files.writeString(folder.resolve("large"), "x".repeat(5_000));
        Screen.Host host = host("", Map.of());
        String said = assertThrows(Problem.class, () -> Key.read(host, "--key", file, command, "X")).getMessage();
        assertTrue(said.contains(says.replace("HERE", folder.toString())), said);
        assertHidden(said);
    }

    @Test
    void aKeyCommandsOwnWordsAreNeverShownAndItsComplaintsWithoutTheKey() {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Screen.Host host = new Screen.Host(Map.of("PATH", System.getenv("PATH"), "KLAVIYO_PRIVATE_KEY", NEW), folder,
                new ByteArrayInputStream(new byte[0]), System.out, new PrintStream(err, true, StandardCharsets.UTF_8));
        String command = "echo ${KLAVIYO_PRIVATE_KEY:-no key here} >&2; echo locked: " + NEW + " >&2; exit 1";
        String said = assertThrows(Problem.class, () -> Key.read(host, "--key", null, command)).getMessage();
        assertHidden(said + err);
        assertEquals("no key here\nlocked: [key]\n", err.toString(StandardCharsets.UTF_8));
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"KEY", "--key=KEY", "--nonsense KEY", "--incident x-KEY",
        "--api-url https://KEY@a.klaviyo.com"})
    void aKeyOnTheCommandLineIsRefusedAndNotRepeated(String arguments) {
        for (String key : new String[] {NEW, NEW.toUpperCase(Locale.ROOT), "pK_aBc123_" + HEX, OLD}) {
            Run triage = Run.script("triage").args(arguments.replace("KEY", key).split(" ")).cwd(folder);
            Run.Result result = triage.run().ends(2);
            assertTrue(result.err().contains("a private key stands on the command line"), result.toString());
            assertHidden(result.out() + result.err());
        }
    }

    private void dotenv() throws IOException {
        Files.writeString(folder.resolve("shop.env"), "# of the shop\nA=b c # d\nEMPTY=\nexport KLAVIYO_KEY='" + NEW
                + "'  # live\r\nKLAVIYO_ACCESS_TOKEN=\"" + TOKEN + "\"\n");
    }

    private static String spelled(String text) {
        return text.replace("UPPER", OLD.toUpperCase(Locale.ROOT)).replace("OLD", OLD).replace("NEW", NEW)
                .replaceAll("TOKEN(?!=)", TOKEN);
    }

    private Screen.Host host(String input, Map<String, String> environment) {
        Map<String, String> all = new HashMap<>(environment);
        all.put("PATH", System.getenv("PATH"));
        InputStream in = new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8));
        return new Screen.Host(all, folder, in, System.out, System.err);
    }

    private static void assertHidden(String text) {
        SecretsTest.assertHidden(HEX, "it", text);
        assertFalse(text.contains(TOKEN), "shows the token: " + text);
    }
}
