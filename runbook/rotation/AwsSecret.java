package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import runbook.Key;
import runbook.Text;
import runbook.rotation.Trouble.Kind;

/**
 * AWS Secrets Manager, {@code aws:SECRET_ID[@REGION][#FIELD]}. A write becomes AWSCURRENT at once and the value before
 * it AWSPREVIOUS; {@code file:///dev/stdin} keeps the value out of the arguments (tried with AWS CLI 1.45 and botocore 1.43).
 *
 * @param region null for the configured one
 * @param field  a field of a JSON secret; null when the secret is the key alone
 */
record AwsSecret(String name, String id, String region, String field) implements SecretStore {
    private Subject subject() {
        return new Subject(id, region == null ? "" : " --region " + region);
    }

    private Command command(String verb) {
        return Command.of("aws", "secretsmanager", verb, "--secret-id", id)
                .option("--region", region)
                .and("--output", "json");
    }

    @Override
    public Command reading() {
        return command("get-secret-value");
    }

    @Override
    public Command writing() {
        return command("put-secret-value")
                .and("--secret-string", "file:///dev/stdin")
                .feeding(field == null ? "the key" : "the JSON secret with the key in it");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return held(tool, reading());
    }

    private Held held(Tool tool, Command command) throws Trouble {
        JsonNode answer = tool.run(command, subject()).json();
        String secret = secret(answer);
        return Held.of(
                field == null ? secret : JsonField.value(secret, field).orElseThrow(this::noField),
                answer.path("VersionId").asText());
    }

    private String secret(JsonNode answer) throws Trouble {
        if (answer.has("SecretBinary")) {
            throw new Trouble(
                    Kind.UNFIT,
                    id + " is a binary secret: a key is text",
                    "aws secretsmanager describe-secret --secret-id " + id);
        }
        if (!answer.path("SecretString").isTextual()) {
            throw SecretStore.garbled(reading());
        }
        return answer.path("SecretString").asText();
    }

    private Trouble noField() {
        return new Trouble(
                Kind.NOT_FOUND,
                id + " has no text field " + field + " in it",
                "aws secretsmanager get-secret-value --secret-id " + id
                        + subject().place() + " --query SecretString --output text | jq keys");
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        String value = key.reveal();
        if (field != null) {
            // Read again just before: somebody may have changed another field meanwhile.
            value = JsonField.replaced(secret(tool.run(reading(), subject()).json()), field, value).orElseThrow(this::noField);
        }
        tool.run(writing(), value, subject());
    }

    @Override
    public Optional<Key> recall(Tool tool, String version) throws Trouble {
        return version.isEmpty() ? Optional.empty() : held(tool, reading().option("--version-id", version)).key();
    }

    @Override
    public String undo(String version) {
        return "aws secretsmanager update-secret-version-stage --secret-id " + Text.word(id)
                + subject().place() + " --version-stage AWSCURRENT --move-to-version-id " + version
                + " --remove-from-version-id $("
                + reading().option("--query", "VersionId").shown().replace("--output json", "--output text") + ")";
    }
}
