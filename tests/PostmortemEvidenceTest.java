import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Http;
import runbook.Text.Json;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.StatusPage;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Settings.Templates;
import runbook.report.Postmortem;
import runbook.DecisionTree.Diagnosis;

/**
 * What a postmortem takes from Prometheus, the status page, a bundle and watch, and what it says where there is none.
 */
class PostmortemEvidenceTest {
    private static final Instant ROSE = PostmortemJournals.BEGAN.minus(Duration.ofMinutes(12));
    private static final Instant FELL = PostmortemJournals.BEGAN.plus(Duration.ofMinutes(13));

    private final Map<String, String> answers = new LinkedHashMap<>();
    private HttpServer server;
    private URI site;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
        site = URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    // The first answer whose name is in the request; a range query is computed from the step that it asks for.
    private void answer(HttpExchange exchange) throws IOException {
        String asked = URLDecoder.decode(exchange.getRequestURI().toString(), StandardCharsets.UTF_8);
        String body = answers.entrySet().stream().filter(answer -> asked.contains(answer.getKey()))
                .map(Map.Entry::getValue).findFirst().orElse("");
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(body.isEmpty() ? 404 : 200, bytes.length == 0 ? -1 : bytes.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(bytes);
        }
    }

    private static List<List<Object>> values(double before, double during, double after) {
        List<List<Object>> values = new ArrayList<>();
        for (Instant at = ROSE.minus(Duration.ofMinutes(30));
                at.isBefore(FELL.plus(Duration.ofMinutes(30)));
                at = at.plusSeconds(60)) {
            values.add(List.of(at.getEpochSecond(),
                    String.valueOf(at.isBefore(ROSE) ? before : at.isAfter(FELL) ? after : during)));
        }
        return values;
    }

    private static String vector(Map<String, Integer> byStatus) {
        List<Object> rows = new ArrayList<>();
        byStatus.forEach((status, count) -> rows.add(Map.of(
                "metric", status.isEmpty() ? Map.of() : Map.of("status", status), "value", List.of(0, count + ".4"))));
        return Json.line(Json.of(Map.of("status", "success", "data", Map.of("resultType", "vector", "result", rows))));
    }

    private void prometheusKnows() {
        answers.put("sum by (status) (increase(klaviyo_api_errors_total[", vector(Map.of("401", 2871, "503", 12)));
        answers.put("rate(klaviyo_api_errors_total[",
                Json.line(PostmortemJournals.matrix(Map.of("status", "401"), values(0.02, 2, 0.03))));
        answers.put("klaviyo_api_requests_total", vector(Map.of("", 31234)));
        answers.put("histogram_quantile", Json.line(PostmortemJournals.matrix(Map.of(), values(0.2, 1.7, 0.2))));
        answers.put("klaviyo_retry_queue_depth", Json.line(PostmortemJournals.matrix(Map.of(), values(3, 2400, 3))));
    }

    private void statusPageKnows() {
        answers.put("/api/v2/incidents.json", """
            {"incidents":[
             {"name":"Elevated 503s on APIs","impact":"minor","status":"resolved","shortlink":"https://stspg.io/abc",
              "created_at":"2026-11-19T22:45:00-05:00","started_at":"2026-11-19T21:55:00-05:00","resolved_at":"2026-11-19T23:52:00-05:00",
              "incident_updates":[{"status":"resolved","body":"Resolved. 503s must be retried.","display_at":"2026-11-19T23:52:00-05:00"},
                                  {"status":"investigating","body":"Looking into it.","display_at":"2026-11-19T22:45:00-05:00"}]},
             {"name":"Last month's","status":"resolved","created_at":"2026-10-01T00:00:00Z","resolved_at":"2026-10-01T02:00:00Z","incident_updates":[]},
             {"name":"without a time"}, "not an object"]}\
            """);
    }

    private Postmortem.Sources sources(Optional<Incident> incident, Optional<Path> bundle, boolean status,
            boolean prometheus) {
        Settings settings = new Settings(new Settings.Target(site, site, null, null, null), Optional.empty(),
                "2026-07-15", new Settings.Probing(Duration.ofSeconds(5), 1, Duration.ofSeconds(2), List.of()),
                new Settings.AppErrors(List.of(), ""), Optional.empty(), Map.of(), Settings.Templates.builtIn());
        return new Postmortem.Sources(incident, bundle, Http.of(settings), status ? site : null,
                prometheus ? site : null, Postmortem.Queries.USUAL, Duration.ofSeconds(5), PostmortemJournals.WRITTEN,
                Optional.empty(), "", Optional.empty(), "postmortem", Templates.builtIn());
    }

    private static String markdown(Postmortem report) {
        return report.markdown(Templates.builtIn().template("postmortem.md"), Optional.empty()).text();
    }

