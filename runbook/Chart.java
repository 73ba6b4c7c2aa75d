package runbook;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What happened over time, as SVG: bands of states, numbered marks, lanes with lines and with stretches of success and
 * failure, all on one scale (UTC). It refers to nothing outside itself, follows the reader's light or dark colours,
 * prints, and means the same without colour: bands and stretches have patterns, lines dashes, marks shapes and numbers.
 * All text is escaped here; what lies outside the scale stands at its edge and says so.
 */
public final class Chart {
    private static final int DOCUMENT = 1080;
    private static final int WIDE = 960;
    private static final int NARROW = 360;
    private static final int MOST_MARKS = 40;
    private static final int MOST_MARK_ROWS = 8;
    private static final double EDGE = 18;
    private static final double NUMBERS = 52;
    private static final double BAND = 30;
    private static final double MARK = 23;
    private static final double HEADER = 20;
    private static final double STRIP = 17;
    private static final double ROW = 20;
    private static final double LETTER = 6.6;
    private static final DateTimeFormatter DAY = utc("yyyy-MM-dd HH:mm:ss");
    private static final DateTimeFormatter CLOCK = utc("HH:mm:ss");
    private static final List<String> DASHES =
            List.of("none", "7 3", "2 3", "9 3 2 3", "14 4", "5 2", "1 4", "9 3 2 3 2 3");
    private static final List<Duration> STEPS = Stream.of("PT1S", "PT5S", "PT10S", "PT30S", "PT1M", "PT2M", "PT5M",
            "PT10M", "PT15M", "PT30M", "PT1H", "PT2H", "PT3H", "PT6H", "PT12H", "P1D", "P2D", "P7D", "P30D", "P90D",
            "P365D").map(Duration::parse).toList();

    private static final String STYLE = """
        .chart{--ink:#1c2733;--soft:#56657a;--line:#d4dbe4;--ground:#fff;--quiet:#dfe3e8;--bad:#f6c7b8;--acting:#fbe2a0;
        --watching:#c5dcf5;--good:#c4e7cd;--failed:#b3370c;--shade:#0004;--l0:#0b62a4;--l1:#c04a00;--l2:#007a5a;
        --l3:#a0487a;--l4:#946200;--l5:#1f7fb8;--l6:#6b5314;--l7:#666;
        font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        @media screen and (prefers-color-scheme:dark){.chart{--ink:#e8edf3;--soft:#a3b0c0;--line:#37424f;
        --ground:#14181d;--quiet:#3a424b;--bad:#6e3325;--acting:#655017;--watching:#234a72;--good:#215437;
        --failed:#ffa36b;--shade:#fff5;--l0:#6cb6ff;--l1:#ff9e66;--l2:#4fd0a5;--l3:#e9a3cb;--l4:#e8b84a;--l5:#8fd0f5;
        --l6:#cfb76a;--l7:#aaa}}
        @media print{.chart{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
        .chart text{fill:var(--ink)}.chart .soft{fill:var(--soft)}.chart .title{font-size:19px;font-weight:600}
        .chart .name,.chart .number{font-weight:600}.chart .number{font-size:10.5px}
        .chart .middle,.chart .number{text-anchor:middle}.chart .end{text-anchor:end}.chart .grid{stroke:var(--line)}
        .chart .axis{stroke:var(--soft)}.chart .stem{stroke:var(--soft);stroke-dasharray:2 3}
        .chart .shape{fill:var(--ground);stroke:var(--ink);stroke-width:1.4}.chart .out{fill:var(--ink)}
        .chart .ink{stroke:var(--shade);fill:none}.chart .plate{fill:var(--ground);opacity:.8}
        .chart .rug{stroke:var(--ink)}.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
        .chart .fill{opacity:.2}.chart .fine{fill:var(--l0)}
        .chart a:hover .shape,.chart a:focus-visible .shape{stroke-width:3}.chart a:focus-visible{outline:none}
        figure.timeline{margin:.8rem 0 1.4rem}figure.timeline svg{display:block;width:100%;height:auto}
        figure.timeline svg.narrow{display:none}
        figure.timeline ol{columns:2;column-gap:2.5rem;font-size:.88rem;padding-left:2rem;margin:.6rem 0 0}
        figure.timeline li{break-inside:avoid;margin-bottom:.25rem}figure.timeline li:target{outline:2px solid}
        @media screen and (max-width:700px){figure.timeline svg.wide{display:none}
        figure.timeline svg.narrow{display:block}figure.timeline ol{columns:1}}
        """;

