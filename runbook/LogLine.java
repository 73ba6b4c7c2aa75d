package runbook;

import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What one line of a log says: when it was written, the HTTP status it tells of, of which endpoint, and who called it. */
public final class LogLine {
    /** A line without a time. */
    public static final long NO_TIME = Long.MIN_VALUE;
    static final int NO_STATUS = -1;

    private static final Set<Integer> KNOWN = Set.of(200, 201, 202, 204, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405,
            406, 408, 409, 410, 413, 414, 415, 422, 429, 431, 499, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530);
    private static final String ARROW = "(?:[=-]>|\u00e2\u0086\u0092)";
    private static final String OPENING = "[\"'`\\\\(\\[]*$";
    // status=401, "status_code":"401", HTTP 401, HTTP/1.1" 401, HTTP Error 401, http.response.status: 401
    private static final Pattern NAMED = Pattern.compile("(?i)(?:(?<![a-z])(?:status|http(?:/[0-9.]+)?|sc)|http_?status|[a-z]status)"
            + "(?:[ _.-]?(?:code|error|status))*[\"'`\\\\]*\\s*(?:[=:>,]+|is|was|of)?\\s*" + OPENING);
    // "code":401, error code 401; an exit code or a postal code is none
    private static final Pattern CODE = Pattern.compile("(?i)(?<![a-z_])(?<!(?:exit|zip|post|postal|country|area|promo|coupon|product"
            + "|sort)[ -])code[\"'`\\\\]*[=: ]\\s*" + OPENING);
    // responded 401, failed with 401, Unauthorized: 401, POST /api/events 401, … -> 401
    private static final Pattern TOLD = Pattern.compile("(?i)(?:(?<![a-z_])(?:(?:respon\\w+|return\\w*|answer\\w*|repl(?:y|ied)|got|gets"
            + "|received?|failed|failure|rejected|refused|error|exception|throttled|result|reason|unauthori[sz]ed|forbidden"
            + "|not found|too many requests|bad request|bad gateway|service unavailable|gateway time-?out|conflict|gone)"
            + "(?: with| by)?(?: an?)?|(?:GET|POST|PUT|PATCH|DELETE) \\S*/(?:api|client)/\\S*)[\"'`:]*(?:\\s?" + ARROW + ")?"
            + "[\"'`:=\\s(\\[]*|" + ARROW + " ?[\"'`(\\[]*)$");
    // What may follow there: an end, or a word that is not what was counted ("returned 200 rows").
    private static final Pattern ENDS = Pattern.compile("(?i)[\"'`)\\]]*(?:$|[.,;:!?|{(\\[-]|\\s+(?:$|[-({\\[,;:|]|(?:from|for|on|after|in"
            + "|at|to|with|when|while|calling|response|error|status|http|and|because|body|by)\\b|retry|\\d+(?:\\.\\d+)? ?m?s\\b|\\w+[=:]))");
    private static final Pattern UNIT = Pattern.compile("(?i)\\s?(?:m?s|msec|secs?|seconds?|mins?|minutes?|hours?|days?|us|ns|%|[kmg]i?b"
            + "|bytes?|eur|usd|gbp|dollars?|euros?)(?![\\w=:])");
    private static final Pattern COUNTED = Pattern.compile("(?i)(?:^|[\\s,;({])(?:port|order|id|user|customer|product|item|profile|sku"
            + "|line|page|row|step|batch|job|took|after|every|timeout|size|length|count|total|price|amount|duration|elapsed|limit|depth"
            + "|no\\.?|#)[\"'=:# ]*$");
    private static final Map<Integer, Pattern> REASONS = reasons(Map.ofEntries(
            Map.entry("200", "ok\\b"), Map.entry("201", "created"), Map.entry("202", "accepted"), Map.entry("4..", "client error"),
            Map.entry("5..", "server error|\\w*\\s?unavailable|internal|bad gateway|gateway time|origin|a timeout|web server"),
            Map.entry("400", "bad request|invalid"), Map.entry("401", "unauthori[sz]ed|authentication_failed|not_authenticated"),
            Map.entry("403", "forbidden|permission_denied"), Map.entry("404", "not.found"), Map.entry("405", "method not"),
            Map.entry("409", "conflict|duplicate_profile"), Map.entry("410", "gone"), Map.entry("422", "unprocessable"),
            Map.entry("413", "payload|request entity|content too"), Map.entry("429", "too many|throttled")));

