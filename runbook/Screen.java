package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.time.format.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import runbook.Settings.Problem;
import runbook.Settings.Values;
import runbook.Text.Json;

/**
 * What people see: aligned, wrapped to the terminal's width, coloured only on a terminal, in ASCII where the
 * terminal's character set has no symbols. Control characters in what it is given never reach the terminal.
 */
public final class Screen {
    /** One symbol a line; colour only repeats what the symbol says. */
    public enum Mark {
        OK("✓", "+", "32"), WARN("!", "!", "33"), FAIL("✗", "x", "31"), SKIP("–", "-", "2"), NONE(" ", " ", "0");

        private final String symbol;
        private final String ascii;
        private final String color;

        Mark(String symbol, String ascii, String color) {
            this.symbol = symbol;
            this.ascii = ascii;
            this.color = color;
        }
    }

    /**
     * What surrounds a script, and nothing in {@code runbook/} looks past: variables, the current folder (empty for the
     * process's own), streams with the character set of what is written, and whether a person is at both their ends.
     */
    public record Host(Map<String, String> environment, Path folder, InputStream in, PrintStream out, PrintStream err,
                       Charset charset, boolean terminal) {
        /** Streams in UTF-8, and no terminal. */
        public Host(Map<String, String> environment, Path folder, InputStream in, PrintStream out, PrintStream err) {
            this(environment, folder, in, out, err, StandardCharsets.UTF_8, false);
        }

        /** This process. */
        public static Host ofProcess() {
            Charset charset = Stream.of("stdout.encoding", "sun.stdout.encoding", "native.encoding")
                    .map(System::getProperty).filter(name -> name != null && Charset.isSupported(name)).findFirst()
                    .map(Charset::forName).orElse(StandardCharsets.UTF_8);
            return new Host(System.getenv(), Path.of(""), System.in,
                    new PrintStream(new FileOutputStream(FileDescriptor.out), true, charset),
                    new PrintStream(new FileOutputStream(FileDescriptor.err), true, charset), charset, atTerminal());
        }

        // From Java 22 on there is a console also without a terminal, and it tells.
        private static boolean atTerminal() {
            try {
                return System.console() != null
                        && (boolean) Console.class.getMethod("isTerminal").invoke(System.console());
            } catch (ReflectiveOperationException e) {
                return true;
            }
        }

        /** A variable's value; empty where it is not set, or blank. */
        public Optional<String> env(String name) {
            return Optional.ofNullable(environment.get(name)).filter(value -> !value.isBlank());
        }

        /** Prints a document on standard output: in UTF-8, as JSON has it, whatever the terminal's character set. */
        void print(String json) {
            out.writeBytes((json + "\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        }

        /** A path that somebody wrote, from the current folder. */
        public Path path(String text) {
            return folder.toString().isEmpty() ? Path.of(text) : folder.resolve(text);
        }

        /** The person's home folder. */
        public Path home() {
            return Path.of(env("HOME").orElse(System.getProperty("user.home")));
        }
    }

    private static final int WIDTH_WITHOUT_TERMINAL = 100;
    private static final int NARROWEST = 40;
    private static final Pattern CONTROLS = Pattern.compile("[\\p{Cc}\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]");

    private final Host host;
    private final PrintStream out;
    private final boolean color;
    private final boolean unicode;
    private final Level level;
    private final ZoneId zone = ZoneId.systemDefault();
    /** Columns to fit into; 0 before anybody asked. */
    private int width;

    /** How much is shown: a verdict alone, what is wrong and what comes next, or everything. */
    public enum Level { ONE_LINE, SHORT, ALL }

    /** A screen on one of the host's streams, without colours where those were declined. */
    public Screen(Host host, PrintStream out, boolean noColor, Level level) {
        this.host = host;
        this.out = out;
        this.level = level;
        color = host.terminal() && !noColor && !host.environment().containsKey("NO_COLOR") && Help.Ansi.AUTO.enabled();
        unicode = host.charset().newEncoder().canEncode("✓–…└");
    }

    /** Whether everything is shown. */
    public boolean verbose() {
        return level == Level.ALL;
    }

    /** Whether one line alone is shown. */
    public boolean quiet() {
        return level == Level.ONE_LINE;
    }

    /** A terminal's rows and columns. */
    public record Size(int rows, int columns) {
        private static final Pattern FORM = Pattern.compile("(\\d{1,4}) (\\d{1,4})");

        /** As the terminal itself has it now, else as the shell does, else 24 by 80. */
        public static Size of(Host host) {
            String shell = host.env("LINES").orElse("24") + " " + host.env("COLUMNS").orElse("80");
            Matcher size = Stream.of(asked(host), shell, "24 80").map(FORM::matcher).filter(Matcher::matches)
                    .findFirst().orElseThrow();
            return new Size(Integer.parseInt(size.group(1)), Integer.parseInt(size.group(2)));
        }

        private static String asked(Host host) {
            try {
                Tool tool = Tool.of(host, Duration.ofSeconds(2));
                return tool.run(tool.shell("stty size </dev/tty")).out().strip();
            } catch (Tool.Failure e) {
                return "";
            }
        }
    }

    /** Columns to fit into: what somebody set, else what the terminal has. */
    public int width() {
        if (width == 0) {
            Optional<String> set = host.env("COLUMNS").filter(columns -> columns.matches("\\d{1,4}"));
            int terminal = host.terminal() ? set.map(Integer::parseInt).orElseGet(() -> Size.of(host).columns)
                    : WIDTH_WITHOUT_TERMINAL;
            width = Math.max(NARROWEST, terminal);
        }
        return width;
    }

    /** The terminal may have another size by now: it is asked again. */
    public void resized() {
        width = 0;
    }

    /** An empty line. */
    public void line() {
        print("");
    }

    /** Plain text, wrapped. */
    public void line(String text) {
        entry(Mark.NONE, "", text, "0");
    }

    /** A heading, bold on a terminal. */
    public void heading(String text) {
        entry(Mark.NONE, "", text, "1");
    }

    /** A list's entry: its lead, or an indent, then text wrapped beside it. */
    public void item(String lead, String text) {
        entry(Mark.NONE, lead, text, "0");
    }

    /** A line with a symbol: {@code ✓ auth      Acme (AbC123)}; the label padded to {@code labelWidth}. */
    public void marked(Mark mark, String label, int labelWidth, String text) {
        String padded = label + " ".repeat(Math.max(0, labelWidth - label.length()));
        entry(mark, symbol(mark) + (padded.isEmpty() ? "" : padded + "  "), text, "0");
    }

    /** A verdict: a symbol and bold words. The one line that is shown where one alone was asked for, unwrapped then. */
    public void verdict(Mark mark, String text) {
        if (level == Level.ONE_LINE) {
            out.println(symbol(mark) + clean(text));
            out.flush();
        } else {
            entry(mark, symbol(mark), text, "1");
        }
    }

    private String symbol(Mark mark) {
        return (unicode ? mark.symbol : mark.ascii) + " ";
    }

    /** A command to paste: never wrapped, for a wrapped command pastes wrong. */
    public void command(int columns, String command) {
        print(" ".repeat(columns) + paint("36", clean(command)));
    }

    /**
     * The same for a picture, which the terminal must not wrap: over as many lines as the columns need, that a shell
     * reads as one command. Each but the last ends in a backslash, and none may be indented.
     */
    public List<String> folded(String command, int columns) {
        List<String> lines = new ArrayList<>();
        String rest = clean(command);
        while (rest.length() > columns) {
            int cut = columns - (rest.charAt(columns - 3) == '\\' ? 3 : 2);
            // Inside of a quoted word, the quotes are closed before the line ends, and opened again.
            String open = rest.substring(0, cut).replaceAll("'[^']*'|\\\\.", "");
            String quote = open.contains("'") ? "'" : "";
            lines.add(paint("36", rest.substring(0, cut) + quote + "\\"));
            rest = quote + rest.substring(cut);
        }
        lines.add(paint("36", rest));
        return lines;
    }

    /** Text as it is, line by line: a message, a tree. Only control characters are taken out. */
    public void verbatim(String text) {
        text.lines().forEach(line -> print(clean(line)));
    }

    /** A marked line cut at a terminal's edge, with one column free, for a picture that is painted again and again. */
    public String cut(Mark mark, String text, int columns) {
        String line = clean(symbol(mark) + text).stripTrailing();
        String plain = unicode ? line : line.replaceAll("[^\\x20-\\x7e]", "?");
        if (plain.codePointCount(0, plain.length()) >= columns) {
            plain = plain.substring(0, plain.offsetByCodePoints(0, columns - 2)) + either("…", "~");
        }
        return paint(mark.color, plain);
    }

    /** The text where the terminal can show it, else its stand-in. */
    public String either(String symbols, String ascii) {
        return unicode ? symbols : ascii;
    }

    /** In UTC, with the local time beside it where that is another: {@code 2026-11-23T03:04:05Z (04:04 CET)}. */
    public String time(Instant at) {
        String utc = at.truncatedTo(ChronoUnit.SECONDS).toString();
        boolean same = zone.getRules().getOffset(at).equals(ZoneOffset.UTC);
        return same ? utc : utc + DateTimeFormatter.ofPattern(" (HH:mm zzz)").withZone(zone).format(at);
    }

    private void print(String line) {
        if (level != Level.ONE_LINE) {
            out.println(line);
            out.flush();
        }
    }

    private void entry(Mark mark, String lead, String text, String style) {
        String head = paint(mark.color, clean(lead));
        for (String line : wrap(clean(text), Math.max(20, width() - lead.length()))) {
            print((head + paint(style, line)).stripTrailing());
            head = " ".repeat(lead.length());
        }
    }

    private String paint(String code, String text) {
        return color && !code.equals("0") && !text.isBlank() ? "\u001b[" + code + "m" + text + "\u001b[0m" : text;
    }

    private String clean(String text) {
        String masked = Key.mask(CONTROLS.matcher(text).replaceAll(" "));
        return unicode ? masked : masked.replace("…", "...").replace("→", "->")
                .replace('—', '-').replace('–', '-').replace('·', '|').replace('×', 'x');
    }

    // At the last space that fits, none of them a no-break one, or in a word that is longer than a line.
    private static List<String> wrap(String text, int columns) {
        List<String> lines = new ArrayList<>();
        String rest = text.stripTrailing();
        while (rest.length() > columns) {
            int space = rest.lastIndexOf(' ', columns);
            int end = space < 0 ? columns : space;
            lines.add(rest.substring(0, end));
            rest = rest.substring(end).stripLeading();
        }
        lines.add(rest);
        return lines.stream().map(line -> line.replace('\u00a0', ' ')).toList();
    }

    // ---- a script's help

    /** A command's options under their headings, and what has a value already. */
    static String options(Help help, Values values) {
        StringBuilder text = new StringBuilder();
        help.commandSpec().options().stream().sorted(Comparator.comparingInt(OptionSpec::order))
                .collect(Collectors.groupingBy(Cli::heading, LinkedHashMap::new, Collectors.toList()))
                .forEach((heading, some) -> text.append(String.format("%n%s%n", heading)).append(layout(help, some)));
        List<String> elsewhere = values.elsewhere(help.commandSpec());
        text.append(elsewhere.isEmpty() ? "" : String.format("%nSet already:%n"));
        elsewhere.forEach(line -> text.append(String.format("  %s%n", line)));
        return text.toString();
    }

    /** Some of a command's options, a row each. */
    static Help.Layout layout(Help help, List<OptionSpec> some) {
        Help.Layout layout = help.createDefaultLayout(some, List.of(), help.colorScheme());
        layout.addAllOptions(some, help.parameterLabelRenderer());
        return layout;
    }

    // ---- what went wrong, and the exit code for it

    /** Says what is wrong with a command line, and how it is written. */
    static int usage(ParameterException e, Host host, Values values, boolean asJson) {
        CommandLine line = e.getCommandLine();
        String said = e.getMessage();
        if (e instanceof CommandLine.UnmatchedArgumentException unknown) {
            Set<String> known = new TreeSet<>(line.getCommandSpec().optionsMap().keySet());
            known.addAll(line.getSubcommands().keySet());
            said += Text.guess(unknown.getUnmatched().get(0).split("=")[0], known);
        } else if (e.getArgSpec() instanceof OptionSpec option) {
            // A converter's own sentence is clearer than picocli's "Invalid value for option …: cannot convert".
            boolean ours = e.getCause() instanceof IllegalArgumentException;
            String why = ours ? option.longestName() + ": " + e.getCause().getMessage() : said;
            said = values.named(Cli.name(option), e.getValue(), why);
        }
        int exit = refused(Problem.USAGE, said, host, asJson);
        if (e.getArgSpec() instanceof OptionSpec option) {
            host.err().print(layout(line.getHelp(), List.of(option)));
        }
        host.err().println("Usage: " + line.getHelp().synopsis(0).strip() + "   ("
                + line.getCommandSpec().qualifiedName() + " --help lists the options)");
        return exit;
    }

    /** Says what a command ended with: what a person can mend, or that it is a bug. */
    static int failure(Exception e, Host host, boolean asJson) {
        if (e instanceof Problem problem) {
            return refused(problem.exitCode(), problem.getMessage(), host, asJson);
        } else if ("1".equals(host.environment().get("KLAVIYO_DEBUG"))) {
            e.printStackTrace(host.err());
        }
        String what = e instanceof IOException failed ? "reading or writing failed: " + Incident.why(failed)
                : "unexpected " + e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage());
        return refused(1, what + " (KLAVIYO_DEBUG=1 shows where)", host, asJson);
    }

    // To people and, where a run did not say so itself, to whoever reads JSON.
    private static int refused(int exit, String message, Host host, boolean asJson) {
        String said = Text.safe(message, 600);
        host.err().println("error: " + said);
        if (asJson) {
            // On one line, as watch prints each of its documents.
            host.print(Json.line(Json.object().put("schema", 1).put("error", said).put("exit", exit)
                    .set("advice", Cli.advice("now", said, null))));
        }
        return exit;
    }

    /**
     * What one check found, ready to show: its name ({@code endpoint:profiles}), a line that is safe to print, the time
     * it took, the HTTP status that decided it or null, more as JSON, and the answer to the decision tree's question.
     */
    public record Check(String name, Outcome outcome, String summary, long millis, Integer http, JsonNode detail,
            String state) {
        /** How a check ends. */
        public enum Outcome implements Text.Named { OK, WARN, FAIL, SKIPPED }

        /** A check of which the tree asks nothing by itself. */
        public Check(String name, Outcome outcome, String summary, long millis, Integer http, JsonNode detail) {
            this(name, outcome, summary, millis, http, detail, "");
        }

        /** A check that was not made, and why not. */
        static Check skipped(String name, String why) {
            return new Check(name, Outcome.SKIPPED, why, 0, null, Json.object(), "not asked");
        }

        /** The check as the JSON of {@code triage --json}. */
        public JsonNode json() {
            return inShort().set("detail", Json.of(detail));
        }

        /** The same without its detail, as the journal has it. */
        public ObjectNode inShort() {
            ObjectNode object = Json.object().put("name", name).put("outcome", outcome.word())
                    .put("summary", summary).put("millis", millis);
            return object.set("http", Json.of(http));
        }
    }

    /** What is told together: checks that came to the same, or one alone. */
    public record Group(List<String> names, Check.Outcome outcome, String text) {
        private static final int SHORTEST = 110;

        /** A check by itself, with the time that it took. */
        public static Group of(Check check) {
            String time = check.millis() > 0 ? " [" + check.millis() + " ms]" : "";
            return new Group(List.of(check.name()), check.outcome(), check.summary() + time);
        }

        /** Checks in their order, those together that tell the same. */
        public static List<Group> of(List<Check> checks, Function<Check, String> told) {
            Map<String, Group> groups = new LinkedHashMap<>();
            for (Check check : checks) {
                String text = told.apply(check);
                // Samples that failed in two ways may have done so in either order.
                Set<String> same = new TreeSet<>(List.of(withoutRay(text).split("; ")));
                groups.computeIfAbsent(check.outcome() + " " + same, key ->
                        new Group(new ArrayList<>(), check.outcome(), text)).names
                        .add(check.name().replace("endpoint:", ""));
            }
            return List.copyOf(groups.values());
        }

        /** Each answer of the content network's has a ray of its own: what differs in nothing else is the same. */
        static String withoutRay(String words) {
            return words.replaceAll(" \\(cf-ray [^)]*\\)", "");
        }

        /** {@code profiles, lists and 3 more}. */
        public String name() {
            return names.size() <= 3 ? String.join(", ", names)
                    : names.get(0) + ", " + names.get(1) + " and " + (names.size() - 2) + " more";
        }

        /** Each in a few lines, so many of them; or whole and aligned where all are shown. */
        public static void show(Screen screen, List<Group> groups, int most) {
            boolean all = most == Integer.MAX_VALUE;
            int width = groups.stream().mapToInt(group -> group.name().length()).max().orElse(0);
            groups.stream().limit(most).forEach(group -> {
                Mark mark = group.outcome == Check.Outcome.SKIPPED ? Mark.SKIP : Mark.valueOf(group.outcome.name());
                String few = Text.safe(group.text, Math.max(SHORTEST, 2 * screen.width() - 40));
                screen.marked(mark, group.name(), all ? width : 0, all ? group.text : few);
            });
            if (groups.size() > most) {
                screen.item("  ", "and " + Text.count(groups.size() - most, "more finding"));
            }
        }
    }
}
