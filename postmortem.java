///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -proc:none -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//DESCRIPTION Writes the postmortem of an incident from what was recorded; people add only what people know
//SOURCES runbook/Chart.java
//SOURCES runbook/Cli.java
//SOURCES runbook/Http.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/LogReader.java
//SOURCES runbook/Message.java
//SOURCES runbook/Page.java
//SOURCES runbook/Prometheus.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/StatusPage.java
//SOURCES runbook/Text.java
//SOURCES runbook/Tool.java
//SOURCES runbook/redact/Encoded.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/report/Document.java
//SOURCES runbook/report/Evidence.java
//SOURCES runbook/report/Notebook.java
//SOURCES runbook/report/Postmortem.java
//SOURCES runbook/report/Timeline.java
//SOURCES runbook/sandbox/FakeKlaviyo.java
//SOURCES runbook/sandbox/Sandbox.java
//SOURCES runbook/sandbox/Sites.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS org.jsoup:jsoup:1.24.1
//DEPS com.samskivert:jmustache:1.16
//DEPS org.commonmark:commonmark:0.29.0
//DEPS org.commonmark:commonmark-ext-gfm-tables:0.29.0
//DEPS org.commonmark:commonmark-ext-task-list-items:0.29.0
//FILES templates/=templates/team.properties
//FILES templates/=templates/redaction.json
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/postmortem.md
//FILES templates/=templates/postmortem.html
//FILES templates/=templates/scenarios.json
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx192m -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import runbook.Http;
import runbook.Text.Json;
import runbook.Cli.Launcher;
import runbook.Settings.Problem;
import runbook.Settings;
import runbook.Text;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.Text.Moment;
import runbook.Tool;
import runbook.Message;
import runbook.Message.DataLoss;
import runbook.Message.Slack;
import runbook.Message.State;
import runbook.report.Document;
import runbook.report.Postmortem.Queries;
import runbook.report.Notebook;

@Command(name = "postmortem", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        description = "Writes the postmortem of an incident from what was recorded; people add only what people know.",
        subcommands = {Postmortem.Tell.class, Postmortem.Import.class, Postmortem.Export.class,
                Postmortem.Handover.class,
            Postmortem.Announce.class, Postmortem.Close.class},
        footerHeading = "%nExit codes: 0 written; 51 --check: unfinished places remain; 1 unexpected%n"
                + "  failure; 2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang postmortem --lead Ana --bundle klaviyo-incidents/*/bundle-*.zip",
                  "  jbang postmortem --check docs/postmortems/2026-11-23.md"})
class Postmortem implements Callable<Integer> {
    public static void main(String... args) {
        System.exit(Cli.main(Postmortem::new, args, "--check", "nothing.md"));
    }

    private static final int UNFINISHED = 51;
    private static final int LABEL = 7;

    enum Format { md, html }

    enum Audience { internal, external, both }

    @Mixin
    Cli shared = new Cli();

    @Spec
    CommandSpec spec;

    @Option(names = "--lead", paramLabel = "NAME", order = 40, description = "who leads the incident")
    String lead;

    @Option(names = "--bundle", paramLabel = "FILE", order = 41,
            description = "a debug bundle, for its counts of logs and metrics (the newest in the incident's folder)")
    Path bundle;

    @Option(names = "--format", paramLabel = "FORMAT", split = ",", order = 42, description = "md, html or both (both)")
    Set<Format> formats = EnumSet.allOf(Format.class);

    @Option(names = "--out", paramLabel = "FILE", order = 43,
            description = "where to write (postmortem.md in the incident's folder; .html beside it)")
    Path out;

    @Option(names = "--check", paramLabel = "FILE", arity = "0..1", fallbackValue = "", order = 45,
            description = "write nothing; tell what is unfinished, with line numbers")
    String check;

    @Option(names = "--errors-query", paramLabel = "PROMQL", order = 46,
            description = "failed calls by status over $window (klaviyo_api_errors_total)")
    String errorsQuery = Queries.USUAL.failed();

