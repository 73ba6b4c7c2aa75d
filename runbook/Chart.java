package runbook;

import java.time.*;
import java.time.format.*;
import java.util.*;
import java.util.stream.*;
import runbook.Prometheus.Point;
import runbook.Settings.Templates;

/**
 * What happened over time, as SVG: numbered marks, and under them lanes with lines and with stretches of success and
 * failure, all on one scale (UTC), a second long at least. It refers to nothing outside itself, follows the reader's
 * light or dark colours, prints, and means the same without colour: stretches have patterns, lines dashes, marks shapes
 * and numbers. All text is escaped here; what lies outside the scale stands at its edge and says so. Its id is a word,
 * unique in the page around it.
 */
public record Chart(String id, String title, Instant from, Instant to, List<Mark> marks, List<Lane> lanes) {
    private static final int WIDTH = 960;
    private static final int MOST_MARKS = 40;
    private static final int MOST_MARK_ROWS = 8;
    private static final int MANY_LETTERS = 140;
    private static final double BEGIN = 52;
    private static final double END = WIDTH - 18;
    private static final double TOP = 62;
    private static final double MARK = 23;
    private static final double HEADER = 20;
    private static final double STRIP = 17;
    private static final double ROW = 21;
    private static final double LETTER = 6.6;
    private static final DateTimeFormatter DAY = utc("yyyy-MM-dd HH:mm:ss");
    private static final DateTimeFormatter CLOCK = utc("HH:mm:ss");
    private static final List<String> DASHES =
            List.of("none", "7 3", "2 3", "9 3 2 3", "14 4", "5 2", "1 4", "9 3 2 3 2 3");
    // Seconds between two times at the axis.
    private static final long[] STEPS = {1, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600,
        43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000};

    /** What a stretch stands for: well, in part, broken. */
    public enum Tone implements Text.Named {
        GOOD("good", ""), ACTING("failed in part", "M-2,-2l12,12M6,-2l4,4M-2,6l4,4"),
        BAD("failed", "M-2,2l4,-4M-2,10l12,-12M6,10l4,-4");

        private final String words;
        // Over the band's colour, on a tile of 8 by 8 pixels: what it says in print and without colour.
        private final String pattern;

        Tone(String words, String path) {
            this.words = words;
            pattern = path;
        }
    }

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

