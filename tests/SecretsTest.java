import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A canary key: however it is given, and whatever a server makes of it, no screen, file or command line shows it. */
class SecretsTest {
    private static final String SECRET = "5ec4e70fca9a4b1d5ec4e70fca9a4b1d27";
    private static final String KEY = "pk_AbC123_" + SECRET;
    /** The key in the forms in which people store it; each gets through to Klaviyo all the same. */
    private static final Map<String, String> FORMS = Map.of("plain", KEY, "newline", KEY + "\n", "crlf", KEY + "\r\n",
            "quoted", "\"" + KEY + "\"\n", "header", "Authorization: Klaviyo-API-Key " + KEY);

    @TempDir Path folder;
    @TempDir Path elsewhere;

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
        try (LoopbackServer server = LoopbackServer.wellBut(echoes())) {
            // In a process of its own where a command gives the key: its command line is looked at, and its child's.
            boolean apart = source.equals("command");
            Run triage = (apart ? Run.process("triage") : Run.script("triage")).args(TriageRun.pointedAt(server.url()))
                    .args(options.split(" ")).args("--timeout", "20s").cwd(folder).env("KLAVIYO_DEBUG", "1");
            give(triage, source, FORMS.get(form));
            Run.Result result = apart ? watched(triage.start()) : triage.run();
            assertNothingLeaks(result);
            int exit = options.equals("--curl") ? 0 : options.equals("--nonsense") ? 2 : 11;
            assertEquals(exit, result.exit(), result.toString());
            assertEquals(exit == 11, server.asked("Authorization").contains("Klaviyo-API-Key " + KEY),
                    "the bare key is what Klaviyo gets");
        }
    }

    private void give(Run triage, String source, String key) throws IOException {
        Path file = Files.writeString(elsewhere.resolve("key"), key);
        switch (source) {
            case "environment" -> triage.env("KLAVIYO_PRIVATE_KEY", key);
            case "file" -> triage.args("--key-file", file.toString());
            case "stdin" -> triage.args("--key-file", "-").stdin(key);
            default -> triage.args("--key-command", "cat " + file);
        }
    }

    /** Looks at the command lines of it and of all that it starts until it ends. */
    private static Run.Result watched(Run.Running running) {
        try (running) {
            ProcessHandle triage = running.process().toHandle();
            while (triage.isAlive()) {
                Stream.concat(Stream.of(triage), triage.descendants()).map(SecretsTest::commandLine)
                        .forEach(line -> assertHidden("a command line", line));
            }
            return running.await();
        }
    }

    private static String commandLine(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return process.info().commandLine().orElse("");
        }
    }

    /** A server that throws the key back in every shape: error, headers, health body, status page, metrics. */
    private static Map<String, LoopbackServer.Response> echoes() {
        String every = String.join(" ", KEY, KEY.toUpperCase(Locale.ROOT), KEY.toLowerCase(Locale.ROOT),
                "'" + KEY + "'", "<" + KEY + ">", "key=" + KEY + "&x", "%22" + KEY + "%22", KEY + "\\n");
        String page = """
            {"status":{"description":"EVERY"},"incidents":[
             {"name":"EVERY","status":"EVERY","incident_updates":[{"body":"EVERY"}]}]}""";
        return Map.of("/api/", LoopbackServer.Response.error(401, "authentication_failed " + KEY, every, every)
                        .with("cf-ray: " + KEY + "\nx-key: " + KEY),
                "/api/webhooks", new LoopbackServer.Response(302, "", "location: http://127.0.0.1/" + KEY),
                "/api/lists", LoopbackServer.Response.html(200, "<html>" + every),
                "/health", new LoopbackServer.Response(500, "{\"status\":\"" + every + "\"}"),
                "/api/v2/", new LoopbackServer.Response(200, page.replace("EVERY", every)),
                "/api/v1/", new LoopbackServer.Response(400, "{\"status\":\"error\",\"error\":\"" + every + "\"}"));
    }

    @Test
    void norDoesAFailureOfOurOwnShowIt() throws Exception {
        Path noStore = Files.writeString(elsewhere.resolve("no-trust-store"), "nothing of the kind");
        Run.Result broken = Run.process("triage")
                .args("--api-url", "https://127.0.0.1:9", "--status-url", "http://127.0.0.1:9", "--timeout", "5s")
                .cwd(folder).env("KLAVIYO_DEBUG", "1").env("KLAVIYO_PRIVATE_KEY", KEY)
                .env("JDK_JAVA_OPTIONS", "-Djavax.net.ssl.trustStore=" + noStore).run();
        assertNothingLeaks(broken);
        assertTrue(Set.of(1, 11, 20).contains(broken.exit()), broken.toString());
    }

    private void assertNothingLeaks(Run.Result result) throws IOException {
        assertHidden("the screen", result.out() + result.err());
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                assertHidden(file.toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
    }

    private static void assertHidden(String where, String text) {
        assertHidden(SECRET, where, text);
    }

    /** Not even a part of a secret that would help to guess the rest. */
    static void assertHidden(String secret, String where, String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        for (int i = 0; i + 10 <= secret.length(); i++) {
            assertFalse(lower.contains(secret.substring(i, i + 10)), () -> where + " shows the key: " + text);
        }
    }
}
