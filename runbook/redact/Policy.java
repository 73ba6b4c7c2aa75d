package runbook.redact;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import runbook.Settings.Problem;

/** What a redactor goes by besides the table: which personal data may stay, which secrets are known, and the pseudonyms' key. */
public final class Policy {
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
