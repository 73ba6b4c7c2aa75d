package runbook.redact;

import runbook.redact.Pieces.ByteSearch;

/**
 * PEM private keys, which go over many lines: their bodies are overwritten in place, before lines are chosen and
 * looked at one by one. A key without its end, or without its beginning, loses the lines that look like its body.
 */
final class PrivateKeys {
    private static final ByteSearch MARK = new ByteSearch("PRIVATE KEY");
    private static final byte BLANK = '*';

    private PrivateKeys() { }

    /** Overwrites the bodies within {@code data[0, length)}; tells how many there were that had not been before. */
    static int blank(byte[] data, int length) {
        int blanked = 0;
        for (int mark = MARK.find(data, 0, length); mark >= 0; mark = MARK.find(data, mark + 1, length)) {
            int line = before(data, mark, "-----BEGIN ");
            int afterMark = mark + MARK.length();
            if (line >= 0) {
                int end = end(data, afterMark, length);
                blanked += overwrite(
                        data, afterDashes(data, afterMark, length), end < 0 ? bodyEnd(data, afterMark, length) : end);
            } else if (before(data, mark, "-----END ") >= 0) {
                blanked += overwrite(
                        data, bodyStart(data, before(data, mark, "-----END ")), before(data, mark, "-----END "));
            }
        }
        return blanked;
    }

    /** Where {@code words} begins when it stands before {@code at}, with at most a key's type in between; else -1. */
    private static int before(byte[] data, int at, String words) {
        for (int start = at - words.length(); start >= Math.max(0, at - words.length() - 24); start--) {
            if (matches(data, start, words)) {
                return start;
            }
        }
        return -1;
    }

    private static boolean matches(byte[] data, int start, String words) {
        for (int i = 0; i < words.length(); i++) {
            if (data[start + i] != words.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private static int end(byte[] data, int from, int length) {
        int mark = MARK.find(data, from, Math.min(length, from + Pieces.MARGIN));
        return mark < 0 ? -1 : before(data, mark, "-----END ");
    }

    private static int afterDashes(byte[] data, int at, int length) {
        int i = at;
        while (i < length && data[i] != '\n' && data[i] != '\\' && i < at + 16) {
            i++;
        }
        return i;
    }

    // Without an end: the lines that hold nothing but base64.
    private static int bodyEnd(byte[] data, int from, int length) {
        int i = afterDashes(data, from, length);
        int lastLine = i;
        while (i < length && (inBody(data[i]) || data[i] == '\\' && i + 1 < length && data[i + 1] == 'n')) {
            i++;
            lastLine = data[i - 1] == '\n' ? i : lastLine;
        }
        return i == length || data[i] == '"' ? i : lastLine;
    }

    private static int bodyStart(byte[] data, int end) {
        int i = end;
        int firstLine = end;
        while (i > 0 && (inBody(data[i - 1]) || data[i - 1] == '\\')) {
            i--;
            firstLine = data[i] == '\n' ? i + 1 : firstLine;
        }
        return i == 0 || data[i - 1] == '"' ? i : firstLine;
    }

    private static boolean inBody(byte b) {
        return EncodedRuns.member(b) || b == '\n' || b == '\r';
    }

    private static int overwrite(byte[] data, int from, int to) {
        int changed = 0;
        for (int i = from; i < to; i++) {
            if (data[i] != '\n' && data[i] != '\r' && data[i] != BLANK && data[i] != '"') {
                data[i] = BLANK;
                changed = 1;
            }
        }
        return changed;
    }
}