    @Option(names = "--rate-query", paramLabel = "PROMQL", order = 47, description =
            "failed calls per second by status")
    String rateQuery = Queries.USUAL.rate();

    @Option(names = "--calls-query", paramLabel = "PROMQL", order = 48,
            description = "all calls over $window (klaviyo_api_requests_total)")
    String callsQuery = Queries.USUAL.calls();

    @Option(names = "--latency-query", paramLabel = "PROMQL", order = 49,
            description = "seconds a call takes (95th percentile)")
    String latencyQuery = Queries.USUAL.latency();

    @Option(names = "--backlog", paramLabel = "PROMQL", order = 50,
            description = "calls waiting to be repeated (klaviyo_retry_queue_depth)")
    String backlogQuery = Queries.USUAL.queue();

    private Screen screen;
    private Launcher launcher;
    private Instant now;

    @Override
    public Integer call() {
        screen = shared.screen();
        launcher = shared.launcher();
        now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
        Optional<Incident> incident = open(shared).or(() -> newest(shared));
        Document document = out == null ? Document.of(incident, shared.host().path("")) : Document.named(out);
        return check == null ? write(incident, document)
                : check(check.isEmpty() ? document : new Document(shared.host().path(check)));
    }

    // ---- writing

    private int write(Optional<Incident> incident, Document document) {
        Optional<String> existing = document.existing();
        if (lead != null && incident.isPresent()) {
            Notebook.of(incident.get(), shared.drill()).lead(now, lead);
        }
        runbook.report.Postmortem report = runbook.report.Postmortem.of(sources(incident));
        Document.Written written = report.markdown(shared.templates().template(Document.NAME), existing);
        List<Path> files = new ArrayList<>();
        if (formats.contains(Format.md)) {
            files.add(Document.save(document.markdown(), written.text()));
        }
        if (formats.contains(Format.html)) {
            files.add(Document.save(document.page(), report.html(written.text())));
        }
        int unfinished = Document.unfinished(written.text(), LocalDate.now(ZoneOffset.UTC)).size();
        show(report, written, files, incident);
        boolean over = unfinished == 0 && report.closed().isPresent();
        String next = unfinished > 0 ? Text.count(unfinished, "place") + " to fill in. They are listed by"
                : report.closed().map(at -> "Nothing is left to fill in, and the incident was closed at " + at)
                        .orElse("Nothing is left to fill in. The incident is ended by");
        String command = over ? null : launcher.line("postmortem", unfinished > 0 ? "--check" : "close");
        screen.line(next);
        if (!over) {
            screen.command(2, command);
        }
        if (shared.json()) {
            ObjectNode json = Json.object().put("schema", 1).put("at", now.toString());
            json.setAll(report.json());
            json.put("unfinished", unfinished).put("incident", incident.map(Incident::toString).orElse(null));
            json.set("files", Json.of(files));
            json.set("kept", Json.of(written.kept()));
            json.set("notes", Json.of(report.missing()));
            shared.print(json.set("advice", Cli.advice(over ? "never" : "now", next, command)));
        }
        return 0;
    }

    private runbook.report.Postmortem.Sources sources(Optional<Incident> incident) {
        Settings settings = shared.settings();
        return new runbook.report.Postmortem.Sources(incident, Optional.ofNullable(bundle), Http.of(settings),
                settings.target().status(), settings.target().prometheus(),
                new Queries(errorsQuery, rateQuery, callsQuery, latencyQuery, backlogQuery), shared.timeout(), now,
                Optional.ofNullable(lead).map(Notebook::name), gitName(), shared.drill(),
                launcher.command("postmortem"), shared.templates());
    }

    // Whoever sits here may be the lead, and may not: it is offered as a name to confirm.
    private String gitName() {
        Tool tool = Tool.of(shared.host(), Duration.ofSeconds(2));
        try {
            return tool.find("git").isEmpty() ? ""
                    : Notebook.name(tool.run(List.of("git", "config", "user.name")).out().strip());
        } catch (Tool.Failure e) {
            return "";
        }
    }

