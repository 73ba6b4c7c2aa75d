package runbook;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.deser.std.FromStringDeserializer;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads an application's logs for what they tell of its calls to Klaviyo, and counts it into {@link Facts}. A call is
 * a line with an
 * HTTP status that names Klaviyo or a route of its API; a body and a stack trace below it belong to the same call.
 * Logs are read as
 * streams, several at once, in bounded memory. Safe for several threads; each log has a {@link Source}, for one thread.
 */
public final class LogReader {
    private static final int LONGEST_LINE = 4_000;
    private static final int LONGEST_EXAMPLE = 300;
    private static final int MOST_CELLS = 60_000;
    private static final int MOST_KINDS = 5_000;
    private static final int MOST_CUSTOMERS = 50_000;
    private static final int MOST_NAMES = 200;
    private static final long MINUTE = 60_000;
    private static final String OTHER = "other";
    private static final Pattern WAIT = Pattern.compile("(?i)(?:retry[-_ ]?after|expected available in|retry(?:ing)? "
            + "in|wait(?:ing)?)[\"' =:]{1,4}(\\d{1,6})(?!\\d|\\.\\d|ms| ms)");
    private static final Pattern QUEUE = Pattern.compile("(?i)(?:queue|backlog).{0,40}?\\b(?:depth|size|length|"
            + "pending|waiting|lag)[\"' =:]{1,4}(\\d{1,9})\\b");

    private final ZoneId zone;
    private final Instant from;
    private final Instant to;
    private final UnaryOperator<String> pseudonym;
    private final UnaryOperator<String> clean;
    private final Counts ofKlaviyo = new Counts();
    private final Counts ofNobody = new Counts();
    private final Map<String, Facts.Queue> queues = new TreeMap<>();
    private final Map<Long, LogLine.Shape> shapes = new HashMap<>();
    private final TreeSet<String> zones = new TreeSet<>();
    private final TreeSet<String> notRead = new TreeSet<>();
    private boolean zoneMissing;
    private long lines;
    private long bytes;
    private long outside;

    /**
     * A reader of one application's logs.
     *
     * @param zone      of times that name none
     * @param from      calls before it are left out; null for all
     * @param to        calls after it are left out; tells the year of times without one
     * @param pseudonym what a customer's address or phone number is called in the facts; pseudonyms of a redacted log
     * stay
     * @param clean     takes secrets and personal data out of a text that ends up in the facts
     */
    public LogReader(ZoneId zone, Instant from, Instant to, UnaryOperator<String> pseudonym,
            UnaryOperator<String> clean) {
        this.zone = zone;
        this.from = from;
        this.to = to;
        this.pseudonym = pseudonym;
        this.clean = clean;
    }

    /** Reads a log to its end. Where it breaks off is noted in the facts. */
    public void read(String name, InputStream log) {
        Source source = source(name);
        byte[] buffer = new byte[1 << 16];
        try {
            for (int read = log.read(buffer); read >= 0; read = log.read(buffer)) {
                source.take(buffer, 0, read);
            }
        } catch (IOException e) {
            notRead(name + ": " + Incident.why(e));
        }
        source.end();
    }

    /** One log, whose bytes are given piece by piece; {@code name} is the instance whose retry queue it tells of. */
    public Source source(String name) {
        return new Source(name);
    }

    /** Says that something was not read. */
    public synchronized void notRead(String what) {
        notRead.add(Text.safe(clean.apply(what), 200));
    }

    /** One log while it is read. For one thread. */
    public final class Source {
        private final String name;
        private final LogLine.Stamps stamps = new LogLine.Stamps(zone, to);
        private final byte[] rest = new byte[LONGEST_LINE];
        private int kept;
        // Of the record that the last lines belong to: one with a time, and those without one below it.
        private long time = LogLine.NO_TIME;
        private boolean klaviyo;
        private boolean told;

        private Source(String name) {
            this.name = name;
        }

        /** Takes the next bytes, which may end anywhere. */
        public void take(byte[] data, int offset, int length) {
            synchronized (LogReader.this) {
                bytes += length;
                int start = offset;
                for (int i = offset; i < offset + length; i++) {
                    if (data[i] == '\n') {
                        if (kept > 0) {
                            keep(data, start, i);
                            endOfLine();
                        } else {
                            line(data, start, Math.min(i, start + LONGEST_LINE));
                        }
                        start = i + 1;
                    }
                }
                keep(data, start, offset + length);
            }
        }

