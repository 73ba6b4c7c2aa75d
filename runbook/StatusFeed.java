package runbook;

import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.parser.Parser;
import runbook.Answer.Reply;
import runbook.StatusPage.Incident;
import runbook.StatusPage.Source;

/** The status page by its RSS feed or its HTML, for when the JSON does not come. */
final class StatusFeed {
    /** A feed keeps incidents for weeks, and an old one may never have been marked resolved. */
    private static final Duration RECENT = Duration.ofDays(3);

    private StatusFeed() { }

    /** Empty when neither answers. */
    static Optional<StatusPage> read(URI page, Http http, Deadline deadline) {
        return fetch(page + "/history.rss", http, deadline, StatusFeed::fromRss)
                .or(() -> fetch(page + "/", http, deadline, StatusFeed::fromHtml));
    }

    private static Optional<StatusPage> fetch(
            String address, Http http, Deadline deadline, Function<Reply, Optional<StatusPage>> reader) {
        Answer answer = http.get(URI.create(address), Map.of(), deadline.left());
        return answer instanceof Reply reply && reply.status() == 200 ? reader.apply(reply) : Optional.empty();
    }

    private static Optional<StatusPage> fromRss(Reply reply) {
        Document feed = Jsoup.parse(reply.text(), "", Parser.xmlParser());
        if (feed.selectFirst("rss > channel") == null) {
            return Optional.empty();
        }
        Instant since = Instant.now().minus(RECENT);
        List<Incident> open = feed.select("channel > item").stream().map(StatusFeed::item).filter(Objects::nonNull)
                .filter(incident -> !incident.status().matches("(?i)resolved|completed|postmortem"))
                .filter(incident -> incident.updated() == null || incident.updated().isAfter(since)).toList();
        return Optional.of(StatusPage.of(
                Source.FEED,
                open.isEmpty() ? "no open incident in the feed" : Text.count(open.size(), "open incident"),
                Map.of(),
                open,
                List.of(),
                reply));
    }

    // Statuspage writes a feed item's updates newest first: <p><small>time</small><br><strong>Investigating</strong> - words</p>.
    private static Incident item(Element item) {
        Element updates = Jsoup.parse(text(item, "description")).body();
        Element status = updates.selectFirst("strong");
        if (status == null) {
            return null;
        }
        Element newest = status.closest("p") == null ? updates : status.closest("p");
        String words = newest.text().replaceFirst("^.*?" + Pattern.quote(status.text()) + "\\s*-\\s*", "");
        Instant published = published(text(item, "pubDate"));
        return new Incident(
                Text.safe(text(item, "link"), 100),
                Text.safe(text(item, "title"), 100),
                Text.safe(status.text(), 30).toLowerCase(),
                "",
                null,
                null,
                published,
                Text.safe(words, 240),
                true);
    }

    private static String text(Element item, String name) {
        Element child = item.selectFirst(name);
        return child == null ? "" : child.wholeText().strip();
    }

    private static Instant published(String text) {
        try {
            return ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }

    private static Optional<StatusPage> fromHtml(Reply reply) {
        Document html = Jsoup.parse(reply.text());
        Element overall = html.selectFirst(".page-status, .status.font-large");
        List<Incident> open = html.select(".unresolved-incident").stream().map(StatusFeed::box).toList();
        if (overall == null && open.isEmpty()) {
            return Optional.empty();
        }
        Map<String, String> components = new LinkedHashMap<>();
        html.select("[data-component-status]:not([data-component-status=operational])").forEach(component -> {
            Element name = component.selectFirst(".name");
            if (name != null && StatusPage.matters(name.text())) {
                components.put(Text.safe(name.text(), 60), Text.safe(component.attr("data-component-status"), 40));
            }
        });
        return Optional.of(StatusPage.of(
                Source.HTML,
                overall == null ? "open incident" : Text.safe(overall.text(), 80),
                components,
                open,
                List.of(),
                reply));
    }

    private static Incident box(Element box) {
        Element title = box.selectFirst(".incident-title a, .incident-title");
        Element update = box.selectFirst(".update");
        Element status = update == null ? null : update.selectFirst("strong");
        return new Incident(
                title == null ? "" : Text.safe(title.attr("href"), 100),
                Text.safe(title == null ? "unnamed incident" : title.text(), 100),
                status == null ? "unknown" : Text.safe(status.text(), 30).toLowerCase(),
                "",
                null,
                null,
                null,
                update == null ? "" : Text.safe(update.text(), 240),
                true);
    }
}
