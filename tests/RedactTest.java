import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import runbook.Settings.Problem;
import runbook.Settings.Templates;
import runbook.redact.*;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;

/** The redactor: nothing that it is for gets through, in whatever form; nothing else is touched. */
class RedactTest {
    private static final String KEY = "pk_Ab12Cd_0123456789abcdef0123456789abcdef01";
    private static final Redactor STRICT = Redactor.strict();

    @Test
    void everyRowOfTheTableTakesItsSamplesAloneAndSparesTheOthers() {
        List<String> failures = Rules.builtIn().failures(Rules.builtIn().all());
        assertTrue(failures.isEmpty(), String.join("\n", failures));
    }

    @Test
    void noCanaryGetsThroughWhatStandsBesideItDoesAndNothingIsFoundAgain() {
        for (Canaries.Canary canary : Canaries.all(1)) {
            String cleaned = STRICT.text(canary.line());
            assertNoTrace(canary.secret(), cleaned, canary.planted());
            assertTrue(cleaned.contains(canary.marker()), cleaned);
            byte[] bytes = cleaned.getBytes(StandardCharsets.UTF_8);
            Tally left = new Tally();
            new Scan(STRICT, left).remaining(new Piece(bytes, bytes.length, 0, bytes.length));
            assertEquals(Map.of(), left.counts(), () -> canary.planted() + " became " + cleaned);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12})
    void everydayShapesDoNotLeak(long seed) {
        List<Shapes.Planted> planted = Shapes.all(seed);
        List<String> leaks = planted.stream().filter(each -> each.leaks(STRICT.text("klaviyo " + each.text() + " end")))
                .filter(each -> !each.group().equals("hard"))
                .map(each -> each.group() + ": " + each.text() + " becomes " + STRICT.text(each.text())).toList();
        assertTrue(leaks.isEmpty(), leaks.size() + " of " + planted.size() + "\n" + String.join("\n", leaks));
    }

    @Test
    void lookAlikesStay() {
        List<String> damaged = Shapes.lookAlikes(2).stream()
                .map(text -> "klaviyo " + text + " end").filter(text -> !STRICT.text(text).equals(text))
                .map(text -> text + " becomes " + STRICT.text(text)).toList();
        assertTrue(damaged.isEmpty(), damaged.size() + "\n" + String.join("\n", damaged));
    }

    @Test
    void aValueHasOnePseudonymHoweverItIsWrittenAndOnlyUnderOneKey() {
        Policy policy = Policy.strict();
        Redactor redactor = new Redactor(policy);
        String known = new Redactor(policy).text("jo@shop.example");
        assertTrue(known.matches("email-[0-9a-f]{6}"), known);
        for (String written : List.of("JO@Shop.Example", "jo%40shop.example", "jo\\u0040shop.example")) {
            assertEquals("x=" + known, redactor.text("x=" + written));
        }
        assertEquals("Authorization: Klaviyo-API-Key " + redactor.text(KEY),
                redactor.text("Authorization: Klaviyo-API-Key " + KEY));
        assertEquals("\"phone_number\":\"" + redactor.text("+15550109999") + "\"",
                redactor.text("\"phone_number\":\"+15550109999\""));
        assertEquals(redactor.text("tel +1 (555) 010-9999"), redactor.text("tel +15550109999"));
        Stream<String> others = Stream.generate(() -> new Redactor(Policy.strict()).text("jo@shop.example")).limit(20);
        assertTrue(others.distinct().count() > 15);
    }

    @Test
    void jsonStaysJson() throws IOException {
        String cleaned = STRICT.text(
                "{\"latitude\": 42.36, \"phone_number\": 15550109999, \"first_name\": null, \"external_id\": 7,"
                        + " \"nested\": \"{\\\"zip\\\": 12345}\"}");
        assertEquals(5, runbook.Text.Json.read(cleaned).size(), cleaned);
        assertEquals(1, runbook.Text.Json.read(runbook.Text.Json.read(cleaned).path("nested").asText()).size(),
                cleaned);
    }

