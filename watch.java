///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION Watches Klaviyo recover, and tells people the moment it has, not before
//SOURCES runbook/ApiChecks.java
//SOURCES runbook/AppLog.java
//SOURCES runbook/Chart.java
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
//SOURCES runbook/watching/Keeper.java
//SOURCES runbook/watching/LiveView.java
//SOURCES runbook/watching/Memory.java
//SOURCES runbook/watching/Rounds.java
//SOURCES runbook/watching/Telling.java
//SOURCES runbook/watching/Watching.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//FILES templates/=templates/team.properties
//FILES templates/=templates/redaction.json
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/page.html
//FILES templates/=templates/scenarios.json
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms12m -Xmn6m -Xmx128m -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Incident.Event;
import runbook.Message.Slack;
import runbook.Prometheus.AppErrors;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.sandbox.*;
import runbook.watching.*;
import runbook.watching.Keeper.Goal;
import runbook.watching.Keeper.State;
import runbook.watching.Watching.Face;
import runbook.watching.Watching.Plan;
import runbook.watching.Watching.Shot;

@Command(name = "watch", mixinStandardHelpOptions = true, version = Cli.VERSION,
        description = "Watches until Klaviyo works again for us: tells the moment it has recovered, and not before.",
        footerHeading = "%nExit codes: 0 recovered; 31 not recovered when --max ran out;%n"
                + "  1 unexpected failure; 2 wrong usage; 130 interrupted (Ctrl-C).%n%nExamples:%n",
        footer = {"  jbang watch --drill recovering",
                  "  jbang watch --post --exec './fallback.sh off' --chart recovery.svg"})
class Watch implements Callable<Integer> {
    private static final Duration SCRAPED_TWICE = Duration.ofMinutes(2);
    private static final double DRILL_SPEED = 15;

    public static void main(String... args) {
        System.exit(Cli.main(Watch::new, args, "--drill", "healthy", "--max", "1ms"));
    }

    enum Audience { internal, external, both }

    @Option(names = "--interval", paramLabel = "DURATION", order = 40,
            description = "between rounds, give or take a tenth (30s; 2s in a drill); slower where quotas ask for it")
    Duration interval;
    @Option(names = "--until", paramLabel = "N", defaultValue = "3", order = 41,
            description = "recovered takes this many good rounds in a row (${DEFAULT-VALUE}) ...")
    int until;
    @Option(names = "--for", paramLabel = "DURATION", order = 42,
            description = "... over at least this long (2m; 8s in a drill)")
    Duration lasting;
    @Option(names = "--fail-after", paramLabel = "N", defaultValue = "2", order = 43,
            description = "failed rounds in a row before it is more than a blip (${DEFAULT-VALUE})")
    int failAfter;
    @Option(names = "--max", paramLabel = "DURATION", order = 44,
            description = "give up after this long (4h; 3m in a drill)")
    Duration max;
    @Option(names = "--check", paramLabel = "NAME", split = ",", arity = "1..*", order = 45,
            description = "watch only this check; repeatable: network, auth, endpoints, endpoint:profiles, ..., app, "
                    + "app-errors, webhook (all that apply)")
    List<String> chosen = List.of();
    @Option(names = "--no-status-page", order = 46, description = "neither ask the status page nor wait for it")
    boolean noStatusPage;
    @Option(names = "--backlog", paramLabel = "PROMQL", defaultValue = "klaviyo_retry_queue_depth", order = 47,
            description = "with --prometheus: the retry queue, back to its level from before (${DEFAULT-VALUE})")
    String backlog;
    @Option(names = "--exec", paramLabel = "COMMAND", order = 50,
            description = "run on every change of state, without a shell; KLAVIYO_WATCH_STATE, _PREVIOUS, _SUMMARY, "
                    + "_AT, _INCIDENT and _DRILL tell it what happened")
    String exec;
    @Option(names = "--post", order = 51,
            description = "post the internal message to Slack (SLACK_WEBHOOK_URL) on every change, until accepted")
    boolean post;
    @Option(names = "--remind", paramLabel = "DURATION", order = 52,
            description = "with --post: again this often while it lasts (as the messages say: 5m, then 20m, after "
                    + "two hours 60m; 20s in a drill)")
    Duration remind;
    @Option(names = "--announce", paramLabel = "WHOM", arity = "0..1", fallbackValue = "both", order = 53,
            description = "leave drafts of messages in the incident folder: internal, external or both (both)")
    Audience announce;
    @Option(names = "--lead", paramLabel = "NAME", order = 54, description = "who leads the incident")
    String lead;
    @Option(names = "--chart", paramLabel = "FILE", order = 55,
            description = "at the end, draw it all into this .svg or .html file")
    Path chart;

