package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Incident;
import runbook.LogReader;
import runbook.Settings;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Json;
import runbook.Tool;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Planned;
import runbook.bundle.Collecting.Sink;
import runbook.bundle.Pipeline.Wanted;

/** Where an application's logs are: files, what commands print, Loki, and in a drill the sandbox. */
final class LogSources {
    /**
     * A command that prints logs. In its words {@code {}} is what was given, {@code {from}} and {@code {to}} the window
     * in ISO 8601, with {@code -s} in seconds and {@code -ms} in milliseconds since 1970; a word with {@code {dir}} is
     * left out where none is.
     *
     * @param kind   of the collector, and the folder its output is in
     * @param merged whether the tool logs to standard error too
     */
    private record Row(String kind, boolean merged, String... words) { }

    private static final Map<String, Row> COMMANDS = Map.of(
            "journal", new Row("journal", false, "journalctl", "--no-pager", "--quiet", "--output=short-iso-precise",
                    "--utc", "--since=@{from-s}", "--until=@{to-s}", "--directory={dir}", "--unit={}"),
            "docker", new Row("docker", true, "docker", "logs", "--timestamps", "--since", "{from}", "--until", "{to}",
                    "{}"),
            "gcp", new Row("gcp-logs", false, "gcloud", "logging", "read",
                    "({}) AND timestamp>=\"{from}\" AND timestamp<=\"{to}\"", "--order=asc", "--quiet",
                    "--format=value(timestamp,severity,resource.labels,textPayload,jsonPayload)"),
            "aws", new Row("aws-logs", false, "aws", "logs", "filter-log-events", "--log-group-name", "{}",
                    "--start-time", "{from-ms}", "--end-time", "{to-ms}", "--output", "text", "--query",
                    "events[].[timestamp,logStreamName,message]"));
    private static final List<String> PODS = List.of("kubectl", "get", "pods", "--namespace", "{ns}", "--selector",
            "{}", "--output", "json");
    private static final List<String> POD_LOG = List.of("kubectl", "logs", "--namespace", "{ns}", "{}", "--container",
            "{c}", "--timestamps", "--since-time", "{from}");

    private LogSources() { }

    /** All that the options name, in their order. */
    static List<Collector> of(Bundle.Options options, Wanted wanted, Http http) {
        List<Collector> all = new ArrayList<>();
        Path here = options.shared.host().path(".");
        options.logs.forEach(given -> all.add(new LogFiles(given, here, wanted).collector()));
        options.journal.forEach(unit -> all.add(command("journal", unit, options.journalDirectory, wanted)));
        options.k8s.forEach(given -> all.add(pods(given, wanted)));
        options.docker.forEach(container -> all.add(command("docker", container, null, wanted)));
        options.gcp.forEach(filter -> all.add(command("gcp", filter, null, wanted)));
        options.aws.forEach(group -> all.add(command("aws", group, null, wanted)));
        options.lokiQueries.forEach(query -> all.add(new Loki(Settings.address("--loki", options.loki), query, http,
                options.maxEach, wanted).collector()));
        return all;
    }

    // ---- what commands print

    private static Collector command(String kind, String given, String folder, Wanted wanted) {
        Row row = COMMANDS.get(kind);
        Map<String, String> values = values(wanted, given);
        values.put("{dir}", folder == null ? "" : folder);
        List<String> words = new ArrayList<>();
        for (String word : row.words) {
            if (!(word.contains("{dir}") && folder == null || word.equals("--unit={}") && given.equals("*"))) {
                words.add(filled(word, values));
            }
        }
        String file = kind + "/" + (kind.equals("gcp") ? "logs" : given) + ".log";
        return Collector.of("application/" + row.kind + " " + given, Tool.shown(words), -1, sink ->
                print(sink, file, words, row.merged, wanted));
    }

