import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import org.jline.utils.AttributedString;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Incident.Event;
import runbook.watching.Chart;
import runbook.watching.Condition;
import runbook.watching.History;
import runbook.watching.Hook;
import runbook.watching.Panel;
import runbook.watching.Past;
import runbook.watching.Reading;
import runbook.watching.Reading.Result;
import runbook.watching.Snapshot;
import runbook.watching.State;
import runbook.watching.Update;

/** The parts of watch that need neither a network nor a process: what the journal tells, the screen's layout, the chart, a command's words. */
class WatchPartsTest {
    private static final Instant BEGAN = Instant.parse("2026-11-23T03:00:00Z");

    private static Event event(int second, String step, String name, Map<String, ?> data) {
        return new Event(BEGAN.plusSeconds(second), step, name, name, Json.of(data));
    }

    private static Event watched(int second, String name, State state) {
        return event(second, "watch", name, Map.of("kind", state.word(), "state", state.word()));
    }

    // ---- what the journal tells a watch that is started again

    @Test
    void anEmptyJournalTellsNothing() {
        Past past = Past.of(List.of());
        assertEquals(State.STARTING, past.state());
        assertFalse(past.troubled());
        assertEquals(Optional.empty(), past.began());
    }

    @Test
    void anIncidentThatOnlyTriageHasSeenIsTroubleWithItsDiagnosis() {
        Past past = Past.of(List.of(event(0, "triage", "detected", Map.of()),
                event(1, "triage", "diagnosed", Map.of("diagnosis", "klaviyo-outage", "severity", "P1"))));
        assertTrue(past.troubled());
        assertEquals(State.STARTING, past.state());
        assertEquals("klaviyo-outage P1", past.diagnosis() + " " + past.severity());
        assertEquals(Optional.of(BEGAN), past.began());
    }

    @Test
    void theLastStateOfAnEarlierWatchIsGoneOnFrom() {
        Past past = Past.of(List.of(
                watched(0, "degraded", State.DEGRADED),
                watched(60, "note", State.RECOVERING),
                event(90, "watch", "note", Map.of("kind", "blip"))));
        assertEquals(State.RECOVERING, past.state());
        assertEquals(BEGAN.plusSeconds(60), past.since());
        assertEquals(Optional.of(BEGAN.plusSeconds(90)), past.watched());
        assertEquals(List.of(BEGAN), past.falls());
    }

    @Test
    void whatCameAfterARecoveryIsTroubleAgainWhoeverSawIt() {
        Event recovered = watched(60, "recovered", State.RECOVERED);
        assertFalse(Past.of(List.of(watched(0, "degraded", State.DEGRADED), recovered)).troubled());
        assertTrue(Past.of(List.of(recovered, event(90, "triage", "diagnosed", Map.of("diagnosis", "server-error"))))
                .troubled());
        assertFalse(Past.of(List.of(recovered, event(90, "triage", "note", Map.of("diagnosis", "healthy"))))
                .troubled());
        assertEquals(
                List.of(),
                Past.of(List.of(watched(0, "degraded", State.DEGRADED), recovered))
                        .falls(),
                "falls before it are forgotten");
    }

    @Test
    void anUpdateOfTheVendorsIsToldOnceAlsoAcrossRestarts() {
        Update update = new Update("abc", BEGAN, "API down", "monitoring", "A fix is in.");
        Update next = new Update("abc", BEGAN.plusSeconds(60), "API down", "monitoring", "Still fine.");
        Past past = Past.of(List.of(event(0, "watch", "note", Map.of("kind", "status-page", "update", update.id()))));
        assertEquals(Set.of(update.id()), past.updates());
        assertFalse(past.updates().contains(next.id()));
    }

    @Test
    void whatWasToBeToldIsUntoldUntilEachWayHasConfirmedIt() {
        Event change = event(0, "watch", "degraded", Map.of("state", "degraded", "tell", List.of("exec", "slack")));
        Event executed = event(1, "watch", "note", Map.of("channel", "exec", "of", change.at().toString()));
        Event posted = event(2, "watch", "announced", Map.of("channel", "slack", "of", change.at().toString()));
        assertEquals(List.of(new Past.Untold(change, Set.of("exec", "slack"))), Past.of(List.of(change)).untold());
        assertEquals(List.of(new Past.Untold(change, Set.of("slack"))), Past.of(List.of(change, executed)).untold());
        assertEquals(List.of(), Past.of(List.of(change, executed, posted)).untold());
    }

