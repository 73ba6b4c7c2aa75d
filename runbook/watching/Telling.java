package runbook.watching;

import java.net.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.function.*;
import runbook.*;
import runbook.Incident.Event;
import runbook.Message.Slack;
import runbook.Settings.Templates;
import runbook.watching.Keeper.State;

/**
 * What people are told, and when: on every change of state, and again while it lasts. It happens on threads of its own,
 * so that a Slack that hangs delays no round and no command. A message is tried until it is accepted, in order; what a
 * kill interrupts stands in the journal as untold, and the next watch takes it up.
 */
public final class Telling implements AutoCloseable {
    /** How long before a message is due a person begins to care. */
    static final Duration SOON = Duration.ofMinutes(5);
    private static final long FIRST_PAUSE = 500;
    private static final long LONGEST_PAUSE = 60_000;
    private static final Duration POSTING = Duration.ofSeconds(10);

    /**
     * How people want to be told: to Slack's webhook, by a command that {@code tool} runs, by drafts for these
     * audiences; how often a message is due while it lasts, where it is not as messages themselves say; and who leads.
     */
    public record Choice(Optional<URI> webhook, Optional<List<String>> command, Tool tool, Optional<Duration> remind,
                         Set<String> drafts, Optional<String> lead) { }

    private final Choice choice;
    private final Templates templates;
    private final String drill;
    private final Http http;
    private final Memory memory;
    private final BiConsumer<String, String> say;
    private final ExecutorService posting = Executors.newSingleThreadExecutor(Cli.daemons("telling"));
    private final ExecutorService executing = Executors.newSingleThreadExecutor(Cli.daemons("telling"));
    /** Messages that Slack has not accepted yet. */
    final AtomicInteger pending = new AtomicInteger();
    /** When people have to be told again. */
    long due;

    /** {@code say} shows a kind of event and its words. */
    Telling(Watching.Plan plan, Http http, Memory memory, BiConsumer<String, String> say) {
        choice = plan.telling();
        templates = plan.settings().templates();
        drill = plan.incidents().drill();
        this.http = http;
        this.memory = memory;
        this.say = say;
    }

    /** Whether it posts: a second watch does not, whatever it was given. */
    boolean posts() {
        return choice.webhook().isPresent() && memory.leading;
    }

    // ---- when it is told

    /** Takes in that people were told at a moment, or need not be until then. */
    void told(long at) {
        due = Math.max(due, next(Instant.ofEpochMilli(at)).toEpochMilli());
    }

    private Instant next(Instant told) {
        return choice.remind().map(told::plus).orElseGet(() -> Message.due(memory.journal(), told));
    }

    /** Takes in that it still lasts: what a person says was sent counts, and what is due is posted. */
    void lasts(State state, long now) {
        if (!posts() && now >= due - SOON.toMillis()) {
            Incident.State.of(memory.journal()).told().stream().map(Event::at).max(Instant::compareTo)
                    .ifPresent(sent -> told(Math.min(now, sent.toEpochMilli())));
        } else if (posts() && now >= due) {
            told(now);
            // Unless something is waiting to be accepted already.
            if (pending.get() == 0) {
                post("", message(state, Instant.now()));
            }
        }
    }

    /** Tells of a change, as the journal has it; where there is no journal, it is told all the same. */
    void change(Event change, State before) {
        if (memory.leading) {
            lead();
            Message message = message(State.of(Memory.kind(change)), change.at());
            draft(change, "internal", message.internal());
            message.external().ifPresent(text -> draft(change, "external", text));
            if (posts()) {
                post(change.at().toString(), message);
            }
            Map<String, String> variables = Map.of("KLAVIYO_WATCH_STATE", Memory.kind(change),
                    "KLAVIYO_WATCH_PREVIOUS", before.word(), "KLAVIYO_WATCH_SUMMARY", change.summary(),
                    "KLAVIYO_WATCH_AT", change.at().toString(), "KLAVIYO_WATCH_DRILL", drill,
                    "KLAVIYO_WATCH_INCIDENT", memory.incident.map(Incident::toString).orElse(""));
            choice.command().ifPresent(command -> executing.submit(() -> execute(command, variables)));
        }
    }

