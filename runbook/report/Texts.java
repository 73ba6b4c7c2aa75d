package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import runbook.Text;

/** Times and durations in a postmortem's words; everything is UTC. */
final class Texts {
    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm").withZone(ZoneOffset.UTC);
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyy-MM-dd").withZone(ZoneOffset.UTC);
    private static final DateTimeFormatter FULL = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm").withZone(ZoneOffset.UTC);

    private Texts() { }

    static String clock(Instant at) {
        return CLOCK.format(at);
    }

    static String date(Instant at) {
        return DATE.format(at);
    }

    static String full(Instant at) {
        return FULL.format(at);
    }

    static LocalDate day(Instant at) {
        return LocalDate.ofInstant(at, ZoneOffset.UTC);
    }

    /** {@code 1 hour 6 minutes}, {@code 41 minutes}, {@code less than a minute}: the runbook's form. */
    static String duration(Duration duration) {
        long minutes = duration.plusSeconds(30).toMinutes();
        if (minutes == 0) {
            return "less than a minute";
        }
        String hours = minutes < 60 ? "" : count(minutes / 60, "hour");
        String rest = minutes % 60 == 0 ? "" : count(minutes % 60, "minute");
        return (hours + " " + rest).strip();
    }

    private static String count(long number, String noun) {
        return Text.count(number, noun);
    }
}
