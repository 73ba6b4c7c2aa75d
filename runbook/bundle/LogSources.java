package runbook.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.Incident;
import runbook.LogReader;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Tool;
import runbook.bundle.Collecting.Collector;
import runbook.bundle.Collecting.Sink;
import runbook.redact.Pieces.Piece;
import runbook.redact.Pieces.Words;

/** An application's logs: where they are, as files or printed by a command; which lines are wanted; what they tell. */
final class LogSources {
    /**
     * A command that prints logs. In its words {@code {}} is what was given, {@code {in}} a folder, an address or a
     * namespace given with it (the word is left out where none was), {@code {from}} and {@code {to}} the window in ISO
     * 8601, with {@code -s} in seconds and {@code -ms} in milliseconds since 1970.
     *
     * @param kind   of the collector
     * @param merged whether the tool logs to standard error too
     */
    private record Row(String kind, boolean merged, String... words) { }

    private static final Row JOURNAL = new Row("journal", false, "journalctl", "--no-pager", "--quiet",
            "--output=short-iso-precise", "--utc", "--since=@{from-s}", "--until=@{to-s}", "--directory={in}",
            "--unit={}");
    private static final Row DOCKER = new Row("docker", true, "docker", "logs", "--timestamps", "--since", "{from}",
            "--until", "{to}", "{}");
    private static final Row GCP = new Row("gcp-logs", false, "gcloud", "logging", "read",
            "({}) AND timestamp>=\"{from}\" AND timestamp<=\"{to}\"", "--order=asc", "--quiet",
            "--format=value(timestamp,severity,resource.labels,textPayload,jsonPayload)");
    private static final Row AWS = new Row("aws-logs", false, "aws", "logs", "filter-log-events", "--log-group-name",
            "{}", "--start-time", "{from-ms}", "--end-time", "{to-ms}", "--output", "text", "--query",
            "events[].[timestamp,logStreamName,message]");
    private static final Row LOKI = new Row("loki", false, "logcli", "query", "--addr={in}", "--from={from}",
            "--to={to}", "--limit=0", "--forward", "--quiet", "--timezone=UTC", "{}");
    private static final Row PODS = new Row("k8s", false, "kubectl", "get", "pods", "--namespace={in}",
            "--selector={}", "--output=custom-columns=NAME:.metadata.name,RESTARTS:.status.containerStatuses[*]"
            + ".restartCount,PHASE:.status.phase,NODE:.spec.nodeName");
    private static final Row POD = new Row("k8s", false, "kubectl", "logs", "--namespace={in}", "{}",
            "--all-containers", "--prefix", "--timestamps", "--since-time={from}");

    private static final Pattern PLACE = Pattern.compile("\\{[a-z-]*}");
    private static final int LONGEST_LIST = 16 << 20;

    private final Bundle.Window window;
    private final List<Collector> all = new ArrayList<>();

    private LogSources(Bundle.Window window) {
        this.window = window;
    }

    /** All that the options name, in their order. */
    static List<Collector> of(Bundle.Options options, Bundle.Window window) {
        LogSources sources = new LogSources(window);
        Path here = options.shared.host().path(".");
        options.logs.forEach(given -> sources.all.add(new LogFiles(given, here, window.from()).collector()));
        sources.add(JOURNAL, options.journal, options.journalDirectory);
        options.k8s.forEach(sources::addPods);
        sources.add(DOCKER, options.docker, null);
        sources.add(GCP, options.gcp, null);
        sources.add(AWS, options.aws, null);
        sources.add(LOKI, options.lokiQueries, options.loki);
        return sources.all;
    }

    // ---- what commands print

    private void add(Row row, List<String> given, String in) {
        for (String one : given) {
            List<String> command = command(row, one, in);
            String file = row.kind + "/" + one + ".log";
            all.add(Collector.of("application/" + row.kind + " " + one, Tool.shown(command), sink ->
                    print(sink, file, command, row.merged)));
        }
    }

