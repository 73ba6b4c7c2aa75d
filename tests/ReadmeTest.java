import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.file.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the README says is so. {@code ./jbang test --readme} mends what fails here. */
class ReadmeTest {
    @Test
    void optionsAndExitCodesAreThoseOfTheScripts() throws IOException {
        String readme = Files.readString(Readme.FILE);
        assertEquals(Readme.renew(readme, block -> !block.startsWith("screen")), readme);
    }

    @ParameterizedTest
    @ValueSource(strings = {"triage", "rotate-key", "watch", "debug-bundle", "postmortem"})
    void aScriptsOptionsAreInTheReadmeAndItsHelpFitsEightyColumns(String script) throws IOException {
        assertTrue(Files.readString(Readme.FILE).contains("<!-- options: " + script + " -->"), "not in the README");
        Run.run(script, "--help").out().lines().forEach(line -> assertTrue(line.length() <= 80, line));
    }
}
