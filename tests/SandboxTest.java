import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.net.ConnectException;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.jupiter.params.support.AnnotationConsumer;
import runbook.Key;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Settings.Templates;
import runbook.Text.Json;
import runbook.sandbox.ControlledSandbox;
import runbook.sandbox.Sandbox;
import runbook.sandbox.Sandbox.Scenario;

/** The sandbox refuses what Klaviyo refuses, line by line, and each scenario is what its name says. */
class SandboxTest {
    /** The rows of one table in {@code tests/sandbox-cases.txt}. */
    @Retention(RetentionPolicy.RUNTIME)
    @ArgumentsSource(CaseTable.class)
    @interface Cases {
        String value();
    }

    static final class CaseTable implements ArgumentsProvider, AnnotationConsumer<Cases> {
        private String name;

        @Override
        public void accept(Cases cases) {
            name = cases.value();
        }

        @Override
        public Stream<? extends Arguments> provideArguments(ExtensionContext context) throws IOException {
            String text = Files.readString(Repository.file("tests/sandbox-cases.txt"));
            String table = text.substring(text.indexOf("[" + name + "]\n") + name.length() + 3).split("\n\n")[0];
            return table.lines().map(row -> Arguments.of(Arrays.stream(row.split("\\|", -1)).map(String::strip)
                    .map(cell -> cell.equals("-") ? null : cell).toArray()));
        }
    }

    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final String REVISION = "2026-07-15";
    private static final String BETA = "2026-07-15.pre";
    private static ControlledSandbox healthy;

    private final List<AutoCloseable> opened = new ArrayList<>();

    @BeforeAll
    static void startHealthy() {
        healthy = ControlledSandbox.start("healthy", Duration.ZERO, 0);
    }

    @AfterAll
    static void stopHealthy() {
        healthy.close();
    }

    @BeforeEach
    void openEveryWindow() {
        healthy.forget();
    }

    @AfterEach
    void stop() throws Exception {
        for (AutoCloseable sandbox : opened) {
            sandbox.close();
        }
    }

    /** One whose time stands still, so that no rate window opens and no schedule turns by itself on a slow machine. */
    private ControlledSandbox start(String scenario) {
        ControlledSandbox sandbox = ControlledSandbox.start(scenario, Duration.ZERO, 0);
        opened.add(sandbox);
        return sandbox;
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return CLIENT.send(request.timeout(Duration.ofSeconds(20)).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static HttpResponse<String> get(URI uri) {
        return send(HttpRequest.newBuilder(uri));
    }

    private static HttpResponse<String> post(URI uri, String body) {
        return send(HttpRequest.newBuilder(uri).header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body)));
    }

    private static HttpRequest.Builder api(Sandbox sandbox, String target, String key, String revision) {
        String scheme = key.startsWith("Bearer ") ? "" : "Klaviyo-API-Key ";
        return HttpRequest.newBuilder(URI.create(sandbox.apiUrl() + target))
                .header("Authorization", scheme + key).header("revision", revision);
    }

    private static HttpResponse<String> call(Sandbox sandbox, String target) {
        return send(api(sandbox, target, sandbox.key(), target.contains("api-keys") ? BETA : REVISION));
    }

    private static HttpResponse<String> write(Sandbox sandbox, String method, String target, String body) {
        return send(api(sandbox, target, sandbox.key(), target.contains("api-keys") ? BETA : REVISION)
                .header("Content-Type", "application/vnd.api+json").method(method, BodyPublishers.ofString(body)));
    }

    private static JsonNode json(HttpResponse<String> response) {
        try {
            return Json.read(response.body());
        } catch (IOException e) {
            throw new UncheckedIOException(response.body(), e);
        }
    }

    private static JsonNode error(HttpResponse<String> response) {
        return json(response).path("errors").path(0);
    }

    private static JsonNode data(HttpResponse<String> response) {
        assertEquals(200, response.statusCode(), response.body());
        return json(response).path("data");
    }

