import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The form that was asked for is single scripts and a small helper: at most 65 files and 16,000 lines of Java outside
 * tests/, and 9,000 in tests/. The lines outside tests/ are not there yet: their numbers below are where it stands.
 * Whoever folds something takes them down with it, and whoever adds to them says what for: last, a rotation that cannot
 * be talked out of its dry run, wrong rows that are refused when they are read, and JSON without Jackson's mapper.
 */
class FormTest {
    @Test
    void theScriptsAndTheirHelperStaySmall() {
        List<Path> sources = java("").filter(file -> !file.startsWith(Repository.file("tests"))).toList();
        assertAtMost(57, sources.size(), "Java files outside tests/");
        assertAtMost(20_390, lines(sources), "lines of Java outside tests/");
        assertAtMost(9_000, lines(java("tests").toList()), "lines in tests/");
        assertAtMost(110, lines(List.of(Repository.file("jbang"))), "lines of ./jbang");
        assertAtMost(450, lines(List.of(Repository.file("README.md"))), "lines of README.md");
    }

    @ParameterizedTest
    @CsvSource({"rotation, 1930", "watching, 1722", "redact, 1831", "bundle, 2337", "report, 1443", "sandbox, 1040"})
    void aRoomStaysSmall(String room, int most) {
        assertAtMost(most, lines(files("runbook/" + room).toList()), "lines of runbook/" + room);
    }

    /** Each is a request when JBang gets a script from a catalog: the catalog, the script, its sources and files. */
    @ParameterizedTest
    @CsvSource({"triage, 35", "rotate-key, 36", "watch, 42", "debug-bundle, 48", "postmortem, 38"})
    void aFirstStartFromACatalogTakesFewRequests(String step, int most) {
        List<String> script = read(Repository.file(step + ".java"));
        List<String> fetched = script.stream().filter(line -> line.matches("//(SOURCES|FILES) .*")).toList();
        assertAtMost(most, 2 + fetched.size(), "requests of a first " + step);
        assertEquals(fetched.stream().distinct().toList(), fetched, "listed twice");
    }

    @Test
    void noLineIsWiderThanTheEditorsLimit() {
        assertEquals(List.of(), found(java(""), Pattern.compile("^(?!//).{121}")));
    }

    /** A test runs a script in its own process: whatever looks past the host would see the test's. */
    @Test
    void theHelperLooksAtNothingBesideItsHostAndEndsNoProcess() {
        Pattern past = Pattern.compile("System\\.(exit|getenv|in|out|err)\\b|getRuntime\\(\\)\\.(halt|exit)");
        assertEquals(List.of(), found(java("runbook").filter(file -> !file.endsWith("Screen.java")), past));
    }

    private static void assertAtMost(int most, long found, String what) {
        assertTrue(found <= most, what + ": " + found + ", at most " + most);
    }

    /** The lines in which the pattern is. */
    private static List<String> found(Stream<Path> files, Pattern pattern) {
        return files.flatMap(file -> read(file).stream().filter(line -> pattern.matcher(line).find())
                .map(line -> file.getFileName() + ": " + line.strip())).toList();
    }

    private static Stream<Path> java(String folder) {
        return files(folder).filter(file -> file.toString().endsWith(".java"));
    }

    private static Stream<Path> files(String folder) {
        try (Stream<Path> all = Files.walk(Repository.file(folder))) {
            return all.filter(Files::isRegularFile).toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long lines(List<Path> files) {
        return files.stream().mapToLong(file -> read(file).size()).sum();
    }

    private static List<String> read(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
