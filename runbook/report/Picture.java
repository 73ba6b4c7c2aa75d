package runbook.report;

import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jsoup.nodes.Entities;
import runbook.Text;

/**
 * The timeline to scale, as SVG: bands of states, numbered events, error rate and latency below where there is data.
 * Nothing is told by colour alone: bands have patterns and words, lines have dashes, events have numbers and shapes.
 * Its style is the page's ({@code templates/postmortem.html}).
 */
final class Picture {
    private static final int MOST_EVENTS = 40;
    private static final int MOST_BANDS = 480;
    private static final double BAND = 30;
    private static final double LANE = 24;
    private static final double PLOT = 120;
    private static final double DISC = 10;

    private final List<Entry> entries;
    private final List<Band> bands;
    private final Metrics metrics;
    private final List<Entry> events;

    Picture(List<Entry> entries, List<Band> bands, Metrics metrics) {
        this.entries = entries;
        this.bands = Band.visible(bands, MOST_BANDS);
        this.metrics = metrics;
        this.events = chosen(entries);
    }

    // The rarest kinds tell the most: one acknowledgement outweighs the fortieth status update.
    private static List<Entry> chosen(List<Entry> entries) {
        List<Entry> milestones = entries.stream().filter(Entry::milestone).toList();
        if (milestones.size() <= MOST_EVENTS) {
            return milestones;
        }
        var often = milestones.stream().collect(Collectors.groupingBy(Entry::kind, Collectors.counting()));
        return milestones.stream().sorted(Comparator.comparing(entry -> often.get(entry.kind()))).limit(MOST_EVENTS)
                .sorted(Comparator.comparing(Entry::at)).toList();
    }

    /** Whether there is anything to draw. */
    boolean any() {
        return !entries.isEmpty();
    }

    /** The figure: the picture for wide and for narrow pages, and the list that its numbers stand for. */
    String html() {
        return "<figure class=\"timeline\">" + patterns() + svg(960, "wide") + svg(360, "narrow") + legend() + list()
                + "</figure>";
    }

