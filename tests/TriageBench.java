import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import runbook.sandbox.ControlledSandbox;

/**
 * {@code ./jbang bench triage [--baseline FILE] [--runs N]}: the command that JBang prints for triage, run as it is, against a
 * loopback Klaviyo that answers late, in turn with the runbook's script where {@code --baseline} names it. What JBang itself
 * takes is measured by {@code bench start}.
 */
final class TriageBench {
    private record Pair(String latency, double mostRatio) { }

    private static final List<Pair> LATENCIES = List.of(new Pair("100ms", 1.0), new Pair("500ms", 0.5));

    private TriageBench() { }

    static void measure(List<String> options) {
        int runs = Integer.parseInt(option(options, "--runs", "7"));
        Path baseline = Path.of(option(options, "--baseline", "")).toAbsolutePath();
        boolean compared = Files.isRegularFile(baseline);
        if (!compared) {
            System.out.println("no --baseline FILE: ratios to the runbook's script are skipped");
        }
        String triage = commandOfJBang();
        for (Pair pair : LATENCIES) {
            try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", runbook.Text.Durations.parse(pair.latency), 1)) {
                List<Long> mine = new ArrayList<>();
                List<Long> others = new ArrayList<>();
                for (int run = -1; run < runs; run++) {
                    // In turn, so that a noisy neighbour hits both; the first warms caches.
                    long one = against(sandbox, Run.command("sh", "-c", "exec " + triage)).run().millis();
                    long other = compared ? against(sandbox, Run.command("bash", baseline.toString())).run().millis() : 0;
                    if (run >= 0) {
                        mine.add(one);
                        others.add(other);
                    }
                }
                long ours = StartBench.median(mine);
                long script = StartBench.median(others);
                System.out.printf(Locale.ROOT, "%s a request: triage %d ms%s%n", pair.latency, ours, compared ? String.format(Locale.ROOT,
                        ", the runbook's script %d ms, ratio %.2f (at most %.1f)", script, (double) ours / script, pair.mostRatio) : "");
            }
        }
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMinutes(5), 1)) {
            Run silent = against(sandbox, Run.command("sh", "-c", "exec " + triage + " --timeout 2s"));
            System.out.printf(Locale.ROOT, "an API that never answers, --timeout 2s: %d ms (at most 3000)%n", silent.run().millis());
        }
    }

    /** Asked for after a run with its checks, which makes the class data archive that later runs use. */
    private static String commandOfJBang() {
        Path folder = Tree.temporary("triage-bench");
        String script = Repository.file("triage.java").toString();
        for (int run = 0; run < 2; run++) {
            Run.command("sh", "-c", StartBench.launcher("'" + script + "' --drill healthy")).cwd(folder)
                    .env("JBANG_RUNTIME_SHELL", "bash").env("HOME", System.getenv("HOME")).timeout(Duration.ofMinutes(2)).run();
        }
        Run.Result asked = Run.command(Run.JAVA.toString(), "-cp", StartBench.jar().toString(), "dev.jbang.Main", script)
                .env("JBANG_RUNTIME_SHELL", "bash").env("HOME", System.getenv("HOME")).run();
        if (asked.exit() != 255) {
            throw new IllegalStateException("JBang did not print a command: " + asked);
        }
        return asked.out().strip();
    }

    private static Run against(ControlledSandbox sandbox, Run run) {
        return run.env("KLAVIYO_API_URL", sandbox.apiUrl().toString()).env("KLAVIYO_STATUS_URL", sandbox.statusUrl().toString())
                .env("KLAVIYO_APP_URL", sandbox.appUrl().toString()).env("KLAVIYO_PRIVATE_KEY", sandbox.key())
                .cwd(Tree.temporary("bench"));
    }

    private static String option(List<String> options, String name, String otherwise) {
        int at = options.indexOf(name);
        return at < 0 || at + 1 == options.size() ? otherwise : options.get(at + 1);
    }
}
