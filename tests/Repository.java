import java.nio.file.*;
import java.util.*;
import java.util.stream.*;

/** Where the files under test are. */
final class Repository {
    /** Absolute path of the repository's root folder. */
    static final Path ROOT = find();

    private Repository() {}

    static Path file(String relative) {
        return ROOT.resolve(relative);
    }

    /** The tables of a text file in tests/, by what stands in brackets: the lines below it, up to an empty one. */
    static Map<String, List<String>> tables(String file) {
        Map<String, List<String>> tables = new LinkedHashMap<>();
        String text = Tree.read(file("tests/" + file));
        Stream.of(text.split("(?m)^\\[(?=[A-Za-z -]+]$)")).skip(1).forEach(table -> tables.put(
                table.substring(0, table.indexOf(']')),
                table.lines().skip(1).takeWhile(line -> !line.isEmpty()).toList()));
        return tables;
    }

    /** The wrapper says where it is; a plain {@code jbang tests/all.java} has to be started inside the repository. */
    private static Path find() {
        Path here = Path.of("").toAbsolutePath();
        String told = System.getenv("KLAVIYO_RUNBOOK_HOME");
        Stream<Path> candidates = told != null
            ? Stream.of(Path.of(told)) : Stream.iterate(here, p -> p != null, Path::getParent);
        return candidates.filter(folder -> Files.exists(folder.resolve("tests/all.java"))).findFirst()
            .orElseThrow(() -> new IllegalStateException("Start the tests with ./jbang test, or in the repository"));
    }
}
