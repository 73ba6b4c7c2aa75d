import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A canary key: however it is given, and whatever a server makes of it, no screen, file or command line shows it. */
class SecretsTest {
    private static final String SECRET = "5ec4e70fca9a4b1d5ec4e70fca9a4b1d27";
    private static final String KEY = "pk_AbC123_" + SECRET;
    private static final Set<String> SEEN_IN_ARGV = ConcurrentHashMap.newKeySet();
    private static final Path PROC = Path.of("/proc");
    private static volatile boolean sampling = true;
    private static volatile int sawTriage;

    @TempDir Path folder;
    @TempDir Path elsewhere;

    // ---- every process's command line, while triage runs

    @BeforeAll
    static void sampleCommandLines() {
        Thread sampler = new Thread(() -> {
            while (sampling && Files.isDirectory(PROC.resolve("self"))) {
                sample();
            }
        }, "argv-sampler");
        sampler.setDaemon(true);
        sampler.start();
    }

    @AfterAll
    static void noCommandLineShowsTheKey() {
        sampling = false;
        assertEquals(Set.of(), SEEN_IN_ARGV);
        assertTrue(!Files.isDirectory(PROC.resolve("self")) || sawTriage > 0, "the samples saw triage at all");
    }

    private static void sample() {
        try (Stream<Path> processes = Files.list(PROC)) {
            processes.filter(process -> process.getFileName().toString().matches("\\d+")).forEach(process -> {
                String line = commandLine(process);
                sawTriage += line.contains("Triage") && line.contains("--status-url") ? 1 : 0;
                if (line.contains(SECRET)) {
                    SEEN_IN_ARGV.add(line);
                }
            });
            Thread.sleep(5);
        } catch (IOException | InterruptedException e) {
            // The next sample will do.
        }
    }

    private static String commandLine(Path process) {
        try {
            return new String(Files.readAllBytes(process.resolve("cmdline")), StandardCharsets.UTF_8)
                    .replace('\0', ' ');
        } catch (IOException e) {
            return "";
        }
    }

    // ---- each way to give it, each way to show things

    /** The key in the forms in which people store it; each gets through to Klaviyo all the same. */
    private static final Map<String, String> FORMS = Map.of("plain", KEY, "newline", KEY + "\n", "crlf", KEY + "\r\n",
            "quoted", "\"" + KEY + "\"\n", "header", "Authorization: Klaviyo-API-Key " + KEY);

    @ParameterizedTest(name = "{0} key by {1}, {2}")
    @CsvSource({
        "newline, environment, --explain --announce both",
        "plain,   environment, --json --observed 401",
        "quoted,  file,        --announce both --no-color",
        "crlf,    stdin,       --json",
        "header,  command,     --explain",
        "plain,   environment, --curl",
        "plain,   environment, --nonsense"})
    void theKeyIsShownNowhere(String form, String source, String options) throws Exception {
        try (ScriptedServer server = new ScriptedServer(echoes())) {
            // In a process of its own where a command gives the key: its command line is looked at, and its child's.
            Run triage = (source.equals("command") ? Run.process("triage") : Run.script("triage"))
                    .args(TriageRun.pointedAt(server.uri())).args(options.split(" ")).args("--timeout", "20s")
                    .cwd(folder).env("KLAVIYO_DEBUG", "1");
            Run.Result result = give(triage, source, FORMS.get(form)).run();
            assertNothingLeaks(result);
            int exit = options.equals("--curl") ? 0 : options.equals("--nonsense") ? 2 : 11;
            assertEquals(exit, result.exit(), result.toString());
            assertEquals(exit == 11, server.asked().contains("Klaviyo-API-Key " + KEY),
                    "the bare key is what Klaviyo gets");
        }
    }

    private Run give(Run triage, String source, String key) throws IOException {
        Path file = Files.writeString(elsewhere.resolve("key"), key);
        return switch (source) {
            case "environment" -> triage.env("KLAVIYO_PRIVATE_KEY", key);
            case "file" -> triage.args("--key-file", file.toString());
            case "stdin" -> triage.args("--key-file", "-").stdin(key);
            default -> triage.args("--key-command", "cat " + file);
        };
    }

    /** A server that throws the key back in every shape: error, headers, health body, status page, metrics. */
    private static Map<String, ScriptedServer.Answer> echoes() {
        String every = String.join(" ", KEY, KEY.toUpperCase(Locale.ROOT), KEY.toLowerCase(Locale.ROOT),
                "'" + KEY + "'", "<" + KEY + ">", "key=" + KEY + "&x", "%22" + KEY + "%22", KEY + "\\n");
        ScriptedServer.Answer refused = ScriptedServer.Answer.error(401, "authentication_failed " + KEY, every, every)
                .with("cf-ray: " + KEY + "\nx-key: " + KEY);
        String incident = "{\"name\":\"" + every + "\",\"status\":\"" + KEY + "\",\"incident_updates\":[{\"body\":\""
                + every + "\"}]}";
        Map<String, ScriptedServer.Answer> answers = new HashMap<>();
        answers.put("/api/", refused);
        answers.put("/api/webhooks", new ScriptedServer.Answer(302, "location: http://127.0.0.1/" + KEY, ""));
        answers.put("/api/lists", ScriptedServer.Answer.html(200, "<html>" + every));
        answers.put("/health", ScriptedServer.Answer.json(500, "{\"status\":\"" + every + "\"}"));
        answers.put("/api/v2/", ScriptedServer.Answer.json(
                200, "{\"status\":{\"description\":\"" + every + "\"},\"incidents\":[" + incident + "]}"));
        answers.put("/api/v1/", ScriptedServer.Answer.json(400, "{\"status\":\"error\",\"error\":\"" + every + "\"}"));
        return answers;
    }

    @Test
    void neitherDoesAKeyInTheWrongPlaceNorAFailureOfOurOwn() throws Exception {
        // In capitals, so that the sampler does not take the test's own doing for triage's.
        Run.Result asArgument = Run.script("triage").args(KEY.toUpperCase(Locale.ROOT), "--drill", "healthy")
                .cwd(folder).run();
        Path noStore = Files.writeString(elsewhere.resolve("no-trust-store"), "nothing of the kind");
        Run.Result broken = Run.process("triage")
                .args("--api-url", "https://127.0.0.1:9", "--status-url", "http://127.0.0.1:9", "--timeout", "5s")
                .cwd(folder).env("KLAVIYO_DEBUG", "1").env("KLAVIYO_PRIVATE_KEY", KEY)
                .env("JDK_JAVA_OPTIONS", "-Djavax.net.ssl.trustStore=" + noStore).run();
        assertNothingLeaks(asArgument);
        assertEquals(2, asArgument.exit(), asArgument.toString());
        assertNothingLeaks(broken);
        assertTrue(Set.of(1, 11, 20).contains(broken.exit()), broken.toString());
    }

    private void assertNothingLeaks(Run.Result result) throws IOException {
        assertHidden("standard output", result.out());
        assertHidden("standard error", result.err());
        List<Path> files = new ArrayList<>();
        try (Stream<Path> all = Files.walk(folder)) {
            all.filter(Files::isRegularFile).forEach(files::add);
        }
        for (Path file : files) {
            assertHidden(file.toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
        }
    }

    /** Not even a part of it that would help to guess the rest. */
    private static void assertHidden(String where, String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        for (int i = 0; i + 10 <= SECRET.length(); i++) {
            assertFalse(lower.contains(SECRET.substring(i, i + 10)), where + " shows the key: " + text);
        }
    }
}
