package runbook.rotation;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import runbook.rotation.Trouble.Kind;

/** A systemd unit on this host, {@code systemd:UNIT}. */
record SystemdUnit(String name, String unit) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(unit, "");
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(
                Command.of("systemctl", "--no-ask-password", "restart", unit),
                Command.of("systemctl", "is-active", unit));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        String state = tool.run(show("LoadState"), subject()).out().strip();
        if (!state.equals("loaded")) {
            throw new Trouble(
                    Kind.NOT_FOUND,
                    "no unit " + unit + " here that can be restarted ("
                            + (state.matches("[a-z-]+") ? state : "no answer") + ")",
                    "systemctl list-units --type=service");
        }
    }

    // systemd gives a unit a new invocation id each time it starts.
    @Override
    public Optional<String> mark(Tool tool) throws Trouble {
        String id = tool.run(show("InvocationID"), subject()).out().strip();
        return id.matches("[0-9a-f]{32}") ? Optional.of(id) : Optional.empty();
    }

    private Command show(String property) {
        return Command.of("systemctl", "show", "--property=" + property, "--value", unit);
    }
}