    /** What a band stands for: nobody knew, broken, something is done about it, looked after, well. */
    public enum Tone { QUIET, BAD, ACTING, WATCHING, GOOD }

    // Over a band's colour, by its tone: what it says in print and without colour. A tile has 8 by 8 pixels.
    private static final Map<Tone, String> PATTERNS = Map.of(Tone.QUIET, "<path class=\"ink\" d=\"M2,2h1M6,6h1\"/>",
            Tone.BAD, "<path class=\"ink\" d=\"M-2,2l4,-4M-2,10l12,-12M6,10l4,-4\" stroke-width=\"3\"/>",
            Tone.ACTING, "<path class=\"ink\" d=\"M-2,-2l12,12M6,-2l4,4M-2,6l4,4\"/>",
            Tone.WATCHING, "<path class=\"ink\" d=\"M0,4h8\"/>", Tone.GOOD, "");

    /** The outline of a mark, which tells by form what it is: it got worse, better, the vendor spoke, anything else. */
    public enum Shape {
        WORSE("worse", "M-10,-8 L10,-8 L0,9 Z", 1.5), BETTER("better", "M-10,8 L10,8 L0,-9 Z", 6.5),
        VENDOR("Klaviyo's status page", "M0,-10 L10,0 L0,10 L-10,0 Z", 4),
        OTHER("other", "M-10,0 a10,10 0 1,0 20,0 a10,10 0 1,0 -20,0 Z", 4);

        private final String words;
        private final String path;
        private final double baseline;

        Shape(String words, String path, double baseline) {
            this.words = words;
            this.path = path;
            this.baseline = baseline;
        }
    }

    /** How a line is drawn: filled or not against the left scale, or against a scale of its own at the right. */
    public enum Look { AREA, LINE, RIGHT }

    /** A state from one moment to another, in one word. */
    public record Band(Instant from, Instant to, String word, Tone tone) { }

    /** A numbered event: its kind, one line for the list, and who says so (may be empty). */
    public record Mark(Instant at, Shape shape, String kind, String words, String source) { }

    /** A value at a moment; one that is no finite number interrupts the line. */
    public record Point(Instant at, double value) { }

    /** One line of a lane, its points by time. Without a name it has no place in the legend. */
    public record Line(String name, List<Point> points, Look look) {
        private boolean right() {
            return look == Look.RIGHT;
        }
    }

    /** A time looked at: the share of looks that failed, 0 to 1. */
    public record Stretch(Instant from, Instant to, double failed) { }

    /**
     * A plot of its own under the others.
     *
     * @param note   behind its name, such as totals
     * @param unit   behind the numbers at its scale, such as {@code " s"}
     * @param height of its lines, in pixels
     * @param strip  success and failure below the lines; empty for none
     */
    public record Lane(String name, String note, String unit, int height, List<Line> lines, List<Stretch> strip) { }

    private record Span(Instant from, Instant to) { }

    private final String id;
    private final String title;
    private final Instant from;
    private final Instant to;
    private final List<Band> bands = new ArrayList<>();
    private final List<Mark> marks = new ArrayList<>();
    private final List<Lane> lanes = new ArrayList<>();
    private final List<Span> holes = new ArrayList<>();
    private final List<Instant> rug = new ArrayList<>();
    private int left;

