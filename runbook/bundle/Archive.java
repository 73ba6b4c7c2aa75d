package runbook.bundle;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.zip.ZipEntry;
import org.apache.commons.compress.archivers.zip.Zip64Mode;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;

/** Writes parts into a zip. They are deflated already, so this is copying. */
final class Archive {
    private static final int OWNER_ONLY = 0100600;

    private Archive() { }

    /** Writes the items in their order. */
    static void write(Path file, List<Item> items, Instant at) throws IOException {
        try (OutputStream raw = new BufferedOutputStream(Files.newOutputStream(file), 1 << 16);
                ZipArchiveOutputStream zip = new ZipArchiveOutputStream(raw)) {
            zip.setUseZip64(Zip64Mode.AsNeeded);
            for (Item item : items) {
                Part.Sums sums = item.part().sums();
                ZipArchiveEntry entry = new ZipArchiveEntry(item.path());
                entry.setMethod(ZipEntry.DEFLATED);
                entry.setSize(sums.plain());
                entry.setCrc(sums.crc());
                entry.setCompressedSize(item.part().packed());
                entry.setLastModifiedTime(FileTime.from(at));
                entry.setUnixMode(OWNER_ONLY);
                try (InputStream deflated = item.part().deflated()) {
                    zip.addRawArchiveEntry(entry, deflated);
                }
            }
        }
    }
}
