import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import runbook.*;
import runbook.Incident.Event;
import runbook.Message.Known;
import runbook.Message.Slack;
import runbook.Message.State;
import runbook.Message.Wording;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.Text.Json;

/** The two messages of the runbook, and the post to Slack. */
class MessageTest {
    private static final Templates TEXTS = Templates.BUILT_IN;
    private static final Instant AT = Instant.parse("2026-11-23T03:04:05Z");
    private static final Known NOTHING = new Known(Optional.empty(), null, null, null, false);

    private static Event event(String kind, String summary, Map<String, String> data) {
        return new Event(AT, "x", kind, summary, Json.of(data));
    }

    private static Event diagnosed(String diagnosis, String severity) {
        return event(Event.DIAGNOSED, "", Map.of("diagnosis", diagnosis, "severity", severity));
    }

    private static Message outage(State state, Known known) {
        return Message.of(TEXTS, state, AT, List.of(diagnosed("klaviyo-outage", "P1")), known);
    }

    private static void assertSays(String text, String... parts) {
        Stream.of(parts).forEach(part -> assertTrue(text.contains(part), part + " is not in\n" + text));
    }

    private static void assertHides(String text, String... parts) {
        Stream.of(parts).forEach(part -> assertFalse(text.contains(part), part + " is in\n" + text));
    }

    /** Nothing is said to be done, known or over before it is. */
    @Test
    void bothTextsSayWhereItStands() throws IOException {
        Map<String, Message> messages = new LinkedHashMap<>();
        Stream.of(State.values()).forEach(state -> messages.put(state.word(), outage(state, NOTHING)));
        messages.put("drill", outage(State.MITIGATING, new Known(Optional.of("outage"), "@Ana", null, null, false)));
        String texts = messages.entrySet().stream().map(one -> "=== " + one.getKey() + "\n" + one.getValue().internal()
                + "\n--- to customers\n" + one.getValue().external().orElseThrow()).collect(Collectors.joining("\n"));
        assertEquals(Files.readString(Repository.file("tests/messages.txt")), texts);
    }

    static Set<String> diagnoses() {
        return Wording.all(TEXTS).keySet();
    }

    @ParameterizedTest
    @MethodSource("diagnoses")
    void externallyTheWordsOfADiagnosisNameNothing(String diagnosis) {
        for (State state : State.values()) {
            Known known = new Known(Optional.empty(), "Ana", "ssh 10.0.0.7 as account AbC123", null, false);
            List<Event> journal = List.of(diagnosed(diagnosis, "P1"));
            String text = Message.of(TEXTS, state, AT, journal, known).external().orElseThrow();
            assertTrue(text.startsWith("Klaviyo Integration -- "), text);
            assertSays(text, "\nNext update: ", "\nLast updated: 2026-11-23T03:04Z");
            assertHides(text, "Ana", "AbC123", "10.0.0.7", "key", Wording.of(TEXTS, diagnosis).words().rootCause());
        }
    }

    @ParameterizedTest
    @CsvSource({"klaviyo-outage,P1,Major Outage", "key-invalid,P1,Major Outage", "scope-missing,P1,Major Outage",
        "klaviyo-degraded,P2,Degraded Performance", "rate-limited,P2,Degraded Performance", "partial,P3,Partial Outage",
        "scope-missing,P3,Partial Outage", "webhook-down,P3,Degraded Performance", "quota-low,P4,Operational",
        "something-new,P2,Degraded Performance"})
    void customersReadHowBadItIsForThemInTheTermsOfStatusPages(String diagnosis, String severity, String component) {
        String text = Message.of(TEXTS, State.INVESTIGATING, AT, List.of(diagnosed(diagnosis, severity)), NOTHING)
                .external().orElseThrow();
        assertSays(text, "Klaviyo Integration -- " + component + "\n");
        assertEquals(component.equals("Major Outage"), text.contains("are unavailable"));
        assertEquals(component.equals("Operational"), !text.contains("What is delayed"), text);
    }

    @ParameterizedTest
    @CsvSource({"network", "key-missing", "indeterminate", "something-new"})
    void customersAreToldNothingThatNobodyKnows(String diagnosis) {
        Message message = Message.of(TEXTS, State.INVESTIGATING, AT, List.of(diagnosed(diagnosis, "")), NOTHING);
        assertEquals(Optional.empty(), message.external());
        assertSays(message.internal(), "P? INCIDENT", "Impact: Not yet known");
    }

    @Test
    void theJournalSaysWhatWasDoneWhoLeadsAndWhenTheNextIsDue() {
        List<Event> journal = List.of(diagnosed("klaviyo-outage", "P1"),
                event(Event.ACKNOWLEDGED, "Ana leads", Map.of("by", "Ana")),
                event(Event.ACKNOWLEDGED, "Bo takes over", Map.of("by", "Bo")),
                new Event(AT.plusSeconds(600), "x", Event.MITIGATED, "fallback on at the shop", Json.object()));
        Message message = Message.of(TEXTS, State.of(journal), AT.plus(Duration.ofMinutes(15)), journal, NOTHING);
        assertSays(message.internal(), "Current action: Done at 2026-11-23T03:14Z: fallback on at the shop\n",
                "Incident lead: @Bo\n", "Next update: by 2026-11-23T03:39Z\n");
    }

