package runbook.rotation;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.rotation.Step.Outcome;

/** Every action of a rotation as it happens: timed, shown, journalled, and kept for the end. */
final class Ledger {
    /** Something that is done and says what it found. */
    interface Action {
        Done run() throws Trouble;
    }

    private final List<Step> steps = new ArrayList<>();
    private final Listener listener;
    private final Tool tool;
    private final Optional<String> drill;
    private Optional<Incident> incident = Optional.empty();

    Ledger(Listener listener, Tool tool, Optional<String> drill) {
        this.listener = listener;
        this.tool = tool;
        this.drill = drill;
    }

    /** Journals into this incident from now on. */
    void journalInto(Incident where) {
        incident = Optional.of(where);
    }

    List<Step> steps() {
        return List.copyOf(steps);
    }

    /** Does one thing, and notes how it ended; trouble is noted and thrown on. */
    Done run(String step, String place, String command, Action action) throws Trouble {
        long start = System.nanoTime();
        listener.began(step);
        try {
            Done done = action.run();
            note(step, place, done.outcome(), start, command, done.detail(), "");
            return done;
        } catch (Trouble e) {
            note(step, place, Outcome.FAILED, start, command, e.getMessage(), e.mend());
            throw e;
        }
    }

    private void note(String name, String place, Outcome outcome, long start, String command, String detail, String mend) {
        Step step = new Step(name, Text.safe(place, 120), outcome, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start),
                tool.concealed(command), Text.safe(tool.concealed(detail), 500), tool.concealed(mend));
        steps.add(step);
        listener.ended(step);
        journal(Event.ROTATION_STEP, step.name() + " " + step.line(), step.data());
    }

    /** Says what goes on while nothing ends. */
    void waiting(String words) {
        listener.waiting(words);
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
