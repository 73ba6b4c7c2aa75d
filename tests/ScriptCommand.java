import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The {@code java} command that JBang would run for a script, asked for once per script and test run. Starting scripts this
 * way, not through JBang, halves the time of the many tests that start one.
 */
final class ScriptCommand {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<Path, List<String>> KNOWN = new ConcurrentHashMap<>();

    /** A run of each step that loads what most of its runs load: from it, JBang makes the archive that quickens the others. */
    private static final Map<String, List<String>> TRAINING = Map.of(
        "triage.java", List.of("--drill", "healthy", "--json"),
        "rotate-key.java", List.of("--drill", "revoked-key", "--dry-run"),
        "watch.java", List.of("--drill", "healthy", "--max", "1s"),
        "debug-bundle.java", List.of("--drill", "outage", "--dry-run"),
        "postmortem.java", List.of("--drill", "outage", "--out", "postmortem.md"));

    private ScriptCommand() {}

    /** Builds the script if need be; fails with the compiler's output if it does not build. */
    static List<String> of(Path script) {
        return KNOWN.computeIfAbsent(script.toAbsolutePath().normalize(), ScriptCommand::resolve);
    }

    private static List<String> resolve(Path script) {
        wrapper(script.toString(), "--help");
        List<String> training = TRAINING.get(script.getFileName().toString());
        if (training != null) {
            Cli.wrapper(script.toString()).args(training.toArray(String[]::new)).cwd(Tree.temporary("training")).run();
        }
        try {
            return command(JSON.readTree(wrapper("info", "tools", script.toString())));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException("jbang info tools " + script, e);
        }
    }

    private static List<String> command(JsonNode info) {
        List<String> command = new ArrayList<>(List.of(Cli.JAVA.toString()));
        info.path("runtimeOptions").forEach(option -> command.add(option.asText()));
        String archive = info.path("applicationJsa").asText();
        if (Files.exists(Path.of(archive))) {
            command.addAll(List.of("-Xshare:auto", "-XX:SharedArchiveFile=" + archive));
        }
        List<String> classPath = new ArrayList<>(List.of(info.path("applicationJar").asText()));
        info.path("resolvedDependencies").forEach(jar -> classPath.add(jar.asText()));
        command.addAll(List.of("-cp", String.join(File.pathSeparator, classPath), info.path("mainClass").asText()));
        return List.copyOf(command);
    }

    private static String wrapper(String... args) {
        Cli.Result result = Cli.wrapper(args).run();
        if (result.exit() != 0) {
            throw new IllegalStateException("./jbang " + String.join(" ", args) + " ended with " + result);
        }
        return result.out();
    }
}
