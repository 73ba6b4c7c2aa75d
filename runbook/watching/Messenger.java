package runbook.watching;

import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import runbook.Http;
import runbook.Message.Slack;

/**
 * Tells people, on threads of its own, so that a Slack that hangs delays no round and no command. A message is tried
 * until it is accepted, in order; what a kill interrupts stands in the journal as untold, and the next watch takes it up.
 */
public final class Messenger implements AutoCloseable {
    /** The name of Slack as a way of telling. */
    public static final String SLACK = "slack";
    /** The name of {@code --exec} as a way of telling. */
    public static final String EXEC = "exec";
    private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    /**
     * Something to tell.
     *
     * @param of        the time of the journal's event that it is about; empty for a reminder
     * @param slack     the text for Slack; empty to post nothing
     * @param variables what {@code --exec} is told; empty to run nothing
     */
    public record Message(String of, String slack, Map<String, String> variables) { }

    /** What became of an attempt worth knowing: {@code why} is empty when it worked, {@code over} when it is not tried again. */
    public record Told(Message message, String channel, String why, boolean over) { }

    private final Http http;
    private final Optional<URI> webhook;
    private final Optional<Hook> command;
    private final Consumer<Told> report;
    private final ExecutorService posting = worker("slack");
    private final ExecutorService executing = worker("exec");
    private int pending;
    private boolean complained;

    /**
     * A messenger.
     *
     * @param webhook Slack's address; empty to post nothing
     * @param command run with each change of state; empty to run nothing
     * @param report  told what became of each attempt worth knowing
     */
    public Messenger(Http http, Optional<URI> webhook, Optional<Hook> command, Consumer<Told> report) {
        this.http = http;
        this.webhook = webhook;
        this.command = command;
        this.report = report;
    }

    private static ExecutorService worker(String name) {
        return Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    /** Puts a message into the queue of each way of telling that it is for. */
    public void tell(Message message) {
        if (command.isPresent() && !message.variables().isEmpty()) {
            submit(executing, () -> execute(message));
        }
        if (webhook.isPresent() && !message.slack().isEmpty()) {
            submit(posting, () -> post(message));
        }
    }

    private interface Work {
        void run() throws InterruptedException;
    }

    private synchronized void submit(ExecutorService worker, Work work) {
        pending++;
        worker.submit(() -> {
            try {
                work.run();
            } catch (InterruptedException e) {
                // The watch ends; what is untold is in the journal.
                return;
            }
            synchronized (this) {
                pending--;
                notifyAll();
            }
        });
    }

    private void execute(Message message) throws InterruptedException {
        report.accept(new Told(message, EXEC, command.orElseThrow().run(message.variables()), true));
    }

    private void post(Message message) throws InterruptedException {
        long pause = FIRST_PAUSE.toMillis();
        while (true) {
            Slack.Posted posted = Slack.post(http, webhook.orElseThrow(), message.slack(), DEADLINE);
            if (posted.accepted()) {
                complained = false;
                report.accept(new Told(message, SLACK, "", true));
                return;
            }
            if (!complained) {
                complained = true;
                report.accept(new Told(message, SLACK, posted.why(), false));
            }
            Thread.sleep(Math.max(pause, posted.retryAfter().orElse(0) * 1_000));
            pause = Math.min(2 * pause, LONGEST_PAUSE.toMillis());
        }
    }

    /** How many messages are not settled yet. */
    public synchronized int pending() {
        return pending;
    }

    /** Waits until everything is told, but no longer than this; gives whether it is. */
    public synchronized boolean settle(Duration most) throws InterruptedException {
        long end = System.nanoTime() + most.toNanos();
        while (pending > 0 && end - System.nanoTime() > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, end - System.nanoTime());
        }
        return pending == 0;
    }

    @Override
    public void close() {
        posting.shutdownNow();
        executing.shutdownNow();
    }

    /** The environment of {@code --exec}: plain names, and nothing that is secret. */
    public static Map<String, String> variables(
            String state, String before, String summary, String at, String incident, String drill) {
        Map<String, String> variables = new LinkedHashMap<>();
        variables.put("KLAVIYO_WATCH_STATE", state);
        variables.put("KLAVIYO_WATCH_PREVIOUS", before);
        variables.put("KLAVIYO_WATCH_SUMMARY", summary);
        variables.put("KLAVIYO_WATCH_AT", at);
        variables.put("KLAVIYO_WATCH_INCIDENT", incident);
        variables.put("KLAVIYO_WATCH_DRILL", drill);
        return variables;
    }
}
