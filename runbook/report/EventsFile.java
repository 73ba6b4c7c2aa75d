package runbook.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import runbook.Text.Json;
import runbook.Settings.Problem;
import runbook.Moment;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;

/**
 * Events from elsewhere: a Slack export (ZIP) or a channel's day out of one (a JSON array of messages), a CSV file with a
 * header, or JSON Lines. Column names are taken in the usual spellings; text becomes one line.
 */
public final class EventsFile {
    private static final long LARGEST = 64L << 20;
    private static final int LONGEST_TEXT = 1_000;
    private static final List<String> TIME = List.of("at", "time", "timestamp", "date", "datetime", "ts");
    private static final List<String> TEXT = List.of("text", "summary", "message", "event text", "description", "what");
    private static final List<String> BY = List.of("by", "user", "author", "who", "name");
    private static final List<String> KIND = List.of("kind", "event", "type");
    private static final Pattern DAY = Pattern.compile(".*[^/]+/\\d{4}-\\d\\d-\\d\\d\\.json");
    private static final Pattern NOISE =
            Pattern.compile("(channel|group)_.*|bot_add|bot_remove|reminder_add|pinned_item");

    /**
     * What a file held.
     *
     * @param form     {@code Slack export}, {@code CSV} or {@code JSON Lines}
     * @param told     the events, in the order of the file
     * @param problems a sentence for each entry that could not be used
     */
    public record Contents(String form, List<Told> told, List<String> problems) { }

    private final Instant now;
    private final List<Told> told = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();

    private EventsFile(Instant now) {
        this.now = now;
    }

    /**
     * Reads a file, whatever of the three it is; a whole Slack export as Slack gives it (ZIP), too.
     *
     * @param channel of a whole export, the channel to take; null when it has only one
     * @param now     no event can be later
     * @throws Problem when it cannot be read, or is none of the three
     */
    public static Contents read(Path file, String channel, Instant now) {
        EventsFile reader = new EventsFile(now);
        try {
            if (Files.size(file) > LARGEST) {
                throw new Problem(file + " is larger than 64 MiB: import the part that is about the incident");
            }
            byte[] bytes = Files.readAllBytes(file);
            if (bytes.length > 1 && bytes[0] == 'P' && bytes[1] == 'K') {
                reader.export(file, channel);
                return new Contents("Slack export", reader.told, reader.problems);
            }
            String content = new String(bytes, StandardCharsets.UTF_8).replaceFirst("^\\uFEFF", "");
            String form = reader.form(content.strip(), file);
            return new Contents(form, reader.told, reader.problems);
        } catch (JsonProcessingException e) {
            throw new Problem(file + " cannot be read: " + Text.safe(e.getOriginalMessage(), 120)
                    + (e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ")"));
        } catch (IOException e) {
            throw new Problem(file + " cannot be read: " + Incident.why(e));
        }
    }

    private String form(String content, Path file) throws IOException {
        if (content.startsWith("[")) {
            slack(Json.read(content));
            return "Slack export";
        } else if (content.startsWith("{")) {
            jsonLines(content);
            return "JSON Lines";
        } else if (!content.isEmpty() && content.lines().findFirst().orElse("").contains(",")) {
            csv(content, file);
            return "CSV";
        }
        throw new Problem(
                file + " is neither a Slack export (a JSON array of messages), nor CSV with a header, nor JSON Lines");
    }

    // A whole export: a folder for each channel, in it a file for each day.
    private void export(Path file, String channel) throws IOException {
        try (ZipFile zip = new ZipFile(file.toFile())) {
            List<? extends ZipEntry> days = zip.stream()
                    .filter(entry -> DAY.matcher(entry.getName()).matches())
                    .sorted(Comparator.comparing(ZipEntry::getName))
                    .toList();
            List<String> channels = days.stream().map(EventsFile::channel).distinct().toList();
            if (channel == null ? channels.size() != 1 : !channels.contains(channel)) {
                throw new Problem("--channel "
                        + (channel == null ? "is needed" : Text.safe(channel, 60) + " is not in this export") + ": "
                        + (channels.isEmpty()
                                ? file + " has no channel"
                                : "there are " + Text.safe(String.join(", ", channels), 300)));
            }
            for (ZipEntry day : days) {
                if (channel == null || channel(day).equals(channel)) {
                    slack(Json.read(zip.getInputStream(day).readNBytes((int) LARGEST)));
                }
            }
        }
    }

    private static String channel(ZipEntry day) {
        String folder = day.getName().substring(0, day.getName().lastIndexOf('/'));
        return folder.substring(folder.lastIndexOf('/') + 1);
    }

