package runbook.watching;

import java.io.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import runbook.*;
import runbook.Checks.Before;
import runbook.Incident.Event;
import runbook.Settings.Problem;
import runbook.Text.Durations;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Goal;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.State;
import runbook.watching.Memory.History;
import runbook.watching.Memory.Past;

/** One watch from its start to its end: rounds, what they mean, what is written down and who is told. */
public final class Watching implements AutoCloseable {
    /** Exit code when {@code --max} ran out. */
    public static final int NOT_RECOVERED = 31;
    private static final int INTERRUPTED = 130;
    private static final int UNEXPECTED = 1;
    private static final Duration LAST_WORDS = Duration.ofSeconds(20);
    private static final int LAST_MOMENT_SECONDS = 10;
    private static final long NO_GAP_BELOW = 3_000;
    private static final long SLICE = 1_000;
    // The slowest check is asked once a minute.
    private static final Duration SLOWEST = Duration.ofMinutes(1);
    // What a status page that turns red, or green, makes another of; any other cause is not the page's to change.
    private static final Set<String> BY_THE_PAGE = Set.of("klaviyo-outage", "silent-outage", "unconfirmed-outage",
            "klaviyo-degraded", "server-error", "partial", "indeterminate");

    /**
     * What to watch (by triage's names of checks), how often, until when, and when to give up; how many times as fast
     * as real time a drill is (1 in earnest); the query for the retry queue; the incidents, of which one may be open;
     * what is known beside a journal, asked each round; how people are told; and the command by which a person says
     * that they were.
     */
    public record Plan(Settings settings, Set<String> checks, Goal goal, Duration interval, Duration max, double speed,
                       String backlog, Incident.Choice incidents, Function<List<Event>, Before> known,
                       Telling.Choice telling, String record) { }

    /** Where a watch shows itself: a live view, lines in a pipe, or JSON. */
    public interface Face extends AutoCloseable {
        /** Something happened, in words that are safe to print. */
        void event(Event event);

        default void round(Supplier<Shot> shot) { }

        /** Passes the time, and shows what is to be seen meanwhile. */
        default void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
            Thread.sleep(most.toMillis());
        }

