import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jsoup.Jsoup;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.StatusPage;
import runbook.Text.Json;
import runbook.report.Postmortem;

/** What a postmortem takes from Prometheus, the status page, a bundle and watch; what it says where there is none. */
class PostmortemEvidenceTest extends PostmortemJournals {
    private static final Instant ROSE = BEGAN.minus(Duration.ofMinutes(12));
    private static final Instant FELL = BEGAN.plus(Duration.ofMinutes(13));

    private final Map<String, String> answers = new LinkedHashMap<>();
    // The first answer whose pattern is found in the request.
    private final LoopbackServer server = new LoopbackServer(request -> answers.entrySet().stream()
            .filter(answer -> (request.path() + "?" + URLDecoder.decode(request.query(), StandardCharsets.UTF_8))
                    .matches(".*" + answer.getKey() + ".*")).findFirst()
            .map(answer -> new LoopbackServer.Response(200, answer.getValue()))
            .orElse(new LoopbackServer.Response(404, "{}")));
    private final URI site = URI.create(server.url());

    @AfterEach
    void stop() {
        server.close();
    }

    // ---- Prometheus and the vendor

    private static String result(String type, List<?> rows) {
        return Json.line(Json.of(Map.of("status", "success", "data", Map.of("resultType", type, "result", rows))));
    }

    private static String curve(double before, double during, double after) {
        List<List<Object>> values = new ArrayList<>();
        for (Instant at = ROSE.minusSeconds(1_800); at.isBefore(FELL.plusSeconds(1_800)); at = at.plusSeconds(60)) {
            double value = at.isBefore(ROSE) ? before : at.isAfter(FELL) ? after : during;
            values.add(List.of(at.getEpochSecond(), String.valueOf(value)));
        }
        return result("matrix", List.of(Map.of("metric", Map.of(), "values", values)));
    }

    private void prometheusKnows() {
        answers.put("query_range.*errors_total", curve(2, 240, 3));
        answers.put("query_range.*retry_queue_depth", curve(3, 2400, 3));
        answers.put("errors_total", result("vector", List.of(
                Map.of("metric", Map.of("status", "401"), "value", List.of(0, "2871.4")),
                Map.of("metric", Map.of("status", "503"), "value", List.of(0, "12.4")))));
        answers.put("requests_total", result("vector", List.of(
                Map.of("metric", Map.of(), "value", List.of(0, "31234.4")))));
    }

    private Postmortem of(Incident incident, Path bundle, URI status, URI prometheus) {
        Settings settings = new Settings(new Settings.Target(site, status, null, null, prometheus), Optional.empty(),
                "2026-07-15", new Settings.Probing(Duration.ofSeconds(5), 1, Duration.ofSeconds(2), List.of()),
                new Settings.AppErrors(List.of(), ""), Optional.empty(), Map.of(), Templates.builtIn());
        return Postmortem.of(new Postmortem.Sources(Optional.ofNullable(incident), Optional.ofNullable(bundle),
                Optional.of(settings), new Postmortem.Queries(), WRITTEN, Optional.empty(), "", Optional.empty(),
                "postmortem", Templates.builtIn()));
    }

    private static String notes(Postmortem report) {
        return report.json().path("notes").toString();
    }

    @Test
    void numbersFromPrometheus() {
        prometheusKnows();
        Postmortem report = of(recorded("revoked-key"), null, null, site);
        String text = markdown(report);
        assertSays(text, "- Failed API calls: 2,883 (401: 2,871, 503: 12; Prometheus)",
                "- Affected share of calls: 9.2 % of 31,234 calls", "- Data queued for retry: 2,400 at most; drained",
                "| 02:52 | **First symptom**: failed calls begin | metrics |", "| Time to detect | 12 minutes |",
                "(wanted: within 5 min)", "| Time to resolve | 25 minutes |");
        assertTrue(report.json().path("began").asText().startsWith("2026-11-20T02:52:"));
        assertSays(Jsoup.parse(report.html(text)).select("figure > svg").text(), "unnoticed", "investigating",
                "mitigating", "watching", "resolved");
    }