        /** No more will come. */
        public void end() {
            synchronized (LogReader.this) {
                endOfLine();
                if (time != LogLine.NO_TIME) {
                    zones.add(stamps.zone());
                    zoneMissing |= !stamps.named();
                }
            }
        }

        private void keep(byte[] data, int start, int end) {
            int more = Math.min(end - start, rest.length - kept);
            System.arraycopy(data, start, rest, kept, more);
            kept += more;
        }

        private void endOfLine() {
            if (kept > 0) {
                line(rest, 0, kept);
                kept = 0;
            }
        }

        private void line(byte[] data, int start, int end) {
            lines++;
            long stamp = stamps.find(data, start, end);
            if (stamp != LogLine.NO_TIME || time == LogLine.NO_TIME) {
                time = stamp;
                klaviyo = false;
                told = false;
            }
            LogLine.Marks marks = LogLine.Marks.in(data, start, end);
            klaviyo |= marks.klaviyo();
            // Lines that name neither count only where no line does.
            if (klaviyo || marks.number() && (marks.route() || ofKlaviyo.calls == 0)) {
                look(new String(data, start, end - start, StandardCharsets.ISO_8859_1), marks);
            }
        }

        private void look(String line, LogLine.Marks marks) {
            long kind = LogLine.kind(line, Math.min(line.length(), LONGEST_EXAMPLE));
            LogLine.Shape shape = shapes.get(kind);
            if (shape == null) {
                shape = LogLine.Shape.of(line);
                if (shapes.size() < MOST_KINDS) {
                    shapes.put(kind, shape);
                }
            }
            int status = told || !marks.number() ? LogLine.NO_STATUS : LogLine.status(line);
            if (status == LogLine.NO_STATUS && !told && klaviyo && shape.unanswered()) {
                status = Facts.NO_ANSWER;
            }
            if (status != LogLine.NO_STATUS && (klaviyo || !shape.elsewhere())) {
                told = true;
                call(klaviyo || !shape.endpoint().isEmpty() ? ofKlaviyo : ofNobody, new Call(time, status, shape, kind,
                        line));
            }
            Matcher depth = klaviyo && shape.queue() ? QUEUE.matcher(line) : null;
            if (depth != null && depth.find()) {
                Facts.Queue seen = Facts.Queue.one(name, instant(time), Double.parseDouble(depth.group(1)));
                queues.merge(name, seen, Facts.Queue::then);
            }
        }

        private void call(Counts counts, Call call) {
            if (time != LogLine.NO_TIME && (from != null && time < from.toEpochMilli() || time > to.toEpochMilli())) {
                outside++;
            } else {
                counts.add(call);
            }
        }
    }

    private static Instant instant(long millis) {
        return millis == LogLine.NO_TIME ? null : Instant.ofEpochMilli(millis);
    }

    /** Everything counted so far. */
    public synchronized Facts facts() {
        Counts counts = ofKlaviyo.calls > 0 ? ofKlaviyo : ofNobody;
        TreeSet<String> left = new TreeSet<>(notRead);
        if (outside > 0) {
            left.add(Text.count(outside, "call") + " outside " + (from == null ? "" : from + " to ") + to
                    + " not counted");
        }
        if (counts == ofNobody && counts.calls > 0) {
            left.add("no line names Klaviyo or a route of its API: every status is taken for its answer");
        }
        if (counts.dropped > 0) {
            left.add(Text.count(counts.dropped, "call") + " beyond " + MOST_CELLS
                    + " minutes and endpoints not counted by minute");
        }
        List<Facts.Queue> depths = queues.values().stream().map(queue -> queue.called(clean.apply(queue.instance())))
                .toList();
        return new Facts(Facts.SCHEMA, from, to, zones.size() == 1 ? zones.first() : zone.getId(), !zones.isEmpty()
                && !zoneMissing, lines, bytes, counts.minutes(), counts.callers(), counts.first, counts.last,
                List.copyOf(counts.waits.values()), counts.customers(), depths, List.of(), List.of(), counts.frequent(),
                List.copyOf(left));
    }

