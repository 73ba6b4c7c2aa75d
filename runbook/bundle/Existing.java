package runbook.bundle;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
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
import java.security.DigestInputStream;
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
import picocli.CommandLine.Option;
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

/** What can be done with evidence that is there already, from anybody: verify a bundle, open one, clean evidence. */
public final class Existing {
    private static final int MOST_FILES = 20_000;
    private static final long LARGEST_DIRECTORY = 8 << 20;
    private static final int LARGEST_MANIFEST = 16 << 20;

    private Existing() { }

    /** Opens an archive that may be hostile: no pipe is waited for, and its list of files fits into memory. */
    private static ZipFile zip(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
                throw new IOException(there ? "it is no regular file" : "there is no such file");
            }
            long directory = directory(file);
            if (directory > LARGEST_DIRECTORY) {
                throw new Problem(file + " has a list of files of " + Archive.words(directory)
                        + ": that is no bundle, and not read");
            }
            ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8);
            int size = zip.size();
            if (size > MOST_FILES) {
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

    private static List<ZipEntry> entries(ZipFile zip) {
        return zip.stream().<ZipEntry>map(entry -> entry).toList();
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

    /** How much of it may be unpacked. */
    public static final class Limit {
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB", order = 80,
                description = "to unpack at most (${DEFAULT-VALUE})")
        String size;

        private long bytes() {
            return Archive.size("--max-size", size);
        }
    }

    private static String shown(String name, Redactor redactor) {
        return Text.safe(redactor.text(name), 80);
    }

    // ---- verify

    /**
     * What reading an archive gave: how many files it has, and {@code bytes} unpacked.
     *
     * @param problems what is wrong with it, a line each
     * @param leaks    file to rule to count, of what should not be in it
     * @param kept     rule to count, of personal data that its manifest says was kept
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
     * @throws Problem     when it is no archive
     * @throws IOException when it cannot be read
     */
    public static Verified verify(Path file, Policy policy, Limit most) throws IOException {
        return new Verifying(new Redactor(policy), most.bytes()).read(file);
    }

    /**
     * Writes an archive and reads it back: whether it holds, byte for byte, what was looked through while it was made.
     *
     * @throws Pipeline.Unsafe when it does not
     */
    static Verified write(Path file, List<Item> items, Instant at) throws IOException {
        Archive.write(Archive.newFile(file), items, at);
        Verified back = new Verifying(null, Long.MAX_VALUE).read(file);
        if (!back.good()) {
            throw new Pipeline.Unsafe(String.join("; ", back.problems()));
        }
        return back;
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
            int cores = Runtime.getRuntime().availableProcessors();
            ExecutorService pool = Executors.newFixedThreadPool(cores, Pipeline.daemons("verify"));
            try (ZipFile zip = zip(file)) {
                Map<String, JsonNode> listed = new HashMap<>();
                JsonNode manifest = manifest(zip);
                manifest.path("files").forEach(entry -> listed.put(entry.path("path").asText(), entry));
                Archive.Names names = new Archive.Names();
                int files = 0;
                for (ZipEntry entry : entries(zip)) {
                    files++;
                    name(entry.getName(), names);
                    String sum = sum(zip, entry, pool);
                    JsonNode expected = listed.remove(entry.getName());
                    if (expected == null && !entry.getName().equals(Archive.MANIFEST)) {
                        problems.add(shown(entry.getName()) + " is not in the manifest");
                    } else if (expected != null && sum != null && !expected.path("sha256").asText().equals(sum)) {
                        problems.add(shown(entry.getName()) + " is not what the manifest says: its SHA-256 differs");
                    }
                }
                listed.keySet().forEach(name ->
                        problems.add(shown(name) + " is in the manifest, but not in the archive"));
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
            } catch (ZipException | JsonProcessingException | StackOverflowError e) {
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
            String taken = names.free(name);
            String objection = Archive.objection(name).isEmpty() ? taken : Archive.objection(name);
            if (!objection.isEmpty()) {
                problems.add("the name " + shown(name) + " " + objection);
            }
            if (redactor != null) {
                Tally tally = new Tally();
                byte[] data = name.getBytes(StandardCharsets.UTF_8);
                new Scan(redactor, tally).remaining(data, data.length);
                leak("(file names)", tally);
            }
        }

        private void leak(String file, Tally tally) {
            tally.counts().forEach((rule, count) -> (mayStay.contains(rule) ? kept
                    : leaks.computeIfAbsent(file, any -> new TreeMap<>())).merge(rule, count, Long::sum));
        }

        /** Looks through an entry; its SHA-256, or null when it cannot be read. */
        private String sum(ZipFile zip, ZipEntry entry, ExecutorService pool) throws IOException {
            Tally tally = new Tally();
            MessageDigest digest = Part.sha256();
            String trouble = null;
            try (InputStream stream = new Bounded(new DigestInputStream(zip.getInputStream(entry), digest), left)) {
                if (redactor == null) {
                    stream.transferTo(OutputStream.nullOutputStream());
                } else {
                    trouble = lookThrough(stream, tally, pool);
                }
            } catch (ZipException e) {
                trouble = Text.safe(e.getMessage(), 80);
            }
            if (trouble != null) {
                problems.add(shown(entry.getName()) + " cannot be read: " + trouble);
                return null;
            }
            leak(shown(entry.getName()), tally);
            return HexFormat.of().formatHex(digest.digest());
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

    /** Ends at the most that is allowed: sizes that an archive states are only claims. */
    private static final class Bounded extends FilterInputStream {
        private final long[] left;

        /** @param left bytes that may still be read, of all streams that share it */
        Bounded(InputStream stream, long[] left) {
            super(stream);
            this.left = left;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = in.read(target, offset, length);
            left[0] -= Math.max(0, read);
            if (left[0] < 0) {
                throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
            }
            return read;
        }
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
        long[] left = {most.bytes()};
        try (ZipFile zip = zip(archive); Staging staging = new Staging(folder)) {
            Path inside = Archive.newFolder(staging.folder.resolve("unpacked"));
            Archive.Names names = new Archive.Names();
            for (ZipEntry entry : entries(zip)) {
                String name = entry.getName().replaceFirst("/$", "");
                String objection = Archive.objection(name);
                objection = objection.isEmpty() && !entry.isDirectory() ? names.free(name) : objection;
                if (!objection.isEmpty()) {
                    throw new Problem(archive + " is not unpacked: the name " + shown(name, Redactor.strict()) + " "
                            + objection);
                }
                if (!entry.isDirectory()) {
                    try (InputStream input = new Bounded(zip.getInputStream(entry), left)) {
                        Archive.save(input, inside.resolve(name));
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
     * @throws Pipeline.Unsafe when something secret would be left, and nothing is written
     * @throws Problem         when the target is there already, or nothing could be cleaned
     * @throws IOException     when something cannot be read or written
     */
    public static Cleaned redact(Path source, Path target, Policy policy, Limit most) throws IOException {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        long[] left = {most.bytes()};
        Redactor redactor = new Redactor(policy);
        Bundle.Window ever = new Bundle.Window(Instant.EPOCH, Instant.now());
        LogSources.Told told = new LogSources.Told(new Pipeline.Wanted("", 0, ever, ZoneOffset.UTC));
        try (Staging staging = new Staging(target); Pipeline pipeline = new Pipeline(redactor)) {
            Collecting.Sink sink = new Collecting.Sink("", new Collecting.Workshop(staging.folder, Long.MAX_VALUE,
                    pipeline, redactor, new Archive.Names(), null, told));
            new Cleaning(sink, left).read(source);
            Outcome outcome = sink.outcome(null, 0);
            if (outcome.items().isEmpty()) {
                String why = outcome.remarks().isEmpty() ? "" : ": " + outcome.remarks().get(0);
                throw new Problem("nothing to clean in " + source + why);
            }
            List<String> leftOut = new ArrayList<>(outcome.remarks());
            outcome.items().forEach(item -> item.notes().forEach(note -> leftOut.add(item.path() + ": " + note)));
            boolean folder = Files.isDirectory(source) || isZip(source);
            Files.move(written(staging.folder, outcome, redactor, isZip(target), folder), target,
                    StandardCopyOption.ATOMIC_MOVE);
            return new Cleaned(outcome.items().size(), leftOut, Archive.redacted(outcome.items()));
        }
    }

    private static boolean isZip(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    private static Path written(Path staging, Outcome outcome, Redactor redactor, boolean zip, boolean folder)
            throws IOException {
        Path half = staging.resolve("copy");
        List<Item> items = outcome.items().stream().sorted(Comparator.comparing(Item::path)).toList();
        if (zip) {
            Archive.Head head = new Archive.Head(null, Instant.now(), null, "", redactor.policy().kept());
            try (Pipeline again = new Pipeline(redactor.again())) {
                byte[] manifest = Archive.manifest(head, List.of(outcome), items);
                Stream<Item> first = Stream.of(again.page(staging, Archive.MANIFEST, manifest));
                write(half, Stream.concat(first, items.stream()).toList(), head.created());
            }
            return half;
        }
        for (Item item : items) {
            try (InputStream text = item.part().text()) {
                Archive.save(text, folder ? half.resolve(item.path()) : half);
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
                    String folder = name.substring(0, name.length() - 4) + "/";
                    for (ZipEntry entry : entries(zip)) {
                        if (!entry.isDirectory()) {
                            add(zip.getInputStream(entry), folder + entry.getName());
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
            try (InputStream text = new Bounded(PlainInput.of(raw), left)) {
                sink.stream(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), text, Long.MAX_VALUE,
                        Pipeline.Wanted.EVERYTHING, any -> Origin.none(0));
            } catch (PlainInput.NotText | ZipException e) {
                sink.remark(name + " left out: " + Text.safe(e.getMessage(), 120));
            }
        }
    }
}
