import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArraySet;
import runbook.Text.Json;

/**
 * AWS Secrets Manager on loopback, as far as a rotation needs it: versions with their labels, idempotent puts, and the
 * errors of the real one (API reference 2017-10-17).
 */
final class FakeAws implements AutoCloseable {
    private static final String ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE";

    private final Map<String, LinkedHashMap<String, String>> secrets = new HashMap<>();
    private final Map<String, Map<String, String>> labels = new HashMap<>();
    /** Actions that are answered with AccessDeniedException. */
    final Set<String> denied = new CopyOnWriteArraySet<>();
    final LoopbackServer server = new LoopbackServer(this::answer);

    void secret(String id, String value) {
        put(id, "00000000-0000-4000-8000-" + String.format("%012d", id.hashCode() & 0xffff), value,
                List.of("AWSCURRENT"));
    }

    /** The value under a label, or null. */
    synchronized String value(String id, String label) {
        return secrets.getOrDefault(id, new LinkedHashMap<>()).get(labels.getOrDefault(id, Map.of()).get(label));
    }

    synchronized int versions(String id) {
        return secrets.get(id).size();
    }

    Run environment(Run cli) {
        return cli.env("AWS_ENDPOINT_URL", server.url()).env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI").env("AWS_DEFAULT_REGION", "eu-west-1")
                .env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1");
    }

    private synchronized LoopbackServer.Response answer(LoopbackServer.Request request) throws IOException {
        String action = request.header("X-Amz-Target").replaceFirst(".*\\.", "");
        if (!request.header("Authorization").contains("Credential=" + ACCESS_KEY + "/")) {
            return error("UnrecognizedClientException", "The security token included in the request is invalid.");
        }
        if (request.header("X-Amz-Target").contains("ContainerService")) {
            return error("ClusterNotFoundException", "Cluster not found.");
        }
        if (denied.contains(action)) {
            return error("AccessDeniedException",
                    "User: arn:aws:iam::111122223333:user/oncall is not authorized to perform: secretsmanager:"
                    + action);
        }
        JsonNode input = Json.read(request.body());
        String id = input.path("SecretId").asText();
        if (!secrets.containsKey(id)) {
            return error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
        }
        return switch (action) {
            case "GetSecretValue" -> get(id, input);
            case "PutSecretValue" -> put(id, input);
            case "UpdateSecretVersionStage" -> move(id, input);
            default -> error("UnknownOperationException", action);
        };
    }

    private LoopbackServer.Response get(String id, JsonNode input) {
        String version = input.path("VersionId")
                .asText(labels.get(id).get(input.path("VersionStage").asText("AWSCURRENT")));
        String value = secrets.get(id).get(version);
        return value == null ? error("ResourceNotFoundException",
                "Secrets Manager can't find the specified secret value for VersionId: " + version)
                : new LoopbackServer.Response(200,
                Json.line(Json.of(Map.of("ARN", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:" + id, "Name",
                id, "VersionId", version, "SecretString", value, "VersionStages", stages(id, version)))));
    }

    private LoopbackServer.Response put(String id, JsonNode input) {
        String version = input.path("ClientRequestToken").asText();
        String value = input.path("SecretString").asText();
        String before = secrets.get(id).get(version);
        if (version.length() < 32 || value.isEmpty()) {
            return error("InvalidParameterException", "ClientRequestToken or SecretString is missing or too short.");
        }
        if (before != null && !before.equals(value)) {
            return error("ResourceExistsException", "A resource with the ID you requested already exists.");
        }
        put(id, version, value, List.of("AWSCURRENT"));
        return new LoopbackServer.Response(200, Json.line(Json.of(Map.of("Name", id, "VersionId", version,
                "VersionStages", stages(id, version)))));
    }

    private synchronized void put(String id, String version, String value, List<String> stages) {
        secrets.computeIfAbsent(id, one -> new LinkedHashMap<>()).put(version, value);
        stages.forEach(label -> label(id, label, version));
    }

    private LoopbackServer.Response move(String id, JsonNode input) {
        String label = input.path("VersionStage").asText();
        String from = input.path("RemoveFromVersionId").asText();
        if (!from.equals(labels.get(id).get(label))
                || !secrets.get(id).containsKey(input.path("MoveToVersionId").asText())) {
            return error("InvalidParameterException",
                    "The parameter RemoveFromVersionId can't be empty or is not the version with the label.");
        }
        label(id, label, input.path("MoveToVersionId").asText());
        return new LoopbackServer.Response(200, Json.line(Json.of(Map.of("Name", id))));
    }

    private void label(String id, String label, String version) {
        Map<String, String> now = labels.computeIfAbsent(id, one -> new HashMap<>());
        String before = now.put(label, version);
        if (label.equals("AWSCURRENT") && before != null && !before.equals(version)) {
            now.put("AWSPREVIOUS", before);
        }
    }

    private Set<String> stages(String id, String version) {
        Set<String> stages = new TreeSet<>();
        labels.get(id).forEach((label, on) -> {
            if (on.equals(version)) {
                stages.add(label);
            }
        });
        return stages;
    }

    private static LoopbackServer.Response error(String type, String message) {
        return new LoopbackServer.Response(
                400, Json.line(Json.of(Map.of("__type", type, "Message", message, "message", message))));
    }

    @Override
    public void close() {
        server.close();
    }
}
