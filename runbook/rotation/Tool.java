package runbook.rotation;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import runbook.Text.Durations;
import runbook.Key;
import runbook.Text;
import runbook.rotation.Trouble.Kind;

/**
 * Runs command-line tools. A value goes in by standard input and comes out by standard output, into memory only; no
 * child is given an environment that holds a key; every child ends by its timeout, with all that it started.
 */
public final class Tool {
    private static final int LONGEST_OUTPUT = 1 << 20;
    private static final int SHORTEST_KEY = 16;
    private static final Duration DRAINING = Duration.ofSeconds(2);
    private static final List<String> SECRET_VARIABLES =
            List.of("KLAVIYO_PRIVATE_KEY", "KLAVIYO_NEW_PRIVATE_KEY", "SLACK_WEBHOOK_URL");
    // Each keeps its tool from asking questions that nobody would see, or from paging its output.
    private static final Map<String, String> QUIET = Map.of("AWS_PAGER", "", "CLOUDSDK_CORE_DISABLE_PROMPTS", "1",
            "GH_PROMPT_DISABLED", "1", "NO_COLOR", "1", "SYSTEMD_PAGER", "", "SYSTEMD_COLORS", "0");

    private final Map<String, String> environment;
    private final Duration timeout;
    private final List<String> secrets = new CopyOnWriteArrayList<>();
    private volatile Consumer<ProcessHandle> watcher = child -> { };
    private volatile Process running;
    private volatile boolean stopped;

    /**
     * @param environment what children inherit, less whatever holds a key
     * @param timeout     for each run that does not bring its own
     */
    public Tool(Map<String, String> environment, Duration timeout) {
        this.environment = environment;
        this.timeout = timeout;
    }

    /** How long a run may take that does not bring its own time. */
    Duration timeout() {
        return timeout;
    }

    /**
     * Keeps this key out of every child's environment and every message from now on. What is too short for a key is none
     * (a site id, a placeholder), and would be found in half of all variables.
     */
    public void conceal(Key key) {
        if (key.reveal().strip().length() >= SHORTEST_KEY) {
            secrets.add(key.reveal());
        }
    }

    /** Is told of every child as it starts. */
    void watch(Consumer<ProcessHandle> started) {
        watcher = started;
    }

    /** Ends the child that runs now, if any, and lets no other start: for when this process is told to stop. */
    public void stop() {
        stopped = true;
        Process child = running;
        if (child != null) {
            kill(child.toHandle());
        }
    }

    /** Runs a command that has to succeed. */
    Output run(Command command, Subject subject) throws Trouble {
        return run(command, "", subject);
    }

    /** Runs a command that has to succeed, fed by standard input. */
    Output run(Command command, String input, Subject subject) throws Trouble {
        return successful(command, attempt(command, input), subject);
    }