    private void slack(JsonNode messages) {
        Map<String, String> names = new HashMap<>();
        messages.forEach(message -> {
            String id = message.path("user").asText();
            names.merge(id, name(message), (known, name) -> name.equals(id) ? known : name);
        });
        int number = 0;
        for (JsonNode message : messages) {
            number++;
            if (NOISE.matcher(message.path("subtype").asText()).matches() || message.path("text").asText().isBlank()) {
                continue;
            }
            String text = slackText(message.path("text").asText(), names);
            add("message " + number, message.path("ts").asText(), name(message), "note", text);
        }
    }

    private static String name(JsonNode message) {
        JsonNode profile = message.path("user_profile");
        return Stream.of(
                        profile.path("display_name"),
                        profile.path("real_name"),
                        message.path("username"),
                        message.path("user"))
                .map(JsonNode::asText)
                .filter(name -> !name.isBlank())
                .findFirst()
                .orElse("");
    }

    // Slack writes <@U123>, <#C1|general>, <https://x|label> and escapes the three characters that this needs.
    private static String slackText(String text, Map<String, String> names) {
        String named = Pattern.compile("<@([A-Z0-9]+)(?:\\|([^>]*))?>")
                .matcher(text)
                .replaceAll(found -> Matcher.quoteReplacement("@"
                        + (found.group(2) != null
                                ? found.group(2)
                                : names.getOrDefault(found.group(1), found.group(1)))));
        return named.replaceAll("<#[A-Z0-9]+\\|([^>]*)>", "#$1").replaceAll("<!([a-z]+)[^>]*>", "@$1")
                .replaceAll("<([^|>]+)\\|([^>]*)>", "$2 ($1)").replaceAll("<([^>]+)>", "$1")
                .replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    }

    private void jsonLines(String content) throws IOException {
        try (BufferedReader lines = new BufferedReader(new StringReader(content))) {
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                if (line.isBlank()) {
                    continue;
                }
                try {
                    JsonNode node = Json.read(line);
                    Map<String, String> fields = new HashMap<>();
                    node.properties()
                            .forEach(field -> fields.put(
                                    field.getKey().toLowerCase(Locale.ROOT),
                                    field.getValue().asText()));
                    fields.putIfAbsent("by", node.path("data").path("by").asText());
                    row("line " + number, fields);
                } catch (IOException e) {
                    problems.add("line " + number + " skipped: it is torn or no JSON");
                }
            }
        }
    }

    private void csv(String content, Path file) throws IOException {
        CsvMapper mapper = CsvMapper.builder().enable(CsvParser.Feature.TRIM_SPACES).enable(CsvParser.Feature.SKIP_EMPTY_LINES)
                .enable(CsvParser.Feature.IGNORE_TRAILING_UNMAPPABLE).build();
        try (MappingIterator<Map<String, String>> rows = mapper.readerForMapOf(String.class)
                .with(CsvSchema.emptySchema().withHeader())
                .readValues(content)) {
            int number = 1;
            while (rows.hasNextValue()) {
                number++;
                Map<String, String> fields = new HashMap<>();
                rows.nextValue()
                        .forEach((name, value) ->
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
        Optional<String> text = first(fields, TEXT);
        add(
                place,
                first(fields, TIME).orElse(""),
                first(fields, BY).orElse(""),
                first(fields, KIND).orElse("note"),
                text.orElse(""));
    }

    private static Optional<String> first(Map<String, String> fields, List<String> names) {
        return names.stream().map(fields::get).filter(value -> value != null && !value.isBlank()).findFirst();
    }

    private void add(String place, String time, String by, String kind, String text) {
        if (text.isBlank()) {
            problems.add(place + " skipped: it has no text");
            return;
        }
        try {
            Instant at =
                    time.matches("\\d{9,11}(\\.\\d+)?") ? epoch(time) : Moment.past(place, time, now, Optional.empty());
            if (at.isAfter(now)) {
                throw new Problem(place + " \"" + time + "\" is in the future");
            }
            told.add(new Told(
                    at,
                    Text.safe(by, 80),
                    kind.matches("[a-z-]{2,30}") && !kind.equals(Event.CLOSED) ? kind : "note",
                    Text.safe(text, LONGEST_TEXT)));
        } catch (Problem | DateTimeException e) {
            problems.add(place + " skipped: " + e.getMessage().replaceFirst("^" + Pattern.quote(place) + " ", ""));
        }
    }

    private static Instant epoch(String seconds) {
        return Instant.ofEpochMilli(new BigDecimal(seconds).movePointRight(3).longValue());
    }
}
