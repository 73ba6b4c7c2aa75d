package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Incident;
import runbook.LogReader;
import runbook.Settings.Problem;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool;
import runbook.bundle.Archive.Item;
import runbook.bundle.Pipeline.Part;
import runbook.bundle.Pipeline.Unsafe;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Tally;

/**
 * Runs collectors side by side, each with its own time, all within the whole's. What one gives passes the redactor on
 * its way in, names and notes too; what one gave before it failed is kept.
 */
final class Collecting {
    private static final Duration TICK = Duration.ofMillis(100);
    private static final long LAST_WAIT = 300_000_000L;
    private static final long LONGEST_GRACE = 3_000_000_000L;
    private static final int LONGEST_NOTE = 400;
    // What is left of the whole's time has to do for pages, archive and read-back; as slow disks and cores do them.
    private static final long PACKED_PER_SECOND = 150_000_000;
    private static final long PLAIN_PER_SECOND = 120_000_000;
    private static final long FRONT_PAGES = 600_000_000;

    private final Workshop shop;
    private final Duration each;
    private final long end;
    private final long frontPages;
    private final long grace;

    /**
     * @param each how long one collector may take
     * @param end  when the whole bundle has to be ready, by {@link System#nanoTime}
     */
    Collecting(Workshop shop, Duration each, long end) {
        this.shop = shop;
        this.each = each;
        this.end = end;
        this.frontPages = Math.min(FRONT_PAGES, (end - System.nanoTime()) / 4);
        this.grace = Math.min(LONGEST_GRACE, (end - System.nanoTime()) / 5);
    }

    /**
     * One source of evidence.
     *
     * @param name folder in the archive and name: {@code application/journal my-app}
     * @param plan what it would collect, a line each, for {@code --dry-run}; with sizes where they are known
     */
    record Collector(String name, Supplier<List<String>> plan, Work work) {
        static Collector of(String name, String plan, Work work) {
            return new Collector(name, () -> List.of(plan), work);
        }

        /** One that has nothing to look at, and why not: it is named in the manifest as skipped. */
        static Collector skipped(String name, String why) {
            return of(name, "skipped, " + why, sink -> sink.skipped = why);
        }
    }

    /**
     * Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. It is
     * interrupted when its time is up.
     */
    interface Work {
        void collect(Sink sink) throws Exception;
    }

    /** How a collector ended: fine, gave up (perhaps after giving something), or had nothing to do. */
    enum State { OK, FAILED, SKIPPED }

    /** How one ended: {@code why} it failed or was skipped, what it left out, and what it gave, failed or not. */
    record Outcome(String collector, State state, List<String> why, List<String> remarks, long millis,
            List<Item> items) {
        boolean failed() {
            return state == State.FAILED;
        }

        Map<String, Object> json() {
            return Summary.fields("name", collector, "state", state.name().toLowerCase(Locale.ROOT), "why",
                    String.join("; ", why), "remarks", remarks, "millis", millis, "files",
                    items.stream().map(Item::path).sorted().toList());
        }

        /** What a person is told about it in one line. */
        String words() {
            long bytes = items.stream().mapToLong(item -> item.part().plain()).sum();
            String got = items.isEmpty() ? "nothing" : Text.count(items.size(), "file") + ", " + Archive.words(bytes);
            String more = remarks.size() > 1 ? " and " + (remarks.size() - 1) + " more remarks" : "";
            String left = remarks.isEmpty() ? "" : "; " + remarks.get(0) + more;
            String kept = items.isEmpty() ? "" : " (" + got + " kept)";
            return state == State.OK ? got + left : String.join("; ", why) + kept;
        }

        /** A line for each thing that is not there. */
        List<String> missing() {
            List<String> missing = new ArrayList<>();
            if (state != State.OK) {
                missing.add(collector + (failed() ? " failed: " : " skipped: ") + String.join("; ", why));
            }
            remarks.forEach(remark -> missing.add(collector + ": " + remark));
            return missing;
        }
    }

    /**
     * What all collectors share: the way in and the room behind it, how much may come, which lines are wanted, and who
     * reads them.
     */
    record Workshop(Pipeline pipeline, Pipeline.Room room, long[] left, Archive.Names names, Tool tool,
            LogSources.Wanted wanted, LogSources.Told told) { }

