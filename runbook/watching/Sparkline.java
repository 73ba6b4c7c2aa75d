package runbook.watching;

import java.util.List;

/** Latencies as one character a look: a higher bar is slower, and a failed look is a cross, not a colour. */
final class Sparkline {
    private static final String BARS = "▁▂▃▄▅▆▇█";
    private static final String ASCII = "_.,-=+*#";

    private Sparkline() { }

    /** The newest looks, at most {@code width} of them, oldest first, scaled to the slowest among them. */
    static String of(List<Series.Look> looks, int width, boolean unicode) {
        List<Series.Look> shown = looks.subList(Math.max(0, looks.size() - width), looks.size());
        long slowest = shown.stream().filter(Series.Look::good).mapToLong(Series.Look::millis).max().orElse(0);
        StringBuilder line = new StringBuilder();
        for (Series.Look look : shown) {
            int height = slowest == 0 ? 0 : (int) Math.min(7, look.millis() * 8 / (slowest + 1));
            line.append(!look.good() ? unicode ? '×' : 'x' : (unicode ? BARS : ASCII).charAt(height));
        }
        return line.toString();
    }
}
