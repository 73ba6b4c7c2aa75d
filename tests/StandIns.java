import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** Tools that record how they are called, {@code tests/stand-ins.sh} by many names, in a folder of their own on the PATH. */
final class StandIns {
    /** Ways in which a call can go wrong; the value in the file says how the script does it. */
    enum Fault {
        EXITS_NON_ZERO("echo 'Error: boom' >&2; exit 3"),
        HANGS("sleep 300"),
        LIES("echo 'Error: boom'; exit 0"),
        GARBAGE("printf '\\001\\377 <<garbage>>'; exit 0"),
        KILLED("kill -9 $$"),
        /** Still answers these calls, and is gone for the next. */
        MISSING("[ \"$times\" -gt 1 ] || trap 'rm -f \"$0\"' EXIT");

        final String script;

        Fault(String script) {
            this.script = script;
        }
    }

    /** 1Password's {@code op} is a team's own store. */
    private static final List<String> STORES = List.of("vault", "az", "gh", "heroku", "op");

    private final Path folder;

    StandIns(Path folder, String value) {
        this.folder = folder;
        set(value);
        put("app", value);
        put("first", value);
        STORES.forEach(tool -> put("version-" + tool, "1"));
        put("starts", "1");
        put("calls", "");
        mend();
    }

    /** What somebody else puts into every store. */
    void set(String value) {
        put("value", value);
        STORES.forEach(tool -> put("value-" + tool, value));
    }

    /** Also stands for {@code gcloud} and {@code aws}: elsewhere the real ones are wanted, where there are any. */
    void installCloud() {
        install("gcloud");
        install("aws");
    }

    private void install(String name) {
        try {
            Path file = Files.createDirectories(folder.resolve("bin")).resolve(name);
            Files.writeString(file, Files.readString(Repository.file("tests/stand-ins.sh")));
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Lets the next so many calls whose words contain {@code on} (one word) go wrong by a shell script. */
    void fail(String on, String how, int times) {
        put("how", how + "\n");
        put("fault", on + " " + times + "\n");
    }

    /** The same for the next call. */
    void fail(String on, String how) {
        fail(on, how, 1);
    }

    void remove(String tool) {
        try {
            Files.delete(folder.resolve("bin").resolve(tool));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Every tool is there (again), and well. */
    void mend() {
        put("fault", "nothing 0\n");
        STORES.forEach(this::install);
        install("systemctl");
    }

    /** What was stored last, in whichever store. */
    String value() {
        return get("value");
    }

    /** The key with which "the application" last started. */
    String app() {
        return get("app");
    }

    List<String> calls() {
        return get("calls").lines().toList();
    }

    /** What a tool was last fed. */
    String stdin(String tool) {
        return get("stdin-" + tool);
    }

    String environment(String tool) {
        return get("environment-" + tool);
    }

    Path file(String name) {
        return folder.resolve(name);
    }

    private void put(String name, String text) {
        try {
            Files.writeString(file(name), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String get(String name) {
        try {
            return Files.readString(file(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
