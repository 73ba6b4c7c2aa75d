package runbook.rotation;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
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
import runbook.Http;
import runbook.Incident;
import runbook.Key;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Tool;
import runbook.rotation.Steps.Trouble;

/**
 * How far a rotation is, kept in {@code rotation.json} of the incident folder so that a run after a kill can go on: by
 * fingerprints, nothing secret. It is written before and after everything that changes something. Commands are never
 * taken from it: a run that goes on is given its stores anew.
 */
public final class Progress {
    private static final String FILE = "rotation.json";
    private static final String UNFINISHED = "unfinished";
    private static final ObjectMapper MAPPER = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

    /**
     * A store as a rotation found and left it.
     *
     * @param before  fingerprint of the value before; empty where the store cannot be read
     * @param version the store's own name for that value
     * @param touched whether this rotation began to write it
     * @param wrote   what it left there: a fingerprint, or the version of a store that gives no value back
     */
    record Entry(String name, String before, String version, boolean touched, String wrote) { }

    /** A key as people see it. */
    record Seen(String kind, String fingerprint) {
        static Seen of(Optional<Key> key) {
            return key.map(one -> new Seen(one.kind(), one.fingerprint())).orElse(null);
        }
    }

    /** A process: ids come round again, and only together with the time of its start does one name a process. */
    record Child(long pid, String started) {
        static Child of(ProcessHandle process) {
            return new Child(process.pid(), process.info().startInstant().map(Instant::toString).orElse(""));
        }
    }

    /** The file's fields. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    static final class Kept {
        public int schema = 1;
        public String outcome = UNFINISHED;
        public String startedAt = Instant.now().toString();
        public String endedAt;
        public String account = "";
        public Seen oldKey;
        public Seen newKey;
        /** How the application was before, and the fingerprint of the key that it told. */
        public Http.Health app;
        public String appKey;
        public List<Entry> stores = List.of();
        /** Whether a restart has begun. */
        public boolean restarting;
        /** The id of the old key, from just before it is disabled until it is enabled again. */
        public String disabled;
        /** The tool that is about to change something, in case we are killed and it is not. */
        public Child child;
    }

    final Incident incident;
    final Kept kept;
    private final boolean resumed;

    private Progress(Incident incident, Kept kept, boolean resumed) {
        this.incident = incident;
        this.kept = kept;
        this.resumed = resumed;
    }

    /** Of a new rotation. */
    static Progress begin(Incident incident) {
        return new Progress(incident, new Kept(), false);
    }

    /**
     * Of the rotation in this incident that changed something and came to no good end; of a new one where there is none.
     *
     * @throws IOException when the file cannot be read
     */
    static Progress of(Incident incident) throws IOException {
        Path file = incident.folder().resolve(FILE);
        Kept kept = Files.exists(file) ? MAPPER.readValue(Files.readAllBytes(file), Kept.class) : new Kept();
        boolean changed = kept.restarting || kept.disabled != null || kept.stores.stream().anyMatch(Entry::touched);
        boolean open = List.of(UNFINISHED, "stuck").contains(kept.outcome);
        return changed && open ? new Progress(incident, kept, true) : begin(incident);
    }

    /** When the rotation began that this goes on with; empty when it goes on with none. */
    Optional<String> resumed() {
        return resumed ? Optional.of(kept.startedAt) : Optional.empty();
    }

    /** The stores that an earlier run changed. */
    List<Entry> touched() {
        return kept.stores.stream().filter(Entry::touched).toList();
    }

    String newPrint() {
        return kept.newKey == null ? "" : kept.newKey.fingerprint;
    }

    String oldPrint() {
        return kept.oldKey == null ? "" : kept.oldKey.fingerprint;
    }

    /** How to begin anew where this cannot go on. */
    String anew() {
        return resumed ? "rm " + Text.word(incident.folder().resolve(FILE).toString())
                + "   # once you know which key is right, then begin anew" : "";
    }

    /** Writes where a store stands, and the rest; a rotation that cannot keep that must not go on. */
    void save(Entry store) throws Trouble {
        List<Entry> stores = new ArrayList<>(kept.stores);
        stores.removeIf(other -> other.name.equals(store.name));
        stores.add(store);
        kept.stores = stores;
        save();
    }

    void save() throws Trouble {
        try {
            write();
        } catch (IOException e) {
            throw new Trouble(Trouble.Kind.UNKNOWN, "the state of the rotation cannot be kept: " + Incident.why(e),
                    "df -h " + incident);
        }
    }

    /** Notes the child that runs now. */
    void child(ProcessHandle process) {
        kept.child = Child.of(process);
        try {
            write();
        } catch (IOException e) {
            // Only a run after a kill would miss it, and the next state is saved or the rotation ends.
        }
    }

    void end(String outcome) throws IOException {
        kept.outcome = outcome;
        kept.endedAt = Instant.now().toString();
        kept.child = null;
        write();
    }

    private void write() throws IOException {
        incident.write(FILE, MAPPER.writeValueAsBytes(kept));
    }

    /** Waits for a child of a run that was killed, and ends it at last: its late write must not come after ours. */
    void awaitChild(Duration patience) {
        ProcessHandle.of(kept.child == null ? -1 : kept.child.pid)
                .filter(process -> Child.of(process).equals(kept.child)).ifPresent(process -> {
                    try {
                        process.onExit().get(patience.toMillis(), TimeUnit.MILLISECONDS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    } catch (Exception e) {
                        Tool.kill(process);
                    }
                });
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
         * @param what is locked by it, for people
         * @throws Problem when somebody else has it, or the file cannot be made
         */
        public void take(Path file, String what) {
            boolean free;
            try {
                Incident.at(file.toAbsolutePath().getParent()).create();
                FileChannel channel = FileChannel.open(file,
                        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), Incident.mode("rw-------"));
                held.add(channel);
                free = channel.tryLock() != null;
            } catch (OverlappingFileLockException e) {
                free = false;
            } catch (IOException e) {
                throw new Problem(Rotation.REFUSED, file + " (--incident, or XDG_STATE_HOME) cannot be written: without"
                        + " it two rotations could run at once, and a killed one not go on: " + Incident.why(e));
            }
            if (!free) {
                throw new Problem(Rotation.REFUSED, "another rotation is running on " + what
                        + ": wait for it, or end it; this one has changed nothing");
            }
        }

        @Override
        public void close() throws IOException {
            for (FileChannel channel : held) {
                channel.close();
            }
        }
    }
}
