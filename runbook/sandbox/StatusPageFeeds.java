package runbook.sandbox;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** The status page as a person or a feed reader sees it: HTML, RSS and Atom, marked up as Statuspage does. */
final class StatusPageFeeds {
    private final String address;
    private final List<Map<String, Object>> incidents;
    private final List<Map<String, Object>> components;
    private final Map<String, Object> status;

    StatusPageFeeds(
            String address,
            List<Map<String, Object>> incidents,
            List<Map<String, Object>> components,
            Map<String, Object> status) {
        this.address = address;
        this.incidents = incidents;
        this.components = components;
        this.status = status;
    }

    String rss() {
        String items = incidents.stream()
                .map(incident -> """
                        <item>
                          <title>%s</title>
                          <description>%s</description>
                          <pubDate>%s</pubDate>
                          <link>%s</link>
                          <guid>%s</guid>
                        </item>
                    """.formatted(
                                text(incident, "name"),
                                escaped(updates(incident)),
                                DateTimeFormatter.RFC_1123_DATE_TIME.format(
                                        Instant.parse(incident.get("updated_at").toString())
                                                .atOffset(ZoneOffset.UTC)),
                                text(incident, "shortlink"),
                                text(incident, "shortlink")))
                .collect(Collectors.joining());
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">
              <channel>
                <title>Klaviyo Status - Incident History</title>
                <link>%s</link>
                <description>Statuspage</description>
            %s  </channel>
            </rss>
            """.formatted(address, items);
    }

    String atom() {
        String entries = incidents.stream()
                .map(incident -> """
                      <entry>
                        <id>tag:%s,2005:Incident/%s</id>
                        <published>%s</published>
                        <updated>%s</updated>
                        <link rel="alternate" type="text/html" href="%s"/>
                        <title>%s</title>
                        <content type="html">%s</content>
                      </entry>
                    """.formatted(
                                "status.klaviyo.com",
                                text(incident, "id"),
                                text(incident, "created_at"),
                                text(incident, "updated_at"),
                                text(incident, "shortlink"),
                                text(incident, "name"),
                                escaped(updates(incident))))
                .collect(Collectors.joining());
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <feed xml:lang="en-US" xmlns="http://www.w3.org/2005/Atom">
              <id>tag:status.klaviyo.com,2005:/history</id>
              <link rel="alternate" type="text/html" href="%s"/>
              <title>Klaviyo Status - Incident History</title>
            %s</feed>
            """.formatted(address, entries);
    }

    String html() {
        String banner = "none".equals(status.get("indicator"))
                ? "<div class=\"page-status status-none\"><span class=\"status font-large\">"
                        + text(status, "description") + "</span></div>"
                : unresolved();
        String rows = components.stream()
                .filter(component -> component.get("group").equals(false))
                .map(component -> "<div data-component-id=\"" + text(component, "id") + "\" data-component-status=\""
                        + text(component, "status")
                        + "\" class=\"component-inner-container status-" + text(component, "status")
                        + "\"><span class=\"name\">"
                        + text(component, "name") + "</span><span class=\"component-status\">"
                        + text(component, "status").replace('_', ' ')
                        + "</span></div>\n")
                .collect(Collectors.joining());
        return "<!DOCTYPE html>\n"
                + "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Klaviyo Status</title></head>\n"
                + "<body class=\"status index\">\n"
                + banner + "\n<div class=\"components-container\">\n" + rows + "</div>\n</body></html>\n";
    }

    private String unresolved() {
        return "<div class=\"unresolved-incidents\">"
                + incidents.stream()
                        .map(incident -> "<div class=\"unresolved-incident impact-" + text(incident, "impact")
                                + "\"><div class=\"incident-title\"><a class=\"actual-title\" href=\""
                                + text(incident, "shortlink") + "\">" + text(incident, "name")
                                + "</a></div><div class=\"updates\">" + updates(incident)
                                + "</div></div>")
                        .collect(Collectors.joining("\n"))
                + "</div>";
    }

    @SuppressWarnings("unchecked")
    private static String updates(Map<String, Object> incident) {
        return ((List<Map<String, Object>>) incident.get("incident_updates"))
                .stream()
                        .map(update -> "<p><small>" + text(update, "display_at") + "</small><br/><strong>"
                                + capital(text(update, "status")) + "</strong> - " + text(update, "body") + "</p>")
                        .collect(Collectors.joining("\n"));
    }

    private static String capital(String word) {
        return word.substring(0, 1).toUpperCase(java.util.Locale.ROOT) + word.substring(1);
    }

    private static String text(Map<String, Object> map, String name) {
        return escaped(map.get(name).toString());
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
