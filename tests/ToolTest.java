import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Tool.Failure;
import runbook.Tool.Output;

/** Other programs are run without a shell of ours, without our secrets, and to an end. */
class ToolTest {
    private static final String HEX = "5ec4e70fca9a4b1d0b7d88ac93f2e61d27";
    private static final String KEY = "pk_AbC123_" + HEX;
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    /** Words are variables and their values in turn. */
    private Tool tool(String... words) {
        Map<String, String> environment = new HashMap<>();
        environment.putAll(Map.of("PATH", System.getenv("PATH"), "HOME", folder.toString()));
        IntStream.range(0, words.length / 2).forEach(i -> environment.put(words[2 * i], words[2 * i + 1]));
        return new Tool(environment, folder, PATIENCE, "Linux");
    }

    private static List<String> sh(String script, String... more) {
        return Stream.concat(Stream.of("sh", "-c", script, "sh"), Stream.of(more)).toList();
    }

    @Test
    void wordsStayWordsAndInputGoesInByStandardInput() throws Exception {
        String nasty = "$(touch owned); `touch owned` | > x * \"'";
        Output said = tool().run(List.of("printf", "%s", nasty));
        assertEquals(nasty, said.out());
        assertEquals(KEY, tool().run(List.of("cat"), KEY, Map.of()).out());
        assertEquals(folder.toRealPath().toString(), tool().run(List.of("pwd", "-P")).out().strip());
        assertEquals(7, tool().run(sh("exit 7")).exit());
        try (var files = Files.list(folder)) {
            assertEquals(0, files.count(), "nothing was run by a shell");
        }
    }

    @Test
    void noChildIsGivenASecret() throws Exception {
        Tool tool = tool("KLAVIYO_PRIVATE_KEY", KEY, "KLAVIYO_ACCESS_TOKEN", "t", "KLAVIYO_NEW_PRIVATE_KEY", "k",
                "klaviyo_other_key", "k", "SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/5ecret27aa",
                "COPY", "my " + KEY, "BASE64", base64("Klaviyo-API-Key " + KEY), "URL", "redis://x:" + KEY + "@db",
                "KLAVIYO_APP_URL", "http://app");
        String other = "pk_" + "27af".repeat(8) + "00";
        tool.conceal(Key.of(other));
        String env = tool.run(List.of("env"), "", Map.of("STATE", "down", "LEAK", other)).out();
        String given = "HOME|PATH|STATE|LEAK|COPY|BASE64|URL|SLACK.*|(?i)KLAVIYO.*";
        assertEquals(List.of("HOME", "KLAVIYO_APP_URL", "PATH", "STATE"), env.lines()
                .map(line -> line.replaceFirst("=.*", "")).filter(name -> name.matches(given)).sorted().toList());
    }

    @Test
    void whatAToolSaysIsToldWithoutTheKeyHoweverItIsWritten() {
        String hex = HexFormat.of().formatHex(KEY.getBytes(StandardCharsets.UTF_8));
        String half = KEY.substring(0, 22);
        String rest = KEY.substring(22);
        String forAddresses = Base64.getUrlEncoder().encodeToString(("?>" + KEY).getBytes(StandardCharsets.UTF_8));
        Tool tool = tool();
        tool.conceal(Key.of(KEY));
        for (String written : List.of(KEY, KEY.toUpperCase(), reversed(KEY), hex, hex.replaceAll("..(?!$)", "$0:"),
                base64(KEY), base64("{\"key\":\"" + KEY + "\"}"), forAddresses, hex.replaceAll("..", "%$0"),
                half + "\n" + rest, KEY.replaceAll(".{12}", "$0\n"), reversed(half) + "\n" + reversed(rest))) {
            String told = tool.concealed("denied: " + written + " is wrong");
            assertTrue(told.matches("denied: .*\\[key].* is wrong") && told.length() < 45, told);
        }
        String plain = "AbC123 has 3 keys, sha256 " + Key.of(KEY).fingerprint() + ", see https://a.klaviyo.com/x";
        assertEquals(plain, tool.concealed(plain), "and nothing else goes");
    }

    @Test
    void aToolThatDoesNotEndIsStoppedWithAllThatItStartedAndDoesNotGoOnWithTheRest() throws Exception {
        List<String> slow = sh("sh -c 'echo $$ > pid; exec sleep 600'; echo on > went-on");
        Tool hasty = new Tool(Map.of("PATH", System.getenv("PATH")), folder, Duration.ofSeconds(1), "Linux");
        Failure late = assertThrows(Failure.class, () -> hasty.run(slow));
        assertFalse(late.missing());
        assertEquals("sh did not end within 1 s and was stopped", late.getMessage());
        assertGone(Long.parseLong(Files.readString(folder.resolve("pid")).strip()));
        assertFalse(Files.exists(folder.resolve("went-on")));
    }

