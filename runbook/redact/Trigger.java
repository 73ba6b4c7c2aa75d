package runbook.redact;

import java.nio.charset.StandardCharsets;

/**
 * A short sequence of byte sets that every match of a rule contains: cheap to look for, so that the rule's pattern
 * is tried only where it may succeed.
 *
 * @param rule the rule's place in its table
 * @param sets   one set of {@link ByteClass byte classes} for each position
 * @param rarest the second position of its rarest pair; 0 for a trigger of one position
 */
record Trigger(int rule, long[] sets, int rarest) {
    private static final String COMMON = "klaviyo";

    /**
     * Reads the table's notation: {@code #} a digit, {@code ~} a hexadecimal digit, {@code ^} no letter (or the
     * start), {@code ?} anything; any other character is itself, in either case.
     */
    static Trigger parse(int rule, String notation) {
        long[] sets = new long[notation.length()];
        for (int i = 0; i < sets.length; i++) {
            sets[i] = switch (notation.charAt(i)) {
                case '#' -> ByteClass.DIGIT;
                case '~' -> ByteClass.HEX;
                case '^' -> ByteClass.NO_LETTER;
                case '?' -> ByteClass.ANY;
                default -> ByteClass.set(notation.substring(i, i + 1));
            };
        }
        return new Trigger(rule, sets, rarest(sets));
    }

    /** A trigger on a known value: its first bytes as they are, in either case. */
    static Trigger literal(int rule, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.ISO_8859_1);
        long[] sets = new long[Math.min(8, bytes.length)];
        for (int i = 0; i < sets.length; i++) {
            sets[i] = 1L << ByteClass.OF[bytes[i] & 0xff];
        }
        return new Trigger(rule, sets, rarest(sets));
    }

    private static int rarest(long[] sets) {
        int rarest = sets.length == 1 ? 0 : 1;
        for (int i = 1; i < sets.length; i++) {
            if (weight(sets, i) < weight(sets, rarest)) {
                rarest = i;
            }
        }
        return rarest;
    }

    // Where this tool is used one word is in every other line.
    private static long weight(long[] sets, int second) {
        long weight = weight(sets[second - 1]) * weight(sets[second]);
        for (int i = 1; i < COMMON.length(); i++) {
            if ((sets[second - 1] & ByteClass.set(COMMON.substring(i - 1, i))) != 0
                    && (sets[second] & ByteClass.set(COMMON.substring(i, i + 1))) != 0) {
                return weight * COMMON.length();
            }
        }
        return weight;
    }

    private static long weight(long set) {
        long weight = 0;
        for (int c = 0; c < ByteClass.COUNT; c++) {
            weight += (set >>> c & 1) * ByteClass.FREQUENCY[c];
        }
        return weight;
    }

    /** Whether it stands at {@code start}; what lies outside the data counts as a control character. */
    boolean at(byte[] data, int start, int from, int to) {
        return start >= from && start + sets.length <= to ? within(data, start) : atBorder(data, start, from, to);
    }

    private boolean within(byte[] data, int start) {
        for (int i = 0; i < sets.length; i++) {
            if ((sets[i] >>> ByteClass.OF[data[start + i] & 0xff] & 1) == 0) {
                return false;
            }
        }
        return true;
    }

    private boolean atBorder(byte[] data, int start, int from, int to) {
        for (int i = 0; i < sets.length; i++) {
            int at = start + i;
            int c = at < from || at >= to ? ByteClass.OF[0] : ByteClass.OF[data[at] & 0xff];
            if ((sets[i] >>> c & 1) == 0) {
                return false;
            }
        }
        return true;
    }
}
