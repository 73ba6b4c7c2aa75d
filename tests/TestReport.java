import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * What the screen shows of a test run: a line a class, failures as they happen, what was skipped and why, the totals.
 */
public final class TestReport implements TestExecutionListener {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final AtomicLong PASSED = new AtomicLong();
    private static final List<String> FAILED = Collections.synchronizedList(new ArrayList<>());
    private static final List<String> SKIPPED = Collections.synchronizedList(new ArrayList<>());

    private final Map<String, Instant> started = new ConcurrentHashMap<>();
    private TestPlan plan;

    /** Prints skipped tests with their reasons, then the totals; call it last. */
    static void printSummary() {
        OUT.println();
        SKIPPED.forEach(line -> OUT.println("skipped: " + line));
        FAILED.forEach(line -> OUT.println("failed:  " + line));
        OUT.printf("%d passed, %d failed, %d skipped%n", PASSED.get(), FAILED.size(), SKIPPED.size());
    }

    @Override
    public void testPlanExecutionStarted(TestPlan testPlan) {
        plan = testPlan;
    }

    @Override
    public void executionStarted(TestIdentifier id) {
        started.put(id.getUniqueId(), Instant.now());
    }

    @Override
    public void executionSkipped(TestIdentifier id, String reason) {
        SKIPPED.add(name(id) + ": " + reason);
    }

    @Override
    public void executionFinished(TestIdentifier id, TestExecutionResult result) {
        String why = result.getThrowable().map(Throwable::getMessage).orElse("");
        switch (result.getStatus()) {
            case SUCCESSFUL -> PASSED.addAndGet(id.isTest() ? 1 : 0);
            case ABORTED -> executionSkipped(id, why);
            case FAILED -> {
                // The trace comes from the console launcher at the end.
                FAILED.add(name(id));
                OUT.println("FAILED " + name(id) + ": " + why.lines().findFirst().orElse(""));
            }
        }
        if (!id.isTest() && plan.getParent(id).isPresent() && plan.getParent(id).flatMap(plan::getParent).isEmpty()) {
            long tests = plan.getDescendants(id).stream().filter(TestIdentifier::isTest).count();
            Duration took = Duration.between(started.get(id.getUniqueId()), Instant.now());
            OUT.printf("%-28s %3d tests %6.1f s%n", name(id), tests, took.toMillis() / 1000.0);
        }
    }

    /** The names from the test class downwards, as in {@code WrapperTest > arguments arrive unchanged}. */
    private String name(TestIdentifier id) {
        return plan.getParent(id).filter(parent -> plan.getParent(parent).isPresent())
            .map(parent -> name(parent) + " > ").orElse("") + id.getDisplayName();
    }
}