    private List<String> command(Row row, String given, String in) {
        Instant from = window.from();
        Instant to = window.to();
        Map<String, String> values = new HashMap<>(Map.of("{}", given, "{in}", in == null ? "" : in, "{from}",
                from.toString(), "{to}", to.toString(), "{from-s}", "" + from.getEpochSecond(), "{to-s}",
                "" + (to.getEpochSecond() + 1), "{from-ms}", "" + from.toEpochMilli(), "{to-ms}",
                "" + to.toEpochMilli()));
        List<String> words = new ArrayList<>();
        for (String word : row.words) {
            if (!(word.contains("{in}") && in == null || word.equals("--unit={}") && given.equals("*"))) {
                words.add(filled(word, values));
            }
        }
        return words;
    }

    // Each place is filled once: what was given may look like a place.
    private static String filled(String word, Map<String, String> values) {
        return PLACE.matcher(word).replaceAll(place -> Matcher.quoteReplacement(values.get(place.group())));
    }

    /** Runs it; an exit code other than 0 is trouble, and what it printed is kept all the same. */
    private static void print(Sink sink, String file, List<String> command, boolean merged)
            throws IOException, Tool.Failure {
        try (Tool.Running child = sink.start(command, merged)) {
            sink.log(file, child.output(), Long.MAX_VALUE, "printed by " + Tool.shown(command));
            if (!child.exit().equals(Optional.of(0))) {
                sink.trouble(ended(command, child));
            }
        }
    }

    // A list of the pods first, then the log of each, and of what ran before in those that were restarted.
    private void addPods(String given) {
        int slash = given.indexOf('/');
        if (slash < 1 || slash == given.length() - 1) {
            throw new Problem("--k8s " + Text.safe(given, 60) + ": give NAMESPACE/SELECTOR, such as shop/app=checkout");
        }
        String namespace = given.substring(0, slash);
        List<String> list = command(PODS, given.substring(slash + 1), namespace);
        String plan = Tool.shown(list) + ", then kubectl logs of each, and of what ran before in those restarted";
        all.add(Collector.of("application/k8s " + given, plan, sink -> {
            String table = printed(sink, list);
            sink.text("k8s/pods.txt", table);
            for (String pod : table.lines().skip(1).toList()) {
                printPod(sink, pod.strip().split("\\s+"), namespace);
            }
            if (sink.files() == 1) {
                sink.trouble("no pod in " + given.replaceFirst("/", " has "));
            }
        }));
    }

    private static String printed(Sink sink, List<String> command) throws IOException, Tool.Failure {
        try (Tool.Running child = sink.start(command, false)) {
            String printed = new String(child.output().readNBytes(LONGEST_LIST), StandardCharsets.UTF_8);
            if (!child.exit().equals(Optional.of(0))) {
                throw new IOException(ended(command, child));
            }
            return printed;
        }
    }

    private void printPod(Sink sink, String[] cells, String namespace) throws IOException, Tool.Failure {
        List<String> log = command(POD, cells[0], namespace);
        print(sink, "k8s/" + cells[0] + ".log", log, false);
        if (cells.length > 1 && cells[1].matches(".*[1-9].*")) {
            log.addAll(List.of("--previous", "--ignore-errors"));
            print(sink, "k8s/" + cells[0] + "-previous.log", log, false);
        }
    }

    private static String ended(List<String> command, Tool.Running child) {
        String exit = child.exit().map(code -> "exit code " + code).orElse("no exit code yet");
        return Tool.name(command) + " ended with " + exit + ": " + child.complaint();
    }

    // ---- files

    /** One file, all files below a folder, or all that match a pattern; rotated and gzipped ones too. */
    private record LogFiles(String given, Path here, Instant from) {
        private static final int DEEPEST = 16;
        private static final int MOST = 2_000;

        Collector collector() {
            return new Collector("application/log " + given, this::plan, this::collect);
        }

        private List<String> plan() {
            List<String> plan = new ArrayList<>();
            try {
                for (Path file : files(plan::add)) {
                    plan.add(file + ", " + Archive.words(Files.size(file)));
                }
            } catch (IOException e) {
                plan.add(Incident.why(e));
            }
            return plan;
        }

        private void collect(Sink sink) throws IOException {
            for (Path file : files(sink::remark)) {
                // Only what was there at the start: a log that grows as fast as it is read would never end.
                long size = Files.size(file);
                try (InputStream stream = Files.newInputStream(file)) {
                    sink.log("log/" + file, stream, file.toString().endsWith(".gz") ? Long.MAX_VALUE : size, "");
                } catch (IOException e) {
                    sink.remark(file + " left out: " + Incident.why(e));
                }
            }
            if (sink.files() == 0) {
                sink.trouble("no log that could be used was found at " + given);
            }
        }

