import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Incident;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.Text.Moment;
import runbook.Tool;

/** The script as people run it. Its status page is a port that refuses, so that nothing leaves the machine. */
class PostmortemTest extends PostmortemJournals {
    private static final Map<String, String> NOWHERE = Map.of("KLAVIYO_STATUS_URL", "http://127.0.0.1:1");
    private final Path work = Tree.temporary("postmortem");

    static Stream<Arguments> runs() {
        return cases("postmortem-runs.txt");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("runs")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        String base = work + "/klaviyo-incidents";
        Incident incident = Incident.at(Path.of(base, "20261120T030405Z"));
        incident.create();
        Files.copy(recorded("revoked-key").journal().file(), incident.journal().file());
        Map<String, String> names = Map.of("{work}", work.toString(), "{base}", base, "{incident}", incident.toString(),
                "{copy}", work + "/elsewhere/klaviyo-incidents/20261120T030405Z", "{now}", Instant.now().toString(),
                "{key}", "pk_0123456789abcdef0123456789abcdef01", "{templates}",
                Repository.file("templates").toString());
        Map<String, String> environment = new HashMap<>(NOWHERE);
        Path in = work;
        String typed = null;
        Run.Result last = null;
        for (String written : lines) {
            String line = written;
            for (Map.Entry<String, String> one : names.entrySet()) {
                line = line.replace(one.getKey(), one.getValue());
            }
            String[] words = line.split(" ", 3);
            String rest = line.replaceFirst("\\S* ?", "");
            String screen = last == null ? "" : (last.out() + last.err()).replaceAll("\\s+", " ");
            switch (words[0]) {
                case "sh" -> assertEquals(0, Run.command("sh", "-c", rest).cwd(work).run().exit(), line);
                case "file" -> Tree.write(work.resolve(words[1]), unescaped(words[2]));
                case "filled" -> Tree.write(work.resolve(rest), filledIn(read(work.resolve(rest))));
                case "env" -> environment.put(words[1], words[2]);
                case "in" -> in = Files.createDirectories(work.resolve(rest)).normalize();
                case "type" -> typed = unescaped(rest);
                case "run" -> {
                    last = ran(words[2], in, environment, typed);
                    assertEquals(Integer.parseInt(words[1]), last.exit(), line + "\n" + last);
                    Tree.write(work.resolve("screen"), last.out() + last.err());
                }
                case "says" -> assertTrue(screen.matches(".*\\Q" + rest.replace(" .. ", "\\E.*\\Q") + "\\E.*"),
                        line + "\n--- not in\n" + last);
                case "silent" -> assertFalse(screen.contains(rest), line + "\n--- in\n" + last);
                case "holds" -> assertSays(read(work.resolve(words[1])), words[2]);
                case "lacks" -> assertFalse(read(work.resolve(words[1])).contains(words[2]), line);
                case "json" -> assertEquals(words[2], Json.read(last.out()).at(words[1]).asText(), line);
                default -> assertEquals("", line);
            }
        }
    }

    /** Of a script and its words; at a terminal where somebody types. */
    private static Run.Result ran(String words, Path in, Map<String, String> environment, String typed) {
        List<String> all = Tool.split("case", words);
        Run run = Run.script(all.get(0)).cwd(in).args(all.subList(1, all.size()).toArray(String[]::new));
        environment.forEach(run::env);
        return typed == null ? run.run() : run.terminal(100).stdin(typed).run();
    }

    private static String unescaped(String text) {
        return text.replaceAll("(?<!\\\\)\\\\n", "\n").replace("\\\\n", "\\n").replace("\\r", "\r")
                .replace("\\uFEFF", "\uFEFF");
    }

    // ---- times as people say them

    private static final Instant NOW = Instant.parse("2026-11-23T10:30:00Z");

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-cases.txt: times")
    void timesAsPeopleSayThem(String said, Instant meant, Instant began) {
        assertEquals(meant, Moment.past("--at", said, NOW, Optional.ofNullable(began)));
    }

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-cases.txt: no times")
    void nonsenseAndTheFutureAreRefused(String said, String why) {
        String text = Objects.toString(said, "");
        String wrong = assertThrows(Problem.class, () -> Moment.past("--at", text, NOW, Optional.empty())).getMessage();
        assertSays(wrong, "--at \"" + text + "\" is " + why, why.equals("no time") ? "write 10:12, \"10 min ago\"" : "UTC");
    }

    // ---- archives, and how long it takes

    @ParameterizedTest
    @ValueSource(strings = {"../../evil", "x/journal.jsonl/x", "/etc/passwd", "CON", "journal.jsonl",
        "../x/journal.jsonl", "x/.env", "x/triage-1.json"})
    void hostileArchivesAreRefusedWhole(String name) throws IOException {
        Path elsewhere = Tree.temporary("postmortem");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(elsewhere.resolve("x.zip")))) {
            zip.putNextEntry(new ZipEntry(name));
            zip.write("{}".getBytes(StandardCharsets.UTF_8));
        }
        Run.Result refused = ran("postmortem import x.zip", elsewhere, NOWHERE, null);
        assertSays(refused.exit() + " " + refused.err(), "2 error: ", "x.zip is not taken in: it holds ");
        try (Stream<Path> left = Files.walk(elsewhere)) {
            assertEquals(List.of("klaviyo-incidents", "x.zip"),
                    left.skip(1).map(path -> path.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void aHundredThousandEventsTakeAtMostTwiceTheTimeOfTen() throws IOException, InterruptedException {
        long small = Math.min(time(10), time(10));
        long large = Long.MAX_VALUE;
        // The processor's time counts, for the machine may be busy with other tests; and the best of a few.
        for (int attempt = 0; attempt < 4 && large > 2 * small; attempt++) {
            large = Math.min(large, time(100_000));
            small = Math.max(small, time(10));
        }
        assertTrue(large <= 2 * small, "100,000 events " + large + " ms, 10 events " + small + " ms");
    }

    private long time(int events) throws IOException, InterruptedException {
        Path journal = work.resolve("of-" + events);
        if (Files.notExists(journal)) {
            String line = "{\"at\":\"%s\",\"step\":\"watch\",\"event\":\"note\",\"summary\":\"round %d\","
                    + "\"data\":{\"n\":1}}\n";
            Files.createDirectories(journal);
            Files.writeString(journal.resolve("journal.jsonl"), IntStream.range(0, events)
                    .mapToObj(i -> String.format(line, BEGAN.plusMillis(300L * i), i)).collect(Collectors.joining()));
        }
        Run.Running running = Run.process("postmortem").cwd(work).env("KLAVIYO_STATUS_URL", "http://127.0.0.1:1")
                .args("--incident", journal.toString()).start();
        long mostMemory = 0;
        long millis = 0;
        while (!running.process().waitFor(20, TimeUnit.MILLISECONDS)) {
            mostMemory = Math.max(mostMemory, residentMegabytes(running.process().pid()));
            millis = running.process().info().totalCpuDuration().map(Duration::toMillis).orElse(millis);
        }
        assertEquals(0, running.await().exit());
        assertTrue(mostMemory < 256, mostMemory + " MB resident");
        return millis;
    }

    private static long residentMegabytes(long pid) {
        try {
            Matcher peak = Pattern.compile("VmHWM:\\s+(\\d+) kB")
                    .matcher(read(Path.of("/proc/" + pid + "/status")));
            return peak.find() ? Long.parseLong(peak.group(1)) / 1024 : 0;
        } catch (UncheckedIOException e) {
            // No such file system here, or the process has just ended.
            return 0;
        }
    }
}
