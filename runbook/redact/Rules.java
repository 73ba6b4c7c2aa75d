package runbook.redact;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Settings.Problem;
import runbook.Settings.Templates;

/**
 * The rules of {@code templates/redaction.json}: what must not leave, by the name of its field or by its own form. Each
 * row has samples beside it: {@code takes}, in which «these marks» stand around what has to go, and {@code spares},
 * which stay.
 */
public final class Rules {
    static final String FILE = "redaction.json";
    private static final int LONGEST_BEFORE = 64;

    /** What a rule is about. Personal data may be kept with {@code --keep}, a secret never. */
    public enum Kind { SECRET, PERSONAL }

    /** Which differently written values are the same one, and get the same pseudonym. */
    public enum Same { AS_WRITTEN, ANY_CASE, DIGITS }

    /**
     * Arithmetic that tells real numbers from others that look like them; what is checked is the form's group {@code
     * n}.
     */
    public enum Check { LUHN, IBAN }

    /** How a field's value goes on when no quotes stand around it; a field's name is followed by one of these. */
    public enum Value {
        /** May hold delimiters: one ends it only when a space, a quote, another delimiter or a new name follows. */
        SECRET(Rules.SECRET, true, true),
        /** A scheme, which stays, and what may be two words. */
        CREDENTIALS("(?:" + Rules.SCHEME + ")?+" + Rules.SECRET + "(?: [\\w.~+/%-]{6,}+=*+(?![=:]))?", false, true),
        WORD(Rules.WORD, false, true),
        NAME(Rules.WORD + "(?:(?: (?:v[ao]n|de[rnl]?|l[ae]|d[aiou]s?|bin|al|y|zu[rm]?))*+ [A-Z\\x80-\\xff]"
                + "(?:[^\\s\"'<>,;&)}\\]|\\\\=:]|(?<=[A-Za-z])'(?=[A-Za-z]))*+(?![=:\"\\]])){0,4}+", false, true),
        ADDRESS(Rules.WORD + "(?: [A-Z0-9#\\x80-\\xff](?:[^\\s\"'<>,;&)}\\]|\\\\=:]*+)(?![=:\"\\]])){0,6}+",
                false, true),
        PHONE("[+(]?\\d(?:[ ().+/\\xa0\\xc2-]{0,3}\\d){5,14}+|" + Rules.WORD, false, false),
        /** To the line's end, such as a header with several parts. */
        LINE("[^\\n\"'\\\\<>{}]++(?:\"[^\"\\n]*+\"(?=[;,\\s]|\\z)[^\\n\"'\\\\<>{}]*+)*+", false, true);

        /** What follows the name. */
        private final String form;

        Value(String bare, boolean suffixed, boolean bracketed) {
            form = (suffixed ? SUFFIX : "") + CLOSES + ASSIGNS + WRAPS
                    + String.format(HOLDS, bracketed ? "[\\[({]" : "[\\[{]", bare);
        }
    }

    static final String SCHEME = "(?i:klaviyo-api-key|bearer|basic|token|apikey) ++";
    private static final String WORD = "(?:[^\\s\"'<>,;&)}\\]|\\\\]++|(?<=[A-Za-z])'(?=[A-Za-z]))++";
    private static final String SECRET = "[^\\s\"'<>,;&)}\\]\\\\]++(?:(?:[,;)}\\]]"
            + "(?![\\s\"'<>,;&)}\\]\\\\]|[\\w.$-]+[=:]|\\z)|&(?![\\w.$%\\[\\]-]*+=)"
            + "|'(?=[^\\s\"'<>,;&)}\\]\\\\=:])|\\\\(?![\\\\nrt\"'u]))[^\\s\"'<>,;&)}\\]\\\\]++){0,32}+";

