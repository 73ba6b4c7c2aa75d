package runbook.redact;

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
        return EncodedRuns.member(b) || b == '%' || b == '.' || b == '~';
    }
}