    @Test
    void prometheusThatDoesNotAnswerIsNamed() {
        answers.put("klaviyo_api_errors_total", "{\"status\":\"error\",\"error\":\"parse error\"}");
        Postmortem report = of(recorded("revoked-key"), null, null, site);
        assertSays(notes(report), "--prometheus: HTTP 200", "parse error");
        assertSays(markdown(report), "- Affected share of calls: [unknown: ");
    }

    @Test
    void theVendorsRecordAndHowLateItWas() {
        answers.put("/api/v2/incidents.json", """
            {"incidents":[
             {"name":"Elevated 503s on APIs","impact":"minor","status":"resolved","shortlink":"https://stspg.io/abc",
              "created_at":"2026-11-19T22:45:00-05:00","started_at":"2026-11-19T21:55:00-05:00",
              "resolved_at":"2026-11-19T23:52:00-05:00","incident_updates":[
               {"status":"resolved","body":"503s must be retried.","display_at":"2026-11-19T23:52:00-05:00"},
               {"status":"investigating","body":"Looking into it.","display_at":"2026-11-19T22:45:00-05:00"}]},
             {"name":"Last month's","status":"resolved","created_at":"2026-10-01T00:00:00Z",
              "resolved_at":"2026-10-01T02:00:00Z","incident_updates":[]},
             {"name":"without a time"}, "not an object"]}\
            """);
        String text = markdown(of(recorded("silent-outage"), null, site, null));
        assertSays(text,
                "| 03:45 | Klaviyo (investigating): Elevated 503s on APIs — Looking into it. | status page |",
                "| Vendor's acknowledgement | 41 minutes |", "03:04 (triage) to 03:45 (status page)",
                "detected by us 41 minutes before the status page",
                "Klaviyo's own record: Elevated 503s on APIs, https://stspg.io/abc");
        assertFalse(text.contains("Last month"), text);
    }

    @Test
    void vendorUpdatesThatWatchSawStandAtTheVendorsTime() {
        Incident incident = recorded("silent-outage");
        add(incident, "03:08", "watch", Event.NOTE, "Klaviyo at 2026-11-20T03:01:00Z: API down: investigating.",
                Map.of("kind", "status-page", "vendorAt", "2026-11-20T03:01:00Z", "incident", "API down",
                        "status", "investigating", "body", "Looking."));
        assertSays(markdown(incident), "| 03:01 | Klaviyo (investigating): API down — Looking. | status page |",
                "| Vendor's acknowledgement | 3 minutes before |",
                "the status page told of it 3 minutes before our own checks");
    }

    @Test
    void drillsDoNotAskTheRealStatusPage() {
        Incident incident = empty();
        add(incident, "03:04", "triage", Event.DETECTED, "triage found key-invalid", Map.of("drill", "revoked-key"));
        Postmortem report = of(incident, null, URI.create("https://status.klaviyo.com"), null);
        assertEquals("[\"a drill: the real status page was not asked\"]", notes(report));
        assertTrue(markdown(report).startsWith("> **DRILL (revoked-key)**"));
        assertTrue(Jsoup.parse(report.html("")).title().startsWith("DRILL: "));
    }

    // ---- bundles: their facts.json, as LogReader makes it of a log; and what triage read of a log

