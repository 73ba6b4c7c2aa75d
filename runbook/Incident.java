package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import runbook.Text.Json;

/** One incident's folder (0700) with its journal and what each step leaves (0600). */
public final class Incident {
    /** Where incidents are kept when none is named, relative to the current folder. */
    public static final String BASE = "klaviyo-incidents";

    static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    private static final DateTimeFormatter NAME = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    private static final int MOST_IN_A_SECOND = 100;

    private final Path folder;

    private Incident(Path folder) {
        this.folder = folder;
    }

    /** The incident in that folder, which need not exist yet. */
    public static Incident at(Path folder) {
        return new Incident(folder);
    }

    /**
     * A new incident's folder under {@code base}, named by the time. Those who open one within the same second share it, but
     * neither with a drill of another scenario nor with an incident that is closed: then it is named a second later.
     *
     * @param drill which to share, as for {@link #newestOpen}
     */
    public static Incident named(Path base, Instant at, Predicate<String> drill) {
        return IntStream.range(0, MOST_IN_A_SECOND)
                .mapToObj(later -> new Incident(base.resolve(NAME.format(at.plusSeconds(later)))))
                .filter(incident -> incident.free(drill))
                .findFirst()
                .orElseGet(() -> new Incident(base.resolve(NAME.format(at))));
    }