    @Test
    void whatALastingCommandLeavesRunningMayWriteOn() throws Exception {
        String waiting = "(while [ ! -f go ]; do sleep 0.02; done; echo later; echo alive > left)";
        Output output = tool().lasting(sh(waiting + " & echo done; echo warned >&2"), PATIENCE);
        assertEquals("done\nwarned\n", output.out());
        Files.createFile(folder.resolve("go"));
        await(() -> Files.exists(folder.resolve("left")));
    }

    @Test
    void outputIsBoundedInMemoryAndEndlessAsAStream() throws Exception {
        assertEquals(Tool.LONGEST_OUTPUT, tool().run(sh("head -c 3000000 /dev/zero | tr '\\0' x")).out().length());
        try (Tool.Running yes = tool().start(sh("exec yes"), false)) {
            assertEquals("y\ny\n", new String(yes.output().readNBytes(4), StandardCharsets.UTF_8));
        }
        List<String> failing = sh("echo denied $1 >&2; echo x; exit 4", KEY);
        try (Tool.Running once = tool("KLAVIYO_PRIVATE_KEY", KEY).start(failing, false)) {
            assertEquals("x\n", new String(once.output().readAllBytes(), StandardCharsets.UTF_8));
            assertEquals(Optional.of(4), once.exit());
            assertEquals("denied [key]\n", once.complaint());
        }
    }

    @Test
    void afterAStopNothingRunsAndNothingElseBegins() throws Exception {
        Tool tool = tool();
        CompletableFuture<Long> started = new CompletableFuture<>();
        tool.watch(child -> started.complete(child.pid()));
        Thread waiting = new Thread(() -> {
            try {
                tool.run(sh("exec sleep 600"));
                Files.writeString(folder.resolve("went-on"), "");
            } catch (Failure | IOException e) {
                throw new AssertionError(e);
            }
        });
        waiting.setDaemon(true);
        waiting.start();
        long child = started.get();
        tool.stop();
        assertGone(child);
        waiting.join(300);
        assertTrue(waiting.isAlive() && !Files.exists(folder.resolve("went-on")), "whoever waited for it waits on");
    }

    @Test
    void aToolThatIsNotThereIsSaidToBeMissingBeforeAnythingStarts() throws Exception {
        Failure missing = assertThrows(Failure.class, () -> tool().run(List.of("no-such-tool", KEY)));
        assertTrue(missing.missing());
        assertEquals("no-such-tool is not installed (not on the PATH)", missing.getMessage());
        Failure broken = assertThrows(Failure.class, () -> tool().run(List.of("./broken-not-there", KEY)));
        assertEquals("broken-not-there is not there", broken.getMessage());
    }

    @Test
    void onWindowsProgramsHaveEndingsAndThereIsNoShell() throws Exception {
        Path tools = Files.createDirectory(folder.resolve("tools"));
        Files.writeString(tools.resolve("aws.CMD"), "");
        Tool windows = new Tool(Map.of("Path", "C;" + tools, "PathExt", ".EXE;.CMD"), folder, PATIENCE, "Windows 11");
        assertAll(() -> assertEquals(Optional.of(tools.resolve("aws.CMD").toString()), windows.find("aws")),
                () -> assertEquals(Optional.empty(), windows.find("gcloud")),
                () -> assertEquals(Optional.empty(), windows.find("C:\\x\\az.exe")),
                () -> assertTrue(windows.find("tools/aws").orElse("").endsWith("/tools/aws.CMD")),
                () -> assertEquals(List.of("cmd.exe", "/c", "vault read"), windows.shell("vault read")),
                () -> assertTrue(windows.windows() && !tool().windows()));
    }

    @Test
    void aLineIsSplitIntoWordsAndNothingIsExpanded() {
        assertEquals(List.of("notify", "--to", "on call", "a \"b\"", "c d", "", "$HOME", "`id`", "x'y'z"),
                Text.split("--exec", " notify --to 'on call' \"a \\\"b\\\"\" c\\ d ''  $HOME `id` x\"'y'\"z"));
        Map.of(" ", "there is no command in it", "say 'x", "a ' is never closed", "say \"x", "a \" is never closed")
                .forEach((line, says) -> assertEquals("--exec: " + says,
                        assertThrows(Problem.class, () -> Text.split("--exec", line)).getMessage()));
    }

    private static String reversed(String text) {
        return new StringBuilder(text).reverse().toString();
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static void assertGone(long pid) throws Exception {
        await(() -> ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isEmpty());
    }

    private static void await(BooleanSupplier condition) throws Exception {
        for (long end = System.nanoTime() + PATIENCE.toNanos(); !condition.getAsBoolean();) {
            assertTrue(System.nanoTime() < end, "did not come about");
            Thread.sleep(10);
        }
    }
}
