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
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.CheckedOutputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterOutputStream;
import runbook.Settings.Problem;
import runbook.Text;

/** An archive on its way to the disk: where it grows, the names of its files, their blocks, and the zip they end in. */
final class Archive {
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    private static final Pattern SIZE = Pattern.compile("(?i)(\\d{1,9})\\s*(?:([kmg])?b)?");
    private static final List<String> UNITS = List.of("B", "kB", "MB", "GB", "TB");

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

    /** A new file to write into; its folder is made where it is missing. */
    static OutputStream output(Path file) throws IOException {
        newFolder(file.getParent());
        return Files.newOutputStream(newFile(file));
    }

    // ---- sizes

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
        Matcher parts = SIZE.matcher(text.strip());
        if (!parts.matches() || parts.group(1).matches("0+")) {
            throw new Problem(option + " '" + Text.safe(text, 40) + "' is no size: write 500kB, 200MB or 1GB");
        }
        String unit = parts.group(2) == null ? "b" : parts.group(2).toLowerCase(Locale.ROOT);
        return Long.parseLong(parts.group(1)) * (long) Math.pow(1000, "bkmg".indexOf(unit));
    }

    // ---- names

    /** Names that have been given: none alike in all but case, no file where a folder is. Safe for several threads. */
    static final class Names {
        private static final int LONGEST = 80;
        private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com\\d|lpt\\d)(\\..*)?");
        // From a root, with another system's signs, or with a step that is none or leads up.
        private static final Pattern LEAVING = Pattern.compile("(?s)/.*|.*[\\\\:].*|(.*/)?\\.{0,2}(/.*)?");
        private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\\p{Cf}]");

        private final Set<String> files = new HashSet<>();
        private final Set<String> folders = new HashSet<>();

        /** One name made safe on every system: letters, digits and {@code . - _ = @ +}, at most 80 characters. */
        static String safe(String name) {
            String plain = name.replaceAll("[^\\p{L}\\p{N}._=@+-]+", "_").replaceAll("^[._]+|[._]+$", "");
            // The end of a long path tells more than its beginning.
            String shorter = plain.substring(Math.max(0, plain.length() - LONGEST)).replaceAll("^[._]+", "");
            return shorter.isEmpty() ? "unnamed" : RESERVED.matcher(shorter).matches() ? "_" + shorter : shorter;
        }

        /** The path, or one with a number where it is taken. */
        String unique(String path) {
            String candidate = path;
            int dot = path.lastIndexOf('.') > path.lastIndexOf('/') ? path.lastIndexOf('.') : path.length();
            for (int number = 2; !take(candidate).isEmpty(); number++) {
                candidate = path.substring(0, dot) + "-" + number + path.substring(dot);
            }
            return candidate;
        }

        /** Takes a name from an archive; says what stands against giving it to a file here, or nothing. */
        String objection(String name) {
            List<String> parts = List.of(name.split("/"));
            if (LEAVING.matcher(name).matches()) {
                return "would leave the folder";
            } else if (parts.stream().anyMatch(part -> RESERVED.matcher(part).matches())) {
                return "is reserved on some system";
            } else if (parts.stream().anyMatch(part -> part.getBytes(StandardCharsets.UTF_8).length > 255)) {
                return "is too long";
            }
            return CONTROL.matcher(name).find() ? "holds control characters" : take(name);
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

    // ---- the blocks of its files, until it is written

    /** A stretch of a file, in one of its own so that memory stays bounded; {@code packed} and {@code plain} bytes. */
    private record Block(Path file, int packed, int plain) { }

    /**
     * How much room all files have together. Where they outgrow it the largest gives way, by its oldest blocks: the
     * newest are about the incident. Safe for several threads.
     */
    static final class Room {
        private final Path folder;
        private final long most;
        private final String bound;
        private final List<Part> parts = new ArrayList<>();
        private long packed;
        private boolean closed;

        /** Room for so many packed bytes, or as many as the disk has room for. */
        Room(Path folder, long most) throws IOException {
            // The archive takes over block by block, and wants some of it besides.
            long free = Files.getFileStore(folder).getUsableSpace() / 4 * 3;
            this.folder = folder;
            this.most = Math.min(most, free);
            this.bound = most <= free ? "size allowed" : "disk";
        }

        synchronized Part part() {
            Part part = new Part(this);
            parts.add(part);
            return part;
        }

        private synchronized void add(Part part, byte[] deflated, int plain) throws IOException {
            if (closed) {
                throw new IOException("its time was up");
            }
            Path file = Files.createTempFile(folder, "block-", "", mode("rw-------"));
            part.blocks.add(new Block(file, deflated.length, plain));
            packed += deflated.length;
            part.packed += deflated.length;
            part.plain += plain;
            Files.write(file, deflated);
            while (packed > most && packed > part.newest()) {
                parts.stream().filter(one -> one.packed > (one == part ? part.newest() : 0))
                        .max(Comparator.comparing(one -> one.packed)).orElseThrow().dropOldest();
            }
        }

        /** Nothing more comes in, whoever still tries. Tells whether the disk had no room for all of it. */
        synchronized boolean close() {
            closed = true;
            return bound.equals("disk") && parts.stream().anyMatch(part -> part.dropped > 0);
        }
    }

    /** Size and check sums of what a part holds, unpacked. */
    record Sums(long plain, long crc, String sha256) { }

    /** One file of the archive in the making: a deflate stream in blocks that end on a byte's border. */
    static final class Part {
        // A deflate stream ends with a block that says so: an empty one.
        private static final byte[] END = {3, 0};

        private final Room room;
        private final Deque<Block> blocks = new ArrayDeque<>();
        private final MessageDigest digest = sha256();
        private final CRC32 crc = new CRC32();
        private long packed;
        private long plain;
        private long dropped;
        private Sums sums;

        private Part(Room room) {
            this.room = room;
        }

        /** Appends a block: deflated bytes, and what they were. */
        void append(byte[] deflated, byte[] text) throws IOException {
            if (text.length > 0) {
                digest.update(text);
                crc.update(text);
                room.add(this, deflated, text.length);
            }
        }

        /** It is not wanted after all. */
        void discard() throws IOException {
            synchronized (room) {
                room.parts.remove(this);
                while (!blocks.isEmpty()) {
                    dropOldest();
                }
            }
        }

        private long newest() {
            return blocks.getLast().packed;
        }

        private void dropOldest() throws IOException {
            Block oldest = blocks.remove();
            Files.delete(oldest.file);
            dropped += oldest.plain;
            plain -= oldest.plain;
            packed -= oldest.packed;
            room.packed -= oldest.packed;
        }

        /** How much it holds, unpacked. */
        long plain() {
            return plain;
        }

        /** Size and check sums of what is kept, once no more will come. */
        Sums sums() throws IOException {
            if (sums == null && dropped > 0) {
                digest.reset();
                crc.reset();
                unpack(new CheckedOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), digest), crc));
            }
            sums = sums != null ? sums : new Sums(plain, crc.getValue(), HexFormat.of().formatHex(digest.digest()));
            return sums;
        }

        /** What there is to say about it: whether it had to give way. */
        List<String> notes() {
            return dropped == 0 ? List.of() : List.of("truncated: the oldest " + words(dropped)
                    + " were left out to keep within the " + room.bound);
        }

        /** Writes what it holds, unpacked. */
        void unpack(OutputStream text) throws IOException {
            InflaterOutputStream inflating = new InflaterOutputStream(text, new Inflater(true), 1 << 16);
            for (Block block : blocks) {
                Files.copy(block.file, inflating);
            }
            inflating.write(END);
            inflating.flush();
        }

        /** Hands the raw deflate stream over to whoever puts it into a zip; it is gone then. */
        private void handOver(OutputStream zip) throws IOException {
            while (!blocks.isEmpty()) {
                Files.copy(blocks.element().file, zip);
                Files.delete(blocks.remove().file);
            }
            zip.write(END);
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
    static void write(Path file, List<Collecting.Item> items, Instant at) throws IOException {
        LocalDateTime time = LocalDateTime.ofInstant(at, ZoneOffset.UTC);
        int stamp = (time.getYear() - 1980) << 25 | time.getMonthValue() << 21 | time.getDayOfMonth() << 16
                | time.getHour() << 11 | time.getMinute() << 5 | time.getSecond() / 2;
        ByteArrayOutputStream directory = new ByteArrayOutputStream();
        try (OutputStream zip = new BufferedOutputStream(output(file), 1 << 16)) {
            long offset = 0;
            for (Collecting.Item item : items) {
                Sums sums = item.part().sums();
                byte[] name = item.path().getBytes(StandardCharsets.UTF_8);
                long packed = item.part().packed + Part.END.length;
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
