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
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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
import runbook.bundle.Bundle.Progress;
import runbook.bundle.Bundle.State;
import runbook.bundle.Pipeline.Unsafe;
import runbook.bundle.Pipeline.Wanted;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor.Tally;

/**
 * Runs collectors side by side, each with its own time, all within the whole's. What one gives passes the redactor on
 * its way in, names and notes too; what one gave before it failed is kept.
 */
final class Collecting {
    private static final Duration TICK = Duration.ofMillis(20);
    private static final long LAST_WAIT = 300_000_000L;
    private static final long LONGEST_GRACE = 3_000_000_000L;
    // What is left of the whole's time has to do for pages, archive and read-back; as slow disks and cores do them.
    private static final long FRONT_PAGES = 600_000_000;
    private static final double NANOS_PER_BYTE = 9.2;

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
     * @param plan what it would collect, a line each, for {@code --dry-run}; failed where it is seen not to be there
     */
    record Collector(String name, Supplier<List<Progress>> plan, Work work) {
        static Collector of(String name, String plan, Work work) {
            return new Collector(name, () -> List.of(new Progress(name, State.OK, plan)), work);
        }

        /** One that has nothing to look at, and why not: it is named in the manifest as skipped. */
        static Collector skipped(String name, String why) {
            return new Collector(name, () -> List.of(new Progress(name, State.SKIPPED, why)), sink ->
                    sink.skipped = why);
        }
    }

    /**
     * Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. It is
     * interrupted when its time is up.
     */
    interface Work {
        void collect(Sink sink) throws Exception;
    }

    /** One file of the archive; {@code notes} are what there is to say about it: truncated, changed while read, … */
    record Item(String path, String collector, Archive.Part part, Tally tally, List<String> notes) {
        List<String> allNotes() {
            return Stream.concat(notes.stream(), part.notes().stream()).toList();
        }
    }

    /** How one ended: {@code why} it failed or was skipped, what it left out, and what it gave, failed or not. */
    record Outcome(String collector, State state, List<String> why, List<String> remarks, long millis,
            List<Item> items) {
        boolean failed() {
            return state == State.FAILED;
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
        Stream<String> missing() {
            String ended = collector + " " + state.name().toLowerCase(Locale.ROOT) + ": " + String.join("; ", why);
            return Stream.concat(state == State.OK ? Stream.of() : Stream.of(ended),
                    remarks.stream().map(remark -> collector + ": " + remark));
        }
    }

    /**
     * What all collectors share: the way in and the room behind it, how much may come, which lines are wanted, and who
     * reads them.
     */
    record Workshop(Pipeline pipeline, Archive.Room room, long[] left, Archive.Names names, Tool tool, Wanted wanted,
            Summary.Told told) { }

    /** Runs them all; outcomes in the order of the collectors, told to {@code ended} one by one as they end. */
    List<Outcome> run(List<Collector> collectors, Consumer<Outcome> ended) throws InterruptedException {
        ExecutorService pool = Executors.newCachedThreadPool(Pipeline.daemons("collect"));
        try {
            List<Sink> sinks = new ArrayList<>();
            for (Collector collector : collectors) {
                Sink sink = new Sink(collector.name(), shop);
                sink.running = pool.submit(() -> sink.collect(collector.work));
                sinks.add(sink);
            }
            Outcome[] outcomes = new Outcome[sinks.size()];
            while (Arrays.asList(outcomes).contains(null)) {
                TimeUnit.NANOSECONDS.sleep(TICK.toNanos());
                for (int i = 0; i < outcomes.length; i++) {
                    if (outcomes[i] == null && (sinks.get(i).running.isDone() || overdue(sinks.get(i)))) {
                        outcomes[i] = sinks.get(i).outcome();
                        ended.accept(outcomes[i]);
                    }
                }
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
        // The more there is already, the longer will the rest take: the time for collecting shrinks as it goes on.
        long afterwards = frontPages + grace + (long) (shop.told.bytes() * NANOS_PER_BYTE);
        long now = System.nanoTime();
        if (now < Math.min(sink.start + each.toNanos(), end - afterwards)) {
            return false;
        }
        if (!sink.expired) {
            sink.expire(Duration.ofNanos(Math.min(each.toNanos(), now - sink.start)), now);
        } else if (now > sink.expiredAt + grace) {
            sink.running.cancel(true);
        }
        return now > sink.expiredAt + grace + LAST_WAIT;
    }

    /** What one collector gives its finds to. */
    static final class Sink {
        private static final int LONGEST_NOTE = 400;

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
            add(path(name), raw, most, Wanted.EVERYTHING, null, "");
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

        private void add(String path, InputStream raw, long most, Wanted wanted, LogReader.Source source, String note)
                throws IOException {
            Tally tally = new Tally();
            Archive.Part part = shop.room.part();
            try {
                InputStream text = new Guarded(PlainInput.of(new Guarded(raw, () -> expired)), shop.left);
                Pipeline.Carried carried = shop.pipeline.carry(text, most, wanted, tally, part, bytes ->
                        shop.told.take(source, bytes));
                List<String> notes = Stream.of(note, expired ? "truncated: its time was up" : "",
                        carried.trouble() == null ? "" : "reading stopped early: " + carried.trouble(),
                        carried.leftOut() == 0 ? "" : carried.leftOut()
                        + " bytes left out: they could not be redacted").filter(one -> !one.isEmpty()).toList();
                keep(new Item(path, collector, part, tally, notes.stream().map(this::clean).toList()));
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
                    .filter(element -> !element.isEmpty()).map(element -> Archive.Names.safe(clean(element)));
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