    @Mixin
    Cli shared = new Cli();

    private Screen screen;

    @Override
    public Integer call() throws Exception {
        Duration pause = orDefault(interval, 30_000, 2_000);
        require(until >= 1, "--until " + until + ": give 1 or more");
        require(failAfter >= 1, "--fail-after " + failAfter + ": give 1 or more");
        require(pause.toMillis() >= 100, "--interval " + Durations.words(pause) + ": give at least 100ms");
        require(chart == null || chart.toString().matches("(?i).*\\.(svg|html?)"),
                "--chart " + chart + ": give a .svg or .html file");
        Settings settings = settings(pause);
        screen = shared.screen();
        Goal goal = new Goal(until, orDefault(lasting, 120_000, 8_000), failAfter);
        Plan plan = new Plan(settings, checks(settings), goal, pause, orDefault(max, 4 * 3_600_000L, 180_000),
                drill() ? DRILL_SPEED : 1, backlog, shared.incidents(),
                journal -> Checks.Before.of(shared.host(), settings, journal), telling(),
                shared.launcher().line("postmortem", "event told --kind announced"));
        try (Face face = face(); Watching watching = new Watching(plan, face)) {
            int exit = watching.run();
            // The terminal is given back before the end is told, or it would go with the view.
            face.close();
            screen.resized();
            end(watching.shot(Optional.empty()), exit);
            if (chart != null) {
                draw(watching);
            }
            return exit;
        }
    }

    private static void require(boolean right, String otherwise) {
        if (!right) {
            throw new Problem(Text.safe(otherwise, 200));
        }
    }

    // ---- what to watch, and until when

    private boolean drill() {
        return shared.drill().isPresent();
    }

    private Duration orDefault(Duration given, long millis, long inADrill) {
        return given != null ? given : Duration.ofMillis(drill() ? inADrill : millis);
    }

    // One request a look. The application's errors are counted over a short time, or old ones would hold recovery back;
    // not shorter than metrics are scraped.
    private Settings settings(Duration pause) {
        Settings settings = shared.settings();
        Settings.Probing all = settings.probing();
        long window = drill() ? pause.toSeconds() : Math.max(SCRAPED_TWICE.toSeconds(), 2 * pause.toSeconds());
        String errors = AppErrors.over(all.errors(), Duration.ofSeconds(window));
        return settings.withProbing(new Settings.Probing(all.timeout(), 1, all.endpoints(), errors, all.observed()));
    }

