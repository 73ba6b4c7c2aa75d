package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.security.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import java.util.zip.*;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.bundle.Archive.Part;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Guarded;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.*;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;

/**
 * An archive from anybody, read within limits: to verify it, to open it, or to clean what is in it. It may be hostile:
 * no pipe is waited for, and its list of files fits into memory.
 */
public final class Existing implements Closeable {
    private static final int MOST_FILES = 20_000;
    private static final int DEEPEST = 16;
    private static final int LARGEST_MANIFEST = 16 << 20;

    private final Path file;
    private final Redactor redactor;
    private final long[] left;
    private final ZipFile zip;
    private final List<String> problems = new ArrayList<>();
    private final Map<String, Long> kept = new TreeMap<>();
    private final Set<String> mayStay = new TreeSet<>();

    /** How much of it may be unpacked. */
    public static final class Limit {
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB", order = 80,
                description = "to unpack at most (${DEFAULT-VALUE})")
        String size;

        private long[] left() {
            return new long[] {Archive.size("--max-size", size)};
        }
    }

    /**
     * Opens an archive.
     *
     * @throws Problem when it is none
     */
    public Existing(Path file, Policy policy, Limit most) {
        this(file, new Redactor(policy), most.left());
    }

    private Existing(Path file, Redactor redactor, long[] left) {
        this.file = file;
        this.redactor = redactor;
        this.left = left;
        try {
            if (!Files.isRegularFile(file)) {
                boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
                throw new IOException(there ? "it is no regular file" : "there is no such file");
            }
            zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8);
            if (zip.size() > MOST_FILES) {
                zip.close();
                throw new IOException("it has more than " + MOST_FILES + " files");
            }
        } catch (IOException e) {
            throw unreadable(Incident.why(e));
        } catch (IllegalArgumentException | OutOfMemoryError e) {
            // The list is one array: that there is no room for it harms nobody else.
            throw unreadable("its list of files is too long, or not in UTF-8");
        }
    }

    private Problem unreadable(String why) {
        return new Problem(file + " is no archive that can be read (" + Text.safe(why, 120)
                + "): name a bundle, bundle-*.zip");
    }

    @Override
    public void close() throws IOException {
        zip.close();
    }

    private interface Use {
        void take(String name, InputStream unpacked) throws IOException;
    }

    /** Hands over each of its files; of what is damaged the name and why. */
    private void each(Use use, BiConsumer<String, String> damaged) throws IOException {
        for (ZipEntry entry : zip.stream().filter(one -> !one.isDirectory()).toList()) {
            try (InputStream unpacked = new Guarded(zip.getInputStream(entry), () -> false, left)) {
                use.take(entry.getName(), unpacked);
            } catch (ZipException e) {
                damaged.accept(entry.getName(), Text.safe(e.getMessage(), 80));
            }
        }
    }

    private String shown(String name) {
        return Text.safe(redactor.text(name), 80);
    }

    // ---- verify

    /**
     * What reading an archive gave: what is wrong with it or should not be in it, a line each; rule to count of
     * personal data that its manifest says was kept, for the reader to judge; how many files, and bytes unpacked.
     */
    public record Verified(List<String> problems, Map<String, Long> kept, int files, long bytes) {
        /** How much it is. */
        public String words() {
            return Text.count(files, "file") + ", " + Archive.words(bytes) + " unpacked";
        }
    }

    /**
     * Looks at names, manifest and sums, and whether any secret is in it, by the rules here and not by what it says of
     * itself.
     *
     * @throws IOException when it cannot be read
     */
    public Verified verify() throws IOException {
        long most = left[0];
        Map<String, String> sums = listed();
        Set<String> seen = new TreeSet<>();
        Archive.Names names = new Archive.Names();
        try (Pipeline judge = new Pipeline(redactor)) {
            each((name, unpacked) -> {
                byte[] data = name.getBytes(StandardCharsets.UTF_8);
                wrong("the name ", name, names.objection(name));
                leaks("the name ", name, judge.judge(new Piece(data, data.length, 0, data.length)));
                String listed = seen.add(name) ? sums.remove(name) : null;
                String sum = lookedThrough(name, unpacked, judge);
                if (listed != null) {
                    wrong("", name, listed.equals(sum) ? "" : "is not what the manifest says: its SHA-256 differs");
                } else if (!name.equals(Summary.MANIFEST)) {
                    wrong("", name, "is not in the manifest");
                }
            }, (name, why) -> wrong("", name, "cannot be read: " + why));
        }
        sums.keySet().removeAll(seen);
        sums.keySet().forEach(name -> wrong("", name, "is in the manifest, but not in the archive"));
        return new Verified(problems, kept, seen.size(), most - left[0]);
    }

    /** File to SHA-256, by the manifest. */
    private Map<String, String> listed() {
        Map<String, String> listed = new HashMap<>();
        ZipEntry entry = zip.getEntry(Summary.MANIFEST);
        try (InputStream stream = entry == null ? InputStream.nullInputStream() : zip.getInputStream(entry)) {
            JsonNode manifest = Json.read(stream.readNBytes(LARGEST_MANIFEST));
            manifest.path("kept").forEach(rule -> keep(rule.asText()));
            manifest.path("files").forEach(file -> listed.put(file.path("path").asText(),
                    file.path("sha256").asText()));
            if (manifest.path("schema").asInt() == Summary.SCHEMA) {
                return listed;
            }
        } catch (IOException | StackOverflowError e) {
            // It is as good as none.
        }
        problems.add("it has no " + Summary.MANIFEST + " of a known schema");
        return new HashMap<>();
    }

    private void keep(String rule) {
        if (Rules.builtIn().personal().contains(rule)) {
            mayStay.add(rule);
        } else {
            problems.add("its manifest says that " + Text.safe(rule, 40)
                    + " was kept, which is no personal data that may be kept");
        }
    }

    private String lookedThrough(String name, InputStream unpacked, Pipeline judge) throws IOException {
        DigestInputStream summed = new DigestInputStream(unpacked, Archive.sha256());
        Tally tally = new Tally();
        String trouble = judge.each(summed, Long.MAX_VALUE, judge::judge, tally::add);
        leaks("", name, tally.counts());
        wrong("", name, trouble == null ? "" : "cannot be read: " + trouble);
        return HexFormat.of().formatHex(summed.getMessageDigest().digest());
    }

    private void leaks(String before, String name, Map<String, Long> found) {
        Map<String, Long> leaks = new TreeMap<>();
        found.forEach((rule, count) -> (mayStay.contains(rule) ? kept : leaks).merge(rule, count, Long::sum));
        wrong(before, name, leaks.isEmpty() ? "" : "holds " + counts(leaks));
    }

    private void wrong(String before, String name, String objection) {
        if (!objection.isEmpty()) {
            problems.add(before + shown(name) + " " + objection);
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
    public void open(Path folder) throws IOException {
        refuse(folder, "--to");
        try (Archive beside = new Archive(folder, 0)) {
            Path inside = beside.folder.resolve("unpacked");
            Incident.at(inside).create();
            Archive.Names names = new Archive.Names();
            each((name, unpacked) -> {
                String objection = names.objection(name);
                if (!objection.isEmpty()) {
                    throw new Problem(file + " is not unpacked: the name " + shown(name) + " " + objection);
                }
                try (OutputStream output = Archive.output(inside.resolve(name))) {
                    unpacked.transferTo(output);
                }
            }, (name, why) -> {
                throw new Problem(file + " is damaged: " + why);
            });
            beside.name(inside, folder);
        }
    }

    private static void refuse(Path target, String option) {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem(option + " " + target + " is there already: name another");
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
        refuse(target, "--out");
        Redactor redactor = new Redactor(policy);
        Collecting.Told none = new Collecting.Told(ZoneOffset.UTC, new Bundle.Window(Instant.EPOCH, Instant.now()));
        try (Archive archive = new Archive(target, Long.MAX_VALUE); Pipeline pipeline = new Pipeline(redactor)) {
            Sink sink = new Collecting(pipeline, archive, null, Wanted.EVERYTHING, none, most.left(),
                    new Archive.Names()).new Sink(Collector.of("", "", null), any -> { });
            for (Path file : files(source, any -> true, sink::remark)) {
                give(source, file, redactor, sink);
            }
            List<String> leftOut = sink.missing().stream().map(line -> line.replaceFirst("^: ", "")).toList();
            if (sink.parts.isEmpty()) {
                throw new Problem("nothing to clean in " + source + leftOut.stream().map(": "::concat).findFirst()
                        .orElse(""));
            }
            Path copy = archive.folder.resolve("copy");
            if (isZip(target)) {
                Summary.Head head = new Summary.Head(null, Instant.now(), null, "", true, policy.kept());
                Archive.write(copy, Summary.withManifest(pipeline, archive, head, List.of(sink), sink.parts),
                        head.created());
            } else {
                boolean several = Files.isDirectory(source) || isZip(source);
                for (Part part : sink.parts) {
                    try (OutputStream output = Archive.output(several ? copy.resolve(part.path) : copy)) {
                        part.unpack(output);
                    }
                }
            }
            archive.name(copy, target);
            return new Cleaned(sink.parts.size(), leftOut, Summary.redacted(sink.parts));
        }
    }

    private static boolean isZip(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    // A file, or those inside of an archive.
    private static void give(Path source, Path file, Redactor redactor, Sink sink) throws IOException {
        String path = (file.equals(source) ? source.getFileName() : source.relativize(file)).toString();
        if (!isZip(file)) {
            try (InputStream raw = Files.newInputStream(file)) {
                give(path, raw, sink);
            } catch (AccessDeniedException e) {
                sink.remark(path + " left out: no permission");
            }
            return;
        }
        try (Existing inside = new Existing(file, redactor, new long[] {Long.MAX_VALUE})) {
            inside.each((name, unpacked) -> give(path.replaceFirst("....$", "/") + name, unpacked, sink),
                    (name, why) -> sink.remark(path + ", " + name + " left out: " + why));
        }
    }

    private static void give(String name, InputStream raw, Sink sink) throws IOException {
        if (sink.parts.size() >= MOST_FILES) {
            throw new Problem("more than " + MOST_FILES + " files are not cleaned at once: name a folder in it");
        }
        try {
            sink.stream(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), raw, Long.MAX_VALUE);
        } catch (ZipException e) {
            sink.remark(name + " left out: " + Text.safe(e.getMessage(), 120));
        }
    }

    /**
     * The wanted files at or below a path, links followed, by name; what cannot be taken is noted. Of more than {@value
     * #MOST_FILES} none is.
     */
    static List<Path> files(Path root, Predicate<Path> wanted, Consumer<String> note) {
        List<Path> files = new ArrayList<>();
        walk(root, Set.of(), path -> {
            if (!wanted.test(path)) {
                return;
            } else if (!Files.isRegularFile(path)) {
                note.accept(path + " left out: it is no regular file (a pipe or a device may never end)");
            } else if (files.size() == MOST_FILES) {
                throw new Problem("more than " + MOST_FILES + " files at " + root + ": name a folder in it");
            } else {
                files.add(path);
            }
        }, note);
        return files;
    }

    private static void walk(Path path, Set<Path> above, Consumer<Path> found, Consumer<String> note) {
        try {
            Path real = path.toRealPath();
            if (!Files.isDirectory(real)) {
                found.accept(path);
            } else if (above.contains(real) || above.size() == DEEPEST) {
                note.accept(path + " left out: a link back to a folder above it, or too deep");
            } else {
                Set<Path> deeper = new HashSet<>(above);
                deeper.add(real);
                try (Stream<Path> children = Files.list(path)) {
                    children.sorted().forEach(child -> walk(child, deeper, found, note));
                }
            }
        } catch (IOException e) {
            note.accept("left out: " + Incident.why(e));
        }
    }
}
