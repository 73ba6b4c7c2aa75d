package runbook.rotation;

import java.time.*;
import java.util.*;
import java.util.function.*;
import runbook.*;
import runbook.Http.Answer;
import runbook.Http.Health;
import runbook.Http.Reply;
import runbook.Text.Durations;
import runbook.redact.*;
import runbook.rotation.Progress.Done;
import runbook.rotation.Progress.Trouble;
import runbook.rotation.Rotation.Wishes;

/** Our application: its health, the key that it says it uses, and the errors that Prometheus counts. */
final class AppWatch {
    private static final String COUNTER = "klaviyo_api_errors_total";
    // Short enough to fall soon after a restart; long enough to span Prometheus's usual scrape interval twice.
    private static final String LAST_MINUTE = "sum by (status) (increase(" + COUNTER + "[1m]))";

    /** How it does, the same for one line, and the fingerprint of the key that it says it uses; empty where none. */
    private record State(Health health, String words, String key) {
        static State of(Answer answer) {
            if (!(answer instanceof Reply reply)) {
                return new State(Health.of(answer), ((Http.Fault) answer).words(), "");
            }
            String body = Text.safe(Redactor.strict().text(Text.safe(reply.text(), 400)), 120);
            return new State(Health.of(reply), "HTTP " + reply.status() + " in " + reply.millis() + " ms"
                    + (body.isEmpty() ? "" : ": " + body), reply.json().path("keyFingerprint").asText());
        }

        // What is wrong with it: it is worse than that, or has another key than one of these; else empty.
        String fault(Health worst, List<String> right) {
            String stale = key.isEmpty() || right.contains(key) ? ""
                    : "it says that it still uses another key, sha256 " + key;
            return health.compareTo(worst) > 0 ? words : stale;
        }
    }

    private final Settings settings;
    private final Http http;
    private final Duration within;
    private final Progress progress;
    private Prometheus.Result before;

    AppWatch(Wishes wishes, Progress progress) {
        this.settings = wishes.settings();
        this.http = Http.of(settings.withKey(Optional.empty()));
        this.within = wishes.verify();
        this.progress = progress;
    }

    // ---- its health and its key

    private boolean looking() {
        return settings.target().app() != null;
    }

    private State look() {
        return State.of(http.get(settings.target().app(), settings.probing().timeout()));
    }

    /** Looks before anything changes; what an interrupted run did to it does not count as how it was. */
    Done begin() {
        before = counts() ? errors() : null;
        if (!looking()) {
            return Done.warn("nobody looks at it: give --app-url to have its health verified");
        }
        State now = look();
        if (progress.kept.app == null) {
            progress.kept.app = now.health;
            progress.kept.appKey = now.key;
        }
        return now.health == Health.HEALTHY ? Done.ok(now.words) : Done.warn("not healthy now: " + now.words);
    }

    String plan() {
        return looking() ? "healthy within " + Durations.words(within) + " by " + settings.target().app()
                : "not looked at: no --app-url";
    }

    /** The application is healthy, and uses this key where it tells. */
    Done well(String key) {
        return await(Health.HEALTHY, List.of(key), true);
    }

    /** The application is no worse than it was, and is seen with the old key, or proven to have it otherwise. */
    Done asBefore(String old, boolean proven) {
        Health worst = Optional.ofNullable(progress.kept.app).orElse(Health.HEALTHY);
        return await(worst, List.of(old, progress.kept.appKey), proven);
    }

    private Done await(Health worst, List<String> right, boolean proven) {
        State now = looking() ? awaited(worst, right) : new State(worst, "not looked at: no --app-url", "");
        Trouble.when(!proven && now.key.isEmpty(), "nothing shows that it runs with the old key: its health tells no"
                + " keyFingerprint, and a restart left no mark");
        return looking() ? Done.ok(now.words) : Done.warn(now.words);
    }

    private State awaited(Health worst, List<String> right) {
        Predicate<State> well = state -> state.fault(worst, right).isEmpty();
        String fault = look().fault(worst, right);
        if (!fault.isEmpty()) {
            progress.listener.waiting("waiting for the application: " + fault);
        }
        State now = Progress.until(() -> {
            // Twice in a row: the first answer may come from what is being restarted.
            State first = look();
            return well.test(first) && Progress.pause(Progress.INTERVAL) ? look() : first;
        }, well, within, state -> Progress.INTERVAL);
        Trouble.when(!well.test(now), "not well within " + Durations.words(within) + ": " + now.fault(worst, right));
        return now;
    }

    // ---- its errors

    boolean counts() {
        return settings.target().prometheus() != null;
    }

    private Prometheus.Result errors() {
        return new Prometheus(http, settings.target().prometheus(), settings.probing().timeout()).instant(LAST_MINUTE);
    }

    // Rounded, as people see it.
    private static long sum(Prometheus.Result counted) {
        return Math.round(counted.sum().orElse(0));
    }

    Done steady() {
        Duration watch = within.dividedBy(4);
        progress.listener.waiting("watching its errors for " + Durations.words(watch));
        long most = Math.max(sum(errors()), sum(before));
        Progress.pause(watch);
        Prometheus.Result now = Progress.until(this::errors, one -> sum(one) <= most, within, one -> watch);
        if (!before.ok() || !now.ok()) {
            return Done.warn("not compared: Prometheus gave no answer, " + (before.ok() ? now : before).trouble());
        } else if (before.series().isEmpty() && now.series().isEmpty()) {
            return Done.warn("nobody counts them: Prometheus has no " + COUNTER);
        }
        String seen = sum(now) + " in the last minute, " + sum(before) + " in the minute before the rotation";
        Trouble.when(sum(now) > most, "its errors rise: " + seen);
        return Done.ok(seen);
    }
}
