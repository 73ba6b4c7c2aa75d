import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Settings.Times;
import runbook.report.*;

/** The script as people run it. Its status page is a port that refuses, so that nothing leaves the machine. */
class PostmortemTest extends PostmortemJournals {
    private static final String NOWHERE = "http://127.0.0.1:1";
    private final Path work = Tree.temporary("postmortem");

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-runs.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        try (Session session = new Session()) {
            session.environment.put("KLAVIYO_STATUS_URL", NOWHERE);
            session.incident.create();
            Files.copy(recorded("revoked-key").journal().file(), session.incident.journal().file());
            session.play(lines);
        }
    }

    // ---- what --check finds

    @ParameterizedTest(name = "{1}")
    @Cases("postmortem-cases.txt: unfinished")
    void findsAPlaceAndLeavesCodeAlone(String rule, String line) {
        assertEquals(rule == null ? List.of() : List.of("4 " + rule),
                Document.unfinished(Templates.BUILT_IN, "```\n[name] TODO\n```\n" + line).stream()
                        .map(place -> place.line() + " " + place.rule()).toList());
    }

    // ---- times as people say them

    private static final Instant NOW = Instant.parse("2026-11-23T10:30:00Z");

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-cases.txt: times")
    void timesAsPeopleSayThem(String said, Instant meant, Instant began) {
        assertEquals(meant, Times.past("--at", said, NOW, Optional.ofNullable(began)));
    }

    @ParameterizedTest(name = "{0}")
    @Cases("postmortem-cases.txt: no times")
    void nonsenseAndTheFutureAreRefused(String said, String why) {
        String text = Objects.toString(said, "");
        String wrong = assertThrows(Problem.class, () -> Times.past("--at", text, NOW, Optional.empty())).getMessage();
        String remedy = why.equals("no time") ? "write 10:12, \"10 min ago\"" : "UTC";
        assertSays(wrong, "--at \"" + text + "\" is " + why, remedy);
    }

    // ---- archives, and how long it takes

    @ParameterizedTest
    @ValueSource(strings = {"../../evil", "x/journal.jsonl/x", "/etc/passwd", "CON", "journal.jsonl",
        "../x/journal.jsonl", "x/.env", "x/triage-1.json"})
    void hostileArchivesAreRefusedWhole(String name) throws IOException {
        Path elsewhere = Tree.temporary("postmortem");
        Tree.zip(elsewhere.resolve("x.zip"), Map.of(name, "{}"));
        Run.Result refused = Run.script("postmortem").cwd(elsewhere).args("import", "x.zip").run();
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
        Run.Running running = Run.process("postmortem").cwd(work).env("KLAVIYO_STATUS_URL", NOWHERE)
                .args("--incident", journal.toString()).start();
        long mostMemory = 0;
        long millis = 0;
        while (!running.process().waitFor(20, TimeUnit.MILLISECONDS)) {
            mostMemory = Math.max(mostMemory, Run.peakMegabytes(running.process().pid()));
            millis = running.process().info().totalCpuDuration().map(Duration::toMillis).orElse(millis);
        }
        running.await().ends(0);
        assertTrue(mostMemory < 256, mostMemory + " MB resident");
        return millis;
    }
}
