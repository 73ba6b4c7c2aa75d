package runbook.rotation;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Tool;
import runbook.rotation.Steps.Trouble;
import runbook.rotation.Stores.Store;
import runbook.rotation.Stores.Target;
import runbook.sandbox.Sandbox;

/**
 * What a drill rotates: a dotenv file made for it, and the sandbox's application, which reads that file at each
 * restart. A variant breaks one step, once, so that the way back can be watched.
 */
public final class Drill implements AutoCloseable, Target {
    /** The variants, as written after the scenario and a colon. */
    public static final Set<String> VARIANTS = Set.of("", "read-back", "restart", "verify");

    private final Sandbox sandbox;
    private final Path folder;
    private final DotenvFile file;
    private String variant;

    private Drill(Sandbox sandbox, Path folder, DotenvFile file, String variant) {
        this.sandbox = sandbox;
        this.folder = folder;
        this.file = file;
        this.variant = variant;
    }

    /**
     * Lays out the file and points the application at it.
     *
     * @param chosen a {@code file:} store to use, whose file must not be there yet and stays; empty for a temporary one
     * @throws IOException when the file cannot be made
     * @throws Problem     when the chosen store is no new file: a drill touches nothing that is there
     */
    public static Drill begin(Sandbox sandbox, String variant, Optional<Store> chosen) throws IOException {
        if (chosen.filter(store -> !(store instanceof DotenvFile file) || Files.exists(file.path())).isPresent()) {
            throw new Problem("--to " + Text.safe(chosen.get().name(), 80)
                    + ": a drill touches nothing of yours; leave --to away, or give file:PATH#VAR with a file that does"
                    + " not exist yet");
        }
        // A letter too much, once, as with a slip of the hand.
        AtomicBoolean slips = new AtomicBoolean(variant.equals("read-back"));
        UnaryOperator<Key> hand = key -> slips.getAndSet(false) ? Key.of(key.reveal() + "x") : key;
        Path folder = chosen.isPresent() ? null : Files.createTempDirectory("klaviyo-drill");
        Optional<DotenvFile> theirs = chosen.map(DotenvFile.class::cast);
        DotenvFile file = new DotenvFile(theirs.map(DotenvFile::path).orElseGet(() -> folder.resolve("app.env")),
                theirs.map(DotenvFile::variable).orElse("KLAVIYO_PRIVATE_KEY"), hand);
        Files.createFile(file.path(), DotenvFile.mode("rw-------"));
        Files.writeString(file.path(), "# Made by a drill: this key opens nothing.\n" + file.variable() + "="
                + sandbox.appKey() + "\n");
        sandbox.appKeyFile(file.path(), file.variable());
        return new Drill(sandbox, folder, file, variant);
    }

    /** The drill's store. */
    public Store store() {
        return file;
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

    // ---- the sandbox's application as something to restart

    @Override
    public String name() {
        return "drill:app";
    }

    @Override
    public String restarting(Duration within) {
        return "curl -fsS -X POST " + sandbox.restartUrl();
    }

    @Override
    public void reach(Tool tool) {
        // It lives in this process.
    }

    @Override
    public Optional<String> mark(Tool tool) {
        return Optional.empty();
    }

    @Override
    public void restart(Tool tool, Duration within) throws Trouble {
        String breaks = variant;
        variant = "";
        if (breaks.equals("restart")) {
            throw Trouble.unknown("HTTP 500: the application did not start");
        }
        sandbox.restartApp(!breaks.equals("verify"));
    }
}
