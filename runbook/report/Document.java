package runbook.report;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import org.commonmark.Extension;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.ext.task.list.items.TaskListItemsExtension;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Element;
import org.jsoup.safety.Safelist;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Settings.Templates;

/**
 * A postmortem on the disk: Markdown in which machines and people write, and the page beside it. What is generated
 * stands between two comment lines, and the first carries a hash of it, so that a hand in it is noticed:
 * <pre>
 * &lt;!-- generated:impact 3f9a2c1b0d4e --&gt;
 * …
 * &lt;!-- /generated:impact --&gt;
 * </pre>
 * White space at line ends and the kind of line ends do not count as a hand.
 */
public record Document(Path markdown) {
    /** Its name in an incident's folder. */
    public static final String NAME = "postmortem.md";
    /** The rule of a document that does not know what the journal has by now. */
    public static final String OLDER = "older";
    static final int LARGEST = 64 << 20;
    private static final String OPEN = "(?m)^\\h*<!-- generated:([a-z0-9-]+)(?: ([0-9a-f]{12}))? -->\\h*\\R";
    private static final Pattern BEGINS = Pattern.compile("(?=" + OPEN + ")");
    private static final Pattern PART =
            Pattern.compile("\\A" + OPEN + "((?s).*?)^\\h*<!-- /generated:\\1 -->\\h*(?:\\R|$)");
    private static final Pattern KNOWS = Pattern.compile("(?m)^<!-- journal: ([\\w.-]+), (\\d{1,15}) bytes -->\\h*$");

    // ---- its files

    /** By the name of either of its two files. */
    public Document {
        markdown = markdown.resolveSibling(markdown.getFileName().toString().replaceFirst("\\.html$", ".md"));
    }

    public static Document of(Incident incident) {
        return new Document(incident.folder().resolve(NAME));
    }

    public Path page() {
        String name = markdown.getFileName().toString().replaceFirst("\\.(md|markdown)$", "");
        return markdown.resolveSibling(name + ".html");
    }

    /**
     * What was written before; empty when nothing was. When it cannot be read, or was not generated here, that is a
     * {@link Problem}: it is not ours to overwrite. So is a broken table or frame of the team's own, before anything is
     * written.
     */
    public Optional<String> existing(Templates templates) {
        unfinished(templates, "");
        Chart.page(templates, "", "");
        if (Files.notExists(markdown)) {
            return Optional.empty();
        }
        String text = read("--out");
        if (BEGINS.matcher(text).results().allMatch(part -> part.group(2) == null)) {
            throw new Problem("--out " + markdown + " is there, and has no generated part to bring up to date: "
                    + "name another file");
        }
        return Optional.of(text);
    }

    private String read(String option) {
        try {
            return text(markdown);
        } catch (IOException e) {
            throw new Problem(option + " " + markdown + " cannot be read (" + Incident.why(e) + "): "
                    + (option.equals("--check") ? "write it first with postmortem, or name the file" : "name another"));
        }
    }

    /** A file's text. A device has no end, and what is larger was not written for us. */
    static String text(Path file) throws IOException {
        if (Files.size(regular(file)) > LARGEST) {
            throw new IOException("it is larger than 64 MiB");
        }
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    }

