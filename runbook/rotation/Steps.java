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

/** The actions of a rotation: each is run, or in a plan only shown; it is told as it goes on, and journalled. */
public final class Steps {
    /** How an action ends; planned is one that a dry run only shows. */
    public enum Outcome { OK, WARN, FAILED, SKIPPED, PLANNED }

    /**
     * One action, for people and machines alike; nothing secret in it.
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
        /** An action of this step (as in {@link Step#name}) begins. */
        void began(String step);

        /** An action has ended. */
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

    /** How an action ended when it did not fail. */
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

    /** What an action does. */
    interface Action {
        Done run() throws Trouble;
    }

    private final Tool tool;
    private final Listener listener;
    private final Optional<String> drill;
    private final List<Step> done = new ArrayList<>();
    private final List<Step> planned = new ArrayList<>();
    /** Whether actions are only shown. */
    boolean planning;
    /** Where they are journalled. */
    Optional<Incident> incident = Optional.empty();

    Steps(Tool tool, Listener listener, Optional<String> drill) {
        this.tool = tool;
        this.listener = listener;
        this.drill = drill;
    }

    /** What these steps would do, with the doing left out. */
    List<Step> plan(Action steps) {
        planning = true;
        try {
            steps.run();
        } catch (Trouble e) {
            throw new IllegalStateException("a plan does nothing that could fail", e);
        } finally {
            planning = false;
        }
        return List.copyOf(planned);
    }

    /** Those that were made, and those that were planned if nothing else was wanted. */
    JsonNode json(boolean plan) {
        List<Step> all = new ArrayList<>(done);
        all.addAll(plan ? planned : List.of());
        return Json.of(all.stream().map(Step::json).toList());
    }

    /** An action as a plan shows it, or made. */
    Done act(String name, String place, String command, String plan, Action action) throws Trouble {
        if (planning) {
            planned.add(new Step(name, Text.safe(place, 120), Outcome.PLANNED, 0, command, plan, ""));
            return Done.skipped(plan);
        }
        long start = System.nanoTime();
        listener.began(name);
        try {
            Done ended = action.run();
            note(name, place, ended, start, command, "");
            return ended;
        } catch (Trouble e) {
            note(name, place, new Done(Outcome.FAILED, e.getMessage()), start, command, e.mend);
            throw e;
        }
    }

    /** An action that no plan shows. */
    Done run(String name, String place, String command, Action action) throws Trouble {
        return planning ? Done.skipped("") : act(name, place, command, "", action);
    }

    /** The same where the rest has to be done whatever comes of it. */
    Optional<Trouble> attempt(String name, String place, String command, Action action) {
        try {
            run(name, place, command, action);
            return Optional.empty();
        } catch (Trouble e) {
            return Optional.of(e);
        }
    }

    private void note(String name, String place, Done ended, long start, String command, String mend) {
        Step step = new Step(name, Text.safe(place, 120), ended.outcome, (System.nanoTime() - start) / 1_000_000,
                tool.concealed(command), Text.safe(tool.concealed(ended.detail), 500), tool.concealed(mend));
        done.add(step);
        listener.ended(step);
        journal(Event.ROTATION_STEP, name + " " + step.line(), Map.of("name", name, "place", step.place, "outcome",
                step.word(), "millis", step.millis, "command", step.command, "detail", step.detail));
    }

    /** A journal that cannot be written costs its entry, never the rotation. */
    void journal(String event, String summary, Map<String, ?> data) {
        Map<String, Object> all = new TreeMap<>(data);
        drill.ifPresent(scenario -> all.put("drill", scenario));
        try {
            if (incident.isPresent()) {
                incident.get().append(Event.now("rotate-key", event, Text.safe(summary, 300), all));
            }
        } catch (IOException e) {
            listener.waiting("the journal could not be written: " + Incident.why(e));
        }
    }
}