    private static final Pattern ROUTE = Pattern.compile("/(?:api|client)/((?:account|api-key|back-in-stock|bulk|campaign|catalog"
            + "|coupon|custom|data-privacy|event|flow|form|image|list|metric|profile|push-token|report|review|segment|subscription"
            + "|tag|template|tracking|universal|web-feed|webhook)[a-z-]*)((?:/[\\w%~.-]+){0,3})");
    private static final Pattern METHOD = Pattern.compile("\\b(GET|POST|PUT|PATCH|DELETE)\\b");
    private static final Pattern KEYED_CALLER = Pattern.compile("(?i)[\"'\\s{,;(]\"?(?:caller|job|task|worker|component|service|logger"
            + "|source|module|app|script)\"?\\s?[=:]\\s?\"?([A-Za-z][\\w.:@$-]{1,59})");
    private static final Pattern LOGGER = Pattern.compile("\\b(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE)\\b"
            + "[\\]:]?[\\s-]{1,4}(?:\\d+ --- )?(?:\\[\\s*([^\\]]{1,60})\\]\\s{1,4})?(?:([A-Za-z_][\\w.$-]{1,79}) ?(?::|-\\s|\\())?");
    private static final Pattern PROGRAM = Pattern.compile("\\s([A-Za-z][\\w./-]{1,40})\\[\\d+\\]:");

    private LogLine() { }

    // 401 Client Error, `401 Unauthorized`, 429 from a.klaviyo.com, 401 {"errors"
    private static Map<Integer, Pattern> reasons(Map<String, String> words) {
        Map<Integer, Pattern> reasons = new HashMap<>();
        for (int status : KNOWN) {
            StringBuilder any = new StringBuilder("(?i)[\"'`)\\]:,;-]*\\s*(?:from (?:https?://)?[\\w.-]*klaviyo|\\(?reason\\b|\\{\"errors");
            words.forEach((form, text) -> any.append(Integer.toString(status).matches(form) ? "|" + text : ""));
            reasons.put(status, Pattern.compile(any.append(')').toString()));
        }
        return reasons;
    }

