///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Collects what Klaviyo support needs into one archive, free of secrets and personal data
//SOURCES runbook/ApiChecks.java
//SOURCES runbook/Checks.java
//SOURCES runbook/Cli.java
//SOURCES runbook/DecisionTree.java
//SOURCES runbook/Http.java
//SOURCES runbook/Incident.java
//SOURCES runbook/Key.java
//SOURCES runbook/Klaviyo.java
//SOURCES runbook/Lines.java
//SOURCES runbook/LogLine.java
//SOURCES runbook/LogReader.java
//SOURCES runbook/Message.java
//SOURCES runbook/NetworkPath.java
//SOURCES runbook/OurSide.java
//SOURCES runbook/Prometheus.java
//SOURCES runbook/Screen.java
//SOURCES runbook/Settings.java
//SOURCES runbook/StatusPage.java
//SOURCES runbook/Text.java
//SOURCES runbook/Tool.java
//SOURCES runbook/Verdict.java
//SOURCES runbook/bundle/AppBody.java
//SOURCES runbook/bundle/Archive.java
//SOURCES runbook/bundle/Bundle.java
//SOURCES runbook/bundle/BundleRequest.java
//SOURCES runbook/bundle/Bytes.java
//SOURCES runbook/bundle/Child.java
//SOURCES runbook/bundle/CleanCopy.java
//SOURCES runbook/bundle/Collection.java
//SOURCES runbook/bundle/Collector.java
//SOURCES runbook/bundle/Collectors.java
//SOURCES runbook/bundle/CommandLogs.java
//SOURCES runbook/bundle/Conveyor.java
//SOURCES runbook/bundle/DrillLog.java
//SOURCES runbook/bundle/EntryNames.java
//SOURCES runbook/bundle/Html.java
//SOURCES runbook/bundle/IncidentFiles.java
//SOURCES runbook/bundle/Item.java
//SOURCES runbook/bundle/KnownSecrets.java
//SOURCES runbook/bundle/LineChoice.java
//SOURCES runbook/bundle/LogFiles.java
//SOURCES runbook/bundle/LogStory.java
//SOURCES runbook/bundle/LokiLogs.java
//SOURCES runbook/bundle/Manifest.java
//SOURCES runbook/bundle/Metrics.java
//SOURCES runbook/bundle/Outcome.java
//SOURCES runbook/bundle/Part.java
//SOURCES runbook/bundle/Plot.java
//SOURCES runbook/bundle/Pods.java
//SOURCES runbook/bundle/ProjectVersions.java
//SOURCES runbook/bundle/ReportPage.java
//SOURCES runbook/bundle/Room.java
//SOURCES runbook/bundle/Sink.java
//SOURCES runbook/bundle/Staging.java
//SOURCES runbook/bundle/Stamps.java
//SOURCES runbook/bundle/StatusHistory.java
//SOURCES runbook/bundle/Story.java
//SOURCES runbook/bundle/Surroundings.java
//SOURCES runbook/bundle/Unpacking.java
//SOURCES runbook/bundle/Unsafe.java
//SOURCES runbook/bundle/Vendor.java
//SOURCES runbook/bundle/Verification.java
//SOURCES runbook/bundle/Window.java
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
//DEPS org.apache.commons:commons-compress:1.28.0
//FILES templates/=templates/team.properties
//FILES templates/=templates/slack.md
//FILES templates/=templates/status-page.md
//FILES templates/=templates/diagnoses.json
//FILES templates/=templates/scenarios.json
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xmx80m -XX:CICompilerCount=2 -Xlog:disable
//CDS

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Cli.Launcher;
import runbook.Settings.Problem;
import runbook.Settings;
import runbook.Text;
import runbook.bundle.Bundle;
import runbook.bundle.BundleRequest;
import runbook.bundle.Bytes;
import runbook.bundle.CleanCopy;
import runbook.bundle.KnownSecrets;
import runbook.bundle.Unpacking;
import runbook.bundle.Verification;
import runbook.bundle.Window;
import runbook.Cli;
import runbook.Screen;
import runbook.Screen.Mark;
import runbook.Incident.Event;
import runbook.Incident;
import runbook.redact.Redactor.Policy;

@Command(name = "debug-bundle", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
        showDefaultValues = false,
        description = "Collects all the evidence in one archive that is safe to send.",
        subcommands = {DebugBundle.Verify.class, DebugBundle.Redact.class, DebugBundle.Open.class},
        footerHeading = "%nExit codes: 0 complete; 41 written, but a collector failed (the manifest names%n"
                + "  it); 42 refused: it could not be made safe to share; 1 unexpected failure;%n"
                + "  2 wrong usage; 130 interrupted.%n%nExamples:%n",
        footer = {"  jbang debug-bundle --drill outage",
                  "  jbang debug-bundle --since 3h --log '/var/log/shop/*.log*' --journal shop",
                  "  jbang debug-bundle verify bundle-20261123T030405Z.zip"})
