package runbook.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.task.list.items.TaskListItemsExtension;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.safety.Safelist;

/**
 * A postmortem's Markdown as one self-contained page: no script, nothing fetched. Its frame and style are
 * {@code templates/postmortem.html}.
 */
final class Page {
    private static final List<Extension> GITHUB = List.of(TablesExtension.create(), TaskListItemsExtension.create());
    // What people paste may be hostile too, so the page takes no more than documents need, and no image from elsewhere.
    private static final Safelist DOCUMENT = Safelist.relaxed()
            .addTags("input", "hr", "del", "details", "summary")
            .addAttributes("input", "type", "checked", "disabled")
            .addAttributes("ol", "start")
            .addAttributes("th", "align")
            .addAttributes("td", "align")
            .removeProtocols("img", "src", "http", "https")
            .addProtocols("img", "src", "data")
            .removeProtocols("a", "href", "ftp");

    private Page() { }

    /** The page; the picture goes under the heading that begins with {@code Timeline}, else first. */
    static String html(String markdown, Optional<Picture> picture, String title) {
        Document page = Jsoup.parse(frame());
        page.outputSettings().prettyPrint(false);
        page.title(title);
        Element main = page.expectFirst("main");
        main.html(content(markdown));
        main.select("img:not([src])").remove();
        main.select("input").attr("type", "checkbox").attr("disabled", "");
        main.select("li:has(> input)").addClass("task");
        main.select("table")
                .forEach(table ->
                        table.wrap("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"></div>"));
        picture.ifPresent(drawn -> place(main, drawn.html()));
        return page.outerHtml() + "\n";
    }

    private static String content(String markdown) {
        String rendered = HtmlRenderer.builder().extensions(GITHUB).sanitizeUrls(true).build()
                .render(Parser.builder().extensions(GITHUB).build().parse(markdown));
        return Jsoup.clean(rendered, "", DOCUMENT, new Document.OutputSettings().prettyPrint(false));
    }

    private static void place(Element main, String figure) {
        Element heading =
                main.selectFirst("h1:matchesOwn(^Timeline), h2:matchesOwn(^Timeline), h3:matchesOwn(^Timeline),"
                        + " h4:matchesOwn(^Timeline)");
        if (heading == null) {
            main.prepend(figure);
        } else {
            heading.after(figure);
        }
    }

    private static String frame() {
        try (InputStream file = Page.class.getResourceAsStream("/templates/postmortem.html")) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
