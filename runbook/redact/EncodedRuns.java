package runbook.redact;

import java.util.function.Predicate;

/**
 * Secrets inside base64 and hexadecimal: long runs of such characters are decoded, at each alignment, and what reads as
 * text is looked at with all the rules. Runs are found by looking at every 20th byte, so text without any costs little.
 */
final class EncodedRuns {
    private static final int SHORTEST = 20;
    // 12 printable bytes in a row do not come about by chance: (95/256)^12 is 1 in 140,000 for each alignment and place.
    private static final int GROUPS = 4;
    private static final int KEY_TAIL = 34;
    private static final byte[] VALUES = values();

    private final Predicate<byte[]> secret;

    /** @param secret whether decoded text, of which unprintable bytes were made zeroes, holds a secret */
    EncodedRuns(Predicate<byte[]> secret) {
        this.secret = secret;
    }

    private static byte[] values() {
        byte[] values = new byte[256];
        java.util.Arrays.fill(values, (byte) -1);
        String digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (int i = 0; i < 64; i++) {
            values[digits.charAt(i)] = (byte) i;
        }
        values['-'] = 62;
        values['_'] = 63;
        return values;
    }

    static boolean member(byte b) {
        return VALUES[b & 0xff] >= 0 || b == '=';
    }

    /** Adds the runs to be taken out. */
    void find(byte[] data, int from, int to, int encoded, int privateKey, int keyTail, Spans spans) {
        int at = from + SHORTEST - 1;
        while (at < to) {
            if (VALUES[data[at] & 0xff] < 0) {
                at += SHORTEST;
                continue;
            }
            int start = at;
            while (start > from && VALUES[data[start - 1] & 0xff] >= 0) {
                start--;
            }
            int end = at + 1;
            while (end < to && VALUES[data[end] & 0xff] >= 0) {
                end++;
            }
            if (end - start >= SHORTEST) {
                int rule = pemLine(data, start, end, from, to)
                        ? privateKey
                        : end - start == KEY_TAIL && hex(data, start, end)
                                ? keyTail
                                : holdsSecret(data, start, end) ? encoded : -1;
                if (rule >= 0) {
                    spans.add(start, end, rule);
                }
            }
            at = end + SHORTEST;
        }
    }

    // A line of a private key's body that came without its beginning: 64 or 76 characters, alone to the line's end.
    private static boolean pemLine(byte[] data, int start, int end, int from, int to) {
        int length = end - start;
        if (length != 64 && length != 76
                || end < to && data[end] != '\n' && data[end] != '\r'
                || start > from && data[start - 1] > ' ') {
            return false;
        }
        int kinds = 0;
        for (int i = start; i < end; i++) {
            byte b = data[i];
            kinds |= b >= 'a' && b <= 'z'
                    ? 1
                    : b >= 'A' && b <= 'Z' ? 2 : b >= '0' && b <= '9' ? 4 : b == '-' || b == '_' ? 8 : 0;
        }
        return kinds == 7;
    }

    private static boolean hex(byte[] data, int start, int end) {
        for (int i = start; i < end; i++) {
            if (Character.digit(data[i], 16) < 0) {
                return false;
            }
        }
        return true;
    }

    private boolean holdsSecret(byte[] data, int start, int end) {
        for (int shift = 0; shift < 4; shift++) {
            if (readable(data, start + shift, end) && secret.test(base64(data, start + shift, end))) {
                return true;
            }
        }
        return secretInHex(data, start, end);
    }

    // Other characters may adjoin it: every stretch of the run that is hexadecimal is tried, from both alignments.
    private boolean secretInHex(byte[] data, int start, int end) {
        int from = start;
        for (int i = start; i <= end; i++) {
            if (i == end || Character.digit(data[i], 16) < 0) {
                if (i - from >= SHORTEST && (hexSecret(data, from, i) || hexSecret(data, from + 1, i))) {
                    return true;
                }
                from = i + 1;
            }
        }
        return false;
    }

    /** Whether four neighbouring groups of four decode to printable bytes: it is enough to begin at every fourth. */
    private static boolean readable(byte[] data, int start, int end) {
        for (int group = start + 4 * (GROUPS - 1); group + 4 <= end; group += 4 * GROUPS) {
            if (printable(data, group)) {
                int before = group;
                while (before - 4 >= start && printable(data, before - 4)) {
                    before -= 4;
                }
                int after = group + 4;
                while (after + 4 <= end && printable(data, after)) {
                    after += 4;
                }
                if (after - before >= 4 * GROUPS) {
                    return true;
                }
            }
        }
        return false;
    }

    private static int group(byte[] data, int at) {
        return VALUES[data[at]] << 18 | VALUES[data[at + 1]] << 12 | VALUES[data[at + 2]] << 6 | VALUES[data[at + 3]];
    }

    private static boolean printable(byte[] data, int at) {
        int bits = group(data, at);
        return printable(bits >> 16) && printable(bits >> 8 & 0xff) && printable(bits & 0xff);
    }

    private static boolean printable(int b) {
        return b >= ' ' && b < 127 || b == '\n' || b == '\r' || b == '\t';
    }

    private static byte[] base64(byte[] data, int start, int end) {
        byte[] decoded = new byte[(end - start) * 3 / 4];
        int bits = 0;
        int have = 0;
        int size = 0;
        for (int i = start; i < end; i++) {
            bits = bits << 6 | VALUES[data[i]];
            have += 6;
            if (have >= 8) {
                have -= 8;
                decoded[size++] = shown(bits >> have & 0xff);
            }
        }
        return decoded;
    }

    private boolean hexSecret(byte[] data, int start, int end) {
        byte[] decoded = new byte[(end - start) / 2];
        int readable = 0;
        for (int i = 0; i < decoded.length; i++) {
            decoded[i] = shown(Character.digit(data[start + 2 * i], 16) << 4 | Character.digit(data[start + 2 * i + 1], 16));
            readable += decoded[i] != 0 ? 1 : 0;
        }
        return readable * 4 >= decoded.length * 3 && secret.test(decoded);
    }

    private static byte shown(int b) {
        return (byte) (printable(b) ? b : 0);
    }
}
