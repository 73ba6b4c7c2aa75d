import java.net.*;
import java.nio.charset.*;
import java.util.*;

/** Secrets and personal data to plant ({@code shapes.txt}), each kind in each encoding. */
final class Canaries {
    /** What is planted, the part of it that must be gone, and a word beside it that must still be there. */
    record Canary(String secret, String planted, String marker) {
        String line() {
            return "2026-11-23T03:04:05Z ERROR klaviyo " + marker + " " + planted;
        }
    }

    private Canaries() { }

    private static List<String> encodings(String field, String value) {
        String name = field.isEmpty() ? "value" : field;
        String json = "{\"" + name + "\":\"" + value + "\",\"n\":7}";
        return List.of(field.isEmpty() ? "with " + value + "," : name + "=" + value + ", x=1",
                "(" + name + "=" + value + ")", "/path?a=1&" + name + "=" + url(value) + "&b=2",
                json, json.replace("\"", "\\\""), json.replace("\"", "\\\\\\\""),
                "body=" + url(json), "body=" + base64(json) + ";",
                "shift " + base64("x" + json) + " " + base64("xy " + json), json.replace("\"", "&quot;"),
                json.replace("\"", "\\u0022").replace("@", "\\u0040").replace("+", "\\u002b"),
                "{:" + name + "=>\"" + value + "\"}",
                "hex " + HexFormat.of().formatHex(json.getBytes(StandardCharsets.UTF_8)));
    }

    /** All kinds in all encodings, and forms of their own. */
    static List<Canary> all(long seed) {
        Random random = new Random(seed);
        List<Canary> all = new ArrayList<>();
        for (String kind : Shapes.of("kinds")) {
            for (int i = 0; i < encodings("", "").size(); i++) {
                String[] made = Shapes.planted(kind, random).text().split("=", 2);
                add(all, made[1], encodings(made[0], made[1]).get(i));
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
