package runbook.redact;

import java.net.*;
import java.nio.charset.*;
import java.util.*;
import java.util.regex.*;

/**
 * A text in one reading: as it is, or with a layer of encoding taken off, be it escapes of URLs, JSON, HTML, shells and
 * terminals, or what base64 and hexadecimal hold. Only lines that have any are in the next view, and every byte knows
 * where it stood, so that a find in a view is cut out of the text itself. Views follow each other, so that encodings
 * may be mixed and nested.
 */
final class View {
    /** More than anybody has met: each costs a pass over the lines that still have escapes. */
    static final int DEEPEST = 5;
    private static final int SHORTEST_RUN = 20;
    // So many printable bytes in a row are no chance: (95/256)^12 is 1 in 140,000 for each alignment and place.
    private static final int SURELY_TEXT = 12;
    private static final int LONGEST_LOGIN = 200;
    private static final int LONGEST_ESCAPE = 12;
    // What its groups hold is known to decode(). Terminals' sequences also as pagers and loggers show them; soft
    // hyphen, no-break space, zero-width ones.
    private static final Pattern ESCAPE = Pattern.compile("%(?:u([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))"
            + "|\\\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|([nrtbfe]|[!-/:-@\\[-`{-~]))"
            + "|&(?:#(\\d{1,5})|#[xX]([0-9a-fA-F]{1,4})|(amp|lt|gt|quot|apos|nbsp|commat|equals|lowbar|plus));"
            + "|(?:\\x1b|\\^\\[|#033)\\[[ -?]{0,24}[@-~]|\\x1b|\\xc2(\\xa0)|\\xc2\\xad|\\xe2\\x80[\\x8b-\\x8f]");
    private static final Map<String, String> MEANT = Map.ofEntries(Map.entry("amp", "&"), Map.entry("lt", "<"),
            Map.entry("gt", ">"), Map.entry("quot", "\""), Map.entry("apos", "'"), Map.entry("nbsp", " "),
            Map.entry("commat", "@"), Map.entry("equals", "="), Map.entry("lowbar", "_"), Map.entry("plus", "+"),
            Map.entry("n", "\n"), Map.entry("r", "\n"), Map.entry("t", "\t"), Map.entry("b", " "),
            Map.entry("f", " "), Map.entry("e", "\u001b"), Map.entry("\u00a0", " "));
    private static final Pattern LOGIN =
            Pattern.compile("\n[\\w.@+-]{2,64}:(?![/:])(?=[^\\s]*[A-Za-z])[\\x21-\\x7e]{3,128}\\x00*\n");
    // A line of a private key's body that came without its beginning, as wide as they are written: 64, 70 or 76.
    private static final Pattern PEM_LINE =
            Pattern.compile("(?=.*[a-z])(?=.*[A-Z])(?=.*\\d)[A-Za-z0-9+/]{64}(?:[A-Za-z0-9+/]{6}){0,2}");
    // The part of a Klaviyo key after the site id. What begins with AC is the name of an account of Twilio.
    private static final Pattern KEY_TAIL = Pattern.compile("(?!AC)[0-9a-fA-F]{34}");
    // What a character of base64, of URLs too, stands for; elsewhere -1.
    private static final byte[] SIX = new byte[256];
    private static final boolean[] BEGINS_ESCAPE = new boolean[256];

    static {
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        Arrays.fill(SIX, (byte) -1);
        for (int c = 0; c < 128; c++) {
            SIX[c] = (byte) alphabet.indexOf(c == '-' ? '+' : c == '_' ? '/' : c);
        }
        "%\\&\u001b^#\u00c2\u00e2".chars().forEach(c -> BEGINS_ESCAPE[c] = true);
    }

    /** Is told what is to be taken out whole, and by which id. */
    interface Found {
        void at(int start, int end, String id);
    }

    byte[] data;
    int length;
    /** The same, a character for each byte. */
    String text;
    /** From here on stands what was decoded from base64 and hexadecimal: a find there takes out the whole run. */
    int runsFrom;
    // Where each byte stood in the text itself; null for the text itself.
    private int[] starts;
    private int[] ends;

    /** The text itself. */
    View(byte[] data, int length) {
        this.data = data;
        this.length = length;
        text = new String(data, 0, length, StandardCharsets.ISO_8859_1);
        runsFrom = length;
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
        return ends == null ? at : ends[at - 1];
    }

    /** Where a find really begins: in \njo@x.org the n is the escape's, not the address's. */
    int afterEscape(int start) {
        int at = sign(Math.max(0, start - LONGEST_ESCAPE), start);
        while (at < start) {
            Matcher escape = ESCAPE.matcher(text).region(at, length);
            at = escape.lookingAt() ? escape.end() : sign(at + 1, start);
        }
        return at;
    }

