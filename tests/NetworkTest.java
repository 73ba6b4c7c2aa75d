import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.net.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.net.ssl.*;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;

/** The way to the servers as the responder's machine has it: certificates, and the proxy of the environment. */
class NetworkTest {
    private static final String LOGIN = "deploy:h0rse-battery";
    @TempDir static Path store;
    @TempDir Path folder;
    private static Certificates certificates;

    @BeforeAll
    static void certificates() throws Exception {
        certificates = Certificates.make(store);
    }

    // ---- certificates

    @ParameterizedTest(name = "{0}, trusted {1}")
    @CsvSource(delimiter = '|', textBlock = """
        good       | true  | HTTP 401       | HTTP 401
        good       | false | tls untrusted  | TLS: .* unknown authority, "CN=authority". .* inspect TLS.*trustStore=FILE
        expired    | true  | tls expired    | TLS: the certificate has expired or is not valid yet
        wrong-name | true  | tls wrong name | TLS: the certificate is for another host name
        """)
    void aCertificateFaultIsNamedInEachCheck(String name, boolean trusted, String slack, String says) throws Exception {
        try (LoopbackServer site = refusing(certificates.server(name))) {
            TriageRun run = TriageRun.of(triage(site).args("--post")
                    .env("SLACK_WEBHOOK_URL", site.url() + "/services/T0/B0/secretpath")
                    .env("JDK_JAVA_OPTIONS", trusted ? certificates.trusting() : "-Dtest=1"));
            if (!trusted) {
                assertEquals("network - exit 20", run.verdict(), "one machine's trouble is nobody's outage");
                assertTrue(run.json().path("actions").toString().contains("javax.net.ssl.trustStore="), "the remedy");
                assertEquals(0, run.json().path("requestsSpent").asInt(), "no quota is claimed that was not spent");
            }
            boolean well = says.startsWith("HTTP");
            if (well) {
                String live = "ok: HTTP 401 to an unsigned request: the route is live, certificate until";
                assertMatches(live, run.check("webhook"));
            }
            // A 401 is no health endpoint's answer.
            Stream<String> checks = Stream.of("fail auth", "fail endpoint:webhooks", "warn status-page",
                    "warn app-errors", well ? "warn app" : "fail app", well ? "ok webhook" : "fail webhook");
            String posted = well ? "Slack refused it: " : "Slack was not reached: ";
            assertAll(Stream.concat(checks.map(row -> row.split(" ")).map(row -> () ->
                            assertMatches("^" + row[0] + ": .*" + says, run.check(row[1]))),
                    Stream.of(() -> assertMatches("^ok: DNS \\d+ ms, connect \\d+ ms$", run.check("network")),
                            () -> assertMatches(posted + slack, run.result().err().replaceAll("\\s+", " ")),
                            () -> assertFalse(run.result().toString().contains("secretpath")))));
        }
    }

    // ---- proxies

