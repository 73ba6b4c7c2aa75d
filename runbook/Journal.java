package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.function.Consumer;
import runbook.Text.Json;

/**
 * {@code journal.jsonl}: append-only, one JSON object a line. Appends from many processes at once lose and tear
 * nothing; a line torn by a power cut is reported and skipped, and the next append starts on a line of its own.
 */
public final class Journal {
    /** What reading gave: the events in the order of the file, and a sentence for each line that could not be used. */
    public record Reading(List<Event> events, List<String> problems) { }

    private static final int BATCH = 1_024;

    private final Path file;

    Journal(Path file) {
        this.file = file;
    }

    /** Where it is. */
    public Path file() {
        return file;
    }

    /**
     * Appends one event, forced to the disk. A write that fails half-way (a full disk) is taken back, so that the
     * journal stays valid.
     *
     * @throws IOException when it cannot be written; nothing of the event remains then
     */
    public void append(Event event) throws IOException {
        byte[] line = (Key.mask(Json.line(event.json())) + "\n").getBytes(StandardCharsets.UTF_8);
        // A file lock belongs to the whole process: threads of one process have to take turns first.
        synchronized (Journal.class) {
            try (FileChannel channel = open(); FileLock ignored = channel.lock()) {
                long end = channel.size();
                try {
                    ByteBuffer bytes = endsTorn(channel, end) ? withLineEndBefore(line) : ByteBuffer.wrap(line);
                    channel.position(end);
                    while (bytes.hasRemaining()) {
                        channel.write(bytes);
                    }
                    channel.force(false);
                } catch (IOException e) {
                    channel.truncate(end);
                    throw e;
                }
            }
        }
    }

    private FileChannel open() throws IOException {
        var options = Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        return Incident.POSIX
                ? FileChannel.open(
                        file,
                        options,
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
                : FileChannel.open(file, options);
    }

    private static boolean endsTorn(FileChannel channel, long end) throws IOException {
        ByteBuffer last = ByteBuffer.allocate(1);
        return end > 0 && channel.read(last, end - 1) == 1 && last.get(0) != '\n';
    }

    private static ByteBuffer withLineEndBefore(byte[] line) {
        return ByteBuffer.allocate(line.length + 1).put((byte) '\n').put(line).flip();
    }

    /**
     * Reads it all. A missing journal is an empty one.
     *
     * @throws IOException when it is there and cannot be read
     */
    public Reading read() throws IOException {
        List<Event> events = new ArrayList<>();
        List<String> problems =
                Files.notExists(file) ? List.of() : each(Files.newInputStream(file), file.toString(), events::add);
        return new Reading(events, problems);
    }

    /**
     * Reads a journal without keeping it: for those that grew long, and for copies inside a bundle.
     *
     * @param journal closed at the end
     * @param name    what to call it in the problems
     * @param use     given each event, in the order of the file
     * @return a sentence for each line that could not be used
     * @throws IOException when it cannot be read
     */
    public static List<String> each(InputStream journal, String name, Consumer<Event> use) throws IOException {
        List<String> problems = new ArrayList<>();
        Consumer<List<Line>> take = parsed -> parsed.forEach(line -> {
            line.event.ifPresent(use);
            line.problem.ifPresent(problem -> problems.add(name + " line " + problem));
        });
        try (Lines lines = new Lines(journal)) {
            Batch batch = batch(lines, 0);
            if (batch.lines.size() < BATCH) {
                take.accept(batch.parsed());
            } else {
                inParallel(batch, lines, take);
            }
        }
        return problems;
    }

    // Worth it for a long journal only: a short one is parsed before another thread could begin.
    private static void inParallel(Batch first, Lines lines, Consumer<List<Line>> take) throws IOException {
        ForkJoinPool parsers = new ForkJoinPool();
        Deque<ForkJoinTask<List<Line>>> underway = new ArrayDeque<>();
        for (Batch batch = first; !batch.lines.isEmpty(); batch = batch(lines, batch.before + batch.lines.size())) {
            underway.add(parsers.submit(batch::parsed));
            if (underway.size() > parsers.getParallelism()) {
                take.accept(underway.remove().join());
            }
        }
        underway.forEach(parsed -> take.accept(parsed.join()));
        parsers.shutdown();
    }

    private static Batch batch(Lines lines, int before) throws IOException {
        List<byte[]> batch = new ArrayList<>();
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            batch.add(line);
            if (batch.size() == BATCH) {
                break;
            }
        }
        return new Batch(batch, before);
    }

    /** Some lines of a journal, and how many there are before them. */
    private record Batch(List<byte[]> lines, int before) {
        List<Line> parsed() {
            List<Line> parsed = new ArrayList<>(lines.size());
            for (byte[] line : lines) {
                parsed.add(parse(line, before + parsed.size() + 1));
            }
            return parsed;
        }
    }

    /** A line's event, or what is wrong with it; neither for a blank one. */
    private record Line(Optional<Event> event, Optional<String> problem) { }

    private static Line parse(byte[] line, int number) {
        try {
            JsonNode node = node(line);
            if (!node.isMissingNode() && !node.isObject()) {
                throw new IllegalArgumentException("it is no JSON object");
            }
            return new Line(node.isObject() ? Optional.of(Event.of(node)) : Optional.empty(), Optional.empty());
        } catch (IOException e) {
            return new Line(Optional.empty(), Optional.of(number + " skipped: it is torn or no JSON"));
        } catch (IllegalArgumentException e) {
            return new Line(Optional.empty(), Optional.of(number + " skipped: " + e.getMessage()));
        }
    }

    // A line with bytes that are no UTF-8 is read all the same, with replacement characters in their place.
    private static JsonNode node(byte[] line) throws IOException {
        try {
            return Json.read(line);
        } catch (IOException e) {
            String replaced = new String(line, StandardCharsets.UTF_8);
            if (!replaced.contains("\ufffd")) {
                throw e;
            }
            return Json.read(replaced);
        }
    }
}