    /**
     * Runs a command that has to succeed within its own time, and may leave something running. Its output goes to a file:
     * what it leaves running would otherwise die of a broken pipe once we are gone.
     */
    Output runLasting(Command command, Subject subject, Duration within) throws Trouble {
        try {
            Path file = Files.createTempFile("rotate-key", ".out");
            try {
                Output output = converse(
                        start(command, builder -> builder.redirectErrorStream(true)
                                .redirectOutput(file.toFile())),
                        "",
                        command,
                        within);
                return successful(command, new Output(output.exit(), head(file), ""), subject);
            } finally {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new Trouble(
                    Kind.FAILED, "no temporary file can be made: " + Text.safe(e.getMessage(), 120), "df -h /tmp");
        }
    }

    private Output successful(Command command, Output output, Subject subject) throws Trouble {
        if (output.exit() != 0) {
            throw Remedies.explain(program(command), output, concealed(said(output)), subject);
        }
        return output;
    }

    private static String head(Path file) throws IOException {
        try (InputStream stream = Files.newInputStream(file)) {
            return new String(stream.readNBytes(LONGEST_OUTPUT), StandardCharsets.UTF_8);
        }
    }

    /** Runs a command whose exit code is for the caller to judge. */
    Output attempt(Command command, String input) throws Trouble {
        return converse(start(command, builder -> { }), input, command, timeout);
    }

    private Process start(Command command, Consumer<ProcessBuilder> more) throws Trouble {
        standStill();
        List<String> words = new ArrayList<>(command.words());
        words.set(0, find(program(command)));
        ProcessBuilder builder = new ProcessBuilder(words);
        builder.environment().clear();
        builder.environment().putAll(clean());
        more.accept(builder);
        try {
            return builder.start();
        } catch (IOException e) {
            throw new Trouble(
                    Kind.MISSING_TOOL,
                    program(command) + " cannot be run: " + Text.safe(e.getMessage(), 120),
                    Remedies.install(program(command)));
        }
    }

    private Output converse(Process child, String input, Command command, Duration within) throws Trouble {
        running = child;
        watcher.accept(child.toHandle());
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        List<Thread> helpers = List.of(daemon(() -> feed(child.getOutputStream(), input)),
                daemon(() -> drain(child.getInputStream(), out)), daemon(() -> drain(child.getErrorStream(), err)));
        try {
            if (!child.waitFor(within.toMillis(), TimeUnit.MILLISECONDS)) {
                kill(child.toHandle());
                throw new Trouble(
                        Kind.TIMED_OUT,
                        program(command) + " did not end within " + Durations.words(within) + " and was stopped",
                        "run it by hand to see why: " + command.shown());
            }
            // A grandchild may hold the pipes open for ever: what has come by then is what there is.
            for (Thread helper : helpers) {
                helper.join(DRAINING.toMillis());
            }
        } catch (InterruptedException e) {
            kill(child.toHandle());
            Thread.currentThread().interrupt();
            throw new Trouble(Kind.FAILED, "interrupted", "");
        } finally {
            running = null;
        }
        standStill();
        return new Output(child.exitValue(), text(out), text(err));
    }

    // This process is ending: what would come next must not begin, and what was ended from outside is no failure.
    private void standStill() {
        if (stopped) {
            Pause.of(Duration.ofDays(1));
        }
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "tool");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void feed(OutputStream stdin, String input) {
        try (stdin) {
            stdin.write(input.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // The child did not want it, or is gone: its exit code and the read-back tell.
        }
    }

    private static void drain(InputStream stream, ByteArrayOutputStream into) {
        byte[] chunk = new byte[8192];
        try (stream) {
            for (int read = stream.read(chunk); read >= 0; read = stream.read(chunk)) {
                synchronized (into) {
                    into.write(chunk, 0, Math.min(read, LONGEST_OUTPUT - into.size()));
                }
            }
        } catch (IOException e) {
            // Killed in mid-sentence: what came is kept.
        }
    }

    private static String text(ByteArrayOutputStream bytes) {
        synchronized (bytes) {
            return bytes.toString(StandardCharsets.UTF_8);
        }
    }

    static void kill(ProcessHandle child) {
        List<ProcessHandle> family = Stream.concat(child.descendants(), Stream.of(child)).toList();
        family.forEach(ProcessHandle::destroyForcibly);
    }

    private Map<String, String> clean() {
        Map<String, String> clean = new HashMap<>(environment);
        clean.putAll(QUIET);
        clean.keySet().removeAll(SECRET_VARIABLES);
        clean.values().removeIf(value -> secrets.stream().anyMatch(value::contains));
        return clean;
    }

    private String find(String program) throws Trouble {
        if (program.contains("/")) {
            return program;
        }
        for (String folder : environment.getOrDefault("PATH", "").split(File.pathSeparator)) {
            Path candidate = Path.of(folder.isEmpty() ? "." : folder, program);
            if (Files.isRegularFile(candidate) && Files.isExecutable(candidate)) {
                return candidate.toString();
            }
        }
        throw new Trouble(
                Kind.MISSING_TOOL, program + " is not installed (not on the PATH)", Remedies.install(program));
    }

    private static String program(Command command) {
        return command.words().get(0);
    }

    private static String said(Output output) {
        return output.err().isBlank() ? output.out() : output.err();
    }

    /** The text without any known key in it. */
    String concealed(String text) {
        String masked = text;
        for (String secret : secrets) {
            masked = masked.replace(secret, "[key]");
        }
        return masked;
    }
}
