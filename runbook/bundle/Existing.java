package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import runbook.Incident;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.bundle.Archive.Item;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Archive.Part;
import runbook.bundle.Archive.Staging;
import runbook.bundle.Collecting.Outcome;
import runbook.redact.Pieces;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;
import runbook.redact.Scan;

/**
 * What can be done with evidence that is there already, and may come from anybody: verify a bundle, open it, clean what
 * is unclean.
 */
public final class Existing {
    private static final int MOST_FILES = 20_000;
    private static final long LARGEST_DIRECTORY = 8 << 20;
    private static final int LARGEST_MANIFEST = 16 << 20;

    private Existing() { }

    /**
     * Opens an archive that may be hostile: no pipe is waited for, and its list of files is of a size that fits into
     * memory.
     *
     * @throws Problem in one line, when it is none
     */
    private static ZipFile zip(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                throw new IOException(Files.exists(file, LinkOption.NOFOLLOW_LINKS) ? "it is no regular file"
                        : "there is no such file");
            }
            long directory = directory(file);
            if (directory > LARGEST_DIRECTORY) {
                throw new Problem(file + " has a list of files of " + Archive.words(directory)
                        + ": that is no bundle, and not read");
            }
            ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8);
            if (zip.size() > MOST_FILES) {
                int size = zip.size();
                zip.close();
                throw new Problem(file + " has " + size + " files: more than " + MOST_FILES + " are not read");
            }
            return zip;
        } catch (IOException | IllegalArgumentException e) {
            String why = e instanceof IOException io ? Incident.why(io) : "its names are not UTF-8";
            throw new Problem(file + " is no archive that can be read (" + Text.safe(why, 120)
                    + "): name a bundle, bundle-*.zip");
        }
    }

    // The size of the list that a zip ends in, from the record behind it; 0 where there is none.
    private static long directory(Path file) throws IOException {
        try (RandomAccessFile zip = new RandomAccessFile(file.toFile(), "r")) {
            byte[] end = new byte[(int) Math.min(zip.length(), 22 + 0xffff)];
            zip.seek(zip.length() - end.length);
            zip.readFully(end);
            ByteBuffer record = ByteBuffer.wrap(end).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = end.length - 22; i >= 0; i--) {
                if (record.getInt(i) == 0x06054b50) {
                    return record.getInt(i + 12) & 0xffff_ffffL;
                }
            }
            return 0;
        }
    }

    /** Reads a size such as {@code 200MB}; the problem names the option. */
    public static long size(String option, String text) {
        return Archive.size(option, text);
    }

    private static String shown(String name, Redactor redactor) {
        return Text.safe(redactor.text(name), 80);
    }

    // ---- verify

    /**
     * What reading an archive gave.
     *
     * @param problems what is wrong with it, a line each
     * @param leaks    file to rule to count, of what should not be in it
     * @param kept     rule to count, of personal data that its manifest says was kept
     * @param files    how many files it has
     * @param bytes    how large they are unpacked
     */
    public record Verified(List<String> problems, Map<String, Map<String, Long>> leaks, Map<String, Long> kept,
            int files, long bytes) {
        /** Whether nothing is wrong with it; what was kept is for the reader to judge. */
        public boolean good() {
            return problems.isEmpty() && leaks.isEmpty();
        }

        /** How much it is. */
        public String words() {
            return Text.count(files, "file") + ", " + Archive.words(bytes) + " unpacked";
        }
    }

    /**
     * Reads an archive: names, manifest, sums, and whether any secret is in it, by the rules here and not by what it
     * says of itself.
     *
     * @param most bytes to unpack at most
     * @throws Problem     when it is no archive
     * @throws IOException when it cannot be read
     */
    public static Verified verify(Path file, Policy policy, long most) throws IOException {
        return new Verifying(new Redactor(policy), most).read(file);
    }

    /** Reads an archive of our own back: whether it holds, byte for byte, what was looked through while it was made. */
    static Verified readBack(Path file) throws IOException {
        return new Verifying(null, Long.MAX_VALUE).read(file);
    }

    private static final class Verifying {
        private final Redactor redactor;
        private final Scan.Search search;
        private final List<String> problems = new ArrayList<>();
        private final Map<String, Map<String, Long>> leaks = new TreeMap<>();
        private final Map<String, Long> kept = new TreeMap<>();
        private final Set<String> mayStay = new TreeSet<>();
        private final long[] left;
        private final long most;

        /** @param redactor to look for secrets with, or null to compare sums alone */
        Verifying(Redactor redactor, long most) {
            this.redactor = redactor;
            this.search = redactor == null ? null : new Scan.Search(redactor.policy());
            this.most = most;
            this.left = new long[] {most};
        }

        Verified read(Path file) throws IOException {
            ExecutorService pool = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors(), task -> {
                Thread thread = new Thread(task, "verify");
                thread.setDaemon(true);
                return thread;
            });
            try (ZipFile zip = zip(file)) {
                Map<String, JsonNode> listed = new HashMap<>();
                JsonNode manifest = manifest(zip);
                manifest.path("files").forEach(entry -> listed.put(entry.path("path").asText(), entry));
                Archive.Names names = new Archive.Names();
                int files = 0;
                for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
                    files++;
                    name(entry.getName(), names);
                    String sum = content(zip, entry, pool);
                    JsonNode expected = listed.remove(entry.getName());
                    if (expected == null && !entry.getName().equals(Archive.MANIFEST)) {
                        problems.add(shown(entry.getName()) + " is not in the manifest");
                    } else if (expected != null && sum != null && !expected.path("sha256").asText().equals(sum)) {
                        problems.add(shown(entry.getName()) + " is not what the manifest says: its SHA-256 differs");
                    }
                }
                listed.keySet().forEach(name -> problems.add(shown(name)
                        + " is in the manifest, but not in the archive"));
                return new Verified(problems, leaks, kept, files, most - left[0]);
            } finally {
                pool.shutdownNow();
            }
        }

        private String shown(String name) {
            return redactor == null ? name : Existing.shown(name, redactor);
        }

        private JsonNode manifest(ZipFile zip) throws IOException {
            ZipEntry entry = zip.getEntry(Archive.MANIFEST);
            if (entry == null) {
                problems.add("it has no " + Archive.MANIFEST);
                return Json.object();
            }
            try (InputStream stream = zip.getInputStream(entry)) {
                JsonNode manifest = Json.read(stream.readNBytes(LARGEST_MANIFEST));
                if (manifest.path("schema").asInt() != Archive.SCHEMA) {
                    problems.add("its manifest is of an unknown schema");
                }
                manifest.path("kept").forEach(rule -> keep(rule.asText()));
                return manifest;
            } catch (ZipException | com.fasterxml.jackson.core.JsonProcessingException | StackOverflowError e) {
                problems.add("its manifest is no JSON");
                return Json.object();
            }
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

        private void name(String name, Archive.Names names) {
            String objection = Archive.objection(name);
            String doubled = names.free(name);
            if (!objection.isEmpty() || !doubled.isEmpty()) {
                problems.add("the name " + shown(name) + " " + (objection.isEmpty() ? doubled : objection));
            }
            if (redactor != null) {
                Tally tally = new Tally();
                byte[] data = name.getBytes(StandardCharsets.UTF_8);
                new Scan(redactor, tally).remaining(data, data.length);
                leak("(file names)", tally);
            }
        }

        private void leak(String file, Tally tally) {
            tally.counts().forEach((rule, count) -> (mayStay.contains(rule) ? kept : leaks.computeIfAbsent(file, any ->
                    new TreeMap<>())).merge(rule, count, Long::sum));
        }

        /** Looks through an entry; its SHA-256, or null when it cannot be read. */
        private String content(ZipFile zip, ZipEntry entry, ExecutorService pool) throws IOException {
            Tally tally = new Tally();
            MessageDigest digest = Part.sha256();
            try (InputStream stream = new Bounded(zip.getInputStream(entry), left, digest)) {
                String trouble = redactor == null ? drain(stream) : lookThrough(stream, tally, pool);
                if (trouble != null) {
                    problems.add(shown(entry.getName()) + " cannot be read: " + trouble);
                    return null;
                }
            } catch (ZipException e) {
                problems.add(shown(entry.getName()) + " cannot be read: " + Text.safe(e.getMessage(), 80));
                return null;
            }
            leak(shown(entry.getName()), tally);
            return HexFormat.of().formatHex(digest.digest());
        }

        private static String drain(InputStream stream) throws IOException {
            byte[] buffer = new byte[1 << 16];
            int read = 0;
            while (read >= 0) {
                read = stream.read(buffer);
            }
            return null;
        }

        private String lookThrough(InputStream stream, Tally tally, ExecutorService pool) throws IOException {
            Deque<Future<Integer>> underway = new ArrayDeque<>();
            Tally again = new Tally();
            Pieces pieces = new Pieces(stream, Long.MAX_VALUE);
            try {
                for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                    Piece next = piece;
                    underway.add(pool.submit(() -> {
                        search.count(next, again);
                        return new Scan(redactor, tally).remaining(next);
                    }));
                    if (underway.size() > 4) {
                        underway.poll().get();
                    }
                }
                while (!underway.isEmpty()) {
                    underway.poll().get();
                }
                again.counts().forEach((id, count) -> tally.add(id, tally.counts().containsKey(id) ? 0 : count));
                return pieces.trouble();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while reading");
            } catch (ExecutionException e) {
                return "it could not be looked through (" + e.getCause().getClass().getSimpleName() + ")";
            }
        }
    }

    /** Sums what is read, and ends at the most that is allowed: sizes that an archive states are only claims. */
    private static final class Bounded extends FilterInputStream {
        private final long[] left;
        private final MessageDigest digest;

        /** @param left bytes that may still be read, of all streams that share it */
        Bounded(InputStream stream, long[] left, MessageDigest digest) {
            super(stream);
            this.left = left;
            this.digest = digest;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = in.read(target, offset, length);
            if (read > 0) {
                left[0] -= read;
                digest.update(target, offset, read);
                if (left[0] < 0) {
                    throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
                }
            }
            return read;
        }
    }

    // ---- open

    /**
     * Unpacks into a new folder: no path leaves it, nothing is overwritten, and no bomb fills the disk.
     *
     * @param most bytes to unpack at most
     * @throws Problem     when the folder is there already, or the archive is not to be trusted; nothing is left then
     * @throws IOException when it cannot be unpacked
     */
    public static void open(Path archive, Path folder, long most) throws IOException {
        if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem(folder + " is there already: name another with --to");
        }
        try (ZipFile zip = zip(archive); Staging staging = new Staging(folder)) {
            Path inside = Archive.newFolder(staging.folder().resolve("unpacked"));
            Archive.Names names = new Archive.Names();
            long[] left = {most};
            for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
                String name = entry.getName().replaceFirst("/$", "");
                String objection = Archive.objection(name);
                objection = objection.isEmpty() && !entry.isDirectory() ? names.free(name) : objection;
                if (!objection.isEmpty()) {
                    throw new Problem(archive + " is not unpacked: the name " + shown(name, Redactor.strict()) + " "
                            + objection);
                }
                if (!entry.isDirectory()) {
                    Path file = inside.resolve(name);
                    Archive.newFolder(file.getParent());
                    try (InputStream input = new Bounded(zip.getInputStream(entry), left, Part.sha256())) {
                        Archive.save(input, file);
                    }
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
     * @param most bytes to read at most
     * @throws Pipeline.Unsafe when something secret would be left, and nothing is written
     * @throws Problem         when the target is there already, or nothing could be cleaned
     * @throws IOException     when something cannot be read or written
     */
    public static Cleaned redact(Path source, Path target, Policy policy, long most) throws IOException {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        Redactor redactor = new Redactor(policy);
        Bundle.Window ever = new Bundle.Window(Instant.EPOCH, Instant.now());
        Pipeline.Wanted wanted = new Pipeline.Wanted("", 0, ever, ZoneOffset.UTC);
        try (Staging staging = new Staging(target); Pipeline pipeline = new Pipeline(redactor)) {
            Collecting.Workshop shop = new Collecting.Workshop(staging.folder(), Long.MAX_VALUE, pipeline, redactor,
                    new Archive.Names(), null, new LogSources.Told(wanted));
            Collecting.Sink sink = new Collecting.Sink("", shop);
            new Cleaning(sink, new long[] {most}).read(source);
            Outcome outcome = sink.outcome(null, 0);
            if (outcome.items().isEmpty()) {
                throw new Problem("nothing to clean in " + source + (outcome.remarks().isEmpty() ? "" : ": "
                        + outcome.remarks().get(0)));
            }
            List<String> leftOut = new ArrayList<>(outcome.remarks());
            outcome.items().forEach(item -> item.notes().forEach(note -> leftOut.add(item.path() + ": " + note)));
            boolean folder = Files.isDirectory(source) || isZip(source);
            Files.move(written(staging.folder(), outcome, redactor, isZip(target), folder), target,
                    StandardCopyOption.ATOMIC_MOVE);
            return new Cleaned(outcome.items().size(), leftOut, Archive.redacted(outcome.items()));
        }
    }

    private static boolean isZip(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    private static Path written(Path staging, Outcome outcome, Redactor redactor, boolean zip,
            boolean folder) throws IOException {
        Path half = staging.resolve("copy");
        List<Item> items = outcome.items().stream().sorted(Comparator.comparing(Item::path)).toList();
        if (zip) {
            Archive.Head head = new Archive.Head(null, Instant.now(), null, "", redactor.policy().kept());
            Part part = new Part(staging, "manifest", Long.MAX_VALUE);
            try (Pipeline again = new Pipeline(redactor.again())) {
                again.carry(Archive.manifest(head, List.of(outcome), items), new Tally(), part);
            }
            part.finish();
            Item manifest = new Item(Archive.MANIFEST, "redact", Origin.none(0), part, new Tally(), List.of());
            Archive.write(Archive.newFile(half), Stream.concat(Stream.of(manifest), items.stream()).toList(),
                    Instant.now());
            Verified back = readBack(half);
            if (!back.good()) {
                throw new Pipeline.Unsafe(String.join("; ", back.problems()));
            }
            return half;
        }
        for (Item item : items) {
            Path file = folder ? half.resolve(item.path()) : half;
            Archive.newFolder(file.getParent());
            try (InputStream text = item.part().text()) {
                Archive.save(text, file);
            }
        }
        return half;
    }

    /** Finds what there is to clean, and gives it to the sink; {@code left} is how much may still be read. */
    private record Cleaning(Collecting.Sink sink, long[] left) {
        void read(Path source) throws IOException {
            if (Files.isDirectory(source)) {
                List<Path> files;
                try (Stream<Path> walk = Files.walk(source)) {
                    files = walk.filter(file -> !Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)).sorted().toList();
                } catch (UncheckedIOException e) {
                    throw e.getCause();
                }
                for (Path file : files) {
                    readFile(file, source.relativize(file).toString());
                }
            } else if (Files.isRegularFile(source)) {
                readFile(source, source.getFileName().toString());
            } else {
                throw new Problem(source + (Files.exists(source) ? " is no regular file" : ": no such file or folder"));
            }
        }

        private void readFile(Path file, String name) throws IOException {
            if (!Files.isRegularFile(file)) {
                sink.remark(name + " left out: it is no regular file (a pipe or a device may never end)");
            } else if (isZip(file)) {
                try (ZipFile zip = zip(file)) {
                    for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
                        if (!entry.isDirectory()) {
                            add(zip.getInputStream(entry), name.substring(0, name.length() - 4) + "/"
                                    + entry.getName());
                        }
                    }
                }
            } else {
                try {
                    add(Files.newInputStream(file), name);
                } catch (AccessDeniedException e) {
                    sink.remark(name + " left out: " + Incident.why(e));
                }
            }
        }

        private void add(InputStream raw, String name) throws IOException {
            if (sink.files() >= MOST_FILES) {
                throw new Problem("more than " + MOST_FILES + " files are not cleaned at once: name a folder in it");
            }
            try (InputStream text = new Bounded(PlainInput.of(raw), left, Part.sha256())) {
                sink.stream(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), text, Long.MAX_VALUE,
                        Pipeline.Wanted.EVERYTHING, () -> Origin.none(0));
            } catch (PlainInput.NotText | ZipException e) {
                sink.remark(name + " left out: " + Text.safe(e.getMessage(), 120));
            }
        }
    }
}
