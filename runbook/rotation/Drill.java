package runbook.rotation;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.rotation.Trouble.Kind;
import runbook.sandbox.Sandbox;

/**
 * What a drill rotates: a dotenv file made for it, and the sandbox's application, which reads that file at each restart.
 * A variant breaks one step, once, so that the way back can be watched.
 */
public final class Drill implements AutoCloseable {
    /** The variants, as written after the scenario and a colon. */
    public static final Set<String> VARIANTS = Set.of("", "read-back", "restart", "verify");
    private static final String VARIABLE = "KLAVIYO_PRIVATE_KEY";

    private final Sandbox sandbox;
    private final String variant;
    private final Path folder;
    private final DotenvFile file;

    private Drill(Sandbox sandbox, String variant, Path folder, DotenvFile file) {
        this.sandbox = sandbox;
        this.variant = variant;
        this.folder = folder;
        this.file = file;
    }

    /**
     * Lays out the file and points the application at it.
     *
     * @param chosen a {@code file:} store to use, whose file must not be there yet and stays; empty for a temporary one
     * @throws IOException when the file cannot be made
     * @throws Problem     when the chosen store is no new file: a drill touches nothing that is there
     */
    public static Drill begin(Sandbox sandbox, String variant, Optional<SecretStore> chosen) throws IOException {
        Path folder = chosen.isPresent() ? null : Files.createTempDirectory("klaviyo-drill");
        SecretStore store = chosen.orElseGet(() -> Places.store("file:" + folder.resolve("app.env") + "#" + VARIABLE));
        if (!(store instanceof DotenvFile file) || Files.exists(file.path())) {
            throw new Problem("--to " + store.name()
                    + ": a drill touches nothing of yours; leave --to away, or give file:PATH#VAR with a file"
                    + " that does not exist yet");
        }
        Files.createFile(
                file.path(), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(
                file.path(),
                "# Made by a drill: this key opens nothing.\n" + file.variable() + "="
                        + sandbox.appKey() + "\n",
                StandardCharsets.UTF_8);
        sandbox.appKeyFile(file.path(), file.variable());
        if (variant.equals("restart")) {
            sandbox.failRestarts(1);
        } else if (variant.equals("verify")) {
            sandbox.breakAfterRestarts(1);
        }
        return new Drill(sandbox, variant, folder, file);
    }

    /** The drill's store. */
    public SecretStore store() {
        return variant.equals("read-back") ? new Garbling(file) : file;
    }

    /** The sandbox's application. */
    public RestartTarget target() {
        return new SandboxApp(sandbox);
    }

    /** A new key of the sandbox's account. */
    public Key newKey() {
        return Key.of(sandbox.newKey());
    }

    @Override
    public void close() throws IOException {
        if (folder != null) {
            Files.deleteIfExists(file.path());
            Files.deleteIfExists(folder);
        }
    }

    /** The sandbox's application as something to restart. */
    private record SandboxApp(Sandbox sandbox) implements RestartTarget {
        @Override
        public String name() {
            return "drill:app";
        }

        @Override
        public List<Command> restarting(Duration within) {
            return List.of(Command.of("curl", "-fsS", "-X", "POST", sandbox.restartUrl().toString()));
        }

        @Override
        public void inspect(Tool tool) {
            // It lives in this process.
        }

        @Override
        public void restart(Tool tool, Duration within) throws Trouble {
            if (!sandbox.restartApp()) {
                throw new Trouble(Kind.FAILED, "HTTP 500: the application did not start", "");
            }
        }

        @Override
        public Subject subject() {
            return new Subject("drill:app", "");
        }
    }

    /** A store that keeps something else than it was given, once: a line break too much, the classic of {@code echo}. */
    private static final class Garbling implements SecretStore {
        private final SecretStore store;
        private boolean garbled;

        Garbling(SecretStore store) {
            this.store = store;
        }

        @Override
        public String name() {
            return store.name();
        }

        @Override
        public Command reading() {
            return store.reading();
        }

        @Override
        public Command writing() {
            return store.writing();
        }

        @Override
        public String route() {
            return store.route();
        }

        @Override
        public Held inspect(Tool tool) throws Trouble {
            return store.inspect(tool);
        }

        @Override
        public Held read(Tool tool) throws Trouble {
            return store.read(tool);
        }

        @Override
        public void write(Tool tool, Key key) throws Trouble {
            store.write(tool, garbled ? key : Key.of(key.reveal() + "x"));
            garbled = true;
        }
    }
}
