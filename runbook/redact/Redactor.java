package runbook.redact;

import java.io.*;
import java.nio.*;
import java.nio.charset.*;
import java.security.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Settings.Problem;
import runbook.redact.Rules.Row;
import runbook.redact.Rules.Trigger;
import runbook.redact.Rules.Value;

/**
 * Takes secrets and personal data out of one text: what every step does to text from outside before it goes to the
 * screen, the journal or JSON. In their place stand pseudonyms that tell values apart without telling them: {@code
 * email-3f9a2c} is the rule and 24 bits of a keyed hash over the value. Thread-safe.
 */
public final class Redactor {
    private static final int CACHED = 1 << 12;
    private static final String ENCODED = "encoded";

    private final Policy policy;
    private final Rules rules;
    private final Encoded.Known known;
    private final byte[] key;
    private final boolean again;
    private final Set<String> ids = new HashSet<>(Set.of(ENCODED, "private-key", "klaviyo-key"));
    // Entries are immutable, so that threads may share them without a lock; the last of two in one place stays.
    private final StandIn[] cache = new StandIn[CACHED];

    /** @param owner the row that takes the value, or the id of what needs none */
    private record StandIn(Object owner, int hash, String value, byte[] bytes) { }

    /** A redactor by this policy. */
    public Redactor(Policy policy) {
        this(policy, false);
    }

    private Redactor(Policy policy, boolean again) {
        this.policy = policy;
        this.again = again;
        key = sha256().digest(policy.key);
        rules = policy.rules.without(policy.keep);
        known = new Encoded.Known(policy.known);
        policy.rules.all().forEach(rule -> ids.add(rule.id()));
        ids.addAll(policy.known.values());
    }

    /** The redactor that lets nothing through, by the built-in rules; made once: a watch asks for it all the time. */
    public static Redactor strict() {
        return Strict.REDACTOR;
    }

    private static final class Strict {
        private static final Redactor REDACTOR = new Redactor(Policy.strict());
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

    private static MessageDigest sha256() {
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
     * @param keep  ids of personal data that may stay
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
            return new Policy(rules, Set.copyOf(ids), known, key);
        }

        /**
         * Searches for these values too, value to id, in all encodings; one of fewer than 4 bytes would be found in
         * everything.
         */
        public Policy knowing(Map<String, String> values) {
            Map<String, String> more = new HashMap<>(known);
            values.forEach((value, id) -> {
                if (value.getBytes(StandardCharsets.UTF_8).length >= Encoded.Known.SHORTEST) {
                    more.putIfAbsent(value, id);
                }
            });
            return new Policy(rules, keep, more, key);
        }

        /** The ids of the rules that are relaxed, in order. */
        public Set<String> kept() {
            return new TreeSet<>(keep);
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

        /** Counts what another counted. */
        public synchronized void add(Map<String, Long> others) {
            others.forEach(this::add);
        }

        /** A copy: rule's id to count, ordered by id. */
        public synchronized Map<String, Long> counts() {
            return new TreeMap<>(counts);
        }
    }

    /**
     * What is to be replaced: in the text itself, whatever layer it was found in.
     *
     * @param quote what has to stand around the stand-in: a bare number becomes a word, and JSON wants words quoted
     */
    record Span(int start, int end, String id, byte[] standIn, byte[] quote) {
        // One as long as both, under the name of the longer, or of the one that was decoded more often.
        private Span and(Span other) {
            Span named = other.end - other.start >= end - start ? other : this;
            return new Span(start, Math.max(end, other.end), named.id, named.standIn, named.quote);
        }

        private int size() {
            return standIn.length + 2 * quote.length;
        }
    }

