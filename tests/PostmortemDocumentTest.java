import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.DecisionTree.Diagnosis;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Settings.Templates;
import runbook.report.Document;

/** Writing again after more happened and after people wrote; what {@code --check} finds, and what it leaves alone. */
class PostmortemDocumentTest extends PostmortemJournals {
    private static final String MORE = "the CDN answered with 520";
    private Incident incident;
    private String first;

    @BeforeEach
    void written() {
        incident = whole(Diagnosis.SERVER_ERROR);
        first = markdown(incident);
    }

    private Document.Written again(String existing) {
        return report(incident).markdown(Templates.builtIn().template("postmortem.md"), Optional.of(existing));
    }

    private Document.Written afterMoreHappened(String existing) {
        add(incident, 14, "postmortem", Event.NOTE, MORE, Map.of());
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
    }

    @Test
    void anEditorsHabitsAreNoEdits() {
        String habits = first.lines().map(String::stripTrailing).reduce("", (text, line) -> text + line + "\r\n");
        Document.Written second = afterMoreHappened(habits);
        assertEquals(List.of(), second.kept());
        assertTrue(second.text().contains(MORE), second.text());
    }

    @Test
    void aBrokenMarkerCostsNoWords() {
        String broken = first.replace("<!-- /generated:impact -->\n", "");
        String second = afterMoreHappened(broken).text();
        broken.substring(broken.indexOf("### Impact"), broken.indexOf("#### Replay Plan")).lines()
                .forEach(line -> assertTrue(second.contains(line), line));
        assertTrue(second.contains(MORE), "the other parts are still renewed");
    }

    // ---- --check

    /** {@code 3 placeholder, 5 owner}. */
    private static String found(String document) {
        return Document.unfinished(document).stream().map(place -> place.line() + " " + place.rule())
                .collect(Collectors.joining(", "));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "Lead: [Name];1 placeholder", "- What went well: [...];1 placeholder", "Date: YYYY-MM-DD;1 placeholder",
            "- HH:MM - Alert;1 placeholder", "TODO ask Bob;1 placeholder", "see {{impact}};1 placeholder",
            "It was the cache (to confirm);1 to-confirm", "- [ ] Add an alert;1 action",
            "- [ ] Add an alert - Owner: [name] - Due: [date];1 action",
            "- [ ] Add an alert - Owner: Ana - Due: soon;1 action",
            "- [ ] Add an alert - Owner: Ana - Due: 2026-13-40;1 action",
            "- [ ] Add an alert - Owner:  - Due: 2027-01-01;1 action",
            "- Affected users: [unknown: give the logs];1 unknown", "- Failed API calls: unknown;1 unknown",
    })
    void finds(String line, String places) {
        assertEquals(places, found(line));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "- [ ] Add an alert - Owner: Ana - Due: 2026-11-23", "- [x] Add an alert - Owner: Ana - Due: 2020-01-01",
            "* [X] Add an alert - Owner: Ana Maria O'Neil - Due: 2026-01-01.",
            "see [the guide](https://example.org) and [that][1] and a footnote[^2]", "[1]: https://example.org",
            "`[name]` in code, `{{x}}` too", "- Affected users: unknown to anybody, since the shop keeps no logs",
            "an outside \\[text\\] that was escaped", "<!-- generated:impact 0123456789ab -->",
            "![a picture](data:image/png;base64,AA==)",
    })
    void leavesAlone(String line) {
        assertEquals("", found(line));
    }

    @Test
    void codeBlocksAreLeftAlone() {
        assertEquals("4 placeholder", found("```\n[name] TODO\n```\n[name]\n"));
    }

    @Test
    void aFreshOneIsUnfinishedAndAFilledInOneIsFinished() {
        String fresh = markdown(whole(Diagnosis.KEY_INVALID));
        assertTrue(Document.unfinished(fresh).size() > 10, found(fresh));
        assertEquals("", found(filledIn(fresh)));
    }
}
