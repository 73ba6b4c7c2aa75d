package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.math.BigInteger;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Kind;
import runbook.Http.Reply;
import runbook.Http;

/** Grafana Loki's lines for a query, page by page ({@code /loki/api/v1/query_range}, forward). */
record LokiLogs(URI address, String query, Http http, Duration timeout, LineChoice.Wanted wanted) implements Collector {
    private static final int PAGE = 2_000;
    private static final int MOST_PAGES = 5_000;

    private record Line(BigInteger nanos, String text) { }

    @Override
    public String name() {
        return "application/loki " + query;
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned(address + " " + query, -1));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        Reading reading = new Reading();
        reading.nextElement = reading.page();
        long start = System.nanoTime();
        sink.stream(
                "loki/lines.log",
                new SequenceInputStream(reading),
                Long.MAX_VALUE,
                wanted,
                () -> Item.Origin.none((System.nanoTime() - start) / 1_000_000));
        if (reading.trouble != null) {
            sink.trouble(reading.trouble);
        }
    }

    /** Pages as streams; each is asked for when the one before it has been read. */
    private final class Reading implements Enumeration<InputStream> {
        private BigInteger from =
                BigInteger.valueOf(wanted.window().from().toEpochMilli()).multiply(BigInteger.valueOf(1_000_000));
        private Set<Line> atFrom = Set.of();
        private int limit = PAGE;
        private int pages;
        private String trouble;
        private byte[] nextElement;

        @Override
        public boolean hasMoreElements() {
            return nextElement != null;
        }

        @Override
        public InputStream nextElement() {
            InputStream current = new ByteArrayInputStream(nextElement);
            nextElement = page();
            return current;
        }

        private byte[] page() {
            if (trouble != null || pages++ >= MOST_PAGES) {
                return null;
            }
            Answer answer = http.get(
                    URI.create(address + "/loki/api/v1/query_range?direction=forward&limit=" + limit + "&start=" + from
                            + "&end=" + wanted.window().to().toEpochMilli() + "000000&query="
                            + URLEncoder.encode(query, StandardCharsets.UTF_8)),
                    Map.of(),
                    timeout);
            if (answer instanceof Fault fault && fault.kind() == Kind.TOO_LARGE && limit > 1) {
                limit = Math.max(1, limit / 4);
                return page();
            }
            if (!(answer instanceof Reply reply) || reply.status() != 200) {
                trouble = answer instanceof Fault fault
                        ? fault.words()
                        : "HTTP " + ((Reply) answer).status() + ": " + ((Reply) answer).text();
                return null;
            }
            List<Line> lines = lines(reply.json());
            // Lines of the very moment where the last page ended come again; older ones were not asked for.
            List<Line> fresh = lines.stream().filter(line -> line.nanos.compareTo(from) >= 0 && !atFrom.contains(line)).toList();
            if (fresh.isEmpty()) {
                return null;
            }
            moveOn(fresh);
            return text(fresh).getBytes(StandardCharsets.UTF_8);
        }

        private void moveOn(List<Line> lines) {
            BigInteger last = lines.get(lines.size() - 1).nanos;
            Set<Line> again = new HashSet<>(last.equals(from) ? atFrom : Set.of());
            lines.stream().filter(line -> line.nanos.equals(last)).forEach(again::add);
            from = last;
            atFrom = again;
        }
    }

    private static List<Line> lines(JsonNode json) {
        List<Line> lines = new ArrayList<>();
        for (JsonNode stream : json.path("data").path("result")) {
            for (JsonNode value : stream.path("values")) {
                lines.add(new Line(new BigInteger(value.path(0).asText("0")), value.path(1).asText()));
            }
        }
        lines.sort(Comparator.comparing(Line::nanos));
        return lines;
    }

    private static String text(List<Line> lines) {
        StringBuilder text = new StringBuilder();
        for (Line line : lines) {
            BigInteger[] parts = line.nanos.divideAndRemainder(BigInteger.valueOf(1_000_000_000));
            text.append(Instant.ofEpochSecond(parts[0].longValue(), parts[1].longValue()))
                    .append(' ')
                    .append(line.text)
                    .append('\n');
        }
        return text.toString();
    }
}
