package runbook.watching;

import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.*;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Before;
import runbook.Checks.Findings;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Klaviyo.Endpoint;
import runbook.Screen.Check;
import runbook.Screen.Check.Outcome;
import runbook.Settings.Problem;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.Round;
import runbook.watching.Memory.Past;

/** Makes the rounds: triage's own checks, one request each, as many of them as the {@link Pace} allows. */
public final class Rounds implements AutoCloseable {
    private static final String PAGE = "status-page";

    /**
     * What a round gave: what the state machine takes in; the vendor's updates that were not told yet, oldest first;
     * and the checks as triage knows them, the status page as it was last read.
     */
    record Look(Round round, List<Happening> news, Findings findings) { }

    private final Settings settings;
    private final Checks checks;
    private final Pace pace;
    private final Set<String> told;
    private final Optional<Backlog> backlog;
    private final Supplier<Before> known;
    private volatile List<Reading> readings;
    private StatusPage status = StatusPage.UNSEEN;
    private boolean appTold;

    /** Rounds of what a plan asks for. What is known of our key is asked whenever Klaviyo refuses it. */
    Rounds(Watching.Plan plan, Pace pace, Past past, Supplier<Before> known) {
        this.settings = plan.settings();
        Settings.Probing wide = settings.probing();
        this.checks = new Checks(settings.withProbing(
                new Settings.Probing(wide.timeout(), 1, wide.slow(), wide.endpoints())));
        this.pace = pace;
        this.told = new HashSet<>(past.updates());
        this.known = known;
        readings = plan.checks().stream()
                .map(name -> new Reading(name, Result.UNKNOWN, false, 0, "not yet looked at")).toList();
        backlog = Optional.ofNullable(settings.target().prometheus())
                .map(address -> new Prometheus(checks.http(), address, wide.timeout()))
                .map(asked -> new Backlog(asked, plan.backlog(), Instant.ofEpochMilli(past.began())));
    }

    Http http() {
        return checks.http();
    }

    List<Reading> readings() {
        return readings;
    }

    /** Makes one round with what is due at a moment; a {@link Problem} where our key was replaced: no round helps. */
    Look look(long now) {
        Set<String> due = pace.due(now);
        pace.made(due, now);
        Findings found = checks.run(due, () -> Before.NOTHING);
        Before before = found.checks().stream().anyMatch(Rounds::refused) ? known.get() : Before.NOTHING;
        before.replacedAt().ifPresent(at -> {
            throw new Problem("this shell's key was replaced at " + at.truncatedTo(ChronoUnit.MINUTES)
                    + ", so it tells nothing: load the new one and start watch again");
        });
        Map<String, Check> made = found.checks().stream().filter(check -> due.contains(check.name()))
                .collect(Collectors.toMap(Check::name, check -> check));
        // What is not looked at now keeps its last result, and no longer counts as seen.
        readings = readings.stream().map(last -> made.containsKey(last.check())
                ? reading(made.get(last.check()), found) : last.stale()).toList();
        heed(found, now);
        status = due.contains(PAGE) ? found.status() : status;
        List<Happening> news = new ArrayList<>(due.contains(PAGE) ? updates(now) : List.of());
        Optional.ofNullable(made.get("app")).filter(app -> untold(app) && told.add("app")).ifPresent(app ->
                news.add(Happening.of("left-out", now, "app is left out: " + app.summary(), Map.of())));
        List<Reading> deciding = readings.stream().filter(reading -> !reading.check().equals(PAGE)).toList();
        Optional<Condition> page = Optional.of(status).filter(any -> deciding.size() < readings.size())
                .map(Rounds::condition);
        List<Condition> asked = Stream.of(page, backlog.map(Backlog::look)).flatMap(Optional::stream).toList();
        return new Look(new Round(now, deciding, asked), news, found.with(status, before));
    }

    @Override
    public void close() {
        checks.close();
    }

    // ---- what a check came to

    private Reading reading(Check check, Findings findings) {
        // Triage counts its samples; here it is always one.
        String words = Text.safe(check.summary().replaceFirst("^1 of 1 (failed: |(?=ok))", ""), 160);
        return new Reading(check.name(), result(check, findings), true, check.millis(), words);
    }

    private static boolean refused(Check check) {
        return check.outcome() == Outcome.FAIL && Integer.valueOf(401).equals(check.http());
    }

    // Somebody else answers where a health endpoint was never found; one that is gone is another matter.
    private boolean untold(Check app) {
        appTold |= app.outcome() == Outcome.OK || app.state().equals("degraded");
        return !appTold && app.state().equals("not told");
    }

    private Result result(Check check, Findings findings) {
        return switch (check.outcome()) {
            case OK -> Result.GOOD;
            case FAIL -> Result.BAD;
            case WARN -> warned(check, findings);
            default -> Result.UNKNOWN;
        };
    }

