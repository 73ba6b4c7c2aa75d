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
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.Prometheus.Point;

/**
 * What logs and measurements tell of calls to Klaviyo: the schema of a bundle's {@code facts.json}, and what {@code
 * triage --log} goes by. In their order: the time looked at ({@code from} is null for all of the log); the zone in
 * which times were read, and whether the log names it; lines and bytes read; calls by minute and endpoint, by time;
 * each endpoint's calls in its busiest sixty seconds, wherever the clock's minutes begin; the 20 loudest callers; the
 * first and the last failed call, or null; 429s and the waits that they asked for, by minute; whom failed calls were
 * about, by the pseudonyms of a redacted log; retry queues by instance; curves from Prometheus; incidents of the
 * vendor's that touch the time, oldest first; and what was not read or counted, a sentence each. All times are UTC,
 * and null where the log names none.
 */
public record Facts(int schema, Instant from, Instant to, String zone, boolean zoneNamed, long lines, long bytes,
        List<Minute> minutes, Map<String, Long> busiest, List<Caller> callers, Failure first, Failure last,
        List<Wait> waits, Customers customers, List<Queue> queue, List<Curve> metrics,
        List<StatusPage.Incident> vendor, List<String> notRead) {
    /** The schema that is written, and the only one that is read. */
    public static final int SCHEMA = 1;
    /** The status of a call that was not answered: a timeout, a refused connection. */
    public static final int NO_ANSWER = 0;
    /** Two failures further apart are of two troubles. */
    public static final Duration ONE_TROUBLE = Duration.ofMinutes(30);

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

    /**
     * When the trouble began that these times of failures end with, the newest first; empty without any.
     */
    public static Optional<Instant> began(Stream<Instant> failing) {
        return failing.reduce((began, at) -> at.isBefore(began.minus(ONE_TROUBLE)) ? began : at);
    }

    /** Endpoints, the loudest first. */
    public List<Rate> endpoints() {
        return minutes.stream().collect(Collectors.groupingBy(Minute::endpoint, TreeMap::new, Collectors.toList()))
                .values().stream().map(some -> Rate.of(some, busiest))
                .sorted(Comparator.comparing(rate -> -rate.calls)).toList();
    }

    /** The same with what was found elsewhere: queues, curves, the vendor's incidents, what is missing. */
    public Facts with(List<Queue> queues, List<Curve> curves, List<StatusPage.Incident> incidents,
            List<String> missing) {
        return new Facts(schema, from, to, zone, zoneNamed, lines, bytes, minutes, busiest, callers, first, last,
                waits, customers, queues, curves, incidents,
                Stream.concat(notRead.stream(), missing.stream()).toList());
    }

    /** The text of {@code facts.json}. */
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
        /** All its calls. */
        public long calls() {
            return statuses.values().stream().mapToLong(Long::longValue).sum();
        }

        /** Those of them that failed. */
        public long failed() {
            return statuses.entrySet().stream().filter(status -> Facts.failed(status.getKey()))
                    .mapToLong(Map.Entry::getValue).sum();
        }
    }

    /** Who called: its calls, and its share of all (0 to 1). */
    public record Caller(String name, long calls, double share) { }

    /** A call that failed: {@code at} is null where the line names no time, the endpoint may be empty. */
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

    /** Calls to one endpoint, those in its busiest minute, the last one near that, and since when half of it came. */
    public record Rate(String endpoint, long calls, long failed, long perMinute, Instant busyAt, Instant since) {
        private static Rate of(List<Minute> minutes, Map<String, Long> busiest) {
            long calls = minutes.stream().mapToLong(Minute::calls).sum();
            long failed = minutes.stream().mapToLong(Minute::failed).sum();
            String endpoint = minutes.get(0).endpoint;
            List<Minute> timed = minutes.stream().filter(minute -> minute.at != null).toList();
            if (timed.isEmpty()) {
                return new Rate(endpoint, calls, failed, 0, null, null);
            }
            Minute peak = Collections.max(timed, Comparator.comparing(Minute::calls));
            int since = timed.indexOf(peak);
            while (since > 0 && timed.get(since - 1).calls() * 2 >= peak.calls()) {
                since--;
            }
            Minute busy = timed.stream().filter(minute -> minute.calls() * 4 >= peak.calls() * 3)
                    .reduce(peak, (earlier, later) -> later);
            // Of logs read one after the other only the first is in the sixty seconds; the clock's minutes have all.
            long most = Math.max(peak.calls(), busiest.getOrDefault(endpoint, 0L));
            return new Rate(endpoint, calls, failed, most, busy.at, timed.get(since).at);
        }
    }

    /**
     * One call as a log tells it: {@code at} is null where the line names no time; {@code pause} is for how many
     * seconds its 429 asked; customers are told, by pseudonym, of a call that failed.
     */
    record Call(Instant at, String endpoint, String caller, int status, int pause, List<String> customers) { }

    /** Counts calls, in bounded memory. For one thread at a time. */
    static final class Counter {
        static final int MOST_CELLS = 60_000;
        private static final int MOST_CUSTOMERS = 50_000;
        private static final int MOST_NAMES = 200;
        private static final int MOST_TOLD = 20;

        private record Cell(Instant minute, String endpoint) { }

        private final UnaryOperator<String> clean;
        private final Map<Cell, SortedMap<Integer, Long>> cells = new HashMap<>();
        final Map<Instant, Wait> waits = new TreeMap<>(Comparator.nullsFirst(Instant::compareTo));
        // As they stand in the log, to what may be shown.
        private final Map<String, String> endpoints = new HashMap<>();
        private final Map<String, Latest> latest = new HashMap<>();
        final Map<String, Long> busiest = new HashMap<>();
        final Map<String, Long> callers = new HashMap<>();
        /** Those of now alone, among whom a loop's is to be looked for. */
        final Map<String, Long> callersLately = new HashMap<>();
        private final Instant lately;
        private final Map<String, Long> customers = new HashMap<>();
        long dropped;
        Failure first;
        Failure last;

        /** Calls since {@code lately} are of now; {@code clean} takes secrets and personal data out of a name. */
        Counter(Instant lately, UnaryOperator<String> clean) {
            this.lately = lately;
            this.clean = clean;
        }

        void add(Call call) {
            count(callers, call.caller, MOST_NAMES);
            if (call.at == null || !call.at.isBefore(lately)) {
                count(callersLately, call.caller, MOST_NAMES);
            }
            String endpoint = endpoints.computeIfAbsent(known(endpoints, call.endpoint, MOST_NAMES), clean);
            Instant minute = call.at == null ? null : call.at.truncatedTo(ChronoUnit.MINUTES);
            Cell cell = new Cell(minute, endpoint);
            if (cells.size() < MOST_CELLS || cells.containsKey(cell)) {
                cells.computeIfAbsent(cell, any -> new TreeMap<>()).merge(call.status, 1L, Long::sum);
            } else {
                dropped++;
            }
            if (call.at != null) {
                long sum = latest.computeIfAbsent(endpoint, any -> new Latest()).add(call.at.getEpochSecond());
                busiest.merge(endpoint, sum, Math::max);
            }
            if (call.status == 429) {
                waits.merge(minute, new Wait(minute, 1, call.pause), Wait::and);
            }
            if (failed(call.status)) {
                Failure failure = new Failure(call.at, call.status, endpoint);
                boolean timed = call.at != null;
                first = first == null || timed && (first.at == null || first.at.isAfter(call.at)) ? failure : first;
                last = last == null || timed && (last.at == null || !last.at.isAfter(call.at)) ? failure : last;
                call.customers.forEach(name -> count(customers, name, MOST_CUSTOMERS));
            }
        }

        // A name, or with the others once there are too many.
        private static String known(Map<String, ?> names, String name, int most) {
            return names.size() < most || names.containsKey(name) ? name : "other";
        }

        private static void count(Map<String, Long> counts, String name, int most) {
            counts.merge(known(counts, name, most), 1L, Long::sum);
        }

        List<Minute> minutes() {
            return cells.entrySet().stream().map(one -> new Minute(one.getKey().minute, one.getKey().endpoint,
                    one.getValue())).sorted(Comparator.comparing(Minute::at, Comparator.nullsFirst(Instant::compareTo))
                    .thenComparing(Minute::endpoint)).toList();
        }

        List<Caller> loudest(Map<String, Long> some) {
            double all = some.values().stream().mapToLong(Long::longValue).sum();
            return most(some).filter(one -> !one.getKey().isEmpty()).limit(MOST_TOLD).map(one ->
                    new Caller(clean.apply(one.getKey()), one.getValue(), one.getValue() / all)).toList();
        }

        Customers customers() {
            Map<String, Long> affected = new LinkedHashMap<>();
            most(customers).limit(MOST_NAMES).forEach(one -> affected.put(one.getKey(), one.getValue()));
            return new Customers(customers.size(), customers.size() >= MOST_CUSTOMERS, affected);
        }

        private static Stream<Map.Entry<String, Long>> most(Map<String, Long> counts) {
            return counts.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed()
                    .thenComparing(Map.Entry.comparingByKey()));
        }
    }

    /** Calls in the last sixty seconds in a row. */
    private static final class Latest {
        private final TreeMap<Long, Long> bySecond = new TreeMap<>();
        private long sum;

        long add(long second) {
            bySecond.merge(second, 1L, Long::sum);
            sum++;
            while (bySecond.firstKey() <= bySecond.lastKey() - 60) {
                sum -= bySecond.pollFirstEntry().getValue();
            }
            return sum;
        }
    }
}