    /** The next view, or null when there is nothing to take off. */
    View next(Found found) {
        View next = new View(new byte[64], 0);
        next.starts = new int[64];
        next.ends = new int[64];
        Matcher escape = ESCAPE.matcher(text);
        lines(next, escape, 0, runsFrom);
        next.runsFrom = next.length;
        lines(next, escape, runsFrom, length);
        runs(next, found);
        next.text = new String(next.data, 0, next.length, StandardCharsets.ISO_8859_1);
        return next.length == 0 ? null : next;
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

    private void lines(View next, Matcher escape, int from, int to) {
        int done = from;
        for (int at = sign(from, to); at < to; at = sign(Math.max(at + 1, done), to)) {
            if (escape.region(at, to).lookingAt()) {
                int start = Math.max(done, Redactor.lineStart(data, at));
                if (start > done && next.length > 0) {
                    next.add('\n', start(start), start(start));
                }
                done = line(next, escape, start, to);
            }
        }
    }

    // Where the next byte is that an escape may begin with: every byte is looked at, so it is nothing but a walk.
    private int sign(int from, int to) {
        byte[] bytes = data;
        int at = from;
        while (at < to && !BEGINS_ESCAPE[bytes[at] & 0xff]) {
            at++;
        }
        return at;
    }

    private int line(View next, Matcher escape, int from, int to) {
        int at = from;
        for (int last = 0; at < to && last != '\n'; ) {
            last = data[at];
            if (BEGINS_ESCAPE[last & 0xff] && escape.region(at, to).lookingAt()) {
                decode(next, escape);
                at = escape.end();
            } else {
                next.add(isBlank(at, from, to) ? ' ' : last, start(at), end(at + 1));
                at++;
            }
        }
        return at;
    }

    // In URLs a plus beside an escape is a blank, where it does not begin a phone number.
    private boolean isBlank(int at, int from, int to) {
        if (data[at] != '+' || at + 1 == to || Character.isDigit(data[at + 1])) {
            return false;
        }
        boolean after = at - 3 >= from && data[at - 3] == '%' || at > from && data[at - 1] == '+';
        return after || data[at + 1] == '%' || data[at + 1] == '+';
    }

    private void decode(View next, Matcher escape) {
        for (int group = 1; group <= escape.groupCount(); group++) {
            String code = escape.group(group);
            if (code != null) {
                String character = switch (group) {
                    case 5 -> Character.toString(Integer.parseInt(code, 8));
                    case 6, 9, 10 -> MEANT.getOrDefault(code, code);
                    case 7 -> String.valueOf((char) Integer.parseInt(code));
                    default -> String.valueOf((char) Integer.parseInt(code, 16));
                };
                boolean octet = group == 2 || group == 4 || group == 5;
                for (byte b : character.getBytes(octet ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8)) {
                    next.add(b, start(escape.start()), end(escape.end()));
                }
            }
        }
    }

    // ---- base64 and hexadecimal. Runs are found by looking at every 20th byte, so text without any costs little.

    private void runs(View next, Found found) {
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

    private void run(View next, int start, int end, Found found) {
        boolean alone = (start == 0 || data[start - 1] <= ' ') && (end == length || "\r\n".indexOf(data[end]) >= 0);
        if (alone && PEM_LINE.matcher(text).region(start, end).matches()) {
            found.at(start, end, "private-key");
        } else if (end - start == 34 && KEY_TAIL.matcher(text).region(start, end).matches()) {
            found.at(start, end, "klaviyo-key");
        }
        for (int shift = start; shift < start + 4; shift++) {
            if (maybeText(shift, end)) {
                int last = end - ((end - shift) % 4 == 1 ? 1 : 0);
                String run = text.substring(shift, last).replace('-', '+').replace('_', '/');
                decoded(next, Base64.getDecoder().decode(run), start, end, found);
            }
        }
        // Other characters may adjoin it, so that both alignments are tried.
        for (int from = start, to = start; from < end; from = ++to) {
            while (to < end && HexFormat.isHexDigit(data[to])) {
                to++;
            }
            for (int shift = from; to - from >= SHORTEST_RUN && shift < from + 2; shift++) {
                byte[] bytes = HexFormat.of().parseHex(text, shift, to - (to - shift) % 2);
                decoded(next, bytes, start, end, found);
            }
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

    // What reads as text is looked at in the next view; other bytes become zeroes.
    private void decoded(View next, byte[] bytes, int start, int end, Found found) {
        int longest = 0;
        int printable = 0;
        for (int i = 0; i < bytes.length; i++) {
            boolean blank = bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\t';
            boolean shown = bytes[i] >= ' ' && bytes[i] < 127 || blank;
            bytes[i] = shown ? bytes[i] : 0;
            printable = shown ? printable + 1 : 0;
            longest = Math.max(longest, printable);
        }
        if (longest < Math.min(SURELY_TEXT, bytes.length)) {
            return;
        }
        String read = "\n" + new String(bytes, StandardCharsets.ISO_8859_1) + "\n";
        if (bytes.length < LONGEST_LOGIN && LOGIN.matcher(read).matches()) {
            found.at(start, end, "encoded");
        }
        for (int i = 0; i < read.length(); i++) {
            next.add(read.charAt(i), start(start), end(end));
        }
    }

    /**
     * Secrets whose values are known, searched for literally, in either case and with a plus for a blank: as they are,
     * with quotes doubled, in quoted-printable, hexadecimal, base64 and base32; other encodings are taken off by views.
     * Tens of thousands cost hardly more than one, since a value is looked up by its first four bytes.
     */
    static final class Known {
        /** Shorter ones would be found in everything. */
        static final int SHORTEST = 4;
        // Base64 of fewer bytes than this says too little to be searched for at the two odd alignments.
        private static final int SHORTEST_SHIFTED = 9;
        private static final Pattern UNSAFE_IN_MAIL = Pattern.compile("[^\\x00-\\x7f]|=");
        // Letters lose their case, and a plus is a blank.
        private static final int[] FOLDED = new int[256];

        static {
            Arrays.setAll(FOLDED, b -> b >= 'A' && b <= 'Z' ? b + 32 : b == '+' ? ' ' : b);
        }

        private record Value(byte[] bytes, String id) { }

        /** By the first four bytes, longest first. */
        private final Map<Integer, List<Value>> values = new HashMap<>();
        // By two bytes: the last place among a value's first four that they end at; 0 for none, as most do.
        private final byte[] places = new byte[1 << 16];

        Known(Map<String, String> idByValue) {
            idByValue.forEach((value, id) -> forms(value).forEach(form -> put(form, id)));
            values.values().forEach(list -> list.sort(Comparator.comparingInt(value -> -value.bytes.length)));
        }

        private static Set<String> forms(String value) {
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            String mail = UNSAFE_IN_MAIL.matcher(value).replaceAll(character ->
                    URLEncoder.encode(character.group(), StandardCharsets.UTF_8).replace('%', '='));
            Set<String> forms = new HashSet<>(Arrays.asList(value, value.replace("'", "''"),
                    value.replace("'", "'\\''"), value.replace("'", "'\"'\"'"), value.replace("\"", "\"\""), mail,
                    HexFormat.of().formatHex(bytes), HexFormat.ofDelimiter(":").formatHex(bytes),
                    HexFormat.ofDelimiter(" ").formatHex(bytes), base32(bytes)));
            for (int before = 0; before < (bytes.length < SHORTEST_SHIFTED ? 1 : 3); before++) {
                String shifted = shifted(bytes, before);
                forms.addAll(Arrays.asList(shifted, shifted.replace('+', '-').replace('/', '_')));
            }
            return forms;
        }

        // Without the last letter, half of which may be of what follows.
        private static String base32(byte[] bytes) {
            StringBuilder text = new StringBuilder();
            for (int bit = 0; bit + 5 <= 8 * bytes.length; bit += 5) {
                int two = (bytes[bit / 8] & 0xff) << 8 | (bit / 8 + 1 < bytes.length ? bytes[bit / 8 + 1] & 0xff : 0);
                text.append("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(two >> 11 - bit % 8 & 31));
            }
            return text.toString();
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
                values.computeIfAbsent(first(bytes, 0), any -> new ArrayList<>(1)).add(new Value(bytes, id));
                for (int i = 1; i < SHORTEST; i++) {
                    places[two(bytes, i)] = (byte) Math.max(places[two(bytes, i)], i);
                }
            }
        }

        private static int first(byte[] bytes, int start) {
            return two(bytes, start + 1) << 16 | two(bytes, start + SHORTEST - 1);
        }

        private static int two(byte[] bytes, int last) {
            return FOLDED[bytes[last - 1] & 0xff] << 8 | FOLDED[bytes[last] & 0xff];
        }

        void find(byte[] data, int length, Found found) {
            int last = values.isEmpty() ? 0 : length;
            for (int at = SHORTEST - 1, place; at < last; at += Math.max(1, SHORTEST - 1 - place)) {
                place = places[two(data, at)];
                if (place == SHORTEST - 1) {
                    begun(data, at - place, length, found);
                }
            }
        }

        private void begun(byte[] data, int start, int length, Found found) {
            for (Value value : values.getOrDefault(first(data, start), List.of())) {
                int end = end(value.bytes, data, start, length);
                if (end >= 0) {
                    found.at(start, end, value.id);
                    break;
                }
            }
        }

        // Where the value ends that begins at start, or -1. Its line may be broken.
        private static int end(byte[] value, byte[] data, int start, int length) {
            int i = 0;
            int at = start;
            for (; i < value.length && at < length; at++) {
                if (FOLDED[value[i] & 0xff] == FOLDED[data[at] & 0xff]) {
                    i++;
                } else if ("=\\\r\n\t ".indexOf(FOLDED[data[at] & 0xff]) < 0) {
                    return -1;
                }
            }
            return i == value.length ? at : -1;
        }
    }
}
