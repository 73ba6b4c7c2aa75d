package runbook.watching;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import runbook.Text;
import runbook.Text.Durations;

/**
 * Decides from rounds alone whether it has recovered: no clock, no network. Times are milliseconds since the watch
 * began, and may be negative for what an earlier watch left in the journal.
 */
public final class Keeper {
    private static final int BLIPS_THAT_FLAP = 3;
    private static final int FLAP_FACTOR = 5;

    /** Where things stand, as far as the rounds show. */
    public enum State {
        /** No round has decided anything yet. */
        STARTING,
        /** Good so far, and nothing was wrong before. */
        HEALTHY,
        /** {@code --fail-after} rounds in a row failed. */
        DEGRADED,
        /** Good again; not everything that recovery asks for is there yet. */
        RECOVERING,
        /** It came back and fell again, more than once in a short time. */
        FLAPPING,
        /** Every condition holds. The end of a watch. */
        RECOVERED;

        /** {@code degraded}: how options, journal and JSON call it. */
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The state of that word; {@link #STARTING} when there is none. */
        static State of(String word) {
            for (State state : values()) {
                if (state.word().equals(word)) {
                    return state;
                }
            }
            return STARTING;
        }
    }

    /**
     * What counts as recovered, and what as failing.
     *
     * @param rounds    good rounds in a row ({@code --until})
     * @param lasting   over at least this long ({@code --for})
     * @param failAfter failed rounds in a row before it is more than a blip ({@code --fail-after})
     */
    public record Goal(int rounds, Duration lasting, int failAfter) {
        /** How far back a fall still counts towards flapping: five times {@code --for}. */
        long flapWindow() {
            return FLAP_FACTOR * lasting.toMillis();
        }
    }

    /**
     * One of the things that recovery asks for.
     *
     * @param name  {@code rounds}, {@code time}, {@code checks}, {@code status-page} or {@code backlog}
     * @param met   whether it holds now
     * @param words how far it is
     */
    public record Condition(String name, boolean met, String words) { }

    /** What a look can give: {@link #UNKNOWN} was not made (nothing to ask, or not yet). */
    public enum Result { GOOD, BAD, UNKNOWN }

    /**
     * What is known of one check in a round.
     *
     * @param check  its name as triage has it
     * @param result what its newest look gave
     * @param fresh  whether that look was made in this round; a check whose quota is spent waits, and keeps its last
     *               result
     * @param millis how long that look took
     * @param words  why, in one line that is safe to print
     */
    public record Reading(String check, Result result, boolean fresh, long millis, String words) {
        boolean failed() {
            return fresh && result == Result.BAD;
        }

        boolean passed() {
            return fresh && result == Result.GOOD;
        }

        Reading stale() {
            return new Reading(check, result, false, millis, words);
        }

        // An endpoint that answers 200 was reached, and took the key.
        private boolean proves(String other) {
            return passed() && check.startsWith("endpoint:") && (other.equals("auth") || other.equals("network"));
        }
    }

    /**
     * What one round saw: all that the state machine ever learns.
     *
     * @param at       milliseconds since the watch began
     * @param readings the checks whose results decide about the round
     * @param asked    what else recovery asks for, as it stands: the status page, the backlog
     */
    public record Round(long at, List<Reading> readings, List<Condition> asked) {
        boolean bad() {
            return readings.stream().anyMatch(Reading::failed);
        }

        /** What failed, for one line. */
        String failures() {
            List<Reading> failed = readings.stream().filter(Reading::failed).toList();
            String names = failed.stream().limit(3).map(Reading::check).collect(Collectors.joining(", "));
            String more = failed.size() > 3 ? " and " + (failed.size() - 3) + " more" : "";
            return failed.isEmpty() ? "" : names + more + ": " + failed.get(0).words();
        }

        private Optional<String> proof(String check) {
            return readings.stream().filter(reading -> reading.proves(check)).map(Reading::check).findFirst();
        }
    }

    /**
     * Something that a watch notices and that people will want to know, once.
     *
     * @param kind    {@code degraded}, {@code recovering}, {@code flapping}, {@code recovered}, {@code blip}, {@code
     *                gap} or {@code status-page}: how journal and JSON call it
     * @param at      when, in milliseconds since the watch began
     * @param changes whether it changes the state, so that people have to be told
     * @param words   for one line
     * @param times   moments that belong to it by name, in milliseconds since the watch began
     * @param facts   more for the journal, as plain values
     */
    public record Happening(String kind, long at, boolean changes, String words, Map<String, Long> times,
                            Map<String, Object> facts) {
        /** Whether it is the change to that state. */
        public boolean is(State state) {
            return kind.equals(state.word());
        }
    }

