import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import runbook.sandbox.ControlledSandbox;

/** {@code ./jbang bench fleet}: triage of 10, 100, 200 and 1000 accounts against a sandbox with 100 ms latency. */
final class FleetBench {
    private FleetBench() { }

    static void measure(List<String> options) throws IOException {
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
                Run.Result result = Run.command("/usr/bin/time", "-f", "%M", Repository.file("jbang").toString(), "triage",
                                "--accounts", file.toString(), "--json")
                        .env("HOME", System.getProperty("user.home")).env("JBANG_DIR", System.getenv("JBANG_DIR"))
                        .env("KLAVIYO_API_URL", sandbox.apiUrl().toString())
                        .env("KLAVIYO_STATUS_URL", sandbox.statusUrl().toString())
                        .cwd(folder).timeout(Duration.ofMinutes(2)).run();
                String kilobytes = result.err().strip().replaceFirst("(?s).*\\n", "");
                System.out.printf(Locale.ROOT, "%4d accounts: %5d ms, %.1f ms each, %s, exit %d%n", accounts, result.millis(),
                        (double) result.millis() / accounts, kilobytes.matches("\\d+")
                                ? Long.parseLong(kilobytes) / 1024 + " MB resident" : "no GNU time", result.exit());
            }
        }
    }
}
