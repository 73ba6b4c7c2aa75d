import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./jbang} as somebody meets it who just cloned the repository. */
class WrapperTest {
    @TempDir Path folder;

    @Test
    void anExitStatusComesThrough() throws Exception {
        Path script = Files.writeString(folder.resolve("Seven.java"), """
            class Seven { public static void main(String... args) { System.exit(7); } }
            """);
        assertEquals(7, Cli.wrapper(script.toString()).run().exit());
    }
}
