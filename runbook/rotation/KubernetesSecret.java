package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import runbook.Text.Json;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** A field of a Kubernetes secret, {@code k8s:NAMESPACE/SECRET/FIELD}, patched so that its other fields stay as they are. */
record KubernetesSecret(String name, String namespace, String secret, String field) implements SecretStore {
    private Subject subject() {
        return new Subject(secret, " -n " + namespace);
    }

    @Override
    public Command reading() {
        return Command.of("kubectl", "get", "secret", secret, "-n", namespace, "-o", "json");
    }

    @Override
    public Command writing() {
        return Command.of(
                        "kubectl",
                        "patch",
                        "secret",
                        secret,
                        "-n",
                        namespace,
                        "--type=merge",
                        "--patch-file=/dev/stdin")
                .feeding("a patch with the key in it");
    }

    @Override
    public Held inspect(Tool tool) throws Trouble {
        Held held = read(tool);
        allowed(tool, Command.of("kubectl", "auth", "can-i", "patch", "secret/" + secret, "-n", namespace), subject());
        return held;
    }

    /** Refuses where the cluster says a plain no; a cluster that cannot answer the question is given the benefit of the doubt. */
    static void allowed(Tool tool, Command question, Subject subject) throws Trouble {
        Output answer = tool.attempt(question, "");
        if (answer.out().strip().startsWith("no")) {
            throw new Trouble(
                    Kind.DENIED,
                    "no permission to patch " + subject.name(),
                    subject.into("kubectl auth can-i --list{place}"));
        }
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        JsonNode answer = tool.run(reading(), subject()).json();
        if (!answer.path("kind").asText().equals("Secret")) {
            throw SecretStore.garbled(reading());
        }
        if (answer.path("immutable").asBoolean()) {
            throw new Trouble(
                    Kind.UNFIT,
                    secret + " is immutable: it can only be replaced by another secret",
                    "kubectl get secret " + secret + " -n " + namespace + " -o yaml");
        }
        JsonNode value = answer.path("data").path(field);
        if (!value.isTextual()) {
            throw new Trouble(
                    Kind.NOT_FOUND,
                    secret + " has no field " + field,
                    "kubectl describe secret " + secret + " -n " + namespace);
        }
        try {
            return Held.of(
                    new String(Base64.getDecoder().decode(value.asText()), StandardCharsets.UTF_8),
                    answer.path("metadata").path("resourceVersion").asText());
        } catch (IllegalArgumentException e) {
            throw SecretStore.garbled(reading());
        }
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        String encoded = Base64.getEncoder().encodeToString(key.reveal().getBytes(StandardCharsets.UTF_8));
        tool.run(writing(), Json.line(Json.of(Map.of("data", Map.of(field, encoded)))), subject());
    }
}
