package runbook.bundle;

import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;

/**
 * The time a log line carries: ISO 8601 with or without a zone, the web servers' {@code 23/Nov/2026:03:04:05 +0000}, syslog's
 * {@code Nov 23 03:04:05}, and seconds or milliseconds since 1970. Lines without a zone are in the zone that was given.
 */
final class Stamps {
    static final long NONE = Long.MIN_VALUE;
    private static final int LOOK = 200;
    private static final Duration NEAR = Duration.ofDays(60);
    private static final String MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

    private final ZoneId zone;
    private final int year;
    private final long latest;

    // Lines of one log mostly fall into the same minute: its start is worked out once.
    private long minuteKey = -1;
    private long minuteStart;

    /** @param zone of times that name none; {@code end} tells which year syslog's yearless times are of */
    Stamps(ZoneId zone, Instant end) {
        this.zone = zone;
        this.latest = end.toEpochMilli();
        this.year = end.atZone(zone).getYear();
    }

    /** The first time within {@code data[from, to)}, in milliseconds since 1970, or {@link #NONE}. */
    long find(byte[] data, int from, int to) {
        int end = Math.min(to, from + LOOK);
        for (int i = from; i + 14 < end; i++) {
            byte b = data[i];
            if (b >= '0' && b <= '9' && (i == from || !digit(data[i - 1]))) {
                long found = i + 18 < end && data[i + 4] == '-' && data[i + 13] == ':' ? iso(data, i, end)
                        : data[i + 2] == '/' && i + 19 < end ? web(data, i, end)
                        : b == '1' ? sinceEpoch(data, i, end) : NONE;
                if (found != NONE) {
                    return found;
                }
            } else if (data[i + 3] == ' ' && data[i + 9] == ':' && data[i + 12] == ':') {
                long found = syslog(data, i);
                if (found != NONE) {
                    return found;
                }
            }
        }
        return NONE;
    }

    private long iso(byte[] data, int at, int end) {
        if (data[at + 7] != '-' || data[at + 16] != ':' || data[at + 10] != 'T' && data[at + 10] != ' ' && data[at + 10] != 't') {
            return NONE;
        }
        int fraction = at + 19;
        int millis = 0;
        if (fraction + 3 < end && (data[fraction] == '.' || data[fraction] == ',') && digit(data[fraction + 1])) {
            for (int i = 1; i <= 3; i++) {
                millis = millis * 10 + (digit(data[fraction + i]) ? data[fraction + i] - '0' : 0);
            }
            fraction++;
            while (fraction < end && digit(data[fraction])) {
                fraction++;
            }
        }
        return time(
                number(data, at, 4),
                number(data, at + 5, 2),
                number(data, at + 8, 2),
                number(data, at + 11, 2),
                number(data, at + 14, 2),
                number(data, at + 17, 2) * 1000 + millis,
                offset(data, fraction, end));
    }

    private long web(byte[] data, int at, int end) {
        int month = month(data, at + 3);
        if (month < 0 || data[at + 6] != '/' || data[at + 11] != ':' || data[at + 14] != ':') {
            return NONE;
        }
        return time(
                number(data, at + 7, 4),
                month,
                number(data, at, 2),
                number(data, at + 12, 2),
                number(data, at + 15, 2),
                number(data, at + 18, 2) * 1000,
                offset(data, at + 21, end));
    }

    private long syslog(byte[] data, int at) {
        int month = month(data, at);
        int day = data[at + 4] == ' ' ? number(data, at + 5, 1) : number(data, at + 4, 2);
        return month < 0
                ? NONE
                : time(
                        year,
                        month,
                        day,
                        number(data, at + 7, 2),
                        number(data, at + 10, 2),
                        number(data, at + 13, 2) * 1000,
                        Integer.MIN_VALUE);
    }

    private long sinceEpoch(byte[] data, int at, int end) {
        int digits = 0;
        long value = 0;
        while (at + digits < end && digit(data[at + digits]) && digits < 17) {
            value = value * 10 + data[at + digits] - '0';
            digits++;
        }
        boolean named = at == 0
                || data[at - 1] == '\n'
                || data[at - 1] == ':'
                || data[at - 1] == '='
                || data[at - 1] == ' '
                || data[at - 1] == '"';
        boolean ends = at + digits >= end || !Character.isLetter(data[at + digits]);
        long time = !named || !ends
                ? NONE
                : digits == 10 ? value * 1000 : digits == 13 ? value : digits == 16 ? value / 1000 : NONE;
        // An order's number may look the same: only what is near the window is taken for a time.
        return time != NONE && Math.abs(latest - time) < NEAR.toMillis() ? time : NONE;
    }

    /** Seconds east of Greenwich, or {@link Integer#MIN_VALUE} when none is named. */
    private static int offset(byte[] data, int at, int end) {
        int i = at < end && data[at] == ' ' && at + 1 < end && (data[at + 1] == '+' || data[at + 1] == '-') ? at + 1 : at;
        if (i < end && (data[i] == 'Z' || data[i] == 'z')) {
            return 0;
        }
        if (i + 4 < end && (data[i] == '+' || data[i] == '-') && digit(data[i + 1]) && digit(data[i + 2])) {
            int minutes = data[i + 3] == ':' && i + 5 < end ? number(data, i + 4, 2) : number(data, i + 3, 2);
            return minutes < 0 ? Integer.MIN_VALUE : (data[i] == '-' ? -1 : 1) * (number(data, i + 1, 2) * 3600 + minutes * 60);
        }
        return Integer.MIN_VALUE;
    }

    private long time(int years, int month, int day, int hour, int minute, int millis, int offset) {
        if (years < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || millis < 0) {
            return NONE;
        }
        long key = ((((years * 13L + month) * 32 + day) * 24 + hour) * 60 + minute) * 200_000
                + (offset == Integer.MIN_VALUE ? 199_999 : offset + 90_000);
        if (key != minuteKey) {
            try {
                LocalDateTime local = LocalDateTime.of(years, month, day, hour, minute);
                minuteStart = (offset == Integer.MIN_VALUE
                                ? local.atZone(zone).toInstant()
                                : local.toInstant(ZoneOffset.ofTotalSeconds(offset)))
                        .toEpochMilli();
                minuteKey = key;
            } catch (DateTimeException e) {
                return NONE;
            }
        }
        return minuteStart + millis;
    }

    private static int month(byte[] data, int at) {
        String name = new String(data, at, 3, StandardCharsets.ISO_8859_1).toLowerCase(java.util.Locale.ROOT);
        int place = MONTHS.indexOf(name);
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
