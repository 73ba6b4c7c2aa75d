package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
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
import runbook.Screen.Check;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Incident;
import runbook.Key;
import runbook.LogReader;
import runbook.LogReader.Facts;
import runbook.Prometheus;
import runbook.Settings;
import runbook.StatusPage;
import runbook.Text.Json;
import runbook.Verdict;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Planned;
import runbook.bundle.Collecting.Sink;

/** The systems around an incident: Klaviyo, its status page, our application, Prometheus, this machine, the folder. */
final class Systems {
    /** The metric that the runbook names. */
    private static final String ERRORS = "klaviyo_api_errors_total";
    /** Asked for where it is; nobody has to have it. */
    private static final String QUEUE = "klaviyo_retry_queue_depth";
    // Sessions of the CDN's: of no use to anybody else, and alive.
    private static final Set<String> LEFT_OUT = Set.of("set-cookie", "cookie");
    // What they hold is no secret, and support needs it; of all other variables the length alone is shown.
    private static final Set<String> SHOWN = Set.of("KLAVIYO_API_URL", "KLAVIYO_STATUS_URL", "KLAVIYO_APP_URL",
            "KLAVIYO_PROMETHEUS_URL", "KLAVIYO_REVISION", "KLAVIYO_TIMEOUT", "KLAVIYO_INCIDENT", "KLAVIYO_TEMPLATES",
            "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy");
    private static final int POINTS = 240;

    private final Bundle.Options options;
    private final Settings settings;
    private final Bundle.Window window;
    private final Http http;
    /** Incidents of the vendor's that touch the window, as far as they are read. */
    final List<StatusPage.Incident> incidents = new CopyOnWriteArrayList<>();
    /** What Prometheus told. */
    final List<LogReader.Curve> curves = new CopyOnWriteArrayList<>();
    /** What triage said; null until it did. */
    volatile Verdict verdict;

    Systems(Bundle.Options options, Settings settings, Bundle.Window window, Http http) {
        this.options = options;
        this.settings = settings;
        this.window = window;
        this.http = http;
    }

    /** Before the logs: Klaviyo and our application. */
    List<Collector> first() {
        URI app = settings.target().app();
        URI status = settings.target().status();
        Collector health = app == null ? Collector.skipped("application/health", "no health endpoint given (--app-url)")
                : Collector.of("application/health", "GET " + app, 2_000, this::health);
        String triage = "a triage run against " + settings.target().api() + " and " + status;
        return List.of(Collector.of("klaviyo/triage", triage, 50_000, this::triage),
                Collector.of("klaviyo/status-page", status + "/api/v2/incidents.json and summary.json", 100_000,
                this::statusPage), health);
    }

    /** After them: metrics, this machine, the incident. */
    List<Collector> last(Optional<Incident> incident) {
        URI prometheus = settings.target().prometheus();
        Collector metrics = prometheus == null
                ? Collector.skipped("metrics/prometheus", "no address given (--prometheus)")
                : new Collector("metrics/prometheus", () -> queries().stream()
                .map(query -> new Planned(prometheus + " " + query, 60_000)).toList(), this::metrics);
        Collector machine = Collector.of("environment/machine", "variables " + String.join(", ", variables())
                + "; system, Java, proxies, clock", 3_000, this::machine);
        Collector folder = incident.map(found -> new Collector("incident/folder", () -> planned(found), sink ->
                folder(found, sink))).orElseGet(() ->
                Collector.skipped("incident/folder", "no open incident (--incident)"));
        return List.of(metrics, machine, folder);
    }

    /** In a drill the sandbox's application has a log, beside its health endpoint. */
    Collector drillLog(Pipeline.Wanted wanted) {
        return Collector.of("application/drill-log", "the sandbox application's log", 50_000, sink -> {
            if (http.get(settings.target().app().resolve("/log"), Map.of(), timeout()) instanceof Reply reply) {
                sink.log("log/shop.log", new ByteArrayInputStream(reply.body()), Long.MAX_VALUE, wanted,
                        any -> Origin.none(reply.millis()));
            }
        });
    }

    private Duration timeout() {
        return settings.probing().timeout();
    }

    // ---- Klaviyo as a triage finds it now: the verdict, answers' headers, errors' bodies, the way to the API

