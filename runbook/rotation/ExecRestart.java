package runbook.rotation;

import java.time.Duration;
import java.util.List;

/** A command of your own, {@code exec:COMMAND}, that ends once the application runs again. */
record ExecRestart(String name, String command) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(command, "");
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(Command.shell(command));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        Commands.present(tool, command);
    }
}
