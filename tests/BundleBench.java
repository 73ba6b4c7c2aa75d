import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;

/**
 * The bundle's long pass: {@code ./jbang bench bundle [MEGABYTES]} makes a log, a fifth of it about Klaviyo, and once
 * all of it, and takes it through the whole program and through {@code grep -i klaviyo | gzip}.
 */
final class BundleBench {
    private static final int MEGABYTE = 1_000_000;
    private static final Duration HOUR = Duration.ofHours(1);

    /**
     * A log, and how it is asked for: {@code share} of its lines are about Klaviyo, {@code context} lines go with each;
     * above 1 every line has two personal values. {@code wanted} is the least speed of the whole program against grep
     * and gzip.
     */
    private record Log(double share, int context, double wanted) { }

    private static final List<Log> LOGS =
            List.of(new Log(0.2, 0, 0.6), new Log(0.2, 2, 0.6), new Log(1, 2, 0.6), new Log(2, 2, 0.3));

    private BundleBench() { }

    static void measure(List<String> options) throws Exception {
        int megabytes = options.isEmpty() ? 1_000 : Integer.parseInt(options.get(0));
        Path folder = Tree.temporary("bench-bundle");
        Path file = folder.resolve("app.log");
        for (Log log : LOGS) {
            LogMaker.write(file, (long) megabytes * MEGABYTE, log.share, 7);
            System.out.printf(Locale.ROOT, "%d MB, %.0f %% of the lines about Klaviyo%s, --context %d%n", megabytes,
                    Math.min(1, log.share) * 100, log.share > 1 ? ", two personal values in each" : "", log.context);
            Bundled bundled = bundle(file, folder, log.context);
            String grep = "grep -i -C " + log.context + " klaviyo";
            double whole = megabytes / bundled.seconds;
            double grepped = megabytes / seconds(Run.command("sh", "-c", grep + " '" + file + "' | gzip > /dev/null")
                    .timeout(HOUR).run());
            report("the whole program, reading back included", whole);
            report(grep + " | gzip", grepped);
            System.out.printf(Locale.ROOT, "  the whole program: %.2f of grep and gzip (wanted: at least %.1f)%n",
                    whole / grepped, log.wanted);
            System.out.printf(Locale.ROOT, "  resident at most %d MB (wanted: less than 256), archive %d MB%n",
                    bundled.resident, bundled.archive);
        }
    }

    private static void report(String what, double speed) {
        System.out.printf(Locale.ROOT, "  %-52s %7.1f MB/s%n", what, speed);
    }

    /** Seconds and megabytes. */
    private record Bundled(double seconds, long resident, long archive) { }

    private static Bundled bundle(Path log, Path folder, int context) throws Exception {
        Path out = folder.resolve("out.zip");
        // Nothing listens on port 1: the other collectors are done at once.
        Run run = Run.process("debug-bundle").cwd(folder).timeout(HOUR).args("--api-url", "http://127.0.0.1:1",
                "--status-url", "http://127.0.0.1:1", "--log", log.toString(), "--context", "" + context, "--from",
                "2020-01-01T00:00:00Z", "--max-size", "4GB", "--max-time", "1h", "--max-each", "1h", "--out",
                out.toString(), "--json");
        try (Run.Running running = run.start()) {
            long resident = 0;
            while (!running.process().waitFor(50, TimeUnit.MILLISECONDS)) {
                resident = Math.max(resident, Run.peakMegabytes(running.process().pid()));
            }
            Run.Result result = running.await();
            if (!Files.exists(out)) {
                throw new IllegalStateException(result.toString());
            }
            Bundled bundled = new Bundled(seconds(result), resident, Files.size(out) / MEGABYTE);
            Files.delete(out);
            return bundled;
        }
    }

    private static double seconds(Run.Result result) {
        return result.millis() / 1_000.0;
    }
}
