package runbook.redact;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Text as it reads once a layer of encoding is taken off: escapes of URLs, JSON, HTML, shells and terminals, and what base64
 * and hexadecimal hold. Only lines that have any are in it, and every byte knows where it stood, so that a find in the layer
 * is cut out of the text itself. Layers are peeled one by one, so that encodings may be mixed and nested.
 */
final class Encoded {
    /** More than anybody has met: each costs a pass over the lines that still have escapes. */
    static final int DEEPEST = 5;
    private static final int SHORTEST_RUN = 20;
    // 12 printable bytes in a row do not come about by chance: (95/256)^12 is 1 in 140,000 for each alignment and place.
    private static final int GROUPS = 4;
    private static final int KEY_TAIL = 34;
    private static final int LONGEST_KEY = 16_384;
    /** What a private key's body is overwritten with. */
    static final byte BLANK = '*';
    private static final byte[] MARK = "PRIVATE KEY".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] BEGIN = "-----BEGIN ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] END = "-----END ".getBytes(StandardCharsets.US_ASCII);
    private static final byte ESCAPE = 0x1b;
    private static final byte[] BASE64 = new byte[256];
    private static final boolean[] ESCAPES = new boolean[256];
    private static final Map<String, String> ENTITIES = Map.of("amp", "&", "lt", "<", "gt", ">", "quot", "\"", "apos", "'", "nbsp", " ",
            "commat", "@", "equals", "=", "lowbar", "_", "plus", "+");
    private static final Pattern LOGIN = Pattern.compile("[\\w.@+-]{2,64}:(?![/:])(?=[^\\s]*[A-Za-z])[\\x21-\\x7e]{3,128}\\x00*");

    static {
        Arrays.fill(BASE64, (byte) -1);
        String digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (int i = 0; i < 64; i++) {
            BASE64[digits.charAt(i)] = (byte) i;
        }
        BASE64['-'] = 62;
        BASE64['_'] = 63;
        for (byte b : new byte[] {'%', '\\', '&', ESCAPE, '^', '#', (byte) 0xc2, (byte) 0xe2}) {
            ESCAPES[b & 0xff] = true;
        }
    }

    /** What is found on the way: something that is taken out whole, by the id of what it is. */
    interface Runs {
        void found(int start, int end, String id);
    }

    byte[] data;
    int length;
    /** From here on stands what was decoded from base64 and hexadecimal: a find there takes out the whole run. */
    int runsFrom;
    private int[] starts;
    private int[] ends;

    private Encoded() { }

    /** The text itself, which nothing was taken off yet. */
    static Encoded plain(byte[] data, int length) {
        Encoded plain = new Encoded();
        plain.data = data;
        plain.length = length;
        plain.runsFrom = length;
        return plain;
    }

    static boolean inRun(byte b) {
        return BASE64[b & 0xff] >= 0 || b == '=';
    }

    /** Where in the text itself the byte at {@code at} begins. */
    int start(int at) {
        return starts == null ? at : starts[at];
    }

    /** Where in the text itself the byte before {@code at} ends. */
    int end(int at) {
        return starts == null ? at : ends[at - 1];
    }

    /** The next layer, or null when there is nothing to take off. */
    Encoded peel(Runs runs) {
        Encoded next = new Encoded();
        next.data = new byte[256];
        next.starts = new int[256];
        next.ends = new int[256];
        lines(next, 0, runsFrom);
        next.runsFrom = next.length;
        lines(next, runsFrom, length);
        runs(next, runs);
        return next.length == 0 ? null : next;
    }

    // ---- escapes

    private void lines(Encoded next, int from, int to) {
        int done = from;
        for (int at = from; at < to; at++) {
            if (ESCAPES[data[at] & 0xff] && unit(at, to) > 0) {
                int start = at;
                while (start > done && data[start - 1] != '\n') {
                    start--;
                }
                if (start > done && next.length > 0) {
                    next.add('\n', start(start), start(start));
                }
                done = line(next, start, to);
                at = done - 1;
            }
        }
    }

    private int line(Encoded next, int from, int to) {
        int at = from;
        while (at < to) {
            int unit = ESCAPES[data[at] & 0xff] ? unit(at, to) : 0;
            if (unit > 0) {
                decode(next, at, unit);
                at += unit;
            } else {
                next.add(blank(at, from, to) ? ' ' : data[at], start(at), end(at + 1));
                if (data[at++] == '\n') {
                    break;
                }
            }
        }
        return at;
    }

    // In URLs a plus beside an escape is a blank, where it does not begin a phone number.
    private boolean blank(int at, int from, int to) {
        return data[at] == '+' && at + 1 < to && (data[at + 1] < '0' || data[at + 1] > '9')
                && (at - 3 >= from && data[at - 3] == '%' || data[at + 1] == '%' || at > from && data[at - 1] == '+' || data[at + 1] == '+');
    }

    private void add(int b, int start, int end) {
        if (length == data.length) {
            data = Arrays.copyOf(data, 2 * length);
            starts = Arrays.copyOf(starts, 2 * length);
            ends = Arrays.copyOf(ends, 2 * length);
        }
        data[length] = (byte) b;
        starts[length] = start;
        ends[length++] = end;
    }

    /** How many bytes the escape at {@code at} has; 0 when there is none. */
    private int unit(int at, int to) {
        return switch (data[at]) {
            case '%' -> hex(at + 1, 2, to) ? 3 : at + 1 < to && data[at + 1] == 'u' && hex(at + 2, 4, to) ? 6 : 0;
            case '\\' -> backslash(at, to);
            case '&' -> entity(at, to);
            case ESCAPE -> at + 1 < to && data[at + 1] == '[' ? control(at + 2, to) - at : 1;
            // How pagers and system loggers show an escape.
            case '^' -> at + 2 < to && data[at + 1] == '[' && data[at + 2] == '[' ? control(at + 3, to) - at : 0;
            case '#' -> at + 4 < to && data[at + 1] == '0' && data[at + 2] == '3' && data[at + 3] == '3' && data[at + 4] == '['
                    ? control(at + 5, to) - at : 0;
            // Soft hyphen, no-break space; zero-width characters.
            case (byte) 0xc2 -> at + 1 < to && (data[at + 1] == (byte) 0xad || data[at + 1] == (byte) 0xa0) ? 2 : 0;
            case (byte) 0xe2 -> at + 2 < to && data[at + 1] == (byte) 0x80 && (data[at + 2] & 0xff) >= 0x8b && (data[at + 2] & 0xff) <= 0x8f
                    ? 3 : 0;
            default -> 0;
        };
    }

    private int control(int at, int to) {
        int end = at;
        while (end < to && end < at + 24 && data[end] >= ' ' && data[end] < '@') {
            end++;
        }
        return Math.min(to, end + 1);
    }

    private int backslash(int at, int to) {
        if (at + 1 >= to) {
            return 0;
        }
        byte next = data[at + 1];
        if (next == 'u') {
            return hex(at + 2, 4, to) ? 6 : 0;
        }
        if (next == 'x') {
            return hex(at + 2, 2, to) ? 4 : 0;
        }
        if (next >= '0' && next <= '3' && at + 3 < to && octal(data[at + 2]) && octal(data[at + 3])) {
            return 4;
        }
        return next > ' ' && next < 127 && !Character.isLetterOrDigit(next) || "nrtbfe".indexOf(next) >= 0 ? 2 : 0;
    }

    private static boolean octal(byte b) {
        return b >= '0' && b <= '7';
    }

    private int entity(int at, int to) {
        for (int end = at + 2; end < Math.min(to, at + 12); end++) {
            if (data[end] == ';') {
                return number(at, end) >= 0 || ENTITIES.containsKey(text(at + 1, end)) ? end + 1 - at : 0;
            }
            if (data[end] <= ' ') {
                return 0;
            }
        }
        return 0;
    }

    private int number(int at, int end) {
        if (data[at + 1] != '#') {
            return -1;
        }
        boolean hex = data[at + 2] == 'x' || data[at + 2] == 'X';
        int number = 0;
        for (int i = at + (hex ? 3 : 2); i < end; i++) {
            int digit = Character.digit(data[i], hex ? 16 : 10);
            number = digit < 0 || number > 0xffff ? -1 : number * (hex ? 16 : 10) + digit;
            if (number < 0) {
                return -1;
            }
        }
        return number;
    }

    private boolean hex(int at, int digits, int to) {
        for (int i = at; i < at + digits; i++) {
            if (i >= to || Character.digit(data[i], 16) < 0) {
                return false;
            }
        }
        return true;
    }

    private String text(int from, int to) {
        return new String(data, from, to - from, StandardCharsets.ISO_8859_1);
    }

    private void decode(Encoded next, int at, int unit) {
        int start = start(at);
        int end = end(at + unit);
        switch (data[at]) {
            case '%' -> next.character(Integer.parseInt(text(at + unit - (unit == 3 ? 2 : 4), at + unit), 16), unit == 3, start, end);
            case '\\' -> {
                switch (unit) {
                    case 6 -> next.character(Integer.parseInt(text(at + 2, at + 6), 16), false, start, end);
                    case 4 -> next.add(data[at + 1] == 'x' ? Integer.parseInt(text(at + 2, at + 4), 16)
                            : Integer.parseInt(text(at + 1, at + 4), 8), start, end);
                    default -> {
                        int letter = "nrtbfe".indexOf(data[at + 1]);
                        next.add(letter < 0 ? data[at + 1] : "\n\n\t  \u001b".charAt(letter), start, end);
                    }
                }
            }
            case '&' -> {
                int number = number(at, at + unit - 1);
                next.character(number >= 0 ? number : ENTITIES.get(text(at + 1, at + unit - 1)).charAt(0), false, start, end);
            }
            case (byte) 0xc2 -> {
                if (data[at + 1] == (byte) 0xa0) {
                    next.add(' ', start, end);
                }
            }
            default -> {
                // What only colours, moves or hides is left out.
            }
        }
    }

    private void character(int character, boolean octet, int start, int end) {
        if (character < 0x80 || octet) {
            add(character, start, end);
        } else {
            for (byte b : String.valueOf((char) character).getBytes(StandardCharsets.UTF_8)) {
                add(b, start, end);
            }
        }
    }

    // ---- base64 and hexadecimal. Runs are found by looking at every 20th byte, so text without any costs little.

    private void runs(Encoded next, Runs found) {
        for (int at = SHORTEST_RUN - 1; at < length; at += SHORTEST_RUN) {
            if (BASE64[data[at] & 0xff] < 0) {
                continue;
            }
            int start = at;
            while (start > 0 && BASE64[data[start - 1] & 0xff] >= 0) {
                start--;
            }
            int end = at + 1;
            while (end < length && BASE64[data[end] & 0xff] >= 0) {
                end++;
            }
            if (end - start >= SHORTEST_RUN) {
                run(next, start, end, found);
            }
            at = end;
        }
    }

    private void run(Encoded next, int start, int end, Runs found) {
        if (pemLine(start, end)) {
            found.found(start, end, "private-key");
        } else if (end - start == KEY_TAIL && hex(start, KEY_TAIL, length)) {
            found.found(start, end, "klaviyo-key");
        }
        for (int shift = 0; shift < 4; shift++) {
            if (readable(start + shift, end)) {
                blob(next, base64(start + shift, end), start, end, found);
            }
        }
        // Other characters may adjoin it: every stretch of the run that is hexadecimal is tried, from both alignments.
        int from = start;
        for (int i = start; i <= end; i++) {
            if (i == end || Character.digit(data[i], 16) < 0) {
                for (int shift = 0; shift < 2 && i - from >= SHORTEST_RUN; shift++) {
                    byte[] decoded = hexadecimal(from + shift, i);
                    if (mostlyReadable(decoded)) {
                        blob(next, decoded, start, end, found);
                    }
                }
                from = i + 1;
            }
        }
    }

    private void blob(Encoded next, byte[] decoded, int start, int end, Runs found) {
        if (decoded.length < 200 && LOGIN.matcher(new String(decoded, StandardCharsets.ISO_8859_1)).matches()) {
            found.found(start, end, "encoded");
        }
        next.add('\n', start(start), start(start));
        for (byte b : decoded) {
            next.add(b, start(start), end(end));
        }
        next.add('\n', end(end), end(end));
    }

    // A line of a private key's body that came without its beginning: 64 or 76 characters, alone to the line's end.
    private boolean pemLine(int start, int end) {
        if (end - start != 64 && end - start != 76 || end < length && data[end] != '\n' && data[end] != '\r'
                || start > 0 && data[start - 1] > ' ') {
            return false;
        }
        int kinds = 0;
        for (int i = start; i < end; i++) {
            byte b = data[i];
            kinds |= b >= 'a' && b <= 'z' ? 1 : b >= 'A' && b <= 'Z' ? 2 : b >= '0' && b <= '9' ? 4 : b == '-' || b == '_' ? 8 : 0;
        }
        return kinds == 7;
    }

    /** Whether four neighbouring groups of four decode to printable bytes: it is enough to begin at every fourth. */
    private boolean readable(int start, int end) {
        for (int group = start + 4 * (GROUPS - 1); group + 4 <= end; group += 4 * GROUPS) {
            int before = group;
            while (before >= start && printableGroup(before)) {
                before -= 4;
            }
            int after = group + 4;
            while (before < group && after + 4 <= end && printableGroup(after)) {
                after += 4;
            }
            if (after - before - 4 >= 4 * GROUPS) {
                return true;
            }
        }
        return false;
    }

    private boolean printableGroup(int at) {
        int bits = BASE64[data[at]] << 18 | BASE64[data[at + 1]] << 12 | BASE64[data[at + 2]] << 6 | BASE64[data[at + 3]];
        return printable(bits >> 16) && printable(bits >> 8 & 0xff) && printable(bits & 0xff);
    }

    private static boolean printable(int b) {
        return b >= ' ' && b < 127 || b == '\n' || b == '\r' || b == '\t';
    }

    private byte[] base64(int start, int end) {
        byte[] decoded = new byte[(end - start) * 3 / 4];
        int bits = 0;
        int have = 0;
        int size = 0;
        for (int i = start; i < end; i++) {
            bits = bits << 6 | BASE64[data[i]];
            have += 6;
            if (have >= 8) {
                have -= 8;
                decoded[size++] = shown(bits >> have & 0xff);
            }
        }
        return decoded;
    }

    private byte[] hexadecimal(int start, int end) {
        byte[] decoded = new byte[(end - start) / 2];
        for (int i = 0; i < decoded.length; i++) {
            decoded[i] = shown(Character.digit(data[start + 2 * i], 16) << 4 | Character.digit(data[start + 2 * i + 1], 16));
        }
        return decoded;
    }

    private static boolean mostlyReadable(byte[] decoded) {
        int readable = 0;
        for (byte b : decoded) {
            readable += b != 0 ? 1 : 0;
        }
        return readable * 4 >= decoded.length * 3;
    }

    private static byte shown(int b) {
        return (byte) (printable(b) ? b : 0);
    }

    // ---- private keys, which go over many lines

    /**
     * Finds the bodies of PEM private keys that were not blanked before. A key without its end, or without its beginning, loses
     * the lines that look like its body.
     */
    static void privateKeys(byte[] data, int length, Runs found) {
        for (int mark = find(data, 0, length); mark >= 0; mark = find(data, mark + 1, length)) {
            int afterMark = mark + MARK.length;
            int endLine = before(data, mark, END);
            if (before(data, mark, BEGIN) >= 0) {
                int next = find(data, afterMark, Math.min(length, afterMark + LONGEST_KEY));
                int end = next < 0 ? -1 : before(data, next, END);
                body(data, afterDashes(data, afterMark, length), end < 0 ? bodyEnd(data, afterMark, length) : end, found);
            } else if (endLine >= 0) {
                body(data, bodyStart(data, endLine), endLine, found);
            }
        }
    }

    private static int find(byte[] data, int from, int to) {
        for (int at = from + MARK.length - 1; at < to; at++) {
            // The rarest letter of the mark is its last; most text has few.
            if (data[at] == 'Y' && Arrays.equals(data, at - MARK.length + 1, at + 1, MARK, 0, MARK.length)) {
                return at - MARK.length + 1;
            }
        }
        return -1;
    }

    private static void body(byte[] data, int from, int to, Runs found) {
        for (int i = from; i < to; i++) {
            if (data[i] != '\n' && data[i] != '\r' && data[i] != BLANK && data[i] != '"') {
                found.found(from, to, "private-key");
                return;
            }
        }
    }

    /** Where {@code words} begins when it stands before {@code at}, with at most a key's type in between; else -1. */
    private static int before(byte[] data, int at, byte[] words) {
        for (int start = at - words.length; start >= Math.max(0, at - words.length - 24); start--) {
            if (Arrays.equals(data, start, start + words.length, words, 0, words.length)) {
                return start;
            }
        }
        return -1;
    }

    private static int afterDashes(byte[] data, int at, int length) {
        int i = at;
        while (i < length && data[i] != '\n' && data[i] != '\\' && data[i] != '%' && i < at + 16) {
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
        return inRun(b) || b == '\n' || b == '\r';
    }

    /**
     * Secrets whose values are known, searched for literally, whatever their characters, in either case and with a plus for a blank: as they are, in
     * base64 at its three alignments, and in hexadecimal; other encodings are peeled off before. Tens of thousands of
     * them cost no more than one, since a value is looked up by its first four bytes and then by a hash of all of it.
     */
    static final class Known {
        /** Shorter ones would be found in everything. */
        static final int SHORTEST = 4;
        // Base64 of fewer bytes than this says too little to be searched for at the two odd alignments.
        private static final int SHORTEST_SHIFTED = 9;

        private final long[] first = new long[1 << 14];
        private final Map<Integer, int[]> lengths = new HashMap<>();
        private final Map<Long, String> ids = new HashMap<>();

        Known(Map<String, String> idByValue) {
            idByValue.forEach((value, id) -> {
                byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
                put(bytes, id);
                put(HexFormat.of().formatHex(bytes), id);
                for (int before = 0; before < (bytes.length < SHORTEST_SHIFTED ? 1 : 3); before++) {
                    String shifted = shifted(bytes, before);
                    put(shifted, id);
                    put(shifted.replace('+', '-').replace('/', '_'), id);
                }
            });
        }

        // In the middle of something larger the value begins at any of base64's alignments: what of it stays the same.
        private static String shifted(byte[] bytes, int before) {
            byte[] padded = new byte[before + bytes.length];
            System.arraycopy(bytes, 0, padded, before, bytes.length);
            String encoded = Base64.getEncoder().withoutPadding().encodeToString(padded);
            return encoded.substring(before == 0 ? 0 : before + 1, encoded.length() - (padded.length % 3 == 0 ? 0 : 1));
        }

        private void put(String text, String id) {
            put(text.getBytes(StandardCharsets.ISO_8859_1), id);
        }

        private void put(byte[] bytes, String id) {
            if (bytes.length < SHORTEST) {
                return;
            }
            int prefix = prefix(bytes, 0);
            first[slot(prefix) >>> 6] |= 1L << slot(prefix);
            TreeSet<Integer> all = new TreeSet<>(java.util.Comparator.reverseOrder());
            all.addAll(Arrays.stream(lengths.getOrDefault(prefix, new int[0])).boxed().toList());
            if (all.add(bytes.length)) {
                lengths.put(prefix, all.stream().mapToInt(Integer::intValue).toArray());
            }
            ids.putIfAbsent(hash(bytes, 0, bytes.length), id);
        }

        boolean none() {
            return ids.isEmpty();
        }

        List<String> ids() {
            return ids.values().stream().distinct().sorted().toList();
        }

        void find(byte[] data, int length, Runs found) {
            for (int at = 0; at + SHORTEST <= length; at++) {
                int prefix = prefix(data, at);
                int slot = slot(prefix);
                if ((first[slot >>> 6] >>> slot & 1) == 0) {
                    continue;
                }
                int end = at;
                for (int size : lengths.getOrDefault(prefix, new int[0])) {
                    String id = size > end - at && at + size <= length ? ids.get(hash(data, at, size)) : null;
                    if (id != null) {
                        found.found(at, at + size, id);
                        end = at + size;
                    }
                }
                at = Math.max(at, end - 1);
            }
        }

        private static int fold(byte b) {
            return b >= 'A' && b <= 'Z' ? b + 32 : b == '+' ? ' ' : b & 0xff;
        }

        private static int prefix(byte[] data, int at) {
            return fold(data[at]) << 24 | fold(data[at + 1]) << 16 | fold(data[at + 2]) << 8 | fold(data[at + 3]);
        }

        private static int slot(int prefix) {
            return prefix * 0x9e3779b1 >>> 12;
        }

        // 64 bits of a strong enough mix: that two texts share them by chance costs a word that was no secret.
        private static long hash(byte[] data, int at, int size) {
            long hash = size;
            for (int i = at; i < at + size; i++) {
                hash = (hash ^ fold(data[i])) * 0x9e3779b97f4a7c15L;
                hash ^= hash >>> 29;
            }
            return hash;
        }
    }
}
