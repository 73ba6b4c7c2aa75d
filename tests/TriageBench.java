import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import runbook.sandbox.ControlledSandbox;

/**
 * {@code ./jbang bench triage [--baseline FILE] [--runs N]}: triage against a loopback Klaviyo that answers after a set
 * latency, in turn with the runbook's script where {@code --baseline} names it; and where our own time goes.
 */
final class TriageBench {
    private record Pair(String latency, double targetRatio) { }

    private static final List<Pair> LATENCIES = List.of(new Pair("100ms", 1.2), new Pair("500ms", 0.6));

    private TriageBench() { }

    static void measure(List<String> options) {
        int runs = Integer.parseInt(option(options, "--runs", "7"));
        Path baseline = Path.of(option(options, "--baseline", "")).toAbsolutePath();
        boolean compared = Files.isRegularFile(baseline);
        if (!compared) {
            System.out.println("no --baseline FILE: ratios to the runbook's script are skipped");
        }
        for (Pair pair : LATENCIES) {
            try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", runbook.Text.Durations.parse(pair.latency), 1)) {
                Run ours = against(sandbox, Run.wrapper("triage"));
                Run theirs = against(sandbox, Run.command("bash", baseline.toString()));
                List<Long> mine = new ArrayList<>();
                List<Long> others = new ArrayList<>();
                for (int run = -2; run < runs; run++) {
                    // In turn, so that a noisy neighbour hits both; the first two warm caches and archives.
                    long one = ours.run().millis();
                    long other = compared ? theirs.run().millis() : 0;
                    if (run >= 0) {
                        mine.add(one);
                        others.add(other);
                    }
                }
                System.out.printf(Locale.ROOT, "%s per request: triage %d ms%s%n", pair.latency, median(mine), compared
                        ? String.format(Locale.ROOT, ", the runbook's script %d ms, ratio %.2f (wanted: at most %.1f)",
                                median(others), (double) median(mine) / median(others), pair.targetRatio) : "");
            }
        }
        silence();
        breakdown(runs);
    }

    private static void silence() {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMinutes(5), 1)) {
            long millis = against(sandbox, Run.wrapper("triage", "--timeout", "2s")).run().millis();
            System.out.printf(
                    Locale.ROOT, "an API that never answers, --timeout 2s: %d ms (wanted: at most 3000)%n", millis);
        }
    }

    private static void breakdown(int runs) {
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy")) {
            long jvm = median(runs, () -> Run.command(
                            Run.JAVA.toString(),
                            "-Xshare:auto",
                            "-XX:TieredStopAtLevel=1",
                            "-XX:+UseSerialGC",
                            "-version")
                    .run());
            long help = median(runs, () -> Run.run("triage", "--help"));
            long direct = median(runs, () -> against(sandbox, Run.process("triage")).run());
            long whole = median(runs, () -> against(sandbox, Run.wrapper("triage")).run());
            System.out.printf(
                    Locale.ROOT,
                    "without latency: %d ms = launcher %d + JVM %d + our start %d + checks and rendering %d%n",
                    whole,
                    whole - direct,
                    jvm,
                    help - jvm,
                    direct - help);
        }
    }

    private static Run against(ControlledSandbox sandbox, Run cli) {
        return cli.env("KLAVIYO_API_URL", sandbox.apiUrl().toString())
                .env("KLAVIYO_STATUS_URL", sandbox.statusUrl().toString())
                .env("KLAVIYO_APP_URL", sandbox.appUrl().toString())
                .env("KLAVIYO_PRIVATE_KEY", sandbox.key())
                .cwd(Tree.temporary("bench"));
    }

    private static long median(int runs, Supplier<Run.Result> measured) {
        List<Long> millis = new ArrayList<>();
        for (int run = -1; run < runs; run++) {
            long one = measured.get().millis();
            if (run >= 0) {
                millis.add(one);
            }
        }
        return median(millis);
    }

    private static long median(List<Long> millis) {
        return millis.stream().sorted().skip(millis.size() / 2).findFirst().orElseThrow();
    }

    private static String option(List<String> options, String name, String otherwise) {
        int at = options.indexOf(name);
        return at < 0 || at + 1 == options.size() ? otherwise : options.get(at + 1);
    }
}
