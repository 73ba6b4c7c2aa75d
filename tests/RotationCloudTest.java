import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.Tool;
import runbook.sandbox.ControlledSandbox;

/** The real aws, gcloud and kubectl, where they are installed, against servers on loopback. */
class RotationCloudTest {
    @TempDir
    Path scratch;

    private final ControlledSandbox sandbox = ControlledSandbox.start("healthy");
    private final FakeAws aws = new FakeAws();
    private final FakeGcp gcp = new FakeGcp();
    private final FakeKubernetes kubernetes = new FakeKubernetes();

    private Supplier<String> stored = () -> null;
    /** Stands for the orchestrator: a request to it starts our application anew, with the key that is stored. */
    private final LoopbackServer orchestrator = new LoopbackServer(request -> {
        sandbox.appKey(stored.get());
        return new LoopbackServer.Response(200, "{}");
    });

    @AfterEach
    void close() {
        orchestrator.close();
        aws.close();
        gcp.close();
        kubernetes.close();
        sandbox.close();
    }

    private static void needs(String... tools) {
        Tool here = new Tool(System.getenv(), Path.of(""), Duration.ofSeconds(1), "Linux");
        Stream.of(tools).forEach(tool -> Assumptions.assumeTrue(here.find(tool).isPresent(), tool + " is not installed"));
    }

    private Run rotate(String... more) {
        Run cli = Run.process("rotate-key").env("KLAVIYO_PRIVATE_KEY", sandbox.key()).env("HOME", scratch.toString())
                .env("KLAVIYO_NEW_PRIVATE_KEY", sandbox.newKey()).cwd(scratch).timeout(Duration.ofMinutes(2))
                .args("--api-url", sandbox.apiUrl().toString(), "--app-url", sandbox.appUrl().toString(), "--incident",
                        scratch.resolve("incident").toString(), "--yes", "--verify-for", "3s");
        aws.environment(cli);
        gcp.environment(cli, scratch);
        return kubernetes.environment(cli, scratch).args(more);
    }

    private String restart() {
        return "exec:curl -fsS -X POST " + orchestrator.url();
    }

    @Test
    void aKubernetesSecretIsPatchedAndItsDeploymentRolledOut() {
        needs("kubectl");
        kubernetes.secret("shop", "klaviyo", Map.of("api-key", sandbox.key(), "other", "stays"));
        kubernetes.deployment("shop", "web");
        kubernetes.onRollout = () -> sandbox.appKey(kubernetes.field("shop", "klaviyo", "api-key"));
        Run.Result result = rotate("--to", "k8s:shop/klaviyo/api-key", "--restart", "k8s:shop/deployment/web").run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals(sandbox.newKey(), kubernetes.field("shop", "klaviyo", "api-key"));
        assertEquals("stays", kubernetes.field("shop", "klaviyo", "other"));
        assertEquals(2, kubernetes.generation("shop", "web"));
        assertEquals(sandbox.newKey(), sandbox.appKey());
    }

    @Test
    void kubernetesRefusalsAreFoundBeforeAnythingChanges() {
        needs("kubectl");
        kubernetes.secret("shop", "klaviyo", Map.of("api-key", sandbox.key()));
        kubernetes.forbidden.add("patch secrets");
        Run.Result result = rotate("--to", "k8s:shop/klaviyo/api-key", "--to", "k8s:shop/klaviyo/nothing", "--restart",
                "k8s:shop/deployment/gone").run();
        assertEquals(21, result.exit(), result::toString);
        assertTrue(result.out().contains("no permission to patch klaviyo"), result.out());
        assertTrue(result.out().contains("has no field nothing"), result.out());
        assertTrue(result.out().contains("kubectl get deployments,statefulsets,daemonsets -n shop"), result.out());
        assertEquals(sandbox.key(), kubernetes.field("shop", "klaviyo", "api-key"));
        assertFalse(kubernetes.server.asked().stream().anyMatch(line -> line.startsWith("PATCH")),
                "nothing may have been written");
    }

    @Test
    void anAwsSecretGetsANewVersionAndItsOtherFieldsStay() {
        needs("aws", "curl");
        aws.secret("shop/klaviyo", "{ \"user\":\"x\",  \"key\":\"" + sandbox.key() + "\", \"n\": 1.10 }");
        stored = () -> aws.value("shop/klaviyo", 0).replaceFirst("(?s).*\"key\":\"([^\"]+).*", "$1");
        Run.Result result = rotate("--to", "aws:shop/klaviyo@eu-west-1#key", "--restart", restart()).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals("{ \"user\":\"x\",  \"key\":\"" + sandbox.newKey() + "\", \"n\": 1.10 }",
                aws.value("shop/klaviyo", 0));
        assertTrue(aws.value("shop/klaviyo", 1).contains(sandbox.key()));
        assertFalse((result.out() + result.err()).contains(sandbox.newKey()), "no key may be shown");
    }

