package runbook;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import runbook.Text.Json;
import runbook.redact.Redactor;

/**
 * One incident's folder (0700) with its journal and what each step leaves (0600); and what was seen when all was well.
 */
public final class Incident {
    /** Where incidents are kept when none is named, relative to the current folder. */
    public static final String BASE = "klaviyo-incidents";

    static final boolean POSIX = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    private final Path folder;

    private Incident(Path folder) {
        this.folder = folder;
    }

    /** The incident in that folder, which need not exist yet. */
    public static Incident at(Path folder) {
        return new Incident(folder);
    }

    // ---- which incident

    /**
     * A new incident's folder under {@code base}, named by the time. Those who open one within the same second share
     * it, but neither with a drill of another scenario nor with an incident that is closed: then it is named a second
     * later.
     *
     * @param drill which to share, as for {@link #newestOpen}
     */
    public static Incident named(Path base, Instant at, Predicate<String> drill) {
        DateTimeFormatter name = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
        Incident incident = new Incident(base.resolve(name.format(at)));
        for (int later = 1; later < 100 && !incident.free(drill); later++) {
            incident = new Incident(base.resolve(name.format(at.plusSeconds(later))));
        }
        return incident;
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
                    .map(Incident::new).toList();
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
        String first = "";
        String named = "";
        for (Event event : events) {
            boolean taken = first.isBlank() && event.event().equals(Event.ACKNOWLEDGED);
            first = taken ? event.data().path("by").asText("") : first;
            named = event.data().path("lead").asText("").isBlank() ? named : event.data().path("lead").asText();
        }
        return named.isEmpty() ? first : named;
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
        return replace(folder.resolve(name), content);
    }

