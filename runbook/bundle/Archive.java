package runbook.bundle;

import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
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
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import runbook.Cli;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.bundle.Collecting.Outcome;
import runbook.redact.Redactor.Tally;

/** The archive in the making: its files, their names, what its manifest says of them, and the zip they end in. */
final class Archive {
    static final String MANIFEST = "manifest.json";
    static final int SCHEMA = 1;
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    static final FileAttribute<?>[] OWNER_FILE = mode("rw-------");
    static final FileAttribute<?>[] OWNER_FOLDER = mode("rwx------");
    private static final Pattern SIZE = Pattern.compile("(?i)(\\d{1,9})\\s*(b|kb|mb|gb)?");
    private static final List<String> UNITS = List.of("B", "kB", "MB", "GB", "TB");
    private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com\\d|lpt\\d)(\\..*)?");
    private static final int LONGEST_NAME = 80;

    private Archive() { }

    private static FileAttribute<?>[] mode(String permissions) {
        var mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
        return POSIX ? new FileAttribute<?>[] {mode} : new FileAttribute<?>[0];
    }

    private static Path owned(Path path, String permissions) throws IOException {
        return POSIX ? Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions)) : path;
    }

    /** A new empty file for its owner alone, whatever the umask is. */
    static Path newFile(Path file) throws IOException {
        return owned(Files.createFile(file, OWNER_FILE), "rw-------");
    }

    /** A folder and those above it, made for their owner alone, whatever the umask is; what is there stays as it is. */
    static Path newFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            if (folder.getParent() != null) {
                newFolder(folder.getParent());
            }
            owned(Files.createDirectory(folder, OWNER_FOLDER), "rwx------");
        }
        return folder;
    }

    /** Writes a stream into a new file, and its folder where it is missing, for their owner alone. */
    static void save(InputStream content, Path file) throws IOException {
        newFolder(file.getParent());
        try (OutputStream output = Files.newOutputStream(newFile(file))) {
            content.transferTo(output);
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

    /** Why a name from an archive cannot be given to a file here, on any system; empty when it can. */
    static String objection(String name) {
        if (name.isEmpty() || name.startsWith("/") || name.contains("\\") || name.contains(":")) {
            return "would leave the folder";
        }
        for (String part : name.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) {
                return "would leave the folder";
            } else if (RESERVED.matcher(part).matches()) {
                return "is reserved on some system";
            } else if (part.getBytes(StandardCharsets.UTF_8).length > 255) {
                return "is too long";
            } else if (part.matches("(?s).*[\\p{Cc}\\p{Cf}].*")) {
                return "holds control characters";
            }
        }
        return "";
    }

    /** Names that have been given: none alike in all but case, no file where a folder is. Safe for several threads. */
    static final class Names {
        private final Set<String> files = new HashSet<>();
        private final Set<String> folders = new HashSet<>();

        /** The path, or one with a number where it is taken. */
        synchronized String unique(String path) {
            String candidate = path;
            int dot = path.lastIndexOf('.') > path.lastIndexOf('/') ? path.lastIndexOf('.') : path.length();
            for (int number = 2; !free(candidate).isEmpty(); number++) {
                candidate = path.substring(0, dot) + "-" + number + path.substring(dot);
            }
            return candidate;
        }

        /** Takes the name; says what stands against it, or nothing. */
        synchronized String free(String path) {
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
            Path beside = target.toAbsolutePath().getParent();
            newFolder(beside);
            removeLeftovers(beside);
            folder = owned(Files.createTempDirectory(beside, PREFIX, OWNER_FOLDER), "rwx------");
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

        private static boolean abandoned(Path file) throws IOException {
            if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
                return false;
            }
            try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE);
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

    /**
     * One file of the archive in the making: redacted and deflated blocks, kept in files beside the archive so that
     * memory stays bounded. Where they outgrow the limit or the disk, the oldest go: the newest are about the incident.
     */
    static final class Part implements Closeable {
        private static final long LARGEST_SEGMENT = 4 << 20;
        // A deflate stream ends with a block that says so: an empty one.
        private static final byte[] END = {3, 0};

        private record Segment(Path file, long packed, long plain) { }

        /** What it is when unpacked. */
        record Sums(long plain, long crc, String sha256) { }

        private final Path folder;
        private final String name;
        private final long limit;
        private final long segment;
        private final Deque<Segment> segments = new ArrayDeque<>();
        private MessageDigest digest = sha256();
        private CRC32 crc = new CRC32();
        private Sums sums;
        private FileChannel channel;
        /** How many bytes were left out at its beginning, and whether for want of room on the disk. */
        long dropped;
        boolean scarce;
        private int made;

        /**
         * @param folder where segments are kept until the archive is written; readable by its owner alone
         * @param name   tells its segments from other parts'
         * @param limit  of packed bytes
         */
        Part(Path folder, String name, long limit) throws IOException {
            this.folder = folder;
            this.name = name;
            this.limit = limit;
            long free = Files.getFileStore(folder).getUsableSpace();
            this.segment = Math.max(1, Math.min(LARGEST_SEGMENT, Math.min(limit, free / 2) / 8));
        }

        /** Appends a block: deflated bytes that end on a byte's border, and what they were. */
        void append(byte[] packed, byte[] plain) throws IOException {
            if (channel == null || segments.getLast().packed >= segment) {
                startSegment();
            }
            ByteBuffer bytes = ByteBuffer.wrap(packed);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            Segment last = segments.removeLast();
            segments.add(new Segment(last.file, last.packed + packed.length, last.plain + plain.length));
            digest.update(plain);
            crc.update(plain);
            while (segments.size() > 1 && packed() > limit) {
                dropOldest();
            }
        }

        // The archive takes over segment by segment: it needs the room of two.
        private void startSegment() throws IOException {
            finish();
            while (segments.size() > 1 && Files.getFileStore(folder).getUsableSpace() < 4 * segment) {
                dropOldest();
                scarce = true;
            }
            Path file = folder.resolve(name + "-" + made++);
            channel = FileChannel.open(newFile(file), StandardOpenOption.WRITE);
            segments.add(new Segment(file, 0, 0));
        }

        private void dropOldest() throws IOException {
            Segment oldest = segments.remove();
            Files.delete(oldest.file);
            dropped += oldest.plain;
            sums = null;
        }

        /** Drops oldest segments until at most that many packed bytes remain; a smaller one goes whole. */
        void shrinkTo(long most) throws IOException {
            finish();
            while (packed() > most && !segments.isEmpty()) {
                dropOldest();
            }
        }

        /** No more will come. */
        void finish() throws IOException {
            if (channel != null) {
                channel.close();
                channel = null;
            }
        }

        /** Size and check sums of what is kept, once no more will come. */
        Sums sums() throws IOException {
            if (sums == null && dropped > 0) {
                digest = sha256();
                crc = new CRC32();
                try (InputStream unpacked = new CheckedInputStream(new DigestInputStream(text(), digest), crc)) {
                    unpacked.transferTo(OutputStream.nullOutputStream());
                }
            }
            sums = sums != null ? sums : new Sums(plain(), crc.getValue(), HexFormat.of().formatHex(digest.digest()));
            return sums;
        }

        /** What it holds, unpacked. */
        InputStream text() throws IOException {
            List<InputStream> streams = new ArrayList<>();
            for (Segment one : segments) {
                streams.add(Files.newInputStream(one.file));
            }
            streams.add(new ByteArrayInputStream(END));
            return new InflaterInputStream(new SequenceInputStream(Collections.enumeration(streams)),
                    new Inflater(true), 1 << 16);
        }

        /** Hands the raw deflate stream over to whoever puts it into a zip; it is gone then. */
        void handOver(OutputStream zip) throws IOException {
            while (!segments.isEmpty()) {
                Files.copy(segments.element().file, zip);
                Files.delete(segments.remove().file);
            }
            zip.write(END);
        }

        long packed() {
            return segments.stream().mapToLong(Segment::packed).sum() + END.length;
        }

        long plain() {
            return segments.stream().mapToLong(Segment::plain).sum();
        }

        @Override
        public void close() throws IOException {
            finish();
            for (Segment one : segments) {
                Files.deleteIfExists(one.file);
            }
            segments.clear();
        }

        static MessageDigest sha256() {
            try {
                return MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-256", e);
            }
        }
    }

    // ---- the manifest

    /** Names and values, in this order. */
    static Map<String, Object> fields(Object... namesAndValues) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            fields.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return fields;
    }

    /** One file of the archive; {@code notes} are what there is to say about it: truncated, changed while read, … */
    record Item(String path, String collector, Origin origin, Part part, Tally tally, List<String> notes) {
        List<String> allNotes() {
            List<String> all = new ArrayList<>(notes);
            if (part.dropped > 0) {
                String bound = part.scarce ? "disk" : "size allowed";
                all.add("truncated: the oldest " + words(part.dropped) + " were left out to keep within the " + bound);
            }
            return all;
        }

        Map<String, Object> json() throws IOException {
            List<String> notes = allNotes();
            Part.Sums sums = part.sums();
            boolean truncated = notes.stream().anyMatch(note -> note.matches("truncated.*|.*stopped early.*"));
            return fields("path", path, "bytes", sums.plain(), "sha256", sums.sha256(), "collector", collector,
                    "command", origin.command, "exitCode", origin.exitCode, "stderr", origin.stderr, "millis",
                    origin.millis, "truncated", truncated, "notes", notes);
        }
    }

    /** Where an item comes from: a redacted command line or none, its exit code or null, standard error, and time. */
    record Origin(List<String> command, Integer exitCode, String stderr, long millis) {
        static Origin none(long millis) {
            return new Origin(List.of(), null, "", millis);
        }
    }

    /** Facts about the whole: {@code kept} are rules that were relaxed, {@code window} may be null. */
    record Head(String drill, Instant created, Bundle.Window window, String words, Set<String> kept) { }

    /** {@code manifest.json}: what is in an archive, where it comes from, and what is missing. */
    static byte[] manifest(Head head, List<Outcome> outcomes, List<Item> items) throws IOException {
        List<Object> files = new ArrayList<>();
        for (Item item : items) {
            files.add(item.json());
        }
        Map<String, Object> window = head.window == null ? null : fields("from", head.window.from(), "to",
                head.window.to());
        return bytes(fields("schema", SCHEMA, "tool", "klaviyo-runbook debug-bundle", "version", Cli.VERSION, "drill",
                head.drill, "created", head.created, "window", window, "grep", head.words, "kept", head.kept,
                "complete", outcomes.stream().noneMatch(Outcome::failed), "missing", missing(outcomes), "collectors",
                outcomes.stream().map(Outcome::json).toList(), "files", files));
    }

    /** A line for each thing that is not there. */
    static List<String> missing(List<Outcome> outcomes) {
        List<String> missing = new ArrayList<>();
        for (Outcome outcome : outcomes) {
            if (outcome.state() != Collecting.State.OK) {
                String why = String.join("; ", outcome.why());
                missing.add(outcome.collector() + (outcome.failed() ? " failed: " : " skipped: ") + why);
            }
            outcome.remarks().forEach(remark -> missing.add(outcome.collector() + ": " + remark));
        }
        return missing;
    }

    /**
     * {@code redaction.json}: rule, file and count; never a value. Not rule to count as an object: {@code "secret": 5}
     * reads as one.
     */
    static byte[] redaction(List<Item> items) {
        List<Object> rows = new ArrayList<>();
        items.forEach(item -> item.tally.counts().forEach((rule, count) ->
                rows.add(Map.of("rule", rule, "file", item.path, "count", count))));
        List<Object> totals = new ArrayList<>();
        redacted(items).forEach((rule, count) -> totals.add(Map.of("rule", rule, "count", count)));
        return bytes(Map.of("schema", SCHEMA, "totals", totals, "redactions", rows));
    }

    /** Rule to count, of all items together. */
    static Map<String, Long> redacted(List<Item> items) {
        Map<String, Long> totals = new TreeMap<>();
        items.forEach(item -> item.tally.counts().forEach((rule, count) -> totals.merge(rule, count, Long::sum)));
        return totals;
    }

    private static byte[] bytes(Map<String, Object> json) {
        return (Json.pretty(Json.of(json)) + "\n").getBytes(StandardCharsets.UTF_8);
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
        List<byte[]> directory = new ArrayList<>();
        try (OutputStream zip = new BufferedOutputStream(Files.newOutputStream(file), 1 << 16)) {
            long at0 = 0;
            for (Item item : items) {
                Part.Sums sums = item.part.sums();
                byte[] name = item.path.getBytes(StandardCharsets.UTF_8);
                long packed = item.part.packed();
                if (items.size() > 0xffff || at0 + packed > 0xffff_ffffL || sums.plain() > 0xffff_ffffL) {
                    throw new IOException("a zip holds no more than 65,535 files and 4 GB: give a smaller --max-size "
                            + "or --since");
                }
                // UTF-8 names, deflated; the same fields stand in the file's header and in the directory.
                byte[] fields = record(26).putShort((short) 20).putShort((short) (1 << 11)).putShort((short) 8)
                        .putInt(stamp).putInt((int) sums.crc()).putInt((int) packed).putInt((int) sums.plain())
                        .putShort((short) name.length).array();
                zip.write(record(30 + name.length).putInt(0x04034b50).put(fields).put(name).array());
                item.part.handOver(zip);
                directory.add(record(46 + name.length).putInt(0x02014b50).putShort((short) (3 << 8 | 20)).put(fields)
                        .position(38).putInt(0100600 << 16).putInt((int) at0).put(name).array());
                at0 += 30 + name.length + packed;
            }
            int length = 0;
            for (byte[] entry : directory) {
                zip.write(entry);
                length += entry.length;
            }
            zip.write(record(22).putInt(0x06054b50).putInt(0).putShort((short) items.size())
                    .putShort((short) items.size()).putInt(length).putInt((int) at0).array());
        }
    }

    private static ByteBuffer record(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
