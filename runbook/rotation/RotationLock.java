package runbook.rotation;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import runbook.incident.Incident;

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
        FileChannel channel = FileChannel.open(incident.folder().resolve("rotation.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
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

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
