package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import runbook.Text.Json;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/**
 * A Heroku config variable, {@code heroku:APP/VAR}. {@code heroku config:set} takes values as arguments only, so this
 * goes through {@code heroku api}, which reads its request body from standard input.
 */
record HerokuVariable(String name, String app, String variable) implements SecretStore {
    private Subject subject() {
        return new Subject(app, " --app " + app);
    }

    @Override
    public Command reading() {
        return Command.of("heroku", "api", "GET", "/apps/" + app + "/config-vars");
    }

    @Override
    public Command writing() {
        return Command.of("heroku", "api", "PATCH", "/apps/" + app + "/config-vars").feeding("a JSON body with the key in it");
    }

    @Override
    public Held read(Tool tool) throws Trouble {
        JsonNode variables = tool.run(reading(), subject()).json();
        if (!variables.isObject()) {
            throw SecretStore.garbled(reading());
        }
        if (!variables.path(variable).isTextual()) {
            throw new Trouble(Kind.NOT_FOUND, app + " has no config variable " + variable, "heroku config --app " + app);
        }
        return Held.of(variables.path(variable).asText(), "");
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), Json.line(Json.of(Map.of(variable, key.reveal()))), subject());
    }

    @Override
    public String note() {
        return "Heroku restarts the app by itself when a config variable changes";
    }
}