    @Test
    void aKnownValueIsFoundInAllItsEncodingsAndSoItIsByTheSecondSearch() {
        String value = "n0t/a+known='form \u00e4 \"q\"";
        Policy policy = Policy.strict().knowing(Map.of(value, "secret"));
        List<String> planted = new ArrayList<>(Canaries.traces(value).subList(0, 4));
        planted.add(value.replace("\"", "\\\"").replace("/", "\\/"));
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        Stream.of(":", " ").map(HexFormat::ofDelimiter)
                .forEach(hex -> planted.add(hex.withUpperCase().formatHex(bytes)));
        planted.add("NYYHIL3BFNVW433XNY6SOZTPOJWSBQ5EEARHCIQ");
        planted.add(value.replace("=", "=3D").replace("\u00e4", "=C3=A4"));
        planted.add(value.replace("\"", "\"\""));
        Stream.of("''", "'\\''", "'\"'\"'").forEach(quoted -> planted.add(value.replace("'", quoted)));
        Stream.of("", "x", "xx").forEach(before -> planted.add(Canaries.base64(before + value + "tail")));
        for (String trace : planted) {
            String cleaned = new Redactor(policy).text("klaviyo <" + trace + ">");
            assertNoTrace(value, cleaned, trace);
            assertFalse(cleaned.contains(trace.substring(4, trace.length() - 4)), cleaned);
            assertTrue(searched(policy, "klaviyo <" + trace + ">") > 0, trace);
        }
        assertEquals(0, searched(policy, "nothing of the kind"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x[9K-!pQ]mZ77tr", "un[closed-7", "a.b*c+d?e(f", "\\Qx\\Ey$1{2}", "tab\tand \"quote\"",
            "p\u00e4ss w\u00f6rt & \"q\""})
    void aKnownValueIsLiteralWhateverItsCharacters(String value) {
        Policy policy = Policy.strict().knowing(Map.of(value, "secret"));
        String line = "klaviyo log <" + value + "> and more";
        String cleaned = new Redactor(policy).text(line);
        assertFalse(cleaned.contains(value), cleaned);
        assertTrue(cleaned.startsWith("klaviyo log <") && cleaned.endsWith("> and more"), cleaned);
        assertEquals(1, searched(policy, line));
        assertEquals(0, searched(policy, cleaned));
        String broken = new Redactor(policy).text(value.substring(0, 5) + "\\\n  " + value.substring(5));
        assertFalse(broken.contains(value.substring(5)), broken);
        String mailed = new Redactor(policy).text(value.substring(0, 5) + "=\r\n" + value.substring(5));
        assertFalse(mailed.contains(value.substring(5)), mailed);
    }

    @Test
    void twentyThousandKnownValuesAreFound() {
        Random random = new Random(8);
        Map<String, String> known = new HashMap<>();
        while (known.size() < 20_000) {
            known.put("sk-" + Canaries.letters(random, 12), "secret");
        }
        Policy policy = Policy.strict().knowing(known);
        Redactor redactor = new Redactor(policy);
        StringBuilder all = new StringBuilder();
        known.keySet().forEach(value -> all.append("x ").append(value).append(" y\n"));
        assertEquals(20_000, searched(policy, all.toString()));
        String cleaned = redactor.text(all.toString());
        assertTrue(cleaned.lines().allMatch(line -> line.matches("x secret-[0-9a-f]{6} y")), cleaned.substring(0, 200));
    }

    @Test
    void aTeamAddsItsOwnRulesAndAWrongOneIsNamed(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("redaction.json"), """
                {"order-no": {"kind": "personal", "starts": ["ord-"], "form": "ORD-\\\\d{6,}",
                        "takes": ["see «ORD-123456»"], "spares": ["ORD-x"]}}
                """);
        Redactor redactor = new Redactor(Policy.strict().by(Rules.of(Templates.over(folder, "--templates"))));
        assertTrue(redactor.text("ORD-98765432 of jo@shop.example")
                .matches("order-no-[0-9a-f]{6} of email-[0-9a-f]{6}"));
        Files.writeString(file, Files.readString(file).replace("see «", "«see "));
        String wrong = assertThrows(Problem.class, () -> Rules.of(Templates.over(folder, "--templates"))).getMessage();
        assertTrue(wrong.contains("redaction.json, order-no: does not take"), wrong);
        Files.writeString(file, """
                {"order-no": {"kind": "personal", "starts": ["a~~~~~~~~~~~~~~~~~~~~~~~~"], "form": "a[0-9a-f]{24}"}}
                """);
        String large = assertThrows(Problem.class, () -> Rules.of(Templates.over(folder, "--templates"))).getMessage();
        assertTrue(large.contains("redaction.json, starts are too many or too long"), large);
    }

    private static long searched(Policy policy, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        Tally tally = new Tally();
        new Scan.Search(policy).count(new Piece(bytes, bytes.length, 0, bytes.length), tally);
        return tally.counts().values().stream().mapToLong(Long::longValue).sum();
    }

    // ---- streams

    @Test
    void aSecretThatStraddlesPiecesIsFound() throws IOException {
        // A megabyte and a bit without a line end, so that pieces are cut within the line; the secret is tried around
        // each cut.
        Piece first = new Pieces(
                        new ByteArrayInputStream(filler(3 << 20).getBytes(StandardCharsets.ISO_8859_1)), Long.MAX_VALUE)
                .next();
        int cut = first.to();
        for (int offset = -60; offset <= 20; offset += 7) {
            StringBuilder text = new StringBuilder(filler(3 << 20));
            text.replace(cut + offset, cut + offset + KEY.length(), KEY);
            String cleaned = stream(text.toString().getBytes(StandardCharsets.ISO_8859_1), Pieces.MARGIN);
            assertFalse(cleaned.contains("0123456789abcdef"), "at " + offset);
            assertEquals(2, cleaned.split("klaviyo-key-").length, "at " + offset);
        }
    }

    @Test
    void streamsComeOutAsTheyWentInWhereNothingIsSecret() throws IOException {
        Random random = new Random(4);
        List<String> lookAlikes = Shapes.lookAlikes(4);
        StringBuilder text = new StringBuilder();
        while (text.length() < 2 << 20) {
            text.append("line ").append(lookAlikes.get(random.nextInt(lookAlikes.size())))
                    .append(random.nextInt(9) == 0 ? "\r\n" : "\n");
        }
        assertEquals(text.toString(), stream(text.toString().getBytes(StandardCharsets.UTF_8), 0));
    }

    @Test
    void aColumnIsWhatItsHeadSaysToTheEndOfALongTable() throws IOException {
        String rows = "7,Zorbaquil,paid\r\n8,Zorbaquil,\"sent, twice\"\r\n";
        String cleaned = stream(("id,last_name,status\r\n" + rows.repeat(40_000)).getBytes(StandardCharsets.UTF_8), 0);
        assertFalse(cleaned.contains("Zorba"));
        assertEquals(40_000, cleaned.lines().filter(line -> line.endsWith(",\"sent, twice\"")).count());
    }

    @Test
    void aRunThatCannotBeSeenWholeIsLeftOut() throws IOException {
        String cleaned = stream(
                ("access_token=" + "aB3".repeat(1 << 20) + " end of klaviyo\n").getBytes(StandardCharsets.UTF_8), 0);
        assertFalse(cleaned.contains("aB3aB3"), cleaned.substring(0, 100));
        assertTrue(cleaned.endsWith(" end of klaviyo\n"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16", "x-UTF-16LE-BOM", "UTF-8"})
    void textIsFoundInEveryEncoding(String charset) throws IOException {
        String cleaned = stream(("klaviyo key " + KEY + " für jo@shop.example\n".repeat(30)).getBytes(charset), 0);
        assertNoTrace(KEY, cleaned, charset);
        assertTrue(cleaned.contains("für") && !cleaned.contains("shop.example"), cleaned);
    }

    @Test
    void zeroesAndBrokenBytesHideNothing() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(filler(9_000).getBytes(StandardCharsets.UTF_8));
        bytes.write(("\n" + KEY + "\n").getBytes(StandardCharsets.UTF_16LE));
        bytes.write(0xc3);
        bytes.write(("key=" + KEY).getBytes(StandardCharsets.UTF_8));
        bytes.write(0xff);
        bytes.write(("jo@shop.example").getBytes(StandardCharsets.UTF_8));
        String cleaned = stream(bytes.toByteArray(), 0);
        assertNoTrace(KEY, cleaned, "broken");
        assertFalse(cleaned.contains("shop.example"), cleaned);
    }

    @Test
    void gzipInsideGzipIsUnpackedAndOtherPackingsAreRefused() throws IOException {
        byte[] plain = ("klaviyo " + KEY + "\n").getBytes(StandardCharsets.UTF_8);
        assertTrue(stream(Tree.gzip(Tree.gzip(plain)), 0).startsWith("klaviyo klaviyo-key-"));
        for (byte[] packed : List.of(
                new byte[] {(byte) 0xfd, '7', 'z', 'X', 'Z', 0, 1},
                new byte[] {'P', 'K', 3, 4, 20, 0},
                new byte[] {1, 2, 3, 4, 5, 6, 7, 0, 9, 1, 2, 3, 4})) {
            assertThrows(PlainInput.NotText.class, () -> PlainInput.of(new ByteArrayInputStream(packed)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "})
    void privateKeysLoseTheirBodies(String kind) throws IOException {
        String body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        String begin = "-----BEGIN " + kind + "PRIVATE KEY-----\n";
        String end = "-----END " + kind + "PRIVATE KEY-----\n";
        for (String text : List.of(
                begin + (body + "\n").repeat(20) + end,
                begin + (body + "\n").repeat(3),
                (body + "\n").repeat(3) + end,
                body + "\nlone line\n",
                begin.replace("\n", "\r\n") + (body + "\r\n").repeat(9) + end,
                "{\"k\":\"" + begin.replace("\n", "\\n") + body + "\\n" + end.replace("\n", "\\n") + "\"}",
                begin + ("Nov 23 03:04:05 host app[7]: " + body + "\n").repeat(9) + end)) {
            String cleaned = stream(("before it\n" + text + "after it\n").getBytes(StandardCharsets.UTF_8), 0);
            assertFalse(cleaned.contains("MIIEvQ"), cleaned);
            assertTrue(cleaned.startsWith("before it\n") && cleaned.endsWith("after it\n"), cleaned);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"@", "a@a.", "://", "://a:", "\"token\":'", "token=", "\\\"", "+1 ", "eyJ", "%40", "::",
            "1.1.", "Authorization: ", "-----BEGIN PRIVATE KEY-----", "password=a,b", "--token ", "_", "A",
            "(first_name, a) values ('", "first_name | ", "Jo Do <a", "password is ", "key=", "lat=", "phone:[1-",
            "; args=(", "user={name=A"})
    void noTextTakesLong(String hostile) {
        byte[] text = hostile.repeat((1 << 18) / hostile.length()).getBytes(StandardCharsets.UTF_8);
        // A pattern that goes wrong takes hours for this; a machine under load may take seconds.
        assertTimeout(Duration.ofMinutes(1), () -> STRICT.bytes(text));
    }

    // ---- helpers

    static void assertNoTrace(String secret, String text, String planted) {
        String folded = text.toLowerCase(Locale.ROOT);
        for (String trace : Canaries.traces(secret)) {
            assertFalse(folded.contains(trace.toLowerCase(Locale.ROOT)),
                    () -> trace + " is left of " + planted + " in " + text.substring(0, Math.min(400, text.length())));
        }
    }

    // Words without anything secret and without a line end.
    private static String filler(int length) {
        return "all quiet at klaviyo; ".repeat(length / 22 + 1).substring(0, length);
    }

    /** As a bundle does it, one piece after the other. */
    private static String stream(byte[] bytes, int expectedMargin) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (InputStream input = PlainInput.of(new ByteArrayInputStream(bytes))) {
            Pieces pieces = new Pieces(input, Long.MAX_VALUE);
            Scan cleaner = new Scan(STRICT, new Tally());
            int seen = 0;
            for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                cleaner.blankPrivateKeys(piece);
                piece.blankWhatCannotBeJudged();
                out.writeBytes(cleaner.clean(piece));
                assertTrue(seen++ == 0 || piece.from() >= expectedMargin, "a piece shows too little of its neighbour");
            }
        }
        return out.toString(StandardCharsets.UTF_8);
    }
}
