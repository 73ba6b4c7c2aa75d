import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import runbook.DecisionTree.Diagnosis;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Settings.Templates;
import runbook.report.Document;

/** Writing again after more happened, and after people wrote. */
class PostmortemKeepTest {
    private static final String MORE = "the CDN answered with 520";
    private Incident incident;
    private String first;

    @BeforeEach
    void written() {
        incident = PostmortemJournals.whole(Diagnosis.SERVER_ERROR);
        first = PostmortemJournals.markdown(PostmortemJournals.report(incident));
    }

    private Document.Written again(String existing) {
        return PostmortemJournals.report(incident).markdown(Templates.builtIn().template("postmortem.md"),
                Optional.of(existing));
    }

    private Document.Written afterMoreHappened(String existing) {
        PostmortemJournals.add(incident, 14, "postmortem", Event.NOTE, MORE, Map.of());
        return again(existing);
    }

    @Test
    void nothingNewChangesNothing() {
        assertEquals(first, again(first).text());
    }

    @Test
    void generatedPartsAreRenewedAndWordsStay() {
        String words = first.replace("[Technical explanation: how and what, not who]", "Their balancer dropped us.")
                .replace("### Summary", "### Summary for everybody") + "\nPS: thanks.\n";
        String second = afterMoreHappened(words).text();
        assertTrue(second.contains(MORE) && second.contains("Their balancer dropped us.")
                && second.contains("### Summary for everybody") && second.endsWith("PS: thanks.\n"), second);
    }

    @Test
    void anEditedPartIsLeftAlone() {
        String edited = first.replace("good again after 9 min; waiting until it holds", "good again, says Bob")
                .replaceFirst("Owner: \\[name\\] - Due: \\[date\\]", "Owner: Ana - Due: 2027-01-15");
        Document.Written second = afterMoreHappened(edited);
        assertEquals(List.of("timeline", "actions"), second.kept());
        assertTrue(second.text().contains("good again, says Bob") && !second.text().contains(MORE)
                && second.text().contains("Owner: Ana - Due: 2027-01-15"), second.text());
        assertEquals(second.text(), again(second.text()).text());
    }

    @Test
    void aRemovedPartIsNotPutBack() {
        String without =
                first.replaceAll("(?s)#### Replay Plan\n\n<!-- generated:replay.*?/generated:replay -->\n", "");
        assertEquals(without, again(without).text());
        assertEquals(List.of("replay"), again(without).left());
    }

    @Test
    void anEditorsHabitsAreNoEdits() {
        String habits = first.lines().map(String::stripTrailing).reduce("", (text, line) -> text + line + "\r\n");
        Document.Written second = afterMoreHappened(habits);
        assertEquals(List.of(), second.kept());
        assertTrue(second.text().contains(MORE) && second.text().contains("\r\n"));
        assertFalse(second.text().replace("\r\n", "").contains("\n"), "line ends stay as they were");
    }

    @Test
    void aBrokenMarkerCostsNoWords() {
        String broken = first.replace("<!-- /generated:impact -->\n", "");
        String second = afterMoreHappened(broken).text();
        broken.substring(broken.indexOf("### Impact"), broken.indexOf("#### Replay Plan")).lines()
                .forEach(line -> assertTrue(second.contains(line), line));
        assertTrue(second.contains(MORE), "the other parts are still renewed");
    }
}
