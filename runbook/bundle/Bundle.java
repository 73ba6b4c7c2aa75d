package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.stream.*;
import picocli.CommandLine.Option;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Settings.Times;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.bundle.Archive.Part;
import runbook.bundle.Pipeline.Unsafe;
import runbook.bundle.Pipeline.Wanted;
import runbook.bundle.Summary.Told;
import runbook.redact.*;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Policy;

/**
 * A debug bundle: collectors run side by side within their time, and what they give is redacted on its way into the
 * archive, names and notes too. The archive is read back, and only then gets its name.
 */
public final class Bundle {
    private static final long FRONT_PAGES = 200_000;
    private static final long SMALLEST = 100_000;
    private static final long LONGEST_GRACE = 3_000_000_000L;
    /** What no rule finds, in one line. */
    public static final String NO_RULE_FINDS = "No rule finds names, streets and the like in free text: look at these "
            + "lines, the least alike of those that stayed, before you send it.";

    /** The time that a bundle is about; both ends belong to it. */
    public record Window(Instant from, Instant to) {
        boolean holds(long millis) {
            return millis >= from.toEpochMilli() && millis <= to.toEpochMilli();
        }

        /** An hour before it: what normal looked like. */
        Instant hourBefore() {
            return from.minus(Duration.ofHours(1));
        }
    }

    // ---- what to collect, and how

    /** The request, as it is typed. */
    public static final class Options {
        @Option(names = "--since", paramLabel = "DURATION", defaultValue = "2h", order = 40,
                description = "how far back (${DEFAULT-VALUE})")
        Duration since;
        @Option(names = "--from", paramLabel = "TIME", order = 41,
                description = "from when instead: 2026-11-23T03:00:00Z, 03:00 (UTC) or \"3h ago\"")
        String from;
        @Option(names = "--to", paramLabel = "TIME", order = 42, description = "until when (now)")
        String to;
        @Option(names = "--log", paramLabel = "PATH", order = 50,
                description = "log files: a file, a folder or a pattern, rotated and .gz too; repeatable, as all "
                        + "that follow")
        List<String> logs = List.of();
        @Option(names = "--journal", paramLabel = "UNIT", order = 51,
                description = "a systemd unit's journal (journalctl)")
        List<String> journal = List.of();
        @Option(names = "--k8s", paramLabel = "NS/SELECTOR", order = 53,
                description = "all pods found, and their previous containers (kubectl)")
        List<String> k8s = List.of();
        @Option(names = "--docker", paramLabel = "NAME", order = 54, description = "a container's log (docker)")
        List<String> docker = List.of();
        @Option(names = "--gcp-logs", paramLabel = "FILTER", order = 55, description = "Google Cloud logging (gcloud)")
        List<String> gcp = List.of();
        @Option(names = "--aws-logs", paramLabel = "GROUP", order = 56, description = "a CloudWatch log group (aws)")
        List<String> aws = List.of();
        @Option(names = "--loki", paramLabel = "URL", order = 57, description = "Grafana Loki (logcli)")
        String loki;
        @Option(names = "--loki-query", paramLabel = "LOGQL", order = 58, description = "what to ask it for")
        List<String> lokiQueries = List.of();
        @Option(names = "--grep", paramLabel = "WORDS", defaultValue = "klaviyo", order = 59,
                description = "only lines with these words, in any case; '' for all (${DEFAULT-VALUE})")
        String words;
        @Option(names = "--context", paramLabel = "LINES", defaultValue = "2", order = 60,
                description = "lines before and after each of them (${DEFAULT-VALUE})")
        int context;
        @Option(names = "--log-zone", paramLabel = "ZONE", order = 61,
                description = "time zone of log lines that name none (this machine's)")
        String logZone;
        @Option(names = "--query", paramLabel = "PROMQL", order = 62,
                description = "asked of --prometheus besides the runbook's metrics")
        List<String> queries = List.of();
        @Option(names = "--env", paramLabel = "NAME", split = ",", order = 63,
                description = "environment variables to list besides KLAVIYO_*, by their length")
        public List<String> variables = List.of();
        @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "200MB", order = 80,
                description = "of the archive, from 100kB on; the newest lines are kept (${DEFAULT-VALUE})")
        String maxSize;
        @Option(names = "--max-time", paramLabel = "DURATION", defaultValue = "5m", order = 81,
                description = "for all together (${DEFAULT-VALUE})")
        public Duration maxTime;
        @Option(names = "--max-each", paramLabel = "DURATION", defaultValue = "2m", order = 82,
                description = "for each collector (${DEFAULT-VALUE})")
        Duration maxEach;

