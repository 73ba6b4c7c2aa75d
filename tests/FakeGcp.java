import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import runbook.Text.Json;

/** Google Secret Manager (v1) on loopback: numbered versions, checksums, and the errors of the real one. */
final class FakeGcp implements AutoCloseable {
    private static final Pattern PATH = Pattern.compile("/v1/projects/([^/]+/secrets/([^/:]+))(?:/versions/([^/:]+):access"
            + "|:addVersion)");

    /** Values by {@code PROJECT/secrets/NAME}, the newest last. */
    private final Map<String, List<String>> secrets = new HashMap<>();
    /** Whether answers leave out that the checksum was looked at: gcloud fails then, although the version was made. */
    volatile boolean silentAboutChecksums;
    private final LoopbackServer server = new LoopbackServer(this::answer);

    synchronized void secret(String project, String name, String value) {
        secrets.put(project + "/secrets/" + name, new ArrayList<>(List.of(value)));
    }

    synchronized List<String> versions(String project, String name) {
        return List.copyOf(secrets.get(project + "/secrets/" + name));
    }

    Run environment(Run cli, Path scratch) {
        try {
            Path token = Files.writeString(scratch.resolve("gcloud-token"), "ya29.test");
            return cli.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", server.url() + "/")
                    .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token.toString())
                    .env("CLOUDSDK_CONFIG", scratch.resolve("gcloud").toString())
                    .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1").env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true")
                    .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private synchronized LoopbackServer.Response answer(LoopbackServer.Request request) throws IOException {
        Matcher path = PATH.matcher(request.path());
        if (!request.header("Authorization").equals("Bearer ya29.test")) {
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.");
        } else if (!path.matches() || !secrets.containsKey(path.group(1))) {
            return error(404, "NOT_FOUND", "Secret [" + request.path() + "] not found or has no versions.");
        }
        List<String> versions = secrets.get(path.group(1));
        String name = "projects/1/secrets/" + path.group(2) + "/versions/";
        return path.group(3) == null ? add(name, versions, Json.read(request.body()).path("payload"))
                : access(name, versions, path.group(3));
    }

    private LoopbackServer.Response access(String name, List<String> versions, String version) {
        int number = version.equals("latest") ? versions.size() : Integer.parseInt(version);
        byte[] value = versions.get(number - 1).getBytes(StandardCharsets.UTF_8);
        return ok(Map.of("name", name + number, "payload", Map.of("data", Base64.getEncoder().encodeToString(value),
                "dataCrc32c", Long.toString(crc(value)))));
    }

    private LoopbackServer.Response add(String name, List<String> versions, JsonNode payload) {
        byte[] value = Base64.getDecoder().decode(payload.path("data").asText().replace('-', '+').replace('_', '/'));
        if (payload.has("dataCrc32c") && payload.path("dataCrc32c").asLong() != crc(value)) {
            return error(400, "INVALID_ARGUMENT", "The payload's checksum does not match.");
        }
        versions.add(new String(value, StandardCharsets.UTF_8));
        Map<String, Object> made = new HashMap<>(Map.of("name", name + versions.size(), "createTime",
                "2026-11-23T03:00:00Z", "state", "ENABLED", "etag", "\"1\""));
        if (!silentAboutChecksums) {
            made.put("clientSpecifiedPayloadChecksum", payload.has("dataCrc32c"));
        }
        return ok(made);
    }

    private static long crc(byte[] value) {
        CRC32C crc = new CRC32C();
        crc.update(value);
        return crc.getValue();
    }

    private static LoopbackServer.Response ok(Map<String, ?> body) {
        return new LoopbackServer.Response(200, Json.line(Json.of(body)));
    }

    private static LoopbackServer.Response error(int code, String status, String message) {
        return new LoopbackServer.Response(code,
                Json.line(Json.of(Map.of("error", Map.of("code", code, "status", status, "message", message)))));
    }

    @Override
    public void close() {
        server.close();
    }
}
