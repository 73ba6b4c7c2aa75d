package runbook;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.ResolverStyle;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Text.Durations;
import runbook.Settings.Problem;

/**
 * Times as people say them: {@code 10:12}, {@code 10 min ago}, {@code 2026-11-23 10:12}, ISO 8601. What has no offset
 * is UTC, like everything in an incident.
 */
public final class Moment {
    private static final Pattern AGO =
            Pattern.compile("(?i)(\\d{1,5})\\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\\s+ago");
    private static final Pattern DURATION_AGO = Pattern.compile("(?i)([0-9dhms]+)\\s+ago");
    private static final Map<Character, Duration> UNITS = Map.of('s', Duration.ofSeconds(1), 'm', Duration.ofMinutes(1),
            'h', Duration.ofHours(1), 'd', Duration.ofDays(1));
    private static final Pattern CLOCK = Pattern.compile(
            "(?:(today|yesterday)\\s+)?(\\d{1,2}:\\d{2}(?::\\d{2})?)\\s*(?:Z|UTC)?", Pattern.CASE_INSENSITIVE);
    private static final Instant EARLIEST = Instant.parse("2012-01-01T00:00:00Z");
    private static final Duration BEFORE_THE_INCIDENT = Duration.ofHours(12);
    private static final Duration LONG_AGO = Duration.ofDays(2);
    private static final String FORMS =
            "write 10:12, \"10 min ago\", \"2026-11-23 10:12\" or 2026-11-23T10:12:00Z (UTC)";
    private static final List<DateTimeFormatter> LOCAL = List.of(
            strict("uuuu-MM-dd H:mm[:ss]"), strict("uuuu-MM-dd'T'HH:mm[:ss]['Z']"));

    private Moment() { }

    // Otherwise 30 February is the 28th.
    private static DateTimeFormatter strict(String pattern) {
        return DateTimeFormatter.ofPattern(pattern).withResolverStyle(ResolverStyle.STRICT);
    }

    /**
     * Reads a time that somebody gave.
     *
     * @param option what to name in the error
     * @param now    no later time is taken
     * @param began  when the incident began, where that is known: a bare {@code 23:50} said after midnight is
     *               yesterday's, and one said days later is of the day on which the incident began
     * @throws Problem when it is no time, in the future, or before Klaviyo existed
     */
    public static Instant past(String option, String text, Instant now, Optional<Instant> began) {
        Instant at;
        try {
            at = read(text.strip(), now, began);
        } catch (DateTimeException | ArithmeticException | IllegalArgumentException e) {
            at = null;
        }
        String given = option + " \"" + Text.safe(text, 40) + "\" ";
        if (at == null) {
            throw new Problem(given + "is no time: " + FORMS);
        } else if (at.isAfter(now)) {
            String today = now.toString().substring(0, 16);
            throw new Problem(given + "is in the future: it is " + today + "Z now (times are UTC)");
        } else if (at.isBefore(EARLIEST)) {
            throw new Problem(given + "is before Klaviyo existed: " + FORMS);
        }
        return at;
    }

    private static Instant read(String text, Instant now, Optional<Instant> began) {
        if (text.equalsIgnoreCase("now")) {
            return now;
        }
        Matcher ago = AGO.matcher(text);
        if (ago.matches()) {
            Duration unit = UNITS.get(Character.toLowerCase(ago.group(2).charAt(0)));
            return now.minus(unit.multipliedBy(Long.parseLong(ago.group(1))));
        }
        Matcher duration = DURATION_AGO.matcher(text);
        if (duration.matches()) {
            return now.minus(Durations.parse(duration.group(1)));
        }
        Matcher clock = CLOCK.matcher(text);
        return clock.matches() ? onClock(clock.group(1), clock.group(2), now, began) : dated(text);
    }

    private static Instant onClock(String day, String time, Instant now, Optional<Instant> began) {
        LocalDate today = LocalDate.ofInstant(now, ZoneOffset.UTC);
        LocalTime clock = LocalTime.parse(time.length() % 3 == 1 ? "0" + time : time);
        Instant todays = today.atTime(clock).toInstant(ZoneOffset.UTC);
        Instant yesterdays = todays.minus(Duration.ofDays(1));
        if (day != null) {
            return day.equalsIgnoreCase("today") ? todays : yesterdays;
        }
        Optional<Instant> daysAgo = began.filter(start -> start.isBefore(now.minus(LONG_AGO)));
        if (daysAgo.isPresent()) {
            Instant first = daysAgo.get().minus(BEFORE_THE_INCIDENT);
            Instant thatDay = LocalDate.ofInstant(first, ZoneOffset.UTC).atTime(clock).toInstant(ZoneOffset.UTC);
            return thatDay.isBefore(first) ? thatDay.plus(Duration.ofDays(1)) : thatDay;
        }
        boolean overMidnight = todays.isAfter(now)
                && began.isPresent() && yesterdays.isAfter(began.get().minus(BEFORE_THE_INCIDENT));
        return overMidnight ? yesterdays : todays;
    }

    private static Instant dated(String text) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            // Not with an offset: UTC then, in one of the forms below.
        }
        for (DateTimeFormatter form : LOCAL) {
            try {
                return LocalDateTime.parse(text.replaceFirst("\\s*UTC$", ""), form).toInstant(ZoneOffset.UTC);
            } catch (DateTimeException e) {
                // Perhaps the next form.
            }
        }
        return null;
    }
}