    private static Map<String, String> values(Wanted wanted, String given) {
        Instant from = wanted.window().from();
        Instant to = wanted.window().to();
        return new HashMap<>(Map.of("{}", given, "{from}", from.toString(), "{to}", to.toString(),
                "{from-s}", "" + from.getEpochSecond(), "{to-s}", "" + (to.getEpochSecond() + 1),
                "{from-ms}", "" + from.toEpochMilli(), "{to-ms}", "" + to.toEpochMilli()));
    }

    // Each place is filled once: what was given may look like a place.
    private static String filled(String word, Map<String, String> values) {
        StringBuilder filled = new StringBuilder();
        for (int at = 0; at < word.length(); ) {
            int end = word.charAt(at) == '{' ? word.indexOf('}', at) + 1 : 0;
            String value = end > 0 ? values.get(word.substring(at, end)) : null;
            filled.append(value == null ? word.substring(at, at + 1) : value);
            at = value == null ? at + 1 : end;
        }
        return filled.toString();
    }

    /** Runs it; an exit code other than 0 is trouble, and what it printed is kept all the same. */
    private static void print(Sink sink, String file, List<String> command, boolean merged,
            Wanted wanted) throws IOException, Tool.Failure {
        try (Tool.Running child = sink.start(command, merged)) {
            Integer[] exit = new Integer[1];
            sink.log(file, child.output(), Long.MAX_VALUE, wanted, notes -> {
                exit[0] = child.exit().orElse(null);
                return new Origin(command.stream().map(sink::clean).toList(), exit[0],
                        sink.clean(child.complaint()), child.millis());
            });
            if (exit[0] == null || exit[0] != 0) {
                sink.trouble(Tool.name(command) + " ended with " + (exit[0] == null ? "no exit code yet" : "exit code "
                        + exit[0]) + ": " + sink.clean(child.complaint()));
            }
        }
    }

    // ---- pods: a list of them first, then a log of each container, and of the previous one of those restarted

    private record Pods(String namespace, String selector, Wanted wanted) {
        Collector collector() {
            String more = "kubectl logs of each of their containers, and of the previous ones of those restarted";
            return new Collector("application/k8s " + namespace + "/" + selector, () ->
                    List.of(new Planned(Tool.shown(listing()), -1), new Planned(more, -1)), this::collect);
        }

        private List<String> listing() {
            return PODS.stream().map(word -> filled(word, Map.of("{ns}", namespace, "{}", selector))).toList();
        }

        private void collect(Sink sink) throws IOException, Tool.Failure {
            JsonNode pods;
            try (Tool.Running child = sink.start(listing(), false)) {
                byte[] list = child.output().readNBytes(16 << 20);
                if (!child.exit().equals(Optional.of(0))) {
                    String exit = child.exit().map(String::valueOf).orElse("none yet");
                    throw new IOException("kubectl ended with exit code " + exit + ": " + child.complaint());
                }
                pods = Json.read(list);
                sink.json("k8s/pods.json", states(pods), child.millis());
            }
            if (pods.path("items").isEmpty()) {
                sink.trouble("no pod in " + namespace + " has " + selector);
            }
            for (JsonNode pod : pods.path("items")) {
                for (String group : List.of("initContainerStatuses", "containerStatuses")) {
                    for (JsonNode container : pod.path("status").path(group)) {
                        logs(sink, pod.path("metadata").path("name").asText(), container);
                    }
                }
            }
        }

        private void logs(Sink sink, String pod, JsonNode container) throws IOException, Tool.Failure {
            Map<String, String> values = values(wanted, pod);
            values.putAll(Map.of("{ns}", namespace, "{c}", container.path("name").asText()));
            List<String> command = POD_LOG.stream().map(word -> filled(word, values)).toList();
            String file = "k8s/" + pod + "/" + container.path("name").asText();
            print(sink, file + ".log", command, false, wanted);
            if (container.path("restartCount").asInt() > 0) {
                List<String> previous = Stream.concat(command.stream(), Stream.of("--previous")).toList();
                print(sink, file + "-previous.log", previous, false, wanted);
            }
        }

