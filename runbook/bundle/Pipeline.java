package runbook.bundle;

import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.zip.*;
import runbook.*;
import runbook.Settings.Problem;
import runbook.bundle.Archive.Part;
import runbook.redact.*;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor.Tally;

/**
 * Carries streams through choice, redaction, check and compression, piece by piece on all cores, into an {@link
 * Archive} in their order. Only redacted bytes come out of a worker, so nothing else can reach a disk; a worker that
 * fails leaves its piece out, and of one that holds none of the wanted words nothing can come.
 *
 * <p>What comes out is looked through while it is in memory, as thoroughly as a second pass over the finished archive
 * would do it: {@link Scan#clean} ends with a pass over what it wrote that found nothing; each piece is then searched
 * for the known values by other code than the redactor's ({@link Scan.Search}); and the seams between pieces are looked
 * through both ways. The same worker packs the piece, and the archive's read-back proves by SHA-256 that it holds the
 * very bytes that were packed.
 */
final class Pipeline implements Closeable {
    /**
     * More than these would need more memory than the heap has ({@code RUNTIME_OPTIONS} in debug-bundle.java; it has
     * the compiler inline little too, which else works for longer than a hundred megabytes take).
     */
    private static final int MOST_WORKERS = 8;
    private static final int SEAM = 4_096;
    private static final int AT_ONCE = 1 << 13;
    private static final int LONGEST_NOTE = 400;
    private static final int LONGEST_CLEAN = 20_000;
    private static final byte[] NOTHING = {};
    private static final Words PRIVATE_KEY = new Words("private key"); // In few pieces: Scan tells exactly.

    final Redactor redactor;
    final Archive archive;
    private final Scan.Search search;
    private final ExecutorService pool;
    /** Pieces that are read and not yet taken, of all streams together: memory has room for so many. */
    private final Semaphore ahead;
    private final ThreadLocal<Deflater> deflaters =
            ThreadLocal.withInitial(() -> new Deflater(Deflater.BEST_SPEED, true));

    /** One into an archive; into null where it only judges. */
    Pipeline(Redactor redactor, Archive archive) {
        int workers = Math.min(Runtime.getRuntime().availableProcessors(), MOST_WORKERS);
        this.redactor = redactor;
        this.archive = archive;
        this.search = new Scan.Search(redactor.policy());
        this.ahead = new Semaphore(workers + 3);
        this.pool = new ForkJoinPool(workers);
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }

    /** What was collected could not be made safe to share: nothing of it is kept. */
    static final class Unsafe extends Problem {
        private static final int REFUSED = 42;

        /** @param found what was found, and where; never a value */
        Unsafe(String found) {
            super(REFUSED, "refused: " + found + ". Nothing was kept; please report the rule and the file's kind");
        }

        private static void unlessNone(Map<String, Long> left) {
            if (!left.isEmpty()) {
                throw new Unsafe("secrets or personal data were left in what was collected (" + left + ")");
            }
        }
    }

    // ---- pieces on all cores

    /**
     * Works on a stream's pieces, until its end, until it is over, or an interrupt; what comes of them is taken in
     * their order, by whoever worked on them. What had come when it was over goes on its way.
     *
     * @return why it stopped early, or empty
     * @throws IOException when the work failed, or the taker did, by an {@link UncheckedIOException}
     */
    <T> String each(Pieces pieces, BooleanSupplier over, Function<Piece, T> work, Consumer<T> taker)
            throws IOException {
        CompletableFuture<Void> all = CompletableFuture.completedFuture(null);
        boolean interrupted = false;
        try {
            for (Piece piece = pieces.next(); piece != null; piece = over.getAsBoolean() ? null : pieces.next()) {
                ahead.acquire();
                Piece next = piece;
                CompletableFuture<T> worked = CompletableFuture.supplyAsync(() -> work.apply(next), pool);
                all = all.thenAcceptBoth(worked, (before, result) -> taker.accept(result))
                        .whenComplete((taken, failure) -> ahead.release());
                if (all.isCompletedExceptionally()) {
                    break;
                }
            }
        } catch (InterruptedException e) {
            // It is used up: no file could be written any more.
            interrupted = true;
        }
        try {
            all.join();
            return interrupted ? "its time was up" : Objects.toString(pieces.trouble(), "");
        } catch (CompletionException e) {
            if (e.getCause() instanceof Unsafe unsafe) {
                throw unsafe;
            } else if (e.getCause() instanceof UncheckedIOException failure) {
                throw failure.getCause();
            }
            throw new IOException("it could not be looked through: " + e.getCause().getClass().getSimpleName());
        }
    }

    /** How often each rule finds something that begins in this piece of what should be clean; stand-ins are nothing. */
    Map<String, Long> judge(Piece piece) {
        Tally rules = new Tally();
        Tally known = new Tally();
        new Scan(redactor, rules).remaining(piece);
        search.count(piece, known);
        Map<String, Long> found = rules.counts();
        known.counts().forEach(found::putIfAbsent);
        return found;
    }

