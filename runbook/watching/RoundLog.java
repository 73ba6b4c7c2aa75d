package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.function.Consumer;
import runbook.Text.Json;
import runbook.Incident;

/**
 * {@code watch-rounds.jsonl} in the incident folder: one short line a round, so that a watch that is started again knows
 * what the one before saw. Each line is {@code {"at":"…","good":{"auth":120},"bad":{"app":15}}}: milliseconds by check.
 */
final class RoundLog {
    static final String NAME = "watch-rounds.jsonl";

    /** One look of an earlier round, in wall-clock time. */
    record PastLook(Instant at, String check, boolean good, long millis) { }

    private RoundLog() { }

    static void append(Incident incident, Instant at, List<Reading> readings) throws IOException {
        ObjectNode line = Json.object().put("at", at.toString());
        ObjectNode good = line.putObject("good");
        ObjectNode bad = line.putObject("bad");
        for (Reading reading : readings) {
            if (reading.passed() || reading.failed()) {
                (reading.passed() ? good : bad).put(reading.check(), reading.millis());
            }
        }
        Path file = incident.folder().resolve(NAME);
        if (Files.notExists(file)) {
            incident.write(NAME, new byte[0]);
        }
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            // A line end first as well: what a kill tore stays a line of its own.
            boolean torn = open.length() > 0 && lastByte(open) != '\n';
            open.seek(open.length());
            open.write(((torn ? "\n" : "") + Json.line(line) + "\n").getBytes(StandardCharsets.UTF_8));
        }
    }

    private static int lastByte(RandomAccessFile open) throws IOException {
        open.seek(open.length() - 1);
        return open.read();
    }

    /** Reads every look of every round, oldest first; a torn line is left out. A missing file has none. */
    static void read(Incident incident, Consumer<PastLook> looks) throws IOException {
        Path file = incident.folder().resolve(NAME);
        if (Files.notExists(file)) {
            return;
        }
        try (BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                readLine(line, looks);
            }
        }
    }

    private static void readLine(String line, Consumer<PastLook> looks) {
        try {
            JsonNode node = Json.read(line);
            Instant at = Instant.parse(node.path("at").asText());
            node.path("good")
                    .properties()
                    .forEach(look -> looks.accept(new PastLook(
                            at, look.getKey(), true, look.getValue().asLong())));
            node.path("bad")
                    .properties()
                    .forEach(look -> looks.accept(new PastLook(
                            at, look.getKey(), false, look.getValue().asLong())));
        } catch (IOException | DateTimeParseException e) {
            // Torn by a kill: one round of many.
        }
    }
}
