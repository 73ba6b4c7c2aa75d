import java.nio.file.Path;
import java.time.Duration;
import runbook.sandbox.ControlledSandbox;

/**
 * How the rotation tests start {@code rotate-key}: in earnest, with a sandbox's addresses and an incident folder of its
 * own.
 */
final class RotationRuns {
    private RotationRuns() { }

    static Run against(ControlledSandbox sandbox, Path scratch) {
        return Run.process("rotate-key").env("KLAVIYO_PRIVATE_KEY", sandbox.key()).env("HOME", scratch.toString())
                .cwd(scratch).timeout(Duration.ofMinutes(2)).args("--api-url", sandbox.apiUrl().toString(), "--app-url",
                        sandbox.appUrl().toString(),
                        "--incident",
                        scratch.resolve("incident").toString(),
                        "--yes",
                        "--verify-for",
                        "3s",
                        "--tool-timeout",
                        "30s");
    }
}
