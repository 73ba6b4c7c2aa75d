package runbook.sandbox;

import static runbook.sandbox.KlaviyoData.map;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Klaviyo's status page, in the shape of Statuspage's API v2 (status.io of Atlassian: {@code /api/v2/summary.json} and its parts). */
final class StatusPageSite {
    private static final List<String> GROUPED = List.of(
            "Klaviyo API",
            "Web Application",
            "Signup Forms",
            "List Subscription",
            "Segmentation",
            "Flow Triggering",
            "Email Sending",
            "SMS Sending",
            "Analytics");
    private static final String GROUP = id("group");
    private static final Map<String, String> DESCRIPTIONS = Map.of("none", "All Systems Operational",
            "minor", "Minor Service Outage", "major", "Partial System Outage", "critical", "Major Service Outage",
            "maintenance", "Service Under Maintenance");

    private final World world;
    private final Supplier<String> address;
    private final Map<String, Supplier<Object>> documents = new LinkedHashMap<>();

    StatusPageSite(World world, Supplier<String> address) {
        this.world = world;
        this.address = address;
        documents.put("summary", () -> map("page", page(), "components", components(), "incidents", incidents(false),
                "scheduled_maintenances", maintenances("in_progress"), "status", status()));
        documents.put("status", () -> map("page", page(), "status", status()));
        documents.put("components", () -> map("page", page(), "components", components()));
        documents.put("incidents", () -> map("page", page(), "incidents", incidents(true)));
        documents.put("incidents/unresolved", () -> map("page", page(), "incidents", incidents(false)));
        documents.put(
                "scheduled-maintenances",
                () -> map("page", page(), "scheduled_maintenances", maintenances("in_progress")));
        documents.put("scheduled-maintenances/active", documents.get("scheduled-maintenances"));
        documents.put(
                "scheduled-maintenances/upcoming",
                () -> map("page", page(), "scheduled_maintenances", maintenances("scheduled")));
    }

    Reply answer(Request request) {
        world.count("status " + request.path());
        if (!request.method().equals("GET") && !request.method().equals("HEAD")) {
            return Reply.text(404, "text/plain", "Not Found\n");
        }
        String path = request.path();
        if (path.startsWith("/api/v2/") && path.endsWith(".json")) {
            Supplier<Object> document = documents.get(path.substring("/api/v2/".length(), path.length() - ".json".length()));
            return document == null
                    ? Reply.json(404, Map.of("error", "Not found"))
                    : Reply.json(200, "application/json; charset=utf-8", document.get());
        }
        StatusPageFeeds feeds = new StatusPageFeeds(address.get(), incidents(true), components(), status());
        return switch (path) {
            case "/", "" -> Reply.text(200, "text/html; charset=utf-8", feeds.html());
            case "/history.rss" -> Reply.text(200, "application/rss+xml; charset=utf-8", feeds.rss());
            case "/history.atom" -> Reply.text(200, "application/atom+xml; charset=utf-8", feeds.atom());
            default -> Reply.text(404, "text/html; charset=utf-8", "<!DOCTYPE html><title>Not found</title>\n");
        };
    }

    private Map<String, Object> page() {
        return map("id", id("page"), "name", "Klaviyo", "url", address.get(), "time_zone", "America/New_York",
                "updated_at", stamp(world.clock.millis()));
    }

    private Map<String, Object> status() {
        VendorIncident incident = open();
        String indicator = incident == null ? "none" : incident.impact();
        return map("indicator", indicator, "description", DESCRIPTIONS.get(indicator));
    }

    /** The incident while it is neither over nor yet to begin; else null. */
    private VendorIncident open() {
        VendorIncident incident = world.incident();
        if (incident == null || published(incident).isEmpty()) {
            return null;
        }
        return List.of("resolved", "completed").contains(latest(incident).status()) ? null : incident;
    }

    private List<Map<String, Object>> components() {
        List<Map<String, Object>> components = new ArrayList<>();
        components.add(component(GROUP, "Klaviyo Platform", "operational", null, 1));
        VendorIncident incident = world.incident();
        for (String name : GROUPED) {
            boolean touched = incident != null && incident.components().contains(name) && !published(incident).isEmpty();
            components.add(component(
                    id(name),
                    name,
                    touched ? latest(incident).componentStatus() : "operational",
                    GROUP,
                    components.size()));
        }
        return components;
    }

