import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every step at which a tool is run, times every way in which a tool goes wrong: what the store and the application
 * hold afterwards, the exit code, and that a second run with the same words ends well.
 */
class RotationMatrixTest {
    private static final int AT_ONCE = 4;

    /** A step: a word in the call that goes wrong, and one in the call before it, after which a tool is gone. */
    private enum Place {
        PREFLIGHT_STORE("get", ""), PREFLIGHT_TARGET("LoadState", ""), STORE("patch", "get"),
        RESTART("restart", "InvocationID"), WAIT("is-active", "restart");

        final String call;
        final String before;

        Place(String call, String before) {
            this.call = call;
            this.before = before;
        }
    }

    /** What is expected: the exit code, and whether the application is left with the old key. */
    private static int expected(Place place, StandIns.Fault fault) {
        return switch (place) {
            case PREFLIGHT_STORE, PREFLIGHT_TARGET -> 21;
            // Refused in so many words, and the store says the same: nothing has changed.
            case STORE -> fault == StandIns.Fault.MISSING || fault == StandIns.Fault.EXITS_NON_ZERO ? 21 : 22;
            // Once systemctl is gone the way back cannot restart either.
            case RESTART -> fault == StandIns.Fault.MISSING ? 23 : 22;
            // What is-active prints is not looked at: its exit code tells, and the application's health.
            case WAIT -> switch (fault) {
                case LIES, GARBAGE -> 0;
                case MISSING -> 23;
                default -> 22;
            };
        };
    }

    private record Outcome(String name, int expected, Run.Result first, String store, String app, Run.Result second,
            String storeAfter, String appAfter, String oldKey, String newKey) {
        void check() {
            assertEquals(expected, first.exit(), first::toString);
            if (expected == 0) {
                assertEquals(newKey, store, "the store");
                assertEquals(newKey, app, "the application");
            } else {
                assertEquals(oldKey, store, () -> "the store\n" + first);
                // Not restarted with the old key: only where the tool that restarts is gone.
                assertTrue(app.equals(oldKey) || expected == 23, () -> "the application\n" + first);
            }
            assertEquals(0, second.exit(), second::toString);
            assertEquals(newKey, storeAfter, "the store after the second run");
            assertEquals(newKey, appAfter, "the application after the second run");
            for (Run.Result result : List.of(first, second)) {
                assertFalse((result.out() + result.err()).contains(oldKey) || (result.out() + result.err())
                        .contains(newKey), "no key may be shown");
            }
        }
    }

    private static Outcome run(Place place, StandIns.Fault fault) {
        try (RotationScene bench = new RotationScene()) {
            if (fault != StandIns.Fault.MISSING) {
                bench.tools.fail(place.call, fault, 1);
            } else if (place.before.isEmpty()) {
                bench.tools.remove(place == Place.PREFLIGHT_STORE ? "vault" : "systemctl");
            } else {
                // Preflight reads the restart's mark as well.
                bench.tools.fail(place.before, fault, place == Place.RESTART ? 2 : 1);
            }
            Run.Result first = bench.rotate().run();
            String store = bench.tools.value();
            String app = bench.tools.app();
            bench.tools.mend();
            Run.Result second = bench.rotate().run();
            return new Outcome(place + " " + fault, expected(place, fault), first, store, app, second,
                    bench.tools.value(), bench.tools.app(), bench.oldKey(), bench.newKey());
        }
    }

    @TestFactory
    Stream<DynamicTest> everyFaultAtEveryStep() throws InterruptedException, ExecutionException {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
        List<Future<Outcome>> running = new ArrayList<>();
        for (Place place : Place.values()) {
            for (StandIns.Fault fault : StandIns.Fault.values()) {
                running.add(pool.submit(() -> run(place, fault)));
            }
        }
        pool.shutdown();
        List<Outcome> outcomes = new ArrayList<>();
        for (Future<Outcome> one : running) {
            outcomes.add(one.get());
        }
        return outcomes.stream().map(outcome -> DynamicTest.dynamicTest(outcome.name, outcome::check));
    }
}
