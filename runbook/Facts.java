package runbook;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import runbook.Prometheus.Point;

/**
 * What logs and measurements tell of calls to Klaviyo: the schema of a bundle's {@code facts.json}, and what {@code
 * triage --log} goes by. In their order: the time looked at ({@code from} is null for all of the log); the zone in
 * which times were read, and whether the log names it; lines and bytes read; calls by minute and endpoint, by time;
 * the 20 loudest callers; the first and the last failed call, or null; 429s and the waits that they asked for, by
 * minute; whom failed calls were about, by the pseudonyms of a redacted log; retry queues by instance; curves from
 * Prometheus; incidents of the vendor's that touch the time, oldest first; and what was not read or counted, a
 * sentence each. All times are UTC, and null where the log names none.
 */
public record Facts(int schema, Instant from, Instant to, String zone, boolean zoneNamed, long lines, long bytes,
        List<Minute> minutes, List<Caller> callers, Failure first, Failure last, List<Wait> waits,
        Customers customers, List<Queue> queue, List<Curve> metrics, List<StatusPage.Incident> vendor,
        List<String> notRead) {
    /** What this build reads and writes. */
    public static final int SCHEMA = 1;
    /** The status of a call that was not answered: a timeout, a refused connection. */
    public static final int NO_ANSWER = 0;

    public Facts {
        customers = customers == null ? new Customers(0, false, Map.of()) : customers;
    }

    /** Whether a status is a failure: 4xx, 5xx or no answer. */
    public static boolean failed(int status) {
        return status == NO_ANSWER || status >= 400;
    }

    /** Status to calls. */
    public SortedMap<Integer, Long> statuses() {
        SortedMap<Integer, Long> all = new TreeMap<>();
        minutes.forEach(minute -> minute.statuses.forEach((status, calls) -> all.merge(status, calls, Long::sum)));
        return all;
    }

    /** Endpoints, the loudest first. */
    public List<Rate> endpoints() {
        long all = Math.max(1, minutes.stream().mapToLong(Minute::calls).sum());
        return minutes.stream().collect(Collectors.groupingBy(Minute::endpoint, TreeMap::new, Collectors.toList()))
                .values().stream().map(some -> Rate.of(some, all)).sorted(Comparator.comparing(rate -> -rate.calls))
                .toList();
    }

    /** The same with what was found elsewhere: queues, curves, the vendor's incidents, what is missing. */
    public Facts with(List<Queue> queues, List<Curve> curves, List<StatusPage.Incident> incidents,
            List<String> missing) {
        return new Facts(schema, from, to, zone, zoneNamed, lines, bytes, minutes, callers, first, last, waits,
                customers, queues, curves, incidents, Stream.concat(notRead.stream(), missing.stream()).toList());
    }

    /** As JSON. */
    public String json() {
        try {
            return Mapped.MAPPER.writeValueAsString(this) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("facts are plain values", e);
        }
    }

    /**
     * Reads {@code facts.json}.
     *
     * @throws IOException in words, when it is none, or of a schema that this build does not know
     */
    public static Facts read(byte[] json) throws IOException {
        try {
            Facts facts = Mapped.MAPPER.readValue(json, Facts.class);
            if (facts == null || facts.schema != SCHEMA) {
                throw new IOException("facts.json is of schema " + (facts == null ? "null" : facts.schema)
                        + ", not " + SCHEMA);
            }
            return facts;
        } catch (JsonProcessingException e) {
            throw new IOException("facts.json is no facts file: " + Text.safe(e.getOriginalMessage(), 120));
        }
    }

    /** Made when a bundle first asks for it: triage counts, and neither reads nor writes the file. */
    private static final class Mapped {
        static final JsonSetter.Value FULL = JsonSetter.Value.forValueNulls(Nulls.AS_EMPTY, Nulls.SKIP);
        static final ObjectMapper MAPPER = JsonMapper.builder()
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).addMixIn(Instant.class, Time.class)
                // A file from elsewhere may lack lists, or elements of them.
                .withConfigOverride(List.class, list -> list.setSetterInfo(FULL))
                .withConfigOverride(Map.class, map -> map.setSetterInfo(FULL)).build();
    }

    /** How times are written in JSON. */
    private abstract static class Time {
        @JsonCreator
        static Instant parse(CharSequence text) {
            throw new UnsupportedOperationException("Instant's is called");
        }

        @JsonValue
        @Override
        public abstract String toString();
    }

    /**
     * Calls to one endpoint in one minute: {@code at} is its begin, {@code endpoint} may be empty, statuses to
     * calls.
     */
    public record Minute(Instant at, String endpoint, SortedMap<Integer, Long> statuses) {
        static final Comparator<Minute> IN_ORDER = Comparator.comparing(Minute::at,
                Comparator.nullsFirst(Instant::compareTo)).thenComparing(Minute::endpoint);

        /** Calls of any status. */
        public long calls() {
            return statuses.values().stream().mapToLong(Long::longValue).sum();
        }

        /** Those that failed. */
        public long failed() {
            return statuses.entrySet().stream().filter(status -> Facts.failed(status.getKey()))
                    .mapToLong(Map.Entry::getValue).sum();
        }
    }

    /** Who called: its calls, and its share of all (0 to 1). */
    public record Caller(String name, long calls, double share) { }

    /** One failed call. */
    public record Failure(Instant at, int status, String endpoint) { }

    /** A minute's 429s, and the longest wait in seconds that was asked for; 0 where none named one. */
    public record Wait(Instant at, long count, int longestSeconds) {
        Wait and(Wait other) {
            return new Wait(at, count + other.count, Math.max(longestSeconds, other.longestSeconds));
        }
    }

    /** How many customers, whether there may be more, and the 200 with most failed calls: pseudonym to how many. */
    public record Customers(long count, boolean more, Map<String, Long> most) { }

    /** A retry queue: calls that wait to be repeated, on one instance, at the first, highest and last look. */
    public record Queue(String instance, Instant firstAt, double first, Instant peakAt, double peak, Instant lastAt,
            double last) {
        /** What still waits at the end; empty where it drained: it is back at what it held before, or nearly empty. */
        public Optional<Double> left() {
            double usual = first < peak / 2 ? Math.max(first * 1.1, first + 1) : 1;
            return Optional.of(last).filter(some -> some > usual);
        }

        /** What was seen of it, by time, once at least. */
        public static Queue of(String instance, List<Point> looks) {
            Point first = looks.get(0);
            Point peak = Collections.max(looks, Comparator.comparing(Point::value));
            Point last = looks.get(looks.size() - 1);
            return new Queue(instance, first.at(), first.value(), peak.at(), peak.value(), last.at(), last.value());
        }
    }

    /**
     * One series of a query; {@code grown} is by how much a counter grew in the time looked at, restarts told
     * apart; else 0.
     */
    public record Curve(String query, String name, String unit, double grown, List<Point> points) { }

    /** Calls to one endpoint, its busiest minute in calls, the last one near that, and since when half of it came. */
    public record Rate(String endpoint, long calls, long failed, double share, long perMinute, Instant busyAt,
            Instant since) {
        private static Rate of(List<Minute> minutes, long all) {
            long calls = minutes.stream().mapToLong(Minute::calls).sum();
            long failed = minutes.stream().mapToLong(Minute::failed).sum();
            double share = calls / (double) all;
            String endpoint = minutes.get(0).endpoint;
            List<Minute> timed = minutes.stream().filter(minute -> minute.at != null).toList();
            if (timed.isEmpty()) {
                return new Rate(endpoint, calls, failed, share, 0, null, null);
            }
            Minute peak = Collections.max(timed, Comparator.comparing(Minute::calls));
            int since = timed.indexOf(peak);
            while (since > 0 && timed.get(since - 1).calls() * 2 >= peak.calls()) {
                since--;
            }
            Minute busy = timed.stream().filter(minute -> minute.calls() * 4 >= peak.calls() * 3)
                    .reduce(peak, (earlier, later) -> later);
            return new Rate(endpoint, calls, failed, share, peak.calls(), busy.at, timed.get(since).at);
        }
    }
}
