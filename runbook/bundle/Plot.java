package runbook.bundle;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;

/**
 * Lines over time as SVG, light or dark as the reader's system is.
 *
 * @param title  what is drawn
 * @param window from left to right
 * @param mark   a moment to mark: where the bundle's window begins; null for none
 * @param series the lines
 */
record Plot(String title, Window window, Instant mark, List<Series> series) {
    /** One line. */
    record Series(String name, List<Point> points) { }

    /** A value at a moment. */
    record Point(Instant at, double value) { }

    private static final int WIDTH = 860;
    private static final int HEIGHT = 240;
    private static final int LEFT = 56;
    private static final int BOTTOM = 28;
    private static final int TOP = 12;
    private static final int MOST = 8;
    // Okabe and Ito's colours: told apart by colour-blind readers too.
    private static final List<String> COLOURS =
            List.of("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#7f7f7f");
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm").withZone(ZoneOffset.UTC);

    /** The picture, for a file or inside a page. */
    String svg() {
        double top = Math.max(
                1e-9,
                series.stream()
                        .limit(MOST)
                        .flatMap(line -> line.points.stream())
                        .mapToDouble(Point::value)
                        .max()
                        .orElse(1));
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"system-ui,"
                        + " sans-serif\" font-size=\"11\"><title>%s</title>",
                WIDTH,
                HEIGHT + 20 * ((Math.min(MOST, series.size()) + 3) / 4),
                Html.text(title)));
        svg.append(
                "<style>.axis{stroke:#888;stroke-width:1}.grid{stroke:#8884;stroke-width:1}.label{fill:#666}@media(prefers-color-scheme:dark){.label{fill:#bbb}}</style>");
        grid(svg, top);
        if (mark != null) {
            svg.append(String.format(
                    Locale.ROOT,
                    "<line class=\"axis\" stroke-dasharray=\"4 3\" x1=\"%1$.1f\" x2=\"%1$.1f\" y1=\"%2$d\""
                            + " y2=\"%3$d\"/>",
                    x(mark),
                    TOP,
                    HEIGHT - BOTTOM));
        }
        for (int i = 0; i < Math.min(MOST, series.size()); i++) {
            line(svg, series.get(i), top, COLOURS.get(i), i);
        }
        if (series.stream().allMatch(line -> line.points.isEmpty())) {
            svg.append(String.format(
                    "<text class=\"label\" x=\"%d\" y=\"%d\">no data in this time</text>", WIDTH / 2 - 50, HEIGHT / 2));
        }
        return svg.append("</svg>\n").toString();
    }

    private void grid(StringBuilder svg, double top) {
        for (int i = 0; i <= 4; i++) {
            double y = y(top * i / 4, top);
            svg.append(String.format(
                    Locale.ROOT,
                    "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"label\""
                            + " text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>",
                    i == 0 ? "axis" : "grid",
                    LEFT,
                    WIDTH - 8,
                    y,
                    y,
                    LEFT - 6,
                    y + 4,
                    number(top * i / 4)));
        }
        long seconds = window.length().toSeconds();
        for (int i = 0; i <= 6; i++) {
            Instant at = window.from().plusSeconds(seconds * i / 6);
            svg.append(String.format(
                    Locale.ROOT,
                    "<text class=\"label\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>",
                    Math.min(x(at), WIDTH - 22),
                    HEIGHT - 10,
                    TIME.format(at)));
        }
    }

    private void line(StringBuilder svg, Series line, double top, String colour, int place) {
        StringBuilder points = new StringBuilder();
        line.points.forEach(
                point -> points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x(point.at), y(point.value, top))));
        svg.append("<polyline fill=\"none\" stroke-width=\"1.6\" stroke=\"")
                .append(colour)
                .append("\" points=\"")
                .append(points.toString().strip())
                .append("\"/>");
        int x = LEFT + place % 4 * 200;
        int y = HEIGHT + 8 + place / 4 * 18;
        String name = line.name.length() > 28 ? line.name.substring(0, 27) + "…" : line.name;
        svg.append("<rect x=\"")
                .append(x)
                .append("\" y=\"")
                .append(y - 8)
                .append("\" width=\"12\" height=\"4\" fill=\"")
                .append(colour)
                .append("\"/>");
        svg.append("<text class=\"label\" x=\"")
                .append(x + 17)
                .append("\" y=\"")
                .append(y - 2)
                .append("\">")
                .append(Html.text(name))
                .append("</text>");
    }

    private double x(Instant at) {
        double share = (double) (at.toEpochMilli() - window.from().toEpochMilli()) / Math.max(1, window.length().toMillis());
        return LEFT + Math.max(0, Math.min(1, share)) * (WIDTH - LEFT - 8);
    }

    private static double y(double value, double top) {
        return HEIGHT - BOTTOM - Math.max(0, value) / top * (HEIGHT - BOTTOM - TOP);
    }

    private static String number(double value) {
        return value >= 1000
                ? String.format(Locale.ROOT, "%.3gk", value / 1000)
                : value == Math.rint(value) ? Long.toString((long) value) : String.format(Locale.ROOT, "%.2g", value);
    }
}
