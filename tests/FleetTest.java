import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Text.Json;
import runbook.sandbox.*;

/** Triage of many accounts in one run. */
class FleetTest {
    private final Path folder = Tree.temporary("fleet");

    @Test
    void theWorstAccountLeadsAndGivesTheExitCode() throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            String well = sandbox.openAccount("Well");
            String revoked = sandbox.openAccount("Revoked");
            String unscoped = sandbox.openAccount("Unscoped");
            sandbox.enabled(revoked, false);
            sandbox.scopes(unscoped,
                    Set.of("accounts:read", "lists:read", "metrics:read", "profiles:read", "webhooks:read"));
            Path list = file("accounts.csv", "\ufeffname,env,file,command\nwell,WELL_KEY,,\n"
                    + "unscoped,," + file("unscoped", unscoped + "\n") + ",\nrevoked,,,cat " + file("revoked", revoked)
                    + "\nlost,,/nowhere/key,\nunset,NO_SUCH_KEY,,\n");
            Run.Result result = triage(sandbox, list).env("WELL_KEY", well).run();
            JsonNode accounts = Json.read(result.out()).path("accounts");
            assertAll(result.toString(),
                    () -> assertEquals("revoked key-invalid, unscoped scope-missing, lost key-missing, "
                            + "unset key-missing, well healthy", summary(accounts)),
                    () -> assertEquals(11, result.exit()),
                    () -> assertTrue(result.err().contains("/nowhere/key"), "says which file"),
                    () -> assertTrue(result.err().contains("NO_SUCH_KEY is not set"), "says which variable"),
                    () -> assertFalse((result.out() + result.err()).contains(revoked), "shows no key"));
        }
    }

    @Test
    void aJsonListDoesAsWell() throws IOException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            Path list = file("accounts.json", "\ufeff[{\"name\": \"one\", \"env\": \"ONE_KEY\"}]");
            Run.Result result = triage(sandbox, list).env("ONE_KEY", sandbox.key()).run();
            assertEquals("one healthy", summary(Json.read(result.out()).path("accounts")), result.toString());
        }
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource(delimiter = '|', value = {
        "name,env                                   | no account",
        "name,env;shop,;                            | entry 1 needs a name",
        "name,env,file;shop,A,b                     | one of env, file and command",
        "name,env;shop,A;shop,B                     | is there twice"})
    void aWrongListIsOneLineThatSaysWhere(String lines, String expected) throws IOException {
        Run.Result result = Run.run("triage", "--accounts", file("accounts", lines.replace(';', '\n')).toString());
        assertEquals(2, result.exit(), result.toString());
        assertTrue(result.err().contains(expected), result.toString());
    }

    private Run triage(ControlledSandbox sandbox, Path list) {
        return Run.script("triage").cwd(folder).args("--accounts", list.toString(), "--json",
                "--api-url", sandbox.target().api().toString(), "--status-url", sandbox.target().status().toString());
    }

    private Path file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    private static String summary(JsonNode accounts) {
        return String.join(", ", StreamSupport.stream(accounts.spliterator(), false)
                .map(account -> account.path("name").asText() + " " + account.path("diagnosis").asText()).toList());
    }
}
