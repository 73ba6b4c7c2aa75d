package runbook;

import com.samskivert.mustache.Mustache;
import com.samskivert.mustache.MustacheException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * A logic-less text (Mustache): <code>{{name}}</code>, and sections <code>{{#name}}…{{/name}}</code> and
 * <code>{{^name}}…{{/name}}</code>. A name that does not exist is a {@link Problem}, wherever in the template it
 * stands. Values go in as they are: whoever fills it escapes them for where the text will be read.
 */
public final class Template {
    private static final long LARGEST = 1 << 20;

    private final String origin;
    private final String text;

    private Template(String origin, String text) {
        this.origin = origin;
        this.text = text;
    }

    /** One of the files in {@code templates/}, which come with the scripts. */
    public static Template bundled(String name) {
        try (InputStream file = Template.class.getResourceAsStream("/templates/" + name)) {
            if (file == null) {
                throw new IllegalStateException(
                        "templates/" + name + " did not come with the script: a //FILES line is missing");
            }
            return new Template("templates/" + name, new String(file.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * A team's own template.
     *
     * @param option the option that named it, for the error
     * @throws Problem when it cannot be read, or is larger than 1 MiB
     */
    public static Template file(String option, Path file) {
        try {
            if (Files.size(file) > LARGEST) {
                throw new Problem(option + " " + file + " is larger than 1 MiB: that is no template");
            }
            return new Template(file.toString(), new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new Problem(option + " " + file + " cannot be read: " + Incident.why(e));
        }
    }

    /** A template in memory; {@code origin} says in errors where it came from. */
    public static Template of(String origin, String text) {
        return new Template(origin, text);
    }

    /**
     * The text with its values put in.
     *
     * @param values strings; booleans, and collections of maps, for sections. An empty string is false to a section.
     * @throws Problem with the line and the nearest name, when the template is malformed or uses an unknown name
     */
    public String fill(Map<String, Object> values) {
        try {
            com.samskivert.mustache.Template compiled = Mustache.compiler()
                    .escapeHTML(false)
                    .emptyStringIsFalse(true)
                    .compile(text);
            refuseUnknown(namesIn(compiled), namesOf(values));
            return compiled.execute(values);
        } catch (MustacheException | UnsupportedOperationException e) {
            throw new Problem(origin + ": " + Text.safe(e.getMessage(), 200));
        }
    }

    // Before anything is filled in: a section that is skipped today must not hide a typing error until tomorrow.
    private void refuseUnknown(Set<String> used, Set<String> known) {
        for (String name : used) {
            if (!known.contains(name)) {
                String instead = Nearest.to(name, known).map(near -> ", did you mean {{" + near + "}}?")
                        .orElseGet(() -> "; there are " + String.join(", ", known));
                throw new Problem(
                        origin + " line " + lineOf(name) + ": there is no {{" + Text.safe(name, 60) + "}}" + instead);
            }
        }
    }

    private long lineOf(String name) {
        var tag = Pattern.compile("\\{\\{\\{?[#^/&>]?\\s*" + Pattern.quote(name) + "\\s*}}").matcher(text);
        return 1 + (tag.find() ? text.substring(0, tag.start()).chars().filter(c -> c == '\n').count() : 0);
    }

    private static Set<String> namesOf(Map<String, Object> values) {
        Set<String> names = new TreeSet<>(values.keySet());
        for (Object value : values.values()) {
            if (value instanceof Collection<?> rows) {
                rows.forEach(row -> names.addAll(row instanceof Map<?, ?> map ? keys(map) : Set.of(".", "this")));
            }
        }
        return names;
    }

    private static Set<String> keys(Map<?, ?> row) {
        Set<String> names = new TreeSet<>();
        row.keySet().forEach(key -> names.add(key.toString()));
        return names;
    }

    private static Set<String> namesIn(com.samskivert.mustache.Template template) {
        Set<String> names = new LinkedHashSet<>();
        template.visit(new Mustache.Visitor() {
            @Override
            public void visitText(String ignored) { }

            @Override
            public void visitVariable(String name) {
                names.add(name);
            }

            @Override
            public boolean visitInclude(String name) {
                throw new Problem("{{>" + name + "}}: a template cannot include another");
            }

            @Override
            public boolean visitSection(String name) {
                names.add(name);
                return true;
            }

            @Override
            public boolean visitInvertedSection(String name) {
                names.add(name);
                return true;
            }
        });
        return names;
    }
}
