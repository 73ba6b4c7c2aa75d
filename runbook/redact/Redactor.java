package runbook.redact;

import java.io.*;
import java.nio.*;
import java.nio.charset.*;
import java.security.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Settings.Problem;
import runbook.redact.Rules.Rule;
import runbook.redact.Rules.Trigger;
import runbook.redact.Rules.Value;

/**
 * Takes secrets and personal data out of one text: what every step does to text from outside before it goes to the
 * screen, the journal or JSON. In their place stand pseudonyms that tell values apart without telling them: {@code
 * email-3f9a2c} is the rule and 24 bits of a keyed hash over the value. Thread-safe.
 */
public final class Redactor {
    private static final int CACHED = 1 << 12;
    private static final int LONGEST_CACHED = 256;
    private static final String ENCODED = "encoded";
    private static final byte[] NONE = {};
    private static final Redactor STRICT = new Redactor(Policy.strict());

    private final Policy policy;
    private final Rules rules;
    private final View.Known known;
    private final byte[] key;
    private final boolean again;
    private final Set<String> ids = new HashSet<>(Set.of(ENCODED));
    // Entries are immutable, so that threads may share them without a lock; the last of two in one place stays.
    private final StandIn[] cache = new StandIn[CACHED];

    /** What a rule says of a value: the pseudonym's bytes, none if it is none. */
    private record StandIn(Rule rule, String value, byte[] bytes) { }

    /** A redactor by this policy. */
    public Redactor(Policy policy) {
        this(policy, false);
    }

    private Redactor(Policy policy, boolean again) {
        this.policy = policy;
        this.again = again;
        key = sha256().digest(policy.key);
        rules = policy.keep.isEmpty() ? policy.rules : policy.rules.only(rule -> !policy.keep.contains(rule.id()));
        known = new View.Known(policy.known);
        policy.rules.all().forEach(rule -> ids.add(rule.id()));
        ids.addAll(policy.known.values());
    }

    /** The redactor that lets nothing through, by the built-in rules; made once: a watch asks for it all the time. */
    public static Redactor strict() {
        return STRICT;
    }

    /** The same for text that is made of redacted text: stand-ins in it stay what they are. */
    public Redactor again() {
        return new Redactor(policy, true);
    }

    /** What it goes by. */
    public Policy policy() {
        return policy;
    }

    /** The text without secrets and personal data; for short texts, such as an error's body. */
    public String text(String text) {
        return new String(bytes(text.getBytes(StandardCharsets.UTF_8)), StandardCharsets.UTF_8);
    }

    /** The bytes without secrets and personal data; for what is held in memory anyway. */
    public byte[] bytes(byte[] bytes) {
        return new Finder(this).clean(bytes, bytes.length, 0, bytes.length, new HashMap<>());
    }

    /** One SHA-256. */
    public static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /**
     * What a redactor goes by besides the rules' forms.
     *
     * @param rules the rules
     * @param keep  ids of personal data that may stay, in order
     * @param known secrets whose values are known: value to the id that it is counted and replaced by
     * @param key   the pseudonyms' key: they are the same in whatever is made with it
     */
    public record Policy(Rules rules, Set<String> keep, Map<String, String> known, byte[] key) {
        /** Everything goes, by the built-in rules, and pseudonyms are keyed by a random key that nobody keeps. */
        public static Policy strict() {
            byte[] key = new byte[32];
            new SecureRandom().nextBytes(key);
            return new Policy(Rules.builtIn(), Set.of(), Map.of(), key);
        }

        /** Goes by other rules. */
        public Policy by(Rules others) {
            return new Policy(others, keep, known, key);
        }

        /**
         * Lets personal data of these rules through.
         *
         * @throws Problem for a rule that is unknown, or that is about a secret
         */
        public Policy keeping(Set<String> ids) {
            Set<String> mayStay = rules.personal();
            for (String id : ids) {
                if (!mayStay.contains(id)) {
                    throw new Problem("--keep " + id + " is not possible: what may be kept is "
                            + String.join(", ", mayStay));
                }
            }
            return new Policy(rules, Collections.unmodifiableSet(new TreeSet<>(ids)), known, key);
        }

