package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Incident;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/** Cleans evidence that somebody already has: a file, a folder, a zip. It is read back before it gets its name. */
public final class CleanCopy {
    private final Policy policy;
    private final Redactor redactor;
    private final EntryNames names = new EntryNames();
    private final List<String> leftOut = new ArrayList<>();
    private final List<Item> items = new ArrayList<>();

    /** A copier by this policy. */
    public CleanCopy(Policy policy) {
        this.policy = policy;
        this.redactor = new Redactor(policy);
    }

    /**
     * What came of it.
     *
     * @param files    how many files were written
     * @param leftOut  what could not be cleaned and is not in the copy, a line each
     * @param redacted rule to count
     */
    public record Copied(int files, List<String> leftOut, Map<String, Long> redacted) { }

    /**
     * Copies a file to a file, a folder to a folder, or any of them into an archive with a manifest when the target ends in
     * {@code .zip}.
     *
     * @throws Unsafe      when a secret was found in the copy, which is deleted then
     * @throws Problem     when the target is there already, or nothing could be cleaned
     * @throws IOException when something cannot be read or written
     */
    public Copied copy(Path source, Path target) throws IOException {
        if (Files.exists(target)) {
            throw new Problem("--out " + target + " is there already: name another");
        }
        try (Staging staging = new Staging(target); Conveyor conveyor = new Conveyor(redactor)) {
            read(source, staging.folder(), conveyor);
            if (items.isEmpty()) {
                throw new Problem(
                        Problem.USAGE,
                        "nothing to clean in " + source + (leftOut.isEmpty() ? "" : ": " + leftOut.get(0)));
            }
            items.sort(Comparator.comparing(Item::path));
            write(staging, source, target, conveyor);
        }
        Map<String, Long> redacted = new TreeMap<>();
        items.forEach(item -> item.tally().counts().forEach((rule, count) -> redacted.merge(rule, count, Long::sum)));
        return new Copied(items.size(), List.copyOf(leftOut), redacted);
    }

    private void read(Path source, Path folder, Conveyor conveyor) throws IOException {
        if (Files.isDirectory(source)) {
            List<Path> files;
            try (Stream<Path> walk = Files.walk(source)) {
                files = walk.filter(Files::isRegularFile).sorted().toList();
            } catch (java.io.UncheckedIOException e) {
                throw e.getCause();
            }
            for (Path file : files) {
                readFile(file, source.relativize(file).toString(), folder, conveyor);
            }
        } else if (Files.isRegularFile(source)) {
            readFile(source, source.getFileName().toString(), folder, conveyor);
        } else {
            throw new Problem(source + (Files.exists(source) ? " is no regular file" : ": no such file or folder"));
        }
    }

    private void readFile(Path file, String name, Path folder, Conveyor conveyor) throws IOException {
        try (InputStream stream = Files.newInputStream(file)) {
            if (name.toLowerCase(java.util.Locale.ROOT).endsWith(".zip")) {
                readZip(stream, name.substring(0, name.length() - 4), folder, conveyor);
            } else {
                add(stream, name, folder, conveyor);
            }
        } catch (java.nio.file.AccessDeniedException e) {
            leftOut.add(redactor.text(name + ": " + Incident.why(e)));
        }
    }

    private void readZip(InputStream stream, String name, Path folder, Conveyor conveyor) throws IOException {
        ZipInputStream zip = new ZipInputStream(stream);
        for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
            if (!entry.isDirectory()) {
                add(zip, name + "/" + entry.getName(), folder, conveyor);
            }
        }
    }

    private void add(InputStream stream, String name, Path folder, Conveyor conveyor) throws IOException {
        StringBuilder path = new StringBuilder();
        for (String element : redactor.text(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", "")).split("/")) {
            path.append(path.length() == 0 ? "" : "/").append(EntryNames.safe(element));
        }
        Tally tally = new Tally();
        Part part = new Part(folder, "part-" + items.size());
        try {
            Conveyor.Carried carried =
                    conveyor.carry(PlainInput.of(stream), Long.MAX_VALUE, LineChoice.Wanted.everything(), tally, part);
            part.finish();
            if (carried.leftOut() > 0 || carried.trouble() != null) {
                leftOut.add(path + ": "
                        + (carried.trouble() != null
                                ? carried.trouble()
                                : carried.leftOut() + " bytes could not be redacted"));
            }
            items.add(new Item(names.unique(path.toString()), "redact", Item.Origin.none(0), part, tally, List.of()));
        } catch (PlainInput.NotText | java.util.zip.ZipException e) {
            part.close();
            leftOut.add(path + ": " + e.getMessage());
        }
    }

    private void write(Staging staging, Path source, Path target, Conveyor conveyor) throws IOException {
        Path half;
        if (target.toString().toLowerCase(java.util.Locale.ROOT).endsWith(".zip")) {
            half = staging.file("archive");
            Archive.write(half, withManifest(staging.folder(), conveyor), Instant.now());
            Verification verification = Verification.of(half, policy);
            if (!verification.good()) {
                throw new Unsafe(Unsafe.words(verification));
            }
        } else if (Files.isDirectory(source)) {
            half = Files.createDirectory(staging.folder().resolve("copy"));
            for (Item item : items) {
                Path file = half.resolve(item.path());
                Files.createDirectories(file.getParent());
                unpack(item, file);
            }
        } else if (items.size() == 1) {
            half = staging.file("copy");
            unpack(items.get(0), half);
        } else {
            throw new Problem(source + " holds several files: give --out a name that ends in .zip");
        }
        Files.move(half, target, StandardCopyOption.ATOMIC_MOVE);
    }

    private List<Item> withManifest(Path folder, Conveyor conveyor) throws IOException {
        Manifest.Head head =
                new Manifest.Head("redact", null, Instant.now().toString(), null, "", List.copyOf(policy.kept()));
        List<Outcome> outcomes = List.of(new Outcome(
                "redact", leftOut.isEmpty() ? Outcome.State.OK : Outcome.State.FAILED, leftOut, List.of(), 0, items));
        Part part = new Part(folder, "manifest");
        byte[] manifest = Json.pretty(Manifest.json(head, outcomes, items)).getBytes(java.nio.charset.StandardCharsets.UTF_8);
        conveyor.carry(
                new java.io.ByteArrayInputStream(manifest),
                Long.MAX_VALUE,
                LineChoice.Wanted.everything(),
                new Tally(),
                part);
        part.finish();
        return Stream.concat(
                        Stream.of(new Item(Manifest.FILE, "redact", Item.Origin.none(0), part, new Tally(), List.of())),
                        items.stream())
                .toList();
    }

    private void unpack(Item item, Path file) throws IOException {
        try (InputStream plain = new InflaterInputStream(item.part().deflated(), new Inflater(true), 1 << 16);
                OutputStream output = Files.newOutputStream(file)) {
            plain.transferTo(output);
        }
        Tally tally = new Tally();
        try (InputStream again = Files.newInputStream(file)) {
            Pieces pieces = new Pieces(again, Long.MAX_VALUE);
            for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                redactor.cleaner(tally).remaining(piece);
            }
        }
        if (tally.total() > 0) {
            throw new Unsafe("secrets or personal data were left in " + item.path() + " (" + tally.counts() + ")");
        }
    }
}
