package runbook.bundle;

import java.io.*;
import java.lang.management.*;
import java.net.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Checks.Findings;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.bundle.Bundle.Collector;
import runbook.bundle.Bundle.Sink;
import runbook.bundle.Bundle.State;
import runbook.bundle.Pipeline.Wanted;

/**
 * The systems around an incident: Klaviyo, its status page, our application and its logs, Prometheus, this machine, the
 * incident's folder.
 */
final class Systems {
    /** The metric that the runbook names. */
    private static final String ERRORS = "klaviyo_api_errors_total";
    /** Asked for where it is; nobody has to have it. */
    private static final String QUEUE = "klaviyo_retry_queue_depth";
    private static final int POINTS = 240;
    // What they hold is no secret, and support needs it; of all other variables the length alone is shown.
    private static final Set<String> SHOWN = Set.of("KLAVIYO_API_URL", "KLAVIYO_STATUS_URL", "KLAVIYO_APP_URL",
            "KLAVIYO_PROMETHEUS_URL", "KLAVIYO_REVISION", "KLAVIYO_TIMEOUT", "KLAVIYO_INCIDENT", "KLAVIYO_TEMPLATES",
            "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy");
    private static final List<String> PROPERTIES = List.of("os.name", "os.version", "os.arch", "java.version",
            "java.vm.name", "java.vendor", "user.timezone", "file.encoding");

    /**
     * A command that prints logs, a row of {@code templates/logs.json}, for whatever is given by an option. It is split
     * into words before it is filled in: {@code {}} is what was given, {@code {namespace}} and {@code {selector}} its
     * halves, {@code {loki}} an address, {@code {from}} and {@code {to}} the window in ISO 8601, with {@code -s} in
     * seconds and {@code -ms} in milliseconds since 1970. A {@code merged} tool logs to standard error too; what a
     * {@code whole} one prints is all wanted, and tells of no calls.
     */
    private record Row(String option, String command, boolean merged, boolean whole) { }

    private static final String TABLE = "logs.json";
    private static final Pattern PLACE = Pattern.compile("\\{[a-z-]*}");
    private static final String SPECIAL = "[*?\\[{]";
    private static final String AGAIN = "given before";
    static final int MOST_FILES = 20_000;
    private static final int DEEPEST = 16;

    private final Bundle.Options options;
    private final Settings settings;
    private final Bundle.Window window;
    private final Tool tool;
    private final Http http;
    private final Set<Path> taken = ConcurrentHashMap.newKeySet();
    /** Incidents of the vendor's that touch the window, oldest first, as far as they are read. */
    final List<StatusPage.Incident> incidents = new CopyOnWriteArrayList<>();
    /** What Prometheus told. */
    final List<Facts.Curve> curves = new CopyOnWriteArrayList<>();
    /** What triage said; null until it did. */
    volatile Verdict verdict;

    Systems(Bundle.Options options, Settings settings) {
        this.options = options;
        this.settings = settings;
        this.window = options.window;
        this.tool = Tool.of(options.shared.host(), options.maxEach);
        this.http = Http.of(settings);
    }

    /** A collector for each, and for all that the options name. */
    List<Collector> collectors(Optional<Incident> incident) {
        Settings.Target target = settings.target();
        URI app = target.app();
        Path folder = incident.map(Incident::folder).orElse(null);
        List<Collector> all = new ArrayList<>();
        all.add(Collector.of("klaviyo/triage", "a triage run against " + target.api() + " and " + target.status(),
                sink -> triage(incident, sink)));
        all.add(Collector.of("klaviyo/status-page", target.status() + "/api/v2/incidents.json", this::statusPage));
        all.add(app == null ? Collector.skipped("application/health", "no health endpoint given (--app-url)")
                : Collector.of("application/health", "GET " + app, this::health));
        all.addAll(logs());
        all.add(target.prometheus() == null ? Collector.skipped("metrics/prometheus", "no address given (--prometheus)")
                : Collector.of("metrics/prometheus", target.prometheus() + " " + String.join(", ", queries()),
                        this::metrics));
        all.add(Collector.of("environment/machine", "system, Java, proxies, and variables: "
                + String.join(", ", variables()), this::machine));
        all.add(folder == null ? Collector.skipped("incident/folder", "no open incident (--incident)")
                : Collector.of("incident/folder", "the files in " + folder, sink -> folder(folder, sink)));
        return all;
    }

    // ---- Klaviyo as a triage finds it now: the verdict, answers' headers, errors' bodies

