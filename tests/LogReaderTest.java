import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.lang.management.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.*;

/** What an application's log tells of its calls to Klaviyo: for triage, the bundle's facts.json and the postmortem. */
class LogReaderTest {
    private static final String AT = "2026-11-23T03:04:05Z ";

    private static Facts read(String log) {
        return read(log, "UTC");
    }

    private static Facts read(String log, String zone) {
        LogReader reader = new LogReader(ZoneId.of(zone), null, Instant.parse("2026-11-24T00:00:00Z"), text -> text);
        byte[] bytes = log.getBytes(StandardCharsets.UTF_8);
        LogReader.Source source = reader.source();
        source.take(bytes, bytes.length);
        source.end();
        return reader.facts();
    }

    @ParameterizedTest
    @Cases("log-lines.txt: lines")
    void aStatusIsReadInTheFormsThatClientsWriteAndNothingElseIsTakenForOne(String status, String line) {
        Map<Integer, Long> expected = status.equals("-") ? Map.of() : Map.of(Integer.valueOf(status), 1L);
        assertEquals(expected, read(AT + line.replace("\\n", "\n") + "\n").statuses());
    }

    @ParameterizedTest
    @Cases("log-lines.txt: callers")
    void whoCallsIsReadAsPythonRailsAndNodeWriteIt(String caller, String line) {
        assertEquals(List.of(caller), read(AT + line + "\n").callers().stream().map(Facts.Caller::name).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"url ", "POST ", "path=/", "\"GET /", "->", "401 ", "404 (", "GET /api/", "error ",
        "status ", "/api/list", "wait ", "03:04:05 "})
    void aLineOfNothingButOneSignTakesNoLongerThanOthers(String sign) {
        String line = "klaviyo " + sign.repeat(4_000 / sign.length());
        String log = IntStream.range(0, 26).mapToObj(i -> line + "ghijklmnopqrstuvwxyzGHIJKLMNOP".charAt(i))
                .collect(Collectors.joining("\n"));
        ThreadMXBean clock = ManagementFactory.getThreadMXBean();
        long began = clock.getCurrentThreadCpuTime();
        read(log);
        long spent = clock.getCurrentThreadCpuTime() - began;
        assertTrue(spent < 1_500_000_000L, "of the processor's time, not the machine's");
    }

    @Test
    void aRunawayLoopIsTold() {
        String usual = IntStream.range(0, 20).mapToObj(i -> "2026-11-23T00:" + (30 + i)
                + ":01Z INFO shop.Profiles - POST https://a.klaviyo.com/api/profiles status=201\n")
                .collect(Collectors.joining());
        String loop = IntStream.range(0, 400).mapToObj(i -> "2026-11-23T00:" + (47 + i / 100)
                + ":02Z ERROR shop.sync.Worker - POST https://a.klaviyo.com/api/events status=429 Retry-After: "
                + i % 9)
                .collect(Collectors.joining("\n", "", "\n"));
        Facts facts = read(usual + loop);
        Facts.Rate loudest = facts.endpoints().get(0);
        assertEquals("POST /api/events", loudest.endpoint());
        assertEquals(100, loudest.perMinute());
        assertEquals(Instant.parse("2026-11-23T00:47:00Z"), loudest.since());
        assertEquals("shop.sync.Worker", facts.callers().get(0).name());
        assertEquals(8, facts.waits().get(0).longestSeconds());
        assertEquals(Instant.parse("2026-11-23T00:47:02Z"), facts.first().at());
    }

    @ParameterizedTest
    @Cases("log-lines.txt: times")
    void timesAreReadInTheirZone(String stamp, String zone, Instant at, boolean named) {
        Facts facts = read(stamp + " klaviyo status=500\n", zone);
        assertEquals(at, facts.first().at());
        assertEquals(named, facts.zoneNamed());
    }

    @Test
    void customersAreCountedByPseudonym() {
        Facts facts = read(AT + "klaviyo status=400 email=email-3f9a2c\n" + AT + "klaviyo status=400 email-12ab34\n"
                + AT + "klaviyo status=202 email-777777\n");
        assertEquals(2, facts.customers().count());
        assertEquals(List.of("email-12ab34", "email-3f9a2c"), List.copyOf(facts.customers().most().keySet()));
    }

    @Test
    void factsComeBackFromTheirFileAndOthersAreRefused() throws IOException {
        Facts facts = read(AT + "ERROR klaviyo.Queue - POST /api/events status=503\n");
        assertEquals(facts, Facts.read(facts.json().getBytes(StandardCharsets.UTF_8)));
        assertEquals(List.of(), Facts.read("{\"schema\":1,\"new\":2}".getBytes(StandardCharsets.UTF_8)).minutes());
        for (String other : List.of("{\"schema\":7}", "[]", "null", "{\"schema\":1,\"from\":\"noon\"}", "nothing")) {
            assertThrows(IOException.class, () -> Facts.read(other.getBytes(StandardCharsets.UTF_8)), other);
        }
    }
}
