package runbook;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine.Model.OptionSpec;
import runbook.Text.Durations;

/**
 * The one way to run another program. It is started from words, never through a shell that we chose; what it reads
 * comes by standard input; its environment holds no key, token or webhook address; what it says is held in memory
 * within bounds, or streamed, or kept in a file; it ends by its time, with all that it started; and no secret that we
 * know is left in what is told of it, however the program wrote it. One object serves many threads.
 */
public final class Tool {
    /** The most that is kept of each output, in bytes. */
    public static final int LONGEST_OUTPUT = 1 << 20;
    private static final int LONGEST_COMPLAINT = 4_000;
    private static final Duration DRAINING = Duration.ofSeconds(2);
    /** Ctrl-C ends a tool as well, with this exit code, and often before we know of it: so long until we do. */
    private static final int BY_CTRL_C = 130;
    private static final long NOTICED_MILLIS = 300;
    /** Variables that no child is given: a tool that logs its environment would tell them. */
    private static final Pattern SECRET_VARIABLES =
            Pattern.compile("KLAVIYO_.*(KEY|TOKEN|SECRET|PASSWORD)|SLACK_WEBHOOK_URL", Pattern.CASE_INSENSITIVE);
    // Each keeps its tool from asking questions that nobody would see, or from paging its output.
    private static final Map<String, String> QUIET = Map.of("AWS_PAGER", "", "CLOUDSDK_CORE_DISABLE_PROMPTS", "1",
            "GH_PROMPT_DISABLED", "1", "NO_COLOR", "1", "SYSTEMD_PAGER", "", "SYSTEMD_COLORS", "0");
    private final Map<String, String> environment;
    private final Path folder;
    private final Duration timeout;
    private final boolean windows;
    private final Key.Secrets secrets = new Key.Secrets();
    private final Set<Process> running = ConcurrentHashMap.newKeySet();
    private volatile Consumer<ProcessHandle> watcher = child -> { };
    private volatile boolean stopped;

    /** Runs tools with these variables, less what holds a secret, in a folder, for so long at most, on a platform. */
    public Tool(Map<String, String> environment, Path folder, Duration timeout, String platform) {
        this.environment = environment;
        this.folder = folder;
        this.timeout = timeout;
        this.windows = platform.startsWith("Windows");
        environment.keySet().stream().filter(SECRET_VARIABLES.asMatchPredicate())
                .forEach(name -> secrets.add(environment.get(name)));
    }

    /** Runs tools where a script runs. */
    public static Tool of(Screen.Host host, Duration timeout) {
        return new Tool(host.environment(), host.folder(), timeout, System.getProperty("os.name"));
    }

    /** How long a command may run that is given no other time. */
    public Duration timeout() {
        return timeout;
    }

    /** Whether this is Windows, which has no {@code /dev/stdin} and no {@code /bin/sh}. */
    public boolean windows() {
        return windows;
    }

    // ---- a command: the program and its arguments, and nothing secret among them

    /** Its words as they can be pasted into a shell. */
    public static String shown(List<String> command) {
        return Key.mask(command.stream().map(Text::word).collect(Collectors.joining(" ")));
    }

    /** The program without its folder: arguments may hold what nobody should read. */
    public static String name(List<String> command) {
        return Text.safe(command.get(0).replaceFirst(".*[/\\\\]", ""), 60);
    }

    /** A line that a person wrote for the shell, as a command. */
    public List<String> shell(String line) {
        return windows ? List.of("cmd.exe", "/c", line) : List.of("/bin/sh", "-c", line);
    }

    /** What a tool gave. It may hold a secret, so it has no text of its own. */
    public record Output(int exit, String out, String err) {
        /** Whether it ended with exit code 0. */
        public boolean ok() {
            return exit == 0;
        }

        @Override
        public String toString() {
            return "exit code " + exit;
        }
    }

    /** What kept a tool from giving anything: its message is one line, safe to print. */
    public static final class Failure extends Exception {
        private final boolean missing;

        Failure(boolean missing, String message) {
            super(message, null, false, false);
            this.missing = missing;
        }

