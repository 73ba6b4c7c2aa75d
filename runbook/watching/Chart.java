package runbook.watching;

import static runbook.watching.Markup.escape;
import static runbook.watching.Markup.n;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import runbook.Text.Durations;
import runbook.Text;
import runbook.Incident.Event;

/**
 * The incident as one picture: a lane for each check with its latency and its failures, the journal's events marked
 * across all of them. Self-contained, light and dark, and every meaning is a form or a word as well as a colour.
 */
public final class Chart {
    private static final double WIDTH = 1080;
    private static final double LEFT = 196;
    private static final double RIGHT = 24;
    private static final double LANE = 74;
    private static final double CURVE = 44;
    private static final double MARK_ROW = 22;
    private static final int MARK_ROWS = 3;
    private static final int MOST_MARKS = 40;
    private static final double LEGEND_ROW = 21;

    private static final String STYLE = """
        :root{color-scheme:light dark}
        svg.watch{--ink:#1c2733;--soft:#56657a;--line:#d4dbe4;--ground:#ffffff;--curve:#0b62a4;--area:#0b62a41f;--bad:#b3370c;--hole:#8894a4;font:13px system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif}
        @media (prefers-color-scheme:dark){svg.watch{--ink:#e8edf3;--soft:#a3b0c0;--line:#37424f;--ground:#14191f;--curve:#6cb6ff;--area:#6cb6ff2b;--bad:#ffa36b;--hole:#77828f}}
        svg.watch text{fill:var(--ink)} svg.watch .soft{fill:var(--soft);font-size:12px} svg.watch .title{font-size:19px;font-weight:600}
        svg.watch .name{font-weight:600} svg.watch .grid{stroke:var(--line);stroke-width:1} svg.watch .curve{fill:none;stroke:var(--curve);stroke-width:1.8;stroke-linejoin:round}
        svg.watch .area{fill:var(--area)} svg.watch .bad{fill:var(--bad)} svg.watch .good{fill:var(--curve)} svg.watch .event{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4}
        svg.watch .mark{fill:var(--ground);stroke:var(--ink);stroke-width:1.4} svg.watch .number{font-size:10px;text-anchor:middle} svg.watch .drill{font-weight:700}
        """;

    private final History history;
    private final Instant start;
    private final List<Mark> marks;
    private final int left;
    private final TimeScale scale;
    private final String title;
    private final Optional<String> drill;
    private final StringBuilder svg = new StringBuilder();

    /**
     * A chart of what is known now.
     *
     * @param start  when the watch began: what the history's milliseconds count from
     * @param began  when the incident began
     * @param end    the right edge
     * @param events the journal's events, in any order
     */
    public Chart(History history, Instant start, Instant began, Instant end, List<Event> events, Optional<String> drill) {
        this.history = history;
        this.start = start;
        this.drill = drill;
        // Where there are too many, those that tell how it went stay.
        this.marks = events.stream()
                .map(Mark::of)
                .sorted(Comparator.comparing(Mark::shape))
                .limit(MOST_MARKS)
                .sorted(Comparator.comparing(Mark::at))
                .toList();
        this.left = events.size() - marks.size();
        Instant first = history.series().values().stream()
                .flatMap(one -> one.buckets().stream())
                .map(Series.Bucket::from)
                .min(Long::compare)
                .map(start::plusMillis)
                .orElse(began);
        this.scale = TimeScale.of(first.isBefore(began) ? first : began, end, LEFT, WIDTH - LEFT - RIGHT);
        this.title = "Klaviyo, as watch saw it";
    }

    /** The picture as an SVG document. */
    public String svg() {
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + picture(true);
    }

    /** The picture in an HTML page, with its events and numbers as tables. */
    public String html() {
        return ChartPage.of(title, drill, picture(false), marks, left, history);
    }

