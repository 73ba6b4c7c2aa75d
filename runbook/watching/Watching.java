package runbook.watching;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import runbook.Text.Durations;
import runbook.Text;
import runbook.Incident.Event;
import runbook.Incident;

/** One watch from its start to its end: rounds, what they mean, what is written down and who is told. */
public final class Watching implements AutoCloseable {
    /** Exit code when {@code --max} ran out. */
    public static final int NOT_RECOVERED = 31;
    /** Exit code when somebody left. */
    public static final int INTERRUPTED = 130;
    private static final Duration LAST_WORDS = Duration.ofSeconds(20);
    private static final int LAST_MOMENT_SECONDS = 3;
    private static final long NO_GAP_BELOW = 3_000;
    private static final long SLICE = 1_000;

    private final Plan plan;
    private final Face face;
    private final Ticker ticker = Ticker.start();
    private final Instant start = Instant.now().truncatedTo(ChronoUnit.MILLIS);
    private final History history = new History();
    private final Pace pace;
    private final Scribe scribe;
    private final Past past;
    private final Instant began;
    private final Observer observer;
    private final Telling telling;
    private final Watchkeeper keeper;
    private final Herald herald;
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile boolean leaving;
    private long requests;
    private long rounds;
    private long lastLook = Long.MIN_VALUE;
    private Observer.Look last;

    /** A watch that is about to begin, with what the journal tells of the ones before it. */
    public Watching(Plan plan, Telling.Choice choice, Face face) {
        this.plan = plan;
        this.face = face;
        Optional<String> drill = plan.settings().drill();
        pace = new Pace(plan.checks(), plan.interval(), plan.speed(), Math::random);
        scribe = new Scribe(plan.incident(), plan.base(), drill, words -> face.say("trouble", words));
        past = Past.of(scribe.journal());
        began = past.began().filter(start::isAfter).orElse(start);
        observer = new Observer(plan.settings(), plan.checks(), pace, past.updates(), plan.backlog(), began);
        telling = new Telling(choice, observer.http(), scribe, drill, face::say);
        keeper = new Watchkeeper(
                plan.goal(),
                resumed(),
                resumed() == State.STARTING ? 0 : millis(past.since()),
                past.troubled(),
                past.falls().stream().map(this::millis).toList());
        herald = new Herald(
                face,
                scribe,
                telling,
                past,
                keeper.state(),
                ticker,
                start,
                millis(past.announced().orElse(began)) + choice.remind().toMillis());
    }

    // A recovery that was followed by nothing bad is no state to go on from: whoever watches now wants to know about now.
    private State resumed() {
        return past.troubled() && past.state() != State.RECOVERED && past.state() != State.HEALTHY
                ? past.state()
                : State.STARTING;
    }

    // What the journal has is of the past, also where the clock has been set back since.
    private long millis(Instant at) {
        return Math.min(0, Duration.between(start, at).toMillis());
    }

    private Instant clock(long millis) {
        return start.plusMillis(millis).truncatedTo(ChronoUnit.MILLIS);
    }

