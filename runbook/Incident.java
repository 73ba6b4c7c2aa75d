package runbook;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.Text.Json;
import runbook.redact.*;

/** One incident's folder (0700), which need not exist yet, with its journal and what each step leaves (0600). */
public record Incident(Path folder) {
    /** Where incidents are kept when none is named, relative to the current folder. */
    public static final String BASE = "klaviyo-incidents";
    private static final String JOURNAL = "journal.jsonl";
    private static final Map<Class<?>, String> WHY = Map.of(AccessDeniedException.class, "no permission: ",
            NoSuchFileException.class, "no such file or folder: ", NotDirectoryException.class, "no folder: ",
            MalformedInputException.class, "no text in UTF-8: ");
    private static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");

    // ---- which incident

    /**
     * The incidents under a folder, each in one of its own named by its time, and the one that somebody named, or null.
     * Drills and real ones never mix: only those of this drill's scenario count, or, where it is empty, real ones.
     */
    public record Choice(Path base, Path named, String drill) {
        /** The one that was named, else the newest open one that had an event within a day. */
        public Optional<Incident> current() throws IOException {
            Instant dayAgo = Instant.now().minus(Duration.ofDays(1));
            return newest(events -> Incident.open(events) && events.stream().anyMatch(one -> one.at().isAfter(dayAgo)));
        }

        /** The same, however old it is: a postmortem is written days later. */
        public Optional<Incident> open() throws IOException {
            return newest(Incident::open);
        }

        /** The same, else the newest that somebody closed: to be read. */
        public Optional<Incident> toRead() throws IOException {
            Optional<Incident> open = open();
            return open.isPresent() ? open : newest(events -> true);
        }

        /** Where none is joined, the open one beside that which was named, perhaps mistyped, or is too old. */
        public Optional<Incident> beside() throws IOException {
            boolean joined = current().filter(one -> Files.exists(one.journal().file())).isPresent();
            Path around = named == null ? base : named.toAbsolutePath().getParent();
            return joined || around == null ? Optional.empty() : new Choice(around, null, drill).open();
        }

        /** The one that somebody has opened by now, else a new one. */
        public Incident opened(Instant at) {
            String name = at.truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "");
            Incident incident = new Incident(base.resolve(name));
            try {
                Optional<Incident> open = current();
                boolean free = incident.journal().read().events().isEmpty();
                return open.isPresent() || free ? open.orElse(incident) : opened(at.plusSeconds(1));
            } catch (IOException e) {
                return incident; // Whoever writes there is told why that cannot be done.
            }
        }