    private void triage(Optional<Incident> incident, Sink sink) throws IOException {
        List<Incident.Event> journal = incident.isPresent() ? incident.get().journal().read().events() : List.of();
        Findings findings = Checks.run(settings, () -> Checks.Before.of(options.shared.host(), settings, journal));
        verdict = DecisionTree.judge(findings, Message.Wording.all(settings.templates()));
        sink.json("triage.json", verdict.json(options.shared.launcher(), Optional.empty()));
        // The same error from three samples is one error.
        Set<String> seen = new TreeSet<>();
        for (String check : findings.answers().keySet()) {
            for (Answer answer : findings.answers().get(check)) {
                if (answer instanceof Reply reply && reply.status() >= 400 && seen.add(check + reply.status())) {
                    body("errors/" + check, reply, sink);
                }
            }
        }
        if (settings.key().isEmpty()) {
            sink.remark("no private key given: the API was not asked (KLAVIYO_PRIVATE_KEY, --key-file or "
                    + "--key-command)");
        }
    }

    private static void body(String name, Reply reply, Sink sink) throws IOException {
        String kind = reply.json().isMissingNode() ? ".txt" : ".json";
        sink.text(name + "-" + reply.status() + (reply.html() ? ".html.txt" : kind), reply.text());
    }

    // The page is often late and backdates: a day before the window counts as touching it.
    private void statusPage(Sink sink) throws IOException {
        for (StatusPage.Incident incident : StatusPage.history(http)) {
            if (incident.overlaps(window.from().minus(Duration.ofDays(1)), window.to())) {
                incidents.add(0, incident);
            }
        }
        sink.json("incidents.json", Json.of(incidents.stream().map(one -> one.name() + ", " + one.status()).toList()));
    }

    private void health(Sink sink) throws IOException {
        Answer answer = http.get(settings.target().app());
        if (answer instanceof Reply reply) {
            body("health", reply, sink);
        } else {
            sink.trouble(answer.words());
        }
    }

    // ---- logs: as files, or printed by a command

    private List<Collector> logs() {
        List<Collector> logs = new ArrayList<>();
        options.logs.forEach(given -> logs.add(files(given)));
        Map<String, List<String>> printed = Map.of("journal", options.journal, "k8s", options.k8s, "docker",
                options.docker, "gcp-logs", options.gcp, "aws-logs", options.aws, "loki-query", options.lokiQueries);
        options.shared.templates().table(TABLE, Row.class).forEach((kind, row) ->
                printed.getOrDefault(row.option, List.of()).forEach(given -> logs.add(printed(kind, row, given))));
        URI app = settings.target().app();
        // In a game day the application's log is a file too, and has the same lines.
        if (settings.drill().isPresent() && app != null && options.logs.isEmpty()) {
            logs.add(Collector.of("application/drill-log", "the sandbox application's log", sink ->
                    sink.add("log/shop.log", app.resolve("/log").toURL().openStream(), options.wanted)));
        }
        return !logs.isEmpty() ? logs : List.of(Collector.skipped("application/logs",
                "no logs given (--log, --journal, --k8s, --docker, --gcp-logs, --aws-logs or --loki)"));
    }