    static Piece whole(byte[] text) {
        return new Piece(text, text.length, 0, text.length);
    }

    // ---- carrying a stream into a part

    /** One piece's outcome: {@code packed} deflated, {@code plain} as it was before, and how much of it is missing. */
    private record Packed(byte[] packed, byte[] plain, long leftOut) { }

    /**
     * Carries a stream into a part, until it is over. The listener is given what comes out, redacted and in its order.
     *
     * @throws Unsafe      when something secret is left in what came out
     * @throws IOException when the part cannot be written
     */
    void carry(Pieces pieces, BooleanSupplier over, Wanted wanted, Part part, Consumer<byte[]> listener)
            throws IOException {
        Seams seams = new Seams();
        long[] leftOut = {0};
        String trouble = each(pieces, over, piece -> packed(piece, wanted, part.tally), block -> {
            leftOut[0] += block.leftOut;
            if (block.plain.length > 0) {
                seams.check(block.plain);
                part.append(block.packed, block.plain);
                listener.accept(block.plain);
            }
        });
        if (!trouble.isEmpty()) {
            part.notes.add(clean("reading stopped early: " + trouble));
        }
        if (leftOut[0] > 0) {
            part.notes.add(leftOut[0] + " bytes left out: they could not be redacted");
        }
    }

    /** A page of the archive's own. */
    Part page(String path, String text) throws IOException {
        Part part = archive.part(path, "bundle");
        InputStream input = new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
        carry(new Pieces(input, Long.MAX_VALUE), () -> false, Wanted.EVERYTHING, part, any -> { });
        return part;
    }

    /** A short text, redacted and on one line. */
    String clean(String text) {
        return Text.safe(redactor.text(text.substring(0, Math.min(text.length(), LONGEST_CLEAN))), LONGEST_NOTE);
    }

    private Packed packed(Piece piece, Wanted wanted, Tally tally) {
        try {
            if (wanted.words != null && wanted.words.find(piece.data(), 0, piece.length()) < 0) {
                return new Packed(NOTHING, NOTHING, 0);
            }
            Scan scan = new Scan(redactor, tally);
            if (PRIVATE_KEY.find(piece.data(), 0, piece.length()) >= 0) {
                scan.blankPrivateKeys(piece);
            }
            int unjudged = piece.blankWhatCannotBeJudged();
            byte[] plain = scan.clean(wanted == Wanted.EVERYTHING ? piece : new Choice(wanted, piece).chosen());
            Tally left = new Tally();
            search.count(whole(plain), left);
            Unsafe.unlessNone(left.counts());
            return new Packed(deflated(plain), plain, unjudged);
        } catch (Unsafe e) {
            throw e;
        } catch (IOException | RuntimeException | StackOverflowError e) {
            // Fail closed: what could not be redacted stays out, and the manifest says how much it was.
            return new Packed(NOTHING, NOTHING, piece.to() - piece.from());
        }
    }

