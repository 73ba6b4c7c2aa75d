package runbook.sandbox;

import java.util.SplittableRandom;

/** Identifiers: hexadecimal, and the same for the same name. No digest: loading its provider would cost 20 ms of start-up. */
final class Ids {
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private Ids() { }

    static String hex(String name, int length) {
        SplittableRandom random = new SplittableRandom(name.hashCode());
        char[] digits = new char[length];
        for (int i = 0; i < length; i++) {
            digits[i] = HEX[random.nextInt(HEX.length)];
        }
        return new String(digits);
    }
}
