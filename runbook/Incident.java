package runbook;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
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
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;

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
}
