import java.io.*;
import java.lang.reflect.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;

/**
 * Runs a script or another command as a user would, and keeps what it says: {@code Run.run("triage", "--drill",
 * "outage")}, or with more to say {@code Run.script("watch").env("KLAVIYO_API_URL", url).cwd(folder).args("--max",
 * "1s").run()}.
 *
 * <p>{@link #script} runs it in this process, which takes no start of a JVM; {@link #process} in one of its own, for
 * tests of signals, command lines, memory, terminals and JVM options, and for what {@link #start} returns.
 *
 * <p>It sees none of this process's environment but PATH: its home is an empty folder, its terminal is dumb, and no
 * KLAVIYO_* or SLACK_* variable, proxy or credential reaches it unless {@link #env} says so. It runs on this JDK.
 */
final class Run {
    static final Path JAVA_HOME = Path.of(System.getProperty("java.home"));
    static final Path JAVA = JAVA_HOME.resolve("bin/java");
    private static final Path SCRATCH = Tree.temporary("run");
    private static final Pattern RUNTIME_OPTIONS = Pattern.compile("(?m)^//RUNTIME_OPTIONS (.*)$");
    private static final Pattern MAIN_CLASS = Pattern.compile("(?m)^(?:final )?class (\\w+)");

    private final List<String> command = new ArrayList<>();
    private final Map<String, String> environment = new HashMap<>(Map.of("PATH", System.getenv("PATH"),
            "JAVA_HOME", JAVA_HOME.toString(), "HOME", SCRATCH.toString(), "LANG", "C.UTF-8", "TERM", "dumb"));
    private String mainClass;
    private Path folder = SCRATCH;
    private String input = "";
    private boolean openInput;
    private int columns;
    private Duration timeout = Duration.ofMinutes(3);

    private Run(List<String> command) {
        this.command.addAll(command);
    }

    /** What a run left behind; {@code millis} is its whole time as seen from here. */
    record Result(int exit, String out, String err, long millis) {
        /** The same, where it ended with this exit status; fails otherwise. */
        Result ends(int wanted) {
            if (exit != wanted) {
                throw new AssertionError("not " + wanted + ", but " + this);
            }
            return this;
        }

        @Override
        public String toString() {
            return "exit status " + exit + " after " + millis + " ms\n--- stdout\n" + out + "\n--- stderr\n" + err;
        }
    }

    // ---- what to run

    /** Runs one of the repository's scripts ("triage") in this process to its end. */
    static Result run(String script, String... args) {
        return script(script).args(args).run();
    }

    /** One of the repository's scripts, in this process. */
    static Run script(String script) {
        Run run = new Run(List.of());
        run.mainClass = mainClass(source(script));
        return run;
    }

    /** The same in a process of its own, with the script's runtime options, without going through JBang. */
    static Run process(String script) {
        String source = source(script);
        Run run = command(JAVA.toString());
        RUNTIME_OPTIONS.matcher(source).results().forEach(line -> run.args(line.group(1).split(" ")));
        // One build serves all tests: the scripts are in this test run's own jar.
        return run.args("-cp", System.getProperty("java.class.path"), mainClass(source));
    }

    private static String source(String script) {
        return Tree.read(Repository.file(script.endsWith(".java") ? script : script + ".java"));
    }

    private static String mainClass(String source) {
        return MAIN_CLASS.matcher(source).results().findFirst().orElseThrow().group(1);
    }

    /** The repository's {@code ./jbang}, with the JBang folder and the Maven settings of whoever runs the tests. */
    static Run wrapper(String... args) {
        Run run = command(Repository.file("jbang").toString()).args(args).timeout(Duration.ofMinutes(5));
        System.getenv().forEach((name, value) -> {
            if (name.matches("HOME|MAVEN_.*|JBANG_(DIR|REPO|CACHE_DIR)")) {
                run.env(name, value);
            }
        });
        return run;
    }