    private record Call(long time, int status, LogLine.Shape shape, long kind, String line) { }

    private record Cell(long minute, String endpoint) { }

    /** What is counted of calls. */
    private final class Counts {
        private final Map<Cell, TreeMap<Integer, Long>> cells = new HashMap<>();
        private final TreeSet<String> endpoints = new TreeSet<>();
        private final Map<String, Long> callers = new HashMap<>();
        private final TreeMap<Long, Facts.Wait> waits = new TreeMap<>();
        private final Map<String, Long> customers = new HashMap<>();
        private final Map<Long, Facts.Frequent> kinds = new HashMap<>();
        private long calls;
        private long dropped;
        private Facts.Failure first;
        private Facts.Failure last;

        void add(Call call) {
            calls++;
            String endpoint = endpoints.size() < MOST_NAMES || endpoints.contains(call.shape.endpoint())
                    ? call.shape.endpoint() : OTHER;
            endpoints.add(endpoint);
            String caller = call.shape.caller();
            callers.merge(callers.size() < MOST_NAMES || callers.containsKey(caller) ? caller : OTHER, 1L, Long::sum);
            long minute = call.time == LogLine.NO_TIME ? call.time : Math.floorDiv(call.time, MINUTE) * MINUTE;
            Cell cell = new Cell(minute, endpoint);
            if (cells.size() < MOST_CELLS || cells.containsKey(cell)) {
                cells.computeIfAbsent(cell, any -> new TreeMap<>()).merge(call.status, 1L, Long::sum);
            } else {
                dropped++;
            }
            if (call.status == 429) {
                Matcher wait = WAIT.matcher(call.line);
                int seconds = wait.find() ? Integer.parseInt(wait.group(1)) : 0;
                waits.merge(minute, new Facts.Wait(instant(minute), 1, seconds), Facts.Wait::and);
            }
            if (Facts.failed(call.status)) {
                failure(new Facts.Failure(instant(call.time), call.status, endpoint), call);
            }
        }

        private void failure(Facts.Failure failure, Call call) {
            boolean timed = failure.at() != null;
            first = first == null || timed && (first.at() == null || first.at().isAfter(failure.at())) ? failure
                    : first;
            last = last == null || timed && (last.at() == null || !last.at().isAfter(failure.at())) ? failure : last;
            for (String found : LogLine.customers(call.line)) {
                String name = found.indexOf('@') > 0 || found.startsWith("+") ? pseudonym.apply(found) : found;
                if (customers.size() < MOST_CUSTOMERS || customers.containsKey(name)) {
                    customers.merge(name, 1L, Long::sum);
                }
            }
            Facts.Frequent known = kinds.get(call.kind);
            if (known != null || kinds.size() < MOST_KINDS) {
                String example = call.line.substring(0, Math.min(call.line.length(), LONGEST_EXAMPLE));
                kinds.put(call.kind, known == null ? new Facts.Frequent(1, example) : new Facts.Frequent(known.count()
                        + 1, known.example()));
            }
        }

        List<Facts.Minute> minutes() {
            return cells.entrySet().stream().map(cell -> new Facts.Minute(instant(cell.getKey().minute),
                    clean.apply(cell.getKey().endpoint), cell.getValue())).sorted(Comparator.comparing(Facts.Minute::at,
                    Comparator.nullsFirst(Comparator.naturalOrder())).thenComparing(Facts.Minute::endpoint)).toList();
        }

        List<Facts.Caller> callers() {
            return callers.entrySet().stream().filter(caller -> !caller.getKey().isEmpty())
                    .map(caller -> new Facts.Caller(clean.apply(caller.getKey()), caller.getValue(),
                    caller.getValue() / (double) calls)).sorted(Comparator.comparing((Facts.Caller caller) ->
                    -caller.calls()).thenComparing(Facts.Caller::name)).limit(20).toList();
        }

        Facts.Customers customers() {
            List<Facts.Customer> most = customers.entrySet().stream().map(customer -> new Facts.Customer(
                    customer.getKey(), customer.getValue())).sorted(Comparator.comparing((Facts.Customer customer) ->
                    -customer.failed()).thenComparing(Facts.Customer::pseudonym)).limit(MOST_NAMES).toList();
            return new Facts.Customers(customers.size(), customers.size() >= MOST_CUSTOMERS, most);
        }

