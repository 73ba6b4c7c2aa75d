import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import runbook.*;

/**
 * The parts of README.md that are made from the project: {@code <!-- screen: triage --drill outage -->} is what that
 * command shows, {@code <!-- options: triage -->} the options that only that step has,
 * {@code <!-- shared options -->} the others.
 */
final class Readme {
    static final Path FILE = Repository.file("README.md");
    private static final Pattern BLOCK =
            Pattern.compile("(?s)<!-- (screen: [^>]+|options: [^>]+|shared options) -->\n.*?<!-- end -->");
    /** Shared options are numbered from here (runbook.Cli); lower ones are a step's own. */
    private static final int FIRST_SHARED = 1010;
    /** A longer screen is shown without its middle. */
    private static final int HALF = 16;
    private static final int ANY_HEADING = Integer.MAX_VALUE;

    private Readme() { }

    /** The text with each wanted block made anew; {@code wanted} sees {@code options: triage}. */
    static String renew(String readme, Predicate<String> wanted) {
        return BLOCK.matcher(readme).replaceAll(block ->
                Matcher.quoteReplacement(wanted.test(block.group(1)) ? made(block) : block.group()));
    }

    /** Writes all of it anew, the picture of a watch too: {@code ./jbang test --readme}. */
    static void write() throws IOException {
        Run.script("watch").args("--drill", "recovering", "--chart", Repository.file("pictures/watch.svg").toString())
                .cwd(Tree.temporary("watch")).timeout(Duration.ofMinutes(3)).run();
        Files.writeString(FILE, renew(Files.readString(FILE), block -> true));
    }

    private static String made(MatchResult block) {
        String what = block.group(1);
        String name = what.replaceFirst("^\\w+: ", "");
        String content = what.startsWith("screen: ") ? "```text\n" + screen(name) + "```\n"
                : what.startsWith("options: ") ? options(name, 0, FIRST_SHARED)
                : options("triage", FIRST_SHARED, ANY_HEADING);
        return "<!-- " + what + " -->\n" + content + "<!-- end -->";
    }

    // What the last of these commands shows, one after the other in one folder: a postmortem wants an incident.
    private static String screen(String commands) {
        Path folder = Tree.temporary("readme");
        String command = "";
        String out = "";
        for (String each : commands.split("; ")) {
            command = each;
            String[] words = command.split(" ");
            Run script = Run.script(words[0]).args(List.of(words).subList(1, words.length).toArray(String[]::new));
            script.env("KLAVIYO_RUNBOOK_CATALOG", "org").env("COLUMNS", "100").cwd(folder);
            out = script.timeout(Duration.ofMinutes(2)).run().out();
        }
        // Names of temporary folders say nothing, and are as long as a line.
        List<String> shown = out.replaceAll("/tmp/klaviyo-(drill|readme-)\\d+", "/tmp/klaviyo-$1").lines().toList();
        Stream<List<String>> parts = shown.size() <= 2 * HALF ? Stream.of(shown)
                : Stream.of(shown.subList(0, HALF), List.of("  […]"), shown.subList(shown.size() - HALF, shown.size()));
        return "$ jbang " + command.replaceFirst(" |$", "@org ").strip() + "\n"
                + parts.flatMap(List::stream).map(line -> line + "\n").collect(Collectors.joining());
    }

    private static String options(String step, int from, int to) {
        Screen.Host host = new Screen.Host(Map.of(), Repository.ROOT, null, System.out, System.err);
        CommandSpec spec = Cli.prepare(new CommandLine(Run.commandOf(step)), host).getCommandSpec();
        Stream<OptionSpec> own = spec.options().stream().filter(option -> !option.hidden() && !option.usageHelp()
                && !option.versionHelp() && option.order() >= from && option.order() < to);
        String rows = own.sorted(Comparator.comparingInt(OptionSpec::order)).map(Readme::row)
                .collect(Collectors.joining());
        String subcommands = from > 0 ? "" : spec.subcommands().values().stream().map(CommandLine::getCommandSpec)
                .map(sub -> "| `" + sub.name() + "` | " + String.join(" ", sub.usageMessage().description()) + " |\n")
                .collect(Collectors.joining());
        return "| option | |\n|---|---|\n" + rows + subcommands;
    }

    private static String row(OptionSpec option) {
        String label = option.arity().max() == 0 ? "" : " " + option.paramLabel();
        String words = String.join(" ", option.description())
                .replace("${DEFAULT-VALUE}", String.valueOf(option.defaultValue()))
                .replace("${COMPLETION-CANDIDATES}", "the scenarios of `templates/scenarios.json`").replace("|", "\\|");
        return "| `" + String.join("`, `", option.names()) + label + "` | " + words + " |\n";
    }
}