        /** The files that are meant, newest last; what cannot be taken is noted. */
        private List<Path> files(Consumer<String> note) throws IOException {
            List<Path> files = new ArrayList<>();
            Path path = path();
            if (path != null && (Files.exists(path) || !given.matches(".*[*?\\[{].*"))) {
                walk(path, any -> true, files, note);
            } else {
                // The part before the first special character is where to start looking.
                int slash = given.split("[*?\\[{]", 2)[0].lastIndexOf('/');
                Path root = here.resolve(slash < 0 ? "." : given.substring(0, Math.max(1, slash))).normalize();
                PathMatcher glob = FileSystems.getDefault().getPathMatcher("glob:" + given.substring(slash + 1));
                walk(root, file -> glob.matches(root.relativize(file)), files, note);
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

        private void keep(Path file, BasicFileAttributes attributes, List<Path> files, Consumer<String> note) {
            if (!attributes.isRegularFile()) {
                note.accept(file + " left out: it is no regular file (a pipe or a device may never end)");
            } else if (attributes.lastModifiedTime().toInstant().isBefore(from)) {
                note.accept(file + " left out: last changed before the window");
            } else if (files.size() < MOST) {
                files.add(file);
            } else if (files.size() == MOST) {
                note.accept("more than " + MOST + " files: the rest is left out");
            }
        }

        private void walk(Path root, PathMatcher matching, List<Path> files, Consumer<String> note)
                throws IOException {
            Files.walkFileTree(root, EnumSet.of(FileVisitOption.FOLLOW_LINKS), DEEPEST, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    if (matching.matches(file)) {
                        keep(file, attributes, files, note);
                    }
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) {
                    String why = e instanceof FileSystemLoopException ? "a link back to a folder above it"
                            : Incident.why(e);
                    note.accept(file + " left out: " + why);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path folder, IOException e) {
                    return FileVisitResult.CONTINUE;
                }
            });
        }
    }

    // ---- which lines

    /**
     * Which lines go into the bundle: those of the time that hold the words, and some lines around them.
     *
     * @param words  in either case; empty for every line
     * @param around lines of context before and after
     * @param zone   of times that name none
     */
    record Wanted(String words, int around, Bundle.Window window, ZoneId zone) {
        static final Wanted EVERYTHING = new Wanted("", 0, null, ZoneId.of("UTC"));

        /** The wanted lines of a piece, as a piece. */
        Piece chosen(Piece piece) {
            return words.isEmpty() && window == null ? piece : new Choice(this, piece).chosen();
        }
    }

    /** Chooses lines of a piece by what they say, and when. */
    private static final class Choice {
        private static final int LINES_BACK = 200;

        private final Wanted wanted;
        private final Piece piece;
        private final byte[] all;
        private final LogReader.Stamps stamps;
        // The last line whose time was asked for: lines without one ask for that of the line before them.
        private int knownLine = -1;
        private long knownTime;

        Choice(Wanted wanted, Piece piece) {
            this.wanted = wanted;
            this.piece = piece;
            this.all = piece.data();
            this.stamps = new LogReader.Stamps(wanted.zone, wanted.window.to());
        }

        Piece chosen() {
            Words words = wanted.words.isEmpty() ? null : new Words(wanted.words);
            int around = words == null ? 0 : wanted.around;
            byte[] chosen = new byte[all.length];
            int length = 0;
            int before = 0;
            int own = 0;
            int done = piece.beginsWithinLine() ? 0 : piece.from();
            int to = piece.endsWithinLine() ? piece.length() : piece.to();
            for (int hit = next(words, 0); hit >= 0; hit = next(words, lineEnd(hit))) {
                int first = lineStart(hit);
                int last = lineEnd(hit);
                boolean in = inWindow(first, last);
                for (int i = 0; i < around && in; i++) {
                    first = lineStart(Math.max(0, first - 1));
                    last = lineEnd(last);
                }
                first = Math.max(done, first);
                last = Math.min(to, last);
                if (in && last > first) {
                    before += Math.max(0, Math.min(last, piece.from()) - first);
                    own += Math.max(0, Math.min(last, piece.to()) - Math.max(first, piece.from()));
                    System.arraycopy(all, first, chosen, length, last - first);
                    length += last - first;
                    done = last;
                }
            }
            return new Piece(chosen, length, before, before + own);
        }

