package runbook.rotation;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.Tool;

/**
 * How a rotation goes on: its tasks are made one after another, told and journalled; and how far it is, is kept in
 * {@code rotation.json} of the incident folder, so that a run after a kill can go on. That holds fingerprints, nothing
 * secret, and is written before and after everything that changes something. Commands are never taken from it: a run
 * that goes on is given its stores anew.
 */
public final class Progress {
    // ---- tasks

    /** How a task ends; planned is one that a dry run only shows. */
    public enum Outcome {
        OK(Mark.OK), WARN(Mark.WARN), FAILED(Mark.FAIL), SKIPPED(Mark.SKIP), PLANNED(Mark.NONE);

        /** Its symbol. */
        public final Mark mark;

        Outcome(Mark mark) {
            this.mark = mark;
        }
    }

    /**
     * One task, for people and machines alike; nothing secret in it.
     *
     * @param name    {@code preflight}, {@code test}, {@code store}, {@code read-back}, {@code restart}, {@code
     *                verify}, {@code disable-old} or {@code roll-back}
     * @param place   what it was about: a store, a restart target, {@code app}, {@code new key}, …
     * @param millis  how long it took
     * @param command as it was run; empty where no command was
     * @param detail  what it found, in one line
     * @param mend    after a failure, the commands that mend it, one a line; may be empty
     */
    public record Step(String name, String place, Outcome outcome, long millis, String command, String detail,
            String mend) {
        private String word() {
            return outcome.name().toLowerCase(Locale.ROOT);
        }

        /** What it was about and what it found: after a place, no colon, which would make the words its value. */
        public String words() {
            return place + (place.contains(":") ? " – " : ": ") + detail;
        }

        private String line() {
            return words() + (mend.isEmpty() ? "" : " To mend: " + mend.replace("\n", " or "));
        }

        /** The step as in {@code rotate-key --json}. */
        JsonNode json() {
            return Json.object().put("name", name).put("outcome", word()).put("millis", millis).put("command", command)
                    .put("detail", line());
        }
    }

    /** What this toolkit could not do and a person has to: what, and a command to paste, which may be empty. */
    public record HandStep(String text, String command) { }

    /** Is told how a rotation goes on, as it does. */
    public interface Listener {
        /** A task of this step (as in {@link Step#name}) begins. */
        void began(String step);

        /** A task has ended. */
        void ended(Step step);

        /** What was changed is put back from now on. */
        void rollingBack(String why);

        /** Something takes long, or is worth a line; safe to print. */
        void waiting(String words);
    }

    /** Why something cannot be done: one line that is safe to print, and the commands that mend it, one a line. */
    public static final class Trouble extends Exception {
        /** The tool is not there; refused, so that nothing changed if the store says the same; or nobody knows. */
        enum Kind { MISSING, REFUSED, UNKNOWN }

        final Kind kind;
        private final String mend;

        Trouble(Kind kind, String what, String mend) {
            super(what, null, false, false);
            this.kind = kind;
            this.mend = mend;
        }

        static Trouble refused(String what, String mend) {
            return new Trouble(Kind.REFUSED, what, mend);
        }

        static Trouble unknown(String what) {
            return new Trouble(Kind.UNKNOWN, what, "");
        }

        static void refuse(boolean wrong, String what, String mend) throws Trouble {
            if (wrong) {
                throw refused(what, mend);
            }
        }
    }

    /** How a task ended when it did not fail. */
    record Done(Outcome outcome, String detail) {
        static Done ok(String detail) {
            return new Done(Outcome.OK, detail);
        }

        static Done warn(String detail) {
            return new Done(Outcome.WARN, detail);
        }

        static Done skipped(String detail) {
            return new Done(Outcome.SKIPPED, detail);
        }
    }

    /** What a task does. */
    interface Action {
        Done run() throws Trouble;
    }

    /** A task before it is made: as a {@link Step}, with what a plan says of it. */
    record Task(String name, String place, String command, String plan, Action action) {
        static Task of(String name, String place, Action action) {
            return new Task(name, place, "", "", action);
        }

        Step planned() {
            return new Step(name, Text.safe(place, 120), Outcome.PLANNED, 0, command, plan, "");
        }
    }

    // ---- what is kept

    /**
     * A store as a rotation found and left it.
     *
     * @param before  what it held: a fingerprint, or the version of a store that gives no value back; empty for neither
     * @param version the store's own name for that value
     * @param touched whether this rotation began to write it
     * @param wrote   what it left there, as {@code before}; empty where nobody knows
     */
    record Entry(String name, String before, String version, boolean touched, String wrote) { }

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
        /** Fingerprints; empty while not known. */
        public String oldKey = "";
        public String newKey = "";
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

    private static final String FILE = "rotation.json";
    private static final String UNFINISHED = "unfinished";
    private static final ObjectMapper MAPPER = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

    private final Tool tool;
    private final Optional<String> drill;
    final Listener listener;
    final List<Step> made = new ArrayList<>();
    Kept kept = new Kept();
    private Incident incident;
    private boolean looking = true;
    private boolean resumed;

