package runbook.report;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A document in which machines and people write. What is generated stands between two comment lines, and the first
 * carries a hash of it, so that a hand in it is noticed:
 * <pre>
 * &lt;!-- generated:impact 3f9a2c1b --&gt;
 * …
 * &lt;!-- /generated:impact --&gt;
 * </pre>
 * White space at line ends and the kind of line ends do not count as a hand.
 */
final class Regions {
    private static final Pattern OPEN = Pattern.compile(
            "[ \\t]*<!-- (generated|offered):([a-z0-9-]+)(?: ([0-9a-f]{12}))?(?: offered ([0-9a-f]{12}))? -->[ \\t]*");
    private static final String OFFER =
            "> **Newer text for the part above**, which somebody has edited and which was therefore left alone."
                    + " Take over what helps, then delete this part.\n\n";

    /** A piece of a document. */
    private sealed interface Part {
        /** It as text, ending in a line end. */
        String text();
    }

    private record Words(String text) implements Part { }

    private record Generated(String name, String hash, String offered, String body) implements Part {
        boolean edited() {
            return !hash.isEmpty() && !hash.equals(hashOf(body));
        }

        Generated offering(String newer) {
            return new Generated(name, hash, newer, body);
        }

        @Override
        public String text() {
            String mark = hash.isEmpty() ? hashOf(body) : hash;
            return "<!-- generated:" + name + " " + mark + (offered.isEmpty() ? "" : " offered " + offered) + " -->\n"
                    + body + "<!-- /generated:" + name + " -->\n";
        }
    }

    private record Offered(String name, String hash, String body) implements Part {
        boolean edited() {
            return !hash.equals(hashOf(body));
        }

        @Override
        public String text() {
            return "<!-- offered:" + name + " " + hash + " -->\n" + body + "<!-- /offered:" + name + " -->\n";
        }
    }

    /**
     * What came of writing again.
     *
     * @param text  the document
     * @param kept  generated parts that somebody edited, left alone
     * @param gone  generated parts that somebody removed, not put back
     */
    record Merged(String text, List<String> kept, List<String> gone) { }

    private Regions() { }

    /** A filled template with the hash put into each opening line. */
    static String stamped(String filled) {
        return text(parts(filled).stream().map(part -> part instanceof Generated region
                ? new Generated(region.name, "", "", region.body) : part).toList());
    }

    /** Whether a machine has ever written in it. */
    static boolean any(String document) {
        return parts(document).stream().anyMatch(part -> part instanceof Generated region && !region.hash.isEmpty());
    }

    /**
     * The existing document with its generated parts brought up to date: every other word stays, an edited part stays,
     * and what would be new in it is offered below it, once.
     */
    static Merged merge(String existing, String fresh) {
        boolean windows = existing.contains("\r\n");
        Map<String, Generated> news = new LinkedHashMap<>();
        parts(fresh).forEach(part -> {
            if (part instanceof Generated region) {
                news.putIfAbsent(region.name, region);
            }
        });
        List<String> kept = new ArrayList<>();
        List<Part> result = new ArrayList<>();
        List<Part> old = parts(existing.replace("\r\n", "\n"));
        for (Part part : old) {
            if (part instanceof Generated region) {
                result.addAll(renewed(region, news.remove(region.name), kept));
            } else if (!(part instanceof Offered offer) || offer.edited() || stillOffered(result, offer)) {
                result.add(part);
            }
        }
        String merged = text(result);
        return new Merged(windows ? merged.replace("\n", "\r\n") : merged, kept, List.copyOf(news.keySet()));
    }

    private static List<Part> renewed(Generated old, Generated fresh, List<String> kept) {
        if (fresh == null) {
            return List.of(old);
        }
        String hash = hashOf(fresh.body);
        if (!old.edited()) {
            return List.of(new Generated(old.name, hash, "", fresh.body));
        }
        kept.add(old.name);
        if (hash.equals(old.hash) || hash.equals(hashOf(old.body))) {
            return List.of(old.offering(""));
        }
        // Offered before: the offer that follows stays; and where somebody deleted it, it is not made twice.
        if (hash.equals(old.offered)) {
            return List.of(old);
        }
        String body = OFFER + fresh.body;
        return List.of(old.offering(hash), new Offered(old.name, hashOf(body), body));
    }

    private static boolean stillOffered(List<Part> before, Offered offer) {
        return !before.isEmpty() && before.get(before.size() - 1) instanceof Generated region
                && hashOf(offer.body.replace(OFFER, "")).equals(region.offered);
    }

    private static String text(List<Part> parts) {
        return parts.stream().map(Part::text).collect(Collectors.joining());
    }

    private static List<Part> parts(String document) {
        List<String> lines = document.lines().toList();
        List<Part> parts = new ArrayList<>();
        StringBuilder words = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            Matcher open = OPEN.matcher(lines.get(i));
            int end = open.matches() ? closing(lines, i, open.group(1) + ":" + open.group(2)) : -1;
            if (end < 0) {
                words.append(lines.get(i)).append('\n');
                continue;
            }
            flush(words, parts);
            String body = lines.subList(i + 1, end).stream().map(line -> line + "\n").collect(Collectors.joining());
            parts.add(part(open, body));
            i = end;
        }
        flush(words, parts);
        return parts;
    }

    private static Part part(Matcher open, String body) {
        String hash = open.group(3) == null ? "" : open.group(3);
        return open.group(1).equals("offered") ? new Offered(open.group(2), hash, body)
                : new Generated(open.group(2), hash, open.group(4) == null ? "" : open.group(4), body);
    }

    private static void flush(StringBuilder words, List<Part> parts) {
        if (words.length() > 0) {
            parts.add(new Words(words.toString()));
            words.setLength(0);
        }
    }

    // A part ends at its own closing line. One that is missing makes the opening line words like any other.
    private static int closing(List<String> lines, int open, String name) {
        for (int i = open + 1; i < lines.size() && !OPEN.matcher(lines.get(i)).matches(); i++) {
            if (lines.get(i).strip().equals("<!-- /" + name + " -->")) {
                return i;
            }
        }
        return -1;
    }

    private static String hashOf(String body) {
        String significant = body.lines().map(String::stripTrailing).collect(Collectors.joining("\n")).strip();
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(significant.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 6);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
