///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION Writes the postmortem of an incident from what was recorded; people add only what people know
//SOURCES runbook/Chart.java
//SOURCES runbook/Cli.java
//SOURCES runbook/Facts.java
//SOURCES runbook/Http.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/Message.java
//SOURCES runbook/Prometheus.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/StatusPage.java
//SOURCES runbook/Text.java
//SOURCES runbook/Tool.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/redact/View.java
//SOURCES runbook/report/Document.java
//SOURCES runbook/report/Evidence.java
//SOURCES runbook/report/Notebook.java
//SOURCES runbook/report/Report.java
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
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/postmortem.md
//FILES templates/=templates/timeline.json
//FILES templates/=templates/unfinished.json
//FILES templates/=templates/handover.md
//FILES templates/=templates/page.html
//FILES templates/=templates/scenarios.json
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx192m -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.*;
import runbook.Incident.Event;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Settings.Times;
import runbook.Text.Json;
import runbook.report.*;

@Command(name = "postmortem",
        description = "Writes the postmortem of an incident from what was recorded; people add only what people know.",
        subcommands = {Postmortem.Tell.class, Postmortem.Import.class, Postmortem.Export.class,
            Postmortem.Handover.class, Postmortem.Close.class},
        footerHeading = "%nExit codes: 0 written; 51 --check: unfinished places remain; 1 unexpected%n"
                + "  failure; 2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang postmortem --lead Ana --bundle bundle-20261123T101200Z.zip",
            "  jbang postmortem --check docs/postmortems/2026-11-23.md"})
class Postmortem extends PostmortemCommand {
    public static void main(String... args) {
        System.exit(Cli.main(Postmortem::new, args, "--check", "nothing.md"));
    }

    @Option(names = "--lead", paramLabel = "NAME", order = 40, description = "who leads the incident")
    String lead;
    @Option(names = "--bundle", paramLabel = "FILE", order = 41,
            description = "a debug bundle, for its counts of logs and metrics (the newest in the incident's folder)")
    Path bundle;
    @Option(names = "--out", paramLabel = "FILE", order = 43,
            description = "where to write (postmortem.md in the incident's folder; .html beside it)")
    Path out;
    @Option(names = "--check", paramLabel = "FILE", order = 44, arity = "0..1", fallbackValue = "",
            description = "write nothing; tell what is unfinished, with line numbers")
    String check;

    @Override
    public Integer call() throws IOException {
        // Where there is no incident, what was found is written here.
        Incident incident = shared.incidents().toRead().orElse(new Incident(shared.host().path("")));
        if (check != null) {
            return check(check.isEmpty() ? Document.of(incident) : new Document(shared.host().path(check)), incident);
        }
        Notebook notebook = Notebook.of(incident, shared.drill());
        Document document = out == null ? Document.of(incident) : new Document(out);
        Optional<String> existing = document.existing(shared.templates());
        Settings settings = shared.settings();
        // Over nothing, so that a template, table or bundle that cannot be used is refused before anything is written.
        Notebook nothing = new Notebook(new Incident(Path.of("none")), List.of(), List.of(), "");
        report(nothing, Optional.ofNullable(bundle), Optional.empty()).markdown(Optional.empty());
        writeWhoLeads(notebook);
        Report report = report(notebook, Optional.ofNullable(bundle), Optional.of(settings));
        return write(report, notebook, document, existing);
    }

    private void writeWhoLeads(Notebook notebook) {
        boolean none = notebook.events().isEmpty();
        if (none && lead != null) {
            throw new Problem("--lead is kept in an incident's journal, and there is none here" + ELSEWHERE);
        } else if (none) {
            say(Mark.WARN, "", "no incident here, so nothing from a journal" + ELSEWHERE);
        } else if (lead == null && Incident.lead(notebook.events()).isEmpty()) {
            lead = confirmed("Who leads the incident?");
        }
        Optional.ofNullable(lead).ifPresent(name -> notebook.lead(now, name));
    }