    /** One thread's worker. */
    static final class Finder {
        private static final int ROUNDS = 3;
        private static final int LONGEST_LEAD = 128;
        private static final int LONGEST_CONTAINER = 8_192;
        private static final byte[] NONE = {};
        // What is a stand-in already.
        private static final String STAYS = "";
        private static final byte[] LEFT_OUT = "[left out: it could not be redacted]".getBytes(StandardCharsets.UTF_8);
        private static final Pattern ENDS_NAME = Pattern.compile("[ \\t]*+[:=]");
        private static final Pattern ELEMENT = Pattern.compile("[^\\s\"'`,;:=()\\[\\]{}<>|&]++");
        private static final Pattern NEXT_LINE = Pattern.compile("\\s++(?=[\"'\\[{\\])}]|\\z)");
        private static final Pattern HEADER = Pattern.compile("(?:\\|(?=[^\\n]*+\\n[ |:+-]{3,}\\r?\\n))?+"
                + "[\\w\"' $().#/-]{1,60}+(?:[,;\\t|][\\w\"' $().#/-]{1,60}+)++\\|?\r?");
        // What follows a name in a statement that lists columns, and a value there.
        private static final Pattern INSERTED =
                Pattern.compile("[\\w\"'`, .\\[\\]\\r\\n-]{0,1024}+\\)(?:\\s{0,9}(?i:values)\\s{0,9}|=)\\(");
        private static final Pattern LITERAL = Pattern.compile("\\s*+(?:[NEnexX]?'([^'\\\\]*+(?:(?:''|\\\\.)"
                + "[^'\\\\]*+){0,64}+)'|([^,()'\\n]*+)(?:\\([^()]*+\\))?)[^,()']*+(,|\\)(?:\\s*+,\\s*+\\()?)");
        // Rules below a header, and what goes over several lines.
        private static final int OTHER_LINES = 3;
        private static final int LONGEST_HEADER = 1_024;
        // Words between a sign and the value: Spring's "rejected value [x]" and PHP's "name":protected]=>.
        private static final Set<String> NO_VALUE = Set.of("rejected", "protected", "private");
        private static final Pattern CDATA = Pattern.compile("<!\\[CDATA\\[([^\\n]*?)\\]\\]>");

        private final Redactor redactor;
        private final Map<Pattern, Matcher> matchers = new IdentityHashMap<>();
        private final List<Span> spans = new ArrayList<>();
        private final MessageDigest digest = sha256();
        private boolean sparing;
        private byte[] plain;
        private Encoded layer;
        private String text;
        // Where what was taken by its form, or by its context, ends: in the latter other forms are still looked for.
        private int formsFrom;
        private int contextsFrom;
        // The last table: where it begins and ends. No line of it heads another one.
        private int header;
        private int tableEnd;
        private String context;
        // What closed the name that led to a value, where it was a quote.
        private byte[] quote;

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
            Rewritten clean = new Rewritten(bytes, from, to, find(bytes, length, redactor.again), counts);
            for (int round = 1; round <= ROUNDS + 1 && isLeft(clean.changed); round++) {
                byte[] last = clean.bytes;
                List<Span> left = find(last, last.length, true);
                clean = new Rewritten(last, 0, last.length, round > ROUNDS ? lines(last, left) : left, counts);
            }
            return clean.bytes;
        }

        private boolean isLeft(byte[] changed) {
            return changed.length > 0 && !find(changed, changed.length, true).isEmpty();
        }

        // The lines that these stand in, each once, as something to leave out.
        private static List<Span> lines(byte[] bytes, List<Span> found) {
            List<Span> lines = new ArrayList<>();
            for (Span span : found) {
                if (lines.isEmpty() || span.start > lines.get(lines.size() - 1).end) {
                    int start = lineStart(bytes, span.start);
                    int end = lineEnd(bytes, span.end, bytes.length);
                    lines.add(new Span(start, end, span.id, LEFT_OUT, NONE));
                }
            }
            return lines;
        }

        /** What to take out, in order and without overlaps. {@code sparing}: what looks like a stand-in is one. */
        List<Span> find(byte[] bytes, int length, boolean sparingStandIns) {
            spans.clear();
            sparing = sparingStandIns;
            plain = bytes;
            layer = new Encoded(bytes, length);
            for (int depth = 0; layer != null; depth++) {
                text = layer.text;
                matchers.values().forEach(matcher -> matcher.reset(text));
                formsFrom = 0;
                contextsFrom = 0;
                tableEnd = 0;
                context = "";
                quote = NONE;
                redactor.known.find(layer.data, layer.length, this::whole);
                Encoded.privateKeys(text, this::whole);
                redactor.rules.triggers.find(layer.data, layer.length, this::match);
                layer = depth == Encoded.DEEPEST ? null : layer.peel(this::whole);
            }
            return settled();
        }

