package runbook.rotation;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import runbook.Text.Durations;
import runbook.Key;
import runbook.rotation.Step.Outcome;

/**
 * What is about to happen, for people to read before they say yes. Built from the very objects that will do it.
 *
 * @param lines in order
 */
public record Plan(List<Line> lines) {
    /**
     * One action.
     *
     * @param step    its name, as in {@link Step}
     * @param place   what it is about
     * @param command as it will be run; empty where no command is
     * @param notes   how the value travels, what the way back is, …; one line each
     */
    public record Line(String step, String place, String command, List<String> notes) { }

    /** The same as steps that were not made. */
    public List<Step> steps() {
        return lines.stream()
                .map(line -> new Step(
                        line.step, line.place, Outcome.PLANNED, 0, line.command, String.join("; ", line.notes), ""))
                .toList();
    }

    static Plan of(Wishes wishes, List<Holding> holdings, Optional<Key> fresh, Optional<Key> old) {
        List<Line> lines = new ArrayList<>();
        for (Holding holding : holdings) {
            lines.add(new Line("store", holding.name(), holding.store.writing().shown(), notes(holding, fresh)));
        }
        for (Holding holding : holdings) {
            lines.add(
                    holding.store.readable()
                            ? new Line(
                                    "read-back",
                                    holding.name(),
                                    holding.store.reading().shown(),
                                    List.of())
                            : new Line(
                                    "read-back", holding.name(), "", List.of("not compared: " + holding.store.note())));
        }
        for (RestartTarget target : wishes.targets()) {
            target.restarting(wishes.restart())
                    .forEach(command -> lines.add(new Line("restart", target.name(), command.shown(), List.of())));
        }
        if (wishes.targets().isEmpty()) {
            lines.add(new Line(
                    "restart",
                    "app",
                    "",
                    List.of("nothing to restart was given: the application has to read the key anew by itself")));
        }
        lines.add(new Line("verify", "app", "", List.of(verification(wishes))));
        lines.add(new Line(
                "disable-old",
                old.map(key -> "sha256 " + key.fingerprint()).orElse("unknown"),
                "",
                List.of(
                        wishes.disableOld()
                                ? "disabled by Klaviyo's API " + Durations.words(wishes.grace())
                                        + " after the application is well; enabled again if anything still uses it"
                                : "stays enabled: delete it by hand afterwards")));
        return new Plan(List.copyOf(lines));
    }

    /** Commands that are run one after the other, as one line. */
    static String joined(List<Command> commands) {
        return commands.stream().map(Command::shown).collect(Collectors.joining(" && "));
    }

    private static List<String> notes(Holding holding, Optional<Key> fresh) {
        List<String> notes = new ArrayList<>();
        if (fresh.isPresent() && holding.now.holds(fresh.get().fingerprint())) {
            notes.add("holds the new key already: nothing to do");
            return notes;
        }
        notes.add("the key travels " + holding.store.route());
        notes.add("way back: " + wayBack(holding));
        if (!holding.store.note().isEmpty()) {
            notes.add(holding.store.note());
        }
        return notes;
    }

    private static String wayBack(Holding holding) {
        String memory = holding.old.map(key -> "sha256 " + key.fingerprint() + ", kept in memory").orElse("");
        if (!holding.version.isEmpty() && !holding.store.undo(holding.version).isEmpty()) {
            return (memory.isEmpty() ? "" : memory + "; ") + "after a crash from its version " + holding.version;
        }
        return memory.isEmpty() ? "none: its old value is nowhere to be had, so only forward"
                : memory + "; after a crash from another store or KLAVIYO_PRIVATE_KEY, else only forward";
    }

    private static String verification(Wishes wishes) {
        String within = " within " + Durations.words(wishes.verify());
        return (wishes.settings().target().app() == null
                        ? "no --app-url: nobody looks at the application's health"
                        : "healthy" + within + " by "
                                + wishes.settings().target().app())
                + (wishes.settings().target().prometheus() == null ? "" : ", its errors not rising")
                + "; the new key still authenticates";
    }
}
