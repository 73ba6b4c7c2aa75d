package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** A field in HashiCorp Vault's versioned key-value engine, {@code vault:PATH#FIELD}; a field given as {@code -} is read from standard input. */
record VaultSecret(String name, String path, String field) implements SecretStore {
    private Subject subject() {
        return new Subject(path, "");
    }

    @Override
    public Command reading() {
        return Command.of("vault", "kv", "get", "-format=json", path);
    }

    @Override
    public Command writing() {
        return Command.of("vault", "kv", "patch", path, field + "=-").feeding("the key");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        return held(tool, reading());
    }

    private Held held(Tool tool, Command command) throws Trouble {
        JsonNode data = tool.run(command, subject()).json().path("data");
        if (!data.isObject()) {
            throw SecretStore.garbled(command);
        }
        // Version 1 of the engine has the fields right here, keeps no versions, and cannot change one field alone.
        if (!data.path("data").isObject() || !data.path("metadata").isObject()) {
            throw new Trouble(
                    Kind.UNFIT,
                    path + " is in a key-value engine of version 1, where one field cannot be changed alone",
                    "vault kv enable-versioning MOUNT");
        }
        JsonNode value = data.path("data").path(field);
        if (!value.isTextual()) {
            throw new Trouble(Kind.NOT_FOUND, path + " has no field " + field, "vault kv get " + path);
        }
        return Held.of(value.asText(), data.path("metadata").path("version").asText());
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), key.reveal(), subject());
    }

    @Override
    public Optional<Key> recall(Tool tool, String version) throws Trouble {
        return version.isEmpty() ? Optional.empty()
                : held(tool, Command.of("vault", "kv", "get", "-format=json", "-version=" + version, path)).key();
    }

    @Override
    public String undo(String version) {
        return "vault kv rollback -version=" + version + " " + path;
    }
}
