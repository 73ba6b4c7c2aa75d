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
    private static final Pattern NO_WAIT = Pattern.compile("\\D.*|\\d{7,}");
    private static final int MOST_KINDS = 5_000;

    private final ZoneId zone;
    private final Instant from;
    private final Instant to;
    private final UnaryOperator<String> clean;
    private final Facts.Counter counter;
    private final Map<Long, Kind> kinds = new HashMap<>();
    // Null for that of times which name none.
    private final Set<ZoneOffset> zones = new HashSet<>();
    private final Set<String> notRead = new TreeSet<>();
    private long lines;
    private long bytes;
    private long outside;
    private Instant outsideUpTo;

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
        this.counter = new Facts.Counter(to.minus(AppLog.LATELY), clean);
    }

    /** One log, whose bytes are given piece by piece. */
    public Source source() {
        return new Source();
    }

    /** Notes in the facts that a log breaks off, and why. */
    synchronized void breaksOff(IOException why) {
        notRead.add(Text.safe(clean.apply("log: " + Incident.why(why)), 200));
    }

    /** Until when calls go on that were left out as outside the time looked at; null without any. */
    public synchronized Instant outsideUpTo() {
        return outsideUpTo;
    }

    /** Who calls most by now. */
    synchronized Optional<Facts.Caller> loudest() {
        return counter.loudest(counter.callersLately).stream().findFirst();
    }

    /** Everything counted so far. */
    public synchronized Facts facts() {
        Set<String> left = new TreeSet<>(notRead);
        if (counter.dropped > 0) {
            left.add(Text.count(counter.dropped, "call") + " beyond " + Facts.Counter.MOST_CELLS
                    + " minutes and endpoints not counted by minute");
        }
        // Beside a window they are its calls' neighbours, there for context.
        if (outside > 0 && from == null) {
            left.add(Text.count(outside, "call") + " after " + to + " not counted");
        }
        boolean named = !zones.isEmpty() && !zones.contains(null);
        ZoneId read = named && zones.size() == 1 ? zones.iterator().next() : zone;
        return new Facts(Facts.SCHEMA, from, to, read.equals(ZoneOffset.UTC) ? "UTC" : read.getId(), named, lines,
                bytes, counter.minutes(), counter.busiest, counter.loudest(counter.callers), counter.first,
                counter.last, List.copyOf(counter.waits.values()), counter.customers(), List.of(), List.of(),
                List.of(), List.copyOf(left));
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
                told = call();
            }
            length = 0;
        }

        /** Counts the call that the line tells of, if it tells of one. */
        private boolean call() {
            if (kinds.size() >= MOST_KINDS) {
                kinds.clear();
            }
            Kind kind = kinds.computeIfAbsent(kind(line, 0, length), any -> Kind.of(text(line, 0, length)));
            String written = word(kind.status);
            int status = ANSWER.matcher(written).matches() ? Integer.parseInt(written) : Facts.NO_ANSWER;
            boolean theirs = klaviyo ? !kind.ours : !kind.endpoint.isEmpty() && !kind.elsewhere;
            if (!theirs || status == Facts.NO_ANSWER && !(klaviyo && kind.unanswered)) {
                return false;
            }
            Instant at = time == NO_TIME ? null : Instant.ofEpochMilli(time);
            if (at != null && (from != null && at.isBefore(from) || at.isAfter(to))) {
                outside++;
                outsideUpTo = outsideUpTo == null || at.isAfter(outsideUpTo) ? at : outsideUpTo;
                return true;
            }
            String seconds = status == 429 ? NO_WAIT.matcher(word(kind.pause)).replaceFirst("") : "";
            boolean about = kind.customers && Facts.failed(status);
            List<String> whose = about ? Kind.customers(text(line, 0, length)) : List.of();
            counter.add(new Facts.Call(at, kind.endpoint, kind.caller, status, Integer.parseInt("0" + seconds), whose));
            return true;
        }

        // The line's words are counted from 0. Empty where there is none.
        private String word(int nth) {
            int left = nth;
            int start = 0;
            for (int at = 0; at <= length && nth >= 0; at++) {
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

    // ---- kinds of lines

    // What a byte is: part of a hexadecimal number, a letter beyond those, or nothing of a word.
    private static final byte DIGIT = 1;
    private static final byte HEX = 2;
    private static final byte LETTER = 4;
    private static final byte[] CLASS = new byte[256];
    // What a byte does to the hash of its word: digits do nothing. Read from here, since no processor guesses right
    // which bytes of an id are digits.
    private static final int[] TIMES = new int[256];
    private static final int[] PLUS = new int[256];
    private static final int SHORTEST_HEX = 4;
    private static final int SHORTEST_ID = 10;

    static {
        Arrays.fill(CLASS, 'A', 'Z' + 1, LETTER);
        Arrays.fill(CLASS, 'a', 'z' + 1, LETTER);
        Arrays.fill(CLASS, 'A', 'F' + 1, HEX);
        Arrays.fill(CLASS, 'a', 'f' + 1, HEX);
        Arrays.fill(CLASS, '0', '9' + 1, DIGIT);
        Arrays.setAll(TIMES, b -> CLASS[b] == DIGIT ? 1 : 31);
        Arrays.setAll(PLUS, b -> CLASS[b] == DIGIT ? 0 : b);
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
            spelt = TIMES[b] * spelt + PLUS[b];
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

    static final String METHODS = "(?:GET|POST|PUT|PATCH|DELETE)";
    static final String ROUTE = "/(?:api|client)/";

    /**
     * What all lines of a kind say: method and route of the call ({@code POST /api/events}, ids as {@code {id}}), who
     * made it, whether it is another service's, whether it is a request to ourselves or to another that only mentions
     * Klaviyo, whether it was not answered, whether it names customers, and which of its words are its status and the
     * wait that was asked for.
     */
    private record Kind(String endpoint, String caller, boolean elsewhere, boolean ours, boolean unanswered,
            boolean customers, int status, int pause) {
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
        private static final Pattern REQUEST = Pattern.compile("(?i)\\b(?:" + METHODS + "|url|uri|path|route)"
                + "[\"' ,:=\\w]{1,20}?(?:https?://[^/\\s\"']{1,100})?/(?!/)"
                + "(?:(?!(?:api|client)/)|[^\\s\"'?]{0,100}klaviyo)");
        private static final Pattern TO_KLAVIYO = Pattern.compile("(?i)://[^/\\s\"']{0,60}klaviyo");
        private static final String LEVEL = "\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE)\\b"
                + "[\\]:]?[\\s-]{1,4}(?:\\d+ --- )?";
        /** A job or service that the line names, or its logger: the first that is there. */
        private static final List<Pattern> CALLERS = List.of(
                // job=resync_all, "caller":"resyncAll"
                Pattern.compile("(?i)\\b(?:caller|job|task|worker|component|service|logger|source|module|app|"
                        + "script)(?:=|\":)[\" ]{0,2}([a-z][\\w.:@$-]{1,59})"),
                // [ActiveJob] [ResyncAllJob]
                Pattern.compile("(?<![\\w.])(?!ActiveJob\\b)([A-Z][\\w:]{1,59}(?:Job|Worker|Task))\\b"),
                // ERROR [main] shop.sync.Worker - …
                Pattern.compile(LEVEL + "(?:\\[[^\\]]{1,60}\\]\\s{1,4})?([A-Za-z_][\\w.$-]{1,79}) ?(?::|-\\s|\\()"),
                // WARNING shop.jobs.resync_all …
                Pattern.compile(LEVEL + "(?!a\\.klaviyo)([A-Za-z_]\\w*(?:\\.\\w+)+)\\s"));
        private static final Pattern UNANSWERED = Pattern.compile("(?i)time(?:d )?out|connection (?:re|aborted)|"
                + "no route to host|unknown ?host|name or service not known|getaddrinfo|enotfound|econn|unreachable|"
                + "handshake|broken pipe");
        private static final Pattern CUSTOMER =
                Pattern.compile("\\b(?:email|phone|profile|external-id|customer)-[0-9a-f]{6,16}\\b");
        private static final Pattern WAIT = Pattern.compile("(?i)(?:retry[-_ ]?after|expected available in|"
                + "retry(?:ing)? in|wait(?:ing)?)[\"' =:]{1,4}(\\d{1,6})(?!\\d|\\.\\d|ms| ms)");
        private static final Pattern WORD = Pattern.compile("[A-Za-z0-9]+");

        static Kind of(String line) {
            String caller = CALLERS.stream().map(form -> form.matcher(line)).filter(Matcher::find).findFirst()
                    .map(found -> found.group(1).replaceAll("\\d+", "#").strip()).orElse("");
            Matcher wait = WAIT.matcher(line);
            return new Kind(endpoint(line), caller, ELSEWHERE.matcher(line).find(), ours(line),
                    UNANSWERED.matcher(line).find(), !customers(line).isEmpty(), word(line, AppLog.Sign.status(line)),
                    word(line, wait.find() ? wait.start(1) : -1));
        }

        // What a proxy on the way out says names Klaviyo's host; elsewhere a referer or a client may say klaviyo.
        private static boolean ours(String line) {
            return !line.contains("a.klaviyo.com") && (SERVED.matcher(line).find()
                    || !TO_KLAVIYO.matcher(line).find() && REQUEST.matcher(line).find());
        }

        // Which of the line's words begins there; -1 for what is not there.
        private static int word(String line, int at) {
            return at < 0 ? at : (int) WORD.matcher(line).region(0, at).results().count();
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

    /**
     * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone, the
     * web servers' {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds, milliseconds or
     * microseconds since 1970. For one thread.
     */
    public static final class Stamps {
        private static final int LOOK = 200;
        private static final int MOST_MINUTES = 2_000;
        private static final long NEAR = Duration.ofDays(60).toMillis();
        private static final String FORMS =
                "[uuuu-MM-dd'T'][uuuu-MM-dd' '][uuuu/MM/dd' '][dd/MMM/uuuu:][MMM ppd' ']HH:mm";
        private static final Pattern WRITTEN = Pattern.compile("(?:\\d{4}[-/]\\d\\d[-/]\\d\\d[Tt ]|"
                + "\\d\\d/[A-Za-z]{3}/\\d{4}:|[A-Za-z]{3} [ \\d]\\d )\\d\\d:\\d\\d$");
        /** Seconds, milliseconds or microseconds since 1970. */
        private static final Pattern EPOCH = Pattern.compile("1\\d{9}(?:\\d{3}){0,2}(?![0-9A-Za-z])");
        private static final Pattern ZONE = Pattern.compile(" ?(?:(?i:z|utc|gmt)\\b|([+-](?:0\\d|1[0-7]):?[0-5]\\d))");

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
            for (long unit = 10_000; i < last; i++) {
                if (CLASS[data[i] & 0xff] == DIGIT) {
                    millis += (data[i] - '0') * unit;
                    unit /= 10;
                } else if (unit != 100 || data[i] != '.' && data[i] != ',') {
                    break;
                }
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
            return written.lookingAt() ? ZoneOffset.of(Objects.requireNonNullElse(written.group(1), "Z")) : null;
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
    }
}