class DebugBundle implements Callable<Integer> {
    public static void main(String... args) {
        System.exit(Cli.run(new DebugBundle(), args));
    }

    private static final int NOT_WRITTEN = 1;
    private static final int INCOMPLETE = 41;
    private static final int BAD_ARCHIVE = 42;
    private static final int LABEL = 32;
    private static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    /** What may stay and what is known: the same for a bundle and for evidence that is there already. */
    static class Redaction {
        @Option(names = "--keep", paramLabel = "RULE", split = ",", order = 70,
                description = "let personal data through by rule: email,ip,... (the archive's name says so)")
        Set<String> keep = Set.of();

        @Option(names = "--secret-file", paramLabel = "FILE", order = 71,
                description = "values to take out wherever they are, one a line; repeatable")
        List<Path> secretFiles = List.of();

        @Option(names = "--pseudonym-key", paramLabel = "FILE", order = 72,
                description = "keeps pseudonyms the same in every bundle made with it (a random key for each)")
        Path pseudonymKey;

        Policy policy() {
            Policy policy = Policy.strict().keeping(keep);
            for (Path file : secretFiles) {
                policy = KnownSecrets.fromFile(policy, file);
            }
            return pseudonymKey == null ? policy : policy.pseudonymsBy(key());
        }

        private byte[] key() {
            try {
                byte[] key = Files.readAllBytes(pseudonymKey);
                if (key.length < 16) {
                    throw new Problem("--pseudonym-key " + pseudonymKey
                            + " has fewer than 16 bytes: make one with head -c 32 /dev/urandom");
                }
                return key;
            } catch (IOException e) {
                throw new Problem("--pseudonym-key cannot be read: " + Incident.why(e));
            }
        }
    }

    @Mixin
    Cli shared = new Cli();

    @Mixin
    Redaction redaction;

    @Option(names = "--since", paramLabel = "DURATION", defaultValue = "2h", order = 40,
            description = "how far back (${DEFAULT-VALUE})")
    Duration since;

    @Option(names = "--from", paramLabel = "TIME", order = 41,
            description = "from when instead, in ISO 8601: 2026-11-23T03:00:00Z")
    String from;

    @Option(names = "--to", paramLabel = "TIME", order = 42, description = "until when (now)")
    String to;

    @Option(names = "--out", paramLabel = "FILE", order = 43,
            description = "the archive (bundle-TIME.zip in the incident's folder, else here)")
    Path out;

    @Option(names = "--log", paramLabel = "PATH", order = 50,
            description = "log files: a file, a folder or a pattern, rotated and .gz too; repeatable, as all that follow")
    List<String> logs = List.of();

    @Option(names = "--journal", paramLabel = "UNIT", order = 51, description = "a systemd unit's journal (journalctl)")
    List<String> journal = List.of();

    @Option(names = "--journal-directory", paramLabel = "DIR", order = 52, description = "journal files from elsewhere")
    String journalDirectory;

    @Option(names = "--k8s", paramLabel = "NS/SELECTOR", order = 53,
            description = "all pods found, and their previous containers (kubectl)")
    List<String> k8s = List.of();

    @Option(names = "--docker", paramLabel = "NAME", order = 54, description = "a container's log (docker)")
    List<String> docker = List.of();

    @Option(names = "--gcp-logs", paramLabel = "FILTER", order = 55, description = "Google Cloud logging (gcloud)")
    List<String> gcp = List.of();

    @Option(names = "--aws-logs", paramLabel = "GROUP", order = 56, description = "a CloudWatch log group (aws)")
    List<String> aws = List.of();

    @Option(names = "--loki", paramLabel = "URL", order = 57, description = "Grafana Loki")
    String loki;

    @Option(names = "--loki-query", paramLabel = "LOGQL", order = 58, description = "what to ask it for")
    List<String> lokiQueries = List.of();

    @Option(names = "--grep", paramLabel = "WORDS", defaultValue = "klaviyo", order = 59,
            description = "only lines with these words, in any case; '' for all (${DEFAULT-VALUE})")
    String words;

    @Option(names = "--context", paramLabel = "LINES", defaultValue = "2", order = 60,
            description = "lines before and after each of them (${DEFAULT-VALUE})")
    int context;

