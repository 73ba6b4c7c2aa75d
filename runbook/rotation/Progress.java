package runbook.rotation;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.annotation.Nulls;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.rotation.Rotation.Wishes;

/**
 * How a rotation goes on: its steps are made one after another, told and journalled; and how far it is, is kept in
 * {@code rotation.json} of the incident folder, so that a run after a kill can go on. That holds fingerprints, nothing
 * secret, and is written before and after everything that changes something. Commands are never taken from it: a run
 * that goes on is given its stores and targets anew, and what is there of them is for people to read.
 */
public final class Progress {
    static final Duration INTERVAL = Duration.ofMillis(250);
    private static final Map<Mark, String> OUTCOMES = Map.of(Mark.OK, "ok", Mark.WARN, "warn", Mark.FAIL, "failed",
            Mark.SKIP, "skipped", Mark.NONE, "planned");

    // ---- a step

    /** The new key goes forward everywhere, the old one back. */
    enum Way { FORWARD, BACK }

    /** How a step ended, what it found in one line, and after a failure the commands that mend it, one a line. */
    public record Done(Mark mark, String detail, String mend) {
        static Done ok(String detail) {
            return new Done(Mark.OK, detail, "");
        }

        static Done warn(String detail) {
            return new Done(Mark.WARN, detail, "");
        }

        static Done skipped(String detail) {
            return new Done(Mark.SKIP, detail, "");
        }
    }

    /**
     * One thing that a rotation does or looks at: which of the runbook's steps it belongs to; the store, target or else
     * it is about; its command, where there is one; how it ended, or until then what is to be done, for a dry run and
     * for whoever does it by hand where it failed. Nothing secret in it.
     */
    public record Step(String name, String place, String command, Done done, long millis, Supplier<Done> action) {
        public Step {
            place = Text.safe(place, 120);
        }

        Step(String name, String place, String command, String plan, Supplier<Done> action) {
            this(name, place, command, new Done(Mark.NONE, plan, ""), 0, action);
        }

        boolean failed() {
            return done.mark == Mark.FAIL;
        }

        /** What it is about and what it found: after a place, no colon, which would make the words its value. */
        public String words() {
            return place + (place.contains(":") ? " – " : ": ") + done.detail;
        }

        Map<String, Object> data() {
            String mend = done.mend.isEmpty() ? "" : " To mend: " + done.mend.replace("\n", " or ");
            return Map.of("name", name, "place", place, "outcome", OUTCOMES.get(done.mark), "millis", millis,
                    "command", command, "detail", words() + mend);
        }
    }

    /** Is told as steps of a name begin, as each ends, and what takes long or is worth a line, safe to print. */
    public interface Listener {
        void began(String name);

        void ended(Step step);

        void waiting(String words);
    }

    /** What a failed command has changed: nothing, for it never ran; nothing, as it says itself; or nobody knows. */
    enum Effect { NONE, DENIED, UNKNOWN }

    /** Why something cannot be done: one line that is safe to print, and the commands that mend it, one a line. */
    public static final class Trouble extends Problem {
        final Effect effect;
        final String mend;

        Trouble(Effect effect, String what, String mend) {
            super(Rotation.REFUSED, what);
            this.effect = effect;
            this.mend = mend;
        }

        Trouble(String what, String... mend) {
            this(Effect.DENIED, what, String.join("\n", mend));
        }

        static void when(boolean wrong, String what, String... mend) {
            if (wrong) {
                throw new Trouble(what, mend);
            }
        }
    }

    // ---- what is kept

    /**
     * The record; fingerprints are empty while they are not known. The options of the last run are for a person. How
     * the application was before, and the key that it told; the old key's id, from just before it is disabled until it
     * is enabled again; and the tool that is about to change something, in case we are killed and it is not.
     */
    static final class Kept {
        public int schema = 1;
        public String outcome = "unfinished";
        public String startedAt = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
        public String options = "";
        public String account = "";
        public String oldKey = "";
        public String newKey = "";
        public ApiChecks.Health app;
        public String appKey = "";
        public Map<String, Entry> stores = new TreeMap<>();
        public Set<String> targets = new TreeSet<>();
        public boolean restarting;
        public String disabled;
        public String child = "";

        Stream<String> touched() {
            return stores.keySet().stream().filter(name -> stores.get(name).touched);
        }

        boolean changed() {
            return restarting || disabled != null || touched().findAny().isPresent();
        }
    }

    /**
     * A store: what it held, a fingerprint, or the version of one that gives no value back, empty for neither; its own
     * name for that value; whether this rotation began to write it; and what it left there, empty where nobody knows.
     */
    static final class Entry {
        public String before = "";
        public String version = "";
        public boolean touched;
        public String wrote = "";
    }

    static final String FILE = "rotation.json";

    /** Made when first needed: to look takes less without. It writes no null and takes none, which tells nothing. */
    private static final class Mapped {
        static final ObjectMapper MAPPER = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .setDefaultPropertyInclusion(JsonInclude.Include.NON_NULL)
                .setDefaultSetterInfo(JsonSetter.Value.construct(Nulls.FAIL, Nulls.FAIL));
    }

