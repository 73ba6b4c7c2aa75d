import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.watching.Keeper;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Goal;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.Round;
import runbook.watching.Keeper.State;

/** The state machine of watch, transition by transition, with rounds made by hand and no clock but the rounds' own. */
class WatchStateTest {
    private static final Condition GREEN = new Condition("status-page", true,
            "status page: nothing worse than monitoring");
    private static final Condition RED = new Condition("status-page", false, "status page: API is identified");

    private Keeper keeper = keeper(State.STARTING, false, 2);
    private long now;

    private static Keeper keeper(State state, boolean troubled, int failAfter, Long... falls) {
        Goal goal = new Goal(3, Duration.ofMinutes(2), failAfter);
        return new Keeper(goal, state, state == State.STARTING ? 0 : -600_000, troubled, List.of(falls));
    }

    /**
     * A round 30 s after the one before: of each check (a is auth, p an endpoint, w the application) whether it was
     * good (+), bad (-), or not looked at, having been good (~), bad (=) or never looked at (?).
     */
    private List<Happening> round(Condition page, String checks) {
        List<Reading> readings = new ArrayList<>();
        for (int i = 0; i < checks.length(); i += 2) {
            String name = Map.of('a', "auth", 'p', "endpoint:profiles", 'w', "app", 'n', "network").get(checks.charAt(i));
            char how = checks.charAt(i + 1);
            Result result = how == '?' ? Result.UNKNOWN : "+~".indexOf(how) >= 0 ? Result.GOOD : Result.BAD;
            readings.add(new Reading(name, result, "+-".indexOf(how) >= 0, 15, result == Result.BAD ? "HTTP 503" : "ok"));
        }
        now += 30_000;
        return keeper.observe(new Round(now, readings, List.of(page)));
    }

    /**
     * Rounds as letters: g is good, b is bad, h lets an hour pass, G is a gap of an hour; all that they brought about.
     */
    private List<Happening> rounds(String letters) {
        List<Happening> all = new ArrayList<>();
        for (char letter : letters.toCharArray()) {
            switch (letter) {
                case 'g' -> all.addAll(round(GREEN, "a+"));
                case 'b' -> all.addAll(round(GREEN, "a-"));
                case 'h' -> now += 3_600_000;
                default -> {
                    all.add(keeper.gap(now, now + 3_600_000, "asleep"));
                    now += 3_600_000;
                }
            }
        }
        return all;
    }

    private static String kinds(List<Happening> happenings) {
        return String.join(" ", happenings.stream().map(Happening::kind).toList());
    }

    private List<String> conditions() {
        return keeper.conditions(now).stream().map(Condition::words).toList();
    }

    @ParameterizedTest(name = "{3}")
    @CsvSource(delimiter = '|', nullValues = "-", value = {
        "g | - | HEALTHY | the first good round is healthy when nothing was wrong before",
        "b | - | STARTING | one failed round raises no alarm",
        "bb | degraded | DEGRADED | two failed rounds are degraded",
        "bbbbbbbbb | degraded | DEGRADED | more failed rounds say nothing new",
        "ggbg | blip | HEALTHY | one failed round among good ones is a blip told when it is over",
        "3:gbbg | blip | HEALTHY | with --fail-after 3 two failed rounds are a blip",
        "3:gbbgbbb | blip degraded | DEGRADED | and three are not",
        "1:gb | degraded | DEGRADED | with --fail-after 1 the first failed round is degraded",
        "bbgggg | degraded recovering | RECOVERING | enough rounds in too short a time are not recovered",
        "bbghg | degraded recovering | RECOVERING | enough time with too few rounds is not recovered",
        "bbggggg | degraded recovering recovered | RECOVERED | enough rounds over enough time are recovered",
        "ggggg | recovered | RECOVERED | a healthy start recovers too",
        "bbgggbb | degraded recovering flapping | FLAPPING | falling back after good rounds is flapping",
        "bbggbbggbb | degraded recovering flapping flapping | FLAPPING | each further fall is told",
        "bbggbbggg | degraded recovering flapping | FLAPPING | good rounds while flapping are not called recovering",
        "bbggbbggggg | degraded recovering flapping recovered | RECOVERED | flapping ends in recovered",
        "bbggbbbbbbbbbbbbbbbbbbbbbbb | degraded recovering flapping degraded | DEGRADED | staying down is degraded",
        "bbghbb | degraded recovering degraded | DEGRADED | a fall long after the last one is no flapping",
        "gbgbgbg | blip blip blip flapping | FLAPPING | three blips in a short time are flapping",
        "hgbghgbghgbghgbg | blip blip blip blip | HEALTHY | rare blips never are",
        "bbgggggbb | degraded recovering recovered degraded | DEGRADED | failing after recovered is degraded",
        "bbggggGg | degraded recovering gap | RECOVERING | a gap costs the streak because nobody looked",
        "bGb | gap | STARTING | a gap between two failed rounds makes them not in a row",
        "bbggbbGbbbb | degraded recovering flapping gap | FLAPPING | failures after a gap are no second fall"})
    void theRoundsDecide(String letters, String kinds, State state, String why) {
        if (letters.contains(":")) {
            keeper = keeper(State.STARTING, false, Integer.parseInt(letters.substring(0, 1)));
        }
        assertEquals(kinds == null ? "" : kinds, kinds(rounds(letters.substring(letters.indexOf(':') + 1))), why);
        assertEquals(state, keeper.state(), why);
    }