    /** Watches until it has recovered (0), time is up ({@link #NOT_RECOVERED}) or somebody leaves ({@link #INTERRUPTED}). */
    public int run() {
        leaveOnSignal(Thread.currentThread());
        try {
            begin();
            int exit = rounds();
            if (exit != INTERRUPTED) {
                telling.settle(LAST_WORDS);
            }
            return exit;
        } catch (InterruptedException e) {
            return INTERRUPTED;
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    // A signal ends the rounds, and what comes after them (the last words, a chart) still has a moment.
    private void leaveOnSignal(Thread watcher) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            leaving = true;
            watcher.interrupt();
            try {
                closed.await(LAST_MOMENT_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                // The process ends all the same.
            }
        }, "leave"));
    }

    /** Ends everything that was started for it. */
    @Override
    public void close() {
        telling.close();
        observer.close();
        scribe.close();
        closed.countDown();
    }

    private void begin() {
        face.say(
                "watching",
                String.join(", ", plan.checks()) + "; every " + Durations.words(plan.interval()) + ", until "
                        + plan.goal().rounds() + " good rounds in a row over "
                        + Durations.words(plan.goal().lasting()));
        pace.slowed().forEach(words -> face.say("slowed", words));
        if (!scribe.leading()) {
            face.say("second", "another watch keeps this incident's journal and tells people; this one only looks");
        }
        goOn();
        face.state(keeper.state());
        telling.catchUp(past.untold());
    }

    /** Takes up what earlier watches on this incident saw. */
    private void goOn() {
        long[] newest = {past.watched().map(this::millis).orElse(Long.MIN_VALUE)};
        scribe.incident().ifPresent(incident -> {
            try {
                RoundLog.read(incident, look -> {
                    long at = millis(look.at());
                    history.add(look.check(), new Series.Look(at, look.good(), look.millis()));
                    pace.made(Set.of(look.check()), at);
                    newest[0] = Math.max(newest[0], at);
                });
            } catch (IOException e) {
                face.say("trouble", "what earlier watches saw cannot be read: " + Incident.why(e));
            }
        });
        past.gaps().forEach(gap -> history.hole(millis(gap.from()), millis(gap.to())));
        if (newest[0] == Long.MIN_VALUE || past.state() == State.RECOVERED && !past.troubled()) {
            return;
        }
        if (past.state() != State.STARTING) {
            face.say(
                    "goes-on",
                    "the journal says " + past.state().word() + " since "
                            + past.since().truncatedTo(ChronoUnit.SECONDS));
        }
        if (-newest[0] > plan.interval().toMillis() + late()) {
            gap(newest[0], 0, "no watch was running");
        }
    }

    /** How late a round may begin: one that is missed altogether is a gap. */
    private long late() {
        return Math.max(NO_GAP_BELOW, plan.interval().toMillis());
    }

    /** How long a round can take: the checks, the vendor's story and two questions to Prometheus, each with its timeout. */
    private long longest() {
        return 4 * plan.settings().probing().timeout().toMillis() + NO_GAP_BELOW;
    }

    private int rounds() throws InterruptedException {
        long planned = 0;
        while (true) {
            long now = ticker.millis();
            if (lastLook != Long.MIN_VALUE && now - planned > late()) {
                gap(lastLook, now, "the machine slept or the process stood still");
            }
            Optional<Observer.Look> look = look();
            if (leaving) {
                return INTERRUPTED;
            }
            look.ifPresent(made -> take(made, now));
            if (keeper.state() == State.RECOVERED) {
                return 0;
            }
            planned = Math.min(pace.next(), plan.max().toMillis());
            if (ticker.millis() >= plan.max().toMillis()) {
                giveUp();
                return NOT_RECOVERED;
            }
            if (passTime(planned)) {
                return INTERRUPTED;
            }
        }
    }

    /** Makes a round on another thread, so that the view stays alive; empty when it failed, or somebody leaves. */
    private Optional<Observer.Look> look() throws InterruptedException {
        CompletableFuture<Observer.Look> looking = CompletableFuture.supplyAsync(() -> observer.look(ticker.millis()));
        while (!looking.isDone()) {
            leaving |= face.idle(Duration.ofMillis(20), () -> snapshot(Optional.empty()));
            if (leaving) {
                return Optional.empty();
            }
        }
        try {
            return Optional.of(looking.join());
        } catch (CompletionException e) {
            // A fault of ours, or no memory for what came: a watch of days goes on.
            face.say(
                    "trouble",
                    "this round failed and counts for nothing: " + Text.safe(String.valueOf(e.getCause()), 160));
            return Optional.empty();
        }
    }

    private boolean passTime(long until) throws InterruptedException {
        for (long left = until - ticker.millis(); left > 0; left = until - ticker.millis()) {
            Duration shown = Duration.ofMillis(left);
            if (face.idle(Duration.ofMillis(Math.min(left, SLICE)), () -> snapshot(Optional.of(shown))) || leaving) {
                return true;
            }
        }
        return false;
    }

    private void take(Observer.Look look, long began) {
        last = look;
        rounds++;
        requests += look.requests();
        lastLook = look.round().at();
        history.add(lastLook, observer.readings());
        look.updates().forEach(update -> herald.happened(new Happening.Posted(lastLook, update), look.findings()));
        long took = ticker.millis() - began;
        if (took > longest()) {
            // Asleep in the middle of a round: what it says is neither of before nor of after.
            gap(began, began + took, "the machine slept or the process stood still");
            return;
        }
        keeper.observe(look.round()).forEach(happening -> herald.happened(happening, look.findings()));
        scribe.round(clock(lastLook), observer.readings());
        face.round(this::roundJson);
        if (lasting()) {
            herald.remind(keeper.state());
        }
    }

    private void gap(long from, long to, String why) {
        history.hole(from, to);
        keeper.gap(from, to, why).forEach(happening -> herald.happened(happening, Optional.empty()));
    }

    private boolean lasting() {
        return keeper.state() == State.DEGRADED || keeper.state() == State.FLAPPING || keeper.state() == State.RECOVERING
                || keeper.state() == State.STARTING && past.troubled();
    }

    private void giveUp() {
        String words = "not recovered within " + Durations.words(plan.max());
        scribe.append(Event.NOTE, words, Map.of("kind", "not-recovered", "open", open()));
        face.say("not-recovered", words);
    }

    // ---- what can be asked of it

    /** How it ended, in one line. */
    public String verdict(int exit) {
        String after = " after " + Durations.words(Duration.ofMillis(Math.max(1_000, ticker.millis() / 1_000 * 1_000)));
        return exit == 0
                ? "recovered: every condition holds" + after
                : exit == NOT_RECOVERED
                        ? "not recovered" + after + ": " + keeper.state().word()
                        : "left" + after + ": " + keeper.state().word() + ", not called recovered";
    }

    /** The conditions that do not hold, in words. */
    public List<String> open() {
        return keeper.state() == State.RECOVERED
                ? List.of()
                : keeper.conditions(ticker.millis()).stream()
                        .filter(condition -> !condition.met())
                        .map(Condition::words)
                        .toList();
    }

    /** The incident, by now. */
    public Optional<Incident> incident() {
        return scribe.incident();
    }

    /** How many messages nobody has accepted yet. */
    public int untold() {
        return telling.pending();
    }

    /** All of it as a picture. */
    public Chart chart() {
        return new Chart(history, start, began, clock(ticker.millis()), scribe.journal(), plan.settings().drill());
    }

    private Snapshot snapshot(Optional<Duration> next) {
        long now = ticker.millis();
        Map<String, Duration> waits = new HashMap<>();
        plan.checks().forEach(check -> pace.wait(check, now).ifPresent(left -> waits.put(check, left)));
        Page page = last == null ? null : last.round().page();
        return new Snapshot(
                plan.settings().drill(),
                Instant.now(),
                keeper.state(),
                Duration.ofMillis(now - keeper.since()),
                lasting() || past.troubled() ? Optional.of(Duration.ofMillis(now - millis(began))) : Optional.empty(),
                observer.readings(),
                history,
                waits,
                keeper.conditions(now),
                page == null ? Optional.empty() : page.newest(),
                requests,
                next,
                lasting() ? Optional.of(Duration.ofMillis(herald.due() - now)) : Optional.empty(),
                telling.pending(),
                List.of());
    }

    private JsonNode roundJson() {
        ObjectNode json = RoundJson.of(
                clock(lastLook), plan.settings().drill(), rounds, keeper, last.round(), observer.readings());
        return json.put("requestsSpent", requests).put("nextRoundMillis", Math.max(0, pace.next() - ticker.millis()))
                .put("incident", scribe.incident().map(Incident::toString).orElse(null));
    }
}
