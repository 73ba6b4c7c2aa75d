import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Where a key may be seen while it is rotated: nowhere. */
class RotationSecrecyTest {
    private static final int SAMPLES = 1000;
    private static final int MOST_ROTATIONS = 20;

    private final RotationScene bench = new RotationScene();

    @AfterEach
    void close() {
        bench.close();
    }

    @Test
    void noProcessShowsAKeyInItsArgumentsOrEnvironment() throws Exception {
        Assumptions.assumeTrue(Files.isDirectory(Path.of("/proc/self")), "there is no /proc to look at");
        Path old = Files.writeString(bench.folder.resolve("old.key"), bench.oldKey);
        Path fresh = Files.writeString(bench.folder.resolve("new.key"), bench.newKey);
        // Slow tools: there is always one to be seen.
        bench.tools.fail("e", "sleep 0.3", 999);
        Run rotation = bench.apart("--key-file", old.toString(), "--new-key-file", fresh.toString())
                .env("KLAVIYO_PRIVATE_KEY", null).env("KLAVIYO_NEW_PRIVATE_KEY", null);
        // Only looks that find a tool at work count: how many fit before the first one starts depends on the machine.
        int samples = 0;
        for (int rotations = 0; samples < SAMPLES && rotations < MOST_ROTATIONS; rotations++) {
            try (Run.Running running = rotation.start()) {
                while (running.process().isAlive() && samples < SAMPLES) {
                    samples += look(running.process().toHandle());
                }
                if (samples < SAMPLES) {
                    assertEquals(0, running.await().exit(), () -> running.out() + running.err());
                }
            }
        }
        assertEquals(SAMPLES, samples, "samples with a tool at work");
    }

    /** One look at every process that this rotation started; the rotation itself may hold what it was given. */
    private int look(ProcessHandle rotation) {
        List<Long> children = rotation.descendants().map(ProcessHandle::pid).toList();
        Stream.concat(Stream.of(rotation.pid() + "/cmdline"), children.stream().flatMap(pid ->
                Stream.of(pid + "/cmdline", pid + "/environ"))).forEach(file -> {
                    String text = read(Path.of("/proc", file));
                    assertFalse(text.contains(bench.oldKey) || text.contains(bench.newKey), file);
                });
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
        Path env = Files.writeString(bench.folder.resolve(".env"), "KEY=" + bench.oldKey + "\n");
        Run.Result result = bench.ends(0, bench.bare("--to", "file:" + env + "#KEY", "--restart",
                "exec:cp .env app.env; sed 's/KEY=//' .env | tr -d '\\n' > app", "--json"));
        try (Stream<Path> files = Files.walk(bench.folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String text = Files.readString(file, StandardCharsets.ISO_8859_1);
                boolean holds = text.contains(bench.oldKey) || text.contains(bench.newKey);
                assertFalse(holds && !file.getFileName().toString().matches("\\.env|app\\.env|app|value.*|first"),
                        file + " holds a key");
                assertTrue(!file.startsWith(bench.incident) || PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(file)).equals("rw-------"), file.toString());
            }
        }
        assertFalse((result.out() + result.err()).contains("_" + bench.newKey.substring(10)), result::toString);
    }
}
