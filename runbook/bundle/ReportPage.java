package runbook.bundle;

import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.function.Function;
import runbook.Checks.Check;
import runbook.DecisionTree.Step;

/** {@code report.html}: one page that tells the story, with nothing from outside and no scripts. */
final class ReportPage {
    private static final String STYLE = """
        :root{color-scheme:light dark;--line:#d0d0d0;--soft:#666;--back:#fff;--text:#1a1a1a;--card:#f6f6f6;--bad:#b3261e;--good:#1b6e3c;--warn:#8a5a00}
        @media(prefers-color-scheme:dark){:root{--line:#3a3a3a;--soft:#aaa;--back:#161616;--text:#e8e8e8;--card:#202020;--bad:#ff8a80;--good:#7ddc9f;--warn:#ffc566}}
        body{margin:0 auto;max-width:960px;padding:24px;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
        h1{font-size:1.5em;margin:0}h2{font-size:1.15em;margin:2em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
        .verdict{background:var(--card);border-left:5px solid var(--bad);padding:12px 16px;margin:16px 0}.verdict.good{border-color:var(--good)}.verdict b{font-size:1.15em}
        .drill{background:var(--warn);color:var(--back);padding:4px 12px;font-weight:bold}
        .soft{color:var(--soft)}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid var(--line)}
        td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
        .ok{color:var(--good)}.failed,.fail{color:var(--bad)}.skipped,.warn{color:var(--warn)}figure{margin:12px 0}figcaption{color:var(--soft)}svg{max-width:100%;height:auto}
        """;

    private final Story story;
    private final StringBuilder page = new StringBuilder();

    private ReportPage(Story story) {
        this.story = story;
    }

    static String of(Story story) {
        return new ReportPage(story).write();
    }

    private String write() {
        String title = "Klaviyo debug bundle, " + story.created().truncatedTo(ChronoUnit.SECONDS);
        page.append("<!doctype html>\n"
                        + "<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\""
                        + " content=\"width=device-width,initial-scale=1\">")
                .append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src"
                        + " 'unsafe-inline'\">")
                .append("<title>")
                .append(Html.text(title))
                .append("</title><style>")
                .append(STYLE)
                .append("</style></head><body>\n");
        if (story.drill() != null) {
            page.append("<p class=\"drill\">DRILL: ")
                    .append(Html.text(story.drill()))
                    .append(". Nothing here is real.</p>\n");
        }
        page.append("<h1>")
                .append(Html.text(title))
                .append("</h1>\n<p class=\"soft\">")
                .append(story.window().from().truncatedTo(ChronoUnit.SECONDS))
                .append(" to ")
                .append(story.window().to().truncatedTo(ChronoUnit.SECONDS))
                .append(" UTC. ")
                .append(story.redacted())
                .append(" secrets and personal data replaced by pseudonyms")
                .append(
                        story.kept().isEmpty()
                                ? "."
                                : "; kept in clear: " + Html.text(String.join(", ", story.kept())) + ".")
                .append("</p>\n");
        verdict();
        list("What is missing", Manifest.missing(story.outcomes()), "Nothing: every collector ended well.");
        list("Klaviyo's status page", story.vendor(), "No incident in the window.");
        plots();
        table(
                "Most frequent error lines",
                story.logs().mostFrequent(20),
                "None seen.",
                line -> cells(line.count() + "", "<code>" + Html.text(line.example()) + "</code>"));
        table(
                "Waits asked for (429 and Retry-After)",
                story.logs().waits(),
                "None seen.",
                wait -> "<td>" + wait.at() + "</td><td class=\"n\">" + wait.count() + " × 429</td><td class=\"n\">"
                        + (wait.longest() > 0 ? wait.longest() + " s" : "no Retry-After") + "</td>");
        checks();
        table(
                "What was collected",
                story.outcomes(),
                "Nothing.",
                outcome -> "<td class=\"" + outcome.state().name().toLowerCase() + "\">"
                        + outcome.state().name().toLowerCase() + "</td><td>" + Html.text(outcome.collector())
                        + "</td><td>" + Html.text(outcome.words()) + "</td><td class=\"n\">" + outcome.millis()
                        + " ms</td>");
        return page.append("</body></html>\n").toString();
    }

    private void verdict() {
        boolean good = story.verdict() != null && story.verdict().healthy();
        page.append("<div class=\"verdict")
                .append(good ? " good" : "")
                .append("\"><b>")
                .append(Html.text(story.headline()))
                .append("</b>");
        if (story.verdict() != null) {
            page.append("<br>").append(Html.text(story.verdict().reason())).append("<p class=\"soft\">");
            for (Step step : story.verdict().path()) {
                page.append(Html.text(step.question()))
                        .append(" <b>")
                        .append(Html.text(step.answer()))
                        .append("</b><br>");
            }
            page.append("</p>");
        }
        page.append("</div>\n");
    }

    private void plots() {
        page.append("<h2>Error rates</h2>\n");
        if (story.plots().isEmpty()) {
            page.append("<p class=\"soft\">No metrics: --prometheus was not given or gave nothing.</p>\n");
        }
        story.plots().forEach(this::figure);
        page.append("<h2>Errors in the logs, by status</h2>\n");
        figure(story.logs().plot());
    }

    private void figure(Plot plot) {
        page.append("<figure>")
                .append(plot.svg())
                .append("<figcaption>")
                .append(Html.text(plot.title()))
                .append(plot.mark() == null ? "" : "; the dashed line is where the window begins")
                .append("</figcaption></figure>\n");
    }

    private void checks() {
        List<Check> checks = story.verdict() == null ? List.of() : story.verdict().findings().checks();
        table(
                "What triage checked",
                checks,
                "Nothing.",
                check -> "<td class=\"" + check.outcome().name().toLowerCase() + "\">"
                        + check.outcome().name().toLowerCase() + "</td><td>" + Html.text(check.name()) + "</td><td>"
                        + Html.text(check.summary()) + "</td>");
    }

    private void list(String title, List<String> entries, String none) {
        table(title, entries, none, entry -> "<td>" + Html.text(entry) + "</td>");
    }

    private <T> void table(String title, List<T> rows, String none, Function<T, String> cells) {
        page.append("<h2>").append(Html.text(title)).append("</h2>\n");
        if (rows.isEmpty()) {
            page.append("<p class=\"soft\">").append(Html.text(none)).append("</p>\n");
            return;
        }
        page.append("<table>");
        rows.forEach(row -> page.append("<tr>").append(cells.apply(row)).append("</tr>\n"));
        page.append("</table>\n");
    }

    private static String cells(String number, String rest) {
        return "<td class=\"n\">" + number + "</td><td>" + rest + "</td>";
    }
}
