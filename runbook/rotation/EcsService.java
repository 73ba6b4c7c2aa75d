package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import runbook.rotation.Trouble.Kind;

/** An ECS service, {@code ecs:CLUSTER/SERVICE}: a new deployment starts tasks that read their secrets anew. */
record EcsService(String name, String cluster, String service) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(service, " --cluster " + cluster);
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(
                Command.of(
                        "aws",
                        "ecs",
                        "update-service",
                        "--cluster",
                        cluster,
                        "--service",
                        service,
                        "--force-new-deployment",
                        "--output",
                        "json"),
                Command.of("aws", "ecs", "wait", "services-stable", "--cluster", cluster, "--services", service));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        mark(tool);
    }

    @Override
    public Optional<String> mark(Tool tool) throws Trouble {
        Command describe = Command.of(
                "aws", "ecs", "describe-services", "--cluster", cluster, "--services", service, "--output", "json");
        JsonNode answer = tool.run(describe, subject()).json();
        // A service that is not there is no error to ECS: it is listed as a failure.
        if (!answer.path("failures").isEmpty()) {
            throw new Trouble(
                    Kind.NOT_FOUND,
                    "no service " + service + " in cluster " + cluster,
                    "aws ecs list-services --cluster " + cluster);
        }
        String deployment = answer.path("services").path(0).path("deployments").path(0).path("id").asText();
        if (deployment.isEmpty()) {
            throw SecretStore.garbled(describe);
        }
        return Optional.of(deployment);
    }
}