    private final Goal goal;
    private final Deque<Long> falls = new ArrayDeque<>();
    private final Deque<Long> blips = new ArrayDeque<>();
    private final Set<String> unproven = new TreeSet<>();
    private final Map<String, String> provenBy = new TreeMap<>();
    // Checks that failed while what would prove them passed: for them it proves nothing.
    private final Set<String> disputed = new HashSet<>();
    private State state;
    private long since;
    private boolean troubled;
    // Whether it was good since it last fell: only what was up can fall.
    private boolean up;
    private int goodRounds;
    private long goodSince;
    private int badRounds;
    private long badSince;
    private String badWords = "";
    private List<Condition> asked = List.of();

    /**
     * A watch that goes on from what is known.
     *
     * @param state    the state that an earlier watch left, else {@link State#STARTING}
     * @param since    when that state began
     * @param troubled whether an incident is under way, whoever noticed it
     * @param falls    when earlier watches saw it fall, oldest first
     */
    public Keeper(Goal goal, State state, long since, boolean troubled, List<Long> falls) {
        this.goal = goal;
        this.state = state;
        this.since = since;
        this.troubled = troubled;
        this.falls.addAll(falls);
        this.up = state != State.FLAPPING;
    }

    /** Takes in a round; gives what it changes, oldest first. */
    public List<Happening> observe(Round round) {
        List<Happening> happenings = new ArrayList<>();
        asked = round.asked();
        for (Reading reading : round.readings()) {
            if (reading.failed() && round.proof(reading.check()).isPresent()) {
                disputed.add(reading.check());
            } else if (reading.fresh()) {
                disputed.remove(reading.check());
            }
        }
        if (round.bad()) {
            fail(round, happenings);
        } else if (good(round)) {
            pass(round, happenings);
        }
        return happenings;
    }

    /** Nothing failed, and nothing that failed earlier is still to be looked at again or proven by another. */
    boolean good(Round round) {
        return !round.bad() && round.readings().stream().anyMatch(Reading::passed) && round.readings().stream()
                .filter(reading -> !reading.fresh() && reading.result() == Result.BAD)
                .allMatch(reading -> proven(round, reading.check()));
    }

    private boolean proven(Round round, String check) {
        return provenBy.containsKey(check) || !disputed.contains(check) && round.proof(check).isPresent();
    }

    /** Takes in that nobody looked between two moments: whatever was proven has to be proven again. */
    public List<Happening> gap(long from, long to, String why) {
        goodRounds = 0;
        badRounds = 0;
        provenBy.clear();
        String words = "nothing was observed for " + words(to - from) + " (" + why + "); not counted as healthy";
        return List.of(new Happening("gap", to, false, words, Map.of("from", from, "to", to), Map.of()));
    }

    private void fail(Round round, List<Happening> happenings) {
        badRounds++;
        badSince = badRounds == 1 ? round.at() : badSince;
        badWords = round.failures();
        goodRounds = 0;
        provenBy.clear();
        if (badRounds == goal.failAfter() && state != State.DEGRADED && up) {
            fall(round, happenings);
        } else if (state == State.FLAPPING && badRounds > goal.failAfter()
                && round.at() - badSince >= goal.flapWindow()) {
            // Down for so long that "up and down" no longer tells the truth.
            enter(State.DEGRADED, round.at());
            happenings.add(change(State.DEGRADED, round.at(), "steadily failing again: " + badWords));
        }
    }

    private static Happening change(State to, long at, String words) {
        return new Happening(to.word(), at, true, words, Map.of("since", at), Map.of());
    }

    private void fall(Round round, List<Happening> happenings) {
        forgetOld(falls, round.at());
        boolean again = !falls.isEmpty() && troubled;
        falls.add(badSince);
        up = false;
        if (again) {
            flap(round.at(), falls.size(), happenings);
        } else {
            enter(State.DEGRADED, badSince);
            happenings.add(change(State.DEGRADED, badSince, badWords));
        }
        troubled = true;
    }

