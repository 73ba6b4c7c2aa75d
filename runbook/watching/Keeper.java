package runbook.watching;

import java.time.*;
import java.util.*;
import java.util.stream.*;
import runbook.*;
import runbook.Text.Durations;

/**
 * Decides from rounds alone whether it has recovered: no clock, no network. Moments are milliseconds since the epoch,
 * on a clock that nobody sets ({@link Watching.Ticker}).
 */
public final class Keeper {
    private static final int DIPS_THAT_FLAP = 3;
    // How far back a fall still counts towards flapping: so many times as long as it has to hold.
    private static final int FLAP_FACTOR = 5;
    // The check that asks nothing but whether the key is taken.
    private static final String KEY = "auth";

    /**
     * Where things stand by the rounds: nothing is decided yet; good, and nothing was wrong before; {@code
     * --fail-after} rounds in a row failed; good again, but not everything is there that recovery asks for; it came
     * back and fell again, more than once in a short time; every condition holds, which ends a watch.
     */
    public enum State implements Text.Named {
        STARTING, HEALTHY, DEGRADED, RECOVERING, FLAPPING, RECOVERED;

        /** The state of that word; {@link #STARTING} when there is none. */
        static State of(String word) {
            return Stream.of(values()).filter(state -> state.word().equals(word)).findFirst().orElse(STARTING);
        }
    }

    /**
     * What counts as recovered, and what as failing: good rounds in a row ({@code --until}) over at least a time
     * ({@code --for}), and failed rounds in a row before it is more than a blip ({@code --fail-after}).
     */
    public record Goal(int rounds, Duration lasting, int failAfter) {
        private long flapWindow() {
            return FLAP_FACTOR * lasting.toMillis();
        }
    }

    /** One of the things that recovery asks for: whether it holds now, and how far it is in words. */
    public record Condition(String name, boolean met, String words) { }

    /** What a look can give; unknown is one that was not made (nothing to ask, or not yet). */
    public enum Result implements Text.Named { GOOD, BAD, UNKNOWN }

    /**
     * What is known of one check in a round, how long the look took, and why, in one line that is safe to print. It is
     * {@code fresh} when it was looked at in this round: a check whose quota is spent keeps its last result.
     */
    public record Reading(String check, Result result, boolean fresh, long millis, String words) {
        boolean seen(Result wanted) {
            return fresh && result == wanted;
        }

        Reading stale() {
            return new Reading(check, result, false, millis, words);
        }
    }

    /** All that the state machine learns of a round: the checks that decide, and what else is asked for. */
    public record Round(long at, List<Reading> readings, List<Condition> asked) {
        private List<Reading> seen(Result result) {
            return readings.stream().filter(one -> one.seen(result)).toList();
        }

        boolean bad() {
            return !seen(Result.BAD).isEmpty();
        }

        private String failures() {
            List<Reading> failed = seen(Result.BAD);
            String names = failed.stream().limit(3).map(Reading::check).collect(Collectors.joining(", "));
            String more = failed.size() > 3 ? " and " + (failed.size() - 3) + " more" : "";
            return names + more + ": " + failed.get(0).words();
        }

        // An endpoint that answers 200 took the key.
        private Optional<String> proofOfKey() {
            return seen(Result.GOOD).stream().map(Reading::check).filter(check -> check.startsWith("endpoint:"))
                    .findFirst();
        }
    }

    /**
     * Something that a watch notices and that people will want to know, once: its kind as journal and JSON call it
     * ({@code degraded}, {@code blip}, {@code gap}, …), the state that it ends, so that people have to be told (empty
     * when it changes none), and more for the journal: plain values and instants.
     */
    public record Happening(String kind, Optional<State> before, String words, Map<String, Object> facts) {
        static Happening of(String kind, String words, Map<String, Object> facts) {
            return new Happening(kind, Optional.empty(), words, facts);
        }

        public boolean is(State state) {
            return kind.equals(state.word());
        }
    }

