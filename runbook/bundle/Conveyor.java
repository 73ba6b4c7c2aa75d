package runbook.bundle;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.Deflater;
import runbook.redact.Cleaner;
import runbook.redact.Piece;
import runbook.redact.Pieces;
import runbook.redact.Redactor;
import runbook.redact.Tally;

/**
 * Carries streams through choice, redaction and compression, piece by piece on all cores, into a {@link Part} in their order. Only
 * redacted bytes come out of a worker, so nothing else can reach a disk; a worker that fails leaves its piece out.
 */
final class Conveyor implements Closeable {
    private final ExecutorService pool;
    private final int ahead;
    private final Redactor redactor;

    Conveyor(Redactor redactor) {
        int cores = Runtime.getRuntime().availableProcessors();
        this.redactor = redactor;
        this.ahead = cores + 2;
        this.pool = Executors.newFixedThreadPool(cores, task -> {
            Thread thread = new Thread(task, "redact");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** What came of a stream: how much was read, why it stopped early or null, and how many bytes could not be judged or redacted. */
    record Carried(long read, String trouble, long leftOut) {}

    /** One piece's outcome: {@code packed} deflated, {@code plain} as it was before. */
    private record Block(byte[] packed, byte[] plain, long read, long leftOut) { }

    /**
     * Carries a whole stream, until its end, {@code limit} bytes or an interrupt.
     *
     * @throws IOException when the part cannot be written
     */
    Carried carry(InputStream input, long limit, LineChoice.Wanted wanted, Tally tally, Part part) throws IOException {
        Pieces pieces = new Pieces(input, limit);
        Deque<Future<Block>> underway = new ArrayDeque<>();
        ConcurrentLinkedDeque<Worker> idle = new ConcurrentLinkedDeque<>();
        long read = 0;
        long leftOut = 0;
        String trouble = null;
        try {
            for (Piece piece = pieces.next();
                    piece != null || !underway.isEmpty();
                    piece = piece == null ? null : pieces.next()) {
                if (piece != null) {
                    Piece next = piece;
                    underway.add(pool.submit(() -> work(next, wanted, tally, idle)));
                }
                while (underway.size() >= (piece == null ? 1 : ahead)) {
                    Block block = underway.poll().get();
                    part.append(block.packed, block.packed.length, block.plain, block.plain.length);
                    read += block.read;
                    leftOut += block.leftOut;
                }
                trouble = Thread.currentThread().isInterrupted() ? "interrupted" : pieces.trouble();
                if ("interrupted".equals(trouble)) {
                    break;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException e) {
            throw new IOException("redaction failed: " + e.getCause().getClass().getSimpleName());
        } finally {
            underway.forEach(future -> future.cancel(true));
            idle.forEach(Worker::close);
        }
        return new Carried(read, trouble, leftOut);
    }

    private Block work(Piece piece, LineChoice.Wanted wanted, Tally tally, ConcurrentLinkedDeque<Worker> idle) {
        Worker worker = idle.pollLast();
        Worker used = worker == null ? new Worker(redactor.cleaner(tally), wanted) : worker;
        try {
            Block block = used.work(piece);
            idle.addLast(used);
            return block;
        } catch (RuntimeException | StackOverflowError e) {
            // Fail closed: what could not be redacted stays out, and the manifest says how much it was.
            used.close();
            return new Block(new byte[0], new byte[0], piece.to() - piece.from(), piece.to() - piece.from());
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }

    /** What one thread needs, kept from piece to piece. */
    private static final class Worker {
        private final Cleaner cleaner;
        private final LineChoice choice;
        private final Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        private final ByteArrayOutputStream clean = new ByteArrayOutputStream(1 << 16);
        private byte[] packed = new byte[1 << 16];

        Worker(Cleaner cleaner, LineChoice.Wanted wanted) {
            this.cleaner = cleaner;
            this.choice = new LineChoice(wanted);
        }

        Block work(Piece piece) {
            cleaner.blankPrivateKeys(piece.data(), piece.length());
            int unjudged = piece.blankWhatCannotBeJudged();
            choice.choose(piece);
            clean.reset();
            cleaner.clean(choice.data(), choice.length(), choice.ownFrom(), choice.ownTo(), clean);
            byte[] plain = clean.toByteArray();
            return new Block(deflate(plain), plain, piece.to() - piece.from(), unjudged);
        }

        private byte[] deflate(byte[] plain) {
            deflater.reset();
            deflater.setInput(plain);
            int length = 0;
            while (true) {
                int more = deflater.deflate(packed, length, packed.length - length, Deflater.SYNC_FLUSH);
                length += more;
                if (length < packed.length) {
                    return java.util.Arrays.copyOf(packed, length);
                }
                packed = java.util.Arrays.copyOf(packed, 2 * packed.length);
            }
        }

        void close() {
            deflater.end();
        }
    }
}
