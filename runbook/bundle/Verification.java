package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Text.Json;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces;
import runbook.redact.Redactor.Policy;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/**
 * Reads a finished archive back, with another zip reader than the one that wrote it: names, manifest, sums, and whether any
 * secret is in it.
 *
 * @param problems what is wrong with it, a line each
 * @param leaks    file to rule to count, of what should not be in it
 * @param files    how many files it has
 * @param bytes    how large they are unpacked
 */
public record Verification(List<String> problems, Map<String, Map<String, Long>> leaks, int files, long bytes) {
    private static final long LARGEST_MANIFEST = 64 << 20;

    /** Whether nothing was found. */
    public boolean good() {
        return problems.isEmpty() && leaks.isEmpty();
    }

    /**
     * Reads an archive.
     *
     * @param policy what is known; what may stay is taken from the archive's manifest
     * @throws IOException when it is no archive at all, or cannot be read
     */
    public static Verification of(Path file, Policy policy) throws IOException {
        ExecutorService pool = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors(), task -> {
            Thread thread = new Thread(task, "verify");
            thread.setDaemon(true);
            return thread;
        });
        try (ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8)) {
            return new Reading(zip, policy, pool).read();
        } finally {
            pool.shutdownNow();
        }
    }

    private static final class Reading {
        private final ZipFile zip;
        private final Policy policy;
        private final ExecutorService pool;
        private final List<String> problems = new ArrayList<>();
        private final Map<String, Map<String, Long>> leaks = new TreeMap<>();
        private long bytes;

        Reading(ZipFile zip, Policy policy, ExecutorService pool) {
            this.zip = zip;
            this.policy = policy;
            this.pool = pool;
        }

        Verification read() throws IOException {
            JsonNode manifest = manifest();
            Set<String> kept = new HashSet<>();
            manifest.path("kept").forEach(rule -> kept.add(rule.asText()));
            Redactor redactor = new Redactor(policy.keeping(kept));
            Map<String, JsonNode> listed = new HashMap<>();
            manifest.path("files").forEach(entry -> listed.put(entry.path("path").asText(), entry));
            int files = 0;
            Set<String> names = new HashSet<>();
            for (ZipEntry entry : zip.stream().toList()) {
                files++;
                name(entry.getName(), names, redactor);
                String sum = content(entry, redactor);
                JsonNode expected = listed.remove(entry.getName());
                if (expected == null && !entry.getName().equals(Manifest.FILE)) {
                    problems.add(entry.getName() + " is not in the manifest");
                } else if (expected != null && sum != null && !expected.path("sha256").asText().equals(sum)) {
                    problems.add(entry.getName() + " is not what the manifest says: its SHA-256 differs");
                }
            }
            listed.keySet().forEach(missing -> problems.add(missing + " is in the manifest, but not in the archive"));
            return new Verification(problems, leaks, files, bytes);
        }

        private JsonNode manifest() throws IOException {
            ZipEntry entry = zip.getEntry(Manifest.FILE);
            if (entry == null) {
                problems.add("it has no " + Manifest.FILE);
                return Json.object();
            }
            try (InputStream stream = zip.getInputStream(entry)) {
                JsonNode manifest = Json.read(stream.readNBytes((int) LARGEST_MANIFEST));
                if (manifest.path("schema").asInt() != Manifest.SCHEMA) {
                    problems.add("its manifest is of an unknown schema");
                }
                return manifest;
            } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
                problems.add("its manifest is no JSON");
                return Json.object();
            }
        }

        private void name(String name, Set<String> names, Redactor redactor) {
            String clean = redactor.text(name);
            if (!EntryNames.harmless(name)) {
                problems.add("the name " + runbook.Text.safe(clean, 80)
                        + " would leave the folder, or is reserved on some system");
            }
            if (!names.add(name.toLowerCase(java.util.Locale.ROOT))) {
                problems.add("two files are named " + runbook.Text.safe(clean, 80));
            }
            Tally tally = new Tally();
            byte[] data = name.getBytes(StandardCharsets.UTF_8);
            redactor.cleaner(tally).remaining(data, data.length);
            leak("(file names)", tally);
        }

        private void leak(String file, Tally tally) {
            if (tally.total() > 0) {
                tally.counts().forEach((rule, count) -> leaks.computeIfAbsent(file, any -> new TreeMap<>())
                        .merge(rule, count, Long::sum));
            }
        }

        /** Looks through an entry; its SHA-256, or null when it cannot be read. */
        private String content(ZipEntry entry, Redactor redactor) throws IOException {
            Tally tally = new Tally();
            MessageDigest digest = Part.sha256();
            Deque<Future<Integer>> underway = new ArrayDeque<>();
            try (InputStream stream = zip.getInputStream(entry)) {
                Pieces pieces = new Pieces(new Counting(stream, digest), Long.MAX_VALUE);
                for (Piece piece = pieces.next(); piece != null; piece = pieces.next()) {
                    Piece next = piece;
                    underway.add(pool.submit(() -> redactor.cleaner(tally).remaining(next)));
                    if (underway.size() > 4) {
                        underway.poll().get();
                    }
                }
                while (!underway.isEmpty()) {
                    underway.poll().get();
                }
                if (pieces.trouble() != null) {
                    problems.add(entry.getName() + " cannot be read: " + pieces.trouble());
                    return null;
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while reading back");
            } catch (ExecutionException e) {
                problems.add(entry.getName() + " could not be looked through: "
                        + e.getCause().getClass().getSimpleName());
            }
            leak(entry.getName(), tally);
            return HexFormat.of().formatHex(digest.digest());
        }

        /** Counts and sums what is read. */
        private final class Counting extends java.io.FilterInputStream {
            private final MessageDigest digest;

            Counting(InputStream stream, MessageDigest digest) {
                super(stream);
                this.digest = digest;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                int read = in.read(target, offset, length);
                if (read > 0) {
                    bytes += read;
                    digest.update(target, offset, read);
                }
                return read;
            }
        }
    }
}
