package runbook.redact;

import java.math.*;
import java.nio.charset.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Settings.Problem;
import runbook.Settings.Templates;

/**
 * The rules of {@code templates/redaction.json}: what must not leave, by the name of its field or by its own form. Each
 * row has samples beside it: {@code takes}, in which «these marks» stand around what has to go, and {@code spares},
 * which stay.
 */
public final class Rules {
    private static final String FILE = "redaction.json";

    /**
     * What a rule is about. Personal data may be kept with {@code --keep}, a secret never. A part is no rule, but what
     * patterns are made of: <code>{its-name}</code> stands for it there. A team has the built-in ones.
     */
    public enum Kind { SECRET, PERSONAL, PART }

    /** How a field's value goes on when no quotes stand around it: the table's part of this name. */
    public enum Value {
        SECRET, CREDENTIALS, WORD, NAME, ADDRESS, PHONE, LINE;

        final String part = "{" + name().toLowerCase(Locale.ROOT) + "-value}";
    }

    /** Arithmetic that tells real numbers from others that look like them; the number is the form's group {@code n}. */
    public enum Check {
        LUHN, IBAN;

        private boolean passes(String number) {
            if (this == IBAN) {
                // ISO 13616: country and check digits go last, letters count from 10; the whole leaves 1 over 97.
                String turned = number.substring(4) + number.substring(0, 4);
                String digits = turned.chars().mapToObj(c -> "" + Character.digit(c, 36)).collect(Collectors.joining());
                return new BigInteger(digits).mod(BigInteger.valueOf(97)).intValue() == 1;
            }
            int sum = 0;
            for (int i = 0; i < number.length(); i++) {
                int digit = number.charAt(number.length() - 1 - i) - '0';
                sum += i % 2 == 0 ? digit : 2 * digit / 10 + 2 * digit % 10;
            }
            return sum % 10 == 0;
        }
    }

    /**
     * A row.
     *
     * @param id      begins its stand-ins ({@code email-3f9a2c}) and is counted; several rows may have one
     * @param names   of fields, in any case; {@code pin^}: a word of its own; {@code api key}: or with a dash; a row
     *                has these and a {@code value}, or …
     * @param starts  … what each match contains (see {@link Triggers}) and its {@code form}
     * @param form    a match; what is replaced is its group 1, else all
     * @param back    characters before the start that belong to a match
     * @param ignores what does not tell values apart, which then get the same pseudonym; for personal data, case
     * @param but     whole values that are none
     * @param about   what a part is for
     * @param takes   samples
     * @param spares  samples
     */
    public record Rule(String id, Kind kind, List<String> names, Optional<Value> value, List<String> starts,
            Optional<String> form, Optional<String> back, Optional<Pattern> ignores, Optional<Check> check,
            Optional<String> but, Optional<String> about, List<String> takes, List<String> spares) {
        private static final Pattern ID = Pattern.compile("[a-z][a-z-]{0,30}");

        /** Refuses a row that is neither by name nor by form. */
        public Rule {
            boolean byName = !names.isEmpty() && value.isPresent() && starts.isEmpty() && form.isEmpty();
            boolean byForm = !starts.isEmpty() && form.isPresent() && names.isEmpty() && value.isEmpty();
            if (kind != Kind.PART && !byName && !byForm) {
                throw new IllegalArgumentException("needs either names and value, or starts and form");
            }
            if (back.isEmpty() && starts.stream().anyMatch(start -> start.contains("…"))) {
                throw new IllegalArgumentException("needs back: what repeats has no beginning of its own");
            }
            if (!ID.matcher(id).matches()) {
                throw new IllegalArgumentException("is no id: write small letters and dashes");
            }
        }

        boolean personal() {
            return kind == Kind.PERSONAL;
        }

        boolean isNamed() {
            return form.isEmpty();
        }

        /** What stands between a name and its value. */
        String sign() {
            return personal() ? "{sign}" : "{suffix}{sign}";
        }

        /** Whether what stands before a value gives it away, rather than its own form, which may be that of another. */
        boolean byContext(Matcher found) {
            return back.isEmpty() && check.isEmpty() && found.groupCount() > 0;
        }

        /** Whether arithmetic agrees with what the form found. */
        boolean passes(Matcher found) {
            return check.isEmpty() || check.get().passes(found.group("n").replaceAll("[ -]", ""));
        }

        /** Whether the value is none. */
        boolean none(String value) {
            boolean may = isNamed() && "+0123456789".indexOf(value.charAt(0)) < 0;
            return value.length() < LONGEST_NONE && (may && compiled("{nothing}").matcher(value).matches()
                    || but.isPresent() && compiled(but.get()).matcher(value).matches());
        }

        /** What a pseudonym is made of: the same for the same one, however it is written. */
        String meant(String value) {
            String meant = personal() ? value.toLowerCase(Locale.ROOT) : value;
            return ignores.isEmpty() ? meant : ignores.get().matcher(meant).replaceAll("");
        }
    }