        // Of finds that overlap one as long as all of them remains.
        private List<Span> settled() {
            List<Span> settled = new ArrayList<>(spans.size());
            spans.sort(Comparator.comparingInt(Span::start));
            for (Span span : spans) {
                int last = settled.size() - 1;
                if (last >= 0 && span.start < settled.get(last).end && !span.id.equals(STAYS)) {
                    settled.set(last, settled.get(last).and(span));
                } else if (!span.id.equals(STAYS)) {
                    settled.add(span);
                }
            }
            return settled;
        }

        /** Tries a rule where one of its triggers ends. */
        private void match(Trigger trigger, int last) {
            Row row = trigger.row();
            int first = trigger.start(last);
            if (row.isNamed()) {
                if (last >= contextsFrom && counts(trigger, first, last)) {
                    // Two cells may be a name and its value.
                    boolean head = isBefore(last, "\r\n,;\t|");
                    int end = head && column(row, first, last, 3) ? -1 : named(row, last);
                    took(row, end);
                    boolean inserted = end < 0 && isBefore(last, ",)") && inserted(row, first, last);
                    if (head && end < 0 && !inserted) {
                        column(row, first, last, 2);
                    }
                }
            } else if (last >= (row.rule.id().equals(context) ? contextsFrom : formsFrom)) {
                Matcher form = matcher(row.form());
                int from = row.back == null ? first : back(row.back, last);
                if (form.region(from, text.length()).lookingAt() && row.passes(form)) {
                    formed(row, form, last);
                }
            }
        }

        /** Whether a name counts: not within a word, but for a part of its own in camelCase. */
        private boolean counts(Trigger name, int first, int last) {
            if (name.whole() && first > 0 && isLetter(text.charAt(first - 1))) {
                String rest = text.substring(first + 1, last);
                return text.charAt(first - 1) >= 'a' && text.charAt(first) <= 'Z'
                        && rest.equals(rest.toLowerCase(Locale.ROOT));
            }
            return name.before() == null || isAt(name.before(), first, first);
        }

        private void formed(Row row, Matcher form, int last) {
            int group = form.groupCount() > 0 && form.start(1) >= 0 ? 1 : 0;
            int start = Math.max(form.start(group), formsFrom);
            int end = form.end(group);
            boolean byContext = row.byContext(form);
            boolean known = last < contextsFrom && (byContext || isWithin(start));
            if (!known && form.end() > last && value(row, start, end, NONE)) {
                took(row, form.end());
                formsFrom = byContext ? formsFrom : end;
            }
        }

        // A part of what its context gave away is no more than that, as is what begins with a stand-in.
        private boolean isWithin(int start) {
            int from = layer.start(start);
            int i = spans.size() - 1;
            while (i >= 0 && spans.get(i).start >= from && !spans.get(i).id.equals(STAYS)) {
                i--;
            }
            return i >= 0 && spans.get(i).end > from;
        }

        private void took(Row row, int end) {
            context = end > contextsFrom ? row.rule.id() : context;
            contextsFrom = Math.max(contextsFrom, end);
        }

        private Matcher matcher(Pattern pattern) {
            Matcher matcher = matchers.get(pattern);
            if (matcher == null) {
                matcher = pattern.matcher(text).useTransparentBounds(true).useAnchoringBounds(false);
                matchers.put(pattern, matcher);
            }
            return matcher;
        }

        private boolean isAt(Pattern pattern, int start, int end) {
            return matcher(pattern).region(start, end).lookingAt();
        }

        private int back(boolean[] lead, int trigger) {
            int start = trigger;
            while (start > formsFrom && trigger - start < LONGEST_LEAD && lead[layer.data[start - 1] & 0xff]) {
                start--;
            }
            return Math.min(trigger, layer.afterEscape(start));
        }