        @Override
        default void close() { }
    }

    /**
     * All that can be seen of a watch at one moment: for how long it has watched, and the state and the incident have
     * lasted; how long a check has to wait for its quota ({@code again}); the time until the next round (empty while
     * one is under way) and until people have to be told again (negative when overdue, empty when it is over); by which
     * command a person says that they were (empty where watch tells them); and what Slack has not accepted yet.
     */
    public record Shot(Optional<String> drill, Instant now, State state, Duration watched, Duration lasting,
                       Optional<Duration> incident, Optional<Incident> folder, List<Reading> readings,
                       Function<String, Optional<Duration>> again, List<Condition> conditions, long round, boolean good,
                       long requests, Optional<Duration> next, Optional<Duration> message, Optional<String> record,
                       int untold) {
        /** The state for people: where all fails that asks Klaviyo's API, or all there is, it is down. */
        public String word() {
            List<Reading> asked = readings.stream().filter(one -> one.result() != Result.UNKNOWN).toList();
            List<Reading> api = asked.stream().filter(one -> one.check().matches("auth|endpoint:.*")).toList();
            boolean all = (api.isEmpty() ? asked : api).stream().allMatch(one -> one.result() == Result.BAD);
            return state == State.DEGRADED && all ? "down" : state.word();
        }

        /** The conditions that do not hold, in words. */
        public List<String> open() {
            return conditions.stream().filter(one -> !one.met() && state != State.RECOVERED).map(Condition::words)
                    .toList();
        }
    }

    private final Plan plan;
    private final Face face;
    private final Ticker ticker = new Ticker(() -> System.nanoTime() / 1_000_000, System::currentTimeMillis);
    private final long start = ticker.millis();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Rounds.Pace pace;
    private final Memory memory;
    private final History history;
    private final Rounds rounds;
    private final Telling telling;
    private Past past;
    private Keeper keeper;
    private volatile boolean leaving;
    // Empty while nobody has named it.
    private String diagnosis;
    private long requests;
    private long made;
    private long lastLook;
    private long awake;
    // When to give up: a machine that slept had no time to see it recover.
    private long end;
    private Rounds.Look last;

    /** A watch that is about to begin, with what the journal tells of the ones before it. */
    public Watching(Plan plan, Face face) throws IOException {
        this.plan = plan;
        this.face = face;
        long slowest = Math.max(plan.interval().toMillis(), (long) (SLOWEST.toMillis() / plan.speed()));
        history = new History(Duration.ofMillis(3 * slowest));
        pace = new Rounds.Pace(plan.checks(), plan.interval(), plan.speed(), Math::random);
        memory = new Memory(plan.incidents(), words -> say("trouble", words));
        past = Past.of(memory.journal(), start);
        end = start + plan.max().toMillis();
        rounds = new Rounds(plan, pace, past, () -> plan.known().apply(memory.journal()));
        telling = new Telling(plan, rounds.checks.http(), memory, this::say);
    }

    private void say(String kind, String words) {
        face.event(Event.now("watch", kind, words, Map.of()));
    }

    /** Watches until it has recovered (0), time is up or somebody leaves; gives the exit code. */
    public int run() {
        leaveOnSignal(Thread.currentThread());
        try {
            begin();
            int exit = watch();
            telling.settle(LAST_WORDS);
            return exit;
        } catch (InterruptedException e) {
            return INTERRUPTED;
        }
    }

    // A signal ends the rounds, and what comes after them (the last words, a chart) still has a moment.
    private void leaveOnSignal(Thread watcher) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            leaving = true;
            watcher.interrupt();
            closed.completeOnTimeout(null, LAST_MOMENT_SECONDS, TimeUnit.SECONDS).join();
            face.close();
        }, "leave"));
    }

    @Override
    public void close() {
        telling.close();
        rounds.checks.close();
        memory.close();
        closed.complete(null);
    }

    // ---- from round to round

    private void begin() {
        Goal goal = plan.goal();
        say("watching", String.join(", ", plan.checks()) + "; every " + Durations.words(plan.interval()) + ", until "
                + Text.count(goal.rounds(), "good round") + " in a row over " + Durations.words(goal.lasting()));
        if (!memory.leading) {
            say("second", "another watch keeps this incident's journal and tells people; this one only looks");
        }
        takeUp();
        lastLook = past.watched();
        memory.rounds((when, looks) -> {
            long at = Math.min(start, when.toEpochMilli());
            history.add(at, looks);
            // The page has no quota, and a watch that begins has to know what it says.
            pace.made(looks.stream().map(Reading::check).filter(check -> !check.equals(Rounds.PAGE)).toList(), at);
            lastLook = Math.max(lastLook, at);
        });
        boolean goesOn = lastLook > 0 && !past.over();
        if (goesOn && past.state() != State.STARTING) {
            Instant since = Instant.ofEpochMilli(past.since()).truncatedTo(ChronoUnit.SECONDS);
            say("goes-on", "the journal says " + past.state().word() + " since " + since);
        }
        if (goesOn && start - lastLook > plan.interval().toMillis() + late()) {
            happened(keeper.gap(lastLook, start, "no watch was running"));
        }
        lastLook = start;
        awake = ticker.millis();
    }

    /** Goes on from where earlier watches on this incident were. */
    private void takeUp() {
        boolean goesOn = past.troubled() && past.state() != State.RECOVERED;
        keeper = new Keeper(plan.goal(), goesOn ? past.state() : State.STARTING, past.since(), past.troubled());
        diagnosis = past.incident().severity().isEmpty() ? "" : past.incident().diagnosis();
        telling.told(past.told());
        telling.lead();
        telling.catchUp(past.unposted());
    }

    /** Where the watch that kept the journal has ended or died, this one does, as if it were started now. */
    private void takeOver() {
        if (!memory.leading && memory.lead()) {
            past = Past.of(memory.journal(), ticker.millis());
            say("leads", "the other watch is gone: this one keeps the journal and tells people from now on");
            takeUp();
        }
    }

    /** How late a round may begin: one that is missed altogether is a gap. */
    private long late() {
        return Math.max(NO_GAP_BELOW, plan.interval().toMillis());
    }

    private int watch() throws InterruptedException {
        look();
        while (keeper.state() != State.RECOVERED && ticker.millis() < end) {
            long planned = Math.min(pace.next(), end);
            for (long left = planned - ticker.millis(); left > 0; left = planned - ticker.millis()) {
                idle(Math.min(left, SLICE), Optional.of(Duration.ofMillis(left)));
            }
            look();
        }
        if (keeper.state() == State.RECOVERED) {
            return 0;
        }
        String words = "not recovered within " + Durations.words(plan.max());
        memory.append(Event.NOTE, words, Map.of("kind", "not-recovered", "open", shot(Optional.empty()).open()));
        say("not-recovered", words);
        return NOT_RECOVERED;
    }

    /** Passes a second at most. More than that is time in which nobody could look, and said to be. */
    private boolean idle(long millis, Optional<Duration> next) throws InterruptedException {
        face.idle(Duration.ofMillis(millis), () -> shot(next));
        if (leaving) {
            throw new InterruptedException();
        }
        long before = awake;
        awake = ticker.millis();
        boolean stoodStill = awake - before > late();
        if (stoodStill) {
            end += awake - before;
            happened(keeper.gap(lastLook, awake, "the machine slept or the process stood still"));
        }
        return stoodStill;
    }

    /** Makes a round on another thread, so that the view stays alive, and takes in what it saw. */
    private void look() throws InterruptedException {
        takeOver();
        long now = ticker.millis();
        CompletableFuture<Rounds.Look> looking = CompletableFuture.supplyAsync(() -> rounds.look(now));
        boolean stoodStill = false;
        while (!looking.isDone()) {
            stoodStill |= idle(20, Optional.empty());
        }
        try {
            last = looking.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof Problem problem) {
                // At the start, it is the wrong key that was given; later, something happened to it.
                throw made == 0 ? problem : new Problem(UNEXPECTED, problem.getMessage());
            }
            // A fault of ours, or no memory for what came: a watch of days goes on.
            say("trouble", "this round failed and counts for nothing: " + Text.safe(String.valueOf(e.getCause()), 160));
            return;
        }
        made++;
        requests += last.findings().requestsSpent();
        lastLook = now;
        last.news().forEach(this::happened);
        // In the middle of a round, what it says would be neither of before nor of after.
        if (!stoodStill) {
            judge();
        }
    }

    private void judge() {
        List<Happening> news = keeper.observe(last.round());
        news.stream().filter(one -> one.is(State.DEGRADED)).forEach(memory::open);
        boolean lasts = lasting(keeper.state());
        if (lasts && last.round().bad() && (diagnosis.isEmpty() || !last.news().isEmpty())) {
            Settings settings = last.findings().settings();
            diagnose(DecisionTree.judge(last.findings(), Message.Wording.all(settings.templates())));
        }
        news.forEach(this::happened);
        history.add(lastLook, rounds.readings);
        memory.round(lastLook, rounds.readings);
        face.round(() -> shot(Optional.of(Duration.ofMillis(Math.max(0, pace.next() - ticker.millis())))));
        if (lasts) {
            telling.lasts(keeper.state(), ticker.millis());
        }
    }

    private boolean lasting(State state) {
        boolean well = state == State.HEALTHY || state == State.RECOVERED;
        return state == State.STARTING ? past.troubled() : !well;
    }

    // ---- what happened

    /** Carries what happened to the journal, to the screen and to people: to each once, and in this order. */
    private void happened(Happening happening) {
        // Whoever looks after it was said that it recovered hears it, but it is not said a second time.
        boolean said = past.over() && happening.is(State.RECOVERED) && happening.before().get() == State.HEALTHY;
        boolean told = happening.before().isPresent() && !said;
        Event event = said ? Event.now("watch", happening.kind(), happening.words(), happening.facts())
                : memory.write(happening, told && telling.posts());
        face.event(event);
        if (told) {
            telling.change(event, happening.before().get());
            // A draft tells nobody: what was due stays due, unless nothing was wrong before.
            if (telling.posts() || !lasting(happening.before().get())) {
                telling.told(ticker.millis());
            }
        }
    }

    /** Names an incident that no triage has looked at, and anew when the page turns: later messages have that name. */
    private void diagnose(Verdict verdict) {
        String now = verdict.diagnosis();
        boolean turned = BY_THE_PAGE.contains(now) && BY_THE_PAGE.contains(diagnosis) && !now.equals(diagnosis);
        // A round that asked too little tells nothing.
        if (verdict.severity().isPresent() && (turned || diagnosis.isEmpty())) {
            diagnosis = now;
            face.event(memory.append(Event.DIAGNOSED, verdict.title(),
                    Map.of("diagnosis", now, "severity", verdict.severity().get())));
        }
    }

    // ---- what can be seen of it

    /** All of it as a picture: SVG, or a page around it. */
    public String chart(boolean page) {
        Chart chart = history.drawn(Instant.ofEpochMilli(past.began()), Instant.ofEpochMilli(ticker.millis()),
                memory.journal(), plan.incidents().drill());
        return page ? Chart.page(plan.settings().templates(), chart.title(), chart.figure()) : chart.svg();
    }

    /** How it stands now, where the next round is so far away. */
    public Shot shot(Optional<Duration> next) {
        long now = ticker.millis();
        boolean lasts = lasting(keeper.state());
        Optional<Duration> incident = Optional.of(Duration.ofMillis(now - past.began()));
        Optional<Duration> message = Optional.of(Duration.ofMillis(telling.due - now));
        return new Shot(plan.settings().drill(), Instant.now(), keeper.state(), Duration.ofMillis(now - start),
                Duration.ofMillis(now - keeper.since()), incident.filter(one -> lasts || past.troubled()),
                memory.incident, rounds.readings, check -> pace.wait(check, now), keeper.conditions(now), made,
                last != null && keeper.good(last.round()), requests, next, message.filter(one -> lasts),
                Optional.of(plan.record()).filter(command -> !telling.posts()), telling.pending.get());
    }

    /**
     * The time of day as it was at the start, and as much more as has passed since. It rests on the monotonic clock,
     * and adds the time that the machine slept, which that clock leaves out: whenever the wall clock went on by seconds
     * more. One that is set back, or drifts, changes nothing.
     */
    public static final class Ticker {
        private static final long NOTICEABLE = 2_000;

        private final LongSupplier monotonic;
        private final LongSupplier wall;
        private long lastMonotonic;
        private long lastWall;
        private long now;

        /** A ticker on these clocks, of which the first stands still while the machine sleeps. */
        public Ticker(LongSupplier monotonicMillis, LongSupplier wallMillis) {
            monotonic = monotonicMillis;
            wall = wallMillis;
            lastMonotonic = monotonic.getAsLong();
            lastWall = wall.getAsLong();
            now = lastWall;
        }

        /** Milliseconds since the epoch, time asleep included. */
        public long millis() {
            long awake = monotonic.getAsLong() - lastMonotonic;
            long passed = wall.getAsLong() - lastWall;
            lastMonotonic += awake;
            lastWall += passed;
            now += passed - awake > NOTICEABLE ? passed : awake;
            return now;
        }
    }
}
