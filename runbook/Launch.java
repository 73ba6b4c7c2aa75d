package runbook;

import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

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
        CommandLine line = new CommandLine(command);
        line.getCommandSpec().usageMessage().abbreviateSynopsis(true);
        line.getHelpSectionMap().put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, Launch::optionsByHeading);
        line.setExecutionStrategy(Launch::runOrComplete)
                .setDefaultValueProvider(new Defaults())
                .setUsageHelpWidth(80)
                .setUsageHelpLongOptionsMaxWidth(28)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .registerConverter(Duration.class, Durations::parse)
                .setParameterExceptionHandler((e, ignored) -> usage(e))
                .setExecutionExceptionHandler((e, ignored, parsed) -> failure(e));
        if (System.getenv("NO_COLOR") != null) {
            line.setColorScheme(Help.defaultColorScheme(Ansi.OFF));
        }
        return line;
    }

    private static int runOrComplete(ParseResult parsed) {
        if (!parsed.hasMatchedOption("--completion")) {
            return new CommandLine.RunLast().execute(parsed);
        }
        String shell = parsed.matchedOptionValue("--completion", "");
        if (!List.of("bash", "zsh").contains(shell)) {
            throw new Problem("--completion " + shell + ": there is bash, and zsh");
        }
        CommandLine line = parsed.commandSpec().commandLine();
        // picocli's script serves both: it turns on bash completion when it finds itself in zsh.
        System.out.println(AutoComplete.bash(line.getCommandName(), line));
        return 0;
    }

    /** The shared options are numbered by tens ({@link SharedOptions}); all others are the script's own. */
    private static final Map<Integer, String> HEADINGS = new TreeMap<>(Map.of(
            0, "This step:", 1010, "Where things are:", 1020, "The private key:", 1030, "This run:", 1040, "Output:"));

    private static String optionsByHeading(Help help) {
        StringBuilder text = new StringBuilder();
        HEADINGS.forEach((from, heading) -> {
            List<OptionSpec> options = help.commandSpec().options().stream()
                    .filter(option -> !option.hidden() && headingOf(option) == from)
                    .sorted(Comparator.comparingInt(OptionSpec::order))
                    .toList();
            if (!options.isEmpty()) {
                Help.Layout layout = help.createDefaultLayout(options, List.of(), help.colorScheme());
                layout.addAllOptions(options, help.parameterLabelRenderer());
                text.append(String.format("%n%s%n", heading)).append(layout);
            }
        });
        return text.toString();
    }

    private static int headingOf(OptionSpec option) {
        return option.usageHelp() || option.versionHelp()
                ? 1040
                : Math.max(0, option.order() < 1010 ? 0 : option.order() / 10 * 10);
    }

    private static int usage(ParameterException e) {
        CommandLine line = e.getCommandLine();
        say(message(e));
        if (e instanceof UnmatchedArgumentException unmatched && !unmatched.getSuggestions().isEmpty()) {
            System.err.println("Did you mean " + String.join(" or ", unmatched.getSuggestions()) + "?");
        }
        if (e.getArgSpec() instanceof OptionSpec option) {
            Help help = line.getHelp();
            Help.Layout layout = help.createDefaultLayout(List.of(option), List.of(), Help.defaultColorScheme(Ansi.OFF));
            layout.addOption(option, help.parameterLabelRenderer());
            System.err.print(layout);
        }
        System.err.println("Usage: " + line.getHelp().synopsis(0).strip() + "   ("
                + line.getCommandSpec().qualifiedName() + " --help lists the options)");
        return Problem.USAGE;
    }

    // A converter's own sentence is clearer than picocli's "Invalid value for option …: cannot convert".
    private static String message(ParameterException e) {
        String cause = e.getCause() instanceof IllegalArgumentException ? ": " + e.getCause().getMessage() : "";
        return e.getArgSpec() instanceof OptionSpec option && !cause.isEmpty() ? option.longestName() + cause : e.getMessage();
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
