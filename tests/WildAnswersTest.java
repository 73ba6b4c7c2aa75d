import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import runbook.Klaviyo.Endpoint;
import runbook.Key;
import runbook.Settings;
import runbook.Checks;
import runbook.DecisionTree.Step;
import runbook.Verdict;

/** Answers as they were seen in the wild, and what whoever was paged is told of them. */
class WildAnswersTest {
    private static final String KEY = "pk_" + "0a".repeat(17);
    private static final String CLOUDFLARE = "server: cloudflare\ncf-ray: 8e2f1c0d9a7b3e5f-FRA";
    private static final String API = "/api/";
    private static final String PAGE = "/api/v2/summary.json";

    @TempDir Path folder;

    /**
     * An answer, and what is made of it.
     *
     * @param seen    what it is, and where it was seen
     * @param answers by path; the rest is well
     * @param options of triage
     * @param verdict diagnosis, severity and exit code
     * @param path    the answers to the tree's questions
     * @param check   the check that tells
     * @param says    what its line has to match
     */
    private record Row(String seen, Map<String, ScriptedServer.Answer> answers, List<String> options, String verdict, String path, String check, String says) {
        Row(String seen, Map<String, ScriptedServer.Answer> answers, String verdict, String path, String check, String says) {
            this(seen, answers, List.of(), verdict, path, check, says);
        }
    }

    private static ScriptedServer.Answer error(int status, String code, String title, String detail) {
        return ScriptedServer.Answer.error(status, code, title, detail);
    }

    private static ScriptedServer.Answer html(int status) {
        return ScriptedServer.Answer.html(status, "<!DOCTYPE html><html><head><title>" + status + "</title></head></html>");
    }

