package runbook.bundle;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The disk that a bundle is made on. Its parts are still there while the archive is written, so each may have half of what was
 * free at the start; then the oldest lines give way, as they do for a limit on the size.
 */
final class Room {
    private final FileStore disk;
    private final long wanted;
    private final long size;

    /**
     * @param folder where parts and archive grow
     * @param wanted packed bytes that the archive may have by itself
     */
    Room(Path folder, long wanted) throws IOException {
        this.disk = Files.getFileStore(folder);
        this.wanted = wanted;
        this.size = Math.min(wanted, disk.getUsableSpace() / 2);
    }

    /** Packed bytes that all parts together may have. */
    long size() {
        return size;
    }

    /** Whether the disk, and not what was asked for, sets the size. */
    boolean limits() {
        return size < wanted;
    }

    /** Whether so little is free by now that the archive would not fit. */
    boolean scarce() {
        return free() < size;
    }

    /** Bytes that are free now. */
    long free() {
        try {
            return disk.getUsableSpace();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
