package runbook.watching;

import java.time.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.Checks.Before;
import runbook.Checks.Findings;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Screen.Check;
import runbook.Settings.Problem;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.Round;
import runbook.watching.Memory.Past;

/** Makes the rounds: triage's own checks, one request each, as many of them as the {@link Pace} allows. */
public final class Rounds {
    static final String PAGE = "status-page";

    /**
     * What a round gave: what the state machine takes in; the vendor's updates that were not told yet, oldest first;
     * and the checks as triage knows them, the status page as it was last read.
     */
    record Look(Round round, List<Happening> news, Findings findings) { }

    final Checks checks;
    private final Pace pace;
    private final Set<String> told;
    private final Supplier<Condition> backlog;
    private final Supplier<Before> known;
    /** What is known of each check by now. */
    volatile List<Reading> readings;
    private StatusPage status = StatusPage.UNSEEN;
    private boolean appFound;

    /** Rounds of what a plan asks for. What is known by then is asked each time. */
    Rounds(Watching.Plan plan, Pace pace, Past past, Supplier<Before> known) {
        Settings settings = plan.settings();
        checks = new Checks(settings);
        this.pace = pace;
        this.known = known;
        told = new HashSet<>(past.updates());
        readings = plan.checks().stream()
                .map(name -> new Reading(name, Result.UNKNOWN, false, 0, "not yet looked at")).toList();
        backlog = settings.target().prometheus() == null ? () -> null
                : new Backlog(new Prometheus(checks.http()), plan.backlog(), Instant.ofEpochMilli(past.began()));
    }

    /** Makes one round with what is due at a moment; a {@link Problem} where our key was replaced: no round helps. */
    Look look(long now) {
        Set<String> due = pace.due(now);
        pace.made(due, now);
        Findings findings = checks.run(due, known);
        refuseReplaced(findings);
        status = due.contains(PAGE) ? findings.status() : status;
        Map<String, Check> made = findings.checks().stream().filter(check -> due.contains(check.name()))
                .collect(Collectors.toMap(Check::name, check -> check));
        Check app = made.get("app");
        appFound |= app != null && (app.outcome() == Check.Outcome.OK || app.state().equals("degraded"));
        // What is not looked at now keeps its last result, and no longer counts as seen.
        readings = readings.stream().map(last -> made.containsKey(last.check()) ? reading(made.get(last.check()))
                : last.stale()).toList();
        heed(findings, now);
        List<Happening> news = new ArrayList<>(updates());
        if (app != null && neverFound(app) && told.add("app")) {
            news.add(Happening.of("left-out", "app is left out: " + app.summary(), Map.of()));
        }
        List<Reading> deciding = readings.stream().filter(reading -> !reading.check().equals(PAGE)).toList();
        Condition page = deciding.size() < readings.size() ? page(status) : null;
        List<Condition> asked = Stream.of(page, backlog.get()).filter(Objects::nonNull).toList();
        return new Look(new Round(now, deciding, asked), news, findings.with(status));
    }

    private static void refuseReplaced(Findings found) {
        boolean refused = found.checks().stream().anyMatch(check -> check.outcome() == Check.Outcome.FAIL
                && Integer.valueOf(401).equals(check.http()));
        found.before().replacedAt().filter(any -> refused).ifPresent(at -> {
            throw new Problem("this shell's key was replaced at " + Text.minute(at)
                    + ", so it tells nothing: load the new one and start watch again");
        });
    }

    // ---- what a check came to

    private Reading reading(Check check) {
        Result result = switch (check.outcome()) {
            case OK -> Result.GOOD;
            case FAIL -> Result.BAD;
            case WARN -> warned(check);
            default -> Result.UNKNOWN;
        };
        if (check.name().equals(PAGE)) {
            // By what recovery asks of it: to triage, what the vendor still monitors is bad, and no page at all is not.
            Result seen = page(status).met() ? Result.GOOD : Result.BAD;
            result = status.seen() ? seen : Result.UNKNOWN;
        }
        // Triage counts its samples; here it is always one.
        String words = Text.safe(check.summary().replaceFirst("^1 of 1 (failed: |(?=ok))", ""), 160);
        return new Reading(check.name(), result, true, check.millis(), words);
    }

    // Bad where it means slow or unwell; elsewhere it says that something could not be told, or is for later.
    private Result warned(Check check) {
        boolean limited = Integer.valueOf(429).equals(check.http());
        if (check.name().equals("app") && !limited || check.summary().endsWith("which is slow")) {
            return neverFound(check) ? Result.UNKNOWN : Result.BAD;
        }
        boolean open = limited || check.name().startsWith("endpoint:") || check.state().equals("unavailable");
        return open ? Result.UNKNOWN : Result.GOOD;
    }

