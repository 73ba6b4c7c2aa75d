package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Screen.Host;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Settings.Value;
import runbook.Settings.Values;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool.Launcher;
import runbook.sandbox.*;
import runbook.sandbox.Sandbox.Scenario;

/**
 * The command line of every script. {@link #run(Object, Host, String...)} runs a command and turns whatever happens
 * into the documented exit code and one clear line. An instance is the mixin with the options that scripts share, and
 * what they add up to; a script has those of them that do something for it.
 */
@Command(addMethodSubcommands = false)
public final class Cli {
    /** The toolkit's version, shown by {@code --version} and written into what the scripts leave behind. */
    public static final String VERSION = "1.0.0";
    /** Set by a game day, whose sandbox is in another process: every screen and artefact has to say DRILL. */
    static final String GAME_DAY = "KLAVIYO_GAME_DAY";
    private static final String ERRORS = "sum by (status) (increase(klaviyo_api_errors_total[15m]))";
    /** The shared options as their help has them: heading, names, parameter, and the variable that sets them too. */
    private static final String TABLE = """
        Where things are:
        --api-url URL           Klaviyo's API (KLAVIYO_API_URL; https://a.klaviyo.com)
        --status-url URL        its status page (KLAVIYO_STATUS_URL; https://status.klaviyo.com)
        --app-url URL           our application's health endpoint (KLAVIYO_APP_URL)
        --webhook-url URL       where Klaviyo delivers to us (KLAVIYO_WEBHOOK_URL)
        --prometheus URL        anything that speaks its HTTP API (KLAVIYO_PROMETHEUS_URL)
        --errors-query PROMQL   our errors from Klaviyo by status; its [range] is set by each step \
        (klaviyo_api_errors_total)
        --revision DATE         API revision to ask for (KLAVIYO_REVISION; 2026-10-15)
        The private key:
        --key-file FILE         private key from a file, - for standard input \
        (else KLAVIYO_PRIVATE_KEY, or KLAVIYO_ACCESS_TOKEN for OAuth)
        --key-command CMD       private key from a command's output
        --insecure-http         send the key even where --api-url is plain http
        This run:
        --timeout DURATION      for each check (KLAVIYO_TIMEOUT; 5s)
        --incident DIR          the incident's folder (KLAVIYO_INCIDENT; the newest open one in ./klaviyo-incidents)
        --drill SCENARIO        run against the embedded sandbox: outage, revoked-key and others (list names all)
        --templates DIR         our own texts and tables, laid over the built-in ones file by file (KLAVIYO_TEMPLATES)
        --export-templates DIR  write the built-in texts and tables, to start a --templates folder with
        Output:
        --json                  machine-readable on standard output, text on standard error
        -v --verbose            everything, and where values came from
        -q --quiet              one line
        --no-color              no colours (NO_COLOR does the same)
        """;

    /** A row of that table, its heading and its place; {@code letter} and {@code variable} may be null. */
    record Shared(String heading, int place, String letter, String name, String label, String text, String variable) {
        private static final Pattern FORM =
                Pattern.compile("(?:(-\\w) )?--(\\S+) ?([A-Z]*)  +(.*?(?:\\((KLAVIYO_\\w+)[;)].*)?)");
        /** All of them, by their options' names. */
        static final Map<String, Shared> ALL = new LinkedHashMap<>();

        static {
            String heading = "";
            for (String line : TABLE.lines().toList()) {
                Matcher row = FORM.matcher(line);
                if (row.matches()) {
                    ALL.put(row.group(2), new Shared(heading, ALL.size(), row.group(1), row.group(2), row.group(3),
                            row.group(4), row.group(5)));
                } else {
                    heading = line;
                }
            }
        }
    }

    private static final Map<String, Class<?>> TYPES = Map.of("", boolean.class, "URL", URI.class,
            "DATE", Revision.class, "DURATION", Duration.class, "DIR", Path.class);
    /** Shared options are shown behind a script's own, in the table's order. */
    private static final int FIRST_SHARED = 1010;
    private static final String API = "api-url app-url webhook-url revision key-file key-command insecure-http";
    private static final String METRICS = " prometheus errors-query";
    private static final String SITES = API + " status-url timeout" + METRICS;
    private static final String EXPORT = " export-templates";
    private static final String ALL_BUT_TEXTS = SITES + " incident drill json verbose quiet" + EXPORT;
    /** What a command (the first pattern that fits) has no use for; all others it has. */
    private static final String[][] USELESS = {{"rotate-key", "status-url webhook-url" + EXPORT},
        {"watch", EXPORT}, {"postmortem handover", SITES + EXPORT},
        {"postmortem (event|import|export|close)", SITES + " templates" + EXPORT}, {"postmortem", API},
        {"debug-bundle (open|verify|redact)|drill|sandbox", ALL_BUT_TEXTS}, {".*", ""}};

