///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Writes the postmortem of an incident from what was recorded; people add only what people know
//SOURCES runbook/cli/package-info.java
//SOURCES runbook/redact/package-info.java
//SOURCES runbook/report/package-info.java
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx192m -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
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
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.Http;
import runbook.Json;
import runbook.Problem;
import runbook.Settings;
import runbook.Text;
import runbook.cli.Launch;
import runbook.cli.Screen;
import runbook.cli.Screen.Mark;
import runbook.cli.SharedOptions;
import runbook.incident.Event;
import runbook.incident.Incident;
import runbook.message.Announcement;
import runbook.message.DataLoss;
import runbook.message.Messages;
import runbook.message.Slack;
import runbook.message.State;
import runbook.message.Template;
import runbook.redact.Redactor;
import runbook.report.EventsFile;
import runbook.report.Moment;
import runbook.report.Prometheus;
import runbook.report.Report;
import runbook.report.Told;
import runbook.report.Unfinished;

@Command(name = "postmortem", mixinStandardHelpOptions = true, version = Launch.VERSION, sortOptions = false,
        description = "Writes the postmortem of an incident from what was recorded; people add only what people know.",
        subcommands = {Postmortem.Tell.class, Postmortem.Import.class, Postmortem.Announce.class, Postmortem.Close.class},
        footerHeading = "%nExit codes: 0 written; 51 --check: unfinished places remain; 1 unexpected%n  failure; 2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang postmortem --lead Ana --bundle klaviyo-incidents/*/bundle-*.zip",
                  "  jbang postmortem --check docs/postmortems/2026-11-23.md"})
class Postmortem implements Callable<Integer> {
    public static void main(String... args) {
        System.exit(Launch.run(new Postmortem(), args));
    }

    private static final int UNFINISHED = 51;
    private static final String FILE = "postmortem.md";

    enum Format { md, html }

    enum Audience { internal, external, both }

    @Mixin
    SharedOptions shared;

    @Option(names = "--lead", paramLabel = "NAME", order = 40, description = "who leads the incident")
    String lead;

    @Option(names = "--bundle", paramLabel = "FILE", order = 41, description = "a debug bundle, for its logs, metrics and journal")
    Path bundle;

    @Option(names = "--format", paramLabel = "FORMAT", split = ",", order = 42, description = "md, html or both (both)")
    Set<Format> formats = EnumSet.allOf(Format.class);

    @Option(names = "--out", paramLabel = "FILE", order = 43, description = "where to write (postmortem.md in the incident's folder; .html beside it)")
    Path out;

    @Option(names = "--template", paramLabel = "FILE", order = 44, description = "your own instead of templates/postmortem.md")
    Path template;

    @Option(names = "--check", paramLabel = "FILE", arity = "0..1", fallbackValue = "", order = 45,
            description = "write nothing; tell what is unfinished, with line numbers")
    String check;

    @Option(names = "--errors-query", paramLabel = "PROMQL", order = 46,
            description = "failed calls by status over $window (klaviyo_api_errors_total)")
    String errorsQuery = Prometheus.Queries.USUAL.failed();

    @Option(names = "--rate-query", paramLabel = "PROMQL", order = 47, description = "failed calls per second by status")
    String rateQuery = Prometheus.Queries.USUAL.rate();

    @Option(names = "--calls-query", paramLabel = "PROMQL", order = 48, description = "all calls over $window (klaviyo_api_requests_total)")
    String callsQuery = Prometheus.Queries.USUAL.calls();

    @Option(names = "--latency-query", paramLabel = "PROMQL", order = 49, description = "seconds a call takes (95th percentile)")
    String latencyQuery = Prometheus.Queries.USUAL.latency();

    @Option(names = "--backlog", paramLabel = "PROMQL", order = 50, description = "calls waiting to be repeated (klaviyo_retry_queue_depth)")
    String backlogQuery = Prometheus.Queries.USUAL.queue();

