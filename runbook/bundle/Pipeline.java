package runbook.bundle;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadFactory;
import java.util.function.Consumer;
import java.util.zip.Deflater;
import runbook.LogReader;
import runbook.Settings.Problem;
import runbook.bundle.Archive.Item;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Archive.Part;
import runbook.redact.Pieces;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces.Words;
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

    private final ExecutorService pool;
    private final Redactor redactor;
    private final Scan.Search search;
    /** Pieces ahead of their turn, of all streams together; one piece of each stream needs no room. */
    private final Semaphore room;
    private final ConcurrentLinkedDeque<Worker> idle = new ConcurrentLinkedDeque<>();

    Pipeline(Redactor redactor) {
        int workers = Math.min(Runtime.getRuntime().availableProcessors(), MOST_WORKERS);
        this.redactor = redactor;
        this.search = new Scan.Search(redactor.policy());
        this.room = new Semaphore(workers + 1);
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

        static void unlessNone(Tally left) {
            if (left.total() > 0) {
                throw new Unsafe("secrets or personal data were left in what was collected (" + left.counts() + ")");
            }
        }
    }

    /**
     * What came of a stream: bytes read, why it stopped early or null, and how many bytes could not be judged or
     * redacted.
     */
    record Carried(long read, String trouble, long leftOut) { }

    /** One piece's outcome: {@code packed} deflated, {@code plain} as it was before. */
    private record Block(byte[] packed, byte[] plain, long read, long leftOut) { }

    /**
     * Carries a whole stream, until its end, {@code limit} bytes or an interrupt; the listener is given what comes out,
     * redacted, in its order.
     *
     * @throws Unsafe      when something secret is left in what came out
     * @throws IOException when the part cannot be written
     */
    Carried carry(InputStream input, long limit, Wanted wanted, Tally tally, Part part,
            Consumer<byte[]> listener) throws IOException {
        Pieces pieces = new Pieces(input, limit);
        Underway underway = new Underway(part, listener);
        try {
            for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                if (Thread.interrupted()) {
                    throw new InterruptedException();
                }
                Piece next = piece;
                underway.add(pool, () -> work(next, wanted, tally));
            }
            underway.takeAll();
            return underway.carried(pieces.trouble());
        } catch (InterruptedException e) {
            // What came so far is kept; the interrupt is used up, or no file could be written any more.
            return underway.carried("its time was up");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Unsafe unsafe) {
                throw unsafe;
            }
            throw new IOException("redaction failed: " + e.getCause().getClass().getSimpleName());
        } finally {
            underway.cancel();
        }
    }

    /** A file of the archive whose text is at hand. */
    Item page(Path folder, String name, byte[] text) throws IOException {
        Tally tally = new Tally();
        Part part = new Part(folder, "page-" + name, Long.MAX_VALUE);
        carry(new ByteArrayInputStream(text), Long.MAX_VALUE, Wanted.EVERYTHING, tally, part, any -> { });
        part.finish();
        return new Item(name, "bundle", Origin.none(0), part, tally, List.of());
    }

    private Block work(Piece piece, Wanted wanted, Tally tally) {
        Worker worker = idle.pollLast();
        Worker used = worker == null ? new Worker() : worker;
        try {
            Block block = used.work(piece, new Choice(wanted), redactor, search, tally);
            idle.addLast(used);
            return block;
        } catch (Unsafe e) {
            throw e;
        } catch (RuntimeException | StackOverflowError e) {
            // Fail closed: what could not be redacted stays out, and the manifest says how much it was.
            used.deflater.end();
            return new Block(new byte[0], new byte[0], piece.to() - piece.from(), piece.to() - piece.from());
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
        idle.forEach(worker -> worker.deflater.end());
    }

    /** A stream's pieces that are worked on, in their order. For one thread. */
    private final class Underway {
        private final Deque<Future<Block>> blocks = new ArrayDeque<>();
        private final Part part;
        private final Consumer<byte[]> listener;
        private byte[] before = new byte[0];
        private long read;
        private long leftOut;

        Underway(Part part, Consumer<byte[]> listener) {
            this.part = part;
            this.listener = listener;
        }

        void add(ExecutorService pool, Callable<Block> work) throws IOException, InterruptedException,
                ExecutionException {
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
            lookThroughSeam(block.plain);
            part.append(block.packed, block.plain);
            listener.accept(block.plain);
            read += block.read;
            leftOut += block.leftOut;
        }

        // What begins in one piece and ends in the next: whole lines where there are any, so nothing looks cut off.
        private void lookThroughSeam(byte[] plain) {
            int head = Math.min(plain.length, SEAM);
            byte[] seam = Arrays.copyOf(before, before.length + head);
            System.arraycopy(plain, 0, seam, before.length, head);
            if (before.length > 0 && head > 0) {
                Tally left = new Tally();
                Piece border = new Piece(seam, seam.length, before.length / 2, before.length);
                new Scan(redactor, left).remaining(border);
                search.count(border, left);
                Unsafe.unlessNone(left);
            }
            byte[] all = plain.length >= SEAM ? plain : seam;
            before = Arrays.copyOfRange(all, Math.max(0, all.length - SEAM), all.length);
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

    /** What one thread needs, kept from piece to piece. */
    private static final class Worker {
        private final Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        private final ByteArrayOutputStream clean = new ByteArrayOutputStream(1 << 16);
        private byte[] packed = new byte[1 << 16];

        Block work(Piece piece, Choice choice, Redactor redactor, Scan.Search search, Tally tally) {
            Scan scan = new Scan(redactor, tally);
            scan.blankPrivateKeys(piece.data(), piece.length());
            int unjudged = piece.blankWhatCannotBeJudged();
            choice.choose(piece);
            clean.reset();
            scan.clean(choice.data, choice.length, choice.ownFrom, choice.ownTo, clean);
            byte[] plain = clean.toByteArray();
            Tally left = new Tally();
            search.count(new Piece(plain, plain.length, 0, plain.length), left);
            Unsafe.unlessNone(left);
            return new Block(deflate(plain), plain, piece.to() - piece.from(), unjudged);
        }

        private byte[] deflate(byte[] plain) {
            deflater.reset();
            deflater.setInput(plain);
            int length = 0;
            while (true) {
                length += deflater.deflate(packed, length, packed.length - length, Deflater.SYNC_FLUSH);
                if (length < packed.length) {
                    return Arrays.copyOf(packed, length);
                }
                packed = Arrays.copyOf(packed, 2 * packed.length);
            }
        }
    }

    /**
     * Which lines go into the bundle: those of the time that hold the words, and some lines around them.
     *
     * @param words   in either case; empty for every line
     * @param around  lines of context before and after
     * @param window  the time, or null for any
     * @param zone    of times that name none
     */
    record Wanted(String words, int around, Bundle.Window window, ZoneId zone) {
        static final Wanted EVERYTHING = new Wanted("", 0, null, ZoneId.of("UTC"));
    }

    /**
     * Chooses lines of a stream's pieces, each alone. A line without a time is of the time of the line before it, as
     * the lines of a
     * stack trace are; where no time is found at all, lines are kept. Not for use by several threads.
     */
    private static final class Choice {
        private static final int LINES_BACK = 200;

        private final Wanted wanted;
        private final Words words;
        private final LogReader.Stamps stamps;
        private byte[] data = new byte[1 << 16];
        private int length;
        private int ownFrom;
        private int ownTo;
        // The last line whose time was asked for: lines without one ask for that of the line before them.
        private int knownLine = -1;
        private long knownTime;

        Choice(Wanted wanted) {
            this.wanted = wanted;
            this.words = wanted.words.isEmpty() ? null : new Words(wanted.words);
            this.stamps = wanted.window == null ? null : new LogReader.Stamps(wanted.zone, wanted.window.to());
        }

        void choose(Piece piece) {
            ownFrom = piece.from();
            ownTo = piece.to();
            if (words == null && (stamps == null || all(piece))) {
                data = piece.data();
                length = piece.length();
                return;
            }
            data = new byte[piece.data().length];
            copyChosen(piece, piece.beginsWithinLine() ? 0 : piece.from(), piece.endsWithinLine() ? piece.length()
                    : piece.to());
        }

        private void copyChosen(Piece piece, int from, int to) {
            byte[] all = piece.data();
            int before = 0;
            int own = 0;
            int done = from;
            int around = words == null ? 0 : wanted.around;
            for (int line = 0; line < piece.length(); ) {
                int hit = words == null ? line : words.find(all, line, piece.length());
                if (hit < 0) {
                    break;
                }
                int start = lineStart(all, hit);
                int end = lineEnd(all, hit, piece.length());
                if (inWindow(all, start, end)) {
                    int first = Math.max(done, back(all, start, around));
                    int last = Math.min(to, forth(all, end, piece.length(), around));
                    if (last > first) {
                        before += Math.max(0, Math.min(last, piece.from()) - first);
                        own += Math.max(0, Math.min(last, piece.to()) - Math.max(first, piece.from()));
                        System.arraycopy(all, first, data, length, last - first);
                        length += last - first;
                        done = last;
                    }
                }
                line = end;
            }
            ownFrom = before;
            ownTo = before + own;
        }

        // Logs are written in the order of time: when a piece's first and last line are in the window, so is the rest.
        private boolean all(Piece piece) {
            long first = LogReader.NO_TIME;
            for (int i = 0, at = piece.from(); i < LINES_BACK && at < piece.to() && first == LogReader.NO_TIME; i++) {
                int end = lineEnd(piece.data(), at, piece.to());
                first = stamps.find(piece.data(), at, end);
                at = end;
            }
            long last = timeOf(piece.data(), lineStart(piece.data(), piece.to() - 1), piece.to());
            return first != LogReader.NO_TIME && last != LogReader.NO_TIME && wanted.window.holds(first)
                    && wanted.window.holds(last);
        }

        private boolean inWindow(byte[] all, int start, int end) {
            long time = stamps == null ? LogReader.NO_TIME : timeOf(all, start, end);
            return time == LogReader.NO_TIME || wanted.window.holds(time);
        }

        private long timeOf(byte[] all, int start, int end) {
            long time = stamps.find(all, start, end);
            int line = start;
            for (int i = 0; i < LINES_BACK && time == LogReader.NO_TIME && line > 0; i++) {
                int before = lineStart(all, line - 1);
                time = before == knownLine ? knownTime : stamps.find(all, before, line);
                line = before;
            }
            knownLine = start;
            knownTime = time;
            return time;
        }

        private static int lineStart(byte[] all, int at) {
            int i = at;
            while (i > 0 && all[i - 1] != '\n') {
                i--;
            }
            return i;
        }

        private static int lineEnd(byte[] all, int at, int length) {
            int i = at;
            while (i < length && all[i] != '\n') {
                i++;
            }
            return Math.min(length, i + 1);
        }

        private static int back(byte[] all, int start, int lines) {
            int at = start;
            for (int i = 0; i < lines && at > 0; i++) {
                at = lineStart(all, at - 1);
            }
            return at;
        }

        private static int forth(byte[] all, int end, int length, int lines) {
            int at = end;
            for (int i = 0; i < lines && at < length; i++) {
                at = lineEnd(all, at, length);
            }
            return at;
        }
    }
}