    /** Runs them all; outcomes in the order of the collectors, told to {@code ended} one by one as they end. */
    List<Outcome> run(List<Collector> collectors, Consumer<Outcome> ended) throws InterruptedException {
        ExecutorService pool = Executors.newCachedThreadPool(Pipeline.daemons("collect"));
        BlockingQueue<Sink> done = new LinkedBlockingQueue<>();
        try {
            List<Sink> sinks = new ArrayList<>();
            for (Collector collector : collectors) {
                Sink sink = new Sink(collector.name(), shop);
                sinks.add(sink);
                sink.running = pool.submit(() -> {
                    sink.collect(collector.work);
                    done.add(sink);
                });
            }
            Outcome[] outcomes = new Outcome[sinks.size()];
            for (List<Sink> open = new ArrayList<>(sinks); !open.isEmpty(); ) {
                List<Sink> over = new ArrayList<>();
                for (Sink sink = done.poll(TICK.toMillis(), TimeUnit.MILLISECONDS); sink != null; sink = done.poll()) {
                    over.add(sink);
                }
                open.stream().filter(this::overdue).forEach(over::add);
                over.stream().filter(open::remove).forEach(sink -> {
                    outcomes[sinks.indexOf(sink)] = sink.outcome();
                    ended.accept(outcomes[sinks.indexOf(sink)]);
                });
            }
            return Arrays.asList(outcomes);
        } finally {
            pool.shutdownNow();
        }
    }

    /**
     * Whether it is left behind. When its time is up its sources dry up, and it hands over what it has; one that does
     * not is interrupted.
     */
    private boolean overdue(Sink sink) {
        long now = System.nanoTime();
        if (now < Math.min(sink.start + each.toNanos(), end - afterwards())) {
            return false;
        }
        if (!sink.expired) {
            sink.expire(Duration.ofNanos(Math.min(each.toNanos(), now - sink.start)), now);
        } else if (now > sink.expiredAt + grace) {
            sink.running.cancel(true);
        }
        return now > sink.expiredAt + grace + LAST_WAIT;
    }

    // The more there is already, the longer will the rest take: the time for collecting shrinks as it goes on.
    private long afterwards() {
        long bytes = shop.told.bytes.get();
        double seconds = bytes / (double) PLAIN_PER_SECOND + bytes / 8.0 / PACKED_PER_SECOND;
        return frontPages + grace + (long) (seconds * 1e9);
    }

    /** What one collector gives its finds to. */
    static final class Sink {
        private final String collector;
        private final Workshop shop;
        private final long start = System.nanoTime();
        private final List<Item> items = new ArrayList<>();
        private final List<String> troubles = new ArrayList<>();
        private final List<String> remarks = new ArrayList<>();
        private final List<Tool.Running> children = new ArrayList<>();
        private Future<?> running;
        private Unsafe unsafe;
        private String skipped;
        private boolean closed;
        private long expiredAt;
        private volatile boolean expired;

        Sink(String collector, Workshop shop) {
            this.collector = collector;
            this.shop = shop;
        }

        private void collect(Work work) {
            try {
                work.collect(this);
            } catch (Unsafe e) {
                unsafe = e;
            } catch (Exception | Error e) {
                String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
                trouble(e instanceof IOException io ? Incident.why(io) : why);
            }
        }

        /** Adds a file that is at hand. */
        void text(String name, String content) throws IOException {
            stream(name, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), Long.MAX_VALUE);
        }

        void json(String name, JsonNode content) throws IOException {
            text(name, Json.pretty(content) + "\n");
        }

        /** Adds what a stream holds, at most {@code most} bytes; what is no text is noted. */
        void stream(String name, InputStream raw, long most) throws IOException {
            add(path(name), raw, most, LogSources.Wanted.EVERYTHING, null, "");
        }

        /**
         * Adds the wanted lines of an application's log, which tells of calls to Klaviyo.
         *
         * @param note what there is to say about it; may be empty
         */
        void log(String name, InputStream raw, long most, String note) throws IOException {
            String path = path(name);
            LogReader.Source source = shop.told.reader.source(path);
            try {
                add(path, raw, most, shop.wanted, source, note);
            } finally {
                source.end();
            }
        }

