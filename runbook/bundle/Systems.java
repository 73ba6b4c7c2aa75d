package runbook.bundle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import runbook.Checks;
import runbook.Checks.Findings;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Incident;
import runbook.Key;
import runbook.LogReader;
import runbook.Prometheus;
import runbook.Settings;
import runbook.StatusPage;
import runbook.Text.Json;
import runbook.Verdict;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Sink;

/** The systems around an incident: Klaviyo, its status page, our application, Prometheus, this machine, the folder. */
final class Systems {
    /** The metric that the runbook names. */
    private static final String ERRORS = "klaviyo_api_errors_total";
    /** Asked for where it is; nobody has to have it. */
    private static final String QUEUE = "klaviyo_retry_queue_depth";
    // What they hold is no secret, and support needs it; of all other variables the length alone is shown.
    private static final Set<String> SHOWN = Set.of("KLAVIYO_API_URL", "KLAVIYO_STATUS_URL", "KLAVIYO_APP_URL",
            "KLAVIYO_PROMETHEUS_URL", "KLAVIYO_REVISION", "KLAVIYO_TIMEOUT", "KLAVIYO_INCIDENT", "KLAVIYO_TEMPLATES",
            "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy");
    private static final int POINTS = 240;

    private final Bundle.Options options;
    private final Settings settings;
    private final Bundle.Window window;
    private final Http http;
    private final Duration timeout;
    /** Incidents of the vendor's that touch the window, oldest first, as far as they are read. */
    final List<StatusPage.Incident> incidents = new CopyOnWriteArrayList<>();
    /** What Prometheus told. */
    final List<LogReader.Curve> curves = new CopyOnWriteArrayList<>();
    /** What triage said; null until it did. */
    volatile Verdict verdict;

    Systems(Bundle.Options options, Settings settings, Bundle.Window window) {
        this.options = options;
        this.settings = settings;
        this.window = window;
        this.http = Http.of(settings);
        this.timeout = settings.probing().timeout();
    }

    /** Klaviyo and our application: before the logs. */
    List<Collector> first() {
        Settings.Target target = settings.target();
        return List.of(
                Collector.of("klaviyo/triage", "a triage run against " + target.api() + " and " + target.status(),
                        this::triage),
                Collector.of("klaviyo/status-page", target.status() + "/api/v2/incidents.json", this::statusPage),
                target.app() == null
                        ? Collector.skipped("application/health", "no health endpoint given (--app-url)")
                        : Collector.of("application/health", "GET " + target.app(), this::health));
    }

    /** Metrics, this machine and the incident: after them. */
    List<Collector> last(Optional<Incident> incident) {
        URI prometheus = settings.target().prometheus();
        return List.of(
                prometheus == null ? Collector.skipped("metrics/prometheus", "no address given (--prometheus)")
                        : Collector.of("metrics/prometheus", prometheus + " " + String.join(", ", queries()),
                        this::metrics),
                Collector.of("environment/machine", "variables " + String.join(", ", variables())
                        + "; system, Java, proxies", this::machine),
                incident.map(Systems::folder)
                        .orElse(Collector.skipped("incident/folder", "no open incident (--incident)")));
    }

    /** In a drill the sandbox's application has a log, beside its health endpoint. */
    Collector drillLog() {
        return Collector.of("application/drill-log", "the sandbox application's log", sink -> {
            if (http.get(settings.target().app().resolve("/log"), Map.of(), timeout) instanceof Reply reply) {
                sink.log("log/shop.log", new ByteArrayInputStream(reply.body()), Long.MAX_VALUE, "");
            }
        });
    }

    // ---- Klaviyo as a triage finds it now: the verdict, answers' headers, errors' bodies