    @Test
    void numbersFromPrometheus() {
        prometheusKnows();
        Postmortem report = Postmortem.of(
                sources(Optional.of(PostmortemJournals.whole(Diagnosis.KEY_INVALID)), Optional.empty(), false, true));
        String text = markdown(report);

        assertTrue(text.contains("- Failed API calls: 2,883 (401: 2,871, 503: 12; Prometheus)"), text);
        assertTrue(text.contains("- Affected share of calls: 9.2 % of 31,234 calls"), text);
        assertTrue(text.contains("- Data queued for retry: 2,400 at most; drained"), text);
        assertTrue(text.contains("| 02:52 | **First symptom**: failed calls begin | metrics |"), text);
        assertTrue(
                text.contains("| Time to detect | 12 minutes |") && text.contains("| Time to resolve | 25 minutes |"),
                text);
        assertEquals(ROSE.truncatedTo(ChronoUnit.SECONDS).toString(), report.json().path("began").asText());
        Document page = Jsoup.parse(report.html(text));
        for (String word : List.of("unnoticed", "investigating", "mitigating", "watching", "resolved", "latency",
                "failed calls per second")) {
            assertTrue(page.select("figure > svg").text().contains(word), word);
        }
    }

    @Test
    void prometheusThatDoesNotAnswerIsNamed() {
        answers.put("klaviyo_api_errors_total", "{\"status\":\"error\",\"error\":\"parse error\"}");
        Postmortem report = Postmortem.of(
                sources(Optional.of(PostmortemJournals.whole(Diagnosis.KEY_INVALID)), Optional.empty(), false, true));

        assertTrue(String.join("\n", report.missing()).contains("--prometheus: HTTP 200")
                        && String.join("\n", report.missing()).contains("parse error"), report.missing().toString());
        assertTrue(markdown(report).contains("- Affected share of calls: [unknown: "), "an unknown is told as one");
    }

    @Test
    void theVendorsRecordAndHowLateItWas() {
        statusPageKnows();
        String text = markdown(Postmortem.of(sources(
                Optional.of(PostmortemJournals.whole(Diagnosis.SILENT_OUTAGE)), Optional.empty(), true, false)));

        assertTrue(text.contains(
                        "| 03:45 | Klaviyo (investigating): Elevated 503s on APIs — Looking into it. | status page |"),
                text);
        assertTrue(text.contains("| Vendor's acknowledgement | 41 minutes (2026-11-20 03:45) |"), text);
        assertTrue(text.contains("detected by us 41 minutes before the status page"), text);
        assertTrue(text.contains("Klaviyo's own record: Elevated 503s on APIs, https://stspg.io/abc"), text);
        assertFalse(text.contains("Last month"), text);
    }

    @Test
    void drillsDoNotAskTheRealStatusPage() {
        Incident incident = Incident.at(Tree.temporary("postmortem").resolve("drill"));
        PostmortemJournals.add(
                incident, 0, "triage", Event.DETECTED, "triage found key-invalid", Map.of("drill", "revoked-key"));
        Postmortem.Sources asked = sources(Optional.of(incident), Optional.empty(), false, false);
        Postmortem report = Postmortem.of(new Postmortem.Sources(asked.incident(), asked.bundle(), asked.http(),
                URI.create("https://status.klaviyo.com"), null, asked.queries(), asked.timeout(), asked.now(),
                Optional.empty(), "", Optional.empty(), "postmortem", Templates.builtIn()));

        assertTrue(report.missing().contains("a drill: the real status page was not asked"),
                report.missing().toString());
        assertTrue(markdown(report).startsWith("> **DRILL (revoked-key)**"));
        assertTrue(Jsoup.parse(report.html(markdown(report))).title().startsWith("DRILL: "));
    }

    @Test
    void vendorUpdatesThatWatchSawStandAtTheVendorsTime() {
        Incident incident = PostmortemJournals.whole(Diagnosis.KLAVIYO_OUTAGE);
        PostmortemJournals.add(incident, 8, "watch", Event.NOTE,
                "Klaviyo at 2026-11-20T03:01:00Z: API down: investigating: Looking.", Map.of("kind", "status-page",
                        "vendorAt", "2026-11-20T03:01:00Z", "incident", "API down", "status", "investigating", "body",
                        "Looking."));
        String text = markdown(PostmortemJournals.report(incident));

        assertTrue(text.contains("| 03:01 | Klaviyo (investigating): API down — Looking. | status page |"), text);
        assertTrue(text.contains("| Vendor's acknowledgement | 3 minutes before our first sign (2026-11-20 03:01) |"),
                text);
        assertTrue(text.contains("the status page told of it 3 minutes before our own checks"), text);
    }

