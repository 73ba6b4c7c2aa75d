import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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

    private static Reading good(String check) {
        return new Reading(check, Result.GOOD, true, 120, "ok");
    }

    private static Reading bad(String check) {
        return new Reading(check, Result.BAD, true, 15, "HTTP 503");
    }

    private static Reading waiting(String check, Result result) {
        return new Reading(check, result, false, 15, "HTTP 503");
    }

    /** A round 30 s after the one before. */
    private List<Happening> round(Condition page, Reading... readings) {
        now += 30_000;
        return keeper.observe(new Round(now, List.of(readings), page == null ? List.of() : List.of(page)));
    }

    /**
     * Rounds as letters: g is good, b is bad, h lets an hour pass, G is a gap of an hour; all that they brought about.
     */
    private List<Happening> rounds(String letters) {
        List<Happening> all = new ArrayList<>();
        for (char letter : letters.toCharArray()) {
            switch (letter) {
                case 'g' -> all.addAll(round(GREEN, good("auth")));
                case 'b' -> all.addAll(round(GREEN, bad("auth")));
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

    private Condition condition(String name) {
        return keeper.conditions(now).stream().filter(condition -> condition.name().equals(name)).findFirst()
                .orElseThrow();
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
        List<Happening> falls = rounds("bbggbbggbb").stream().filter(one -> one.is(State.FLAPPING)).toList();
        assertEquals(List.of(true, false), falls.stream().map(one -> one.before().isPresent()).toList());
        assertEquals(List.of(2, 3), falls.stream().map(one -> one.facts().get("falls")).toList());
    }

    @Test
    void theConditionsSayHowFarItIsAndEachHoldsRecoveryBackUntilItIsMet() {
        rounds("bbgggg");
        assertEquals(new Condition("rounds", false, "4 of 3 good rounds in a row, good for 1 min 30 s of 2 min"),
                condition("rounds"));
        rounds("bb");
        assertEquals("0 of 3 good rounds in a row, good for 0 s of 2 min", condition("rounds").words());
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(RED, good("auth"))).contains("recovered"));
        }
        assertEquals(RED, condition("status-page"));
        assertEquals("recovered", kinds(rounds("g")));
    }

    @Test
    void aCheckThatWaitsForItsQuotaHasToBeLookedAtAgainBeforeItIsRecovered() {
        rounds("bb");
        for (int i = 0; i < 6; i++) {
            assertFalse(kinds(round(GREEN, good("app"), waiting("auth", Result.GOOD))).contains("recovered"));
        }
        assertEquals("not looked at since it is good: auth", condition("checks").words());
        assertEquals("recovered", kinds(round(GREEN, good("app"), good("auth"))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"GOOD", "BAD"})
    void anAnswerWithTheKeyProvesItSoThatRecoveryNeedNotWaitForTheSlowCheck(String before) {
        round(GREEN, bad("endpoint:profiles"), bad("auth"));
        round(GREEN, bad("endpoint:profiles"), waiting("auth", Result.BAD));
        List<Happening> all = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            all.addAll(round(GREEN, good("endpoint:profiles"), waiting("auth", Result.valueOf(before))));
        }
        assertEquals("recovering recovered", kinds(all));
        assertEquals("5 good rounds in a row over 2 min; auth is proven by endpoint:profiles", all.get(1).words());
    }

    @Test
    void aCheckThatFailsWhileItsProofPassesIsNotProvenByIt() {
        round(GREEN, good("endpoint:profiles"), bad("auth"));
        List<Happening> all = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            all.addAll(round(GREEN, good("endpoint:profiles"), waiting("auth", Result.BAD)));
        }
        assertEquals("", kinds(all));
        assertEquals("degraded", kinds(round(GREEN, good("endpoint:profiles"), bad("auth"))));
    }

    @Test
    void aRoundThatCannotLookAtWhatFailedIsNeitherGoodNorBad() {
        rounds("b");
        assertEquals("", kinds(round(GREEN, good("app"), waiting("auth", Result.BAD))));
        assertEquals("0 of 3 good rounds in a row, good for 0 s of 2 min", condition("rounds").words());
        assertEquals("degraded", kinds(rounds("b")));
    }

    @Test
    void aRoundInWhichNothingWasLookedAtIsNotGood() {
        assertTrue(Stream.generate(() -> round(GREEN, waiting("auth", Result.UNKNOWN))).limit(20)
                .allMatch(List::isEmpty));
        assertEquals(State.STARTING, keeper.state());
    }

    @Test
    void whatFailedIsNamedWithItsReasonAndNoMoreThanThreeNames() {
        round(GREEN, bad("auth"), bad("network"), bad("app"), bad("webhook"));
        Happening degraded = round(GREEN, bad("auth"), bad("network"), bad("app"), bad("webhook")).get(0);
        assertEquals("auth, network, app and 1 more: HTTP 503", degraded.words());
    }
}
