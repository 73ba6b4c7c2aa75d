package runbook.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BinaryOperator;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import runbook.Incident;
import runbook.Incident.Event;
import runbook.Key;
import runbook.Text.Moment;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.redact.Redactor;

/** An incident's journal as people write in it, hand it over, and carry it to another machine; nothing secret in it. */
public final class Notebook {
    private static final int LONGEST_TEXT = 1_000;
    private static final int LONGEST_NAME = 80;
    private static final long LARGEST_FILE = 64L << 20;

    private final Incident incident;
    private final List<Event> events;
    private final Incident.State state;
    private final Optional<String> drill;

    private Notebook(Incident incident, List<Event> events, Optional<String> drill) {
        this.incident = incident;
        this.events = events;
        this.state = Incident.State.of(events);
        this.drill = Optional.of(state.drill()).filter(name -> !name.isEmpty()).or(() -> drill);
    }

    /**
     * Opens it; a missing journal is an empty one.
     *
     * @param drill the drill that is on, where the journal does not say
     * @throws Problem when the journal cannot be read
     */
    public static Notebook of(Incident incident, Optional<String> drill) {
        try {
            return new Notebook(incident, incident.journal().read().events(), drill);
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be read: " + Incident.why(e));
        }
    }

    /** The incident's folder. */
    public Incident incident() {
        return incident;
    }

    /** What the journal held when it was opened. */
    public List<Event> events() {
        return events;
    }

    /** What that adds up to. */
    public Incident.State state() {
        return state;
    }

    /** The drill's scenario; empty in earnest. */
    public Optional<String> drill() {
        return drill;
    }

    /** When somebody closed it, for the last time. */
    public Optional<Instant> closed() {
        return events.stream().filter(event -> event.event().equals(Event.CLOSED)).map(Event::at)
                .reduce((one, later) -> later);
    }

    /**
     * Adds an event, as it is.
     *
     * @throws Problem when the journal cannot be written
     */
    public void add(Instant at, String kind, String summary, Map<String, ?> data) {
        append(at, "postmortem", kind, summary, data);
    }

    /** Adds what somebody said, redacted; returns it as it was written down. */
    public String tell(Instant at, String kind, String text, Optional<String> by) {
        String said = Redactor.strict().text(Text.safe(text, LONGEST_TEXT));
        add(at, kind, said, by.map(name -> Map.of("by", name(name))).orElse(Map.of()));
        return said;
    }

    /** Writes down who leads, unless the journal has that already. */
    public void lead(Instant at, String given) {
        String name = name(given);
        if (!events.isEmpty() && !state.lead().equals(name)) {
            add(at, Event.NOTE, name + " leads the incident", Map.of("lead", name));
        }
    }

    /** A name as people are asked for it: one line, without the @ of a mention. */
    public static String name(String given) {
        return Text.safe(given, LONGEST_NAME).replaceFirst("^@+", "");
    }

    private void append(Instant at, String step, String kind, String summary, Map<String, ?> data) {
        Map<String, Object> all = new LinkedHashMap<>(data);
        drill.ifPresent(scenario -> all.put("drill", scenario));
        try {
            incident.append(new Event(at, step, kind, summary, Json.of(all)));
        } catch (IOException e) {
            throw new Problem(1, "--incident " + incident + ": its journal cannot be written: " + Incident.why(e));
        }
    }

    // ---- handing it over

