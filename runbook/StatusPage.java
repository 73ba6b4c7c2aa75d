package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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
 * @param overall    the page's own summary, {@code All Systems Operational}
 * @param components those that matter and are not operational, name to status
 * @param incidents  unresolved, newest first
 * @param maintenance names of maintenance under way
 */
public record StatusPage(Check check, Source source, String overall, Map<String, String> components,
                         List<Incident> incidents, List<String> maintenance) {
    /** How the page was read, best first. */
    public enum Source { JSON, FEED, NONE }

    /** What the vendor wrote at one time; the id is empty, the time null where they are not told. */
    public record Update(String id, Instant at, String status, String body) { }

    /**
     * An incident of the vendor's.
     *
     * @param id       Statuspage's id, or the feed's link
     * @param name     its title
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

        /** As triage keeps it. */
        JsonNode json() {
            return Json.object().put("id", id).put("name", name).put("status", status).put("impact", impact)
                    .put("startedAt", Objects.toString(started, null)).put("postedAt", Objects.toString(posted, null))
                    .put("updatedAt", Objects.toString(updated(), null)).put("update", Text.safe(update(), 240))
                    .put("matters", matters);
        }
    }

    /** Components that an integration over the API feels. The page has others: e-mail sending, signup forms. */
    private static final Pattern MATTERS =
            Pattern.compile("(?i)\\b(api|apis|webhooks?|analytics|events?|tracking|segmentation|subscription|flow)\\b");
    private static final Pattern OVER = Pattern.compile("(?i)resolved|postmortem|completed");
    private static final int LONGEST_BODY = 600;
    private static final String ADVICE = "try another network (mobile) or @klaviyo";
    /** A feed keeps incidents for weeks, and an old one may never have been marked resolved. */
    private static final Duration RECENT = Duration.ofDays(3);

    // ---- the page as it is now

    static StatusPage read(Settings settings, Http http, Executor pool, Deadline deadline) {
        URI page = settings.target().status();
        CompletableFuture<Answer> json = CompletableFuture.supplyAsync(
                () -> http.get(URI.create(page + "/api/v2/summary.json"), Map.of(), deadline.left()), pool);
        if (comesBy(json, deadline.left().dividedBy(2)) && (fromJson(json.join()).isPresent()
                || json.join() instanceof Http.Fault fault && fault.kind().unreached())) {
            return fromJson(json.join()).orElseGet(() -> unreachable(json.join()));
        }
        // JSON that hangs must not cost the feed its chance; should it come after all, it tells more.
        Answer rss = http.get(URI.create(page + "/history.rss"), Map.of(), deadline.left());
        Optional<StatusPage> feed = rss instanceof Reply reply && reply.status() == 200 ? fromFeed(reply)
                : Optional.empty();
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

    static StatusPage skipped() {
        return unseen(Check.skipped("status-page", "not asked for"));
    }

    private static StatusPage unreachable(Answer json) {
        return unseen(new Check("status-page", Outcome.WARN, "status page unreachable: " + why(json) + "; " + ADVICE,
                json.millis(), Check.status(json), Json.object()));
    }

    private static StatusPage unseen(Check check) {
        return new StatusPage(check, Source.NONE, "", Map.of(), List.of(), List.of());
    }

    private static Optional<StatusPage> fromJson(Answer answer) {
        if (!(answer instanceof Reply reply) || reply.status() != 200 || !reply.json().path("status").isObject()) {
            return Optional.empty();
        }
        JsonNode page = reply.json();
        Map<String, String> components = new LinkedHashMap<>();
        for (JsonNode component : page.path("components")) {
            String status = text(component, "status", "operational", 40);
            if (!component.path("group").asBoolean() && matters(component) && !status.equals("operational")) {
                components.put(text(component, "name", "", 60), status);
            }
        }
        List<Incident> open = incidents(page).stream().filter(incident -> !OVER.matcher(incident.status).matches())
                .toList();
        List<String> maintenance = new ArrayList<>();
        for (JsonNode planned : page.path("scheduled_maintenances")) {
            if (Pattern.matches("in_progress|verifying", planned.path("status").asText())) {
                maintenance.add(text(planned, "name", "unnamed maintenance", 80));
            }
        }
        String overall = text(page.path("status"), "description", "no summary", 80);
        return Optional.of(of(Source.JSON, overall, components, open, maintenance, reply));
    }

    private static Optional<StatusPage> fromFeed(Reply reply) {
        Instant since = Instant.now().minus(RECENT);
        return feed(reply.text()).map(all -> {
            List<Incident> open = all.stream().filter(incident -> !OVER.matcher(incident.status).matches())
                    .filter(incident -> incident.updated() == null || incident.updated().isAfter(since)).toList();
            String overall = open.isEmpty() ? "no open incident in the feed" : Text.count(open.size(), "open incident");
            return of(Source.FEED, overall, Map.of(), open, List.of(), reply);
        });
    }

    /** Puts what was read into one line. */
    private static StatusPage of(Source source, String overall, Map<String, String> components,
            List<Incident> incidents, List<String> maintenance, Reply reply) {
        List<String> said = new ArrayList<>();
        said.add(overall + (source == Source.FEED ? " (read from its feed: the JSON did not come)" : ""));
        components.forEach((name, status) -> said.add(name + ": " + status.replace('_', ' ')));
        incidents.forEach(incident -> said.add("incident \"" + incident.name + "\" (" + incident.status
                + (incident.impact.isEmpty() ? "" : ", " + incident.impact) + ")"
                + (incident.update().isEmpty() ? "" : ": " + Text.safe(incident.update(), 240))));
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        var detail = Json.of(Map.of("source", source.name().toLowerCase(Locale.ROOT), "overall", overall, "components",
                components,
                "maintenance", maintenance, "incidents", incidents.stream().map(Incident::json).toList()));
        StatusPage page = new StatusPage(null, source, overall, components, incidents, maintenance);
        Outcome well = source == Source.JSON && !page.underMaintenance() ? Outcome.OK : Outcome.WARN;
        Check check = new Check("status-page", page.admitsTrouble() ? Outcome.FAIL : well, String.join("; ", said),
                reply.millis(), reply.status(), detail);
        return new StatusPage(check, source, overall, components, incidents, maintenance);
    }

    /** Whether the page admits trouble with what matters to us. Maintenance may last for weeks: the probes tell. */
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

    /** Reads {@code {"incidents": […]}}, or the list alone, as Statuspage or {@link Incident#json} writes them. */
    public static List<Incident> incidents(JsonNode document) {
        List<Incident> incidents = new ArrayList<>();
        (document.isArray() ? document : document.path("incidents")).forEach(node -> incidents.add(incident(node)));
        return incidents;
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
        Instant first = updates.isEmpty() ? null : updates.get(updates.size() - 1).at;
        Instant created = time(node, "created_at", "createdAt", "postedAt");
        Instant posted = created == null ? first : created;
        Instant started = time(node, "started_at", "startedAt");
        JsonNode touched = node.path("components");
        boolean matters = touched.isEmpty() || StreamSupport.stream(touched.spliterator(), false)
                .anyMatch(StatusPage::matters);
        return new Incident(text(node, "id", "", 60), text(node, "name", "unnamed incident", 100),
                text(node, "status", "unknown", 30), text(node, "impact", "", 20), text(node, "shortlink", "", 200),
                started == null ? posted : started, posted, time(node, "resolved_at", "resolvedAt"), updates,
                node.path("matters").asBoolean(matters));
    }

    private static Optional<List<Incident>> feed(String text) {
        Document feed = Jsoup.parse(text, "", Parser.xmlParser());
        return feed.selectFirst("rss > channel, feed > entry, feed > title") == null ? Optional.empty()
                : Optional.of(feed.select("channel > item, feed > entry").stream().map(StatusPage::item)
                        .filter(Objects::nonNull).toList());
    }

    // Statuspage writes updates newest first: <p><small>Nov 23, 03:24 EST</small><br><strong>Investigating</strong> -
    // words</p>.
    private static Incident item(Element item) {
        Instant published = published(child(item, "pubDate", "updated", "published"));
        LocalDate day = LocalDate.ofInstant(published == null ? Instant.now() : published, ZoneOffset.UTC);
        List<Update> updates = new ArrayList<>();
        for (Element status : Jsoup.parse(child(item, "description", "content")).body().select("strong")) {
            Element whole = status.closest("p") == null ? status.parent() : status.closest("p");
            String words = whole.text().replaceFirst("^.*?" + Pattern.quote(status.text()) + "\\s*-\\s*", "");
            Element small = whole.selectFirst("small");
            Instant at = small == null ? null : written(small.text(), day);
            updates.add(new Update("", updates.isEmpty() && published != null ? published : at,
                    safe(status.text(), 30).toLowerCase(Locale.ROOT), safe(words, LONGEST_BODY)));
        }
        if (updates.isEmpty()) {
            return null;
        }
        Element link = item.selectFirst("link");
        String url = link == null ? "" : safe(link.hasAttr("href") ? link.attr("href") : link.wholeText().strip(), 200);
        Instant first = updates.get(updates.size() - 1).at;
        Instant end = OVER.matcher(updates.get(0).status).matches() ? updates.get(0).at : null;
        return new Incident(Text.safe(url, 100), safe(child(item, "title"), 100), updates.get(0).status, "", url,
                first, first, end, updates, true);
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
        return Stream.of(names).map(name -> node.path(name).asText()).map(StatusPage::published)
                .filter(Objects::nonNull).findFirst().orElse(null);
    }

    private static Instant published(String text) {
        try {
            return Character.isDigit(text.isEmpty() ? ' ' : text.charAt(0)) ? OffsetDateTime.parse(text).toInstant()
                    : ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }

    // "Nov 23, 03:24 EST": the year is that of the feed's entry, or the one before.
    private static Instant written(String text, LocalDate near) {
        try {
            DateTimeFormatter form = DateTimeFormatter.ofPattern("uuuu MMM d, HH:mm zzz", Locale.US);
            String spaced = text.replaceAll("\\s+", " ").replace(" ,", ",").strip();
            Instant at = ZonedDateTime.parse(near.getYear() + " " + spaced, form).toInstant();
            return at.isAfter(near.plusDays(2).atStartOfDay(ZoneOffset.UTC).toInstant())
                    ? ZonedDateTime.parse((near.getYear() - 1) + " " + spaced, form).toInstant() : at;
        } catch (DateTimeException e) {
            return null;
        }
    }
}
