package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Screen.Host;
import runbook.Screen.Launcher;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Settings.Value;
import runbook.Settings.Values;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Text.Nearest;
import runbook.sandbox.*;
import runbook.sandbox.Sandbox.Scenario;

/**
 * The command line of every script. {@link #run(Object, String...)} runs a command and turns whatever happens into the
 * documented exit code and one clear line. An instance is the mixin with the options that scripts share, and what they
 * add up to; a script has those of them that do something for it.
 */
public final class Cli {
    /** The toolkit's version, shown by {@code --version} and written into what the scripts leave behind. */
    public static final String VERSION = "1.0.0";
    private static final int BUG = 1;
    /** The shared options are numbered from here on, by tens under one heading; lower ones are a script's own. */
    private static final int FIRST_SHARED = 1010;
    private static final int OUTPUT = 1040;
    private static final Map<Integer, String> HEADINGS = Map.of(0, "This step:",
            FIRST_SHARED, "Where things are:", 1020, "The private key:", 1030, "This run:", OUTPUT, "Output:");
    /** Of the shared ones, what does not carry over to printed commands. */
    private static final Set<String> HERE = Set.of("json", "verbose", "quiet", "no-color");
    private static final String API = "api-url app-url webhook-url revision key-file key-command insecure-http";
    private static final String SITES = API + " status-url prometheus timeout";
    private static final String EXPORT = " export-templates";
    private static final String ALL_BUT_TEXTS = SITES + " incident drill json verbose quiet" + EXPORT;
    /** What a command (the first pattern that fits) has no use for; all others it has. */
    private static final String[][] USELESS = {{"rotate-key", "status-url webhook-url" + EXPORT},
        {"watch", EXPORT}, {"postmortem handover", SITES + EXPORT},
        {"postmortem (event|import|export|close)", SITES + " templates" + EXPORT}, {"postmortem", API},
        {"debug-bundle (open|verify|redact)|drill|sandbox", ALL_BUT_TEXTS}, {".*", ""}};
    /** Set by a game day, whose sandbox is in another process: every screen and artefact has to say DRILL. */
    static final String GAME_DAY = "KLAVIYO_GAME_DAY";

    // ---- the options

    // Where things are.
    @Option(names = "--api-url", paramLabel = "URL", defaultValue = "https://a.klaviyo.com", order = 1010,
            description = "Klaviyo's API (KLAVIYO_API_URL; ${DEFAULT-VALUE})")
    URI apiUrl = Settings.Target.KLAVIYO.api();
    @Option(names = "--status-url", paramLabel = "URL", defaultValue = "https://status.klaviyo.com", order = 1011,
            description = "its status page (KLAVIYO_STATUS_URL; ${DEFAULT-VALUE})")
    URI statusUrl = Settings.Target.KLAVIYO.status();
    @Option(names = "--app-url", paramLabel = "URL", order = 1012,
            description = "our application's health endpoint (KLAVIYO_APP_URL)")
    URI appUrl;
    @Option(names = "--webhook-url", paramLabel = "URL", order = 1013,
            description = "where Klaviyo delivers to us (KLAVIYO_WEBHOOK_URL)")
    URI webhookUrl;
    @Option(names = "--prometheus", paramLabel = "URL", order = 1014,
            description = "anything that speaks its HTTP API (KLAVIYO_PROMETHEUS_URL)")
    URI prometheusUrl;
    @Option(names = "--revision", paramLabel = "DATE", order = 1015,
            description = "API revision to ask for (KLAVIYO_REVISION; 2026-10-15)")
    Revision revision;
    // The private key.
    @Option(names = "--key-file", paramLabel = "FILE", order = 1020,
            description = "private key from a file, - for standard input "
                    + "(else KLAVIYO_PRIVATE_KEY, or KLAVIYO_ACCESS_TOKEN for OAuth)")
    String keyFile;
    @Option(names = "--key-command", paramLabel = "CMD", order = 1021,
            description = "private key from a command's output")
    String keyCommand;
    @Option(names = "--insecure-http", order = 1022, description = "send the key even where --api-url is plain http")
    boolean insecureHttp;
    // This run.
    @Option(names = "--timeout", paramLabel = "DURATION", defaultValue = "5s", order = 1030,
            description = "for each check (KLAVIYO_TIMEOUT; ${DEFAULT-VALUE})")
    Duration timeout = Duration.ofSeconds(5);
    @Option(names = "--incident", paramLabel = "DIR", order = 1031,
            description = "the incident's folder (KLAVIYO_INCIDENT; the newest open one in ./klaviyo-incidents)")
    Path incident;
    @Option(names = "--drill", paramLabel = "SCENARIO", order = 1032,
            description = "run against the embedded sandbox: outage, revoked-key and others (list names all)")
    String drill;
    @Option(names = "--templates", paramLabel = "DIR", order = 1033,
            description = "our own texts and tables, laid over the built-in ones file by file (KLAVIYO_TEMPLATES)")
    Path templatesFolder;
    @Option(names = "--export-templates", paramLabel = "DIR", order = 1034,
            description = "write the built-in texts and tables, to start a --templates folder with")
    Path export;
    // Its output.
    @Option(names = "--json", order = 1040, description = "machine-readable on standard output, text on standard error")
    boolean json;
    @Option(names = {"-v", "--verbose"}, order = 1041, description = "everything, and where values came from")
    boolean verbose;
    @Option(names = {"-q", "--quiet"}, order = 1042, description = "one line")
    boolean quiet;
    @Option(names = "--no-color", order = 1043, description = "no colours (NO_COLOR does the same)")
    boolean noColor;

