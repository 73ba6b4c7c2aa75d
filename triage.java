///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION Klaviyo is broken: tells what is broken, how bad it is, and what to do next
//SOURCES runbook/ApiChecks.java
//SOURCES runbook/AppLog.java
//SOURCES runbook/Checks.java
//SOURCES runbook/Cli.java
//SOURCES runbook/DecisionTree.java
//SOURCES runbook/Facts.java
//SOURCES runbook/Http.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/LogReader.java
//SOURCES runbook/Message.java
//SOURCES runbook/OurSide.java
//SOURCES runbook/Prometheus.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/StatusPage.java
//SOURCES runbook/Text.java
//SOURCES runbook/Tool.java
//SOURCES runbook/Verdict.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/redact/View.java
//SOURCES runbook/sandbox/FakeKlaviyo.java
//SOURCES runbook/sandbox/Sandbox.java
//SOURCES runbook/sandbox/Sites.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=templates/team.properties
//FILES templates/=templates/redaction.json
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/scenarios.json
//FILES templates/=templates/stores.json
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=3 -XX:+UseSerialGC -Xmn16m -Xlog:disable
//CDS

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Checks.Findings;
import runbook.Incident.Event;
import runbook.Message.Slack;
import runbook.Screen.Check;
import runbook.Screen.Group;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text.Json;

@Command(name = "triage", mixinStandardHelpOptions = true, version = Cli.VERSION,
        description = "Tells what is broken between us and Klaviyo, how bad it is, and what to do next.",
        footerHeading = "%nExit codes: 0 healthy; 11, 12, 13, 14 for P1 to P4; 20 could not tell;%n"
                + "  1 unexpected failure; 2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang triage --drill revoked-key",
                  "  jbang triage --app-url https://shop.example/health --log app.log"})
class Triage implements Callable<Integer> {
    /** Findings, and steps, on the first screen. */
    private static final int MOST = 4;
    private static final int LONGEST_REASON = 320;

    public static void main(String... args) {
        Checks.prepare(String.join(" ", args) + " " + System.getenv("KLAVIYO_API_URL"));
        System.exit(Cli.main(Triage::new, args, "--drill", "healthy"));
    }

    enum Audience { internal, external, both }

    @Mixin
    Cli shared = new Cli();

    @Option(names = "--endpoint", paramLabel = "NAME", split = ",", order = 40,
            description = "probe this endpoint: accounts, profiles, lists, metrics, events, webhooks or a path such as "
                    + "/api/segments; repeatable (all but accounts, which the key's check asks)")
    List<String> endpoints = List.of();
    @Option(names = "--log", paramLabel = "FILE", order = 43,
            description = "the application's log, .gz too, - for standard input: statuses, rates, a loop's caller")
    String log;
    @Option(names = "--observed", paramLabel = "STATUS", split = ",", order = 44,
            description = "statuses that the application gets from Klaviyo, by hand: 400,429")
    List<Integer> observed = List.of();
    @Option(names = "--accounts", paramLabel = "FILE", order = 46,
            description = "triage many accounts: CSV or JSON with name, and where the key is: env, file or command")
    Path accounts;
    @Option(names = "--paged-at", paramLabel = "TIME", order = 47,
            description = "when you were paged: 03:02, \"10 min ago\"; the time to respond counts from it")
    String pagedAt;
    @Option(names = "--preflight", order = 48, description = "in peacetime: is all there that an incident will need?")
    boolean preflight;
    @Option(names = "--explain", order = 50, description = "show the whole decision tree with the path marked")
    boolean explain;
    @Option(names = "--curl", order = 51, description = "print the checks as curl commands, and make none")
    boolean curl;
    @Option(names = "--announce", paramLabel = "WHOM", order = 52,
            description = "write messages: internal, external or both")
    Audience announce;
    @Option(names = "--lead", paramLabel = "NAME", order = 53, description = "who leads the incident")
    String lead;
    @Option(names = "--post", order = 54, description = "post the internal message to Slack (SLACK_WEBHOOK_URL)")
    boolean post;

    private Screen screen;
    private Tool.Launcher launcher;
    private Map<String, Message.Wording> wording;
    private Optional<Incident> incident = Optional.empty();
    private List<Event> journal = List.of();
    private boolean writable;
    private boolean opened;

