import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code java} command for a script that is compiled into this test run's own jar, with the script's own runtime options:
 * one build serves all tests.
 */
final class ScriptCommand {
    private static final Map<Path, List<String>> KNOWN = new ConcurrentHashMap<>();

    private static final Pattern RUNTIME_OPTIONS = Pattern.compile("(?m)^//RUNTIME_OPTIONS (.*)$");
    private static final Pattern MAIN_CLASS = Pattern.compile("(?m)^(?:final )?class (\\w+)");

    private ScriptCommand() {}

    /** The words of the command, asked for once per script. */
    static List<String> of(Path script) {
        return KNOWN.computeIfAbsent(script.toAbsolutePath().normalize(), ScriptCommand::resolve);
    }

    private static List<String> resolve(Path script) {
        try {
            String source = Files.readString(script);
            List<String> command = new ArrayList<>(List.of(Cli.JAVA.toString()));
            RUNTIME_OPTIONS.matcher(source).results().forEach(line -> command.addAll(List.of(line.group(1).split(" "))));
            Matcher main = MAIN_CLASS.matcher(source);
            if (!main.find()) {
                throw new IllegalStateException("no class in " + script);
            }
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.group(1)));
            return List.copyOf(command);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