    private static List<Row> errors() {
        ScriptedServer.Answer refused = error(401, "authentication_failed", "Incorrect authentication credentials.", "Incorrect authentication credentials.");
        ScriptedServer.Answer forbidden = error(403, "permission_denied", "You do not have permission to perform this action.",
            "Your API key is missing required scopes: events:read");
        ScriptedServer.Answer throttled = error(429, "throttled", "Request was throttled.", "Request was throttled. Expected available in 1 second.");
        ScriptedServer.Answer challenge = ScriptedServer.Answer.html(403, "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>")
            .with(CLOUDFLARE).with("cf-mitigated: challenge");
        return List.of(
            new Row("401 with a wrong scheme (klaviyo-api-ruby 19)", Map.of(API, error(401, "not_authenticated", "Authentication credentials were not provided.",
                "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.")), "key-invalid P1 exit 11", "yes; yes; 401; fit, and refused", "auth", "^fail: HTTP 401 not_authenticated: Missing or invalid"),
            new Row("401 with a bad key (trufflehog 1870)", Map.of(API, refused), "key-invalid P1 exit 11", "yes; yes; 401; fit, and refused", "auth", "^fail: HTTP 401 authentication_failed"),
            new Row("401 from Klaviyo, through the CDN (klaviyo-api-python 15)", Map.of(API, refused.with(CLOUDFLARE)), "key-invalid P1 exit 11", "yes; yes; 401; fit, and refused", "auth", "^fail: HTTP 401 authentication_failed"),
            new Row("401 with status as text and nothing more", Map.of(API, ScriptedServer.Answer.json(401, "{\"errors\":[{\"status\":\"401\",\"title\":\"Unauthorized\"}]}")),
                "key-invalid P1 exit 11", "yes; yes; 401; fit, and refused", "auth", "^fail: HTTP 401.*Unauthorized"),
            new Row("403 on accounts alone: the key is good for other work", Map.of("/api/accounts", forbidden), "healthy - exit 0", "no; yes", "auth", "^warn: the key is valid but may not read accounts"),
            new Row("403 on webhooks alone: it may be the plan", Map.of("/api/webhooks", forbidden), "healthy - exit 0", "no; yes", "endpoint:webhooks", "^warn: 1 of 1 failed: HTTP 403 permission_denied"),
            new Row("403 on events: a scope", Map.of("/api/events", forbidden.with(CLOUDFLARE)), "scope-missing P3 exit 13", "yes; yes; 403; no; yes", "endpoint:events", "missing required scopes: events:read"),
            new Row("400 invalid", Map.of("/api/events", error(400, "invalid", "Invalid input.", "'page[size]' is not a valid field")), "payload-invalid P3 exit 13", "yes; yes; 400", "endpoint:events", "HTTP 400 invalid"),
            new Row("409 duplicate_profile in the application: no incident", Map.of(), List.of("--observed", "409"), "healthy - exit 0", "no; yes", "app-errors", "^ok: .*409"),
            new Row("422 in the application", Map.of(), List.of("--observed", "422"), "payload-invalid P3 exit 13", "no; other 4xx", "app-errors", "^fail: .*422"),
            new Row("429 with Retry-After", Map.of(API, throttled.with("retry-after: 23")), "rate-limited P2 exit 12", "yes; yes; 429; no", "rate-limit", "full again in 23 s"),
            new Row("429 without Retry-After (klaviyo-api-python 15)", Map.of(API, throttled), "rate-limited P2 exit 12", "yes; yes; 429; no", "rate-limit", "full again in 1 s"),
            new Row("429 that may be tried again at once", Map.of(API, error(429, "throttled", "Request was throttled.", "Request was throttled. Expected available in 0 seconds.")),
                "rate-limited P2 exit 12", "yes; yes; 429; no", "rate-limit", "may be asked again at once"),
            new Row("429 with a Retry-After that is no number", Map.of(API, throttled.with("retry-after: Wed, 21 Oct 2026 07:28:00 GMT")), "rate-limited P2 exit 12", "yes; yes; 429; no", "rate-limit", "full again in 1 s"),
            new Row("410 of a retired v1 or v2 route, no JSON:API", Map.of(API, ScriptedServer.Answer.json(410, "{\"message\":\"This API has been retired and is no longer in service. Please migrate.\"}")),
                "revision-retired P1 exit 11", "yes; yes; revision refused; no", "auth", "HTTP 410 .*no longer in service"),
            new Row("404 for a future revision", Map.of(API, error(404, "not_found", "Not found.", "Unable to specify a future revision date")), "revision-retired P1 exit 11", "yes; yes; revision refused; no",
                "auth", "HTTP 404 not_found: Unable to specify a future revision date"),
            new Row("404 for an endpoint that the revision lacks", Map.of("/api/events", error(404, "not_found", "Not found.", "No valid revisions found for method")), "revision-retired P3 exit 13",
                "yes; yes; revision refused; yes", "endpoint:events", "No valid revisions found"),
            new Row("400 for a malformed revision", Map.of(API, error(400, "invalid", "Invalid input.", "Invalid revision format, expected YYYY-MM-DD")), "revision-retired P1 exit 11", "yes; yes; revision refused; no", "auth", "HTTP 400"),
            new Row("403 challenge of the CDN (klaviyo-api-python 84)", Map.of(API, challenge), "cdn-blocked P1 exit 11", "yes; yes; 403 from the CDN; yes", "auth", "from the CDN in front of Klaviyo, not from Klaviyo \\(cf-ray 8e2f"),
            new Row("403 challenge now and then", Map.of("/api/events", challenge), "cdn-blocked P2 exit 12", "yes; yes; 403 from the CDN; no", "endpoint:events", "from the CDN"),
            new Row("400 of the edge itself (klaviyo-api-ruby 39)", Map.of(API, html(400).with("server: cloudflare\ncf-ray: -")), "cdn-blocked P1 exit 11", "yes; yes; 403 from the CDN; yes", "auth",
                "HTTP 400 from the CDN.* line break in the Authorization header"),
            new Row("520, the CDN's word for trouble behind it", Map.of(API, html(520).with(CLOUDFLARE)), "silent-outage P1 exit 11", "yes; yes; 5xx or no answer; no; yes", "auth", "HTTP 520 from the CDN"),
            new Row("530", Map.of(API, html(530).with(CLOUDFLARE)), "silent-outage P1 exit 11", "yes; yes; 5xx or no answer; no; yes", "auth", "HTTP 530 from the CDN"),
            new Row("503 as HTML", Map.of(API, html(503)), "silent-outage P1 exit 11", "yes; yes; 5xx or no answer; no; yes", "auth", "HTTP 503"),
            new Row("502 with an empty body, while the page admits it", Map.of(API, new ScriptedServer.Answer(502, "x: y", ""), PAGE, page("", "{\"name\":\"API errors\",\"status\":\"investigating\",\"impact\":\"minor\"}")),
                "klaviyo-outage P1 exit 11", "yes; yes; 5xx or no answer; yes; yes", "auth", "HTTP 502, an empty body"));
    }

