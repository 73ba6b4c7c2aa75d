import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Cli;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Incident.Journal;
import runbook.Incident.LastGood;
import runbook.Key;
import runbook.Text.Json;

/** The incident folder: what many writers, a power cut, odd bytes, and a disk that takes nothing do to it, and to the diagnosis. */
class JournalTest {
    private static final int PROCESSES = 3;
    private static final int THREADS = 2;
    private static final int APPENDS = 15;

    @TempDir Path folder;

    /** A process of its own that appends from two threads: {@code java Appender FOLDER NAME}. */
    static final class Appender {
        public static void main(String... args) throws Exception {
            List<Thread> threads = IntStream.range(0, THREADS)
                    .mapToObj(thread -> new Thread(() -> append(Path.of(args[0]), args[1] + thread))).toList();
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join();
            }
        }

        private static void append(Path folder, String name) {
            try {
                for (int i = 0; i < APPENDS; i++) {
                    // Longer than any write that an operating system promises not to mix with others.
                    Incident.at(folder).append(Event.now(
                                    "watch", Event.NOTE, name + "-" + i, Map.of("filler", "ü".repeat(2_100))));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Test
    void manyProcessesAndThreadsLoseAndTearNothing() throws Exception {
        Path incident = folder.resolve("new/incident");
        List<Run.Running> running = IntStream.range(0, PROCESSES).mapToObj(process -> Run.command(Run.JAVA.toString(),
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", System.getProperty("java.class.path"),
                Appender.class.getName(), incident.toString(), "p" + process + "t").start()).toList();
        for (Run.Running process : running) {
            assertEquals(0, process.await().exit(), process.err());
        }
        Incident.Reading reading = Incident.at(incident).journal().read();
        List<String> said = reading.events().stream().map(Event::summary).toList();
        assertEquals(List.of(), reading.problems());
        assertEquals(PROCESSES * THREADS * APPENDS, said.size());
        assertEquals(said.size(), new TreeSet<>(said).size(), "each exactly once");
        for (int process = 0; process < PROCESSES; process++) {
            String writer = "p" + process + "t0-";
            assertEquals(IntStream.range(0, APPENDS).mapToObj(i -> writer + i).toList(),
                    said.stream().filter(name -> name.startsWith(writer)).toList(),
                    "in the order written");
        }
        assertModes(incident);
    }

    @Test
    void oddLinesCostOnlyThemselves() throws Exception {
        Incident incident = Incident.at(folder);
        byte[] latin =
                "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":\"by hand\",\"event\":\"note\",\"summary\":\"caf\u00e9\"}\n"
                        .getBytes(StandardCharsets.ISO_8859_1);
        Files.write(incident.journal().file(), latin);
        Files.writeString(incident.journal().file(), """

            {"at":"2026-11-23T04:04:05+01:00","step":"pager","event":"paged-somebody","summary":"unknown event","by":"unknown field","data":{"deep":{"er":[1]}}}
            {"at":"yesterday","step":"x","event":"note","summary":"no time"}
            [1,2]
            {"at":"2026-11-23T05:04:05Z","event":"note","summary":"\\u0000\\u001b"}
            \u0000\u0000\u0000\u0000
            """, StandardOpenOption.APPEND);
        Incident.Reading reading = incident.journal().read();
        assertEquals(List.of("caf\ufffd", "unknown event", "\u0000\u001b"), reading.events().stream().map(Event::summary).toList());
        assertEquals("paged-somebody", reading.events().get(1).event());
        assertEquals(Instant.parse("2026-11-23T03:04:05Z"), reading.events().get(1).at());
        assertEquals(1, reading.events().get(1).data().at("/deep/er/0").asInt());
        assertEquals("4 5 7", reading.problems().stream()
                        .map(problem -> problem.replaceAll(".* line (\\d+) skipped: .*", "$1"))
                        .collect(Collectors.joining(" ")));
    }

    @Test
    void whatComesFromOutsideIsRedactedAndCommandsStayAsTheyAre() throws Exception {
        String command = "aws secretsmanager put-secret-value --secret-string file:///dev/stdin";
        Map<String, Object> data = Map.of("command", command, "answer", "bad key pk_AbC123_" + "0A".repeat(17),
                "checks", List.of(Map.of("said", "jane@example.com, +4915112345678")));
        Incident.at(folder).append(Event.now("triage", Event.NOTE, "401: client_secret=hunter2", data));
        Incident.at(folder).append(Event.now("triage", Event.NOTE, "pk_" + "0a".repeat(17), Map.of()));
        String file = Files.readString(folder.resolve("journal.jsonl"));
        assertFalse(file.matches("(?is).*(hunter2|jane@|49151|0a0a).*"), file);
        assertTrue(file.contains(command), file);
    }

    // ---- long ones

    /** Reads a journal, and appends to it, in a process of its own: {@code java Reader FOLDER}. */
    static final class Reader {
        public static void main(String... args) throws Exception {
            Incident incident = Incident.at(Path.of(args[0]));
            incident.append(Event.now("postmortem", Event.NOTE, "appended", Map.of()));
            Incident.Reading reading = incident.journal().read();
            System.out.println(Incident.newestOpen(Path.of(args[0]).getParent(), String::isEmpty).isPresent() + " "
                    + reading.events().get(0).summary() + " .. " + reading.events().get(reading.events().size() - 1).summary());
            reading.problems().forEach(System.out::println);
        }
    }

    @ParameterizedTest(name = "with {0}")
    @CsvSource({"300 MB of lines, journal.jsonl is long: after line \\d+. \\d{3} MiB were not read",
                "one line of 300 MB, journal.jsonl is long: after line 1. \\d{3} MiB were not read"})
    void aHugeJournalIsReadInASmallHeapAndStillTakesEvents(String what, String problem) throws Exception {
        Path incident = Files.createDirectories(folder.resolve("20261123T000000Z"));
        String line = "{\"at\":\"2026-11-23T03:04:05.678Z\",\"step\":\"watch\",\"event\":\"note\",\"summary\":\"%s\"}\n";
        byte[] lines = String.format(line, "x".repeat(200)).repeat(40_000).getBytes(StandardCharsets.UTF_8);
        try (RandomAccessFile file = new RandomAccessFile(incident.resolve("journal.jsonl").toFile(), "rw")) {
            file.writeBytes(String.format(line, "first"));
            file.write(what.startsWith("one") ? new byte[0] : lines);
            file.seek(300 << 20);
            file.write(what.startsWith("one") ? "\n".getBytes(StandardCharsets.UTF_8) : lines);
            file.writeBytes(String.format(line, "last"));
        }
        Run.Result result = Run.command(Run.JAVA.toString(), "-Xmx64m", "-XX:+UseSerialGC", "-cp",
                System.getProperty("java.class.path"), Reader.class.getName(), incident.toString()).run();
        assertEquals(0, result.exit(), result.toString());
        assertEquals("true first .. appended", result.out().lines().findFirst().orElse(""), result.toString());
        assertTrue(Pattern.compile(problem).matcher(result.out()).find(), result.toString());
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
        Incident incident = Incident.at(folder);
        String append = assertThrows(IOException.class, () -> incident.append(Event.now("x", Event.NOTE, "x", Map.of()))).getMessage();
        String read = assertThrows(IOException.class, () -> incident.journal().read()).getMessage();
        assertEquals(journal + " is " + what + ": a journal has to be a file of its own", append);
        assertEquals(append, read);
        assertEquals(0, Files.size(elsewhere));
    }

    // ---- what it adds up to

    @Test
    void theEventsAddUpToAState() {
        List<Event> events = new ArrayList<>();
        for (String told : List.of("0 detected", "1 diagnosed P2 klaviyo-degraded", "2 announced", "3 recovered", "4 degraded",
                "5 diagnosed P1 key-invalid", "6 acknowledged", "7 rotated key rotated: sha256 aaaaaaaa -> sha256 bbbbbbbb", "8 note")) {
            String[] words = told.split(" ", 3);
            boolean judged = words[1].equals("diagnosed");
            Map<String, String> data = judged ? Map.of("severity", words[2].substring(0, 2), "diagnosis", words[2].substring(3))
                    : words[1].equals("acknowledged") ? Map.of("by", "ann") : Map.of();
            events.add(new Event(minute(words[0]), "x", words[1], words.length > 2 ? words[2] : "", Json.of(data)));
        }
        Incident.State state = Incident.State.of(events);
        assertAll(() -> assertEquals(Optional.of(minute("0")), state.began()),
                () -> assertEquals(Optional.of(minute("4")), state.failing(), "not since before the recovery"),
                () -> assertEquals("key-invalid P1 ann", state.diagnosis() + " " + state.severity() + " " + Incident.lead(events)),
                () -> assertEquals(minute("5"), state.since("P1", minute("9"))),
                () -> assertEquals(minute("5"), state.since("P2", minute("9")), "the first P2 was over"),
                () -> assertEquals(1, state.told().size()),
                () -> assertEquals(Optional.of(minute("7")), state.replacedAt("aaaaaaaa")),
                () -> assertEquals(Optional.empty(), state.replacedAt("bbbbbbbb")));
    }

    private static Instant minute(String digit) {
        return Instant.parse("2026-11-23T03:0" + digit + ":00Z");
    }

    // ---- what was seen when all was well

    @Test
    void theLastGoodStateIsRememberedByKeyWithoutAnySecret() throws Exception {
        Cli.Host host = new Cli.Host(Map.of("XDG_STATE_HOME", folder.resolve("state").toString()), folder, null, null, null);
        Key old = Key.of("pk_AbC123_" + "0a".repeat(17));
        Key fresh = Key.of("pk_AbC123_" + "1b".repeat(17));
        LastGood.remember(host, "AbC123", "Acme", Set.of("profiles:read", "events:read"), old, minute("1"));
        LastGood.remember(host, "XyZ789", "Other", Set.of(), Key.of("pk_" + "2c".repeat(17)), minute("2"));
        LastGood.remember(host, "AbC123", "Acme", Set.of("profiles:read"), fresh, minute("3"));
        LastGood known = LastGood.of(host, old).orElseThrow();
        assertAll(() -> assertEquals("AbC123 Acme [events:read, profiles:read] 2026-11-23T03:01:00Z",
                        known.account() + " " + known.organisation() + " " + known.scopes() + " " + known.at()),
                () -> assertEquals(Optional.of(minute("3")), known.replacedAt(host), "this shell has the key that was replaced"),
                () -> assertEquals(Optional.empty(), LastGood.of(host, fresh).orElseThrow().replacedAt(host)),
                () -> assertEquals(Optional.empty(), LastGood.of(host, Key.of("pk_unknown"))),
                () -> assertFalse(Files.readString(file()).matches("(?s).*(0a0a|1b1b|2c2c).*")),
                () -> assertModes(folder.resolve("state/klaviyo-runbook")));
        Files.writeString(file(), "{\"keys\":[{\"sha256\":\"x\",\"at\":\"yester");
        assertEquals(Optional.empty(), LastGood.of(host, fresh), "a torn file is none");
        LastGood.remember(host, "AbC123", "Acme", Set.of(), fresh, minute("4"));
        assertEquals(1, LastGood.of(host, fresh).stream().count());
    }

    private Path file() {
        return folder.resolve("state/klaviyo-runbook/last-good.json");
    }

    // ---- which incident

    @Test
    void theNewestOpenOneIsChosenAndDrillsNeverMixWithRealOnes() throws Exception {
        assertEquals(Optional.empty(), Incident.newestOpen(folder.resolve("missing"), String::isEmpty));
        incident("20261120T000000Z", Map.of());
        incident("20261121T000000Z", Map.of());
        incident("20261122T000000Z", Map.of(), Event.CLOSED);
        incident("20261123T000000Z", Map.of("drill", "outage"));
        Files.createDirectories(folder.resolve("20261124T000000Z"));
        Files.writeString(folder.resolve("notes.txt"), "no folder");
        assertEquals("20261121T000000Z", newest(String::isEmpty));
        assertEquals("20261123T000000Z", newest("outage"::equals));
        assertEquals("none", newest("revoked-key"::equals), "a drill joins only a drill of its own scenario");
        incident("20261123T000000Z", Map.of("drill", "outage"), Event.CLOSED);
        assertEquals("none", newest("outage"::equals));
    }

    private void incident(String name, Map<String, String> data, String... more) throws IOException {
        for (String event : Stream.concat(Stream.of(Event.DETECTED), Stream.of(more)).toList()) {
            Incident.at(folder.resolve(name)).append(Event.now("triage", event, "x", data));
        }
    }

    private String newest(Predicate<String> drill) throws IOException {
        return Incident.newestOpen(folder, drill).map(found -> found.folder().getFileName().toString()).orElse("none");
    }

    // ---- triage, when the folder cannot be written or read

    @ParameterizedTest
    @ValueSource(strings = {"file/incident", "unreadable", "full"})
    void theDiagnosisStandsWhateverTheFolderDoes(String where) throws Exception {
        Path incident = folder.resolve(where);
        if (where.startsWith("file")) {
            Files.writeString(folder.resolve("file"), "in the way");
        } else if (where.equals("unreadable")) {
            // Root may read any file; nobody can read a folder as one.
            Files.createDirectories(incident.resolve("journal.jsonl/x"));
        } else {
            mountFull(incident);
        }
        try {
            Run.Result result = Run.script("triage").args("--drill", "revoked-key", "--incident", incident.toString())
                    .cwd(folder).run();
            assertAll(result.toString(), () -> assertEquals(11, result.exit()),
                    () -> assertTrue(result.out().contains("P1 key-invalid")),
                    () -> assertEquals(1, result.err().lines().count(), "one line"),
                    () -> assertTrue(result.err().matches(
                            "(?s)warning: the incident folder (was not written|cannot be read) \\(.*--incident.*")));
        } finally {
            if (where.equals("full")) {
                unmount(incident);
            }
        }
    }

    /** And sees that nothing half-written was left. */
    private static void unmount(Path full) throws IOException {
        List<String> left;
        try (Stream<Path> files = Files.list(full)) {
            left = files.filter(file -> !file.endsWith("journal.jsonl") || file.toFile().length() > 0)
                    .map(file -> file.getFileName().toString()).toList();
        } finally {
            assertEquals(0, Run.command("umount", full.toString()).run().exit());
        }
        assertEquals(List.of("filler"), left);
    }

    private static void mountFull(Path at) throws IOException {
        Files.createDirectories(at);
        assumeTrue(Run.command("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", at.toString()).run().exit()
                        == 0,
                "only where a small file system may be mounted");
        try {
            Files.write(at.resolve("filler"), new byte[1 << 20]);
        } catch (IOException e) {
            return;
        }
        throw new AssertionError("the small file system took a megabyte");
    }

    @Test
    void aDrillAndAClosedIncidentKeepTheirFoldersToThemselves() throws IOException {
        Instant at = Instant.parse("2026-11-20T03:04:05Z");
        Incident drill = Incident.named(folder, at, "outage"::equals);
        drill.append(Event.now("triage", Event.DETECTED, "x", Map.of("drill", "outage")));
        Incident real = Incident.named(folder, at, String::isEmpty);
        real.append(Event.now("triage", Event.DETECTED, "x", Map.of()));

        assertEquals(drill.folder(), Incident.named(folder, at, "outage"::equals).folder());
        assertEquals(folder.resolve("20261120T030406Z"), real.folder());
        assertEquals(real.folder(), Incident.named(folder, at, String::isEmpty).folder());
        real.append(Event.now("postmortem", Event.CLOSED, "x", Map.of()));
        assertEquals(folder.resolve("20261120T030407Z"), Incident.named(folder, at, String::isEmpty).folder());
    }

    @Test
    void triageGoesOnAfterAPowerCutAndLeavesPrivateFiles() throws Exception {
        Path incident = folder.resolve("incident");
        Files.createDirectories(
                incident, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Files.writeString(incident.resolve("journal.jsonl"), "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":\"tri");
        Files.setPosixFilePermissions(incident.resolve("journal.jsonl"), PosixFilePermissions.fromString("rw-------"));
        Run.Result result = Run.script("triage").args("--drill", "revoked-key", "--incident", incident.toString())
                .cwd(folder).run();
        Incident.Reading reading = Incident.at(incident).journal().read();
        assertEquals(11, result.exit(), result.toString());
        assertTrue(reading.events().stream().anyMatch(event -> event.event().equals(Event.DIAGNOSED)
                                && event.drill().equals("revoked-key")),
                reading.toString());
        assertEquals(List.of(incident.resolve("journal.jsonl") + " line 1 skipped: it is torn or no JSON"),
                reading.problems());
        assertModes(incident);
    }

    // ----

    private static void assertModes(Path incident) throws IOException {
        assumeTrue(FileSystems.getDefault().supportedFileAttributeViews().contains("posix"),
                "only where files have modes");
        List<Path> files = new ArrayList<>();
        try (Stream<Path> all = Files.walk(incident)) {
            all.forEach(files::add);
        }
        for (Path file : files) {
            assertEquals(Files.isDirectory(file) ? "rwx------" : "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(file)), file.toString());
        }
    }
}
