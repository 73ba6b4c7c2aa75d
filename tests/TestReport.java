import java.io.*;
import java.nio.charset.*;
import java.util.*;
import java.util.concurrent.*;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;

/** What the screen shows of a test run: what failed or was skipped, and why, as it happens; names again, and totals. */
public final class TestReport implements TestExecutionListener {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final Queue<String> PASSED = new ConcurrentLinkedQueue<>();
    private static final Queue<String> FAILED = new ConcurrentLinkedQueue<>();
    private static final Queue<String> SKIPPED = new ConcurrentLinkedQueue<>();

    /** Prints the totals; call it last. */
    static void printSummary() {
        OUT.println();
        SKIPPED.forEach(line -> OUT.println("skipped: " + line));
        FAILED.forEach(line -> OUT.println("failed:  " + line));
        OUT.printf("%d passed, %d failed, %d skipped%n", PASSED.size(), FAILED.size(), SKIPPED.size());
    }

    @Override
    public void executionSkipped(TestIdentifier id, String reason) {
        SKIPPED.add(name(id) + ": " + reason);
    }

    @Override
    public void executionFinished(TestIdentifier id, TestExecutionResult result) {
        String why = result.getThrowable().map(Throwable::getMessage).orElse("");
        switch (result.getStatus()) {
            case SUCCESSFUL -> PASSED.addAll(id.isTest() ? List.of(name(id)) : List.of());
            case ABORTED -> executionSkipped(id, why);
            case FAILED -> {
                // The trace comes from the console launcher at the end.
                FAILED.add(name(id));
                OUT.println("FAILED " + name(id) + ": " + why.lines().findFirst().orElse(""));
            }
        }
    }

    /** {@code WrapperTest > arguments(String) > [2] --json}. */
    private static String name(TestIdentifier id) {
        String place = id.getUniqueId().replaceFirst(".*\\[class:", "").replaceFirst("/\\[[a-z-]+-invocation:.*", "");
        String method = place.replaceAll("]/\\[[a-z-]+:", " > ").replace("]", "").replaceAll("\\(.*\\)", "()");
        return id.getUniqueId().contains("-invocation:") ? method + " > " + id.getDisplayName() : method;
    }
}
