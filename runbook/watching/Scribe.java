package runbook.watching;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import runbook.Text.Json;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Incident.Journal;

/**
 * Writes into the incident folder what a watch notices. A second watch on the same folder only looks, or everything
 * would be there twice. Whatever cannot be written is complained of once, and the watch goes on.
 */
public final class Scribe implements AutoCloseable {
    private static final String LOCK = "watch.lock";
    private static final int MOST_EARLY = 50;

    private final Path base;
    private final Optional<String> drill;
    private final Consumer<String> complain;
    private Optional<Incident> incident;
    // What the vendor wrote before we saw a failure belongs to the incident that the failure opens.
    private final List<Happening> early = new ArrayList<>();
    private FileChannel lock;
    private boolean leading = true;
    private boolean complained;
    private int problemsTold;

    /**
     * A scribe.
     *
     * @param incident the incident that is open; empty when there is none: the first failure opens one
     * @param base     where a new one is made
     * @param drill    the drill's scenario
     * @param complain told in one line what cannot be written
     */
    public Scribe(Optional<Incident> incident, Path base, Optional<String> drill, Consumer<String> complain) {
        this.incident = incident;
        this.base = base;
        this.drill = drill;
        this.complain = complain;
        incident.ifPresent(this::lead);
    }

    /** The incident, if one is open by now. */
    public Optional<Incident> incident() {
        return incident;
    }

    /** Whether this is the one watch that writes and tells people. */
    public boolean leading() {
        return leading;
    }

    private void lead(Incident open) {
        Path file = open.folder().resolve(LOCK);
        try {
            if (Files.notExists(file)) {
                open.write(LOCK, new byte[0]);
            }
            lock = FileChannel.open(file, StandardOpenOption.WRITE);
            leading = lock.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            leading = false;
        } catch (IOException e) {
            complain(e);
        }
    }

    /**
     * The journal as it stands: what watches wrote, what changed the incident, and how it began. Other notes are left
     * out, for a journal may be long. Empty when there is none or it cannot be read.
     */
    public List<Event> journal() {
        List<Event> events = new ArrayList<>();
        Optional<Path> file = incident.map(open -> open.journal().file()).filter(Files::exists);
        if (file.isPresent()) {
            try (InputStream lines = Files.newInputStream(file.get())) {
                List<String> problems = Journal.each(lines, file.get().toString(), event -> {
                    if (events.isEmpty() || event.step().equals(Past.STEP) || !event.event().equals(Event.NOTE)) {
                        events.add(event);
                    }
                });
                problems.stream().skip(problemsTold).forEach(complain);
                problemsTold = Math.max(problemsTold, problems.size());
            } catch (IOException e) {
                complain(e);
            }
        }
        return events;
    }

    /**
     * Puts a happening into the journal. The first failure opens an incident; anything else without one stays out.
     *
     * @param clock turns milliseconds since the watch began into a time
     * @param tell  the ways by which people are to be told of it
     * @param more  what else is known of it
     * @return the event, with the time by which it is known; empty when it is not in the journal
     */
    public Optional<Event> write(Happening happening, LongFunction<Instant> clock, Set<String> tell, Map<String, ?> more) {
        if (incident.isEmpty() && happening instanceof Happening.Degraded degraded) {
            open(degraded, clock);
        } else if (incident.isEmpty() && happening instanceof Happening.Posted posted && early.size() < MOST_EARLY) {
            early.add(posted);
        }
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("kind", happening.kind());
        if (State.of(happening.kind()) != State.STARTING) {
            data.put("state", happening.kind());
        }
        data.putAll(happening.details(clock));
        data.putAll(more);
        if (!tell.isEmpty()) {
            data.put("tell", tell);
        }
        return append(name(happening), happening.words(), data);
    }

    private static String name(Happening happening) {
        return happening instanceof Happening.Degraded
                ? Event.DEGRADED
                : happening instanceof Happening.Recovered ? Event.RECOVERED : Event.NOTE;
    }

    private void open(Happening.Degraded first, LongFunction<Instant> clock) {
        Incident made = Incident.named(base, Instant.now(), other -> other.equals(drill.orElse("")));
        incident = Optional.of(made);
        lead(made);
        append(Event.DETECTED, first.words(), Map.of("since", clock.apply(first.at())));
        early.forEach(posted -> write(posted, clock, Set.of(), Map.of()));
        early.clear();
    }

    /** Puts something else into the journal, if there is one; gives the event where that worked. */
    public Optional<Event> append(String name, String summary, Map<String, ?> data) {
        if (incident.isEmpty() || !leading) {
            return Optional.empty();
        }
        ObjectNode all = (ObjectNode) Json.of(data);
        drill.ifPresent(scenario -> all.put("drill", scenario));
        Event event = new Event(Instant.now().truncatedTo(ChronoUnit.MILLIS), Past.STEP, name, summary, all);
        return attempt(open -> open.append(event)) ? Optional.of(event) : Optional.empty();
    }

    /** Notes a round, so that a watch that is started again knows of it. */
    public void round(Instant at, List<Reading> readings) {
        if (leading) {
            attempt(open -> RoundLog.append(open, at, readings));
        }
    }

    /** Leaves a file in the incident folder. */
    public boolean leave(String name, byte[] content) {
        return leading && attempt(open -> open.write(name, content));
    }

    private interface Writing {
        void on(Incident open) throws IOException;
    }

    private boolean attempt(Writing writing) {
        try {
            if (incident.isPresent()) {
                writing.on(incident.get());
                complained = false;
                return true;
            }
        } catch (IOException e) {
            complain(e);
        }
        return false;
    }

    private void complain(IOException e) {
        if (!complained) {
            complained = true;
            complain.accept(
                    "the incident folder cannot be used (" + Incident.why(e) + "); the watch goes on without it");
        }
    }

    @Override
    public void close() {
        try {
            if (lock != null) {
                lock.close();
            }
        } catch (IOException e) {
            complain(e);
        }
    }
}