    /**
     * What the next person must know, in at most 25 lines: what is broken
     * and since when, what was done, what runs, what is due.
     *
     * @param command how one of our scripts is started, by its name and options
     */
    public List<String> handover(Instant now, BinaryOperator<String> command) {
        List<String> lines = new ArrayList<>();
        Optional<Event> found = last(event -> event.event().equals(Event.DIAGNOSED)
                && !event.data().path("diagnosis").asText().equals("healthy"));
        drill.ifPresent(scenario -> lines.add("DRILL " + scenario + ": an exercise, nothing is broken"));
        lines.add("What: " + found.map(event -> Text.safe(event.summary(), 160)).orElse("nothing was diagnosed yet"));
        lines.add("Since: " + state.began().map(at -> when(at, now)).orElse("unknown") + (state.relapses() > 0
                ? "; it came back and failed again " + Text.count(state.relapses(), "time") : ""));
        lines.add("Now: " + standing(now));
        lines.add("Lead: " + (state.lead().isEmpty() ? "nobody yet" : state.lead()));
        part(lines, "Done", state.done(), 5, now);
        last(event -> event.step().equals("watch")).ifPresent(event -> lines.add("Watch said last: "
                + when(event.at(), now) + ": " + Text.safe(event.summary(), 120)));
        part(lines, "People told", state.told(), 3, now);
        lines.add("Due next: " + due(now));
        part(lines, "Said last", events.stream().filter(event -> event.event().equals(Event.NOTE)
                && !event.step().equals("watch")).toList(), 3, now);
        lines.add("Where: " + incident + " (" + Text.count(events.size(), "event") + ")");
        if (!state.closed()) {
            lines.add("Go on with: " + command.apply("watch", "") + "   # whether it works again");
            lines.add("            " + command.apply("postmortem", "event 'what happened' --by NAME"));
        }
        return lines;
    }

    private String standing(Instant now) {
        if (state.closed()) {
            return "closed" + closed().map(at -> " " + when(at, now)).orElse("");
        }
        return state.failing().map(at -> "failing" + (state.done().isEmpty() ? "" : ", something was done against it"))
                .orElse(state.recovered().map(at -> "works again, " + when(at, now)).orElse("no failure on record"));
    }

    private String due(Instant now) {
        Optional<Instant> promised = state.told().stream().map(event -> event.data().path("next").asText())
                .map(Notebook::instant).flatMap(Optional::stream).reduce((one, later) -> later);
        if (state.closed()) {
            return "nothing, it is closed";
        } else if (state.failing().isEmpty() && state.recovered().isPresent()) {
            return "the postmortem";
        }
        return promised.map(at -> "a message by " + clock(at) + (at.isBefore(now) ? ": overdue" : ""))
                .orElse(state.told().isEmpty() ? "the first message: nobody was told on record" : "the next message");
    }

    private static Optional<Instant> instant(String text) {
        try {
            return Optional.of(Instant.parse(text));
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private void part(List<String> lines, String name, List<Event> all, int most, Instant now) {
        all.stream().skip(Math.max(0, all.size() - most)).forEach(event -> lines.add(name + ": "
                + when(event.at(), now) + (event.data().path("by").asText().isEmpty() ? ""
                : " " + name(event.data().path("by").asText())) + ": " + Text.safe(event.summary(), 120)));
    }

    private Optional<Event> last(Predicate<Event> which) {
        return events.stream().filter(which).reduce((one, later) -> later);
    }

    private static String when(Instant at, Instant now) {
        Duration ago = Duration.between(at, now);
        return clock(at) + (ago.toHours() < 24 && !ago.isNegative() ? " (" + Timeline.words(ago) + " ago)" : "");
    }

    private static String clock(Instant at) {
        return at.truncatedTo(ChronoUnit.MINUTES).toString().replace(":00Z", "Z");
    }

    // ---- events from elsewhere

    /** Something that a person told: {@code kind} is a journal event's name, {@code by} may be empty. */
    public record Told(Instant at, String by, String kind, String text) { }

    /**
     * What a file held.
     *
     * @param form     {@code Slack}, {@code CSV} or {@code JSON Lines}
     * @param told     the events, in the order of the file
     * @param problems a sentence for each entry that could not be used
     */
    public record Contents(String form, List<Told> told, List<String> problems) { }

    /** Takes the events that are not earlier or later than wanted and not there yet; returns how many. */
    public int take(Contents file, Instant first, Instant last) {
        Set<String> there = events.stream().map(event -> same(event.at(), event.summary()))
                .collect(Collectors.toSet());
        Redactor redactor = Redactor.strict();
        int added = 0;
        for (Told told : file.told) {
            String text = redactor.text(told.text);
            boolean wanted = !told.at.isBefore(first) && !told.at.isAfter(last);
            if (wanted && there.add(same(told.at, text))) {
                Map<String, String> from = Map.of("from", file.form);
                append(told.at, "import", told.kind, text,
                        told.by.isEmpty() ? from : Map.of("from", file.form, "by", told.by));
                added++;
            }
        }
        return added;
    }

    // Pseudonyms differ from run to run, so that they must not tell an event apart from itself.
    private static String same(Instant at, String text) {
        return at.truncatedTo(ChronoUnit.MILLIS) + text.replaceAll("-[0-9a-f]{6,}", "-");
    }

    /**
     * Reads a channel's day of a Slack export (a JSON array of messages), CSV with a header, or JSON Lines.
     *
     * @param now no event can be later
     * @throws Problem when it cannot be read, or is none of the three
     */
    public static Contents read(Path file, Instant now) {
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw new Problem(file + " is larger than 64 MiB: import the part that is about the incident");
            }
            String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
            return new EventsFile(now).read(text.replaceFirst("^\\uFEFF", "").strip(), file);
        } catch (JsonProcessingException e) {
            throw new Problem(file + " cannot be read: " + Text.safe(e.getOriginalMessage(), 120)
                    + (e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ")"));
        } catch (IOException e) {
            throw new Problem(file + " cannot be read: " + Incident.why(e));
        }
    }

