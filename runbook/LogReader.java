package runbook;

import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.time.format.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.Facts.Caller;
import runbook.Facts.Customers;
import runbook.Facts.Failure;
import runbook.Facts.Minute;
import runbook.Facts.Wait;

/**
 * Reads an application's logs for what they tell of its calls to Klaviyo, and counts it into {@link Facts}. A call is a
 * line with an HTTP status that names Klaviyo or a route of its API; a body and a stack trace below it belong to the
 * same call. Logs are read as streams, several at once, in bounded memory. Safe for several threads; each log has a
 * {@link Source}, for one thread.
 */
public final class LogReader {
    /** The time of a line that names none. */
    public static final long NO_TIME = Long.MIN_VALUE;
    private static final int LONGEST_LINE = 4_000;
    private static final int LONGEST_PLAIN = 200;
    private static final char ESCAPE = 27;
    private static final Pattern COLOUR = Pattern.compile("\u001b[^m\u001b]*+m?");
    private static final Pattern ANSWER = Pattern.compile("[1-5]\\d\\d");
    private static final int NO_WORD = -1;
    private static final int MOST_CELLS = 60_000;
    private static final int MOST_KINDS = 5_000;
    private static final int MOST_CUSTOMERS = 50_000;
    private static final int MOST_NAMES = 200;
    private static final int MOST_TOLD = 20;
    private static final long MINUTE = 60_000;

    private final ZoneId zone;
    private final Instant from;
    private final Instant to;
    private final UnaryOperator<String> clean;
    private final Map<Long, Call> kinds = new HashMap<>();
    private final Map<Cell, TreeMap<Integer, Long>> cells = new HashMap<>();
    private final TreeMap<Long, Wait> waits = new TreeMap<>();
    private final Map<String, Sliding> endpoints = new HashMap<>();
    private final Map<String, Long> callers = new HashMap<>();
    private final Map<String, Long> customers = new HashMap<>();
    // Null for that of times which name none.
    private final Set<ZoneOffset> zones = new HashSet<>();
    private final TreeSet<String> notRead = new TreeSet<>();
    private long lines;
    private long bytes;
    private long calls;
    private long outside;
    private long outsideUpTo = NO_TIME;
    private long dropped;
    private Failure first;
    private Failure last;

    /**
     * A reader of one application's logs.
     *
     * @param zone  of times that name none
     * @param from  calls before it are left out; null for all
     * @param to    calls after it are left out; tells the year of times without one
     * @param clean takes secrets and personal data out of a text that ends up in the facts
     */
    public LogReader(ZoneId zone, Instant from, Instant to, UnaryOperator<String> clean) {
        this.zone = zone;
        this.from = from;
        this.to = to;
        this.clean = clean;
    }

    /** Reads a log to its end, once for all readers. Where it breaks off is noted in their facts. */
    public static void read(String name, InputStream log, List<LogReader> readers) {
        List<Source> sources = readers.stream().map(LogReader::source).toList();
        byte[] buffer = new byte[1 << 16];
        try {
            for (int read = log.read(buffer); read >= 0; read = log.read(buffer)) {
                int count = read;
                sources.forEach(source -> source.take(buffer, count));
            }
        } catch (IOException e) {
            String why = name + ": " + Incident.why(e);
            readers.forEach(reader -> reader.notRead.add(Text.safe(reader.clean.apply(why), 200)));
        }
        sources.forEach(Source::end);
    }

    /** One log, whose bytes are given piece by piece. */
    public Source source() {
        return new Source();
    }

    /** One log while it is read. For one thread. */
    public final class Source {
        private final Stamps stamps = new Stamps(zone, to);
        private final byte[] line = new byte[LONGEST_LINE];
        private int length;
        // Of the record that the last lines belong to: one with a time, and those without one below it.
        private long time = NO_TIME;
        private boolean klaviyo;
        private boolean told;

        private Source() { }

        /** Takes the next bytes, which may end anywhere. */
        public void take(byte[] data, int count) {
            synchronized (LogReader.this) {
                bytes += count;
                int start = 0;
                for (int i = 0; i < count; i++) {
                    if (data[i] == '\n') {
                        append(data, start, i);
                        line();
                        start = i + 1;
                    }
                }
                append(data, start, count);
            }
        }