        /** Whether it is not installed, or cannot be started. */
        public boolean missing() {
            return missing;
        }
    }

    // ---- running it

    /** Runs a command to its end. Its exit code is for the caller to judge. */
    public Output run(List<String> command) throws Failure {
        return run(command, "", Map.of());
    }

    /** The same, fed by standard input, with these variables too unless one is secret. */
    public Output run(List<String> command, String input, Map<String, String> variables) throws Failure {
        try (Running child = start(command, input, builder -> builder.environment().putAll(clean(variables)))) {
            Kept out = child.keep(child.output());
            int exit = child.await(timeout);
            return new Output(exit, out.toString(UTF_8), child.err.toString(UTF_8));
        }
    }

    /**
     * The same for a command that may leave something running. Its output, both streams in one, goes to a file: what it
     * leaves running would otherwise die of a broken pipe once we are gone.
     */
    public Output lasting(List<String> command, Duration within) throws Failure {
        try {
            File file = Files.createTempFile("klaviyo-runbook", ".out").toFile();
            try (Running child = start(command, "", builder -> builder.redirectErrorStream(true).redirectOutput(file));
                    InputStream said = Files.newInputStream(file.toPath())) {
                int exit = child.await(within);
                child.left = true;
                return new Output(exit, new String(said.readNBytes(LONGEST_OUTPUT), UTF_8), "");
            } finally {
                if (!file.delete()) {
                    file.deleteOnExit();
                }
            }
        } catch (IOException e) {
            throw new Failure(false, "no temporary file can be made: " + Text.safe(e.getMessage(), 120));
        }
    }

    /** Runs another step to its end, by the command that is printed for it. */
    static Output step(Screen.Host host, String command) throws Failure {
        if (command.contains(Launcher.UNKNOWN)) {
            throw new Failure(true, "not known where the steps come from: set KLAVIYO_RUNBOOK_CATALOG");
        }
        Tool tool = of(host, Duration.ofMinutes(2));
        return tool.run(tool.shell(command));
    }

    /** Starts a command whose standard output, and error where {@code merged}, is a stream as long as it may be. */
    public Running start(List<String> command, boolean merged) throws Failure {
        return start(command, "", builder -> builder.redirectErrorStream(merged));
    }

    private Running start(List<String> command, String input, Consumer<ProcessBuilder> more) throws Failure {
        standStill(0);
        List<String> words = new ArrayList<>(command);
        words.set(0, find(command.get(0)).orElseThrow(() -> new Failure(true, name(command)
                + (command.get(0).contains("/") ? " is not there" : " is not installed (not on the PATH)"))));
        File where = folder.toString().isEmpty() ? null : folder.toFile();
        ProcessBuilder builder = new ProcessBuilder(words).directory(where);
        builder.environment().clear();
        builder.environment().putAll(clean(Map.of()));
        more.accept(builder);
        try {
            Running child = new Running(command, builder.start());
            watcher.accept(child.process.toHandle());
            daemon(child.process.getOutputStream(), stdin -> stdin.write(input.getBytes(UTF_8)));
            return child;
        } catch (IOException e) {
            String why = Text.safe(concealed(String.valueOf(e.getMessage())), 120);
            throw new Failure(true, name(command) + " cannot be run: " + why);
        }
    }

    /** A tool that runs. Closing it ends it, and all that it started. */
    public final class Running implements AutoCloseable {
        private final List<String> command;
        private final Process process;
        private final List<Thread> listeners = new ArrayList<>();
        private final Kept err;
        private boolean left;

        private Running(List<String> command, Process process) {
            this.command = command;
            this.process = process;
            err = keep(process.getErrorStream());
            running.add(process);
        }

        private Kept keep(InputStream stream) {
            Kept kept = new Kept();
            listeners.add(daemon(stream, said -> said.transferTo(kept)));
            return kept;
        }

        /** Its standard output, and its error where they were merged: to be read while it runs, or it waits. */
        public InputStream output() {
            return process.getInputStream();
        }

        /** Its exit code, once it has ended; waits for that a little while, for whoever has read all its output. */
        public Optional<Integer> exit() {
            return ends(DRAINING) ? Optional.of(process.exitValue()) : Optional.empty();
        }

