package runbook.rotation;

import java.util.Optional;
import runbook.Key;

/**
 * A command of your own that stores what it reads, {@code exec:COMMAND}. It is never run for reading: a command such as
 * {@code cat > file} would take that for an empty key.
 */
record ExecStore(String name, String command) implements SecretStore {
    @Override
    public Command reading() {
        return Commands.lookup(command);
    }

    @Override
    public Command writing() {
        return Command.shell(command).feeding("the key");
    }

    @Override
    public Held inspect(Tool tool) throws Trouble {
        Commands.present(tool, command);
        return read(tool);
    }

    @Override
    public Held read(Tool tool) {
        return new Held(Optional.empty(), "");
    }

    @Override
    public void write(Tool tool, Key key) throws Trouble {
        tool.run(writing(), key.reveal(), new Subject(command, ""));
    }

    @Override
    public boolean readable() {
        return false;
    }

    @Override
    public String note() {
        return "write-only: a command cannot be read back, so step 4 cannot compare it";
    }
}
