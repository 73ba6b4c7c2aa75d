package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import runbook.Incident.Event;

/** How things stood from one moment to another. */
record Band(Kind kind, Instant from, Instant to) {
    /** The states that a picture tells apart. */
    enum Kind {
        UNNOTICED("unnoticed"),
        INVESTIGATING("investigating"),
        MITIGATING("mitigating"),
        WATCHING("watching"),
        RESOLVED("resolved");

        private final String word;

        Kind(String word) {
            this.word = word;
        }

        /** For people, and for style sheets. */
        String word() {
            return word;
        }

        /** The state after something happened. Null stands for nothing known yet. */
        static Kind after(Kind before, Entry entry) {
            boolean over = before == RESOLVED || before == WATCHING;
            return switch (entry.kind()) {
                case Event.DETECTED, Event.DIAGNOSED, Event.DEGRADED ->
                        entry.failing() && over || before == null && !entry.healthy() ? INVESTIGATING : before;
                case Event.ACKNOWLEDGED -> before == null ? INVESTIGATING : before;
                case Event.MITIGATED, Event.ROTATED -> before == RESOLVED ? before : MITIGATING;
                case Event.RECOVERED -> entry.provesLater() ? WATCHING : RESOLVED;
                case Event.CLOSED, Entry.STABLE -> RESOLVED;
                default -> before == MITIGATING && entry.source().equals("watch") ? WATCHING : before;
            };
        }
    }

    /** At most about {@code most} bands: one too short to be seen goes with the one before it. */
    static List<Band> visible(List<Band> bands, int most) {
        if (bands.isEmpty()) {
            return bands;
        }
        Duration shortest = Duration.between(bands.get(0).from, bands.get(bands.size() - 1).to).dividedBy(most);
        List<Band> visible = new ArrayList<>();
        for (Band band : bands) {
            Band last = visible.isEmpty() ? null : visible.get(visible.size() - 1);
            boolean same = last != null
                    && (last.kind == band.kind
                            || Duration.between(band.from, band.to).compareTo(shortest) < 0);
            if (same) {
                visible.set(visible.size() - 1, new Band(last.kind, last.from, band.to));
            } else {
                visible.add(band);
            }
        }
        return visible;
    }
}
