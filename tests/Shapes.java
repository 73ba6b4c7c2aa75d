import java.math.BigInteger;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The shapes in which secrets and personal data stand in everyday logs: templates, in which «pw» is a fresh password
 * and so on, each planted as it is, and some in the encodings that logs are full of; and what looks like them and has
 * to stay.
 */
final class Shapes {
    /** What is planted, and what of it must be gone; {@code usual} shapes must never leak. */
    record Planted(String group, boolean usual, List<String> secrets, String text) {
        /** Whether a part of a secret that tells anything is still there. */
        boolean leaks(String cleaned) {
            String shown = cleaned.replaceAll("\u001b\\[[\\d;]*m|(?:\\\\u001b|#033)\\[[\\d;]*m|[a-z]-[0-9a-f]{6"
                    + "}(?![0-9a-f])", "");
            return secrets.stream().anyMatch(secret -> {
                int part = Math.min(secret.length(), 6);
                for (int i = 0; i + part <= secret.length(); i++) {
                    if (shown.contains(secret.substring(i, i + part))) {
                        return true;
                    }
                }
                return false;
            });
        }
    }

    private static final Pattern MARK = Pattern.compile("«(\\w+)»");
    private static final Map<String, List<String>> USUAL = new TreeMap<>(Map.of(
            "addresses", List.of("connected to /«ip»:443", "[id: 0x3f, L:/«ip»:51234 - R:/«ip»:443]",
                    "a.klaviyo.com/«ip»:443 timed out",
                    "remote=«ip» ok", "client=(«ip»)", "peer [«ip6»]:443", "peer «ip6» closed", "from /«ip6full»:443",
                            "ip=«ip6»&x=1",
                    "Connection refused: /[«ip6»]:8080", "\"ip\":\"«ip»\"", "X-Forwarded-For: «ip», «ip»", "ip=«ip»&x",
                            "host@«ip»:22",
                    "addr=«ip»/24", "tcp://«ip»:9092", "http://«ip»/path", "::ffff:«ip»", "peer «ip6»%eth0",
                            "{L:/«ip6full»:80}"),
            "filters", List.of("filter=equals(external_id,\"«id»\")", "filter=any(last_name,[\"«name»\"])",
                    "any(last_name,[\"x\",\"«name»\"])",
                    "equals(email,\"«email»\")", "equals(anonymous_id,\"«id»\")",
                            "equals(phone_number,\"+1555«digits7»\")", "equals(_kx,\"«token»\")",
                    "filter=equals(first_name,'«name»')", "?_kx=«token»&x=1", "\"_kx\": \"«token»\"",
                            "anonymous_id: «id»",
                    "\"anonymous_id\":\"«id»\"", "$exchange_id=«token»", "\"$anonymous\":\"«id»\"",
                            "any(external_id, [\"a\", \"«id»\"])",
                    "and(equals(city,\"«name»\"),x)"),
            "fields", List.of("{\"name\":\"password\",\"value\":\"«pw»\"}",
                    "{\"key\":\"client_secret\",\"value\":\"«pw»\"}",
                    "rawHeaders: ['Host', 'x', 'X-Api-Key', '«token»']", "[\"Authorization\",\"Bearer «token»\"]",
                    "[[\"password\",\"«pw»\"],[\"x\",\"y\"]]", "{\"name\": \"Cookie\", \"value\": \"sid=«token»\"}",
                    "{\"name\":\"first_name\",\"type\":\"text\",\"value\":\"«name»\"}", "[\"last_name\", \"«name»\"]",
                    "<input name=\"password\" value=\"«pw»\">", "<entry key=\"api_key\">«token»</entry>",
                            "{\"Key\":\"DB_PASSWORD\",\"Value\":\"«pw»\"}",
                    "('password', '«pw»')", "\"headers\":[{\"name\":\"Authorization\",\"value\":\"Klaviyo-API-K"
                            + "ey «token»\"}]"),
            "lists", List.of("\"passwords\": [\"«pw»\", \"«pw»\"]", "tokens=[a1b2c3d4, «token»]",
                    "\"first_name\":[\"Mary\",\"«name»\"]",
                    "\"secret\":{\"old\":\"x1y2\",\"new\":\"«pw»\"}", "Cookie: a=b; c=\"d\"; sid=«token»",
                    "Set-Cookie: theme=dark; session=«token»; Path=/", "\"cookie\":[\"a=b\",\"sid=«token»\"]",
                    "\"credentials\":{\"user\":\"jo\",\"pass\":\"«pw»\"}", "secrets: {a: b1, c: «pw»}",
                            "\"api_keys\":[\"k1\",\n  \"«token»\"\n]",
                    "last_name=[Smith, «name»]", "emails: [«email», «email»]",
                            "{\"token\":[{\"v\":\"«token»\"},{\"v\":\"«token»\"}]}"),
            "short names", List.of("pass=«pw»", "SMTP_PASS=«pw»", "smtpPass: «pw»", "\"pw\": \"«pw»\"", "pw: «pw»",
                    "pin=«digits6»",
                    "\"pin\":\"«digits6»\"", "salt=«token»", "\"salt\": \"«token»\"", "hmac=«token»",
                            "X-Hmac: «token»", "signing=«token»",
                    "otp=«digits6»", "KLAVIYO_PIN=«digits6»", "sid=«token»", "signing-key: «token»", "PASS: '«pw»'"),
            "wrappers", List.of("password: Some(\"«pw»\")", "Config { password: Some(\"«pw»\"), x: 1 }",
                    "password=Optional[«pw»]", "password -> «pw»",
                    "\"password\" -> \"«pw»\"", ":password => \"«pw»\"", "<password><![CDATA[«pw»]]></password>",
                            "<password>«pw»</password>",
                    "password:\n    «pw»", "\"password\":\n  \"«pw»\"", "password=b'«pw»'", "'password': u'«pw»'",
                            "[password] => «pw»",
                    "[\"password\"]=>\n  string(9) \"«pw»\"", "s:8:\"password\";s:9:\"«pw»\";",
                            "token: Secret(\"«token»\")", "password: &\"«pw»\"",
                    "&{Password:«pw» X:1}", "#<struct password=\"«pw»\">", "password: |\n  «pw»", "$password = '«pw»';",
                    "first_name: Just \"«name»\"", "Profile(last_name=Some(«name»))",
                            "<password\n  type=\"x\">«pw»</password>"),
            "cut", List.of("call +49 30 9«digits7»", "tel +1 (555) «digits3»-«digits4»",
                    "mail o'neil.«name»@shop.example,", "phone: 0151 23«digits6»",
                    "mobile (030) 90«digits6»", "last_name=O'«name», x", "last_name='O'«name»', x",
                            "phone_number=+44 20 7946 0«digits3»",
                    "fax 555-010-«digits4»", "to=«name».x+tag@shop.example&y", "last_name=von «name» x",
                            "\"address1\":\"12 «name» St\"",
                    "address1=12 «name» Street, x", "tel: 030/9«digits7»", "phone=%2B1+555+010+«digits4»",
                            "\"phone\":\"(555) 010-«digits4»\""),
            "money", List.of("card 4«card»", "card=4«card»", "\"card_number\":\"4«card»\"", "cvv=«digits3»",
                    "\"cvc\":«digits3»", "IBAN «iban»",
                    "iban=«iban»", "pay to «ibanspaced» now", "4«card»")));
    private static final List<String> ENCODED = List.of("client%255Fsecret=«pw»", "client\\u005fsecret=«pw»",
            "client\\_secret=«pw»",
            "client&#95;secret=«pw»", "first%5Fname%3D«name»", "\\u0022password\\u0022:\\u0022«pw»\\u0022",
                    "&quot;password&quot;:&quot;«pw»&quot;",
            "%7B%5C%22password%5C%22%3A%5C%22«pw»%5C%22%7D", "jo.«name»%2540shop.example", "%2B1555010«digits4»",
                    "jo.«name»\\u0040shop.example",
            "pk%5FAb12Cd%5F«hex34»", "k=-----BEGIN+PRIVATE+KEY-----%0A«b64»%0A-----END+PRIVATE+KEY-----",
            "k=-----BEGIN%20PRIVATE%20KEY-----%0A«b64»%0A-----END%20PRIVATE%20KEY-----", "first_name%253D«name»",
                    "\\x22password\\x22:\\x22«pw»\\x22");
    private static final List<String> SPLIT = List.of("key pk_«hex12»\n«hex22»",
            "Authorization: Klaviyo-API-Key pk_Ab12Cd_«hex12»\n  «hex22»",
            "pk_«hex12»\\\n«hex22»", "pk_Ab12Cd_abc\n«hex22»aaaaaaaaa");
    private static final List<String> HARD = List.of("password is «pw»", "the pin was «digits6» today",
            "Mary «name» called", "user «name» logged in",
            "lives at «name» street 5", "password=\n\n«pw»", "pass word: «pw»", "p/w: «pw»",
                    "- name: SMTP_PASSWORD, value: «pw»");
    private static final List<String> PLAIN = List.of("password=«pw»", "\"password\":\"«pw»\"", "first_name=«name»",
            "token: «token»",
            "email=«email»", "ip=«ip»", "\"phone_number\":\"+1555«digits7»\"", "key pk_Ab12Cd_«hex34»",
                    "\"last_name\": \"«name»\"");

