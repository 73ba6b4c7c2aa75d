import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.toSet;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;
import runbook.Text.Json;
import runbook.sandbox.*;

/** The sandbox refuses what Klaviyo refuses, line by line, and each scenario is what its name says. */
class SandboxTest {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final ControlledSandbox HEALTHY = ControlledSandbox.start("healthy", Duration.ZERO, 0);

    private ControlledSandbox sandbox;

    @BeforeEach
    void openEveryWindow() {
        HEALTHY.forget();
    }

    @AfterEach
    void stop() {
        if (sandbox != null) {
            sandbox.close();
        }
    }

    @AfterAll
    static void stopHealthy() {
        HEALTHY.close();
    }

    /** One whose time stands still, so that no rate window opens and no schedule turns by itself on a slow machine. */
    private ControlledSandbox start(String scenario) {
        stop();
        sandbox = ControlledSandbox.start(scenario, Duration.ZERO, 0);
        return sandbox;
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) {
        return assertDoesNotThrow(() -> CLIENT.send(request.build(), BodyHandlers.ofString()));
    }

    /** A request to any of its sites. */
    private static HttpRequest.Builder to(Sandbox sandbox, String target) {
        return HttpRequest.newBuilder(URI.create(sandbox.target().api() + target));
    }

    private static HttpRequest.Builder api(Sandbox sandbox, String target, String key) {
        return to(sandbox, target).header("Authorization", (key.startsWith("Bearer ") ? "" : "Klaviyo-API-Key ") + key)
                .header("revision", target.contains("api-keys") ? "2026-07-15.pre" : "2026-07-15");
    }

    private static HttpResponse<String> call(Sandbox sandbox, String target) {
        return send(api(sandbox, target, sandbox.key()));
    }

    private static JsonNode json(HttpResponse<String> response) {
        return assertDoesNotThrow(() -> Json.read(response.body()), response.body());
    }

    private static JsonNode get(Sandbox sandbox, String target) {
        return json(send(to(sandbox, target)));
    }

    /** Status, code and what is at fault: {@code 400 invalid page[size]}. */
    private static String told(HttpResponse<String> response) {
        JsonNode error = json(response).path("errors").path(0);
        JsonNode source = error.path("source");
        return (response.statusCode() + " " + error.path("code").asText(json(response).path("errorType").asText())
                + " " + source.path("parameter").asText(source.path("pointer").asText())).strip();
    }

    private static String headers(HttpResponse<String> response, String... names) {
        return Stream.of(names).map(name -> response.headers().firstValue(name).orElse("-")).collect(joining(" "));
    }

    // ---- what Klaviyo refuses, and answers

    @ParameterizedTest(name = "{1}, authorization {2}, revision {3}, {5}: {0}")
    @Cases("sandbox-cases.txt: requests")
    void refusesAndTakesWhatKlaviyoDoes(
            String answer, String target, String authorization, String revision, String says, String body) {
        String id = HEALTHY.keyId(HEALTHY.newKey());
        String[] line = target.replace("ID", id).split(" ");
        HttpRequest good = api(HEALTHY, line[1], HEALTHY.key()).build();
        HttpRequest.Builder request = HttpRequest.newBuilder(good.uri());
        Map<String, String> given = new HashMap<>();
        given.put("Authorization", authorization);
        given.put("revision", revision);
        given.forEach((name, value) -> {
            if (!"-".equals(value)) {
                request.header(name, value == null ? good.headers().firstValue(name).orElseThrow()
                        : value.replaceFirst("KEY", HEALTHY.key()).replaceFirst("TOKEN", HEALTHY.openToken()));
            }
        });
        if (body != null) {
            request.header("Content-Type", "application/vnd.api+json");
        }
        String sent = body == null ? "" : body.replace("ID", id);
        HttpResponse<String> response = send(request.method(line[0], BodyPublishers.ofString(sent)));
        assertEquals(answer, told(response), response.body());
        assertEquals("application/vnd.api+json cloudflare", headers(response, "content-type", "server"));
        assertTrue(headers(response, "cf-ray").endsWith("-AMS"));
        JsonNode error = json(response).path("errors").path(0);
        assertTrue(says == null || error.path("detail").asText().contains(says), response.body());
        assertTrue(error.isMissingNode() || error.path("status").asInt() == response.statusCode()
                && error.hasNonNull("id") && error.hasNonNull("title"), response.body());
    }

    @ParameterizedTest(name = "{1}: {0}")
    @Cases("sandbox-cases.txt: sites")
    void theOtherSitesRefuseAndTakeWhatTheirLikesDo(String answer, String target, String says, String body) {
        String[] line = target.replace("SLACK", HEALTHY.slackUrl().getPath()).split(" ", 2);
        String path = line[1].replace("query=", "query=\0").split("\0")[0];
        String encoded = path + URLEncoder.encode(line[1].substring(path.length()), UTF_8);
        HttpResponse<String> response = send(to(HEALTHY, encoded)
                .method(line[0], BodyPublishers.ofString(body == null ? "" : body)));
        assertEquals(Integer.parseInt(answer), response.statusCode(), response.body());
        assertTrue(says == null || (response.headers().map() + response.body()).contains(says), response.body());
    }