    private int write(Report report, Notebook notebook, Document document, Optional<String> existing) {
        Document.Written written = report.markdown(existing);
        List<Path> files = List.of(Document.save(document.markdown(), written.text()),
                Document.save(document.page(), report.html(written.text())));
        ObjectNode known = report.json();
        sayWhich(notebook, "written again");
        String title = (known.path("severity").asText() + " " + known.path("title").asText()).strip();
        shared.screen().verdict(Mark.OK, title + ", " + Text.count(known.path("entries").asInt(), "event"));
        files.forEach(file -> say(Mark.OK, "written", file.toString()));
        written.kept().forEach(name -> say(Mark.SKIP, "kept", name + ": somebody edited it, so it was left alone"));
        known.path("notes").forEach(problem -> say(Mark.WARN, "note", problem.asText()));
        int unfinished = Document.unfinished(shared.templates(), written.text()).size();
        known.put("at", now.toString()).put("unfinished", unfinished)
                .put("incident", notebook.events().isEmpty() ? null : notebook.incident().toString())
                .<ObjectNode>set("files", Json.of(files)).set("kept", Json.of(written.kept()));
        boolean over = unfinished == 0 && notebook.closed().isPresent();
        String filled = "Nothing is left to fill in" + (over ? ", and it was closed" : ". The incident is ended by");
        String words = unfinished > 0 ? Text.count(unfinished, "place") + " to fill in. They are listed by" : filled;
        String option = unfinished > 0 ? "--check" : "close";
        shared.screen().line(words);
        return doneWith(known, words, over ? null : launcher(notebook).line("postmortem", option));
    }

    private int check(Document document, Incident here) {
        Judged judged = judged(document, document.incident(here).map(one -> Notebook.of(one, shared.drill())));
        if (judged.notebook().isEmpty()) {
            say(Mark.WARN, "note", "newer events were not looked for: the journal that it is from is not here");
        }
        shared.screen().verdict(judged.finished() ? Mark.OK : Mark.FAIL, judged.verdict());
        String command = mends(judged);
        doneWith(judged.json().put("file", document.markdown().toString()).put("finished", judged.finished())
                .put("journal", judged.notebook().map(one -> one.incident().toString()).orElse(null)),
                judged.verdict() + (command == null ? ", and the incident is closed" : ""), command);
        return judged.finished() ? 0 : UNFINISHED;
    }

    // ---- its other commands

    @Command(name = "event", description = "Adds to the journal what the tools did not see.",
            footer = {"  jbang postmortem event \"page from the shop's alert\" --at 10:12 --kind detected",
                "  jbang postmortem event \"taking it\" --by Ana --kind acknowledged"})
    static class Tell extends PostmortemCommand {
        // What only a script can know (rotation steps, bundles) or another command writes (closed) is not among them.
        enum Kind { note, detected, acknowledged, diagnosed, mitigated, degraded, recovered, announced }

        @Parameters(paramLabel = "TEXT", description = "what happened, in one line")
        String text;

        @Option(names = "--at", paramLabel = "TIME", defaultValue = "now",
                description = "when: 10:12 on the incident's day, \"10 min ago\", \"2026-11-23 10:12\"; UTC (now)")
        String at;
        @Option(names = "--by", paramLabel = "NAME", description = "who did it or saw it")
        String by;
        @Option(names = "--kind", paramLabel = "KIND", defaultValue = Event.NOTE,
                description = "${COMPLETION-CANDIDATES}")
        Kind kind;

        @Override
        public Integer call() throws IOException {
            if (text.isBlank()) {
                throw new Problem("the event's text is empty: say what happened, in quotes");
            }
            Notebook notebook = notebook();
            Optional<Instant> began = notebook.began();
            Instant when = Times.past("--at", at, now, began);
            String who = by == null && kind == Kind.acknowledged ? confirmed("Who took it?") : by;
            String said = notebook.tell(when, kind.name(), text, Json.object(), Optional.ofNullable(who));
            shared.screen().marked(Mark.OK, kind.name(), 0,
                    when.truncatedTo(ChronoUnit.SECONDS) + "  " + said + "  (" + notebook.incident() + ")");
            if (began.filter(first -> when.isBefore(first.minus(1, ChronoUnit.HOURS))).isPresent()) {
                say(Mark.WARN, "", "that is more than an hour before the incident began: --at reads UTC, and it is "
                        + now.toString().substring(11, 16) + " now");
            }
            return done(Json.object().put("at", when.toString()).put("event", kind.name()).put("summary", said)
                    .put("incident", notebook.incident().toString()).put("closed", notebook.closed().isPresent()),
                    "it is on record", null);
        }
    }

