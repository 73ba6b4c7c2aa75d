package runbook.bundle;

/** Text made fit for HTML and SVG. */
final class Html {
    private Html() { }

    static String text(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;").replace("'", "&#39;")
                .replaceAll("[\\p{Cc}&&[^\\n\\t]]", "�");
    }
}
