package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import runbook.Text.Json;
import runbook.Key;
import runbook.Incident;
import runbook.rotation.Trouble.Kind;

/**
 * {@code rotation.json} in the incident folder: how far a rotation is, by fingerprints, so that a run after a kill can
 * go on. It is written before and after everything that changes something, and holds nothing secret. Commands are never
 * taken from it: a run that goes on is given its stores anew.
 */
final class Progress {
    static final String FILE = "rotation.json";
    private static final String UNFINISHED = "unfinished";

    private final Incident incident;
    private final ObjectNode root;

    private Progress(Incident incident, ObjectNode root) {
        this.incident = incident;
        this.root = root;
    }

    /** A new rotation's. */
    static Progress begin(Incident incident, AppState app) {
        return new Progress(
                incident,
                Json.object()
                        .put("schema", 1)
                        .put("outcome", UNFINISHED)
                        .put("startedAt", Instant.now().toString())
                        .put("app", app.health().name())
                        .put("restarting", false));
    }

    /**
     * The record of a rotation that changed something and came to no good end; empty when there is none.
     *
     * @throws IOException when there is one that cannot be read
     */
    static Optional<Progress> unfinished(Incident incident) throws IOException {
        Path file = incident.folder().resolve(FILE);
        if (Files.notExists(file)) {
            return Optional.empty();
        }
        JsonNode root = Json.read(Files.readAllBytes(file));
        boolean open =
                List.of(UNFINISHED, "stuck").contains(root.path("outcome").asText())
                        && root.path("stores").isArray();
        return open ? Optional.of(new Progress(incident, (ObjectNode) root)) : Optional.empty();
    }

    /** Takes over what is known of a store that an earlier run had to do with. */
    void restore(Holding holding) {
        for (JsonNode entry : root.path("stores")) {
            if (entry.path("name").asText().equals(holding.name())) {
                holding.before = entry.path("before").asText();
                holding.version = entry.path("version").asText();
                holding.state = Holding.State.valueOf(entry.path("state").asText());
            }
        }
    }

    /** The names of the stores of an earlier run. */
    List<String> stores() {
        return root.path("stores").findValuesAsText("name");
    }

    String startedAt() {
        return root.path("startedAt").asText();
    }

    String fingerprint(String which) {
        return root.path(which).path("fingerprint").asText();
    }

    /** How the application did before the rotation began. */
    String health() {
        return root.path("app").asText();
    }

    boolean restarting() {
        return root.path("restarting").asBoolean();
    }

    void beginRestarting() {
        root.put("restarting", true);
    }

    void keys(Optional<Key> old, Key fresh) {
        if (old.isPresent() || !root.has("oldKey")) {
            root.set("oldKey", key(old));
        }
        root.set("newKey", key(Optional.of(fresh)));
    }

    /** A key as its kind and fingerprint; nulls for none. */
    static JsonNode key(Optional<Key> key) {
        return Json.object()
                .put("kind", key.map(Key::kind).orElse(null))
                .put("fingerprint", key.map(Key::fingerprint).orElse(null));
    }

    /** Writes where things stand; a rotation that cannot keep that must not go on. */
    void save(List<Holding> holdings) throws Trouble {
        ArrayNode stores = root.putArray("stores");
        for (Holding holding : holdings) {
            stores.addObject()
                    .put("name", holding.name())
                    .put("before", holding.before)
                    .put("version", holding.version)
                    .put("state", holding.state.name());
        }
        try {
            write();
        } catch (IOException e) {
            throw new Trouble(
                    Kind.FAILED, "the state of the rotation cannot be kept: " + Incident.why(e), "df -h " + incident);
        }
    }

    /** Notes the child that is about to change something, in case we are killed and it is not. */
    void child(ProcessHandle child) {
        root.putObject("child").put("pid", child.pid()).put("started", started(child));
        try {
            write();
        } catch (IOException e) {
            // Only a run after a kill would miss it, and the next state is saved or the rotation ends.
        }
    }

    void end(String outcome) throws IOException {
        root.put("outcome", outcome).put("endedAt", Instant.now().toString()).remove("child");
        write();
    }

    private void write() throws IOException {
        incident.write(FILE, (Json.pretty(root) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Waits for a child of a run that was killed, and ends it at last: its late write must not come after ours. */
    void awaitChild(Duration patience) {
        ProcessHandle.of(root.path("child").path("pid").asLong(-1))
                .filter(child ->
                        started(child).equals(root.path("child").path("started").asText()))
                .ifPresent(child -> {
                    try {
                        child.onExit().get(patience.toMillis(), TimeUnit.MILLISECONDS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    } catch (Exception e) {
                        Tool.kill(child);
                    }
                });
    }

    // Process ids come round again: only together with the time of its start does one name a process.
    private static String started(ProcessHandle child) {
        return child.info().startInstant().map(Instant::toString).orElse("");
    }
}
