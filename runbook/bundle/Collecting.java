package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.nio.charset.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.*;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.bundle.Bundle.State;
import runbook.bundle.Pipeline.Unsafe;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.Pieces.PlainInput;

/**
 * Runs collectors side by side within their time, and their programs with the tool. What one gives passes the redactor
 * on its way in, names and notes too; what one gave before it failed is kept. Of logs the wanted lines are taken, and
 * told what they tell; of all together no more bytes than are left may come.
 */
record Collecting(Pipeline pipeline, Archive archive, Tool tool, Wanted wanted, Told told, long[] left,
        Archive.Names names) {
    private static final Duration LAST_WAIT = Duration.ofMillis(300);
    private static final long LONGEST_GRACE = 3_000_000_000L;

    /**
     * One source of evidence: folder in the archive and name, {@code application/journal my-app}; whether there is
     * something to collect from; and what it would collect, a line each, or why there is nothing.
     */
    record Collector(String name, State state, List<String> plan, Work work) {
        static Collector of(String name, String plan, Work work) {
            return new Collector(name, State.OK, List.of(plan), work);
        }

        /** One that was not asked for (skipped), or that is seen not to be there (failed). */
        static Collector none(String name, State state, String why) {
            return new Collector(name, state, List.of(why), sink -> { });
        }
    }

    /** Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. */
    interface Work {
        void collect(Sink sink) throws Exception;
    }

    /**
     * Runs them all, each as long as it may take, so that the whole is ready at its end, by {@link System#nanoTime}; a
     * listener is told of each that ends. When their time is up sources dry up, and collectors hand over what they
     * have; who does not is interrupted, and left behind.
     */
    List<Sink> run(List<Collector> collectors, Duration each, long end, Consumer<Sink> ended)
            throws InterruptedException {
        // A third is left for what is underway, pages, archive and read-back, on slow disks and cores too.
        long all = Math.max(0, end - System.nanoTime());
        long time = Math.min(each.toNanos(), all / 3 * 2);
        long grace = Math.min(LONGEST_GRACE, all / 6);
        List<Sink> sinks = collectors.stream().map(collector -> new Sink(collector, ended)).toList();
        // What is not there is told before anything is collected.
        sinks.stream().filter(sink -> sink.state() != State.OK).forEach(Sink::close);
        CompletableFuture.delayedExecutor(time, TimeUnit.NANOSECONDS).execute(() ->
                sinks.forEach(sink -> sink.expire(Duration.ofNanos(time))));
        ExecutorService pool = Executors.newCachedThreadPool(Pipeline.daemons("collect"));
        try {
            pool.invokeAll(sinks, time + grace, TimeUnit.NANOSECONDS);
        } finally {
            pool.shutdownNow();
        }
        pool.awaitTermination(LAST_WAIT.toMillis(), TimeUnit.MILLISECONDS);
        sinks.forEach(Sink::close);
        for (Sink sink : sinks) {
            if (sink.unsafe != null) {
                throw sink.unsafe;
            }
        }
        return sinks;
    }

    /** What one collector gives its finds to, and how it ended. */
    final class Sink implements Callable<Void> {
        final String name;
        /** What it gave, failed or not. */
        final List<Archive.Part> parts = new CopyOnWriteArrayList<>();
        private final Collector collector;
        private final Consumer<Sink> ended;
        /** Why it failed or was skipped, and what it left out. */
        private final List<String> troubles = new CopyOnWriteArrayList<>();
        private final List<String> remarks = new CopyOnWriteArrayList<>();
        private final List<Tool.Running> children = new ArrayList<>();
        private volatile Unsafe unsafe;
        private boolean closed;
        private volatile boolean expired;

        Sink(Collector collector, Consumer<Sink> ended) {
            this.name = collector.name;
            this.collector = collector;
            this.ended = ended;
            if (collector.state != State.OK) {
                trouble(collector.plan.get(0));
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
            stream(file, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), Long.MAX_VALUE);
        }

        void json(String file, JsonNode content) throws IOException {
            text(file, Json.pretty(content) + "\n");
        }

        /** Adds what a stream holds, at most {@code most} bytes; what is no text is noted. */
        void stream(String file, InputStream raw, long most) throws IOException {
            add(file, raw, most, Wanted.EVERYTHING, null);
        }

        /** Adds the wanted lines of an application's log, which tells of calls to Klaviyo. */
        void log(String file, InputStream raw, long most) throws IOException {
            LogReader.Source source = told.reader.source();
            try {
                add(file, raw, most, wanted, source);
            } finally {
                source.end();
            }
        }

        private void add(String file, InputStream raw, long most, Wanted lines, LogReader.Source source)
                throws IOException {
            Stream<String> elements = Stream.of((name.replaceFirst("/.*", "") + "/" + file).split("/"))
                    .filter(element -> !element.isEmpty()).map(pipeline::clean).map(Archive.Names::safe);
            String path = names.unique(elements.collect(Collectors.joining("/")));
            try {
                // What has come by the time that it is up is in a buffer, and goes on its way.
                InputStream drying = new Guarded(raw, () -> expired, new long[] {Long.MAX_VALUE});
                InputStream text = new Guarded(PlainInput.of(drying), () -> false, left);
                Archive.Part part = archive.part(path, name);
                pipeline.carry(pipeline.redactor, text, most, lines, part, bytes -> told.take(source, bytes));
                if (expired) {
                    part.notes.add("truncated: its time was up");
                } else if (part.plain() == 0) {
                    String about = lines.words() == null ? "" : " with " + lines.words();
                    remark(path + " is empty" + (source == null ? "" : ": no line" + about
                            + " in the window (times without a zone read as " + lines.zone() + ")"));
                }
                keep(part);
            } catch (PlainInput.NotText e) {
                remark(path + " left out: " + e.getMessage());
            }
        }

        private synchronized void keep(Archive.Part part) throws IOException {
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
                troubles.add(pipeline.clean(trouble));
            }
        }

        /** A program that is ended when the time is up. */
        synchronized Tool.Running start(List<String> command, boolean merged) throws Tool.Failure {
            Tool.Running child = tool.start(command, merged);
            children.add(child);
            if (expired) {
                child.close();
            }
            return child;
        }

        private synchronized void expire(Duration after) {
            if (!closed) {
                expired = true;
                troubles.add("not done within " + Durations.words(after));
                children.forEach(Tool.Running::close);
            }
        }

        private synchronized void close() {
            if (!closed) {
                closed = true;
                synchronized (told) {
                    ended.accept(this);
                }
            }
        }

        // ---- how it ended

        State state() {
            return collector.state != State.OK || troubles.isEmpty() ? collector.state : State.FAILED;
        }

        /** A line for each thing that is not there; what was cut off its files is known once these are finished. */
        List<String> missing() {
            List<String> missing = new ArrayList<>();
            if (!troubles.isEmpty()) {
                missing.add(name + " " + state().name().toLowerCase(Locale.ROOT) + ": " + String.join("; ", troubles));
            }
            remarks.forEach(remark -> missing.add(name + ": " + remark));
            parts.forEach(part -> part.notes.forEach(note -> missing.add(part.path + ": " + note)));
            return missing;
        }

        /** What a person is told about it in one line. */
        String words() {
            long bytes = parts.stream().mapToLong(Archive.Part::plain).sum();
            String got = parts.isEmpty() ? "nothing" : Text.count(parts.size(), "file") + ", " + Archive.words(bytes);
            String more = remarks.size() > 1 ? " and " + (remarks.size() - 1) + " more remarks" : "";
            String lacking = remarks.isEmpty() ? "" : "; " + remarks.get(0) + more;
            String kept = parts.isEmpty() ? "" : " (" + got + " kept)";
            return troubles.isEmpty() ? got + lacking : String.join("; ", troubles) + kept;
        }
    }

    /** Ends when time is up, and fails at the most that is allowed: sizes that an archive states are only claims. */
    static final class Guarded extends FilterInputStream {
        private final BooleanSupplier over;
        private final long[] left;

        /** So many bytes may still be read, of all streams that share the count. */
        Guarded(InputStream stream, BooleanSupplier over, long[] left) {
            super(stream);
            this.over = over;
            this.left = left;
        }

        @Override
        public int read() {
            throw new UnsupportedOperationException("it is read by many bytes");
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = over.getAsBoolean() ? -1 : in.read(target, offset, length);
            left[0] -= Math.max(0, read);
            if (left[0] < 0) {
                throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
            }
            return read;
        }
    }

    // ---- what the logs tell, as they come by

    /** Reads all logs while they are collected, redacted as they are: facts, and lines for a person to look at. */
    static final class Told {
        private static final int LOOKED_AT = 20;
        private static final int CANDIDATES = 100;
        private static final int MOST_KINDS = 4_000;
        private static final int SHORTEST = 20;
        private static final int LONGEST = 400;
        private static final int MANY = 30;
        private static final Pattern COLOUR = Pattern.compile("\u001b\\[[\\d;]*m");
        // A long line is looked at in stretches, cut between its words: half of a stand-in is none, and would be
        // redacted once more.
        private static final Pattern STRETCH = Pattern.compile(".{" + SHORTEST + ",300}(?![^ ,;&\n])|[^ ,;&\n]++");

        /** Lines that differ in no more than their numbers are of one kind: one of them, and how many there are. */
        private record Kind(String line, int count) {
            Kind and(Kind other) {
                return new Kind(line, count + other.count);
            }
        }

        final LogReader reader;
        private final Map<Long, Kind> kinds = new LinkedHashMap<>();
        private int pieces;

        Told(ZoneId zone, Bundle.Window window) {
            reader = new LogReader(zone, window.from(), window.to(), text -> text);
        }

        /** What comes by, and of which log; null where it is of none. */
        void take(LogReader.Source source, byte[] text) {
            if (source != null) {
                source.take(text, text.length);
                look(text);
            }
        }

        private synchronized void look(byte[] text) {
            boolean looked = pieces++ < MANY || pieces % MANY == 0;
            String lines = looked ? new String(text, StandardCharsets.UTF_8) : "";
            Matcher stretches = STRETCH.matcher(COLOUR.matcher(lines).replaceAll(""));
            while (stretches.find()) {
                Kind one = new Kind(stretches.group().strip(), 1);
                byte[] line = one.line.getBytes(StandardCharsets.UTF_8);
                long kind = LogReader.kind(line, 0, line.length);
                if (line.length > SHORTEST && (kinds.size() < MOST_KINDS || kinds.containsKey(kind))) {
                    kinds.merge(kind, one, Kind::and);
                }
            }
        }

        /** Lines that are the least alike, of the rarest kinds: where a name would be that no rule can find. */
        synchronized List<String> sample() {
            Map<String, Set<String>> rare = new LinkedHashMap<>();
            kinds.values().stream().sorted(Comparator.comparing(Kind::count)).limit(CANDIDATES)
                    .map(kind -> Text.safe(kind.line, LONGEST))
                    .forEach(line -> rare.put(line, new HashSet<>(List.of(line.split("\\W+")))));
            Map<String, Set<String>> chosen = new LinkedHashMap<>();
            while (chosen.size() < LOOKED_AT && !rare.isEmpty()) {
                String least = Collections.min(rare.keySet(), Comparator.comparing(line ->
                        chosen.values().stream().mapToDouble(other -> alike(rare.get(line), other)).max().orElse(0)));
                chosen.put(least, rare.remove(least));
            }
            return List.copyOf(chosen.keySet());
        }

        private static double alike(Set<String> words, Set<String> others) {
            return words.stream().filter(others::contains).count() / (double) words.size();
        }
    }
}