        /**
         * Searches for these values too, value to id, in all encodings; one of fewer than 4 bytes would be found in
         * everything.
         */
        public Policy knowing(Map<String, String> values) {
            Map<String, String> more = new HashMap<>(known);
            values.forEach((value, id) -> {
                if (value.getBytes(StandardCharsets.UTF_8).length >= View.Known.SHORTEST) {
                    more.putIfAbsent(value, id);
                }
            });
            return new Policy(rules, keep, more, key);
        }
    }

    /** How often each rule was applied; never what it was applied to. Safe for several threads. */
    public static final class Tally {
        private final Map<String, Long> counts = new TreeMap<>();

        /** Counts some more. */
        public synchronized void add(String id, long more) {
            if (more > 0) {
                counts.merge(id, more, Long::sum);
            }
        }

        /** A copy: rule's id to count, ordered by id. */
        public synchronized Map<String, Long> counts() {
            return new TreeMap<>(counts);
        }
    }

    /** What is to be replaced, by {@code standIn}: in the text itself, whatever view it was found in. */
    record Span(int start, int end, String id, byte[] standIn) {
        // One as long as both, under the name of the longer, or of the one that was decoded more often.
        private Span and(Span other) {
            Span named = other.end - other.start >= end - start ? other : this;
            return new Span(start, Math.max(end, other.end), named.id, named.standIn);
        }
    }

    /** One thread's worker: finds what is to be taken out, in every view of a text, and cuts it out of the text. */
    static final class Finder {
        private static final int ROUNDS = 3;
        private static final int LONGEST_LEAD = 128;
        private static final int LONGEST_CONTAINER = 8_192;
        private static final int LONGEST_EMPTY = 256;
        // What is a stand-in already.
        private static final String STAYS = "";
        private static final byte[] LEFT_OUT = "[left out: it could not be redacted]".getBytes(StandardCharsets.UTF_8);
        // Stands between lines that are looked through together: nothing goes on behind it.
        private static final byte[] BETWEEN = {'\n', '!', '\n'};
        // Of columns that S separates: in quotes, or not.
        private static final String CELL =
                "(?<=[\\nS]|\\A) *+(?:\"([^\"\\n]*+(?:\"\"[^\"\\n]*+)*+)\"|([^S\\r\\n]*?) *(?=[S\\r\\n]|\\z))";
        private static final int LONGEST_HEADER = 1_024;
        // Rules below a header, and what goes over several lines.
        private static final int OTHER_LINES = 3;

        private final Redactor redactor;
        private final Map<String, Matcher> matchers = new HashMap<>();
        private final List<Span> spans = new ArrayList<>();
        private final MessageDigest digest = sha256();
        private boolean sparing;
        private byte[] plain;
        private View view;
        private String text;
        // Where what was taken by its form, or by its context, ends: in the latter other forms are still looked for.
        private int formsFrom;
        private int contextsFrom;
        private String context;
        // The line last asked whether it heads a table, and where the last table ends: no line of it heads another one.
        private int lineStart;
        private int lineEnd;
        private int tableEnd;

        Finder(Redactor redactor) {
            this.redactor = redactor;
        }

        /**
         * {@code bytes[from, to)} cleaned; counts what was taken out. What lies around it, up to {@code length}, is
         * looked at so that what straddles the borders is found; a find is written where it begins. The lines that
         * something was taken out of are looked through again, as long as anything is found in them; one that still
         * holds something after three times is left out.
         */
        byte[] clean(byte[] bytes, int length, int from, int to, Map<String, Long> counts) {
            List<Span> found = find(bytes, length, redactor.again);
            found.removeIf(span -> span.end <= from || span.start >= to);
            counted(found, from, counts);
            // To look through all changed lines at once is fast, and nearly always nothing is left in any.
            ByteArrayOutputStream changed = new ByteArrayOutputStream();
            byte[] clean = cut(bytes, from, to, found, lines -> {
                changed.writeBytes(lines);
                changed.writeBytes(BETWEEN);
                return lines;
            });
            boolean sure = found.isEmpty() || find(changed.toByteArray(), changed.size(), true).isEmpty();
            return sure ? clean : cut(bytes, from, to, found, lines -> cleanAgain(lines, counts, 1));
        }

