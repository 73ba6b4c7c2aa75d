package runbook.redact;

/**
 * Bytes folded into 64 classes, so that a set of bytes is one {@code long} and a pair of bytes an index below 4096.
 * Letters lose their case; punctuation that no trigger needs shares a class, which costs a trigger precision and
 * nothing else, for the rule's pattern decides.
 */
final class ByteClass {
    static final int COUNT = 64;
    private static final String NAMED = "abcdefghijklmnopqrstuvwxyz0123456789@%\\&_-.:/+\"'=?$ !,;#(";
    private static final int OTHER = NAMED.length();
    private static final int HIGH = OTHER + 1;
    private static final int CONTROL = OTHER + 2;

    static final byte[] OF = table();
    static final long ANY = -1L;
    static final long DIGIT = set("0123456789");
    static final long HEX = DIGIT | set("abcdef");
    static final long NO_LETTER = ~(set("abcdefghijklmnopqrstuvwxyz") | 1L << HIGH);

    /** How often each class is met in logs, per thousand, roughly: triggers are looked for by their rarest pair. */
    static final int[] FREQUENCY = frequencies();

    private ByteClass() { }

    static long set(String bytes) {
        long set = 0;
        for (char c : bytes.toCharArray()) {
            set |= 1L << OF[c & 0xff];
        }
        return set;
    }

    private static byte[] table() {
        byte[] table = new byte[256];
        for (int b = 0; b < 256; b++) {
            int named = NAMED.indexOf(Character.toLowerCase(b < 128 ? (char) b : '\0'));
            table[b] = (byte) (b >= 128 ? HIGH : named >= 0 ? named : b < 32 || b == 127 ? CONTROL : OTHER);
        }
        return table;
    }

    private static int[] frequencies() {
        int[] frequency = new int[COUNT];
        String letters = "etaoinsrhldcumfpgwybvkxjqz";
        for (int i = 0; i < letters.length(); i++) {
            frequency[OF[letters.charAt(i)]] = Math.max(1, 55 - 3 * i);
        }
        for (char c = '0'; c <= '9'; c++) {
            frequency[OF[c]] = 25;
        }
        for (char c : "-.:/=\" _,".toCharArray()) {
            frequency[OF[c]] = c == ' ' ? 90 : 20;
        }
        for (int i = 0; i < COUNT; i++) {
            frequency[i] = Math.max(2, frequency[i]);
        }
        return frequency;
    }
}
