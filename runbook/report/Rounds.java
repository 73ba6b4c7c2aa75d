package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.StreamSupport;
import runbook.Text.Json;

/** What watch saw, round by round ({@code watch-rounds.jsonl}), for a picture where no other numbers are to be had. */
final class Rounds {
    static final String FILE = "watch-rounds.jsonl";
    private static final int MOST_POINTS = 1_000;

    private final List<Series.Point> failing = new ArrayList<>();
    private final List<Series.Point> latency = new ArrayList<>();
    private int every = 1;
    private int rounds;

    private Rounds() { }

    /**
     * The share of failed checks and the median latency of each round; a torn line is left out.
     *
     * @param lines closed at the end
     * @throws IOException when it cannot be read
     */
    static Metrics read(InputStream lines) throws IOException {
        Rounds rounds = new Rounds();
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(lines, StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                rounds.take(line);
            }
        }
        return Metrics.seenByWatch(new Series("all", rounds.failing), new Series("median", rounds.latency));
    }

    private void take(String line) {
        try {
            JsonNode round = Json.read(line);
            Instant at = Instant.parse(round.path("at").asText());
            int bad = round.path("bad").size();
            int all = bad + round.path("good").size();
            if (all > 0 && rounds++ % every == 0) {
                failing.add(new Series.Point(at, (double) bad / all));
                latency.add(new Series.Point(at, median(round) / 1000));
                thin();
            }
        } catch (IOException | DateTimeException e) {
            // Torn by a kill: one round of many.
        }
    }

    private static double median(JsonNode round) {
        long[] sorted = StreamSupport.stream(round.spliterator(), false)
                .filter(JsonNode::isObject)
                .flatMapToLong(checks -> LongStream.of(StreamSupport.stream(checks.spliterator(), false)
                        .mapToLong(JsonNode::asLong)
                        .toArray()))
                .sorted()
                .toArray();
        return sorted.length == 0 ? 0 : sorted[sorted.length / 2];
    }

    // A watch of days has more rounds than a picture has pixels: then every second one goes.
    private void thin() {
        if (failing.size() > MOST_POINTS) {
            every *= 2;
            for (List<Series.Point> points : List.of(failing, latency)) {
                for (int i = points.size() - 1; i > 0; i -= 2) {
                    points.remove(i);
                }
            }
        }
    }
}
