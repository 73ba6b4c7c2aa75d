package runbook.sandbox;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Klaviyo's filter language as far as these endpoints offer it: {@code greater-than(datetime,2026-11-01T00:00:00Z)}, joined by {@code and()} or commas. */
final class Filter {
    private static final Pattern ALL_OF = Pattern.compile("and\\((.*)\\)");
    private static final Pattern TERM = Pattern.compile(
            "([a-z-]+)\\(([A-Za-z_.]+)(?:,\\s*(\"[^\"]*\"|'[^']*'|\\[[^\\]]*]|[^,()\"']+))?\\)(,|$)");
    private static final Map<String, Predicate<Integer>> COMPARISONS = Map.of(
            "equals", order -> order == 0,
            "greater-than", order -> order > 0, "greater-or-equal", order -> order >= 0,
            "less-than", order -> order < 0, "less-or-equal", order -> order <= 0);
    private static final Map<String, String> PLACES = Map.of(
            "id",
            "id",
            "metric_id",
            "relationships.metric.data.id",
            "profile_id",
            "relationships.profile.data.id",
            "metric",
            "relationships.metric.data",
            "profile",
            "relationships.profile.data");

    private Filter() { }

    /** Reads a filter, or refuses what the endpoint does not offer. */
    static Predicate<Map<String, Object>> read(String text, Map<String, String> offered) {
        Matcher all = ALL_OF.matcher(text);
        Matcher term = TERM.matcher(all.matches() ? all.group(1) : text);
        List<Predicate<Map<String, Object>>> terms = new ArrayList<>();
        int end = 0;
        while (term.find() && term.start() == end) {
            terms.add(term(term.group(1), term.group(2), term.group(3), offered));
            end = term.end();
        }
        if (terms.isEmpty() || !term.hitEnd() || end != (all.matches() ? all.group(1) : text).length()) {
            throw KlaviyoErrors.parameter("filter", "Filter must be of the form operator(field,value).");
        }
        return terms.stream().reduce(Predicate::and).orElseThrow();
    }

    private static Predicate<Map<String, Object>> term(String operator, String field, String value, Map<String, String> offered) {
        if (!Set.of(offered.getOrDefault(field, "").split(" ")).contains(operator)) {
            throw KlaviyoErrors.parameter("filter", "'" + operator + "' is not allowed on '" + field + "'.");
        }
        if (value == null && !operator.equals("has")) {
            throw KlaviyoErrors.parameter("filter", "'" + operator + "' needs a value.");
        }
        String place = PLACES.getOrDefault(field, "attributes." + field);
        return resource -> KlaviyoData.at(resource, place).filter(found -> holds(operator, found, value)).isPresent();
    }

    private static boolean holds(String operator, Object found, String value) {
        return switch (operator) {
            case "has" -> true;
            case "any" ->
                Arrays.stream(value.replaceAll("[\\[\\]]", "").split(",")).anyMatch(one -> order(found, one) == 0);
            default -> COMPARISONS.get(operator).test(order(found, value));
        };
    }

    private static int order(Object found, String value) {
        String plain = value.strip().replaceAll("^[\"']|[\"']$", "");
        if (found instanceof Number number && plain.matches("-?\\d{1,18}")) {
            return Long.compare(number.longValue(), Long.parseLong(plain));
        }
        try {
            return java.time.OffsetDateTime.parse(found.toString()).compareTo(java.time.OffsetDateTime.parse(plain));
        } catch (java.time.format.DateTimeParseException e) {
            return found.toString().compareTo(plain);
        }
    }
}