    private Screen screen;
    private Instant now;

    @Override
    public Integer call() throws IOException {
        screen = shared.screen();
        now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
        Optional<Incident> incident = incident(shared);
        return check == null ? write(incident) : check(incident);
    }

    // ---- writing

    private int write(Optional<Incident> incident) throws IOException {
        Settings settings = shared.settings();
        Template form = template == null ? Template.bundled(FILE) : Template.file("--template", template);
        Path markdown = target(incident);
        Optional<String> existing = existing(markdown);
        recordLead(incident);
        Prometheus.Queries queries = new Prometheus.Queries(errorsQuery, rateQuery, callsQuery, latencyQuery, backlogQuery);
        Report report = Report.of(new Report.Sources(incident, Optional.ofNullable(bundle), Http.of(settings), settings.target().status(),
                settings.target().prometheus(), queries, shared.timeout(), now, Optional.ofNullable(lead).map(Postmortem::name), shared.drill()));
        Report.Written written = report.markdown(form, existing);
        List<Path> files = new ArrayList<>();
        if (formats.contains(Format.md)) {
            files.add(save(markdown, written.text()));
        }
        if (formats.contains(Format.html)) {
            files.add(save(page(markdown), report.html(written.text())));
        }
        show(report, written, files, incident);
        return 0;
    }

    // With --format html alone, --out names the page; the Markdown that it shows stands beside it, if there is any.
    private Path target(Optional<Incident> incident) {
        if (out == null) {
            return incident.map(Incident::folder).orElse(Path.of("")).resolve(FILE);
        }
        String name = out.getFileName().toString();
        return out.resolveSibling(name.endsWith(".html") ? name.replaceFirst("\\.html$", ".md") : name);
    }

    private static Path page(Path markdown) {
        return markdown.resolveSibling(markdown.getFileName().toString().replaceFirst("\\.(md|markdown)$", "") + ".html");
    }

    private static Optional<String> existing(Path markdown) {
        try {
            if (Files.notExists(markdown)) {
                return Optional.empty();
            }
            String text = Files.readString(markdown);
            if (!Report.ours(text)) {
                throw new Problem("--out " + markdown + " is there, and has no generated part to bring up to date: name another file");
            }
            return Optional.of(text);
        } catch (IOException e) {
            throw new Problem("--out " + markdown + " cannot be read: " + Incident.why(e));
        }
    }

    private void recordLead(Optional<Incident> incident) throws IOException {
        if (lead != null && incident.isPresent() && Files.exists(incident.get().journal().file())) {
            String name = name(lead);
            List<Event> events = incident.get().journal().read().events();
            String known = events.stream().map(event -> event.data().path("lead").asText(event.event().equals(Event.ACKNOWLEDGED) ? event.data().path("by").asText() : ""))
                    .filter(one -> !one.isEmpty()).reduce("", (one, other) -> other);
            if (!known.equals(name)) {
                journal(incident.get(), new Event(now, "postmortem", Event.NOTE, name + " leads the incident", Json.of(withDrill(shared, events, Map.of("lead", name)))));
            }
        }
    }

