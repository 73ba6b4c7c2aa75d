import java.net.*;
import java.nio.charset.*;
import java.util.*;
import java.util.function.*;

/** Secrets and personal data to plant ({@code shapes.txt}), each kind in each encoding. */
final class Canaries {
    /** What is planted, the part of it that must be gone, and a word beside it that must still be there. */
    record Canary(String secret, String planted, String marker) {
        String line() {
            return "2026-11-23T03:04:05Z ERROR klaviyo " + marker + " " + planted;
        }
    }

    private static final List<BiFunction<String, String, String>> ENCODINGS = List.of(
            (field, value) -> field.isEmpty() ? "with " + value + "," : field + "=" + value + ", x=1",
            (field, value) -> "(" + pair(field, value, "=") + ")",
            (field, value) -> "/path?a=1&" + pair(field, url(value), "=") + "&b=2",
            (field, value) -> json(field, value),
            (field, value) -> json(field, value).replace("\"", "\\\""),
            (field, value) -> json(field, value).replace("\"", "\\\\\\\""),
            (field, value) -> "body=" + url(json(field, value)),
            (field, value) -> "body=" + base64(json(field, value)) + ";",
            (field, value) -> "shift " + base64("x" + json(field, value)) + " " + base64("xy " + json(field, value)),
            (field, value) -> json(field, value).replace("\"", "&quot;"),
            (field, value) -> json(field, value).replace("\"", "\\u0022").replace("@", "\\u0040")
                    .replace("+", "\\u002b"),
            (field, value) -> "{:" + (field.isEmpty() ? "value" : field) + "=>\"" + value + "\"}",
            (field, value) -> "hex " + HexFormat.of().formatHex(json(field, value).getBytes(StandardCharsets.UTF_8)));

    private Canaries() { }

    private static String pair(String field, String value, String between) {
        return (field.isEmpty() ? "value" : field) + between + value;
    }

    private static String json(String field, String value) {
        return "{\"" + (field.isEmpty() ? "value" : field) + "\":\"" + value + "\",\"n\":7}";
    }

    /** All kinds in all encodings, and forms of their own. */
    static List<Canary> all(long seed) {
        Random random = new Random(seed);
        List<Canary> all = new ArrayList<>();
        for (String kind : Shapes.of("kinds")) {
            for (BiFunction<String, String, String> encoding : ENCODINGS) {
                String[] made = Shapes.planted(kind, random).text().split("=", 2);
                add(all, made[1], encoding.apply(made[0], made[1]));
            }
        }
        for (int i = 0; i < 4; i++) {
            for (String template : Shapes.of("canaries")) {
                Shapes.Planted planted = Shapes.planted(template, random);
                add(all, planted.secrets().get(0), planted.text());
            }
            String password = letters(random, 12);
            add(all, password, "Authorization: Basic " + base64("shop:" + password));
            add(all, password, "auth " + base64("shop-user:" + password));
        }
        return all;
    }

    private static void add(List<Canary> all, String secret, String planted) {
        all.add(new Canary(secret, planted, "marker" + all.size() + "ok"));
    }

    /** Every way in which the secret could still be there. */
    static List<String> traces(String secret) {
        List<String> traces = new ArrayList<>(List.of(secret, url(secret), url(url(secret)),
                HexFormat.of().formatHex(secret.getBytes(StandardCharsets.UTF_8)),
                new StringBuilder(secret).reverse().toString()));
        for (int shift = 0; shift < 3; shift++) {
            byte[] shifted = ("xx".substring(0, shift) + secret).getBytes(StandardCharsets.UTF_8);
            String encoded = Base64.getEncoder().withoutPadding().encodeToString(shifted);
            traces.add(encoded.substring(shift == 0 ? 0 : shift + 1, encoded.length() - 1));
        }
        return traces;
    }

    static String hex(Random random, int length) {
        return text(random, length, "0123456789abcdef");
    }

    static String letters(Random random, int length) {
        return text(random, length - 1, "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") + "7";
    }

    static String digits(Random random, int length) {
        return text(random, length, "123456789");
    }

    static String text(Random random, int length, String from) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append(from.charAt(random.nextInt(from.length())));
        }
        return text.toString();
    }

    static String url(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
