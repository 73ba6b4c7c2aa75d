package runbook.redact;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;

/** The table's samples, for whoever wants to try them. */
public final class RuleSamples {
    /** A rule's id, what it must match and what it must not. */
    public record Sample(String rule, String matches, String spares) { }

    private RuleSamples() { }

    /** How often the table's patterns are found when each is simply searched for: what the redactor's speed is measured against. */
    public static long plainly(String text) {
        long found = 0;
        for (Rule rule : Rules.ALL) {
            Matcher matcher = rule.compile().matcher("");
            found += text.lines().mapToLong(line -> matcher.reset(line).results().count()).sum();
        }
        return found;
    }

    /** One for every row, in the table's order. */
    public static List<Sample> all() {
        List<Rule> rules = new ArrayList<>(Rules.ALL);
        rules.add(Rules.ENCODED);
        rules.add(Rules.PRIVATE_KEY);
        return rules.stream().map(rule -> new Sample(rule.id(), rule.matches(), rule.spares())).toList();
    }
}