    private static Path save(Path file, String text) {
        try {
            return Incident.at(file.toAbsolutePath().getParent()).write(file.getFileName().toString(), text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new Problem("--out " + file + " cannot be written: " + Incident.why(e));
        }
    }

    private void show(Report report, Report.Written written, List<Path> files, Optional<Incident> incident) {
        List<Unfinished.Place> places = Unfinished.in(written.text(), today());
        if (!report.drill().isEmpty()) {
            screen.heading("DRILL " + report.drill() + ": an exercise, nothing was broken");
        }
        screen.verdict(Mark.OK, (report.severity().isEmpty() ? "" : report.severity() + " ") + report.title() + ", " + report.entries() + (report.entries() == 1 ? " entry" : " entries"));
        if (incident.isEmpty()) {
            screen.marked(Mark.WARN, "", 0, bundle == null ? "no open incident here: an empty template (--incident DIR names one)" : "no open incident here: from the bundle alone");
        }
        files.forEach(file -> screen.marked(Mark.OK, "written", 7, relative(file)));
        written.kept().forEach(name -> screen.marked(Mark.SKIP, "kept", 7, name + ": somebody edited it, so it was left alone; newer text, if any, stands below it"));
        written.left().forEach(name -> screen.marked(Mark.SKIP, "left", 7, name + ": somebody removed it, so it was not put back"));
        report.missing().forEach(problem -> screen.marked(Mark.WARN, "note", 7, problem));
        screen.line(places.isEmpty() ? "Nothing is left to fill in: postmortem close ends the incident"
                : Text.count(places.size(), "place") + " to fill in: postmortem --check lists them");
        if (shared.json()) {
            System.out.println(Json.pretty(json(report, written, files, incident, places.size())));
        }
    }

    private static String relative(Path file) {
        Path here = Path.of("").toAbsolutePath();
        return file.toAbsolutePath().startsWith(here) ? here.relativize(file.toAbsolutePath()).toString() : file.toString();
    }

    private ObjectNode json(Report report, Report.Written written, List<Path> files, Optional<Incident> incident, int unfinished) {
        ObjectNode json = Json.object().put("schema", 1).put("at", now.toString()).put("drill", report.drill().isEmpty() ? null : report.drill())
                .put("title", report.title()).put("diagnosis", report.diagnosis()).put("severity", report.severity()).put("lead", report.lead())
                .put("began", report.began().map(Instant::toString).orElse(null)).put("restored", report.restored().map(Instant::toString).orElse(null))
                .put("entries", report.entries()).put("unfinished", unfinished).put("incident", incident.map(Incident::toString).orElse(null));
        json.set("files", Json.of(files));
        json.set("kept", Json.of(written.kept()));
        json.set("notes", Json.of(report.missing()));
        return json;
    }

    // ---- checking

    private int check(Optional<Incident> incident) {
        Path file = check.isEmpty() ? target(incident) : Path.of(check);
        List<Unfinished.Place> places = unfinished(file);
        places.forEach(place -> screen.verbatim(file + ":" + place.line() + ": " + place.message()));
        screen.verdict(places.isEmpty() ? Mark.OK : Mark.FAIL, places.isEmpty() ? file + " is finished"
                : Text.count(places.size(), "place") + " in " + file + " to finish");
        if (shared.json()) {
            ObjectNode json = Json.object().put("schema", 1).put("file", file.toString()).put("finished", places.isEmpty());
            json.set("places", Json.of(places.stream().map(place -> Map.of("line", place.line(), "rule", place.rule(), "message", place.message())).toList()));
            System.out.println(Json.pretty(json));
        }
        return places.isEmpty() ? 0 : UNFINISHED;
    }

    private static List<Unfinished.Place> unfinished(Path file) {
        try {
            return Unfinished.in(new String(Files.readAllBytes(file), StandardCharsets.UTF_8), today());
        } catch (IOException e) {
            throw new Problem("--check " + file + " cannot be read (" + Incident.why(e) + "): write it first with postmortem, or name the file");
        }
    }

    private static LocalDate today() {
        return LocalDate.now(ZoneOffset.UTC);
    }

    // ---- the incident that all of this is about

    /** The one named, else the newest open real one here, else the newest open drill. */
    private static Optional<Incident> incident(SharedOptions shared) throws IOException {
        Optional<Incident> named = shared.incident();
        return named.isPresent() ? named : Incident.newestOpen(Path.of(Incident.BASE), drill -> !drill.isEmpty());
    }

    private static Incident needed(SharedOptions shared) throws IOException {
        return incident(shared).orElseThrow(() -> new Problem("no open incident in ./" + Incident.BASE + ": name its folder with --incident DIR (a new one is made)"));
    }

    private static Map<String, Object> withDrill(SharedOptions shared, List<Event> events, Map<String, ?> data) {
        Map<String, Object> all = new LinkedHashMap<>(data);
        drill(shared, events).ifPresent(scenario -> all.put("drill", scenario));
        return all;
    }

    private static Optional<String> drill(SharedOptions shared, List<Event> events) {
        return Optional.of(Incident.drill(events)).filter(scenario -> !scenario.isEmpty()).or(shared::drill);
    }

    private static void banner(SharedOptions shared, List<Event> events) {
        drill(shared, events).ifPresent(scenario -> shared.screen().heading("DRILL " + Text.safe(scenario, 60) + ": an exercise, nothing is broken"));
    }

    /** A name as people are asked for it: one line, without the @ of a mention. */
    private static String name(String given) {
        return Text.safe(given, 80).replaceFirst("^@+", "");
    }

    private static void journal(Incident incident, Event event) {
        try {
            incident.append(event);
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be written: " + Incident.why(e));
        }
    }

    @Command(name = "event", mixinStandardHelpOptions = true, version = Launch.VERSION, sortOptions = false,
            description = "Adds to the journal what the tools did not see.",
            footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem event \"page from the shop's alert\" --at 10:12 --kind detected",
                      "  jbang postmortem event \"taking it\" --by Ana --kind acknowledged"})
    static class Tell implements Callable<Integer> {
        // What only a script can know (rotation steps, bundles) or another command writes (closed) is not among them.
        private static final Set<String> KINDS = new TreeSet<>(Set.of(Event.DETECTED, Event.ACKNOWLEDGED, Event.DIAGNOSED, Event.MITIGATED,
                Event.DEGRADED, Event.RECOVERED, Event.ANNOUNCED, Event.NOTE));