    @Command(name = "import", description = "Takes events from a day of a Slack channel, CSV or JSON Lines, each once; "
            + "or a whole incident that postmortem export wrote.",
            footer = {"  jbang postmortem import incident-channel/2026-11-23.json --from 10:00 --to 12:30",
                "  jbang postmortem import pager.csv", "  jbang postmortem import incident.zip"})
    static class Import extends PostmortemCommand {
        @Parameters(paramLabel = "FILE",
                description = "a channel's day from Slack (JSON), CSV with a header, JSON Lines, an exported incident")
        Path file;

        @Option(names = "--from", paramLabel = "TIME", description = "nothing earlier")
        String from;
        @Option(names = "--to", paramLabel = "TIME", description = "nothing later")
        String to;

        @Override
        public Integer call() throws IOException {
            if (file.toString().endsWith(".zip")) {
                Notebook.Carried brought = Notebook.bring(file, shared.incidents().base());
                Tool.Launcher there = shared.launcher().with("incident", brought.to().toString());
                return carried("imported", brought, "See where it stands", there.line("postmortem", "handover"));
            }
            Notebook notebook = notebook();
            Instant first = from == null ? Instant.MIN : Times.past("--from", from, now, notebook.began());
            Instant last = to == null ? Instant.MAX : Times.past("--to", to, now, notebook.began());
            Notebook.Taken taken = notebook.take(file, first, last, now);
            say(Mark.OK, "imported", taken.added() + " of " + Text.count(taken.events(), "event") + " into "
                    + notebook.incident());
            taken.problems().stream().limit(20).forEach(problem -> say(Mark.WARN, "note", problem));
            ObjectNode known = Json.object().put("read", taken.events()).put("added", taken.added());
            return doneWith(known.set("problems", Json.of(taken.problems())), "Write it up",
                    shared.launcher().line("postmortem", ""));
        }
    }

    @Command(name = "export",
            description = "Writes the whole incident as one archive for another machine; nothing secret is in it.",
            footer = "  jbang postmortem export incident.zip")
    static class Export extends PostmortemCommand {
        @Parameters(paramLabel = "FILE", description = "the archive to write; taken in by postmortem import FILE")
        Path file;

        @Override
        public Integer call() throws IOException {
            String there = shared.launcher().command("postmortem") + " import " + Text.word(file.toString());
            return carried("exported", Notebook.of(incident(), shared.drill()).export(file), "Elsewhere", there);
        }
    }

    @Command(name = "handover",
            description = "Prints what the next person must know, for a channel or a call; writes nothing.",
            footer = "  jbang postmortem handover")
    static class Handover extends PostmortemCommand {
        @Override
        public Integer call() throws IOException {
            Notebook notebook = Notebook.of(incident(), shared.drill());
            if (notebook.events().isEmpty()) {
                throw new Problem("--incident " + notebook.incident() + " has no journal: name an incident's folder");
            }
            Report report = report(notebook, Optional.empty(), Optional.empty());
            String text = report.handover();
            shared.screen().verbatim(text);
            ObjectNode known = report.json().put("incident", notebook.incident().toString());
            Report.Next next = report.next().stream().filter(one -> !one.command().isEmpty()).findFirst()
                    .orElse(new Report.Next("it is closed", null));
            return done(known.set("lines", Json.of(text.lines().toList())), next.text(), next.command());
        }
    }

