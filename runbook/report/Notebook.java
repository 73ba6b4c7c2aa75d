package runbook.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Settings.Times;
import runbook.Text.Json;
import runbook.redact.*;

/**
 * An incident's journal as people write in it, and carry it to another machine; nothing secret in it. It has what the
 * journal held when it was opened and what was added since, a sentence for each line that could not be used, and the
 * drill's scenario, empty in earnest.
 */
public record Notebook(Incident incident, List<Event> events, List<String> problems, String drill) {
    private static final int LONGEST_TEXT = 1_000;
    private static final int LONGEST_NAME = 80;

    /** Opens it, or a {@link Problem}; a missing journal is an empty one, of the drill that is on. */
    public static Notebook of(Incident incident, Optional<String> drill) {
        try {
            Incident.Reading journal = incident.journal().read();
            String recorded = Incident.drill(journal.events());
            return new Notebook(incident, journal.events(), journal.problems(),
                    journal.events().isEmpty() ? drill.orElse("") : recorded);
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be read: " + Incident.why(e));
        }
    }

    public Optional<Instant> began() {
        return Incident.State.of(events).began();
    }

    /** When somebody closed it, for the last time. */
    public Optional<Instant> closed() {
        return events.stream().filter(event -> event.event().equals(Event.CLOSED)).map(Event::at)
                .reduce((one, later) -> later);
    }

    /** Adds what somebody said, redacted, and who that was; returns it as it was written down. */
    public String tell(Instant at, String kind, String text, ObjectNode data, Optional<String> by) {
        String said = Redactor.strict().text(Text.safe(text, LONGEST_TEXT));
        by.ifPresent(name -> data.put("by", name(name)));
        append(new Event(at, "postmortem", kind, said, data));
        return said;
    }

    /** Writes down who leads, unless the journal has that already. */
    public void lead(Instant at, String given) {
        String name = name(given);
        if (!Incident.lead(events).equals(name)) {
            tell(at, Event.NOTE, name + " leads the incident", Json.object().put("lead", name), Optional.empty());
        }
    }

    /** A name as people are asked for it: one line, without the @ of a mention. */
    public static String name(String given) {
        return Text.safe(given, LONGEST_NAME).replaceFirst("^@+", "");
    }

    private void append(Event event) {
        Event whole = event.in(drill);
        try {
            incident.append(whole);
            events.add(whole);
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be written: " + Incident.why(e));
        }
    }

    // ---- events from elsewhere

    // Names of columns in the usual spellings, and where Slack and a journal have them.
    private static final List<String> TIME = List.of("at", "time", "timestamp", "date", "datetime", "ts");
    private static final List<String> TEXT = List.of("text", "summary", "message", "event text", "description", "what");
    private static final List<String> BY = List.of("/user_profile/display_name", "/user_profile/real_name", "/data/by",
            "by", "author", "who", "name", "username", "user");
    private static final List<String> KIND = List.of("kind", "event");

    /** What came of a file's rows: how many are events, how many of these are new, and why a row could not be used. */
    public record Taken(int events, int added, List<String> problems) { }

    /**
     * Takes the events of a channel's day of a Slack export (a JSON array of messages), CSV with a header, or JSON
     * Lines that are not earlier or later than wanted, and not there yet; none can be later than now. When it cannot be
     * read, or is none of the three, that is a {@link Problem}, and nothing is taken.
     */
    public Taken take(Path file, Instant first, Instant last, Instant now) {
        List<Event> read = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        int number = 0;
        for (JsonNode row : rows(file)) {
            number++;
            try {
                event(row, now).ifPresent(read::add);
            } catch (Problem e) {
                problems.add("row " + number + " skipped: " + e.getMessage());
            }
        }
        if (read.isEmpty()) {
            throw new Problem(file + " tells no event" + (problems.isEmpty() ? "" : ": " + problems.get(0))
                    + ". Give a channel's day from Slack, CSV with a header or JSON Lines (the time in a field "
                    + String.join(", ", TIME) + ", the text in " + String.join(", ", TEXT) + "), or an exported .zip");
        }
        List<Event> wanted =
                read.stream().filter(event -> !event.at().isBefore(first) && !event.at().isAfter(last)).toList();
        return new Taken(read.size(), add(wanted), problems);
    }

    /** Appends those that are not there yet; says how many. */
    private int add(List<Event> wanted) {
        Set<String> there = events.stream().map(Notebook::same).collect(Collectors.toSet());
        List<Event> missing = wanted.stream().filter(event -> there.add(same(event))).toList();
        missing.forEach(this::append);
        return missing.size();
    }

    // The journal redacts, and pseudonyms differ from run to run: they must not tell an event apart from itself.
    private static String same(Event event) {
        return event.at().toEpochMilli() + alike(Redactor.strict().text(event.summary()));
    }

    private static String alike(String redacted) {
        return redacted.replaceAll("-[0-9a-f]{6,}", "-");
    }

