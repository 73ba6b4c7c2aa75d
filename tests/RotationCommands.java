import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import runbook.Settings.Templates;
import runbook.Text.Json;

/** Every command that a row of stores.json prints for people, with its parts filled in. */
final class RotationCommands {
    private static final Map<String, String> PARTS = Map.ofEntries(Map.entry("secret", "klaviyo"), Map.entry("project",
            "shop-prod"), Map.entry("id", "klaviyo"), Map.entry("region", "eu-west-1"), Map.entry("field", "key"),
            Map.entry("namespace", "shop"), Map.entry("workload", "deployment/web"), Map.entry("service", "web"),
            Map.entry("cluster", "prod"), Map.entry("version", "1"));

    private RotationCommands() { }

    /** The commands of the row with this id, or for which this is an address. */
    static List<String> of(String which) throws IOException {
        JsonNode row = Json.read(Templates.builtIn().text("stores.json")).path(which.replaceFirst(":.*", ""));
        List<String> templates = new ArrayList<>();
        row.findValues("action").forEach(actions -> actions.forEach(one -> templates.add(one.asText())));
        for (String field : List.of("undo", "show", "readAt")) {
            if (row.has(field)) {
                templates.add(row.path(field).asText());
            }
        }
        return templates.stream().map(RotationCommands::filled).distinct().toList();
    }

    private static String filled(String template) {
        return Pattern.compile("\\{(\\w+)}").matcher(template.replaceAll("\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]",
                "$1")).replaceAll(part -> PARTS.getOrDefault(part.group(1), part.group(1))).replaceFirst("\\s+#.*", "");
    }

    /** Variables under which the tools know nobody, and end as soon as they have understood a command. */
    static Map<String, String> nowhere(Path scratch) throws IOException {
        Path config = Files.writeString(scratch.resolve("kubeconfig"), "apiVersion: v1\nkind: Config\n"
                + "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
                + "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n");
        return Map.of("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED", "true", "AWS_PAGER", "",
                "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/nonexistent", "CLOUDSDK_CONFIG", scratch.resolve("gcloud")
                .toString(), "CLOUDSDK_CORE_DISABLE_PROMPTS", "1", "KUBECONFIG", config.toString());
    }
}
