import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;
import javax.xml.parsers.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.Klaviyo.Endpoint;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.watching.*;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Goal;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.Round;
import runbook.watching.Keeper.State;
import runbook.watching.Memory.History;
import runbook.watching.Memory.Past;
import runbook.watching.Rounds.Pace;
import runbook.watching.Watching.Shot;
import runbook.watching.Watching.Ticker;

/**
 * The parts of watch that need neither a network nor a process: when it has recovered, how often it asks, what the
 * journal tells, the screen and the chart. Most cases are in {@code watch-cases.txt}.
 */
class WatchPartsTest {
    private static final Instant BEGAN = Instant.parse("2026-11-23T03:00:00Z");

    // ---- the state machine, with rounds made by hand and no clock but the rounds' own

    private static final Condition GREEN = new Condition("status-page", true,
            "status page: nothing worse than monitoring");
    private static final Condition RED = new Condition("status-page", false, "status page: API is identified");

    private Keeper keeper = new Keeper(goal(2), State.STARTING, 0, false);
    private long now;

    private static Goal goal(int failAfter) {
        return new Goal(3, Duration.ofMinutes(2), failAfter);
    }

    /** A round 30 s after the one before. */
    private List<Happening> round(Condition page, String checks) {
        List<Reading> readings = new ArrayList<>();
        for (int i = 0; i < checks.length(); i += 2) {
            char check = checks.charAt(i);
            String name = Map.of('a', "auth", 'p', "endpoint:profiles", 'w', "app", 'n', "network").get(check);
            char how = checks.charAt(i + 1);
            Result seen = "+~".indexOf(how) >= 0 ? Result.GOOD : Result.BAD;
            readings.add(new Reading(name, how == '?' ? Result.UNKNOWN : seen, "+-".indexOf(how) >= 0, 15,
                    seen == Result.BAD ? "HTTP 503" : "ok"));
        }
        now += 30_000;
        return keeper.observe(new Round(now, readings, List.of(page)));
    }

    private List<Happening> rounds(String letters) {
        List<Happening> all = new ArrayList<>();
        for (char letter : letters.toCharArray()) {
            long hour = "hG".indexOf(letter) >= 0 ? 3_600_000 : 0;
            if (letter == 'G') {
                all.add(keeper.gap(now, now + hour, "asleep"));
            } else if (hour == 0) {
                all.addAll(round(GREEN, letter == 'g' ? "a+" : "a-"));
            }
            now += hour;
        }
        return all;
    }

    private static String kinds(List<Happening> happenings) {
        return happenings.isEmpty() ? null : String.join(" ", happenings.stream().map(Happening::kind).toList());
    }

    private List<String> conditions() {
        return keeper.conditions(now).stream().map(Condition::words).toList();
    }

    @ParameterizedTest(name = "{3}")
    @Cases("watch-cases.txt: rounds")
    void theRoundsDecide(String letters, String kinds, State state, String why) {
        String[] from = letters.split(":(?=\\w)");
        if (from.length > 1 && from[0].matches("\\d")) {
            keeper = new Keeper(goal(Integer.parseInt(from[0])), State.STARTING, 0, false);
        } else if (from.length > 1) {
            keeper = new Keeper(goal(2), State.valueOf(from[0]), -600_000, true);
        }
        assertEquals(kinds, kinds(rounds(from[from.length - 1])), why);
        assertEquals(state, keeper.state(), why);
    }

    @ParameterizedTest(name = "{2}")
    @Cases("watch-cases.txt: partial rounds")
    void whatIsNotLookedAtInEachRoundIsNeitherForgottenNorWaitedForInVain(String rounds, String kinds, String why) {
        List<Happening> all = new ArrayList<>();
        for (String round : rounds.split(" ")) {
            String[] times = (round.contains("*") ? round : "1*" + round).split("\\*");
            IntStream.range(0, Integer.parseInt(times[0])).forEach(i -> all.addAll(round(GREEN, times[1])));
        }
        assertEquals(kinds, kinds(all), why);
    }