    @Override
    public Integer call() throws IOException {
        screen = shared.screen();
        launcher = shared.launcher();
        Optional<Instant> paged = Optional.ofNullable(pagedAt)
                .map(text -> Settings.Times.past("--paged-at", text, Instant.now(), Optional.empty()));
        Settings settings = settings();
        if (curl) {
            return curlCommands(settings);
        } else if (accounts != null) {
            return fleet(settings);
        }
        Findings found = look(settings);
        Verdict verdict = DecisionTree.judge(found, wording).in(journal, paged);
        if (preflight) {
            return preflight(verdict);
        }
        leave(verdict, paged);
        show(verdict);
        if (announce != null || post) {
            announce(verdict);
        }
        shared.print(() -> verdict.json(launcher, incident));
        return verdict.worst().exitCode();
    }

    // ---- what to look at

    private Settings settings() {
        // A 202 says accepted, not processed: there is advice on that.
        observed.stream().filter(status -> status < 400 && status != 202 || status > 599).findAny().ifPresent(wrong -> {
            throw new Problem("--observed " + wrong + " is no status of a failure: give statuses such as 400,429");
        });
        Settings settings = shared.settings();
        Settings.Probing all = settings.probing();
        List<Klaviyo.Endpoint> chosen = endpoints.isEmpty() ? all.endpoints()
                : endpoints.stream().map(Klaviyo.Endpoint::given).toList();
        return settings.withProbing(new Settings.Probing(all.timeout(), all.samples(), chosen, all.errors(), observed));
    }

    private Findings look(Settings settings) {
        try (Checks checks = new Checks(settings)) {
            Optional.ofNullable(log).ifPresent(name -> checks.reading(AppLog.open(shared.host(), name)));
            Findings found = checks.run(Checks.CHOICES, () -> known(settings));
            // A drill brings a log of its own, to be looked at where something is wrong.
            boolean practised = log == null && shared.sandbox().isPresent() && found.apiFails();
            return practised ? found.with(AppLog.of(shared.sandbox().get().applicationLog())) : found;
        }
    }

    /** What an open incident knows. No other folder is opened where it cannot be read: nobody would look for that. */
    private Checks.Before known(Settings settings) {
        wording = Message.Wording.all(shared.templates());
        try {
            incident = shared.incidents().current();
            journal = incident.isEmpty() ? List.of() : incident.get().journal().read().events();
            writable = true;
        } catch (IOException e) {
            notWritten(e);
        }
        return Checks.Before.of(shared.host(), settings, journal);
    }

    // ---- what is left behind: whatever goes wrong with that, the diagnosis goes on

    private void leave(Verdict verdict, Optional<Instant> paged) {
        boolean joins = incident.filter(one -> Files.isDirectory(one.folder())).isPresent();
        boolean wanted = joins || verdict.severity().isPresent();
        incident = incident.filter(any -> wanted);
        try {
            if (writable && wanted) {
                write(verdict, paged);
            }
        } catch (IOException e) {
            notWritten(e);
        }
        // A healthy triage leaves no file behind but the last good state.
        try {
            if (verdict.healthy() && shared.drill().isEmpty()) {
                verdict.findings().remember(shared.host());
            }
        } catch (IOException e) {
            warn("the last good state is not remembered: " + Text.safe(Incident.why(e), 200));
        }
    }

    private void write(Verdict verdict, Optional<Instant> paged) throws IOException {
        shared.incidents().beside().ifPresent(other -> warn("another incident is open, and not joined (an older "
                + "one, or the name was mistyped): --incident " + other + " joins it"));
        Instant at = verdict.findings().at();
        Incident folder = incident.orElseGet(() -> shared.incidents().opened(at));
        opened = !Files.exists(folder.journal().file());
        for (Event event : verdict.events(opened, paged, Optional.ofNullable(lead))) {
            folder.append(event);
        }
        incident = Optional.of(folder);
        String stamp = at.truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[:-]", "");
        String json = Json.pretty(verdict.json(launcher, incident));
        folder.write("triage-" + stamp + ".json", json.getBytes(StandardCharsets.UTF_8));
        journal = folder.journal().read().events();
    }

    private void notWritten(IOException why) {
        warn("the incident folder was not written (" + Text.safe(Incident.why(why), 200)
                + "): name another with --incident. The diagnosis below holds.");
    }

    private void warn(String message) {
        shared.host().err().println("warning: " + message);
    }

    // ---- what people see: what is wrong, why, and what next

    private void show(Verdict verdict) {
        showVerdict(verdict);
        if (verdict.healthy() && !explain && !screen.verbose()) {
            showWell(verdict.findings());
            return;
        }
        if (screen.verbose()) {
            showEverything(verdict);
        } else {
            showWrong(verdict);
        }
        if (explain) {
            screen.line();
            DecisionTree.draw(verdict.worst(), screen.either("→", "").isEmpty()).forEach(screen::verbatim);
        }
        screen.line();
        showNext(verdict.actions(launcher));
        if (screen.verbose()) {
            screen.line(verdict.findings().spent());
            screen.line();
            showVerdict(verdict);
        }
    }