    /**
     * An empty chart.
     *
     * @param id   unique in the page that it will stand in: a word of letters, digits and dashes
     * @param from its left edge
     * @param to   its right edge; at least a second later is taken
     */
    public Chart(String id, String title, Instant from, Instant to) {
        this.id = id;
        this.title = title;
        this.from = from;
        this.to = to.isAfter(from.plusSeconds(1)) ? to : from.plusSeconds(1);
    }

    /** Adds states, by time and without overlap. One too short to be seen goes with the one before it. */
    public Chart bands(List<Band> states) {
        Duration shortest = Duration.between(from, to).dividedBy(WIDE / 2);
        states.stream().filter(band -> !band.to.isBefore(from) && !band.from.isAfter(to)).forEach(band -> {
            Band last = bands.isEmpty() ? null : bands.get(bands.size() - 1);
            boolean seen = Duration.between(band.from, band.to).compareTo(shortest) >= 0;
            if (last != null && (!seen || last.word.equals(band.word))) {
                bands.set(bands.size() - 1, new Band(last.from, band.to, last.word, last.tone));
            } else {
                bands.add(band);
            }
        });
        return this;
    }

    /** Adds events in any order. Of more than {@value #MOST_MARKS} the rarest kinds stay: they tell the most. */
    public Chart marks(Collection<Mark> events) {
        Map<String, Long> often = events.stream().collect(Collectors.groupingBy(Mark::kind, Collectors.counting()));
        events.stream().sorted(Comparator.comparing((Mark mark) -> often.get(mark.kind)).thenComparing(Mark::shape))
                .limit(MOST_MARKS).forEach(marks::add);
        marks.sort(Comparator.comparing(Mark::at));
        left = events.size() - marks.size();
        return this;
    }

    /** Adds a lane under those that there are. */
    public Chart lane(Lane lane) {
        lanes.add(lane);
        return this;
    }

    /** Adds a time in which nobody looked: no line crosses it. */
    public Chart hole(Instant begin, Instant end) {
        holes.add(new Span(begin, end));
        return this;
    }

    /** Adds ticks on the axis for what is no mark: that something was recorded, and how densely. */
    public Chart rug(Collection<Instant> times) {
        rug.addAll(times);
        return this;
    }

    /** A document of its own, with title, legend and the list of its marks. */
    public String svg() {
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + new Drawing(DOCUMENT, "", true).draw();
    }

    /** A figure for a page: the picture for wide and for narrow screens, and the list that its numbers lead to. */
    public String figure(String caption) {
        StringBuilder figure = new StringBuilder("<figure class=\"timeline\">")
                .append(new Drawing(WIDE, "wide", false).draw()).append(new Drawing(NARROW, "narrow", false).draw())
                .append(caption.isEmpty() ? "" : "<figcaption>" + Page.escape(caption) + "</figcaption>")
                .append(marks.isEmpty() ? "" : "<ol>\n");
        for (int i = 0; i < marks.size(); i++) {
            Mark mark = marks.get(i);
            figure.append(String.format("<li id=\"%s-%d\"><time datetime=\"%s\">%s</time> %s <small>%s</small></li>\n",
                    id, i + 1, mark.at, when(mark), Page.escape(mark.words, 240), Page.escape(mark.source, 60)));
        }
        return figure.append(marks.isEmpty() ? "" : "</ol>").append(left > 0 ? "<p>" + more() + "</p>" : "")
                .append("</figure>\n").toString();
    }

    private String more() {
        return "and " + Text.count(left, "more event") + " in the journal";
    }

    private boolean inside(Instant at) {
        return !at.isBefore(from) && !at.isAfter(to);
    }

    // Where the day is not clear from the picture, it is said.
    private String when(Mark mark) {
        boolean clear = inside(mark.at) && !overDays() && DAY.format(from).regionMatches(0, DAY.format(to), 0, 10);
        return (mark.at.isBefore(from) ? "(before the picture) " : "") + (clear ? CLOCK : DAY).format(mark.at);
    }

    private boolean overDays() {
        return Duration.between(from, to).toHours() >= 24;
    }