        // A grandchild may hold the pipes open for ever: what has come by then is what there is.
        private boolean ends(Duration within) {
            try {
                boolean ended = process.waitFor(within.toMillis(), TimeUnit.MILLISECONDS);
                for (Thread listener : ended ? listeners : List.<Thread>of()) {
                    listener.join(DRAINING.toMillis());
                }
                return ended;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }

        /** What it said on standard error, its beginning, without any secret that we know. */
        public String complaint() {
            String said = err.toString(UTF_8);
            return concealed(said.substring(0, Math.min(said.length(), LONGEST_COMPLAINT)));
        }

        private int await(Duration within) throws Failure {
            if (!ends(within)) {
                boolean interrupted = Thread.currentThread().isInterrupted();
                throw new Failure(false, name(command) + (interrupted ? " was interrupted"
                        : " did not end within " + Durations.words(within) + " and was stopped"));
            }
            running.remove(process);
            standStill(process.exitValue() == BY_CTRL_C ? NOTICED_MILLIS : 0);
            return process.exitValue();
        }

        @Override
        public void close() {
            if (!left && process.isAlive()) {
                kill(process.toHandle());
            }
            running.remove(process);
        }
    }

    /** As much as is kept of what a tool says. It may be read while it is still written. */
    private static final class Kept extends ByteArrayOutputStream {
        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            super.write(bytes, from, Math.min(length, LONGEST_OUTPUT - count));
        }
    }

    private interface Work<T> {
        void with(T stream) throws IOException;
    }

    private static <T extends Closeable> Thread daemon(T stream, Work<T> work) {
        Thread thread = Cli.daemons("tool").newThread(() -> {
            try (stream) {
                work.with(stream);
            } catch (IOException e) {
                // Killed in mid-sentence, or it did not want its input: its exit code tells.
            }
        });
        thread.start();
        return thread;
    }

    /** Is told of every child as it starts. */
    public void watch(Consumer<ProcessHandle> started) {
        watcher = started;
    }

    /** Ends what runs and lets no other start, for when this process is told to stop: who waits for a tool waits on. */
    public void stop() {
        stopped = true;
        running.forEach(child -> kill(child.toHandle()));
    }

