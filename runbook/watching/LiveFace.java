package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/** The live view: one picture, painted again every second, after every event and when the terminal changes its size. */
public final class LiveFace implements Face {
    private static final int NOTES = 5;
    private static final long PAINT_EVERY = 1_000_000_000L;
    private static final Duration KEY = Duration.ofMillis(250);

    private final LiveTerminal terminal;
    private final Deque<String> notes = new ArrayDeque<>();
    private long painted;
    private volatile boolean stale = true;

    /** A view on a terminal that was taken over; closing this gives it back. */
    public LiveFace(LiveTerminal terminal) {
        this.terminal = terminal;
    }

    @Override
    public void event(Instant at, String kind, String words, JsonNode data) {
        synchronized (notes) {
            notes.add(at.truncatedTo(ChronoUnit.SECONDS) + " " + kind + ": " + words);
            if (notes.size() > NOTES) {
                notes.removeFirst();
            }
        }
        stale = true;
    }

    @Override
    public void state(State state) {
        terminal.title("Klaviyo: " + state.word());
        if (state != State.STARTING && state != State.HEALTHY) {
            terminal.bell();
        }
        stale = true;
    }

    @Override
    public void round(Supplier<JsonNode> json) {
        stale = true;
    }

    @Override
    public boolean idle(Duration most, Supplier<Snapshot> shot) {
        if (stale || terminal.resized() || System.nanoTime() - painted > PAINT_EVERY) {
            stale = false;
            painted = System.nanoTime();
            terminal.show(withNotes(shot.get()));
        }
        return terminal.key(most.compareTo(KEY) < 0 ? most : KEY) == LiveTerminal.Key.QUIT;
    }

    private Snapshot withNotes(Snapshot shot) {
        List<String> shown;
        synchronized (notes) {
            shown = List.copyOf(notes);
        }
        return new Snapshot(
                shot.drill(),
                shot.now(),
                shot.state(),
                shot.lasting(),
                shot.incident(),
                shot.readings(),
                shot.history(),
                shot.waits(),
                shot.conditions(),
                shot.update(),
                shot.requests(),
                shot.next(),
                shot.message(),
                shot.untold(),
                shown);
    }

    @Override
    public void close() {
        try {
            terminal.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal could not be given back: try 'reset'", e);
        }
    }
}