    // What closes a name: plurals name lists, and numbers follow. Group 1 is the quote that closes it.
    private static final String CLOSES = "(?:s(?=[\"'\\]]{0,2}[ \\t]*+[:=]>?[ \\t]*+[\\[({]))?+\\d{0,2}+("
            + "[\"'`])?+(?:\\](?:\\[\\])?)?+";
    private static final String SUFFIX = "(?i:[_-]?(?:access|string|value|hash)?[_-]?(?:key|string|value))?+";
    private static final String VALUES = "(?i:value|val|v|text|content|data|stringvalue|string_value)";
    // What stands between a name and its value: a sign, with the value on the next line perhaps, or a tag's end, or,
    // after a name in quotes or as a function's argument, a comma, or another field of the same object.
    private static final String ASSIGNS = "(?:[ \\t]*+(?:[=-]>|:=|={1,3}|:)[ \\t]*+(?:[|>][+-]?+(?=\\r?\\n))?+"
            + "(?:\\r?\\n[ \\t]++(?![\\w.$-]++[ \\t]*+[:=]|at )|\\r?\\n(?=[\"']))?+"
            + "|;(?=[sidb]:)|(?<=[\"'`])[^{}<>\\n]{1,80}?(?<![A-Za-z])" + VALUES + "[\"']?+[ \\t]*+[:=]>?+[ \\t]*+"
            + "|(?:(?<=[\"'])|(?<=<[\\w:.-]{1,60}))(?:\\s[^<>]{1,80})?>(?:[ \\t]*+\\r?\\n\\s*+)?+(?!\\s|<(?!!))"
                    + "|[ \\t]*+,\\s{0,20}+(?=[\\[(]?[\"']))";
    // What languages put around a value.
    private static final String WRAPS = "(?:[bBuUrRfL@&*]{1,2}(?=[\"'])|&(?=\\w)|[a-z]{1,8}\\(\\d{1,6}\\) (?="
            + "\")|[sidb]:(?:\\d{1,6}:)?"
            + "|[A-Za-z_][\\w.:]{0,30}+ ?(?=[\\[({]{1,2}[\"'])|(?:Some|Just|Optional|Option|Ok|Right|Secret|Sen"
                    + "sitive|List|Set|Array|String)\\w*+ ?(?=[\\[({])"
            + "|[A-Za-z]{1,12}+ (?=[\"'](?![,;)}\\s])))?+";
    // Brackets with several values (group 2), or one, quoted (3 to 6) or bare (7).
    static final int QUOTE = 1;
    static final int BRACKET = 2;
    static final int BARE = 7;
    private static final String HOLDS = "(?:(%s)|<!\\[CDATA\\[([^\\n]*?)\\]\\]>"
            + "|\"([^\"\\\\\\n]*+(?:\\\\.[^\"\\\\\\n]*+)*+)(?:\"|(?=\\\\?\\n|\\\\?\\z))"
            + "|'([^\\n]*?)(?:'(?![A-Za-z])|(?=\\r?\\n|\\z))|`([^`\\n]*+)|(%s))";
    /** What is no value, whatever the field is called. */
    static final Pattern NOTHING = Pattern.compile(
            "(?i)null|nil|none|undefined|true|false|n/a|-|\\*+|x{3,}|[\\[<(]?(?:redacted|filtered|masked|hidden"
                    + "|removed)[\\])>]?");

    /**
     * A row.
     *
     * @param id     begins its stand-ins ({@code email-3f9a2c}) and is counted; several rows may have one
     * @param names  of fields, in any case; {@code pin^}: a word of its own; {@code api key}: with a dash or not; a row
     * has these and a {@code value}, or …
     * @param starts … what each match contains (see {@link Trigger#parse}) and its {@code form}
     * @param form   a match; what is replaced is its group 1, else all
     * @param back   characters before the start that belong to a match
     * @param same   which values are the same one; personal data are so in any case
     * @param but    whole values that are none
     * @param takes  samples
     * @param spares samples
     */
    public record Rule(String id, Kind kind, List<String> names, Optional<Value> value, List<String> starts,
            Optional<String> form,
            Optional<String> back, Optional<Same> same, Optional<Check> check, Optional<String> but, List<String> takes,
            List<String> spares) {
        /** Refuses a row that is neither by name nor by form. */
        public Rule {
            if (names.isEmpty() == form.isEmpty() || names.isEmpty() == value.isPresent() || form.isPresent() == starts
                    .isEmpty()) {
                throw new IllegalArgumentException("needs either names and value, or starts and form");
            }
            if (!id.matches("[a-z][a-z-]{0,30}")) {
                throw new IllegalArgumentException("is no id: write small letters and dashes");
            }
        }

        boolean personal() {
            return kind == Kind.PERSONAL;
        }

        boolean named() {
            return !names.isEmpty();
        }

        Same sameness() {
            return same.orElse(personal() ? Same.ANY_CASE : Same.AS_WRITTEN);
        }
    }

