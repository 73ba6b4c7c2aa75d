package runbook.bundle;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Text.Json;

/** Which Klaviyo libraries a project uses, by what its package files say. */
record ProjectVersions(Path project) implements Collector {
    private static final Set<String> FILES = Set.of(
            "package.json",
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "pom.xml",
            "build.gradle",
            "build.gradle.kts",
            "gradle.lockfile",
            "libs.versions.toml",
            "requirements.txt",
            "Pipfile",
            "Pipfile.lock",
            "poetry.lock",
            "pyproject.toml",
            "composer.json",
            "composer.lock",
            "Gemfile",
            "Gemfile.lock",
            "go.mod",
            "go.sum");
    private static final Set<String> NOT_OURS = Set.of("node_modules", "vendor", ".git", "target", "build", "dist");
    private static final int DEEPEST = 4;
    private static final long LARGEST = 20_000_000;
    // A library's name, and the next version after it: on its line, or a few lines on, as in lock files and pom.xml.
    private static final Pattern LIBRARY = Pattern.compile("(?i)([\\w@./:-]*klaviyo[\\w./-]*)(?:[^0-9\\n"
            + "]{0,40}|(?:[^\\n"
            + "]*\\n"
            + "){1,3}?[^\\n"
            + "]*version[^0-9\\n"
            + "]{0,12})v?(\\d+(?:\\.[\\w+-]+){1,5})");

    @Override
    public String name() {
        return "environment/project " + project;
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned("package files below " + project, 2_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        ObjectNode found = Json.object();
        List<Path> files;
        try (Stream<Path> walk = Files.walk(project, DEEPEST)) {
            files = walk.filter(file -> FILES.contains(file.getFileName().toString())
                            || file.getFileName().toString().matches("requirements.*\\.txt"))
                    .filter(this::ours)
                    .sorted()
                    .limit(200)
                    .toList();
        } catch (java.io.UncheckedIOException e) {
            throw e.getCause();
        }
        for (Path file : files) {
            if (Files.size(file) <= LARGEST) {
                versions(
                        new String(Files.readAllBytes(file), StandardCharsets.UTF_8),
                        found.putArray(project.relativize(file).toString()));
            } else {
                sink.remark(file + " left out: too large for a package file");
            }
        }
        sink.json("sdk-versions.json", found, 0);
        if (files.isEmpty()) {
            sink.remark("no package file found below " + project);
        }
    }

    private boolean ours(Path file) {
        for (Path part : project.relativize(file)) {
            if (NOT_OURS.contains(part.toString())) {
                return false;
            }
        }
        return Files.isRegularFile(file);
    }

    static void versions(String text, ArrayNode into) {
        Matcher library = LIBRARY.matcher(text);
        Set<String> seen = new java.util.LinkedHashSet<>();
        while (library.find() && seen.size() < 20) {
            seen.add(library.group(1).replaceAll("^[^\\w@]+|[:/]+$", "") + " " + library.group(2));
        }
        seen.forEach(into::add);
    }
}
