///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Klaviyo is broken: tells what is broken, how bad it is, and what to do next
//SOURCES runbook/ApiChecks.java
//SOURCES runbook/BoundedBody.java
//SOURCES runbook/Checks.java
//SOURCES runbook/Cli.java
//SOURCES runbook/DecisionTree.java
//SOURCES runbook/EnvironmentProxy.java
//SOURCES runbook/Fleet.java
//SOURCES runbook/Http.java
//SOURCES runbook/HttpFaults.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/Lines.java
//SOURCES runbook/Message.java
//SOURCES runbook/NetworkPath.java
//SOURCES runbook/OurSide.java
//SOURCES runbook/PlainOnly.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/StatusPage.java
//SOURCES runbook/Text.java
//SOURCES runbook/TlsFault.java
//SOURCES runbook/Tool.java
//SOURCES runbook/Verdict.java
//SOURCES runbook/redact/ByteClass.java
//SOURCES runbook/redact/EncodedRuns.java
//SOURCES runbook/redact/FlatSets.java
//SOURCES runbook/redact/KnownValue.java
//SOURCES runbook/redact/Pieces.java
//SOURCES runbook/redact/PrivateKeys.java
//SOURCES runbook/redact/Pseudonyms.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rule.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/redact/Scan.java
//SOURCES runbook/redact/Shapes.java
//SOURCES runbook/redact/Spans.java
//SOURCES runbook/redact/Trigger.java
//SOURCES runbook/redact/Triggers.java
//SOURCES runbook/sandbox/FakeKlaviyo.java
//SOURCES runbook/sandbox/Sandbox.java
//SOURCES runbook/sandbox/Sites.java
//SOURCES runbook/sandbox/WebServer.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS org.jsoup:jsoup:1.24.1
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=templates/team.properties
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/scenarios.json
//COMPILE_OPTIONS -XDstringConcat=inline
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmn16m -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import runbook.Text.Durations;
import runbook.Klaviyo.Endpoint;
import runbook.Http;
import runbook.Text.Json;
import runbook.Key;
import runbook.Cli.Launcher;
import runbook.Text.Nearest;
import runbook.Settings.Problem;
import runbook.Settings;
import runbook.Text;
import runbook.Checks.Check;
import runbook.Checks;
import runbook.Checks.Findings;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.Cli;
import runbook.Fleet.Account;
import runbook.Fleet.AccountsFile;
import runbook.Fleet;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Message;
import runbook.Message;
import runbook.Message.Slack;
import runbook.Message.State;
import runbook.Verdict.Action;
import runbook.Verdict;

@Command(name = "triage", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        showDefaultValues = false,
        description = "Tells what is broken between us and Klaviyo, how bad it is, and what to do next.",
        footerHeading = "%nExit codes: 0 healthy; 11, 12, 13, 14 for P1 to P4; 20 could not tell;%n"
                + "  1 unexpected failure; 2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang triage --drill revoked-key",
                  "  jbang triage --app-url https://shop.example/health --observed 400,429"})
class Triage implements Callable<Integer> {
    public static void main(String... args) {
        String said = String.join(" ", args) + " " + System.getenv("KLAVIYO_API_URL");
        if (!said.contains("--help")) {
            Checks.prepare(!said.contains("http:") && !said.contains("--drill"));
        }
        System.exit(Cli.run(new Triage(), args));
    }

    enum Audience { internal, external, both }

    @Mixin
    Cli shared = new Cli();

    @Option(names = "--endpoint", paramLabel = "NAME", split = ",", order = 40,
            description = "probe this endpoint: profiles, lists, metrics, events, webhooks or a path such as "
                    + "/api/segments; repeatable (all five)")
    List<String> endpoints = List.of();

    @Option(names = "--samples", paramLabel = "N", defaultValue = "3", order = 41,
            description = "requests per endpoint, within its rate limits (${DEFAULT-VALUE})")
    int samples;

    @Option(names = "--slow", paramLabel = "DURATION", defaultValue = "2s", order = 42,
            description = "a median latency that counts as slow (${DEFAULT-VALUE})")
    Duration slow;

    @Option(names = "--observed", paramLabel = "STATUS", split = ",", order = 43,
            description = "statuses that the application gets from Klaviyo: 400,429")
    List<Integer> observed = List.of();