    private static Facts facts(ZoneId zone, String log) {
        LogReader reader = new LogReader(zone, null, WRITTEN, text -> text);
        reader.read("app", new ByteArrayInputStream(log.getBytes(StandardCharsets.UTF_8)));
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

    private String told(Incident incident, Facts facts) throws IOException {
        return markdown(of(incident, bundle(facts.json()), null, null));
    }

    /** An incident that triage found at 01:41, having read a log. */
    private static Incident triaged() {
        Incident incident = empty();
        Map<String, Object> verdict = Map.of("diagnosis", "rate-limited", "severity", "P2", "firstFailure",
                "2026-11-20T01:12:00Z", "logged", Map.of("429", 61, "0", 2, "200", 37, "x", "y"));
        add(incident, "01:41", "triage", Event.DETECTED, "triage found rate-limited", verdict);
        add(incident, "01:41", "triage", Event.DIAGNOSED, "P2 rate-limited: Klaviyo throttles us", verdict);
        return incident;
    }

    @Test
    void itBeganWithTheFirstFailedCallAndWasDetectedByThePage() throws IOException {
        StringBuilder log = new StringBuilder("2026-11-19T20:00:00Z ERROR klaviyo POST /api/events status=500\n");
        for (int i = 0; i < 23_000; i++) {
            log.append(Instant.parse("2026-11-20T00:47:03Z").plusMillis(i * 150L))
                    .append(" ERROR klaviyo POST /api/events status=429 customer=email-").append(100_000 + i % 700)
                    .append('\n');
        }
        Incident incident = triaged();
        add(incident, "01:35", "postmortem", Event.DETECTED, "page: error rate", Map.of("by", "Ana"));
        add(incident, "01:42", "postmortem", Event.ACKNOWLEDGED, "taking it", Map.of("by", "Ana"));
        add(incident, "01:45", "watch", Event.RECOVERED, "it held", Map.of());
        String text = told(incident, facts(ZoneOffset.UTC, log.toString()));
        assertSays(text, "**Date:** 2026-11-20 00:47 - 01:45 UTC", "**Duration:** 58 minutes",
                "| 00:47 | **First symptom**: failed calls begin", "| 01:35 | **Alert fired**: page: error rate |",
                "| Time to detect | 48 minutes | first sign of trouble in any record, to our first alert or failed "
                + "check: 00:47 (application logs) to 01:35 (postmortem, Ana) |",
                "| Time to acknowledge | 7 minutes |", "to 01:42 (postmortem, Ana)",
                "- Failed API calls: 23,001 (429: 23,000, 500: 1; the bundle's logs)",
                "- Affected users: 700, counted as customers in the failed calls");
        assertFalse(text.contains("**Alert fired**: triage found"), "what triage found is no alert beside the page");
    }

    @Test
    void withoutABundleTheLogThatTriageReadCounts() {
        assertSays(markdown(triaged()), "| 01:12 | **First symptom**: failed calls begin | the application's log, read "
                + "by triage |", "- Failed API calls: 63 (429: 61, no answer: 2; the application's log, read by triage "
                + "at 01:41)", "- Affected share of calls: 63.0 % of 100 calls");
        prometheusKnows();
        assertSays(markdown(of(triaged(), null, null, site)),
                "503: 12; Prometheus); the application's log, read by triage at 01:41 counts 63");
    }

    private static final String LOG = """
        2026-11-20T02:58:01.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T02:58:02.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T03:01:02.000Z ERROR klaviyo PATCH /api/profiles/01ABC {"status":503} customer=email-77aa01
        2026-11-20T03:01:03.000Z ERROR klaviyo POST /api/somethings status=500 customer=email-77aa01
        2026-11-20T03:01:04.000Z INFO klaviyo POST /api/events status=202 customer=email-999999
        """;

    @Test
    void logsCountBeforePrometheusWhichIsTold() throws IOException {
        prometheusKnows();
        Path bundle = bundle(facts(ZoneOffset.UTC, LOG).json());
        assertSays(markdown(of(recorded("revoked-key"), bundle, null, site)),
                "- Failed API calls: 4 (401: 2, 500: 1, 503: 1; the bundle's logs); Prometheus counts 2,883",
                "80.0 % of 5 calls", "2,400 at most; drained", "| 02:52 | **First symptom**");
    }

    @Test
    void onlyABundle() throws IOException {
        Instant posted = Instant.parse("2026-11-20T03:00:01Z");
        Facts facts = facts(ZoneOffset.UTC, LOG).with(List.of(), List.of(), List.of(new StatusPage.Incident("",
                "API down", "", "", "", posted, posted, null, List.of(), true)), List.of("a log torn"));
        String text = told(null, facts);
        assertSays(text, "- Failed API calls: 4 (401: 2, 500: 1, 503: 1; the bundle's logs)",
                "- Affected users: 2, counted as customers",
                "| POST /api/events | 2 | only with their original `time` and `unique_id`",
                "| PATCH /api/profiles/{id} | 1 | oldest first", "| (no route in the log) | 1 | [yes or no] |",
                "| 02:58 | **First symptom**: failed calls begin (HTTP 401) | application logs |",
                "| 03:00 | Klaviyo (): API down | status page |", "debug bundle: a log torn");
        assertFalse(text.contains("Campaigns"), "only of calls that failed is told whether to repeat them");
    }

    @Test
    void aTriageThatFindsTheSameIdentifiesNoCauseAnew() {
        Incident incident = triaged();
        for (String at : List.of("01:50", "01:59")) {
            add(incident, at, "triage", Event.DIAGNOSED, "P2 rate-limited", Map.of("diagnosis", "rate-limited"));
        }
        String text = markdown(incident);
        assertEquals(2, text.split("Root cause identified", -1).length, text);
        assertEquals(3, text.split("Triage again", -1).length, text);
        assertFalse(text.contains("night"), "nobody told what night is");
    }

    @Test
    void eachQueueIsToldByItself() throws IOException {
        Instant at = Instant.parse("2026-11-20T01:00:00Z");
        Instant peak = at.plusSeconds(600);
        List<LogReader.Queue> queues = List.of(new LogReader.Queue("pod-a", at, 0, peak, 900, FELL, 700),
                new LogReader.Queue("pod-b", at, 0, peak, 5, FELL, 0));
        assertSays(told(triaged(), facts(ZoneOffset.UTC, "").with(queues, List.of(), List.of(), List.of())),
                "- Data queued for retry: 905 at most; 700 still waiting at the end of the data",
                "  - pod-a: 900 at most; 700 still waiting", "  - pod-b: 5 at most; drained");
    }

    @Test
    void noCustomersOfFailedCallsAndNothingToRepeatWhereNoneFailed() throws IOException {
        String json = facts(ZoneOffset.UTC, "2026-11-20T01:00:00Z klaviyo POST /api/events status=202\n").json()
                .replace("\"count\":0", "\"count\":1");
        String text = told(triaged(), Facts.read(json.getBytes(StandardCharsets.UTF_8)));
        assertSays(text, "- Failed API calls: none counted by the bundle's logs", "- Affected users: [unknown: ");
        assertFalse(text.contains("Campaigns") || text.contains("Repeat the oldest"), text);
    }

    @Test
    void aLogsZoneIsTheBundles() throws IOException {
        String log = "2026-11-20 01:47:00 ERROR klaviyo POST /api/events status=401\n";
        assertSays(told(triaged(), facts(ZoneId.of("Europe/Berlin"), log)), "| 00:47 | **First symptom**",
                "log times read as Europe/Berlin, assumed");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "[]", "null", "{\"schema\":9}", "{\"schema\":1,\"from\":\"yesterday\"}", "no zip"})
    void factsThatAreNoneAreSaidToBe(String facts) throws IOException {
        Path bundle = bundle(facts);
        if (facts.equals("no zip")) {
            Files.writeString(bundle, facts);
        }
        Problem named = assertThrows(Problem.class, () -> of(null, bundle, null, null));
        assertTrue(named.getMessage().startsWith("--bundle "), named.getMessage());
        Incident incident = triaged();
        Files.copy(bundle, incident.folder().resolve("bundle-20261120T014100Z.zip"));
        assertSays(notes(report(incident)), "cannot be used");
    }
}