    // Files are looked for before anything is collected: a typing error is told at once, not after all the others.
    private Collector files(String given) {
        String name = "application/log " + given;
        List<String> notes = new ArrayList<>();
        List<Path> files;
        try {
            files = CompletableFuture.supplyAsync(() -> logFiles(given, notes::add))
                    .get(options.maxTime.toMillis() / 4, TimeUnit.MILLISECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            return Collector.failed(name, "looking for it did not come to an end");
        }
        if (files.isEmpty()) {
            String why = String.join("; ", notes);
            return why.contains(AGAIN) ? Collector.skipped(name, why) : Collector.failed(name, "no log was found there"
                    + (why.isEmpty() ? "" : "; " + why));
        }
        Stream<String> found = files.stream().map(file -> file + ", " + Archive.words(file.toFile().length()));
        return new Collector(name, State.OK, Stream.concat(found, notes.stream()).toList(), sink -> {
            notes.forEach(sink::remark);
            files.forEach(file -> sink.add("log/" + file, file, options.wanted));
            if (sink.parts.isEmpty()) {
                sink.trouble("none of its files is a log that can be read");
            }
        });
    }

    /** One file, all below a folder, or all that match a pattern, rotated and gzipped ones too; the newest last. */
    private List<Path> logFiles(String given, Consumer<String> note) {
        // The part before the first special character is where to start looking.
        int slash = given.split(SPECIAL, 2)[0].lastIndexOf('/');
        boolean pattern = given.matches(".*" + SPECIAL + ".*");
        String above = slash < 0 ? "." : given.substring(0, Math.max(1, slash));
        Path start = options.shared.host().path(pattern ? above : given).normalize();
        PathMatcher glob = pattern ? FileSystems.getDefault().getPathMatcher("glob:" + given.substring(slash + 1))
                : any -> true;
        List<Path> files = found(start, file -> glob.matches(start.relativize(file)), note);
        remove(files, file -> file.toFile().lastModified() < window.from().toEpochMilli(),
                "last changed before the window", note);
        remove(files, file -> !taken.add(file), AGAIN, note);
        files.sort(Comparator.comparing((Path file) -> file.toFile().lastModified()).thenComparing(file -> file));
        return files;
    }

    private static void remove(List<Path> files, Predicate<Path> which, String why, Consumer<String> note) {
        int all = files.size();
        files.removeIf(which);
        if (files.size() < all) {
            note.accept(Text.count(all - files.size(), "file") + " left out: " + why);
        }
    }

    /**
     * The wanted files at or below a path, links followed, by name; what cannot be taken is noted. Of more than {@value
     * #MOST_FILES} none is.
     */
    static List<Path> found(Path root, Predicate<Path> wanted, Consumer<String> note) {
        List<Path> files = new ArrayList<>();
        try {
            Files.walkFileTree(root, Set.of(FileVisitOption.FOLLOW_LINKS), DEEPEST, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes is) {
                    if (wanted.test(file) && is.isRegularFile()) {
                        files.add(file);
                    } else if (wanted.test(file)) {
                        note.accept(file + " left out: it is " + (is.isDirectory() ? "too deep"
                                : "no regular file (a pipe or a device may never end)"));
                    }
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) {
                    note.accept(e instanceof FileSystemLoopException
                            ? file + " left out: a link back to a folder above it" : "left out: " + Incident.why(e));
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            note.accept("left out: " + Incident.why(e));
        }
        if (files.size() > MOST_FILES) {
            throw new Problem("more than " + MOST_FILES + " files at " + root + ": name a folder in it");
        }
        files.sort(null);
        return files;
    }

    /** What a command prints that is a row of the table. */
    private Collector printed(String kind, Row row, String given) {
        String name = "application/" + kind + " " + given;
        Instant from = window.from();
        Instant to = window.to();
        Map<String, String> values = Map.of("{}", given, "{namespace}", given.replaceFirst("/.*", ""), "{selector}",
                given.replaceFirst(".*?/", ""), "{loki}", String.valueOf(options.loki),
                "{from}", from.toString(), "{to}", to.toString(),
                "{from-s}", "" + from.getEpochSecond(), "{to-s}", "" + (to.getEpochSecond() + 1),
                "{from-ms}", "" + from.toEpochMilli(), "{to-ms}", "" + to.toEpochMilli());
        // Each place is filled once: what was given may look like a place.
        List<String> command = Text.split(TABLE + ", " + kind, row.command).stream().map(word -> PLACE.matcher(word)
                .replaceAll(place -> Matcher.quoteReplacement(values.getOrDefault(place.group(), place.group()))))
                .toList();
        if (tool.find(command.get(0)).isEmpty()) {
            return Collector.failed(name, Tool.name(command) + " is not installed (not on the PATH)");
        }
        return Collector.of(name, Tool.shown(command), sink -> {
            try (Tool.Running child = sink.ending(tool.start(command, row.merged))) {
                sink.add(kind + "/" + given + (row.whole ? ".txt" : ".log"), child.output(),
                        row.whole ? Wanted.EVERYTHING : options.wanted);
                String exit = child.exit().map(code -> "exit code " + code).orElse("no exit code yet");
                // What it printed is kept all the same.
                if (!exit.equals("exit code 0")) {
                    String said = child.complaint().strip();
                    sink.trouble(Tool.name(command) + " ended with " + exit + (said.isEmpty() ? "" : ": " + said));
                }
            }
        });
    }

    // ---- Prometheus: each query's value now, over the window and over the hour before it

    private Set<String> queries() {
        Set<String> queries = new LinkedHashSet<>(List.of(ERRORS, QUEUE));
        queries.addAll(options.queries);
        return queries;
    }

    private void metrics(Sink sink) throws IOException {
        Prometheus prometheus = new Prometheus(http);
        for (String query : queries()) {
            Prometheus.Result during = prometheus.range(query, window.hourBefore(), window.to(), POINTS);
            if (during.ok()) {
                metric(query, during, prometheus.instant(query, window.to()), sink);
            } else {
                sink.trouble(query + ": " + during.trouble());
                if (!during.reached()) {
                    return;
                }
            }
        }
    }

    private void metric(String query, Prometheus.Result during, Prometheus.Result now, Sink sink) throws IOException {
        during.notes().forEach(note -> sink.remark(query + ": " + note));
        if (during.series().isEmpty() && !query.equals(QUEUE)) {
            sink.remark(query + ": no data in the window");
        }
        boolean counter = query.matches("[a-zA-Z_:][\\w:]*_total(\\{.*})?");
        for (Prometheus.Series series : (during.series().isEmpty() ? now : during).series()) {
            List<Prometheus.Point> points = series.points().stream().filter(point -> Double.isFinite(point.value()))
                    .toList();
            curves.add(counter ? growth(query, series.words(), points)
                    : new Facts.Curve(query, series.words(), "", 0, points));
        }
        String name = Archive.Names.safe(query.length() > 60 ? query.substring(0, 60) : query);
        sink.json(name + ".json", ((Reply) during.answer()).json());
        if (now.ok()) {
            sink.json(name + "-now.json", ((Reply) now.answer()).json());
        }
    }

    // A counter only says something by how fast it grows; when it falls, the application was restarted.
    private Facts.Curve growth(String query, String name, List<Prometheus.Point> counted) {
        List<Prometheus.Point> points = new ArrayList<>();
        double grown = 0;
        for (int i = 1; i < counted.size(); i++) {
            Prometheus.Point before = counted.get(i - 1);
            Prometheus.Point point = counted.get(i);
            double more = point.value() - (point.value() >= before.value() ? before.value() : 0);
            double seconds = Duration.between(before.at(), point.at()).toMillis() / 1000.0;
            points.add(new Prometheus.Point(point.at(), seconds > 0 ? more * 60 / seconds : 0));
            grown += point.at().isAfter(window.from()) ? more : 0;
        }
        return new Facts.Curve(query, name, "per minute", grown, points);
    }

    /** Failed calls in the window as Prometheus counts them; 0 where it does not. */
    long counted() {
        return Math.round(curves.stream().filter(curve -> curve.query().equals(ERRORS))
                .mapToDouble(Facts.Curve::grown).sum());
    }

    /** Retry queues by instance, as Prometheus has them: the curves whose query names a queue. */
    List<Facts.Queue> queues() {
        return curves.stream().filter(curve -> curve.query().contains("queue")).flatMap(curve -> {
            List<Prometheus.Point> looks =
                    curve.points().stream().filter(point -> !point.at().isBefore(window.from())).toList();
            return looks.isEmpty() ? Stream.empty() : Stream.of(Facts.Queue.of(curve.name(), looks));
        }).toList();
    }

    // ---- this machine: chosen environment variables, system, Java and proxies

    private Set<String> variables() {
        Set<String> names = new TreeSet<>(options.shared.host().environment().keySet());
        names.removeIf(name -> !name.startsWith("KLAVIYO_") && !SHOWN.contains(name)
                && !options.variables.contains(name));
        return names;
    }

    private void machine(Sink sink) throws IOException {
        List<Object> variables = new ArrayList<>();
        for (String name : variables()) {
            String value = options.shared.host().environment().get(name);
            String kind = Key.of(value).cleaned().known() ? "private key" : "text";
            variables.add(SHOWN.contains(name) ? Json.map("name", name, "length", value.length(), "value", value)
                    : Json.map("name", name, "length", value.length(), "kind", kind));
        }
        sink.json("variables.json", Json.of(variables));
        Map<String, Object> system = Json.map();
        PROPERTIES.forEach(property -> system.put(property, System.getProperty(property)));
        system.put("processors", Runtime.getRuntime().availableProcessors());
        system.put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        sink.json("system.json", Json.of(system));
    }

    // ---- the incident: its journal and what other steps left; earlier bundles are not bundled again

    private static void folder(Path folder, Sink sink) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            files.filter(file -> !file.getFileName().toString().matches("(?s)\\..*|.*\\.(zip|lock)"))
                    .filter(Files::isRegularFile).sorted()
                    .forEach(file -> sink.add(file.getFileName().toString(), file, Wanted.EVERYTHING));
        }
    }
}
