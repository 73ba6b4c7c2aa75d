import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.nio.charset.Charset;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import runbook.Chart;
import runbook.Cli;
import runbook.Incident.Event;
import runbook.Screen;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;
import runbook.watching.LiveView;
import runbook.watching.LiveView.Note;
import runbook.watching.Memory.History;
import runbook.watching.Memory.Past;
import runbook.watching.Watching.Shot;

/** The parts of watch that need neither a network nor a process: what the journal tells, the screen and the chart. */
class WatchPartsTest {
    private static final Instant BEGAN = Instant.parse("2026-11-23T03:00:00Z");

    private static Event event(int second, String step, String name, Map<String, ?> data) {
        return new Event(BEGAN.plusSeconds(second), step, name, name, Json.of(data));
    }

    private static Event watched(int second, State state) {
        String name = state == State.RECOVERED || state == State.DEGRADED ? state.word() : "note";
        return event(second, "watch", name, Map.of("kind", state.word()));
    }

    private static Past past(Event... events) {
        return Past.of(List.of(events), Instant.now().toEpochMilli());
    }

    // ---- what the journal tells a watch that is started again

    @Test
    void theLastStateOfAnEarlierWatchIsGoneOnFromUntilItRecoveredAndWhateverStepSeesItAgainIsTrouble() {
        long began = BEGAN.toEpochMilli();
        Event degraded = watched(0, State.DEGRADED);
        Event recovered = watched(60, State.RECOVERED);
        Past past = past(degraded, watched(60, State.RECOVERING));
        assertEquals("RECOVERING true " + List.of(began + 60_000, began + 60_000) + List.of(began), past.state() + " "
                + past.troubled() + " " + List.of(past.since(), past.watched()) + past.falls());
        assertEquals(began + 7, Past.of(List.of(watched(9, State.DEGRADED)), began + 7).since(), "a clock set back");
        assertEquals(List.of(), past(degraded, recovered).falls(), "falls before it are forgotten");
        Event worse = event(90, "triage", "diagnosed", Map.of("diagnosis", "server-error", "severity", "P2"));
        Event healthy = event(90, "triage", "note", Map.of("diagnosis", "healthy"));
        assertEquals(List.of(false, true, false, true, false), Stream.of(past(), past(worse), past(degraded, recovered),
                past(degraded, recovered, worse), past(degraded, recovered, healthy)).map(Past::troubled).toList());
    }

    @Test
    void whatWasToBePostedIsSoUntilSlackHasConfirmedItAndNonsenseIsPassedOver() {
        Event change = event(0, "watch", "degraded", Map.of("kind", "degraded", "since", "soon", "post", true));
        Event strange = event(1, "watch", "strange", Map.of("kind", 7, "post", "all"));
        Event posted = event(2, "watch", "announced", Map.of("of", change.at().toString()));
        assertEquals(List.of(change), past(change, strange).unposted());
        assertEquals(List.of(), past(change, posted).unposted());
        assertEquals(BEGAN.toEpochMilli(), past(change, strange).since());
    }

    // ---- the live view

    private static Shot shot(State state, String failing, String words, Duration due, boolean posts) {
        List<Reading> readings = new ArrayList<>();
        for (String check : List.of("status-page", "network", "endpoint:profiles", "endpoint:lists", "auth", "app")) {
            Result result = check.matches(failing) ? Result.BAD : check.equals("app") ? Result.UNKNOWN : Result.GOOD;
            readings.add(new Reading(check, result, !check.equals("auth"), 12_345, words));
        }
        return new Shot(Optional.of("flapping"), BEGAN, state, Duration.ofHours(1), Duration.ofHours(30),
                Optional.of(Duration.ofDays(3)), Optional.empty(), readings, check -> Optional.of(Duration.ofSeconds(41)),
                List.of(new Condition("rounds", true, "3 of 3 good rounds in a row"),
                new Condition("status-page", false, words)), 7, false, 123_456, Optional.of(Duration.ofSeconds(12)),
                Optional.of(due), Optional.of("jbang postmortem@org event told --kind announced").filter(any -> !posts), 2);
    }

    private static Shot flapping(String words) {
        return shot(State.FLAPPING, "auth", words, Duration.ofMinutes(-3), false);
    }

    private static List<Note> notes(String... words) {
        return IntStream.range(0, words.length).mapToObj(i -> new Note(BEGAN.plusSeconds(90 - i),
                words[i].split(" ")[0], words[i].substring(words[i].indexOf(' ') + 1))).toList();
    }

    private static String shown(Shot shot, List<Note> notes, int columns, int rows, Charset charset) {
        Cli.Host host = new Cli.Host(Map.of(), null, null, null, null, charset, false);
        Screen screen = new Screen(host, System.out, true, Screen.Level.ALL);
        return String.join("\n", LiveView.lay(shot, notes, columns, rows, screen));
    }

    @ParameterizedTest
    @ValueSource(strings = {"short", "a very long sentence that goes on and on and on, over any terminal's edge", "🔥🔥🔥"})
    void noLineIsWiderThanTheTerminalAndNoPictureHigher(String words) {
        for (int columns : new int[] {20, 60, 80, 200}) {
            for (int rows : new int[] {3, 12, 24, 60}) {
                String said = words.repeat(10);
                List<String> lines = shown(flapping(said), notes("blip " + said), columns, rows, UTF_8).lines().toList();
                assertTrue(lines.size() <= rows, lines.size() + " lines on " + rows);
                lines.forEach(line -> assertTrue(line.codePointCount(0, line.length()) < columns, line));
            }
        }
    }

