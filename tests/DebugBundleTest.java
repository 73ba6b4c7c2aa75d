import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;
import runbook.Text.Json;

/** The bundle as its users make it: the real program, every source, and nothing in the archive that should not be. */
class DebugBundleTest {
    private static final String KEY = "pk_Zz9Yx8_00112233445566778899aabbccddeeff01";
    private static final String NIGHT = "--from 2026-11-23T02:00:00Z --to 2026-11-23T04:00:00Z";
    private static final int START = 8;
    private static final LoopbackServer SERVER = new LoopbackServer(DebugBundleTest::answer);
    private static final String TO = "--api-url " + SERVER.url() + " --status-url " + SERVER.url() + " --timeout 20s";

    @AfterAll
    static void stop() {
        SERVER.close();
    }

    private static LoopbackServer.Response answer(LoopbackServer.Request request) {
        String path = request.path();
        return new LoopbackServer.Response(path.startsWith("/api/") && !path.startsWith("/api/v") ? 400 : 200,
                Session.ANSWERS.getOrDefault(path, "{}"),
                "Content-Type: application/json\nSet-Cookie: __cf_bm=s3ss10nc00k1e");
    }

    private static Run script() {
        return Run.script("debug-bundle");
    }

    private static void saysAll(String text, String... told) {
        Stream.of(told).forEach(one -> assertTrue(text.contains(one), one + " is not in " + text));
    }

    // ---- cases

    @ParameterizedTest(name = "{0}")
    @Cases("bundle-cases.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws Exception {
        try (Session session = new Session()) {
            session.environment.put("KLAVIYO_PRIVATE_KEY", KEY);
            session.names.putAll(Map.of("{url}", SERVER.url(), "{key}", KEY, "{night}", NIGHT, "{to}", TO));
            session.play(lines);
        }
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
        Files.write(logs.resolve("app.log.1.gz"), Tree.gzip(lines(sources.get(1)).getBytes(UTF_8)));
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
            Session.tool(tools, names[i], "if [ $1 = get ]; then echo '" + PODS + "'; else " + print + "; fi");
        }
        Session.ANSWERS.put("/health", "{\"status\":\"ok\",\"db\":\"postgres://shop:hEalthpw77@db/shop\"}");
        String error = "{\"errors\":[{\"status\":400,\"code\":\"invalid\",\"detail\":\"bad b0dy%s@shop.example\"}]}";
        for (String endpoint : List.of("accounts", "profiles", "lists", "metrics", "events", "webhooks")) {
            Session.ANSWERS.put("/api/" + endpoint, error.formatted(endpoint));
        }
        Path incident = Files.createDirectories(work.resolve("incident"));
        Path journal = Files.writeString(incident.resolve("journal.jsonl"), "{\"at\":\"2026-11-23T03:04:05Z\",\"step\":"
                + "\"x\",\"event\":\"note\",\"summary\":\"called j0urnal@shop.example\",\"data\":{}}\n");
        Path secrets = Files.writeString(work.resolve("secrets"), "MY_OWN=plain-looking-value\n");
        Path out = work.resolve("all.zip");
        Run run = script().env("PATH", tools + ":" + System.getenv("PATH")).env("KLAVIYO_MY_TOKEN", "env-t0ken-value")
                .env("KLAVIYO_PLAIN", "mail me at env@shop.example").env("KLAVIYO_PRIVATE_KEY", KEY).args(TO.split(" "))
                .args(NIGHT.split(" "));
        Run.Result result = run.args("--out", out, "--app-url", SERVER.url() + "/health", "--loki", SERVER.url(),
                "--loki-query", "{app=\"x\"}", "--docker", "shop", "--gcp-logs", "x", "--aws-logs", "g", "--k8s",
                "shop/app=x", "--journal", "*", "--log", logs, "--incident", incident, "--secret-file", secrets,
                "--context", "0").run().ends(0);

        Map<String, String> files = Session.unpacked(out);
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
        script().args("verify", out, "--secret-file", secrets).run().ends(0);
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

    // ---- nothing else is left out

    /** Words of one letter, that may begin in two places, of more letters than are looked for at once; or none. */
    @ParameterizedTest
    @ValueSource(strings = {"Klaviyo", "q", "anANas", "a-word-of-more-than-two-and-thirty-letters", ""})
    void everyLineOfAnOrdinaryLogThatHoldsTheWordsComesThrough(String words) throws Exception {
        Path log = Tree.temporary("ordinary").resolve("app.log");
        LogMaker.write(log, 1_500_000, 0.2, 7);
        String edges = "ananas\nbanananas\nA-WORD-of-more-than-two-and-thirty-letters\nananabananas\nx q";
        Files.writeString(log, "anana\nANANAS\n" + Files.readString(log) + edges);
        Path out = log.resolveSibling("out.zip");
        script().args(TO.split(" ")).args("--from", "2026-11-23T02:00:00Z", "--log", log, "--out", out, "--context",
                "0", "--grep", words).run().ends(0);
        Map<String, String> files = Session.unpacked(out);
        String kept = files.entrySet().stream().filter(file -> file.getKey().endsWith("app.log"))
                .map(Map.Entry::getValue).findFirst().orElseThrow();
        assertEquals(Files.readString(log).lines().filter(line -> line.toLowerCase().contains(words.toLowerCase()))
                .count(), kept.lines().count());
        assertFalse(files.get("manifest.json").contains("left out"), files.get("manifest.json"));
    }

