import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import runbook.Text.Json;

/**
 * Every way in which a server can misbehave, against every check that makes a request: each is named for what it is.
 */
class FaultTest {
    private static final String KEY = "pk_" + "0a".repeat(17);
    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:webhooks", "app", "app-errors", "webhook");
    /** Those that show only when time is up wait for that side by side, once the others have warmed up all else. */
    private static final List<String> WAITING =
            List.of("dead host", "silence", "endless slow body", "TLS handshake without end");
    private static Map<String, Future<Seen>> waited;

    @TempDir static Path folder;

    /** What came of a fault: what triage said, given so many seconds, and what the server sent in how many answers. */
    private record Seen(TriageRun run, int seconds, long sent, int requests) { }

    private static Seen seen(String fault) throws Exception {
        if (!WAITING.contains(fault)) {
            return run(fault, 8);
        } else if (waited == null) {
            ExecutorService threads = Executors.newCachedThreadPool();
            waited = WAITING.stream().collect(Collectors.toMap(Function.identity(), each ->
                    threads.submit(() -> run(each, 4))));
            threads.shutdown();
        }
        return waited.get(fault).get();
    }

    private static Seen run(String fault, int seconds) throws Exception {
        try (FaultServer server = FaultServer.with(fault)) {
            Run script = Run.script("triage").args("--endpoint", "profiles,webhooks", "--insecure-http");
            TriageRun run = triage(script, server.uri(), seconds + "s");
            return new Seen(run, seconds, server.sent(), server.asked().size());
        }
    }

    /** In the last column, how a check says it differently; where the network's is well, that it connected. */
    @ParameterizedTest(name = "{0}")
    @Cases("triage-cases.txt: faults")
    void aFaultIsNamedInEachCheckInTimeAndInBounds(String fault, String says, String but) throws Exception {
        Map<String, String> others = new HashMap<>();
        for (String other : but == null ? new String[0] : but.split("; ")) {
            String[] words = other.split(" ", 2);
            others.put(words[0], words.length == 2 ? words[1] : "ok: DNS \\d+ ms, connect \\d+ ms$");
        }
        try {
            judge(seen(fault), says, others);
        } catch (AssertionError e) {
            // On a busy machine time may be up before the fault is met.
            judge(run(fault, 40), says, others);
        }
    }

    private static void judge(Seen seen, String says, Map<String, String> others) {
        Stream<Executable> named = CHECKS.stream().map(check -> () ->
                assertMatches(others.getOrDefault(check, says), seen.run.check(check)));
        assertAll(Stream.concat(named, Stream.of(() -> assertPrintable(seen.run),
                () -> assertTrue(seen.run.result().millis() < seen.seconds * 1_000 + 1_500, seen.run.toString()),
                // What TCP's buffers hold has left the server too; a client that read on would be far beyond.
                () -> assertTrue(seen.sent <= seen.requests * 16L << 20, seen.sent + " bytes in " + seen.requests))));
    }

    @Test
    void aGigabyteAndABombFitIntoASmallHeap() throws Exception {
        for (String large : List.of("1 GB body", "gzip bomb")) {
            try (FaultServer server = FaultServer.with(large)) {
                TriageRun run = triage(Run.process("triage").env("JDK_JAVA_OPTIONS", "-Xmx64m"), server.uri(), "20s");
                assertMatches("^fail: .*(more than 1 MiB|a compressed body)", run.check("auth"));
                assertMatches("^warn: status page unreachable: .*(more than 1 MiB|a compressed body)",
                        run.check("status-page"));
                assertFalse(run.result().err().contains("OutOfMemory"), run.result().err());
            }
        }
    }

    @Test
    void noEscapeFromOutsideReachesTheScreen() throws Exception {
        String escapes = "\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e";
        Map<String, Object> error = Map.of(
            "code", "c" + escapes, "detail", "d" + escapes, "source", Map.of("pointer", "/p" + escapes));
        String body = Json.of(Map.of("errors", List.of(error), "message", escapes,
            "status", Map.of("description", escapes), "error", escapes)).toString();
        try (LoopbackServer server = new LoopbackServer(request -> new LoopbackServer.Response(418, body))) {
            TriageRun run = triage(Run.script("triage"), server.url(), "20s");
            assertPrintable(run);
            assertFalse(run.result().toString().contains("\u202e"), "no bidirectional override either");
            assertMatches("HTTP 418 c \\[2J \\]0;owned 31m: d", run.check("auth"));
        }
    }

    private static TriageRun triage(Run triage, Object base, String timeout) {
        return TriageRun.of(triage.args(TriageRun.pointedAt(base)).args("--timeout", timeout)
            .env("KLAVIYO_PRIVATE_KEY", KEY).cwd(folder));
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), () -> "\"" + text + "\" does not match " + regex);
    }

    /** No control character, neither as it is nor as a JSON escape that a reader would turn into one. */
    private static void assertPrintable(TriageRun run) {
        String out = run.result().out();
        Pattern escape = Pattern.compile("(?i)(?<!\\\\)\\\\(u00[01][0-9a-f]|[bfnrt])");
        assertFalse(escape.matcher(out).find(), run.toString());
        assertFalse(Pattern.compile("[\\p{Cc}&&[^\n]]").matcher(out + run.result().err()).find(), run.toString());
    }
}
