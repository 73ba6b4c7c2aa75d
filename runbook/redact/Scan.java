package runbook.redact;

import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor.Tally;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One thread's worker of a {@link Redactor}. Not for use by several threads. */
public final class Scan {
    private static final int DEEPEST = 2;
    private static final int QUOTED = 16;
    private static final int LONGEST_ADDRESS = 48;
    private static final int LONGEST_LOCAL_PART = 128;
    private static final Pattern LOGIN =
            Pattern.compile("[\\w.@+-]{2,64}:(?!//)(?=[^\\s]*[A-Za-z])[\\x21-\\x7e]{3,128}\\x00*");

    private final Redactor redactor;
    private final Tally tally;
    private final int depth;
    private final Matcher[] matchers;
    private final String[] lookedAt;
    private final long[] counts;
    private Pseudonyms pseudonyms;
    private final Spans spans = new Spans();
    private final EncodedRuns runs = new EncodedRuns(this::holdsSecret);
    private final int keyTail;
    private Scan inner;
    private String text;
    private int valueStart;
    private int valueEnd;
    private int valueRule;
    private int valueQuotes;
    private boolean byContext;
    private boolean sparing;

    Scan(Redactor redactor, Tally tally, int depth) {
        this.redactor = redactor;
        this.tally = tally;
        this.depth = depth;
        this.matchers = new Matcher[redactor.rules().size()];
        this.lookedAt = new String[matchers.length];
        this.counts = new long[matchers.length];
        this.sparing = redactor.sparesStandIns();
        this.keyTail = redactor.policy().known().size();
    }

    /** All of it, cleaned. */
    public byte[] clean(byte[] bytes) {
        byte[] data = bytes.clone();
        blankPrivateKeys(data, data.length);
        ByteArrayOutputStream out = new ByteArrayOutputStream(data.length + 64);
        clean(data, data.length, 0, data.length, out);
        return out.toByteArray();
    }

    /** Overwrites the bodies of private keys in place: to be done before lines are chosen. */
    public void blankPrivateKeys(byte[] data, int length) {
        tally.add(Rules.PRIVATE_KEY.id(), PrivateKeys.blank(data, length));
    }

    /**
     * Writes {@code data[ownFrom, ownTo)} cleaned. What lies around it, up to {@code length}, is looked at so that what
     * straddles the borders is found; a find is written where it begins.
     */
    public void clean(byte[] data, int length, int ownFrom, int ownTo, ByteArrayOutputStream out) {
        find(data, length);
        int done = ownFrom;
        for (int i = 0; i < spans.count(); i++) {
            int start = spans.start(i);
            int end = spans.end(i);
            if (end <= ownFrom || start >= ownTo) {
                continue;
            }
            out.write(data, done, Math.max(0, start - done));
            if (start >= ownFrom) {
                replace(spans.rule(i), start, end, out);
            }
            done = Math.min(Math.max(done, end), ownTo);
        }
        out.write(data, done, Math.max(0, ownTo - done));
        count();
    }

    /** How many secrets it still holds; stand-ins for redacted ones are none. */
    public int remaining(byte[] data, int length) {
        return remaining(new Piece(data, length, 0, length));
    }

    /** How many secrets begin in the piece itself: what its neighbours show may be cut off. */
    public int remaining(Piece piece) {
        sparing = true;
        int found = PrivateKeys.blank(piece.data().clone(), piece.length());
        tally.add(Rules.PRIVATE_KEY.id(), found);
        find(piece.data(), piece.length());
        for (int i = 0; i < spans.count(); i++) {
            if (spans.start(i) >= piece.from() && spans.start(i) < piece.to()) {
                counts[spans.rule(i) & 0xffff]++;
                found++;
            }
        }
        count();
        return found;
    }

    private void count() {
        for (int i = 0; i < counts.length; i++) {
            tally.add(redactor.rules().get(i).id(), counts[i]);
            counts[i] = 0;
        }
    }

    private void replace(int entry, int start, int end, ByteArrayOutputStream out) {
        int index = entry & 0xffff;
        int quotes = entry >> QUOTED;
        counts[index]++;
        if (pseudonyms == null) {
            pseudonyms = new Pseudonyms(redactor.policy().pseudonymKey());
        }
        byte[] standIn = pseudonyms.of(redactor.rules().get(index), text.substring(start, end));
        quote(quotes, out);
        out.write(standIn, 0, standIn.length);
        quote(quotes, out);
    }

