import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
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
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Incident.Journal;

/** The incident folder: what many writers, a power cut, odd bytes, and a disk that takes nothing do to it, and to the diagnosis. */
class JournalTest {
    private static final int PROCESSES = 4;
    private static final int THREADS = 2;
    private static final int APPENDS = 25;

    @TempDir Path folder;

    /** A process of its own that appends from two threads: {@code java Appender FOLDER NAME}. */
    static final class Appender {
        public static void main(String... args) throws Exception {
            List<Thread> threads = IntStream.range(0, THREADS)
                    .mapToObj(thread -> new Thread(() -> append(Path.of(args[0]), args[1] + thread)))
                    .toList();
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join();
            }
        }

        private static void append(Path folder, String name) {
            try {
                for (int i = 0; i < APPENDS; i++) {
                    // Longer than any write that an operating system promises not to mix with others.
                    Incident.at(folder)
                            .append(Event.now(
                                    "watch", Event.NOTE, name + "-" + i, Map.of("filler", "ü".repeat(5_000))));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Test
    void manyProcessesAndThreadsLoseAndTearNothing() throws Exception {
        Path incident = folder.resolve("new/incident");
        List<Run.Running> running = IntStream.range(0, PROCESSES)
                .mapToObj(process -> Run.command(
                                Run.JAVA.toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Appender.class.getName(),
                                incident.toString(),
                                "p" + process + "t")
                        .start())
                .toList();
        for (Run.Running process : running) {
            assertEquals(0, process.await().exit(), process.err());
        }
        Journal.Reading reading = Incident.at(incident).journal().read();
        List<String> said = reading.events().stream().map(Event::summary).toList();
        assertEquals(List.of(), reading.problems());
        assertEquals(PROCESSES * THREADS * APPENDS, said.size());
        assertEquals(said.size(), new TreeSet<>(said).size(), "each exactly once");
        for (int process = 0; process < PROCESSES; process++) {
            String writer = "p" + process + "t0-";
            assertEquals(
                    IntStream.range(0, APPENDS).mapToObj(i -> writer + i).toList(),
                    said.stream().filter(name -> name.startsWith(writer)).toList(),
                    "in the order written");
        }
        assertModes(incident);
    }

    @Test
    void aTornLineIsReportedAndTheNextEventStartsOnItsOwn() throws Exception {
        Incident incident = Incident.at(folder);
        incident.append(Event.now("triage", Event.DETECTED, "first", Map.of()));
        Files.writeString(
                incident.journal().file(),
                "{\"at\":\"2026-11-23T03:04:05.678Z\",\"step\":\"wat",
                StandardOpenOption.APPEND);
        incident.append(Event.now("triage", Event.NOTE, "second", Map.of()));
        Journal.Reading reading = incident.journal().read();
        assertEquals(List.of("first", "second"), summaries(reading));
        assertEquals(List.of(incident.journal().file() + " line 2 skipped: it is torn or no JSON"), reading.problems());
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
        Journal.Reading reading = incident.journal().read();
        assertEquals(List.of("caf\ufffd", "unknown event", "\u0000\u001b"), summaries(reading));
        assertEquals("paged-somebody", reading.events().get(1).event());
        assertEquals(Instant.parse("2026-11-23T03:04:05Z"), reading.events().get(1).at());
        assertEquals(1, reading.events().get(1).data().at("/deep/er/0").asInt());
        assertEquals(
                "4 5 7",
                reading.problems().stream()
                        .map(problem -> problem.replaceAll(".* line (\\d+) skipped: .*", "$1"))
                        .collect(Collectors.joining(" ")));
    }

    @Test
    void aKeyThatGetsIntoAnEventDoesNotGetIntoTheFile() throws Exception {
        Incident.at(folder)
                .append(Event.now(
                        "triage",
                        Event.NOTE,
                        "pk_" + "0a".repeat(17),
                        Map.of("answer", "bad key pk_AbC123_" + "0A".repeat(17))));
        String file = Files.readString(folder.resolve("journal.jsonl"));
        assertFalse(file.toLowerCase().contains("0a0a"), file);
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
    @ValueSource(strings = {"file/incident", "/proc/klaviyo-incident", "unreadable", "full"})
    void theDiagnosisStandsWhateverTheFolderDoes(String where) throws Exception {
        Path incident = folder.resolve(where);
        if (where.startsWith("file")) {
            Files.writeString(folder.resolve("file"), "in the way");
        } else if (where.equals("unreadable")) {
            // Root may read any file; nobody can read a folder as one.
            Files.createDirectories(incident.resolve("journal.jsonl/x"));
        } else if (where.equals("full")) {
            mountFull(incident);
        } else {
            assumeTrue(Files.isDirectory(Path.of("/proc/self")), "only where there is a /proc");
        }
        try {
            Run.Result result = Run.process("triage")
                    .args("--drill", "revoked-key", "--incident", incident.toString())
                    .cwd(folder)
                    .run();
            assertAll(
                    result.toString(),
                    () -> assertEquals(11, result.exit()),
                    () -> assertTrue(result.out().contains("P1 key-invalid")),
                    () -> assertEquals(1, result.err().lines().count(), "one line"),
                    () -> assertTrue(result.err().startsWith("warning: the incident folder was not written (")
                            && result.err().contains("--incident")));
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
            left = files.filter(file ->
                            !file.endsWith("journal.jsonl") || file.toFile().length() > 0)
                    .map(file -> file.getFileName().toString())
                    .toList();
        } finally {
            assertEquals(0, Run.command("umount", full.toString()).run().exit());
        }
        assertEquals(List.of("filler"), left);
    }

    private static void mountFull(Path at) throws IOException {
        Files.createDirectories(at);
        assumeTrue(
                Run.command("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", at.toString())
                                .run()
                                .exit()
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
        Run.Result result = Run.process("triage")
                .args("--drill", "revoked-key", "--incident", incident.toString())
                .cwd(folder)
                .run();
        Journal.Reading reading = Incident.at(incident).journal().read();
        assertEquals(11, result.exit(), result.toString());
        assertTrue(
                reading.events().stream()
                        .anyMatch(event -> event.event().equals(Event.DIAGNOSED)
                                && event.drill().equals("revoked-key")),
                reading.toString());
        assertEquals(1, reading.problems().size());
        assertModes(incident);
    }

    // ----

    private static List<String> summaries(Journal.Reading reading) {
        return reading.events().stream().map(Event::summary).toList();
    }

    private static void assertModes(Path incident) throws IOException {
        assumeTrue(
                FileSystems.getDefault().supportedFileAttributeViews().contains("posix"),
                "only where files have modes");
        List<Path> files = new ArrayList<>();
        try (Stream<Path> all = Files.walk(incident)) {
            all.forEach(files::add);
        }
        for (Path file : files) {
            assertEquals(
                    Files.isDirectory(file) ? "rwx------" : "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(file)),
                    file.toString());
        }
    }
}
