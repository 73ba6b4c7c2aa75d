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
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Reads an application's logs for what they tell of its calls to Klaviyo, and counts it into {@link Facts}. A call is a
 * line with an HTTP status that names Klaviyo or a route of its API; a body and a stack trace below it belong to the
 * same call. Logs are read as streams, several at once, in bounded memory. Safe for several threads; each log has a
 * {@link Source}, for one thread.
 */
public final class LogReader {
    /** The time of a line that names none. */
    public static final long NO_TIME = Long.MIN_VALUE;
    private static final int NO_STATUS = -1;
    private static final int LONGEST_LINE = 4_000;
    private static final int LONGEST_HEAD = 1_000;
    private static final int MOST_CELLS = 60_000;
    private static final int MOST_KINDS = 5_000;
    private static final int MOST_CUSTOMERS = 50_000;
    private static final int MOST_NAMES = 200;
    private static final int MOST_TOLD = 20;
    private static final int MOST_NUMBERS = 40;
    private static final int SHORTEST_ID = 10;
    private static final long MINUTE = 60_000;
    private static final String OTHER = "other";

    private final ZoneId zone;
    private final Instant from;
    private final Instant to;
    private final UnaryOperator<String> clean;
    private final Map<String, Queue> queues = new TreeMap<>();
    private final Map<Long, Shape> shapes = new HashMap<>();
    private final TreeSet<String> zones = new TreeSet<>();
    private final TreeSet<String> notRead = new TreeSet<>();
    private Counts counts = new Counts();
    private boolean named;
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
     * @param clean     takes secrets and personal data out of a text that ends up in the facts
     */
    public LogReader(ZoneId zone, Instant from, Instant to, UnaryOperator<String> clean) {
        this.zone = zone;
        this.from = from;
        this.to = to;
        this.clean = clean;
    }

    /** Reads a log to its end. Where it breaks off is noted in the facts. */
    public void read(String name, InputStream log) {
        Source source = source(name);
        byte[] buffer = new byte[1 << 16];
        try {
            for (int read = log.read(buffer); read >= 0; read = log.read(buffer)) {
                source.take(buffer, read);
            }
        } catch (IOException e) {
            synchronized (this) {
                notRead.add(Text.safe(clean.apply(name + ": " + Incident.why(e)), 200));
            }
        }
        source.end();
    }

    /** One log, whose bytes are given piece by piece; {@code name} is the instance whose retry queue it tells of. */
    public Source source(String name) {
        return new Source(clean.apply(name));
    }

    /** One log while it is read. For one thread. */
    public final class Source {
        private final String name;
        private final Stamps stamps = new Stamps(zone, to);
        private final byte[] rest = new byte[LONGEST_LINE];
        private int kept;
        // Of the record that the last lines belong to: one with a time, and those without one below it.
        private long time = NO_TIME;
        private boolean klaviyo;
        private boolean told;

        private Source(String name) {
            this.name = name;
        }

