package runbook.report;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import runbook.Text;
import runbook.Incident.Event;

/** Facts that suggest what went well, what did not, and where luck helped. People judge; this only reminds. */
final class Hints {
    private static final Duration QUICK = Duration.ofMinutes(5);
    private static final Duration SLOW = Duration.ofMinutes(15);
    private static final Duration REMINDER = Duration.ofMinutes(35);

    private final List<String> well = new ArrayList<>();
    private final List<String> badly = new ArrayList<>();
    private final List<String> lucky = new ArrayList<>();

    private Hints() { }

    static String markdown(Milestones moments, List<Entry> entries, Metrics metrics) {
        Hints hints = new Hints();
        hints.detection(moments);
        hints.vendor(moments);
        hints.response(moments);
        hints.falls(moments);
        hints.telling(moments, entries);
        hints.queue(metrics);
        hints.hours(moments);
        return hints.text();
    }

    private void detection(Milestones moments) {
        Milestones.between(moments.began(), moments.detected()).ifPresent(took -> {
            if (took.compareTo(SLOW) > 0) {
                badly.add("nobody noticed for " + Texts.duration(took));
            } else if (!took.isZero() && took.compareTo(QUICK) <= 0) {
                well.add("noticed " + Texts.duration(took) + " after the first sign");
            }
        });
    }

    private void vendor(Milestones moments) {
        if (moments.detected().isEmpty() || moments.vendorPosted().isEmpty()) {
            return;
        }
        Instant ours = moments.detected().get();
        Instant theirs = moments.vendorPosted().get();
        Duration apart = Duration.between(ours, theirs);
        if (apart.toMinutes() > 0) {
            well.add("detected by us " + minutes(apart) + " before the status page");
        } else if (apart.toMinutes() < 0) {
            badly.add("the status page told of it " + minutes(apart.negated()) + " before our own checks");
        }
    }

    private static String minutes(Duration duration) {
        return duration.toMinutes() < 60 ? duration.toMinutes() + " min" : Texts.duration(duration);
    }

    private void response(Milestones moments) {
        Milestones.between(moments.detected(), moments.acknowledged()).filter(took -> took.compareTo(SLOW) > 0)
                .ifPresent(took -> badly.add("nobody took it for " + Texts.duration(took)));
        Milestones.between(moments.detected(), moments.mitigated())
                .ifPresent(took -> (took.compareTo(SLOW) <= 0 ? well : badly)
                        .add("something was done against it " + Texts.duration(took) + " after we noticed"));
    }

    private void falls(Milestones moments) {
        int falls = moments.relapses().size();
        if (falls > 0) {
            badly.add("it came back and failed again (" + Text.count(falls, "time") + ")");
        }
    }

    private void telling(Milestones moments, List<Entry> entries) {
        List<Instant> told = entries.stream().filter(entry -> entry.kind().equals(Event.ANNOUNCED)).map(Entry::at).toList();
        if (moments.detected().isEmpty()) {
            return;
        }
        if (told.isEmpty()) {
            badly.add("no message is recorded: was anybody told?");
            return;
        }
        Duration first = Duration.between(moments.detected().get(), told.get(0));
        if (first.compareTo(QUICK) <= 0) {
            well.add("first message after " + Texts.duration(first.isNegative() ? Duration.ZERO : first));
        } else {
            badly.add("first message after " + Texts.duration(first));
        }
        longestSilence(told, moments.restored()).filter(silence -> silence.compareTo(REMINDER) > 0)
                .ifPresent(silence -> badly.add("up to " + Texts.duration(silence) + " between two messages"));
    }

    private static Optional<Duration> longestSilence(List<Instant> told, Optional<Instant> until) {
        List<Instant> moments = new ArrayList<>(told);
        until.filter(end -> end.isAfter(told.get(told.size() - 1))).ifPresent(moments::add);
        Duration longest = Duration.ZERO;
        for (int i = 1; i < moments.size(); i++) {
            Duration silence = Duration.between(moments.get(i - 1), moments.get(i));
            longest = silence.compareTo(longest) > 0 ? silence : longest;
        }
        return longest.isZero() ? Optional.empty() : Optional.of(longest);
    }

    private void queue(Metrics metrics) {
        metrics.queue()
                .filter(queue -> queue.peak() > 0)
                .ifPresent(queue -> well.add("failed calls were queued, not lost"));
    }

    private void hours(Milestones moments) {
        moments.detected().ifPresent(at -> {
            int hour = at.atOffset(ZoneOffset.UTC).getHour();
            if (hour >= 22 || hour < 6) {
                lucky.add("it happened at " + Texts.clock(at)
                        + " UTC: would the same have gone as well at the busiest hour?");
            }
        });
    }

    private String text() {
        List<String> lines = new ArrayList<>();
        well.forEach(fact -> lines.add("- perhaps went well: " + fact));
        badly.forEach(fact -> lines.add("- perhaps could improve: " + fact));
        lucky.forEach(fact -> lines.add("- perhaps luck: " + fact));
        return lines.isEmpty()
                ? "Nothing that was recorded suggests an entry."
                : "Facts that suggest entries:\n\n" + String.join("\n", lines);
    }
}
