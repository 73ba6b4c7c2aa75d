package runbook.report;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Failed calls to Klaviyo, counted from an application's log lines (a bundle's, so customers are pseudonyms in them). */
final class Logs {
    private static final int LONGEST_LINE = 8_000;
    private static final int MOST_ENDPOINTS = 50;
    private static final int MOST_CUSTOMERS = 1_000_000;
    private static final Pattern STATUS =
            Pattern.compile("(?i)(?:status(?:_?code)?|http(?:_status)?(?:/[\\d.]+\")?|code|response)[\"']?\\s*[=:"
                    + " ]\\s*[\"']?([45]\\d\\d)\\b");
    private static final Pattern ENDPOINT =
            Pattern.compile("(?:\\b(GET|POST|PUT|PATCH|DELETE)[\"']?[\\s,]+[^\\s]*?)?(/api/[a-z][a-z-]*)");
    private static final Pattern CUSTOMER =
            Pattern.compile("\\b(?:email|phone|profile|external-id|external_id|customer)-[0-9a-f]{6,16}\\b");
    private static final Pattern TIME = Pattern.compile(
            "\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?\\s?(?:Z|[+-]\\d\\d:?\\d\\d)?");

    private final Map<String, Long> failed = new TreeMap<>();
    private final Map<String, Long> endpoints = new TreeMap<>();
    private final Set<String> customers = new TreeSet<>();
    private Instant first;
    private Instant last;

    /** Counts one line, if it tells of a failed call. */
    void take(String line) {
        String head = line.length() > LONGEST_LINE ? line.substring(0, LONGEST_LINE) : line;
        Matcher status = STATUS.matcher(head);
        if (!status.find()) {
            return;
        }
        failed.merge(status.group(1), 1L, Long::sum);
        Matcher endpoint = ENDPOINT.matcher(head);
        if (endpoint.find()) {
            String call = (endpoint.group(1) == null ? "" : endpoint.group(1) + " ") + endpoint.group(2);
            if (endpoints.containsKey(call) || endpoints.size() < MOST_ENDPOINTS) {
                endpoints.merge(call, 1L, Long::sum);
            }
        }
        Matcher customer = CUSTOMER.matcher(head);
        while (customer.find() && customers.size() < MOST_CUSTOMERS) {
            customers.add(customer.group());
        }
        time(head).ifPresent(this::seen);
    }

    private void seen(Instant at) {
        first = first == null || at.isBefore(first) ? at : first;
        last = last == null || at.isAfter(last) ? at : last;
    }

    private static Optional<Instant> time(String line) {
        Matcher time = TIME.matcher(line);
        if (!time.find()) {
            return Optional.empty();
        }
        String text = time.group()
                .replace(',', '.')
                .replaceFirst(" (?=\\d\\d:)", "T")
                .replace(" ", "")
                .replaceFirst("([+-]\\d\\d)(\\d\\d)$", "$1:$2");
        try {
            return Optional.of(OffsetDateTime.parse(text.matches(".*(Z|[+-]\\d\\d:\\d\\d)") ? text : text + "Z")
                    .toInstant());
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    /** Failed calls by HTTP status. */
    Map<String, Long> failed() {
        return failed;
    }

    /** Failed calls by method and route, such as {@code POST /api/events}. */
    Map<String, Long> endpoints() {
        return endpoints;
    }

    /** Customers that the failed calls were about. */
    int customers() {
        return customers.size();
    }

    /** The first failed call. */
    Optional<Instant> first() {
        return Optional.ofNullable(first);
    }

    /** The last failed call. */
    Optional<Instant> last() {
        return Optional.ofNullable(last);
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s, %d customers", failed, customers.size());
    }
}
