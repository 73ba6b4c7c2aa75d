package runbook.redact;

import java.util.ArrayList;
import java.util.List;
import runbook.redact.Rule.Lead;
import runbook.redact.Rule.Same;

/**
 * The forms that the rules are made of. A name and its value are met in JSON, in JSON inside JSON, in URLs, forms, XML,
 * YAML, log key-values and the {@code toString()} of four languages: {@link #NAMED} and {@link #value} cover them once, so
 * that the table only lists names.
 */
final class Shapes {
    // Between a name and its value: what closes the name, then what assigns.
    private static final String CLOSES =
            "(?<kq>\\\\*+[\"']|%(?:25)*+2[27]|&quot;|&#3[49];|\\\\++u0022)?+(?:\\]|%(?:25)*+5[dD])*+";
    private static final String ASSIGNS =
            "[ \\t]*+(?:=>|:=|==|[:=>]|%(?:25)*+3[aAdD]|\\\\++u003[aAdDeE])(?:[ \\t]|%20|\\+(?=[ \"']))*+";
    private static final String OPENS = "(?:[\\[({][ \\t]*+)?+(?:[ubU](?=[\"']))?+";
    private static final String NAMED = CLOSES + ASSIGNS + OPENS;

    // The plain case comes first, for speed. Else a quoted value ends at a quote with as many backslashes as its first
    // had, or at the line's end.
    private static final String QUOTED =
            "\"(?<v1>[^\"\\\\\\n]*+)\"|(?<b>\\\\*+)(?<q>[\"'])(?<v6>[^\\n]*?)(?:(?<!\\\\)\\k<b>\\k<q>|(?=\\r?\\n|\\z))"
                    + "|%(?:25)*+2[27](?<v2>[^\\n&\\s\"]*?)(?:%(?:25)*+2[27]|(?=[&\\s\"]|\\z))"
                    + "|(?:&quot;|&#34;)(?<v3>[^\\n]*?)(?:&quot;|&#34;|(?=\\n|\\z))"
                    + "|\\\\++u0022(?<v4>[^\\n]*?)(?:\\\\++u0022|(?=\\n|\\z))";
    private static final String NO_VALUE = "(?!(?i:null|nil|none|undefined|true|false|n/a)(?![\\w-]))";

    // An unquoted secret may hold delimiters: one ends it only when a space, a quote, another delimiter or a new name
    // follows.
    private static final String SECRET =
            "[^\\s\"'<>,;&)}\\]\\\\]++(?:(?:[,;)}\\]](?![\\s\"'<>,;&)}\\]\\\\]|[\\w.$-]+[=:]|\\z)|&(?![\\w.$%\\[\\]-]*+=)|\\\\(?![\\\\n"
                + "rt\"'u]))[^\\s\"'<>,;&)}\\]\\\\]++){0,32}+";
    private static final String WORD = "[^\\s\"'<>,;&)}\\]|\\\\]++";
    private static final String NAME =
            WORD + "(?: [A-Z\\x80-\\xff](?:[^\\s\"'<>,;&)}\\]|\\\\=:]*+)(?![=:\"\\]])){0,3}+";
    private static final String ADDRESS =
            WORD + "(?: [A-Z0-9#\\x80-\\xff](?:[^\\s\"'<>,;&)}\\]|\\\\=:]*+)(?![=:\"\\]])){0,6}+";
    private static final String REST = "[^\\n\"'\\\\<>{}]++";

    /** A header's or a field's credentials, their scheme kept: a missing scheme is a finding of its own. */
    static final String AUTHORIZATION = "(?i:authorization)" + NAMED
            + "(?:\\\\*+[\"']|%(?:25)*+2[27]|&quot;|\\\\++u0022)?+(?:(?i:digest|aws4-hmac-sha256)["
            + " ](?<v1>[^\\n"
            + "]+)|(?:(?i:klaviyo-api-key|bearer|basic|token|apikey)(?:["
            + " +]|%20)++)?+(?<v2>"
            + SECRET + "(?: [\\w.~+/%-]{6,}+=*+(?![=:]))?+))";

    private Shapes() { }

    /** A secret by its name. */
    static Rule secret(String id, List<String> triggers, String names, String matches, String spares) {
        return new Rule(id, false, triggers, Lead.NONE, names + NAMED + value(SECRET), Same.AS_WRITTEN, matches, spares);
    }

    /** A secret that takes up the rest of its line, such as a header with several parts. */
    static Rule rest(String id, List<String> triggers, String names, String matches, String spares) {
        return new Rule(id, false, triggers, Lead.NONE, names + NAMED + value(REST), Same.AS_WRITTEN, matches, spares);
    }

    /** A secret that its own form gives away. */
    static Rule token(String id, List<String> triggers, String form, String matches, String spares) {
        return new Rule(id, false, triggers, Lead.NONE, form, Same.AS_WRITTEN, matches, spares);
    }

    /** One word of personal data by the names of its field, which are also its triggers ({@code ^}: no letter there). */
    static Rule field(String id, List<String> names, String matches, String spares) {
        return personal(id, names, WORD, matches, spares);
    }

    /** A person's or a town's name by the names of its field. */
    static Rule name(String id, List<String> names, String matches, String spares) {
        return personal(id, names, NAME, matches, spares);
    }

    /** A postal address by the names of its field. */
    static Rule address(String id, List<String> names, String matches, String spares) {
        return personal(id, names, ADDRESS, matches, spares);
    }

    /** Personal data that its own form gives away. */
    static Rule shown(String id, List<String> triggers, Lead lead, String form, Same same, String matches, String spares) {
        return new Rule(id, true, triggers, lead, form, same, matches, spares);
    }

    /** A phone number by the names of its field: a row of its own, and the same pseudonyms as where its form gives it away. */
    static Rule phone(List<String> names, String matches, String spares) {
        Rule rule = personal("phone", names, WORD, matches, spares);
        return new Rule(rule.id(), true, names, rule.lead(), rule.form(), Same.DIGITS, matches, spares);
    }

    private static Rule personal(String id, List<String> names, String unquoted, String matches, String spares) {
        List<String> patterns = new ArrayList<>();
        for (String name : names) {
            patterns.add(
                    name.startsWith("^") ? "[^A-Za-z]?+" + name.substring(1).replace("^", "") : name.replace("^", ""));
        }
        return new Rule(
                id,
                true,
                names,
                Lead.NONE,
                "(?i:" + String.join("|", patterns) + ")" + NAMED + value(unquoted),
                Same.ANY_CASE,
                matches,
                spares);
    }

    private static String value(String unquoted) {
        return "(?:" + QUOTED + "|" + NO_VALUE + "(?<v5>" + unquoted + "))";
    }
}