    @Spec(Spec.Target.MIXEE)
    CommandSpec spec;
    private Host host;
    private Values values;
    private Screen screen;
    private Sandbox sandbox;
    private boolean printed;

    // ---- running a command

    /** Parses, runs a picocli command that is a {@code Callable<Integer>}, and gives the exit code. */
    public static int run(Object command, Host host, String... arguments) {
        CommandLine line = new CommandLine(command);
        List<CommandLine> all = Stream.concat(Stream.of(line), line.getSubcommands().values().stream()).toList();
        try {
            Key.refuseIn(arguments);
            prepare(all, host, arguments);
            return line.execute(arguments);
        } catch (Problem problem) {
            return failure(problem, host, List.of(arguments).contains("--json"));
        } finally {
            all.forEach(one -> mixin(one).filter(cli -> cli.sandbox != null).ifPresent(cli -> cli.sandbox.close()));
            host.out().flush();
            host.err().flush();
        }
    }

    /**
     * A script's {@code main}. JBang archives the classes that a script's very first run loads, and never again: where
     * that was a look at the help, a rehearsal with arguments that need nothing is run too, unseen.
     */
    public static int main(Supplier<?> script, String[] arguments, String... rehearsal) {
        int exit = run(script.get(), Host.ofProcess(), arguments);
        boolean looked = Arrays.stream(arguments).anyMatch(Set.of("-h", "--help", "-V", "--version")::contains);
        if (looked && Arrays.stream(ProcessHandle.current().info().arguments().orElse(new String[0]))
                .anyMatch(argument -> argument.startsWith("-XX:ArchiveClassesAtExit="))) {
            PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
            Path home = Path.of(System.getProperty("java.io.tmpdir"), "rehearsal-" + ProcessHandle.current().pid());
            run(script.get(), new Host(Map.of("HOME", home.toString()), home, InputStream.nullInputStream(), nowhere,
                    nowhere), rehearsal);
        }
        return exit;
    }

    private static Optional<Cli> mixin(CommandLine line) {
        return Optional.ofNullable(line.getCommandSpec().mixins().get("shared")).map(one -> (Cli) one.userObject());
    }