    static {
        // No option has a type of these packages or is Groovy's: to look for those takes a twentieth of a start.
        System.getProperties().putIfAbsent("picocli.converters.excludes", "java.(sql|time).+");
        System.getProperties().putIfAbsent("picocli.disable.closures", "true");
    }

    private CommandSpec spec;
    private Host host;
    private Values values;
    private Screen screen;
    private Sandbox sandbox;
    private boolean printed;

    // ---- running a command

    /** Parses, runs a picocli command that is a {@code Callable<Integer>}, and gives the exit code. */
    public static int run(Object command, Host host, String... arguments) {
        CommandLine line = new CommandLine(command);
        int exit;
        try {
            Key.refuseIn(arguments);
            exit = prepare(line, host, arguments).execute(arguments);
        } catch (Problem problem) {
            exit = Screen.failure(problem, host, List.of(arguments).contains("--json"));
        } finally {
            commands(line).map(Cli::of).filter(cli -> cli.sandbox != null).forEach(cli -> cli.sandbox.close());
        }
        // Whoever takes the exit code for a verdict has to have got it.
        return !host.out().checkError() ? exit : Screen.failure(new Problem(1, "standard output was not taken to its"
                + " end (a full disk, or nobody reads it): this would have ended with exit code " + exit), host, false);
    }

    /**
     * A script's {@code main}. JBang archives the classes that a script's very first run loads, and never again: where
     * that was a look at the help, a rehearsal with arguments that need nothing is run too, unseen.
     */
    public static int main(Supplier<?> script, String[] arguments, String... rehearsal) {
        // On another thread, as it will be needed soon.
        daemons("ahead").newThread(() -> loadNested(CommandLine.class)).start();
        load("Screen Settings Tool");
        int exit = run(script.get(), Host.ofProcess(), arguments);
        boolean looked = Arrays.stream(arguments).anyMatch(Set.of("-h", "--help", "-V", "--version")::contains);
        if (looked && Arrays.stream(ProcessHandle.current().info().arguments().orElse(new String[0]))
                .anyMatch(argument -> argument.startsWith("-XX:ArchiveClassesAtExit="))) {
            PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
            Path home = Path.of(System.getProperty("java.io.tmpdir"), "rehearsal-" + ProcessHandle.current().pid());
            run(script.get(), new Host(Map.of("HOME", home.toString()), home, InputStream.nullInputStream(), nowhere,
                    nowhere), rehearsal);
        }
        Http.end();
        return exit;
    }

