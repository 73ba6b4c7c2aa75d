package runbook.redact;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.zip.GZIPInputStream;

/** Cuts a stream into {@link Piece}s of about half a megabyte, at line ends where there are any. */
public final class Pieces {
    /** How much of its neighbours a piece shows: more than the longest private key in use. */
    public static final int MARGIN = 16_384;
    private static final int SIZE = 1 << 19;
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final InputStream input;
    private byte[] buffer = new byte[SIZE + 2 * MARGIN];
    private int length;
    private int from;
    private boolean ended;
    private long left;
    private String trouble;

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
        byte[] data = ended ? Arrays.copyOf(buffer, length) : buffer;
        Piece piece = new Piece(data, ended ? length : Math.min(length, to + MARGIN), from, to);
        if (ended) {
            from = length;
        } else {
            moveOn(to);
        }
        return piece;
    }

    /** Why reading stopped before the end, or null. */
    public String trouble() {
        return trouble;
    }

    // The piece keeps its buffer: workers change it, so what both need is copied.
    private void moveOn(int to) {
        int keep = Math.max(0, to - MARGIN);
        byte[] next = new byte[buffer.length];
        System.arraycopy(buffer, keep, next, 0, length - keep);
        buffer = next;
        length -= keep;
        from = to - keep;
    }

    private void fill() {
        try {
            while (!ended && length < buffer.length) {
                int read = left == 0 ? -1 : input.read(buffer, length, (int) Math.min(left, buffer.length - length));
                if (read < 0) {
                    ended = true;
                } else {
                    left -= read;
                    length += withoutZeroes(length, read);
                }
            }
        } catch (IOException e) {
            trouble = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
            ended = true;
        }
    }

    // UTF-16 that came without saying so reads as ASCII once its zeroes are gone, and no secret hides behind them.
    private int withoutZeroes(int start, int count) {
        int end = start + count;
        int at = start;
        while (at + 8 <= end && !zeroWithin((long) LONGS.get(buffer, at))) {
            at += 8;
        }
        int kept = at;
        for (; at < end; at++) {
            buffer[kept] = buffer[at];
            kept += buffer[at] != 0 ? 1 : 0;
        }
        return kept - start;
    }

    private static boolean zeroWithin(long bytes) {
        return (bytes - 0x0101010101010101L & ~bytes & 0x8080808080808080L) != 0;
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
        /** Whether the stretch begins in the middle of a line, which only happens within a line of half a megabyte. */
        public boolean beginsWithinLine() {
            return from > 0 && data[from - 1] != '\n';
        }

        /** Whether it ends in the middle of a line, not counting the stream's end. */
        public boolean endsWithinLine() {
            return to < length && data[to - 1] != '\n';
        }

        /**
         * Overwrites a run of characters without any break that comes from further left than can be seen: whether it is part
         * of a secret cannot be judged. Tells how many bytes were taken out.
         */
        public int blankWhatCannotBeJudged() {
            if (!beginsWithinLine()) {
                return 0;
            }
            int start = from;
            while (start > 0 && unbroken(data[start - 1])) {
                start--;
            }
            int end = from;
            while (start == 0 && end < length && unbroken(data[end])) {
                end++;
            }
            java.util.Arrays.fill(data, from, end, (byte) '*');
            return end - from;
        }

        private static boolean unbroken(byte b) {
            return Encoded.inRun(b) || b == '%' || b == '.' || b == '~';
        }
    }

    /** A stream as the text it holds: gzip unpacked, UTF-16 turned into UTF-8. What cannot be read as text is refused. */
    public static final class PlainInput {
        private static final int LOOK = 4_096;
        private static final int DEEPEST = 3;

        private record Magic(String name, int... bytes) { }

        private static final List<Magic> UNREADABLE = List.of(
                new Magic("xz", 0xfd, '7', 'z', 'X', 'Z'),
                new Magic("zstd", 0x28, 0xb5, 0x2f, 0xfd),
                new Magic("bzip2", 'B', 'Z', 'h'),
                new Magic("zip", 'P', 'K', 3, 4),
                new Magic("7z", '7', 'z', 0xbc, 0xaf),
                new Magic("lz4", 4, 0x22, 0x4d, 0x18));

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
            byte[] head = input.readNBytes(LOOK);
            input.reset();
            if (starts(head, 0x1f, 0x8b)) {
                if (depth == DEEPEST) {
                    throw new NotText("gzip inside gzip inside gzip");
                }
                return of(new GZIPInputStream(input, 1 << 16), depth + 1);
            }
            for (Magic magic : UNREADABLE) {
                if (starts(head, magic.bytes)) {
                    throw new NotText("packed with " + magic.name + ": unpack it first");
                }
            }
            Charset wide = wide(head);
            if (wide != null) {
                return new Narrowed(new InputStreamReader(input, wide));
            }
            if (binary(head)) {
                throw new NotText("binary data, which cannot be redacted");
            }
            return input;
        }

        private static boolean starts(byte[] head, int... magic) {
            for (int i = 0; i < magic.length; i++) {
                if (i >= head.length || (head[i] & 0xff) != magic[i]) {
                    return false;
                }
            }
            return true;
        }

        private static Charset wide(byte[] head) {
            if (starts(head, 0xff, 0xfe) || starts(head, 0xfe, 0xff)) {
                return StandardCharsets.UTF_16;
            }
            int[] zeroes = new int[2];
            for (int i = 0; i < head.length; i++) {
                zeroes[i % 2] += head[i] == 0 ? 1 : 0;
            }
            // Text in a western language has a zero in nearly every second byte, and always on the same side.
            int many = Math.max(4, head.length / 5);
            return zeroes[1] >= many && zeroes[0] < many / 8 + 1 ? StandardCharsets.UTF_16LE
                    : zeroes[0] >= many && zeroes[1] < many / 8 + 1 ? StandardCharsets.UTF_16BE : null;
        }

        private static boolean binary(byte[] head) {
            int odd = 0;
            for (byte b : head) {
                odd += b >= 0 && b < ' ' && "\t\n\r\f\b\u001b".indexOf(b) < 0 ? 1 : 0;
            }
            return odd > Math.max(2, head.length / 10);
        }

        /** Characters as UTF-8 bytes; what has no character becomes a question mark. */
        private static final class Narrowed extends InputStream {
            private final Reader reader;
            private final CharsetEncoder encoder = StandardCharsets.UTF_8.newEncoder().onMalformedInput(CodingErrorAction.REPLACE);
            private final CharBuffer chars = CharBuffer.allocate(8_192).flip();
            private final ByteBuffer bytes = ByteBuffer.allocate(32_768).flip();

            Narrowed(Reader reader) {
                this.reader = reader;
            }

            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                while (!bytes.hasRemaining()) {
                    chars.compact();
                    boolean ended = reader.read(chars) < 0;
                    chars.flip();
                    if (ended && !chars.hasRemaining()) {
                        return -1;
                    }
                    bytes.clear();
                    encoder.encode(chars, bytes, ended);
                    bytes.flip();
                    if (ended && !bytes.hasRemaining()) {
                        return -1;
                    }
                }
                int count = Math.min(length, bytes.remaining());
                bytes.get(target, offset, count);
                return count;
            }

            @Override
            public void close() throws IOException {
                reader.close();
            }
        }
    }

    /** Finds ASCII words in bytes, letters in either case, by Horspool's skips: most bytes are never looked at. */
    public static final class Words {
        private final byte[] lower;
        private final byte[] upper;
        private final int[] skip = new int[256];

        /** A search for these words, which may not be empty. */
        public Words(String words) {
            lower = bytes(words.toLowerCase(Locale.ROOT));
            upper = bytes(words.toUpperCase(Locale.ROOT));
            java.util.Arrays.fill(skip, lower.length);
            for (int i = 0; i < lower.length - 1; i++) {
                skip[lower[i] & 0xff] = lower.length - 1 - i;
                skip[upper[i] & 0xff] = lower.length - 1 - i;
            }
        }

        private static byte[] bytes(String words) {
            return words.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        }

        /** How many bytes the words have. */
        public int length() {
            return lower.length;
        }

        /** Where they first begin in {@code data[from, to)}, or -1. */
        public int find(byte[] data, int from, int to) {
            int last = lower.length - 1;
            int i = from + last;
            while (i < to) {
                byte b = data[i];
                if ((b == lower[last] || b == upper[last]) && matches(data, i - last)) {
                    return i - last;
                }
                i += skip[b & 0xff];
            }
            return -1;
        }

        private boolean matches(byte[] data, int start) {
            for (int i = 0; i < lower.length - 1; i++) {
                if (data[start + i] != lower[i] && data[start + i] != upper[i]) {
                    return false;
                }
            }
            return true;
        }
    }
}