    private void triage(Sink sink) throws IOException {
        Findings findings = Checks.run(settings);
        verdict = Verdict.of(findings);
        long millis = findings.checks().stream().mapToLong(Check::millis).max().orElse(0);
        sink.json("triage.json", verdict.json(options.shared.launcher(), null), millis);
        sink.json("network.json", network(findings), findings.network().check().millis());
        Map<String, List<Answer>> answers = new TreeMap<>(findings.answers());
        sink.json("answers.json", headers(answers), millis);
        Optional<Reply> account = findings.auth().success();
        if (account.isPresent()) {
            sink.json("account.json", account.get().json(), account.get().millis());
        }
        // The same error from three samples is one error.
        Map<String, Reply> errors = new TreeMap<>();
        answers.forEach((name, samples) -> samples.forEach(answer -> {
            if (answer instanceof Reply reply && reply.status() >= 400) {
                errors.putIfAbsent(name + "-" + reply.status() + " " + reply.body().length, reply);
            }
        }));
        for (Map.Entry<String, Reply> error : errors.entrySet()) {
            Reply reply = error.getValue();
            String kind = reply.html() ? ".html.txt" : reply.json().isMissingNode() ? ".txt" : ".json";
            sink.text("errors/" + error.getKey().replaceFirst(" .*", "") + kind, reply.text(), reply.millis());
        }
        if (settings.key().isEmpty()) {
            sink.remark("no private key given: the API was not asked (KLAVIYO_PRIVATE_KEY, --key-file or "
                    + "--key-command)");
        }
    }

    private static JsonNode headers(Map<String, List<Answer>> answers) {
        ObjectNode all = Json.object();
        answers.forEach((name, samples) -> {
            ArrayNode list = all.putArray(name);
            for (Answer answer : samples) {
                ObjectNode entry = list.addObject().put("millis", answer.millis());
                if (answer instanceof Reply reply) {
                    ObjectNode headers = entry.put("status", reply.status()).putObject("headers");
                    reply.headers().forEach((header, values) -> headers.put(header,
                            LEFT_OUT.contains(header) ? "(left out)" : String.join(", ", values)));
                } else {
                    entry.put("fault", ((Fault) answer).words());
                }
            }
        });
        return all;
    }

    private static JsonNode network(Findings findings) {
        ObjectNode network = Json.object().put("summary", findings.network().check().summary());
        network.setAll((ObjectNode) findings.network().check().detail());
        ArrayNode chain = network.putArray("chain");
        for (X509Certificate certificate : findings.network().chain()) {
            try {
                String pem = Base64.getMimeEncoder().encodeToString(certificate.getEncoded());
                chain.addObject().put("serial", certificate.getSerialNumber().toString(16))
                        .put("from", certificate.getNotBefore().toInstant().toString())
                        .put("until", certificate.getNotAfter().toInstant().toString())
                        .put("signature algorithm", certificate.getSigAlgName())
                        .put("pem", "-----BEGIN CERTIFICATE-----\n" + pem + "\n-----END CERTIFICATE-----");
            } catch (CertificateEncodingException e) {
                chain.addObject().put("unreadable", e.getMessage());
            }
        }
        return network;
    }

    // ---- its status page: incidents that touch the window, with every update, and the page now

    private void statusPage(Sink sink) throws IOException {
        URI page = settings.target().status();
        try {
            // The page is often late and backdates: a day before the window counts as touching it.
            for (StatusPage.Incident incident : StatusPage.history(page, http, timeout())) {
                if (incident.overlaps(window.from().minus(Duration.ofDays(1)), window.to())) {
                    incidents.add(0, incident);
                }
            }
        } catch (IOException e) {
            sink.trouble("incidents.json: " + Incident.why(e));
        }
        Answer now = http.get(URI.create(page + "/api/v2/summary.json"), Map.of(), timeout());
        if (now instanceof Reply reply && reply.status() == 200 && reply.json().isObject()) {
            sink.json("status-now.json", reply.json(), reply.millis());
        } else {
            sink.trouble("summary.json: " + trouble(now));
        }
    }

    private static String trouble(Answer answer) {
        return answer instanceof Fault fault ? fault.words() : answer instanceof Reply reply && reply.status() == 200
                ? reply.notJson() : "HTTP " + ((Reply) answer).status();
    }

    // ---- our application

