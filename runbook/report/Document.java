package runbook.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.task.list.items.TaskListItemsExtension;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Element;
import org.jsoup.safety.Safelist;
import runbook.Chart;
import runbook.Incident;
import runbook.Page;
import runbook.Settings.Problem;
import runbook.Text;

/**
 * A postmortem on the disk: Markdown in which machines and people write, and the page beside it. What is generated
 * stands between two comment lines, and the first carries a hash of it, so that a hand in it is noticed:
 * <pre>
 * &lt;!-- generated:impact 3f9a2c1b0d4e --&gt;
 * …
 * &lt;!-- /generated:impact --&gt;
 * </pre>
 * White space at line ends and the kind of line ends do not count as a hand.
 *
 * @param markdown where the Markdown is or will be
 */
public record Document(Path markdown) {
    /** Its name in an incident's folder. */
    public static final String NAME = "postmortem.md";

    private static final long LARGEST = 32L << 20;
    private static final Pattern OPEN =
            Pattern.compile("\\h*<!-- generated:([a-z0-9-]+)(?: ([0-9a-f]{12}))?(?: offered [0-9a-f]{12})? -->\\h*");

    // ---- its files

    /** By the name of either of its two files. */
    public static Document named(Path file) {
        String name = file.getFileName().toString();
        return new Document(file.resolveSibling(name.endsWith(".html") ? name.replaceFirst("\\.html$", ".md") : name));
    }

    /** The one in an incident's folder, or in the given one where there is no incident. */
    public static Document of(Optional<Incident> incident, Path otherwise) {
        return new Document(incident.map(Incident::folder).orElse(otherwise).resolve(NAME));
    }

    /** Where the page is or will be. */
    public Path page() {
        return markdown.resolveSibling(markdown.getFileName().toString().replaceFirst("\\.(md|markdown)$", "")
                + ".html");
    }

    /**
     * What was written before; empty when nothing was.
     *
     * @throws Problem when it cannot be read, or was not generated here: then it is not ours to overwrite
     */
    public Optional<String> existing() {
        if (Files.notExists(markdown)) {
            return Optional.empty();
        }
        String text = read("--out");
        if (parts(text).stream().noneMatch(part -> !part.hash.isEmpty())) {
            throw new Problem("--out " + markdown + " is there, and has no generated part to bring up to date: "
                    + "name another file");
        }
        return Optional.of(text);
    }

    /** What is unfinished in it, today. */
    public List<Place> unfinished() {
        return unfinished(read("--check"), LocalDate.now(ZoneOffset.UTC));
    }

    // A device has no end, and what is larger than this is no postmortem.
    private String read(String option) {
        try {
            if (Files.exists(markdown) && !Files.isRegularFile(markdown)) {
                throw new IOException("it is no regular file");
            }
            if (Files.size(markdown) > LARGEST) {
                throw new IOException("it is larger than " + (LARGEST >> 20) + " MiB");
            }
            return new String(Files.readAllBytes(markdown), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new Problem(option + " " + markdown + " cannot be read (" + Incident.why(e)
                    + "): write it first with postmortem, or name the file");
        }
    }

    /** Writes one of its files: whole or, with a {@link Problem}, not at all. */
    public static Path save(Path file, String text) {
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw new IOException("it is no regular file");
            }
            Path folder = file.toAbsolutePath().getParent();
            return Incident.at(folder).write(file.getFileName().toString(), text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new Problem("--out " + file + " cannot be written: " + Incident.why(e));
        }
    }

    // ---- generated parts

    /**
     * What came of writing.
     *
     * @param text the Markdown
     * @param kept generated parts that somebody edited, left alone
     * @param left generated parts that somebody removed, not put back
     */
    public record Written(String text, List<String> kept, List<String> left) { }

    /** A piece of a document: generated when it has a name, else words. Without a hash it was never stamped. */
    private record Part(String name, String hash, String body) {
        boolean generated() {
            return !name.isEmpty();
        }

