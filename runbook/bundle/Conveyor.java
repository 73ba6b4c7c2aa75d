package runbook.bundle;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.zip.Deflater;
import runbook.redact.Scan;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/**
 * Carries streams through choice, redaction and compression, piece by piece on all cores, into a {@link Part} in their order. Only
 * redacted bytes come out of a worker, so nothing else can reach a disk; a worker that fails leaves its piece out.
 */
final class Conveyor implements Closeable {
    /** More than these would need more memory than the heap has ({@code RUNTIME_OPTIONS} in debug-bundle.java). */
    private static final int MOST_WORKERS = 8;

    private final ExecutorService pool;
    private final Redactor redactor;
    /** Pieces ahead of their turn, of all streams together; one piece of each stream needs no room. */
    private final Semaphore room;
    private final ConcurrentLinkedDeque<Worker> idle = new ConcurrentLinkedDeque<>();

    Conveyor(Redactor redactor) {
        int workers = Math.min(Runtime.getRuntime().availableProcessors(), MOST_WORKERS);
        this.redactor = redactor;
        this.room = new Semaphore(workers + 1);
        this.pool = Executors.newFixedThreadPool(workers, task -> {
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
        Underway underway = new Underway(part);
        try {
            for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                if (Thread.currentThread().isInterrupted()) {
                    return underway.carried("interrupted");
                }
                Piece next = piece;
                underway.add(() -> work(next, wanted, tally));
            }
            underway.takeAll();
            return underway.carried(pieces.trouble());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException e) {
            throw new IOException("redaction failed: " + e.getCause().getClass().getSimpleName());
        } finally {
            underway.cancel();
        }
    }

    /** A stream's pieces that are worked on, in their order. For one thread. */
    private final class Underway {
        private final Deque<Future<Block>> blocks = new ArrayDeque<>();
        private final Part part;
        private long read;
        private long leftOut;

        Underway(Part part) {
            this.part = part;
        }

        void add(Callable<Block> work) throws IOException, InterruptedException, ExecutionException {
            while (!blocks.isEmpty() && !room.tryAcquire()) {
                takeFirst();
            }
            blocks.add(pool.submit(work));
        }

        void takeAll() throws IOException, InterruptedException, ExecutionException {
            while (!blocks.isEmpty()) {
                takeFirst();
            }
        }

        private void takeFirst() throws IOException, InterruptedException, ExecutionException {
            Block block = blocks.element().get();
            remove();
            part.append(block.packed, block.packed.length, block.plain, block.plain.length);
            read += block.read;
            leftOut += block.leftOut;
        }

        private void remove() {
            blocks.remove();
            if (!blocks.isEmpty()) {
                room.release();
            }
        }

        Carried carried(String trouble) {
            return new Carried(read, trouble, leftOut);
        }

        void cancel() {
            while (!blocks.isEmpty()) {
                blocks.element().cancel(true);
                remove();
            }
        }
    }

    private Block work(Piece piece, LineChoice.Wanted wanted, Tally tally) {
        Worker worker = idle.pollLast();
        Worker used = worker == null ? new Worker() : worker;
        try {
            Block block = used.work(piece, new LineChoice(wanted), redactor.cleaner(tally));
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
        idle.forEach(Worker::close);
    }

    /** What one thread needs, kept from piece to piece. */
    private static final class Worker {
        private final Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        private final ByteArrayOutputStream clean = new ByteArrayOutputStream(1 << 16);
        private byte[] packed = new byte[1 << 16];

        Block work(Piece piece, LineChoice choice, Scan cleaner) {
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
