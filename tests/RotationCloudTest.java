import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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
        for (String tool : tools) {
            boolean there = Stream.of(System.getenv("PATH").split(File.pathSeparator))
                    .anyMatch(folder -> Files.isExecutable(Path.of(folder, tool)));
            Assumptions.assumeTrue(there, tool + " is not installed");
        }
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
        stored = () -> aws.value("shop/klaviyo", "AWSCURRENT").replaceFirst("(?s).*\"key\":\"([^\"]+).*", "$1");
        Run.Result result = rotate("--to", "aws:shop/klaviyo@eu-west-1#key", "--restart", restart()).run();
        assertEquals(0, result.exit(), result::toString);
        assertEquals("{ \"user\":\"x\",  \"key\":\"" + sandbox.newKey() + "\", \"n\": 1.10 }",
                aws.value("shop/klaviyo", "AWSCURRENT"));
        assertTrue(aws.value("shop/klaviyo", "AWSPREVIOUS").contains(sandbox.key()));
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
        assertEquals(sandbox.key(), gcp.latest("shop", "klaviyo"));
        assertEquals(3, gcp.versions("shop", "klaviyo"));
        assertTrue(result.out().contains("although the tool complained"), result.out());
    }

    @Test
    void whatTheCloudsSayIsTurnedIntoTheCommandThatMendsIt() {
        needs("gcloud", "aws", "kubectl");
        gcp.secret("shop", "klaviyo", sandbox.key());
        gcp.readOnly = true;
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
}
