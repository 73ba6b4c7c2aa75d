import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.jsoup.Jsoup;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.report.*;

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

    private static String result(String type, List<?> rows) {
        return Json.of(Map.of("status", "success", "data", Map.of("resultType", type, "result", rows))).toString();
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
        answers.put("errors_total", result("vector", List.of(
                Map.of("metric", Map.of("status", "401"), "value", List.of(0, "2871.4")),
                Map.of("metric", Map.of("status", "503"), "value", List.of(0, "12.4")))));
    }

    private Report of(Incident incident, Path bundle, URI status, URI prometheus) {
        Settings settings = new Settings(new Settings.Target(site, status, null, null, prometheus, false),
                Optional.empty(), "2026-07-15", new Settings.Probing(Duration.ofSeconds(5), 1, List.of(),
                        "sum by (status) (increase(klaviyo_api_errors_total[15m]))", List.of()), Optional.empty(),
                Map.of(), Templates.BUILT_IN);
        return new Report(new Report.Sources(Notebook.of(incident, Optional.empty()),
                Optional.ofNullable(bundle), Optional.of(settings), WRITTEN, COMMAND, Templates.BUILT_IN));
    }

    private static String notes(Report report) {
        return report.json().path("notes").toString();
    }

    private static Facts facts(ZoneId zone, String log) {
        LogReader reader = new LogReader(zone, null, WRITTEN, text -> text);
        byte[] bytes = log.getBytes(StandardCharsets.UTF_8);
        LogReader.Source source = reader.source();
        source.take(bytes, bytes.length);
        source.end();
        return reader.facts();
    }

    private static Path bundle(String facts) throws IOException {
        Path file = Tree.temporary("postmortem").resolve("bundle-x.zip");
        return Tree.zip(file, Map.of("bundle-x/facts.json", facts));
    }

    // ---- cases as text

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-cases.txt")
    void says(String name, List<String> lines) throws IOException {
        Incident incident = empty();
        StringBuilder log = new StringBuilder();
        ZoneId zone = ZoneOffset.UTC;
        List<Facts.Queue> queues = new ArrayList<>();
        List<StatusPage.Incident> vendor = new ArrayList<>();
        String[] replaced = {"", ""};
        List<String> told = new ArrayList<>();
        for (String line : lines.stream().filter(any -> !any.isBlank()).toList()) {
            String rest = line.substring(line.indexOf(' ') + 1);
            String[] words = rest.split(" ");
            switch (line.split(" ")[0]) {
                case "recorded" -> incident = recorded(rest);
                case "journal" -> journal(incident, rest.split(" ", 4));
                case "calls" -> IntStream.range(0, Integer.parseInt(words[0])).forEach(i ->
                        log.append(Instant.parse(words[1]).plusMillis(150L * i)).append(' ')
                                .append(rest.split(" ", 3)[2]).append(100_000 + i % 700).append('\n'));
                case "log" -> log.append(rest).append('\n');
                case "zone" -> zone = ZoneId.of(rest);
                case "queue" -> queues.add(new Facts.Queue(words[0], ROSE, 0, BEGAN, Double.parseDouble(words[1]),
                        FELL, Double.parseDouble(words[2])));
                case "vendor" -> vendor.add(new StatusPage.Incident("", rest.substring(21), "", "", "",
                        Instant.parse(words[0]), Instant.parse(words[0]), null,
                        List.of(new StatusPage.Update("", Instant.parse(words[0]), "identified", "")), true));
                case "facts" -> replaced = words;
                case "prometheus" -> prometheusKnows();
                case "prometheus-says" -> answers.put("errors_total", rest);
                case "status-page" -> answers.put("/api/v2/incidents.json", rest);
                default -> told.add(line);
            }
        }
        String facts = facts(zone, log.toString()).with(queues, List.of(), vendor, List.of("a log torn")).json();
        boolean bundled = !log.isEmpty() || !queues.isEmpty();
        URI page = answers.containsKey("/api/v2/incidents.json") ? site : null;
        Report report = of(incident, bundled ? bundle(facts.replace(replaced[0], replaced[1])) : null, page,
                answers.containsKey("errors_total") ? site : null);
        String written = markdown(report);
        assertEquals(bundled, written.contains("debug bundle: a log torn"));
        for (String line : told) {
            String wanted = line.substring(line.indexOf(' ') + 1);
            String said = line.startsWith("hands") ? report.handover() : written;
            assertEquals(!line.startsWith("never"), said.contains(wanted), line + "\n---\n" + said);
        }
    }

    /** Time, step, kind, and text with data. */
    private static void journal(Incident incident, String[] event) throws IOException {
        int data = event[3].indexOf('{');
        Map<String, Object> fields = new LinkedHashMap<>();
        Json.read(event[3].substring(data)).properties().forEach(field -> fields.put(field.getKey(), field.getValue()));
        add(incident, event[0], event[1], event[2], event[3].substring(0, data).strip(), fields);
    }

    // ---- the rest

    @Test
    void aDrillSaysSoAndAsksNoRealStatusPage() {
        Incident incident = recorded("revoked-key");
        add(incident, "02:55", "triage", Event.NOTE, "in a drill", Map.of("drill", "revoked-key"));
        Report report = of(incident, null, URI.create("https://status.klaviyo.com"), null);
        assertEquals("[]", notes(report));
        assertTrue(markdown(report).startsWith("> **DRILL (revoked-key)**"));
        assertTrue(Jsoup.parse(report.html(markdown(report))).title().startsWith("DRILL: "));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "{", "[]", "null", "{\"schema\":9}", "{\"schema\":1,\"from\":\"yesterday\"}", "no zip"})
    void factsThatAreNoneAreSaidToBe(String facts) throws IOException {
        Path bundle = bundle(facts);
        if (facts.equals("no zip")) {
            Files.writeString(bundle, facts);
        }
        Problem named = assertThrows(Problem.class, () -> of(empty(), bundle, null, null));
        assertTrue(named.getMessage().startsWith("--bundle "), named.getMessage());
        Incident incident = recorded("outage");
        Files.copy(bundle, incident.folder().resolve("bundle-20261120T014100Z.zip"));
        assertSays(notes(report(incident)), "cannot be used");
    }
}
