package runbook.bundle;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
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
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
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
import runbook.bundle.Archive.Staging;
import runbook.bundle.Collecting.Guarded;
import runbook.bundle.Collecting.Outcome;
import runbook.redact.Pieces.Piece;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;

/** What can be done with evidence that is there already, from anybody: verify a bundle, open one, clean evidence. */
public final class Existing {
    private static final int MOST_FILES = 20_000;
    private static final int LONGEST_LIST = 8_000_000;
    private static final int LARGEST_MANIFEST = 16 << 20;

    private Existing() { }

    /** Opens an archive that may be hostile: no pipe is waited for, and its list of files fits into memory. */
    private static ZipFile zip(Path file) {
        try {
            if (!Files.isRegularFile(file)) {
                boolean there = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
                throw new IOException(there ? "it is no regular file" : "there is no such file");
            }
            refuseLongList(file);
            return new ZipFile(file.toFile(), StandardCharsets.UTF_8);
        } catch (IOException | IllegalArgumentException e) {
            String why = e instanceof IOException io ? Incident.why(io) : "its names are not UTF-8";
            throw new Problem(file + " is no archive that can be read (" + Text.safe(why, 120)
                    + "): name a bundle, bundle-*.zip");
        }
    }

    // By the record that a zip ends in: its list of files is read whole when it is opened.
    private static void refuseLongList(Path file) throws IOException {
        try (RandomAccessFile zip = new RandomAccessFile(file.toFile(), "r")) {
            byte[] end = new byte[(int) Math.min(zip.length(), 22 + 0xffff)];
            zip.seek(zip.length() - end.length);
            zip.readFully(end);
            ByteBuffer record = ByteBuffer.wrap(end).order(ByteOrder.LITTLE_ENDIAN);
            for (int at = end.length - 22; at >= 0; at--) {
                boolean found = record.getInt(at) == 0x06054b50;
                int files = found ? record.getShort(at + 10) & 0xffff : 0;
                if (files > MOST_FILES || found && (record.getInt(at + 12) & 0xffff_ffffL) > LONGEST_LIST) {
                    throw new Problem(file + " has more than " + MOST_FILES + " files, or "
                            + Archive.words(LONGEST_LIST) + " of their names: that is no bundle, and not read");
                }
            }
        }
    }

    private static List<ZipEntry> entries(ZipFile zip) {
        return zip.stream().<ZipEntry>map(entry -> entry).toList();
    }

    /** How much of it may be unpacked. */
    public static final class Limit {
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB", order = 80,
                description = "to unpack at most (${DEFAULT-VALUE})")
        String size;

