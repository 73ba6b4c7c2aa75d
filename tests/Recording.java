import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Text.Json;
import runbook.sandbox.ControlledSandbox;

/**
 * A whole incident's journal, really written by the steps against one sandbox. Recordings are kept in {@code
 * tests/golden}, for making them takes minutes; that the steps still write such journals is checked where they run
 * anyway: {@link GameDayTest}.
 */
final class Recording {
    /** After so long, the application's errors of the last minutes are none. */
    private static final Duration ERRORS_FORGOTTEN = Duration.ofMinutes(2);
    /** Measured, or told by other fields, and read by no report. */
    private static final Set<String> LEFT_OUT = Set.of("checks", "millis", "command", "detail", "update", "rounds", "bytes");
    private static final Pattern TIME = Pattern.compile("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z");
    /** When each step comes in, in minutes after the first: people take longer. */
    private static final Map<String, Integer> MINUTES =
            Map.of("triage", 0, "rotate-key", 9, "postmortem", 11, "watch", 13, "debug-bundle", 40);
    /** What is wrong with these from the sandbox's start on is put right only by another sandbox. */
    private static final Set<String> FOR_GOOD = Set.of("monitoring-gap", "no-network", "webhook-cert-expired");
    private static final Set<String> BY_ITSELF = Set.of("recovering", "flapping");
    private static final Set<String> BY_ROTATION = Set.of("revoked-key", "malformed-key", "missing-scope");

    private Recording() { }

    /** What each step writes with each of its events: {@code "watch recovered"} to the names of its data. */
    static Map<String, Set<String>> shapes(List<String> journal) {
        Map<String, Set<String>> shapes = new TreeMap<>();
        for (String line : journal) {
            JsonNode event = read(line);
            Set<String> names = shapes.computeIfAbsent(
                    event.path("step").asText() + " " + event.path("event").asText(), first -> new TreeSet<>());
            event.path("data").fieldNames().forEachRemaining(names::add);
            names.removeAll(LEFT_OUT);
        }
        return shapes;
    }

    /** The scenario's whole incident, as if it had begun when those of the other tests did. */
    static List<String> of(String scenario) {
        Path folder = Tree.temporary("recording");
        try (ControlledSandbox sandbox = ControlledSandbox.start(scenario);
                ControlledSandbox another = FOR_GOOD.contains(scenario) ? ControlledSandbox.start("healthy") : null) {
            run(sandbox, folder, "triage", "--lead", "Ana", "--announce", "internal", "--post");
            if (BY_ROTATION.contains(scenario)) {
                rotate(sandbox, folder);
            } else if (!BY_ITSELF.contains(scenario)) {
                run(sandbox, folder, "postmortem", "event", "what the runbook says was done", "--kind", "mitigated", "--by", "Ana");
            }
            if (!BY_ITSELF.contains(scenario)) {
                sandbox.enter("healthy");
            }
            sandbox.advance(ERRORS_FORGOTTEN);
            ControlledSandbox healed = another == null ? sandbox : another;
            run(healed, folder, "watch", "--interval", "1s", "--until", "3", "--for", "3s", "--max", "90s");
            run(healed, folder, "debug-bundle", "--since", "1h");
            return moved(Files.readAllLines(journal(folder)), folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void rotate(ControlledSandbox sandbox, Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve(".env"), "KLAVIYO_PRIVATE_KEY=" + sandbox.key() + "\n");
        sandbox.appKeyFile(file, "KLAVIYO_PRIVATE_KEY");
        Files.writeString(folder.resolve("new-key"), sandbox.newKey() + "\n");
        run(sandbox, folder, "rotate-key", "--new-key-file", "new-key", "--to", "file:.env#KLAVIYO_PRIVATE_KEY", "--restart",
                "exec:curl -fsS -X POST " + sandbox.restartUrl(), "--verify-for", "2s", "--account", sandbox.accountId(), "--yes");
    }

    private static void run(ControlledSandbox sandbox, Path folder, String script, String... arguments) {
        Run step = Run.process(script).cwd(folder).args(arguments).timeout(Duration.ofMinutes(3));
        Map<String, String> where = new TreeMap<>(sandbox.variables());
        where.remove("KLAVIYO_GAME_DAY");
        where.forEach(step::env);
        step.run();
    }

    private static Path journal(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.endsWith("journal.jsonl")).findFirst().orElseThrow();
        }
    }

    private static List<String> moved(List<String> journal, Path folder) {
        Instant first = Instant.parse(read(journal.get(0)).path("at").asText());
        Duration by = Duration.between(first, PostmortemJournals.BEGAN).truncatedTo(ChronoUnit.SECONDS);
        List<String> lines = new ArrayList<>();
        for (String line : journal) {
            ObjectNode event = (ObjectNode) read(line);
            ((ObjectNode) event.get("data")).remove(LEFT_OUT);
            Duration later = by.plusMinutes(MINUTES.getOrDefault(event.path("step").asText(), 50));
            String text = Json.line(event).replace(folder.toString(), "/srv/shop");
            lines.add(TIME.matcher(text).replaceAll(at -> Instant.parse(at.group()).plus(later).toString()));
        }
        return lines;
    }

    private static JsonNode read(String line) {
        try {
            return Json.read(line);
        } catch (IOException e) {
            throw new UncheckedIOException(line, e);
        }
    }
}
