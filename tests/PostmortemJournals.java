import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.report.*;

/** Journals as the steps left them in drills, and the reports of them: what the tests of it stand on. */
abstract class PostmortemJournals {
    /** When the recorded ones begin. */
    static final Instant BEGAN = Instant.parse("2026-11-20T03:04:05Z");
    static final Instant WRITTEN = Instant.parse("2026-11-20T09:00:00Z");

    static final BinaryOperator<String> COMMAND = (script, options) -> (script + " " + options).strip();

    /** One that nothing is recorded of. */
    static Incident empty() {
        return new Incident(Tree.temporary("postmortem").resolve("incident"));
    }

    /** A whole incident of a drill: detected, taken, told, mitigated at 03:15, restored at 03:17. */
    static Incident recorded(String drill) {
        Incident incident = empty();
        try {
            Files.createDirectories(incident.folder());
            Files.copy(Repository.file("tests/golden/" + drill + ".jsonl"), incident.journal().file());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return incident;
    }

    /** Adds an event of 20 November, {@code 03:20}. */
    static void add(Incident incident, String at, String step, String event, String summary, Map<String, ?> data) {
        try {
            incident.append(new Event(Instant.parse("2026-11-20T" + at + ":00Z"), step, event, summary, Json.of(data)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the incident's folder alone tells. */
    static Report report(Incident incident) {
        Notebook notebook = Notebook.of(incident, Optional.empty());
        return new Report(new Report.Sources(notebook, Optional.empty(), Optional.empty(), WRITTEN,
                COMMAND, Templates.BUILT_IN));
    }

    static String markdown(Incident incident) {
        return markdown(report(incident));
    }

    /** The report's Markdown by the built-in template, written for the first time. */
    static String markdown(Report report) {
        return report.markdown(Optional.empty()).text();
    }

    /** The same with everything filled in that people have to. */
    static String filledIn(String fresh) {
        return fresh.replace("**(to confirm)**", "")
                .replace("Owner: [name] - Due: [date]", "Owner: Ana - Due: 2126-01-15")
                .replace("[Technical explanation: how and what, not who]", "A clean-up deleted the key.")
                .replace("[...]", "see the facts").replaceAll("\\[unknown: [^\\]]*\\]", "nobody can say");
    }

    /** A text holds all of these. */
    static void assertSays(String text, String... parts) {
        for (String part : parts) {
            assertTrue(text.contains(part), part + "\n--- not in\n" + text);
        }
    }
}
