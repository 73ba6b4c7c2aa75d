package runbook.redact;

import java.io.*;
import java.nio.charset.*;
import java.util.*;
import java.util.zip.*;

/** Cuts a stream into {@link Piece}s of about half a megabyte, at line ends where there are any. */
public final class Pieces {
    /** How much of its neighbours a piece shows: more than the longest private key in use. */
    public static final int MARGIN = 16_384;
    private static final int SIZE = 1 << 19;
    private static final int LONGEST_HEADER = 4_096;

    private final InputStream input;
    private byte[] buffer = new byte[SIZE + 2 * MARGIN];
    private int length;
    private int from;
    private boolean ended;
    private long left;
    private String trouble;
    // The first line, which names the columns if this is a table: every piece that begins with a line shows it.
    private byte[] header;

    /** Pieces of at most {@code limit} bytes of this stream, which it does not close. */
    public Pieces(InputStream input, long limit) {
        this.input = input;
        this.left = limit;
    }

    /** The next piece, or null at the end. An error while reading ends the stream and is told by {@link #trouble()}. */
    public Piece next() {
        fill();
        if (from == length) {
            return null;
        }
        int to = ended ? length : cut();
        Piece piece = ended ? new Piece(Arrays.copyOf(buffer, length), length, from, to)
                : new Piece(buffer, Math.min(length, to + MARGIN), from, to);
        int first = header == null ? Redactor.lineEnd(buffer, 0, length) + 1 : 0;
        header = header == null ? Arrays.copyOf(buffer, first < Math.min(length, LONGEST_HEADER) ? first : 0) : header;
        // The piece keeps its buffer: workers change it, so what both need is copied.
        int keep = Math.max(0, to - MARGIN);
        int before = buffer[to - 1] == '\n' ? header.length : 0;
        byte[] next = new byte[ended ? before + length - keep : buffer.length];
        System.arraycopy(header, 0, next, 0, before);
        System.arraycopy(buffer, keep, next, before, length - keep);
        buffer = next;
        length += before - keep;
        from = before + to - keep;
        return piece;
    }

    /** Why reading stopped before the end, or null. */
    public String trouble() {
        return trouble;
    }

    private void fill() {
        try {
            while (!ended && length < buffer.length) {
                int read = left == 0 ? -1 : input.read(buffer, length, (int) Math.min(left, buffer.length - length));
                ended = read < 0;
                left -= Math.max(0, read);
                length += withoutZeroes(length, Math.max(0, read));
            }
        } catch (IOException e) {
            trouble = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            ended = true;
        }
    }

    // UTF-16 that did not say so reads as ASCII once its zeroes are gone, and no secret hides behind them.
    private int withoutZeroes(int start, int count) {
        int zero = new String(buffer, start, count, StandardCharsets.ISO_8859_1).indexOf('\0');
        int kept = zero < 0 ? start + count : start + zero;
        for (int at = kept; at < start + count; at++) {
            buffer[kept] = buffer[at];
            kept += buffer[at] != 0 ? 1 : 0;
        }
        return kept - start;
    }

    private int cut() {
        int latest = length - MARGIN;
        for (int i = latest; i > Math.max(from, latest - SIZE / 2); i--) {
            if (buffer[i - 1] == '\n') {
                return i;
            }
        }
        return latest;
    }

    /**
     * A stretch of a stream with what surrounds it. Stretches follow each other without gap or overlap; what surrounds
     * them lets each be worked on alone.
     *
     * @param data   neighbours included; its own, so it may be changed
     * @param length how much of {@code data} is in use
     * @param from   where the stretch begins
     * @param to     where it ends, exclusive
     */
    public record Piece(byte[] data, int length, int from, int to) {
        /** What is written over what cannot stay. */
        static final byte BLANK = '*';

        /** Whether the stretch begins in the middle of a line, which only happens within a line of half a megabyte. */
        public boolean beginsWithinLine() {
            return from > 0 && data[from - 1] != '\n';
        }

