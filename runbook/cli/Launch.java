package runbook.cli;

import java.time.Duration;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;
import runbook.Durations;
import runbook.Problem;
import runbook.Text;

/** Runs a script's command and turns whatever happens into the documented exit code and one clear line. */
public final class Launch {
    /** The toolkit's version, shown by {@code --version} and written into what the scripts leave behind. */
    public static final String VERSION = "1.0.0";
    private static final int BUG = 1;

    private Launch() { }

    /**
     * Parses, runs, and gives the exit code for {@code System.exit}.
     *
     * @param command a picocli command that is a {@code Callable<Integer>}
     */
    public static int run(Object command, String... arguments) {
        return commandLine(command).execute(arguments);
    }

    /** The command line that {@link #run} executes: what tests of the documentation look at. */
    public static CommandLine commandLine(Object command) {
        CommandLine line = new CommandLine(command)
                .setDefaultValueProvider(new Defaults())
                .setUsageHelpWidth(80)
                .setUsageHelpLongOptionsMaxWidth(28)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .registerConverter(Duration.class, Durations::parse)
                .setParameterExceptionHandler((e, ignored) -> usage(e))
                .setExecutionExceptionHandler((e, ignored, parsed) -> failure(e));
        if (System.getenv("NO_COLOR") != null) {
            line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
        }
        return line;
    }

    private static int usage(ParameterException e) {
        CommandLine line = e.getCommandLine();
        say(message(e));
        if (e instanceof UnmatchedArgumentException unmatched) {
            List<String> near = unmatched.getSuggestions();
            if (!near.isEmpty()) {
                System.err.println("Did you mean " + String.join(" or ", near) + "?");
            }
        }
        System.err.print(line.getHelp().synopsisHeading(Ansi.OFF) + line.getHelp().synopsis(0).stripTrailing() + System.lineSeparator());
        System.err.println("All options: " + line.getCommandSpec().qualifiedName() + " --help");
        return Problem.USAGE;
    }

    // A converter's own sentence is clearer than picocli's "Invalid value for option …: cannot convert".
    private static String message(ParameterException e) {
        String cause = e.getCause() instanceof IllegalArgumentException ? ": " + e.getCause().getMessage() : "";
        return e.getArgSpec() != null && !cause.isEmpty() && e.getArgSpec().isOption()
                ? ((CommandLine.Model.OptionSpec) e.getArgSpec()).longestName() + cause : e.getMessage();
    }

    private static int failure(Exception e) {
        if (e instanceof Problem problem) {
            say(problem.getMessage());
            return problem.exitCode();
        }
        say("unexpected " + e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage())
                + " (KLAVIYO_DEBUG=1 shows where)");
        if ("1".equals(System.getenv("KLAVIYO_DEBUG"))) {
            e.printStackTrace();
        }
        return BUG;
    }

    private static void say(String message) {
        System.err.println("error: " + Text.safe(message, 600));
    }
}