    private Set<String> checks(Settings settings) {
        List<String> endpoints = settings.probing().endpoints().stream().map(one -> "endpoint:" + one.name()).toList();
        Settings.Target target = settings.target();
        List<String> all = new ArrayList<>(List.of("network", "auth"));
        all.addAll(endpoints);
        Optional.ofNullable(target.app()).ifPresent(app -> all.add("app"));
        Optional.ofNullable(target.prometheus()).ifPresent(prometheus -> all.add("app-errors"));
        Optional.ofNullable(target.webhook()).ifPresent(webhook -> all.add("webhook"));
        Set<String> checks = new LinkedHashSet<>(noStatusPage ? List.of() : List.of("status-page"));
        for (String name : chosen.isEmpty() ? all : chosen) {
            checks.addAll(name.equals("endpoints") ? endpoints : List.of(known(name, all)));
        }
        boolean keyed = checks.stream().anyMatch(name -> name.equals("auth") || name.startsWith("endpoint:"));
        if (keyed && settings.key().isEmpty()) {
            throw new Problem("watch cannot see whether Klaviyo works for us without a private key: set "
                    + "KLAVIYO_PRIVATE_KEY, or give --key-file or --key-command, or choose what needs none: "
                    + "--check network" + (target.app() == null ? "" : ",app"));
        }
        require(!checks.equals(Set.of("status-page")), "--check status-page alone proves nothing: what the vendor says "
                + "is a condition, and something has to be looked at");
        return checks;
    }

    private static String known(String name, List<String> all) {
        if (all.contains(name) || name.equals("status-page")) {
            return name;
        }
        Map<String, String> needs = Map.of("app", "--app-url", "app-errors", "--prometheus", "webhook",
                "--webhook-url");
        throw new Problem("--check " + Text.safe(name, 40) + (needs.containsKey(name) ? " needs " + needs.get(name)
                : ": there is no such check. There are: " + String.join(", ", all) + ", status-page"));
    }

    // ---- who is told

    private Telling.Choice telling() {
        Optional<URI> webhook = !post ? Optional.empty()
                : shared.sandbox().map(Sandbox::slackUrl).or(() -> Slack.webhook(shared.host().environment()));
        require(!post || webhook.isPresent(),
                "--post needs " + Slack.VARIABLE + ": the address of a Slack incoming webhook");
        Duration pace = drill() && post && remind == null ? Duration.ofSeconds(20) : remind;
        Set<String> one = Optional.ofNullable(announce).map(audience -> Set.of(audience.name())).orElse(Set.of());
        Set<String> drafts = announce == Audience.both ? Set.of("internal", "external") : one;
        Tool tool = Tool.of(shared.host(), Duration.ofSeconds(30));
        Optional<List<String>> command = Optional.ofNullable(exec).map(line -> Text.split("--exec", line));
        command.ifPresent(words -> require(tool.find(words.get(0)).isPresent(),
                "--exec " + Tool.name(words) + ": there is no such program"));
        return new Telling.Choice(webhook, command, tool, Optional.ofNullable(pace), drafts,
                Optional.ofNullable(lead).map(name -> Text.safe(name, 80).replaceFirst("^@+", "")));
    }

    // ---- what people see

    private Face face() {
        return Optional.of(screen).filter(any -> !shared.json()).flatMap(any -> LiveView.open(shared.host(), any))
                .orElseGet(Lines::new);
    }

    private void end(Shot end, int exit) {
        String drilled = shared.drill().map(scenario -> "DRILL " + scenario + ": ").orElse("");
        Duration watched = end.watched().truncatedTo(ChronoUnit.SECONDS).plusSeconds(1);
        String how = switch (exit) {
            case 0 -> "recovered: every condition holds";
            case Watching.NOT_RECOVERED -> "not recovered yet: " + end.word();
            default -> "left: " + end.word() + ", not called recovered";
        };
        screen.verdict(Map.of(0, Mark.OK, Watching.NOT_RECOVERED, Mark.FAIL).getOrDefault(exit, Mark.SKIP),
                drilled + how + " (watched for " + Durations.words(watched) + ")");
        end.open().forEach(words -> screen.marked(Mark.WARN, "", 0, words));
        // Nothing was written where the disk is full, or the folder is somebody else's.
        end.folder().filter(incident -> incident.journal().file().toFile().length() > 0)
                .ifPresent(incident -> screen.line("Journal: " + incident.journal().file()));
        if (end.untold() > 0) {
            screen.line(Text.count(end.untold(), "message")
                    + " not accepted yet: watch with --post on this incident sends what is left");
        }
        end.folder().ifPresent(incident -> next(end, exit == 0));
    }

