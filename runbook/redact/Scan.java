package runbook.redact;

import java.math.*;
import java.net.*;
import java.nio.charset.*;
import java.util.*;
import java.util.stream.*;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor.Finder;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Span;
import runbook.redact.Redactor.Tally;

/** One thread's worker over the {@link Pieces} of streams. It counts into its tally. Not for use by several threads. */
public final class Scan {
    private static final Redactor KEYS = new Redactor(Policy.strict().by(
            Rules.builtIn().only(rule -> rule.id().equals("private-key"))));

    private final Tally tally;
    private final Finder finder;

    /** A worker by this redactor. */
    public Scan(Redactor redactor, Tally tally) {
        this.tally = tally;
        finder = new Finder(redactor);
    }

    /**
     * A piece cleaned. What lies around it is looked at so that what straddles the borders is found; a find is written
     * where it begins. What comes out has been looked through again: a pass that found nothing ended it, so that
     * nothing but the known values has to be looked for in the finished archive.
     */
    public byte[] clean(Piece piece) {
        Map<String, Long> counts = new HashMap<>();
        byte[] clean = finder.clean(piece.data(), piece.length(), piece.from(), piece.to(), counts);
        counts.forEach(tally::add);
        return clean;
    }

    /** Counts secrets that begin in a piece of what is to be judged; stand-ins for redacted ones are none. */
    public void remaining(Piece piece) {
        for (Span span : finder.find(piece.data(), piece.length(), true)) {
            tally.add(span.id(), span.start() >= piece.from() && span.start() < piece.to() ? 1 : 0);
        }
    }

    /** Overwrites the bodies of private keys, line ends kept: before lines are chosen and looked at one by one. */
    public void blankPrivateKeys(Piece piece) {
        byte[] data = piece.data();
        if (!new String(data, 0, piece.length(), StandardCharsets.ISO_8859_1).contains("PRIVATE KEY")) {
            return;
        }
        for (Span span : new Finder(KEYS).find(data, piece.length(), false)) {
            for (int i = span.start(); i < span.end(); i++) {
                data[i] = "\n\r\"".indexOf(data[i]) >= 0 ? data[i] : Piece.BLANK;
            }
            tally.add(span.id(), 1);
        }
    }

    /**
     * The second search, for what is read back: the known values alone, by another way than the redactor's and with
     * none of its code. There encodings are taken off the text; here values are encoded, by the JDK's own encoders, and
     * looked for as they are. Safe for several threads.
     */
    public static final class Search {
        private static final int PREFIX = 4;
        private static final int[] LOWER =
                IntStream.range(0, 256).map(b -> b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b).toArray();

        private record Wanted(String id, byte[] bytes) { }

        // By their first bytes.
        private final Map<Integer, List<Wanted>> wanted = new HashMap<>();
        // How many bytes the shortest has, 0 without any; by two bytes: the last place among a value's first so many
        // that they end at.
        private final int shortest;
        private final int[] places = new int[1 << 16];

        /** A search for what this policy knows. */
        public Search(Policy policy) {
            List<Wanted> all = new ArrayList<>();
            policy.known().forEach((value, id) -> encodings(value).forEach(text ->
                    all.add(new Wanted(id, text.getBytes(StandardCharsets.UTF_8)))));
            all.removeIf(value -> value.bytes.length < PREFIX);
            shortest = all.stream().mapToInt(value -> value.bytes.length).min().orElse(0);
            for (Wanted value : all) {
                wanted.computeIfAbsent(first(value.bytes, 0), any -> new ArrayList<>(1)).add(value);
                for (int i = 1; i < shortest; i++) {
                    places[two(value.bytes, i)] = Math.max(places[two(value.bytes, i)], i);
                }
            }
        }

        /** Counts what begins in the piece itself, by id. */
        public void count(Piece piece, Tally tally) {
            if (shortest == 0) {
                return;
            }
            byte[] data = piece.data();
            int first = shortest - 1;
            int end = Math.min(piece.to() + first, piece.length());
            for (int last = piece.from() + first, place; last < end; last += Math.max(1, first - place)) {
                place = places[two(data, last)];
                if (place == first) {
                    count(data, last - first, piece.length(), tally);
                }
            }
        }

        private void count(byte[] data, int at, int length, Tally tally) {
            for (Wanted value : wanted.getOrDefault(first(data, at), List.of())) {
                int i = 0;
                while (i < value.bytes.length && at + i < length && lower(data, at + i) == lower(value.bytes, i)) {
                    i++;
                }
                if (i == value.bytes.length) {
                    tally.add(value.id, 1);
                    break;
                }
            }
        }

        private static int lower(byte[] bytes, int at) {
            return LOWER[bytes[at] & 0xff];
        }

        private static int two(byte[] bytes, int last) {
            return lower(bytes, last - 1) << 8 | lower(bytes, last);
        }

        private static int first(byte[] bytes, int at) {
            return two(bytes, at + 1) << 16 | two(bytes, at + PREFIX - 1);
        }

        private static Set<String> encodings(String value) {
            byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
            String url = URLEncoder.encode(value, StandardCharsets.UTF_8);
            String json = value.replace("\\", "\\\\").replace("\"", "\\\"");
            String html = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
            String unicode = value.chars().mapToObj(c -> c < 128 && Character.isLetterOrDigit(c)
                    ? Character.toString(c) : String.format("\\u%04x", c)).collect(Collectors.joining());
            String all = value.chars().mapToObj(c -> String.format("\\u%04x", c)).collect(Collectors.joining());
            String mail = value.codePoints().mapToObj(c -> c > 127 || c == '='
                    ? URLEncoder.encode(Character.toString(c), StandardCharsets.UTF_8).replace('%', '=')
                    : Character.toString(c)).collect(Collectors.joining());
            // The first letter is no zero, since no character of a secret is below a blank; the last one may vary.
            String base32 = new BigInteger(1, bytes).shiftRight(8 * bytes.length % 5).toString(32).chars()
                    .map(c -> "abcdefghijklmnopqrstuvwxyz234567".charAt(Character.digit(c, 32)))
                    .mapToObj(Character::toString).collect(Collectors.joining());
            Set<String> texts = new HashSet<>(Arrays.asList(value, url, url.replace("+", "%20"),
                    URLEncoder.encode(url, StandardCharsets.UTF_8), url.replace("+", "%20").replace("%", "%25"),
                    json, json.replace("/", "\\/"), json.replace("\\", "\\\\").replace("\"", "\\\""), html,
                    html.replace("\"", "&quot;"), unicode, all, mail, value.replace("\"", "\"\""),
                    value.replace("'", "''"), value.replace("'", "'\\''"), value.replace("'", "'\"'\"'"),
                    HexFormat.of().formatHex(bytes), HexFormat.ofDelimiter(":").formatHex(bytes),
                    HexFormat.ofDelimiter(" ").formatHex(bytes), base32));
            for (int before = 0; before < 3 && bytes.length > 8; before++) {
                String base64 = Base64.getEncoder().withoutPadding().encodeToString(("xx".substring(0, before) + value)
                        .getBytes(StandardCharsets.UTF_8));
                String sure = base64.substring(before == 0 ? 0 : before + 1, base64.length() - 1);
                texts.addAll(Arrays.asList(sure, sure.replace('+', '-').replace('/', '_')));
            }
            return texts;
        }
    }
}
