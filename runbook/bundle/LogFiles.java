package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.function.Consumer;
import runbook.Incident;

/** Log files: one file, all files below a folder, or all that match a pattern; rotated and gzipped ones too. */
record LogFiles(String given, LineChoice.Wanted wanted) implements Collector {
    private static final int DEEPEST = 16;
    private static final int MOST = 2_000;

    @Override
    public String name() {
        return "application/log " + given;
    }

    @Override
    public List<Planned> plan() {
        List<Planned> plan = new ArrayList<>();
        try {
            for (Path file : files(note -> plan.add(new Planned(note, -1)))) {
                plan.add(
                        old(file)
                                ? new Planned(file + ": last changed before the window, left out", -1)
                                : new Planned(file.toString(), Files.size(file)));
            }
        } catch (IOException e) {
            plan.add(new Planned(Incident.why(e), -1));
        }
        return plan;
    }

    @Override
    public void collect(Sink sink) throws IOException {
        List<Path> files = files(sink::remark);
        for (Path file : files) {
            if (old(file)) {
                sink.remark(file + " left out: last changed before the window");
                continue;
            }
            try {
                add(file, sink);
            } catch (IOException e) {
                sink.remark(file + " left out: " + Incident.why(e));
            }
        }
        if (sink.items().isEmpty() && !files.isEmpty()) {
            sink.trouble("none of its " + files.size() + " files could be used");
        } else if (files.isEmpty()) {
            sink.trouble("no regular file found at " + given);
        }
    }

    private void add(Path file, Sink sink) throws IOException {
        long start = System.nanoTime();
        // Only what was there at the start: a log that grows as fast as it is read would never end.
        long size = Files.size(file);
        try (InputStream stream = Files.newInputStream(file)) {
            sink.stream("log/" + file, stream, gzipped(file) ? Long.MAX_VALUE : size, wanted, new Sink.Ending() {
                @Override
                public Item.Origin origin() {
                    return Item.Origin.none((System.nanoTime() - start) / 1_000_000);
                }

                @Override
                public List<String> notes() {
                    return changed(file, size);
                }
            });
        }
    }

    private static boolean gzipped(Path file) {
        return file.toString().endsWith(".gz");
    }

    private static List<String> changed(Path file, long size) {
        try {
            long now = Files.size(file);
            return now > size
                    ? List.of("it grew while it was read: the new part is left out")
                    : now < size ? List.of("it was cut short while it was read") : List.of();
        } catch (IOException e) {
            return List.of("it was moved away while it was read");
        }
    }

    private boolean old(Path file) {
        try {
            return wanted.window() != null && Files.getLastModifiedTime(file).toInstant().isBefore(wanted.window().from());
        } catch (IOException e) {
            return false;
        }
    }

    /** The files that are meant, newest last; what is no regular file is noted. */
    private List<Path> files(Consumer<String> note) throws IOException {
        Path path = path();
        List<Path> files = new ArrayList<>();
        if (path != null && Files.isDirectory(path)) {
            walk(path, file -> true, files, note);
        } else if (path != null && Files.exists(path)) {
            keep(path, files, note);
        } else if (given.matches(".*[*?\\[{].*")) {
            // The part before the first special character is where to start looking.
            int special = given.split("[*?\\[{]", 2)[0].lastIndexOf('/');
            Path root = Path.of(special < 0 ? "." : special == 0 ? "/" : given.substring(0, special));
            PathMatcher matcher =
                    FileSystems.getDefault().getPathMatcher("glob:" + (special < 0 ? "./" + given : given));
            walk(root, matcher::matches, files, note);
        } else {
            throw new java.nio.file.NoSuchFileException(given);
        }
        files.sort(Comparator.comparing(LogFiles::modified).thenComparing(Comparator.naturalOrder()));
        return files;
    }

    private Path path() {
        try {
            return Path.of(given);
        } catch (InvalidPathException e) {
            return null;
        }
    }

    private static long modified(Path file) {
        return file.toFile().lastModified();
    }

    private static void keep(Path file, List<Path> files, Consumer<String> note) {
        if (!Files.isRegularFile(file)) {
            note.accept(file + " left out: it is no regular file (a pipe or a device may never end)");
        } else if (files.size() < MOST) {
            files.add(file);
        } else if (files.size() == MOST) {
            note.accept("more than " + MOST + " files: the rest is left out");
        }
    }

    private static void walk(Path root, PathMatcher matching, List<Path> files, Consumer<String> note) throws IOException {
        Files.walkFileTree(root, EnumSet.of(FileVisitOption.FOLLOW_LINKS), DEEPEST, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (matching.matches(file)) {
                    keep(file, files, note);
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
                note.accept(file + " left out: "
                        + (e instanceof FileSystemLoopException
                                ? "a link back to a folder above it"
                                : Incident.why(e)));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException e) {
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
