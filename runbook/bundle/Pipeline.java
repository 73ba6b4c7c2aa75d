package runbook.bundle;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.Deflater;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import runbook.Settings.Problem;
import runbook.bundle.Collecting.Outcome;
import runbook.redact.Pieces;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;
import runbook.redact.Scan;

/**
 * Carries streams through choice, redaction, check and compression, piece by piece on all cores, into a {@link Part} in
 * their order. Only redacted bytes come out of a worker, so nothing else can reach a disk; a worker that fails leaves
 * its piece out.
 *
 * <p>What comes out is looked through while it is in memory, as thoroughly as a second pass over the finished archive
 * would do it: {@link Scan#clean} ends with a pass over what it wrote that found nothing; each piece is then searched
 * for the known values by other code than the redactor's ({@link Scan.Search}); and the seams between pieces are looked
 * through both ways. The archive's read-back proves by SHA-256 that it holds the very bytes that were looked through.
 */
final class Pipeline implements Closeable {
    /** More than these would need more memory than the heap has ({@code RUNTIME_OPTIONS} in debug-bundle.java). */
    private static final int MOST_WORKERS = 8;
    private static final int SEAM = 4_096;

    final Redactor redactor;
    private final Scan.Search search;
    private final ExecutorService pool;
    /** Pieces ahead of their turn, of all streams together; one piece of each stream needs no permit. */
    private final Semaphore ahead;
    private final ThreadLocal<Deflater> deflaters =
            ThreadLocal.withInitial(() -> new Deflater(Deflater.BEST_SPEED, true));

    Pipeline(Redactor redactor) {
        int workers = Math.min(Runtime.getRuntime().availableProcessors(), MOST_WORKERS);
        this.redactor = redactor;
        this.search = new Scan.Search(redactor.policy());
        this.ahead = new Semaphore(workers + 1);
        this.pool = Executors.newFixedThreadPool(workers, daemons("redact"));
    }

    static ThreadFactory daemons(String name) {
        return task -> {
            Thread thread = new Thread(task, name);
            thread.setDaemon(true);
            return thread;
        };
    }

    /** What was collected could not be made safe to share: nothing of it is kept. */
    static final class Unsafe extends Problem {
        private static final int REFUSED = 42;

        /** @param found what was found, and where; never a value */
        Unsafe(String found) {
            super(REFUSED, "refused: " + found + ". Nothing was kept; please report the rule and the file's kind");
        }

        private static void unlessNone(Tally left) {
            if (left.total() > 0) {
                throw new Unsafe("secrets or personal data were left in what was collected (" + left.counts() + ")");
            }
        }
    }

    // ---- pieces on all cores

    /** Takes what came of one piece. */
    interface Taker<T> {
        void take(T result) throws IOException;
    }

