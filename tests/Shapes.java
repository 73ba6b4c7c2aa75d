import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;

/**
 * The shapes in which secrets and personal data stand in everyday logs ({@code shapes.txt}), with fresh values, each
 * as it is, and some in the encodings that logs are full of; and what looks like them and has to stay.
 */
final class Shapes {
    /** What is planted, and what of it must be gone: only the hard shapes may leak. */
    record Planted(String group, List<String> secrets, String text) {
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

    // In JSON and URLs these would be other shapes, or are planted so anyway.
    private static final Set<String> AS_THEY_ARE =
            Set.of("cut", "money", "encoded", "split", "hard", "more", "plain", "pairs", "tables");
    private static final Set<String> OTHERS = Set.of("look-alikes", "made-up look-alikes", "kinds", "canaries");
    private static final Map<String, String> ALPHABETS = Map.of("hex", "0123456789abcdef", "digits", "123456789",
            "small", "abcdefghijkmnpqrstuvwxyz", "big", "ABCDEFGHJKLMNPQRSTUVWXYZ234567");
    private static final Pattern MARK = Pattern.compile("«(\\w+)»");
    private static final Map<String, List<String>> GROUPS = Repository.tables("shapes.txt");

    static {
        GROUPS.replaceAll((group, lines) -> lines.stream()
                .map(line -> line.replace('\u23ce', '\n').replace('\u241b', '\u001b')).toList());
    }

    private Shapes() { }

    /** The templates of a group. */
    static List<String> of(String group) {
        return GROUPS.get(group);
    }

    /** What looks like a secret or personal data, and is none; some of it made up anew. */
    static List<String> lookAlikes(long seed) {
        Random random = new Random(seed);
        Stream<String> madeUp = Stream.generate(() -> of("made-up look-alikes")).limit(20).flatMap(List::stream)
                .map(template -> planted(template, random).text());
        return Stream.concat(of("look-alikes").stream(), madeUp).toList();
    }

    static List<Planted> all(long seed) {
        Random random = new Random(seed);
        List<Planted> all = new ArrayList<>();
        GROUPS.forEach((group, templates) -> {
            for (String template : OTHERS.contains(group) ? List.<String>of() : templates) {
                add(all, group, template, UnaryOperator.identity(), random);
                if (!AS_THEY_ARE.contains(group) && !template.contains("%")) {
                    add(all, group + " in JSON", template, Shapes::json, random);
                    add(all, group + " in a URL", template, text -> "q=" + Canaries.url(text) + "&x=1", random);
                }
            }
        });
        GROUPS.get("plain").forEach(template -> everyEncoding(all, template, random));
        return all;
    }

    private static void everyEncoding(List<Planted> all, String template, Random random) {
        for (String escape : List.of("\u001b", "\\u001b", "#033")) {
            add(all, "coloured", template, text -> coloured(text, escape), random);
        }
        for (String name : List.of("log-%s.txt", "%s.log", "dump/%s/app.log.gz", "klaviyo %s 1.json")) {
            String file = template.replaceAll("\"", "").replaceAll(": ?", "=");
            add(all, "file names", file, text -> String.format(name, text), random);
        }
        add(all, "encoded", template, text -> "x=" + Canaries.url(Canaries.url(text)), random);
        add(all, "encoded", template, text -> json(json(text)), random);
        add(all, "encoded", template, text -> json("u=" + Canaries.url(text)), random);
        add(all, "encoded", template, text -> "blob " + Canaries.base64("{" + text + ", some padding}"), random);
    }

    private static void add(List<Planted> all, String group, String template, UnaryOperator<String> wrapped,
            Random random) {
        Planted planted = planted(template, random);
        all.add(new Planted(group, planted.secrets, wrapped.apply(planted.text)));
    }

    /** A template with fresh values. */
    static Planted planted(String template, Random random) {
        List<String> secrets = new ArrayList<>();
        String text = MARK.matcher(template).replaceAll(mark -> {
            secrets.add(value(mark.group(1), random));
            return Matcher.quoteReplacement(secrets.get(secrets.size() - 1));
        });
        return new Planted("", secrets, text);
    }

    private static String value(String kind, Random random) {
        String[] sized = kind.split("(?<=[a-z])(?=\\d+$)");
        if (ALPHABETS.containsKey(sized[0])) {
            return Canaries.text(random, Integer.parseInt(sized[1]), ALPHABETS.get(sized[0]));
        }
        return switch (sized[0]) {
            case "letters" -> Canaries.letters(random, Integer.parseInt(sized[1]));
            case "pw" -> Canaries.letters(random, 5) + "!x" + Canaries.letters(random, 4);
            case "token" -> Canaries.letters(random, 24);
            case "id" -> "cust-" + Canaries.letters(random, 10);
            case "name" -> "Zq" + Canaries.letters(random, 8).toLowerCase().replaceAll("\\d", "k");
            case "email" -> "jo." + Canaries.letters(random, 8).toLowerCase() + "@shop.example";
            case "ip" -> "203.0." + (100 + random.nextInt(100)) + "." + (100 + random.nextInt(150));
            case "ipsix" -> "2001:db8:" + Canaries.hex(random, 4) + "::" + Canaries.hex(random, 4);
            case "ip6full" -> "2001:db8:0:0:" + Canaries.hex(random, 4) + ":0:0:" + Canaries.hex(random, 3);
            case "base" -> Canaries.letters(random, 64);
            // The fifteen digits after the 4 of a Visa card.
            case "card" -> one(random, "012888888881881", "111111111111111", "222222222222220");
            case "iban" -> one(random, "DE89370400440532013000", "DE75512108001245126199", "DE12500105170648489890");
            case "ibanspaced" -> value("iban", random).replaceAll("(.{4})(?=.)", "$1 ");
            default -> throw new IllegalArgumentException(kind);
        };
    }

    private static String one(Random random, String... of) {
        return of[random.nextInt(of.length)];
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
}
