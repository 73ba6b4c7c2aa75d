package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletionService;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import runbook.Incident;
import runbook.LogReader;
import runbook.Text;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Tool;
import runbook.bundle.Archive.Item;
import runbook.bundle.Archive.Origin;
import runbook.bundle.Archive.Part;
import runbook.bundle.Pipeline.Unsafe;
import runbook.redact.Pieces.PlainInput;
import runbook.redact.Redactor;
import runbook.redact.Redactor.Tally;

/**
 * Runs collectors side by side, each with its own time, all within the whole's. What one gives passes the redactor on
 * its way in, names and notes too; what one gave before it failed is kept.
 */
final class Collecting {
    private static final long LAST_WAIT = 300;
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
     * @param plan what it would collect, a line each, for {@code --dry-run}; with sizes where they can be known
     */
    record Collector(String name, Supplier<List<Planned>> plan, Work work) {
        static Collector of(String name, String plan, long bytes, Work work) {
            return new Collector(name, () -> List.of(new Planned(plan, bytes)), work);
        }

        /** One that has nothing to look at, and why not: it is named in the manifest as skipped. */
        static Collector skipped(String name, String why) {
            return of(name, "skipped, " + why, -1, sink -> sink.skipped = why);
        }
    }

    /**
     * Collects into the sink. Whatever it throws is its failure, by the message; what it gave before is kept. It is
     * interrupted when its time is up.
     */
    interface Work {
        void collect(Sink sink) throws Exception;
    }

    /** One line of a plan; {@code bytes} is a guess at what is read, -1 when there is none. */
    record Planned(String what, long bytes) { }

    /** How a collector ended: fine, gave up (perhaps after giving something), or had nothing to do. */
    enum State { OK, FAILED, SKIPPED }

