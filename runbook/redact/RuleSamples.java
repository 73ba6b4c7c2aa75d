package runbook.redact;

import java.util.ArrayList;
import java.util.List;

/** The table's samples, for whoever wants to try them. */
public final class RuleSamples {
    /** A rule's id, what it must match and what it must not. */
    public record Sample(String rule, String matches, String spares) { }

    private RuleSamples() { }

    /** One for every row, in the table's order. */
    public static List<Sample> all() {
        List<Rule> rules = new ArrayList<>(Rules.ALL);
        rules.add(Rules.ENCODED);
        rules.add(Rules.PRIVATE_KEY);
        return rules.stream().map(rule -> new Sample(rule.id(), rule.matches(), rule.spares())).toList();
    }
}
