import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import runbook.*;
import runbook.Checks.Findings;
import runbook.Http.Answer;
import runbook.Http.Kind;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Slack;
import runbook.Text.Json;

/**
 * Every way in which a server can misbehave, against every check that makes a request: each is named for what it is.
 */
class FaultTest {
    private static final String KEY = "pk_" + "0a".repeat(17);
    private static final Duration PATIENT = Duration.ofSeconds(8);
    /** For faults that show only when time is up: a quarter of it has to exceed a thread's delay on a busy machine. */
    private static final Duration TIMED = Duration.ofSeconds(4);
    private static final String CONNECTED = "DNS \\d+ ms, connect \\d+ ms$";
    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:webhooks", "app", "app-errors", "webhook", "slack");

    /**
     * A fault and how it is called.
     *
     * @param kind   of what the API answered; null when it is a reply, and wrong as such
     * @param says   what each check's line has to match
     * @param others where a check says it differently
     */
    private record Row(String fault, Duration timeout, Callable<FaultServer> server, Kind kind, String says,
                       Map<String, String> others) {
        Row but(String check, String differently) {
            Map<String, String> more = new LinkedHashMap<>(others);
            more.put(check, differently);
            return new Row(fault, timeout, server, kind, says, more);
        }

        Row timed() {
            return new Row(fault, TIMED, server, kind, says, others);
        }

        String expected(String check) {
            String slack = kind == null ? "Slack refused it: HTTP \\d+"
                    : "Slack was not reached: " + kind.name().toLowerCase(Locale.ROOT).replace('_', ' ');
            return others.getOrDefault(check, check.equals("slack") ? slack : says);
        }

        @Override
        public String toString() {
            return fault;
        }
    }

    private static Row row(String fault, Kind kind, String says, Callable<FaultServer> server) {
        return new Row(fault, PATIENT, server, kind, says, Map.of());
    }

    private static Row answer(String fault, Kind kind, String says, FaultServer.Answer answer) {
        return row(fault, kind, says, () -> FaultServer.answering(answer)).but("network", CONNECTED);
    }

    private static Row bytes(String fault, Kind kind, String says, String... lines) {
        return answer(fault, kind, says, request -> request.say(String.join("\r\n", lines)));
    }

