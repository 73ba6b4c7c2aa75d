package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident.Journal;

/**
 * What a journal says, put in order. Lines that are torn, doubled, out of order or from a wrong clock are used as well
 * as can be, and told about.
 *
 * @param entries  by time
 * @param problems a sentence each, at most {@link #MOST_PROBLEMS}
 * @param drill    the drill's scenario, empty in earnest
 */
record Recorded(List<Entry> entries, List<String> problems, String drill) {
    static final Recorded NOTHING = new Recorded(List.of(), List.of(), "");

    private static final int MOST_PROBLEMS = 12;
    // Memory: what is no milestone gives up its data, and so do milestones once there are absurdly many.
    private static final int MOST_DATA = 2_000;
    private static final Set<String> DATA_MATTERS = Set.of(Event.DETECTED, Event.ACKNOWLEDGED, Event.DIAGNOSED, Event.MITIGATED,
            Event.ROTATED, Event.ROTATION_STEP, Event.DEGRADED, Event.RECOVERED, Event.BUNDLED, Event.ANNOUNCED, Event.CLOSED);
    private static final Instant KLAVIYO_FOUNDED = Instant.parse("2012-01-01T00:00:00Z");
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(2);
    private static final Duration APPENDS_RACE = Duration.ofSeconds(5);

    /**
     * Reads a journal.
     *
     * @param journal closed at the end
     * @param now     no event can be later
     * @throws IOException when it cannot be read
     */
    static Recorded read(InputStream journal, String name, Instant now) throws IOException {
        Reader reader = new Reader(now);
        List<String> torn = Journal.each(journal, name, reader::take);
        return reader.result(torn);
    }

    /** When it ended: the lasting recovery, else the last thing before somebody closed it; empty when nothing is recorded. */
    Optional<Instant> ended() {
        Instant end = null;
        Instant recovered = null;
        for (Entry entry : entries) {
            if (entry.kind().equals(Event.CLOSED)) {
                break;
            }
            recovered = entry.restoring() ? entry.at() : entry.failing() ? null : recovered;
            end = entry.at();
        }
        return Optional.ofNullable(recovered == null ? end : recovered);
    }

    /** By time, those of one moment in the order they came, what is there twice once. */
    static List<Entry> inOrder(List<Entry> entries) {
        List<Entry> sorted = new ArrayList<>(entries);
        sorted.sort(Comparator.comparing(Entry::at));
        List<Entry> once = new ArrayList<>(sorted.size());
        for (Entry entry : sorted) {
            if (!there(once, entry)) {
                once.add(entry);
            }
        }
        return once;
    }

    private static boolean there(List<Entry> once, Entry entry) {
        for (int i = once.size() - 1; i >= 0 && once.get(i).at().equals(entry.at()); i--) {
            if (once.get(i).same(entry)) {
                return true;
            }
        }
        return false;
    }

    /** Takes events one by one, and remembers only what a postmortem needs. */
    private static final class Reader {
        private final Instant now;
        private final List<Entry> entries = new ArrayList<>();
        private final List<String> wrongClock = new ArrayList<>();
        private final Map<String, String> shared = new HashMap<>();
        private Instant latest = Instant.MIN;
        private Duration farthestBack = Duration.ZERO;
        private int outOfOrder;
        private int withData;
        private String drill = "";

        Reader(Instant now) {
            this.now = now;
        }

        void take(Event event) {
            Instant at = plausible(event);
            if (latest.isAfter(at.plus(APPENDS_RACE))) {
                outOfOrder++;
                Duration back = Duration.between(at, latest);
                farthestBack = back.compareTo(farthestBack) > 0 ? back : farthestBack;
            }
            latest = at.isAfter(latest) ? at : latest;
            drill = drill.isEmpty() ? event.drill() : drill;
            entries.add(new Entry(at, share(event.event()), share(event.step()), event.summary(), kept(event)));
        }

        // An impossible time is replaced by the line's place in the file, the next best thing that is known.
        private Instant plausible(Event event) {
            if (!event.at().isAfter(now.plus(CLOCKS_DIFFER)) && !event.at().isBefore(KLAVIYO_FOUNDED)) {
                return event.at();
            }
            wrongClock.add("the clock of " + event.step() + " was wrong: " + event.at() + " for \""
                    + Text.safe(event.summary(), 60) + "\"; it stands where the journal has it");
            return entries.isEmpty() ? now : entries.get(entries.size() - 1).at();
        }

        private JsonNode kept(Event event) {
            boolean matters = DATA_MATTERS.contains(event.event())
                    || event.data().has("lead")
                    || event.data().has("by")
                    || event.data().has("vendorAt");
            return matters && withData++ < MOST_DATA ? event.data() : Json.object();
        }

        private String share(String name) {
            return shared.computeIfAbsent(name, same -> same);
        }

        Recorded result(List<String> torn) {
            List<Entry> ordered = inOrder(entries);
            List<String> problems = new ArrayList<>();
            problems.addAll(few(torn, "more lines were skipped"));
            problems.addAll(few(wrongClock, "more times were impossible"));
            if (outOfOrder > 0) {
                problems.add(Text.count(outOfOrder, "line") + " out of order (by up to " + Durations.words(farthestBack)
                        + "), sorted by time");
            }
            if (ordered.size() < entries.size()) {
                problems.add(Text.count(entries.size() - ordered.size(), "line") + " recorded twice, used once");
            }
            return new Recorded(ordered, problems, drill);
        }

        private static List<String> few(List<String> problems, String more) {
            int shown = MOST_PROBLEMS / 2;
            if (problems.size() <= shown) {
                return problems;
            }
            List<String> few = new ArrayList<>(problems.subList(0, shown));
            few.add(problems.size() - shown + " " + more);
            return few;
        }
    }
}