    @Command(name = "close", description = "Ends the incident, once nothing in its postmortem is unfinished.",
            footerHeading = "%nExit codes: 0 closed; 51 unfinished places remain; 1 unexpected failure;%n"
                + "  2 wrong usage.%n%nExamples:%n",
            footer = {"  jbang postmortem close", "  jbang postmortem close docs/postmortems/2026-11-23.md --by Ana"})
    static class Close extends PostmortemCommand {
        @Parameters(paramLabel = "FILE", arity = "0..1",
                description = "the postmortem (postmortem.md in the incident's folder)")
        Path file;

        @Option(names = "--by", paramLabel = "NAME", description = "who closes it")
        String by;
        @Option(names = "--anyway", description = "although places are unfinished, or nothing is written")
        boolean anyway;

        @Override
        public Integer call() throws IOException {
            Notebook notebook = notebook();
            Document document = file == null ? Document.of(notebook.incident()) : new Document(file);
            boolean there = Files.exists(document.markdown());
            boolean closed = notebook.closed().isPresent();
            Optional<Notebook> here = Optional.of(notebook);
            Judged judged = there && !closed ? judged(document, here) : new Judged(document, here, List.of());
            ObjectNode known = judged.json().put("incident", notebook.incident().toString());
            if (closed) {
                return done(known.put("closed", true), "it is closed already", null);
            } else if (!anyway && (!there || !judged.finished())) {
                String why = "not closed: " + (there ? judged.verdict()
                        : "there is no " + document.markdown() + " yet; postmortem writes it") + " (or --anyway)";
                shared.screen().verdict(Mark.FAIL, why);
                doneWith(known.put("closed", false), why,
                        there ? mends(judged) : launcher(notebook).line("postmortem", ""));
                return UNFINISHED;
            }
            int left = judged.places().size();
            String how = there ? "postmortem with " + Text.count(left, "unfinished place") : "without a postmortem";
            Optional<String> who = Optional.ofNullable(by == null ? confirmed("Who closes it?") : by);
            notebook.tell(now, Event.CLOSED, how, Json.object().put("unfinished", left), who);
            say(Mark.OK, "closed", notebook.incident() + ": " + how);
            return done(known.put("closed", true), "it is closed", null);
        }
    }
}

/** What the script and its commands have in common: the incident, the screen, and what {@code --json} prints. */
@Command(mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        footerHeading = "%nExamples:%n")
abstract class PostmortemCommand implements Callable<Integer> {
    static final int UNFINISHED = 51;
    static final String ELSEWHERE = " (--incident DIR names one, --drill SCENARIO finds a drill's)";

    @Mixin
    Cli shared = new Cli();

    final Instant now = Instant.now().truncatedTo(ChronoUnit.MILLIS);

    // ---- which incident, and who

    /** An incident to read, open or closed. */
    Incident incident() throws IOException {
        return shared.incidents().toRead()
                .orElseThrow(() -> new Problem("no incident in ./" + Incident.BASE + ELSEWHERE));
    }

    /** An open incident's journal, to write in; says on the screen when this is a drill, or was closed. */
    Notebook notebook() throws IOException {
        Incident newest = incident();
        Incident open = shared.incidents().open().orElseThrow(() -> new Problem("no incident is open, the newest is "
                + "closed: for that one add --incident " + newest));
        Notebook notebook = Notebook.of(open, shared.drill());
        sayWhich(notebook, "what comes now is on record all the same, and postmortem writes it in");
        return notebook;
    }

    /** What starts the next step; a drill's goes on as that drill, also where only the folder says that it is one. */
    Tool.Launcher launcher(Notebook notebook) {
        boolean found = !notebook.drill().isEmpty() && shared.drill().isEmpty();
        return found ? shared.launcher().with("drill", Text.safe(notebook.drill(), 60)) : shared.launcher();
    }

    Report report(Notebook notebook, Optional<Path> bundle, Optional<Settings> settings) {
        return new Report(new Report.Sources(notebook, bundle, settings, now, launcher(notebook)::line,
                shared.templates()));
    }