        private void append(byte[] data, int start, int end) {
            int more = Math.min(end - start, LONGEST_LINE - length);
            System.arraycopy(data, start, line, length, more);
            length += more;
        }

        /** No more will come. */
        public void end() {
            synchronized (LogReader.this) {
                if (length > 0) {
                    line();
                }
                zones.addAll(stamps.zones);
            }
        }

        private void line() {
            lines++;
            // Colours stand between a name and its value. A coloured line has its first one early.
            if (text(line, 0, Math.min(length, LONGEST_PLAIN)).indexOf(ESCAPE) >= 0) {
                String plain = COLOUR.matcher(text(line, 0, length)).replaceAll("");
                length = 0;
                append(plain.getBytes(StandardCharsets.ISO_8859_1), 0, plain.length());
            }
            long stamp = stamps.find(line, 0, length);
            if (stamp != NO_TIME || time == NO_TIME) {
                time = stamp;
                klaviyo = false;
                told = false;
            }
            boolean route = false;
            for (int i = 0; i < length && !klaviyo; i++) {
                int b = line[i] | 0x20;
                klaviyo = b == 'k' && is("klaviyo", line, i, length);
                route |= b == '/' && (is("/api/", line, i, length) || is("/client/", line, i, length));
            }
            if (!told && (klaviyo || route)) {
                told = count();
            }
            length = 0;
        }

        /** Counts the call that the line tells of, if it tells of one. */
        private boolean count() {
            if (kinds.size() >= MOST_KINDS) {
                kinds.clear();
            }
            Call call = kinds.computeIfAbsent(kind(line, 0, length), kind -> Call.of(text(line, 0, length)));
            String written = word(call.status);
            int status = ANSWER.matcher(written).matches() ? Integer.parseInt(written) : Facts.NO_ANSWER;
            boolean theirs = klaviyo ? !call.ours : !call.endpoint.isEmpty() && !call.elsewhere;
            if (!theirs || status == Facts.NO_ANSWER && !(klaviyo && call.unanswered)) {
                return false;
            } else if (time != NO_TIME && (from != null && time < from.toEpochMilli() || time > to.toEpochMilli())) {
                outside++;
                outsideUpTo = Math.max(outsideUpTo, time);
                return true;
            }
            calls++;
            counted(callers, call.caller, MOST_NAMES);
            String endpoint = known(endpoints, call.endpoint, MOST_NAMES);
            Sliding sliding = endpoints.computeIfAbsent(endpoint, any -> new Sliding());
            Cell cell = new Cell(time == NO_TIME ? NO_TIME : time - Math.floorMod(time, MINUTE), endpoint);
            if (cells.size() < MOST_CELLS || cells.containsKey(cell)) {
                cells.computeIfAbsent(cell, any -> new TreeMap<>()).merge(status, 1L, Long::sum);
            } else {
                dropped++;
            }
            if (time != NO_TIME) {
                sliding.add(Math.floorDiv(time, 1_000));
            }
            if (status == 429) {
                int seconds = Integer.parseInt("0" + word(call.pause).replaceFirst("\\D.*|\\d{7,}", ""));
                waits.merge(cell.minute, new Wait(instant(cell.minute), 1, seconds), Wait::and);
            }
            if (Facts.failed(status)) {
                failed(new Failure(instant(time), status, endpoint));
                List<String> whose = call.customers ? Call.customers(text(line, 0, length)) : List.of();
                whose.forEach(name -> counted(customers, name, MOST_CUSTOMERS));
            }
            return true;
        }

        // The line's words are counted from 0. Empty where there is none.
        private String word(int nth) {
            int left = nth;
            int start = 0;
            for (int at = 0; at <= length && nth != NO_WORD; at++) {
                boolean within = at < length && CLASS[line[at] & 0xff] != 0;
                if (!within && at > start && left-- == 0) {
                    return text(line, start, at);
                }
                start = within ? start : at + 1;
            }
            return "";
        }
    }

    // In lower case.
    private static boolean is(String word, byte[] data, int at, int end) {
        int i = 0;
        while (i < word.length() && at + i < end && (data[at + i] | 0x20) == word.charAt(i)) {
            i++;
        }
        return i == word.length();
    }

    private static String text(byte[] data, int start, int end) {
        return new String(data, start, end - start, StandardCharsets.ISO_8859_1);
    }

