import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.LogReader;
import runbook.Text.Json;

/** The bundle as its users make it: the real program, every source, and nothing in the archive that should not be. */
class DebugBundleTest {
    private static final String KEY = "pk_Zz9Yx8_00112233445566778899aabbccddeeff01";
    private static final int START = 8;
    private static final Path HOME = Tree.temporary("bundle");
    private static final Path REMOTE = Path.of("/lib/systemd/systemd-journal-remote");
    private static final Map<String, String> ANSWERS = new HashMap<>();
    private static HttpServer server;

    @BeforeAll
    static void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        }));
        server.createContext("/", DebugBundleTest::answer);
        server.start();
    }

    @AfterAll
    static void stop() {
        server.stop(0);
    }

    private static void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] body = ANSWERS.getOrDefault(path, "{}").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("Content-Type", "application/json");
        exchange.getResponseHeaders().add("Set-Cookie", "__cf_bm=" + "s3ss10nc00k1e");
        exchange.sendResponseHeaders(path.startsWith("/api/") && !path.startsWith("/api/v") ? 400 : 200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    private static Run bundle(Path out, String... more) {
        return Run.process("debug-bundle")
                .cwd(HOME)
                .env("KLAVIYO_PRIVATE_KEY", KEY)
                .args("--api-url", url(), "--status-url", url(), "--timeout", "20s", "--out", out.toString())
                .args(more);
    }

    private static Map<String, String> unpack(Path archive) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            for (ZipEntry entry : zip.stream().toList()) {
                files.put(entry.getName(), new String(zip.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        return files;
    }

    // ---- safe to share

    @Test
    void noCanaryFromAnySourceIsInTheArchive() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("canaries"));
        List<List<Canaries.Canary>> sources = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            sources.add(Canaries.all(100 + i));
        }
        Path logs = Files.createDirectories(work.resolve("logs"));
        Files.writeString(logs.resolve("app.log"), lines(sources.get(0)));
        try (OutputStream gzip = new GZIPOutputStream(Files.newOutputStream(logs.resolve("app.log.1.gz")))) {
            gzip.write(lines(sources.get(1)).getBytes(StandardCharsets.UTF_8));
        }
        Files.write(logs.resolve("windows.log"), lines(sources.get(2)).getBytes(Charset.forName("UTF-16")));
        Files.writeString(
                logs.resolve("one-line.log"),
                sources.get(3).stream()
                        .map(canary -> canary.line() + " all quiet;".repeat(250))
                        .collect(Collectors.joining(" ")));
        Files.writeString(logs.resolve("jo.file@shop.example.log"), "klaviyo named after a person\n");
        Path tools = Files.createDirectories(work.resolve("bin"));
        standIn(tools, "docker", lines(sources.get(4)));
        standIn(tools, "gcloud", lines(sources.get(5)));
        standIn(tools, "aws", lines(sources.get(6)));
        kubectl(tools, lines(sources.get(7)));
        ANSWERS.put("/health", "{\"status\":\"ok\",\"db\":\"postgres://shop:" + "hEalthpw77" + "@db/shop\"}");
        ANSWERS.put("/loki/api/v1/query_range", loki(sources.get(8)));
        for (String endpoint : List.of("accounts", "profiles", "lists", "metrics", "events", "webhooks")) {
            ANSWERS.put(
                    "/api/" + endpoint,
                    "{\"errors\":[{\"status\":400,\"code\":\"invalid\",\"detail\":\"" + "bad address b0dy" + endpoint
                            + "@shop.example" + "\"}]}");
        }
        Path incident = Files.createDirectories(work.resolve("incident"));
        Files.writeString(
                incident.resolve("journal.jsonl"),
                "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":\"x\",\"event\":\"note\",\"summary\":\"called"
                        + " j0urnal@shop.example\",\"data\":{}}\n");
        Path secrets = Files.writeString(work.resolve("secrets"), "MY_OWN=plain-looking-value\n");
        Files.writeString(logs.resolve("own.log"), "klaviyo with plain-looking-value inside\n");
        Path out = work.resolve("all.zip");
        List<String> more = new ArrayList<>(List.of(
                "--app-url",
                url() + "/health",
                "--loki",
                url(),
                "--loki-query",
                "{app=\"x\"}",
                "--docker",
                "shop",
                "--gcp-logs",
                "x",
                "--aws-logs",
                "g",
                "--k8s",
                "shop/app=x",
                "--log",
                logs.toString(),
                "--incident",
                incident.toString(),
                "--secret-file",
                secrets.toString(),
                "--env",
                "MY_TOKEN,PLAIN",
                "--from",
                "2026-11-23T02:00:00Z",
                "--to",
                "2026-11-23T04:00:00Z",
                "--context",
                "0"));
        boolean realJournal = journal(sources.get(9), work.resolve("journal"));
        if (realJournal) {
            more.addAll(List.of("--journal", "*", "--journal-directory", work.resolve("journal").toString()));
        }
        Run.Result result = bundle(out, more.toArray(String[]::new))
                .env("PATH", tools + ":" + System.getenv("PATH"))
                .env("MY_TOKEN", "env-t0ken-value")
                .env("PLAIN", "mail me at env@shop.example")
                .run();
        assertEquals(0, result.exit(), result.toString());

        Map<String, String> files = unpack(out);
        String everything = files.entrySet().stream()
                        .map(file -> file.getKey() + "\n" + file.getValue())
                        .collect(Collectors.joining("\n"))
                + result.out()
                + result.err()
                + Files.readString(incident.resolve("journal.jsonl"))
                        .lines()
                        .skip(1)
                        .collect(Collectors.joining());
        String folded = everything.toLowerCase();
        assertNoTrace((realJournal ? sources : sources.subList(0, 9)).stream().flatMap(List::stream).toList(), folded);
        for (String secret : List.of(
                KEY,
                KEY.substring(10),
                "hEalthpw77",
                "b0dy",
                "j0urnal",
                "plain-looking-value",
                "env-t0ken-value",
                "env@shop",
                "s3ss10nc00k1e",
                "jo.file")) {
            RedactTest.assertNoTrace(secret, everything, secret);
        }
        assertFalse(files.keySet().stream().filter(name -> name.startsWith("application/")).toList().isEmpty());
        int markers = 0;
        for (Canaries.Canary canary : sources.get(0)) {
            markers += files.entrySet().stream()
                    .filter(file -> file.getKey().startsWith("application/"))
                    .mapToInt(file -> file.getValue().split(canary.marker(), -1).length - 1)
                    .sum();
        }
        assertTrue(
                markers >= sources.get(0).size() * (realJournal ? 10 : 9),
                "only " + markers + " lines came through: " + files.keySet());
        assertEquals(0, Run.run("debug-bundle", "verify", out.toString(), "--secret-file", secrets.toString()).exit());
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(out)));
    }

    /** Looks for every trace of every canary in one pass: there are 40,000 of them. */
    private static void assertNoTrace(List<Canaries.Canary> canaries, String text) {
        Map<String, List<String>> byStart = new HashMap<>();
        for (Canaries.Canary canary : canaries) {
            for (String trace : Canaries.traces(canary.secret())) {
                assertTrue(trace.length() >= START, "too short to look for: " + trace);
                byStart.computeIfAbsent(trace.toLowerCase().substring(0, START), any -> new ArrayList<>())
                        .add(trace.toLowerCase());
            }
        }
        for (int i = 0; i + START <= text.length(); i++) {
            for (String trace : byStart.getOrDefault(text.substring(i, i + START), List.of())) {
                assertFalse(
                        text.startsWith(trace, i),
                        "left: " + trace + " in "
                                + text.substring(Math.max(0, i - 80), Math.min(text.length(), i + 80)));
            }
        }
    }

    private static String lines(List<Canaries.Canary> canaries) {
        return canaries.stream().map(Canaries.Canary::line).collect(Collectors.joining("\n")) + "\n";
    }

    private static void standIn(Path folder, String name, String output) throws IOException {
        Path content = Files.writeString(folder.resolve(name + ".txt"), output);
        // Its standard error is evidence too.
        script(folder.resolve(name), "cat '" + content + "'; echo \"warning: user stderr.user@shop.example\" >&2");
    }

    private static void kubectl(Path folder, String output) throws IOException {
        Path content = Files.writeString(folder.resolve("kubectl.txt"), output);
        String pods =
                "{\"items\":[{\"metadata\":{\"name\":\"shop-1\"},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"app\",\"restartCount\":1}]}}]}";
        script(
                folder.resolve("kubectl"),
                "if [ \"$1\" = get ]; then echo '" + pods + "'; else cat '" + content + "'; fi");
    }

    private static void script(Path file, String body) throws IOException {
        Files.writeString(file, "#!/bin/sh\n" + body + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static String loki(List<Canaries.Canary> canaries) {
        long nanos = Instant.parse("2026-11-23T03:04:05Z").toEpochMilli() * 1_000_000;
        List<List<String>> values = new ArrayList<>();
        for (Canaries.Canary canary : canaries) {
            values.add(List.of(Long.toString(nanos++), canary.line()));
        }
        return Json.line(Json.of(Map.of(
                "status", "success", "data", Map.of("result", List.of(Map.of("stream", Map.of(), "values", values))))));
    }

    /** A real journal with these messages; false where systemd-journal-remote or journalctl is not installed. */
    private static boolean journal(List<Canaries.Canary> canaries, Path folder) throws IOException {
        if (!Files.isExecutable(REMOTE) || Run.command("sh", "-c", "command -v journalctl").run().exit() != 0) {
            return false;
        }
        Files.createDirectories(folder);
        StringBuilder export = new StringBuilder();
        long micros = Instant.parse("2026-11-23T03:04:05Z").toEpochMilli() * 1_000;
        for (Canaries.Canary canary : canaries) {
            export.append("__REALTIME_TIMESTAMP=")
                    .append(micros++)
                    .append("\n__MONOTONIC_TIMESTAMP=")
                    .append(micros % 1_000_000)
                    .append("\n"
                            + "_BOOT_ID=4d1b6b6f6f0a4f0f8f0f0f0f0f0f0f0f\n"
                            + "_HOSTNAME=shop\n"
                            + "_SYSTEMD_UNIT=shop.service\n"
                            + "SYSLOG_IDENTIFIER=shop\n"
                            + "MESSAGE=")
                    .append(canary.line())
                    .append("\n\n");
        }
        return Run.command(REMOTE.toString(), "--output=" + folder.resolve("shop.journal"), "-")
                        .stdin(export.toString())
                        .run()
                        .exit()
                == 0;
    }

    @Test
    void aRealPrometheusIsAskedAndPlotted() throws Exception {
        assumeTrue(Run.command("sh", "-c", "command -v prometheus").run().exit() == 0, "prometheus is not installed");
        Path work = Files.createDirectories(HOME.resolve("prometheus"));
        int port = freePort();
        Files.writeString(
                work.resolve("prometheus.yml"),
                "global:\n"
                        + "  scrape_interval: 1s\n"
                        + "scrape_configs:\n"
                        + "  - job_name: self\n"
                        + "    static_configs:\n"
                        + "      - targets: ['127.0.0.1:"
                        + port + "']\n" + "        labels: {customer: 'label.user@shop.example'}\n");
        try (Run.Running prometheus = Run.command(
                        "prometheus",
                        "--config.file=" + work.resolve("prometheus.yml"),
                        "--storage.tsdb.path=" + work.resolve("data"),
                        "--web.listen-address=127.0.0.1:" + port,
                        "--log.level=warn")
                .start()) {
            java.net.http.HttpClient client = java.net.http.HttpClient.newHttpClient();
            prometheus.awaitUntil("it has scraped itself", () -> scraped(client, port));
            Path out = work.resolve("metrics.zip");
            Run.Result result = bundle(out, "--prometheus", "http://127.0.0.1:" + port, "--query", "up").run();
            assertEquals(0, result.exit(), result.toString());
            Map<String, String> files = unpack(out);
            JsonNode now = Json.read(files.get("metrics/up-now.json"));
            assertEquals("1", now.path("data").path("result").path(0).path("value").path(1).asText());
            assertTrue(files.get("report.html").contains("<figcaption>up<"), files.get("report.html"));
            assertFalse(String.join("", files.values()).contains("label.user"));
        }
    }

    // Seconds ago, for the bundle asks for whole seconds: a first sample could be later than the one that it asks for.
    private static boolean scraped(java.net.http.HttpClient client, int port) {
        try {
            var request = java.net.http.HttpRequest.newBuilder(
                            java.net.URI.create("http://127.0.0.1:" + port + "/api/v1/query?query=up%20offset%202s"))
                    .timeout(Duration.ofSeconds(2))
                    .build();
            return client.send(request, java.net.http.HttpResponse.BodyHandlers.ofString())
                    .body()
                    .contains("\"value\"");
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int freePort() throws IOException {
        try (java.net.ServerSocket socket = new java.net.ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    // ---- sources that misbehave

    @Test
    void oddSourcesAreNotedNeverFatalNeverEndless() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("odd"));
        Path logs = Files.createDirectories(work.resolve("logs/deeper"));
        Files.writeString(logs.resolve("good.log"), "klaviyo is fine\n");
        Files.write(
                logs.resolve("binary.log"), new byte[] {0x7f, 'E', 'L', 'F', 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16, 17});
        Files.createSymbolicLink(logs.resolve("loop"), work.resolve("logs"));
        Run.command("mkfifo", logs.resolve("pipe").toString()).run();
        Path tools = Files.createDirectories(work.resolve("bin"));
        script(
                tools.resolve("docker"),
                "echo klaviyo from docker; echo pk_00112233445566778899aabbccddeeff01 is wrong >&2; exit 3");
        script(tools.resolve("aws"), "echo klaviyo began; sleep 300");
        Path out = work.resolve("odd.zip");
        Run.Result result = bundle(
                        out,
                        "--log",
                        work.resolve("logs").toString(),
                        "--log",
                        "/dev/zero",
                        "--log",
                        work.resolve("none*.log").toString(),
                        "--docker",
                        "x",
                        "--aws-logs",
                        "g",
                        "--gcp-logs",
                        "f",
                        "--max-each",
                        "3s",
                        "--json")
                .env("PATH", tools + ":/usr/bin:/bin")
                .run();
        assertEquals(41, result.exit(), result.toString());
        assertTrue(result.millis() < 30_000, result.toString());
        Map<String, String> files = unpack(out);
        JsonNode manifest = Json.read(files.get("manifest.json"));
        String missing = manifest.path("missing").toString();
        for (String said : List.of(
                "binary data", "/dev/zero", "no regular file", "a link back", "exit code 3", "not done within 3 s")) {
            assertTrue(missing.contains(said), said + " is not in " + missing);
        }
        assertTrue(files.values().stream().anyMatch(text -> text.contains("klaviyo is fine")));
        assertTrue(files.get("application/docker/x.log").contains("from docker"));
        assertTrue(
                files.get("application/aws/g.log").contains("klaviyo began"), "what came before the deadline is kept");
        assertFalse(result.out().contains("00112233445566778899"));
        assertFalse(Json.read(result.out()).path("complete").asBoolean());
    }

    @Test
    void onlyTheWindowAndTheWantedLinesAreTaken() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("window"));
        Path log = Files.writeString(
                work.resolve("app.log"),
                String.join(
                        "\n",
                        "2026-11-23 01:00:00,000 klaviyo too early",
                        "2026-11-23 03:00:00,000 before",
                        "2026-11-23 03:00:01,000 Klaviyo wanted",
                        "\tat some.stack.Trace",
                        "2026-11-23 03:00:02,000 context",
                        "2026-11-23 03:00:03,000 unwanted",
                        "2026-11-23 05:00:00,000 klaviyo too late",
                        ""));
        String[] window = {
            "--log",
            log.toString(),
            "--from",
            "2026-11-23T02:00:00Z",
            "--to",
            "2026-11-23T04:00:00Z",
            "--log-zone",
            "UTC",
            "--context",
            "1"
        };
        Path some = work.resolve("some.zip");
        assertEquals(0, bundle(some, window).run().exit());
        String taken = log(unpack(some));
        assertTrue(taken.contains("before") && taken.contains("wanted") && taken.contains("stack.Trace"), taken);
        assertFalse(taken.contains("too early") || taken.contains("too late") || taken.contains("unwanted"), taken);
        Path all = work.resolve("all.zip");
        assertEquals(
                0,
                bundle(
                                all,
                                Stream.concat(Stream.of(window), Stream.of("--grep", ""))
                                        .toArray(String[]::new))
                        .run()
                        .exit());
        String whole = log(unpack(all));
        assertTrue(whole.contains("unwanted") && !whole.contains("too early") && !whole.contains("too late"), whole);
    }

    private static String log(Map<String, String> files) {
        return files.entrySet().stream()
                .filter(file -> file.getKey().startsWith("application/log/"))
                .map(Map.Entry::getValue)
                .collect(Collectors.joining());
    }

    @Test
    void theNewestIsKeptWithinTheSize() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("size"));
        Path log = work.resolve("big.log");
        java.util.Random random = new java.util.Random(5);
        try (java.io.BufferedWriter writer = Files.newBufferedWriter(log)) {
            for (int i = 0; i < 60_000; i++) {
                writer.write("line " + i + " klaviyo " + Canaries.hex(random, 40) + "\n");
            }
        }
        Path out = work.resolve("small.zip");
        assertEquals(0, bundle(out, "--log", log.toString(), "--max-size", "1MB").run().exit());
        assertTrue(Files.size(out) <= 1_000_000, Files.size(out) + " bytes");
        Map<String, String> files = unpack(out);
        assertTrue(log(files).contains("line 59999 ") && !log(files).contains("line 0 "));
        assertTrue(Json.read(files.get("manifest.json")).path("files").findValues("truncated").stream()
                .anyMatch(JsonNode::asBoolean));
    }

    /** A disk with room for a part of it: the newest lines are kept. One with room for nothing: a line that says so. */
    @ParameterizedTest
    @CsvSource({"2m, 41", "64k, 1"})
    void aFullDiskCostsTheOldestLinesOnly(String size, int exit) throws Exception {
        Path work = Files.createDirectories(HOME.resolve("full-disk-" + size));
        Path log = work.resolve("big.log");
        java.util.Random random = new java.util.Random(5);
        try (java.io.BufferedWriter writer = Files.newBufferedWriter(log)) {
            for (int i = 0; i < 80_000; i++) {
                writer.write("line " + i + " klaviyo " + Canaries.hex(random, 40) + "\n");
            }
        }
        Path disk = Files.createDirectories(work.resolve("disk"));
        assumeTrue(
                Run.command("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", disk.toString()).run().exit() == 0,
                "only where a small file system may be mounted");
        try {
            Path out = disk.resolve("bundle.zip");
            Run.Result result = bundle(out, "--log", log.toString()).run();
            assertEquals(exit, result.exit(), result.toString());
            if (exit == 1) {
                assertTrue(result.err().contains("error: " + out + " cannot be written (No space left on device)"), result.err());
                assertEquals(List.of(), List.of(disk.toFile().list()));
            } else {
                Map<String, String> files = unpack(out);
                assertTrue(log(files).contains("line 79999 ") && !log(files).contains("line 0 "));
                assertTrue(files.get("manifest.json").contains("the disk has no room for them"), files.get("manifest.json"));
                assertEquals(0, Run.process("debug-bundle").args("verify", out.toString()).run().exit());
            }
        } finally {
            assertEquals(0, Run.command("umount", disk.toString()).run().exit());
        }
    }

    @Test
    void interruptedItLeavesNothingUnderTheName() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("interrupt"));
        Path tools = Files.createDirectories(work.resolve("bin"));
        Path began = work.resolve("began");
        script(tools.resolve("docker"), "echo klaviyo; touch '" + began + "'; exec sleep 300");
        Path target = Files.createDirectories(work.resolve("out"));
        try (Run.Running running = bundle(target.resolve("x.zip"), "--docker", "x")
                .env("PATH", tools + ":/usr/bin:/bin")
                .start()) {
            running.awaitUntil("the collector has begun", () -> Files.exists(began));
            running.interrupt();
            assertEquals(130, running.await().exit());
        }
        assertEquals(List.of(), List.of(target.toFile().list()), "something was left behind");
    }

    // ---- a drill, and what can be done with a bundle

    @Test
    void aDrillMakesAFullBundleThatTellsItsStory() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("drill"));
        Path out = work.resolve("drill.zip");
        Run.Result result = Run.process("debug-bundle")
                .cwd(work)
                .args("--drill", "outage", "--out", out.toString())
                .run();
        assertEquals(0, result.exit(), result.toString());
        assertTrue(result.out().startsWith("DRILL outage"), result.out());
        Map<String, String> files = unpack(out);
        try (ZipFile zip = new ZipFile(out.toFile())) {
            assertEquals(
                    List.of("manifest.json", "summary.md", "report.html", "facts.json", "redaction.json"),
                    zip.stream().map(ZipEntry::getName).limit(5).toList());
        }
        JsonNode manifest = Json.read(files.get("manifest.json"));
        assertEquals("outage", manifest.path("drill").asText());
        assertEquals(files.size() - 1, manifest.path("files").size());
        assertTrue(manifest.path("complete").asBoolean());
        assertTrue(Json.read(files.get("redaction.json")).path("totals").findValuesAsText("rule").contains("email"));
        for (String told : List.of("DRILL", "P1", "503", "<svg", "prefers-color-scheme")) {
            assertTrue(files.get("report.html").contains(told), told + " is not in the report");
        }
        assertFalse(
                files.get("report.html").matches("(?s).*(<script|src=\"http|href=\"http|url\\().*"),
                "the report loads something");
        assertEquals("outage", Json.read(files.get("klaviyo/triage.json")).path("drill").asText());
        assertTrue(files.get("summary.md").contains("DRILL")
                && files.get("summary.md").contains("Most frequent lines of failed calls"));

        Run.Result opened = Run.run(
                "debug-bundle",
                "open",
                out.toString(),
                "--to",
                work.resolve("unpacked").toString(),
                "--no-browser");
        assertEquals(0, opened.exit(), opened.toString());
        assertEquals(files.get("report.html"), Files.readString(work.resolve("unpacked/report.html")));
    }

    @Test
    void aDryRunWritesNothing() throws Exception {
        Path out = HOME.resolve("dry.zip");
        Path log = Files.writeString(HOME.resolve("dry.log"), "klaviyo\n".repeat(1_000));
        Run.Result result = bundle(out, "--dry-run", "--log", log.toString(), "--docker", "shop").run();
        assertEquals(0, result.exit(), result.toString());
        assertTrue(
                result.out().contains("8.0 kB")
                        && result.out().contains("docker logs")
                        && result.out().contains("To read: about"),
                result.out());
        assertFalse(Files.exists(out));
    }

    @Test
    void whatIsKeptIsInTheName() throws Exception {
        Path log = Files.writeString(
                HOME.resolve("keep.log"),
                "klaviyo jo@shop.example from 203.0.113.9 pk_00112233445566778899aabbccddeeff01\n");
        Path out = HOME.resolve("keep.zip");
        assertEquals(0, bundle(out, "--log", log.toString(), "--keep", "email").run().exit());
        Path named = HOME.resolve("keep-unredacted-email.zip");
        String kept = log(unpack(named));
        assertTrue(kept.contains("jo@shop.example") && !kept.contains("203.0") && !kept.contains("00112233"), kept);
        Run.Result verified = Run.run("debug-bundle", "verify", named.toString());
        assertEquals(0, verified.exit());
        assertTrue(verified.out().contains("kept on purpose") && !verified.out().contains("no secret found"), verified.out());
        assertEquals(2, bundle(out, "--keep", "klaviyo-key").run().exit());
    }

    @Test
    void verifyFindsWhatWasTamperedWith() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("verify"));
        Path good = work.resolve("good.zip");
        assertEquals(
                0,
                Run.process("debug-bundle")
                        .cwd(work)
                        .args("--drill", "healthy", "--out", good.toString())
                        .run()
                        .exit());
        Map<String, String> files = unpack(good);
        Map<String, String> leaking = new TreeMap<>(files);
        leaking.put("application/health.json", "key=" + KEY);
        Run.Result leak = Run.run("debug-bundle", "verify", zip(work.resolve("leak.zip"), leaking).toString());
        assertEquals(42, leak.exit(), leak.toString());
        assertTrue(
                leak.out().contains("klaviyo-key")
                        && leak.out().contains("SHA-256 differs")
                        && !leak.out().contains("00112233"),
                leak.out());
        Map<String, String> escaping = new TreeMap<>(files);
        escaping.put("../evil.txt", "x");
        Path evil = zip(work.resolve("evil.zip"), escaping);
        assertEquals(42, Run.run("debug-bundle", "verify", evil.toString()).exit());
        Run.Result opened = Run.run(
                "debug-bundle",
                "open",
                evil.toString(),
                "--to",
                work.resolve("sub/evil").toString(),
                "--no-browser");
        assertEquals(2, opened.exit(), opened.toString());
        assertFalse(Files.exists(work.resolve("evil.txt"))
                || Files.exists(work.resolve("sub/evil.txt"))
                || Files.exists(work.resolve("sub/evil")));
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"a text", "a folder", "nothing", "half an archive"})
    void verifyOfWhatIsNoArchiveIsWrongUsage(String what) throws IOException {
        Path work = Tree.temporary("no-archive");
        Path file = work.resolve("bundle.zip");
        switch (what) {
            case "a text" -> Files.writeString(file, "this is no archive");
            case "a folder" -> Files.createDirectories(file);
            case "half an archive" -> {
                byte[] whole = Files.readAllBytes(zip(work.resolve("whole.zip"), Map.of("a.txt", "a", "b.txt", "b")));
                Files.write(file, Arrays.copyOf(whole, whole.length / 2));
            }
            default -> Files.deleteIfExists(file);
        }
        Run.Result result = Run.run("debug-bundle", "verify", file.toString());
        assertEquals(2, result.exit(), result.toString());
        assertEquals(1, result.err().lines().count(), result.toString());
        assertTrue(result.err().contains("is no archive that can be read"), result.toString());
    }

    private static Path zip(Path file, Map<String, String> files) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, String> entry : files.entrySet()) {
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(entry.getValue().getBytes(StandardCharsets.UTF_8));
            }
        }
        return file;
    }

    @Test
    void evidenceThatIsThereAlreadyIsCleaned() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("clean"));
        Path folder = Files.createDirectories(work.resolve("evidence/inner"));
        Files.writeString(folder.resolve("a.log"), "no word of the vendor, key=" + KEY + "\n");
        Files.writeString(folder.resolve("jo@shop.example.txt"), "x\n");
        for (String out : List.of("file.log", "folder", "archive.zip")) {
            Path source = out.equals("file.log") ? folder.resolve("a.log") : work.resolve("evidence");
            Run.Result result = Run.run(
                    "debug-bundle",
                    "redact",
                    source.toString(),
                    "--out",
                    work.resolve(out).toString());
            assertEquals(0, result.exit(), result.toString());
        }
        assertTrue(Files.readString(work.resolve("file.log"))
                .matches("no word of the vendor, key=klaviyo-key-[0-9a-f]{6}\n"));
        try (Stream<Path> files = Files.walk(work.resolve("folder"))) {
            String names = files.map(Path::toString).collect(Collectors.joining("\n"));
            assertTrue(names.contains("a.log") && names.contains("email-") && !names.contains("shop.example"), names);
        }
        assertEquals(0, Run.run("debug-bundle", "verify", work.resolve("archive.zip").toString()).exit());
        assertTrue(Files.readString(folder.resolve("a.log")).contains(KEY), "the original was changed");
    }

    @Test
    void wrongUsageIsSaidInOneLineThatNamesTheOption() {
        Map<String, String[]> wrong = Map.of(
                "--max-size",
                new String[] {"--max-size", "huge"},
                "--from",
                new String[] {"--from", "yesterday"},
                "--log-zone",
                new String[] {"--log-zone", "Mars"},
                "--loki-query",
                new String[] {"--loki", "http://127.0.0.1:1"},
                "--k8s",
                new String[] {"--k8s", "shop"},
                "--secret-file",
                new String[] {"--secret-file", "/none"});
        wrong.forEach((option, args) -> {
            Run.Result result = bundle(HOME.resolve("never.zip"), args).run();
            assertEquals(2, result.exit(), result.toString());
            assertTrue(result.err().lines().findFirst().orElse("").contains(option), result.toString());
        });
    }

    // ---- what the bundle says

    @Test
    void factsSummaryAndPageSayTheSame() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("facts"));
        Path logs = Files.createDirectories(work.resolve("healthshop"));
        StringBuilder text = new StringBuilder();
        int[] statuses = {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503};
        for (int i = 0; i < statuses.length; i++) {
            text.append(("2026-11-23T03:0" + i % 10 + ":05Z ERROR klaviyo POST /api/events status=" + statuses[i] + "\n").repeat(i + 1));
        }
        Files.writeString(logs.resolve("app.log"), text);
        Files.writeString(logs.resolve("app3.json"), "{\"ts\":\"2026-11-23T03:30:00Z\",\"host\":\"a.klaviyo.com\",\"status\":503}\n");
        String series = "{\"metric\":{\"__name__\":\"klaviyo_retry_queue_depth\",\"pod\":\"%s\"},\"values\":[[1795403000,\"%d\"]]}";
        ANSWERS.put("/api/v1/query_range", "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
                + series.formatted("one", 40) + "," + series.formatted("two", 2) + "]}}");
        Path incident = Files.createDirectories(work.resolve("incident"));
        Files.writeString(incident.resolve("journal.jsonl"), "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":\"triage\",\"event\":\"diagnosed\","
                + "\"summary\":\"P1: Klaviyo is down\",\"data\":{\"severity\":\"P1\",\"diagnosis\":\"api-down\"}}\n");
        Path out = work.resolve("facts.zip");
        Run.Result result = bundle(out, "--log", logs.toString(), "--prometheus", url(), "--incident", incident.toString(),
                "--from", "2026-11-23T02:00:00Z", "--to", "2026-11-23T04:00:00Z").env("KLAVIYO_SMTP_PASS", "hunter2hunter2")
                .env("KLAVIYO_PIN", "4711").run();
        Map<String, String> files = unpack(out);
        LogReader.Facts facts = LogReader.Facts.read(files.get("facts.json").getBytes(StandardCharsets.UTF_8));
        assertEquals("{400=1, 401=2, 403=3, 404=4, 409=5, 410=6, 413=7, 422=8, 429=9, 500=10, 503=12}",
                facts.statuses().toString(), "both files are logs, whatever their names say");
        assertEquals(List.of(40.0, 2.0), facts.queue().stream().map(LogReader.Facts.Queue::last).toList(), result.toString());
        String summary = files.get("summary.md");
        for (String told : List.of("HTTP 503: 12 calls", "together at last: 42", "POST /api/events: 66 calls, 66 failed")) {
            assertTrue(summary.contains(told), told + " is not in " + summary);
        }
        assertTrue(files.get("report.html").contains(">other<"), "rare statuses stand together in the picture");
        assertTrue(summary.contains("**P1: Klaviyo is down (at 2026-11-23T03:04:05Z); now: "), "the incident's verdict leads");
        assertTrue(summary.contains("No rule finds") && result.out().contains("Lines that stayed"), result.out());
        String variables = files.get("environment/variables.json");
        assertTrue(variables.contains("\"KLAVIYO_SMTP_PASS\"") && variables.contains("14"), variables);
        assertFalse(variables.contains("hunter2") || variables.contains("4711") || variables.contains("secret"), variables);
    }

    // ---- archives and folders from anybody

    private static Path hostile(String what) throws IOException {
        Path work = Tree.temporary("hostile");
        Path file = work.resolve("bundle.zip");
        switch (what) {
            case "a pipe" -> assertEquals(0, Run.command("mkfifo", file.toString()).run().exit());
            case "70,000 files" -> {
                Map<String, String> many = new TreeMap<>();
                for (int i = 0; i < 70_000; i++) {
                    many.put("f" + i, "");
                }
                zip(file, many);
            }
            case "control characters" -> zip(file, Map.of("a\u001b[31m.txt", "x"));
            case "a file as a folder" -> zip(file, Map.of("a", "x", "a/b", "y"));
            case "names that differ in case" -> zip(file, Map.of("a.txt", "x", "A.txt", "y"));
            case "a name too long" -> zip(file, Map.of("n".repeat(300), "x"));
            case "a bomb" -> zip(file, Map.of("b.log", "0".repeat(30_000_000)));
            default -> zip(file, Map.of("manifest.json", "{\"schema\":1,\"kept\":[\"secret\"],\"files\":[]}"));
        }
        return file;
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = ';', value = {"a pipe; 2; no regular file; 2", "70,000 files; 2; has 70000 files; 2",
        "control characters; 42; holds control characters; 2", "a file as a folder; 42; a file's and a folder's; 2",
        "names that differ in case; 42; is given twice; 2", "a name too long; 42; is too long; 2",
        "a bomb; 2; unpacks to more than is allowed; 2", "a secret kept; 42; which is no personal data; 0"})
    void aHostileArchiveIsRefusedInWords(String what, int verified, String why, int opened) throws IOException {
        Path file = hostile(what);
        Run.Result verify = Run.run("debug-bundle", "verify", file.toString(), "--max-size", "20MB");
        assertEquals(verified, verify.exit(), verify.toString());
        assertTrue((verify.out() + verify.err()).replaceAll("\\s+", " ").contains(why), verify.toString());
        Path folder = file.resolveSibling("unpacked");
        Run.Result open = Run.run("debug-bundle", "open", file.toString(), "--to", folder.toString(), "--max-size", "20MB", "--no-browser");
        assertEquals(opened, open.exit(), open.toString());
        assertEquals(opened == 0, Files.exists(folder), "nothing half unpacked stays");
        assertFalse((verify.out() + verify.err() + open.err()).contains("\tat "), "a stack trace");
    }

    @Test
    void aFolderIsCleanedWithItsNamesAndWithoutItsPipes() throws Exception {
        Path work = Tree.temporary("names");
        Path folder = Files.createDirectories(work.resolve("evidence"));
        Files.writeString(folder.resolve("password=hunter2.log"), "klaviyo says hunter-two\n");
        Run.command("mkfifo", folder.resolve("pipe").toString()).run();
        Run.Result result = Run.run("debug-bundle", "redact", folder.toString(), "--out", work.resolve("clean").toString());
        assertEquals(41, result.exit(), result.toString());
        assertTrue(result.out().contains("no regular file"), result.out());
        String[] names = work.resolve("clean").toFile().list();
        assertTrue(names.length == 1 && names[0].startsWith("password=") && !names[0].contains("hunter2"), Arrays.toString(names));
    }

    @Test
    void allIsTheOwnersUnderAnyUmaskAndLeftoversGo() throws Exception {
        Path work = Files.createDirectories(HOME.resolve("umask"));
        Path left = Files.createDirectories(work.resolve(".bundle-killed"));
        Files.writeString(left.resolve("lock"), "");
        Files.writeString(left.resolve("part-1"), "redacted");
        Path out = work.resolve("deep/er/b.zip");
        List<String> words = new ArrayList<>(List.of("sh", "-c", "umask 000; exec \"$@\"", "sh"));
        words.addAll(Run.process("debug-bundle").words());
        Path beside = work.resolve("b.zip");
        for (Path target : List.of(beside, out)) {
            List<String> all = new ArrayList<>(words);
            all.addAll(List.of("--api-url", url(), "--status-url", url(), "--out", target.toString()));
            assertEquals(0, Run.command(all.toArray(String[]::new)).run().exit());
        }
        assertFalse(Files.exists(left), "what a killed run left is still there");
        List<String> open = new ArrayList<>(words);
        open.addAll(List.of("open", out.toString(), "--to", work.resolve("unpacked").toString(), "--no-browser"));
        assertEquals(0, Run.command(open.toArray(String[]::new)).run().exit());
        try (Stream<Path> files = Stream.of(work.resolve("deep"), work.resolve("unpacked"), beside).flatMap(DebugBundleTest::walk)) {
            for (Path file : files.toList()) {
                assertEquals(Files.isDirectory(file) ? "rwx------" : "rw-------",
                        PosixFilePermissions.toString(Files.getPosixFilePermissions(file)), file.toString());
            }
        }
    }

    private static Stream<Path> walk(Path root) {
        try {
            return Files.walk(root);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