        boolean edited() {
            return generated() && !hash.isEmpty() && !hash.equals(hashOf(body));
        }

        String text() {
            return !generated() ? body : "<!-- generated:" + name + " " + (hash.isEmpty() ? hashOf(body) : hash)
                    + " -->\n"
                    + body + "<!-- /generated:" + name + " -->\n";
        }
    }

    /**
     * The filled template with its parts stamped; of an existing document, its generated parts brought up to date.
     * Every other word stays, a part that somebody edited stays, and one that somebody removed is not put back.
     */
    static Written merge(Optional<String> existing, String filled) {
        List<Part> fresh = parts(filled).stream().map(part -> new Part(part.name, "", part.body)).toList();
        if (existing.isEmpty()) {
            return new Written(text(fresh), List.of(), List.of());
        }
        boolean windows = existing.get().contains("\r\n");
        Map<String, Part> news = new LinkedHashMap<>();
        fresh.stream().filter(Part::generated).forEach(part -> news.putIfAbsent(part.name, part));
        List<String> kept = new ArrayList<>();
        List<Part> result = new ArrayList<>();
        for (Part part : parts(existing.get().replace("\r\n", "\n"))) {
            Part newer = part.generated() ? news.remove(part.name) : null;
            if (part.edited()) {
                kept.add(part.name);
            }
            result.add(newer == null || part.edited() ? part : newer);
        }
        String merged = text(result);
        return new Written(windows ? merged.replace("\n", "\r\n") : merged, kept, List.copyOf(news.keySet()));
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
            int end = open.matches() ? closing(lines, i, open.group(1)) : -1;
            if (end < 0) {
                words.append(lines.get(i)).append('\n');
                continue;
            }
            parts.add(new Part("", "", words.toString()));
            words.setLength(0);
            String body = lines.subList(i + 1, end).stream().map(line -> line + "\n").collect(Collectors.joining());
            parts.add(new Part(open.group(1), open.group(2) == null ? "" : open.group(2), body));
            i = end;
        }
        parts.add(new Part("", "", words.toString()));
        return parts;
    }

    // A part ends at its own closing line. One that is missing makes the opening line words like any other.
    private static int closing(List<String> lines, int open, String name) {
        for (int i = open + 1; i < lines.size() && !OPEN.matcher(lines.get(i)).matches(); i++) {
            if (lines.get(i).strip().equals("<!-- /generated:" + name + " -->")) {
                return i;
            }
        }
        return -1;
    }

    private static String hashOf(String body) {
        String significant = body.lines().map(String::stripTrailing).collect(Collectors.joining("\n")).strip();
        return HexFormat.of().formatHex(sha256().digest(significant.getBytes(StandardCharsets.UTF_8)), 0, 6);
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    // ---- what is still to do in it

    /**
     * One place that is not done.
     *
     * @param line    counted from 1
     * @param rule    a word for machines: placeholder, unknown, owner, due, overdue, to-confirm, blame
     * @param message what to do about it
     */
    public record Place(int line, String rule, String message) { }

    /** A kind of place that a pattern finds; what it finds is quoted in the message. */
    private record Rule(String name, Pattern pattern, String message) { }

    private static final List<Rule> RULES = List.of(
            new Rule("unknown", Pattern.compile("^\\s*[-*+] [^:\\[]{2,60}: \\[?unknown\\b(?=:|\\]|\\s*$)"),
                    "is not known yet: find it out as it says there, or write why nobody can"),
            new Rule("placeholder", Pattern.compile("(?<![\\\\!\\]])\\[(?![ xX]\\]|\\^|unknown\\b)"
                    + "[^\\]\\[]*[^\\]\\[\\s][^\\]\\[]*\\](?![(\\[:])|\\[\\.\\.\\.\\]"),
                    "is a placeholder: fill it in, or delete it"),
            new Rule("placeholder", Pattern.compile("\\{\\{[^}]*}}|\\bYYYY-MM-DD\\b|\\bHH:MM\\b|\\bTBD\\b|\\bTODO\\b"
                    + "|\\bFIXME\\b|P\\[1-4\\]"), "is a placeholder: fill it in, or delete it"),
            new Rule("to-confirm", Pattern.compile("(?i)to confirm|to be confirmed"),
                    "is still there: confirm it and delete these words, or correct it"),
            new Rule("blame", Pattern.compile("(?i)\\b(human error|operator error|user error|careless(ly|ness)?"
                    + "|negligen(t|ce)|incompeten(t|ce)|stupid(ly|ity)?|lazy|sloppy|should have known"
                    + "|should have (noticed|checked|seen)|failed to follow|forgot to|to blame"
                    + "|(his|her|their) fault|fault of|mistake (of|by))\\b"),
                    "blames: say what made it possible, not who did it"));
    private static final Pattern ACTION = Pattern.compile("\\s*[-*+] \\[( |x|X)\\] .*");
    private static final Pattern OWNER =
            Pattern.compile("(?i)\\bowner:\\s*(\\[[^\\]]*\\]|[^\\s|-][^|]*?)?\\s*(?:-\\s*due:|\\||$)");
    private static final Pattern DUE = Pattern.compile("(?i)\\bdue:\\s*(\\[[^\\]]*\\]|\\S+)?");

    /**
     * The unfinished places of a Markdown text, in the order of their lines; code is left alone.
     *
     * @param today due dates before it are overdue
     */
    public static List<Place> unfinished(String document, LocalDate today) {
        List<Place> places = new ArrayList<>();
        boolean fenced = false;
        int number = 0;
        for (String line : document.lines().toList()) {
            number++;
            fenced ^= line.stripLeading().startsWith("```");
            if (fenced || line.strip().startsWith("<!--") && line.strip().endsWith("-->")) {
                continue;
            }
            // Inline code quotes commands, and a command's "…" or [x] is no gap in the text.
            String text = line.replaceAll("`[^`]*`", "``");
            if (ACTION.matcher(text).matches()) {
                action(number, text, today, places);
                text = text.replaceAll("(?i)\\b(owner|due):\\s*\\[[^\\]]*\\]", "");
            }
            for (Rule rule : RULES) {
                Matcher found = rule.pattern.matcher(text);
                if (found.find()) {
                    places.add(new Place(number, rule.name, "\"" + Text.safe(found.group().strip(), 100) + "\" "
                            + rule.message));
                }
            }
        }
        return List.copyOf(places);
    }

    private static void action(int line, String text, LocalDate today, List<Place> places) {
        Matcher owner = OWNER.matcher(text);
        if (!owner.find() || owner.group(1) == null || owner.group(1).startsWith("[") || owner.group(1).isBlank()) {
            places.add(new Place(line, "owner", "the action has no owner: write \"- Owner: name\""));
        }
        Matcher due = DUE.matcher(text);
        String date = due.find() && due.group(1) != null ? due.group(1).replaceAll("[.,;|]+$", "") : "";
        if (!date.matches("\\d{4}-\\d\\d-\\d\\d")) {
            places.add(new Place(line, "due", "the action has no due date: write \"- Due: " + today.plusDays(14)
                    + "\""));
            return;
        }
        boolean done = text.strip().matches("[-*+] \\[[xX]\\].*");
        try {
            if (!done && LocalDate.parse(date).isBefore(today)) {
                places.add(new Place(line, "overdue", "the action was due on " + date
                        + ": tick it off, or give it a new date"));
            }
        } catch (DateTimeException e) {
            places.add(new Place(line, "due", "\"" + date + "\" is no date"));
        }
    }

    // ---- its page

    private static final List<Extension> GITHUB = List.of(TablesExtension.create(), TaskListItemsExtension.create());
    // What people paste may be hostile too, so the page takes no more than documents need, and no image from elsewhere.
    private static final Safelist SAFE = Safelist.relaxed().addTags("input", "hr", "del", "details", "summary")
            .addAttributes("input", "type", "checked", "disabled").addAttributes("ol", "start")
            .addAttributes("th", "align").addAttributes("td", "align").removeProtocols("img", "src", "http", "https")
            .addProtocols("img", "src", "data").removeProtocols("a", "href", "ftp");

    /** One self-contained page, nothing fetched; the picture goes under the heading that begins with Timeline. */
    static String html(String frame, String markdown, Optional<Chart> chart, String title) {
        String rendered = HtmlRenderer.builder().extensions(GITHUB).sanitizeUrls(true).build()
                .render(Parser.builder().extensions(GITHUB).build().parse(markdown));
        var quiet = new org.jsoup.nodes.Document.OutputSettings().prettyPrint(false);
        org.jsoup.nodes.Document page = Jsoup.parseBodyFragment(Jsoup.clean(rendered, "", SAFE, quiet));
        page.outputSettings(quiet);
        Element main = page.body();
        main.select("img:not([src])").remove();
        main.select("input").attr("type", "checkbox").attr("disabled", "");
        main.select("li:has(> input)").addClass("task");
        main.select("table").forEach(table -> table.wrap(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"></div>"));
        Element heading = main.selectFirst("h1:matchesOwn(^Timeline), h2:matchesOwn(^Timeline), "
                + "h3:matchesOwn(^Timeline), h4:matchesOwn(^Timeline)");
        if (chart.isPresent() && heading != null) {
            heading.after(chart.get().figure());
        } else {
            chart.ifPresent(drawn -> main.prepend(drawn.figure()));
        }
        return Page.framed(frame, title, main.html() + "\n");
    }

    /**
     * Text from outside as Markdown that says just that: no markup, link, mention, issue number or HTML comes of it.
     */
    static final class Markdown {
        private static final Pattern MARKUP =
                Pattern.compile("[\\\\`*\\[\\]|~$]|(?<![\\p{Alnum}_])_|_(?![\\p{Alnum}_])");
        // At the beginning of a line: headings (of both kinds), lists, quotes, rules.
        private static final Pattern BLOCK = Pattern.compile("^([#+=-]|\\d{1,9}(?=[.)]))");
        // GitHub and GitLab notify whoever is mentioned and link what
        // looks like an issue; Markdown itself knows neither.
        private static final Pattern REFERENCE = Pattern.compile("(?<![\\p{Alnum}&])([@#!%])(?=[\\p{Alnum}])");

        private Markdown() { }

        /**
         * One line of at most {@code max} characters before escaping; fit for a paragraph, a list or a table's cell.
         */
        static String text(String outside, int max) {
            String html = Text.safe(outside, max).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
            String plain = MARKUP.matcher(html).replaceAll(found -> "\\\\" + Matcher.quoteReplacement(found.group()));
            String inline = REFERENCE.matcher(plain).replaceAll("$1&#8203;");
            return BLOCK.matcher(inline).replaceFirst(found -> inline.matches("(?s)\\d.*") ? found.group() + "\\\\"
                    : "\\\\" + found.group());
        }

        /** The same, of a length that a table can bear. */
        static String text(String outside) {
            return text(outside, 300);
        }

        /** A call's method and route as code; what it cannot be spelled with becomes text. */
        static String code(String outside) {
            String line = Text.safe(outside, 120);
            return line.matches("[\\w /{}.:-]+") ? "`" + line + "`" : text(line);
        }

        /** Outside text of several lines, as a block quote with its line breaks kept. */
        static String quote(String outside, int maxLines) {
            return outside.lines().limit(maxLines).map(line -> "> " + text(line) + (line.isBlank() ? "" : "  "))
                    .collect(Collectors.joining("\n")).stripTrailing();
        }
    }
}
