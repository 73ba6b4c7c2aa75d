package runbook;

import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;

/** The runbook's severities, worst first, with the time within which somebody has to respond. */
public enum Severity {
    /** Complete outage. */
    P1("complete outage", Duration.ofMinutes(15), 11),
    /** Degraded service. */
    P2("degraded service", Duration.ofHours(1), 12),
    /** Minor impact. */
    P3("minor impact", Duration.ofHours(4), 13),
    /** No user impact. */
    P4("no user impact", null, 14);

    private final String meaning;
    private final Duration within;
    private final int exitCode;

    Severity(String meaning, Duration within, int exitCode) {
        this.meaning = meaning;
        this.within = within;
        this.exitCode = exitCode;
    }

    /** The runbook's definition in two words. */
    public String meaning() {
        return meaning;
    }

    /** Triage's exit code for it. */
    public int exitCode() {
        return exitCode;
    }

    /** The moment by which to respond; for P4, nine o'clock UTC on the next business day. */
    public Instant respondBy(Instant from) {
        if (within != null) {
            return from.plus(within);
        }
        LocalDate day = LocalDate.ofInstant(from, ZoneOffset.UTC).plusDays(1);
        while (day.getDayOfWeek() == DayOfWeek.SATURDAY || day.getDayOfWeek() == DayOfWeek.SUNDAY) {
            day = day.plusDays(1);
        }
        return day.atTime(9, 0).toInstant(ZoneOffset.UTC);
    }

    /** The response time in words. */
    public String responseTime() {
        return within == null ? "next business day" : within.toMinutes() < 60 ? "15 min" : within.toHours() + " h";
    }
}
