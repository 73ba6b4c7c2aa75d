package runbook.redact;

import java.math.*;
import java.nio.charset.*;
import java.util.*;
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
    private static final Pattern NO_DIGIT = Pattern.compile("[^0-9]");

    /**
     * What a rule is about. Personal data may be kept with {@code --keep}, a secret never. A part is no rule, but what
     * forms are made of: <code>{its-name}</code> stands for it there. A team has the built-in ones.
     */
    public enum Kind { SECRET, PERSONAL, PART }

    /** Which differently written values are the same one, and get the same pseudonym. */
    public enum Same {
        AS_WRITTEN, ANY_CASE, DIGITS;

        String of(String value) {
            return switch (this) {
                case AS_WRITTEN -> value;
                case ANY_CASE -> value.toLowerCase(Locale.ROOT);
                case DIGITS -> NO_DIGIT.matcher(value).replaceAll("");
            };
        }
    }

    /** Arithmetic that tells real numbers from others that look like them; the number is the form's group {@code n}. */
    public enum Check {
        LUHN, IBAN;

        boolean passes(String written) {
            String number = written.replace(" ", "").replace("-", "");
            return switch (this) {
                case LUHN -> luhn(number);
                case IBAN -> iban(number);
            };
        }

        private static boolean luhn(String digits) {
            int sum = 0;
            for (int i = 0; i < digits.length(); i++) {
                int digit = digits.charAt(digits.length() - 1 - i) - '0';
                sum += i % 2 == 0 ? digit : 2 * digit / 10 + 2 * digit % 10;
            }
            return sum % 10 == 0;
        }

        // ISO 13616: country and check digits go to the end, letters count from 10, and the whole leaves 1 over 97.
        private static boolean iban(String number) {
            StringBuilder digits = new StringBuilder();
            (number.substring(4) + number.substring(0, 4)).chars().forEach(c -> digits.append(Character.digit(c, 36)));
            return new BigInteger(digits.toString()).mod(BigInteger.valueOf(97)).intValue() == 1;
        }
    }

    /** How a field's value goes on when no quotes stand around it: the table's part of this name. */
    public enum Value {
        SECRET, CREDENTIALS, WORD, NAME, ADDRESS, PHONE, LINE;

        private Pattern bare;
        private Pattern sign;

        Pattern bare() {
            bare = bare == null ? compiled("{" + name().toLowerCase(Locale.ROOT) + "-value}") : bare;
            return bare;
        }

        /** What stands between a name and its value; group 1 is the quote that closes the name. */
        Pattern sign() {
            sign = sign == null ? compiled(this == SECRET ? "{suffix}{sign}" : "{sign}") : sign;
            return sign;
        }
    }

    private static final Map<String, Rule> TABLE = Templates.builtIn().table(FILE, Rule.class);
    private static final Pattern REFERENCE = Pattern.compile("\\{([a-z-]+)\\}");
    private static final int LONGEST_NOTHING = 48;

    /**
     * A row.
     *
     * @param id     begins its stand-ins ({@code email-3f9a2c}) and is counted; several rows may have one
     * @param names  of fields, in any case; {@code pin^}: a word of its own; {@code api key}: with a dash or not; a row
     *               has these and a {@code value}, or …
     * @param starts … what each match contains (see {@link Triggers}) and its {@code form}
     * @param form   a match; what is replaced is its group 1, else all
     * @param back   characters before the start that belong to a match
     * @param same   which values are the same one; personal data are so in any case
     * @param but    whole values that are none; <code>{secret}</code> stands for what the row of this id has here
     * @param about  what a part is for
     * @param takes  samples
     * @param spares samples
     */
    public record Rule(String id, Kind kind, List<String> names, Optional<Value> value, List<String> starts,
            Optional<String> form, Optional<String> back, Optional<Same> same, Optional<Check> check,
            Optional<String> but, Optional<String> about, List<String> takes, List<String> spares) {
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
            if (!id.matches("[a-z][a-z-]{0,30}")) {
                throw new IllegalArgumentException("is no id: write small letters and dashes");
            }
        }

        boolean personal() {
            return kind == Kind.PERSONAL;
        }
    }

    /** A rule at work: what it needs is compiled when it is first called for; twice does no harm. */
    static final class Row {
        final Rule rule;
        final Same same;
        /** Which bytes may stand before the start; null for none. */
        final boolean[] back;
        private final String but;
        private Pattern form;
        private Pattern none;

        private Row(Rule rule, String but) {
            this.rule = rule;
            this.but = but;
            same = rule.same.orElse(rule.personal() ? Same.ANY_CASE : Same.AS_WRITTEN);
            back = rule.back.map(Row::bytes).orElse(null);
        }

        // One beyond ASCII stands for all of them.
        private static boolean[] bytes(String characters) {
            boolean[] bytes = new boolean[256];
            characters.chars().filter(c -> c < 128).forEach(c -> bytes[c] = true);
            Arrays.fill(bytes, 128, 256, characters.chars().anyMatch(c -> c >= 128));
            return bytes;
        }

        boolean isNamed() {
            return rule.form.isEmpty();
        }

        Pattern form() {
            form = form == null ? compiled(rule.form.orElseThrow()) : form;
            return form;
        }

        /** Whether what stands before a value gives it away, rather than its own form, which may be that of another. */
        boolean byContext(Matcher form) {
            return back == null && rule.check.isEmpty() && form.groupCount() > 0;
        }

        /** Whether arithmetic agrees with what the form found. */
        boolean passes(Matcher found) {
            return rule.check.isEmpty() || rule.check.get().passes(found.group("n"));
        }

        /** Whether the value is none. */
        boolean none(String value) {
            none = none == null && but != null ? Pattern.compile(but) : none;
            boolean number = "+0123456789".indexOf(value.charAt(0)) >= 0;
            boolean nothing = isNamed() && !number && value.length() < LONGEST_NOTHING;
            return nothing && NOTHING.matcher(value).matches() || none != null && none.matcher(value).matches();
        }
    }

    private static final Pattern SET =
            Pattern.compile("(?<=(?:^|[^\\\\])(?:\\\\\\\\){0,9})\\[\\^?(?:\\\\.|[^\\]\\\\])+\\]");
    private static final Pattern RANGE = Pattern.compile("\\\\x80-\\\\xff|(?<!\\\\)[A-Za-z0-9]-[A-Za-z0-9]|\\\\[wd]");

    // (?d): only a line feed ends a line. Without it a "next line" (0x85) inside a UTF-8 letter would. Characters of a
    // set are listed one by one: the JDK looks those up in a table, and asks for ranges one after the other.
    private static Pattern compiled(String form) {
        return Pattern.compile("(?d)" + SET.matcher(whole(form)).replaceAll(set ->
                Matcher.quoteReplacement(RANGE.matcher(set.group()).replaceAll(range -> listed(range.group())))));
    }

    private static String whole(String form) {
        return REFERENCE.matcher(form).replaceAll(part -> Matcher.quoteReplacement(TABLE.containsKey(part.group(1))
                ? "(?:" + whole(TABLE.get(part.group(1)).form.orElseThrow()) + ")" : part.group()));
    }

    private static String listed(String range) {
        return switch (range) {
            case "\\d" -> listed("0-9");
            case "\\w" -> listed("0-9") + listed("A-Z") + listed("a-z") + "_";
            case "\\x80-\\xff" -> listed("\u0080-\u00ff");
            default -> IntStream.rangeClosed(range.charAt(0), range.charAt(2)).mapToObj(Character::toString)
                    .collect(Collectors.joining());
        };
    }

    static final Pattern SCHEME = compiled("{scheme}");
    /** What is no value, whatever the field is called. */
    private static final Pattern NOTHING = compiled("{nothing}");
    private static final Rules BUILT_IN = new Rules(TABLE.values());

    private final List<Rule> all;
    final Triggers triggers;

    private Rules(Collection<Rule> rules) {
        all = rules.stream().filter(rule -> rule.kind != Kind.PART).toList();
        triggers = new Triggers(all.stream().map(rule -> new Row(rule, but(rule))).toList());
    }

    private String but(Rule rule) {
        String but = rule.but.orElse(null);
        return but == null ? null : REFERENCE.matcher(but).replaceAll(other -> {
            Optional<String> meant = all.stream().filter(one -> one.id.equals(other.group(1))).findFirst()
                    .flatMap(Rule::but);
            return Matcher.quoteReplacement("(?:" + meant.orElse("") + ")");
        });
    }

    /** The built-in rules. */
    public static Rules builtIn() {
        return BUILT_IN;
    }

    /**
     * A team's own rules after the built-in ones; a row of theirs takes the place of the built-in row of its name.
     *
     * @throws Problem for a rule that is malformed, or that fails one of its own samples
     */
    public static Rules of(Templates templates) {
        if (templates.origin(FILE).equals(Templates.builtIn().origin(FILE))) {
            return BUILT_IN;
        }
        Map<String, Rule> rows = new LinkedHashMap<>(TABLE);
        Map<String, Rule> own = templates.table(FILE, Rule.class);
        rows.putAll(own);
        Rules rules = new Rules(rows.values());
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
    public Set<String> personal() {
        return all.stream().filter(Rule::personal).map(Rule::id).collect(Collectors.toCollection(TreeSet::new));
    }

    /** What is wrong with these rows, a line each: samples that are not taken, or spared, as they should be. */
    public List<String> failures(Iterable<Rule> rows) {
        Redactor redactor = new Redactor(Redactor.Policy.strict().by(this));
        List<String> failures = new ArrayList<>();
        for (Rule rule : rows) {
            try {
                compiled(rule.form.orElse(""));
                Pattern.compile(rule.but.isPresent() ? but(rule) : "");
            } catch (PatternSyntaxException e) {
                return List.of(rule.id + ": form or but is no regular expression: " + e.getDescription());
            }
        }
        for (Rule rule : rows) {
            for (String sample : rule.takes) {
                String clean = redactor.text(sample.replaceAll("[«»]", ""));
                if (!clean.matches("(?s)" + taken(rule, sample))) {
                    failures.add(rule.id + ": does not take «these» alone: " + sample + " becomes " + clean);
                }
            }
            rule.spares.stream().filter(sample -> !redactor.text(sample).equals(sample)).forEach(sample ->
                    failures.add(rule.id + ": does not spare " + sample + ", which becomes " + redactor.text(sample)));
        }
        return failures;
    }

    private static String taken(Rule rule, String sample) {
        String standIn = Matcher.quoteReplacement("\\E\"?" + rule.id + "-[0-9a-f]{6}\"?\\Q");
        return "\\Q" + sample.replaceAll("(?s)«.*?»", standIn) + "\\E";
    }

    /**
     * Where a rule is tried: behind the name of a field, or around what each of its matches contains.
     *
     * @param size   how many bytes it has; a name is one shorter
     * @param whole  for a name: whether it counts only where no letter stands before it, or as a part of its own in
     *               camelCase
     * @param before for a name: what must not, or must, stand before it; null for anything
     */
    record Trigger(Row row, int size, boolean whole, Pattern before) {
        /** Where it begins that ends with the byte at {@code last}. */
        int start(int last) {
            return Math.max(0, last + 1 - size);
        }
    }

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
        private static final Pattern SIGN = Pattern.compile("(\\[[^\\]]+\\]|.)(…?)");
        private static final int START = 1;
        // Three times as many as the built-in rules have.
        private static final int MOST_STATES = 16_384;
        private static final int STRETCH = 1 << 13;

        /** The places that the last bytes may have led to, and the triggers that end there, in the table's order. */
        private record State(BitSet places, List<Trigger> ends) { }

        /** Is told of a trigger, and its last byte. */
        interface Found {
            void at(Trigger trigger, int last);
        }

        // A place is one position of a trigger: what ends there, or null, and which of them begin one, or repeat.
        private final List<Trigger> ends = new ArrayList<>();
        private final BitSet firsts = new BitSet();
        private final BitSet repeating = new BitSet();
        /** By class, which places take a byte of it. */
        private final BitSet[] takes = new BitSet[CLASSES];
        private final Map<BitSet, Integer> numbers = new HashMap<>();
        private final State[] states = new State[MOST_STATES];
        // From state and class to where the next state's row begins; negative where a trigger ends, 0 where nobody came
        // by yet.
        private final int[] steps = new int[MOST_STATES * CLASSES];

        Triggers(List<Row> rows) {
            Arrays.setAll(takes, c -> new BitSet());
            for (Row row : rows) {
                row.rule.starts.forEach(notation -> add(row, notation, 0, false, null));
                row.rule.names.forEach(name -> addName(row, name));
            }
            // What lies before the data counts as a control character.
            number(after(new BitSet(), CLASS[0]));
        }

        // Blanks in a name may be a dash, an underscore or nothing.
        private void addName(Row row, String name) {
            int start = name.lastIndexOf(')') + 1;
            Pattern before = start == 0 ? null : Pattern.compile(name.substring(0, start));
            boolean whole = name.endsWith("^");
            String word = name.substring(start, name.length() - (whole ? 1 : 0));
            long after = row.rule.value.get() == Value.SECRET ? AFTER_SECRET : AFTER_NAME;
            for (String blank : word.contains(" ") ? List.of("", "[_ -]") : List.of("")) {
                add(row, word.replace(" ", blank), whole ? after & ~LETTER : after, whole, before);
            }
        }

        private void add(Row row, String notation, long after, boolean whole, Pattern before) {
            List<MatchResult> signs = SIGN.matcher(notation).results().toList();
            int size = signs.size() + (after == 0 ? 0 : 1);
            Trigger trigger = new Trigger(row, size, whole, before);
            firsts.set(ends.size());
            for (int i = 1; i <= signs.size(); i++) {
                MatchResult sign = signs.get(i - 1);
                addPlace(meant(sign.group(1)), !sign.group(2).isEmpty(), i == size ? trigger : null);
            }
            if (after != 0) {
                addPlace(after, false, trigger);
            }
        }

        private void addPlace(long set, boolean repeats, Trigger end) {
            int place = ends.size();
            ends.add(end);
            repeating.set(place, repeats);
            for (long left = set; left != 0; left &= left - 1) {
                takes[Long.numberOfTrailingZeros(left)].set(place);
            }
        }

        private static long meant(String sign) {
            return switch (sign) {
                case "#" -> DIGIT;
                case "~" -> DIGIT | set("abcdef");
                case "^" -> ~LETTER;
                case "|" -> ~(LETTER | DIGIT);
                case "*" -> LETTER;
                case "?" -> -1L;
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

        /**
         * Tells of every trigger in the data. Two halves are walked side by side, since each step waits for the one
         * before it: the second as if nothing stood before it, which is right from where the first meets its way.
         */
        void find(byte[] data, int length, Found found) {
            int[] rows = {START * CLASSES, 0};
            int[] ended = new int[Math.min(length, STRETCH)];
            for (int from = 0, to = 0; from < length; from = to) {
                to = Math.min(length, from + STRETCH);
                rows[1] = START * CLASSES;
                int ahead = (to - from + 1) / 2;
                int count = 0;
                int at = quiet(data, from, to, ahead, rows);
                for (; at + ahead < to; at = quiet(data, at + 1, to, ahead, rows)) {
                    rows[0] = next(rows[0], data[at]);
                    tell(rows[0], at, found);
                    rows[1] = next(rows[1], data[at + ahead]);
                    if (!state(rows[1]).ends.isEmpty()) {
                        ended[count++] = at + ahead;
                        ended[count++] = rows[1];
                    }
                }
                int met = START * CLASSES;
                for (; at < to && (at < from + ahead || rows[0] != met); at++) {
                    met = at < from + ahead ? met : next(met, data[at]);
                    rows[0] = next(rows[0], data[at]);
                    tell(rows[0], at, found);
                }
                for (int i = 0; i < count; i += 2) {
                    if (ended[i] >= at) {
                        tell(ended[i + 1], ended[i], found);
                    }
                }
                rows[0] = at < to ? rows[1] : rows[0];
            }
        }

        // Goes on to where a trigger may end in either half; all time is spent here, so it is nothing but a walk.
        private int quiet(byte[] data, int from, int to, int ahead, int[] rows) {
            int[] table = steps;
            byte[] classes = CLASS;
            int first = rows[0];
            int second = rows[1];
            int at = from;
            while (at + ahead < to) {
                int next = table[first | classes[data[at] & 0xff]];
                int other = table[second | classes[data[at + ahead] & 0xff]];
                if (next <= 0 || other <= 0) {
                    break;
                }
                first = next;
                second = other;
                at++;
            }
            rows[0] = first;
            rows[1] = second;
            return at;
        }

        private int next(int row, byte b) {
            int step = row | CLASS[b & 0xff];
            return steps[step] == 0 ? step(step) : Math.abs(steps[step]);
        }

        private void tell(int row, int last, Found found) {
            for (Trigger trigger : state(row).ends) {
                found.at(trigger, last);
            }
        }

        // Another thread's step may be seen before its state is.
        private State state(int row) {
            State state = states[row / CLASSES];
            if (state == null) {
                synchronized (this) {
                    state = states[row / CLASSES];
                }
            }
            return state;
        }

        private synchronized int step(int step) {
            int next = number(after(states[step / CLASSES].places, step % CLASSES));
            steps[step] = states[next].ends.isEmpty() ? next * CLASSES : -next * CLASSES;
            return next * CLASSES;
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
                throw new IllegalStateException("the rules' starts are too many to be looked for at once");
            }
            List<Trigger> ended = reached.stream().mapToObj(ends::get).filter(Objects::nonNull).toList();
            states[number] = new State(reached, ended);
            return number;
        }
    }
}
