package runbook.report;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Text;

/** Text from outside as Markdown that says just that: no markup, link, mention, issue number or HTML comes of it. */
final class Markdown {
    private static final Pattern MARKUP = Pattern.compile("[\\\\`*\\[\\]|~$]|(?<![\\p{Alnum}_])_|_(?![\\p{Alnum}_])");
    // At the beginning of a line: headings (of both kinds), lists, quotes, rules.
    private static final Pattern BLOCK = Pattern.compile("^([#+=-]|\\d{1,9}(?=[.)]))");
    // GitHub and GitLab notify whoever is mentioned and link whatever looks like an issue; Markdown itself knows neither.
    private static final Pattern REFERENCE = Pattern.compile("(?<![\\p{Alnum}&])([@#!%])(?=[\\p{Alnum}])");
    private static final String NOTHING = "&#8203;";

    private Markdown() { }

    /** One line of at most {@code max} characters before escaping; fit for a paragraph, a list item or a table's cell. */
    static String text(String outside, int max) {
        String html = Text.safe(outside, max).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        String plain = MARKUP.matcher(html).replaceAll(found -> "\\\\" + Matcher.quoteReplacement(found.group()));
        String inline = REFERENCE.matcher(plain).replaceAll("$1" + NOTHING);
        return BLOCK.matcher(inline)
                .replaceFirst(found -> inline.matches("(?s)\\d.*") ? found.group() + "\\\\" : "\\\\" + found.group());
    }

    /** The same, of a length that a table can bear. */
    static String text(String outside) {
        return text(outside, 300);
    }

    /** Outside text of several lines, as a block quote with its line breaks kept. */
    static String quote(String outside, int maxLines) {
        StringBuilder quote = new StringBuilder();
        outside.lines()
                .limit(maxLines)
                .forEach(line -> quote.append("> ").append(text(line)).append(line.isBlank() ? "\n" : "  \n"));
        return quote.toString().stripTrailing();
    }
}
