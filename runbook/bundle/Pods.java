package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import runbook.Text.Json;
import runbook.Settings.Problem;

/** The logs of all pods that a selector finds, with those of containers that were restarted, and the pods' states. */
record Pods(String namespace, String selector, LineChoice.Wanted wanted) implements Collector {
    private record Log(String pod, String container, boolean previous) {
        String file() {
            return "k8s/" + pod + "/" + container + (previous ? "-previous" : "") + ".log";
        }
    }

    /** @param given {@code NAMESPACE/SELECTOR} */
    static Pods of(String given, LineChoice.Wanted wanted) {
        int slash = given.indexOf('/');
        if (slash < 1 || slash == given.length() - 1) {
            throw new Problem(
                    "--k8s " + runbook.Text.safe(given, 60) + ": give NAMESPACE/SELECTOR, such as shop/app=checkout");
        }
        return new Pods(given.substring(0, slash), given.substring(slash + 1), wanted);
    }

    @Override
    public String name() {
        return "application/k8s " + namespace + "/" + selector;
    }

    @Override
    public List<Planned> plan() {
        return List.of(
                new Planned(String.join(" ", listing()), -1),
                new Planned(
                        "kubectl logs of each of their containers, and of the previous ones of those restarted", -1));
    }

    private List<String> listing() {
        return List.of("kubectl", "get", "pods", "--namespace", namespace, "--selector", selector, "--output", "json");
    }

    @Override
    public void collect(Sink sink) throws IOException {
        long start = System.nanoTime();
        JsonNode pods = Json.read(Child.read(sink, listing()));
        sink.json("k8s/pods.json", states(pods), (System.nanoTime() - start) / 1_000_000);
        List<Log> logs = logs(pods);
        if (logs.isEmpty()) {
            sink.trouble("no pod in " + namespace + " has " + selector);
        }
        for (Log log : logs) {
            List<String> words = new ArrayList<>(List.of(
                    "kubectl",
                    "logs",
                    "--namespace",
                    namespace,
                    log.pod,
                    "--container",
                    log.container,
                    "--timestamps",
                    "--since-time",
                    wanted.window().from().truncatedTo(ChronoUnit.SECONDS).toString()));
            if (log.previous) {
                words.add("--previous");
            }
            CommandLogs.collect(sink, log.file(), words, false, wanted);
        }
    }

    private static List<Log> logs(JsonNode pods) {
        List<Log> logs = new ArrayList<>();
        for (JsonNode pod : pods.path("items")) {
            for (String group : List.of("initContainerStatuses", "containerStatuses")) {
                for (JsonNode container : pod.path("status").path(group)) {
                    String podName = pod.path("metadata").path("name").asText();
                    logs.add(new Log(podName, container.path("name").asText(), false));
                    if (container.path("restartCount").asInt() > 0) {
                        logs.add(new Log(podName, container.path("name").asText(), true));
                    }
                }
            }
        }
        return logs;
    }

    // Not the whole objects: their specifications hold environment variables.
    private static JsonNode states(JsonNode pods) {
        var states = Json.object();
        for (JsonNode pod : pods.path("items")) {
            var state = Json.object();
            state.set("phase", pod.path("status").path("phase"));
            state.set("node", pod.path("spec").path("nodeName"));
            state.set("containers", pod.path("status").path("containerStatuses"));
            states.set(pod.path("metadata").path("name").asText(), state);
        }
        return states;
    }
}