    /** The same, unless it is a pipe, which would be waited for. */
    static Path regular(Path file) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IOException("it is no regular file");
        }
        return file;
    }

    /** Writes one of its files: whole or, with a {@link Problem}, not at all. */
    public static Path save(Path file, String text) {
        try {
            Path folder = regular(file).toAbsolutePath().getParent();
            new Incident(folder).write(file.getFileName().toString(), text.getBytes(StandardCharsets.UTF_8));
            return file;
        } catch (IOException e) {
            throw new Problem("--out " + file + " cannot be written: " + Incident.why(e));
        }
    }

    // ---- generated parts

    /** What came of writing: the Markdown, and the generated parts that somebody edited, left alone. */
    public record Written(String text, List<String> kept) { }

    /** A generated part; without a hash it was never stamped. */
    private record Part(String name, String hash, String body) {
        boolean edited() {
            return hash != null && !hash.equals(hashOf(body));
        }

        String text() {
            String stamp = name + " " + (hash == null ? hashOf(body) : hash);
            return "<!-- generated:" + stamp + " -->\n" + body + "<!-- /generated:" + name + " -->\n";
        }
    }

    /**
     * The filled template with its parts stamped; of an existing document, its generated parts brought up to date.
     * Every other word stays, a part that somebody edited stays, and one that somebody removed is not put back.
     */
    static Written merge(Optional<String> existing, String filled) {
        Map<String, Part> news = new LinkedHashMap<>();
        String fresh = rewrite(filled, part -> {
            Part unstamped = new Part(part.name, null, part.body);
            news.putIfAbsent(part.name, unstamped);
            return unstamped;
        });
        List<String> kept = new ArrayList<>();
        String merged = existing.isEmpty() ? fresh : rewrite(existing.get(), part -> {
            if (part.edited()) {
                kept.add(part.name);
            }
            return part.edited() ? part : news.getOrDefault(part.name, part);
        });
        return new Written(merged, kept);
    }

    /** Each generated part as {@code renewed} has it, every other word as it is. */
    private static String rewrite(String document, UnaryOperator<Part> renewed) {
        // Where a closing line is missing before the next part begins, the opening line is words like any other.
        return BEGINS.splitAsStream(document).map(piece -> PART.matcher(piece).replaceFirst(found -> {
            Part part = new Part(found.group(1), found.group(2), found.group(3));
            return Matcher.quoteReplacement(renewed.apply(part).text());
        })).collect(Collectors.joining());
    }

    // The end of a name's UUID is one of an MD5: enough to notice a hand, and nobody is kept out by it.
    private static String hashOf(String body) {
        String significant = body.lines().map(String::stripTrailing).collect(Collectors.joining("\n")).strip();
        return UUID.nameUUIDFromBytes(significant.getBytes(StandardCharsets.UTF_8)).toString().substring(24);
    }

    // ---- what is still to do in it

    /** One place that is not done, by its line: the rule that found it, a word for machines, and what to do. */
    public record Place(int line, String rule, String message) { }

    /** A kind of place, a row of {@code unfinished.json}: what its pattern finds is quoted before the message. */
    private record Rule(String id, Pattern pattern, String message) {
        Optional<Place> place(int number, String line) {
            // Inline code quotes commands, and a command's "…" or [x] is no gap in the text.
            Matcher found = pattern.matcher(CODE.matcher(line).replaceAll(code -> " ".repeat(code.group().length())));
            return !found.find() ? Optional.empty() : Optional.of(new Place(number, id,
                    "\"" + Text.safe(line.substring(found.start(), found.end()).strip(), 100) + "\" " + message));
        }
    }

    private static final Pattern CODE = Pattern.compile("`[^`]*`");

    /** The incident that it was written from, where that is kept beside another. */
    public Optional<Incident> incident(Incident other) {
        Matcher knows = KNOWS.matcher(read("--check"));
        Path named = other.folder().toAbsolutePath().resolveSibling(knows.find() ? knows.group(1) : "-");
        return Optional.of(new Incident(named)).filter(one -> Files.exists(one.journal().file()));
    }

    /** What is unfinished in it, and that it does not know what the incident's journal has by now. */
    public List<Place> unfinished(Templates templates, Optional<Notebook> notebook) {
        String text = read("--check");
        List<Place> places = unfinished(templates, text);
        Matcher knows = KNOWS.matcher(text);
        long journal = notebook.map(one -> one.incident().journal().file().toFile().length()).orElse(0L);
        if (knows.find() && Long.parseLong(knows.group(2)) < journal) {
            places.add(new Place((int) text.substring(0, knows.end()).lines().count(), OLDER,
                    "it is older than the newest events in the journal: postmortem writes them in"));
        }
        return places;
    }

    /** The unfinished places of a Markdown text, in the order of their lines, one a line; code is left alone. */
    public static List<Place> unfinished(Templates templates, String document) {
        Collection<Rule> rules = templates.table("unfinished.json", Rule.class).values();
        List<Place> places = new ArrayList<>();
        boolean fenced = false;
        int number = 0;
        for (String line : document.lines().toList()) {
            int at = ++number;
            fenced ^= line.stripLeading().startsWith("```");
            if (!fenced && !line.strip().matches("<!--.*-->")) {
                rules.stream().flatMap(rule -> rule.place(at, line).stream()).findFirst().ifPresent(places::add);
            }
        }
        return places;
    }

    // ---- its page

    private static final List<Extension> GITHUB = List.of(TablesExtension.create(), TaskListItemsExtension.create());
    // What people paste may be hostile too, so the page takes no more than documents need, and no image from elsewhere.
    private static final Safelist SAFE = Safelist.relaxed().addTags("input", "hr", "del", "details", "summary")
            .addAttributes("input", "type", "checked", "disabled").addAttributes("ol", "start")
            .removeProtocols("img", "src", "http", "https").addProtocols("img", "src", "data")
            .removeProtocols("a", "href", "ftp");

    /** One self-contained page, nothing fetched; the picture goes under the heading that begins with Timeline. */
    static String html(Templates templates, String markdown, Optional<Chart> chart, String title) {
        String rendered = HtmlRenderer.builder().extensions(GITHUB).sanitizeUrls(true).build()
                .render(Parser.builder().extensions(GITHUB).build().parse(markdown));
        var quiet = new org.jsoup.nodes.Document.OutputSettings().prettyPrint(false);
        var page = Jsoup.parseBodyFragment(Jsoup.clean(rendered, "", SAFE, quiet)).outputSettings(quiet);
        Element main = page.body();
        main.select("img:not([src])").remove();
        main.select("input").attr("type", "checkbox").attr("disabled", "");
        main.select("li:has(> input)").addClass("task");
        main.select("table").wrap("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"></div>");
        Element heading = main.selectFirst(":is(h1, h2, h3, h4):matchesOwn(^Timeline)");
        String figure = chart.map(drawn -> drawn.figure()).orElse("");
        if (heading == null) {
            main.prepend(figure);
        } else {
            heading.after(figure);
        }
        return Chart.page(templates, title, main.html() + "\n");
    }

    // ---- what stands in it from outside

    private static final int LONGEST = 400;
    private static final Pattern MARKUP = Pattern.compile("[\\\\`*\\[\\]|~$]|(?<![\\p{Alnum}_])_|_(?![\\p{Alnum}_])");
    // At the beginning of a line: headings (of both kinds), lists, quotes, rules.
    private static final Pattern BLOCK = Pattern.compile("^(?=[#+=-])|(?<=^\\d{1,9})(?=[.)])");
    // GitHub and GitLab notify whoever is mentioned and link what looks like an issue; Markdown itself knows neither.
    private static final Pattern REFERENCE = Pattern.compile("(?<![\\p{Alnum}&])([@#!%])(?=[\\p{Alnum}])");

    /**
     * Text from outside as Markdown that says just that, one bounded line, fit for a paragraph, a list or a table's
     * cell: no markup, link, mention, issue number or HTML comes of it.
     */
    static String escaped(String outside) {
        String html = Text.safe(outside, LONGEST).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        String plain = MARKUP.matcher(html).replaceAll("\\\\$0");
        String inline = REFERENCE.matcher(plain).replaceAll("$1&#8203;");
        return BLOCK.matcher(inline).replaceFirst("\\\\");
    }
}