    private static DateTimeFormatter utc(String pattern) {
        return DateTimeFormatter.ofPattern(pattern, Locale.ROOT).withZone(ZoneOffset.UTC);
    }

    /** A value as it stands at a scale. */
    private static String number(double value) {
        if (value >= 1_000) {
            return String.format(Locale.ROOT, value >= 10_000 ? "%.0fk" : "%.1fk", value / 1_000);
        }
        return value >= 100 || value == Math.rint(value)
                ? String.format(Locale.ROOT, "%.0f", value) : String.format(Locale.ROOT, "%.2g", value);
    }

    /** The chart drawn once, at one width. */
    private final class Drawing {
        private final int width;
        private final String name;
        private final boolean alone;
        private final double begin = NUMBERS;
        private final double end;
        private final StringBuilder svg = new StringBuilder();
        private double legendX;
        private double legendY;

        private Drawing(int width, String name, boolean alone) {
            this.width = width;
            this.name = name;
            this.alone = alone;
            boolean second = lanes.stream().flatMap(lane -> lane.lines.stream()).anyMatch(Line::right);
            this.end = width - (second ? NUMBERS : EDGE);
        }

        private String draw() {
            double top = alone ? 62 : 2;
            double marksTop = top + (bands.isEmpty() ? 0 : BAND + 8);
            List<Integer> rows = markRows();
            double lanesTop = marksTop + rows.stream().mapToInt(row -> row + 1).max().orElse(0) * MARK + 6;
            double axis = lanesTop + lanes.stream().mapToDouble(this::height).sum();
            if (alone) {
                text("title", 20, 28, title, 110);
                String length = Text.Durations.words(Duration.between(from, to));
                text("soft", 20, 48, DAY.format(from) + " to " + DAY.format(to) + " UTC, " + length, width / 7);
            }
            axis(top, axis);
            holes.forEach(hole -> pattern("hole", x(hole.from), lanesTop, x(hole.to) - x(hole.from), axis - lanesTop));
            bands(top);
            double y = lanesTop;
            for (Lane lane : lanes) {
                lane(lane, y);
                y += height(lane);
            }
            rug(axis);
            marks(rows, marksTop, axis);
            legend(axis + 46);
            return head(alone ? list(legendY) : legendY + 14) + svg + "</svg>\n";
        }

        private String head(double height) {
            String said = lanes.stream().map(lane -> lane.name + ": " + lane.note).collect(Collectors.joining(". "));
            String open = String.format(Locale.ROOT, "<svg class=\"chart %s\" xmlns=\"http://www.w3.org/2000/svg\""
                            + " viewBox=\"0 0 %d %.0f\" role=\"%s\" aria-label=\"%s\">%n<desc>%s</desc>%n",
                    name, width, height, alone ? "img" : "group", Page.escape(title, 120), Page.escape(said, 2_000));
            String style = name.equals("narrow") ? "" : "<style>" + STYLE + "</style>\n";
            String ground = alone ? "<rect width=\"100%\" height=\"100%\" style=\"fill:var(--ground)\"/>\n" : "";
            return open + style + patterns() + ground;
        }

        // Each picture has its own: what a picture that is not displayed defines is not to be had elsewhere.
        private String patterns() {
            StringBuilder defs = new StringBuilder("<defs>");
            for (Tone tone : Tone.values()) {
                String ground = "<rect width=\"8\" height=\"8\" style=\"fill:var(--" + colour(tone) + ")\"/>";
                define(defs, colour(tone), "", ground + PATTERNS.get(tone));
            }
            define(defs, "failed", "rotate(45)", "<g style=\"fill:var(--failed)\"><rect width=\"8\" height=\"8\""
                    + " opacity=\".35\"/><rect width=\"4\" height=\"8\"/></g>");
            define(defs, "hole", "", "<circle cx=\"2\" cy=\"2\" r=\"1\" style=\"fill:var(--soft)\"/>");
            return defs.append("</defs>\n").toString();
        }