    /** The most megabytes that a process had in memory, as Linux counts them; 0 elsewhere, and when it has ended. */
    static long peakMegabytes(long pid) {
        try {
            return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream()
                    .filter(line -> line.startsWith("VmHWM"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1_024).findFirst().orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }

    /** Any command. */
    static Run command(String... command) {
        return new Run(List.of(command));
    }

    // ---- and how

    Run args(String... words) {
        command.addAll(List.of(words));
        return this;
    }

    /** The same of anything, paths and addresses, each as its text. */
    Run args(Object... words) {
        return args(Stream.of(words).map(Object::toString).toArray(String[]::new));
    }

    /** Has a person at a terminal of so many columns, without colours; for {@link #script} only. */
    Run terminal(int width) {
        columns = width;
        return env("COLUMNS", Integer.toString(width)).env("NO_COLOR", "1");
    }

    /** Sets a variable for the child, or takes it away with a value of null. */
    Run env(String name, String value) {
        environment.put(name, value);
        return this;
    }

    Run cwd(Path folder) {
        this.folder = folder;
        return this;
    }

    /** The child's home folder, an empty one unless set. */
    Run home(Path folder) {
        return env("HOME", folder.toString());
    }

    /** What the child reads from its standard input, empty unless set. */
    Run stdin(String text) {
        input = text;
        return this;
    }

    /** Leaves standard input open: write to {@link Running#process}{@code .getOutputStream()}. */
    Run openStdin() {
        openInput = true;
        return this;
    }

    /** How long it may take before it is killed and the test fails, 3 min unless set: a machine may be busy. */
    Run timeout(Duration timeout) {
        this.timeout = timeout;
        return this;
    }

    /** The command's words. */
    List<String> words() {
        return List.copyOf(command);
    }

    /** The command as one line for a shell, for a test that has to start it inside a terminal. */
    String quoted() {
        return command.stream().map(Text::word).collect(Collectors.joining(" "));
    }

    // ---- running it

    /** Runs it to its end. */
    Result run() {
        return mainClass == null ? start().await() : inThisProcess();
    }

    private Map<String, String> variables() {
        Map<String, String> set = new HashMap<>(environment);
        set.values().removeIf(Objects::isNull);
        return set;
    }

    private Result inThisProcess() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Screen.Host host = new Screen.Host(variables(), folder.toAbsolutePath(),
                new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                new PrintStream(out, true, StandardCharsets.UTF_8), new PrintStream(err, true, StandardCharsets.UTF_8),
                StandardCharsets.UTF_8, columns > 0);
        FutureTask<Integer> task = new FutureTask<>(() -> Cli.run(newScript(), host, command.toArray(String[]::new)));
        Thread thread = new Thread(task, mainClass);
        thread.setDaemon(true);
        long start = System.nanoTime();
        thread.start();
        try {
            return new Result(task.get(timeout.toMillis(), TimeUnit.MILLISECONDS), out.toString(StandardCharsets.UTF_8),
                    err.toString(StandardCharsets.UTF_8), TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            thread.interrupt();
            throw new AssertionError("Not done after " + timeout + ": " + out + err, e);
        }
    }

    /** A script's picocli command, not run yet. */
    static Object commandOf(String script) {
        return script(script).newScript();
    }

    private Object newScript() {
        try {
            Constructor<?> constructor = Class.forName(mainClass).getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(mainClass, e);
        }
    }

    /** Starts a process and returns at once. Its output goes to files, so that no child of its own can block us. */
    Running start() {
        if (mainClass != null) {
            throw new IllegalStateException("only Run.process can be watched and killed");
        }
        try {
            Path out = Files.createTempFile(SCRATCH, "out", ".txt");
            Path err = Files.createTempFile(SCRATCH, "err", ".txt");
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile())
                    .redirectOutput(out.toFile()).redirectError(err.toFile());
            if (!openInput) {
                builder.redirectInput(Files.writeString(Files.createTempFile(SCRATCH, "in", ".txt"), input).toFile());
            }
            builder.environment().clear();
            builder.environment().putAll(variables());
            return new Running(builder.start(), out, err, System.nanoTime(), timeout);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A process under way. */
    record Running(Process process, Path outFile, Path errFile, long startNanos, Duration timeout)
            implements AutoCloseable {
        /** Standard output so far. */
        String out() {
            return Tree.read(outFile);
        }

        /** Standard error so far. */
        String err() {
            return Tree.read(errFile);
        }

        /** Waits for the end; kills it and fails when its time is up. */
        Result await() {
            return awaitUntil("it ended", () -> !process.isAlive()).result(process.exitValue());
        }

        /** Waits until standard output contains a match. */
        Running awaitOut(String regex) {
            return awaitUntil("standard output has " + regex, () -> Pattern.compile(regex).matcher(out()).find());
        }

        /** Waits until something that the process does, a file it writes for one, has happened. */
        Running awaitUntil(String what, BooleanSupplier condition) {
            while (!condition.getAsBoolean()) {
                boolean late = System.nanoTime() - startNanos > timeout.toNanos();
                if (late || !process.isAlive() && !condition.getAsBoolean()) {
                    close();
                    String when = late ? "Within " + timeout : "Before its end";
                    throw new AssertionError(when + " it was not so that " + what + ": " + result(-1));
                }
                try {
                    process.waitFor(10, TimeUnit.MILLISECONDS);
                } catch (InterruptedException e) {
                    close();
                    throw new IllegalStateException(e);
                }
            }
            return this;
        }

        /** As Ctrl-C does. */
        void interrupt() {
            Run.command("kill", "-INT", Long.toString(process.pid())).run();
        }

        /** As {@code kill -9} does; returns when it is gone. */
        Result kill() {
            process.destroyForcibly();
            return await();
        }

        /** Kills it and all that it started, if they still run; returns when they are gone. */
        @Override
        public void close() {
            List<ProcessHandle> all = Stream.concat(Stream.of(process.toHandle()), process.descendants()).toList();
            all.forEach(ProcessHandle::destroyForcibly);
            all.forEach(each -> each.onExit().completeOnTimeout(each, 10, TimeUnit.SECONDS).join());
        }

        private Result result(int exit) {
            return new Result(exit, out(), err(), TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNanos));
        }
    }
}
