package runbook.bundle;

import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.security.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import runbook.*;
import runbook.Settings.Problem;
import runbook.redact.*;
import runbook.redact.Redactor.Tally;

/**
 * An archive on its way to the disk. It grows in a folder beside its target, for its owner alone, which is gone when
 * this is closed or the process is interrupted; what a killed run left is told by its lock, which nobody holds, and is
 * removed by the next one. Its files are blocks there, so that memory stays bounded. Where all together outgrow the
 * room that they have the largest gives way, by its oldest blocks: the newest are about the incident. Safe for several
 * threads.
 */
final class Archive implements Closeable {
    private static final Pattern SIZE = Pattern.compile("(?i)(\\d{1,9})\\s*(?:([kmg])?b)?");
    private static final List<String> UNITS = List.of("B", "kB", "MB", "GB", "TB");
    private static final String PREFIX = ".bundle-";
    private static final String LOCK = "lock";
    /** A deflate stream ends with a block that says so: an empty one. */
    private static final byte[] END = {3, 0};

    /** What is on its way in this process. */
    private static final Set<Archive> UNDERWAY = ConcurrentHashMap.newKeySet();
    private static volatile String left = "nothing was written";

    final Path folder;
    private final FileChannel lock;
    private final List<Part> parts = new ArrayList<>();
    private final Names names = new Names();
    private long most;
    private long used;
    private int made;

    /**
     * One that grows beside its target, so that the finished file only has to be renamed; there is room for so many
     * packed bytes until it is sealed, or for fewer where the disk has not as many.
     */
    Archive(Path target, long most) throws IOException {
        Path beside = target.toAbsolutePath().getParent();
        new Incident(beside).create();
        removeLeftovers(beside);
        folder = Files.createTempDirectory(beside, PREFIX, Incident.mode("rwx------"));
        UNDERWAY.add(this);
        lock = Incident.lock(folder.resolve(LOCK)).orElseThrow();
        // The zip takes over block by block, and wants some room besides.
        this.most = Math.min(most, Files.getFileStore(folder).getUsableSpace() / 4 * 3);
    }