    private Shapes() { }

    static List<Planted> all(long seed) {
        Random random = new Random(seed);
        List<Planted> all = new ArrayList<>();
        USUAL.forEach((group, templates) -> templates.forEach(template -> {
            add(all, group, true, template, UnaryOperator.identity(), random);
            if (!group.equals("cut") && !group.equals("money") && !template.contains("%")) {
                add(all, group + " in JSON", true, template, Shapes::json, random);
                add(all, group + " in a URL", true, template, text -> "q=" + url(text) + "&x=1", random);
            }
        }));
        for (String template : PLAIN) {
            for (String escape : List.of("\u001b", "\\u001b", "#033")) {
                add(all, "coloured", true, template, text -> coloured(text, escape), random);
            }
            for (String name : List.of("log-%s.txt", "%s.log", "dump/%s/app.log.gz", "klaviyo %s 1.json")) {
                String file = template.replaceAll("\"", "").replaceAll(": ?", "=");
                add(all, "file names", true, file, text -> String.format(name, text), random);
            }
            add(all, "encoded", true, template, text -> "x=" + url(url(text)), random);
            add(all, "encoded", true, template, text -> json(json(text)), random);
            add(all, "encoded", true, template, text -> json("u=" + url(text)), random);
            add(all, "encoded", true, template, text -> "blob " + Base64.getEncoder().encodeToString(("{" + text
                    + ", some padding}").getBytes(StandardCharsets.UTF_8)), random);
        }
        ENCODED.forEach(template -> add(all, "encoded", true, template, UnaryOperator.identity(), random));
        SPLIT.forEach(template -> add(all, "split", true, template, UnaryOperator.identity(), random));
        HARD.forEach(template -> add(all, "hard", false, template, UnaryOperator.identity(), random));
        return all;
    }

