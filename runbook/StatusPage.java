package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * What the vendor's status page (Statuspage v2) says. Its overall line misleads (a page can stay "under maintenance"
 * for weeks), so the components that matter to an API integration and the unresolved incidents decide.
 *
 * @param check      as one line
 * @param seen       whether it could be read
 * @param components those that matter and are not operational, name to status
 * @param incidents  unresolved, newest first
 */
public record StatusPage(Check check, boolean seen, Map<String, String> components, List<Incident> incidents) {
    /** A page that nobody looked at. */
    public static final StatusPage UNSEEN = unseen(Check.skipped("status-page", "not asked for"));

    /** Components that an integration over the API feels. The page has others: e-mail sending, signup forms. */
    private static final Pattern MATTERS =
            Pattern.compile("(?i)\\b(api|apis|webhooks?|analytics|events?|tracking|segmentation|subscription|flow)\\b");
    private static final Pattern OVER = Pattern.compile("(?i)resolved|postmortem|completed");
    private static final String MAINTENANCE = "under_maintenance";
    private static final int LONGEST_BODY = 600;

    /** What the vendor wrote at one time; the id is empty, the time null where they are not told. */
    public record Update(String id, Instant at, String status, String body) {
        private static Update of(JsonNode node) {
            return new Update(text(node, "id", "", 60), time(node, "display_at", "created_at"),
                    text(node, "status", "unknown", 30), text(node, "body", "", LONGEST_BODY));
        }
    }

    /**
     * An incident of the vendor's: Statuspage's id; its status (investigating, identified, monitoring, resolved, …) and
     * impact (none, minor, major or critical) as the page says them; its own page; when it began, which the vendor may
     * have backdated, was first written about, and ended; what was written, the newest first; and whether it touches a
     * component that matters, or names none. What is not told is an empty text, or null for a time.
     */
    public record Incident(String id, String name, String status, String impact, String url, Instant started,
            Instant posted, Instant resolved, List<Update> updates, boolean matters) {
        private static Incident of(JsonNode node) {
            List<Update> updates = node.path("incident_updates").valueStream().map(Update::of)
                    .sorted(Comparator.comparing(Update::at, Comparator.nullsLast(Comparator.reverseOrder()))).toList();
            Instant first = updates.isEmpty() ? null : updates.get(updates.size() - 1).at;
            Instant posted = Optional.ofNullable(time(node, "created_at")).orElse(first);
            Instant started = Optional.ofNullable(time(node, "started_at")).orElse(posted);
            boolean matters = node.path("components").isEmpty()
                    || node.path("components").valueStream().anyMatch(StatusPage::matters);
            return new Incident(text(node, "id", "", 60), text(node, "name", "unnamed incident", 100),
                    text(node, "status", "unknown", 30), text(node, "impact", "", 20),
                    text(node, "shortlink", "", 200), started, posted, time(node, "resolved_at"), updates, matters);
        }

        /** Whether it went on at some moment of that time; what is not told about it does not exclude it. */
        public boolean overlaps(Instant from, Instant to) {
            return (started == null || !started.isAfter(to)) && (resolved == null || !resolved.isBefore(from));
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
                    + (update().isEmpty() ? "" : ": " + update().replaceFirst("\\.$", ""));
        }
    }

    // ---- the page as it is now

    static StatusPage read(Http http) {
        Answer answer = http.get(URI.create(http.settings.target().status() + "/api/v2/summary.json"));
        if (answer instanceof Reply reply && reply.status() == 200 && reply.json().path("status").isObject()) {
            return of(reply);
        }
        return unseen(new Check("status-page", Outcome.WARN, "status page unreachable: " + answer.words()
                + "; look from a phone, or at @klaviyo on X", answer.millis(), answer.http(), Json.object()));
    }

    private static StatusPage unseen(Check check) {
        return new StatusPage(check, false, Map.of(), List.of());
    }

    private static StatusPage of(Reply reply) {
        JsonNode page = reply.json();
        Map<String, String> components = new LinkedHashMap<>();
        page.path("components").valueStream()
                .filter(one -> !one.path("group").asBoolean() && matters(one)).forEach(one ->
                components.put(text(one, "name", "", 60), text(one, "status", "operational", 40)));
        components.values().removeIf("operational"::equals);
        List<String> maintenance = page.path("scheduled_maintenances").valueStream()
                .filter(planned -> Pattern.matches("in_progress|verifying", planned.path("status").asText()))
                .map(planned -> text(planned, "name", "unnamed maintenance", 80)).toList();
        List<Incident> open = page.path("incidents").valueStream().map(Incident::of)
                .filter(incident -> !OVER.matcher(incident.status).matches()).toList();
        String overall = text(page.path("status"), "description", "no summary", 100);
        List<String> said = new ArrayList<>(open.stream().map(Incident::words).toList());
        said.addAll(words(components));
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        said.add(overall);
        boolean maintained = !maintenance.isEmpty() || components.containsValue(MAINTENANCE);
        Outcome well = maintained ? Outcome.WARN : Outcome.OK;
        Outcome outcome = admitsTrouble(components, open) ? Outcome.FAIL : well;
        JsonNode detail = Json.of(Map.of("overall", overall, "components", components, "maintenance", maintenance,
                "incidents", open.stream().map(Incident::json).toList()));
        return new StatusPage(new Check("status-page", outcome, String.join("; ", said), reply.millis(),
                reply.status(), detail), true, components, open);
    }

    private static List<String> words(Map<String, String> components) {
        return components.entrySet().stream().map(one -> one.getKey() + ": " + one.getValue().replace('_', ' '))
                .toList();
    }

    /** Whether the page admits trouble with what matters to us. Maintenance may last for weeks: the probes tell. */
    public boolean admitsTrouble() {
        return admitsTrouble(components, incidents);
    }

    private static boolean admitsTrouble(Map<String, String> components, List<Incident> incidents) {
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
        return incidents.stream().findFirst().map(one -> "\"" + one.name + "\" (" + one.status + ")")
                .orElse(components.isEmpty() ? check.summary() : String.join("; ", words(components)));
    }

    // ---- incidents, open and over

    /**
     * The page's recent incidents with every update, newest first.
     *
     * @throws IOException with a line that says why they could not be read
     */
    public static List<Incident> history(Http http) throws IOException {
        Answer answer = http.get(URI.create(http.settings.target().status() + "/api/v2/incidents.json"));
        if (answer instanceof Reply reply && reply.status() == 200 && reply.json().isObject()) {
            return reply.json().path("incidents").valueStream().map(Incident::of).toList();
        }
        throw new IOException(answer.words());
    }

    private static boolean matters(JsonNode component) {
        return MATTERS.matcher(component.path("name").asText()).find();
    }

    // A field may be missing, or null, which Jackson would call "null". Made fit to print and to keep.
    private static String text(JsonNode object, String name, String otherwise, int max) {
        return Text.safe(Redactor.strict().text(object.path(name).asText(otherwise)), max);
    }

    /** The first of these fields that is an instant, with any offset; null where none is, for the page is not ours. */
    private static Instant time(JsonNode node, String... names) {
        for (String name : names) {
            try {
                return OffsetDateTime.parse(node.path(name).asText()).toInstant();
            } catch (DateTimeException e) {
                // The next one, then.
            }
        }
        return null;
    }
}