    private boolean free(Predicate<String> drill) {
        try {
            List<Event> events = journal().read().events();
            return events.isEmpty() || open(events) && drill.test(drill(events));
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * The newest incident under {@code base} that nobody closed. Drills and real incidents never mix.
     *
     * @param drill which to look at, by the drill's scenario; that of a real incident is empty
     * @throws IOException when the folder or a journal in it cannot be read
     */
    public static Optional<Incident> newestOpen(Path base, Predicate<String> drill) throws IOException {
        for (Incident incident : newestFirst(base)) {
            List<Event> events = incident.journal().read().events();
            if (open(events) && drill.test(drill(events))) {
                return Optional.of(incident);
            }
        }
        return Optional.empty();
    }

    /**
     * The incidents under {@code base}, open and closed; none when there is no such folder.
     *
     * @throws IOException when the folder cannot be read
     */
    public static List<Incident> newestFirst(Path base) throws IOException {
        if (!Files.isDirectory(base)) {
            return List.of();
        }
        try (Stream<Path> children = Files.list(base)) {
            return children.filter(child -> Files.exists(child.resolve("journal.jsonl")))
                    .sorted(Comparator.comparing((Path child) -> child.getFileName().toString()).reversed())
                    .map(Incident::new)
                    .toList();
        }
    }

    /** The folder. */
    public Path folder() {
        return folder;
    }

    /** Its journal. */
    public Journal journal() {
        return new Journal(folder.resolve("journal.jsonl"));
    }

    /** Whether these events are of an incident that nobody has closed. */
    public static boolean open(List<Event> events) {
        return events.stream().noneMatch(event -> event.event().equals(Event.CLOSED));
    }

    /** Whoever leads by these events: the one named last, else who took it first; empty when nobody did. */
    public static String lead(List<Event> events) {
        return events.stream()
                .map(event -> event.data().path("lead").asText(""))
                .filter(name -> !name.isBlank())
                .reduce((one, later) -> later)
                .or(() -> events.stream()
                        .filter(event -> event.event().equals(Event.ACKNOWLEDGED))
                        .map(event -> event.data().path("by").asText(""))
                        .filter(name -> !name.isBlank())
                        .findFirst())
                .orElse("");
    }

    /** The scenario when these events are a drill's, else empty. */
    public static String drill(List<Event> events) {
        return events.stream().map(Event::drill).filter(name -> !name.isEmpty()).findFirst().orElse("");
    }

    /**
     * Appends to its journal, making the folder first where it is missing.
     *
     * @throws IOException when folder or journal cannot be written
     */
    public void append(Event event) throws IOException {
        create();
        journal().append(event);
    }

    /**
     * Leaves a file in the folder (0600): whole or, on failure, not at all.
     *
     * @return where it is
     * @throws IOException when it cannot be written
     */
    public Path write(String name, byte[] content) throws IOException {
        create();
        Path target = folder.resolve(name);
        Path half = Files.createTempFile(folder, "." + name, ".part", mode("rw-------"));
        try {
            try (FileChannel channel = FileChannel.open(half, StandardOpenOption.WRITE)) {
                ByteBuffer bytes = ByteBuffer.wrap(content);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            return Files.move(half, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(half);
        }
    }

    /**
     * Makes the folder (0700) where it is missing.
     *
     * @throws IOException when it cannot be made
     */
    public void create() throws IOException {
        if (!Files.isDirectory(folder)) {
            Path base = folder.toAbsolutePath().getParent();
            if (base != null && Files.notExists(base)) {
                Files.createDirectories(base, mode("rwx------"));
            }
            Files.createDirectories(folder, mode("rwx------"));
        }
    }

    private static FileAttribute<?>[] mode(String permissions) {
        Set<PosixFilePermission> set = PosixFilePermissions.fromString(permissions);
        return POSIX ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(set)} : new FileAttribute<?>[0];
    }

    /** Why a file operation failed, in words for one line; the exception's message is often the path alone. */
    public static String why(IOException e) {
        if (e instanceof AccessDeniedException) {
            return "no permission: " + e.getMessage();
        }
        if (e instanceof NoSuchFileException) {
            return "no such file or folder: " + e.getMessage();
        }
        return String.valueOf(e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
    }

    @Override
    public String toString() {
        return folder.toString();
    }

    /**
     * One line of the journal.
     *
     * @param at      when it happened, to the millisecond
     * @param step    which script wrote it: {@code triage}, {@code rotate-key}, {@code watch}, …
     * @param event   what it is, one of the names below or any other word
     * @param summary one line for people
     * @param data    more, for the other scripts; an object, possibly empty
     */
    public record Event(Instant at, String step, String event, String summary, JsonNode data) {
        /** An alert fired, or a check failed for the first time. */
        public static final String DETECTED = "detected";
        /** Somebody took it. */
        public static final String ACKNOWLEDGED = "acknowledged";
        /** Triage (or a person) named what is broken. */
        public static final String DIAGNOSED = "diagnosed";
        /** Something was done against its effects. */
        public static final String MITIGATED = "mitigated";
        /** The private key was replaced. */
        public static final String ROTATED = "rotated";
        /** One step of a rotation. */
        public static final String ROTATION_STEP = "rotation-step";
        /** Watch saw it get worse. */
        public static final String DEGRADED = "degraded";
        /** Watch saw it recover. */
        public static final String RECOVERED = "recovered";
        /** Evidence was collected. */
        public static final String BUNDLED = "bundled";
        /** People were told. */
        public static final String ANNOUNCED = "announced";
        /** Anything else worth a line. */
        public static final String NOTE = "note";
        /** The incident is over and written up. */
        public static final String CLOSED = "closed";

        /** An event that happens now. */
        public static Event now(String step, String event, String summary, Map<String, ?> data) {
            return new Event(Instant.now().truncatedTo(ChronoUnit.MILLIS), step, event, summary, Json.of(data));
        }

        /** The scenario when this was written in a drill, else empty. */
        public String drill() {
            return data.path("drill").asText("");
        }

        /** Whether it says that users are affected, now or again: an alert, a fall that watch saw, or a triage of P1 to P3. */
        public boolean failing() {
            return failing(event, data);
        }

        /** The same of an event that was taken apart. A cause that a person names later is no new failure. */
        public static boolean failing(String event, JsonNode data) {
            return event.equals(DETECTED)
                    || event.equals(DEGRADED)
                    || event.equals(DIAGNOSED) && data.path("severity").asText().matches("P[1-3]");
        }

        /** Whether it says that something was done against it. */
        public boolean mitigating() {
            return event.equals(MITIGATED) || event.equals(ROTATED);
        }

        ObjectNode json() {
            return Json.object().put("at", at.toString()).put("step", step).put("event", event)
                    .put("summary", summary).set("data", data);
        }

        /** Reads one line's object; unknown fields are left where they are. */
        static Event of(JsonNode line) {
            JsonNode data = line.path("data");
            return new Event(instant(line.path("at").asText()), line.path("step").asText(), line.path("event").asText(),
                    line.path("summary").asText(), data.isObject() ? data : Json.object());
        }

        private static Instant instant(String text) {
            try {
                return text.length() == 24 && text.charAt(10) == 'T' && text.charAt(19) == '.' && text.charAt(23) == 'Z' ? ours(text)
                        : OffsetDateTime.parse(text).toInstant();
            } catch (DateTimeException | NumberFormatException e) {
                throw new IllegalArgumentException("its time is not ISO 8601");
            }
        }

        // A general parser takes half of the time that reading a long journal takes.
        private static Instant ours(String text) {
            long day = LocalDate.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)).toEpochDay();
            LocalTime time = LocalTime.of(number(text, 11, 13), number(text, 14, 16), number(text, 17, 19));
            return Instant.ofEpochSecond(day * 86_400 + time.toSecondOfDay(), number(text, 20, 23) * 1_000_000L);
        }

        private static int number(String text, int from, int to) {
            return Integer.parseInt(text, from, to, 10);
        }
    }

    /**
     * {@code journal.jsonl}: append-only, one JSON object a line. Appends from many processes at once lose and tear
     * nothing; a line torn by a power cut is reported and skipped, and the next append starts on a line of its own.
     */
    public static final class Journal {
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
}