    private String svg(int width, String name) {
        double right = metrics.latency().isPresent() ? 46 : 14;
        Scale scale = Scale.around(entries.get(0).at(), entries.get(entries.size() - 1).at(), plotted() ? 46 : 14, width - right);
        int lanes = lanes(scale).stream().mapToInt(lane -> lane + 1).max().orElse(0);
        double marksTop = BAND + 10;
        double plotTop = marksTop + Math.max(1, lanes) * LANE + 12;
        double axis = plotTop + (plotted() ? PLOT : 0);
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg class=\"%s\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"group\""
                        + " aria-label=\"Timeline to scale\">",
                name,
                width,
                axis + 36,
                width,
                axis + 36));
        ticks(svg, scale, axis);
        bands(svg, scale, axis);
        if (plotted()) {
            plot(svg, scale, plotTop, axis);
        }
        rug(svg, scale, axis);
        marks(svg, scale, marksTop, axis);
        return svg.append("</svg>").toString();
    }

    private boolean plotted() {
        return metrics.errors().stream().anyMatch(series -> series.points().size() > 1) || metrics.latency().isPresent();
    }

    // Apart from both pictures: what a picture that is not displayed defines is not to be had elsewhere.
    private static String patterns() {
        return "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>"
                + pattern(
                        "unnoticed",
                        "",
                        "<circle class=\"ink\" cx=\"2\" cy=\"2\" r=\"1.2\"/><circle class=\"ink\" cx=\"6\" cy=\"6\""
                                + " r=\"1.2\"/>")
                + pattern("investigating", "rotate(45)", "<rect class=\"ink\" width=\"3\" height=\"8\"/>")
                + pattern("mitigating", "rotate(-45)", "<rect class=\"ink\" width=\"1\" height=\"8\"/>")
                + pattern("watching", "", "<rect class=\"ink\" width=\"8\" height=\"1.5\"/>")
                + pattern("resolved", "", "") + "</defs></svg>";
    }

    private static String pattern(String name, String turned, String ink) {
        return String.format(
                "<pattern id=\"band-%1$s\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\""
                        + " patternTransform=\"%2$s\"><rect class=\"%1$s\" width=\"8\" height=\"8\"/>%3$s</pattern>",
                name, turned, ink);
    }

    private static void ticks(StringBuilder svg, Scale scale, double axis) {
        svg.append(String.format(
                Locale.ROOT,
                "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%2$.1f\"/>",
                scale.left(),
                axis,
                scale.right()));
        for (Instant tick : scale.ticks(scale.overDays() ? 92 : 56)) {
            String label = scale.overDays() ? Texts.full(tick).substring(5) : Texts.clock(tick);
            svg.append(String.format(
                    Locale.ROOT,
                    "<line class=\"grid\" x1=\"%1$.1f\" y1=\"%2$.1f\" x2=\"%1$.1f\" y2=\"%3$.1f\"/>"
                            + "<text class=\"tick\" x=\"%1$.1f\" y=\"%4$.1f\">%5$s</text>",
                    scale.x(tick),
                    BAND,
                    axis + 5,
                    axis + 20,
                    label));
        }
    }

    private void bands(StringBuilder svg, Scale scale, double axis) {
        for (Band band : bands) {
            double x = scale.x(band.from());
            double width = Math.max(1, scale.x(band.to()) - x);
            String word = band.kind().word();
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect class=\"band\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%.0f\" fill=\"url(#band-%s)\">"
                            + "<title>%s %s to %s UTC</title></rect>",
                    x,
                    width,
                    BAND,
                    word,
                    word,
                    Texts.full(band.from()),
                    Texts.full(band.to())));
            svg.append(String.format(
                    Locale.ROOT,
                    "<line class=\"change\" x1=\"%1$.1f\" y1=\"0\" x2=\"%1$.1f\" y2=\"%2$.1f\"/>",
                    x,
                    axis));
            double room = word.length() * 7.4 + 10;
            if (width > room) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<rect class=\"plate\" x=\"%.1f\" y=\"6\" width=\"%.1f\" height=\"18\" rx=\"3\"/>"
                                + "<text class=\"word\" x=\"%.1f\" y=\"19\">%s</text>",
                        x + width / 2 - room / 2,
                        room,
                        x + width / 2,
                        word));
            }
        }
    }

    private void plot(StringBuilder svg, Scale scale, double top, double bottom) {
        Series errors = metrics.allErrors();
        double peak = errors.peak();
        if (errors.points().size() > 1 && peak > 0) {
            svg.append("<path class=\"errors\" d=\"")
                    .append(area(errors, scale, peak, top, bottom))
                    .append("\"><title>")
                    .append(metrics.rate())
                    .append("</title></path>");
            svg.append(value(scale.left() - 5, top + 8, "end", peak)).append(value(scale.left() - 5, bottom, "end", 0));
        }
        metrics.latency()
                .filter(latency -> latency.points().size() > 1 && latency.peak() > 0)
                .ifPresent(latency -> {
                    svg.append("<path class=\"latency\" d=\"")
                            .append(line(latency, scale, latency.peak(), top, bottom))
                            .append("\"><title>latency in seconds</title></path>");
                    svg.append(value(scale.right() + 5, top + 8, "start", latency.peak()))
                            .append(value(scale.right() + 5, bottom, "start", 0));
                });
    }

    private static String value(double x, double y, String anchor, double value) {
        String number = value == 0
                ? "0"
                : value >= 100 ? String.format(Locale.ROOT, "%.0f", value) : String.format(Locale.ROOT, "%.2g", value);
        return String.format(
                Locale.ROOT,
                "<text class=\"tick\" style=\"text-anchor:%s\" x=\"%.1f\" y=\"%.1f\">%s</text>",
                anchor,
                x,
                y,
                number);
    }

    private static String line(Series series, Scale scale, double peak, double top, double bottom) {
        StringBuilder path = new StringBuilder();
        for (Series.Point point : series.points()) {
            if (!point.at().isBefore(scale.from()) && !point.at().isAfter(scale.to())) {
                path.append(String.format(
                        Locale.ROOT,
                        "%s%.1f %.1f",
                        path.length() == 0 ? "M" : "L",
                        scale.x(point.at()),
                        bottom - point.value() / peak * (bottom - top)));
            }
        }
        return path.toString();
    }

    private static String area(Series series, Scale scale, double peak, double top, double bottom) {
        String line = line(series, scale, peak, top, bottom);
        if (line.isEmpty()) {
            return "";
        }
        String first = line.substring(1, line.indexOf(' '));
        String last = line.substring(line.lastIndexOf('L') + 1).split(" ")[0].replace("M", "");
        return String.format(Locale.ROOT, "M%s %.1fL%sL%s %.1fZ", first, bottom, line.substring(1), last, bottom);
    }

    // What is no milestone shows as a tick on the axis: that something was recorded, and how densely.
    private void rug(StringBuilder svg, Scale scale, double axis) {
        BitSet pixels = new BitSet();
        entries.stream().filter(entry -> !entry.milestone()).forEach(entry -> pixels.set((int) Math.round(scale.x(entry.at()))));
        StringBuilder path = new StringBuilder();
        String up = String.format(Locale.ROOT, " %.1fv-6", axis);
        pixels.stream().forEach(x -> path.append('M').append(x).append(up));
        if (path.length() > 0) {
            svg.append("<path class=\"rug\" d=\"").append(path).append("\"><title>other entries</title></path>");
        }
    }

    /** Each event's lane: the first in which it does not touch the one before. */
    private List<Integer> lanes(Scale scale) {
        List<Double> ends = new ArrayList<>();
        List<Integer> lanes = new ArrayList<>();
        for (Entry event : events) {
            double x = scale.x(event.at());
            int lane = 0;
            while (lane < ends.size() && ends.get(lane) > x - DISC - 2) {
                lane++;
            }
            if (lane == ends.size()) {
                ends.add(0.0);
            }
            ends.set(lane, x + DISC);
            lanes.add(lane);
        }
        return lanes;
    }

    private void marks(StringBuilder svg, Scale scale, double top, double axis) {
        List<Integer> lanes = lanes(scale);
        for (int i = 0; i < events.size(); i++) {
            Entry event = events.get(i);
            double x = scale.x(event.at());
            double y = top + lanes.get(i) * LANE + DISC;
            String words = escaped(Texts.full(event.at()) + " UTC: " + Timeline.plain(event), 160);
            String shape = event.kind().equals(Entry.VENDOR)
                    ? String.format(
                            Locale.ROOT, "<rect x=\"%.1f\" y=\"%.1f\" width=\"19\" height=\"19\"/>", x - 9.5, y - 9.5)
                    : String.format(Locale.ROOT, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.0f\"/>", x, y, DISC);
            svg.append(String.format(
                    Locale.ROOT,
                    "<line class=\"stem\" x1=\"%1$.1f\" y1=\"%2$.1f\" x2=\"%1$.1f\" y2=\"%3$.1f\"/><a class=\"mark\""
                            + " href=\"#event-%4$d\" aria-label=\"%5$s\"><title>%5$s</title>%6$s<text x=\"%1$.1f\""
                            + " y=\"%7$.1f\">%4$d</text></a>",
                    x,
                    y,
                    axis,
                    i + 1,
                    words,
                    shape,
                    y + 4));
        }
    }

    private String legend() {
        StringBuilder legend = new StringBuilder("<p class=\"legend\">");
        bands.stream()
                .map(band -> band.kind().word())
                .distinct()
                .forEach(word -> legend.append(
                        key("<rect width=\"22\" height=\"14\" fill=\"url(#band-" + word + ")\"/>", word)));
        legend.append("<span class=\"key\"><b class=\"disc\">1</b> ours</span> ");
        if (events.stream().anyMatch(event -> event.kind().equals(Entry.VENDOR))) {
            legend.append("<span class=\"key\"><b class=\"box\">1</b> Klaviyo's status page</span> ");
        }
        if (plotted() && metrics.allErrors().peak() > 0) {
            legend.append(key("<path class=\"errors\" d=\"M0 14L0 9L11 3L22 7L22 14Z\"/>", metrics.rate() + " (left)"));
        }
        if (plotted() && metrics.latency().isPresent()) {
            legend.append(key("<path class=\"latency\" d=\"M0 9L11 4L22 8\"/>", "latency in seconds (right)"));
        }
        return legend.append("</p>").toString();
    }

    private static String key(String sample, String words) {
        return "<span class=\"key\"><svg width=\"22\" height=\"14\" aria-hidden=\"true\">" + sample + "</svg> " + words
                + "</span> ";
    }

    private String list() {
        boolean overDays = !Texts.date(entries.get(0).at()).equals(Texts.date(entries.get(entries.size() - 1).at()));
        StringBuilder list = new StringBuilder("<ol class=\"events\">");
        for (int i = 0; i < events.size(); i++) {
            Entry event = events.get(i);
            list.append(String.format(
                    "<li id=\"event-%d\"><time datetime=\"%s\">%s</time> %s <small>%s</small></li>",
                    i + 1,
                    event.at(),
                    overDays ? Texts.full(event.at()) : Texts.clock(event.at()),
                    escaped(Timeline.plain(event), 220),
                    escaped(event.source(), 40)));
        }
        long more = entries.stream().filter(Entry::milestone).count() - events.size();
        return list + "</ol>" + (more > 0 ? "<p>" + more + " more milestones are in the table.</p>" : "");
    }

    private static String escaped(String outside, int max) {
        return Entities.escape(Text.safe(outside, max)).replace("\"", "&quot;").replace("'", "&#39;");
    }

    /** When nothing has a time there is no picture. */
    static Optional<Picture> of(Story story, Metrics metrics) {
        Picture picture = new Picture(story.pictured(), story.bands(), metrics);
        return picture.any() ? Optional.of(picture) : Optional.empty();
    }
}
