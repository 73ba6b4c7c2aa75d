package runbook.bundle;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Message.Slack;
import runbook.Settings.Problem;
import runbook.Text.Moment;
import runbook.bundle.Archive.Part;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.*;
import runbook.redact.Redactor.Policy;

/** A debug bundle: collects, redacts meanwhile, writes the archive, reads it back, and only then gives it its name. */
public final class Bundle {
    private static final long FRONT_PAGES = 200_000;
    /** What no rule finds, in one line. */
    public static final String NO_RULE_FINDS = "No rule finds names, streets and the like in free text: look at these "
            + "lines, the least alike of those that stayed, before you send it.";

    /** The time that a bundle is about; both ends belong to it. */
    public record Window(Instant from, Instant to) {
        boolean holds(long millis) {
            return millis >= from.toEpochMilli() && millis <= to.toEpochMilli();
        }

        /** The hour before it: what normal looked like. */
        Window hourBefore() {
            return new Window(from.minus(Duration.ofHours(1)), from);
        }
    }

    // ---- what to collect, and how

    /** What may stay and what is known: the same for a bundle and for evidence that is there already. */
    public static final class Redaction {
        private static final int SHORTEST = 6;
        private static final long LARGEST_FILE = 4_000_000;
        private static final Pattern SECRET_NAME = Pattern.compile("(?i).*(key|secret|token|pass|pw|pin|salt|hmac|"
                + "sign|credential|auth|cookie|dsn|webhook|user|login).*");

        @Option(names = "--keep", paramLabel = "RULE", split = ",", order = 70,
                description = "let personal data through by rule: email,ip,... (the archive's name says so)")
        public Set<String> keep = Set.of();
        @Option(names = "--secret-file", paramLabel = "FILE", order = 71,
                description = "values to take out wherever they are, one a line; repeatable")
        List<Path> secretFiles = List.of();

        /** The same with more files of values. */
        public Redaction and(List<Path> files) {
            secretFiles = files;
            return this;
        }

        /**
         * The policy: what the options say, the key in use, and what variables of ours hold that looks secret.
         *
         * @param key of Klaviyo's; may be empty
         * @throws Problem for a rule that may not be kept, or a file that cannot be used
         */
        public Policy policy(Cli shared, Optional<Key> key, List<String> variables) {
            Screen.Host host = shared.host();
            Map<String, String> known = new TreeMap<>();
            key.map(Key::reveal).ifPresent(value -> addKey(known, value));
            host.environment().forEach((name, value) -> {
                boolean ours = name.startsWith("KLAVIYO_") || variables.contains(name);
                if (ours && name.contains("KEY") && Key.of(value).cleaned().known()) {
                    addKey(known, value);
                } else if (ours && value.length() >= SHORTEST && SECRET_NAME.matcher(name).matches()
                        && !name.endsWith("_FILE")) {
                    known.put(value, "secret");
                } else if (name.equals(Slack.VARIABLE) && value.length() >= SHORTEST) {
                    // Whoever has the path may post, whatever stands before it.
                    known.put(value.replaceFirst("^\\w+://[^/]+/", ""), "secret");
                }
            });
            secretFiles.forEach(file -> addFile(known, host.path(file.toString())));
            return Policy.strict().by(Rules.of(shared.templates())).keeping(keep).knowing(known);
        }

        // The 34 hex alone are as good as the key: whoever sees the account has the rest.
        private static void addKey(Map<String, String> known, String value) {
            String clean = Key.of(value).cleaned().reveal();
            String tail = clean.substring(clean.lastIndexOf('_') + 1);
            Stream.of(value, value.strip(), clean, tail.length() >= 16 ? tail : clean)
                    .forEach(form -> known.put(form, "klaviyo-key"));
        }

        private static void addFile(Map<String, String> known, Path file) {
            try {
                if (Files.size(file) > LARGEST_FILE) {
                    throw new Problem("--secret-file " + file + " is larger than 4 MB: that is no list of secrets");
                }
                String lines = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
                lines.lines().map(String::strip).filter(line -> !line.isEmpty()).forEach(line -> {
                    String value = line.replaceFirst("^[A-Za-z_]\\w*=", "").replaceAll("^([\"'])(.*)\\1$", "$2");
                    Stream.of(line, value).forEach(form -> known.put(form, "secret"));
                });
            } catch (IOException e) {
                throw new Problem("--secret-file cannot be read: " + Incident.why(e));
            }
        }
    }

