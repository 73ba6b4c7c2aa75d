import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.Text.Json;
import runbook.sandbox.*;

/**
 * Whole watches as processes, against a sandbox that lives in this one and changes under their eyes. They mostly wait,
 * so two run at once.
 */
@Execution(ExecutionMode.CONCURRENT)
class WatchTest {
    private static final String NO_PAGE = "--no-status-page";
    private final Path folder = Tree.temporary("watch");
    private final Incident incident = new Incident(folder.resolve("incident"));
    private ControlledSandbox sandbox;

    @AfterEach
    void close() {
        if (sandbox != null) {
            sandbox.close();
        }
    }

    /** A watch of one endpoint whose quota allows five looks a second; what is given replaces what is usual. */
    private Run watch(Run run, String... more) {
        Map<String, Object> usual = new LinkedHashMap<>(Map.of("--api-url", sandbox.target().api(), "--status-url",
                sandbox.target().status(), "--incident", incident, "--check", "endpoint:events", "--interval", "200ms",
                "--for", "500ms"));
        usual.keySet().removeAll(List.of(more));
        usual.forEach(run::args);
        return run.args(more).cwd(folder).env("KLAVIYO_PRIVATE_KEY", sandbox.key());
    }

    /** One that is changed, interrupted or looked at while it runs. */
    private Run process(String... more) {
        return watch(Run.process("watch"), more);
    }

    /** The same, posting to Slack. */
    private Run posting(String... more) {
        return process(more).args("--post").env("SLACK_WEBHOOK_URL", sandbox.slackUrl().toString());
    }

    private Run.Result heals(Run.Running running) {
        sandbox.enter("healthy");
        return running.await().ends(0);
    }

    private void begin(String scenario) {
        sandbox = ControlledSandbox.start(scenario);
    }

    private List<Event> journal() throws IOException {
        return incident.journal().read().events();
    }

    private static List<JsonNode> json(Run.Result result, String type) {
        return result.out().lines().map(WatchTest::json).filter(line -> line.path("type").asText().equals(type))
                .toList();
    }

    private static JsonNode json(String line) {
        try {
            return Json.read(line);
        } catch (IOException e) {
            throw new AssertionError("no JSON: " + line, e);
        }
    }

    private static JsonNode event(Run.Result result, String kind) {
        return json(result, "event").stream().filter(event -> event.path("event").asText().equals(kind)).findFirst()
                .orElseThrow();
    }

    private static Instant time(JsonNode data, String field) {
        return Instant.parse(data.path(field).asText());
    }

