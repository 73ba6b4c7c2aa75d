import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
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
import runbook.Http;
import runbook.Text.Json;
import runbook.Settings;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Message.Template;
import runbook.Settings.Templates;
import runbook.report.Postmortem;
import runbook.DecisionTree.Diagnosis;

/** What a postmortem takes from Prometheus, the status page, a bundle and watch, and what it says where there is none. */
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
        String body = answers.entrySet().stream()
                .filter(answer -> asked.contains(answer.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("");
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
            values.add(List.of(
                    at.getEpochSecond(),
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
        answers.put(
                "rate(klaviyo_api_errors_total[",
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

    private Postmortem.Sources sources(Optional<Incident> incident, Optional<Path> bundle, boolean status, boolean prometheus) {
        Settings settings = new Settings(
                new Settings.Target(site, site, null, null, null),
                Optional.empty(),
                "2026-07-15",
                new Settings.Probing(Duration.ofSeconds(5), 1, Duration.ofSeconds(2), List.of()),
                new Settings.AppErrors(List.of(), ""),
                Optional.empty(),
                Map.of(),
                Settings.Templates.builtIn());
        return new Postmortem.Sources(
                incident,
                bundle,
                Http.of(settings),
                status ? site : null,
                prometheus ? site : null,
                Postmortem.Queries.USUAL,
                Duration.ofSeconds(5),
                PostmortemJournals.WRITTEN,
                Optional.empty(),
                Optional.empty(),
                "postmortem");
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
        assertTrue(text.contains("| 02:52 | **First symptom**: failed calls begin to rise | metrics |"), text);
        assertTrue(
                text.contains("| Time to detect | 12 minutes |") && text.contains("| Time to resolve | 25 minutes |"),
                text);
        assertEquals(Optional.of(ROSE.truncatedTo(ChronoUnit.SECONDS)), report.began());
        Document page = Jsoup.parse(report.html(text));
        assertEquals(2, page.select("figure > svg path.errors").size(), "in the wide and the narrow picture");
        assertEquals(2, page.select("figure > svg path.latency").size());
        assertEquals(List.of("unnoticed", "investigating", "mitigating", "watching", "resolved"),
                page.select("figure > svg.wide rect.band").stream().map(band -> band.text().split(" ")[0]).toList());
    }

    @Test
    void prometheusThatDoesNotAnswerIsNamed() {
        answers.put("klaviyo_api_errors_total", "{\"status\":\"error\",\"error\":\"parse error\"}");
        Postmortem report = Postmortem.of(
                sources(Optional.of(PostmortemJournals.whole(Diagnosis.KEY_INVALID)), Optional.empty(), false, true));

        assertTrue(
                String.join("\n", report.missing()).contains("--prometheus: HTTP 200")
                        && String.join("\n", report.missing()).contains("parse error"),
                report.missing().toString());
        assertTrue(markdown(report).contains("- Affected share of calls: unknown: "), "an unknown is told as one");
    }

    @Test
    void theVendorsRecordAndHowLateItWas() {
        statusPageKnows();
        String text = markdown(Postmortem.of(sources(
                Optional.of(PostmortemJournals.whole(Diagnosis.SILENT_OUTAGE)), Optional.empty(), true, false)));

        assertTrue(
                text.contains(
                        "| 03:45 | Klaviyo (investigating): Elevated 503s on APIs — Looking into it. | status page |"),
                text);
        assertTrue(text.contains("| Vendor's acknowledgement | 41 minutes (2026-11-20 03:45) |"), text);
        assertTrue(text.contains("detected by us 40 min before the status page"), text);
        assertTrue(text.contains("Klaviyo's own record: Elevated 503s on APIs, https://stspg.io/abc"), text);
        assertFalse(text.contains("Last month"), text);
    }

    @Test
    void drillsDoNotAskTheRealStatusPage() {
        Incident incident = Incident.at(Tree.temporary("postmortem").resolve("drill"));
        PostmortemJournals.add(
                incident, 0, "triage", Event.DETECTED, "triage found key-invalid", Map.of("drill", "revoked-key"));
        Postmortem.Sources asked = sources(Optional.of(incident), Optional.empty(), false, false);
        Postmortem report = Postmortem.of(new Postmortem.Sources(
                asked.incident(),
                asked.bundle(),
                asked.http(),
                URI.create("https://status.klaviyo.com"),
                null,
                asked.queries(),
                asked.timeout(),
                asked.now(),
                Optional.empty(),
                Optional.empty(),
                "postmortem"));

        assertTrue(
                report.missing().contains("a drill: the real status page was not asked"),
                report.missing().toString());
        assertTrue(markdown(report).startsWith("> **DRILL (revoked-key)**"));
        assertTrue(Jsoup.parse(report.html(markdown(report))).title().startsWith("DRILL: "));
    }

    @Test
    void vendorUpdatesThatWatchSawStandAtTheVendorsTime() {
        Incident incident = PostmortemJournals.whole(Diagnosis.KLAVIYO_OUTAGE);
        PostmortemJournals.add(
                incident,
                8,
                "watch",
                Event.NOTE,
                "Klaviyo at 2026-11-20T03:01:00Z: API down: investigating: Looking.",
                Map.of(
                        "kind",
                        "status-page",
                        "vendorAt",
                        "2026-11-20T03:01:00Z",
                        "incident",
                        "API down",
                        "status",
                        "investigating",
                        "body",
                        "Looking."));
        String text = markdown(PostmortemJournals.report(incident));

        assertTrue(text.contains("| 03:01 | Klaviyo (investigating): API down — Looking. | status page |"), text);
        assertTrue(text.contains("| Vendor's acknowledgement | 3 minutes before our first sign |"), text);
        assertTrue(text.contains("the status page told of it 3 min before our own checks"), text);
    }

    @Test
    void whatWatchSawIsDrawnWhereNothingElseIs() throws IOException {
        Incident incident = PostmortemJournals.whole(Diagnosis.KLAVIYO_OUTAGE);
        StringBuilder rounds = new StringBuilder();
        for (int i = 0; i < 5000; i++) {
            rounds.append("{\"at\":\"")
                    .append(PostmortemJournals.BEGAN.plusSeconds(i))
                    .append("\",\"good\":{\"auth\":100,\"app\":20},\"bad\":{\"x\":300}}\n");
        }
        incident.write("watch-rounds.jsonl", (rounds + "{torn").getBytes(StandardCharsets.UTF_8));
        Postmortem report = PostmortemJournals.report(incident);
        Document page = Jsoup.parse(report.html(markdown(report)));

        assertTrue(
                page.select("p.legend").text().contains("share of failed checks (left)")
                        && page.select("p.legend").text().contains("latency"),
                page.select("p.legend").text());
        assertTrue(
                page.select("svg.wide path.latency").attr("d").length() < 20_000,
                "no more points than a picture has pixels");
        assertTrue(
                markdown(report).contains("- Failed API calls: unknown"),
                "checks of ours are no calls of the application");
    }

    // ---- bundles

    private static Path bundle(Map<String, String> files) throws IOException {
        Path file = Tree.temporary("postmortem").resolve("bundle.zip");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, String> entry : files.entrySet()) {
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(entry.getValue().getBytes(StandardCharsets.UTF_8));
            }
        }
        return file;
    }

    private static final String LOG = """
        2026-11-20T02:58:01.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T02:58:02.000Z ERROR klaviyo POST https://a.klaviyo.com/api/events status=401 customer=email-3f9a2c
        2026-11-20T03:01:02.000Z ERROR klaviyo PATCH /api/profiles/01ABC {"status":503} customer=email-77aa01
        2026-11-20T03:01:03.000Z INFO klaviyo POST /api/events status=202 customer=email-999999
        2026-11-20T03:01:04.000Z WARN order 401 shipped
        """;

    @Test
    void onlyABundle() throws IOException {
        Incident incident = PostmortemJournals.whole(Diagnosis.KEY_INVALID);
        Path bundle = bundle(Map.of(
                "incident/journal.jsonl",
                PostmortemJournals.read(incident.journal().file()),
                "application/app.log",
                LOG,
                "klaviyo/status-incidents.json",
                "{\"from\":\"x\",\"incidents\":[{\"name\":\"API"
                        + " down\",\"created_at\":\"2026-11-20T03:20:00Z\",\"incident_updates\":[]}]}"));
        String text = markdown(Postmortem.of(sources(Optional.empty(), Optional.of(bundle), false, false)));

        assertTrue(text.contains("- Failed API calls: 3 (401: 2, 503: 1; the bundle's logs)"), text);
        assertTrue(text.contains("- Affected users: 2 customers in the failed calls"), text);
        assertTrue(text.contains("| `POST /api/events` | 2 | safe with `unique_id`, else may duplicate |"), text);
        assertTrue(text.contains("| `PATCH /api/profiles` | 1 | safe in order |"), text);
        assertTrue(
                text.contains(
                        "| 02:58 | **First symptom**: first failed call in the bundle's logs | application logs |"),
                text);
        assertTrue(text.contains("| Vendor's acknowledgement | 22 minutes (2026-11-20 03:20) |"), text);
        assertTrue(text.contains("Mitigation applied"), "the bundle's copy of the journal");
    }

    @Test
    void aBundlesCountersOfTwoInstancesAndTwoFiles() throws IOException {
        String window = Json.line(PostmortemJournals.matrix(
                Map.of("__name__", "klaviyo_api_errors_total", "status", "401", "instance", "a"),
                counter(PostmortemJournals.BEGAN, 100, 50)));
        String before = Json.line(PostmortemJournals.matrix(
                Map.of("__name__", "klaviyo_api_errors_total", "status", "401", "instance", "a"),
                counter(PostmortemJournals.BEGAN.minusSeconds(600), 100, 0)));
        String other = Json.line(PostmortemJournals.matrix(
                Map.of("__name__", "klaviyo_api_errors_total", "status", "401", "instance", "b"),
                counter(PostmortemJournals.BEGAN, 7, 1)));
        Path bundle = bundle(Map.of(
                "metrics/klaviyo_api_errors_total-window.json",
                window,
                "metrics/klaviyo_api_errors_total-hour-before.json",
                before,
                "metrics/b.json",
                other));
        String text = markdown(Postmortem.of(sources(
                Optional.of(PostmortemJournals.whole(Diagnosis.KEY_INVALID)), Optional.of(bundle), false, false)));

        assertTrue(text.contains("- Failed API calls: 459 (401: 459; the bundle's metrics)"), text);
    }

    // Ten points a minute apart.
    private static List<List<Object>> counter(Instant from, int start, int step) {
        List<List<Object>> values = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            values.add(List.of(from.plusSeconds(60L * i).getEpochSecond(), String.valueOf(start + i * step)));
        }
        return values;
    }

    @Test
    void aBundleOfRubbishIsReadWithoutHarm() throws IOException {
        Path bundle = bundle(Map.of(
                "../../etc/passwd",
                "x",
                "metrics/torn.json",
                "{\"a\":",
                "application/long.log",
                "x".repeat(3_000_000) + " status=500",
                "metrics/odd.json",
                "{\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":3,\"values\":[[1],[2,\"NaN\"],\"x\"]}]}}",
                "incident/journal.jsonl",
                "rubbish\n"));
        Postmortem report = Postmortem.of(sources(Optional.empty(), Optional.of(bundle), false, false));

        assertTrue(markdown(report).contains("## Incident: Klaviyo"));
        assertTrue(String.join("\n", report.missing()).contains("torn.json is no JSON"), report.missing().toString());
    }
}