    @Option(names = "--log-zone", paramLabel = "ZONE", order = 61,
            description = "time zone of log lines that name none (this machine's)")
    String logZone;

    @Option(names = "--query", paramLabel = "PROMQL", order = 62,
            description = "asked of --prometheus besides klaviyo_api_errors_total")
    List<String> queries = List.of();

    @Option(names = "--env", paramLabel = "NAME", split = ",", order = 63,
            description = "environment variables to list besides KLAVIYO_*; of secrets kind and length only")
    List<String> variables = List.of();

    @Option(names = "--project", paramLabel = "DIR", order = 64,
            description = "which Klaviyo libraries a project uses, by its package files")
    List<Path> projects = List.of();

    @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "200MB", order = 80,
            description = "of the archive; the newest lines are kept (${DEFAULT-VALUE})")
    String maxSize;

    @Option(names = "--max-time", paramLabel = "DURATION", defaultValue = "5m", order = 81,
            description = "for all together (${DEFAULT-VALUE})")
    Duration maxTime;

    @Option(names = "--max-each", paramLabel = "DURATION", defaultValue = "2m", order = 82,
            description = "for each collector (${DEFAULT-VALUE})")
    Duration maxEach;

    @Option(names = "--dry-run", order = 83, description = "list what would be collected and how large it is, and stop")
    boolean dryRun;

    @Spec
    CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Settings settings = shared.settings();
        Optional<Incident> incident = shared.incident().filter(found -> Files.isDirectory(found.folder()));
        BundleRequest request = request(settings, incident);
        Path target = target(incident);
        Bundle bundle = new Bundle(request, target);
        Screen screen = shared.screen();
        shared.drill().ifPresent(scenario ->
                screen.heading("DRILL " + scenario + ": everything below is a sandbox, nothing is broken"));
        if (dryRun) {
            bundle.plan().forEach(screen::line);
            return 0;
        }
        screen.line("Klaviyo debug bundle from " + request.window().from() + " to " + request.window().to() + ", at most "
                + Durations.words(maxTime) + " ...");
        Bundle.Made made = made(bundle, target, screen);
        incident.ifPresent(folder -> record(folder, made, screen));
        show(made, request, screen);
        if (shared.json()) {
            shared.print(json(made));
        }
        return made.complete() ? 0 : INCOMPLETE;
    }

    private static Bundle.Made made(Bundle bundle, Path target, Screen screen) throws InterruptedException {
        try {
            return bundle.make(progress -> screen.marked(
                    progress.good() ? Mark.OK : progress.skipped() ? Mark.SKIP : Mark.FAIL,
                    label(progress.what()), LABEL, progress.words()));
        } catch (IOException e) {
            throw new Problem(NOT_WRITTEN, target + " cannot be written (" + Incident.why(e)
                    + "): name another place with --out");
        }
    }

    // ---- what to collect

    private BundleRequest request(Settings settings, Optional<Incident> incident) {
        if (!lokiQueries.isEmpty() && loki == null || loki != null && lokiQueries.isEmpty()) {
            throw new Problem("--loki and --loki-query belong together: give both");
        }
        if (context < 0 || context > 100) {
            throw new Problem("--context " + context + ": give 0 to 100");
        }
        Policy policy = KnownSecrets.of(redaction.policy(), settings, shared.host().environment(), variables);
        return new BundleRequest(settings, shared.launcher(), window(),
                new BundleRequest.Lines(words, context, zone()),
                new BundleRequest.Sources(logs, journal, journalDirectory, k8s, docker, gcp, aws,
                        new BundleRequest.Loki(Cli.address("--loki", loki), lokiQueries)),
                queries, new BundleRequest.Environment(variables, projects), incident, policy,
                new BundleRequest.Limits(size("--max-size", maxSize), maxTime, maxEach), Cli.VERSION);
    }

    private Window window() {
        Instant end = to == null ? Instant.now() : time("--to", to);
        Instant start = from == null ? end.minus(since) : time("--from", from);
        if (!start.isBefore(end)) {
            throw new Problem("--from " + start + " is not before --to " + end);
        }
        return new Window(start.truncatedTo(ChronoUnit.SECONDS), end.truncatedTo(ChronoUnit.SECONDS));
    }

    private static Instant time(String option, String text) {
        try {
            return OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            throw new Problem(option + " " + Text.safe(text, 40) + " is no time: write 2026-11-23T03:00:00Z");
        }
    }

    private ZoneId zone() {
        try {
            return logZone == null ? ZoneId.systemDefault() : ZoneId.of(logZone);
        } catch (DateTimeException e) {
            throw new Problem("--log-zone " + Text.safe(logZone, 40) + " is no time zone: write UTC, Europe/Berlin or +02:00");
        }
    }

    private static long size(String option, String text) {
        try {
            return Bytes.parse(text);
        } catch (IllegalArgumentException e) {
            throw new Problem(option + ": " + e.getMessage());
        }
    }

    private Path target(Optional<Incident> incident) {
        String kept = redaction.keep.stream().sorted().map(rule -> "-unredacted-" + rule).collect(Collectors.joining());
        Path asked = out != null ? out
                : incident.map(Incident::folder).orElse(Path.of("")).resolve("bundle-" + STAMP.format(Instant.now()) + ".zip");
        String name = asked.getFileName().toString();
        int dot = name.toLowerCase().endsWith(".zip") ? name.length() - 4 : name.length();
        Path target = asked.resolveSibling(name.substring(0, dot) + kept + name.substring(dot));
        if (Files.exists(target)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        return target;
    }

    // ---- what came of it

    private void record(Incident incident, Bundle.Made made, Screen screen) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("file", made.file().getFileName().toString());
        data.put("bytes", made.bytes());
        data.put("complete", made.complete());
        data.put("missing", made.missing());
        shared.drill().ifPresent(scenario -> data.put("drill", scenario));
        try {
            incident.append(Event.now("debug-bundle", Event.BUNDLED,
                    "evidence collected in " + made.file().getFileName() + (made.complete() ? "" : ", incomplete"), data));
        } catch (IOException e) {
            screen.marked(Mark.WARN, "journal", LABEL, "not written: " + Incident.why(e));
        }
    }

    private static String counts(Map<String, Long> rules) {
        return rules.entrySet().stream().map(rule -> rule.getValue() + " " + rule.getKey()).collect(Collectors.joining(", "));
    }

    // Collectors are named after paths and queries of any length.
    private static String label(String name) {
        return name.length() <= LABEL ? name : name.substring(0, 14) + "…" + name.substring(name.length() - LABEL + 15);
    }

    private void show(Bundle.Made made, BundleRequest request, Screen screen) {
        screen.line();
        long redacted = made.redacted().values().stream().mapToLong(Long::longValue).sum();
        screen.line("Triage says " + made.headline());
        screen.line(redacted + " secrets and personal data replaced: " + counts(made.redacted()));
        if (!request.policy().kept().isEmpty()) {
            screen.marked(Mark.WARN, "NOT redacted", LABEL, String.join(", ", request.policy().kept()));
        }
        if (!made.missing().isEmpty()) {
            screen.heading("Missing");
            made.missing().forEach(missing -> screen.indented(2, missing));
        }
        screen.verdict(made.complete() ? Mark.OK : Mark.WARN, made.file() + " (" + Bytes.words(made.bytes()) + ", "
                + Text.count(made.files(), "file") + ", " + Bytes.words(made.unpacked()) + " unpacked)"
                + (made.complete() ? "" : ", incomplete"));
        Launcher launcher = shared.launcher();
        screen.command(2, launcher.line("debug-bundle", "open " + made.file()));
    }

    private ObjectNode json(Bundle.Made made) {
        ObjectNode json = Json.object().put("schema", 1).put("drill", shared.drill().orElse(null))
                .put("file", made.file().toString()).put("bytes", made.bytes())
                .put("files", made.files()).put("complete", made.complete());
        json.set("missing", Json.of(made.missing()));
        json.set("redacted", Json.of(made.redacted()));
        return json;
    }

    // ---- what can be done with one

    @Command(name = "verify", mixinStandardHelpOptions = true, version = Cli.VERSION,
            description = "Checks sums and manifest of a bundle, and looks for secrets in it.")
    static class Verify implements Callable<Integer> {
        @Parameters(paramLabel = "FILE", description = "a bundle")
        Path file;

        @Option(names = "--secret-file", paramLabel = "FILE", description = "values to look for, one a line; repeatable")
        List<Path> secretFiles = List.of();

        @Mixin
        Cli shared = Cli.with("--no-color");

        @Override
        public Integer call() throws IOException {
            Policy policy = Policy.strict();
            for (Path secrets : secretFiles) {
                policy = KnownSecrets.fromFile(policy, secrets);
            }
            Screen screen = shared.screen();
            refuseWhatIsNoArchive(file);
            Verification verification = reading(file, policy);
            verification.problems().forEach(problem -> screen.marked(Mark.FAIL, "", 0, problem));
            verification.leaks().forEach((leak, rules) ->
                    screen.marked(Mark.FAIL, "", 0, leak + " holds " + counts(rules)));
            screen.verdict(verification.good() ? Mark.OK : Mark.FAIL,
                    file + ": " + Text.count(verification.files(), "file") + ", "
                    + Bytes.words(verification.bytes()) + " unpacked, "
                    + (verification.good() ? "sums right, no secret found" : "not to be shared"));
            return verification.good() ? 0 : BAD_ARCHIVE;
        }

        private static void refuseWhatIsNoArchive(Path file) {
            try (ZipFile zip = new ZipFile(file.toFile())) {
                zip.size();
            } catch (IOException e) {
                throw new Problem(file + " is no archive that can be read (" + Incident.why(e)
                        + "): name a bundle, bundle-*.zip");
            }
        }

        private static Verification reading(Path file, Policy policy) throws IOException {
            try {
                return Verification.of(file, policy);
            } catch (ZipException e) {
                throw new Problem(BAD_ARCHIVE, file + " is damaged: " + e.getMessage());
            }
        }
    }

    @Command(name = "redact", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Cleans evidence that is there already: a file, a folder or a zip.")
    static class Redact implements Callable<Integer> {
        @Parameters(paramLabel = "FILE|DIR", description = "what to clean; it is not changed")
        Path source;

        @Option(names = "--out", required = true, paramLabel = "PATH",
                description = "where the clean copy goes; with .zip at its end, an archive with a manifest")
        Path out;

        @Mixin
        Redaction redaction;

        @Mixin
        Cli shared = Cli.with("--no-color");

        @Override
        public Integer call() throws IOException {
            Policy policy = redaction.policy();
            for (String variable : List.of("KLAVIYO_PRIVATE_KEY", "KLAVIYO_NEW_PRIVATE_KEY")) {
                policy = shared.host().environment().get(variable) == null
                        ? policy
                        : policy.knowing("klaviyo-key", shared.host().environment().get(variable).strip());
            }
            CleanCopy.Copied copied = new CleanCopy(policy).copy(source, out);
            Screen screen = shared.screen();
            copied.redacted().forEach((rule, count) -> screen.line("  " + count + " " + rule));
            copied.leftOut().forEach(left -> screen.marked(Mark.WARN, "left out", 8, left));
            screen.verdict(copied.leftOut().isEmpty() ? Mark.OK : Mark.WARN,
                    out + ": " + Text.count(copied.files(), "file") + ", read back, no secret found");
            return copied.leftOut().isEmpty() ? 0 : INCOMPLETE;
        }
    }

    @Command(name = "open", mixinStandardHelpOptions = true, version = Cli.VERSION, sortOptions = false,
            description = "Unpacks a bundle safely and opens its report.")
    static class Open implements Callable<Integer> {
        @Parameters(paramLabel = "FILE", description = "a bundle")
        Path file;

        @Option(names = "--to", paramLabel = "DIR", description = "a new folder (the file's name without .zip, here)")
        Path folder;

        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB",
                description = "to unpack at most (${DEFAULT-VALUE})")
        String maxSize;

        @Option(names = "--no-browser", description = "only unpack")
        boolean noBrowser;

        @Mixin
        Cli shared = Cli.with("--no-color");

        @Override
        public Integer call() throws IOException {
            Path target = folder != null
                    ? folder
                    : Path.of(file.getFileName().toString().replaceFirst("(?i)\\.zip$", "")
                            + (file.toString().toLowerCase().endsWith(".zip") ? "" : "-unpacked"));
            try {
                Unpacking.unpack(file, target, size("--max-size", maxSize));
            } catch (java.util.zip.ZipException | java.nio.file.NoSuchFileException e) {
                throw new Problem(file + " is no archive that can be read: " + Incident.why((IOException) e));
            }
            Path report = target.resolve("report.html").toAbsolutePath();
            Screen screen = shared.screen();
            screen.verdict(Mark.OK, "unpacked to " + target);
            if (Files.exists(report)) {
                screen.line("Report: " + report.toUri() + (!noBrowser && browse(report) ? " (opened)" : ""));
            }
            return 0;
        }

        private static boolean browse(Path report) {
            String system = System.getProperty("os.name").toLowerCase();
            List<String> words = system.contains("mac") ? List.of("open", report.toString())
                    : system.contains("win") ? List.of("rundll32", "url.dll,FileProtocolHandler", report.toUri().toString())
                            : List.of("xdg-open", report.toString());
            if (words.get(0).equals("xdg-open") && System.getenv("DISPLAY") == null && System.getenv("WAYLAND_DISPLAY") == null) {
                return false;
            }
            try {
                new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
                return true;
            } catch (IOException e) {
                return false;
            }
        }
    }
}
