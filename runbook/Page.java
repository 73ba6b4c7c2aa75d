package runbook;

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
        :root{--paper:#fff;--text:#1d2329;--line:#d5dae0;--shade:#f4f6f8;--link:#0b57b8}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#14181d;--text:#e4e8ec;--line:#333b44;
        --shade:#1d232a;--link:#7db4ff}}
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
        a:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);outline-offset:2px}
        @media(max-width:700px){th,td{padding:.35rem .4rem}}
        @media print{:root{color-scheme:light}body{font-size:10.5pt}main{max-width:none;padding:0}
        h3,h4{break-after:avoid}svg,tr,li{break-inside:avoid}.scroll{overflow:visible}}
        """;

    private static final Pattern PLACE = Pattern.compile("\\{\\{\\s*(title|style|content)\\s*}}");

    private Page() { }

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
}