    /**
     * The first HTTP status that a line tells of, in one of the forms that clients and frameworks write; a port, a price, a duration
     * or an id is none.
     *
     * @param line its bytes, one character each (ISO 8859-1)
     * @return {@link #NO_STATUS} where there is none
     */
    static int status(String line) {
        for (int i = 0; i + 3 <= line.length(); i++) {
            char c = line.charAt(i);
            if (c >= '1' && c <= '5' && digit(line, i + 1) && digit(line, i + 2) && alone(line, i)) {
                int status = Integer.parseInt(line.substring(i, i + 3));
                if (meant(line, i, status)) {
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
        String before = line.substring(Math.max(0, at - 160), at);
        if (lookingAt(UNIT, line, at + 3)) {
            return false;
        }
        if (NAMED.matcher(before).find()) {
            return true;
        }
        if (!KNOWN.contains(status) || COUNTED.matcher(before).find()) {
            return false;
        }
        return CODE.matcher(before).find() || lookingAt(REASONS.get(status), line, at + 3)
                || lookingAt(ENDS, line, at + 3) && TOLD.matcher(before).find();
    }

    private static boolean lookingAt(Pattern pattern, String line, int from) {
        return pattern.matcher(line).region(from, line.length()).lookingAt();
    }

    private static boolean digit(String line, int at) {
        return at < line.length() && line.charAt(at) >= '0' && line.charAt(at) <= '9';
    }

    /** Method and route of a call to Klaviyo's API: {@code POST /api/events}; ids in it are {@code {id}}, an unknown method is left out. */
    static Optional<String> endpoint(String line) {
        Matcher route = ROUTE.matcher(line);
        if (!route.find()) {
            return Optional.empty();
        }
        StringBuilder endpoint = new StringBuilder();
        Matcher method = METHOD.matcher(line).region(Math.max(0, route.start() - 100), route.start());
        while (method.find()) {
            endpoint.setLength(0);
            endpoint.append(method.group()).append(' ');
        }
        endpoint.append(line, route.start(), route.end(1));
        for (String part : route.group(2).split("/")) {
            endpoint.append(part.isEmpty() ? "" : part.matches("[a-z][a-z-]{2,}") ? "/" + part : "/{id}");
        }
        return Optional.of(endpoint.toString());
    }

    /** Whether it is about another service's address or route, or somebody's request to us as a web server logs it. */
    static boolean elsewhere(String line) {
        return line.contains("://") || line.contains(" HTTP/1.") || line.contains(" HTTP/2")
                || METHOD.matcher(line).find() && line.contains(" /") && !ROUTE.matcher(line).find();
    }

    /** Who called: a job or service that the line names, its logger, its thread or its program; numbers as {@code #}. May be empty. */
    static String caller(String line) {
        String head = line.length() > 400 ? line.substring(0, 400) : line;
        Matcher keyed = KEYED_CALLER.matcher(head);
        Matcher logger = LOGGER.matcher(head);
        Matcher program = PROGRAM.matcher(head);
        String name = "";
        if (keyed.find()) {
            name = keyed.group(1);
        } else if (logger.find() && (logger.group(2) != null || logger.group(1) != null)) {
            name = logger.group(2) != null ? logger.group(2) : logger.group(1);
        } else if (program.find()) {
            name = program.group(1);
        }
        return name.strip().replaceAll("\\d+", "#");
    }

    /**
     * What a line has, told by looking at each byte once: most lines have nothing of interest, and cost no more than that.
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
                number |= digits == 3 && data[i - 3] >= '1' && data[i - 3] <= '5' && (b | 0x20) < 'a';
                digits = 0;
                klaviyo = klaviyo || (b | 0x20) == 'k' && named(data, i, end);
                route |= b == '/' && i + 4 < end && (data[i + 1] == 'a' && data[i + 2] == 'p' || data[i + 1] == 'c' && data[i + 2] == 'l');
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
     * The times that the lines of one log carry: ISO 8601 and {@code 2026/11/23 03:04:05} with or without a zone, the web servers'
     * {@code 23/Nov/2026:03:04:05 +0000}, syslog's {@code Nov 23 03:04:05}, and seconds or milliseconds since 1970. For one thread.
     */
    public static final class Stamps {
        private static final int LOOK = 200;
        private static final Duration NEAR = Duration.ofDays(60);
        private static final String MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
        private static final int UNKNOWN = Integer.MIN_VALUE;
        private static final Map<String, Integer> ZONES = Map.of("UTC", 0, "GMT", 0, "CET", 1, "CES", 2, "EST", -5, "EDT", -4,
                "CST", -6, "CDT", -5, "PST", -8, "PDT", -7);

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
            return named == UNKNOWN || unnamed ? zone.getId() : named == 0 ? "UTC" : ZoneOffset.ofTotalSeconds(named).getId();
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
                    found = i + 18 < last && (data[i + 4] == '-' || data[i + 4] == '/') && data[i + 13] == ':' ? iso(data, i, last)
                            : i + 19 < last && data[i + 2] == '/' ? web(data, i, last)
                            : b == '1' ? sinceEpoch(data, i, last) : NO_TIME;
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
            if (data[at + 7] != data[at + 4] || data[at + 16] != ':' || data[at + 10] != ' ' && (data[at + 10] | 0x20) != 't') {
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
            return time(number(data, at + 7, 4), month, number(data, at, 2), number(data, at + 12, 2), number(data, at + 15, 2),
                    number(data, at + 18, 2) * 1000, offset(data, at + 20, last));
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
            long time = !begins || !ends ? NO_TIME
                    : digits == 10 ? value * 1000 : digits == 13 ? value : digits == 16 ? value / 1000 : NO_TIME;
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
                return minutes < 0 ? UNKNOWN : (data[i] == '-' ? -1 : 1) * (number(data, i + 1, 2) * 3600 + minutes * 60);
            }
            boolean word = i + 3 < last && i > at && data[i] >= 'A' && data[i] <= 'Z' && data[i + 2] >= 'A' && data[i + 2] <= 'Z';
            Integer hours = word ? ZONES.get(new String(data, i, 3, StandardCharsets.ISO_8859_1)) : null;
            return hours == null ? UNKNOWN : hours * 3600;
        }

        private long time(int years, int month, int day, int hour, int minute, int millis, int offset) {
            if (years < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || millis < 0 || Math.abs(offset) > 64_800 && offset != UNKNOWN) {
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
