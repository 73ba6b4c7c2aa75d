package runbook.sandbox;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import runbook.Text.Json;
import runbook.sandbox.Keyring.ApiKey;

/** The beta API that lists, renames, enables and disables the private keys of an account. It makes none, as the real one. */
final class ApiKeysResource {
    private static final Set<String> STATUSES = Set.of("active", "disabled");

    private final World world;

    ApiKeysResource(World world) {
        this.world = world;
    }

    Object answer(Route route, Request request, ApiKey caller, Map<String, List<String>> parameters) {
        String address = world.apiUrl + "/api/api-keys/";
        if (route.id(request.path()).isEmpty()) {
            return KlaviyoData.map(
                    "data",
                    world.keyring.of(caller.account).stream()
                            .map(key -> shown(key, parameters))
                            .toList(),
                    "links",
                    Map.of("self", address));
        }
        String id = route.id(request.path()).orElseThrow();
        ApiKey key = world.keyring.byId(caller.account, id)
                .orElseThrow(() -> KlaviyoErrors.notFound("An API key with id " + id + " does not exist."));
        if (route.method().equals("PATCH")) {
            change(key, document(request));
        }
        return KlaviyoData.map("data", shown(key, parameters), "links", Map.of("self", address + id + "/"));
    }

    private static JsonNode document(Request request) {
        String type = String.valueOf(request.header("content-type"));
        if (!type.startsWith("application/vnd.api+json") && !type.startsWith("application/json")) {
            throw KlaviyoErrors.body("/data", "Content-Type must be application/vnd.api+json.");
        }
        try {
            return Json.read(request.body()).path("data");
        } catch (IOException e) {
            throw KlaviyoErrors.body("/data", "The request body is not valid JSON.");
        }
    }

    private void change(ApiKey key, JsonNode data) {
        if (!data.path("type").asText().equals("api-key")) {
            throw KlaviyoErrors.body("/data/type", "'type' must be 'api-key'.");
        }
        if (!data.path("id").asText().equals(key.id)) {
            throw KlaviyoErrors.body("/data/id", "'id' must match the id in the path.");
        }
        if (!data.path("attributes").isObject()) {
            throw KlaviyoErrors.body("/data/attributes", "'attributes' is required.");
        }
        JsonNode attributes = data.path("attributes");
        attributes.fieldNames().forEachRemaining(name -> {
            if (!Set.of("name", "status").contains(name)) {
                throw KlaviyoErrors.body(
                        "/data/attributes/" + name, "'" + name + "' is not a valid field for the resource 'api-key'.");
            }
        });
        JsonNode status = attributes.path("status");
        if (!status.isMissingNode() && !status.isNull() && !STATUSES.contains(status.asText())) {
            throw KlaviyoErrors.body(
                    "/data/attributes/status", "'" + status.asText() + "' is not one of active, disabled.");
        }
        if (attributes.path("name").isTextual()) {
            key.name = attributes.path("name").asText();
        }
        if (status.isTextual()) {
            key.enabled = status.asText().equals("active");
            world.changed();
        }
    }

    private Map<String, Object> shown(ApiKey key, Map<String, List<String>> parameters) {
        Map<String, Object> attributes = KlaviyoData.map(
                "name",
                key.name,
                "status",
                key.enabled ? "active" : "disabled",
                "scopes",
                new TreeSet<>(key.scopes),
                "created",
                key.created.toString().replaceFirst("\\.?\\d*Z$", "+00:00"),
                "redacted_key",
                "pk_****" + key.secret.substring(key.secret.length() - 4));
        return Page.reduced(KlaviyoData.map("type", "api-key", "id", key.id, "attributes", attributes,
                "links", Map.of("self", world.apiUrl + "/api/api-keys/" + key.id + "/")), parameters);
    }
}