        private static void counted(List<Span> found, int from, Map<String, Long> counts) {
            found.stream().filter(span -> span.start >= from).forEach(span -> counts.merge(span.id, 1L, Long::sum));
        }

        private byte[] cut(byte[] bytes, int from, int to, List<Span> found, UnaryOperator<byte[]> changed) {
            ByteArrayOutputStream out = new ByteArrayOutputStream(to - from);
            ByteArrayOutputStream lines = new ByteArrayOutputStream();
            int done = from;
            for (int i = 0; i < found.size(); lines.reset()) {
                int start = Math.max(done, lineStart(bytes, found.get(i).start));
                out.write(bytes, done, start - done);
                int end = start;
                for (done = start; i < found.size() && (end == start || found.get(i).start < end); i++) {
                    Span span = found.get(i);
                    lines.write(bytes, done, Math.max(0, span.start - done));
                    if (span.start >= from) {
                        lines.writeBytes(span.standIn);
                    }
                    done = Math.min(Math.max(done, span.end), to);
                    end = lineEnd(bytes, done, to);
                }
                lines.write(bytes, done, end - done);
                out.writeBytes(changed.apply(lines.toByteArray()));
                done = end;
            }
            out.write(bytes, done, to - done);
            return out.toByteArray();
        }

        private byte[] cleanAgain(byte[] lines, Map<String, Long> counts, int round) {
            List<Span> left = find(lines, lines.length, true);
            counted(left, 0, counts);
            return left.isEmpty() ? lines : cut(lines, 0, lines.length, left, again ->
                    round > ROUNDS ? LEFT_OUT : cleanAgain(again, counts, round + 1));
        }

        /** What to take out, in order and without overlaps. {@code sparing}: what looks like a stand-in is one. */
        List<Span> find(byte[] bytes, int length, boolean sparingStandIns) {
            spans.clear();
            sparing = sparingStandIns;
            plain = bytes;
            view = new View(bytes, length);
            for (int depth = 0; view != null; depth++) {
                look();
                view = depth == View.DEEPEST ? null : view.next(this::whole);
            }
            return settled();
        }

        private void look() {
            text = view.text;
            matchers.clear();
            formsFrom = 0;
            contextsFrom = 0;
            context = "";
            lineEnd = 0;
            tableEnd = 0;
            redactor.known.find(view.data, view.length, this::whole);
            int[] found = redactor.rules.triggers.find(view.data, view.length);
            for (int i = 0; i < found.length; i += 2) {
                for (Trigger trigger : redactor.rules.triggers.at(found[i + 1])) {
                    tried(trigger, found[i]);
                }
            }
        }

        // Of finds that overlap one as long as all of them remains.
        private List<Span> settled() {
            List<Span> settled = new ArrayList<>(spans.size());
            spans.removeIf(span -> span.id.equals(STAYS));
            spans.sort(Comparator.comparingInt(Span::start));
            for (Span span : spans) {
                int last = settled.size() - 1;
                if (last >= 0 && span.start < settled.get(last).end) {
                    settled.set(last, settled.get(last).and(span));
                } else {
                    settled.add(span);
                }
            }
            return settled;
        }

        // ---- by a rule

        /** Tries a rule where one of its triggers ends. */
        private void tried(Trigger trigger, int last) {
            Rule rule = trigger.rule();
            int first = Math.max(0, last + 1 - trigger.size());
            if (!rule.isNamed()) {
                if (last >= (rule.id().equals(context) ? contextsFrom : formsFrom)) {
                    formed(trigger, first, last);
                }
            } else if (last >= contextsFrom && (trigger.before().isEmpty() || isAt(trigger.before(), first, first))) {
                boolean mayHead = "=:".indexOf(text.charAt(last)) < 0;
                // Two cells may be a name and its value; more head a table.
                if (!mayHead || !column(rule, first, last, 3)) {
                    int end = named(rule, last);
                    took(rule, end);
                    if (mayHead && end < 0 && !inserted(rule, first, last)) {
                        column(rule, first, last, 2);
                    }
                }
            }
        }

