import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import runbook.sandbox.*;

/**
 * {@code ./jbang bench triage [--baseline FILE] [--runs N]}: the command that JBang prints for triage, run as it is,
 * against a loopback Klaviyo that answers late, in turn with the runbook's script where {@code --baseline} names it.
 * What JBang itself takes is measured by {@code bench start}. {@code ./jbang bench fleet}: the same of many accounts at
 * once.
 */
final class TriageBench {
    private static final Duration LONG = Duration.ofMinutes(2);
    /** A request's milliseconds, and the largest ratio to the script that is wanted. */
    private static final Map<Integer, Double> LATENCIES = Map.of(100, 1.0, 500, 0.5);

    private TriageBench() { }

    static void measure(List<String> options) {
        int runs = Integer.parseInt(Bench.option(options, "--runs", "7"));
        Path baseline = Path.of(Bench.option(options, "--baseline", "")).toAbsolutePath();
        boolean compared = Files.isRegularFile(baseline);
        String triage = commandOfJBang();
        LATENCIES.forEach((latency, most) -> {
            List<Long> ours = new ArrayList<>();
            List<Long> script = new ArrayList<>();
            try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMillis(latency), 1)) {
                // In turn, so that a noisy neighbour hits both; the first warms caches.
                for (int run = 0; run <= runs; run++) {
                    ours.add(against(sandbox, "sh", "-c", "exec " + triage).run().millis());
                    script.add(compared ? against(sandbox, "bash", baseline.toString()).run().millis() : 0);
                }
            }
            long mine = Bench.median(ours.subList(1, runs + 1));
            long other = Bench.median(script.subList(1, runs + 1));
            String ratio = String.format(Locale.ROOT, ", the runbook's script %d ms, ratio %.2f (at most %.1f)", other,
                    (double) mine / other, most);
            System.out.println(latency + " ms a request: triage " + mine + " ms"
                    + (compared ? ratio : " (no --baseline FILE: no ratio to the runbook's script)"));
        });
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMinutes(5), 1)) {
            long silent = against(sandbox, "sh", "-c", "exec " + triage + " --timeout 2s").run().millis();
            System.out.println("an API that never answers, --timeout 2s: " + silent + " ms (at most 3000)");
        }
    }

    static void fleet(List<String> options) throws IOException {
        for (int accounts : new int[] {10, 100, 200, 1000}) {
            Path folder = Tree.temporary("fleet");
            StringBuilder list = new StringBuilder("name,env,file,command\n");
            try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMillis(100), 1)) {
                for (int i = 0; i < accounts; i++) {
                    Path key = Files.writeString(folder.resolve("key-" + i), sandbox.openAccount("Shop " + i));
                    list.append("shop-").append(i).append(",,").append(key).append(",\n");
                }
                Path file = Files.writeString(folder.resolve("accounts.csv"), list);
                // GNU time tells the largest resident size, in kilobytes.
                String jbang = Repository.file("jbang").toString();
                Run triage = against(sandbox, "/usr/bin/time", "-f", "%M", jbang, "triage", "--accounts",
                        file.toString(), "--json").env("HOME", System.getProperty("user.home"));
                Run.Result result = triage.env("JBANG_DIR", System.getenv("JBANG_DIR")).timeout(LONG).run();
                String kilobytes = result.err().strip().replaceFirst("(?s).*\\n", "");
                System.out.printf(Locale.ROOT, "%4d accounts: %5d ms, %.1f ms each, %s kB resident, exit %d%n",
                        accounts, result.millis(), (double) result.millis() / accounts, kilobytes, result.exit());
            }
        }
    }

    /** Asked for after a run with its checks, which makes the class data archive that later runs use. */
    private static String commandOfJBang() {
        String script = Repository.file("triage.java").toString();
        for (int run = 0; run < 2; run++) {
            Run.command("sh", "-c", StartBench.launcher("'" + script + "' --drill healthy"))
                    .env("JBANG_RUNTIME_SHELL", "bash").env("HOME", System.getenv("HOME"))
                    .cwd(Tree.temporary("triage-bench")).timeout(LONG).run();
        }
        String jar = StartBench.jar().toString();
        // Its exit status 255 means that its output is the command to run.
        return Run.command(Run.JAVA.toString(), "-cp", jar, "dev.jbang.Main", script)
                .env("JBANG_RUNTIME_SHELL", "bash").env("HOME", System.getenv("HOME")).run().ends(255).out().strip();
    }

    private static Run against(ControlledSandbox sandbox, String... command) {
        return Run.command(command).env("KLAVIYO_API_URL", sandbox.target().api().toString())
                .env("KLAVIYO_STATUS_URL", sandbox.target().status().toString())
                .env("KLAVIYO_APP_URL", sandbox.target().app().toString())
                .env("KLAVIYO_PRIVATE_KEY", sandbox.key()).cwd(Tree.temporary("bench"));
    }
}