    private void showVerdict(Verdict verdict) {
        // Elsewhere the log has a line of its own.
        String mute = screen.quiet() && verdict.findings().log().mute() ? "; the log told nothing of now" : "";
        String time = verdict.healthy() && !screen.quiet() ? ", " + screen.time(verdict.findings().at()) : "";
        screen.verdict(verdict.mark(), verdict.headline() + time + mute + drillWords());
        if (!verdict.healthy()) {
            screen.item("  ", screen.verbose() ? verdict.reason() : Text.safe(verdict.reason(), LONGEST_REASON));
            verdict.due(screen::time).ifPresent(due -> screen.item("  ", due));
        }
    }

    private String drillWords() {
        String space = screen.quiet() ? " " : "\u00a0";
        return shared.drill().map(scenario -> " (DRILL" + space + scenario + ")").orElse("");
    }

    private void showWell(Findings found) {
        screen.item("  ", found.account().map(account -> Text.safe(account.toString(), 34) + ", ").orElse("")
                + found.spent());
        // Beside a log that was given, what the vendor announces and errors of before are worth a line on a good day.
        Group.show(screen, found.groups().stream()
                .filter(group -> group.name().matches("app-log|status-page|app-errors")).toList(), 1);
        if (incident.isPresent()) {
            boolean over = Message.State.of(journal) == Message.State.RESOLVED;
            screen.line("Incident folder: " + incident.get() + (over ? " (recovered, and to be written up)"
                    : " (open until it held, which watch tells)"));
            screen.command(2, launcher.line(over ? "postmortem" : "watch", ""));
        } else if (log == null) {
            screen.item("  ", "Paged all the same? " + launcher.line("triage", "--log FILE"));
        }
    }

    /** What is not well, but for what the reason above has told in the same words. */
    private void showWrong(Verdict verdict) {
        String reason = Text.safe(verdict.reason(), LONGEST_REASON);
        List<Group> rest = verdict.findings().groups().stream()
                .filter(group -> !reason.contains(group.text())).toList();
        if (!rest.isEmpty()) {
            screen.line();
            Group.show(screen, rest, MOST);
        }
        if (!verdict.also().isEmpty()) {
            screen.item("  ", "Also: " + String.join(", ", verdict.also()));
        }
    }

    private void showEverything(Verdict verdict) {
        screen.line();
        Group.show(screen, verdict.findings().checks().stream().map(Group::of).toList(), Integer.MAX_VALUE);
        screen.line();
        verdict.worst().path().forEach(step -> screen.item("  ", step.question() + " " + screen.either("→", "->") + " "
                + step.answer()));
        verdict.also().forEach(also -> screen.marked(Mark.WARN, also, 0, verdict.reason(also)));
        verdict.consequences().forEach(one -> screen.marked(Mark.WARN, "consequence", 0, one));
    }

    private void showNext(List<Verdict.Action> actions) {
        launcher.notes().forEach(note -> screen.item("  ", note));
        int shown = screen.verbose() ? actions.size() : Math.min(MOST, actions.size());
        for (int i = 0; i < shown; i++) {
            screen.item("  " + (i + 1) + ". ", actions.get(i).text());
            Optional.ofNullable(actions.get(i).command()).ifPresent(command -> screen.command(5, command));
        }
        screen.line();
        incident.ifPresent(folder -> screen.line("Incident folder: " + folder
                + (opened ? " (opened now)" : " (joined: it was open already)")));
        if (!screen.verbose()) {
            String more = actions.size() > shown ? Text.count(actions.size() - shown, "more step") + ", " : "";
            screen.line("-v shows " + more + "every check" + (explain ? "" : " and the path"));
        }
    }

    // ---- telling people