    private static void removeLeftovers(Path beside) {
        try (DirectoryStream<Path> children = Files.newDirectoryStream(beside, PREFIX + "*")) {
            for (Path child : children) {
                boolean ours = Files.isRegularFile(child.resolve(LOCK), LinkOption.NOFOLLOW_LINKS);
                Optional<FileChannel> free = ours ? Incident.lock(child.resolve(LOCK)) : Optional.empty();
                if (free.isPresent()) {
                    free.get().close();
                    delete(child);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            // It stays for the next one: nobody but its owner can read it, and it is redacted.
        }
    }

    /** Takes back what is on its way, for when this process is told to stop; says what is left. */
    static String takeBack() {
        // Children write into pipes that nobody reads any more: they go first.
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        for (Archive archive : UNDERWAY) {
            // Threads still run, and may make a file while the folder is being emptied.
            for (int i = 0; i < 100 && Files.exists(archive.folder); i++) {
                delete(archive.folder);
            }
        }
        return left;
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

    /** Gives what was finished in the folder its name, at once. */
    void name(Path finished, Path target) throws IOException {
        Files.move(finished, target, StandardCopyOption.ATOMIC_MOVE);
        left = target + " was written, and is whole";
    }

    @Override
    public void close() throws IOException {
        delete(folder);
        lock.close();
        UNDERWAY.remove(this);
    }

    /** A new file for its owner alone, whatever the umask is; folders above it are made where they are missing. */
    static OutputStream output(Path file) throws IOException {
        new Incident(file.getParent()).create();
        return Files.newOutputStream(Files.createFile(file, Incident.mode("rw-------")));
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

    /** Reads what {@code --max-size} says, such as {@code 200MB}, in decimal units. */
    static long size(String text) {
        Matcher parts = SIZE.matcher(text.strip());
        if (!parts.matches() || parts.group(1).matches("0+")) {
            throw new Problem("--max-size '" + Text.safe(text, 40) + "' is no size: write 500kB, 200MB or 1GB");
        }
        String unit = parts.group(2) == null ? "b" : parts.group(2).toLowerCase(Locale.ROOT);
        return Long.parseLong(parts.group(1)) * (long) Math.pow(1000, "bkmg".indexOf(unit));
    }

    // ---- names

    /** Names that have been given: none alike in all but case, no file where a folder is. */
    static final class Names {
        private static final int LONGEST = 80;
        private static final String RESERVED = "(?:con|prn|aux|nul|com\\d|lpt\\d)(?:\\.[^/]*)?";
        // From a root, with another system's signs or none that can be seen, or with a step that is none, leads up, is
        // reserved on some system or too long.
        private static final Pattern WRONG = Pattern.compile("(?is)/.*|.*[\\\\:\\p{Cc}\\p{Cf}].*|(?:.*/)?(?:\\.{0,2}|"
                + RESERVED + "|[^/]{120,})(?:/.*)?");

        /** In lower case. */
        private final NavigableSet<String> taken = new TreeSet<>();

        /** One name made safe on every system: letters, digits and {@code . - _ = @ +}, at most 80 characters. */
        static String safe(String name) {
            String plain = name.replaceAll("[^\\p{L}\\p{N}._=@+-]+", "_").replaceAll("^[._]+|[._]+$", "");
            // The end of a long path tells more than its beginning.
            String shorter = plain.substring(Math.max(0, plain.length() - LONGEST)).replaceAll("^[._]+", "");
            return shorter.isEmpty() ? "unnamed" : shorter.replaceFirst("(?i)^(?=" + RESERVED + "$)", "_");
        }

        /** The path, or one with a number where it is taken; what would be below a file gets a name beside it. */
        private String unique(String path) {
            String name = throughFile(path) ? path.replace('/', '_') : path;
            String candidate = name;
            for (int number = 2; !take(candidate); number++) {
                candidate = name.replaceFirst("(?=\\.[^./]*$|$)", "-" + number);
            }
            return candidate;
        }

        /** Takes a name from an archive; says what stands against giving it to a file here, or nothing. */
        String objection(String name) {
            if (WRONG.matcher(name).matches()) {
                return "is too long, or would leave the folder, or no file may have it";
            }
            return take(name) ? "" : "is given twice, or to a file and a folder";
        }

        private boolean take(String path) {
            String file = path.toLowerCase(Locale.ROOT);
            String below = taken.ceiling(file + "/");
            boolean folder = below != null && below.startsWith(file + "/");
            return !folder && !throughFile(file) && taken.add(file);
        }

        // Whether a file is where the path has a folder.
        private boolean throughFile(String path) {
            return IntStream.range(0, path.length()).filter(at -> path.charAt(at) == '/').anyMatch(at ->
                    taken.contains(path.substring(0, at).toLowerCase(Locale.ROOT)));
        }
    }

    // ---- its files, in blocks

    /** A stretch of a file while it grows: how many bytes it has and stands for, and the sum of those that it has. */
    private static final class Block {
        private static final int MOST = 1 << 22;

        private final MessageDigest sum = Redactor.sha256();
        private final Path file;
        private int packed;
        private int plain;

        Block(Path file) throws IOException {
            this.file = Files.createFile(file, Incident.mode("rw-------"));
        }
    }

    /** A new file of this path, its steps made safe, or of one with a number where that is taken. */
    synchronized Part part(String path, String collector) {
        String safe = Stream.of(path.split("/")).filter(step -> !step.isEmpty()).map(Names::safe)
                .collect(Collectors.joining("/"));
        Part part = new Part(names.unique(safe), collector);
        parts.add(part);
        return part;
    }

    /** Nothing more comes into what there is, whoever still tries; for its front pages there is room. */
    synchronized void seal() {
        parts.forEach(part -> part.sealed = true);
        most = Long.MAX_VALUE;
    }

    /** One file of it: a deflate stream in blocks that end on a byte's border, and what there is to say about it. */
    final class Part {
        final String path;
        final String collector;
        final Tally tally = new Tally();
        final List<String> notes = new CopyOnWriteArrayList<>();
        private final byte[] name;
        private final Deque<Block> blocks = new ArrayDeque<>();
        private final MessageDigest digest = Redactor.sha256();
        private final CRC32 crc = new CRC32();
        /** How many bytes it holds, unpacked. */
        long plain;
        private long packed;
        private long dropped;
        private boolean sealed;
        private String sum;

        private Part(String path, String collector) {
            this.path = path;
            this.name = path.getBytes(StandardCharsets.UTF_8);
            this.collector = collector;
        }

        /** Appends a block: deflated bytes, and what they were. */
        void append(byte[] deflated, byte[] text) {
            digest.update(text);
            crc.update(text);
            synchronized (Archive.this) {
                try {
                    write(deflated, text.length);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }

        private void write(byte[] deflated, int length) throws IOException {
            if (sealed) {
                throw new IOException("its time was up");
            }
            // Few files, since a new one is slow to make; small ones, since the oldest may have to give way.
            if (blocks.isEmpty() || blocks.getLast().packed > Math.min(Block.MOST, most / 64)) {
                blocks.add(new Block(folder.resolve("block-" + made++)));
            }
            Block block = blocks.getLast();
            block.sum.update(deflated);
            block.packed += deflated.length;
            block.plain += length;
            count(deflated.length, length);
            Files.write(block.file, deflated, StandardOpenOption.APPEND);
            // The largest gives way; but never by the block that has just come.
            while (used > most && used > block.packed) {
                parts.stream().filter(part -> !part.blocks.isEmpty() && part.blocks.getFirst() != block)
                        .max(Comparator.comparing(part -> part.packed)).orElseThrow().dropOldest();
            }
        }

        private void count(long packedMore, long plainMore) {
            used += packedMore;
            packed += packedMore;
            plain += plainMore;
        }

        private void dropOldest() throws IOException {
            Block oldest = blocks.remove();
            count(-oldest.packed, -oldest.plain);
            dropped += oldest.plain;
            Files.delete(oldest.file);
        }

        /** The SHA-256 of what it holds, unpacked; to be asked for once no more will come. */
        String finish() throws IOException {
            if (sum == null && dropped > 0) {
                notes.add("truncated: the oldest " + words(dropped)
                        + " were left out: --max-size, or the disk, has no room for them");
                digest.reset();
                crc.reset();
                unpack(new CheckedOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), digest), crc));
            }
            sum = sum == null ? HexFormat.of().formatHex(digest.digest()) : sum;
            return sum;
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

        private long size() {
            return packed + END.length;
        }
    }

    // ---- the zip

    /**
     * Writes finished parts in their order, and reads the file back. They are deflated already, so this is copying, and
     * each block is gone once it is copied: it was packed by whoever looked through it, so that its bytes are the same
     * is enough. Not more than a plain zip can hold: 65,535 files, and 4 GB of each and of all.
     *
     * @throws Pipeline.Unsafe when the file does not hold what was looked through while it was made
     * @throws IOException     when it cannot be written, or it would be more
     */
    static void write(Path file, List<Part> parts, Instant at) throws IOException {
        ByteArrayOutputStream directory = new ByteArrayOutputStream();
        try (OutputStream zip = new BufferedOutputStream(output(file), 1 << 16)) {
            long offset = 0;
            for (Part part : parts) {
                if (parts.size() > 0xffff || offset + part.size() > 0xffff_ffffL || part.plain > 0xffff_ffffL) {
                    throw new IOException("a zip holds no more than 65,535 files and 4 GB: give a smaller --max-size "
                            + "or --since");
                }
                byte[] fields = fields(part, at.atOffset(ZoneOffset.UTC));
                zip.write(record(30 + part.name.length, 0x04034b50).put(fields).put(part.name).array());
                for (Block block : part.blocks) {
                    Files.copy(block.file, zip);
                    Files.delete(block.file);
                }
                zip.write(END);
                directory.writeBytes(record(46 + part.name.length, 0x02014b50).putShort((short) (3 << 8 | 20))
                        .put(fields).position(38).putInt(0100600 << 16).putInt((int) offset).put(part.name).array());
                offset += 30 + part.name.length + part.size();
            }
            directory.writeTo(zip);
            zip.write(record(22, 0x06054b50).putInt(0).putShort((short) parts.size())
                    .putShort((short) parts.size()).putInt(directory.size()).putInt((int) offset).array());
        }
        readBack(file, parts);
    }

    private static void readBack(Path file, List<Part> parts) throws IOException {
        try (InputStream back = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
            for (Part part : parts) {
                back.skipNBytes(30 + part.name.length);
                for (Block block : part.blocks) {
                    if (!Arrays.equals(block.sum.digest(), Redactor.sha256().digest(back.readNBytes(block.packed)))) {
                        throw new Pipeline.Unsafe("the archive read back is not what was looked through");
                    }
                }
                back.skipNBytes(END.length);
            }
        }
    }

    // The same stand in the file's header and in the directory: UTF-8 names, deflated, when, sums and sizes.
    private static byte[] fields(Part part, OffsetDateTime at) {
        int date = (at.getYear() - 1980) << 9 | at.getMonthValue() << 5 | at.getDayOfMonth();
        int time = at.getHour() << 11 | at.getMinute() << 5 | at.getSecond() / 2;
        return record(26, 1 << 27 | 20).putShort((short) 8).putShort((short) time).putShort((short) date)
                .putInt((int) part.crc.getValue()).putInt((int) part.size()).putInt((int) part.plain)
                .putShort((short) part.name.length).array();
    }

    private static ByteBuffer record(int bytes, int begin) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(begin);
    }
}
