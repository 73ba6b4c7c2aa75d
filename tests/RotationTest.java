import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Text.Json;
import runbook.Key;
import runbook.Incident.Event;
import runbook.Incident;

/** A rotation's steps as people and machines see them: refusals, the plan, the old key's end, drills. */
class RotationTest {
    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    private Run.Result refused(Consumer<Run> change, String why) {
        Run cli = bench.rotate();
        change.accept(cli);
        Run.Result result = cli.run();
        assertEquals(21, result.exit(), result::toString);
        assertTrue(result.out().replaceAll("\\s+", " ").contains(why), result::toString);
        assertEquals(bench.oldKey(), bench.tools.value(), "nothing may have changed");
        assertFalse(bench.tools.calls().stream().anyMatch(call -> call.contains("patch") || call.contains("[restart]")),
                () -> String.join("\n", bench.tools.calls()));
        return result;
    }

    @Test
    void aNewKeyThatIsNotFitIsRefusedBeforeAnythingChanges() {
        refused(cli -> cli.env("KLAVIYO_NEW_PRIVATE_KEY", bench.sandbox.foreignKey()), "belongs to account");
        refused(cli -> cli.env("KLAVIYO_NEW_PRIVATE_KEY", "\"" + bench.newKey() + "\""), "quotes around it");
        refused(cli -> cli.env("KLAVIYO_NEW_PRIVATE_KEY", bench.oldKey()), "the new key is the old one");
        refused(cli -> cli.env("KLAVIYO_NEW_PRIVATE_KEY", "pk_" + "0".repeat(34)), "Klaviyo refuses the new key");
        refused(cli -> cli.args("--account", "Zz9Zz9"), "not to Zz9Zz9");
    }

    @Test
    void scopesAreComparedByTheListOrProbed() {
        bench.sandbox.scopes(bench.newKey(), Set.of("accounts:read", "credentials:read", "profiles:read"));
        refused(cli -> { }, "the new key lacks credentials:write, events:read, events:write");
        bench.sandbox.forget();
        bench.sandbox.scopes(bench.newKey(), Set.of("accounts:read", "profiles:read"));
        bench.sandbox.scopes(bench.oldKey(), Set.of("accounts:read", "profiles:read", "events:read"));
        refused(cli -> cli.args("--needs", "profiles:read,events:read"), "the new key lacks events:read");
        bench.sandbox.forget();
        refused(cli -> { }, "the new key lacks events:read");
    }

    @Test
    void aDryRunReadsEverythingAndChangesNothing() {
        Run.Result result = bench.rotate("--dry-run").run();
        assertEquals(0, result.exit(), result::toString);
        assertTrue(result.out().contains("vault kv patch secret/klaviyo key=-"), result.out());
        assertTrue(result.out().contains("systemctl --no-ask-password restart web"), result.out());
        assertTrue(result.out().contains("# the key on standard input"), result.out());
        assertEquals(bench.oldKey(), bench.tools.value());
        assertFalse(Files.exists(bench.incident()), "a dry run leaves nothing behind");
        assertFalse(bench.tools.calls().stream().anyMatch(call -> call.contains("patch") || call.contains("[restart]")),
                () -> String.join("\n", bench.tools.calls()));
    }

    @Test
    void aDryRunTellsMachinesWhatItWouldRun() throws IOException {
        Run.Result result = bench.rotate("--dry-run", "--json").run();
        assertEquals(0, result.exit(), result::toString);
        JsonNode json = Json.read(result.out());
        assertEquals("planned", json.path("outcome").asText());
        List<String> planned = new ArrayList<>();
        json.path("steps").forEach(step -> {
            if (step.path("outcome").asText().equals("planned")) {
                planned.add(step.path("name").asText() + " " + step.path("command").asText());
            }
        });
        assertTrue(planned.contains("store vault kv patch secret/klaviyo key=-   # the key on standard input"),
                planned.toString());
        assertTrue(planned.contains("restart systemctl --no-ask-password restart web && systemctl is-active web"), planned.toString());
    }