        private void formed(Trigger trigger, int first, int last) {
            Rule rule = trigger.rule();
            Matcher form = matcher(rule.form().orElseThrow());
            boolean found = form.region(lead(trigger, first), text.length()).lookingAt();
            if (!found || form.end() <= last || !rule.passes(form)) {
                return;
            }
            int group = form.groupCount() > 0 && form.start(1) >= 0 ? 1 : 0;
            int start = Math.max(form.start(group), formsFrom);
            boolean byContext = rule.byContext(form);
            boolean known = last < contextsFrom && (byContext || isWithin(start));
            if (!known && value(rule, start, form.end(group), NONE)) {
                took(rule, form.end());
                formsFrom = byContext ? formsFrom : form.end(group);
            }
        }

        private void took(Rule rule, int end) {
            context = end > contextsFrom ? rule.id() : context;
            contextsFrom = Math.max(contextsFrom, end);
        }

        // A part of what its context gave away is no more than that, as is what begins with a stand-in.
        private boolean isWithin(int start) {
            int from = view.start(start);
            int i = spans.size() - 1;
            while (i >= 0 && spans.get(i).start >= from && !spans.get(i).id.equals(STAYS)) {
                i--;
            }
            return i >= 0 && spans.get(i).end > from;
        }

        private int lead(Trigger trigger, int first) {
            int start = first;
            int least = Math.max(formsFrom, first - LONGEST_LEAD);
            while (start > least && trigger.back().get(view.data[start - 1] & 0xff)) {
                start--;
            }
            return Math.min(first, view.afterEscape(start));
        }

        private Matcher matcher(String pattern) {
            Matcher matcher = matchers.get(pattern);
            if (matcher == null) {
                matcher = Rules.compiled(pattern).matcher(text).useTransparentBounds(true).useAnchoringBounds(false);
                matchers.put(pattern, matcher);
            }
            return matcher;
        }

        private boolean isAt(String pattern, int start, int end) {
            return matcher(pattern).region(start, end).lookingAt();
        }

        // ---- by a field's name

        /** Takes what follows a field's name: a sign, and one value or several in brackets. Gives its end, or -1. */
        private int named(Rule rule, int from) {
            Matcher sign = matcher(rule.sign()).region(from, text.length());
            if (!sign.lookingAt() || sign.end() == text.length() || text.startsWith("{{", sign.end())) {
                return -1;
            }
            int at = sign.end();
            char c = text.charAt(at);
            Value kind = rule.value().orElseThrow();
            boolean opens = c == '[' || c == '{' || c == '(' && kind != Value.PHONE;
            if (isQuote(c)) {
                return taken(rule, at + 1, closing(at, text.length()), NONE);
            } else if (opens || c == '-' && isAt("{item}", at, text.length())) {
                return container(rule, at, quotes(from));
            } else if (c == '<' && isAt("{cdata}", at, text.length())) {
                return taken(rule, matcher("{cdata}").start(1), matcher("{cdata}").end(1), NONE);
            }
            return isAt(kind.part, at, text.length()) ? taken(rule, at, matcher(kind.part).end(), quotes(from)) : -1;
        }

        // What closes the name that led to a value, where it is a quote, as it is written in the text itself.
        private byte[] quotes(int from) {
            int quote = charAt(from) == '"' ? from : from + 1;
            return charAt(quote) == '"' ? Arrays.copyOfRange(plain, view.start(quote), view.end(quote + 1)) : NONE;
        }

        private int taken(Rule rule, int start, int end, byte[] quotes) {
            return value(rule, start, end, quotes) ? end : -1;
        }