    private final Goal goal;
    // When it fell, and when it failed for less than a fall; only what still counts towards flapping.
    private final List<Long> dips = new ArrayList<>();
    // What was seen to work since it is good, and by what check: itself or another.
    private final Map<String, String> proven = new TreeMap<>();
    private List<Reading> known = List.of();
    private State state;
    private long since;
    private boolean troubled;
    // The check of the key failed while an endpoint took it: none proves it.
    private boolean disputed;
    // Whether it was good since it last fell: only what was up can fall.
    private boolean up;
    private int goodRounds;
    private long goodSince;
    private int badRounds;
    private long badSince;
    private String badWords = "";
    private List<Condition> asked = List.of();
    private List<Happening> news = new ArrayList<>();

    /**
     * A watch that goes on from what is known: the state that an earlier one left (else {@link State#STARTING}) and
     * since when, and whether an incident is under way, whoever noticed it.
     */
    public Keeper(Goal goal, State state, long since, boolean troubled) {
        this.goal = goal;
        this.state = state;
        this.since = since;
        this.troubled = troubled;
        up = state != State.FLAPPING && state != State.DEGRADED;
    }

    /** Takes in a round; gives what it changes, oldest first. */
    public List<Happening> observe(Round round) {
        news = new ArrayList<>();
        asked = round.asked();
        for (Reading one : round.readings()) {
            if (one.check().equals(KEY) && one.fresh()) {
                disputed = one.result() == Result.BAD && round.proofOfKey().isPresent();
            }
        }
        if (round.bad()) {
            fail(round);
        } else if (good(round)) {
            pass(round);
        }
        return news;
    }

    /** Nothing failed, and nothing that failed earlier is still to be looked at again or proven by another. */
    boolean good(Round round) {
        Set<String> working = proofs(round).keySet();
        return !round.bad() && !round.seen(Result.GOOD).isEmpty() && round.readings().stream()
                .filter(one -> one.result() == Result.BAD).map(Reading::check)
                .allMatch(check -> proven.containsKey(check) || working.contains(check));
    }

    /** The checks that a round shows to work, each with what shows it: itself or another. */
    private Map<String, String> proofs(Round round) {
        Map<String, String> proofs = new TreeMap<>();
        for (Reading one : round.readings()) {
            if (one.seen(Result.GOOD)) {
                proofs.put(one.check(), one.check());
            } else if (one.check().equals(KEY) && !disputed) {
                round.proofOfKey().ifPresent(other -> proofs.put(KEY, other));
            }
        }
        return proofs;
    }

    /** Takes in that nobody looked between two moments: whatever was proven has to be proven again. */
    public Happening gap(long from, long to, String why) {
        anew();
        badRounds = 0;
        String words = "nothing was observed for " + words(to - from) + " (" + why + "); not counted as healthy";
        return Happening.of("gap", words, Map.of("from", Instant.ofEpochMilli(from), "to", Instant.ofEpochMilli(to)));
    }

    private void anew() {
        goodRounds = 0;
        proven.clear();
        known = List.of();
    }

    // ---- failed rounds

    private void fail(Round round) {
        badSince = badRounds == 0 ? round.at() : badSince;
        badRounds++;
        badWords = round.failures();
        anew();
        if (badRounds == goal.failAfter() && up) {
            fall(round.at());
        } else if (state == State.FLAPPING && badRounds > goal.failAfter()
                && round.at() - badSince >= goal.flapWindow()) {
            // Down for so long that "up and down" no longer tells the truth.
            change(State.DEGRADED, round.at(), "steadily failing again: " + badWords, since(round.at()));
        }
    }

    private void fall(long at) {
        int times = dip(at);
        up = false;
        if (troubled && times > 1 || state == State.FLAPPING) {
            flap(at, times);
        } else {
            troubled = true;
            change(State.DEGRADED, badSince, badWords, since(badSince));
        }
    }

