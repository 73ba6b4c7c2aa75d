import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.Http;

/** The way to the servers as the responder's machine has it: certificates, and the proxy of the environment. */
class NetworkTest {
    private static final String LOGIN = "deploy:h0rse-battery";
    @TempDir static Path store;
    @TempDir Path folder;
    private static Certificates certificates;
    private static final ExecutorService THREADS = Executors.newCachedThreadPool();

    @BeforeAll
    static void certificates() throws Exception {
        certificates = Certificates.make(store);
    }

    @AfterAll
    static void stop() {
        THREADS.shutdownNow();
    }

    // ---- certificates

    @ParameterizedTest(name = "{0}, trusted {1}")
    @CsvSource(delimiter = '|', textBlock = """
        good       | true  | ok: DNS \\d+ ms, connect \\d+ ms, TLS \\d+ ms, certificate until          | ^fail: HTTP 401        | ^not posted: Slack refused it: HTTP 401
        good       | false | fail: TLS: the certificate comes from an unknown authority, "[^"]*". Does something here inspect TLS.*trustStore=FILE | ^fail: TLS: .* unknown authority | Slack was not reached: tls untrusted
        expired    | true  | fail: TLS: the certificate has expired                                    | ^fail: TLS: .* expired | Slack was not reached: tls expired
        wrong-name | true  | fail: TLS: the certificate is for another host name                       | ^fail: TLS: .* another host name | Slack was not reached: tls wrong name
        """)
    void eachCertificateFaultIsNamedInEachCheck(
            String certificate, boolean trusted, String network, String others, String slack) throws Exception {
        try (Site site = Site.start(certificate)) {
            TriageRun run = TriageRun.of(triage(site.uri()).args("--post")
                    .env("SLACK_WEBHOOK_URL", site.uri() + "/services/T0/B0/secretpath")
                    .env("JDK_JAVA_OPTIONS", trusted ? certificates.trusting() : "-Dtest=1"));
            if (!trusted) {
                assertEquals("network - exit 20", run.verdict(), "one machine's trouble is nobody's outage");
                assertMatches("unknown authority, \"CN=", run.check("network"));
                assertTrue(run.json().path("actions").toString().contains("javax.net.ssl.trustStore="), "the remedy");
                assertEquals(0, run.json().path("requestsSpent").asInt(), "no quota is claimed that was not spent");
            }
            String anyOutcome = others.replaceFirst("\\^fail", "^(fail|warn)");
            assertAll(() -> assertMatches(network, run.check("network")),
                    () -> assertMatches(others, run.check("auth")),
                    () -> assertMatches(
                            others.replaceFirst("fail: ", "fail: 1 of 1 failed: "), run.check("endpoint:webhooks")),
                    () -> assertMatches(
                            anyOutcome.replaceFirst(": ", ": status page unreachable: "), run.check("status-page")),
                    () -> assertMatches(
                            anyOutcome.replaceFirst(": ", ": metrics unavailable: "), run.check("app-errors")),
                    () -> assertMatches(others, run.check("app")),
                    () -> assertMatches(certificate.equals("good") && trusted
                                    ? "ok: HTTP 401 to an unsigned request: the route is live, certificate until"
                                    : network,
                            run.check("webhook")),
                    () -> assertMatches(slack.replace("^", ""), run.result().err().replaceAll("\\s+", " ")),
                    () -> assertFalse((run.result().out() + run.result().err()).contains("secretpath")));
        }
    }

    // ---- proxies

    @Test
    void tlsGoesThroughTheProxyWithItsLogin() throws Exception {
        try (Site site = Site.start("good"); ProxyServer proxy = new ProxyServer(LOGIN, 0)) {
            TriageRun run = through(triage(site.uri()), "HTTPS_PROXY", "http://" + LOGIN + "@" + proxy.address());
            assertAll(() -> assertMatches("^ok: .*TLS \\d+ ms through proxy " + proxy.address() + ", certificate until",
                            run.check("network")),
                    () -> assertMatches("HTTP 401", run.check("auth")),
                    () -> assertMatches("HTTP 401", run.check("app")),
                    () -> assertTrue(proxy.asked().stream().allMatch(line -> line.startsWith("CONNECT 127.0.0.1:"
                                                    + site.uri().getPort()))
                                    && proxy.asked().size() > 5,
                            proxy.asked().toString()));
        }
    }

