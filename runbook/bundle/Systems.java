package runbook.bundle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.lang.management.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Checks.Findings;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Text.Json;
import runbook.bundle.Bundle.State;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Collecting.Work;

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
     * A command that prints logs, a row of {@code templates/logs.json}, split into words before it is filled in: {@code
     * {}} is what was given, {@code {in}} an address or a namespace given with it, {@code {from}} and {@code {to}} the
     * window in ISO 8601, with {@code -s} in seconds and {@code -ms} in milliseconds since 1970. A {@code merged} tool
     * logs to standard error too; what a {@code whole} one prints is all wanted, and tells of no calls.
     */
    private record Row(String command, boolean merged, boolean whole) { }

    private static final String TABLE = "logs.json";
    private static final Pattern PLACE = Pattern.compile("\\{[a-z-]*}");
    private static final String SPECIAL = "[*?\\[{]";
    private static final String NO_LOG = "no log was found there";
    private static final String SAME = " left out: it is the same as ";

    private final Bundle.Options options;
    private final Settings settings;
    private final Bundle.Window window;
    final Tool tool;
    private final Map<String, Row> rows;
    private final Http http;
    private final Duration timeout;
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
        this.rows = options.shared.templates().table(TABLE, Row.class);
        this.http = Http.of(settings);
        this.timeout = settings.probing().timeout();
    }

    /** A collector for each, and for all that the options name. */
    List<Collector> collectors(Optional<Incident> incident) {
        Settings.Target target = settings.target();
        List<Collector> all = new ArrayList<>();
        all.add(Collector.of("klaviyo/triage", "a triage run against " + target.api() + " and " + target.status(),
                sink -> triage(incident, sink)));
        all.add(Collector.of("klaviyo/status-page", target.status() + "/api/v2/incidents.json", this::statusPage));
        all.add(asked("application/health", target.app(), "no health endpoint given (--app-url)", "GET " + target.app(),
                this::health));
        all.addAll(logs());
        all.add(asked("metrics/prometheus", target.prometheus(), "no address given (--prometheus)",
                target.prometheus() + " " + String.join(", ", queries()), this::metrics));
        all.add(Collector.of("environment/machine", "system, Java, proxies, and variables: "
                + String.join(", ", variables()), this::machine));
        Path folder = incident.map(Incident::folder).orElse(null);
        all.add(asked("incident/folder", folder, "no open incident (--incident)", "the files in " + folder, sink ->
                folder(folder, sink)));
        return all;
    }

    private static Collector asked(String name, Object of, String lacking, String plan, Work work) {
        return of == null ? Collector.none(name, State.SKIPPED, lacking) : Collector.of(name, plan, work);
    }

    // ---- Klaviyo as a triage finds it now: the verdict, answers' headers, errors' bodies

    private void triage(Optional<Incident> incident, Sink sink) throws IOException {
        List<Incident.Event> journal = incident.isPresent() ? incident.get().journal().read().events() : List.of();
        Findings findings = Checks.run(settings, () -> Checks.Before.of(options.shared.host(), settings, journal));
        verdict = Verdict.of(findings);
        sink.json("triage.json", verdict.json(options.shared.launcher(), null));
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
        for (StatusPage.Incident incident : StatusPage.history(settings.target().status(), http, timeout)) {
            if (incident.overlaps(window.from().minus(Duration.ofDays(1)), window.to())) {
                incidents.add(0, incident);
            }
        }
        sink.json("incidents.json", Json.of(incidents.stream().map(one -> one.name() + ", " + one.status()).toList()));
    }

    private void health(Sink sink) throws IOException {
        Answer answer = http.get(settings.target().app(), timeout);
        if (answer instanceof Reply reply) {
            body("health", reply, sink);
        } else {
            sink.trouble(((Fault) answer).words());
        }
    }

    // ---- logs: as files, or printed by a command

    private List<Collector> logs() {
        List<Collector> logs = new ArrayList<>();
        options.logs.forEach(given -> logs.add(files(given)));
        options.journal.forEach(unit -> logs.add(printed("journal", unit, "")));
        options.k8s.forEach(given -> List.of("pods", "k8s", "k8s-previous").forEach(kind ->
                logs.add(printed(kind, given.replaceFirst(".*?/", ""), given.replaceFirst("/.*", "")))));
        options.docker.forEach(container -> logs.add(printed("docker", container, "")));
        options.gcp.forEach(filter -> logs.add(printed("gcp-logs", filter, "")));
        options.aws.forEach(group -> logs.add(printed("aws-logs", group, "")));
        options.lokiQueries.forEach(query -> logs.add(printed("loki", query, options.loki)));
        URI app = settings.target().app();
        // In a game day the application's log is a file too, and has the same lines.
        if (settings.drill().isPresent() && app != null && options.logs.isEmpty()) {
            logs.add(Collector.of("application/drill-log", "the sandbox application's log", sink ->
                    sink.log("log/shop.log", app.resolve("/log").toURL().openStream(), Long.MAX_VALUE)));
        }
        return !logs.isEmpty() ? logs : List.of(Collector.none("application/logs", State.SKIPPED,
                "no logs given (--log, --journal, --k8s, --docker, --gcp-logs, --aws-logs or --loki)"));
    }

    // Files are looked for before anything is collected: a typing error is told at once, not after all the others.
    private Collector files(String given) {
        String name = "application/log " + given;
        List<String> notes = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        try {
            CompletableFuture.runAsync(() -> files.addAll(logFiles(given, notes::add)))
                    .get(options.maxTime.toMillis() / 4, TimeUnit.MILLISECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            return Collector.none(name, State.FAILED, "looking for it did not come to an end");
        }
        if (files.isEmpty()) {
            boolean had = notes.stream().anyMatch(note -> note.contains(SAME));
            String why = String.join("; ", notes);
            return had ? Collector.none(name, State.SKIPPED, why)
                    : Collector.none(name, State.FAILED, notes.isEmpty() ? NO_LOG : NO_LOG + "; " + why);
        }
        List<String> plan = new ArrayList<>();
        files.forEach(file -> plan.add(file + ", " + Archive.words(file.toFile().length())));
        plan.addAll(notes);
        return new Collector(name, State.OK, plan, sink -> {
            notes.forEach(sink::remark);
            files.forEach(file -> give(file, "log/" + file, sink::log, sink));
            if (sink.parts.isEmpty()) {
                sink.trouble("none of its files is a log that can be read");
            }
        });
    }

    private interface Taker {
        void take(String name, InputStream stream, long most) throws IOException;
    }

    private static void give(Path file, String name, Taker taker, Sink sink) {
        try (InputStream stream = Files.newInputStream(file)) {
            // Only what was there at the start: a log that grows as fast as it is read would never end.
            taker.take(name, stream, file.toString().endsWith(".gz") ? Long.MAX_VALUE : Files.size(file));
        } catch (IOException e) {
            sink.remark(file + " left out: " + Incident.why(e));
        }
    }

    /** One file, all below a folder, or all that match a pattern, rotated and gzipped ones too; the newest last. */
    private List<Path> logFiles(String given, Consumer<String> note) {
        // The part before the first special character is where to start looking.
        int slash = given.split(SPECIAL, 2)[0].lastIndexOf('/');
        boolean pattern = given.matches(".*" + SPECIAL + ".*");
        String above = slash < 0 ? "." : given.substring(0, Math.max(1, slash));
        String root = pattern ? above : given;
        Path start = options.shared.host().path(root).normalize();
        PathMatcher glob = pattern ? FileSystems.getDefault().getPathMatcher("glob:" + given.substring(slash + 1))
                : any -> true;
        List<Path> files = Existing.files(start, file -> glob.matches(start.relativize(file)), note);
        int all = files.size();
        files.removeIf(file -> file.toFile().lastModified() < window.from().toEpochMilli());
        if (files.size() < all) {
            note.accept(Text.count(all - files.size(), "file") + " left out: last changed before the window");
        }
        files.sort(Comparator.comparing((Path file) -> file.toFile().lastModified()).thenComparing(file -> file));
        files.removeIf(file -> {
            Optional<Path> same = taken.stream().filter(other -> same(other, file)).findFirst();
            same.ifPresent(other -> note.accept(file + SAME + other));
            return same.isPresent() || !taken.add(file);
        });
        return files;
    }

    private static boolean same(Path file, Path other) {
        try {
            return Files.size(file) == Files.size(other) && Files.mismatch(file, other) < 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** What a command prints that is a row of the table. */
    private Collector printed(String kind, String given, String in) {
        String name = "application/" + kind + " " + given;
        List<String> command = command(kind, given, in);
        Work work = sink -> print(sink, kind + "/" + given, command, rows.get(kind));
        return tool.find(command.get(0)).isPresent() ? Collector.of(name, Tool.shown(command), work)
                : Collector.none(name, State.FAILED, Tool.name(command) + " is not installed (not on the PATH)");
    }

    private List<String> command(String kind, String given, String in) {
        Instant from = window.from();
        Instant to = window.to();
        Map<String, String> values = Map.of("{}", given, "{in}", in, "{from}", from.toString(), "{to}", to.toString(),
                "{from-s}", "" + from.getEpochSecond(), "{to-s}", "" + (to.getEpochSecond() + 1),
                "{from-ms}", "" + from.toEpochMilli(), "{to-ms}", "" + to.toEpochMilli());
        // Each place is filled once: what was given may look like a place.
        return Tool.split(TABLE + ", " + kind, rows.get(kind).command).stream().map(word -> PLACE.matcher(word)
                .replaceAll(place -> Matcher.quoteReplacement(values.getOrDefault(place.group(), place.group()))))
                .toList();
    }

    /** Runs it; an exit code other than 0 is trouble, and what it printed is kept all the same. */
    private static void print(Sink sink, String file, List<String> command, Row row) throws IOException, Tool.Failure {
        try (Tool.Running child = sink.start(command, row.merged)) {
            Taker taker = row.whole ? sink::stream : sink::log;
            taker.take(file + (row.whole ? ".txt" : ".log"), child.output(), Long.MAX_VALUE);
            String exit = child.exit().map(code -> "exit code " + code).orElse("no exit code yet");
            if (!exit.equals("exit code 0")) {
                String said = child.complaint().strip();
                sink.trouble(Tool.name(command) + " ended with " + exit + (said.isEmpty() ? "" : ": " + said));
            }
        }
    }

    // ---- Prometheus: each query's value now, over the window and over the hour before it

    private Set<String> queries() {
        Set<String> queries = new LinkedHashSet<>(List.of(ERRORS, QUEUE));
        queries.addAll(options.queries);
        return queries;
    }

    private void metrics(Sink sink) throws IOException {
        Prometheus prometheus = new Prometheus(http, settings.target().prometheus(), timeout);
        for (String query : queries()) {
            Prometheus.Result during = prometheus.range(query, window.hourBefore().from(), window.to(), POINTS);
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
        List<ObjectNode> variables = new ArrayList<>();
        for (String name : variables()) {
            String value = options.shared.host().environment().get(name);
            ObjectNode variable = Json.object().put("name", name).put("length", value.length());
            String kind = Key.of(value).cleaned().known() ? "private key" : "text";
            variables.add(SHOWN.contains(name) ? variable.put("value", value) : variable.put("kind", kind));
        }
        sink.json("variables.json", Json.of(variables));
        ObjectNode system = Json.object();
        PROPERTIES.forEach(property -> system.put(property, System.getProperty(property)));
        system.put("processors", Runtime.getRuntime().availableProcessors());
        system.put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        sink.json("system.json", system);
    }

    // ---- the incident: its journal and what other steps left; earlier bundles are not bundled again

    private static void folder(Path folder, Sink sink) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            files.filter(file -> !file.getFileName().toString().matches("(?s)\\..*|.*\\.zip"))
                    .filter(Files::isRegularFile).sorted()
                    .forEach(file -> give(file, file.getFileName().toString(), sink::stream, sink));
        }
    }
}