        /** Whether it ends in the middle of a line, not counting the stream's end. */
        public boolean endsWithinLine() {
            return to < length && data[to - 1] != '\n';
        }

        /**
         * Overwrites a run of characters without any break that comes from further left than can be seen: whether it is
         * part of a secret cannot be judged. Tells how many bytes were taken out.
         */
        public int blankWhatCannotBeJudged() {
            int start = from;
            while (beginsWithinLine() && start > 0 && unbroken(data[start - 1])) {
                start--;
            }
            int end = from;
            while (beginsWithinLine() && start == 0 && end < length && unbroken(data[end])) {
                end++;
            }
            Arrays.fill(data, from, end, BLANK);
            return end - from;
        }

        private static boolean unbroken(byte b) {
            return View.inRun(b) || b == '%' || b == '.' || b == '~';
        }
    }

    /** A stream as the text it holds: gzip unpacked, UTF-16 made UTF-8. What cannot be read as text is refused. */
    public static final class PlainInput {
        private static final int LOOK = 4_096;
        private static final int DEEPEST = 3;
        private static final Map<String, String> UNREADABLE = Map.of("\u00fd7zXZ", "xz", "(\u00b5/\u00fd", "zstd",
                "BZh", "bzip2", "PK\u0003\u0004", "zip", "7z\u00bc\u00af", "7z", "\u0004\"M\u0018", "lz4");

        private PlainInput() { }

        /** Content that is no text, and so cannot be judged. */
        public static final class NotText extends IOException {
            NotText(String message) {
                super(message);
            }
        }

        /**
         * The text in this stream.
         *
         * @throws NotText when it is binary, or packed in a way that Java cannot unpack
         */
        public static InputStream of(InputStream raw) throws IOException {
            return of(raw, 0);
        }

        private static InputStream of(InputStream raw, int depth) throws IOException {
            BufferedInputStream input = new BufferedInputStream(raw, 1 << 16);
            input.mark(LOOK);
            String head = new String(input.readNBytes(LOOK), StandardCharsets.ISO_8859_1);
            input.reset();
            if (head.startsWith("\u001f\u008b")) {
                if (depth == DEEPEST) {
                    throw new NotText("gzip inside gzip inside gzip");
                }
                return of(new GZIPInputStream(input, 1 << 16), depth + 1);
            }
            for (Map.Entry<String, String> packed : UNREADABLE.entrySet()) {
                if (head.startsWith(packed.getKey())) {
                    throw new NotText("packed with " + packed.getValue() + ": unpack it first");
                }
            }
            if (head.startsWith("\u00ff\u00fe") || head.startsWith("\u00fe\u00ff")) {
                return narrowed(new InputStreamReader(input, StandardCharsets.UTF_16));
            }
            long odd = head.chars().filter(c -> c < ' ' && "\t\n\r\f\b\u001b".indexOf(c) < 0).count();
            if (odd > Math.max(2, head.length() / 10)) {
                throw new NotText("binary data, which cannot be redacted");
            }
            return input;
        }

        // Characters as UTF-8, some thousand at a time; what has no character becomes a question mark.
        private static InputStream narrowed(InputStreamReader reader) {
            return new InputStream() {
                private final char[] chars = new char[8_192];
                private InputStream bytes = InputStream.nullInputStream();

                @Override
                public int read() {
                    throw new UnsupportedOperationException("it is read by many bytes");
                }

                @Override
                public int read(byte[] into, int at, int most) throws IOException {
                    int read = most == 0 ? 0 : bytes.read(into, at, most);
                    for (int more = 0; read < 0 && more >= 0; read = bytes.read(into, at, most)) {
                        more = reader.read(chars, 0, chars.length - 1);
                        boolean half = more > 0 && Character.isHighSurrogate(chars[more - 1]);
                        int all = Math.max(0, more) + (half ? Math.max(0, reader.read(chars, more, 1)) : 0);
                        bytes = new ByteArrayInputStream(new String(chars, 0, all).getBytes(StandardCharsets.UTF_8));
                    }
                    return read;
                }
            };
        }
    }
}