        // Not the whole objects: their specifications hold environment variables.
        private static JsonNode states(JsonNode pods) {
            ObjectNode states = Json.object();
            for (JsonNode pod : pods.path("items")) {
                ObjectNode state = states.putObject(pod.path("metadata").path("name").asText());
                state.set("phase", pod.path("status").path("phase"));
                state.set("node", pod.path("spec").path("nodeName"));
                state.set("containers", pod.path("status").path("containerStatuses"));
            }
            return states;
        }
    }

    private static Collector pods(String given, Wanted wanted) {
        int slash = given.indexOf('/');
        if (slash < 1 || slash == given.length() - 1) {
            throw new Problem("--k8s " + Text.safe(given, 60) + ": give NAMESPACE/SELECTOR, such as shop/app=checkout");
        }
        return new Pods(given.substring(0, slash), given.substring(slash + 1), wanted).collector();
    }

    // ---- files

    /** One file, all files below a folder, or all that match a pattern; rotated and gzipped ones too. */
    private record LogFiles(String given, Path here, Wanted wanted) {
        private static final int DEEPEST = 16;
        private static final int MOST = 2_000;

        Collector collector() {
            return new Collector("application/log " + given, this::plan, this::collect);
        }

        private List<Planned> plan() {
            List<Planned> plan = new ArrayList<>();
            try {
                for (Path file : files(note -> plan.add(new Planned(note, -1)))) {
                    plan.add(old(file) ? new Planned(file + ": last changed before the window, left out", -1)
                            : new Planned(file.toString(), Files.size(file)));
                }
            } catch (IOException e) {
                plan.add(new Planned(Incident.why(e), -1));
            }
            return plan;
        }

        private void collect(Sink sink) throws IOException {
            List<Path> files = files(sink::remark);
            for (Path file : files) {
                try {
                    if (old(file)) {
                        sink.remark(file + " left out: last changed before the window");
                    } else {
                        add(file, sink);
                    }
                } catch (IOException e) {
                    sink.remark(file + " left out: " + Incident.why(e));
                }
            }
            if (files.isEmpty()) {
                sink.trouble("no regular file found at " + given);
            } else if (sink.files() == 0) {
                sink.trouble("none of its " + files.size() + " files could be used");
            }
        }

        private void add(Path file, Sink sink) throws IOException {
            long start = System.nanoTime();
            // Only what was there at the start: a log that grows as fast as it is read would never end.
            long size = Files.size(file);
            try (InputStream stream = Files.newInputStream(file)) {
                long most = file.toString().endsWith(".gz") ? Long.MAX_VALUE : size;
                sink.log("log/" + file, stream, most, wanted, notes -> {
                    notes.addAll(changed(file, size));
                    return Origin.none((System.nanoTime() - start) / 1_000_000);
                });
            }
        }

        private static List<String> changed(Path file, long size) {
            try {
                long more = Files.size(file) - size;
                return more == 0 ? List.of() : List.of(more > 0 ? "it grew while it was read: the new part is left out"
                        : "it was cut short while it was read");
            } catch (IOException e) {
                return List.of("it was moved away while it was read");
            }
        }

        private boolean old(Path file) throws IOException {
            return Files.getLastModifiedTime(file).toInstant().isBefore(wanted.window().from());
        }

        /** The files that are meant, newest last; what is no regular file is noted. */
        private List<Path> files(Consumer<String> note) throws IOException {
            Path path = path();
            List<Path> files = new ArrayList<>();
            if (path != null && Files.isDirectory(path)) {
                walk(path, any -> true, files, note);
            } else if (path != null && Files.exists(path)) {
                keep(path, files, note);
            } else if (given.matches(".*[*?\\[{].*")) {
                // The part before the first special character is where to start looking.
                int special = given.split("[*?\\[{]", 2)[0].lastIndexOf('/');
                Path root = here.resolve(special < 0 ? "." : special == 0 ? "/" : given.substring(0, special))
                        .normalize();
                String pattern = special < 0 ? given : given.substring(special + 1);
                PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
                walk(root, file -> matcher.matches(root.relativize(file)), files, note);
            } else {
                throw new NoSuchFileException(given);
            }
            files.sort(Comparator.comparing((Path file) -> file.toFile().lastModified()).thenComparing(file -> file));
            return files;
        }

