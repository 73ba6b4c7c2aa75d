package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import runbook.Text.Json;

/** {@code manifest.json} and {@code redaction.json}: what is in an archive, where it comes from, what is missing, and what was taken out. */
final class Manifest {
    static final String FILE = "manifest.json";
    static final int SCHEMA = 1;

    private Manifest() { }

    /** Facts about the whole. */
    record Head(String version, String drill, String created, Window window, String words, List<String> kept) { }

    static JsonNode json(Head head, List<Outcome> outcomes, List<Item> items) throws IOException {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("schema", SCHEMA);
        json.put("tool", "klaviyo-runbook debug-bundle");
        json.put("version", head.version);
        json.put("drill", head.drill);
        json.put("created", head.created);
        json.put(
                "window",
                head.window == null
                        ? null
                        : Map.of(
                                "from",
                                head.window.from().toString(),
                                "to",
                                head.window.to().toString()));
        json.put("grep", head.words);
        json.put("kept", head.kept);
        json.put("complete", outcomes.stream().noneMatch(outcome -> outcome.state() == Outcome.State.FAILED));
        json.put("missing", missing(outcomes));
        json.put("collectors", outcomes.stream().map(Outcome::json).toList());
        List<Object> files = new ArrayList<>();
        for (Item item : items) {
            files.add(file(item));
        }
        json.put("files", files);
        return Json.of(json);
    }

    private static Map<String, Object> file(Item item) throws IOException {
        Part.Sums sums = item.part().sums();
        List<String> notes = new ArrayList<>(item.notes());
        if (item.part().dropped() > 0) {
            notes.add("truncated: the oldest " + Bytes.words(item.part().dropped())
                    + " were left out to keep within the size allowed");
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("path", item.path());
        json.put("bytes", sums.plain());
        json.put("sha256", sums.sha256());
        json.put("collector", item.collector());
        json.put("command", item.origin().command());
        json.put("exitCode", item.origin().exitCode());
        json.put("stderr", item.origin().stderr());
        json.put("millis", item.origin().millis());
        json.put(
                "truncated",
                notes.stream().anyMatch(note -> note.startsWith("truncated") || note.contains("stopped early")));
        json.put("notes", notes);
        return json;
    }

    /** A line for each thing that is not there. */
    static List<String> missing(List<Outcome> outcomes) {
        List<String> missing = new ArrayList<>();
        for (Outcome outcome : outcomes) {
            if (outcome.state() != Outcome.State.OK) {
                missing.add(outcome.collector()
                        + (outcome.state() == Outcome.State.FAILED ? " failed: " : " skipped: ")
                        + String.join("; ", outcome.why()));
            }
            outcome.remarks().forEach(remark -> missing.add(outcome.collector() + ": " + remark));
        }
        return missing;
    }

    /** Rule, file and count; never a value. */
    static JsonNode redaction(List<Item> items) {
        List<Object> rows = new ArrayList<>();
        Map<String, Long> totals = new java.util.TreeMap<>();
        for (Item item : items) {
            item.tally().counts().forEach((rule, count) -> {
                rows.add(ordered(rule, item.path(), count));
                totals.merge(rule, count, Long::sum);
            });
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("schema", SCHEMA);
        // Not rule to count as an object: there "secret": 5 would read as a secret.
        json.put(
                "totals",
                totals.entrySet().stream()
                        .map(total -> Map.of("rule", total.getKey(), "count", total.getValue()))
                        .toList());
        json.put("redactions", rows);
        return Json.of(json);
    }

    private static Map<String, Object> ordered(String rule, String file, long count) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("rule", rule);
        row.put("file", file);
        row.put("count", count);
        return row;
    }
}
