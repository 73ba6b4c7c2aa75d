import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.junit.jupiter.api.DynamicTest;
import runbook.*;
import runbook.Key.LastGood;
import runbook.Screen.Host;
import runbook.Text.Json;
import runbook.sandbox.*;

/**
 * One rotation's surroundings: a sandbox Klaviyo, a stand-in store, and an application that starts with what is stored.
 */
final class RotationScene implements AutoCloseable {
    /** What a tool does that is held: tells its process id, and goes on when it is let. */
    static final String HOLD = "echo $$. > \"$here/there\"; while [ ! -f \"$here/go\" ]; do sleep 0.02; done";
    private static final int AT_ONCE = 4;

    final ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ZERO, 20);
    final Path folder = Tree.temporary("rotation");
    final Path incident = folder.resolve("incident");
    final String oldKey = sandbox.key();
    final String newKey = sandbox.newKey();
    final StandIns tools = new StandIns(folder, oldKey);
    /**
     * How the application is: {@code telling} tells which key it uses; {@code ill} is so with every key; {@code dying}
     * does not answer at all once it ran with the new one and has the old again; {@code lost} is not at that address.
     */
    volatile List<String> manners = List.of();
    /** What whoever rotates has set beside the usual; with null, it is not set. */
    final Map<String, String> variables = new HashMap<>();
    /** What a tool that was held does when it goes on. */
    String then = "";
    private volatile boolean changed;
    private final LoopbackServer app = new LoopbackServer(request -> health());
    private final Path home = folder.resolve("home");

    RotationScene() {
        settings("rotate-key.yes=true\nrotate-key.verify-for=2s\nrotate-key.tool-timeout=2500ms\n"
                + "rotate-key.restart-within=2500ms\n");
    }

    /** What whoever rotates has in their own settings. */
    void settings(String lines) {
        Tree.write(home.resolve(".klaviyo-runbook.properties"), lines);
    }

    private LoopbackServer.Response health() {
        changed |= tools.app().equals(newKey);
        if (manners.contains("dying") && changed && tools.app().equals(oldKey)) {
            throw new IllegalStateException("no answer is wanted");
        }
        boolean well = !manners.contains("ill") && sandbox.accepts(tools.app());
        Map<String, Object> body = new TreeMap<>(Map.of("status", well ? "ok" : "down"));
        if (manners.contains("telling")) {
            body.put("keyFingerprint", Key.of(tools.app()).fingerprint());
        }
        int status = manners.contains("lost") ? 404 : 503;
        return new LoopbackServer.Response(well && status == 503 ? 200 : status, Json.of(body).toString());
    }

    /** {@code rotate-key} with the stand-in Vault and systemd. */
    Run rotate(String... more) {
        return into("vault:secret/klaviyo#key", "systemd:web").args(more);
    }

    /** The same with another store and target. */
    Run into(String store, String target) {
        return bare("--to", store, "--restart", target);
    }

    /** The same without stores and targets. */
    Run bare(String... more) {
        return surrounded(Run.script("rotate-key")).args(more);
    }

    /** The same in a process of its own, to be killed. */
    Run apart(String... more) {
        return surrounded(Run.process("rotate-key"))
                .args("--to", "vault:secret/klaviyo#key", "--restart", "systemd:web").args(more);
    }

    private Run surrounded(Run run) {
        environment().forEach(run::env);
        run.cwd(folder).home(home);
        variables.forEach(run::env);
        return run;
    }

    /** The variables of whoever rotates. */
    Map<String, String> environment() {
        return new TreeMap<>(Map.of("HOME", home.toString(),
                "PATH", folder.resolve("bin") + ":" + System.getenv("PATH"),
                "KLAVIYO_PRIVATE_KEY", oldKey, "KLAVIYO_NEW_PRIVATE_KEY", newKey,
                "KLAVIYO_API_URL", sandbox.target().api().toString(), "KLAVIYO_APP_URL", app.url() + "/health",
                "KLAVIYO_INCIDENT", incident.toString(), "XDG_STATE_HOME", folder.resolve("state").toString()));
    }

    /** All was well with this key once. */
    void remember(Key key) {
        try {
            LastGood.remember(new Host(environment(), folder, System.in, System.out, System.err), sandbox.accountId(),
                    "Acme", Set.of(), key, Instant.now());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is kept of it; empty where nothing is. */
    String record() {
        return Tree.read(incident.resolve("rotation.json"));
    }

    // ---- what becomes of a run

    /** It ends with this exit code and says all of this, wherever its lines are broken; no key is ever shown. */
    Run.Result ends(int exit, Run run, String... says) {
        return ended(exit, run.run(), says);
    }

    Run.Result ended(int exit, Run.Result result, String... says) {
        assertEquals(exit, result.exit(), result::toString);
        String all = (result.out() + " " + result.err()).replaceAll("\\s+", " ");
        Stream.of(says).forEach(words -> assertTrue(all.contains(words), () -> words + "\n" + result));
        // A key's second half is as secret as the whole.
        assertFalse(Stream.of(oldKey, newKey).anyMatch(key -> all.contains(key.substring(12))), "a key is shown");
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.toList()) {
                refuseUnsafe(file);
            }
        } catch (IOException | UncheckedIOException e) {
            // A tool of a rotation that still runs came between.
        }
        return result;
    }

    /** What a rotation leaves holds no key, and nobody else can read it; nor is half a dotenv file left. */
    private void refuseUnsafe(Path file) throws IOException {
        assertFalse(file.toString().endsWith(".rotate-key"), () -> file + " is left");
        if (file.startsWith(incident) || file.startsWith(folder.resolve("state"))) {
            String text = Files.isDirectory(file) ? "" : Tree.read(file);
            assertFalse(text.contains(oldKey) || text.contains(newKey), () -> file + " holds a key");
            assertTrue(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)).endsWith("------"), () ->
                    file + " is open to others");
        }
    }

    /** The store and the application have this key, and it is alive. */
    void has(String key) {
        assertEquals(key, tools.value(), "the store");
        assertEquals(key, tools.app(), "the application");
        assertTrue(sandbox.accepts(key), "the application's key is dead");
    }

    /** Nothing was written, and nothing restarted. */
    void untouched() {
        assertEquals(oldKey, tools.value(), "the store");
        assertFalse(tools.calls().stream().anyMatch(call -> call.contains("patch") || call.contains("[restart]")),
                () -> String.join("\n", tools.calls()));
    }

    /** A rotation in a process of its own that stands still in the middle of a tool's call until {@link #release}. */
    Run.Running heldAt(String call, String... more) {
        Stream.of("there", "go").forEach(name -> tools.file(name).toFile().delete());
        tools.fail(call, HOLD + then);
        return apart(more).start().awaitUntil("the tool is held at " + call, () -> Files.exists(tools.file("there")));
    }

    /** Held there, and named in the record, which the tool runs a moment before: one killed earlier has had no key. */
    Run.Running notedAt(String call, String... more) {
        return heldAt(call, more).awaitUntil("the record names the tool", () -> {
            String[] held = Tree.read(tools.file("there")).split("\\.");
            return held.length > 1 && record().matches("(?s).*\"child\" : \"" + held[0] + " .*");
        });
    }

    void release() {
        Tree.write(tools.file("go"), "");
    }

    /** The same, ended there by kill -9; the tools are well again. */
    void killedAt(String call, String... more) {
        try (Run.Running running = heldAt(call, more)) {
            running.kill();
        }
        release();
        tools.mend();
    }

    @Override
    public void close() {
        release();
        app.close();
        sandbox.close();
    }

    /** A test of each case, by name, a few of them running at once. */
    static Stream<DynamicTest> atOnce(Map<String, Runnable> cases) {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
        Map<String, Future<?>> running = new TreeMap<>();
        cases.forEach((name, one) -> running.put(name, pool.submit(one)));
        pool.shutdown();
        return running.entrySet().stream().map(one -> DynamicTest.dynamicTest(one.getKey(), () -> {
            try {
                one.getValue().get();
            } catch (ExecutionException e) {
                throw e.getCause();
            }
        }));
    }
}
