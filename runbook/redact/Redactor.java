package runbook.redact;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Settings.Problem;
import runbook.redact.Rules.Rule;
import runbook.redact.Rules.Same;
import runbook.redact.Rules.Trigger;

/**
 * Takes secrets and personal data out of one text: what every step does to text from outside before it goes to the
 * screen, the journal or JSON. In their place stand pseudonyms that tell values apart without telling them: {@code
 * email-3f9a2c} is the rule and 24 bits of a keyed hash over the value. Thread-safe.
 */
public final class Redactor {
    private static final int LONGEST_LEAD = 128;
    private static final int LONGEST_CONTAINER = 8_192;
    private static final int ROUNDS = 3;
    private static final int CACHED = 1 << 15;
    private static final byte[] LEFT_OUT = "[left out: it could not be redacted]".getBytes(StandardCharsets.UTF_8);

    private final Policy policy;
    private final Rules rules;
    private final Encoded.Known known;
    private final byte[] key;
    private final boolean again;
    private final Set<String> ids = new HashSet<>(Set.of("encoded", "private-key", "klaviyo-key"));
    // Entries are immutable, so that threads may share them without a lock; the last of two in one place stays.
    private final StandIn[] cache = new StandIn[CACHED];
    // Of the values, so that most misses are seen without a look at the entry.
    private final int[] hashes = new int[CACHED];

    private record StandIn(String id, String value, byte[] bytes) { }

    /** A redactor by this policy. */
    public Redactor(Policy policy) {
        this(policy, false);
    }

