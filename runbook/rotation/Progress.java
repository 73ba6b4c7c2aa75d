package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import runbook.Cli;
import runbook.Incident;
import runbook.Key;
import runbook.Text.Json;
import runbook.Tool;
import runbook.rotation.Holding.State;
import runbook.rotation.Steps.Trouble;
import runbook.rotation.Stores.Store;

/**
 * {@code rotation.json} in the incident folder: how far a rotation is, by fingerprints, so that a run after a kill can
 * go on. It is written before and after everything that changes something, and holds nothing secret. Commands are never
 * taken from it: a run that goes on is given its stores anew.
 */
public final class Progress {
    static final String FILE = "rotation.json";
    private static final String UNFINISHED = "unfinished";

    private final Incident incident;
    private final ObjectNode root;

    private Progress(Incident incident, ObjectNode root) {
        this.incident = incident;
        this.root = root;
    }

    /** A new rotation's. */
    static Progress begin(Incident incident, AppWatch.State app) {
        return new Progress(incident, Json.object().put("schema", 1).put("outcome", UNFINISHED)
                .put("startedAt", Instant.now().toString()).put("app", app.health().name())
                .put("appKey", app.fingerprint().orElse("")).put("restarting", false));
    }

    /**
     * The record of a rotation that changed something and came to no good end; empty when there is none.
     *
     * @throws IOException when there is one that cannot be read
     */
    static Optional<Progress> unfinished(Incident incident) throws IOException {
        Path file = incident.folder().resolve(FILE);
        JsonNode root = Files.exists(file) ? Json.read(Files.readAllBytes(file)) : Json.object();
        boolean open = List.of(UNFINISHED, "stuck").contains(root.path("outcome").asText());
        Optional<Progress> found = open ? Optional.of(new Progress(incident, (ObjectNode) root)) : Optional.empty();
        return found.filter(one -> one.restarting() || one.disabled().isPresent() || !one.touched().isEmpty());
    }

    private List<JsonNode> entries() {
        return StreamSupport.stream(root.path("stores").spliterator(), false)
                .filter(entry -> !entry.path("state").asText().equals(State.UNTOUCHED.name())).toList();
    }

    /** The names of the stores that were changed. */
    List<String> touched() {
        return entries().stream().map(entry -> entry.path("name").asText()).toList();
    }

    /** Takes over what is known of a store that an earlier run changed; of others, what they hold now counts. */
    void restore(Holding holding) {
        entries().stream().filter(entry -> entry.path("name").asText().equals(holding.name())).forEach(entry ->
                holding.restore(entry.path("before").asText(), entry.path("version").asText(),
                        entry.path("wrote").asText(), State.valueOf(entry.path("state").asText())));
    }

    /** A text that was noted, empty where none was: {@code startedAt}, {@code account}, {@code app}, {@code appKey}. */
    String noted(String field) {
        return root.path(field).asText();
    }

    String fingerprint(String which) {
        return root.path(which).path("fingerprint").asText();
    }

    boolean restarting() {
        return root.path("restarting").asBoolean();
    }

    void beginRestarting() {
        root.put("restarting", true);
    }

    /** The id of the old key, from just before it is disabled until it is enabled again. */
    Optional<String> disabled() {
        return Optional.ofNullable(root.path("disabled").textValue());
    }

    void disabled(String id) {
        root.put("disabled", id);
    }

    void keys(Optional<Key> old, Key fresh, String account) {
        if (old.isPresent() || !root.has("oldKey")) {
            root.set("oldKey", key(old));
        }
        root.set("newKey", key(Optional.of(fresh)));
        root.put("account", account);
    }

    /** A key as its kind and fingerprint; null for none. */
    static JsonNode key(Optional<Key> key) {
        return key.<JsonNode>map(one -> Json.object().put("kind", one.kind()).put("fingerprint", one.fingerprint()))
                .orElse(NullNode.getInstance());
    }

    /** Writes where things stand; a rotation that cannot keep that must not go on. */
    void save(List<Holding> holdings) throws Trouble {
        ArrayNode stores = root.putArray("stores");
        holdings.forEach(holding -> stores.add(holding.json()));
        try {
            write();
        } catch (IOException e) {
            throw new Trouble(Trouble.Kind.UNKNOWN, "the state of the rotation cannot be kept: " + Incident.why(e),
                    "df -h " + incident);
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
        JsonNode noted = root.path("child");
        ProcessHandle.of(noted.path("pid").asLong(-1))
                .filter(child -> started(child).equals(noted.path("started").asText())).ifPresent(child -> {
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

    /**
     * At most one rotation at a time on one incident, and on one store of this machine. The locks are the operating
     * system's: they end with the process, however that ends, so a run after {@code kill -9} is never locked out.
     */
    public static final class Locks implements AutoCloseable {
        private final List<FileChannel> held = new ArrayList<>();

        /**
         * Takes one more.
         *
         * @return whether nobody else has it
         * @throws IOException when the file cannot be made
         */
        public boolean take(Path file) throws IOException {
            Incident.at(file.toAbsolutePath().getParent()).create();
            FileChannel channel = FileChannel.open(file,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), DotenvFile.mode("rw-------"));
            try {
                if (channel.tryLock() != null) {
                    held.add(channel);
                    return true;
                }
            } catch (OverlappingFileLockException e) {
                // Held by this very process: taken all the same.
            }
            channel.close();
            return false;
        }

        /** Where the lock of a store is: in the user's state folder, by what the store is. */
        public static Path of(Cli.Host host, Store store) {
            Path state = host.env("XDG_STATE_HOME").map(host::path).orElse(host.home().resolve(".local/state"));
            return state.resolve("klaviyo-runbook").resolve("rotate-key-" + Key.of(store.identity()).fingerprint()
                    + ".lock");
        }

        @Override
        public void close() throws IOException {
            for (FileChannel channel : held) {
                channel.close();
            }
        }
    }
}
