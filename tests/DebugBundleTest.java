import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.LogReader;
import runbook.Text.Json;

/** The bundle as its users make it: the real program, every source, and nothing in the archive that should not be. */
class DebugBundleTest {
    private static final String KEY = "pk_Zz9Yx8_00112233445566778899aabbccddeeff01";
    private static final int START = 8;
    private static final Map<String, String> ANSWERS = new ConcurrentHashMap<>();
    private static final LoopbackServer SERVER = new LoopbackServer(DebugBundleTest::answer);

    @AfterAll
    static void stop() {
        SERVER.close();
    }

    private static LoopbackServer.Response answer(LoopbackServer.Request request) {
        String path = request.path();
        return new LoopbackServer.Response(path.startsWith("/api/") && !path.startsWith("/api/v") ? 400 : 200,
                ANSWERS.getOrDefault(path, "{}"), "Content-Type: application/json\nSet-Cookie: __cf_bm=s3ss10nc00k1e");
    }

    private static Run.Result ends(int exit, Run run) {
        Run.Result result = run.run();
        assertEquals(exit, result.exit(), result.toString());
        return result;
    }

    private static Run with(Run run, Object... more) {
        return run.args(Stream.of(more).map(Object::toString).toArray(String[]::new));
    }

    /** {@code debug-bundle} with these words, in this process. */
    private static Run script(Object... words) {
        return with(Run.script("debug-bundle"), words);
    }

    /** A bundle of the server above. */
    private static Run bundle(Path out, Object... more) {
        return bundle(Run.script("debug-bundle"), out, more);
    }

    private static Run bundle(Run run, Path out, Object... more) {
        return with(with(run.cwd(out.getParent()).env("KLAVIYO_PRIVATE_KEY", KEY), "--api-url", SERVER.url(),
                "--status-url", SERVER.url(), "--timeout", "20s", "--out", out), more);
    }

