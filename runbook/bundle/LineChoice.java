package runbook.bundle;

import java.time.ZoneId;
import runbook.redact.Pieces.ByteSearch;
import runbook.redact.Pieces.Piece;

/**
 * Which lines of a log go into the bundle: those in the window that hold the wanted words, and some lines around them. Works
 * on the pieces of a stream, each alone. A line without a time is of the time of the line before it, as the
 * lines of a stack trace are; where no time is found at all, lines are kept. Not for use by several threads.
 */
final class LineChoice {
    private static final int LINES_BACK = 200;

    /**
     * What to choose by.
     *
     * @param words   the words, in either case; empty for every line
     * @param around  lines of context before and after
     * @param window  the time, or null for any
     * @param zone    of times that name none
     */
    record Wanted(String words, int around, Window window, ZoneId zone) {
        /** Every line of any time. */
        static Wanted everything() {
            return new Wanted("", 0, null, ZoneId.of("UTC"));
        }
    }

    private final Wanted wanted;
    private final ByteSearch search;
    private final Stamps stamps;
    private byte[] chosen = new byte[1 << 16];
    private int length;
    private int ownFrom;
    private int ownTo;
    // The last line whose time was asked for: lines without one ask for that of the line before them.
    private int knownLine;
    private long knownTime;

    LineChoice(Wanted wanted) {
        this.wanted = wanted;
        this.search = wanted.words.isEmpty() ? null : new ByteSearch(wanted.words);
        this.stamps = wanted.window == null ? null : new Stamps(wanted.zone, wanted.window.to());
    }

    /** Chooses from a piece; the result is in {@link #data()} until the next call. */
    void choose(Piece piece) {
        ownFrom = piece.from();
        ownTo = piece.to();
        knownLine = -1;
        if (search == null && (stamps == null || all(piece))) {
            chosen = piece.data();
            length = piece.length();
            return;
        }
        if (chosen == piece.data() || chosen.length < piece.length()) {
            chosen = new byte[piece.data().length];
        }
        length = 0;
        int from = piece.beginsWithinLine() ? 0 : piece.from();
        int to = piece.endsWithinLine() ? piece.length() : piece.to();
        copyChosen(piece, from, to);
    }

    byte[] data() {
        return chosen;
    }

    int length() {
        return length;
    }

    int ownFrom() {
        return ownFrom;
    }

    int ownTo() {
        return ownTo;
    }

    private void copyChosen(Piece piece, int from, int to) {
        byte[] data = piece.data();
        int before = 0;
        int own = 0;
        int done = from;
        int around = search == null ? 0 : wanted.around;
        for (int line = 0; line < piece.length(); ) {
            int hit = search == null ? line : search.find(data, line, piece.length());
            if (hit < 0) {
                break;
            }
            int start = lineStart(data, hit);
            int end = lineEnd(data, hit, piece.length());
            if (inWindow(data, start, end)) {
                int first = Math.max(done, back(data, start, around));
                int last = Math.min(to, forth(data, end, piece.length(), around));
                if (last > first) {
                    before += Math.max(0, Math.min(last, piece.from()) - first);
                    own += Math.max(0, Math.min(last, piece.to()) - Math.max(first, piece.from()));
                    System.arraycopy(data, first, chosen, length, last - first);
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
        byte[] data = piece.data();
        long first = firstTime(data, piece.from(), piece.to());
        long last = timeOf(data, lineStart(data, piece.to() - 1), piece.to());
        return first != Stamps.NONE && last != Stamps.NONE && wanted.window.holds(first) && wanted.window.holds(last);
    }

    private long firstTime(byte[] data, int from, int to) {
        int at = from;
        for (int i = 0; i < LINES_BACK && at < to; i++) {
            int end = lineEnd(data, at, to);
            long time = stamps.find(data, at, end);
            if (time != Stamps.NONE) {
                return time;
            }
            at = end;
        }
        return Stamps.NONE;
    }

    private boolean inWindow(byte[] data, int start, int end) {
        if (stamps == null) {
            return true;
        }
        long time = timeOf(data, start, end);
        return time == Stamps.NONE || wanted.window.holds(time);
    }

    private long timeOf(byte[] data, int start, int end) {
        long time = stamps.find(data, start, end);
        int line = start;
        for (int i = 0; i < LINES_BACK && time == Stamps.NONE && line > 0; i++) {
            int before = lineStart(data, line - 1);
            time = before == knownLine ? knownTime : stamps.find(data, before, line);
            line = before;
        }
        knownLine = start;
        knownTime = time;
        return time;
    }

    private static int lineStart(byte[] data, int at) {
        int i = at;
        while (i > 0 && data[i - 1] != '\n') {
            i--;
        }
        return i;
    }

    private static int lineEnd(byte[] data, int at, int length) {
        int i = at;
        while (i < length && data[i] != '\n') {
            i++;
        }
        return Math.min(length, i + 1);
    }

    private static int back(byte[] data, int start, int lines) {
        int at = start;
        for (int i = 0; i < lines && at > 0; i++) {
            at = lineStart(data, at - 1);
        }
        return at;
    }

    private static int forth(byte[] data, int end, int length, int lines) {
        int at = end;
        for (int i = 0; i < lines && at < length; i++) {
            at = lineEnd(data, at, length);
        }
        return at;
    }
}