    private Redactor(Policy policy, boolean again) {
        this.policy = policy;
        this.again = again;
        key = Finder.sha256().digest(policy.key);
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

    /**
     * What a redactor goes by besides the rules' forms.
     *
     * @param rules the rules
     * @param keep  ids of personal data that may stay
     * @param known secrets whose values are known: value to the id that it is counted and replaced by
     * @param key   the pseudonyms' key
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
                    throw new Problem("--keep " + id + " is not possible: what may be kept is " + String.join(", ",
                            mayStay));
                }
            }
            return new Policy(rules, Set.copyOf(ids), known, key);
        }

        /** Searches for this value too; see {@link #knowing(Map)}. */
        public Policy knowing(String id, String value) {
            return knowing(Map.of(value, id));
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

        /** Makes pseudonyms by this key, so that they are the same in every bundle that is made with it. */
        public Policy pseudonymsBy(byte[] newKey) {
            return new Policy(rules, keep, known, newKey.clone());
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

    /** What is to be replaced, and by what: in the text itself, whatever layer it was found in. */
    record Span(int start, int end, String id, byte[] standIn) { }

    /** One thread's worker. */
    static final class Finder {
        private final Redactor redactor;
        private final Rules rules;
        private final Matcher[] matchers;
        private final Map<String, boolean[]> leads = new HashMap<>();
        private final List<Span> spans = new ArrayList<>();
        private final ByteArrayOutputStream replaced = new ByteArrayOutputStream();
        private final MessageDigest digest = sha256();
        private boolean sparing;
        private int[] places = {};
        private byte[] plain;
        private Encoded layer;
        private byte[] data;
        private String text;
        // The closing quote of the name that led to a value; empty for none.
        private int quoteStart;
        private int quoteEnd;
        // Where the form of a value ends that was found by its name: a key may go on in the next line.
        private int formEnd;

        Finder(Redactor redactor) {
            this.redactor = redactor;
            rules = redactor.rules;
            matchers = new Matcher[rules.patterns()];
        }

        /**
         * Writes {@code bytes[from, to)} cleaned and counts what was taken out. What lies around it, up to {@code
         * length}, is looked at so that what straddles the borders is found; a find is written where it begins. What
         * was written is looked through again while it is at hand, as long as anything is found in it; a line that
         * still holds something after three times is left out.
         */
        void clean(byte[] bytes, int length, int from, int to, ByteArrayOutputStream out, Map<String, Long> counts) {
            byte[] written = replace(bytes, from, to, find(bytes, length, redactor.again), counts);
            byte[] changed = changed(written);
            if (changed.length > 0 && !find(changed, changed.length, true).isEmpty()) {
                List<Span> left = find(written, written.length, true);
                for (int round = 0; round <= ROUNDS && !left.isEmpty(); round++) {
                    written = replace(written, 0, written.length, round == ROUNDS ? lines(written, left) : left,
                            counts);
                    left = find(written, written.length, true);
                }
            }
            out.writeBytes(written);
        }

        private byte[] replace(byte[] bytes, int from, int to, List<Span> found, Map<String, Long> counts) {
            replaced.reset();
            places = new int[found.size()];
            int done = from;
            for (int i = 0; i < places.length; i++) {
                Span span = found.get(i);
                places[i] = replaced.size();
                if (span.end > from && span.start < to) {
                    replaced.write(bytes, done, Math.max(0, span.start - done));
                    places[i] = replaced.size();
                    if (span.start >= from) {
                        replaced.writeBytes(span.standIn);
                        counts.merge(span.id, 1L, Long::sum);
                    }
                    done = Math.min(Math.max(done, span.end), to);
                }
            }
            replaced.write(bytes, done, Math.max(0, to - done));
            return replaced.toByteArray();
        }

        // The lines that something was taken out of: all others have been looked through as they are.
        private byte[] changed(byte[] written) {
            replaced.reset();
            int done = 0;
            for (int place : places) {
                if (place >= done && place < written.length) {
                    int start = lineStart(written, place);
                    if (start > done) {
                        replaced.write('\n');
                    }
                    done = Math.min(written.length, lineEnd(written, place, written.length) + 1);
                    replaced.write(written, start, done - start);
                }
            }
            return replaced.toByteArray();
        }

        private static List<Span> lines(byte[] bytes, List<Span> found) {
            List<Span> lines = new ArrayList<>();
            for (Span span : found) {
                int start = lineStart(bytes, span.start);
                if (lines.isEmpty() || start >= lines.get(lines.size() - 1).end) {
                    lines.add(new Span(start, lineEnd(bytes, span.end, bytes.length), span.id, LEFT_OUT));
                }
            }
            return lines;
        }

        private static int lineStart(byte[] bytes, int at) {
            int start = at;
            while (start > 0 && bytes[start - 1] != '\n') {
                start--;
            }
            return start;
        }

        private static int lineEnd(byte[] bytes, int at, int to) {
            int end = at;
            while (end < to && bytes[end] != '\n') {
                end++;
            }
            return end;
        }

        /** What to take out, in order and without overlaps. {@code sparing}: what looks like a stand-in is one. */
        List<Span> find(byte[] bytes, int length, boolean sparingStandIns) {
            spans.clear();
            sparing = sparingStandIns;
            plain = bytes;
            layer = new Encoded(bytes, length);
            for (int depth = 0; layer != null; depth++) {
                data = layer.data;
                text = layer.text;
                for (Matcher matcher : matchers) {
                    if (matcher != null) {
                        matcher.reset(text);
                    }
                }
                redactor.known.find(data, layer.length, this::whole);
                Encoded.privateKeys(text, this::whole);
                scan();
                layer = depth == Encoded.DEEPEST ? null : layer.peel(this::whole);
            }
            return settled();
        }

        private void whole(int start, int end, String id) {
            span(start, end, id, Same.AS_WRITTEN, false);
        }

        // Of finds that overlap one as long as all of them remains, under the name of the longest, or the most decoded
        // one.
        private List<Span> settled() {
            spans.sort(Comparator.comparingInt(Span::start));
            List<Span> settled = new ArrayList<>(spans.size());
            for (Span span : spans) {
                Span last = settled.isEmpty() ? null : settled.get(settled.size() - 1);
                if (last == null || span.start >= last.end) {
                    settled.add(span);
                } else {
                    Span named = span.end - span.start >= last.end - last.start ? span : last;
                    settled.set(settled.size() - 1, new Span(last.start, Math.max(last.end, span.end), named.id,
                            named.standIn));
                }
            }
            return settled;
        }

        private void scan() {
            Rules.Triggers triggers = rules.triggers;
            int floor = 0;
            for (int at = triggers.next(data, 0, layer.length); at < layer.length;
                    at = triggers.next(data, Math.max(at + 1, floor), layer.length)) {
                for (Trigger trigger : triggers.candidates(data, at)) {
                    int start = at - trigger.rarest();
                    int end = trigger.at(data, start, layer.length) ? match(trigger, Math.max(start, 0), floor) : -1;
                    if (end >= 0) {
                        floor = end;
                        break;
                    }
                }
            }
        }

        /** Tries a rule where its trigger stands; gives where what it took ends, or -1. */
        private int match(Trigger trigger, int place, int floor) {
            Rule rule = rules.all().get(trigger.rule());
            Matcher matcher = matcher(trigger.pattern());
            int from = trigger.word() != null ? place + trigger.word().size() : back(rule, place, floor);
            if (!matcher.region(from, text.length()).lookingAt()) {
                return -1;
            }
            quoteStart = quoteEnd = 0;
            if (trigger.word() != null) {
                return named(rule, trigger.rule(), matcher, floor);
            }
            int group = matcher.groupCount() > 0 && matcher.start(1) >= 0 ? 1 : 0;
            int start = Math.max(matcher.start(group), floor);
            boolean taken = matcher.end(group) > place && passes(rule, matcher)
                    && value(rule, trigger.rule(), start, matcher.end(group), group > 0 && rule.back().isEmpty());
            return taken ? matcher.end() : -1;
        }

        private int named(Rule rule, int index, Matcher matcher, int floor) {
            if (matcher.start(Rules.QUOTE) >= 0 && text.charAt(matcher.start(Rules.QUOTE)) == '"') {
                quoteStart = matcher.start(Rules.QUOTE);
                quoteEnd = matcher.end(Rules.QUOTE);
            }
            if (matcher.start(Rules.BRACKET) >= 0) {
                return container(rule, index, matcher.start(Rules.BRACKET));
            }
            int group = Rules.BARE;
            while (matcher.start(group) < 0) {
                group--;
            }
            quoteEnd = group == Rules.BARE ? quoteEnd : quoteStart;
            int end = matcher.end(group);
            int start = afterScheme(Math.max(matcher.start(group), floor), end);
            return value(rule, index, start, end, true) ? end : -1;
        }

        private static MessageDigest sha256() {
            try {
                return MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-256", e);
            }
        }

        private static final Pattern SCHEME = Pattern.compile(Rules.SCHEME);

        // A missing scheme is a finding of its own, so it stays.
        private int afterScheme(int start, int end) {
            int space = text.indexOf(' ', start);
            if (space < 0 || space >= end) {
                return start;
            }
            Matcher scheme = SCHEME.matcher(text).region(start, end);
            return scheme.lookingAt() ? scheme.end() : start;
        }

        private Matcher matcher(int index) {
            if (matchers[index] == null) {
                matchers[index] = rules.pattern(index).matcher(text).useTransparentBounds(true)
                        .useAnchoringBounds(false);
            }
            return matchers[index];
        }

        private int back(Rule rule, int trigger, int floor) {
            if (rule.back().isEmpty()) {
                return trigger;
            }
            boolean[] lead = leads.computeIfAbsent(rule.back().get(), Finder::lead);
            int start = trigger;
            while (start > floor && trigger - start < LONGEST_LEAD && lead[data[start - 1] & 0xff]) {
                start--;
            }
            return Math.min(trigger, afterEscape(start));
        }

        // Which bytes may stand there; one beyond ASCII stands for all of them.
        private static boolean[] lead(String characters) {
            boolean[] lead = new boolean[256];
            characters.chars().filter(c -> c < 128 && c > 0).forEach(c -> lead[c] = true);
            Arrays.fill(lead, 128, 256, characters.endsWith("\u0080"));
            return lead;
        }

        // In \njo@x.org the n is the escape's, not the address's; so with the digits of %22 and \u0022.
        private int afterEscape(int start) {
            for (int i = Math.max(0, start - 5); i < start; i++) {
                boolean slash = data[i] == '\\' && (i == 0 || data[i - 1] != '\\');
                int size = data[i] == '%' ? 3 : slash && data[i + 1] == 'u' ? 6 : slash && data[i + 1] == 'x' ? 4
                        : slash && "nrtbfe".indexOf(data[i + 1]) >= 0 ? 2 : 0;
                if (i + size > start && (size == 2 || Character.digit(data[i + size - 1], 16) >= 0)) {
                    return i + size;
                }
            }
            return start;
        }

        /**
         * Every value in the brackets that open at {@code open}: elements of lists, fields of objects, but not their
         * names. Lines may end within, where the next one goes on with a quote or a bracket. Gives where it ends, or -1
         * when it held none.
         */
        private int container(Rule rule, int index, int open) {
            int limit = Math.min(text.length(), open + LONGEST_CONTAINER);
            int depth = 0;
            int found = 0;
            int at = open;
            while (at < limit) {
                char c = text.charAt(at);
                int next = at + 1;
                if ("[({".indexOf(c) >= 0) {
                    depth++;
                } else if ("])}".indexOf(c) >= 0) {
                    depth--;
                    if (depth <= 0) {
                        at = next;
                        break;
                    }
                } else if (c == '\n') {
                    next = skip(at, " \t\r\n", limit);
                    if (next < limit && "\"'[{]})".indexOf(text.charAt(next)) < 0) {
                        break;
                    }
                } else if (c == '"' || c == '\'' || c == '`') {
                    next = closing(at, limit);
                    found += isName(next + 1, limit) ? 0 : element(rule, index, at + 1, next, false);
                    next = Math.min(limit, next + 1);
                } else if (" \t\r,;:=>|&".indexOf(c) < 0) {
                    next = skipWord(at, limit);
                    found += isName(next, limit) ? 0 : element(rule, index, at, next, true);
                }
                at = next;
            }
            // Brackets that begin a value of their own, such as a password.
            if (depth <= 0 && at < limit && Character.isLetterOrDigit(text.charAt(at))) {
                int end = skipWord(at, limit);
                return value(rule, index, open, end, true) ? end : -1;
            }
            return found > 0 ? at : -1;
        }

        private int element(Rule rule, int index, int start, int end, boolean bare) {
            int quote = quoteEnd;
            quoteEnd = bare ? quote : quoteStart;
            boolean taken = value(rule, index, afterScheme(start, end), end, true);
            quoteEnd = quote;
            return taken ? 1 : 0;
        }

        private boolean isName(int at, int limit) {
            int sign = skip(at, " \t", limit);
            return sign < limit && (text.charAt(sign) == ':' || text.charAt(sign) == '=');
        }

        private int closing(int quote, int limit) {
            int at = quote + 1;
            while (at < limit && text.charAt(at) != text.charAt(quote) && text.charAt(at) != '\n') {
                at += text.charAt(at) == '\\' ? 2 : 1;
            }
            return Math.min(at, limit);
        }

        private int skip(int at, String characters, int limit) {
            int end = at;
            while (end < limit && characters.indexOf(text.charAt(end)) >= 0) {
                end++;
            }
            return end;
        }

        private int skipWord(int at, int limit) {
            int end = at + 1;
            while (end < limit && " \t\r\n\"'`,;:=()[]{}<>|&".indexOf(text.charAt(end)) < 0) {
                end++;
            }
            return end;
        }

        /**
         * Takes a value out, or leaves a stand-in there; false when it is none. One found by its name may have a form
         * of its own, and is called that then.
         */
        private boolean value(Rule rule, int index, int start, int end, boolean byContext) {
            if (end <= start) {
                return false;
            }
            if (sparing && isStandIn(start, end)) {
                return true;
            }
            String value = text.substring(start, end);
            if (rules.none(index, value)) {
                return false;
            }
            formEnd = end;
            Rule called = byContext ? byForm(rule, start, end) : rule;
            span(start, formEnd, called.id(), called.sameness(), quoteEnd > quoteStart);
            return true;
        }

        private Rule byForm(Rule rule, int start, int end) {
            Rules.Triggers triggers = rules.triggers;
            for (int at = triggers.next(data, start, end); at < end; at = triggers.next(data, at + 1, end)) {
                for (Trigger trigger : triggers.candidates(data, at)) {
                    Rule other = rules.all().get(trigger.rule());
                    int from = at - trigger.rarest();
                    if (!other.id().equals(rule.id()) && !other.named() && from >= start && trigger.at(data, from,
                            end)) {
                        Matcher matcher = matcher(trigger.rule());
                        matcher.region(back(other, from, start), text.length());
                        if (matcher.lookingAt() && matcher.start(0) <= start && passes(other, matcher)) {
                            int group = matcher.groupCount() > 0 && matcher.start(1) >= 0 ? 1 : 0;
                            if (matcher.start(group) == start && matcher.end(group) >= end) {
                                formEnd = matcher.end(group);
                                return other;
                            }
                        }
                    }
                }
            }
            return rule;
        }

        static boolean passes(Rule rule, Matcher matcher) {
            if (rule.check().isEmpty()) {
                return true;
            }
            String number = matcher.group("n").replaceAll("[^0-9A-Z]", "");
            return switch (rule.check().get()) {
                case LUHN -> luhn(number);
                case IBAN -> iban(number);
            };
        }

        private static boolean luhn(String digits) {
            int sum = 0;
            for (int i = 0; i < digits.length(); i++) {
                int digit = digits.charAt(digits.length() - 1 - i) - '0';
                sum += i % 2 == 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
            }
            return sum % 10 == 0;
        }

        // ISO 13616: country and check digits go to the end, letters count from 10, and the whole leaves 1 over 97.
        private static boolean iban(String number) {
            StringBuilder digits = new StringBuilder();
            (number.substring(4) + number.substring(0, 4)).chars().forEach(c -> digits.append(Character.digit(c, 36)));
            return new BigInteger(digits.toString()).mod(BigInteger.valueOf(97)).intValue() == 1;
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
            return redactor.ids.contains(text.substring(start, dash));
        }

        private void span(int start, int end, String id, Same same, boolean quoted) {
            boolean whole = start >= layer.runsFrom;
            int from = layer.start(start);
            int to = layer.end(end);
            byte[] standIn = whole
                    ? standIn("encoded", Same.AS_WRITTEN, new String(plain, from, to - from,
                            StandardCharsets.ISO_8859_1))
                    : standIn(id, same, text.substring(start, end));
            if (quoted) {
                standIn = quoted(standIn, Arrays.copyOfRange(plain, layer.start(quoteStart), layer.end(quoteEnd)));
            }
            spans.add(new Span(from, to, whole ? "encoded" : id, standIn));
        }

        // A bare number becomes a word, and JSON wants words quoted: as the name before it is.
        private static byte[] quoted(byte[] standIn, byte[] quote) {
            byte[] quoted = Arrays.copyOf(quote, 2 * quote.length + standIn.length);
            System.arraycopy(standIn, 0, quoted, quote.length, standIn.length);
            System.arraycopy(quote, 0, quoted, quote.length + standIn.length, quote.length);
            return quoted;
        }

        private byte[] standIn(String id, Same same, String value) {
            int hash = value.hashCode() * 31 + id.hashCode();
            int slot = hash & CACHED - 1;
            StandIn cached = redactor.hashes[slot] == hash ? redactor.cache[slot] : null;
            if (cached == null || !cached.value.equals(value) || !cached.id.equals(id)) {
                cached = new StandIn(id, value, pseudonym(id, same(same, value)));
                redactor.cache[slot] = cached;
                redactor.hashes[slot] = hash;
            }
            return cached.bytes;
        }

        // The key comes first and the result is cut, so that one SHA-256 is as good as HMAC, and four times as fast.
        private byte[] pseudonym(String id, String value) {
            digest.update(redactor.key);
            digest.update(id.getBytes(StandardCharsets.ISO_8859_1));
            digest.update((byte) 0);
            byte[] code = digest.digest(value.getBytes(StandardCharsets.ISO_8859_1));
            byte[] standIn = (id + "-000000").getBytes(StandardCharsets.ISO_8859_1);
            for (int i = 0; i < 6; i++) {
                standIn[standIn.length - 6 + i] = (byte) Character.forDigit(code[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15,
                        16);
            }
            return standIn;
        }

        private static String same(Same same, String value) {
            if (same != Same.DIGITS) {
                return same == Same.AS_WRITTEN ? value : value.toLowerCase(Locale.ROOT);
            }
            StringBuilder digits = new StringBuilder(16);
            for (int i = 0; i < value.length(); i++) {
                if (value.charAt(i) >= '0' && value.charAt(i) <= '9') {
                    digits.append(value.charAt(i));
                }
            }
            return digits.toString();
        }
    }
}