        private Optional<Incident> newest(Predicate<List<Event>> wanted) throws IOException {
            if (named != null || !Files.isDirectory(base)) {
                return Optional.ofNullable(named).map(Incident::new);
            }
            try (Stream<Path> folders = Files.list(base)) {
                for (Path folder : folders.sorted(Comparator.reverseOrder()).toList()) {
                    Incident incident = new Incident(folder);
                    boolean one = Files.exists(incident.journal().file());
                    List<Event> events = one ? incident.journal().read().events() : List.of();
                    boolean ours = scenario(Incident.drill(events)).equals(scenario(drill));
                    if (one && ours && wanted.test(events)) {
                        return Optional.of(incident);
                    }
                }
                return Optional.empty();
            } catch (IOException e) {
                throw new IOException(base + " cannot be searched for the incident (" + why(e)
                        + "): make it readable, or name one by --incident DIR", e);
            }
        }
    }

    /** A drill's scenario, without what follows it after a colon. */
    static String scenario(String drill) {
        return drill.split(":", 2)[0];
    }

    /** Its journal. */
    public Journal journal() {
        return journal(JOURNAL);
    }

    /** A file of its folder that is written and read as the journal is. */
    public Journal journal(String name) {
        return new Journal(folder.resolve(name));
    }

    /** Whether these events are of an incident that nobody has closed. */
    static boolean open(List<Event> events) {
        return events.stream().noneMatch(event -> event.event().equals(Event.CLOSED));
    }

    /** Whoever leads by these events: who was named, or took it, last; empty when nobody did. */
    public static String lead(List<Event> events) {
        return events.stream().sorted(Comparator.comparing(Event::at)).map(Event::lead)
                .filter(name -> !name.isEmpty()).reduce("", (before, last) -> last);
    }

    /**
     * The diagnosis of our checks that these events are about: the most severe; of equals the last, the best known, but
     * none of what was found once something was done against it, or of an application that has yet to be restarted.
     */
    public static Optional<Event> worst(List<Event> events) {
        Event worst = null;
        boolean acted = false;
        for (Event event : events) {
            String diagnosis = event.data().path("diagnosis").asText();
            int less = worst == null ? -1 : event.level().compareTo(worst.level());
            boolean counts = less < 0 || less == 0 && !acted && !diagnosis.equals("stale-app-key");
            if (counts && event.event().equals(Event.DIAGNOSED) && !diagnosis.isEmpty()) {
                worst = event;
            }
            acted |= event.mitigating() || event.event().equals(Event.RECOVERED);
        }
        return Optional.ofNullable(worst);
    }

    /** The scenario when these events are a drill's, else empty. */
    public static String drill(List<Event> events) {
        return events.stream().map(Event::drill).filter(name -> !name.isEmpty()).findFirst().orElse("");
    }

    // ---- what is left in it

    /** Appends to its journal, making the folder first where it is missing. */
    public void append(Event event) throws IOException {
        create();
        journal().append(event);
    }

    /** Leaves a file in the folder (0600), whole or, on failure, not at all; says where it is. */
    public Path write(String name, byte[] content) throws IOException {
        create();
        Path half = Files.createTempFile(folder, "." + name, ".part", mode("rw-------"));
        try {
            try (FileOutputStream file = new FileOutputStream(half.toFile())) {
                file.write(content);
                file.getFD().sync();
            }
            return Files.move(half, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(half);
        }
    }

    /** Makes the folder, and those above it, (0700) where it is missing. */
    public void create() throws IOException {
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder, mode("rwx------"));
        }
    }

    /**
     * Locks a file (0600, made where it is missing, and its folder too) until the channel is closed; empty while
     * somebody else holds it. The operating system's lock ends with the process, however that ends.
     */
    public static Optional<FileChannel> lock(Path file) throws IOException {
        new Incident(file.toAbsolutePath().getParent()).create();
        FileChannel channel = FileChannel.open(file,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), mode("rw-------"));
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                channel.close();
            }
            return Optional.ofNullable(lock).map(any -> channel);
        } catch (OverlappingFileLockException e) {
            // Another thread of this process holds it. Closing the channel would end that lock too.
            return Optional.empty();
        }
    }

    /** These permissions for a new file or folder, where there are such. */
    public static FileAttribute<?>[] mode(String permissions) {
        FileAttribute<?> mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
        return POSIX ? new FileAttribute<?>[] {mode} : new FileAttribute<?>[0];
    }

    /** Why a file operation failed, in words for one line; the exception's message is often the path alone. */
    public static String why(IOException e) {
        String said = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        return WHY.getOrDefault(e.getClass(), "") + said;
    }

    @Override
    public String toString() {
        return folder.toString();
    }

    /**
     * One line of the journal: when it happened, to the millisecond; which script wrote it; what it is, one of the
     * names below or any other word; one line for people; and an object with more for the other scripts, maybe empty.
     */
    public record Event(Instant at, String step, String event, String summary, JsonNode data) {
        public static final String DETECTED = "detected"; // an alert fired, or a check failed for the first time
        public static final String ACKNOWLEDGED = "acknowledged"; // somebody took it
        public static final String DIAGNOSED = "diagnosed"; // what is broken was named
        public static final String MITIGATED = "mitigated"; // something was done against its effects
        public static final String ROTATED = "rotated"; // the private key was replaced, in these steps:
        public static final String ROTATION_STEP = "rotation-step";
        public static final String DEGRADED = "degraded"; // watch saw it get worse
        public static final String RECOVERED = "recovered"; // watch saw it recover
        public static final String BUNDLED = "bundled"; // evidence was collected
        public static final String ANNOUNCED = "announced"; // people were told
        public static final String NOTE = "note"; // anything else
        public static final String CLOSED = "closed"; // it is over and written up

        /** An event that happens now. */
        public static Event now(String step, String event, String summary, Map<String, ?> data) {
            return new Event(Instant.now().truncatedTo(ChronoUnit.MILLIS), step, event, summary, Json.of(data));
        }

        /** The same in that drill; in earnest where it is empty. */
        public Event in(String drill) {
            ObjectNode all = data.deepCopy();
            return new Event(at, step, event, summary, drill.isEmpty() ? all : all.put("drill", drill));
        }

        /** The scenario when this was written in a drill, else empty. */
        public String drill() {
            return data.path("drill").asText("");
        }

        /** Whether users are affected, now or again: an alert, a fall that watch saw, or a triage of P1 to P3. */
        public boolean failing() {
            // A cause that a person names later is no new failure.
            return event.equals(DETECTED) || event.equals(DEGRADED)
                    || event.equals(DIAGNOSED) && severity().matches("P[1-3]");
        }

        /** Whether it says that something was done against it. */
        public boolean mitigating() {
            return event.equals(MITIGATED) || event.equals(ROTATED);
        }

        // Whoever takes an incident leads it, unless it says who does.
        private String lead() {
            String taker = event.equals(ACKNOWLEDGED) ? data.path("by").asText() : "";
            return data.path("lead").asText(taker).strip();
        }

        // Triage knows from a log when it began, and watch when it saw the first failure.
        private Instant began() {
            return time("firstFailure").or(() -> time("since")).filter(at::isAfter).orElse(at);
        }

        /** A time among its data; empty where there is none. */
        public Optional<Instant> time(String name) {
            try {
                return Optional.of(data.path(name).asText()).filter(text -> text.endsWith("Z")).map(Instant::parse);
            } catch (DateTimeException e) {
                return Optional.empty();
            }
        }

        /** {@code P1} to {@code P4}, or empty. */
        public String severity() {
            String named = data.path("severity").asText();
            return named.matches("P[1-4]") ? named : "";
        }

        private String level() {
            return severity().isEmpty() ? "P9" : severity();
        }

        /** It as a line's object; what comes from outside loses whatever is secret or personal on its way in. */
        JsonNode json() {
            return Journal.redacted(Json.object().put("at", at.toString()).put("step", step).put("event", event)
                    .put("summary", summary).set("data", data));
        }

        /** Reads one line's object; unknown fields are left where they are. */
        static Event of(JsonNode line) {
            JsonNode data = line.path("data");
            return new Event(OffsetDateTime.parse(line.path("at").asText()).toInstant(), line.path("step").asText(),
                    line.path("event").asText(), line.path("summary").asText(), data.isObject() ? data : Json.object());
        }
    }

    /**
     * {@code journal.jsonl}: append-only, one JSON object a line. Appends from many processes at once lose and tear
     * nothing; a line torn by a power cut is reported and skipped, and the next append starts on a line of its own.
     * However long it is, reading it takes little memory and time.
     */
    public record Journal(Path file) {
        private static final int NEWEST = 6 << 20;
        private static final int MOST_PROBLEMS = 1_000;

        /** Appends one event, forced to the disk. A write that fails half-way (a full disk) is taken back. */
        public void append(Event event) throws IOException {
            refuseOther();
            String line = Key.mask(Json.line(event.json())) + "\n";
            Set<OpenOption> options = Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ,
                    StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
            // A file lock belongs to the whole process: threads of one process have to take turns first.
            synchronized (Journal.class) {
                try (FileChannel channel = FileChannel.open(file, options, mode("rw-------"));
                        FileLock ignored = channel.lock()) {
                    long end = channel.size();
                    try {
                        ByteBuffer last = ByteBuffer.allocate(1);
                        boolean torn = end > 0 && channel.read(last, end - 1) == 1 && last.get(0) != '\n';
                        channel.position(end);
                        Channels.newOutputStream(channel).write(((torn ? "\n" : "") + line).getBytes(UTF_8));
                        channel.force(false);
                    } catch (IOException e) {
                        channel.truncate(end);
                        throw e;
                    }
                }
            }
        }

        // A link could lead anywhere, and a pipe would be waited for.
        private void refuseOther() throws IOException {
            boolean link = Files.isSymbolicLink(file);
            if (link || Files.exists(file) && !Files.isRegularFile(file)) {
                throw new IOException(file + " is " + (link ? "a symbolic link" : "no regular file")
                        + ": a journal has to be a file of its own");
            }
        }

        /**
         * The same tree without what is secret or personal. What we are to do by hand stays as it is; whoever writes a
         * command keeps secrets out of it.
         */
        public static JsonNode redacted(JsonNode node) {
            if (node instanceof ObjectNode object) {
                object.properties().stream().filter(field -> !field.getKey().equals("command"))
                        .forEach(field -> field.setValue(redacted(field.getValue())));
            } else if (node instanceof ArrayNode array) {
                IntStream.range(0, array.size()).forEach(i -> array.set(i, redacted(array.get(i))));
            }
            return node.isTextual() ? Json.of(Redactor.strict().text(node.textValue())) : node;
        }

        /** Reads it, or, where it is long, its newest 6 MiB. A missing journal is an empty one. */
        public Reading read() throws IOException {
            refuseOther();
            Reading reading = new Reading(new ArrayList<>(), new ArrayList<>());
            long unread = Files.exists(file) ? Math.max(0, Files.size(file) - NEWEST) : 0;
            String place = file + (unread > 0 ? ", in its newest part, line " : " line ");
            // Bytes that are no UTF-8 become replacement characters.
            try (InputStream input = Files.exists(file) ? Files.newInputStream(file) : InputStream.nullInputStream()) {
                input.skipNBytes(unread);
                String text = new String(input.readNBytes(NEWEST), UTF_8);
                int number = 0;
                // One line after the other: as many copies at once as it is long have no room in a small heap.
                for (String line : (Iterable<String>) text.lines()::iterator) {
                    number++;
                    boolean cut = unread > 0 && number == 1;
                    String wrong = cut ? "the " + (unread >> 20) + " MiB up to its end were not read"
                            : take(line, reading);
                    if (!wrong.isEmpty() && reading.problems.size() < MOST_PROBLEMS) {
                        reading.problems.add(place + number + " skipped: " + wrong);
                    }
                }
            }
            return reading;
        }

        private static String take(String line, Reading reading) {
            try {
                JsonNode node = Json.read(line);
                if (node.isObject()) {
                    reading.events.add(Event.of(node));
                }
                return node.isObject() || node.isMissingNode() ? "" : "it is no JSON object";
            } catch (IOException e) {
                return "it is torn, no JSON, or has a field twice";
            } catch (DateTimeException e) {
                return "its time is not ISO 8601";
            }
        }
    }

    /** The events of a journal in its order, and a sentence for each line that could not be used. */
    public record Reading(List<Event> events, List<String> problems) { }

    /**
     * Where an incident stands by its events: since when users are affected, empty when they are not or no longer; the
     * last diagnosis, {@code indeterminate} before there was one; and its severity, {@code P1} to {@code P4}, or empty.
     */
    public record State(List<Event> events, Optional<Instant> failing, String diagnosis, String severity) {
        /** Folds the events of a journal. */
        public static State of(List<Event> events) {
            Optional<Instant> failing = sinceRecovery(events).filter(Event::failing).map(Event::at).findFirst();
            Optional<Event> named = events.stream().filter(event -> !event.event().equals(Event.NOTE)
                    && event.data().path("diagnosis").isTextual()).reduce((one, later) -> later);
            return new State(events, failing, named.map(event -> event.data().path("diagnosis").textValue())
                    .orElse("indeterminate"), named.map(Event::severity).orElse(""));
        }

        private static Stream<Event> sinceRecovery(List<Event> events) {
            return events.stream().skip(1 + events.stream().map(Event::event).toList().lastIndexOf(Event.RECOVERED));
        }

        /** The first event's time, or when what it tells of had begun. */
        public Optional<Instant> began() {
            return events.stream().map(Event::began).min(Instant::compareTo);
        }

        /** When people were told. */
        public List<Event> told() {
            return events.stream().filter(event -> event.event().equals(Event.ANNOUNCED)).toList();
        }

        /** Since when it has been this bad or worse, without a recovery in between; {@code otherwise} if it was not. */
        Instant since(String level, Instant otherwise) {
            return sinceRecovery(events).filter(event -> event.level().compareTo(level) <= 0)
                    .map(Event::at).filter(otherwise::isAfter).min(Instant::compareTo).orElse(otherwise);
        }

        /** When the key with this fingerprint was replaced and did not come back; empty when no rotation says so. */
        Optional<Instant> replacedAt(String fingerprint) {
            return events.stream().filter(event -> event.event().equals(Event.ROTATED))
                    .filter(event -> event.summary().contains("sha256 " + fingerprint)).reduce((one, later) -> later)
                    .filter(last -> last.summary().contains(fingerprint + " -> ")).map(Event::at);
        }
    }
}
