package runbook.watching;

import java.util.Locale;
import runbook.Text;

/** Text from anywhere made fit to stand in SVG and HTML. */
final class Markup {
    private Markup() { }

    /** One bounded line, escaped for text and for quoted attributes. */
    static String escape(String text, int max) {
        return Text.safe(text, max)
                .replaceAll("[\\ufffe\\uffff]", "")
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }

    /** A coordinate. */
    static String n(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
