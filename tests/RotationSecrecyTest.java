import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Where a key may be seen while it is rotated: nowhere. */
class RotationSecrecyTest {
    private static final int SAMPLES = 1000;
    private static final int MOST_ROTATIONS = 20;

    @Test
    void noProcessShowsAKeyInItsArgumentsOrEnvironment() throws Exception {
        Assumptions.assumeTrue(Files.isDirectory(Path.of("/proc/self")), "there is no /proc to look at");
        try (RotationScene bench = new RotationScene()) {
            Path old = Files.writeString(bench.folder.resolve("old.key"), bench.oldKey());
            Path fresh = Files.writeString(bench.folder.resolve("new.key"), bench.newKey());
            // Slow tools: there is always one to be seen.
            for (String tool : List.of("vault", "systemctl")) {
                Path script = bench.tools.file("bin/" + tool);
                Files.writeString(script, Files.readString(script).replaceFirst("\n", "\nsleep 0.2\n"));
            }
            Run rotation = bench.apart("--key-file", old.toString(), "--new-key-file", fresh.toString())
                    .env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_NEW_PRIVATE_KEY", null);
            List<String> seen = new ArrayList<>();
            // Only looks that find a tool at work count: how many fit before the first one starts depends on the
            // machine.
            int samples = 0;
            for (int rotations = 0; samples < SAMPLES && rotations < MOST_ROTATIONS; rotations++) {
                try (Run.Running running = rotation.start()) {
                    while (running.process().isAlive() && samples < SAMPLES) {
                        samples += look(bench, running.process().pid(), seen);
                    }
                    assertEquals(0, running.await().exit(), () -> running.out() + running.err());
                }
            }
            assertEquals(List.of(), seen);
            assertEquals(SAMPLES, samples, "samples with a tool at work");
        }
    }

    /** One look at every process that this test's rotation started; the rotation itself may hold what it was given. */
    private static int look(RotationScene bench, long rotation, List<String> seen) {
        List<Long> children = ProcessHandle.of(rotation).map(ProcessHandle::descendants).orElse(Stream.of())
                .map(ProcessHandle::pid).toList();
        for (long pid : children) {
            for (String file : List.of("cmdline", "environ")) {
                String text = read(Path.of("/proc", Long.toString(pid), file));
                if (text.contains(bench.oldKey()) || text.contains(bench.newKey())) {
                    seen.add(file + " of " + read(Path.of("/proc", Long.toString(pid), "comm")).strip());
                }
            }
        }
        String own = read(Path.of("/proc", Long.toString(rotation), "cmdline"));
        if (own.contains(bench.oldKey()) || own.contains(bench.newKey())) {
            seen.add("cmdline of rotate-key");
        }
        return children.isEmpty() ? 0 : 1;
    }

    private static String read(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            // Gone between two looks.
            return "";
        }
    }

    @Test
    void nothingThatIsLeftBehindHoldsAKey() throws Exception {
        try (RotationScene bench = new RotationScene()) {
            Path env = Files.writeString(bench.folder.resolve(".env"), "KEY=" + bench.oldKey() + "\n");
            Run.Result result = bench.bare("--to", "file:" + env + "#KEY", "--restart",
                    "exec:cp .env app.env; sed 's/KEY=//' .env | tr -d '\\n' > app", "--json").run();
            assertEquals(0, result.exit(), result::toString);
            try (Stream<Path> files = Files.walk(bench.folder)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    String text = Files.readString(file, StandardCharsets.ISO_8859_1);
                    boolean holds = text.contains(bench.oldKey()) || text.contains(bench.newKey());
                    assertFalse(holds && !file.getFileName().toString().matches("\\.env|app\\.env|app|value.*|first"),
                            file + " holds a key");
                }
            }
            assertFalse((result.out() + result.err()).contains("_" + bench.newKey().substring(10)), result::toString);
            try (Stream<Path> files = Files.list(bench.incident())) {
                for (Path file : files.toList()) {
                    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)),
                            file.toString());
                }
            }
        }
    }
}
