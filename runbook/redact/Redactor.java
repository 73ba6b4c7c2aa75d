package runbook.redact;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Takes secrets and personal data out of text. Thread-safe; the work is done by {@link Cleaner}s, one for each thread.
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
    public Cleaner cleaner(Tally tally) {
        return new Cleaner(this, tally, 0);
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
}
