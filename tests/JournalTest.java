import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Incident.Choice;
import runbook.Incident.Event;
import runbook.Key.LastGood;

/** What many writers, a power cut, odd bytes, and a full disk do to the incident folder, and to the diagnosis. */
class JournalTest {
    private static final int APPENDS = 15;
    private static final String LINE = """
            {"at":"2026-11-23T03:04:05.678Z","step":"watch","event":"note","summary":"%s"}
            """;

    private static final String TORN = " skipped: it is torn, no JSON, or has a field twice";

    @TempDir Path folder;

    /** A process: {@code append FOLDER NAME} does so in two threads, {@code read FOLDER} tells what is there. */
    static final class Other {
        public static void main(String... args) throws Exception {
            Incident incident = new Incident(Path.of(args[1]));
            if (args[0].equals("append")) {
                IntStream.range(0, 2).parallel().forEach(thread -> append(incident, args[2] + "t" + thread));
                return;
            }
            incident.append(Event.now("postmortem", Event.NOTE, "appended", Map.of()));
            Incident.Reading reading = incident.journal().read();
            List<Event> events = reading.events();
            boolean open = new Choice(Path.of(args[1]).getParent(), null, "").open().isPresent();
            String last = events.get(events.size() - 1).summary();
            System.out.println(open + " " + events.get(0).summary() + " .. " + last + " " + reading.problems());
        }

        private static void append(Incident incident, String name) {
            // Longer than any write that an operating system promises not to mix with others.
            Map<String, String> filler = Map.of("filler", "ü".repeat(2_100));
            for (int i = 0; i < APPENDS; i++) {
                String summary = name + "-" + i;
                assertDoesNotThrow(() -> incident.append(Event.now("watch", Event.NOTE, summary, filler)));
            }
        }

        static Run run(String... args) {
            return Run.command(Run.JAVA.toString(), "-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
                    System.getProperty("java.class.path"), Other.class.getName()).args(args);
        }
    }

    @Test
    void manyProcessesAndThreadsLoseAndTearNothing() throws Exception {
        Path incident = folder.resolve("new/incident");
        List<Run.Running> running = Stream.of("p0", "p1", "p2")
                .map(name -> Other.run("append", incident.toString(), name).start()).toList();
        for (Run.Running process : running) {
            process.await().ends(0);
        }
        Incident.Reading reading = new Incident(incident).journal().read();
        List<String> said = reading.events().stream().map(Event::summary).toList();
        assertEquals(List.of(), reading.problems());
        assertEquals(3 * 2 * APPENDS, said.size());
        for (String writer : List.of("p0t0-", "p1t0-", "p2t0-", "p0t1-", "p1t1-", "p2t1-")) {
            assertEquals(IntStream.range(0, APPENDS).mapToObj(i -> writer + i).toList(),
                    said.stream().filter(name -> name.startsWith(writer)).toList(), "each once, in the order written");
        }
        assertModes(incident);
    }

    @Test
    void oddLinesCostOnlyThemselves() throws Exception {
        Path file = folder.resolve("journal.jsonl");
        Files.write(file, (String.format(LINE, "caf\u00e9") + """

            {"at":"2026-11-23T04:04:05+01:00","step":"pager","event":"paged-somebody","summary":"unknown","by":"x",\
            "data":{"deep":{"er":[1]}}}
            {"at":"yesterday","step":"x","event":"note","summary":"no time"}
            [1,2]
            {"at":"2026-11-23T05:04:05Z","event":"note","summary":"\\u0000\\u001b"}
            {"at":"2026-11-23T06:04:05Z","event":"note","summary":"hidden","summary":"a field twice"}
            \u0000\u0000\u0000\u0000
            """).getBytes(StandardCharsets.ISO_8859_1));
        Incident.Reading reading = new Incident(folder).journal().read();
        assertEquals(List.of("caf\ufffd", "unknown", "\u0000\u001b"),
                reading.events().stream().map(Event::summary).toList());
        Event second = reading.events().get(1);
        assertEquals("paged-somebody 2026-11-23T03:04:05Z", second.event() + " " + second.at());
        assertEquals(1, second.data().at("/deep/er/0").asInt());
        assertEquals(List.of(file + " line 4 skipped: its time is not ISO 8601",
                file + " line 5 skipped: it is no JSON object",
                file + " line 7" + TORN, file + " line 8" + TORN), reading.problems());
    }

    @Test
    void whatComesFromOutsideIsRedactedAndCommandsStayAsTheyAre() throws Exception {
        String command = "aws secretsmanager put-secret-value --secret-string file:///dev/stdin";
        Map<String, Object> data = Map.of("command", command, "answer", "bad key pk_AbC123_" + "0A".repeat(17),
                "checks", List.of(Map.of("said", "jane@example.com, +4915112345678")));
        new Incident(folder).append(Event.now("triage", Event.NOTE, "401: client_secret=hunter2", data));
        new Incident(folder).append(Event.now("triage", Event.NOTE, "pk_" + "0a".repeat(17), Map.of()));
        String file = Files.readString(folder.resolve("journal.jsonl"));
        assertFalse(file.matches("(?is).*(hunter2|jane@|49151|0a0a).*"), file);
        assertTrue(file.contains(command), file);
    }