    private static Rules builtIn;

    private final List<Rule> all;
    // Compiled when first called for. Two threads may do so at once: either result is good.
    private final Pattern[] patterns;
    private final Pattern[] buts;
    final Triggers triggers;

    private Rules(List<Rule> rules) {
        all = List.copyOf(rules);
        patterns = new Pattern[all.size() + Value.values().length];
        buts = new Pattern[all.size()];
        triggers = new Triggers(all);
    }

    /** The built-in rules. */
    public static synchronized Rules builtIn() {
        if (builtIn == null) {
            builtIn = new Rules(List.copyOf(Templates.builtIn().table(FILE, Rule.class).values()));
        }
        return builtIn;
    }

    /**
     * A team's own rules after the built-in ones; a row of theirs takes the place of the built-in row of its name.
     *
     * @throws Problem for a rule that is malformed, or that fails one of its own samples
     */
    public static Rules of(Templates templates) {
        Map<String, Rule> rows = new LinkedHashMap<>(Templates.builtIn().table(FILE, Rule.class));
        Map<String, Rule> own = templates.table(FILE, Rule.class);
        if (templates.origin(FILE).equals(Templates.builtIn().origin(FILE))) {
            return builtIn();
        }
        rows.putAll(own);
        Rules rules = new Rules(List.copyOf(rows.values()));
        for (String problem : rules.failures(own.values())) {
            throw new Problem(templates.origin(FILE) + ", " + problem);
        }
        return rules;
    }

    /** The rows, in the table's order, which decides between rules that would begin at the same place. */
    public List<Rule> all() {
        return all;
    }

    /** The same without the rows of these ids. */
    Rules without(Set<String> ids) {
        return ids.isEmpty() ? this : new Rules(all.stream().filter(rule -> !ids.contains(rule.id)).toList());
    }

    /** The ids of what may be kept. */
    Set<String> personal() {
        return all.stream().filter(Rule::personal).map(Rule::id).collect(Collectors.toCollection(TreeSet::new));
    }

    /** What is wrong with these rows, a line each: samples that are not taken, or spared, as they should be. */
    public List<String> failures(Iterable<Rule> rows) {
        Redactor redactor = new Redactor(Redactor.Policy.strict().by(this));
        List<String> failures = new ArrayList<>();
        for (Rule rule : rows) {
            try {
                compiled(rule.form.orElse(""));
                Pattern.compile(rule.but.orElse(""));
            } catch (PatternSyntaxException e) {
                return List.of(rule.id + ": form or but is no regular expression: " + e.getDescription());
            }
        }
        for (Rule rule : rows) {
            rule.takes.forEach(sample -> taken(rule, sample, redactor).ifPresent(failures::add));
            rule.spares.stream().filter(sample -> !redactor.text(sample).equals(sample)).forEach(sample ->
                    failures.add(rule.id + ": does not spare " + sample + ", which becomes " + redactor.text(sample)));
        }
        return failures;
    }

    private static Optional<String> taken(Rule rule, String sample, Redactor redactor) {
        String clean = redactor.text(sample.replaceAll("[«»]", ""));
        String wanted = Pattern.compile("«.*?»", Pattern.DOTALL).splitAsStream(sample).map(Pattern::quote)
                .collect(Collectors.joining("\"?" + rule.id + "-[0-9a-f]{6}\"?"));
        String last = sample.endsWith("»") ? "\"?" + rule.id + "-[0-9a-f]{6}\"?" : "";
        return clean.matches("(?s)" + wanted + last) ? Optional.empty()
                : Optional.of(rule.id + ": does not take «these» alone: " + sample + " becomes " + clean);
    }

    /** How many {@link #pattern patterns} there are. */
    int patterns() {
        return patterns.length;
    }