        /**
         * Every value in the brackets, or YAML's list, that open at {@code open}: elements of lists, fields of objects,
         * but not their names. Lines may end within, where the next one goes on with a quote or a bracket. Gives where
         * it ends, or -1 when it held none, or none in its beginning: a hostile one is not read from each of its names.
         */
        private int container(Rule rule, int open, byte[] quotes) {
            int limit = Math.min(text.length(), open + LONGEST_CONTAINER);
            int depth = text.charAt(open) == '-' ? 1 : 0;
            int found = -1;
            int at = open;
            do {
                char c = text.charAt(at);
                int start = isQuote(c) ? at + 1 : at;
                int end = start;
                int next = at + 1;
                if (isQuote(c)) {
                    end = closing(at, limit);
                    next = end + 1;
                } else if (isAt("{element}", at, limit)) {
                    end = matcher("{element}").end();
                    next = end;
                } else if (isAt("{goes-on}", at, limit)) {
                    next = matcher("{goes-on}").end();
                } else if (c == '\n') {
                    break;
                } else if ("[({])}".indexOf(c) >= 0) {
                    depth += "[({".indexOf(c) >= 0 ? 1 : -1;
                }
                boolean isName = end > start && isAt("{ends-name}", Math.min(next, limit), limit);
                if (end > start && !isName && value(rule, start, end, isQuote(c) ? NONE : quotes)) {
                    found = end;
                }
                at = next;
            } while (at < (found < 0 ? Math.min(limit, open + LONGEST_EMPTY) : limit) && depth > 0);
            // Brackets that begin a value of their own, such as a password.
            boolean goesOn = depth == 0 && at < limit && Character.isLetterOrDigit(text.charAt(at));
            if (goesOn && isAt("{element}", at, limit)) {
                return taken(rule, open, matcher("{element}").end(), quotes);
            }
            return found < 0 ? -1 : at;
        }

        private static boolean isQuote(char c) {
            return c == '"' || c == '\'' || c == '`';
        }

        // A line's end, where there is nothing more.
        private char charAt(int at) {
            return at < text.length() ? text.charAt(at) : '\n';
        }

        // At the end of the line, if nowhere else. In O'Neil's it is an apostrophe, as in SQL's O''Neil.
        private int closing(int open, int limit) {
            char quote = text.charAt(open);
            int at = open + 1;
            while (at < limit) {
                char c = text.charAt(at);
                int after = charAt(at + (at > open + 1 && charAt(at + 1) == quote ? 2 : 1)) | 32;
                boolean within = quote == '\'' && after >= 'a' && after <= 'z';
                if (c == '\n' || c == '\r' && charAt(at + 1) == '\n' || c == quote && !within) {
                    break;
                }
                at += c == '\\' && charAt(at + 1) != '\n' ? 2 : 1;
            }
            return Math.min(at, limit);
        }

        // ---- by a column's name

        /** Takes what stands below a name, as long as lines have as many cells as the one that it heads. */
        private boolean column(Rule rule, int first, int last, int least) {
            boolean below = first >= lineEnd && first < tableEnd;
            if (below || !isAt("{heads}", last, text.length())) {
                return false;
            } else if (first >= lineEnd) {
                lineStart = Redactor.lineStart(view.data, first);
                lineEnd = Redactor.lineEnd(view.data, first, view.length);
            }
            if (lineEnd - lineStart > LONGEST_HEADER || !isAt("{table-head}", lineStart, lineEnd)) {
                return false;
            }
            String head = matcher("{table-head}").group();
            String separator = Stream.of("\t", "|", ";").filter(head::contains).findFirst().orElse(",");
            List<MatchResult> names = cells(lineStart, lineEnd, separator);
            int column = (int) names.stream().takeWhile(name -> name.end() < last).count();
            int end = lineEnd;
            boolean found = false;
            for (int others = 0; names.size() >= least && end + 1 < text.length() && others < OTHER_LINES; ) {
                int start = end + 1;
                end = Redactor.lineEnd(view.data, start, view.length);
                List<MatchResult> row = cells(start, end, separator);
                others = row.size() == names.size() ? 0 : others + 1;
                if (others == 0) {
                    found = true;
                    tableEnd = end;
                    MatchResult cell = row.get(column);
                    int group = cell.start(1) < 0 ? 2 : 1;
                    value(rule, cell.start(group), cell.end(group), NONE);
                }
            }
            return found;
        }

        private List<MatchResult> cells(int start, int end, String separator) {
            return matcher(CELL.replace("S", separator)).region(start, end).results().toList();
        }