        private final long start = System.nanoTime();
        Cli shared;
        Window window;
        Wanted wanted;
        private long size;

        /** The same with what all scripts share; refuses what cannot be, or does not go together. */
        public Options with(Cli cli) {
            shared = cli;
            refuse(lokiQueries.isEmpty() != (loki == null), "--loki and --loki-query belong together: give both");
            k8s.forEach(given -> refuse(!given.matches("[^/]+/.+"), "--k8s " + Text.safe(given, 60)
                    + ": give NAMESPACE/SELECTOR, such as shop/app=checkout"));
            refuse(context < 0 || context > 100, "--context " + context + ": give 0 to 100");
            Instant now = Instant.now().truncatedTo(ChronoUnit.SECONDS);
            Instant end = to == null ? now : Times.past("--to", to, now, Optional.empty());
            Instant begin = from == null ? end.minus(since) : Times.past("--from", from, now, Optional.empty());
            refuse(!begin.isBefore(end), "--from " + begin + " is not before --to " + end);
            window = new Window(begin.truncatedTo(ChronoUnit.SECONDS), end.truncatedTo(ChronoUnit.SECONDS));
            size = Archive.size(maxSize);
            refuse(size < SMALLEST, "--max-size " + Text.safe(maxSize, 40) + ": give 100kB or more");
            try {
                ZoneId zone = logZone == null ? ZoneId.systemDefault() : ZoneId.of(logZone);
                wanted = new Wanted(words.isEmpty() ? null : new Pipeline.Words(words), context, window, zone);
            } catch (DateTimeException e) {
                throw new Problem("--log-zone " + Text.safe(logZone, 40)
                        + " is no time zone: write UTC, Europe/Berlin or +02:00");
            }
            return this;
        }

