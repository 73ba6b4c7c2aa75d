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
import java.util.zip.*;
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
    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles", "endpoint:lists",
            "endpoint:metrics", "endpoint:events", "endpoint:webhooks", "rate-limit", "revision", "app", "app-errors", "app-log",
            "webhook");
    private static final Map<String, String> WHEN = Map.of("healthy", "never", "network", "later");
    private static final String KEY = "pk_" + "0f".repeat(17);

    @ParameterizedTest(name = "{0}: exit {1}, {2} {3}")
    @CsvSource(delimiter = '|', value = {
        "healthy              |  0 |    | healthy             | no; yes",
        "outage               | 11 | P1 | klaviyo-outage      | yes; yes; 5xx or no answer; yes; nearly all requests",
        "degraded             | 12 | P2 | klaviyo-degraded    | no; yes",
        "event-delay          | 12 | P2 | klaviyo-degraded    | no; yes",
        "maintenance          |  0 |    | healthy             | no; yes",
        "silent-outage        | 11 | P1 | silent-outage       | yes; yes; 5xx or no answer; no; nearly all requests; yes",
        "intermittent-5xx     | 12 | P2 | server-error        | yes; yes; 5xx or no answer; no; some requests",
        "partial              | 13 | P3 | partial             | yes; yes; 5xx or no answer; no; one endpoint alone",
        "rate-limited         | 12 | P2 | rate-limited        | yes; yes; 429; no",
        "cdn-block            | 11 | P1 | cdn-blocked         | yes; yes; 403 from the CDN; nearly all requests",
        "no-network           | 20 |    | network             | yes; no",
        "revoked-key          | 11 | P1 | key-invalid         | yes; yes; 401; fit, and refused",
        "load-shed            | 11 | P1 | load-shed           | yes; yes; 403 that names no scope, on most endpoints or beside 5xx; no; nearly all requests",
        "runaway-loop         | 12 | P2 | runaway-loop        | yes; yes; 429; yes",
        "expired-token        | 11 | P1 | token-expired       | yes; yes; 401; an OAuth token",
        "missing-key          | 20 |    | key-missing         | not asked: no key",
        "malformed-key        | 11 | P1 | key-malformed       | yes; yes; 401; unfit to be sent",
        "missing-scope        | 13 | P3 | scope-missing       | yes; yes; 403; one endpoint alone",
        "stale-app-key        | 11 | P1 | stale-app-key       | no; 401, and the key is fine here",
        "bad-payload          | 13 | P3 | payload-invalid     | no; 400",
        "retired-revision     | 11 | P1 | revision-retired    | yes; yes; revision refused; nearly all requests",
        "deprecated-revision  | 14 | P4 | revision-deprecated | no; no: deprecated",
        "app-down             | 11 | P1 | app-unhealthy       | no; no",
        "webhook-down         | 13 | P3 | webhook-down        | no; no: route",
        "webhook-cert-expired | 13 | P3 | webhook-certificate | no; no: certificate",
        "monitoring-gap       | 14 | P4 | monitoring-gap      | no; no",
        "recovering           | 11 | P1 | klaviyo-outage      | yes; yes; 5xx or no answer; yes; nearly all requests",
        "flapping             | 11 | P1 | klaviyo-outage      | yes; yes; 5xx or no answer; yes; nearly all requests"})
    void aDrillIsDiagnosed(String scenario, int exit, String severity, String diagnosis, String path) throws IOException {
        Path folder = Tree.temporary("triage");
        TriageRun run = TriageRun.of(Run.script("triage").args("--drill", scenario).cwd(folder).terminal(80));
        JsonNode json = run.json();
        String err = run.result().err();
        assertAll(run.toString(),
                () -> assertEquals(diagnosis + " " + (severity == null ? "-" : severity) + " exit " + exit, run.verdict()),
                () -> assertEquals(exit == 0, json.path("healthy").asBoolean()),
                () -> assertEquals(path, String.join("; ", run.path())),
                () -> assertEquals(scenario, json.path("drill").asText()),
                () -> assertEquals(CHECKS, TriageRun.texts(json.path("checks"), "name")),
                () -> assertFalse(json.path("actions").isEmpty(), "says what to do next"),
                () -> assertEquals(exit == 11 || exit == 12, TriageRun.texts(json.path("actions"), "command").stream()
                        .filter(command -> !command.equals("null")).limit(3).anyMatch(command -> command.contains("--announce both")),
                        "people are told of P1 and P2, by one of the three commands of the first screen"),
                () -> assertFalse(json.path("actions").toString().contains("127.0.0.1"), "the sandbox is gone by then"),
                () -> assertEquals(severity == null, json.path("respondBy").isNull()),
                () -> assertTrue(json.path("requestsSpent").asInt() <= 14, "spends little"),
                () -> assertTrue(err.contains("DRILL " + scenario), "says DRILL"),
                () -> assertTrue(err.lines().allMatch(line -> line.length() <= 80 || line.matches(" {5}\\S.*")),
                        "fits, but for commands to paste"),
                () -> assertTrue(err.lines().count() <= (exit == 0 ? scenario.equals("maintenance") ? 5 : 3 : 30), "is short: " + err.lines().count()),
                () -> assertEquals(severity == null ? Set.of() : Set.of("klaviyo-incidents"), names(folder)),
                () -> assertEquals(json.at("/actions/0/text"), json.at("/advice/text")),
                () -> assertEquals(WHEN.getOrDefault(diagnosis, "now"), json.at("/advice/when").asText()));
    }

    @Test
    void everyScenarioOfTheSandboxIsInTheTableAbove() throws NoSuchMethodException {
        CsvSource table = TriageTest.class.getDeclaredMethod("aDrillIsDiagnosed", String.class, int.class, String.class,
                String.class, String.class).getAnnotation(CsvSource.class);
        Set<String> tested = Stream.of(table.value()).map(row -> row.split("\\|")[0].strip()).collect(Collectors.toSet());
        assertEquals(Scenario.all(Templates.builtIn()).keySet(), tested);
    }

    @ParameterizedTest(name = "{0} {1}: {2}")
    @CsvSource(delimiter = '|', textBlock = """
        healthy       |           | not checked: app-log Paged all the same\\? .*triage@\\S+ --log FILE
        runaway-loop  | -q        | ^. P2 runaway-loop: One caller of ours uses up the account's quota \\(DRILL runaway-loop\\) $
        runaway-loop  | -v        | one caller's doing, by the application's log\\? → yes .* consequence .* 14 requests spent; not checked: nothing
        runaway-loop  | --explain | > Is it one caller's doing, by the application's log\\?
        cdn-block     |           | ^(?!(.*cf-ray){3}).* auth, profiles and 4 more
        missing-scope |           | rotate-key@CATALOG --needs \\+events:read --dry-run
        stale-app-key | -v        | 14 requests spent; not checked: app-log
        """)
    void moreOrLessIsShownWhenAskedFor(String scenario, String option, String expected) {
        Run.Result result = drill(scenario).args(option == null ? new String[0] : new String[] {option}).run();
        assertTrue(Pattern.compile(expected).matcher(result.out().replaceAll("\\s+", " ")).find(), result.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"revoked-key", "load-shed", "stale-app-key", "webhook-cert-expired", "deprecated-revision", "no-network"})
    void thePathThatIsShownIsOneThatTheTreeHas(String scenario) {
        TriageRun run = TriageRun.of(drill(scenario).args("--explain"));
        List<String> marked = run.result().err().lines().filter(line -> line.startsWith("> ")).toList();
        for (JsonNode step : run.json().path("path")) {
            assertTrue(marked.stream().anyMatch(line -> line.endsWith(step.path("question").asText())), run.toString());
            assertTrue(marked.stream().anyMatch(line -> line.contains("── " + step.path("answer").asText())), run.toString());
        }
        String leaf = run.json().path("diagnosis").asText() + ":";
        assertTrue(marked.stream().anyMatch(line -> line.contains("→ ") && line.contains(leaf)), run.toString());
    }

    // ---- what the application sees

    @ParameterizedTest(name = "{0}: {1}")
    @CsvSource(delimiter = '|', textBlock = """
        600:202*1100 300:429 260:401 5:202*97 0:401 | key-missing - exit 20    | 1,200 lines, 3 failed calls, the first on POST /api/events, the last just now
        20:202 20:400*2 20:429                      | key-missing - exit 20    | 3 failed calls, the first on POST /api/events, the last 20 min ago; it ends
        12:401*30 1:202*30                          | key-missing - exit 20    | the last 12 min ago; too few, or over by now
        4:401*200 3:202*60 1:202*60                 | key-missing - exit 20    | the last 4 min ago; too few, or over by now
        8:202*300 1:401*150                         | key-invalid P1 exit 11   | the application gets 401 × 150 of 450 calls in the log's last 15 min, all since 
        8:202*300 1:403*150                         | scope-missing P1 exit 11 | the application gets 403 × 150 of 450 calls
        8:202*300 1:502*70 1:503*80                 | server-error P1 exit 11  | 502 × 70, 503 × 80 of 450 calls in the log's last 15 min, all since 
        1:202*30 1:401*10                           | stale-app-key P2 exit 12 | the application gets 401 × 10 of 40 calls in the log's last 15 min, since
        60:202*900 1:401*40                         | key-invalid P1 exit 11   | the application gets 401 × 40 of 40 calls in the log's last 15 min
        1:202*30 1:429*10                           | rate-limited P2 exit 12  | the application gets 429 × 10 of 40 calls in the log's last 15 min
        1:202*900 1:401*90 1:429*2000               | rate-limited P2 exit 12  | the application gets 401 × 90, 429 × 2000 of 2,990 calls
        1:202*4200                                  | runaway-loop P3 exit 13  | 4,200 a minute (limit 3,500), 100 % of calls
        30:202*4400 1:202*4200                      | runaway-loop P3 exit 13  | 4,400 a minute (limit 3,500), 100 % of calls
        """)
    void aLogWeighsByTheShareOfItsCallsThatFailAndByHowLongAgo(String calls, String verdict, String says) throws IOException {
        // Minutes ago and status of calls, oldest first.
        StringBuilder log = new StringBuilder();
        for (String some : calls.split(" ")) {
            String[] part = some.split("[:*]");
            String line = Instant.now().minusSeconds(60 * Long.parseLong(part[0])) + " INFO klaviyo POST /api/events -> " + part[1] + "\n";
            log.append(line.repeat(part.length > 2 ? Integer.parseInt(part[2]) : 1));
        }
        Path file = Tree.temporary("log").resolve("app.log.gz");
        try (OutputStream packed = new GZIPOutputStream(Files.newOutputStream(file))) {
            packed.write(log.toString().getBytes(StandardCharsets.UTF_8));
        }
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            for (String from : List.of(file.toString(), "-")) {
                TriageRun run = TriageRun.of(against(sandbox).env("KLAVIYO_PRIVATE_KEY", "").args("--log", from).stdin(log.toString()));
                assertEquals(verdict, run.verdict(), run.toString());
                assertTrue(run.check("app-log").contains(says), run.check("app-log"));
                String seen = run.result().err().replaceAll("\\s+", " ");
                assertTrue(seen.contains(" app-log ") && seen.contains(" failed call"), seen);
                assertFalse(seen.contains("every call with this key") || seen.contains("--log FILE"), seen);
                boolean weighed = verdict.matches("(?!runaway).* P.*");
                assertEquals(weighed, run.json().path("reason").asText().contains(" calls in the log's last 15 min"), run.toString());
            }
        }
    }

    @Test
    void anErrorBeganWhereItDidAndNotWithAStrayOne() throws IOException {
        StringBuilder log = new StringBuilder();
        for (String some : "40:400*9 35:202*60 25:202*60 25:429*1 10:202*60 10:429*20 1:202*60 1:429*80".split(" ")) {
            String[] part = some.split("[:*]");
            String line = Instant.now().minusSeconds(60 * Long.parseLong(part[0])) + " INFO klaviyo POST /api/events -> " + part[1] + "\n";
            log.append(line.repeat(Integer.parseInt(part[2])));
        }
        Instant began = Instant.now().minusSeconds(600).truncatedTo(ChronoUnit.MINUTES);
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).args("--log", "-").stdin(log.toString()));
            assertEquals(began, Instant.parse(run.json().path("firstFailure").asText()), run.toString());
            assertTrue(run.check("app-log").contains("since " + began.toString().substring(11, 16) + "Z"), run.check("app-log"));
        }
    }

    @ParameterizedTest(name = "{0}, its log in {1}, {2} min ago")
    @CsvSource(delimiter = '|', textBlock = """
        America/New_York | UTC              | 1  | P2 | read as UTC
        Europe/Berlin    | UTC              | 1  | P2 | read as UTC
        Europe/Berlin    | Europe/Berlin    | 1  | P2 | 60 of 60 calls
        America/New_York | UTC              | 50 | -  | it ends 5
        America/New_York | Asia/Tokyo       | 1  | -  | ahead: its times are of another zone
        Europe/Berlin    | file in Berlin   | 60 | -  | it ends 1 h
        Europe/Berlin    | file in UTC      | 1  | P2 | read as UTC
        """)
    void aLogWithoutAZoneIsReadInTheOneThatItIsWrittenIn(String here, String there, int ago, String severity, String says)
            throws IOException {
        String zone = there.replace("file in Berlin", here).replace("file in ", "");
        String at = LocalDateTime.now(ZoneId.of(zone)).minusMinutes(ago).toString().replace('T', ' ').substring(0, 19);
        String log = (at + ",193 WARNING shop.jobs.resync [w-1] POST https://a.klaviyo.com/api/events -> 429 Too Many\n").repeat(60);
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Run triage = Run.process("triage").env("TZ", here).cwd(Tree.temporary("triage"));
            sandbox.variables().forEach(triage::env);
            Path file = Files.writeString(Tree.temporary("log").resolve("app.log"), log);
            Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(60L * ago)));
            // A busy machine takes its time, and that is not what is asked here.
            triage.env("KLAVIYO_TIMEOUT", "30s");
            TriageRun run = TriageRun.of(triage.args("--log", there.startsWith("file") ? file.toString() : "-").stdin(log));
            assertTrue(run.check("app-log").contains(says) && !run.check("app-log").contains("no call"), run.check("app-log"));
            assertTrue(run.verdict().contains(" " + severity + " "), run.verdict());
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', value = {"of an hour ago | 3600 INFO klaviyo POST /api/events -> 202", "without a call | 0 INFO all is well",
        "of another kind | 0 \u0000\u0001\u0002\u00ff\u00fe"})
    void theOneLineSaysThatALogToldNothing(String what, String line) {
        String log = Instant.now().minusSeconds(Long.parseLong(line.split(" ")[0])) + line.replaceFirst("\\d+", "") + "\n";
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Run.Result result = around(sandbox).args("--log", "-", "-q").stdin(log.repeat(60)).run();
            assertEquals(0, result.exit(), result.toString());
            assertTrue(result.out().strip().endsWith(" healthy: Healthy; the log told nothing of now (DRILL healthy)"), result.toString());
        }
    }

    @ParameterizedTest(name = "a log that ends at second {0}")
    @ValueSource(ints = {5, 25, 45})
    void aRunawayLoopIsOneWhereverTheClocksMinutesBegin(int second) {
        Instant end = Instant.now().minusSeconds(120).truncatedTo(ChronoUnit.MINUTES).plusSeconds(second);
        String log = IntStream.rangeClosed(-4_700, 0).mapToObj(i -> end.plusMillis(i * 16)
                + " WARNING shop.jobs.resync [w-1] POST https://a.klaviyo.com/api/events -> 429 Too Many\n").collect(Collectors.joining());
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).args("--log", "-").stdin(log));
            assertEquals("runaway-loop P2 exit 12", run.verdict());
            assertTrue(run.check("app-log").contains("100 % of all calls by shop.jobs.resync"), run.check("app-log"));
        }
    }

    @ParameterizedTest(name = "{0}: {1}, {2}")
    @CsvSource({"400, payload-invalid, Compare with the last deployment", "409, healthy, PATCH that one",
        "413, payload-invalid, split the batch", "202, healthy, send a unique_id of your own"})
    void whatIsObservedInTheApplicationHasAVerdictAndAdvice(String status, String diagnosis, String advice) {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox).args("--observed", status));
            assertTrue(run.verdict().startsWith(diagnosis), run.verdict());
            assertTrue(run.json().path("actions").toString().contains(advice), run.toString());
        }
    }

    @Test
    void whatTheTeamRestartsIsNamed() throws IOException {
        Path home = Tree.temporary("home");
        Files.writeString(home.resolve(".klaviyo-runbook.properties"), "rotate-key.restart=k8s:shop/deployment/web");
        String first = TriageRun.of(drill("stale-app-key").home(home)).json().at("/advice/text").asText();
        assertTrue(first.contains("Restart the application (k8s:shop/deployment/web)"), first);
    }

    @Test
    void whoeverIsRefusedWhereTheApplicationHasTheKeyThatWorksHasAnother() {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(around(sandbox).args("--observed", "401", "--announce", "both"));
            assertEquals("refused-elsewhere - exit 20", run.verdict(), run.toString());
            String key = "runs with the key here (" + Key.of(sandbox.key()).describe() + ")";
            assertTrue(run.json().path("reason").asText().contains(key), run.toString());
            assertTrue(run.result().err().contains("nothing is drafted that nobody knows"), run.toString());
            String log = (Instant.now() + " INFO klaviyo POST /api/events -> 401\n").repeat(30);
            TriageRun now = TriageRun.of(around(sandbox).args("--log", "-").stdin(log));
            assertEquals("refused-elsewhere P2 exit 12", now.verdict(), "all that a part of it calls: " + now);
        }
    }

    // ---- nothing secret, nothing claimed

    @Test
    void whatKlaviyoAnswersIsRedactedEverywhere() throws IOException {
        String personal = "jane.doe@example.com called +15551234567 with client_secret=s3cr3t-0f-acme-shop9";
        Map<String, LoopbackServer.Response> answers = Map.of(
                "/api/", LoopbackServer.Response.error(400, "invalid", "", personal),
                "/api/v2/", new LoopbackServer.Response(200, ("{'status':{'description':'P'},'incidents':[{'name':'P',"
                        + "'incident_updates':[{'body':'P'}]}]}").replace('\'', '"').replace("P", personal)),
                "/api/v1/query", new LoopbackServer.Response(400, "{\"status\":\"error\",\"error\":\"" + personal + "\"}"),
                "/health", new LoopbackServer.Response(503, "{\"status\":\"" + personal + "\"}"));
        Path folder = Tree.temporary("triage");
        try (LoopbackServer server = LoopbackServer.wellBut(answers); Stream<Path> files = Files.walk(folder)) {
            Run.Result result = pointedAt(server).args("-v", "--announce", "both", "--json").cwd(folder).run();
            StringBuilder all = new StringBuilder(result.out() + result.err());
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.append(Files.readString(file));
            }
            assertTrue(result.exit() > 10 && all.toString().contains("\"diagnosed\""), result.toString());
            Stream.of("jane.doe", "5551234567", "s3cr3t-0f").forEach(secret -> assertFalse(all.toString().contains(secret),
                    secret + " in " + all));
        }
    }

    @ParameterizedTest(name = "[{0}] is {1}")
    @CsvSource(delimiter = '|', value = {"''|key-missing - exit 20", "K;|key-malformed P1 exit 11", "xK|key-malformed P1 exit 11",
        "KLAVIYO_PRIVATE_KEY=K|key-malformed P1 exit 11", "K|healthy - exit 0"})
    void whatIsStoredIsWhatTheApplicationSends(String given, String expected) {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            TriageRun run = TriageRun.of(against(sandbox)
                    .env("KLAVIYO_PRIVATE_KEY", given.replaceFirst("K(?=;?$)", sandbox.key())));
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
            Run.Result result = pointedAt(server).args("-v", "--announce", "both", "--json").run();
            assertEquals(11, result.exit(), result.toString());
            for (String claim : List.of("green", "shows nothing", "does not show", "as its status page says")) {
                assertFalse(result.toString().replaceAll("\\s+", " ").contains(claim), claim + " in " + result);
            }
        }
    }

    // ---- the key

    @Test
    void theLastGoodStateTellsWhatWasLostAndWhoseKeyItIs() throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Path state = Tree.temporary("state");
            Run triage = against(sandbox).env("XDG_STATE_HOME", state.toString());
            assertEquals(0, triage.run().exit());
            Path file = state.resolve("klaviyo-runbook/last-good.json");
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
            assertFalse(Files.readString(file).contains(sandbox.key()), "nothing secret");
            sandbox.scopes(sandbox.key(), Set.of("accounts:read", "lists:read", "metrics:read", "profiles:read", "webhooks:read"));
            String lost = TriageRun.of(triage).json().path("reason").asText();
            assertTrue(lost.contains("the key had events:read at " + Instant.now().toString().substring(0, 10)), lost);
            sandbox.enabled(sandbox.key(), false);
            String dead = TriageRun.of(triage).json().path("reason").asText();
            assertTrue(dead.contains("It was Drill Outfitters's, and last good at"), dead);
        }
    }

    @Test
    void aKeyThatWasReplacedIsThisShellsTrouble() throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Incident incident = Incident.at(Tree.temporary("triage").resolve("rotated"));
            incident.append(rotated(sandbox.key()));
            sandbox.enabled(sandbox.key(), false);
            Run triage = against(sandbox).args("--incident", incident.toString());
            TriageRun run = TriageRun.of(triage);
            assertEquals("key-replaced - exit 20", run.verdict());
            assertTrue(run.result().err().contains("this shell has the key that was replaced at"), run.toString());
            assertEquals("stale-app-key P1 exit 11", TriageRun.of(triage.args("--observed", "401")).verdict(),
                    "then it is the application's trouble too");
        }
        try (ControlledSandbox sandbox = ControlledSandbox.start("missing-scope")) {
            Incident incident = Incident.at(Tree.temporary("triage").resolve("rotated"));
            incident.append(rotated(sandbox.key()));
            assertEquals("key-replaced - exit 20", TriageRun.of(against(sandbox).args("--incident", incident.toString())).verdict(),
                    "alive, and without what the new one has");
        }
    }

    private static Event rotated(String key) {
        String old = Key.of(key).fingerprint();
        return Event.now("rotate-key", Event.ROTATED, "key rotated: sha256 " + old + " -> sha256 0123abcd", Map.of());
    }

    @ParameterizedTest(name = "{0}: {1} is {2}")
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {
        "healthy     | abc | key-other - exit 20    | unknown form, 3 characters, .*; the application works with another",
        "healthy     | \"K\" | key-other - exit 20 | quotes.*; the application works with another",
        "runaway-loop | abc | rate-limited P2 exit 12 | our calls are throttled",
        "missing-scope | abc | scope-missing P3 exit 13 | the application is refused with 403",
        "revoked-key | \"K\" | key-invalid P1 exit 11 | every call with this key fails: HTTP 401 .*; as it is stored it is unfit, too: .*quotes"})
    void aKeyThatIsNotTheApplicationsIsNoOutage(String scenario, String given, String verdict, String reason) {
        try (ControlledSandbox sandbox = ControlledSandbox.start(scenario)) {
            TriageRun run = TriageRun.of(around(sandbox).env("KLAVIYO_PRIVATE_KEY",
                    given.replace("K", sandbox.key()).replace("NEW", sandbox.newKey())));
            assertEquals(verdict, run.verdict(), run.toString());
            assertTrue(Pattern.compile(reason).matcher(run.json().path("reason").asText()).find(), run.toString());
        }
    }

    @ParameterizedTest(name = "{0}: {1}")
    @CsvSource(delimiter = '|', value = {"healthy|0|Nothing to tell people", "no-network|20|nothing is drafted that nobody knows",
        "missing-key|20|nothing is drafted that nobody knows"})
    void customersAreToldNothingThatNobodyKnows(String scenario, int exit, String line) {
        Run.Result result = drill(scenario).args("--announce", "both").run();
        assertEquals(exit, result.exit(), result.toString());
        assertTrue(result.out().replaceAll("\\s+", " ").contains(line), result.out());
        assertFalse(result.out().contains("Klaviyo Integration --"), result.out());
    }

    @ParameterizedTest(name = "{0}, and {1}: {3}")
    @CsvSource({"revoked-key, rotated, refused-elsewhere - exit 20, healthy - exit 0", "recovering, recovered, server-error P2 exit 12, healthy - exit 0"})
    void errorsOfBeforeItWasMendedAreNoRelapse(String scenario, String event, String unknown, String verdict) throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start(scenario, Duration.ZERO, 1)) {
            sandbox.enabled(sandbox.key(), true);
            sandbox.advance(Duration.ofSeconds(60));
            Path folder = Tree.temporary("triage");
            assertEquals(unknown, TriageRun.of(around(sandbox).cwd(folder)).verdict(), "where nothing says when it was mended");
            Incident incident = Incident.at(folder.resolve("open"));
            incident.append(new Event(Instant.now().minusSeconds(60), "triage", Event.DIAGNOSED, "failing",
                    Json.of(Map.of("severity", "P1", "diagnosis", "key-invalid"))));
            incident.append(new Event(Instant.now().minusSeconds(20), "watch", event, "mended", Json.object()));
            TriageRun run = TriageRun.of(around(sandbox).args("--incident", incident.toString(), "--announce", "both"));
            assertEquals(verdict, run.verdict(), run.toString());
            String seen = run.result().err().replaceAll("\\s+", " ");
            assertTrue(seen.matches(".* counts no errors from Klaviyo since \\d\\d:\\d\\dZ; over, in 15 min: .*"), seen);
            assertTrue(seen.contains("Incident folder: ") && seen.contains(" P1 INCIDENT")
                    && seen.contains(event.equals("recovered") ? "postmortem@" : "watch@"), seen);
            assertFalse(seen.contains("P?") || seen.contains("-- Operational"), "people were hit: " + seen);
        }
    }

    @Test
    void withoutAKeyThePageStillLeads() {
        try (ControlledSandbox sandbox = ControlledSandbox.start("outage")) {
            TriageRun run = TriageRun.of(against(sandbox).env("KLAVIYO_PRIVATE_KEY", ""));
            assertEquals("klaviyo-outage P1 exit 11", run.verdict());
            assertEquals(0, run.json().path("requestsSpent").asInt(), "asks the API nothing");
            assertTrue(run.json().path("actions").toString().contains(sandbox.target().status() + "/api/v2/summary.json"), run.toString());
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
        Incident incident = Incident.at(Tree.temporary("triage").resolve("long-ago"));
        Instant first = Instant.parse("2026-11-20T03:04:05Z");
        Map<String, String> p1 = Map.of("severity", "P1", "drill", "outage");
        incident.append(new Event(first.minusSeconds(60), "triage", "detected", "minor at first", Json.of(Map.of("severity", "P3"))));
        incident.append(new Event(first, "triage", "diagnosed", "an outage", Json.of(p1)));
        Run triage = drill("outage").args("--incident", incident.toString());
        TriageRun run = TriageRun.of(triage);
        assertEquals("2026-11-20T03:19:05Z", respondBy(run).toString(), run.toString());
        assertTrue(run.result().err().contains("A response was due by 2026-11-20T03:19:05Z"), run.toString());
        incident.append(Event.now("watch", "recovered", "it held", p1));
        assertTrue(respondBy(TriageRun.of(triage)).isAfter(Instant.now()), "a relapse gets its own quarter of an hour");
    }

    @Test
    void aSecondTriageJoinsTheOpenIncidentAndANewFolderBesideItIsPointedOut() throws IOException {
        Path folder = Tree.temporary("triage");
        Run triage = drill("outage").args("--lead", "Sam").cwd(folder);
        triage.run();
        triage.run();
        Path incident = folder.resolve("klaviyo-incidents").resolve(names(folder.resolve("klaviyo-incidents")).iterator().next());
        assertEquals(1, names(folder.resolve("klaviyo-incidents")).size(), "one incident");
        String events = Files.readString(incident.resolve("journal.jsonl")).replaceAll(".*\"event\":\"(\\w+)\".*\n", "$1 ");
        assertEquals("detected acknowledged diagnosed acknowledged diagnosed ", events);
        Run.Result typo = drill("outage").args("--incident", "klaviyo-incidents/incident-b").cwd(folder).run();
        assertTrue(typo.err().contains(incident.getFileName() + " joins it"), typo.toString());
        Run.Result other = drill("degraded").args("--incident", "klaviyo-incidents/incident-c").cwd(folder).run();
        assertFalse(other.err().contains("joins it"), "another drill is another incident: " + other);
    }

    @ParameterizedTest(name = "refused {0} times")
    @ValueSource(ints = {0, 5})
    void theInternalMessageIsPostedAndTheAnswerChecked(int refusals) throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("outage")) {
            sandbox.refusePosts(refusals);
            Path incident = Tree.temporary("triage");
            Run.Result result = against(sandbox).env("SLACK_WEBHOOK_URL", sandbox.slackUrl().toString())
                    .args("--post", "--lead", "Sam", "--incident", incident.toString(), "--json").run();
            boolean posted = refusals == 0;
            assertEquals(11, result.exit(), "the verdict stands");
            assertEquals(posted, sandbox.posts().size() == 1 && sandbox.posts().get(0).contains("Sam"), result.toString());
            assertEquals(!posted, result.err().contains("not posted"), result.toString());
            assertEquals(posted, Files.readString(incident.resolve("journal.jsonl")).contains("\"announced\""), "is journalled");
            assertFalse(result.toString().contains(sandbox.slackUrl().toString()), "the webhook's address is a secret");
        }
    }

    // ---- what else it can do

    @Test
    void inPeacetimeItSaysWhatAnIncidentWouldMiss() throws IOException {
        Run.Result result = drill("healthy").args("--preflight", "--json").env("KLAVIYO_RUNBOOK_COMMAND", "true")
                .env("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/xyz").run();
        JsonNode checks = Json.read(result.out()).path("checks");
        List<String> names = TriageRun.texts(checks, "name");
        List<String> outcomes = TriageRun.texts(checks, "outcome");
        assertEquals("ok ok ok ok ok skipped skipped", Stream.of("scopes", "slack", "metrics", "rotate-key", "postmortem", "stores", "logs")
                .map(name -> outcomes.get(names.indexOf(name))).collect(Collectors.joining(" ")), result.toString());
        assertEquals(14, result.exit(), "something would be missed");
        assertFalse(result.toString().contains("xyz"), result.toString());
    }

    @Test
    void inPeacetimeItSaysWhichStoreAndWhichLogOfTheTeamsIsNotThere() throws IOException {
        Path home = Tree.temporary("home");
        Files.writeString(home.resolve(".klaviyo-runbook.properties"), "rotate-key.to=file:a.env#K\ndebug-bundle.log=app.log\n");
        Path steps = Files.writeString(home.resolve("steps"), "#!/bin/sh\ncase \"$*\" in\nrotate-key*run) echo '✗ a.env: no such file'; "
                + "exit 21;;\ndebug-bundle*run) echo 'log app.log: app.log left out: no such file';;\nesac\n");
        Files.setPosixFilePermissions(steps, PosixFilePermissions.fromString("rwx------"));
        Run.Result result = drill("healthy").home(home).args("--preflight", "--json").env("KLAVIYO_RUNBOOK_COMMAND", steps.toString()).run();
        String warned = StreamSupport.stream(Json.read(result.out()).path("checks").spliterator(), false)
                .filter(check -> check.path("outcome").asText().equals("warn")).map(check -> check.path("name").asText() + " "
                        + check.path("summary").asText()).collect(Collectors.joining("; "));
        assertTrue(warned.matches(".*stores ✗ a.env: no such file \\(.*logs .*left out: no such.*"), warned);
    }

    @Test
    void withoutAKeyThePreflightSaysOnceThatTheEndpointsNeedOne() {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            String shown = against(sandbox).env("KLAVIYO_PRIVATE_KEY", "").env("KLAVIYO_RUNBOOK_COMMAND", "true").args("--preflight").run().out();
            assertEquals(2, shown.split("needs a key").length, shown);
        }
    }

    @Test
    void aTeamsOwnTextsStartFromTheBuiltInOnes() throws IOException {
        Path folder = Tree.temporary("triage").resolve("ours");
        assertEquals(0, Run.run("triage", "--export-templates", folder.toString()).exit());
        assertTrue(names(folder).containsAll(Set.of("diagnoses.json", "slack.md", "scenarios.json")), names(folder).toString());
        Path table = folder.resolve("diagnoses.json");
        Files.writeString(table, Files.readString(table).replace("Klaviyo refuses the private key", "Call Ana. The key is refused"));
        Run triage = drill("revoked-key").args("--templates", folder.toString(), "-q");
        assertTrue(triage.run().out().contains("Call Ana"));
        Files.writeString(table, Files.readString(table).replace("\"impact\": \"Every call", "\"imapct\": \"Every call"));
        Run.Result broken = triage.run();
        assertEquals(2, broken.exit(), broken.toString());
        assertTrue(broken.err().contains("diagnoses.json, ") && broken.err().contains("words.imapct"), broken.toString());
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', value = {
        "--timeout 5x            | no duration",
        "--timeout 0             | is no duration of more than 0",
        "--timeout 9999999h      | at most ten years",
        "--observed 99           | --observed",
        "--endpoint nosuch       | there are profiles, lists, metrics",
        "--endpoint profile      | did you mean profiles?",
        "--drill nosuch          | no such scenario; there are healthy, outage",
        "--drill revoked-kye     | did you mean revoked-key?",
        "--api-url ftp://x       | --api-url",
        "--key-file /nowhere     | --key-file",
        "--key-command false     | --key-command",
        "--announce everybody    | --announce",
        "--paged-at soon         | --paged-at",
        "--revision 2026‑07‑15   | is no revision: write YYYY-MM-DD",
        "--log /nowhere          | --log /nowhere cannot be read",
        "--log /tmp              | --log /tmp is a folder: name the file in it",
        "--nosuch                | --nosuch"})
    void wrongUsageIsOneLineThatNamesTheOption(String arguments, String expected) {
        Run.Result result = Run.run("triage", arguments.strip().split(" "));
        assertEquals(2, result.exit(), result.toString());
        assertTrue(result.err().lines().findFirst().orElse("").contains(expected.strip()), result.toString());
        assertEquals("", result.out());
    }

    @Test
    void curlCommandsAreReadyToPasteAndHoldNoKey() throws IOException {
        Run.Result result = Run.script("triage").env("KLAVIYO_PRIVATE_KEY", KEY).args("--curl").run();
        List<String> commands = result.out().lines().filter(line -> line.contains("curl -")).toList();
        assertEquals(8, commands.size(), result.out());
        commands.forEach(command -> assertTrue(command.contains("-gsS") && command.contains("--max-time"), command));
        assertFalse(result.out().contains("0f0f"), result.out());
        Run.Result json = Run.run("triage", "--curl", "--json", "--webhook-url", "https://x.example/in/?a=1&token=s3cr3t");
        assertEquals(9, Json.read(json.out()).path("commands").size(), json.toString());
        assertFalse(json.toString().contains("s3cr3t"), json.toString());
        assertEquals(0, Run.command("sh", "-n").stdin(result.out()).run().exit(), "any shell reads them");
        Run.Result drill = Run.run("triage", "--curl", "--drill", "outage");
        assertEquals(2, drill.exit(), drill.toString());
        assertTrue(drill.err().contains("a drill's sandbox ends with this one") && drill.out().isEmpty(), drill.toString());
        assertTrue(drill.err().contains("sandbox@CATALOG outage"), "the same drill: " + drill.err());
    }

    @Test
    void aGameDaysSandboxStaysSoCommandsNameIt() {
        try (ControlledSandbox sandbox = ControlledSandbox.start("app-down")) {
            String health = "curl -gsS --max-time 10 " + sandbox.variables().get("KLAVIYO_APP_URL");
            assertTrue(around(sandbox).run().out().contains(health), health);
        }
    }

    @Test
    void aCharacterSetWithoutSymbolsGetsAscii() {
        Run.Result result = Run.process("triage").env("LANG", "C").env("LC_ALL", "C").args("--drill", "outage", "--explain")
                .cwd(Tree.temporary("triage")).run();
        assertTrue(result.out().chars().allMatch(c -> c < 128), result.out());
        assertTrue(result.out().contains("x P1 klaviyo-outage"), result.out());
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
        return Run.script("triage").args("--api-url", sandbox.target().api().toString(), "--status-url", sandbox.target().status().toString())
                .env("KLAVIYO_PRIVATE_KEY", sandbox.key()).cwd(Tree.temporary("triage"));
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
