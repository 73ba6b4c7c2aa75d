import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import runbook.Http.Answer;
import runbook.Http.Kind;
import runbook.Klaviyo.Endpoint;
import runbook.Http;
import runbook.Text.Json;
import runbook.Key;
import runbook.Settings;
import runbook.Checks;
import runbook.Checks.Findings;
import runbook.Message.Slack;

/** Every way in which a server can misbehave, against every check that makes a request: each fault is named for what it is. */
class FaultTest {
    private static final String KEY = "pk_" + "0a".repeat(17);
    private static final Duration PATIENT = Duration.ofSeconds(8);
    /** For faults that show only when time is up: a quarter of it has to be more than a busy machine delays a thread. */
    private static final Duration TIMED = Duration.ofSeconds(4);
    private static final String CONNECTED = "^DNS \\d+ ms, connect \\d+ ms$";
    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles", "endpoint:webhooks",
        "app", "app-errors", "webhook", "slack");

    /**
     * A fault and how it is called.
     *
     * @param kind   of what the API answered; null when it is a reply, and wrong as such
     * @param says   what each check's line has to match
     * @param others where a check says it differently
     */
    private record Row(String fault, Duration timeout, Callable<FaultServer> server, Kind kind, String says, Map<String, String> others) {
        Row(String fault, Duration timeout, Callable<FaultServer> server, Kind kind, String says) {
            this(fault, timeout, server, kind, says, Map.of("network", CONNECTED));
        }

        String expected(String check) {
            String slack = kind == null ? "Slack refused it: HTTP \\d+" : "Slack was not reached: " + kind.name().toLowerCase(Locale.ROOT).replace('_', ' ');
            return others.getOrDefault(check, check.equals("slack") ? slack : says);
        }
    }

    /** What came of a row: each check's line, and the rest for the row's own assertions. */
    private record Seen(Findings findings, Map<String, String> lines, long millis, long sent, int requests) { }

    private final Map<String, Future<Seen>> timed = new LinkedHashMap<>();

    private static Callable<FaultServer> answering(FaultServer.Answer answer) {
        return () -> FaultServer.answering(answer);
    }

    private static List<Row> rows() throws Exception {
        String controls = "\u001b[2J\u001b]0;owned\u0007\u009b31m";
        return List.of(
            // Those that end at once come first: they warm up what the timed ones stand on.
            new Row("refused", PATIENT, FaultServer::refusing, Kind.REFUSED, "127.0.0.1 refuses connections", Map.of()),
            new Row("DNS failure", PATIENT, FaultServer::withoutAddress, Kind.DNS, "DNS: no address for x{64}", Map.of()),
            new Row("closed without an answer", PATIENT, answering((client, server) -> client.close()), Kind.RESET, "closed the connection without an answer"),
            new Row("reset mid-body", PATIENT, answering(FaultServer.cutOff(true)), Kind.RESET, "HTTP 200, then the connection broke after 9 bytes"),
            new Row("cut off mid-body", PATIENT, answering(FaultServer.cutOff(false)), Kind.RESET, "HTTP 200, then the connection broke after 9 bytes"),
            new Row("1 GB body", PATIENT, answering(FaultServer.gigabyte(true)), Kind.TOO_LARGE, "HTTP 200 with a body larger than 1 MiB"),
            new Row("1 GB body of untold length", PATIENT, answering(FaultServer.gigabyte(false)), Kind.TOO_LARGE, "HTTP 200 with a body larger than 1 MiB"),
            new Row("endless headers", PATIENT, answering(FaultServer.endlessHeaders()), Kind.TOO_LARGE, "headers without end"),
            new Row("redirect loop", PATIENT, answering(FaultServer.redirectLoop()), null, "redirected more than 5 times", Map.of("network", CONNECTED,
                "auth", "HTTP 302, a redirect, which the API never sends", "endpoint:profiles", "HTTP 302, a redirect", "endpoint:webhooks", "HTTP 302, a redirect",
                "webhook", "HTTP 302, a redirect, which no delivery is known to follow")),
            new Row("HTML with status 200", PATIENT, answering(FaultServer.html(200)), null, "HTTP 200.* HTML where JSON should be", Map.of("network", CONNECTED,
                "webhook", "HTTP 200 with a web page")),
            new Row("malformed JSON", PATIENT, answering(FaultServer.reply(200, "application/json", "{\"data\":[{" + controls)), null,
                "HTTP 200.* no valid JSON where JSON should be", Map.of("network", CONNECTED, "webhook", "HTTP 200 to an unsigned request")),
            new Row("gzip bomb", PATIENT, answering(FaultServer.gzipBomb()), Kind.TOO_LARGE, "HTTP 200 with a gzip body that expands beyond 1 MiB"),
            new Row("gzip that is none", PATIENT, answering(FaultServer.verbatim("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")),
                Kind.BAD_ENCODING, "HTTP 200 with a body that says gzip and is not"),
            new Row("control characters in a header", PATIENT, answering(FaultServer.verbatim("HTTP/1.1 403 No\r\nCf-Ray: " + controls + "\r\nContent-Length: 0\r\n\r\n")),
                Kind.MALFORMED, "control characters in a header"),
            new Row("control characters that HTTP lets through", PATIENT, answering(FaultServer.verbatim("HTTP/1.1 503 \u001b[31mNo\r\nCf-Ray: \u009b31m\tray\u0085\r\n"
                + "Retry-After: \u009b7\r\nRateLimit-Limit: \u009b7\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html>" + "\u001b[31m\u0007\u0000")),
                null, "HTTP 503", Map.of("network", CONNECTED)),
            new Row("not HTTP at all", PATIENT, answering(FaultServer.verbatim("SSH-2.0-\u001b[31mOpenSSH\r\n\r\n")), Kind.MALFORMED, "not valid HTTP"),
            new Row("broken chunks", PATIENT, answering(FaultServer.verbatim("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\u001b[31mzz\r\n")),
                Kind.MALFORMED, "HTTP 200 with a broken chunked body"),
            new Row("https to a server without TLS", PATIENT, () -> answering(FaultServer.verbatim("HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n")).call().overTls(),
                Kind.TLS, "TLS handshake failed", Map.of()),
            new Row("dead host", TIMED, FaultServer::blackHole, Kind.CONNECT_TIMEOUT, "no connection to 127.0.0.1 within the timeout", Map.of()),
            new Row("silence", TIMED, answering((client, server) -> Thread.sleep(60_000)), Kind.TIMEOUT, "no answer within"),
            new Row("endless slow body", TIMED, answering(FaultServer.endlessSlowBody()), Kind.SLOW_BODY, "HTTP 200, but its body did not end within .* bytes came"),
            new Row("TLS handshake without end", TIMED, () -> answering((client, server) -> Thread.sleep(60_000)).call().overTls(), Kind.CONNECT_TIMEOUT,
                "no connection to 127.0.0.1, or no TLS handshake, within the timeout", Map.of("network", "TLS: the handshake did not end", "webhook", "TLS: the handshake did not end")));
    }

    @TestFactory
    Stream<DynamicNode> everyFaultAgainstEveryCheck() throws Exception {
        List<Row> rows = rows();
        return rows.stream().map(row -> {
            Seen[] seen = new Seen[1];
            Stream<DynamicNode> made = Stream.of(dynamicTest("ends in time and in bounds", () -> {
                seen[0] = row.timeout.equals(TIMED) ? timed(rows).get(row.fault).get() : run(row);
                inBounds(row, seen[0]);
            }));
            return DynamicContainer.dynamicContainer(row.fault, Stream.concat(made, CHECKS.stream().map(check -> dynamicTest(check,
                () -> assertMatches(row.expected(check), seen[0].lines.get(check))))));
        });
    }

    /** Starts those that wait for time to be up, all at once, when the first of them is asked for. */
    private Map<String, Future<Seen>> timed(List<Row> rows) {
        if (timed.isEmpty()) {
            ExecutorService threads = Executors.newCachedThreadPool();
            rows.stream().filter(row -> row.timeout.equals(TIMED)).forEach(row -> timed.put(row.fault, threads.submit(() -> run(row))));
            threads.shutdown();
        }
        return timed;
    }

    private static Seen run(Row row) throws Exception {
        try (FaultServer server = row.server.call()) {
            URI base = server.uri();
            Settings settings = new Settings(new Settings.Target(base, base, base, base, base), Optional.of(Key.of(KEY)), "2026-07-15",
                new Settings.Probing(row.timeout, 2, Duration.ofSeconds(60), List.of(Endpoint.named("profiles").orElseThrow(), Endpoint.WEBHOOKS)),
                new Settings.AppErrors(List.of(), "up"), Optional.empty(), Map.of(), Settings.Templates.builtIn());
            long start = System.nanoTime();
            CompletableFuture<Slack.Posted> slack = CompletableFuture.supplyAsync(() ->
                Slack.post(Http.of(settings), URI.create(base + "/services/T0/B0/secretpath"), "text", row.timeout));
            Findings findings = Checks.run(settings);
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            Map<String, String> lines = new LinkedHashMap<>();
            findings.checks().forEach(check -> lines.put(check.name(), check.summary()));
            lines.put("slack", slack.join().why());
            return new Seen(findings, lines, millis, server.sent(), server.requests());
        }
    }

    private static void inBounds(Row row, Seen seen) {
        Answer api = seen.findings.auth().answer();
        List<String> said = new ArrayList<>(seen.lines.values());
        seen.findings.checks().forEach(check -> said.add(Json.line(check.json())));
        assertAll(
            () -> assertEquals(row.kind, api instanceof Http.Fault fault ? fault.kind() : null),
            () -> assertTrue(seen.millis < row.timeout.toMillis() + 1_000, seen.millis + " ms"),
            // What TCP's buffers hold has left the server too; a client that read on would be far beyond.
            () -> assertTrue(seen.sent <= seen.requests * 16L << 20, seen.sent + " bytes for " + seen.requests + " requests"),
            () -> said.forEach(FaultTest::assertPrintable),
            () -> assertFalse(String.join("\n", said).contains("secretpath"), "Slack's address is a secret"));
    }

    // ---- the same through the real process

    @TempDir Path folder;

    @Test
    void aGigabyteAndABombFitIntoASmallHeap() throws Exception {
        for (FaultServer.Answer answer : List.of(FaultServer.gigabyte(true), FaultServer.gzipBomb())) {
            try (FaultServer server = FaultServer.answering(answer)) {
                TriageRun run = triage(server.uri(), "-Xmx64m");
                assertMatches("^fail: .*(larger than|beyond) 1 MiB", run.check("auth"));
                assertMatches("^warn: status page unreachable: .*(larger than|beyond) 1 MiB", run.check("status-page"));
                assertFalse(run.result().err().contains("OutOfMemory"), run.result().err());
            }
        }
    }

    @Test
    void noEscapeFromOutsideReachesTheScreen() throws Exception {
        String escapes = "[2J]0;owned31m‮";
        try (FaultServer server = FaultServer.answering(FaultServer.reply(418, "application/json", Json.line(Json.of(Map.of(
                "errors", List.of(Map.of("code", "c" + escapes, "detail", "d" + escapes, "source", Map.of("pointer", "/p" + escapes))),
                "message", escapes, "status", Map.of("description", escapes), "error", escapes)))))) {
            TriageRun run = triage(server.uri(), "-Xmx64m");
            assertPrintable(run.result().out().replace("\n", ""));
            assertPrintable(run.result().err().replace("\n", "").replaceAll("NOTE: .*", ""));
            assertFalse((run.result().out() + run.result().err()).contains("‮"), "no bidirectional override either");
            assertMatches("HTTP 418 c \\[2J \\]0;owned 31m: d", run.check("auth"));
        }
    }

    @Test
    void anApiThatNeverAnswersCostsTheTimeoutAndNoMore() throws Exception {
        try (FaultServer server = FaultServer.answering((client, serving) -> Thread.sleep(60_000))) {
            Run.Result result = Run.script("triage").args(TriageRun.pointedAt(server.uri())).args("--timeout", "500ms")
                .env("KLAVIYO_PRIVATE_KEY", KEY).cwd(folder).timeout(Duration.ofSeconds(20)).run();
            assertEquals(11, result.exit(), result.toString());
            assertMatches("silent-outage|network", result.out());
        }
    }

    private TriageRun triage(URI base, String jvm) {
        return TriageRun.of(Run.process("triage").args(TriageRun.pointedAt(base)).args("--timeout", "20s").env("KLAVIYO_PRIVATE_KEY", KEY).env("JDK_JAVA_OPTIONS", jvm).cwd(folder));
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), "\"" + text + "\" does not match " + regex);
    }

    /** No control character, neither as it is nor as a JSON escape that a reader would turn into one. */
    private static void assertPrintable(String text) {
        assertFalse(Pattern.compile("[\\p{Cc}]|(?<!\\\\)\\\\(u00[01][0-9a-f]|[bfnrt])", Pattern.CASE_INSENSITIVE).matcher(text).find(), () -> Json.line(Json.of(text)));
    }
}