    // Somebody else answers where a health endpoint was never found; one that is gone is another matter.
    private boolean neverFound(Check app) {
        return !appFound && app.state().equals("not told");
    }

    private void heed(Findings findings, long now) {
        findings.limits().windows().forEach((endpoint, window) -> pace.limit(endpoint, window.limit()));
        findings.answers().forEach((endpoint, samples) -> samples.stream()
                .filter(Reply.class::isInstance).map(Reply.class::cast).filter(reply -> reply.status() == 429)
                .forEach(reply -> pace.hold(endpoint, now + reply.millis() + 1_000 * Math.max(1,
                        ApiError.retryAfter(reply).orElse(60)))));
    }

    // ---- the vendor's page

    /** The status page as far as recovery depends on it. One that cannot be read, or was not yet, proves nothing. */
    private static Condition page(StatusPage page) {
        if (!page.seen()) {
            String why = Text.safe(page.check().summary(), 90);
            return new Condition(PAGE, false, why + " (--no-status-page leaves it out)");
        }
        List<StatusPage.Incident> ours = page.incidents().stream().filter(StatusPage.Incident::matters).toList();
        Stream<String> incidents = ours.stream().filter(incident -> !incident.status().equalsIgnoreCase("monitoring"))
                .map(incident -> incident.name() + " is " + incident.status());
        Stream<String> components = page.components().entrySet().stream()
                .filter(one -> !one.getValue().equals("under_maintenance"))
                .map(one -> one.getKey() + ": " + one.getValue().replace('_', ' '));
        // While the vendor monitors its fix, a component may still show what was; without an incident it is believed.
        String worse = (ours.isEmpty() ? components : incidents).collect(Collectors.joining("; "));
        return new Condition(PAGE, worse.isEmpty(), "status page: " + (worse.isEmpty() ? "nothing worse than monitoring"
                : worse + " (wanted: monitoring or better)"));
    }

    /** What the vendor wrote about incidents that matter and was not told yet, oldest first. */
    private List<Happening> updates() {
        return status.incidents().stream().filter(StatusPage.Incident::matters)
                .flatMap(one -> one.updates().stream().map(update -> news(one, update)))
                .sorted(Comparator.comparing(one -> one.facts().get("vendorAt").toString()))
                .filter(one -> told.add(one.facts().get("update").toString())).toList();
    }

    private static Happening news(StatusPage.Incident incident, StatusPage.Update update) {
        String at = Objects.toString(update.at(), "");
        String words = "Klaviyo" + (at.isEmpty() ? "" : " at " + at) + ": " + incident.name() + ": " + update.status()
                + (update.body().isBlank() ? "" : ": " + Text.safe(update.body(), 200));
        return Happening.of(PAGE, words, Map.of("vendorAt", at, "incident", incident.name(), "status",
                update.status(), "body", update.body(), "update", update.id().isEmpty() ? words : update.id()));
    }

    /** Our application's retry queue as Prometheus has it, now and before the incident. */
    private static final class Backlog implements Supplier<Condition> {
        // Far enough before the first sign that the queue was not filling yet, long enough to hold an ordinary peak.
        private static final Duration BEFORE_FROM = Duration.ofHours(3);
        private static final Duration BEFORE_TO = Duration.ofHours(1);
        private static final int POINTS = 120;
        // A query that gives no number this often in a row will not give one: it no longer holds recovery back.
        private static final int MOST_NONSENSE = 5;

        private final Prometheus prometheus;
        private final String query;
        private final Instant began;
        // The most from before; empty until Prometheus answered, and then no number where it knows nothing.
        private OptionalDouble level = OptionalDouble.empty();
        private int nonsense;

        private Backlog(Prometheus prometheus, String query, Instant began) {
            this.prometheus = prometheus;
            this.query = query;
            this.began = began;
        }

        /** Asks, and says what it comes to. Without a level from before, only an empty queue will do. */
        @Override
        public Condition get() {
            if (level.isEmpty()) {
                Instant from = began.minus(BEFORE_FROM);
                Prometheus.Result before = prometheus.range(query, from, began.minus(BEFORE_TO), POINTS);
                DoubleStream values = before.total().stream().mapToDouble(Prometheus.Point::value);
                level = before.ok() ? OptionalDouble.of(values.max().orElse(Double.NaN)) : level;
            }
            Prometheus.Result result = prometheus.instant(query);
            double now = result.series().stream().mapToDouble(Prometheus.Series::last).sum();
            nonsense = Double.isFinite(now) ? 0 : nonsense + 1;
            if (!result.ok()) {
                return that(false, "unknown: Prometheus: " + result.trouble() + " (left out without --prometheus)");
            } else if (result.series().isEmpty()) {
                return that(false, "unknown: Prometheus knows no " + Text.safe(query, 60));
            } else if (nonsense > 0) {
                String said = "Prometheus gives " + number(now) + ", which is no number of calls";
                return nonsense < MOST_NONSENSE ? that(false, "unknown: " + said)
                        : that(true, "left out: " + said + " (mend --backlog)");
            }
            double before = level.orElse(Double.NaN);
            return Double.isNaN(before)
                    ? that(now <= 0, number(now) + ", nothing known from before the incident: 0 wanted")
                    : that(now <= before, number(now) + ", " + number(before) + " before the incident");
        }

