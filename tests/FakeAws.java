import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArraySet;
import runbook.Text.Json;

/**
 * AWS Secrets Manager on loopback, as far as a rotation needs it: versions in order, idempotent puts, and the errors of the
 * real one (API reference 2017-10-17). ECS has no cluster.
 */
final class FakeAws implements AutoCloseable {
    private static final String ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE";

    /** Values by version, the newest last, by secret. */
    private final Map<String, Map<String, String>> secrets = new HashMap<>();
    /** Actions that are answered with AccessDeniedException. */
    final Set<String> denied = new CopyOnWriteArraySet<>();
    private final LoopbackServer server = new LoopbackServer(this::answer);

    synchronized void secret(String id, String value) {
        secrets.computeIfAbsent(id, one -> new LinkedHashMap<>()).put("00000000-0000-4000-8000-000000000001", value);
    }

    /** The newest value, or one as many versions older. */
    synchronized String value(String id, int older) {
        return secrets.get(id).values().stream().toList().get(versions(id) - 1 - older);
    }

    synchronized int versions(String id) {
        return secrets.get(id).size();
    }

    Run environment(Run cli) {
        return cli.env("AWS_ENDPOINT_URL", server.url()).env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI").env("AWS_DEFAULT_REGION", "eu-west-1")
                .env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1").env("AWS_PAGER", "");
    }

    private synchronized LoopbackServer.Response answer(LoopbackServer.Request request) throws IOException {
        String action = request.header("X-Amz-Target").replaceFirst(".*\\.", "");
        JsonNode input = Json.read(request.body());
        Map<String, String> versions = secrets.get(input.path("SecretId").asText());
        if (!request.header("Authorization").contains("Credential=" + ACCESS_KEY + "/")) {
            return error("UnrecognizedClientException", "The security token included in the request is invalid.");
        } else if (request.header("X-Amz-Target").contains("ContainerService")) {
            return error("ClusterNotFoundException", "Cluster not found.");
        } else if (denied.contains(action)) {
            return error("AccessDeniedException", "User: arn:aws:iam::111122223333:user/oncall is not authorized to perform:"
                    + " secretsmanager:" + action);
        } else if (versions == null) {
            return error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
        }
        return switch (action) {
            case "GetSecretValue" -> get(versions, input);
            case "PutSecretValue" -> put(versions, input);
            default -> error("UnknownOperationException", action);
        };
    }

    private LoopbackServer.Response get(Map<String, String> versions, JsonNode input) {
        String newest = versions.keySet().stream().reduce((earlier, later) -> later).orElseThrow();
        String version = input.path("VersionId").asText(newest);
        return !versions.containsKey(version) ? error("ResourceNotFoundException",
                "Secrets Manager can't find the specified secret value for VersionId: " + version)
                : ok(Map.of("Name", input.path("SecretId"), "VersionId", version, "SecretString", versions.get(version)));
    }

    private LoopbackServer.Response put(Map<String, String> versions, JsonNode input) {
        String version = input.path("ClientRequestToken").asText();
        String value = input.path("SecretString").asText();
        if (version.length() < 32 || value.isEmpty()) {
            return error("InvalidParameterException", "ClientRequestToken or SecretString is missing or too short.");
        } else if (!versions.getOrDefault(version, value).equals(value)) {
            return error("ResourceExistsException", "A resource with the ID you requested already exists.");
        }
        versions.put(version, value);
        return ok(Map.of("Name", input.path("SecretId"), "VersionId", version));
    }

    private static LoopbackServer.Response ok(Map<String, ?> body) {
        return new LoopbackServer.Response(200, Json.line(Json.of(body)));
    }

    private static LoopbackServer.Response error(String type, String message) {
        return new LoopbackServer.Response(400,
                Json.line(Json.of(Map.of("__type", type, "Message", message, "message", message))));
    }

    @Override
    public void close() {
        server.close();
    }
}
