package runbook.report;

import java.time.Instant;
import runbook.incident.Event;

/** How things stood from one moment to another. */
record Band(Kind kind, Instant from, Instant to) {
    /** The states that a picture tells apart. */
    enum Kind {
        UNNOTICED("unnoticed"), INVESTIGATING("investigating"), MITIGATING("mitigating"), WATCHING("watching"), RESOLVED("resolved");

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
                case Event.DIAGNOSED -> entry.healthy() || before != null && before != RESOLVED ? before : INVESTIGATING;
                case Event.DETECTED, Event.ACKNOWLEDGED -> before == null || before == RESOLVED ? INVESTIGATING : before;
                case Event.DEGRADED -> before == null || over ? INVESTIGATING : before;
                case Event.MITIGATED, Event.ROTATED -> before == RESOLVED ? before : MITIGATING;
                case Event.RECOVERED, Event.CLOSED, Entry.STABLE -> RESOLVED;
                default -> before != null && before != RESOLVED && entry.source().equals("watch") ? WATCHING : before;
            };
        }
    }
}
