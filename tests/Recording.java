import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Text.Json;
import runbook.Incident;
import runbook.sandbox.ControlledSandbox;

/**
 * A whole incident's journal, really written by the steps against one sandbox, and made comparable: what differs from
 * run to run (times, measured numbers, fingerprints, ports, folders) is replaced by what does not. Recordings are kept
 * in {@code tests/golden}, for making them takes minutes; that the steps still write such journals is checked where
 * they run anyway: {@link GameDayTest}.
 */
final class Recording {
    static final Instant BEGAN = PostmortemJournals.BEGAN.truncatedTo(ChronoUnit.SECONDS);

    /** After so long, the application's errors of the last minutes are none. */
    private static final Duration ERRORS_FORGOTTEN = Duration.ofMinutes(2);

    /** When each step comes in, in minutes after the first. */
    private static final Map<String, Integer> MINUTES =
            Map.of("triage", 0, "rotate-key", 9, "postmortem", 11, "watch", 13, "debug-bundle", 40);

    /** Measured, or told by other fields, and read by no report. */
    private static final Set<String> LEFT_OUT = Set.of("checks", "millis", "command", "detail", "update", "rounds",
            "bytes");

    /** What is measured in the middle of a text, and what stands there instead. */
    private static final String[][] MEASURED = {
        {"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d(\\.\\d+)?)?Z", "2026-11-20T03:04:05Z"},
        {"\\d{8}T\\d{6}Z", "20261120T034405Z"}, {"127\\.0\\.0\\.1:\\d+", "127.0.0.1:8080"},
        {"\\b\\d+(\\.\\d+)? ms\\b", "12 ms"}, {"\\b\\d+(\\.\\d+)? (k|M)?B\\b", "12 kB"},
        {"\"queued\":\\d+", "\"queued\":2884"}, {"× \\d+", "× 2881"},
        {"\\d+ good rounds in a row over [0-9a-z. ]+", "4 good rounds in a row over 3 s"},
        {"(good again after|healthy again after|after) \\d+ (s|min)( \\d+ s)?", "$1 9 min"},
        {"\\d+ in the last minute, \\d+ in the minute before", "12 in the last minute, 240 in the minute before"},
        {"full again in \\d+ (s|min)", "full again in 1 min"}, {"\\d+ d( \\d+ h)? ago", "35 d ago"},
        {"\\bray [0-9a-f]{16}\\b", "ray 8f2a1b3c4d5e6f70"},
        {"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000"}
    };
    private static final Pattern FINGERPRINT = Pattern.compile("\\b(?=[0-9a-f]*\\d)[0-9a-f]{8}\\b");

    private final List<String> places;
    private final Map<String, String> fingerprints = new LinkedHashMap<>();
    private final Map<String, Instant> vendorTimes = new LinkedHashMap<>();
    private final Map<String, Integer> events = new LinkedHashMap<>();

    private Recording(List<String> places) {
        this.places = places;
    }

    /** A journal's lines without what differs from run to run; {@code places} are words that do, longest first. */
    static List<String> normalised(Path journal, String... places) throws IOException {
        Recording recording = new Recording(List.of(places));
        List<String> lines = new ArrayList<>();
        for (String line : Files.readAllLines(journal)) {
            lines.add(recording.normalised((ObjectNode) Json.read(line)));
        }
        return lines;
    }

    private String normalised(ObjectNode event) {
        String step = event.path("step").asText();
        int nth = events.merge(step, 1, Integer::sum) - 1;
        Instant began = BEGAN.plus(Duration.ofMinutes(MINUTES.getOrDefault(step, 50)));
        ObjectNode data = Json.object();
        event.path("data").properties().stream().filter(field -> !LEFT_OUT.contains(field.getKey())).forEach(field ->
                data.set(field.getKey(), switch (field.getKey()) {
                    case "vendorAt" -> TextNode.valueOf(vendorTime(field.getValue().asText()).toString());
                    case "goodSince", "since" -> TextNode.valueOf(began.toString());
                    default -> same(field.getValue());
                }));
        boolean confirmed = event.path("event").asText().equals("recovered");
        return Json.line(Json.object().put("at", began.plusSeconds(confirmed ? 150 : nth).toString()).put("step", step)
                .put("event", event.path("event").asText()).put("summary", same(event.path("summary").asText()))
                .set("data", data));
    }

    // The vendor's updates come a minute apart, in their order.
    private Instant vendorTime(String at) {
        return vendorTimes.computeIfAbsent(at, same -> BEGAN.plus(Duration.ofMinutes(vendorTimes.size() + 4)));
    }