        private long[] left() {
            return new long[] {Archive.size("--max-size", size)};
        }
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
        try (Pipeline pipeline = new Pipeline(new Redactor(policy))) {
            return new Verifying(pipeline, most.left()).read(file);
        }
    }

    /**
     * Writes an archive and reads it back: whether it holds, byte for byte, what was looked through while it was made.
     *
     * @throws Pipeline.Unsafe when it does not
     */
    static Verified write(Path file, List<Item> items, Summary.Head head) throws IOException {
        Archive.write(file, items, head.created());
        Verified back = new Verifying(null, new long[] {Long.MAX_VALUE}).read(file);
        if (!back.good()) {
            throw new Pipeline.Unsafe(String.join("; ", back.problems()));
        }
        return back;
    }

    private static final class Verifying {
        private final Pipeline judge;
        private final long[] left;
        private final List<String> problems = new ArrayList<>();
        private final Map<String, Map<String, Long>> leaks = new TreeMap<>();
        private final Map<String, Long> kept = new TreeMap<>();
        private final Set<String> mayStay = new TreeSet<>();

        /** @param judge looks for secrets; null to compare sums alone */
        Verifying(Pipeline judge, long[] left) {
            this.judge = judge;
            this.left = left;
        }

        Verified read(Path file) throws IOException {
            long most = left[0];
            try (ZipFile zip = zip(file)) {
                Map<String, String> listed = new HashMap<>();
                manifest(zip).path("files").forEach(entry ->
                        listed.put(entry.path("path").asText(), entry.path("sha256").asText()));
                Archive.Names names = new Archive.Names();
                List<ZipEntry> entries = entries(zip);
                for (ZipEntry entry : entries) {
                    String name = entry.getName();
                    byte[] data = name.getBytes(StandardCharsets.UTF_8);
                    wrong("the name ", name, names.objection(name));
                    if (judge != null) {
                        leak("(file names)", judge.judge(new Piece(data, data.length, 0, data.length), new Tally()));
                    }
                    String expected = listed.remove(name);
                    boolean known = expected != null || name.equals(Summary.MANIFEST);
                    wrong("", name, known ? "" : "is not in the manifest");
                    wrong("", name, compared(zip, entry, expected));
                }
                listed.keySet().forEach(name -> wrong("", name, "is in the manifest, but not in the archive"));
                return new Verified(problems, leaks, kept, entries.size(), most - left[0]);
            }
        }

        private void wrong(String before, String name, String objection) {
            if (!objection.isEmpty()) {
                problems.add(before + (judge == null ? name : shown(name, judge.redactor)) + " " + objection);
            }
        }

        private JsonNode manifest(ZipFile zip) throws IOException {
            ZipEntry entry = zip.getEntry(Summary.MANIFEST);
            if (entry == null) {
                problems.add("it has no " + Summary.MANIFEST);
                return Json.object();
            }
            try (InputStream stream = zip.getInputStream(entry)) {
                JsonNode manifest = Json.read(stream.readNBytes(LARGEST_MANIFEST));
                if (manifest.path("schema").asInt() != Summary.SCHEMA) {
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

        private void leak(String file, Tally tally) {
            tally.counts().forEach((rule, count) -> (mayStay.contains(rule) ? kept
                    : leaks.computeIfAbsent(file, any -> new TreeMap<>())).merge(rule, count, Long::sum));
        }

        /** Looks through an entry; what is wrong with it, or nothing. {@code expected} is its SHA-256, or null. */
        private String compared(ZipFile zip, ZipEntry entry, String expected) throws IOException {
            Tally tally = new Tally();
            MessageDigest digest = Archive.sha256();
            try (InputStream stream = new Guarded(new DigestInputStream(zip.getInputStream(entry), digest), left)) {
                String trouble = null;
                if (judge == null) {
                    stream.transferTo(OutputStream.nullOutputStream());
                } else {
                    trouble = judge.each(stream, Long.MAX_VALUE, piece -> judge.judge(piece, tally), tallied -> { });
                    leak(shown(entry.getName(), judge.redactor), tally);
                }
                boolean same = expected == null || expected.equals(HexFormat.of().formatHex(digest.digest()));
                return trouble != null ? "cannot be read: " + trouble : same ? ""
                        : "is not what the manifest says: its SHA-256 differs";
            } catch (ZipException e) {
                return "cannot be read: " + Text.safe(e.getMessage(), 80);
            }
        }
    }

    private static String shown(String name, Redactor redactor) {
        return Text.safe(redactor.text(name), 80);
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
        try (ZipFile zip = zip(archive); Staging staging = new Staging(folder)) {
            Path inside = Archive.newFolder(staging.folder.resolve("unpacked"));
            Archive.Names names = new Archive.Names();
            for (ZipEntry entry : entries(zip)) {
                String name = entry.getName().replaceFirst("/$", "");
                String objection = entry.isDirectory() ? Archive.Names.unsafe(name) : names.objection(name);
                if (!objection.isEmpty()) {
                    throw new Problem(archive + " is not unpacked: the name " + shown(name, Redactor.strict()) + " "
                            + objection);
                }
                if (!entry.isDirectory()) {
                    try (InputStream input = new Guarded(zip.getInputStream(entry), left)) {
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
        Redactor redactor = new Redactor(policy);
        Bundle.Window ever = new Bundle.Window(Instant.EPOCH, Instant.now());
        LogSources.Wanted wanted = new LogSources.Wanted("", 0, ever, ZoneOffset.UTC);
        try (Staging staging = new Staging(target); Pipeline pipeline = new Pipeline(redactor);
                Pipeline again = new Pipeline(redactor.again())) {
            Pipeline.Room room = new Pipeline.Room(staging.folder, Long.MAX_VALUE);
            Collecting.Sink sink = new Collecting.Sink("", new Collecting.Workshop(pipeline, room, most.left(),
                    new Archive.Names(), null, wanted, new LogSources.Told(wanted)));
            new Cleaning(sink).read(source);
            Outcome outcome = sink.outcome();
            if (outcome.items().isEmpty()) {
                String why = outcome.remarks().isEmpty() ? "" : ": " + outcome.remarks().get(0);
                throw new Problem("nothing to clean in " + source + why);
            }
            List<String> leftOut = new ArrayList<>(outcome.remarks());
            outcome.items().forEach(item -> item.allNotes().forEach(note -> leftOut.add(item.path() + ": " + note)));
            Path copy = staging.folder.resolve("copy");
            boolean folder = Files.isDirectory(source) || isZip(source);
            if (isZip(target)) {
                Summary.Head head = new Summary.Head(null, Instant.now(), null, "", policy.kept());
                write(copy, Summary.withManifest(again, room, head, List.of(outcome), outcome.items()), head);
            } else {
                for (Item item : outcome.items()) {
                    try (InputStream text = item.part().text()) {
                        Archive.save(text, folder ? copy.resolve(item.path()) : copy);
                    }
                }
            }
            Files.move(copy, target, StandardCopyOption.ATOMIC_MOVE);
            return new Cleaned(outcome.items().size(), leftOut, Summary.redacted(outcome.items()));
        }
    }

    private static boolean isZip(Path file) {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    /** Finds what there is to clean, and gives it to the sink. */
    private record Cleaning(Collecting.Sink sink) {
        void read(Path source) throws IOException {
            try (Stream<Path> walk = Files.walk(source)) {
                for (Path file : walk.filter(one -> !Files.isDirectory(one, LinkOption.NOFOLLOW_LINKS)).sorted()
                        .toList()) {
                    readFile(file, file.equals(source) ? String.valueOf(source.getFileName())
                            : source.relativize(file).toString());
                }
            } catch (UncheckedIOException e) {
                throw e.getCause();
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
            } else if (!Files.isReadable(file)) {
                sink.remark(name + " left out: no permission");
            } else {
                add(Files.newInputStream(file), name);
            }
        }

        private void add(InputStream raw, String name) throws IOException {
            if (sink.files() >= MOST_FILES) {
                throw new Problem("more than " + MOST_FILES + " files are not cleaned at once: name a folder in it");
            }
            try (raw) {
                sink.stream(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), raw, Long.MAX_VALUE);
            } catch (ZipException e) {
                sink.remark(name + " left out: " + Text.safe(e.getMessage(), 120));
            }
        }
    }
}
