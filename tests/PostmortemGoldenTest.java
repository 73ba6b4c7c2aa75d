import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import runbook.Incident;
import runbook.Settings.Templates;
import runbook.report.Postmortem;
import runbook.sandbox.Sandbox.Scenario;
import runbook.DecisionTree.Diagnosis;

/**
 * The postmortem of each drill's whole incident against {@code tests/golden}. After a change that is meant, record and
 * write them anew with {@code KLAVIYO_GOLDEN=write ./jbang test PostmortemGoldenTest}, and review the difference; where
 * only the postmortem changed, {@code KLAVIYO_GOLDEN=reports} leaves the recordings as they are.
 */
class PostmortemGoldenTest extends PostmortemJournals {
    private static final boolean RECORD = "write".equals(System.getenv("KLAVIYO_GOLDEN"));
    private static final boolean WRITE = System.getenv("KLAVIYO_GOLDEN") != null;
    private static final Map<String, List<String>> RECORDED = new ConcurrentHashMap<>();

    @ParameterizedTest
    @MethodSource("drills")
    void everyDrill(String scenario) throws IOException {
        compare(scenario + ".md", markdown(recorded(scenario)));
    }

    /** All that lead to an incident. */
    static Stream<String> drills() {
        // A runaway loop is told by the application's log alone, which no recording has.
        return Scenario.ids(Templates.builtIn()).stream().filter(id -> !List.of("healthy", "maintenance", "missing-key",
                "no-network", "runaway-loop").contains(id));
    }

    @Test
    void page() throws IOException {
        Postmortem report = report(recorded("revoked-key"));
        compare("revoked-key.html", report.html(markdown(report)));
    }

    /** No drill leads to the first: nothing that can be practised is beyond explanation. */
    @Test
    void withoutADiagnosisAndWithoutAnything() throws IOException {
        compare("indeterminate.md", markdown(whole(Diagnosis.INDETERMINATE)));
        String empty = markdown(empty());
        compare("empty.md", empty);
        assertTrue(empty.contains("**Date:** 2026-11-20 09:00"), "dates are filled in");
    }

    private static Incident recorded(String scenario) throws IOException {
        Path golden = Repository.file("tests/golden/" + scenario + ".jsonl");
        if (RECORD || WRITE && Files.notExists(golden)) {
            Files.write(golden, RECORDED.computeIfAbsent(scenario, Recording::of));
        }
        Incident incident = empty();
        Files.createDirectories(incident.folder());
        Files.copy(golden, incident.journal().file());
        return incident;
    }

    private static void compare(String name, String actual) throws IOException {
        Path golden = Repository.file("tests/golden/" + name);
        if (WRITE) {
            Files.createDirectories(golden.getParent());
            Files.writeString(golden, actual);
        }
        assertEquals(Files.readString(golden), actual, name);
    }
}