    // Bad where it means slow or unwell; elsewhere it says that something could not be told, or is for later.
    private Result warned(Check check, Findings findings) {
        boolean app = check.name().equals("app");
        if (app || findings.endpoints().stream().anyMatch(probe -> probe.check() == check && probe.slow())) {
            return app && untold(check) ? Result.UNKNOWN : Result.BAD;
        }
        boolean told = switch (check.name()) {
            case "app-errors" -> !check.state().equals("unavailable");
            case "auth" -> !findings.auth().shows(Symptom.THROTTLED);
            default -> !check.name().startsWith("endpoint:");
        };
        return told ? Result.GOOD : Result.UNKNOWN;
    }

    private void heed(Findings findings, long now) {
        findings.limits().windows().forEach((endpoint, window) -> pace.limit(endpoint, window.limit()));
        findings.answers().forEach((endpoint, samples) -> samples.stream()
                .filter(Reply.class::isInstance).map(Reply.class::cast).filter(reply -> reply.status() == 429)
                .forEach(reply -> pace.hold(endpoint, now + reply.millis(),
                        ApiError.retryAfter(reply).map(Duration::ofSeconds).orElse(Duration.ofMinutes(1)))));
    }

    // ---- the vendor's page

    /** The status page as far as recovery depends on it. One that cannot be read, or was not yet, proves nothing. */
    private static Condition condition(StatusPage page) {
        if (!page.seen()) {
            String why = Text.safe(page.check().summary(), 90);
            return new Condition(PAGE, false, why + " (--no-status-page leaves it out)");
        }
        List<StatusPage.Incident> ours = page.incidents().stream().filter(StatusPage.Incident::matters).toList();
        Stream<String> incidents = ours.stream().filter(incident -> !incident.monitoring())
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
    private List<Happening> updates(long now) {
        if (!status.seen()) {
            return List.of();
        }
        return status.incidents().stream().filter(StatusPage.Incident::matters)
                .flatMap(one -> one.updates().stream().map(update -> told(one, update, now)))
                .sorted(Comparator.comparing(one -> one.facts().get("vendorAt").toString()))
                .filter(one -> told.add(one.facts().get("update").toString())).toList();
    }

    private static Happening told(StatusPage.Incident incident, StatusPage.Update update, long now) {
        String at = Objects.toString(update.at(), "");
        String words = "Klaviyo" + (at.isEmpty() ? "" : " at " + at) + ": " + incident.name() + ": " + update.status()
                + (update.body().isBlank() ? "" : ": " + Text.safe(update.body(), 200));
        // The same after a restart.
        String minute = at.isEmpty() ? "" : at.substring(0, 16);
        String id = (incident.name() + " " + minute + " " + update.status()).toLowerCase(Locale.ROOT);
        return Happening.of(PAGE, now, words, Map.of("vendorAt", at, "incident", incident.name(), "status",
                update.status(), "body", update.body(), "update", id));
    }

    /** Our application's retry queue as Prometheus has it, now and before the incident. */
    private static final class Backlog {
        // Far enough before the first sign that the queue was not filling yet, long enough to hold an ordinary peak.
        private static final Duration BEFORE_FROM = Duration.ofHours(3);
        private static final Duration BEFORE_TO = Duration.ofHours(1);
        private static final int POINTS = 120;
        // A query that gives no number this often in a row will not give one: it no longer holds recovery back.
        private static final int MOST_NONSENSE = 5;

        private final Prometheus prometheus;
        private final String query;
        private final Instant began;
        private OptionalDouble level = OptionalDouble.empty();
        private boolean lookedBack;
        private int nonsense;

        private Backlog(Prometheus prometheus, String query, Instant began) {
            this.prometheus = prometheus;
            this.query = query;
            this.began = began;
        }

        /** Asks, and says what it comes to. Without a level from before, only an empty queue will do. */
        private Condition look() {
            if (!lookedBack) {
                Instant from = began.minus(BEFORE_FROM);
                Prometheus.Result before = prometheus.range(query, from, began.minus(BEFORE_TO), POINTS);
                lookedBack = before.ok();
                level = before.total().stream().mapToDouble(Prometheus.Point::value).max();
            }
            Prometheus.Result result = prometheus.instant(query);
            if (!result.ok()) {
                return unknown("Prometheus: " + result.trouble() + " (left out without --prometheus)");
            } else if (result.series().isEmpty()) {
                return unknown("Prometheus knows no " + Text.safe(query, 60));
            }
            return judged(result.series().stream().mapToDouble(Prometheus.Series::last)
                    .filter(Double::isInfinite).findFirst().orElse(result.sum().orElse(Double.NaN)));
        }

        private Condition judged(double now) {
            nonsense = Double.isFinite(now) ? 0 : nonsense + 1;
            if (nonsense > 0) {
                String value = Double.isNaN(now) ? "NaN" : now > 0 ? "+Inf" : "-Inf";
                String said = "Prometheus gives " + value + ", which is no number of calls";
                return nonsense < MOST_NONSENSE ? unknown(said)
                        : new Condition("backlog", true, "retry backlog left out: " + said + " (mend --backlog)");
            }
            String was = level.isPresent() ? words(level.getAsDouble()) + " before the incident"
                    : "nothing known from before the incident: 0 wanted";
            return new Condition("backlog", now <= level.orElse(0), "retry backlog " + words(now) + ", " + was);
        }

        private static Condition unknown(String why) {
            return new Condition("backlog", false, "retry backlog unknown: " + why);
        }

        private static String words(double value) {
            return String.format(Locale.ROOT, value == Math.rint(value) ? "%.0f" : "%.1f", value);
        }
    }

    /**
     * When which check may be made. However short the interval, no endpoint gets more than a tenth of what its steady
     * window allows in any minute: all keys of an account share one quota, and the application needs it more than we
     * do. Safe for several threads: rounds are made on one, shown on another.
     */
    public static final class Pace {
        private static final double SHARE = 0.1;
        private static final double JITTER = 0.1;
        private static final double MARGIN = 1.01;
        private static final long MINUTE = 60_000;
        // Statuspage publishes no limit; its pages are cached for some seconds, so asking more often tells nothing new.
        private static final long STATUS_PAGE_APART = 5_000;

        private final long interval;
        private final double speed;
        private final DoubleSupplier random;
        // By check what it draws on: an endpoint's quota, or something of its own.
        private final Map<String, String> quotaOf = new LinkedHashMap<>();
        private final Map<String, Long> apart = new HashMap<>();
        private final Map<String, Long> allowed = new HashMap<>();
        private final Map<String, Long> ready = new HashMap<>();
        private long begun;

        /**
         * A pace for these checks, with an interval between rounds as somebody wishes. A drill runs so many times as
         * fast as real time, quotas included; {@code random}, from 0 to 1, makes the jitter.
         */
        public Pace(Collection<String> checks, Duration interval, double speed, DoubleSupplier random) {
            this.interval = interval.toMillis();
            this.speed = speed;
            this.random = random;
            for (String check : checks) {
                String quota = check.equals("auth") ? Endpoint.ACCOUNTS.name() : check.replaceFirst("^endpoint:", "");
                quotaOf.put(check, quota);
                Endpoint.named(quota).ifPresent(endpoint -> limit(quota, endpoint.steady()));
            }
            apart.put("status-page", (long) (STATUS_PAGE_APART / speed));
        }

        /**
         * Takes in what the API says an endpoint allows in a minute: the lower of that and what is published counts.
         */
        public synchronized void limit(String endpoint, long steady) {
            if (steady > 0 && steady < allowed.getOrDefault(endpoint, Long.MAX_VALUE)) {
                allowed.put(endpoint, steady);
                long perMinute = (long) Math.floor(steady * SHARE + 1e-9);
                // Evenly spaced, so that no minute holds more than its share, wherever it begins; a little more than
                // evenly, since requests leave some milliseconds after their round begins.
                double spacing = perMinute > 0 ? (double) MINUTE / perMinute : MINUTE / (steady * SHARE);
                apart.put(endpoint, (long) Math.ceil(spacing * MARGIN / speed));
            }
        }

        /** The checks that may be made at a moment. */
        public synchronized Set<String> due(long now) {
            return quotaOf.keySet().stream().filter(check -> readyAt(check) <= now)
                    .collect(Collectors.toCollection(TreeSet::new));
        }

        private long readyAt(String check) {
            return ready.getOrDefault(quotaOf.get(check), Long.MIN_VALUE);
        }

        /** Counts the checks that a round made, also one of an earlier watch. */
        public synchronized void made(Set<String> checks, long now) {
            begun = now;
            checks.stream().map(quotaOf::get).filter(apart::containsKey)
                    .forEach(quota -> ready.merge(quota, now + apart.get(quota), Math::max));
        }

        /**
         * Leaves an endpoint alone for as long as its 429 asked, and longer by a jitter: not everybody is back at once.
         */
        public synchronized void hold(String endpoint, long now, Duration retryAfter) {
            long wait = (long) (Math.max(1_000, retryAfter.toMillis()) * (1 + JITTER * random.getAsDouble()));
            ready.merge(endpoint, now + wait, Math::max);
        }

        /**
         * When the next round begins: an interval after the last, give or take the jitter. Only where every check waits
         * for its quota it is later: one that needs none does not wait for the others.
         */
        public synchronized long next() {
            long wished = begun + Math.round(interval * (1 + JITTER * (2 * random.getAsDouble() - 1)));
            return Math.max(wished, quotaOf.keySet().stream().filter(check -> !check.equals("status-page"))
                    .mapToLong(this::readyAt).min().orElse(wished));
        }

        /** How long a check still has to wait; empty when it may be made now. */
        public synchronized Optional<Duration> wait(String check, long now) {
            return Optional.of(readyAt(check)).filter(at -> at > now).map(at -> Duration.ofMillis(at - now));
        }
    }
}
