package runbook.redact;

import java.net.*;
import java.nio.charset.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;

/**
 * Text as it reads once a layer of encoding is taken off: escapes of URLs, JSON, HTML, shells and terminals, and what
 * base64 and hexadecimal hold. Only lines that have any are in it, and every byte knows where it stood, so that a find
 * in the layer is cut out of the text itself. Layers are peeled one by one, so that encodings may be mixed and nested.
 */
final class Encoded {
    /** More than anybody has met: each costs a pass over the lines that still have escapes. */
    static final int DEEPEST = 5;
    /** What a private key's body is overwritten with. */
    static final byte BLANK = '*';
    private static final int SHORTEST_RUN = 20;
    // So many printable bytes in a row are no chance: (95/256)^12 is 1 in 140,000 for each alignment and place.
    private static final int SURELY_TEXT = 12;
    private static final int LONGEST_KEY = 16_384;
    // Terminals' sequences, also as pagers and loggers show them; soft hyphen, no-break space, zero-width ones.
    private static final Pattern ESCAPE = Pattern.compile("%(?:u([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))|\\\\(?:u([0-"
            + "9a-fA-F]{4})|x([0-9a-fA-F]{2})"
            + "|([0-3][0-7]{2})|([nrtbfe]|[!-/:-@\\[-`{-~]))|&(?:#(\\d{1,5})|#[xX]([0-9a-fA-F]{1,4})|(\\w{2,8}));"
            + "|(?:\\x1b|\\^\\[|#033)\\[[ -?]{0,24}[@-~]|\\x1b|\\xc2(\\xa0)|\\xc2\\xad|\\xe2\\x80[\\x8b-\\x8f]");
    private static final String LETTERS = "nrtbfe";
    private static final String MEANT = "\n\n\t  \u001b";
    private static final Map<String, String> ENTITIES = Map.of("amp", "&", "lt", "<", "gt", ">", "quot", "\"", "apos",
            "'", "nbsp", " ", "commat", "@", "equals", "=", "lowbar", "_", "plus", "+");
    private static final Pattern LOGIN = Pattern.compile("[\\w.@+-]{2,64}:(?![/:])(?=[^\\s]*[A-Za-z])[\\x21-"
            + "\\x7e]{3,128}\\x00*");
    private static final Pattern PEM_LINE = Pattern.compile("(?=.*[a-z])(?=.*[A-Z])(?=.*\\d)[A-Za-z0-9+/]+");
    private static final Pattern KEY_BEGIN = Pattern.compile("-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?("
            + "?:-{5})?");
    private static final Pattern KEY_END = Pattern.compile("-----END [A-Z0-9 ]{0,24}PRIVATE KEY");
    // What a character of base64, of URLs too, stands for; elsewhere -1.
    private static final byte[] SIX = new byte[256];
    private static final boolean[] ESCAPES = new boolean[256];

    static {
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        Arrays.fill(SIX, (byte) -1);
        for (int c = 0; c < 128; c++) {
            SIX[c] = (byte) alphabet.indexOf(c == '-' ? '+' : c == '_' ? '/' : c);
        }
        for (char c : "%\\&\u001b^#\u00c2\u00e2".toCharArray()) {
            ESCAPES[c] = true;
        }
    }

    /** What is taken out whole, by the id of what it is. */
    interface Runs {
        void found(int start, int end, String id);
    }

    byte[] data;
    int length;
    /** The same, a character for each byte. */
    final String text;
    /** From here on stands what was decoded from base64 and hexadecimal: a find there takes out the whole run. */
    int runsFrom;
    private int[] starts;
    private int[] ends;

    /** The text itself, which nothing was taken off yet. */
    Encoded(byte[] data, int length) {
        this.data = data;
        this.length = length;
        text = new String(data, 0, length, StandardCharsets.ISO_8859_1);
        runsFrom = length;
    }

    private Encoded(Encoded built) {
        this(built.data, built.length);
        starts = built.starts;
        ends = built.ends;
        runsFrom = built.runsFrom;
    }

    static boolean inRun(byte b) {
        return SIX[b & 0xff] >= 0 || b == '=';
    }

    /** Where in the text itself the byte at {@code at} begins. */
    int start(int at) {
        return starts == null ? at : starts[at];
    }

    /** Where in the text itself the byte before {@code at} ends. */
    int end(int at) {
        return starts == null ? at : ends[at - 1];
    }

