import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Templates;
import runbook.report.*;

/** Writing again after more happened and after people wrote; what {@code --check} finds, and what it leaves alone. */
class PostmortemDocumentTest extends PostmortemJournals {
    private static final String MORE = "the CDN answered with 520";
    private final Incident incident = recorded("intermittent-5xx");
    private final String first = markdown(incident);

    private Document.Written again(String existing) {
        return report(incident).markdown(Templates.builtIn().template("postmortem.md"), Optional.of(existing));
    }

    private Document.Written afterMoreHappened(String existing) {
        add(incident, "03:18", "postmortem", Event.NOTE, MORE, Map.of());
        return again(existing);
    }

    @Test
    void generatedPartsAreRenewedAndWordsStay() {
        assertEquals(first, again(first).text(), "nothing new changes nothing");
        String words = first.replace("[Technical explanation: how and what, not who]", "Their balancer dropped us.")
                .replace("### Summary", "### Summary for everybody") + "\nPS: thanks.\n";
        String second = afterMoreHappened(words).text();
        assertSays(second, MORE, "Their balancer dropped us.", "### Summary for everybody");
        assertTrue(second.endsWith("PS: thanks.\n"), second);
    }

    @Test
    void anEditedPartIsLeftAloneAndARemovedOneIsNotPutBack() {
        String edited = first.replace("good again; waiting until it holds", "good again, says Bob")
                .replaceFirst("Owner: \\[name\\] - Due: \\[date\\]", "Owner: Ana - Due: 2027-01-15")
                .replaceAll("(?s)#### Replay Plan\n\n<!-- generated:replay.*?/generated:replay -->\n", "");
        Document.Written second = afterMoreHappened(edited);
        assertEquals(List.of("timeline", "actions"), second.kept());
        assertSays(second.text(), "good again, says Bob", "Owner: Ana - Due: 2027-01-15");
        assertTrue(!second.text().contains(MORE) && !second.text().contains("generated:replay"), second.text());
        assertEquals(second.text(), again(second.text()).text());
    }

    @Test
    void anEditorsHabitsAreNoEditsAndABrokenMarkerCostsNoWords() {
        String habits = first.lines().map(String::stripTrailing).reduce("", (text, line) -> text + line + "\r\n");
        Document.Written second = afterMoreHappened(habits);
        assertEquals(List.of(), second.kept());
        assertSays(second.text(), MORE);

        String broken = again(first.replace("<!-- /generated:impact -->\n", "")).text();
        first.substring(first.indexOf("### Impact") + 30, first.indexOf("<!-- /generated:impact")).lines()
                .forEach(line -> assertSays(broken, line));
        assertSays(broken, MORE);
    }

    // ---- --check

    /** {@code 3 placeholder, 5 action}. */
    private static String found(String document) {
        return Document.unfinished(Templates.builtIn(), document).stream().map(place -> place.line() + " " + place.rule())
                .collect(Collectors.joining(", "));
    }

    @ParameterizedTest(name = "{1}")
    @Cases("postmortem-cases.txt: unfinished")
    void finds(String rule, String line) {
        assertEquals(rule == null ? "" : "1 " + rule, found(line));
    }

    @Test
    void aFreshOneIsUnfinishedAndAFilledInOneIsFinished() {
        assertTrue(Document.unfinished(Templates.builtIn(), first).size() > 10, found(first));
        assertEquals("", found(filledIn(first)));
        assertEquals("4 placeholder", found("```\n[name] TODO\n```\n[name]\n"), "code is left alone");
        assertSays(Document.unfinished(Templates.builtIn(), "- [ ] Rehearse `rotate-key` in a drill\n").get(0).message(),
                "\"- [ ] Rehearse `rotate-key` in a drill\" lacks");
    }
}
