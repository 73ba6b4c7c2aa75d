import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import runbook.Text.Json;

/** The published schemas of what the steps print with {@code --json}. */
final class Schemas {
    private static final Map<String, JsonSchema> READ = new ConcurrentHashMap<>();

    static {
        // Its logging facade says at each start that nothing logs.
        System.setProperty("slf4j.internal.verbosity", "ERROR");
    }

    private Schemas() { }

    /** Fails where what a step printed is not what its schema promises, with the places. */
    static void check(String step, JsonNode printed) {
        String wrong = READ.computeIfAbsent(step, Schemas::read).validate(printed).stream().map(Object::toString)
                .collect(Collectors.joining("\n"));
        if (!wrong.isEmpty()) {
            throw new AssertionError(step + " --json is not as its schema says:\n" + wrong + "\n" + Json.pretty(printed));
        }
    }

    private static JsonSchema read(String step) {
        try {
            Path schema = Repository.file("schemas/" + step + ".schema.json");
            return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                    .getSchema(schema.toUri(), Json.read(Files.readString(schema)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
