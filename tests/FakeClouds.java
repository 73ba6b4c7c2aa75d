import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.zip.*;
import runbook.Text.Json;

/**
 * AWS Secrets Manager (2017-10-17), Google Secret Manager (v1) and a Kubernetes API server on loopback, as far as a
 * rotation needs them, with their errors, and as strict as the real ones about what it sends. ECS has no cluster.
 */
final class FakeClouds implements AutoCloseable {
    private static final String ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE";
    private static final Pattern GOOGLE =
            Pattern.compile("/v1/projects/([^/]+/secrets/([^/:]+))(?:/versions/([^/:]+):access|:addVersion)");
    private static final Pattern KUBERNETES =
            Pattern.compile("(?:/api/v1|/apis/apps/v1)/namespaces/([^/]+/(secrets|deployments))(?:/([^/]+))?");

    /** Values, the newest last, by AWS's id or Google's {@code PROJECT/secrets/NAME}. */
    private final Map<String, List<String>> secrets = new HashMap<>();
    /** Kubernetes' objects by {@code NAMESPACE/KIND/NAME}, and what it answers to who wants to know what it has. */
    private final Map<String, ObjectNode> objects = new HashMap<>();
    private final JsonNode discovery;
    /** AWS's actions, and {@code patch secrets}, …: refused, Kubernetes' also when it is asked. */
    final Set<String> denied = new CopyOnWriteArraySet<>();
    /** Whether Google leaves out that the checksum was looked at: gcloud fails then, although the version was made. */
    volatile boolean silentAboutChecksums;
    /** Run at each rollout: the pods start anew. */
    volatile Runnable onRollout = () -> { };
    /** Is told each value that AWS or Google stores. */
    volatile Consumer<String> onWrite = value -> { };
    final LoopbackServer server = new LoopbackServer(this::answer);

    FakeClouds() throws IOException {
        discovery = Json.read(Tree.read(Repository.file("tests/kubernetes.json")));
    }

    // ---- what there is

    synchronized void secret(String id, String value) {
        secrets.put(id, new ArrayList<>(List.of(value)));
    }

    /** Its values, the newest last. */
    synchronized List<String> versions(String id) {
        return List.copyOf(secrets.get(id));
    }

    synchronized void kubernetesSecret(String name, Map<String, String> fields) {
        ObjectNode data = object("secrets", name).putObject("data");
        fields.forEach((field, value) -> data.put(field, encoded(value)));
    }

    synchronized ObjectNode object(String kind, String name) {
        ObjectNode object = discovery.path(kind).deepCopy();
        object.putObject("metadata").put("name", name).put("namespace", "shop").put("resourceVersion", "1")
                .put("generation", 1).put("uid", "u-" + name);
        objects.put("shop/" + kind + "/" + name, object);
        return object;
    }

    synchronized String field(String secret, String field) {
        return decoded(objects.get("shop/secrets/" + secret).path("data").path(field).asText());
    }

