import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import runbook.*;
import runbook.Settings.Templates;
import runbook.Text.Json;

/** The real aws, gcloud and kubectl, where they are installed, against servers on loopback. */
class RotationCloudTest {
    private final RotationScene bench = new RotationScene();
    private final FakeClouds clouds;

    RotationCloudTest() throws IOException {
        clouds = new FakeClouds();
        clouds.onWrite = value -> bench.tools.set(value.replaceFirst("(?s).*\"key\":\"([^\"]+).*", "$1"));
        bench.settings("rotate-key.yes=true\nrotate-key.verify-for=3s\n");
    }

    @AfterEach
    void close() {
        clouds.close();
        bench.close();
    }

    private static void needs(String... tools) {
        Tool here = new Tool(System.getenv(), Path.of(""), Duration.ofSeconds(1), "Linux");
        for (String tool : tools) {
            Assumptions.assumeTrue(here.find(tool).isPresent(), tool + " is not installed");
        }
    }

    private Run rotate(String... words) {
        return clouds.environment(bench.bare(words), bench.folder);
    }

    @Test
    void aKubernetesSecretIsPatchedAndItsDeploymentRolledOut() {
        needs("kubectl");
        clouds.kubernetesSecret("klaviyo", Map.of("api-key", bench.oldKey, "other", "stays"));
        JsonNode deployment = clouds.object("deployments", "web");
        clouds.onRollout = () -> Tree.write(bench.tools.file("app"), clouds.field("klaviyo", "api-key"));
        bench.ends(0, rotate("--to", "k8s:shop/klaviyo/api-key", "--restart", "k8s:shop/deployment/web"));
        assertEquals("stays", clouds.field("klaviyo", "other"));
        assertEquals(2, deployment.at("/metadata/generation").asInt());
        assertEquals(bench.newKey, bench.tools.app());
    }

    @Test
    void kubernetesRefusalsAreFoundBeforeAnythingChanges() {
        needs("kubectl");
        clouds.kubernetesSecret("klaviyo", Map.of("api-key", bench.oldKey));
        clouds.denied.add("patch secrets");
        bench.ends(21, rotate("--to", "k8s:shop/klaviyo/api-key", "--to", "k8s:shop/klaviyo/nothing", "--restart",
                "k8s:shop/deployment/gone"), "no permission to patch klaviyo", "has no field nothing",
                "kubectl get deployments,statefulsets,daemonsets -n shop");
        assertFalse(clouds.server.asked().stream().anyMatch(line -> line.startsWith("PATCH")), "something was written");
    }

    @Test
    void anAwsSecretGetsANewVersionAndItsOtherFieldsStayUnlessThatIsDenied() {
        needs("aws");
        String document = "{ \"user\":\"x\",  \"key\":\"@\", \"n\": 1.10 }";
        clouds.secret("shop/klaviyo", document.replace("@", bench.oldKey));
        clouds.denied.add("PutSecretValue");
        String[] words = {"--to", "aws:shop/klaviyo@eu-west-1#key", "--restart", "systemd:web"};
        bench.ends(21, rotate(words), "aws sts get-caller-identity");
        assertEquals(1, clouds.versions("shop/klaviyo").size());
        clouds.denied.clear();
        bench.ends(0, rotate(words));
        assertEquals(List.of(document.replace("@", bench.oldKey), document.replace("@", bench.newKey)),
                clouds.versions("shop/klaviyo"));
        bench.has(bench.newKey);
    }

    @Test
    void aGoogleSecretGetsANewVersionAndAFailedRestartBringsTheOldValueBack() {
        needs("gcloud");
        clouds.secret("shop/secrets/klaviyo", bench.oldKey);
        // gcloud then fails although the version is made: it is not believed.
        clouds.silentAboutChecksums = true;
        bench.tools.fail("restart", "exit 3");
        bench.ends(22, rotate("--to", "gcp:klaviyo@shop", "--restart", "systemd:web"), "although the tool complained");
        assertEquals(List.of(bench.oldKey, bench.newKey, bench.oldKey), clouds.versions("shop/secrets/klaviyo"));
    }

    @Test
    void whatTheCloudsSayIsTurnedIntoTheCommandThatMendsIt() {
        needs("gcloud", "aws", "kubectl");
        bench.ends(21, rotate("--to", "gcp:elsewhere@shop", "--to", "aws:nothing@eu-west-1",
                "--to", "k8s:shop/nothing/key", "--restart", "exec:no-such-program --now",
                "--restart", "ecs:prod/web@eu-west-1"), "gcloud secrets create elsewhere --project=shop",
                "aws secretsmanager list-secrets --region eu-west-1", "kubectl get secrets -n shop",
                "no-such-program is not there", "aws ecs list-clusters --region eu-west-1");
        bench.ends(21, rotate("--to", "aws:nothing", "--restart", "exec:true").env("AWS_ACCESS_KEY_ID",
                "AKIAI44QH8DHBEXAMPLE"), "AWS does not know you", "aws configure");
    }

    // ---- what a row prints

    private static final Map<String, String> PARTS = Map.of("secret", "klaviyo", "project", "shop-prod",
            "id", "klaviyo", "region", "eu-west-1", "field", "key", "namespace", "shop", "workload", "deployment/web",
            "service", "web", "cluster", "prod", "version", "1");

    private static Stream<String> commands(JsonNode row) {
        List<String> templates = new ArrayList<>();
        row.findValues("action").forEach(actions -> actions.forEach(one -> templates.add(one.asText())));
        Stream.of("undo", "show", "readAt").filter(row::has).forEach(field -> templates.add(row.path(field).asText()));
        return templates.stream().map(template -> Pattern.compile("\\{(\\w+)}")
                .matcher(template.replaceAll("\\[([^\\[\\]{}]*\\{\\w+}[^\\[\\]{}]*)]", "$1"))
                .replaceAll(part -> PARTS.getOrDefault(part.group(1), part.group(1))).replaceFirst("\\s+#.*", ""));
    }

    @Test
    void everyPrintedCommandIsOneThatTheToolKnows() throws Exception {
        needs("gcloud", "aws", "kubectl");
        JsonNode table = Json.read(Templates.BUILT_IN.text("stores.json"));
        List<String> all = Stream.of("gcp", "aws", "k8s", "k8s-restart", "cloudrun", "ecs")
                .flatMap(id -> commands(table.path(id))).distinct().toList();
        Path config = Files.writeString(bench.folder.resolve("nowhere"), "apiVersion: v1\nkind: Config\n"
                + "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
                + "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n");
        // Nobody answers at these addresses: a command that cannot be parsed ends before it finds out.
        List<String> wrong = all.parallelStream().flatMap(command -> {
            Run run = Run.command("/bin/sh", "-c", command).cwd(bench.folder).timeout(Duration.ofMinutes(2));
            Run.Result result = clouds.environment(run, bench.folder).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
                    .env("KUBECONFIG", config.toString()).env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/nonexistent").run();
            return (result.out() + result.err()).matches("(?s).*(unrecognized arguments|Unknown options|Invalid choice|"
                    + "invalid choice|unknown flag|unknown command|arguments are required|must be specified: |"
                    + "error parsing|required flag).*") ? Stream.of(command + "\n" + result) : Stream.of();
        }).toList();
        assertEquals(List.of(), wrong);
    }
}
