import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.*;
import java.util.*;

/** Tools that record how they are called, {@code tests/stand-ins.sh} by many names, in a folder on the PATH. */
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

    /** Also stands for {@code gcloud}, {@code aws} and {@code ls}: elsewhere the real ones are wanted. */
    void installCloud() {
        List.of("gcloud", "aws", "ls").forEach(this::install);
    }

    private void install(String name) {
        Path file = Tree.write(folder.resolve("bin").resolve(name), Tree.read(Repository.file("tests/stand-ins.sh")));
        assertTrue(file.toFile().setExecutable(true), "this test's folder has no executable files");
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
        assertTrue(folder.resolve("bin").resolve(tool).toFile().delete(), tool + " was not there");
    }

    /** Every tool is there (again), and well. */
    void mend() {
        put("fault", "nothing 0\n");
        STORES.forEach(this::install);
        install("systemctl");
    }

    /** What was stored last, in whichever store. */
    String value() {
        return Tree.read(file("value"));
    }

    /** The key with which "the application" last started. */
    String app() {
        return Tree.read(file("app"));
    }

    List<String> calls() {
        return Tree.read(file("calls")).lines().toList();
    }

    /** What a tool was last fed. */
    String stdin(String tool) {
        return Tree.read(file("stdin-" + tool));
    }

    String environment(String tool) {
        return Tree.read(file("environment-" + tool));
    }

    Path file(String name) {
        return folder.resolve(name);
    }

    private void put(String name, String text) {
        Tree.write(file(name), text);
    }
}