    @Test
    void anAwsPutThatIsDeniedChangesNothing() {
        needs("aws");
        aws.secret("klaviyo", sandbox.key());
        aws.denied.add("PutSecretValue");
        Run.Result result = rotate("--to", "aws:klaviyo", "--restart", "exec:true").run();
        assertEquals(21, result.exit(), result::toString);
        assertTrue(result.out().contains("aws sts get-caller-identity"), result.out());
        assertEquals(1, aws.versions("klaviyo"));
    }

    @Test
    void aGoogleSecretGetsANewVersionAndAFailedRestartBringsTheOldValueBack() {
        needs("gcloud");
        gcp.secret("shop", "klaviyo", sandbox.key());
        // gcloud then fails although the version is made: it is not believed.
        gcp.silentAboutChecksums = true;
        Run.Result result = rotate("--to", "gcp:klaviyo@shop", "--restart", "exec:test -e " + scratch.resolve("ready")
                + " || { touch " + scratch.resolve("ready") + "; exit 3; }").run();
        assertEquals(22, result.exit(), result::toString);
        assertEquals(List.of(sandbox.key(), sandbox.newKey(), sandbox.key()), gcp.versions("shop", "klaviyo"));
        assertTrue(result.out().contains("although the tool complained"), result.out());
    }

    @Test
    void whatTheCloudsSayIsTurnedIntoTheCommandThatMendsIt() {
        needs("gcloud", "aws", "kubectl");
        gcp.secret("shop", "klaviyo", sandbox.key());
        Run.Result result = rotate("--to", "gcp:elsewhere@shop", "--to", "aws:nothing@eu-west-1", "--to",
                "k8s:shop/nothing/key", "--restart", "exec:no-such-program --now", "--restart",
                "ecs:prod/web@eu-west-1").run();
        assertEquals(21, result.exit(), result::toString);
        for (String mend : List.of("gcloud secrets create elsewhere --project=shop",
                "aws secretsmanager list-secrets --region eu-west-1", "kubectl get secrets -n shop",
                "no-such-program is not there", "aws ecs list-clusters --region eu-west-1")) {
            assertTrue(result.out().contains(mend), () -> mend + "\n" + result);
        }
        Run.Result stranger = rotate("--to", "aws:nothing", "--restart", "exec:true").env("AWS_ACCESS_KEY_ID",
                "AKIAI44QH8DHBEXAMPLE").run();
        assertTrue(stranger.out().contains("AWS does not know you") && stranger.out().contains("aws configure"),
                stranger::toString);
    }

    // ---- what a row prints

    private static final Map<String, String> PARTS = Map.of("secret", "klaviyo", "project", "shop-prod", "id", "klaviyo",
            "region", "eu-west-1", "field", "key", "namespace", "shop", "workload", "deployment/web", "service", "web",
            "cluster", "prod", "version", "1");

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
        JsonNode table = Json.read(Templates.builtIn().text("stores.json"));
        List<String> all = Stream.of("gcp", "aws", "k8s", "k8s-restart", "cloudrun", "ecs")
                .flatMap(id -> commands(table.path(id))).distinct().toList();
        Path config = Files.writeString(scratch.resolve("nowhere"), "apiVersion: v1\nkind: Config\n"
                + "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
                + "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n");
        // Nobody answers at these addresses: a command that cannot be parsed ends before it finds out.
        List<String> wrong = all.parallelStream().flatMap(command -> {
            Run run = aws.environment(Run.command("/bin/sh", "-c", command)).cwd(scratch).timeout(Duration.ofMinutes(2))
                    .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("KUBECONFIG", config.toString())
                    .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/nonexistent")
                    .env("CLOUDSDK_CONFIG", scratch.resolve("gcloud").toString()).env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1");
            Run.Result result = run.run();
            return (result.out() + result.err()).matches("(?s).*(unrecognized arguments|Unknown options|Invalid choice|"
                    + "invalid choice|unknown flag|unknown command|arguments are required|must be specified: |error parsing|"
                    + "required flag).*") ? Stream.of(command + "\n" + result) : Stream.of();
        }).toList();
        assertEquals(List.of(), wrong);
    }
}
