package runbook;

import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What one line of a log says: when it was written, the HTTP status it tells of, of which endpoint, who called, and
 * about whom.
 * Lines come as their bytes, one character each (ISO 8859-1). Patterns are tried where a character calls for one, not
 * all over a
 * line: a log of 50 MB is read in a second.
 */
public final class LogLine {
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
    private static final Set<String> PHRASES = Set.of("not found", "too many requests", "bad request", "bad gateway",
            "many requests", "service unavailable", "gateway timeout", "gateway time-out");
    private static final Set<String> LINKS = Set.of("with", "by", "a", "an", "is", "was", "of", "as");
    private static final Set<String> COUNTED = Set.of("port", "order", "id", "user", "customer", "product", "item",
            "profile", "sku", "line", "page", "row", "step", "batch", "job", "took", "after", "every", "timeout",
            "size", "length", "count", "total", "price", "amount", "duration", "elapsed", "limit", "depth", "no");
    private static final Set<String> OTHER_CODES = Set.of("exit", "zip", "post", "postal", "country", "area", "promo",
            "coupon", "product", "sort");
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
    private static final Set<String> CALLER_NAMES = Set.of("caller", "job", "task", "worker", "component", "service",
            "logger", "source", "module", "app", "script");
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
            "no route to host", "unknownhost", "unknown host", "name or service not known", "getaddrinfo", "enotfound",
            "econn", "unreachable", "handshake", "broken pipe"};

    private LogLine() { }

    // 401 Client Error, `401 Unauthorized`, 429 from a.klaviyo.com, 401 {"errors"
    private static Map<Integer, Pattern> reasons() {
        Map<Integer, Pattern> reasons = new HashMap<>();
        String words = "200 ok\\b,201 created,202 accepted,204 no content,400 bad request|invalid,401 unauthori[sz]ed|"
                + "authentication_failed|not_authenticated,403 forbidden|permission_denied,404 not.found,405 method "
                + "not,409 conflict|duplicate_profile,410 gone,413 payload|request entity|content too,422 "
                + "unprocessable,429 too many|throttled,301,302,303,304,307,308,406,408,414,415,431,499,500,501,502,"
                + "503,504,520,521,522,523,524,525,526,527,530";
        for (String row : words.split(",")) {
            int status = Integer.parseInt(row.substring(0, 3));
            String any = status < 400 ? "" : status < 500 ? "|client error"
                    : "|server error|\\w*\\s?unavailable|internal|bad gateway|gateway time|origin|a timeout|web server";
            reasons.put(status, Pattern.compile("(?i)[\"'`)\\]:,;-]*\\s*(?:from (?:https?://)?[\\w.-]*klaviyo|"
                    + "\\(?reason\\b|\\{\"errors" + any + (row.length() > 3 ? "|" + row.substring(4) : "") + ")"));
        }
        return reasons;
    }

    /**
     * The first HTTP status that a line tells of, or {@link #NO_STATUS}; a port, a price, a duration or an id is none.
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
        if (reason == null || COUNTED.contains(word) || between.isEmpty() && end > 0 || line.startsWith("#", at - 1)) {
            return false;
        }
        if (lookingAt(reason, line, at + 3) || word.equals("code") && !OTHER_CODES.contains(wordBefore)) {
            return true;
        }
        boolean told = VERBS.contains(linked ? wordBefore : word) || word.endsWith("exception")
                || word.endsWith("error") || PHRASES.contains(wordBefore + " " + word) || between.contains(">")
                || between.contains("\u0092") || route(word) && METHODS.contains(wordBefore.toUpperCase(Locale.ROOT));
        return told && lookingAt(ENDS, line, at + 3);
    }

    private static int wordStart(String line, int end) {
        int start = end;
        while (start > 0 && end - start < 300 && " \t\"'`\\{(,=:;[<>|".indexOf(line.charAt(start - 1)) < 0 || start > 1
                && line.charAt(start - 1) == ':' && line.charAt(start) == '/') {
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
     * Method and route of a call to Klaviyo's API: {@code POST /api/events}; ids are {@code {id}}, an unknown method is
     * left out.
     */
    static String endpoint(String line) {
        for (int slash = line.indexOf('/'); slash >= 0; slash = line.indexOf('/', slash + 1)) {
            Matcher route = line.startsWith("/api/", slash) || line.startsWith("/client/", slash) ? ROUTE.matcher(line)
                    .region(slash, line.length()) : null;
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

    /** Whether it is about another service's address or route, or somebody's request to us as a web server logs it. */
    static boolean elsewhere(String line) {
        return line.contains("://") || line.contains(" HTTP/1.") || line.contains(" HTTP/2") || line.contains(" /")
                && endpoint(line).isEmpty() && METHODS.stream().anyMatch(line::contains);
    }

    /**
     * Who called: a job or service that the line names, its logger, its thread or its program; numbers as {@code #}.
     * May be empty.
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
     * What a line says apart from its numbers: the same for all lines of one kind, so that it is worked out once for
     * each.
     */
    record Shape(String endpoint, String caller, boolean elsewhere, boolean unanswered, boolean queue) {
        static Shape of(String line) {
            return new Shape(LogLine.endpoint(line), LogLine.caller(line), LogLine.elsewhere(line), LogLine.unanswered(
                    line), line.contains("ueue") || line.contains("acklog"));
        }
    }

    /** A hash of the line without digits and hexadecimal ids: of lines that differ in nothing else it is the same. */
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
     * What a line has, told by looking at each byte once: most lines have nothing of interest, and cost no more than
     * that.
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
     * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone, the
     * web servers'
     * {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds or milliseconds since 1970.
     * For one thread.
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
            return named == UNKNOWN || unnamed ? zone.getId() : named == 0 ? "UTC" : ZoneOffset.ofTotalSeconds(named)
                    .getId();
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
                    found = i + 18 < last && (data[i + 4] == '-' || data[i + 4] == '/') && data[i + 13] == ':'
                            ? iso(data, i, last) : i + 19 < last && data[i + 2] == '/' ? web(data, i, last) : b == '1'
                            ? sinceEpoch(data, i, last) : NO_TIME;
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
            if (fraction + 3 < last && (data[fraction] == '.' || data[fraction] == ',') && digit(data[fraction + 1])) {
                for (int i = 1; i <= 3; i++) {
                    millis = millis * 10 + (digit(data[fraction + i]) ? data[fraction + i] - '0' : 0);
                }
                fraction++;
                while (fraction < last && digit(data[fraction])) {
                    fraction++;
                }
            }
            return time(number(data, at, 4), number(data, at + 5, 2), number(data, at + 8, 2), number(data, at + 11, 2),
                    number(data, at + 14, 2), number(data, at + 17, 2) * 1000 + millis, offset(data, fraction, last));
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
            long time = !begins || !ends ? NO_TIME : digits == 10 ? value * 1000 : digits == 13 ? value : digits == 16
                    ? value / 1000 : NO_TIME;
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
            if (years < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || millis < 0 || Math.abs(offset) > 64_800
                    && offset != UNKNOWN) {
                return NO_TIME;
            }
            long key = ((((years * 13L + month) * 32 + day) * 24 + hour) * 60 + minute) * 200_000 + (offset == UNKNOWN
                    ? 199_999 : offset + 90_000);
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
            int place = MONTHS.indexOf(new String(data, at, 3, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT));
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
