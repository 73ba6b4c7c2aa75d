import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import runbook.Text.Json;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.report.Postmortem;
import runbook.DecisionTree.Diagnosis;
import runbook.Message.Wording;
import runbook.Settings.Templates;

/** Journals as the scripts leave them, with fixed times, and the reports of them: what the tests of it stand on. */
abstract class PostmortemJournals {
    static final Instant BEGAN = Instant.parse("2026-11-20T03:04:05.678Z");
    static final Instant WRITTEN = Instant.parse("2026-11-20T09:00:00Z");

    private static String title(Diagnosis diagnosis) {
        return Wording.of(Templates.builtIn(), diagnosis.id()).title();
    }

    /** One that nothing is recorded of. */
    static Incident empty() {
        return Incident.at(Tree.temporary("postmortem").resolve("incident"));
    }

    /** A whole incident of a diagnosis: detected, taken, told, mitigated, watched, restored. */
    static Incident whole(Diagnosis diagnosis) {
        Incident incident = empty();
        Map<String, Object> verdict = Map.of("diagnosis", diagnosis.id(), "severity", "P2", "title", title(diagnosis),
                "reason", "3 of 3 probes failed", "path", List.of(
                        Map.of("question", "Is Klaviyo API returning errors?", "answer", "yes"),
                        Map.of("question", "status.klaviyo.com shows incident?", "answer", "no")), "also",
                List.of("revision-deprecated"));
        add(incident, 0, "triage", Event.DETECTED, "triage found " + diagnosis.id(), verdict);
        add(incident, 0, "triage", Event.DIAGNOSED, "P2 " + diagnosis.id() + ": " + title(diagnosis), verdict);
        add(incident, 2, "postmortem", Event.ACKNOWLEDGED, "taking it", Map.of("by", "Ana"));
        add(incident, 4, "triage", Event.ANNOUNCED, "internal message posted to Slack: investigating", Map.of(
                        "audience", "internal", "state", "investigating", "text",
                        "P2 INCIDENT: Klaviyo Integration\nStatus: INVESTIGATING\n"));
        if (diagnosis == Diagnosis.KEY_INVALID) {
            add(incident, 9, "rotate-key", Event.ROTATION_STEP, "preflight done", Map.of());
            add(incident, 11, "rotate-key", Event.ROTATED, "key rotated: sha256 1111aaaa -> sha256 2222bbbb", Map.of());
        } else {
            add(incident, 11, "postmortem", Event.MITIGATED, "fallback mode on, failed calls queued",
                    Map.of("by", "Ana"));
        }
        add(incident, 13, "watch", Event.NOTE, "good again after 9 min; waiting until it holds", Map.of());
        add(incident, 16, "watch", Event.RECOVERED, "4 good rounds in a row over 2 min 30 s",
                Map.of("goodSince", BEGAN.plus(Duration.ofMinutes(13)).toString(), "rounds", 4));
        add(incident, 40, "debug-bundle", Event.BUNDLED, "bundle-20261120T034405Z.zip", Map.of());
        return incident;
    }

    static void add(Incident incident, int minutesAfterTheBegin, String step, String event, String summary,
            Map<String, ?> data) {
        Instant at = BEGAN.plus(Duration.ofMinutes(minutesAfterTheBegin));
        add(incident, new Event(at, step, event, summary, Json.of(data)));
    }

    static void add(Incident incident, Event event) {
        try {
            incident.append(event);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the incident's folder alone tells. */
    static Postmortem report(Incident incident) {
        return Postmortem.of(Postmortem.Sources.recorded(incident, WRITTEN, Templates.builtIn()));
    }

    static String markdown(Incident incident) {
        return markdown(report(incident));
    }

    /** The report's Markdown by the built-in template, written for the first time. */
    static String markdown(Postmortem report) {
        return report.markdown(Templates.builtIn().template("postmortem.md"), Optional.empty()).text();
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

    /** The folder's copy of a file that a script wrote. */
    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