        List<Facts.Frequent> frequent() {
            return kinds.values().stream().sorted(Comparator.comparing((Facts.Frequent kind) -> -kind.count())
                    .thenComparing(Facts.Frequent::example)).limit(20).map(kind -> new Facts.Frequent(kind.count(),
                    Text.safe(clean.apply(new String(kind.example().getBytes(StandardCharsets.ISO_8859_1),
                    StandardCharsets.UTF_8)), LONGEST_EXAMPLE))).toList();
        }
    }

    /**
     * What logs and measurements tell of calls to Klaviyo: the schema of a bundle's {@code facts.json}, and what
     * {@code triage --log}
     * goes by. Lists are complete unless they say otherwise; all times are UTC, and null where the log names none.
     *
     * @param schema    1
     * @param from      begin of the time looked at; null for all of the log
     * @param to        its end
     * @param zone      in which the log's times were read
     * @param zoneNamed whether the log itself names it; false when it was assumed
     * @param lines     lines read
     * @param bytes     bytes read
     * @param minutes   calls by minute and endpoint, by time
     * @param callers   the 20 loudest, loudest first
     * @param first     the first failed call; null when there is none
     * @param last      the last one
     * @param waits     429s and the waits they asked for, by minute
     * @param customers whom failed calls were about
     * @param queue     retry queues by instance
     * @param metrics   curves from Prometheus
     * @param vendor    incidents of the vendor's status page that touch the time, oldest first
     * @param frequent  the 20 commonest lines of failed calls, redacted
     * @param notRead   what was not read or counted, a sentence each
     */
    public record Facts(int schema, Instant from, Instant to, String zone, boolean zoneNamed, long lines, long bytes,
            List<Minute> minutes, List<Caller> callers, Failure first, Failure last, List<Wait> waits,
            Customers customers, List<Queue> queue, List<Curve> metrics, List<VendorIncident> vendor,
            List<Frequent> frequent, List<String> notRead) {
        /** What this build reads and writes. */
        public static final int SCHEMA = 1;
        /** The status of a call that was not answered: a timeout, a refused connection. */
        public static final int NO_ANSWER = 0;
        private static final ObjectMapper MAPPER = JsonMapper.builder()
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).addModule(new SimpleModule()
                .addSerializer(Instant.class, ToStringSerializer.instance).addDeserializer(Instant.class, new Times()))
                .build();

        /** Makes empty lists of missing ones: a file from elsewhere may lack them. */
        public Facts {
            minutes = full(minutes);
            callers = full(callers);
            waits = full(waits);
            customers = customers == null ? new Customers(0, false, List.of()) : customers;
            queue = full(queue);
            metrics = full(metrics);
            vendor = full(vendor);
            frequent = full(frequent);
            notRead = full(notRead);
        }

        private static <T> List<T> full(List<T> list) {
            return list == null ? List.of() : list.stream().filter(java.util.Objects::nonNull).toList();
        }