    private byte[] deflated(byte[] plain) throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream(plain.length / 4 + 1_024);
        Deflater deflater = deflaters.get();
        deflater.reset();
        // By and by, since memory cannot be tidied up while a call reads from it.
        DeflaterOutputStream by = new DeflaterOutputStream(packed, deflater, AT_ONCE, true);
        by.write(plain);
        by.flush();
        return packed.toByteArray();
    }

    /** Where one stream's pieces meet: what begins in one and ends in the next. */
    private final class Seams {
        private byte[] before = NOTHING;

        void check(byte[] plain) {
            int head = Math.min(plain.length, SEAM);
            byte[] seam = Arrays.copyOf(before, before.length + head);
            System.arraycopy(plain, 0, seam, before.length, head);
            if (before.length > 0) {
                Unsafe.unlessNone(judge(new Piece(seam, seam.length, before.length / 2, before.length)));
            }
            byte[] all = plain.length >= SEAM ? plain : seam;
            before = Arrays.copyOfRange(all, Math.max(0, all.length - SEAM), all.length);
        }
    }

    // ---- which lines

    /**
     * Which lines go into the bundle: those of the time that hold the words, and some lines around them.
     *
     * @param words  what they hold; null for every line
     * @param around lines of context before and after
     * @param window null for any time
     * @param zone   of times that name none
     * @param stamps a thread's reader of times, for all pieces: most of them are of the same minutes
     */
    record Wanted(Words words, int around, Bundle.Window window, ZoneId zone, ThreadLocal<LogReader.Stamps> stamps) {
        static final Wanted EVERYTHING = new Wanted(null, 0, null, null);

        Wanted(Words words, int around, Bundle.Window window, ZoneId zone) {
            this(words, around, window, zone,
                    ThreadLocal.withInitial(() -> new LogReader.Stamps(zone, window.to())));
        }

        /** Why there may be none. */
        String none() {
            String about = words == null ? "" : " with " + words.text;
            return this == EVERYTHING ? ""
                    : ": no line" + about + " in the window (times without a zone read as " + zone + ")";
        }
    }

    /** Chooses lines of a piece by what they say, and when. Lines that do not are passed over, not looked at. */
    private static final class Choice {
        private static final int LINES_BACK = 200;

        private final Wanted wanted;
        private final Piece piece;
        private final byte[] all;
        private final int length;
        private final LogReader.Stamps stamps;
        // The line whose time was last asked for: lines without one ask for that of the line before them.
        private int knownLine = -1;
        private long knownTime;
        // What was taken: from what is shown of the neighbours, up to the piece, and to its end.
        private final ByteArrayOutputStream chosen = new ByteArrayOutputStream(1 << 16);
        private int before;
        private int own;
        private int done;

        Choice(Wanted wanted, Piece piece) {
            this.wanted = wanted;
            this.piece = piece;
            this.all = piece.data();
            this.length = piece.length();
            this.stamps = wanted.stamps.get();
            // A line that is not whole in the piece is only there to be looked at: it is its neighbour's.
            done = piece.beginsWithinLine() ? 0 : piece.from();
        }

        Piece chosen() {
            Words words = wanted.words;
            int around = words == null ? 0 : wanted.around;
            for (int start = 0; start < length; ) {
                int hit = words == null ? start : words.find(all, start, length);
                if (hit < 0) {
                    break;
                }
                int line = Redactor.lineStart(all, hit);
                start = forth(hit, 1);
                if (inWindow(line, start)) {
                    take(back(line, around), forth(start, around));
                }
            }
            return new Piece(chosen.toByteArray(), chosen.size(), before, before + own);
        }

        private int back(int line, int lines) {
            int start = line;
            for (int i = 0; i < lines && start > done; i++) {
                start = Redactor.lineStart(all, start - 1);
            }
            return start;
        }

        private int forth(int line, int lines) {
            int end = line;
            for (int i = 0; i < lines && end < length; i++) {
                end = Math.min(Redactor.lineEnd(all, end, length) + 1, length);
            }
            return end;
        }

        // A line without a time is of the time of the line before it, as the lines of a stack trace are; where no time
        // is found at all, lines are kept.
        private boolean inWindow(int line, int end) {
            long time = stamps.find(all, line, end);
            int above = line;
            for (int i = 0; i < LINES_BACK && above > 0 && time == LogReader.NO_TIME; i++) {
                int below = above;
                above = Redactor.lineStart(all, above - 1);
                time = above == knownLine ? knownTime : stamps.find(all, above, below);
            }
            knownLine = line;
            knownTime = time;
            return time == LogReader.NO_TIME || wanted.window.holds(time);
        }

        private void take(int first, int last) {
            int from = Math.max(first, done);
            int to = Math.min(last, piece.endsWithinLine() ? length : piece.to());
            if (to > from) {
                chosen.write(all, from, to - from);
                before += Math.max(0, Math.min(to, piece.from()) - from);
                own += Math.max(0, Math.min(to, piece.to()) - Math.max(from, piece.from()));
                done = to;
            }
        }
    }

    /**
     * Finds ASCII words in bytes, letters in either case. Most bytes are never looked at: wherever the words may be,
     * two neighbours tell whether they can, and where they would begin.
     */
    static final class Words {
        final String text;
        private final int length;
        // How far apart neighbours are; 0 in a word of one letter.
        private final int next;
        private final int step;
        // By two neighbours: how far behind the earliest possible one the words would begin, a bit for each.
        private final int[] begins = new int[1 << 10];

        /** A search for these words, which may not be empty. */
        Words(String text) {
            this.text = text;
            length = text.getBytes(StandardCharsets.UTF_8).length;
            next = Math.min(1, length - 1);
            step = Math.min(length - next, Integer.SIZE);
            for (String one : List.of(text.toLowerCase(Locale.ROOT), text.toUpperCase(Locale.ROOT))) {
                byte[] bytes = one.getBytes(StandardCharsets.UTF_8);
                for (int i = 0; i < Math.min(step, bytes.length - next); i++) {
                    begins[pair(bytes[i], bytes[i + next])] |= 1 << step - 1 - i;
                }
            }
        }

        // Of five bits of each: a letter has the same in either case.
        private static int pair(byte first, byte second) {
            return (first & 31) << 5 | second & 31;
        }

        /** Where they first begin in {@code data[from, to)}, or -1. */
        int find(byte[] data, int from, int to) {
            for (int at = from + step - 1; at + next < to; at += step) {
                for (int left = begins[pair(data[at], data[at + next])]; left != 0; left &= left - 1) {
                    int begin = at - step + 1 + Integer.numberOfTrailingZeros(left);
                    if (begin + length <= to && text.equalsIgnoreCase(
                            new String(data, begin, length, StandardCharsets.UTF_8))) {
                        return begin;
                    }
                }
            }
            return -1;
        }
    }
}
