import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Text.Json;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Key;
import runbook.sandbox.ControlledSandbox;

/**
 * Whole watches as processes, against a sandbox that lives in this one and changes under their eyes. They mostly wait,
 * so two run at once.
 */
@Execution(ExecutionMode.CONCURRENT)
class WatchTest {
    private final Path folder = Tree.temporary("watch");
    private final Incident incident = Incident.at(folder.resolve("incident"));
    private final SlackSite slack = new SlackSite();
    private ControlledSandbox sandbox;

    @AfterEach
    void close() {
        slack.close();
        if (sandbox != null) {
            sandbox.close();
        }
    }

    /** A watch of one endpoint whose quota allows five looks a second; what is given replaces what is usual. */
    private Run watch(String... more) {
        List<String> given = List.of(more);
        List<String> args = new ArrayList<>(List.of("--api-url", sandbox.apiUrl().toString(), "--status-url",
                sandbox.statusUrl().toString(), "--incident", incident.toString()));
        Map.of("--check", "endpoint:events", "--interval", "200ms", "--for", "500ms").forEach((option, value) -> {
            if (!given.contains(option)) {
                args.addAll(List.of(option, value));
            }
        });
        args.addAll(given);
        return Run.process("watch").cwd(folder).env("KLAVIYO_PRIVATE_KEY", sandbox.key())
                .args(args.toArray(String[]::new));
    }

    private void begin(String scenario) {
        sandbox = ControlledSandbox.start(scenario);
    }

    private List<Event> journal() throws IOException {
        return incident.journal().read().events();
    }

    /** The journal as kinds of events, in order; without gaps, which a busy machine has as well. */
    private List<String> kinds() throws IOException {
        return journal().stream().map(event -> event.data().path("kind").asText(event.event()))
                .filter(kind -> !kind.equals("gap")).toList();
    }

    private int looks() {
        return sandbox.requests().getOrDefault("GET /api/events", 0);
    }

    private static Stream<JsonNode> rounds(Run.Result result) {
        return lines(result).filter(line -> line.path("type").asText().equals("round"));
    }

    private static Stream<JsonNode> lines(Run.Result result) {
        return result.out().lines().map(WatchTest::json);
    }