    // This process is ending: what would come next must not begin, and what was ended from outside is no failure.
    private void standStill(long notBefore) {
        try {
            Thread.sleep(notBefore);
            while (stopped) {
                Thread.sleep(Duration.ofDays(1).toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends a process and then all that it started: a shell whose command is ended first would go on with the next. */
    public static void kill(ProcessHandle child) {
        Stream.concat(Stream.of(child), child.descendants()).toList().forEach(ProcessHandle::destroyForcibly);
    }

    /** Where a program is; empty when it is not there. One with a folder in its name is not looked for elsewhere. */
    public Optional<String> find(String program) {
        String endings = windows ? ";" + variable("PATHEXT", ".COM;.EXE;.BAT;.CMD") : "";
        boolean placed = program.contains("/") || windows && program.contains("\\");
        String places = placed ? "." : variable("PATH", "");
        return Stream.of(places.split(windows ? ";" : ":"))
                .map(place -> folder.resolve(place.isEmpty() ? "." : place))
                .flatMap(place -> Stream.of(endings.split(";")).map(ending -> place.resolve(program + ending)))
                .filter(file -> Files.isRegularFile(file) && (windows || Files.isExecutable(file)))
                .map(Path::toString).findFirst();
    }

    // Windows calls it Path, and takes any case.
    private String variable(String name, String otherwise) {
        return environment.keySet().stream().filter(windows ? name::equalsIgnoreCase : name::equals).findFirst()
                .map(environment::get).orElse(otherwise);
    }

    // ---- what nobody may see

    private Map<String, String> clean(Map<String, String> more) {
        Map<String, String> clean = new HashMap<>(environment);
        clean.putAll(QUIET);
        clean.putAll(more);
        clean.keySet().removeIf(SECRET_VARIABLES.asMatchPredicate());
        clean.values().removeIf(value -> !concealed(value).equals(value));
        return clean;
    }

    /** Keeps this key out of every child's environment and every message from now on. */
    public void conceal(Key key) {
        secrets.add(key.reveal());
    }

    /** A text without any secret that we know, as it is, reversed, in base64, hex or URL-encoded, or in pieces. */
    public String concealed(String text) {
        return secrets.masked(text);
    }

    /**
     * How the next script is started, as this one was: its name made the words that start it, the options that carry
     * over, by name, what a team or person has set, and what has to be said under the commands.
     */
    public record Launcher(UnaryOperator<String> script, Map<String, String> options,
            Function<String, Optional<String>> set, List<String> notes) {
        private static final String UNKNOWN = "@CATALOG";

        /** As this script was started, with what was given to it about where things are; no login among it. */
        static Launcher of(Screen.Host host, List<OptionSpec> given, Function<String, Optional<String>> set) {
            Map<String, String> options = new LinkedHashMap<>();
            List<String> left = new ArrayList<>();
            // What says where things are, and not how they are shown.
            for (OptionSpec option : given.stream().filter(Cli::shared)
                    .filter(one -> !Cli.heading(one).equals("Output:")).toList()) {
                String name = Cli.name(option);
                String value = option.arity().max() == 0 ? "" : option.originalStringValues().get(0);
                String open = Settings.open(value);
                if (name.equals("key-command")) {
                    left.add("--" + name);
                } else {
                    options.put(name, "--" + name + (value.isEmpty() ? "" : " " + Text.word(open)));
                    left.addAll(open.equals(value) ? List.of() : List.of("the login or token in --" + name));
                }
            }
            UnaryOperator<String> script = script(host, set.apply("catalog"));
            List<String> notes = new ArrayList<>();
            if (!left.isEmpty()) {
                notes.add("Left out of these commands, add it again: " + String.join(", ", left));
            }
            if (script.apply("").endsWith(UNKNOWN)) {
                notes.add("CATALOG is where this script came from, which it cannot know. Commands name it after:"
                        + " export KLAVIYO_RUNBOOK_CATALOG=…");
            }
            return new Launcher(script, options, set, notes);
        }

        /** A clone's wrapper, a catalog, a script in the current folder, an exported jar; or nothing of it is known. */
        private static UnaryOperator<String> script(Screen.Host host, Optional<String> catalog) {
            Optional<String> wrapper = host.env("KLAVIYO_RUNBOOK_COMMAND");
            Path jar = ownJar();
            if (wrapper.isPresent()) {
                return name -> Text.word(wrapper.get()) + " " + name;
            } else if (catalog.isPresent()) {
                return name -> "jbang " + Text.word(name + "@" + catalog.get());
            } else if (Files.exists(host.path("triage.java")) && Files.exists(host.path("runbook"))) {
                return name -> "jbang " + name + ".java";
            } else if (jar.toString().matches("(?!.*[/\\\\]cache[/\\\\]jars[/\\\\]).*\\.jar")) {
                return name -> "java -jar " + Text.word(jar.resolveSibling(name + ".jar").toString());
            }
            return name -> "jbang " + name + UNKNOWN;
        }

        private static Path ownJar() {
            try {
                return Path.of(Tool.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            } catch (URISyntaxException | RuntimeException e) {
                return Path.of("");
            }
        }

        /** The same with an option's value in place of what was given for it; null leaves the option away. */
        public Launcher with(String option, String value) {
            Map<String, String> others = new LinkedHashMap<>(options);
            others.compute(option, (name, before) -> value == null ? null : "--" + name + " " + Text.word(value));
            return new Launcher(script, others, set, notes);
        }

        /** The words that start a script, without options. */
        public String command(String name) {
            return script.apply(name);
        }

        /** A script's whole command line, with those of the options that it has. */
        public String line(String name, String more) {
            StringBuilder line = new StringBuilder(command(name)).append(more.isBlank() ? "" : " " + more.strip());
            List<String> useless = Cli.useless(name + " " + more.strip());
            options.forEach((option, words) -> line.append(useless.contains(option) ? "" : " " + words));
            return line.toString();
        }
    }
}
