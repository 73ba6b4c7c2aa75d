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
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads an application's logs for what they tell of its calls to Klaviyo, and counts it into {@link Facts}. A call is a
 * line with an HTTP status that names Klaviyo or a route of its API; a body and a stack trace below it belong to the
 * same call. Logs are read as streams, several at once, in bounded memory. Safe for several threads; each log has a
 * {@link Source}, for one thread.
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
    private final Map<String, Queue> queues = new TreeMap<>();
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
                Queue seen = Queue.one(name, instant(time), Double.parseDouble(depth.group(1)));
                queues.merge(name, seen, Queue::then);
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
        List<Queue> depths = queues.values().stream().map(queue -> queue.called(clean.apply(queue.instance())))
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
        private final TreeMap<Long, Wait> waits = new TreeMap<>();
        private final Map<String, Long> customers = new HashMap<>();
        private final Map<Long, Frequent> kinds = new HashMap<>();
        private long calls;
        private long dropped;
        private Failure first;
        private Failure last;

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
                waits.merge(minute, new Wait(instant(minute), 1, seconds), Wait::and);
            }
            if (Facts.failed(call.status)) {
                failure(new Failure(instant(call.time), call.status, endpoint), call);
            }
        }

        private void failure(Failure failure, Call call) {
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
            Frequent known = kinds.get(call.kind);
            if (known != null || kinds.size() < MOST_KINDS) {
                String example = call.line.substring(0, Math.min(call.line.length(), LONGEST_EXAMPLE));
                kinds.put(call.kind, known == null ? new Frequent(1, example) : new Frequent(known.count()
                        + 1, known.example()));
            }
        }

        List<Minute> minutes() {
            return cells.entrySet().stream().map(cell -> new Minute(instant(cell.getKey().minute),
                    clean.apply(cell.getKey().endpoint), cell.getValue())).sorted(Comparator.comparing(Minute::at,
                    Comparator.nullsFirst(Comparator.naturalOrder())).thenComparing(Minute::endpoint)).toList();
        }

        List<Caller> callers() {
            return callers.entrySet().stream().filter(caller -> !caller.getKey().isEmpty())
                    .map(caller -> new Caller(clean.apply(caller.getKey()), caller.getValue(),
                    caller.getValue() / (double) calls)).sorted(Comparator.comparing((Caller caller) ->
                    -caller.calls()).thenComparing(Caller::name)).limit(20).toList();
        }

        Customers customers() {
            Map<String, Long> most = new LinkedHashMap<>();
            customers.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed()
                    .thenComparing(Map.Entry.comparingByKey())).limit(MOST_NAMES)
                    .forEach(customer -> most.put(customer.getKey(), customer.getValue()));
            return new Customers(customers.size(), customers.size() >= MOST_CUSTOMERS, most);
        }

        List<Frequent> frequent() {
            return kinds.values().stream().sorted(Comparator.comparing((Frequent kind) -> -kind.count())
                    .thenComparing(Frequent::example)).limit(20).map(kind -> new Frequent(kind.count(),
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
            Customers customers, List<Queue> queue, List<Curve> metrics, List<StatusPage.Incident> vendor,
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
            customers = customers == null ? new Customers(0, false, Map.of()) : customers;
            queue = full(queue);
            metrics = full(metrics);
            vendor = full(vendor).stream().filter(incident -> incident.updates() != null).toList();
            frequent = full(frequent);
            notRead = full(notRead);
        }

        private static <T> List<T> full(List<T> list) {
            return list == null ? List.of() : list.stream().filter(java.util.Objects::nonNull).toList();
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
        public Facts with(List<Queue> queues, List<Curve> curves, List<StatusPage.Incident> incidents,
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

    /** How many customers, whether there may be more, and the 200 with most failed calls: pseudonym to how many. */
    public record Customers(long count, boolean more, Map<String, Long> most) { }

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
    public record Curve(String query, String name, String unit, double grown, List<Prometheus.Point> points) { }

    /** Lines that differ in nothing but numbers and ids: how many, and one of them. */
    public record Frequent(long count, String example) { }

    /** Calls to one endpoint, its busiest minute in calls, and since when it has been at half of that or more. */
    public record Rate(String endpoint, long calls, long failed, double share, long perMinute, Instant peakAt,
            Instant since) { }

    /**
     * What one line of a log says: when it was written, the HTTP status it tells of, of which endpoint, who called, and
     * about whom. Lines come as their bytes, one character each (ISO 8859-1). Patterns are tried where a character
     * calls for one, not all over a line: a log of 50 MB is read in a second.
     */
    public static final class LogLine {
        /** A line without a time. */
        public static final long NO_TIME = Long.MIN_VALUE;
        static final int NO_STATUS = -1;

        private static final Map<Integer, Pattern> REASONS = reasons();
        private static final Set<String> STATUS_NAMES = Set.of("http", "sc", "httpcode", "httperror", "status",
                "statuscode");
        // A status after them is one, where a reason or an end follows: "returned 200 rows" tells of rows.
        private static final Set<String> VERBS = Set.of("responded", "responds", "response", "returned", "returns",
                "returning", "answered", "answer", "reply", "replied", "got", "gets", "received", "receive", "failed",
                "failure", "rejected", "refused", "error", "throttled", "result", "reason", "unauthorized", "forbidden",
                "conflict", "gone");
        private static final Set<String> PHRASES = Set.of("not found", "too many requests", "bad request",
                "bad gateway", "many requests", "service unavailable", "gateway timeout", "gateway time-out");
        private static final Set<String> LINKS = Set.of("with", "by", "a", "an", "is", "was", "of", "as");
        private static final Set<String> COUNTED = Set.of("port", "order", "id", "user", "customer", "product", "item",
                "profile", "sku", "line", "page", "row", "step", "batch", "job", "took", "after", "every", "timeout",
                "size", "length", "count", "total", "price", "amount", "duration", "elapsed", "limit", "depth", "no");
        private static final Set<String> OTHER_CODES =
                Set.of("exit", "zip", "post", "postal", "country", "area", "promo", "coupon", "product", "sort");
        private static final Pattern ENDS = Pattern.compile("(?i)[\"'`)\\]]*(?:$|[.,;:!?|{(\\[-]|\\s+(?:$|[-({\\[,;:|]|"
                + "(?:from|for|on|after|in|at|to|with|when|while|calling|response|error|status|http|and|because|body|"
                + "by)\\b|retry|\\d+(?:\\.\\d+)? ?m?s\\b|\\w+[=:]))");
        private static final Pattern UNIT = Pattern.compile("(?i)\\s?(?:m?s|msec|secs?|seconds?|mins?|minutes?|hours?|"
                + "days?|us|ns|%|[kmg]i?b|bytes?|eur|usd|gbp|dollars?|euros?)(?![\\w=:])");
        private static final Pattern ROUTE = Pattern.compile("/(?:api|client)/(?:account|api-key|back-in-stock|bulk|"
                + "campaign|catalog|coupon|custom|data-privacy|event|flow|form|image|list|metric|profile|push-token|"
                + "report|review|segment|subscription|tag|template|tracking|universal|web-feed|"
                + "webhook)[a-z-]*((?:/[\\w%~.-]+){0,3})");
        private static final List<String> METHODS = List.of("GET", "POST", "PUT", "PATCH", "DELETE");
        private static final Set<String> CALLER_NAMES = Set.of("caller", "job", "task",
                "worker", "component", "service", "logger", "source", "module", "app", "script");
        private static final Pattern LEVEL = Pattern.compile("\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|"
                + "CRITICAL|SEVERE)\\b[\\]:]?[\\s-]{1,4}(?:\\d+ --- )?(?:\\[\\s*([^\\]]{1,60})\\]\\s{1,"
                + "4})?(?:([A-Za-z_][\\w.$-]{1,79}) ?(?::|-\\s|\\())?");
        private static final Pattern PROGRAM = Pattern.compile("\\s([A-Za-z][\\w./-]{1,40})\\[\\d+\\]:");
        private static final Pattern VALUE = Pattern.compile("[\" ]{0,2}([A-Za-z][\\w.:@$-]{1,59})");
        private static final List<String> STAND_INS = List.of("email", "phone", "profile", "external-id", "customer");
        private static final Pattern HEX = Pattern.compile("-[0-9a-f]{6,16}\\b");
        private static final Pattern PHONE = Pattern.compile("\\+[1-9]\\d{6,14}\\b");
        private static final Pattern DOMAIN = Pattern.compile("@[\\w-]++(?:\\.[\\w-]+)+");
        private static final String[] NO_ANSWER = {"timeout", "timed out", "connection re", "connection aborted",
                "no route to host", "unknownhost", "unknown host", "name or service not known",
                "getaddrinfo", "enotfound", "econn", "unreachable", "handshake", "broken pipe"};

        private LogLine() { }

        // 401 Client Error, `401 Unauthorized`, 429 from a.klaviyo.com, 401 {"errors"
        private static Map<Integer, Pattern> reasons() {
            Map<Integer, Pattern> reasons = new HashMap<>();
            String words = "200 ok\\b,201 created,202 accepted,204 no content,400 bad request|invalid,"
                    + "401 unauthori[sz]ed|authentication_failed|not_authenticated,403 forbidden|permission_denied,"
                    + "404 not.found,405 method not,409 conflict|duplicate_profile,410 gone,"
                    + "413 payload|request entity|content too,422 unprocessable,429 too many|throttled,301,302,303,"
                    + "304,307,308,406,408,414,415,431,499,500,501,502,503,504,520,521,522,523,524,525,526,527,530";
            for (String row : words.split(",")) {
                int status = Integer.parseInt(row.substring(0, 3));
                String any = status < 400 ? "" : status < 500 ? "|client error"
                        : "|server error|\\w*\\s?unavailable|internal|bad gateway|gateway time|origin"
                            + "|a timeout|web server";
                reasons.put(status, Pattern.compile("(?i)[\"'`)\\]:,;-]*\\s*(?:from (?:https?://)?[\\w.-]*klaviyo|"
                        + "\\(?reason\\b|\\{\"errors" + any + (row.length() > 3 ? "|" + row.substring(4) : "") + ")"));
            }
            return reasons;
        }

        /**
         * The first HTTP status that a line tells of, or {@link #NO_STATUS}; a port, a price, a duration or an id is
         * none.
         */
        static int status(String line) {
            for (int i = 0; i + 3 <= line.length(); i++) {
                char c = line.charAt(i);
                if (c >= '1' && c <= '5' && digit(line, i + 1) && digit(line, i + 2) && alone(line, i)) {
                    int status = (c - '0') * 100 + (line.charAt(i + 1) - '0') * 10 + line.charAt(i + 2) - '0';
                    if (!lookingAt(UNIT, line, i + 3) && meant(line, i, status)) {
                        return status;
                    }
                }
                while (digit(line, i) && digit(line, i + 1)) {
                    i++;
                }
            }
            return NO_STATUS;
        }

        private static boolean alone(String line, int at) {
            char before = at == 0 ? ' ' : line.charAt(at - 1);
            char after = at + 3 >= line.length() ? ' ' : line.charAt(at + 3);
            boolean longer = ".,:-/".indexOf(after) >= 0 && digit(line, at + 4);
            return " \t\"'`([=:>,\\|\u0092".indexOf(before) >= 0 && !longer && !Character.isLetterOrDigit(after)
                    && "_%$@\u00a4\u00e2".indexOf(after) < 0;
        }

        private static boolean meant(String line, int at, int status) {
            int end = at;
            while (end > 0 && " \t\"'`\\([=:>,-\u00e2\u0086\u0092".indexOf(line.charAt(end - 1)) >= 0) {
                end--;
            }
            String between = line.substring(end, at);
            int start = wordStart(line, end);
            String word = line.substring(start, end).toLowerCase(Locale.ROOT);
            int endBefore = start;
            while (endBefore > 0 && " \"'`:=".indexOf(line.charAt(endBefore - 1)) >= 0) {
                endBefore--;
            }
            String wordBefore = line.substring(wordStart(line, endBefore), endBefore).toLowerCase(Locale.ROOT);
            boolean linked = LINKS.contains(word);
            if (statusName(linked ? wordBefore : word, linked ? "" : wordBefore) || word.startsWith("http/")) {
                return true;
            }
            Pattern reason = REASONS.get(status);
            if (reason == null || COUNTED.contains(word) || between.isEmpty() && end > 0
                    || line.startsWith("#", at - 1)) {
                return false;
            }
            if (lookingAt(reason, line, at + 3) || word.equals("code") && !OTHER_CODES.contains(wordBefore)) {
                return true;
            }
            boolean told = VERBS.contains(linked ? wordBefore : word) || word.endsWith("exception")
                    || word.endsWith("error") || PHRASES.contains(wordBefore + " " + word) || between.contains(">")
                    || between.contains("\u0092") || route(word)
                            && METHODS.contains(wordBefore.toUpperCase(Locale.ROOT));
            return told && lookingAt(ENDS, line, at + 3);
        }

        private static int wordStart(String line, int end) {
            int start = end;
            while (start > 0 && end - start < 300 && " \t\"'`\\{(,=:;[<>|".indexOf(line.charAt(start - 1)) < 0
                    || start > 1 && line.charAt(start - 1) == ':' && line.charAt(start) == '/') {
                start--;
            }
            return start;
        }

        private static boolean statusName(String word, String before) {
            String last = word.substring(word.lastIndexOf('.') + 1).replace("_", "").replace("-", "");
            return STATUS_NAMES.contains(last) || last.endsWith("status") || last.endsWith("statuscode")
                    || (last.equals("code") || last.equals("error")) && (before.endsWith("status")
                    || before.equals("http"));
        }

        private static boolean route(String word) {
            return word.contains("/api/") || word.contains("/client/");
        }

        private static boolean lookingAt(Pattern pattern, String line, int from) {
            return pattern.matcher(line).region(from, line.length()).lookingAt();
        }

        private static boolean digit(String line, int at) {
            return at < line.length() && line.charAt(at) >= '0' && line.charAt(at) <= '9';
        }

        /** Whether it tells of a call that was not answered: a timeout, a connection refused. */
        static boolean unanswered(String line) {
            for (int i = 0; i + 7 < line.length(); i++) {
                int lower = line.charAt(i) | 0x20;
                if (lower == 't' || lower == 'c' || lower == 'n' || lower == 'u' || lower == 'g' || lower == 'e'
                        || lower == 'h' || lower == 'b') {
                    for (String word : NO_ANSWER) {
                        if (word.charAt(0) == lower && line.regionMatches(true, i, word, 0, word.length())) {
                            return true;
                        }
                    }
                }
            }
            return false;
        }

        /**
         * Method and route of a call to Klaviyo's API: {@code POST /api/events}; ids are {@code {id}}, an unknown
         * method is left out.
         */
        static String endpoint(String line) {
            for (int slash = line.indexOf('/'); slash >= 0; slash = line.indexOf('/', slash + 1)) {
                Matcher route = line.startsWith("/api/", slash) || line.startsWith("/client/", slash)
                        ? ROUTE.matcher(line).region(slash, line.length()) : null;
                if (route != null && route.lookingAt()) {
                    StringBuilder endpoint = new StringBuilder(method(line, slash)).append(line, slash, route.start(1));
                    for (String part : route.group(1).split("/")) {
                        endpoint.append(part.isEmpty() ? "" : part.matches("[a-z][a-z-]{2,}") ? "/" + part : "/{id}");
                    }
                    return endpoint.toString();
                }
            }
            return "";
        }

        private static String method(String line, int route) {
            String around = line.substring(Math.max(0, route - 100), Math.min(line.length(), route + 100));
            int best = -1;
            String found = "";
            for (String method : METHODS) {
                int at = around.lastIndexOf(method, Math.min(100, route));
                at = at < 0 ? around.lastIndexOf("\"" + method + "\"") : at;
                if (at > best) {
                    best = at;
                    found = method + " ";
                }
            }
            return found;
        }

        /**
         * Whether it is about another service's address or route, or somebody's request to us as a web server logs it.
         */
        static boolean elsewhere(String line) {
            return line.contains("://") || line.contains(" HTTP/1.") || line.contains(" HTTP/2") || line.contains(" /")
                    && endpoint(line).isEmpty() && METHODS.stream().anyMatch(line::contains);
        }

        /**
         * Who called: a job or service that the line names, its logger, its thread or its program; numbers as {@code
         * #}. May be empty.
         */
        static String caller(String line) {
            String head = line.length() > 300 ? line.substring(0, 300) : line;
            for (int i = 1; i < head.length(); i++) {
                char c = head.charAt(i);
                if (c == '=' || c == ':' && head.charAt(i - 1) == '"') {
                    int end = c == '=' ? i : i - 1;
                    Matcher value = CALLER_NAMES.contains(head.substring(wordStart(head, end), end)
                            .toLowerCase(Locale.ROOT)) ? VALUE.matcher(head).region(i + 1, head.length()) : null;
                    if (value != null && value.lookingAt()) {
                        return numbered(value.group(1));
                    }
                }
            }
            for (int i = 0; i + 4 < head.length(); i++) {
                if ("TDINWEFCS".indexOf(head.charAt(i)) >= 0 && Character.isUpperCase(head.charAt(i + 1))) {
                    Matcher level = LEVEL.matcher(head).region(i, head.length());
                    if (level.lookingAt() && (level.group(2) != null || level.group(1) != null)) {
                        return numbered(level.group(2) != null ? level.group(2) : level.group(1));
                    }
                }
            }
            Matcher program = PROGRAM.matcher(head);
            return head.contains("]:") && program.find() ? numbered(program.group(1)) : "";
        }

        private static String numbered(String name) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < name.length(); i++) {
                if (!digit(name, i)) {
                    text.append(name.charAt(i));
                } else if (i == 0 || !digit(name, i - 1)) {
                    text.append('#');
                }
            }
            return text.toString().strip();
        }

        /** Addresses, phone numbers and pseudonyms of customers in it, as they stand there. */
        static List<String> customers(String line) {
            List<String> found = new ArrayList<>();
            for (int dash = line.indexOf('-'); dash >= 0; dash = line.indexOf('-', dash + 1)) {
                for (String kind : STAND_INS) {
                    Matcher hex = line.startsWith(kind, dash - kind.length()) ? HEX.matcher(line).region(dash,
                            line.length()) : null;
                    if (hex != null && hex.lookingAt()) {
                        found.add(kind + hex.group());
                    }
                }
            }
            Matcher phone = PHONE.matcher(line);
            while (line.indexOf('+') >= 0 && phone.find()) {
                found.add(phone.group());
            }
            Matcher domain = DOMAIN.matcher(line);
            while (line.indexOf('@') >= 0 && domain.find()) {
                int start = domain.start();
                while (start > 0 && (Character.isLetterOrDigit(line.charAt(start - 1)) || "._+-%".indexOf(line.charAt(
                        start - 1)) >= 0)) {
                    start--;
                }
                found.add(line.substring(start, domain.end()));
            }
            return found;
        }

        /**
         * What a line says apart from its numbers: the same for all lines of one kind, so that it is worked out once
         * for each.
         */
        record Shape(String endpoint, String caller, boolean elsewhere, boolean unanswered, boolean queue) {
            static Shape of(String line) {
                return new Shape(LogLine.endpoint(line), LogLine.caller(line), LogLine.elsewhere(line),
                        LogLine.unanswered(line), line.contains("ueue") || line.contains("acklog"));
            }
        }

        /**
         * A hash of the line without digits and hexadecimal ids: of lines that differ in nothing else it is the same.
         */
        public static long kind(String line, int length) {
            long hash = 7;
            for (int i = 0, end = 0; i < length; i = end + 1) {
                boolean digits = false;
                boolean hex = true;
                for (end = i; end < length && Character.isLetterOrDigit(line.charAt(end)); end++) {
                    char c = line.charAt(end);
                    digits |= c <= '9';
                    hex &= c <= 'f' && (c <= 'F' || c >= 'a');
                }
                for (int j = i; j < end && !(digits && hex); j++) {
                    hash = line.charAt(j) <= '9' ? hash : 31 * hash + line.charAt(j);
                }
                hash = 31 * hash + (end < length ? line.charAt(end) : 0);
            }
            return hash;
        }

        /**
         * What a line has, told by looking at each byte once: most lines have nothing of interest, and cost no more
         * than that.
         *
         * @param number  a number of three digits that may be a status
         * @param klaviyo the vendor's name, in any case
         * @param route   something like a route of an API
         */
        record Marks(boolean number, boolean klaviyo, boolean route) {
            private static final byte[] NAME = "klaviyo".getBytes(StandardCharsets.ISO_8859_1);

            static Marks in(byte[] data, int start, int end) {
                boolean number = false;
                boolean klaviyo = false;
                boolean route = false;
                int digits = 0;
                for (int i = start; i <= end; i++) {
                    int b = i < end ? data[i] : ' ';
                    if (b >= '0' && b <= '9') {
                        digits++;
                        continue;
                    }
                    number |= digits == 3 && data[i - 3] >= '1' && data[i - 3] <= '5' && !((b | 0x20) >= 'a'
                            && (b | 0x20) <= 'z');
                    digits = 0;
                    klaviyo = klaviyo || (b | 0x20) == 'k' && named(data, i, end);
                    route |= b == '/' && i + 4 < end && (data[i + 1] == 'a' && data[i + 2] == 'p' || data[i + 1] == 'c'
                            && data[i + 2] == 'l');
                }
                return new Marks(number, klaviyo, route);
            }

            private static boolean named(byte[] data, int at, int end) {
                for (int i = 0; i < NAME.length; i++) {
                    if (at + i >= end || (data[at + i] | 0x20) != NAME[i]) {
                        return false;
                    }
                }
                return true;
            }
        }

        /**
         * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone,
         * the web servers' {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds or
         * milliseconds since 1970. For one thread.
         */
        public static final class Stamps {
            private static final int LOOK = 200;
            private static final Duration NEAR = Duration.ofDays(60);
            private static final String MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
            private static final int UNKNOWN = Integer.MIN_VALUE;
            private static final Map<String, Integer> ZONES = Map.of("UTC", 0, "GMT", 0, "CET", 1, "CES", 2, "EST", -5,
                    "EDT", -4, "CST", -6, "CDT", -5, "PST", -8, "PDT", -7);

            private final ZoneId zone;
            private final Instant end;
            private final int year;
            private int named = UNKNOWN;
            private boolean unnamed;
            // Lines of one log mostly fall into the same minute: its start is worked out once.
            private long minuteKey = -1;
            private long minuteStart;

            /** @param zone of times that name none; {@code end} tells which year syslog's yearless times are of */
            public Stamps(ZoneId zone, Instant end) {
                this.zone = zone;
                this.end = end;
                this.year = end.atZone(zone).getYear();
            }

            /** The zone that the times were read in: the one they name, or the one that was given. */
            String zone() {
                return named == UNKNOWN || unnamed ? zone.getId() : named == 0
                        ? "UTC" : ZoneOffset.ofTotalSeconds(named).getId();
            }

            /** Whether all times named their zone; false too where no line had a time. */
            boolean named() {
                return named != UNKNOWN && !unnamed;
            }

            /** The first time within {@code data[from, to)}, in milliseconds since 1970, or {@link LogLine#NO_TIME}. */
            public long find(byte[] data, int from, int to) {
                int last = Math.min(to, from + LOOK);
                for (int i = from; i + 9 < last; i++) {
                    byte b = data[i];
                    long found = NO_TIME;
                    if (b >= '0' && b <= '9' && (i == from || !digit(data[i - 1]))) {
                        found = i + 18 < last && (data[i + 4] == '-' || data[i + 4] == '/')
                                && data[i + 13] == ':' ? iso(data, i, last) : i + 19 < last && data[i + 2] == '/'
                                ? web(data, i, last) : b == '1' ? sinceEpoch(data, i, last) : NO_TIME;
                    } else if (i + 14 < last && data[i + 3] == ' ' && data[i + 9] == ':' && data[i + 12] == ':') {
                        found = syslog(data, i);
                    }
                    if (found != NO_TIME) {
                        return found;
                    }
                }
                return NO_TIME;
            }

            private long iso(byte[] data, int at, int last) {
                if (data[at + 7] != data[at + 4] || data[at + 16] != ':' || data[at + 10] != ' '
                        && (data[at + 10] | 0x20) != 't') {
                    return NO_TIME;
                }
                int fraction = at + 19;
                int millis = 0;
                if (fraction + 3 < last && (data[fraction] == '.' || data[fraction] == ',')
                        && digit(data[fraction + 1])) {
                    for (int i = 1; i <= 3; i++) {
                        millis = millis * 10 + (digit(data[fraction + i]) ? data[fraction + i] - '0' : 0);
                    }
                    fraction++;
                    while (fraction < last && digit(data[fraction])) {
                        fraction++;
                    }
                }
                return time(number(data, at, 4), number(data, at + 5, 2), number(data, at + 8, 2),
                        number(data, at + 11, 2), number(data, at + 14, 2),
                        number(data, at + 17, 2) * 1000 + millis, offset(data, fraction, last));
            }

            private long web(byte[] data, int at, int last) {
                int month = month(data, at + 3);
                if (month < 0 || data[at + 6] != '/' || data[at + 11] != ':' || data[at + 14] != ':') {
                    return NO_TIME;
                }
                return time(number(data, at + 7, 4), month, number(data, at, 2), number(data, at + 12, 2), number(data,
                        at + 15, 2), number(data, at + 18, 2) * 1000, offset(data, at + 20, last));
            }

            private long syslog(byte[] data, int at) {
                int month = month(data, at);
                int day = data[at + 4] == ' ' ? number(data, at + 5, 1) : number(data, at + 4, 2);
                return month < 0 ? NO_TIME : time(year, month, day, number(data, at + 7, 2), number(data, at + 10, 2),
                        number(data, at + 13, 2) * 1000, UNKNOWN);
            }

            private long sinceEpoch(byte[] data, int at, int last) {
                int digits = 0;
                long value = 0;
                while (at + digits < last && digit(data[at + digits]) && digits < 17) {
                    value = value * 10 + data[at + digits] - '0';
                    digits++;
                }
                boolean begins = at == 0 || "\n:= \"[\t".indexOf(data[at - 1]) >= 0;
                boolean ends = at + digits >= last || !Character.isLetter(data[at + digits]);
                long time = !begins || !ends ? NO_TIME : digits == 10 ? value * 1000
                        : digits == 13 ? value : digits == 16 ? value / 1000 : NO_TIME;
                // An order's number may look the same: only what is near the window is taken for a time.
                return time != NO_TIME && Math.abs(end.toEpochMilli() - time) < NEAR.toMillis() ? time : NO_TIME;
            }

            /** Seconds east of Greenwich, or {@link #UNKNOWN} when none is named. */
            private static int offset(byte[] data, int at, int last) {
                int i = at + 1 < last && data[at] == ' ' ? at + 1 : at;
                if (i < last && (data[i] | 0x20) == 'z' && (i + 1 >= last || !Character.isLetter(data[i + 1]))) {
                    return 0;
                }
                if (i + 4 < last && (data[i] == '+' || data[i] == '-') && digit(data[i + 1]) && digit(data[i + 2])) {
                    int minutes = data[i + 3] == ':' && i + 5 < last ? number(data, i + 4, 2) : number(data, i + 3, 2);
                    return minutes < 0 ? UNKNOWN : (data[i] == '-' ? -1 : 1) * (number(data, i + 1, 2) * 3600
                            + minutes * 60);
                }
                boolean word = i + 3 < last && i > at && data[i] >= 'A' && data[i] <= 'Z' && data[i + 2] >= 'A'
                        && data[i + 2] <= 'Z';
                Integer hours = word ? ZONES.get(new String(data, i, 3, StandardCharsets.ISO_8859_1)) : null;
                return hours == null ? UNKNOWN : hours * 3600;
            }

            private long time(int years, int month, int day, int hour, int minute, int millis, int offset) {
                if (years < 0 || month < 1 || day < 1 || hour < 0 || minute < 0
                        || millis < 0 || Math.abs(offset) > 64_800 && offset != UNKNOWN) {
                    return NO_TIME;
                }
                long key = ((((years * 13L + month) * 32 + day) * 24 + hour) * 60 + minute) * 200_000
                        + (offset == UNKNOWN ? 199_999 : offset + 90_000);
                if (key != minuteKey) {
                    try {
                        LocalDateTime local = LocalDateTime.of(years, month, day, hour, minute);
                        minuteStart = (offset == UNKNOWN ? local.atZone(zone).toInstant()
                                : local.toInstant(ZoneOffset.ofTotalSeconds(offset))).toEpochMilli();
                        minuteKey = key;
                        unnamed |= offset == UNKNOWN;
                        named = offset == UNKNOWN ? named : offset;
                    } catch (DateTimeException e) {
                        return NO_TIME;
                    }
                }
                return minuteStart + millis;
            }

            private static int month(byte[] data, int at) {
                int place = MONTHS.indexOf(new String(data, at, 3,
                        StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT));
                return place >= 0 && place % 3 == 0 ? place / 3 + 1 : -1;
            }

            private static int number(byte[] data, int at, int digits) {
                int value = 0;
                for (int i = at; i < at + digits; i++) {
                    if (i >= data.length || !digit(data[i])) {
                        return -1;
                    }
                    value = value * 10 + data[i] - '0';
                }
                return value;
            }

            private static boolean digit(byte b) {
                return b >= '0' && b <= '9';
            }
        }
    }
}