        private static String colour(Tone tone) {
            return tone.name().toLowerCase(Locale.ROOT);
        }

        private void define(StringBuilder defs, String kind, String turn, String content) {
            defs.append(String.format("<pattern id=\"%s%s-%s\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\""
                    + " patternTransform=\"%s\">%s</pattern>", id, name, kind, turn, content));
        }

        private double height(Lane lane) {
            return HEADER + lane.height + (lane.strip.isEmpty() ? 0 : STRIP) + 8;
        }

        private double x(Instant at) {
            double share = (double) Duration.between(from, at).toMillis() / Duration.between(from, to).toMillis();
            return begin + Math.min(1, Math.max(0, share)) * (end - begin);
        }

        private void axis(double top, double axis) {
            stroke("axis", begin, axis, end, axis);
            long most = Math.max(2, (long) ((end - begin) / (overDays() ? 92 : 72)));
            long length = Duration.between(from, to).toSeconds();
            long step = STEPS.stream().mapToLong(Duration::toSeconds).filter(one -> length / one <= most).findFirst()
                    .orElse(length / most + 1);
            DateTimeFormatter label = utc(overDays() ? "MM-dd HH:mm" : step < 60 ? "HH:mm:ss" : "HH:mm");
            long first = Math.floorDiv(from.getEpochSecond(), step) * step + step;
            for (long at = first; at <= to.getEpochSecond(); at += step) {
                double x = x(Instant.ofEpochSecond(at));
                stroke("grid", x, top, x, axis + 5);
                text("soft middle", Math.min(x, width - 30), axis + 19, label.format(Instant.ofEpochSecond(at)), 20);
            }
        }

        private void bands(double top) {
            for (Band band : bands) {
                double x = x(band.from);
                double wide = Math.max(1, x(band.to) - x);
                String words = band.word + " " + DAY.format(band.from) + " to " + DAY.format(band.to);
                put("<g><title>%s</title>", Page.escape(words, 120));
                pattern(colour(band.tone), x, top, wide, BAND);
                put("</g>");
                stroke("stem", x, top, x, top + BAND);
                double room = band.word.length() * 7.4 + 10;
                if (wide > room) {
                    box("plate", x + (wide - room) / 2, top + 7, room, 17);
                    text("name middle", x + wide / 2, top + 20, band.word, 30);
                }
            }
        }

        /** Each mark's row: the first in which it does not touch the one before. */
        private List<Integer> markRows() {
            List<Double> ends = new ArrayList<>();
            List<Integer> rows = new ArrayList<>();
            for (Mark mark : marks) {
                double x = x(mark.at);
                int row = 0;
                while (row < ends.size() && row < MOST_MARK_ROWS - 1 && ends.get(row) > x - MARK) {
                    row++;
                }
                if (row == ends.size()) {
                    ends.add(x);
                }
                ends.set(row, x);
                rows.add(row);
            }
            return rows;
        }

        private void marks(List<Integer> rows, double top, double axis) {
            for (int i = 0; i < marks.size(); i++) {
                Mark mark = marks.get(i);
                double x = x(mark.at);
                double y = top + rows.get(i) * MARK + 11;
                if (inside(mark.at)) {
                    stroke("stem", x, y + 8, x, axis);
                } else {
                    int out = mark.at.isBefore(from) ? -1 : 1;
                    put("<path class=\"out\" d=\"M%.1f,%.1f l%d,-5 v10 z\"/>", x + out * 17, y, -out * 6);
                }
                String words = Page.escape(when(mark) + " UTC: " + mark.words, 200);
                String link = String.format("<a href=\"#%s-%d\" aria-label=\"%s\">", id, i + 1, words);
                svg.append(alone ? "<g>" : link).append("<title>").append(words).append("</title>");
                shape(mark.shape, x, y, Integer.toString(i + 1));
                svg.append(alone ? "</g>\n" : "</a>\n");
            }
        }