    @ParameterizedTest(name = "{4}")
    @CsvSource(delimiter = '|', nullValues = "-", value = {
        "STARTING | g | recovering | RECOVERING | the first good round is recovering when an incident is under way",
        "DEGRADED | bbb | - | DEGRADED | a watch that goes on from degraded does not say it again",
        "DEGRADED | bbbg | recovering | RECOVERING | and says recovering once",
        "RECOVERING | gggg | - | RECOVERING | a watch that goes on from recovering starts its streak anew",
        "RECOVERING | ggggg | recovered | RECOVERED | and recovers",
        "FLAPPING | bbbb | - | FLAPPING | a watch that goes on from flapping says nothing twice",
        "FLAPPING | bbbbgbb | flapping | FLAPPING | but tells the next fall"})
    void aWatchGoesOnFromWhatIsKnown(State from, String letters, String kinds, State state, String why) {
        keeper = keeper(from, true, 2, from == State.FLAPPING ? new Long[] {-300_000L, -60_000L} : new Long[0]);
        assertEquals(kinds == null ? "" : kinds, kinds(rounds(letters)), why);
        assertEquals(state, keeper.state(), why);
    }

    @Test
    void aChangeSaysSinceWhenAndWhatWasWrong() {
        Happening degraded = rounds("bb").get(0);
        assertEquals("auth: HTTP 503", degraded.words());
        assertEquals(30_000, degraded.at(), "the first failure, not the round that made it sure");
        assertEquals("good again after 1 min; waiting until it holds", rounds("g").get(0).words());
        Happening recovered = rounds("gggg").get(0);
        assertEquals("5 good rounds in a row over 2 min", recovered.words());
        assertEquals(Instant.ofEpochMilli(90_000), recovered.facts().get("goodSince"));
        assertEquals("nothing was observed for 1 h (asleep); not counted as healthy", rounds("G").get(0).words());
    }

    @Test
    void onlyTheFirstOfSeveralFallsChangesTheStateAndSoIsTold() {
        assertEquals("2 true 3 false", rounds("bbggbbggbb").stream().filter(one -> one.is(State.FLAPPING))
                .map(one -> one.facts().get("falls") + " " + one.before().isPresent()).collect(Collectors.joining(" ")));
    }

    @Test
    void theConditionsSayHowFarItIsAndEachHoldsRecoveryBackUntilItIsMet() {
        rounds("bbgggg");
        assertEquals(List.of("4 of 3 good rounds in a row, good for 1 min 30 s of 2 min", GREEN.words()), conditions());
        rounds("bb");
        assertEquals("0 of 3 good rounds in a row, good for 0 s of 2 min", conditions().get(0));
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(RED, "a+")).contains("recovered"));
        }
        assertEquals(RED.words(), conditions().get(1));
        assertEquals("recovered", kinds(rounds("g")));
    }

    @ParameterizedTest(name = "{2}")
    @CsvSource(delimiter = '|', nullValues = "-", value = {
        "a- a- 6*w+a~       | degraded recovering           | a check that waits for its quota has to be looked at again",
        "a- a- 6*w+a~ w+a+  | degraded recovering recovered | and then it is recovered",
        "p-a- p-a= 5*p+a=   | degraded recovering recovered | an answer with the key proves it: no need to wait",
        "p-a- p-a= 5*p+a~   | degraded recovering recovered | whatever the check of the key saw last",
        "p+a- 8*p+a=        | -                             | a check that fails while its proof passes is not proven by it",
        "p+a- 8*p+a= p+a-   | degraded                      | and is down when it fails again",
        "a- w+a= a-         | degraded                      | a round that cannot look at what failed is neither good nor bad",
        "20*a?              | -                             | a round in which nothing was looked at is not good"})
    void whatIsNotLookedAtInEachRoundIsNeitherForgottenNorWaitedForInVain(String rounds, String kinds, String why) {
        List<Happening> all = new ArrayList<>();
        for (String round : rounds.split(" ")) {
            String[] times = ("1*" + round).replaceFirst("^1\\*(?=\\d)", "").split("\\*");
            for (int i = 0; i < Integer.parseInt(times[0]); i++) {
                all.addAll(round(GREEN, times[1]));
            }
        }
        assertEquals(kinds == null ? "" : kinds, kinds(all), why);
    }

    @Test
    void whatFailedIsNamedWithItsReasonAndNoMoreThanThreeNames() {
        round(GREEN, "a-n-w-p-");
        assertEquals("auth, network, app and 1 more: HTTP 503", round(GREEN, "a-n-w-p-").get(0).words());
    }
}
