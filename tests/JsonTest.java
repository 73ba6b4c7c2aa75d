import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Text.Json;

/**
 * What each step prints with {@code --json} is as its schema says, and says what comes next. Triage is asked so for
 * every scenario by {@link TriageRun}.
 */
class JsonTest {
    private static final Map<String, JsonSchema> SCHEMAS = new ConcurrentHashMap<>();

    static {
        // Its logging facade says at each start that nothing logs.
        System.setProperty("slf4j.internal.verbosity", "ERROR");
    }

    /** Fails where what a step printed is not what its schema promises, with the places. */
    static void check(String step, JsonNode printed) {
        String wrong = SCHEMAS.computeIfAbsent(step, JsonTest::schema).validate(printed).stream().map(Object::toString)
                .collect(Collectors.joining("\n"));
        if (!wrong.isEmpty()) {
            String found = wrong + "\n" + printed.toPrettyString();
            throw new AssertionError(step + " --json is not as its schema says:\n" + found);
        }
    }

    private static JsonSchema schema(String step) {
        try {
            Path schema = Repository.file("schemas/" + step + ".schema.json");
            return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                    .getSchema(schema.toUri(), Json.read(Files.readString(schema)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private final Path folder = Tree.temporary("json");

    @ParameterizedTest(name = "{0} {1}: {2}, {3}")
    @CsvSource(nullValues = "-", value = {
        "rotate-key, --drill revoked-key --yes,              0,  now,   triage",
        "rotate-key, --drill stale-app-key --dry-run,        0,  now,   rotate-key",
        "rotate-key, --drill no-network --yes,               21, now,   -",
        "rotate-key, --drill revoked-key:restart --yes,      22, now,   -",
        "watch,      --drill outage --max 2s,                31, later, -",
        "watch,      --drill healthy --until 2 --for 1s,     0,  now,   postmortem",
        "debug-bundle, --drill outage --yes,                 0,  now,   open",
        "debug-bundle, --drill no-network --yes,             41, now,   open",
        "debug-bundle, --drill malformed-key --yes,          0,  now,   open",
        "postmortem, --drill outage,                         0,  now,   --check"})
    void everyStepTellsAScriptWhatCameOutAndWhatIsNext(
            String step, String arguments, int exit, String when, String command) throws IOException {
        if (step.equals("postmortem")) {
            Run.script("triage").args("--drill", "outage").cwd(folder).run();
        }
        Run.Result result = Run.script(step).args((arguments + " --json").split(" ")).cwd(folder).run().ends(exit);
        JsonNode last = null;
        for (String document : step.equals("watch") ? result.out().lines().toList() : List.of(result.out())) {
            JsonNode read = Json.read(document);
            check(step, read);
            last = read.path("type").asText().equals("event") ? last : read;
        }
        JsonNode advice = last.path("advice");
        assertEquals(when, advice.path("when").asText());
        assertEquals(command == null, advice.path("command").isNull(), advice.toString());
        assertTrue(command == null || advice.path("command").asText().contains(command), advice.toString());
    }

    @ParameterizedTest(name = "{0} {1}: {2}")
    @CsvSource(nullValues = "-", value = {
        "postmortem, --check,                            postmortem-check,    51",
        "postmortem, event said --kind note,             postmortem-event,    0",
        "postmortem, handover,                           postmortem-handover, 0",
        "postmortem, export out.zip,                     postmortem-transfer, 0",
        "postmortem, close,                              postmortem-check,    51",
        "debug-bundle, --dry-run,                        debug-bundle-plan,   0",
        "triage,     --preflight,                        triage-preflight,    11",
        "triage,     --accounts accounts.csv,            triage-accounts,     20"})
    void whatAnOptionOrACommandOfAStepPrintsHasASchemaToo(String step, String arguments, String schema, int exit)
            throws IOException {
        if (step.equals("postmortem")) {
            List.of("triage", "postmortem").forEach(one -> Run.script(one).args("--drill", "outage").cwd(folder).run());
        }
        Files.writeString(folder.resolve("accounts.csv"), "name,env\nshop,NO_SUCH_KEY\n");
        Run run = Run.script(step).args((arguments + " --json").split(" ")).cwd(folder);
        boolean fleet = schema.equals("triage-accounts");
        Run.Result result = (fleet ? run.args("--api-url", "http://127.0.0.1:1", "--status-url", "http://127.0.0.1:1")
                : run.args("--drill", "outage")).run().ends(exit);
        check(schema, Json.read(result.out()));
    }
}
