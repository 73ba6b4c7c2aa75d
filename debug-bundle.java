///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//DESCRIPTION Collects what Klaviyo support needs into one archive, free of secrets and personal data
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
//SOURCES runbook/bundle/Archive.java
//SOURCES runbook/bundle/Bundle.java
//SOURCES runbook/bundle/Existing.java
//SOURCES runbook/bundle/Pipeline.java
//SOURCES runbook/bundle/Summary.java
//SOURCES runbook/bundle/Systems.java
//SOURCES runbook/redact/Pieces.java
//SOURCES runbook/redact/Redactor.java
//SOURCES runbook/redact/Rules.java
//SOURCES runbook/redact/Scan.java
//SOURCES runbook/redact/View.java
//SOURCES runbook/sandbox/FakeKlaviyo.java
//SOURCES runbook/sandbox/Sandbox.java
//SOURCES runbook/sandbox/Sites.java
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//DEPS org.commonmark:commonmark:0.29.0
//FILES templates/=templates/team.properties
//FILES templates/=templates/logs.json
//FILES templates/=templates/summary.md
//FILES templates/=templates/redaction.json
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/page.html
//FILES templates/=templates/scenarios.json
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xmx136m -Xmn88m -XX:CICompilerCount=2
//RUNTIME_OPTIONS -XX:CompileThresholdScaling=3 -XX:FreqInlineSize=60 -Xlog:disable
//CDS

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import runbook.*;
import runbook.Incident.Event;
import runbook.Screen.Mark;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.bundle.*;
import runbook.bundle.Bundle.State;
import runbook.redact.Redactor.Policy;

@Command(name = "debug-bundle", mixinStandardHelpOptions = true, version = Cli.VERSION,
        description = "Collects all the evidence in one archive that is safe to send.",
        subcommands = {DebugBundle.Verify.class, DebugBundle.Redact.class, DebugBundle.Open.class}, footerHeading =
        "%nExit codes: 0 complete; 41 written, but a collector failed (the manifest names%n  it); 42 refused: it "
        + "could not be made safe to share; 1 unexpected failure;%n  2 wrong usage; 130 interrupted, or not wanted "
        + "when it was looked at.%n%nExamples:%n", footer = {"  jbang debug-bundle --drill outage",
        "  jbang debug-bundle --since 3h --log '/var/log/shop/*.log*' --journal shop",
        "  jbang debug-bundle verify bundle-20261123T030405Z.zip"})
class DebugBundle implements Callable<Integer> {
    private static volatile boolean ended;

