package runbook.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import runbook.Text;

/**
 * An incident as the vendor's status page recorded it (Statuspage v2: {@code incidents.json}).
 *
 * @param name     its title
 * @param impact   none, minor, major or critical, as the page says it
 * @param url      its page; may be empty
 * @param started  when the vendor says it began
 * @param posted   when the vendor first wrote about it: later than {@code started} where that was backdated
 * @param resolved empty while it lasts, or when not told
 * @param updates  oldest first
 */
record VendorIncident(
        String name,
        String impact,
        String url,
        Instant started,
        Instant posted,
        Optional<Instant> resolved,
        List<Update> updates) {
    /** What the vendor wrote at one time. */
    record Update(Instant at, String status, String body) { }

    /** Reads {@code {"incidents": […]}}, or the list alone; what has no usable time is left out. */
    static List<VendorIncident> readAll(JsonNode document) {
        List<VendorIncident> incidents = new ArrayList<>();
        (document.isArray() ? document : document.path("incidents"))
                .forEach(node -> read(node).ifPresent(incidents::add));
        return incidents;
    }

    /** The incidents whose updates watch put into the journal, each with the vendor's own time. */
    static List<VendorIncident> seenByWatch(List<Entry> entries) {
        Map<String, List<Update>> updates = new LinkedHashMap<>();
        for (Entry entry : entries) {
            Optional<Instant> told =
                    entry.data().has("vendorAt") ? instant(entry.data(), "vendorAt") : Optional.empty();
            told.ifPresent(at -> updates.computeIfAbsent(
                            Text.safe(entry.data().path("incident").asText(), 120), name -> new ArrayList<>())
                    .add(new Update(
                            at,
                            Text.safe(entry.data().path("status").asText(), 30),
                            Text.safe(entry.data().path("body").asText(), 600))));
        }
        List<VendorIncident> incidents = new ArrayList<>();
        updates.forEach((name, all) -> {
            all.sort(Comparator.comparing(Update::at));
            Optional<Instant> end = all.stream()
                    .filter(update -> update.status().equals("resolved"))
                    .map(Update::at)
                    .findFirst();
            incidents.add(
                    new VendorIncident(name, "", "", all.get(0).at(), all.get(0).at(), end, List.copyOf(all)));
        });
        return incidents;
    }

    private static Optional<VendorIncident> read(JsonNode node) {
        List<Update> updates = new ArrayList<>();
        node.path("incident_updates").forEach(update -> instant(update, "display_at", "created_at")
                .ifPresent(at -> updates.add(new Update(
                        at,
                        Text.safe(update.path("status").asText(), 30),
                        Text.safe(update.path("body").asText(), 600)))));
        updates.sort(Comparator.comparing(Update::at));
        Optional<Instant> created = instant(node, "created_at", "createdAt", "postedAt");
        Optional<Instant> first = earliest(created, updates.stream().map(Update::at).findFirst());
        Optional<Instant> started = instant(node, "started_at", "startedAt").or(() -> first);
        if (started.isEmpty()) {
            return Optional.empty();
        }
        latest(node).filter(update -> updates.isEmpty()).ifPresent(updates::add);
        return Optional.of(new VendorIncident(
                Text.safe(node.path("name").asText("unnamed incident"), 120),
                Text.safe(node.path("impact").asText(), 20),
                Text.safe(node.path("shortlink").asText(), 200),
                started.get(),
                created.or(() -> first).or(() -> started).get(),
                instant(node, "resolved_at", "resolvedAt"),
                List.copyOf(updates)));
    }

    // Triage keeps the newest update only, in words of its own.
    private static Optional<Update> latest(JsonNode node) {
        return instant(node, "updatedAt")
                .filter(at -> node.hasNonNull("update"))
                .map(at -> new Update(
                        at,
                        Text.safe(node.path("status").asText(), 30),
                        Text.safe(node.path("update").asText(), 600)));
    }

    private static Optional<Instant> earliest(Optional<Instant> one, Optional<Instant> other) {
        return Stream.of(one, other).flatMap(Optional::stream).min(Comparator.naturalOrder());
    }

    private static Optional<Instant> instant(JsonNode node, String... names) {
        return Stream.of(names).map(name -> parse(node.path(name).asText())).filter(Objects::nonNull).findFirst();
    }

    private static Instant parse(String text) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            return null;
        }
    }

    /** Whether it was going on at some time between the two. */
    boolean overlaps(Instant from, Instant to) {
        return !started.isAfter(to) && resolved.map(end -> !end.isBefore(from)).orElse(true);
    }

    /** Its updates for the timeline. */
    List<Entry> entries() {
        return updates.stream()
                .map(update -> new Entry(
                        update.at(),
                        Entry.VENDOR,
                        "status page",
                        "Klaviyo (" + update.status() + "): " + name
                                + (update.body().isEmpty() ? "" : " — " + update.body())))
                .toList();
    }
}