    private String picture(boolean titled) {
        svg.setLength(0);
        double top = 64 + MARK_ROWS * MARK_ROW;
        double axis = top + history.series().size() * LANE;
        double height = axis + 56 + (marks.size() + 3) * LEGEND_ROW;
        svg.append("<svg class=\"watch\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ")
                .append(n(WIDTH))
                .append(' ')
                .append(n(height))
                .append("\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">")
                .append(title)
                .append("</title>\n<desc id=\"d\">")
                .append(escape(description(), 2_000))
                .append("</desc>\n<style>")
                .append(STYLE)
                .append("</style>\n")
                .append(PATTERNS)
                .append("<rect width=\"100%\" height=\"100%\" style=\"fill:var(--ground)\"/>\n");
        heading(titled);
        axis(top, axis);
        holes(top, axis);
        double y = top;
        for (Map.Entry<String, Series> lane : history.series().entrySet()) {
            lane(lane.getKey(), lane.getValue(), y);
            y += LANE;
        }
        events(top, axis);
        legend(axis + 50);
        return svg.append("</svg>\n").toString();
    }

    // Failures and unobserved times differ in pattern, not only in colour.
    private static final String PATTERNS = """
        <defs><pattern id="bad" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" style="fill:var(--bad);fill-opacity:.35"/><rect width="3" height="6" class="bad"/></pattern>
        <pattern id="hole" width="7" height="7" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1" style="fill:var(--hole)"/></pattern></defs>
        """;

    private void heading(boolean titled) {
        if (titled) {
            text(20, 30, "title", title + (drill.isPresent() ? " (DRILL: " + drill.get() + ")" : ""), 120);
        }
        text(
                20,
                50,
                "soft",
                scale.from().truncatedTo(ChronoUnit.SECONDS) + " to "
                        + scale.to().truncatedTo(ChronoUnit.SECONDS) + ", "
                        + Durations.words(Duration.between(scale.from(), scale.to())) + ", times in UTC",
                120);
    }

    private String description() {
        StringBuilder said = new StringBuilder("Success and latency of each check over time. ");
        history.series().forEach((name, one) -> said.append(name).append(": ").append(numbers(one)).append(". "));
        return said.toString();
    }

    static String numbers(Series one) {
        long slowest = one.buckets().stream().mapToLong(Series.Bucket::maxMillis).max().orElse(0);
        return String.format(
                Locale.ROOT,
                "%.1f %% good of %s, slowest %s",
                100 * one.success(),
                Text.count(one.looks(), "look"),
                Durations.words(Duration.ofMillis(slowest)));
    }

    private void axis(double top, double axis) {
        for (TimeScale.Tick tick : scale.ticks()) {
            svg.append("<line class=\"grid\" x1=\"")
                    .append(n(tick.x()))
                    .append("\" x2=\"")
                    .append(n(tick.x()))
                    .append("\" y1=\"")
                    .append(n(top))
                    .append("\" y2=\"")
                    .append(n(axis + 5))
                    .append("\"/>");
            svg.append("<text class=\"soft\" text-anchor=\"middle\" x=\"")
                    .append(n(tick.x()))
                    .append("\" y=\"")
                    .append(n(axis + 20))
                    .append("\">")
                    .append(tick.label())
                    .append("</text>\n");
        }
    }

    private void holes(double top, double axis) {
        for (History.Hole hole : history.holes()) {
            double from = x(hole.from());
            rect("hole", from, top, Math.max(2, x(hole.to()) - from), axis - top);
        }
    }

    private void lane(String name, Series one, double y) {
        text(20, y + 24, "name", name, 24);
        String[] numbers = numbers(one).split(" of |, ");
        text(20, y + 40, "soft", numbers[0] + " of " + numbers[1], 40);
        text(20, y + 55, "soft", numbers[2], 40);
        double floor = y + 8 + CURVE;
        svg.append("<line class=\"grid\" x1=\"")
                .append(n(LEFT))
                .append("\" x2=\"")
                .append(n(WIDTH - RIGHT))
                .append("\" y1=\"")
                .append(n(floor))
                .append("\" y2=\"")
                .append(n(floor))
                .append("\"/>\n");
        curve(one, floor);
        strip(one, floor + 3);
    }

    // In pieces, since a line across a time in which nobody looked would claim what nobody saw.
    private void curve(Series one, double floor) {
        long slowest = Math.max(1, one.buckets().stream().mapToLong(Series.Bucket::mean).max().orElse(1));
        List<String> points = new ArrayList<>();
        Series.Bucket before = null;
        for (Series.Bucket bucket : one.buckets()) {
            if (before != null && holeBetween(before.to(), bucket.from())) {
                piece(points, floor);
            }
            points.add(
                    n(x((bucket.from() + bucket.to()) / 2)) + "," + n(floor - (CURVE - 4) * bucket.mean() / slowest));
            before = bucket;
        }
        piece(points, floor);
    }

    private void piece(List<String> points, double floor) {
        if (!points.isEmpty()) {
            String line = String.join(" ", points);
            String first = points.get(0).split(",")[0];
            String last = points.get(points.size() - 1).split(",")[0];
            svg.append("<polygon class=\"area\" points=\"")
                    .append(first)
                    .append(',')
                    .append(n(floor))
                    .append(' ')
                    .append(line)
                    .append(' ')
                    .append(last)
                    .append(',')
                    .append(n(floor))
                    .append("\"/><polyline class=\"curve\" points=\"")
                    .append(line)
                    .append("\"/>\n");
            points.clear();
        }
    }

    // Good is a thin line, failed a tall hatched block: told apart also in black and white.
    private void strip(Series one, double y) {
        List<Series.Bucket> buckets = one.buckets();
        double goodFrom = -1;
        for (int i = 0; i < buckets.size(); i++) {
            Series.Bucket bucket = buckets.get(i);
            boolean ends = i + 1 == buckets.size() || holeBetween(bucket.to(), buckets.get(i + 1).from());
            double from = x(bucket.from());
            double width = Math.max(2, (ends ? x(bucket.to()) : x(buckets.get(i + 1).from())) - from);
            if (bucket.failures() > 0) {
                rect("bad", from, y, width, 4 + 8.0 * bucket.failures() / bucket.looks());
                continue;
            }
            goodFrom = goodFrom < 0 ? from : goodFrom;
            if (ends || buckets.get(i + 1).failures() > 0) {
                svg.append("<rect class=\"good\" x=\"")
                        .append(n(goodFrom))
                        .append("\" y=\"")
                        .append(n(y))
                        .append("\" width=\"")
                        .append(n(from + width - goodFrom))
                        .append("\" height=\"2\"/>");
                goodFrom = -1;
            }
        }
        svg.append('\n');
    }

    private boolean holeBetween(long from, long to) {
        return history.holes().stream().anyMatch(hole -> hole.from() < to && hole.to() > from);
    }

    private void events(double top, double axis) {
        double[] taken = new double[MARK_ROWS];
        java.util.Arrays.fill(taken, -100);
        for (int i = 0; i < marks.size(); i++) {
            double x = scale.x(marks.get(i).at());
            int row = 0;
            while (row < MARK_ROWS - 1 && x - taken[row] < MARK_ROW) {
                row++;
            }
            taken[row] = x;
            double y = top - 14 - row * MARK_ROW;
            svg.append("<line class=\"event\" x1=\"")
                    .append(n(x))
                    .append("\" x2=\"")
                    .append(n(x))
                    .append("\" y1=\"")
                    .append(n(y + 8))
                    .append("\" y2=\"")
                    .append(n(axis))
                    .append("\"/>");
            mark(x, y, marks.get(i).shape(), Integer.toString(i + 1));
        }
        svg.append('\n');
    }

    private void mark(double x, double y, Mark.Shape shape, String number) {
        svg.append("<g transform=\"translate(")
                .append(n(x))
                .append(' ')
                .append(n(y))
                .append(")\"><path class=\"mark\" d=\"")
                .append(shape.path)
                .append("\"/><text class=\"number\" y=\"")
                .append(n(shape.middle))
                .append("\">")
                .append(number)
                .append("</text></g>\n");
    }

    private void legend(double y) {
        double x = 28;
        for (Mark.Shape shape : Mark.Shape.values()) {
            mark(x, y - 4, shape, "");
            text(x + 14, y, "soft", shape.words, 30);
            x += 40 + 7 * shape.words.length();
        }
        svg.append("<rect class=\"good\" x=\"")
                .append(n(x))
                .append("\" y=\"")
                .append(n(y - 5))
                .append("\" width=\"24\" height=\"2\"/>");
        text(x + 30, y, "soft", "good", 30);
        rect("bad", x + 76, y - 11, 24, 12);
        text(x + 106, y, "soft", "failed (height: share)", 30);
        rect("hole", x + 250, y - 11, 24, 12);
        text(x + 280, y, "soft", "not observed", 30);
        for (int i = 0; i < marks.size(); i++) {
            Mark mark = marks.get(i);
            double row = y + 8 + (i + 1) * LEGEND_ROW;
            mark(28, row - 4, mark.shape(), Integer.toString(i + 1));
            text(
                    44,
                    row,
                    "soft",
                    mark.at().truncatedTo(ChronoUnit.SECONDS) + "  " + mark.step() + " " + mark.name() + ": "
                            + mark.words(),
                    150);
        }
        if (left > 0) {
            text(44, y + 8 + (marks.size() + 1) * LEGEND_ROW, "soft", "and " + left + " more in the journal", 60);
        }
    }

    private double x(long at) {
        return scale.x(start.plusMillis(at));
    }

    private void rect(String pattern, double x, double y, double width, double height) {
        svg.append("<rect fill=\"url(#")
                .append(pattern)
                .append(")\" x=\"")
                .append(n(x))
                .append("\" y=\"")
                .append(n(y))
                .append("\" width=\"")
                .append(n(width))
                .append("\" height=\"")
                .append(n(height))
                .append("\"/>");
    }

    private void text(double x, double y, String kind, String words, int max) {
        svg.append("<text class=\"")
                .append(kind)
                .append("\" x=\"")
                .append(n(x))
                .append("\" y=\"")
                .append(n(y))
                .append("\">")
                .append(escape(words, max))
                .append("</text>\n");
    }
}