    /** Notes that it failed; gives how often it did in a short time. */
    private int dip(long now) {
        dips.removeIf(at -> now - at > goal.flapWindow());
        dips.add(badSince);
        return dips.size();
    }

    private void flap(long at, int times) {
        troubled = true;
        String words = "up and down, " + Text.count(times, "fall") + " so far: " + badWords;
        change(State.FLAPPING, at, words, Map.of("falls", times));
    }

    // ---- good rounds

    private void pass(Round round) {
        if (badRounds > 0 && badRounds < goal.failAfter() && up) {
            blip(round.at());
        }
        badRounds = 0;
        up = true;
        count(round);
        if (state == State.DEGRADED || state == State.STARTING && troubled) {
            change(State.RECOVERING, round.at(), "good again; waiting until it holds", since(round.at()));
        } else if (state == State.STARTING) {
            state = State.HEALTHY;
            since = round.at();
        }
        if (conditions(round.at()).stream().allMatch(Condition::met)) {
            recover(round.at());
        }
    }

    private void blip(long at) {
        Map<String, Object> facts = Map.of("since", Instant.ofEpochMilli(badSince), "rounds", badRounds);
        news.add(Happening.of("blip", Text.count(badRounds, "failed round") + ", then good again: " + badWords, facts));
        int times = dip(at);
        if (times >= DIPS_THAT_FLAP && state != State.FLAPPING) {
            flap(at, times);
        }
    }

    private void count(Round round) {
        goodSince = goodRounds == 0 ? round.at() : goodSince;
        goodRounds++;
        known = round.readings();
        // What was looked at itself needs no other's word.
        proofs(round).forEach((check, by) -> proven.merge(check, by, (old, now) -> old.equals(check) ? old : now));
    }

    private void recover(long at) {
        Map<String, String> byOthers = new TreeMap<>(proven);
        byOthers.entrySet().removeIf(one -> one.getKey().equals(one.getValue()));
        String proofs = byOthers.entrySet().stream()
                .map(one -> "; " + one.getKey() + " is proven by " + one.getValue()).collect(Collectors.joining());
        String words = Text.count(goodRounds, "good round") + " in a row over " + words(at - goodSince) + proofs;
        change(State.RECOVERED, at, words, Map.of(
                "goodSince", Instant.ofEpochMilli(goodSince), "rounds", goodRounds, "provenBy", byOthers));
    }

    private void change(State to, long at, String words, Map<String, Object> facts) {
        // A further fall while it flaps is news, but no change.
        Optional<State> before = Optional.of(state).filter(one -> one != to);
        news.add(new Happening(to.word(), before, words, facts));
        since = before.isPresent() ? at : since;
        state = to;
    }

    private static Map<String, Object> since(long at) {
        return Map.of("since", Instant.ofEpochMilli(at));
    }

    // ---- what can be asked of it

    public State state() {
        return state;
    }

    public long since() {
        return since;
    }

    /** What recovery asks for, in the order in which to show it, each with how far it is at a moment. */
    public List<Condition> conditions(long now) {
        long held = goodRounds == 0 ? 0 : now - goodSince;
        boolean met = goodRounds >= goal.rounds() && held >= goal.lasting().toMillis();
        List<Condition> conditions = new ArrayList<>(List.of(new Condition("rounds", met,
                goodRounds + " of " + Text.count(goal.rounds(), "good round") + " in a row, good for " + words(held)
                + " of " + Durations.words(goal.lasting()))));
        List<String> unproven = known.stream().filter(one -> one.result() != Result.UNKNOWN).map(Reading::check)
                .filter(check -> !proven.containsKey(check)).toList();
        if (!unproven.isEmpty()) {
            String words = "not looked at since it is good: " + String.join(", ", unproven);
            conditions.add(new Condition("checks", false, words));
        }
        conditions.addAll(asked);
        return conditions;
    }

    private static String words(long millis) {
        return millis == 0 ? "0 s" : Durations.words(Duration.ofMillis(millis));
    }
}
