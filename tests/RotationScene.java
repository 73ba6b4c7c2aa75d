import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import runbook.Text.Json;
import runbook.Key;
import runbook.sandbox.ControlledSandbox;
import java.util.Map;

/** One rotation's surroundings: a sandbox Klaviyo, a stand-in store, and an application that starts with what is stored. */
final class RotationScene implements AutoCloseable {
    final ControlledSandbox sandbox = ControlledSandbox.start("healthy");
    final Path folder = Tree.temporary("rotation");
    final StandIns tools = new StandIns(folder, sandbox.key());
    /** Whether the application tells which key it uses. */
    volatile boolean telling;
    /** Whether the application is unhealthy whatever its key. */
    volatile boolean broken;
    private final LoopbackServer app = new LoopbackServer(request -> health());

    private LoopbackServer.Response health() {
        boolean well = !broken && sandbox.accepts(tools.app());
        String fingerprint = telling ? Key.of(tools.app()).fingerprint() : null;
        return new LoopbackServer.Response(
                well ? 200 : 503,
                Json.line(Json.of(
                        fingerprint == null
                                ? Map.of("status", well ? "ok" : "down")
                                : Map.of("status", well ? "ok" : "down", "keyFingerprint", fingerprint))));
    }

    /** {@code rotate-key} with the stand-in Vault and systemd, unless told otherwise. */
    Run rotate(String... more) {
        return bare("--to", "vault:secret/klaviyo#key", "--restart", "systemd:web").args(more);
    }

    /** {@code rotate-key} without stores and targets. */
    Run bare(String... more) {
        Run cli = Run.process("rotate-key")
                .cwd(folder)
                .env("KLAVIYO_PRIVATE_KEY", sandbox.key())
                .env("KLAVIYO_NEW_PRIVATE_KEY", sandbox.newKey())
                .args(
                        "--api-url",
                        sandbox.apiUrl().toString(),
                        "--app-url",
                        app.url() + "/health",
                        "--incident",
                        incident().toString(),
                        "--yes",
                        "--verify-for",
                        "2s",
                        "--tool-timeout",
                        "2500ms",
                        "--restart-within",
                        "2500ms");
        return tools.onPath(cli).args(more);
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