    private static String encoded(String value) {
        return Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8));
    }

    private static String decoded(String value) {
        byte[] bytes = Base64.getDecoder().decode(value.replace('-', '+').replace('_', '/'));
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Lets the three tools ask here. */
    Run environment(Run cli, Path scratch) {
        Path token = Tree.write(scratch.resolve("gcloud-token"), "ya29.test");
        Path config = Tree.write(scratch.resolve("kubeconfig"), """
            {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": "URL"}}],
             "users": [{"name": "u", "user": {"token": "t"}}], "current-context": "x",
             "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}""".replace("URL", server.url()));
        return cli.env("KUBECONFIG", config.toString())
                .env("AWS_ENDPOINT_URL", server.url()).env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
                .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI").env("AWS_DEFAULT_REGION", "eu-west-1")
                .env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_MAX_ATTEMPTS", "1").env("AWS_PAGER", "")
                .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", server.url() + "/")
                .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token.toString())
                .env("CLOUDSDK_CONFIG", scratch.resolve("gcloud").toString())
                .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1").env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
                .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true");
    }

    private synchronized LoopbackServer.Response answer(LoopbackServer.Request request) throws IOException {
        return request.path().equals("/") ? aws(request)
                : request.path().startsWith("/v1/") ? google(request) : kubernetes(request);
    }

    private void stored(List<String> versions, String value) {
        versions.add(value);
        onWrite.accept(value);
    }

    private static LoopbackServer.Response response(int code, Object body) {
        return new LoopbackServer.Response(code, Json.of(body).toString());
    }

    // As AWS says it, as Google does, and as Kubernetes: each tool reads its own.
    private static LoopbackServer.Response refused(int code, String reason, String message) {
        Map<String, Object> google = Map.of("code", code, "status", reason, "message", message);
        return response(code, Map.of("__type", reason, "message", message, "error", google, "kind", "Status",
                "apiVersion", "v1", "status", "Failure", "reason", reason, "code", code));
    }

    // ---- AWS

    private LoopbackServer.Response aws(LoopbackServer.Request request) throws IOException {
        String action = request.header("X-Amz-Target").replaceFirst(".*\\.", "");
        JsonNode input = Json.read(request.body());
        List<String> versions = secrets.get(input.path("SecretId").asText());
        if (!request.header("Authorization").contains("Credential=" + ACCESS_KEY + "/")) {
            return refused(400, "UnrecognizedClientException", "The security token included in the request is"
                    + " invalid.");
        } else if (request.header("X-Amz-Target").contains("ContainerService")) {
            return refused(400, "ClusterNotFoundException", "Cluster not found.");
        } else if (denied.contains(action)) {
            return refused(400, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/oncall is not authorized"
                    + " to perform: secretsmanager:" + action);
        } else if (versions == null) {
            return refused(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
        } else if (action.equals("PutSecretValue")) {
            stored(versions, input.required("SecretString").asText());
        }
        return response(200, Map.of("Name", input.path("SecretId"), "VersionId",
                String.format("00000000-0000-4000-8000-%012d", versions.size()), "SecretString",
                action.equals("GetSecretValue") ? versions.get(versions.size() - 1) : ""));
    }

    // ---- Google

    private LoopbackServer.Response google(LoopbackServer.Request request) throws IOException {
        Matcher path = GOOGLE.matcher(request.path());
        List<String> versions = path.matches() ? secrets.get(path.group(1)) : null;
        if (versions == null) {
            return refused(404, "NOT_FOUND", "Secret [" + request.path() + "] not found or has no versions.");
        }
        String name = "projects/1/secrets/" + path.group(2) + "/versions/";
        if (path.group(3) != null) {
            int number = path.group(3).equals("latest") ? versions.size() : Integer.parseInt(path.group(3));
            String value = versions.get(number - 1);
            return response(200, Map.of("name", name + number, "payload",
                    Map.of("data", encoded(value), "dataCrc32c", Long.toString(crc(value)))));
        }
        JsonNode payload = Json.read(request.body()).path("payload");
        String value = decoded(payload.path("data").asText());
        if (payload.has("dataCrc32c") && payload.path("dataCrc32c").asLong() != crc(value)) {
            return refused(400, "INVALID_ARGUMENT", "The payload's checksum does not match.");
        }
        stored(versions, value);
        Map<String, Object> made = new HashMap<>(Map.of("name", name + versions.size(), "createTime",
                "2026-11-23T03:00:00Z", "state", "ENABLED", "etag", "\"1\""));
        if (!silentAboutChecksums) {
            made.put("clientSpecifiedPayloadChecksum", payload.has("dataCrc32c"));
        }
        return response(200, made);
    }

    private static long crc(String value) {
        CRC32C crc = new CRC32C();
        crc.update(value.getBytes(StandardCharsets.UTF_8));
        return crc.getValue();
    }

    // ---- Kubernetes

    private LoopbackServer.Response kubernetes(LoopbackServer.Request request) throws IOException {
        if (discovery.has(request.path())) {
            return response(200, discovery.path(request.path()));
        } else if (request.path().endsWith("/selfsubjectaccessreviews")) {
            // kubectl asks this in protobuf, whose strings stand in it as they are; it takes JSON for an answer.
            boolean allowed = denied.stream().noneMatch(what -> request.body().contains(what.split(" ")[0])
                    && request.body().contains(what.replaceFirst(".* ", "")));
            return response(201, Map.of("apiVersion", "authorization.k8s.io/v1", "kind", "SelfSubjectAccessReview",
                    "spec", Map.of(), "status", Map.of("allowed", allowed)));
        }
        Matcher path = KUBERNETES.matcher(request.path());
        if (!path.matches()) {
            return refused(404, "NotFound", "the server could not find the requested resource");
        } else if (path.group(3) == null) {
            return list(path.group(1), request.query());
        }
        String named = path.group(2) + " \"" + path.group(3) + "\"";
        ObjectNode found = objects.get(path.group(1) + "/" + path.group(3));
        boolean patching = request.method().equals("PATCH");
        if (found == null) {
            return refused(404, "NotFound", named + " not found");
        } else if (patching && !request.header("Content-Type").matches("application/(strategic-)?merge-patch\\+json")) {
            return refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
        } else if (patching) {
            patch(found, request.body());
        }
        return response(200, found);
    }

    private void patch(ObjectNode object, String patch) throws IOException {
        new ObjectMapper().readerForUpdating(object).readTree(patch);
        ObjectNode metadata = (ObjectNode) object.path("metadata");
        metadata.put("resourceVersion", Integer.toString(metadata.path("resourceVersion").asInt() + 1));
        if (patch.contains("\"spec\"")) {
            metadata.put("generation", metadata.path("generation").asLong() + 1);
            ((ObjectNode) object.path("status")).set("observedGeneration", metadata.path("generation"));
            onRollout.run();
        }
    }

    // A watch is answered as one that has nothing new to tell.
    private LoopbackServer.Response list(String folder, String query) {
        boolean secrets = folder.endsWith("/secrets");
        ObjectNode list = Json.object().put("apiVersion", secrets ? "v1" : "apps/v1")
                .put("kind", secrets ? "SecretList" : "DeploymentList");
        list.putObject("metadata").put("resourceVersion", "9");
        objects.entrySet().stream().filter(entry -> entry.getKey().startsWith(folder + "/"))
                .filter(entry -> !query.contains("metadata.name") || query.contains("metadata.name%3D"
                        + entry.getValue().path("metadata").path("name").asText()))
                .forEach(entry -> list.withArray("items").add(entry.getValue()));
        return new LoopbackServer.Response(200, query.contains("watch=") ? "" : list.toString());
    }

    @Override
    public void close() {
        server.close();
    }
}
