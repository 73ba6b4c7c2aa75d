package runbook.watching;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.function.LongFunction;
import runbook.Text.Durations;
import runbook.Text;

/** Something that a watch notices and that people will want to know, once. */
public sealed interface Happening {
    /** When, in milliseconds since the watch began. */
    long at();

    /** {@code degraded}, {@code blip}, …: how journal and JSON call it. */
    String kind();

    /** For one line. */
    String words();

    /** More for the journal, as plain values; {@code clock} turns milliseconds since the watch began into a time. */
    Map<String, Object> details(LongFunction<Instant> clock);

    /** Whether it changes the state, so that people have to be told. */
    default boolean changesState() {
        return false;
    }

    /** It fails, and not just once; {@code at} is the first failure. */
    record Degraded(long at, String why) implements Happening {
        @Override
        public String kind() {
            return State.DEGRADED.word();
        }

        @Override
        public String words() {
            return why;
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("since", clock.apply(at));
        }

        @Override
        public boolean changesState() {
            return true;
        }
    }

    /** The first good round after failures. */
    record Recovering(long at, long failedFor) implements Happening {
        @Override
        public String kind() {
            return State.RECOVERING.word();
        }

        @Override
        public String words() {
            return "good again" + (failedFor > 0 ? " after " + Durations.words(Duration.ofMillis(failedFor)) : "")
                    + "; waiting until it holds";
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("since", clock.apply(at));
        }

        @Override
        public boolean changesState() {
            return true;
        }
    }

    /** It came back and fell again; only the first of several changes the state. */
    record Flapping(long at, int falls, boolean first, String why) implements Happening {
        @Override
        public String kind() {
            return State.FLAPPING.word();
        }

        @Override
        public String words() {
            return "up and down, " + Text.count(falls, "fall") + " so far: " + why;
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("falls", falls);
        }

        @Override
        public boolean changesState() {
            return first;
        }
    }

    /** Every condition holds; {@code goodSince} is when service was there again. */
    record Recovered(long at, long goodSince, int rounds) implements Happening {
        @Override
        public String kind() {
            return State.RECOVERED.word();
        }

        @Override
        public String words() {
            return Text.count(rounds, "good round") + " in a row over "
                    + Durations.words(Duration.ofMillis(at - goodSince));
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("goodSince", clock.apply(goodSince), "rounds", rounds);
        }

        @Override
        public boolean changesState() {
            return true;
        }
    }

    /** Too few failed rounds to raise an alarm, with good ones after them; {@code at} is the first. */
    record Blip(long at, int rounds, String why) implements Happening {
        @Override
        public String kind() {
            return "blip";
        }

        @Override
        public String words() {
            return Text.count(rounds, "failed round") + ", then good again: " + why;
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("since", clock.apply(at), "rounds", rounds);
        }
    }

    /** Nobody looked for a while. */
    record Gap(long from, long at, String why) implements Happening {
        @Override
        public String kind() {
            return "gap";
        }

        @Override
        public String words() {
            return "nothing was observed for " + Durations.words(Duration.ofMillis(at - from)) + " (" + why
                    + "); not counted as healthy";
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("from", clock.apply(from), "to", clock.apply(at));
        }
    }

    /** The vendor wrote something on its status page. */
    record Posted(long at, Update update) implements Happening {
        @Override
        public String kind() {
            return "status-page";
        }

        @Override
        public String words() {
            return "Klaviyo" + (update.at() == null ? "" : " at " + update.at()) + ": " + update.words();
        }

        @Override
        public Map<String, Object> details(LongFunction<Instant> clock) {
            return Map.of("vendorAt", update.at() == null ? "" : update.at().toString(), "incident", update.incident(),
                    "status", update.status(), "body", update.body(), "update", update.id());
        }
    }
}
