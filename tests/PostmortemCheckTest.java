import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.report.Document;
import runbook.DecisionTree.Diagnosis;

/** What {@code --check} finds, and what it leaves alone. */
class PostmortemCheckTest {
    /** {@code 3 placeholder, 5 owner}. */
    private static String found(String document) {
        return Document.unfinished(document).stream().map(place -> place.line() + " " + place.rule())
                .collect(Collectors.joining(", "));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "Lead: [Name];1 placeholder", "- What went well: [...];1 placeholder", "Date: YYYY-MM-DD;1 placeholder",
            "- HH:MM - Alert;1 placeholder", "TODO ask Bob;1 placeholder", "see {{impact}};1 placeholder",
            "It was the cache (to confirm);1 to-confirm", "- [ ] Add an alert;1 owner, 1 due",
            "- [ ] Add an alert - Owner: [name] - Due: [date];1 owner, 1 due",
            "- [ ] Add an alert - Owner: Ana - Due: soon;1 due",
            "- [ ] Add an alert - Owner: Ana - Due: 2026-13-40;1 due",
            "- [ ] Add an alert - Owner:  - Due: 2027-01-01;1 owner",
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
        String fresh = PostmortemJournals.markdown(
                PostmortemJournals.report(PostmortemJournals.whole(Diagnosis.KEY_INVALID)));
        assertTrue(Document.unfinished(fresh).size() > 10, found(fresh));
        assertEquals("", found(PostmortemJournals.filledIn(fresh)));
    }
}
