package runbook.rotation;

import java.util.Optional;
import runbook.Key;
import runbook.rotation.Trouble.Kind;

/** One place that holds the private key. To add one: a record that implements this, and a row in {@link Places}. */
public interface SecretStore {
    /** As typed after {@code --to}, a path in full. */
    String name();

    /** The command that reads the value, as it is run. */
    Command reading();

    /** The command that writes the value, as it is run: no value among its words. */
    Command writing();

    /** What it holds now. Its value passes through the tool's standard output into memory, and nowhere else. */
    Held read(Tool tool) throws Trouble;

    /** Makes it hold this key. May have done so even when it fails: read back before you judge. */
    void write(Tool tool, Key key) throws Trouble;

    /** Finds out all that would keep {@link #write} from working, as far as that can be known without writing. */
    default Held inspect(Tool tool) throws Trouble {
        return read(tool);
    }

    /** An earlier value out of the store's own history: the way back after this process was killed. */
    default Optional<Key> recall(Tool tool, String version) throws Trouble {
        return Optional.empty();
    }

    /** The command by which a person brings an earlier value back; empty where the store has no history. */
    default String undo(String version) {
        return "";
    }

    /** Whether {@link #read} gives the value. */
    default boolean readable() {
        return true;
    }

    /** How the value travels, for the plan. */
    default String route() {
        return "by standard input of " + writing().words().get(0);
    }

    /** What people should know before they say yes; may be empty. */
    default String note() {
        return "";
    }

    /** The trouble of a tool that said something else than it does when it works. */
    static Trouble garbled(Command command) {
        return new Trouble(
                Kind.GARBLED,
                command.words().get(0) + " succeeded, but its answer is not what it should be",
                "look at it: " + command.shown());
    }
}
