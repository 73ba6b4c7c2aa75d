import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import runbook.Http;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Settings;
import runbook.Settings.Templates;
import runbook.Incident.Event;
import runbook.Message;
import runbook.Message.DataLoss;
import runbook.Message;
import runbook.Message.Slack;
import runbook.Message.State;
import runbook.Message.Template;
import runbook.Message.Wording;
import runbook.DecisionTree.Diagnosis;

/** The two messages of the runbook, and the post to Slack. */
class MessageTest {
    private static final Templates TEXTS = Templates.builtIn();
    private static final Instant AT = Instant.parse("2026-11-23T03:04:05Z");
    private static final List<String> INTERNAL_FIELDS = List.of(
            "INCIDENT: Klaviyo Integration",
            "Status: ",
            "Impact: ",
            "Root cause: ",
            "Current action: ",
            "ETA: ",
            "Incident lead: ",
            "Next update: ",
            "Last updated: ");

    @ParameterizedTest
    @EnumSource(Diagnosis.class)
    void everyDiagnosisHasWords(Diagnosis diagnosis) {
        assertTrue(Wording.all(TEXTS).containsKey(diagnosis.id()), diagnosis.id());
    }

    @ParameterizedTest
    @EnumSource(State.class)
    void internalHasEveryField(State state) {
        String text = Message.of(TEXTS, "key-invalid", "P1", state, AT).withLead("@Ana").withEta("03:30").internal(TEXTS);

        INTERNAL_FIELDS.forEach(field -> assertTrue(text.contains(field), field + " in\n" + text));
        assertTrue(text.startsWith("P1 INCIDENT"), text);
        assertTrue(text.contains("Status: " + state.name()), text);
        assertTrue(text.contains("Incident lead: @Ana\n") && text.contains("ETA: 03:30"), text);
        assertFalse(text.contains("DRILL"), text);
    }

    @ParameterizedTest
    @EnumSource(Diagnosis.class)
    void externalNamesNothing(Diagnosis diagnosis) {
        for (State state : State.values()) {
            Message announcement = Message.of(TEXTS, diagnosis.id(), "P1", state, AT)
                    .withLead("Ana")
                    .withImpact("db7.internal is down")
                    .withRootCause("account AbC123 revoked by Ana")
                    .withAction("ssh 10.0.0.7")
                    .withEta("when Ana is back");
            String text = announcement.external(TEXTS);

            for (String secret : List.of(
                    "Ana",
                    "db7",
                    "AbC123",
                    "10.0.0.7",
                    "revoked",
                    "key",
                    "Wording",
                    announcement.words().rootCause())) {
                assertFalse(text.contains(secret), secret + " in\n" + text);
            }
            assertTrue(
                    text.startsWith("Klaviyo Integration -- ")
                            && text.contains("\nNext update: ")
                            && text.contains("\nLast updated: 2026-11-23T03:04Z"),
                    text);
        }
    }

    @Test
    void externalIsTheRunbooksText() {
        assertEquals("""
            Klaviyo Integration -- Degraded Performance

            Some features powered by Klaviyo (email subscriptions, event tracking) are experiencing delays. Customer data is being queued and will be processed once the issue is resolved.

            No data loss is expected. We are monitoring the situation.

            Next update: by 2026-11-23T03:09Z
            Last updated: 2026-11-23T03:04Z
            """, Message.of(TEXTS, "klaviyo-outage", "P1", State.MITIGATING, AT).external(TEXTS));
    }

    @Test
    void nothingIsSaidToBeDoneBeforeItIs() {
        Message first = Message.of(TEXTS, "klaviyo-outage", "P1", State.INVESTIGATING, AT);
        String internal = first.internal(TEXTS);
        String external = first.external(TEXTS);

        assertTrue(internal.contains("Current action: To do: switch fallback mode on, queue failed calls"), internal);
        assertFalse(external.contains("No data loss") || external.contains("is being queued"), external);
        assertTrue(external.contains("We are checking that no data was lost and will say so here."), external);
        assertTrue(first.withDataLoss(DataLoss.NOT_EXPECTED).external(TEXTS).contains("No data loss is expected."));
    }