    // ---- counting

    private record Cell(long minute, String endpoint) { }

    // A name, or with the others once there are too many.
    private static String known(Map<String, ?> names, String name, int most) {
        return names.size() < most || names.containsKey(name) ? name : "other";
    }

    private static void counted(Map<String, Long> counts, String name, int most) {
        counts.merge(known(counts, name, most), 1L, Long::sum);
    }

    private void failed(Failure failure) {
        boolean timed = failure.at() != null;
        first = first == null || timed && (first.at() == null || first.at().isAfter(failure.at())) ? failure : first;
        last = last == null || timed && (last.at() == null || !last.at().isAfter(failure.at())) ? failure : last;
    }

    /** Calls in the busiest sixty seconds in a row, wherever they begin. */
    private static final class Sliding {
        private final TreeMap<Long, Long> bySecond = new TreeMap<>();
        private long sum;
        private long most;

        void add(long second) {
            bySecond.merge(second, 1L, Long::sum);
            sum++;
            while (bySecond.firstKey() <= bySecond.lastKey() - 60) {
                sum -= bySecond.pollFirstEntry().getValue();
            }
            most = Math.max(most, sum);
        }
    }

    /** The most calls to an endpoint in sixty seconds in a row; 0 where no line has a time. */
    public synchronized long busiest(String endpoint) {
        return endpoints.containsKey(endpoint) ? endpoints.get(endpoint).most : 0;
    }

    /** Until when calls go on that were left out as outside the time looked at; null without any. */
    public synchronized Instant outsideUpTo() {
        return instant(outsideUpTo);
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
        if (dropped > 0) {
            left.add(Text.count(dropped, "call") + " beyond " + MOST_CELLS
                    + " minutes and endpoints not counted by minute");
        }
        List<Minute> minutes = cells.entrySet().stream().map(cell -> new Minute(instant(cell.getKey().minute),
                clean.apply(cell.getKey().endpoint), cell.getValue())).sorted(Minute.IN_ORDER).toList();
        List<Caller> loudest = most(callers).filter(caller -> !caller.getKey().isEmpty()).limit(MOST_TOLD)
                .map(one -> new Caller(clean.apply(one.getKey()), one.getValue(), one.getValue() / (double) calls))
                .toList();
        Map<String, Long> affected = new LinkedHashMap<>();
        most(customers).limit(MOST_NAMES).forEach(one -> affected.put(one.getKey(), one.getValue()));
        boolean named = !zones.isEmpty() && !zones.contains(null);
        ZoneId read = named && zones.size() == 1 ? zones.iterator().next() : zone;
        return new Facts(Facts.SCHEMA, from, to, read.equals(ZoneOffset.UTC) ? "UTC" : read.getId(), named, lines,
                bytes, minutes, loudest, first, last, List.copyOf(waits.values()),
                new Customers(customers.size(), customers.size() >= MOST_CUSTOMERS, affected),
                List.of(), List.of(), List.of(), List.copyOf(left));
    }

    private static Stream<Map.Entry<String, Long>> most(Map<String, Long> counts) {
        return counts.entrySet().stream().sorted(Map.Entry.<String, Long>comparingByValue().reversed()
                .thenComparing(Map.Entry.comparingByKey()));
    }

    // ---- kinds of lines

    // What a byte is: part of a hexadecimal number, a letter beyond those, or nothing of a word.
    private static final byte DIGIT = 1;
    private static final byte HEX = 2;
    private static final byte LETTER = 4;
    private static final byte[] CLASS = new byte[256];
    private static final int SHORTEST_HEX = 4;
    private static final int SHORTEST_ID = 10;

    static {
        Arrays.fill(CLASS, 'A', 'Z' + 1, LETTER);
        Arrays.fill(CLASS, 'a', 'z' + 1, LETTER);
        Arrays.fill(CLASS, 'A', 'F' + 1, HEX);
        Arrays.fill(CLASS, 'a', 'f' + 1, HEX);
        Arrays.fill(CLASS, '0', '9' + 1, DIGIT);
    }

