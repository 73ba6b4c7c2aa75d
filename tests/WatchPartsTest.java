import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import runbook.Text.Json;
import runbook.Incident.Event;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;
import runbook.watching.LiveView;
import runbook.watching.LiveView.Note;
import runbook.watching.Memory;
import runbook.watching.Memory.History;
import runbook.watching.Memory.Past;
import runbook.watching.Rounds;
import runbook.watching.Watching.Shot;

/**
 * The parts of watch that need neither a network nor a process: what the journal tells, the screen's layout, the
 * chart, a command's words.
 */
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
    void anIncidentThatOnlyTriageHasSeenIsTroubleWithItsDiagnosis() {
        assertFalse(Past.of(List.of()).troubled());
        Past past = Past.of(List.of(event(0, "triage", "detected", Map.of()),
                event(1, "triage", "diagnosed", Map.of("diagnosis", "klaviyo-outage", "severity", "P1"))));
        assertTrue(past.troubled());
        assertEquals(State.STARTING, past.state());
        assertEquals("klaviyo-outage P1", past.incident().diagnosis() + " " + past.incident().severity());
        assertEquals(Optional.of(BEGAN), past.incident().began());
    }

    @Test
    void theLastStateOfAnEarlierWatchIsGoneOnFromAndItsGapStaysOne() {
        Past past = Past.of(List.of(watched(0, "degraded", State.DEGRADED), watched(60, "note", State.RECOVERING),
                event(90, "watch", "note", Map.of("kind", "gap", "from", BEGAN, "to", BEGAN.plusSeconds(80)))));
        assertEquals(State.RECOVERING, past.state());
        assertEquals(BEGAN.plusSeconds(60), past.since());
        assertEquals(Optional.of(BEGAN.plusSeconds(90)), past.watched());
        assertEquals(List.of(BEGAN), past.falls());
        assertEquals(Map.of(BEGAN, BEGAN.plusSeconds(80)), past.gaps());
    }

    @Test
    void whatCameAfterARecoveryIsTroubleAgainWhoeverSawIt() {
        Event recovered = watched(60, "recovered", State.RECOVERED);
        assertFalse(Past.of(List.of(watched(0, "degraded", State.DEGRADED), recovered)).troubled());
        Event worse = event(90, "triage", "diagnosed", Map.of("diagnosis", "server-error", "severity", "P2"));
        assertTrue(Past.of(List.of(recovered, worse)).troubled());
        Event healthy = event(90, "triage", "note", Map.of("diagnosis", "healthy"));
        assertFalse(Past.of(List.of(recovered, healthy)).troubled());
        assertEquals(List.of(), Past.of(List.of(watched(0, "degraded", State.DEGRADED), recovered)).falls(),
                "falls before it are forgotten");
    }

    @Test
    void whatWasToBeToldIsUntoldUntilEachWayHasConfirmedIt() {
        Event change = event(0, "watch", "degraded", Map.of("state", "degraded", "tell", List.of("exec", "slack")));
        Event executed = event(1, "watch", "note", Map.of("channel", "exec", "of", change.at().toString()));
        Event posted = event(2, "watch", "announced", Map.of("channel", "slack", "of", change.at().toString()));
        assertEquals(List.of(new Memory.Untold(change, Set.of("exec", "slack"))), Past.of(List.of(change)).untold());
        assertEquals(List.of(new Memory.Untold(change, Set.of("slack"))), Past.of(List.of(change, executed)).untold());
        assertEquals(List.of(), Past.of(List.of(change, executed, posted)).untold());
    }

    @Test
    void anUpdateOfTheVendorsIsTheSameOneWhenItsFeedHasToDoForItsJson() {
        Instant posted = BEGAN.plusSeconds(12);
        assertEquals(new Rounds.Update("k1", posted, "API errors", "identified", "Working on it.").id(),
                new Rounds.Update("https://status.klaviyo.com/incidents/k1", BEGAN, "API errors", "Identified", "")
                        .id());
        assertNotEquals(new Rounds.Update("k1", posted, "API errors", "identified", "").id(),
                new Rounds.Update("k1", posted, "API errors", "monitoring", "").id());
    }

    @Test
    void aJournalOfOtherToolsAndNonsenseIsReadAsFarAsItGoes() {
        Past past = Past.of(List.of(event(0, "watch", "degraded", Map.of("state", "degraded", "since", "yesterday")),
                event(1, "watch", "strange", Map.of("state", 7, "tell", "all"))));
        assertEquals(State.DEGRADED, past.state());
        assertEquals(BEGAN, past.since());
        assertEquals(List.of(), past.untold());
    }

    // ---- the live view

    private static final List<String> CHECKS = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:webhooks", "app-errors", "webhook");

    private static Shot shot(State state, String failing, String words, Duration due, boolean posts) {
        History history = new History();
        List<Reading> readings = new ArrayList<>();
        for (String check : CHECKS) {
            Result result = check.matches(failing) ? Result.BAD : check.equals("webhook") ? Result.UNKNOWN
                    : Result.GOOD;
            readings.add(new Reading(check, result, true, 12_345, words));
        }
        for (int round = 0; round < 200; round++) {
            Reading fifth = new Reading("app-errors", round % 5 == 0 ? Result.GOOD : Result.BAD, true, 9, "");
            history.add(round * 1_000L, readings.stream().map(one ->
                    one.check().equals("app-errors") ? fifth : one).toList());
        }
        readings.replaceAll(one -> one.check().equals("auth") ? new Reading("auth", one.result(), false, 12_345, words)
                : one);
        return new Shot(Optional.of("flapping"), BEGAN, state, Duration.ofHours(30), Optional.of(Duration.ofDays(3)),
                readings, history, Map.of("auth", Duration.ofSeconds(40)),
                List.of(new Condition("rounds", true, "3 of 3 good rounds in a row"),
                new Condition("status-page", false, words)),
                Optional.of(new Rounds.Update("k", BEGAN, words, "identified", words)), 123_456,
                Optional.of(Duration.ofSeconds(12)), Optional.of(due), posts, 2);
    }

    private static Shot flapping(String words) {
        return shot(State.FLAPPING, "auth", words, Duration.ofMinutes(-3), false);
    }

    private static List<Note> notes(String... words) {
        List<Note> notes = new ArrayList<>();
        for (String one : words) {
            notes.add(new Note(BEGAN.plusSeconds(90 - notes.size()), one.split(" ")[0],
                    one.substring(one.indexOf(' ') + 1)));
        }
        return notes;
    }

    private static String shown(Shot shot, List<Note> notes, int columns, int rows, boolean unicode) {
        return String.join("\n", LiveView.lay(shot, notes, columns, rows, unicode, false));
    }

    @Test
    void noLineIsWiderThanTheTerminalAndNoPictureHigher() {
        for (String words : List.of("short", "a very long sentence that goes on ".repeat(20), "🔥".repeat(210))) {
            Shot shot = flapping(words);
            for (int width = 60; width <= 200; width += 7) {
                int columns = width;
                for (int rows : new int[] {5, 12, 24, 60}) {
                    List<String> lines = LiveView.lay(shot, notes("blip " + words), columns, rows, true, false);
                    assertTrue(lines.size() <= rows, lines.size() + " lines on " + rows);
                    lines.forEach(line -> assertTrue(line.codePointCount(0, line.length()) < columns, line));
                }
            }
        }
    }

    @ParameterizedTest(name = "{0} rows")
    @CsvSource(delimiter = '|', value = {
        "9 | DRILL flapping; ! FLAPPING for 1 d 6 h; ✗ auth; 3 of 3 good rounds; HTTP 503; next round in 12 s; "
                + "▶ MESSAGE TO PEOPLE OVERDUE by 3 min",
        "40 | incident began 3 d ago, now 03:00:00 UTC; ✗ auth                 0 %; ××××; (again in 41 s); – webhook; "
                + "✓ network            100 %; ✓ app-errors          20 %; Klaviyo at 03:00:00, identified; "
                + "123456 requests spent; 2 messages not accepted yet; Ctrl-C leaves"})
    void onALowTerminalWhatMattersStaysAndOnAHighOneAllIsThere(int rows, String needed) {
        String screen = shown(flapping("HTTP 503"), notes(), 100, rows, true).replace("ago; now", "ago, now");
        for (String one : needed.split("; ")) {
            assertTrue(screen.contains(one), one + " in\n" + screen);
        }
        String narrow = shown(flapping("HTTP 503"), notes(), 62, rows, true);
        assertFalse(Pattern.compile("(?m)^✗ auth.*…$").matcher(narrow).find(), "no room, so no words: " + narrow);
    }

    @ParameterizedTest(name = "{4}")
    @CsvSource(delimiter = '|', value = {
        "DEGRADED | .*                  | 60 | false | ✗ DOWN for",
        "DEGRADED | auth                | 60 | false | ✗ DEGRADED for",
        "STARTING | nothing             | 60 | false | … STARTING: nothing is decided yet",
        "DEGRADED | auth                | 3  | false | ▶ MESSAGE TO PEOPLE DUE in 3 min",
        "DEGRADED | auth                | 3  | true  | next post to Slack in 3 min"})
    void whatStandsOutIsHowBadItIsAndWhatAPersonHasToDo(State state, String failing, int minutes, boolean posts,
                                                        String said) {
        Shot shot = shot(state, failing, "503", Duration.ofMinutes(minutes), posts);
        String screen = shown(shot, notes(), 80, 24, true);
        assertTrue(screen.contains(said), screen);
        assertEquals(said.contains("MESSAGE"), screen.contains("MESSAGE"), screen);
    }

    @Test
    void onEightyByTwentyFourTheNewestEventWinsOverOldOnesAndOverDrafts() {
        List<Note> notes = notes("draft message-2-external.md", "draft message-2-internal.md",
                "degraded auth: HTTP 503", "blip 1 failed round", "draft message-1-internal.md");
        String low = shown(flapping("HTTP 503"), notes, 80, 16, true);
        assertTrue(low.contains("03:01:28 degraded: auth") && !low.contains("draft") && !low.contains("blip"), low);
        String high = shown(flapping("HTTP 503"), notes, 80, 30, true);
        assertTrue(high.indexOf("degraded: auth") < high.indexOf("blip: 1 failed"), high);
    }

    @Test
    void withoutSymbolsInItsCharacterSetTheTerminalGetsPlainAscii() {
        String plain = shown(flapping("café – 日本"), notes("blip é"), 100, 40, false);
        assertTrue(plain.chars().allMatch(c -> c == '\n' || c >= 0x20 && c < 0x7f), plain);
        assertTrue(plain.contains("x auth"), plain);
    }

    // ---- the chart

    private static final String HOSTILE =
            "</script><script>alert(1)</script> & \"quoted\" '\u001b[31m\u0000\uffff ]]> <svg onload=x>";

    private static String chart(boolean page, History history, List<Event> events) {
        return history.drawn(page, BEGAN::plusMillis, BEGAN.minusSeconds(600), BEGAN.plusSeconds(3_600), events,
                Optional.of("flapping"));
    }

    private static History history(String check, int rounds) {
        History history = new History();
        for (int round = 0; round < rounds; round++) {
            boolean good = round % 400 > 30;
            long took = good ? 120 + round % 50 : 15;
            history.add(round * 1_200L, List.of(new Reading(check, good ? Result.GOOD : Result.BAD, true, took, "")));
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
        List<Event> events = List.of(new Event(BEGAN, HOSTILE, HOSTILE, HOSTILE,
                Json.of(Map.of("kind", "status-page", "vendorAt", HOSTILE))));
        Document document = parse(chart(false, history(HOSTILE, 3_000), events));
        assertEquals(0, document.getElementsByTagName("script").getLength());
        assertEquals(1, document.getElementsByTagName("svg").getLength());
        String html = chart(true, history(HOSTILE, 3_000), events);
        assertFalse(html.contains("<script") || html.contains("<svg onload"), html);
    }

    @Test
    void theChartMarksEventsGapsAndFailuresByFormAndWordNotByColourAlone() throws Exception {
        String svg = chart(false, history("auth", 3_000),
                List.of(event(0, "watch", "degraded", Map.of("kind", "degraded")),
                event(900, "watch", "note", Map.of("kind", "recovering")),
                event(1_500, "watch", "note", Map.of("kind", "status-page", "vendorAt", "2026-11-23T03:20:00Z"))));
        for (String part : List.of("fill=\"url(#watch-bad)\"", "fill=\"url(#watch-unseen)\"",
                "failed in part", "not observed", "Klaviyo&#39;s status page", "degraded: degraded · watch",
                "03:20:00", "DRILL: flapping", "% good of 3000 looks", "prefers-color-scheme:dark", "@media print")) {
            assertTrue(svg.contains(part), part);
        }
        assertFalse(svg.matches("(?s).*(href|src)=.*"), "self-contained");
        parse(svg);
    }

    @Test
    void aVendorEntryOfDaysAgoStandsAtTheEdgeAndDoesNotSqueezeTheChart() {
        Event old = event(600, "watch", "note", Map.of("kind", "status-page", "vendorAt", "2026-11-20T09:00:00Z"));
        String svg = chart(false, history("auth", 3_000), List.of(old));
        assertTrue(svg.contains("2026-11-23 02:50:00 to 2026-11-23 04:00:00 UTC, 1 h 10 min"),
                "scaled to our incident");
        assertTrue(svg.contains("(before the picture) 2026-11-20 09:00:00 status-page: note"),
                "and the old one is named");
    }

    @Test
    void aChartOfADaysOfRoundsStaysSmallAndOneOfNothingIsDrawnToo() throws Exception {
        int size = chart(false, history("auth", 100_000), List.of()).length();
        assertTrue(size < 120_000, "characters: " + size);
        parse(chart(false, new History(), List.of()));
        List<Event> many = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            many.add(event(i, "postmortem", "note", Map.of()));
        }
        assertTrue(chart(false, new History(), many).contains("and 60 more events in the journal"));
    }
}
