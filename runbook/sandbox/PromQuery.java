package runbook.sandbox;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The part of PromQL that a runbook needs: a selector, {@code increase} or {@code rate} over a range, {@code sum} or
 * {@code max} over all or {@code by} some labels. Anything else is refused as a parse error rather than guessed at.
 *
 * @param aggregate {@code sum}, {@code max} or empty
 * @param by        the labels kept by the aggregate
 * @param function  {@code increase}, {@code rate} or empty
 * @param range     of the function; null without one
 */
record PromQuery(String aggregate, List<String> by, String function, String metric, List<Match> matchers, Duration range) {
    /** A label matcher such as {@code status=~"5.."}. */
    record Match(String label, String operator, String value) {
        boolean accepts(Map<String, String> labels) {
            String actual = labels.getOrDefault(label, "");
            boolean equal = operator.contains("~") ? actual.matches(value) : actual.equals(value);
            return operator.startsWith("!") != equal;
        }
    }

    private static final String LABELS = "by\\s*\\(([\\w\\s,]*)\\)";
    private static final Pattern AGGREGATE = Pattern.compile(
            "(sum|max)\\s*(?:" + LABELS + "\\s*)?\\((.*?)\\)\\s*(?:" + LABELS + ")?");
    private static final Pattern FUNCTION = Pattern.compile("(increase|rate)\\s*\\((.*)\\)");
    private static final Pattern SELECTOR =
            Pattern.compile("([a-zA-Z_:][\\w:]*)\\s*(?:\\{(.*)})?\\s*(?:\\[(\\d{1,6})(ms|s|m|h|d)])?");
    private static final Pattern MATCHER = Pattern.compile("\\s*(\\w+)\\s*(=~|!~|!=|=)\\s*\"([^\"]*)\"\\s*(,|$)");
    private static final Map<String, Duration> UNITS = Map.of("ms", Duration.ofMillis(1), "s", Duration.ofSeconds(1),
            "m", Duration.ofMinutes(1), "h", Duration.ofHours(1), "d", Duration.ofDays(1));

    /** Reads a query; an {@link IllegalArgumentException} says what is wrong with it. */
    static PromQuery read(String text) {
        Matcher aggregate = AGGREGATE.matcher(text.strip());
        if (!aggregate.matches()) {
            return inner("", List.of(), text.strip());
        }
        String labels = aggregate.group(2) != null ? aggregate.group(2) : aggregate.group(4);
        List<String> by = labels == null || labels.isBlank() ? List.of() : List.of(labels.strip().split("\\s*,\\s*"));
        return inner(aggregate.group(1), by, aggregate.group(3).strip());
    }

    private static PromQuery inner(String aggregate, List<String> by, String text) {
        Matcher function = FUNCTION.matcher(text);
        boolean called = function.matches();
        Matcher selector = SELECTOR.matcher(called ? function.group(2).strip() : text);
        if (!selector.matches()) {
            throw new IllegalArgumentException("1:1: parse error: unexpected input in \"" + text + "\"");
        }
        Duration range = selector.group(3) == null ? null
                : UNITS.get(selector.group(4)).multipliedBy(Long.parseLong(selector.group(3)));
        if (called != (range != null)) {
            throw new IllegalArgumentException(
                    called
                            ? "1:1: parse error: expected type range vector in call to function \"" + function.group(1)
                                    + "\", got instant vector"
                            : "invalid expression type \"range vector\" for range query, must be Scalar or instant"
                                    + " Vector");
        }
        return new PromQuery(
                aggregate, by, called ? function.group(1) : "", selector.group(1), matchers(selector.group(2)), range);
    }

    private static List<Match> matchers(String text) {
        List<Match> matchers = new ArrayList<>();
        int end = 0;
        Matcher matcher = MATCHER.matcher(text == null ? "" : text);
        while (matcher.find() && matcher.start() == end) {
            matchers.add(new Match(matcher.group(1), matcher.group(2), matcher.group(3)));
            end = matcher.end();
        }
        if (text != null && end != text.length()) {
            throw new IllegalArgumentException("1:1: parse error: unexpected label matcher in {" + text + "}");
        }
        return List.copyOf(matchers);
    }

    boolean selects(Map<String, String> labels) {
        return matchers.stream().allMatch(match -> match.accepts(labels));
    }

    /** The labels that a series keeps in the result. */
    Map<String, String> kept(Map<String, String> labels) {
        Map<String, String> kept = new HashMap<>(labels);
        if (!aggregate.isEmpty()) {
            kept.keySet().retainAll(by);
        } else if (function.isEmpty()) {
            kept.put("__name__", metric);
        }
        return kept;
    }
}