    /**
     * A hash of a line without its numbers and ids: the same for lines that differ in nothing else, so that what they
     * say is worked out once for each kind.
     */
    public static long kind(byte[] data, int start, int end) {
        long kind = 7;
        long spelt = kind;
        int length = 0;
        int seen = 0;
        for (int i = start; i <= end; i++) {
            int b = i < end ? data[i] & 0xff : '\n';
            int c = CLASS[b];
            seen |= c;
            length++;
            spelt = c == DIGIT ? spelt : 31 * spelt + b;
            if (c == 0) {
                boolean digits = (seen & DIGIT) != 0;
                boolean hex = (seen & LETTER) == 0 && (digits || length > SHORTEST_HEX);
                kind = hex || digits && length > SHORTEST_ID ? 31 * kind + b : spelt;
                spelt = kind;
                length = 0;
                seen = 0;
            }
        }
        return kind;
    }

    /**
     * What all lines of a kind say: method and route of the call ({@code POST /api/events}, ids as {@code {id}}), who
     * made it, whether it is another service's, whether it is a request to ourselves or to another that only mentions
     * Klaviyo, whether it was not answered, whether it names customers, and which of its words are its status and the
     * wait that was asked for.
     */
    private record Call(String endpoint, String caller, boolean elsewhere, boolean ours, boolean unanswered,
            boolean customers, int status, int pause) {
        private static final String METHODS = "(?:GET|POST|PUT|PATCH|DELETE)";
        private static final String ROUTE = "/(?:api|client)/";
        private static final Pattern CALL = Pattern.compile("(?:\\b(?<method>" + METHODS + ")\\b[^/]{0,60}"
                + "(?:https?://[^/\\s]{1,100})?)?(?<route>" + ROUTE + "(?:account|api-key|back-in-stock|bulk|campaign|"
                + "catalog|coupon|custom|data-privacy|event|flow|form|image|list|metric|profile|push-token|report|"
                + "review|segment|subscription|tag|template|tracking|universal|web-feed|webhook)[a-z-]*)"
                + "(?<rest>(?:/[\\w%~.-]+){0,3})(?:.{0,100}\"(?<after>" + METHODS + ")\")?");
        private static final Pattern ELSEWHERE = Pattern.compile("://| HTTP/[12]");
        /** A line of a web server's access log, of Rails' own, or of a controller: a request that we answered. */
        private static final Pattern SERVED = Pattern.compile("\\] \"" + METHODS + " /|\"" + METHODS
                + " /[^\\s\"]{0,1000} HTTP/[12]|\\bCompleted [1-5]\\d\\d |\\bcontroller=");
        /** A request for something that is no route of Klaviyo's, even where its path says klaviyo. */
        private static final Pattern REQUEST = anyCase("\\b(?:" + METHODS + "|url|uri|path|route)[\"' ,:=\\w]{1,20}?"
                + "(?:https?://[^/\\s\"']{1,100})?/(?!/)(?:(?!(?:api|client)/)|[^\\s\"'?]{0,100}klaviyo)");
        private static final Pattern TO_KLAVIYO = anyCase("://[^/\\s\"']{0,60}klaviyo");
        private static final String LEVEL = "\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE)\\b"
                + "[\\]:]?[\\s-]{1,4}(?:\\d+ --- )?";
        /** A job or service that the line names, or its logger: the first that is there. */
        private static final List<Pattern> CALLERS = List.of(
                anyCase("\\b(?:caller|job|task|worker|component|service|logger|source|module|app|script)(?:=|\":)"
                        + "[\" ]{0,2}([a-z][\\w.:@$-]{1,59})"),
                Pattern.compile("(?<![\\w.])(?!ActiveJob\\b)([A-Z][\\w:]{1,59}(?:Job|Worker|Task))\\b"),
                Pattern.compile(LEVEL + "(?:\\[[^\\]]{1,60}\\]\\s{1,4})?([A-Za-z_][\\w.$-]{1,79}) ?(?::|-\\s|\\()"),
                Pattern.compile(LEVEL + "(?!a\\.klaviyo)([A-Za-z_]\\w*(?:\\.\\w+)+)\\s"));
        private static final Pattern UNANSWERED = anyCase("time(?:d )?out|connection (?:re|aborted)|no route to host|"
                + "unknown ?host|name or service not known|getaddrinfo|enotfound|econn|unreachable|handshake|"
                + "broken pipe");
        private static final Pattern CUSTOMER =
                Pattern.compile("\\b(?:email|phone|profile|external-id|customer)-[0-9a-f]{6,16}\\b");
        private static final Pattern WAIT = anyCase("(?:retry[-_ ]?after|expected available in|retry(?:ing)? in|"
                + "wait(?:ing)?)[\"' =:]{1,4}(\\d{1,6})(?!\\d|\\.\\d|ms| ms)");

        private static final Pattern WORD = Pattern.compile("[A-Za-z0-9]+");

        static Call of(String line) {
            String caller = CALLERS.stream().map(form -> form.matcher(line)).filter(Matcher::find).findFirst()
                    .map(found -> found.group(1).replaceAll("\\d+", "#").strip()).orElse("");
            Matcher wait = WAIT.matcher(line);
            return new Call(endpoint(line), caller, ELSEWHERE.matcher(line).find(), ours(line),
                    UNANSWERED.matcher(line).find(), !customers(line).isEmpty(), word(line, Status.find(line)),
                    word(line, wait.find() ? wait.start(1) : NO_WORD));
        }

        // What a proxy on the way out says names Klaviyo's host; elsewhere a referer or a client may say klaviyo.
        private static boolean ours(String line) {
            return !line.contains("a.klaviyo.com") && (SERVED.matcher(line).find()
                    || !TO_KLAVIYO.matcher(line).find() && REQUEST.matcher(line).find());
        }

        // Which of the line's words begins there.
        private static int word(String line, int at) {
            return at == NO_WORD ? NO_WORD : (int) WORD.matcher(line).region(0, at).results().count();
        }

        private static String endpoint(String line) {
            Matcher call = CALL.matcher(line);
            if (!line.contains("/api/") && !line.contains("/client/") || !call.find()) {
                return "";
            }
            String method = Stream.of("method", "after").map(call::group).filter(Objects::nonNull).findFirst()
                    .map(name -> name + " ").orElse("");
            String rest = Stream.of(call.group("rest").split("/")).filter(part -> !part.isEmpty())
                    .map(part -> part.matches("[a-z][a-z-]{2,}") ? "/" + part : "/{id}").collect(Collectors.joining());
            return method + call.group("route") + rest;
        }

        /** Pseudonyms of customers in it. */
        static List<String> customers(String line) {
            return CUSTOMER.matcher(line).results().map(MatchResult::group).toList();
        }
    }