    @TestFactory
    Stream<DynamicTest> anErrorBodySeenInTheWild() {
        return errors().stream().map(row -> dynamicTest(row.seen, () -> {
            try (ScriptedServer server = new ScriptedServer(row.answers)) {
                TriageRun run = TriageRun.of(Run.script("triage").args(TriageRun.pointedAt(server.uri())).args(row.options.toArray(String[]::new))
                    .args("--timeout", "20s").env("KLAVIYO_PRIVATE_KEY", KEY).cwd(folder));
                assertAll(
                    () -> assertEquals(row.verdict, run.verdict()),
                    () -> assertEquals(row.path, String.join("; ", run.path())),
                    () -> assertMatches(row.says, run.check(row.check)));
            }
        }));
    }

    // ---- the status page

    private static ScriptedServer.Answer page(String components, String incidents) {
        return ScriptedServer.Answer.json(200, "{\"status\":{\"indicator\":\"minor\",\"description\":\"Partially Degraded Service\"},\"components\":[" + components + "],\"incidents\":[" + incidents + "]}");
    }

    private static ScriptedServer.Answer rss(String status) {
        return new ScriptedServer.Answer(200, "content-type: application/rss+xml", "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Klaviyo</title><item><title>Elevated API errors</title>"
            + "<description>&lt;p&gt;&lt;small&gt;Nov 23, 03:24 EST&lt;/small&gt;&lt;br&gt;&lt;strong&gt;" + status + "&lt;/strong&gt; - We see 503s.&lt;/p&gt;</description><link>https://x/1</link></item></channel></rss>");
    }