        private Path path() {
            try {
                return here.resolve(given).normalize();
            } catch (InvalidPathException e) {
                return null;
            }
        }

        private static void keep(Path file, List<Path> files, Consumer<String> note) {
            if (!Files.isRegularFile(file)) {
                note.accept(file + " left out: it is no regular file (a pipe or a device may never end)");
            } else if (files.size() < MOST) {
                files.add(file);
            } else if (files.size() == MOST) {
                note.accept("more than " + MOST + " files: the rest is left out");
            }
        }

        private static void walk(Path root, PathMatcher matching, List<Path> files,
                Consumer<String> note) throws IOException {
            Files.walkFileTree(root, EnumSet.of(FileVisitOption.FOLLOW_LINKS), DEEPEST, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    if (matching.matches(file)) {
                        keep(file, files, note);
                    }
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) {
                    note.accept(file + " left out: " + (e instanceof FileSystemLoopException
                            ? "a link back to a folder above it" : Incident.why(e)));
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path folder, IOException e) {
                    return FileVisitResult.CONTINUE;
                }
            });
        }
    }

    // ---- Loki

    /** Grafana Loki's lines for a query, page by page ({@code /loki/api/v1/query_range}, forward). */
    private record Loki(URI address, String query, Http http, Duration timeout, Wanted wanted) {
        private static final int PAGE = 2_000;
        private static final int MOST_PAGES = 5_000;

        private record Line(long nanos, String text) { }

        Collector collector() {
            return Collector.of("application/loki " + query, address + " " + query, -1, this::collect);
        }

        private void collect(Sink sink) throws IOException {
            long start = System.nanoTime();
            Reading reading = new Reading();
            sink.log("loki/lines.log", new SequenceInputStream(reading), Long.MAX_VALUE, wanted,
                    notes -> Origin.none((System.nanoTime() - start) / 1_000_000));
            if (reading.trouble != null) {
                sink.trouble(reading.trouble);
            }
        }

        /** Pages as streams; each is asked for when the one before it has been read. */
        private final class Reading implements Enumeration<InputStream> {
            private long from = wanted.window().from().toEpochMilli() * 1_000_000;
            private Set<Line> atFrom = Set.of();
            private int limit = PAGE;
            private int pages;
            private String trouble;
            private String next = page();

            @Override
            public boolean hasMoreElements() {
                return next != null;
            }

            @Override
            public InputStream nextElement() {
                InputStream current = new ByteArrayInputStream(next.getBytes(StandardCharsets.UTF_8));
                next = page();
                return current;
            }

            private String page() {
                if (trouble != null || pages++ >= MOST_PAGES) {
                    return null;
                }
                Answer answer = http.get(URI.create(address + "/loki/api/v1/query_range?direction=forward&limit="
                        + limit + "&start=" + from + "&end=" + wanted.window().to().toEpochMilli() + "000000&query="
                        + URLEncoder.encode(query, StandardCharsets.UTF_8)), Map.of(), timeout);
                if (answer instanceof Fault fault && fault.kind() == Http.Kind.TOO_LARGE && limit > 1) {
                    limit = Math.max(1, limit / 4);
                    return page();
                }
                if (!(answer instanceof Reply reply) || reply.status() != 200) {
                    trouble = answer instanceof Reply reply ? "HTTP " + reply.status() + ": " + reply.text()
                            : ((Fault) answer).words();
                    return null;
                }
                // Lines of the very moment where the last page ended come again; older ones were not asked for.
                List<Line> fresh = lines(reply.json()).stream()
                        .filter(line -> line.nanos >= from && !atFrom.contains(line)).toList();
                if (fresh.isEmpty()) {
                    return null;
                }
                long last = fresh.get(fresh.size() - 1).nanos;
                Set<Line> again = new HashSet<>(last == from ? atFrom : Set.of());
                fresh.stream().filter(line -> line.nanos == last).forEach(again::add);
                from = last;
                atFrom = again;
                return fresh.stream().map(line -> Instant.ofEpochSecond(0, line.nanos) + " " + line.text + "\n")
                        .collect(Collectors.joining());
            }
        }

        private static List<Line> lines(JsonNode json) {
            List<Line> lines = new ArrayList<>();
            for (JsonNode stream : json.path("data").path("result")) {
                stream.path("values").forEach(value ->
                        lines.add(new Line(value.path(0).asLong(), value.path(1).asText())));
            }
            lines.sort(Comparator.comparing(Line::nanos));
            return lines;
        }
    }

    // ---- what the logs tell, as they come by

    /** Reads all logs while they are collected, redacted as they are: facts, and lines for a person to look at. */
    static final class Told {
        private static final int LOOKED_AT = 20;
        private static final int CANDIDATES = 300;
        private static final int MOST_KINDS = 4_000;
        private static final int LONGEST = 160;

        final LogReader reader;
        final AtomicLong bytes = new AtomicLong();
        private final Map<Long, String> lines = new HashMap<>();
        private final Map<Long, Integer> counts = new HashMap<>();

        Told(Wanted wanted) {
            Bundle.Window window = wanted.window();
            reader = new LogReader(wanted.zone(), window.from(), window.to(), text -> text);
        }

        /** What comes by, and of which log; null where it is of none. */
        void take(LogReader.Source source, byte[] text) {
            bytes.addAndGet(text.length);
            if (source != null) {
                source.take(text, text.length);
                look(text);
            }
        }

        private synchronized void look(byte[] text) {
            int step = bytes.get() > 50_000_000 ? 64 : 1;
            for (int start = 0, number = 0; start < text.length; number++) {
                int end = start;
                while (end < text.length && text[end] != '\n') {
                    end++;
                }
                if (number % step == 0 && end - start > 20) {
                    String line = new String(text, start, Math.min(end - start, LONGEST), StandardCharsets.ISO_8859_1);
                    long kind = LogReader.kind(line);
                    if (counts.size() < MOST_KINDS || counts.containsKey(kind)) {
                        counts.merge(kind, 1, Integer::sum);
                        lines.putIfAbsent(kind, line);
                    }
                }
                start = end + 1;
            }
        }

        /** Lines that are the least alike, of the rarest kinds: where a name would be that no rule can find. */
        synchronized List<String> sample() {
            List<String> rare = counts.entrySet().stream()
                    .sorted(Map.Entry.<Long, Integer>comparingByValue().thenComparing(Map.Entry.comparingByKey()))
                    .limit(CANDIDATES).map(kind -> lines.get(kind.getKey()).getBytes(StandardCharsets.ISO_8859_1))
                    .map(line -> new String(line, StandardCharsets.UTF_8)).toList();
            List<Set<String>> words = rare.stream().map(line -> Set.copyOf(List.of(line.split("\\W+")))).toList();
            double[] nearest = new double[rare.size()];
            List<String> chosen = new ArrayList<>();
            while (chosen.size() < Math.min(LOOKED_AT, rare.size())) {
                int least = 0;
                for (int i = 1; i < nearest.length; i++) {
                    least = nearest[i] < nearest[least] ? i : least;
                }
                chosen.add(Text.safe(rare.get(least), LONGEST));
                for (int i = 0; i < nearest.length; i++) {
                    nearest[i] = i == least ? 2 : Math.max(nearest[i], alike(words.get(i), words.get(least)));
                }
            }
            return chosen;
        }

        private static double alike(Set<String> one, Set<String> other) {
            long both = one.stream().filter(other::contains).count();
            return both / (double) Math.max(1, one.size() + other.size() - both);
        }
    }
}
