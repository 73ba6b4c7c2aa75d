import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Text.Json;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.DecisionTree.Diagnosis;

/** The script as people run it. Its status page is a port that refuses, so that nothing leaves the machine. */
class PostmortemTest {
    private static final String NOWHERE = "http://127.0.0.1:1";
    private Path folder;
    private Incident incident;

    @BeforeEach
    void folder() throws IOException {
        folder = Tree.temporary("postmortem");
        incident = Incident.at(folder.resolve("klaviyo-incidents/20261120T030405Z"));
        for (Event event : PostmortemJournals.whole(Diagnosis.KEY_INVALID).journal().read().events()) {
            incident.append(event);
        }
    }

    private Run.Result run(String... arguments) {
        return Run.script("postmortem").cwd(folder).env("KLAVIYO_STATUS_URL", NOWHERE).args(arguments).run();
    }

    private Path written(String name) {
        return incident.folder().resolve(name);
    }

    private List<Event> events() throws IOException {
        return incident.journal().read().events();
    }

    @Test
    void writtenThenCheckedThenFilledInThenClosed() throws IOException {
        Run.Result write = run("--lead", "@Ana");
        assertEquals(0, write.exit(), write.toString());
        assertTrue(write.out().contains("postmortem.md") && write.out().contains("postmortem.html")
                        && write.out().contains("127.0.0.1 refuses"), write.toString());
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(written("postmortem.md"))));
        String fresh = PostmortemJournals.read(written("postmortem.md"));
        assertTrue(fresh.contains("**Incident Lead:** Ana"), fresh);

        Run.Result check = run("--check");
        assertEquals(51, check.exit(), check.toString());
        Matcher place = Pattern.compile("postmortem\\.md:(\\d+): the action has no owner").matcher(check.out());
        assertTrue(place.find(), check.toString());
        assertTrue(fresh.lines().toList().get(Integer.parseInt(place.group(1)) - 1).startsWith("- [ ] "),
                "line numbers are right");

        assertEquals(51, run("close").exit(), "unfinished");
        assertTrue(Incident.open(events()));

        Files.writeString(written("postmortem.md"), fresh.replace("**(to confirm)**", "")
                        .replace("Owner: [name] - Due: [date]", "Owner: Ana - Due: 2126-01-15")
                        .replace("[Technical explanation: how and what, not who]", "A clean-up deleted the key.")
                        .replace("[...]", "see the facts").replaceAll("\\[unknown: [^\\]]*\\]", "nobody can say"));
        assertEquals(0, run("--check").exit());
        Run.Result close = run("close", "--by", "Ana");
        assertEquals(0, close.exit(), close.toString());
        assertFalse(Incident.open(events()));
    }

    @Test
    void anIncidentThatFailsAgainAfterItsRecoveryIsNotOver() throws IOException {
        incident.append(new Event(Instant.parse("2026-11-20T04:10:00Z"), "triage", Event.DIAGNOSED,
                "P1 key-invalid, again",
                Json.of(Map.of("diagnosis", "key-invalid", "severity", "P1"))));
        run();
        String report = PostmortemJournals.read(written("postmortem.md"));
        assertTrue(report.contains("ongoing UTC") && report.contains("was not over when this was written"), report);
        assertTrue(report.contains("seemed to work again from 03:17 until 04:10"), report);
        incident.append(new Event(Instant.parse("2026-11-20T04:30:00Z"), "watch", Event.RECOVERED, "it held",
                Json.object()));
        run();
        String later = PostmortemJournals.read(written("postmortem.md"));
        assertTrue(later.contains("worked again from 04:30 on"), later);
    }

    @Test
    void closeAnyway() throws IOException {
        Run.Result without = run("close");
        assertEquals(51, without.exit(), without.toString());
        assertTrue(
                without.out().replaceAll("\\s+", "").contains("20261120T030405Z/postmortem.mdyet"), without.toString());

        assertEquals(0, run("close", "--anyway").exit());
        assertEquals(Event.CLOSED, events().get(events().size() - 1).event());
    }

    @Test
    void eventsAndMessagesShowInWhatIsWritten() throws IOException {
        assertEquals(0, run("event", "customers wrote jane@example.com in", "--at", "2026-11-20 03:08", "--by", "Eve")
                        .exit());
        Run.Result internal =
                run("announce", "internal", "--state", "mitigating", "--eta", "11:30", "--lead", "Ana", "--sent",
                        "--json");
        assertEquals(0, internal.exit(), internal.toString());
        JsonNode json = Json.read(internal.out());
        assertTrue(json.path("text").asText().contains("Status: MITIGATING")
                        && json.path("text").asText().contains("ETA: 11:30"), internal.toString());
        Run.Result external = run("announce", "external", "--state", "resolved", "--data-loss", "none");
        assertTrue(
                external.out().contains("No data was lost.") && !external.out().contains("Ana"), external.toString());

        assertEquals(0, run("--format", "md").exit());
        String text = PostmortemJournals.read(written("postmortem.md"));
        assertTrue(text.contains("customers wrote email-") && !text.contains("jane@example.com"), text);
        assertTrue(text.contains("> Status: MITIGATING") && text.contains("internal message, mitigating, sent"), text);
        assertTrue(text.contains("external message, resolved, a draft"), text);
        assertFalse(text.contains("> No data was lost"), "a draft told nobody");
        assertFalse(Files.exists(written("postmortem.html")), "--format md alone");
    }

    @Test
    void wrongUsageSaysWhatToChange() throws IOException {
        assertRefused(run("event", "x", "--at", "2126-01-01 10:00"), "--at \"2126-01-01 10:00\" is in the future");
        assertRefused(run("event", "x", "--kind", "acknowleged"), "--kind acknowleged: there are acknowledged");
        assertRefused(run("--bundle", "nothing.zip"), "nothing.zip cannot be used: no such file");
        assertRefused(run("announce", "internal", "--post"), "SLACK_WEBHOOK_URL");
        Files.createDirectories(folder.resolve("ours"));
        Files.writeString(folder.resolve("ours/postmortem.md"), "# {{errorTyp}}\n");
        assertRefused(
                run("--templates", "ours"), "ours/postmortem.md line 1: there is no {{errorTyp}}, did you mean {{errorType}}?");
        Files.writeString(folder.resolve("mine.md"), "my own words\n");
        assertRefused(run("--out", "mine.md"), "mine.md is there, and has no generated part");
        assertEquals("my own words\n", PostmortemJournals.read(folder.resolve("mine.md")));
    }

    private static void assertRefused(Run.Result result, String message) {
        assertEquals(2, result.exit(), result.toString());
        assertTrue(result.err().contains(message) && result.err().startsWith("error: "), result.toString());
    }

    @Test
    void ownTemplateAndPlace() throws IOException {
        Files.createDirectories(folder.resolve("ours"));
        Files.writeString(folder.resolve("ours/postmortem.md"),
                "# {{errorType}} ({{severity}})\n\n<!-- generated:t -->\n{{timeline}}\n<!-- /generated:t -->\n");
        Run.Result result = run("--templates", "ours", "--out", "docs/one.html", "--format", "html,md", "--json");

        assertEquals(0, result.exit(), result.toString());
        assertEquals(1, Json.read(result.out()).path("schema").asInt());
        assertTrue(PostmortemJournals.read(folder.resolve("docs/one.md"))
                .startsWith("# 401 Authentication Failure (P2)\n"));
        assertTrue(PostmortemJournals.read(folder.resolve("docs/one.html")).startsWith("<!doctype html>"));
    }

    @Test
    void withNothingRecordedAnEmptyOneWithTheDateFilledIn() throws IOException {
        Path elsewhere = Tree.temporary("postmortem");
        Run.Result result = Run.script("postmortem").cwd(elsewhere).env("KLAVIYO_STATUS_URL", NOWHERE).run();

        assertEquals(0, result.exit(), result.toString());
        String text = PostmortemJournals.read(elsewhere.resolve("postmortem.md"));
        assertTrue(text.contains("## Incident: Klaviyo [Error Type]")
                        && text.contains("**Date:** " + Instant.now().toString().substring(0, 7)), text);
        assertTrue(result.out().contains("--incident DIR names one"), result.toString());
    }

    @Test
    void aSlackExportIsTakenOnce() throws IOException {
        Files.writeString(folder.resolve("day.json"),
                "[{\"type\":\"message\",\"user\":\"U1\",\"ts\":\"1763608000.0002\",\"text\":\"write to"
                        + " jane@example.com\"}]");
        int before = events().size();

        assertEquals(0, run("import", "day.json").exit());
        assertTrue(run("import", "day.json").out().contains("0 of 1 event"));
        assertEquals(before + 1, events().size());
        assertFalse(PostmortemJournals.read(incident.journal().file()).contains("jane@example.com"));
    }

    @Test
    void unknownImpactIsUnfinished() throws IOException {
        run();
        Run.Result check = run("--check");

        assertEquals(51, check.exit(), check.toString());
        assertTrue(check.out().contains("Failed API calls: [unknown\" is not known yet"), check.toString());
    }

    @Test
    void aClosedIncidentIsWrittenAgain() throws IOException {
        assertEquals(0, run("close", "--anyway").exit());
        Run.Result again = run();
        assertEquals(0, again.exit(), again.toString());
        assertTrue(again.out().replaceAll("\\s+", " ").contains("was closed at"), again.toString());
        assertTrue(PostmortemJournals.read(written("postmortem.md")).contains("401 Authentication Failure"));
        assertFalse(Files.exists(folder.resolve("postmortem.md")), "no empty template beside it");

        Run.Result unnamed = run("event", "it was the cache");
        assertRefused(unnamed, "no incident is open here, the newest is closed: for that one add --incident ");
        Run.Result named = run("event", "it was the cache", "--incident", incident.toString());
        assertEquals(0, named.exit(), named.toString());
        assertTrue(named.out().replaceAll("\\s+", " ").contains("this incident was closed at"), named.toString());
        run();
        assertTrue(PostmortemJournals.read(written("postmortem.md")).contains("it was the cache"));
    }

    @Test
    void whoMayLeadIsOfferedToConfirm() throws IOException {
        Incident other = Incident.at(folder.resolve("klaviyo-incidents/20261121T030405Z"));
        other.append(new Event(PostmortemJournals.BEGAN, "watch", Event.DEGRADED, "profiles fails", Json.object()));
        Path home = Tree.temporary("home");
        Files.writeString(home.resolve(".gitconfig"), "[user]\n\tname = Ana Git\n");
        Run.script("postmortem").cwd(folder).env("KLAVIYO_STATUS_URL", NOWHERE).env("HOME", home.toString()).run();

        String text = PostmortemJournals.read(other.folder().resolve("postmortem.md"));
        assertTrue(text.contains("**Incident Lead:** [Name: Ana Git?]"), text);
    }

    @Test
    void aHandoverSaysWhatTheNextPersonMustKnow() throws IOException {
        run("event", "fallback is on", "--kind", "mitigated", "--by", "Eve", "--at", "2026-11-20 03:30");
        Run.Result handover = run("handover");

        assertEquals(0, handover.exit(), handover.toString());
        assertTrue(handover.out().lines().count() <= 25, handover.toString());
        for (String part : List.of("What: P2 key-invalid", "Since: 2026-11-20T03:04Z", "works again",
                "Eve: fallback is on",
                "key rotated", "Due next: the postmortem", "20261120T030405Z")) {
            assertTrue(handover.out().contains(part), part + "\n" + handover);
        }
    }

    @Test
    void anIncidentIsCarriedToAnotherMachine() throws IOException {
        run();
        String clean = PostmortemJournals.read(written("journal.jsonl"));
        Files.writeString(written("journal.jsonl"),
                "{\"at\":\"2026-11-20T05:00:00Z\",\"step\":\"x\",\"event\":\"note\","
                + "\"summary\":\"pk_0123456789abcdef0123456789abcdef01 for jane@example.com\",\"data\":{}}\n",
                StandardOpenOption.APPEND);
        String triage = "{\"actions\":[{\"command\":null},{\"command\":\"jbang watch\"}],\"millis\":1}\n";
        Files.writeString(written("triage-20261120T030405Z.json"), triage);
        Files.writeString(written(".env"), "KLAVIYO_PRIVATE_KEY=pk_0123456789abcdef0123456789abcdef01\n");
        Run.Result export = run("export", "incident.zip", "--json");
        assertEquals(0, export.exit(), export.toString());
        assertTrue(Json.read(export.out()).path("redacted").toString().contains("journal.jsonl"), export.toString());
        assertEquals("rw-------", PosixFilePermissions.toString(
                Files.getPosixFilePermissions(folder.resolve("incident.zip"))));
        assertRefused(run("export", "incident.zip"), "is there already");

        Path elsewhere = Tree.temporary("postmortem");
        Run.Result taken = Run.script("postmortem").cwd(elsewhere)
                .args("import", folder.resolve("incident.zip").toString()).run();
        assertEquals(0, taken.exit(), taken.toString());
        Path copy = elsewhere.resolve("klaviyo-incidents/20261120T030405Z");
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(copy)));
        assertEquals(PostmortemJournals.read(written("postmortem.md")),
                PostmortemJournals.read(copy.resolve("postmortem.md")));
        String journal = PostmortemJournals.read(copy.resolve("journal.jsonl"));
        assertEquals(triage, PostmortemJournals.read(copy.resolve("triage-20261120T030405Z.json")));
        assertTrue(journal.startsWith(clean), "what was clean stays byte for byte");
        assertEquals(events().size(), Incident.at(copy).journal().read().events().size());
        assertFalse(journal.contains("pk_0123") || journal.contains("jane@") || Files.exists(copy.resolve(".env")));
        assertRefused(Run.script("postmortem").cwd(elsewhere).args("import",
                folder.resolve("incident.zip").toString()).run(), "is there already");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"../../evil;no incident's folder has",
            "journal.jsonl/x;no incident's folder has",
            "/etc/passwd;no incident's folder has", "CON;no incident's folder has",
                    "triage-1.json;not those that its list",
            "export.json;it is not what postmortem export writes", "a/journal.jsonl;no incident's folder has"})
    void hostileArchivesAreRefusedWhole(String name, String why) throws IOException {
        Path elsewhere = Tree.temporary("postmortem");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(elsewhere.resolve("x.zip")))) {
            for (String entry : new LinkedHashSet<>(List.of(name, "export.json"))) {
                zip.putNextEntry(new ZipEntry(entry));
                zip.write((entry.equals("export.json") && !name.equals(entry)
                        ? "{\"schema\":1,\"incident\":\"x\",\"files\":{}}" : "{}").getBytes(StandardCharsets.UTF_8));
            }
        }
        Run.Result refused = Run.script("postmortem").cwd(elsewhere).args("import", "x.zip").run();

        assertRefused(refused, why);
        try (Stream<Path> left = Files.walk(elsewhere)) {
            assertEquals(List.of("klaviyo-incidents", "x.zip"),
                    left.skip(1).map(path -> path.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void aHundredThousandEventsTakeAtMostTwiceTheTimeOfTen() throws IOException, InterruptedException {
        long small = Math.min(time(10), time(10));
        long large = Long.MAX_VALUE;
        // The machine may be busy with other tests: the best of a few counts.
        for (int attempt = 0; attempt < 4 && large > 2 * small; attempt++) {
            large = Math.min(large, time(100_000));
            small = Math.max(small, time(10));
        }
        assertTrue(large <= 2 * small, "100,000 events " + large + " ms, 10 events " + small + " ms");
    }

    private long time(int events) throws IOException, InterruptedException {
        Path journal = folder.resolve("of-" + events);
        if (Files.notExists(journal)) {
            Files.createDirectories(journal);
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < events; i++) {
                lines.append("{\"at\":\"").append(PostmortemJournals.BEGAN.plusMillis(300L * i))
                        .append("\",\"step\":\"watch\",\"event\":\"note\",\"summary\":\"round ").append(i)
                        .append("\",\"data\":{\"round\":").append(i).append("}}\n");
            }
            Files.write(journal.resolve("journal.jsonl"), lines.toString().getBytes(StandardCharsets.UTF_8));
        }
        long start = System.nanoTime();
        Run.Running running = Run.process("postmortem").cwd(folder).env("KLAVIYO_STATUS_URL", NOWHERE)
                .args("--incident", journal.toString()).start();
        long mostMemory = 0;
        while (running.process().isAlive()) {
            mostMemory = Math.max(mostMemory, residentMegabytes(running.process().pid()));
            running.process().waitFor(20, TimeUnit.MILLISECONDS);
        }
        long millis = (System.nanoTime() - start) / 1_000_000;
        assertEquals(0, running.await().exit());
        assertTrue(mostMemory < 256, mostMemory + " MB resident");
        return millis;
    }

    private static long residentMegabytes(long pid) {
        try {
            Matcher peak = Pattern.compile("VmHWM:\\s+(\\d+) kB")
                    .matcher(PostmortemJournals.read(Path.of("/proc/" + pid + "/status")));
            return peak.find() ? Long.parseLong(peak.group(1)) / 1024 : 0;
        } catch (UncheckedIOException e) {
            // No such file system here, or the process has just ended.
            return 0;
        }
    }
}