    private Map<String, Object> component(String id, String name, String status, String group, int position) {
        Map<String, Object> component = map(
                "id",
                id,
                "name",
                name,
                "status",
                status,
                "created_at",
                "2019-06-03T14:00:00.000Z",
                "updated_at",
                stamp(world.scenarioBegan()),
                "position",
                position,
                "description",
                null,
                "showcase",
                group != null,
                "start_date",
                null,
                "group_id",
                group,
                "page_id",
                id("page"),
                "group",
                group == null,
                "only_show_if_degraded",
                false);
        if (group == null) {
            component.put("components", GROUPED.stream().map(StatusPageSite::id).toList());
        }
        return component;
    }

    private List<Map<String, Object>> incidents(boolean resolvedToo) {
        VendorIncident incident = resolvedToo ? world.incident() : open();
        return incident == null || incident.maintenance() || published(incident).isEmpty() ? List.of() : List.of(entry(incident));
    }

    private List<Map<String, Object>> maintenances(String status) {
        VendorIncident incident = open();
        if (incident == null || !incident.maintenance() || !latest(incident).status().equals(status)) {
            return List.of();
        }
        Map<String, Object> entry = entry(incident);
        long began = world.scenarioBegan() + incident.updates().get(0).atSecond() * 1000L;
        entry.put("scheduled_for", stamp(began));
        entry.put("scheduled_until", stamp(began + 2 * 3_600_000L));
        return List.of(entry);
    }

    private Map<String, Object> entry(VendorIncident incident) {
        String began = stamp(world.scenarioBegan() + incident.updates().get(0).atSecond() * 1000L);
        VendorIncident.Update latest = latest(incident);
        String changed = stamp(world.scenarioBegan() + latest.atSecond() * 1000L);
        boolean over = latest.status().equals("resolved");
        String id = id(incident.name());
        List<Map<String, Object>> affected = components().stream()
                .filter(component -> incident.components().contains(component.get("name")))
                .toList();
        return map(
                "id",
                id,
                "name",
                incident.name(),
                "status",
                latest.status(),
                "impact",
                incident.impact(),
                "created_at",
                began,
                "started_at",
                began,
                "updated_at",
                changed,
                "monitoring_at",
                null,
                "resolved_at",
                over ? changed : null,
                "shortlink",
                address.get() + "/incidents/" + id,
                "page_id",
                id("page"),
                "incident_updates",
                updates(incident, id),
                "components",
                affected);
    }

    private List<Map<String, Object>> updates(VendorIncident incident, String incidentId) {
        List<Map<String, Object>> updates = new ArrayList<>();
        for (VendorIncident.Update update : published(incident)) {
            String at = stamp(world.scenarioBegan() + update.atSecond() * 1000L);
            updates.add(map(
                    "id",
                    id(incident.name() + update.atSecond()),
                    "status",
                    update.status(),
                    "body",
                    update.body(),
                    "incident_id",
                    incidentId,
                    "created_at",
                    at,
                    "updated_at",
                    at,
                    "display_at",
                    at,
                    "affected_components",
                    incident.components().stream()
                            .map(name -> map(
                                    "code",
                                    id(name),
                                    "name",
                                    name,
                                    "old_status",
                                    "operational",
                                    "new_status",
                                    update.componentStatus()))
                            .toList()));
        }
        Collections.reverse(updates);
        return updates;
    }

    private List<VendorIncident.Update> published(VendorIncident incident) {
        return incident.published(world.sinceScenario());
    }

    private VendorIncident.Update latest(VendorIncident incident) {
        List<VendorIncident.Update> published = published(incident);
        return published.get(published.size() - 1);
    }

    private String stamp(long millis) {
        Instant at = world.clock.wall(millis).truncatedTo(ChronoUnit.SECONDS);
        return at.toString().replace("Z", ".000Z");
    }

    private static String id(String name) {
        return Ids.hex(name, 12);
    }
}
