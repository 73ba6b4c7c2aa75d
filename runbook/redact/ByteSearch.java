package runbook.redact;

import java.util.Locale;

/** Finds ASCII words in bytes, letters in either case, by Horspool's skips: most bytes are never looked at. */
public final class ByteSearch {
    private final byte[] lower;
    private final byte[] upper;
    private final int[] skip = new int[256];

    /** A search for these words, which may not be empty. */
    public ByteSearch(String words) {
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