    /** Where a line has an HTTP status: at the first number that what stands around it tells to be one. */
    private static final class Status {
        private static final int MOST_NUMBERS = 200;
        private static final int LONGEST_COUNTED = 12;
        private static final int LONGEST_BEFORE = 140;
        /** A number by itself: neither a price, a share, a duration nor a size. */
        private static final Pattern NUMBER = anyCase("(?<![^ \\t\"'`(\\[=:>,\\\\|\\x92])[1-5]\\d\\d"
                + "(?![\\w%$@\\xa4\\xe2]|[.,:/-]\\d|\\s?(?:m?s|msec|secs?|seconds?|mins?|minutes?|hours?|days?|"
                + "us|ns|[kmg]i?b|bytes?|eur|usd|gbp|dollars?|euros?)(?![\\w=:]))");
        // What is counted or numbered: the number after it is no status.
        private static final Pattern COUNTED = anyCase("(?:#|\\b(?:port|order|id|user|customer|product|item|profile|"
                + "sku|line|page|row|step|batch|job|took|after|every|timeout|size|length|count|total|price|amount|"
                + "duration|elapsed|limit|depth|no)[ \"'`(\\[=:>,-]{1,3})$");
        // What may stand between a word and the status that it announces; a right arrow is three of these characters.
        private static final String SIGN = "[ \\t\"'`\\\\(\\[=:>,\\x2d\\xe2\\x86\\x92]";
        private static final String LINKED = "(?: (?:with|by|an?|is|was|of|as))?" + SIGN + "{1,9}+$";
        private static final Pattern NAMED = anyCase("(?:(?<![\\w-])(?:http|sc)|http[_-]?(?:code|error)|"
                + "status(?:[_-]?code)?|(?:status|http)[ \"'`:=]+(?:code|error)|HTTP/[\\d.]+)" + LINKED);
        /** Those that Klaviyo and what stands before it answer with: others need their name. */
        private static final Pattern KNOWN = Pattern.compile("20[0124]|30[123478]|40[01345689]|41[0345]|42[29]|431|"
                + "499|50[0-4]|52[0-7]|530");
        private static final Pattern CODE = anyCase("(?<!(?:exit|zip|post|postal|country|area|promo|coupon|product|"
                + "sort)[ \"'`:=])\\bcode" + SIGN + "{1,9}+$");
        // A word that tells of an answer, an arrow or a route, where the number ends what is said: "returned 200 rows"
        // tells of rows.
        private static final Pattern ANSWERED = anyCase("(?:\\b(?:respond(?:s|ed)|response|return(?:s|ed|ing)|"
                + "answer(?:ed)?|reply|replied|gets?|got|received?|failed|failure|rejected|refused|throttled|result|"
                + "reason|unauthorized|forbidden|conflict|gone|not found|(?:too )?many requests|bad request|"
                + "bad gateway|service unavailable|gateway time-?out)|exception|error)" + LINKED
                + "|[>\\x92]" + SIGN + "{0,9}+$|" + Call.ROUTE + "[\\w/%~.?&=-]{0,100}+" + SIGN + "{1,9}+$");
        private static final Pattern ENDS = anyCase("[\"'`)\\]]*(?:$|[.,;:!?|{(\\[-]|\\s+(?:$|[-({\\[,;:|]|"
                + "(?:from|for|on|after|in|at|to|with|when|while|took|elapsed|calling|response|error|status|http|and|"
                + "because|body|by)\\b|retry|\\d+(?:\\.\\d+)? ?m?s\\b|\\w+[=:]))");
        private static final String THEN = "[\"'`)\\]:,;-]*\\s*";
        /** The status with what only a status is followed by: its reason, or whose answer it is. */
        private static final Pattern EXPLAINED = anyCase("20\\d[^\\w]+(?:ok|created|accepted|no content)\\b"
                + "|\\d+" + THEN + "(?:from (?:https?://)?[\\w.-]*klaviyo|\\(?reason\\b|\\{\"errors|(?:" + Call.METHODS
                + " )?(?:https?://[\\w.:-]+)?" + Call.ROUTE + ")|[45]\\d+" + THEN + "(?:client error|bad request|"
                + "invalid|unauthori[sz]ed|authentication_failed|not_authenticated|forbidden|permission_denied|"
                + "not.found|method not|conflict|duplicate_profile|gone|payload|request entity|content too|"
                + "unprocessable|too many|throttled|server error|\\w*\\s?unavailable|internal|bad gateway|"
                + "gateway time|origin|a timeout|web server)");