    private static void add(List<Planted> all, String group, boolean usual, String template,
            UnaryOperator<String> wrapped, Random random) {
        List<String> secrets = new ArrayList<>();
        Matcher mark = MARK.matcher(template);
        StringBuilder text = new StringBuilder();
        while (mark.find()) {
            String secret = value(mark.group(1), random);
            secrets.add(secret);
            mark.appendReplacement(text, Matcher.quoteReplacement(secret));
        }
        all.add(new Planted(group, usual, secrets, wrapped.apply(mark.appendTail(text).toString())));
    }

    private static String value(String kind, Random random) {
        if (kind.matches("(?:hex|digits)\\d+")) {
            int length = Integer.parseInt(kind.replaceAll("\\D", ""));
            return kind.startsWith("hex") ? Canaries.hex(random, length) : digits(random, length);
        }
        return switch (kind) {
            case "pw" -> Canaries.letters(random, 5) + "!x" + Canaries.letters(random, 4);
            case "token" -> Canaries.letters(random, 24);
            case "id" -> "cust-" + Canaries.letters(random, 10);
            case "name" -> "Zq" + Canaries.letters(random, 8).toLowerCase().replaceAll("\\d", "k");
            case "email" -> "jo." + Canaries.letters(random, 8).toLowerCase() + "@shop.example";
            case "ip" -> "203.0." + (100 + random.nextInt(100)) + "." + (100 + random.nextInt(150));
            case "ip6" -> "2001:db8:" + Canaries.hex(random, 4) + "::" + Canaries.hex(random, 4);
            case "ip6full" -> "2001:db8:0:0:" + Canaries.hex(random, 4) + ":0:0:" + Canaries.hex(random, 3);
            case "b64" -> Canaries.letters(random, 64);
            case "card" -> card(random);
            case "iban" -> iban(random);
            case "ibanspaced" -> iban(random).replaceAll("(.{4})(?=.)", "$1 ");
            default -> throw new IllegalArgumentException(kind);
        };
    }

