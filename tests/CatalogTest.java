import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import runbook.Text.Json;

/** The catalog says what the scripts say of themselves, and each of them runs from it, or its URL, over plain HTTP. */
class CatalogTest {
    private static final Path JBANG_DIR = Tree.temporary("jbang");

    /**
     * On a machine whose locale is C, with an empty home, in a folder with a space; the first run only asks for help,
     * and after it nothing answers any more.
     */
    @ParameterizedTest
    @CsvSource({"triage@CATALOG, --drill outage --announce both, 11, Klaviyo Integration -- Major Outage",
        "rotate-key@CATALOG, --drill revoked-key --dry-run, 0, Dry run: nothing has changed",
        "watch@CATALOG, --drill healthy --until 1 --for 1s, 0, recovered",
        "debug-bundle@CATALOG, --drill malformed-key --yes, 0, .zip",
        "URL/postmortem.java, --drill outage, 0, written"})
    void aStepRunsFromElsewhereAndThenWithoutANetwork(String reference, String drill, int exit, String shows)
            throws IOException {
        Path home = Tree.temporary("home");
        Path elsewhere = Files.createDirectory(Tree.temporary("elsewhere").resolve("a folder"));
        try (LoopbackServer server = LoopbackServer.ofFiles(Repository.ROOT, Duration.ZERO)) {
            String script = reference.replace("CATALOG", "URL/jbang-catalog.json").replace("URL", server.url());
            Run.Result help = jbang(script, "--help", home, elsewhere);
            assertEquals("0 Usage: ", help.exit() + " " + help.out().substring(0, 7), help.toString());
            assertEquals(List.of(0, 0), List.of(home.toFile().list().length, elsewhere.toFile().list().length),
                    "left something behind");
            server.close();
            // Of a team's settings, those of other steps too, whose tables this one may not carry.
            Files.writeString(home.resolve(".klaviyo-runbook.properties"), "rotate-key.restart=k8s:shop/web");
            Run.Result result = jbang(script, drill, home, elsewhere);
            assertEquals(exit, result.exit(), result.toString());
            assertTrue(result.out().contains(shows), result.toString());
        }
        if (reference.startsWith("triage")) {
            assertTrue(archive().contains("runbook/DecisionTree"), "a whole triage's classes are not in the archive");
        }
    }

    @Test
    void allTextsAndTablesAreWrittenWithoutACheckout() throws IOException {
        Path folder = Tree.temporary("texts");
        try (LoopbackServer server = LoopbackServer.ofFiles(Repository.ROOT, Duration.ZERO)) {
            String catalog = "@" + server.url() + "/jbang-catalog.json";
            Path steps = Files.writeString(folder.resolve("steps"), "#!/bin/sh\nstep=$1; shift\nexec sh '"
                    + Repository.file("jbang") + "' --quiet \"$step\"" + catalog + " \"$@\"\n");
            assertTrue(steps.toFile().setExecutable(true));
            Run.Result result = Run.wrapper("--quiet", "triage" + catalog, "--export-templates", "ours").cwd(folder)
                    .env("JBANG_DIR", JBANG_DIR.toString()).env("KLAVIYO_RUNBOOK_COMMAND", steps.toString()).run();
            try (Stream<Path> written = Files.list(folder.resolve("ours"))) {
                List<String> built = List.of(Repository.file("templates").toFile().list());
                assertEquals(Set.copyOf(built), written.map(file -> file.getFileName().toString())
                        .collect(Collectors.toSet()), result.toString());
            }
        }
    }

    private static Run.Result jbang(String script, String arguments, Path home, Path folder) {
        return Run.wrapper(("--quiet " + script + " " + arguments).split(" ")).cwd(folder).env("LC_ALL", "C")
                .env("JBANG_DIR", JBANG_DIR.toString()).env("HOME", home.toString()).run();
    }

    /** JBang archives the classes of a script's very first run, and never again: it quickens all that follow. */
    private static String archive() throws IOException {
        try (Stream<Path> files = Files.walk(JBANG_DIR)) {
            Path archive = files.filter(file -> file.toString().matches(".*triage.*\\.jsa")).findFirst().orElseThrow();
            return Files.readString(archive, StandardCharsets.ISO_8859_1);
        }
    }

    /** JBang's globs do not work over HTTP, and a file that is not served is not found before a user meets it. */
    @ParameterizedTest
    @MethodSource("aliases")
    void anAliasSaysWhatItsScriptSaysAndNamesItsFiles(String alias, String script, String description) {
        assertEquals(List.of(description), directives(script, "DESCRIPTION"));
        Path folder = Repository.file(script).getParent();
        Stream.of("SOURCES", "FILES").flatMap(name -> directives(script, name).stream()).forEach(reference -> {
            Path file = folder.resolve(reference.replaceFirst("^.*=", "")).normalize();
            assertTrue(Files.isRegularFile(file) && file.startsWith(Repository.ROOT), reference + " is no file here");
            assertTrue(directives(Repository.ROOT.relativize(file).toString(), "SOURCES").isEmpty(),
                    reference + " lists files, which makes JBang read them again and again");
        });
    }

    static Stream<Object[]> aliases() throws IOException {
        JsonNode aliases = Json.read(Files.readString(Repository.file("jbang-catalog.json"))).path("aliases");
        return aliases.properties().stream().map(Map.Entry::getKey).map(alias -> new Object[] {alias,
            aliases.path(alias).path("script-ref").asText(), aliases.path(alias).path("description").asText()});
    }

    private static List<String> directives(String file, String name) {
        String start = "//" + name + " ";
        try (Stream<String> lines = Files.lines(Repository.file(file))) {
            return lines.filter(line -> line.startsWith(start)).map(line -> line.substring(start.length()).strip())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
