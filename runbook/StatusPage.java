package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.jsoup.parser.Parser;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
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
public record StatusPage(Check check, Source source, Map<String, String> components, List<Incident> incidents) {
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

        private String update() {
            return updates.isEmpty() ? "" : Text.safe(updates.get(0).body, 240);
        }

        private JsonNode json() {
            Instant newest = updates.isEmpty() ? null : updates.get(0).at;
            return Json.object().put("id", id).put("name", name).put("status", status).put("impact", impact)
                    .put("startedAt", Objects.toString(started, null))
                    .put("updatedAt", Objects.toString(newest, null)).put("update", update()).put("matters", matters);
        }

        private String words() {
            return "incident \"" + name + "\" (" + status + (impact.isEmpty() ? "" : ", " + impact) + ")"
                    + (update().isEmpty() ? "" : ": " + update());
        }
    }

    /** A page that nobody looked at. */
    public static final StatusPage UNSEEN = unseen(Check.skipped("status-page", "not asked for"));

    /** Components that an integration over the API feels. The page has others: e-mail sending, signup forms. */
    private static final Pattern MATTERS =
            Pattern.compile("(?i)\\b(api|apis|webhooks?|analytics|events?|tracking|segmentation|subscription|flow)\\b");
    private static final Pattern OVER = Pattern.compile("(?i)resolved|postmortem|completed");
    private static final String MAINTENANCE = "under_maintenance";
    private static final int LONGEST_BODY = 600;
    /** A feed keeps incidents for weeks, and an old one may never have been marked resolved. */
    private static final Duration RECENT = Duration.ofDays(3);

    private static StatusPage unseen(Check check) {
        return new StatusPage(check, Source.NONE, Map.of(), List.of());
    }

    // ---- the page as it is now

    static StatusPage read(Http.Asking asking) {
        URI page = asking.settings().target().status();
        // JSON that hangs must not cost the feed its chance.
        Duration most = asking.deadline().left().multipliedBy(4).dividedBy(5);
        Answer json = asking.http().get(URI.create(page + "/api/v2/summary.json"), Map.of(), most);
        if (json instanceof Reply reply && reply.status() == 200 && reply.json().path("status").isObject()) {
            return of(Source.JSON, reply.json(), reply);
        }
        boolean unreached = json instanceof Http.Fault fault && fault.kind().unreached();
        Answer feed = unreached ? json : asking.get(URI.create(page + "/history.rss"));
        return Optional.of(feed).filter(answer -> answer instanceof Reply reply && reply.status() == 200)
                .map(Reply.class::cast).flatMap(StatusPage::feed).orElseGet(() -> unseen(new Check("status-page",
                        Outcome.WARN, "status page unreachable: " + why(json) + "; look from a phone, or at"
                        + " @klaviyo on X", json.millis(), json.http(), Json.object())));
    }

    private static StatusPage of(Source source, JsonNode page, Reply reply) {
        Map<String, String> components = new LinkedHashMap<>();
        for (JsonNode component : page.path("components")) {
            String status = text(component, "status", "operational", 40);
            if (!component.path("group").asBoolean() && matters(component) && !status.equals("operational")) {
                components.put(text(component, "name", "", 60), status);
            }
        }
        List<String> maintenance = each(page.path("scheduled_maintenances"))
                .filter(planned -> Pattern.matches("in_progress|verifying", planned.path("status").asText()))
                .map(planned -> text(planned, "name", "unnamed maintenance", 80)).toList();
        List<Incident> open = incidents(page).stream().filter(Incident::open).toList();
        String overall = text(page.path("status"), "description", "no summary", 100);
        List<String> said = new ArrayList<>(List.of(overall));
        components.forEach((name, status) -> said.add(name + ": " + status.replace('_', ' ')));
        open.forEach(incident -> said.add(incident.words()));
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        JsonNode detail = Json.of(Map.of("source", source.name().toLowerCase(Locale.ROOT), "overall", overall,
                "components", components, "maintenance", maintenance,
                "incidents", open.stream().map(Incident::json).toList()));
        boolean maintained = !maintenance.isEmpty() || components.containsValue(MAINTENANCE);
        Outcome well = source == Source.JSON && !maintained ? Outcome.OK : Outcome.WARN;
        boolean trouble = new StatusPage(null, source, components, open).admitsTrouble();
        Check check = new Check("status-page", trouble ? Outcome.FAIL : well, String.join("; ", said), reply.millis(),
                reply.status(), detail);
        return new StatusPage(check, source, components, open);
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

    /** What it says, short: its first incident, else its components, else all there is. */
    String words() {
        String named = components.entrySet().stream().map(one -> one.getKey() + ": " + one.getValue().replace('_', ' '))
                .collect(Collectors.joining(", "));
        return incidents.stream().findFirst().map(one -> "\"" + one.name + "\" (" + one.status + ")")
                .orElse(named.isEmpty() ? check.summary() : named);
    }

    // ---- its feed, read into the form that its JSON has

    private static Optional<StatusPage> feed(Reply reply) {
        Document feed = Jsoup.parse(reply.text(), "", Parser.xmlParser());
        if (feed.selectFirst("rss > channel") == null) {
            return Optional.empty();
        }
        Instant since = Instant.now().minus(RECENT);
        ObjectNode page = Json.object();
        feed.select("channel > item").stream().map(StatusPage::item)
                .filter(item -> Objects.requireNonNullElse(time(item, "created_at"), Instant.MAX).isAfter(since))
                .forEach(page.putArray("incidents")::add);
        long open = incidents(page).stream().filter(Incident::open).count();
        page.putObject("status").put("description", (open == 0 ? "no open incident in the feed"
                : Text.count(open, "open incident")) + " (read from its feed: the JSON did not come)");
        return Optional.of(of(Source.FEED, page, reply));
    }

    // Statuspage writes updates newest first: <p><small>Nov 23, 03:24 EST</small><br><strong>Investigating</strong> -
    // words</p>. The newest is what it is now.
    private static ObjectNode item(Element item) {
        Element status = Jsoup.parse(child(item, "description")).selectFirst("strong");
        String said = status == null ? "resolved" : status.text();
        String words = status == null ? "" : status.parent().text();
        ObjectNode incident = Json.object().put("id", child(item, "link")).put("name", child(item, "title"))
                .put("shortlink", child(item, "link")).put("status", said.toLowerCase(Locale.ROOT))
                .put("created_at", child(item, "pubDate"));
        incident.putArray("incident_updates").addObject().put("display_at", child(item, "pubDate"))
                .put("status", said.toLowerCase(Locale.ROOT))
                .put("body", words.replaceFirst("^.*?" + Pattern.quote(said) + "\\s*-\\s*", ""));
        return incident;
    }

    private static String child(Element item, String name) {
        return Optional.ofNullable(item.selectFirst(name)).map(Element::wholeText).orElse("").strip();
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

    private static List<Incident> incidents(JsonNode page) {
        return each(page.path("incidents")).map(StatusPage::incident).toList();
    }

    private static Incident incident(JsonNode node) {
        List<Update> updates = each(node.path("incident_updates"))
                .map(update -> new Update(text(update, "id", "", 60), time(update, "display_at", "created_at"),
                        text(update, "status", "unknown", 30), text(update, "body", "", LONGEST_BODY)))
                .sorted(Comparator.comparing(Update::at, Comparator.nullsLast(Comparator.reverseOrder()))).toList();
        Instant created = time(node, "created_at");
        Instant posted = created == null && !updates.isEmpty() ? updates.get(updates.size() - 1).at : created;
        Instant started = time(node, "started_at");
        JsonNode touched = node.path("components");
        return new Incident(text(node, "id", "", 60), text(node, "name", "unnamed incident", 100),
                text(node, "status", "unknown", 30), text(node, "impact", "", 20), text(node, "shortlink", "", 200),
                started == null ? posted : started, posted, time(node, "resolved_at"), updates,
                touched.isEmpty() || each(touched).anyMatch(StatusPage::matters));
    }

    private static boolean matters(JsonNode component) {
        return MATTERS.matcher(component.path("name").asText()).find();
    }

    private static Stream<JsonNode> each(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false);
    }

    // A field may be missing, or null, which Jackson would call "null". Made fit to print and to keep.
    private static String text(JsonNode object, String name, String otherwise, int max) {
        return Text.safe(Redactor.strict().text(object.path(name).asText(otherwise)), max);
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