    /** What is tried where a trigger stands: a row's form, or what follows a name, which all rows of a kind share. */
    Pattern pattern(int index) {
        Pattern pattern = patterns[index];
        if (pattern == null) {
            pattern = compiled(index < all.size() ? all.get(index).form.orElseThrow()
                    : Value.values()[index - all.size()].form);
            patterns[index] = pattern;
        }
        return pattern;
    }

    // (?d): only a line feed ends a line. Without it a "next line" (0x85) inside a UTF-8 letter would.
    private static Pattern compiled(String form) {
        return Pattern.compile("(?d)" + listed(form));
    }

    private static final Pattern CLASS = Pattern.compile("\\\\.|\\[(\\^?)((?:\\\\.|[^\\]\\\\\\[])+)\\](?:([+*])\\+)?",
            Pattern.DOTALL);

    // The same with every class spelled out, character by character: the JDK looks a list up in one table, and goes
    // through ranges one by one. A possessive run of them becomes a greedy one that is not gone back into, which it
    // steps through faster. Texts here have 256 characters, the bytes. An excluded letter stays excluded, so that
    // either case of it is in (?i).
    private static String listed(String form) {
        return CLASS.matcher(form).replaceAll(found -> {
            if (found.group(2) == null) {
                return Matcher.quoteReplacement(found.group());
            }
            Pattern members = Pattern.compile("[" + found.group(2) + "]");
            boolean[] in = new boolean[256];
            boolean letters = false;
            for (int c = 0; c < 256; c++) {
                in[c] = members.matcher(String.valueOf((char) c)).matches();
                letters |= in[c] && Character.isLetter(c);
            }
            boolean excluded = !found.group(1).isEmpty();
            StringBuilder list = new StringBuilder(excluded && letters ? "[^" : "[");
            for (int c = 0; c < 256; c++) {
                list.append(in[c] != (excluded && !letters) ? String.format("\\x%02x", c) : "");
            }
            if (list.length() == 1) {
                return Matcher.quoteReplacement(found.group());
            }
            String all = list.append(']').toString();
            return Matcher.quoteReplacement(found.group(3) == null ? all : "(?>" + all + found.group(3) + ")");
        });
    }

    /** Whether the value, found by a row, is none. */
    boolean none(int index, String value) {
        Rule rule = all.get(index);
        if (rule.but.isPresent() && buts[index] == null) {
            buts[index] = Pattern.compile(rule.but.get());
        }
        return rule.named() && value.length() < 12 && NOTHING.matcher(value).matches()
                || rule.but.isPresent() && buts[index].matcher(value).matches();
    }

    /**
     * What the forms find anywhere in the text, whatever triggers say: nothing, in redacted text, unless a trigger does
     * not stand in every match of its rule.
     */
    public List<String> foundPlainly(String text) {
        List<String> found = new ArrayList<>();
        for (int index = 0; index < all.size(); index++) {
            Rule rule = all.get(index);
            Matcher matcher = rule.named() ? NOTHING.matcher("") : pattern(index).matcher(text);
            while (matcher.find()) {
                int group = matcher.groupCount() > 0 && matcher.start(1) >= 0 ? 1 : 0;
                if (Redactor.Finder.passes(rule, matcher) && !none(index, matcher.group(group))) {
                    found.add(rule.id + ": " + matcher.group(group));
                }
            }
        }
        return found;
    }