    final Wishes wishes;
    final Listener listener;
    final List<Step> made = new ArrayList<>();
    Kept kept = new Kept();
    boolean resumed;
    Incident incident;
    boolean looking = true;

    Progress(Wishes wishes, Listener listener) {
        this.wishes = wishes;
        this.listener = listener;
    }

    // Goes on with what changed something here and came to no good end, unless its sandbox has ended with it.
    Kept begin(Incident where, boolean onlyLooking) {
        incident = where;
        looking = onlyLooking;
        Path file = where.folder().resolve(FILE);
        if (!wishes.settings().target().passing() && Files.exists(file)) {
            Kept earlier = read(file);
            resumed = earlier.changed() && List.of("unfinished", "stuck").contains(earlier.outcome);
            kept = resumed ? earlier : kept;
        }
        return kept;
    }

    private static Kept read(Path file) {
        try {
            return Objects.requireNonNull(Mapped.MAPPER.readValue(Files.readAllBytes(file), Kept.class));
        } catch (IOException | NullPointerException e) {
            throw new Problem(Rotation.REFUSED, file + " cannot be read, and may tell of an unfinished rotation: see"
                    + " what the stores hold, then move it away");
        }
    }

    /** Writes where things stand; a rotation that cannot keep that must not go on. */
    void save() {
        try {
            incident.write(FILE, Mapped.MAPPER.writeValueAsBytes(kept));
        } catch (IOException e) {
            throw new Trouble("the state of the rotation cannot be kept: " + Incident.why(e), "df -h " + incident);
        }
    }

    /** Notes a tool that starts: only a run after a kill would miss it where that cannot be saved. */
    void child(String named) {
        kept.child = named;
        try {
            save();
        } catch (Trouble e) {
            listener.waiting(e.getMessage());
        }
    }

    // Process ids come round again: only with the time of its start does one name a process.
    static String named(ProcessHandle process) {
        return process.pid() + " of " + process.info().startInstant().map(Instant::toString).orElse("");
    }

    /** Waits for a child of a run that was killed, and ends it at last: its late write must not come after ours. */
    void awaitChild(Duration patience) {
        ProcessHandle.allProcesses().filter(one -> named(one).equals(kept.child)).findFirst().ifPresent(process -> {
            listener.waiting("waiting for a tool that the run before left running, at most "
                    + Durations.words(patience));
            process.onExit().completeOnTimeout(process, patience.toMillis(), TimeUnit.MILLISECONDS).join();
            Tool.kill(process);
        });
    }

    // ---- as it goes on

    /** Makes one without which nothing goes on. */
    void make(Step step) {
        attempt(step);
        refuseFailed();
    }

    void refuseFailed() {
        made.stream().filter(Step::failed).findFirst().ifPresent(step -> {
            throw new Trouble(step.words(), step.done.mend);
        });
    }

    /** Makes it, for where the rest has to be done whatever comes of it; gives how it ended. */
    Step attempt(Step step) {
        long start = System.nanoTime();
        listener.began(step.name);
        Done done;
        try {
            done = step.action.get();
        } catch (RuntimeException e) {
            String mend = e instanceof Trouble known ? known.mend : "";
            done = new Done(Mark.FAIL, e instanceof Problem ? e.getMessage() : "unexpected " + e, mend);
        }
        Tool tool = wishes.tool();
        Done told = new Done(done.mark, Text.safe(tool.concealed(done.detail), 500), tool.concealed(done.mend));
        long millis = (System.nanoTime() - start) / 1_000_000;
        Step ended = new Step(step.name, step.place, tool.concealed(step.command), told, millis, step.action);
        made.add(ended);
        listener.ended(ended);
        journal(Event.ROTATION_STEP, ended.name + " " + ended.data().get("detail"), ended.data());
        return ended;
    }

    // A journal that cannot be written costs its entry, never the rotation.
    void journal(String event, String summary, Map<String, ?> data) {
        String drill = wishes.settings().drill().orElse("");
        try {
            if (!looking) {
                incident.append(Event.now("rotate-key", event, Text.safe(summary, 300), data).in(drill));
            }
        } catch (IOException e) {
            listener.waiting("the journal could not be written: " + Incident.why(e));
        }
    }

    static void pause(Duration duration) {
        new CompletableFuture<Void>().completeOnTimeout(null, duration.toMillis(), TimeUnit.MILLISECONDS).join();
    }

    /** Looks until it has seen enough, or it is time; gives what it saw last. */
    static <T> T until(Supplier<T> look, Predicate<T> enough, Duration within, Function<T, Duration> between) {
        long end = System.nanoTime() + within.toNanos();
        T seen = look.get();
        while (!enough.test(seen) && System.nanoTime() + between.apply(seen).toNanos() < end) {
            pause(between.apply(seen));
            seen = look.get();
        }
        return seen;
    }
}
