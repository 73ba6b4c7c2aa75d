package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import picocli.CommandLine.Option;
import runbook.Incident;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.bundle.Archive.Part;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Guarded;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;

/** What can be done with evidence that is there already, from anybody: verify a bundle, open one, clean evidence. */
public final class Existing {
    private static final int MOST_FILES = 20_000;
    private static final int DEEPEST = 16;
    private static final int LARGEST_MANIFEST = 16 << 20;

    private Existing() { }

    /** How much of it may be unpacked. */
    public static final class Limit {
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB", order = 80,
                description = "to unpack at most (${DEFAULT-VALUE})")
        String size;

        private long[] left() {
            return new long[] {Archive.size("--max-size", size)};
        }
    }

    // ---- archives that may be hostile, and files that may be anything

    /** Opens an archive: no pipe is waited for, and its list of files fits into memory. */
    private static ZipFile zip(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
                throw new IOException(there ? "it is no regular file" : "there is no such file");
            }
            ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8);
            if (zip.size() > MOST_FILES) {
                zip.close();
                throw new IOException("it has more than " + MOST_FILES + " files");
            }
            return zip;
        } catch (IOException e) {
            throw unreadable(file, Incident.why(e));
        } catch (IllegalArgumentException | OutOfMemoryError e) {
            // The list is one array: that there is no room for it harms nobody else.
            throw unreadable(file, "its list of files is too long, or not in UTF-8");
        }
    }

    private static Problem unreadable(Path file, String why) {
        return new Problem(file + " is no archive that can be read (" + Text.safe(why, 120)
                + "): name a bundle, bundle-*.zip");
    }

    private static List<ZipEntry> files(ZipFile zip) {
        return zip.stream().<ZipEntry>map(entry -> entry).filter(entry -> !entry.isDirectory()).toList();
    }

    private static InputStream unpacked(ZipFile zip, ZipEntry entry, long[] left) throws IOException {
        return new Guarded(zip.getInputStream(entry), () -> false, left);
    }

    private static String shown(String name, Redactor redactor) {
        return Text.safe(redactor.text(name), 80);
    }

    /** The wanted files at or below a root, links followed, by name; what cannot be taken is noted. */
    static List<Path> files(Path root, Predicate<Path> wanted, int most, Consumer<String> note) {
        List<Path> files = new ArrayList<>();
        SimpleFileVisitor<Path> visitor = new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                boolean taken = wanted.test(file);
                if (taken && !attributes.isRegularFile()) {
                    note.accept(file + " left out: it is no regular file (a pipe or a device may never end)");
                } else if (taken && files.size() == most) {
                    note.accept("more than " + most + " files: the rest is left out");
                    return FileVisitResult.TERMINATE;
                } else if (taken) {
                    files.add(file);
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
                boolean loop = e instanceof FileSystemLoopException;
                note.accept(file + " left out: " + (loop ? "a link back to a folder above it" : Incident.why(e)));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException e) {
                return FileVisitResult.CONTINUE;
            }
        };
        try {
            Files.walkFileTree(root, EnumSet.of(FileVisitOption.FOLLOW_LINKS), DEEPEST, visitor);
        } catch (IOException e) {
            note.accept(root + " left out: " + Incident.why(e));
        }
        files.sort(null);
        return files;
    }

    // ---- verify

    /**
     * What reading an archive gave: how many files it has, and {@code bytes} unpacked.
     *
     * @param problems what is wrong with it or should not be in it, a line each
     * @param kept     rule to count, of personal data that its manifest says was kept: for the reader to judge
     */
    public record Verified(List<String> problems, Map<String, Long> kept, int files, long bytes) {
        /** How much it is. */
        public String words() {
            return Text.count(files, "file") + ", " + Archive.words(bytes) + " unpacked";
        }
    }

    /**
     * Reads an archive: names, manifest, sums, and whether any secret is in it, by the rules here and not by what it
     * says of itself.
     *
     * @throws Problem     when it is no archive
     * @throws IOException when it cannot be read
     */
    public static Verified verify(Path file, Policy policy, Limit most) throws IOException {
        try (Pipeline pipeline = new Pipeline(new Redactor(policy)); ZipFile zip = zip(file)) {
            return new Verifying(pipeline).read(zip, most.left());
        }
    }

    private static final class Verifying {
        private final Pipeline judge;
        private final List<String> problems = new ArrayList<>();
        private final Map<String, Long> kept = new TreeMap<>();
        private final Set<String> mayStay = new TreeSet<>();

        Verifying(Pipeline judge) {
            this.judge = judge;
        }

        Verified read(ZipFile zip, long[] left) throws IOException {
            long most = left[0];
            Map<String, String> listed = new HashMap<>();
            manifest(zip).path("files").forEach(entry ->
                    listed.put(entry.path("path").asText(), entry.path("sha256").asText()));
            Archive.Names names = new Archive.Names();
            List<ZipEntry> files = files(zip);
            for (ZipEntry entry : files) {
                String name = entry.getName();
                byte[] data = name.getBytes(StandardCharsets.UTF_8);
                wrong("the name ", name, names.objection(name));
                leaks("the name ", name, judge.judge(new Piece(data, data.length, 0, data.length)));
                String expected = listed.remove(name);
                wrong("", name, expected != null || name.equals(Summary.MANIFEST) ? "" : "is not in the manifest");
                String sum = lookedThrough(zip, entry, left);
                wrong("", name, expected == null || sum.isEmpty() || sum.equals(expected) ? ""
                        : "is not what the manifest says: its SHA-256 differs");
            }
            listed.keySet().forEach(name -> wrong("", name, "is in the manifest, but not in the archive"));
            return new Verified(problems, kept, files.size(), most - left[0]);
        }

        private void wrong(String before, String name, String objection) {
            if (!objection.isEmpty()) {
                problems.add(before + shown(name, judge.redactor) + " " + objection);
            }
        }

        private void leaks(String before, String name, Map<String, Long> found) {
            Map<String, Long> leaks = new TreeMap<>();
            found.forEach((rule, count) -> (mayStay.contains(rule) ? kept : leaks).merge(rule, count, Long::sum));
            wrong(before, name, leaks.isEmpty() ? "" : "holds " + counts(leaks));
        }

        private JsonNode manifest(ZipFile zip) {
            ZipEntry entry = zip.getEntry(Summary.MANIFEST);
            try (InputStream stream = entry == null ? InputStream.nullInputStream() : zip.getInputStream(entry)) {
                JsonNode manifest = Json.read(stream.readNBytes(LARGEST_MANIFEST));
                manifest.path("kept").forEach(rule -> keep(rule.asText()));
                if (manifest.path("schema").asInt() == Summary.SCHEMA) {
                    return manifest;
                }
            } catch (IOException | StackOverflowError e) {
                // It is as good as none.
            }
            problems.add("it has no " + Summary.MANIFEST + " of a known schema");
            return Json.object();
        }

        private void keep(String rule) {
            try {
                Policy.strict().keeping(Set.of(rule));
                mayStay.add(rule);
            } catch (Problem e) {
                problems.add("its manifest says that " + Text.safe(rule, 40)
                        + " was kept, which is no personal data that may be kept");
            }
        }

        /** Looks for secrets in a file; gives its SHA-256, or nothing when it cannot be read. */
        private String lookedThrough(ZipFile zip, ZipEntry entry, long[] left) throws IOException {
            MessageDigest digest = Archive.sha256();
            Tally tally = new Tally();
            String trouble;
            try (InputStream stream = unpacked(zip, entry, left)) {
                trouble = judge.each(new DigestInputStream(stream, digest), Long.MAX_VALUE, judge::judge, tally::add);
            } catch (ZipException e) {
                trouble = Text.safe(e.getMessage(), 80);
            }
            leaks("", entry.getName(), tally.counts());
            wrong("", entry.getName(), trouble == null ? "" : "cannot be read: " + trouble);
            return trouble == null ? HexFormat.of().formatHex(digest.digest()) : "";
        }
    }

    /** {@code 2 email, 1 phone}. */
    public static String counts(Map<String, Long> rules) {
        return rules.entrySet().stream().map(rule -> rule.getValue() + " " + rule.getKey())
                .collect(Collectors.joining(", "));
    }

    // ---- open

    /**
     * Unpacks into a new folder: no path leaves it, nothing is overwritten, and no bomb fills the disk.
     *
     * @throws Problem     when the folder is there already, or the archive is not to be trusted; nothing is left then
     * @throws IOException when it cannot be unpacked
     */
    public static void open(Path archive, Path folder, Limit most) throws IOException {
        if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem(folder + " is there already: name another with --to");
        }
        long[] left = most.left();
        try (ZipFile zip = zip(archive); Archive beside = new Archive(folder, 0)) {
            Path inside = beside.folder.resolve("unpacked");
            Incident.at(inside).create();
            Archive.Names names = new Archive.Names();
            for (ZipEntry entry : files(zip)) {
                String objection = names.objection(entry.getName());
                if (!objection.isEmpty()) {
                    throw new Problem(archive + " is not unpacked: the name " + shown(entry.getName(),
                            Redactor.strict()) + " " + objection);
                }
                try (InputStream input = unpacked(zip, entry, left);
                        OutputStream output = Archive.output(inside.resolve(entry.getName()))) {
                    input.transferTo(output);
                }
            }
            Files.move(inside, folder);
        } catch (ZipException e) {
            throw new Problem(archive + " is damaged: " + Text.safe(e.getMessage(), 80));
        }
    }

    // ---- redact

    /** What came of cleaning: files written, what could not be cleaned and is not in the copy, and rule to count. */
    public record Cleaned(int files, List<String> leftOut, Map<String, Long> redacted) { }

    /**
     * Copies a file to a file, a folder or a zip to a folder, or any of them into an archive with a manifest when the
     * target ends in {@code .zip}. Every file is looked through before it gets its name.
     *
     * @throws Pipeline.Unsafe when something secret would be left, and nothing is written
     * @throws Problem         when the target is there already, or nothing could be cleaned
     * @throws IOException     when something cannot be read or written
     */
    public static Cleaned redact(Path source, Path target, Policy policy, Limit most) throws IOException {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        Redactor redactor = new Redactor(policy);
        Bundle.Window ever = new Bundle.Window(Instant.EPOCH, Instant.now());
        try (Archive archive = new Archive(target, Long.MAX_VALUE); Pipeline pipeline = new Pipeline(redactor)) {
            Sink sink = new Collecting(pipeline, archive, null, Wanted.EVERYTHING,
                    new Collecting.Told(ZoneOffset.UTC, ever), most.left()).new Sink(Collector.of("", "", null));
            give(source, sink);
            if (sink.parts().isEmpty()) {
                String why = sink.remarks().isEmpty() ? "" : ": " + sink.remarks().get(0);
                throw new Problem("nothing to clean in " + source + why);
            }
            Path copy = archive.folder.resolve("copy");
            boolean folder = Files.isDirectory(source) || isZip(source);
            if (isZip(target)) {
                Summary.Head head = new Summary.Head(null, Instant.now(), null, "", policy.kept());
                Archive.write(copy, Summary.withManifest(pipeline, archive, head, List.of(sink), sink.parts()),
                        head.created());
            } else {
                for (Part part : sink.parts()) {
                    part.finish();
                    try (OutputStream output = Archive.output(folder ? copy.resolve(part.path) : copy)) {
                        part.unpack(output);
                    }
                }
            }
            Files.move(copy, target, StandardCopyOption.ATOMIC_MOVE);
            List<String> leftOut = new ArrayList<>(sink.remarks());
            sink.parts().forEach(part -> part.notes.forEach(note -> leftOut.add(part.path + ": " + note)));
            return new Cleaned(sink.parts().size(), leftOut, Summary.redacted(sink.parts()));
        }
    }

    private static boolean isZip(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    // Every file that there is, those inside of an archive too.
    private static void give(Path source, Sink sink) throws IOException {
        for (Path file : files(source, any -> true, MOST_FILES, sink::remark)) {
            String name = file.equals(source) ? String.valueOf(source.getFileName())
                    : source.relativize(file).toString();
            if (isZip(file)) {
                try (ZipFile zip = zip(file)) {
                    for (ZipEntry entry : files(zip)) {
                        give(zip.getInputStream(entry), name.replaceFirst("....$", "/") + entry.getName(), sink);
                    }
                }
            } else if (Files.isReadable(file)) {
                give(Files.newInputStream(file), name, sink);
            } else {
                sink.remark(name + " left out: no permission");
            }
        }
    }

    private static void give(InputStream raw, String name, Sink sink) throws IOException {
        if (sink.parts().size() >= MOST_FILES) {
            throw new Problem("more than " + MOST_FILES + " files are not cleaned at once: name a folder in it");
        }
        try (raw) {
            sink.stream(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), raw, Long.MAX_VALUE);
        } catch (ZipException e) {
            sink.remark(name + " left out: " + Text.safe(e.getMessage(), 120));
        }
    }
}
