import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import runbook.watching.Backlog;
import runbook.watching.Condition;
import runbook.watching.Goal;
import runbook.watching.Happening;
import runbook.watching.Happening.Blip;
import runbook.watching.Happening.Degraded;
import runbook.watching.Happening.Flapping;
import runbook.watching.Happening.Gap;
import runbook.watching.Happening.Recovered;
import runbook.watching.Happening.Recovering;
import runbook.watching.Page;
import runbook.watching.Reading;
import runbook.watching.Reading.Result;
import runbook.watching.Round;
import runbook.watching.State;
import runbook.watching.Watchkeeper;

/** The state machine of watch, transition by transition, with rounds made by hand and no clock but the rounds' own. */
class WatchStateTest {
    private static final Goal GOAL = new Goal(3, Duration.ofMinutes(2), 2);
    private static final Page GREEN = new Page(List.of(), "", Optional.empty());
    private static final Page RED = new Page(List.of("Klaviyo API: major outage"), "", Optional.empty());

    private Watchkeeper keeper = fresh(false);
    private long now;

    private static Watchkeeper fresh(boolean troubled) {
        return new Watchkeeper(GOAL, State.STARTING, 0, troubled, List.of());
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
    private List<Happening> round(Page page, Backlog backlog, Reading... readings) {
        now += 30_000;
        return keeper.observe(new Round(now, List.of(readings), page, backlog));
    }

    private List<Happening> pass() {
        return round(GREEN, null, good("auth"));
    }

    private List<Happening> fail() {
        return round(GREEN, null, bad("auth"));
    }

    /** Rounds written as a word: g is good, b is bad; all that they brought about. */
    private List<Happening> rounds(String word) {
        List<Happening> all = new ArrayList<>();
        word.chars().forEach(c -> all.addAll(c == 'g' ? pass() : fail()));
        return all;
    }

    private static List<String> kinds(List<Happening> happenings) {
        return happenings.stream().map(happening -> happening.getClass().getSimpleName()).toList();
    }

    private Condition condition(String name) {
        return keeper.conditions(now).stream().filter(condition -> condition.name().equals(name)).findFirst().orElseThrow();
    }

    @Test
    void theFirstGoodRoundIsHealthyWhenNothingWasWrongBefore() {
        assertEquals(List.of(), pass());
        assertEquals(State.HEALTHY, keeper.state());
    }

    @Test
    void theFirstGoodRoundIsRecoveringWhenAnIncidentIsUnderWay() {
        keeper = fresh(true);
        assertEquals(List.of("Recovering"), kinds(pass()));
        assertEquals(State.RECOVERING, keeper.state());
    }

    @Test
    void oneFailedRoundRaisesNoAlarmBecauseFailAfterIsTwo() {
        assertEquals(List.of(), fail());
        assertEquals(State.STARTING, keeper.state());
    }

    @Test
    void twoFailedRoundsAreDegradedSinceTheFirstOfThem() {
        List<Happening> happenings = rounds("bb");
        assertInstanceOf(Degraded.class, happenings.get(0));
        assertEquals("auth: HTTP 503", happenings.get(0).words());
        assertEquals(State.DEGRADED, keeper.state());
        assertEquals(30_000, keeper.since());
    }

    @Test
    void moreFailedRoundsSayNothingNewBecauseEachEventComesOnce() {
        rounds("bb");
        assertEquals(List.of(), rounds("bbbbbbbbbb"));
    }

    @Test
    void oneFailedRoundAmongGoodOnesIsABlipToldWhenItIsOver() {
        rounds("gg");
        assertEquals(List.of(), fail());
        List<Happening> happenings = pass();
        assertEquals(List.of("Blip"), kinds(happenings));
        assertEquals(90_000, happenings.get(0).at());
        assertEquals(State.HEALTHY, keeper.state());
    }

    @Test
    void aBlipStartsTheStreakAnewBecauseItHasToBeInARow() {
        rounds("ggggbg");
        assertEquals("1 of 3 good rounds in a row", condition("rounds").words());
        assertEquals(State.HEALTHY, keeper.state());
    }

    @Test
    void withFailAfterThreeTwoFailedRoundsAreStillABlip() {
        keeper = new Watchkeeper(new Goal(3, Duration.ofMinutes(2), 3), State.STARTING, 0, false, List.of());
        assertEquals(List.of("Blip"), kinds(rounds("gbbg")));
        assertEquals(List.of("Degraded"), kinds(rounds("bbb")));
    }

    @Test
    void withFailAfterOneTheFirstFailedRoundIsDegraded() {
        keeper = new Watchkeeper(new Goal(3, Duration.ofMinutes(2), 1), State.STARTING, 0, false, List.of());
        assertEquals(List.of("Degraded"), kinds(rounds("gb")));
    }

    @Test
    void aGoodRoundAfterDegradedIsRecoveringAndSaysHowLongItFailed() {
        rounds("bbb");
        Recovering recovering = assertInstanceOf(Recovering.class, pass().get(0));
        assertEquals(90_000, recovering.failedFor());
        assertEquals(State.RECOVERING, keeper.state());
    }

    @Test
    void enoughRoundsInTooShortATimeAreNotRecovered() {
        rounds("bb");
        assertEquals(List.of("Recovering"), kinds(rounds("gggg")));
        assertTrue(condition("rounds").met());
        assertEquals("good for 1 min 30 s of 2 min", condition("time").words());
        assertFalse(condition("time").met());
    }

    @Test
    void enoughTimeWithTooFewRoundsIsNotRecovered() {
        rounds("bbg");
        now += 600_000;
        assertEquals(List.of(), pass());
        assertTrue(condition("time").met());
        assertEquals("2 of 3 good rounds in a row", condition("rounds").words());
    }

    @Test
    void enoughRoundsOverEnoughTimeAreRecoveredWithTheirCountAndStart() {
        rounds("bbgggg");
        Recovered recovered = assertInstanceOf(Recovered.class, pass().get(0));
        assertEquals(5, recovered.rounds());
        assertEquals(90_000, recovered.goodSince());
        assertEquals(State.RECOVERED, keeper.state());
    }

    @Test
    void aHealthyStartRecoversTooWhenEveryConditionHolds() {
        assertEquals(List.of("Recovered"), kinds(rounds("ggggg")));
    }

    @Test
    void fallingBackAfterGoodRoundsIsFlappingAndResetsTheStreak() {
        rounds("bbggg");
        List<Happening> happenings = rounds("bb");
        Flapping flapping = assertInstanceOf(Flapping.class, happenings.get(0));
        assertTrue(flapping.first());
        assertEquals(2, flapping.falls());
        assertEquals(State.FLAPPING, keeper.state());
        assertEquals("0 of 3 good rounds in a row", condition("rounds").words());
    }

    @Test
    void whileFlappingEachFallIsToldButTheStateStays() {
        rounds("bbggbb");
        List<Happening> happenings = rounds("ggbb");
        assertEquals(List.of("Flapping"), kinds(happenings));
        assertFalse(((Flapping) happenings.get(0)).first());
        assertEquals(State.FLAPPING, keeper.state());
    }

    @Test
    void goodRoundsWhileFlappingDoNotCallItRecoveringBecauseThatWouldBeNoise() {
        rounds("bbggbb");
        assertEquals(List.of(), rounds("ggg"));
        assertEquals(State.FLAPPING, keeper.state());
    }

    @Test
    void flappingEndsInRecoveredWhenEveryConditionHolds() {
        rounds("bbggbb");
        assertEquals(List.of("Recovered"), kinds(rounds("ggggg")));
    }

    @Test
    void flappingThatStaysDownIsDegradedAgain() {
        rounds("bbggbb");
        assertEquals(List.of("Degraded"), kinds(rounds("b".repeat(25))));
        assertEquals(State.DEGRADED, keeper.state());
    }

    @Test
    void aFallLongAfterTheLastOneIsDegradedAndNotFlapping() {
        rounds("bbg");
        now += 3_600_000;
        assertEquals(List.of("Degraded"), kinds(rounds("bb")));
    }

    @Test
    void threeBlipsInAShortTimeAreFlappingThoughNoneAloneIsAnAlarm() {
        List<Happening> happenings = rounds("gbgbgbg");
        assertEquals(List.of("Blip", "Blip", "Blip", "Flapping"), kinds(happenings));
        assertEquals(State.FLAPPING, keeper.state());
    }

    @Test
    void rareBlipsAreNeverFlapping() {
        for (int day = 0; day < 10; day++) {
            keeper = day == 0 ? fresh(true) : keeper;
            now += 3_600_000;
            assertFalse(kinds(rounds("gbg")).contains("Flapping"));
        }
    }

    @Test
    void afterRecoveredFailingAgainIsDegradedAndNotFlapping() {
        rounds("bbggggg");
        assertEquals(List.of("Degraded"), kinds(rounds("bb")));
    }

    @Test
    void aGapResetsTheStreakBecauseNobodyLooked() {
        rounds("bbgggg");
        List<Happening> happenings = keeper.gap(now, now + 3_600_000, "asleep");
        now += 3_600_000;
        Gap gap = assertInstanceOf(Gap.class, happenings.get(0));
        assertEquals("nothing was observed for 1 h (asleep); not counted as healthy", gap.words());
        assertEquals(List.of(), pass());
        assertEquals("1 of 3 good rounds in a row", condition("rounds").words());
        assertEquals(State.RECOVERING, keeper.state());
    }

    @Test
    void aGapBetweenTwoFailedRoundsMakesThemNotInARow() {
        fail();
        keeper.gap(now, now + 3_600_000, "asleep");
        assertEquals(List.of(), fail());
        assertEquals(List.of("Degraded"), kinds(fail()));
    }

    @Test
    void aStatusPageThatIsWorseThanMonitoringHoldsRecoveryBack() {
        rounds("bb");
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(RED, null, good("auth"))).contains("Recovered"));
        }
        assertEquals("status page: Klaviyo API: major outage (wanted: monitoring or better)", condition("status-page").words());
        assertEquals(List.of("Recovered"), kinds(pass()));
    }

    @Test
    void aStatusPageThatCannotBeReadProvesNothing() {
        Page unreadable = new Page(List.of(), "status page unreachable", Optional.empty());
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(unreadable, null, good("auth"))).contains("Recovered"));
        }
    }

    @Test
    void withoutAStatusPageThereIsNoSuchCondition() {
        for (int i = 0; i < 4; i++) {
            round(null, null, good("auth"));
        }
        assertEquals(List.of("Recovered"), kinds(round(null, null, good("auth"))));
    }

    @Test
    void aBacklogAboveItsLevelBeforeTheIncidentHoldsRecoveryBack() {
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(GREEN, backlog(1_240), good("auth"))).contains("Recovered"));
        }
        assertEquals("retry backlog 1240, 3 before the incident", condition("backlog").words());
        assertEquals(List.of("Recovered"), kinds(round(GREEN, backlog(3), good("auth"))));
    }

    private static Backlog backlog(double depth) {
        return new Backlog(OptionalDouble.of(depth), OptionalDouble.of(3), "");
    }

    @Test
    void anUnknownBacklogHoldsRecoveryBack() {
        Backlog unknown = new Backlog(OptionalDouble.empty(), OptionalDouble.of(3), "Prometheus refuses connections");
        for (int i = 0; i < 10; i++) {
            assertFalse(kinds(round(GREEN, unknown, good("auth"))).contains("Recovered"));
        }
    }

    @Test
    void withNothingKnownFromBeforeTheIncidentTheBacklogHasToBeEmpty() {
        Backlog one = new Backlog(OptionalDouble.of(1), OptionalDouble.empty(), "");
        Backlog none = new Backlog(OptionalDouble.of(0), OptionalDouble.empty(), "");
        assertFalse(one.condition().met());
        assertTrue(none.condition().met());
    }

    @Test
    void aCheckThatWaitsForItsQuotaHasToBeLookedAtAgainBeforeItIsRecovered() {
        rounds("bb");
        for (int i = 0; i < 6; i++) {
            assertFalse(kinds(round(GREEN, null, good("endpoint:events"), waiting("auth", Result.GOOD))).contains("Recovered"));
        }
        assertEquals("not looked at since it is good: auth", condition("checks").words());
        assertEquals(List.of("Recovered"), kinds(round(GREEN, null, good("endpoint:events"), good("auth"))));
    }

    @Test
    void aRoundThatCannotLookAtWhatFailedIsNeitherGoodNorBad() {
        rounds("b");
        assertEquals(List.of(), round(GREEN, null, good("endpoint:events"), waiting("auth", Result.BAD)));
        assertEquals("0 of 3 good rounds in a row", condition("rounds").words());
        assertEquals(List.of("Degraded"), kinds(fail()));
    }

    @Test
    void aRoundInWhichNothingWasLookedAtIsNotGood() {
        for (int i = 0; i < 20; i++) {
            assertEquals(List.of(), round(GREEN, null, waiting("auth", Result.UNKNOWN)));
        }
        assertEquals(State.STARTING, keeper.state());
    }

    @Test
    void aWatchThatGoesOnFromDegradedSaysRecoveringOnceAndNotDegradedAgain() {
        keeper = new Watchkeeper(GOAL, State.DEGRADED, -600_000, true, List.of(-600_000L));
        assertEquals(List.of(), rounds("bbb"));
        Recovering recovering = assertInstanceOf(Recovering.class, pass().get(0));
        assertEquals(720_000, recovering.failedFor());
    }

    @Test
    void aWatchThatGoesOnFromRecoveringStartsItsStreakAnew() {
        keeper = new Watchkeeper(GOAL, State.RECOVERING, -600_000, true, List.of(-900_000L));
        assertEquals(List.of(), rounds("gggg"));
        assertEquals(List.of("Recovered"), kinds(pass()));
    }

    @Test
    void aWatchThatGoesOnFromFlappingAndStillFailsSaysNothingTwice() {
        keeper = new Watchkeeper(GOAL, State.FLAPPING, -60_000, true, List.of(-300_000L, -60_000L));
        assertEquals(List.of(), rounds("bbbb"));
        assertEquals(List.of("Flapping"), kinds(rounds("gbb")));
    }

    @Test
    void failuresAfterAGapAreNoSecondFallBecauseNobodySawItGood() {
        rounds("bbggbb");
        keeper.gap(now, now + 60_000, "asleep");
        assertEquals(List.of(), rounds("bbbb"));
    }

    @Test
    void aWatchThatGoesOnRemembersTheFallsOfTheOneBefore() {
        keeper = new Watchkeeper(GOAL, State.RECOVERING, -60_000, true, List.of(-120_000L));
        assertEquals(List.of("Flapping"), kinds(rounds("gbb")));
    }

    @Test
    void whatFailedIsNamedWithItsReasonAndNoMoreThanThreeNames() {
        rounds("g");
        round(GREEN, null, bad("auth"), bad("network"), bad("app"), bad("webhook"));
        Happening degraded = round(GREEN, null, bad("auth"), bad("network"), bad("app"), bad("webhook")).get(0);
        assertEquals("auth, network, app and 1 more: HTTP 503", degraded.words());
    }
}
