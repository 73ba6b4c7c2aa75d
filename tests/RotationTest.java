import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Cli;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key.LastGood;
import runbook.Key;
import runbook.Text.Json;

/** A rotation's steps as people and machines see them: refusals, the plan, the old key's end, drills, at a terminal. */
class RotationTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    @Test
    void aNewKeyThatIsNotFitIsRefusedBeforeAnythingChanges() {
        Map.of(bench.sandbox.foreignKey(), "belongs to account", "\"" + bench.newKey + "\"", "quotes around it",
                bench.oldKey, "the new key is the old one", "pk_" + "0".repeat(34), "Klaviyo refuses the new key").forEach(
                (key, says) -> bench.ends(21, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", key), says));
        bench.ends(21, bench.rotate("--account", "Zz9Zz9"), "not to Zz9Zz9");
        bench.ends(21, bench.rotate().env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_ACCESS_TOKEN",
                bench.sandbox.openToken()), "OAuth", "refresh");
        bench.untouched();
    }

    @Test
    void scopesAreComparedByTheListOrProbed() {
        bench.sandbox.scopes(bench.newKey, Set.of("accounts:read", "credentials:read", "profiles:read"));
        bench.ends(21, bench.rotate(), "the new key lacks credentials:write, events:read, events:write");
        bench.sandbox.forget();
        bench.sandbox.scopes(bench.newKey, Set.of("accounts:read", "profiles:read"));
        bench.sandbox.scopes(bench.oldKey, Set.of("accounts:read", "profiles:read", "events:read"));
        bench.ends(21, bench.rotate("--needs", "profiles:read,events:read"), "the new key lacks events:read");
        bench.untouched();
    }

    @Test
    void aDryRunReadsEverythingChangesNothingAndEndsWithTheCommandThatDoesIt() throws IOException {
        Run.Result result = bench.ends(0, bench.rotate("--dry-run", "--needs", "events:write", "--json"),
                "vault kv patch secret/klaviyo key=-", "systemctl --no-ask-password restart web",
                "# the key on standard input", "stays enabled");
        JsonNode json = Json.read(result.out());
        assertEquals("planned", json.path("outcome").asText());
        String planned = json.path("steps").toString();
        assertTrue(planned.contains("\"planned\"") && planned.contains("vault kv patch secret/klaviyo key=-"), planned);
        String command = json.at("/advice/command").asText();
        assertTrue(command.endsWith(" --to 'vault:secret/klaviyo#key' --restart systemd:web --needs events:write"), command);
        assertTrue(result.err().contains(command), result::toString);
        assertFalse(Files.exists(bench.incident), "a dry run leaves nothing behind");
        bench.untouched();
    }

    @Test
    void theJsonAndTheJournalTellEveryStepAndNoKey() throws IOException {
        JsonNode json = Json.read(bench.ends(0, bench.rotate("--json")).out());
        List<String> names = json.path("steps").findValuesAsText("name");
        assertEquals("rotated " + bench.sandbox.accountId(), json.path("outcome").asText() + " " + json.path("account")
                .asText());
        assertEquals(Key.of(bench.oldKey).fingerprint(), json.path("oldKey").path("fingerprint").asText());
        assertEquals(Key.of(bench.newKey).fingerprint(), json.path("newKey").path("fingerprint").asText());
        assertEquals(Set.of("preflight", "test", "store", "read-back", "restart", "verify", "disable-old"),
                Set.copyOf(names));
        List<String> events = Incident.at(bench.incident).journal().read().events().stream().map(Event::event).toList();
        assertEquals(names.size(), events.stream().filter(Event.ROTATION_STEP::equals).count());
        assertTrue(events.containsAll(List.of(Event.ROTATED, Event.MITIGATED)), events.toString());
        String journal = Files.readString(bench.incident.resolve("journal.jsonl"));
        assertFalse(journal.contains(bench.oldKey) || journal.contains(bench.newKey), "no key may be written");
    }

    // ---- the old key's end

    @Test
    void theOldKeyIsDisabledAtTheEndByASecondRunWithTheSameWordsTooWhereThatIsPermitted() {
        bench.ends(0, bench.rotate());
        bench.sandbox.forget();
        bench.sandbox.scopes(bench.newKey, Set.of("accounts:read", "credentials:read"));
        bench.ends(0, bench.rotate("--disable-old", "--grace", "1ms", "--needs", "accounts:read"), "Delete the old key");
        assertTrue(bench.sandbox.accepts(bench.oldKey));
        bench.sandbox.forget();
        bench.sandbox.scopes(bench.newKey, Set.of("accounts:read", "credentials:read", "credentials:write"));
        bench.ends(0, bench.rotate("--disable-old", "--grace", "1ms", "--needs", "accounts:read"),
                "holds the new key already", "disabled, and Klaviyo refuses it");
        assertFalse(bench.sandbox.accepts(bench.oldKey));
    }

    // ---- the way back

    @Test
    void anApplicationThatIsNotWellWithTheNewKeyGetsTheOldOneBack() {
        // This restart does nothing, and the application does not tell its key: it shows only once the old key is dead,
        // and nothing shows which key it runs with then, so this is not called rolled back.
        bench.ends(23, bench.into("vault:secret/klaviyo#key", "exec:true").args("--disable-old", "--grace", "1ms"),
                "nothing shows that it runs with the old key", "enabled again: it was disabled by this rotation");
        bench.has(bench.oldKey);
        bench.sandbox.forget();
        bench.telling = true;
        bench.ends(22, bench.into("vault:secret/klaviyo#key", "exec:true"),
                "still uses another key, sha256 " + Key.of(bench.oldKey).fingerprint());
        bench.has(bench.oldKey);
    }

    @Test
    void whatCannotBeRolledBackIsLeftToAPersonWithTheCommands() {
        bench.ends(23, bench.into("vault:secret/klaviyo#key", "exec:rm bin/vault; exit 3"),
                "vault kv rollback -version=1 secret/klaviyo", "rm bin/vault; exit 3");
        bench.tools.mend();
        bench.ends(0, bench.rotate());
        bench.has(bench.newKey);
    }

    // ---- wrong usage

    @Test
    void withoutATerminalItNeedsYesAStoreAndAKey() throws IOException {
        bench.ends(2, Run.script("rotate-key").args("--to", "vault:a#b"), "--yes");
        bench.ends(2, Run.script("rotate-key").args("--yes"), "--to");
        bench.ends(2, bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", null), "Settings > API keys", "profiles:write",
                "--new-key-file");
        Files.writeString(bench.folder.resolve("file"), "no folder");
        bench.ends(21, bench.rotate("--incident", bench.folder.resolve("file").toString()), "--incident");
        bench.untouched();
    }

    // ---- drills

    @ParameterizedTest
    @CsvSource({"revoked-key, 0, starts a new sandbox", "revoked-key:read-back, 22, gives back",
        "revoked-key:restart, 22, did not start", "revoked-key:verify, 22, not well within"})
    void drillsShowTheWholeWayAndTheWayBackAndLeaveStoresAndTargetsOfOnesOwnAlone(String drill, int exit, String words)
            throws IOException {
        Path folder = Tree.temporary("drill");
        Run.Result result = bench.ends(exit, Run.script("rotate-key").cwd(folder).env("PATH", bench.environment().get("PATH"))
                .args("--drill", drill, "--yes", "--verify-for", "2s", "--to", "vault:a#b", "--restart", "systemd:web"),
                words, "left aside", "7 The old key: sha256 ", "dead already");
        assertEquals(List.of(), bench.tools.calls());
        assertTrue(result.out().startsWith("DRILL"), result.out());
        Incident incident = Incident.newestOpen(folder.resolve(Incident.BASE), name -> !name.isEmpty()).orElseThrow();
        assertTrue(incident.journal().read().events().stream().allMatch(event -> event.drill().equals(drill)));
        assertTrue(Incident.newestOpen(folder.resolve(Incident.BASE), String::isEmpty).isEmpty());
        // The journal is redacted, and says all the same what the screen said.
        String journal = Files.readString(incident.folder().resolve("journal.jsonl"));
        assertFalse(journal.matches("(?s).*secret-[0-9a-f]{6}.*"), journal);
        assertTrue(journal.contains("#KLAVIYO_PRIVATE_KEY – holds newer form"), journal);
        assertTrue(result.out().contains("#KLAVIYO_PRIVATE_KEY – holds newer form"), result.out());
    }

    // ---- at 03:00: a dead key, and at a terminal

    private Run dead(String... more) {
        bench.tools.set("pk_0123456789abcdef0123456789abcdef01");
        return bench.rotate(more).env("KLAVIYO_PRIVATE_KEY", null);
    }

    @Test
    void aDeadKeyWhoseAccountNobodyKnowsNeedsAnAccountAndSoTheDryRunSaysUnlessTheLastGoodStateKnows() throws IOException {
        bench.ends(21, dead("--dry-run").env("KLAVIYO_NEW_PRIVATE_KEY", null), "--account ID");
        bench.ends(0, dead("--account", bench.sandbox.accountId()));
        Run run = dead();
        Cli.Host host = new Cli.Host(bench.environment(), bench.folder, System.in, System.out, System.err);
        LastGood.remember(host, bench.sandbox.accountId(), "Acme", Set.of(), Key.of(bench.tools.value()), Instant.now());
        bench.sandbox.forget();
        bench.ends(0, run);
    }

    @Test
    void atATerminalItAsksUnseenTakesNoYForANoAndStoresWhatWasConfirmed() {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "python3 makes the terminal for this test");
        Run process = bench.apart();
        dead();
        List<String> answers = List.of("New private key: ", "KEY=" + bench.newKey, "Type yes: ", "y", "Type yes in full",
                "yes", "Type yes: ", "yes", "Type yes: ", "yes");
        String terminal = Repository.file("tests/terminal.py").toString();
        Run run = Run.command("/usr/bin/python3", terminal, Integer.toString(answers.size() / 2)).cwd(bench.folder)
                .args(answers.toArray(String[]::new)).args(process.words().toArray(String[]::new));
        bench.environment().forEach(run::env);
        bench.settings("rotate-key.verify-for=2s\n");
        bench.ends(0, run.env("KLAVIYO_NEW_PRIVATE_KEY", null).env("KLAVIYO_PRIVATE_KEY", ""),
                "The new key belongs to Drill Outfitters (" + bench.sandbox.accountId() + ")");
        bench.has(bench.newKey);
    }
}