    private static List<JsonNode> rows(Path file) {
        try {
            String text = Document.text(file).replaceFirst("^\\uFEFF", "").strip();
            boolean json = text.startsWith("[") || text.startsWith("{");
            ObjectReader reader = json ? new ObjectMapper().reader()
                    : CsvMapper.builder().enable(CsvParser.Feature.TRIM_SPACES, CsvParser.Feature.SKIP_EMPTY_LINES,
                            CsvParser.Feature.IGNORE_TRAILING_UNMAPPABLE).build().reader()
                            .with(CsvSchema.emptySchema().withHeader());
            return reader.forType(JsonNode.class).<JsonNode>readValues(text).readAll();
        } catch (JsonProcessingException e) {
            throw new Problem(file + " cannot be read: " + Text.safe(e.getOriginalMessage(), 120)
                    + (e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ")"));
        } catch (IOException e) {
            throw new Problem(file + " cannot be read: " + Incident.why(e));
        }
    }

    /** A row as an event, its text one line; none of what Slack has that is no message. */
    private static Optional<Event> event(JsonNode row, Instant now) {
        if (row.path("subtype").asText().matches("(channel|group)_.*|bot_add|bot_remove|.*_item")) {
            return Optional.empty();
        }
        String text = field(row, TEXT);
        if (text.isBlank()) {
            throw new Problem("it has no text");
        }
        Instant at = at(field(row, TIME), now);
        String kind = field(row, KIND);
        boolean known = kind.matches("[a-z-]{2,30}") && !kind.equals(Event.CLOSED);
        String by = name(field(row, BY));
        return Optional.of(new Event(at, "import", known ? kind : Event.NOTE, Text.safe(row.has("ts") ? plain(text)
                : text, LONGEST_TEXT), by.isEmpty() ? Json.object() : Json.object().put("by", by)));
    }

    private static Instant at(String time, Instant now) {
        boolean slack = time.matches("\\d{9,11}(\\.\\d+)?");
        String at = slack ? Instant.ofEpochMilli(Math.round(Double.parseDouble(time) * 1_000)).toString() : time;
        return Times.past("its time", at, now, Optional.empty());
    }

    /** The first that there is of these columns, whatever their case, or of these places in a JSON document. */
    private static String field(JsonNode row, List<String> names) {
        return names.stream().flatMap(name -> name.startsWith("/") ? Stream.of(row.at(name))
                : row.properties().stream().filter(field -> field.getKey().strip().equalsIgnoreCase(name))
                        .map(Map.Entry::getValue)).map(JsonNode::asText).filter(text -> !text.isBlank()).findFirst()
                .orElse("");
    }

    // Slack writes <@U123|ana>, <#C1|general>, <https://x|label> and escapes the three characters that this needs.
    private static String plain(String text) {
        return text.replaceAll("<([@#])(?:[A-Z0-9]+\\|)?([^>]*)>", "$1$2").replaceAll("<!([a-z]+)[^>]*>", "@$1")
                .replaceAll("<([^|>]+)\\|([^>]*)>", "$2 ($1)").replaceAll("<([^>]+)>", "$1")
                .replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    }

    // ---- to another machine

    private static final int MOST_FILES = 500;
    private static final long MOST_BYTES = 1L << 30;
    // A folder with files, nothing deeper: whatever else an archive holds has no business among incidents.
    private static final Pattern OURS = Pattern.compile("([A-Za-z0-9][\\w-]{0,60})/(journal\\.jsonl|rotation\\.json"
            + "|watch-rounds\\.jsonl|triage-[\\w-]{1,40}\\.json|message-[\\w-]{1,60}\\.md|bundle-[\\w-]{1,60}\\.zip"
            + "|postmortem\\.md)");

    /** What was carried where: how many files, and a sentence for each that is not as it was. */
    public record Carried(Path to, int files, List<String> notes) { }

