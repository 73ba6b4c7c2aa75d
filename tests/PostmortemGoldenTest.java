import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import runbook.Settings.Templates;
import runbook.report.*;
import runbook.sandbox.Sandbox.Scenario;

/**
 * The postmortem of each drill's whole incident against {@code tests/golden}. After a change that is meant, write them
 * anew with {@code KLAVIYO_GOLDEN=write ./jbang test PostmortemGoldenTest}, and review the difference. Recordings are
 * journals that the steps wrote, run by hand against one {@code ./jbang sandbox SCENARIO}; that they still write such
 * ones is checked by {@link GameDayTest}.
 */
class PostmortemGoldenTest extends PostmortemJournals {
    @ParameterizedTest
    @MethodSource("drills")
    void everyDrill(String scenario) throws IOException {
        compare(scenario + ".md", markdown(recorded(scenario)));
    }

    /** All that lead to an incident. */
    static Stream<String> drills() {
        // A runaway loop is told by the application's log alone, which no recording has.
        List<String> none = List.of("healthy", "maintenance", "missing-key", "no-network", "runaway-loop");
        return Scenario.all(Templates.BUILT_IN).keySet().stream().filter(id -> !none.contains(id));
    }

    @Test
    void aPageAndAnEmptyOne() throws IOException {
        Report report = report(recorded("revoked-key"));
        compare("revoked-key.html", report.html(markdown(report)));
        compare("empty.md", markdown(empty()));
    }

    private static Path golden(String name) {
        return Repository.file("tests/golden/" + name);
    }

    private static void compare(String name, String actual) throws IOException {
        if (System.getenv("KLAVIYO_GOLDEN") != null) {
            Files.writeString(golden(name), actual);
        }
        assertEquals(Tree.read(golden(name)), actual, name);
    }
}