        static int find(String line) {
            return NUMBER.matcher(line).results().limit(MOST_NUMBERS).mapToInt(MatchResult::start)
                    .filter(at -> is(line, at)).findFirst().orElse(NO_WORD);
        }

        private static boolean is(String line, int at) {
            int end = at + 3;
            if (before(COUNTED, line, at, LONGEST_COUNTED)) {
                return false;
            } else if (!KNOWN.matcher(line).region(at, end).matches()) {
                return before(NAMED, line, at, LONGEST_BEFORE);
            }
            boolean answered = ENDS.matcher(line).region(end, line.length()).lookingAt()
                    && before(ANSWERED, line, at, LONGEST_BEFORE);
            return answered || EXPLAINED.matcher(line).region(at, line.length()).lookingAt()
                    || before(NAMED, line, at, LONGEST_BEFORE) || before(CODE, line, at, LONGEST_BEFORE);
        }

        private static boolean before(Pattern words, String line, int at, int longest) {
            return words.matcher(line).region(Math.max(0, at - longest), at).find();
        }
    }

    private static Pattern anyCase(String pattern) {
        return Pattern.compile(pattern, Pattern.CASE_INSENSITIVE);
    }

    /**
     * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone, the
     * web servers' {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds, milliseconds or
     * microseconds since 1970. For one thread.
     */
    public static final class Stamps {
        private static final int LOOK = 200;
        private static final int MOST_MINUTES = 2_000;
        private static final long NEAR = 60 * 24 * 60 * MINUTE;
        private static final String FORMS =
                "[uuuu-MM-dd'T'][uuuu-MM-dd' '][uuuu/MM/dd' '][dd/MMM/uuuu:][MMM ppd' ']HH:mm";
        private static final Pattern WRITTEN = Pattern.compile("(?:\\d{4}[-/]\\d\\d[-/]\\d\\d[Tt ]|"
                + "\\d\\d/[A-Za-z]{3}/\\d{4}:|[A-Za-z]{3} [ \\d]\\d )\\d\\d:\\d\\d$");
        /** Seconds, milliseconds or microseconds since 1970. */
        private static final Pattern EPOCH = Pattern.compile("1\\d{9}(?:\\d{3}){0,2}(?![0-9A-Za-z])");
        private static final Pattern ZONE =
                Pattern.compile(" ?(?:[zZ]\\b|UTC\\b|GMT\\b|([+-](?:0\\d|1[0-7])):?([0-5]\\d))");

