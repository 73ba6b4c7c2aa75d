package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.parser.Parser;
import runbook.Http.Reply;
import runbook.Checks.Check.Outcome;
import runbook.Checks.Check;
import runbook.Checks.Deadline;
import runbook.StatusPage.Incident;
import runbook.StatusPage.Source;
import runbook.Text.Json;
import runbook.Http.Answer;

/**
 * What the vendor's status page (Statuspage v2) says. Its overall line misleads (a page can stay "under maintenance"
 * for weeks), so the components that matter to an API integration and the unresolved incidents decide.
 *
 * @param check      as one line
 * @param source     how it was read; {@link Source#NONE} when it could not be
 * @param overall    the page's own summary, {@code All Systems Operational}
 * @param components those that matter and are not operational, name to status
 * @param incidents  unresolved, newest first
 * @param maintenance names of maintenance under way
 */
public record StatusPage(Check check, Source source, String overall, Map<String, String> components,
                         List<Incident> incidents, List<String> maintenance) {
    /** How the page was read, best first. */
    public enum Source { JSON, FEED, HTML, NONE }

    /**
     * An unresolved incident of the vendor's.
     *
     * @param id       Statuspage's id, or the feed's link
     * @param name     its title
     * @param status   investigating, identified, monitoring, … as the page says it
     * @param impact   none, minor, major or critical; may be empty
     * @param started  when the vendor says it began; null when it does not
     * @param posted   when the vendor first wrote about it; null when unknown
     * @param updated  when the latest update was posted; null when unknown
     * @param update   the latest update's words
     * @param matters  whether it touches a component that matters, or names none
     */
    public record Incident(String id, String name, String status, String impact, Instant started, Instant posted,
                           Instant updated, String update, boolean matters) {
        /** Whether the vendor only watches its fix, so that nothing is worse than "monitoring". */
        public boolean monitoring() {
            return status.equalsIgnoreCase("monitoring");
        }
    }

    /** Components that an integration over the API feels. The page has others: e-mail sending, signup forms. */
    private static final Pattern MATTERS =
            Pattern.compile("(?i)\\b(api|apis|webhooks?|analytics|events?|tracking|segmentation|subscription|flow)\\b");

    private static final Pattern OVER = Pattern.compile("(?i)resolved|postmortem|completed");
    private static final String ADVICE = "try another network (mobile) or @klaviyo";

    static StatusPage read(Settings settings, Http http, Executor pool, Deadline deadline) {
        CompletableFuture<Answer> json = CompletableFuture.supplyAsync(
                () -> http.get(
                        URI.create(settings.target().status() + "/api/v2/summary.json"), Map.of(), deadline.left()),
                pool);
        if (comesBy(json, deadline.left().dividedBy(2)) && (fromJson(json.join()).isPresent() || unreached(json.join()))) {
            return fromJson(json.join()).orElseGet(() -> unreachable(json.join()));
        }
        // JSON that hangs must not cost the feed its chance; should it come after all, it tells more.
        Optional<StatusPage> feed = StatusFeed.read(settings.target().status(), http, deadline);
        Optional<StatusPage> late = feed.isPresent() && !json.isDone() ? Optional.empty() : fromJson(json.join());
        return late.or(() -> feed).orElseGet(() -> unreachable(json.join()));
    }

    private static boolean comesBy(CompletableFuture<Answer> answer, Duration time) {
        try {
            answer.get(time.toNanos(), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException | ExecutionException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static boolean unreached(Answer answer) {
        return answer instanceof Http.Fault fault && fault.kind().unreached();
    }

    private static Optional<StatusPage> fromJson(Answer answer) {
        return answer instanceof Reply reply ? fromJson(reply) : Optional.empty();
    }

    static StatusPage skipped() {
        return new StatusPage(
                Check.skipped("status-page", "not asked for"), Source.NONE, "", Map.of(), List.of(), List.of());
    }

    private static StatusPage unreachable(Answer json) {
        String why = json instanceof Reply reply
                ? "HTTP " + reply.status() + (reply.status() == 200 ? ", " + reply.notJson() : "")
                : ((Http.Fault) json).words();
        Check check = new Check(
                "status-page",
                Outcome.WARN,
                "status page unreachable: " + why + "; " + ADVICE,
                json.millis(),
                json instanceof Reply reply ? reply.status() : null,
                Json.object());
        return new StatusPage(check, Source.NONE, "", Map.of(), List.of(), List.of());
    }

    private static Optional<StatusPage> fromJson(Reply reply) {
        JsonNode page = reply.json();
        if (reply.status() != 200 || !page.path("status").isObject()) {
            return Optional.empty();
        }
        Map<String, String> components = new LinkedHashMap<>();
        for (JsonNode component : page.path("components")) {
            String status = text(component, "status", "operational", 40);
            if (!component.path("group").asBoolean() && matters(component) && !status.equals("operational")) {
                components.put(text(component, "name", "", 60), status);
            }
        }
        List<Incident> incidents = new ArrayList<>();
        for (JsonNode incident : page.path("incidents")) {
            if (!OVER.matcher(incident.path("status").asText()).matches()) {
                incidents.add(incident(incident));
            }
        }
        List<String> maintenance = StreamSupport.stream(page.path("scheduled_maintenances").spliterator(), false)
                .filter(planned -> Pattern.matches("in_progress|verifying", planned.path("status").asText()))
                .map(planned -> text(planned, "name", "unnamed maintenance", 80)).toList();
        return Optional.of(of(Source.JSON, text(page.path("status"), "description", "no summary", 80),
                components, incidents, maintenance, reply));
    }

    private static Incident incident(JsonNode incident) {
        JsonNode update = incident.path("incident_updates").path(0);
        JsonNode touched = incident.path("components");
        boolean matters = !touched.elements().hasNext()
                || StreamSupport.stream(touched.spliterator(), false).anyMatch(StatusPage::matters);
        Instant posted = instant(incident.path("created_at").asText());
        Instant started = instant(incident.path("started_at").asText());
        return new Incident(
                text(incident, "id", "", 60),
                text(incident, "name", "unnamed incident", 100),
                text(incident, "status", "unknown", 30),
                text(incident, "impact", "", 20),
                started == null ? posted : started,
                posted,
                instant(update.path("display_at")
                        .asText(update.path("created_at").asText())),
                text(update, "body", "", 240),
                matters);
    }

    // A field may be missing, or null, which Jackson would call "null".
    private static String text(JsonNode object, String name, String otherwise, int max) {
        return Text.safe(object.path(name).asText(otherwise), max);
    }

    private static boolean matters(JsonNode component) {
        return matters(component.path("name").asText());
    }

    static boolean matters(String component) {
        return MATTERS.matcher(component).find();
    }

    /** An instant with any offset; null for anything else, for the page is not ours. */
    static Instant instant(String text) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }

    /** Puts what was read into one line. */
    static StatusPage of(Source source, String overall, Map<String, String> components, List<Incident> incidents,
                         List<String> maintenance, Reply reply) {
        List<String> said = new ArrayList<>();
        said.add(overall + switch (source) {
            case JSON, NONE -> "";
            case FEED -> " (read from its feed: the JSON did not come)";
            case HTML -> " (read from its web page: the JSON did not come)";
        });
        components.forEach((name, status) -> said.add(name + ": " + status.replace('_', ' ')));
        incidents.forEach(incident -> said.add("incident \"" + incident.name + "\" (" + incident.status
                + (incident.impact.isEmpty() ? "" : ", " + incident.impact) + ")"
                + (incident.update.isEmpty() ? "" : ": " + incident.update)));
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        // Maintenance may last for weeks without anybody feeling it: the probes tell.
        boolean trouble = components.values().stream().anyMatch(status -> !status.equals("under_maintenance"))
                || incidents.stream().anyMatch(Incident::matters);
        var detail = Json.of(Map.of("source", source.name().toLowerCase(), "overall", overall, "components", components,
                "maintenance", maintenance, "incidents", incidents.stream().map(StatusPage::json).toList()));
        boolean maintained = !maintenance.isEmpty() || components.containsValue("under_maintenance");
        Check check = new Check(
                "status-page",
                trouble ? Outcome.FAIL : source == Source.JSON && !maintained ? Outcome.OK : Outcome.WARN,
                String.join("; ", said),
                reply.millis(),
                reply.status(),
                detail);
        return new StatusPage(check, source, overall, components, incidents, maintenance);
    }

    private static JsonNode json(Incident incident) {
        return Json.object()
                .put("id", incident.id)
                .put("name", incident.name)
                .put("status", incident.status)
                .put("impact", incident.impact)
                .put("startedAt", text(incident.started))
                .put("postedAt", text(incident.posted))
                .put("updatedAt", text(incident.updated))
                .put("update", incident.update)
                .put("matters", incident.matters);
    }

    private static String text(Instant instant) {
        return instant == null ? null : instant.toString();
    }

    /** Whether the page admits trouble with what matters to us. */
    public boolean admitsTrouble() {
        return components.values().stream().anyMatch(status -> !status.equals("under_maintenance"))
                || incidents.stream().anyMatch(Incident::matters);
    }

    /** Whether maintenance is under way that may explain errors. */
    public boolean underMaintenance() {
        return !maintenance.isEmpty() || components.containsValue("under_maintenance");
    }

    /** Whether a major outage is admitted, by a component or an incident's impact. */
    public boolean admitsMajorOutage() {
        return components.containsValue("major_outage")
                || incidents.stream()
                        .anyMatch(incident -> incident.matters && Pattern.matches("major|critical", incident.impact));
    }

    /** The status page by its RSS feed or its HTML, for when the JSON does not come. */
    static final class StatusFeed {
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
}
