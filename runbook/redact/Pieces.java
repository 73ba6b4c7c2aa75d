package runbook.redact;

import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

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
}