    // ---- bundles: their facts.json, as LogReader makes it of a log

    private static final Instant END = Instant.parse("2026-11-20T09:00:00Z");

    private static Facts facts(ZoneId zone, Map<String, String> logs) {
        LogReader reader = new LogReader(zone, null, END, text -> text);
        logs.forEach((name, log) ->
                reader.read(name, new ByteArrayInputStream(log.getBytes(StandardCharsets.UTF_8))));
        return reader.facts();
    }

    private static Path bundle(String facts) throws IOException {
        Path file = Tree.temporary("postmortem").resolve("bundle-x.zip");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            zip.putNextEntry(new ZipEntry("bundle-x/facts.json"));
            zip.write(facts.getBytes(StandardCharsets.UTF_8));
        }
        return file;
    }

    private String told(Optional<Incident> incident, Facts facts) throws IOException {
        return markdown(Postmortem.of(sources(incident, Optional.of(bundle(facts.json())), false, false)));
    }

    private static void assertSays(String text, String... parts) {
        for (String part : parts) {
            assertTrue(text.contains(part), part + "\n--- not in\n" + text);
        }
    }

    private static Incident triaged(String at) {
        Incident incident = Incident.at(Tree.temporary("postmortem").resolve("incident"));
        add(incident, at, "triage", Event.DETECTED, "triage found rate-limited");
        add(incident, at, "triage", Event.DIAGNOSED, "P2 rate-limited: Klaviyo throttles us");
        return incident;
    }

    private static void add(Incident incident, String at, String step, String kind, String text) {
        Map<String, Object> data = step.equals("triage") ? Map.of("diagnosis", "rate-limited", "severity", "P2")
                : Map.of("by", "Ana");
        try {
            incident.append(new Event(Instant.parse("2026-11-20T" + at + ":00Z"), step, kind, text, Json.of(data)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void itBeganWithTheFirstFailedCallAndWasDetectedByThePage() throws IOException {
        StringBuilder log = new StringBuilder("2026-11-19T20:00:00Z ERROR klaviyo POST /api/events status=500\n");
        for (int i = 0; i < 23_000; i++) {
            log.append(Instant.parse("2026-11-20T00:47:03Z").plusMillis(i * 150L))
                    .append(" ERROR klaviyo POST /api/events status=429 customer=email-").append(100_000 + i % 700)
                    .append('\n');
        }
        Incident incident = triaged("01:41");
        add(incident, "01:35", "postmortem", Event.DETECTED, "page: error rate");
        add(incident, "01:42", "postmortem", Event.ACKNOWLEDGED, "taking it");
        add(incident, "01:45", "watch", Event.RECOVERED, "it held");
        String text = told(Optional.of(incident), facts(ZoneOffset.UTC, Map.of("app", log.toString())));

        assertSays(text, "**Date:** 2026-11-20 00:47 - 01:45 UTC", "**Duration:** 58 minutes",
                "| 00:47 | **First symptom**: failed calls begin", "| 01:35 | **Alert fired**: page: error rate |",
                "| Time to detect | 48 minutes | first sign of trouble in any record (00:47, application logs), "
                + "to our first alert or failed check (01:35, postmortem, Ana) |",
                "| Time to acknowledge | 7 minutes |", "(01:42, postmortem, Ana)",
                "- Failed API calls: 23,001 (429: 23,000, 500: 1; the bundle's logs)",
                "- Affected users: 700 customers in the failed calls");
        assertFalse(text.contains("**Alert fired**: triage found"), "what triage found is no alert beside the page");
    }

    @Test
    void logsCountBeforePrometheusWhichIsTold() throws IOException {
        prometheusKnows();
        Path bundle = bundle(facts(ZoneOffset.UTC, Map.of("app", LOG)).json());
        String text = markdown(Postmortem.of(sources(Optional.of(PostmortemJournals.whole(Diagnosis.KEY_INVALID)),
                Optional.of(bundle), false, true)));

        assertSays(text, "- Failed API calls: 3 (401: 2, 503: 1; the bundle's logs); Prometheus counts 2,883",
                "75.0 % of 4 calls", "2,400 at most; drained", "| 02:52 | **First symptom**");
    }

    @Test
    void aTriageThatFindsTheSameIdentifiesNoCauseAnew() throws IOException {
        Incident incident = triaged("01:41");
        add(incident, "01:50", "triage", Event.DIAGNOSED, "P2 rate-limited: Klaviyo throttles us");
        add(incident, "01:59", "triage", Event.DIAGNOSED, "P2 rate-limited: Klaviyo throttles us");
        String text = markdown(PostmortemJournals.report(incident));

        assertEquals(2, text.split("Root cause identified", -1).length, text);
        assertEquals(3, text.split("Triage again", -1).length, text);
        assertFalse(text.contains("luck: it happened"), "nobody told what night is");
    }

    @Test
    void eachQueueIsToldByItself() throws IOException {
        Instant at = Instant.parse("2026-11-20T01:00:00Z");
        List<LogReader.Queue> queues = List.of(
                new LogReader.Queue("pod-a", at, 0, at.plusSeconds(600), 900, at.plusSeconds(1200), 700),
                new LogReader.Queue("pod-b", at, 0, at.plusSeconds(600), 5, at.plusSeconds(1200), 0));
        String text = told(Optional.of(triaged("01:41")),
                facts(ZoneOffset.UTC, Map.of()).with(queues, List.of(), List.of(), List.of()));

        assertSays(text, "- Data queued for retry: 905 at most in 2 queues; 700 still waiting at the end of the data",
                "  - pod-a: 900 at most; 700 still waiting", "  - pod-b: 5 at most; drained");
    }

    @Test
    void noCustomersOfFailedCallsWhereNoneFailed() throws IOException {
        Facts none = facts(ZoneOffset.UTC, Map.of("app", "2026-11-20T01:00:00Z klaviyo POST /api/events status=202\n"));
        Facts odd = new Facts(1, none.from(), none.to(), none.zone(), true, 1, 1, none.minutes(), none.callers(), null,
                null, List.of(), new LogReader.Customers(1, false, Map.of()), List.of(), List.of(), List.of(),
                List.of());
        String text = told(Optional.of(triaged("01:41")), odd);

        assertSays(text, "- Failed API calls: none counted by the bundle's logs", "- Affected users: [unknown: ");
    }

    @Test
    void aLogsZoneIsTheBundles() throws IOException {
        String log = "2026-11-20 01:47:00 ERROR klaviyo POST /api/events status=401\n";
        String text = told(Optional.of(triaged("01:41")), facts(ZoneId.of("Europe/Berlin"), Map.of("app", log)));

        assertSays(text, "| 00:47 | **First symptom**", "log times read as Europe/Berlin, assumed");
    }

    private static final String LOG = """
        2026-11-20T02:58:01.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T02:58:02.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T03:01:02.000Z ERROR klaviyo PATCH /api/profiles/01ABC {"status":503} customer=email-77aa01
        2026-11-20T03:01:03.000Z INFO klaviyo POST /api/events status=202 customer=email-999999
        """;

    @Test
    void onlyABundle() throws IOException {
        Instant posted = Instant.parse("2026-11-20T03:00:01Z");
        Facts facts = facts(ZoneOffset.UTC, Map.of("app", LOG)).with(List.of(), List.of(), List.of(
                new StatusPage.Incident("", "API down", "", "", "", posted, posted, null, List.of(), true)),
                        List.of("a log torn"));
        String text = told(Optional.empty(), facts);

        assertSays(text, "- Failed API calls: 3 (401: 2, 503: 1; the bundle's logs)", "2 customers in the failed calls",
                "- Affected share of calls: 75.0 % of 4 calls", "/api/events` | 2 | safe with `unique_id`",
                "| 1 | safe in order |", "| 02:58 | **First symptom**: failed calls begin (HTTP 401) | application logs |",
                "| Vendor's acknowledgement | 2 minutes (2026-11-20 03:00) |", "debug bundle: a log torn");
    }

    @Test
    void countersCountWhereNoLogDoes() throws IOException {
        Facts facts = facts(ZoneOffset.UTC, Map.of()).with(List.of(), List.of(
                new LogReader.Curve("klaviyo_api_errors_total", "status=401 pod=a", "", 450, List.of()),
                new LogReader.Curve("klaviyo_api_errors_total", "status=401 pod=b", "", 9, List.of())), List.of(),
                        List.of());

        assertSays(told(Optional.of(triaged("01:41")), facts),
                "Failed API calls: 459 (401: 459; the bundle's metrics)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "[]", "null", "{\"schema\":9}", "{\"schema\":1,\"from\":\"yesterday\"}"})
    void factsThatAreNoneAreSaidToBe(String facts) throws IOException {
        Path bundle = bundle(facts);
        Problem named = assertThrows(Problem.class, () -> Postmortem.of(
                sources(Optional.empty(), Optional.of(bundle), false, false)));
        assertTrue(named.getMessage().startsWith("--bundle "), named.getMessage());

        Incident incident = triaged("01:41");
        Files.copy(bundle, incident.folder().resolve("bundle-20261120T014100Z.zip"));
        Postmortem report = PostmortemJournals.report(incident);
        assertTrue(String.join("\n", report.missing()).contains("cannot be used"), report.missing().toString());
    }
}