        private int next(Words words, int from) {
            int every = from < piece.length() ? from : -1;
            return words == null ? every : words.find(all, from, piece.length());
        }

        // A line without a time is of the time of the line before it, as the lines of a stack trace are; where no time
        // is found at all, lines are kept.
        private boolean inWindow(int start, int end) {
            long time = stamps.find(all, start, end);
            int line = start;
            for (int i = 0; i < LINES_BACK && time == LogReader.NO_TIME && line > 0; i++) {
                int before = lineStart(line - 1);
                time = before == knownLine ? knownTime : stamps.find(all, before, line);
                line = before;
            }
            knownLine = start;
            knownTime = time;
            return time == LogReader.NO_TIME || wanted.window.holds(time);
        }

        private int lineStart(int at) {
            int i = at;
            while (i > 0 && all[i - 1] != '\n') {
                i--;
            }
            return i;
        }

        private int lineEnd(int at) {
            int i = at;
            while (i < piece.length() && all[i] != '\n') {
                i++;
            }
            return Math.min(piece.length(), i + 1);
        }
    }

    // ---- what the logs tell, as they come by

    /** Reads all logs while they are collected, redacted as they are: facts, and lines for a person to look at. */
    static final class Told {
        private static final int LOOKED_AT = 20;
        private static final int CANDIDATES = 300;
        private static final int MOST_KINDS = 4_000;
        private static final int SHORTEST = 20;
        private static final int LONGEST = 160;
        private static final int MANY = 50_000_000;

        final LogReader reader;
        final AtomicLong bytes = new AtomicLong();
        private final Map<Long, String> lines = new HashMap<>();
        private final Map<Long, Integer> counts = new HashMap<>();

        Told(Wanted wanted) {
            reader = new LogReader(wanted.zone, wanted.window.from(), wanted.window.to(), text -> text);
        }

        /** What comes by, and of which log; null where it is of none. */
        void take(LogReader.Source source, byte[] text) {
            bytes.addAndGet(text.length);
            if (source != null) {
                source.take(text, text.length);
                look(text, bytes.get() > MANY ? 64 : 1);
            }
        }

        private synchronized void look(byte[] text, int step) {
            for (int start = 0, number = 0; start < text.length; number++) {
                int end = start;
                while (end < text.length && text[end] != '\n') {
                    end++;
                }
                if (number % step == 0 && end - start > SHORTEST) {
                    int cut = Math.min(end, start + LONGEST);
                    // Not within a stand-in: half of one is none, and would be redacted once more.
                    while (cut < end && cut > start + SHORTEST && " ,;&".indexOf(text[cut]) < 0) {
                        cut--;
                    }
                    long kind = LogReader.kind(text, start, cut);
                    if (counts.size() < MOST_KINDS || counts.containsKey(kind)) {
                        counts.merge(kind, 1, Integer::sum);
                        lines.putIfAbsent(kind, new String(text, start, cut - start, StandardCharsets.ISO_8859_1));
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
                    .map(line -> Text.safe(new String(line, StandardCharsets.UTF_8), LONGEST)).toList();
            Map<String, Double> nearest = new LinkedHashMap<>();
            rare.forEach(line -> nearest.put(line, 0.0));
            List<String> chosen = new ArrayList<>();
            while (chosen.size() < LOOKED_AT && !nearest.isEmpty()) {
                String least = Collections.min(nearest.entrySet(), Map.Entry.comparingByValue()).getKey();
                chosen.add(least);
                nearest.remove(least);
                nearest.replaceAll((line, near) -> Math.max(near, alike(line, least)));
            }
            return chosen;
        }

        private static double alike(String one, String other) {
            Set<String> words = new HashSet<>(List.of(one.split("\\W+")));
            Set<String> all = new HashSet<>(List.of(other.split("\\W+")));
            int sum = words.size() + all.size();
            all.addAll(words);
            return (sum - all.size()) / (double) Math.max(1, all.size());
        }
    }
}