    @Option(names = "--errors-query", paramLabel = "PROMQL", order = 44,
            description = "the application's errors by status (increase of klaviyo_api_errors_total over 15 minutes)")
    String errorsQuery;

    @Option(names = "--errors-label", paramLabel = "LABEL", defaultValue = "status", order = 45,
            description = "the label that holds the status (${DEFAULT-VALUE})")
    String errorsLabel;

    @Option(names = "--accounts", paramLabel = "FILE", order = 46,
            description = "triage many accounts: CSV or JSON with name, and where the key is: env, file or command; not "
                    + "in a drill")
    Path accounts;

    @Option(names = "--explain", order = 50, description = "show the whole decision tree with the path marked")
    boolean explain;

    @Option(names = "--curl", order = 51, description = "print the checks as curl commands, and make none")
    boolean curl;

    @Option(names = "--announce", paramLabel = "WHOM", order = 52, description = "write messages: internal, external or both")
    Audience announce;

    @Option(names = "--lead", paramLabel = "NAME", order = 53, description = "who leads the incident")
    String lead;

    @Option(names = "--post", order = 54, description = "post the internal message to Slack (SLACK_WEBHOOK_URL)")
    boolean post;

    @Spec
    CommandSpec spec;

    private Screen screen;
    private Launcher launcher;
    private boolean opened;
    private Optional<Incident> beside = Optional.empty();

    @Override
    public Integer call() throws IOException {
        Settings settings = settings();
        screen = shared.screen();
        launcher = shared.launcher();
        if (curl) {
            curlCommands(settings).forEach(line -> screen.command(0, line));
            return 0;
        }
        if (accounts != null) {
            return fleet(settings);
        }
        drillBanner();
        screen.line("Klaviyo triage at " + Instant.now().truncatedTo(ChronoUnit.SECONDS) + ", at most "
                + Durations.words(shared.timeout()) + " ...");

        Verdict found;
        try (Checks checkup = new Checks(settings)) {
            found = Verdict.of(checkup.run(Checks.CHOICES));
        }
        Recorded recorded = record(found);
        Verdict verdict = recorded.verdict;
        Optional<Incident> incident = recorded.incident;
        show(verdict, incident);
        if (announce != null || post) {
            announce(verdict, incident);
        }
        screen.line();
        showVerdict(verdict);
        if (shared.json()) {
            shared.print(json(verdict, incident));
        }
        return verdict.exitCode();
    }

    // ---- what to look at

    private Settings settings() {
        if (samples < 1 || samples > 100) {
            throw new Problem("--samples " + samples + ": give 1 to 100");
        }
        observed.stream().filter(status -> status < 100 || status > 599).findFirst().ifPresent(status -> {
            throw new Problem("--observed " + status + " is no HTTP status: give statuses such as 400,429");
        });
        Settings settings = shared.settings();
        List<Endpoint> chosen = endpoints.isEmpty() ? Endpoint.KNOWN : endpoints.stream().map(Triage::endpoint).toList();
        String query = errorsQuery == null ? settings.app().query() : errorsQuery;
        return new Settings(settings.target(), settings.key(), settings.revision(),
                new Settings.Probing(shared.timeout(), samples, slow, chosen),
                new Settings.AppErrors(observed, query, errorsLabel), settings.drill(), settings.proxies(), settings.templates());
    }

    private static Endpoint endpoint(String name) {
        if (name.matches("/api/[A-Za-z0-9/_-]+")) {
            // Its limits are not known here: as few requests as for the smallest tier.
            return new Endpoint(name.substring("/api/".length()), name, "", "", 1, 15);
        }
        return Endpoint.named(name).orElseThrow(() -> new Problem("--endpoint " + Text.safe(name, 40)
                + " is neither a known endpoint nor a path such as /api/segments"
                + Nearest.hint(name, Endpoint.KNOWN.stream().map(Endpoint::name).toList())));
    }

    // ---- what is left behind

    /** A verdict as part of the incident, and the incident; without one where none is open and nothing is wrong. */
    private record Recorded(Verdict verdict, Optional<Incident> incident) { }