        private void shape(Shape shape, double x, double y, String number) {
            put("<path class=\"shape\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", x, y, shape.path);
            if (!number.isEmpty()) {
                text("number", x, y + shape.baseline, number, 3);
            }
        }

        private void rug(double axis) {
            String ticks = rug.stream().filter(Chart.this::inside).map(at -> Math.round(x(at))).distinct()
                    .map(x -> "M" + x + " " + Math.round(axis) + "v-6").collect(Collectors.joining());
            put("<path class=\"rug\" d=\"%s\"/>%n", ticks);
        }

        private void lane(Lane lane, double y) {
            text("name", begin, y + 14, lane.name, 40);
            int room = (int) ((end - begin) / LETTER) - lane.name.length() - 2;
            text("soft", begin + lane.name.length() * 7.4 + 12, y + 14, lane.note, Math.max(1, room));
            double floor = y + HEADER + lane.height;
            lines(lane, y + HEADER, floor);
            lane.strip.forEach(stretch -> stretch(stretch, floor + 3));
        }

        private void lines(Lane lane, double top, double floor) {
            List<Line> drawn = lane.lines.stream().limit(DASHES.size()).toList();
            double leftPeak = peak(drawn, false);
            double rightPeak = peak(drawn, true);
            int steps = lane.height >= 150 ? 4 : 1;
            for (int i = 0; i <= steps; i++) {
                double y = floor - (floor - top) * i / steps;
                stroke(i == 0 ? "axis" : "grid", begin, y, end, y);
                if (leftPeak > 0) {
                    text("soft end", begin - 6, y + 4, number(leftPeak * i / steps) + (i == 0 ? "" : lane.unit), 12);
                }
                if (rightPeak > 0) {
                    text("soft", end + 6, y + 4, number(rightPeak * i / steps), 12);
                }
            }
            if (drawn.stream().allMatch(line -> line.points.stream().noneMatch(point -> inside(point.at)))) {
                text("soft middle", (begin + end) / 2, (top + floor) / 2 + 4, "no data in this time", 40);
            }
            for (int i = 0; i < drawn.size(); i++) {
                double peak = drawn.get(i).right() ? rightPeak : leftPeak;
                line(drawn.get(i), i, peak > 0 ? (floor - top) / peak : 0, floor);
            }
        }

        private double peak(List<Line> lines, boolean right) {
            return lines.stream().filter(line -> line.right() == right).flatMap(line -> line.points.stream())
                    .filter(one -> inside(one.at)).mapToDouble(Point::value).filter(Double::isFinite).max().orElse(0);
        }

        // In pieces: a line across a time in which nobody looked would claim what nobody saw.
        private void line(Line line, int number, double pixels, double floor) {
            TreeMap<Long, Double> piece = new TreeMap<>();
            Instant before = from;
            for (Point point : line.points.stream().filter(one -> inside(one.at)).toList()) {
                Instant last = before;
                before = point.at;
                if (!Double.isFinite(point.value)
                        || holes.stream().anyMatch(hole -> hole.from.isBefore(point.at) && hole.to.isAfter(last))) {
                    piece(piece, line.look, number, floor);
                }
                if (Double.isFinite(point.value)) {
                    // One point a pixel, the highest: a peak stays, however much is drawn.
                    piece.merge(Math.round(x(point.at)), Math.max(0, point.value) * pixels, Math::max);
                }
            }
            piece(piece, line.look, number, floor);
        }

        private void piece(TreeMap<Long, Double> points, Look look, int number, double floor) {
            String path = points.entrySet().stream()
                    .map(point -> String.format(Locale.ROOT, "%d,%.1f", point.getKey(), floor - point.getValue()))
                    .collect(Collectors.joining(" "));
            if (!points.isEmpty() && look == Look.AREA) {
                put("<polygon class=\"fill\" style=\"fill:var(--l%d)\" points=\"%d,%.1f %s %d,%3$.1f\"/>", number,
                        points.firstKey(), floor, path, points.lastKey());
            }
            if (!points.isEmpty()) {
                put("<polyline class=\"line\" style=\"%s\" points=\"%s\"/>", colour(number), path);
                points.clear();
            }
        }

