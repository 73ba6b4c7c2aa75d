package runbook.bundle;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import runbook.Checks.Deadline;
import runbook.Text.Durations;
import runbook.Incident;

/** Runs collectors side by side, each with its own time, all within the whole's. */
final class Collection {
    private static final Duration GRACE = Duration.ofSeconds(2);

    private final Sink.Workshop workshop;
    private final Duration each;
    private final Deadline whole;
    private final long limit;

    /**
     * @param each  how long one collector may take
     * @param whole when all must have ended
     * @param limit of packed bytes for each file
     */
    Collection(Sink.Workshop workshop, Duration each, Deadline whole, long limit) {
        this.workshop = workshop;
        this.each = each;
        this.whole = whole;
        this.limit = limit;
    }

    /** Runs them all; outcomes in the order of the collectors, told to {@code ended} in the order in which they end. */
    List<Outcome> run(List<Collector> collectors, Consumer<Outcome> ended) throws InterruptedException {
        ExecutorService pool = Executors.newCachedThreadPool(Collection::daemon);
        CompletionService<Outcome> running = new ExecutorCompletionService<>(pool);
        try {
            List<Future<Outcome>> futures = new ArrayList<>();
            for (Collector collector : collectors) {
                futures.add(running.submit(() -> one(collector, pool)));
            }
            for (int i = 0; i < futures.size(); i++) {
                ended.accept(running.take().get());
            }
            List<Outcome> outcomes = new ArrayList<>();
            for (Future<Outcome> future : futures) {
                outcomes.add(future.get());
            }
            return outcomes;
        } catch (ExecutionException e) {
            throw new IllegalStateException("a collector's guard failed", e.getCause());
        } finally {
            pool.shutdownNow();
        }
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "collect");
        thread.setDaemon(true);
        return thread;
    }

    private Outcome one(Collector collector, ExecutorService pool) throws InterruptedException {
        long start = System.nanoTime();
        Sink sink = new Sink(collector.name(), workshop, limit);
        Future<?> work = pool.submit(() -> {
            collector.collect(sink);
            return null;
        });
        String failure = null;
        try {
            long most = Math.min(each.toNanos(), whole.left().toNanos());
            work.get(most, TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            failure = "not done within " + Durations.words(Duration.ofNanos(Math.min(each.toNanos(), System.nanoTime() - start)));
            handOver(sink, work);
        } catch (ExecutionException e) {
            failure = sink.clean(words(e.getCause()));
        }
        sink.close();
        return Outcome.of(collector.name(), sink, failure, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }

    // A collector whose sources have dried up hands over what it has; one that does not react is left behind.
    private static void handOver(Sink sink, Future<?> work) throws InterruptedException {
        sink.expire();
        try {
            work.get(GRACE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            work.cancel(true);
        }
    }

    private static String words(Throwable thrown) {
        return thrown instanceof java.io.IOException io ? Incident.why(io)
                : thrown.getMessage() == null ? thrown.getClass().getSimpleName() : thrown.getMessage();
    }
}
