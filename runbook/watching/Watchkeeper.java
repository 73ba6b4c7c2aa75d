package runbook.watching;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import runbook.Text.Durations;
import runbook.Text;
import runbook.watching.Happening.Blip;
import runbook.watching.Happening.Degraded;
import runbook.watching.Happening.Flapping;
import runbook.watching.Happening.Gap;
import runbook.watching.Happening.Recovered;
import runbook.watching.Happening.Recovering;

/**
 * Decides from rounds alone whether it has recovered: no clock, no network. Times are milliseconds since the watch
 * began, and may be negative for what an earlier watch left in the journal.
 */
public final class Watchkeeper {
    private static final int BLIPS_THAT_FLAP = 3;

    private final Goal goal;
    private final Deque<Long> falls = new ArrayDeque<>();
    private final Deque<Long> blips = new ArrayDeque<>();
    private final Set<String> unproven = new TreeSet<>();
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
    private Round last;

    /**
     * A watch that goes on from what is known.
     *
     * @param state    the state that an earlier watch left, else {@link State#STARTING}
     * @param since    when that state began
     * @param troubled whether an incident is under way, whoever noticed it
     * @param falls    when earlier watches saw it fall, oldest first
     */
    public Watchkeeper(Goal goal, State state, long since, boolean troubled, List<Long> falls) {
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
        last = round;
        if (round.bad()) {
            fail(round, happenings);
        } else if (round.good()) {
            pass(round, happenings);
        }
        return happenings;
    }

    /** Takes in that nobody looked between two moments: whatever was proven has to be proven again. */
    public List<Happening> gap(long from, long to, String why) {
        goodRounds = 0;
        badRounds = 0;
        return List.of(new Gap(from, to, why));
    }

    private void fail(Round round, List<Happening> happenings) {
        badRounds++;
        badSince = badRounds == 1 ? round.at() : badSince;
        badWords = round.failures();
        goodRounds = 0;
        if (badRounds == goal.failAfter() && state != State.DEGRADED && up) {
            fall(round, happenings);
        } else if (state == State.FLAPPING && badRounds > goal.failAfter() && round.at() - badSince >= goal.flapWindow()) {
            // Down for so long that "up and down" no longer tells the truth.
            enter(State.DEGRADED, round.at());
            happenings.add(new Degraded(round.at(), "steadily failing again: " + badWords));
        }
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
            happenings.add(new Degraded(badSince, badWords));
        }
        troubled = true;
    }

    private void flap(long at, int times, List<Happening> happenings) {
        boolean first = state != State.FLAPPING;
        if (first) {
            enter(State.FLAPPING, at);
        }
        happenings.add(new Flapping(at, times, first, badWords));
    }

    private void pass(Round round, List<Happening> happenings) {
        boolean blip = badRounds > 0 && badRounds < goal.failAfter() && state != State.DEGRADED && up;
        if (blip) {
            blip(round.at(), happenings);
        }
        badRounds = 0;
        up = true;
        begin(round, happenings);
        if (conditions(round.at()).stream().allMatch(Condition::met)) {
            enter(State.RECOVERED, round.at());
            troubled = false;
            happenings.add(new Recovered(round.at(), goodSince, goodRounds));
        }
    }

    private void blip(long at, List<Happening> happenings) {
        happenings.add(new Blip(badSince, badRounds, badWords));
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
            round.readings().stream()
                    .filter(reading -> reading.result() != Reading.Result.UNKNOWN)
                    .map(Reading::check)
                    .forEach(unproven::add);
        }
        round.readings().stream().filter(Reading::passed).map(Reading::check).forEach(unproven::remove);
        if (state == State.DEGRADED || state == State.STARTING && troubled) {
            happenings.add(new Recovering(round.at(), state == State.DEGRADED ? round.at() - since : 0));
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
            conditions.add(
                    new Condition("checks", false, "not looked at since it is good: " + String.join(", ", unproven)));
        }
        if (last != null && last.page() != null) {
            conditions.add(last.page().condition());
        }
        if (last != null && last.backlog() != null) {
            conditions.add(last.backlog().condition());
        }
        return conditions;
    }

    private static String words(long millis) {
        return millis == 0 ? "0 s" : Durations.words(Duration.ofMillis(millis));
    }
}
