package runbook;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A self-contained HTML page: no script, nothing fetched, light or dark as the reader's system is, fit to print. Its
 * frame and style are the same for every step. Text is escaped here; HTML that a caller made goes in as it is.
 */
public final class Page {
    /**
     * The frame around every page: {@code {{title}}}, {@code {{style}}} and {@code {{content}}} are put in. A team's
     * own frame has the same three.
     */
    public static final String FRAME = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="Content-Security-Policy"
              content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
        <title>{{title}}</title>
        <style>
        {{style}}</style>
        </head>
        <body>
        <main>
        {{content}}</main>
        </body>
        </html>
        """;

    /** The style of every page. */
    public static final String STYLE = """
        :root{--paper:#fff;--text:#1d2329;--soft:#57606a;--line:#d5dae0;--shade:#f4f6f8;--link:#0b57b8;--bad:#b3261e;
        --good:#1b6e3c;--warn:#8a5a00}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#14181d;--text:#e4e8ec;--soft:#9aa5b1;
        --line:#333b44;--shade:#1d232a;--link:#7db4ff;--bad:#ff8a80;--good:#7ddc9f;--warn:#ffc566}}
        *{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--text);
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem;overflow-wrap:break-word}
        h1,h2{font-size:1.7rem;line-height:1.2;margin:.5rem 0 1rem}h3{font-size:1.2rem;margin:2.2rem 0 .6rem;
        padding-bottom:.25rem;border-bottom:1px solid var(--line)}h4{font-size:1rem;margin:1.4rem 0 .4rem}
        a{color:var(--link)}
        code,pre{font:.88em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--shade)}
        code{padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}pre{padding:.8rem;overflow-x:auto}
        pre code{padding:0}blockquote{margin:.6rem 0;padding:.5rem .9rem;border-left:4px solid var(--line);
        background:var(--shade)}blockquote p{margin:0}blockquote+h2{margin-top:1.2rem}
        .scroll{overflow-x:auto;margin:.6rem 0}table{border-collapse:collapse;width:100%;font-size:.92rem}
        th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
        th{background:var(--shade);font-weight:600}td:first-child{font-variant-numeric:tabular-nums}
        li.task{list-style:none;margin-left:-1.4rem}li.task input{margin:0 .5rem 0 0}
        .soft,figcaption,time,small{color:var(--soft)}
        .drill{background:var(--warn);color:var(--paper);padding:.3rem .8rem;font-weight:700}
        .verdict{background:var(--shade);border-left:5px solid var(--bad);padding:.8rem 1rem;margin:1rem 0}
        .verdict.good{border-color:var(--good)}.verdict b{font-size:1.1em}
        a:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);outline-offset:2px}
        @media(max-width:700px){th,td{padding:.35rem .4rem}}
        @media print{:root{color-scheme:light}body{font-size:10.5pt}main{max-width:none;padding:0}
        h3,h4{break-after:avoid}svg,tr,li{break-inside:avoid}.scroll{overflow:visible}}
        """;

    private static final Pattern PLACE = Pattern.compile("\\{\\{\\s*(title|style|content)\\s*}}");

    private final String title;
    private final StringBuilder content = new StringBuilder();

    /** A page with its title as its heading. */
    public Page(String title) {
        this.title = title;
        html("<h1>" + escape(title) + "</h1>\n");
    }

    /** Text as it may stand in HTML and SVG, in quoted attributes too; control characters become U+FFFD. */
    public static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")
                .replace("'", "&#39;").replaceAll("[\\p{Cc}\\p{Cs}\\ufffe\\uffff&&[^\\n\\t]]", "\ufffd");
    }

    /** One bounded, printable line ({@link Text#safe}), escaped. */
    public static String escape(String text, int max) {
        return escape(Text.safe(text, max));
    }

    /** A frame with its three places filled; one that lacks a place lacks what would stand there. */
    public static String framed(String frame, String title, String html) {
        return PLACE.matcher(frame).replaceAll(place -> Matcher.quoteReplacement(switch (place.group(1)) {
            case "title" -> escape(title);
            case "style" -> STYLE;
            default -> html;
        }));
    }

    /** Says that it was an exercise. */
    public Page drill(String scenario) {
        String words = "DRILL (" + escape(scenario) + "): an exercise, nothing is broken.";
        return html("<p class=\"drill\">" + words + "</p>\n");
    }

    /** A paragraph in a softer colour. */
    public Page soft(String words) {
        return html("<p class=\"soft\">" + escape(words) + "</p>\n");
    }

    /** HTML that the caller made and escaped. */
    public Page html(String html) {
        content.append(html);
        return this;
    }

    /**
     * A heading with a table under it.
     *
     * @param rows each a list of cells, as HTML that the caller escaped
     * @param none what stands there when there are no rows
     */
    public Page table(String heading, List<List<String>> rows, String none) {
        html("<h3>" + escape(heading) + "</h3>\n");
        if (rows.isEmpty()) {
            return soft(none);
        }
        html("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + escape(heading) + "\">\n<table>\n");
        rows.forEach(row -> html("<tr><td>" + String.join("</td><td>", row) + "</td></tr>\n"));
        return html("</table>\n</div>\n");
    }

    /** The whole page. */
    public String html() {
        return framed(FRAME, title, content.toString());
    }
}
