package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;
import runbook.Answer.Reply;
import runbook.Check.Outcome;

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
        return answer instanceof Answer.Fault fault && fault.kind().unreached();
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
                : ((Answer.Fault) json).words();
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
}