    @Test
    void theJournalSaysWhatWasDoneWhoLeadsAndWhenTheNextIsDue() {
        List<Event> journal = List.of(
                new Event(AT, "triage", Event.DETECTED, "triage found klaviyo-outage", Json.object()),
                new Event(AT, "triage", Event.ACKNOWLEDGED, "Ana leads", Json.object().put("by", "Ana")),
                new Event(AT.plusSeconds(600), "postmortem", Event.MITIGATED, "fallback on at the shop", Json.object()));
        Instant now = AT.plus(Duration.ofMinutes(15));
        String text = Message.of(TEXTS, "klaviyo-outage", "P1", State.of(journal), now, journal).internal(TEXTS);

        assertTrue(text.contains("Current action: Done at 2026-11-23T03:14Z: fallback on at the shop\n"), text);
        assertTrue(text.contains("Incident lead: @Ana\n"), text);
        assertTrue(text.contains("Next update: by 2026-11-23T03:39Z\n"), text);
    }

    @Test
    void resolutionTellsAboutLostData() {
        Message over = Message.of(TEXTS, "klaviyo-outage", "P1", State.RESOLVED, AT);

        assertTrue(over.withDataLoss(DataLoss.NONE).external(TEXTS).contains("No data was lost."));
        assertTrue(over.external(TEXTS).contains("We are checking that no data was lost"));
        assertTrue(over.external(TEXTS).contains("Next update: this is the last one"));
    }

    @Test
    void drillsSayDrill() {
        Message drill =
                Message.of(TEXTS, "klaviyo-outage", "P1", State.INVESTIGATING, AT).withDrill(Optional.of("outage"));

        assertTrue(drill.internal(TEXTS).startsWith("DRILL (outage)"));
        assertTrue(drill.external(TEXTS).startsWith("DRILL"));
    }

    @Test
    void nobodyEstimatesOrLeadsByDefault() {
        String text = Message.of(TEXTS, "klaviyo-outage", "P1", State.INVESTIGATING, AT).internal(TEXTS);

        assertTrue(text.contains("ETA: unknown\n") && text.contains("Incident lead: nobody yet\n"), text);
        assertTrue(text.contains("(suspected)"), "a cause is suspected until something is done about it");
    }

    @Test
    void valuesStayOneLineEach() {
        String text = Message.of(TEXTS, "x", "P1", State.INVESTIGATING, AT)
                .withImpact("a\nStatus: RESOLVED\u001b[31m pk_0123456789abcdef0123456789abcdef01").internal(TEXTS);

        assertEquals(1, text.lines().filter(line -> line.startsWith("Status:")).count(), text);
        assertFalse(text.contains("\u001b") || text.contains("0123456789abcdef"), text);
    }

    @Test
    void slackTextCannotMentionOrLink() {
        String text = Message.of(TEXTS, "x", "P1", State.INVESTIGATING, AT)
                .withImpact("<!channel> <https://evil|click> a & b")
                .withLead("<@U123>").forSlack(TEXTS);

        assertFalse(text.contains("<"), text);
        assertTrue(text.contains("&lt;!channel&gt; &lt;https://evil|click&gt; a &amp; b"), text);
    }