    private static final int LONGEST_NONE = 2_048;
    private static final Map<String, Rule> TABLE = Templates.BUILT_IN.table(FILE, Rule.class);
    private static final Pattern REFERENCE = Pattern.compile("\\{([a-z-]+)\\}");
    private static final Pattern SET =
            Pattern.compile("(?<=(?:^|[^\\\\])(?:\\\\\\\\){0,9})\\[\\^?(?:\\\\.|[^\\]\\\\])+\\]");
    private static final Pattern RANGE = Pattern.compile("\\\\x80-\\\\xff|(?<!\\\\)[A-Za-z0-9]-[A-Za-z0-9]|\\\\[wd]");
    private static final Map<String, Pattern> COMPILED = new ConcurrentHashMap<>();
    private static final Rules BUILT_IN = new Rules(TABLE.values());

    private final List<Rule> all;
    final Triggers triggers;

    private Rules(Collection<Rule> rules) {
        all = rules.stream().filter(rule -> rule.kind != Kind.PART).toList();
        triggers = new Triggers(all);
    }

    /**
     * A pattern with its parts, compiled when it is first called for. (?d): only a line feed ends a line. Without it a
     * "next line" (0x85) inside a UTF-8 letter would.
     */
    static Pattern compiled(String pattern) {
        Pattern compiled = COMPILED.get(pattern);
        if (compiled == null) {
            compiled = Pattern.compile("(?d)" + SET.matcher(whole(pattern)).replaceAll(set -> Matcher.quoteReplacement(
                    RANGE.matcher(set.group()).replaceAll(range -> listed(range.group())))));
            COMPILED.put(pattern, compiled);
        }
        return compiled;
    }

    // The JDK looks up the characters of a set in a table, and asks for ranges one after the other.
    private static String listed(String range) {
        return switch (range) {
            case "\\d" -> listed("0-9");
            case "\\w" -> listed("0-9") + listed("A-Z") + listed("a-z") + "_";
            case "\\x80-\\xff" -> listed("\u0080-\u00ff");
            default -> IntStream.rangeClosed(range.charAt(0), range.charAt(2)).mapToObj(Character::toString)
                    .collect(Collectors.joining());
        };
    }

    private static String whole(String pattern) {
        return REFERENCE.matcher(pattern).replaceAll(part -> Matcher.quoteReplacement(TABLE.containsKey(part.group(1))
                ? "(?:" + whole(TABLE.get(part.group(1)).form.orElseThrow()) + ")" : part.group()));
    }

    /** The built-in rules. */
    public static Rules builtIn() {
        return BUILT_IN;
    }

    /**
     * A team's own rules after the built-in ones; a row of theirs takes the place of the built-in row of its name.
     *
     * @throws Problem for a rule that is malformed, or that fails one of its own samples; for too many starts
     */
    public static Rules of(Templates templates) {
        if (templates.origin(FILE).equals(Templates.BUILT_IN.origin(FILE))) {
            return BUILT_IN;
        }
        Map<String, Rule> rows = new LinkedHashMap<>(TABLE);
        Map<String, Rule> own = templates.table(FILE, Rule.class);
        rows.putAll(own);
        Rules rules = new Rules(rows.values());
        // Such digits at random bring about the most states: here rather than in a log.
        byte[] digits = new Random(1).ints(1 << 17, 0, 16).mapToObj(Integer::toHexString).collect(Collectors.joining())
                .getBytes(StandardCharsets.US_ASCII);
        new Triggers(rules.all).find(digits, digits.length);
        for (String problem : rules.failures(own.values())) {
            throw new Problem(templates.origin(FILE) + ", " + problem);
        }
        return rules;
    }

    /** The rows, in the table's order, which decides between rules that would begin at the same place. */
    public List<Rule> all() {
        return all;
    }

    /** Those of them that this is true of. */
    Rules only(Predicate<Rule> wanted) {
        return new Rules(all.stream().filter(wanted).toList());
    }

    /** The ids of what may be kept. */
    public Set<String> personal() {
        return all.stream().filter(Rule::personal).map(Rule::id).collect(Collectors.toCollection(TreeSet::new));
    }

