package runbook.rotation;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Something to restart so that it reads the key anew. To add one: a record that implements this, and a row in {@link Places}. */
public interface RestartTarget {
    /** As typed after {@code --restart}. */
    String name();

    /** The commands that restart it and wait until it runs, in order, as they are run. */
    List<Command> restarting(Duration within);

    /** Finds out all that would keep a restart from working, as far as that can be known without restarting. */
    void inspect(Tool tool) throws Trouble;

    /**
     * What changes with every restart (a generation, an invocation id); empty where nothing tells. A tool that says it
     * restarted something and did not is found out by it.
     */
    default Optional<String> mark(Tool tool) throws Trouble {
        return Optional.empty();
    }

    /** Restarts it, and returns once it runs again. */
    default void restart(Tool tool, Duration within) throws Trouble {
        for (Command command : restarting(within)) {
            tool.runLasting(command, subject(), within);
        }
    }

    /** What the commands are about. */
    Subject subject();
}
