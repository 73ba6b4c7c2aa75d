package runbook.bundle;

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
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.Instant;
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
import runbook.bundle.Collecting.State;
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
        private long left;
        private long bytes;

        /** @param redactor to look for secrets with, or null to compare sums alone */
        Verifying(Redactor redactor, long most) {
            this.redactor = redactor;
            this.search = redactor == null ? null : new Scan.Search(redactor.policy());
            this.left = most;
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
                return new Verified(problems, leaks, kept, files, bytes);
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
            try (InputStream stream = new Bounded(zip.getInputStream(entry), digest)) {
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

        /** Counts and sums what is read: the sizes that an archive states are only claims. */
        private final class Bounded extends FilterInputStream {
            private final MessageDigest digest;

            Bounded(InputStream stream, MessageDigest digest) {
                super(stream);
                this.digest = digest;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                int read = in.read(target, offset, length);
                if (read > 0) {
                    bytes += read;
                    left -= read;
                    digest.update(target, offset, read);
                    if (left < 0) {
                        throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
                    }
                }
                return read;
            }
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
            long left = most;
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
                    try (InputStream input = zip.getInputStream(entry)) {
                        left = copy(input, Archive.newFile(file), left);
                    }
                }
            }
            Files.move(inside, folder);
        } catch (ZipException e) {
            throw new Problem(archive + " is damaged: " + Text.safe(e.getMessage(), 80));
        }
    }

    private static long copy(InputStream input, Path target, long most) throws IOException {
        long left = most;
        try (OutputStream output = Files.newOutputStream(target)) {
            byte[] buffer = new byte[1 << 16];
            for (int read = input.read(buffer); read >= 0; read = input.read(buffer)) {
                left -= read;
                if (left < 0) {
                    throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
                }
                output.write(buffer, 0, read);
            }
        }
        return left;
    }

    // ---- redact

    /** What came of cleaning: files written, what could not be cleaned and is not in the copy, and rule to count. */
    public record Cleaned(int files, List<String> leftOut, Map<String, Long> redacted) { }

    /**
     * Copies a file to a file, a folder to a folder, or any of them into an archive with a manifest when the target
     * ends in
     * {@code .zip}; a zip is copied as a folder. Every file is looked through before it gets its name.
     *
     * @param most bytes to read at most
     * @throws Pipeline.Unsafe when a secret was found in the copy, which is deleted then
     * @throws Problem         when the target is there already, or nothing could be cleaned
     * @throws IOException     when something cannot be read or written
     */
    public static Cleaned redact(Path source, Path target, Policy policy, long most) throws IOException {
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        Redactor redactor = new Redactor(policy);
        try (Staging staging = new Staging(target); Pipeline pipeline = new Pipeline(redactor)) {
            Cleaning cleaning = new Cleaning(staging, pipeline, redactor, most);
            cleaning.read(source);
            if (cleaning.items.isEmpty()) {
                throw new Problem("nothing to clean in " + source + (cleaning.leftOut.isEmpty() ? "" : ": "
                        + cleaning.leftOut.get(0)));
            }
            cleaning.write(source, target);
            return new Cleaned(cleaning.items.size(), cleaning.leftOut, Archive.redacted(cleaning.items));
        }
    }

    private static final class Cleaning {
        private final Staging staging;
        private final Pipeline pipeline;
        private final Redactor redactor;
        private final Archive.Names names = new Archive.Names();
        private final List<String> leftOut = new ArrayList<>();
        private final List<Item> items = new ArrayList<>();
        private long left;

        Cleaning(Staging staging, Pipeline pipeline, Redactor redactor, long most) {
            this.staging = staging;
            this.pipeline = pipeline;
            this.redactor = redactor;
            this.left = most;
        }

        void read(Path source) throws IOException {
            if (Files.isDirectory(source)) {
                List<Path> files;
                try (Stream<Path> walk = Files.walk(source)) {
                    files = walk.filter(file -> !Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)).limit(MOST_FILES
                            + 1L).sorted().toList();
                } catch (UncheckedIOException e) {
                    throw e.getCause();
                }
                for (Path file : files) {
                    String name = source.relativize(file).toString();
                    if (Files.isRegularFile(file)) {
                        readFile(file, name);
                    } else {
                        leftOut.add(shown(name, redactor) + ": it is no regular file (a pipe or a device may "
                                + "never end)");
                    }
                }
            } else if (Files.isRegularFile(source)) {
                readFile(source, source.getFileName().toString());
            } else {
                throw new Problem(source + (Files.exists(source) ? " is no regular file" : ": no such file or folder"));
            }
        }

        private void readFile(Path file, String name) throws IOException {
            try (InputStream stream = Files.newInputStream(file)) {
                if (name.toLowerCase(Locale.ROOT).endsWith(".zip")) {
                    readZip(file, name.substring(0, name.length() - 4));
                } else {
                    add(stream, name);
                }
            } catch (java.nio.file.AccessDeniedException e) {
                leftOut.add(shown(name, redactor) + ": " + Incident.why(e));
            }
        }

        private void readZip(Path file, String name) throws IOException {
            try (ZipFile zip = zip(file)) {
                for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
                    if (!entry.isDirectory()) {
                        try (InputStream content = zip.getInputStream(entry)) {
                            add(content, name + "/" + entry.getName());
                        } catch (ZipException e) {
                            leftOut.add(shown(name + "/" + entry.getName(), redactor) + ": " + Text.safe(e.getMessage(),
                                    80));
                        }
                    }
                }
            }
        }

        private void add(InputStream stream, String name) throws IOException {
            if (items.size() >= MOST_FILES) {
                throw new Problem("more than " + MOST_FILES + " files are not cleaned at once: name a folder in it");
            }
            StringBuilder path = new StringBuilder();
            for (String element : name.replace('\\', '/').replaceFirst("(?i)\\.gz$", "").split("/")) {
                path.append(path.length() == 0 ? "" : "/").append(Archive.safe(redactor.text(element)));
            }
            Tally tally = new Tally();
            Part part = new Part(staging.folder(), "part-" + items.size(), Long.MAX_VALUE);
            try {
                Pipeline.Carried carried = pipeline.carry(PlainInput.of(stream), left + 1, Pipeline.Wanted.EVERYTHING,
                        tally, part, null);
                part.finish();
                left -= carried.read();
                if (left < 0) {
                    throw new Problem("there is more to clean than is allowed: raise --max-size if you trust it");
                }
                if (carried.leftOut() > 0 || carried.trouble() != null) {
                    leftOut.add(path + ": " + (carried.trouble() != null ? carried.trouble() : carried.leftOut()
                            + " bytes could not be redacted"));
                }
                items.add(new Item(names.unique(path.toString()), "redact", Origin.none(0), part, tally, List.of()));
            } catch (PlainInput.NotText | ZipException e) {
                part.close();
                leftOut.add(path + ": " + Text.safe(e.getMessage(), 120));
            }
        }

        void write(Path source, Path target) throws IOException {
            items.sort(Comparator.comparing(Item::path));
            Path half = staging.folder().resolve("copy");
            if (target.toString().toLowerCase(Locale.ROOT).endsWith(".zip")) {
                Archive.write(Archive.newFile(half), withManifest(), Instant.now());
                Verified back = readBack(half);
                if (!back.good()) {
                    throw new Pipeline.Unsafe(String.join("; ", back.problems()));
                }
            } else if (Files.isDirectory(source) || source.toString().toLowerCase(Locale.ROOT).endsWith(".zip")) {
                for (Item item : items) {
                    Path file = half.resolve(item.path());
                    Archive.newFolder(file.getParent());
                    unpack(item, file);
                }
            } else {
                unpack(items.get(0), half);
            }
            Files.move(half, target, StandardCopyOption.ATOMIC_MOVE);
        }

        private static void unpack(Item item, Path file) throws IOException {
            try (InputStream text = item.part().text()) {
                copy(text, Archive.newFile(file), Long.MAX_VALUE);
            }
        }

        private List<Item> withManifest() throws IOException {
            Archive.Head head = new Archive.Head(null, Instant.now(), null, "", redactor.policy().kept());
            State state = leftOut.isEmpty() ? State.OK : State.FAILED;
            byte[] manifest = Archive.manifest(head, List.of(new Outcome("redact", state, leftOut, List.of(), 0,
                    items)), items);
            Part part = new Part(staging.folder(), "manifest", Long.MAX_VALUE);
            try (Pipeline again = new Pipeline(redactor.again())) {
                again.carry(manifest, new Tally(), part);
            }
            part.finish();
            return Stream.concat(Stream.of(new Item(Archive.MANIFEST, "redact", Origin.none(0), part, new Tally(),
                    List.of())), items.stream()).toList();
        }
    }
}
