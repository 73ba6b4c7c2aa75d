package runbook.bundle;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Option;
import runbook.Chart;
import runbook.Cli;
import runbook.Http;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Page;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.StatusPage;
import runbook.Text;
import runbook.Text.Moment;
import runbook.Tool;
import runbook.Verdict;
import runbook.bundle.Archive.Item;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Archive.Part;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Outcome;
import runbook.bundle.Collecting.State;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;
import runbook.redact.Rules;

/** A debug bundle: collects, redacts meanwhile, writes the archive, reads it back, and only then gives it its name. */
public final class Bundle {
    private static final long FRONT_PAGES = 200_000;
    private static final int MOST_STATUSES = 7;
    private static final String NONE = "None seen.";
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

        @Option(names = "--pseudonym-key", paramLabel = "FILE", order = 72,
                description = "keeps pseudonyms the same in every bundle made with it (a random key for each)")
        Path pseudonymKey;

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
            Cli.Host host = shared.host();
            Map<String, String> known = new TreeMap<>();
            key.map(Key::reveal).ifPresent(value -> addKey(known, value));
            host.environment().forEach((name, value) -> {
                boolean ours = name.startsWith("KLAVIYO_") || variables.contains(name);
                if (ours && name.contains("KEY") && Key.of(value).cleaned().known()) {
                    addKey(known, value);
                } else if (ours && value.length() >= SHORTEST && SECRET_NAME.matcher(name).matches()
                        && !name.endsWith("_FILE")) {
                    known.put(value, "secret");
                }
            });
            secretFiles.forEach(file -> addFile(known, host.path(file.toString())));
            Policy policy = Policy.strict().by(Rules.of(shared.templates())).keeping(keep).knowing(known);
            return pseudonymKey == null ? policy : policy.pseudonymsBy(key(host.path(pseudonymKey.toString())));
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

        private static byte[] key(Path file) {
            try {
                byte[] key = Files.readAllBytes(file);
                if (key.length < 16) {
                    throw new Problem("--pseudonym-key " + file
                            + " has fewer than 16 bytes: make one with head -c 32 /dev/urandom");
                }
                return key;
            } catch (IOException e) {
                throw new Problem("--pseudonym-key cannot be read: " + Incident.why(e));
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
        @Option(names = "--journal-directory", paramLabel = "DIR", order = 52,
                description = "journal files from elsewhere")
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
                description = "asked of --prometheus besides the runbook's metrics")
        List<String> queries = List.of();
        @Option(names = "--env", paramLabel = "NAME", split = ",", order = 63,
                description = "environment variables to list besides KLAVIYO_*, by their length")
        public List<String> variables = List.of();
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "200MB", order = 80,
                description = "of the archive; the newest lines are kept (${DEFAULT-VALUE})")
        String maxSize;
        @Option(names = "--max-time", paramLabel = "DURATION", defaultValue = "5m", order = 81,
                description = "for all together (${DEFAULT-VALUE})")
        public Duration maxTime;
        @Option(names = "--max-each", paramLabel = "DURATION", defaultValue = "2m", order = 82,
                description = "for each collector (${DEFAULT-VALUE})")
        Duration maxEach;

        private final long start = System.nanoTime();
        Cli shared;

        /** The same with what all scripts share; refuses what does not go together. */
        public Options with(Cli cli) {
            shared = cli;
            if (lokiQueries.isEmpty() != (loki == null)) {
                throw new Problem("--loki and --loki-query belong together: give both");
            }
            if (context < 0 || context > 100) {
                throw new Problem("--context " + context + ": give 0 to 100");
            }
            return this;
        }

        private Window window() {
            Instant now = Instant.now();
            Instant end = to == null ? now : Moment.past("--to", to, now, Optional.empty());
            Instant begin = from == null ? end.minus(since) : Moment.past("--from", from, now, Optional.empty());
            if (!begin.isBefore(end)) {
                throw new Problem("--from " + begin + " is not before --to " + end);
            }
            return new Window(begin.truncatedTo(ChronoUnit.SECONDS), end.truncatedTo(ChronoUnit.SECONDS));
        }