    /** Column names are taken in the usual spellings; text becomes one line. */
    private static final class EventsFile {
        private static final List<String> TIME = List.of("at", "time", "timestamp", "date", "datetime", "ts");
        private static final List<String> TEXT =
                List.of("text", "summary", "message", "event text", "description", "what");
        private static final List<String> BY = List.of("by", "user", "author", "who", "name");
        private static final List<String> KIND = List.of("kind", "event", "type");
        private static final Pattern NOISE =
                Pattern.compile("(channel|group)_.*|bot_add|bot_remove|reminder_add|pinned_item");
        private static final Pattern MENTION = Pattern.compile("<@([A-Z0-9]+)(?:\\|([^>]*))?>");

        private final Instant now;
        private final List<Told> told = new ArrayList<>();
        private final List<String> problems = new ArrayList<>();

        EventsFile(Instant now) {
            this.now = now;
        }

        Contents read(String content, Path file) throws IOException {
            if (content.startsWith("[")) {
                slack(Json.read(content));
                return new Contents("Slack", told, problems);
            } else if (content.startsWith("{")) {
                jsonLines(content);
                return new Contents("JSON Lines", told, problems);
            } else if (content.lines().findFirst().orElse("").contains(",")) {
                csv(content, file);
                return new Contents("CSV", told, problems);
            }
            throw new Problem(file + " is neither a channel's day from Slack (a JSON array of messages), nor CSV with "
                    + "a header, nor JSON Lines, nor what postmortem export wrote");
        }

        private void slack(JsonNode messages) {
            Map<String, String> names = new HashMap<>();
            messages.forEach(message -> {
                String id = message.path("user").asText();
                names.merge(id, author(message), (known, name) -> name.equals(id) ? known : name);
            });
            int number = 0;
            for (JsonNode message : messages) {
                number++;
                String text = message.path("text").asText();
                if (!NOISE.matcher(message.path("subtype").asText()).matches() && !text.isBlank()) {
                    add("message " + number, message.path("ts").asText(), author(message), "note", plain(text, names));
                }
            }
        }

        private static String author(JsonNode message) {
            JsonNode profile = message.path("user_profile");
            return Stream.of(profile.path("display_name"), profile.path("real_name"), message.path("username"),
                    message.path("user")).map(JsonNode::asText).filter(name -> !name.isBlank()).findFirst().orElse("");
        }

        // Slack writes <@U123>, <#C1|general>, <https://x|label> and escapes the three characters that this needs.
        private static String plain(String text, Map<String, String> names) {
            String named = MENTION.matcher(text).replaceAll(found -> Matcher.quoteReplacement("@"
                    + (found.group(2) != null ? found.group(2) : names.getOrDefault(found.group(1), found.group(1)))));
            return named.replaceAll("<#[A-Z0-9]+\\|([^>]*)>", "#$1").replaceAll("<!([a-z]+)[^>]*>", "@$1")
                    .replaceAll("<([^|>]+)\\|([^>]*)>", "$2 ($1)").replaceAll("<([^>]+)>", "$1")
                    .replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        }