        @Mixin
        SharedOptions shared;

        @Parameters(paramLabel = "TEXT", description = "what happened, in one line")
        String text;

        @Option(names = "--at", paramLabel = "TIME", defaultValue = "now", order = 40,
                description = "when: 10:12 on the incident's day, \"10 min ago\", \"2026-11-23 10:12\" or ISO 8601; UTC (now)")
        String at;

        @Option(names = "--by", paramLabel = "NAME", order = 41, description = "who did it or saw it")
        String by;

        @Option(names = "--kind", paramLabel = "KIND", defaultValue = Event.NOTE, order = 42,
                description = "detected, acknowledged, diagnosed, mitigated, degraded, recovered, announced or note (note)")
        String kind;

        @Override
        public Integer call() throws IOException {
            if (text.isBlank()) {
                throw new Problem("the event's text is empty: say what happened, in quotes");
            }
            if (!KINDS.contains(kind)) {
                throw new Problem("--kind " + Text.safe(kind, 40) + (kind.equals(Event.CLOSED) ? ": postmortem close closes an incident" : ": there are " + String.join(", ", KINDS)));
            }
            Incident incident = needed(shared);
            List<Event> events = incident.journal().read().events();
            banner(shared, events);
            Instant when = Moment.past("--at", at, Instant.now().truncatedTo(ChronoUnit.MILLIS), events.stream().map(Event::at).min(Instant::compareTo));
            // What people paste may hold what an incident folder must not: keys, customers' addresses.
            String said = Redactor.strict().text(Text.safe(text, 1_000));
            Map<String, String> data = by == null ? Map.of() : Map.of("by", name(by));
            journal(incident, new Event(when, "postmortem", kind, said, Json.of(withDrill(shared, events, data))));
            shared.screen().marked(Mark.OK, kind, 0, when.truncatedTo(ChronoUnit.SECONDS) + "  " + said + "  (" + incident + ")");
            if (shared.json()) {
                System.out.println(Json.pretty(Json.object().put("schema", 1).put("at", when.toString()).put("event", kind).put("summary", said).put("incident", incident.toString())));
            }
            return 0;
        }
    }