    @Test
    void aChangeSaysSinceWhenAndWhatWasWrong() {
        Happening degraded = rounds("bb").get(0);
        assertEquals("auth: HTTP 503", degraded.words());
        assertEquals(Instant.ofEpochMilli(30_000), degraded.facts().get("since"), "not the round that made it sure");
        assertEquals("good again; waiting until it holds", rounds("g").get(0).words());
        Happening recovered = rounds("gggg").get(0);
        assertEquals("5 good rounds in a row over 2 min", recovered.words());
        assertEquals(Instant.ofEpochMilli(90_000), recovered.facts().get("goodSince"));
        assertEquals("nothing was observed for 1 h (asleep); not counted as healthy", rounds("G").get(0).words());
        round(GREEN, "a-n-w-p-");
        assertEquals("auth, network, app and 1 more: HTTP 503", round(GREEN, "a-n-w-p-").get(0).words());
        assertEquals("2 true 3 false", rounds("ggbbggbb").stream().filter(one -> one.is(State.FLAPPING))
                .map(one -> one.facts().get("falls") + " " + one.before().isPresent()).collect(Collectors.joining(" ")),
                "only the first of several falls changes the state, and so is told");
    }

    @Test
    void theConditionsSayHowFarItIsAndEachHoldsRecoveryBackUntilItIsMet() {
        rounds("bbgggg");
        assertEquals(List.of("4 of 3 good rounds in a row, good for 1 min 30 s of 2 min", GREEN.words()), conditions());
        rounds("bb");
        assertEquals("0 of 3 good rounds in a row, good for 0 s of 2 min", conditions().get(0));
        IntStream.range(0, 10).forEach(i -> assertFalse(("" + kinds(round(RED, "a+"))).contains("recovered")));
        assertEquals(RED.words(), conditions().get(1));
        assertEquals("recovered", kinds(rounds("g")));
    }

    // ---- how often it asks: no endpoint more than a tenth of its quota in any minute

    private static final List<String> ALL = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:lists", "endpoint:metrics", "endpoint:events", "endpoint:webhooks");

    private static Pace pace(long intervalMillis) {
        return new Pace(ALL, Duration.ofMillis(intervalMillis), 1, new Random(7)::nextDouble);
    }

    /** The times of every check in ten minutes of rounds. */
    private static Map<String, List<Long>> minutes(Pace pace) {
        Map<String, List<Long>> times = new HashMap<>();
        for (long now = 0; now < 600_000; now = Math.max(now + 1, pace.next())) {
            Set<String> due = pace.due(now);
            pace.made(due, now);
            for (String check : due) {
                times.computeIfAbsent(check, name -> new ArrayList<>()).add(now);
            }
        }
        return times;
    }

    private static long mostInAMinute(List<Long> times) {
        return times.stream().mapToLong(from -> times.stream().filter(at -> at >= from && at < from + 60_000).count())
                .max().orElseThrow();
    }

    @ParameterizedTest
    @ValueSource(longs = {100, 1_000, 7_000, 30_000, 61_000})
    void everyQuotaIsUsedToATenthInAnyMinuteAndNoFurtherHoweverShortTheInterval(long interval) {
        Map<String, List<Long>> times = minutes(pace(interval));
        for (Endpoint endpoint : Endpoint.KNOWN) {
            long most = mostInAMinute(times.get("endpoint:" + endpoint.name()));
            assertTrue(most <= endpoint.steady() / 10, endpoint.name() + " " + most);
        }
        assertEquals(1, mostInAMinute(times.get("auth")), "accounts allows 15 a minute: a tenth is one");
    }

