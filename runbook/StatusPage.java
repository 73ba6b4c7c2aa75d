package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.parser.Parser;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Http.Deadline;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Text.Json;
import runbook.redact.Redactor;

/**
 * What the vendor's status page (Statuspage v2) says. Its overall line misleads (a page can stay "under maintenance"
 * for weeks), so the components that matter to an API integration and the unresolved incidents decide.
 *
 * @param check      as one line
 * @param source     how it was read; {@link Source#NONE} when it could not be
 * @param components those that matter and are not operational, name to status
 * @param incidents  unresolved, newest first
 */
public record StatusPage(Check check, Source source, String overall, Map<String, String> components,
                         List<Incident> incidents) {
    /** How the page was read, best first. */
    public enum Source { JSON, FEED, NONE }

    /** What the vendor wrote at one time; the id is empty, the time null where they are not told. */
    public record Update(String id, Instant at, String status, String body) { }

    /**
     * An incident of the vendor's.
     *
     * @param id       Statuspage's id, or the feed's link
     * @param status   investigating, identified, monitoring, resolved, … as the page says it
     * @param impact   none, minor, major or critical; may be empty
     * @param url      its own page; may be empty
     * @param started  when the vendor says it began; null when it does not
     * @param posted   when the vendor first wrote about it: later than {@code started} where that was backdated; may
     *                 be null
     * @param resolved when it ended; null while it lasts, or when not told
     * @param updates  newest first
     * @param matters  whether it touches a component that matters, or names none
     */
    public record Incident(String id, String name, String status, String impact, String url,
            Instant started, Instant posted, Instant resolved, List<Update> updates, boolean matters) {
        /** When the newest update was written; null when unknown. */
        public Instant updated() {
            return updates.isEmpty() ? null : updates.get(0).at;
        }

        /** The newest update's words. */
        public String update() {
            return updates.isEmpty() ? "" : updates.get(0).body;
        }

        /** Whether the vendor only watches its fix, so that nothing is worse than "monitoring". */
        public boolean monitoring() {
            return status.equalsIgnoreCase("monitoring");
        }

        /** Whether it was going on at some time between the two. */
        public boolean overlaps(Instant from, Instant to) {
            Instant began = started == null ? posted : started;
            return (began == null || !began.isAfter(to)) && (resolved == null || !resolved.isBefore(from));
        }

        private boolean open() {
            return !OVER.matcher(status).matches();
        }

        private JsonNode json() {
            return Json.object().put("id", id).put("name", name).put("status", status).put("impact", impact)
                    .put("startedAt", Objects.toString(started, null)).put("postedAt", Objects.toString(posted, null))
                    .put("updatedAt", Objects.toString(updated(), null)).put("update", Text.safe(update(), 240))
                    .put("matters", matters);
        }

        private String words() {
            return "incident \"" + name + "\" (" + status + (impact.isEmpty() ? "" : ", " + impact) + ")"
                    + (update().isEmpty() ? "" : ": " + Text.safe(update(), 240));
        }
    }

    /** Components that an integration over the API feels. The page has others: e-mail sending, signup forms. */
    private static final Pattern MATTERS =
            Pattern.compile("(?i)\\b(api|apis|webhooks?|analytics|events?|tracking|segmentation|subscription|flow)\\b");
    private static final Pattern OVER = Pattern.compile("(?i)resolved|postmortem|completed");
    private static final String MAINTENANCE = "under_maintenance";
    private static final int LONGEST_BODY = 600;
    /** A feed keeps incidents for weeks, and an old one may never have been marked resolved. */
    private static final Duration RECENT = Duration.ofDays(3);

    // ---- the page as it is now

    static StatusPage read(Settings settings, Http http, Deadline deadline) {
        URI page = settings.target().status();
        // JSON that hangs must not cost the feed its chance.
        Duration most = deadline.left().multipliedBy(4).dividedBy(5);
        Answer json = http.get(URI.create(page + "/api/v2/summary.json"), Map.of(), most);
        if (json instanceof Reply reply && reply.status() == 200 && reply.json().path("status").isObject()) {
            return summary(reply);
        }
        boolean unreached = json instanceof Http.Fault fault && fault.kind().unreached();
        Answer rss = unreached ? json : http.get(URI.create(page + "/history.rss"), Map.of(), deadline.left());
        return rss instanceof Reply reply && reply.status() == 200 ? feed(reply).orElseGet(() -> unreachable(json))
                : unreachable(json);
    }

    /** A page that nobody looked at, and why. */
    static StatusPage unseen(String why) {
        return new StatusPage(Check.skipped("status-page", why), Source.NONE, "", Map.of(), List.of());
    }

    private static StatusPage unreachable(Answer json) {
        Check check = new Check("status-page", Outcome.WARN, "status page unreachable: " + why(json)
                + "; try another network (mobile) or @klaviyo", json.millis(), json.http(), Json.object());
        return new StatusPage(check, Source.NONE, "", Map.of(), List.of());
    }

    private static StatusPage summary(Reply reply) {
        JsonNode page = reply.json();
        Map<String, String> components = new LinkedHashMap<>();
        for (JsonNode component : page.path("components")) {
            String status = text(component, "status", "operational", 40);
            if (!component.path("group").asBoolean() && matters(component) && !status.equals("operational")) {
                components.put(text(component, "name", "", 60), status);
            }
        }
        List<String> maintenance = new ArrayList<>();
        for (JsonNode planned : page.path("scheduled_maintenances")) {
            if (Pattern.matches("in_progress|verifying", planned.path("status").asText())) {
                maintenance.add(text(planned, "name", "unnamed maintenance", 80));
            }
        }
        String overall = text(page.path("status"), "description", "no summary", 80);
        List<Incident> open = incidents(page).stream().filter(Incident::open).toList();
        return of(Source.JSON, overall, components, open, maintenance, reply);
    }

    private static Optional<StatusPage> feed(Reply reply) {
        Document feed = Jsoup.parse(reply.text(), "", Parser.xmlParser());
        if (feed.selectFirst("rss > channel, feed > entry, feed > title") == null) {
            return Optional.empty();
        }
        Instant since = Instant.now().minus(RECENT);
        List<Incident> open = feed.select("channel > item, feed > entry").stream().map(StatusPage::item)
                .flatMap(Optional::stream).filter(Incident::open)
                .filter(incident -> incident.updated() == null || incident.updated().isAfter(since)).toList();
        String overall = (open.isEmpty() ? "no open incident in the feed" : Text.count(open.size(), "open incident"))
                + " (read from its feed: the JSON did not come)";
        return Optional.of(of(Source.FEED, overall, Map.of(), open, List.of(), reply));
    }

    /** Puts what was read into one line. */
    private static StatusPage of(Source source, String overall, Map<String, String> components,
            List<Incident> open, List<String> maintenance, Reply reply) {
        List<String> said = new ArrayList<>(List.of(overall));
        components.forEach((name, status) -> said.add(name + ": " + status.replace('_', ' ')));
        open.forEach(incident -> said.add(incident.words()));
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        JsonNode detail = Json.of(Map.of("source", source.name().toLowerCase(Locale.ROOT), "overall", overall,
                "components", components, "maintenance", maintenance,
                "incidents", open.stream().map(Incident::json).toList()));
        StatusPage page = new StatusPage(null, source, overall, components, open);
        boolean maintained = !maintenance.isEmpty() || components.containsValue(MAINTENANCE);
        Outcome well = source == Source.JSON && !maintained ? Outcome.OK : Outcome.WARN;
        Check check = new Check("status-page", page.admitsTrouble() ? Outcome.FAIL : well, String.join("; ", said),
                reply.millis(), reply.status(), detail);
        return new StatusPage(check, source, overall, components, open);
    }

    /** Whether the page admits trouble with what matters to us. Maintenance may last for weeks: the probes tell. */
    public boolean admitsTrouble() {
        return components.values().stream().anyMatch(status -> !status.equals(MAINTENANCE))
                || incidents.stream().anyMatch(Incident::matters);
    }

    /** Whether a major outage is admitted, by a component or an incident's impact. */
    public boolean admitsMajorOutage() {
        return components.containsValue("major_outage")
                || incidents.stream().anyMatch(one -> one.matters && Pattern.matches("major|critical", one.impact));
    }

    // ---- incidents, open and over

    /**
     * The page's recent incidents with every update, newest first.
     *
     * @throws IOException with a line that says why they could not be read
     */
    public static List<Incident> history(URI page, Http http, Duration timeout) throws IOException {
        Answer answer = http.get(URI.create(page + "/api/v2/incidents.json"), Map.of(), timeout);
        if (answer instanceof Reply reply && reply.status() == 200 && reply.json().isObject()) {
            return incidents(reply.json());
        }
        throw new IOException(why(answer));
    }

    private static String why(Answer answer) {
        return !(answer instanceof Reply reply) ? ((Http.Fault) answer).words()
                : "HTTP " + reply.status() + (reply.status() == 200 ? ", " + reply.notJson() : "");
    }

    /** Reads {@code {"incidents": […]}}, or the list alone, as Statuspage or triage's JSON writes them. */
    public static List<Incident> incidents(JsonNode document) {
        JsonNode list = document.isArray() ? document : document.path("incidents");
        return StreamSupport.stream(list.spliterator(), false).map(StatusPage::incident).toList();
    }

    private static Incident incident(JsonNode node) {
        List<Update> updates = new ArrayList<>();
        for (JsonNode update : node.path("incident_updates")) {
            updates.add(new Update(text(update, "id", "", 60), time(update, "display_at", "created_at"),
                    text(update, "status", "unknown", 30), text(update, "body", "", LONGEST_BODY)));
        }
        updates.sort(Comparator.comparing(Update::at, Comparator.nullsLast(Comparator.reverseOrder())));
        if (updates.isEmpty() && node.hasNonNull("update")) {
            updates.add(new Update("", time(node, "updatedAt"), text(node, "status", "", 30),
                    text(node, "update", "", LONGEST_BODY)));
        }
        Instant created = time(node, "created_at", "createdAt", "postedAt");
        Instant posted = created == null && !updates.isEmpty() ? updates.get(updates.size() - 1).at : created;
        Instant started = time(node, "started_at", "startedAt");
        JsonNode touched = node.path("components");
        boolean matters = touched.isEmpty() || StreamSupport.stream(touched.spliterator(), false)
                .anyMatch(StatusPage::matters);
        return new Incident(text(node, "id", "", 60), text(node, "name", "unnamed incident", 100),
                text(node, "status", "unknown", 30), text(node, "impact", "", 20), text(node, "shortlink", "", 200),
                started == null ? posted : started, posted, time(node, "resolved_at", "resolvedAt"), updates,
                node.path("matters").asBoolean(matters));
    }

    // Statuspage writes updates newest first: <p><small>Nov 23, 03:24 EST</small><br><strong>Investigating</strong> -
    // words</p>. Of a feed's incident the newest is read, which is what it is now.
    private static Optional<Incident> item(Element item) {
        Element status = Jsoup.parse(child(item, "description", "content")).selectFirst("strong");
        if (status == null) {
            return Optional.empty();
        }
        Element whole = status.closest("p") == null ? status.parent() : status.closest("p");
        String words = whole.text().replaceFirst("^.*?" + Pattern.quote(status.text()) + "\\s*-\\s*", "");
        Update newest = new Update("", instant(child(item, "pubDate", "updated", "published")),
                safe(status.text(), 30).toLowerCase(Locale.ROOT), safe(words, LONGEST_BODY));
        Element link = item.selectFirst("link");
        String url = link == null ? "" : link.attr("href") + link.wholeText().strip();
        return Optional.of(new Incident(safe(url, 100), safe(child(item, "title"), 100), newest.status, "",
                safe(url, 200), newest.at, newest.at, null, List.of(newest), true));
    }

    // ---- what others write

    private static String child(Element item, String... names) {
        return Stream.of(names).map(item::selectFirst).filter(Objects::nonNull).findFirst().map(Element::wholeText)
                .orElse("").strip();
    }

    private static String safe(String text, int max) {
        return Text.safe(Redactor.strict().text(text), max);
    }

    // A field may be missing, or null, which Jackson would call "null".
    private static String text(JsonNode object, String name, String otherwise, int max) {
        return safe(object.path(name).asText(otherwise), max);
    }

    private static boolean matters(JsonNode component) {
        return MATTERS.matcher(component.path("name").asText()).find();
    }

    /** The first of these fields that is an instant, with any offset; null where none is, for the page is not ours. */
    private static Instant time(JsonNode node, String... names) {
        return Stream.of(names).map(name -> instant(node.path(name).asText())).filter(Objects::nonNull).findFirst()
                .orElse(null);
    }

    private static Instant instant(String text) {
        try {
            return text.matches("\\d.*") ? OffsetDateTime.parse(text).toInstant()
                    : ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }
}
