package runbook.report;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import runbook.Incident.Event;

/**
 * The moments that count. Each is empty when nothing recorded it.
 *
 * @param began        the first sign of trouble that anything recorded
 * @param beganBy      which record that was
 * @param detected     the first alert or failed check of ours
 * @param acknowledged somebody took it
 * @param diagnosed    the cause was named
 * @param mitigated    something was done against it
 * @param restored     it worked again, for good
 * @param stable       the recovery held
 * @param closed       the incident was closed
 * @param vendorPosted the vendor first wrote about it
 * @param relapses     how often it seemed to be over, oldest first
 */
record Milestones(
        Optional<Instant> began,
        String beganBy,
        Optional<Instant> detected,
        Optional<Instant> acknowledged,
        Optional<Instant> diagnosed,
        Optional<Instant> mitigated,
        Optional<Instant> restored,
        Optional<Instant> stable,
        Optional<Instant> closed,
        Optional<Instant> vendorPosted,
        List<Relapse> relapses) {
    /** It worked again from one moment on, until it failed again at another. */
    record Relapse(Instant good, Instant failed) { }

    private static final List<String> OUR_SIGNS = List.of(Event.DETECTED, Event.DIAGNOSED, Event.DEGRADED);

    private static final List<String> OUR_DEEDS = List.of(Event.ACKNOWLEDGED, Event.MITIGATED, Event.ROTATED, Event.RECOVERED);

    /**
     * The moments in these entries.
     *
     * @param onset  when the errors began, by metrics or logs
     * @param vendor the vendor's incidents that go with this one
     */
    static Milestones of(List<Entry> entries, Optional<Entry> onset, List<VendorIncident> vendor) {
        Optional<Entry> detected = first(entries, OUR_SIGNS);
        Optional<Entry> trouble = onset.filter(sign -> detected.isEmpty() || sign.at().isBefore(detected.get().at()));
        Optional<Entry> began = trouble.or(() -> detected).or(() -> first(entries, OUR_DEEDS));
        List<Relapse> relapses = new ArrayList<>();
        Optional<Entry> recovered = lasting(entries, relapses);
        return new Milestones(began.map(Entry::at), began.map(Entry::source).orElse(""), at(detected),
                at(first(entries, List.of(Event.ACKNOWLEDGED))), at(first(entries, List.of(Event.DIAGNOSED))),
                at(first(entries, List.of(Event.MITIGATED, Event.ROTATED))),
                at(recovered), at(recovered.flatMap(since -> confirmed(entries, since))),
                at(first(entries, List.of(Event.CLOSED))),
                vendor.stream().map(VendorIncident::posted).min(Instant::compareTo), List.copyOf(relapses));
    }

    private static Optional<Entry> first(List<Entry> entries, List<String> kinds) {
        return entries.stream().filter(entry -> kinds.contains(entry.kind()) && !entry.healthy()).findFirst();
    }

    /** The recovery after which it never failed again; those before it become relapses. */
    private static Optional<Entry> lasting(List<Entry> entries, List<Relapse> relapses) {
        Entry recovered = null;
        for (Entry entry : entries) {
            if (entry.restoring()) {
                recovered = recovered == null ? entry : recovered;
            } else if (recovered != null && entry.failing()) {
                relapses.add(new Relapse(recovered.at(), entry.at()));
                recovered = null;
            }
        }
        return Optional.ofNullable(recovered);
    }

    private static Optional<Entry> confirmed(List<Entry> entries, Entry recovered) {
        return entries.stream()
                .filter(entry ->
                        entry.kind().equals(Entry.STABLE) && !entry.at().isBefore(recovered.at()))
                .findFirst();
    }

    // Watch proves a recovery before it tells of one, and says since when it had been good.
    static Instant goodSince(Entry recovered) {
        try {
            Instant since = Instant.parse(recovered.data().path("goodSince").asText());
            return since.isBefore(recovered.at()) ? since : recovered.at();
        } catch (DateTimeException e) {
            return recovered.at();
        }
    }

    private static Optional<Instant> at(Optional<Entry> entry) {
        return entry.map(Entry::at);
    }

    /** From the first sign until it worked again; empty while it lasts, or when either is not known. */
    Optional<Duration> lasted() {
        return between(began, restored);
    }

    /** From one moment to another; empty when either is not known, nothing when they are the wrong way round. */
    static Optional<Duration> between(Optional<Instant> from, Optional<Instant> to) {
        return from.flatMap(start -> to.map(end -> end.isBefore(start) ? Duration.ZERO : Duration.between(start, end)));
    }

    /** The changes of state, oldest first, each until the next: what the picture's bands show. */
    List<Band> bands(List<Entry> entries, Instant until) {
        List<Band> bands = new ArrayList<>();
        Optional<Instant> noticed = detected.or(() -> began);
        began.filter(start -> noticed.isPresent() && start.isBefore(noticed.get()))
                .ifPresent(start -> bands.add(new Band(Band.Kind.UNNOTICED, start, noticed.get())));
        Band.Kind kind = null;
        Instant since = null;
        for (Entry entry : entries) {
            Band.Kind next = Band.Kind.after(kind, entry);
            if (next != kind) {
                if (kind != null) {
                    bands.add(new Band(kind, since, entry.at()));
                }
                kind = next;
                since = entry.at();
            }
        }
        if (kind != null && since.isBefore(until)) {
            bands.add(new Band(kind, since, until));
        }
        return bands.stream().filter(band -> band.to().isAfter(band.from())).toList();
    }
}