        private static Condition that(boolean met, String words) {
            return new Condition("backlog", met, "retry backlog " + words);
        }

        private static String number(double value) {
            String form = value == Math.rint(value) ? "%.0f" : "%.1f";
            return Double.isFinite(value) ? String.format(Locale.ROOT, form, value)
                    : (value > 0 ? "+" : "") + Double.toString(value).replace("Infinity", "Inf");
        }
    }

    /**
     * When which check may be made. However short the interval, no endpoint gets more than a tenth of what its steady
     * window allows in any minute: all keys of an account share one quota, and the application needs it more than we
     * do. Safe for several threads: rounds are made on one, shown on another.
     */
    public static final class Pace {
        private static final double JITTER = 0.1;
        // Requests leave some milliseconds after their round begins.
        private static final double MARGIN = 1.01;
        private static final double MINUTE = 60_000;
        // Statuspage publishes no limit; its pages are cached for some seconds, so asking more often tells nothing new.
        private static final long PAGE_APART = 5_000;

        private final Collection<String> checks;
        private final long interval;
        private final double speed;
        private final DoubleSupplier random;
        // By quota, an endpoint's or a check's own: how far apart its requests are, and when the next one may be made.
        private final Map<String, Long> apart = new HashMap<>();
        private final Map<String, Long> ready = new HashMap<>();
        private long begun;

        /**
         * A pace for these checks, with an interval between rounds as somebody wishes. A drill runs so many times as
         * fast as real time, quotas included; {@code random}, from 0 to 1, makes the jitter.
         */
        public Pace(Collection<String> checks, Duration interval, double speed, DoubleSupplier random) {
            this.checks = checks;
            this.interval = interval.toMillis();
            this.speed = speed;
            this.random = random;
            checks.forEach(check -> Endpoint.named(quota(check)).ifPresent(one -> limit(one.name(), one.steady())));
            apart.put(PAGE, (long) (PAGE_APART / speed));
        }

        private static String quota(String check) {
            return check.equals("auth") ? Endpoint.ACCOUNTS.name() : check.replaceFirst("^endpoint:", "");
        }

        /** Takes in what an endpoint allows in a minute: the lowest counts of what is published and the API says. */
        public synchronized void limit(String endpoint, long steady) {
            if (steady > 0) {
                // Evenly spaced, so that no minute holds more than its share, wherever it begins.
                double spacing = Math.max(MINUTE / Math.max(1, steady / 10), MINUTE * 10 / steady);
                apart.merge(endpoint, (long) Math.ceil(spacing * MARGIN / speed), Math::max);
            }
        }

        /** The checks that may be made at a moment. */
        public synchronized Set<String> due(long now) {
            return checks.stream().filter(check -> readyAt(check) <= now)
                    .collect(Collectors.toCollection(TreeSet::new));
        }

        private long readyAt(String check) {
            return ready.getOrDefault(quota(check), 0L);
        }

        /** Counts the checks that a round made, also one of an earlier watch. */
        public synchronized void made(Collection<String> made, long now) {
            begun = now;
            made.stream().map(Pace::quota).filter(apart::containsKey)
                    .forEach(quota -> ready.merge(quota, now + apart.get(quota), Math::max));
        }

        /** Leaves an endpoint alone until then, as its 429 asked. */
        public synchronized void hold(String endpoint, long until) {
            ready.merge(endpoint, until, Math::max);
        }

        /**
         * When the next round begins: an interval after the last, give or take the jitter. Only where every check waits
         * for its quota it is later: one that needs none does not wait for the others.
         */
        public synchronized long next() {
            long wished = begun + Math.round(interval * (1 + JITTER * (2 * random.getAsDouble() - 1)));
            return Math.max(wished, checks.stream().filter(check -> !check.equals(PAGE)).mapToLong(this::readyAt).min()
                    .orElse(wished));
        }

        /** How long a check still has to wait; empty when it may be made now. */
        public synchronized Optional<Duration> wait(String check, long now) {
            return Optional.of(readyAt(check) - now).filter(left -> left > 0).map(Duration::ofMillis);
        }
    }
}