    private static Path replace(Path target, byte[] content) throws IOException {
        Path half = Files.createTempFile(target.getParent(), "." + target.getFileName(), ".part", mode("rw-------"));
        try {
            try (FileOutputStream file = new FileOutputStream(half.toFile())) {
                file.write(content);
                file.getFD().sync();
            }
            return Files.move(half, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(half);
        }
    }

    /**
     * Makes the folder, and those above it, (0700) where it is missing.
     *
     * @throws IOException when it cannot be made
     */
    public void create() throws IOException {
        create(folder);
    }

    private static void create(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder, mode("rwx------"));
        }
    }

    /** These permissions for a new file or folder, where there are such. */
    public static FileAttribute<?>[] mode(String permissions) {
        FileAttribute<?> mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
        return POSIX ? new FileAttribute<?>[] {mode} : new FileAttribute<?>[0];
    }

    /** Why a file operation failed, in words for one line; the exception's message is often the path alone. */
    public static String why(IOException e) {
        String kind = e instanceof AccessDeniedException ? "no permission: "
                : e instanceof NoSuchFileException ? "no such file or folder: " : "";
        return kind + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
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

        /**
         * Whether it says that users are affected, now or again: an alert, a fall that watch saw, or a triage of P1 to
         * P3.
         */
        public boolean failing() {
            return failing(event, data);
        }

        /** The same of an event that was taken apart. A cause that a person names later is no new failure. */
        public static boolean failing(String event, JsonNode data) {
            return event.equals(DETECTED) || event.equals(DEGRADED)
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
                return text.endsWith("Z") ? Instant.parse(text) : OffsetDateTime.parse(text).toInstant();
            } catch (DateTimeException e) {
                throw new IllegalArgumentException("its time is not ISO 8601");
            }
        }
    }

    /**
     * {@code journal.jsonl}: append-only, one JSON object a line. Appends from many processes at once lose and tear
     * nothing; a line torn by a power cut is reported and skipped, and the next append starts on a line of its own.
     * However long it is, reading it takes little memory: of a long one the beginning and the newest events are read,
     * and the rest is counted.
     */
    public static final class Journal {
        private static final int LONGEST_LINE = 1 << 20;
        private static final long FIRST = 64 << 10;

        /**
         * What reading gave: the events in the order of the file, and a sentence for each line that could not be used.
         */
        public record Reading(List<Event> events, List<String> problems) { }

        private final Path file;

        Journal(Path file) {
            this.file = file;
        }

        /** Where it is. */
        public Path file() {
            return file;
        }

        /**
         * Appends one event, forced to the disk. Texts from outside lose whatever is secret or personal on their way
         * in. A write that fails half-way (a full disk) is taken back, so that the journal stays valid.
         *
         * @throws IOException when it cannot be written; nothing of the event remains then
         */
        public void append(Event event) throws IOException {
            String line = Key.mask(Json.line(redacted(event.json()))) + "\n";
            // A file lock belongs to the whole process: threads of one process have to take turns first.
            synchronized (Journal.class) {
                try (FileChannel channel = open(); FileLock ignored = channel.lock()) {
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

        private FileChannel open() throws IOException {
            refuseOther();
            return FileChannel.open(file, Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ,
                    StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS), mode("rw-------"));
        }

        // A link could lead anywhere, and a pipe would be waited for.
        private void refuseOther() throws IOException {
            LinkOption itself = LinkOption.NOFOLLOW_LINKS;
            if (Files.exists(file, itself) && !Files.isRegularFile(file, itself)) {
                String what = Files.isSymbolicLink(file) ? "a symbolic link" : "no regular file";
                throw new IOException(file + " is " + what + ": a journal has to be a file of its own");
            }
        }

        /**
         * The same tree without what is secret or personal. What we are to do by hand stays as it is; whoever writes a
         * command keeps secrets out of it.
         */
        public static JsonNode redacted(JsonNode node) {
            if (node instanceof ObjectNode object) {
                object.properties().forEach(field -> {
                    if (!field.getKey().equals("command")) {
                        field.setValue(redacted(field.getValue()));
                    }
                });
            } else if (node instanceof ArrayNode array) {
                for (int i = 0; i < array.size(); i++) {
                    array.set(i, redacted(array.get(i)));
                }
            }
            return node.isTextual() ? Json.of(Redactor.strict().text(node.textValue())) : node;
        }

        /**
         * Reads it: all of it, or the beginning and the newest 4 MiB. A missing journal is an empty one.
         *
         * @throws IOException when it is there and cannot be read
         */
        public Reading read() throws IOException {
            List<Event> events = new ArrayList<>();
            return new Reading(events, each(4 << 20, events::add));
        }

        /**
         * Reads it without keeping it: all of it, or the beginning and the newest 32 MiB.
         *
         * @param use given each event, in the order of the file
         * @return a sentence for each line that could not be used, and one for those that were only counted
         * @throws IOException when it is there and cannot be read
         */
        public List<String> each(Consumer<Event> use) throws IOException {
            return each(32 << 20, use);
        }

        private List<String> each(long newest, Consumer<Event> use) throws IOException {
            refuseOther();
            return Files.notExists(file) ? List.of()
                    : each(Files.newInputStream(file), file.toString(), Files.size(file) - newest, use);
        }

        /**
         * Reads a journal's copy to its end, without keeping it.
         *
         * @param journal closed at the end
         * @param name    what to call it in the problems
         */
        public static List<String> each(InputStream journal, String name, Consumer<Event> use) throws IOException {
            return each(journal, name, 0, use);
        }

        private static List<String> each(InputStream journal, String name, long from, Consumer<Event> use)
                throws IOException {
            List<String> problems = new ArrayList<>();
            try (journal) {
                Lines lines = new Lines(journal);
                for (byte[] line = lines.next(LONGEST_LINE + 1); line != null; line = lines.next(LONGEST_LINE + 1)) {
                    String wrong = line.length > LONGEST_LINE ? "it is longer than 1 MiB" : take(line, use);
                    if (!wrong.isEmpty() && problems.size() < 1_000) {
                        problems.add(name + " line " + lines.number + " skipped: " + wrong);
                    }
                    if (lines.position > FIRST && lines.position < from) {
                        long last = lines.number;
                        while (lines.position < from && lines.next(0) != null) {
                            // Counted.
                        }
                        problems.add(name + " is long: after line " + last + ", " + Text.count(lines.number - last,
                                "line") + " were counted and not read; what came last is here");
                    }
                }
            }
            return problems;
        }

        // A line with bytes that are no UTF-8 is read all the same, with replacement characters in their place.
        private static String take(byte[] line, Consumer<Event> use) {
            try {
                JsonNode node = node(line);
                if (node.isObject()) {
                    use.accept(Event.of(node));
                }
                return node.isObject() || node.isMissingNode() ? "" : "it is no JSON object";
            } catch (IOException | StackOverflowError e) {
                return "it is torn or no JSON";
            } catch (IllegalArgumentException e) {
                return e.getMessage();
            }
        }

        private static JsonNode node(byte[] line) throws IOException {
            try {
                return Json.read(line);
            } catch (IOException e) {
                String replaced = new String(line, UTF_8);
                if (!replaced.contains("\ufffd")) {
                    throw e;
                }
                return Json.read(replaced);
            }
        }
    }

    /** A file's lines as bytes: a JSON parser reads those twice as fast as text that was decoded for it. */
    private static final class Lines {
        private final InputStream file;
        private final byte[] buffer = new byte[1 << 16];
        private int from;
        private int to;
        private long number;
        /** Bytes of the file up to the end of the last line. */
        private long position;

        Lines(InputStream file) {
            this.file = file;
        }

        /** The next line without its line end, at most so many bytes of it; null after the last. */
        byte[] next(int most) throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream(Math.min(most, 256));
            long start = position;
            while (from < to || fill()) {
                int begin = from;
                while (from < to && buffer[from] != '\n') {
                    from++;
                }
                line.write(buffer, begin, Math.min(from - begin, most - line.size()));
                position += from - begin;
                if (from < to) {
                    from++;
                    position++;
                    break;
                }
            }
            number += position > start ? 1 : 0;
            return position > start ? line.toByteArray() : null;
        }

        private boolean fill() throws IOException {
            from = 0;
            to = Math.max(0, file.read(buffer));
            return to > 0;
        }
    }

    // ---- what the events add up to

    /** A key that was replaced by another, by their fingerprints. */
    public record Replaced(String old, String by, Instant at) { }

    /**
     * Where an incident stands by its events, folded once.
     *
     * @param began     the first event's time
     * @param last      the last one's
     * @param closed    whether somebody closed it
     * @param drill     the drill's scenario, empty in earnest
     * @param lead      who leads, empty when nobody does
     * @param failing   since when users are affected; empty when they are not, or no longer
     * @param recovered when it last worked again
     * @param relapses  how often it failed again after a recovery
     * @param diagnosis the last diagnosis, {@code indeterminate} before there was one
     * @param severity  its severity, {@code P1} to {@code P4}, or empty
     * @param judged    events with a severity since it last recovered
     * @param done      what was done against it
     * @param told      who was told what, and when
     * @param replaced  keys that were replaced, oldest first
     */
    public record State(Optional<Instant> began, Optional<Instant> last, boolean closed, String drill, String lead,
                        Optional<Instant> failing, Optional<Instant> recovered, int relapses, String diagnosis,
                        String severity, List<Event> judged, List<Event> done, List<Event> told,
                        List<Replaced> replaced) {
        private static final Pattern KEYS = Pattern.compile("sha256 ([0-9a-f]{8}) -> sha256 ([0-9a-f]{8})");

        /** Folds the events of a journal. */
        public static State of(List<Event> events) {
            Instant failing = null;
            Instant recovered = null;
            int relapses = 0;
            String diagnosis = "indeterminate";
            String severity = "";
            List<Event> judged = new ArrayList<>();
            List<Replaced> replaced = new ArrayList<>();
            for (Event event : events) {
                String named = event.data().path("severity").asText("");
                if (event.failing()) {
                    relapses += failing == null && recovered != null ? 1 : 0;
                    failing = failing == null ? event.at() : failing;
                } else if (event.event().equals(Event.RECOVERED)) {
                    failing = null;
                    recovered = event.at();
                    judged.clear();
                }
                if (named.matches("P[1-4]")) {
                    judged.add(event);
                }
                if (event.data().path("diagnosis").isTextual() && !event.event().equals(Event.NOTE)) {
                    diagnosis = event.data().path("diagnosis").textValue();
                    severity = named.matches("P[1-4]") ? named : "";
                }
                Matcher keys = KEYS.matcher(event.event().equals(Event.ROTATED) ? event.summary() : "");
                if (keys.find()) {
                    replaced.add(new Replaced(keys.group(1), keys.group(2), event.at()));
                }
            }
            List<Instant> times = events.stream().map(Event::at).sorted().toList();
            return new State(times.stream().findFirst(), times.stream().skip(Math.max(0, times.size() - 1)).findFirst(),
                    !open(events), Incident.drill(events), Incident.lead(events), Optional.ofNullable(failing),
                    Optional.ofNullable(recovered), relapses, diagnosis, severity, judged,
                    events.stream().filter(Event::mitigating).toList(),
                    events.stream().filter(event -> event.event().equals(Event.ANNOUNCED)).toList(), replaced);
        }

        /**
         * Since when it has been this bad or worse, without a recovery in between; {@code otherwise} when it was not
         * before.
         */
        public Instant since(String level, Instant otherwise) {
            return judged.stream().filter(event -> event.data().path("severity").asText().compareTo(level) <= 0)
                    .map(Event::at).filter(at -> at.isBefore(otherwise)).min(Comparator.naturalOrder())
                    .orElse(otherwise);
        }

        /** When the key with this fingerprint was replaced and did not come back; empty when no rotation says so. */
        public Optional<Instant> replacedAt(String fingerprint) {
            Instant at = null;
            for (Replaced one : replaced) {
                if (one.old.equals(fingerprint) || one.by.equals(fingerprint)) {
                    at = one.old.equals(fingerprint) ? one.at : null;
                }
            }
            return Optional.ofNullable(at);
        }
    }

    /**
     * What was seen when all was well, one for each account, in {@code klaviyo-runbook/last-good.json} of the user's
     * state folder ({@code XDG_STATE_HOME}, else {@code ~/.local/state}; 0600 in 0700). Nothing in it is secret.
     *
     * @param account      the account's id
     * @param organisation its name
     * @param scopes       those that were seen to work
     * @param at           when
     * @param keys         fingerprints of the keys that worked, the newest first, each with when it was first seen
     */
    public record LastGood(String account, String organisation, Set<String> scopes, Instant at,
                           Map<String, Instant> keys) {
        private static final int MOST = 10;

        // Nothing where there is no such file, or none that can be read.
        private static List<LastGood> read(Path file) {
            List<LastGood> all = new ArrayList<>();
            try {
                boolean fit = Files.isRegularFile(file) && Files.size(file) < 1 << 20;
                for (JsonNode one : fit ? Json.read(Files.readAllBytes(file)).path("accounts") : Json.object()) {
                    Set<String> scopes = new TreeSet<>();
                    one.path("scopes").forEach(scope -> scopes.add(Text.safe(scope.asText(), 60)));
                    Map<String, Instant> keys = new LinkedHashMap<>();
                    one.path("keys").forEach(key -> keys.put(Text.safe(key.path("sha256").asText(), 8), at(key)));
                    String name = Text.safe(one.path("name").asText(), 60);
                    all.add(new LastGood(Text.safe(one.path("id").asText(), 20), name, scopes, at(one), keys));
                }
            } catch (IOException | DateTimeException e) {
                // Somebody's editor was there: it is written anew the next time that all is well.
            }
            return all;
        }

        private static Instant at(JsonNode node) {
            return Instant.parse(node.path("at").asText());
        }

        /** What is remembered of the account for which this key worked, be it the newest that did or an older one. */
        public static Optional<LastGood> of(Cli.Host host, Key key) {
            String fingerprint = key.cleaned().fingerprint();
            return read(file(host)).stream().filter(one -> one.keys.containsKey(fingerprint)).findFirst();
        }

        /** When another key took this one's place: first worked after it; empty when none did. */
        public Optional<Instant> replacedAt(Key key) {
            String fingerprint = key.cleaned().fingerprint();
            Instant newer = null;
            for (Map.Entry<String, Instant> one : keys.entrySet()) {
                if (one.getKey().equals(fingerprint)) {
                    return Optional.ofNullable(newer);
                }
                newer = one.getValue();
            }
            return Optional.empty();
        }

        /**
         * Remembers that all is well now, with this key.
         *
         * @throws IOException when the user's state folder cannot be written
         */
        public static void remember(Cli.Host host, String account, String organisation, Set<String> scopes, Key key,
                                    Instant now) throws IOException {
            List<LastGood> all = read(file(host));
            Map<String, Instant> before = all.stream().filter(one -> one.account.equals(account)).findFirst()
                    .map(LastGood::keys).orElse(Map.of());
            String fingerprint = key.cleaned().fingerprint();
            Map<String, Instant> keys = new LinkedHashMap<>(Map.of(fingerprint, before.getOrDefault(fingerprint, now)));
            before.entrySet().stream().limit(MOST).forEach(known -> keys.putIfAbsent(known.getKey(), known.getValue()));
            all.removeIf(one -> one.account.equals(account));
            all.add(0, new LastGood(account, organisation, scopes, now, keys));
            create(file(host).getParent());
            List<Map<String, Object>> accounts = all.stream().limit(MOST).map(LastGood::plain).toList();
            String json = Json.pretty(Json.of(Map.of("schema", 1, "accounts", accounts)));
            replace(file(host), (json + "\n").getBytes(UTF_8));
        }

        private Map<String, Object> plain() {
            return Map.of("id", account, "name", organisation, "scopes", new TreeSet<>(scopes), "at", at, "keys",
                    keys.entrySet().stream().map(key -> Map.of("sha256", key.getKey(), "at", key.getValue())).toList());
        }

        private static Path file(Cli.Host host) {
            return folder(host).resolve("last-good.json");
        }

        /** This toolkit's folder in the user's state folder. */
        public static Path folder(Cli.Host host) {
            Path state = host.env("XDG_STATE_HOME").map(Path::of).filter(Path::isAbsolute)
                    .orElse(host.home().resolve(".local/state"));
            return state.resolve("klaviyo-runbook");
        }
    }
}