    /** Writes the verdict into the incident folder. Whatever goes wrong with that, the diagnosis goes on. */
    private Recorded record(Verdict found) {
        try {
            Optional<Incident> open = shared.incident();
            boolean wrong = found.severity().isPresent();
            if (!wrong && (open.isEmpty() || !Files.isDirectory(open.get().folder()))) {
                return new Recorded(found, Optional.empty());
            }
            beside = shared.besideNew();
            Incident incident = open.orElseGet(() -> shared.newIncident(found.findings().at()));
            Verdict verdict = found.in(incident.journal().read().events());
            Instant at = verdict.findings().at().truncatedTo(ChronoUnit.MILLIS);
            Map<String, Object> data = verdict.journalData();
            opened = !Files.exists(incident.journal().file());
            if (wrong && opened) {
                incident.append(new Event(at, "triage", Event.DETECTED, "triage found " + verdict.diagnosis().id(),
                        Json.of(data)));
            }
            if (lead != null) {
                incident.append(Event.now("triage", Event.ACKNOWLEDGED, Text.safe(lead, 60) + " leads the incident",
                        withDrill(Map.of("by", Text.safe(lead, 60)))));
            }
            incident.append(new Event(at, "triage", wrong ? Event.DIAGNOSED : Event.NOTE, headline(verdict), Json.of(data)));
            String stamp = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC).format(at);
            incident.write("triage-" + stamp + ".json",
                    Json.pretty(json(verdict, Optional.of(incident))).getBytes(StandardCharsets.UTF_8));
            return new Recorded(verdict, Optional.of(incident));
        } catch (IOException e) {
            shared.host().err().println("warning: the incident folder was not written (" + Text.safe(Incident.why(e), 200)
                    + "): name another with --incident. The diagnosis below holds.");
            return new Recorded(found, Optional.empty());
        }
    }

    private Map<String, Object> withDrill(Map<String, Object> data) {
        Map<String, Object> all = new TreeMap<>(data);
        shared.drill().ifPresent(scenario -> all.put("drill", scenario));
        return all;
    }

    private JsonNode json(Verdict verdict, Optional<Incident> incident) {
        return verdict.json(launcher, incident.map(Incident::toString).orElse(null));
    }

    // ---- what people see

    private void drillBanner() {
        shared.drill().ifPresent(scenario ->
                screen.heading("DRILL " + scenario + ": everything below is a sandbox, nothing is broken"));
    }

    private void show(Verdict verdict, Optional<Incident> incident) {
        screen.line();
        showVerdict(verdict);
        screen.line();
        showChecks(verdict.findings());
        screen.line();
        screen.heading("Path");
        verdict.path().forEach(step ->
                screen.indented(2, step.question() + " " + screen.either("→", "->") + " " + step.answer()));
        if (explain) {
            screen.line();
            screen.heading("Decision tree");
            verdict.explain(screen.either("→", "").isEmpty()).forEach(screen::verbatim);
        }
        if (!verdict.also().isEmpty()) {
            screen.line();
            screen.heading("Also");
            for (int i = 0; i < verdict.also().size(); i++) {
                screen.marked(Mark.WARN, verdict.also().get(i).id(), 0, verdict.others().get(i).reason());
            }
        }
        screen.line();
        screen.heading("Next");
        List<Action> actions = verdict.actions(launcher);
        for (int i = 0; i < actions.size(); i++) {
            screen.item("  " + (i + 1) + ". ", actions.get(i).text());
            Optional.ofNullable(actions.get(i).command()).ifPresent(command -> screen.command(6, command));
        }
        screen.line();
        showSpent(verdict.findings());
        incident.ifPresent(folder -> screen.line("Incident folder: " + folder
                + (opened ? " (opened now)" : " (joined: it was open already)")));
        beside.ifPresent(other -> screen.marked(Mark.WARN, "incident", 0,
                "another one is open beside it: --incident " + other + " joins it"));
    }

    private void showVerdict(Verdict verdict) {
        Mark mark = verdict.healthy() ? Mark.OK : verdict.severity().isEmpty() ? Mark.SKIP
                : verdict.severity().get().ordinal() < 3 ? Mark.FAIL : Mark.WARN;
        screen.verdict(mark, headline(verdict));
        screen.indented(2, verdict.reason());
        verdict.respondBy().ifPresent(by -> screen.indented(2, due(by) + " (" + verdict.severity().get().responseTime() + "; "
                + verdict.severity().get() + " is " + verdict.severity().get().meaning() + ")"));
        shared.drill().ifPresent(scenario -> screen.indented(2, "DRILL " + scenario));
    }

    private static String due(Instant by) {
        Duration late = Duration.between(by, Instant.now());
        return late.isNegative() ? "Respond by " + by : "A response was due by " + by + ", " + Durations.words(late) + " ago";
    }

    private static String headline(Verdict verdict) {
        return verdict.severity().map(severity -> severity + " ").orElse("") + verdict.diagnosis().id() + ": " + verdict.title();
    }

    private void showChecks(Findings findings) {
        screen.heading("Checks");
        int width = findings.checks().stream().mapToInt(check -> check.name().length()).max().orElse(0);
        for (Check check : findings.checks()) {
            screen.marked(mark(check.outcome()), check.name(), width,
                    check.summary() + (check.millis() > 0 ? " [" + check.millis() + " ms]" : ""));
        }
    }

    private static Mark mark(Check.Outcome outcome) {
        return switch (outcome) {
            case OK -> Mark.OK;
            case WARN -> Mark.WARN;
            case FAIL -> Mark.FAIL;
            case SKIPPED -> Mark.SKIP;
        };
    }

    private void showSpent(Findings findings) {
        List<String> skipped = findings.checks().stream()
                .filter(check -> check.outcome() == Check.Outcome.SKIPPED)
                .map(Check::name)
                .toList();
        if (!skipped.isEmpty()) {
            screen.line("Not checked: " + String.join(", ", skipped));
        }
        screen.line("Spent " + Text.count(findings.requestsSpent(), "request") + " of the account's quota"
                + (findings.requestsSpent() == 0 ? "" : " (" + findings.requests().entrySet().stream()
                        .map(entry -> entry.getKey() + " " + entry.getValue()).collect(Collectors.joining(", ")) + ")"));
    }

    // ---- telling people

    private void announce(Verdict verdict, Optional<Incident> incident) {
        List<Event> journal = journal(incident);
        Message message = Message.of(shared.templates(), verdict.diagnosis().id(), verdict.severity().map(Enum::name).orElse(""),
                State.of(journal), Instant.now().truncatedTo(ChronoUnit.SECONDS), journal)
                .withLead(lead).withDrill(shared.drill());
        if (announce == Audience.internal || announce == Audience.both) {
            screen.line();
            screen.heading("Internal message");
            screen.verbatim(message.internal(shared.templates()));
        }
        if (announce == Audience.external || announce == Audience.both) {
            screen.line();
            screen.heading("External message");
            screen.verbatim(message.external(shared.templates()));
        }
        if (post) {
            post(verdict, message, incident);
        } else {
            screen.line();
            screen.line("These are drafts. Once one is sent, put it on record:");
            screen.command(2, launcher.line("postmortem", "event 'told people' --kind announced"));
        }
    }

    // The message alone matters then: the diagnosis above holds, and its folder has been complained about.
    private static List<Event> journal(Optional<Incident> incident) {
        try {
            return incident.isEmpty() ? List.of() : incident.get().journal().read().events();
        } catch (IOException e) {
            return List.of();
        }
    }

    private void post(Verdict verdict, Message message, Optional<Incident> incident) {
        var webhook = shared.sandbox().map(sandbox -> sandbox.slackUrl()).or(() -> Slack.webhook(shared.host().environment()));
        if (webhook.isEmpty()) {
            screen.marked(Mark.WARN, "slack", 0, "not posted: set " + Slack.VARIABLE);
            return;
        }
        Slack.Posted posted = Slack.post(Http.of(verdict.findings().settings()), webhook.get(), message.forSlack(shared.templates()),
                shared.timeout());
        screen.marked(posted.accepted() ? Mark.OK : Mark.FAIL, "slack", 0,
                posted.accepted() ? "posted" : "not posted: " + posted.why());
        if (posted.accepted() && incident.isPresent()) {
            try {
                String state = message.state().word();
                incident.get().append(Event.now("triage", Event.ANNOUNCED, "internal message posted to Slack: " + state,
                        withDrill(Map.of("audience", "internal", "state", state, "text", message.internal(shared.templates())))));
            } catch (IOException e) {
                shared.host().err().println("warning: posted, but not journalled: " + Text.safe(Incident.why(e), 200));
            }
        }
    }

    // ---- many accounts

    private int fleet(Settings settings) {
        shared.sandbox().ifPresent(sandbox -> {
            throw new Problem("--accounts and --drill exclude each other: the sandbox has one account");
        });
        List<Account> all = AccountsFile.read(accounts);
        screen.line("Klaviyo triage of " + Text.count(all.size(), "account") + " at "
                + Instant.now().truncatedTo(ChronoUnit.SECONDS) + " ...");
        List<Fleet.Result> results = new Fleet(settings, launcher, this::keyOf).run(all);
        screen.line();
        int width = results.stream().mapToInt(result -> result.headline().length()).max().orElse(0);
        for (Fleet.Result result : results) {
            screen.marked(fleetMark(result.exitCode()), result.headline(), width,
                    result.account().name() + (result.exitCode() == 0 ? "" : ": " + result.reason()));
        }
        long wrong = results.stream().filter(result -> result.exitCode() != 0).count();
        screen.line();
        if (wrong == 0) {
            screen.line("All healthy");
        } else {
            screen.line(wrong + " of " + results.size() + " not healthy, the worst first. The first alone, with what to do:");
            screen.command(2, launcher.line("triage", results.get(0).account().keyOption()));
        }
        if (shared.json()) {
            shared.print(Json.of(Map.of("schema", 1, "at", Instant.now().truncatedTo(ChronoUnit.MILLIS),
                    "accounts", results.stream().map(Fleet.Result::json).toList())));
        }
        return Fleet.worst(results);
    }

    private Optional<Key> keyOf(Account account) {
        return account.env() != null ? shared.host().env(account.env()).map(Key::of)
                : Key.read(shared.host(), "--accounts, " + account.name() + ", key", account.file(), account.command(), "");
    }

    private static Mark fleetMark(int exitCode) {
        return exitCode == 0 ? Mark.OK : exitCode == Verdict.UNDECIDED ? Mark.SKIP : exitCode == 14 ? Mark.WARN : Mark.FAIL;
    }

    // ---- the checks as curl commands

    private List<String> curlCommands(Settings settings) {
        List<String> lines = new ArrayList<>();
        Settings.Target target = shared.target();
        String plain = "curl -gsSi --connect-timeout 5 --max-time " + Math.max(1, shared.timeout().toSeconds()) + " ";
        // -H @- reads the header from standard input, and printf is the shell's own: the key never stands in an argv,
        // where ps would show it.
        String api = "printf 'Authorization: Klaviyo-API-Key %s\\n' \"$KLAVIYO_PRIVATE_KEY\" | " + plain
                + "-H @- -H 'revision: " + settings.revision() + "' -H 'Accept: application/vnd.api+json' ";
        lines.addAll(List.of("# status-page", plain + "'" + target.status() + "/api/v2/summary.json'"));
        lines.addAll(List.of("# network",
                plain + "-o /dev/null -w 'DNS %{time_namelookup} s, connect %{time_connect} s, TLS %{time_appconnect} s\\n' '"
                + target.api() + "'"));
        lines.addAll(List.of("# auth", api + "'" + target.api() + Endpoint.ACCOUNTS.target() + "'"));
        for (Endpoint endpoint : settings.probing().endpoints()) {
            lines.addAll(List.of("# endpoint:" + endpoint.name() + ", and rate-limit from its headers",
                    api + "'" + target.api() + endpoint.target() + "'"));
        }
        Optional.ofNullable(target.app()).ifPresent(app -> lines.addAll(List.of("# app", plain + "'" + app + "'")));
        Optional.ofNullable(target.prometheus()).ifPresent(prometheus -> lines.addAll(List.of("# app-errors",
                plain + "--data-urlencode 'query=" + settings.app().query() + "' -G '" + prometheus + "/api/v1/query'")));
        Optional.ofNullable(target.webhook()).ifPresent(webhook ->
                lines.addAll(List.of("# webhook", plain + "'" + webhook + "'")));
        return lines;
    }
}
