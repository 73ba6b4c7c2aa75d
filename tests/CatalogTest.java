import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The catalog says what the scripts say of themselves, and each of them runs from it over plain HTTP. */
class CatalogTest {
    private static final JsonNode ALIASES = read("jbang-catalog.json").path("aliases");

    @TestFactory
    Stream<DynamicTest> descriptionsAreThoseOfTheScripts() {
        return existingAliases().map(alias -> DynamicTest.dynamicTest(alias, () -> assertEquals(
            directives(script(alias), "DESCRIPTION"), List.of(ALIASES.path(alias).path("description").asText()))));
    }

    @Test
    void everyTestClassIsRun() throws IOException {
        try (Stream<Path> files = Files.list(Repository.file("tests"))) {
            TreeSet<String> tests = files.map(file -> file.getFileName().toString())
                .filter(name -> name.endsWith("Test.java")).collect(Collectors.toCollection(TreeSet::new));
            tests.removeAll(directives("tests/all.java", "SOURCES"));
            assertEquals(List.of(), List.copyOf(tests), "not among the //SOURCES of tests/all.java");
        }
    }

    static Stream<String> existingAliases() {
        return Stream.of(Repository.file("jbang-catalog.json")).flatMap(file ->
            ALIASES.properties().stream().map(java.util.Map.Entry::getKey)).filter(alias -> Files.exists(Repository.file(script(alias))));
    }

    private static String script(String alias) {
        return ALIASES.path(alias).path("script-ref").asText();
    }

    private static List<String> directives(String file, String name) throws IOException {
        String start = "//" + name + " ";
        return Files.readAllLines(Repository.file(file)).stream()
            .filter(line -> line.startsWith(start)).map(line -> line.substring(start.length()).strip()).toList();
    }

    private static JsonNode read(String json) {
        try {
            return new ObjectMapper().readTree(Repository.file(json).toFile());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