    @Test
    void aGapThatAnEarlierWatchMarkedStaysOneInTheChart() {
        Event gap = event(600, "watch", "note", Map.of("kind", "gap", "from", BEGAN, "to", BEGAN.plusSeconds(600)));
        assertEquals(List.of(new Past.Unseen(BEGAN, BEGAN.plusSeconds(600))), Past.of(List.of(gap)).gaps());
    }

    @Test
    void aJournalOfOtherToolsAndNonsenseIsReadAsFarAsItGoes() {
        Past past = Past.of(List.of(
                event(0, "watch", "degraded", Map.of("state", "degraded", "since", "yesterday")),
                event(1, "watch", "strange", Map.of("state", 7, "tell", "all"))));
        assertEquals(State.DEGRADED, past.state());
        assertEquals(BEGAN, past.since());
        assertEquals(List.of(), past.untold());
    }

    // ---- --exec

    @Test
    void aCommandIsSplitIntoWordsAndNothingInItIsExpanded() {
        Map<String, List<String>> cases = Map.of(
                "notify", List.of("notify"),
                "  notify  a\tb ", List.of("notify", "a", "b"),
                "'my tool' \"a b\" c\\ d", List.of("my tool", "a b", "c d"),
                "a '' \"\"", List.of("a", "", ""),
                "a$HOME `id` *.java ; rm", List.of("a$HOME", "`id`", "*.java", ";", "rm"),
                "say \"she said \\\"hi\\\"\" 'back\\slash'", List.of("say", "she said \"hi\"", "back\\slash"),
                "x=\"1 2\"3", List.of("x=1 23"));
        cases.forEach((line, words) -> assertEquals(words, Hook.of("--exec", line).words(), line));
    }

    @Test
    void aQuoteThatStaysOpenOrNothingAtAllIsWrongUsage() {
        for (String line : List.of("say 'hi", "say \"hi", "", "   ")) {
            assertTrue(
                    assertThrows(Problem.class, () -> Hook.of("--exec", line))
                            .getMessage()
                            .startsWith("--exec: "),
                    line);
        }
    }

    // ---- the live view

    private static Snapshot snapshot(String words) {
        History history = new History();
        List<Reading> readings = new ArrayList<>();
        for (String check : List.of(
                "status-page", "network", "auth", "endpoint:profiles", "endpoint:webhooks", "app-errors", "webhook")) {
            Result result = check.equals("auth") ? Result.BAD : check.equals("webhook") ? Result.UNKNOWN : Result.GOOD;
            readings.add(new Reading(check, result, true, 12_345, words));
        }
        for (int round = 0; round < 200; round++) {
            history.add(round * 1_000L, readings);
        }
        readings.set(2, new Reading("auth", Result.BAD, false, 12_345, words));
        List<Condition> conditions = List.of(
                new Condition("rounds", true, "3 of 3 good rounds in a row"),
                new Condition("status-page", false, words));
        return new Snapshot(
                Optional.of("flapping"),
                BEGAN,
                State.FLAPPING,
                Duration.ofHours(30),
                Optional.of(Duration.ofDays(3)),
                readings,
                history,
                Map.of("auth", Duration.ofSeconds(40)),
                conditions,
                Optional.of(new Update("k", BEGAN, words, "identified", words)),
                123_456,
                Optional.of(Duration.ofSeconds(12)),
                Optional.of(Duration.ofMinutes(-3)),
                2,
                List.of(words, words, words));
    }

    @Test
    void noLineIsWiderThanTheTerminalAndNoPictureHigher() {
        for (String words : List.of(
                "short", "a very long sentence that goes on ".repeat(20), "日本語のとても長い文章".repeat(20), "🔥".repeat(90))) {
            for (int columns = 60; columns <= 200; columns++) {
                for (int rows : new int[] {5, 12, 24, 60}) {
                    List<AttributedString> lines = Panel.lay(snapshot(words), columns, rows, true, true);
                    int wide = columns;
                    assertTrue(lines.size() <= rows, lines.size() + " lines on " + rows);
                    lines.forEach(line ->
                            assertTrue(line.columnLength() < wide, line.columnLength() + " of " + wide + ": " + line));
                }
            }
        }
    }

    @Test
    void onALowTerminalTheStateTheFailuresAndTheConditionsStay() {
        String low = text(Panel.lay(snapshot("HTTP 503"), 80, 9, true, false));
        for (String needed : List.of(
                "DRILL flapping",
                "! FLAPPING for 1 d 6 h",
                "✗ auth",
                "3 of 3 good rounds",
                "HTTP 503",
                "next round in 12 s",
                "overdue by 3 min")) {
            assertTrue(low.contains(needed), needed + " in\n" + low);
        }
    }