    Progress(Tool tool, Listener listener, Optional<String> drill) {
        this.tool = tool;
        this.listener = listener;
        this.drill = drill;
    }

    /**
     * Goes on with the rotation in this incident that changed something and came to no good end, if there is one; a
     * drill never does, for its sandbox is gone, and its keys with it.
     *
     * @param onlyLooking nothing is written
     * @throws IOException when the file cannot be read
     */
    void begin(Incident where, boolean onlyLooking) throws IOException {
        incident = where;
        looking = onlyLooking;
        Path file = where.folder().resolve(FILE);
        Kept earlier = drill.isPresent() || !Files.exists(file) ? kept
                : MAPPER.readValue(Files.readAllBytes(file), Kept.class);
        boolean changed = earlier.restarting || earlier.disabled != null
                || earlier.stores.stream().anyMatch(Entry::touched);
        resumed = changed && List.of(UNFINISHED, "stuck").contains(earlier.outcome);
        kept = resumed ? earlier : kept;
    }

    /** When the rotation began that this goes on with; empty when it goes on with none. */
    Optional<String> resumed() {
        return resumed ? Optional.of(kept.startedAt) : Optional.empty();
    }

    /** Where it is recorded; null in a dry run. */
    String folder() {
        return looking ? null : incident.toString();
    }

    /** How to begin anew where this cannot go on. */
    String anew() {
        return resumed ? "rm " + Text.word(incident.folder().resolve(FILE).toString())
                + "   # once you know which key is right, then begin anew" : "";
    }

    // ---- as it goes on

    void make(Task task) throws Trouble {
        long start = System.nanoTime();
        listener.began(task.name);
        try {
            ended(task, task.action.run(), start, "");
        } catch (Trouble e) {
            ended(task, new Done(Outcome.FAILED, e.getMessage()), start, e.mend);
            throw e;
        }
    }

    /** The same where the rest has to be done whatever comes of it. */
    Optional<Trouble> attempt(Task task) {
        Action careful = () -> {
            try {
                return task.action.run();
            } catch (RuntimeException e) {
                throw Trouble.unknown(Text.safe(String.valueOf(e.getMessage()), 300));
            }
        };
        try {
            make(new Task(task.name, task.place, task.command, task.plan, careful));
            return Optional.empty();
        } catch (Trouble e) {
            return Optional.of(e);
        }
    }

    private void ended(Task task, Done done, long start, String mend) {
        Step step = new Step(task.name, Text.safe(task.place, 120), done.outcome,
                (System.nanoTime() - start) / 1_000_000, tool.concealed(task.command),
                Text.safe(tool.concealed(done.detail), 500), tool.concealed(mend));
        made.add(step);
        listener.ended(step);
        journal(Event.ROTATION_STEP, task.name + " " + step.line(), Map.of("name", task.name, "place", step.place,
                "outcome", step.word(), "millis", step.millis, "command", step.command, "detail", step.detail));
    }

    /** A journal that cannot be written costs its entry, never the rotation. */
    void journal(String event, String summary, Map<String, ?> data) {
        Map<String, Object> noted = new TreeMap<>(data);
        drill.ifPresent(scenario -> noted.put("drill", scenario));
        try {
            if (!looking) {
                incident.append(Event.now("rotate-key", event, Text.safe(summary, 300), noted));
            }
        } catch (IOException e) {
            listener.waiting("the journal could not be written: " + Incident.why(e));
        }
    }

    /** Writes where a store stands, and the rest. */
    void save(Entry store) throws Trouble {
        List<Entry> stores = new ArrayList<>(kept.stores);
        stores.removeIf(other -> other.name.equals(store.name));
        stores.add(store);
        kept.stores = stores;
        save();
    }

    /** Writes where things stand; a rotation that cannot keep that must not go on. */
    void save() throws Trouble {
        try {
            incident.write(FILE, MAPPER.writeValueAsBytes(kept));
        } catch (IOException e) {
            throw new Trouble(Trouble.Kind.UNKNOWN, "the state of the rotation cannot be kept: " + Incident.why(e),
                    "df -h " + incident);
        }
    }

    /** Notes the child that runs now. */
    void child(ProcessHandle process) {
        kept.child = Child.of(process);
        try {
            save();
        } catch (Trouble e) {
            // Only a run after a kill would miss it, and the next state is saved or the rotation ends.
        }
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

    void end(String outcome) {
        kept.outcome = outcome;
        kept.endedAt = Instant.now().toString();
        kept.child = null;
        try {
            save();
        } catch (Trouble e) {
            listener.waiting(e.getMessage());
        }
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
            try {
                held.add(Incident.lock(file).orElseThrow(() -> new Problem(Rotation.REFUSED, "another rotation is"
                        + " running on " + what + ": wait for it, or end it; this one has changed nothing")));
            } catch (IOException e) {
                throw new Problem(Rotation.REFUSED, file + " (--incident, or XDG_STATE_HOME) cannot be written: without"
                        + " it two rotations could run at once, and a killed one not go on: " + Incident.why(e));
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
