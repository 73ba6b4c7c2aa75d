package runbook.bundle;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A folder beside the target, for its owner alone, where the archive grows; gone when this is closed, or when the process is interrupted. */
final class Staging implements Closeable {
    private final Path folder;
    private final Thread cleanup = new Thread(this::cleanUp);

    /** @param target beside which to work, so that the finished file only has to be renamed */
    Staging(Path target) throws IOException {
        Path beside = target.toAbsolutePath().getParent();
        Files.createDirectories(beside);
        folder = Files.createTempDirectory(beside, ".bundle-", owner("rwx------"));
        Runtime.getRuntime().addShutdownHook(cleanup);
    }

    private static FileAttribute<?>[] owner(String mode) {
        return FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode))}
                : new FileAttribute<?>[0];
    }

    Path folder() {
        return folder;
    }

    /** A new empty file in it (0600). */
    Path file(String name) throws IOException {
        return Files.createFile(folder.resolve(name), owner("rw-------"));
    }

    private void cleanUp() {
        // Children write into pipes that nobody reads any more: they go first.
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        // Threads still run, and may make a file while the folder is being emptied.
        for (int i = 0; i < 100 && Files.exists(folder); i++) {
            delete();
        }
    }

    private void delete() {
        try (Stream<Path> files = Files.walk(folder)) {
            List<Path> deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
            for (Path file : deepestFirst) {
                Files.deleteIfExists(file);
            }
        } catch (IOException | UncheckedIOException e) {
            // What is left is redacted and readable by its owner alone.
        }
    }

    @Override
    public void close() {
        delete();
        try {
            Runtime.getRuntime().removeShutdownHook(cleanup);
        } catch (IllegalStateException e) {
            // The process is ending already, and the hook has run.
        }
    }
}