        private final ZoneId zone;
        private final Instant end;
        private final DateTimeFormatter forms;
        // What each text up to the minute says: most lines are of the same minutes.
        private final Map<String, Optional<LocalDateTime>> minutes = new HashMap<>();
        private final Set<ZoneOffset> zones = new HashSet<>();

        /** @param zone of times that name none; {@code end} tells which year syslog's yearless times are of */
        public Stamps(ZoneId zone, Instant end) {
            this.zone = zone;
            this.end = end;
            forms = new DateTimeFormatterBuilder().parseCaseInsensitive().appendPattern(FORMS)
                    .parseDefaulting(ChronoField.YEAR, end.atZone(zone).getYear()).toFormatter(Locale.ENGLISH);
        }

        /** The first time within {@code data[from, to)}, in milliseconds since 1970, or {@link LogReader#NO_TIME}. */
        public long find(byte[] data, int from, int to) {
            int last = Math.min(to, from + LOOK);
            long found = NO_TIME;
            for (int i = from; i < last && found == NO_TIME; i++) {
                if (data[i] == ':' && i + 6 <= last && data[i + 3] == ':') {
                    found = clock(data, from, i, last);
                } else if (data[i] == '1' && (i == from || "\n:= \"[\t".indexOf(data[i - 1]) >= 0)) {
                    found = sinceEpoch(data, i, last);
                }
            }
            return found;
        }

        // The minutes stand after this colon, day and hour before it.
        private long clock(byte[] data, int from, int colon, int last) {
            if (minutes.size() > MOST_MINUTES) {
                minutes.clear();
            }
            Optional<LocalDateTime> minute =
                    minutes.computeIfAbsent(text(data, Math.max(from, colon - 14), colon + 3), this::minute);
            int i = colon + 4;
            long millis = 0;
            for (long unit = 10_000; i < last && (digit(data[i]) || unit == 100 && ".,".indexOf(data[i]) >= 0); i++) {
                millis += digit(data[i]) ? (data[i] - '0') * unit : 0;
                unit = digit(data[i]) ? unit / 10 : unit;
            }
            if (minute.isEmpty() || i < colon + 6) {
                return NO_TIME;
            }
            boolean utc = i < last && data[i] == 'Z';
            ZoneOffset named = utc ? ZoneOffset.UTC : offset(text(data, i, Math.min(last, i + 7)));
            zones.add(named);
            ZoneOffset offset = named == null ? zone.getRules().getOffset(minute.get()) : named;
            return millis + 1_000 * minute.get().toEpochSecond(offset);
        }

        private static ZoneOffset offset(String text) {
            Matcher written = ZONE.matcher(text);
            if (!written.lookingAt()) {
                return null;
            }
            String hours = written.group(1);
            return hours == null ? ZoneOffset.UTC : ZoneOffset.of(hours + ":" + written.group(2));
        }

        private Optional<LocalDateTime> minute(String text) {
            Matcher written = WRITTEN.matcher(text);
            try {
                return written.find() ? Optional.of(LocalDateTime.parse(written.group(), forms)) : Optional.empty();
            } catch (DateTimeException e) {
                return Optional.empty();
            }
        }

        // An order's number may look the same: only what is near the window is taken for a time.
        private long sinceEpoch(byte[] data, int at, int last) {
            Matcher number = EPOCH.matcher(text(data, at, Math.min(last, at + 17)));
            long millis = number.lookingAt() ? Long.parseLong((number.group() + "000").substring(0, 13)) : 0;
            return Math.abs(end.toEpochMilli() - millis) < NEAR ? millis : NO_TIME;
        }

        private static boolean digit(byte b) {
            return b >= '0' && b <= '9';
        }
    }
}
