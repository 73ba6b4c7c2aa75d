import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.sandbox.*;
import runbook.sandbox.Sandbox.Scenario;

/** What the person who was paged gets from triage, scenario by scenario. */
class TriageTest {
    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:lists", "endpoint:metrics", "endpoint:events", "endpoint:webhooks", "rate-limit", "revision",
            "app", "app-errors", "app-log", "webhook");
    private static final Map<String, String> WHEN = Map.of("healthy", "never", "network", "later");
    private static final String KEY = "pk_" + "0f".repeat(17);
    /** A line of a log, after its time. */
    private static final String LIMITED =
            " WARNING shop.jobs.resync [w-1] POST https://a.klaviyo.com/api/events -> 429 Too Many\n";

    @ParameterizedTest(name = "{0}: exit {1}, {2} {3}")
    @Cases("triage-cases.txt: drills")
    void aDrillIsDiagnosed(String scenario, int exit, String severity, String diagnosis, String path) throws Exception {
        Path folder = Tree.temporary("triage");
        TriageRun run = TriageRun.of(Run.script("triage").args("--drill", scenario).cwd(folder).terminal(80));
        JsonNode json = run.json();
        String err = run.result().err();
        long most = exit != 0 ? 30 : scenario.equals("maintenance") ? 5 : 3;
        List<String> commands = TriageRun.texts(json.path("actions"), "command").stream()
                .filter(command -> !command.equals("null")).limit(3).toList();
        assertAll(run.toString(),
                () -> assertEquals(diagnosis + " " + Objects.toString(severity, "-") + " exit " + exit, run.verdict()),
                () -> assertEquals(exit == 0, json.path("healthy").asBoolean()),
                () -> assertEquals(path, String.join("; ", run.path())),
                () -> assertEquals(scenario, json.path("drill").asText()),
                () -> assertEquals(CHECKS, TriageRun.texts(json.path("checks"), "name")),
                () -> assertFalse(json.path("actions").isEmpty(), "says what to do next"),
                () -> assertEquals(exit == 11 || exit == 12, commands.toString().contains("--announce both"),
                        "people are told of P1 and P2, by one of the three commands of the first screen"),
                () -> assertFalse(json.path("actions").toString().contains("127.0.0.1"), "the sandbox is gone by then"),
                () -> assertEquals(severity == null, json.path("respondBy").isNull()),
                () -> assertTrue(json.path("requestsSpent").asInt() <= 14, "spends little"),
                () -> assertTrue(err.contains("DRILL " + scenario), "says DRILL"),
                () -> assertTrue(err.lines().allMatch(line -> line.length() <= 80 || line.matches(" {5}\\S.*")),
                        "fits, but for commands to paste"),
                () -> assertTrue(err.lines().count() <= most, "is short: " + err.lines().count()),
                () -> assertEquals(severity == null ? Set.of() : Set.of("klaviyo-incidents"), names(folder)),
                () -> assertEquals(json.at("/actions/0/text"), json.at("/advice/text")),
                () -> assertEquals(WHEN.getOrDefault(diagnosis, "now"), json.at("/advice/when").asText()));
    }

    @Test
    void everyScenarioOfTheSandboxIsInTheTableAbove() throws IOException {
        assertEquals(Scenario.all(Templates.BUILT_IN).keySet(),
                Cases.Reader.rows("triage-cases.txt", "drills").map(row -> row[0]).collect(Collectors.toSet()));
    }

    @ParameterizedTest(name = "{0}")
    @Cases("triage-runs.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        try (Session session = new Session()) {
            session.play(lines);
        }
    }

    @ParameterizedTest(name = "{0} {1}: {2}")
    @Cases("triage-cases.txt: screens")
    void moreOrLessIsShownWhenAskedFor(String scenario, String options, String expected) {
        Run.Result result = drill(scenario).args(options == null ? new String[0] : options.split(" ")).run();
        assertTrue(Pattern.compile(expected).matcher(result.out().replaceAll("\\s+", " ")).find(), result.toString());
        assertFalse(result.out().contains("\n\n\n"), "an empty line too many: " + result);
    }

    @ParameterizedTest
    @ValueSource(strings = {"revoked-key", "load-shed", "stale-app-key", "webhook-cert-expired", "deprecated-revision",
        "no-network"})
    void thePathThatIsShownIsOneThatTheTreeHas(String scenario) {
        TriageRun run = TriageRun.of(drill(scenario).args("--explain"));
        List<String> marked = run.result().err().lines().filter(line -> line.startsWith("> ")).toList();
        for (JsonNode step : run.json().path("path")) {
            String question = step.path("question").asText();
            String answer = "── " + step.path("answer").asText();
            assertTrue(marked.stream().anyMatch(line -> line.endsWith(question)), run.toString());
            assertTrue(marked.stream().anyMatch(line -> line.contains(answer)), run.toString());
        }
        String leaf = run.json().path("diagnosis").asText() + ":";
        assertTrue(marked.stream().anyMatch(line -> line.contains("→ ") && line.contains(leaf)), run.toString());
        Set<String> leaves = Pattern.compile("→ (?:P\\d )?([a-z-]+): ").matcher(run.result().err()).results()
                .map(one -> one.group(1)).collect(Collectors.toCollection(TreeSet::new));
        leaves.add("unknown");
        assertEquals(new TreeSet<>(Message.Wording.all(Templates.BUILT_IN).keySet()), leaves, "a row a diagnosis");
    }

    @ParameterizedTest(name = "at load {0}: {1}")
    @CsvSource({"0.1, klaviyo-slow P2 exit 12", "1000, indeterminate - exit 20"})
    void aBusyMachineIsNoSlowKlaviyo(String load, String verdict) throws IOException {
        Path own = Tree.temporary("ours");
        Files.writeString(own.resolve("scenarios.json"), """
                {"slow": {"description": "late", "api": [{"from": 0, "late": "2100ms"}]}}""");
        System.setProperty("runbook.load", load);
        try {
            TriageRun run = TriageRun.of(drill("slow").args("--templates", own.toString()));
            assertEquals(verdict, run.verdict(), run.toString());
        } finally {
            System.clearProperty("runbook.load");
        }
    }

    // ---- what the application sees

    /** Lines of a log: minutes ago, status and number of calls, oldest first. */
    private static String log(String calls, Instant now) {
        return Stream.of(calls.split(" ")).map(some -> (some + "*1").split("[:*]")).map(part ->
                (now.minusSeconds(60 * Long.parseLong(part[0])) + " INFO klaviyo POST /api/events -> " + part[1] + "\n")
                        .repeat(Integer.parseInt(part[2]))).collect(Collectors.joining());
    }

    @ParameterizedTest(name = "{0}: {1}")
    @Cases("triage-cases.txt: logs")
    void aLogWeighsByTheShareOfCallsThatFailAndHowLongAgo(String calls, String verdict, String says) throws Exception {
        Instant now = Instant.now();
        String log = log(calls, now);
        Path file = Files.write(Tree.temporary("log").resolve("app.log.gz"),
                Tree.gzip(log.getBytes(StandardCharsets.UTF_8)));
        Matcher ago = Pattern.compile("\\{(\\d+)}").matcher(says);
        Instant began = ago.find() ? now.minusSeconds(60 * Long.parseLong(ago.group(1))) : Instant.EPOCH;
        String expected = ago.replaceAll(began.toString().substring(11, 16) + "Z");
        boolean weighed = verdict.matches("(?!runaway).* P.*");
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            for (String from : List.of(file.toString(), "-")) {
                Run triage = against(sandbox).env("KLAVIYO_PRIVATE_KEY", "").args("--log", from);
                TriageRun run = TriageRun.of(triage.stdin(log));
                String seen = run.result().err().replaceAll("\\s+", " ");
                String reason = run.json().path("reason").asText();
                assertEquals(verdict, run.verdict(), run.toString());
                assertTrue(run.check("app-log").contains(expected), expected + " is not in " + run.check("app-log"));
                assertTrue(seen.contains(" app-log ") && seen.contains(" failed call"), seen);
                assertFalse(seen.contains("every call with this key") || seen.contains("--log FILE"), seen);
                assertEquals(weighed, reason.contains(" calls in the log's last 15 min"), reason);
                assertEquals(verdict.contains(" P"), reason.matches("(?s).*(,| all) since .*"), reason);
            }
        }
    }

    @ParameterizedTest(name = "{0}, its log in {1}, {2} min ago")
    @Cases("triage-cases.txt: zones")
    void aLogWithoutAZoneIsReadInTheOneThatItIsWrittenIn(
            String here, String there, int ago, String severity, String says) throws IOException {
        String zone = there.replace("file in Berlin", here).replace("file in ", "");
        String at = LocalDateTime.now(ZoneId.of(zone)).minusMinutes(ago).toString().replace('T', ' ').substring(0, 19);
        String log = (at + ",193" + LIMITED).repeat(60);
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Run triage = Run.process("triage").env("TZ", here).cwd(Tree.temporary("triage"));
            sandbox.variables().forEach(triage::env);
            Path file = Files.writeString(Tree.temporary("log").resolve("app.log"), log);
            Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(60L * ago)));
            // A busy machine takes its time, and that is not what is asked here.
            triage.env("KLAVIYO_TIMEOUT", "30s");
            triage.args("--log", there.startsWith("file") ? file.toString() : "-");
            TriageRun run = TriageRun.of(triage.stdin(log));
            String check = run.check("app-log");
            assertTrue(check.contains(says) && !check.contains("no call"), check);
            assertTrue(run.verdict().contains(" " + severity + " "), run.verdict());
        }
    }

    @ParameterizedTest(name = "a log that ends at second {0}, of {1} calls a minute to {2}")
    @CsvSource({"5, 3750, /api/events, 'limit 3,500'", "25, 3750, /api/events, 'limit 3,500'",
        "45, 900, /api/profile-import, limit at most 750"})
    void aRunawayLoopIsOneWhereverTheClocksMinutesBeginAndWhateverTheDayHeld(
            int second, int perMinute, String path, String limit) {
        Instant end = Instant.now().minusSeconds(120).truncatedTo(ChronoUnit.MINUTES).plusSeconds(second);
        String usual = IntStream.rangeClosed(-9_000, -400).mapToObj(i -> end.plusSeconds(i * 3)
                + LIMITED.replace("429 Too Many", "202").replace("resync", "usual")).collect(Collectors.joining());
        String loop = IntStream.rangeClosed(-perMinute * 5 / 4, 0).mapToObj(i ->
                end.plusMillis(i * 60_000L / perMinute) + LIMITED.replace("/api/events", path))
                .collect(Collectors.joining());
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).args("--log", "-").stdin(usual + loop));
            assertEquals("runaway-loop P2 exit 12", run.verdict(), run.check("app-log"));
            String reason = run.json().path("reason").asText();
            assertTrue(reason.contains(limit) && reason.endsWith(", by shop.jobs.resync"), reason);
            assertTrue(run.check("app-log").contains(", most of them by shop.jobs.resync"), run.check("app-log"));
        }
    }

    @ParameterizedTest(name = "{0}: {1}, {2}")
    @Cases("triage-cases.txt: observed")
    void whatIsObservedInTheApplicationHasAVerdictAndAdvice(String status, String diagnosis, String advice) {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).args("--observed", status));
            assertTrue(run.verdict().startsWith(diagnosis), run.verdict());
            assertTrue(run.json().path("actions").toString().contains(advice), run.toString());
        }
    }

    @ParameterizedTest(name = "{0}")
    @Cases("triage-cases.txt: restarts")
    void theApplicationIsRestartedAsTheTeamHasSetIt(String target, String command) throws IOException {
        Path home = Tree.temporary("home");
        Files.writeString(home.resolve(".klaviyo-runbook.properties"), "rotate-key.restart=" + target);
        TriageRun run = TriageRun.of(drill("stale-app-key").home(home));
        assertEquals(command, run.json().at("/actions/0/command").asText());
        assertFalse(TriageRun.of(drill("stale-app-key")).json().toString().contains("kubectl"), "nothing is made up");
    }

    // ---- nothing secret, nothing claimed

    @Test
    void whatKlaviyoAnswersIsRedactedEverywhere() throws IOException {
        String personal = "jane.doe@example.com called +15551234567 with client_secret=s3cr3t-0f-acme-shop9";
        Map<String, LoopbackServer.Response> answers = Map.of(
                "/api/", LoopbackServer.Response.error(400, "invalid", "", personal),
                "/api/v2/", new LoopbackServer.Response(200, ("{'status':{'description':'P'},'incidents':[{'name':'P',"
                        + "'incident_updates':[{'body':'P'}]}]}").replace('\'', '"').replace("P", personal)),
                "/api/v1/query", new LoopbackServer.Response(400, """
                        {"status":"error","error":"%s"}""".formatted(personal)),
                "/health", new LoopbackServer.Response(503, "{\"status\":\"" + personal + "\"}"));
        Path folder = Tree.temporary("triage");
        try (LoopbackServer server = LoopbackServer.wellBut(answers); Stream<Path> files = Files.walk(folder)) {
            Run.Result result = pointedAt(server).args("-v", "--announce", "both", "--json").cwd(folder).run();
            StringBuilder all = new StringBuilder(result.out() + result.err());
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.append(Files.readString(file));
            }
            assertTrue(result.exit() > 10 && all.toString().contains("\"diagnosed\""), result.toString());
            assertFalse(all.toString().matches("(?s).*(jane\\.doe|5551234567|s3cr3t-0f).*"), all.toString());
        }
    }

    @ParameterizedTest(name = "[{0}] is {1}")
    @Cases("triage-cases.txt: stored keys")
    void whatIsStoredIsWhatTheApplicationSends(String given, String expected) {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).env("KLAVIYO_PRIVATE_KEY",
                    given == null ? "" : given.replaceFirst("KEY(?=;?$)", sandbox.key())));
            assertEquals(expected, run.verdict(), run.toString());
            assertFalse(run.toString().contains(sandbox.key()), run.toString());
        }
    }

    @Test
    void aPageThatWasNotSeenIsNeverCalledGreen() {
        LoopbackServer.Response no = LoopbackServer.Response.html(403, "no");
        Map<String, LoopbackServer.Response> answers = Map.of("/api/", new LoopbackServer.Response(503, "{}"),
                "/api/v2/", no, "/history.rss", no, "/", no);
        try (LoopbackServer server = LoopbackServer.wellBut(answers)) {
            Run.Result result = pointedAt(server).args("-v", "--announce", "both", "--json").run().ends(11);
            for (String claim : List.of("green", "shows nothing", "does not show", "as its status page says")) {
                assertFalse(result.toString().replaceAll("\\s+", " ").contains(claim), claim + " in " + result);
            }
        }
    }

    // ---- the key

    @ParameterizedTest(name = "{0}: {1} is {2}")
    @Cases("triage-cases.txt: other keys")
    void aKeyThatIsNotTheApplicationsIsNoOutage(String scenario, String given, String verdict, String reason) {
        try (ControlledSandbox sandbox = ControlledSandbox.start(scenario)) {
            String key = given.replace("KEY", sandbox.key());
            TriageRun run = TriageRun.of(around(sandbox).env("KLAVIYO_PRIVATE_KEY", key));
            assertEquals(verdict, run.verdict(), run.toString());
            assertTrue(Pattern.compile(reason).matcher(run.json().path("reason").asText()).find(), run.toString());
        }
    }

    @ParameterizedTest(name = "{0}, and {1}: {3}")
    @CsvSource({"revoked-key, rotated, refused-elsewhere - exit 20, healthy - exit 0",
        "recovering, recovered, server-error P2 exit 12, healthy - exit 0"})
    void errorsFromBeforeAreNoRelapse(String drill, String event, String unknown, String verdict) throws Exception {
        try (ControlledSandbox sandbox = ControlledSandbox.start(drill, Duration.ZERO, 1)) {
            sandbox.enabled(sandbox.key(), true);
            sandbox.advance(Duration.ofSeconds(60));
            Path folder = Tree.temporary("triage");
            TriageRun without = TriageRun.of(around(sandbox).cwd(folder));
            assertEquals(unknown, without.verdict(), "where nothing says when it was mended");
            Incident incident = new Incident(folder.resolve("open"));
            incident.append(new Event(Instant.now().minusSeconds(60), "triage", Event.DIAGNOSED, "failing",
                    Json.of(Map.of("severity", "P1", "diagnosis", "key-invalid"))));
            incident.append(new Event(Instant.now().minusSeconds(20), "watch", event, "mended", Json.object()));
            TriageRun run = TriageRun.of(around(sandbox).args("--incident", incident.toString(), "--announce", "both"));
            assertEquals(verdict, run.verdict(), run.toString());
            String seen = run.result().err().replaceAll("\\s+", " ");
            String none = ".* counts no errors from Klaviyo since \\d\\d:\\d\\dZ; over, in 15 min: .*";
            assertTrue(seen.matches(none), seen);
            assertTrue(seen.contains("Incident folder: ") && seen.contains(" P1 INCIDENT")
                    && seen.contains(event.equals("recovered") ? "postmortem@" : "watch@"), seen);
            assertFalse(seen.contains("P?") || seen.contains("-- Operational"), "people were hit: " + seen);
        }
    }

    // ---- the incident

    @Test
    void theTimeToRespondCountsFromWhenSomebodyWasPaged() throws IOException {
        TriageRun run = TriageRun.of(drill("outage").args("--paged-at", "10 min ago"));
        assertTrue(respondBy(run).isBefore(Instant.now().plusSeconds(310)), run.toString());
        String journal = Files.readString(Path.of(run.json().path("incident").asText()).resolve("journal.jsonl"));
        assertTrue(journal.contains("paged; triage found klaviyo-outage"), journal);
    }

    @Test
    void theTimeToRespondCountsFromTheIncidentsFirstTriageThatWasThisBad() throws IOException {
        Incident incident = new Incident(Tree.temporary("triage").resolve("long-ago"));
        Instant first = Instant.parse("2026-11-20T03:04:05Z");
        Map<String, String> p1 = Map.of("severity", "P1", "drill", "outage");
        incident.append(new Event(first.minusSeconds(60), "triage", "detected", "minor at first",
                Json.of(Map.of("severity", "P3"))));
        incident.append(new Event(first, "triage", "diagnosed", "an outage", Json.of(p1)));
        Run triage = drill("outage").args("--incident", incident.toString());
        TriageRun run = TriageRun.of(triage);
        assertEquals("2026-11-20T03:19:05Z", respondBy(run).toString(), run.toString());
        assertTrue(run.result().err().contains("A response was due by 2026-11-20T03:19:05Z"), run.toString());
        incident.append(Event.now("watch", "recovered", "it held", p1));
        assertTrue(respondBy(TriageRun.of(triage)).isAfter(Instant.now()), "a relapse gets its own quarter of an hour");
    }

    // ---- what else it can do

    @ParameterizedTest(name = "{0}")
    @Cases("triage-cases.txt: wrong usage")
    void wrongUsageIsOneLineThatNamesTheOption(String arguments, String expected) {
        Run.Result result = Run.run("triage", arguments.split(" ")).ends(2);
        assertTrue(result.err().lines().findFirst().orElse("").contains(expected), result.toString());
        assertEquals("", result.out());
    }

    private static Run drill(String scenario) {
        return Run.script("triage").args("--drill", scenario).cwd(Tree.temporary("triage"));
    }

    /** With all that a game day's sandbox has. */
    private static Run around(ControlledSandbox sandbox) {
        Run triage = Run.script("triage").cwd(Tree.temporary("triage"));
        sandbox.variables().forEach(triage::env);
        return triage;
    }

    private static Run against(ControlledSandbox sandbox) {
        return Run.script("triage").env("KLAVIYO_PRIVATE_KEY", sandbox.key()).cwd(Tree.temporary("triage"))
                .args("--api-url", sandbox.target().api().toString())
                .args("--status-url", sandbox.target().status().toString());
    }

    private static Run pointedAt(LoopbackServer server) {
        return Run.script("triage").args(TriageRun.pointedAt(server.url())).env("KLAVIYO_PRIVATE_KEY", KEY)
                .cwd(Tree.temporary("triage"));
    }

    private static Instant respondBy(TriageRun run) {
        return Instant.parse(run.json().path("respondBy").asText());
    }

    private static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }
}
