import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;

/**
 * Runs a command in a process of its own, as a user would: {@code Cli.run("triage", "--drill", "outage")}, or with more to
 * say {@code Cli.script("watch").env("KLAVIYO_API_URL", url).timeout(ofSeconds(5)).args("--max", "1s").run()}.
 *
 * <p>The child sees none of this process's environment but PATH: its home is an empty folder, its terminal is dumb, and no
 * KLAVIYO_* or SLACK_* variable, proxy or credential reaches it unless {@link #env} says so. It runs on this JDK.
 */
final class Cli {
    static final Path JAVA_HOME = Path.of(System.getProperty("java.home"));
    static final Path JAVA = JAVA_HOME.resolve("bin/java");
    private static final Path SCRATCH = Tree.temporary("cli");

    private final List<String> command = new ArrayList<>();
    private final Map<String, String> environment = new LinkedHashMap<>();
    private Path folder = SCRATCH;
    private String input = "";
    private boolean openInput;
    private Duration timeout = Duration.ofSeconds(60);

    private Cli(List<String> command) {
        this.command.addAll(command);
        env("PATH", System.getenv("PATH"));
        env("JAVA_HOME", JAVA_HOME.toString());
        env("HOME", SCRATCH.toString());
        env("LANG", "C.UTF-8");
        env("TERM", "dumb");
    }

    /** What a process left behind; {@code millis} is its whole run time as seen from here. */
    record Result(int exit, String out, String err, long millis) {
        @Override
        public String toString() {
            return "exit status " + exit + " after " + millis + " ms\n--- stdout\n" + out + "\n--- stderr\n" + err;
        }
    }

    /** Runs one of the repository's scripts ("triage" or "triage.java") to its end. */
    static Result run(String script, String... args) {
        return script(script).args(args).run();
    }

    /** One of the repository's scripts, or any other by its path, without going through JBang each time. */
    static Cli script(String script) {
        Path file = Repository.file(script.endsWith(".java") ? script : script + ".java");
        Cli cli = new Cli(ScriptCommand.of(file));
        // Java takes the home from the password file, not from HOME.
        cli.command.add(1, "-Duser.home=" + SCRATCH);
        return cli;
    }

    /** The repository's {@code ./jbang}, with the JBang folder and the Maven settings of whoever runs the tests. */
    static Cli wrapper(String... args) {
        Cli cli = command(Repository.file("jbang").toString()).args(args).timeout(Duration.ofMinutes(5));
        System.getenv().forEach((name, value) -> {
            if (name.matches("HOME|MAVEN_.*|JBANG_(DIR|REPO|CACHE_DIR)")) {
                cli.env(name, value);
            }
        });
        return cli;
    }

    /** Any command. */
    static Cli command(String... command) {
        return new Cli(List.of(command));
    }

    Cli args(String... args) {
        command.addAll(List.of(args));
        return this;
    }

    /** Sets a variable for the child, or takes it away with a value of null. */
    Cli env(String name, String value) {
        environment.put(name, value);
        return this;
    }

    Cli cwd(Path folder) {
        this.folder = folder;
        return this;
    }

    /** The child's home folder, an empty one unless set. */
    Cli home(Path folder) {
        command.replaceAll(word -> word.startsWith("-Duser.home=") ? "-Duser.home=" + folder : word);
        return env("HOME", folder.toString());
    }

    /** What the child reads from its standard input, empty unless set. */
    Cli stdin(String text) {
        input = text;
        return this;
    }

    /** Leaves standard input open: write to {@link Running#process}{@code .getOutputStream()}. */
    Cli openStdin() {
        openInput = true;
        return this;
    }

    /** How long it may take, 60 s unless set, before it is killed and the test fails. */
    Cli timeout(Duration timeout) {
        this.timeout = timeout;
        return this;
    }

    /** The command as one line for a shell, for a test that has to start it inside a terminal. */
    String quoted() {
        return command.stream()
                .map(word -> "'" + word.replace("'", "'\\''") + "'")
                .collect(java.util.stream.Collectors.joining(" "));
    }

    /** Runs it to its end. */
    Result run() {
        return start().await();
    }

    /** Starts it and returns at once. */
    Running start() {
        try {
            Path out = Files.createTempFile(SCRATCH, "out", ".txt");
            Path err = Files.createTempFile(SCRATCH, "err", ".txt");
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile())
                .redirectOutput(out.toFile()).redirectError(err.toFile());
            if (!openInput) {
                builder.redirectInput(Files.writeString(Files.createTempFile(SCRATCH, "in", ".txt"), input).toFile());
            }
            builder.environment().clear();
            environment.forEach((name, value) -> {
                if (value != null) {
                    builder.environment().put(name, value);
                }
            });
            return new Running(command, builder.start(), out, err, System.nanoTime(), timeout);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A process under way. Its output goes to files, so a child of its own that outlives it cannot block us. */
    record Running(List<String> command, Process process, Path outFile, Path errFile, long startNanos, Duration timeout)
            implements AutoCloseable {

        /** Standard output so far. */
        String out() {
            return read(outFile);
        }

        /** Standard error so far. */
        String err() {
            return read(errFile);
        }

        /** Waits for the end; kills it and fails when its time is up. */
        Result await() {
            long left = timeout.toNanos() - (System.nanoTime() - startNanos);
            try {
                if (!process.waitFor(left, TimeUnit.NANOSECONDS)) {
                    close();
                    throw new AssertionError("Not done after " + timeout + ": " + result(-1));
                }
            } catch (InterruptedException e) {
                close();
                throw new IllegalStateException(e);
            }
            return result(process.exitValue());
        }

        /** Waits until standard output contains a match. */
        Running awaitOut(String regex) {
            return awaitUntil("standard output has " + regex, () -> Pattern.compile(regex).matcher(out()).find());
        }

        /** Waits until standard error contains a match. */
        Running awaitErr(String regex) {
            return awaitUntil("standard error has " + regex, () -> Pattern.compile(regex).matcher(err()).find());
        }

        /** Waits until something that the process does, a file it writes for one, has happened. */
        Running awaitUntil(String what, BooleanSupplier condition) {
            while (!condition.getAsBoolean()) {
                boolean late = System.nanoTime() - startNanos > timeout.toNanos();
                if (late || !process.isAlive() && !condition.getAsBoolean()) {
                    close();
                    throw new AssertionError(
                            (late ? "In time" : "Before its end") + " it was not so that " + what + ": " + result(-1));
                }
                pause();
            }
            return this;
        }

        /** As Ctrl-C does. */
        void interrupt() {
            Cli.command("kill", "-INT", Long.toString(process.pid())).run();
        }

        /** As {@code kill -9} does; returns when it is gone. */
        Result kill() {
            process.destroyForcibly();
            return await();
        }

        /** Kills it and all that it started, if they still run. */
        @Override
        public void close() {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }

        private Result result(int exit) {
            return new Result(exit, out(), err(), TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNanos));
        }

        private static String read(Path file) {
            try {
                return new String(Files.readAllBytes(file), java.nio.charset.StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private static void pause() {
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
