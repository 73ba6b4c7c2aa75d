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

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import runbook.Text.Json;
import runbook.Key;
import runbook.sandbox.ControlledSandbox;
import java.time.Duration;
import java.util.Map;

/**
 * One rotation's surroundings: a sandbox Klaviyo, a stand-in store, and an application that starts with what is stored.
 */
final class RotationScene implements AutoCloseable {
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
        return bare("--to", "vault:secret/klaviyo#key", "--restart", "systemd:web").args(more);
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
        return new TreeMap<>(Map.of("PATH", folder.resolve("bin") + ":" + System.getenv("PATH"), "HOME", home().toString(),
                "KLAVIYO_PRIVATE_KEY", sandbox.key(), "KLAVIYO_NEW_PRIVATE_KEY", sandbox.newKey(),
                "KLAVIYO_API_URL", sandbox.apiUrl().toString(), "KLAVIYO_APP_URL", app.url() + "/health",
                "KLAVIYO_INCIDENT", incident().toString(), "XDG_STATE_HOME", folder.resolve("state").toString()));
    }

    private Path home() {
        try {
            Path home = Files.createDirectories(folder.resolve("home"));
            Files.writeString(home.resolve(".klaviyo-runbook.properties"), "rotate-key.yes=true\nrotate-key.verify-for=2s\n"
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

    @Override
    public void close() {
        app.close();
        sandbox.close();
    }
}
