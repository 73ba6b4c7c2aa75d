package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import runbook.Http.Answer;
import runbook.Http;
import runbook.Text;
import runbook.StatusPage;

/**
 * Every update that the vendor writes about an incident that matters, each told once. The page's summary has only
 * unresolved incidents, so when one changes or goes, its whole story is fetched ({@code /api/v2/incidents.json}).
 */
final class VendorLog {
    private static final int LONGEST_BODY = 600;

    private final Http http;
    private final URI incidents;
    private final Duration timeout;
    private final Set<String> told;
    private Map<String, Update> open = new LinkedHashMap<>();

    /** @param told the ids of updates that an earlier watch has told */
    VendorLog(Http http, URI statusPage, Duration timeout, Set<String> told) {
        this.http = http;
        this.incidents = URI.create(statusPage + "/api/v2/incidents.json");
        this.timeout = timeout;
        this.told = new HashSet<>(told);
    }

    /** What is new since the last call, oldest first. */
    List<Update> read(StatusPage page) {
        if (page.source() == StatusPage.Source.NONE) {
            return List.of();
        }
        Map<String, Update> now = new LinkedHashMap<>();
        page.incidents().stream()
                .filter(StatusPage.Incident::matters)
                .forEach(incident -> now.put(incident.id(), Page.update(incident)));
        if (now.equals(open)) {
            return List.of();
        }
        Set<String> concerned = new HashSet<>(open.keySet());
        concerned.addAll(now.keySet());
        List<Update> stories = page.source() == StatusPage.Source.JSON ? fetch(concerned) : List.of();
        open = now;
        return (stories.isEmpty() ? List.copyOf(now.values()) : stories)
                .stream().filter(update -> told.add(update.id())).toList();
    }

    private List<Update> fetch(Set<String> concerned) {
        Answer answer = http.get(incidents, Map.of(), timeout);
        List<Update> updates = new ArrayList<>();
        if (answer instanceof Http.Reply reply && reply.status() == 200) {
            for (JsonNode incident : reply.json().path("incidents")) {
                if (concerned.contains(incident.path("id").asText())) {
                    incident.path("incident_updates").forEach(update -> updates.add(update(incident, update)));
                }
            }
        }
        updates.sort(Comparator.comparing(Update::at, Comparator.nullsFirst(Comparator.naturalOrder())));
        return updates;
    }

    private static Update update(JsonNode incident, JsonNode update) {
        return new Update(
                Text.safe(incident.path("id").asText(), 60),
                instant(update.path("display_at")
                        .asText(update.path("created_at").asText())),
                Text.safe(incident.path("name").asText("unnamed incident"), 100),
                Text.safe(update.path("status").asText("unknown"), 30),
                Text.safe(update.path("body").asText(), LONGEST_BODY));
    }

    private static Instant instant(String text) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }
}
