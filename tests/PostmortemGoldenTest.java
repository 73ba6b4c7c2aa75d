import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import runbook.incident.Event;
import runbook.incident.Incident;
import runbook.message.Template;
import runbook.report.Report;
import runbook.verdict.Diagnosis;

/**
 * A whole incident of each diagnosis against {@code tests/golden}. After a change that is meant, write them anew with
 * {@code KLAVIYO_GOLDEN=write ./jbang test PostmortemGoldenTest}, and review the difference.
 */
class PostmortemGoldenTest {
    private static final boolean WRITE = "write".equals(System.getenv("KLAVIYO_GOLDEN"));

    @ParameterizedTest
    @EnumSource(value = Diagnosis.class, mode = EnumSource.Mode.EXCLUDE, names = {"HEALTHY", "KEY_MISSING"})
    void everyDiagnosis(Diagnosis diagnosis) throws IOException {
        Report report = PostmortemJournals.report(PostmortemJournals.whole(diagnosis));

        compare(diagnosis.id() + ".md", report.markdown(Template.bundled("postmortem.md"), Optional.empty()).text());
    }

    @Test
    void page() throws IOException {
        Report report = PostmortemJournals.report(PostmortemJournals.whole(Diagnosis.KEY_INVALID));

        compare(
                "key-invalid.html",
                report.html(report.markdown(Template.bundled("postmortem.md"), Optional.empty())
                        .text()));
    }

    @Test
    void nothingRecorded() throws IOException {
        Report report = PostmortemJournals.report(Incident.at(Tree.temporary("postmortem").resolve("none")));
        String text = report.markdown(Template.bundled("postmortem.md"), Optional.empty()).text();

        compare("empty.md", text);
        assertTrue(text.contains("**Date:** 2026-11-20 09:00"), "dates are filled in");
    }

    @Test
    void notOverYet() throws IOException {
        Incident incident = PostmortemJournals.whole(Diagnosis.KLAVIYO_OUTAGE);
        PostmortemJournals.add(incident, 60, "watch", Event.DEGRADED, "profiles fails again", Map.of());
        String text = PostmortemJournals.report(incident)
                .markdown(Template.bundled("postmortem.md"), Optional.empty())
                .text();

        assertTrue(
                text.contains("**Date:** 2026-11-20 03:04 - ongoing UTC")
                        && text.contains("**Duration:** not over yet"),
                text);
        assertTrue(text.contains("it came back and failed again (1 time)"), text);
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
