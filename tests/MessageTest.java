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
import org.junit.jupiter.params.provider.EnumSource;
import runbook.*;
import runbook.DecisionTree.Diagnosis;
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
    private static final Templates TEXTS = Templates.builtIn();
    private static final Instant AT = Instant.parse("2026-11-23T03:04:05Z");

    private static final Known NOTHING = new Known(Optional.empty(), null, null, null, false);

    private static Message outage(State state, Known known) {
        return Message.of(TEXTS, "klaviyo-outage", "P1", state, AT, List.of(), known);
    }

    private static void assertSays(String text, String... parts) {
        for (String part : parts) {
            assertTrue(text.contains(part), part + " is not in\n" + text);
        }
    }

    private static void assertHides(String text, String... parts) {
        for (String part : parts) {
            assertFalse(text.contains(part), part + " is in\n" + text);
        }
    }

    /** Nothing is said to be done, known or over before it is. */
    @Test
    void bothTextsSayWhereItStands() throws IOException {
        StringBuilder texts = new StringBuilder();
        for (State state : State.values()) {
            texts.append("=== ").append(state.word()).append("\n").append(outage(state, NOTHING).internal(TEXTS))
                    .append("\n--- to customers\n").append(outage(state, NOTHING).external(TEXTS)).append("\n");
        }
        Message drill = outage(State.MITIGATING, new Known(Optional.of("outage"), "@Ana", null, null, false));
        texts.append("=== drill\n").append(drill.internal(TEXTS)).append("\n--- to customers\n")
                .append(drill.external(TEXTS));
        assertEquals(Files.readString(Repository.file("tests/messages.txt")), texts.toString());
    }

    @ParameterizedTest
    @EnumSource(Diagnosis.class)
    void everyDiagnosisHasWordsAndExternallyTheyNameNothing(Diagnosis diagnosis) {
        assertTrue(Wording.all(TEXTS).containsKey(diagnosis.id()), diagnosis.id());
        for (State state : State.values()) {
            Message message = Message.of(TEXTS, diagnosis.id(), "P1", state, AT, List.of(),
                    new Known(Optional.empty(), "Ana", "ssh 10.0.0.7 as account AbC123", null, false));
            String text = message.external(TEXTS);

            assertTrue(text.startsWith("Klaviyo Integration -- "), text);
            assertSays(text, "\nNext update: ", "\nLast updated: 2026-11-23T03:04Z");
            assertHides(text, "Ana", "AbC123", "10.0.0.7", "key",
                    Wording.of(TEXTS, diagnosis.id()).words().rootCause());
        }
    }

    @ParameterizedTest
    @CsvSource({"klaviyo-outage,P1,Major Outage", "key-invalid,P1,Major Outage", "klaviyo-degraded,P2,Degraded Performance",
        "rate-limited,P2,Degraded Performance", "partial,P3,Partial Outage", "scope-missing,P1,Major Outage",
        "scope-missing,P3,Partial Outage", "webhook-down,P3,Degraded Performance", "quota-low,P4,Operational",
        "something-new,'',Degraded Performance"})
    void customersReadHowBadItIsForThemInTheTermsOfStatusPages(String diagnosis, String severity, String component) {
        Message message = Message.of(TEXTS, diagnosis, severity, State.INVESTIGATING, AT, List.of(), NOTHING);
        assertSays(message.external(TEXTS), "Klaviyo Integration -- " + component + "\n");
        assertEquals(component.equals("Major Outage"), message.external(TEXTS).contains("are unavailable"));
    }

    @Test
    void theJournalSaysWhatWasDoneWhoLeadsAndWhenTheNextIsDue() {
        List<Event> journal = List.of(
                new Event(AT, "triage", Event.DETECTED, "triage found klaviyo-outage", Json.object()),
                new Event(AT, "triage", Event.ACKNOWLEDGED, "Ana leads", Json.object().put("by", "Ana")),
                new Event(AT, "postmortem", Event.ACKNOWLEDGED, "Bo takes over", Json.object().put("by", "Bo")),
                new Event(AT.plusSeconds(600), "x", Event.MITIGATED, "fallback on at the shop", Json.object()));
        Instant now = AT.plus(Duration.ofMinutes(15));
        Message message = Message.of(TEXTS, "klaviyo-outage", "P1", State.of(journal), now, journal, NOTHING);

        assertSays(message.internal(TEXTS), "Current action: Done at 2026-11-23T03:14Z: fallback on at the shop\n",
                "Incident lead: @Bo\n", "Next update: by 2026-11-23T03:39Z\n");
    }

    @ParameterizedTest
    @CsvSource({"mitigated,fallback on,true", "mitigated,failed calls are queued,true", "mitigated,restarted the shop,false",
        "rotated,the key was replaced,false"})
    void customersAreToldThatTheirDataIsQueuedOnlyWhereSomebodySaidSo(String kind, String what, boolean queued) {
        List<Event> journal = List.of(new Event(AT, "x", kind, what, Json.object()));
        String text = Message.of(TEXTS, "key-invalid", "P1", State.MITIGATING, AT, journal, NOTHING).external(TEXTS);
        assertSays(text, queued ? "Customer data is being queued and will be processed" : "What is delayed may arrive late.");
        assertEquals(queued, text.contains("queued"), text);
    }

    /** Somebody looks again in the middle of an incident, and all is well: that is no other incident, nor its end. */
    @ParameterizedTest
    @CsvSource({"'',Monitoring,none in the last look; it was: Sub", "recovered,Resolved,over; it was: Sub"})
    void aGoodLookInAnOpenIncidentIsToldAsThatIncident(String more, String external, String impact) {
        List<Event> journal = Stream.of("detected", "diagnosed", "note", more).filter(kind -> !kind.isEmpty())
                .map(kind -> new Event(AT, "triage", kind, "", Json.of(kind.equals("note") ? Map.of("diagnosis", "healthy")
                        : Map.of("diagnosis", "klaviyo-outage", "severity", "P1")))).toList();
        Message message = Message.of(TEXTS, "healthy", "", State.of(journal), AT, journal, NOTHING);
        assertSays(message.internal(TEXTS), "P1 INCIDENT", "Impact: " + impact);
        assertSays(message.external(TEXTS), "Klaviyo Integration -- " + external + "\n");
        assertHides(message.external(TEXTS), "unavailable", "experiencing delays");
    }

    @Test
    void valuesAreOneLineEachAndForSlackNeitherMentionNorLink() {
        Message message = outage(State.INVESTIGATING, new Known(Optional.empty(), "<@U123>", "a\nStatus: RESOLVED\u001b[31m "
                + "pk_0123456789abcdef0123456789abcdef01 <!channel> <https://evil|click> & b", null, false));
        String slack = message.forSlack(TEXTS);

        assertEquals(1, message.internal(TEXTS).lines().filter(line -> line.startsWith("Status:")).count());
        assertHides(message.internal(TEXTS), "\u001b", "0123456789abcdef");
        assertHides(slack, "<");
        assertSays(slack, "&lt;!channel&gt; &lt;https://evil|click&gt; &amp; b");
    }

    @ParameterizedTest
    @CsvSource({"0,5", "4,5", "5,20", "119,20", "120,60", "600,60"})
    void cadence(long minutesAfterTheBegin, long minutesToTheNext) {
        Instant now = AT.plus(Duration.ofMinutes(minutesAfterTheBegin));
        List<Event> journal = List.of(new Event(AT, "triage", Event.DETECTED, "", Json.object()));
        assertEquals(now.plus(Duration.ofMinutes(minutesToTheNext)), Message.due(journal, now));
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
        List<Event> journal = Stream.of(events.split(" ")).map(event -> event.split(":"))
                .map(event -> new Event(AT, "x", event[0], "",
                        Json.of(event.length > 1 ? Map.of("severity", event[1]) : Map.of())))
                .toList();

        assertEquals(state, State.of(journal));
    }

    // ---- Slack

    private static final String SECRET_PATH = "/services/T000/B000/s3cr3tPart";

    private static Slack.Posted post(String webhook) {
        URI nowhere = URI.create("http://127.0.0.1:1");
        Settings settings = new Settings(
                new Settings.Target(nowhere, nowhere, null, null, null), Optional.empty(), "2026-10-15",
                new Settings.Probing(Duration.ofSeconds(5), 1, Duration.ofSeconds(2), List.of()),
                new Settings.AppErrors(List.of(), ""), Optional.empty(), Map.of(), TEXTS);
        return Slack.post(Http.of(settings), URI.create(webhook), "P1 \"x\"\nStatus: é", Duration.ofSeconds(5));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "404;no_service;no_service: make a new webhook",
        "403;invalid_token;make a new webhook",
        "410;channel_is_archived;archived",
        "200;<html>Log in</html>;HTTP 200",
        "429;rate_limited;HTTP 429",
        "500;'';HTTP 500",
        "302;'';HTTP 302",
        "404;/services/T000/B000/s3cr3tPart not found;[masked]"})
    void slackThatSaysAnythingButOkHasNotAccepted(int status, String answer, String why) {
        try (LoopbackServer server = new LoopbackServer(
                request -> new LoopbackServer.Response(status, answer, "Retry-After: 7"))) {
            Slack.Posted posted = post(server.url() + SECRET_PATH);
            assertFalse(posted.accepted());
            assertEquals(7, posted.retryAfter().orElse(0));
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
