import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Message.Template;
import runbook.Settings.Templates;
import runbook.report.Document;
import runbook.DecisionTree.Diagnosis;

/** What {@code --check} finds, and what it leaves alone. */
class PostmortemCheckTest {
    private static final LocalDate TODAY = LocalDate.parse("2026-11-23");

    /** {@code 3 placeholder, 5 owner}. */
    private static String found(String document) {
        return Document.unfinished(document, TODAY).stream()
                .map(place -> place.line() + " " + place.rule())
                .collect(Collectors.joining(", "));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "Lead: [Name];1 placeholder",
            "- What went well: [...];1 placeholder",
            "Date: YYYY-MM-DD;1 placeholder",
            "- HH:MM - Alert;1 placeholder",
            "TODO ask Bob;1 placeholder",
            "see {{impact}};1 placeholder",
            "It was the cache (to confirm);1 to-confirm",
            "Caused by Human Error;1 blame",
            "He should have known;1 blame",
            "- [ ] Add an alert;1 owner, 1 due",
            "- [ ] Add an alert - Owner: [name] - Due: [date];1 owner, 1 due",
            "- [ ] Add an alert - Owner: Ana - Due: soon;1 due",
            "- [ ] Add an alert - Owner: Ana - Due: 2026-13-40;1 due",
            "- [ ] Add an alert - Owner:  - Due: 2027-01-01;1 owner",
            "- [ ] Add an alert - Owner: Ana - Due: 2026-11-22;1 overdue",
            "<!-- offered:timeline 0123456789ab -->;1 offer",
    })
    void finds(String line, String places) {
        assertEquals(places, found(line));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "- [ ] Add an alert - Owner: Ana - Due: 2026-11-23",
            "- [x] Add an alert - Owner: Ana - Due: 2020-01-01",
            "* [X] Add an alert - Owner: Ana Maria O'Neil - Due: 2026-01-01.",
            "see [the guide](https://example.org) and [that][1] and a footnote[^2]",
            "[1]: https://example.org",
            "`[name]` in code, `{{x}}` too",
            "an outside \\[text\\] that was escaped",
            "<!-- generated:impact 0123456789ab -->",
            "![a picture](data:image/png;base64,AA==)",
    })
    void leavesAlone(String line) {
        assertEquals("", found(line));
    }

    @Test
    void codeBlocksAreLeftAlone() {
        assertEquals("4 placeholder", found("```\n[name] TODO\n```\n[name]\n"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "03:04 Alert fired,03:20 x,03:51 y;5 hole",
            "03:04 Alert fired,03:20 x,03:50 y;''",
            "03:20 Alert fired,03:04 x;4 order",
            "02:00 First symptom,03:04 Alert fired;''",
            "03:04 Alert fired,03:10 Service restored,09:00 closed;''",
            "23:50 Alert fired,00:05 x;''",
            "2026-11-20 23:50 Alert fired,2026-11-21 00:05 x,2026-11-21 01:00 y;5 hole",
            "03:04–03:40 Alert fired,03:50 x;''",
    })
    void timeline(String rows, String places) {
        String table = List.of(rows.split(",")).stream()
                .map(row -> "| " + row.replaceFirst("(.*\\d\\d:\\d\\d) ", "$1 | ") + " | x |\n")
                .collect(Collectors.joining());

        assertEquals(places, found("### Timeline\n| Time | What | By |\n" + table));
        assertEquals("", found("### Impact\n\n" + table), "only the timeline is one");
    }

    @Test
    void aHoleMayBeExplained() {
        String timeline = "### Timeline (UTC)\n- 03:04 - Alert fired: x\n- 03:50 - Service restored\n";

        assertEquals("3 hole", found(timeline));
        assertEquals("", found(timeline + "\nGap 03:04-03:50: waiting for Klaviyo\n"));
    }

    @Test
    void aFreshOneIsUnfinishedAndAFilledInOneIsFinished() {
        String fresh = PostmortemJournals.report(PostmortemJournals.whole(Diagnosis.KEY_INVALID))
                .markdown(Templates.builtIn().template("postmortem.md"), Optional.empty())
                .text();
        String done = fresh.replace("**(to confirm)**", "")
                .replace("Owner: [name] - Due: [date]", "Owner: Ana - Due: 2027-01-15")
                .replace("[Technical explanation: how and what, not who]", "A clean-up deleted the key.")
                .replace("[...]", "see the facts");

        assertTrue(Document.unfinished(fresh, TODAY).size() > 10, found(fresh));
        assertEquals("", found(done));
    }
}