    public static void main(String... args) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (!ended) {
                System.err.println("interrupted: " + Bundle.interrupted());
            }
        }));
        int exit = Cli.main(DebugBundle::new, args, "--drill", "outage", "--dry-run");
        ended = true;
        System.exit(exit);
    }

    private static final int NOT_WRITTEN = 1;
    private static final int INCOMPLETE = 41;
    private static final int REFUSED = 42;
    private static final int NOT_WANTED = 130;
    private static final int LABEL = 32;
    private static final int MOST_MISSING = 12;
    private static final String KEEP = "let personal data through by rule: email,ip,... (the archive's name says so)";
    private static final Map<State, Mark> MARKS =
            Map.of(State.OK, Mark.OK, State.FAILED, Mark.FAIL, State.SKIPPED, Mark.SKIP);

    @Mixin
    Cli shared = new Cli();

    @Mixin
    Bundle.Options options = new Bundle.Options();

    @Mixin
    Existing.Redaction redaction = new Existing.Redaction();

    @Option(names = "--keep", paramLabel = "RULE", split = ",", order = 70, description = KEEP)
    Set<String> keep = Set.of();
    @Option(names = "--out", paramLabel = "FILE", order = 43, description =
            "the archive (bundle-TIME.zip in the incident's folder, else here)")
    Path out;
    @Option(names = {"-y", "--yes"}, order = 84, description = "do not show the lines that stayed, nor ask about them")
    boolean yes;
    @Option(names = "--dry-run", order = 85, description =
            "list what would be collected and how large it is, and stop; 41 when some of it is not there")
    boolean dryRun;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Settings settings = shared.settings();
        Optional<Incident> incident = shared.incidents().current().filter(found -> Files.isDirectory(found.folder()));
        Policy policy = redaction.policy(shared, settings.key(), options.variables, keep);
        Bundle bundle = new Bundle(options.with(shared), settings, incident, policy);
        Path target = target(incident);
        Screen screen = shared.screen();
        shared.drill().ifPresent(scenario -> screen.heading("DRILL " + scenario
                + ": everything below is a sandbox, nothing is broken"));
        if (dryRun) {
            return planned(bundle.plan(), screen);
        }
        screen.line("Klaviyo debug bundle from " + bundle.window().from() + " to " + bundle.window().to() + ", at most "
                + Durations.words(options.maxTime) + " ...");
        Optional<Bundle.Made> made = made(bundle, target, screen);
        if (made.isEmpty()) {
            screen.verdict(Mark.FAIL, "not kept: nothing was written");
            return NOT_WANTED;
        }
        incident.ifPresent(folder -> record(folder, made.get(), screen));
        show(made.get(), policy, screen);
        return made.get().complete() ? 0 : INCOMPLETE;
    }

    private int planned(List<Bundle.Progress> plan, Screen screen) {
        plan.forEach(line -> show(line, screen));
        shared.print(() -> Json.map("schema", 1, "plan", plan.stream().map(line -> line.what() + ": " + line.words())
                .toList(), "advice", Cli.advice("now", "The same without --dry-run collects it", null)));
        return plan.stream().anyMatch(line -> line.state() == State.FAILED) ? INCOMPLETE : 0;
    }

    private Optional<Bundle.Made> made(Bundle bundle, Path target, Screen screen) throws InterruptedException {
        try {
            return bundle.make(target, progress -> show(progress, screen), sample -> yes || looked(sample, screen));
        } catch (IOException e) {
            throw new Problem(NOT_WRITTEN, target + " cannot be written (" + Incident.why(e)
                    + "): name another place with --out");
        }
    }

    private Path target(Optional<Incident> incident) {
        String kept = keep.stream().sorted().map(rule -> "-unredacted-" + rule).collect(Collectors.joining());
        String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "");
        Path asked = out != null ? shared.host().path(out.toString()) : incident.map(Incident::folder)
                .orElse(shared.host().path(".")).resolve("bundle-" + now + ".zip").normalize();
        String name = asked.getFileName().toString();
        String bare = name.replaceFirst("(?i)\\.zip$", "");
        Path target = asked.resolveSibling(bare + kept + name.substring(bare.length()));
        if (Files.exists(target)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        return target;
    }

    /** Shows lines that stayed; a person at a terminal says whether they may leave the house. */
    private boolean looked(List<String> sample, Screen screen) {
        if (sample.isEmpty() || screen.quiet()) {
            return true;
        }
        screen.heading("Lines that stayed");
        sample.forEach(line -> screen.item("  ", line));
        screen.line(Bundle.NO_RULE_FINDS);
        if (!shared.host().terminal() || System.console() == null) {
            return true;
        }
        String answer = System.console().readLine("Enter keeps the archive, n throws it away: ");
        return answer != null && !answer.strip().toLowerCase(Locale.ROOT).startsWith("n");
    }

    private void record(Incident incident, Bundle.Made made, Screen screen) {
        String name = made.file().getFileName().toString();
        // A number after the word zip reads as a postal code.
        String evidence = "evidence collected in " + name.replaceFirst("(?i)\\.zip$", "");
        try {
            incident.append(Event.now("debug-bundle", Event.BUNDLED, evidence + (made.complete() ? "" : ", incomplete"),
                    Map.of("complete", made.complete(), "missing", made.missing(), "file", name))
                    .in(shared.drill().orElse("")));
        } catch (IOException e) {
            screen.marked(Mark.WARN, "journal", LABEL, "not written: " + Incident.why(e));
        }
    }

    private static void show(Bundle.Progress progress, Screen screen) {
        // Collectors are named after paths and queries of any length.
        String label = progress.what().replaceFirst("(?s)(?<=^.{14}).{2,}(?=.{17}$)", "…");
        screen.marked(MARKS.get(progress.state()), label, LABEL, progress.words());
    }

    private void show(Bundle.Made made, Policy policy, Screen screen) {
        screen.line();
        long redacted = made.redacted().values().stream().mapToLong(Long::longValue).sum();
        screen.line("Triage says " + made.headline());
        screen.line(redacted + " secrets and personal data replaced" + (redacted == 0 ? "" : ": ")
                + Existing.counts(made.redacted()));
        if (!made.assumedZone().isEmpty()) {
            screen.marked(Mark.WARN, "log times read as", LABEL, made.assumedZone());
        }
        if (!policy.keep().isEmpty()) {
            screen.marked(Mark.WARN, "NOT redacted", LABEL, String.join(", ", policy.keep()));
        }
        if (!made.missing().isEmpty()) {
            screen.heading("Missing");
            made.missing().stream().limit(MOST_MISSING).forEach(missing -> screen.item("  ", missing));
        }
        if (made.missing().size() > MOST_MISSING) {
            screen.item("  ", "and " + (made.missing().size() - MOST_MISSING) + " more, in its summary.md");
        }
        screen.verdict(made.complete() ? Mark.OK : Mark.WARN, made.file() + " (" + made.size() + ")" + (made.complete()
                ? "" : ", incomplete"));
        // It takes none of the options that this run was given.
        String open = shared.launcher().command("debug-bundle") + " open " + Text.word(made.file().toString());
        screen.command(2, open);
        shared.launcher().notes().stream().filter(note -> note.startsWith("CATALOG")).forEach(screen::line);
        shared.print(() -> Json.map("schema", 1, "drill", shared.drill().orElse(null), "file", made.file(),
                "bytes", made.bytes(), "files", made.files(), "complete", made.complete(), "missing", made.missing(),
                "redacted", made.redacted(), "advice", Cli.advice("now", "Look through it before it goes out", open)));
    }

    // ---- what can be done with one, and with other evidence

    /** What all that is done with evidence that is there already has. */
    abstract static class OnEvidence implements Callable<Integer> {
        @Parameters(paramLabel = "PATH", description = "a bundle; or, to clean it, any file, folder or zip")
        Path file;

        @Mixin
        Existing.Limit most = new Existing.Limit();

        @Mixin
        Cli shared = new Cli();

        Path path(Path given) {
            return shared.host().path(given.toString());
        }

        Policy policy(Existing.Redaction redaction, Set<String> keep) {
            return redaction.policy(shared, shared.host().env("KLAVIYO_PRIVATE_KEY").map(Key::of), List.of(), keep);
        }
    }

    @Command(name = "verify", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false, description =
            "Checks sums and manifest of a bundle, and looks for secrets in it.")
    static class Verify extends OnEvidence {
        @Mixin
        Existing.Redaction redaction = new Existing.Redaction();

        @Override
        public Integer call() throws IOException {
            Existing.Verified verified;
            try (Existing existing = new Existing(path(file), policy(redaction, Set.of()), most)) {
                verified = existing.verify();
            }
            Screen screen = shared.screen();
            verified.problems().forEach(problem -> screen.marked(Mark.FAIL, "", 0, problem));
            String kept = Existing.counts(verified.kept());
            if (!kept.isEmpty()) {
                screen.marked(Mark.WARN, "", 0, "kept on purpose, as its manifest says: " + kept);
            }
            String what = file + ": " + verified.size() + ", ";
            if (!verified.problems().isEmpty()) {
                screen.verdict(Mark.FAIL, what + "not to be shared");
                return REFUSED;
            }
            screen.verdict(kept.isEmpty() ? Mark.OK : Mark.WARN, what + "sums right, no secret " + (kept.isEmpty()
                    ? "found" : "beside what was kept"));
            return 0;
        }
    }

    @Command(name = "redact", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false, description =
            "Cleans evidence that is there already: a file, a folder or a zip.")
    static class Redact extends OnEvidence {
        @Option(names = "--out", required = true, paramLabel = "PATH", description =
                "where the clean copy goes; with .zip at its end, an archive with a manifest")
        Path out;
        @Option(names = "--keep", paramLabel = "RULE", split = ",", order = 70, description = KEEP)
        Set<String> keep = Set.of();

        @Mixin
        Existing.Redaction redaction = new Existing.Redaction();

        @Override
        public Integer call() throws IOException {
            Existing.Cleaned cleaned = Existing.redact(path(file), path(out), policy(redaction, keep), most);
            Screen screen = shared.screen();
            cleaned.redacted().forEach((rule, count) -> screen.line("  " + count + " " + rule));
            cleaned.leftOut().forEach(left -> screen.marked(Mark.WARN, "left out", 8, left));
            screen.verdict(cleaned.leftOut().isEmpty() ? Mark.OK : Mark.WARN, out + ": " + Text.count(cleaned.files(),
                    "file") + ", looked through, no secret found");
            return cleaned.leftOut().isEmpty() ? 0 : INCOMPLETE;
        }
    }

    @Command(name = "open", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false, description =
            "Unpacks a bundle safely and says where its report is.")
    static class Open extends OnEvidence {
        @Option(names = "--to", paramLabel = "DIR", description = "a new folder (the file's name without .zip, here)")
        Path folder;

        @Override
        public Integer call() throws IOException {
            String name = String.valueOf(file.getFileName());
            String bare = name.replaceFirst("(?i)\\.zip$", "");
            Path target = path(folder != null ? folder : Path.of(bare.equals(name) ? name + "-unpacked" : bare));
            try (Existing existing = new Existing(path(file), Policy.strict(), most)) {
                existing.open(target);
            }
            Screen screen = shared.screen();
            screen.verdict(Mark.OK, "unpacked to " + target);
            Path report = target.resolve("report.html").toAbsolutePath();
            if (Files.exists(report)) {
                screen.line("Report: " + report.toUri());
            }
            return 0;
        }
    }
}