    /** The request, as it is typed. */
    public static final class Options {
        @Option(names = "--since", paramLabel = "DURATION", defaultValue = "2h", order = 40,
                description = "how far back (${DEFAULT-VALUE})")
        Duration since;
        @Option(names = "--from", paramLabel = "TIME", order = 41,
                description = "from when instead: 2026-11-23T03:00:00Z, 03:00 (UTC) or \"3h ago\"")
        String from;
        @Option(names = "--to", paramLabel = "TIME", order = 42, description = "until when (now)")
        String to;
        @Option(names = "--log", paramLabel = "PATH", order = 50,
                description = "log files: a file, a folder or a pattern, rotated and .gz too; repeatable, as all "
                        + "that follow")
        List<String> logs = List.of();
        @Option(names = "--journal", paramLabel = "UNIT", order = 51,
                description = "a systemd unit's journal (journalctl)")
        List<String> journal = List.of();
        @Option(names = "--k8s", paramLabel = "NS/SELECTOR", order = 53,
                description = "all pods found, and their previous containers (kubectl)")
        List<String> k8s = List.of();
        @Option(names = "--docker", paramLabel = "NAME", order = 54, description = "a container's log (docker)")
        List<String> docker = List.of();
        @Option(names = "--gcp-logs", paramLabel = "FILTER", order = 55, description = "Google Cloud logging (gcloud)")
        List<String> gcp = List.of();
        @Option(names = "--aws-logs", paramLabel = "GROUP", order = 56, description = "a CloudWatch log group (aws)")
        List<String> aws = List.of();
        @Option(names = "--loki", paramLabel = "URL", order = 57, description = "Grafana Loki (logcli)")
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
                description = "asked of --prometheus besides the runbook's metrics")
        List<String> queries = List.of();
        @Option(names = "--env", paramLabel = "NAME", split = ",", order = 63,
                description = "environment variables to list besides KLAVIYO_*, by their length")
        public List<String> variables = List.of();
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "200MB", order = 80,
                description = "of the archive, from 100kB on; the newest lines are kept (${DEFAULT-VALUE})")
        String maxSize;
        @Option(names = "--max-time", paramLabel = "DURATION", defaultValue = "5m", order = 81,
                description = "for all together (${DEFAULT-VALUE})")
        public Duration maxTime;
        @Option(names = "--max-each", paramLabel = "DURATION", defaultValue = "2m", order = 82,
                description = "for each collector (${DEFAULT-VALUE})")
        Duration maxEach;

        private final long start = System.nanoTime();
        Cli shared;
        Window window;
        Wanted wanted;
        private long size;

        /** The same with what all scripts share; refuses what cannot be, or does not go together. */
        public Options with(Cli cli) {
            shared = cli;
            if (lokiQueries.isEmpty() != (loki == null)) {
                throw new Problem("--loki and --loki-query belong together: give both");
            }
            for (String given : k8s) {
                if (!given.matches("[^/]+/.+")) {
                    throw new Problem("--k8s " + Text.safe(given, 60)
                            + ": give NAMESPACE/SELECTOR, such as shop/app=checkout");
                }
            }
            if (context < 0 || context > 100) {
                throw new Problem("--context " + context + ": give 0 to 100");
            }
            Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
            Instant end = to == null ? now : Moment.past("--to", to, now, Optional.empty());
            Instant begin = from == null ? end.minus(since) : Moment.past("--from", from, now, Optional.empty());
            if (!begin.isBefore(end)) {
                throw new Problem("--from " + begin + " is not before --to " + end);
            }
            window = new Window(begin.truncatedTo(ChronoUnit.SECONDS), end.truncatedTo(ChronoUnit.SECONDS));
            size = Archive.size("--max-size", maxSize);
            try {
                ZoneId zone = logZone == null ? ZoneId.systemDefault() : ZoneId.of(logZone);
                wanted = new Wanted(words.isEmpty() ? null : new Pipeline.Words(words), context, window, zone);
            } catch (DateTimeException e) {
                throw new Problem("--log-zone " + Text.safe(logZone, 40)
                        + " is no time zone: write UTC, Europe/Berlin or +02:00");
            }
            return this;
        }
    }

    private final Options options;
    private final Optional<Incident> incident;
    private final Redactor redactor;
    private final Systems systems;
    private final List<Collector> collectors;

    /** A bundle to be made, of an incident if there is one; the policy says what may stay, and what is known. */
    public Bundle(Options options, Settings settings, Optional<Incident> incident, Policy policy) {
        this.options = options;
        this.incident = incident;
        this.redactor = new Redactor(policy);
        this.systems = new Systems(options, settings);
        this.collectors = systems.collectors(incident);
    }

    /** What it is about. */
    public Window window() {
        return options.window;
    }

    /**
     * What would be collected, a line each, with sizes where they are known; failed where it is seen not to be there.
     * Nothing is read but names and sizes.
     */
    public List<Progress> plan() {
        return collectors.stream().flatMap(collector -> collector.plan().stream().map(line ->
                new Progress(collector.name(), collector.state(), redactor.text(line)))).toList();
    }

    /** Takes back what is on its way, here or in an {@link Existing}; says in words what is left of it. */
    public static String interrupted() {
        return Archive.takeBack();
    }

    // ---- making it

    /** How a collector ended: fine, gave up (perhaps after giving something), or had nothing to do. */
    public enum State { OK, FAILED, SKIPPED }

    /** How far it is, or would come: a collector, or a step of the work on the whole. */
    public record Progress(String what, State state, String words) { }

    /**
     * What came of it: the archive and its size, a line for all that is missing, rule to count, the headline, and the
     * zone of the logs' times where none of them names it.
     */
    public record Made(Path file, long bytes, int files, String size, List<String> missing, boolean complete,
            Map<String, Long> redacted, String headline, String assumedZone) { }

    /**
     * Makes it: a new file. Whoever looks is shown lines that stayed, the least alike, and says whether the archive may
     * have its name; where it may not, there is none.
     *
     * @throws Pipeline.Unsafe when something secret is left, and nothing is written
     * @throws IOException     when it cannot be written
     */
    public Optional<Made> make(Path target, Consumer<Progress> progress, Predicate<List<String>> looked)
            throws IOException, InterruptedException {
        try (Archive archive = new Archive(target, Math.max(options.size - FRONT_PAGES, options.size / 2));
                Pipeline pipeline = new Pipeline(redactor)) {
            Collecting.Told told = new Collecting.Told(options.wanted.zone(), options.window);
            Collecting collecting = new Collecting(pipeline, archive, systems.tool, options.wanted, told,
                    new long[] {Long.MAX_VALUE}, new Archive.Names());
            List<Sink> sinks = collecting.run(collectors, options.maxEach, options.start + options.maxTime.toNanos(),
                    sink -> progress.accept(new Progress(sink.name, sink.state(), sink.words())));
            archive.seal();
            Summary.Head head = new Summary.Head(options.shared.drill().orElse(null), Instant.now()
                    .truncatedTo(ChronoUnit.MILLIS), options.window, options.words, options.logZone != null,
                    redactor.policy().kept());
            Summary summary = new Summary(head, systems, incident, told, sinks);
            Path half = archive.folder.resolve("archive.part");
            List<Part> parts = summary.withFrontPages(pipeline, archive, options.shared.templates());
            Archive.write(half, parts, head.created());
            String unpacked = Archive.words(parts.stream().mapToLong(Part::plain).sum());
            progress.accept(new Progress("bundle/read-back", State.OK, unpacked
                    + " read back: the very bytes that were found clean"));
            if (!looked.test(summary.sample())) {
                return Optional.empty();
            }
            long bytes = Files.size(half);
            archive.name(half, target);
            String words =
                    Archive.words(bytes) + ", " + Text.count(parts.size(), "file") + ", " + unpacked + " unpacked";
            return Optional.of(new Made(target, bytes, parts.size(), words, Summary.missing(sinks),
                    Summary.complete(sinks), summary.redacted(), redactor.text(summary.headline()),
                    summary.assumedZone()));
        }
    }
}
