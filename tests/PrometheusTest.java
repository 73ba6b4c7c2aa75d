import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import runbook.*;
import runbook.Prometheus.Result;

/** What Prometheus answers is read as it is, and what it refuses is told in its own words. */
class PrometheusTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir Path folder;

    private static Prometheus at(Object base) {
        Settings.Target target = new Settings.Target(Settings.Target.KLAVIYO.api(), Settings.Target.KLAVIYO.status(),
                null, null, URI.create(base.toString()), false);
        Settings settings = new Settings(target, Optional.empty(), "2026-10-15",
                new Settings.Probing(PATIENCE, 1, List.of(), "up", List.of()), Optional.empty(),
                Map.of(), Settings.Templates.BUILT_IN);
        return new Prometheus(Http.of(settings));
    }

    private static Result asked(int status, String body) {
        LoopbackServer.Response answer = new LoopbackServer.Response(status, body);
        try (LoopbackServer server = LoopbackServer.wellBut(Map.of("/api/v1/query", answer))) {
            return at(server.url()).instant("up");
        }
    }

    private static Result data(String type, String result) {
        return asked(200, """
                {"status":"success","data":{"resultType":"%s","result":%s}}""".formatted(type, result));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        vector | status=503 41.0; status=401 1000.0 | 1041.0 \
            | [{"metric":{"status":"503"},"value":[1795662000.5,"41"]},\
            {"metric":{"status":"401"},"value":[1795662000.5,"1e3"]}]
        scalar | value 7.0    | 7.0  | [1795662000,"7"]
        vector | ~~           | none | []
        vector | up NaN       | none | [{"metric":{"__name__":"up","job":"x"},"value":[1,"NaN"]}]
        vector | value Infinity; a=b -Infinity; a=c 2.0 | 2.0 | [{"metric":{},"value":[1,"+Inf"]},\
            {"metric":{"a":"b"},"value":[1,"-Inf"]},{"metric":{"a":"c"},"value":[1,"2"]}]
        matrix | q=[31mx 3.0  | 3.0  | [{"metric":{"q":"\\u001b[31mx"},"values":[[1,"1"],[2,"NaN"],[3,"3"]]}]
        matrix | ~~           | none | [{"metric":{},"histograms":[[1,{}]]}]
        """)
    void everyFormOfResultIsRead(String type, String series, String sum, String result) {
        Result read = data(type, result);
        assertEquals("", read.trouble());
        Stream<String> found = read.series().stream().map(one -> one.words() + " " + one.last());
        assertEquals(series, found.collect(Collectors.joining("; ")));
        assertEquals(sum, read.sum().isPresent() ? Double.toString(read.sum().getAsDouble()) : "none");
    }

    @Test
    void seriesAreAddedUpWhereTheyHaveNumbersAndWhatIsTooMuchIsCutAndSaidToBe() {
        Result sum = data("matrix", "[{\"metric\":{\"s\":\"1\"},\"values\":[[10,\"1\"],[20,\"2\"]]},"
                + "{\"metric\":{\"s\":\"2\"},\"values\":[[20,\"5\"],[30,\"NaN\"]]}]");
        assertEquals("10=1.0 20=7.0", sum.total().stream()
                .map(point -> point.at().getEpochSecond() + "=" + point.value()).collect(Collectors.joining(" ")));
        String rows = IntStream.range(0, 300).mapToObj(i -> "{\"metric\":{\"i\":\"" + i + "\"},\"value\":[1,\"1\"]}")
                .collect(Collectors.joining(","));
        Result read = data("vector", "[" + rows + "]");
        assertEquals(Prometheus.MOST_SERIES, read.series().size());
        assertEquals(List.of("truncated: 300 series, of which 200 are kept"), read.notes());
    }

    @ParameterizedTest(name = "{0} {2}")
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        400 | {"status":"error","errorType":"bad_data","error":"1:4: parse error: unexpected <eof>"} \
            | HTTP 400 bad_data: 1:4: parse error: unexpected <eof>
        503 | {"status":"error","errorType":"timeout","error":"query timed out"} | HTTP 503 timeout: query timed out
        200 | <html><title>Sign in to SSO</title> | HTTP 200, a login page where JSON should be: "Sign in to SSO"
        200 | {"data":[]} | HTTP 200, JSON without the data that belongs there
        502 | ~~          | HTTP 502, an empty body where JSON should be
        """)
    void whatItRefusesIsToldInItsOwnWords(int status, String body, String trouble) {
        Result read = asked(status, body);
        assertEquals(trouble + " true []", read.trouble() + " " + read.reached() + " " + read.series());
    }

    @Test
    void aServerThatIsNotThereIsNotReached() throws Exception {
        try (FaultServer down = FaultServer.with("refused")) {
            Result read = at(down.uri()).instant("up");
            assertTrue(!read.ok() && !read.reached(), read.trouble());
            assertTrue(read.trouble().contains("127.0.0.1 refuses connections"), read.trouble());
        }
    }

    @Test
    void aRealPrometheusAnswersInstantsRangesAndMistakes() throws Exception {
        assumeTrue(Run.command("sh", "-c", "command -v prometheus").run().exit() == 0, "prometheus is not installed");
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        String address = "127.0.0.1:" + port;
        Files.writeString(folder.resolve("prometheus.yml"), "global: {scrape_interval: 1s}\nscrape_configs:\n"
                + "  - job_name: self\n    static_configs: [{targets: ['" + address + "']}]\n");
        try (Run.Running prometheus = Run.command("prometheus", "--config.file=" + folder.resolve("prometheus.yml"),
                "--storage.tsdb.path=" + folder.resolve("data"), "--web.listen-address=" + address, "--log.level=warn")
                .start()) {
            Prometheus client = at("http://" + address);
            prometheus.awaitUntil("it has scraped itself twice",
                    () -> client.instant("up offset 1s").sum().isPresent());
            Instant now = Instant.now();
            Result range = client.range("up", now.minusSeconds(60), now, 60);
            assertTrue(range.ok() && range.series().get(0).points().size() >= 1, range.toString());
            assertEquals("up", client.instant("up").series().get(0).words());
            assertEquals(List.of(1.0, 2.0, Double.POSITIVE_INFINITY), Stream.of("up", "scalar(up) + 1", "vector(1) / 0")
                    .map(query -> client.instant(query, now).series().get(0).last()).toList());
            assertEquals(List.of(), client.instant("no_such_metric").series());
            String mistake = client.instant("up{").trouble();
            assertTrue(mistake.matches("HTTP 400 bad_data: .*parse error.*"), mistake);
        }
    }
}