    // Only the first of several changes the state.
    private void flap(long at, int times, List<Happening> happenings) {
        boolean first = state != State.FLAPPING;
        if (first) {
            enter(State.FLAPPING, at);
        }
        String words = "up and down, " + Text.count(times, "fall") + " so far: " + badWords;
        happenings.add(new Happening(State.FLAPPING.word(), at, first, words, Map.of(), Map.of("falls", times)));
    }

    private void pass(Round round, List<Happening> happenings) {
        if (badRounds > 0 && badRounds < goal.failAfter() && state != State.DEGRADED && up) {
            blip(round.at(), happenings);
        }
        badRounds = 0;
        up = true;
        begin(round, happenings);
        if (conditions(round.at()).stream().allMatch(Condition::met)) {
            enter(State.RECOVERED, round.at());
            troubled = false;
            String proof = provenBy.entrySet().stream()
                    .map(entry -> "; " + entry.getKey() + " is proven by " + entry.getValue())
                    .collect(Collectors.joining());
            String words = Text.count(goodRounds, "good round") + " in a row over " + words(round.at() - goodSince)
                    + proof;
            happenings.add(new Happening(State.RECOVERED.word(), round.at(), true, words,
                    Map.of("goodSince", goodSince),
                    Map.of("rounds", goodRounds, "provenBy", Map.copyOf(provenBy))));
        }
    }

    private void blip(long at, List<Happening> happenings) {
        String words = Text.count(badRounds, "failed round") + ", then good again: " + badWords;
        happenings.add(new Happening("blip", badSince, false, words, Map.of("since", badSince),
                Map.of("rounds", badRounds)));
        forgetOld(blips, at);
        blips.add(badSince);
        if (blips.size() >= BLIPS_THAT_FLAP) {
            flap(at, blips.size() + falls.size(), happenings);
            troubled = true;
        }
    }

    private void begin(Round round, List<Happening> happenings) {
        if (goodRounds++ == 0) {
            goodSince = round.at();
            unproven.clear();
            provenBy.clear();
            round.readings().stream().filter(reading -> reading.result() != Result.UNKNOWN).map(Reading::check)
                    .forEach(unproven::add);
        }
        round.readings().stream().filter(Reading::passed).map(Reading::check).forEach(check -> {
            unproven.remove(check);
            provenBy.remove(check);
        });
        for (String check : Set.copyOf(unproven)) {
            round.proof(check).filter(by -> !disputed.contains(check)).ifPresent(by -> {
                unproven.remove(check);
                provenBy.put(check, by);
            });
        }
        if (state == State.DEGRADED || state == State.STARTING && troubled) {
            String after = state == State.DEGRADED && round.at() > since ? " after " + words(round.at() - since) : "";
            happenings.add(change(State.RECOVERING, round.at(), "good again" + after + "; waiting until it holds"));
            enter(State.RECOVERING, round.at());
        } else if (state == State.STARTING || state == State.RECOVERED) {
            enter(State.HEALTHY, round.at());
        }
    }

    private void enter(State next, long at) {
        state = next;
        since = at;
    }

    private void forgetOld(Deque<Long> moments, long now) {
        while (!moments.isEmpty() && now - moments.getFirst() > goal.flapWindow()) {
            moments.removeFirst();
        }
    }

    /** Where things stand. */
    public State state() {
        return state;
    }

    /** When that began. */
    public long since() {
        return since;
    }

    /** What recovery asks for, in the order in which to show it, each with how far it is at a moment. */
    public List<Condition> conditions(long now) {
        long held = goodRounds == 0 ? 0 : now - goodSince;
        List<Condition> conditions = new ArrayList<>();
        conditions.add(new Condition("rounds", goodRounds >= goal.rounds(),
                goodRounds + " of " + Text.count(goal.rounds(), "good round") + " in a row"));
        conditions.add(new Condition("time", goodRounds > 0 && held >= goal.lasting().toMillis(),
                "good for " + words(held) + " of " + Durations.words(goal.lasting())));
        if (goodRounds > 0 && !unproven.isEmpty()) {
            conditions.add(new Condition("checks", false, "not looked at since it is good: "
                    + String.join(", ", unproven)));
        }
        conditions.addAll(asked);
        return conditions;
    }

    private static String words(long millis) {
        return millis == 0 ? "0 s" : Durations.words(Duration.ofMillis(millis));
    }
}