    /** Asks at the terminal, with git's user name to confirm: whoever sits here may be the one. Null for nobody. */
    String confirmed(String question) {
        if (shared.json() || !shared.host().terminal()) {
            return null;
        }
        try {
            Tool.Output git = Tool.of(shared.host(), shared.timeout()).run(List.of("git", "config", "user.name"));
            String perhaps = Notebook.name(git.out().strip());
            shared.host().out().print(question + (perhaps.isEmpty() ? " " : " [" + perhaps + "] (- for nobody yet) "));
            shared.host().out().flush();
            Scanner in = new Scanner(shared.host().in());
            // The next command, pasted too early, is nobody's name.
            String said = in.hasNextLine() ? in.nextLine().strip() : "-";
            String name = said.isEmpty() ? perhaps : said.replaceFirst("^-$|.*\\s--\\w.*", "");
            return name.isEmpty() ? null : name;
        } catch (Tool.Failure e) {
            // Without git it is nobody yet.
            return null;
        }
    }

    // ---- what is unfinished

    /** A document, the journal that it was compared with, and what is unfinished in it. */
    record Judged(Document document, Optional<Notebook> notebook, List<Document.Place> places) {
        boolean finished() {
            return places.isEmpty();
        }

        String verdict() {
            return finished() ? document.markdown() + " is finished"
                    : Text.count(places.size(), "place") + " in " + document.markdown() + " to finish";
        }

        ObjectNode json() {
            return Json.object().put("unfinished", places.size()).set("places", Json.of(places.stream().map(place ->
                    Map.of("line", place.line(), "rule", place.rule(), "message", place.message())).toList()));
        }
    }

    /** Tells each unfinished place. */
    Judged judged(Document document, Optional<Notebook> notebook) {
        List<Document.Place> places = document.unfinished(shared.templates(), notebook);
        places.forEach(place -> shared.screen().verbatim(
                document.markdown() + ":" + place.line() + ": " + place.message()));
        return new Judged(document, notebook, places);
    }

    /**
     * What writes the journal's newest events into that very file; else what looks again once people have filled it in;
     * at the end null.
     */
    String mends(Judged judged) {
        String file = Text.word(judged.document().markdown().toString());
        if (judged.places().stream().anyMatch(place -> place.rule().equals(Document.OLDER))) {
            Notebook notebook = judged.notebook().get();
            return launcher(notebook).with("incident", notebook.incident().toString())
                    .line("postmortem", "--out " + file);
        }
        boolean over = judged.finished() && judged.notebook().flatMap(Notebook::closed).isPresent();
        return over ? null : shared.launcher().line("postmortem", (judged.finished() ? "close " : "--check ") + file);
    }

    // ---- what is said

    void say(Mark mark, String label, String text) {
        shared.screen().marked(mark, label, label.isEmpty() ? 0 : 7, text);
    }

    /** Says that this is a drill, or an incident that is over: whoever adds to it should know. */
    void sayWhich(Notebook notebook, String more) {
        if (!notebook.drill().isEmpty()) {
            shared.screen().heading("DRILL " + Text.safe(notebook.drill(), 60) + ": an exercise, nothing is broken");
        }
        notebook.closed().ifPresent(at -> say(Mark.WARN, "closed", notebook.incident() + " was closed at "
                + at.truncatedTo(ChronoUnit.SECONDS) + "; " + more));
    }

    int carried(String what, Notebook.Carried carried, String next, String command) {
        say(Mark.OK, what, Text.count(carried.files(), "file") + ": " + carried.to());
        carried.notes().forEach(note -> say(Mark.WARN, "note", note));
        ObjectNode known = Json.object().put("to", carried.to().toString()).put("files", carried.files());
        shared.screen().line(next + ":");
        return doneWith(known.set("notes", Json.of(carried.notes())), next, command);
    }

    /** Ends with the command that comes next, on the screen too. */
    int doneWith(ObjectNode known, String next, String command) {
        if (command != null) {
            shared.screen().command(2, command);
        }
        return done(known, next, command);
    }

    /** What {@code --json} prints: what is known, and what to do next, by which command; null when there is nothing. */
    int done(ObjectNode known, String next, String command) {
        shared.print(() -> Json.object().put("schema", 1).<ObjectNode>setAll(known)
                .set("advice", Cli.advice(command == null ? "never" : "now", next, command)));
        return 0;
    }
}