    private static List<Row> pages() {
        String down = "\"status\":\"major_outage\"";
        ScriptedServer.Answer none = ScriptedServer.Answer.html(500, "oops");
        return List.of(
            new Row("a group row", Map.of(PAGE, page("{\"name\":\"Klaviyo API\",\"group\":true," + down + "}", "")), "healthy - exit 0", "no; yes", "status-page", "^ok: Partially Degraded Service$"),
            new Row("a component that an API integration does not feel", Map.of(PAGE, page("{\"name\":\"Email Sending\"," + down + "}", "")), "healthy - exit 0", "no; yes", "status-page", "^ok"),
            new Row("a component that matters", Map.of(PAGE, page("{\"name\":\"Klaviyo API\",\"status\":\"degraded_performance\"}", "")), "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "^fail: .*Klaviyo API: degraded performance"),
            new Row("a status that nobody knows", Map.of(PAGE, page("{\"name\":\"Klaviyo API\",\"status\":\"limping\"}", "")), "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "Klaviyo API: limping"),
            new Row("components without name or status, and nulls", Map.of(PAGE, page("{},{\"name\":null,\"status\":null},{\"name\":\"Klaviyo API\",\"status\":null},7", "")), "healthy - exit 0", "no; yes", "status-page", "^ok"),
            new Row("nothing but a status", Map.of(PAGE, ScriptedServer.Answer.json(200, "{\"status\":{}}")), "healthy - exit 0", "no; yes", "status-page", "^ok"),
            new Row("maintenance for weeks, of something that matters", Map.of(PAGE, page("{\"name\":\"Klaviyo API\",\"status\":\"under_maintenance\"}", "")), "healthy - exit 0", "no; yes", "status-page", "^warn: .*under maintenance"),
            new Row("an incident that names no component", Map.of(PAGE, page("", "{\"name\":\"Delays\",\"status\":\"identified\",\"components\":[]}")), "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "incident \"Delays\" \\(identified\\)"),
            new Row("an incident of null fields", Map.of(PAGE, page("", "{\"name\":null,\"status\":null,\"impact\":null,\"components\":null,\"incident_updates\":[{\"body\":null,\"display_at\":null}],\"created_at\":null}")),
                "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "incident \"unnamed incident\" \\(unknown\\)$"),
            new Row("an incident of e-mail sending alone", Map.of(PAGE, page("", "{\"name\":\"Slow mail\",\"status\":\"identified\",\"components\":[{\"name\":\"Email Sending\"}]}")), "healthy - exit 0", "no; yes", "status-page", "^ok: .*Slow mail"),
            new Row("the same while the API fails: not what explains it", Map.of(API, html(503), PAGE, page("", "{\"name\":\"Slow mail\",\"status\":\"identified\",\"components\":[{\"name\":\"Email Sending\"}]}")),
                "silent-outage P1 exit 11", "yes; yes; 5xx or no answer; no; yes", "status-page", "^ok: .*Slow mail"),
            new Row("an incident that is over", Map.of(PAGE, page("", "{\"name\":\"Old\",\"status\":\"postmortem\"},{\"name\":\"Older\",\"status\":\"resolved\"}")), "healthy - exit 0", "no; yes", "status-page", "^ok: Partially Degraded Service$"),
            new Row("JSON fails, the feed tells", Map.of(PAGE, none, "/history.rss", rss("Investigating")), "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "from its feed.*\"Elevated API errors\" \\(investigating\\): We see 503s"),
            new Row("JSON fails, and the feed's newest is over", Map.of(PAGE, none, "/history.rss", rss("Resolved")), "healthy - exit 0", "no; yes", "status-page", "^warn: no open incident in the feed"),
            new Row("JSON and feed fail, the web page tells", Map.of(PAGE, none, "/history.rss", none, "/", ScriptedServer.Answer.html(200, "<html><div class=\"unresolved-incident\"><div class=\"incident-title\">"
                + "<a href=\"/i/1\">API is down</a></div><div class=\"update\"><strong>Identified</strong> - On it.</div></div></html>"), "/health", OK, "/api/profiles", OK, "/api/lists", OK, "/api/metrics", OK, "/api/events", OK, "/api/webhooks", OK),
                "klaviyo-degraded P2 exit 12", "no; yes", "status-page", "from its web page.*API is down"),
            new Row("none of them", Map.of(PAGE, none, "/history.rss", none), "monitoring-gap P4 exit 14", "no; no", "status-page", "^warn: status page unreachable: HTTP 500.*@klaviyo"));
    }

    private static final ScriptedServer.Answer OK = ScriptedServer.Answer.json(200, "{\"data\":[]}");

    /** In this process: the path from the page to the verdict, without the cost of a start for each. */
    @TestFactory
    Stream<DynamicTest> anOddStatusPage() {
        return pages().stream().map(row -> dynamicTest(row.seen, () -> {
            try (ScriptedServer server = new ScriptedServer(row.answers)) {
                Verdict verdict = Verdict.of(Checks.run(new Settings(new Settings.Target(server.uri(), server.uri(), server.uri().resolve("/health"), null, null), Optional.of(Key.of(KEY)), "2026-07-15",
                    new Settings.Probing(Duration.ofSeconds(20), 1, Duration.ofSeconds(20), Endpoint.KNOWN), new Settings.AppErrors(List.of(), "up", "status"), Optional.empty(), Map.of(), Settings.Templates.builtIn())));
                String severity = verdict.severity().map(Enum::name).orElse("-");
                var page = verdict.findings().status().check();
                assertAll(
                    () -> assertEquals(row.verdict, verdict.diagnosis().id() + " " + severity + " exit " + verdict.exitCode()),
                    () -> assertEquals(row.path, verdict.path().stream().map(Step::answer).collect(Collectors.joining("; "))),
                    () -> assertMatches(row.says, page.outcome().name().toLowerCase(java.util.Locale.ROOT) + ": " + page.summary()));
            }
        }));
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), () -> "\"" + text + "\" does not match " + regex);
    }
}