    private static String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    // ---- what the API refuses

    @ParameterizedTest(name = "{0} {1}, authorization {2}, revision {3}: {4} {5}")
    @Cases("refusals")
    void refusesWithKlaviyosOwnError(
            String method, String path, String authorization, String revision, int status, String code, String detail) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(healthy.apiUrl() + path)).method(method, BodyPublishers.noBody());
        if (authorization != null) {
            request.header("Authorization",
                    authorization.replace("KEY", healthy.key()).replace("TOKEN", healthy.openToken()));
        }
        if (revision != null) {
            request.header("revision", revision);
        }
        HttpResponse<String> response = send(request);
        JsonNode error = code == null ? Json.object() : error(response);
        assertAll(
                () -> assertEquals(status, response.statusCode(), response.body()),
                () -> assertEquals("application/vnd.api+json", header(response, "content-type")),
                () -> assertEquals("cloudflare", header(response, "server")),
                () -> assertTrue(header(response, "cf-ray").endsWith("-AMS")),
                () -> assertEquals(code == null ? 0 : status, error.path("status").asInt()),
                () -> assertEquals(code == null ? "" : code, error.path("code").asText()),
                () -> assertTrue(detail == null || error.path("detail").asText().contains(detail), response.body()),
                () -> assertEquals(code == null, error.path("id").asText().isEmpty()),
                () -> assertEquals(code == null, error.path("title").asText().isEmpty()));
    }

    @ParameterizedTest(name = "{0}: {1} is refused")
    @Cases("parameters")
    void refusesParametersThatTheSpecificationDoesNotOffer(String target, String parameter) {
        HttpResponse<String> response = call(healthy, target);
        assertEquals("400 invalid " + parameter, response.statusCode() + " " + error(response).path("code").asText()
                + " " + error(response).path("source").path("parameter").asText());
    }

    @ParameterizedTest
    @ValueSource(strings = {"Klaviyo-API-Key KEY\tx", "Klaviyo-API-Key KEY\r\n x", "Klaviyo-API-Key KEY\u00e9"})
    void theEdgeRefusesAnAuthorizationHeaderThatNoHeaderCanCarry(String authorization) throws IOException {
        try (Socket socket = new Socket(healthy.apiUrl().getHost(), healthy.apiUrl().getPort())) {
            socket.getOutputStream().write(("GET /api/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nrevision: "
                    + REVISION + "\r\nAuthorization: " + authorization + "\r\n\r\n").getBytes(ISO_8859_1));
            String answer = new String(socket.getInputStream().readAllBytes(), ISO_8859_1).toLowerCase();
            assertTrue(answer.startsWith("http/1.1 400 ") && answer.contains("content-type: text/html")
                    && answer.contains("cf-ray: -\r\n"), answer);
        }
    }

    @ParameterizedTest(name = "without {0}: {1} is a 403")
    @CsvSource({"accounts:read,/api/accounts", "profiles:read,/api/profiles", "lists:read,/api/lists",
        "metrics:read,/api/metrics", "events:read,/api/events", "webhooks:read,/api/webhooks",
        "webhooks:read,/api/webhook-topics", "credentials:read,/api/api-keys"})
    void namesTheMissingScope(String scope, String path) {
        ControlledSandbox sandbox = start("healthy");
        Set<String> fewer = new HashSet<>(sandbox.scopes(sandbox.key()));
        assertTrue(fewer.remove(scope));
        sandbox.scopes(sandbox.key(), fewer);
        HttpResponse<String> response = call(sandbox, path);
        assertEquals("403 permission_denied Your API key is missing required scopes: " + scope, response.statusCode()
                + " " + error(response).path("code").asText() + " " + error(response).path("detail").asText());
    }

    @ParameterizedTest(name = "{0} {1} {2}: {3}")
    @Cases("writes")
    void aWriteIsCheckedAndTaken(String method, String path, String body, int status, String pointer) {
        String event = "{\"data\":{\"type\":\"event\",\"attributes\":"
                + "{\"metric\":{\"data\":{}},\"profile\":{\"data\":{}}}}}";
        HttpResponse<String> response = write(healthy, method, path, body == null ? "" : body.replace("EVENT", event));
        assertEquals(status, response.statusCode(), response.body());
        assertEquals(pointer == null ? "" : pointer, response.body().isEmpty() ? ""
                : error(response).path("source").path("pointer").asText());
    }

    @Test
    void legacyCallsAreGoneInWordsThatAreNotJsonApi() {
        HttpResponse<String> gone = call(healthy, "/api/v2/lists");
        assertEquals("410 This API has been retired and is no longer in service.",
                gone.statusCode() + " " + json(gone).path("message").asText());
    }

    // ---- what it answers

    @ParameterizedTest
    @Cases("resources")
    void answersWithResources(String path, String type, int count) {
        JsonNode data = data(call(healthy, path));
        assertEquals(count, data.size());
        Set<String> ids = new HashSet<>();
        data.forEach(resource -> {
            assertEquals(type, resource.path("type").asText());
            assertTrue(ids.add(resource.path("id").asText()), "an id of its own");
            assertTrue(resource.path("links").path("self").asText().startsWith(healthy.apiUrl().toString()));
        });
    }

    @Test
    void everyProbeOfTheToolkitIsGood() {
        Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream()).forEach(endpoint -> {
            HttpResponse<String> response = call(healthy, endpoint.target());
            assertEquals(200, response.statusCode(), endpoint.name() + ": " + response.body());
            assertEquals(Integer.toString(endpoint.steady()), header(response, "RateLimit-Limit"), endpoint.name());
        });
    }

    @ParameterizedTest(name = "{0} has only {1}")
    @Cases("fieldsets")
    void honoursSparseFieldsets(String target, String leaves) {
        JsonNode attributes = data(call(healthy, target)).path(0).path("attributes");
        assertEquals(leaves, attributes.properties().stream().map(Map.Entry::getKey).sorted().collect(joining(" ")));
    }

    @Test
    void additionalFieldsComeWhenAskedForOnly() {
        String target = "/api/profiles?page[size]=1";
        assertFalse(data(call(healthy, target)).path(0).path("attributes").has("subscriptions"));
        String fields = "&additional-fields[profile]=subscriptions,predictive_analytics";
        HttpResponse<String> more = call(healthy, target + fields);
        assertTrue(data(more).path(0).path("attributes").has("subscriptions"));
        assertEquals("150", header(more, "RateLimit-Limit"), "predictions lower the limit");
    }

    // ---- rate windows

    @Test
    void theBurstWindowIsReal() {
        ControlledSandbox sandbox = start("healthy");
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
        HttpResponse<String> second = call(sandbox, "/api/accounts");
        assertAll(
                () -> assertEquals(429, second.statusCode()),
                () -> assertEquals("throttled", error(second).path("code").asText()),
                () -> assertEquals("Request was throttled. Expected available in 1 second.",
                        error(second).path("detail").asText()),
                () -> assertEquals("1", header(second, "Retry-After")),
                () -> assertEquals("", header(second, "RateLimit-Limit") + header(second, "RateLimit-Remaining")
                        + header(second, "RateLimit-Reset")),
                () -> assertEquals(200, call(sandbox, "/api/webhooks").statusCode(), "another endpoint has its own"),
                () -> assertEquals(200, accounts(sandbox, sandbox.foreignKey()), "another account too"),
                () -> assertEquals(200, accounts(sandbox, "Bearer " + sandbox.openToken()), "an OAuth app too"),
                () -> assertEquals(429, accounts(sandbox, sandbox.newKey()), "another key shares it"));
        sandbox.advance(Duration.ofSeconds(1));
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
    }

    private static int accounts(Sandbox sandbox, String key) {
        return send(api(sandbox, "/api/accounts", key, REVISION)).statusCode();
    }

    @Test
    void theSteadyWindowIsReal() {
        ControlledSandbox sandbox = start("healthy");
        for (int i = 0; i < 15; i++) {
            HttpResponse<String> response = call(sandbox, "/api/accounts");
            assertEquals("200 15 " + (14 - i) + " " + (60 - i), response.statusCode() + " "
                    + header(response, "RateLimit-Limit") + " " + header(response, "RateLimit-Remaining") + " "
                    + header(response, "RateLimit-Reset"));
            sandbox.advance(Duration.ofSeconds(1));
        }
        HttpResponse<String> over = call(sandbox, "/api/accounts");
        assertEquals("429 45", over.statusCode() + " " + header(over, "Retry-After"));
        sandbox.advance(Duration.ofSeconds(45));
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
    }

    @Test
    void manyThreadsAreCountedRight() {
        long good = IntStream.range(0, 200).parallel()
                .filter(i -> call(healthy, "/api/events?page[size]=1").statusCode() == 200).count();
        assertEquals(200, good);
        assertEquals(200, healthy.requests().get("GET /api/events"));
        assertEquals("3299", header(call(healthy, "/api/events?page[size]=1"), "RateLimit-Remaining"));
    }

    // ---- keys

    @Test
    void keysHaveTheNewerFormAndAreMadeAnew() {
        ControlledSandbox other = start("healthy");
        for (String key : List.of(healthy.key(), healthy.newKey(), healthy.foreignKey(), other.key())) {
            assertEquals("newer form", Key.of(key).kind());
        }
        assertNotEquals(healthy.key(), other.key());
        assertEquals(healthy.newKey(), healthy.newKey());
        assertTrue(healthy.newKey().contains(healthy.accountId()));
        assertFalse(healthy.foreignKey().contains(healthy.accountId()));
    }

    @Test
    void theBetaApiDisablesAKey() {
        ControlledSandbox sandbox = start("healthy");
        String id = sandbox.keyId(sandbox.key());
        String document = "{\"data\":{\"type\":\"api-key\",\"id\":\"" + id
                + "\",\"attributes\":{\"status\":\"disabled\",\"name\":\"old\"}}}";
        JsonNode patched = data(write(sandbox, "PATCH", "/api/api-keys/" + id, document)).path("attributes");
        assertEquals("disabled old", patched.path("status").asText() + " " + patched.path("name").asText());
        assertEquals("authentication_failed", error(call(sandbox, "/api/profiles")).path("code").asText());
        String list = "/api/api-keys?additional-fields[api-key]=redacted_key";
        JsonNode listed = data(send(api(sandbox, list, sandbox.newKey(), BETA)));
        assertEquals("disabled", listed.path(1).path("attributes").path("status").asText());
        assertEquals("pk_****" + sandbox.key().substring(sandbox.key().length() - 4),
                listed.path(1).path("attributes").path("redacted_key").asText());
        assertFalse(listed.toString().contains(sandbox.key()), "a listing never shows a key");
    }

    @ParameterizedTest
    @Cases("key documents")
    void theBetaApiChecksWhatItIsSent(String body, String pointer) {
        String id = healthy.keyId(healthy.newKey());
        HttpResponse<String> response = write(healthy, "PATCH", "/api/api-keys/" + id, body.replace("ID", id));
        assertEquals("400 " + pointer,
                response.statusCode() + " " + error(response).path("source").path("pointer").asText());
    }

    @Test
    void changingAKeyNeedsItsScope() {
        ControlledSandbox sandbox = start("healthy");
        sandbox.scopes(sandbox.key(), Set.of("credentials:read"));
        assertEquals("Your API key is missing required scopes: credentials:write", error(write(sandbox, "PATCH",
                "/api/api-keys/" + sandbox.keyId(sandbox.newKey()), "{}")).path("detail").asText());
    }

    // ---- scenarios

    @ParameterizedTest(name = "{0}: {1}")
    @Cases("wrong rows")
    void aWrongRowOfATeamsOwnIsOneLineWithFileIdAndField(String table, String says, @TempDir Path folder)
            throws IOException {
        Path file = Files.writeString(folder.resolve("scenarios.json"), table);
        Run.Result result = triage(folder, "ours");
        assertEquals(2, result.exit(), result.toString());
        assertTrue(result.err().contains(file.toString()) && result.err().contains(says), result.err());
        assertEquals(1, result.err().lines().filter(line -> line.contains("scenarios.json")).count());
    }

    @Test
    void aTeamPractisesAScenarioOfItsOwn(@TempDir Path folder) throws IOException {
        Files.writeString(folder.resolve("scenarios.json"), """
                {"lists-late": {"description": "Every second call for lists is refused", "broken": ["webhook"],
                  "api": [{"from": 0, "answers": ["ok", "unavailable"], "paths": ["/api/lists"]}]}}""");
        JsonNode json = Json.read(triage(folder, "lists-late").out());
        assertEquals("lists-late", json.path("drill").asText());
        assertTrue(json.toString().contains("webhook-down"), json.toString());
    }

    private static Run.Result triage(Path folder, String drill) {
        return Run.script("triage").cwd(folder)
                .args("--drill", drill, "--templates", folder.toString(), "--json").run();
    }

    /** Accounts; three times events; the page's indicator; the application's status; what its calls fail with. */
    @ParameterizedTest(name = "{0}")
    @Cases("scenarios")
    void isWhatItsNameSays(String id, int accounts, String events, String indicator, String app, String failing) {
        ControlledSandbox sandbox = start(id);
        String revision = sandbox.revision() == null ? REVISION : sandbox.revision();
        assertEquals(accounts, send(api(sandbox, "/api/accounts", sandbox.key(), revision)).statusCode());
        assertEquals(events, IntStream.range(0, 3)
                .map(i -> send(api(sandbox, "/api/events?page[size]=1", sandbox.key(), revision)).statusCode())
                .mapToObj(Integer::toString).collect(joining(" ")));
        assertEquals(indicator, page(sandbox, "summary").path("status").path("indicator").asText());
        HttpResponse<String> health = get(sandbox.appUrl());
        assertEquals((app.equals("down") ? 503 : 200) + " " + app,
                health.statusCode() + " " + json(health).path("status").asText());
        Set<String> expected = failing == null ? Set.of() : Set.of(failing.split(" "));
        assertEquals(expected, failingStatuses(sandbox));
        Set<String> logged = new TreeSet<>();
        sandbox.applicationLog().lines().map(line -> line.replaceFirst("(?s).* status=(\\d+).*", "$1"))
                .filter(status -> !status.startsWith("2")).forEach(logged::add);
        assertEquals(expected, logged, "the log tells what the metrics count");
    }

    private static JsonNode page(Sandbox sandbox, String document) {
        return json(get(sandbox.statusUrl().resolve("/api/v2/" + document + ".json")));
    }

    private static Set<String> failingStatuses(Sandbox sandbox) {
        Set<String> statuses = new TreeSet<>();
        rows(sandbox, "sum by (status) (increase(klaviyo_api_errors_total[15m]))").forEach(row -> {
            if (row.path("value").path(1).asDouble() >= 1) {
                statuses.add(row.path("metric").path("status").asText());
            }
        });
        return statuses;
    }

    private static JsonNode rows(Sandbox sandbox, String query) {
        return json(query(sandbox, query)).path("data").path("result");
    }

    private static HttpResponse<String> query(Sandbox sandbox, String query) {
        return get(URI.create(sandbox.prometheusUrl() + "/api/v1/query?query=" + URLEncoder.encode(query, UTF_8)));
    }

    private static double value(Sandbox sandbox, String query) {
        return rows(sandbox, query).path(0).path("value").path(1).asDouble();
    }

    @Test
    void theRunawayLoopIsInTheLogWithItsCaller() {
        List<String> minute = start("runaway-loop").applicationLog().lines().toList();
        long looped = minute.stream()
                .filter(line -> line.matches(".* shop.sync.OrderBackfill - POST .* status=429.*")).count();
        assertTrue(looped > 0.85 * 12 * 4_100 && looped < 12 * 4_100, "twelve minutes of it: " + looped);
        assertEquals(minute.stream().sorted().toList(), minute, "in order");
    }

    @Test
    void theRevisionsToPinAreInTheirPhase() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        LocalDate serverToday = today.isBefore(Revision.NEWEST.date()) ? Revision.NEWEST.date() : today;
        assertNull(healthy.revision());
        for (Revision.Phase phase : List.of(Revision.Phase.RETIRED, Revision.Phase.DEPRECATED)) {
            String pinned = start(phase.name().toLowerCase() + "-revision").revision();
            assertEquals(phase, Revision.of(pinned).orElseThrow().phase(serverToday));
        }
    }

    @Test
    void aResponderHoldsWhatTheScenarioSays() {
        assertNull(start("missing-key").key());
        ControlledSandbox malformed = start("malformed-key");
        assertEquals(malformed.accountId(), malformed.key());
        assertTrue(start("expired-token").key().startsWith("Bearer "));
    }

    @Test
    void theCdnAnswersWithPagesOfItsOwn() {
        HttpResponse<String> challenge = call(start("cdn-block"), "/api/profiles");
        assertEquals("403 challenge", challenge.statusCode() + " " + header(challenge, "cf-mitigated"));
        assertTrue(header(challenge, "content-type").startsWith("text/html"));
    }

    @Test
    void whatCannotBeReachedRefusesConnections() {
        ControlledSandbox sandbox = start("no-network");
        for (URI uri : List.of(sandbox.apiUrl(), sandbox.statusUrl(), sandbox.appUrl(), sandbox.webhookUrl(),
                sandbox.prometheusUrl(), sandbox.slackUrl(), start("monitoring-gap").prometheusUrl())) {
            UncheckedIOException refused = assertThrows(UncheckedIOException.class, () -> get(uri), uri.toString());
            assertTrue(refused.getCause() instanceof ConnectException, refused.toString());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "recovering; 40; 0 503 investigating|8 503 identified|15 200 identified|18 200 monitoring|28 200 resolved",
        "flapping; 60; 0 503 investigating|6 200 investigating|12 503 investigating|14 503 identified|18 200 identified"
            + "|24 503 identified|30 200 identified|31 200 monitoring|42 200 resolved"})
    void goesItsCourseByItself(String scenario, int seconds, String course) {
        ControlledSandbox sandbox = start(scenario);
        Map<Integer, String> turns = new TreeMap<>();
        String last = "";
        for (int second = 0; second <= seconds; second++) {
            String now = call(sandbox, "/api/lists").statusCode() + " "
                    + page(sandbox, "incidents").path("incidents").path(0).path("status").asText();
            if (!now.equals(last)) {
                turns.put(second, second + " " + now);
            }
            last = now;
            sandbox.advance(Duration.ofSeconds(1));
        }
        assertEquals(course, String.join("|", turns.values()));
    }

    @Test
    void theBacklogDrainsAfterTheRecovery() {
        ControlledSandbox sandbox = start("recovering");
        double failing = value(sandbox, "klaviyo_retry_queue_depth");
        sandbox.advance(Duration.ofSeconds(14));
        double later = value(sandbox, "klaviyo_retry_queue_depth");
        sandbox.advance(Duration.ofSeconds(26));
        double after = value(sandbox, "klaviyo_retry_queue_depth");
        assertTrue(failing > 1000 && later > failing && after < 10, failing + ", " + later + ", " + after);
        assertEquals(0, value(sandbox, "sum(increase(klaviyo_api_errors_total[10s]))"));
    }

    @Test
    void anotherScenarioTakesEffectAtOnce() {
        ControlledSandbox sandbox = start("outage");
        assertEquals(503, call(sandbox, "/api/lists").statusCode());
        sandbox.enter("healthy");
        assertEquals(200, call(sandbox, "/api/lists").statusCode());
        sandbox.enter("no-network");
        assertThrows(UncheckedIOException.class, () -> call(sandbox, "/api/lists"));
    }

    // ---- starting one by hand

    @Test
    void aStepFindsEverythingInTheVariables() {
        ControlledSandbox sandbox = start("retired-revision");
        Map<String, String> variables = sandbox.variables();
        assertEquals("retired-revision", variables.get("KLAVIYO_GAME_DAY"));
        assertEquals(sandbox.apiUrl().toString(), variables.get("KLAVIYO_API_URL"));
        assertEquals(sandbox.key(), variables.get("KLAVIYO_PRIVATE_KEY"));
        assertEquals(sandbox.revision(), variables.get("KLAVIYO_REVISION"));
        ControlledSandbox oauth = start("expired-token");
        assertEquals(oauth.key(), "Bearer " + oauth.variables().get("KLAVIYO_ACCESS_TOKEN"));
        assertFalse(start("missing-key").variables().containsKey("KLAVIYO_PRIVATE_KEY"));
    }

    @Test
    void aPortThatIsTakenIsNamed() {
        int port = healthy.apiUrl().getPort();
        Sandbox.Setup taken = new Sandbox.Setup(port, Duration.ZERO, InstantSource.system(), request -> { });
        Scenario scenario = Scenario.of(Templates.builtIn(), "healthy").orElseThrow();
        String says = assertThrows(UncheckedIOException.class, () -> Sandbox.start(scenario, taken)).getMessage();
        assertTrue(says.contains(Integer.toString(port)), says);
    }

    // ---- status page

    @Test
    void anOutageIsToldEverywhereOnThePage() {
        ControlledSandbox sandbox = start("outage");
        JsonNode summary = page(sandbox, "summary");
        JsonNode updates = summary.path("incidents").path(0).path("incident_updates");
        assertEquals(List.of("identified", "investigating"), updates.findValuesAsText("status"), "newest first");
        assertTrue(summary.path("components").findValuesAsText("status").contains("major_outage"));
        assertEquals("Klaviyo", page(sandbox, "incidents").path("page").path("name").asText());
        for (String text : List.of("/history.rss", "/api/v2/incidents.json")) {
            assertTrue(get(sandbox.statusUrl().resolve(text)).body().contains("Klaviyo API unavailable"), text);
        }
        assertEquals(404, get(sandbox.statusUrl().resolve("/api/v2/nothing.json")).statusCode());
        JsonNode green = page(healthy, "summary");
        assertEquals("All Systems Operational", green.path("status").path("description").asText());
        assertEquals(Set.of("operational"), new HashSet<>(green.path("components").findValuesAsText("status")));
        assertEquals(1, page(start("maintenance"), "summary").path("scheduled_maintenances").size());
    }

    // ---- our application

    @ParameterizedTest
    @ValueSource(strings = {"export KEY=\"NEW\"", "KEY=NEW # the new one", "KEY=old\nKEY='NEW'", "  KEY = NEW  "})
    void aRotationHealsTheApplicationOnlyAfterItsRestart(String line, @TempDir Path folder) throws IOException {
        ControlledSandbox sandbox = start("revoked-key");
        sandbox.appKeyFile(Files.writeString(folder.resolve(".env"),
                "# shop\nOTHER=1\n" + line.replace("NEW", sandbox.newKey()) + "\n"), "KEY");
        assertEquals("degraded", json(get(sandbox.appUrl())).path("status").asText());
        assertEquals(200, post(sandbox.restartUrl(), "").statusCode());
        JsonNode health = json(get(sandbox.appUrl()));
        assertEquals("ok " + Key.of(sandbox.newKey()).fingerprint(), health.path("status").asText() + " "
                + health.path("keyFingerprint").asText());
        double errors = value(sandbox, "sum(klaviyo_api_errors_total)");
        sandbox.advance(Duration.ofMinutes(1));
        assertEquals(errors, value(sandbox, "sum(klaviyo_api_errors_total)"), "errors no longer rise");
    }

    @Test
    void restartsFailAndBreakWhenTold(@TempDir Path folder) {
        ControlledSandbox sandbox = start("healthy");
        sandbox.failRestarts(1);
        assertFalse(sandbox.restartApp());
        sandbox.breakAfterRestarts(1);
        assertTrue(sandbox.restartApp());
        assertEquals(503, get(sandbox.appUrl()).statusCode());
        assertTrue(sandbox.restartApp());
        assertEquals(200, get(sandbox.appUrl()).statusCode());
        sandbox.appKeyFile(folder.resolve("absent"), "KLAVIYO_PRIVATE_KEY");
        assertTrue(sandbox.restartApp());
        assertNull(sandbox.appKey());
        assertEquals("degraded", json(get(sandbox.appUrl())).path("status").asText(), "without a key");
    }

    // ---- Prometheus, webhook and Slack

    @ParameterizedTest(name = "{0}: {1} series")
    @Cases("queries")
    void prometheusAnswersWhatARunbookAsksAndRefusesTheRest(String query, Integer series) {
        HttpResponse<String> response = query(healthy, query);
        JsonNode answer = json(response);
        assertEquals(series == null ? 400 : 200, response.statusCode());
        assertEquals(series == null ? "bad_data" : "", answer.path("errorType").asText());
        assertEquals(series == null ? 0 : series, answer.path("data").path("result").size());
    }

    @Test
    void prometheusAnswersRanges() {
        ControlledSandbox sandbox = start("outage");
        long now = System.currentTimeMillis() / 1000;
        String base = sandbox.prometheusUrl() + "/api/v1/query_range?query=klaviyo_retry_queue_depth&start=";
        JsonNode values = json(get(URI.create(base + (now - 1800) + "&end=" + now + "&step=5m")))
                .path("data").path("result").path(0).path("values");
        assertEquals(7, values.size());
        assertEquals(3, values.path(0).path(1).asInt(), "before the incident");
        assertTrue(values.path(6).path(1).asInt() > 1000, "during the incident");
        assertEquals(400, get(URI.create(base + "1&end=2&step=0")).statusCode());
    }

    @Test
    void theLiveRouteTakesSignedPostsOnly() {
        assertEquals(401, post(healthy.webhookUrl(), "{}").statusCode());
        HttpResponse<String> got = get(healthy.webhookUrl());
        assertEquals("405 POST", got.statusCode() + " " + header(got, "Allow"));
        String listed = data(call(healthy, "/api/webhooks")).path(0).path("attributes").path("endpoint_url").asText();
        assertTrue(!listed.isEmpty() && healthy.webhookUrl().toString().startsWith(listed), listed);
        assertEquals(404, get(start("webhook-down").webhookUrl()).statusCode());
        assertEquals("https", start("webhook-cert-expired").webhookUrl().getScheme());
    }

    @ParameterizedTest
    @Cases("slack")
    void slackAnswersInItsOwnWords(String payload, String answer) {
        HttpResponse<String> response = post(healthy.slackUrl(), payload);
        assertEquals(answer, response.statusCode() + " " + response.body());
        assertEquals(404, post(healthy.slackUrl().resolve("/services/guess"), payload).statusCode());
    }
}
