import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Text.Json;

/** A Kubernetes API server on loopback with secrets and deployments, as strict as the real one about what a rotation sends. */
final class FakeKubernetes implements AutoCloseable {
    private static final Pattern OBJECT =
            Pattern.compile("(?:/api/v1|/apis/apps/v1)/namespaces/([^/]+/(secrets|deployments))(?:/([^/]+))?");
    private static final String RESOURCES = """
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "%s", "resources": [{"name": "%s", "kind": "%s",
         "singularName": "%s", "namespaced": %s, "verbs": ["create", "get", "list", "patch", "watch"]}]}""";
    private static final String GROUP = """
        {"name": "%1$s", "versions": [{"groupVersion": "%1$s/v1", "version": "v1"}],
         "preferredVersion": {"groupVersion": "%1$s/v1", "version": "v1"}}""";
    private static final Map<String, String> DISCOVERY = Map.of(
            "/api", "{\"kind\": \"APIVersions\", \"versions\": [\"v1\"], \"serverAddressByClientCIDRs\": []}",
            "/apis", "{\"kind\": \"APIGroupList\", \"apiVersion\": \"v1\", \"groups\": [" + GROUP.formatted("apps") + ", "
                    + GROUP.formatted("authorization.k8s.io") + "]}",
            "/api/v1", RESOURCES.formatted("v1", "secrets", "Secret", "secret", true),
            "/apis/apps/v1", RESOURCES.formatted("apps/v1", "deployments", "Deployment", "deployment", true),
            "/apis/authorization.k8s.io/v1", RESOURCES.formatted("authorization.k8s.io/v1", "selfsubjectaccessreviews",
                    "SelfSubjectAccessReview", "selfsubjectaccessreview", false));

    /** By {@code NAMESPACE/KIND/NAME}. */
    private final Map<String, ObjectNode> objects = new HashMap<>();
    /** {@code patch secrets}, …: answered with Forbidden, and with "no" when asked. */
    final Set<String> forbidden = new CopyOnWriteArraySet<>();
    /** Run at each rollout: the pods start anew. */
    volatile Runnable onRollout = () -> { };
    final LoopbackServer server = new LoopbackServer(this::answer);

    synchronized void secret(String namespace, String name, Map<String, String> fields) {
        ObjectNode data = object(namespace, "secrets", name, """
            {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}""").putObject("data");
        fields.forEach((field, value) ->
                data.put(field, Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8))));
    }

    synchronized void deployment(String namespace, String name) {
        object(namespace, "deployments", name, """
            {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}},
             "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}},
             "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                        "availableReplicas": 1}}""");
    }

    private ObjectNode object(String namespace, String kind, String name, String json) {
        try {
            ObjectNode object = (ObjectNode) Json.read(json);
            object.putObject("metadata").put("name", name).put("namespace", namespace).put("resourceVersion", "1")
                    .put("generation", 1).put("uid", "u-" + name);
            objects.put(namespace + "/" + kind + "/" + name, object);
            return object;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    synchronized String field(String namespace, String secret, String field) {
        return new String(Base64.getDecoder().decode(objects.get(namespace + "/secrets/" + secret).path("data")
                .path(field).asText()), StandardCharsets.UTF_8);
    }

    synchronized long generation(String namespace, String deployment) {
        return objects.get(namespace + "/deployments/" + deployment).path("metadata").path("generation").asLong();
    }

    Run environment(Run cli, Path scratch) {
        try {
            Path config = Files.writeString(scratch.resolve("kubeconfig"), """
                {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": "URL"}}],
                 "users": [{"name": "u", "user": {"token": "t"}}], "current-context": "x",
                 "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}""".replace("URL", server.url()));
            return cli.env("KUBECONFIG", config.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private synchronized LoopbackServer.Response answer(LoopbackServer.Request request) throws IOException {
        if (DISCOVERY.containsKey(request.path())) {
            return new LoopbackServer.Response(200, DISCOVERY.get(request.path()));
        } else if (request.path().endsWith("/selfsubjectaccessreviews")) {
            // kubectl asks this in protobuf, whose strings stand in it as they are; it takes JSON for an answer.
            boolean allowed = forbidden.stream().noneMatch(what -> request.body().contains(what.split(" ")[0])
                    && request.body().contains(what.split(" ")[1]));
            return new LoopbackServer.Response(201, """
                {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {},
                 "status": {"allowed": %s}}""".formatted(allowed));
        }
        Matcher object = OBJECT.matcher(request.path());
        if (!object.matches()) {
            return status(404, "NotFound", "the server could not find the requested resource");
        } else if (object.group(3) == null) {
            return list(object.group(1), request.query());
        }
        String kind = object.group(2);
        ObjectNode found = objects.get(object.group(1) + "/" + object.group(3));
        boolean patch = request.method().equals("PATCH");
        if (forbidden.contains(request.method().toLowerCase() + " " + kind)) {
            return status(403, "Forbidden", kind + " \"" + object.group(3) + "\" is forbidden: User \"oncall\" cannot "
                    + request.method().toLowerCase() + " resource \"" + kind + "\"");
        } else if (found == null) {
            return status(404, "NotFound", kind + " \"" + object.group(3) + "\" not found");
        } else if (patch && !request.header("Content-Type").matches("application/(strategic-)?merge-patch\\+json")) {
            return status(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
        }
        return patch ? patch(found, Json.read(request.body())) : new LoopbackServer.Response(200, Json.line(found));
    }

    private LoopbackServer.Response patch(ObjectNode object, JsonNode patch) {
        for (JsonNode value : patch.path("data")) {
            if (!value.asText().matches("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")) {
                return status(400, "BadRequest", "illegal base64 data at input byte 0");
            }
        }
        merge(object, patch);
        ObjectNode metadata = (ObjectNode) object.path("metadata");
        metadata.put("resourceVersion", Integer.toString(metadata.path("resourceVersion").asInt() + 1));
        if (patch.has("spec")) {
            metadata.put("generation", metadata.path("generation").asLong() + 1);
            ((ObjectNode) object.path("status")).put("observedGeneration", metadata.path("generation").asLong());
            onRollout.run();
        }
        return new LoopbackServer.Response(200, Json.line(object));
    }

    private static void merge(ObjectNode into, JsonNode patch) {
        patch.properties().forEach(entry -> {
            if (entry.getValue().isObject()) {
                merge(into.withObjectProperty(entry.getKey()), entry.getValue());
            } else {
                into.set(entry.getKey(), entry.getValue());
            }
        });
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
        return new LoopbackServer.Response(200, query.contains("watch=") ? "" : Json.line(list));
    }

    private static LoopbackServer.Response status(int code, String reason, String message) {
        return new LoopbackServer.Response(code, Json.line(Json.of(Map.of("kind", "Status", "apiVersion", "v1",
                "status", "Failure", "message", message, "reason", reason, "code", code))));
    }

    @Override
    public void close() {
        server.close();
    }
}