    private void show(runbook.report.Postmortem report, Document.Written written, List<Path> files,
            Optional<Incident> incident) {
        if (!report.drill().isEmpty()) {
            screen.heading("DRILL " + report.drill() + ": an exercise, nothing was broken");
        }
        screen.verdict(Mark.OK, (report.severity() + " " + report.title()).strip() + ", "
                + (report.entries() == 1 ? "1 entry" : report.entries() + " entries"));
        if (incident.isEmpty()) {
            screen.marked(Mark.WARN, "", 0, "no incident here: " + (bundle == null
                    ? "an empty template (--incident DIR names one)" : "from the bundle alone"));
        }
        report.closed().ifPresent(at -> screen.marked(Mark.WARN, "closed", LABEL, incident.map(Incident::toString)
                .orElse("it") + " was closed at " + at + "; written again"));
        files.forEach(file -> screen.marked(Mark.OK, "written", LABEL, relative(file)));
        written.kept().forEach(name -> screen.marked(Mark.SKIP, "kept", LABEL,
                name + ": somebody edited it, so it was left alone"));
        written.left().forEach(name ->
                screen.marked(Mark.SKIP, "left", LABEL, name + ": somebody removed it, so it was not put back"));
        report.missing().forEach(problem -> screen.marked(Mark.WARN, "note", LABEL, problem));
    }

    private String relative(Path file) {
        Path here = shared.host().path("").toAbsolutePath();
        return file.toAbsolutePath().startsWith(here) ? here.relativize(file.toAbsolutePath()).toString()
                : file.toString();
    }

    // ---- checking

    private int check(Document document) {
        Path file = document.markdown();
        List<Document.Place> places = document.unfinished();
        list(screen, file, places);
        screen.verdict(places.isEmpty() ? Mark.OK : Mark.FAIL, places.isEmpty() ? file + " is finished"
                : Text.count(places.size(), "place") + " in " + file + " to finish");
        if (shared.json()) {
            ObjectNode json = Json.object().put("schema", 1).put("file", file.toString());
            json.put("finished", places.isEmpty()).set("places", Json.of(places));
            shared.print(json);
        }
        return places.isEmpty() ? 0 : UNFINISHED;
    }

    private static void list(Screen screen, Path file, List<Document.Place> places) {
        places.forEach(place -> screen.verbatim(file + ":" + place.line() + ": " + place.message()));
    }

    // ---- the incident that all of this is about

    /** The one named, else the newest open real one here, else the newest open drill. */
    private static Optional<Incident> open(Cli shared) {
        try {
            Optional<Incident> named = shared.openIncident();
            return named.isPresent() ? named : Incident.newestOpen(shared.incidents(), drill -> !drill.isEmpty());
        } catch (IOException e) {
            throw new Problem(1, "./" + Incident.BASE + " cannot be read (" + Incident.why(e)
                    + "): name the incident's folder with --incident DIR");
        }
    }