        private static void refuse(boolean wrong, String why) {
            if (wrong) {
                throw new Problem(why);
            }
        }
    }

    private final Options options;
    private final Optional<Incident> incident;
    private final Redactor redactor;
    private final Systems systems;
    private final List<Collector> collectors;

    /** A bundle to be made, of an incident if there is one; the policy says what may stay, and what is known. */
    public Bundle(Options options, Settings settings, Optional<Incident> incident, Policy policy) {
        this.options = options;
        this.incident = incident;
        this.redactor = new Redactor(policy);
        this.systems = new Systems(options, settings);
        this.collectors = systems.collectors(incident);
    }

    /** What it is about. */
    public Window window() {
        return options.window;
    }

    /**
     * What would be collected, a line each, with sizes where they are known; failed where it is seen not to be there.
     * Nothing is read but names and sizes.
     */
    public List<Progress> plan() {
        return collectors.stream().flatMap(collector -> collector.plan.stream().map(line ->
                new Progress(collector.name, collector.state, redactor.text(line)))).toList();
    }

    /** Takes back what is on its way, here or in an {@link Existing}; says in words what is left of it. */
    public static String interrupted() {
        return Archive.takeBack();
    }

    // ---- making it

    /** How a collector ended: fine, gave up (perhaps after giving something), or had nothing to do. */
    public enum State implements Text.Named { OK, FAILED, SKIPPED }

    /** How far it is, or would come: a collector, or a step of the work on the whole. */
    public record Progress(String what, State state, String words) { }

    /**
     * What came of it: the archive and its size, a line for all that is missing, rule to count, the headline, and the
     * zone of the logs' times where none of them names it.
     */
    public record Made(Path file, long bytes, int files, String size, List<String> missing, boolean complete,
            Map<String, Long> redacted, String headline, String assumedZone) { }

    /**
     * Makes it: a new file. Whoever looks is shown lines that stayed, the least alike, and says whether the archive may
     * have its name; where it may not, there is none.
     *
     * @throws Pipeline.Unsafe when something secret is left, and nothing is written
     * @throws IOException     when it cannot be written
     */
    public Optional<Made> make(Path target, Consumer<Progress> progress, Predicate<List<String>> looked)
            throws IOException, InterruptedException {
        try (Archive archive = new Archive(target, Math.max(options.size - FRONT_PAGES, options.size / 2));
                Pipeline pipeline = new Pipeline(redactor, archive);
                Pipeline pages = new Pipeline(redactor.again(), archive)) {
            Told told = new Told(options.wanted.zone(), options.window);
            List<Sink> sinks = collectors.stream().map(collector -> new Sink(collector, pipeline, told, sink ->
                    progress.accept(new Progress(collector.name, sink.state(), sink.words())))).toList();
            run(sinks);
            archive.seal();
            Summary summary = new Summary(options, redactor.policy().keep(), systems, incident, told, sinks);
            Path half = archive.folder.resolve("archive.part");
            List<Part> parts = summary.withFrontPages(pages, options.shared.templates());
            Archive.write(half, parts, summary.created);
            String unpacked = Archive.words(parts.stream().mapToLong(part -> part.plain).sum());
            progress.accept(new Progress("bundle/read-back", State.OK, unpacked
                    + " read back: the very bytes that were found clean"));
            if (!looked.test(summary.sample)) {
                return Optional.empty();
            }
            long bytes = Files.size(half);
            archive.name(half, target);
            String size = Archive.words(bytes) + ", " + Text.count(parts.size(), "file") + ", " + unpacked
                    + " unpacked";
            return Optional.of(new Made(target, bytes, parts.size(), size, Summary.missing(sinks),
                    Summary.complete(sinks), Summary.redacted(summary.collected), redactor.text(summary.headline()),
                    summary.assumedZone()));
        }
    }

    // Each collects as long as it may, so that the whole is ready in time. When theirs is up sources dry up, and
    // collectors hand over what they have; who does not is interrupted, and left behind.
    private void run(List<Sink> sinks) throws InterruptedException {
        // A third is left for what is underway, pages, archive and read-back, on slow disks and cores too.
        long all = Math.max(0, options.start + options.maxTime.toNanos() - System.nanoTime());
        long time = Math.min(options.maxEach.toNanos(), all / 3 * 2);
        long grace = Math.min(LONGEST_GRACE, all / 6);
        // What is not there is told before anything is collected.
        sinks.stream().filter(sink -> sink.state() != State.OK).forEach(Sink::close);
        CompletableFuture.delayedExecutor(time, TimeUnit.NANOSECONDS).execute(() ->
                sinks.forEach(sink -> sink.expire(Duration.ofNanos(time))));
        ExecutorService pool = Executors.newCachedThreadPool();
        try {
            pool.invokeAll(sinks.stream().filter(sink -> !sink.closed).toList(), time + grace, TimeUnit.NANOSECONDS);
        } finally {
            pool.shutdownNow();
        }
        pool.awaitTermination(300, TimeUnit.MILLISECONDS);
        sinks.forEach(Sink::close);
        for (Sink sink : sinks) {
            if (sink.unsafe != null) {
                throw sink.unsafe;
            }
        }
    }

    /**
     * One source of evidence: folder in the archive and name, {@code application/journal my-app}; whether there is
     * something to collect from; what it would collect, a line each, or why there is nothing; and how its bytes come.
     */
    record Collector(String name, State state, List<String> plan, Work work) {
        static Collector of(String name, String plan, Work work) {
            return new Collector(name, State.OK, List.of(plan), work);
        }

        /** One that was not asked for. */
        static Collector skipped(String name, String why) {
            return new Collector(name, State.SKIPPED, List.of(why), null);
        }

        /** One that is seen not to be there. */
        static Collector failed(String name, String why) {
            return new Collector(name, State.FAILED, List.of(why), null);
        }
    }

    /** Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. */
    interface Work {
        void collect(Sink sink) throws Exception;
    }

    /** What one collector gives its finds to, and how it ended. */
    static final class Sink implements Callable<Void> {
        final Collector collector;
        /** What it gave, failed or not. */
        final List<Part> parts = new CopyOnWriteArrayList<>();
        private final Pipeline pipeline;
        private final Told told;
        private final Consumer<Sink> ended;
        /** Why it failed, or has nothing to collect; and what it left out. */
        private final List<String> troubles = new CopyOnWriteArrayList<>();
        private final List<String> remarks = new CopyOnWriteArrayList<>();
        private final List<Tool.Running> children = new ArrayList<>();
        private volatile Unsafe unsafe;
        private volatile boolean closed;
        private volatile boolean expired;

        /** @param told what reads the logs that it gives */
        Sink(Collector collector, Pipeline pipeline, Told told, Consumer<Sink> ended) {
            this.collector = collector;
            this.pipeline = pipeline;
            this.told = told;
            this.ended = ended;
            if (collector.state != State.OK) {
                troubles.add(pipeline.clean(collector.plan.get(0)));
            }
        }

        @Override
        public Void call() {
            try {
                collector.work.collect(this);
            } catch (Unsafe e) {
                unsafe = e;
            } catch (Exception | Error e) {
                String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
                trouble(e instanceof IOException io ? Incident.why(io) : why);
            }
            close();
            return null;
        }

        // ---- while it collects

        /** Adds a file that is at hand. */
        void text(String file, String content) throws IOException {
            add(file, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), Wanted.EVERYTHING);
        }

        void json(String file, JsonNode content) throws IOException {
            text(file, Json.pretty(content) + "\n");
        }

        /** Adds a file from the disk, under a name; that it cannot be read is noted. */
        void add(String name, Path file, Wanted lines) {
            try (InputStream stream = Files.newInputStream(file)) {
                // Only what was there at the start: a log that grows as fast as it is read would never end.
                add(name, stream, lines, name.endsWith(".gz") ? Long.MAX_VALUE : Files.size(file));
            } catch (IOException e) {
                remark(file + " left out: " + Incident.why(e));
            }
        }

        /** Adds the wanted lines of what a stream holds; what is no text is noted. All but everything is of a log. */
        void add(String file, InputStream raw, Wanted lines) throws IOException {
            add(file, raw, lines, Long.MAX_VALUE);
        }

        private void add(String file, InputStream raw, Wanted lines, long most) throws IOException {
            if (expired) {
                throw new IOException("its time was up");
            }
            Optional<LogReader.Source> log = Optional.of(lines).filter(some -> some != Wanted.EVERYTHING)
                    .map(some -> told.reader.source());
            String path = Stream.of((collector.name.replaceFirst("/.*", "") + "/" + file).split("/"))
                    .map(pipeline::clean).collect(Collectors.joining("/"));
            Part part = pipeline.archive.part(path, collector.name);
            try {
                pipeline.carry(new Pieces(PlainInput.of(raw), most), () -> expired, lines, part, text ->
                        log.ifPresent(source -> told.take(source, text)));
                if (expired) {
                    part.notes.add("truncated: its time was up");
                } else if (part.plain == 0) {
                    remark(part.path + " is empty" + lines.none());
                }
                keep(part);
            } catch (PlainInput.NotText e) {
                remark(part.path + " left out: " + e.getMessage());
            } finally {
                log.ifPresent(LogReader.Source::end);
            }
        }

        private synchronized void keep(Part part) throws IOException {
            if (closed) {
                throw new IOException("its time was up");
            }
            parts.add(part);
        }

        /** Says that something is missing from an otherwise good collection. */
        void remark(String remark) {
            remarks.add(pipeline.clean(remark));
        }

        /** Says that something went wrong; the rest goes on. */
        void trouble(String trouble) {
            if (!expired) {
                troubles.add(0, pipeline.clean(trouble));
            }
        }

        /** The same program, which is ended when the time is up. */
        synchronized Tool.Running ending(Tool.Running child) {
            children.add(child);
            if (expired) {
                child.close();
            }
            return child;
        }

        private synchronized void expire(Duration after) {
            if (!closed) {
                trouble("not done within " + Durations.words(after));
                expired = true;
                children.forEach(Tool.Running::close);
            }
        }

        private synchronized void close() {
            if (!closed) {
                closed = true;
                synchronized (pipeline) {
                    ended.accept(this);
                }
            }
        }

        // ---- how it ended

        State state() {
            return collector.state == State.OK && !troubles.isEmpty() ? State.FAILED : collector.state;
        }

        /** A line for each thing that is not there; what was cut off its files is known once these are finished. */
        List<String> missing() {
            String ended = collector.name + " " + state().name().toLowerCase(Locale.ROOT) + ": ";
            List<String> missing = new ArrayList<>();
            troubles.forEach(trouble -> missing.add(ended + trouble));
            remarks.forEach(remark -> missing.add(collector.name + ": " + remark));
            parts.forEach(part -> part.notes.forEach(note -> missing.add(part.path + ": " + note)));
            return missing;
        }

        /** What a person is told about it in one line. */
        String words() {
            long bytes = parts.stream().mapToLong(part -> part.plain).sum();
            String got = parts.isEmpty() ? "nothing" : Text.count(parts.size(), "file") + ", " + Archive.words(bytes);
            List<String> said = Stream.concat(troubles.stream(), remarks.stream()).toList();
            String more = said.size() > 1 ? ", and " + Text.count(said.size() - 1, "more remark") : "";
            if (state() == State.OK) {
                return said.isEmpty() ? got : got + "; " + said.get(0) + more;
            }
            return said.get(0) + more + (parts.isEmpty() ? "" : " (" + got + " kept)");
        }
    }
}
