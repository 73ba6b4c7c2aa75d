package runbook.bundle;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.redact.Redactor.Tally;

/** An archive on its way to the disk: where it grows, the names of its files, their blocks, and the zip they end in. */
final class Archive {
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    private static final Pattern SIZE = Pattern.compile("(?i)(\\d{1,9})\\s*(b|kb|mb|gb)?");
    private static final List<String> UNITS = List.of("B", "kB", "MB", "GB", "TB");
    private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com\\d|lpt\\d)(\\..*)?");
    // From a root, with another system's signs, or with a step that is none or leads up.
    private static final Pattern LEAVING = Pattern.compile("(?s)/.*|.*[\\\\:].*|(.*/)?\\.{0,2}(/.*)?");
    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\\p{Cf}]");
    private static final int LONGEST_NAME = 80;

    private Archive() { }

    // ---- files for their owner alone, whatever the umask is

    private static FileAttribute<?>[] mode(String permissions) {
        var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
        return POSIX ? new FileAttribute<?>[] {mode} : new FileAttribute<?>[0];
    }

    static Path newFile(Path file) throws IOException {
        return Files.createFile(file, mode("rw-------"));
    }

    /** A folder and those above it, where they are missing. */
    static Path newFolder(Path folder) throws IOException {
        return Files.isDirectory(folder) ? folder : Files.createDirectories(folder, mode("rwx------"));
    }

    /** Writes a stream into a new file, and its folder where it is missing. */
    static void save(InputStream content, Path file) throws IOException {
        newFolder(file.getParent());
        try (OutputStream output = Files.newOutputStream(newFile(file))) {
            content.transferTo(output);
        }
    }

    /** One file of the archive; {@code notes} are what there is to say about it: truncated, changed while read, … */
    record Item(String path, String collector, Pipeline.Part part, Tally tally, List<String> notes) {
        List<String> allNotes() {
            return Stream.concat(notes.stream(), part.notes().stream()).toList();
        }

        Map<String, Object> json() throws IOException {
            List<String> all = allNotes();
            Pipeline.Sums sums = part.sums();
            return Summary.fields("path", path, "bytes", sums.plain(), "sha256", sums.sha256(), "collector", collector,
                    "truncated", all.stream().anyMatch(note -> note.matches("truncated.*|.*stopped early.*")),
                    "notes", all);
        }
    }

    // ---- names and sizes

    /** One name made safe on every system: letters, digits and {@code . - _ = @ +}, at most 80 characters. */
    static String safe(String name) {
        String plain = name.replaceAll("[^\\p{L}\\p{N}._=@+-]+", "_").replaceAll("^[._]+|[._]+$", "");
        // The end of a long path tells more than its beginning.
        String shorter = plain.substring(Math.max(0, plain.length() - LONGEST_NAME)).replaceAll("^[._]+", "");
        return shorter.isEmpty() ? "unnamed" : RESERVED.matcher(shorter).matches() ? "_" + shorter : shorter;
    }

    /** Names that have been given: none alike in all but case, no file where a folder is. Safe for several threads. */
    static final class Names {
        private final Set<String> files = new HashSet<>();
        private final Set<String> folders = new HashSet<>();

        /** The path, or one with a number where it is taken. */
        synchronized String unique(String path) {
            String candidate = path;
            int dot = path.lastIndexOf('.') > path.lastIndexOf('/') ? path.lastIndexOf('.') : path.length();
            for (int number = 2; !take(candidate).isEmpty(); number++) {
                candidate = path.substring(0, dot) + "-" + number + path.substring(dot);
            }
            return candidate;
        }

        /** Takes a name from an archive; says what stands against it, or nothing. */
        String objection(String name) {
            String unsafe = unsafe(name);
            return unsafe.isEmpty() ? take(name) : unsafe;
        }

        /** Why a name from an archive cannot be given to a file here, on any system; empty when it can. */
        static String unsafe(String name) {
            List<String> parts = List.of(name.split("/"));
            if (LEAVING.matcher(name).matches()) {
                return "would leave the folder";
            } else if (parts.stream().anyMatch(part -> RESERVED.matcher(part).matches())) {
                return "is reserved on some system";
            } else if (parts.stream().anyMatch(part -> part.getBytes(StandardCharsets.UTF_8).length > 255)) {
                return "is too long";
            }
            return CONTROL.matcher(name).find() ? "holds control characters" : "";
        }

        private synchronized String take(String path) {
            String folded = path.toLowerCase(Locale.ROOT);
            List<String> above = new ArrayList<>();
            for (int slash = folded.indexOf('/'); slash >= 0; slash = folded.indexOf('/', slash + 1)) {
                above.add(folded.substring(0, slash));
            }
            if (folders.contains(folded) || above.stream().anyMatch(files::contains)) {
                return "is a file's and a folder's";
            } else if (!files.add(folded)) {
                return "is given twice";
            }
            folders.addAll(above);
            return "";
        }
    }

    /** {@code 512 B}, {@code 3.4 MB}. */
    static String words(long bytes) {
        double value = bytes;
        int unit = 0;
        for (; value >= 1000 && unit < UNITS.size() - 1; unit++) {
            value /= 1000;
        }
        return String.format(Locale.ROOT, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, UNITS.get(unit));
    }

    /** Reads a size such as {@code 200MB}, in decimal units; a {@link Problem} names the option. */
    static long size(String option, String text) {
        var parts = SIZE.matcher(text.strip());
        if (!parts.matches() || parts.group(1).matches("0+")) {
            throw new Problem(option + " '" + Text.safe(text, 40) + "' is no size: write 500kB, 200MB or 1GB");
        }
        String unit = parts.group(2) == null ? "b" : parts.group(2).toLowerCase(Locale.ROOT);
        return Long.parseLong(parts.group(1)) * (long) Math.pow(1000, "bkmg".indexOf(unit.charAt(0)));
    }

    // ---- where it grows

    /**
     * A folder beside the target, for its owner alone, where the archive grows; gone when this is closed or the process
     * is interrupted. What a killed run left is told by its lock, which nobody holds, and is removed by the next one.
     */
    static final class Staging implements Closeable {
        private static final String PREFIX = ".bundle-";
        private static final String LOCK = "lock";

        final Path folder;
        private final FileChannel channel;
        // Only kept: a lock that nobody refers to is forgotten.
        private final FileLock lock;
        private final Thread cleanup = new Thread(this::cleanUp);

        /** @param target beside which to work, so that the finished file only has to be renamed */
        Staging(Path target) throws IOException {
            Path beside = newFolder(target.toAbsolutePath().getParent());
            removeLeftovers(beside);
            folder = Files.createTempDirectory(beside, PREFIX, mode("rwx------"));
            channel = FileChannel.open(newFile(folder.resolve(LOCK)), StandardOpenOption.WRITE);
            lock = channel.tryLock();
            Runtime.getRuntime().addShutdownHook(cleanup);
        }

        private static void removeLeftovers(Path beside) {
            try (Stream<Path> children = Files.list(beside)) {
                for (Path child : children.filter(one -> one.getFileName().toString().startsWith(PREFIX)).toList()) {
                    if (abandoned(child.resolve(LOCK))) {
                        delete(child);
                    }
                }
            } catch (IOException | UncheckedIOException e) {
                // It stays for the next one: nobody but its owner can read it, and it is redacted.
            }
        }

        private static boolean abandoned(Path lock) throws IOException {
            if (!Files.isRegularFile(lock, LinkOption.NOFOLLOW_LINKS)) {
                return false;
            }
            try (FileChannel other = FileChannel.open(lock, StandardOpenOption.WRITE);
                    FileLock free = other.tryLock()) {
                return free != null;
            } catch (OverlappingFileLockException e) {
                return false;
            }
        }

        private void cleanUp() {
            // Children write into pipes that nobody reads any more: they go first.
            ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
            // Threads still run, and may make a file while the folder is being emptied.
            for (int i = 0; i < 100 && Files.exists(folder); i++) {
                delete(folder);
            }
        }

        private static void delete(Path folder) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(file);
                }
            } catch (IOException | UncheckedIOException e) {
                // What is left is redacted and readable by its owner alone.
            }
        }

        @Override
        public void close() throws IOException {
            delete(folder);
            channel.close();
            try {
                Runtime.getRuntime().removeShutdownHook(cleanup);
            } catch (IllegalStateException e) {
                // The process is ending already, and the hook has run.
            }
        }
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    // ---- the zip

    /**
     * Writes the items in their order. They are deflated already, so this is copying, and each part is gone once it is
     * copied. Not more than a plain zip can hold: 65,535 files, and 4 GB of each and of all.
     *
     * @throws IOException when the file cannot be written, or it would be more
     */
    static void write(Path file, List<Item> items, Instant at) throws IOException {
        LocalDateTime time = LocalDateTime.ofInstant(at, ZoneOffset.UTC);
        int stamp = (time.getYear() - 1980) << 25 | time.getMonthValue() << 21 | time.getDayOfMonth() << 16
                | time.getHour() << 11 | time.getMinute() << 5 | time.getSecond() / 2;
        ByteArrayOutputStream directory = new ByteArrayOutputStream();
        try (OutputStream zip = new BufferedOutputStream(Files.newOutputStream(newFile(file)), 1 << 16)) {
            long offset = 0;
            for (Item item : items) {
                Pipeline.Sums sums = item.part().sums();
                byte[] name = item.path().getBytes(StandardCharsets.UTF_8);
                long packed = item.part().packed();
                if (items.size() > 0xffff || offset + packed > 0xffff_ffffL || sums.plain() > 0xffff_ffffL) {
                    throw new IOException("a zip holds no more than 65,535 files and 4 GB: give a smaller --max-size "
                            + "or --since");
                }
                // UTF-8 names, deflated; the same fields stand in the file's header and in the directory.
                byte[] fields = record(26).putShort((short) 20).putShort((short) (1 << 11)).putShort((short) 8)
                        .putInt(stamp).putInt((int) sums.crc()).putInt((int) packed).putInt((int) sums.plain())
                        .putShort((short) name.length).array();
                zip.write(record(30 + name.length).putInt(0x04034b50).put(fields).put(name).array());
                item.part().handOver(zip);
                directory.writeBytes(record(46 + name.length).putInt(0x02014b50).putShort((short) (3 << 8 | 20))
                        .put(fields).position(38).putInt(0100600 << 16).putInt((int) offset).put(name).array());
                offset += 30 + name.length + packed;
            }
            directory.writeTo(zip);
            zip.write(record(22).putInt(0x06054b50).putInt(0).putShort((short) items.size())
                    .putShort((short) items.size()).putInt(directory.size()).putInt((int) offset).array());
        }
    }

    private static ByteBuffer record(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