    @Test
    void everythingThatIsAskedForIsOnAnOrdinaryTerminal() {
        String shown = text(Panel.lay(snapshot("HTTP 503"), 100, 40, true, false));
        for (String needed : List.of(
                "incident began 3 d ago",
                "✗ auth                 0 %",
                "××××",
                "(again in 41 s)",
                "✓ network            100 %",
                "– webhook",
                "Klaviyo at 2026-11-23T03:00:00Z, identified",
                "123456 requests spent",
                "2 messages not accepted yet",
                "q leaves")) {
            assertTrue(shown.contains(needed), needed + " in\n" + shown);
        }
    }

    @Test
    void withoutSymbolsInItsCharacterSetTheTerminalGetsPlainAscii() {
        String plain = text(Panel.lay(snapshot("café – 日本"), 100, 40, false, false));
        assertTrue(plain.chars().allMatch(c -> c == '\n' || c >= 0x20 && c < 0x7f), plain);
        assertTrue(plain.contains("x auth"), plain);
    }

    private static String text(List<AttributedString> lines) {
        return lines.stream().map(AttributedString::toString).collect(Collectors.joining("\n"));
    }

    // ---- the chart

    private static final String HOSTILE =
            "</script><script>alert(1)</script> & \"quoted\" '\u001b[31m\u0000\uffff ]]> <svg onload=x>";

    private static Chart chart(History history, List<Event> events) {
        return new Chart(
                history, BEGAN, BEGAN.minusSeconds(600), BEGAN.plusSeconds(3_600), events, Optional.of("flapping"));
    }

    private static History history(String check) {
        History history = new History();
        for (int round = 0; round < 3_000; round++) {
            boolean good = round % 400 > 30;
            history.add(
                    round * 1_200L,
                    List.of(new Reading(
                            check, good ? Result.GOOD : Result.BAD, true, good ? 120 + round % 50 : 15, "")));
        }
        history.hole(1_200_000, 1_500_000);
        return history;
    }

    private static Document parse(String svg) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        return factory.newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    @Test
    void theChartIsWellFormedAndNothingFromOutsideBecomesMarkup() throws Exception {
        List<Event> events = List.of(new Event(
                BEGAN, HOSTILE, HOSTILE, HOSTILE, Json.of(Map.of("kind", "status-page", "vendorAt", HOSTILE))));
        String svg = chart(history(HOSTILE), events).svg();
        Document document = parse(svg);
        assertEquals(0, document.getElementsByTagName("script").getLength());
        assertEquals(1, document.getElementsByTagName("svg").getLength());
        String html = chart(history(HOSTILE), events).html();
        assertFalse(html.contains("<script") || html.contains("<svg onload"), html);
    }

    @Test
    void theChartMarksEventsGapsAndFailuresByFormAndWordNotByColourAlone() throws Exception {
        List<Event> events = List.of(
                event(0, "watch", "degraded", Map.of("kind", "degraded")),
                event(900, "watch", "note", Map.of("kind", "recovering")),
                event(1_500, "watch", "note", Map.of("kind", "status-page", "vendorAt", "2026-11-23T03:20:00Z")));
        String svg = chart(history("auth"), events).svg();
        assertTrue(
                svg.contains("fill=\"url(#bad)\"") && svg.contains("fill=\"url(#hole)\""),
                "failures are hatched, gaps are dotted");
        for (String word : List.of(
                "failed (height: share)",
                "not observed",
                "Klaviyo&#39;s status page",
                "watch degraded: degraded",
                "2026-11-23T03:20:00Z",
                "DRILL: flapping",
                "% good of 3000 looks")) {
            assertTrue(svg.contains(word), word);
        }
        assertTrue(svg.contains("prefers-color-scheme:dark"));
        assertFalse(svg.matches("(?s).*(href|src)=.*"), "self-contained");
    }

    @Test
    void aChartOfADaysOfRoundsStaysSmall() {
        History history = new History();
        for (int round = 0; round < 100_000; round++) {
            history.add(round * 30_000L, List.of(new Reading("auth", Result.GOOD, true, 100, "")));
        }
        int size = new Chart(history, BEGAN, BEGAN, BEGAN.plusSeconds(3_000_000), List.of(), Optional.empty()).svg().length();
        assertTrue(size < 120_000, "characters: " + size);
    }

    @Test
    void aChartOfNothingAndOneOfAHundredEventsAreDrawnToo() throws Exception {
        parse(chart(new History(), List.of()).svg());
        List<Event> many = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            many.add(event(i, "postmortem", "note", Map.of()));
        }
        assertTrue(chart(new History(), many).svg().contains("and 60 more in the journal"));
    }
}