    @ParameterizedTest(name = "{0}")
    @Cases("watch-runs.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        try (Session session = new Session()) {
            session.play(lines);
        }
    }

    // ---- recovered, and not before

    @Test
    void aRecoveryIsToldWhenItHoldsByEveryWayOnceAndWithoutASecret() throws Exception {
        begin("outage");
        sandbox.refusePosts(2);
        Path hook = Files.writeString(folder.resolve("a hook.sh"), "#!/bin/sh\n{ echo \"args: $# $1\"; env; echo; } >> "
                + folder.resolve("hook.txt") + "\n");
        assertTrue(hook.toFile().setExecutable(true));
        Run.Result result;
        try (Run.Running running = posting(NO_PAGE, "--announce", "--lead", "Kim", "--exec",
                "'" + hook + "' \"$(id); a b\"").start()) {
            running.awaitOut("not-told +slack: Slack refused it: HTTP 500").awaitOut("draft +\\S+-external.md");
            result = heals(running);
        }
        assertEquals("diagnosed degraded recovering recovered", Session.kinds(journal()).replace("note ", ""));
        assertEquals("Kim", Incident.lead(journal()), "on record");
        Pattern next = Pattern.compile(
                "Next: collect evidence, write it up\\n  .*debug-bundle@CATALOG.*\\n  .*postmortem@CATALOG");
        assertTrue(next.matcher(result.out()).find(), "Slack was told: " + result.out());
        JsonNode recovered = journal().stream().filter(event -> event.event().equals(Event.RECOVERED)).findFirst().get()
                .data();
        assertTrue(recovered.path("rounds").asInt() >= 3 && time(recovered, "goodSince").isBefore(Instant.now()
                .minusMillis(500)), recovered.toString());
        // Slack has each message once, and the journal says told of no draft.
        List<String> posts = sandbox.posts();
        assertEquals(List.of(3L, 3L), List.of((long) posts.size(), announced()), posts.toString());
        assertTrue(posts.get(0).contains("Status: INVESTIGATING") && posts.get(2).contains("Status: RESOLVED"));
        String told = Files.readString(folder.resolve("hook.txt"));
        assertEquals(3, told.lines().filter("args: 1 $(id); a b"::equals).count(), "without a shell: " + told);
        String state = "KLAVIYO_WATCH_STATE=";
        assertEquals(List.of(state + "degraded", state + "recovering", state + "recovered"),
                told.lines().filter(line -> line.startsWith(state)).toList());
        assertTrue(told.contains("KLAVIYO_WATCH_PREVIOUS=recovering")
                && told.contains("KLAVIYO_WATCH_INCIDENT=" + incident), told);
        // Three changes of state; those within one second share a file, and the newest text is the one that stays.
        List<String> internal = drafts("-internal.md");
        assertTrue(internal.get(internal.size() - 1).contains("Status: RESOLVED"), internal.toString());
        assertTrue(internal.get(0).contains("Incident lead: @Kim"), internal.toString());
        assertFalse(drafts("-external.md").stream().anyMatch(text -> text.contains("will say so here")
                && text.contains("this is the last one")), "promises more and calls itself the last");
        for (String secret : List.of(sandbox.key(), sandbox.slackUrl().getPath())) {
            assertFalse((result.out() + told + journal() + posts).contains(secret));
        }
    }

    private long announced() throws IOException {
        return journal().stream().filter(event -> event.event().equals(Event.ANNOUNCED)).count();
    }

    private List<String> drafts(String end) throws IOException {
        List<String> texts = new ArrayList<>();
        try (Stream<Path> files = Files.list(incident.folder())) {
            for (Path file : files.filter(file -> file.toString().endsWith(end)).sorted().toList()) {
                texts.add(Files.readString(file));
            }
        }
        return texts;
    }

    @Test
    void inAPipeEachEventIsOneLineAndADrillSaysSoInEachAndInAllThatItLeaves() throws Exception {
        Run drill = Run.script("watch").cwd(folder).args("--drill", "outage", "--max", "1s", "--fail-after", "1",
                "--interval", "200ms");
        Run.Result result = drill.run().ends(31);
        List<Event> events = drilled("outage");
        assertEquals("detected status-page status-page diagnosed degraded not-recovered", Session.kinds(events),
                "the first failure opens an incident");
        assertEquals("klaviyo-outage", events.get(3).data().path("diagnosis").asText(), "as triage would call it");
        assertTrue(events.stream().allMatch(event -> event.drill().equals("outage")), events.toString());
        assertEquals("watching status-page status-page diagnosed degraded not-recovered", result.out().lines()
                .filter(line -> line.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ DRILL  [a-z-]+ +\\S.*"))
                .map(line -> line.split(" +")[2]).collect(Collectors.joining(" ")), result.toString());
        assertTrue(result.out().contains("DRILL outage: not recovered yet: down ("), result.out());
        assertTrue(result.out().contains("\n  jbang postmortem@CATALOG handover --drill outage"), result.out());
        assertTrue(result.out().contains("0 of 3 good rounds in a row, good for 0 s of 8 s"), result.out());
        assertTrue(result.out().contains("  jbang watch@CATALOG --drill outage"), result.out());
        assertFalse(result.out().contains("\u001b"), "no cursor movement in a pipe");
        incident.append(Event.now("triage", Event.DETECTED, "in earnest", Map.of()));
        drill.args("--incident", incident).run().ends(2);
    }

    private List<Event> drilled(String drill) throws IOException {
        return new Incident.Choice(folder.resolve(Incident.BASE), null, drill).open().get().journal().read().events();
    }

    @Test
    void whatWasNoticedBeforeWatchOpenedAnIncidentIsInItsJournalOnceAndInOrder() throws Exception {
        Files.writeString(folder.resolve("scenarios.json"), """
                {"late": {"description": "two failed looks among good ones, then two in a row", "api": [{"from": 0,
                  "answers": ["unavailable", "ok", "unavailable", "ok", "unavailable", "unavailable"GOOD]}],
                  "page": {"name": "API errors", "impact": "major", "components": ["Klaviyo API"], "updates": [
                    {"at": -300, "status": "investigating", "components": "major_outage", "body": "We look."},
                    {"at": -60, "status": "identified", "components": "major_outage", "body": "We know."},
                    {"at": 2, "status": "monitoring", "components": "major_outage", "body": "Better."}]}}}"""
                .replace("GOOD", ", \"ok\"".repeat(60)));
        Run.script("watch").cwd(folder).args("--drill", "late", "--templates", folder.toString(), "--check",
                "endpoint:events", "--interval", "200ms", "--for", "500ms").run().ends(0);
        List<Event> events = drilled("late");
        String kinds = events.stream().map(Session::kind).collect(Collectors.joining(" "));
        // A busy machine has gaps as well, and may miss one of the failed looks.
        assertTrue(kinds.matches("detected status-page status-page .*blip .*diagnosed degraded .*"), kinds);
        Instant first = time(events.get(1).data(), "vendorAt");
        Instant second = time(events.get(2).data(), "vendorAt");
        assertTrue(first.isBefore(second) && second.isBefore(events.get(0).at()), "the vendor's own times: " + events);
        List<Instant> bad = events.stream().filter(event -> Session.kind(event).matches("blip|degraded"))
                .map(event -> time(event.data(), "since")).toList();
        assertEquals(bad.stream().sorted().toList(), bad, "when it was bad");
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "+Inf"})
    void aBacklogThatIsNoNumberIsNotZeroAndHoldsNothingBackForEverAndWithJsonEachRoundAndEventIsAnObject(String value) {
        begin("healthy");
        String vector = "{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":{},\"value\":[1,\"" + value
                + "\"]}]}}";
        try (LoopbackServer prometheus = LoopbackServer.wellBut(Map.of("/api/v1/query",
                new LoopbackServer.Response(200, vector)))) {
            Run.Result result = watch(Run.script("watch"), NO_PAGE, "--prometheus", prometheus.url(), "--json").run()
                    .ends(0);
            List<JsonNode> rounds = json(result, "round");
            List<String> said = rounds.stream().map(round -> round.path("conditions").get(1).path("words").asText())
                    .distinct().toList();
            String wrong = ": Prometheus gives " + value + ", which is no number of calls";
            assertEquals(List.of("retry backlog unknown" + wrong,
                    "retry backlog left out" + wrong + " (mend --backlog)"), said);
            assertEquals(result.out().lines().count(), rounds.size() + json(result, "event").size());
            JsonNode last = rounds.get(rounds.size() - 1);
            assertEquals("recovered true " + rounds.size() + " " + sandbox.requests().get("GET /api/events"),
                    last.path("state").asText() + " " + last.path("good").asBoolean() + " " + last.path("round").asInt()
                    + " " + last.path("requestsSpent").asInt());
            assertTrue(result.err().contains("✓ recovered"), "people's text is elsewhere: " + result.err());
        }
    }

    // ---- what an earlier watch left, and time in which nobody looked

    private static void standStill(Run.Running running, long millis) throws InterruptedException {
        String process = Long.toString(running.process().pid());
        Run.command("kill", "-STOP", process).run();
        Thread.sleep(millis);
        Run.command("kill", "-CONT", process).run();
    }

    @Test
    void aProcessThatStoodStillHasAGapInsteadOfAStreakAndStillItsTimeToSeeItRecover() throws Exception {
        begin("healthy");
        try (Run.Running running = process(NO_PAGE, "--for", "2s", "--max", "12s", "--json").start()) {
            running.awaitOut("\"round\":2,");
            standStill(running, 13_000);
            Run.Result result = running.awaitOut("\"event\":\"gap\"").await();
            assertEquals(0, result.exit());
            assertFalse(time(event(result, "recovered").path("data"), "goodSince")
                    .isBefore(time(event(result, "gap").path("data"), "to")));
        }
    }

    @Test
    void aProcessThatStoodStillInItsFirstRoundMissedNothingFromBeforeItsStart() throws Exception {
        begin("healthy");
        try (ServerSocket silent = new ServerSocket(0); Run.Running running = process(NO_PAGE, "--api-url",
                "http://127.0.0.1:" + silent.getLocalPort(), "--max", "1ms", "--json").start()) {
            try (Socket asked = silent.accept()) {
                standStill(running, 4_000);
            }
            Run.Result result = running.awaitOut("\"event\":\"gap\"").await();
            assertFalse(time(event(result, "gap").path("data"), "from").plusSeconds(1)
                    .isBefore(time(event(result, "watching"), "at")), result.out());
        }
    }

    @Test
    void aSecondWatchGoesOnWhereTheFirstDiesAndSaysNothingThatWasSaidBeforeTheFirstEnded() throws Exception {
        begin("outage");
        try (Run.Running first = process(NO_PAGE).start()) {
            first.awaitOut(" degraded ");
            try (Run.Running second = posting(NO_PAGE).start()) {
                second.awaitOut("this one only looks");
                first.kill();
                second.awaitOut(" leads +the other watch is gone");
                try (Run.Running third = posting(NO_PAGE, "--for", "3s").start()) {
                    third.awaitOut("this one only looks");
                    heals(second);
                    assertTrue(third.await().ends(0).out().contains(" leads "));
                }
            }
        }
        assertEquals("diagnosed degraded recovering recovered", Session.kinds(journal()).replace("note ", ""));
        assertEquals(2, sandbox.posts().size(), "recovering and recovered: " + sandbox.posts());
    }

    // ---- who is told

    @Test
    void whileItLastsPeopleAreToldAgainAlsoThatTheGreenPageTurnedRedAndNotAfterIt() throws Exception {
        begin("silent-outage");
        try (Run.Running running = posting("--remind", "1s").start()) {
            running.awaitUntil("two reminders", () -> sandbox.posts().size() >= 3);
            sandbox.statusPage("API unavailable", "critical", "identified", "major_outage", "Our API is down.");
            heals(running.awaitOut(" diagnosed +Klaviyo is down, and its status page says so"));
        }
        List<String> posts = sandbox.posts();
        List<String> resolved = posts.stream().filter(text -> text.contains("Status: RESOLVED")).toList();
        assertTrue(posts.get(0).contains("status page") && posts.subList(0, 3).stream()
                .allMatch(text -> text.contains("Status: INVESTIGATING")), posts.toString());
        assertEquals(posts.subList(posts.size() - 1, posts.size()), resolved, "the last one, once");
        assertFalse(resolved.get(0).contains("not yet acknowledged"), resolved.get(0));
        assertEquals(posts.size(), announced());
        assertEquals(List.of("silent-outage", "klaviyo-outage"), journal().stream()
                .map(event -> event.data().path("diagnosis").asText()).filter(id -> !id.isEmpty()).toList());
    }

    // ---- quotas

    @Test
    void noIntervalMakesItSpendMoreThanATenthOfAQuotaAndWhatHasNoneIsAskedEveryTime() throws Exception {
        begin("healthy");
        Run.Result result;
        try (Run.Running running = process(NO_PAGE, "--check", "auth,endpoint:profiles,app", "--app-url",
                sandbox.target().app().toString(), "--interval", "100ms", "--for", "10m", "--json").start()) {
            running.awaitOut("\"round\":12,").interrupt();
            result = running.await();
        }
        List<JsonNode> rounds = json(result, "round");
        long millis = Duration.between(time(rounds.get(0), "at"), time(rounds.get(rounds.size() - 1), "at")).toMillis();
        List<Long> fresh = Stream.of(0, 1, 2).map(check -> rounds.stream()
                .filter(round -> round.path("checks").get(check).path("fresh").asBoolean()).count()).toList();
        // They are shown a little after they were made.
        assertTrue(fresh.get(0) <= 2 + millis / 60_000, "15 a minute: one. " + fresh);
        assertTrue(fresh.get(1) <= 2 + millis / 800 && fresh.get(1) < fresh.get(2), "75 a minute: " + fresh);
        assertEquals(rounds.size(), fresh.get(2), "the application need not wait for the others: " + fresh);
        Map<String, Integer> asked = sandbox.requests();
        assertTrue(asked.get("GET /api/accounts") <= fresh.get(0) + 1 && asked.get("GET /api/profiles")
                <= fresh.get(1) + 1, "a look that was not made is not shown as one: " + asked + fresh);
    }

    @Test
    void aHealthEndpointThatIsAskedTooOftenTellsNothingOfTheApplication() {
        begin("healthy");
        Iterator<Integer> statuses = List.of(200).iterator();
        try (LoopbackServer app = new LoopbackServer(request ->
                new LoopbackServer.Response(statuses.hasNext() ? statuses.next() : 429, "{\"status\":\"ok\"}"))) {
            Run.Result result = watch(Run.script("watch"), NO_PAGE, "--check", "app", "--app-url", app.url(), "--max",
                    "3s", "--json").run().ends(31);
            assertEquals(List.of("good", "unknown"), json(result, "round").stream()
                    .map(round -> round.at("/checks/0/result").asText()).distinct().toList());
        }
    }

    // ---- output and usage

    @Test
    void theLiveViewFollowsTheTerminalsSizeAndGivesItBack() throws Exception {
        assumeTrue(Run.command("sh", "-c", "command -v tmux").run().exit() == 0, "tmux is not installed");
        begin("outage");
        Path socket = folder.resolve("tmux");
        try {
            tmux(socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", "-e",
                    "KLAVIYO_PRIVATE_KEY=" + sandbox.key(), "-e", "LANG=C.UTF-8",
                    process("--max", "1m", "--for", "1h").quoted()
                    + "; echo ended with $?; stty -a | grep -o ' echo '; sleep 60");
            awaitScreen(socket, "DOWN, seen for");
            assertTrue(tmux(socket, "display", "-p", "#{cursor_flag}#{alternate_on}").startsWith("01"));
            // Wider, all of a line is there; narrower, it is cut where the terminal ends.
            resize(socket, 200, "(?m)^✗ status-page .*rolled out");
            resize(socket, 60, "(?m)^! status page: .{43}…$");
            awaitScreen(socket, "MESSAGE TO PEOPLE DUE in 4 min 5[0-6] s");
            sandbox.enter("healthy");
            sandbox.statusPage("API unavailable", "critical", "identified", "major_outage", "Our API is down.");
            String good = awaitScreen(socket, "RECOVERING for");
            assertTrue(good.matches("(?s).*DUE in 4 min (5[0-6]|[1-4]).*"), "nobody was told of that yet: " + good);
            tmux(socket, "send-keys", "C-c");
            String after = awaitScreen(socket, "ended with 130\\s+echo");
            assertTrue(after.contains("not called recovered"), after);
            Pattern folded = Pattern.compile("(?m)^! status page: .*\\n {2}\\S");
            assertTrue(folded.matcher(after).find(), "folded anew: " + after);
            assertTrue(tmux(socket, "display", "-p", "#{cursor_flag}#{alternate_on}").startsWith("10"),
                    "cursor and screen are given back");
        } finally {
            tmux(socket, "kill-server");
        }
    }

    private static void resize(Path socket, int columns, String regex) throws InterruptedException {
        tmux(socket, "resize-window", "-x", Integer.toString(columns), "-y", "24");
        awaitScreen(socket, regex);
    }

    private static String awaitScreen(Path socket, String regex) throws InterruptedException {
        String screen = "";
        for (long end = System.nanoTime() + Duration.ofMinutes(2).toNanos(); System.nanoTime() < end;) {
            screen = tmux(socket, "capture-pane", "-p", "-S", "-100");
            if (Pattern.compile(regex).matcher(screen).find()) {
                return screen;
            }
            Thread.sleep(50);
        }
        throw new AssertionError("never on the screen: " + regex + "\n" + screen);
    }

    private static String tmux(Path socket, String... args) {
        return Run.command("tmux", "-S", socket.toString()).args(args).env("TERM", "xterm-256color").run().out();
    }
}