    @ParameterizedTest
    @CsvSource({"mitigated,fallback on,true", "mitigated,failed calls are queued,true",
        "mitigated,restarted the shop,false", "rotated,the key was replaced,false"})
    void customersAreToldThatTheirDataIsQueuedOnlyWhereSomebodySaidSo(String kind, String what, boolean queued) {
        List<Event> journal = List.of(diagnosed("key-invalid", "P1"), event(kind, what, Map.of()));
        String text = Message.of(TEXTS, State.MITIGATING, AT, journal, NOTHING).external().orElseThrow();
        assertSays(text, queued ? "Customer data is being queued and will be processed"
                : "What is delayed may arrive late.");
        assertEquals(queued, text.contains("queued"), text);
    }

    /** Somebody looks again in the middle of an incident, and all is well: that is no other incident, nor its end. */
    @ParameterizedTest
    @CsvSource({"'',Monitoring,none in the last look; it was: Sub", "recovered,Resolved,over; it was: Sub"})
    void aGoodLookInAnOpenIncidentIsToldAsThatIncident(String more, String external, String impact) {
        Known good = new Known(Optional.empty(), null, null, null, true);
        List<Event> journal = List.of(diagnosed("klaviyo-outage", "P1"),
                event(Event.NOTE, "", Map.of("diagnosis", "healthy")), event(more, "", Map.of()));
        Message message = Message.of(TEXTS, State.of(journal), AT, journal, good);
        String text = message.external().orElseThrow();
        assertSays(message.internal(), "P1 INCIDENT", "Impact: " + impact);
        assertSays(text, "Klaviyo Integration -- " + external + "\n");
        assertHides(text, "unavailable", "experiencing delays");
    }

    @Test
    void valuesAreOneLineEachAndForSlackNeitherMentionNorLink() {
        Message message = outage(State.INVESTIGATING, new Known(Optional.empty(), "<@U123>", "a\nStatus: RESOLVED"
                + "\u001b[31m pk_0123456789abcdef0123456789abcdef01 <!channel> <https://evil|click> & b", null, false));
        assertEquals(1, message.internal().lines().filter(line -> line.startsWith("Status:")).count());
        assertHides(message.internal(), "\u001b", "0123456789abcdef");
        assertHides(message.forSlack(), "<");
        assertSays(message.forSlack(), "&lt;!channel&gt; &lt;https://evil|click&gt; &amp; b");
    }

    @ParameterizedTest
    @CsvSource({"0,5", "4,5", "5,20", "119,20", "120,60", "600,60"})
    void cadence(long minutesAfterTheBegin, long minutesToTheNext) {
        Instant now = AT.plus(Duration.ofMinutes(minutesAfterTheBegin));
        assertEquals(now.plus(Duration.ofMinutes(minutesToTheNext)),
                Message.due(List.of(event(Event.DETECTED, "", Map.of())), now));
    }

    @ParameterizedTest
    @CsvSource({
        "'',INVESTIGATING",
        "detected diagnosed,INVESTIGATING",
        "detected mitigated note,MITIGATING",
        "detected rotated recovered,RESOLVED",
        "detected recovered degraded,INVESTIGATING",
        "detected mitigated diagnosed,MITIGATING",
        "detected recovered diagnosed,RESOLVED",
        "detected recovered diagnosed:P1,INVESTIGATING",
        "detected recovered diagnosed:P4,RESOLVED",
        "recovered closed,RESOLVED"})
    void stateOfAJournal(String events, State state) {
        assertEquals(state, State.of(Stream.of(events.split(" ")).map(one -> (one + ": ").split(":"))
                .map(part -> event(part[0], "", Map.of("severity", part[1].strip()))).toList()));
    }

    // ---- Slack

    private static final String SECRET_PATH = "/services/T000/B000/s3cr3tPart";

    private static Slack.Posted post(String webhook) {
        URI nowhere = URI.create("http://127.0.0.1:1");
        Settings settings = new Settings(
                new Settings.Target(nowhere, nowhere, null, null, null, false), Optional.empty(), "2026-10-15",
                new Settings.Probing(Duration.ofSeconds(5), 1, List.of(), "", List.of()),
                Optional.empty(), Map.of(), TEXTS);
        return Slack.post(Http.of(settings), URI.create(webhook), "P1 \"x\"\nStatus: é");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "404;no_service;no_service: make a new webhook;7",
        "403;invalid_token;make a new webhook;7",
        "410;channel_is_archived;archived;7",
        "200;<html>Log in</html>;HTTP 200;7",
        "429;rate_limited;HTTP 429;7",
        "429;rate_limited;HTTP 429;86400",
        "500;'';HTTP 500;7",
        "302;'';HTTP 302;7",
        "404;/services/T000/B000/s3cr3tPart not found;[masked];7"})
    void slackThatSaysAnythingButOkHasNotAccepted(int status, String answer, String why, int wait) {
        try (LoopbackServer server = new LoopbackServer(
                request -> new LoopbackServer.Response(status, answer, "Retry-After: " + wait))) {
            Slack.Posted posted = post(server.url() + SECRET_PATH);
            assertFalse(posted.accepted());
            assertEquals(wait == 7 ? 7 : 0, posted.retryAfter().orElse(0));
            assertSays(posted.why(), why);
            assertHides(posted.why(), "s3cr3t");
        }
    }

    @Test
    void aWebhookThatIsNotThereOrIsNoAddressIsNotShown() {
        assertEquals("Slack was not reached: refused", post("http://127.0.0.1:1" + SECRET_PATH).why());
        Problem problem = assertThrows(
                Problem.class, () -> Slack.webhook(Map.of("SLACK_WEBHOOK_URL", "hooks.slack.com" + SECRET_PATH)));
        assertSays(problem.getMessage(), "SLACK_WEBHOOK_URL is no address");
        assertHides(problem.getMessage(), "s3cr3t");
        assertEquals(Optional.empty(), Slack.webhook(Map.of()));
    }
}
