package runbook.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import runbook.Settings.Problem;
import runbook.Incident;

/**
 * A postmortem on the disk: Markdown, and the page beside it.
 *
 * @param markdown where the Markdown is or will be
 */
public record Document(Path markdown) {
    /** Its name in an incident's folder. */
    public static final String NAME = "postmortem.md";

    private static final long LARGEST = 32L << 20;

    /** By the name of either of its two files. */
    public static Document named(Path file) {
        String name = file.getFileName().toString();
        return new Document(file.resolveSibling(name.endsWith(".html") ? name.replaceFirst("\\.html$", ".md") : name));
    }

    /** The one in an incident's folder, or in the current one. */
    public static Document of(Optional<Incident> incident) {
        return new Document(incident.map(Incident::folder).orElse(Path.of("")).resolve(NAME));
    }

    /** Where the page is or will be. */
    public Path page() {
        String name = markdown.getFileName().toString().replaceFirst("\\.(md|markdown)$", "");
        return markdown.resolveSibling(name + ".html");
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
        try {
            String text = read(markdown);
            if (!Regions.any(text)) {
                throw new Problem("--out " + markdown
                        + " is there, and has no generated part to bring up to date: name another file");
            }
            return Optional.of(text);
        } catch (IOException e) {
            throw new Problem("--out " + markdown + " cannot be read: " + Incident.why(e));
        }
    }

    /** What is unfinished in it, today. */
    public List<Unfinished.Place> unfinished() {
        try {
            return unfinished(read(markdown));
        } catch (IOException e) {
            throw new Problem("--check " + markdown + " cannot be read (" + Incident.why(e)
                    + "): write it first with postmortem, or name the file");
        }
    }

    // A device has no end, and what is larger than this is no postmortem.
    private static String read(Path file) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IOException("it is no regular file");
        }
        if (Files.size(file) > LARGEST) {
            throw new IOException("it is larger than " + (LARGEST >> 20) + " MiB");
        }
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    }

    /** What would be unfinished in it if this were its text. */
    public static List<Unfinished.Place> unfinished(String text) {
        return Unfinished.in(text, LocalDate.now(ZoneOffset.UTC));
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
}
