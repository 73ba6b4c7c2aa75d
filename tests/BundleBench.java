import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.zip.Deflater;
import runbook.redact.RuleSamples;

/**
 * The bundle's long pass: {@code ./jbang bench bundle [MEGABYTES]} makes a log, a fifth of it about Klaviyo, and once all of it, and
 * takes it through the whole program, {@code grep -i klaviyo | gzip}, the same rules as plain java.util.regex, and read and deflate alone.
 */
final class BundleBench {
    private static final int MEGABYTE = 1_000_000;
    private static final int FOR_PLAIN_REGEX = 20;

    private BundleBench() { }

    static void measure(List<String> options) throws Exception {
        int megabytes = options.isEmpty() ? 1_000 : Integer.parseInt(options.get(0));
        Path folder = Tree.temporary("bench-bundle");
        for (double share : new double[] {0.2, 1}) {
            Path log = folder.resolve("app.log");
            LogMaker.write(log, (long) megabytes * MEGABYTE, share, 7);
            System.out.printf("%d MB, %.0f %% of the lines about Klaviyo%n", megabytes, share * 100);
            bundle(log, folder, megabytes);
            report(
                    "grep -i klaviyo | gzip -1",
                    time("sh", "-c", "grep -i klaviyo '" + log + "' | gzip -1 > /dev/null"),
                    megabytes);
            report(
                    "grep -i klaviyo | gzip",
                    time("sh", "-c", "grep -i klaviyo '" + log + "' | gzip > /dev/null"),
                    megabytes);
            report("read and deflate (level 1), one core", readAndDeflate(log), megabytes);
            report("plain java.util.regex, one core (of " + FOR_PLAIN_REGEX + " MB)", plainRegex(log), FOR_PLAIN_REGEX);
            Files.delete(log);
        }
    }

    private static void report(String what, double seconds, double megabytes) {
        System.out.printf("  %-52s %7.2f s %7.1f MB/s%n", what, seconds, megabytes / seconds);
    }

    private static void bundle(Path log, Path folder, int megabytes) throws Exception {
        Path out = folder.resolve("out.zip");
        // Nothing listens there: the other collectors are done at once.
        List<String> command = new java.util.ArrayList<>(ScriptCommand.of(Repository.file("debug-bundle.java")));
        command.addAll(List.of(
                "--api-url",
                "http://127.0.0.1:1",
                "--status-url",
                "http://127.0.0.1:1",
                "--log",
                log.toString(),
                "--context",
                "0",
                "--max-size",
                "2GB",
                "--max-time",
                "1h",
                "--max-each",
                "1h",
                "--from",
                "2020-01-01T00:00:00Z",
                "--out",
                out.toString(),
                "--json"));
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(folder.resolve("out.json").toFile())
                .redirectError(folder.resolve("err.txt").toFile())
                .start();
        long start = System.nanoTime();
        long resident = 0;
        while (!process.waitFor(50, java.util.concurrent.TimeUnit.MILLISECONDS)) {
            resident = Math.max(resident, resident(process.pid()));
        }
        double whole = (System.nanoTime() - start) / 1e9;
        String manifest = new String(new java.util.zip.ZipFile(out.toFile())
                .getInputStream(new java.util.zip.ZipEntry("manifest.json"))
                .readAllBytes());
        double pass = runbook.Json.read(manifest).path("files").findParents("collector").stream()
                .filter(file -> file.path("collector").asText().startsWith("application/log"))
                .mapToDouble(file -> file.path("millis").asDouble() / 1_000)
                .sum();
        report("filter, redact and zip", pass, megabytes);
        report("the whole program, reading back included", whole, megabytes);
        System.out.printf("  resident at most %d MB, archive %d MB%n", resident / 1_000, Files.size(out) / MEGABYTE);
        Files.delete(out);
    }

    private static long resident(long pid) {
        try {
            return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
                    .filter(line -> line.startsWith("VmHWM"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }

    private static double time(String... command) throws Exception {
        long start = System.nanoTime();
        int exit = new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor();
        if (exit != 0) {
            throw new IllegalStateException(String.join(" ", command) + " ended with " + exit);
        }
        return (System.nanoTime() - start) / 1e9;
    }

    private static double readAndDeflate(Path log) throws IOException {
        long start = System.nanoTime();
        byte[] buffer = new byte[1 << 20];
        byte[] packed = new byte[1 << 21];
        Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        try (InputStream input = Files.newInputStream(log)) {
            for (int read = input.read(buffer); read > 0; read = input.read(buffer)) {
                deflater.reset();
                deflater.setInput(buffer, 0, read);
                deflater.deflate(packed, 0, packed.length, Deflater.SYNC_FLUSH);
            }
        }
        deflater.end();
        return (System.nanoTime() - start) / 1e9;
    }

    private static double plainRegex(Path log) throws IOException {
        byte[] bytes;
        try (InputStream input = Files.newInputStream(log)) {
            bytes = input.readNBytes(FOR_PLAIN_REGEX * MEGABYTE);
        }
        long start = System.nanoTime();
        RuleSamples.plainly(new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1));
        return Duration.ofNanos(System.nanoTime() - start).toMillis() / 1e3;
    }
}
