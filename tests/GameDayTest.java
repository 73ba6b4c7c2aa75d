import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import runbook.Text.Json;

/** From the page to the closed postmortem with nothing but the five commands, as {@code ./jbang drill} shows them. */
class GameDayTest {
    /** Measured, or told by other fields, and read by no report. */
    private static final Set<String> NOT_RECORDED =
            Set.of("checks", "millis", "command", "detail", "update", "rounds", "bytes", "from", "to");

    @Test
    void fiveCommandsTakeATeamFromThePageToTheClosedPostmortem() throws IOException {
        Path cwd = Tree.temporary("game-day");
        Path theirs = Tree.write(cwd.resolve("their.env"), "KEY=not for an exercise\n");
        Tree.write(cwd.resolve("home/.klaviyo-runbook.properties"), "rotate-key.to=file:" + theirs + "#KEY\n");
        Run.Result result = Run.process("tests/drill").args("revoked-key", "--yes", "--lead", "Sam").cwd(cwd)
                .env("KLAVIYO_RUNBOOK_COMMAND", "./" + steps(cwd).getFileName()).timeout(Duration.ofMinutes(4)).run()
                .ends(0);

        Path journal = find(cwd, "journal.jsonl");
        Path incident = journal.getParent();
        List<String> events = Files.readAllLines(journal).stream().map(GameDayTest::event).distinct().toList();
        String report = Files.readString(incident.resolve("postmortem.md"));
        String key = Files.readString(find(cwd, "sandbox.env")).replaceFirst("(?s).*PRIVATE_KEY=(\\w+).*", "$1");
        String newKey = Files.readString(find(cwd, "new-key")).strip();
        assertTrue(events.containsAll(List.of("detected", "acknowledged", "diagnosed", "rotation-step", "rotated",
                "recovered", "bundled")), events.toString());
        assertEquals("closed", events.get(events.size() - 1));
        for (String told : List.of("P1", "Sam", "key-invalid", "DRILL")) {
            assertTrue(report.contains(told), told + ": " + report);
        }
        assertTrue(Files.readString(find(cwd, ".env")).contains(newKey), "the application has the new key");
        assertEquals("KEY=not for an exercise\n", Files.readString(theirs), "a store of whoever takes part");
        theGoldenRecordingIsStillWhatTheStepsWrite(journal);
        for (Path file : everythingIn(incident)) {
            String content = Files.readString(file, StandardCharsets.ISO_8859_1);
            assertFalse(content.contains(key) || content.contains(newKey), file + " holds a key");
        }
        String screens = result.out() + result.err();
        String after = screens.substring(screens.indexOf("See that all is well"));
        assertTrue(after.lines().skip(1).findFirst().orElse("").matches(".* triage --key-file \\S+/new-key"), after);
        assertFalse(screens.contains(key) || screens.contains(newKey), "the screens hold a key");
    }

    /** Starts a step as {@code ./jbang} does, from this run's own build. */
    private static Path steps(Path folder) throws IOException {
        StringBuilder script = new StringBuilder("#!/bin/sh\nstep=$1; shift\ncase $step in\n");
        for (String step : List.of("triage", "rotate-key", "watch", "debug-bundle", "postmortem")) {
            String start = Run.process(step).home(folder.resolve("home")).quoted();
            script.append(step).append(") exec ").append(start).append(" \"$@\" ;;\n");
        }
        Path file = Files.writeString(folder.resolve("jbang"), script + "esac\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        return file;
    }

    private static void theGoldenRecordingIsStillWhatTheStepsWrite(Path journal) throws IOException {
        Map<String, Set<String>> practised = shapes(Files.readAllLines(journal));
        Map<String, Set<String>> recorded =
                shapes(Files.readAllLines(Repository.file("tests/golden/revoked-key.jsonl")));
        recorded.remove("triage announced"); // only a recording posts its messages
        practised.values().forEach(names -> names.remove("drill"));
        practised.keySet().retainAll(recorded.keySet());
        assertEquals(recorded, practised);
    }

    /** What each step writes with each of its events: {@code "watch recovered"} to the names of its data. */
    private static Map<String, Set<String>> shapes(List<String> journal) throws IOException {
        Map<String, Set<String>> shapes = new TreeMap<>();
        for (String line : journal) {
            JsonNode event = Json.read(line);
            Set<String> names = shapes.computeIfAbsent(
                    event.path("step").asText() + " " + event.path("event").asText(), first -> new TreeSet<>());
            event.path("data").fieldNames().forEachRemaining(names::add);
            names.removeAll(NOT_RECORDED);
        }
        return shapes;
    }

    private static String event(String line) {
        try {
            return Json.read(line).path("event").asText();
        } catch (IOException e) {
            throw new AssertionError(line, e);
        }
    }

    private static Path find(Path folder, String name) throws IOException {
        return everythingIn(folder).stream().filter(file -> file.endsWith(name)).findFirst().orElseThrow();
    }

    private static List<Path> everythingIn(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile).toList();
        }
    }
}
