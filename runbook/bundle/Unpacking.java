package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Settings.Problem;
import runbook.Text;

/** Unpacks a bundle that came from somebody else: no path leaves the folder, nothing is overwritten, and no bomb fills the disk. */
public final class Unpacking {
    private static final int MOST_FILES = 100_000;

    private Unpacking() { }

    /**
     * Unpacks into a new folder.
     *
     * @param most bytes to unpack at most
     * @throws Problem     when the folder is there already, or the archive is not to be trusted; nothing is left then
     * @throws IOException when it is no archive, or cannot be unpacked
     */
    public static void unpack(Path archive, Path folder, long most) throws IOException {
        if (Files.exists(folder)) {
            throw new Problem(folder + " is there already: name another with --to");
        }
        try (ZipFile zip = new ZipFile(archive.toFile(), StandardCharsets.UTF_8); Staging staging = new Staging(folder)) {
            Path inside = Files.createDirectory(staging.folder().resolve("unpacked"));
            long left = most;
            int files = 0;
            for (ZipEntry entry : zip.stream().toList()) {
                if (!EntryNames.harmless(entry.getName().replaceFirst("/$", "")) || ++files > MOST_FILES) {
                    throw new Problem(archive + " is not unpacked: it has "
                            + (files > MOST_FILES
                                    ? "too many files"
                                    : "a name that would leave the folder: " + Text.safe(entry.getName(), 80)));
                }
                if (!entry.isDirectory()) {
                    left -= copy(zip, entry, inside.resolve(entry.getName()), left);
                }
            }
            Files.move(inside, folder);
        }
    }

    // The sizes that an archive states are only claims.
    private static long copy(ZipFile zip, ZipEntry entry, Path target, long left) throws IOException {
        Files.createDirectories(target.getParent());
        long copied = 0;
        try (InputStream input = zip.getInputStream(entry);
                OutputStream output = Files.newOutputStream(target, StandardOpenOption.CREATE_NEW)) {
            byte[] buffer = new byte[1 << 16];
            for (int read = input.read(buffer); read >= 0; read = input.read(buffer)) {
                copied += read;
                if (copied > left) {
                    throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
                }
                output.write(buffer, 0, read);
            }
        }
        return copied;
    }
}