    private void health(Sink sink) throws IOException {
        Answer answer = http.get(settings.target().app(), Map.of(), timeout());
        if (answer instanceof Reply reply) {
            sink.json("health-answer.json", Json.object().put("status", reply.status()).put("millis", reply.millis())
                    .put("content-type", reply.header("content-type").orElse("")), reply.millis());
            sink.text(reply.json().isMissingNode() ? "health.txt" : "health.json", reply.text(), reply.millis());
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
        Prometheus prometheus = new Prometheus(http, settings.target().prometheus(), timeout());
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
                curves.add(curve(query, series, counter));
            }
            String name = Archive.safe(query.length() > 60 ? query.substring(0, 60) : query);
            sink.json(name + ".json", ((Reply) during.answer()).json(), during.answer().millis());
            if (now.ok()) {
                sink.json(name + "-now.json", ((Reply) now.answer()).json(), now.answer().millis());
            }
        }
    }

    // A counter only says something by how fast it grows; when it falls, the application was restarted.
    private LogReader.Curve curve(String query, Prometheus.Series series, boolean counter) {
        List<Prometheus.Point> points = new ArrayList<>();
        double grown = 0;
        Prometheus.Point before = null;
        for (Prometheus.Point point : series.points()) {
            if (!Double.isFinite(point.value())) {
                continue;
            } else if (!counter) {
                points.add(new Prometheus.Point(point.at(), point.value()));
            } else if (before != null) {
                double more = point.value() >= before.value() ? point.value() - before.value() : point.value();
                double seconds = Duration.between(before.at(), point.at()).toMillis() / 1000.0;
                points.add(new Prometheus.Point(point.at(), seconds > 0 ? more * 60 / seconds : 0));
                grown += point.at().isAfter(window.from()) ? more : 0;
            }
            before = point;
        }
        return new LogReader.Curve(query, series.words(), counter ? "per minute" : "", grown, points);
    }

    /** Retry queues by instance, as Prometheus has them: the curves whose query names a queue. */
    List<LogReader.Queue> queues() {
        List<LogReader.Queue> queues = new ArrayList<>();
        for (LogReader.Curve curve : curves) {
            if (curve.query().contains("queue")) {
                curve.points().stream().filter(point -> !point.at().isBefore(window.from()))
                        .map(point -> LogReader.Queue.one(curve.name(), point.at(), point.value()))
                        .reduce(LogReader.Queue::then).ifPresent(queues::add);
            }
        }
        return queues;
    }

    // ---- this machine: chosen environment variables, system, Java, proxies, and how far the clock is off

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
        sink.json("variables.json", Json.of(variables), 0);
        sink.json("system.json", system(), 0);
        sink.json("clock.json", clock(sink), 0);
    }

    private static ObjectNode system() {
        ObjectNode system = Json.object();
        for (String property : List.of("os.name", "os.version", "os.arch", "java.version", "java.vm.name",
                "java.vendor", "user.timezone", "file.encoding")) {
            system.put(property, System.getProperty(property));
        }
        return system.put("processors", Runtime.getRuntime().availableProcessors())
                .put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
    }

    // A clock that is off breaks signatures and token lifetimes. Asked without a key: it costs no quota.
    private ObjectNode clock(Sink sink) {
        Instant before = Instant.now();
        Answer answer = http.get(URI.create(settings.target().api() + "/"), Map.of(), timeout());
        ObjectNode clock = Json.object().put("here", Instant.now().toString());
        Optional<String> date = answer instanceof Reply reply ? reply.header("date") : Optional.empty();
        if (date.isEmpty()) {
            sink.remark("the clock's offset is not known: the API gave no Date");
            return clock.put("api", "no Date header");
        }
        try {
            Instant there = ZonedDateTime.parse(date.get(), DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            Duration off = Duration.between(there, before.plusMillis(answer.millis() / 2));
            // The header has whole seconds.
            return clock.put("api", there.toString())
                    .put("offsetSeconds", Math.abs(off.toMillis()) < 1_500 ? 0 : off.toSeconds());
        } catch (DateTimeException e) {
            return clock.put("api", "its Date header is unreadable");
        }
    }

    // ---- the incident: its journal and what other steps left; earlier bundles are not bundled again

    private static List<Path> files(Incident incident) throws IOException {
        try (Stream<Path> files = Files.list(incident.folder())) {
            return files.filter(Files::isRegularFile).filter(file ->
                    !file.getFileName().toString().matches("(?s)\\..*|.*\\.zip")).sorted().toList();
        }
    }

    private static List<Planned> planned(Incident incident) {
        List<Planned> plan = new ArrayList<>();
        try {
            for (Path file : files(incident)) {
                plan.add(new Planned(file.toString(), Files.size(file)));
            }
        } catch (IOException e) {
            plan.add(new Planned(Incident.why(e), -1));
        }
        return plan;
    }

    private static void folder(Incident incident, Sink sink) throws IOException {
        for (Path file : files(incident)) {
            try (InputStream stream = Files.newInputStream(file)) {
                sink.stream(file.getFileName().toString(), stream, Files.size(file), Pipeline.Wanted.EVERYTHING,
                        any -> Origin.none(0));
            } catch (IOException e) {
                sink.remark(file.getFileName() + " left out: " + Incident.why(e));
            }
        }
    }
}