    @ParameterizedTest(name = "without {0}: {1} is a 403")
    @CsvSource({"accounts:read,/api/accounts", "profiles:read,/api/profiles", "lists:read,/api/lists",
        "metrics:read,/api/metrics", "events:read,/api/events", "webhooks:read,/api/webhooks",
        "webhooks:read,/api/webhook-topics", "credentials:read,/api/api-keys"})
    void namesTheMissingScope(String scope, String path) {
        start("healthy").scopes(sandbox.key(), sandbox.scopes(sandbox.key()).stream()
                .filter(one -> !one.equals(scope)).collect(toSet()));
        HttpResponse<String> response = call(sandbox, path);
        assertEquals("403 permission_denied /data/", told(response));
        assertTrue(response.body().contains("Your API key is missing required scopes: " + scope), response.body());
    }

    @ParameterizedTest(name = "{0}: {2} × {1} with {3}")
    @Cases("sandbox-cases.txt: resources")
    void answersWithWhatWasAskedFor(String path, String type, int count, String attributes) {
        JsonNode data = json(call(HEALTHY, path)).path("data");
        assertEquals(count, data.size());
        data.forEach(resource -> assertEquals(type + " " + Objects.toString(attributes, ""),
                resource.path("type").asText() + " " + resource.path("attributes").properties().stream()
                        .map(Map.Entry::getKey).sorted().collect(joining(" "))));
    }

    // ---- rate windows

    @Test
    void theBurstWindowIsRealAndOfOneEndpointAndAccount() {
        assertEquals(200, accounts(start("healthy").key()));
        HttpResponse<String> second = call(sandbox, "/api/accounts");
        assertEquals("429 throttled /data/", told(second));
        assertTrue(second.body().contains("Request was throttled. Expected available in 1 second."), second.body());
        assertEquals("1 -", headers(second, "Retry-After", "RateLimit-Limit"));
        assertEquals(200, call(sandbox, "/api/webhooks").statusCode(), "another endpoint has its own");
        assertEquals(200, accounts(sandbox.foreignKey()), "another account too");
        assertEquals(200, accounts("Bearer " + sandbox.openToken()), "an OAuth app too");
        assertEquals(429, accounts(sandbox.newKey()), "another key shares it");
        sandbox.advance(Duration.ofSeconds(1));
        assertEquals(200, accounts(sandbox.key()));
    }

    private int accounts(String key) {
        return send(api(sandbox, "/api/accounts", key)).statusCode();
    }

    @Test
    void theSteadyWindowIsReal() {
        start("healthy");
        for (int i = 0; i < 15; i++) {
            HttpResponse<String> response = call(sandbox, "/api/accounts");
            assertEquals("200 15 " + (14 - i) + " " + (60 - i), response.statusCode() + " "
                    + headers(response, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"));
            sandbox.advance(Duration.ofSeconds(1));
        }
        HttpResponse<String> over = call(sandbox, "/api/accounts");
        assertEquals("429 45", over.statusCode() + " " + headers(over, "Retry-After"));
        sandbox.advance(Duration.ofSeconds(45));
        assertEquals(200, accounts(sandbox.key()));
    }

    // ---- keys

    @Test
    void theBetaApiDisablesAKeyAndNeverShowsOne() {
        String id = start("healthy").keyId(sandbox.key());
        String document = """
                {"data":{"type":"api-key","id":"%s","attributes":{"status":"disabled"}}}""".formatted(id);
        HttpRequest.Builder patch = api(sandbox, "/api/api-keys/" + id, sandbox.key())
                .header("Content-Type", "application/json").method("PATCH", BodyPublishers.ofString(document));
        assertEquals("disabled", json(send(patch)).at("/data/attributes/status").asText());
        assertEquals("401 authentication_failed /data/", told(call(sandbox, "/api/profiles")));
        String list = "/api/api-keys?additional-fields[api-key]=redacted_key";
        JsonNode listed = json(send(api(sandbox, list, sandbox.newKey()))).path("data");
        JsonNode disabled = listed.path(1).path("attributes");
        assertEquals("disabled pk_****" + sandbox.key().substring(sandbox.key().length() - 4),
                disabled.path("status").asText() + " " + disabled.path("redacted_key").asText());
        assertFalse(listed.toString().contains(sandbox.key()), "a listing never shows a key");
    }

    // ---- scenarios

    @ParameterizedTest(name = "{0}")
    @Cases("sandbox-cases.txt")
    void itGoesAsTheCaseSays(String name, List<String> lines) throws IOException {
        try (Session session = new Session()) {
            session.names.put("{rotate-key}", Run.process("rotate-key").quoted());
            session.play(lines);
        }
    }

    private JsonNode page(String document) {
        return get(sandbox, "/api/v2/" + document + ".json");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "recovering; 40; 0 503 investigating|8 503 identified|15 200 identified|18 200 monitoring|28 200 resolved",
        "flapping; 60; 0 503 investigating|6 200 investigating|12 503 investigating|14 503 identified|18 200 identified"
            + "|24 503 identified|30 200 identified|31 200 monitoring|42 200 resolved"})
    void goesItsCourseByItself(String scenario, int seconds, String course) {
        start(scenario);
        List<String> turns = new ArrayList<>();
        String last = "";
        for (int second = 0; second <= seconds; second++) {
            String now = call(sandbox, "/api/lists").statusCode() + " "
                    + page("incidents").at("/incidents/0/status").asText();
            if (!now.equals(last)) {
                turns.add(second + " " + now);
            }
            last = now;
            sandbox.advance(Duration.ofSeconds(1));
        }
        assertEquals(course, String.join("|", turns));
    }

}