    /** How one ended: {@code why} it failed or was skipped, what it left out, and what it gave, failed or not. */
    record Outcome(String collector, State state, List<String> why, List<String> remarks, long millis,
            List<Item> items) {
        boolean failed() {
            return state == State.FAILED;
        }

        Map<String, Object> json() {
            return Archive.fields("name", collector, "state", state.name().toLowerCase(Locale.ROOT), "why",
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
    }

    /** What all collectors share: where parts grow and how far, the way in, and what reads logs as they come by. */
    record Workshop(Path folder, long limit, Pipeline pipeline, Redactor redactor, Archive.Names names, Tool tool,
            LogSources.Told told) { }

    /** Runs them all; outcomes in the order of the collectors, told to {@code ended} one by one as they end. */
    List<Outcome> run(List<Collector> collectors, Consumer<Outcome> ended) throws InterruptedException {
        ExecutorService pool = Executors.newCachedThreadPool(Pipeline.daemons("collect"));
        CompletionService<Outcome> running = new ExecutorCompletionService<>(pool);
        try {
            List<Future<Outcome>> futures = new ArrayList<>();
            collectors.forEach(collector -> futures.add(running.submit(() -> one(collector, pool))));
            for (int i = 0; i < futures.size(); i++) {
                ended.accept(running.take().get());
            }
            List<Outcome> outcomes = new ArrayList<>();
            for (Future<Outcome> future : futures) {
                outcomes.add(future.get());
            }
            return outcomes;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Unsafe unsafe ? unsafe
                    : new IllegalStateException("a collector's guard failed", e.getCause());
        } finally {
            pool.shutdownNow();
        }
    }

    private Outcome one(Collector collector, ExecutorService pool) throws InterruptedException {
        long start = System.nanoTime();
        Sink sink = new Sink(collector.name(), shop);
        CountDownLatch ended = new CountDownLatch(1);
        Future<?> work = pool.submit(() -> {
            try {
                collector.work.collect(sink);
            } finally {
                ended.countDown();
            }
            return null;
        });
        String failure = null;
        try {
            await(work, start + each.toNanos());
        } catch (TimeoutException e) {
            long taken = Math.min(each.toNanos(), System.nanoTime() - start);
            failure = "not done within " + Durations.words(Duration.ofNanos(taken));
            handOver(sink, work, ended);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Unsafe unsafe) {
                throw unsafe;
            }
            failure = sink.clean(words(e.getCause()));
        }
        return sink.outcome(failure, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }

    // The more there is already, the longer will the rest take: the time for collecting shrinks as it goes on.
    private void await(Future<?> work, long own) throws InterruptedException, ExecutionException, TimeoutException {
        while (true) {
            long left = Math.min(own, end - afterwards()) - System.nanoTime();
            try {
                work.get(Math.max(0, Math.min(left, TimeUnit.MILLISECONDS.toNanos(100))), TimeUnit.NANOSECONDS);
                return;
            } catch (TimeoutException e) {
                if (left <= 0) {
                    throw e;
                }
            }
        }
    }

    private long afterwards() {
        long bytes = shop.told.bytes.get();
        double seconds = bytes / (double) PLAIN_PER_SECOND + bytes / 8.0 / PACKED_PER_SECOND;
        return frontPages + grace + (long) (seconds * 1e9);
    }

    // A collector whose sources have dried up hands over what it has; one that does not react is left behind.
    private void handOver(Sink sink, Future<?> work, CountDownLatch ended) throws InterruptedException {
        sink.expire();
        if (!ended.await(grace, TimeUnit.NANOSECONDS)) {
            work.cancel(true);
            ended.await(LAST_WAIT, TimeUnit.MILLISECONDS);
        }
    }

    private static String words(Throwable thrown) {
        String message = thrown.getMessage() == null ? thrown.getClass().getSimpleName() : thrown.getMessage();
        return thrown instanceof IOException io ? Incident.why(io) : message;
    }

    /** What a stream turns out to be; asked for after the last byte, with the notes on the item to add to. */
    interface Ending {
        Origin origin(List<String> notes) throws IOException;
    }

    /** What one collector gives its finds to. */
    static final class Sink {
        private final String collector;
        private final Workshop shop;
        private final List<Item> items = new ArrayList<>();
        private final List<String> troubles = new ArrayList<>();
        private final List<String> remarks = new ArrayList<>();
        private final List<Tool.Running> children = new ArrayList<>();
        private volatile String skipped;
        private volatile boolean closed;
        private volatile boolean expired;

        Sink(String collector, Workshop shop) {
            this.collector = collector;
            this.shop = shop;
        }

        /** Adds a file that is at hand. */
        void text(String name, String content, long millis) throws IOException {
            stream(name, new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)), Long.MAX_VALUE,
                    Pipeline.Wanted.EVERYTHING, notes -> Origin.none(millis));
        }

        void json(String name, JsonNode content, long millis) throws IOException {
            text(name, Json.pretty(content) + "\n", millis);
        }

        /** Adds what a stream holds, at most {@code most} bytes, chosen by {@code wanted}; what is no text is noted. */
        void stream(String name, InputStream raw, long most, Pipeline.Wanted wanted, Ending ending) throws IOException {
            add(name, raw, most, wanted, ending, false);
        }

        /** The same of an application's log, which tells of calls to Klaviyo. */
        void log(String name, InputStream raw, long most, Pipeline.Wanted wanted, Ending ending) throws IOException {
            add(name, raw, most, wanted, ending, true);
        }

        private void add(String name, InputStream raw, long most, Pipeline.Wanted wanted, Ending ending, boolean log)
                throws IOException {
            String path = path(name);
            Tally tally = new Tally();
            Part part = new Part(shop.folder, System.identityHashCode(this) + "-" + path.hashCode() + "-"
                    + System.nanoTime(), shop.limit);
            LogReader.Source source = log ? shop.told.reader.source(path) : null;
            Pipeline.Carried carried;
            try {
                carried = shop.pipeline.carry(PlainInput.of(new Expiring(raw)), most, wanted, tally, part, text ->
                        shop.told.take(source, text));
            } catch (PlainInput.NotText e) {
                part.close();
                remark(name.replaceFirst("^log/", "") + " left out: " + e.getMessage());
                return;
            } finally {
                if (log) {
                    source.end();
                }
            }
            part.finish();
            List<String> notes = new ArrayList<>();
            Origin origin = ending.origin(notes);
            if (expired) {
                notes.add("truncated: its time was up");
            }
            if (carried.trouble() != null) {
                notes.add("reading stopped early: " + carried.trouble());
            }
            if (carried.leftOut() > 0) {
                notes.add(carried.leftOut() + " bytes left out: they could not be redacted");
            }
            keep(new Item(path, collector, origin, part, tally, notes.stream().map(this::clean).toList()));
        }

        private synchronized void keep(Item item) throws IOException {
            if (closed) {
                item.part().close();
                throw new IOException("its time was up");
            }
            items.add(item);
        }

        private String path(String name) {
            StringBuilder path = new StringBuilder(collector.replaceFirst("/.*", ""));
            for (String element : name.split("/")) {
                path.append(path.length() == 0 ? "" : "/").append(Archive.safe(clean(element)));
            }
            return shop.names.unique(path.toString());
        }

        /** Says that something is missing from an otherwise good collection. */
        synchronized void remark(String remark) {
            remarks.add(clean(remark));
        }

        /** Says that something went wrong; the rest goes on. */
        synchronized void trouble(String trouble) {
            troubles.add(clean(trouble));
        }

        /** A short text, redacted and on one line. */
        String clean(String text) {
            String head = text == null ? "" : text.substring(0, Math.min(text.length(), 20_000));
            return Text.safe(shop.redactor.text(head), LONGEST_NOTE);
        }

        synchronized int files() {
            return items.size();
        }

        /** A program that is ended when the time is up. */
        Tool.Running start(List<String> command, boolean merged) throws Tool.Failure {
            Tool.Running child = shop.tool.start(command, merged);
            synchronized (this) {
                children.add(child);
            }
            if (expired) {
                child.close();
            }
            return child;
        }

        /** Its time is up: streams end, programs are ended, and what came so far can be handed over. */
        void expire() {
            expired = true;
            List<Tool.Running> running;
            synchronized (this) {
                running = List.copyOf(children);
            }
            running.forEach(Tool.Running::close);
        }

        /** No more is taken: how it ended. */
        synchronized Outcome outcome(String failure, long millis) {
            closed = true;
            List<String> why = new ArrayList<>(troubles);
            if (failure != null) {
                why.add(failure);
            }
            State state = !why.isEmpty() ? State.FAILED : skipped != null ? State.SKIPPED : State.OK;
            return new Outcome(collector, state, state == State.SKIPPED ? List.of(clean(skipped)) : why,
                    List.copyOf(remarks), millis, List.copyOf(items));
        }

        private final class Expiring extends FilterInputStream {
            Expiring(InputStream stream) {
                super(stream);
            }

            @Override
            public int available() throws IOException {
                return expired ? 0 : in.available();
            }

            @Override
            public int read() throws IOException {
                return expired ? -1 : in.read();
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                try {
                    return expired ? -1 : in.read(target, offset, length);
                } catch (IOException e) {
                    // A killed child's pipe breaks; what came through it before is kept.
                    if (expired) {
                        return -1;
                    }
                    throw e;
                }
            }
        }
    }
}
