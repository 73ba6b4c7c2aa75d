import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Message.Template;
import runbook.Settings.Templates;
import runbook.report.Document;
import runbook.report.Postmortem;
import runbook.DecisionTree.Diagnosis;

/** Writing again after more happened, and after people wrote. */
class PostmortemKeepTest {
    private static final String MORE = "the CDN answered with 520";
    private Incident incident;
    private String first;

    @BeforeEach
    void written() {
        incident = PostmortemJournals.whole(Diagnosis.SERVER_ERROR);
        first = write(Optional.empty()).text();
    }

    private Document.Written write(Optional<String> existing) {
        return PostmortemJournals.report(incident).markdown(Templates.builtIn().template("postmortem.md"), existing);
    }

    private Document.Written again(String existing) {
        return write(Optional.of(existing));
    }

    private void moreHappens() {
        PostmortemJournals.add(incident, 14, "postmortem", Event.NOTE, MORE, Map.of());
    }

    @Test
    void nothingNewChangesNothing() {
        assertEquals(first, again(first).text());
    }

    @Test
    void generatedPartsAreRenewedAndWordsStay() {
        String words =
                first.replace("[Technical explanation: how and what, not who]", "Their load balancer dropped us.")
                                .replace("### Summary", "### Summary for everybody") + "\nPS: thanks.\n";
        moreHappens();

        String second = again(words).text();
        assertTrue(second.contains(MORE) && second.contains("Their load balancer dropped us.")
                        && second.endsWith("PS: thanks.\n"), second);
        assertTrue(second.contains("### Summary for everybody"));
    }

    @Test
    void anEditedPartIsLeftAlone() {
        String edited = first.replace("good again after 9 min; waiting until it holds", "good again, says Bob");
        moreHappens();

        Document.Written second = again(edited);
        assertEquals(List.of("timeline"), second.kept());
        assertTrue(second.text().contains("good again, says Bob") && !second.text().contains(MORE), second.text());
        assertEquals(second.text(), again(second.text()).text());
    }

    @Test
    void aRemovedPartIsNotPutBack() {
        String without =
                first.replaceAll("(?s)#### Replay Plan\n\n<!-- generated:replay.*?/generated:replay -->\n", "");

        Document.Written second = again(without);
        assertEquals(without, second.text());
        assertEquals(List.of("replay"), second.left());
    }

    @Test
    void anEditorsHabitsAreNoEdits() {
        String habits = first.lines().map(String::stripTrailing).reduce("", (text, line) -> text + line + "\r\n");
        moreHappens();

        Document.Written second = again(habits);
        assertEquals(List.of(), second.kept());
        assertTrue(second.text().contains(MORE) && second.text().contains("\r\n")
                        && !second.text().replace("\r\n", "").contains("\n"), "line ends stay as they were");
    }

    @Test
    void aBrokenMarkerCostsNoWords() {
        String broken = first.replace("<!-- /generated:impact -->\n", "");
        moreHappens();

        String second = again(broken).text();
        for (String line : broken.substring(broken.indexOf("### Impact"), broken.indexOf("#### Replay Plan")).lines()
                .toList()) {
            assertTrue(second.contains(line), line);
        }
        assertTrue(second.contains(MORE), "the other parts are still renewed");
    }

    @Test
    void actionItemsThatPeopleFilledInStay() {
        String filled = first.replaceFirst("Owner: \\[name\\] - Due: \\[date\\]", "Owner: Ana - Due: 2027-01-15");
        moreHappens();

        String second = again(filled).text();
        assertTrue(second.contains("Owner: Ana - Due: 2027-01-15"), second);
    }
}