    @Test
    void itTellsTheMomentItHasRecoveredAndEndsWithZero() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page").start()) {
            running.awaitOut(" degraded ");
            sandbox.enter("healthy");
            Run.Result result = running.await();
            assertEquals(0, result.exit(), result.toString());
            assertEquals(List.of("degraded", "recovering", "recovered"), kinds());
            Event recovered = journal().get(journal().size() - 1);
            assertEquals(Event.RECOVERED, recovered.event());
            assertTrue(recovered.data().path("rounds").asInt() >= 3);
            Duration good = Duration.between(Instant.parse(recovered.data().path("goodSince").asText()),
                    recovered.at());
            assertTrue(good.toMillis() >= 500, "good for " + good);
            assertEquals(0, result.out().lines().filter(line -> line.contains(sandbox.key())).count());
        }
    }

    @Test
    void comingBackAndFallingAgainIsFlappingAndCostsTheStreak() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page", "--for", "1s").start()) {
            running.awaitOut(" degraded ");
            sandbox.enter("healthy");
            running.awaitOut(" recovering ");
            sandbox.enter("outage");
            running.awaitOut(" flapping ");
            sandbox.enter("healthy");
            assertEquals(0, running.await().exit());
            assertEquals(List.of("degraded", "recovering", "flapping", "recovered"), kinds());
        }
    }

    @Test
    void neverRecoveringEndsWith31AndInAPipeEachEventIsOneLine() throws Exception {
        begin("outage");
        Run.Result result = watch("--max", "2s", "--fail-after", "1").run();
        assertEquals(31, result.exit(), result.toString());
        List<String> events = result.out().lines()
                .filter(line -> line.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ  [a-z-]+ +\\S.*"))
                .map(line -> line.split(" +")[1]).toList();
        assertEquals(List.of("watching", "status-page", "status-page", "degraded", "not-recovered"), events,
                result.toString());
        assertTrue(result.out().contains("0 of 3 good rounds in a row"), result.out());
        assertTrue(result.out().contains("Klaviyo API unavailable is identified (wanted: monitoring or better)"),
                result.out());
        assertFalse(result.out().contains("\u001b"), "no cursor movement in a pipe");
        assertEquals(events.subList(1, 5), kinds());
    }

    @Test
    void goodProbesAreNotRecoveredWhileTheStatusPageIsWorseThanMonitoring() throws Exception {
        begin("healthy");
        sandbox.statusPage("API errors", "major", "identified", "partial_outage", "Working on it.");
        Run.Result result = watch("--max", "1500ms").run();
        assertEquals(31, result.exit(), result.toString());
        assertTrue(result.out().contains("API errors is identified"), result.out());
        List<Event> notes = journal().stream()
                .filter(event -> event.data().path("kind").asText().equals("status-page")).toList();
        assertEquals(1, notes.size(), "each update once");
        assertTrue(Instant.parse(notes.get(0).data().path("vendorAt").asText()).isBefore(notes.get(0).at()),
                "the vendor's own time");
        sandbox.statusPage("API errors", "major", "monitoring", "partial_outage", "A fix is in.");
        assertEquals(0, watch().run().exit(), "monitoring is good enough");
    }

    @Test
    void goodProbesAreNotRecoveredWhileMoreCallsWaitThanBeforeTheIncident() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page", "--prometheus", sandbox.prometheusUrl().toString(),
                "--json").start()) {
            running.awaitErr(" degraded ");
            sandbox.enter("healthy");
            running.awaitOut("3 of 3 good rounds in a row.*retry backlog \\d{3,}, 3 before the incident");
            assertFalse(running.err().contains(" recovered "), running.err());
            sandbox.advance(Duration.ofMinutes(1));
            assertEquals(0, running.await().exit());
            assertTrue(running.out().contains("retry backlog 3, 3 before the incident"), running.out());
        }
    }

    @Test
    void aDrillSaysSoInEveryLineAndInEveryEventItLeaves() throws Exception {
        Run.Result result = Run.process("watch").cwd(folder).args("--drill", "outage", "--max", "1s", "--fail-after",
                "1", "--interval", "200ms").run();
        assertEquals(31, result.exit(), result.toString());
        assertTrue(result.out().lines().filter(line -> line.startsWith("20"))
                .allMatch(line -> line.contains("Z DRILL ")), result.out());
        assertTrue(result.out().contains("DRILL outage: not recovered"), result.out());
        List<Event> events = Incident.newestOpen(folder.resolve(Incident.BASE), drill -> !drill.isEmpty())
                .orElseThrow().journal().read().events();
        assertTrue(events.size() >= 3 && events.stream().allMatch(event -> event.drill().equals("outage")),
                events.toString());
        incident.append(Event.now("triage", Event.DETECTED, "in earnest", Map.of()));
        assertEquals(2, Run.process("watch").cwd(folder).args("--drill", "outage", "--incident", incident.toString())
                .run().exit(), "a real incident is no place for a drill");
    }

    @Test
    void killedAndStartedAgainItGoesOnWithNothingTwiceAndNoRecoveryLost() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page").start()) {
            running.awaitOut(" degraded ").kill();
        }
        try (Run.Running running = watch("--no-status-page").start()) {
            running.awaitOut("goes-on +the journal says degraded since");
            sandbox.enter("healthy");
            running.awaitOut(" recovering ").kill();
        }
        assertEquals(0, watch("--no-status-page").run().exit());
        assertEquals(0, watch("--no-status-page").run().exit());
        assertEquals(List.of("degraded", "recovering", "recovered"), kinds(),
                "said once, also when somebody looks again");
    }

    @Test
    void timeInWhichNobodyWatchedIsAGapAndNotHealthy() throws Exception {
        begin("healthy");
        Instant anHourAgo = Instant.now().minusSeconds(3_600);
        incident.append(new Event(anHourAgo, "watch", Event.DEGRADED, "it failed",
                Json.of(Map.of("kind", "degraded", "state", "degraded", "since", anHourAgo))));
        incident.append(new Event(anHourAgo.plusSeconds(60), "watch", Event.NOTE, "good again",
                Json.of(Map.of("kind", "recovering", "state", "recovering"))));
        Run.Result result = watch("--no-status-page").run();
        assertEquals(0, result.exit(), result.toString());
        assertEquals(List.of("degraded", "recovering", "recovered"), kinds());
        assertTrue(journal().get(2).summary().startsWith("nothing was observed for 59 min"), journal().get(2)
                .summary());
        Event recovered = journal().get(journal().size() - 1);
        Duration good = Duration.between(Instant.parse(recovered.data().path("goodSince").asText()), Instant.now());
        assertTrue(good.toSeconds() < 30, "good only since somebody looks: " + good);
    }

    @Test
    void aProcessThatStoodStillHasAGapInsteadOfAStreak() throws Exception {
        begin("healthy");
        try (Run.Running running = watch("--no-status-page", "--for", "1s", "--json").start()) {
            running.awaitOut("\"round\":2,");
            Run.command("kill", "-STOP", Long.toString(running.process().pid())).run();
            Thread.sleep(4_000);
            Run.command("kill", "-CONT", Long.toString(running.process().pid())).run();
            running.awaitOut("\"event\":\"gap\"");
            Run.Result result = running.await();
            assertEquals(0, result.exit());
            JsonNode recovered = result.out().lines().filter(line -> line.contains("\"event\":\"recovered\""))
                    .map(WatchTest::json).findFirst().orElseThrow();
            JsonNode gap = result.out().lines().filter(line -> line.contains("\"event\":\"gap\"")).map(WatchTest::json)
                    .findFirst().orElseThrow();
            assertTrue(!Instant.parse(recovered.path("data").path("goodSince").asText())
                    .isBefore(Instant.parse(gap.path("data").path("to").asText())));
        }
    }

    private static JsonNode json(String line) {
        try {
            return Json.read(line);
        } catch (IOException e) {
            throw new AssertionError("no JSON: " + line, e);
        }
    }

    @Test
    void slackThatRefusesTwiceIsTriedUntilItAcceptsAndGetsEachMessageOnce() throws Exception {
        begin("outage");
        slack.fail(2);
        try (Run.Running running = watch("--no-status-page", "--post").env("SLACK_WEBHOOK_URL", slack.uri().toString())
                .start()) {
            running.awaitOut("not-told +slack: Slack refused it: HTTP 500");
            sandbox.enter("healthy");
            assertEquals(0, running.await().exit());
            List<String> posts = slack.posts();
            assertEquals(3, posts.size(), posts.toString());
            assertTrue(posts.get(0).contains("Status: INVESTIGATING"), posts.get(0));
            assertTrue(posts.get(2).contains("Status: RESOLVED"), posts.get(2));
            assertEquals(3, journal().stream().filter(event -> event.event().equals(Event.ANNOUNCED)).count());
            assertFalse(running.out().contains(slack.uri().getPath()), "the webhook's address is a secret");
        }
    }

    @Test
    void whatSlackHadNotAcceptedWhenItWasKilledIsPostedByTheNextWatch() throws Exception {
        begin("outage");
        slack.fail(1_000);
        String address = slack.uri().toString();
        try (Run.Running running = watch("--no-status-page", "--post").env("SLACK_WEBHOOK_URL", address).start()) {
            running.awaitOut("not-told ").kill();
        }
        slack.fail(0);
        try (Run.Running running = watch("--no-status-page", "--post", "--max", "20s")
                .env("SLACK_WEBHOOK_URL", address).start()) {
            running.awaitUntil("Slack has it", () -> slack.posts().size() == 1).awaitOut(" told ").kill();
        }
        assertEquals(1, journal().stream().filter(event -> event.event().equals(Event.ANNOUNCED)).count());
        try (Run.Running running = watch("--no-status-page", "--post", "--max", "1s").env("SLACK_WEBHOOK_URL", address)
                .start()) {
            assertEquals(31, running.await().exit());
        }
        assertEquals(1, slack.posts().size(), "and only once");
    }

    @Test
    void a429IsLeftAloneForAsLongAsItsRetryAfterSays() throws Exception {
        begin("rate-limited");
        Run.Result result = watch("--no-status-page", "--max", "2s", "--json").run();
        assertEquals(31, result.exit(), result.toString());
        assertEquals(1, looks(), "Retry-After is most of a minute");
        JsonNode round = result.out().lines().map(WatchTest::json)
                .filter(line -> line.path("type").asText().equals("round")).findFirst().orElseThrow();
        assertTrue(round.path("nextRoundMillis").asLong() > 10_000, round.toString());
        assertTrue(round.path("checks").get(0).path("summary").asText().contains("429"), round.toString());
    }

    @Test
    void noIntervalMakesItSpendMoreThanATenthOfTheQuotaAndItSaysSo() throws Exception {
        begin("healthy");
        Run.Result result = watch("--no-status-page", "--check", "auth", "--check", "endpoint:profiles", "--interval",
                "100ms", "--for", "1m", "--max", "1700ms", "--json").run();
        assertEquals(1, sandbox.requests().get("GET /api/accounts"), "15 a minute: one");
        int profiles = sandbox.requests().get("GET /api/profiles");
        assertTrue(profiles >= 1 && profiles <= 3, "75 a minute, in 1.7 s: " + profiles);
        assertTrue(result.err().contains("auth only every 1 min 1 s, not every 100 ms: Klaviyo allows 15 a minute"),
                result.err());
        List<JsonNode> rounds = result.out().lines().map(WatchTest::json)
                .filter(line -> line.path("type").asText().equals("round")).toList();
        assertEquals(List.of(1L, (long) profiles), Stream.of(0, 1)
                .map(check -> rounds.stream().filter(round -> round.path("checks").get(check).path("fresh")
                .asBoolean()).count()).toList(), "a look that was not made is not shown as one");
    }

    @Test
    void aCheckWithoutAQuotaIsAskedEveryIntervalThoughAnotherWaitsForItsOwn() throws Exception {
        begin("healthy");
        try (Run.Running running = watch("--no-status-page", "--check", "auth,app", "--app-url", sandbox.appUrl()
                .toString(), "--for", "1m", "--json").start()) {
            running.awaitOut("\"round\":5,").kill();
        }
        assertEquals(1, sandbox.requests().get("GET /api/accounts"), "15 a minute: one, and the next after a minute");
    }

    @Test
    void recoveryIsDeclaredAsSoonAsAnotherCheckProvesTheSlowOneAndSaysSo() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page", "--check", "auth,endpoint:events").start()) {
            running.awaitOut(" degraded ");
            sandbox.enter("healthy");
            Run.Result result = running.await();
            assertEquals(0, result.exit(), result.toString());
            assertTrue(result.millis() < 30_000, "auth may only be asked again after a minute: " + result.millis());
            assertTrue(result.out().contains("; auth is proven by endpoint:events"), result.out());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "+Inf"})
    void aBacklogThatIsNoNumberIsNotZeroAndDoesNotHoldRecoveryBackForEver(String value) throws Exception {
        begin("healthy");
        String vector = "{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":{},\"value\":[1,\"" + value
                + "\"]}]}}";
        try (ScriptedServer prometheus = new ScriptedServer(Map.of("/api/v1/query",
                ScriptedServer.Answer.json(200, vector)))) {
            Run.Result result = watch("--no-status-page", "--prometheus", prometheus.uri().toString(), "--for",
                    "300ms", "--json").run();
            assertEquals(0, result.exit(), result.toString());
            List<String> said = rounds(result).map(round -> round.path("conditions").get(2).path("words").asText())
                    .toList();
            assertEquals("retry backlog unknown: Prometheus gives " + value + ", which is no number of calls",
                    said.get(3));
            assertTrue(said.get(4).startsWith("retry backlog left out: Prometheus gives " + value), said.get(4));
            assertEquals(5, said.size(), "held back until it was clear that no number will come");
        }
    }

    @Test
    void aPageThatWasGreenAndTurnedRedIsSoInTheResolvedMessage() throws Exception {
        begin("silent-outage");
        try (Run.Running running = watch("--post").env("SLACK_WEBHOOK_URL", slack.uri().toString()).start()) {
            running.awaitOut(" degraded ");
            sandbox.statusPage("API unavailable", "critical", "identified", "major_outage", "Our API is down.");
            running.awaitOut(" diagnosed +Klaviyo is down, and its status page says so");
            sandbox.enter("healthy");
            assertEquals(0, running.await().exit());
        }
        List<String> posts = slack.posts();
        assertTrue(posts.get(0).contains("status page"), posts.get(0));
        String resolved = posts.get(posts.size() - 1);
        assertTrue(resolved.contains("Status: RESOLVED") && !resolved.contains("not yet acknowledged"), resolved);
        assertEquals(List.of("silent-outage", "klaviyo-outage"), journal().stream()
                .map(event -> event.data().path("diagnosis").asText()).filter(id -> !id.isEmpty()).toList());
    }

    @Test
    void aKeyThatTheJournalSaysWasReplacedIsSaidAtOnce() throws Exception {
        begin("healthy");
        incident.append(Event.now("rotate-key", Event.ROTATED, "key rotated: sha256 " + Key.of(sandbox.key())
                .fingerprint() + " -> sha256 0badcafe", Map.of()));
        sandbox.enabled(sandbox.key(), false);
        Run.Result result;
        try (Run.Running running = watch("--no-status-page").start()) {
            running.awaitOut(" degraded +endpoint:events: HTTP 401: this shell's key was replaced").kill();
            result = running.await();
        }
        assertTrue(result.out().lines().filter(line -> line.contains(" key-replaced ")).findFirst().orElse("")
                .matches(".*this shell's key was replaced at \\d\\d:\\d\\dZ: load the new one and start watch again"),
                result.out());
        assertEquals(1, kinds().stream().filter("key-replaced"::equals).count(), "said once");
    }

    @Test
    void withJsonEachRoundAndEachEventIsOneObjectAndPeoplesTextIsElsewhere() throws Exception {
        begin("healthy");
        Run.Result result = watch("--no-status-page", "--json").run();
        assertEquals(0, result.exit());
        List<JsonNode> lines = result.out().lines().map(WatchTest::json).toList();
        assertEquals(List.of("event", "round"), lines.stream().map(line -> line.path("type").asText()).distinct()
                .toList());
        List<JsonNode> rounds = lines.stream().filter(line -> line.path("type").asText().equals("round")).toList();
        JsonNode last = rounds.get(rounds.size() - 1);
        assertEquals("recovered", last.path("state").asText());
        assertTrue(last.path("good").asBoolean());
        assertEquals(rounds.size(), last.path("requestsSpent").asInt());
        assertEquals(looks(), last.path("requestsSpent").asInt());
        assertEquals(List.of("rounds", "time"), last.path("conditions").findValuesAsText("name"));
        assertTrue(result.err().contains("recovered"), result.err());
    }

    @Test
    void execGetsItsDetailsByTheEnvironmentWithoutAShellAndWithoutOurSecrets() throws Exception {
        begin("outage");
        Path hook = folder.resolve("a hook.sh");
        Files.writeString(hook, "#!/bin/sh\n{ echo \"args: $# $1\"; env; echo; } >> " + folder.resolve("hook.txt")
                + "\n");
        assertTrue(hook.toFile().setExecutable(true));
        try (Run.Running running = watch("--no-status-page", "--exec", "'" + hook + "' \"$(id); a b\"")
                .env("SLACK_WEBHOOK_URL", slack.uri().toString()).start()) {
            running.awaitOut(" degraded ");
            sandbox.enter("healthy");
            assertEquals(0, running.await().exit());
        }
        String told = Files.readString(folder.resolve("hook.txt"));
        assertEquals(3, told.lines().filter("args: 1 $(id); a b"::equals).count(), told);
        assertEquals(List.of("degraded", "recovering", "recovered"), told.lines()
                .filter(line -> line.startsWith("KLAVIYO_WATCH_STATE=")).map(line -> line.substring(20)).toList());
        assertTrue(told.contains("KLAVIYO_WATCH_PREVIOUS=recovering"), told);
        assertTrue(told.contains("KLAVIYO_WATCH_INCIDENT=" + incident), told);
        assertFalse(told.contains(sandbox.key()) || told.contains(slack.uri().getPath()), "a secret reached the hook");
    }

    @Test
    void announceLeavesDraftsWithTheStateAsTheJournalHasIt() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page", "--announce", "--lead", "Kim").start()) {
            running.awaitOut("draft +\\S+-external.md");
            incident.append(Event.now("rotate-key", Event.MITIGATED, "fallback on", Map.of()));
            sandbox.enter("healthy");
            assertEquals(0, running.await().exit());
        }
        List<String> internal = new ArrayList<>();
        try (Stream<Path> files = Files.list(incident.folder())) {
            for (Path file : files.filter(file -> file.toString().endsWith("-internal.md")).sorted().toList()) {
                internal.add(Files.readString(file));
            }
        }
        String external = Files.readString(last("-external.md"));
        assertFalse(external.contains("will say so here") && external.contains("this is the last one"), external);
        assertEquals(List.of(), journal().stream().filter(event -> event.event().equals(Event.ANNOUNCED)).toList(),
                "a draft is a draft: nobody was told");
        // Three changes of state; those within one second share a file, and the newest text is the one that stays.
        assertTrue(internal.get(internal.size() - 1).contains("Status: RESOLVED"), internal.toString());
        assertTrue(internal.get(0).contains("Incident lead: @Kim"), internal.toString());
    }

    private Path last(String end) throws IOException {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(file -> file.toString().endsWith(end)).max(Path::compareTo).orElseThrow();
        }
    }

    @Test
    void withoutAnIncidentTheFirstFailureOpensOneAndAHealthyWatchLeavesNothing() throws Exception {
        begin("healthy");
        Run cli = Run.process("watch").cwd(folder).env("KLAVIYO_PRIVATE_KEY", sandbox.key())
                .args("--api-url", sandbox.apiUrl().toString(), "--status-url", sandbox.statusUrl().toString(),
                "--check", "endpoint:events", "--interval", "200ms", "--for", "500ms");
        assertEquals(0, cli.run().exit());
        assertFalse(Files.exists(folder.resolve(Incident.BASE)));
        sandbox.enter("outage");
        try (Run.Running running = cli.start()) {
            running.awaitOut(" degraded ").kill();
        }
        List<Event> events = Incident.newestOpen(folder.resolve(Incident.BASE), String::isEmpty).orElseThrow()
                .journal().read().events();
        assertEquals(List.of("detected", "status-page", "status-page", "degraded"), events.stream()
                .map(event -> event.data().path("kind").asText(event.event())).toList());
        assertEquals("klaviyo-outage", events.get(3).data().path("diagnosis").asText("none"),
                "as triage would call it");
    }

    @Test
    void aSecondWatchOnTheSameIncidentOnlyLooks() throws Exception {
        begin("outage");
        try (Run.Running first = watch("--no-status-page").start()) {
            first.awaitOut(" degraded ");
            Run.Result second = watch("--no-status-page", "--max", "1s").run();
            assertTrue(second.out().contains("another watch keeps this incident's journal"), second.out());
            assertEquals(31, second.exit());
            assertEquals(List.of("degraded"), kinds());
        }
    }

    @Test
    void anIncidentFolderThatCannotBeWrittenCostsOneLineAndNotTheWatch() throws Exception {
        begin("healthy");
        Files.writeString(folder.resolve("incident"), "a file where a folder should be");
        Run.Result result = watch("--no-status-page").run();
        assertEquals(0, result.exit(), result.toString());
        assertEquals(1, result.out().lines().filter(line -> line.contains("cannot be used")).count(), result.out());
    }

    @Test
    void interruptedItEndsWith130AndTheChartIsThereAllTheSame() throws Exception {
        begin("outage");
        try (Run.Running running = watch("--no-status-page", "--chart", "c.svg").start()) {
            running.awaitOut(" degraded ").interrupt();
            assertEquals(130, running.await().exit());
        }
        String picture = Files.readString(folder.resolve("c.svg"), StandardCharsets.UTF_8);
        assertTrue(picture.contains("endpoint:events") && picture.endsWith("</svg>\n"), picture);
    }

    @Test
    void wrongUsageIsSaidBeforeAnythingIsAsked() throws Exception {
        begin("healthy");
        for (List<String> wrong : List.of(List.of("--until", "0"), List.of("--interval", "50ms"),
                List.of("--check", "nonsense"), List.of("--check", "app"), List.of("--chart", "chart.png"),
                List.of("--exec", "'never closed"), List.of("--post"), List.of("--for", "2 minutes"))) {
            Run.Result result = watch(wrong.toArray(String[]::new)).run();
            assertEquals(2, result.exit(), wrong + " " + result);
            assertTrue(result.err().startsWith("error: " + wrong.get(0)), wrong + " " + result.err());
        }
        assertEquals(2, watch().env("KLAVIYO_PRIVATE_KEY", null).run().exit(),
                "without a key it could not see whether it works");
        assertEquals(Map.of(), sandbox.requests());
    }

    @Test
    void theLiveViewFollowsTheTerminalsSizeAndGivesItBack() throws Exception {
        assumeTrue(Run.command("sh", "-c", "command -v tmux").run().exit() == 0, "tmux is not installed");
        begin("outage");
        Path socket = folder.resolve("tmux");
        String java = watch("--max", "1m").quoted();
        try {
            tmux(socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", "-e", "KLAVIYO_PRIVATE_KEY="
                    + sandbox.key(), "-e", "LANG=C.UTF-8",
                    java + "; echo ended with $?; stty -a | grep -o ' echo '; sleep 60");
            awaitScreen(socket, "DOWN for");
            assertTrue(tmux(socket, "display", "-p", "#{cursor_flag}#{alternate_on}").startsWith("01"));
            for (int width : new int[] {60, 200, 80}) {
                tmux(socket, "resize-window", "-x", Integer.toString(width), "-y", "24");
                awaitScreen(socket, "(?m)^. endpoint:events .*×.{0," + (width - 20) + "}$[\\s\\S]*Ctrl-C leaves");
            }
            tmux(socket, "send-keys", "C-c");
            String after = awaitScreen(socket, "ended with 130\\s+echo");
            assertTrue(after.contains("not called recovered"), after);
            assertTrue(tmux(socket, "display", "-p", "#{cursor_flag}#{alternate_on}").startsWith("10"),
                    "cursor and screen are given back");
        } finally {
            tmux(socket, "kill-server");
        }
    }

    private static String awaitScreen(Path socket, String regex) throws InterruptedException {
        String screen = "";
        for (int i = 0; i < 600; i++) {
            screen = tmux(socket, "capture-pane", "-p");
            if (java.util.regex.Pattern.compile(regex).matcher(screen).find()) {
                return screen;
            }
            Thread.sleep(50);
        }
        throw new AssertionError("never on the screen: " + regex + "\n" + screen);
    }

    private static String tmux(Path socket, String... args) {
        List<String> command = new ArrayList<>(List.of("tmux", "-S", socket.toString()));
        command.addAll(List.of(args));
        return Run.command(command.toArray(String[]::new)).env("TERM", "xterm-256color").run().out();
    }
}
