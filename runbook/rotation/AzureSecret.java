package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import runbook.Key;

/**
 * Azure Key Vault, {@code azure:VAULT/SECRET}. {@code @-} is the Azure CLI's own way of reading an argument's value from
 * standard input (azure-cli-core, {@code _expand_file_prefixed_files}).
 */
record AzureSecret(String name, String vault, String secret) implements SecretStore {
    private Subject subject() {
        return new Subject(secret, " --vault-name " + vault);
    }

    private Command command(String verb) {
        return Command.of("az", "keyvault", "secret", verb, "--vault-name", vault, "--name", secret);
    }

    @Override
    public Command reading() {
        return command("show").and("--output", "json");
    }

    @Override
    public Command writing() {
        // Without --output none it would print the value that it has just stored.
        return command("set").and("--value", "@-", "--output", "none").feeding("the key");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return held(tool, reading());
    }

    private Held held(Tool tool, Command command) throws Trouble {
        JsonNode answer = tool.run(command, subject()).json();
        if (!answer.path("value").isTextual()) {
            throw SecretStore.garbled(command);
        }
        String id = answer.path("id").asText();
        return Held.of(answer.path("value").asText(), id.substring(id.lastIndexOf('/') + 1));
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), key.reveal(), subject());
    }

    @Override
    public Optional<Key> recall(Tool tool, String version) throws Trouble {
        return version.isEmpty() ? Optional.empty() : held(tool, reading().and("--version", version)).key();
    }

    @Override
    public String undo(String version) {
        return command("show")
                        .and("--version", version, "--query", "value", "--output", "tsv")
                        .shown() + " | "
                + command("set").and("--value", "@-", "--output", "none").shown();
    }
}