    /**
     * A short sequence of byte sets that every match of a rule contains: cheap to look for, so that the rule's pattern
     * is tried only where it may succeed.
     *
     * @param rule    the rule's place in its table
     * @param pattern what is tried where it stands
     * @param sets    one set of {@link Triggers#OF classes} for each position
     * @param rarest  the second position of its rarest pair; 0 for a trigger of one position
     * @param word    for a field's name: what else it has to be; the pattern is tried behind it
     */
    record Trigger(int rule, int pattern, long[] sets, int rarest, Word word) {
        /**
         * Reads the table's notation: {@code #} a digit, {@code ~} a hexadecimal digit, {@code ^} no letter, {@code |}
         * neither letter nor digit, {@code *} a letter, {@code ?} anything; any other character is itself, in either
         * case.
         */
        static Trigger parse(int rule, int pattern, String notation, Word word) {
            long[] sets = new long[notation.length()];
            for (int i = 0; i < sets.length; i++) {
                sets[i] = switch (notation.charAt(i)) {
                    case '#' -> Triggers.DIGIT;
                    case '~' -> Triggers.DIGIT | Triggers.set("abcdef");
                    case '^' -> ~Triggers.LETTER;
                    case '|' -> ~(Triggers.LETTER | Triggers.DIGIT);
                    case '*' -> Triggers.LETTER;
                    case '?' -> -1L;
                    default -> Triggers.set(notation.substring(i, i + 1));
                };
            }
            int rarest = 0;
            long least = Long.MAX_VALUE;
            for (int i = 1; i < sets.length; i++) {
                long weight = Triggers.weight(sets[i - 1]) * Triggers.weight(sets[i]);
                rarest = weight < least ? i : rarest;
                least = Math.min(weight, least);
            }
            return new Trigger(rule, pattern, sets, rarest, word);
        }

        /** What may stand at a place; anything outside. */
        long set(int at) {
            return at < 0 || at >= sets.length ? -1L : sets[at];
        }

        /** Whether it stands at {@code start}; what lies outside the data counts as a control character. */
        boolean at(byte[] data, int start, int length) {
            for (int i = sets.length - 1; i >= 0; i--) {
                int at = start + i;
                int c = at < 0 || at >= length ? Triggers.OF[0] : Triggers.OF[data[at] & 0xff];
                if ((sets[i] >>> c & 1) == 0) {
                    return false;
                }
            }
            return word == null || word.stands(data, start);
        }
    }

    /**
     * A field's name.
     *
     * @param size   its length
     * @param whole  whether it counts only where no letter stands before it, or as a part of its own in camelCase
     * @param before what must not, or must, stand before it; null for anything
     */
    record Word(int size, boolean whole, Pattern before) {
        // Blanks in the table are a dash, an underscore or nothing.
        static Stream<Trigger> triggers(int rule, int pattern, String name) {
            int start = name.lastIndexOf(')') + 1;
            Pattern before = start == 0 ? null : Pattern.compile(name.substring(0, start));
            String word = name.substring(start);
            boolean whole = word.endsWith("^");
            return Stream.of("", "_", "-").map(blank -> word.replace(" ", blank)).distinct().map(notation -> Trigger
                    .parse(rule, pattern, notation, new Word(notation.length() - (whole ? 1 : 0), whole, before)));
        }

        boolean stands(byte[] data, int start) {
            if (whole && start > 0 && isLetter(data[start - 1])) {
                boolean camel = data[start - 1] >= 'a' && data[start] <= 'Z';
                for (int i = start + 1; camel && i < start + size; i++) {
                    camel = data[i] < 'A' || data[i] > 'Z';
                }
                return camel;
            }
            int from = Math.max(0, start - LONGEST_BEFORE);
            return before == null || before.matcher(new String(data, from, start - from, StandardCharsets.ISO_8859_1))
                    .region(start - from, start - from).useTransparentBounds(true).lookingAt();
        }

        private static boolean isLetter(byte b) {
            return (b | 32) >= 'a' && (b | 32) <= 'z';
        }
    }

    /**
     * All triggers, found in one pass. Bytes are folded into 64 classes, so that a set of bytes is one {@code long};
     * every pair of neighbouring bytes is looked up in a table of 4096 entries (8 KB, so it stays in the fastest
     * cache), and only a pair that is the rarest of some trigger leads to a closer look.
     */
    static final class Triggers {
        private static final String NAMED = "abcdefghijklmnopqrstuvwxyz0123456789@%\\&_-.:/+\"'=?$ !,;#(";
        // What is met most often in logs comes first, roughly: triggers are looked for by their rarest pair.
        private static final String COMMON = " etaoinsr0123456789lh-.:/=dcum\"_,fpgwybvkxjqz";
        static final byte[] OF = classes();
        static final long DIGIT = set("0123456789");
        static final long LETTER = set("abcdefghijklmnopqrstuvwxyz\u00ff");

