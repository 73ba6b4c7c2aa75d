package runbook.watching;

import static runbook.watching.Markup.escape;

import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;

/** The chart's page: the picture, and everything in it as tables for those who cannot see it. */
final class ChartPage {
    private static final String STYLE = """
        :root{color-scheme:light dark}
        body{margin:0 auto;max-width:1120px;padding:1rem;font:15px/1.5 system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif;background:#fff;color:#1c2733}
        table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem} th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d4dbe4;vertical-align:top}
        td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums} svg{width:100%;height:auto}
        @media (prefers-color-scheme:dark){body{background:#14191f;color:#e8edf3} th,td{border-color:#37424f}}
        """;

    private ChartPage() { }

    static String of(String title, Optional<String> drill, String picture, List<Mark> marks, int left, History history) {
        StringBuilder page = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
                + escape(title, 120) + "</title>\n<style>" + STYLE + "</style>\n</head>\n<body>\n");
        page.append("<h1>").append(escape(title, 120)).append("</h1>\n");
        drill.ifPresent(scenario -> page.append("<p><strong>DRILL (")
                .append(escape(scenario, 40))
                .append("): an exercise, nothing is broken</strong></p>\n"));
        page.append(picture).append("<h2>Checks</h2>\n<table>\n<tr><th>Check</th><th>Seen</th></tr>\n");
        history.series().forEach((name, one) -> row(page, name, Chart.numbers(one)));
        page.append("</table>\n<h2>Events</h2>\n<table>\n<tr><th>Time (UTC)</th><th>Event</th></tr>\n");
        marks.forEach(mark -> row(
                page,
                mark.at().truncatedTo(ChronoUnit.SECONDS).toString(),
                mark.step() + " " + mark.name() + ": " + mark.words()));
        if (left > 0) {
            row(page, "", "and " + left + " more in the journal");
        }
        return page.append("</table>\n</body>\n</html>\n").toString();
    }

    private static void row(StringBuilder page, String first, String second) {
        page.append("<tr><td>")
                .append(escape(first, 60))
                .append("</td><td>")
                .append(escape(second, 400))
                .append("</td></tr>\n");
    }
}