        private void add(String path, InputStream raw, long most, LogSources.Wanted wanted, LogReader.Source source,
                String note) throws IOException {
            Tally tally = new Tally();
            Part part = shop.room.part();
            try {
                InputStream text = new Guarded(PlainInput.of(new Guarded(raw, () -> expired)), shop.left);
                Pipeline.Carried carried = shop.pipeline.carry(text, most, wanted, tally, part, bytes ->
                        shop.told.take(source, bytes));
                String leftOut = carried.leftOut() == 0 ? "" : carried.leftOut()
                        + " bytes left out: they could not be redacted";
                String stopped = carried.trouble() == null ? "" : "reading stopped early: " + carried.trouble();
                keep(new Item(path, collector, part, tally, Stream.of(note, expired ? "truncated: its time was up" : "",
                        stopped, leftOut).filter(one -> !one.isEmpty()).map(this::clean).toList()));
            } catch (PlainInput.NotText e) {
                remark(path + " left out: " + e.getMessage());
            } catch (IOException e) {
                part.discard();
                throw e;
            }
        }

        private synchronized void keep(Item item) throws IOException {
            if (closed) {
                throw new IOException("its time was up");
            }
            items.add(item);
        }

        private String path(String name) {
            Stream<String> elements = Stream.of((collector.replaceFirst("/.*", "") + "/" + name).split("/"))
                    .filter(element -> !element.isEmpty()).map(element -> Archive.safe(clean(element)));
            return shop.names.unique(elements.collect(Collectors.joining("/")));
        }

        /** Says that something is missing from an otherwise good collection. */
        synchronized void remark(String remark) {
            remarks.add(clean(remark));
        }

        /** Says that something went wrong; the rest goes on. */
        synchronized void trouble(String trouble) {
            if (!expired) {
                troubles.add(clean(trouble));
            }
        }

        /** A short text, redacted and on one line. */
        private String clean(String text) {
            String head = text == null ? "" : text.substring(0, Math.min(text.length(), 20_000));
            return Text.safe(shop.pipeline.redactor.text(head), LONGEST_NOTE);
        }

        synchronized int files() {
            return items.size();
        }

        /** A program that is ended when the time is up. */
        synchronized Tool.Running start(List<String> command, boolean merged) throws Tool.Failure {
            Tool.Running child = shop.tool.start(command, merged);
            children.add(child);
            if (expired) {
                child.close();
            }
            return child;
        }

        // Streams end, programs are ended, and what came so far can be handed over.
        private synchronized void expire(Duration after, long now) {
            trouble("not done within " + Durations.words(after));
            expiredAt = now;
            expired = true;
            children.forEach(Tool.Running::close);
        }

        /** No more is taken: how it ended. */
        synchronized Outcome outcome() {
            closed = true;
            if (unsafe != null) {
                throw unsafe;
            }
            State state = !troubles.isEmpty() ? State.FAILED : skipped != null ? State.SKIPPED : State.OK;
            List<String> why = state == State.SKIPPED ? List.of(clean(skipped)) : List.copyOf(troubles);
            return new Outcome(collector, state, why, List.copyOf(remarks),
                    TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start), List.copyOf(items));
        }
    }

    /** Ends when time is up, and fails at the most that is allowed: sizes that an archive states are only claims. */
    static final class Guarded extends FilterInputStream {
        private final BooleanSupplier over;
        private final long[] left;

        /** Ends when it is over. */
        Guarded(InputStream stream, BooleanSupplier over) {
            super(stream);
            this.over = over;
            this.left = new long[] {Long.MAX_VALUE};
        }

        /** @param left bytes that may still be read, of all streams that share it */
        Guarded(InputStream stream, long[] left) {
            super(stream);
            this.over = () -> false;
            this.left = left;
        }

        @Override
        public int read() {
            throw new UnsupportedOperationException("it is read by many bytes");
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = -1;
            try {
                read = over.getAsBoolean() ? -1 : in.read(target, offset, length);
            } catch (IOException e) {
                // A killed child's pipe breaks; what came through it before is kept.
                if (!over.getAsBoolean()) {
                    throw e;
                }
            }
            left[0] -= Math.max(0, read);
            if (left[0] < 0) {
                throw new Problem("it unpacks to more than is allowed: raise --max-size if you trust it");
            }
            return read;
        }
    }
}
