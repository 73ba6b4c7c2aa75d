import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Klaviyo.Endpoint;
import runbook.watching.Pace;
import runbook.watching.Pace.Ticker;

/** No endpoint gets more than a tenth of its quota in any minute; and time that is not the wall clock's. */
class WatchPaceTest {
    private static final List<String> ALL = List.of("status-page", "network", "auth", "endpoint:profiles",
            "endpoint:lists", "endpoint:metrics", "endpoint:events", "endpoint:webhooks");

    private static Pace pace(long intervalMillis) {
        return new Pace(ALL, Duration.ofMillis(intervalMillis), 1, new Random(7)::nextDouble);
    }

    /** The times of every check in an hour of rounds. */
    private static Map<String, List<Long>> anHour(Pace pace) {
        Map<String, List<Long>> times = new HashMap<>();
        for (long now = 0; now < 3_600_000; now = Math.max(now + 1, pace.next())) {
            Set<String> due = pace.due(now);
            pace.made(due, now);
            for (String check : due) {
                times.computeIfAbsent(check, name -> new ArrayList<>()).add(now);
            }
        }
        return times;
    }

    private static long mostInAMinute(List<Long> times) {
        return times.stream().mapToLong(begin ->
                times.stream().filter(at -> at >= begin && at < begin + 60_000).count()).max().orElse(0);
    }

    @ParameterizedTest
    @ValueSource(longs = {100, 1_000, 7_000, 30_000, 61_000})
    void everyQuotaIsUsedToATenthInAnyMinuteAndNoFurtherHoweverShortTheInterval(long interval) {
        Map<String, List<Long>> times = anHour(pace(interval));
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
        Map<String, List<Long>> times = anHour(pace);
        assertEquals(59, times.get("auth").size(), 1);
        assertEquals(14, mostInAMinute(times.get("endpoint:metrics")), 1);
        assertTrue(mostInAMinute(times.get("endpoint:profiles")) <= 2, "the lower limit that the API states");
        assertTrue(mostInAMinute(times.get("endpoint:lists")) <= 75, "a higher one than is published does not count");
    }

    @Test
    void roundsComeAnIntervalApartGiveOrTakeATenth() {
        List<Long> rounds = anHour(pace(30_000)).get("network");
        long[] apart = LongStream.range(1, rounds.size()).map(i -> rounds.get((int) i) - rounds.get((int) i - 1)).toArray();
        assertTrue(LongStream.of(apart).allMatch(one -> one >= 27_000 && one <= 33_000));
        assertTrue(LongStream.of(apart).distinct().count() > 9, "without jitter all watches of a company would ask at once");
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', value = {"status-page auth     | 60600 | auth status-page",
                                         "status-page auth app | 5000  | app status-page"})
    void theNextRoundWaitsOnlyWhereEveryCheckWaitsForItsQuota(String checks, long next, String due) {
        Pace pace = new Pace(List.of(checks.split(" ")), Duration.ofSeconds(5), 1, () -> 0.5);
        pace.made(pace.due(0), 0);
        assertEquals(next, pace.next());
        assertEquals(due, String.join(" ", pace.due(next)));
    }

    @Test
    void anEndpointIsLeftAloneForAsLongAsItsRetryAfterAsksAndARequestOfAnEarlierWatchCounts() {
        Pace pace = pace(1_000);
        pace.hold("profiles", 5_000, Duration.ofSeconds(23));
        assertFalse(pace.due(27_999).contains("endpoint:profiles"));
        assertTrue(pace.due(27_999).containsAll(List.of("endpoint:lists", "auth")));
        assertTrue(pace.due(5_000 + 23_000 * 11 / 10).contains("endpoint:profiles"));
        pace.made(Set.of("auth"), -30_000);
        assertEquals(Optional.of(Duration.ofMillis(15_600)), pace.wait("auth", 15_000));
        assertFalse(pace.due(30_000).contains("auth"));
        assertTrue(pace.due(31_000).contains("auth"));
    }

    @ParameterizedTest(name = "{2}")
    @CsvSource({
        "30000 0,                30000,   nothing happens",
        "30000 3600000 10000 0,  3640000, asleep for an hour: the monotonic clock stood still",
        "30000 -86400000,        30000,   the wall clock is set back by a day",
        "30000 -3600000 1000 3600000, 3631000, set back by an hour and then asleep for one",
        "30000 900 30000 900 30000 900, 90000, a wall clock that drifts"})
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
}