    private void triage(Sink sink) throws IOException {
        Findings findings = Checks.run(settings);
        verdict = Verdict.of(findings);
        sink.json("triage.json", verdict.json(options.shared.launcher(), null));
        // The same error from three samples is one error.
        Map<String, Reply> errors = new TreeMap<>();
        findings.answers().forEach((name, samples) -> samples.forEach(answer -> {
            if (answer instanceof Reply reply && reply.status() >= 400) {
                errors.putIfAbsent(name + "-" + reply.status() + " " + reply.body().length, reply);
            }
        }));
        for (Map.Entry<String, Reply> error : errors.entrySet()) {
            Reply reply = error.getValue();
            String kind = reply.html() ? ".html.txt" : reply.json().isMissingNode() ? ".txt" : ".json";
            sink.text("errors/" + error.getKey().replaceFirst(" .*", "") + kind, reply.text());
        }
        if (settings.key().isEmpty()) {
            sink.remark("no private key given: the API was not asked (KLAVIYO_PRIVATE_KEY, --key-file or "
                    + "--key-command)");
        }
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
        Answer answer = http.get(settings.target().app(), Map.of(), timeout);
        if (answer instanceof Reply reply) {
            String kind = reply.json().isMissingNode() ? ".txt" : ".json";
            sink.text("health-" + reply.status() + kind, reply.text());
        } else {
            sink.trouble(((Fault) answer).words());
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
            if (!during.ok()) {
                sink.trouble(query + ": " + during.trouble());
                if (!during.reached()) {
                    return;
                }
                continue;
            }
            during.notes().forEach(note -> sink.remark(query + ": " + note));
            if (during.series().isEmpty() && !query.equals(QUEUE)) {
                sink.remark(query + ": no data in the window");
            }
            Prometheus.Result now = prometheus.instant(query, window.to());
            boolean counter = query.matches("[a-zA-Z_:][\\w:]*_total(\\{.*})?");
            for (Prometheus.Series series : (during.series().isEmpty() ? now : during).series()) {
                curves.add(counter ? growth(query, series) : curve(query, series));
            }
            String name = Archive.safe(query.length() > 60 ? query.substring(0, 60) : query);
            sink.json(name + ".json", ((Reply) during.answer()).json());
            if (now.ok()) {
                sink.json(name + "-now.json", ((Reply) now.answer()).json());
            }
        }
    }

    private static Stream<Prometheus.Point> finite(Prometheus.Series series) {
        return series.points().stream().filter(point -> Double.isFinite(point.value()));
    }

    private static LogReader.Curve curve(String query, Prometheus.Series series) {
        return new LogReader.Curve(query, series.words(), "", 0, finite(series).toList());
    }

    // A counter only says something by how fast it grows; when it falls, the application was restarted.
    private LogReader.Curve growth(String query, Prometheus.Series series) {
        List<Prometheus.Point> points = new ArrayList<>();
        double grown = 0;
        Prometheus.Point before = null;
        for (Prometheus.Point point : finite(series).toList()) {
            if (before != null) {
                double more = point.value() >= before.value() ? point.value() - before.value() : point.value();
                double seconds = Duration.between(before.at(), point.at()).toMillis() / 1000.0;
                points.add(new Prometheus.Point(point.at(), seconds > 0 ? more * 60 / seconds : 0));
                grown += point.at().isAfter(window.from()) ? more : 0;
            }
            before = point;
        }
        return new LogReader.Curve(query, series.words(), "per minute", grown, points);
    }

    /** Retry queues by instance, as Prometheus has them: the curves whose query names a queue. */
    List<LogReader.Queue> queues() {
        return curves.stream().filter(curve -> curve.query().contains("queue")).flatMap(curve ->
                curve.points().stream().filter(point -> !point.at().isBefore(window.from()))
                        .map(point -> LogReader.Queue.one(curve.name(), point.at(), point.value()))
                        .reduce(LogReader.Queue::then).stream()).toList();
    }

    // ---- this machine: chosen environment variables, system, Java and proxies

    private Set<String> variables() {
        Set<String> names = new TreeSet<>(options.shared.host().environment().keySet());
        names.removeIf(name -> !name.startsWith("KLAVIYO_") && !SHOWN.contains(name));
        names.addAll(options.variables);
        return names;
    }

    private void machine(Sink sink) throws IOException {
        List<ObjectNode> variables = new ArrayList<>();
        for (String name : variables()) {
            ObjectNode variable = Json.object().put("name", name);
            String value = options.shared.host().environment().get(name);
            if (value == null) {
                variable.put("set", false);
            } else if (SHOWN.contains(name)) {
                variable.put("value", value);
            } else {
                String kind = Key.of(value).cleaned().known() ? "private key" : "text";
                variable.put("length", value.length()).put("kind", kind);
            }
            variables.add(variable);
        }
        sink.json("variables.json", Json.of(variables));
        ObjectNode system = Json.object();
        for (String property : List.of("os.name", "os.version", "os.arch", "java.version", "java.vm.name",
                "java.vendor", "user.timezone", "file.encoding")) {
            system.put(property, System.getProperty(property));
        }
        system.put("processors", Runtime.getRuntime().availableProcessors());
        system.put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        sink.json("system.json", system);
    }

    // ---- the incident: its journal and what other steps left; earlier bundles are not bundled again

    private static Collector folder(Incident incident) {
        return Collector.of("incident/folder", "the files in " + incident.folder(), sink -> {
            try (Stream<Path> files = Files.list(incident.folder())) {
                for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                    if (!file.getFileName().toString().matches("(?s)\\..*|.*\\.zip")) {
                        add(file, sink);
                    }
                }
            }
        });
    }

    private static void add(Path file, Sink sink) {
        try (InputStream stream = Files.newInputStream(file)) {
            sink.stream(file.getFileName().toString(), stream, Files.size(file));
        } catch (IOException e) {
            sink.remark(file.getFileName() + " left out: " + Incident.why(e));
        }
    }
}
