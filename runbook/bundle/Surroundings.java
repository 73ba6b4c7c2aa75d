package runbook.bundle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Http;
import runbook.Text.Json;
import runbook.Key;

/** Where this runs: chosen environment variables, system, Java, proxy settings, and how far the clock is off. */
record Surroundings(List<String> variables, URI api, Http http, Duration timeout) implements Collector {
    private static final Pattern SECRET_NAME =
            Pattern.compile("(?i).*(key|secret|token|passw|credential|auth|cookie|dsn|webhook).*");

    @Override
    public String name() {
        return "environment/machine";
    }

    @Override
    public List<Planned> plan() {
        return List.of(
                new Planned("variables " + String.join(", ", names()) + "; system, Java, proxies, clock", 3_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        // Name and value apart: after a secret's name even its description would be taken for the secret.
        sink.json(
                "variables.json",
                Json.of(names().stream()
                        .map(name -> Json.object().put("name", name).put("value", shown(name, System.getenv(name))))
                        .toList()),
                0);
        sink.json("system.json", system(), 0);
        sink.json("clock.json", clock(sink), 0);
    }

    private TreeSet<String> names() {
        TreeSet<String> names = new TreeSet<>(variables);
        System.getenv().keySet().stream()
                .filter(name ->
                        name.startsWith("KLAVIYO_") || name.toLowerCase().matches("(https?|no|all)_proxy"))
                .forEach(names::add);
        return names;
    }

    /** A secret's kind, length and fingerprint; a fingerprint of a key only, for that of a password could be guessed from. */
    static String shown(String name, String value) {
        if (value == null) {
            return "(not set)";
        }
        Key key = Key.of(value);
        if (key.known()) {
            return "secret: private key, " + key.describe();
        }
        boolean where = name.endsWith("_URL") && !name.contains("WEBHOOK") || name.endsWith("_FILE");
        if (SECRET_NAME.matcher(name).matches() && !where) {
            return "secret: " + (value.isBlank() ? "blank" : "text") + ", " + value.length() + " characters"
                    + (key.cleaned().known() ? ", a private key inside" : "");
        }
        return value;
    }

    private static ObjectNode system() throws IOException {
        ObjectNode system = Json.object();
        for (String property : List.of(
                "os.name",
                "os.version",
                "os.arch",
                "java.version",
                "java.vm.name",
                "java.vendor",
                "user.timezone",
                "file.encoding")) {
            system.put(property, System.getProperty(property));
        }
        Path release = Path.of("/etc/os-release");
        if (Files.isReadable(release)) {
            Files.readAllLines(release).stream().filter(line -> line.startsWith("PRETTY_NAME=")).findFirst()
                    .ifPresent(line -> system.put("distribution", line.substring(12).replace("\"", "")));
        }
        system.put("processors", Runtime.getRuntime().availableProcessors());
        system.put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
        ObjectNode proxies = system.putObject("proxies");
        for (String property : List.of(
                "http.proxyHost", "https.proxyHost", "http.proxyPort", "https.proxyPort", "http.nonProxyHosts")) {
            if (System.getProperty(property) != null) {
                proxies.put(property, System.getProperty(property));
            }
        }
        return system;
    }

    // A clock that is off breaks signatures and token lifetimes. Asked without a key: it costs no quota.
    private ObjectNode clock(Sink sink) {
        Instant before = Instant.now();
        Answer answer = http.get(URI.create(api + "/"), Map.of(), timeout);
        ObjectNode clock = Json.object().put("here", Instant.now().toString());
        if (answer instanceof Reply reply && reply.header("date").isPresent()) {
            try {
                Instant there = ZonedDateTime.parse(reply.header("date").get(), DateTimeFormatter.RFC_1123_DATE_TIME)
                        .toInstant();
                Duration off = Duration.between(there, before.plusMillis(reply.millis() / 2));
                // The header has whole seconds.
                return clock.put("api", there.toString())
                        .put("offsetSeconds", Math.abs(off.toMillis()) < 1_500 ? 0 : off.toSeconds());
            } catch (DateTimeException e) {
                return clock.put("api", "its Date header is unreadable");
            }
        }
        sink.remark("the clock's offset is not known: the API gave no Date");
        return clock.put("api", "no Date header");
    }
}