    @ParameterizedTest(name = "of {0}")
    @ValueSource(strings = {"lines", "one line"})
    void aHugeJournalIsReadInASmallHeapAndStillTakesEvents(String what) throws Exception {
        Path incident = Files.createDirectories(folder.resolve("20261123T000000Z"));
        boolean lines = what.equals("lines");
        try (RandomAccessFile file = new RandomAccessFile(incident.resolve("journal.jsonl").toFile(), "rw")) {
            file.writeBytes(String.format(LINE, "first"));
            file.seek(300 << 20);
            file.writeBytes(lines ? "\n" + String.format(LINE, "x".repeat(200)).repeat(40_000) : "\n");
            file.writeBytes(String.format(LINE, "last"));
        }
        Run.Result result = Other.run("read", incident.toString()).run().ends(0);
        assertTrue(result.out().matches("(?s)true (x+|last) .. appended .*journal.jsonl, in its newest part, "
                + "line 1 skipped: the \\d{3} MiB up to its end were not read.*"), result.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a symbolic link", "no regular file"})
    void aJournalThatIsNoFileOfItsOwnIsNeitherReadNorWritten(String what) throws Exception {
        Path journal = folder.resolve("journal.jsonl");
        Path elsewhere = Files.writeString(folder.resolve("elsewhere"), "");
        if (what.equals("a symbolic link")) {
            Files.createSymbolicLink(journal, elsewhere);
        } else {
            assumeTrue(Run.command("mkfifo", journal.toString()).run().exit() == 0, "only where there are pipes");
        }
        Incident incident = new Incident(folder);
        String why = journal + " is " + what + ": a journal has to be a file of its own";
        Event event = Event.now("x", Event.NOTE, "x", Map.of());
        assertEquals(why, assertThrows(IOException.class, () -> incident.append(event)).getMessage());
        assertEquals(why, assertThrows(IOException.class, () -> incident.journal().read()).getMessage());
        assertEquals(0, Files.size(elsewhere));
    }

    @Test
    void theLastGoodStateIsPrivateHoldsNoSecretAndATornOneIsNone() throws Exception {
        Path file = folder.resolve("klaviyo-runbook/last-good.json");
        Screen.Host host = new Screen.Host(Map.of("XDG_STATE_HOME", folder.toString()), folder, null, null, null);
        for (String digits : List.of("0a", "1b")) {
            Key key = Key.of("pk_" + digits.repeat(17));
            LastGood.remember(host, "AbC123", "Acme", Set.of("lists:read"), key, Instant.now());
        }
        LastGood known = LastGood.of(host, Key.of("pk_" + "0a".repeat(17))).orElseThrow();
        assertEquals("AbC123 Acme [lists:read]", known.account() + " " + known.organisation() + " " + known.scopes());
        assertTrue(known.replacedAt(host).isPresent(), "the account has another key since");
        assertFalse(Files.readString(file).matches("(?s).*(0a0a|1b1b).*"));
        assertModes(file.getParent());
        Files.writeString(file, "{\"keys\":[{\"sha256\":\"x\",\"at\":\"yester");
        assertEquals(Optional.empty(), LastGood.of(host, Key.of("pk_" + "0a".repeat(17))));
    }

    // ---- which incident

    @Test
    void theNewestOpenOneIsChosenAndDrillsNeverMixWithRealOnes() throws Exception {
        assertEquals(Optional.empty(), new Choice(folder.resolve("missing"), null, "").open());
        incident("20261120T000000Z", Map.of(), Event.DETECTED);
        incident("20261121T000000Z", Map.of(), Event.DETECTED);
        incident("20261122T000000Z", Map.of(), Event.DETECTED, Event.CLOSED);
        incident("20261123T000000Z", Map.of("drill", "outage"), Event.DETECTED);
        Files.createDirectories(folder.resolve("20261124T000000Z"));
        Files.writeString(folder.resolve("notes.txt"), "no folder");
        assertEquals("20261121T000000Z", newest(""));
        assertEquals("20261123T000000Z", newest("outage"));
        assertEquals("none", newest("revoked-key"), "a drill joins only a drill of its own scenario");
        assertEquals("20261123T000000Z", named("outage"), "opened within the same second");
        assertEquals("20261123T000001Z", named("revoked-key"), "a drill keeps its folder to itself");
        assertEquals("20261121T000000Z", named(""), "what somebody opened meanwhile is joined");
        incident("20261123T000000Z", Map.of("drill", "outage"), Event.DETECTED, Event.CLOSED);
        incident("20261123T000001Z", Map.of(), Event.DETECTED);
        assertEquals("none", newest("outage"));
        assertEquals("20261123T000002Z", named("outage"), "and so does a closed incident");
    }

    private String named(String drill) {
        Instant at = Instant.parse("2026-11-23T00:00:00.5Z");
        return new Choice(folder, null, drill).opened(at).folder().getFileName().toString();
    }

    private void incident(String name, Map<String, String> data, String... events) throws IOException {
        for (String event : events) {
            new Incident(folder.resolve(name)).append(Event.now("triage", event, "x", data));
        }
    }

    private String newest(String drill) throws IOException {
        return new Choice(folder, null, drill).open()
                .map(found -> found.folder().getFileName().toString()).orElse("none");
    }

    private static void assertModes(Path incident) throws IOException {
        assumeTrue(incident.getFileSystem().supportedFileAttributeViews().contains("posix"), "files have no modes");
        try (Stream<Path> all = Files.walk(incident)) {
            for (Path file : (Iterable<Path>) all::iterator) {
                assertEquals(Files.isDirectory(file) ? "rwx------" : "rw-------",
                        PosixFilePermissions.toString(Files.getPosixFilePermissions(file)), file.toString());
            }
        }
    }
}