    @Command(name = "import", mixinStandardHelpOptions = true, version = Launch.VERSION, sortOptions = false,
            description = "Takes events from a Slack export, a CSV or a JSON Lines file; a second time it adds only what is new.",
            footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem import incident-channel/2026-11-23.json --from 10:00 --to 12:30", "  jbang postmortem import pager.csv"})
    static class Import implements Callable<Integer> {
        @Mixin
        SharedOptions shared;

        @Parameters(paramLabel = "FILE", description = "Slack export (ZIP), a channel's day from one (JSON), CSV with a header, or JSON Lines")
        Path file;

        @Option(names = "--channel", paramLabel = "NAME", order = 39, description = "the channel to take from a whole Slack export")
        String channel;

        @Option(names = "--from", paramLabel = "TIME", order = 40, description = "nothing earlier")
        String from;

        @Option(names = "--to", paramLabel = "TIME", order = 41, description = "nothing later")
        String to;

        @Override
        public Integer call() throws IOException {
            Instant now = Instant.now();
            Incident incident = needed(shared);
            List<Event> known = incident.journal().read().events();
            banner(shared, known);
            Optional<Instant> began = known.stream().map(Event::at).min(Instant::compareTo);
            Instant first = from == null ? Instant.MIN : Moment.past("--from", from, now, began);
            Instant last = to == null ? Instant.MAX : Moment.past("--to", to, now, began);
            EventsFile.Contents contents = EventsFile.read(file, channel, now);
            Set<String> there = known.stream().map(event -> same(event.at(), event.summary())).collect(Collectors.toSet());
            Redactor redactor = Redactor.strict();
            int added = 0;
            for (Told told : contents.told()) {
                boolean wanted = !told.at().isBefore(first) && !told.at().isAfter(last);
                String text = redactor.text(told.text());
                if (wanted && there.add(same(told.at(), text))) {
                    Map<String, String> data = told.by().isEmpty() ? Map.of("from", contents.form()) : Map.of("from", contents.form(), "by", told.by());
                    journal(incident, new Event(told.at(), "import", told.kind(), text, Json.of(withDrill(shared, known, data))));
                    added++;
                }
            }
            show(contents, added, incident);
            return 0;
        }

        // Pseudonyms differ from run to run, so that they must not tell an event apart from itself.
        private static String same(Instant at, String text) {
            return at.truncatedTo(ChronoUnit.MILLIS) + text.replaceAll("-[0-9a-f]{6,}", "-");
        }

        private void show(EventsFile.Contents contents, int added, Incident incident) {
            Screen screen = shared.screen();
            screen.marked(Mark.OK, "imported", 0, added + " of " + Text.count(contents.told().size(), "event") + " from a " + contents.form() + " file into " + incident);
            contents.problems().stream().limit(20).forEach(problem -> screen.marked(Mark.WARN, "note", 8, problem));
            if (contents.problems().size() > 20) {
                screen.marked(Mark.WARN, "note", 8, contents.problems().size() - 20 + " more were skipped");
            }
            if (shared.json()) {
                ObjectNode json = Json.object().put("schema", 1).put("form", contents.form()).put("read", contents.told().size()).put("added", added);
                json.set("problems", Json.of(contents.problems()));
                System.out.println(Json.pretty(json));
            }
        }
    }

    @Command(name = "announce", mixinStandardHelpOptions = true, version = Launch.VERSION, sortOptions = false,
            description = "Writes the internal (Slack) or external (status page) message as things stand, and records it.",
            footerHeading = "%nExamples:%n",
            footer = {"  jbang postmortem announce internal --state mitigating --lead Ana --eta 11:30 --post",
                      "  jbang postmortem announce external --state resolved --data-loss none"})
    static class Announce implements Callable<Integer> {
        @Mixin
        SharedOptions shared;

        @Parameters(paramLabel = "WHOM", description = "internal, external or both")
        Audience audience;

        @Option(names = "--state", paramLabel = "STATE", order = 40, description = "investigating, mitigating or resolved (as the journal has it)")
        State state;

        @Option(names = "--lead", paramLabel = "NAME", order = 41, description = "who leads the incident")
        String lead;

        @Option(names = "--severity", paramLabel = "P1..P4", order = 42, description = "else as triage found it")
        String severity;

        @Option(names = "--impact", paramLabel = "TEXT", order = 43, description = "what users experience (internal)")
        String impact;

        @Option(names = "--cause", paramLabel = "TEXT", order = 44, description = "the root cause (internal)")
        String cause;

        @Option(names = "--action", paramLabel = "TEXT", order = 45, description = "what is being done right now (internal)")
        String action;

        @Option(names = "--eta", paramLabel = "TIME", order = 46, description = "when it will be over, if that is known (internal; unknown)")
        String eta;

        @Option(names = "--next", paramLabel = "DURATION", order = 47, description = "until the next message (5 min, then 20 min, hourly after 2 h)")
        Duration next;

        @Option(names = "--data-loss", paramLabel = "none|some", order = 48, description = "what is known about lost data, once it is counted")
        DataLoss dataLoss;

        @Option(names = "--template", paramLabel = "FILE", order = 49, description = "your own instead of templates/slack.md or status-page.md")
        Path template;

        @Option(names = "--post", order = 50, description = "post the internal message to Slack (SLACK_WEBHOOK_URL)")
        boolean post;

        @Override
        public Integer call() throws IOException {
            if (severity != null && !severity.matches("P[1-4]")) {
                throw new Problem("--severity " + Text.safe(severity, 20) + ": there are P1, P2, P3 and P4");
            }
            if (template != null && audience == Audience.both) {
                throw new Problem("--template is for one of the two messages: write announce internal or announce external");
            }
            if (post && audience == Audience.external) {
                throw new Problem("--post goes to Slack, and the external message does not: write announce internal");
            }
            Incident incident = needed(shared);
            List<Event> events = incident.journal().read().events();
            Announcement message = message(incident, events);
            banner(shared, events);
            boolean delivered = true;
            if (audience != Audience.external) {
                delivered = tell("internal", Messages.internal(message, form("slack.md")), message, incident, events);
            }
            if (audience != Audience.internal) {
                shared.screen().line();
                tell("external", Messages.external(message, form("status-page.md")), message, incident, events);
            }
            return delivered ? 0 : 1;
        }

        private Announcement message(Incident incident, List<Event> events) {
            Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
            Report known = Report.recorded(incident, now);
            State stands = state == null ? State.of(events) : state;
            Announcement message = Announcement.of(
                            known.diagnosis(), severity == null ? known.severity() : severity, stands, now, events)
                    .withLead(lead).withDrill(drill(shared, events));
            message = next == null ? message : message.withNext(now.plus(next));
            message = impact == null ? message : message.withImpact(impact);
            message = cause == null ? message : message.withRootCause(cause);
            message = action == null ? message : message.withAction(action);
            message = eta == null ? message : message.withEta(eta);
            return dataLoss == null ? message : message.withDataLoss(dataLoss);
        }

        private Template form(String name) {
            return template == null ? Template.bundled(name) : Template.file("--template", template);
        }

        private boolean tell(String whom, String text, Announcement message, Incident incident, List<Event> events) {
            Screen screen = shared.screen();
            screen.verbatim(text);
            boolean internal = whom.equals("internal");
            Optional<Slack.Posted> posted = internal && post ? Optional.of(post(message)) : Optional.empty();
            posted.ifPresent(result -> screen.marked(result.accepted() ? Mark.OK : Mark.FAIL, "slack", 0, result.accepted() ? "posted" : "not posted: " + result.why()));
            boolean delivered = posted.map(Slack.Posted::accepted).orElse(true);
            String summary = whom + " message, " + message.state().word() + (posted.isEmpty() ? "" : delivered ? ", posted to Slack" : ", not accepted by Slack");
            Map<String, Object> data = new LinkedHashMap<>(Map.of("audience", whom, "state", message.state().word(), "text", text, "posted", posted.isPresent() && delivered));
            message.next().ifPresent(due -> data.put("next", due.toString()));
            if (lead != null) {
                data.put("lead", name(lead));
            }
            journal(incident, new Event(message.at(), "postmortem", delivered ? Event.ANNOUNCED : Event.NOTE, summary, Json.of(withDrill(shared, events, data))));
            if (shared.json()) {
                System.out.println(Json.pretty(Json.object().put("schema", 1).put("audience", whom).put("state", message.state().word()).put("text", text)
                        .put("posted", posted.isPresent() && delivered).put("incident", incident.toString())));
            }
            return delivered;
        }

        private Slack.Posted post(Announcement message) {
            URI webhook = shared.sandbox().map(sandbox -> sandbox.slackUrl()).or(() -> Slack.webhook(System.getenv()))
                    .orElseThrow(() -> new Problem("--post: set " + Slack.VARIABLE + " to the address of an incoming webhook"));
            return Slack.post(Http.of(shared.settings()), webhook, Messages.forSlack(message, form("slack.md")), shared.timeout());
        }
    }

    @Command(name = "close", mixinStandardHelpOptions = true, version = Launch.VERSION, sortOptions = false,
            description = "Ends the incident, once nothing in its postmortem is unfinished.",
            footerHeading = "%nExit codes: 0 closed; 51 unfinished places remain; 1 unexpected failure;%n  2 wrong usage.%n%nExamples:%n",
            footer = {"  jbang postmortem close", "  jbang postmortem close docs/postmortems/2026-11-23.md --by Ana"})
    static class Close implements Callable<Integer> {
        @Mixin
        SharedOptions shared;

        @Parameters(paramLabel = "FILE", arity = "0..1", description = "the postmortem (postmortem.md in the incident's folder)")
        Path file;

        @Option(names = "--by", paramLabel = "NAME", order = 40, description = "who closes it")
        String by;

        @Option(names = "--anyway", order = 41, description = "although places are unfinished, or nothing is written")
        boolean anyway;

        @Override
        public Integer call() throws IOException {
            Screen screen = shared.screen();
            Incident incident = needed(shared);
            List<Event> events = incident.journal().read().events();
            banner(shared, events);
            if (!Incident.open(events)) {
                screen.marked(Mark.OK, "closed", 0, incident + " is closed already");
                return 0;
            }
            Path written = file == null ? incident.folder().resolve(FILE) : file;
            boolean there = Files.isRegularFile(written);
            List<Unfinished.Place> places = there ? unfinished(written) : List.of();
            boolean finished = there && places.isEmpty();
            if (!finished && !anyway) {
                places.forEach(place -> screen.verbatim(written + ":" + place.line() + ": " + place.message()));
                screen.verdict(Mark.FAIL, there ? "not closed: " + Text.count(places.size(), "place") + " to finish first (or --anyway)"
                        : "not closed: there is no " + written + " yet; write it with postmortem first (or --anyway)");
                return UNFINISHED;
            }
            String state = finished ? "postmortem finished" : there ? Text.count(places.size(), "place") + " of the postmortem unfinished" : "without a postmortem";
            Map<String, Object> data = new LinkedHashMap<>(Map.of("unfinished", places.size()));
            Optional.ofNullable(by).ifPresent(name -> data.put("by", name(name)));
            journal(incident, Event.now("postmortem", Event.CLOSED, state, withDrill(shared, events, data)));
            screen.marked(Mark.OK, "closed", 0, incident + ": " + state);
            if (shared.json()) {
                System.out.println(Json.pretty(Json.object().put("schema", 1).put("closed", true).put("unfinished", places.size()).put("incident", incident.toString())));
            }
            return 0;
        }
    }
}