    static String digits(Random random, int length) {
        StringBuilder digits = new StringBuilder();
        random.ints(length, 1, 10).forEach(digits::append);
        return digits.toString();
    }

    // The fifteen digits after the 4 of a Visa card, whose last makes Luhn's sum right.
    private static String card(Random random) {
        String digits = "4" + digits(random, 14);
        int sum = 0;
        for (int i = 0; i < 15; i++) {
            int digit = digits.charAt(14 - i) - '0';
            sum += i % 2 == 1 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
        }
        return digits.substring(1) + (10 - sum % 10) % 10;
    }

    private static String iban(Random random) {
        String account = digits(random, 18);
        int rest = new BigInteger(account + "131400").mod(BigInteger.valueOf(97)).intValue();
        return "DE" + String.format("%02d", 98 - rest) + account;
    }

    // Between name, sign and value, and within the value.
    private static String coloured(String text, String escape) {
        String quoted = Matcher.quoteReplacement(escape);
        String inside = text.replaceFirst("(.{3})$", quoted + "[4m$1");
        return escape + "[36m" + inside.replaceAll("([=:])( ?)", quoted + "[0m$1$2" + quoted + "[1;32m") + escape
                + "[0m";
    }

    private static String json(String text) {
        return "{\"body\":\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"}";
    }

    private static String url(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** What looks like a secret or personal data, and is none. */
    static List<String> lookAlikes() {
        return List.of("auth=failed", "signature=invalid", "lat=12ms", "lag=+10000000", "threads@2.4.0.Final",
                "at java.base@17.0.1/x.Y.z(Y.java:3)",
                "page[cursor]=bmV4dDo6aWQ6OkFqdVBWcw", "\"detail\":\"such as +12345678901\"", "upgraded to 4.12.3.1",
                        "release 1.2.3.4", "app-1.2.3.4.jar",
                "token: expired", "password: must not be blank", "secret: text, 20 characters", "secret: is missing",
                        "pass=12 fail=3", "pin: 4",
                "\"token_type\":\"bearer\"", "expires_in=3600 tokens=512", "Map<String,Token> tokens",
                        "List<AccessToken> all", "credentials:read",
                "\"fields\":[\"first_name\",\"last_name\",\"email\"]", "fields[profile]=first_name,last_name",
                        "sort=-created", "city: null",
                "order 4111111111111112", "epoch 1763866245123456789", "id=1763866245123", "offset=+1500",
                        "2026-11-23T03:04:05+01:00", "delta: +1234567",
                "mac 00:1b:44:11:3a:b7", "std::vector::size", "12:34:56.789", "foo::bar", "region=us-east-1",
                        "region: EU", "zip=on", "gzip: true",
                "called 12 times in 30 s", "text 42", "mobile=true", "phone is down", "sms: 12 sent", "session=open",
                        "session: 42", "salt: none",
                "hmac: sha256", "signing: enabled", "otp: required", "kotlin@1.9.0", "logo@2x.png", "@klaviyo/sdk",
                        "npm i klaviyo@7.0.0", "git@2.40.1",
                "127.0.0.1:8080", "localhost/127.0.0.1:443", "0.0.0.0:80", "Chrome/120.0.0.0", "Java/17.0.15.6",
                        "netty-4.1.100.1", "v1.2.3.4",
                "DE12ABCD", "AB12 3456", "GB00", "cookies: disabled", "cookie policy", "Authorization: missing",
                        "authorization failed",
                "--token-file /x", "?code=429", "error_code=invalid", "basic authentication required", "bearer token",
                        "next_page_token=null",
                "thread-1 (waiting)", "a=b&c=d", "%d items, %s", "100%", "C:\\temp\\new\\app.log", "\\d+\\.\\d+",
                        "path\\to", "&nbsp;&amp;",
                "\u001b[32mINFO\u001b[0m started", "\u001b[31mERROR\u001b[0m status=\u001b[1m503\u001b[0m",
                        "retry_after=30", "pw: unset",
                "auth: ok", "passed=12", "bypass=true", "compass: north", "mapping=x", "spin: fast", "sidecar=on",
                        "signal: term", "author=none");
    }
}
