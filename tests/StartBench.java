import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;

/**
 * {@code ./jbang bench start [--latency MS] [ALIAS...]}: what JBang and we cost somebody who types
 * {@code jbang triage@org}: stock JBang, a JBANG_DIR of its own, dependencies already in the Maven repository, and a
 * late catalog over HTTP. Each alias is measured in turn with a one-line script that has the same dependencies.
 */
final class StartBench {
    private static final List<String> STEPS = List.of("triage", "rotate-key", "watch", "debug-bundle", "postmortem");
    private static final int WARM_RUNS = 7;

    private StartBench() { }

    static void measure(List<String> options) throws IOException {
        int latency = Integer.parseInt(Bench.option(options, "--latency", "50"));
        List<String> chosen = options.stream().filter(STEPS::contains).toList();
        System.out.printf("%-14s %9s %9s %7s %9s %7s   over a one-line script with the same dependencies, "
                + "%d ms a request%n", "", "requests", "first", "ratio", "warm", "ratio", latency);
        for (String step : chosen.isEmpty() ? STEPS : chosen) {
            try (LoopbackServer server = LoopbackServer.ofFiles(catalogOf(step), Duration.ofMillis(latency))) {
                report(step, server);
            }
        }
    }

    private static void report(String step, LoopbackServer server) {
        // A run that needs nothing: triage's with its checks, for it is the one that is waited for.
        List<String> words = step.equals("triage") ? List.of("--drill", "healthy") : List.of("--help");
        Path ourFolder = Tree.temporary("jbang");
        Path otherFolder = Tree.temporary("jbang");
        long otherFirst = start(server, otherFolder, "one-line", List.of());
        int before = server.asked().size();
        long first = start(server, ourFolder, step, words);
        int requests = server.asked().size() - before;
        List<Long> warm = new ArrayList<>();
        List<Long> otherWarm = new ArrayList<>();
        for (int run = -1; run < WARM_RUNS; run++) {
            long ours = start(server, ourFolder, step, words);
            long other = start(server, otherFolder, "one-line", List.of());
            if (run >= 0) {
                warm.add(ours);
                otherWarm.add(other);
            }
        }
        System.out.printf(Locale.ROOT, "%-14s %9d %6d ms %7.2f %6d ms %7.2f%n", step, requests, first,
                (double) first / otherFirst, Bench.median(warm), (double) Bench.median(warm) / Bench.median(otherWarm));
    }

    /** As the launcher of JBang does: its exit status 255 means that its output is the command to run. */
    private static long start(LoopbackServer server, Path jbangDir, String alias, List<String> arguments) {
        String words = Stream.concat(Stream.of(alias + "@" + server.url() + "/jbang-catalog.json"), arguments.stream())
                .map(word -> "'" + word + "'").collect(Collectors.joining(" "));
        return Run.command("sh", "-c", launcher(words)).env("JBANG_DIR", jbangDir.toString())
                .env("JBANG_RUNTIME_SHELL", "bash").env("JBANG_STDIN_NOTTY", "true")
                .env("JBANG_NO_VERSION_CHECK", "true").cwd(Tree.temporary("start"))
                .timeout(Duration.ofMinutes(3)).run().ends(0).millis();
    }

    static String launcher(String words) {
        return "command=$('" + Run.JAVA + "' -cp '" + jar() + "' dev.jbang.Main --quiet " + words
                + "); [ $? -eq 255 ] || exit 99; eval \"exec $command\"";
    }

    /** The repository as a host would serve it, and beside it a script of one line with the same dependencies. */
    private static Path catalogOf(String step) throws IOException {
        Path folder = Tree.temporary("catalog");
        for (String name : List.of("runbook", "templates", step + ".java")) {
            Files.createSymbolicLink(folder.resolve(name), Repository.file(name));
        }
        String own = Files.readString(Repository.file(step + ".java"));
        String dependencies = own.lines().filter(line -> line.startsWith("//DEPS ")).collect(Collectors.joining("\n"));
        Files.writeString(folder.resolve("one-line.java"), "//JAVA 17+\n" + dependencies
                + "\nclass OneLine { public static void main(String... args) { System.out.println(\"hello\"); } }\n");
        String catalog = Files.readString(Repository.file("jbang-catalog.json"));
        Files.writeString(folder.resolve("jbang-catalog.json"), catalog.replace("\"aliases\": {",
                "\"aliases\": {\n    \"one-line\": { \"script-ref\": \"one-line.java\" },"));
        return folder;
    }

    static Path jar() {
        String own = System.getenv("JBANG_DIR");
        Path folder = own == null || own.isEmpty() ? Path.of(System.getenv("HOME"), ".jbang") : Path.of(own);
        Path jar = folder.resolve("klaviyo-runbook/jbang-cli-0.132.1-all.jar");
        if (!Files.exists(jar)) {
            throw new IllegalStateException("run ./jbang --version once: stock JBang is expected at " + jar);
        }
        return jar;
    }
}
