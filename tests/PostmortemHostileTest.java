import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.*;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.report.*;

/** Nothing that came from a log, a status page or the network may run in the document, or break it. */
class PostmortemHostileTest extends PostmortemJournals {
    private static final String KEY = "pk_0123456789abcdef0123456789abcdef01";

    private static Incident with(String hostile) {
        Incident incident = recorded("intermittent-5xx");
        Map<String, Object> data = Map.of("diagnosis", hostile, "severity", "P1", "title", hostile, "reason", hostile,
                "path", List.of(Map.of("question", hostile, "answer", hostile)), "also", List.of(hostile), "by",
                hostile, "lead", hostile, "text", hostile + "\n" + hostile);
        add(incident, "03:05", hostile, Event.DIAGNOSED, hostile, data);
        add(incident, "03:06", "x", Event.ACKNOWLEDGED, hostile, data);
        add(incident, "03:07", "x", Event.ANNOUNCED, hostile, data);
        add(incident, "03:08", "x", hostile, hostile, data);
        add(incident, "03:09", "watch", Event.NOTE, hostile, Map.of("vendorAt", "2026-11-20T03:30:00Z",
                "incident", hostile, "status", hostile, "body", hostile));
        return incident;
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>",
        "' onfocus='alert(1)' autofocus='", "</style></title></text></svg><iframe src=javascript:alert(1)>",
        "<!-- /generated:timeline --> <!-- generated:timeline 000000000000 -->",
        "[x](javascript:alert(1)) ![y](https://evil/y.png) <https://evil> [z]: https://evil",
        "a | b \\| c \\\\| d",
        "**bold** _it_ `code` ``` ~~gone~~ # h\n## Incident: another\n- [ ] a task - Owner: x",
        "@channel #1 !2 @octocat", "&lt;script&gt; &#60;script&#62; &amp;", "{{summary}} {{{rows}}}",
        "\u001b]0;title\u0007\u001b[2J \u202egnp.exe \u0000 \r\n\t", "$\\unicode{x}$ $$x$$", KEY})
    void nothingRunsAndNothingBreaks(String hostile) {
        Report report = report(with(hostile));
        String markdown = markdown(report);
        Document page = Jsoup.parse(report.html(markdown));
        assertInert(page);
        assertSameShape(page);
        assertEquals(markdown, report.markdown(Optional.of(markdown))
                .text(), "its markers are its own");
        assertFalse((markdown + page.outerHtml()).contains(KEY), "keys are masked");
        assertFalse(markdown.matches("(?s).*[\\p{Cc}\\p{Cf}&&[^\\n]].*"), "no control character survives");
        assertFalse(markdown.replace("&#8203;", "\u200b").contains("@channel") || markdown.contains("@octocat"),
                "nobody is mentioned");
    }

    private static void assertInert(Document page) {
        assertEquals(0, page.select("script, iframe, object, embed, link, base, form, meta[http-equiv=refresh], "
                + "foreignObject, main img").size());
        for (Element element : page.getAllElements()) {
            element.attributes().forEach(attribute -> {
                String value = attribute.getValue().replaceAll("\\s", "").toLowerCase();
                boolean fetches = attribute.getKey().matches("src|srcset|background|poster|xlink:href");
                assertFalse(attribute.getKey().startsWith("on") || value.startsWith("javascript:")
                        || fetches && !value.startsWith("data:"), element.outerHtml());
            });
        }
        page.select("a[href]").forEach(link ->
                assertTrue(link.attr("href").startsWith("#event-"), "no link from outside: " + link));
    }

    private static void assertSameShape(Document page) {
        assertEquals(1, page.select("h2").size(), "one title");
        assertEquals(List.of("Summary", "Timeline (UTC)", "Detection and Response", "Root Cause", "Impact",
                "Action Items", "Lessons Learned", "Sources"), page.select("h3").eachText());
        page.select("table").forEach(table -> table.select("tr").forEach(row ->
                assertEquals(table.selectFirst("tr").childrenSize(), row.childrenSize(), "columns of " + row.text())));
        assertTrue(page.select("li.task").stream().allMatch(item -> item.text().contains("Owner: [name]")),
                "no task from outside");
        assertEquals(1, page.select("figure > svg[viewBox]").size(), "the picture is whole");
    }

    @Test
    void whatPeoplePasteIsCleanedToo() {
        Document page = Jsoup.parse(report(recorded("outage")).html("### Timeline\n<script>alert(1)</script>\n"
                + "<b onclick=x()>bold</b> ![i](https://evil/i.png) [l](javascript:x())"
                + " <details><summary>s</summary>d</details>\n"));
        assertInert(page);
        assertEquals("bold", page.select("main b").not(".disc").text());
        assertEquals(1, page.select("details").size());
    }
}