    @ParameterizedTest
    @CsvSource({"0,5", "4,5", "5,20", "119,20", "120,60", "600,60"})
    void cadence(long minutesAfterTheBegin, long minutesToTheNext) {
        Instant now = AT.plus(Duration.ofMinutes(minutesAfterTheBegin));

        assertEquals(now.plus(Duration.ofMinutes(minutesToTheNext)), Message.due(AT, now));
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
        "recovered closed,RESOLVED"
    })
    void stateOfAJournal(String events, State state) {
        List<Event> journal = Stream.of(events.split(" "))
                .map(event -> event.split(":"))
                .map(event -> new Event(
                        AT, "x", event[0], "", Json.of(event.length > 1 ? Map.of("severity", event[1]) : Map.of())))
                .toList();

        assertEquals(state, State.of(journal));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
            "ok\\n{{impact}} {{imapct}};team.md line 2: there is no {{imapct}}, did you mean {{impact}}?",
            "a {{#drill}}{{severty}}{{/drill}};team.md line 1: there is no {{severty}}, did you mean {{severity}}?",
            "{{^rootcause}}x{{/rootcause}};team.md line 1: there is no {{rootcause}}, did you mean {{rootCause}}?",
            "{{somethingElse}};there is no {{somethingElse}}; there are currentAction, drill",
            "a {{#drill}}x;team.md: Section missing close tag",
            "{{>other}};team.md: {{>other}}: a template cannot include another"})
    void templateErrorsSayWhatIsMeant(String template, String message) {
        Message announcement = Message.of(TEXTS, "x", "P1", State.INVESTIGATING, AT);
        Template team = Template.of("team.md", template.replace("\\n", "\n"));

        Problem problem = assertThrows(Problem.class, () -> announcement.internal(team));
        assertTrue(problem.getMessage().contains(message), problem.getMessage());
    }

    // ---- Slack

    private static final String SECRET_PATH = "/services/T000/B000/s3cr3tPart";

    /** What Slack said, what we make of it, and what it was sent. */
    private record Delivery(Slack.Posted posted, String body, String contentType) { }

    private static Delivery deliver(int status, String answer, Map<String, String> headers)
            throws IOException, InterruptedException {
        BlockingQueue<String> received = new LinkedBlockingQueue<>();
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(SECRET_PATH, exchange -> {
            received.add(exchange.getRequestHeaders().getFirst("content-type"));
            received.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            headers.forEach(exchange.getResponseHeaders()::set);
            byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
        try {
            URI webhook = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + SECRET_PATH);
            Slack.Posted posted = Slack.post(http(), webhook, "P1 \"x\"\nStatus: é", Duration.ofSeconds(5));
            String contentType = received.take();
            return new Delivery(posted, received.take(), contentType);
        } finally {
            server.stop(0);
        }
    }

    private static Http http() {
        return Http.of(new Settings(
                new Settings.Target(
                        URI.create("http://127.0.0.1:1"), URI.create("http://127.0.0.1:1"), null, null, null),
                Optional.empty(),
                "2026-07-15",
                new Settings.Probing(Duration.ofSeconds(5), 1, Duration.ofSeconds(2), List.of()),
                new Settings.AppErrors(List.of(), ""),
                Optional.empty(),
                Map.of(),
                TEXTS));
    }

    @Test
    void slackGetsJsonAndIsBelievedWhenItSaysOk() throws Exception {
        Delivery delivery = deliver(200, "ok", Map.of());

        assertTrue(delivery.posted.accepted());
        assertEquals("P1 \"x\"\nStatus: é", Json.read(delivery.body).path("text").asText());
        assertTrue(delivery.contentType.startsWith("application/json"), delivery.contentType);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "404;no_service;make a new one",
                "403;invalid_token;revoked",
                "410;channel_is_archived;archived",
                "200;<html>Log in</html>;HTTP 200",
                "500;;HTTP 500",
                "302;;HTTP 302",
                "404;/services/T000/B000/s3cr3tPart not found;[masked]"
            })
    void slackThatSaysAnythingElseHasNotAccepted(int status, String answer, String why) throws Exception {
        Slack.Posted posted = deliver(status, answer == null ? "" : answer, Map.of()).posted;

        assertFalse(posted.accepted());
        assertTrue(posted.why().contains(why), posted.why());
        assertFalse(posted.why().contains("s3cr3t"), posted.why());
    }

    @Test
    void slackThatIsBusyTellsWhenToTryAgain() throws Exception {
        assertEquals(7, deliver(429, "rate_limited", Map.of("Retry-After", "7")).posted.retryAfter().orElse(0));
    }

    @Test
    void slackThatIsNotThereIsNamedWithoutItsAddress() {
        Slack.Posted posted =
                Slack.post(http(), URI.create("http://127.0.0.1:1" + SECRET_PATH), "x", Duration.ofSeconds(5));

        assertFalse(posted.accepted());
        assertEquals("Slack was not reached: refused", posted.why());
    }

    @Test
    void aWebhookThatIsNoAddressIsNotShown() {
        Problem problem = assertThrows(
                Problem.class, () -> Slack.webhook(Map.of("SLACK_WEBHOOK_URL", "hooks.slack.com" + SECRET_PATH)));

        assertTrue(
                problem.getMessage().contains("SLACK_WEBHOOK_URL")
                        && !problem.getMessage().contains("s3cr3t"),
                problem.getMessage());
        assertEquals(Optional.empty(), Slack.webhook(Map.of()));
    }
}