    // A bare number becomes a word, and JSON wants words quoted: as the name before it is.
    private static void quote(int quotes, ByteArrayOutputStream out) {
        for (int i = 1; i < quotes; i++) {
            out.write('\\');
        }
        if (quotes > 0) {
            out.write('"');
        }
    }

    private void find(byte[] data, int length) {
        spans.clear();
        text = new String(data, 0, length, StandardCharsets.ISO_8859_1);
        int encoded = matchers.length - 2;
        runs.find(data, 0, length, encoded, encoded + 1, keyTail, spans);
        boolean mixed = spans.count() > 0;
        Triggers triggers = redactor.triggers();
        int floor = 0;
        for (int at = triggers.next(data, 0, 0, length);
                at < length;
                at = triggers.next(data, Math.max(at + 1, floor), 0, length)) {
            if (matchAt(data, at, length, floor, -1)) {
                floor = valueEnd;
                add(data);
            }
        }
        if (mixed) {
            spans.settle();
        }
    }

    /** Tries the triggers whose rarest pair ends at {@code at}, and leaves what it finds in the fields value… */
    private boolean matchAt(byte[] data, int at, int length, int floor, int but) {
        for (Trigger trigger : redactor.triggers().candidates(data, at, 0)) {
            int start = at - trigger.rarest();
            if (trigger.rule() != but && trigger.at(data, start, 0, length) && match(trigger.rule(), data, start, floor)) {
                return true;
            }
        }
        return false;
    }

    // A value found by its name may have a form of its own: then it is called what it is called everywhere else.
    private void add(byte[] data) {
        int start = valueStart;
        int end = valueEnd;
        int rule = valueRule;
        int quotes = valueQuotes;
        if (sparing && isStandIn(start, end)) {
            return;
        }
        if (byContext) {
            for (int at = redactor.triggers().next(data, start, 0, end);
                    at < end;
                    at = redactor.triggers().next(data, at + 1, 0, end)) {
                if (matchAt(data, at, end, start, rule) && valueStart == start && valueEnd == end) {
                    rule = valueRule;
                    break;
                }
            }
        }
        if (!harmless(rule, start, end)) {
            spans.add(start, end, rule | quotes << QUOTED);
        }
    }

    private boolean harmless(int rule, int start, int end) {
        Set<String> harmless = redactor.policy().harmless();
        return !harmless.isEmpty() && redactor.rules().get(rule).personal() && harmless.contains(text.substring(start, end));
    }

    private boolean match(int rule, byte[] data, int trigger, int floor) {
        Redactor.Form form = redactor.form(rule);
        Matcher matcher = matcher(rule, form);
        int from = switch (redactor.rules().get(rule).lead()) {
            case NONE -> Math.max(trigger, 0);
            case LOCAL_PART -> trigger;
            case DIGITS -> back(data, trigger, floor, 10, '.');
            case HEX_GROUPS -> back(data, trigger, floor, 16, ':');
        };
        if (!matcher.region(from, text.length()).lookingAt()) {
            return false;
        }
        if (redactor.rules().get(rule).lead() == Rule.Lead.LOCAL_PART) {
            int start = localPart(data, trigger, floor);
            return start < trigger && value(rule, start, matcher.end(), floor, 0, false);
        }
        if (form.values().isEmpty()) {
            int group = matcher.start(form.group()) < 0 ? 0 : form.group();
            return value(rule, matcher.start(group), matcher.end(group), floor, 0, group > 0);
        }
        for (String group : form.values()) {
            if (matcher.start(group) >= 0) {
                int quotes = form.quotes() && group.equals("v5") ? quotes(matcher) : 0;
                return value(rule, matcher.start(group), matcher.end(group), floor, quotes, true);
            }
        }
        return false;
    }

    private boolean value(int rule, int start, int end, int floor, int quotes, boolean context) {
        valueRule = rule;
        valueStart = Math.max(start, floor);
        valueEnd = end;
        valueQuotes = quotes;
        byContext = context;
        return start >= 0 && end > valueStart;
    }