    @Test
    void theLowerOfWhatIsPublishedAndWhatTheApiSaysCountsAndIsUsed() {
        Pace pace = pace(100);
        pace.limit("profiles", 20);
        pace.limit("lists", 9_000);
        Map<String, List<Long>> times = minutes(pace);
        assertEquals(10, times.get("auth").size(), 1);
        assertEquals(14, mostInAMinute(times.get("endpoint:metrics")), 1);
        assertTrue(mostInAMinute(times.get("endpoint:profiles")) <= 2, "the lower limit that the API states");
        assertTrue(mostInAMinute(times.get("endpoint:lists")) <= 75, "a higher one than is published does not count");
    }

    @Test
    void roundsComeAnIntervalApartGiveOrTakeATenth() {
        List<Long> rounds = minutes(pace(30_000)).get("network");
        List<Long> apart = IntStream.range(1, rounds.size()).mapToObj(i -> rounds.get(i) - rounds.get(i - 1)).toList();
        assertTrue(apart.stream().allMatch(one -> one >= 27_000 && one <= 33_000), apart.toString());
        assertTrue(Set.copyOf(apart).size() > 9, "without jitter all watches of a company would ask at once");
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({"status-page auth, 60600, auth status-page", "status-page auth app, 5000, app status-page"})
    void theNextRoundWaitsOnlyWhereEveryCheckWaitsForItsQuota(String checks, long next, String due) {
        Pace pace = new Pace(List.of(checks.split(" ")), Duration.ofSeconds(5), 1, () -> 0.5);
        pace.made(pace.due(0), 0);
        assertEquals(next, pace.next());
        assertEquals(due, String.join(" ", pace.due(next)));
    }

    @Test
    void anEndpointIsLeftAloneForAsLongAsItsRetryAfterAsksAndARequestOfAnEarlierWatchCounts() {
        Pace pace = pace(1_000);
        pace.hold("profiles", 28_000);
        assertFalse(pace.due(27_999).contains("endpoint:profiles"));
        assertTrue(pace.due(27_999).containsAll(List.of("endpoint:lists", "auth")));
        assertTrue(pace.due(28_000).contains("endpoint:profiles"));
        pace.made(Set.of("auth"), -30_000);
        assertEquals(Optional.of(Duration.ofMillis(15_600)), pace.wait("auth", 15_000));
        assertFalse(pace.due(30_000).contains("auth"));
        assertTrue(pace.due(31_000).contains("auth"));
    }

    @ParameterizedTest(name = "{2}")
    @Cases("watch-cases.txt: clocks")
    void timeIsThatOfTheMonotonicClockAndTimeAsleepCounts(String steps, long elapsed, String why) {
        AtomicLong monotonic = new AtomicLong(1_000_000);
        AtomicLong wall = new AtomicLong(77_000_000_000L);
        Ticker ticker = new Ticker(monotonic::get, wall::get);
        String[] each = steps.split(" ");
        for (int i = 0; i < each.length; i += 2) {
            monotonic.addAndGet(Long.parseLong(each[i]));
            wall.addAndGet(Long.parseLong(each[i]) + Long.parseLong(each[i + 1]));
            ticker.millis();
        }
        assertEquals(77_000_000_000L + elapsed, ticker.millis(), why);
    }

    // ---- what the journal tells a watch that is started again

    private static Event event(int second, String step, String name, Map<String, ?> data) {
        return new Event(BEGAN.plusSeconds(second), step, name, name, Json.of(data));
    }

    @Test
    void theJournalTellsWhereAWatchStoodAlsoWhereTheClockWasSetBackAndNonsenseIsPassedOver() {
        long began = BEGAN.toEpochMilli();
        Event change = event(0, "watch", "degraded", Map.of("kind", "degraded", "since", "soon", "post", true));
        Event strange = event(1, "watch", "strange", Map.of("kind", 7, "post", "all"));
        Event posted = event(2, "watch", "announced", Map.of("of", change.at().toString()));
        Past past = Past.of(List.of(change, strange), began + 7_000);
        assertEquals(List.of(State.DEGRADED, began, began + 1_000, true, List.of(change)),
                List.of(past.state(), past.since(), past.watched(), past.troubled(), past.unposted()));
        assertEquals(began - 7, Past.of(List.of(change), began - 7).since(), "a clock set back");
        assertEquals(List.of(), Past.of(List.of(change, posted), began).unposted());
        Event recovered = event(60, "watch", "recovered", Map.of("kind", "recovered"));
        Event worse = event(90, "triage", "diagnosed", Map.of("diagnosis", "server-error", "severity", "P2"));
        assertEquals(List.of(false, true), Stream.of(List.of(change, recovered), List.of(change, recovered, worse))
                .map(events -> Past.of(events, began + 99_000).troubled()).toList(), "whatever step sees it again");
    }

    // ---- the live view

    private static Shot shot(State state, String failing, String words, int minutesLeft, boolean posts) {
        List<Reading> readings = new ArrayList<>();
        for (String check : List.of("status-page", "network", "endpoint:profiles", "endpoint:lists", "auth", "app")) {
            Result result = check.matches(failing) ? Result.BAD : check.equals("app") ? Result.UNKNOWN : Result.GOOD;
            readings.add(new Reading(check, result, !check.equals("auth"), 12_345, words));
        }
        Optional<String> record = Optional.of("jbang postmortem@org event told --kind announced");
        return new Shot(Optional.of("flapping"), BEGAN, state, Duration.ofHours(1), Duration.ofHours(30),
                Optional.of(Duration.ofDays(3)), Optional.empty(), readings,
                check -> Optional.of(Duration.ofSeconds(41)),
                List.of(new Condition("rounds", true, "3 of 3 good rounds in a row"),
                new Condition("status-page", false, words)), 7, false, 123_456, Optional.of(Duration.ofSeconds(12)),
                Optional.of(Duration.ofMinutes(minutesLeft)), record.filter(any -> !posts), 2);
    }

    private static List<Event> notes(String... words) {
        return IntStream.range(0, words.length).mapToObj(i -> new Event(BEGAN.plusSeconds(90 - i), "watch",
                words[i].split(" ")[0], words[i].substring(words[i].indexOf(' ') + 1), Json.object())).toList();
    }

    private static String shown(Shot shot, List<Event> notes, int columns, int rows, Charset charset) {
        Screen.Host host = new Screen.Host(Map.of(), null, null, null, null, charset, false);
        Screen screen = new Screen(host, System.out, true, Screen.Level.ALL);
        return String.join("\n", LiveView.lay(shot, notes, columns, rows, screen));
    }

    @ParameterizedTest
    @ValueSource(strings = {"short", "a very long sentence that goes on and on and on, over any edge", "🔥🔥🔥"})
    void noLineIsWiderThanTheTerminalAndNoPictureHigher(String words) {
        String said = words.repeat(10);
        for (int columns : new int[] {20, 60, 80, 200}) {
            for (int rows : new int[] {3, 12, 24, 60}) {
                Shot shot = shot(State.FLAPPING, "auth", said, -3, false);
                List<String> lines = shown(shot, notes("blip " + said), columns, rows, UTF_8).lines().toList();
                assertTrue(lines.size() <= rows, lines.size() + " lines on " + rows);
                lines.forEach(line -> assertTrue(line.codePointCount(0, line.length()) < columns, line));
            }
        }
    }

    @ParameterizedTest(name = "{0} rows")
    @Cases("watch-cases.txt: low and high terminals")
    void onALowTerminalWhatMattersStaysAndOnAHighOneAllIsThere(int rows, String needed) {
        Shot flapping = shot(State.FLAPPING, "auth", "HTTP 503", -3, false);
        List<Event> notes = notes("draft message-2-external.md", "draft message-1-internal.md",
                "degraded auth: HTTP 503", "blip 1 failed round");
        String screen = shown(flapping, notes, 80, rows, UTF_8);
        for (String one : needed.split("; ")) {
            assertTrue(screen.replace(';', ',').contains(one), one + " in\n" + screen);
        }
        assertEquals(rows > 20, screen.contains("draft") && screen.contains("blip"), "the newest event of weight wins");
        String plain = shown(shot(State.FLAPPING, "auth", "café – 日本", -3, false), notes("blip é"), 80, rows, US_ASCII);
        assertTrue(plain.contains("x auth") && plain.matches("[\\n\\x20-\\x7e]+"), plain);
    }

    @ParameterizedTest(name = "{4}")
    @Cases("watch-cases.txt: what stands out")
    void whatStandsOutIsHowBadItIsAndWhatAPersonHasToDo(State state, String failing, int minutes, boolean posts,
                                                        String said) {
        String screen = shown(shot(state, failing, "503", minutes, posts), notes(), 80, 24, UTF_8);
        assertTrue(screen.contains(said), screen);
        assertEquals(said.contains("MESSAGE"), screen.contains("MESSAGE"), screen);
    }

    // ---- the chart

    private static final String HOSTILE =
            "</script><script>alert(1)</script> & \"quoted\" '\u001b[31m\u0000\uffff ]]> <svg onload=x>";

    private static Chart chart(History history, List<Event> events) {
        return history.drawn(BEGAN.minusSeconds(600), BEGAN.plusSeconds(3_600), events, "flapping");
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
        Chart chart = chart(history(HOSTILE, 3_000), List.of(new Event(BEGAN, HOSTILE, HOSTILE, HOSTILE,
                Json.of(Map.of("kind", "status-page", "vendorAt", HOSTILE)))));
        Document document = parse(chart.svg());
        assertEquals(0, document.getElementsByTagName("script").getLength());
        assertEquals(1, document.getElementsByTagName("svg").getLength());
        String html = Chart.page(Templates.BUILT_IN, "x", chart.figure());
        assertFalse(html.contains("<script") || html.contains("<svg onload"), html);
    }

    @Test
    void theChartMarksEventsAndFailuresByFormAndWordAndAnEntryOfDaysAgoDoesNotSqueezeIt() throws Exception {
        String svg = chart(history("auth", 3_000), List.of(event(0, "watch", "degraded", Map.of("kind", "degraded")),
                event(900, "watch", "note", Map.of("kind", "recovering")), event(600, "watch", "note",
                Map.of("kind", "status-page", "vendorAt", "2026-11-20T09:00:00Z")))).svg();
        for (String part : List.of("fill=\"url(#watch-bad)\"", "failed in part", "degraded: degraded · watch",
                "Klaviyo&#39;s status page", "DRILL: flapping", "% good of 3,000 looks", "prefers-color-scheme:dark",
                "@media print", "2026-11-23 02:50:00 to 2026-11-23 04:00:00 UTC, 1 h 10 min",
                "(before the picture) 2026-11-20 09:00:00 status-page: note")) {
            assertTrue(svg.contains(part), part);
        }
        assertFalse(svg.matches("(?s).*(href|src)=.*"), "self-contained");
        parse(svg);
    }

    @Test
    void aChartOfDaysOfRoundsStaysSmallAndATimeInWhichNobodyLookedIsNeitherGoodNorBad() throws Exception {
        int size = chart(history("auth", 100_000), List.of()).svg().length();
        assertTrue(size < 120_000, "characters: " + size);
        String nothing = chart(history("auth", 0), IntStream.range(0, 100)
                .mapToObj(i -> event(i, "postmortem", "note", Map.of())).toList()).svg();
        parse(nothing);
        assertTrue(nothing.contains("and 60 more events in the journal"));
        History history = history("auth", 100);
        history.add(BEGAN.toEpochMilli() + 1_800_000, List.of(new Reading("auth", Result.GOOD, true, 5, "")));
        String svg = chart(history, List.of()).svg();
        assertTrue(svg.contains("<title>good 2026-11-23 03:00:37 to 2026-11-23 03:01:58</title>"), svg);
        assertEquals(3, svg.split("<polyline").length, "two lines");
    }
}