    /** What people do now. */
    private void next(Shot end, boolean over) {
        Tool.Launcher launcher = shared.launcher();
        List<String> commands = new ArrayList<>();
        if (over) {
            String tell = end.record().isEmpty() ? "" : "tell people that it is over and put that on record, ";
            screen.line("Next: " + tell + "collect evidence, write it up");
            // In a drill's own sandbox, which begins anew with each command, triage would find it broken again.
            end.record().filter(any -> shared.sandbox().isEmpty())
                    .ifPresent(any -> commands.add(launcher.line("triage", "--announce both")));
            end.record().ifPresent(commands::add);
            commands.addAll(List.of(launcher.line("debug-bundle", ""), launcher.line("postmortem", "")));
        } else {
            screen.line("Next: what is wrong now, what the next person must know; watch on, it goes on from here");
            commands.addAll(List.of(launcher.line("triage", ""), launcher.line("postmortem", "handover"),
                    launcher.line("watch", "")));
        }
        commands.forEach(command -> screen.command(2, command));
        launcher.notes().forEach(screen::line);
    }

    private void draw(Watching watching) {
        try {
            boolean page = !chart.toString().toLowerCase(Locale.ROOT).endsWith(".svg");
            Files.writeString(shared.host().path(chart.toString()), watching.chart(page));
            screen.line("Chart: " + chart);
        } catch (IOException e) {
            shared.host().err().println("warning: --chart was not written: " + Text.safe(Incident.why(e), 200));
        }
    }

    /** One line an event; with {@code --json}, one object a round and an event as well. */
    private final class Lines implements Face {
        @Override
        public synchronized void event(Event event) {
            String kind = Memory.kind(event);
            screen.verbatim(event.at().truncatedTo(ChronoUnit.SECONDS) + (drill() ? " DRILL" : "")
                    + String.format("  %-13s  ", kind) + event.summary());
            shared.printLine(() -> line("event", event.at(),
                    Json.map("event", kind, "summary", event.summary(), "data", event.data())));
        }

        @Override
        public synchronized void round(Supplier<Shot> shot) {
            shared.printLine(() -> line(shot.get()));
        }

        // Where nobody reads it any more (watch | head), it goes on only for whom it tells, by --post or --exec.
        @Override
        public void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
            if (shared.host().out().checkError() && !post && exec == null) {
                throw new InterruptedException();
            }
            Face.super.idle(most, shot);
        }

        private JsonNode line(String type, Instant at, Map<String, Object> more) {
            Map<String, Object> line = Json.map("schema", 1, "type", type, "at", at.truncatedTo(ChronoUnit.MILLIS),
                    "drill", shared.drill().orElse(null));
            line.putAll(more);
            return Json.of(line);
        }

        private JsonNode line(Shot shot) {
            List<?> checks = shot.readings().stream().map(reading -> Json.map("name", reading.check(), "result",
                    reading.result().word(), "fresh", reading.fresh(), "millis", reading.millis(), "summary",
                    reading.words())).toList();
            List<?> conditions = shot.conditions().stream().map(one ->
                    Json.map("name", one.name(), "met", one.met(), "words", one.words())).toList();
            boolean over = shot.state() == State.RECOVERED;
            return line("round", shot.now(), Json.map("round", shot.round(), "state", shot.state().word(), "good",
                    shot.good(), "checks", checks, "conditions", conditions, "requestsSpent", shot.requests(),
                    "nextRoundMillis", shot.next().orElseThrow().toMillis(), "incident", shot.folder().orElse(null),
                    "advice", over ? Cli.advice("now", "Write it up", shared.launcher().line("postmortem", ""))
                    : Cli.advice("later", "Not recovered yet: the next round tells more", null)));
        }
    }
}