    private Matcher matcher(int rule, Redactor.Form form) {
        if (matchers[rule] == null) {
            matchers[rule] = form.pattern().matcher("").useTransparentBounds(true).useAnchoringBounds(false);
        }
        if (lookedAt[rule] != text) {
            matchers[rule].reset(text);
            lookedAt[rule] = text;
        }
        return matchers[rule];
    }

    /** One more than the backslashes before the name's closing double quote; 0 when it has none. */
    private int quotes(Matcher matcher) {
        int end = matcher.end("kq");
        return end > 0 && text.charAt(end - 1) == '"' ? end - matcher.start("kq") : 0;
    }

    private static int back(byte[] data, int trigger, int floor, int radix, char between) {
        int start = trigger;
        while (start > floor
                && trigger - start < LONGEST_ADDRESS
                && (data[start - 1] == between || Character.digit(data[start - 1], radix) >= 0)) {
            start--;
        }
        // In %22203.0.113.9 and in an escaped quote before 203.0.113.9 the first digits are the quote's.
        int escape = start == 0
                ? 0
                : data[start - 1] == '%' ? 2 : data[start - 1] == 'u' && start > 1 && data[start - 2] == '\\' ? 4 : 0;
        return Math.min(trigger, start + escape);
    }

    /** Where the local part of an address begins whose at sign, however written, stands at {@code at}. */
    private static int localPart(byte[] data, int at, int floor) {
        int i = at;
        while (i > floor && data[i - 1] == '\\') {
            i--;
        }
        if (i > floor && data[i - 1] == '"') {
            return quotedStart(data, i - 1, floor);
        }
        while (i > floor && at - i < LONGEST_LOCAL_PART && inLocalPart(data[i - 1])) {
            i--;
            if (data[i] == '%' && !escapesLocalPart(data, i)) {
                i = Math.min(at, i + 3);
                break;
            }
        }
        return afterEscape(data, i, at, floor);
    }

    private static int quotedStart(byte[] data, int quote, int floor) {
        for (int i = quote - 1; i >= Math.max(floor, quote - 64) && data[i] != '\n'; i--) {
            if (data[i] == '"') {
                return i;
            }
        }
        return quote;
    }

    private static boolean inLocalPart(byte b) {
        return b < 0
                || b >= 'a' && b <= 'z'
                || b >= 'A' && b <= 'Z'
                || b >= '0' && b <= '9'
                || b == '.'
                || b == '_'
                || b == '-'
                || b == '+'
                || b == '%';
    }

    // %2B, %2D, %2E, %5F: plus, dash, dot and underscore belong to an address; other escapes end it.
    private static boolean escapesLocalPart(byte[] data, int percent) {
        if (percent + 2 >= data.length) {
            return false;
        }
        char a = (char) data[percent + 1];
        char b = Character.toUpperCase((char) data[percent + 2]);
        return a == '2' && (b == 'B' || b == 'D' || b == 'E' || b == '5') || a == '5' && b == 'F';
    }

    // In "\njo@x.org" inside JSON the n is the escape's, not the address's; so with \ u 0 0 3 d.
    private static int afterEscape(byte[] data, int start, int at, int floor) {
        int i = start;
        if (i > floor && data[i - 1] == '\\' && i < at) {
            i += data[i] == 'u' && i + 5 < at ? 5 : "nrtbf".indexOf(data[i]) >= 0 && i + 1 < at ? 1 : 0;
        }
        while (i + 1 < at && (data[i] == '.' || data[i] == '-' || data[i] == '+')) {
            i++;
        }
        return i;
    }

    /** Whether it is what a pseudonym looks like. */
    private boolean isStandIn(int start, int end) {
        int dash = end - 7;
        if (dash <= start || text.charAt(dash) != '-') {
            return false;
        }
        for (int i = dash + 1; i < end; i++) {
            if ("0123456789abcdef".indexOf(text.charAt(i)) < 0) {
                return false;
            }
        }
        return redactor.ids().contains(text.substring(start, dash));
    }

    private boolean holdsSecret(byte[] decoded) {
        if (depth >= DEEPEST) {
            return false;
        }
        if (inner == null) {
            inner = new Scan(redactor, new Tally(), depth + 1);
            inner.sparing = true;
        }
        return inner.remaining(decoded, decoded.length) > 0
                || decoded.length < 200
                        && LOGIN.matcher(new String(decoded, StandardCharsets.ISO_8859_1))
                                .matches();
    }
}