    /**
     * Writes the incident's folder as one archive (0600). Texts are redacted once more, and a bundle is taken as it is:
     * debug-bundle has cleaned it. A {@link Problem} when it cannot be written, or is there already.
     */
    public Carried export(Path file) {
        if (events.isEmpty()) {
            throw new Problem("--incident " + incident + " has no journal: there is nothing to export");
        } else if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem(file + " is there already: name another file");
        }
        Path half = null;
        try (Stream<Path> children = Files.list(incident.folder())) {
            String folder = incident.folder().toAbsolutePath().normalize().getFileName() + "/";
            List<Path> ours = children.filter(child -> OURS.matcher(folder + child.getFileName()).matches()
                    && Files.isRegularFile(child, LinkOption.NOFOLLOW_LINKS)).sorted().toList();
            if (ours.isEmpty()) {
                throw new IOException("the name of " + incident + " may hold letters, digits, - and _ alone");
            }
            Carried carried = new Carried(file, ours.size(), new ArrayList<>());
            half = Files.createTempFile(file.toAbsolutePath().getParent(), ".export", ".part");
            try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(half))) {
                for (Path child : ours) {
                    zip.putNextEntry(new ZipEntry(folder + child.getFileName()));
                    write(child, zip, carried);
                }
            }
            Files.move(half, file);
            return carried;
        } catch (IOException e) {
            throw new Problem(1, file + " cannot be written: " + Incident.why(e));
        } finally {
            discard(half);
        }
    }

    private static void write(Path file, OutputStream out, Carried carried) throws IOException {
        String name = file.getFileName().toString();
        if (name.endsWith(".zip")) {
            Files.copy(file, out);
            return;
        }
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        Stream<String> pieces = Stream.of(name.endsWith(".jsonl") ? text.split("(?<=\n)") : new String[] {text});
        String clean = pieces.map(Notebook::clean).collect(Collectors.joining());
        if (!clean.equals(text)) {
            carried.notes.add(name + " held what must not leave this machine: that is redacted");
        }
        out.write(clean.getBytes(StandardCharsets.UTF_8));
    }

    // What was clean when it was written stays as it is, byte for byte. JSON keeps its form, a torn line is a text.
    private static String clean(String text) {
        try {
            JsonNode json = Json.read(text);
            String before = Json.line(json);
            String clean = Key.mask(Json.line(Incident.Journal.redacted(json)));
            return alike(clean).equals(alike(before)) ? text : clean + "\n";
        } catch (IOException e) {
            return Key.mask(Redactor.strict().text(text));
        }
    }

    /**
     * Takes in what {@link #export} wrote, as a folder under {@code base}: all of it, or nothing. Where that incident
     * is there already, it gets the events and files that it lacks. What is no incident's folder, torn or changed is
     * refused with a {@link Problem}.
     */
    public static Carried bring(Path file, Path base) {
        Path half = null;
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(Document.regular(file)))) {
            new Incident(base).create();
            half = Files.createTempDirectory(base, ".import");
            List<String> names = unpack(zip, half);
            List<Event> brought = new Incident(half).journal().read().events();
            if (brought.isEmpty()) {
                throw new IOException("it holds no journal");
            }
            Path folder = base.resolve(names.get(0));
            if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
                return of(new Incident(folder), Optional.empty()).joined(half, brought);
            }
            Files.move(half, folder);
            return new Carried(folder, names.size(), List.of());
        } catch (IOException e) {
            throw new Problem(file + " is not taken in: " + Incident.why(e));
        } finally {
            discard(half);
        }
    }

    // What both have stays as it is here. Journals only grow: two that begin otherwise are of two incidents.
    private Carried joined(Path half, List<Event> brought) throws IOException {
        if (events.isEmpty() || !same(events.get(0)).equals(same(brought.get(0)))) {
            throw new IOException(incident + " is there already, and is another incident");
        }
        String added = Text.count(add(brought), "event") + " added to the journal";
        // Both may hold what a person wrote.
        Path theirs = half.resolve(Document.NAME);
        if (Files.exists(theirs)) {
            Files.move(theirs, half.resolve("imported-" + Document.NAME));
        }
        int files = 0;
        for (File file : half.toFile().listFiles()) {
            Path place = incident.folder().resolve(file.getName());
            if (!Files.exists(place, LinkOption.NOFOLLOW_LINKS)) {
                Files.move(file.toPath(), place);
                files++;
            }
        }
        return new Carried(incident.folder(), files, List.of(added));
    }

    /** Writes its files into a folder; returns for each the name of the one that it was in, which is the same. */
    private static List<String> unpack(ZipInputStream zip, Path folder) throws IOException {
        List<String> names = new ArrayList<>();
        long room = MOST_BYTES;
        for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
            Matcher ours = OURS.matcher(entry.getName());
            if (!ours.matches() || !names.isEmpty() && !names.contains(ours.group(1)) || names.size() == MOST_FILES) {
                String what = Text.safe(entry.getName(), 80);
                throw new IOException("it holds " + what + ", which no incident's folder has");
            }
            names.add(ours.group(1));
            // Reading to an entry's end compares its checksum.
            try (OutputStream out = Files.newOutputStream(new Incident(folder).write(ours.group(2), new byte[0]))) {
                for (byte[] part = zip.readNBytes(1 << 16); part.length > 0; part = zip.readNBytes(1 << 16)) {
                    room -= part.length;
                    if (room < 0) {
                        throw new IOException("it holds more than an incident's folder does");
                    }
                    out.write(part);
                }
            }
        }
        return names;
    }

    // What cannot be deleted has no name among incidents, and the reason is told already.
    private static void discard(Path half) {
        if (half != null) {
            Stream.of(Objects.requireNonNullElse(half.toFile().listFiles(), new File[0])).forEach(File::delete);
            half.toFile().delete();
        }
    }
}
