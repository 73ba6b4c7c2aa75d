package runbook.rotation;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** A deployment (or stateful set, or daemon set), {@code k8s:NAMESPACE/deployment/NAME}. */
record KubernetesRollout(String name, String namespace, String workload) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(workload, " -n " + namespace);
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(
                Command.of("kubectl", "rollout", "restart", workload, "-n", namespace),
                Command.of(
                        "kubectl",
                        "rollout",
                        "status",
                        workload,
                        "-n",
                        namespace,
                        "--timeout=" + Math.max(1, within.toSeconds()) + "s"));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        mark(tool);
        KubernetesSecret.allowed(
                tool, Command.of("kubectl", "auth", "can-i", "patch", workload, "-n", namespace), subject());
    }

    @Override
    public Optional<String> mark(Tool tool) throws Trouble {
        Command generation =
                Command.of("kubectl", "get", workload, "-n", namespace, "-o", "jsonpath={.metadata.generation}");
        return Optional.of(Marks.of(tool, generation, subject(), "\\d+"));
    }
}