    @Test
    void theJsonAndTheJournalTellEveryStepAndNoKey() throws IOException {
        Run.Result result = bench.rotate("--json").run();
        assertEquals(0, result.exit(), result::toString);
        JsonNode json = Json.read(result.out());
        List<String> names = new ArrayList<>();
        json.path("steps").forEach(step -> {
            names.add(step.path("name").asText());
            assertEquals(Set.of("name", "outcome", "millis", "command", "detail"), fields(step));
        });
        assertEquals(Set.of("schema", "outcome", "account", "oldKey", "newKey", "steps", "incident"), fields(json));
        assertEquals("rotated", json.path("outcome").asText());
        assertEquals(bench.sandbox.accountId(), json.path("account").asText());
        assertEquals(Key.of(bench.oldKey()).fingerprint(), json.path("oldKey").path("fingerprint").asText());
        assertEquals(Key.of(bench.newKey()).fingerprint(), json.path("newKey").path("fingerprint").asText());
        assertTrue(names.containsAll(
                        List.of("preflight", "test", "store", "read-back", "restart", "verify", "disable-old")),
                names.toString());
        List<Event> events = Incident.at(bench.incident()).journal().read().events();
        assertEquals(names.size(), events.stream().filter(event -> event.event().equals(Event.ROTATION_STEP)).count());
        assertTrue(events.stream().anyMatch(event -> event.event().equals(Event.ROTATED))
                && events.stream().anyMatch(event -> event.event().equals(Event.MITIGATED)));
        String all = result.out() + result.err() + Files.readString(bench.incident().resolve("journal.jsonl"));
        assertFalse(all.contains(bench.oldKey()) || all.contains(bench.newKey()), "no key may be shown");
    }