    @Test
    void plainHttpGoesThroughItTooButAKeyOnlyWhenThatIsWished() throws Exception {
        try (LoopbackServer site = refusing(null); FaultServer proxy = FaultServer.proxy(LOGIN, 0)) {
            String address = proxy.uri().getAuthority();
            Run triage = inside(site.url()).env("HTTP_PROXY", LOGIN + "@" + address);
            Run.Result refused = triage.run().ends(2);
            assertMatches("--api-url is plain http and would go through the proxy " + address
                    + ", which reads the key: set NO_PROXY=127.0.0.1, or give --insecure-http", refused.err());
            assertTrue(proxy.asked().isEmpty(), proxy.asked().toString());
            assertMatches("HTTP 401", TriageRun.of(triage.args("--insecure-http")).check("auth"));
            assertTrue(proxy.asked().stream().allMatch(line -> line.matches("(GET|POST) " + site.url() + "/.*"))
                    && !proxy.asked().isEmpty(), proxy.asked().toString());
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
        HTTPS_PROXY=https://deploy:h0rse-battery@proxy:80 | HTTPS_PROXY names a proxy that is spoken to by https, which
        all_proxy=socks5://deploy:h0rse-battery@proxy:80  | all_proxy names a proxy that is spoken to by socks5, which
        https_proxy=http://deploy:h0rse-battery@          | https_proxy is no proxy's address: write http://
        HTTPS_PROXY=proxy.corp:99999                      | HTTPS_PROXY is no proxy's address: write http://
        """)
    void aProxyThatCannotBeUsedIsRefusedInOneLine(String variable, String says) {
        String[] set = variable.split("=", 2);
        Run.Result refused = inside("https://127.0.0.1:9").env(set[0], set[1]).run().ends(2);
        assertMatches("^error: " + says, refused.err());
        assertTrue(refused.err().lines().count() == 1 && !refused.err().contains("-battery"), refused.err());
    }

    @ParameterizedTest(name = "{0} {1}: exit {2}")
    @CsvSource({"http://a.klaviyo.com, -q, 2", "http://127.0.0.1.evil.example, -q, 2",
        "http://a.invalid, --insecure-http, 20", "http://localhost:9, -q, 20", "http://[::1]:9, -q, 20"})
    void aKeyTravelsByPlainHttpOnlyToThisMachine(String api, String option, int exit) {
        Run.Result result = inside(api).args(option).run().ends(exit);
        String why = "--api-url is plain http, where anybody on the way reads the key";
        assertEquals(exit == 2, result.err().contains(why), result.err());
    }

    @Test
    void aLoginInAnAddressIsUsedAndShownNowhere() {
        try (LoopbackServer server = LoopbackServer.wellBut(Map.of())) {
            String base = server.url().replace("//", "//" + LOGIN + "@");
            Run.Result result = Run.script("triage").args("--app-url", base + "/health", "--prometheus", base, "-v")
                    .args("--api-url", server.url(), "--status-url", server.url()).cwd(folder).run();
            String basic = "Basic " + Base64.getEncoder().encodeToString(LOGIN.getBytes(StandardCharsets.UTF_8));
            List<String> logins = server.asked("Authorization");
            assertTrue(Collections.frequency(logins, basic) >= 2, "application and Prometheus: " + logins);
            assertFalse(result.toString().contains("-battery"), result.toString());
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
        lets it in    | 200 | h0rse | HTTP 401                        | key-invalid P1 exit 11
        wants a login | 407 | wr0ng | the proxy \\S+ refused: it wants a login \\(407\\) | network - exit 20
        refuses       | 403 | wr0ng | the proxy [0-9.:]+ refused      | network - exit 20
        is down       | 0   | wr0ng | refuses connections             | network - exit 20
        """)
    void tlsGoesThroughTheProxyAndOneInTheWayIsNamedAndIsNoOutage(
            String what, int status, String word, String auth, String verdict) throws Exception {
        String network = status == 0 ? "fail: the proxy 127.0.0.1:\\d+ refuses connections"
                : "ok: .*connect \\d+ ms through proxy [0-9.:]+$";
        int refusal = status == 200 ? 0 : status;
        try (LoopbackServer site = refusing(certificates.server("good"));
                FaultServer proxy = status == 0 ? FaultServer.with("refused") : FaultServer.proxy(LOGIN, refusal)) {
            String login = "http://deploy:" + word + "-battery@";
            TriageRun run = TriageRun.of(triage(site).env("https_proxy", login + proxy.uri().getAuthority())
                    .env("JDK_JAVA_OPTIONS", certificates.trusting()));
            byte[] plain = login.replaceAll("http://|@", "").getBytes(StandardCharsets.UTF_8);
            String secret = "(?s).*(-battery|" + Base64.getEncoder().encodeToString(plain) + ").*";
            String connect = "CONNECT " + site.url().replace("https://", "") + " HTTP/1.1";
            assertAll(() -> assertMatches("^" + network, run.check("network")),
                () -> assertMatches("^fail: .*" + auth, run.check("auth")),
                () -> assertEquals(verdict, run.verdict()),
                () -> assertEquals(status == 200 ? Set.of(connect) : Set.of(), Set.copyOf(proxy.asked())),
                () -> assertFalse(run.result().toString().matches(secret), run.toString()));
        }
    }

    @ParameterizedTest(name = "{0} with {1} goes to {2}")
    @CsvSource(nullValues = "directly", value = {
        "https://a.klaviyo.com, https_proxy=low:1 HTTPS_PROXY=up:1, low:1",
        "https://a.klaviyo.com, HTTPS_PROXY=http://user:word@up:1, up:1",
        "https://a.klaviyo.com, ALL_PROXY=all:1, all:1",
        "https://a.klaviyo.com, HTTP_PROXY=up:1, directly",
        "http://app:3000, HTTP_PROXY=up:1, up:1",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=.klaviyo.com, directly",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=other:klaviyo.com:443, up:1",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 no_proxy='localhost;a.klaviyo.com:443', directly",
        "https://notklaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=klaviyo.com, up:1",
        "https://a.klaviyo.com, HTTPS_PROXY=up:1 NO_PROXY=*, directly",
        "https://a.klaviyo.com, HTTPS_PROXY=:::nonsense NO_PROXY=a.klaviyo.com, directly"})
    void theEnvironmentDecides(String destination, String environment, String proxy) {
        Map<String, String> variables = new HashMap<>();
        List.of(environment.replace("'", "").split(" "))
                .forEach(pair -> variables.put(pair.split("=", 2)[0], pair.split("=", 2)[1].replace(';', ',')));
        assertEquals(proxy,
                Settings.proxyFor(variables, URI.create(destination)).map(uri -> uri.getHost() + ":" + uri.getPort())
                        .orElse(null));
    }

    /** Answers 401 to everything, with Klaviyo's error: enough to see that a request came through. */
    private static LoopbackServer refusing(SSLContext tls) {
        return new LoopbackServer(tls, request -> LoopbackServer.Response.error(401, "authentication_failed", "",
                "Incorrect authentication credentials."));
    }

    private Run inside(String base) {
        return pointed(Run.script("triage"), base, "5s");
    }

    private Run triage(LoopbackServer site) {
        return pointed(Run.process("triage"), site.url(), "20s");
    }

    private Run pointed(Run triage, String base, String timeout) {
        return triage.args(TriageRun.pointedAt(base)).args("--endpoint", "webhooks", "--timeout", timeout)
                .env("KLAVIYO_PRIVATE_KEY", "pk_" + "0a".repeat(17)).cwd(folder);
    }

    private static void assertMatches(String regex, String text) {
        assertTrue(Pattern.compile(regex).matcher(text).find(), () -> "\"" + text + "\" does not match " + regex);
    }

    /** Real certificates from an authority of our own, made by the running JDK's keytool. */
    private record Certificates(Path folder, KeyStore all) {
        private static final char[] PASSWORD = "changeit".toCharArray();

        /** An authority, and for loopback a certificate in order, an expired one, and one for another name. */
        static Certificates make(Path folder) throws IOException, GeneralSecurityException {
            Path store = folder.resolve("all.p12");
            keytool(store, "authority", "-ext", "bc:c");
            keytool(store, "good", "-signer", "authority", "-ext", "SAN=ip:127.0.0.1");
            keytool(store, "expired", "-signer", "authority", "-ext", "SAN=ip:127.0.0.1", "-startdate", "-400d",
                    "-validity", "365");
            keytool(store, "wrong-name", "-signer", "authority", "-ext", "SAN=dns:another.example");
            KeyStore all = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(store)) {
                all.load(in, PASSWORD);
            }
            return new Certificates(folder, all);
        }

        private static void keytool(Path store, String alias, String... more) {
            Run.command(Run.JAVA_HOME.resolve("bin/keytool").toString(), "-genkeypair", "-alias", alias, "-dname",
                    "CN=" + alias, "-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12", "-keystore",
                    store.toString(), "-storepass", new String(PASSWORD)).args(more).run().ends(0);
        }

        /** For a server that shows this certificate. */
        SSLContext server(String alias) throws GeneralSecurityException, IOException {
            KeyStore one = KeyStore.getInstance("PKCS12");
            one.load(null, null);
            one.setKeyEntry(alias, all.getKey(alias, PASSWORD), PASSWORD, all.getCertificateChain(alias));
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(one, PASSWORD);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            return context;
        }

        /** JVM options to trust the authority alone: a store with a key in it would trust its certificate as it is. */
        String trusting() throws GeneralSecurityException, IOException {
            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            trusted.setCertificateEntry("authority", all.getCertificate("authority"));
            Path file = folder.resolve("trusted.p12");
            try (OutputStream out = Files.newOutputStream(file)) {
                trusted.store(out, PASSWORD);
            }
            return "-Djavax.net.ssl.trustStore=" + file + " -Djavax.net.ssl.trustStorePassword=" + new String(PASSWORD);
        }
    }
}
