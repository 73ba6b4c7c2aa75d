package runbook.rotation;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Set;
import runbook.Incident;

/**
 * At most one rotation at a time on one incident. The lock is the operating system's: it ends with the process, however
 * that ends, so a run after {@code kill -9} is never locked out.
 */
public final class RotationLock implements AutoCloseable {
    private final FileChannel channel;

    private RotationLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes it; empty when another rotation has it.
     *
     * @throws IOException when the folder cannot be written
     */
    public static Optional<RotationLock> take(Incident incident) throws IOException {
        incident.create();
        Path file = incident.folder().resolve("rotation.lock");
        FileChannel channel = FileChannel.open(file, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), mode(file));
        try {
            FileLock lock = channel.tryLock();
            if (lock != null) {
                return Optional.of(new RotationLock(channel));
            }
        } catch (OverlappingFileLockException e) {
            // Held by this very process: taken all the same.
        }
        channel.close();
        return Optional.empty();
    }

    private static FileAttribute<?>[] mode(Path file) {
        return file.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
                }
                : new FileAttribute<?>[0];
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
