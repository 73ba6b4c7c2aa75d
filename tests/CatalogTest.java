import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The catalog says what the scripts say of themselves, and each of them runs from it, or from its URL, over plain HTTP. */
class CatalogTest {
    private static final JsonNode ALIASES = readJson("jbang-catalog.json").path("aliases");
    private static final Path JBANG_DIR = Tree.temporary("jbang");
    private static final FileServer SERVER = new FileServer(Repository.ROOT);

    @BeforeAll
    static void serve() {
        SERVER.start();
    }

    @AfterAll
    static void stop() {
        SERVER.stop();
    }

    @ParameterizedTest
    @MethodSource("aliases")
    void anAliasSaysWhatItsScriptSays(String alias) {
        assertEquals(
                directives(script(alias), "DESCRIPTION"),
                List.of(ALIASES.path(alias).path("description").asText()));
    }

    @ParameterizedTest
    @MethodSource("steps")
    void aStepRunsFromTheCatalog(String alias) {
        runsFromElsewhere(alias + "@" + SERVER.url("jbang-catalog.json"));
    }

    /** JBang archives the classes of a script's very first run, and never again. */
    @Test
    void aFirstRunThatOnlyAsksForHelpLeavesAnArchiveThatQuickensTheOthers() throws IOException {
        Path jbangDir = Tree.temporary("jbang-help");
        Run.wrapper("--quiet", "triage@" + SERVER.url("jbang-catalog.json"), "--help").cwd(Tree.temporary("elsewhere"))
                .env("JBANG_DIR", jbangDir.toString()).run();
        try (Stream<Path> files = Files.walk(jbangDir)) {
            Path archive = files.filter(file -> file.toString().endsWith(".jsa")).findFirst().orElseThrow();
            assertTrue(Files.readString(archive, StandardCharsets.ISO_8859_1).contains("runbook/DecisionTree"),
                    "the classes of a whole triage are not in " + archive);
        }
    }

    /** One is enough: JBang takes it from there as it does behind an alias, and a build costs ten seconds. */
    @Test
    void aStepRunsFromItsUrl() {
        runsFromElsewhere(SERVER.url("triage.java"));
    }

    private static void runsFromElsewhere(String reference) {
        Path elsewhere = Tree.temporary("elsewhere");
        Run.Result result = Run.wrapper("--quiet", reference, "--help").cwd(elsewhere)
            .env("JBANG_DIR", JBANG_DIR.toString()).env("HOME", elsewhere.toString()).run();
        assertEquals(0, result.exit(), result.toString());
        assertTrue(result.out().startsWith("Usage: "), result.toString());
        assertEquals(0, elsewhere.toFile().list().length, "left something behind");
    }

    @Test
    void templatesAndHelpersComeOverHttpToo() {
        Run.Result result = Run.wrapper(
                        "--quiet",
                        "triage@" + SERVER.url("jbang-catalog.json"),
                        "--drill",
                        "outage",
                        "--announce",
                        "both")
                .cwd(Tree.temporary("elsewhere"))
                .env("JBANG_DIR", JBANG_DIR.toString())
                .run();
        assertEquals(11, result.exit(), result.toString());
        assertTrue(result.out().contains("P1 INCIDENT: Klaviyo Integration"), result.toString());
        assertTrue(result.out().contains("Klaviyo Integration -- Degraded Performance"), result.toString());
    }

    /** JBang's globs do not work over HTTP, and a file that is not served is not found before a user meets it. */
    @ParameterizedTest
    @MethodSource("steps")
    void whatAStepNamesIsListedByNameWithinTheRepository(String alias) {
        Deque<String> left = new ArrayDeque<>(List.of(script(alias)));
        Set<String> seen = new TreeSet<>();
        while (!left.isEmpty()) {
            String file = left.pop();
            if (seen.add(file)) {
                assertTrue(
                        file.matches("[a-z-]+\\.java|(runbook|templates)/[\\w./-]+"),
                        file + " is not what ./jbang looks at for changes");
                assertTrue(Files.isRegularFile(Repository.file(file)), file + " is missing, or is no file");
                referredBy(file).forEach(left::push);
            }
        }
    }

    @Test
    void everyTestClassIsRun() {
        Set<String> listed = Set.copyOf(directives("tests/all.java", "SOURCES"));
        assertEquals(
                Set.of(),
                fileNames(Repository.file("tests"), name -> name.endsWith("Test.java") && !listed.contains(name)),
                "not among the //SOURCES of tests/all.java");
    }

    @Test
    void everyAliasHasItsScript() {
        assertEquals(List.of(), ALIASES.properties().stream().map(Map.Entry::getKey).filter(alias -> !exists(alias)).toList());
    }

    // ---- helpers

    static Stream<String> aliases() {
        return ALIASES.properties().stream().map(Map.Entry::getKey).filter(CatalogTest::exists);
    }

    static Stream<String> steps() {
        return aliases().filter(alias -> !script(alias).contains("/"));
    }

    private static boolean exists(String alias) {
        return Files.exists(Repository.file(script(alias)));
    }

    private static String script(String alias) {
        return ALIASES.path(alias).path("script-ref").asText();
    }

    /** The files of its //SOURCES and //FILES ({@code target=source}), relative to the repository. */
    private static Stream<String> referredBy(String file) {
        Path folder = Repository.file(file).getParent();
        return Stream.of("SOURCES", "FILES").filter(directive -> file.endsWith(".java"))
            .flatMap(directive -> directives(file, directive).stream())
            .map(reference -> relative(folder.resolve(reference.substring(reference.indexOf('=') + 1)).normalize()));
    }

    private static List<String> directives(String file, String name) {
        String start = "//" + name + " ";
        try (Stream<String> lines = Files.lines(Repository.file(file))) {
            return lines.filter(line -> line.startsWith(start)).map(line -> line.substring(start.length()).strip()).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Set<String> fileNames(Path folder, Predicate<String> wanted) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).filter(wanted).collect(Collectors.toSet());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String relative(Path file) {
        return Repository.ROOT.relativize(file).toString();
    }

    private static JsonNode readJson(String file) {
        try {
            return new ObjectMapper().readTree(Repository.file(file).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
