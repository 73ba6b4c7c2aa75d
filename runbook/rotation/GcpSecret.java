package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Optional;
import runbook.Key;

/**
 * Google Secret Manager, {@code gcp:SECRET[@PROJECT]}. A write adds a version, which {@code latest} then means. gcloud
 * checks a CRC32C in the answer and may fail although the version was made: the rotation reads back before it judges.
 *
 * @param project null for the configured one
 */
record GcpSecret(String name, String secret, String project) implements SecretStore {
    private Subject subject() {
        return new Subject(secret, project == null ? "" : " --project=" + project);
    }

    private Command access(String version) {
        return Command.of("gcloud", "secrets", "versions", "access", version, "--secret=" + secret)
                .and(inProject()).and("--format=json");
    }

    private String[] inProject() {
        return project == null ? new String[0] : new String[] {"--project=" + project};
    }

    @Override
    public Command reading() {
        return access("latest");
    }

    @Override
    public Command writing() {
        return Command.of("gcloud", "secrets", "versions", "add", secret, "--data-file=-")
                .and(inProject())
                .feeding("the key");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return held(tool, reading());
    }

    private Held held(Tool tool, Command command) throws Trouble {
        JsonNode answer = tool.run(command, subject()).json();
        JsonNode data = answer.path("payload").path("data");
        if (!data.isTextual()) {
            throw SecretStore.garbled(command);
        }
        String name = answer.path("name").asText();
        return Held.of(decoded(data.asText(), command), name.substring(name.lastIndexOf('/') + 1));
    }

    // gcloud prints bytes in the URL-safe alphabet, the API itself in the usual one.
    private static String decoded(String data, Command command) throws Trouble {
        try {
            return new String(Base64.getDecoder().decode(data.replace('-', '+').replace('_', '/')), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw SecretStore.garbled(command);
        }
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), key.reveal(), subject());
    }

    @Override
    public Optional<Key> recall(Tool tool, String version) throws Trouble {
        return version.isEmpty() ? Optional.empty() : held(tool, access(version)).key();
    }

    @Override
    public String undo(String version) {
        return "gcloud secrets versions access " + version + " --secret=" + secret
                + subject().place() + " | gcloud secrets versions add " + secret
                + subject().place() + " --data-file=-";
    }
}