    private JsonNode same(JsonNode node) {
        try {
            return Json.read(same(Json.line(node)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String same(String text) {
        String same = text;
        for (int i = 0; i < places.size(); i++) {
            same = same.replace(places.get(i), i == 0 ? "/srv/shop" : "AbC123");
        }
        for (String[] rule : MEASURED) {
            same = same.replaceAll(rule[0], rule[1]);
        }
        return FINGERPRINT.matcher(same).replaceAll(found -> Matcher.quoteReplacement(fingerprints.computeIfAbsent(
                found.group(), first -> String.format("%08x", 0x11111111L * (fingerprints.size() + 1)))));
    }

    /** What each step writes with each of its events: {@code "watch recovered"} to the names of its data. */
    static Map<String, Set<String>> shapes(List<String> journal) throws IOException {
        Map<String, Set<String>> shapes = new TreeMap<>();
        for (String line : journal) {
            JsonNode event = Json.read(line);
            Set<String> names = shapes.computeIfAbsent(
                    event.path("step").asText() + " " + event.path("event").asText(), first -> new TreeSet<>());
            event.path("data").fieldNames().forEachRemaining(names::add);
        }
        return shapes;
    }

    // ---- running the steps

    /** What is wrong with these from the sandbox's start on is put right only by another sandbox. */
    private static final Set<String> FOR_GOOD = Set.of("monitoring-gap", "no-network", "webhook-cert-expired");
    private static final Set<String> BY_ITSELF = Set.of("recovering", "flapping");
    private static final Set<String> BY_ROTATION = Set.of("revoked-key", "malformed-key", "missing-scope");

    /** The scenario's whole incident. */
    static List<String> of(String scenario) {
        Path folder = Tree.temporary("recording");
        try (ControlledSandbox sandbox = ControlledSandbox.start(scenario);
                ControlledSandbox another = FOR_GOOD.contains(scenario) ? ControlledSandbox.start("healthy") : null) {
            run(sandbox, folder, "triage", "--lead", "Ana", "--announce", "internal", "--post");
            if (BY_ROTATION.contains(scenario)) {
                rotate(sandbox, folder);
            } else if (!BY_ITSELF.contains(scenario)) {
                run(sandbox, folder, "postmortem", "event", "what the runbook says was done", "--kind", "mitigated",
                        "--by", "Ana");
            }
            if (!BY_ITSELF.contains(scenario)) {
                sandbox.enter("healthy");
            }
            sandbox.advance(ERRORS_FORGOTTEN);
            ControlledSandbox healed = another == null ? sandbox : another;
            run(healed, folder, "watch", "--interval", "1s", "--until", "3", "--for", "3s", "--max", "90s");
            run(healed, folder, "debug-bundle", "--since", "1h");
            return normalised(journal(folder), folder.toString(), sandbox.accountId());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void rotate(ControlledSandbox sandbox, Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve(".env"), "KLAVIYO_PRIVATE_KEY=" + sandbox.key() + "\n");
        sandbox.appKeyFile(file, "KLAVIYO_PRIVATE_KEY");
        Files.writeString(folder.resolve("new-key"), sandbox.newKey() + "\n");
        run(sandbox, folder, "rotate-key", "--new-key-file", "new-key", "--to", "file:.env#KLAVIYO_PRIVATE_KEY",
                "--restart", "exec:curl -fsS -X POST " + sandbox.restartUrl(), "--verify-for", "2s", "--account",
                sandbox.accountId(), "--yes");
    }

    private static void run(ControlledSandbox sandbox, Path folder, String script, String... arguments) {
        Run.process(script).cwd(folder).args(arguments).timeout(Duration.ofMinutes(3))
                .env("KLAVIYO_API_URL", sandbox.apiUrl().toString())
                .env("KLAVIYO_STATUS_URL", sandbox.statusUrl().toString())
                .env("KLAVIYO_APP_URL", sandbox.appUrl().toString())
                .env("KLAVIYO_WEBHOOK_URL", sandbox.webhookUrl().toString())
                .env("KLAVIYO_PROMETHEUS_URL", sandbox.prometheusUrl().toString())
                .env("SLACK_WEBHOOK_URL", sandbox.slackUrl().toString()).env("KLAVIYO_REVISION", sandbox.revision())
                .env("KLAVIYO_PRIVATE_KEY", sandbox.key()).run();
    }

    private static Path journal(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.endsWith("journal.jsonl")).findFirst().orElseThrow();
        }
    }
}