    private static List<Row> rows() throws Exception {
        String controls = "\u001b[2J\u001b]0;owned\u0007\u009b31m";
        String broke = "HTTP 200, then the connection broke after 9 bytes";
        String large = "more than 1 MiB of body, or headers without end";
        String invalid = "no answer that is valid HTTP";
        String hotel = "<!DOCTYPE html><html><head><title>Welcome to the hotel\u001b[31m</title></head></html>";
        return List.of(
            // Those that end at once come first: they warm up what the timed ones stand on.
            row("refused", Kind.REFUSED, "127.0.0.1 refuses connections", FaultServer::refusing),
            row("DNS failure", Kind.DNS, "DNS: no address for x{64}", FaultServer::withoutAddress),
            answer("closed without an answer", Kind.RESET, "closed the connection without an answer",
                request -> request.client().close()),
            answer("reset mid-body", Kind.CUT_OFF, broke, FaultServer.cutOff(true)),
            answer("cut off mid-body", Kind.CUT_OFF, broke, FaultServer.cutOff(false)),
            answer("1 GB body", Kind.TOO_LARGE, large, FaultServer.gigabyte(true)),
            answer("1 GB body of untold length", Kind.TOO_LARGE, large, FaultServer.gigabyte(false)),
            answer("endless headers", Kind.TOO_LARGE, large, FaultServer.endlessHeaders()),
            answer("redirect loop", null, "HTTP 302(, a redirect| in )", FaultServer.redirectLoop()).but("webhook", "HTTP 302, a redirect, which no delivery is known to follow"),
            answer("HTML with status 200", null, "HTTP 200.* HTML where JSON should be",
                FaultServer.reply(200, "text/html; charset=UTF-8", hotel)).but("webhook", "HTTP 200 with a web page"),
            answer("malformed JSON", null, "HTTP 200.* no valid JSON where JSON should be",
                FaultServer.reply(200, "application/json", "{\"data\":[{" + controls))
                .but("webhook", "HTTP 200 to an unsigned request"),
            answer("gzip bomb", null, "HTTP 200.* a compressed body where JSON should be", FaultServer.gzipBomb())
                .but("webhook", "HTTP 200 to an unsigned request"),
            bytes("control characters in a header", Kind.MALFORMED, invalid,
                "HTTP/1.1 403 No", "Cf-Ray: " + controls, "Content-Length: 0", "", ""),
            bytes("control characters that HTTP lets through", null, "HTTP 503", "HTTP/1.1 503 \u001b[31mNo",
                "Cf-Ray: \u009b31m\tray\u0085", "Retry-After: \u009b7", "RateLimit-Limit: \u009b7",
                "Content-Type: text/html", "Content-Length: 13", "", "<html>\u001b[31m\u0007\u0000"),
            bytes("not HTTP at all", Kind.MALFORMED, invalid, "SSH-2.0-\u001b[31mOpenSSH", "", ""),
            bytes("broken chunks", Kind.MALFORMED, invalid,
                "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "\u001b[31mzz", ""),
            row("https to a server without TLS", Kind.TLS, "TLS handshake failed", () -> FaultServer.answering(
                request -> request.say("HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n")).overTls()),
            row("dead host", Kind.CONNECT_TIMEOUT, "no connection to 127.0.0.1 within the timeout",
                FaultServer::blackHole).timed(),
            answer("silence", Kind.TIMEOUT, "no answer within", FaultServer.silence()).timed(),
            answer("endless slow body", Kind.SLOW_BODY, "HTTP 200, but its body did not end within .* bytes came",
                FaultServer.endlessSlowBody()).timed(),
            row("TLS handshake without end", Kind.CONNECT_TIMEOUT, "no connection to 127.0.0.1 within the timeout",
                () -> FaultServer.answering(FaultServer.silence()).overTls())
                .but("network", "TLS: the handshake did not end").timed());
    }

    /** What came of a row: each check's line, and the rest for what holds for all rows. */
    private record Seen(Findings findings, Map<String, String> lines, long millis, long sent, int requests) { }

    private static final Map<String, Future<Seen>> WAITING = new LinkedHashMap<>();

    /** Those that wait for time to be up do so side by side, once the others have warmed up what they stand on. */
    private static Seen timed(Row wanted) throws Exception {
        if (WAITING.isEmpty()) {
            ExecutorService threads = Executors.newCachedThreadPool();
            rows().stream().filter(row -> row.timeout.equals(TIMED))
                    .forEach(row -> WAITING.put(row.fault, threads.submit(() -> run(row))));
            threads.shutdown();
        }
        return WAITING.get(wanted.fault).get();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void aFaultIsNamedInEachCheckInTimeAndInBounds(Row row) throws Exception {
        Seen seen = row.timeout.equals(TIMED) ? timed(row) : run(row);
        Answer api = seen.findings.auth().samples().get(0);
        Stream<Executable> named = CHECKS.stream()
                .map(check -> () -> assertMatches(check + ": .*" + row.expected(check), check + ": " + seen.lines.get(check)));
        Stream<Executable> printable = Stream.concat(seen.lines.values().stream(), seen.findings.checks().stream()
                .map(check -> Json.line(check.json()))).map(said -> () -> assertPrintable(said));
        assertAll(Stream.of(named, printable, Stream.<Executable>of(
                () -> assertEquals(row.kind, api instanceof Http.Fault fault ? fault.kind() : null),
                () -> assertTrue(seen.millis < row.timeout.toMillis() + 1_000, seen.millis + " ms"),
                // What TCP's buffers hold has left the server too; a client that read on would be far beyond.
                () -> assertTrue(seen.sent <= seen.requests * 16L << 20, seen.sent + " bytes in " + seen.requests),
                () -> assertFalse(seen.lines.toString().contains("secretpath"), "Slack's address is a secret")))
                .flatMap(all -> all));
    }

    private static Seen run(Row row) throws Exception {
        try (FaultServer server = row.server.call()) {
            URI base = server.uri();
            List<Endpoint> probed = List.of(Endpoint.named("profiles").orElseThrow(), Endpoint.WEBHOOKS);
            Settings settings = new Settings(new Settings.Target(base, base, base, base, base),
                    Optional.of(Key.of(KEY)), "2026-10-15",
                    new Settings.Probing(row.timeout, 2, Duration.ofSeconds(60), probed),
                    new Settings.AppErrors(List.of(), "up"), Optional.empty(), Map.of(), Settings.Templates.builtIn());
            long start = System.nanoTime();
            CompletableFuture<Slack.Posted> slack = CompletableFuture.supplyAsync(() ->
                    Slack.post(Http.of(settings), URI.create(base + "/services/T0/B0/secretpath"), "text", row.timeout));
            Findings findings = Checks.run(settings, () -> Checks.Before.NOTHING);
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            Map<String, String> lines = new LinkedHashMap<>();
            findings.checks().forEach(check -> lines.put(check.name(), check.summary()));
            lines.put("slack", slack.join().why());
            return new Seen(findings, lines, millis, server.sent(), server.asked().size());
        }
    }

    // ---- the same, from triage's command line

    @TempDir Path folder;

    @Test
    void aGigabyteAndABombFitIntoASmallHeap() throws Exception {
        for (FaultServer.Answer answer : List.of(FaultServer.gigabyte(true), FaultServer.gzipBomb())) {
            try (FaultServer server = FaultServer.answering(answer)) {
                TriageRun run = triage(Run.process("triage").env("JDK_JAVA_OPTIONS", "-Xmx64m"), server.uri());
                assertMatches("^fail: .*(more than 1 MiB|a compressed body)", run.check("auth"));
                assertMatches("^warn: status page unreachable: .*(more than 1 MiB|a compressed body)", run.check("status-page"));
                assertFalse(run.result().err().contains("OutOfMemory"), run.result().err());
            }
        }
    }

    @Test
    void noEscapeFromOutsideReachesTheScreen() throws Exception {
        String escapes = "\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e";
        Map<String, Object> error = Map.of(
            "code", "c" + escapes, "detail", "d" + escapes, "source", Map.of("pointer", "/p" + escapes));
        String body = Json.line(Json.of(Map.of("errors", List.of(error), "message", escapes,
            "status", Map.of("description", escapes), "error", escapes)));
        try (FaultServer server = FaultServer.answering(FaultServer.reply(418, "application/json", body))) {
            TriageRun run = triage(Run.script("triage"), server.uri());
            String all = run.result().out() + run.result().err();
            assertPrintable(run.result().out().replace("\n", ""));
            assertTrue(all.codePoints().noneMatch(c -> c != '\n' && Character.isISOControl(c)), all);
            assertFalse(all.contains("\u202e"), "no bidirectional override either");
            assertMatches("HTTP 418 c \\[2J \\]0;owned 31m: d", run.check("auth"));
        }
    }

    private TriageRun triage(Run triage, URI base) {
        return TriageRun.of(triage.args(TriageRun.pointedAt(base)).args("--timeout", "20s")
            .env("KLAVIYO_PRIVATE_KEY", KEY).cwd(folder));
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), () -> "\"" + text + "\" does not match " + regex);
    }

    /** No control character, neither as it is nor as a JSON escape that a reader would turn into one. */
    private static void assertPrintable(String text) {
        Pattern control = Pattern.compile("(?i)[\\p{Cc}]|(?<!\\\\)\\\\(u00[01][0-9a-f]|[bfnrt])");
        assertFalse(control.matcher(text).find(), () -> Json.line(Json.of(text)));
    }
}