        /** The outline for a kind of event, by the names in journals. */
        public static Shape of(String kind) {
            return switch (kind) {
                case "status-page", "vendor" -> VENDOR;
                case "symptom", "detected", "degraded", "flapping", "blip", "gap" -> WORSE;
                case "recovering", "recovered", "stable", "mitigated", "rotated" -> BETTER;
                default -> OTHER;
            };
        }
    }

    /** A state from one moment to another. */
    public record Band(Instant from, Instant to, Tone tone) { }

    /** A numbered event: its kind, one line for the list, and who says so (may be empty). */
    public record Mark(Instant at, Shape shape, String kind, String words, String source) { }

    /** A line of a lane, its points by time: one that is no finite number interrupts it. The legend has its name. */
    public record Line(String name, List<Point> points) { }

    /**
     * A plot of its own under the others. Behind its name stands a note, such as totals; behind the numbers at its
     * scale a unit; below its lines, so many pixels high, a strip of success and failure.
     */
    public record Lane(String name, String note, String unit, int height, List<Line> lines, List<Band> strip) {
        private double whole() {
            return HEADER + height + (strip.isEmpty() ? 0 : STRIP) + 8;
        }
    }

    public Chart {
        to = to.isAfter(from.plusSeconds(1)) ? to : from.plusSeconds(1);
    }

    /** A document of its own, with the style that {@code page.html} has for charts. */
    public String svg() {
        String style = Templates.BUILT_IN.text("page.html").replaceAll("(?s).*(?=/\\* Charts)|</style>.*", "");
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + new Drawing().whole("<style>" + style + "</style>");
    }

    /** A figure for a page, whose style it has; on a narrow screen it is pushed sideways, and stays readable. */
    public String figure() {
        return "<figure class=\"timeline\">" + new Drawing().whole("") + "</figure>\n";
    }

    /**
     * A page, in the frame that a team may have of its own ({@code page.html}): no script, nothing fetched. The title
     * is escaped here; HTML goes in as it is.
     */
    public static String page(Templates templates, String title, String html) {
        return templates.template("page.html").fill(Map.of("title", title, "content", html), Object::toString,
                Chart::escape);
    }

    /** Text as it may stand in HTML and SVG, in quoted attributes too; control characters become U+FFFD. */
    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")
                .replace("'", "&#39;").replaceAll("[\\p{Cc}\\p{Cs}\\ufffe\\uffff&&[^\\n\\t]]", "\ufffd");
    }

    /** One bounded, printable line ({@link Text#safe}), escaped. */
    private static String escape(String text, int max) {
        return escape(Text.safe(text, max));
    }

    private boolean inside(Instant at) {
        return !at.isBefore(from) && !at.isAfter(to);
    }

    private boolean overDays() {
        return Duration.between(from, to).toHours() >= 24;
    }

    // Where the day is not clear from the picture, it is said.
    private String when(Mark mark) {
        boolean clear = inside(mark.at) && !overDays();
        return (mark.at.isBefore(from) ? "(before the picture) " : "") + (clear ? CLOCK : DAY).format(mark.at);
    }

    private static DateTimeFormatter utc(String pattern) {
        return DateTimeFormatter.ofPattern(pattern, Locale.ROOT).withZone(ZoneOffset.UTC);
    }

    /** A value as it stands at a scale. */
    private static String number(double value) {
        boolean round = value >= 100 || value == Math.rint(value);
        return value >= 10_000 ? Math.round(value / 1_000) + "k"
                : String.format(Locale.ROOT, round ? "%.0f" : "%.2g", value);
    }

    /** The chart as it is being drawn, from top to bottom. */
    private final class Drawing {
        private final StringBuilder svg = new StringBuilder();
        private final List<Mark> shown = shown();
        private double x = BEGIN;
        private double y = TOP;

        // By time; of too many the rarest kinds, which tell the most.
        private List<Mark> shown() {
            Map<String, Long> often = marks.stream().collect(Collectors.groupingBy(Mark::kind, Collectors.counting()));
            Comparator<Mark> telling = Comparator.comparing(mark -> often.get(mark.kind));
            return marks.stream().sorted(telling.thenComparing(Mark::shape)).limit(MOST_MARKS)
                    .sorted(Comparator.comparing(Mark::at)).toList();
        }

        private String whole(String style) {
            List<Integer> rows = markRows();
            double lanesTop = TOP + rows.stream().mapToInt(row -> row + 1).max().orElse(0) * MARK + 6;
            double floor = lanesTop + lanes.stream().mapToDouble(Lane::whole).sum();
            text("title", 20, 28, title, 100);
            String length = Text.Durations.words(Duration.between(from, to));
            text("soft", 20, 48, DAY.format(from) + " to " + DAY.format(to) + " UTC, " + length, MANY_LETTERS);
            axis(floor);
            y = lanesTop;
            lanes.forEach(this::lane);
            for (int i = 0; i < shown.size(); i++) {
                mark(i, TOP + rows.get(i) * MARK + 11, floor);
            }
            y = floor + 46;
            legend();
            list();
            return head(style) + svg + "</svg>\n";
        }

        private String head(String style) {
            String said = lanes.stream().map(lane -> lane.name + ": " + lane.note).collect(Collectors.joining(". "));
            String open = String.format(Locale.ROOT, "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\""
                            + " viewBox=\"0 0 %d %.0f\" role=\"group\" aria-label=\"%s\">%n<desc>%s</desc>%n",
                    WIDTH, y + 14, escape(title, 120), escape(said, 2_000));
            String tiles = Stream.of(Tone.values()).map(tone -> String.format("<pattern id=\"%s-%s\" width=\"8\""
                    + " height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\""
                    + " style=\"fill:var(--%2$s)\"/><path class=\"ink %2$s\" d=\"%s\"/></pattern>", id, tone.word(),
                    tone.pattern)).collect(Collectors.joining());
            return open + style + "<defs>" + tiles
                    + "</defs>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n";
        }

        private double x(Instant at) {
            double share = (double) Duration.between(from, at).toMillis() / Duration.between(from, to).toMillis();
            return BEGIN + Math.min(1, Math.max(0, share)) * (END - BEGIN);
        }

        private void axis(double floor) {
            stroke("axis", BEGIN, floor, END, floor);
            long most = (long) (END - BEGIN) / (overDays() ? 92 : 72);
            long length = Duration.between(from, to).toSeconds();
            long step = LongStream.of(STEPS).filter(one -> length / one <= most).findFirst().orElse(length / most + 1);
            String clock = step < 60 ? "HH:mm:ss" : "HH:mm";
            DateTimeFormatter label = utc(overDays() ? "MM-dd HH:mm" : clock);
            long first = Math.floorDiv(from.getEpochSecond(), step) * step + step;
            for (long at = first; at <= to.getEpochSecond(); at += step) {
                Instant tick = Instant.ofEpochSecond(at);
                stroke("grid", x(tick), TOP, x(tick), floor + 5);
                text("soft middle", Math.min(x(tick), WIDTH - 30), floor + 19, label.format(tick), 20);
            }
        }

        /** Each mark's row: the first in which it does not touch the one before. */
        private List<Integer> markRows() {
            double[] ends = new double[MOST_MARK_ROWS];
            List<Integer> rows = new ArrayList<>();
            for (Mark mark : shown) {
                int row = 0;
                while (row < MOST_MARK_ROWS - 1 && ends[row] > x(mark.at) - MARK) {
                    row++;
                }
                ends[row] = x(mark.at);
                rows.add(row);
            }
            return rows;
        }

        private void mark(int number, double middle, double floor) {
            Mark mark = shown.get(number);
            if (inside(mark.at)) {
                stroke("stem", x(mark.at), middle + 8, x(mark.at), floor);
            }
            put("<g><title>%s</title>", escape(when(mark) + " UTC: " + mark.words, 200));
            shape(mark.shape, x(mark.at), middle, Integer.toString(number + 1));
            put("</g>%n");
        }

        private void lane(Lane lane) {
            text("name", BEGIN, y + 14, lane.name, 60);
            int room = (int) ((END - BEGIN) / LETTER) - lane.name.length() - 2;
            text("soft", BEGIN + lane.name.length() * 7.4 + 12, y + 14, lane.note, Math.max(1, room));
            double top = y + HEADER;
            double floor = top + lane.height;
            List<Line> drawn = drawn(lane);
            double peak = drawn.stream().flatMap(line -> line.points.stream()).filter(point -> inside(point.at()))
                    .mapToDouble(Point::value).filter(Double::isFinite).max().orElse(-1);
            text("soft middle", (BEGIN + END) / 2, (top + floor) / 2 + 4, peak < 0 ? "no data in this time" : "", 40);
            int steps = lane.height >= 150 ? 4 : 1;
            for (int i = 0; i <= steps; i++) {
                double level = floor - lane.height * (double) i / steps;
                stroke(i == 0 ? "axis" : "grid", BEGIN, level, END, level);
                String value = number(peak * i / steps) + (i == 0 ? "" : lane.unit);
                text("soft end", BEGIN - 6, level + 4, peak > 0 ? value : "", 12);
            }
            for (int i = 0; i < drawn.size(); i++) {
                line(drawn.get(i), i, peak > 0 ? lane.height / peak : 0, floor);
            }
            // Good is a thin line, failed a tall hatched block: told apart in black and white too.
            joined(lane.strip).forEach(band -> pattern(band.tone, x(band.from), floor + 3,
                    Math.max(2, x(band.to) - x(band.from)), band.tone == Tone.GOOD ? 4 : 13,
                    band.tone.words + " " + DAY.format(band.from) + " to " + DAY.format(band.to)));
            y += lane.whole();
        }

        private static List<Line> drawn(Lane lane) {
            return lane.lines.subList(0, Math.min(DASHES.size(), lane.lines.size()));
        }

        // What meets and says the same is one.
        private static List<Band> joined(List<Band> bands) {
            LinkedList<Band> joined = new LinkedList<>();
            for (Band band : bands) {
                Band last = joined.peekLast();
                boolean goesOn = last != null && last.to.equals(band.from) && last.tone == band.tone;
                joined.add(goesOn ? new Band(joined.removeLast().from, band.to, band.tone) : band);
            }
            return joined;
        }

        private void line(Line line, int number, double pixels, double floor) {
            // One point a pixel, the highest: a peak stays, however much is drawn.
            TreeMap<Long, Double> piece = new TreeMap<>();
            for (Point point : line.points.stream().filter(one -> inside(one.at())).toList()) {
                if (Double.isFinite(point.value())) {
                    piece.merge(Math.round(x(point.at())), Math.max(0, point.value()) * pixels, Math::max);
                } else {
                    piece(piece, number, floor);
                }
            }
            piece(piece, number, floor);
        }

        private void piece(TreeMap<Long, Double> points, int number, double floor) {
            put("<polyline class=\"line\" style=\"%s\" points=\"%s\"/>", colour(number), points.entrySet().stream()
                    .map(point -> String.format(Locale.ROOT, "%d,%.1f", point.getKey(), floor - point.getValue()))
                    .collect(Collectors.joining(" ")));
            points.clear();
        }

        private static String colour(int line) {
            return "stroke:var(--l" + line + ");stroke-dasharray:" + DASHES.get(line);
        }

        /** What forms and lines mean: entries beside each other, in as many rows as the width needs. */
        private void legend() {
            lanes.stream().flatMap(lane -> lane.strip.stream()).map(Band::tone).distinct()
                    .forEach(tone -> key(tone.words, () -> pattern(tone, x, y - 11, 22, 14, tone.words)));
            shown.stream().map(Mark::shape).distinct().sorted()
                    .forEach(shape -> key(shape.words, () -> shape(shape, x + 11, y - 4, "")));
            for (Lane lane : lanes) {
                for (int i = 0; i < drawn(lane).size(); i++) {
                    String colour = colour(i);
                    key(lane.lines.get(i).name, () ->
                            put("<path class=\"line\" style=\"%s\" d=\"M%.1f,%.1f h22\"/>", colour, x, y - 4));
                }
                int more = lane.lines.size() - DASHES.size();
                key(more > 0 ? more + " more are not drawn" : "", () -> { });
            }
        }

        private void key(String words, Runnable sample) {
            if (!words.isEmpty()) {
                double wide = 44 + LETTER * Math.min(48, words.length());
                if (x > BEGIN && x + wide > WIDTH) {
                    x = BEGIN;
                    y += ROW;
                }
                sample.run();
                text("soft", x + 28, y, words, 48);
                x += wide;
            }
        }

        /** What the numbers of the marks stand for. */
        private void list() {
            y += 6;
            for (int i = 0; i < shown.size(); i++) {
                Mark mark = shown.get(i);
                y += ROW;
                shape(mark.shape, 31, y - 4, Integer.toString(i + 1));
                String source = mark.source.isEmpty() ? "" : " · " + mark.source;
                text("soft", 50, y, when(mark) + " " + mark.words + source, MANY_LETTERS);
            }
            int left = marks.size() - shown.size();
            text("soft", 50, y + ROW, left == 0 ? "" : "and " + Text.count(left, "more event") + " in the journal", 60);
            y += left == 0 ? 0 : ROW;
        }

        // ---- what it is drawn with

        private void put(String format, Object... values) {
            svg.append(String.format(Locale.ROOT, format, values));
        }

        private void stroke(String kind, double x1, double y1, double x2, double y2) {
            put("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", kind, x1, y1, x2, y2);
        }

        private void shape(Shape shape, double there, double middle, String number) {
            put("<path class=\"shape\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", there, middle, shape.path);
            text("number", there, middle + shape.baseline, number, 3);
        }

        private void pattern(Tone tone, double left, double top, double wide, double high, String words) {
            put("<rect fill=\"url(#%s-%s)\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                    + "<title>%s</title></rect>%n", id, tone.word(), left, top, wide, high, escape(words, 120));
        }

        private void text(String kind, double left, double base, String words, int most) {
            if (!words.isEmpty()) {
                put("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>%n", kind, left, base, escape(words, most));
            }
        }
    }
}