    private void announce(Verdict verdict) {
        if (verdict.healthy() && journal.isEmpty()) {
            screen.line("Nothing to tell people: nothing is known to fail, and no incident is open");
            return;
        }
        // Where no incident is open, this look is all that is known.
        List<Event> known = !journal.isEmpty() ? journal : List.of(verdict.diagnosed());
        Message message = Message.of(shared.templates(), Message.State.of(known),
                Instant.now().truncatedTo(ChronoUnit.SECONDS), known,
                new Message.Known(shared.drill(), lead, null, null, verdict.healthy()));
        boolean sent = post && sent(Http.of(verdict.findings().settings()), message);
        boolean colleagues = announce == Audience.internal || announce == Audience.both || post && !sent;
        boolean customers = announce == Audience.external || announce == Audience.both;
        Optional<String> external = message.external().filter(text -> customers);
        if (customers && external.isEmpty()) {
            screen.line("Nothing to tell customers yet: nothing is drafted that nobody knows");
        }
        if (screen.quiet() && (colleagues || external.isPresent())) {
            warn("-q leaves the drafts out: they are shown without it");
        }
        if (colleagues) {
            draft("Internal message", message.internal());
        }
        external.ifPresent(text -> draft("External message", text));
        if (!sent && (colleagues || external.isPresent())) {
            screen.line();
            screen.line("These are drafts. Once one is sent, put it on record:");
            screen.command(2, launcher.line("postmortem", "event 'told people' --kind announced"));
        }
    }

    private void draft(String heading, String text) {
        screen.line();
        screen.heading(heading);
        screen.verbatim(text);
    }

    private boolean sent(Http http, Message message) {
        Slack.Posted posted = shared.sandbox().map(one -> one.slackUrl())
                .or(() -> Slack.webhook(shared.host().environment()))
                .map(webhook -> Slack.post(http, webhook, message.forSlack())).orElse(Slack.Posted.NOWHERE);
        if (!posted.accepted()) {
            warn("--post: not posted: " + posted.why());
            return false;
        }
        screen.verdict(Mark.OK, "slack  posted");
        try {
            if (incident.isPresent()) {
                incident.get().append(message.posted(shared.drill().orElse("")));
            }
        } catch (IOException e) {
            notWritten(e);
        }
        return true;
    }

    // ---- many accounts

    private int fleet(Settings settings) {
        if (shared.drill().isPresent()) {
            throw new Problem("--accounts and --drill exclude each other: the sandbox has one account");
        }
        wording = Message.Wording.all(shared.templates());
        Map<String, Verdict> verdicts = new LinkedHashMap<>();
        try (Checks checks = new Checks(settings)) {
            checks.each(Klaviyo.Account.all(accounts), shared.host()).forEach((name, found) ->
                    verdicts.put(name, DecisionTree.judge(found, wording)));
        }
        List<String> worstFirst = verdicts.keySet().stream()
                .sorted(Comparator.comparing(name -> verdicts.get(name).worst().rank())).toList();
        Group.show(screen, worstFirst.stream().map(name -> verdicts.get(name).line(name)).toList(), Integer.MAX_VALUE);
        long wrong = verdicts.values().stream().filter(one -> !one.healthy()).count();
        screen.line();
        screen.line(wrong == 0 ? "All healthy" : wrong + " of " + verdicts.size() + " not healthy, the worst first");
        shared.print(() -> {
            var all = worstFirst.stream()
                    .map(name -> verdicts.get(name).json(launcher, Optional.empty()).put("name", name)).toList();
            return Json.of(Map.of("schema", 1, "at", Instant.now().truncatedTo(ChronoUnit.MILLIS),
                    "accounts", all, "advice", all.get(0).path("advice")));
        });
        return verdicts.get(worstFirst.get(0)).worst().exitCode();
    }

    // ---- in peacetime, and by hand

    private int preflight(Verdict verdict) {
        List<Check> all = OurSide.preflight(verdict.findings(), shared.host(), launcher);
        List<Group> lines = Group.of(all, Check::summary);
        Group.show(screen, lines, Integer.MAX_VALUE);
        long open = lines.stream().filter(line -> line.outcome() != Check.Outcome.OK).count();
        screen.line();
        String words = open == 0 ? "All is there that an incident will need"
                : open + " of " + lines.size() + " would be missed in an incident";
        screen.verdict(open == 0 ? Mark.OK : Mark.WARN, words + drillWords());
        shared.print(() -> Map.of("schema", 1, "ready", open == 0, "checks", all.stream().map(Check::json).toList(),
                "advice", Cli.advice(open == 0 ? "never" : "now", words, null)));
        return verdict.healthy() && open > 0 ? 14 : verdict.worst().exitCode();
    }

    private int curlCommands(Settings settings) {
        if (shared.sandbox().isPresent()) {
            throw new Problem("--curl prints commands for later, and a drill's sandbox ends with this one: leave out"
                    + " --drill, or let one stay (" + launcher.command("sandbox") + " " + shared.drill().get() + ")");
        }
        Map<String, String> commands = Klaviyo.curl(settings);
        commands.forEach((check, command) -> screen.verbatim("# " + check + "\n" + command));
        shared.print(() -> Map.of("schema", 1, "commands", commands));
        return 0;
    }
}
