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

    /** What a rule is about. Personal data may be kept with {@code --keep}, a secret never. */
    public enum Kind { SECRET, PERSONAL }

    /** Which differently written values are the same one, and get the same pseudonym. */
    public enum Same { AS_WRITTEN, ANY_CASE, DIGITS }

    /**
     * Arithmetic that tells real numbers from others that look like them; what is checked is the form's group {@code
     * n}.
     */
    public enum Check { LUHN, IBAN }

    /** How a field's value goes on when no quotes stand around it. */
    public enum Value {
        /** May hold delimiters: one ends it only when a space, a quote, another delimiter or a new name follows. */
        SECRET("[^\\s\"'<>,;&)}\\]\\\\]++(?:(?:[,;)}\\]](?![\\s\"'<>,;&)}\\]\\\\]|[\\w.$-]+[=:]|\\z)|&(?!["
                + "\\w.$%\\[\\]-]*+=)"
                + "|'(?=[^\\s\"'<>,;&)}\\]\\\\=:])|\\\\(?![\\\\nrt\"'u]))[^\\s\"'<>,;&)}\\]\\\\]++){0,32}+"),
        /** A scheme, which stays, and what may be two words. */
        CREDENTIALS("(?:" + Rules.SCHEME + ")?+" + SECRET.form + "(?: [\\w.~+/%-]{6,}+=*+(?![=:]))?"),
        WORD(Rules.WORD),
        NAME(Rules.WORD + "(?:(?: (?:v[ao]n|de[rnl]?|l[ae]|d[aiou]s?|bin|al|y|zu[rm]?))*+ [A-Z\\x80-\\xff]"
                + "(?:[^\\s\"'<>,;&)}\\]|\\\\=:]|(?<=[A-Za-z])'(?=[A-Za-z]))*+(?![=:\"\\]])){0,4}+"),
        ADDRESS(Rules.WORD + "(?: [A-Z0-9#\\x80-\\xff](?:[^\\s\"'<>,;&)}\\]|\\\\=:]*+)(?![=:\"\\]])){0,6}+"),
        PHONE("[+(]?\\d(?:[ ().+/\\xa0\\xc2-]{0,3}\\d){5,14}+|" + Rules.WORD),
        /** To the line's end, such as a header with several parts. */
        LINE("[^\\n\"'\\\\<>{}]++(?:\"[^\"\\n]*+\"(?=[;,\\s]|\\z)[^\\n\"'\\\\<>{}]*+)*+");

        private final String form;

        Value(String form) {
            this.form = form;
        }
    }

    static final String SCHEME = "(?i:klaviyo-api-key|bearer|basic|token|apikey) ++";
    private static final String WORD = "(?:[^\\s\"'<>,;&)}\\]|\\\\]|(?<=[A-Za-z])'(?=[A-Za-z]))++";

    // What closes a name: plurals name lists, and numbers follow. Group kq is the quote that closes it.
    private static final String CLOSES = "(?:s(?=[\"'\\]]{0,2}[ \\t]*+[:=]>?[ \\t]*+[\\[({]))?+\\d{0,2}+(?<kq>"
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
    private static final String HOLDS = "(?:(?<c>[\\[({])|<!\\[CDATA\\[(?<v4>[^\\n]*?)\\]\\]>"
            + "|\"(?<v1>[^\"\\\\\\n]*+(?:\\\\.[^\"\\\\\\n]*+)*+)(?:\"|(?=\\\\?\\n|\\\\?\\z))"
            + "|'(?<v2>[^\\n]*?)(?:'(?![A-Za-z])|(?=\\r?\\n|\\z))|`(?<v3>[^`\\n]*+)|(?<v5>%s))";
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

        // (?d): only a line feed ends a line. Without it a "next line" (0x85) inside a UTF-8 letter would.
        private Pattern compile() {
            String whole = form.orElseGet(() -> names.stream().map(Rule::word).collect(Collectors.joining("|", "(?:",
                    ")"))
                    + (value.get() == Value.SECRET ? SUFFIX : "") + CLOSES + ASSIGNS + WRAPS
                    + String.format(value.get() == Value.PHONE ? HOLDS.replace("({", "{") : HOLDS, value.get().form));
            return Pattern.compile("(?d)" + whole);
        }

        // Blanks are a dash, an underscore or nothing. A short word counts where no letter stands before it, or as a
        // part of its own in camelCase.
        private static String word(String name) {
            int start = name.lastIndexOf(')') + 1;
            String word = Stream.of(name.substring(start).replace("^", "").split(" ")).map(part -> part
                    .replaceAll("[$.]", "\\\\$0"))
                    .collect(Collectors.joining("[_-]?"));
            String capital = Character.toUpperCase(name.charAt(0)) + name.substring(1, name.length() - 1);
            return name.substring(0, start) + (name.endsWith("^")
                    ? "(?:(?<![A-Za-z])(?i:" + word + ")|(?<=[a-z])" + capital + ")(?![A-Za-z])" : "(?i:" + word + ")");
        }

        /** What its triggers are: names may be written in three ways. */
        private Stream<String> triggers() {
            return !named() ? starts.stream() : names.stream().map(name -> name.substring(name.lastIndexOf(')') + 1))
                    .flatMap(name -> Stream.of(name.replace(" ", ""), name.replace(' ', '_'), name.replace(' ', '-'))
                            .distinct());
        }
    }

    private static Rules builtIn;

    private final List<Rule> all;
    private final Pattern[] patterns;
    private final Pattern[] buts;
    final Triggers triggers;

    private Rules(List<Rule> rules) {
        all = List.copyOf(rules);
        patterns = new Pattern[all.size()];
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
                rule.compile();
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

    /**
     * A row's pattern, compiled when a trigger first calls for it. Two threads may do so at once: either result is
     * good.
     */
    Pattern pattern(int rule) {
        Pattern pattern = patterns[rule];
        if (pattern == null) {
            pattern = all.get(rule).compile();
            patterns[rule] = pattern;
        }
        return pattern;
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

    /** How often the patterns are found when each is simply searched for: what the redactor's speed is measured against. */
    public long plainly(String text) {
        return all.stream().map(rule -> rule.compile().matcher(""))
                .mapToLong(matcher -> text.lines().mapToLong(line -> matcher.reset(line).results().count()).sum()).sum();
    }

    /**
     * A short sequence of byte sets that every match of a rule contains: cheap to look for, so that the rule's pattern
     * is tried only where it may succeed.
     *
     * @param rule   the rule's place in its table
     * @param sets   one set of {@link Triggers#OF classes} for each position
     * @param rarest the second position of its rarest pair; 0 for a trigger of one position
     */
    record Trigger(int rule, long[] sets, int rarest) {
        /**
         * Reads the table's notation: {@code #} a digit, {@code ~} a hexadecimal digit, {@code ^} no letter, {@code |}
         * neither letter nor digit, {@code *} a letter, {@code ?} anything; any other character is itself, in either
         * case.
         */
        static Trigger parse(int rule, String notation) {
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
            return new Trigger(rule, sets, rarest);
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
            return true;
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
        private static final Trigger[] NONE = {};

        private final short[] bucketOfPair = new short[64 * 64];
        private final List<Trigger[]> buckets = new ArrayList<>(List.<Trigger[]>of(NONE));

        Triggers(List<Rule> rules) {
            for (int i = 0; i < rules.size(); i++) {
                int rule = i;
                rules.get(i).triggers().forEach(notation -> add(Trigger.parse(rule, notation)));
            }
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
            short[] next = new short[buckets.size()];
            for (long a = left; a != 0; a &= a - 1) {
                for (long b = trigger.sets[second]; b != 0; b &= b - 1) {
                    int pair = Long.numberOfTrailingZeros(a) << 6 | Long.numberOfTrailingZeros(b);
                    int old = bucketOfPair[pair];
                    if (next[old] == 0) {
                        Trigger[] longer = Arrays.copyOf(buckets.get(old), buckets.get(old).length + 1);
                        longer[longer.length - 1] = trigger;
                        buckets.add(longer);
                        next[old] = (short) (buckets.size() - 1);
                    }
                    bucketOfPair[pair] = next[old];
                }
            }
        }

        /** The first position from {@code at} on whose pair belongs to a trigger, or {@code to}. */
        int next(byte[] data, int at, int to) {
            byte[] classes = OF;
            short[] table = bucketOfPair;
            int previous = at > 0 ? classes[data[at - 1] & 0xff] : classes[0];
            for (int i = at; i < to; i++) {
                int current = classes[data[i] & 0xff];
                if (table[previous << 6 | current] != 0) {
                    return i;
                }
                previous = current;
            }
            return to;
        }

        /** The triggers whose rarest pair ends at {@code at}: they may stand there. */
        Trigger[] candidates(byte[] data, int at) {
            int previous = at > 0 ? OF[data[at - 1] & 0xff] : OF[0];
            return buckets.get(bucketOfPair[previous << 6 | OF[data[at] & 0xff]]);
        }
    }
}