        /** Takes what a statement that lists columns says of one: in each tuple the value in its place. */
        private boolean inserted(Rule rule, int first, int last) {
            if (!isAt("{inserted}", last, text.length())) {
                return false;
            }
            String before = text.substring(text.lastIndexOf('(', first) + 1, first);
            long column = before.chars().filter(c -> c == ',').count();
            int at = matcher("{inserted}").end();
            String end = ",";
            for (int i = 0; !end.equals(")") && isAt("{literal}", at, text.length()); i = end.equals(",") ? i + 1 : 0) {
                Matcher literal = matcher("{literal}");
                int group = literal.start(1) < 0 ? 2 : 1;
                at = literal.end();
                end = literal.group(3);
                if (i == column) {
                    value(rule, literal.start(group), literal.end(group), NONE);
                }
            }
            return true;
        }

        // ---- a value

        /** Takes a value out, or leaves a stand-in there; false when it is none. */
        private boolean value(Rule rule, int from, int end, byte[] quotes) {
            // A missing scheme is a finding of its own, so it stays.
            boolean mayHaveScheme = rule.isNamed() && !rule.personal() && from < end;
            int start = mayHaveScheme && isAt("{scheme}", from, end) ? matcher("{scheme}").end() : from;
            if (end > start && sparing && isStandIn(start, end)) {
                spans.add(new Span(view.start(start), view.end(end), STAYS, NONE));
                return true;
            }
            byte[] standIn = end > start ? standIn(rule, text.substring(start, end)) : NONE;
            if (standIn.length > 0 && start >= view.runsFrom) {
                whole(start, end, ENCODED);
            } else if (standIn.length > 0) {
                // A bare number becomes a word, and JSON wants words quoted.
                byte[] quoted = quotes.length == 0 ? standIn : ByteBuffer.allocate(2 * quotes.length + standIn.length)
                        .put(quotes).put(standIn).put(quotes).array();
                spans.add(new Span(view.start(start), view.end(end), rule.id(), quoted));
            }
            return standIn.length > 0;
        }

        private boolean isStandIn(int start, int end) {
            int dash = end - 7;
            for (int i = dash + 1; i < end; i++) {
                if (dash <= start || Character.digit(text.charAt(i), 16) < 0) {
                    return false;
                }
            }
            return text.charAt(dash) == '-' && redactor.ids.contains(text.substring(start, dash));
        }

        private void whole(int start, int end, String id) {
            int from = view.start(start);
            int to = view.end(end);
            String is = start >= view.runsFrom ? ENCODED : id;
            String value = new String(plain, from, to - from, StandardCharsets.ISO_8859_1);
            spans.add(new Span(from, to, is, pseudonym(is, value)));
        }

        private byte[] standIn(Rule rule, String value) {
            int place = value.hashCode() * 31 + System.identityHashCode(rule) & CACHED - 1;
            StandIn is = redactor.cache[place];
            if (is == null || is.rule != rule || !is.value.equals(value)) {
                is = new StandIn(rule, value, rule.none(value) ? NONE : pseudonym(rule.id(), rule.meant(value)));
                redactor.cache[place] = value.length() > LONGEST_CACHED ? null : is;
            }
            return is.bytes;
        }

        // The key comes first and the result is cut, so that one SHA-256 is as good as HMAC, and four times as fast.
        private byte[] pseudonym(String id, String value) {
            digest.update(redactor.key);
            digest.update(id.getBytes(StandardCharsets.ISO_8859_1));
            digest.update((byte) 0);
            byte[] code = digest.digest(value.getBytes(StandardCharsets.ISO_8859_1));
            return (id + "-" + HexFormat.of().formatHex(code, 0, 3)).getBytes(StandardCharsets.ISO_8859_1);
        }
    }

    /** Where the line begins that holds {@code at}. */
    public static int lineStart(byte[] data, int at) {
        int start = at;
        while (start > 0 && data[start - 1] != '\n') {
            start--;
        }
        return start;
    }

    /** Where it ends, before its line feed; at {@code length} at the latest. */
    public static int lineEnd(byte[] data, int at, int length) {
        int end = at;
        while (end < length && data[end] != '\n') {
            end++;
        }
        return end;
    }
}
