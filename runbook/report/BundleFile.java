package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Incident;

/**
 * What a debug bundle holds that a postmortem can use. Files are told by what is in them rather than by their names,
 * so that a bundle of another version, or one that somebody zipped by hand, is used as well as can be.
 */
final class BundleFile {
    private static final long LARGEST_JSON = 16L << 20;
    private static final long LARGEST_LOG = 256L << 20;
    private static final int LONGEST_LINE = 1 << 16;

    private final Path file;
    private final Instant now;
    private final Logs logs = new Logs();
    private final List<VendorIncident> vendor = new ArrayList<>();
    private final Map<JsonNode, Counter> counters = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();
    private Recorded recorded = Recorded.NOTHING;
    private Metrics rounds = Metrics.NONE;
    private Series queue;

    /** One counter of one instance: the bundle has it in two files, for the window and for the hour before. */
    private record Counter(String name, TreeMap<Instant, Double> values) {
        Series series() {
            return new Series(
                    name,
                    values.entrySet().stream()
                            .map(value -> new Series.Point(value.getKey(), value.getValue()))
                            .toList());
        }
    }

    private BundleFile(Path file, Instant now) {
        this.file = file;
        this.now = now;
    }

    /**
     * Reads a bundle.
     *
     * @param option what named it, for the error
     * @throws Problem when it is no ZIP file that can be read
     */
    static BundleFile read(String option, Path file, Instant now) {
        BundleFile bundle = new BundleFile(file, now);
        try (ZipFile zip = new ZipFile(file.toFile())) {
            for (Enumeration<? extends ZipEntry> entries = zip.entries(); entries.hasMoreElements(); ) {
                bundle.take(zip, entries.nextElement());
            }
        } catch (ZipException e) {
            throw new Problem(option + " " + file + " is no ZIP file: " + Text.safe(e.getMessage(), 80));
        } catch (IOException e) {
            throw new Problem(option + " " + file + " cannot be read: " + Incident.why(e));
        }
        return bundle;
    }

    private void take(ZipFile zip, ZipEntry entry) {
        String name = entry.getName();
        try (InputStream content = zip.getInputStream(entry)) {
            if (entry.isDirectory()) {
                return;
            } else if (name.endsWith("journal.jsonl")) {
                recorded = Recorded.read(content, file.getFileName() + ": " + Text.safe(name, 80), now);
            } else if (name.endsWith(Rounds.FILE)) {
                rounds = Rounds.read(content);
            } else if (name.endsWith(".json")) {
                json(content.readNBytes((int) LARGEST_JSON), name);
            } else if (name.matches("(?i)(application|logs?)/.*|[^/]*\\.(log|txt)(\\.\\d+)?")) {
                lines(content);
            }
        } catch (IOException e) {
            problems.add(file.getFileName() + ": " + Text.safe(name, 80) + " cannot be read: " + Incident.why(e));
        }
    }

    private void json(byte[] content, String name) throws IOException {
        JsonNode document;
        try {
            document = Json.read(content);
        } catch (IOException e) {
            if (name.startsWith("metrics/") || name.startsWith("klaviyo/")) {
                problems.add(file.getFileName() + ": " + Text.safe(name, 80) + " is no JSON"
                        + (content.length == LARGEST_JSON ? " of a size that is read" : ""));
            }
            return;
        }
        document.path("checks").forEach(check -> vendor.addAll(VendorIncident.readAll(check.path("detail"))));
        vendor.addAll(VendorIncident.readAll(document.path("body").isObject() ? document.path("body") : document));
        metrics(document, name);
    }

    private void metrics(JsonNode document, String name) {
        JsonNode data = document.path("data");
        if (!data.path("resultType").asText().equals("matrix")) {
            return;
        }
        for (JsonNode node : data.path("result")) {
            Series series = Prometheus.series(node);
            String metric = node.path("metric").path("__name__").asText(name);
            if (metric.contains("errors_total")) {
                Counter counter = counters.computeIfAbsent(
                        node.path("metric"), labels -> new Counter(series.name(), new TreeMap<>()));
                series.points().forEach(point -> counter.values.put(point.at(), point.value()));
            } else if (metric.contains("queue") && !name.contains("hour-before")) {
                queue = series;
            }
        }
    }

    // Read by hand in bounded lines: a BufferedReader keeps whatever comes before a line end, be it a gigabyte.
    private void lines(InputStream content) throws IOException {
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(content, StandardCharsets.UTF_8), 1 << 16)) {
            StringBuilder line = new StringBuilder();
            long read = 0;
            for (int c = reader.read(); c >= 0 && read < LARGEST_LOG; c = reader.read(), read++) {
                if (c == '\n') {
                    logs.take(line.toString());
                    line.setLength(0);
                } else if (line.length() < LONGEST_LINE) {
                    line.append((char) c);
                }
            }
            logs.take(line.toString());
        }
    }

    /** Its name, without the folder. */
    String name() {
        return file.getFileName().toString();
    }

    /** Its copy of the journal. */
    Recorded recorded() {
        return recorded;
    }

    /** The vendor's incidents that it holds. */
    List<VendorIncident> vendor() {
        return vendor;
    }

    /** What watch saw, by its copy of the rounds. */
    Metrics rounds() {
        return rounds;
    }

    /** Failed calls in its logs. */
    Logs logs() {
        return logs;
    }

    /** What could not be used, a sentence each. */
    List<String> problems() {
        return problems;
    }

    /** Its numbers. Counters become calls per second, and their growth after {@code began} the failed calls. */
    Metrics metrics(Instant began) {
        if (counters.isEmpty()) {
            return logs.failed().isEmpty()
                    ? Metrics.NONE
                    : new Metrics(
                            "the bundle's logs",
                            logs.failed(),
                            OptionalLong.empty(),
                            List.of(),
                            Optional.empty(),
                            Optional.ofNullable(queue));
        }
        Map<String, Long> failed = new TreeMap<>();
        List<Series> all = counters.values().stream().map(Counter::series).toList();
        all.forEach(counter -> failed.merge(counter.name(), Math.round(growth(counter, began)), Long::sum));
        failed.values().removeIf(count -> count <= 0);
        return new Metrics(
                "the bundle's metrics",
                failed,
                OptionalLong.empty(),
                all.stream().map(BundleFile::rate).toList(),
                Optional.empty(),
                Optional.ofNullable(queue));
    }

    // A counter that falls was reset by a restart: what it shows then has grown from nothing.
    private static double growth(Series counter, Instant from) {
        double grown = 0;
        for (int i = 1; i < counter.points().size(); i++) {
            double before = counter.points().get(i - 1).value();
            double after = counter.points().get(i).value();
            grown += counter.points().get(i).at().isBefore(from) ? 0 : after >= before ? after - before : after;
        }
        return grown;
    }

    private static Series rate(Series counter) {
        List<Series.Point> rates = new ArrayList<>();
        for (int i = 1; i < counter.points().size(); i++) {
            Series.Point before = counter.points().get(i - 1);
            Series.Point after = counter.points().get(i);
            double seconds = Math.max(1, Duration.between(before.at(), after.at()).toMillis() / 1000.0);
            double grown = after.value() >= before.value() ? after.value() - before.value() : after.value();
            rates.add(new Series.Point(after.at(), grown / seconds));
        }
        return new Series(counter.name(), rates);
    }
}