        /**
         * Calls to one endpoint in one minute: {@code at} is its begin, {@code endpoint} may be empty, statuses to
         * calls.
         */
        public record Minute(Instant at, String endpoint, SortedMap<Integer, Long> statuses) {
            /** Calls of any status. */
            public long calls() {
                return statuses.values().stream().mapToLong(Long::longValue).sum();
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

        /** How many customers, whether there may be more, and the 200 with most failed calls. */
        public record Customers(long count, boolean more, List<Customer> most) { }

        /** A customer by pseudonym, and how many failed calls were about them. */
        public record Customer(String pseudonym, long failed) { }

        /** A retry queue: calls that wait to be repeated, on one instance, at the first, highest and last look. */
        public record Queue(String instance, Instant firstAt, double first, Instant peakAt, double peak, Instant lastAt,
                double last) {
            /** A single look. */
            public static Queue one(String instance, Instant at, double depth) {
                return new Queue(instance, at, depth, at, depth, at, depth);
            }

            /** This one, and later looks at the same queue. */
            public Queue then(Queue later) {
                boolean higher = later.peak > peak;
                return new Queue(instance, firstAt, first, higher ? later.peakAt : peakAt, Math.max(peak, later.peak),
                        later.lastAt, later.last);
            }

            Queue called(String name) {
                return new Queue(name, firstAt, first, peakAt, peak, lastAt, last);
            }
        }

        /**
         * One series of a query; {@code grown} is by how much a counter grew in the time looked at, restarts told
         * apart; else 0.
         */
        public record Curve(String query, String name, String unit, double grown, List<Point> points) { }

        /** A value at a moment. */
        public record Point(Instant at, double value) { }

        /** An incident of the vendor's; {@code posted} is when the vendor first wrote of it. Updates oldest first. */
        public record VendorIncident(String name, String impact, String status, String url, Instant started,
                Instant posted, Instant resolved, List<Update> updates) { }

        /** What the vendor wrote. */
        public record Update(Instant at, String status, String body) { }

        /** Lines that differ in nothing but numbers and ids: how many, and one of them. */
        public record Frequent(long count, String example) { }

        /** Calls to one endpoint, its busiest minute in calls, and since when it has been at half of that or more. */
        public record Rate(String endpoint, long calls, long failed, double share, long perMinute, Instant peakAt,
                Instant since) { }

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
            Map<String, List<Minute>> byEndpoint = new TreeMap<>();
            minutes.forEach(minute -> byEndpoint.computeIfAbsent(minute.endpoint, any -> new ArrayList<>())
                    .add(minute));
            long all = Math.max(1, minutes.stream().mapToLong(Minute::calls).sum());
            return byEndpoint.entrySet().stream().map(entry -> rate(entry.getKey(), entry.getValue(), all))
                    .sorted(Comparator.comparing(rate -> -rate.calls)).toList();
        }

        private static Rate rate(String endpoint, List<Minute> minutes, long all) {
            long calls = minutes.stream().mapToLong(Minute::calls).sum();
            long failed = minutes.stream().flatMap(minute -> minute.statuses.entrySet().stream()).filter(status ->
                    failed(status.getKey())).mapToLong(Map.Entry::getValue).sum();
            List<Minute> timed = minutes.stream().filter(minute -> minute.at != null).toList();
            Minute peak = timed.stream().max(Comparator.comparing(Minute::calls)).orElse(null);
            Instant since = null;
            for (int i = timed.indexOf(peak); peak != null && i >= 0 && timed.get(i).calls() * 2 >= peak.calls(); i--) {
                since = timed.get(i).at;
            }
            return new Rate(endpoint, calls, failed, calls / (double) all, peak == null ? 0 : peak.calls(), peak == null
                    ? null : peak.at, since);
        }

        /**
         * The same with what was found elsewhere: queues (none: those of the logs), curves, the vendor's incidents,
         * what is missing.
         */
        public Facts with(List<Queue> queues, List<Curve> curves, List<VendorIncident> incidents,
                List<String> missing) {
            List<String> all = new ArrayList<>(notRead);
            all.addAll(missing);
            return new Facts(schema, from, to, zone, zoneNamed, lines, bytes, minutes, callers, first, last, waits,
                    customers, queues.isEmpty() ? queue : queues, curves, incidents, frequent, all);
        }

        /** As JSON. */
        public String json() {
            try {
                return MAPPER.writeValueAsString(this) + "\n";
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
                Facts facts = MAPPER.readValue(json, Facts.class);
                if (facts == null || facts.schema != SCHEMA) {
                    throw new IOException("facts.json is of schema " + (facts == null ? "null" : facts.schema)
                            + ", not " + SCHEMA);
                }
                return facts;
            } catch (JsonProcessingException e) {
                throw new IOException("facts.json is no facts file: " + Text.safe(e.getOriginalMessage(), 120));
            }
        }

        private static final class Times extends FromStringDeserializer<Instant> {
            Times() {
                super(Instant.class);
            }

            @Override
            protected Instant _deserialize(String text, DeserializationContext context) throws IOException {
                try {
                    return Instant.parse(text);
                } catch (DateTimeException e) {
                    throw context.weirdStringException(text, Instant.class, "no time");
                }
            }
        }
    }
}