        // A look at the bytes beside a pair spares most of the closer looks.
        private record Bucket(Trigger[] triggers, long before, long after) {
            Bucket and(Trigger trigger) {
                Trigger[] more = Arrays.copyOf(triggers, triggers.length + 1);
                more[triggers.length] = trigger;
                return new Bucket(more, before | trigger.set(trigger.rarest - 2),
                        after | trigger.set(trigger.rarest + 1));
            }
        }

        private final short[] bucketOfPair = new short[64 * 64];
        private final List<Bucket> building = new ArrayList<>(List.of(new Bucket(new Trigger[0], 0, 0)));
        private final Bucket[] buckets;

        Triggers(List<Rule> rules) {
            for (int i = 0; i < rules.size(); i++) {
                int row = i;
                Rule rule = rules.get(i);
                rule.starts.forEach(notation -> add(Trigger.parse(row, row, notation, null)));
                rule.names.forEach(name -> Word.triggers(row, rules.size() + rule.value.get().ordinal(), name)
                        .forEach(this::add));
            }
            buckets = building.toArray(Bucket[]::new);
        }

        // Letters lose their case; punctuation that no trigger needs shares a class, as high bytes do, and controls.
        private static byte[] classes() {
            byte[] classes = new byte[256];
            for (int b = 0; b < 256; b++) {
                int named = NAMED.indexOf(Character.toLowerCase(b < 128 ? (char) b : '\0'));
                classes[b] = (byte) (named >= 0 ? named : NAMED.length() + (b >= 128 ? 1 : b < 32 || b == 127 ? 2 : 0));
            }
            return classes;
        }

        static long set(String bytes) {
            long set = 0;
            for (byte b : bytes.getBytes(StandardCharsets.ISO_8859_1)) {
                set |= 1L << OF[b & 0xff];
            }
            return set;
        }

        static long weight(long set) {
            long weight = 0;
            for (long left = set; left != 0; left &= left - 1) {
                int c = Long.numberOfTrailingZeros(left);
                char named = c < NAMED.length() ? NAMED.charAt(c) : '\0';
                int common = COMMON.indexOf(named);
                weight += common < 0 ? 2 : COMMON.length() - common;
            }
            return weight;
        }

        // Buckets are shared by the pairs that lead to the same triggers, else an "any" would make thousands.
        private void add(Trigger trigger) {
            int second = trigger.rarest;
            long left = second == 0 ? -1L : trigger.sets[second - 1];
            short[] next = new short[building.size()];
            for (long a = left; a != 0; a &= a - 1) {
                for (long b = trigger.sets[second]; b != 0; b &= b - 1) {
                    int pair = Long.numberOfTrailingZeros(a) << 6 | Long.numberOfTrailingZeros(b);
                    int old = bucketOfPair[pair];
                    if (next[old] == 0) {
                        building.add(building.get(old).and(trigger));
                        next[old] = (short) (building.size() - 1);
                    }
                    bucketOfPair[pair] = next[old];
                }
            }
        }

        /** The first position from {@code at} on where a trigger's rarest pair may end, or {@code to}. */
        int next(byte[] data, int at, int to) {
            byte[] classes = OF;
            short[] table = bucketOfPair;
            int previous = at > 0 ? classes[data[at - 1] & 0xff] : classes[0];
            for (int i = at; i < to; i++) {
                int current = classes[data[i] & 0xff];
                int bucket = table[previous << 6 | current];
                if (bucket != 0 && isBeside(buckets[bucket], data, i, to)) {
                    return i;
                }
                previous = current;
            }
            return to;
        }

        private static boolean isBeside(Bucket bucket, byte[] data, int at, int to) {
            int after = at + 1 < to ? OF[data[at + 1] & 0xff] : OF[0];
            int before = at > 1 ? OF[data[at - 2] & 0xff] : OF[0];
            return (bucket.after >>> after & bucket.before >>> before & 1) != 0;
        }

        /** The triggers whose rarest pair ends at {@code at}: they may stand there. */
        Trigger[] candidates(byte[] data, int at) {
            int previous = at > 0 ? OF[data[at - 1] & 0xff] : OF[0];
            return buckets[bucketOfPair[previous << 6 | OF[data[at] & 0xff]]].triggers;
        }
    }
}
