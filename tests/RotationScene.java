import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import runbook.Key;
import runbook.Text.Json;
import runbook.sandbox.ControlledSandbox;

/**
 * One rotation's surroundings: a sandbox Klaviyo, a stand-in store, and an application that starts with what is stored.
 */
final class RotationScene implements AutoCloseable {
    /** What a tool does that is held: tells its process id, and goes on when it is let. */
    static final String HOLD = "echo $$. > \"$here/there\"; while [ ! -f \"$here/go\" ]; do sleep 0.02; done";
    final ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ZERO, 20);
    final Path folder = Tree.temporary("rotation");
    final StandIns tools = new StandIns(folder, sandbox.key());
    /** Whether the application tells which key it uses. */
    volatile boolean telling;
    /** Whether the application is unhealthy whatever its key. */
    volatile boolean broken;
    private final LoopbackServer app = new LoopbackServer(request -> health());

    private LoopbackServer.Response health() {
        boolean well = !broken && sandbox.accepts(tools.app());
        Map<String, Object> body = new TreeMap<>(Map.of("status", well ? "ok" : "down"));
        if (telling) {
            body.put("keyFingerprint", Key.of(tools.app()).fingerprint());
        }
        return new LoopbackServer.Response(well ? 200 : 503, Json.line(Json.of(body)));
    }

    /** {@code rotate-key} with the stand-in Vault and systemd. */
    Run rotate(String... more) {
        return into("vault:secret/klaviyo#key", "systemd:web").args(more);
    }

    /** The same with another store and target. */
    Run into(String store, String target) {
        return bare("--to", store, "--restart", target);
    }

    /** The same without stores and targets. */
    Run bare(String... more) {
        return surrounded(Run.script("rotate-key")).args(more);
    }

    /** The same in a process of its own, to be killed. */
    Run apart(String... more) {
        return surrounded(Run.process("rotate-key"))
                .args("--to", "vault:secret/klaviyo#key", "--restart", "systemd:web").args(more);
    }

    private Run surrounded(Run run) {
        environment().forEach(run::env);
        return run.cwd(folder).home(home());
    }

    /** The variables of whoever rotates. */
    Map<String, String> environment() {
        Map<String, String> environment = new TreeMap<>(Map.of("HOME", home().toString(),
                "PATH", folder.resolve("bin") + ":" + System.getenv("PATH"),
                "KLAVIYO_PRIVATE_KEY", oldKey(), "KLAVIYO_NEW_PRIVATE_KEY", newKey()));
        environment.putAll(Map.of("KLAVIYO_API_URL", sandbox.apiUrl().toString(), "KLAVIYO_APP_URL", app.url()
                + "/health", "KLAVIYO_INCIDENT", incident().toString(), "XDG_STATE_HOME", folder.resolve("state")
                .toString()));
        return environment;
    }

    private Path home() {
        try {
            Path home = Files.createDirectories(folder.resolve("home"));
            Files.writeString(home.resolve(".klaviyo-runbook.properties"),
                    "rotate-key.yes=true\nrotate-key.verify-for=2s\n"
                    + "rotate-key.tool-timeout=2500ms\nrotate-key.restart-within=2500ms\n");
            return home;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path incident() {
        return folder.resolve("incident");
    }

    String record() {
        try {
            Path file = incident().resolve("rotation.json");
            return Files.exists(file) ? Files.readString(file) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String oldKey() {
        return sandbox.key();
    }

    String newKey() {
        return sandbox.newKey();
    }

    // ---- what becomes of a run

    /** It ends with this exit code and says all of this, wherever its lines are broken; no key is ever shown. */
    Run.Result ends(int exit, Run run, String... says) {
        return ended(exit, run.run(), says);
    }

    Run.Result ended(int exit, Run.Result result, String... says) {
        assertEquals(exit, result.exit(), result::toString);
        String all = (result.out() + " " + result.err()).replaceAll("\\s+", " ");
        for (String words : says) {
            assertTrue(all.contains(words), () -> words + "\n" + result);
        }
        assertFalse(all.contains(oldKey()) || all.contains(newKey()), "a key is shown");
        return result;
    }

    /** Nothing was written, and nothing restarted. */
    void untouched() {
        assertEquals(oldKey(), tools.value(), "the store");
        assertFalse(tools.calls().stream().anyMatch(call -> call.contains("patch") || call.contains("[restart]")),
                () -> String.join("\n", tools.calls()));
    }

    /** A rotation in a process of its own that stands still in the middle of a tool's call until {@link #release}. */
    Run.Running heldAt(String call, String... more) {
        tools.fail(call, HOLD);
        return apart(more).start().awaitUntil("the tool is held at " + call, () -> Files.exists(tools.file("there")));
    }

    void release() throws IOException {
        Files.createFile(tools.file("go"));
    }

    /** The same, ended there by kill -9; the tools are well again. */
    void killedAt(String call) throws IOException {
        try (Run.Running running = heldAt(call)) {
            running.kill();
        }
        release();
        tools.mend();
    }

    @Override
    public void close() {
        app.close();
        sandbox.close();
    }
}