        /** Takes what follows a field's name: a sign, and one value or several in brackets. Gives its end, or -1. */
        private int named(Row row, int from) {
            Value kind = row.rule.value().get();
            int at = sign(kind, from);
            if (at < 0 || at == text.length()) {
                return -1;
            }
            char c = text.charAt(at);
            if (text.startsWith("{{", at)) {
                return -1;
            } else if (c == '[' || c == '{' || c == '(' && kind != Value.PHONE) {
                return container(row, at);
            }
            if (isQuote(c)) {
                return taken(row, at + 1, closing(at, text.length()), NONE);
            }
            if (c == '<' && isAt(CDATA, at, text.length())) {
                return taken(row, matcher(CDATA).start(1), matcher(CDATA).end(1), NONE);
            }
            return isAt(kind.bare(), at, text.length()) ? taken(row, at, matcher(kind.bare()).end(), quote) : -1;
        }

        // Where the value begins that a sign leads to, or -1. A pattern is too slow for the plain ones, nearly all.
        private int sign(Value kind, int from) {
            int close = isQuote(charAt(from)) ? from + 1 : from;
            int sign = afterBlanks(close);
            int at = afterBlanks(sign + 1);
            if ((charAt(sign) != '=' && charAt(sign) != ':') || !isPlain(at)) {
                Matcher pattern = matcher(kind.sign());
                if (!pattern.region(from, text.length()).lookingAt()) {
                    return -1;
                }
                close = Math.max(pattern.end(1), from);
                at = pattern.end();
            }
            boolean quoted = close > from && text.charAt(close - 1) == '"';
            quote = quoted ? Arrays.copyOfRange(plain, layer.start(close - 1), layer.end(close)) : NONE;
            return at;
        }

        /** Whether what begins here is surely the value itself, not something that languages put around one. */
        private boolean isPlain(int from) {
            int at = from;
            while (isLetter(charAt(at)) || charAt(at) == '_' || at > from && Character.isDigit(charAt(at))) {
                at++;
            }
            int next = charAt(at) == ' ' ? at + 1 : at;
            return at > from ? "\"'`[({:.".indexOf(charAt(next)) < 0 && !NO_VALUE.contains(text.substring(from, at))
                    : isQuote(charAt(at)) || Character.isDigit(charAt(at)) || "+({[".indexOf(charAt(at)) >= 0;
        }

        // A line's end, where there is nothing more.
        private char charAt(int at) {
            return at < text.length() ? text.charAt(at) : '\n';
        }

        private int afterBlanks(int from) {
            int at = from;
            while (charAt(at) == ' ' || charAt(at) == '\t') {
                at++;
            }
            return at;
        }

        private boolean isBefore(int last, String any) {
            int at = isQuote(charAt(last)) ? last + 1 : last;
            while (charAt(at) == ' ') {
                at++;
            }
            return any.indexOf(charAt(at)) >= 0;
        }

        // The name that heads a column of a table says what stands below it, as long as lines have as many cells.
        private boolean column(Row row, int first, int last, int least) {
            int start = first;
            while (start > 0 && first - start <= LONGEST_HEADER && text.charAt(start - 1) != '\n') {
                start--;
            }
            int end = last;
            while (end - start <= LONGEST_HEADER && charAt(end) != '\n') {
                end++;
            }
            boolean within = start > header && start < tableEnd;
            if (within || end - start > LONGEST_HEADER || !matcher(HEADER).region(start, end).matches()) {
                return false;
            }
            char separator = Stream.of("\t", "|", ";").filter(matcher(HEADER).group()::contains).findFirst().orElse(",")
                    .charAt(0);
            List<Cell> names = cells(start, end, separator);
            int column = (int) names.stream().takeWhile(name -> name.end < last).count();
            boolean found = false;
            for (int others = 0; names.size() >= least && end + 1 < text.length() && others < OTHER_LINES; ) {
                int at = end + 1;
                end = lineEnd(layer.data, at, layer.length);
                List<Cell> cells = cells(at, end, separator);
                others = cells.size() == names.size() ? 0 : others + 1;
                if (others == 0) {
                    found = true;
                    header = start;
                    tableEnd = end;
                    value(row, cells.get(column).start, cells.get(column).end, NONE);
                }
            }
            return found;
        }