    private static Map<String, String> unpack(Path archive) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            for (ZipEntry entry : zip.stream().toList()) {
                files.put(entry.getName(), new String(zip.getInputStream(entry).readAllBytes(), UTF_8));
            }
        }
        return files;
    }

    private static Path zip(Path file, Map<String, String> files) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, String> entry : files.entrySet()) {
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(entry.getValue().getBytes(UTF_8));
            }
        }
        return file;
    }

    /** What came of the logs that were given as files. */
    private static String log(Map<String, String> files) {
        return files.entrySet().stream().filter(file -> file.getKey().startsWith("application/log/"))
                .map(Map.Entry::getValue).collect(Collectors.joining());
    }

    private static Path bigLog(Path folder) throws IOException {
        Random random = new Random(5);
        return Files.write(folder.resolve("big.log"), IntStream.range(0, 60_000)
                .mapToObj(line -> "line " + line + " klaviyo " + Canaries.hex(random, 40)).toList());
    }

    /** A tool of this name on a PATH of its own. */
    private static void tool(Path folder, String name, String body) throws IOException {
        Path file = Files.writeString(Files.createDirectories(folder).resolve(name), "#!/bin/sh\n" + body + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static void saysAll(String text, String... told) {
        Stream.of(told).forEach(one -> assertTrue(text.contains(one), one + " is not in " + text));
    }

    private static void saysNone(String text, String... told) {
        Stream.of(told).forEach(one -> assertFalse(text.contains(one), one + " is in " + text));
    }

    // ---- safe to share

    private static final String PODS = "NAME    RESTARTS  PHASE    NODE\nshop-1  0,1       Running  n7";

    @Test
    void noCanaryFromAnySourceIsInTheArchive() throws Exception {
        Path work = Tree.temporary("canaries");
        List<List<Canaries.Canary>> sources = new ArrayList<>();
        IntStream.range(100, 110).forEach(seed -> sources.add(Canaries.all(seed)));
        Path logs = Files.createDirectories(work.resolve("logs"));
        Files.writeString(logs.resolve("app.log"), lines(sources.get(0)));
        try (OutputStream gzip = new GZIPOutputStream(Files.newOutputStream(logs.resolve("app.log.1.gz")))) {
            gzip.write(lines(sources.get(1)).getBytes(UTF_8));
        }
        Files.write(logs.resolve("windows.log"), lines(sources.get(2)).getBytes(UTF_16));
        Files.writeString(logs.resolve("one-line.log"), sources.get(3).stream()
                .map(canary -> canary.line() + " all quiet;".repeat(250)).collect(Collectors.joining(" ")));
        Files.writeString(logs.resolve("jo.file@shop.example.log"), "klaviyo named after a person\n");
        Files.writeString(logs.resolve("own.log"), "klaviyo with plain-looking-value inside\n");
        Path tools = work.resolve("bin");
        String[] names = {"docker", "gcloud", "aws", "logcli", "kubectl", "journalctl"};
        for (int i = 0; i < names.length; i++) {
            Path printed = Files.writeString(work.resolve(names[i]), lines(sources.get(4 + i)));
            String print = "cat '" + printed + "'; echo 'warning: user stderr.user@shop.example' >&2";
            tool(tools, names[i], "if [ $1 = get ]; then echo '" + PODS + "'; else " + print + "; fi");
        }
        ANSWERS.put("/health", "{\"status\":\"ok\",\"db\":\"postgres://shop:hEalthpw77@db/shop\"}");
        String error = "{\"errors\":[{\"status\":400,\"code\":\"invalid\",\"detail\":\"bad b0dy%s@shop.example\"}]}";
        for (String endpoint : List.of("accounts", "profiles", "lists", "metrics", "events", "webhooks")) {
            ANSWERS.put("/api/" + endpoint, error.formatted(endpoint));
        }
        Path incident = Files.createDirectories(work.resolve("incident"));
        Path journal = Files.writeString(incident.resolve("journal.jsonl"), "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":"
                + "\"x\",\"event\":\"note\",\"summary\":\"called j0urnal@shop.example\",\"data\":{}}\n");
        Path secrets = Files.writeString(work.resolve("secrets"), "MY_OWN=plain-looking-value\n");
        Path out = work.resolve("all.zip");
        Run run = bundle(out, "--app-url", SERVER.url() + "/health", "--loki", SERVER.url(), "--loki-query",
                "{app=\"x\"}", "--docker", "shop", "--gcp-logs", "x", "--aws-logs", "g", "--k8s", "shop/app=x",
                "--journal", "*", "--log", logs, "--incident", incident, "--secret-file", secrets,
                "--from", "2026-11-23T02:00:00Z", "--to", "2026-11-23T04:00:00Z", "--context", "0")
                .env("PATH", tools + ":" + System.getenv("PATH")).env("KLAVIYO_MY_TOKEN", "env-t0ken-value")
                .env("KLAVIYO_PLAIN", "mail me at env@shop.example");
        Run.Result result = ends(0, run);

        Map<String, String> files = unpack(out);
        String everything = files.entrySet().stream().map(file -> file.getKey() + "\n" + file.getValue() + "\n")
                .collect(Collectors.joining()) + result.out() + result.err()
                + Files.readString(journal).lines().skip(1).collect(Collectors.joining());
        assertNoTrace(sources.stream().flatMap(List::stream).toList(), everything.toLowerCase());
        for (String secret : List.of(KEY, KEY.substring(10), "hEalthpw77", "b0dy", "j0urnal", "plain-looking-value",
                "env-t0ken-value", "env@shop", "s3ss10nc00k1e", "jo.file", "stderr.user")) {
            RedactTest.assertNoTrace(secret, everything, secret);
        }
        String logged = files.entrySet().stream().filter(file -> file.getKey().startsWith("application/"))
                .map(Map.Entry::getValue).collect(Collectors.joining());
        long markers = sources.get(0).stream().mapToLong(one -> logged.split(one.marker(), -1).length - 1).sum();
        assertTrue(markers >= sources.get(0).size() * (long) sources.size(),
                "only " + markers + " lines came through: " + files.keySet());
        ends(0, script("verify", out, "--secret-file", secrets));
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
                assertFalse(text.startsWith(trace, i), "left: " + trace + " in "
                        + text.substring(Math.max(0, i - 80), Math.min(text.length(), i + 80)));
            }
        }
    }

    private static String lines(List<Canaries.Canary> canaries) {
        return canaries.stream().map(canary -> canary.line() + "\n").collect(Collectors.joining());
    }

    @Test
    void aRealJournalIsReadByUnitAndWindow() throws Exception {
        Path remote = Path.of("/lib/systemd/systemd-journal-remote");
        String real = Run.command("sh", "-c", "command -v journalctl").run().out().strip();
        assumeTrue(Files.isExecutable(remote) && !real.isEmpty(), "needs journalctl and systemd-journal-remote");
        Path work = Tree.temporary("journal");
        Path file = Files.createDirectories(work.resolve("log")).resolve("shop.journal");
        String entries = entry("2026-11-23T03:04:05Z", "shop.service", "klaviyo 401 for jo@shop.example")
                + entry("2026-11-23T03:04:06Z", "mail.service", "klaviyo of another unit")
                + entry("2026-11-23T07:04:05Z", "shop.service", "klaviyo too late");
        assertEquals(0, Run.command(remote.toString(), "--output=" + file, "-").stdin(entries).run().exit());
        tool(work.resolve("bin"), "journalctl", "exec " + real + " --directory='" + file.getParent() + "' \"$@\"");
        ends(0, bundle(work.resolve("out.zip"), "--journal", "shop.service", "--from", "2026-11-23T02:00:00Z", "--to",
                "2026-11-23T04:00:00Z").env("PATH", work.resolve("bin") + ":" + System.getenv("PATH")));
        String logged = String.join("", unpack(work.resolve("out.zip")).values());
        saysAll(logged, "2026-11-23T03:04:05", "klaviyo 401 for email-");
        saysNone(logged, "jo@shop.example", "another unit", "too late");
    }

    /** In the journal's export format. */
    private static String entry(String at, String unit, String message) {
        long micros = Instant.parse(at).toEpochMilli() * 1_000;
        return "__REALTIME_TIMESTAMP=" + micros + "\n__MONOTONIC_TIMESTAMP=" + micros % 1_000_000
                + "\n_BOOT_ID=4d1b6b6f6f0a4f0f8f0f0f0f0f0f0f0f\n_HOSTNAME=shop\n_SYSTEMD_UNIT=" + unit
                + "\nSYSLOG_IDENTIFIER=shop\nMESSAGE=" + message + "\n\n";
    }

    @Test
    void whatIsKeptIsInTheName() throws Exception {
        Path work = Tree.temporary("keep");
        Path log = Files.writeString(work.resolve("keep.log"),
                "klaviyo jo@shop.example from 203.0.113.9 pk_00112233445566778899aabbccddeeff01\n");
        ends(0, bundle(work.resolve("keep.zip"), "--log", log, "--keep", "email"));
        Path named = work.resolve("keep-unredacted-email.zip");
        saysAll(log(unpack(named)), "jo@shop.example");
        saysNone(log(unpack(named)), "203.0", "00112233");
        String verified = ends(0, script("verify", named)).out();
        saysAll(verified, "kept on purpose");
        saysNone(verified, "no secret found");
        ends(2, bundle(work.resolve("keep.zip"), "--keep", "klaviyo-key"));
    }

    @Test
    void evidenceThatIsThereAlreadyIsCleanedAndVerified() throws Exception {
        Path work = Tree.temporary("clean");
        Path folder = Files.createDirectories(work.resolve("evidence/inner"));
        Path log = Files.writeString(folder.resolve("a.log"), "no word of the vendor, key=" + KEY + "\n");
        Files.writeString(folder.resolve("jo@shop.example.txt"), "x\n");
        Files.writeString(folder.resolve("password=hunter2.log"), "klaviyo says hunter-two\n");
        ends(0, script("redact", log, "--out", work.resolve("file.log")));
        assertTrue(Files.readString(work.resolve("file.log"))
                .matches("no word of the vendor, key=klaviyo-key-[0-9a-f]{6}\n"));
        Path archive = work.resolve("archive.zip");
        ends(0, script("redact", work.resolve("evidence"), "--out", archive));
        ends(0, script("verify", archive));
        Run.command("mkfifo", folder.resolve("pipe").toString()).run();
        String said = ends(41, script("redact", work.resolve("evidence"), "--out", work.resolve("folder"))).out();
        saysAll(said.replaceAll("\\s+", " "), "no regular file");
        String names = String.join(" ", work.resolve("folder/inner").toFile().list());
        saysAll(names, "a.log", "email-", "password=");
        saysNone(names, "shop.example", "hunter2");
        assertTrue(Files.readString(log).contains(KEY), "the original was changed");

        Map<String, String> leaking = unpack(archive);
        leaking.put("inner/a.log", "key=" + KEY);
        String leak = ends(42, script("verify", zip(work.resolve("leak.zip"), leaking))).out();
        saysAll(leak, "klaviyo-key", "SHA-256 differs");
        saysNone(leak, "00112233");
        leaking.put("../evil.txt", "x");
        Path evil = zip(work.resolve("evil.zip"), leaking);
        saysAll(ends(42, script("verify", evil)).out().replaceAll("\\s+", " "), "would leave the folder");
        ends(2, script("open", evil, "--to", work.resolve("sub/evil")));
        for (String never : List.of("evil.txt", "sub/evil.txt", "sub/evil")) {
            assertFalse(Files.exists(work.resolve(never)), never);
        }
    }

    // ---- sources that misbehave, and limits

    @Test
    void oddSourcesAreNotedNeverFatalNeverEndless() throws Exception {
        Path work = Tree.temporary("odd");
        Path logs = Files.createDirectories(work.resolve("logs/deeper"));
        Files.writeString(logs.resolve("good.log"), "klaviyo is fine\n");
        Files.write(logs.resolve("binary.log"), "\u007fELF\1\2\3\4\5\6\7\16\17\20\21".getBytes(UTF_8));
        Files.createSymbolicLink(logs.resolve("loop"), work.resolve("logs"));
        Run.command("mkfifo", logs.resolve("pipe").toString()).run();
        Path tools = work.resolve("bin");
        tool(tools, "docker", "echo klaviyo from docker; echo " + KEY + " is wrong >&2; exit 3");
        tool(tools, "aws", "echo klaviyo began; sleep 300");
        Path out = work.resolve("odd.zip");
        Run.Result result = ends(41, bundle(out, "--log", work.resolve("logs"), "--log", "/dev/zero", "--log",
                work.resolve("none*.log"), "--docker", "x", "--aws-logs", "g", "--gcp-logs", "f", "--max-time", "8s",
                "--json").env("PATH", tools + ":/usr/bin:/bin"));
        assertTrue(result.millis() < 60_000, result.toString());
        assertTrue(result.err().indexOf("none*.log") < result.err().indexOf("klaviyo/triage"),
                "a typing error is told before anything is collected");
        Map<String, String> files = unpack(out);
        saysAll(Json.read(files.get("manifest.json")).path("missing").toString(), "binary data", "/dev/zero",
                "no regular file", "a link back", "exit code 3", "not done within");
        saysAll(log(files), "klaviyo is fine");
        saysAll(files.get("application/docker/x.log"), "from docker");
        saysAll(files.get("application/aws-logs/g.log"), "klaviyo began");
        saysNone(result.out(), KEY.substring(10));
        assertFalse(Json.read(result.out()).path("complete").asBoolean());
    }

    @Test
    void onlyTheWindowAndTheWantedLinesAreTaken() throws Exception {
        Path work = Tree.temporary("window");
        Path log = Files.writeString(work.resolve("app.log"), """
                2026-11-23 01:00:00,000 klaviyo too early
                2026-11-23 03:00:00,000 before
                2026-11-23 03:00:01,000 Klaviyo wanted
                \tat some.stack.Trace
                2026-11-23 03:00:02,000 context
                2026-11-23 03:00:03,000 unwanted
                2026-11-23 05:00:00,000 klaviyo too late
                """);
        Object[] window = {"--log", log, "--from", "2026-11-23T02:00:00Z", "--to", "2026-11-23T04:00:00Z", "--log-zone",
            "UTC", "--context", "1"};
        Path some = work.resolve("some.zip");
        ends(0, bundle(some, window));
        String taken = log(unpack(some));
        saysAll(taken, "before", "wanted", "stack.Trace");
        saysNone(taken, "too early", "too late", "unwanted");
        Path all = work.resolve("all.zip");
        ends(0, with(bundle(all, window), "--grep", ""));
        String whole = log(unpack(all));
        saysAll(whole, "unwanted");
        saysNone(whole, "too early", "too late");
    }

    @Test
    void theNewestIsKeptWithinTheSize() throws Exception {
        Path work = Tree.temporary("size");
        Path out = work.resolve("small.zip");
        ends(0, bundle(out, "--log", bigLog(work), "--max-size", "1MB"));
        assertTrue(Files.size(out) <= 1_000_000, Files.size(out) + " bytes");
        Map<String, String> files = unpack(out);
        saysAll(log(files), "line 59999 ");
        saysNone(log(files), "line 0 ");
        saysAll(files.get("manifest.json").replaceAll("\\s", ""), "\"truncated\":true");
    }

    /** A disk with room for a part of it: the newest lines are kept. One with room for nothing: a line that says so. */
    @ParameterizedTest
    @CsvSource({"1500k, 0", "16k, 1"})
    void aFullDiskCostsTheOldestLinesOnly(String size, int exit) throws Exception {
        Path work = Tree.temporary("full-disk");
        Path disk = Files.createDirectories(work.resolve("disk"));
        Run mount = Run.command("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", disk.toString());
        assumeTrue(mount.run().exit() == 0, "only where a small file system may be mounted");
        try {
            Path out = disk.resolve("bundle.zip");
            Run.Result result = ends(exit, bundle(out, "--log", bigLog(work)).cwd(work));
            if (exit == 1) {
                saysAll(result.err(), "error: " + out + " cannot be written (No space left on device)");
                assertEquals(List.of(), List.of(disk.toFile().list()));
            } else {
                Map<String, String> files = unpack(out);
                saysAll(log(files), "line 59999 ");
                saysNone(log(files), "line 0 ");
                saysAll(result.out().replaceAll("\\s+", " "), "or the disk, has no room for them");
            }
        } finally {
            ends(0, Run.command("umount", disk.toString()));
        }
    }

    @Test
    void interruptedItLeavesNothingUnderTheName() throws Exception {
        Path work = Tree.temporary("interrupt");
        Path began = work.resolve("began");
        tool(work.resolve("bin"), "docker", "echo klaviyo; touch '" + began + "'; exec sleep 300");
        Path target = Files.createDirectories(work.resolve("out"));
        try (Run.Running running = bundle(Run.process("debug-bundle"), target.resolve("x.zip"), "--docker", "x")
                .env("PATH", work.resolve("bin") + ":/usr/bin:/bin").start()) {
            running.awaitUntil("the collector has begun", () -> Files.exists(began));
            running.interrupt();
            Run.Result result = running.await();
            assertEquals(130, result.exit());
            assertEquals("interrupted: nothing was written\n", result.err());
        }
        assertEquals(List.of(), List.of(target.toFile().list()), "something was left behind");
    }

    @Test
    void allIsTheOwnersUnderAnyUmaskAndLeftoversGo() throws Exception {
        Path work = Tree.temporary("umask");
        Path left = Files.createDirectories(work.resolve("deep/.bundle-killed"));
        Files.writeString(left.resolve("lock"), "");
        Files.writeString(left.resolve("part-1"), "redacted");
        Path log = Files.writeString(work.resolve("a.log"), "klaviyo\n");
        Path out = work.resolve("deep/b.zip");
        ends(0, underUmask("redact", log, "--out", out));
        assertFalse(Files.exists(left), "what a killed run left is still there");
        ends(0, underUmask("open", out, "--to", work.resolve("new/unpacked")));
        try (Stream<Path> unpacked = Files.walk(work.resolve("new"))) {
            for (Path file : Stream.concat(Stream.of(out), unpacked).toList()) {
                assertEquals(Files.isDirectory(file) ? "rwx------" : "rw-------",
                        PosixFilePermissions.toString(Files.getPosixFilePermissions(file)), file.toString());
            }
        }
    }

    private static Run underUmask(Object... words) {
        Object[] command = Run.process("debug-bundle").words().toArray();
        return with(with(Run.command("sh", "-c", "umask 000; exec \"$@\"", "sh"), command), words);
    }

    // ---- what it says

    @Test
    void aRunawayLoopsLogIsAsLongAsItIs() throws Exception {
        Path out = Tree.temporary("loop").resolve("loop.zip");
        ends(0, script("--drill", "runaway-loop", "--out", out, "--yes"));
        assertTrue(unpack(out).get("summary.md").matches("(?s).*- \\d{5} × called by .*"), unpack(out).get("summary.md"));
    }

    @Test
    void aDrillMakesAFullBundleThatTellsItsStory() throws Exception {
        Path work = Tree.temporary("drill");
        Path out = work.resolve("drill.zip");
        Run.Result result = ends(0, script("--drill", "outage", "--out", out, "--timeout", "9s").cwd(work));
        assertTrue(result.out().startsWith("DRILL outage"), result.out());
        Map<String, String> files = unpack(out);
        try (ZipFile zip = new ZipFile(out.toFile())) {
            assertEquals(List.of("manifest.json", "summary.md", "report.html", "facts.json"),
                    zip.stream().map(ZipEntry::getName).limit(4).toList());
        }
        JsonNode manifest = Json.read(files.get("manifest.json"));
        assertEquals("outage", manifest.path("drill").asText());
        assertEquals(files.size() - 1, manifest.path("files").size());
        assertTrue(manifest.path("complete").asBoolean());
        JsonNode redacted = manifest.path("files");
        assertTrue(redacted.findValuesAsText("rule").contains("email"));
        saysAll(files.get("report.html"), "DRILL", "P1", "503", "<svg", "prefers-color-scheme");
        assertFalse(files.get("report.html").matches("(?s).*(<script|src=\"http|href=\"http|url\\().*"),
                "the report loads something");
        assertEquals("outage", Json.read(files.get("klaviyo/triage.json")).path("drill").asText());
        saysAll(files.get("summary.md"), "DRILL", "### Calls to Klaviyo in the logs, by status");
        files.get("summary.md").lines().filter(line -> line.startsWith("- `")).forEach(line ->
                assertTrue(line.endsWith(" `"), "a line that stayed is redacted once more: " + line));
        String replaced = result.out().lines().filter(line -> line.contains("personal data replaced:")).findFirst()
                .orElseThrow().replaceFirst(":.*", "");
        saysAll(files.get("summary.md"), replaced);
        int places = redacted.findValues("count").stream().mapToInt(JsonNode::asInt).sum();
        saysAll(replaced, places + " secrets");
        // The command that it printed last.
        String[] open = result.out().strip().replaceFirst("(?s).*\n *", "").split(" ");
        saysAll(ends(0, script((Object[]) Arrays.copyOfRange(open, 2, open.length)).cwd(work)).out(), "unpacked to ");
        assertEquals(files.get("report.html"), Files.readString(work.resolve("drill/report.html")));
    }

    @Test
    void aDryRunWritesNothing() throws Exception {
        Path out = Tree.temporary("dry").resolve("dry.zip");
        Path log = Files.writeString(out.resolveSibling("dry.log"), "klaviyo\n".repeat(1_000));
        Path tools = out.resolveSibling("bin");
        tool(tools, "docker", "exit 1");
        Run dry = bundle(out, "--dry-run", "--log", log, "--docker", "shop").env("PATH", tools.toString());
        saysAll(ends(0, dry).out(), "8.0 kB", "docker logs");
        String missing = ends(41, with(dry, "--log", "none.log", "--aws-logs", "g")).out();
        saysAll(missing, "no such file or folder", "aws is not installed");
        assertFalse(Files.exists(out));
    }

    @ParameterizedTest
    @CsvSource({"--max-size, huge", "--from, yesterday", "--log-zone, Mars", "--loki, http://127.0.0.1:1",
        "--k8s, shop", "--secret-file, /none"})
    void wrongUsageIsSaidInOneLineThatNamesTheOption(String option, String value) {
        Run.Result result = ends(2, bundle(Tree.temporary("wrong").resolve("never.zip"), option, value));
        assertTrue(result.err().lines().findFirst().orElse("").contains(option), result.toString());
    }

    @Test
    void factsSummaryAndPageSayTheSame() throws Exception {
        Path work = Tree.temporary("facts");
        Path logs = Files.createDirectories(work.resolve("healthshop"));
        StringBuilder text = new StringBuilder();
        int[] statuses = {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503};
        for (int i = 0; i < statuses.length; i++) {
            String line = "2026-11-23T03:0" + i % 10 + ":05Z ERROR klaviyo POST /api/events status=" + statuses[i];
            text.append((line + "\n").repeat(i + 1));
        }
        String longest = "2026-11-23T03:11:05Z INFO klaviyo note " + "and so it goes on ".repeat(40) + "Mr Atlast";
        Files.writeString(logs.resolve("app.log"), text + longest + "\n");
        Files.copy(logs.resolve("app.log"), logs.resolve("app.log.1"));
        Files.writeString(logs.resolve("app3.json"),
                "{\"ts\":\"2026-11-23T03:30:00Z\",\"host\":\"a.klaviyo.com\",\"status\":503}\n");
        String series = "{\"metric\":{\"__name__\":\"klaviyo_retry_queue_depth\",\"pod\":\"%s\","
                + "\"customer\":\"label.user@shop.example\"},\"values\":[[1795403000,\"%d\"],[1795403060,\"1000\"]]}";
        ANSWERS.put("/api/v1/query_range", "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
                + series.formatted("one", 40) + "," + series.formatted("two", 2) + "]}}");
        Path incident = Files.createDirectories(work.resolve("incident"));
        Files.writeString(incident.resolve("journal.jsonl"), "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":\"triage\","
                + "\"event\":\"diagnosed\",\"summary\":\"P1: Klaviyo is down\",\"data\":{\"severity\":\"P1\","
                + "\"diagnosis\":\"api-down\"}}\n");
        Path out = work.resolve("facts.zip");
        Run.Result result = bundle(out, "--log", logs, "--log", work.resolve("healthshop/../healthshop/app.log"),
                "--prometheus", SERVER.url(), "--incident", incident, "--from", "2026-11-23T02:00:00Z", "--to",
                "2026-11-23T04:00:00Z").env("KLAVIYO_SMTP_PASS", "hunter2hunter2")
                .env("KLAVIYO_PIN", "4711").run();
        Map<String, String> files = unpack(out);
        LogReader.Facts facts = LogReader.Facts.read(files.get("facts.json").getBytes(UTF_8));
        assertEquals("{400=1, 401=2, 403=3, 404=4, 409=5, 410=6, 413=7, 422=8, 429=9, 500=10, 503=12}",
                facts.statuses().toString(), "both are logs, whatever their names say; what is there twice counts once");
        saysAll(String.join("\n", facts.notRead()), "app.log.1 left out: it is the same as ", "skipped: ");
        assertEquals(List.of(1000.0, 1000.0), facts.queue().stream().map(LogReader.Queue::last).toList(),
                result.toString());
        // The incident's verdict leads; rare statuses stand together in the picture.
        saysAll(files.get("summary.md"), "12 × HTTP 503", "together at last: 2000", "Prometheus counts 1958 failed calls in the window, more than these logs",
                "No rule finds",
                "66 × POST /api/events, 66 of them failed", "**P1: Klaviyo is down (at 2026-11-23T03:04:05Z); now: ");
        saysAll(files.get("report.html"), ">other<", ">klaviyo_retry_queue_depth</text>",
                "66 × POST /api/events, 66 of them failed");
        saysAll(result.out().replaceAll("\\s+", " "), "Lines that stayed", "Mr Atlast");
        saysAll(files.get("environment/variables.json"), "\"KLAVIYO_SMTP_PASS\"", "14");
        saysNone(files.get("environment/variables.json"), "hunter2", "4711", "secret");
        saysNone(files.toString(), "label.user");
    }

    @Test
    void aZoneThatNoLineNamesIsSaidAndColoursHideNoCall() throws Exception {
        Path work = Tree.temporary("zone");
        Path log = Files.writeString(work.resolve("app.log"), "2026-11-23 04:00:01 klaviyo POST /api/events 503\n"
                + "\u001b[90m2026-11-23 04:00:02\u001b[0m klaviyo \u001b[36mPOST\u001b[0m /api/events"
                + " status=\u001b[33m401\u001b[0m\n");
        Path out = work.resolve("zone.zip");
        Run.Result result = ends(0, bundle(Run.process("debug-bundle").env("TZ", "Europe/Berlin"), out, "--log", log,
                "--log", Files.writeString(work.resolve("early.log"), "2026-11-23 01:00:00 klaviyo 500\n"),
                "--from", "2026-11-23T02:00:00Z", "--to", "2026-11-23T04:00:00Z"));
        String said = result.out().replaceAll("\\s+", " ");
        saysAll(said, "! log times read as Europe/Berlin, which the log does not name; --log-zone",
                "early.log is empty: no line with klaviyo in the window (times without a zone read as Europe/Berlin)");
        Map<String, String> files = unpack(out);
        LogReader.Facts facts = LogReader.Facts.read(files.get("facts.json").getBytes(UTF_8));
        assertEquals("{401=1, 503=1}", facts.statuses().toString());
        saysAll(files.get("summary.md"), "- first: 2026-11-23T03:00:01Z HTTP 503", "read as Europe/Berlin, which");
        String given = ends(0, bundle(work.resolve("given.zip"), "--log", log, "--log-zone", "Europe/Berlin",
                "--from", "2026-11-23T02:00:00Z", "--to", "2026-11-23T04:00:00Z")).out();
        saysNone(given, "log times read as");
    }

    // ---- archives from anybody

    private static Path fromAnybody(String what) throws IOException {
        Path file = Tree.temporary("hostile").resolve("bundle.zip");
        return switch (what) {
            case "a text" -> Files.writeString(file, "this is no archive");
            case "a folder" -> Files.createDirectories(file);
            case "nothing" -> file;
            case "half an archive" -> {
                byte[] whole = Files.readAllBytes(zip(file, Map.of("a.txt", "a", "b.txt", "b")));
                yield Files.write(file, Arrays.copyOf(whole, whole.length / 2));
            }
            case "a pipe" -> {
                ends(0, Run.command("mkfifo", file.toString()));
                yield file;
            }
            case "70,000 files" -> zip(file, IntStream.range(0, 70_000).boxed()
                    .collect(Collectors.toMap(i -> "f" + i, i -> "")));
            case "control characters" -> zip(file, Map.of("a\u001b[31m.txt", "x"));
            case "a file as a folder" -> zip(file, new TreeMap<>(Map.of("a", "x", "a/b", "y")));
            case "names that differ in case" -> zip(file, Map.of("a.txt", "x", "A.txt", "y"));
            case "a name too long" -> zip(file, Map.of("n".repeat(300), "x"));
            case "a bomb" -> zip(file, Map.of("b.log", "0".repeat(30_000_000)));
            default -> zip(file, Map.of("manifest.json", "{\"schema\":1,\"kept\":[\"secret\"],\"files\":[]}"));
        };
    }

    /** What it is, what verify ends with and says, open and redact; as an incident to import none of them will do. */
    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = ';', value = {"a text; 2; is no archive that can be read; 2; 2",
        "a folder; 2; is no archive that can be read; 2; 2", "nothing; 2; is no archive that can be read; 2; 2",
        "half an archive; 2; is no archive that can be read; 2; 2", "a pipe; 2; no regular file; 2; 2",
        "70,000 files; 2; has more than 20000 files; 2; 2", "control characters; 42; no file may have it; 2; 0",
        "a file as a folder; 42; name a/b is given twice, or to a file and a folder; 2; 0",
        "names that differ in case; 42; is given twice; 2; 0", "a name too long; 42; is too long; 2; 0",
        "a bomb; 2; unpacks to more than is allowed; 2; 2", "a secret kept; 42; which is no personal data; 0; 0"})
    void aHostileArchiveIsRefusedInWords(String what, int verified, String why, int opened, int cleaned)
            throws IOException {
        Path file = fromAnybody(what);
        Run.Result verify = ends(verified, script("verify", file, "--max-size", "20MB"));
        saysAll((verify.out() + verify.err()).replaceAll("\\s+", " "), why);
        assertEquals(verified == 2 ? 1 : 0, verify.err().lines().count(), "one line of wrong usage");
        Path folder = file.resolveSibling("unpacked");
        Run.Result open = ends(opened, script("open", file, "--to", folder, "--max-size", "20MB"));
        assertEquals(opened == 0, Files.exists(folder), "nothing half unpacked stays");
        Path copy = file.resolveSibling("copy");
        ends(cleaned, script("redact", file, "--out", copy, "--max-size", "20MB"));
        assertEquals(cleaned == 0, Files.exists(copy), "nothing half cleaned stays");
        ends(2, with(Run.script("postmortem").cwd(file.getParent()), "import", file));
        saysNone(verify.out() + verify.err() + open.err(), "\tat ");
    }
}
