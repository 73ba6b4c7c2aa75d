package runbook.redact;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Settings.Problem;
import runbook.redact.Rules.Row;
import runbook.redact.Rules.Same;
import runbook.redact.Rules.Trigger;
import runbook.redact.Rules.Value;

/**
 * Takes secrets and personal data out of one text: what every step does to text from outside before it goes to the
 * screen, the journal or JSON. In their place stand pseudonyms that tell values apart without telling them: {@code
 * email-3f9a2c} is the rule and 24 bits of a keyed hash over the value. Thread-safe.
 */
public final class Redactor {
    private static final int CACHED = 1 << 15;
    private static final String ENCODED = "encoded";

    private final Policy policy;
    private final Rules rules;
    private final Encoded.Known known;
    private final byte[] key;
    private final boolean again;
    private final Set<String> ids = new HashSet<>(Set.of(ENCODED, "private-key", "klaviyo-key"));
    // Entries are immutable, so that threads may share them without a lock; the last of two in one place stays.
    private final StandIn[] cache = new StandIn[CACHED];

    private record StandIn(int hash, String id, String value, byte[] bytes) {
        boolean isOf(int other, Span span) {
            return hash == other && value.equals(span.value) && id.equals(span.id);
        }
    }

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
        ByteArrayOutputStream out = new ByteArrayOutputStream(bytes.length + 64);
        new Finder(this).clean(bytes, bytes.length, 0, bytes.length, out, new HashMap<>());
        return out.toByteArray();
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

