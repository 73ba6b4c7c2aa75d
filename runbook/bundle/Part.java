package runbook.bundle;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.ByteArrayInputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/**
 * One file of the archive in the making: redacted and deflated blocks, kept in files beside the archive so that memory
 * stays bounded. When they outgrow the limit the oldest go, for the newest are about the incident.
 */
final class Part implements Closeable {
    private static final long LARGEST_SEGMENT = 4 << 20;
    // A deflate stream ends with a block that says so: an empty one.
    private static final byte[] END = {3, 0};

    private static final class Segment {
        private final Path file;
        private long packed;
        private long plain;

        Segment(Path file) {
            this.file = file;
        }
    }

    private final Path folder;
    private final String name;
    private final long limit;
    private final BooleanSupplier scarce;
    private final long segment;
    private final Deque<Segment> segments = new ArrayDeque<>();
    private final MessageDigest digest = sha256();
    private final CRC32 crc = new CRC32();
    private FileChannel channel;
    private long packed;
    private long plain;
    private long dropped;
    private int made;

    /**
     * @param folder where segments are kept until the archive is written; readable by its owner alone
     * @param name   tells its segments from other parts'
     */
    Part(Path folder, String name) {
        this(folder, name, Long.MAX_VALUE, () -> false);
    }

    /**
     * One that may have to do without its oldest segments.
     *
     * @param limit  of packed bytes
     * @param scarce whether the disk has less left than is needed for the archive
     */
    Part(Path folder, String name, long limit, BooleanSupplier scarce) {
        this.folder = folder;
        this.name = name;
        this.limit = limit;
        this.scarce = scarce;
        this.segment = Math.max(1, Math.min(LARGEST_SEGMENT, limit / 8));
    }

    /** Appends a block: {@code length} deflated bytes that end on a byte's border, and what they were. */
    void append(byte[] block, int length, byte[] was, int wasLength) throws IOException {
        if (channel == null || segments.getLast().packed >= segment) {
            startSegment();
        }
        ByteBuffer bytes = ByteBuffer.wrap(block, 0, length);
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
        segments.getLast().packed += length;
        segments.getLast().plain += wasLength;
        packed += length;
        plain += wasLength;
        digest.update(was, 0, wasLength);
        crc.update(was, 0, wasLength);
        dropOldest();
    }

    private void startSegment() throws IOException {
        if (channel != null) {
            channel.close();
        }
        Path file = folder.resolve(name + "-" + made++);
        channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        segments.add(new Segment(file));
    }

    private void dropOldest() throws IOException {
        while (segments.size() > 1 && (packed > limit || scarce.getAsBoolean())) {
            Segment oldest = segments.removeFirst();
            Files.delete(oldest.file);
            packed -= oldest.packed;
            plain -= oldest.plain;
            dropped += oldest.plain;
        }
    }

    /** Drops oldest segments until at most that many packed bytes remain; what is smaller than one segment goes whole. */
    void shrinkTo(long most) throws IOException {
        finish();
        while (packed > most && !segments.isEmpty()) {
            Segment oldest = segments.removeFirst();
            Files.delete(oldest.file);
            packed -= oldest.packed;
            plain -= oldest.plain;
            dropped += oldest.plain;
        }
    }

    /** No more will come. */
    void finish() throws IOException {
        if (channel != null) {
            channel.close();
            channel = null;
        }
    }

    /** What it is when unpacked. */
    record Sums(long plain, long crc, String sha256) { }

    /** Size and check sums of what is kept. */
    Sums sums() throws IOException {
        if (dropped == 0) {
            return new Sums(plain, crc.getValue(), HexFormat.of().formatHex(copyOf(digest).digest()));
        }
        MessageDigest again = sha256();
        CRC32 crcAgain = new CRC32();
        try (InputStream unpacked = new InflaterInputStream(deflated(), new Inflater(true), 1 << 16)) {
            byte[] buffer = new byte[1 << 16];
            for (int read = unpacked.read(buffer); read >= 0; read = unpacked.read(buffer)) {
                again.update(buffer, 0, read);
                crcAgain.update(buffer, 0, read);
            }
        }
        return new Sums(plain, crcAgain.getValue(), HexFormat.of().formatHex(again.digest()));
    }

    /** The raw deflate stream, ready to be put into a zip. */
    InputStream deflated() throws IOException {
        List<InputStream> streams = new ArrayList<>();
        for (Segment segment : segments) {
            streams.add(Files.newInputStream(segment.file));
        }
        streams.add(new ByteArrayInputStream(END));
        return new SequenceInputStream(Collections.enumeration(streams));
    }

    long packed() {
        return packed + END.length;
    }

    long plain() {
        return plain;
    }

    /** How many bytes were left out at its beginning. */
    long dropped() {
        return dropped;
    }

    @Override
    public void close() throws IOException {
        finish();
        for (Segment segment : segments) {
            Files.deleteIfExists(segment.file);
        }
        segments.clear();
    }

    private static MessageDigest copyOf(MessageDigest digest) {
        try {
            return (MessageDigest) digest.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("the JDK's SHA-256 can be cloned", e);
        }
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