    /** The newest, open or closed. */
    private static Optional<Incident> newest(Cli shared) {
        try {
            return Incident.newestFirst(shared.incidents()).stream().findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Its journal, to write in; says on the screen when this is a drill. */
    private static Notebook notebook(Cli shared) {
        Incident incident = open(shared).orElseThrow(() -> new Problem(newest(shared)
                .map(newest -> "no incident is open here, the newest is closed: for that one add --incident " + newest)
                .orElse("no open incident in ./" + Incident.BASE + " (--incident DIR names one)")));
        Notebook notebook = Notebook.of(incident, shared.drill());
        notebook.drill().ifPresent(scenario ->
                shared.screen().heading("DRILL " + Text.safe(scenario, 60) + ": an exercise, nothing is broken"));
        return notebook;
    }

    /** What was written down belongs to an incident that is over: whoever adds it should know. */
    private static void sayIfClosed(Cli shared, Notebook notebook) {
        notebook.closed().ifPresent(at -> shared.screen().marked(Mark.WARN, "closed", 0, "this incident was closed at "
                + at.truncatedTo(ChronoUnit.SECONDS) + "; it is on record all the same, and postmortem writes it in"));
    }

    @Command(name = "event", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Adds to the journal what the tools did not see.", footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem event \"page from the shop's alert\" --at 10:12 --kind detected",
                      "  jbang postmortem event \"taking it\" --by Ana --kind acknowledged"})
    static class Tell implements Callable<Integer> {
        // What only a script can know (rotation steps, bundles) or another command writes (closed) is not among them.
        private static final Set<String> KINDS = new TreeSet<>(Set.of(Event.DETECTED, Event.ACKNOWLEDGED,
                Event.DIAGNOSED,
                Event.MITIGATED, Event.DEGRADED, Event.RECOVERED, Event.ANNOUNCED, Event.NOTE));

        @Mixin
        Cli shared = new Cli();

        @Parameters(paramLabel = "TEXT", description = "what happened, in one line")
        String text;

        @Option(names = "--at", paramLabel = "TIME", defaultValue = "now", order = 40,
                description = "when: 10:12 on the incident's day, \"10 min ago\", \"2026-11-23 10:12\"; UTC (now)")
        String at;

        @Option(names = "--by", paramLabel = "NAME", order = 41, description = "who did it or saw it")
        String by;

        @Option(names = "--kind", paramLabel = "KIND", defaultValue = Event.NOTE, order = 42,
                description = "note, detected, acknowledged, diagnosed, mitigated, degraded, recovered, announced")
        String kind;

        @Override
        public Integer call() {
            if (text.isBlank()) {
                throw new Problem("the event's text is empty: say what happened, in quotes");
            }
            if (!KINDS.contains(kind)) {
                throw new Problem("--kind " + Text.safe(kind, 40) + (kind.equals(Event.CLOSED)
                        ? ": postmortem close closes an incident" : ": there are " + String.join(", ", KINDS)));
            }
            Notebook notebook = notebook(shared);
            Instant when = Moment.past("--at", at, Instant.now().truncatedTo(ChronoUnit.MILLIS), notebook.state()
                    .began());
            String said = notebook.tell(when, kind, text, Optional.ofNullable(by));
            String incident = notebook.incident().toString();
            shared.screen().marked(
                    Mark.OK, kind, 0, when.truncatedTo(ChronoUnit.SECONDS) + "  " + said + "  (" + incident + ")");
            sayIfClosed(shared, notebook);
            if (shared.json()) {
                shared.print(Json.object().put("schema", 1).put("at", when.toString()).put("event", kind)
                        .put("summary", said).put("incident", incident).put("closed", notebook.closed().isPresent()));
            }
            return 0;
        }
    }

    @Command(name = "import", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Takes events from a day of a Slack channel, CSV or JSON Lines, each once; or a whole "
                    + "incident that postmortem export wrote.", footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem import incident-channel/2026-11-23.json --from 10:00 --to 12:30",
                      "  jbang postmortem import pager.csv", "  jbang postmortem import incident.zip"})
    static class Import implements Callable<Integer> {
        private static final int MOST_PROBLEMS = 20;

        @Mixin
        Cli shared = new Cli();

        @Parameters(paramLabel = "FILE",
                description = "a channel's day from Slack (JSON), CSV with a header, JSON Lines, an exported incident")
        Path file;

        @Option(names = "--from", paramLabel = "TIME", order = 40, description = "nothing earlier")
        String from;

        @Option(names = "--to", paramLabel = "TIME", order = 41, description = "nothing later")
        String to;

        @Override
        public Integer call() {
            if (Notebook.archive(file)) {
                Notebook.Carried carried = Notebook.bring(file, shared.incidents());
                carried(shared, "imported", carried);
                carried.left().forEach(problem -> shared.screen().marked(Mark.WARN, "note", 8, problem));
                return 0;
            }
            Instant now = Instant.now();
            Notebook notebook = notebook(shared);
            Instant first = from == null ? Instant.MIN : Moment.past("--from", from, now, notebook.state().began());
            Instant last = to == null ? Instant.MAX : Moment.past("--to", to, now, notebook.state().began());
            Notebook.Contents contents = Notebook.read(file, now);
            show(contents, notebook.take(contents, first, last), notebook);
            return 0;
        }