        /** All rules together. */
        public synchronized long total() {
            return counts.values().stream().mapToLong(Long::longValue).sum();
        }
    }

    /**
     * What is to be replaced: in the text itself, whatever layer it was found in.
     *
     * @param value what was found; null for what is left out without a stand-in
     * @param quote what has to stand around the stand-in: a bare number becomes a word, and JSON wants words quoted
     */
    record Span(int start, int end, String id, Same same, String value, byte[] quote) {
        private Span at(int from, int to) {
            return new Span(from, to, id, same, null, new byte[0]);
        }

        // One as long as both, under the name of the longer, or of the one that was decoded more often.
        private Span and(Span other) {
            Span named = other.end - other.start >= end - start ? other : this;
            return new Span(start, Math.max(end, other.end), named.id, named.same, named.value, named.quote);
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
        private static final byte[] LEFT_OUT =
                "[left out: it could not be redacted]".getBytes(StandardCharsets.UTF_8);
        private static final Pattern SCHEME = Pattern.compile(Rules.SCHEME);
        private static final Pattern STAND_IN = Pattern.compile("[a-z-]+-[0-9a-f]{6}");
        private static final Pattern ENDS_NAME = Pattern.compile("[ \\t]*+[:=]");
        private static final Pattern ELEMENT = Pattern.compile("[^\\s\"'`,;:=()\\[\\]{}<>|&]++");
        private static final Pattern NEXT_LINE = Pattern.compile("\\s++(?=[\"'\\[{\\])}]|\\z)");
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
        private String context;
        // What closed the name that led to a value, where it was a quote.
        private byte[] quote;

        Finder(Redactor redactor) {
            this.redactor = redactor;
        }

        /**
         * Writes {@code bytes[from, to)} cleaned and counts what was taken out. What lies around it, up to {@code
         * length}, is looked at so that what straddles the borders is found; a find is written where it begins. The
         * lines that something was taken out of are looked through again, as long as anything is found in them; one
         * that still holds something after three times is left out.
         */
        void clean(byte[] bytes, int length, int from, int to, ByteArrayOutputStream out, Map<String, Long> counts) {
            ByteArrayOutputStream changed = new ByteArrayOutputStream();
            byte[] written = replace(bytes, from, to, find(bytes, length, redactor.again), counts, changed);
            for (int round = 1; round <= ROUNDS + 1 && isLeft(changed); round++) {
                List<Span> left = find(written, written.length, true);
                List<Span> gone = round > ROUNDS ? lines(written, left) : left;
                written = replace(written, 0, written.length, gone, counts, changed);
            }
            out.writeBytes(written);
        }

        private boolean isLeft(ByteArrayOutputStream changed) {
            return changed.size() > 0 && !find(changed.toByteArray(), changed.size(), true).isEmpty();
        }

        // Puts the lines that something was taken out of into "changed": all others have been looked through already.
        private byte[] replace(byte[] bytes, int from, int to, List<Span> found, Map<String, Long> counts,
                ByteArrayOutputStream changed) {
            ByteArrayOutputStream out = new ByteArrayOutputStream(to - from + 64);
            List<Span> places = new ArrayList<>(found.size());
            int done = from;
            for (Span span : found) {
                if (span.end > from && span.start < to) {
                    out.write(bytes, done, Math.max(0, span.start - done));
                    places.add(span.at(out.size(), out.size()));
                    if (span.start >= from) {
                        out.writeBytes(span.quote);
                        out.writeBytes(span.value == null ? LEFT_OUT : standIn(span));
                        out.writeBytes(span.quote);
                        counts.merge(span.id, 1L, Long::sum);
                    }
                    done = Math.min(Math.max(done, span.end), to);
                }
            }
            out.write(bytes, done, Math.max(0, to - done));
            byte[] written = out.toByteArray();
            changed.reset();
            for (Span line : lines(written, places)) {
                changed.write(written, line.start, line.end - line.start);
                changed.write('\n');
            }
            return written;
        }

        // The lines that these stand in, each once, as something to leave out.
        private static List<Span> lines(byte[] bytes, List<Span> found) {
            List<Span> lines = new ArrayList<>();
            int end = -1;
            for (Span span : found) {
                if (span.start > end) {
                    int start = span.start;
                    while (start > 0 && bytes[start - 1] != '\n') {
                        start--;
                    }
                    end = span.end;
                    while (end < bytes.length && bytes[end] != '\n') {
                        end++;
                    }
                    lines.add(span.at(start, end));
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
                context = "";
                quote = NONE;
                redactor.known.find(layer.data, layer.length, this::whole);
                Encoded.privateKeys(text, this::whole);
                redactor.rules.triggers.find(layer.data, layer.length, this::match);
                layer = depth == Encoded.DEEPEST ? null : layer.peel(this::whole);
            }
            return settled();
        }

        private void whole(int start, int end, String id) {
            span(start, end, id, Same.AS_WRITTEN, NONE);
        }

        // Of finds that overlap one as long as all of them remains.
        private List<Span> settled() {
            spans.removeIf(span -> span.id.equals(STAYS));
            spans.sort(Comparator.comparingInt(Span::start));
            List<Span> settled = new ArrayList<>(spans.size());
            for (Span span : spans) {
                int last = settled.size() - 1;
                if (last < 0 || span.start >= settled.get(last).end) {
                    settled.add(span);
                } else {
                    settled.set(last, settled.get(last).and(span));
                }
            }
            return settled;
        }

        /** Tries a rule where one of its triggers ends. */
        private void match(Trigger trigger, int last) {
            Row row = trigger.row();
            if (row.isNamed()) {
                int start = trigger.start(last);
                if (last >= contextsFrom && trigger.counts(text, start)) {
                    took(row, named(row, start + trigger.size() - 1));
                }
            } else if (last >= (row.rule.id().equals(context) ? contextsFrom : formsFrom)) {
                Matcher form = matcher(row.form());
                int from = row.back == null ? trigger.start(last) : back(row.back, last);
                if (form.region(from, text.length()).lookingAt() && row.passes(form)) {
                    formed(row, form, last);
                }
            }
        }

        private void formed(Row row, Matcher form, int last) {
            int group = form.groupCount() > 0 && form.start(1) >= 0 ? 1 : 0;
            int start = Math.max(form.start(group), formsFrom);
            int end = form.end(group);
            boolean byContext = row.byContext(form);
            if (last < contextsFrom) {
                formsFrom = !byContext && within(row, start, end) ? end : formsFrom;
            } else if (end > last && value(row, start, end, NONE)) {
                took(row, form.end());
                formsFrom = byContext ? formsFrom : form.end();
            }
        }

        private void took(Row row, int end) {
            context = end > contextsFrom ? row.rule.id() : context;
            contextsFrom = Math.max(contextsFrom, end);
        }

        // What its context gave away, and has a form of its own, is called by that, and may be longer than it seemed.
        // What stands between such values is taken for itself.
        private boolean within(Row row, int start, int end) {
            int from = layer.start(start);
            int to = layer.end(end);
            boolean free = true;
            for (int i = spans.size() - 1; i >= 0 && spans.get(i).end > from; i--) {
                Span span = spans.get(i);
                if (span.start == from && span.end <= to && start < layer.runsFrom && !span.id.equals(STAYS)) {
                    spans.set(i, new Span(from, to, row.rule.id(), row.same, text.substring(start, end), span.quote));
                    return true;
                }
                free &= span.start >= to;
            }
            return free && value(row, start, end, NONE);
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
            Matcher sign = matcher(kind.sign());
            if (!sign.region(from, text.length()).lookingAt() || sign.end() == text.length()) {
                return -1;
            }
            int at = sign.end();
            char c = text.charAt(at);
            boolean quoted = sign.start(1) >= 0 && text.charAt(sign.start(1)) == '"';
            quote = quoted ? Arrays.copyOfRange(plain, layer.start(sign.start(1)), layer.end(sign.end(1))) : NONE;
            if (c == '[' || c == '{' || c == '(' && kind != Value.PHONE) {
                return container(row, at);
            }
            if (isQuote(c)) {
                return taken(row, at + 1, closing(at, text.length()), NONE);
            }
            if (isAt(CDATA, at, text.length())) {
                return taken(row, matcher(CDATA).start(1), matcher(CDATA).end(1), NONE);
            }
            return isAt(kind.bare(), at, text.length()) ? taken(row, at, matcher(kind.bare()).end(), quote) : -1;
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

        // At the end of the line, if nowhere else. In O'Neil's it is an apostrophe.
        private int closing(int open, int limit) {
            char quoted = text.charAt(open);
            int at = open + 1;
            while (at < limit && text.charAt(at) != '\n' && !text.startsWith("\r\n", at)) {
                boolean within = quoted == '\'' && at + 1 < limit && Character.isLetter(text.charAt(at + 1));
                if (text.charAt(at) == quoted && !within) {
                    return at;
                }
                at += text.startsWith("\\", at) && !text.startsWith("\n", at + 1) ? 2 : 1;
            }
            return Math.min(at, limit);
        }

        /** Takes a value out, or leaves a stand-in there; false when it is none. */
        private boolean value(Row row, int from, int end, byte[] quotes) {
            // A missing scheme is a finding of its own, so it stays.
            boolean mayHaveScheme = row.isNamed() && !row.rule.personal() && from < end;
            int start = mayHaveScheme && isAt(SCHEME, from, end) ? matcher(SCHEME).end() : from;
            boolean stays = sparing && isStandIn(start, end);
            if (end <= start || !stays && row.none(text.substring(start, end))) {
                return false;
            }
            span(start, end, stays ? STAYS : row.rule.id(), row.same, quotes);
            return true;
        }

        private boolean isStandIn(int start, int end) {
            int dash = end - 7;
            return dash > start && text.charAt(dash) == '-' && matcher(STAND_IN).region(start, end).matches()
                    && redactor.ids.contains(text.substring(start, dash));
        }

        private void span(int start, int end, String id, Same same, byte[] quotes) {
            boolean whole = start >= layer.runsFrom && !id.equals(STAYS);
            int from = layer.start(start);
            int to = layer.end(end);
            String value = whole ? new String(plain, from, to - from, StandardCharsets.ISO_8859_1)
                    : text.substring(start, end);
            spans.add(new Span(from, to, whole ? ENCODED : id, whole ? Same.AS_WRITTEN : same, value, quotes));
        }

        private byte[] standIn(Span span) {
            int hash = span.value.hashCode() * 31 + span.id.hashCode();
            StandIn cached = redactor.cache[hash & CACHED - 1];
            if (cached == null || !cached.isOf(hash, span)) {
                cached = new StandIn(hash, span.id, span.value, pseudonym(span.id, span.same.of(span.value)));
                redactor.cache[hash & CACHED - 1] = cached;
            }
            return cached.bytes;
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
}