        // What a name among a statement's columns says of the values in its place.
        private boolean inserted(Row row, int first, int last) {
            if (!isAt(INSERTED, last, text.length())) {
                return false;
            }
            String before = text.substring(text.lastIndexOf('(', first) + 1, first);
            long column = before.chars().filter(c -> c == ',').count();
            int at = matcher(INSERTED).end();
            String end = ",";
            for (int i = 0; !end.equals(")") && isAt(LITERAL, at, text.length()); i = end.equals(",") ? i + 1 : 0) {
                Matcher literal = matcher(LITERAL);
                int group = literal.start(1) < 0 ? 2 : 1;
                at = literal.end();
                end = literal.group(3);
                if (i == column) {
                    value(row, literal.start(group), literal.end(group), NONE);
                }
            }
            return true;
        }

        private record Cell(int start, int end) { }

        // A separator within quotes is none; neither quotes nor blanks around it belong to a cell.
        private List<Cell> cells(int from, int to, char separator) {
            List<Cell> cells = new ArrayList<>();
            boolean quoted = false;
            int start = from;
            for (int at = from; at <= to; at++) {
                quoted ^= at < to && text.charAt(at) == '"';
                if (at == to || text.charAt(at) == separator && !quoted) {
                    int end = at;
                    while (start < end && "\" \r".indexOf(text.charAt(start)) >= 0) {
                        start++;
                    }
                    while (start < end && "\" \r".indexOf(text.charAt(end - 1)) >= 0) {
                        end--;
                    }
                    cells.add(new Cell(start, end));
                    start = at + 1;
                }
            }
            return cells;
        }

        private int taken(Row row, int start, int end, byte[] quotes) {
            return value(row, start, end, quotes) ? end : -1;
        }

        /**
         * Every value in the brackets that open at {@code open}: elements of lists, fields of objects, but not their
         * names. Lines may end within, where the next one goes on with a quote or a bracket. Gives where it ends, or -1
         * when it held none.
         */
        private int container(Row row, int open) {
            int limit = Math.min(text.length(), open + LONGEST_CONTAINER);
            int depth = 0;
            int found = -1;
            int at = open;
            do {
                char c = text.charAt(at);
                int start = isQuote(c) ? at + 1 : at;
                int end = isQuote(c) ? closing(at, limit) : at;
                int next = start + (isQuote(c) ? end - at : 1);
                if ("[({".indexOf(c) >= 0) {
                    depth++;
                } else if ("])}".indexOf(c) >= 0) {
                    depth--;
                } else if (isAt(NEXT_LINE, at, limit)) {
                    next = matcher(NEXT_LINE).end();
                } else if (c == '\n') {
                    break;
                } else if (isAt(ELEMENT, at, limit)) {
                    end = matcher(ELEMENT).end();
                    next = end;
                }
                boolean isName = end > start && isAt(ENDS_NAME, Math.min(next, limit), limit);
                if (end > start && !isName && value(row, start, end, isQuote(c) ? NONE : quote)) {
                    found = end;
                }
                at = next;
            } while (at < limit && depth > 0);
            // Brackets that begin a value of their own, such as a password.
            boolean goesOn = depth == 0 && at < limit && Character.isLetterOrDigit(text.charAt(at));
            if (goesOn && isAt(ELEMENT, at, limit)) {
                return taken(row, open, matcher(ELEMENT).end(), quote);
            }
            return found < 0 ? -1 : at;
        }

        private static boolean isQuote(char c) {
            return c == '"' || c == '\'' || c == '`';
        }

        private static boolean isLetter(char c) {
            return (c | 32) >= 'a' && (c | 32) <= 'z';
        }