    @Test
    void plainHttpGoesThroughItTooButAKeyOnlyWhenThatIsWished() throws Exception {
        try (Site site = Site.start(null); ProxyServer proxy = new ProxyServer(LOGIN, 0)) {
            Run.Result refused = inside(site.uri()).env("HTTP_PROXY", LOGIN + "@" + proxy.address()).run();
            assertEquals(2, refused.exit(), refused.toString());
            assertMatches("--api-url is plain http and would go through the proxy " + proxy.address()
                    + ", which reads the key: set NO_PROXY=127.0.0.1, or give --insecure-http", refused.err());
            assertTrue(proxy.asked().isEmpty(), proxy.asked().toString());
            TriageRun run = TriageRun.of(inside(site.uri()).args("--insecure-http").env("HTTP_PROXY", LOGIN + "@" + proxy.address()));
            assertMatches("HTTP 401", run.check("auth"));
            assertTrue(proxy.asked().contains("GET " + site.uri() + "/health HTTP/1.1"), proxy.asked().toString());
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
        HTTPS_PROXY=https://deploy:h0rse-battery@proxy.corp:3128  | HTTPS_PROXY names a proxy that is spoken to by https \\(proxy.corp:3128\\), which
        all_proxy=socks5://deploy:h0rse-battery@127.0.0.1:1080    | all_proxy names a proxy that is spoken to by socks5 \\(127.0.0.1:1080\\), which
        https_proxy=http://deploy:h0rse-battery@                  | https_proxy is no proxy's address: write http://
        HTTPS_PROXY=proxy.corp:99999                              | HTTPS_PROXY is no proxy's address: write http://
        """)
    void aProxyThatCannotBeUsedIsRefusedInOneLine(String variable, String says) throws Exception {
        Run.Result refused = inside(URI.create("https://127.0.0.1:9")).env(variable.split("=")[0], variable.split("=", 2)[1]).run();
        assertEquals(2, refused.exit(), refused.toString());
        assertMatches("^error: " + says, refused.err());
        assertTrue(refused.err().lines().count() == 1 && !refused.err().contains("-battery"), refused.err());
    }

    @ParameterizedTest(name = "{0} {1}: exit {2}")
    @CsvSource({"http://a.klaviyo.com, '', 2", "http://127.0.0.1.evil.example, '', 2", "http://a.invalid, --insecure-http, 20",
        "http://localhost:9, '', 20", "http://[::1]:9, '', 20"})
    void aKeyTravelsByPlainHttpOnlyToThisMachine(String api, String option, int exit) throws Exception {
        Run.Result result = inside(URI.create(api)).args(option.isEmpty() ? new String[0] : new String[] {option}).run();
        assertEquals(exit, result.exit(), result.toString());
        assertEquals(exit == 2, result.err().contains("--api-url is plain http, where anybody on the way reads the key"), result.err());
    }

    @Test
    void aLoginInAnAddressIsUsedAndShownNowhere() throws Exception {
        try (ScriptedServer server = new ScriptedServer(Map.of())) {
            String base = server.uri().toString().replace("//", "//" + LOGIN + "@");
            Run.Result result = Run.script("triage").args("--api-url", server.uri().toString(), "--status-url",
                    server.uri().toString(), "--app-url", base + "/health", "--prometheus", base, "-v").env("KLAVIYO_PRIVATE_KEY", "pk_" + "0a".repeat(17)).cwd(folder).run();
            String basic = "Basic " + Base64.getEncoder().encodeToString(LOGIN.getBytes(StandardCharsets.UTF_8));
            assertTrue(server.asked().contains(basic), server.asked().toString());
            assertFalse((result.out() + result.err()).contains("-battery"), result.toString());
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
        wants a login | 407 | the proxy [0-9.:]+ refused the tunnel: HTTP/1.1 407 | the proxy wants a login \\(407\\)
        refuses       | 403 | the proxy [0-9.:]+ refused the tunnel: HTTP/1.1 403 | the proxy [0-9.:]+ refused
        is down       | 0   | the proxy 127.0.0.1:\\d+ refuses connections | refuses connections
        """)
    void aProxyInTheWayIsNamedAndIsNoOutage(String what, int status, String network, String auth) throws Exception {
        try (Site site = Site.start("good");
                ProxyServer proxy = new ProxyServer(LOGIN, status);
                FaultServer down = FaultServer.refusing()) {
            TriageRun run = through(triage(site.uri()), "https_proxy",
                    "http://deploy:wr0ng-battery@" + (status == 0 ? down.uri().getAuthority() : proxy.address()));
            assertAll(() -> assertMatches("^fail: " + network, run.check("network")),
                () -> assertMatches("^fail: .*" + auth, run.check("auth")),
                () -> assertEquals("network - exit 20", run.verdict()));
        }
    }

    private TriageRun through(Run triage, String variable, String value) throws Exception {
        TriageRun run = TriageRun.of(triage.env(variable, value).env("JDK_JAVA_OPTIONS", certificates.trusting()));
        String all = run.result().out() + run.result().err();
        assertFalse(all.contains("-battery")
                        || all.contains(Base64.getEncoder().encodeToString(LOGIN.getBytes(StandardCharsets.UTF_8))),
                all);
        return run;
    }

    @ParameterizedTest(name = "{0} with {1} goes to {2}")
    @CsvSource(nullValues = "directly", value = {
        "https://a.klaviyo.com, https_proxy=low:1 HTTPS_PROXY=up:1, low:1",
        "https://a.klaviyo.com, HTTPS_PROXY=http://user:word@up:1, up:1",
        "https://a.klaviyo.com, ALL_PROXY=all:1, all:1",
        "https://a.klaviyo.com, HTTP_PROXY=up:1, directly",
        "http://app:3000, HTTP_PROXY=up:1, up:1",
        "http://app:3000, HTTP_PROXY=up:1 REQUEST_METHOD=GET, directly",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=.klaviyo.com, directly",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=other:klaviyo.com:443, up:1",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 no_proxy='localhost;a.klaviyo.com:443', directly",
        "https://notklaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=klaviyo.com, up:1",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=*, directly",
        "https://a.klaviyo.com, HTTPS_PROXY=:::nonsense NO_PROXY=a.klaviyo.com, directly"})
    void theEnvironmentDecides(String destination, String environment, String proxy) {
        Map<String, String> variables = new java.util.HashMap<>();
        List.of(environment.replace("'", "").split(" "))
                .forEach(pair -> variables.put(pair.split("=", 2)[0], pair.split("=", 2)[1].replace(';', ',')));
        assertEquals(proxy,
                Http.proxyFor(variables, URI.create(destination)).map(uri -> uri.getHost() + ":" + uri.getPort())
                        .orElse(null));
    }

    // ---- the server behind it all

    /** Answers 401 to everything, with Klaviyo's error: enough to see that a request came through. */
    private record Site(HttpServer server, String scheme) implements AutoCloseable {
        /** @param certificate null for plain HTTP */
        static Site start(String certificate) throws Exception {
            InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
            HttpServer server = certificate == null ? HttpServer.create(any, 100) : HttpsServer.create(any, 100);
            if (server instanceof HttpsServer tls) {
                tls.setHttpsConfigurator(new HttpsConfigurator(certificates.server(certificate)));
            }
            server.setExecutor(THREADS);
            server.createContext("/", exchange -> {
                byte[] body =
                        "{\"errors\":[{\"code\":\"authentication_failed\",\"detail\":\"Incorrect authentication credentials.\"}]}"
                                .getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(401, body.length);
                exchange.getResponseBody().write(body);
                exchange.close();
            });
            server.start();
            return new Site(server, certificate == null ? "http" : "https");
        }

        URI uri() {
            return URI.create(scheme + "://127.0.0.1:" + server.getAddress().getPort());
        }

        @Override
        public void close() {
            server.stop(0);
        }
    }

    private Run inside(URI base) {
        return Run.script("triage").args(TriageRun.pointedAt(base)).args("--endpoint", "webhooks", "--timeout", "5s")
                .env("KLAVIYO_PRIVATE_KEY", "pk_" + "0a".repeat(17)).cwd(folder);
    }

    private Run triage(URI base) throws IOException {
        return Run.process("triage").args(TriageRun.pointedAt(base)).args("--endpoint", "webhooks", "--timeout", "20s")
                .env("KLAVIYO_PRIVATE_KEY", "pk_" + "0a".repeat(17)).cwd(folder);
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), () -> "\"" + text + "\" does not match " + regex);
    }
}