    /**
     * Works on a stream's pieces, until its end, {@code most} bytes or an interrupt; what comes of them is taken in
     * their order.
     *
     * @return why it stopped early, or null
     * @throws IOException when the work failed, or the taker did
     */
    <T> String each(InputStream input, long most, Function<Piece, T> work, Taker<T> taker) throws IOException {
        Pieces pieces = new Pieces(input, most);
        Deque<Future<T>> underway = new ArrayDeque<>();
        try {
            for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                if (Thread.interrupted()) {
                    throw new InterruptedException();
                }
                while (!underway.isEmpty() && !ahead.tryAcquire()) {
                    taker.take(first(underway));
                }
                Piece next = piece;
                underway.add(pool.submit(() -> work.apply(next)));
            }
            while (!underway.isEmpty()) {
                taker.take(first(underway));
            }
            return pieces.trouble();
        } catch (InterruptedException e) {
            // What came so far is kept; the interrupt is used up, or no file could be written any more.
            return "its time was up";
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Unsafe unsafe) {
                throw unsafe;
            }
            throw new IOException("it could not be looked through: " + e.getCause().getClass().getSimpleName());
        } finally {
            while (!underway.isEmpty()) {
                underway.element().cancel(true);
                remove(underway);
            }
        }
    }

    private <T> T first(Deque<Future<T>> underway) throws InterruptedException, ExecutionException {
        T result = underway.element().get();
        remove(underway);
        return result;
    }

    private <T> void remove(Deque<Future<T>> underway) {
        underway.remove();
        if (!underway.isEmpty()) {
            ahead.release();
        }
    }

    /** Counts what begins in this piece of what should be clean, by rule; stand-ins are none. */
    Tally judge(Piece piece, Tally tally) {
        Tally rules = new Tally();
        Tally known = new Tally();
        new Scan(redactor, rules).remaining(piece);
        search.count(piece, known);
        tally.add(rules.counts());
        known.counts().forEach((id, count) -> tally.add(id, rules.counts().containsKey(id) ? 0 : count));
        return tally;
    }

    // ---- carrying a stream into a part

    /** What came of a stream: why it stopped early, or null, and how many bytes could not be judged or redacted. */
    record Carried(String trouble, long leftOut) { }

    /** One piece's outcome: {@code packed} deflated, {@code plain} as it was before. */
    private record Block(byte[] packed, byte[] plain, long leftOut) { }

    /**
     * Carries a stream, at most {@code most} bytes of it, into a part; the listener is given what comes out, redacted,
     * in its order.
     *
     * @throws Unsafe      when something secret is left in what came out
     * @throws IOException when the part cannot be written
     */
    Carried carry(InputStream input, long most, LogSources.Wanted wanted, Tally tally, Part part,
            Consumer<byte[]> listener) throws IOException {
        long[] leftOut = {0};
        byte[][] before = {new byte[0]};
        try {
            String trouble = each(input, most, piece -> block(piece, wanted, tally), block -> {
                before[0] = seam(before[0], block.plain);
                part.append(block.packed, block.plain);
                listener.accept(block.plain);
                leftOut[0] += block.leftOut;
            });
            return new Carried(trouble, leftOut[0]);
        } finally {
            part.finish();
        }
    }

    private Block block(Piece piece, LogSources.Wanted wanted, Tally tally) {
        try {
            Scan scan = new Scan(redactor, tally);
            scan.blankPrivateKeys(piece.data(), piece.length());
            int unjudged = piece.blankWhatCannotBeJudged();
            Piece chosen = wanted.chosen(piece);
            ByteArrayOutputStream clean = new ByteArrayOutputStream(chosen.to() - chosen.from() + 1_024);
            scan.clean(chosen.data(), chosen.length(), chosen.from(), chosen.to(), clean);
            byte[] plain = clean.toByteArray();
            Tally left = new Tally();
            search.count(new Piece(plain, plain.length, 0, plain.length), left);
            Unsafe.unlessNone(left);
            return new Block(deflated(plain), plain, unjudged);
        } catch (Unsafe e) {
            throw e;
        } catch (RuntimeException | StackOverflowError e) {
            // Fail closed: what could not be redacted stays out, and the manifest says how much it was.
            return new Block(new byte[0], new byte[0], piece.to() - piece.from());
        }
    }

    private byte[] deflated(byte[] plain) {
        Deflater deflater = deflaters.get();
        deflater.reset();
        deflater.setInput(plain);
        byte[] packed = new byte[plain.length / 4 + 1_024];
        int length = 0;
        while (true) {
            length += deflater.deflate(packed, length, packed.length - length, Deflater.SYNC_FLUSH);
            if (length < packed.length) {
                return Arrays.copyOf(packed, length);
            }
            packed = Arrays.copyOf(packed, 2 * packed.length);
        }
    }

    // What begins in one piece and ends in the next: whole lines where there are any, so nothing looks cut off. Gives
    // the end of what there is now.
    private byte[] seam(byte[] before, byte[] plain) {
        int head = Math.min(plain.length, SEAM);
        byte[] seam = Arrays.copyOf(before, before.length + head);
        System.arraycopy(plain, 0, seam, before.length, head);
        if (before.length > 0 && head > 0) {
            Unsafe.unlessNone(judge(new Piece(seam, seam.length, before.length / 2, before.length), new Tally()));
        }
        byte[] all = plain.length >= SEAM ? plain : seam;
        return Arrays.copyOfRange(all, Math.max(0, all.length - SEAM), all.length);
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }

    // ---- where the blocks are until the archive is written

    /**
     * How much room all parts have together. Where they outgrow it the largest gives way, by its oldest blocks: the
     * newest are about the incident. Safe for several threads.
     */
    static final class Room {
        private static final long LARGEST_SEGMENT = 4 << 20;
        private static final AtomicLong MADE = new AtomicLong();

        private final Path folder;
        private final long most;
        private final String bound;
        private final List<Part> parts = new ArrayList<>();
        private long packed;
        private boolean closed;

        /** Room for so many packed bytes, or as many as the disk has room for. */
        Room(Path folder, long most) throws IOException {
            // The archive takes over segment by segment, and wants some of it besides.
            long free = Files.getFileStore(folder).getUsableSpace() / 4 * 3;
            this.folder = folder;
            this.most = Math.min(most, free);
            this.bound = most <= free ? "size allowed" : "disk";
        }

        synchronized Part part() throws IOException {
            Part part = new Part(this);
            parts.add(part);
            return part;
        }

        private void fit() throws IOException {
            Comparator<Part> bySize = Comparator.comparing(Part::packed);
            while (packed > most && parts.stream().anyMatch(Part::canShrink)) {
                parts.stream().filter(Part::canShrink).max(bySize).orElseThrow().dropOldest();
            }
        }

        /** Nothing more comes in, whoever still tries. Tells of what did not fit on the disk. */
        synchronized List<Outcome> close() {
            closed = true;
            boolean scarce = bound.equals("disk") && parts.stream().anyMatch(part -> part.dropped > 0);
            String why = "the oldest lines were left out: the disk has no room for them (--out names another)";
            return scarce ? List.of(new Outcome("bundle/disk", Collecting.State.FAILED, List.of(why), List.of(), 0,
                    List.of())) : List.of();
        }
    }

    /** A stretch of a part, in a file of its own. */
    private static final class Segment {
        private final Path file;
        private long packed;
        private long plain;

        Segment(Path file) {
            this.file = file;
        }
    }

    /** Size and check sums of what a part holds, unpacked. */
    record Sums(long plain, long crc, String sha256) { }

    /** One file of the archive in the making: deflated blocks, in files beside it so that memory stays bounded. */
    static final class Part {
        // A deflate stream ends with a block that says so: an empty one.
        private static final byte[] END = {3, 0};

        private final Room room;
        private final Deque<Segment> segments = new ArrayDeque<>();
        private final MessageDigest digest = Archive.sha256();
        private final CRC32 crc = new CRC32();
        private OutputStream output;
        private boolean finished;
        private Sums sums;
        private long dropped;

        private Part(Room room) {
            this.room = room;
        }

        /** Appends a block: deflated bytes that end on a byte's border, and what they were. */
        private void append(byte[] packed, byte[] plain) throws IOException {
            digest.update(plain);
            crc.update(plain);
            synchronized (room) {
                if (room.closed) {
                    throw new IOException("its time was up");
                }
                if (output == null || segments.getLast().packed >= Math.min(Room.LARGEST_SEGMENT, room.most / 8)) {
                    end();
                    Path file = room.folder.resolve("part-" + Room.MADE.getAndIncrement());
                    segments.add(new Segment(Archive.newFile(file)));
                    output = Files.newOutputStream(segments.getLast().file);
                }
                output.write(packed);
                segments.getLast().packed += packed.length;
                segments.getLast().plain += plain.length;
                room.packed += packed.length;
                room.fit();
            }
        }

        private void end() throws IOException {
            if (output != null) {
                output.close();
                output = null;
            }
        }

        private void finish() throws IOException {
            synchronized (room) {
                end();
                finished = true;
                room.fit();
            }
        }

        /** It is not wanted after all. */
        void discard() throws IOException {
            synchronized (room) {
                end();
                room.parts.remove(this);
                while (!segments.isEmpty()) {
                    dropOldest();
                }
            }
        }

        private boolean canShrink() {
            return segments.size() > (finished ? 0 : 1);
        }

        private void dropOldest() throws IOException {
            Segment oldest = segments.remove();
            Files.delete(oldest.file);
            dropped += oldest.plain;
            room.packed -= oldest.packed;
        }

        /** Size and check sums of what is kept, once no more will come. */
        Sums sums() throws IOException {
            if (sums == null && dropped > 0) {
                digest.reset();
                crc.reset();
                try (InputStream unpacked = new CheckedInputStream(new DigestInputStream(text(), digest), crc)) {
                    unpacked.transferTo(OutputStream.nullOutputStream());
                }
            }
            sums = sums != null ? sums : new Sums(plain(), crc.getValue(), HexFormat.of().formatHex(digest.digest()));
            return sums;
        }

        /** What there is to say about it: whether it had to give way. */
        List<String> notes() {
            return dropped == 0 ? List.of() : List.of("truncated: the oldest " + Archive.words(dropped)
                    + " were left out to keep within the " + room.bound);
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
            return segments.stream().mapToLong(segment -> segment.packed).sum() + END.length;
        }

        long plain() {
            return segments.stream().mapToLong(segment -> segment.plain).sum();
        }
    }
}
