package runbook.bundle;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the logs tell at a glance: errors by status over time, the lines that come most often, when Klaviyo asked us to wait. */
final class LogStory {
    /** How much of each log is looked at: its newest part. */
    static final long LOOKED_AT = 48_000_000;
    private static final int MOST_KINDS = 5_000;
    private static final Pattern ERROR =
            Pattern.compile("(?i)\\b(error|fatal|severe|exception|failed|failure|timed? ?out|refused)\\b");
    private static final Pattern STATUS =
            Pattern.compile("(?i)(?:status(?:[_ ]?code)?|http(?:/[\\d.]+)?|code|returned|response|answered|got)[\"'"
                + " =:]{1,4}([45]\\d\\d)\\b|(?<![\\d.#-])\\b(4(?:00|01|03|04|09|10|22|29)|5(?:00|02|03|04|2\\d))\\b(?="
                + " (?:from|Too|Bad|Unauth|Forbid|Not|Serv|Internal|Gateway|\\{))");
    private static final Pattern RETRY_AFTER = Pattern.compile("(?i)retry[-_ ]?after[\"' =:]{1,4}(\\d{1,6})");
    private static final Pattern VARIABLE =
            Pattern.compile("(?<=[a-z]-)[0-9a-f]{6}\\b|[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*|\\d+");
    private static final int LONGEST = 300;

    private final Window window;
    private final Stamps stamps;
    private final Map<Integer, TreeMap<Instant, Integer>> byStatus = new TreeMap<>();
    private final Map<String, int[]> kinds = new HashMap<>();
    private final Map<String, String> examples = new HashMap<>();
    private final TreeMap<Instant, int[]> waits = new TreeMap<>();
    private final long step;
    private Instant now;

    LogStory(Window window, ZoneId zone) {
        this.window = window;
        this.stamps = new Stamps(zone, window.to());
        this.step = Math.max(60, window.length().toSeconds() / 120 / 60 * 60);
    }

    /** A line that comes often: how often, and one of them. */
    record Frequent(int count, String example) { }

    /** A stretch of time with 429s: how many, and the longest wait asked for. */
    record Waiting(Instant at, int count, int longest) { }

    /** Reads a log. */
    void read(InputStream log, long size) throws IOException {
        log.skipNBytes(Math.max(0, size - LOOKED_AT));
        BufferedReader lines = new BufferedReader(new InputStreamReader(log, StandardCharsets.UTF_8), 1 << 16);
        StringBuilder line = new StringBuilder();
        char[] buffer = new char[1 << 15];
        now = null;
        for (int read = lines.read(buffer); read >= 0; read = lines.read(buffer)) {
            for (int i = 0; i < read; i++) {
                if (buffer[i] == '\n') {
                    look(line.toString());
                    line.setLength(0);
                } else if (line.length() < 2_000) {
                    line.append(buffer[i]);
                }
            }
        }
    }

    private void look(String line) {
        Matcher status = STATUS.matcher(line);
        boolean answered = status.find();
        if (!answered && !ERROR.matcher(line).find()) {
            return;
        }
        byte[] bytes = line.getBytes(StandardCharsets.ISO_8859_1);
        long time = stamps.find(bytes, 0, bytes.length);
        now = time == Stamps.NONE ? now : Instant.ofEpochMilli(time);
        if (answered && now != null) {
            int code = Integer.parseInt(status.group(1) == null ? status.group(2) : status.group(1));
            Instant slot = Instant.ofEpochSecond(now.getEpochSecond() / step * step);
            byStatus.computeIfAbsent(code, any -> new TreeMap<>()).merge(slot, 1, Integer::sum);
            if (code == 429) {
                wait(line, slot);
            }
        }
        String kind = VARIABLE.matcher(line.length() > LONGEST ? line.substring(0, LONGEST) : line).replaceAll("#");
        if (kinds.size() < MOST_KINDS || kinds.containsKey(kind)) {
            kinds.computeIfAbsent(kind, any -> new int[1])[0]++;
            examples.putIfAbsent(kind, line.length() > LONGEST ? line.substring(0, LONGEST) + "…" : line);
        }
    }

    private void wait(String line, Instant slot) {
        Matcher after = RETRY_AFTER.matcher(line);
        int[] wait = waits.computeIfAbsent(slot, any -> new int[2]);
        wait[0]++;
        wait[1] = Math.max(wait[1], after.find() ? Integer.parseInt(after.group(1)) : 0);
    }

    /** Errors by status over time. */
    Plot plot() {
        List<Plot.Series> series = new ArrayList<>();
        byStatus.forEach((status, counts) -> {
            List<Plot.Point> points = new ArrayList<>();
            for (Instant at = Instant.ofEpochSecond(window.from().getEpochSecond() / step * step);
                    !at.isAfter(window.to());
                    at = at.plusSeconds(step)) {
                points.add(new Plot.Point(at, counts.getOrDefault(at, 0)));
            }
            series.add(new Plot.Series("HTTP " + status, points));
        });
        return new Plot(
                "log lines by status, per " + (step == 60 ? "minute" : step / 60 + " minutes"), window, null, series);
    }

    /** Statuses and how many lines told of them. */
    Map<Integer, Integer> statuses() {
        Map<Integer, Integer> totals = new TreeMap<>();
        byStatus.forEach((status, counts) -> totals.put(status, counts.values().stream().mapToInt(Integer::intValue).sum()));
        return totals;
    }

    List<Frequent> mostFrequent(int most) {
        return kinds.entrySet().stream()
                .sorted(Comparator.comparing((Map.Entry<String, int[]> kind) -> -kind.getValue()[0])
                        .thenComparing(Map.Entry::getKey))
                .limit(most)
                .map(kind -> new Frequent(kind.getValue()[0], examples.get(kind.getKey())))
                .toList();
    }

    List<Waiting> waits() {
        return waits.entrySet().stream()
                .map(wait -> new Waiting(
                        wait.getKey().truncatedTo(ChronoUnit.SECONDS), wait.getValue()[0], wait.getValue()[1]))
                .toList();
    }
}
