package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.Supplier;
import runbook.Text.Json;

/** Where a watch shows itself: a live view, lines in a pipe, or JSON. */
public interface Face extends AutoCloseable {
    /**
     * Something happened.
     *
     * @param kind  {@code degraded}, {@code blip}, {@code posted}, …
     * @param words for one line, safe to print
     * @param data  more, as the journal has it
     */
    void event(Instant at, String kind, String words, JsonNode data);

    /** Something happens now that only the screen is told of. */
    default void say(String kind, String words) {
        event(Instant.now().truncatedTo(ChronoUnit.MILLIS), kind, words, Json.object());
    }

    /** The state is another one than before. */
    void state(State state);

    /** A round is over. */
    void round(Supplier<JsonNode> json);

    /**
     * Passes the time, and shows what is to be seen meanwhile.
     *
     * @return whether the person wants to leave
     */
    boolean idle(Duration most, Supplier<Snapshot> shot) throws InterruptedException;

    @Override
    void close();
}
