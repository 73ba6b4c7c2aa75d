package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
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
    /** What the vendor wrote at one time; the id is empty, the time null where they are not told. */
    public record Update(String id, Instant at, String status, String body) { }

    /**
     * An incident of the vendor's.
     *
     * @param id       Statuspage's id
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

    private static StatusPage unseen(Check check) {
        return new StatusPage(check, false, Map.of(), List.of());
    }

    // ---- the page as it is now

    static StatusPage read(Http.Asking asking) {
        Answer answer = asking.get(URI.create(asking.settings().target().status() + "/api/v2/summary.json"));
        if (answer instanceof Reply reply && reply.status() == 200 && reply.json().path("status").isObject()) {
            return of(reply.json(), reply);
        }
        return unseen(new Check("status-page", Outcome.WARN, "status page unreachable: " + why(answer)
                + "; look from a phone, or at @klaviyo on X", answer.millis(), answer.http(), Json.object()));
    }

    private static StatusPage of(JsonNode page, Reply reply) {
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
        List<String> said = new ArrayList<>();
        open.forEach(incident -> said.add(incident.words()));
        if (!components.isEmpty()) {
            said.add(words(components));
        }
        maintenance.forEach(name -> said.add("maintenance under way: " + name));
        said.add(overall);
        JsonNode detail = Json.of(Map.of("overall", overall, "components", components, "maintenance", maintenance,
                "incidents", open.stream().map(Incident::json).toList()));
        boolean maintained = !maintenance.isEmpty() || components.containsValue(MAINTENANCE);
        boolean trouble = new StatusPage(null, true, components, open).admitsTrouble();
        Outcome well = maintained ? Outcome.WARN : Outcome.OK;
        return new StatusPage(new Check("status-page", trouble ? Outcome.FAIL : well, String.join("; ", said),
                reply.millis(), reply.status(), detail), true, components, open);
    }

    // Those with the same status together.
    private static String words(Map<String, String> components) {
        Map<String, List<String>> byStatus = components.keySet().stream()
                .collect(Collectors.groupingBy(components::get, TreeMap::new, Collectors.toList()));
        return byStatus.entrySet().stream().map(one -> String.join(", ", one.getValue()) + ": "
                + one.getKey().replace('_', ' ')).collect(Collectors.joining("; "));
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
        return incidents.stream().findFirst().map(one -> "\"" + one.name + "\" (" + one.status + ")")
                .orElse(components.isEmpty() ? check.summary() : words(components));
    }

    // ---- incidents, open and over

    /**
     * The page's recent incidents with every update, newest first.
     *
     * @throws IOException with a line that says why they could not be read
     */
    public static List<Incident> history(URI page, Http http, Duration timeout) throws IOException {
        Answer answer = http.get(URI.create(page + "/api/v2/incidents.json"), timeout);
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
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }
}