        private void jsonLines(String content) {
            int number = 0;
            for (String line : content.lines().toList()) {
                number++;
                try {
                    JsonNode node = line.isBlank() ? Json.object() : Json.read(line);
                    Map<String, String> fields = new HashMap<>();
                    node.properties().forEach(field ->
                            fields.put(field.getKey().toLowerCase(Locale.ROOT), field.getValue().asText()));
                    fields.putIfAbsent("by", node.path("data").path("by").asText());
                    if (!line.isBlank()) {
                        row("line " + number, fields);
                    }
                } catch (IOException e) {
                    problems.add("line " + number + " skipped: it is torn or no JSON");
                }
            }
        }

        private void csv(String content, Path file) throws IOException {
            CsvMapper mapper = CsvMapper.builder().enable(CsvParser.Feature.TRIM_SPACES)
                    .enable(CsvParser.Feature.SKIP_EMPTY_LINES).enable(CsvParser.Feature.IGNORE_TRAILING_UNMAPPABLE)
                    .build();
            try (MappingIterator<Map<String, String>> rows = mapper.readerForMapOf(String.class)
                    .with(CsvSchema.emptySchema().withHeader()).readValues(content)) {
                for (int number = 2; rows.hasNextValue(); number++) {
                    Map<String, String> fields = new HashMap<>();
                    rows.nextValue().forEach((name, value) ->
                            fields.put(name.strip().toLowerCase(Locale.ROOT), value == null ? "" : value));
                    if (TIME.stream().noneMatch(fields::containsKey) || TEXT.stream().noneMatch(fields::containsKey)) {
                        throw new Problem(file + ": its header needs a column for the time (" + String.join(", ", TIME)
                                + ") and one for the text (" + String.join(", ", TEXT) + ")");
                    }
                    row("row " + number, fields);
                }
            }
        }

        private void row(String place, Map<String, String> fields) {
            add(place, first(fields, TIME), first(fields, BY), first(fields, KIND), first(fields, TEXT));
        }

        private static String first(Map<String, String> fields, List<String> names) {
            return names.stream().map(fields::get).filter(value -> value != null && !value.isBlank()).findFirst()
                    .orElse("");
        }

        private void add(String place, String time, String by, String kind, String text) {
            if (text.isBlank()) {
                problems.add(place + " skipped: it has no text");
                return;
            }
            try {
                Instant at = time.matches("\\d{9,11}(\\.\\d+)?")
                        ? Instant.ofEpochMilli(new BigDecimal(time).movePointRight(3).longValue())
                        : Moment.past(place, time, now, Optional.empty());
                if (at.isAfter(now)) {
                    throw new Problem(place + " \"" + time + "\" is in the future");
                }
                boolean known = kind.matches("[a-z-]{2,30}") && !kind.equals(Event.CLOSED) && !kind.equals("message");
                told.add(new Told(at, Text.safe(by, LONGEST_NAME), known ? kind : "note",
                        Text.safe(text, LONGEST_TEXT)));
            } catch (Problem | DateTimeException e) {
                problems.add(place + " skipped: " + e.getMessage().replaceFirst("^" + Pattern.quote(place) + " ", ""));
            }
        }
    }

    // ---- to another machine

