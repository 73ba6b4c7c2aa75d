package runbook;

import java.util.function.Function;

/**
 * How the person started this script, so that the next one can be pasted the same way.
 *
 * @param command from a script's name ({@code watch}) to the words that start it ({@code ./jbang watch})
 * @param options options that carry over: where things are, in which incident
 */
public record Launcher(Function<String, String> command, String options) {
    /** A script's whole command line. */
    public String line(String script, String more) {
        return (command.apply(script) + " " + more).strip() + (options.isEmpty() ? "" : " " + options);
    }
}
