package runbook.redact;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Settings.Problem;

/**
 * Takes secrets and personal data out of text. Thread-safe; the work is done by {@link Scan}s, one for each thread.
 * Patterns are compiled when a trigger first calls for them, so that cleaning one short text costs milliseconds.
 */
public final class Redactor {
    private final Policy policy;
    private final List<Rule> rules;
    private final Triggers triggers;
    private final Form[] forms;
    private final Set<String> ids;
    private final boolean again;

    private static final List<String> VALUES = List.of("v1", "v2", "v3", "v4", "v5", "v6");

    /**
     * A rule's pattern and where in it the value is.
     *
     * @param values the named groups that may hold it
     * @param group  the group that holds it when there are none of these
     * @param quotes whether group kq is the quote that closes the name
     */
    record Form(Pattern pattern, List<String> values, int group, boolean quotes) { }

    /** A redactor by this policy. */
    public Redactor(Policy policy) {
        this(policy, false);
    }

    private Redactor(Policy policy, boolean again) {
        this.policy = policy;
        this.again = again;
        this.rules = new ArrayList<>(policy.rules());
        List<Trigger> all = new ArrayList<>();
        for (int i = 0; i < policy.known().size(); i++) {
            for (String encoding : policy.known().get(i).encodings()) {
                all.add(Trigger.literal(i, encoding));
            }
        }
        for (int i = 0; i < rules.size(); i++) {
            for (String notation : rules.get(i).triggers()) {
                all.add(Trigger.parse(i, notation));
            }
        }
        rules.add(Rules.ENCODED);
        rules.add(Rules.PRIVATE_KEY);
        this.triggers = new Triggers(all);
        this.forms = new Form[rules.size()];
        this.ids = Stream.concat(rules.stream(), Rules.ALL.stream()).map(Rule::id).collect(Collectors.toUnmodifiableSet());
    }

    /** A redactor that lets nothing through. */
    public static Redactor strict() {
        return new Redactor(Policy.strict());
    }

    /** The same for text that is made of redacted text: stand-ins in it stay what they are. */
    public Redactor again() {
        return new Redactor(policy, true);
    }

    boolean sparesStandIns() {
        return again;
    }

    /** The text without secrets and personal data; for short texts, such as an error's body. */
    public String text(String text) {
        return new String(bytes(text.getBytes(StandardCharsets.UTF_8)), StandardCharsets.UTF_8);
    }

    /** The bytes without secrets and personal data; for what is held in memory anyway. */
    public byte[] bytes(byte[] bytes) {
        return cleaner(new Tally()).clean(bytes);
    }

    /** A worker for one thread, which counts into {@code tally}. */
    public Scan cleaner(Tally tally) {
        return new Scan(this, tally, 0);
    }

    /** What it goes by. */
    public Policy policy() {
        return policy;
    }

    List<Rule> rules() {
        return rules;
    }

    Triggers triggers() {
        return triggers;
    }

    /** The ids that stand-ins may begin with, those of relaxed rules among them. */
    Set<String> ids() {
        return ids;
    }

    // Two threads may compile the same form at once: either result is good.
    Form form(int rule) {
        Form form = forms[rule];
        if (form == null) {
            form = compile(rules.get(rule));
            forms[rule] = form;
        }
        return form;
    }

    private static Form compile(Rule rule) {
        Pattern pattern = rule.compile();
        List<String> values = VALUES.stream().filter(name -> rule.form().contains("(?<" + name + ">")).toList();
        return new Form(pattern, values, pattern.matcher("").groupCount() > 0 ? 1 : 0, rule.form().contains("(?<kq>"));
    }

    /** What a redactor goes by besides the table: which personal data may stay, which secrets are known, and the pseudonyms' key. */
    public static final class Policy {
        private final Set<String> keep;
        private final List<KnownValue> known;
        private final byte[] pseudonymKey;
        private final Set<String> harmless;

        private Policy(Set<String> keep, List<KnownValue> known, byte[] pseudonymKey, Set<String> harmless) {
            this.keep = keep;
            this.known = known;
            this.pseudonymKey = pseudonymKey;
            this.harmless = harmless;
        }

        /** Everything goes, and pseudonyms are keyed by a random key that nobody keeps. */
        public static Policy strict() {
            byte[] key = new byte[32];
            new SecureRandom().nextBytes(key);
            return new Policy(Set.of(), List.of(), key, Set.of());
        }

        /**
         * Lets personal data of these rules through.
         *
         * @throws Problem for a rule that is unknown, or that is about a secret
         */
        public Policy keeping(Set<String> rules) {
            Set<String> mayStay =
                    Rules.ALL.stream().filter(Rule::personal).map(Rule::id).collect(Collectors.toCollection(TreeSet::new));
            for (String rule : rules) {
                if (!mayStay.contains(rule)) {
                    throw new Problem(
                            "--keep " + rule + " is not possible: what may be kept is " + String.join(", ", mayStay));
                }
            }
            return new Policy(Set.copyOf(rules), known, pseudonymKey, harmless);
        }

        /** Searches for this value too, and for its encodings; one of fewer than 4 bytes would be found in everything and is ignored. */
        public Policy knowing(String id, String value) {
            if (value.getBytes(StandardCharsets.UTF_8).length < KnownValue.SHORTEST) {
                return this;
            }
            List<KnownValue> more = new ArrayList<>(known);
            more.add(new KnownValue(id, value));
            return new Policy(keep, List.copyOf(more), pseudonymKey, harmless);
        }

        /** Makes pseudonyms by this key, so that they are the same in every bundle that is made with it. */
        public Policy pseudonymsBy(byte[] key) {
            return new Policy(keep, known, key.clone(), harmless);
        }

        /** Lets these values through where a rule about personal data finds them: a vendor's public addresses are nobody's. */
        public Policy sparing(Set<String> values) {
            return new Policy(keep, known, pseudonymKey, Set.copyOf(values));
        }

        Set<String> harmless() {
            return harmless;
        }

        /** The ids of the rules that are relaxed, in order. */
        public Set<String> kept() {
            return new TreeSet<>(keep);
        }

        byte[] pseudonymKey() {
            return pseudonymKey;
        }

        /** The rules in force: known values first, since they are sure. */
        List<Rule> rules() {
            List<Rule> rules = new ArrayList<>(known.stream().map(KnownValue::rule).toList());
            Rules.ALL.stream().filter(rule -> !keep.contains(rule.id())).forEach(rules::add);
            return rules;
        }

        List<KnownValue> known() {
            return known;
        }
    }

    /** How often each rule was applied; never what it was applied to. Safe for several threads. */
    public static final class Tally {
        private final Map<String, Long> counts = new TreeMap<>();

        /** Counts some more. */
        public synchronized void add(String rule, long more) {
            if (more > 0) {
                counts.merge(rule, more, Long::sum);
            }
        }

        /** Counts what another counted. */
        public synchronized void add(Map<String, Long> others) {
            others.forEach(this::add);
        }

        /** A copy: rule id to count, ordered by id. */
        public synchronized Map<String, Long> counts() {
            return new TreeMap<>(counts);
        }

        /** All rules together. */
        public synchronized long total() {
            return counts.values().stream().mapToLong(Long::longValue).sum();
        }
    }
}