    private static final String MANIFEST = "export.json";
    private static final int MOST_FILES = 500;
    private static final long MOST_BYTES = 1L << 30;
    // Names alone, no folders: whatever else an archive holds has no business in an incident's folder.
    private static final Pattern OURS = Pattern.compile("journal\\.jsonl|rotation\\.json|watch-rounds\\.jsonl"
            + "|triage-[\\w-]{1,40}\\.json|message-[\\w-]{1,60}\\.md|bundle-[\\w-]{1,60}\\.zip|postmortem\\.md");
    private static final Pattern FOLDER = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,60}");

    /** What was carried: files, those that were redacted on the way, and those that stayed behind. */
    public record Carried(Path to, int files, List<String> redacted, List<String> left) { }

    /**
     * Writes the incident's folder as one archive (0600), each file with its SHA-256. Texts are
     * redacted once more, and a bundle is taken as it is: debug-bundle has cleaned it.
     *
     * @throws Problem when it cannot be written, or is there already
     */
    public Carried export(Path file) {
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new Problem(file + " is there already: name another file");
        }
        List<String> redacted = new ArrayList<>();
        List<String> left = new ArrayList<>();
        Path target = file.toAbsolutePath();
        Path half = null;
        try (Stream<Path> children = Files.list(incident.folder())) {
            half = Files.createTempFile(target.getParent(), ".export", ".part");
            Map<String, Object> sums = new TreeMap<>();
            try (OutputStream out = Files.newOutputStream(half); ZipOutputStream zip = new ZipOutputStream(out)) {
                for (Path child : children.sorted(Comparator.comparing(Path::getFileName)).toList()) {
                    String name = child.getFileName().toString();
                    if (!OURS.matcher(name).matches() || !Files.isRegularFile(child, LinkOption.NOFOLLOW_LINKS)) {
                        left.add(Text.safe(name, 80));
                        continue;
                    }
                    zip.putNextEntry(new ZipEntry(name));
                    if (name.endsWith(".zip")) {
                        sums.put(name, copy(Files.newInputStream(child), zip, MOST_BYTES));
                    } else {
                        String text = Files.readString(child, StandardCharsets.UTF_8);
                        String clean = clean(name, text);
                        if (!clean.equals(text)) {
                            redacted.add(name);
                        }
                        byte[] bytes = clean.getBytes(StandardCharsets.UTF_8);
                        sums.put(name, copy(new ByteArrayInputStream(bytes), zip, MOST_BYTES));
                    }
                    zip.closeEntry();
                }
                Map<String, Object> manifest = new LinkedHashMap<>(Map.of("schema", 1, "files", sums));
                manifest.put("incident", incident.folder().toAbsolutePath().normalize().getFileName().toString());
                zip.putNextEntry(new ZipEntry(MANIFEST));
                zip.write(Json.pretty(Json.of(manifest)).getBytes(StandardCharsets.UTF_8));
                zip.closeEntry();
            }
            if (!sums.containsKey("journal.jsonl")) {
                throw new Problem("--incident " + incident + " has no journal: there is nothing to export");
            }
            Files.move(half, target);
            return new Carried(file, sums.size(), redacted, left);
        } catch (IOException e) {
            throw new Problem(1, file + " cannot be written: " + Incident.why(e));
        } finally {
            discard(half);
        }
    }

    // What was clean when it was written stays as it is, byte for byte. JSON keeps its form, a torn line is a text.
    private static String clean(String name, String text) {
        Redactor redactor = Redactor.strict();
        Stream<String> pieces = name.endsWith(".json") ? Stream.of(text) : Stream.of(text.split("(?<=\n)", -1));
        return pieces.map(piece -> {
            try {
                JsonNode before = name.matches(".*\\.jsonl?") ? Json.read(piece) : Json.read("");
                JsonNode after = clean(before.deepCopy(), redactor);
                return before.isMissingNode() ? Key.mask(redactor.text(piece)) : before.equals(after) ? piece
                        : Json.line(after) + "\n";
            } catch (IOException e) {
                return Key.mask(redactor.text(piece));
            }
        }).collect(Collectors.joining());
    }

    // As the journal redacts what is appended: texts, but for commands, which are to be pasted as they are.
    private static JsonNode clean(JsonNode node, Redactor redactor) {
        if (node instanceof ObjectNode object) {
            object.properties().forEach(field -> field.setValue(
                    !field.getKey().equals("command") ? clean(field.getValue(), redactor)
                    : field.getValue().isTextual() ? Json.of(Key.mask(field.getValue().textValue()))
                    : field.getValue()));
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                array.set(i, clean(array.get(i), redactor));
            }
        }
        return node.isTextual() ? Json.of(Key.mask(redactor.text(node.textValue()))) : node;
    }

    /** Copies at most so many bytes; returns their SHA-256. Closes what it reads. */
    private static String copy(InputStream from, OutputStream to, long most) throws IOException {
        MessageDigest digest = Document.sha256();
        long bytes = 0;
        byte[] buffer = new byte[1 << 16];
        for (int read = from.read(buffer); read >= 0; read = from.read(buffer)) {
            bytes += read;
            if (bytes > most) {
                throw new IOException("it holds more than an incident's folder does");
            }
            digest.update(buffer, 0, read);
            to.write(buffer, 0, read);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Whether a file is an archive, and so not one of events. */
    public static boolean archive(Path file) {
        try (var in = Files.newInputStream(file)) {
            return Arrays.equals(in.readNBytes(4), new byte[] {'P', 'K', 3, 4});
        } catch (IOException e) {
            throw new Problem(file + " cannot be read: " + Incident.why(e));
        }
    }

    /**
     * Takes in what {@link #export} wrote, as a folder under {@code base}: all of it, or nothing. What is not exactly
     * what the manifest names, by name and SHA-256, is refused, and so is a folder that is there already.
     *
     * @throws Problem in one line that says why
     */
    public static Carried bring(Path file, Path base) {
        Path half = null;
        try {
            Incident.at(base).create();
            half = Files.createTempDirectory(base, ".import");
            Map<String, String> sums = unpack(file, half);
            Path manifest = half.resolve(MANIFEST);
            JsonNode said = Files.isRegularFile(manifest) ? Json.read(Files.readAllBytes(manifest)) : Json.object();
            String name = said.path("incident").asText();
            Map<String, String> named = new TreeMap<>();
            said.path("files").properties().forEach(one -> named.put(one.getKey(), one.getValue().asText()));
            sums.remove(MANIFEST);
            if (said.path("schema").asInt() != 1 || !FOLDER.matcher(name).matches()) {
                throw new IOException("it is not what postmortem export writes");
            }
            if (!named.equals(sums) || !sums.containsKey("journal.jsonl")) {
                throw new IOException("its files are not those that its list names: it was changed, or is torn");
            }
            Path folder = base.resolve(name);
            if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
                throw new IOException(folder + " is there already");
            }
            Files.delete(manifest);
            List<String> problems = Incident.at(half).journal().read().problems();
            Files.move(half, folder, StandardCopyOption.ATOMIC_MOVE);
            return new Carried(folder, sums.size(), List.of(), problems);
        } catch (IOException | IllegalArgumentException e) {
            throw new Problem(file + " is not taken in: " + (e instanceof IOException io ? Incident.why(io)
                    : "a name in it is no text"));
        } finally {
            discard(half);
        }
    }

    private static Map<String, String> unpack(Path archive, Path folder) throws IOException {
        Map<String, String> sums = new TreeMap<>();
        long room = MOST_BYTES;
        Incident into = Incident.at(folder);
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(archive))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                String name = entry.getName();
                if (!name.equals(MANIFEST) && !OURS.matcher(name).matches()) {
                    throw new IOException("it holds " + Text.safe(name, 80) + ", which no incident's folder has");
                }
                if (sums.containsKey(name) || sums.size() >= MOST_FILES) {
                    throw new IOException(sums.containsKey(name) ? "it holds " + name + " twice"
                            : "it holds more than " + MOST_FILES + " files");
                }
                Path file = into.write(name, new byte[0]);
                try (OutputStream out = Files.newOutputStream(file)) {
                    sums.put(name, copy(zip, out, room));
                }
                room -= Files.size(file);
            }
        }
        return sums;
    }

    private static void discard(Path half) {
        if (half != null && Files.exists(half)) {
            try (Stream<Path> all = Files.walk(half)) {
                for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(one);
                }
            } catch (IOException e) {
                // An unnamed leftover in the folder of incidents; the reason that it is one is told already.
            }
        }
    }
}
