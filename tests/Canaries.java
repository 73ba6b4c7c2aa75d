import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;

/** Secrets and personal data to plant, each kind in each encoding, and what must not be touched. */
final class Canaries {
    /** What is planted, the part of it that must be gone, and a word beside it that must still be there. */
    record Canary(String kind, String secret, String planted, String marker) {
        String line() {
            return "2026-11-23T03:04:05Z ERROR klaviyo " + marker + " " + planted;
        }
    }

    /** A kind: the name of its field, or none for a value that gives itself away, and how to make one. */
    private record Kind(String name, String field, BiFunction<Random, Integer, String> make) { }

    private static final List<Kind> KINDS = List.of(
            new Kind("older key", "", (r, i) -> "pk_" + hex(r, 34)),
            new Kind("newer key", "", (r, i) -> "pk_" + letters(r, 6) + "_" + hex(r, 34)),
            new Kind("key by name", "KLAVIYO_API_KEY", (r, i) -> "pk_" + hex(r, 34)),
            new Kind("access token", "access_token", (r, i) -> letters(r, 40)),
            new Kind("refresh token", "refresh_token", (r, i) -> letters(r, 30)),
            new Kind("client secret", "client_secret", (r, i) -> letters(r, 32)),
            new Kind("webhook secret", "secret_key", (r, i) -> letters(r, 24)),
            new Kind("password", "password", (r, i) -> "Pw!" + letters(r, 9) + "#x"),
            new Kind("email", "", (r, i) -> "jo." + letters(r, 8).toLowerCase() + "@shop" + i + ".example.com"),
            new Kind("phone", "", (r, i) -> "+1555" + digits(r, 7)),
            new Kind("first name", "first_name", (r, i) -> "Zan" + letters(r, 7).toLowerCase()),
            new Kind("last name", "last_name", (r, i) -> "Mc" + letters(r, 8).toLowerCase()),
            new Kind("address", "address1", (r, i) -> "St" + letters(r, 8).toLowerCase()),
            new Kind("city", "city", (r, i) -> "Ville" + letters(r, 7).toLowerCase()),
            new Kind("zip", "zip", (r, i) -> digits(r, 9)),
            new Kind("ip", "", (r, i) -> "203.0." + (100 + r.nextInt(100)) + "." + (100 + r.nextInt(150))),
            new Kind("latitude", "latitude", (r, i) -> "42." + digits(r, 8)),
            new Kind("external id", "external_id", (r, i) -> "cust" + digits(r, 9)),
            new Kind("anonymous id", "anonymous_id", (r, i) -> hex(r, 20)),
            new Kind("_kx", "_kx", (r, i) -> letters(r, 20)),
            new Kind("push token", "push_token", (r, i) -> letters(r, 44)),
            new Kind("AWS id", "", (r, i) -> "AKIA" + letters(r, 16).toUpperCase().replaceAll("[0189]", "Q")),
            new Kind("AWS secret", "aws_secret_access_key", (r, i) -> letters(r, 40)),
            new Kind("Google key", "", (r, i) -> "AIza" + letters(r, 35)),
            new Kind("JWT", "", (r, i) -> base64("{\"alg\":\"HS256\"}") + "." + base64("{\"sub\":\"" + i + "\"}") + "."
                            + letters(r, 30)),
            new Kind("Slack token", "", (r, i) -> "xoxb-" + digits(r, 11) + "-" + letters(r, 20)),
            new Kind("GitHub token", "", (r, i) -> "ghp_" + letters(r, 36)),
            new Kind("npm token", "", (r, i) -> "npm_" + letters(r, 36)),
            new Kind("Stripe key", "", (r, i) -> "sk_live_" + letters(r, 24)),
            new Kind("Shopify token", "", (r, i) -> "shpat_" + hex(r, 32)),
            new Kind("SendGrid key", "", (r, i) -> "SG." + letters(r, 22) + "." + letters(r, 43)),
            new Kind("Twilio key", "", (r, i) -> "SK" + hex(r, 32)));

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
        for (Kind kind : KINDS) {
            for (BiFunction<String, String, String> encoding : ENCODINGS) {
                String secret = kind.make.apply(random, all.size());
                add(all, kind.name, secret, encoding.apply(kind.field, secret));
            }
        }
        special(random, all);
        return all;
    }

    private static void special(Random random, List<Canary> all) {
        for (int i = 0; i < 4; i++) {
            String password = letters(random, 12);
            String key = "pk_" + letters(random, 6) + "_" + hex(random, 34);
            add(all, "header", key, "-H 'Authorization: Klaviyo-API-Key " + key + "' -v");
            add(all, "unusual key", password, "authorization: klaviyo-api-key " + password + "1f");
            add(all, "bearer", password, "Authorization: Bearer " + password + ".9");
            add(all, "basic", password, "Authorization: Basic " + base64("shop:" + password));
            add(all, "user and password in base64", password, "auth " + base64("shop-user:" + password));
            add(all, "address with a login", password, "redis://default:" + password + "@cache.internal:6379/0");
            add(all, "login with an at sign", password, "amqp://u:x@" + password + "@mq:5672");
            add(all, "JDBC", password, "jdbc:postgresql://db:5432/shop?user=shop&password=" + password + "&ssl=true");
            add(all, "Slack webhook", password,
                    "https://hooks.slack.com/services/T" + digits(random, 8) + "/B" + digits(random, 8)
                            + "/" + password + password);
            add(all, "OAuth code", password, "GET /oauth/callback?code=" + password + "&state=x");
            add(all, "cookie", password, "Cookie: session=" + password + "; theme=dark");
            add(all, "option", password, "mysql --password " + password);
            add(all, "service account", password,
                    "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\n" + password
                            + "\\n-----END PRIVATE KEY-----\\n\"}");
            add(all, "key's end alone", key.substring(10), "the part after the site id: " + key.substring(10));
        }
    }

    private static void add(List<Canary> all, String kind, String secret, String planted) {
        all.add(new Canary(kind, secret, planted, "marker" + all.size() + "ok"));
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

    /** What looks like a secret and is none: numbers and codes that are made up anew. */
    static List<String> lookAlikes(long seed) {
        Random random = new Random(seed);
        List<String> all = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            all.add(uuid(random));
            all.add("order #" + digits(random, 10));
            all.add("sha256:" + hex(random, 64));
            all.add("commit " + hex(random, 40));
            all.add("md5 " + hex(random, 32));
            all.add("version " + random.nextInt(20) + "." + random.nextInt(20) + "." + random.nextInt(20) + "."
                    + random.nextInt(20));
            all.add("Chrome/120." + random.nextInt(10) + ".0." + random.nextInt(200));
            all.add("total " + random.nextInt(1000) + ".95 EUR");
            all.add("2026-11-23T03:" + (10 + i) + ":05.123+01:00");
            all.add("cf-ray=" + hex(random, 16) + "-AMS");
            all.add("traceparent=00-" + hex(random, 32) + "-" + hex(random, 16) + "-01");
            all.add("profile 01H" + letters(random, 23).toUpperCase());
        }
        return all;
    }

    private static String uuid(Random random) {
        return hex(random, 8) + "-" + hex(random, 4) + "-4" + hex(random, 3) + "-a" + hex(random, 3) + "-"
                + hex(random, 12);
    }

    static String hex(Random random, int length) {
        return text(random, length, "0123456789abcdef");
    }

    static String letters(Random random, int length) {
        return text(random, length - 1, "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") + "7";
    }

    private static String digits(Random random, int length) {
        return text(random, length, "123456789");
    }

    private static String text(Random random, int length, String from) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append(from.charAt(random.nextInt(from.length())));
        }
        return text.toString();
    }

    private static String url(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
