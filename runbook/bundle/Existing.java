package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.security.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Key;
import runbook.Message.Slack;
import runbook.Settings.Problem;
import runbook.Text.Json;
import runbook.bundle.Archive.Part;
import runbook.bundle.Bundle.Collector;
import runbook.bundle.Bundle.Sink;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.*;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor.Tally;

/**
 * Evidence from anybody, read within limits: to verify an archive, to open it, or to clean what there is. It may be
 * hostile: no pipe is waited for, and an archive's list of files fits into memory.
 */
public final class Existing implements Closeable {
    private static final int LARGEST_MANIFEST = 16 << 20;

    private final Path file;
    private final Redactor redactor;
    private final Limit limit;
    private final ZipFile zip;

    /** How much may be unpacked, of all streams together: sizes that an archive states are only claims. */
    public static final class Limit {
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "5GB", order = 80,
                description = "to unpack at most (${DEFAULT-VALUE})")
        String size;
        private long taken;

        private InputStream of(InputStream stream) {
            long most = Archive.size(size);
            return new FilterInputStream(stream) {
                @Override
                public int read() {
                    throw new UnsupportedOperationException("it is read by many bytes");
                }

                @Override
                public int read(byte[] target, int offset, int length) throws IOException {
                    int read = in.read(target, offset, length);
                    taken += Math.max(0, read);
                    if (taken > most) {
                        throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
                    }
                    return read;
                }
            };
        }
    }

    /** What is known to be secret: the same for a bundle and for evidence that is there already. */
    public static final class Redaction {
        private static final int SHORTEST = 6;
        private static final long LARGEST_FILE = 4_000_000;
        private static final Pattern SECRET_NAME = Pattern.compile("(?i).*(key|secret|token|pass|pw|pin|salt|hmac|"
                + "sign|credential|auth|cookie|dsn|webhook|user|login).*");

        @Option(names = "--secret-file", paramLabel = "FILE", order = 71,
                description = "values to take out wherever they are, one a line; repeatable")
        List<Path> secretFiles = List.of();

        /**
         * The policy: what the options say, the key in use, and what variables of ours hold that looks secret.
         *
         * @param key       of Klaviyo's; may be empty
         * @param variables more of ours
         * @param keep      rules of personal data that may stay
         * @throws Problem for a rule that may not be kept, or a file that cannot be used
         */
        public Policy policy(Cli shared, Optional<Key> key, List<String> variables, Set<String> keep) {
            Screen.Host host = shared.host();
            Map<String, String> known = new TreeMap<>();
            key.map(Key::reveal).ifPresent(value -> addKey(known, value));
            host.environment().forEach((name, value) -> {
                boolean ours = name.startsWith("KLAVIYO_") || variables.contains(name);
                if (ours && name.contains("KEY") && Key.of(value).cleaned().known()) {
                    addKey(known, value);
                } else if (ours && value.length() >= SHORTEST && SECRET_NAME.matcher(name).matches()
                        && !name.endsWith("_FILE")) {
                    known.put(value, "secret");
                } else if (name.equals(Slack.VARIABLE) && value.length() >= SHORTEST) {
                    // Whoever has the path may post, whatever stands before it.
                    known.put(value.replaceFirst("^\\w+://[^/]+/", ""), "secret");
                }
            });
            secretFiles.forEach(file -> addFile(known, host.path(file.toString())));
            return Policy.strict().by(Rules.of(shared.templates())).keeping(keep).knowing(known);
        }

        // The 34 hex alone are as good as the key: whoever sees the account has the rest.
        private static void addKey(Map<String, String> known, String value) {
            String clean = Key.of(value).cleaned().reveal();
            String tail = clean.substring(clean.lastIndexOf('_') + 1);
            Stream.of(value, value.strip(), clean, tail.length() >= 16 ? tail : clean)
                    .forEach(form -> known.put(form, "klaviyo-key"));
        }

        private static void addFile(Map<String, String> known, Path file) {
            try {
                if (Files.size(file) > LARGEST_FILE) {
                    throw new Problem("--secret-file " + file + " is larger than 4 MB: that is no list of secrets");
                }
                String lines = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
                lines.lines().map(String::strip).filter(line -> !line.isEmpty()).forEach(line -> {
                    String value = line.replaceFirst("^[A-Za-z_]\\w*=", "").replaceAll("^([\"'])(.*)\\1$", "$2");
                    Stream.of(line, value).forEach(form -> known.put(form, "secret"));
                });
            } catch (IOException e) {
                throw new Problem("--secret-file cannot be read: " + Incident.why(e));
            }
        }
    }

    /**
     * Opens an archive.
     *
     * @throws Problem when it is none
     */
    public Existing(Path file, Policy policy, Limit limit) {
        this.file = file;
        this.redactor = new Redactor(policy);
        this.limit = limit;
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw new IOException("it is no regular file");
            }
            zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8);
            if (zip.size() > Systems.MOST_FILES) {
                zip.close();
                throw new IOException("it has more than " + Systems.MOST_FILES + " files");
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

    /** Hands over each of its files; gives the names of those that are damaged, and why. */
    private Map<String, String> each(Use use) throws IOException {
        Map<String, String> damaged = new LinkedHashMap<>();
        for (ZipEntry entry : zip.stream().filter(one -> !one.isDirectory()).toList()) {
            try (InputStream unpacked = zip.getInputStream(entry)) {
                use.take(entry.getName(), unpacked);
            } catch (ZipException e) {
                damaged.put(entry.getName(), Text.safe(e.getMessage(), 80));
            }
        }
        return damaged;
    }

    private String shown(String name) {
        return Text.safe(redactor.text(name), 80);
    }

    // ---- verify

    /**
     * What reading an archive gave: what is wrong with it or should not be in it, a line each; rule to count of
     * personal data that its manifest says was kept, for the reader to judge; and how much it is, in words.
     */
    public record Verified(List<String> problems, Map<String, Long> kept, String size) {
        private void wrong(String what, String objection) {
            if (!objection.isEmpty()) {
                problems.add(what + " " + objection);
            }
        }

        private void found(String where, Map<String, Long> rules, Set<String> mayStay) {
            Map<String, Long> leaks = new TreeMap<>();
            rules.forEach((rule, count) -> (mayStay.contains(rule) ? kept : leaks).merge(rule, count, Long::sum));
            wrong(where, leaks.isEmpty() ? "" : "holds " + counts(leaks));
        }
    }

    /**
     * Looks at names, manifest and sums, and whether any secret is in it, by the rules here and not by what it says of
     * itself.
     *
     * @throws IOException when it cannot be read
     */
    public Verified verify() throws IOException {
        Verified found = new Verified(new ArrayList<>(), new TreeMap<>(), "");
        JsonNode manifest = manifest();
        found.wrong("it has no", manifest.isMissingNode() ? Summary.MANIFEST + " of a known schema" : "");
        Map<String, String> sums = new HashMap<>();
        manifest.path("files").forEach(one -> sums.put(one.path("path").asText(), one.path("sha256").asText()));
        Set<String> mayStay = mayStay(manifest, found);
        Set<String> seen = new TreeSet<>();
        Archive.Names names = new Archive.Names();
        try (Pipeline judge = new Pipeline(redactor, null)) {
            each((name, unpacked) -> {
                String named = "the name " + shown(name);
                found.wrong(named, names.objection(name));
                found.found(named, judge.judge(Pipeline.whole(name.getBytes(StandardCharsets.UTF_8))), mayStay);
                String sum = judged(name, unpacked, judge, mayStay, found);
                String listed = seen.add(name) ? sums.remove(name) : null;
                if (listed != null) {
                    found.wrong(shown(name), listed.equals(sum) ? ""
                            : "is not what the manifest says: its SHA-256 differs");
                } else if (!name.equals(Summary.MANIFEST)) {
                    found.wrong(shown(name), "is not in the manifest");
                }
            }).forEach((name, why) -> found.wrong(shown(name), "cannot be read: " + why));
        }
        sums.keySet().forEach(name -> found.wrong(shown(name), "is in the manifest, but not in the archive"));
        return new Verified(found.problems, found.kept, Text.count(seen.size(), "file") + ", "
                + Archive.words(limit.taken) + " unpacked");
    }

    // What the manifest says was kept is only believed of personal data.
    private static Set<String> mayStay(JsonNode manifest, Verified found) {
        Set<String> kept = new TreeSet<>();
        manifest.path("kept").forEach(rule -> kept.add(rule.asText()));
        Set<String> personal = Rules.builtIn().personal();
        kept.stream().filter(rule -> !personal.contains(rule)).forEach(rule -> found.wrong("its manifest says that "
                + Text.safe(rule, 40), "was kept, which is no personal data that may be kept"));
        kept.retainAll(personal);
        return kept;
    }

    /** Looks through one of its files, and gives the SHA-256 of what it holds. */
    private String judged(String name, InputStream unpacked, Pipeline judge, Set<String> mayStay, Verified found)
            throws IOException {
        DigestInputStream summed = new DigestInputStream(limit.of(unpacked), Redactor.sha256());
        Tally inside = new Tally();
        String trouble = judge.each(new Pieces(summed, Long.MAX_VALUE), () -> false, judge::judge, counts ->
                counts.forEach(inside::add));
        found.found(shown(name), inside.counts(), mayStay);
        found.wrong(shown(name), trouble.isEmpty() ? "" : "cannot be read: " + trouble);
        return HexFormat.of().formatHex(summed.getMessageDigest().digest());
    }

    /** Its manifest, of the schema that is known here; else a missing node. */
    private JsonNode manifest() {
        ZipEntry entry = zip.getEntry(Summary.MANIFEST);
        try (InputStream stream = entry == null ? InputStream.nullInputStream() : zip.getInputStream(entry)) {
            JsonNode manifest = Json.read(stream.readNBytes(LARGEST_MANIFEST));
            boolean known = manifest.path("schema").asInt() == Summary.SCHEMA;
            return known ? manifest : MissingNode.getInstance();
        } catch (IOException | StackOverflowError e) {
            return MissingNode.getInstance(); // It is as good as none.
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
            new Incident(inside).create();
            Archive.Names names = new Archive.Names();
            Map<String, String> damaged = each((name, unpacked) -> {
                String objection = names.objection(name);
                if (!objection.isEmpty()) {
                    throw new Problem(file + " is not unpacked: the name " + shown(name) + " " + objection);
                }
                try (OutputStream output = Archive.output(inside.resolve(name))) {
                    limit.of(unpacked).transferTo(output);
                }
            });
            if (!damaged.isEmpty()) {
                throw new Problem(file + " is damaged: " + damaged.values().iterator().next());
            }
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
    public static Cleaned redact(Path source, Path target, Policy policy, Limit limit) throws IOException {
        refuse(target, "--out");
        Redactor redactor = new Redactor(policy);
        try (Archive archive = new Archive(target, Long.MAX_VALUE);
                Pipeline pipeline = new Pipeline(redactor, archive);
                Pipeline pages = new Pipeline(redactor.again(), archive)) {
            Sink sink = new Sink(Collector.of("", "", null), pipeline, null, any -> { });
            for (Path file : Systems.found(source, any -> true, sink::remark)) {
                clean(source, file, policy, limit, sink);
            }
            for (Part part : sink.parts) {
                part.finish();
            }
            List<String> leftOut = sink.missing().stream().map(line -> line.replaceFirst("^: ", "")).toList();
            if (sink.parts.isEmpty()) {
                throw new Problem("nothing to clean in " + source + leftOut.stream().map(": "::concat).findFirst()
                        .orElse(""));
            }
            Path copy = archive.folder.resolve("copy");
            if (isZip(target)) {
                Instant now = Instant.now();
                Map<String, Object> about = Json.map("created", now, "kept", policy.keep());
                Archive.write(copy, Summary.withManifest(pages, about, List.of(sink), sink.parts), now);
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
    private static void clean(Path source, Path file, Policy policy, Limit limit, Sink sink) throws IOException {
        String path = (file.equals(source) ? source.getFileName() : source.relativize(file)).toString();
        if (isZip(file)) {
            try (Existing inside = new Existing(file, policy, limit)) {
                inside.each((name, unpacked) -> clean(path.replaceFirst("....$", "/") + name, unpacked, limit, sink))
                        .forEach((name, why) -> sink.remark(path + ", " + name + " left out: " + why));
            }
            return;
        }
        try (InputStream raw = Files.newInputStream(file)) {
            clean(path, raw, limit, sink);
        } catch (IOException e) {
            sink.remark(path + " left out: " + Incident.why(e));
        }
    }

    private static void clean(String name, InputStream raw, Limit limit, Sink sink) throws IOException {
        if (sink.parts.size() >= Systems.MOST_FILES) {
            throw new Problem("more than " + Systems.MOST_FILES + " files at once: name a folder in it");
        }
        try {
            sink.add(name.replace('\\', '/').replaceFirst("(?i)\\.gz$", ""), limit.of(PlainInput.of(raw)),
                    Wanted.EVERYTHING);
        } catch (IOException e) {
            sink.remark(name + " left out: " + Incident.why(e));
        }
    }
}