        // At the end of the line, if nowhere else. In O'Neil's it is an apostrophe.
        private int closing(int open, int limit) {
            char quoted = text.charAt(open);
            int at = open + 1;
            while (at < limit) {
                char c = text.charAt(at);
                boolean within = quoted == '\'' && isLetter(charAt(at + 1));
                if (c == '\n' || c == '\r' && charAt(at + 1) == '\n' || c == quoted && !within) {
                    break;
                }
                at += c == '\\' && charAt(at + 1) != '\n' ? 2 : 1;
            }
            return Math.min(at, limit);
        }

        /** Takes a value out, or leaves a stand-in there; false when it is none. */
        private boolean value(Row row, int from, int end, byte[] quotes) {
            // A missing scheme is a finding of its own, so it stays.
            boolean mayHaveScheme = row.isNamed() && !row.rule.personal() && from < end;
            int start = mayHaveScheme && isAt(Rules.SCHEME, from, end) ? matcher(Rules.SCHEME).end() : from;
            if (end > start && sparing && isStandIn(start, end)) {
                spans.add(new Span(layer.start(start), layer.end(end), STAYS, NONE, NONE));
                return true;
            }
            String value = end > start ? text.substring(start, end) : "";
            StandIn known = known(row, value);
            if (value.isEmpty() || known == null && row.none(value)) {
                return false;
            }
            if (start >= layer.runsFrom) {
                whole(start, end, ENCODED);
            } else {
                StandIn standIn = known == null ? made(row, row.rule.id(), row.same.of(value), value) : known;
                spans.add(new Span(layer.start(start), layer.end(end), row.rule.id(), standIn.bytes, quotes));
            }
            return true;
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
            int from = layer.start(start);
            int to = layer.end(end);
            String is = start >= layer.runsFrom ? ENCODED : id;
            String value = new String(plain, from, to - from, StandardCharsets.ISO_8859_1);
            StandIn known = known(is, value);
            spans.add(new Span(from, to, is, (known == null ? made(is, is, value, value) : known).bytes, NONE));
        }

        private static int place(Object owner, String value) {
            return value.hashCode() * 31 + owner.hashCode() & CACHED - 1;
        }

        private StandIn known(Object owner, String value) {
            StandIn cached = redactor.cache[place(owner, value)];
            boolean is = cached != null && cached.hash == value.hashCode() && cached.owner.equals(owner);
            return is && cached.value.equals(value) ? cached : null;
        }

        private StandIn made(Object owner, String id, String meant, String value) {
            StandIn made = new StandIn(owner, value.hashCode(), value, pseudonym(id, meant));
            redactor.cache[place(owner, value)] = made;
            return made;
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

    /** A text with stand-ins in it; and the lines that they were put into: all others have been looked through. */
    private static final class Rewritten {
        final byte[] bytes;
        final byte[] changed;

        Rewritten(byte[] old, int from, int to, List<Span> found, Map<String, Long> counts) {
            ByteBuffer out = ByteBuffer.allocate(to - from + found.stream().mapToInt(Span::size).sum());
            int[] places = new int[found.size()];
            int number = 0;
            int done = from;
            for (Span span : found) {
                if (span.end > from && span.start < to) {
                    out.put(old, done, Math.max(0, span.start - done));
                    places[number++] = out.position();
                    if (span.start >= from) {
                        out.put(span.quote).put(span.standIn).put(span.quote);
                        counts.merge(span.id, 1L, Long::sum);
                    }
                    done = Math.min(Math.max(done, span.end), to);
                }
            }
            out.put(old, done, to - done);
            bytes = Arrays.copyOf(out.array(), out.position());
            changed = lines(places, number);
        }

        private byte[] lines(int[] places, int number) {
            ByteArrayOutputStream lines = new ByteArrayOutputStream();
            int end = -1;
            for (int i = 0; i < number; i++) {
                if (places[i] > end) {
                    int start = lineStart(bytes, places[i]);
                    end = lineEnd(bytes, places[i], bytes.length);
                    lines.write(bytes, start, end - start);
                    lines.write('\n');
                }
            }
            return lines.toByteArray();
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