        private void show(Notebook.Contents contents, int added, Notebook notebook) {
            Screen screen = shared.screen();
            List<String> problems = contents.problems();
            screen.marked(Mark.OK, "imported", 0, added + " of " + Text.count(contents.told().size(), "event")
                    + " from a " + contents.form() + " file into " + notebook.incident());
            problems.stream().limit(MOST_PROBLEMS).forEach(problem -> screen.marked(Mark.WARN, "note", 8, problem));
            if (problems.size() > MOST_PROBLEMS) {
                screen.marked(Mark.WARN, "note", 8, problems.size() - MOST_PROBLEMS + " more were skipped");
            }
            sayIfClosed(shared, notebook);
            if (shared.json()) {
                ObjectNode json = Json.object().put("schema", 1).put("form", contents.form())
                        .put("read", contents.told().size()).put("added", added);
                json.set("problems", Json.of(problems));
                shared.print(json);
            }
        }
    }

    private static void carried(Cli shared, String what, Notebook.Carried carried) {
        shared.screen().marked(Mark.OK, what, 0, Text.count(carried.files(), "file") + ": " + carried.to());
        if (shared.json()) {
            ObjectNode json = Json.object().put("schema", 1).put("to", carried.to().toString());
            json.put("files", carried.files());
            json.set("redacted", Json.of(carried.redacted()));
            json.set("left", Json.of(carried.left()));
            shared.print(json);
        }
    }

    @Command(name = "export", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Writes the whole incident as one archive for another machine; nothing secret is in it.",
            footerHeading = "%nExamples:%n", footer = "  jbang postmortem export incident.zip")
    static class Export implements Callable<Integer> {
        @Mixin
        Cli shared = Cli.with("incident", "drill", "json", "verbose", "quiet", "no-color");

        @Parameters(paramLabel = "FILE", description = "the archive to write; taken in by postmortem import FILE")
        Path file;

        @Override
        public Integer call() {
            Incident incident = open(shared).or(() -> newest(shared)).orElseThrow(() ->
                    new Problem("no incident in ./" + Incident.BASE + " (--incident DIR names one)"));
            Notebook.Carried carried = Notebook.of(incident, shared.drill()).export(file);
            carried(shared, "exported", carried);
            carried.redacted().forEach(name -> shared.screen().marked(Mark.WARN, "redacted", 8,
                    name + ": it held what must not leave this machine"));
            carried.left().forEach(name -> shared.screen().marked(Mark.SKIP, "left", 8, name));
            return 0;
        }
    }

    @Command(name = "handover", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Prints what the next person must know, for a channel or a call; writes nothing.",
            footerHeading = "%nExamples:%n", footer = "  jbang postmortem handover")
    static class Handover implements Callable<Integer> {
        @Mixin
        Cli shared = Cli.with("incident", "drill", "json", "verbose", "quiet", "no-color");

        @Override
        public Integer call() {
            Incident incident = open(shared).or(() -> newest(shared)).orElseThrow(() ->
                    new Problem("no incident in ./" + Incident.BASE + " (--incident DIR names one)"));
            List<String> lines = Notebook.of(incident, shared.drill()).handover(Instant.now(), shared.launcher()::line);
            lines.forEach(shared.screen()::verbatim);
            if (shared.json()) {
                ObjectNode json = Json.object().put("schema", 1).put("incident", incident.toString());
                json.set("lines", Json.of(lines));
                shared.print(json);
            }
            return 0;
        }
    }