        private ZoneId zone() {
            try {
                return logZone == null ? ZoneId.systemDefault() : ZoneId.of(logZone);
            } catch (DateTimeException e) {
                throw new Problem("--log-zone " + Text.safe(logZone, 40)
                        + " is no time zone: write UTC, Europe/Berlin or +02:00");
            }
        }
    }

    private final Options options;
    private final Settings settings;
    private final Optional<Incident> incident;
    private final Policy policy;
    private final Redactor redactor;
    private final Window window;
    private final Pipeline.Wanted wanted;
    private final long size;
    private final Systems systems;
    private final List<Collector> collectors = new ArrayList<>();

    /**
     * A bundle to be made.
     *
     * @param incident the incident's folder, if there is one
     * @param policy   what may stay and what is known
     */
    public Bundle(Options options, Settings settings, Optional<Incident> incident, Policy policy) {
        this.options = options;
        this.settings = settings;
        this.incident = incident;
        this.window = options.window();
        this.wanted = new Pipeline.Wanted(options.words, options.context, window, options.zone());
        this.size = Archive.size("--max-size", options.maxSize);
        Http http = Http.of(settings);
        this.systems = new Systems(options, settings, window, http);
        collectors.addAll(systems.first());
        List<Collector> logs = new ArrayList<>(LogSources.of(options, wanted, http));
        if (settings.drill().isPresent() && settings.target().app() != null) {
            logs.add(systems.drillLog(wanted));
        }
        collectors.addAll(logs);
        if (logs.isEmpty()) {
            collectors.add(Collector.skipped("application/logs",
                    "no logs given (--log, --journal, --k8s, --docker, --gcp-logs, --aws-logs or --loki)"));
        }
        collectors.addAll(systems.last(incident));
        this.policy = policy.sparing(vendorsAddresses());
        this.redactor = new Redactor(this.policy);
    }

    // What DNS answers for the vendor is what its support wants to see, and nobody's personal data.
    private Set<String> vendorsAddresses() {
        Set<String> addresses = new TreeSet<>();
        Stream.of(settings.target().api(), settings.target().status()).map(address ->
                CompletableFuture.supplyAsync(() -> lookUp(address.getHost()))
                .completeOnTimeout(new InetAddress[0], 1, TimeUnit.SECONDS)).toList().forEach(found ->
                Stream.of(found.join()).map(InetAddress::getHostAddress).forEach(addresses::add));
        return addresses;
    }

    private static InetAddress[] lookUp(String host) {
        try {
            return InetAddress.getAllByName(host);
        } catch (UnknownHostException e) {
            return new InetAddress[0];
        }
    }

    /** What it is about. */
    public Window window() {
        return window;
    }

    /** What would be collected, and a guess at its size, a line each; nothing is read but names and sizes. */
    public List<String> plan() {
        List<String> lines = new ArrayList<>();
        long known = 0;
        for (Collector collector : collectors) {
            for (Collecting.Planned planned : collector.plan().get()) {
                known += Math.max(0, planned.bytes());
                String guess = planned.bytes() >= 0 ? ", " + Archive.words(planned.bytes()) : "";
                lines.add(redactor.text(collector.name() + ": " + planned.what()) + guess);
            }
        }
        lines.add("To read: about " + Archive.words(known) + " and what commands print; the archive: about "
                + Archive.words(Math.min(size, known / 8 + FRONT_PAGES)) + " or less");
        return lines;
    }

    // ---- making it

    /** How far it is: a collector that ended, or a step of the work on the whole. */
    public record Progress(String what, boolean good, boolean skipped, String words) { }

    /** What came of it: the archive and its size, a line for all that is missing, rule to count, and the headline. */
    public record Made(Path file, long bytes, int files, String size, List<String> missing, boolean complete,
            Map<String, Long> redacted, String headline) { }

    /**
     * Makes it.
     *
     * @param target where the archive goes; it must not exist yet
     * @param looked is shown lines that stayed, the least alike, and says whether the archive may have its name
     * @return what came of it; empty when it may not
     * @throws Pipeline.Unsafe when something secret is left, and nothing is written
     * @throws IOException     when it cannot be written
     */
    public Optional<Made> make(Path target, Consumer<Progress> progress, Predicate<List<String>> looked)
            throws IOException, InterruptedException {
        try (Archive.Staging staging = new Archive.Staging(target); Pipeline pipeline = new Pipeline(redactor);
                Pipeline again = new Pipeline(redactor.again())) {
            LogSources.Told told = new LogSources.Told(wanted);
            Tool tool = Tool.of(options.shared.host(), options.maxEach);
            Collecting collecting = new Collecting(new Collecting.Workshop(staging.folder, size, pipeline, redactor,
                    new Archive.Names(), tool, told), options.maxEach, options.start + options.maxTime.toNanos());
            List<Outcome> outcomes = new ArrayList<>(collecting.run(collectors, outcome -> progress.accept(
                    new Progress(outcome.collector(), outcome.state() == State.OK, outcome.state() == State.SKIPPED,
                    outcome.words()))));
            List<Item> collected = outcomes.stream().flatMap(outcome -> outcome.items().stream())
                    .sorted(Comparator.comparing(Item::path)).toList();
            keepWithin(collected);
            if (collected.stream().anyMatch(item -> item.part().scarce)) {
                outcomes.add(new Outcome("bundle/disk", State.FAILED,
                        List.of("the oldest lines were left out: the disk has no room for them (--out names another)"),
                        List.of(), 0, List.of()));
            }
            Story story = new Story(outcomes, collected, told);
            List<Item> all = story.withFrontPages(staging.folder, again);
            Path half = staging.folder.resolve("archive.part");
            Existing.Verified back = Existing.write(half, all, story.created);
            progress.accept(new Progress("bundle/read-back", true, false, Archive.words(back.bytes())
                    + " read back: what was looked through while it was made, and found clean"));
            if (!looked.test(story.sample)) {
                return Optional.empty();
            }
            long bytes = Files.size(half);
            Files.move(half, target, StandardCopyOption.ATOMIC_MOVE);
            return Optional.of(new Made(target, bytes, back.files(), Archive.words(bytes) + ", " + back.words(),
                    Archive.missing(outcomes), outcomes.stream().noneMatch(Outcome::failed), Archive.redacted(all),
                    redactor.text(story.headline())));
        }
    }

    // The largest give way first, by their oldest lines.
    private void keepWithin(List<Item> items) throws IOException {
        for (int round = 0; round < 1_000; round++) {
            long excess = items.stream().mapToLong(item -> item.part().packed()).sum() - size + FRONT_PAGES;
            Part largest = items.stream().map(Item::part).max(Comparator.comparingLong(Part::packed)).orElse(null);
            if (excess <= 0 || largest == null || largest.packed() < 100) {
                return;
            }
            largest.shrinkTo(Math.max(0, largest.packed() - Math.max(excess / 2, 1)));
        }
    }

    // ---- what it tells: facts for machines, a summary and a page for people

    /** A heading with lines under it, or what stands there when there are none. */
    private record Section(String title, List<String> lines, String none) { }

    private final class Story {
        private final Instant created = Instant.now().truncatedTo(ChronoUnit.MILLIS);
        private final List<Outcome> outcomes;
        private final List<Item> collected;
        private final List<String> sample;
        private final Facts facts;
        private final Verdict verdict = systems.verdict;
        private final Optional<Event> before = incident.flatMap(Story::diagnosed);

        Story(List<Outcome> outcomes, List<Item> collected, LogSources.Told told) {
            this.outcomes = outcomes;
            this.collected = collected;
            this.sample = told.sample();
            this.facts = told.reader.facts().with(systems.queues(), List.copyOf(systems.curves),
                    List.copyOf(systems.incidents),
                    Archive.missing(outcomes));
        }

        private static Optional<Event> diagnosed(Incident incident) {
            try {
                return incident.journal().read().events().stream().filter(Event::failing)
                        .filter(event -> event.event().equals(Event.DIAGNOSED))
                        .min(Comparator.comparing(event -> event.data().path("severity").asText()));
            } catch (IOException e) {
                return Optional.empty();
            }
        }

        String headline() {
            String now = verdict == null ? "no verdict: triage did not come to an end"
                    : verdict.severity().map(level -> level.name() + ": ").orElse("") + verdict.title();
            return before.map(event -> words(event) + "; now: " + now).orElse(now);
        }

        private static String words(Event event) {
            String severity = event.data().path("severity").asText();
            return (event.summary().startsWith(severity) ? "" : severity + ": ") + Text.safe(event.summary(), 160)
                    + " (at " + event.at().truncatedTo(ChronoUnit.SECONDS) + ")";
        }

        private List<Section> sections() {
            return List.of(
                    section("Look at it before you send it", "", Stream.concat(Stream.of(NO_RULE_FINDS),
                            sample.stream().map(Story::code))),
                    section("What is missing", "Nothing: every collector ended well.",
                            Archive.missing(outcomes).stream()),
                    section("Klaviyo's status page", "No incident in the window.",
                            facts.vendor().stream().map(Story::told)),
                    section("Calls to Klaviyo in the logs, by status", NONE, facts.statuses().entrySet().stream()
                            .map(one -> status(one.getKey()) + ": " + Text.count(one.getValue(), "call"))),
                    section("First failed call, and customers", NONE, failures()),
                    section("Endpoints and callers", NONE, Stream.concat(
                            facts.endpoints().stream().limit(10).map(Story::words),
                            facts.callers().stream().limit(5).map(caller -> "from " + code(caller.name()) + ": "
                                    + Text.count(caller.calls(), "call") + ", " + percent(caller.share())))),
                    section("Retry queue", "Not measured.", queue()),
                    section("Waits asked for (429)", NONE, facts.waits().stream().limit(40).map(wait -> wait.at() + ": "
                            + wait.count() + " × 429" + (wait.longestSeconds() == 0 ? "" : ", longest Retry-After "
                            + wait.longestSeconds() + " s"))),
                    section("What was collected", "Nothing.", outcomes.stream()
                            .map(outcome -> outcome.collector() + ": " + outcome.words())));
        }

        private static Section section(String title, String none, Stream<String> lines) {
            return new Section(title, lines.toList(), none);
        }

        private static String code(String line) {
            return "`" + line.replace('`', '\'') + "`";
        }

        private static String percent(double share) {
            return Math.round(100 * share) + " %";
        }

        private static String status(int status) {
            return status == Facts.NO_ANSWER ? "no answer" : "HTTP " + status;
        }

        private Stream<String> failures() {
            return facts.first() == null ? Stream.of() : Stream.of(
                    "first: " + facts.first().at() + " HTTP " + facts.first().status() + " " + facts.first().endpoint(),
                    "last: " + facts.last().at() + " HTTP " + facts.last().status() + " " + facts.last().endpoint(),
                    (facts.customers().more() ? "more than " : "") + Text.count(facts.customers().count(), "customer")
                            + " named in failed calls",
                    "log times read as " + facts.zone() + (facts.zoneNamed() ? "" : ", assumed"));
        }

        private Stream<String> queue() {
            Stream<String> each = facts.queue().stream().map(one -> one.instance() + ": " + Math.round(one.first())
                    + ", at most " + Math.round(one.peak()) + " at " + one.peakAt() + ", at last "
                    + Math.round(one.last()));
            double last = facts.queue().stream().mapToDouble(LogReader.Queue::last).sum();
            return facts.queue().size() < 2 ? each
                    : Stream.concat(each, Stream.of("together at last: " + Math.round(last)));
        }

        private static String told(StatusPage.Incident one) {
            String resolved = one.resolved() == null ? "" : " " + one.resolved();
            return Text.safe((one.started() == null ? one.posted() : one.started()) + " " + one.name() + " ("
                    + one.impact() + ", " + one.status() + resolved + ")", 300);
        }

        private static String words(LogReader.Rate rate) {
            return (rate.endpoint().isEmpty() ? "endpoint not named" : rate.endpoint()) + ": "
                    + Text.count(rate.calls(), "call") + ", " + rate.failed() + " failed, " + percent(rate.share())
                    + ", at most " + rate.perMinute() + " a minute";
        }

        private List<String> head() {
            long redacted = Archive.redacted(collected).values().stream().mapToLong(Long::longValue).sum();
            String kept = policy.kept().isEmpty() ? "." : ", except " + String.join(", ", policy.kept()) + ".";
            return Stream.of(verdict == null ? "" : verdict.reason(),
                    "Window: " + window.from() + " to " + window.to() + " (UTC).",
                    "Secrets and personal data were replaced by pseudonyms (" + redacted + " places)" + kept)
                    .filter(line -> !line.isEmpty()).toList();
        }

        private String title() {
            return "Klaviyo debug bundle, " + created.truncatedTo(ChronoUnit.SECONDS);
        }

        private String markdown() {
            StringBuilder text = new StringBuilder("# " + (settings.drill().isPresent() ? "DRILL: " : "") + title()
                    + "\n\n**" + escaped(headline()) + "**\n");
            head().forEach(line -> text.append('\n').append(escaped(line)).append('\n'));
            for (Section section : sections()) {
                text.append("\n## " + section.title + "\n\n" + (section.lines.isEmpty() ? section.none + "\n" : ""));
                section.lines.forEach(line -> text.append("- ").append(escaped(line)).append('\n'));
            }
            return text.toString();
        }

        // What stands in back quotes is code already.
        private static String escaped(String line) {
            int code = line.indexOf('`');
            String plain = code < 0 ? line : line.substring(0, code);
            return plain.replaceAll("([\\\\*_\\[\\]<>#|])", "\\\\$1") + line.substring(plain.length());
        }

        private String html() {
            Page page = new Page(title());
            settings.drill().ifPresent(page::drill);
            boolean good = verdict != null && verdict.healthy() && before.isEmpty();
            page.html("<div class=\"verdict" + (good ? " good" : "") + "\"><b>" + Page.escape(headline())
                    + "</b></div>\n");
            head().forEach(page::soft);
            page.html(figure("calls", "Calls to Klaviyo in the logs, per minute", byStatus()));
            Map<String, List<Chart.Line>> curves = new TreeMap<>();
            facts.metrics().forEach(curve -> curves.computeIfAbsent(curve.query() + (curve.unit().isEmpty() ? "" : ", "
                    + curve.unit()), any -> new ArrayList<>()).add(line(curve.name(), curve.points().stream()
                    .map(point -> new Chart.Point(point.at(), point.value())))));
            List<String> order = List.copyOf(curves.keySet());
            curves.forEach((title, lines) -> page.html(figure("curve" + order.indexOf(title), title, lines)));
            for (Section section : sections()) {
                page.table(section.title, section.lines.stream().map(Story::cells).toList(), section.none);
            }
            return page.html();
        }

        private static Chart.Line line(String name, Stream<Chart.Point> points) {
            return new Chart.Line(name, points.toList());
        }

        private static List<String> cells(String line) {
            int code = line.indexOf('`');
            return List.of(code < 0 ? Page.escape(line) : Page.escape(line.substring(0, code)) + "<code>"
                    + Page.escape(line.substring(code).replace("`", "")) + "</code>");
        }

        private String figure(String id, String title, List<Chart.Line> lines) {
            Chart.Mark begins = new Chart.Mark(window.from(), Chart.Shape.OTHER, "window", "the window begins", "");
            Chart.Lane lane = new Chart.Lane("", "", "", 160, lines, List.of());
            return (id.equals("calls") ? new Chart(id, title, window.from(), window.to())
                    : new Chart(id, title, window.hourBefore().from(), window.to()).marks(List.of(begins)))
                    .lane(lane).figure();
        }

        /** A line for each status, the rarest together. */
        private List<Chart.Line> byStatus() {
            SortedMap<Integer, Long> totals = facts.statuses();
            Set<Integer> own = totals.entrySet().stream().sorted(Map.Entry.<Integer, Long>comparingByValue().reversed())
                    .limit(totals.size() > MOST_STATUSES + 1 ? MOST_STATUSES : totals.size()).map(Map.Entry::getKey)
                    .collect(Collectors.toSet());
            Map<String, TreeMap<Instant, Double>> lines = new TreeMap<>();
            long step = Math.max(1, Duration.between(window.from(), window.to()).toMinutes() / 240) * 60;
            facts.minutes().stream().filter(minute -> minute.at() != null).forEach(minute ->
                    minute.statuses().forEach((status, calls) -> {
                        Instant at = Instant.ofEpochSecond(minute.at().getEpochSecond() / step * step);
                        lines.computeIfAbsent(own.contains(status) ? status(status) : "other", any -> zeroes(step))
                                .merge(at, calls * 60.0 / step, Double::sum);
                    }));
            return lines.entrySet().stream().map(line -> line(line.getKey(), line.getValue().entrySet().stream()
                    .map(point -> new Chart.Point(point.getKey(), point.getValue())))).toList();
        }

        private TreeMap<Instant, Double> zeroes(long step) {
            TreeMap<Instant, Double> line = new TreeMap<>();
            long end = window.to().getEpochSecond();
            for (long at = window.from().getEpochSecond() / step * step; at <= end; at += step) {
                line.put(Instant.ofEpochSecond(at), 0.0);
            }
            return line;
        }

        /** All files, those that people and machines read first before the others. */
        List<Item> withFrontPages(Path folder, Pipeline again) throws IOException {
            List<Item> files = new ArrayList<>(collected);
            files.add(0, again.page(folder, "summary.md", utf8(markdown())));
            files.add(1, again.page(folder, "report.html", utf8(html())));
            files.add(2, again.page(folder, "facts.json", utf8(facts.json())));
            files.add(3, again.page(folder, "redaction.json", Archive.redaction(files)));
            Archive.Head head = new Archive.Head(settings.drill().orElse(null), created, window, options.words,
                    policy.kept());
            files.add(0, again.page(folder, Archive.MANIFEST, Archive.manifest(head, outcomes, files)));
            return files;
        }

        private static byte[] utf8(String text) {
            return text.getBytes(StandardCharsets.UTF_8);
        }
    }
}