    /** What is wrong with these rows, a line each: samples that are not taken, or spared, as they should be. */
    public List<String> failures(Collection<Rule> rows) {
        Redactor redactor = new Redactor(Redactor.Policy.strict().by(this));
        List<String> failures = new ArrayList<>();
        for (Rule rule : rows) {
            try {
                Stream.concat(rule.form.stream(), rule.but.stream()).forEach(Rules::compiled);
            } catch (PatternSyntaxException e) {
                return List.of(rule.id + ": form or but is no regular expression: " + e.getDescription());
            }
        }
        for (Rule rule : rows) {
            String standIn = Matcher.quoteReplacement("\\E\"?" + rule.id + "-[0-9a-f]{6}\"?\\Q");
            for (String sample : rule.takes) {
                String clean = redactor.text(sample.replaceAll("[«»]", ""));
                if (!clean.matches("\\Q" + sample.replaceAll("(?s)«.*?»", standIn) + "\\E")) {
                    failures.add(rule.id + ": does not take «these» alone: " + sample + " becomes " + clean);
                }
            }
            rule.spares.stream().filter(sample -> !redactor.text(sample).equals(sample)).forEach(sample ->
                    failures.add(rule.id + ": does not spare " + sample + ", which becomes " + redactor.text(sample)));
        }
        return failures;
    }

    /**
     * Where a rule is tried: behind the name of a field, or around what each of its matches contains.
     *
     * @param size   how many bytes it has, with the one behind a name
     * @param before what must not, or must, stand before a name
     * @param back   bytes before it that belong to a match
     */
    record Trigger(Rule rule, int size, String before, BitSet back) { }

    /**
     * All triggers, found in one pass by an automaton: a state of it is made when it is first met, and from then on
     * each byte costs one step. Bytes are folded into 64 classes, so that a set of them is one {@code long}.
     *
     * <p>The table's notation of what starts a match: {@code #} a digit, {@code ~} a hexadecimal digit, {@code ^} no
     * letter, {@code |} neither letter nor digit, {@code *} a letter, {@code ?} anything, {@code [.:]} one of these;
     * any other character is itself, in either case. {@code …}: the one before may stand there several times.
     */
    static final class Triggers {
        private static final String NAMED = "abcdefghijklmnopqrstuvwxyz0123456789@%\\&_-.:/+\"'=?$ !,;#()<";
        private static final byte[] CLASS = classes();
        private static final int CLASSES = 64;
        private static final long DIGIT = set("0123456789");
        private static final long LETTER = set("abcdefghijklmnopqrstuvwxyz\u00ff");
        // What a name's value, a plural or a number may begin with, and the words that may end a secret's name.
        private static final long AFTER_NAME = set("s0123456789\"'`] \t\r\n=-:;<>,()&");
        private static final long AFTER_SECRET = AFTER_NAME | set("_ahkvc");
        private static final int START = 1;
        // Three times as many as the built-in rules have.
        private static final int MOST_STATES = 16_384;

        /** The places that the last bytes may have led to, and the triggers that end there, in the table's order. */
        private record State(BitSet places, List<Trigger> ends) { }

        // A place is one position of a trigger: what ends there, or null, and which of them begin one, or repeat.
        private final List<Trigger> ends = new ArrayList<>();
        private final BitSet firsts = new BitSet();
        private final BitSet repeating = new BitSet();
        /** By class, which places take a byte of it. */
        private final BitSet[] takes = new BitSet[CLASSES];
        private final Map<BitSet, Integer> numbers = new HashMap<>();
        private final State[] states = new State[MOST_STATES];
        // From state and class to the next state; negative where a trigger ends, 0 where nobody came by yet.
        // Shorts, since much of the time is spent on fetching from it.
        private final short[] steps = new short[MOST_STATES * CLASSES];

        Triggers(List<Rule> rules) {
            Arrays.setAll(takes, c -> new BitSet());
            for (Rule rule : rules) {
                rule.starts.forEach(notation -> add(rule, notation, 0, ""));
                rule.names.forEach(name -> addName(rule, name));
            }
            // What lies before the data counts as a control character.
            number(after(new BitSet(), CLASS[0]));
        }

        // Blanks in a name may be a dash, an underscore or nothing.
        private void addName(Rule rule, String name) {
            int start = name.lastIndexOf(')') + 1;
            boolean whole = name.endsWith("^");
            String word = name.substring(start, name.length() - (whole ? 1 : 0));
            String within = "(?<![A-Za-z])|(?<=[a-z])(?=[A-Z][^A-Z]{" + (word.length() - 1) + "})";
            long after = rule.personal() ? AFTER_NAME : AFTER_SECRET;
            for (String blank : word.contains(" ") ? List.of("", "[_ -]") : List.of("")) {
                add(rule, word.replace(" ", blank), whole ? after & ~LETTER : after,
                        name.substring(0, start) + (whole ? "(?:" + within + ")" : ""));
            }
        }