    @Command(name = "announce", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Writes the internal (Slack) or external (status page) message as things stand; records it.",
            footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem announce internal --state mitigating --lead Ana --eta 11:30 --post",
                      "  jbang postmortem announce external --state resolved --data-loss none"})
    static class Announce implements Callable<Integer> {
        @Mixin
        Cli shared = new Cli();

        @Parameters(paramLabel = "WHOM", description = "internal, external or both")
        Audience audience;

        @Option(names = "--state", paramLabel = "STATE", order = 40,
                description = "investigating, mitigating or resolved (as the journal has it)")
        State state;

        @Option(names = "--lead", paramLabel = "NAME", order = 41, description = "who leads the incident")
        String lead;

        @Option(names = "--severity", paramLabel = "P1..P4", order = 42, description = "else as triage found it")
        String severity;

        @Option(names = "--impact", paramLabel = "TEXT", order = 43, description = "what users experience (internal)")
        String impact;

        @Option(names = "--cause", paramLabel = "TEXT", order = 44, description = "the root cause (internal)")
        String cause;

        @Option(names = "--action", paramLabel = "TEXT", order = 45, description =
                "what is being done right now (internal)")
        String action;

        @Option(names = "--eta", paramLabel = "TIME", order = 46,
                description = "when it will be over, if that is known (internal; unknown)")
        String eta;

        @Option(names = "--next", paramLabel = "DURATION", order = 47,
                description = "until the next message (5 min, then 20 min, hourly after 2 h)")
        Duration next;

        @Option(names = "--data-loss", paramLabel = "KNOWN", order = 48,
                description = "none or some, once it is counted; not_expected or checking before (not_expected once"
                        + " something was done against it)")
        DataLoss dataLoss;

        @Option(names = "--sent", order = 49, description =
                "it was sent by hand: put it on record as told, not as a draft")
        boolean sent;

        @Option(names = "--post", order = 50, description = "post the internal message to Slack (SLACK_WEBHOOK_URL)")
        boolean post;

        @Override
        public Integer call() {
            refuseWhatDoesNotGoTogether();
            Notebook notebook = notebook(shared);
            Message message = message(notebook);
            boolean delivered = true;
            if (audience != Audience.external) {
                delivered = tell("internal", message.internal(shared.templates()), message, notebook);
            }
            if (audience != Audience.internal) {
                shared.screen().line();
                tell("external", message.external(shared.templates()), message, notebook);
            }
            sayIfClosed(shared, notebook);
            return delivered ? 0 : 1;
        }

        private void refuseWhatDoesNotGoTogether() {
            if (severity != null && !severity.matches("P[1-4]")) {
                throw new Problem("--severity " + Text.safe(severity, 20) + ": there are P1, P2, P3 and P4");
            }
            if (post && audience == Audience.external) {
                throw new Problem("--post goes to Slack, and the external message does not: write announce internal");
            }
        }

        private Message message(Notebook notebook) {
            Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
            runbook.report.Postmortem known = runbook.report.Postmortem.of(
                    runbook.report.Postmortem.Sources.recorded(notebook.incident(), now, shared.templates()));
            Message message = Message.of(shared.templates(), known.diagnosis(), severity == null ? known.severity()
                    : severity,
                            state == null ? State.of(notebook.events()) : state, now, notebook.events())
                    .withLead(lead).withDrill(notebook.drill());
            message = next == null ? message : message.withNext(now.plus(next));
            message = impact == null ? message : message.withImpact(impact);
            message = cause == null ? message : message.withRootCause(cause);
            message = action == null ? message : message.withAction(action);
            message = eta == null ? message : message.withEta(eta);
            return dataLoss == null ? message : message.withDataLoss(dataLoss);
        }

        private boolean tell(String whom, String text, Message message, Notebook notebook) {
            shared.screen().verbatim(text);
            boolean tried = post && whom.equals("internal");
            boolean posted = tried && post(message);
            boolean told = posted || sent && !tried;
            String summary = whom + " message, " + message.state().word()
                    + (posted ? ", posted to Slack" : tried ? ", not accepted by Slack" : told ? ", sent"
                            : ", a draft");
            Map<String, Object> data = new LinkedHashMap<>(Map.of(
                    "audience", whom, "state", message.state().word(), "text", text, "posted", posted, "sent", told));
            message.next().ifPresent(due -> data.put("next", due.toString()));
            if (lead != null) {
                data.put("lead", Notebook.name(lead));
            }
            notebook.add(message.at(), told ? Event.ANNOUNCED : Event.NOTE, summary, data);
            if (!told) {
                shared.screen().line("This is a draft. Once it is sent, put it on record:");
                shared.screen().command(2, shared.launcher().line("postmortem",
                        "event 'told people' --kind announced"));
            }
            if (shared.json()) {
                shared.print(Json.object().put("schema", 1).put("audience", whom)
                        .put("state", message.state().word()).put("text", text).put("posted", posted)
                        .put("incident", notebook.incident().toString()));
            }
            return posted || !tried;
        }

        private boolean post(Message message) {
            URI webhook = shared.sandbox().map(sandbox -> sandbox.slackUrl()).or(() -> Slack.webhook(shared.host()
                    .environment()))
                    .orElseThrow(() -> new Problem("--post: set " + Slack.VARIABLE
                            + " to the address of an incoming webhook"));
            Slack.Posted posted = Slack.post(
                    Http.of(shared.settings()), webhook, message.forSlack(shared.templates()), shared.timeout());
            shared.screen().marked(posted.accepted() ? Mark.OK : Mark.FAIL, "slack", 0,
                    posted.accepted() ? "posted" : "not posted: " + posted.why());
            return posted.accepted();
        }
    }

    @Command(name = "close", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Ends the incident, once nothing in its postmortem is unfinished.",
            footerHeading = "%nExit codes: 0 closed; 51 unfinished places remain; 1 unexpected failure;%n"
                + "  2 wrong usage.%n%nExamples:%n",
            footer = {"  jbang postmortem close", "  jbang postmortem close docs/postmortems/2026-11-23.md --by Ana"})
    static class Close implements Callable<Integer> {
        @Mixin
        Cli shared = new Cli();

        @Spec
        CommandSpec spec;

        @Parameters(paramLabel = "FILE", arity = "0..1", description =
                "the postmortem (postmortem.md in the incident's folder)")
        Path file;

        @Option(names = "--by", paramLabel = "NAME", order = 40, description = "who closes it")
        String by;

        @Option(names = "--anyway", order = 41, description = "although places are unfinished, or nothing is written")
        boolean anyway;

        @Override
        public Integer call() {
            Notebook notebook = notebook(shared);
            if (notebook.closed().isPresent()) {
                shared.screen().marked(Mark.OK, "closed", 0, notebook.incident() + " is closed already");
                return 0;
            }
            Document document = file == null ? Document.of(Optional.of(notebook.incident()), Path.of(""))
                    : new Document(file);
            boolean there = Files.exists(document.markdown());
            List<Document.Place> places = there ? document.unfinished() : List.of();
            if (!anyway && !(there && places.isEmpty())) {
                refuse(document, there, places);
                return UNFINISHED;
            }
            close(notebook, places.size(), !there ? "without a postmortem" : places.isEmpty() ? "postmortem finished"
                    : Text.count(places.size(), "place") + " of the postmortem unfinished");
            return 0;
        }

        private void refuse(Document document, boolean there, List<Document.Place> places) {
            Screen screen = shared.screen();
            list(screen, document.markdown(), places);
            screen.verdict(Mark.FAIL, "not closed: " + (there
                    ? Text.count(places.size(), "place") + " to finish first (or --anyway)"
                    : "there is no " + document.markdown() + " yet; write it first (or --anyway)"));
            if (!there) {
                screen.command(2, shared.launcher().line("postmortem", ""));
            }
        }

        private void close(Notebook notebook, int unfinished, String state) {
            Map<String, Object> data = new LinkedHashMap<>(Map.of("unfinished", unfinished));
            Optional.ofNullable(by).ifPresent(name -> data.put("by", Notebook.name(name)));
            notebook.add(Instant.now().truncatedTo(ChronoUnit.MILLIS), Event.CLOSED, state, data);
            shared.screen().marked(Mark.OK, "closed", 0, notebook.incident() + ": " + state);
            if (shared.json()) {
                shared.print(Json.object().put("schema", 1).put("closed", true)
                        .put("unfinished", unfinished).put("incident", notebook.incident().toString()));
            }
        }
    }
}