    /** Makes threads of that name, none of which keeps the process from ending. */
    public static ThreadFactory daemons(String name) {
        return work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        };
    }

    /** Loads a class's nested ones. JDK 17 has no classes as old as picocli's in its archives, and reads them anew. */
    private static void loadNested(Class<?> outer) {
        Stream.of(outer.getDeclaredClasses()).forEach(Cli::loadNested);
    }

    /**
     * Loads classes of the helper. Lambdas of nested classes come from JBang's class archive only where the outer class
     * was there before them.
     */
    static void load(String names) {
        try {
            for (String name : names.split(" ")) {
                Class.forName("runbook." + name);
            }
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Stream<CommandLine> commands(CommandLine line) {
        return Stream.concat(Stream.of(line), line.getSubcommands().values().stream());
    }

    private static Cli of(CommandLine line) {
        return (Cli) line.getCommandSpec().mixins().get("shared").userObject();
    }

    /** Gives a script's command lines the shared options that they have a use for, and values from elsewhere. */
    public static CommandLine prepare(CommandLine line, Host host, String... arguments) {
        Set<String> own = new TreeSet<>();
        commands(line).forEach(one -> one.getCommandSpec().options().forEach(option -> own.add(name(option))));
        Values values = new Values(host, line.getCommandName(), own, templatesIn(arguments));
        commands(line).forEach(one -> of(one).begin(one, host, values));
        line.getCommandSpec().usageMessage().abbreviateSynopsis(true);
        if (!host.terminal() || host.environment().containsKey("NO_COLOR")) {
            line.setColorScheme(Help.defaultColorScheme(Help.Ansi.OFF));
        }
        boolean asJson = List.of(arguments).contains("--json");
        return line.setDefaultValueProvider(argument -> argument instanceof OptionSpec option
                        ? values.of(name(option)).map(Value::text).orElse(null) : null)
                .setUsageHelpWidth(80).setUsageHelpLongOptionsMaxWidth(28).setCaseInsensitiveEnumValuesAllowed(true)
                .registerConverter(Duration.class, Durations::parse).registerConverter(Path.class, host::path)
                .registerConverter(URI.class, Settings::address).registerConverter(Revision.class, Revision::parse)
                .setExecutionStrategy(parsed -> of(line).given("export-templates", null) == null
                        ? new CommandLine.RunLast().execute(parsed) : of(line).exported())
                .setOut(new PrintWriter(host.out(), true)).setErr(new PrintWriter(host.err(), true))
                .setParameterExceptionHandler((e, given) -> Screen.usage(e, host, values, asJson))
                .setExecutionExceptionHandler((e, one, parsed) -> Screen.failure(e, host, asJson && !of(one).printed));
    }

    private void begin(CommandLine line, Host around, Values set) {
        spec = line.getCommandSpec();
        host = around;
        values = set;
        List<String> useless = useless(spec.qualifiedName());
        Shared.ALL.values().stream().filter(row -> !useless.contains(row.name))
                .forEach(row -> spec.addOption(option(row)));
        // A flag that is given is true: picocli takes it for the opposite of what is set.
        spec.options().stream().filter(option -> option.arity().max() == 0).toList().forEach(flag -> {
            spec.remove(flag);
            spec.addOption(flag.toBuilder().fallbackValue("true").build());
        });
        line.getHelpSectionMap().put("optionList", help -> Screen.options(help, values));
    }

    private static OptionSpec option(Shared row) {
        String[] names = Stream.of(row.letter, "--" + row.name).filter(Objects::nonNull).toArray(String[]::new);
        return OptionSpec.builder(names).type(TYPES.getOrDefault(row.label, String.class)).paramLabel(row.label)
                .description(row.text).order(FIRST_SHARED + row.place).build();
    }

    // Before anything is parsed: the team's settings may lie in that folder.
    private static Optional<String> templatesIn(String... arguments) {
        Matcher given = Pattern.compile("(?m)^--templates[=\n](.+)").matcher(String.join("\n", arguments));
        return given.results().map(match -> match.group(1)).reduce((first, last) -> last);
    }

    /** A long name without its dashes. */
    static String name(OptionSpec option) {
        return option.longestName().substring("--".length());
    }

    /** The shared options that a command has no use for. */
    static List<String> useless(String command) {
        return Stream.of(USELESS).filter(row -> command.matches("(?s)(" + row[0] + ")( .*)?")).findFirst()
                .map(row -> List.of(row[1].split(" "))).orElseThrow();
    }

    /** What was given or set for a shared option, else that: also where this command has no use for the option. */
    private <T> T given(String name, T otherwise) {
        Optional<T> value = Optional.ofNullable(spec.findOption("--" + name)).map(OptionSpec::getValue);
        return value.orElse(otherwise);
    }

    /** Writes the texts and tables that came with this script; what only other steps carry is written by those. */
    private int exported() {
        Screen shown = screen();
        Path folder = given("export-templates", null);
        String words = " --export-templates " + Text.word(folder.toString());
        Templates.export(folder).forEach(file -> shown.marked(Screen.Mark.OK, "", 0, file.toString()));
        for (String step : spec.name().equals("triage") ? List.of("debug-bundle", "postmortem") : List.<String>of()) {
            String command = launcher().command(step) + words;
            if (!Templates.complete(folder) && !ran(command)) {
                shown.line(step + " has more of them, which it did not write:");
                shown.command(2, command);
            }
        }
        shown.line("Change what you need, delete the rest:" + words.replace("export-", "") + " lays them over.");
        return 0;
    }

    private boolean ran(String command) {
        try {
            return Tool.step(host, command).ok();
        } catch (Tool.Failure e) {
            return false;
        }
    }

    // ---- options by their names and headings

    /** Whether it is one of the options that scripts share. */
    public static boolean shared(OptionSpec option) {
        return Shared.ALL.containsKey(name(option));
    }

    /** What stands above an option in the help. */
    static String heading(OptionSpec option) {
        return shared(option) ? Shared.ALL.get(name(option)).heading : "This step:";
    }

    // ---- what the options add up to

    /** What surrounds this run. */
    public Host host() {
        return host;
    }

    /** A value that a team or person has set for any script, {@code rotate-key.to}; empty where there is none. */
    public Optional<String> setting(String name) {
        return values.of(name).map(Value::text);
    }

    /** Whether machine-readable output was asked for. */
    public boolean json() {
        return given("json", false);
    }

    /** Prints a document, as {@link Json#of} makes it a tree, on standard output, where that was asked for. */
    public void print(Supplier<?> document) {
        if (json()) {
            host.print(Json.pretty(document.get()));
            printed = true;
        }
    }

    /** The same on one line: for one of many. */
    public void printLine(Supplier<?> document) {
        if (json()) {
            host.print(Json.line(document.get()));
        }
    }

    /** A screen on standard output, or on standard error under {@code --json}. */
    public Screen screen() {
        boolean verbose = given("verbose", false);
        boolean quiet = given("quiet", false);
        if (verbose && quiet) {
            throw new Problem("-v and -q exclude each other: give one");
        }
        if (screen == null) {
            Screen.Level level = quiet ? Screen.Level.ONE_LINE : Screen.Level.SHORT;
            screen = new Screen(host, json() ? host.err() : host.out(), given("no-color", false),
                    verbose ? Screen.Level.ALL : level);
            List<String> set = verbose ? values.elsewhere(spec) : List.of();
            set.forEach(origin -> screen.marked(Screen.Mark.NONE, "set", 0, origin));
        }
        return screen;
    }

    /** A team's texts and tables over the built-in ones. */
    public Templates templates() {
        return values.templates();
    }

    /** The drill's scenario, or that of the game day around us ({@code drill}); empty in earnest. */
    public Optional<String> drill() {
        return Optional.<String>ofNullable(given("drill", null)).or(() -> host.env(GAME_DAY));
    }

    /** What follows the drill's scenario after a colon, as in {@code revoked-key:restart}. */
    public Optional<String> variant() {
        return drill().filter(name -> name.contains(":")).map(name -> name.replaceFirst(".*?:", ""));
    }

    /** The time allowed for each check. */
    public Duration timeout() {
        return given("timeout", Duration.ofSeconds(5));
    }

    /** The sandbox behind {@code --drill}, started by who asks first, closed when the run ends; empty in earnest. */
    public Optional<Sandbox> sandbox() {
        String drill = given("drill", null);
        if (drill != null && sandbox == null) {
            String name = Incident.scenario(drill);
            Map<String, Scenario> all = Scenario.all(templates());
            if (!all.containsKey(name)) {
                throw new Problem(values.named("drill", drill, "--drill " + Text.safe(drill, 40))
                        + ": no such scenario" + Text.hint(name, all.keySet()));
            }
            sandbox = new Sandbox(all.get(name));
        }
        return Optional.ofNullable(sandbox);
    }

    /** Where to look and with which key; in a drill, the sandbox's. */
    public Settings settings() {
        Settings.Target given = new Settings.Target(klaviyo("api-url", Settings.Target.KLAVIYO.api()),
                klaviyo("status-url", Settings.Target.KLAVIYO.status()), given("app-url", null),
                given("webhook-url", null), given("prometheus", null), false);
        Optional<Sandbox> drilled = sandbox();
        Settings.Target target = drilled.map(Sandbox::target).orElse(given);
        Map<String, String> proxies = drilled.isPresent() ? Map.of() : host.environment();
        Optional<Key> key = drilled.isPresent() ? drilled.map(Sandbox::key).map(Key::of)
                : Key.read(host, "--key", given("key-file", null), given("key-command", null), "KLAVIYO_PRIVATE_KEY",
                        "KLAVIYO_ACCESS_TOKEN");
        if (key.isPresent() && !given("insecure-http", false)) {
            Settings.refuseOpen(values.named("api-url", given.api().toString(), "--api-url"), target.api(), proxies);
        }
        String revision = Optional.<Revision>ofNullable(given("revision", null)).map(Revision::text)
                .or(() -> drilled.map(Sandbox::revision)).orElse(Revision.NEWEST.text());
        Settings.Probing probing = new Settings.Probing(timeout(), 3, Endpoint.KNOWN, given("errors-query", ERRORS),
                List.of());
        return new Settings(target, key, revision, probing, drill(), proxies, templates());
    }

    private URI klaviyo(String option, URI usual) {
        URI address = given(option, usual);
        if (address.getRawUserInfo() != null) {
            throw new Problem(values.named(option, address.toString(), "--" + option)
                    + " has a login in it, which Klaviyo does not ask for: leave out what stands before the @");
        }
        return address;
    }

    /** The incidents of this folder, or of the team setting {@code incidents}; a drill's apart from real ones. */
    public Incident.Choice incidents() {
        Path base = host.path(setting("incidents").orElse(Incident.BASE));
        return new Incident.Choice(base, given("incident", null), drill().orElse(""));
    }

    // ---- printed commands

    /** How to paste the next script: started as this one was, with what was given here about where things are. */
    public Launcher launcher() {
        return Launcher.of(host, spec.commandLine().getParseResult().matchedOptions(), this::setting);
    }

    /** What {@code --json} says comes next; {@code when} is now, later (ask again) or never (nothing to do). */
    public static JsonNode advice(String when, String text, String command) {
        return Json.object().put("when", when).put("text", text).put("command", command);
    }
}