        private void add(Rule rule, String notation, long after, String before) {
            BitSet back = new BitSet();
            for (char c : rule.back.orElse("").toCharArray()) {
                // One beyond ASCII stands for all of them.
                back.set(Math.min(c, 128), c < 128 ? c + 1 : 256);
            }
            int first = ends.size();
            firsts.set(first);
            for (int at = 0; at < notation.length();) {
                String sign = sign(notation, at);
                at += sign.length();
                boolean repeats = notation.startsWith("…", at);
                at += repeats ? 1 : 0;
                addPlace(meant(sign), repeats);
            }
            if (after != 0) {
                addPlace(after, false);
            }
            if (ends.size() > first) {
                ends.set(ends.size() - 1, new Trigger(rule, ends.size() - first, before, back));
            }
        }

        private static String sign(String notation, int at) {
            int close = notation.charAt(at) == '[' ? notation.indexOf(']', at) : -1;
            return notation.substring(at, close > at + 1 ? close + 1 : at + 1);
        }

        private void addPlace(long set, boolean repeats) {
            int place = ends.size();
            ends.add(null);
            repeating.set(place, repeats);
            for (long left = set; left != 0; left &= left - 1) {
                takes[Long.numberOfTrailingZeros(left)].set(place);
            }
        }

        private static long meant(String sign) {
            return switch (sign.charAt(0)) {
                case '#' -> DIGIT;
                case '~' -> DIGIT | set("abcdef");
                case '^' -> ~LETTER;
                case '|' -> ~(LETTER | DIGIT);
                case '*' -> LETTER;
                case '?' -> -1L;
                default -> set(sign.length() == 1 ? sign : sign.substring(1, sign.length() - 1));
            };
        }

        private static long set(String bytes) {
            long set = 0;
            for (byte b : bytes.getBytes(StandardCharsets.ISO_8859_1)) {
                set |= 1L << CLASS[b & 0xff];
            }
            return set;
        }

        // Letters lose their case; punctuation that no trigger needs shares a class, as high bytes do, and controls.
        private static byte[] classes() {
            byte[] classes = new byte[256];
            for (int b = 0; b < 256; b++) {
                int named = NAMED.indexOf(Character.toLowerCase(b < 128 ? (char) b : '\0'));
                int other = b >= 128 ? 1 : b < 32 || b == 127 ? 2 : 0;
                classes[b] = (byte) (named >= 0 ? named : NAMED.length() + other);
            }
            return classes;
        }

        /** Where triggers end in the data: pairs of their last byte, and what {@link #at} says which they are by. */
        int[] find(byte[] data, int length) {
            short[] table = steps;
            byte[] classes = CLASS;
            int[] found = new int[64];
            int count = 0;
            int state = START;
            for (int at = 0; at < length; at++) {
                int step = state * CLASSES | classes[data[at] & 0xff];
                state = table[step];
                if (state <= 0) {
                    state = state == 0 ? step(step) : -state;
                    if (count + 2 > found.length) {
                        found = Arrays.copyOf(found, 2 * count);
                    }
                    found[count++] = at;
                    found[count++] = state;
                }
            }
            return Arrays.copyOf(found, count);
        }

        /** The triggers that end there, in the table's order. Another thread's step may be seen before its state is. */
        List<Trigger> at(int number) {
            State state = states[number];
            if (state == null) {
                synchronized (this) {
                    state = states[number];
                }
            }
            return state.ends;
        }

        private synchronized int step(int step) {
            int next = number(after(states[step / CLASSES].places, step % CLASSES));
            steps[step] = (short) (states[next].ends.isEmpty() ? next : -next);
            return next;
        }

        private BitSet after(BitSet before, int c) {
            BitSet after = (BitSet) firsts.clone();
            for (int place = before.nextSetBit(0); place >= 0; place = before.nextSetBit(place + 1)) {
                if (ends.get(place) == null) {
                    after.set(place + 1);
                }
                if (repeating.get(place)) {
                    after.set(place);
                }
            }
            after.and(takes[c]);
            return after;
        }

        private int number(BitSet reached) {
            int number = numbers.computeIfAbsent(reached, any -> numbers.size() + START);
            if (number == MOST_STATES) {
                throw new Problem(FILE + ", starts are too many or too long to be looked for at once");
            }
            List<Trigger> ended = reached.stream().mapToObj(ends::get).filter(Objects::nonNull).toList();
            states[number] = new State(reached, ended);
            return number;
        }
    }
}