    @ParameterizedTest(name = "{0} rows")
    @CsvSource(delimiter = '|', value = {
        "12 | DRILL flapping; ! FLAPPING for 1 d 6 h; ! MESSAGE TO PEOPLE OVERDUE by 3 min; jbang postmortem@org event; "
                + "✓ 3 of 3 good rounds; ! HTTP 503; ✗ auth; 2 messages not accepted yet; 03:01:28 degraded: auth",
        "40 | FLAPPING for 1 d 6 h (now 03:00:00 UTC); incident began 3 d ago, next round in 12 s, Ctrl-C leaves, 123456; "
                + "✗ auth                    12 s  (again in 41 s) HTTP 503; ✓ network; – app; draft: message-2; blip"})
    void onALowTerminalWhatMattersStaysAndOnAHighOneAllIsThere(int rows, String needed) {
        List<Note> notes = notes("draft message-2-external.md", "draft message-1-internal.md",
                "degraded auth: HTTP 503", "blip 1 failed round");
        String screen = shown(flapping("HTTP 503"), notes, 80, rows, UTF_8);
        for (String one : needed.split("; ")) {
            assertTrue(screen.replace(';', ',').contains(one), one + " in\n" + screen);
        }
        assertEquals(rows > 20, screen.contains("draft") && screen.contains("blip"), "the newest event of weight wins");
        String plain = shown(flapping("café – 日本"), notes("blip é"), 80, rows, US_ASCII);
        assertTrue(plain.contains("x auth") && plain.matches("[\\n\\x20-\\x7e]+"), plain);
    }

    @ParameterizedTest(name = "{4}")
    @CsvSource(delimiter = '|', value = {
        "DEGRADED | .*                  | 60 | false | ✗ DOWN for",
        "DEGRADED | auth                | 60 | false | ✗ DEGRADED for",
        "STARTING | nothing             | 60 | false | ! STARTING: nothing is decided yet",
        "DEGRADED | auth                | 3  | false | ! MESSAGE TO PEOPLE DUE in 3 min",
        "DEGRADED | auth                | 3  | true  | next post to Slack in 3 min"})
    void whatStandsOutIsHowBadItIsAndWhatAPersonHasToDo(State state, String failing, int minutes, boolean posts,
                                                        String said) {
        String screen = shown(shot(state, failing, "503", Duration.ofMinutes(minutes), posts), notes(), 80, 24, UTF_8);
        assertTrue(screen.contains(said), screen);
        assertEquals(said.contains("MESSAGE"), screen.contains("MESSAGE"), screen);
    }

    // ---- the chart

    private static final String HOSTILE =
            "</script><script>alert(1)</script> & \"quoted\" '\u001b[31m\u0000\uffff ]]> <svg onload=x>";

    private static String chart(boolean page, History history, List<Event> events) {
        Chart chart = history.drawn(BEGAN.minusSeconds(600), BEGAN.plusSeconds(3_600), events, Optional.of("flapping"));
        return page ? chart.page(Templates.builtIn()) : chart.svg();
    }

    private static History history(String check, int rounds) {
        History history = new History(Duration.ofMinutes(3));
        for (int round = 0; round < rounds; round++) {
            boolean good = round % 400 > 30;
            history.add(BEGAN.toEpochMilli() + round * 1_200L, List.of(
                    new Reading(check, good ? Result.GOOD : Result.BAD, true, good ? 120 + round % 50 : 15, "")));
        }
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
    void theChartMarksEventsAndFailuresByFormAndWordAndAnEntryOfDaysAgoDoesNotSqueezeIt() throws Exception {
        String svg = chart(false, history("auth", 3_000),
                List.of(event(0, "watch", "degraded", Map.of("kind", "degraded")),
                event(900, "watch", "note", Map.of("kind", "recovering")),
                event(600, "watch", "note", Map.of("kind", "status-page", "vendorAt", "2026-11-20T09:00:00Z"))));
        for (String part : List.of("fill=\"url(#watch-bad)\"", "failed in part", "degraded: degraded · watch",
                "Klaviyo&#39;s status page", "DRILL: flapping", "% good of 3000 looks", "prefers-color-scheme:dark",
                "@media print", "2026-11-23 02:50:00 to 2026-11-23 04:00:00 UTC, 1 h 10 min",
                "(before the picture) 2026-11-20 09:00:00 status-page: note")) {
            assertTrue(svg.contains(part), part);
        }
        assertFalse(svg.matches("(?s).*(href|src)=.*"), "self-contained");
        parse(svg);
    }

    @Test
    void aChartOfDaysOfRoundsStaysSmallAndATimeInWhichNobodyLookedIsNeitherGoodNorBad() throws Exception {
        int size = chart(false, history("auth", 100_000), List.of()).length();
        assertTrue(size < 120_000, "characters: " + size);
        List<Event> many = IntStream.range(0, 100).mapToObj(i -> event(i, "postmortem", "note", Map.of())).toList();
        String nothing = chart(false, history("auth", 0), many);
        parse(nothing);
        assertTrue(nothing.contains("and 60 more events in the journal"));
        History history = history("auth", 100);
        history.add(BEGAN.toEpochMilli() + 1_800_000, List.of(new Reading("auth", Result.GOOD, true, 5, "")));
        String svg = chart(false, history, List.of());
        assertTrue(svg.contains("<title>good 2026-11-23 03:00:37 to 2026-11-23 03:01:58</title>"), svg);
        assertEquals(3, svg.split("<polyline").length, "two lines");
    }
}
