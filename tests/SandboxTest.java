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
import java.net.ConnectException;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateExpiredException;
import java.security.cert.X509Certificate;
import java.time.Duration;
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
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Klaviyo.Endpoint;
import runbook.Text.Json;
import runbook.Key;
import runbook.Klaviyo.Revision;
import runbook.sandbox.ControlledSandbox;
import runbook.sandbox.Sandbox.Scenario;
import runbook.Settings.Templates;

/** The sandbox refuses what Klaviyo refuses, line by line, and each scenario is what its name says. */
class SandboxTest {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final String REVISION = "2026-07-15";
    private static final String BETA = "2026-07-15.pre";
    private static ControlledSandbox healthy;

    private final List<ControlledSandbox> opened = new ArrayList<>();

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
    void stop() {
        opened.forEach(ControlledSandbox::close);
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

    private static HttpRequest.Builder api(ControlledSandbox sandbox, String target, String key, String revision) {
        return HttpRequest.newBuilder(URI.create(sandbox.apiUrl() + target))
                .header("Authorization", "Klaviyo-API-Key " + key).header("revision", revision);
    }

    private static HttpResponse<String> call(ControlledSandbox sandbox, String target) {
        return send(api(sandbox, target, sandbox.key(), target.contains("api-keys") ? BETA : REVISION));
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

    // ---- what the API refuses

    @ParameterizedTest(name = "{0} {1}, authorization {2}, revision {3}: {4} {5}")
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            value = {
                "GET  | /api/accounts     | -                                          | 2026-07-15     | 401 |"
                    + " not_authenticated     | Missing or invalid authorization scheme. Please use Klaviyo-API-Key.",
                "GET  | /api/accounts     | Bearer KEY                                 | 2026-07-15     | 401 |"
                        + " not_authenticated     | Missing or invalid authorization scheme",
                "GET  | /api/accounts     | KEY                                        | 2026-07-15     | 401 |"
                        + " not_authenticated     | Missing or invalid authorization scheme",
                "GET  | /api/accounts     | Klaviyo-API-Key pk_nobody                  | 2026-07-15     | 401 |"
                        + " authentication_failed | Incorrect authentication credentials.",
                "GET  | /api/accounts     | Klaviyo-API-Key 'KEY'                      | 2026-07-15     | 401 |"
                        + " authentication_failed | Incorrect authentication credentials.",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | -              | 400 |"
                        + " invalid               | revision header is required",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | yesterday      | 400 |"
                        + " invalid               | YYYY-MM-DD",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | 2026-13-45     | 400 |"
                        + " invalid               | YYYY-MM-DD",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | 2026-07-15.rc1 | 400 |"
                        + " invalid               | YYYY-MM-DD",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | 9999-01-15     | 404 |"
                        + " not_found             | Unable to specify a future revision date",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | 2026-07-14     | 404 |"
                        + " not_found             | No valid revisions found for method",
                "GET  | /api/accounts     | Klaviyo-API-Key KEY                        | 2022-10-17     | 410 | gone  "
                        + "                | has been retired",
                "POST | /api/accounts     | Klaviyo-API-Key KEY                        | 2026-07-15     | 404 |"
                        + " not_found             | No valid revisions found for method",
                "GET  | /api/api-keys     | Klaviyo-API-Key KEY                        | 2026-07-15     | 404 |"
                        + " not_found             | No valid revisions found for method",
                "GET  | /api/nothing      | Klaviyo-API-Key KEY                        | 2026-07-15     | 404 |"
                        + " not_found             | could not be found",
                "GET  | /api/api-keys/01X | Klaviyo-API-Key KEY                        | 2026-07-15.pre | 404 |"
                        + " not_found             | does not exist"
            })
    void refusesWithKlaviyosOwnError(
            String method, String path, String authorization, String revision, int status, String code, String detail) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(healthy.apiUrl() + path))
                .method(method, HttpRequest.BodyPublishers.noBody());
        if (authorization != null) {
            request.header("Authorization", authorization.replace("KEY", healthy.key()));
        }
        if (revision != null) {
            request.header("revision", revision);
        }
        HttpResponse<String> response = send(request);
        JsonNode error = error(response);
        assertAll(
                () -> assertEquals(status, response.statusCode()),
                () -> assertEquals(
                        "application/vnd.api+json",
                        response.headers().firstValue("content-type").orElse("")),
                () -> assertEquals(status, error.path("status").asInt()),
                () -> assertEquals(code, error.path("code").asText()),
                () -> assertTrue(
                        error.path("detail").asText().contains(detail),
                        error.path("detail").asText()),
                () -> assertFalse(error.path("id").asText().isEmpty()),
                () -> assertFalse(error.path("title").asText().isEmpty()),
                () -> assertEquals(
                        "cloudflare", response.headers().firstValue("server").orElse("")),
                () -> assertTrue(response.headers().firstValue("cf-ray").isPresent()));
    }

    @ParameterizedTest(name = "{0}: {1} is refused")
    @CsvSource(delimiter = '|', value = {
        "/api/accounts?page[size]=1                       | page[size]",
        "/api/metrics?page[size]=1                        | page[size]",
        "/api/webhooks?page[size]=1                       | page[size]",
        "/api/lists?page[size]=11                         | page[size]",
        "/api/lists?page[size]=0                          | page[size]",
        "/api/profiles?page[size]=101                     | page[size]",
        "/api/profiles?page[size]=ten                     | page[size]",
        "/api/events?page%5Bsize%5D=1001                  | page[size]",
        "/api/events?page[size]=1&page[size]=2            | page[size]",
        "/api/profiles?limit=1                            | limit",
        "/api/profiles?fields[profile]=email,shoe_size    | fields[profile]",
        "/api/profiles?fields[list]=name                  | fields[list]",
        "/api/accounts?fields[account]=name               | fields[account]",
        "/api/profiles?additional-fields[profile]=secrets | additional-fields[profile]",
        "/api/events?include=lists                        | include",
        "/api/events?sort=uuid                            | sort",
        "/api/lists?page[cursor]=zzz                      | page[cursor]",
        "/api/lists?filter=name                           | filter",
        "/api/lists?filter=contains(name,'x')             | filter",
        "/api/api-keys?fields[api-key]=secret             | fields[api-key]"})
    void refusesParametersThatTheSpecificationDoesNotOffer(String target, String parameter) {
        HttpResponse<String> response = call(healthy, target);
        assertAll(
                () -> assertEquals(400, response.statusCode()),
                () -> assertEquals("invalid", error(response).path("code").asText()),
                () -> assertEquals(parameter, error(response).path("source").path("parameter").asText()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"Klaviyo-API-Key KEY\tx", "Klaviyo-API-Key KEY\r\n x", "Klaviyo-API-Key KEY\u00e9"})
    void theEdgeRefusesAnAuthorizationHeaderThatNoHeaderCanCarry(String authorization) throws IOException {
        URI uri = healthy.apiUrl();
        try (Socket socket = new Socket(uri.getHost(), uri.getPort())) {
            socket.getOutputStream()
                    .write(("GET /api/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nrevision: " + REVISION
                                    + "\r\nAuthorization: " + authorization + "\r\n\r\n")
                            .getBytes(StandardCharsets.ISO_8859_1));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
            assertAll(
                    () -> assertTrue(answer.startsWith("HTTP/1.1 400 "), answer),
                    () -> assertTrue(answer.toLowerCase().contains("content-type: text/html"), answer),
                    () -> assertTrue(answer.toLowerCase().contains("cf-ray: -\r\n"), answer));
        }
    }

    @Test
    void headIsInNoSpecification() {
        HttpResponse<String> response = send(api(healthy, "/api/profiles", healthy.key(), REVISION)
                .method("HEAD", HttpRequest.BodyPublishers.noBody()));
        assertEquals(404, response.statusCode());
        assertEquals("", response.body());
    }

    @Test
    void legacyCallsAreGoneInWordsThatAreNotJsonApi() {
        HttpResponse<String> response = call(healthy, "/api/v2/lists");
        assertEquals(410, response.statusCode());
        assertTrue(json(response)
                .path("message")
                .asText()
                .startsWith("This API has been retired and is no longer in service."));
    }

    @ParameterizedTest(name = "without {0}: {1} is a 403")
    @CsvSource({
        "accounts:read,/api/accounts",
        "profiles:read,/api/profiles",
        "lists:read,/api/lists",
        "metrics:read,/api/metrics",
        "events:read,/api/events",
        "webhooks:read,/api/webhooks",
        "webhooks:read,/api/webhook-topics",
        "credentials:read,/api/api-keys"
    })
    void namesTheMissingScope(String scope, String path) {
        ControlledSandbox sandbox = start("healthy");
        Set<String> fewer = new HashSet<>(Set.of(
                "accounts:read",
                "profiles:read",
                "lists:read",
                "metrics:read",
                "events:read",
                "webhooks:read",
                "credentials:read"));
        fewer.remove(scope);
        sandbox.scopes(sandbox.key(), fewer);
        HttpResponse<String> response = call(sandbox, path);
        assertEquals(403, response.statusCode());
        assertEquals("permission_denied", error(response).path("code").asText());
        assertEquals("Your API key is missing required scopes: " + scope, error(response).path("detail").asText());
    }

    // ---- what it answers

    @ParameterizedTest
    @CsvSource({
        "/api/accounts,account,1",
        "/api/accounts/,account,1",
        "/api/profiles,profile,20",
        "/api/lists/,list,10",
        "/api/metrics,metric,14",
        "/api/events,event,40",
        "/api/webhooks,webhook,1",
        "/api/webhook-topics,webhook-topic,4",
        "/api/api-keys,api-key,3"
    })
    void answersWithResources(String path, String type, int count) {
        JsonNode data = data(call(healthy, path));
        assertEquals(count, data.size());
        data.forEach(resource -> {
            assertEquals(type, resource.path("type").asText());
            assertFalse(resource.path("id").asText().isEmpty());
            assertTrue(resource.path("links").path("self").asText().startsWith(healthy.apiUrl().toString()));
        });
    }

    @Test
    void everyProbeOfTheToolkitIsGood() {
        Stream.concat(Stream.of(Endpoint.ACCOUNTS), Endpoint.KNOWN.stream()).forEach(endpoint -> {
            HttpResponse<String> response = call(healthy, endpoint.target());
            assertEquals(200, response.statusCode(), endpoint.name() + ": " + response.body());
            assertEquals(
                    endpoint.steady(),
                    Integer.parseInt(
                            response.headers().firstValue("RateLimit-Limit").orElse("0")),
                    endpoint.name());
        });
    }

    @ParameterizedTest(name = "{0} has only {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "/api/profiles?page[size]=1&fields[profile]=email                                    | email",
                "/api/profiles?page[size]=1&fields[profile]=location.city,email                      | email"
                        + " location.city",
                "/api/accounts?fields[account]=contact_information.organization_name,timezone        |"
                        + " contact_information.organization_name timezone",
                "/api/profiles?page[size]=1&fields[profile]=id                                       | ''",
                "/api/events?page[size]=1&fields[event]=datetime                                     | datetime"
            })
    void honoursSparseFieldsets(String target, String leaves) {
        JsonNode attributes = data(call(healthy, target)).path(0).path("attributes");
        assertEquals(new TreeSet<>(List.of(leaves.split(" "))), leaves(attributes, ""));
    }

    private static TreeSet<String> leaves(JsonNode node, String path) {
        TreeSet<String> leaves = new TreeSet<>();
        if (!node.isObject()) {
            leaves.add(path);
        } else if (node.isEmpty() && path.isEmpty()) {
            leaves.add("");
        }
        node.properties()
                .forEach(field -> leaves.addAll(
                        leaves(field.getValue(), path.isEmpty() ? field.getKey() : path + "." + field.getKey())));
        return leaves;
    }

    @Test
    void additionalFieldsComeWhenAskedForOnly() {
        assertTrue(data(call(healthy, "/api/profiles?page[size]=1"))
                .path(0)
                .path("attributes")
                .path("subscriptions")
                .isMissingNode());
        assertTrue(data(call(healthy, "/api/profiles?page[size]=1&additional-fields[profile]=subscriptions")).path(0)
                .path("attributes").path("subscriptions").isObject());
        HttpResponse<String> costly =
                call(healthy, "/api/profiles?page[size]=1&additional-fields[profile]=predictive_analytics");
        assertEquals("150", costly.headers().firstValue("RateLimit-Limit").orElse(""), "predictions lower the limit");
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
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
                () -> assertEquals(
                        "Request was throttled. Expected available in 1 second.",
                        error(second).path("detail").asText()),
                () -> assertEquals(
                        "1", second.headers().firstValue("Retry-After").orElse("")),
                () -> assertTrue(second.headers().map().keySet().stream()
                        .noneMatch(name -> name.toLowerCase().startsWith("ratelimit"))),
                () -> assertEquals(
                        200, call(sandbox, "/api/webhooks").statusCode(), "another endpoint has its own window"),
                () -> assertEquals(
                        200,
                        send(api(sandbox, "/api/accounts", sandbox.foreignKey(), REVISION))
                                .statusCode(),
                        "another account too"),
                () -> assertEquals(
                        429,
                        send(api(sandbox, "/api/accounts", sandbox.newKey(), REVISION))
                                .statusCode(),
                        "another key shares it"));
        sandbox.advance(Duration.ofSeconds(1));
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
    }

    @Test
    void theSteadyWindowIsReal() {
        ControlledSandbox sandbox = start("healthy");
        for (int i = 0; i < 15; i++) {
            HttpResponse<String> response = call(sandbox, "/api/accounts");
            assertEquals(200, response.statusCode());
            assertEquals("15", response.headers().firstValue("RateLimit-Limit").orElse(""));
            assertEquals(14 - i, Integer.parseInt(response.headers().firstValue("RateLimit-Remaining").orElse("")));
            assertEquals(60 - i, Integer.parseInt(response.headers().firstValue("RateLimit-Reset").orElse("")));
            sandbox.advance(Duration.ofSeconds(1));
        }
        HttpResponse<String> over = call(sandbox, "/api/accounts");
        assertEquals(429, over.statusCode());
        int wait = Integer.parseInt(over.headers().firstValue("Retry-After").orElse(""));
        assertEquals(45, wait);
        sandbox.advance(Duration.ofSeconds(wait));
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
    }

    @Test
    void fleetAccountsHaveQuotasOfTheirOwn() {
        List<String> keys = IntStream.range(0, 20).mapToObj(i -> healthy.openAccount("Shop " + i)).toList();
        keys.forEach(key -> assertEquals(200, send(api(healthy, "/api/accounts", key, REVISION)).statusCode()));
        assertEquals(20, new HashSet<>(keys).size());
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
        HttpResponse<String> patched = patch(
                sandbox,
                id,
                "{\"data\":{\"type\":\"api-key\",\"id\":\"" + id
                        + "\",\"attributes\":{\"status\":\"disabled\",\"name\":\"old\"}}}");
        assertEquals(200, patched.statusCode(), patched.body());
        assertEquals("disabled", json(patched).path("data").path("attributes").path("status").asText());
        assertEquals("old", json(patched).path("data").path("attributes").path("name").asText());
        assertEquals("authentication_failed", error(call(sandbox, "/api/profiles")).path("code").asText());
        JsonNode listed = data(
                send(api(sandbox, "/api/api-keys?additional-fields[api-key]=redacted_key", sandbox.newKey(), BETA)));
        JsonNode old = listed.path(1).path("attributes");
        assertEquals("disabled", old.path("status").asText());
        assertEquals(
                "pk_****" + sandbox.key().substring(sandbox.key().length() - 4),
                old.path("redacted_key").asText());
        assertFalse(listed.toString().contains(sandbox.key()), "a listing never shows a key");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{                                                                                        | /data",
                "{\"data\":{\"type\":\"key\",\"id\":\"ID\",\"attributes\":{}}}                            | /data/type",
                "{\"data\":{\"type\":\"api-key\",\"id\":\"other\",\"attributes\":{}}}                     | /data/id",
                "{\"data\":{\"type\":\"api-key\",\"id\":\"ID\"}}                                          |"
                        + " /data/attributes",
                "{\"data\":{\"type\":\"api-key\",\"id\":\"ID\",\"attributes\":{\"scopes\":[]}}}           |"
                        + " /data/attributes/scopes",
                "{\"data\":{\"type\":\"api-key\",\"id\":\"ID\",\"attributes\":{\"status\":\"gone\"}}}     |"
                        + " /data/attributes/status"
            })
    void theBetaApiChecksWhatItIsSent(String body, String pointer) {
        String id = healthy.keyId(healthy.newKey());
        HttpResponse<String> response = patch(healthy, id, body.replace("ID", id));
        assertEquals(400, response.statusCode());
        assertEquals(pointer, error(response).path("source").path("pointer").asText());
    }

    @Test
    void changingAKeyNeedsItsScope() {
        ControlledSandbox sandbox = start("healthy");
        sandbox.scopes(sandbox.key(), Set.of("credentials:read"));
        HttpResponse<String> response = patch(sandbox, sandbox.keyId(sandbox.newKey()), "{}");
        assertEquals(
                "Your API key is missing required scopes: credentials:write",
                error(response).path("detail").asText());
    }

    private static HttpResponse<String> patch(ControlledSandbox sandbox, String id, String body) {
        return send(api(sandbox, "/api/api-keys/" + id, sandbox.key(), BETA)
                .header("Content-Type", "application/vnd.api+json")
                .method("PATCH", HttpRequest.BodyPublishers.ofString(body)));
    }

    // ---- scenarios

    @Test
    void everyScenarioSaysWhatItIs() {
        Templates.builtIn().table("scenarios.json", Scenario.class).forEach((id, scenario) ->
                assertTrue(scenario.description().length() > 20 && scenario.description().length() < 100, id));
    }

    @Test
    void anUnknownScenarioIsNone() {
        assertTrue(Scenario.of(Templates.builtIn(), "sunshine").isEmpty());
    }

    /** One line a scenario: three statuses of accounts, three of events; the page's indicator; the application's status; what its calls fail with. */
    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            value = {
                "healthy             | 200 | 200 200 200 | none        | ok       | -",
                "outage              | 503 | 503 503 503 | critical    | degraded | 503",
                "degraded            | 200 | 200 200 200 | minor       | ok       | 504",
                "event-delay         | 200 | 200 200 200 | minor       | ok       | -",
                "maintenance         | 200 | 200 200 200 | maintenance | ok       | -",
                "silent-outage       | 503 | 503 503 503 | none        | degraded | 503",
                "intermittent-5xx    | 200 | 200 200 503 | none        | ok       | 503",
                "partial             | 200 | 503 503 503 | none        | ok       | 503",
                "rate-limited        | 200 | 429 429 429 | none        | degraded | 429",
                "cdn-block           | 403 | 403 403 403 | none        | degraded | 403",
                "revoked-key         | 401 | 401 401 401 | none        | degraded | 401",
                "malformed-key       | 401 | 401 401 401 | none        | ok       | -",
                "missing-scope       | 200 | 403 403 403 | none        | ok       | 403",
                "stale-app-key       | 200 | 200 200 200 | none        | degraded | 401",
                "bad-payload         | 200 | 200 200 200 | none        | ok       | 400",
                "retired-revision    | 410 | 410 410 410 | none        | degraded | 410",
                "deprecated-revision | 200 | 200 200 200 | none        | ok       | -",
                "app-down            | 200 | 200 200 200 | none        | down     | -",
                "webhook-down        | 200 | 200 200 200 | none        | ok       | -",
                "recovering          | 503 | 503 503 503 | critical    | degraded | 503",
                "flapping            | 503 | 503 503 503 | major       | degraded | 503"
            })
    void isWhatItsNameSays(String id, int accounts, String events, String indicator, String app, String failing) {
        ControlledSandbox sandbox = start(id);
        String revision = sandbox.revision() == null ? REVISION : sandbox.revision();
        assertEquals(accounts, send(api(sandbox, "/api/accounts", sandbox.key(), revision)).statusCode());
        assertEquals(
                Arrays.stream(events.split(" ")).map(Integer::valueOf).toList(),
                IntStream.range(0, 3)
                        .mapToObj(i -> send(api(sandbox, "/api/events?page[size]=1", sandbox.key(), revision))
                                .statusCode())
                        .toList());
        assertEquals(
                indicator,
                json(get(sandbox.statusUrl().resolve("/api/v2/summary.json")))
                        .path("status")
                        .path("indicator")
                        .asText());
        HttpResponse<String> health = get(sandbox.appUrl());
        assertEquals(app, json(health).path("status").asText(), health.body());
        assertEquals(app.equals("down") ? 503 : 200, health.statusCode());
        assertEquals(failing == null ? Set.of() : Set.of(failing), failingStatuses(sandbox));
    }

    private static Set<String> failingStatuses(ControlledSandbox sandbox) {
        Set<String> statuses = new TreeSet<>();
        query(sandbox, "sum by (status) (increase(klaviyo_api_errors_total[15m]))")
                .path("data")
                .path("result")
                .forEach(row -> {
                    if (Double.parseDouble(row.path("value").path(1).asText()) >= 1) {
                        statuses.add(row.path("metric").path("status").asText());
                    }
                });
        return statuses;
    }

    private static JsonNode query(ControlledSandbox sandbox, String query) {
        return json(get(URI.create(sandbox.prometheusUrl() + "/api/v1/query?query=" + encoded(query))));
    }

    private static double value(ControlledSandbox sandbox, String query) {
        return query(sandbox, query).path("data").path("result").path(0).path("value").path(1).asDouble();
    }

    @Test
    void aMissingKeyIsNone() {
        assertNull(start("missing-key").key());
    }

    @Test
    void aMalformedKeyIsThePublicOne() {
        ControlledSandbox sandbox = start("malformed-key");
        assertEquals(sandbox.accountId(), sandbox.key());
    }

    @Test
    void theRevisionsToPinAreInTheirPhase() {
        LocalDate today = LocalDate.now(ZoneOffset.UTC);
        LocalDate serverToday = today.isBefore(Revision.NEWEST.date()) ? Revision.NEWEST.date() : today;
        assertNull(healthy.revision());
        assertEquals(
                Revision.Phase.RETIRED,
                Revision.of(start("retired-revision").revision())
                        .orElseThrow()
                        .phase(serverToday));
        assertEquals(
                Revision.Phase.DEPRECATED,
                Revision.of(start("deprecated-revision").revision())
                        .orElseThrow()
                        .phase(serverToday));
    }

    @Test
    void theCdnBlocksWithAChallengePage() {
        HttpResponse<String> response = call(start("cdn-block"), "/api/profiles");
        assertEquals(403, response.statusCode());
        assertEquals("challenge", response.headers().firstValue("cf-mitigated").orElse(""));
        assertTrue(response.headers().firstValue("content-type").orElse("").startsWith("text/html"));
    }

    @Test
    void withoutANetworkEverythingRefuses() {
        ControlledSandbox sandbox = start("no-network");
        for (URI uri : List.of(
                sandbox.apiUrl(),
                sandbox.statusUrl(),
                sandbox.appUrl(),
                sandbox.webhookUrl(),
                sandbox.prometheusUrl(),
                sandbox.slackUrl())) {
            UncheckedIOException refused = assertThrows(UncheckedIOException.class, () -> get(uri), uri.toString());
            assertTrue(refused.getCause() instanceof ConnectException, refused.toString());
        }
    }

    @Test
    void theMonitoringGapIsARefusingPrometheus() {
        ControlledSandbox sandbox = start("monitoring-gap");
        assertThrows(UncheckedIOException.class, () -> get(sandbox.prometheusUrl()));
        assertEquals(200, call(sandbox, "/api/accounts").statusCode());
    }

    @Test
    void recoversByItself() {
        assertEquals(
                "0 503 investigating|8 503 identified|15 200 identified|18 200 monitoring|28 200 resolved",
                course("recovering", 40));
    }

    @Test
    void flapsAndEndsWell() {
        assertEquals(
                "0 503 investigating|6 200 investigating|12 503 investigating|14 503 identified|18 200 identified|24"
                        + " 503 identified|30 200 identified|31 200 monitoring|42 200 resolved",
                course("flapping", 60));
    }

    /** The seconds at which what a client sees changes: API status and the incident's. */
    private String course(String scenario, int seconds) {
        ControlledSandbox sandbox = start(scenario);
        Map<Integer, String> turns = new TreeMap<>();
        String last = "";
        for (int second = 0; second <= seconds; second++) {
            String now = call(sandbox, "/api/lists").statusCode() + " "
                    + json(get(sandbox.statusUrl().resolve("/api/v2/incidents.json")))
                            .path("incidents")
                            .path(0)
                            .path("status")
                            .asText();
            if (!now.equals(last)) {
                turns.put(second, second + " " + now);
            }
            last = now;
            sandbox.advance(Duration.ofSeconds(1));
        }
        return String.join("|", turns.values());
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
    void timePassesByItself() throws InterruptedException {
        try (ControlledSandbox sandbox = ControlledSandbox.start("recovering", Duration.ZERO, 600)) {
            int status = 503;
            for (int i = 0; i < 200 && status != 200; i++) {
                Thread.sleep(5);
                status = call(sandbox, "/api/lists").statusCode();
            }
            assertEquals(200, status, "15 s at 600 times the speed");
        }
    }

    // ---- status page

    @Test
    void aGreenPageHasNoIncident() {
        JsonNode summary = json(get(healthy.statusUrl().resolve("/api/v2/summary.json")));
        assertEquals("All Systems Operational", summary.path("status").path("description").asText());
        assertEquals(0, summary.path("incidents").size());
        summary.path("components").forEach(component -> assertEquals("operational", component.path("status").asText()));
    }

    @Test
    void anOutageIsToldEverywhereOnThePage() {
        ControlledSandbox sandbox = start("outage");
        JsonNode summary = json(get(sandbox.statusUrl().resolve("/api/v2/summary.json")));
        JsonNode incident = summary.path("incidents").path(0);
        assertEquals("identified", incident.path("status").asText());
        assertEquals(
                List.of("identified", "investigating"),
                List.of(
                        incident.path("incident_updates").path(0).path("status").asText(),
                        incident.path("incident_updates").path(1).path("status").asText()));
        assertTrue(summary.path("components").findValuesAsText("status").contains("major_outage"));
        for (String part : List.of(
                "status",
                "components",
                "incidents",
                "incidents/unresolved",
                "scheduled-maintenances",
                "scheduled-maintenances/active",
                "scheduled-maintenances/upcoming")) {
            assertEquals(
                    "Klaviyo",
                    json(get(sandbox.statusUrl().resolve("/api/v2/" + part + ".json")))
                            .path("page")
                            .path("name")
                            .asText(),
                    part);
        }
        for (String text : List.of("/", "/history.rss")) {
            assertTrue(get(sandbox.statusUrl().resolve(text)).body().contains("Klaviyo API unavailable"), text);
        }
        assertEquals(404, get(sandbox.statusUrl().resolve("/api/v2/nothing.json")).statusCode());
    }

    @Test
    void thePageCanBeSetByHand() {
        ControlledSandbox sandbox = start("healthy");
        sandbox.statusPage("Late events", "minor", "monitoring", "degraded_performance", "Catching up.");
        assertEquals(
                "Late events",
                json(get(sandbox.statusUrl().resolve("/api/v2/incidents/unresolved.json")))
                        .path("incidents")
                        .path(0)
                        .path("name")
                        .asText());
        sandbox.statusPageGreen();
        assertEquals(
                "none",
                json(get(sandbox.statusUrl().resolve("/api/v2/status.json")))
                        .path("status")
                        .path("indicator")
                        .asText());
    }

    // ---- our application

    @Test
    void aRotationHealsTheApplicationOnlyAfterItsRestart(@TempDir Path folder) throws IOException {
        ControlledSandbox sandbox = start("revoked-key");
        Path dotenv = folder.resolve(".env");
        Files.writeString(dotenv, "# shop\nOTHER=1\nexport KLAVIYO_PRIVATE_KEY=\"" + sandbox.newKey() + "\"\n");
        sandbox.appKeyFile(dotenv, "KLAVIYO_PRIVATE_KEY");
        assertEquals("degraded", json(get(sandbox.appUrl())).path("status").asText());
        assertEquals(
                200,
                send(HttpRequest.newBuilder(sandbox.restartUrl()).POST(HttpRequest.BodyPublishers.noBody()))
                        .statusCode());
        JsonNode health = json(get(sandbox.appUrl()));
        assertEquals("ok", health.path("status").asText());
        assertEquals(Key.of(sandbox.newKey()).fingerprint(), health.path("keyFingerprint").asText());
        assertEquals(sandbox.newKey(), sandbox.appKey());
        double errors = value(sandbox, "sum(klaviyo_api_errors_total)");
        sandbox.advance(Duration.ofMinutes(1));
        assertEquals(errors, value(sandbox, "sum(klaviyo_api_errors_total)"), "errors no longer rise");
    }

    @Test
    void restartsFailAndBreakWhenTold() {
        ControlledSandbox sandbox = start("healthy");
        sandbox.failRestarts(1);
        assertFalse(sandbox.restartApp());
        sandbox.breakAfterRestarts(1);
        assertTrue(sandbox.restartApp());
        assertEquals(503, get(sandbox.appUrl()).statusCode());
        assertTrue(sandbox.restartApp());
        assertEquals(200, get(sandbox.appUrl()).statusCode());
    }

    @Test
    void anApplicationWithoutAKeyFails(@TempDir Path folder) {
        ControlledSandbox sandbox = start("healthy");
        sandbox.appKeyFile(folder.resolve("absent"), "KLAVIYO_PRIVATE_KEY");
        assertTrue(sandbox.restartApp());
        assertNull(sandbox.appKey());
        assertEquals("degraded", json(get(sandbox.appUrl())).path("status").asText());
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

    @Test
    void manyThreadsAreCountedRight() {
        ControlledSandbox sandbox = start("healthy");
        long good = IntStream.range(0, 200)
                .parallel()
                .filter(i -> call(sandbox, "/api/events?page[size]=1").statusCode() == 200)
                .count();
        assertEquals(200, good);
        assertEquals(200, sandbox.requests().get("GET /api/events"));
        assertEquals(
                3299,
                Integer.parseInt(call(sandbox, "/api/events?page[size]=1")
                        .headers()
                        .firstValue("RateLimit-Remaining")
                        .orElse("")));
    }

    @Test
    void latencyDelaysEveryAnswer() {
        ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ofMillis(150), 0);
        opened.add(sandbox);
        for (URI uri : List.of(
                sandbox.apiUrl(),
                sandbox.statusUrl(),
                sandbox.appUrl(),
                sandbox.webhookUrl(),
                sandbox.prometheusUrl())) {
            long before = System.nanoTime();
            get(uri);
            assertTrue(System.nanoTime() - before >= 150_000_000L, uri.toString());
        }
    }

    // ---- Prometheus

    @ParameterizedTest(name = "{0}: {1} series")
    @CsvSource(delimiter = '|', value = {
        "klaviyo_api_errors_total                                                     | 8",
        "klaviyo_api_errors_total{status=\"401\"}                                     | 1",
        "klaviyo_api_errors_total{status=~\"5..\"}                                    | 3",
        "klaviyo_api_errors_total{status!~\"5..\",job=\"shop\"}                       | 5",
        "sum by (status) (increase(klaviyo_api_errors_total[15m]))                    | 8",
        "sum(rate(klaviyo_api_errors_total{status=\"401\"}[5m])) by (job)             | 1",
        "sum(klaviyo_api_errors_total)                                                | 1",
        "klaviyo_retry_queue_depth                                                    | 1",
        "max(klaviyo_retry_queue_depth)                                               | 1",
        "up                                                                           | 1",
        "some_other_metric                                                            | 0"})
    void prometheusAnswersWhatARunbookAsks(String query, int series) {
        JsonNode answer = query(healthy, query);
        assertEquals("success", answer.path("status").asText(), answer.toString());
        assertEquals("vector", answer.path("data").path("resultType").asText());
        assertEquals(series, answer.path("data").path("result").size());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "sum by (status",
                "klaviyo_api_errors_total{",
                "increase(klaviyo_api_errors_total)",
                "klaviyo_api_errors_total[5m]",
                "histogram_quantile(0.9, x)",
                "up{job=shop}",
                "1 +"
            })
    void prometheusRefusesWhatItCannotRead(String query) {
        HttpResponse<String> response =
                get(URI.create(healthy.prometheusUrl() + "/api/v1/query?query=" + encoded(query)));
        assertEquals(400, response.statusCode());
        assertEquals("bad_data", json(response).path("errorType").asText());
    }

    @Test
    void prometheusAnswersRanges() {
        ControlledSandbox sandbox = start("outage");
        long now = System.currentTimeMillis() / 1000;
        JsonNode result = json(get(URI.create(
                        sandbox.prometheusUrl() + "/api/v1/query_range?query=klaviyo_retry_queue_depth&start="
                                + (now - 1800) + "&end=" + now + "&step=5m")))
                .path("data")
                .path("result")
                .path(0)
                .path("values");
        assertEquals(7, result.size());
        assertEquals(3, result.path(0).path(1).asInt(), "before the incident");
        assertTrue(result.path(6).path(1).asInt() > 1000, "during the incident");
        assertEquals(
                400,
                get(URI.create(sandbox.prometheusUrl() + "/api/v1/query_range?query=up&start=1&end=2&step=0"))
                        .statusCode());
        assertTrue(get(sandbox.prometheusUrl().resolve("/-/healthy")).body().contains("Healthy"));
    }

    // ---- webhook and Slack

    @Test
    void theLiveRouteTakesSignedPostsOnly() {
        assertEquals(
                401,
                send(HttpRequest.newBuilder(healthy.webhookUrl()).POST(HttpRequest.BodyPublishers.ofString("{}")))
                        .statusCode());
        assertEquals(405, get(healthy.webhookUrl()).statusCode());
        assertEquals("POST", get(healthy.webhookUrl()).headers().firstValue("Allow").orElse(""));
        String listed = data(call(healthy, "/api/webhooks")).path(0).path("attributes").path("endpoint_url").asText();
        assertTrue(healthy.webhookUrl().toString().startsWith(listed), listed);
    }

    @Test
    void theRouteThatIsDownIsNotFound() {
        assertEquals(404, get(start("webhook-down").webhookUrl()).statusCode());
    }

    @Test
    void theExpiredCertificateIsReal() throws Exception {
        URI uri = start("webhook-cert-expired").webhookUrl();
        assertEquals("https", uri.getScheme());
        SSLContext trusting = SSLContext.getInstance("TLS");
        trusting.init(null, new TrustManager[] {new TrustAll()}, null);
        try (SSLSocket socket = (SSLSocket) trusting.getSocketFactory().createSocket(uri.getHost(), uri.getPort())) {
            X509Certificate certificate = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            assertThrows(CertificateExpiredException.class, certificate::checkValidity);
        }
    }

    /** Accepts anything, to look at it. */
    private static final class TrustAll implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) { }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) { }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"text\":\"hello\"} | 200 | ok",
                "{\"text\":\"\"} | 400 | no_text",
                "{} | 400 | no_text",
                "[] | 400 | invalid_payload",
                "hello | 400 | invalid_payload"
            })
    void slackAnswersInItsOwnWords(String payload, int status, String word) {
        HttpResponse<String> response = post(healthy, payload);
        assertEquals(status, response.statusCode());
        assertEquals(word, response.body());
    }

    private static HttpResponse<String> post(ControlledSandbox sandbox, String payload) {
        return send(HttpRequest.newBuilder(sandbox.slackUrl())
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(payload)));
    }
}