        /** Takes the next bytes, which may end anywhere. */
        public void take(byte[] data, int length) {
            synchronized (LogReader.this) {
                bytes += length;
                int start = 0;
                for (int i = 0; i < length; i++) {
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
                keep(data, start, length);
            }
        }

        /** No more will come. */
        public void end() {
            synchronized (LogReader.this) {
                endOfLine();
                if (time != NO_TIME) {
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
            if (stamp != NO_TIME || time == NO_TIME) {
                time = stamp;
                klaviyo = false;
                told = false;
            }
            int marks = LogLine.marks(data, start, end);
            boolean number = (marks & LogLine.NUMBER) != 0;
            klaviyo |= (marks & LogLine.KLAVIYO) != 0;
            // Lines that name neither count only where no line does.
            if (klaviyo || number && ((marks & LogLine.ROUTE) != 0 || !named)) {
                look(new String(data, start, end - start, StandardCharsets.ISO_8859_1), number);
            }
        }

        private void look(String line, boolean number) {
            long kind = kind(line);
            Shape shape = shapes.get(kind);
            if (shape == null) {
                shape = Shape.of(line);
                if (shapes.size() < MOST_KINDS) {
                    shapes.put(kind, shape);
                }
            }
            int status = told || !number ? NO_STATUS : shape.status(line);
            if (status == NO_STATUS && !told && klaviyo && shape.unanswered) {
                status = Facts.NO_ANSWER;
            }
            if (status != NO_STATUS && (klaviyo || !shape.elsewhere)) {
                told = true;
                call(new Call(time, status, shape, line), klaviyo || !shape.endpoint.isEmpty());
            }
            Matcher depth = klaviyo && shape.queue ? LogLine.QUEUE.matcher(line) : null;
            if (depth != null && depth.find()) {
                Queue seen = Queue.one(name, instant(time), Double.parseDouble(depth.group(1)));
                queues.merge(name, seen, Queue::then);
            }
        }

        private void call(Call call, boolean ofKlaviyo) {
            if (time != NO_TIME && (from != null && time < from.toEpochMilli() || time > to.toEpochMilli())) {
                outside++;
                return;
            }
            // The first call that is Klaviyo's for sure makes nobody's of those before it.
            counts = ofKlaviyo && !named ? new Counts() : counts;
            named |= ofKlaviyo;
            if (ofKlaviyo || !named) {
                counts.add(call);
            }
        }
    }

    private static Instant instant(long millis) {
        return millis == NO_TIME ? null : Instant.ofEpochMilli(millis);
    }

    /** Everything counted so far. */
    public synchronized Facts facts() {
        TreeSet<String> left = new TreeSet<>(notRead);
        if (outside > 0) {
            String begin = from == null ? "" : from + " to ";
            left.add(Text.count(outside, "call") + " outside " + begin + to + " not counted");
        }
        if (!named && counts.calls > 0) {
            left.add("no line names Klaviyo or a route of its API: every status is taken for its answer");
        }
        if (counts.dropped > 0) {
            left.add(Text.count(counts.dropped, "call") + " beyond " + MOST_CELLS
                    + " minutes and endpoints not counted by minute");
        }
        boolean zoneNamed = !zones.isEmpty() && !zoneMissing;
        return new Facts(Facts.SCHEMA, from, to, zones.size() == 1 ? zones.first() : zone.getId(), zoneNamed, lines,
                bytes, counts.minutes(), counts.callers(), counts.first, counts.last,
                List.copyOf(counts.waits.values()), counts.customers(),
                List.copyOf(queues.values()), List.of(), List.of(), List.copyOf(left));
    }

    // ---- counting

    private record Call(long time, int status, Shape shape, String line) { }

    private record Cell(long minute, String endpoint) { }

    /** What is counted of calls. */
    private final class Counts {
        private final Map<Cell, TreeMap<Integer, Long>> cells = new HashMap<>();
        private final Map<String, Long> endpoints = new HashMap<>();
        private final Map<String, Long> callers = new HashMap<>();
        private final Map<String, Long> customers = new HashMap<>();
        private final TreeMap<Long, Wait> waits = new TreeMap<>();
        private long calls;
        private long dropped;
        private Failure first;
        private Failure last;

        void add(Call call) {
            calls++;
            String endpoint = counted(endpoints, call.shape.endpoint, MOST_NAMES);
            counted(callers, call.shape.caller, MOST_NAMES);
            long minute = call.time == NO_TIME ? NO_TIME : Math.floorDiv(call.time, MINUTE) * MINUTE;
            Cell cell = new Cell(minute, endpoint);
            if (cells.size() < MOST_CELLS || cells.containsKey(cell)) {
                cells.computeIfAbsent(cell, any -> new TreeMap<>()).merge(call.status, 1L, Long::sum);
            } else {
                dropped++;
            }
            if (call.status == 429) {
                Matcher wait = LogLine.WAIT.matcher(call.line);
                int seconds = wait.find() ? Integer.parseInt(wait.group(1)) : 0;
                waits.merge(minute, new Wait(instant(minute), 1, seconds), Wait::and);
            }
            if (Facts.failed(call.status)) {
                failure(new Failure(instant(call.time), call.status, endpoint), call);
            }
        }

        // Under its name, or with the others once there are too many.
        private static String counted(Map<String, Long> counts, String name, int most) {
            String known = counts.size() < most || counts.containsKey(name) ? name : OTHER;
            counts.merge(known, 1L, Long::sum);
            return known;
        }

        private void failure(Failure failure, Call call) {
            boolean timed = failure.at != null;
            first = first == null || timed && (first.at == null || first.at.isAfter(failure.at)) ? failure : first;
            last = last == null || timed && (last.at == null || !last.at.isAfter(failure.at)) ? failure : last;
            LogLine.customers(call.line).forEach(name -> counted(customers, name, MOST_CUSTOMERS));
        }

        List<Minute> minutes() {
            Comparator<Minute> byTime = Comparator.comparing(Minute::at, Comparator.nullsFirst(Instant::compareTo));
            return cells.entrySet().stream().map(cell -> new Minute(instant(cell.getKey().minute),
                    clean.apply(cell.getKey().endpoint), cell.getValue()))
                    .sorted(byTime.thenComparing(Minute::endpoint)).toList();
        }

        List<Caller> callers() {
            return loudest(callers).filter(caller -> !caller.getKey().isEmpty()).limit(MOST_TOLD)
                    .map(caller -> new Caller(clean.apply(caller.getKey()), caller.getValue(),
                            caller.getValue() / (double) calls)).toList();
        }

        Customers customers() {
            Map<String, Long> most = new LinkedHashMap<>();
            loudest(customers).limit(MOST_NAMES).forEach(one -> most.put(one.getKey(), one.getValue()));
            return new Customers(customers.size(), customers.size() >= MOST_CUSTOMERS, most);
        }

        private static Stream<Map.Entry<String, Long>> loudest(Map<String, Long> counts) {
            return counts.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed()
                    .thenComparing(Map.Entry.comparingByKey()));
        }
    }

    // ---- what is told

    /**
     * What logs and measurements tell of calls to Klaviyo: the schema of a bundle's {@code facts.json}, and what {@code
     * triage --log} goes by. Lists are complete unless they say otherwise; all times are UTC, and null where the log
     * names none.
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
     * @param customers whom failed calls were about, by the pseudonyms of a redacted log
     * @param queue     retry queues by instance
     * @param metrics   curves from Prometheus
     * @param vendor    incidents of the vendor's status page that touch the time, oldest first
     * @param notRead   what was not read or counted, a sentence each
     */
    public record Facts(int schema, Instant from, Instant to, String zone, boolean zoneNamed, long lines, long bytes,
            List<Minute> minutes, List<Caller> callers, Failure first, Failure last, List<Wait> waits,
            Customers customers, List<Queue> queue, List<Curve> metrics, List<StatusPage.Incident> vendor,
            List<String> notRead) {
        /** What this build reads and writes. */
        public static final int SCHEMA = 1;
        /** The status of a call that was not answered: a timeout, a refused connection. */
        public static final int NO_ANSWER = 0;
        private static final ObjectMapper MAPPER = JsonMapper.builder()
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .addModule(new SimpleModule().addSerializer(Instant.class, ToStringSerializer.instance)
                        .addDeserializer(Instant.class, new Times())).build();

        /** Makes empty lists of missing ones: a file from elsewhere may lack them. */
        public Facts {
            minutes = full(minutes);
            callers = full(callers);
            waits = full(waits);
            customers = customers == null ? new Customers(0, false, Map.of()) : customers;
            queue = full(queue);
            metrics = full(metrics);
            vendor = full(vendor).stream().filter(incident -> incident.updates() != null).toList();
            notRead = full(notRead);
        }

        private static <T> List<T> full(List<T> list) {
            return list == null ? List.of() : list.stream().filter(Objects::nonNull).toList();
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
            long failed = minutes.stream().mapToLong(Minute::failed).sum();
            List<Minute> timed = minutes.stream().filter(minute -> minute.at != null).toList();
            Minute peak = timed.stream().max(Comparator.comparing(Minute::calls)).orElse(null);
            if (peak == null) {
                return new Rate(endpoint, calls, failed, calls / (double) all, 0, null, null);
            }
            int since = timed.indexOf(peak);
            while (since > 0 && timed.get(since - 1).calls() * 2 >= peak.calls()) {
                since--;
            }
            return new Rate(endpoint, calls, failed, calls / (double) all, peak.calls(), peak.at, timed.get(since).at);
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
                    customers, queues.isEmpty() ? queue : queues, curves, incidents, all);
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
    }

    private static final class Times extends FromStringDeserializer<Instant> {
        Times() {
            super(Instant.class);
        }

        @Override
        protected Instant _deserialize(String text, DeserializationContext context) {
            return Instant.parse(text);
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
    }

    /**
     * One series of a query; {@code grown} is by how much a counter grew in the time looked at, restarts told
     * apart; else 0.
     */
    public record Curve(String query, String name, String unit, double grown, List<Prometheus.Point> points) { }

    /** Calls to one endpoint, its busiest minute in calls, and since when it has been at half of that or more. */
    public record Rate(String endpoint, long calls, long failed, double share, long perMinute, Instant peakAt,
            Instant since) { }

    // ---- what one line says

    /**
     * A hash of a line without its numbers and ids: the same for lines that differ in nothing else, so that what they
     * say is worked out once for each kind.
     */
    public static long kind(String line) {
        long hash = 7;
        for (int start = 0, end = 0; start < line.length(); start = end + 1) {
            boolean digits = false;
            boolean hex = true;
            for (end = start; end < line.length() && alphanumeric(line.charAt(end)); end++) {
                char c = line.charAt(end);
                digits |= c <= '9';
                hex &= c <= 'F' || c >= 'a' && c <= 'f';
            }
            int length = end - start;
            boolean id = hex && (digits || length >= 4) || digits && length >= SHORTEST_ID;
            for (int i = start; i < end && !id; i++) {
                hash = line.charAt(i) <= '9' ? hash : 31 * hash + line.charAt(i);
            }
            hash = 31 * hash + (end < line.length() ? line.charAt(end) : 0);
        }
        return hash;
    }

    private static boolean alphanumeric(char c) {
        return c >= '0' && c <= '9' || (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    }

    /**
     * What all lines of a kind say: method and route of the call ({@code POST /api/events}, ids as {@code {id}}), who
     * made it, where its status stands, whether it is another service's, and whether it was not answered.
     */
    private record Shape(String endpoint, String caller, int statusAt, boolean elsewhere, boolean unanswered,
            boolean queue) {
        static Shape of(String line) {
            String head = line.substring(0, Math.min(line.length(), LONGEST_HEAD));
            String endpoint = LogLine.endpoint(line);
            boolean otherRoute = line.contains(" /") && endpoint.isEmpty() && LogLine.METHOD.matcher(line).find();
            boolean elsewhere = otherRoute || line.contains("://") || line.contains(" HTTP/1.")
                    || line.contains(" HTTP/2");
            return new Shape(endpoint, LogLine.caller(head), LogLine.statusAt(line), elsewhere,
                    LogLine.UNANSWERED.matcher(head).find(), line.contains("ueue") || line.contains("acklog"));
        }

        /** The status that a line of this kind tells of, or {@link LogLine#NO_STATUS}. */
        int status(String line) {
            int run = -1;
            int start = 0;
            for (int i = 0; i < line.length() && run < statusAt; i++) {
                if (alphanumeric(line.charAt(i)) && (i == 0 || !alphanumeric(line.charAt(i - 1)))) {
                    run++;
                    start = i;
                }
            }
            Matcher status = LogLine.STATUS.matcher(line).region(start, Math.min(line.length(), start + 4));
            return run == statusAt && run >= 0 && status.lookingAt() ? Integer.parseInt(status.group(1)) : NO_STATUS;
        }
    }

    /** Reads one line: its bytes, one character each (ISO 8859-1). */
    private static final class LogLine {
        static final int NUMBER = 1;
        static final int KLAVIYO = 2;
        static final int ROUTE = 4;
        private static final Pattern STATUS = Pattern.compile("([1-5]\\d\\d)(?![0-9A-Za-z])");
        private static final Pattern KNOWN = Pattern.compile("20[0124]|30[123478]|40[0134568]|409|41[03-5]|42[29]|431|"
                + "499|50[0-4]|52[0-7]|530");
        private static final String METHODS = "(?:GET|POST|PUT|PATCH|DELETE)";
        static final Pattern METHOD = Pattern.compile(METHODS);
        static final Pattern WAIT = anyCase("(?:retry[-_ ]?after|expected available in|retry(?:ing)? in|"
                + "wait(?:ing)?)[\"' =:]{1,4}(\\d{1,6})(?!\\d|\\.\\d|ms| ms)");
        static final Pattern QUEUE = anyCase("(?:queue|backlog).{0,40}?\\b(?:depth|size|length|pending|waiting|lag)"
                + "[\"' =:]{1,4}(\\d{1,9})\\b");
        static final Pattern UNANSWERED = anyCase("time(?:d )?out|connection (?:re|aborted)|no route to host|"
                + "unknown ?host|name or service not known|getaddrinfo|enotfound|econn|unreachable|handshake|"
                + "broken pipe");
        private static final byte[] NAME = "klaviyo".getBytes(StandardCharsets.ISO_8859_1);
        private static final byte[] API = "/api/".getBytes(StandardCharsets.ISO_8859_1);
        private static final byte[] CLIENT = "/client/".getBytes(StandardCharsets.ISO_8859_1);
        // A number that may be a status: by itself, and neither a price, a share, a duration nor a size. A right arrow
        // is three of these characters.
        private static final Pattern ALONE = anyCase("(?<![^ \\t\"'`(\\[=:>,\\\\|\\x92])\\d{1,3}(?![\\w%$@\\xa4\\xe2]|"
                + "[.,:/-]\\d|\\s?(?:m?s|msec|secs?|seconds?|mins?|minutes?|hours?|days?|us|ns|[kmg]i?b|bytes?|eur|usd|"
                + "gbp|dollars?|euros?)(?![\\w=:]))");
        private static final String SIGN = "[ \\t\"'`\\\\(\\[=:>,\\x2d\\xe2\\x86\\x92]";
        private static final String SIGNS = SIGN + "+$";
        private static final String LINKED = "(?: (?:with|by|an?|is|was|of|as))?" + SIGNS;
        // What says before a number that it is a status.
        private static final Pattern NAMED = anyCase("(?:(?<![\\w-])(?:http|sc)|http[_-]?(?:code|error)|"
                + "status(?:[_-]?code)?|(?:status|http)[ \"'`:=]+(?:code|error)|HTTP/[\\d.]+)" + LINKED);
        private static final Pattern CODE = anyCase("(?<!(?:exit|zip|post|postal|country|area|promo|coupon|product|"
                + "sort)[ \"'`:=])\\bcode" + SIGNS);
        // What says so where a reason or an end follows: "returned 200 rows" tells of rows.
        private static final Pattern TOLD = anyCase("(?:\\b(?:respond(?:s|ed)|response|return(?:s|ed|ing)|"
                + "answer(?:ed)?|reply|replied|gets?|got|received?|failed|failure|rejected|refused|throttled|result|"
                + "reason|unauthorized|forbidden|conflict|gone|not found|(?:too )?many requests|bad request|"
                + "bad gateway|service unavailable|gateway time-?out)|exception|error)" + LINKED + "|[>\\x92]"
                + SIGN + "*$|" + METHODS + "[ \"'`:=]+[^ ]*/(?:api|client)/[^ ]*" + SIGNS);
        private static final Pattern ENDS = anyCase("[\"'`)\\]]*(?:$|[.,;:!?|{(\\[-]|\\s+(?:$|[-({\\[,;:|]|(?:from|for|"
                + "on|after|in|at|to|with|when|while|calling|response|error|status|http|and|because|body|by)\\b|retry|"
                + "\\d+(?:\\.\\d+)? ?m?s\\b|\\w+[=:]))");
        // What is counted or numbered: what follows its number is no reason.
        private static final Pattern COUNTED = anyCase("(?:#|\\b(?:port|order|id|user|customer|product|item|profile|"
                + "sku|line|page|row|step|batch|job|took|after|every|timeout|size|length|count|total|price|amount|"
                + "duration|elapsed|limit|depth|no)[ \"'`(\\[=:>,-]+)$");
        private static final Pattern REASON = anyCase("(?:20\\d[^\\w]+(?:ok|created|accepted|no content)\\b|"
                + "[2-5]\\d\\d[\"'`)\\]:,;-]*\\s*(?:from (?:https?://)?[\\w.-]*klaviyo|\\(?reason\\b|\\{\"errors)|"
                + "4\\d\\d[\"'`)\\]:,;-]*\\s*(?:client error|bad request|invalid|unauthori[sz]ed|authentication_failed|"
                + "not_authenticated|forbidden|permission_denied|not.found|method not|conflict|duplicate_profile|gone|"
                + "payload|request entity|content too|unprocessable|too many|throttled)|"
                + "5\\d\\d[\"'`)\\]:,;-]*\\s*(?:server error|\\w*\\s?unavailable|internal|bad gateway|gateway time|"
                + "origin|a timeout|web server))");
        private static final Pattern CALL = Pattern.compile("(?:\\b(" + METHODS + ")\\b[^/]{0,60}"
                + "(?:https?://[^/\\s]{1,100})?)?(/(?:api|client)/(?:account|api-key|back-in-stock|bulk|campaign|"
                + "catalog|coupon|custom|data-privacy|event|flow|form|image|list|metric|profile|push-token|report|"
                + "review|segment|subscription|tag|template|tracking|universal|web-feed|webhook)[a-z-]*)"
                + "((?:/[\\w%~.-]+){0,3})(?:.{0,100}\"(" + METHODS + ")\")?");
        private static final String LEVEL = "\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE)\\b"
                + "[\\]:]?[\\s-]{1,4}(?:\\d+ --- )?";
        private static final List<Pattern> CALLERS = List.of(
                anyCase("\\b(?:caller|job|task|worker|component|service|logger|source|module|app|script)(?:=|\":)"
                        + "[\" ]{0,2}([a-z][\\w.:@$-]{1,59})"),
                Pattern.compile(LEVEL + "(?:\\[[^\\]]{1,60}\\]\\s{1,4})?([A-Za-z_][\\w.$-]{1,79}) ?(?::|-\\s|"
                        + "\\()"),
                Pattern.compile(LEVEL + "\\[\\s*([^\\]]{1,60})\\]\\s{1,4}"),
                Pattern.compile("\\s([A-Za-z][\\w./-]{1,40})\\[\\d+\\]:"));
        private static final List<String> STAND_INS =
                List.of("email-", "phone-", "profile-", "external-id-", "customer-");
        private static final Pattern STAND_IN =
                Pattern.compile("\\b(?:" + String.join("|", STAND_INS) + ")[0-9a-f]{6,16}\\b");
        private static final Pattern WORD = Pattern.compile("[0-9A-Za-z]+");

        private LogLine() { }

        private static Pattern anyCase(String pattern) {
            return Pattern.compile(pattern, Pattern.CASE_INSENSITIVE);
        }

        /**
         * What a line may have, told by looking at each byte once, for most have nothing of interest: a {@link #NUMBER}
         * of three digits, {@link #KLAVIYO}'s name in any case, and something like a {@link #ROUTE} of an API.
         */
        static int marks(byte[] data, int start, int end) {
            int marks = 0;
            int digits = 0;
            for (int i = start; i <= end; i++) {
                int b = i < end ? data[i] : ' ';
                if (b >= '0' && b <= '9') {
                    digits++;
                    continue;
                }
                boolean three = digits == 3 && data[i - 3] >= '1' && data[i - 3] <= '5';
                marks |= three && !alphanumeric((char) b) ? NUMBER : 0;
                marks |= (b | 0x20) == 'k' && is(NAME, data, i, end) ? KLAVIYO : 0;
                marks |= b == '/' && (is(API, data, i, end) || is(CLIENT, data, i, end)) ? ROUTE : 0;
                digits = 0;
            }
            return marks;
        }

        private static boolean is(byte[] word, byte[] data, int at, int end) {
            int i = 0;
            while (i < word.length && at + i < end && (data[at + i] | 0x20) == word[i]) {
                i++;
            }
            return i == word.length;
        }

        /** Which run of letters and digits of the line is an HTTP status, counted from 0; -1 when none is. */
        static int statusAt(String line) {
            Matcher number = ALONE.matcher(line);
            for (int seen = 0; seen < MOST_NUMBERS && number.find(); seen++) {
                String before = line.substring(Math.max(0, number.start() - 120), number.start());
                boolean known = KNOWN.matcher(number.group()).matches() && !COUNTED.matcher(before).find();
                boolean reason = REASON.matcher(line).region(number.start(), line.length()).lookingAt();
                boolean ends = ENDS.matcher(line).region(number.end(), line.length()).lookingAt();
                if (NAMED.matcher(before).find() || known && (reason || CODE.matcher(before).find()
                        || ends && TOLD.matcher(before).find())) {
                    return (int) WORD.matcher(line.substring(0, number.start())).results().count();
                }
            }
            return -1;
        }

        static String endpoint(String line) {
            Matcher call = CALL.matcher(line);
            if (!line.contains("/api/") && !line.contains("/client/") || !call.find()) {
                return "";
            }
            String method = call.group(1) != null ? call.group(1) : call.group(4);
            StringBuilder endpoint = new StringBuilder(method == null ? "" : method + " ").append(call.group(2));
            for (String part : call.group(3).split("/")) {
                endpoint.append(part.isEmpty() ? "" : part.matches("[a-z][a-z-]{2,}") ? "/" + part : "/{id}");
            }
            return endpoint.toString();
        }

        /** A job or service that the line names, its logger, its thread or its program; numbers as {@code #}. */
        static String caller(String line) {
            return CALLERS.stream().map(pattern -> pattern.matcher(line)).filter(Matcher::find).findFirst()
                    .map(found -> found.group(1).replaceAll("\\d+", "#").strip()).orElse("");
        }

        /** Pseudonyms of customers in it. */
        static List<String> customers(String line) {
            return STAND_INS.stream().noneMatch(line::contains) ? List.of()
                    : STAND_IN.matcher(line).results().map(MatchResult::group).toList();
        }
    }

    /**
     * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone, the
     * web servers' {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds, milliseconds or
     * microseconds since 1970. For one thread.
     */
    public static final class Stamps {
        private static final int LOOK = 200;
        private static final int LONGEST_ZONE = 7;
        private static final int MOST_MINUTES = 2_000;
        private static final Duration NEAR = Duration.ofDays(60);
        // Up to the minute: as long as it is before the hour, how it looks, and how it is read.
        private static final int ISO = 11;
        private static final int WEB = 12;
        private static final int SYSLOG = 7;
        private static final Pattern FORM = Pattern.compile("\\d{4}([-/])\\d\\d\\1\\d\\d[Tt ]\\d\\d:\\d\\d"
                + "|\\d\\d/[A-Za-z]{3}/\\d{4}:\\d\\d:\\d\\d|[A-Za-z]{3} [ \\d]\\d \\d\\d:\\d\\d");
        private static final Pattern ZONE = Pattern.compile(" ?(?:([zZ])(?![A-Za-z])|"
                + "([+-]\\d\\d):?(\\d\\d)|(UTC|GMT|CES?T|[ECP][SD]T)\\b)");
        private static final Map<String, Integer> HOURS = Map.of("UTC", 0, "GMT", 0, "CET", 1, "CEST", 2, "EST", -5,
                "EDT", -4, "CST", -6, "CDT", -5, "PST", -8, "PDT", -7);

        private final ZoneId zone;
        private final Instant end;
        private final Map<Integer, DateTimeFormatter> forms;
        private ZoneOffset named;
        private boolean unnamed;
        // By its text and what follows the seconds, for there a zone would begin: most lines are of the same minutes.
        private final Map<String, Long> minutes = new HashMap<>();

        /** @param zone of times that name none; {@code end} tells which year syslog's yearless times are of */
        public Stamps(ZoneId zone, Instant end) {
            this.zone = zone;
            this.end = end;
            this.forms = Map.of(ISO, form("uuuu-MM-dd'T'HH:mm"), WEB, form("dd/MMM/uuuu:HH:mm"), SYSLOG,
                    form("MMM d HH:mm"));
        }

        private DateTimeFormatter form(String pattern) {
            return new DateTimeFormatterBuilder().parseCaseInsensitive().appendPattern(pattern)
                    .parseDefaulting(ChronoField.YEAR, end.atZone(zone).getYear()).toFormatter(Locale.ENGLISH);
        }

        /** The zone that the times were read in: the one they name, or the one that was given. */
        String zone() {
            return !named() ? zone.getId() : named.equals(ZoneOffset.UTC) ? "UTC" : named.getId();
        }

        /** Whether all times named their zone; false too where no line had a time. */
        boolean named() {
            return named != null && !unnamed;
        }

        /** The first time within {@code data[from, to)}, in milliseconds since 1970, or {@link LogReader#NO_TIME}. */
        public long find(byte[] data, int from, int to) {
            int last = Math.min(to, from + LOOK);
            for (int i = from; i < last; i++) {
                long found = NO_TIME;
                if (data[i] == ':' && i + 6 <= last && data[i + 3] == ':') {
                    found = clock(data, from, i - 2, last);
                } else if (data[i] == '1' && (i == from || "\n:= \"[\t".indexOf(data[i - 1]) >= 0)) {
                    found = sinceEpoch(data, i, last);
                }
                if (found != NO_TIME) {
                    return found;
                }
            }
            return NO_TIME;
        }

        // Hours, minutes and seconds begin there; the day stands before them.
        private long clock(byte[] data, int from, int hour, int last) {
            int second = hour + 6;
            if (hour - SYSLOG < from || second + 2 > last || !digit(data[second]) || !digit(data[second + 1])) {
                return NO_TIME;
            }
            boolean yearless = data[hour - 1] == ' ' && data[hour - 4] == ' ';
            int length = yearless ? SYSLOG : data[hour - 1] == ':' ? WEB : ISO;
            int millis = (data[second] - '0') * 10_000 + (data[second + 1] - '0') * 1_000;
            boolean point = second + 3 < last && (data[second + 2] == '.' || data[second + 2] == ',');
            boolean fraction = point && digit(data[second + 3]);
            int next = fraction ? second + 3 : second + 2;
            for (int unit = 100; fraction && next < last && digit(data[next]); next++, unit /= 10) {
                millis += (data[next] - '0') * unit;
            }
            if (hour - length < from) {
                return NO_TIME;
            }
            String minute = new String(data, hour - length, length + 5, StandardCharsets.ISO_8859_1);
            String rest = new String(data, next, Math.min(last - next, LONGEST_ZONE), StandardCharsets.ISO_8859_1);
            Long begin = minutes.get(minute + rest);
            if (begin == null) {
                begin = begin(minute, rest);
                if (minutes.size() > MOST_MINUTES) {
                    minutes.clear();
                }
                minutes.put(minute + rest, begin);
            }
            return begin == NO_TIME ? NO_TIME : begin + millis;
        }

        private long begin(String minute, String rest) {
            if (!FORM.matcher(minute).matches()) {
                return NO_TIME;
            }
            int length = minute.length() - 5;
            String plain = length == ISO ? minute.replace('/', '-').replaceFirst("[t ]", "T")
                    : minute.replace("  ", " ");
            try {
                LocalDateTime local = LocalDateTime.parse(plain, forms.get(length));
                Matcher zoned = ZONE.matcher(rest);
                ZoneOffset offset = zoned.lookingAt() ? offset(zoned) : null;
                unnamed |= offset == null;
                named = offset == null ? named : offset;
                return (offset == null ? local.atZone(zone).toInstant() : local.toInstant(offset)).toEpochMilli();
            } catch (DateTimeException e) {
                return NO_TIME;
            }
        }

        private static ZoneOffset offset(Matcher zoned) {
            String name = zoned.group(4);
            return zoned.group(1) != null ? ZoneOffset.UTC : name != null ? ZoneOffset.ofHours(HOURS.get(name))
                    : ZoneOffset.of(zoned.group(2) + ":" + zoned.group(3));
        }

        private long sinceEpoch(byte[] data, int at, int last) {
            int next = at;
            long value = 0;
            while (next < last && digit(data[next]) && next - at < 17) {
                value = value * 10 + data[next++] - '0';
            }
            boolean ends = next >= last || !alphanumeric((char) data[next]);
            int digits = ends ? next - at : 0;
            long time = digits == 10 ? value * 1_000 : digits == 13 ? value : digits == 16 ? value / 1_000 : NO_TIME;
            // An order's number may look the same: only what is near the window is taken for a time.
            return time != NO_TIME && Math.abs(end.toEpochMilli() - time) < NEAR.toMillis() ? time : NO_TIME;
        }

        private static boolean digit(byte b) {
            return b >= '0' && b <= '9';
        }
    }
}