        private static String colour(int line) {
            return "stroke:var(--l" + line + ");stroke-dasharray:" + DASHES.get(line);
        }

        // Good is a thin line, failed a tall hatched block: told apart in black and white too.
        private void stretch(Stretch stretch, double y) {
            double x = x(stretch.from);
            double wide = Math.max(2, x(stretch.to) - x);
            if (stretch.failed > 0) {
                pattern("failed", x, y, wide, 4 + 9 * Math.min(1, stretch.failed));
            } else {
                box("fine", x, y, wide, 2.5);
            }
        }

        /** What forms and lines mean: entries beside each other, in as many rows as the width needs. */
        private void legend(double y) {
            legendX = begin;
            legendY = y;
            bands.stream().collect(Collectors.toMap(Band::word, Band::tone, (one, other) -> one, LinkedHashMap::new))
                    .forEach((word, tone) -> key(word, (x, row) -> pattern(colour(tone), x, row - 11, 22, 14)));
            marks.stream().map(Mark::shape).distinct().sorted()
                    .forEach(shape -> key(shape.words, (x, row) -> shape(shape, x + 11, row - 4, "")));
            for (Lane lane : lanes) {
                for (int i = 0; i < Math.min(DASHES.size(), lane.lines.size()); i++) {
                    Line line = lane.lines.get(i);
                    String colour = colour(i);
                    key(line.name.isEmpty() ? "" : line.name + (line.right() ? " (right)" : ""), (x, row) ->
                            put("<path class=\"line\" style=\"%s\" d=\"M%.1f,%.1f h22\"/>", colour, x, row - 4));
                }
                int more = lane.lines.size() - DASHES.size();
                key(more > 0 ? more + " more are not drawn" : "", (x, row) -> { });
            }
            boolean strip = lanes.stream().anyMatch(lane -> !lane.strip.isEmpty());
            key(strip ? "good" : "", (x, row) -> box("fine", x, row - 5, 22, 2.5));
            key(strip ? "failed (height: share)" : "", (x, row) -> pattern("failed", x, row - 11, 22, 13));
            key(holes.isEmpty() ? "" : "not observed", (x, row) -> pattern("hole", x, row - 11, 22, 13));
        }

        private void key(String words, BiConsumer<Double, Double> sample) {
            if (!words.isEmpty()) {
                double wide = 44 + LETTER * Math.min(48, words.length());
                if (legendX > begin && legendX + wide > width) {
                    legendX = begin;
                    legendY += ROW;
                }
                sample.accept(legendX, legendY);
                text("soft", legendX + 28, legendY, words, 48);
                legendX += wide;
            }
        }

        private double list(double y) {
            double row = y + 6;
            for (int i = 0; i < marks.size(); i++) {
                Mark mark = marks.get(i);
                row += ROW + 1;
                shape(mark.shape, 31, row - 4, Integer.toString(i + 1));
                String source = mark.source.isEmpty() ? "" : " · " + mark.source;
                text("soft", 50, row, when(mark) + " " + mark.words + source, 150);
            }
            row += left > 0 ? ROW : 0;
            text("soft", 50, row, left > 0 ? more() : "", 60);
            return row + 8;
        }

        private void put(String format, Object... values) {
            svg.append(String.format(Locale.ROOT, format, values));
        }

        private void stroke(String kind, double x1, double y1, double x2, double y2) {
            put("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kind, x1, y1, x2, y2);
        }

        private void box(String kind, double x, double y, double wide, double high) {
            put("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", kind, x, y, wide, high);
        }

        private void pattern(String kind, double x, double y, double wide, double high) {
            put("<rect fill=\"url(#%s%s-%s)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                    id, name, kind, x, y, Math.max(1, wide), high);
        }

        private void text(String kind, double x, double y, String words, int most) {
            put("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>%n", kind, x, y, Page.escape(words, most));
        }
    }
}