    /**
     * Where a find really begins that seems to begin at {@code start}: in \\njo@x.org the n is the escape's, not the
     * address's; so with the digits of %22 and \\u0022.
     */
    int afterEscape(int start) {
        for (int at = Math.max(0, start - 5); at < start; at++) {
            if (ESCAPES[data[at] & 0xff] && text.charAt(at) != '#') {
                Matcher escape = ESCAPE.matcher(text).region(at, length);
                if (escape.lookingAt() && escape.end() > start && (at == 0 || data[at - 1] != '\\')) {
                    return escape.end();
                }
            }
        }
        return start;
    }

    /** The next layer, or null when there is nothing to take off. */
    Encoded peel(Runs found) {
        Encoded next = new Encoded(new byte[256], 0);
        next.starts = new int[256];
        next.ends = new int[256];
        Matcher escape = ESCAPE.matcher(text).useTransparentBounds(true);
        lines(next, escape, 0, runsFrom);
        next.runsFrom = next.length;
        lines(next, escape, runsFrom, length);
        runs(next, found);
        return next.length == 0 ? null : new Encoded(next);
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

    // ---- escapes

    private void lines(Encoded next, Matcher escape, int from, int to) {
        int done = from;
        for (int at = sign(from, to); at < to; at = sign(at + 1, to)) {
            if (isEscape(escape, at, to)) {
                int start = Math.max(done, text.lastIndexOf('\n', at) + 1);
                if (start > done && next.length > 0) {
                    next.add('\n', start(start), start(start));
                }
                done = line(next, escape, start, to);
                at = done - 1;
            }
        }
    }

    // Where the next byte is that an escape may begin with: every byte is looked at, so it is nothing but a walk.
    private int sign(int from, int to) {
        byte[] bytes = data;
        int at = from;
        while (at < to && !ESCAPES[bytes[at] & 0xff]) {
            at++;
        }
        return at;
    }

    private boolean isEscape(Matcher escape, int at, int to) {
        return ESCAPES[data[at] & 0xff] && escape.region(at, to).lookingAt()
                && (escape.group(9) == null || ENTITIES.containsKey(escape.group(9)));
    }

    private int line(Encoded next, Matcher escape, int from, int to) {
        int at = from;
        while (at < to) {
            if (isEscape(escape, at, to)) {
                decode(next, escape);
                at = escape.end();
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
        return data[at] == '+' && at + 1 < to && !Character.isDigit(data[at + 1]) && (at - 3 >= from
                && data[at - 3] == '%'
                || data[at + 1] == '%' || data[at + 1] == '+' || at > from && data[at - 1] == '+');
    }

    private void decode(Encoded next, Matcher escape) {
        int start = start(escape.start());
        int end = end(escape.end());
        for (int group = 1; group <= escape.groupCount(); group++) {
            String code = escape.group(group);
            if (code != null) {
                String character = switch (group) {
                    case 5 -> String.valueOf((char) Integer.parseInt(code, 8));
                    case 6 -> LETTERS.contains(code) ? MEANT.substring(LETTERS.indexOf(code), LETTERS.indexOf(code)
                            + 1) : code;
                    case 7 -> String.valueOf((char) Integer.parseInt(code));
                    case 9 -> ENTITIES.get(code);
                    case 10 -> " ";
                    default -> String.valueOf((char) Integer.parseInt(code, 16));
                };
                boolean octet = group == 2 || group == 4 || group == 5;
                for (byte b : character.getBytes(octet ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8)) {
                    next.add(b, start, end);
                }
            }
        }
    }

    // ---- base64 and hexadecimal. Runs are found by looking at every 20th byte, so text without any costs little.

    private void runs(Encoded next, Runs found) {
        for (int at = SHORTEST_RUN - 1; at < length; at += SHORTEST_RUN) {
            if (SIX[data[at] & 0xff] >= 0) {
                int start = at;
                while (start > 0 && SIX[data[start - 1] & 0xff] >= 0) {
                    start--;
                }
                while (at < length && SIX[data[at] & 0xff] >= 0) {
                    at++;
                }
                if (at - start >= SHORTEST_RUN) {
                    run(next, start, at, found);
                }
            }
        }
    }

    private void run(Encoded next, int start, int end, Runs found) {
        // A line of a private key's body that came without its beginning: 64 or 76 characters, alone to the line's end.
        int size = end - start;
        boolean alone = (start == 0 || data[start - 1] <= ' ') && (end == length || "\r\n".indexOf(data[end]) >= 0);
        if (alone && (size == 64 || size == 76) && PEM_LINE.matcher(text).region(start, end).matches()) {
            found.found(start, end, "private-key");
        } else if (size == 34 && hexEnd(start, end) == end && !text.startsWith("AC", start)) {
            // The part of a Klaviyo key after the site id. What begins with AC is the name of an account of Twilio.
            found.found(start, end, "klaviyo-key");
        }
        for (int shift = start; shift < start + 4; shift++) {
            if (maybeText(shift, end)) {
                int last = end - ((end - shift) % 4 == 1 ? 1 : 0);
                String run = text.substring(shift, last).replace('-', '+').replace('_', '/');
                blob(next, Base64.getDecoder().decode(run), start, end, found);
            }
        }
        // Other characters may adjoin it: every stretch of the run that is hexadecimal is tried, from both alignments.
        for (int from = start; from < end; from++) {
            int to = hexEnd(from, end);
            for (int shift = from; to - from >= SHORTEST_RUN && shift < from + 2; shift++) {
                blob(next, HexFormat.of().parseHex(text, shift, to - (to - shift) % 2), start, end, found);
            }
            from = to;
        }
    }

    // ASCII alone has no high bit: base64 of SURELY_TEXT bytes of it has three whole groups in a row without any.
    private boolean maybeText(int from, int end) {
        int groups = 0;
        for (int at = from; at + 4 <= end && groups < 3; at += 4) {
            int high = SIX[data[at]] & 32 | SIX[data[at + 1]] & 8 | SIX[data[at + 2]] & 2;
            groups = high == 0 ? groups + 1 : 0;
        }
        return groups == 3;
    }

    private int hexEnd(int from, int end) {
        int at = from;
        while (at < end && HexFormat.isHexDigit(data[at])) {
            at++;
        }
        return at;
    }

    // What reads as text is looked at in the next layer; other bytes become zeroes.
    private void blob(Encoded next, byte[] decoded, int start, int end, Runs found) {
        int longest = 0;
        int printable = 0;
        for (int i = 0; i < decoded.length; i++) {
            boolean shown = decoded[i] >= ' ' && decoded[i] < 127 || decoded[i] == '\n' || decoded[i] == '\r'
                    || decoded[i] == '\t';
            decoded[i] = shown ? decoded[i] : 0;
            printable = shown ? printable + 1 : 0;
            longest = Math.max(longest, printable);
        }
        if (longest < Math.min(SURELY_TEXT, decoded.length)) {
            return;
        }
        if (decoded.length < 200 && LOGIN.matcher(new String(decoded, StandardCharsets.ISO_8859_1)).matches()) {
            found.found(start, end, "encoded");
        }
        next.add('\n', start(start), start(start));
        for (byte b : decoded) {
            next.add(b, start(start), end(end));
        }
        next.add('\n', end(end), end(end));
    }

    // ---- private keys, which go over many lines

    /**
     * Finds the bodies of PEM private keys that were not blanked before. A key without its end, or without its
     * beginning, loses the lines that look like its body.
     */
    static void privateKeys(String text, Runs found) {
        // A rare letter is found faster than a word.
        int rare = text.indexOf('V');
        while (rare >= 0 && !text.startsWith("PRIVATE KEY", rare - 3)) {
            rare = text.indexOf('V', rare + 1);
        }
        if (rare < 0) {
            return;
        }
        Matcher end = KEY_END.matcher(text);
        Matcher begin = KEY_BEGIN.matcher(text);
        int done = 0;
        int next = -1;
        while (begin.find(done)) {
            done = begin.end();
            next = next >= done ? next : end.find(done) ? end.start() : text.length();
            int body = next < Math.min(text.length(), done + LONGEST_KEY) ? next : bodyEnd(text, done);
            body(text, done, body, found);
            done = Math.max(done, body);
        }
        for (int from = 0; end.find(from); from = end.end()) {
            int line = end.start();
            int start = line;
            for (int at = line; at > 0 && (inBody(text, at - 1) || text.charAt(at - 1) == '\\'); at--) {
                start = text.charAt(at - 1) == '\n' || at == 1 || text.charAt(at - 2) == '"' ? at - (at == 1 ? 1 : 0)
                        : start;
            }
            body(text, start, line, found);
        }
    }

    // Without an end: the lines that hold nothing but base64.
    private static int bodyEnd(String text, int from) {
        int at = from;
        int lastLine = from;
        while (at < text.length() && (inBody(text, at) || text.startsWith("\\n", at))) {
            at++;
            lastLine = text.charAt(at - 1) == '\n' ? at : lastLine;
        }
        return at == text.length() || text.charAt(at) == '"' ? at : lastLine;
    }

    private static boolean inBody(String text, int at) {
        char c = text.charAt(at);
        return inRun((byte) c) || c == '\n' || c == '\r';
    }

    private static void body(String text, int from, int to, Runs found) {
        if (text.substring(from, to).chars().anyMatch(c -> "\n\r*\"".indexOf(c) < 0)) {
            found.found(from, to, "private-key");
        }
    }

    /**
     * Secrets whose values are known, searched for literally, in either case and with a plus for a blank: as they are,
     * with quotes doubled, in quoted-printable, hexadecimal and base64; other encodings are peeled off before. Tens of
     * thousands cost hardly more than one, since a value is looked up by its first four bytes.
     */
    static final class Known {
        /** Shorter ones would be found in everything. */
        static final int SHORTEST = 4;
        // Base64 of fewer bytes than this says too little to be searched for at the two odd alignments.
        private static final int SHORTEST_SHIFTED = 9;
        private static final Pattern UNSAFE_IN_MAIL = Pattern.compile("[^\\x00-\\x7f]|=");

        private record Value(byte[] bytes, String id) { }

        // Letters lose their case, and a plus is a blank.
        private static final int[] FOLDED = new int[256];

        static {
            for (int b = 0; b < 256; b++) {
                FOLDED[b] = b >= 'A' && b <= 'Z' ? b + 32 : b == '+' ? ' ' : b;
            }
        }

        private final BitSet begins = new BitSet(1 << 20);
        /** By the first four bytes, longest first. */
        private final Map<Integer, List<Value>> values = new HashMap<>();

        Known(Map<String, String> idByValue) {
            idByValue.forEach((value, id) -> {
                byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
                String mail = UNSAFE_IN_MAIL.matcher(value).replaceAll(character ->
                        URLEncoder.encode(character.group(), StandardCharsets.UTF_8).replace('%', '='));
                Stream.of(value, value.replace("'", "''"), value.replace("'", "'\\''"), value.replace("'", "'\"'\"'"),
                        value.replace("\"", "\"\""), mail, HexFormat.of().formatHex(bytes),
                        HexFormat.ofDelimiter(":").formatHex(bytes)).distinct().forEach(form -> put(form, id));
                for (int before = 0; before < (bytes.length < SHORTEST_SHIFTED ? 1 : 3); before++) {
                    String shifted = shifted(bytes, before);
                    Stream.of(shifted, shifted.replace('+', '-').replace('/', '_')).distinct()
                            .forEach(form -> put(form, id));
                }
            });
            values.values().forEach(list -> list.sort(Comparator.comparingInt(value -> -value.bytes.length)));
        }

        // In the middle of something larger the value begins at any of base64's alignments: what of it stays the same.
        private static String shifted(byte[] bytes, int before) {
            byte[] padded = new byte[before + bytes.length];
            System.arraycopy(bytes, 0, padded, before, bytes.length);
            String encoded = Base64.getEncoder().withoutPadding().encodeToString(padded);
            return encoded.substring(before == 0 ? 0 : before + 1, encoded.length() - (padded.length % 3 == 0 ? 0 : 1));
        }

        private void put(String form, String id) {
            byte[] bytes = form.getBytes(StandardCharsets.UTF_8);
            if (bytes.length >= SHORTEST) {
                int prefix = 0;
                for (int i = 0; i < SHORTEST; i++) {
                    prefix = prefix << 8 | FOLDED[bytes[i] & 0xff];
                }
                begins.set(slot(prefix));
                values.computeIfAbsent(prefix, any -> new ArrayList<>(1)).add(new Value(bytes, id));
            }
        }

        private static int slot(int prefix) {
            return prefix * 0x9e3779b1 >>> 12;
        }

        void find(byte[] data, int length, Runs found) {
            int last = values.isEmpty() ? 0 : length;
            int floor = 0;
            for (int at = 0, prefix = 0; at < last; at++) {
                prefix = prefix << 8 | FOLDED[data[at] & 0xff];
                int start = at - SHORTEST + 1;
                if (begins.get(slot(prefix)) && start >= floor) {
                    for (Value value : values.getOrDefault(prefix, List.of())) {
                        int end = start >= floor ? end(value.bytes, data, start, length) : -1;
                        if (end >= 0) {
                            floor = end;
                            found.found(start, end, value.id);
                        }
                    }
                }
            }
        }

        // Where the value ends that begins at start, or -1. A line may be broken within it.
        private static int end(byte[] value, byte[] data, int start, int length) {
            int at = start;
            for (int i = 0; i < value.length; i++, at++) {
                boolean isThere = at < length && FOLDED[value[i] & 0xff] == FOLDED[data[at] & 0xff];
                at = isThere ? at : afterBreak(data, at, length);
                if (at == length || FOLDED[value[i] & 0xff] != FOLDED[data[at] & 0xff]) {
                    return -1;
                }
            }
            return at;
        }

        private static int afterBreak(byte[] data, int from, int length) {
            int at = from;
            while (at < length && (at == from ? "=\\\r\n" : "=\\\r\n\t ").indexOf(data[at]) >= 0) {
                at++;
            }
            return at;
        }
    }
}