    // ---- what it says

    @Test
    void whatItSaysOfADrillIsWhatTheArchiveHolds() throws Exception {
        Path work = Tree.temporary("drill");
        Run drill = script().cwd(work).args("--drill", "outage", "--out", "drill.zip", "--timeout", "9s");
        String screen = drill.run().ends(0).out();
        Map<String, String> files = Session.unpacked(work.resolve("drill.zip"));
        assertEquals(List.of("manifest.json", "summary.md", "report.html", "facts.json"),
                files.keySet().stream().limit(4).toList());
        JsonNode listed = Json.read(files.get("manifest.json")).path("files");
        assertEquals(files.size() - 1, listed.size());
        int places = listed.findValues("count").stream().mapToInt(JsonNode::asInt).sum();
        saysAll(screen, places + " secrets and personal data");
        saysAll(files.get("summary.md"), places + " secrets and personal data");
        files.get("summary.md").lines().filter(line -> line.startsWith("- `")).forEach(line ->
                assertTrue(line.endsWith(" `"), "a line that stayed is redacted once more: " + line));
        // The command that it printed last.
        String open = screen.lines().filter(line -> line.contains("CATALOG open ")).findFirst().orElseThrow();
        script().cwd(work).args(open.replaceFirst(".*CATALOG ", "").split(" ")).run().ends(0);
        assertEquals(files.get("report.html"), Files.readString(work.resolve("drill/report.html")));
    }

    // ---- archives from anybody

    private static Path fromAnybody(String what) throws IOException {
        Path file = Tree.temporary("hostile").resolve("bundle.zip");
        return switch (what) {
            case "a text" -> Files.writeString(file, "this is no archive");
            case "a folder" -> Files.createDirectories(file);
            case "nothing" -> file;
            case "half an archive" -> {
                byte[] whole = Files.readAllBytes(Tree.zip(file, Map.of("a.txt", "a", "b.txt", "b")));
                yield Files.write(file, Arrays.copyOf(whole, whole.length / 2));
            }
            case "a pipe" -> {
                Run.command("mkfifo").args(file).run().ends(0);
                yield file;
            }
            case "70,000 files" -> Tree.zip(file, IntStream.range(0, 70_000).boxed()
                    .collect(Collectors.toMap(i -> "f" + i, i -> "")));
            case "a leak" -> Tree.zip(file, Map.of("a.log", "key=" + KEY, "manifest.json", "{\"schema\":1,\"files\":"
                    + "[{\"path\":\"a.log\",\"sha256\":\"0\"}]}"));
            case "a way out" -> Tree.zip(file, Map.of("../evil.txt", "x"));
            case "control characters" -> Tree.zip(file, Map.of("a\u001b[31m.txt", "x"));
            case "a file as a folder" -> Tree.zip(file, new TreeMap<>(Map.of("a", "x", "a/b", "y")));
            case "names that differ in case" -> Tree.zip(file, Map.of("a.txt", "x", "A.txt", "y"));
            case "a name too long" -> Tree.zip(file, Map.of("n".repeat(300), "x"));
            case "a bomb" -> Tree.zip(file, Map.of("b.log", "0".repeat(30_000_000)));
            default -> Tree.zip(file, Map.of("manifest.json", "{\"schema\":1,\"kept\":[\"secret\"],\"files\":[]}"));
        };
    }

    private static Run archive(String verb, Path file) {
        return script().args(verb, file, "--max-size", "20MB");
    }

    /** As an incident to import none of them will do. */
    @ParameterizedTest(name = "{0}")
    @Cases("bundle-cases.txt: archives from anybody")
    void aHostileArchiveIsRefusedInWords(String what, int verified, String why, int opened, int cleaned)
            throws IOException {
        Path file = fromAnybody(what);
        Run.Result verify = archive("verify", file).run().ends(verified);
        saysAll((verify.out() + verify.err()).replaceAll("\\s+", " "), why);
        assertEquals(verified == 2 ? 1 : 0, verify.err().lines().count(), "one line of wrong usage");
        Path folder = file.resolveSibling("unpacked");
        Run.Result open = archive("open", file).args("--to", folder).run().ends(opened);
        assertEquals(opened == 0, Files.exists(folder), "nothing half unpacked stays");
        Path copy = file.resolveSibling("copy");
        archive("redact", file).args("--out", copy).run().ends(cleaned);
        assertEquals(cleaned == 0, Files.exists(copy), "nothing half cleaned stays");
        Run.script("postmortem").cwd(file.getParent()).args("import", file).run().ends(2);
        String said = verify.out() + verify.err() + open.err();
        assertFalse(said.matches("(?s).*(\tat |00112233).*"), "a trace, or a key");
        assertFalse(Files.exists(file.resolveSibling("evil.txt")), "a file left the folder");
    }
}