    /** Posts what an earlier watch was to post and did not, in its order. */
    void catchUp(List<Event> unposted) {
        if (posts()) {
            unposted.forEach(one -> post(one.at().toString(), message(State.of(Memory.kind(one)), one.at())));
        }
    }

    private void draft(Event change, String audience, String text) {
        String stamp = change.at().truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "");
        String name = "message-" + stamp + "-" + audience + ".md";
        if (choice.drafts().contains(audience) && memory.leave(name, text)) {
            say.accept("draft", memory.incident.orElseThrow().folder().resolve(name).toString());
        }
    }

    /** The message as the journal has it: a person may have said by hand that something was done, or what it is. */
    private Message message(State state, Instant at) {
        List<Event> journal = memory.journal();
        boolean over = state == State.RECOVERED;
        Message.State recorded = Message.State.of(journal);
        Message.State going = recorded == Message.State.RESOLVED ? Message.State.INVESTIGATING : recorded;
        String action = state == State.FLAPPING ? "It comes and goes; watching until it holds" : null;
        boolean works = state == State.RECOVERING || state == State.HEALTHY;
        Message.Known known = new Message.Known(Optional.of(drill).filter(name -> !name.isEmpty()),
                choice.lead().orElse(""), action, over ? null : next(at), works);
        return Message.of(templates, over ? Message.State.RESOLVED : going, at.truncatedTo(ChronoUnit.SECONDS), journal,
                known);
    }

    /** Puts on record who leads, where that is not what the journal has. */
    void lead() {
        List<Event> journal = memory.journal();
        choice.lead().filter(name -> !journal.isEmpty() && !Incident.lead(journal).equals(name)).ifPresent(name ->
                memory.append(Event.NOTE, name + " leads the incident", Map.of("lead", name)));
    }

    // ---- how it is told

    private void execute(List<String> command, Map<String, String> variables) {
        String why = "";
        try {
            Tool.Output output = choice.tool().run(command, "", variables);
            why = output.ok() ? "" : "ended with " + output.exit();
        } catch (Tool.Failure e) {
            why = e.getMessage();
        }
        // Without its folder and arguments, which may hold what nobody should read.
        String words = "--exec " + Tool.name(command) + (why.isEmpty() ? " ran" : ": " + why);
        memory.append(Event.NOTE, words, Map.of("kind", "ran"));
        say.accept(why.isEmpty() ? "ran" : "not-ran", words);
    }

    // What the watch's end interrupts stands in the journal as unposted.
    private void post(String of, Message message) {
        String text = message.forSlack();
        pending.incrementAndGet();
        posting.submit(() -> {
            deliver(text);
            pending.decrementAndGet();
            // The journal says that people were told only of what Slack has accepted.
            String words = "internal message posted to Slack";
            memory.append(Event.ANNOUNCED, words, Map.of("kind", "told", "of", of, "audience", "internal", "text", text,
                    "next", message.next().map(Instant::toString).orElse("")));
            say.accept("told", words);
            return true;
        });
    }

    private void deliver(String text) throws InterruptedException {
        for (long pause = FIRST_PAUSE; true; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
            Slack.Posted posted = Slack.post(http.within(POSTING), choice.webhook().orElseThrow(), text);
            if (posted.accepted()) {
                return;
            } else if (pause == FIRST_PAUSE) {
                say.accept("not-told", "slack: " + posted.why() + "; it is tried until it is accepted");
            }
            Thread.sleep(Math.max(pause, posted.retryAfter().orElse(0) * 1_000));
        }
    }

    /** Waits until everything is told, but no longer than this; nothing is to be told after it. */
    void settle(Duration most) throws InterruptedException {
        long end = System.nanoTime() + most.toNanos();
        for (ExecutorService way : List.of(posting, executing)) {
            way.shutdown();
            way.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        }
    }

    @Override
    public void close() {
        posting.shutdownNow();
        executing.shutdownNow();
    }
}
