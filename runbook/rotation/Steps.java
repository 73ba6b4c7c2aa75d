package runbook.rotation;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Text;
import runbook.Text.Json;
import runbook.Tool;

/** The tasks of a rotation, made one after another: each is told as it goes on, journalled, and kept for the end. */
public final class Steps {
    /** How a task ends; planned is one that a dry run only shows. */
    public enum Outcome { OK, WARN, FAILED, SKIPPED, PLANNED }

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
        /** The step as in {@code rotate-key --json}. */
        JsonNode json() {
            return Json.object().put("name", name).put("outcome", word()).put("millis", millis).put("command", command)
                    .put("detail", line());
        }

        private String word() {
            return outcome.name().toLowerCase(Locale.ROOT);
        }

        private String line() {
            return place + ": " + detail + (mend.isEmpty() ? "" : " To mend: " + mend.replace("\n", " or "));
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

    private final Tool tool;
    private final Listener listener;
    private final Optional<String> drill;
    private final List<Step> all = new ArrayList<>();
    /** Where they are journalled. */
    Optional<Incident> incident = Optional.empty();

    Steps(Tool tool, Listener listener, Optional<String> drill) {
        this.tool = tool;
        this.listener = listener;
        this.drill = drill;
    }

    /** Those that were made. */
    List<Step> made() {
        return all;
    }

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
        all.add(step);
        listener.ended(step);
        journal(Event.ROTATION_STEP, task.name + " " + step.line(), Map.of("name", task.name, "place", step.place,
                "outcome", step.word(), "millis", step.millis, "command", step.command, "detail", step.detail));
    }

    /** A journal that cannot be written costs its entry, never the rotation. */
    void journal(String event, String summary, Map<String, ?> data) {
        Map<String, Object> noted = new TreeMap<>(data);
        drill.ifPresent(scenario -> noted.put("drill", scenario));
        try {
            if (incident.isPresent()) {
                incident.get().append(Event.now("rotate-key", event, Text.safe(summary, 300), noted));
            }
        } catch (IOException e) {
            listener.waiting("the journal could not be written: " + Incident.why(e));
        }
    }
}