    private static void prepare(List<CommandLine> all, Host host, String... arguments) {
        CommandLine line = all.get(0);
        Values values = new Values(host, line.getCommandName(), templatesIn(arguments));
        Set<String> shared = new TreeSet<>();
        Set<String> own = new TreeSet<>();
        for (CommandLine one : all) {
            one.getCommandSpec().options().forEach(option -> (shared(option) ? shared : own).add(name(option)));
            one.getHelpSectionMap().put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, help -> options(help, values));
        }
        values.refuseUnknown(shared, own);
        all.forEach(one -> mixin(one).ifPresent(cli -> {
            cli.host = host;
            cli.values = values;
            List<String> useless = useless(cli.spec.qualifiedName());
            List.copyOf(cli.spec.options()).stream().filter(option -> shared(option) && useless.contains(name(option)))
                    .forEach(cli.spec::remove);
        }));
        line.getCommandSpec().usageMessage().abbreviateSynopsis(true);
        line.setDefaultValueProvider(argument -> argument instanceof OptionSpec option
                        ? values.of(name(option)).map(Value::text).orElse(null) : null)
                .setUsageHelpWidth(80).setUsageHelpLongOptionsMaxWidth(28).setCaseInsensitiveEnumValuesAllowed(true)
                .registerConverter(Duration.class, Durations::parse).registerConverter(Path.class, host::path)
                .registerConverter(URI.class, Settings::address).registerConverter(Revision.class, Revision::parse)
                .setExecutionStrategy(parsed -> mixin(line).filter(cli -> cli.export != null).map(Cli::exported)
                        .orElseGet(() -> new CommandLine.RunLast().execute(parsed)))
                .setOut(new PrintWriter(host.out(), true)).setErr(new PrintWriter(host.err(), true))
                .setParameterExceptionHandler((e, given) -> usage(e, host, values, List.of(given).contains("--json")))
                .setExecutionExceptionHandler((e, one, parsed) -> failure(e, host,
                        mixin(one).filter(cli -> cli.json && !cli.printed).isPresent()));
        if (!host.terminal() || host.environment().containsKey("NO_COLOR")) {
            line.setColorScheme(Help.defaultColorScheme(Ansi.OFF));
        }
    }

    // Before anything is parsed: the team's settings may lie in that folder.
    private static Optional<String> templatesIn(String... arguments) {
        Matcher given = Pattern.compile("(?m)^--templates[=\n](.+)").matcher(String.join("\n", arguments));
        return given.results().map(match -> match.group(1)).reduce((first, last) -> last);
    }

    private static String name(OptionSpec option) {
        return option.longestName().replaceFirst("^-+", "");
    }

    private static boolean shared(OptionSpec option) {
        return option.order() >= FIRST_SHARED;
    }

    /** The shared options that a command has no use for. */
    static List<String> useless(String command) {
        return Stream.of(USELESS).filter(row -> command.matches("(?s)(" + row[0] + ")( .*)?")).findFirst()
                .map(row -> List.of(row[1].split(" "))).orElseThrow();
    }

    /** Writes the texts and tables that came with this script; what only other steps carry is written by those. */
    private int exported() {
        Screen shown = screen();
        Templates.export(export).forEach(file -> shown.marked(Screen.Mark.OK, "", 0, file.toString()));
        List<String> others = spec.name().equals("triage") ? List.of("debug-bundle", "postmortem") : List.of();
        for (String step : others) {
            String command = launcher().command(step) + " --export-templates " + Text.word(export.toString());
            if (!Templates.complete(export) && !ran(command)) {
                shown.line(step + " has more of them, which it did not write:");
                shown.command(2, command);
            }
        }
        shown.line("Change what you need, delete the rest: --templates " + Text.word(export.toString())
                + " lays them over.");
        return 0;
    }

    private boolean ran(String command) {
        try {
            return Tool.step(host, command).ok();
        } catch (Tool.Failure e) {
            return false;
        }
    }

    // ---- help, and what went wrong

    /** The options under their headings, and what has a value already. */
    private static String options(Help help, Values values) {
        Map<Integer, List<OptionSpec>> byHeading = new TreeMap<>();
        help.commandSpec().options().stream().sorted(Comparator.comparingInt(OptionSpec::order)).forEach(option -> {
            int own = option.usageHelp() || option.versionHelp() ? OUTPUT : 0;
            byHeading.computeIfAbsent(shared(option) ? option.order() / 10 * 10 : own, any -> new ArrayList<>())
                    .add(option);
        });
        StringBuilder text = new StringBuilder();
        byHeading.forEach((heading, options) ->
                text.append(String.format("%n%s%n", HEADINGS.get(heading))).append(layout(help, options)));
        List<String> elsewhere = elsewhere(help.commandSpec(), values);
        text.append(elsewhere.isEmpty() ? "" : String.format("%nSet already:%n"));
        elsewhere.forEach(line -> text.append(String.format("  %s%n", line)));
        return text.toString();
    }

    private static Help.Layout layout(Help help, List<OptionSpec> options) {
        Help.Layout layout = help.createDefaultLayout(options, List.of(), help.colorScheme());
        layout.addAllOptions(options, help.parameterLabelRenderer());
        return layout;
    }

    /** Options that have a value without being given, each with where it stands. */
    private static List<String> elsewhere(CommandSpec spec, Values values) {
        return spec.options().stream().flatMap(option -> values.of(name(option)).stream().map(value -> {
            String shown = name(option).equals("key-command") ? "…" : Text.safe(Settings.open(value.text()), 80);
            return option.longestName() + " " + shown + "   (" + value.source() + ")";
        })).toList();
    }

    private static int usage(ParameterException e, Host host, Values values, boolean asJson) {
        CommandLine line = e.getCommandLine();
        Optional<OptionSpec> option = Optional.ofNullable(e.getArgSpec() instanceof OptionSpec one ? one : null);
        // A converter's own sentence is clearer than picocli's "Invalid value for option …: cannot convert".
        String said = option.isPresent() && e.getCause() instanceof IllegalArgumentException cause
                ? option.get().longestName() + ": " + cause.getMessage() : e.getMessage();
        String message = option.map(one -> values.named(name(one), e.getValue(), said)).orElse(said);
        int exit = refused(Problem.USAGE, message + meant(e), host, asJson);
        option.ifPresent(one -> host.err().print(layout(line.getHelp(), List.of(one))));
        host.err().println("Usage: " + line.getHelp().synopsis(0).strip() + "   ("
                + line.getCommandSpec().qualifiedName() + " --help lists the options)");
        return exit;
    }

    private static String meant(ParameterException e) {
        CommandSpec command = e.getCommandLine().getCommandSpec();
        List<String> known = Stream.of(command.optionsMap(), command.subcommands())
                .flatMap(names -> names.keySet().stream()).toList();
        Optional<String> near = e instanceof UnmatchedArgumentException unknown
                ? Nearest.to(unknown.getUnmatched().get(0).split("=")[0], known) : Optional.empty();
        return near.map(name -> ", did you mean " + name + "?").orElse("");
    }

    private static int failure(Exception e, Host host, boolean asJson) {
        if (e instanceof Problem problem) {
            return refused(problem.exitCode(), problem.getMessage(), host, asJson);
        } else if ("1".equals(host.environment().get("KLAVIYO_DEBUG"))) {
            e.printStackTrace(host.err());
        }
        String what = e instanceof IOException failed ? "reading or writing failed: " + Incident.why(failed)
                : "unexpected " + e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage());
        return refused(BUG, what + " (KLAVIYO_DEBUG=1 shows where)", host, asJson);
    }

    /** Says why nothing came of a run, to people and, where it did not say so itself, to whoever reads JSON. */
    private static int refused(int exit, String message, Host host, boolean asJson) {
        String said = Text.safe(message, 600);
        host.err().println("error: " + said);
        if (asJson) {
            // On one line, as watch prints each of its documents.
            write(Json.line(Json.object().put("schema", 1).put("error", said).put("exit", exit)
                    .set("advice", advice("now", said, null))), host);
        }
        return exit;
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
        return json;
    }

    /** Prints a document on standard output: in UTF-8, as JSON has it, whatever the terminal's character set. */
    public void print(JsonNode document) {
        write(Json.pretty(document), host);
        printed = true;
    }

    /** The same on one line: for one of many. */
    public void printLine(JsonNode document) {
        write(Json.line(document), host);
    }

    private static void write(String json, Host host) {
        host.out().writeBytes((json + "\n").getBytes(StandardCharsets.UTF_8));
        host.out().flush();
    }

    /** A screen on standard output, or on standard error under {@code --json}. */
    public Screen screen() {
        if (verbose && quiet) {
            throw new Problem("-v and -q exclude each other: give one");
        }
        if (screen == null) {
            Screen.Level level = quiet ? Screen.Level.ONE_LINE : Screen.Level.SHORT;
            screen = new Screen(host, json ? host.err() : host.out(), noColor, verbose ? Screen.Level.ALL : level);
            List<String> set = verbose ? elsewhere(spec, values) : List.of();
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
        return Optional.ofNullable(drill).or(() -> host.env(GAME_DAY));
    }

    /** What follows the drill's scenario after a colon, as in {@code revoked-key:restart}. */
    public Optional<String> variant() {
        return drill().filter(name -> name.contains(":")).map(name -> name.replaceFirst(".*?:", ""));
    }

    /** The time allowed for each check. */
    public Duration timeout() {
        return timeout;
    }

    /** The sandbox behind {@code --drill}, started by who asks first, closed when the run ends; empty in earnest. */
    public Optional<Sandbox> sandbox() {
        if (drill != null && sandbox == null) {
            String name = Incident.scenario(drill);
            Map<String, Scenario> all = Scenario.all(templates());
            if (!all.containsKey(name)) {
                throw new Problem(values.named("drill", drill, "--drill " + Text.safe(drill, 40))
                        + ": no such scenario" + Nearest.hint(name, all.keySet()));
            }
            sandbox = new Sandbox(all.get(name));
        }
        return Optional.ofNullable(sandbox);
    }

    /** Where to look and with which key; in a drill, the sandbox's. */
    public Settings settings() {
        Map.of("api-url", apiUrl, "status-url", statusUrl).forEach((option, address) -> {
            if (address.getRawUserInfo() != null) {
                throw new Problem(values.named(option, address.toString(), "--" + option)
                        + " has a login in it, which Klaviyo does not ask for: leave out what stands before the @");
            }
        });
        Optional<Sandbox> drilled = sandbox();
        Settings.Target target = drilled.map(Sandbox::target).orElseGet(() ->
                new Settings.Target(apiUrl, statusUrl, appUrl, webhookUrl, prometheusUrl));
        Map<String, String> proxies = drilled.isPresent() ? Map.of() : host.environment();
        Optional<Key> key = drilled.isPresent() ? drilled.map(Sandbox::key).map(Key::of)
                : Key.read(host, "--key", keyFile, keyCommand, "KLAVIYO_PRIVATE_KEY", "KLAVIYO_ACCESS_TOKEN");
        if (key.isPresent() && !insecureHttp) {
            Settings.refuseOpen(values.named("api-url", apiUrl.toString(), "--api-url"), target.api(), proxies);
        }
        String asked = Optional.ofNullable(revision).map(Revision::text).or(() -> drilled.map(Sandbox::revision))
                .orElse(Revision.NEWEST.text());
        return new Settings(target, key, asked,
                new Settings.Probing(timeout, 3, Duration.ofSeconds(2), Endpoint.KNOWN),
                new Settings.AppErrors(List.of(), "sum by (status) (increase(klaviyo_api_errors_total[15m]))"),
                drill(), proxies, templates());
    }

    /** The incidents of this folder, or of the team setting {@code incidents}; a drill's apart from real ones. */
    public Incident.Choice incidents() {
        Path base = host.path(setting("incidents").orElse(Incident.BASE));
        return new Incident.Choice(base, incident, drill().orElse(""));
    }

    // ---- printed commands

    /** How to paste the next script: started as this one was, with what was given here about where things are. */
    public Launcher launcher() {
        Map<String, String> options = new LinkedHashMap<>();
        List<String> left = new ArrayList<>();
        for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
            String given = option.arity().max() == 0 ? "" : option.originalStringValues().get(0);
            String open = Settings.open(given);
            if (name(option).equals("key-command")) {
                left.add(option.longestName());
            } else if (shared(option) && !HERE.contains(name(option))) {
                String value = option.arity().max() == 0 ? "" : " " + Text.word(open);
                options.put(name(option), option.longestName() + value);
                left.addAll(open.equals(given) ? List.of() : List.of("the login or token in " + option.longestName()));
            }
        }
        List<String> notes = new ArrayList<>(left.isEmpty() ? List.of()
                : List.of("Left out of these commands, add it again: " + String.join(", ", left)));
        return Launcher.of(host, options, this::setting, notes);
    }

    /** What {@code --json} says comes next; {@code when} is now, later (ask again) or never (nothing to do). */
    public static JsonNode advice(String when, String text, String command) {
        return Json.object().put("when", when).put("text", text).put("command", command);
    }
}