    private static Set<String> fields(JsonNode node) {
        Set<String> names = new java.util.TreeSet<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void theOldKeyIsDisabledAtTheEnd() {
        Run.Result result = bench.rotate("--disable-old", "--grace", "1ms").run();
        assertEquals(0, result.exit(), result::toString);
        assertFalse(bench.sandbox.accepts(bench.oldKey()));
        assertTrue(result.out().contains("disabled, and Klaviyo refuses it"), result.out());
    }

    @Test
    void anOldKeyThatIsStillNeededIsEnabledAgainAndEverythingBroughtBack() {
        // This restart does nothing, and the application does not tell its key: it shows only once the old key is dead.
        Run.Result result = bench.bare(
                        "--to", "vault:secret/klaviyo#key", "--restart", "exec:true", "--disable-old", "--grace", "1ms")
                .run();
        // Nothing shows which key the application runs with, so this is not called rolled back.
        assertEquals(23, result.exit(), result::toString);
        assertTrue(result.out().replaceAll("\\s+", " ").contains("nothing shows that it runs with the old key"), result.out());
        assertTrue(result.out().contains("enabled again: it was disabled by this rotation"), result.out());
        assertTrue(bench.sandbox.accepts(bench.oldKey()));
        assertEquals(bench.oldKey(), bench.tools.value());
    }

    @Test
    void anOldKeyThatMayNotBeDisabledStaysAndIsLeftToAPerson() {
        bench.sandbox.scopes(bench.newKey(), Set.of("accounts:read", "credentials:read"));
        Run.Result result = bench.rotate("--disable-old", "--grace", "1ms", "--needs", "accounts:read").run();
        assertEquals(0, result.exit(), result::toString);
        assertTrue(bench.sandbox.accepts(bench.oldKey()));
        assertTrue(result.out().replaceAll("\\s+", " ").contains("Delete the old key"), result.out());
    }

    @Test
    void anApplicationThatIsNotWellWithTheNewKeyGetsTheOldOneBack() {
        bench.telling = true;
        // The application starts with what it had before: its restart does not reach the store.
        bench.tools.fail("[restart]", "");
        Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--restart", "exec:true").run();
        assertEquals(22, result.exit(), result::toString);
        assertTrue(result.out().replaceAll("\\s+", " ").contains("still uses another key, sha256 "
                                + Key.of(bench.oldKey()).fingerprint()),
                result.out());
        assertEquals(bench.oldKey(), bench.tools.value());
    }

    @Test
    void whatCannotBeRolledBackIsLeftToAPersonWithTheCommands() {
        Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--restart", "exec:rm bin/vault; exit 3")
                .run();
        assertEquals(23, result.exit(), result::toString);
        assertTrue(result.out().contains("vault kv rollback -version=1 secret/klaviyo"), result.out());
        assertTrue(result.out().contains("rm bin/vault; exit 3"), result.out());
        bench.tools.mend();
        Run.Result second = bench.rotate().run();
        assertEquals(0, second.exit(), second::toString);
        assertEquals(bench.newKey(), bench.tools.app());
    }

    @Test
    void withoutATerminalItNeedsYesAndAStore() {
        Run.Result noYes = Run.process("rotate-key").args("--to", "vault:a#b").run();
        assertEquals(2, noYes.exit(), noYes::toString);
        assertTrue(noYes.err().contains("--yes"), noYes.err());
        Run.Result noStore = Run.process("rotate-key").args("--yes").run();
        assertEquals(2, noStore.exit(), noStore::toString);
        assertTrue(noStore.err().contains("--to"), noStore.err());
        Run.Result noKey = bench.rotate().env("KLAVIYO_NEW_PRIVATE_KEY", null).run();
        assertEquals(2, noKey.exit(), noKey::toString);
        assertTrue(
                noKey.out().contains("Settings > API keys") && noKey.out().contains("profiles:write"), noKey::toString);
        assertTrue(noKey.err().contains("--new-key-file"), noKey.err());
    }

    @Test
    void aSecondRunWithTheSameWordsEndsWellAndMayDisableTheOldKey() {
        assertEquals(0, bench.rotate().run().exit());
        bench.sandbox.forget();
        Run.Result second = bench.rotate("--disable-old", "--grace", "1ms").run();
        assertEquals(0, second.exit(), second::toString);
        assertTrue(second.out().contains("holds the new key already"), second.out());
        assertFalse(bench.sandbox.accepts(bench.oldKey()));
    }

    @Test
    void whatARestartLeavesRunningOutlivesUs() throws Exception {
        Path beat = bench.tools.file("beat");
        String daemon = "cp value app; (while [ ! -f stop ]; do echo alive || break; date +%N > " + beat
                + "; sleep 0.05; done) & true";
        try {
            Run.Result result = bench.bare("--to", "vault:secret/klaviyo#key", "--restart", "exec:" + daemon).run();
            assertEquals(0, result.exit(), result::toString);
            String then = Files.readString(beat);
            for (int i = 0; i < 100 && Files.readString(beat).equals(then); i++) {
                Thread.sleep(20);
            }
            assertFalse(Files.readString(beat).equals(then), "what the restart left running has died with us");
        } finally {
            Files.createFile(bench.tools.file("stop"));
        }
    }

    @Test
    void anIncidentFolderThatCannotBeWrittenIsRefused() throws IOException {
        Files.writeString(bench.incident(), "a file");
        Run.Result result = bench.rotate().run();
        assertEquals(21, result.exit(), result::toString);
        assertTrue(result.err().contains("--incident"), result.err());
        assertEquals(bench.oldKey(), bench.tools.value());
    }

    @ParameterizedTest
    @CsvSource({
        "revoked-key, 0, Rotated",
        "revoked-key:read-back, 22, gives back",
        "revoked-key:restart, 22, did not start",
        "revoked-key:verify, 22, not well within"
    })
    void drillsShowTheWholeWayAndTheWayBack(String drill, int exit, String words) throws IOException {
        Path folder = Tree.temporary("drill");
        Run.Result result = Run.process("rotate-key").cwd(folder).args("--drill", drill, "--yes", "--verify-for", "2s")
                .run();
        assertEquals(exit, result.exit(), result::toString);
        assertTrue(result.out().contains(words), result.out());
        assertTrue(result.out().startsWith("DRILL"), result.out());
        Incident incident = Incident.newestOpen(folder.resolve(Incident.BASE), name -> !name.isEmpty()).orElseThrow();
        assertTrue(incident.journal().read().events().stream().allMatch(event -> event.drill().equals(drill)));
        assertTrue(Incident.newestOpen(folder.resolve(Incident.BASE), String::isEmpty).isEmpty());
    }

    @Test
    void aDrillTouchesNothingThatIsThere() throws IOException {
        Path real = Files.writeString(bench.folder.resolve("real.env"), "KEY=" + bench.oldKey() + "\n");
        for (String[] words :
                new String[][] {{"--to", "file:" + real + "#KEY"}, {"--to", "vault:a#b"}, {"--restart", "systemd:web"}
                }) {
            Run.Result result = bench.tools.onPath(Run.process("rotate-key").cwd(bench.folder))
                    .args("--drill", "revoked-key", "--yes").args(words).run();
            assertEquals(2, result.exit(), result::toString);
        }
        assertEquals("KEY=" + bench.oldKey() + "\n", Files.readString(real));
        assertEquals(List.of(), bench.tools.calls());
    }
}
